//! Counting what lies in a mailbox: at the start, and at each rescan, because files come and go by `cp` and `rm` too.

use std::ffi::OsStr;
use std::fs::File;
use std::io;

use crate::mailbox::placement::counts;
use crate::mailbox::quota::Count;
use crate::mailbox::{Folder, Kind, Mailbox, MailboxError, MailboxPath, Stat};

/// Folders within folders that are walked; clients cannot make half as many.
const DEPTH_LIMIT: usize = 40;

/// A file that a walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: MailboxPath,
    pub(crate) stat: Stat,
}

#[derive(Debug, Default)]
struct Walk {
    found: Vec<Found>,
    count: Count,
}

impl Mailbox {
    /// Counts what lies in the mailbox while uploads go on, and returns its files but for `/reports` and `/errors`.
    ///
    /// What clients do is in the ledger as soon as it is on the disk, so that a difference is the work of somebody on this machine.
    pub(crate) fn rescan(&self) -> io::Result<Vec<Found>> {
        let (found, before_bytes, used_bytes) = self.count()?;
        if before_bytes != used_bytes {
            tracing::info!(
                tenant.id = %self.tenant(),
                environment = %self.environment(),
                before_bytes,
                used_bytes,
                "local changes in the mailbox were counted"
            );
        }
        Ok(found)
    }

    /// Walks, and says what was used by the ledger before and after.
    pub(super) fn count(&self) -> io::Result<(Vec<Found>, u64, u64)> {
        let _commits = self.commits();
        let mut walk = Walk::default();
        walk.folder(&self.root, Some(&MailboxPath::root()), 0)?;
        let mut books = self.books();
        let books = &mut *books;
        let writers = &books.writers;
        let before_bytes = books.ledger.used_bytes();
        books
            .ledger
            .recount(walk.count, |path| writers.contains_key(path));
        Ok((walk.found, before_bytes, books.ledger.used_bytes()))
    }

    /// A name that this inode has in the mailbox. The caller holds the lock on commits.
    pub(super) fn find(&self, inode: u64) -> io::Result<Option<MailboxPath>> {
        let mut walk = Walk::default();
        walk.folder(&self.root, Some(&MailboxPath::root()), 0)?;
        let found = walk.found.into_iter().find(|it| it.stat.inode == inode);
        Ok(found.map(|it| it.path))
    }

    /// Opens a file that a walk found.
    pub(crate) fn read_found(&self, path: &MailboxPath) -> Result<(File, Stat), MailboxError> {
        let (folder, name) = self.place_of(path)?;
        Ok(folder.read(name)?)
    }
}

impl Walk {
    /// `at` is none below a folder that clients cannot name.
    fn folder(
        &mut self,
        folder: &Folder,
        at: Option<&MailboxPath>,
        depth: usize,
    ) -> io::Result<()> {
        for name in folder.names()? {
            let path = at.and_then(|at| sendable(at, &name));
            if path.as_ref().is_some_and(|path| !counts(path)) {
                continue;
            }
            let stat = match folder.stat(&name) {
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => continue,
                stat => stat?,
            };
            match (stat.kind, path) {
                (Kind::File, Some(path)) => {
                    self.count.files.insert(path.to_string(), stat.size_bytes);
                    self.found.push(Found { path, stat });
                }
                (Kind::File, None) => self.count.nameless_bytes += stat.size_bytes,
                (Kind::Folder, path) if depth < DEPTH_LIMIT => {
                    self.count.folders += 1;
                    match folder.folder(&[&name]) {
                        Err(gone) if is_out_of_reach(&gone) => {}
                        inner => self.folder(&inner?, path.as_ref(), depth + 1)?,
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Gone meanwhile, or made by someone who keeps us out.
fn is_out_of_reach(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
    )
}

fn sendable(folder: &MailboxPath, name: &OsStr) -> Option<MailboxPath> {
    let name = name.to_str()?;
    let path = folder.join(name).ok()?;
    (path.name() == Some(name)).then_some(path)
}
