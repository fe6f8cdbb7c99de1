//! What has lain long enough: copies of settled deliveries in the archive, files in `/errors`, uploads that were never renamed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::IntakeError;
use crate::config::Retention;
use crate::db::Db;
use crate::mailbox::arrival::Placement;
use crate::mailbox::layout::{ERRORS, REPORTS_OF_A_DELIVERY as REPORTS};
use crate::mailbox::{
    DeliveryId, EntryKind, Mailbox, MailboxError, MailboxPath, Mailboxes, placement,
};

/// A copy that was made later than this ago is never removed: its delivery may not be recorded yet, however long it waited in the spool.
const YOUNGEST: Duration = Duration::from_hours(1);

/// Goes through all mailboxes once, and says how many files it removed.
pub(super) async fn tick(
    mailboxes: &Mailboxes,
    db: &Db,
    retention: Retention,
    now: Timestamp,
) -> Result<usize, IntakeError> {
    let mut removed = 0;
    for mailbox in mailboxes.iter() {
        let retention = retention.with(mailbox.config().retention);
        erase_doomed(&mailbox, db).await?;
        if let Some(kept) = retention.history {
            let (tenant, environment) = (mailbox.tenant(), mailbox.environment());
            let emptied = db
                .empty_changes(tenant, environment, before(now, kept))
                .await?;
            if emptied > 0 {
                tracing::info!(
                    tenant.id = %tenant,
                    environment = %environment,
                    changes = emptied,
                    "took the values out of changes that were kept long enough"
                );
            }
        }
        // Asked before the archive is listed: the copies of what is recorded after that are young.
        let unsettled = db.unsettled_deliveries().await?;
        let work = move || -> io::Result<usize> {
            let copies = remove_copies(
                &mailbox,
                before(now, retention.archive),
                before(now, YOUNGEST),
                |id| unsettled.contains(id.as_str()),
            )?;
            let errors = remove_errors(&mailbox, before(now, retention.errors))?;
            let temporary = remove_temporary(&mailbox, before(now, retention.temporary))?;
            if copies + errors + temporary > 0 {
                tracing::info!(
                    tenant.id = %mailbox.tenant(),
                    environment = %mailbox.environment(),
                    copies,
                    errors,
                    temporary,
                    "removed what was kept long enough"
                );
            }
            Ok(copies + errors + temporary)
        };
        removed += tokio::task::spawn_blocking(work)
            .await
            .map_err(io::Error::other)
            .and_then(|done| done)
            .map_err(IntakeError::Files)?;
    }
    Ok(removed)
}

/// Removes the copies of deliveries that hold somebody who was erased, and the files in `/errors` about them, as far as no run needs them any more. Says how
/// many copies that were.
pub async fn erase_doomed(mailbox: &Arc<Mailbox>, db: &Db) -> Result<usize, IntakeError> {
    let (tenant, environment) = (mailbox.tenant(), mailbox.environment());
    let doomed = db.doomed_copies(tenant, environment).await?;
    if doomed.is_empty() {
        return Ok(0);
    }
    let mailbox = Arc::clone(mailbox);
    let work = move || -> io::Result<_> {
        let mut removed = 0;
        for it in &doomed {
            match mailbox.archive().remove_file(it.delivery.as_str()) {
                Ok(()) => removed += 1,
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            if it.with_reports {
                remove_reports(&mailbox, &it.delivery)?;
            }
        }
        Ok((doomed, removed))
    };
    let (doomed, removed) = tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)
        .and_then(|done| done)
        .map_err(IntakeError::Files)?;
    db.copies_gone(&doomed).await?;
    Ok(removed)
}

fn remove_reports(mailbox: &Mailbox, delivery: &DeliveryId) -> io::Result<()> {
    for ending in REPORTS {
        let path = MailboxPath::root()
            .join(ERRORS)
            .and_then(|folder| folder.join(&format!("{delivery}{ending}")));
        if let Ok(path) = path {
            remove(mailbox, &path)?;
        }
    }
    Ok(())
}

fn remove_copies(
    mailbox: &Mailbox,
    received_before: Timestamp,
    copied_before: Timestamp,
    is_needed: impl Fn(&DeliveryId) -> bool,
) -> io::Result<usize> {
    let mut removed = 0;
    for name in mailbox.archive().names()? {
        let Some(id) = name.to_str().and_then(|name| DeliveryId::parse(name).ok()) else {
            continue;
        };
        if id.minted_at() >= received_before || is_needed(&id) {
            continue;
        }
        match mailbox.archive().stat(id.as_str()) {
            Ok(copy) if copy.changed() < copied_before => {
                mailbox.archive().remove_file(id.as_str())?;
                removed += 1;
            }
            Ok(_) => {}
            // It was half done, and is being made anew.
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}

fn remove_errors(mailbox: &Mailbox, before: Timestamp) -> io::Result<usize> {
    let Ok(folder) = MailboxPath::root().join(ERRORS) else {
        return Ok(0);
    };
    let mut removed = 0;
    for entry in mailbox.list(&folder).map_err(io_error)? {
        if entry.kind == EntryKind::File
            && entry.modified < before
            && let Ok(path) = folder.join(&entry.name)
        {
            removed += remove(mailbox, &path)?;
        }
    }
    Ok(removed)
}

fn remove_temporary(mailbox: &Mailbox, before: Timestamp) -> io::Result<usize> {
    let mut removed = 0;
    let tenant = mailbox.config();
    for file in mailbox.rescan()? {
        let is_temporary = placement::place(&file.path, &tenant)
            .is_ok_and(|placed| placed.placement == Placement::Temporary);
        // A client may set the time of modification to years ago before it renames the file.
        if is_temporary && file.stat.modified() < before && file.stat.changed() < before {
            removed += remove(mailbox, &file.path)?;
        }
    }
    Ok(removed)
}

fn remove(mailbox: &Mailbox, path: &MailboxPath) -> io::Result<usize> {
    match mailbox.remove_file(path) {
        Ok(()) => Ok(1),
        Err(MailboxError::NotFound) => Ok(0),
        Err(error) => Err(io_error(error)),
    }
}

fn before(now: Timestamp, kept: Duration) -> Timestamp {
    now.checked_sub(kept).unwrap_or(Timestamp::MIN)
}

fn io_error(error: MailboxError) -> io::Error {
    match error {
        MailboxError::Io(error) => error,
        error => io::Error::other(error),
    }
}
