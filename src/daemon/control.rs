//! The control socket: how commands talk to the daemon that serves a state folder. One line of JSON asks, one line of JSON answers.
//!
//! It lies in the state folder, only its owner can open it, and whoever connects must be that user (or root). A question that is slow or too long is not
//! heard to its end.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::IpAddr;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::Mode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::{StartError, at};
use crate::queue::worker::BoxFuture;
use crate::tasks::Tasks;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    /// Load the configuration anew. The answer is a [`super::Report`].
    Reload,
    /// Bring the uses of passwords and keys into the database. The answer says whether they are there: `{"written": true}`.
    WriteUses,
    /// What stands beside the configuration when a user comes from an address. The answer is a [`Standing`](crate::listen::login::Standing).
    Standing { user: String, from: IpAddr },
    /// Who is banned: `bans`, a list of [`crate::listen::bans::Ban`].
    Bans,
    /// End the bans of an address: `lifted`, how many there were.
    Lift { address: IpAddr },
    /// End all bans: `lifted`, how many there were.
    LiftAll,
}

/// Gives the answers.
pub(super) type Answers = Arc<dyn Fn(Question) -> BoxFuture<Value> + Send + Sync>;

const NAME: &str = "control.sock";
/// The kernel takes no longer path, with its end.
const PATH_LIMIT_BYTES: usize = 107;
const QUESTION_LIMIT_BYTES: u64 = 64 * 1024;
/// For a question to be asked, and again for its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// For an answer to be found.
const ANSWER_LIMIT: Duration = Duration::from_mins(2);
/// Questions at one time.
const QUESTIONS: usize = 8;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The bound socket.
#[derive(Debug)]
pub(super) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Binds it in a state folder that nobody else serves: what an earlier daemon left there is removed. Must be called within a runtime.
    pub(super) fn bind(state_dir: &Path) -> Result<Self, StartError> {
        let path = state_dir.join(NAME);
        let listener = listen(state_dir).map_err(at(&path))?;
        Ok(Self { listener, path })
    }

    /// Answers until the group drains.
    pub(super) fn serve(self, tasks: &Tasks, answers: Answers) {
        let group = tasks.clone();
        tasks.spawn_vital("control", async move {
            let draining = group.draining().clone();
            let places = Arc::new(Semaphore::new(QUESTIONS));
            while let Some(accepted) = draining.run_until_cancelled(self.listener.accept()).await {
                let stream = match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a command on the control socket; trying again");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                };
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    continue;
                };
                let answers = Arc::clone(&answers);
                group.spawn("control question", async move {
                    if let Err(error) = converse(stream, &answers).await {
                        tracing::debug!(%error, "a command went away");
                    }
                    drop(place);
                });
            }
            std::fs::remove_file(&self.path).unwrap_or_default();
        });
    }
}

fn listen(state_dir: &Path) -> io::Result<UnixListener> {
    let reach = Reach::of(state_dir)?;
    match std::fs::symlink_metadata(&reach.path) {
        Ok(left) if left.file_type().is_socket() => std::fs::remove_file(&reach.path)?,
        Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Before it has a name: there is no moment at which others could connect.
    rustix::fs::fchmod(socket.as_fd(), Mode::RUSR | Mode::WUSR)?;
    socket.bind(&SockAddr::unix(&reach.path)?)?;
    socket.listen(16)?;
    socket.set_nonblocking(true)?;
    let listener = std::os::unix::net::UnixListener::from(std::os::fd::OwnedFd::from(socket));
    UnixListener::from_std(listener)
}

async fn converse(mut stream: UnixStream, answers: &Answers) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    if peer != 0 && peer != rustix::process::geteuid().as_raw() {
        tracing::warn!(user = peer, "another user's command was turned away");
        return Ok(());
    }
    let mut line = String::new();
    let (reader, mut writer) = stream.split();
    let mut reader = tokio::io::BufReader::new(reader.take(QUESTION_LIMIT_BYTES));
    tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await??;
    let answer = match serde_json::from_str(&line) {
        Ok(question) => answers(question).await,
        Err(error) => {
            json!({ "error": format!("this rosterd does not understand the question: {error}") })
        }
    };
    let answer = format!("{answer}\n");
    tokio::time::timeout(PATIENCE, writer.write_all(answer.as_bytes())).await?
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(
        "no rosterd is running on the state folder {state_dir}: start it with `rosterd serve`, and it reads the configuration as it is"
    )]
    NotRunning { state_dir: PathBuf },
    #[error("cannot talk to the running rosterd through {path}")]
    Talk {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the running rosterd did not answer: {0}")]
    NoAnswer(String),
}

/// Asks the daemon that serves a state folder. Blocks until it has answered.
pub fn ask(state_dir: &Path, question: &Question) -> Result<Value, AskError> {
    let talk = |source| AskError::Talk {
        path: state_dir.join(NAME),
        source,
    };
    let not_running = || AskError::NotRunning {
        state_dir: state_dir.to_owned(),
    };
    let is_missing = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
        )
    };
    let connected = Reach::of(state_dir).and_then(|reach| reach.connect());
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(error) if is_missing(&error) => return Err(not_running()),
        Err(error) => return Err(talk(error)),
    };
    let line = serde_json::to_string(question).map_err(|error| talk(error.into()))?;
    let mut exchange = || -> io::Result<String> {
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.write_all(format!("{line}\n").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer)?;
        Ok(answer)
    };
    let answer = exchange().map_err(talk)?;
    if answer.is_empty() {
        return Err(AskError::NoAnswer(
            "it ended, or belongs to another user".to_owned(),
        ));
    }
    let answer: Value = serde_json::from_str(&answer).map_err(|error| talk(error.into()))?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(AskError::NoAnswer(error.to_owned())),
        None => Ok(answer),
    }
}

/// The socket under a name that is short enough, however deep the state folder lies.
struct Reach {
    path: PathBuf,
    /// Keeps the short name good.
    _folder: Option<File>,
}

impl Reach {
    fn of(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join(NAME);
        if path.as_os_str().len() <= PATH_LIMIT_BYTES {
            return Ok(Self {
                path,
                _folder: None,
            });
        }
        let folder = File::open(state_dir)?;
        Ok(Self {
            path: PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd())),
            _folder: Some(folder),
        })
    }

    fn connect(&self) -> io::Result<std::os::unix::net::UnixStream> {
        let socket = std::fs::symlink_metadata(&self.path)?;
        if !socket.file_type().is_socket() || socket.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("it is not a socket of this user"));
        }
        std::os::unix::net::UnixStream::connect(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn answers() -> Answers {
        Arc::new(|question| Box::pin(async move { json!({ "heard": question }) }))
    }

    async fn ask_in(state_dir: &Path) -> Result<Value, AskError> {
        let state_dir = state_dir.to_owned();
        tokio::task::spawn_blocking(move || ask(&state_dir, &Question::Reload))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_question_is_answered_by_whoever_serves_the_folder_however_deep_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("state".repeat(40));
        std::fs::create_dir(&deep).unwrap();
        for state_dir in [folder.path(), &deep] {
            assert!(matches!(
                ask_in(state_dir).await,
                Err(AskError::NotRunning { .. })
            ));
            let tasks = Tasks::new("control");
            Control::bind(state_dir).unwrap().serve(&tasks, answers());
            let mode = std::fs::metadata(state_dir.join(NAME)).unwrap();
            assert_eq!(mode.permissions().mode() & 0o777, 0o600);
            let answer = ask_in(state_dir).await.unwrap();
            assert_eq!(answer["heard"]["ask"], "reload");
            tasks.drain();
            tasks.wait().await;
            assert!(!state_dir.join(NAME).try_exists().unwrap());
        }
    }

    #[tokio::test]
    async fn what_a_killed_daemon_left_is_nobody_and_stands_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        drop(Control::bind(folder.path()).unwrap());
        assert!(matches!(
            ask_in(folder.path()).await,
            Err(AskError::NotRunning { .. })
        ));
        let tasks = Tasks::new("control");
        let control = Control::bind(folder.path()).unwrap();
        control.serve(&tasks, answers());
        ask_in(folder.path()).await.unwrap();
    }

    #[tokio::test]
    async fn nonsense_has_an_answer_too() {
        let folder = tempfile::tempdir().unwrap();
        let tasks = Tasks::new("control");
        let control = Control::bind(folder.path()).unwrap();
        control.serve(&tasks, answers());
        let mut stream = UnixStream::connect(folder.path().join(NAME)).await.unwrap();
        stream.write_all(b"{\"ask\":\"fly\"}\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("does not understand"), "{answer}");
    }
}
