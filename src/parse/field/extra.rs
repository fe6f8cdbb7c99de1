//! Pure. Names of fields that tenants add. Each is kept once for as long as the process lives, so that a field stays a small value that can be copied.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Bytes of a name.
const LONGEST: usize = 63;

/// Every name that was ever used: those of configurations, and what was stored under them. So there are few.
static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// The name of an extra field: a small letter, then small letters, digits and underscores.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtraName(&'static str);

impl ExtraName {
    /// Takes a name that keeps the rule.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let fits = name.len() <= LONGEST
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !fits {
            return None;
        }
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name) {
            return Some(Self(known));
        }
        let kept: &'static str = Box::leak(Box::from(name));
        names.insert(kept);
        Some(Self(kept))
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for ExtraName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}
