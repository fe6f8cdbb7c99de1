//! `[ftps]`, `[sftp]` and `[tls]`: where clients connect, and what we show them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use crate::config::document::{Place, Section};
use crate::config::login::parse_network;
use crate::config::server::parse_address;

#[derive(Debug, Clone)]
pub struct Ftps {
    pub explicit: Vec<SocketAddr>,
    pub implicit: Vec<SocketAddr>,
    /// First and last port, inclusive; `(0, 0)` for any free ports.
    pub passive_ports: (u16, u16),
    /// Announced in PASV; none: the address the client connected to.
    pub passive_address: Option<Ipv4Addr>,
    /// Announced instead to control peers within a network; the first match wins.
    pub passive_overrides: Vec<(IpNet, Ipv4Addr)>,
    pub active_mode: bool,
    pub tls_session_reuse: SessionReuse,
}

/// Pairs beside the first.
const ALTERNATIVES: usize = 4;

/// What a data connection's TLS session must have to do with the control connection's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionReuse {
    Off,
    Prefer,
    Require,
}

#[derive(Debug, Clone)]
pub struct Sftp {
    pub listen: Vec<SocketAddr>,
    /// Where outdated algorithms are taken too.
    pub legacy: Vec<SocketAddr>,
    pub host_keys: Vec<PathBuf>,
    /// Make the first host key when it is missing.
    pub generate: bool,
}

#[derive(Debug, Clone)]
pub struct Tls {
    /// Shown to every client that can use it.
    pub first: CertificateFiles,
    /// Make a self-signed first pair when it is missing.
    pub generate: bool,
    /// Shown to clients that cannot use those before.
    pub alternatives: Vec<CertificateFiles>,
}

/// Where a certificate and its key lie.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Ftps {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let passive_ports = section.parsed("passive_ports", parse_ports);
        let passive_address = section.parsed("passive_address", |text| match text {
            "auto" => Ok(None),
            address => address
                .parse()
                .map(Some)
                .map_err(|_| "expected \"auto\" or an IPv4 address"),
        });
        let passive_overrides = section
            .sections("passive_override")
            .into_iter()
            .filter_map(|section| {
                section.required_text("from", "\"10.0.0.0/8\"");
                section.required_text("address", "\"192.0.2.1\"");
                let from = section.parsed("from", parse_network);
                let address = section.parsed("address", |text| {
                    text.parse().map_err(|_| "expected an IPv4 address")
                });
                section.finish();
                Some((from?, address?))
            })
            .collect();
        let tls_session_reuse = section.parsed("tls_session_reuse", |text| match text {
            "off" => Ok(SessionReuse::Off),
            "prefer" => Ok(SessionReuse::Prefer),
            "require" => Ok(SessionReuse::Require),
            _ => Err("expected \"off\", \"prefer\" or \"require\""),
        });
        Self {
            explicit: section
                .parsed_list("explicit", parse_address)
                .unwrap_or_default(),
            implicit: section
                .parsed_list("implicit", parse_address)
                .unwrap_or_default(),
            passive_ports: passive_ports.unwrap_or((6980, 7000)),
            passive_address: passive_address.flatten(),
            passive_overrides,
            active_mode: section.flag("active_mode").unwrap_or(true),
            tls_session_reuse: tls_session_reuse.unwrap_or(SessionReuse::Prefer),
        }
    }

    /// Whether anything listens.
    pub fn is_off(&self) -> bool {
        self.explicit.is_empty() && self.implicit.is_empty()
    }
}

impl Sftp {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let host_keys: Vec<PathBuf> = section
            .texts("host_keys")
            .unwrap_or_default()
            .into_iter()
            .map(|text| section.folder().join(text.content))
            .collect();
        let generate = section.flag("generate").unwrap_or(false);
        let [listen, legacy] = ["listen", "legacy"]
            .map(|key| section.parsed_list(key, parse_address).unwrap_or_default());
        if host_keys.is_empty() && !(listen.is_empty() && legacy.is_empty()) {
            section.missing("host_keys", "[\"../certs/ssh_host_ed25519\"]");
        }
        for key in &host_keys {
            if !generate && !key.is_file() {
                section.wrong_key(
                    "host_keys",
                    format!(
                        "there is no file {}: make one with ssh-keygen -t ed25519, or set generate = true",
                        key.display()
                    ),
                );
            }
        }
        Self {
            listen,
            legacy,
            host_keys,
            generate,
        }
    }

    /// Whether anything listens.
    pub fn is_off(&self) -> bool {
        self.listen.is_empty() && self.legacy.is_empty()
    }
}

impl Tls {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let generate = section.flag("generate").unwrap_or(false);
        let made = "put one there, or set generate = true for a self-signed pair";
        let first = CertificateFiles::read(section, (!generate).then_some(made));
        let sections = section.sections("alternative");
        if sections.len() > ALTERNATIVES {
            section.wrong_key(
                "alternative",
                format!("at most {ALTERNATIVES}: one for each kind of key is enough"),
            );
        }
        let alternatives = sections.into_iter().filter_map(|section| {
            let pair = CertificateFiles::read(&section, Some("put one there"));
            section.finish();
            pair
        });
        Some(Self {
            alternatives: alternatives.collect(),
            first: first?,
            generate,
        })
    }

    /// Each pair with its place in the configuration, the first one first.
    pub fn pairs(&self) -> impl Iterator<Item = (String, &CertificateFiles)> {
        let others = self.alternatives.iter().enumerate();
        let others = others.map(|(at, pair)| (format!("tls.alternative[{}]", at + 1), pair));
        std::iter::once(("tls".to_owned(), &self.first)).chain(others)
    }
}

impl CertificateFiles {
    /// Where files must be there, `remedy` says what to do when they are not.
    fn read(section: &Section<'_>, remedy: Option<&str>) -> Option<Self> {
        section.required_text("certificate", "\"../certs/server.pem\"");
        section.required_text("key", "\"../certs/server.key\"");
        for key in ["certificate", "key"] {
            let missing = section.path(key).filter(|path| !path.is_file());
            if let Some((path, remedy)) = missing.zip(remedy) {
                section.wrong_key(
                    key,
                    format!("there is no file {}: {remedy}", path.display()),
                );
            }
        }
        Some(Self {
            certificate: section.path("certificate")?,
            key: section.path("key")?,
        })
    }
}

/// Looks at all addresses that something is to listen on: that there is a way in, and that no two are the same.
pub(super) fn check_addresses(
    root: &Section<'_>,
    ftps: Option<&Section<'_>>,
    sftp: Option<&Section<'_>>,
    web: Option<&Section<'_>>,
) {
    let lists = |section: Option<&Section<'_>>, key| {
        section
            .and_then(|section| section.texts(key))
            .unwrap_or_default()
    };
    let ways_in = [
        (ftps, "explicit"),
        (ftps, "implicit"),
        (sftp, "listen"),
        (sftp, "legacy"),
    ]
    .map(|(section, key)| (section, lists(section, key)));
    if ways_in.iter().all(|(_, addresses)| addresses.is_empty()) {
        root.wrong_section(
            "nothing listens for senders, so no file could ever come in: add [ftps] with explicit = [\"0.0.0.0:21\"], or [sftp] with listen = [\"0.0.0.0:2222\"]",
        );
    }
    let web_address = web.and_then(|section| section.text("listen"));
    let all = ways_in
        .iter()
        .flat_map(|(section, addresses)| addresses.iter().map(move |text| (*section, text)))
        .chain(web_address.iter().map(|text| (web, text)));
    let mut seen: Vec<(SocketAddr, Place)> = Vec::new();
    for (section, text) in all {
        let (Some(section), Ok(address)) = (section, parse_address(&text.content)) else {
            continue;
        };
        if let Some((_, first)) = seen.iter().find(|(other, _)| collide(*other, address)) {
            section.wrong(
                text,
                format!(
                    "{} in line {} listens on that address and port too: choose another port",
                    first.key, first.line
                ),
            );
        }
        seen.push((address, section.place(text)));
    }
}

/// Whether only one of them can be listened on. Port 0 is any free one.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let same = one.ip() == other.ip()
        || one.is_ipv4() == other.is_ipv4()
            && (one.ip().is_unspecified() || other.ip().is_unspecified());
    same && one.port() == other.port() && one.port() != 0
}

/// `first-last`, or `0` for any free ports.
fn parse_ports(text: &str) -> Result<(u16, u16), &'static str> {
    const EXPECTED: &str = "expected \"first-last\" as in \"6980-7000\", at most 1000 ports from 1024 on, or \"0\" for any free ones";
    if text == "0" {
        return Ok((0, 0));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let first: u16 = first.trim().parse().map_err(|_| EXPECTED)?;
    let last: u16 = last.trim().parse().map_err(|_| EXPECTED)?;
    if first >= 1024 && first <= last && last - first < 1000 {
        Ok((first, last))
    } else {
        Err(EXPECTED)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, ConfigError};

    /// The problems with this `[sftp]`, by key.
    fn problems(sftp: &str) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tenants")).unwrap();
        let file = folder.path().join("rosterd.toml");
        let text = format!(
            "[server]\nhosts = [\"localhost\"]\nstate_dir = \"state\"\ntenants = \"tenants\"\n[database]\nurl = \"sqlite://a.db\"\n[sftp]\ngenerate = true\n{sftp}\n"
        );
        std::fs::write(&file, text).unwrap();
        match Config::load(&file) {
            Err(ConfigError::Problems(problems)) => problems
                .into_iter()
                .map(|it| (it.key.unwrap_or_default(), it.message))
                .collect(),
            Ok(_) => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_legacy_listener_may_be_alone_has_an_address_of_its_own_and_needs_host_keys() {
        let keys = "host_keys = [\"key\"]\n";
        let alone = problems(&format!("{keys}legacy = [\"127.0.0.1:2223\"]"));
        assert_eq!(alone, []);
        let same = problems(&format!(
            "{keys}listen = [\"127.0.0.1:2222\"]\nlegacy = [\"0.0.0.0:2222\", \"here\"]"
        ));
        let named: Vec<&str> = same.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(named, ["sftp.legacy[1]", "sftp.legacy[2]"]);
        assert!(same[0].1.contains("too: choose another port"), "{same:?}");
        let without_keys = problems("legacy = [\"127.0.0.1:2223\"]");
        assert_eq!(without_keys[0].0, "sftp.host_keys", "{without_keys:?}");
    }
}
