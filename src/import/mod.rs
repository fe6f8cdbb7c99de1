//! A claimed job to an import run: the only place where core meets edge.
//!
//! A run reads the archived copy in a child process, checks and diffs the rows on the blocking pool, asks the safeguard, and writes the verdict in
//! one transaction. A fault of their file is a verdict; a fault of ours is an [`ImportError`], and the job is tried again.

mod again;
mod child;
mod due;
mod examine;
mod links;
mod local;
pub mod publication;
pub mod reader;
mod reading;
mod reports;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::SharedClock;
use crate::config::{Config, Tenant};
use crate::db::{Db, DbError, Verdict};
use crate::failpoint::{self, Point};
use crate::import::reader::{Reader, ReaderError};
use crate::live::Live;
use crate::mailbox::layout::Layout;
use crate::mailbox::{MailboxError, MailboxPath};
use crate::parse::limits::ReadLimits;
use crate::queue::LeasedJob;
use crate::queue::worker::Work;
use crate::report::run::Outcome;
use crate::roster::masking::Masking;
use crate::tenant::{DataSource, Environment, TenantId};

pub use due::Word;
use examine::Task;

/// Puts a file of ours into a tenant's mailbox.
pub type Deposit = Arc<
    dyn Fn(&TenantId, Environment, &MailboxPath, &[u8]) -> Result<(), MailboxError> + Send + Sync,
>;
/// Is told now and then how many rows were read so far.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// Runs imports.
#[derive(Clone)]
pub struct Importer {
    pub db: Db,
    pub clock: SharedClock,
    pub state_dir: PathBuf,
    pub tenants: BTreeMap<TenantId, Arc<Tenant>>,
    pub reader: Reader,
    /// The same that the reader has.
    pub limits: ReadLimits,
    pub deposit: Deposit,
    pub progress: Option<Progress>,
}

/// Our side failed, not the file.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the database failed")]
    Db(#[from] DbError),
    #[error("the file could not be read in a child process")]
    Reader(#[from] ReaderError),
    #[error("the archived copy of the delivery cannot be read")]
    Archive(#[source] io::Error),
    #[error("the file cannot be read")]
    Local(#[source] io::Error),
    #[error("the data source is not in the configuration any more")]
    NotConfigured,
    #[error("a step of the import failed")]
    Step(#[source] io::Error),
    /// A try failed; the daemon will try again.
    #[error("this try failed, and the job waits for the next one")]
    Postponed(#[source] anyhow::Error),
    #[error("the job has come to no verdict")]
    NoVerdict,
}

impl Importer {
    /// Runs a leased job to its verdict.
    pub async fn run(&self, job: &LeasedJob) -> Result<Outcome, ImportError> {
        let started = self.clock.now();
        failpoint::pass_async(Point::Leased)
            .await
            .map_err(ImportError::Step)?;
        let source = self.source(&job.tenant, job.environment, &job.source)?;
        let layout = Layout::new(&self.state_dir, &job.tenant, job.environment);
        let path = layout.archive.join(job.delivery.as_str());
        let file = blocking(move || {
            failpoint::pass(Point::ArchiveOpen)?;
            std::fs::File::open(path)
        })
        .await
        .map_err(ImportError::Archive)?;
        let task = Task {
            tenant: &job.tenant,
            environment: job.environment,
            source,
            mode: job.mode,
            sha256: &job.sha256,
            approval: job.approval.as_ref(),
        };
        let examined = Box::pin(self.examine(task, file)).await?;
        let examined = Box::pin(self.hold_back(task, examined)).await?;
        failpoint::pass_async(Point::Diffed)
            .await
            .map_err(ImportError::Step)?;
        let masking = self.masking(&job.tenant);
        let verdict = Verdict {
            masking: &masking,
            outcome: examined.outcome,
            would: examined.would,
            reason: examined.reason.as_deref(),
            counts: examined.counts,
            mapping: &examined.mapping,
            roster_version: examined.roster_version,
            rejected: examined.rejected,
            findings: &examined.findings,
            findings_total: examined.findings_total,
            shape: examined.shape.as_ref(),
            plan: examined.plan.as_ref().filter(|_| {
                matches!(
                    examined.outcome,
                    Outcome::Applied | Outcome::NoChange | Outcome::Held | Outcome::DryRun
                )
            }),
        };
        let superseded = Box::pin(self.db.settle(job, &verdict)).await?;
        failpoint::pass_async(Point::Settled)
            .await
            .map_err(ImportError::Step)?;
        self.log(job, started, &verdict, &superseded);
        self.report_pending().await;
        Ok(examined.outcome)
    }

    /// The same importer under another configuration.
    #[must_use]
    pub fn under(&self, config: &Config) -> Self {
        let limits = config.limits.reading();
        Self {
            tenants: config.tenants.clone(),
            reader: self.reader.with(limits),
            limits,
            ..self.clone()
        }
    }

    /// What a worker runs: each job from its beginning to its end with the importer that is in force when it begins.
    pub fn work(current: &Live<Self>) -> Work {
        let [runner, reporter, chooser] = [(); 3].map(|()| current.clone());
        Work {
            run: Arc::new(move |job| {
                let importer = runner.now();
                Box::pin(async move {
                    importer.run(&job).await?;
                    Ok(())
                })
            }),
            report: Arc::new(move || {
                let importer = reporter.now();
                Box::pin(async move { importer.report_pending().await })
            }),
            sources: Arc::new(move || chooser.now().sources()),
        }
    }

    /// Every data source, as `tenant/environment/source`.
    fn sources(&self) -> Vec<String> {
        let mut sources = Vec::new();
        for (id, tenant) in &self.tenants {
            for environment in Environment::ALL {
                let names = tenant.sources_in(environment);
                sources.extend(names.map(|it| format!("{id}/{environment}/{}", it.name)));
            }
        }
        sources
    }

    /// What is masked of a tenant's people.
    fn masking(&self, tenant: &TenantId) -> Masking {
        let tenant = self.tenants.get(tenant);
        tenant.map(|tenant| tenant.masking()).unwrap_or_default()
    }

    fn source(
        &self,
        tenant: &TenantId,
        environment: Environment,
        name: &str,
    ) -> Result<&DataSource, ImportError> {
        self.tenants
            .get(tenant)
            .and_then(|tenant| tenant.source(environment, name))
            .ok_or(ImportError::NotConfigured)
    }

    fn log(
        &self,
        job: &LeasedJob,
        started: Timestamp,
        verdict: &Verdict<'_>,
        superseded: &[String],
    ) {
        let took = std::time::Duration::try_from(self.clock.now().duration_since(started))
            .unwrap_or_default();
        crate::telemetry::time_run(took);
        let counts = verdict.counts;
        // The ids are in the job's span.
        tracing::info!(
            outcome = verdict.outcome.as_str(),
            rows = counts.rows,
            joiners = counts.joiners,
            movers = counts.movers,
            leavers = counts.leavers,
            unchanged = counts.unchanged,
            refused_rows = counts.refused_rows,
            skipped = counts.skipped,
            collapsed = counts.collapsed,
            findings = verdict.findings_total,
            superseded = superseded.len(),
            duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "an import run has come to its verdict"
        );
        for older in superseded {
            tracing::info!(
                superseded.id = older,
                "an older run will not be applied any more: this file is newer"
            );
        }
        let reason = verdict.reason.unwrap_or_default();
        match verdict.outcome {
            Outcome::Held => tracing::warn!(
                "the run waits for a person: {reason} Look at it with `rosterd run {0}`, then `rosterd approve {0}` or `rosterd reject {0}`",
                job.run
            ),
            Outcome::Refused => {
                tracing::warn!("the file was refused: {reason} The tenant finds why in /errors");
            }
            Outcome::DryRun => tracing::warn!(
                "{reason} Look at what it would do with `rosterd run {}`",
                job.run
            ),
            _ => {}
        }
    }
}

/// Runs `work`, which blocks on the file system, on the blocking pool.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests;
