//! All SQL, one file per table; nothing else knows there is a database.
//!
//! `SQLite` in WAL mode with full synchronisation: what was committed survives a power loss. One connection writes, a few read, so that no two
//! writers of this process meet; writers of other processes (the command line) are waited for.
//! Instants are stored as RFC 3339 UTC text with milliseconds, which sorts as time does.

mod accepted_shape;
mod archive;
mod change;
mod credential_use;
mod delivery;
mod due_change;
mod finding;
mod held_change;
mod job;
mod life;
mod link;
mod notice;
mod open;
mod past;
mod paused;
mod person;
mod photo;
mod photo_batch;
mod retry;
mod roster_version;
mod run;
mod seen_file;
mod settle;
mod settle_due;
mod snapshot;
mod stub;
mod undo;

use std::borrow::Cow;
use std::path::PathBuf;

use jiff::Timestamp;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, Transaction};

pub use credential_use::CredentialUse;
pub use delivery::{NewDelivery, NewKind, PhotoDelivery, Recorded};
pub use due_change::DuePerson;
pub use job::{Claim, GivenUp};
pub use link::Linked;
pub use notice::DueNotice;
pub use past::PastPage;
pub use paused::Pause;
pub use person::{Page, Portrayed};
pub use photo::StoredPhoto;
pub use photo_batch::{PhotoProgress, ToldBatch};
pub use retry::Retrying;
pub use run::Decision;
pub use seen_file::Seen;
pub use settle::Verdict;
pub use settle_due::DueVerdict;
pub use snapshot::{Copied, Live, Snapshot};
pub use undo::{Obstacle, Obstacles, Reach, Undoing};

use crate::clock::SharedClock;
use crate::failpoint::{self, Point};

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
    /// At the start after an unclean end, or on the way.
    #[error("the database {path} is damaged ({detail}): {RESTORE}")]
    Damaged { path: PathBuf, detail: String },
    #[error(
        "another process has kept the database locked for too long: let it finish, or end it, and try again (`fuser` with the database's file names it)"
    )]
    Busy(#[source] sqlx::Error),
    #[error("the disk of the database is full: make room")]
    Full(#[source] sqlx::Error),
    #[error("the database is on a read-only disk, or rosterd's user may not write it")]
    ReadOnly(#[source] sqlx::Error),
    #[error("the database is damaged: {RESTORE}")]
    Malformed(#[source] sqlx::Error),
    #[error("a database statement failed")]
    Statement(#[source] sqlx::Error),
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

/// What helps against damage.
const RESTORE: &str = "stop rosterd, move the database and the state folder away, and bring the last backup back with `rosterd restore DIR`";

impl From<sqlx::Error> for DbError {
    fn from(source: sqlx::Error) -> Self {
        match primary_code(&source) {
            _ if is_without_room(&source) => Self::Full(source),
            Some(5 | 6) => Self::Busy(source),
            Some(8) => Self::ReadOnly(source),
            Some(11 | 26) => Self::Malformed(source),
            None if matches!(source, sqlx::Error::PoolTimedOut) => Self::Busy(source),
            _ => Self::Statement(source),
        }
    }
}

/// `SQLite`'s primary result code: BUSY 5, LOCKED 6, READONLY 8, CORRUPT 11, NOTADB 26.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    Some(code(error)? & 0xff)
}

/// FULL, or `IOERR_SHMSIZE`: on a full disk not even the index of the write-ahead log can be made.
fn is_without_room(error: &sqlx::Error) -> bool {
    matches!(code(error), Some(13 | 4874))
}

fn code(error: &sqlx::Error) -> Option<u32> {
    let code = error.as_database_error()?.code().map(Cow::into_owned)?;
    code.parse().ok()
}

impl Db {
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
