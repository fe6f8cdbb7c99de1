//! Logins: credentials, allowlist, rights. Every refusal looks the same to the stranger and comes after the same delay; the log has the
//! true reason.
//!
//! An unknown user costs the same work as a known one (a dummy hash is verified), so that neither the answer nor its time tells them apart: every
//! refused password is held against as many hashes as the login with the most passwords has. [`judge`](super::judge) says who may come in; here it is
//! carried out.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::clock::SharedClock;
use crate::config::{AuthorizedKey, Config, Password};
use crate::listen::Protocol;
use crate::listen::bans::{Bans, is_own};
use crate::listen::hashing::Hashing;
pub use crate::listen::hashing::{HashError, hash_password, is_password_of};
use crate::listen::judge::{Judgement, Known, Refusal, Shown, Usable};
use crate::listen::score::{Failure, Offence};
pub use crate::listen::sessions::has_room;
use crate::listen::sessions::{Claim, Credential, Objection, Place, Sessions};
use crate::listen::tls::ClientCertificate;
use crate::listen::uses::{Use, Used, Uses};
use crate::live::Live;
use crate::mailbox::{Mailbox, Mailboxes};
use crate::secret::Secret;
use crate::telemetry::{self, LoginOutcome};
use crate::tenant::{LoginName, Rights, TenantId};

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
    /// Shown in the TLS handshake.
    pub(in crate::listen) certificate: Option<ClientCertificate>,
}

impl<'a> Attempt<'a> {
    /// One without a certificate.
    pub fn new(protocol: Protocol, peer: IpAddr, name: &'a str) -> Self {
        Self {
            protocol,
            peer,
            name,
            certificate: None,
        }
    }
}

/// A login that succeeded: what the session may do, and where.
#[derive(Debug, Clone)]
pub struct Account {
    pub user: String,
    pub rights: Rights,
    /// What it has come with, for the log: as `password 3f2a91bc`.
    pub credential: String,
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
            credential: "password of a test".to_owned(),
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
    uses: Arc<Uses>,
    bans: Arc<Bans>,
    clock: SharedClock,
}

/// A public key that was offered and not taken.
#[derive(Debug, Clone, Copy)]
pub enum RefusedKey<'a> {
    /// Its signature could not be trusted.
    Outdated,
    /// In SSH wire format.
    Unknown(&'a [u8]),
}

/// What only a running daemon knows about who wants to log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Of the login, open now.
    pub sessions: usize,
    /// Why the address is not even asked for its name; none: it is.
    pub ban: Option<String>,
    /// Of what the configuration in force says about the login: tells whether the files say the same.
    pub in_force: String,
}

impl Logins {
    /// The logins of `settings`, into `mailboxes`.
    pub fn new(
        settings: Live<Config>,
        mailboxes: Arc<Mailboxes>,
        clock: SharedClock,
    ) -> Result<Self, HashError> {
        Ok(Self {
            bans: Bans::new(settings.clone(), Arc::clone(&clock)),
            settings,
            mailboxes,
            sessions: Arc::default(),
            hashing: Hashing::new()?,
            uses: Arc::default(),
            clock,
        })
    }

    /// What was logged in with since this was last emptied.
    pub fn uses(&self) -> &Arc<Uses> {
        &self.uses
    }

    /// Who is banned.
    pub fn bans(&self) -> &Arc<Bans> {
        &self.bans
    }

    /// What stands beside the configuration when `user` comes from `address`.
    pub fn standing(&self, user: &str, address: IpAddr) -> Standing {
        let config = self.settings.now();
        let own = config.login(user);
        let own = own.filter(|(_, login)| is_own(login, address));
        Standing {
            sessions: self.sessions.of(user),
            ban: self
                .bans
                .describe(address, own.map(|(tenant, _)| &tenant.id)),
            in_force: config.login_digest(user),
        }
    }

    /// After a reload: ends the sessions that would not be let in again, and says how many.
    pub fn review(&self) -> usize {
        self.bans.review();
        self.sessions.review(&self.settings.now(), self.clock.now())
    }

    /// Checks a password. `None` is a refusal: already delayed and logged; the caller answers 530 or a failure and nothing more.
    pub async fn check_password(
        &self,
        attempt: Attempt<'_>,
        password: &Secret<String>,
    ) -> Option<Account> {
        let started = Instant::now();
        let config = self.settings.now();
        let judged = self.judge(&config, attempt, Shown::Password);
        let verdict = match self
            .verify_password(&config, judged, attempt.peer, password)
            .await
        {
            Ok((known, used)) => self.admit(attempt, known, Credential::Password(used.clone())),
            Err(refusal) => Err(refusal),
        };
        self.conclude(attempt, started, verdict).await
    }

    /// Whether this SSH public key may be used to log in, asked before the client signs. Neither delayed nor logged: agents offer many keys.
    pub fn knows_key(&self, attempt: Attempt<'_>, key_blob: &[u8]) -> bool {
        let config = self.settings.now();
        self.find_key(&config, attempt, key_blob).is_ok()
    }

    /// Logs and counts that a client went away after this key of its was not taken: it never got to sign.
    pub fn note_refused_key(&self, attempt: Attempt<'_>, key: RefusedKey<'_>) {
        let config = self.settings.now();
        let refusal = match key {
            RefusedKey::Outdated => Some(Refusal::OutdatedKey),
            RefusedKey::Unknown(blob) => self.find_key(&config, attempt, blob).err(),
        };
        if let Some(refusal) = refusal {
            self.note_refusal(attempt, &refusal, Offence::RefusedKeys);
        }
    }

    /// Lets the owner of a key in whose signature was verified.
    pub async fn check_key(&self, attempt: Attempt<'_>, key_blob: &[u8]) -> Option<Account> {
        let started = Instant::now();
        let config = self.settings.now();
        let verdict = self
            .find_key(&config, attempt, key_blob)
            .and_then(|(known, key)| self.admit(attempt, known, Credential::Key(key.clone())));
        self.conclude(attempt, started, verdict).await
    }

    fn judge<'c>(
        &self,
        config: &'c Config,
        attempt: Attempt<'_>,
        shown: Shown<'_>,
    ) -> Result<(Known<'c>, Usable<'c>), Refusal> {
        let judged = Judgement::of(config, attempt, shown, self.clock.now()).verdict()?;
        let (Known { tenant, login }, _) = &judged;
        let own = is_own(login, attempt.peer).then_some(&tenant.id);
        if self.bans.is_banned(attempt.peer, own) {
            return Err(Refusal::Banned);
        }
        Ok(judged)
    }

    fn find_key<'c>(
        &self,
        config: &'c Config,
        attempt: Attempt<'_>,
        key_blob: &[u8],
    ) -> Result<(Known<'c>, &'c AuthorizedKey), Refusal> {
        let (known, usable) = self.judge(config, attempt, Shown::Key(key_blob))?;
        let key = usable.keys.into_iter().next();
        Ok((known, key.ok_or(Refusal::WrongKey)?))
    }

    /// Says which password it was. Does the same work whether or not there is such a login, and whether or not it may come from there.
    async fn verify_password<'c>(
        &self,
        config: &Config,
        judged: Result<(Known<'c>, Usable<'c>), Refusal>,
        peer: IpAddr,
        password: &Secret<String>,
    ) -> Result<(Known<'c>, &'c Password), Refusal> {
        if is_too_long(password) {
            return Err(judged.err().unwrap_or(Refusal::WrongPassword));
        }
        let live = judged
            .as_ref()
            .map(|(_, usable)| usable.passwords.as_slice());
        let live = live.unwrap_or_default();
        let hashes = live.iter().map(|listed| listed.hash.clone()).collect();
        let rounds = config.most_passwords();
        let matched = self.hashing.verify(peer, password, hashes, rounds).await;
        let (known, usable) = judged?;
        let used = matched.and_then(|place| usable.passwords.into_iter().nth(place));
        Ok((known, used.ok_or(Refusal::WrongPassword)?))
    }

    fn admit(
        &self,
        attempt: Attempt<'_>,
        known: Known<'_>,
        credential: Credential,
    ) -> Result<Account, Refusal> {
        let (tenant, login) = (&known.tenant.id, known.login);
        let listed = credential.listed().clone();
        let claim = Claim {
            user: login.user.clone(),
            tenant: tenant.clone(),
            environment: login.environment,
            rights: login.rights,
            protocol: attempt.protocol,
            peer: attempt.peer.to_canonical(),
            credential,
            certificate: attempt.certificate.map(|shown| shown.fingerprint),
        };
        let (now, peer) = (self.clock.now(), claim.peer);
        let place = self
            .sessions
            .admit(claim, &self.settings, now)
            .map_err(Refusal::NotAdmitted)?;
        let mailbox = self
            .mailboxes
            .mailbox(tenant, login.environment)
            .ok_or(Refusal::NotAdmitted(Objection::Removed))?;
        let account = Account {
            user: login.user.clone(),
            rights: login.rights,
            credential: listed.to_string(),
            mailbox,
            place: Some(Arc::new(place)),
        };
        let used = Used {
            tenant: tenant.clone(),
            user: login.user.clone(),
            kind: listed.kind,
            id: listed.id,
        };
        let how = Use {
            last_at: now,
            last_protocol: attempt.protocol,
            last_address: peer,
            count: 1,
        };
        self.uses.note(used, how);
        Ok(account)
    }

    /// Logs and counts a refusal, and says how long after the attempt it may be told.
    fn note_refusal(&self, attempt: Attempt<'_>, refusal: &Refusal, offence: Offence) -> Duration {
        let (protocol, peer) = (attempt.protocol.as_str(), attempt.peer.to_canonical());
        telemetry::count_login(attempt.protocol, LoginOutcome::Refused);
        tracing::warn!(protocol, %peer, login = Escaped(attempt.name).to_string(), "login refused: {refusal}");
        let config = self.settings.now();
        let name = LoginName::parse(attempt.name, &config.server.hosts).ok();
        let known = name.and_then(|name| config.login(name.user()));
        let own = known.filter(|(_, login)| is_own(login, peer));
        let reason = refusal.to_string();
        let failure = Failure {
            // What was shown was right.
            offence: match refusal {
                Refusal::NotAdmitted(_) => Offence::NotAdmitted,
                _ => offence,
            },
            login: known.map(|(_, login)| login.user.as_str()),
            reason: &reason,
        };
        self.bans
            .note(peer, own.map(|(tenant, _)| &tenant.id), failure)
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
                self.bans.forgive(peer, &account.user);
                telemetry::count_login(attempt.protocol, LoginOutcome::Accepted);
                tracing::info!(
                    protocol,
                    %peer,
                    login = account.user,
                    tenant.id = %account.tenant(),
                    environment = account.mailbox.environment().as_str(),
                    credential = account.credential,
                    "logged in"
                );
                Some(account)
            }
            Err(refusal) => {
                let delay = self.note_refusal(attempt, &refusal, Offence::RefusedLogin);
                tokio::time::sleep_until(started + delay).await;
                None
            }
        }
    }
}

/// Whether a password is refused without being hashed.
pub fn is_too_long(password: &Secret<String>) -> bool {
    password.reveal().len() > PASSWORD_LIMIT_BYTES
}

/// A stranger's text, escaped and capped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
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
            Escaped("hr\r\n\u{1b}[31m").to_string(),
            "hr\\u{d}\\u{a}\\u{1b}[31m"
        );
        assert_eq!(Escaped(&"x".repeat(500)).to_string().chars().count(), 65);
    }
}
