//! Opening the database: what it is, whether it is sound, and bringing it up to date. Nothing is written into a file before it is known to be ours.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

use super::{Db, DbError, is_without_room, primary_code};
use crate::clock::SharedClock;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// `PRAGMA application_id` of a database of ours, set by the first migration.
const APPLICATION_ID: i64 = 0x726f_7374;
/// How long a writer waits for one in another process; the longest is an apply of a whole roster.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
const READERS: u32 = 4;
/// What a big apply has made of the write-ahead log shrinks to this again.
const LOG_LIMIT_BYTES: &str = "67108864";

impl Db {
    /// Opens the database at `path`, made when missing and brought up to date when old.
    pub async fn open(path: &Path, clock: SharedClock) -> Result<Self, DbError> {
        Self::open_patient(path, clock, BUSY_TIMEOUT).await
    }

    /// The same, waiting so long for other processes that write.
    pub(super) async fn open_patient(
        path: &Path,
        clock: SharedClock,
        patience: Duration,
    ) -> Result<Self, DbError> {
        let refuse = |source| refusal(path, source);
        create(path).map_err(|source| refuse(source.into()))?;
        look(path, patience).await?.close().await.map_err(refuse)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(patience)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("cache_size", "-8000")
            .pragma("journal_size_limit", LOG_LIMIT_BYTES)
            // What is deleted or changed is overwritten: whoever is erased is in no unused corner of the file either.
            .pragma("secure_delete", "ON");
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(patience * 4)
            // SQLite itself rolls back on a full disk. The driver does not know and would refuse every later transaction.
            .before_acquire(|connection, _| {
                Box::pin(async move { Ok(!connection.is_in_transaction()) })
            })
            .connect_with(options.clone())
            .await
            .map_err(refuse)?;
        let mut migrated = MIGRATIONS.run(&writer).await;
        if matches!(
            migrated,
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..))
        ) {
            // Another process may have been at it in the same moment.
            migrated = MIGRATIONS.run(&writer).await;
        }
        if let Err(source) = migrated {
            // Waited for, so that nothing of the attempt is left beside a database that is not for us.
            writer.close().await;
            return Err(not_migrated(path, source));
        }
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(patience)
            .connect_with(options)
            .await
            .map_err(refuse)?;
        Ok(Self {
            reader,
            writer,
            clock,
        })
    }

    /// Looks for damage, page by page; for after an end that was no orderly one. Changes nothing.
    pub async fn check(path: &Path) -> Result<(), DbError> {
        let mut connection = look(path, BUSY_TIMEOUT).await?;
        let found: Vec<String> = sqlx::query_scalar("PRAGMA quick_check(3)")
            .fetch_all(&mut connection)
            .await
            .map_err(|source| refusal(path, source))?;
        connection
            .close()
            .await
            .map_err(|source| refusal(path, source))?;
        match found.as_slice() {
            [only] if only == "ok" => Ok(()),
            damage => Err(DbError::Damaged {
                path: path.to_owned(),
                detail: damage.join("; ").replace('\n', " "),
            }),
        }
    }
}

/// A connection to what is ours, or still empty, which cannot write: before anything is set, nothing must change in somebody else's file.
pub(super) async fn look(path: &Path, patience: Duration) -> Result<SqliteConnection, DbError> {
    let refuse = |source| refusal(path, source);
    if path.is_dir() {
        return Err(DbError::Foreign {
            path: path.to_owned(),
        });
    }
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(patience)
        .read_only(true)
        // A snapshot and a check take as long as the database is big.
        .disable_statement_logging()
        .connect()
        .await
        .map_err(refuse)?;
    if is_ours(&mut connection).await.map_err(refuse)? {
        Ok(connection)
    } else {
        Err(DbError::Foreign {
            path: path.to_owned(),
        })
    }
}

/// Whether the file is ours or still empty.
async fn is_ours(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let id: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await?;
    let strangers: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE '\\_sqlx\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )
    .fetch_one(connection)
    .await?;
    Ok(id == APPLICATION_ID || (id == 0 && strangers == 0))
}

/// Why the file could not be opened.
fn refusal(path: &Path, source: sqlx::Error) -> DbError {
    let code = primary_code(&source);
    let path = path.to_owned();
    match code {
        // SQLITE_NOTADB
        Some(26) => DbError::Foreign { path },
        // SQLITE_CORRUPT
        Some(11) => DbError::Damaged {
            path,
            detail: source.to_string(),
        },
        // SQLITE_BUSY
        Some(5) => source.into(),
        _ if is_without_room(&source) => source.into(),
        _ => DbError::Open { path, source },
    }
}

fn not_migrated(path: &Path, source: MigrateError) -> DbError {
    let path = path.to_owned();
    match source {
        MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => {
            DbError::Newer { path }
        }
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)
            if !matches!(primary_code(&source), None | Some(1)) =>
        {
            refusal(&path, source)
        }
        source => DbError::Migrate { path, source },
    }
}

/// Makes an empty file that only rosterd's user can read, if there is none; `SQLite` gives its other files the same mode.
fn create(path: &Path) -> io::Result<()> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match created {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
impl Db {
    /// Makes the disk full for whoever writes more than so many pages, until the connection is made anew.
    pub(crate) async fn limit_pages(&self, more: Option<i64>) {
        let now: i64 = sqlx::query_scalar("PRAGMA page_count")
            .fetch_one(&self.writer)
            .await
            .unwrap();
        let most = more.map_or(4_294_967_294, |more| now + more);
        let pragma = format!("PRAGMA max_page_count = {most}");
        sqlx::query(sqlx::AssertSqlSafe(pragma))
            .execute(&self.writer)
            .await
            .unwrap();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;
    use std::sync::Arc;

    use super::*;
    use crate::clock::{Clock as _, SystemClock};
    use crate::db::NewDelivery;
    use crate::db::{NewKind, Recorded};
    use crate::mailbox::{DeliveryId, Fingerprint};
    use crate::tenant::{Environment, Mode, TenantId};

    async fn open(path: &Path) -> Db {
        let patience = Duration::from_millis(200);
        Db::open_patient(path, Arc::new(SystemClock), patience)
            .await
            .unwrap()
    }

    fn delivery() -> NewDelivery {
        let kind = NewKind::Data {
            source: "employees".to_owned(),
            mode: Mode::Full,
        };
        NewDelivery {
            id: DeliveryId::mint(),
            tenant: TenantId::parse("acme").unwrap(),
            environment: Environment::Production,
            kind,
            file_name: "/data/employees.csv".to_owned(),
            sha256: "ab".repeat(32),
            size_bytes: 12,
            received_at: SystemClock.now(),
            fingerprint: Fingerprint {
                inode: 1,
                size_bytes: 12,
                modified_ns: 1,
                changed_ns: 1,
            },
        }
    }

    #[tokio::test]
    async fn a_lock_that_is_held_for_too_long_is_named_as_such_and_forgotten_when_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rosterd.db");
        let (db, other) = (open(&path).await, open(&path).await);
        let held = other.begin().await.unwrap();
        let error = db.record_delivery(&delivery()).await.unwrap_err();
        assert!(matches!(error, DbError::Busy(_)), "{error:?}");
        assert_eq!(
            db.runs(None, 5).await.unwrap(),
            [],
            "reading waits for nobody"
        );
        let third = open(&path).await;
        third.ping().await.unwrap();
        drop(held);
        let recorded = db.record_delivery(&delivery()).await.unwrap();
        assert_eq!(recorded, Recorded::New);
    }

    #[tokio::test]
    async fn after_a_full_disk_every_statement_works_again_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&folder.path().join("rosterd.db")).await;
        let mut full = 0;
        for _ in 0..200 {
            db.limit_pages(Some(1)).await;
            let delivery = delivery();
            match db.record_delivery(&delivery).await {
                Ok(_) => continue,
                Err(error) => assert!(matches!(error, DbError::Full(_)), "{error:?}"),
            }
            full += 1;
            db.limit_pages(None).await;
            let recorded = db.record_delivery(&delivery).await.unwrap();
            assert_eq!(recorded, Recorded::New, "nothing of the first try is there");
        }
        assert!(full > 3, "the disk was full {full} times");
        assert_eq!(db.runs(None, 1000).await.unwrap().len(), 200);
    }

    #[tokio::test]
    async fn damage_is_found_and_soundness_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rosterd.db");
        let db = open(&path).await;
        for _ in 0..200 {
            db.record_delivery(&delivery()).await.unwrap();
        }
        db.close().await;
        Db::check(&path).await.unwrap();
        let whole = std::fs::read(&path).unwrap();
        let pages = whole.len() / 4096;
        let mut found = 0;
        for page in 1..pages {
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            file.write_all_at(&[0xa5; 4096], page as u64 * 4096)
                .unwrap();
            match Db::check(&path).await {
                Ok(()) => {}
                Err(DbError::Damaged { .. }) => found += 1,
                Err(error) => panic!("{error:?}"),
            }
            std::fs::write(&path, &whole).unwrap();
        }
        // A page that is free, or the leaf of an index, may hold anything.
        assert!(found * 2 > pages, "{found} of {pages}");
        Db::check(&path).await.unwrap();
    }

    #[tokio::test]
    async fn half_a_database_is_damaged_and_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rosterd.db");
        open(&path).await.close().await;
        let whole = std::fs::read(&path).unwrap();
        for length in [100, 4096, 5000, whole.len() / 2] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = Db::check(&path).await.unwrap_err();
            assert!(
                matches!(error, DbError::Damaged { .. } | DbError::Foreign { .. }),
                "{length}: {error:?}"
            );
            assert_eq!(std::fs::read(&path).unwrap(), whole[..length]);
        }
    }
}
