//! The worker: leases jobs, runs what it was given to run, and settles those that failed. Notifications are hints; the poll is the truth.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tracing::Instrument as _;

use crate::clock::SharedClock;
use crate::db::{Db, DbError};
use crate::queue::job::{LEASE, LeasedJob, MAX_ATTEMPTS, Owner, back_off};
use crate::tasks::Tasks;
use crate::telemetry;

/// How often the queue is looked at without being told to.
const POLL: Duration = Duration::from_secs(2);
/// How often a lease is renewed: twice more than needed.
const HEARTBEAT: Duration = Duration::from_secs(LEASE.as_secs() / 3);

/// How often, a second apart, a job is given back to a database that takes nothing: what is not given back waits for the end of its lease, and
/// counts as if it had ended the process.
const GIVING_BACK: usize = 20;

/// A future that the worker awaits.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the worker is given to do.
#[derive(Clone)]
pub struct Work {
    /// Runs a job to its verdict, and writes that. An error is a fault of ours: the job is tried again.
    pub run: Arc<dyn Fn(LeasedJob) -> BoxFuture<anyhow::Result<()>> + Send + Sync>,
    /// Tells the tenants of verdicts that they have not been told of.
    pub report: Arc<dyn Fn() -> BoxFuture<()> + Send + Sync>,
    /// The data sources whose jobs can be run now, each as `tenant/environment/source`; the jobs of others wait.
    pub sources: Arc<dyn Fn() -> Vec<String> + Send + Sync>,
}

/// Runs jobs, several side by side.
pub struct Worker {
    pub db: Db,
    pub clock: SharedClock,
    pub owner: Owner,
    pub work: Work,
    /// Notified when there may be a new job.
    pub wake: Arc<Notify>,
    /// Jobs side by side, each of another tenant and environment.
    pub slots: usize,
}

/// How a try ended.
#[derive(Debug)]
pub enum Ended {
    /// With a verdict.
    Judged,
    /// With a fault of ours; the job waits for its next try.
    Retry(anyhow::Error),
    /// With a fault of ours, for the last time.
    Parked(anyhow::Error),
    /// Another worker has taken the job over.
    Lost,
}

/// This process as the owner of leases.
pub fn this_process() -> Owner {
    Owner::new(std::process::id(), &uuid::Uuid::now_v7().to_string())
}

impl Worker {
    /// Runs jobs until `tasks` is drained; jobs that run then are finished.
    pub async fn serve(self, tasks: &Tasks) {
        let slots = Arc::new(Semaphore::new(self.slots));
        let draining = tasks.draining().clone();
        (self.work.report)().await;
        while !draining.is_cancelled() {
            let slot = tokio::select! {
                biased;
                () = draining.cancelled() => return,
                slot = Arc::clone(&slots).acquire_owned() => slot,
            };
            match self.lease().await {
                Ok(Some(job)) => {
                    let (db, clock) = (self.db.clone(), Arc::clone(&self.clock));
                    let (work, wake) = (self.work.clone(), Arc::clone(&self.wake));
                    tasks.spawn("job", async move {
                        let ended = run_leased(&db, &clock, &job, (work.run)(job.clone())).await;
                        if matches!(ended, Ended::Parked(_)) {
                            (work.report)().await;
                        }
                        drop(slot);
                        wake.notify_one();
                    });
                    continue;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(error = telemetry::chain(&error), "cannot look at the queue");
                }
            }
            drop(slot);
            tokio::select! {
                () = draining.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    async fn lease(&self) -> Result<Option<LeasedJob>, DbError> {
        if expire(&self.db, &self.owner).await? {
            (self.work.report)().await;
        }
        let sources = (self.work.sources)();
        self.db.lease_job_among(&self.owner, &sources).await
    }
}

/// Takes the jobs of the dead back; whether one of them is given up.
pub async fn expire(db: &Db, me: &Owner) -> Result<bool, DbError> {
    let given_up = db.expire_leases(|owner| is_dead(owner, me)).await?;
    for job in &given_up {
        tracing::error!(
            import_run.id = job.run,
            delivery.id = job.delivery,
            "a job has ended the process at every try and is parked: find out why, then run `rosterd retry {}`",
            job.run
        );
    }
    Ok(!given_up.is_empty())
}

/// Whether a process on this machine is gone for certain. In a container a new process often has the id of the one before it: that is what the
/// tail of an owner is for.
fn is_dead(owner: &Owner, me: &Owner) -> bool {
    let Some(pid) = owner.pid() else {
        return false;
    };
    if Some(pid) == me.pid() {
        return owner != me;
    }
    i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_none_or(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

/// Runs a leased job with a heartbeat, and gives it back if that failed.
pub async fn run_leased(
    db: &Db,
    clock: &SharedClock,
    job: &LeasedJob,
    run: impl Future<Output = anyhow::Result<()>>,
) -> Ended {
    let span = tracing::info_span!(
        "job",
        import_run.id = job.run,
        delivery.id = %job.delivery,
        tenant.id = %job.tenant,
        environment = %job.environment,
        data_source = job.source
    );
    let started = clock.now();
    async {
        let error = tokio::select! {
            outcome = Box::pin(run) => match outcome {
                Ok(()) => return Ended::Judged,
                Err(error) => error,
            },
            () = lease_lost(db, job) => {
                tracing::warn!("another worker has taken the job over");
                return Ended::Lost;
            }
        };
        let ended = give_back(db, clock, job, error).await;
        if matches!(ended, Ended::Parked(_)) {
            let took = Duration::try_from(clock.now().duration_since(started)).unwrap_or_default();
            telemetry::time_run(took);
        }
        ended
    }
    .instrument(span)
    .await
}

/// Renews the lease until it is lost.
async fn lease_lost(db: &Db, job: &LeasedJob) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        match db.renew_lease(job).await {
            Ok(true) => {}
            Ok(false) => return,
            // What counts is the database at the end: a verdict needs the lease.
            Err(error) => tracing::warn!(
                error = telemetry::chain(&error),
                "cannot renew the lease of a job"
            ),
        }
    }
}

async fn give_back(db: &Db, clock: &SharedClock, job: &LeasedJob, error: anyhow::Error) -> Ended {
    let wait = back_off(job.attempts);
    if let Some(wait) = wait {
        tracing::warn!(
            error = format!("{error:#}"),
            attempts = job.attempts,
            retry_secs = wait.as_secs(),
            "a job failed and will be tried again"
        );
    } else {
        tracing::error!(
            error = format!("{error:#}"),
            attempts = job.attempts,
            "a job failed for the last time and is parked: mend what it failed for, then run `rosterd retry {}`",
            job.run
        );
    }
    let reason = format!(
        "rosterd could not import this file and gave up after {MAX_ATTEMPTS} tries: {error}."
    );
    for again in (0..GIVING_BACK).rev() {
        let given = match wait {
            Some(wait) => db.retry_job(job, clock.now() + wait).await,
            None => db.park_job(job, &reason).await,
        };
        match given {
            Ok(()) => break,
            Err(DbError::LeaseLost) => return Ended::Lost,
            Err(_) if again > 0 => tokio::time::sleep(Duration::from_secs(1)).await,
            Err(error) => {
                // The lease runs out, and the job is tried again.
                tracing::error!(
                    error = telemetry::chain(&error),
                    "cannot give a job back to the queue"
                );
            }
        }
    }
    match wait {
        Some(_) => Ended::Retry(error),
        None => Ended::Parked(error),
    }
}
