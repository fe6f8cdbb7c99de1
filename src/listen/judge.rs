//! Pure. Whether someone would be let in, by what the configuration says: the one judgement that logins and `rosterd explain-login` go by.
//!
//! Comes in: the configuration, who comes from where and shows what, and the time. Goes out: each step with what it came to. A login goes by the
//! first refusal, an explanation tells all of them. What costs time (a hash, a signature) and what only a running daemon knows (sessions,
//! bans) comes after it.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::config::{AuthorizedKey, Config, Credential, Login, Password, Tenant};
use crate::listen::Protocol;
use crate::listen::login::Attempt;
use crate::listen::sessions::Objection;
use crate::tenant::{LoginName, NameError};

/// What someone wants to log in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown<'a> {
    /// Whatever the login has: for an explanation.
    Anything,
    /// Still to be compared.
    Password,
    /// In SSH wire format; its signature is checked elsewhere.
    Key(&'a [u8]),
}

/// Why a login was refused: for the log and the admin, never for the peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the name is not one that can be")]
    BadName,
    #[error("what stands before the | is not one of server.hosts")]
    UnknownHost,
    #[error("no tenant has such a login")]
    UnknownUser,
    #[error("its allow_from does not hold this address")]
    AddressNotAllowed,
    #[error("it needs one of its client_certificates, and the sender has shown none")]
    NoCertificate,
    #[error("the certificate that the sender has shown is not one of its client_certificates")]
    OtherCertificate,
    #[error("the certificate that the sender has shown is not valid today")]
    CertificateOutOfDate,
    #[error("the password is wrong")]
    WrongPassword,
    #[error("the {} has expired: its last day was {}", .0.what, .0.last_day)]
    PasswordExpired(Ended),
    #[error("it has no password, only keys")]
    NoPassword,
    #[error("the key is not one of its authorized_keys")]
    WrongKey,
    #[error("the {} has expired: its last day was {}", .0.what, .0.last_day)]
    KeyExpired(Ended),
    #[error("all its passwords and keys have expired, the {} as the last one: its last day was {}", .0.what, .0.last_day)]
    AllExpired(Ended),
    #[error(
        "its key is RSA signed with SHA-1, or DSA, which is not accepted: the sender's SSH client is too old"
    )]
    OutdatedKey,
    #[error(
        "too many failed logins from this address: refused until the ban ends, whatever it shows"
    )]
    Banned,
    /// What let it in was gone by then, or it has too many sessions.
    #[error("{0}")]
    NotAdmitted(Objection),
}

/// A credential that is past its last day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// As `password 3f2a91bc`.
    pub what: String,
    pub last_day: Date,
}

impl Ended {
    fn of(credential: &Credential) -> Option<Self> {
        Some(Self {
            what: credential.to_string(),
            last_day: credential.expires?,
        })
    }
}

/// What each step came to, in their order. None: it could not be taken, because an earlier one failed that it needs.
#[derive(Debug)]
pub struct Judgement<'c> {
    pub user: Result<LoginName, Refusal>,
    pub known: Option<Result<Known<'c>, Refusal>>,
    pub address: Option<Result<(), Refusal>>,
    /// What FTPS shows beside a password.
    pub certificate: Option<Result<(), Refusal>>,
    pub credentials: Option<Result<Usable<'c>, Refusal>>,
}

/// A login that exists.
#[derive(Debug, Clone, Copy)]
pub struct Known<'c> {
    pub tenant: &'c Arc<Tenant>,
    pub login: &'c Login,
}

/// What it may be let in with now.
#[derive(Debug, Clone, Default)]
pub struct Usable<'c> {
    pub passwords: Vec<&'c Password>,
    pub keys: Vec<&'c AuthorizedKey>,
}

impl<'c> Judgement<'c> {
    /// Takes every step that can be taken.
    pub fn of(config: &'c Config, attempt: Attempt<'_>, shown: Shown<'_>, now: Timestamp) -> Self {
        let user = LoginName::parse(attempt.name, &config.server.hosts).map_err(|error| {
            if error == NameError::UnknownHost {
                Refusal::UnknownHost
            } else {
                Refusal::BadName
            }
        });
        let known = user.as_ref().ok().map(|name| {
            let (tenant, login) = config.login(name.user()).ok_or(Refusal::UnknownUser)?;
            Ok(Known { tenant, login })
        });
        let found = known.as_ref().and_then(|known| known.as_ref().ok());
        Self {
            address: found.map(|known| known.admits(attempt.peer)),
            certificate: found.map(|known| known.certified(attempt, now)),
            credentials: found.map(|known| known.usable(shown, now)),
            user,
            known,
        }
    }

    /// By its first refusal.
    pub fn verdict(self) -> Result<(Known<'c>, Usable<'c>), Refusal> {
        self.user?;
        // A step that was not taken follows one that has failed.
        let known = self.known.ok_or(Refusal::UnknownUser)??;
        self.address.ok_or(Refusal::AddressNotAllowed)??;
        self.certificate.ok_or(Refusal::NoCertificate)??;
        let usable = self.credentials.ok_or(Refusal::WrongPassword)??;
        Ok((known, usable))
    }
}

impl<'c> Known<'c> {
    fn admits(self, peer: std::net::IpAddr) -> Result<(), Refusal> {
        if self.login.allow_from.contains(peer) {
            Ok(())
        } else {
            Err(Refusal::AddressNotAllowed)
        }
    }

    fn certified(self, attempt: Attempt<'_>, now: Timestamp) -> Result<(), Refusal> {
        let listed = &self.login.client_certificates;
        match attempt.certificate {
            _ if listed.is_empty() || attempt.protocol == Protocol::Sftp => Ok(()),
            None => Err(Refusal::NoCertificate),
            Some(shown) if !listed.contains(&shown.fingerprint) => Err(Refusal::OtherCertificate),
            Some(shown) if !shown.is_valid(now) => Err(Refusal::CertificateOutOfDate),
            Some(_) => Ok(()),
        }
    }

    fn usable(self, shown: Shown<'_>, now: Timestamp) -> Result<Usable<'c>, Refusal> {
        let Self { tenant, login } = self;
        let is_live = |credential: &Credential| credential.is_live(tenant, now);
        let passwords = login.passwords.iter().filter(|it| is_live(&it.credential));
        let keys = login.authorized_keys.iter();
        let live_keys = keys.filter(|it| is_live(&it.credential));
        let none_is_left = || {
            let (last, _) = login.last_ended(tenant, now)?;
            Ended::of(last).map(Refusal::AllExpired)
        };
        let usable = match shown {
            Shown::Anything => Usable {
                passwords: passwords.collect(),
                keys: live_keys.collect(),
            },
            Shown::Password => Usable {
                passwords: passwords.collect(),
                keys: Vec::new(),
            },
            Shown::Key(blob) => Usable {
                passwords: Vec::new(),
                keys: live_keys.filter(|it| it.blob == blob).collect(),
            },
        };
        if !usable.passwords.is_empty() || !usable.keys.is_empty() {
            return Ok(usable);
        }
        Err(match shown {
            Shown::Key(blob) => {
                let listed = login.authorized_keys.iter().find(|it| it.blob == blob);
                let ended = listed.and_then(|it| Ended::of(&it.credential));
                none_is_left()
                    .or_else(|| ended.map(Refusal::KeyExpired))
                    .unwrap_or(Refusal::WrongKey)
            }
            Shown::Anything | Shown::Password => none_is_left()
                .or_else(|| {
                    let passwords = login.passwords.iter().map(|it| &it.credential);
                    let last = passwords.max_by_key(|it| it.expires)?;
                    Ended::of(last).map(Refusal::PasswordExpired)
                })
                .unwrap_or(Refusal::NoPassword),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::AllowFrom;
    use crate::listen::Protocol;
    use crate::secret::Secret;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ hr";

    fn key() -> AuthorizedKey {
        AuthorizedKey::parse(KEY).unwrap()
    }

    /// One login whose password and key end after these days.
    fn config(password: Option<&str>, key_ends: Option<&str>) -> Config {
        let day = |text: &str| text.parse().unwrap();
        let mut listed = Password::of(Secret::new("$argon2id$".to_owned()));
        listed.credential.name = Some("old".to_owned());
        listed.credential.expires = password.map(day);
        let mut key = key();
        key.credential.name = Some("laptop".to_owned());
        key.credential.expires = key_ends.map(day);
        let tenant = Tenant {
            logins: vec![Login {
                allow_from: AllowFrom::Networks(vec!["203.0.113.0/24".parse().unwrap()]),
                authorized_keys: vec![key],
                passwords: vec![listed],
                ..Login::of("hr")
            }],
            ..Tenant::of("acme")
        };
        Config::of(Path::new("."), [tenant])
    }

    fn verdict(config: &Config, name: &str, peer: &str, shown: Shown<'_>) -> String {
        let attempt = Attempt::new(Protocol::Sftp, peer.parse().unwrap(), name);
        let now = "2026-11-22T02:00:00Z".parse().unwrap();
        match Judgement::of(config, attempt, shown, now).verdict() {
            Ok((known, usable)) => format!(
                "{} with {} passwords and {} keys",
                known.login.user,
                usable.passwords.len(),
                usable.keys.len()
            ),
            Err(refusal) => refusal.to_string(),
        }
    }

    #[test]
    fn the_first_refusal_counts() {
        let config = config(None, None);
        let with_password = |name, peer| verdict(&config, name, peer, Shown::Password);
        let here = "::ffff:203.0.113.9";
        assert_eq!(
            with_password("localhost|hr", here),
            "hr with 1 passwords and 0 keys"
        );
        assert_eq!(
            with_password("elsewhere|hr", here),
            "what stands before the | is not one of server.hosts"
        );
        assert_eq!(
            with_password("h\r", here),
            "the name is not one that can be"
        );
        assert_eq!(
            with_password("HR", "192.0.2.1"),
            "no tenant has such a login"
        );
        assert_eq!(
            with_password("hr", "192.0.2.1"),
            "its allow_from does not hold this address"
        );
    }

    #[test]
    fn an_ended_credential_lets_nobody_in_and_is_named() {
        let blob = key().blob;
        let of = |config: &Config, shown| verdict(config, "hr", "203.0.113.9", shown);
        let key_ended = config(None, Some("2026-11-21"));
        assert_eq!(
            of(&key_ended, Shown::Key(&blob)),
            "the key laptop has expired: its last day was 2026-11-21"
        );
        assert_eq!(
            of(&key_ended, Shown::Key(b"another")),
            "the key is not one of its authorized_keys"
        );
        let password_ended = config(Some("2026-11-20"), Some("2026-11-22"));
        assert_eq!(
            of(&password_ended, Shown::Password),
            "the password old has expired: its last day was 2026-11-20"
        );
        assert_eq!(
            of(&password_ended, Shown::Key(&blob)),
            "hr with 0 passwords and 1 keys"
        );
        let all_ended = config(Some("2026-11-20"), Some("2026-11-21"));
        for shown in [Shown::Password, Shown::Anything, Shown::Key(&blob)] {
            assert_eq!(
                of(&all_ended, shown),
                "all its passwords and keys have expired, the key laptop as the last one: its last day was 2026-11-21"
            );
        }
    }
}
