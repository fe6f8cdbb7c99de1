//! The tables `forgotten`, `erasure`, `erasure_key` and `doomed_copy`: erasing a person, and what keeps tonight's file from bringing them back.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;
use sqlx::{Row as _, SqliteConnection};

use super::run::OwnRun;
use super::{Db, DbError, instant, roster_version, run, stamp};
use crate::mailbox::DeliveryId;
use crate::report::run::{Outcome, RunKind};
use crate::roster::diff::Counts;
use crate::roster::forgotten::{Forgotten, Trace, Tracer, without};
use crate::tenant::{Environment, TenantId};

/// Where a person is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Whereabouts {
    pub environment: Environment,
    pub source: String,
}

/// Whom an erasure is about, and whose word it is.
#[derive(Debug, Clone, Copy)]
pub struct Erasing<'a> {
    pub tenant: &'a TenantId,
    pub environment: Environment,
    pub source: &'a str,
    pub person: &'a str,
    pub who: &'a str,
}

/// What the database has lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Erased {
    /// 0 or 1.
    pub people: u64,
    pub changes: u64,
    /// Of runs that wait for a person, or ran dry.
    pub held_changes: u64,
    /// Findings and reasons that named the id.
    pub sentences: u64,
}

/// A copy that is to go, and whether the files in `/errors` about its delivery go with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    pub seq: i64,
    pub delivery: DeliveryId,
    pub with_reports: bool,
}

/// That somebody was erased, or may return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    pub at: Timestamp,
    pub who: String,
    pub environment: Environment,
    pub source: String,
    pub act: String,
}

/// Runs that still need the copy of their delivery.
const UNSETTLED: &str = "('queued', 'running', 'held', 'failed')";

impl Db {
    /// Every data source of a tenant in which somebody has this id: employed or not, or in what a run would do.
    pub async fn whereabouts(
        &self,
        tenant: &TenantId,
        person: &str,
    ) -> Result<BTreeSet<Whereabouts>, DbError> {
        let rows = sqlx::query(
            "SELECT environment, source FROM person WHERE tenant = ?1 AND key = ?2
             UNION SELECT r.environment, r.source FROM held_change h JOIN import_run r ON r.id = h.run WHERE r.tenant = ?1 AND h.key = ?2",
        )
        .bind(tenant.as_str())
        .bind(person)
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Whereabouts {
                    environment: environment(row.try_get("environment")?)?,
                    source: row.try_get("source")?,
                })
            })
            .collect()
    }

    /// The photo file that a person's row names.
    pub async fn photo_file_of(&self, erasing: &Erasing<'_>) -> Result<Option<String>, DbError> {
        let file: Option<Option<String>> = sqlx::query_scalar(
            "SELECT fields ->> 'photo_file' FROM person WHERE tenant = ?1 AND environment = ?2 AND source = ?3 AND key = ?4",
        )
        .bind(erasing.tenant.as_str())
        .bind(erasing.environment.as_str())
        .bind(erasing.source)
        .bind(erasing.person)
        .fetch_optional(&self.reader)
        .await?;
        Ok(file.flatten())
    }

    /// Erases a person from a data source, all of it or nothing, and notes that it was done. A run that is under way compares anew; copies of deliveries
    /// are doomed with it.
    pub async fn forget_person(&self, erasing: &Erasing<'_>) -> Result<Erased, DbError> {
        let now = self.now();
        let mut transaction = self.begin().await?;
        let erased = erase(&mut transaction, erasing).await?;
        let Erasing {
            tenant,
            environment,
            source,
            ..
        } = *erasing;
        let seen = roster_version::version(&mut transaction, tenant, environment, source).await?;
        roster_version::advance(&mut transaction, tenant, environment, source, seen).await?;
        let record = OwnRun {
            kind: RunKind::Forget,
            tenant,
            environment,
            source,
            about: None,
            asked_by: Some(erasing.who),
            outcome: Outcome::Applied,
            reason: Some("A person was erased on request."),
            roster_version: seen,
            counts: Counts::default(),
        };
        run::record(&mut transaction, now, &record).await?;
        doom(&mut transaction, erasing).await?;
        let trace = tracer(&mut transaction, erasing)
            .await?
            .trace(erasing.person);
        sqlx::query("INSERT OR IGNORE INTO forgotten (tenant, environment, source, person) VALUES (?1, ?2, ?3, ?4)")
            .bind(tenant.as_str())
            .bind(environment.as_str())
            .bind(source)
            .bind(trace.as_slice())
            .execute(&mut *transaction)
            .await?;
        note(&mut transaction, now, erasing, trace, "forget").await?;
        transaction.commit().await?;
        // The log has pages as they were.
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&self.writer)
            .await?;
        Ok(erased)
    }

    /// Lets whoever was erased return with the next file; whether they were.
    pub async fn allow_return(&self, erasing: &Erasing<'_>) -> Result<bool, DbError> {
        let now = self.now();
        let mut transaction = self.begin().await?;
        let trace = tracer(&mut transaction, erasing)
            .await?
            .trace(erasing.person);
        let gone = sqlx::query(
            "DELETE FROM forgotten WHERE tenant = ?1 AND environment = ?2 AND source = ?3 AND person = ?4",
        )
        .bind(erasing.tenant.as_str())
        .bind(erasing.environment.as_str())
        .bind(erasing.source)
        .bind(trace.as_slice())
        .execute(&mut *transaction)
        .await?;
        let was_forgotten = gone.rows_affected() > 0;
        if was_forgotten {
            note(&mut transaction, now, erasing, trace, "allow_return").await?;
        }
        transaction.commit().await?;
        Ok(was_forgotten)
    }

    /// Whoever was erased from a data source; none if nobody was.
    pub async fn forgotten(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
    ) -> Result<Option<Forgotten>, DbError> {
        let rows = sqlx::query(
            "SELECT f.person, k.key FROM forgotten f, erasure_key k WHERE f.tenant = ?1 AND f.environment = ?2 AND f.source = ?3",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .fetch_all(&self.reader)
        .await?;
        let Some(first) = rows.first() else {
            return Ok(None);
        };
        let tracer = Tracer::new(&trace(first, "key")?, tenant, environment, source);
        let known: HashSet<Trace> = rows
            .iter()
            .map(|row| trace(row, "person"))
            .collect::<Result<_, _>>()?;
        Ok(Forgotten::new(tracer, known))
    }

    /// When somebody was erased or may return, and on whose word; nothing says who.
    pub async fn erasures(&self, tenant: &TenantId) -> Result<Vec<Erasure>, DbError> {
        let rows = sqlx::query(
            "SELECT at, who, environment, source, act FROM erasure WHERE tenant = ?1 ORDER BY id",
        )
        .bind(tenant.as_str())
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Erasure {
                    at: instant("at", row.try_get("at")?)?,
                    who: row.try_get("who")?,
                    environment: environment(row.try_get("environment")?)?,
                    source: row.try_get("source")?,
                    act: row.try_get("act")?,
                })
            })
            .collect()
    }

    /// Copies of a mailbox that are to go and that no run needs any more.
    pub async fn doomed_copies(
        &self,
        tenant: &TenantId,
        environment: Environment,
    ) -> Result<Vec<Doomed>, DbError> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT c.delivery_seq, c.with_reports, d.id FROM doomed_copy c JOIN delivery d ON d.seq = c.delivery_seq
             WHERE d.tenant = ?1 AND d.environment = ?2 AND NOT EXISTS (
                 SELECT 1 FROM import_run r WHERE r.delivery_seq = d.seq AND r.outcome IN {UNSETTLED})"
        )))
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                let id = DeliveryId::parse(row.try_get("id")?);
                Ok(Doomed {
                    seq: row.try_get("delivery_seq")?,
                    delivery: id.map_err(|_| DbError::Value { column: "id" })?,
                    with_reports: row.try_get("with_reports")?,
                })
            })
            .collect()
    }

    /// Copies of a mailbox that are to go once their runs do not need them any more.
    pub async fn doomed_copies_waiting(
        &self,
        tenant: &TenantId,
        environment: Environment,
    ) -> Result<u64, DbError> {
        let waiting = sqlx::query_scalar(
            "SELECT count(*) FROM doomed_copy c JOIN delivery d ON d.seq = c.delivery_seq WHERE d.tenant = ?1 AND d.environment = ?2",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .fetch_one(&self.reader)
        .await?;
        super::count("doomed_copy", waiting)
    }

    /// Notes that these copies are gone.
    pub async fn copies_gone(&self, doomed: &[Doomed]) -> Result<(), DbError> {
        let seqs: Vec<i64> = doomed.iter().map(|it| it.seq).collect();
        sqlx::query(
            "DELETE FROM doomed_copy WHERE delivery_seq IN (SELECT value FROM json_each(?1))",
        )
        .bind(super::to_json(&seqs))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Forgets photos with their names, which are people's.
    pub async fn forget_photos(
        &self,
        tenant: &TenantId,
        environment: Environment,
        paths: &[String],
    ) -> Result<(), DbError> {
        let paths = super::to_json(paths);
        let mut transaction = self.begin().await?;
        for statement in [
            "DELETE FROM photo WHERE tenant = ?1 AND environment = ?2 AND path IN (SELECT value FROM json_each(?3))",
            "DELETE FROM seen_file WHERE tenant = ?1 AND environment = ?2 AND path IN (SELECT value FROM json_each(?3))",
            "UPDATE delivery SET file_name = '/images/[erased]' WHERE tenant = ?1 AND environment = ?2 AND kind = 'photo'
                 AND file_name IN (SELECT value FROM json_each(?3))",
        ] {
            sqlx::query(statement)
                .bind(tenant.as_str())
                .bind(environment.as_str())
                .bind(&paths)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// The rows of the person, and sentences that name the id.
async fn erase(
    connection: &mut SqliteConnection,
    erasing: &Erasing<'_>,
) -> Result<Erased, DbError> {
    let Erasing {
        tenant,
        environment,
        source,
        person,
        ..
    } = *erasing;
    let mut removed = [0; 3];
    for (statement, removed) in [
        "DELETE FROM change WHERE person IN (SELECT id FROM person WHERE tenant = ?1 AND environment = ?2 AND source = ?3 AND key = ?4)",
        "DELETE FROM person WHERE tenant = ?1 AND environment = ?2 AND source = ?3 AND key = ?4",
        "DELETE FROM held_change WHERE key = ?4 AND run IN (SELECT id FROM import_run WHERE tenant = ?1 AND environment = ?2 AND source = ?3)",
    ]
    .into_iter()
    .zip(&mut removed)
    {
        let done = sqlx::query(statement)
            .bind(tenant.as_str())
            .bind(environment.as_str())
            .bind(source)
            .bind(person)
            .execute(&mut *connection)
            .await?;
        *removed = done.rows_affected();
    }
    let [changes, people, held_changes] = removed;
    let mut sentences = 0;
    for (select, update) in [
        (
            "SELECT id AS place, 0 AS position, reason AS message, '' AS remedy FROM import_run
             WHERE tenant = ?1 AND environment = ?2 AND instr(reason, ?3) > 0",
            "UPDATE import_run SET reason = ?3 WHERE id = ?1 AND 0 = ?2 AND '' = ?4",
        ),
        (
            "SELECT f.run AS place, f.position, f.message, f.remedy FROM finding f JOIN import_run r ON r.id = f.run
             WHERE r.tenant = ?1 AND r.environment = ?2 AND (instr(f.message, ?3) > 0 OR instr(f.remedy, ?3) > 0)",
            "UPDATE finding SET message = ?3, remedy = ?4 WHERE run = ?1 AND position = ?2",
        ),
        (
            "SELECT CAST(id AS TEXT) AS place, 0 AS position, what AS message, '' AS remedy FROM viewing WHERE tenant = ?1 AND ?2 <> '' AND instr(what, ?3) > 0",
            "UPDATE viewing SET what = ?3 WHERE id = CAST(?1 AS INTEGER) AND 0 = ?2 AND '' = ?4",
        ),
    ] {
        let rows = sqlx::query(select)
            .bind(tenant.as_str())
            .bind(environment.as_str())
            .bind(person)
            .fetch_all(&mut *connection)
            .await?;
        for row in rows {
            let (message, remedy): (String, String) =
                (row.try_get("message")?, row.try_get("remedy")?);
            let cleared = [&message, &remedy].map(|text| without(text, person));
            if cleared.iter().all(Option::is_none) {
                continue;
            }
            let [message, remedy] = cleared
                .into_iter()
                .zip([message, remedy])
                .map(|(cleared, text)| cleared.unwrap_or(text))
                .collect::<Vec<_>>()
                .try_into()
                .unwrap_or_default();
            let place: String = row.try_get("place")?;
            let position: i64 = row.try_get("position")?;
            sqlx::query(update)
                .bind(place)
                .bind(position)
                .bind(message)
                .bind(remedy)
                .execute(&mut *connection)
                .await?;
            sentences += 1;
        }
    }
    Ok(Erased {
        people,
        changes,
        held_changes,
        sentences,
    })
}

/// Every copy of a file of the data source may hold the person.
async fn doom(connection: &mut SqliteConnection, erasing: &Erasing<'_>) -> Result<(), DbError> {
    sqlx::query(sqlx::AssertSqlSafe(format!(
        "INSERT INTO doomed_copy (delivery_seq, with_reports)
         SELECT d.seq, NOT EXISTS (SELECT 1 FROM import_run r WHERE r.delivery_seq = d.seq AND r.outcome IN {UNSETTLED})
         FROM delivery d WHERE d.tenant = ?1 AND d.environment = ?2 AND d.kind = 'data' AND d.source = ?3
         ON CONFLICT (delivery_seq) DO NOTHING"
    )))
    .bind(erasing.tenant.as_str())
    .bind(erasing.environment.as_str())
    .bind(erasing.source)
    .execute(connection)
    .await?;
    Ok(())
}

async fn note(
    connection: &mut SqliteConnection,
    now: Timestamp,
    erasing: &Erasing<'_>,
    trace: Trace,
    act: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO erasure (at, who, tenant, environment, source, person, act) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(stamp(now))
    .bind(erasing.who)
    .bind(erasing.tenant.as_str())
    .bind(erasing.environment.as_str())
    .bind(erasing.source)
    .bind(trace.as_slice())
    .bind(act)
    .execute(connection)
    .await?;
    Ok(())
}

/// With the one secret, made when it is first needed.
async fn tracer(
    connection: &mut SqliteConnection,
    erasing: &Erasing<'_>,
) -> Result<Tracer, DbError> {
    sqlx::query("INSERT OR IGNORE INTO erasure_key (id, key) VALUES (1, randomblob(32))")
        .execute(&mut *connection)
        .await?;
    let row = sqlx::query("SELECT key FROM erasure_key WHERE id = 1")
        .fetch_one(connection)
        .await?;
    Ok(Tracer::new(
        &trace(&row, "key")?,
        erasing.tenant,
        erasing.environment,
        erasing.source,
    ))
}

fn trace(row: &sqlx::sqlite::SqliteRow, column: &'static str) -> Result<Trace, DbError> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|_| DbError::Value { column })
}

fn environment(word: &str) -> Result<Environment, DbError> {
    Environment::parse(word).map_err(|_| DbError::Value {
        column: "environment",
    })
}
