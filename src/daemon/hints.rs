//! What a newcomer reads at the end of the start: how to push the sample file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::listen::Protocol;

/// How a newcomer pushes the sample file.
#[derive(Default)]
pub(super) struct Hints {
    pub(super) ftps: Option<(Protocol, SocketAddr)>,
    pub(super) sftp: Option<SocketAddr>,
}

impl Hints {
    /// Says it, for the first login and the first data source.
    pub(super) fn log(&self, config: &Config) {
        let first = config.tenants.values().find_map(|tenant| {
            let login = tenant.logins.first()?;
            let source = tenant.data_sources.first()?;
            Some((login.user.as_str(), source.file_name.as_str()))
        });
        let (Some((user, file_name)), Some(host)) = (first, config.server.hosts.first()) else {
            return;
        };
        let file = format!("config/sample/{file_name}");
        if let (Some((protocol, address)), Some(tls)) = (self.ftps, &config.tls) {
            let (scheme, option) = match protocol {
                Protocol::Ftps => ("ftps", ""),
                Protocol::Ftpes | Protocol::Sftp => ("ftp", "--ssl-reqd "),
            };
            tracing::info!(
                "try: curl {option}--cacert {} --user '{host}|{user}' -T {file} {scheme}://localhost:{}/data/",
                shortest(&tls.first.certificate).display(),
                address.port()
            );
        }
        if let Some(address) = self.sftp {
            tracing::info!(
                "or:  echo 'put {file} data/' | sftp -P {} '{host}+{user}@localhost'",
                address.port()
            );
        }
    }
}

/// The path as seen from here, without detours.
fn shortest(path: &Path) -> PathBuf {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let here = std::env::current_dir().unwrap_or_default();
    full.strip_prefix(&here)
        .map_or(full.clone(), Path::to_owned)
}
