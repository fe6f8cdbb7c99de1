//! `[photos]` of a tenant's file: what becomes of photos that are not as they should be, and when they are told of.

use std::time::Duration;

use crate::config::document::Section;
use crate::parse::photo::{Wish, batch};

/// How a tenant's photos are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Photos {
    pub wish: Wish,
    /// Without a photo, it ends a batch.
    pub pause: Duration,
}

impl Default for Photos {
    fn default() -> Self {
        Self {
            wish: Wish::default(),
            pause: batch::PAUSE,
        }
    }
}

/// Nobody wants to wait longer for a report.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// Reads it, where there is one.
pub(super) fn read(tenant: &Section<'_>) -> Photos {
    let otherwise = Photos::default();
    let Some(section) = tenant.section("photos") else {
        return otherwise;
    };
    let wish = match section.flag("conform") {
        Some(true) => Wish::Conform,
        Some(false) => Wish::Tell,
        None => otherwise.wish,
    };
    let pause = section
        .duration("pause", Duration::from_secs(1))
        .unwrap_or(otherwise.pause);
    if pause.is_zero() || pause > LONGEST_PAUSE {
        section.wrong_key(
            "pause",
            "expected a time of more than nothing and at most a day, as \"10m\": a batch of photos ends when none has come for so long",
        );
    }
    section.finish();
    Photos { wish, pause }
}
