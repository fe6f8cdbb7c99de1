//! Retention of the history: an old change loses its values. That there was one, when, of which kind and in which fields stays.

use jiff::Timestamp;

use super::{Db, DbError, stamp};
use crate::tenant::{Environment, TenantId};

/// Changes emptied by one statement: nobody who writes waits long for it.
const BATCH: i64 = 1_000;

impl Db {
    /// Empties the changes of a tenant's runs that have ended before `before`, and says how many that were.
    pub async fn empty_changes(
        &self,
        tenant: &TenantId,
        environment: Environment,
        before: Timestamp,
    ) -> Result<u64, DbError> {
        let mut emptied = 0;
        // Those of a run go in their order, so the last one tells of them all.
        while let Some(run) = sqlx::query_scalar::<_, String>(
            "SELECT r.id FROM import_run r WHERE r.tenant = ?1 AND r.environment = ?2 AND r.outcome = 'applied' AND r.finished_at < ?3
                 AND (SELECT c.emptied FROM change c WHERE c.run = r.id ORDER BY c.id DESC LIMIT 1) = 0 LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(stamp(before))
        .fetch_optional(&self.reader)
        .await?
        {
            loop {
                let done = sqlx::query(
                    "UPDATE change SET emptied = 1, fields = (
                         SELECT coalesce(json_group_object(key, json('{\"from\":null,\"to\":null}')), '{}') FROM json_each(change.fields))
                     WHERE id IN (SELECT id FROM change WHERE run = ?1 AND emptied = 0 ORDER BY id LIMIT ?2)",
                )
                .bind(&run)
                .bind(BATCH)
                .execute(&self.writer)
                .await?;
                if done.rows_affected() == 0 {
                    break;
                }
                emptied += done.rows_affected();
            }
        }
        Ok(emptied)
    }
}
