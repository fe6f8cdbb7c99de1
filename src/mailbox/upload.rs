//! An upload: bytes still coming. Under a final name they are staged out of sight, and [`Upload::finish`] makes them count at once; under
//! a temporary name they are written in place ([`super::in_place`]); under an ignored name they go nowhere.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::failpoint::{self, Point};
use crate::mailbox::arrival::Placement;
use crate::mailbox::beneath;
use crate::mailbox::coverage::Coverage;
use crate::mailbox::in_place::InPlace;
use crate::mailbox::placement::{self, Placed};
use crate::mailbox::quota::{Exceeded, Receipt};
use crate::mailbox::{Arrival, Kind, Mailbox, MailboxError, MailboxPath, Start};

/// Bytes still coming. Ends in [`Upload::finish`]; dropped, it leaves nothing (under a temporary name: what [`InPlace`] keeps).
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
