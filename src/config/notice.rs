//! `[notice]`: who is told when a run waits for a person.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::config::document::Section;
use crate::secret::Secret;

/// Where notices go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub webhook: Webhook,
    /// What notices are signed with.
    pub secret: Option<Secret<String>>,
    /// Certificates of authorities that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
}

/// An address that notices are posted to. Its path may be a secret of its own.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Whether it is `https`.
    pub is_secure: bool,
    /// A name or an address, without brackets.
    pub host: String,
    pub port: u16,
    /// What the `Host` header says.
    pub authority: String,
    /// With the query.
    pub path: String,
}

/// A shorter secret can be tried out.
const SECRET_BYTES: usize = 16;
const FORM: &str = "expected \"https://host/path\"";

impl Webhook {
    /// Takes an address.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (is_secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://"))
        {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(FORM),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let is_printable = |b: u8| b.is_ascii_graphic() && b != b'#';
        if !text.bytes().all(is_printable) || authority.contains('@') {
            return Err(
                "expected an address without blanks, user name, \"#\" and other than plain characters",
            );
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or(FORM)?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port
                .parse()
                .map_err(|_| "the port is no number up to 65535")?,
            None if !port.is_empty() => return Err(FORM),
            None if is_secure => 443,
            None => 80,
        };
        if host.is_empty() || port == 0 {
            return Err(FORM);
        }
        let address: Option<IpAddr> = host.parse().ok();
        let is_here = host == "localhost" || address.is_some_and(|it| it.is_loopback());
        if !is_secure && !is_here {
            return Err("plain http goes to this machine only: expected \"https://…\"");
        }
        Ok(Self {
            is_secure,
            host: host.to_owned(),
            port,
            authority: authority.to_owned(),
            path: match path.strip_prefix('/') {
                Some(_) => path.to_owned(),
                None => format!("/{path}"),
            },
        })
    }
}

/// Without the path, for logs and errors.
impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{}/…", self.authority)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Notice {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        if !section.has("webhook") {
            section.missing("webhook", "\"https://hooks.example.com/rosterd\"");
        }
        let webhook = section.parsed("webhook", Webhook::parse);
        let secret = section.path("secret_file").and_then(|path| {
            let told = match std::fs::read_to_string(&path) {
                Ok(text) if text.trim().len() >= SECRET_BYTES => {
                    return Some(Secret::new(text.trim().to_owned()));
                }
                Ok(_) => format!("the secret is shorter than {SECRET_BYTES} characters: make one with `openssl rand -hex 32`"),
                Err(error) => format!("{} cannot be read: {error}", path.display()),
            };
            section.wrong_key("secret_file", told);
            None
        });
        let ca = section.path("ca");
        if let Some(path) = ca.as_ref().filter(|path| !path.is_file()) {
            section.wrong_key("ca", format!("there is no file {}", path.display()));
        }
        Some(Self {
            webhook: webhook?,
            secret,
            ca,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::{Document, Problem};

    #[test]
    fn a_webhook_is_https_or_on_this_machine() {
        let parsed = |text: &str| {
            Webhook::parse(text).map(|it| (it.is_secure, it.host, it.port, it.authority, it.path))
        };
        let of = |is_secure, host: &str, port, authority: &str, path: &str| {
            Ok((
                is_secure,
                host.to_owned(),
                port,
                authority.to_owned(),
                path.to_owned(),
            ))
        };
        for (text, expected) in [
            (
                "https://hooks.example.com/a/b?c=d",
                of(
                    true,
                    "hooks.example.com",
                    443,
                    "hooks.example.com",
                    "/a/b?c=d",
                ),
            ),
            (
                "https://hooks.example.com",
                of(true, "hooks.example.com", 443, "hooks.example.com", "/"),
            ),
            (
                "https://hooks.example.com?x",
                of(true, "hooks.example.com", 443, "hooks.example.com", "/?x"),
            ),
            (
                "http://127.0.0.1:8099/x",
                of(false, "127.0.0.1", 8099, "127.0.0.1:8099", "/x"),
            ),
            (
                "http://localhost/x",
                of(false, "localhost", 80, "localhost", "/x"),
            ),
            ("http://[::1]:81/", of(false, "::1", 81, "[::1]:81", "/")),
            (
                "https://[2001:db8::1]/",
                of(true, "2001:db8::1", 443, "[2001:db8::1]", "/"),
            ),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
        for bad in [
            "",
            "hooks.example.com",
            "ftp://a/",
            "https://",
            "https:///x",
            "https://u:p@a/",
            "https://a:b/",
            "https://a:0/",
            "https://a:70000/",
            "https://[::1/",
            "https://[::1]x/",
            "https://a/ b",
            "https://a/#b",
            "https://a/\r\nHost: b",
            "https://ä/",
            "http://hooks.example.com/",
            "http://10.0.0.1/",
        ] {
            assert!(Webhook::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_notice_is_told_with_line_and_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rosterd.toml");
        std::fs::write(folder.path().join("short"), "0123456789\n").unwrap();
        std::fs::write(folder.path().join("long"), "0123456789abcdef\n").unwrap();
        let read = |text: &str| {
            let document = Document::new(&file, text);
            let table = document.parse();
            let root = document.root(&table);
            let section = root.section("notice").unwrap();
            let notice = Notice::read(&section);
            section.finish();
            root.finish();
            drop(table);
            let problems = document.into_problems();
            let told = |it: &Problem| format!("{} {}", it.line.unwrap(), it.key.clone().unwrap());
            (notice, problems.iter().map(told).collect::<Vec<_>>())
        };
        let (notice, problems) = read(
            "[notice]\nwebhook = \"https://a.example/x\"\nsecret_file = \"long\"\nca = \"long\"",
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(notice.unwrap().secret.unwrap().reveal(), "0123456789abcdef");
        for (text, expected) in [
            ("", &["1 notice.webhook"][..]),
            ("webhook = \"http://a.example/\"", &["2 notice.webhook"]),
            (
                "webhook = \"https://a/\"\nsecret_file = \"short\"\nca = \"none\"\nurl = 1",
                &["3 notice.secret_file", "4 notice.ca", "5 notice.url"],
            ),
            (
                "webhook = \"https://a/\"\nsecret_file = \"none\"",
                &["3 notice.secret_file"],
            ),
        ] {
            assert_eq!(read(&format!("[notice]\n{text}")).1, expected, "{text}");
        }
    }

    #[test]
    fn the_path_of_a_webhook_is_not_printed() {
        let webhook = Webhook::parse("https://hooks.example.com/T0/secret").unwrap();
        assert_eq!(
            format!("{webhook} {webhook:?}"),
            "https://hooks.example.com/… https://hooks.example.com/…"
        );
    }
}
