//! The table `photo`: the photos that lie in the mailboxes, as they were last looked at.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{Db, DbError, from_json, photo_batch, to_json};
use crate::parse::finding::Finding;
use crate::parse::photo::Wish;
use crate::tenant::{Environment, TenantId};

/// A photo that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredPhoto {
    /// In the mailbox, as `/images/7.jpg`.
    pub path: String,
    /// By which these bytes came last.
    pub delivery_seq: i64,
    /// Lower-case hex.
    pub sha256: String,
    /// What was to be done with it.
    pub wish: Wish,
    /// Whether no finding refuses it.
    pub is_taken: bool,
    /// Name of the file that it was brought to.
    pub conformed: Option<String>,
    pub findings: Vec<Finding>,
}

impl Db {
    /// Every photo of a mailbox, by path.
    pub async fn photos(
        &self,
        tenant: &TenantId,
        environment: Environment,
    ) -> Result<Vec<StoredPhoto>, DbError> {
        let rows = sqlx::query(
            "SELECT path, delivery_seq, sha256, wish, taken, conformed, findings FROM photo WHERE tenant = ?1 AND environment = ?2 ORDER BY path",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(stored_photo).collect()
    }

    /// The photo at `path`.
    pub async fn photo(
        &self,
        tenant: &TenantId,
        environment: Environment,
        path: &str,
    ) -> Result<Option<StoredPhoto>, DbError> {
        let row = sqlx::query(
            "SELECT path, delivery_seq, sha256, wish, taken, conformed, findings FROM photo WHERE tenant = ?1 AND environment = ?2 AND path = ?3",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(path)
        .fetch_optional(&self.reader)
        .await?;
        row.as_ref().map(stored_photo).transpose()
    }

    /// The next photos behind `after` that were looked at when the tenant wanted something else.
    pub async fn photos_looked_at_otherwise(
        &self,
        tenant: &TenantId,
        environment: Environment,
        wish: Wish,
        after: &str,
        limit: u32,
    ) -> Result<Vec<StoredPhoto>, DbError> {
        let rows = sqlx::query(
            "SELECT path, delivery_seq, sha256, wish, taken, conformed, findings FROM photo
             WHERE tenant = ?1 AND environment = ?2 AND path > ?3 AND wish <> ?4 ORDER BY path LIMIT ?5",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(after)
        .bind(wish.as_str())
        .bind(limit)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(stored_photo).collect()
    }

    /// Stores what photos came to, forgets those that are gone, and notes that all up to the delivery `through` were looked at.
    pub async fn store_photos(
        &self,
        tenant: &TenantId,
        environment: Environment,
        photos: &[StoredPhoto],
        gone: &[String],
        through: i64,
    ) -> Result<(), DbError> {
        let mut transaction = self.begin().await?;
        for photo in photos {
            store(&mut transaction, tenant, environment, photo).await?;
        }
        for path in gone {
            sqlx::query("DELETE FROM photo WHERE tenant = ?1 AND environment = ?2 AND path = ?3")
                .bind(tenant.as_str())
                .bind(environment.as_str())
                .bind(path)
                .execute(&mut *transaction)
                .await?;
        }
        photo_batch::examined(&mut transaction, tenant, environment, through).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets these files that photos were brought to, because they are not there any more: the photos are to be looked at again.
    pub async fn forget_conformed(
        &self,
        tenant: &TenantId,
        environment: Environment,
        names: &[String],
    ) -> Result<(), DbError> {
        sqlx::query(
            "UPDATE photo SET conformed = NULL, wish = ?4 WHERE tenant = ?1 AND environment = ?2 AND conformed IN (SELECT value FROM json_each(?3))",
        )
        .bind(tenant.as_str())
        .bind(environment.as_str())
        .bind(to_json(names))
        .bind(Wish::Tell.as_str())
        .execute(&self.writer)
        .await?;
        Ok(())
    }
}

async fn store(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    environment: Environment,
    photo: &StoredPhoto,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO photo (tenant, environment, path, delivery_seq, sha256, wish, taken, conformed, findings) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (tenant, environment, path) DO UPDATE SET delivery_seq = excluded.delivery_seq, sha256 = excluded.sha256, wish = excluded.wish,
             taken = excluded.taken, conformed = excluded.conformed, findings = excluded.findings",
    )
    .bind(tenant.as_str())
    .bind(environment.as_str())
    .bind(&photo.path)
    .bind(photo.delivery_seq)
    .bind(&photo.sha256)
    .bind(photo.wish.as_str())
    .bind(photo.is_taken)
    .bind(&photo.conformed)
    .bind(to_json(&photo.findings))
    .execute(connection)
    .await?;
    Ok(())
}

fn stored_photo(row: &SqliteRow) -> Result<StoredPhoto, DbError> {
    Ok(StoredPhoto {
        path: row.try_get("path")?,
        delivery_seq: row.try_get("delivery_seq")?,
        sha256: row.try_get("sha256")?,
        wish: Wish::parse(row.try_get("wish")?).ok_or(DbError::Value { column: "wish" })?,
        is_taken: row.try_get("taken")?,
        conformed: row.try_get("conformed")?,
        findings: from_json("photo.findings", row.try_get("findings")?)?,
    })
}
