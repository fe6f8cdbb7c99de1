//! Changes of names: an arrival takes its place, files and folders are renamed and removed, files of ours are deposited.

use std::io::{self, Write as _};

use jiff::Timestamp;
use uuid::Uuid;

use crate::failpoint::{self, Point};
use crate::mailbox::arrival::Placement;
use crate::mailbox::layout::{FOLDERS, spool_name};
use crate::mailbox::placement::{self, Placed, counts, is_outgoing, is_own_folder};
use crate::mailbox::quota::is_at_or_below;
use crate::mailbox::upload::too_many_names;
use crate::mailbox::{
    Arrival, DeliveryId, Folder, Kind, Mailbox, MailboxError, MailboxPath, Stat, beneath,
};
use crate::tenant::Rights;

/// What a rename does with a file that has the new name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Onto {
    Replace,
    Refuse,
}

impl Mailbox {
    /// Renames a file, in place of one that may be there, or a folder below `/images`. A temporary name renamed to a final one is an arrival.
    ///
    /// Without the right to delete, no rename makes a finished file go away: neither what replaces another one nor a temporary name, which
    /// is removed after a while or renamed on to an ignored one.
    pub fn rename(
        &self,
        from: &MailboxPath,
        to: &MailboxPath,
        rights: Rights,
    ) -> Result<Arrival, MailboxError> {
        self.rename_onto(from, to, rights, Onto::Replace)
    }

    /// Renames like [`Mailbox::rename`], but never in place of a file that is there.
    pub fn rename_new(
        &self,
        from: &MailboxPath,
        to: &MailboxPath,
        rights: Rights,
    ) -> Result<Arrival, MailboxError> {
        self.rename_onto(from, to, rights, Onto::Refuse)
    }

    fn rename_onto(
        &self,
        from: &MailboxPath,
        to: &MailboxPath,
        rights: Rights,
        onto: Onto,
    ) -> Result<Arrival, MailboxError> {
        if is_fixed(from) || is_outgoing(from) {
            return Err(refused("That cannot be renamed"));
        }
        // The bulk of a file's bytes goes to the disk before others have to wait for it.
        if let Ok((file, _)) = self
            .place_of(from)
            .and_then(|(folder, name)| Ok(folder.read(name)?))
        {
            beneath::sync_file(&file)?;
        }
        let _commits = self.commits();
        let (folder, name) = self.place_of(from)?;
        let stat = folder.stat(name)?;
        match stat.kind {
            Kind::File => self.rename_file(from, to, rights, onto),
            Kind::Folder => self.rename_folder(from, to),
            Kind::Other => Err(MailboxError::NotFound),
        }
    }

    fn rename_file(
        &self,
        from: &MailboxPath,
        to: &MailboxPath,
        rights: Rights,
        onto: Onto,
    ) -> Result<Arrival, MailboxError> {
        let tenant = self.config();
        let Placed { placement, warning } =
            placement::place(to, &tenant).map_err(MailboxError::Refused)?;
        let (from_key, to_key) = (from.to_string(), to.to_string());
        self.check_unused(&from_key)?;
        let (from_folder, from_name) = self.place_of(from)?;
        let (to_folder, to_name) = self.place_of(to)?;
        let replaced = match to_folder.stat(to_name) {
            Ok(there) if there.kind == Kind::Folder => return Err(MailboxError::IsFolder),
            Ok(_) if onto == Onto::Refuse => return Err(MailboxError::Exists),
            there => there.is_ok(),
        };
        let (file, Stat { size_bytes, .. }) = from_folder.read(from_name)?;
        let mut arrival = Arrival {
            size_bytes,
            placement,
            delivery: None,
            warning,
        };
        if from == to {
            return Ok(arrival);
        }
        let was_temporary =
            placement::place(from, &tenant).is_ok_and(|it| it.placement == Placement::Temporary);
        let loses_a_file = replaced || arrival.placement == Placement::Temporary;
        if !was_temporary && loses_a_file && !rights.delete {
            return Err(refused(
                "That would remove a finished file, and this login may not delete",
            ));
        }
        match arrival.placement {
            Placement::Ignored => {
                if !was_temporary {
                    return Err(refused("Only a temporary name can be renamed to that"));
                }
                from_folder.remove_file(from_name)?;
                self.books().ledger.remove(&from_key);
                from_folder.sync()?;
                return Ok(arrival);
            }
            Placement::Temporary => {
                self.revoke_writer(&to_key);
                self.replace(
                    (&from_folder, from_name),
                    (&to_folder, to_name),
                    &[&to_folder, &from_folder],
                )?;
            }
            _ => {
                beneath::sync_file(&file)?;
                let delivery = self.commit_arrival((&from_folder, from_name), to)?;
                arrival.delivery = Some(delivery);
            }
        }
        self.books().ledger.rename(&from_key, &to_key, size_bytes);
        Ok(arrival)
    }

    fn rename_folder(&self, from: &MailboxPath, to: &MailboxPath) -> Result<Arrival, MailboxError> {
        if !is_own_folder(from) || !is_own_folder(to) {
            return Err(refused("Folders can be renamed below /images only"));
        }
        let (from_key, to_key) = (from.to_string(), to.to_string());
        if from != to {
            if is_at_or_below(&to_key, &from_key) {
                return Err(refused("A folder cannot be moved into itself"));
            }
            self.check_unused(&from_key)?;
            let (from_folder, from_name) = self.place_of(from)?;
            let (to_folder, to_name) = self.place_of(to)?;
            if to_folder.stat(to_name).is_ok() {
                return Err(MailboxError::Exists);
            }
            self.replace(
                (&from_folder, from_name),
                (&to_folder, to_name),
                &[&to_folder, &from_folder],
            )?;
            self.books().ledger.rename_folder(&from_key, &to_key);
        }
        Ok(Arrival {
            size_bytes: 0,
            placement: Placement::Folder,
            delivery: None,
            warning: None,
        })
    }

    pub fn remove_file(&self, path: &MailboxPath) -> Result<(), MailboxError> {
        let _commits = self.commits();
        let (folder, name) = self.place_of(path)?;
        match folder.stat(name)?.kind {
            Kind::File => {}
            Kind::Folder => return Err(MailboxError::IsFolder),
            Kind::Other => return Err(MailboxError::NotFound),
        }
        let key = path.to_string();
        self.revoke_writer(&key);
        folder.remove_file(name)?;
        if counts(path) {
            self.books().ledger.remove(&key);
        }
        Ok(())
    }

    pub fn make_folder(&self, path: &MailboxPath) -> Result<(), MailboxError> {
        let _commits = self.commits();
        if self.stat(path).is_ok() {
            return Err(MailboxError::Exists);
        }
        if !is_own_folder(path) {
            return Err(refused("Folders can be made below /images only"));
        }
        if !self.books().ledger.takes_a_name() {
            return Err(too_many_names());
        }
        let (folder, name) = self.place_of(path)?;
        folder.make_folder(name)?;
        self.books().ledger.add_folder();
        Ok(folder.sync()?)
    }

    pub fn remove_folder(&self, path: &MailboxPath) -> Result<(), MailboxError> {
        let _commits = self.commits();
        if !is_own_folder(path) {
            return Err(refused("Folders can be removed below /images only"));
        }
        let (folder, name) = self.place_of(path)?;
        if folder.stat(name)?.kind != Kind::Folder {
            return Err(MailboxError::NotFolder);
        }
        folder.remove_folder(name)?;
        self.books().ledger.remove_folder();
        Ok(())
    }

    /// Sets the modification time; not a new delivery.
    pub fn set_modified(
        &self,
        path: &MailboxPath,
        modified: Timestamp,
    ) -> Result<(), MailboxError> {
        if is_outgoing(path) || path.is_root() {
            return Err(refused("Here files can be read and deleted only"));
        }
        let (folder, name) = self.place_of(path)?;
        if folder.stat(name)?.kind == Kind::Other {
            return Err(MailboxError::NotFound);
        }
        Ok(folder.set_modified(name, modified)?)
    }

    /// Puts a file of ours (a report, an error file, a receipt) in place, whole or not at all; does not count against the quota.
    pub fn deposit(&self, path: &MailboxPath, bytes: &[u8]) -> Result<(), MailboxError> {
        if !is_outgoing(path) {
            return Err(refused("Files of ours go into /reports and /errors"));
        }
        let (folder, name) = self.place_of(path)?;
        let staged = Uuid::now_v7().to_string();
        let mut file = self.staging.create(&staged)?;
        let placed = failpoint::pass(Point::DepositWrite)
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| failpoint::pass(Point::DepositSync))
            .and_then(|()| beneath::sync_file(&file))
            .and_then(|()| failpoint::pass(Point::DepositRename))
            .and_then(|()| self.staging.rename(&staged, &folder, name));
        if placed.is_err() {
            discard(&self.staging, &staged);
        }
        placed
            .and_then(|()| failpoint::pass(Point::DepositFolderSync))
            .and_then(|()| folder.sync())?;
        Ok(())
    }

    /// Links a whole file into the spool and gives it its final name; on any failure neither has happened. The caller has made its bytes
    /// durable and holds the lock on commits.
    ///
    /// A crash leaves the old state, or an arrival that is complete and will be imported although nobody was told: from the spool, where
    /// [`Mailbox::finish_rename`] gives it its name, or, when only its new name has survived, as a file that was put into the mailbox locally.
    pub(super) fn commit_arrival(
        &self,
        (folder, name): (&Folder, &str),
        to: &MailboxPath,
    ) -> Result<DeliveryId, MailboxError> {
        let delivery = self.mint();
        let spooled = spool_name(&delivery, to);
        let (to_folder, to_name) = self.place_of(to)?;
        if to_folder
            .stat(to_name)
            .is_ok_and(|it| it.kind == Kind::Folder)
        {
            return Err(MailboxError::IsFolder);
        }
        failpoint::pass(Point::SpoolLink)?;
        folder.link(name, &self.spool, &spooled)?;
        let mut touched = vec![&self.spool, &to_folder];
        // What staging holds need not survive anything.
        if !std::ptr::eq(folder, &raw const self.staging) {
            touched.push(folder);
        }
        let committed = self.replace((folder, name), (&to_folder, to_name), &touched);
        if committed.is_err() {
            discard(&self.spool, &spooled);
        }
        committed?;
        Ok(delivery)
    }

    /// Renames, in place of what is there, and makes all that was touched durable; if that fails, everything is as before.
    pub(super) fn replace(
        &self,
        (from, name): (&Folder, &str),
        (to, to_name): (&Folder, &str),
        touched: &[&Folder],
    ) -> io::Result<()> {
        let kept = Uuid::now_v7().to_string();
        // Fails when there is nothing, or when the kernel does not let us link what another user has put there: then it cannot be restored.
        let replaces = to.link(to_name, &self.staging, &kept).is_ok();
        let renamed = failpoint::pass(Point::FinalRename).and_then(|()| from.rename(name, to, to_name)).and_then(|()| {
            touched.iter().try_for_each(|folder| failpoint::pass(Point::FolderSync).and_then(|()| folder.sync())).inspect_err(|_| {
                let undone = if replaces {
                    to.link(to_name, from, name)
                        .and_then(|()| self.staging.rename(&kept, to, to_name))
                } else {
                    to.rename(to_name, from, name)
                };
                if let Err(error) = undone {
                    tracing::error!(tenant.id = %self.tenant(), "a rename could neither be made durable nor undone: {error}");
                }
            })
        });
        if replaces {
            discard(&self.staging, &kept);
        }
        renamed
    }

    /// The folder and the name in it that a path stands for.
    pub(super) fn place_of<'a>(
        &self,
        path: &'a MailboxPath,
    ) -> Result<(Folder, &'a str), MailboxError> {
        match (path.parent(), path.name()) {
            (Some(folder), Some(name)) => Ok((self.folder(&folder)?, name)),
            _ => Err(MailboxError::IsFolder),
        }
    }

    /// Refuses to move what is being written or replaced, or a folder in which that goes on.
    fn check_unused(&self, key: &str) -> Result<(), MailboxError> {
        let books = self.books();
        let is_written = books.writers.keys().any(|path| is_at_or_below(path, key));
        if is_written || books.ledger.receives(key) {
            return Err(MailboxError::Busy);
        }
        Ok(())
    }

    /// Makes the upload that writes this temporary name fail from now on.
    pub(super) fn revoke_writer(&self, key: &str) {
        let writer = self.books().writers.remove(key);
        if let Some(slot) = writer {
            slot.revoke();
        }
    }
}

/// The root and the four folders.
fn is_fixed(path: &MailboxPath) -> bool {
    match path.names() {
        [] => true,
        [top] => FOLDERS.contains(&top.as_str()),
        _ => false,
    }
}

fn refused(sentence: &str) -> MailboxError {
    MailboxError::Refused(sentence.to_owned())
}

/// Removes a name of ours that has served. What stays is harmless: staging is cleared at the next start.
pub(super) fn discard(folder: &Folder, name: &str) {
    if let Err(error) = folder.remove_file(name)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("cannot remove a file of ours: {error}");
    }
}
