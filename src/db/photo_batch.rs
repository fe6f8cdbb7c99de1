//! The table `photo_batch`: how far each mailbox's photos were looked at, and the last batch of them that was told of.

use sqlx::{Row as _, SqliteConnection};

use super::{Db, DbError};
use crate::tenant::{Environment, TenantId};

/// How far a mailbox's photos were looked at and told of. In the beginning nothing was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PhotoProgress {
    /// Every photo up to this delivery was looked at.
    pub examined_seq: i64,
    pub last_batch: Option<ToldBatch>,
}

/// The last batch that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldBatch {
    /// Deliveries of its first and last photo.
    pub first_seq: i64,
    pub last_seq: i64,
    /// Of the roster that its photos were matched with.
    pub roster: i64,
    /// Digest of the report; none if there was nothing to tell.
    pub report: Option<String>,
}

impl Db {
    /// How far the photos of a mailbox were looked at and told of.
    pub async fn photo_progress(
        &self,
        tenant: &TenantId,
        environment: Environment,
    ) -> Result<PhotoProgress, DbError> {
        let row = sqlx::query(
            "SELECT examined_seq, first_seq, last_seq, roster, report FROM photo_batch WHERE tenant = ?1 AND environment = ?2",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else {
            return Ok(PhotoProgress::default());
        };
        let first: Option<i64> = row.try_get("first_seq")?;
        let last: Option<i64> = row.try_get("last_seq")?;
        let roster: Option<i64> = row.try_get("roster")?;
        let report = row.try_get("report")?;
        Ok(PhotoProgress {
            examined_seq: row.try_get("examined_seq")?,
            last_batch: first.zip(last).map(|(first_seq, last_seq)| ToldBatch {
                first_seq,
                last_seq,
                roster: roster.unwrap_or_default(),
                report,
            }),
        })
    }

    /// Notes that a batch was told of.
    pub async fn photos_told(
        &self,
        tenant: &TenantId,
        environment: Environment,
        batch: &ToldBatch,
    ) -> Result<(), DbError> {
        sqlx::query(
            "UPDATE photo_batch SET first_seq = ?3, last_seq = ?4, roster = ?5, report = ?6 WHERE tenant = ?1 AND environment = ?2",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(batch.first_seq)
        .bind(batch.last_seq)
        .bind(batch.roster)
        .bind(&batch.report)
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

/// Notes that every photo up to the delivery `through` was looked at.
pub(super) async fn examined(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    environment: Environment,
    through: i64,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO photo_batch (tenant, environment, examined_seq) VALUES (?1, ?2, ?3)
         ON CONFLICT (tenant, environment) DO UPDATE SET examined_seq = max(examined_seq, excluded.examined_seq)",
    )
    .bind(tenant.as_str())
    .bind(environment.as_str())
    .bind(through)
    .execute(connection)
    .await?;
    Ok(())
}
