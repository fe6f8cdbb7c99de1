//! What is due on a day: people whose end was told in advance leave on it, by a run of its own (R3.19, R3.20).
//!
//! The database is the truth: what came due while no daemon ran is done at the next look. The safeguard looks at it as at any other run.

use std::collections::HashSet;
use std::time::Duration;

use jiff::ToSpan as _;
use tokio_util::sync::CancellationToken;

use crate::config::Tenant;
use crate::db::{DbError, DueVerdict};
use crate::import::{ImportError, Importer};
use crate::live::Live;
use crate::report::run::{Outcome, Run, RunKind};
use crate::roster::masking::Masking;
use crate::roster::plan::Plan;
use crate::roster::safeguard::{Removal, Safeguard};
use crate::tenant::Environment;

/// Between two looks at what is due.
const TICK: Duration = Duration::from_mins(1);
/// Between two looks whether the import is over that a decision waits for.
const LOOK: Duration = Duration::from_millis(200);

/// What an admin says of a held run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Approve,
    Reject,
}

/// Where something is due.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    tenant: &'a Tenant,
    environment: Environment,
    source: &'a str,
}

impl Importer {
    /// Looks again and again, with the importer that is in force, until `draining`. `wake` is told when somebody has left.
    pub async fn serve_due(
        current: Live<Self>,
        wake: std::sync::Arc<tokio::sync::Notify>,
        draining: CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(TICK);
        while draining.run_until_cancelled(ticks.tick()).await.is_some() {
            if current.now().apply_due().await {
                wake.notify_one();
            }
        }
    }

    /// Does what is due, and says whether anything was. What fails is logged, and tried again the next time.
    pub async fn apply_due(&self) -> bool {
        // Somewhere it is tomorrow already.
        let latest = self.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let latest = latest.saturating_add(1.day());
        let places = match self.db.sources_due(latest).await {
            Ok(places) => places,
            Err(error) => {
                tracing::error!(
                    error = crate::telemetry::chain(&error),
                    "cannot find what is due"
                );
                return false;
            }
        };
        let mut applied = false;
        for (tenant, environment, source) in places {
            let Some(tenant) = self.tenants.get(&tenant) else {
                continue;
            };
            let place = Place {
                tenant,
                environment,
                source: &source,
            };
            match self.apply_due_in(place).await {
                Ok(run) => applied |= run.is_some(),
                // A file has come between; its people are looked at in a minute.
                Err(DbError::RosterMoved) => {}
                Err(error) => tracing::error!(
                    tenant.id = %tenant.id,
                    environment = %environment,
                    data_source = source,
                    error = crate::telemetry::chain(&error),
                    "cannot do what is due"
                ),
            }
        }
        applied
    }

    async fn apply_due_in(&self, place: Place<'_>) -> Result<Option<String>, DbError> {
        let Place {
            tenant,
            environment,
            source,
        } = place;
        let mut waiting = HashSet::new();
        for run in self.db.held_due(&tenant.id, environment, source).await? {
            waiting.extend(self.keys_of(&run).await?);
        }
        let (roster_version, plan) = self.plan_due(place, |key| !waiting.contains(key)).await?;
        if plan.counts.leavers == 0 {
            return Ok(None);
        }
        let configured = tenant.source(environment, source);
        let safeguard = configured.map_or_else(Safeguard::default, |source| source.safeguard);
        let removal = Removal {
            leavers: plan.counts.leavers,
            employed_before: self.db.employed_in(&tenant.id, environment, source).await?,
            unreadable_keys: 0,
        };
        let objection = safeguard.objection(removal);
        let objection =
            objection.map(|it| format!("{it}, all on days that their files told in advance."));
        let verdict = DueVerdict {
            tenant: &tenant.id,
            environment,
            source,
            roster_version,
            plan: &plan,
            objection: objection.as_deref(),
            approved: None,
        };
        let run = self.db.settle_due(&verdict).await?;
        if let Some(run) = &run {
            tracing::info!(
                import_run.id = run,
                tenant.id = %tenant.id,
                environment = %environment,
                data_source = source,
                leavers = plan.counts.leavers,
                held = objection.is_some(),
                "a run of what was due has come to its verdict"
            );
            if let Some(objection) = &objection {
                tracing::warn!(
                    import_run.id = run,
                    tenant.id = %tenant.id,
                    "the run waits for a person: {objection} Look at it with `rosterd run {run}`, then `rosterd approve {run}` or `rosterd reject {run}`"
                );
            }
        }
        Ok(run)
    }

    /// Carries out an admin's word on a held run of what was due; nothing if it is no such run. Whoever is not due any more is left alone.
    pub async fn decide_due(&self, id: &str, word: Word) -> Result<Option<Run>, ImportError> {
        let Some(run) = self.db.run(id).await? else {
            return Ok(None);
        };
        if run.kind != RunKind::Scheduled || run.outcome != Outcome::Held {
            return Ok(None);
        }
        let id = run.id.clone().unwrap_or_default();
        let tenant = self.tenants.get(&run.tenant);
        let tenant = tenant.ok_or(ImportError::NotConfigured)?;
        let place = Place {
            tenant,
            environment: run.environment,
            source: &run.source,
        };
        let shown: HashSet<String> = self.keys_of(&id).await?.into_iter().collect();
        loop {
            let (roster_version, plan) = self.plan_due(place, |key| shown.contains(key)).await?;
            if word == Word::Reject {
                let gone = plan.absent.iter().map(|(_, known)| known.id);
                let people: Vec<i64> = gone
                    .chain(plan.revised.iter().map(|it| it.person))
                    .collect();
                self.db.reject_due(&id, &people).await?;
                return Ok(self.db.run(&id).await?);
            }
            let verdict = DueVerdict {
                tenant: &tenant.id,
                environment: run.environment,
                source: &run.source,
                roster_version,
                plan: &plan,
                objection: None,
                approved: Some(&id),
            };
            match self.db.settle_due(&verdict).await {
                // An import runs there, or has come between.
                Ok(None) | Err(DbError::RosterMoved) => tokio::time::sleep(LOOK).await,
                Ok(Some(_)) => return Ok(self.db.run(&id).await?),
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn keys_of(&self, run: &str) -> Result<Vec<String>, DbError> {
        let masking = Masking::default();
        let (changes, _) = self.db.held_changes(run, u32::MAX, &masking).await?;
        Ok(changes
            .into_iter()
            .map(|change| change.employee_id)
            .collect())
    }

    /// Those of whom it is the day, and `wanted`; and the version of the roster that they were looked for in.
    async fn plan_due(
        &self,
        place: Place<'_>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(u64, Plan), DbError> {
        let Place {
            tenant,
            environment,
            source,
        } = place;
        let version = self
            .db
            .roster_version(&tenant.id, environment, source)
            .await?;
        let today = tenant.day(self.clock.now());
        let people = self
            .db
            .people_due(&tenant.id, environment, source, today)
            .await?;
        let ids: Vec<i64> = people.iter().map(|it| it.person).collect();
        let mut stored = self.db.stored_fields(&ids).await?;
        let mut plan = Plan::default();
        for it in people {
            if wanted(&it.key) {
                let fields = stored.remove(&it.person).unwrap_or_default();
                plan.end(it.person, it.key.into(), it.due, fields);
            }
        }
        Ok((version, plan))
    }
}
