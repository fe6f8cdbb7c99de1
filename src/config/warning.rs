//! What a configuration may say and an admin should hear of: credentials that end, and hashes that are easy to break. Nothing of it keeps rosterd from
//! starting.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::config::{Config, Credential, Login, Tenant};
use crate::tenant::TenantId;

/// From so many days before its last one on, a credential is warned of.
const NOTICE_DAYS: i32 = 14;

/// A concern about one credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub tenant: TenantId,
    pub user: String,
    pub credential: Credential,
    pub concern: Concern,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// It ends soon, so many days after today.
    Ends { last_day: Date, days: i32 },
    /// It has ended, and others are still good.
    Over { last_day: Date },
    /// It has ended, and was the last one: nobody can log in any more.
    LastIsOver { last_day: Date },
    /// Its hash is easier to break than what `hash-password` makes.
    Weak { memory_kib: u32, passes: u32 },
}

impl Concern {
    /// Whether it comes with time, so that a daemon that runs for long says it again.
    pub const fn comes_with_time(self) -> bool {
        matches!(self, Self::Ends { .. } | Self::LastIsOver { .. })
    }
}

impl Warning {
    /// What it is about and what to do, without whose it is.
    pub fn words(&self) -> String {
        let credential = &self.credential;
        match self.concern {
            Concern::Ends { last_day, days } => {
                let left = match days {
                    0 => "today is its last day".to_owned(),
                    1 => "1 day is left".to_owned(),
                    days => format!("{days} days are left"),
                };
                format!(
                    "the {credential} ends after {last_day}, {left}: add its successor beside it"
                )
            }
            Concern::Over { last_day } => {
                format!("the {credential} ended after {last_day}: remove it")
            }
            Concern::LastIsOver { last_day } => format!(
                "nobody can log in, the {credential} was the last and ended after {last_day}: add another one, or a later day"
            ),
            Concern::Weak { memory_kib, passes } => format!(
                "the {credential} is easier to break than need be (m={memory_kib}, t={passes}): hash it again with `rosterd hash-password`"
            ),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.tenant, self.user, self.words())
    }
}

/// Everything to be warned of at `now`, in the order of tenants and logins.
pub fn warnings(config: &Config, now: Timestamp) -> Vec<Warning> {
    let tenants = config.tenants.values();
    tenants
        .flat_map(|tenant| {
            let logins = tenant.logins.iter();
            logins.flat_map(move |login| of_login(tenant, login, now))
        })
        .collect()
}

/// What there is to say of the credentials of one login.
pub fn of_login(tenant: &Tenant, login: &Login, now: Timestamp) -> Vec<Warning> {
    let warning = |credential: &Credential, concern| Warning {
        tenant: tenant.id.clone(),
        user: login.user.clone(),
        credential: credential.clone(),
        concern,
    };
    let today = tenant.day(now);
    let last = login
        .last_ended(tenant, now)
        .map(|(credential, _)| &credential.id);
    let ends = login.credentials().filter_map(|it| {
        let last_day = it.expires?;
        let days = (last_day - today).get_days();
        let concern = match days {
            ..0 if last == Some(&it.id) => Concern::LastIsOver { last_day },
            ..0 => Concern::Over { last_day },
            0..=NOTICE_DAYS => Concern::Ends { last_day, days },
            _ => return None,
        };
        Some(warning(it, concern))
    });
    let weak = login.passwords.iter().filter_map(|it| {
        let (memory_kib, passes) = it.weakness()?;
        let concern = Concern::Weak { memory_kib, passes };
        Some(warning(&it.credential, concern))
    });
    ends.chain(weak).collect()
}

/// When the first of the credentials ends that still count: those that are good, and the last one of a login that has none left.
pub fn first_end(tenant: &Tenant, now: Timestamp) -> Option<Timestamp> {
    let counting = tenant.logins.iter().flat_map(|login| {
        let last = login.last_ended(tenant, now).map(|(last, _)| last);
        let live = login.credentials().filter(|it| it.is_live(tenant, now));
        live.chain(last)
    });
    counting.filter_map(|it| it.ends(&tenant.time_zone)).min()
}

impl Login {
    /// When all its credentials have ended: the one that was the last, and its last day.
    pub fn last_ended(&self, tenant: &Tenant, now: Timestamp) -> Option<(&Credential, Date)> {
        if self.credentials().any(|it| it.is_live(tenant, now)) {
            return None;
        }
        let ended = self.credentials().filter_map(|it| Some((it, it.expires?)));
        ended.max_by_key(|(_, last_day)| *last_day)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::config::{AuthorizedKey, Password};
    use crate::secret::Secret;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ hr";

    fn tenant(password_ends: Option<&str>, key_ends: Option<&str>) -> Tenant {
        let mut password = Password::of(Secret::new("$argon2id$v=19$m=19456,t=2,p=1$…".to_owned()));
        password.credential.expires = password_ends.map(|day| day.parse().unwrap());
        let mut key = AuthorizedKey::parse(KEY).unwrap();
        key.credential.name = Some("laptop".to_owned());
        key.credential.expires = key_ends.map(|day| day.parse().unwrap());
        Tenant {
            time_zone: jiff::tz::TimeZone::get("Australia/Melbourne").unwrap(),
            logins: vec![Login {
                authorized_keys: vec![key],
                passwords: vec![password],
                ..Login::of("hr@acme.example")
            }],
            ..Tenant::of("acme")
        }
    }

    /// In Melbourne it is the 22nd already.
    fn said(password_ends: Option<&str>, key_ends: Option<&str>) -> Vec<String> {
        let config = Config::of(Path::new("."), [tenant(password_ends, key_ends)]);
        let now = "2026-11-21T13:30:00Z".parse().unwrap();
        let warnings = warnings(&config, now);
        warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_credential_is_warned_of_for_a_fortnight_before_its_end_in_the_tenants_zone() {
        assert_eq!(
            said(Some("2026-12-06"), Some("2026-12-07")),
            [
                "acme: hr@acme.example: the password 847802c6 ends after 2026-12-06, 14 days are left: add its successor beside it"
            ]
        );
        assert_eq!(
            said(None, Some("2026-11-22")),
            [
                "acme: hr@acme.example: the key laptop ends after 2026-11-22, today is its last day: add its successor beside it"
            ]
        );
        assert_eq!(said(None, None), [] as [String; 0]);
    }

    #[test]
    fn an_ended_credential_is_to_be_removed_and_the_last_one_to_be_replaced() {
        assert_eq!(
            said(None, Some("2026-11-21")),
            ["acme: hr@acme.example: the key laptop ended after 2026-11-21: remove it"]
        );
        assert_eq!(
            said(Some("2026-11-20"), Some("2026-11-21")),
            [
                "acme: hr@acme.example: the password 847802c6 ended after 2026-11-20: remove it",
                "acme: hr@acme.example: nobody can log in, the key laptop was the last and ended after 2026-11-21: add another one, or a later day",
            ]
        );
    }

    #[test]
    fn the_first_end_is_of_what_still_counts() {
        let now = "2026-11-22T02:00:00Z".parse().unwrap();
        let of = |password_ends, key_ends| {
            let end = first_end(&tenant(password_ends, key_ends), now);
            end.map(|end| end.to_string())
        };
        let (gone, later, latest) = ("2026-11-01", "2026-12-01", "2026-12-02");
        assert_eq!(of(None, None), None);
        assert_eq!(of(None, Some(gone)), None);
        assert_eq!(of(Some(gone), Some(later)).unwrap(), "2026-12-01T13:00:00Z");
        assert_eq!(
            of(Some(latest), Some(later)).unwrap(),
            "2026-12-01T13:00:00Z"
        );
        assert_eq!(of(Some(gone), Some(gone)).unwrap(), "2026-11-01T13:00:00Z");
    }

    #[test]
    fn the_last_day_counts_to_its_end_where_the_tenant_is() {
        let tenant = Arc::new(tenant(Some("2026-11-22"), None));
        let password = &tenant.logins[0].passwords[0].credential;
        let ends = password.ends(&tenant.time_zone).unwrap();
        assert_eq!(ends.to_string(), "2026-11-22T13:00:00Z");
        let before = "2026-11-22T12:59:59Z".parse().unwrap();
        assert!(password.is_live(&tenant, before));
        assert!(!password.is_live(&tenant, ends));
    }
}
