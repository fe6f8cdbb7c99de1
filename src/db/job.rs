//! The table `job`: the queue. Each statement names the state that it expects, as `queue::job` has them.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{Db, DbError, count, held_change, instant, notice, pass, stamp};
use crate::failpoint::Point;
use crate::mailbox::DeliveryId;
use crate::queue::job::{Approval, JobState, LEASE, LeasedJob, MAX_ATTEMPTS, MAX_CRASHES, Owner};
use crate::report::run::Outcome;
use crate::tenant::{Environment, Mode, TenantId};

/// What leasing a certain job came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    Leased(Box<LeasedJob>),
    /// Another process runs it, or one before it.
    Busy,
    /// Its last try failed, or that of another one that goes before it, and the next is not due yet; or an older delta waits for a person.
    Postponed,
    /// It does not run any more: settled, held or parked.
    Over,
}

/// A job whose last try is over without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    pub run: String,
    pub delivery: String,
}

impl Db {
    /// Leases the next job for `owner` and counts the attempt, so that a file that kills the process cannot loop.
    pub async fn lease_job(&self, owner: &Owner) -> Result<Option<LeasedJob>, DbError> {
        self.lease(owner, None, None).await
    }

    /// The same of these data sources only, each as `tenant/environment/source`: the jobs of others wait.
    pub async fn lease_job_among(
        &self,
        owner: &Owner,
        sources: &[String],
    ) -> Result<Option<LeasedJob>, DbError> {
        let sources = serde_json::Value::from(sources).to_string();
        self.lease(owner, None, Some(sources)).await
    }

    /// Leases the job of one delivery, or another one of its data source that goes before it.
    pub async fn lease_delivery(
        &self,
        owner: &Owner,
        delivery: &DeliveryId,
    ) -> Result<Claim, DbError> {
        if let Some(job) = self.lease(owner, Some(delivery), None).await? {
            return Ok(Claim::Leased(Box::new(job)));
        }
        let row = sqlx::query(
            "SELECT j.state, EXISTS (
                 SELECT 1 FROM job n WHERE n.state = 'queued' AND coalesce(n.not_before, '') > ?2 AND n.tenant = j.tenant AND n.environment = j.environment
                     AND n.source = j.source AND (n.delivery_seq = j.delivery_seq OR n.delivery_seq > j.delivery_seq AND j.mode <> 'delta' AND n.mode <> 'delta')
             ) OR EXISTS (
                 SELECT 1 FROM job e WHERE (e.state IN ('held', 'parked') OR e.state = 'queued' AND coalesce(e.not_before, '') > ?2)
                     AND e.tenant = j.tenant AND e.environment = j.environment AND e.source = j.source AND e.delivery_seq < j.delivery_seq
                     AND (j.mode = 'delta' OR j.mode = 'status' AND e.mode = 'delta')
             ) AS postponed
             FROM job j JOIN delivery d ON d.seq = j.delivery_seq WHERE d.id = ?1",
        )
        .bind(delivery.as_str())
        .bind(stamp(self.now()))
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else {
            return Ok(Claim::Over);
        };
        match JobState::parse(row.try_get("state")?) {
            Some(JobState::Queued) if row.try_get("postponed")? => Ok(Claim::Postponed),
            Some(JobState::Queued | JobState::Running) => Ok(Claim::Busy),
            _ => Ok(Claim::Over),
        }
    }

    /// A delta waits for everything of its data source that came before it, whatever that waits for: out of order it would mean something else. So does
    /// a status file for the deltas before it, which it does not make pointless. Of full and status files the newest goes first.
    async fn lease(
        &self,
        owner: &Owner,
        delivery: Option<&DeliveryId>,
        sources: Option<String>,
    ) -> Result<Option<LeasedJob>, DbError> {
        let now = self.now();
        // Most looks at the queue find nothing, and need not wait for writers.
        let due: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM job WHERE state = 'queued' AND coalesce(not_before, '') <= ?1
                 AND (?2 IS NULL OR tenant || '/' || environment || '/' || source IN (SELECT value FROM json_each(?2))))",
        )
        .bind(stamp(now))
        .bind(sources.as_deref())
        .fetch_one(&self.reader)
        .await?;
        if !due {
            return Ok(None);
        }
        let mut transaction = self.begin().await?;
        pass(Point::LeaseRow).await?;
        let seq: Option<i64> = sqlx::query_scalar(
            "UPDATE job SET state = 'running', owner = ?1, leased_until = ?2, attempts = attempts + 1
             WHERE delivery_seq = (
                 SELECT j.delivery_seq FROM job j
                 WHERE j.state = 'queued' AND coalesce(j.not_before, '') <= ?3 AND (?4 IS NULL OR EXISTS (
                         SELECT 1 FROM delivery t WHERE t.id = ?4 AND (t.seq <= j.delivery_seq OR t.mode <> 'full')
                             AND t.tenant = j.tenant AND t.environment = j.environment AND t.source = j.source))
                     AND (?5 IS NULL OR j.tenant || '/' || j.environment || '/' || j.source IN (SELECT value FROM json_each(?5)))
                     AND NOT EXISTS (
                         SELECT 1 FROM job r WHERE r.state = 'running' AND r.tenant = j.tenant AND r.environment = j.environment)
                     AND NOT EXISTS (
                         SELECT 1 FROM job e WHERE e.state IN ('queued', 'running', 'held', 'parked') AND e.delivery_seq < j.delivery_seq
                             AND e.tenant = j.tenant AND e.environment = j.environment AND e.source = j.source
                             AND (j.mode = 'delta' OR j.mode = 'status' AND e.mode = 'delta'))
                     AND NOT EXISTS (
                         SELECT 1 FROM job n WHERE n.state = 'queued' AND j.mode <> 'delta' AND n.delivery_seq > j.delivery_seq
                             AND n.tenant = j.tenant AND n.environment = j.environment AND n.source = j.source
                             AND (n.mode = 'full' OR n.mode = 'status' AND NOT EXISTS (
                                 SELECT 1 FROM job d WHERE d.state IN ('queued', 'running', 'held', 'parked') AND d.mode = 'delta'
                                     AND d.delivery_seq < n.delivery_seq AND d.tenant = n.tenant AND d.environment = n.environment AND d.source = n.source)))
                 ORDER BY j.delivery_seq LIMIT 1)
             RETURNING delivery_seq",
        )
        .bind(owner.as_str())
        .bind(stamp(lease_end(now)))
        .bind(stamp(now))
        .bind(delivery.map(DeliveryId::as_str))
        .bind(sources.as_deref())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(seq) = seq else {
            return Ok(None);
        };
        sqlx::query(
            "UPDATE import_run SET outcome = 'running', started_at = ?2, finished_at = NULL WHERE delivery_seq = ?1 AND outcome = 'queued'",
        )
        .bind(seq)
        .bind(stamp(now))
        .execute(&mut *transaction)
        .await?;
        let row = sqlx::query(
            "SELECT d.id, d.tenant, d.environment, d.source, d.mode, d.file_name, d.sha256, d.received_at, j.attempts,
                 r.id AS run, r.approved, r.mapping, r.roster_version
             FROM job j JOIN delivery d ON d.seq = j.delivery_seq JOIN import_run r ON r.delivery_seq = j.delivery_seq WHERE j.delivery_seq = ?1",
        )
        .bind(seq)
        .fetch_one(&mut *transaction)
        .await?;
        let job = leased(seq, owner, &row)?;
        pass(Point::LeaseCommit).await?;
        transaction.commit().await?;
        Ok(Some(job))
    }

    /// Prolongs a lease. False: it was lost, and the work is to be dropped.
    pub async fn renew_lease(&self, job: &LeasedJob) -> Result<bool, DbError> {
        let renewed = sqlx::query(
            "UPDATE job SET leased_until = ?4 WHERE delivery_seq = ?1 AND state = 'running' AND owner = ?2 AND attempts = ?3",
        )
        .bind(job.seq)
        .bind(job.owner.as_str())
        .bind(job.attempts)
        .bind(stamp(lease_end(self.now())))
        .execute(&self.writer)
        .await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// Ends a try that failed for a reason of ours: the job is queued again from `not_before` on.
    pub async fn retry_job(&self, job: &LeasedJob, not_before: Timestamp) -> Result<(), DbError> {
        let mut transaction = self.begin().await?;
        give_back(&mut transaction, job, JobState::Queued, Some(not_before)).await?;
        sqlx::query(
            "UPDATE import_run SET outcome = 'queued' WHERE id = ?1 AND outcome = 'running'",
        )
        .bind(&job.run)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Ends the last try: the job is parked and its run `failed` for `reason`.
    pub async fn park_job(&self, job: &LeasedJob, reason: &str) -> Result<(), DbError> {
        let mut transaction = self.begin().await?;
        give_back(&mut transaction, job, JobState::Parked, None).await?;
        fail_run(&mut transaction, job.seq, reason, self.now()).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Ends the leases that have run out, and those whose owner `is_dead` says no longer lives. Jobs out of tries are parked; these are returned.
    pub async fn expire_leases(
        &self,
        is_dead: impl Fn(&Owner) -> bool,
    ) -> Result<Vec<GivenUp>, DbError> {
        let running = sqlx::query(
            "SELECT delivery_seq, owner, leased_until FROM job WHERE state = 'running'",
        )
        .fetch_all(&self.reader)
        .await?;
        let now = self.now();
        let mut given_up = Vec::new();
        for row in running {
            let owner = Owner::stored(row.try_get("owner")?);
            if instant("leased_until", row.try_get("leased_until")?)? > now && !is_dead(&owner) {
                continue;
            }
            given_up.extend(self.expire(row.try_get("delivery_seq")?, &owner).await?);
        }
        Ok(given_up)
    }

    async fn expire(&self, seq: i64, owner: &Owner) -> Result<Option<GivenUp>, DbError> {
        let mut transaction = self.begin().await?;
        let state: Option<String> = sqlx::query_scalar(
            "UPDATE job SET crashes = crashes + 1, state = iif(attempts >= ?3 OR crashes + 1 >= ?4, 'parked', 'queued'), owner = NULL, leased_until = NULL
             WHERE delivery_seq = ?1 AND state = 'running' AND owner = ?2 RETURNING state",
        )
        .bind(seq)
        .bind(owner.as_str())
        .bind(MAX_ATTEMPTS)
        .bind(MAX_CRASHES)
        .fetch_optional(&mut *transaction)
        .await?;
        let given_up = match state.as_deref().and_then(JobState::parse) {
            None => None,
            Some(JobState::Parked) => {
                let reason = "Importing this file has stopped the import process too often.";
                Some(fail_run(&mut transaction, seq, reason, self.now()).await?)
            }
            Some(_) => {
                sqlx::query("UPDATE import_run SET outcome = 'queued' WHERE delivery_seq = ?1 AND outcome = 'running'")
                    .bind(seq)
                    .execute(&mut *transaction)
                    .await?;
                None
            }
        };
        transaction.commit().await?;
        Ok(given_up)
    }

    /// How many jobs wait to be run, by tenant and data source.
    pub async fn queued_jobs(&self) -> Result<Vec<(String, String, u64)>, DbError> {
        let rows = sqlx::query(
            "SELECT tenant, source, count(*) AS jobs FROM job WHERE state = 'queued' GROUP BY tenant, source",
        )
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok((
                    row.try_get("tenant")?,
                    row.try_get("source")?,
                    count("jobs", row.try_get("jobs")?)?,
                ))
            })
            .collect()
    }

    /// How many jobs are in each state that is not the end.
    pub async fn jobs_by_state(&self) -> Result<Vec<(JobState, u64)>, DbError> {
        let rows = sqlx::query(
            "SELECT state, count(*) AS jobs FROM job WHERE state IN ('queued', 'running', 'held', 'parked') GROUP BY state",
        )
        .fetch_all(&self.reader)
        .await?;
        let mut jobs: Vec<_> = JobState::ALL
            .into_iter()
            .filter(|state| *state != JobState::Done)
            .map(|state| (state, 0))
            .collect();
        for row in rows {
            let state: &str = row.try_get("state")?;
            if let Some((_, jobs)) = jobs.iter_mut().find(|(known, _)| known.as_str() == state) {
                *jobs = count("jobs", row.try_get("jobs")?)?;
            }
        }
        Ok(jobs)
    }
}

/// Whether a job runs in that environment of the tenant.
pub(super) async fn is_running(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    environment: Environment,
) -> Result<bool, DbError> {
    let running = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM job WHERE state = 'running' AND tenant = ?1 AND environment = ?2)",
    )
    .bind(tenant.as_str())
    .bind(environment.as_str())
    .fetch_one(connection)
    .await?;
    Ok(running)
}

fn lease_end(now: Timestamp) -> Timestamp {
    now + LEASE
}

/// Takes a leased job to `state`, if the lease still stands.
pub(super) async fn give_back(
    connection: &mut SqliteConnection,
    job: &LeasedJob,
    state: JobState,
    not_before: Option<Timestamp>,
) -> Result<(), DbError> {
    let moved = sqlx::query(
        "UPDATE job SET state = ?4, owner = NULL, leased_until = NULL, not_before = coalesce(?5, not_before)
         WHERE delivery_seq = ?1 AND state = 'running' AND owner = ?2 AND attempts = ?3",
    )
    .bind(job.seq)
    .bind(job.owner.as_str())
    .bind(job.attempts)
    .bind(state.as_str())
    .bind(not_before.map(stamp))
    .execute(connection)
    .await?;
    if moved.rows_affected() == 1 {
        Ok(())
    } else {
        Err(DbError::LeaseLost)
    }
}

async fn fail_run(
    connection: &mut SqliteConnection,
    seq: i64,
    reason: &str,
    now: Timestamp,
) -> Result<GivenUp, DbError> {
    let row = sqlx::query(
        "UPDATE import_run SET outcome = 'failed', reason = ?2, finished_at = ?3, reported = 0 WHERE delivery_seq = ?1
         RETURNING id, (SELECT id FROM delivery WHERE seq = ?1) AS delivery",
    )
    .bind(seq)
    .bind(reason)
    .bind(stamp(now))
    .fetch_one(&mut *connection)
    .await?;
    let run: String = row.try_get("id")?;
    held_change::forget(connection, std::slice::from_ref(&run)).await?;
    notice::note(connection, &run, Outcome::Failed, now).await?;
    Ok(GivenUp {
        run,
        delivery: row.try_get("delivery")?,
    })
}

fn leased(seq: i64, owner: &Owner, row: &SqliteRow) -> Result<LeasedJob, DbError> {
    let refuse = |column| move |_| DbError::Value { column };
    let mode: &str = row.try_get("mode")?;
    let mapping: Option<String> = row.try_get("mapping")?;
    let version: Option<i64> = row.try_get("roster_version")?;
    let approval = match (row.try_get("approved")?, mapping, version) {
        (true, Some(mapping), Some(version)) => Some(Approval {
            mapping,
            roster_version: count("roster_version", version)?,
        }),
        _ => None,
    };
    Ok(LeasedJob {
        seq,
        run: row.try_get("run")?,
        delivery: DeliveryId::parse(row.try_get("id")?).map_err(refuse("delivery.id"))?,
        tenant: TenantId::parse(row.try_get("tenant")?).map_err(refuse("tenant"))?,
        environment: Environment::parse(row.try_get("environment")?)
            .map_err(refuse("environment"))?,
        source: row.try_get("source")?,
        mode: Mode::parse(mode).ok_or(DbError::Value { column: "mode" })?,
        file_name: row.try_get("file_name")?,
        sha256: row.try_get("sha256")?,
        received_at: instant("received_at", row.try_get("received_at")?)?,
        owner: owner.clone(),
        attempts: row.try_get("attempts")?,
        approval,
    })
}
