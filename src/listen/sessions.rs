//! Who is logged in now: counted by login, and ended by a reload that leaves them no right to be here.
//!
//! A session goes on across a reload if it would be let in again as what it is: the configuration still has its login, in the same tenant and environment
//! and with the same rights; `allow_from` still holds its address; and the password or key it came with is still listed (a password whose `expires`
//! was moved must not be past it). Nothing else about the login, its tenant or the server matters: another password added or taken away, a longer
//! allowlist, a new quota, new data sources, fewer `sessions_per_login` or other `hosts` let it go on.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Login, Password, Tenant};
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
}

/// What a session has logged in with.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    Password(Password),
    /// In SSH wire format.
    Key(Vec<u8>),
}

/// Why a session may not be, or not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Objection {
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
    #[error("the key it came with is not one of its authorized_keys any more")]
    KeyGone,
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

impl Sessions {
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
        let others = open.by_number.values();
        let others = others.filter(|other| other.claim.user == claim.user);
        if others.count() >= config.limits.sessions_per_login {
            return Err(Objection::TooMany);
        }
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
        self.credential.judge(login, tenant, now)
    }
}

impl Credential {
    fn judge(&self, login: &Login, tenant: &Tenant, now: Timestamp) -> Result<(), Objection> {
        match self {
            Self::Password(shown) => {
                let is_good = |listed: &&Password| {
                    listed.hash == shown.hash
                        && (listed.expires == shown.expires || listed.is_live(tenant, now))
                };
                let good = login.passwords.iter().find(is_good);
                good.map(drop).ok_or(Objection::PasswordGone)
            }
            Self::Key(shown) => {
                let good = login.authorized_keys.iter().find(|it| it.blob == *shown);
                good.map(drop).ok_or(Objection::KeyGone)
            }
        }
    }
}
