//! Writes `rosterd.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The server's configuration in the making: every listener on a free port of this machine, whatever is missing is made, nobody is banned.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// By section, in the order they are written; a line is `key = value`.
    sections: Vec<(&'static str, BTreeMap<String, String>)>,
    /// Written behind them as they are.
    more: String,
}

impl Default for Settings {
    fn default() -> Self {
        let mut settings = Self {
            sections: Vec::new(),
            more: String::new(),
        };
        for (section, lines) in [
            (
                "server",
                &[
                    r#"hosts = ["localhost", "secureftp.example.com"]"#,
                    r#"state_dir = "state""#,
                    r#"tenants = "tenants""#,
                ][..],
            ),
            ("database", &[r#"url = "sqlite://rosterd.db""#]),
            (
                "ftps",
                &[
                    r#"explicit = ["127.0.0.1:0"]"#,
                    r#"implicit = ["127.0.0.1:0"]"#,
                    r#"passive_ports = "0""#,
                ],
            ),
            (
                "sftp",
                &[
                    r#"listen = ["127.0.0.1:0"]"#,
                    r#"host_keys = ["ssh_host_ed25519"]"#,
                    "generate = true",
                ],
            ),
            ("web", &[r#"listen = "127.0.0.1:0""#]),
            (
                "tls",
                &[
                    r#"certificate = "server.pem""#,
                    r#"key = "server.key""#,
                    "generate = true",
                ],
            ),
            ("log", &[r#"format = "json""#]),
            ("limits", &["ban_failures = 0"]),
        ] {
            for line in lines {
                settings = settings.set(section, line);
            }
        }
        settings
    }
}

/// Lines below `[limits]`.
impl From<&str> for Settings {
    fn from(limits: &str) -> Self {
        limits.lines().fold(Self::default(), Self::limit)
    }
}

impl Settings {
    /// Sets `key = value` in `[section]`.
    pub(crate) fn set(mut self, section: &'static str, line: &str) -> Self {
        let Some((key, value)) = line.split_once('=') else {
            return self;
        };
        let known = self.sections.iter().position(|(name, _)| *name == section);
        let place = known.unwrap_or_else(|| {
            self.sections.push((section, BTreeMap::new()));
            self.sections.len() - 1
        });
        let lines = &mut self.sections[place].1;
        lines.insert(key.trim().to_owned(), value.trim().to_owned());
        self
    }

    /// Sets `key = value` in `[limits]`.
    pub(crate) fn limit(self, line: &str) -> Self {
        self.set("limits", line)
    }

    /// Adds text at the end: sections of which there can be several.
    pub(crate) fn with(mut self, text: &str) -> Self {
        self.more.push_str(text);
        self.more.push('\n');
        self
    }

    /// The file.
    pub(crate) fn toml(&self) -> String {
        let mut toml = String::new();
        for (section, lines) in &self.sections {
            writeln!(toml, "[{section}]").unwrap();
            for (key, value) in lines {
                writeln!(toml, "{key} = {value}").unwrap();
            }
        }
        toml + &self.more
    }
}
