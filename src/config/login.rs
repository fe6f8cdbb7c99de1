//! `[[login]]` of a tenant's file: who may log in, from where, with what.

use std::fmt;

use argon2::{Params, PasswordHash};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use crate::config::document::{Section, Value};
use crate::config::{Fingerprint, Tenant};
use crate::secret::Secret;
use crate::tenant::{Environment, Rights, is_unfit};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub environment: Environment,
    pub rights: Rights,
    pub allow_from: AllowFrom,
    pub data_from: DataFrom,
    /// Those of `authorized_keys`, then those of `[[login.key]]`.
    pub authorized_keys: Vec<AuthorizedKey>,
    pub passwords: Vec<Password>,
    /// One of them must be shown with the password, over FTPS; empty: none.
    pub client_certificates: Vec<Fingerprint>,
}

/// What a password and a key have in common: all but the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub kind: CredentialKind,
    /// Tells it from every other one, whatever it is called: the first 8 hex digits of the SHA-256 of a hash, the fingerprint of a key.
    pub id: String,
    /// What the admin calls it.
    pub name: Option<String>,
    /// Not accepted any more once this day has ended in the tenant's zone.
    pub expires: Option<Date>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialKind {
    Password,
    Key,
}

impl CredentialKind {
    /// The word in tables, logs and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Key => "key",
        }
    }
}

impl Credential {
    /// Its name, or what tells it apart without one.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }

    /// Whether it is accepted at `now`.
    pub fn is_live(&self, tenant: &Tenant, now: Timestamp) -> bool {
        let today = || tenant.day(now);
        self.expires.is_none_or(|last_day| today() <= last_day)
    }

    /// The instant from which on it is not accepted.
    pub fn ends(&self, zone: &TimeZone) -> Option<Timestamp> {
        let day_after = self.expires?.tomorrow().ok()?;
        Some(day_after.to_zoned(zone.clone()).ok()?.timestamp())
    }
}

/// As `password 3f2a91bc`.
impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.label())
    }
}

/// Where a login may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowFrom {
    /// `["any"]`, written out.
    Any,
    Networks(Vec<IpNet>),
}

/// Where the passive data connections of a login may come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataFrom {
    /// The address of the control connection.
    Control,
    /// Any address of `allow_from`: a sender behind several NAT addresses does not always leave by the same.
    AllowFrom,
}

/// A public key: the algorithm and the key in SSH wire format (RFC 4253 section 6.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedKey {
    pub algorithm: String,
    pub blob: Vec<u8>,
    pub credential: Credential,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password {
    /// In PHC string form, `$argon2id$…`.
    pub hash: Secret<String>,
    pub credential: Credential,
}

/// The most that a hash may cost, since every attempt to log in pays it.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 16;
/// Characters of the name of a credential.
const NAME_LIMIT: usize = 64;

impl Login {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let user = section
            .required_text("user", "\"hr@acme.example\"")
            .and_then(|user| {
                section.take(&user, |text| {
                    if text.is_empty() || text.len() > 255 || text.chars().any(is_unfit) {
                        Err("a user name is 1 to 255 bytes without control characters")
                    } else {
                        Ok(text.to_owned())
                    }
                })
            });
        let environment = section.parsed("environment", Environment::parse);
        let rights = section.texts("rights").map(|words| {
            let mut rights = Rights {
                upload: false,
                download: false,
                delete: false,
            };
            for word in &words {
                match word.content.as_str() {
                    "upload" => rights.upload = true,
                    "download" => rights.download = true,
                    "delete" => rights.delete = true,
                    _ => section.wrong(word, "expected \"upload\", \"download\" or \"delete\""),
                }
            }
            rights
        });
        let allow_from = AllowFrom::read(section);
        let data_from = section.parsed("data_from", DataFrom::parse);
        if data_from == Some(DataFrom::AllowFrom) && allow_from == Some(AllowFrom::Any) {
            section.wrong_key(
                "data_from",
                "\"allow_from\" with allow_from = [\"any\"] would let anybody take part in a transfer: name the sender's networks in allow_from, or remove data_from",
            );
        }
        let mut places = Places(Vec::new());
        let passwords = Password::read_all(section, &mut places);
        let client_certificates = section.parsed_list("client_certificates", Fingerprint::parse);
        let authorized_keys = AuthorizedKey::read_all(section, &mut places);
        places.refuse_twins(section);
        let ways_in = ["password", "authorized_keys", "key"];
        if !ways_in.iter().any(|key| section.has(key)) {
            section.wrong_section(
                "nobody can log in: add a [[login.password]] with hash = \"…\" from `rosterd hash-password`, or a [[login.key]] with key = \"ssh-ed25519 …\"",
            );
        }
        let listed = section.texts("client_certificates");
        if listed.is_some_and(|it| it.is_empty()) {
            section.wrong_key(
                "client_certificates",
                "an empty list asks for no certificate: remove it, or list fingerprints",
            );
        }
        Some(Self {
            user: user?,
            environment: environment.unwrap_or(Environment::Production),
            rights: rights.unwrap_or(Rights::ALL),
            allow_from: allow_from?,
            data_from: data_from.unwrap_or(DataFrom::Control),
            authorized_keys,
            passwords,
            client_certificates: client_certificates.unwrap_or_default(),
        })
    }

    /// Passwords and keys alike.
    pub fn credentials(&self) -> impl Iterator<Item = &Credential> {
        let passwords = self.passwords.iter().map(|it| &it.credential);
        passwords.chain(self.authorized_keys.iter().map(|it| &it.credential))
    }
}

/// Every credential of a login, with where its secret and its name stand.
struct Places(Vec<(Credential, Value<String>, Option<Value<String>>)>);

impl Places {
    /// Two of one login must not be the same, and an admin must be able to tell them apart.
    fn refuse_twins(&self, section: &Section<'_>) {
        for (at, (credential, secret, name)) in self.0.iter().enumerate() {
            let mut earlier = self.0.iter().take(at);
            let twin = earlier.clone().find(|(it, ..)| it.id == credential.id);
            if let Some((_, first, _)) = twin {
                let (kind, first) = (credential.kind.as_str(), section.place(first));
                section.wrong(
                    secret,
                    format!("the same {kind} stands at {first}: remove one of the two"),
                );
                continue;
            }
            let namesake = earlier.find(|(it, ..)| it.label() == credential.label());
            if let Some((_, other, other_name)) = namesake {
                let first = section.place(other_name.as_ref().unwrap_or(other));
                section.wrong(
                    name.as_ref().unwrap_or(secret),
                    format!(
                        "the one at {first} is called \"{}\" too: give one of them another name",
                        credential.label()
                    ),
                );
            }
        }
    }
}

/// The `name` of a credential.
fn name(section: &Section<'_>) -> (Option<String>, Option<Value<String>>) {
    let Some(written) = section.text("name") else {
        return (None, None);
    };
    let name = section.take(&written, |text| {
        let length = text.chars().count();
        if (1..=NAME_LIMIT).contains(&length) && !text.chars().any(is_unfit) {
            Ok(text.to_owned())
        } else {
            Err("a name is 1 to 64 characters without control characters")
        }
    });
    (name, Some(written))
}

#[cfg(test)]
impl Login {
    /// One with all rights from everywhere and nothing to log in with, for tests.
    pub(crate) fn of(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            environment: Environment::Production,
            rights: Rights::ALL,
            allow_from: AllowFrom::Any,
            data_from: DataFrom::Control,
            authorized_keys: Vec::new(),
            passwords: Vec::new(),
            client_certificates: Vec::new(),
        }
    }
}

impl AllowFrom {
    fn read(section: &Section<'_>) -> Option<Self> {
        let words = section.texts("allow_from");
        if words.as_ref().is_none_or(Vec::is_empty) {
            section.missing(
                "allow_from",
                "[\"203.0.113.0/24\"]; a login without it lets nobody in (for everybody write [\"any\"])",
            );
        }
        let words = words?;
        if let [only] = words.as_slice()
            && only.content == "any"
        {
            return Some(Self::Any);
        }
        let networks = words
            .iter()
            .filter_map(|word| section.take(word, parse_network))
            .collect();
        Some(Self::Networks(networks))
    }

    /// As the configuration has it.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Any => vec!["any".to_owned()],
            Self::Networks(networks) => networks.iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether a peer at `address` is let in. A v4 address in v6 clothes counts as v4.
    pub fn contains(&self, address: std::net::IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Networks(networks) => {
                let address = address.to_canonical();
                networks.iter().any(|network| network.contains(&address))
            }
        }
    }
}

impl DataFrom {
    fn parse(text: &str) -> Result<Self, &'static str> {
        [Self::Control, Self::AllowFrom]
            .into_iter()
            .find(|it| it.as_str() == text)
            .ok_or("expected \"control\" or \"allow_from\"")
    }

    /// The word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::AllowFrom => "allow_from",
        }
    }
}

impl AuthorizedKey {
    /// Takes `algorithm base64 [comment]`; the key inside must name the same algorithm.
    pub fn parse(line: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected a public key as in a .pub file, \"ssh-ed25519 AAAA…\"";
        let mut words = line.split_ascii_whitespace();
        let algorithm = words.next().ok_or(EXPECTED)?;
        let blob = words
            .next()
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or(EXPECTED)?;
        let (length, rest) = blob.split_first_chunk::<4>().ok_or(EXPECTED)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| EXPECTED)?;
        if rest.get(..length) != Some(algorithm.as_bytes()) {
            return Err(EXPECTED);
        }
        if matches!(algorithm, "ssh-dss") {
            return Err("DSA keys are broken: use ssh-ed25519");
        }
        let credential = Credential {
            kind: CredentialKind::Key,
            id: fingerprint(&blob),
            name: None,
            expires: None,
        };
        Ok(Self {
            algorithm: algorithm.to_owned(),
            blob,
            credential,
        })
    }

    fn read_all(login: &Section<'_>, places: &mut Places) -> Vec<Self> {
        let lines = login.texts("authorized_keys").unwrap_or_default();
        let mut keys = Vec::new();
        for line in lines {
            if let Some(key) = login.take(&line, Self::parse) {
                places.0.push((key.credential.clone(), line, None));
                keys.push(key);
            }
        }
        for section in login.sections("key") {
            keys.extend(Self::read(&section, places));
            section.finish();
        }
        keys
    }

    fn read(section: &Section<'_>, places: &mut Places) -> Option<Self> {
        let line = section.required_text("key", "\"ssh-ed25519 …\", as in a .pub file");
        let key = line
            .as_ref()
            .and_then(|line| section.take(line, Self::parse));
        let (name, written) = name(section);
        let expires = section.date("expires");
        let mut key = key?;
        key.credential.name = name;
        key.credential.expires = expires;
        places.0.push((key.credential.clone(), line?, written));
        Some(key)
    }
}

/// As OpenSSH shows a key: `SHA256:…`.
fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

impl Password {
    /// One that goes by its hash alone.
    pub fn of(hash: Secret<String>) -> Self {
        let digest = Sha256::digest(hash.reveal());
        let [a, b, c, d, ..]: [u8; 32] = digest.into();
        let credential = Credential {
            kind: CredentialKind::Password,
            id: format!("{:08x}", u32::from_be_bytes([a, b, c, d])),
            name: None,
            expires: None,
        };
        Self { hash, credential }
    }

    /// The memory in KiB and the passes of a hash that is easier to break than what `hash-password` makes; none when it is not.
    pub fn weakness(&self) -> Option<(u32, u32)> {
        let hash = PasswordHash::new(self.hash.reveal()).ok()?;
        let cost = Params::try_from(&hash).ok()?;
        let is_weak =
            cost.m_cost() < Params::DEFAULT_M_COST || cost.t_cost() < Params::DEFAULT_T_COST;
        is_weak.then(|| (cost.m_cost(), cost.t_cost()))
    }

    fn read_all(login: &Section<'_>, places: &mut Places) -> Vec<Self> {
        if login.is_text("password") {
            login.wrong_key(
                "password",
                "a password never stands here in clear: write [[login.password]] with hash = \"…\" from `rosterd hash-password`",
            );
            return Vec::new();
        }
        let mut passwords = Vec::new();
        for section in login.sections("password") {
            passwords.extend(Self::read(&section, places));
            section.finish();
        }
        passwords
    }

    fn read(section: &Section<'_>, places: &mut Places) -> Option<Self> {
        let written = section.required_text(
            "hash",
            "\"$argon2id$…\", as `rosterd hash-password` prints it",
        );
        let hash = written
            .as_ref()
            .and_then(|hash| section.take(hash, parse_hash));
        let (name, name_written) = name(section);
        let expires = section.date("expires");
        let mut password = Self::of(hash?);
        password.credential.name = name;
        password.credential.expires = expires;
        places
            .0
            .push((password.credential.clone(), written?, name_written));
        Some(password)
    }
}

/// An argon2id hash in PHC string form.
fn parse_hash(text: &str) -> Result<Secret<String>, &'static str> {
    const EXPECTED: &str =
        "expected \"$argon2id$…\": run `rosterd hash-password` and paste what it prints";
    const TOO_DEAR: &str = "every attempt to log in would cost what this hash costs: at most m=262144 (256 MiB) and t=16, better what `rosterd hash-password` makes";
    let hash = PasswordHash::new(text).map_err(|_| EXPECTED)?;
    let cost = Params::try_from(&hash).map_err(|_| EXPECTED)?;
    if !text.starts_with("$argon2id$") || hash.salt.is_none() || hash.hash.is_none() {
        return Err(EXPECTED);
    }
    if cost.m_cost() > MOST_MEMORY_KIB || cost.t_cost() > MOST_PASSES {
        return Err(TOO_DEAR);
    }
    Ok(Secret::new(text.to_owned()))
}

/// A network, or one address.
pub(super) fn parse_network(text: &str) -> Result<IpNet, &'static str> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| "expected an address or a network, as \"203.0.113.7\" or \"203.0.113.0/24\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowlist_sees_through_mapped_addresses() {
        let here = AllowFrom::Networks(vec![parse_network("203.0.113.0/24").unwrap()]);
        assert!(here.contains("203.0.113.9".parse().unwrap()));
        assert!(here.contains("::ffff:203.0.113.9".parse().unwrap()));
        assert!(!here.contains("203.0.114.9".parse().unwrap()));
    }

    #[test]
    fn data_may_come_from_allow_from_unless_that_is_anybody() {
        let read = |allow_from: &str, data_from: &str| {
            let text = format!(
                "name = \"acme\"\n[[login]]\nuser = \"hr\"\nallow_from = [\"{allow_from}\"]\ndata_from = \"{data_from}\"\nauthorized_keys = []\n"
            );
            let (tenant, _, problems) = Tenant::read(std::path::Path::new("acme.toml"), &text);
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            let login = tenant.and_then(|tenant| tenant.logins.into_iter().next());
            (login.map(|login| login.data_from), problems)
        };
        let (data_from, problems) = read("203.0.113.0/24", "allow_from");
        assert_eq!((data_from, problems.len()), (Some(DataFrom::AllowFrom), 0));
        let (data_from, problems) = read("any", "control");
        assert_eq!((data_from, problems.len()), (Some(DataFrom::Control), 0));
        let (_, problems) = read("any", "allow_from");
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].starts_with("acme.toml:5: login[1].data_from: "),
            "{problems:?}"
        );
        let (_, problems) = read("203.0.113.0/24", "anywhere");
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn a_key_that_is_not_what_it_says_is_refused() {
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ hr";
        assert_eq!(AuthorizedKey::parse(key).unwrap().algorithm, "ssh-ed25519");
        assert!(AuthorizedKey::parse(&key.replacen("ed25519", "rsa", 1)).is_err());
        assert!(AuthorizedKey::parse("ssh-ed25519").is_err());
        assert!(AuthorizedKey::parse("ssh-ed25519 AAAA").is_err());
    }

    /// What is wrong with a tenant's file that holds this login.
    fn problems(lines: &str) -> Vec<String> {
        let text =
            format!("name = \"acme\"\n[[login]]\nuser = \"hr\"\nallow_from = [\"any\"]\n{lines}");
        let (_, _, problems) = Tenant::read(std::path::Path::new("acme.toml"), &text);
        problems.iter().map(ToString::to_string).collect()
    }

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER_KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn hash(m: u32, t: u32) -> String {
        format!(
            "$argon2id$v=19$m={m},t={t},p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG/RdescudvJA"
        )
    }

    #[test]
    fn keys_stand_in_a_list_or_with_an_end_and_a_name_each() {
        let text = format!(
            "name = \"acme\"\n[[login]]\nuser = \"hr\"\nallow_from = [\"any\"]\nauthorized_keys = [\"{KEY} a\"]\n\
             [[login.key]]\nkey = \"{OTHER_KEY}\"\nname = \"laptop\"\nexpires = 2027-01-31\n"
        );
        let (tenant, _, problems) = Tenant::read(std::path::Path::new("acme.toml"), &text);
        assert!(problems.is_empty(), "{problems:?}");
        let login = &tenant.unwrap().logins[0];
        let told: Vec<_> = login
            .credentials()
            .map(|it| (it.to_string(), it.expires.map(|day| day.to_string())))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "key SHA256:T7SvZ2cslqpPj6nKzitCBHHlpVF3r3MvLwmFL0fk0IE".to_owned(),
                    None
                ),
                ("key laptop".to_owned(), Some("2027-01-31".to_owned())),
            ]
        );
    }

    #[test]
    fn the_same_key_twice_and_the_same_name_twice_are_problems() {
        let twins = format!(
            "authorized_keys = [\"{KEY}\", \"{KEY} again\"]\n[[login.key]]\nkey = \"{KEY}\"\nname = \"new\"\n"
        );
        assert_eq!(
            problems(&twins),
            [
                "acme.toml:5: login[1].authorized_keys[2]: the same key stands at acme.toml:5: remove one of the two",
                "acme.toml:7: login[1].key[1].key: the same key stands at acme.toml:5: remove one of the two",
            ]
        );
        let namesakes = format!(
            "[[login.password]]\nhash = \"{}\"\nname = \"nightly\"\n[[login.key]]\nkey = \"{KEY}\"\nname = \"nightly\"\nexpires = \"soon\"\n",
            hash(19456, 2)
        );
        assert_eq!(
            problems(&namesakes),
            [
                "acme.toml:11: login[1].key[1].expires: expected a day like 2027-01-31",
                "acme.toml:10: login[1].key[1].name: the one at acme.toml:7 is called \"nightly\" too: give one of them another name",
            ]
        );
        let nameless = format!("[[login.key]]\nkey = \"{KEY}\"\nname = \"\"\n[[login.key]]\n");
        assert_eq!(
            problems(&nameless),
            [
                "acme.toml:7: login[1].key[1].name: a name is 1 to 64 characters without control characters",
                "acme.toml:8: login[1].key[2].key: is missing; for example key = \"ssh-ed25519 …\", as in a .pub file",
            ]
        );
    }

    #[test]
    fn a_hash_that_would_cost_every_attempt_too_much_is_a_problem_and_a_cheap_one_is_weak() {
        let of = |m, t| problems(&format!("[[login.password]]\nhash = \"{}\"\n", hash(m, t)));
        for (m, t) in [(262_145, 2), (19456, 17), (u32::MAX, 1)] {
            let problems = of(m, t);
            assert_eq!(problems.len(), 1, "m={m} t={t}: {problems:?}");
            assert!(problems[0].contains("at most m=262144"), "{problems:?}");
        }
        for (m, t, is_weak) in [
            (262_144, 16, false),
            (19456, 2, false),
            (19455, 2, true),
            (65536, 1, true),
        ] {
            assert_eq!(of(m, t), [] as [String; 0], "m={m} t={t}");
            let password = Password::of(Secret::new(hash(m, t)));
            assert_eq!(password.weakness(), is_weak.then_some((m, t)));
        }
    }
}
