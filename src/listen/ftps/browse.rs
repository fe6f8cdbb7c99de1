//! Listings: what is in a folder, for LIST, NLST, MLSD and STAT. A `*` in the last name, as in `NLST *.csv`, picks from its folder.

use super::listing;
use super::reply::Reply;
use super::session::{Answer, NextTransfer, Session, Stop, refuse};
use crate::clock::{Clock as _, SystemClock};
use crate::mailbox::{Entry, EntryKind, MailboxPath};
use crate::tenant::NamePattern;

impl Session {
    /// LIST.
    pub(super) async fn list_long(&mut self, path: Option<&str>) -> Answer {
        let (entries, _) = self.entries_to_send(path).await?;
        self.give_text(listing::long(&entries, SystemClock.now()))
            .await
    }

    /// NLST.
    pub(super) async fn list_names(&mut self, path: Option<&str>) -> Answer {
        let (entries, kind) = self.entries_to_send(path).await?;
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
        let (entries, kind) = self.entries_to_send(path).await?;
        if kind == EntryKind::File {
            return refuse(501, "That is not a folder: use MLST");
        }
        let rights = self.account()?.rights;
        self.give_text(listing::facts(&entries, &self.facts, rights))
            .await
    }

    /// STAT with a path: LIST on the control connection, for clients that spare themselves a data connection.
    pub(super) async fn list_here(&self, path: &str) -> Answer {
        let (entries, kind) = self.entries(path).await?;
        let code = match kind {
            EntryKind::Folder => 212,
            EntryKind::File => 213,
        };
        let listing = listing::long(&entries, SystemClock.now());
        let lines = listing.lines().map(str::to_owned).collect();
        Ok(Some(Reply::listing(code, "Status:", lines)))
    }

    async fn entries_to_send(
        &mut self,
        path: Option<&str>,
    ) -> Result<(Vec<Entry>, EntryKind), Stop> {
        self.next = NextTransfer::default();
        self.may_move_data()?;
        self.entries(path.unwrap_or(".")).await
    }

    /// What is in a folder, or the one file, or the files that are meant by a pattern.
    async fn entries(&self, path: &str) -> Result<(Vec<Entry>, EntryKind), Stop> {
        self.account()?;
        let path = self.resolve(550, path)?;
        self.ask(move |mailbox| {
            if let Some((folder, pattern)) = picked(&path) {
                let mut entries = mailbox.list(&folder)?;
                entries.retain(|entry| pattern.matches(&entry.name));
                return Ok((entries, EntryKind::File));
            }
            let entry = mailbox.stat(&path)?;
            Ok(match entry.kind {
                EntryKind::File => (vec![entry], EntryKind::File),
                EntryKind::Folder => (mailbox.list(&path)?, EntryKind::Folder),
            })
        })
        .await
    }
}

/// The folder to look in and what to look for, where the last name is a pattern.
fn picked(path: &MailboxPath) -> Option<(MailboxPath, NamePattern)> {
    let name = path.name().filter(|name| name.contains('*'))?;
    Some((path.parent()?, NamePattern::parse(name).ok()?))
}
