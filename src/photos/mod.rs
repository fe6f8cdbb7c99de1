//! Photos to their people: each photo that was taken up is looked at in a child process, and when a batch of them is over, its report is put into `/errors`.
//!
//! Photos lie in the mailbox and nowhere else; what was found about each stands in the database, with how far each mailbox was looked at and told of. So
//! whatever step the process dies at, the next look goes on from there. Notifications are hints; the database is the truth.

mod gallery;
mod look;
pub mod present;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::db::{Db, DbError};
use crate::import::Deposit;
use crate::import::reader::{Reader, ReaderError};
use crate::live::Live;
use crate::mailbox::{Mailbox, MailboxError, Mailboxes};
use crate::telemetry::chain;
use crate::tenant::{Environment, TenantId};

use gallery::Gallery;

/// Between two looks, however many photos come.
const BREATH: Duration = Duration::from_secs(1);
/// Between looks when nothing happens: other processes apply runs too.
const INTERVAL: Duration = Duration::from_secs(30);
/// Between looks at what photos were brought to, and whether they are still there themselves.
const TIDYING: Duration = Duration::from_mins(10);

type Name = (TenantId, Environment);

/// Looks at photos and tells of them.
#[derive(Clone)]
pub struct Photos {
    pub db: Db,
    pub clock: SharedClock,
    pub mailboxes: Arc<Mailboxes>,
    /// With the limits that are in force.
    pub reader: Live<Reader>,
    pub deposit: Deposit,
    /// Notified when there may be a new photo or another roster.
    pub wake: Arc<Notify>,
}

/// Why a look could not be completed; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum PhotosError {
    #[error("the database failed")]
    Db(#[from] DbError),
    #[error("cannot read or write the files of a mailbox")]
    Files(#[source] io::Error),
    #[error("a photo could not be looked at in a child process")]
    Reader(#[source] ReaderError),
    #[error("the mailbox did not take the report")]
    Deposit(#[source] MailboxError),
}

/// When a mailbox wants to be looked at again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    AtOnce,
    At(Timestamp),
    Whenever,
}

/// What is known of the mailboxes for as long as the process lives.
#[derive(Debug, Default)]
struct Round {
    /// Those that have, or had, photos.
    with_photos: BTreeSet<Name>,
    /// Deliveries up to here were asked for photos.
    seen_seq: i64,
    tidied_at: Option<Instant>,
    /// Mailboxes in which something failed are left alone until then.
    resting: BTreeMap<Name, Instant>,
    /// The photo at which a mailbox got stuck, and how often.
    stuck: BTreeMap<Name, (i64, u32)>,
}

impl Photos {
    /// Looks again and again until `draining`. What is under way then is done anew at the next start.
    pub async fn serve(self, draining: CancellationToken) {
        draining.run_until_cancelled(self.look_around()).await;
    }

    async fn look_around(&self) {
        let mut round = Round::default();
        loop {
            let next = self.go_round(&mut round).await;
            if next > Instant::now() {
                tokio::time::sleep(BREATH).await;
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep_until(next) => {}
                }
            }
        }
    }

    /// Looks into every mailbox with photos once, and says when to do it again.
    async fn go_round(&self, round: &mut Round) -> Instant {
        let mut next = Instant::now() + INTERVAL;
        let mailboxes = match self.mailboxes_with_photos(round).await {
            Ok(mailboxes) => mailboxes,
            Err(error) => {
                tracing::error!("cannot ask for new photos: {}", chain(&error));
                return next;
            }
        };
        let is_tidying = round.tidied_at.is_none_or(|at| at.elapsed() >= TIDYING);
        if is_tidying {
            round.tidied_at = Some(Instant::now());
        }
        for mailbox in mailboxes {
            let name = name(&mailbox);
            let resting = round.resting.get(&name);
            if let Some(until) = resting.filter(|until| **until > Instant::now()) {
                next = next.min(*until);
                continue;
            }
            let again = self.tend(&mailbox, round, is_tidying).await;
            if again.is_err() {
                round.resting.insert(name, Instant::now() + INTERVAL);
            }
            next = next.min(self.when(&mailbox, again));
        }
        next
    }

    /// The first time all: what came before this process began is not looked for among all deliveries.
    async fn mailboxes_with_photos(&self, round: &mut Round) -> Result<Vec<Arc<Mailbox>>, DbError> {
        if round.seen_seq == 0 {
            round.with_photos = self.mailboxes.iter().map(|it| name(&it)).collect();
            (_, round.seen_seq) = self.db.photos_since(i64::MAX).await?;
        } else {
            let (news, last) = self.db.photos_since(round.seen_seq).await?;
            round.with_photos.extend(news);
            round.seen_seq = last;
        }
        let names = round.with_photos.iter();
        Ok(names
            .filter_map(|(tenant, environment)| self.mailboxes.mailbox(tenant, *environment))
            .collect())
    }

    fn when(&self, mailbox: &Mailbox, again: Result<Again, PhotosError>) -> Instant {
        let now = Instant::now();
        match again {
            Ok(Again::AtOnce) => now,
            Ok(Again::At(at)) => {
                let wait = at.duration_since(self.clock.now());
                now + Duration::try_from(wait).unwrap_or_default()
            }
            Ok(Again::Whenever) => now + INTERVAL,
            Err(error) => {
                tracing::error!(
                    tenant.id = %mailbox.tenant(),
                    environment = %mailbox.environment(),
                    "cannot look at photos or tell of them now, trying again: {}",
                    chain(&error)
                );
                now + INTERVAL
            }
        }
    }

    /// Looks at some of what is new in a mailbox, and tells of what is over.
    async fn tend(
        &self,
        mailbox: &Arc<Mailbox>,
        round: &mut Round,
        is_tidying: bool,
    ) -> Result<Again, PhotosError> {
        let name = name(mailbox);
        let (tenant, environment) = &name;
        let progress = self.db.photo_progress(tenant, *environment).await?;
        let after = (progress.examined_seq, i64::MAX);
        let new = self
            .db
            .photo_deliveries(tenant, *environment, after, look::PORTION)
            .await?;
        if new.is_empty() && progress.examined_seq == 0 {
            // Until one comes.
            round.with_photos.remove(&name);
            return Ok(Again::Whenever);
        }
        let gallery = Gallery::of(mailbox);
        if is_tidying {
            self.tidy(mailbox, &gallery).await?;
        }
        let mut look = self.look_into(mailbox, gallery, progress.examined_seq);
        let is_all = look.at_new(&new, &mut round.stuck).await?;
        let is_all = is_all && look.at_those_looked_at_otherwise().await?;
        if !is_all {
            return Ok(Again::AtOnce);
        }
        let due = self.tell(mailbox).await?;
        Ok(due.map_or(Again::Whenever, Again::At))
    }
}

fn name(mailbox: &Mailbox) -> Name {
    (mailbox.tenant().clone(), mailbox.environment())
}

/// Runs `work`, which blocks on the file system or takes its time, on the blocking pool.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, PhotosError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(PhotosError::Files)
}
