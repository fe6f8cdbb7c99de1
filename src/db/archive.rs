//! What intake asks about deliveries before it touches their copies in the archive.

use std::collections::BTreeSet;

use super::{Db, DbError};
use crate::mailbox::DeliveryId;

impl Db {
    /// Whether this delivery was recorded: its copy in the archive must not be touched again.
    pub async fn has_delivery(&self, id: &DeliveryId) -> Result<bool, DbError> {
        let known = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM delivery WHERE id = ?1)")
            .bind(id.as_str())
            .fetch_one(&self.reader)
            .await?;
        Ok(known)
    }

    /// Deliveries whose run may still want their copy: everything that has come to no verdict, with what was given up for a fault of ours.
    pub async fn unsettled_deliveries(&self) -> Result<BTreeSet<String>, DbError> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT delivery.id FROM import_run JOIN delivery ON delivery.seq = import_run.delivery_seq
             WHERE import_run.outcome IN ('queued', 'running', 'held', 'failed')",
        )
        .fetch_all(&self.reader)
        .await?;
        Ok(ids.into_iter().collect())
    }
}
