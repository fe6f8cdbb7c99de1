//! Whether a data source is live. Until an admin has published it under what the configuration says now, its deliveries run dry: they are read,
//! compared and told of, and change nobody.

use serde::{Deserialize, Serialize};

use crate::config::{Config, Tenant};
use crate::db::{DbError, Published};
use crate::import::examine::{Examined, Task};
use crate::import::{ImportError, Importer};
use crate::report::run::Outcome;
use crate::tenant::{DataSource, Environment, GoLive, TenantId};

/// How a data source stands to going live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Publication {
    /// Its deliveries are applied.
    Live,
    /// Nobody has published it.
    NotPublished,
    /// It was published, and its configuration has changed since.
    Changed,
}

/// A data source whose deliveries run dry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpublished {
    pub tenant: String,
    pub environment: String,
    pub source: String,
    pub publication: Publication,
}

impl Publication {
    /// By what the configuration says of the data source and what was published of it.
    pub fn of(source: &DataSource, published: Option<&Published>) -> Self {
        match (source.go_live, published) {
            (GoLive::AtOnce, _) => Self::Live,
            (GoLive::Published, None) => Self::NotPublished,
            (GoLive::Published, Some(it)) => match &it.terms {
                Some(terms) if *terms != source.terms() => Self::Changed,
                _ => Self::Live,
            },
        }
    }

    /// Why deliveries run dry, as the end of a sentence about the data source.
    const fn words(self) -> &'static str {
        match self {
            Self::Live => "is live",
            Self::NotPublished => "is not published yet",
            Self::Changed => "has changed in the configuration since it was published",
        }
    }
}

impl Unpublished {
    fn new(
        tenant: &TenantId,
        environment: Environment,
        source: &str,
        publication: Publication,
    ) -> Self {
        Self {
            tenant: tenant.to_string(),
            environment: environment.to_string(),
            source: source.to_owned(),
            publication,
        }
    }

    /// What publishes it.
    pub fn command(&self) -> String {
        let Self {
            tenant,
            environment,
            source,
            ..
        } = self;
        let environment = match environment.as_str() {
            "production" => String::new(),
            other => format!(" --environment {other}"),
        };
        format!("rosterd publish --tenant {tenant}{environment} --source {source}")
    }

    /// A line for whoever can publish it.
    pub fn line(&self) -> String {
        format!(
            "{} {} ({}) {}, so its deliveries run dry: `{}`",
            self.tenant,
            self.source,
            self.environment,
            self.publication.words(),
            self.command()
        )
    }
}

/// Of the environments that the tenant has logins for; of production where it has none.
pub fn environments(tenant: &Tenant) -> Vec<Environment> {
    let has = |environment| {
        let mut logins = tenant.logins.iter();
        logins.any(|login| login.environment == environment)
    };
    let served: Vec<_> = Environment::ALL.into_iter().filter(|it| has(*it)).collect();
    if served.is_empty() {
        vec![Environment::Production]
    } else {
        served
    }
}

/// Every data source of a tenant in an environment whose deliveries run dry.
pub fn unpublished_of(
    tenant: &Tenant,
    environment: Environment,
    published: &[Published],
) -> Vec<Unpublished> {
    let sources = tenant.data_sources.iter();
    let sources = sources.filter(|source| source.serves(environment));
    let found = sources.filter_map(|source| {
        let mut of_source = published.iter().filter(|it| {
            it.tenant == tenant.id && it.environment == environment && it.source == source.name
        });
        let publication = Publication::of(source, of_source.next());
        (publication != Publication::Live)
            .then(|| Unpublished::new(&tenant.id, environment, &source.name, publication))
    });
    found.collect()
}

/// Every data source whose deliveries run dry.
pub fn unpublished(config: &Config, published: &[Published]) -> Vec<Unpublished> {
    let tenants = config.tenants.values();
    let places = tenants.flat_map(|tenant| {
        let environments = environments(tenant).into_iter();
        environments.map(move |environment| (tenant, environment))
    });
    places
        .flat_map(|(tenant, environment)| unpublished_of(tenant, environment, published))
        .collect()
}

impl Importer {
    /// How a data source stands now. One that was live before there was anything to publish takes what the configuration says as its terms.
    pub async fn publication(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &DataSource,
    ) -> Result<Publication, DbError> {
        let published = self.db.published(tenant, environment, &source.name).await?;
        if published.as_ref().is_some_and(|it| it.terms.is_none()) {
            let place = (tenant, environment, source.name.as_str());
            self.db.adopt_terms(place, &source.terms()).await?;
        }
        Ok(Publication::of(source, published.as_ref()))
    }

    /// Turns what would be done into a dry run, unless the data source is live.
    pub(super) async fn hold_back(
        &self,
        task: Task<'_>,
        examined: Examined,
    ) -> Result<Examined, ImportError> {
        let Task {
            tenant,
            environment,
            source,
            ..
        } = task;
        let publication = self.publication(tenant, environment, source).await?;
        if publication == Publication::Live
            || !matches!(
                examined.outcome,
                Outcome::Applied | Outcome::NoChange | Outcome::Held
            )
        {
            return Ok(examined);
        }
        let it = Unpublished::new(tenant, environment, &source.name, publication);
        let otherwise = match &examined.reason {
            Some(objection) => {
                format!(" Once it is, this file would wait for a person: {objection}")
            }
            None => String::new(),
        };
        let reason = format!(
            "The data source {} {}, so this was a dry run and changed nobody. An admin publishes it with `{}`; the deliveries after that are applied.{otherwise}",
            source.name,
            publication.words(),
            it.command()
        );
        Ok(Examined {
            would: Some(examined.outcome),
            outcome: Outcome::DryRun,
            reason: Some(reason),
            ..examined
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::field::Field;
    use crate::tenant::Mode;

    fn published(terms: Option<String>) -> Published {
        Published {
            tenant: TenantId::parse("acme").unwrap(),
            environment: Environment::Production,
            source: "employees".to_owned(),
            terms,
            at: "2026-11-22T02:00:00Z".parse().unwrap(),
            by: "ann".to_owned(),
        }
    }

    #[test]
    fn a_changed_mapping_or_mode_is_not_what_was_published_r2_16() {
        let source = DataSource::of("employees");
        let it = published(Some(source.terms()));
        assert_eq!(Publication::of(&source, Some(&it)), Publication::Live);
        assert_eq!(Publication::of(&source, None), Publication::NotPublished);
        let mut mapped = source.clone();
        mapped.mapping.columns = [(Field::City, "Town".to_owned())].into();
        let mut delta = source.clone();
        delta.mode = Mode::Delta;
        for changed in [mapped, delta] {
            assert_eq!(Publication::of(&changed, Some(&it)), Publication::Changed);
        }
        let mut lenient = source.clone();
        lenient.safeguard.max_leavers = 7;
        assert_eq!(Publication::of(&lenient, Some(&it)), Publication::Live);
        let at_once = DataSource {
            go_live: GoLive::AtOnce,
            ..source
        };
        assert_eq!(Publication::of(&at_once, None), Publication::Live);
    }

    #[test]
    fn only_what_serves_an_environment_is_missed_there() {
        let mut tenant = Tenant::of("acme");
        let mut sandbox = DataSource::of("trial");
        sandbox.environment = Some(Environment::Sandbox);
        tenant.data_sources = vec![DataSource::of("employees"), sandbox];
        let published = [published(None)];
        let dry = |environment| {
            let dry = unpublished_of(&tenant, environment, &published);
            dry.iter().map(Unpublished::line).collect::<Vec<_>>()
        };
        assert_eq!(dry(Environment::Production), [] as [String; 0]);
        assert_eq!(
            dry(Environment::Sandbox),
            [
                "acme employees (sandbox) is not published yet, so its deliveries run dry: `rosterd publish --tenant acme --environment sandbox --source employees`",
                "acme trial (sandbox) is not published yet, so its deliveries run dry: `rosterd publish --tenant acme --environment sandbox --source trial`",
            ]
        );
    }
}
