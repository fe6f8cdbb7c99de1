//! All SQL, one file per table; nothing else knows there is a database.
//!
//! `SQLite` in WAL mode with full synchronisation: what was committed survives a power loss. One connection writes, a few read, so that no two
//! writers of this process meet; writers of other processes (the command line) are waited for.
//! Instants are stored as RFC 3339 UTC text with milliseconds, which sorts as time does.

mod archive;
mod change;
mod delivery;
mod finding;
mod held_change;
mod job;
mod person;
mod retry;
mod roster_version;
mod run;
mod seen_file;
mod settle;

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, SqliteConnection, Transaction};

pub use delivery::{NewDelivery, NewKind, Recorded};
pub use job::{Claim, GivenUp};
pub use person::Page;
pub use retry::Retrying;
pub use run::Decision;
pub use seen_file::Seen;
pub use settle::Verdict;

use crate::clock::SharedClock;
use crate::failpoint::{self, Point};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// `PRAGMA application_id` of a database of ours, set by the first migration.
const APPLICATION_ID: i64 = 0x726f_7374;
/// How long a writer waits for one in another process; the longest is an apply of a whole roster.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
const READERS: u32 = 4;

/// The database.
#[derive(Debug, Clone)]
pub struct Db {
    reader: SqlitePool,
    writer: SqlitePool,
    clock: SharedClock,
}

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error(
        "cannot open the database {path}: its folder must exist and rosterd's user must be able to write it"
    )]
    Open {
        path: PathBuf,
        #[source]
        source: sqlx::Error,
    },
    #[error(
        "{path} is not a database of rosterd: move it away, or let database.url name another file"
    )]
    Foreign { path: PathBuf },
    #[error(
        "the database {path} was written by a newer rosterd: run that version, or restore a backup made by this one"
    )]
    Newer { path: PathBuf },
    #[error("cannot bring the database {path} up to date")]
    Migrate {
        path: PathBuf,
        #[source]
        source: MigrateError,
    },
    #[error("a database statement failed")]
    Statement(#[from] sqlx::Error),
    /// Written by something else than this version.
    #[error("the database holds a value in {column} that rosterd did not write")]
    Value { column: &'static str },
    /// Another process has taken the job over, because its lease had expired.
    #[error("the lease of this job was lost to another worker")]
    LeaseLost,
    /// The roster was changed by another run since it was read.
    #[error("the roster has changed while the file was read")]
    RosterMoved,
}

impl Db {
    /// Opens the database at `path`, made when missing and brought up to date when old.
    pub async fn open(path: &Path, clock: SharedClock) -> Result<Self, DbError> {
        let refuse = |source| open_error(path, source);
        let plain = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(BUSY_TIMEOUT);
        create(path).map_err(|source| refuse(source.into()))?;
        // Looked at before anything is set, which would write into somebody else's file.
        let mut look = plain.connect().await.map_err(refuse)?;
        let is_ours = is_ours(&mut look).await.map_err(refuse)?;
        look.close().await.map_err(refuse)?;
        if !is_ours {
            return Err(DbError::Foreign {
                path: path.to_owned(),
            });
        }
        let options = plain
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("cache_size", "-8000");
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(BUSY_TIMEOUT * 4)
            .connect_with(options.clone())
            .await
            .map_err(refuse)?;
        match MIGRATIONS.run(&writer).await {
            Ok(()) => {}
            Err(MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..)) => {
                return Err(DbError::Newer {
                    path: path.to_owned(),
                });
            }
            Err(source) => {
                return Err(DbError::Migrate {
                    path: path.to_owned(),
                    source,
                });
            }
        }
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_with(options)
            .await
            .map_err(refuse)?;
        Ok(Self {
            reader,
            writer,
            clock,
        })
    }

    /// Whether the database answers, for `/readyz`.
    pub async fn ping(&self) -> Result<(), DbError> {
        sqlx::query("SELECT 1").execute(&self.reader).await?;
        Ok(())
    }

    /// Ends every connection, and with the last one of all processes the write-ahead log.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// A transaction that may write from its first statement on, so that it never fails half-way for want of the lock.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, DbError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn open_error(path: &Path, source: sqlx::Error) -> DbError {
    let path = path.to_owned();
    let code = source
        .as_database_error()
        .and_then(|error| error.code().map(Cow::into_owned));
    // SQLITE_NOTADB
    if code.as_deref() == Some("26") {
        DbError::Foreign { path }
    } else {
        DbError::Open { path, source }
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

/// Passes a fail point before a statement, which may fail there.
async fn pass(point: Point) -> Result<(), sqlx::Error> {
    failpoint::pass_async(point).await.map_err(sqlx::Error::Io)
}

/// The stored form of an instant.
fn stamp(instant: Timestamp) -> String {
    format!("{instant:.3}")
}

/// The instant of a stored form.
fn instant(column: &'static str, text: &str) -> Result<Timestamp, DbError> {
    text.parse().map_err(|_| DbError::Value { column })
}

/// A count as stored.
fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A stored count.
fn count(column: &'static str, stored: i64) -> Result<u64, DbError> {
    u64::try_from(stored).map_err(|_| DbError::Value { column })
}

/// A value as stored JSON. Maps of text to text always have one.
fn to_json(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The value of stored JSON.
fn from_json<T: serde::de::DeserializeOwned>(
    column: &'static str,
    text: &str,
) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|_| DbError::Value { column })
}

#[cfg(test)]
mod tests;
