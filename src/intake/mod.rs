//! Files to deliveries: each finished file is copied into the archive while it is hashed, recorded together with its job, and taken out of the
//! spool. Files that someone puts into a mailbox locally are found too.
//!
//! The watcher only says when to look; what there is to do is read from the disk, at the start, at an interval and at each hint. Never talks
//! to a client.

mod claim;
mod collect;
pub mod retention;
mod settle;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::config::Config;
use crate::db::{Db, DbError};
use crate::intake::collect::{Collector, Shared};
use crate::intake::watch::{Hints, Watch};
use crate::live::Live;
use crate::mailbox::{Mailbox, Mailboxes};
use crate::tasks::Tasks;
use crate::telemetry::chain;
use crate::tenant::{Environment, TenantId};

/// Between two looks at a mailbox in which things change all the time: a look holds up whoever uploads.
const BREATH: Duration = Duration::from_secs(3);
/// The same while a local file settles.
const SHORT_BREATH: Duration = Duration::from_secs(1);
/// The first wait after a failure; doubled up to the rescan interval.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Between rescans where the kernel tells nothing.
const POLL: Duration = Duration::from_secs(2);
/// Between two looks for what has lain long enough.
const RETENTION_TICK: Duration = Duration::from_hours(1);

/// How patient intake is.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a local file must not have moved until it counts as finished.
    pub settle: Duration,
    /// Between rescans when nothing happens.
    pub rescan: Duration,
    /// Files read at one time.
    pub readers: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(10),
            rescan: Duration::from_secs(30),
            readers: 4,
        }
    }
}

/// Why a pass could not be completed; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    #[error("cannot read or write the files of a mailbox")]
    Files(#[source] io::Error),
    #[error("cannot record a delivery")]
    Db(#[from] DbError),
}

/// The intake of all mailboxes.
#[derive(Debug)]
pub struct Intake {
    mailboxes: Arc<Mailboxes>,
    /// How long things are kept.
    config: Live<Config>,
    shared: Shared,
    settings: Settings,
    watch: Arc<Watch>,
    tended: Mutex<BTreeMap<(TenantId, Environment), Tended>>,
}

/// A mailbox that has its task, or had it until its tenant was removed.
#[derive(Debug)]
struct Tended {
    hints: Arc<Hints>,
    stop: CancellationToken,
    task: JoinHandle<Option<()>>,
}

impl Intake {
    /// Prepares intake; `queue` is told of every new job, and `photos` of every new photo.
    pub fn new(
        mailboxes: Arc<Mailboxes>,
        config: Live<Config>,
        db: Db,
        clock: SharedClock,
        settings: Settings,
        queue: Arc<Notify>,
        photos: Arc<Notify>,
    ) -> Self {
        let shared = Shared {
            db,
            clock,
            reading: Arc::new(Semaphore::new(settings.readers.max(1))),
            queue,
            photos,
        };
        Self {
            mailboxes,
            config,
            shared,
            settings,
            watch: Watch::new(),
            tended: Mutex::default(),
        }
    }

    /// Takes up all that lies in the spools now, and says how many deliveries that made. Not beside a daemon that serves the same mailboxes.
    pub async fn claim_all_once(&self) -> Result<usize, IntakeError> {
        let mut taken = 0;
        for mailbox in self.mailboxes.iter() {
            taken += self.collector(mailbox).empty_spool().await?;
        }
        Ok(taken)
    }

    /// Starts a task per mailbox, and one that removes what has lain long enough. They end when `tasks` drains.
    pub fn serve(self: &Arc<Self>, tasks: &Tasks) {
        self.follow(tasks);
        let (draining, intake) = (tasks.draining().clone(), Arc::clone(self));
        tasks.spawn("remove what is old", async move {
            draining.run_until_cancelled(intake.keep_retention()).await
        });
    }

    /// After a reload: starts a task for each new mailbox, ends those of mailboxes that are gone, and has the others look around, because what nobody
    /// wanted may be wanted now.
    pub fn follow(&self, tasks: &Tasks) {
        let mut tended = self.tended.lock().unwrap_or_else(PoisonError::into_inner);
        let served: BTreeMap<_, _> = self
            .mailboxes
            .iter()
            .map(|it| ((it.tenant().clone(), it.environment()), it))
            .collect();
        for (name, tended) in tended.iter() {
            if served.contains_key(name) {
                tended.hints.arrived.notify_one();
                tended.hints.changed.notify_one();
            } else {
                tended.stop.cancel();
            }
        }
        tended.retain(|_, it| !(it.stop.is_cancelled() && it.task.is_finished()));
        for (name, mailbox) in served {
            let before = match tended.remove(&name) {
                Some(going) if !going.stop.is_cancelled() => {
                    tended.insert(name, going);
                    continue;
                }
                before => before,
            };
            tended.insert(name, self.tend(mailbox, before, tasks));
        }
    }

    /// Starts the task of a mailbox, which begins when the one before has ended.
    fn tend(&self, mailbox: Arc<Mailbox>, before: Option<Tended>, tasks: &Tasks) -> Tended {
        let hints = Arc::<Hints>::default();
        let stop = tasks.draining().child_token();
        let tend = Tend {
            collector: self.collector(mailbox),
            hints: Arc::clone(&hints),
            rescan: self.settings.rescan,
            clock: Arc::clone(&self.shared.clock),
            watch: Arc::clone(&self.watch),
        };
        let stopped = stop.clone();
        let task = tasks.spawn("collect deliveries", async move {
            if let Some(before) = before {
                // However it ended.
                before.task.await.ok();
            }
            tend.run(stopped).await;
        });
        Tended { hints, stop, task }
    }

    fn collector(&self, mailbox: Arc<Mailbox>) -> Collector {
        let settle = SignedDuration::try_from(self.settings.settle).unwrap_or(SignedDuration::MAX);
        Collector::new(mailbox, self.shared.clone(), settle)
    }

    async fn keep_retention(&self) {
        loop {
            let now = self.shared.clock.now();
            let (db, kept) = (&self.shared.db, self.config.now().retention);
            if let Err(error) = retention::tick(&self.mailboxes, db, kept, now).await {
                tracing::error!("cannot remove what is old: {}", chain(&error));
            }
            tokio::time::sleep(RETENTION_TICK).await;
        }
    }
}

/// One mailbox's task.
struct Tend {
    collector: Collector,
    hints: Arc<Hints>,
    rescan: Duration,
    clock: SharedClock,
    watch: Arc<Watch>,
}

impl Tend {
    async fn run(mut self, draining: CancellationToken) {
        let (watch, hints) = (Arc::clone(&self.watch), Arc::clone(&self.hints));
        let layout = self.collector.mailbox().layout().clone();
        let watched = tokio::task::spawn_blocking(move || watch.add(&layout, &hints)).await;
        if !watched.as_ref().is_ok_and(|watched| watched.is_complete) {
            self.rescan = self.rescan.min(POLL);
        }
        let mut retry = FIRST_RETRY;
        while !draining.is_cancelled() {
            let mut until = Instant::now() + self.rescan;
            let mut breath = BREATH;
            match self.pass().await {
                Ok(again) => {
                    retry = FIRST_RETRY;
                    breath = breath_before(again);
                    until = again.map_or(until, |again| until.min(again));
                }
                Err(error) => {
                    self.tell(&error);
                    until = until.min(Instant::now() + retry);
                    retry = (retry * 2).min(self.rescan);
                }
            }
            let earliest = Instant::now() + breath;
            loop {
                tokio::select! {
                    biased;
                    () = draining.cancelled() => return,
                    () = self.hints.arrived.notified() => {
                        if let Err(error) = self.collector.empty_spool().await {
                            self.tell(&error);
                            until = until.min(Instant::now() + retry);
                        }
                    }
                    () = self.hints.changed.notified() => until = until.min(earliest),
                    () = tokio::time::sleep_until(until) => break,
                }
            }
        }
    }

    /// One look at everything; says when the next is due because a file settles.
    async fn pass(&mut self) -> Result<Option<Instant>, IntakeError> {
        let renamed = self.hints.take_renamed();
        self.collector.empty_spool().await?;
        let again = self
            .collector
            .look_around(&renamed, &self.hints.arrived)
            .await?;
        Ok(again.map(|again| {
            let wait = again.duration_since(self.clock.now());
            Instant::now() + Duration::try_from(wait).unwrap_or_default()
        }))
    }

    fn tell(&self, error: &IntakeError) {
        let mailbox = self.collector.mailbox();
        tracing::error!(
            tenant.id = %mailbox.tenant(),
            environment = %mailbox.environment(),
            "cannot take up deliveries now, trying again: {}",
            chain(error)
        );
    }
}

/// How long to leave a mailbox alone, whatever changes in it, when a file wants to be looked at then.
fn breath_before(again: Option<Instant>) -> Duration {
    match again {
        Some(_) => SHORT_BREATH,
        None => BREATH,
    }
}
