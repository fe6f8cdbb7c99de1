//! The table `import_run`: what became of each data delivery, and the runs that are of none.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{Db, DbError, count, held_change, instant, notice, stamp, stored};
use crate::mailbox::DeliveryId;
use crate::queue::job::LeasedJob;
use crate::report::run::{Outcome, Run, RunDocument, RunKind};
use crate::roster::diff::Counts;
use crate::roster::masking::Masking;
use crate::tenant::{Environment, Mode, TenantId};

/// What an admin's decision about a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Taken {
        run: String,
        delivery: DeliveryId,
    },
    /// Only a held run can be approved or rejected; this is what it is.
    NotHeld(Outcome),
    Unknown,
}

/// Every query that tells of runs begins so.
macro_rules! select_run {
    ($rest:literal) => {
        concat!(
            "SELECT r.*, d.id AS delivery, d.file_name, d.sha256
             FROM import_run r LEFT JOIN delivery d ON d.seq = r.delivery_seq ",
            $rest
        )
    };
}

/// Asked at every scrape: the `+` keeps `SQLite` on the index that holds all of it.
pub(super) const RUN_COUNTS: &str = "SELECT tenant, environment, outcome, count(*) AS runs FROM import_run
     WHERE +outcome IN ('applied', 'no_change', 'refused', 'superseded', 'failed', 'dry_run') GROUP BY tenant, environment, outcome";

impl Db {
    /// The newest runs first, at most `limit` of them.
    pub async fn runs(&self, tenant: Option<&TenantId>, limit: u32) -> Result<Vec<Run>, DbError> {
        let rows = sqlx::query(select_run!(
            "WHERE ?1 IS NULL OR r.tenant = ?1 ORDER BY r.seq DESC LIMIT ?2"
        ))
        .bind(tenant.map(TenantId::as_str))
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(run).collect()
    }

    /// The run with this id, or the run of the delivery with this id.
    pub async fn run(&self, id: &str) -> Result<Option<Run>, DbError> {
        let mut connection = self.reader.acquire().await?;
        find(&mut connection, id).await
    }

    /// The same with findings and at most so many changes, every secret and whatever is not canonical masked. Of a held run these are the changes that
    /// it would make.
    pub async fn run_document(
        &self,
        id: &str,
        most_changes: u32,
    ) -> Result<Option<RunDocument>, DbError> {
        self.run_document_for(id, most_changes, |_| Masking::default())
            .await
    }

    /// The same, masked as the run's tenant has it.
    pub async fn run_document_for(
        &self,
        id: &str,
        most_changes: u32,
        masking: impl Fn(&TenantId) -> Masking,
    ) -> Result<Option<RunDocument>, DbError> {
        let Some(run) = self.run(id).await? else {
            return Ok(None);
        };
        let id = run.id.clone().unwrap_or_default();
        let masking = masking(&run.tenant);
        let (findings, findings_total) = self.findings(&id).await?;
        let (changes, changes_total) = match run.outcome {
            Outcome::Held | Outcome::DryRun => {
                self.held_changes(&id, most_changes, &masking).await?
            }
            _ => self.changes(&id, most_changes, &masking).await?,
        };
        Ok(Some(RunDocument {
            run,
            findings,
            changes,
            mapping: None,
            findings_total,
            changes_total,
        }))
    }

    /// The runs that wait for a person, oldest first.
    pub async fn held_runs(&self, tenant: &TenantId) -> Result<Vec<Run>, DbError> {
        let rows = sqlx::query(select_run!(
            "WHERE r.outcome = 'held' AND r.tenant = ?1 ORDER BY r.seq"
        ))
        .bind(tenant.as_str())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(run).collect()
    }

    /// How many runs wait for a person, by tenant; a tenant without one is not listed.
    pub async fn runs_held(&self) -> Result<Vec<(TenantId, u64)>, DbError> {
        let rows = sqlx::query(
            "SELECT tenant, count(*) AS held FROM import_run WHERE outcome = 'held' GROUP BY tenant",
        )
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| Ok((tenant(row)?, count("held", row.try_get("held")?)?)))
            .collect()
    }

    /// How many runs have come to each final outcome, whichever process brought them there. Read from an index alone.
    pub async fn run_counts(&self) -> Result<Vec<(TenantId, Environment, Outcome, u64)>, DbError> {
        let rows = sqlx::query(RUN_COUNTS).fetch_all(&self.reader).await?;
        rows.iter()
            .map(|row| {
                let runs = count("runs", row.try_get("runs")?)?;
                Ok((tenant(row)?, environment(row)?, outcome(row)?, runs))
            })
            .collect()
    }

    /// Queues a held run again, to be applied as it was shown.
    pub async fn approve_run(&self, id: &str) -> Result<Decision, DbError> {
        let mut transaction = self.begin().await?;
        let (seq, decision) = held(&mut transaction, id).await?;
        if let Some(seq) = seq {
            sqlx::query("UPDATE import_run SET outcome = 'queued', approved = 1, reason = NULL, finished_at = NULL WHERE delivery_seq = ?1 AND outcome = 'held'")
                .bind(seq)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("UPDATE job SET state = 'queued', attempts = 0, crashes = 0, not_before = NULL WHERE delivery_seq = ?1 AND state = 'held'")
                .bind(seq)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
        }
        Ok(decision)
    }

    /// Refuses a held run for good.
    pub async fn reject_run(&self, id: &str) -> Result<Decision, DbError> {
        let mut transaction = self.begin().await?;
        let (seq, decision) = held(&mut transaction, id).await?;
        if let (Some(seq), Decision::Taken { run, .. }) = (seq, &decision) {
            held_change::forget(&mut transaction, std::slice::from_ref(run)).await?;
            sqlx::query(
                "UPDATE import_run SET outcome = 'refused', reason = 'Rejected by an admin.', rejected = 1, reported = 0, finished_at = ?2
                 WHERE delivery_seq = ?1 AND outcome = 'held'",
            )
            .bind(seq)
            .bind(stamp(self.now()))
            .execute(&mut *transaction)
            .await?;
            sqlx::query("UPDATE job SET state = 'done' WHERE delivery_seq = ?1 AND state = 'held'")
                .bind(seq)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
        }
        Ok(decision)
    }

    /// Whether an admin rejected these bytes under this mapping, and nothing else of the data source was judged since.
    pub async fn was_rejected(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
        sha256: &str,
        mapping: &str,
    ) -> Result<bool, DbError> {
        let rejected: Option<bool> = sqlx::query_scalar(
            "SELECT r.rejected AND d.sha256 = ?4 AND r.mapping IS ?5
             FROM import_run r JOIN delivery d ON d.seq = r.delivery_seq
             WHERE d.tenant = ?1 AND d.environment = ?2 AND d.kind = 'data' AND d.source = ?3
                 AND (r.outcome IN ('applied', 'no_change', 'held') OR r.rejected)
             ORDER BY d.seq DESC LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .bind(sha256)
        .bind(mapping)
        .fetch_optional(&self.reader)
        .await?;
        Ok(rejected == Some(true))
    }

    /// Runs with an outcome that `/errors` does not tell of yet.
    pub async fn unreported_runs(&self) -> Result<Vec<String>, DbError> {
        Ok(sqlx::query_scalar(
            "SELECT id FROM import_run
             WHERE outcome IN ('applied', 'no_change', 'held', 'refused', 'superseded', 'failed', 'dry_run') AND reported = 0 ORDER BY seq",
        )
        .fetch_all(&self.reader)
        .await?)
    }

    /// Whether the run has, or has had, an error file. With findings it is about to have one, and that is noted.
    pub async fn expect_error_file(&self, run: &str, findings: u64) -> Result<bool, DbError> {
        let expected: Option<bool> = sqlx::query_scalar(
            "UPDATE import_run SET error_file = (error_file OR ?2 > 0) WHERE id = ?1 RETURNING error_file",
        )
        .bind(run)
        .bind(stored(findings))
        .fetch_optional(&self.writer)
        .await?;
        Ok(expected == Some(true))
    }

    /// Notes that `/errors` tells of `run` as it is here. False: it has moved on meanwhile, and is to be told again.
    pub async fn mark_reported(&self, run: &Run) -> Result<bool, DbError> {
        let current: Option<bool> = sqlx::query_scalar(
            "UPDATE import_run SET reported = (outcome = ?2 AND finished_at IS ?3) WHERE id = ?1 RETURNING reported",
        )
        .bind(run.id.as_deref())
        .bind(run.outcome.as_str())
        .bind(run.finished_at.map(stamp))
        .fetch_optional(&self.writer)
        .await?;
        Ok(current != Some(false))
    }
}

/// The arrival number of a held run, and what to tell whoever decides about it.
async fn held(
    connection: &mut SqliteConnection,
    id: &str,
) -> Result<(Option<i64>, Decision), DbError> {
    let row = sqlx::query(select_run!(
        "WHERE r.id = ?1 OR r.delivery_seq = (SELECT seq FROM delivery WHERE id = ?1)"
    ))
    .bind(id)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else {
        return Ok((None, Decision::Unknown));
    };
    match outcome(&row)? {
        Outcome::Held => {
            // A run that is of no delivery has no job to be queued: whoever holds one decides about it elsewhere.
            let Some(delivery) = row.try_get("delivery")? else {
                return Ok((None, Decision::NotHeld(Outcome::Held)));
            };
            let delivery = DeliveryId::parse(delivery);
            let decision = Decision::Taken {
                run: row.try_get("id")?,
                delivery: delivery.map_err(|_| DbError::Value { column: "delivery" })?,
            };
            Ok((Some(row.try_get("delivery_seq")?), decision))
        }
        other => Ok((None, Decision::NotHeld(other))),
    }
}

/// A verdict's columns of the run.
pub(super) struct Judged<'a> {
    pub(super) outcome: Outcome,
    pub(super) would: Option<Outcome>,
    pub(super) reason: Option<&'a str>,
    pub(super) mapping: &'a str,
    pub(super) roster_version: u64,
    pub(super) rejected: bool,
    pub(super) counts: Counts,
    pub(super) findings: u64,
}

/// Writes a verdict into a running run.
pub(super) async fn judge(
    connection: &mut SqliteConnection,
    id: &str,
    now: Timestamp,
    judged: &Judged<'_>,
) -> Result<(), DbError> {
    let Counts {
        rows,
        joiners,
        movers,
        leavers,
        unchanged,
        refused_rows,
        skipped,
        collapsed,
    } = judged.counts;
    let written = sqlx::query(
        "UPDATE import_run SET outcome = ?2, reason = ?3, finished_at = ?4, mapping = ?5, roster_version = ?6, approved = 0, rejected = ?7, reported = 0,
             row_count = ?8, joiners = ?9, movers = ?10, leavers = ?11, unchanged = ?12, refused_rows = ?13, skipped = ?14, collapsed = ?15, findings = ?16, would = ?17
         WHERE id = ?1 AND outcome = 'running'",
    )
    .bind(id)
    .bind(judged.outcome.as_str())
    .bind(judged.reason)
    .bind(stamp(now))
    .bind(judged.mapping)
    .bind(stored(judged.roster_version))
    .bind(judged.rejected)
    .bind(stored(rows))
    .bind(stored(joiners))
    .bind(stored(movers))
    .bind(stored(leavers))
    .bind(stored(unchanged))
    .bind(stored(refused_rows))
    .bind(stored(skipped))
    .bind(stored(collapsed))
    .bind(stored(judged.findings))
    .bind(judged.would.map(Outcome::as_str))
    .execute(&mut *connection)
    .await?;
    if written.rows_affected() != 1 {
        return Err(DbError::LeaseLost);
    }
    if judged.outcome == Outcome::Held {
        notice::note(connection, id, judged.outcome, now).await?;
    }
    Ok(())
}

/// A run that is of no delivery: it is over when it is written, and no tenant finds it in `/errors`.
pub(super) struct OwnRun<'a> {
    pub(super) kind: RunKind,
    pub(super) tenant: &'a TenantId,
    pub(super) environment: Environment,
    pub(super) source: &'a str,
    /// The run that it takes back.
    pub(super) about: Option<&'a str>,
    /// None: nobody had to.
    pub(super) asked_by: Option<&'a str>,
    pub(super) outcome: Outcome,
    pub(super) reason: Option<&'a str>,
    /// Of the roster that it was worked out for.
    pub(super) roster_version: u64,
    pub(super) counts: Counts,
}

/// The run with this id, or the run of the delivery with this id, as a transaction sees it.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    id: &str,
) -> Result<Option<Run>, DbError> {
    let row = sqlx::query(select_run!(
        "WHERE r.id = ?1 OR r.delivery_seq = (SELECT seq FROM delivery WHERE id = ?1)"
    ))
    .bind(id)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(run).transpose()
}

/// Notes how many people such a run is about, where that is known at its end.
pub(super) async fn count_people(
    connection: &mut SqliteConnection,
    id: &str,
    counts: Counts,
) -> Result<(), DbError> {
    sqlx::query("UPDATE import_run SET joiners = ?2, movers = ?3, leavers = ?4 WHERE id = ?1")
        .bind(id)
        .bind(stored(counts.joiners))
        .bind(stored(counts.movers))
        .bind(stored(counts.leavers))
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes such a run, in the transaction of what it does, and returns its id. To be called before people and changes name it.
pub(super) async fn record(
    connection: &mut SqliteConnection,
    now: Timestamp,
    run: &OwnRun<'_>,
) -> Result<String, DbError> {
    let id = uuid::Uuid::now_v7().to_string();
    let counts = run.counts;
    sqlx::query(
        "INSERT INTO import_run (id, kind, tenant, environment, source, about, asked_by, outcome, reason, started_at, finished_at, roster_version, reported,
             joiners, movers, leavers, unchanged)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, 1, ?12, ?13, ?14, ?15)",
    )
    .bind(&id)
    .bind(run.kind.as_str())
    .bind(run.tenant.as_str())
    .bind(run.environment.as_str())
    .bind(run.source)
    .bind(run.about)
    .bind(run.asked_by)
    .bind(run.outcome.as_str())
    .bind(run.reason)
    .bind(stamp(now))
    .bind(stored(run.roster_version))
    .bind(stored(counts.joiners))
    .bind(stored(counts.movers))
    .bind(stored(counts.leavers))
    .bind(stored(counts.unchanged))
    .execute(&mut *connection)
    .await?;
    if run.outcome == Outcome::Held {
        notice::note(connection, &id, run.outcome, now).await?;
    }
    Ok(id)
}

pub(super) fn superseded_by(delivery: &str) -> String {
    format!("Superseded by delivery {delivery}.")
}

/// Ends every older run of the data source that has not come to a verdict, parked ones too, and returns their ids. A file that says nothing of people who
/// are not in it leaves older deltas, of which each has something of its own to say.
pub(super) async fn supersede_older(
    connection: &mut SqliteConnection,
    job: &LeasedJob,
    now: Timestamp,
) -> Result<Vec<String>, DbError> {
    let older = sqlx::query_scalar(
        "UPDATE import_run SET outcome = 'superseded', reason = ?6, finished_at = ?5, reported = 0
         WHERE outcome IN ('queued', 'running', 'held', 'failed') AND delivery_seq IN (
             SELECT delivery_seq FROM job
             WHERE tenant = ?1 AND environment = ?2 AND source = ?3 AND delivery_seq < ?4 AND state IN ('queued', 'running', 'held', 'parked') AND (?7 OR mode <> 'delta'))
         RETURNING id",
    )
    .bind(job.tenant.as_str())
    .bind(job.environment.as_str())
    .bind(&job.source)
    .bind(job.seq)
    .bind(stamp(now))
    .bind(superseded_by(job.delivery.as_str()))
    .bind(job.mode == Mode::Full)
    .fetch_all(&mut *connection)
    .await?;
    held_change::forget(connection, &older).await?;
    sqlx::query(
        "UPDATE job SET state = 'done', owner = NULL, leased_until = NULL
         WHERE tenant = ?1 AND environment = ?2 AND source = ?3 AND delivery_seq < ?4 AND state IN ('queued', 'running', 'held', 'parked')
             AND (?5 OR mode <> 'delta')",
    )
    .bind(job.tenant.as_str())
    .bind(job.environment.as_str())
    .bind(&job.source)
    .bind(job.seq)
    .bind(job.mode == Mode::Full)
    .execute(connection)
    .await?;
    Ok(older)
}

fn tenant(row: &SqliteRow) -> Result<TenantId, DbError> {
    TenantId::parse(row.try_get("tenant")?).map_err(|_| DbError::Value { column: "tenant" })
}

fn environment(row: &SqliteRow) -> Result<Environment, DbError> {
    Environment::parse(row.try_get("environment")?).map_err(|_| DbError::Value {
        column: "environment",
    })
}

pub(super) fn outcome(row: &SqliteRow) -> Result<Outcome, DbError> {
    Outcome::parse(row.try_get("outcome")?).ok_or(DbError::Value { column: "outcome" })
}

fn run(row: &SqliteRow) -> Result<Run, DbError> {
    let number = |column: &'static str| count(column, row.try_get(column)?);
    let time = |column: &'static str| -> Result<Option<Timestamp>, DbError> {
        let text: Option<&str> = row.try_get(column)?;
        text.map(|text| instant(column, text)).transpose()
    };
    let would: Option<&str> = row.try_get("would")?;
    let file_name: Option<&str> = row.try_get("file_name")?;
    Ok(Run {
        id: row.try_get("id")?,
        kind: RunKind::parse(row.try_get("kind")?).ok_or(DbError::Value { column: "kind" })?,
        about: row.try_get("about")?,
        asked_by: row.try_get("asked_by")?,
        tenant: tenant(row)?,
        environment: environment(row)?,
        source: row.try_get("source")?,
        delivery: row.try_get("delivery")?,
        file_name: file_name.map(|path| name_of(path).to_owned()),
        sha256: row.try_get("sha256")?,
        outcome: outcome(row)?,
        would: would.and_then(Outcome::parse),
        started_at: time("started_at")?,
        finished_at: time("finished_at")?,
        counts: Counts {
            rows: number("row_count")?,
            joiners: number("joiners")?,
            movers: number("movers")?,
            leavers: number("leavers")?,
            unchanged: number("unchanged")?,
            refused_rows: number("refused_rows")?,
            skipped: number("skipped")?,
            collapsed: number("collapsed")?,
        },
        reason: row.try_get("reason")?,
    })
}

/// The last name of a path in a mailbox.
fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
