//! The one way to touch a tenant's files, for both protocols: path rules, names, quota, staged uploads, listing.
//!
//! Comes in: a [`MailboxPath`] and bytes. Goes out: files that are whole or not there, and for each finished data file or photo a hard link
//! in the spool, where intake finds it. No database is asked. Every operation blocks on the file system; async callers run it on the blocking
//! pool.

pub mod arrival;
mod beneath;
mod change;
mod coverage;
mod fault;
mod in_place;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;
pub mod layout;
pub mod path;
pub mod placement;
mod quota;
mod recount;
mod served;
mod spool;
#[cfg(test)]
pub(crate) mod tests;
mod upload;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

pub use arrival::{Arrival, DeliveryId, Fingerprint};
pub use path::MailboxPath;
pub use served::Mailboxes;
pub use upload::Upload;

pub(crate) use beneath::{Folder, Kind, Stat};
#[cfg(test)]
pub(crate) use fault::{Fault, with as with_fault};
pub(crate) use recount::Found;
pub(crate) use spool::Spooled;

use crate::clock::SharedClock;
use crate::config::{Config, Tenant};
use crate::live::Live;
use crate::mailbox::arrival::Mint;
use crate::mailbox::in_place::Slot;
use crate::mailbox::layout::Layout;
use crate::mailbox::quota::Ledger;

use crate::tenant::{Environment, TenantId};

/// A mailbox that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {path}: make it a folder that rosterd's user can write")]
pub struct OpenError {
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

/// One tenant's files in one environment.
#[derive(Debug)]
pub struct Mailbox {
    /// As it was when the mailbox was opened: what is still under way when the tenant is removed ends by it.
    tenant: Arc<Tenant>,
    environment: Environment,
    settings: Live<Config>,
    clock: SharedClock,
    layout: Layout,
    root: Folder,
    staging: Folder,
    spool: Folder,
    archive: Folder,
    mint: Mint,
    /// Held while names change, from the first look to the last fsync, so that the ledger and the disk agree.
    ///
    /// Invariant: taken before the locks of slots, and those before `books`. Nothing is written to the disk while `books` is held.
    commits: Mutex<()>,
    books: Mutex<Books>,
}

/// What is counted and who writes.
#[derive(Debug)]
struct Books {
    ledger: Ledger,
    /// Uploads that write a temporary name in place.
    writers: HashMap<String, Arc<Slot>>,
}

/// Where an upload begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// A new file, or a replacement of all of it.
    Truncate,
    /// Into an existing file from this byte on: only temporary names.
    At(u64),
    /// At the end of what is there: only temporary names.
    Append,
    /// From the first byte on over a file that may be there, as scp does. Under a final name this is an upload of its own, which counts only when
    /// nothing of the old file would be left: it is at least as long, or the sender has said where it ends.
    Over,
}

/// A file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub kind: EntryKind,
    pub size_bytes: u64,
    pub modified: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Folder,
}

impl Mailbox {
    fn open(
        layout: Layout,
        tenant: Arc<Tenant>,
        environment: Environment,
        settings: Live<Config>,
        clock: SharedClock,
    ) -> Result<Self, OpenError> {
        let open = |path: &Path| open_or_make(path).map_err(at(path));
        let root = open(&layout.mailbox)?;
        let staging = open(&layout.staging)?;
        let spool = open(&layout.spool)?;
        let archive = open(&layout.archive)?;
        for (folder, path) in [
            (&staging, &layout.staging),
            (&spool, &layout.spool),
            (&archive, &layout.archive),
        ] {
            same_file_system(&root, folder).map_err(at(path))?;
        }
        for name in layout::FOLDERS {
            make_if_missing(&root, name)
                .and_then(|()| same_file_system(&root, &root.folder(&[name])?))
                .map_err(at(&layout.mailbox.join(name)))?;
        }
        root.sync().map_err(at(&layout.mailbox))?;
        let ledger = Ledger::new(tenant.quota_bytes);
        let mailbox = Self {
            tenant,
            environment,
            settings,
            clock,
            layout,
            root,
            staging,
            spool,
            archive,
            mint: Mint::default(),
            commits: Mutex::default(),
            books: Mutex::new(Books {
                ledger,
                writers: HashMap::new(),
            }),
        };
        mailbox.count().map_err(at(&mailbox.layout.mailbox))?;
        Ok(mailbox)
    }

    fn clear_staging(&self) -> io::Result<()> {
        for name in self.staging.names()? {
            if let Some(name) = name.to_str() {
                self.staging.remove_file(name)?;
            }
        }
        Ok(())
    }

    pub fn tenant(&self) -> &TenantId {
        &self.tenant.id
    }

    /// The tenant as configured now, for this environment.
    pub fn config(&self) -> Arc<Tenant> {
        let config = self.settings.now();
        let tenant = config.tenants.get(&self.tenant.id);
        tenant.unwrap_or(&self.tenant).within(self.environment)
    }

    fn file_size_limit_bytes(&self) -> u64 {
        self.settings.now().limits.file_size_bytes
    }

    pub fn environment(&self) -> Environment {
        self.environment
    }

    /// Where its files lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What is at `path`; its name is the last component, `/` for the root.
    pub fn stat(&self, path: &MailboxPath) -> Result<Entry, MailboxError> {
        let stat = match (path.parent(), path.name()) {
            (Some(folder), Some(name)) => self.folder(&folder)?.stat(name)?,
            _ => self.root.stat_self()?,
        };
        entry(path.name().unwrap_or("/"), &stat).ok_or(MailboxError::NotFound)
    }

    /// What is in the folder at `path`, by name. Names that clients cannot send, and what is neither file nor folder, are left out.
    pub fn list(&self, path: &MailboxPath) -> Result<Vec<Entry>, MailboxError> {
        let folder = match self.folder(path) {
            Err(MailboxError::NotFound) if self.stat(path).is_ok() => {
                return Err(MailboxError::NotFolder);
            }
            folder => folder?,
        };
        let mut entries = Vec::new();
        for name in folder.names()? {
            let Some(name) = name.to_str().filter(|name| is_sendable(path, name)) else {
                continue;
            };
            match folder.stat(name) {
                Ok(stat) => entries.extend(entry(name, &stat)),
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Opens a file for reading.
    pub fn read(&self, path: &MailboxPath) -> Result<(File, Entry), MailboxError> {
        let (Some(folder), Some(name)) = (path.parent(), path.name()) else {
            return Err(MailboxError::IsFolder);
        };
        let (file, stat) = self.folder(&folder)?.read(name)?;
        let entry = entry(name, &stat).ok_or(MailboxError::NotFound)?;
        Ok((file, entry))
    }

    /// Begins an upload, or says before any data is sent why that name is not taken.
    ///
    /// An upload to a temporary name takes over from another one to the same name, which fails from then on: a client that comes back
    /// after a broken connection need not wait until the server has noticed the break.
    pub fn begin(
        self: &Arc<Self>,
        path: &MailboxPath,
        start: Start,
    ) -> Result<Upload, MailboxError> {
        Upload::begin(self, path, start)
    }

    pub fn quota_bytes(&self) -> u64 {
        self.books().ledger.quota_bytes()
    }

    /// What lies in the mailbox plus what is being received; a replacement counts with what it has more than the file it replaces.
    pub fn used_bytes(&self) -> u64 {
        self.books().ledger.used_bytes()
    }

    /// The time, by the clock that deliveries are named with.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A delivery id for a file that came in without an upload.
    pub(crate) fn mint(&self) -> DeliveryId {
        self.mint.mint(self.clock.now())
    }

    /// Where copies of deliveries lie.
    pub(crate) fn archive(&self) -> &Folder {
        &self.archive
    }

    fn folder(&self, path: &MailboxPath) -> Result<Folder, MailboxError> {
        Ok(self.root.folder(path.names())?)
    }

    fn commits(&self) -> MutexGuard<'_, ()> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The books, with the quota that is in force.
    fn books(&self) -> MutexGuard<'_, Books> {
        let quota_bytes = self.config().quota_bytes;
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.ledger.allow(quota_bytes);
        books
    }
}

/// What a mailbox says no with. The text is for the peer: one short sentence of ours, nothing the peer sent.
#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    #[error("No such file or folder")]
    NotFound,
    #[error("That name exists already")]
    Exists,
    #[error("That is a folder")]
    IsFolder,
    #[error("That is not a folder")]
    NotFolder,
    #[error("The folder is not empty")]
    NotEmpty,
    /// A name or place that is not taken; the sentence says what is expected.
    #[error("{0}")]
    Refused(String),
    /// REST with STOR, APPE, or an open without truncation under a final name.
    #[error(
        "A final name takes whole uploads only: send the file from its start, or use a temporary name"
    )]
    WholeOnly,
    /// Bytes in the middle were never sent, or a write in between failed.
    #[error("The file has gaps: send it again from its start")]
    Gaps,
    /// The file is being written by another upload, or still waits to be taken up.
    #[error("That file is in use: try again later")]
    Busy,
    #[error("Over quota: {free_bytes} bytes free")]
    OverQuota { free_bytes: u64 },
    #[error("File larger than the limit of {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
    #[error("The server's disk is full")]
    DiskFull,
    /// Ours to mend; logged where it is handled.
    #[error("The server could not do this now: try again later")]
    Io(#[source] io::Error),
}

impl From<io::Error> for MailboxError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            // A folder on the way that is a file or a symbolic link is no folder of ours.
            Kind::NotFound | Kind::NotADirectory | Kind::CrossesDevices => Self::NotFound,
            _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                Self::NotFound
            }
            Kind::IsADirectory => Self::IsFolder,
            Kind::DirectoryNotEmpty => Self::NotEmpty,
            Kind::AlreadyExists => Self::Exists,
            Kind::StorageFull | Kind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io(error),
        }
    }
}

fn entry(name: &str, stat: &Stat) -> Option<Entry> {
    let kind = match stat.kind {
        Kind::File => EntryKind::File,
        Kind::Folder => EntryKind::Folder,
        Kind::Other => return None,
    };
    Some(Entry {
        name: name.to_owned(),
        kind,
        size_bytes: stat.size_bytes,
        modified: stat.modified(),
    })
}

/// Whether a client can name what lies in `folder` as `name`.
fn is_sendable(folder: &MailboxPath, name: &str) -> bool {
    folder
        .join(name)
        .is_ok_and(|path| path.name() == Some(name))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError { path, source }
}

/// Opens a folder below the state folder; makes it, and those above it, durably.
fn open_or_make(path: &Path) -> io::Result<Folder> {
    match Folder::open(path) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
        opened => return opened,
    }
    if let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|it| it.to_str()))
    {
        let parent = if parent.as_os_str().is_empty() {
            Folder::open(Path::new("."))?
        } else {
            open_or_make(parent)?
        };
        make_if_missing(&parent, name)?;
        parent.sync()?;
    }
    Folder::open(path)
}

fn make_if_missing(parent: &Folder, name: &str) -> io::Result<()> {
    match parent.make_folder(name) {
        Err(there) if there.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Finished uploads are linked and renamed between the folders.
fn same_file_system(one: &Folder, other: &Folder) -> io::Result<()> {
    if one.stat_self()?.device == other.stat_self()?.device {
        Ok(())
    } else {
        Err(io::Error::other(
            "it must lie on the file system of the mailboxes",
        ))
    }
}
