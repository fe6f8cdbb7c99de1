//! TOML text to a checked [`Config`]: every problem at once, each with file, line and key.
//!
//! One file a section, its defaults beside it. Comes in: the path of `rosterd.toml`. Goes out: a [`Config`] that needs no more checking, or
//! the [`Problem`]s. Nothing is made or changed here.

mod agreement;
mod difference;
mod document;
mod fields;
mod fingerprint;
mod limits;
mod login;
mod notice;
mod outline;
mod pgp;
mod photos;
mod proxy_protocol;
mod retention;
mod server;
mod sources;
mod tenant;
mod transfer;
mod units;
mod warning;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use difference::{Change, Difference};
pub use document::Problem;
pub use fingerprint::Fingerprint;
pub use limits::Limits;
pub use login::{AllowFrom, AuthorizedKey, Credential, CredentialKind, DataFrom, Login, Password};
pub use notice::{Notice, Webhook};
pub use outline::{Aspect, outline};
pub use photos::Photos;
pub use proxy_protocol::ProxyProtocol;
pub use retention::{OwnRetention, Retention};
pub use server::{Database, Log, LogFormat, Server, Web};
pub use tenant::Tenant;
pub use transfer::{CertificateFiles, Ftps, SessionReuse, Sftp, Tls};
pub use warning::{Concern, Warning, first_end, of_login as warnings_of, warnings};

use document::{Document, Place, Section};
use tenant::Claim;

use crate::roster::masking::Masking;
use crate::tenant::TenantId;

/// Everything rosterd is told.
#[derive(Debug, Clone)]
pub struct Config {
    pub server: Server,
    pub database: Database,
    pub ftps: Option<Ftps>,
    pub sftp: Option<Sftp>,
    pub web: Option<Web>,
    pub tls: Option<Tls>,
    pub proxy_protocol: ProxyProtocol,
    pub log: Log,
    pub limits: Limits,
    pub retention: Retention,
    /// None: nobody is told but by the log.
    pub notice: Option<Notice>,
    pub tenants: BTreeMap<TenantId, Arc<Tenant>>,
    /// Which tenant has a user, and as which of its logins.
    users: HashMap<String, (TenantId, usize)>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read at all.
    #[error("cannot read the configuration {path}: name another with --config or ROSTERD_CONFIG")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// It was read, and these things are wrong with it.
    #[error("the configuration has {} {}", .0.len(), if .0.len() == 1 { "problem" } else { "problems" })]
    Problems(Vec<Problem>),
}

impl Config {
    /// Reads and checks `file` and the tenants it names.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Unreadable {
            path: file.to_owned(),
            source,
        })?;
        let document = Document::new(file, &text);
        let table = document.parse();
        let section = document.root(&table);
        let (config, mut problems) = Self::read(&section);
        section.finish();
        drop(table);
        problems.extend(document.into_problems());
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => {
                problems.sort();
                problems.dedup();
                Err(ConfigError::Problems(problems))
            }
        }
    }

    fn read(root: &Section<'_>) -> (Option<Self>, Vec<Problem>) {
        let server_section = required_section(root, "server");
        let server = server_section.as_ref().and_then(Server::read);
        let (tenants, problems) = server_section
            .as_ref()
            .map(read_tenants)
            .unwrap_or_default();
        let database_section = required_section(root, "database");
        let database = database_section.as_ref().and_then(Database::read);
        let ftps_section = root.section("ftps");
        let ftps = ftps_section
            .as_ref()
            .map(Ftps::read)
            .filter(|ftps| !ftps.is_off());
        let sftp_section = root.section("sftp");
        let sftp = sftp_section
            .as_ref()
            .map(Sftp::read)
            .filter(|sftp| !sftp.is_off());
        let web_section = root.section("web");
        let web = web_section.as_ref().and_then(Web::read);
        transfer::check_addresses(
            root,
            ftps_section.as_ref(),
            sftp_section.as_ref(),
            web_section.as_ref(),
        );
        let tls_section = root.section("tls");
        let tls = tls_section.as_ref().and_then(Tls::read);
        if ftps.is_some() && tls_section.is_none() {
            root.missing("tls", "a section [tls] with certificate and key, or with generate = true: [ftps] needs them");
        }
        let proxy_section = root.section("proxy_protocol");
        let proxy_protocol = proxy_section
            .as_ref()
            .map(|section| ProxyProtocol::read(section, &listening(ftps.as_ref(), sftp.as_ref())))
            .unwrap_or_default();
        let log_section = root.section("log");
        let log = Log::read(log_section.as_ref());
        let limits_section = root.section("limits");
        let limits = limits_section
            .as_ref()
            .map(Limits::read)
            .unwrap_or_default();
        let retention_section = root.section("retention");
        let retention = Retention::read(retention_section.as_ref());
        let notice_section = root.section("notice");
        let notice = notice_section.as_ref().and_then(Notice::read);
        for section in [
            server_section,
            database_section,
            ftps_section,
            sftp_section,
            web_section,
            tls_section,
            proxy_section,
            log_section,
            limits_section,
            retention_section,
            notice_section,
        ] {
            section.map(Section::finish).unwrap_or_default();
        }
        let config = server.zip(database).map(|(server, database)| Self {
            server,
            database,
            ftps,
            sftp,
            web,
            tls,
            proxy_protocol,
            log,
            limits,
            retention,
            notice,
            users: users(&tenants),
            tenants,
        });
        (config, problems)
    }

    /// The login of `user`, and whose it is.
    pub fn login(&self, user: &str) -> Option<(&Arc<Tenant>, &Login)> {
        let (tenant, at) = self.users.get(user)?;
        let tenant = self.tenants.get(tenant)?;
        Some((tenant, tenant.logins.get(*at)?))
    }

    /// Of the login that has the most passwords; at least 1.
    pub fn most_passwords(&self) -> usize {
        let logins = self.tenants.values().flat_map(|tenant| &tenant.logins);
        logins
            .map(|login| login.passwords.len())
            .fold(1, usize::max)
    }

    /// Of all that decides whether `user` is let in: two configurations with the same one say the same about it.
    pub fn login_digest(&self, user: &str) -> String {
        let login = self.login(user);
        let zone = login.map(|(tenant, _)| tenant.time_zone.iana_name());
        let said = outline(self).into_iter().filter(|it| match it.what {
            "setting" => matches!(
                it.name.as_str(),
                "server.hosts" | "limits.sessions_per_login"
            ),
            "login" => it.name == user,
            _ => false,
        });
        let said: Vec<_> = said.map(|it| format!("{it:?}")).collect();
        blake3::hash(format!("{zone:?} {said:?}").as_bytes()).to_string()
    }

    /// Users that `user` may have been meant for, the nearest first.
    pub fn near_users(&self, user: &str) -> Vec<&str> {
        /// Nobody mistypes more.
        const FAR: usize = 3;
        const SHOWN: usize = 3;
        let lower = user.to_lowercase();
        let distance = |known: &str| strsim::damerau_levenshtein(&lower, &known.to_lowercase());
        let mut near: Vec<_> = self
            .users
            .keys()
            .map(|known| (distance(known), known.as_str()))
            .filter(|(distance, known)| *distance < FAR.min(known.chars().count()))
            .collect();
        near.sort_unstable();
        near.into_iter()
            .take(SHOWN)
            .map(|(_, known)| known)
            .collect()
    }

    /// Whether some login needs a client's certificate.
    pub fn asks_for_certificates(&self) -> bool {
        let mut logins = self.tenants.values().flat_map(|tenant| &tenant.logins);
        logins.any(|login| !login.client_certificates.is_empty())
    }

    /// What is masked of a tenant's people; of one that is not configured any more whatever can be.
    pub fn masking(&self, tenant: &TenantId) -> Masking {
        let tenant = self.tenants.get(tenant);
        tenant.map(|tenant| tenant.masking()).unwrap_or_default()
    }

    /// The tenant called `name`.
    pub fn tenant(&self, name: &str) -> Option<&Arc<Tenant>> {
        TenantId::parse(name)
            .ok()
            .and_then(|id| self.tenants.get(&id))
    }
}

#[cfg(test)]
impl Config {
    /// A configuration of these tenants and nothing else.
    pub(crate) fn of(state_dir: &Path, tenants: impl IntoIterator<Item = Tenant>) -> Self {
        let tenants: BTreeMap<_, _> = tenants
            .into_iter()
            .map(|tenant| (tenant.id.clone(), Arc::new(tenant)))
            .collect();
        Self {
            server: Server {
                hosts: vec!["localhost".to_owned()],
                state_dir: state_dir.to_owned(),
            },
            database: Database {
                path: state_dir.join("rosterd.db"),
            },
            ftps: None,
            sftp: None,
            web: None,
            tls: None,
            proxy_protocol: ProxyProtocol::default(),
            log: Log::read(None),
            limits: Limits::default(),
            retention: Retention::read(None),
            notice: None,
            users: users(&tenants),
            tenants,
        }
    }
}

/// What senders can connect to.
fn listening(ftps: Option<&Ftps>, sftp: Option<&Sftp>) -> Vec<SocketAddr> {
    let ftps = ftps.map(|ftps| [&ftps.explicit, &ftps.implicit]);
    let sftp = sftp.map(|sftp| [&sftp.listen, &sftp.legacy]);
    let lists = ftps.into_iter().chain(sftp).flatten();
    lists.flatten().copied().collect()
}

fn users(tenants: &BTreeMap<TenantId, Arc<Tenant>>) -> HashMap<String, (TenantId, usize)> {
    let mut users = HashMap::new();
    for tenant in tenants.values() {
        for (at, login) in tenant.logins.iter().enumerate() {
            users.insert(login.user.clone(), (tenant.id.clone(), at));
        }
    }
    users
}

/// Where the state folder is, whatever else is wrong with `file`; none when that cannot be told.
pub fn state_dir(file: &Path) -> Result<Option<PathBuf>, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Unreadable {
        path: file.to_owned(),
        source,
    })?;
    let document = Document::new(file, &text);
    let table = document.parse();
    let root = document.root(&table);
    Ok(root
        .section("server")
        .and_then(|server| server.path("state_dir")))
}

fn required_section<'d>(root: &Section<'d>, key: &'static str) -> Option<Section<'d>> {
    if !root.has(key) {
        root.wrong_section(format!("the section [{key}] is missing"));
    }
    root.section(key)
}

/// Reads every `*.toml` of the tenants' folder, and holds them against each other.
fn read_tenants(server: &Section<'_>) -> (BTreeMap<TenantId, Arc<Tenant>>, Vec<Problem>) {
    let mut tenants: BTreeMap<TenantId, Arc<Tenant>> = BTreeMap::new();
    let mut problems = Vec::new();
    if !server.has("tenants") {
        server.missing("tenants", "\"tenants\"");
    }
    let Some(folder) = server.path("tenants") else {
        return (tenants, problems);
    };
    let files = match tenant_files(&folder) {
        Ok(files) => files,
        Err(error) => {
            server.wrong_key(
                "tenants",
                format!("cannot read the folder {}: {error}", folder.display()),
            );
            return (tenants, problems);
        }
    };
    let mut claimed: HashMap<Claim, Place> = HashMap::new();
    for file in files {
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) => {
                problems.push(Problem::of_file(&file, format!("cannot be read: {error}")));
                continue;
            }
        };
        let (tenant, claims, found) = Tenant::read(&file, &text);
        problems.extend(found);
        for (claim, place) in claims {
            match claimed.entry(claim) {
                Entry::Occupied(first) => {
                    let message = first.key().is_taken(first.get());
                    problems.push(place.problem(message));
                }
                Entry::Vacant(free) => {
                    free.insert(place);
                }
            }
        }
        let Some(tenant) = tenant else { continue };
        tenants.insert(tenant.id.clone(), Arc::new(tenant));
    }
    (tenants, problems)
}

/// The tenants' files by name; files that begin with a dot are an editor's.
pub(crate) fn tenant_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if !hidden
            && path
                .extension()
                .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newcomers_configuration_is_fine() {
        let config = Config::load(Path::new("config/dev.toml")).unwrap();
        let acme = config.tenant("acme").unwrap();
        assert_eq!(acme.quota_bytes, 500_000_000, "R0.11");
        assert_eq!(config.ftps.unwrap().passive_ports, (6980, 7000), "R0.12");
    }
}
