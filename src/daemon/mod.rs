//! Composition root: builds the parts, starts every task, and drains them in order when it is asked to stop.

mod control;
mod core;
mod expiry;
mod hints;
mod lock;
mod reload;
mod uses;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc, oneshot};

pub use self::control::{AskError, Question, ask};
pub use self::core::{Core, RESTORING, own_state_dir, this_program};
pub use self::lock::StateLock;
pub use self::reload::{Report, Waiting};
use control::{Answers, Control};
use expiry::Expiry;
use hints::Hints;
use reload::Reloader;
use uses::UseWriter;

use crate::config::{Config, ConfigError};
use crate::db::Db;
use crate::import::Importer;
use crate::import::reader::{Reader, missing};
use crate::intake::{self, Intake};
use crate::listen::accept::Door;
use crate::listen::front::Front;
use crate::listen::ftps::FtpsServer;
use crate::listen::login::Logins;
use crate::listen::sftp::{Algorithms, SftpServer, SshIdentity};
use crate::live::{Holder, Live};
use crate::mailbox::Mailboxes;
use crate::notice::Notifier;
use crate::photos::Photos;
use crate::queue::Worker;
use crate::queue::worker::{Work, this_process};
use crate::tasks::Tasks;
use crate::web::Health;
use crate::{telemetry, web};

/// Jobs side by side, each of another tenant and environment.
const WORKER_SLOTS: usize = 2;

/// Reloads that were asked for and not begun.
const RELOADS_WAITING: usize = 8;
/// Commands that wait for the uses of credentials to be written, and for how long.
const WRITINGS_WAITING: usize = 8;
const WRITING_LIMIT: Duration = Duration::from_secs(5);

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
    #[error("{path} is no folder, and server.state_dir must name one")]
    NotFolder { path: PathBuf },
    #[error("another rosterd{} has the state folder {path}: stop that one first", .pid.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    Taken { path: PathBuf, pid: Option<u32> },
    #[error(
        "a restore into the state folder {path} was not finished: move {path} and the database away, and run `rosterd restore` again"
    )]
    HalfRestored { path: PathBuf },
    /// A part did not start; the source says which and what to do.
    #[error("cannot start")]
    Part(#[source] anyhow::Error),
}

impl StartError {
    /// What keeps the parts from being opened, as such.
    pub fn of(error: impl Into<anyhow::Error>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(error) => error,
            Err(error) => Self::Part(error),
        }
    }
}

/// Runs with `config`, which was read from `file`, until a signal ends it, or a task ends that should not.
pub async fn serve(file: &Path, config: Config) -> anyhow::Result<()> {
    telemetry::log_to_stderr(config.log.format);
    Daemon::start(file, config)
        .await
        .map_err(StartError::of)?
        .run()
        .await
}

/// Everything that runs, by stage, in the order in which it is drained.
struct Daemon {
    settings: Live<Config>,
    db: Db,
    reader: Reader,
    control: Tasks,
    sessions: Tasks,
    intake: Tasks,
    workers: Tasks,
    web: Tasks,
    _lock: StateLock,
}

impl Daemon {
    async fn start(file: &Path, config: Config) -> anyhow::Result<Self> {
        // Before anything else: until then it would end the process.
        let hangup = signal(SignalKind::hangup())?;
        own_state_dir(&config.server.state_dir)?;
        let lock = StateLock::take(&config.server.state_dir)?;
        check_after_a_crash(&config, &lock).await?;
        raise_open_files(&config);
        let metrics = telemetry::install_metrics()?;
        let front = Front::load(config, file, None)
            .map_err(|problems| StartError::Config(ConfigError::Problems(problems)))?;
        let front = Holder::new(Arc::new(front));
        let settings = front.live().part(|front| Arc::clone(&front.config));
        let core = Core::open(settings.clone(), Mailboxes::open).await?;
        Front::warn(&settings.now(), file, core.clock.now());
        let [control, sessions, collecting, workers, web] =
            ["control", "sessions", "intake", "workers", "web"].map(Tasks::new);

        let wake = Arc::new(Notify::new());
        let photos = photos(&core, &settings);
        let wake_photos = Arc::clone(&photos.wake);
        let worker = worker(&core, &settings, Arc::clone(&wake), &wake_photos);
        let logins = Logins::new(
            settings.clone(),
            Arc::clone(&core.mailboxes),
            Arc::clone(&core.clock),
        )
        .map_err(|error| anyhow::anyhow!("cannot hash passwords: {error}"))?;
        let logins = Arc::new(logins);
        let listeners = Listeners::bind(&front.live(), &logins).await?;
        let socket = Control::bind(&settings.now().server.state_dir)?;

        if let Some(listener) = listeners.web {
            let health = Health {
                db: core.db.clone(),
                mailboxes: Arc::clone(&core.mailboxes),
                metrics,
                state_dir: settings.now().server.state_dir.clone(),
                sessions: sessions.clone(),
            };
            web::serve(listener, Arc::new(health), &web);
        }
        let intake = Arc::new(Intake::new(
            Arc::clone(&core.mailboxes),
            settings.clone(),
            core.db.clone(),
            Arc::clone(&core.clock),
            intake::Settings::default(),
            Arc::clone(&wake),
            Arc::clone(&photos.wake),
        ));
        intake.serve(&collecting);
        reload::waiting(&core.db, &settings.now()).await;
        reload::unpublished(&core.db, &settings.now()).await;
        let in_group = workers.clone();
        workers.spawn_vital("worker", async move { worker.serve(&in_group).await });
        let notices = notices(&core, &settings);
        workers.spawn_vital("notices", notices.serve(workers.draining().clone()));
        keep_house(&core, &settings, photos, &workers);
        if let Some(ftps) = listeners.ftps {
            ftps.serve(&sessions);
        }
        if let Some(sftp) = listeners.sftp {
            sftp.serve(&sessions);
        }
        let (ask, asked) = mpsc::channel(RELOADS_WAITING);
        let expiry = Expiry::new(settings.clone(), Arc::clone(&core.clock));
        control.spawn_vital(
            "expiry",
            Arc::clone(&expiry).serve(control.draining().clone()),
        );
        let write = record_uses(&workers, &logins, &core.db);
        let answers = answers(ask, write, Arc::clone(&logins));
        let watching = Arc::clone(logins.bans()).watch(sessions.draining().clone());
        drop(sessions.spawn("bans", watching));
        let reloader = Arc::new(Reloader {
            file: file.to_owned(),
            front,
            mailboxes: core.mailboxes,
            logins,
            expiry,
            intake,
            collecting: collecting.clone(),
            db: core.db.clone(),
            wake,
            wake_photos,
            clock: Arc::clone(&core.clock),
        });
        let reloading = reloader.serve(hangup, asked, control.draining().clone());
        control.spawn_vital("reload", reloading);
        socket.serve(&control, answers);
        make_ready(&core.importer.reader);
        Ok(Self {
            settings,
            db: core.db,
            reader: core.importer.reader.clone(),
            control,
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
        let limit = self.settings.now().limits.drain;
        tracing::info!(
            drain_secs = limit.as_secs(),
            "draining: nothing new is taken, transfers and runs may finish"
        );
        let drained = tokio::select! {
            done = tokio::time::timeout(limit, self.drain()) => done.is_ok(),
            () = either(&mut terminate, &mut interrupt) => false,
        };
        if !drained {
            tracing::warn!(
                "what is still open is ended now; it is taken up again at the next start"
            );
            for stage in self.stages() {
                stage.abort();
            }
            if tokio::time::timeout(Duration::from_secs(5), self.drain())
                .await
                .is_err()
            {
                tracing::error!("some tasks did not end");
            }
        }
        self.reader.dismiss_spare();
        self.db.close().await;
        tracing::info!("stopped");
        anyhow::ensure!(
            !early,
            "a part of the daemon ended by itself, which it never should: see the log"
        );
        Ok(())
    }

    /// Nothing is reloaded any more; then sessions first, so that what they finish is taken up; then intake, workers and the web.
    fn stages(&self) -> [&Tasks; 5] {
        let Self {
            control,
            sessions,
            intake,
            workers,
            web,
            ..
        } = self;
        [control, sessions, intake, workers, web]
    }

    async fn drain(&self) {
        for stage in self.stages() {
            stage.drain();
            stage.wait().await;
        }
    }

    /// Waits until a task has panicked that its stage cannot do without.
    async fn a_stage_ended(&self) {
        tokio::select! {
            () = self.control.failed() => {}
            () = self.sessions.failed() => {}
            () = self.intake.failed() => {}
            () = self.workers.failed() => {}
            () = self.web.failed() => {}
        }
    }
}

/// Starts a reader ahead. What keeps a hostile file in its place there is the kernel's, and not every kernel has all of it.
fn make_ready(reader: &Reader) {
    reader.keep_spare();
    let missing = missing();
    if !missing.is_empty() {
        tracing::warn!(
            missing = missing.join(", "),
            "this kernel cannot lock in the processes that read files as well as others do; their limits on memory and time hold all the same"
        );
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
    async fn bind(front: &Live<Front>, logins: &Arc<Logins>) -> anyhow::Result<Self> {
        let now = front.now();
        let config = &now.config;
        let door = Door::new(
            front.part(|front| Arc::clone(&front.config)),
            Arc::clone(logins.bans()),
        );
        let mut hints = Hints::default();
        let ftps = FtpsServer::bind(front, Arc::clone(logins), &door)?;
        if let (Some(server), Some(shown)) = (&ftps, &now.ftps) {
            telemetry::set_certificate_expiry(shown.tls.expires());
            let others: Vec<_> = shown
                .tls
                .other_fingerprints()
                .map(|it| it.to_string())
                .collect();
            let others = (!others.is_empty()).then(|| others.join(", "));
            for (protocol, address) in server.listeners() {
                tracing::info!(
                    listener = protocol.as_str(),
                    %address,
                    fingerprint = %shown.tls.fingerprint(),
                    other_fingerprints = others,
                    "ready"
                );
                hints.ftps.get_or_insert((protocol, address));
            }
        }
        let sftp = SftpServer::bind(front, Arc::clone(logins), door)?;
        if let (Some(server), Some(shown)) = (&sftp, &now.sftp) {
            for (algorithms, address) in server.listeners() {
                let listener = algorithms.listener();
                tracing::info!(listener, %address, fingerprint = shown.ssh.fingerprints().join(", "), "ready");
                match algorithms {
                    Algorithms::Current => drop(hints.sftp.get_or_insert(address)),
                    Algorithms::Outdated => tracing::warn!(
                        listener,
                        %address,
                        "sftp.legacy takes outdated algorithms that are known to be weak: keep its address to the senders that need it"
                    ),
                }
            }
            if let Some(sftp) = &config.sftp
                && let Some(note) = SshIdentity::note(sftp)
            {
                tracing::warn!("{note}");
            }
        }
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

/// Begins to look at photos, and at what is due on each day.
fn keep_house(core: &Core, settings: &Live<Config>, photos: Photos, workers: &Tasks) {
    let importers = importers(core, settings);
    let (wake, draining) = (Arc::clone(&photos.wake), workers.draining().clone());
    let due = Importer::serve_due(importers, wake, draining.clone());
    workers.spawn_vital("due changes", due);
    workers.spawn_vital("photos", photos.serve(draining));
}

/// The importer under whatever configuration is in force.
fn importers(core: &Core, settings: &Live<Config>) -> Live<Importer> {
    let importer = Arc::clone(&core.importer);
    settings.part(move |config| Arc::new(importer.under(config)))
}

/// What looks at photos.
fn photos(core: &Core, settings: &Live<Config>) -> Photos {
    let reader = core.importer.reader.clone();
    Photos {
        db: core.db.clone(),
        clock: Arc::clone(&core.clock),
        mailboxes: Arc::clone(&core.mailboxes),
        reader: settings.part(move |config| Arc::new(reader.with(config.limits.reading()))),
        deposit: core.importer.deposit.clone(),
        wake: Arc::default(),
    }
}

/// What tells of runs that wait for a person.
fn notices(core: &Core, settings: &Live<Config>) -> Notifier {
    Notifier {
        db: core.db.clone(),
        clock: Arc::clone(&core.clock),
        settings: settings.clone(),
    }
}

/// What runs jobs; after each, the photos may be other people's.
fn worker(
    core: &Core,
    settings: &Live<Config>,
    wake: Arc<Notify>,
    wake_photos: &Arc<Notify>,
) -> Worker {
    let importers = importers(core, settings);
    Worker {
        db: core.db.clone(),
        clock: Arc::clone(&core.clock),
        owner: this_process(),
        work: then_wake(Importer::work(&importers), wake_photos),
        wake,
        slots: WORKER_SLOTS,
    }
}

/// The same work, with something to wake after each job.
fn then_wake(work: Work, wake: &Arc<Notify>) -> Work {
    let wake = Arc::clone(wake);
    let run = work.run;
    Work {
        run: Arc::new(move |job| {
            let (running, wake) = (run(job), Arc::clone(&wake));
            Box::pin(async move {
                let ran = running.await;
                wake.notify_one();
                ran
            })
        }),
        ..work
    }
}

/// Begins to write the last uses of credentials, now and then and when it is asked to. Drained with the workers, when the last session has ended.
fn record_uses(workers: &Tasks, logins: &Logins, db: &Db) -> mpsc::Sender<uses::Request> {
    let writer = UseWriter::new(Arc::clone(logins.uses()), db.clone());
    let (ask, asked) = mpsc::channel(WRITINGS_WAITING);
    let writing = writer.serve(uses::INTERVAL, asked, workers.draining().clone());
    workers.spawn_vital("credential uses", writing);
    ask
}

/// What commands ask a running daemon.
fn answers(
    reload: mpsc::Sender<oneshot::Sender<Report>>,
    write: mpsc::Sender<uses::Request>,
    logins: Arc<Logins>,
) -> Answers {
    Arc::new(move |question| {
        let (reload, write, logins) = (reload.clone(), write.clone(), Arc::clone(&logins));
        Box::pin(async move {
            match question {
                Question::Reload => match ask_part(&reload).await {
                    Some(report) => value(&report),
                    None => json!({ "error": "it is shutting down" }),
                },
                Question::WriteUses => {
                    let writing = tokio::time::timeout(WRITING_LIMIT, ask_part(&write));
                    json!({ "written": matches!(writing.await, Ok(Some(true))) })
                }
                Question::Standing { user, from } => value(&logins.standing(&user, from)),
                Question::Bans => json!({ "bans": logins.bans().list() }),
                Question::Lift { address } => json!({ "lifted": logins.bans().lift(address) }),
                Question::LiftAll => json!({ "lifted": logins.bans().lift_all() }),
            }
        })
    })
}

/// Asks a task for an answer; none when it has ended.
async fn ask_part<T>(part: &mpsc::Sender<oneshot::Sender<T>>) -> Option<T> {
    let (request, answer) = oneshot::channel();
    part.send(request).await.ok()?;
    answer.await.ok()
}

fn value(answer: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(answer).unwrap_or_else(|error| json!({ "error": error.to_string() }))
}

/// Looks for damage in the database when the last daemon came to no orderly end: a power loss on a disk that lies can leave it half-written.
async fn check_after_a_crash(config: &Config, lock: &StateLock) -> anyhow::Result<()> {
    let path = &config.database.path;
    if lock.was_left() && path.try_exists().map_err(at(path))? {
        tracing::warn!("the last rosterd here came to no orderly end: checking the database");
        let started = std::time::Instant::now();
        Db::check(path).await?;
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(duration_ms, "the database is sound");
    }
    lock.clear_at_the_end();
    Ok(())
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

/// An error with the place that it is about.
pub fn at(path: &Path) -> impl FnOnce(io::Error) -> StartError {
    let path = path.to_owned();
    move |source| StartError::State { path, source }
}
