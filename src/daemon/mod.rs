//! Composition root: builds the parts, starts every task, and drains them in order when it is asked to stop.

mod core;
mod hints;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustix::fs::FlockOperation;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

pub use self::core::{Core, own_state_dir};
use hints::Hints;

use crate::config::{Config, ConfigError};
use crate::db::Db;
use crate::intake::{self, Intake};
use crate::listen::accept::Door;
use crate::listen::ftps::FtpsServer;
use crate::listen::login::Logins;
use crate::listen::sftp::SftpServer;
use crate::listen::tls::TlsIdentity;
use crate::mailbox::Mailboxes;
use crate::queue::Worker;
use crate::queue::worker::this_process;
use crate::tasks::Tasks;
use crate::web::Health;
use crate::{telemetry, web};

/// Jobs side by side, each of another tenant and environment.
const WORKER_SLOTS: usize = 2;

/// Why the daemon, or a command, could not start: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(ConfigError),
    #[error("cannot use {path}: it must be a place that rosterd's user can write")]
    State {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "the state folder {path} belongs to user {owner}, and this is user {user}: run rosterd as its owner, or give the folder to this user"
    )]
    NotOwner {
        path: PathBuf,
        owner: u32,
        user: u32,
    },
    #[error("another rosterd serves the state folder {path}: stop that one first")]
    Taken { path: PathBuf },
    /// A part did not start; the source says which and what to do.
    #[error("cannot start")]
    Part(#[source] anyhow::Error),
}

/// Runs until a signal ends it, or a task ends that should not.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    telemetry::log_to_stderr(config.log.format);
    let daemon =
        Daemon::start(config)
            .await
            .map_err(|error| match error.downcast::<StartError>() {
                Ok(error) => error,
                Err(error) => StartError::Part(error),
            })?;
    daemon.run().await
}

/// Everything that runs, by stage, in the order in which it is drained.
struct Daemon {
    config: Arc<Config>,
    db: Db,
    sessions: Tasks,
    intake: Tasks,
    workers: Tasks,
    web: Tasks,
    _lock: StateLock,
}

impl Daemon {
    async fn start(config: Config) -> anyhow::Result<Self> {
        own_state_dir(&config.server.state_dir)?;
        let lock = StateLock::take(&config.server.state_dir)?;
        raise_open_files(&config);
        let metrics = telemetry::install_metrics()?;
        let core = Core::open(config, |state_dir, tenants, limit_bytes, clock| {
            Mailboxes::open(state_dir, tenants, limit_bytes, Arc::clone(clock))
        })
        .await?;
        let config = Arc::clone(&core.config);
        let [sessions, collecting, workers, web] =
            ["sessions", "intake", "workers", "web"].map(Tasks::new);

        let wake = Arc::new(Notify::new());
        let worker = Worker {
            db: core.db.clone(),
            clock: Arc::clone(&core.clock),
            owner: this_process(),
            work: core.importer.work(),
            wake: Arc::clone(&wake),
            slots: WORKER_SLOTS,
        };
        let listeners = Listeners::bind(&core).await?;

        if let Some(listener) = listeners.web {
            let health = Health {
                db: core.db.clone(),
                mailboxes: Arc::clone(&core.mailboxes),
                metrics,
                state_dir: config.server.state_dir.clone(),
                sessions: sessions.clone(),
            };
            web::serve(listener, Arc::new(health), &web);
        }
        Intake::new(
            Arc::clone(&core.mailboxes),
            core.db.clone(),
            Arc::clone(&core.clock),
            intake::Settings::new(config.retention),
            wake,
        )
        .serve(&collecting);
        let in_group = workers.clone();
        workers.spawn_vital("worker", async move { worker.serve(&in_group).await });
        if let Some(ftps) = listeners.ftps {
            ftps.serve(&sessions);
        }
        if let Some(sftp) = listeners.sftp {
            sftp.serve(&sessions);
        }
        Ok(Self {
            config,
            db: core.db,
            sessions,
            intake: collecting,
            workers,
            web,
            _lock: lock,
        })
    }

    async fn run(self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tracing::info!("rosterd is ready");
        let early = tokio::select! {
            () = either(&mut terminate, &mut interrupt) => false,
            () = self.a_stage_ended() => true,
        };
        tracing::info!(
            drain_secs = self.config.limits.drain.as_secs(),
            "draining: nothing new is taken, transfers and runs may finish"
        );
        let drained = tokio::select! {
            done = tokio::time::timeout(self.config.limits.drain, self.drain()) => done.is_ok(),
            () = either(&mut terminate, &mut interrupt) => false,
        };
        if !drained {
            tracing::warn!(
                "what is still open is ended now; it is taken up again at the next start"
            );
            for stage in [&self.sessions, &self.intake, &self.workers, &self.web] {
                stage.abort();
            }
            if tokio::time::timeout(Duration::from_secs(5), self.drain())
                .await
                .is_err()
            {
                tracing::error!("some tasks did not end");
            }
        }
        self.db.close().await;
        tracing::info!("stopped");
        anyhow::ensure!(
            !early,
            "a part of the daemon ended by itself, which it never should: see the log"
        );
        Ok(())
    }

    /// Sessions first, so that what they finish is taken up; then intake, workers and the web.
    async fn drain(&self) {
        for stage in [&self.sessions, &self.intake, &self.workers, &self.web] {
            stage.drain();
            stage.wait().await;
        }
    }

    /// Waits until a task has panicked that its stage cannot do without.
    async fn a_stage_ended(&self) {
        tokio::select! {
            () = self.sessions.failed() => {}
            () = self.intake.failed() => {}
            () = self.workers.failed() => {}
            () = self.web.failed() => {}
        }
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

/// What is bound before anything is started, so that a port in use stops the daemon while nothing has happened yet.
struct Listeners {
    ftps: Option<FtpsServer>,
    sftp: Option<SftpServer>,
    web: Option<TcpListener>,
}

impl Listeners {
    /// Binds them all, each with its ready line.
    async fn bind(core: &Core) -> anyhow::Result<Self> {
        let config = &core.config;
        let limits = &config.limits;
        let door = Door::new(limits.connections, limits.connections_per_address);
        let logins = Logins::new(
            config.server.hosts.clone(),
            config.tenants.values(),
            &core.mailboxes,
            limits.sessions_per_login,
            Arc::clone(&core.clock),
        )
        .map_err(|error| anyhow::anyhow!("cannot hash passwords: {error}"))?;
        let logins = Arc::new(logins);
        let mut hints = Hints::default();
        let ftps = match (&config.ftps, &config.tls) {
            (Some(ftps), Some(tls)) => {
                let identity = TlsIdentity::load(tls, &config.server.hosts)?;
                telemetry::set_certificate_expiry(identity.expires());
                let server = FtpsServer::bind(
                    ftps,
                    &identity,
                    Arc::clone(&logins),
                    Arc::clone(&door),
                    limits,
                )?;
                for (protocol, address) in server.listeners() {
                    tracing::info!(listener = protocol.as_str(), %address, fingerprint = identity.fingerprint(), "ready");
                    hints.ftps.get_or_insert((protocol, address));
                }
                Some(server)
            }
            _ => None,
        };
        let sftp = match &config.sftp {
            Some(sftp) => {
                let server = SftpServer::bind(sftp, logins, door, limits)?;
                for address in server.listeners() {
                    tracing::info!(listener = "sftp", %address, fingerprint = server.fingerprints().join(", "), "ready");
                    hints.sftp.get_or_insert(address);
                }
                Some(server)
            }
            None => None,
        };
        let web = match &config.web {
            Some(web) => {
                let listener = TcpListener::bind(web.listen).await.with_context(|| {
                    format!(
                        "cannot listen on {} for the web: choose another address in [web]",
                        web.listen
                    )
                })?;
                tracing::info!(listener = "web", address = %listener.local_addr()?, "ready");
                Some(listener)
            }
            None => None,
        };
        if config.tls.as_ref().is_some_and(|tls| tls.generate) {
            hints.log(config);
        }
        Ok(Self { ftps, sftp, web })
    }
}

/// Takes as many open files as the system grants, and says so if that is too few for `limits.connections`.
fn raise_open_files(config: &Config) {
    /// For the database, the archive, the mailboxes' folders and the readers.
    const RESERVE: u64 = 256;
    /// A control connection, a data connection, a file.
    const PER_CONNECTION: u64 = 3;
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(granted) => {
            let wanted = config.limits.connections as u64 * PER_CONNECTION
                + config.tenants.len() as u64 * 2 * PER_CONNECTION
                + RESERVE;
            if granted < wanted {
                tracing::warn!(
                    granted,
                    wanted,
                    "the system grants too few open files for limits.connections: raise the limit (LimitNOFILE, ulimit -n) or lower limits.connections"
                );
            }
        }
        Err(error) => tracing::warn!(%error, "cannot raise the limit on open files"),
    }
}

/// Held while a daemon serves a state folder, so that no second one does.
#[derive(Debug)]
struct StateLock {
    _file: File,
}

impl StateLock {
    fn take(state_dir: &Path) -> Result<Self, StartError> {
        let path = state_dir.join("daemon.lock");
        let file = File::create(&path).map_err(at(&path))?;
        match lock(&file) {
            Ok(()) => Ok(Self { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StartError::Taken {
                path: state_dir.to_owned(),
            }),
            Err(error) => Err(at(&path)(error.into())),
        }
    }
}

/// Waits a little for a lock that a daemon has left which was killed a moment ago: a reader that it was about to start holds a copy of
/// everything that it had open, until the reader's program runs.
fn lock(file: &File) -> rustix::io::Result<()> {
    const LOOK: Duration = Duration::from_millis(20);
    const LOOKS: usize = 100;
    let take = || rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive);
    for _ in 0..LOOKS {
        match take() {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(LOOK),
            locked => return locked,
        }
    }
    take()
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> StartError {
    let path = path.to_owned();
    move |source| StartError::State { path, source }
}
