//! Logins: credentials, allowlist, rights. Every refusal looks the same to the stranger and comes after the same delay; the log has the
//! true reason.
//!
//! An unknown user costs the same work as a known one (a dummy hash is verified), so that neither the answer nor its time tells them apart.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::SharedClock;
use crate::config::{Config, Login, Password, Tenant};
use crate::listen::Protocol;
use crate::listen::hashing::Hashing;
pub use crate::listen::hashing::{HashError, hash_password};
use crate::listen::sessions::{Claim, Credential, Objection, Place, Sessions};
use crate::live::Live;
use crate::mailbox::{Mailbox, Mailboxes};
use crate::secret::Secret;
use crate::telemetry::{self, LoginOutcome};
use crate::tenant::{LoginName, NameError, Rights, TenantId};

/// From an attempt to its refusal, whatever the reason.
const REFUSAL_DELAY: Duration = Duration::from_secs(1);
/// Longer passwords are refused without being hashed.
const PASSWORD_LIMIT_BYTES: usize = 1024;
/// Characters of a tried name that the log shows.
const NAME_SHOWN: usize = 64;

/// Someone who says who they are.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    pub protocol: Protocol,
    pub peer: IpAddr,
    /// As sent: `host|user`, `host+user` or `user`.
    pub name: &'a str,
}

/// A login that succeeded: what the session may do, and where.
#[derive(Debug, Clone)]
pub struct Account {
    pub user: String,
    pub rights: Rights,
    pub mailbox: Arc<Mailbox>,
    /// Held for as long as the session lives.
    place: Option<Arc<Place>>,
}

impl Account {
    pub fn tenant(&self) -> &TenantId {
        self.mailbox.tenant()
    }

    /// Waits until a reload ends the session: its login is gone, or not what it was.
    pub async fn ended(&self) {
        match &self.place {
            Some(place) => place.ended().cancelled().await,
            None => std::future::pending().await,
        }
    }

    /// Whether a reload has ended the session.
    pub fn has_ended(&self) -> bool {
        let place = self.place.as_ref();
        place.is_some_and(|place| place.ended().is_cancelled())
    }
}

#[cfg(test)]
impl Account {
    /// An account that no login stands behind, for tests of a session's rights.
    pub(crate) fn alone(rights: Rights, mailbox: Arc<Mailbox>) -> Self {
        Self {
            user: "hr@acme.example".to_owned(),
            rights,
            mailbox,
            place: None,
        }
    }
}

impl Account {
    /// Tells the span of a session who it is.
    pub(in crate::listen) fn record(&self, span: &tracing::Span) {
        span.record("tenant.id", self.tenant().as_str());
        span.record("environment", self.mailbox.environment().as_str());
        span.record("login", &self.user);
    }
}

/// All logins of all tenants, as the configuration in force has them.
#[derive(Debug)]
pub struct Logins {
    settings: Live<Config>,
    mailboxes: Arc<Mailboxes>,
    sessions: Arc<Sessions>,
    hashing: Hashing,
    clock: SharedClock,
}

/// A login that exists.
#[derive(Debug)]
struct Known {
    tenant: Arc<Tenant>,
    login: Login,
}

/// A public key that was offered and not taken.
#[derive(Debug, Clone, Copy)]
pub enum RefusedKey<'a> {
    /// Its signature could not be trusted.
    Outdated,
    /// In SSH wire format.
    Unknown(&'a [u8]),
}

/// Why a login was refused: for the log, never for the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("the name is not one that can be")]
    BadName,
    #[error("what stands before the | is not one of server.hosts")]
    UnknownHost,
    #[error("no tenant has such a login")]
    UnknownUser,
    #[error("its allow_from does not hold this address")]
    AddressNotAllowed,
    #[error("the password is wrong")]
    WrongPassword,
    #[error("the password has expired")]
    PasswordExpired,
    #[error("it has no password, only keys")]
    NoPassword,
    #[error("the key is not one of its authorized_keys")]
    WrongKey,
    #[error(
        "its key is RSA signed with SHA-1, or DSA, which is not accepted: the sender's SSH client is too old"
    )]
    OutdatedKey,
    /// What let it in was gone by then, or it has too many sessions.
    #[error("{0}")]
    NotAdmitted(Objection),
}

impl Logins {
    /// The logins of `settings`, into `mailboxes`.
    pub fn new(
        settings: Live<Config>,
        mailboxes: Arc<Mailboxes>,
        clock: SharedClock,
    ) -> Result<Self, HashError> {
        Ok(Self {
            settings,
            mailboxes,
            sessions: Arc::default(),
            hashing: Hashing::new()?,
            clock,
        })
    }

    /// After a reload: ends the sessions that would not be let in again, and says how many.
    pub fn review(&self) -> usize {
        self.sessions.review(&self.settings.now(), self.clock.now())
    }

    /// Checks a password. `None` is a refusal: already delayed and logged; the caller answers 530 or a failure and nothing more.
    pub async fn check_password(
        &self,
        attempt: Attempt<'_>,
        password: &Secret<String>,
    ) -> Option<Account> {
        let started = Instant::now();
        let known = self.find(attempt);
        let verdict = self
            .verify_password(known.as_ref(), attempt.peer, password)
            .await;
        let verdict = match (known, verdict) {
            (Err(refusal), _) | (Ok(_), Err(refusal)) => Err(refusal),
            (Ok(known), Ok(used)) => self.admit(attempt, &known, Credential::Password(used)),
        };
        self.conclude(attempt, started, verdict).await
    }

    /// Whether this SSH public key may be used to log in, asked before the client signs. Neither delayed nor logged: agents offer many keys.
    pub fn knows_key(&self, attempt: Attempt<'_>, key_blob: &[u8]) -> bool {
        self.find(attempt)
            .and_then(|known| known.check_key(attempt.peer, key_blob))
            .is_ok()
    }

    /// Logs and counts that a client went away after this key of its was not taken: it never got to sign.
    pub fn note_refused_key(&self, attempt: Attempt<'_>, key: RefusedKey<'_>) {
        let refusal = match key {
            RefusedKey::Outdated => Some(Refusal::OutdatedKey),
            RefusedKey::Unknown(blob) => self
                .find(attempt)
                .and_then(|known| known.check_key(attempt.peer, blob))
                .err(),
        };
        if let Some(refusal) = refusal {
            note_refusal(attempt, refusal);
        }
    }

    /// Lets the owner of a key in whose signature was verified.
    pub async fn check_key(&self, attempt: Attempt<'_>, key_blob: &[u8]) -> Option<Account> {
        let started = Instant::now();
        let verdict = self.find(attempt).and_then(|known| {
            known.check_key(attempt.peer, key_blob)?;
            self.admit(attempt, &known, Credential::Key(key_blob.to_owned()))
        });
        self.conclude(attempt, started, verdict).await
    }

    fn find(&self, attempt: Attempt<'_>) -> Result<Known, Refusal> {
        let config = self.settings.now();
        let name = LoginName::parse(attempt.name, &config.server.hosts).map_err(|error| {
            if error == NameError::UnknownHost {
                Refusal::UnknownHost
            } else {
                Refusal::BadName
            }
        })?;
        let (tenant, login) = config.login(name.user()).ok_or(Refusal::UnknownUser)?;
        Ok(Known {
            tenant: Arc::clone(tenant),
            login: login.clone(),
        })
    }

    /// Says which password it was. Does the same work whether or not there is such a login, and whether or not it may come from there.
    async fn verify_password(
        &self,
        known: Result<&Known, &Refusal>,
        peer: IpAddr,
        password: &Secret<String>,
    ) -> Result<Password, Refusal> {
        let (live, otherwise) = match known {
            Err(refusal) => (Vec::new(), *refusal),
            Ok(known) if !known.login.allow_from.contains(peer) => {
                (Vec::new(), Refusal::AddressNotAllowed)
            }
            Ok(known) if known.login.passwords.is_empty() => (Vec::new(), Refusal::NoPassword),
            Ok(known) => {
                let now = self.clock.now();
                let passwords = known.login.passwords.iter();
                let live: Vec<_> = passwords
                    .filter(|password| password.is_live(&known.tenant, now))
                    .cloned()
                    .collect();
                let otherwise = if live.is_empty() {
                    Refusal::PasswordExpired
                } else {
                    Refusal::WrongPassword
                };
                (live, otherwise)
            }
        };
        if password.reveal().len() > PASSWORD_LIMIT_BYTES {
            return Err(otherwise);
        }
        let hashes = live.iter().map(|listed| listed.hash.clone()).collect();
        let matched = self.hashing.verify(peer, password, hashes).await;
        matched
            .and_then(|place| live.into_iter().nth(place))
            .ok_or(otherwise)
    }

    fn admit(
        &self,
        attempt: Attempt<'_>,
        known: &Known,
        credential: Credential,
    ) -> Result<Account, Refusal> {
        let (tenant, login) = (&known.tenant.id, &known.login);
        let claim = Claim {
            user: login.user.clone(),
            tenant: tenant.clone(),
            environment: login.environment,
            rights: login.rights,
            protocol: attempt.protocol,
            peer: attempt.peer.to_canonical(),
            credential,
        };
        let place = self
            .sessions
            .admit(claim, &self.settings, self.clock.now())
            .map_err(Refusal::NotAdmitted)?;
        let mailbox = self
            .mailboxes
            .mailbox(tenant, login.environment)
            .ok_or(Refusal::NotAdmitted(Objection::Removed))?;
        Ok(Account {
            user: login.user.clone(),
            rights: login.rights,
            mailbox,
            place: Some(Arc::new(place)),
        })
    }

    /// Logs the outcome and, for a refusal, waits.
    async fn conclude(
        &self,
        attempt: Attempt<'_>,
        started: Instant,
        verdict: Result<Account, Refusal>,
    ) -> Option<Account> {
        let (protocol, peer) = (attempt.protocol.as_str(), attempt.peer.to_canonical());
        match verdict {
            Ok(account) => {
                telemetry::count_login(attempt.protocol, LoginOutcome::Accepted);
                tracing::info!(
                    protocol,
                    %peer,
                    login = account.user,
                    tenant.id = %account.tenant(),
                    environment = account.mailbox.environment().as_str(),
                    "logged in"
                );
                Some(account)
            }
            Err(refusal) => {
                note_refusal(attempt, refusal);
                tokio::time::sleep_until(started + REFUSAL_DELAY).await;
                None
            }
        }
    }
}

fn note_refusal(attempt: Attempt<'_>, refusal: Refusal) {
    let (protocol, peer) = (attempt.protocol.as_str(), attempt.peer.to_canonical());
    telemetry::count_login(attempt.protocol, LoginOutcome::Refused);
    tracing::warn!(protocol, %peer, login = Shown(attempt.name).to_string(), "login refused: {refusal}");
}

impl Known {
    fn check_key(&self, peer: IpAddr, key_blob: &[u8]) -> Result<(), Refusal> {
        if !self.login.allow_from.contains(peer) {
            return Err(Refusal::AddressNotAllowed);
        }
        if self
            .login
            .authorized_keys
            .iter()
            .any(|key| key.blob == key_blob)
        {
            Ok(())
        } else {
            Err(Refusal::WrongKey)
        }
    }
}

/// A stranger's text, escaped and capped.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars().take(NAME_SHOWN) {
            if c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric() {
                write!(f, "{c}")?;
            } else {
                write!(f, "{}", c.escape_unicode())?;
            }
        }
        if self.0.chars().nth(NAME_SHOWN).is_some() {
            f.write_str("…")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tried_name_is_shown_without_its_control_characters_and_not_at_length() {
        assert_eq!(
            Shown("hr\r\n\u{1b}[31m").to_string(),
            "hr\\u{d}\\u{a}\\u{1b}[31m"
        );
        assert_eq!(Shown(&"x".repeat(500)).to_string().chars().count(), 65);
    }
}
