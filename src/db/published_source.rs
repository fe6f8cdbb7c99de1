//! The table `published_source`: the data sources whose deliveries are applied, each with a digest of what an admin has confirmed.

use std::path::Path;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::{Db, DbError, instant, stamp};
use crate::mailbox::DeliveryId;
use crate::tenant::{Environment, TenantId};

/// A data source that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub tenant: TenantId,
    pub environment: Environment,
    pub source: String,
    /// Of what was confirmed. None: it was live before there was anything to confirm, and is so under what the configuration says now.
    pub terms: Option<String>,
    pub at: Timestamp,
    pub by: String,
}

/// The last data file of a data source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastDelivery {
    pub id: DeliveryId,
    pub file_name: String,
    pub received_at: Timestamp,
}

const ALL: &str =
    "SELECT tenant, environment, source, terms, published_at, published_by FROM published_source";

impl Db {
    /// Every published data source, also those that are not configured any more.
    pub async fn published_sources(&self) -> Result<Vec<Published>, DbError> {
        let rows = sqlx::query(ALL).fetch_all(&self.reader).await?;
        rows.iter().map(published).collect()
    }

    /// The same of the database at `path`, if there is one of this version. Makes, migrates and changes nothing: for a look beside another version.
    pub async fn peek_published(path: &Path) -> Option<Vec<Published>> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let mut connection = options.disable_statement_logging().connect().await.ok()?;
        let rows = sqlx::query(ALL).fetch_all(&mut connection).await.ok()?;
        connection.close().await.ok()?;
        rows.iter().map(published).collect::<Result<_, _>>().ok()
    }

    /// Whether and how a data source was published.
    pub async fn published(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
    ) -> Result<Option<Published>, DbError> {
        let row = sqlx::query(
            "SELECT tenant, environment, source, terms, published_at, published_by FROM published_source
             WHERE tenant = ?1 AND environment = ?2 AND source = ?3",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .fetch_optional(&self.reader)
        .await?;
        row.as_ref().map(published).transpose()
    }

    /// Publishes a data source under these terms.
    pub async fn publish(
        &self,
        (tenant, environment, source): (&TenantId, Environment, &str),
        terms: &str,
        by: &str,
    ) -> Result<(), DbError> {
        sqlx::query(
            "INSERT INTO published_source (tenant, environment, source, terms, published_at, published_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (tenant, environment, source) DO UPDATE
                 SET terms = excluded.terms, published_at = excluded.published_at, published_by = excluded.published_by",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .bind(terms)
        .bind(stamp(self.now()))
        .bind(by)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Takes the terms of a data source that was live before there were any.
    pub async fn adopt_terms(
        &self,
        (tenant, environment, source): (&TenantId, Environment, &str),
        terms: &str,
    ) -> Result<(), DbError> {
        sqlx::query(
            "UPDATE published_source SET terms = ?4 WHERE tenant = ?1 AND environment = ?2 AND source = ?3 AND terms IS NULL",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .bind(terms)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Takes a data source from the published ones; whether it was one.
    pub async fn unpublish(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
    ) -> Result<bool, DbError> {
        let gone = sqlx::query(
            "DELETE FROM published_source WHERE tenant = ?1 AND environment = ?2 AND source = ?3",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .execute(&self.writer)
        .await?;
        Ok(gone.rows_affected() > 0)
    }

    /// The last data file that came for a data source, whatever became of it.
    pub async fn last_delivery(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
    ) -> Result<Option<LastDelivery>, DbError> {
        let row = sqlx::query(
            "SELECT id, file_name, received_at FROM delivery
             WHERE tenant = ?1 AND environment = ?2 AND kind = 'data' AND source = ?3 ORDER BY seq DESC LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(source)
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let id = DeliveryId::parse(row.try_get("id")?);
        Ok(Some(LastDelivery {
            id: id.map_err(|_| DbError::Value { column: "id" })?,
            file_name: row.try_get("file_name")?,
            received_at: instant("received_at", row.try_get("received_at")?)?,
        }))
    }
}

fn published(row: &SqliteRow) -> Result<Published, DbError> {
    let refuse = |column| move |_| DbError::Value { column };
    Ok(Published {
        tenant: TenantId::parse(row.try_get("tenant")?).map_err(refuse("tenant"))?,
        environment: Environment::parse(row.try_get("environment")?)
            .map_err(refuse("environment"))?,
        source: row.try_get("source")?,
        terms: row.try_get("terms")?,
        at: instant("published_at", row.try_get("published_at")?)?,
        by: row.try_get("published_by")?,
    })
}

#[cfg(test)]
impl Db {
    /// As after the migration that made the table.
    pub(crate) async fn forget_terms(&self) {
        sqlx::query("UPDATE published_source SET terms = NULL")
            .execute(&self.writer)
            .await
            .unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::Bench;

    #[tokio::test]
    async fn a_data_source_is_published_for_its_environment_alone_and_unpublished_once() {
        let bench = Bench::new().await;
        let acme = bench.deliver("acme", "employees").await.tenant;
        let (db, production) = (&bench.db, Environment::Production);
        let place = (&acme, production, "employees");
        db.publish(place, "first", "ann").await.unwrap();
        db.publish(place, "second", "bob").await.unwrap();
        db.adopt_terms(place, "third").await.unwrap();
        let found = db.published(&acme, production, "employees").await.unwrap();
        let found = found.unwrap();
        assert_eq!(
            (found.terms.as_deref(), found.by.as_str()),
            (Some("second"), "bob")
        );
        assert_eq!(db.published_sources().await.unwrap(), [found]);
        for (environment, source) in [
            (Environment::Sandbox, "employees"),
            (production, "contractors"),
        ] {
            assert_eq!(
                db.published(&acme, environment, source).await.unwrap(),
                None
            );
        }
        assert!(db.unpublish(&acme, production, "employees").await.unwrap());
        assert!(!db.unpublish(&acme, production, "employees").await.unwrap());
        let last = db.last_delivery(&acme, production, "employees").await;
        assert_eq!(last.unwrap().unwrap().file_name, "/data/employees.csv");
        let none = db.last_delivery(&acme, production, "contractors").await;
        assert_eq!(none.unwrap(), None);
    }

    #[tokio::test]
    async fn what_was_applied_before_there_was_publishing_is_published() {
        use sqlx::sqlite::SqlitePool;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rosterd.db");
        let options = SqliteConnectOptions::new().filename(&path);
        // A dump has its tables by name, not by what they refer to.
        let options = options.create_if_missing(true).foreign_keys(false);
        let old = SqlitePool::connect_with(options);
        let old = old.await.unwrap();
        let dump = include_str!("../../tests/fixtures/db/0007.sql");
        sqlx::raw_sql(dump).execute(&old).await.unwrap();
        old.close().await;
        assert_eq!(Db::peek_published(&path).await, None, "it tells nothing");

        let db = Db::open(&path, std::sync::Arc::new(crate::clock::SystemClock));
        let db = db.await.unwrap();
        let published = db.published_sources().await.unwrap();
        let told = published
            .iter()
            .map(|it| (it.environment, it.source.as_str(), it.terms.as_deref()));
        assert_eq!(
            told.collect::<Vec<_>>(),
            Environment::ALL.map(|environment| (environment, "employees", None))
        );
        db.close().await;
        assert_eq!(Db::peek_published(&path).await, Some(published));
    }

    #[tokio::test]
    async fn a_look_at_a_database_that_is_not_there_makes_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rosterd.db");
        assert_eq!(Db::peek_published(&path).await, None);
        assert!(!path.try_exists().unwrap());
    }
}
