//! A reload: the whole new configuration, with the certificate and the host keys it names, or nothing of it.
//!
//! Everything that can fail is done first, beside what runs: reading and checking by the code of `rosterd check`, loading certificate and keys, opening
//! the mailboxes of new tenants. Then one value is replaced ([`Front`]), and every part finds the new one at its next door. What follows only
//! clears away: sessions whose login is gone or changed are ended, mailboxes of removed tenants are let go, intake follows.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::signal::unix::Signal;
use tokio::sync::{Notify, mpsc, oneshot};

use super::expiry::Expiry;
use crate::clock::SharedClock;
use crate::config::{Config, ConfigError, Difference, Problem, outline};
use crate::db::Db;
use crate::import::publication::{self, Unpublished};
use crate::intake::Intake;
use crate::listen::front::Front;
use crate::listen::login::Logins;
use crate::live::Holder;
use crate::mailbox::{Mailbox, Mailboxes};
use crate::tasks::Tasks;
use crate::telemetry;

/// What a reload came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// False: there were problems, and nothing has changed.
    pub reloaded: bool,
    /// The configuration that was read.
    pub file: PathBuf,
    pub problems: Vec<Problem>,
    #[serde(flatten)]
    pub difference: Difference,
    pub sessions_ended: usize,
    /// Jobs that wait, because their data source is not in the configuration.
    pub waiting: Vec<Waiting>,
    /// Data sources whose deliveries run dry.
    pub unpublished: Vec<Unpublished>,
}

/// Jobs that wait for their data source to come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub tenant: String,
    pub source: String,
    pub jobs: u64,
}

/// What a reload reaches.
#[derive(Debug)]
pub(super) struct Reloader {
    pub(super) file: PathBuf,
    pub(super) front: Holder<Front>,
    pub(super) mailboxes: Arc<Mailboxes>,
    pub(super) logins: Arc<Logins>,
    pub(super) expiry: Arc<Expiry>,
    pub(super) intake: Arc<Intake>,
    pub(super) collecting: Tasks,
    pub(super) db: Db,
    /// Wakes the worker.
    pub(super) wake: Arc<Notify>,
    /// Wakes what looks at photos.
    pub(super) wake_photos: Arc<Notify>,
    pub(super) clock: SharedClock,
}

/// Everything that can fail has been done.
#[derive(Debug)]
struct Prepared {
    front: Front,
    opened: Vec<Arc<Mailbox>>,
    difference: Difference,
}

impl Reloader {
    /// Reloads at each SIGHUP and each request, one after the other, until `draining`.
    pub(super) async fn serve(
        self: Arc<Self>,
        mut hangup: Signal,
        mut requests: mpsc::Receiver<oneshot::Sender<Report>>,
        draining: tokio_util::sync::CancellationToken,
    ) {
        loop {
            tokio::select! {
                biased;
                () = draining.cancelled() => return,
                _ = hangup.recv() => drop(self.reload().await),
                Some(asked) = requests.recv() => {
                    let report = self.reload().await;
                    if asked.send(report).is_err() {
                        tracing::debug!("whoever asked for the reload has gone");
                    }
                }
            }
        }
    }

    async fn reload(self: &Arc<Self>) -> Report {
        let preparing = Arc::clone(self);
        let prepared = tokio::task::spawn_blocking(move || preparing.prepare())
            .await
            .unwrap_or_else(|error| Err(vec![Problem::of_file(&self.file, error.to_string())]));
        let report = match prepared {
            Ok(prepared) => self.apply(prepared).await,
            Err(problems) => self.refuse(problems),
        };
        telemetry::count_reload(report.reloaded);
        report
    }

    fn prepare(&self) -> Result<Prepared, Vec<Problem>> {
        let running = self.front.live().now();
        let mut config = Config::load(&self.file).map_err(|error| match error {
            ConfigError::Problems(problems) => problems,
            ConfigError::Unreadable { path, source } => {
                vec![Problem::of_file(&path, format!("cannot be read: {source}"))]
            }
        })?;
        let configured = outline(&config);
        config.keep_what_needs_a_restart(&running.config);
        let front = Front::load(config, &self.file, Some(&running))?;
        let opened = self
            .mailboxes
            .open_new(&front.config)
            .map_err(|error| vec![Problem::of_file(&error.path, error.source.to_string())])?;
        Ok(Prepared {
            difference: Difference::between(&running.outline(), &front.outline(), &configured),
            front,
            opened,
        })
    }

    async fn apply(&self, prepared: Prepared) -> Report {
        let Prepared {
            front,
            opened,
            difference,
        } = prepared;
        let front = Arc::new(front);
        self.mailboxes.add(opened);
        self.front.replace(Arc::clone(&front));
        let sessions_ended = self.logins.review();
        self.mailboxes.retire();
        self.intake.follow(&self.collecting);
        self.wake.notify_one();
        self.wake_photos.notify_one();
        if let Some(ftps) = &front.ftps {
            telemetry::set_certificate_expiry(ftps.tls.expires());
        }
        for line in difference.lines() {
            tracing::info!("reload: {line}");
        }
        self.expiry.tell_anew();
        Front::warn(&front.config, &self.file, self.clock.now());
        let waiting = waiting(&self.db, &front.config).await;
        let unpublished = unpublished(&self.db, &front.config).await;
        tracing::info!(
            file = %self.file.display(),
            added = difference.added.len(),
            changed = difference.changed.len(),
            removed = difference.removed.len(),
            needs_restart = difference.needs_restart.len(),
            sessions_ended,
            "the configuration was reloaded"
        );
        Report {
            reloaded: true,
            file: self.file.clone(),
            problems: Vec::new(),
            difference,
            sessions_ended,
            waiting,
            unpublished,
        }
    }

    fn refuse(&self, problems: Vec<Problem>) -> Report {
        for problem in &problems {
            tracing::error!(
                file = %problem.file.display(),
                line = problem.line,
                key = problem.key,
                "a problem in the new configuration: {}",
                problem.message
            );
        }
        tracing::error!(
            problems = problems.len(),
            "the configuration was not reloaded: the old one stays in force"
        );
        Report {
            reloaded: false,
            file: self.file.clone(),
            problems,
            difference: Difference::default(),
            sessions_ended: 0,
            waiting: Vec::new(),
            unpublished: Vec::new(),
        }
    }
}

/// The data sources of `config` whose deliveries run dry; the log is told of them.
pub(super) async fn unpublished(db: &Db, config: &Config) -> Vec<Unpublished> {
    let published = match db.published_sources().await {
        Ok(published) => published,
        Err(error) => {
            tracing::warn!(
                error = telemetry::chain(&error),
                "cannot find out which data sources are published"
            );
            return Vec::new();
        }
    };
    let dry = publication::unpublished(config, &published);
    for it in &dry {
        tracing::warn!(
            tenant.id = it.tenant,
            environment = it.environment,
            data_source = it.source,
            "{}",
            it.line()
        );
    }
    dry
}

/// The jobs that wait because their data source is not in `config`; the log is told of them.
pub(super) async fn waiting(db: &Db, config: &Config) -> Vec<Waiting> {
    let queued = match db.queued_jobs().await {
        Ok(queued) => queued,
        Err(error) => {
            tracing::warn!(
                error = telemetry::chain(&error),
                "cannot find out which jobs wait"
            );
            return Vec::new();
        }
    };
    let known: BTreeSet<(&str, &str)> = config
        .tenants
        .iter()
        .flat_map(|(id, tenant)| {
            let sources = tenant.data_sources.iter();
            sources.map(|source| (id.as_str(), source.name.as_str()))
        })
        .collect();
    let unknown = queued
        .into_iter()
        .filter(|(tenant, source, _)| !known.contains(&(tenant.as_str(), source.as_str())));
    let waiting: Vec<_> = unknown
        .map(|(tenant, source, jobs)| Waiting {
            tenant,
            source,
            jobs,
        })
        .collect();
    for it in &waiting {
        tracing::warn!(
            tenant.id = it.tenant,
            data_source = it.source,
            jobs = it.jobs,
            "jobs wait, because their data source is not in the configuration: put it back, and they are run"
        );
    }
    waiting
}
