//! The table `delivery`: what came in, in the order of arrival.

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::seen_file::{self, Seen};
use super::{Db, DbError, count, instant, pass, stamp, stored};
use crate::failpoint::Point;
use crate::mailbox::{DeliveryId, Fingerprint};
use crate::tenant::{Environment, Mode, TenantId};

/// A claimed file, its copy already in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    pub id: DeliveryId,
    pub tenant: TenantId,
    pub environment: Environment,
    pub kind: NewKind,
    /// Path in the mailbox, as `/data/employees.csv`.
    pub file_name: String,
    /// Lower-case hex.
    pub sha256: String,
    pub size_bytes: u64,
    pub received_at: Timestamp,
    /// How the mailbox file looked when it was copied.
    pub fingerprint: Fingerprint,
}

/// What a delivery holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewKind {
    Data {
        source: String,
        mode: Mode,
    },
    Photo {
        format: Option<String>,
        width: Option<u32>,
        height: Option<u32>,
    },
}

/// A photo that was taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoDelivery {
    /// In the order of arrival, of all deliveries.
    pub seq: i64,
    pub id: String,
    /// Path in the mailbox.
    pub path: String,
    /// Lower-case hex.
    pub sha256: String,
    pub received_at: Timestamp,
}

/// What recording a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is there now, and a data delivery has its run and its job.
    New,
    /// It was there before: intake died between recording it and emptying the spool.
    Known,
}

/// Asked at every scrape, and read from an index alone.
pub(super) const LAST_DELIVERIES: &str = "SELECT tenant, environment, max(received_at) AS last FROM delivery WHERE kind = 'data' GROUP BY tenant, environment";

/// Asked of every mailbox at every look: read from the index by place alone when there is nothing new.
pub(super) const PHOTO_DELIVERIES: &str = "SELECT seq, id, file_name, sha256, received_at FROM delivery
     WHERE tenant = ?1 AND environment = ?2 AND kind = 'photo' AND source IS NULL AND seq > ?3 AND seq <= ?4 ORDER BY seq LIMIT ?5";

impl Db {
    /// Records a delivery, the look of its file, and for data its run and job: all in one transaction, once per id.
    pub async fn record_delivery(&self, delivery: &NewDelivery) -> Result<Recorded, DbError> {
        let received = stamp(delivery.received_at);
        let (source, mode, format, width, height) = match &delivery.kind {
            NewKind::Data { source, mode } => {
                (Some(source.as_str()), Some(*mode), None, None, None)
            }
            NewKind::Photo {
                format,
                width,
                height,
            } => (None, None, format.as_deref(), *width, *height),
        };
        let mut transaction = self.begin().await?;
        pass(Point::DeliveryRow).await?;
        let seq: Option<i64> = sqlx::query_scalar(
            "INSERT INTO delivery (id, tenant, environment, kind, source, mode, file_name, sha256, size_bytes, received_at, photo_format, photo_width, photo_height)
             VALUES (?1, ?2, ?3, iif(?4 IS NULL, 'photo', 'data'), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT (id) DO NOTHING RETURNING seq",
        )
        .bind(delivery.id.as_str())
        .bind(delivery.tenant.as_str())
        .bind(delivery.environment.as_str())
        .bind(source)
        .bind(mode.map(Mode::as_str))
        .bind(&delivery.file_name)
        .bind(&delivery.sha256)
        .bind(stored(delivery.size_bytes))
        .bind(&received)
        .bind(format)
        .bind(width)
        .bind(height)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(seq) = seq else {
            return Ok(Recorded::Known);
        };
        seen_file::note(
            &mut transaction,
            &delivery.tenant,
            delivery.environment,
            &delivery.file_name,
            &Seen {
                fingerprint: delivery.fingerprint,
                sha256: delivery.sha256.clone(),
            },
        )
        .await?;
        if let NewKind::Data { source, mode } = &delivery.kind {
            pass(Point::RunRow).await?;
            sqlx::query(
                "INSERT INTO import_run (id, delivery_seq, tenant, environment, source, outcome) VALUES (?1, ?2, ?3, ?4, ?5, 'queued')",
            )
            .bind(uuid::Uuid::now_v7().to_string())
            .bind(seq)
            .bind(delivery.tenant.as_str())
            .bind(delivery.environment.as_str())
            .bind(source)
            .execute(&mut *transaction)
            .await?;
            pass(Point::JobRow).await?;
            sqlx::query(
                "INSERT INTO job (delivery_seq, tenant, environment, source, mode, state) VALUES (?1, ?2, ?3, ?4, ?5, 'queued')",
            )
            .bind(seq)
            .bind(delivery.tenant.as_str())
            .bind(delivery.environment.as_str())
            .bind(source)
            .bind(mode.as_str())
            .execute(&mut *transaction)
            .await?;
        }
        pass(Point::DeliveryCommit).await?;
        transaction.commit().await?;
        Ok(Recorded::New)
    }

    /// The next photos of a mailbox behind the delivery `after` and up to `through`, in the order of arrival.
    pub async fn photo_deliveries(
        &self,
        tenant: &TenantId,
        environment: Environment,
        (after, through): (i64, i64),
        limit: u32,
    ) -> Result<Vec<PhotoDelivery>, DbError> {
        let rows = sqlx::query(PHOTO_DELIVERIES)
            .bind(tenant.as_str())
            .bind(environment.as_str())
            .bind(after)
            .bind(through)
            .bind(limit)
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(photo_delivery).collect()
    }

    /// The last photo of a mailbox up to the delivery `through`.
    pub async fn last_photo_delivery(
        &self,
        tenant: &TenantId,
        environment: Environment,
        through: i64,
    ) -> Result<Option<PhotoDelivery>, DbError> {
        let row = sqlx::query(
            "SELECT seq, id, file_name, sha256, received_at FROM delivery
             WHERE tenant = ?1 AND environment = ?2 AND kind = 'photo' AND source IS NULL AND seq <= ?3 ORDER BY seq DESC LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(through)
        .fetch_optional(&self.reader)
        .await?;
        row.as_ref().map(photo_delivery).transpose()
    }

    /// How many photos of a mailbox were taken up after the delivery `after`.
    pub async fn photos_waiting(
        &self,
        tenant: &TenantId,
        environment: Environment,
        after: i64,
    ) -> Result<u64, DbError> {
        let waiting = sqlx::query_scalar(
            "SELECT count(*) FROM delivery WHERE tenant = ?1 AND environment = ?2 AND kind = 'photo' AND source IS NULL AND seq > ?3",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(after)
        .fetch_one(&self.reader)
        .await?;
        count("photos", waiting)
    }

    /// Where photos were taken up after the delivery `after`, and the last delivery of all.
    pub async fn photos_since(
        &self,
        after: i64,
    ) -> Result<(Vec<(TenantId, Environment)>, i64), DbError> {
        let last: i64 = sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM delivery")
            .fetch_one(&self.reader)
            .await?;
        let rows = sqlx::query(
            "SELECT DISTINCT tenant, environment FROM delivery WHERE seq > ?1 AND seq <= ?2 AND +kind = 'photo'",
        )
        .bind(after)
        .bind(last)
        .fetch_all(&self.reader)
        .await?;
        let places = rows.iter().map(place).collect::<Result<_, _>>()?;
        Ok((places, last))
    }

    /// When the last data file came, by tenant and environment.
    pub async fn last_deliveries(
        &self,
    ) -> Result<Vec<(TenantId, Environment, Timestamp)>, DbError> {
        let rows = sqlx::query(LAST_DELIVERIES).fetch_all(&self.reader).await?;
        rows.iter()
            .map(|row| {
                let (tenant, environment) = place(row)?;
                Ok((
                    tenant,
                    environment,
                    instant("received_at", row.try_get("last")?)?,
                ))
            })
            .collect()
    }
}

fn place(row: &SqliteRow) -> Result<(TenantId, Environment), DbError> {
    let tenant = TenantId::parse(row.try_get("tenant")?);
    let environment = Environment::parse(row.try_get("environment")?);
    Ok((
        tenant.map_err(|_| DbError::Value { column: "tenant" })?,
        environment.map_err(|_| DbError::Value {
            column: "environment",
        })?,
    ))
}

fn photo_delivery(row: &SqliteRow) -> Result<PhotoDelivery, DbError> {
    Ok(PhotoDelivery {
        seq: row.try_get("seq")?,
        id: row.try_get("id")?,
        path: row.try_get("file_name")?,
        sha256: row.try_get("sha256")?,
        received_at: instant("received_at", row.try_get("received_at")?)?,
    })
}
