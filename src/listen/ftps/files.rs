//! Commands about names: folders, sizes, times, rename, delete. No data connection is needed.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::spawn_blocking;

use super::listing;
use super::pump::broken_off;
use super::reply::{Reply, quoted};
use super::session::{Answer, Session, Stop, answer, refuse};
use crate::listen::upload_log::log_rename;
use crate::mailbox::{Entry, EntryKind, Mailbox, MailboxError, MailboxPath};

impl Session {
    /// What a path means in the working folder. `code` says no.
    pub(super) fn resolve(&self, code: u16, path: &str) -> Result<MailboxPath, Stop> {
        MailboxPath::resolve(&self.folder, path.as_bytes())
            .map_err(|error| Stop::Refused(Reply::new(code, error.to_string())))
    }

    /// Asks the mailbox, on the blocking pool.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Arc<Mailbox>) -> Result<T, MailboxError> + Send + 'static,
    ) -> Result<T, Stop> {
        let mailbox = Arc::clone(&self.account()?.mailbox);
        let answered = spawn_blocking(move || question(&mailbox))
            .await
            .unwrap_or_else(|error| Err(broken_off(error)));
        Ok(answered?)
    }

    pub(super) async fn stat(&self, path: &str) -> Result<(MailboxPath, Entry), Stop> {
        self.account()?;
        let path = self.resolve(550, path)?;
        self.ask(move |mailbox| {
            let entry = mailbox.stat(&path)?;
            Ok((path, entry))
        })
        .await
    }

    async fn stat_file(&self, path: &str) -> Result<Entry, Stop> {
        match self.stat(path).await? {
            (_, entry) if entry.kind == EntryKind::File => Ok(entry),
            _ => refuse(550, "That is a folder"),
        }
    }

    /// PWD.
    pub(super) fn working_folder(&self) -> Answer {
        self.account()?;
        let folder = quoted(&self.folder.to_string());
        answer(257, format!("{folder} is the working folder"))
    }

    /// CWD and CDUP.
    pub(super) async fn change_folder(&mut self, path: &str) -> Answer {
        let (path, entry) = self.stat(path).await?;
        if entry.kind != EntryKind::Folder {
            return refuse(550, "That is not a folder");
        }
        self.folder = path;
        answer(250, "This is the working folder now")
    }

    /// SIZE: bytes as they are, in TYPE A too.
    pub(super) async fn size(&self, path: &str) -> Answer {
        let entry = self.stat_file(path).await?;
        answer(213, entry.size_bytes.to_string())
    }

    /// MDTM.
    pub(super) async fn modified(&self, path: &str) -> Answer {
        let entry = self.stat_file(path).await?;
        answer(213, listing::time_value(entry.modified))
    }

    /// MFMT and MFF. A file that was delivered is not delivered again for it.
    pub(super) async fn set_modified(&self, modified: Timestamp, path: &str) -> Answer {
        self.may_upload(550)?;
        let (path, _) = self.stat(path).await?;
        let set = path.clone();
        self.ask(move |mailbox| mailbox.set_modified(&set, modified))
            .await?;
        let time = listing::time_value(modified);
        answer(213, format!("Modify={time}; {path}"))
    }

    /// AVBL: how many bytes the quota has left, in whichever folder is asked about.
    pub(super) async fn available(&self, path: Option<&str>) -> Answer {
        let (_, entry) = self.stat(path.unwrap_or(".")).await?;
        if entry.kind != EntryKind::Folder {
            return refuse(550, "That is not a folder");
        }
        let mailbox = &self.account()?.mailbox;
        let free = mailbox.quota_bytes().saturating_sub(mailbox.used_bytes());
        answer(213, free.to_string())
    }

    /// SITE QUOTA: the same for a person's eyes.
    pub(super) fn quota(&self) -> Answer {
        let mailbox = &self.account()?.mailbox;
        let (used, quota) = (mailbox.used_bytes(), mailbox.quota_bytes());
        let free = quota.saturating_sub(used);
        answer(
            200,
            format!("{used} of {quota} bytes are used, {free} are free"),
        )
    }

    /// MLST.
    pub(super) async fn facts_of(&self, path: Option<&str>) -> Answer {
        let (path, entry) = self.stat(path.unwrap_or(".")).await?;
        let rights = self.account()?.rights;
        let line = self.facts.line(&entry, &path.to_string(), rights);
        Ok(Some(Reply::listing(250, "Facts:", vec![line])))
    }

    /// MKD.
    pub(super) async fn make_folder(&self, path: &str) -> Answer {
        self.may_upload(550)?;
        let path = self.resolve(553, path)?;
        let made = path.clone();
        self.ask(move |mailbox| mailbox.make_folder(&path)).await?;
        answer(257, format!("{} is there now", quoted(&made.to_string())))
    }

    /// RMD.
    pub(super) async fn remove_folder(&self, path: &str) -> Answer {
        self.may_delete()?;
        let path = self.resolve(550, path)?;
        self.ask(move |mailbox| mailbox.remove_folder(&path))
            .await?;
        answer(250, "The folder is gone")
    }

    /// DELE.
    pub(super) async fn remove_file(&self, path: &str) -> Answer {
        self.may_delete()?;
        let path = self.resolve(550, path)?;
        self.ask(move |mailbox| mailbox.remove_file(&path)).await?;
        answer(250, "The file is gone")
    }

    /// RNFR.
    pub(super) async fn rename_from(&mut self, path: &str) -> Answer {
        self.may_upload(550)?;
        let (path, _) = self.stat(path).await?;
        self.rename_from = Some(path);
        answer(350, "Send RNTO")
    }

    /// RNTO.
    pub(super) async fn rename_to(&mut self, path: &str) -> Answer {
        self.may_upload(550)?;
        let Some(from) = self.rename_from.take() else {
            return refuse(503, "Send RNFR first");
        };
        let to = self.resolve(553, path)?;
        let rights = self.account()?.rights;
        let arrival = self
            .ask(move |mailbox| mailbox.rename(&from, &to, rights))
            .await?;
        log_rename(&arrival);
        answer(250, super::transfer::with_delivery("Renamed", &arrival))
    }

    pub(super) fn may_upload(&self, code: u16) -> Result<(), Stop> {
        if self.account()?.rights.upload {
            return Ok(());
        }
        refuse(code, "This login may not upload")
    }

    pub(super) fn may_download(&self) -> Result<(), Stop> {
        if self.account()?.rights.download {
            return Ok(());
        }
        refuse(550, "This login may not download")
    }

    fn may_delete(&self) -> Result<(), Stop> {
        if self.account()?.rights.delete {
            return Ok(());
        }
        refuse(550, "This login may not delete")
    }
}
