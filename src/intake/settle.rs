//! Pure. Whether a file that someone puts into a mailbox locally is complete: renamed in, or not moved for a while.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::mailbox::{Fingerprint, MailboxPath};

/// How a file came to look as it does, as far as the watcher saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coming {
    /// A rename put it here, so whoever wrote it had finished.
    RenamedIn,
    /// It may still be written.
    Unknown,
}

/// What one look at a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Complete,
    /// Look again then.
    Wait(Timestamp),
}

/// The files of one mailbox that are not taken up yet, and since when they have looked as they do.
#[derive(Debug)]
pub(super) struct Settling {
    window: SignedDuration,
    since: HashMap<MailboxPath, (Fingerprint, Timestamp)>,
}

impl Settling {
    /// A file is complete when nothing about it has moved for `window`.
    pub(super) fn new(window: SignedDuration) -> Self {
        Self {
            window,
            since: HashMap::new(),
        }
    }

    /// Takes one look at a file.
    pub(super) fn look(
        &mut self,
        path: &MailboxPath,
        fingerprint: Fingerprint,
        coming: Coming,
        now: Timestamp,
    ) -> Verdict {
        if coming == Coming::RenamedIn {
            return Verdict::Complete;
        }
        let (before, since) = *self.since.entry(path.clone()).or_insert((fingerprint, now));
        // A clock that was set back makes the file wait anew rather than for hours.
        if before != fingerprint || now < since {
            self.since.insert(path.clone(), (fingerprint, now));
            return Verdict::Wait(now + self.window);
        }
        let until = since + self.window;
        if now >= until {
            Verdict::Complete
        } else {
            Verdict::Wait(until)
        }
    }

    /// The file is taken up, or is no business of ours.
    pub(super) fn forget(&mut self, path: &MailboxPath) {
        self.since.remove(path);
    }

    /// Forgets the files that are gone.
    pub(super) fn retain(&mut self, is_there: impl Fn(&MailboxPath) -> bool) {
        self.since.retain(|path, _| is_there(path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(settling: &mut Settling, size_bytes: u64, second: i64, coming: Coming) -> Verdict {
        let fingerprint = Fingerprint {
            inode: 1,
            size_bytes,
            modified_ns: 0,
            changed_ns: 0,
        };
        let path = MailboxPath::root().join("employees.csv").unwrap();
        settling.look(&path, fingerprint, coming, at(second))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_file_is_complete_when_it_has_not_moved_for_the_window() {
        let mut settling = Settling::new(SignedDuration::from_secs(10));
        let mut look = |size, second| look(&mut settling, size, second, Coming::Unknown);
        assert_eq!(look(1, 0), Verdict::Wait(at(10)));
        assert_eq!(look(1, 9), Verdict::Wait(at(10)));
        assert_eq!(look(2, 10), Verdict::Wait(at(20)), "it has grown");
        assert_eq!(look(2, 20), Verdict::Complete);
    }

    #[test]
    fn a_file_that_was_renamed_in_is_complete_at_once() {
        let mut settling = Settling::new(SignedDuration::from_secs(10));
        assert_eq!(
            look(&mut settling, 1, 0, Coming::RenamedIn),
            Verdict::Complete
        );
    }

    #[test]
    fn a_clock_set_back_starts_the_wait_anew() {
        let mut settling = Settling::new(SignedDuration::from_secs(10));
        look(&mut settling, 1, 1000, Coming::Unknown);
        assert_eq!(
            look(&mut settling, 1, 0, Coming::Unknown),
            Verdict::Wait(at(10))
        );
        assert_eq!(
            look(&mut settling, 1, 10, Coming::Unknown),
            Verdict::Complete
        );
    }
}
