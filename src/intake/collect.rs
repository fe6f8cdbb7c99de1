//! One mailbox's intake: what waits in its spool, and what someone has put into it locally, becomes deliveries.
//!
//! Whatever step the process dies at, the next pass goes on from there: a copy in the archive without a row is made anew, a row
//! without an empty spool only empties the spool.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::IntakeError;
use super::claim::{self, fingerprint};
use super::settle::{Coming, Settling, Verdict};
use crate::clock::SharedClock;
use crate::config::Tenant;
use crate::content::Content;
use crate::db::{Db, NewDelivery, NewKind, Recorded, Seen};
use crate::failpoint::{self, Point};
use crate::mailbox::arrival::Placement;
use crate::mailbox::{
    DeliveryId, Fingerprint, Found, Mailbox, MailboxError, MailboxPath, Spooled, Stat, placement,
};
use crate::parse::photo::Photo;
use crate::telemetry::{self, DeliveryKind};
use crate::tenant::Mode;

/// How soon a file that was written while it was copied is looked at again.
const MOVED_AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// How long an arrival waits at most, hint or no hint, while many files are looked at.
const SPOOL_WAIT: Duration = Duration::from_secs(2);

/// What all collectors share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) db: Db,
    pub(super) clock: SharedClock,
    /// Bounds how many files are read at one time.
    pub(super) reading: Arc<Semaphore>,
    /// Told of every new job.
    pub(super) queue: Arc<Notify>,
    /// Told of every new photo.
    pub(super) photos: Arc<Notify>,
}

/// The intake of one mailbox. Nobody else takes anything out of its spool.
#[derive(Debug)]
pub(super) struct Collector {
    mailbox: Arc<Mailbox>,
    shared: Shared,
    settling: Settling,
    /// Files with which there is nothing to do for as long as they look like this.
    done_with: HashMap<MailboxPath, Fingerprint>,
    /// Arrivals that no data source wants, told of once.
    unwanted: HashSet<DeliveryId>,
    /// By which the last two were judged.
    tenant: Arc<Tenant>,
}

/// What a name that is taken up stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Data { source: String, mode: Mode },
    Photo,
}

/// What keeps its order: nothing newer overtakes what could not be taken up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Queue {
    Source(String),
    Photo(MailboxPath),
}

/// What has become of a settled file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Delivered,
    /// The same bytes under new times, or under a new inode.
    Known,
    /// It was written, or went away, while it was copied.
    Moved,
    /// Whoever put it here keeps us out.
    Unreadable,
}

impl Collector {
    pub(super) fn new(mailbox: Arc<Mailbox>, shared: Shared, settle: SignedDuration) -> Self {
        Self {
            tenant: mailbox.config(),
            mailbox,
            shared,
            settling: Settling::new(settle),
            done_with: HashMap::new(),
            unwanted: HashSet::new(),
        }
    }

    pub(super) fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    /// What nobody wanted may be wanted after a reload. A tenant that did not change stays the same value.
    fn keep_up(&mut self) {
        let tenant = self.mailbox.config();
        if !Arc::ptr_eq(&tenant, &self.tenant) {
            self.done_with.clear();
            self.unwanted.clear();
            self.tenant = tenant;
        }
    }

    /// Takes up what waits in the spool, oldest first, and says how many deliveries that made.
    pub(super) async fn empty_spool(&mut self) -> Result<usize, IntakeError> {
        self.keep_up();
        let waiting = self.on_disk(Mailbox::spooled).await?;
        let mut taken = 0;
        let mut failed: Option<IntakeError> = None;
        let mut blocked = HashSet::new();
        for spooled in waiting {
            let Some(wanted) = self.wanted(&spooled.path) else {
                if self.unwanted.insert(spooled.delivery.clone()) {
                    tracing::error!(
                        tenant.id = %self.mailbox.tenant(),
                        delivery.id = %spooled.delivery,
                        "an arrival stays in the spool, because its name belongs to no data source any more: put the data source back and reload"
                    );
                }
                continue;
            };
            let queue = queue(&wanted, &spooled.path);
            if blocked.contains(&queue) {
                continue;
            }
            match self.claim_spooled(&spooled, wanted).await {
                Ok(Recorded::New) => taken += 1,
                Ok(Recorded::Known) => {}
                Err(error) => {
                    blocked.insert(queue);
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(taken), Err)
    }

    async fn claim_spooled(
        &mut self,
        spooled: &Spooled,
        wanted: Wanted,
    ) -> Result<Recorded, IntakeError> {
        failpoint::pass_async(Point::Claim)
            .await
            .map_err(IntakeError::Files)?;
        if self.shared.db.has_delivery(&spooled.delivery).await? {
            self.unspool(spooled).await?;
            return Ok(Recorded::Known);
        }
        self.finish_rename(spooled).await?;
        let (entry, is_data) = (spooled.clone(), matches!(wanted, Wanted::Data { .. }));
        let (content, photo, stat) = self
            .on_disk(move |mailbox| {
                let (file, stat) = mailbox.read_spooled(&entry)?;
                let (content, photo) = if is_data {
                    let content = claim::copy(&file, mailbox.archive(), &entry.delivery)?;
                    (content, None)
                } else {
                    claim::look_at_photo(&file)?
                };
                Ok((content, photo, stat))
            })
            .await?;
        let recorded = self
            .record(
                &spooled.delivery,
                &spooled.path,
                wanted,
                &content,
                photo,
                &stat,
            )
            .await?;
        let lying = self.unspool(spooled).await?;
        if let Some(lying) = lying.filter(|lying| only_changed(&stat, lying)) {
            self.note(&spooled.path, &lying, content.sha256).await?;
        }
        Ok(recorded)
    }

    /// Gives an arrival its name before it is recorded, when the file that was taken up last still has it.
    async fn finish_rename(&self, spooled: &Spooled) -> Result<(), IntakeError> {
        let path = spooled.path.clone();
        let lying = self
            .on_disk(move |mailbox| Ok(mailbox.read_found(&path).ok()))
            .await?;
        if lying.is_none_or(|(_, lying)| lying.inode == spooled.inode) {
            return Ok(());
        }
        let Some(seen) = self.seen(&spooled.path).await? else {
            return Ok(());
        };
        let entry = spooled.clone();
        self.on_disk(move |mailbox| {
            match mailbox.finish_rename(&entry, |file, stat| {
                Ok(may_be_known(&seen, stat) && claim::digest(file)? == seen.sha256)
            }) {
                Ok(()) | Err(MailboxError::NotFound | MailboxError::IsFolder) => Ok(()),
                Err(MailboxError::Io(error)) => Err(error),
                Err(error) => Err(io::Error::other(error)),
            }
        })
        .await
    }

    /// Takes an arrival out of the spool, and looks at what lies under its name after that: leaving the spool changes the ctime.
    async fn unspool(&self, spooled: &Spooled) -> Result<Option<Stat>, IntakeError> {
        let entry = spooled.clone();
        self.on_disk(move |mailbox| {
            mailbox.unspool(&entry)?;
            Ok(mailbox.read_found(&entry.path).ok().map(|(_, stat)| stat))
        })
        .await
    }

    /// Takes up what has settled in the mailbox itself, counts what lies there, and says when a file wants to be looked at again.
    ///
    /// What arrives meanwhile, as `arrived` tells, does not wait until all photos were looked at.
    pub(super) async fn look_around(
        &mut self,
        renamed: &HashSet<MailboxPath>,
        arrived: &Notify,
    ) -> Result<Option<Timestamp>, IntakeError> {
        // In this order: an upload that the walk has seen is in the spool until this collector takes it out.
        let (found, spooled) = self
            .on_disk(|mailbox| Ok((mailbox.rescan()?, mailbox.spooled()?)))
            .await?;
        let mailbox = &self.mailbox;
        telemetry::set_mailbox(
            mailbox.tenant(),
            mailbox.environment(),
            mailbox.used_bytes(),
            mailbox.quota_bytes(),
        );
        let lying: HashSet<&MailboxPath> = found.iter().map(|it| &it.path).collect();
        self.done_with.retain(|path, _| lying.contains(path));
        self.settling.retain(|path| lying.contains(path));
        let mut again: Option<Timestamp> = None;
        let mut failed = None;
        let mut blocked = HashSet::new();
        let mut emptied_at = Instant::now();
        for (queue, file) in self.to_look_at(found, &spooled) {
            if queue.as_ref().is_some_and(|it| blocked.contains(it)) {
                continue;
            }
            // Not between data files: an upload would overtake what was written before it.
            let is_data = matches!(queue, Some(Queue::Source(_)));
            if !is_data && (emptied_at.elapsed() >= SPOOL_WAIT || is_notified(arrived).await) {
                self.empty_spool().await?;
                emptied_at = Instant::now();
            }
            match self.look(&file, renamed).await {
                Ok(Some(at)) => again = Some(again.map_or(at, |again| again.min(at))),
                Ok(None) => {}
                Err(error) => {
                    blocked.extend(queue);
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(again), Err)
    }

    /// Of what a walk found, the files that may have news: data files before all others, and each in the order in which they were written. Of
    /// two dated files that settle together the newer one is then delivered last, and wins.
    fn to_look_at(&self, found: Vec<Found>, spooled: &[Spooled]) -> Vec<(Option<Queue>, Found)> {
        let arriving: HashSet<u64> = spooled.iter().map(|it| it.inode).collect();
        let mut files: Vec<_> = found
            .into_iter()
            .filter(|file| {
                !arriving.contains(&file.stat.inode)
                    && self.done_with.get(&file.path) != Some(&fingerprint(&file.stat))
            })
            .map(|file| {
                let wanted = self.wanted(&file.path);
                (wanted.map(|it| queue(&it, &file.path)), file)
            })
            .collect();
        files.sort_by_cached_key(|(queue, file)| {
            let is_data = matches!(queue, Some(Queue::Source(_)));
            (!is_data, file.stat.modified_ns, file.path.clone())
        });
        files
    }

    /// Looks at one file, and says when to look again.
    async fn look(
        &mut self,
        file: &Found,
        renamed: &HashSet<MailboxPath>,
    ) -> Result<Option<Timestamp>, IntakeError> {
        let Found { path, stat } = file;
        let looks = fingerprint(stat);
        let placed = placement::place(path, &self.tenant);
        if let Ok(placed) = &placed
            && matches!(placed.placement, Placement::Temporary | Placement::Ignored)
        {
            return Ok(None);
        }
        let seen = self.seen(path).await?;
        if seen.as_ref().is_some_and(|seen| seen.fingerprint == looks) {
            self.settling.forget(path);
            self.done_with.insert(path.clone(), looks);
            return Ok(None);
        }
        // What a rename brings in is another file; the known one is written in place.
        let is_another = seen
            .as_ref()
            .is_none_or(|seen| seen.fingerprint.inode != looks.inode);
        let coming = if renamed.contains(path) && is_another {
            Coming::RenamedIn
        } else {
            Coming::Unknown
        };
        let now = self.shared.clock.now();
        if let Verdict::Wait(until) = self.settling.look(path, looks, coming, now) {
            return Ok(Some(until));
        }
        self.settling.forget(path);
        let Some(wanted) = self.wanted(path) else {
            self.tell_left_alone(path, &placed.err().unwrap_or_default());
            self.done_with.insert(path.clone(), looks);
            return Ok(None);
        };
        let known = seen.filter(|seen| may_be_known(seen, stat));
        match self.claim_local(path, looks, wanted, known).await? {
            Taken::Delivered | Taken::Known => {
                self.done_with.insert(path.clone(), looks);
                Ok(None)
            }
            Taken::Unreadable => {
                self.tell_left_alone(path, "rosterd's user may not read it");
                self.done_with.insert(path.clone(), looks);
                Ok(None)
            }
            Taken::Moved => Ok(Some(now + MOVED_AGAIN)),
        }
    }

    /// Once per file. Its name may be a person's, so it is not logged.
    fn tell_left_alone(&self, path: &MailboxPath, why: &str) {
        if !self.done_with.contains_key(path) {
            tracing::warn!(
                tenant.id = %self.mailbox.tenant(),
                environment = %self.mailbox.environment(),
                folder = %path.parent().unwrap_or_default(),
                "a file that was put into the mailbox locally is left alone: {why}"
            );
        }
    }

    /// Copies a settled file while it must not move, and records it unless it is known to hold just these bytes.
    async fn claim_local(
        &self,
        path: &MailboxPath,
        looks: Fingerprint,
        wanted: Wanted,
        known: Option<Seen>,
    ) -> Result<Taken, IntakeError> {
        let delivery = self.mailbox.mint();
        let (id, at, is_data) = (
            delivery.clone(),
            path.clone(),
            matches!(wanted, Wanted::Data { .. }),
        );
        let copied = self
            .on_disk(move |mailbox| {
                let (file, before) = match mailbox.read_found(&at) {
                    Ok(opened) => opened,
                    Err(MailboxError::NotFound | MailboxError::IsFolder) => {
                        return Ok(Err(Taken::Moved));
                    }
                    Err(MailboxError::Io(error))
                        if error.kind() == io::ErrorKind::PermissionDenied =>
                    {
                        return Ok(Err(Taken::Unreadable));
                    }
                    Err(MailboxError::Io(error)) => return Err(error),
                    Err(error) => return Err(io::Error::other(error)),
                };
                if fingerprint(&before) != looks {
                    return Ok(Err(Taken::Moved));
                }
                let (content, photo) = if is_data {
                    (claim::copy(&file, mailbox.archive(), &id)?, None)
                } else {
                    claim::look_at_photo(&file)?
                };
                let after = Stat::of(&file)?;
                let is_known = known.is_some_and(|known| known.sha256 == content.sha256);
                let has_moved = fingerprint(&after) != looks;
                if has_moved || is_known {
                    claim::discard(mailbox.archive(), &id)?;
                }
                if has_moved {
                    return Ok(Err(Taken::Moved));
                }
                Ok(Ok((content, photo, after, is_known)))
            })
            .await?;
        let (content, photo, stat, is_known) = match copied {
            Ok(copied) => copied,
            Err(taken) => return Ok(taken),
        };
        if is_known {
            self.note(path, &stat, content.sha256).await?;
            return Ok(Taken::Known);
        }
        self.record(&delivery, path, wanted, &content, photo, &stat)
            .await?;
        Ok(Taken::Delivered)
    }

    async fn record(
        &self,
        delivery: &DeliveryId,
        path: &MailboxPath,
        wanted: Wanted,
        content: &Content,
        photo: Option<Photo>,
        stat: &Stat,
    ) -> Result<Recorded, IntakeError> {
        let (tenant, environment) = (self.mailbox.tenant(), self.mailbox.environment());
        let (kind, counted) = match wanted {
            Wanted::Data { source, mode } => (NewKind::Data { source, mode }, DeliveryKind::Data),
            Wanted::Photo => (
                NewKind::Photo {
                    format: photo.map(|it| it.format.as_str().to_owned()),
                    width: photo.map(|it| it.width),
                    height: photo.map(|it| it.height),
                },
                DeliveryKind::Photo,
            ),
        };
        let received_at = delivery.minted_at();
        let new = NewDelivery {
            id: delivery.clone(),
            tenant: tenant.clone(),
            environment,
            kind,
            file_name: path.to_string(),
            sha256: content.sha256.clone(),
            size_bytes: content.size_bytes,
            received_at,
            fingerprint: fingerprint(stat),
        };
        let recorded = self.shared.db.record_delivery(&new).await?;
        if recorded == Recorded::New {
            telemetry::count_delivery(tenant, environment, counted, received_at);
            tracing::info!(
                tenant.id = %tenant,
                environment = %environment,
                delivery.id = %delivery,
                kind = counted.as_str(),
                size_bytes = content.size_bytes,
                "took up a delivery"
            );
            match counted {
                DeliveryKind::Data => self.shared.queue.notify_one(),
                DeliveryKind::Photo => self.shared.photos.notify_one(),
            }
        }
        Ok(recorded)
    }

    /// How the file at `path` looked when it was last taken up.
    async fn seen(&self, path: &MailboxPath) -> Result<Option<Seen>, IntakeError> {
        let (tenant, environment) = (self.mailbox.tenant(), self.mailbox.environment());
        let path = path.to_string();
        Ok(self.shared.db.seen_file(tenant, environment, &path).await?)
    }

    async fn note(
        &self,
        path: &MailboxPath,
        stat: &Stat,
        sha256: String,
    ) -> Result<(), IntakeError> {
        let seen = Seen {
            fingerprint: fingerprint(stat),
            sha256,
        };
        let (tenant, environment) = (self.mailbox.tenant(), self.mailbox.environment());
        let path = path.to_string();
        Ok(self
            .shared
            .db
            .note_seen(tenant, environment, &path, &seen)
            .await?)
    }

    fn wanted(&self, path: &MailboxPath) -> Option<Wanted> {
        let tenant = &self.tenant;
        match placement::place(path, tenant).ok()?.placement {
            Placement::Data { source } => {
                let mode = tenant
                    .data_sources
                    .iter()
                    .find(|it| it.name == source)?
                    .mode;
                Some(Wanted::Data { source, mode })
            }
            Placement::Photo => Some(Wanted::Photo),
            _ => None,
        }
    }

    /// Runs what blocks where it may block.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Mailbox) -> io::Result<T> + Send + 'static,
    ) -> Result<T, IntakeError> {
        let _permit = self.shared.reading.acquire().await;
        let mailbox = Arc::clone(&self.mailbox);
        tokio::task::spawn_blocking(move || work(&mailbox))
            .await
            .map_err(io::Error::other)
            .and_then(|done| done)
            .map_err(IntakeError::Files)
    }
}

/// Whether there is a hint, which is taken.
async fn is_notified(hint: &Notify) -> bool {
    tokio::select! {
        biased;
        () = hint.notified() => true,
        () = std::future::ready(()) => false,
    }
}

fn queue(wanted: &Wanted, path: &MailboxPath) -> Queue {
    match wanted {
        Wanted::Data { source, .. } => Queue::Source(source.clone()),
        Wanted::Photo => Queue::Photo(path.clone()),
    }
}

/// Whether a file may be the one that was last taken up: under another time, or, as after a restore, under another inode. Its bytes tell.
fn may_be_known(seen: &Seen, stat: &Stat) -> bool {
    let Fingerprint {
        inode,
        size_bytes,
        modified_ns,
        ..
    } = seen.fingerprint;
    size_bytes == stat.size_bytes && (inode == stat.inode || modified_ns == stat.modified_ns)
}

/// Whether a file is still the one that was copied, with nothing moved but its ctime.
fn only_changed(copied: &Stat, lying: &Stat) -> bool {
    copied.inode == lying.inode
        && copied.size_bytes == lying.size_bytes
        && copied.modified_ns == lying.modified_ns
}
