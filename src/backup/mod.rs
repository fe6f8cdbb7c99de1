//! All that rosterd knows in one folder, and back: database, archive, mailboxes, spool and configuration.
//!
//! A backup is made while senders push. What makes it whole is the order in which it is taken, which is the order in which a delivery moves: first
//! the spool, then a snapshot of the database, then the archive as that snapshot names it, then the mailboxes.
//!
//! - What was acknowledged before is in the spool when that is copied, or has left it, and then the later snapshot has it.
//! - What the snapshot has is not imported a second time: its spool file is left out, and its mailbox file has the bytes that the snapshot has seen
//!   last, or newer ones, never older ones: those would look like news.
//!
//! [`take`] makes a backup beside its place and renames it when all of it is on the disk; [`restore`] checks all of it before it changes anything, and
//! a marker keeps daemons and commands away until everything is in place. Nothing is a hard link: what is written to one copy must not
//! change another, and a backup must survive its original.
//!
//! ```text
//! manifest.json, manifest.sha256     what is in it: sizes, checksums, times
//! rosterd.db                         snapshot of the database
//! archive, mailboxes, spool          as in the state folder
//! config/                            rosterd.toml, tenants/*.toml, certificate, key, host_keys/<n>
//! ```
//!
//! Pictures that photos were brought to (`photos/`) are left out: whichever is missing is made again from its original.

mod copy;
mod manifest;
mod mirror;
mod place;
pub mod restore;
pub mod settings;
pub mod take;

use std::io;
use std::path::{Path, PathBuf};

pub use manifest::{Manifest, Sum};

use crate::db::DbError;

const MANIFEST: &str = "manifest.json";
const MANIFEST_SUM: &str = "manifest.sha256";
const DATABASE: &str = "rosterd.db";
const ARCHIVE: &str = "archive";
const MAILBOXES: &str = "mailboxes";
const SPOOL: &str = "spool";
const CONFIG: &str = "config";

/// Is told what is under way.
pub type Progress<'p> = &'p (dyn Fn(&str) + Sync);

/// Why there is no backup, or why it was not restored. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{path} is there and not empty: name a folder that is not there yet")]
    Taken { path: PathBuf },
    #[error("{path} is where a file system is mounted: name a folder in it")]
    MountPoint { path: PathBuf },
    #[error("{path} lies in the state folder, and would be lost with it: name a folder elsewhere")]
    Inside { path: PathBuf },
    #[error("another backup is being made in {path}")]
    UnderWay { path: PathBuf },
    #[error("{path} is no backup of rosterd, or an unfinished one: it has no {MANIFEST}")]
    NoManifest { path: PathBuf },
    #[error("the backup {path} was made by a newer rosterd: restore it with that version")]
    Newer { path: PathBuf },
    /// Each with what is wrong with it.
    #[error("the backup is damaged, and nothing was restored: {}", .0.join("; "))]
    Damaged(Vec<String>),
    #[error(
        "the state is not empty ({path} is there): move the database and the state folder away, and restore again"
    )]
    NotEmpty { path: PathBuf },
    #[error("cannot read or write {path}")]
    Files {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the database cannot be copied")]
    Db(#[from] DbError),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Files { path, source }
}

/// Runs what blocks on the file system where it may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panic) => Err(at(Path::new("the files"))(io::Error::other(panic))),
    }
}
