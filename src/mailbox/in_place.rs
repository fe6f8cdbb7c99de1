//! A file written under its temporary name, which others see. Nobody else writes it meanwhile: whoever comes later takes it over.
//!
//! It keeps what has come when the sender breaks off, to be resumed. When we break off (quota, size limit, disk), resuming would only meet
//! the same end, and the part would eat the quota of the next upload for days: the file goes back to the size it had before.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::failpoint::{self, Point};
use crate::mailbox::beneath::{self, Stat};
use crate::mailbox::upload::too_many_names;
use crate::mailbox::{Folder, Mailbox, MailboxError, MailboxPath, Start};

/// A file written under its temporary name.
#[derive(Debug)]
pub(super) struct InPlace {
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
    pub(super) fn begin(
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

    pub(super) fn write(
        &mut self,
        offset: u64,
        bytes: &[u8],
        size_bytes: u64,
    ) -> Result<(), MailboxError> {
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

    pub(super) fn shrink(&self, size_bytes: u64) -> Result<(), MailboxError> {
        let _held = self.slot.hold()?;
        self.file.set_len(size_bytes)?;
        self.mailbox.books().ledger.set(&self.key, size_bytes);
        Ok(())
    }

    pub(super) fn finish(&mut self, modified: Option<Timestamp>) -> Result<(), MailboxError> {
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
    pub(super) fn end(&self, unbroken_bytes: u64) {
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
    pub(super) fn take_back(&self, unbroken_bytes: u64) {
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
