//! `[[login]]` of a tenant's file: who may log in, from where, with what.

use argon2::PasswordHash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::config::Tenant;
use crate::config::document::Section;
use crate::secret::Secret;
use crate::tenant::{Environment, Rights, is_unfit};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub environment: Environment,
    pub rights: Rights,
    pub allow_from: AllowFrom,
    pub data_from: DataFrom,
    pub authorized_keys: Vec<AuthorizedKey>,
    pub passwords: Vec<Password>,
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

/// One line of `authorized_keys`: the algorithm and the key in SSH wire format (RFC 4253 section 6.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedKey {
    pub algorithm: String,
    pub blob: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password {
    /// In PHC string form, `$argon2id$…`.
    pub hash: Secret<String>,
    /// Not accepted any more once this day has ended in the tenant's zone.
    pub expires: Option<Date>,
}

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
        let authorized_keys = section.parsed_list("authorized_keys", AuthorizedKey::parse);
        let passwords = Password::read_all(section);
        if !section.has("password") && !section.has("authorized_keys") {
            section.wrong_section(
                "nobody can log in: add a [[login.password]] with hash = \"…\" from `rosterd hash-password`, or authorized_keys",
            );
        }
        Some(Self {
            user: user?,
            environment: environment.unwrap_or(Environment::Production),
            rights: rights.unwrap_or(Rights::ALL),
            allow_from: allow_from?,
            data_from: data_from.unwrap_or(DataFrom::Control),
            authorized_keys: authorized_keys.unwrap_or_default(),
            passwords,
        })
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
        Ok(Self {
            algorithm: algorithm.to_owned(),
            blob,
        })
    }
}

impl Password {
    /// Whether it is accepted at `now`.
    pub fn is_live(&self, tenant: &Tenant, now: Timestamp) -> bool {
        let today = || now.to_zoned(tenant.time_zone.clone()).date();
        self.expires.is_none_or(|last_day| today() <= last_day)
    }

    fn read_all(login: &Section<'_>) -> Vec<Self> {
        if login.is_text("password") {
            login.wrong_key(
                "password",
                "a password never stands here in clear: write [[login.password]] with hash = \"…\" from `rosterd hash-password`",
            );
            return Vec::new();
        }
        let sections = login.sections("password");
        sections.into_iter().filter_map(Self::read).collect()
    }

    fn read(section: Section<'_>) -> Option<Self> {
        let hash = section
            .required_text(
                "hash",
                "\"$argon2id$…\", as `rosterd hash-password` prints it",
            )
            .and_then(|hash| section.take(&hash, parse_hash));
        let expires = section.date("expires");
        section.finish();
        Some(Self {
            hash: hash?,
            expires,
        })
    }
}

/// An argon2id hash in PHC string form.
fn parse_hash(text: &str) -> Result<Secret<String>, &'static str> {
    const EXPECTED: &str =
        "expected \"$argon2id$…\": run `rosterd hash-password` and paste what it prints";
    let hash = PasswordHash::new(text).map_err(|_| EXPECTED)?;
    if text.starts_with("$argon2id$") && hash.salt.is_some() && hash.hash.is_some() {
        Ok(Secret::new(text.to_owned()))
    } else {
        Err(EXPECTED)
    }
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
}
