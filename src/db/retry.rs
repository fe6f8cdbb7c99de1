//! The transaction that takes up a parked job again.

use sqlx::Row as _;

use super::{Db, DbError, run, stamp};
use crate::mailbox::DeliveryId;
use crate::queue::job::JobState;
use crate::report::run::Outcome;

/// What asking for another try of a parked job came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retrying {
    /// It is queued, with all its tries.
    Queued {
        delivery: DeliveryId,
    },
    /// A newer delivery of its data source has been judged since: applied now, it would bring back what was. It is superseded instead.
    Outdated,
    /// Only a parked job, whose run has failed, is tried again; this is what it is.
    NotParked(Outcome),
    Unknown,
}

impl Db {
    /// Queues a parked job again, as if it had never been tried.
    pub async fn retry_run(&self, id: &str) -> Result<Retrying, DbError> {
        let mut transaction = self.begin().await?;
        let row = sqlx::query(
            "SELECT r.delivery_seq, r.outcome, d.id AS delivery FROM import_run r JOIN delivery d ON d.seq = r.delivery_seq WHERE r.id = ?1 OR d.id = ?1",
        )
        .bind(id)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else {
            return Ok(Retrying::Unknown);
        };
        let seq: i64 = row.try_get("delivery_seq")?;
        let newer: Option<String> = sqlx::query_scalar(
            "SELECT n.id FROM delivery d JOIN delivery n ON n.tenant = d.tenant AND n.environment = d.environment AND n.kind = 'data' AND n.source = d.source
             JOIN import_run r ON r.delivery_seq = n.seq
             WHERE d.seq = ?1 AND n.seq > d.seq AND r.outcome IN ('applied', 'no_change', 'held', 'dry_run') ORDER BY n.seq DESC LIMIT 1",
        )
        .bind(seq)
        .fetch_optional(&mut *transaction)
        .await?;
        let state = if newer.is_none() {
            JobState::Queued
        } else {
            JobState::Done
        };
        let moved = sqlx::query(
            "UPDATE job SET state = ?2, attempts = 0, crashes = 0, not_before = NULL WHERE delivery_seq = ?1 AND state = 'parked'",
        )
        .bind(seq)
        .bind(state.as_str())
        .execute(&mut *transaction)
        .await?;
        if moved.rows_affected() == 0 {
            return Ok(Retrying::NotParked(run::outcome(&row)?));
        }
        let retrying = if let Some(newer) = newer {
            sqlx::query("UPDATE import_run SET outcome = 'superseded', reason = ?2, finished_at = ?3, reported = 0 WHERE delivery_seq = ?1 AND outcome = 'failed'")
                .bind(seq)
                .bind(run::superseded_by(&newer))
                .bind(stamp(self.now()))
                .execute(&mut *transaction)
                .await?;
            Retrying::Outdated
        } else {
            sqlx::query("UPDATE import_run SET outcome = 'queued', reason = NULL, finished_at = NULL WHERE delivery_seq = ?1 AND outcome = 'failed'")
                .bind(seq)
                .execute(&mut *transaction)
                .await?;
            let delivery = DeliveryId::parse(row.try_get("delivery")?);
            Retrying::Queued {
                delivery: delivery.map_err(|_| DbError::Value { column: "delivery" })?,
            }
        };
        transaction.commit().await?;
        Ok(retrying)
    }
}
