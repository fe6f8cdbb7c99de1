//! The table `seen_file`: how each mailbox file looked when it was last taken up, so that it is taken up once.

use sqlx::{Row as _, SqliteConnection};

use super::{Db, DbError, count, pass, stored};
use crate::failpoint::Point;
use crate::mailbox::Fingerprint;
use crate::tenant::{Environment, TenantId};

/// A file as it was when it was last taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub fingerprint: Fingerprint,
    /// Lower-case hex.
    pub sha256: String,
}

impl Db {
    /// How the file at `path` (as `/data/employees.csv`) looked when it was last taken up.
    pub async fn seen_file(
        &self,
        tenant: &TenantId,
        environment: Environment,
        path: &str,
    ) -> Result<Option<Seen>, DbError> {
        let row = sqlx::query(
            "SELECT inode, size_bytes, modified_ns, changed_ns, sha256 FROM seen_file WHERE tenant = ?1 AND environment = ?2 AND path = ?3",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(path)
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| {
            Ok(Seen {
                fingerprint: Fingerprint {
                    inode: row.try_get::<i64, _>("inode")?.cast_unsigned(),
                    size_bytes: count("size_bytes", row.try_get("size_bytes")?)?,
                    modified_ns: row.try_get("modified_ns")?,
                    changed_ns: row.try_get("changed_ns")?,
                },
                sha256: row.try_get("sha256")?,
            })
        })
        .transpose()
    }

    /// Notes how the file at `path` looks now, without a delivery: only its times have changed.
    pub async fn note_seen(
        &self,
        tenant: &TenantId,
        environment: Environment,
        path: &str,
        seen: &Seen,
    ) -> Result<(), DbError> {
        let mut connection = self.writer.acquire().await?;
        note(&mut connection, tenant, environment, path, seen).await
    }
}

/// The statement behind [`Db::note_seen`], within a transaction or alone.
pub(super) async fn note(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    environment: Environment,
    path: &str,
    seen: &Seen,
) -> Result<(), DbError> {
    pass(Point::SeenRow).await?;
    sqlx::query(
        "INSERT INTO seen_file (tenant, environment, path, inode, size_bytes, modified_ns, changed_ns, sha256)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (tenant, environment, path) DO UPDATE SET
             inode = excluded.inode, size_bytes = excluded.size_bytes, modified_ns = excluded.modified_ns, changed_ns = excluded.changed_ns, sha256 = excluded.sha256",
    )
    .bind(tenant.as_str())
    .bind(environment.as_str())
    .bind(path)
    .bind(seen.fingerprint.inode.cast_signed())
    .bind(stored(seen.fingerprint.size_bytes))
    .bind(seen.fingerprint.modified_ns)
    .bind(seen.fingerprint.changed_ns)
    .bind(&seen.sha256)
    .execute(connection)
    .await?;
    Ok(())
}
