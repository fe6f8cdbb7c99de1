//! What one channel has open: downloads, uploads and listings, by the numbers the client knows them under.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use super::packet::HandleId;
use super::pulse::{OpenFile, Pulse};
use super::reply::{HANDLES_LIMIT, Refusal, Status};
use crate::listen::upload_log::UploadLog;
use crate::mailbox::{Entry, MailboxPath, Upload};

/// Listings are held in memory, so there may be fewer of them.
const FOLDERS_LIMIT: usize = 8;

/// Something open.
#[derive(Debug)]
pub(super) enum Open {
    Download(Download),
    Upload(Incoming),
    Folder(Listing),
}

/// A file being read.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) file: Arc<File>,
    pub(super) entry: Entry,
    pub(super) _open: OpenFile,
}

/// A file being written.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) path: MailboxPath,
    /// Opened with APPEND: offsets do not count.
    pub(super) append: bool,
    pub(super) receiving: Receiving,
    pub(super) log: UploadLog,
    pub(super) open: OpenFile,
}

/// Whether an upload can still become a file.
#[derive(Debug)]
pub(super) enum Receiving {
    Going(Box<Upload>),
    /// The first refusal; every later WRITE and the CLOSE get it too.
    Failed(Refusal),
    /// Its bytes are being written right now.
    Away,
}

/// What is left of a folder to tell.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) path: MailboxPath,
    pub(super) rest: std::vec::IntoIter<Entry>,
}

/// All of it. Dropped, it cuts the uploads, and says so.
#[derive(Debug)]
pub(super) struct Handles {
    last: u32,
    open: HashMap<u32, Open>,
    /// Knows whether it was us who ended the connection.
    pulse: Arc<Pulse>,
}

impl Handles {
    /// None yet.
    pub(super) fn new(pulse: Arc<Pulse>) -> Self {
        Self {
            last: 0,
            open: HashMap::new(),
            pulse,
        }
    }

    /// Refuses when too much is open here, or with `files` open on all channels of the connection. Asked before anything is opened.
    pub(super) fn check_room(&self, files: usize) -> Result<(), Refusal> {
        if self.open.len().max(files) < HANDLES_LIMIT {
            Ok(())
        } else {
            Err(too_many())
        }
    }

    /// Refuses when too many folders are open.
    pub(super) fn check_room_for_folder(&self) -> Result<(), Refusal> {
        let folders = self.open.values();
        let folders = folders.filter(|open| matches!(open, Open::Folder(_)));
        if folders.count() < FOLDERS_LIMIT {
            self.check_room(0)
        } else {
            Err(too_many())
        }
    }

    /// Gives it a number that this channel has not used yet.
    pub(super) fn insert(&mut self, open: Open) -> Result<HandleId, Refusal> {
        self.last = self.last.checked_add(1).ok_or_else(too_many)?;
        self.open.insert(self.last, open);
        Ok(HandleId(self.last))
    }

    pub(super) fn find(&mut self, handle: HandleId) -> Result<&mut Open, Refusal> {
        self.open.get_mut(&handle.0).ok_or_else(unknown)
    }

    pub(super) fn remove(&mut self, handle: HandleId) -> Result<Open, Refusal> {
        self.open.remove(&handle.0).ok_or_else(unknown)
    }

    /// The newest upload that is open under this path.
    pub(super) fn upload_to(&self, path: &MailboxPath) -> Option<HandleId> {
        let uploads = self
            .open
            .iter()
            .filter(|(_, open)| matches!(open, Open::Upload(incoming) if incoming.path == *path));
        uploads.map(|(number, _)| *number).max().map(HandleId)
    }

    /// The upload behind a handle.
    pub(super) fn incoming(&mut self, handle: HandleId) -> Result<&mut Incoming, Refusal> {
        match self.find(handle)? {
            Open::Upload(incoming) => Ok(incoming),
            Open::Download(_) | Open::Folder(_) => Err(Refusal::new(
                Status::PermissionDenied,
                "This handle is not open for writing",
            )),
        }
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        let cut: Vec<Incoming> = self
            .open
            .drain()
            .filter_map(|(_, open)| match open {
                Open::Upload(incoming) => Some(incoming),
                Open::Download(_) | Open::Folder(_) => None,
            })
            .collect();
        if cut.is_empty() {
            return;
        }
        let ended = self.pulse.ended();
        let reason = ended
            .unwrap_or("the connection or channel ended before SSH_FXP_CLOSE")
            .to_owned();
        // Dropping an upload removes its staged file.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn_blocking(move || {
                for mut incoming in cut {
                    drop(incoming.receiving);
                    incoming.log.cut(&reason);
                }
            }));
        }
    }
}

fn too_many() -> Refusal {
    Refusal::new(Status::Failure, "Too many open files: close some first")
}

fn unknown() -> Refusal {
    Refusal::new(Status::Failure, "No such handle")
}
