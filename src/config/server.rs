//! `[server]`, `[database]`, `[web]` and `[log]`: what is not about connections or tenants.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::document::Section;

#[derive(Debug, Clone)]
pub struct Server {
    /// What may stand before the pipe in `host|user`.
    pub hosts: Vec<String>,
    pub state_dir: PathBuf,
}

#[derive(Debug, Clone)]
pub struct Database {
    /// The SQLite file.
    pub path: PathBuf,
}

#[derive(Debug, Clone)]
pub struct Web {
    pub listen: SocketAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Text,
}

impl Server {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let hosts = section.parsed_list("hosts", |host| {
            let fit =
                host == "localhost" || (host.contains('.') && !host.contains(['|', '+', ' ']));
            if fit {
                Ok(host.to_owned())
            } else {
                Err("a host has a dot, or is \"localhost\"")
            }
        });
        if !section.has("state_dir") {
            section.missing("state_dir", "\"../var\"");
        }
        Some(Self {
            hosts: hosts.unwrap_or_default(),
            state_dir: section.path("state_dir")?,
        })
    }
}

impl Database {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let url = section.required_text("url", "\"sqlite://../var/rosterd.db\"")?;
        let path = section.take(&url, |url| {
            url.strip_prefix("sqlite://")
                .filter(|path| !path.is_empty() && !path.contains('?'))
                .ok_or("expected \"sqlite://PATH\"; SQLite is the only database so far")
                .map(|path| section.folder().join(path))
        })?;
        Some(Self { path })
    }
}

impl Web {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        section.required_text("listen", "\"127.0.0.1:8080\"")?;
        let listen = section.parsed("listen", parse_address)?;
        Some(Self { listen })
    }
}

impl Log {
    pub(super) fn read(section: Option<&Section<'_>>) -> Self {
        let format = section.and_then(|section| {
            section.parsed("format", |format| match format {
                "json" => Ok(LogFormat::Json),
                "text" => Ok(LogFormat::Text),
                _ => Err("expected \"json\" or \"text\""),
            })
        });
        Self {
            format: format.unwrap_or(LogFormat::Json),
        }
    }
}

/// `address:port`; port 0 is any free one.
pub(super) fn parse_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "expected an address and a port, as \"127.0.0.1:2121\" or \"[::]:2121\"")
}
