//! What a backup reads of a database that others write, and what a restore puts right in one that has come to another place.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::open::look;
use super::{Db, DbError, Seen, count, stored};
use crate::mailbox::Fingerprint;

/// A snapshot waits for no writer; only the recovery after a crash holds it up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tenant, environment and path of a mailbox file.
type Place = (String, String, String);

/// The database as it is now, whoever writes it. Never writes, and never brings it up to date: an older daemon may be running.
#[derive(Debug)]
pub struct Live(SqliteConnection);

impl Live {
    /// Opens it.
    pub async fn open(path: &Path) -> Result<Self, DbError> {
        Ok(Self(look(path, PATIENCE).await?))
    }

    /// Writes all that is committed into the file `to`, which must be empty or missing. Writers are not held up.
    pub async fn snapshot(&mut self, to: &Path) -> Result<(), DbError> {
        sqlx::query("VACUUM INTO ?1")
            .bind(to.to_string_lossy().into_owned())
            .execute(&mut self.0)
            .await?;
        Ok(())
    }

    /// Of these deliveries, those that are recorded by now.
    pub async fn known<'i>(
        &mut self,
        ids: impl IntoIterator<Item = &'i str>,
    ) -> Result<HashSet<String>, DbError> {
        let mut known = HashSet::new();
        for id in ids {
            let found: Option<String> = sqlx::query_scalar("SELECT id FROM delivery WHERE id = ?1")
                .bind(id)
                .fetch_optional(&mut self.0)
                .await?;
            known.extend(found);
        }
        Ok(known)
    }

    /// Whether a file with these bytes was ever taken up there.
    pub async fn was_delivered(&mut self, place: &Place, sha256: &str) -> Result<bool, DbError> {
        let (tenant, environment, path) = place;
        let found = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM delivery WHERE tenant = ?1 AND environment = ?2 AND file_name = ?3 AND sha256 = ?4)",
        )
        .bind(tenant)
        .bind(environment)
        .bind(path)
        .bind(sha256)
        .fetch_one(&mut self.0)
        .await?;
        Ok(found)
    }

    /// How the mailbox files looked when they were last taken up.
    pub async fn seen(&mut self) -> Result<HashMap<Place, Seen>, DbError> {
        let rows = sqlx::query(
            "SELECT tenant, environment, path, inode, size_bytes, modified_ns, changed_ns, sha256 FROM seen_file",
        )
        .fetch_all(&mut self.0)
        .await?;
        rows.iter()
            .map(|row| {
                let place = (
                    row.try_get("tenant")?,
                    row.try_get("environment")?,
                    row.try_get("path")?,
                );
                let fingerprint = Fingerprint {
                    inode: row.try_get::<i64, _>("inode")?.cast_unsigned(),
                    size_bytes: count("size_bytes", row.try_get("size_bytes")?)?,
                    modified_ns: row.try_get("modified_ns")?,
                    changed_ns: row.try_get("changed_ns")?,
                };
                let sha256 = row.try_get("sha256")?;
                Ok((
                    place,
                    Seen {
                        fingerprint,
                        sha256,
                    },
                ))
            })
            .collect()
    }
}

/// A data delivery, which has a copy in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    pub id: String,
    pub tenant: String,
    pub environment: String,
    pub sha256: String,
    /// Its run may still want the copy; else the copy may have been removed.
    pub is_needed: bool,
}

/// What a snapshot holds.
#[derive(Debug)]
pub struct Snapshot {
    /// Data deliveries.
    pub copies: Vec<Copied>,
    /// All deliveries, photos too.
    pub deliveries: HashSet<String>,
    pub runs: u64,
}

impl Snapshot {
    /// Reads one.
    pub async fn read(path: &Path) -> Result<Self, DbError> {
        let mut connection = look(path, PATIENCE).await?;
        let rows = sqlx::query(
            "SELECT d.id, d.tenant, d.environment, d.kind, d.sha256, coalesce(r.outcome IN ('queued', 'running', 'held', 'failed'), 0) AS needed
             FROM delivery d LEFT JOIN import_run r ON r.delivery_seq = d.seq ORDER BY d.seq",
        )
        .fetch_all(&mut connection)
        .await?;
        let mut copies = Vec::new();
        let mut deliveries = HashSet::new();
        for row in rows {
            let id: String = row.try_get("id")?;
            if row.try_get::<&str, _>("kind")? == "data" {
                copies.push(Copied {
                    id: id.clone(),
                    tenant: row.try_get("tenant")?,
                    environment: row.try_get("environment")?,
                    sha256: row.try_get("sha256")?,
                    is_needed: row.try_get("needed")?,
                });
            }
            deliveries.insert(id);
        }
        let runs = sqlx::query_scalar("SELECT count(*) FROM import_run")
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(Self {
            copies,
            deliveries,
            runs: count("runs", runs)?,
        })
    }
}

impl Db {
    /// Makes a snapshot at home in the place it was brought to: mailbox files with the bytes that were last taken up there are known under their new
    /// looks, and what was running when the snapshot was made waits for its next try, which that one does not count against.
    pub async fn settle_in<'f>(
        &self,
        files: impl IntoIterator<Item = (&'f Place, &'f Seen)>,
    ) -> Result<(), DbError> {
        let mut transaction = self.begin().await?;
        for ((tenant, environment, path), seen) in files {
            let looks = seen.fingerprint;
            sqlx::query(
                "UPDATE seen_file SET inode = ?5, size_bytes = ?6, modified_ns = ?7, changed_ns = ?8
                 WHERE tenant = ?1 AND environment = ?2 AND path = ?3 AND sha256 = ?4",
            )
            .bind(tenant)
            .bind(environment)
            .bind(path)
            .bind(&seen.sha256)
            .bind(looks.inode.cast_signed())
            .bind(stored(looks.size_bytes))
            .bind(looks.modified_ns)
            .bind(looks.changed_ns)
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query(
            "UPDATE import_run SET outcome = 'queued' WHERE outcome = 'running' AND delivery_seq IN (SELECT delivery_seq FROM job WHERE state = 'running')",
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "UPDATE job SET state = 'queued', attempts = max(attempts - 1, 0), owner = NULL, leased_until = NULL WHERE state = 'running'",
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}
