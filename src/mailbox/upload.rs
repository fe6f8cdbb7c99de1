//! An upload: bytes still coming. Under a final name they are staged out of sight, and [`Upload::finish`] makes them count at once; under
//! a temporary name they are written in place; under an ignored name they go nowhere.
//!
//! A temporary name keeps what has come when the sender breaks off, to be resumed. When we break off (quota, size limit, disk), resuming
//! would only meet the same end, and the part would eat the quota of the next upload for days: the file goes back to the size it had before.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

use crate::failpoint::{self, Point};
use crate::mailbox::arrival::Placement;
use crate::mailbox::beneath::{self, Stat};
use crate::mailbox::coverage::Coverage;
use crate::mailbox::placement::{self, Placed};
use crate::mailbox::quota::{Exceeded, Receipt};
use crate::mailbox::{Arrival, Folder, Kind, Mailbox, MailboxError, MailboxPath, Start};

/// Bytes still coming. Ends in [`Upload::finish`]; dropped, it leaves nothing (under a temporary name: see the module).
#[derive(Debug)]
pub struct Upload {
    placed: Placed,
    limit_bytes: u64,
    coverage: Coverage,
    /// Where [`Upload::write`] goes on.
    position: u64,
    modified: Option<Timestamp>,
    /// A write failed: the file cannot become whole any more.
    is_broken: bool,
    /// With [`Start::Over`] under a final name: bytes of the old file that the sender has not yet written over or cut off.
    over_bytes: u64,
    sink: Sink,
}

/// Where the bytes go.
#[derive(Debug)]
enum Sink {
    Staged(Staged),
    InPlace(InPlace),
    Nowhere,
}

impl Upload {
    pub(super) fn begin(
        mailbox: &Arc<Mailbox>,
        path: &MailboxPath,
        start: Start,
    ) -> Result<Self, MailboxError> {
        let placed = placement::place(path, &mailbox.config()).map_err(MailboxError::Refused)?;
        let mut upload = Self {
            placed,
            limit_bytes: mailbox.file_size_limit_bytes(),
            coverage: Coverage::default(),
            position: 0,
            modified: None,
            is_broken: false,
            over_bytes: 0,
            sink: Sink::Nowhere,
        };
        match upload.placed.placement {
            Placement::Temporary => {
                let (in_place, lying_bytes) = InPlace::begin(mailbox, path, start)?;
                upload.coverage = Coverage::up_to(lying_bytes);
                upload.position = match start {
                    Start::Truncate | Start::Over => 0,
                    Start::At(offset) => offset,
                    Start::Append => lying_bytes,
                };
                upload.sink = Sink::InPlace(in_place);
            }
            Placement::Data { .. } | Placement::Photo => {
                if !matches!(start, Start::Truncate | Start::Over) {
                    return Err(MailboxError::WholeOnly);
                }
                let (staged, lying_bytes) = Staged::begin(mailbox, path)?;
                if start == Start::Over {
                    upload.over_bytes = lying_bytes;
                }
                upload.sink = Sink::Staged(staged);
            }
            Placement::Ignored | Placement::Outgoing | Placement::Folder => {}
        }
        Ok(upload)
    }

    /// Writes on from where the last call ended.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), MailboxError> {
        self.write_at(self.position, bytes)?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Writes at `offset`, which may leave gaps to be filled later (SFTP writes come out of order).
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), MailboxError> {
        let written = self.try_write(offset, bytes);
        self.is_broken |= written.is_err();
        written
    }

    fn try_write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), MailboxError> {
        // Whoever begins further on wants to resume: better told now than at the end.
        if self.over_bytes > 0 && self.coverage.end() == 0 && offset > 0 {
            return Err(MailboxError::WholeOnly);
        }
        let limit_bytes = self.limit_bytes;
        let end = offset
            .checked_add(bytes.len() as u64)
            .filter(|end| *end <= limit_bytes)
            .ok_or(MailboxError::TooLarge { limit_bytes })?;
        let size_bytes = self.size_bytes().max(end);
        match &mut self.sink {
            Sink::Staged(staged) => staged.write(offset, bytes, size_bytes)?,
            Sink::InPlace(in_place) => in_place.write(offset, bytes, size_bytes)?,
            Sink::Nowhere => {}
        }
        self.coverage
            .add(offset, end)
            .map_err(|_| MailboxError::Gaps)
    }

    /// The modification time to set at the end (SFTP FSETSTAT on the open handle).
    pub fn set_modified(&mut self, modified: Timestamp) {
        self.modified = Some(modified);
    }

    /// The sender says that the file ends where its bytes end so far.
    pub fn confirm_size(&mut self) {
        self.over_bytes = self.over_bytes.min(self.size_bytes());
    }

    /// The size so far.
    pub fn size_bytes(&self) -> u64 {
        self.coverage.end()
    }

    /// Cuts what lies under a temporary name down to `size_bytes`: scp writes over what is there and then sets the size.
    pub fn shrink(&mut self, size_bytes: u64) -> Result<(), MailboxError> {
        let Sink::InPlace(in_place) = &self.sink else {
            return Err(MailboxError::WholeOnly);
        };
        if size_bytes > self.coverage.end() {
            return Err(MailboxError::Gaps);
        }
        in_place.shrink(size_bytes)?;
        self.coverage.cut(size_bytes);
        self.position = self.position.min(size_bytes);
        Ok(())
    }

    /// Makes it count: fsync, spool, rename, fsync of both folders. When this returns the file survives a power loss.
    pub fn finish(mut self) -> Result<Arrival, MailboxError> {
        if self.is_broken || !self.coverage.is_whole() {
            return Err(MailboxError::Gaps);
        }
        if self.size_bytes() < self.over_bytes {
            return Err(MailboxError::WholeOnly);
        }
        let delivery = match &mut self.sink {
            Sink::Staged(staged) => Some(staged.finish(self.modified)?),
            Sink::InPlace(in_place) => {
                let finished = in_place.finish(self.modified);
                // After a failed fsync nobody knows which bytes are there.
                self.is_broken = finished.is_err();
                finished?;
                None
            }
            Sink::Nowhere => None,
        };
        Ok(Arrival {
            size_bytes: self.size_bytes(),
            placement: self.placed.placement.clone(),
            delivery,
            warning: self.placed.warning,
        })
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Sink::InPlace(in_place) = &self.sink {
            let unbroken_bytes = self.coverage.unbroken();
            if self.is_broken {
                in_place.take_back(unbroken_bytes);
            } else {
                in_place.end(unbroken_bytes);
            }
        }
    }
}

/// A file in the staging folder, out of every client's sight. Dropped, it is gone.
#[derive(Debug)]
struct Staged {
    mailbox: Arc<Mailbox>,
    path: MailboxPath,
    name: String,
    file: File,
    receipt: Receipt,
}

impl Staged {
    /// Makes the file, and says how many bytes lie under its final name.
    fn begin(mailbox: &Arc<Mailbox>, path: &MailboxPath) -> Result<(Self, u64), MailboxError> {
        // Held so that no rename takes the replaced file, and with it the credit for its size, away meanwhile.
        let _commits = mailbox.commits();
        let (folder, name) = mailbox.place_of(path)?;
        let lying = folder.stat(name);
        if lying.as_ref().is_ok_and(|stat| stat.kind == Kind::Folder) {
            return Err(MailboxError::IsFolder);
        }
        let lying_bytes = lying.map_or(0, |stat| stat.size_bytes);
        let receipt = {
            let mut books = mailbox.books();
            let path = path.to_string();
            if !books.ledger.knows(&path) && !books.ledger.takes_a_name() {
                return Err(too_many_names());
            }
            books.ledger.begin(&path)
        };
        let staged_name = Uuid::now_v7().to_string();
        match mailbox.staging.create(&staged_name) {
            Ok(file) => {
                let staged = Self {
                    mailbox: Arc::clone(mailbox),
                    path: path.clone(),
                    name: staged_name,
                    file,
                    receipt,
                };
                Ok((staged, lying_bytes))
            }
            Err(error) => {
                mailbox.books().ledger.give_up(receipt);
                Err(error.into())
            }
        }
    }

    fn write(&self, offset: u64, bytes: &[u8], size_bytes: u64) -> Result<(), MailboxError> {
        self.mailbox.books().ledger.grow(self.receipt, size_bytes)?;
        failpoint::pass(Point::StagedWrite)?;
        Ok(self.file.write_all_at(bytes, offset)?)
    }

    fn finish(
        &self,
        modified: Option<Timestamp>,
    ) -> Result<crate::mailbox::DeliveryId, MailboxError> {
        if let Some(modified) = modified {
            beneath::set_modified(&self.file, modified)?;
        }
        failpoint::pass(Point::StagedSync)?;
        beneath::sync_file(&self.file)?;
        let _commits = self.mailbox.commits();
        let from = (&self.mailbox.staging, self.name.as_str());
        let delivery = self.mailbox.commit_arrival(from, &self.path)?;
        self.mailbox.books().ledger.finish(self.receipt);
        Ok(delivery)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // After `finish` both do nothing.
        self.mailbox.books().ledger.give_up(self.receipt);
        if let Err(error) = self.mailbox.staging.remove_file(&self.name)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(
                tenant.id = %self.mailbox.tenant(),
                "an upload that was given up stays in the staging folder until the next start: {error}"
            );
        }
    }
}

/// A file written under its temporary name.
#[derive(Debug)]
struct InPlace {
    mailbox: Arc<Mailbox>,
    folder: Folder,
    /// The path, as the books have it.
    key: String,
    file: File,
    slot: Arc<Slot>,
    before: Before,
    /// What lay there that this upload goes on from.
    resumed_bytes: u64,
}

/// What lies under a temporary name that an upload is to replace, until its first byte comes: an upload that never gets a data connection must not
/// take away what another one left to be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// There was no file.
    Nothing,
    /// It stays until the first byte.
    Kept,
    /// This upload writes into it, or has begun anew.
    Past,
}

/// The right to write one temporary name. Whoever takes it away waits for the write that is under way.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<Holding>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Holding {
    #[default]
    Held,
    Lost,
}

impl Slot {
    pub(super) fn revoke(&self) {
        *self.lock() = Holding::Lost;
    }

    /// Keeps the slot for as long as the guard lives, unless it was taken away.
    fn hold(&self) -> Result<MutexGuard<'_, Holding>, MailboxError> {
        let holding = self.lock();
        match *holding {
            Holding::Held => Ok(holding),
            Holding::Lost => Err(MailboxError::Busy),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Holding> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InPlace {
    /// Opens the file, and says how many bytes lie there.
    fn begin(
        mailbox: &Arc<Mailbox>,
        path: &MailboxPath,
        start: Start,
    ) -> Result<(Self, u64), MailboxError> {
        let _commits = mailbox.commits();
        let (folder, name) = mailbox.place_of(path)?;
        let key = path.to_string();
        {
            let books = mailbox.books();
            if !books.ledger.knows(&key) && !books.ledger.takes_a_name() {
                return Err(too_many_names());
            }
        }
        if let Start::At(offset) = start
            && offset > folder.stat(name).map_or(0, |stat| stat.size_bytes)
        {
            return Err(MailboxError::Gaps);
        }
        mailbox.revoke_writer(&key);
        let (file, lying_bytes, before) = open_in_place(&folder, name, start)?;
        let slot = Arc::<Slot>::default();
        {
            let mut books = mailbox.books();
            books.ledger.set(&key, lying_bytes);
            books.writers.insert(key.clone(), Arc::clone(&slot));
        }
        let resumed_bytes = if before == Before::Past {
            lying_bytes
        } else {
            0
        };
        let in_place = Self {
            mailbox: Arc::clone(mailbox),
            folder,
            key,
            file,
            slot,
            before,
            resumed_bytes,
        };
        Ok((in_place, resumed_bytes))
    }

    /// Throws away what lay there before this upload.
    fn begin_anew(&mut self) -> Result<(), MailboxError> {
        if self.before != Before::Past {
            self.file.set_len(0)?;
            self.mailbox.books().ledger.set(&self.key, 0);
            self.before = Before::Past;
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8], size_bytes: u64) -> Result<(), MailboxError> {
        let slot = Arc::clone(&self.slot);
        let _held = slot.hold()?;
        self.begin_anew()?;
        self.mailbox
            .books()
            .ledger
            .grow_file(&self.key, size_bytes)?;
        failpoint::pass(Point::TemporaryWrite)?;
        Ok(self.file.write_all_at(bytes, offset)?)
    }

    fn shrink(&self, size_bytes: u64) -> Result<(), MailboxError> {
        let _held = self.slot.hold()?;
        self.file.set_len(size_bytes)?;
        self.mailbox.books().ledger.set(&self.key, size_bytes);
        Ok(())
    }

    fn finish(&mut self, modified: Option<Timestamp>) -> Result<(), MailboxError> {
        let slot = Arc::clone(&self.slot);
        let held = slot.hold()?;
        self.begin_anew()?;
        drop(held);
        if let Some(modified) = modified {
            beneath::set_modified(&self.file, modified)?;
        }
        failpoint::pass(Point::TemporarySync)?;
        beneath::sync_file(&self.file)?;
        Ok(self.folder.sync()?)
    }

    /// No byte came: all is as it was before.
    fn leave(&self) {
        self.mailbox.books().writers.remove(&self.key);
        if self.before == Before::Nothing {
            self.remove();
        }
    }

    /// Removes the file, unless someone has put another one in its place meanwhile.
    fn remove(&self) {
        let name = self.key.rsplit('/').next().unwrap_or_default();
        let inode = Stat::of(&self.file).map(|stat| stat.inode);
        let lying = self.folder.stat(name).map(|stat| stat.inode);
        if inode.ok() != lying.ok() {
            return;
        }
        match self.folder.remove_file(name) {
            Ok(()) => self.mailbox.books().ledger.remove(&self.key),
            Err(error) => {
                tracing::warn!(tenant.id = %self.mailbox.tenant(), "cannot remove a temporary file: {error}");
            }
        }
    }

    /// Leaves what has come without a gap: a client resumes from the size that it sees.
    fn end(&self, unbroken_bytes: u64) {
        let _commits = self.mailbox.commits();
        let Ok(_held) = self.slot.hold() else {
            return;
        };
        if self.before == Before::Past {
            self.keep(unbroken_bytes);
        } else {
            self.leave();
        }
    }

    /// Leaves what this upload went on from, and nothing of its own.
    fn take_back(&self, unbroken_bytes: u64) {
        let _commits = self.mailbox.commits();
        let Ok(_held) = self.slot.hold() else {
            return;
        };
        if self.before != Before::Past {
            self.leave();
        } else if self.keep(unbroken_bytes.min(self.resumed_bytes)) == Some(0) {
            self.remove();
        }
    }

    /// Ends the writing with so many bytes in the file; says how many there are, if that is known.
    fn keep(&self, kept_bytes: u64) -> Option<u64> {
        let left = Stat::of(&self.file)
            .and_then(|stat| {
                if stat.size_bytes > kept_bytes {
                    self.file.set_len(kept_bytes)?;
                }
                Ok(stat.size_bytes.min(kept_bytes))
            })
            .inspect_err(|error| {
                tracing::warn!(tenant.id = %self.mailbox.tenant(), "cannot end an upload to a temporary name: {error}");
            });
        let mut books = self.mailbox.books();
        books.writers.remove(&self.key);
        let left = left.ok()?;
        books.ledger.set(&self.key, left);
        Some(left)
    }
}

/// Opens or makes the file of a temporary name, and says how many bytes lie there, and until when.
fn open_in_place(
    folder: &Folder,
    name: &str,
    start: Start,
) -> Result<(File, u64, Before), MailboxError> {
    let was_there = folder.stat(name).is_ok();
    let (file, found) = folder.write_in_place(name)?;
    if found.links > 1 {
        // A final name was renamed to this one, and its delivery still waits in the spool: its bytes are not ours to change.
        if start != Start::Truncate {
            return Err(MailboxError::Busy);
        }
        folder.remove_file(name)?;
        return Ok((folder.create(name)?, 0, Before::Past));
    }
    let before = match start {
        Start::Truncate if was_there => Before::Kept,
        Start::Truncate => Before::Nothing,
        Start::At(_) | Start::Append | Start::Over => Before::Past,
    };
    Ok((file, found.size_bytes, before))
}

impl From<Exceeded> for MailboxError {
    fn from(exceeded: Exceeded) -> Self {
        Self::OverQuota {
            free_bytes: exceeded.free_bytes,
        }
    }
}

pub(super) fn too_many_names() -> MailboxError {
    MailboxError::Refused("The mailbox holds as many files and folders as it may".to_owned())
}
