//! `[retention]`: how long things are kept. A tenant's file may say otherwise for the tenant, key by key.

use std::time::Duration;

use crate::config::document::Section;
use crate::config::units::DAY;

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Copies of deliveries.
    pub archive: Duration,
    /// Files in `/errors`.
    pub errors: Duration,
    /// Uploads that were never renamed.
    pub temporary: Duration,
    /// Values in the history of people; that something changed, and when, stays. None: as long as the people.
    pub history: Option<Duration>,
}

/// What a tenant wants otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnRetention {
    pub archive: Option<Duration>,
    pub errors: Option<Duration>,
    pub temporary: Option<Duration>,
    pub history: Option<Duration>,
}

impl Retention {
    pub(super) fn read(section: Option<&Section<'_>>) -> Self {
        let own = section.map(OwnRetention::read).unwrap_or_default();
        Self {
            archive: own.archive.unwrap_or(DAY * 30),
            errors: own.errors.unwrap_or(DAY * 30),
            temporary: own.temporary.unwrap_or(DAY * 7),
            history: own.history,
        }
    }

    /// The same, as a tenant wants it.
    #[must_use]
    pub fn with(self, own: OwnRetention) -> Self {
        Self {
            archive: own.archive.unwrap_or(self.archive),
            errors: own.errors.unwrap_or(self.errors),
            temporary: own.temporary.unwrap_or(self.temporary),
            history: own.history.or(self.history),
        }
    }
}

impl OwnRetention {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let history = section.duration("history", DAY);
        if history.is_some_and(|kept| kept < DAY) {
            section.wrong_key("history", "must be 1 day or more");
        }
        Self {
            archive: section.duration("archive", DAY),
            errors: section.duration("errors", DAY),
            temporary: section.duration("temporary", DAY),
            history,
        }
    }

    /// Each key with what is wanted.
    pub(super) fn entries(self) -> impl Iterator<Item = (&'static str, Duration)> {
        let Self {
            archive,
            errors,
            temporary,
            history,
        } = self;
        let entries = [
            ("archive", archive),
            ("errors", errors),
            ("temporary", temporary),
            ("history", history),
        ];
        let wanted = |(key, kept): (&'static str, Option<Duration>)| Some((key, kept?));
        entries.into_iter().filter_map(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_keeps_what_it_says_otherwise_and_the_rest_as_all_do() {
        let all = Retention::read(None);
        assert_eq!((all.archive, all.history), (DAY * 30, None));
        let own = OwnRetention {
            archive: Some(DAY),
            history: Some(DAY * 400),
            ..OwnRetention::default()
        };
        let kept = all.with(own);
        assert_eq!((kept.archive, kept.errors), (DAY, DAY * 30));
        assert_eq!(kept.history, Some(DAY * 400));
        assert_eq!(kept.with(OwnRetention::default()), kept);
    }
}
