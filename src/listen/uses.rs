//! Pure. Which credential was used last when and from where, between two writings of it into the database.
//!
//! A login never waits for the database: what it notes here lies in memory until a task of the daemon takes it. A crash loses what was noted since then.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::config::CredentialKind;
pub use crate::listen::Protocol;
use crate::tenant::TenantId;

/// More are not kept, should the database be away for long while passwords come and go.
const LIMIT: usize = 50_000;

/// What was used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    pub tenant: TenantId,
    pub user: String,
    pub kind: CredentialKind,
    /// Of the credential.
    pub id: String,
}

/// How it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub last_at: Timestamp,
    pub last_protocol: Protocol,
    pub last_address: IpAddr,
    pub count: u64,
}

/// The uses that are not in the database yet, one entry a credential.
#[derive(Debug, Default)]
pub struct Uses(Mutex<BTreeMap<Used, Use>>);

impl Uses {
    /// Adds uses of a credential.
    pub fn note(&self, used: Used, how: Use) {
        let mut noted = self.lock();
        if noted.len() >= LIMIT && !noted.contains_key(&used) {
            return;
        }
        noted
            .entry(used)
            .and_modify(|known| {
                let count = known.count + how.count;
                if known.last_at <= how.last_at {
                    *known = how;
                }
                known.count = count;
            })
            .or_insert(how);
    }

    /// All of them, to be written.
    pub fn take(&self) -> BTreeMap<Used, Use> {
        std::mem::take(&mut *self.lock())
    }

    /// Takes back what could not be written.
    pub fn put_back(&self, uses: BTreeMap<Used, Use>) {
        for (used, how) in uses {
            self.note(used, how);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Used, Use>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(id: &str) -> Used {
        Used {
            tenant: TenantId::parse("acme").unwrap(),
            user: "hr".to_owned(),
            kind: CredentialKind::Password,
            id: id.to_owned(),
        }
    }

    fn from(second: i64, last_address: &str) -> Use {
        Use {
            last_at: Timestamp::from_second(second).unwrap(),
            last_protocol: Protocol::Sftp,
            last_address: last_address.parse().unwrap(),
            count: 1,
        }
    }

    #[test]
    fn uses_add_up_and_the_last_one_stays_also_when_older_ones_come_back() {
        let uses = Uses::default();
        uses.note(used("a"), from(1, "192.0.2.1"));
        let not_written = uses.take();
        uses.note(used("a"), from(3, "192.0.2.3"));
        uses.note(used("a"), from(2, "192.0.2.2"));
        uses.put_back(not_written);
        let expected = Use {
            count: 3,
            ..from(3, "192.0.2.3")
        };
        assert_eq!(uses.take(), BTreeMap::from([(used("a"), expected)]));
        assert!(uses.take().is_empty());
    }

    #[test]
    fn no_more_is_kept_than_the_limit() {
        let uses = Uses::default();
        for at in 0..LIMIT {
            uses.note(used(&at.to_string()), from(1, "192.0.2.1"));
        }
        uses.note(used("one more"), from(1, "192.0.2.1"));
        uses.note(used("0"), from(2, "192.0.2.1"));
        let taken = uses.take();
        assert_eq!(taken.len(), LIMIT);
        assert_eq!(taken[&used("0")].count, 2);
    }
}
