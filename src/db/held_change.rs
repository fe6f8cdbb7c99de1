//! The table `held_change`: what a run would do that waits for a person, or ran dry; for the person who decides about it.
//!
//! Written with the verdict and removed when the run leaves it for good: applied, rejected, superseded or given up; of a dry run when the next delivery of
//! its data source has come to a verdict. The counts of the run stay.
//! It is never read to apply anything (an approved run reads its file again), so secrets are masked before they get here, and again when they are shown: what is a secret may have changed.

use sqlx::{QueryBuilder, Row as _, Sqlite, SqliteConnection};

use super::{Db, DbError, change, count, from_json, to_json};
use crate::queue::job::LeasedJob;
use crate::roster::masking::Masking;
use crate::roster::person::{Change, ChangeKind, FieldChanges};

/// Changes written by one statement.
const BATCH: usize = 200;

impl Db {
    /// At most so many of what a run that waits for a person would change, who would leave first, and how many there are; nothing of any other run.
    pub(crate) async fn held_changes(
        &self,
        run: &str,
        most: u32,
        masking: &Masking,
    ) -> Result<(Vec<Change>, u64), DbError> {
        let all: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM held_change h JOIN import_run r ON r.id = h.run WHERE h.run = ?1 AND r.outcome IN ('held', 'dry_run')",
        )
        .bind(run)
        .fetch_one(&self.reader)
        .await?;
        let rows = sqlx::query(
            "SELECT h.kind, h.key, h.fields, p.fields AS stored FROM held_change h JOIN import_run r ON r.id = h.run
             LEFT JOIN person p ON p.tenant = r.tenant AND p.environment = r.environment AND p.source = r.source AND p.key = h.key
             WHERE h.run = ?1 AND r.outcome IN ('held', 'dry_run') ORDER BY h.kind <> 'leaver', h.position LIMIT ?2",
        )
        .bind(run)
        .bind(most)
        .fetch_all(&self.reader)
        .await?;
        let changes = rows
            .iter()
            .map(|row| {
                let fields: FieldChanges = from_json("held_change.fields", row.try_get("fields")?)?;
                Ok(Change {
                    kind: ChangeKind::parse(row.try_get("kind")?)
                        .ok_or(DbError::Value { column: "kind" })?,
                    employee_id: row.try_get("key")?,
                    name: change::name(row.try_get("stored")?, &fields)?,
                    fields: fields.masked(masking),
                })
            })
            .collect::<Result<_, DbError>>()?;
        Ok((changes, count("held_change", all)?))
    }
}

/// Notes what a held run would do.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    run: &str,
    masking: &Masking,
    changes: impl Iterator<Item = Change>,
) -> Result<(), DbError> {
    let mut numbered = (0_i64..).zip(changes);
    loop {
        let batch: Vec<_> = numbered.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return Ok(());
        }
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO held_change (run, position, kind, key, fields) ",
        );
        insert.push_values(batch, |mut values, (position, change)| {
            values
                .push_bind(run)
                .push_bind(position)
                .push_bind(change.kind.as_str())
                .push_bind(change.employee_id)
                .push_bind(to_json(&change.fields.masked(masking)));
        });
        insert.build().execute(&mut *connection).await?;
    }
}

/// Forgets what earlier dry runs of the data source would have done: there is a newer one, or it is live.
pub(super) async fn forget_dry_runs(
    connection: &mut SqliteConnection,
    job: &LeasedJob,
) -> Result<(), DbError> {
    sqlx::query(
        "DELETE FROM held_change WHERE run IN (
             SELECT r.id FROM import_run r JOIN delivery d ON d.seq = r.delivery_seq
             WHERE r.tenant = ?1 AND r.environment = ?2 AND r.outcome = 'dry_run' AND d.source = ?3 AND d.seq < ?4)",
    )
    .bind(job.tenant.as_str())
    .bind(job.environment.as_str())
    .bind(&job.source)
    .bind(job.seq)
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets what these runs would have done.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    runs: &[String],
) -> Result<(), DbError> {
    sqlx::query("DELETE FROM held_change WHERE run IN (SELECT value FROM json_each(?1))")
        .bind(to_json(runs))
        .execute(connection)
        .await?;
    Ok(())
}
