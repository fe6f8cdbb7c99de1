//! The table `roster_version`: moves with every applied run of a data source, so that a run notices when the roster it compared with is gone.

use sqlx::SqliteConnection;

use super::{Db, DbError, count, stored};
use crate::tenant::{Environment, TenantId};

impl Db {
    /// The version of a data source's part of the roster; 0 before anything was applied.
    pub async fn roster_version(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
    ) -> Result<u64, DbError> {
        let mut connection = self.reader.acquire().await?;
        version(&mut connection, tenant, environment, source).await
    }

    /// Moves whenever the roster of a tenant changes, in whichever data source.
    pub async fn whole_roster_version(
        &self,
        tenant: &TenantId,
        environment: Environment,
    ) -> Result<i64, DbError> {
        let version = sqlx::query_scalar(
            "SELECT coalesce(sum(version), 0) FROM roster_version WHERE tenant = ?1 AND environment = ?2",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .fetch_one(&self.reader)
        .await?;
        Ok(version)
    }
}

pub(super) async fn version(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    environment: Environment,
    source: &str,
) -> Result<u64, DbError> {
    let version: Option<i64> = sqlx::query_scalar(
        "SELECT version FROM roster_version WHERE tenant = ?1 AND environment = ?2 AND source = ?3",
    )
    .bind(tenant.as_str())
    .bind(environment.as_str())
    .bind(source)
    .fetch_optional(connection)
    .await?;
    count("version", version.unwrap_or_default())
}

/// Fails when the version is not `seen` any more.
pub(super) async fn expect(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    environment: Environment,
    source: &str,
    seen: u64,
) -> Result<(), DbError> {
    if version(connection, tenant, environment, source).await? == seen {
        Ok(())
    } else {
        Err(DbError::RosterMoved)
    }
}

/// Moves it on from `seen`.
pub(super) async fn advance(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    environment: Environment,
    source: &str,
    seen: u64,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO roster_version (tenant, environment, source, version) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (tenant, environment, source) DO UPDATE SET version = excluded.version",
    )
    .bind(tenant.as_str())
    .bind(environment.as_str())
    .bind(source)
    .bind(stored(seen + 1))
    .execute(connection)
    .await?;
    Ok(())
}
