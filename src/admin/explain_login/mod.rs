//! `rosterd explain-login`: whether someone would be let in now, step by step, and if not, why and what to do.
//!
//! The verdict is the one that logins themselves go by ([`Judgement`]); here it only gets words.

mod credentials;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use jiff::Timestamp;
use serde::Serialize;

use super::{Ending, answer, json};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{self, AllowFrom, AuthorizedKey, Concern, Config};
use crate::daemon::{self, AskError, Question};
use crate::listen::Protocol;
use crate::listen::judge::{Judgement, Known, Refusal, Shown};
use crate::listen::login::{self, Attempt, Standing};
use crate::report::text;
use crate::secret::Secret;
use crate::tenant::LoginName;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The name as the sender has it: "host|user", "host+user" or the user alone.
    #[arg(long, short, value_name = "NAME")]
    user: String,
    /// The address that the sender comes from, as the log has it.
    #[arg(long, short, value_name = "IP")]
    from: IpAddr,
    /// How the sender connects; without it, any way will do.
    #[arg(long, short, value_name = "PROTOCOL")]
    protocol: Option<Spoken>,
    /// Read a password from stdin, and say whether it is one of the login's and which.
    #[arg(long, conflicts_with = "key")]
    password_stdin: bool,
    /// A public key, and whether it is one of the login's.
    #[arg(long, short, value_name = "FILE.pub")]
    key: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Spoken {
    /// FTP over TLS from the first byte (implicit, port 990).
    Ftps,
    /// FTP that begins with AUTH TLS (explicit, port 21).
    Ftpes,
    /// SFTP over SSH.
    Sftp,
}

impl From<Spoken> for Protocol {
    fn from(spoken: Spoken) -> Self {
        match spoken {
            Spoken::Ftps => Self::Ftps,
            Spoken::Ftpes => Self::Ftpes,
            Spoken::Sftp => Self::Sftp,
        }
    }
}

/// Everything there is to go by.
struct Case<'a> {
    config: &'a Config,
    user: &'a str,
    from: IpAddr,
    protocol: Option<Protocol>,
    shown: Brought<'a>,
    /// Or why nobody could be asked.
    standing: Result<Standing, String>,
    now: Timestamp,
}

/// What the sender is said to have.
enum Brought<'a> {
    Anything,
    Password(&'a Secret<String>),
    Key(Result<AuthorizedKey, &'static str>),
}

#[derive(Debug, Serialize)]
struct Explanation {
    user: String,
    from: IpAddr,
    protocol: Option<&'static str>,
    let_in: bool,
    /// What the first failed step says.
    reason: Option<String>,
    /// What a login like this leaves in the log.
    log: Option<String>,
    steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Step {
    #[serde(rename = "step")]
    name: &'static str,
    outcome: Outcome,
    message: String,
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Passed,
    /// In order now, and something to know of.
    Warning,
    Failed,
    NotChecked,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    let password = arguments.password_stdin.then(read_password).transpose()?;
    let shown = match (&password, &arguments.key) {
        (Some(password), _) => Brought::Password(password),
        (None, Some(file)) => Brought::Key(read_key(file)?),
        (None, None) => Brought::Anything,
    };
    let explanation = explain(&Case {
        config,
        user: &arguments.user,
        from: arguments.from,
        protocol: arguments.protocol.map(Protocol::from),
        shown,
        standing: standing(config, arguments),
        now: SystemClock.now(),
    });
    answer(&if arguments.json {
        json(&explanation)?
    } else {
        words(&explanation)
    })?;
    Ok(if explanation.let_in {
        Ending::Done
    } else {
        Ending::Not
    })
}

fn read_password() -> anyhow::Result<Secret<String>> {
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .context("cannot read a password from stdin")?;
    let password = line.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(
        !password.is_empty(),
        "no password came on stdin: type one and press Enter, or pipe one in"
    );
    Ok(Secret::new(password.to_owned()))
}

/// The first key of a `.pub` file.
fn read_key(file: &Path) -> anyhow::Result<Result<AuthorizedKey, &'static str>> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read a public key from {}", file.display()))?;
    if text.contains("PRIVATE KEY") {
        return Ok(Err(
            "this is a private key, which nobody should have but the sender: name the file that ends in .pub",
        ));
    }
    if text.starts_with("---- BEGIN SSH2 PUBLIC KEY") {
        return Ok(Err(
            "this is PuTTY's form of a public key: turn it into OpenSSH's with `ssh-keygen -i -f FILE`",
        ));
    }
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(AuthorizedKey::parse(line.unwrap_or_default()))
}

/// Asks a running daemon.
fn standing(config: &Config, arguments: &Arguments) -> Result<Standing, String> {
    let name = LoginName::parse(&arguments.user, &config.server.hosts);
    let question = Question::Standing {
        user: name.map_or_else(|_| String::new(), |name| name.user().to_owned()),
        from: arguments.from,
    };
    match daemon::ask(&config.server.state_dir, &question) {
        Ok(answer) => serde_json::from_value(answer)
            .map_err(|_| "the running rosterd is of another version".to_owned()),
        Err(AskError::NotRunning { .. }) => Err("no rosterd is running".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn explain(case: &Case<'_>) -> Explanation {
    // SFTP takes passwords and keys alike.
    let protocol = case.protocol.unwrap_or(Protocol::Sftp);
    let attempt = Attempt::new(protocol, case.from, case.user);
    let shown = match (&case.shown, attempt.protocol) {
        (Brought::Key(Ok(key)), _) => Shown::Key(&key.blob),
        (Brought::Anything | Brought::Key(Err(_)), Protocol::Sftp) => Shown::Anything,
        _ => Shown::Password,
    };
    let mut judgement = Judgement::of(case.config, attempt, shown, case.now);
    // Only the sender can show one, so that is a condition and no refusal.
    judgement.certificate = judgement.certificate.map(|_| Ok(()));
    let known = judgement.known.as_ref().and_then(|it| it.as_ref().ok());
    let mut steps = Vec::new();
    steps.extend(
        case.protocol
            .map(|protocol| listener(case.config, protocol)),
    );
    steps.push(case.name(&judgement));
    steps.extend(judgement.known.as_ref().map(|known| case.login(known)));
    if let Some((known, address)) = known.zip(judgement.address.as_ref()) {
        steps.push(case.address(*known, address));
    }
    steps.extend(known.and_then(|known| case.certificate(*known)));
    let mut refusal = None;
    if let Some((known, credentials)) = known.zip(judgement.credentials.as_ref()) {
        let (step, its_refusal) = case.credentials(*known, credentials);
        refusal = its_refusal;
        steps.push(step);
        steps.extend(case.warnings(*known));
    }
    steps.extend(case.beside(known.copied()));
    let full = known.and_then(|_| {
        let sessions = case.standing.as_ref().ok()?.sessions;
        let full = login::has_room(sessions, case.config).err()?;
        Some(Refusal::NotAdmitted(full))
    });
    let refusal = judgement.verdict().err().or(refusal).or(full);
    let failed = steps.iter().find(|it| it.outcome == Outcome::Failed);
    Explanation {
        user: case.user.to_owned(),
        from: case.from,
        protocol: case.protocol.map(Protocol::as_str),
        let_in: failed.is_none() && refusal.is_none(),
        reason: failed.map(|it| it.message.clone()),
        log: refusal.map(|refusal| format!("login refused: {refusal}")),
        steps,
    }
}

impl Step {
    fn passed(name: &'static str, message: impl Into<String>) -> Self {
        Self::new(name, Outcome::Passed, message, None)
    }

    fn failed(
        name: &'static str,
        message: impl Into<String>,
        remedy: impl Into<Option<String>>,
    ) -> Self {
        Self::new(name, Outcome::Failed, message, remedy.into())
    }

    fn new(
        name: &'static str,
        outcome: Outcome,
        message: impl Into<String>,
        remedy: Option<String>,
    ) -> Self {
        Self {
            name,
            outcome,
            message: message.into(),
            remedy,
        }
    }
}

/// Whether somebody listens for the protocol at all.
fn listener(config: &Config, protocol: Protocol) -> Step {
    let ftps = config.ftps.as_ref();
    let (listeners, key) = match protocol {
        Protocol::Ftps => (ftps.map(|ftps| &ftps.implicit), "implicit of [ftps]"),
        Protocol::Ftpes => (ftps.map(|ftps| &ftps.explicit), "explicit of [ftps]"),
        Protocol::Sftp => (
            config.sftp.as_ref().map(|it| &it.listen),
            "listen of [sftp]",
        ),
    };
    let listeners = listeners.into_iter().flatten().map(ToString::to_string);
    let listeners: Vec<_> = listeners.collect();
    let protocol = protocol.as_str();
    if listeners.is_empty() {
        return Step::failed(
            "listener",
            format!("nothing listens for {protocol}"),
            format!("add an address to {key}, and restart rosterd"),
        );
    }
    Step::passed(
        "listener",
        format!("{protocol} at {}", listeners.join(", ")),
    )
}

impl Case<'_> {
    fn name(&self, judgement: &Judgement<'_>) -> Step {
        let hosts = &self.config.server.hosts;
        match &judgement.user {
            Ok(name) if name.user() == self.user => {
                Step::passed("name", format!("{}, without a host", name.user()))
            }
            Ok(name) => {
                let host = self.user.len() - name.user().len() - 1;
                let host = self.user.get(..host).unwrap_or_default();
                Step::passed("name", format!("{}, at the host {host}", name.user()))
            }
            Err(Refusal::UnknownHost) => {
                let (host, user) = self.user.split_once('|').unwrap_or_default();
                let distance =
                    |known: &&String| strsim::damerau_levenshtein(known, &host.to_lowercase());
                let right = hosts.iter().min_by_key(distance);
                Step::failed(
                    "name",
                    format!(
                        "\"{host}\" before the | is not one of server.hosts, which are {}",
                        hosts.join(", ")
                    ),
                    right.map(|host| {
                        format!("let the sender log in as \"{host}|{user}\" or as \"{user}\", or add the host to server.hosts and run `rosterd reload`")
                    }),
                )
            }
            Err(_) => Step::failed(
                "name",
                "a user name is 1 to 255 bytes without control characters",
                "look how the sender's settings write the name: line ends and invisible characters are easily pasted with it".to_owned(),
            ),
        }
    }

    fn login(&self, known: &Result<Known<'_>, Refusal>) -> Step {
        let Ok(Known { tenant, login }) = known else {
            let name = LoginName::parse(self.user, &self.config.server.hosts);
            let user = name.map_or_else(|_| self.user.to_owned(), |name| name.user().to_owned());
            let message = format!("no tenant has a login \"{user}\"");
            return Step::failed("login", message, self.meant(&user));
        };
        let rights: Vec<_> = login.rights.words().collect();
        Step::passed(
            "login",
            format!(
                "{}, {}; may {}",
                tenant.id,
                login.environment,
                if rights.is_empty() {
                    "only list".to_owned()
                } else {
                    rights.join(", ")
                }
            ),
        )
    }

    /// Who may have been meant by a user that nobody knows.
    fn meant(&self, user: &str) -> String {
        if let Some((host, rest)) = user.split_once('+')
            && self.config.login(rest).is_some()
        {
            return format!(
                "\"{rest}\" is a login, but \"{host}\" before the + is not one of server.hosts ({}): mend the sender's settings",
                self.config.server.hosts.join(", ")
            );
        }
        match self.config.near_users(user).as_slice() {
            [] => "`rosterd logins` lists them all; after a change of the files, `rosterd check` and `rosterd reload`".to_owned(),
            [same, ..] if same.to_lowercase() == user.to_lowercase() => format!(
                "\"{same}\" differs in upper and lower case only, and users are compared as they are written: mend the sender's settings"
            ),
            near => {
                let near: Vec<_> = near.iter().map(|user| format!("\"{user}\"")).collect();
                format!("did you mean {}?", near.join(" or "))
            }
        }
    }

    fn address(&self, known: Known<'_>, verdict: &Result<(), Refusal>) -> Step {
        let address = self.from.to_canonical();
        let is = if address == self.from {
            format!("{address} is")
        } else {
            format!("{} is the IPv4 address {address},", self.from)
        };
        let AllowFrom::Networks(networks) = &known.login.allow_from else {
            return Step::passed("address", "allow_from lets any address in");
        };
        if verdict.is_ok() {
            let holding = networks.iter().find(|network| network.contains(&address));
            let network = holding.map(ToString::to_string).unwrap_or_default();
            return Step::passed("address", format!("{is} in {network}"));
        }
        let nearest = match nearest(networks, address) {
            Some(network) => format!("the nearest network listed is {network}"),
            None if address.is_ipv6() => "all of them are IPv4".to_owned(),
            None => "all of them are IPv6".to_owned(),
        };
        Step::failed(
            "address",
            format!(
                "{is} in none of the {} of allow_from: {nearest}",
                counted(networks.len(), "network")
            ),
            format!(
                "if the sender has moved there, add \"{address}\" to allow_from of {} and run `rosterd reload`; if not, somebody else uses the name",
                known.login.user
            ),
        )
    }

    /// What the sender must show over FTPS beside its password.
    fn certificate(&self, known: Known<'_>) -> Option<Step> {
        let listed = known.login.client_certificates.len();
        if listed == 0 || self.protocol == Some(Protocol::Sftp) {
            return None;
        }
        let one = match listed {
            1 => "the one of its client_certificates".to_owned(),
            listed => format!("one of its {listed} client_certificates"),
        };
        let message = format!("not checked: over FTPS the sender must show {one} too");
        let remedy = "when the log says \"login refused\" all the same, it says which certificate was missing";
        Some(Step::new(
            "certificate",
            Outcome::NotChecked,
            message,
            Some(remedy.to_owned()),
        ))
    }

    /// What is in order now, and will not be or should not.
    fn warnings(&self, known: Known<'_>) -> Vec<Step> {
        let warnings = config::warnings_of(known.tenant, known.login, self.now);
        let told = warnings
            .iter()
            .filter(|it| matches!(it.concern, Concern::Ends { .. } | Concern::Weak { .. }));
        told.map(|it| Step::new("credentials", Outcome::Warning, it.words(), None))
            .collect()
    }

    /// What only a running daemon knows.
    fn beside(&self, known: Option<Known<'_>>) -> Vec<Step> {
        let unknown = |step, why: &str| {
            Step::new(
                step,
                Outcome::NotChecked,
                format!("not checked: {why}"),
                None,
            )
        };
        let standing = match &self.standing {
            Ok(standing) => standing,
            Err(why) => return vec![unknown("sessions", why), unknown("ban", why)],
        };
        let mut steps = Vec::new();
        if let Some(known) = known {
            let most = self.config.limits.sessions_per_login;
            let message = format!("{} of {most} are open", standing.sessions);
            steps.push(match login::has_room(standing.sessions, self.config) {
                Ok(()) => Step::passed("sessions", message),
                Err(_) => Step::failed(
                    "sessions",
                    format!("{message}, which is limits.sessions_per_login"),
                    format!("find out why {} keeps so many, or raise the limit and run `rosterd reload`", known.login.user),
                ),
            });
        }
        steps.push(match &standing.ban {
            None => Step::passed("ban", "the address is not banned"),
            Some(why) => Step::failed(
                "ban",
                why,
                format!("mend what the sender does wrong, then wait or lift the ban with `rosterd bans --lift {}`", self.from.to_canonical()),
            ),
        });
        let name = LoginName::parse(self.user, &self.config.server.hosts);
        let differs =
            name.is_ok_and(|name| self.config.login_digest(name.user()) != standing.in_force);
        if differs {
            steps.push(Step::new(
                "reload",
                Outcome::Warning,
                "the running rosterd has something else about this login than the files, which this goes by",
                Some("run `rosterd reload`, and ask again".to_owned()),
            ));
        }
        steps
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// The network that has the most leading bits in common with an address.
fn nearest(networks: &[IpNet], address: IpAddr) -> Option<&IpNet> {
    let common = |network: &IpNet| match (network.network(), address) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            Some((one.to_bits() ^ other.to_bits()).leading_zeros())
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            Some((one.to_bits() ^ other.to_bits()).leading_zeros())
        }
        _ => None,
    };
    let same_version = networks.iter().filter(|it| common(it).is_some());
    same_version.max_by_key(|it| common(it))
}

fn words(explanation: &Explanation) -> String {
    let mut lines = Vec::new();
    for Step {
        name,
        outcome,
        message,
        remedy,
    } in &explanation.steps
    {
        let sign = match outcome {
            Outcome::Passed => "ok",
            Outcome::Warning => "note",
            Outcome::Failed => "FAIL",
            Outcome::NotChecked => "?",
        };
        lines.push(format!("{sign:<5} {name:<12} {message}"));
        lines.extend(remedy.as_ref().map(|it| format!("{:<18} -> {it}", "")));
    }
    lines.push(String::new());
    let Explanation { user, from, .. } = explanation;
    let with = |outcome| {
        let steps = explanation.steps.iter();
        let names = steps.filter(move |it| it.outcome == outcome);
        names.map(|it| it.name).collect::<Vec<_>>()
    };
    let (failed, unchecked) = (with(Outcome::Failed), with(Outcome::NotChecked));
    lines.push(if !failed.is_empty() {
        let failed = failed.join(", ");
        format!("{user} from {from} would NOT be let in, because of: {failed}.")
    } else if unchecked.is_empty() {
        format!("{user} from {from} would be let in.")
    } else {
        let unchecked = unchecked.join(" and ");
        format!("{user} from {from} would be let in, as far as can be told without {unchecked}.")
    });
    let log = explanation.log.iter();
    lines.extend(log.map(|it| format!("The log has it as \"{it}\".")));
    text::text(&lines)
}
