//! The table `accepted_shape`: the form of the last accepted file of each data source.

use sqlx::{Row as _, SqliteConnection};

use super::{Db, DbError};
use crate::parse::check::drift::Shape;
use crate::tenant::{Environment, TenantId};

impl Db {
    /// The form of the last accepted file; none if there was none yet.
    pub async fn accepted_shape(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
    ) -> Result<Option<Shape>, DbError> {
        let row = sqlx::query(
            "SELECT shape FROM accepted_shape WHERE tenant = ?1 AND environment = ?2 AND source = ?3",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let text: String = row.try_get("shape")?;
        let shape = serde_json::from_str(&text);
        shape
            .map(Some)
            .map_err(|_| DbError::Value { column: "shape" })
    }
}

/// Keeps the form of a file that is accepted just now.
pub(super) async fn keep(
    connection: &mut SqliteConnection,
    (tenant, environment, source): (&TenantId, Environment, &str),
    run: &str,
    shape: &Shape,
) -> Result<(), DbError> {
    let text = serde_json::to_string(shape).map_err(|_| DbError::Value { column: "shape" })?;
    sqlx::query(
        "INSERT INTO accepted_shape (tenant, environment, source, run, shape) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (tenant, environment, source) DO UPDATE SET run = excluded.run, shape = excluded.shape",
    )
    .bind(tenant.as_str())
    .bind(environment.as_str())
    .bind(source)
    .bind(run)
    .bind(text)
    .execute(connection)
    .await?;
    Ok(())
}
