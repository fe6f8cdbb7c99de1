//! The table `paused_source`: data sources whose files wait for a person, each one.

use jiff::Timestamp;
use sqlx::{Row as _, SqliteConnection};

use super::{Db, DbError, instant, stamp};
use crate::tenant::{Environment, TenantId};

/// Why and since when a data source is paused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    pub paused_at: Timestamp,
    pub asked_by: Option<String>,
    /// The run that was taken back; none where somebody wanted a pause.
    pub undone: Option<String>,
}

impl Pause {
    /// Why a file of the data source waits, for the tenant's eyes too.
    pub fn reason(&self) -> String {
        let because = match &self.undone {
            Some(run) => format!(", because the run {run} was taken back"),
            None => String::new(),
        };
        format!(
            "The data source is paused since {:.0}{because}",
            self.paused_at
        )
    }
}

impl Db {
    /// The pause that a data source is in.
    pub async fn pause(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
    ) -> Result<Option<Pause>, DbError> {
        let row = sqlx::query(
            "SELECT paused_at, asked_by, undone FROM paused_source WHERE tenant = ?1 AND environment = ?2 AND source = ?3",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| {
            Ok(Pause {
                paused_at: instant("paused_at", row.try_get("paused_at")?)?,
                asked_by: row.try_get("asked_by")?,
                undone: row.try_get("undone")?,
            })
        })
        .transpose()
    }

    /// Pauses a data source because somebody wants it. False: it is paused already.
    pub async fn pause_source(
        &self,
        (tenant, environment, source): (&TenantId, Environment, &str),
        asked_by: &str,
    ) -> Result<bool, DbError> {
        let mut connection = self.writer.acquire().await?;
        let owner = (tenant, environment, source);
        begin(&mut connection, owner, self.now(), asked_by, None).await
    }

    /// Lets the files of a data source in again. False: it was not paused.
    pub async fn resume_source(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
    ) -> Result<bool, DbError> {
        let resumed = sqlx::query(
            "DELETE FROM paused_source WHERE tenant = ?1 AND environment = ?2 AND source = ?3",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .execute(&self.writer)
        .await?;
        Ok(resumed.rows_affected() == 1)
    }
}

/// Pauses a data source, if it is not paused already.
pub(super) async fn begin(
    connection: &mut SqliteConnection,
    (tenant, environment, source): (&TenantId, Environment, &str),
    now: Timestamp,
    asked_by: &str,
    undone: Option<&str>,
) -> Result<bool, DbError> {
    let paused = sqlx::query(
        "INSERT INTO paused_source (tenant, environment, source, paused_at, asked_by, undone) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (tenant, environment, source) DO NOTHING",
    )
    .bind(tenant.as_str())
    .bind(environment.as_str())
    .bind(source)
    .bind(stamp(now))
    .bind(asked_by)
    .bind(undone)
    .execute(connection)
    .await?;
    Ok(paused.rows_affected() == 1)
}
