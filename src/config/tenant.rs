//! A tenant's file: its mailbox, and who and what belongs to it.

use std::sync::Arc;

use crate::config::document::{Document, Place, Problem, Section};
use crate::config::login::Login;
use crate::config::photos::{self, Photos};
use crate::config::retention::OwnRetention;
use crate::config::sources;
use crate::parse::field::Field;
use crate::roster::masking::Masking;
use crate::tenant::{DataSource, Environment, NamePattern, TenantId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub time_zone: jiff::tz::TimeZone,
    /// Per environment.
    pub quota_bytes: u64,
    pub temporary_names: Vec<NamePattern>,
    pub ignore_names: Vec<NamePattern>,
    /// FTPS uploads that end with a plain TCP FIN, without TLS `close_notify`, count as complete: for senders that never send one.
    ///
    /// The risk: whoever can send a FIN, and a sender that closes its data connection after an error of its own, can pass off the first part of a file as
    /// the whole. What is left against that is ALLO, that the control connection must live on, and the safeguard against too many leavers.
    pub accept_unclean_close: bool,
    pub photos: Photos,
    pub retention: OwnRetention,
    pub logins: Vec<Login>,
    pub data_sources: Vec<DataSource>,
}

const TEMPORARY_NAMES: [&str; 5] = ["*.filepart", "*.part", "*.partial", "*.tmp", ".in.*"];
const IGNORE_NAMES: [&str; 2] = ["Thumbs.db", ".DS_Store"];
/// R0.11.
const QUOTA_BYTES: u64 = 500_000_000;

impl Tenant {
    /// Reads one file. The names it claims and its problems are returned beside what could be read.
    pub(super) fn read(
        file: &std::path::Path,
        text: &str,
    ) -> (Option<Self>, Vec<(Claim, Place)>, Vec<Problem>) {
        let document = Document::new(file, text);
        let table = document.parse();
        let section = document.root(&table);
        let tenant = Self::read_section(&section);
        let claims = claims(&section);
        section.finish();
        drop(table);
        (tenant, claims, document.into_problems())
    }

    fn read_section(section: &Section<'_>) -> Option<Self> {
        let id = section
            .required_text("name", "\"acme\"")
            .and_then(|name| section.take(&name, TenantId::parse));
        let time_zone = section.parsed("time_zone", |name| {
            jiff::tz::TimeZone::get(name).map_err(
                |_| "expected a name of the IANA time zone database, as \"Australia/Melbourne\"",
            )
        });
        let patterns = |key, default: &[&str]| {
            section
                .parsed_list(key, NamePattern::parse)
                .unwrap_or_else(|| {
                    default
                        .iter()
                        .filter_map(|name| NamePattern::parse(name).ok())
                        .collect()
                })
        };
        let temporary_names = patterns("temporary_names", &TEMPORARY_NAMES);
        let ignore_names = patterns("ignore_names", &IGNORE_NAMES);
        let accept_unclean_close = section.flag("accept_unclean_close").unwrap_or(false);
        let logins = section
            .sections("login")
            .into_iter()
            .filter_map(|section| {
                let login = Login::read(&section);
                section.finish();
                login
            })
            .collect();
        let quota_bytes = section.size("quota");
        let photos = photos::read(section);
        let retention = section.section("retention").map(|section| {
            let own = OwnRetention::read(&section);
            section.finish();
            own
        });
        let data_sources = sources::read(section, &temporary_names, &ignore_names);
        Some(Self {
            id: id?,
            time_zone: time_zone.unwrap_or(jiff::tz::TimeZone::UTC),
            quota_bytes: quota_bytes.unwrap_or(QUOTA_BYTES),
            temporary_names,
            ignore_names,
            accept_unclean_close,
            photos,
            retention: retention.unwrap_or_default(),
            logins,
            data_sources,
        })
    }

    /// The day that it is there at `now`.
    pub fn day(&self, now: jiff::Timestamp) -> jiff::civil::Date {
        now.to_zoned(self.time_zone.clone()).date()
    }

    /// What is masked of its people.
    pub fn masking(&self) -> Masking {
        Masking::of(self.data_sources.iter().map(|source| &source.mapping))
    }

    /// Its own fields, in the order of the configuration.
    pub fn extra_fields(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        for source in &self.data_sources {
            for extra in &source.mapping.extra {
                if !fields.contains(&extra.field) {
                    fields.push(extra.field);
                }
            }
        }
        fields
    }

    /// The data sources of an environment.
    pub fn sources_in(&self, environment: Environment) -> impl Iterator<Item = &DataSource> {
        let sources = self.data_sources.iter();
        sources.filter(move |source| source.serves(environment))
    }

    /// The data source called `name` there.
    pub fn source(&self, environment: Environment, name: &str) -> Option<&DataSource> {
        self.sources_in(environment)
            .find(|source| source.name == name)
    }

    /// The tenant as an environment has it: without the data sources of the other one.
    pub fn within(self: &Arc<Self>, environment: Environment) -> Arc<Self> {
        if self.data_sources.iter().all(|it| it.serves(environment)) {
            return Arc::clone(self);
        }
        let mut own = Self::clone(self);
        own.data_sources.retain(|it| it.serves(environment));
        Arc::new(own)
    }
}

/// A name that nobody else may have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Claim {
    Tenant(String),
    User(String),
}

impl Claim {
    /// What to say to the next who claims it.
    pub(super) fn is_taken(&self, first: &Place) -> String {
        match self {
            Self::Tenant(name) => format!(
                "the tenant \"{name}\" stands in {first} too: a tenant has one file, so give one of them another name, or remove it"
            ),
            Self::User(name) => format!(
                "the user \"{name}\" stands in {first} too: a user belongs to one tenant and environment, so give one of them another name"
            ),
        }
    }
}

/// Also of what is wrong otherwise, so that an admin sees everything at once.
fn claims(tenant: &Section<'_>) -> Vec<(Claim, Place)> {
    let claim = |section: &Section<'_>, key, claim: fn(String) -> Claim| {
        let name = section.text(key)?;
        let place = section.place(&name);
        Some((claim(name.content), place))
    };
    let logins = tenant.sections("login");
    let users = logins.iter().map(|login| claim(login, "user", Claim::User));
    std::iter::once(claim(tenant, "name", Claim::Tenant))
        .chain(users)
        .flatten()
        .collect()
}

#[cfg(test)]
impl Tenant {
    /// One that has nothing yet, for tests.
    pub(crate) fn of(id: &str) -> Self {
        Self {
            id: TenantId::parse(id).unwrap(),
            time_zone: jiff::tz::TimeZone::UTC,
            quota_bytes: 1,
            temporary_names: Vec::new(),
            ignore_names: Vec::new(),
            accept_unclean_close: false,
            photos: Photos::default(),
            retention: OwnRetention::default(),
            logins: Vec::new(),
            data_sources: Vec::new(),
        }
    }
}
