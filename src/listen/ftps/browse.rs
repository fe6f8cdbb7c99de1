//! Listings: what is in a folder, for LIST, NLST and MLSD.

use super::listing;
use super::session::{Answer, NextTransfer, Session, Stop, refuse};
use crate::clock::{Clock as _, SystemClock};
use crate::mailbox::{Entry, EntryKind};

impl Session {
    /// LIST.
    pub(super) async fn list_long(&mut self, path: Option<&str>) -> Answer {
        let (entries, _) = self.entries(path).await?;
        self.give_text(listing::long(&entries, SystemClock.now()))
            .await
    }

    /// NLST.
    pub(super) async fn list_names(&mut self, path: Option<&str>) -> Answer {
        let (entries, kind) = self.entries(path).await?;
        let asked = path.unwrap_or_default();
        let prefix = match (kind, asked.rsplit_once('/')) {
            (EntryKind::File, Some((folder, _))) => format!("{folder}/"),
            (EntryKind::Folder, _) if !matches!(asked, "" | "." | "./") => {
                format!("{}/", asked.trim_end_matches('/'))
            }
            _ => String::new(),
        };
        self.give_text(listing::names(&entries, &prefix)).await
    }

    /// MLSD.
    pub(super) async fn list_facts(&mut self, path: Option<&str>) -> Answer {
        let (entries, kind) = self.entries(path).await?;
        if kind == EntryKind::File {
            return refuse(501, "That is not a folder: use MLST");
        }
        let rights = self.account()?.rights;
        self.give_text(listing::facts(&entries, &self.facts, rights))
            .await
    }

    /// What is in a folder, or the one file.
    async fn entries(&mut self, path: Option<&str>) -> Result<(Vec<Entry>, EntryKind), Stop> {
        self.next = NextTransfer::default();
        self.may_move_data()?;
        let path = self.resolve(550, path.unwrap_or("."))?;
        self.ask(move |mailbox| {
            let entry = mailbox.stat(&path)?;
            Ok(match entry.kind {
                EntryKind::File => (vec![entry], EntryKind::File),
                EntryKind::Folder => (mailbox.list(&path)?, EntryKind::Folder),
            })
        })
        .await
    }
}
