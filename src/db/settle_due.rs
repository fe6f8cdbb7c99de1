//! The transactions of runs of what is due on a day: ends of employment that were told in advance. Such a run has no delivery and no job.

use super::run::OwnRun;
use super::settle::write_plan;
use super::{
    Db, DbError, due_change, held_change, job, pass, person::Place, roster_version, run, stamp,
};
use crate::failpoint::Point;
use crate::report::run::{Outcome, RunKind};
use crate::roster::masking::Masking;
use crate::roster::plan::Plan;
use crate::tenant::{Environment, TenantId};

/// What is due in a data source, and whether it may happen.
#[derive(Debug)]
pub struct DueVerdict<'a> {
    pub tenant: &'a TenantId,
    pub environment: Environment,
    pub source: &'a str,
    /// Of the roster that it was worked out for.
    pub roster_version: u64,
    pub plan: &'a Plan,
    /// Why somebody has to look first.
    pub objection: Option<&'a str>,
    /// The held run that was approved; none: it is a new one.
    pub approved: Option<&'a str>,
}

impl Db {
    /// Writes what is due, all of it or nothing, and returns its run. Nothing while an import runs in that environment of the tenant: it may be about
    /// to say otherwise, and must not find another roster than the one it has read.
    pub async fn settle_due(&self, verdict: &DueVerdict<'_>) -> Result<Option<String>, DbError> {
        let now = self.now();
        let DueVerdict {
            tenant,
            environment,
            source,
            roster_version: seen,
            plan,
            ..
        } = *verdict;
        let mut transaction = self.begin().await?;
        if job::is_running(&mut transaction, tenant, environment).await? {
            return Ok(None);
        }
        roster_version::expect(&mut transaction, tenant, environment, source, seen).await?;
        let outcome = match verdict.objection {
            Some(_) => Outcome::Held,
            None if plan.any_change() => Outcome::Applied,
            None => Outcome::NoChange,
        };
        let own = OwnRun {
            kind: RunKind::Scheduled,
            tenant,
            environment,
            source,
            about: None,
            asked_by: None,
            outcome,
            reason: verdict.objection,
            roster_version: seen,
            counts: plan.counts,
        };
        pass(Point::SettleRun).await?;
        let run = match verdict.approved {
            None => run::record(&mut transaction, now, &own).await?,
            Some(held) => {
                decide(&mut transaction, held, outcome, None, now).await?;
                held.to_owned()
            }
        };
        if outcome == Outcome::Held {
            // Only an end of employment is due, so nothing else is there to be seen.
            let masking = Masking::default();
            held_change::write(&mut transaction, &run, &masking, plan.changes()).await?;
        } else if outcome == Outcome::Applied {
            roster_version::advance(&mut transaction, tenant, environment, source, seen).await?;
            let place = Place {
                tenant,
                environment,
                source,
                run: &run,
            };
            write_plan(&mut transaction, place, now, plan).await?;
            let gone: Vec<i64> = plan.absent.iter().map(|(_, known)| known.id).collect();
            due_change::apply(&mut transaction, &gone).await?;
        }
        pass(Point::SettleCommit).await?;
        transaction.commit().await?;
        Ok(Some(run))
    }

    /// Refuses a held run of what is due for good: what these people's files told in advance does not happen any more.
    pub async fn reject_due(&self, run: &str, people: &[i64]) -> Result<(), DbError> {
        let mut transaction = self.begin().await?;
        let reason = Some("Rejected by an admin.");
        decide(&mut transaction, run, Outcome::Refused, reason, self.now()).await?;
        due_change::forget(&mut transaction, people).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The run of what is due that waits for a person in this data source.
    pub async fn held_due(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
    ) -> Result<Vec<String>, DbError> {
        Ok(sqlx::query_scalar(
            "SELECT id FROM import_run WHERE tenant = ?1 AND environment = ?2 AND outcome = 'held' AND kind = 'scheduled' AND source = ?3 ORDER BY seq",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .fetch_all(&self.reader)
        .await?)
    }
}

/// Takes a held run of what is due to its end, unless somebody else has.
async fn decide(
    connection: &mut sqlx::SqliteConnection,
    run: &str,
    outcome: Outcome,
    reason: Option<&str>,
    now: jiff::Timestamp,
) -> Result<(), DbError> {
    let decided = sqlx::query(
        "UPDATE import_run SET outcome = ?2, reason = ?3, rejected = (?2 = 'refused'), finished_at = ?4
         WHERE id = ?1 AND outcome = 'held' AND kind = 'scheduled'",
    )
    .bind(run)
    .bind(outcome.as_str())
    .bind(reason)
    .bind(stamp(now))
    .execute(&mut *connection)
    .await?;
    if decided.rows_affected() == 0 {
        return Err(DbError::LeaseLost);
    }
    held_change::forget(connection, &[run.to_owned()]).await
}
