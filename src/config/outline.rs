//! The configuration as a flat list of what it says, so that two of them can be held against each other and told apart to a person.

use std::fmt::Display;
use std::time::Duration;

use crate::config::{
    Config, Ftps, Limits, LogFormat, Login, Notice, Retention, SessionReuse, Tenant, Webhook,
};
use crate::parse::agreement::Delimiter;
use crate::parse::check::names::NameOrder;
use crate::parse::check::value::Point;
use crate::parse::keys::PgpSecretKey;
use crate::parse::photo::Wish;
use crate::tenant::{DataSource, NamePattern};

/// What one thing says under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aspect {
    /// `setting`, `tenant`, `login`, `data source`, `certificate`, `alternative certificate` or `host key`.
    pub what: &'static str,
    /// Whose it is.
    pub tenant: Option<String>,
    pub name: String,
    /// None for a setting, whose name is its key, and for a thing that has nothing but its name.
    pub key: Option<String>,
    pub value: String,
    /// The value is compared and never shown.
    pub is_secret: bool,
}

impl Aspect {
    /// A thing that has nothing but its name.
    pub fn named(what: &'static str, name: impl Into<String>) -> Self {
        Self {
            what,
            tenant: None,
            name: name.into(),
            key: None,
            value: String::new(),
            is_secret: false,
        }
    }

    /// The same with a value under a key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Display) -> Self {
        self.key = Some(key.to_owned());
        self.value = value.to_string();
        self
    }

    fn setting(name: &str, value: impl Display) -> Self {
        Self {
            value: value.to_string(),
            ..Self::named("setting", name)
        }
    }

    fn of(mut self, tenant: &Tenant) -> Self {
        self.tenant = Some(tenant.id.as_str().to_owned());
        self
    }
}

/// All that `config` says.
pub fn outline(config: &Config) -> Vec<Aspect> {
    let mut aspects = vec![
        Aspect::setting("server.hosts", list(&config.server.hosts)),
        Aspect::setting("server.state_dir", config.server.state_dir.display()),
        Aspect::setting("database.url", config.database.path.display()),
        Aspect::setting(
            "log.format",
            match config.log.format {
                LogFormat::Json => "json",
                LogFormat::Text => "text",
            },
        ),
    ];
    if let Some(ftps) = &config.ftps {
        aspects.extend(of_ftps(ftps));
    }
    if let Some(sftp) = &config.sftp {
        aspects.push(Aspect::setting("sftp.listen", list(&sftp.listen)));
        aspects.push(Aspect::setting("sftp.legacy", list(&sftp.legacy)));
        let keys = sftp.host_keys.iter().map(|path| path.display());
        aspects.push(Aspect::setting("sftp.host_keys", list(keys)));
        aspects.push(Aspect::setting("sftp.generate", sftp.generate));
    }
    if let Some(web) = &config.web {
        aspects.push(Aspect::setting("web.listen", web.listen));
    }
    if let Some(tls) = &config.tls {
        aspects.push(Aspect::setting(
            "tls.certificate",
            tls.first.certificate.display(),
        ));
        aspects.push(Aspect::setting("tls.key", tls.first.key.display()));
        aspects.push(Aspect::setting("tls.generate", tls.generate));
        let others = tls.alternatives.iter();
        let others =
            others.map(|it| format!("{} with {}", it.certificate.display(), it.key.display()));
        aspects.push(Aspect::setting("tls.alternative", list(others)));
    }
    let proxied = &config.proxy_protocol;
    aspects.push(Aspect::setting(
        "proxy_protocol.listeners",
        list(&proxied.listeners),
    ));
    aspects.push(Aspect::setting("proxy_protocol.from", list(&proxied.from)));
    aspects.extend(of_limits(&config.limits));
    aspects.extend(of_retention(&config.retention));
    if let Some(notice) = &config.notice {
        aspects.extend(of_notice(notice));
    }
    for tenant in config.tenants.values() {
        aspects.extend(of_tenant(tenant));
    }
    aspects
}

fn of_ftps(ftps: &Ftps) -> Vec<Aspect> {
    let (first, last) = ftps.passive_ports;
    let overrides = ftps.passive_overrides.iter();
    vec![
        Aspect::setting("ftps.explicit", list(&ftps.explicit)),
        Aspect::setting("ftps.implicit", list(&ftps.implicit)),
        Aspect::setting(
            "ftps.passive_ports",
            if first == 0 {
                "any free".to_owned()
            } else {
                format!("{first}-{last}")
            },
        ),
        Aspect::setting(
            "ftps.passive_address",
            ftps.passive_address
                .map_or_else(|| "auto".to_owned(), |address| address.to_string()),
        ),
        Aspect::setting(
            "ftps.passive_override",
            list(overrides.map(|(from, address)| format!("{address} for {from}"))),
        ),
        Aspect::setting("ftps.active_mode", ftps.active_mode),
        Aspect::setting(
            "ftps.tls_session_reuse",
            match ftps.tls_session_reuse {
                SessionReuse::Off => "off",
                SessionReuse::Prefer => "prefer",
                SessionReuse::Require => "require",
            },
        ),
    ]
}

fn of_limits(limits: &Limits) -> Vec<Aspect> {
    let number = |key: &str, number: u64| Aspect::setting(&format!("limits.{key}"), number);
    let time = |key: &str, time: Duration| Aspect::setting(&format!("limits.{key}"), seconds(time));
    let size = |key: &str, size: u64| Aspect::setting(&format!("limits.{key}"), bytes(size));
    vec![
        number("connections", limits.connections as u64),
        number(
            "connections_per_address",
            limits.connections_per_address as u64,
        ),
        number("sessions_per_login", limits.sessions_per_login as u64),
        time("login_deadline", limits.login_deadline),
        time("idle", limits.idle),
        time("stall", limits.stall),
        time("data_connect", limits.data_connect),
        time("drain", limits.drain),
        size("file_size", limits.file_size_bytes),
        number("rows", limits.rows),
        number("columns", limits.columns as u64),
        size("cell_length", limits.cell_length_bytes as u64),
        size("import_memory", limits.import_memory_bytes),
        time("import_time", limits.import_time),
        number("ban_failures", u64::from(limits.ban_failures)),
        time("ban_window", limits.ban_window),
        time("ban_time", limits.ban_time),
    ]
}

fn of_retention(retention: &Retention) -> Vec<Aspect> {
    let kept = |key: &str, kept: String| Aspect::setting(&format!("retention.{key}"), kept);
    vec![
        kept("archive", days(retention.archive)),
        kept("errors", days(retention.errors)),
        kept("temporary", days(retention.temporary)),
        kept(
            "history",
            retention.history.map_or("for ever".to_owned(), days),
        ),
    ]
}

fn of_notice(notice: &Notice) -> Vec<Aspect> {
    let Webhook { path, .. } = &notice.webhook;
    let secret = |name: &str, value: &str| Aspect {
        is_secret: true,
        ..Aspect::setting(name, value)
    };
    let signed = notice
        .secret
        .as_ref()
        .map(|secret| secret.reveal().as_str());
    let ca = notice.ca.iter().map(|path| path.display());
    vec![
        Aspect::setting("notice.webhook", &notice.webhook),
        secret("notice.webhook path", path),
        secret("notice.secret_file", signed.unwrap_or_default()),
        Aspect::setting("notice.ca", list(ca)),
    ]
}

fn days(kept: Duration) -> String {
    let days = kept.as_secs() / crate::config::units::DAY.as_secs();
    format!("{days} days")
}

fn of_tenant(tenant: &Tenant) -> Vec<Aspect> {
    let own =
        |key: &str, value: String| Aspect::named("tenant", tenant.id.as_str()).with(key, value);
    let zone = tenant.time_zone.iana_name().unwrap_or("UTC");
    let mut aspects = vec![
        own("time_zone", zone.to_owned()),
        own("quota", bytes(tenant.quota_bytes)),
        own("temporary_names", patterns(&tenant.temporary_names)),
        own("ignore_names", patterns(&tenant.ignore_names)),
        own(
            "accept_unclean_close",
            tenant.accept_unclean_close.to_string(),
        ),
        own(
            "photos.conform",
            (tenant.photos.wish == Wish::Conform).to_string(),
        ),
        own("photos.pause", seconds(tenant.photos.pause)),
    ];
    let kept = tenant.retention.entries();
    aspects.extend(kept.map(|(key, kept)| own(&format!("retention.{key}"), days(kept))));
    for login in &tenant.logins {
        aspects.extend(of_login(login).into_iter().map(|it| it.of(tenant)));
    }
    for source in &tenant.data_sources {
        aspects.extend(of_source(source).into_iter().map(|it| it.of(tenant)));
    }
    aspects
}

fn of_login(login: &Login) -> Vec<Aspect> {
    let own = |key: &str, value: String| Aspect::named("login", &login.user).with(key, value);
    let secret = |key: &str, value: String| Aspect {
        is_secret: true,
        ..own(key, value)
    };
    let passwords = login.passwords.iter();
    let keys = login.authorized_keys.iter();
    let named = login.credentials().filter(|it| it.name.is_some());
    vec![
        own("environment", login.environment.to_string()),
        own("rights", list(login.rights.words())),
        own("allow_from", list(login.allow_from.words())),
        own("data_from", login.data_from.as_str().to_owned()),
        own("client_certificates", list(&login.client_certificates)),
        secret(
            "authorized_keys",
            list(
                keys.map(|it| {
                    format!("{} {:?} {:?}", it.algorithm, it.blob, it.credential.expires)
                }),
            ),
        ),
        secret(
            "password",
            list(passwords.map(|it| format!("{} {:?}", it.hash.reveal(), it.credential.expires))),
        ),
        own(
            "names",
            list(named.map(|it| format!("{} = {}", it.id, it.label()))),
        ),
    ]
}

fn of_source(source: &DataSource) -> Vec<Aspect> {
    let name = match source.environment {
        Some(environment) => format!("{} ({environment})", source.name),
        None => source.name.clone(),
    };
    let own = |key: &str, value: String| Aspect::named("data source", &name).with(key, value);
    let mapping = &source.mapping;
    let columns = mapping.columns.iter();
    let date_format = mapping.date_format.as_ref();
    let agreement = &source.agreement;
    let fixed = agreement.fixed_width.iter();
    let pgp = agreement.pgp.as_ref().map_or("none".to_owned(), |pgp| {
        let keys = pgp.secret_keys.iter().map(PgpSecretKey::digest);
        format!("{} {:?} {}", list(keys), pgp.signature, list(&pgp.signers))
    });
    let delimiter = match agreement.delimiter {
        Delimiter::Declared(byte) => format!("{:?}", char::from(byte)),
        Delimiter::Unknown | Delimiter::Seen(_) => "found out".to_owned(),
    };
    let mut aspects = vec![
        own("file_name", source.file_name.as_str().to_owned()),
        own("mode", source.mode.as_str().to_owned()),
        own("go_live", source.go_live.as_str().to_owned()),
        own(
            "date_format",
            date_format.map_or("none", |it| it.as_str()).to_owned(),
        ),
        own(
            "decimal",
            mapping
                .decimal
                .map_or("as each column writes it", Point::as_str)
                .to_owned(),
        ),
        own(
            "name_order",
            mapping
                .name_order
                .map_or("as the column writes it", NameOrder::as_str)
                .to_owned(),
        ),
        own(
            "encoding",
            agreement
                .encoding
                .as_deref()
                .unwrap_or("found out")
                .to_owned(),
        ),
        Aspect {
            is_secret: true,
            ..own("pgp", pgp)
        },
        own("delimiter", delimiter),
        own(
            "sheet",
            agreement
                .sheet
                .as_deref()
                .unwrap_or("the only visible one")
                .to_owned(),
        ),
        own(
            "fixed_width",
            list(fixed.map(|it| format!("{} {}+{}", it.name, it.start, it.width))),
        ),
        own(
            "required",
            list(mapping.required.iter().map(|field| field.name())),
        ),
        own("active_values", list(&mapping.active_values)),
        own("inactive_values", list(&mapping.inactive_values)),
        own(
            "columns",
            list(columns.map(|(field, header)| format!("{} = {header:?}", field.name()))),
        ),
        own("max_leavers", source.safeguard.max_leavers.to_string()),
        own(
            "max_leavers_percent",
            source.safeguard.max_leavers_percent.to_string(),
        ),
        own("min_leavers", source.safeguard.min_leavers.to_string()),
    ];
    aspects.extend(of_fields(source));
    aspects
}

/// What is said about single fields and their cells.
fn of_fields(source: &DataSource) -> Vec<Aspect> {
    let own =
        |key: &str, value: String| Aspect::named("data source", &source.name).with(key, value);
    let mapping = &source.mapping;
    vec![
        own(
            "field",
            list(mapping.extra.iter().map(|it| {
                let secret = if it.is_secret { "secret" } else { "open" };
                format!("{} ({:?}, {secret})", it.field.name(), it.kind)
            })),
        ),
        own(
            "demands",
            list(
                mapping
                    .demands
                    .iter()
                    .map(|(field, demand)| format!("{}: {}", field.name(), demand.words())),
            ),
        ),
        own(
            "secret",
            list(mapping.secret.iter().map(|field| field.name())),
        ),
        own("empty_cell", mapping.empty_cell.as_str().to_owned()),
        own("bad_value", mapping.bad_value.as_str().to_owned()),
        own(
            "classification",
            mapping
                .classification
                .as_ref()
                .map_or("none".to_owned(), |it| {
                    format!("{} = {}", it.column, list(&it.terminated))
                }),
        ),
    ]
}

fn patterns(names: &[NamePattern]) -> String {
    list(names.iter().map(NamePattern::as_str))
}

fn list(things: impl IntoIterator<Item: Display>) -> String {
    let words: Vec<String> = things.into_iter().map(|it| it.to_string()).collect();
    if words.is_empty() {
        return "none".to_owned();
    }
    words.join(", ")
}

fn seconds(time: Duration) -> String {
    format!("{time:?}")
}

fn bytes(size: u64) -> String {
    format!("{size} bytes")
}
