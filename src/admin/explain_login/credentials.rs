//! The step of an explanation that is about passwords and keys.

use super::{Brought, Case, Outcome, Step};
use crate::config::Credential;
use crate::listen::Protocol;
use crate::listen::judge::{Known, Refusal, Usable};
use crate::listen::login;
use crate::secret::Secret;

impl Case<'_> {
    /// And what the log would have, where the judgement alone would not refuse.
    pub(super) fn credentials(
        &self,
        known: Known<'_>,
        verdict: &Result<Usable<'_>, Refusal>,
    ) -> (Step, Option<Refusal>) {
        const STEP: &str = "credentials";
        let speaks_ftp = matches!(self.protocol, Some(Protocol::Ftps | Protocol::Ftpes));
        let failed =
            |message: String, remedy: &str| (Step::failed(STEP, message, remedy.to_owned()), None);
        match &self.shown {
            Brought::Key(_) if speaks_ftp => {
                return failed(
                    "FTPS takes no keys, only passwords".to_owned(),
                    "let the sender use a password, or SFTP",
                );
            }
            Brought::Key(Err(wrong)) => {
                return failed(
                    (*wrong).to_owned(),
                    "ask the sender for the .pub file of an ed25519 key; `ssh-keygen -t ed25519` makes one",
                );
            }
            Brought::Password(password) if login::is_too_long(password) => {
                let message = "passwords of more than 1024 bytes are refused unread".to_owned();
                return (
                    Step::failed(STEP, message, None),
                    Some(Refusal::WrongPassword),
                );
            }
            _ => {}
        }
        let usable = match verdict {
            Ok(usable) => usable,
            Err(refusal) => return (self.refused(known, refusal), None),
        };
        match &self.shown {
            Brought::Password(password) => {
                let of = |hash: &Secret<String>| login::is_password_of(password, hash);
                if let Some(used) = usable.passwords.iter().find(|it| of(&it.hash)) {
                    let given = format!("the password given is {}", until(&used.credential));
                    return (Step::passed(STEP, given), None);
                }
                let mut ended = known.login.passwords.iter();
                let old =
                    ended.find(|it| !it.credential.is_live(known.tenant, self.now) && of(&it.hash));
                let good = usable.passwords.iter().map(|it| &it.credential);
                let is = old.map_or_else(
                    || format!("not {}", listed(good, " or ")),
                    |old| ended_on(&old.credential),
                );
                let message = format!("the password given is {is}");
                let remedy = "give the sender the right one, or add its hash as a [[login.password]] and run `rosterd reload`";
                (
                    Step::failed(STEP, message, remedy.to_owned()),
                    Some(Refusal::WrongPassword),
                )
            }
            Brought::Key(_) => {
                let key = usable.keys.first();
                let which = key.map(|it| until(&it.credential)).unwrap_or_default();
                let message = format!("the key given is {which}");
                let is_rsa = key.is_some_and(|it| it.algorithm == "ssh-rsa");
                let step = if is_rsa {
                    Step::new(
                        STEP,
                        Outcome::Warning,
                        format!("{message}; it is RSA, and an old client that signs with SHA-1 is refused all the same"),
                        Some("if the log says so, let the sender update its client or make an ed25519 key".to_owned()),
                    )
                } else {
                    Step::passed(STEP, message)
                };
                (step, None)
            }
            Brought::Anything => (Step::passed(STEP, self.all_of(known, usable)), None),
        }
    }

    /// What the sender may come with, and may not any more.
    fn all_of(&self, known: Known<'_>, usable: &Usable<'_>) -> String {
        let passwords = usable.passwords.iter().map(|it| &it.credential);
        let keys = usable.keys.iter().map(|it| &it.credential);
        let good: Vec<_> = passwords.chain(keys).map(until).collect();
        let mut message = good.join("; ");
        if usable.passwords.is_empty() {
            message.push_str(" (keys are for SFTP only)");
        }
        let credentials = known.login.credentials();
        for ended in credentials.filter(|it| !it.is_live(known.tenant, self.now)) {
            message.push_str("; not ");
            message.push_str(&ended_on(ended));
        }
        message
    }

    /// Why what is shown is of no use.
    fn refused(&self, known: Known<'_>, refusal: &Refusal) -> Step {
        let (message, remedy) = match refusal {
            Refusal::WrongKey => {
                let Brought::Key(Ok(key)) = &self.shown else {
                    return Step::failed("credentials", refusal.to_string(), None);
                };
                let keys = known.login.authorized_keys.iter();
                let keys: Vec<_> = keys.map(|it| &it.credential).collect();
                let message = if keys.is_empty() {
                    "the login has no keys, only passwords".to_owned()
                } else {
                    format!("the key {} is not {}", key.credential.id, listed(keys.into_iter(), " or "))
                };
                let elsewhere = self.owner(&key.blob).map(|user| {
                    format!("it belongs to the login {user}: is that the one the sender should use? If not, ")
                });
                let add = "add it as a [[login.key]] and run `rosterd reload`";
                (message, format!("{}{add}", elsewhere.unwrap_or_default()))
            }
            Refusal::NoPassword => (
                "the login has no password, only keys, which are for SFTP".to_owned(),
                "let the sender use SFTP with its key, or add a [[login.password]] and run `rosterd reload`".to_owned(),
            ),
            expired => (
                expired.to_string(),
                "give it a later day in expires, or add a new one beside it, and run `rosterd reload`".to_owned(),
            ),
        };
        Step::failed("credentials", message, remedy)
    }

    /// Whose key it is.
    fn owner(&self, blob: &[u8]) -> Option<&str> {
        let logins = self.config.tenants.values().flat_map(|it| &it.logins);
        let mut owners = logins.filter(|it| it.authorized_keys.iter().any(|key| key.blob == blob));
        owners.next().map(|it| it.user.as_str())
    }
}

/// As `password 3f2a91bc, good until 2027-01-31`.
fn until(credential: &Credential) -> String {
    match credential.expires {
        Some(day) => format!("{credential}, good until {day}"),
        None => format!("{credential}, good without an end"),
    }
}

fn ended_on(credential: &Credential) -> String {
    match credential.expires {
        Some(day) => format!("{credential}, whose last day was {day}"),
        None => credential.to_string(),
    }
}

fn listed<'c>(credentials: impl Iterator<Item = &'c Credential>, between: &str) -> String {
    let labels: Vec<_> = credentials.map(ToString::to_string).collect();
    labels.join(between)
}
