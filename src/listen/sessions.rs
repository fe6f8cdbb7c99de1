//! Who is logged in now: counted by login, and ended by a reload that leaves them no right to be here.
//!
//! A session goes on across a reload if it would be let in again as what it is: the configuration still has its login, in the same tenant and environment
//! and with the same rights; `allow_from` still holds its address; and the password or key it came with is still listed (one whose `expires` was
//! moved must not be past it); and, over FTPS, the certificate it came with is one of its `client_certificates`, if it lists some. Nothing else about
//! the login, its tenant or the server matters: another password added or taken away, a longer
//! allowlist, a new quota, new data sources, fewer `sessions_per_login` or other `hosts` let it go on.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::config::{self, AuthorizedKey, Config, Fingerprint, Login, Password, Tenant};
use crate::listen::Protocol;
use crate::live::Live;
use crate::tenant::{Environment, Rights, TenantId};

/// All sessions that are logged in.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    by_number: BTreeMap<u64, OpenSession>,
}

#[derive(Debug)]
struct OpenSession {
    claim: Claim,
    ended: CancellationToken,
}

/// What a session is, and what it has shown for it.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) user: String,
    pub(super) tenant: TenantId,
    pub(super) environment: Environment,
    pub(super) rights: Rights,
    pub(super) protocol: Protocol,
    pub(super) peer: IpAddr,
    pub(super) credential: Credential,
    /// Shown in the TLS handshake.
    pub(super) certificate: Option<Fingerprint>,
}

/// What a session has logged in with.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    Password(Password),
    Key(AuthorizedKey),
}

/// Why a session may not be, or not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    #[error("its login is not in the configuration any more")]
    Removed,
    #[error("its login belongs to another tenant or environment now")]
    Moved,
    #[error("the rights of its login have changed")]
    OtherRights,
    #[error("the allow_from of its login does not hold its address any more")]
    AddressNotAllowed,
    #[error("the password it came with is not good any more")]
    PasswordGone,
    #[error("the key it came with is not good any more")]
    KeyGone,
    #[error("the certificate it came with is not one of its client_certificates")]
    CertificateGone,
    #[error("it has limits.sessions_per_login sessions already")]
    TooMany,
}

/// A session's place; dropped, it is free again.
#[derive(Debug)]
pub(super) struct Place {
    sessions: Arc<Sessions>,
    number: u64,
    ended: CancellationToken,
}

impl Place {
    /// Cancelled when the session has to go.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.ended
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.lock().by_number.remove(&self.number);
    }
}

impl Open {
    /// Sessions of a user.
    fn of(&self, user: &str) -> usize {
        let sessions = self.by_number.values();
        sessions.filter(|it| it.claim.user == user).count()
    }
}

/// Whether a login that has so many sessions may have another one.
pub fn has_room(sessions: usize, config: &Config) -> Result<(), Objection> {
    if sessions < config.limits.sessions_per_login {
        Ok(())
    } else {
        Err(Objection::TooMany)
    }
}

impl Sessions {
    /// How many sessions a user has.
    pub(super) fn of(&self, user: &str) -> usize {
        self.lock().of(user)
    }

    /// Lets a session in, by what is in force now.
    pub(super) fn admit(
        self: &Arc<Self>,
        claim: Claim,
        settings: &Live<Config>,
        now: Timestamp,
    ) -> Result<Place, Objection> {
        let mut open = self.lock();
        // Asked while the lock is held: who is let in by the old configuration is in the list before `review` reads it for the new one.
        let config = settings.now();
        claim.judge(&config, now)?;
        has_room(open.of(&claim.user), &config)?;
        let number = open.next;
        open.next += 1;
        let ended = CancellationToken::new();
        let session = OpenSession {
            claim,
            ended: ended.clone(),
        };
        open.by_number.insert(number, session);
        drop(open);
        Ok(Place {
            sessions: Arc::clone(self),
            number,
            ended,
        })
    }

    /// Ends the sessions that `config`, which is in force already, would not let in again; says how many.
    pub(super) fn review(&self, config: &Config, now: Timestamp) -> usize {
        let open = self.lock();
        let mut ended = 0;
        for OpenSession { claim, ended: end } in open.by_number.values() {
            let Err(objection) = claim.judge(config, now) else {
                continue;
            };
            tracing::info!(
                protocol = claim.protocol.as_str(),
                peer = %claim.peer,
                login = claim.user,
                tenant.id = %claim.tenant,
                "a session is ended by the reload: {objection}"
            );
            end.cancel();
            ended += 1;
        }
        ended
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Whether `config` lets this in. See the module.
    fn judge(&self, config: &Config, now: Timestamp) -> Result<(), Objection> {
        let (tenant, login) = config.login(&self.user).ok_or(Objection::Removed)?;
        if tenant.id != self.tenant || login.environment != self.environment {
            return Err(Objection::Moved);
        }
        if login.rights != self.rights {
            return Err(Objection::OtherRights);
        }
        if !login.allow_from.contains(self.peer) {
            return Err(Objection::AddressNotAllowed);
        }
        let listed = &login.client_certificates;
        let is_asked = self.protocol != Protocol::Sftp && !listed.is_empty();
        if is_asked && !self.certificate.is_some_and(|it| listed.contains(&it)) {
            return Err(Objection::CertificateGone);
        }
        self.credential.judge(login, tenant, now)
    }
}

impl Credential {
    /// What it is called, and all else but its secret.
    pub(super) fn listed(&self) -> &config::Credential {
        match self {
            Self::Password(shown) => &shown.credential,
            Self::Key(shown) => &shown.credential,
        }
    }

    fn judge(&self, login: &Login, tenant: &Tenant, now: Timestamp) -> Result<(), Objection> {
        let shown = self.listed();
        let is_good = |listed: &config::Credential| {
            listed.expires == shown.expires || listed.is_live(tenant, now)
        };
        match self {
            Self::Password(shown) => {
                let mut listed = login.passwords.iter();
                let good = listed.any(|it| it.hash == shown.hash && is_good(&it.credential));
                good.then_some(()).ok_or(Objection::PasswordGone)
            }
            Self::Key(shown) => {
                let mut listed = login.authorized_keys.iter();
                let good = listed.any(|it| it.blob == shown.blob && is_good(&it.credential));
                good.then_some(()).ok_or(Objection::KeyGone)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ hr";

    fn key(expires: Option<&str>) -> AuthorizedKey {
        let mut key = AuthorizedKey::parse(KEY).unwrap();
        key.credential.expires = expires.map(|day| day.parse().unwrap());
        key
    }

    fn config(keys: Vec<AuthorizedKey>) -> Config {
        let login = Login {
            authorized_keys: keys,
            ..Login::of("hr")
        };
        let tenant = Tenant {
            logins: vec![login],
            ..Tenant::of("acme")
        };
        Config::of(Path::new("."), [tenant])
    }

    #[test]
    fn a_session_goes_on_when_its_key_ends_and_is_ended_by_a_reload_that_moved_the_end() {
        let old = config(vec![key(Some("2026-11-22"))]);
        let sessions = Arc::<Sessions>::default();
        let claim = Claim {
            user: "hr".to_owned(),
            tenant: TenantId::parse("acme").unwrap(),
            environment: Environment::Production,
            rights: Rights::ALL,
            protocol: Protocol::Sftp,
            peer: [127, 0, 0, 1].into(),
            credential: Credential::Key(key(Some("2026-11-22"))),
            certificate: None,
        };
        let last_day = "2026-11-22T12:00:00Z".parse().unwrap();
        let day_after = "2026-11-23T12:00:00Z".parse().unwrap();
        let settings = Live::fixed(Arc::new(old.clone()));
        let place = sessions.admit(claim, &settings, last_day).unwrap();
        let ended = |config: &Config, now| {
            sessions.review(config, now);
            place.ended().is_cancelled()
        };
        assert!(!ended(&old, day_after), "nobody has moved it");
        assert!(!ended(&config(vec![key(Some("2027-01-31"))]), day_after));
        assert!(!ended(&config(vec![key(None)]), day_after));
        assert!(ended(&config(vec![key(Some("2026-11-21"))]), day_after));
    }
}
