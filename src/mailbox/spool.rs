//! The spool: arrivals that wait for intake, as intake sees them.

use std::fs::File;
use std::io;

use uuid::Uuid;

use crate::failpoint::{self, Point};
use crate::mailbox::arrival::Placement;
use crate::mailbox::change::discard;
use crate::mailbox::{
    DeliveryId, Kind, Mailbox, MailboxError, MailboxPath, Stat, layout, placement,
};

/// A finished upload in the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spooled {
    pub(crate) delivery: DeliveryId,
    pub(crate) path: MailboxPath,
    pub(crate) inode: u64,
}

impl Mailbox {
    /// What waits, oldest first. Names that are not ours are left alone.
    ///
    /// Waits until no name changes: an upload that is about to be renamed, or undone, is not seen.
    pub(crate) fn spooled(&self) -> io::Result<Vec<Spooled>> {
        let _commits = self.commits();
        self.waiting()
    }

    fn waiting(&self) -> io::Result<Vec<Spooled>> {
        let mut waiting = Vec::new();
        for name in self.spool.names()? {
            let Some((delivery, path)) = name.to_str().and_then(layout::parse_spool_name) else {
                continue;
            };
            match self.spool.stat(&name) {
                Ok(stat) if stat.kind == Kind::File => waiting.push(Spooled {
                    delivery,
                    path,
                    inode: stat.inode,
                }),
                Ok(_) => {}
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        waiting.sort_unstable_by(|a, b| a.delivery.cmp(&b.delivery));
        Ok(waiting)
    }

    /// Opens one of them.
    pub(crate) fn read_spooled(&self, spooled: &Spooled) -> io::Result<(File, Stat)> {
        self.spool
            .read(layout::spool_name(&spooled.delivery, &spooled.path))
    }

    /// Gives one of them its name if a crash came after it was spooled and before it was renamed: then the file before it still lies there, and
    /// would seem to be newer. `is_older` says whether what lies there was taken up before.
    ///
    /// Does nothing to a file that no upload has put there: that is an arrival of its own. A crash leaves the old state, or the new one.
    pub(crate) fn finish_rename(
        &self,
        spooled: &Spooled,
        is_older: impl FnOnce(&File, &Stat) -> io::Result<bool>,
    ) -> Result<(), MailboxError> {
        let _commits = self.commits();
        let (to, to_name) = self.place_of(&spooled.path)?;
        let (lying, lying_stat) = to.read(to_name)?;
        // An arrival that still waits is newer than this one: those before it are out of the spool.
        let is_newer = lying_stat.inode == spooled.inode
            || self
                .waiting()?
                .iter()
                .any(|it| it.path == spooled.path && it.inode == lying_stat.inode);
        if is_newer || !is_older(&lying, &lying_stat)? {
            return Ok(());
        }
        let name = layout::spool_name(&spooled.delivery, &spooled.path);
        let Stat {
            links, size_bytes, ..
        } = self.spool.stat(&name)?;
        let from = if links > 1 {
            self.find(spooled.inode)?
        } else {
            None
        };
        let to_key = spooled.path.to_string();
        if let Some(from) = from {
            let (folder, name) = self.place_of(&from)?;
            self.replace((&folder, name), (&to, to_name), &[&to, &folder])?;
            let from_key = from.to_string();
            self.books().ledger.rename(&from_key, &to_key, size_bytes);
        } else {
            let staged = Uuid::now_v7().to_string();
            self.spool.link(&name, &self.staging, &staged)?;
            let replaced = self.replace((&self.staging, &staged), (&to, to_name), &[&to]);
            if replaced.is_err() {
                discard(&self.staging, &staged);
            }
            replaced?;
            self.books().ledger.set(&to_key, size_bytes);
        }
        self.tell_named(spooled);
        Ok(())
    }

    /// At the start, before staging is cleared: gives arrivals their names that a crash has kept from them, where no file lies yet.
    ///
    /// That the rename has not happened shows in the name that the file has still: in staging, or its temporary one. Without it the sender has
    /// removed the file since. Where a file lies, [`Mailbox::finish_rename`] decides.
    pub(super) fn name_new_arrivals(&self) -> io::Result<()> {
        let _commits = self.commits();
        for spooled in self.waiting()? {
            let Ok((to, to_name)) = self.place_of(&spooled.path) else {
                continue;
            };
            if to.stat(to_name).is_ok() {
                continue;
            }
            let to_key = spooled.path.to_string();
            if let Some(staged) = self.staged_as(spooled.inode)? {
                let size_bytes = self.staging.stat(&staged)?.size_bytes;
                self.replace((&self.staging, &staged), (&to, to_name), &[&to])?;
                self.books().ledger.set(&to_key, size_bytes);
            } else if let Some(from) = self.temporary_name_of(spooled.inode)?
                && let Ok((folder, name)) = self.place_of(&from)
            {
                let size_bytes = folder.stat(name)?.size_bytes;
                self.replace((&folder, name), (&to, to_name), &[&to, &folder])?;
                let from_key = from.to_string();
                self.books().ledger.rename(&from_key, &to_key, size_bytes);
            } else {
                continue;
            }
            self.tell_named(&spooled);
        }
        Ok(())
    }

    /// The name in staging of the file with this inode.
    fn staged_as(&self, inode: u64) -> io::Result<Option<String>> {
        for name in self.staging.names()? {
            let Some(name) = name.to_str() else { continue };
            if self.staging.stat(name)?.inode == inode {
                return Ok(Some(name.to_owned()));
            }
        }
        Ok(None)
    }

    /// The temporary name in the mailbox of the file with this inode.
    fn temporary_name_of(&self, inode: u64) -> io::Result<Option<MailboxPath>> {
        let found = self.find(inode)?;
        Ok(found.filter(|path| {
            placement::place(path, &self.tenant)
                .is_ok_and(|placed| placed.placement == Placement::Temporary)
        }))
    }

    fn tell_named(&self, spooled: &Spooled) {
        tracing::info!(
            tenant.id = %self.tenant(),
            delivery.id = %spooled.delivery,
            "gave an arrival its name that a crash had kept from it"
        );
    }

    /// Takes one of them out, once it is recorded. Does nothing when it is out already.
    pub(crate) fn unspool(&self, spooled: &Spooled) -> io::Result<()> {
        let name = layout::spool_name(&spooled.delivery, &spooled.path);
        failpoint::pass(Point::Unspool)?;
        match self.spool.remove_file(&name) {
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed
                .and_then(|()| failpoint::pass(Point::UnspoolSync))
                .and_then(|()| self.spool.sync()),
        }
    }
}
