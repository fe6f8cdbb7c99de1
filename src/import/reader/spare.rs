//! A child that waits for its file, and the one that is started ahead.
//!
//! A child is never used twice. A spare one is only a child that was started before its file was there: the same start, the same order, the same end.

use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use rustix::process::getpid;
use tokio::process::ChildStderr;

use crate::import::child::Running;
use crate::import::reader::CHILD_COMMAND;

/// A child that has no file yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) running: Running,
    pub(super) stderr: ChildStderr,
    pub(super) socket: UnixStream,
    program: Option<Program>,
}

/// What tells a program from another one in its place.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Program {
    fn at(path: &Path) -> Option<Self> {
        let of = |it: Metadata| Self {
            device: it.dev(),
            inode: it.ino(),
            size: it.size(),
            modified: (it.mtime(), it.mtime_nsec()),
        };
        path.metadata().ok().map(of)
    }
}

impl Waiting {
    /// Starts `program` for this kind of work. It ends with the thread that calls this, so that must be one that lives as long as the process.
    ///
    /// A socket is its stdin and stdout and not a pipe, because a socket takes descriptors, and can be shut down under the one who reads from it.
    pub(super) fn start(program: &Path, work: &str) -> io::Result<Self> {
        let identity = Program::at(program);
        let (socket, theirs) = UnixStream::pair()?;
        let mut command = Command::new(program);
        command
            .arg0("rosterd")
            .arg(work)
            .arg(getpid().as_raw_pid().to_string())
            .env_clear()
            // With a second arena, the C library asks how many cores there are when memory has run out, which the jail would not forgive.
            .env("MALLOC_ARENA_MAX", "1")
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs.try_clone()?)))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::piped());
        let (running, stderr) = Running::start(&mut command, |child| {
            let stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
            ChildStderr::from_std(stderr)
        })?;
        Ok(Self {
            running,
            stderr,
            socket,
            program: identity,
        })
    }

    /// Whether it is still there, and what `program` would start.
    fn is_fit(&self, program: &Path) -> bool {
        let mut byte = [0];
        let quiet = recv(
            &self.socket,
            &mut byte,
            RecvFlags::PEEK | RecvFlags::DONTWAIT,
        );
        quiet.is_err_and(|error| error == Errno::AGAIN)
            && self.program.is_some()
            && self.program == Program::at(program)
    }
}

/// The place of the one spare child; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Spare(Arc<Mutex<Place>>);

#[derive(Debug, Default)]
enum Place {
    /// None is wanted.
    #[default]
    Closed,
    Empty,
    Taken(Waiting),
}

impl Spare {
    /// From now on one is wanted.
    pub(super) fn open(&self) {
        self.change(|place| match place {
            Place::Closed => (Place::Empty, ()),
            place => (place, ()),
        });
    }

    /// Ends it, and wants none any more.
    pub(super) fn close(&self) {
        self.change(|_| (Place::Closed, ()));
    }

    /// A child for a file: the spare one, or a new one.
    pub(super) fn take(&self, program: &Path) -> io::Result<Waiting> {
        let spare = self.change(|place| match place {
            Place::Closed => (Place::Closed, None),
            Place::Empty => (Place::Empty, None),
            Place::Taken(waiting) => (Place::Empty, Some(waiting)),
        });
        match spare {
            Some(spare) if spare.is_fit(program) => Ok(spare),
            _ => Waiting::start(program, CHILD_COMMAND),
        }
    }

    /// Starts one if it is wanted and missing.
    pub(super) fn fill(&self, program: &Path) {
        self.change(|place| match place {
            Place::Empty => match Waiting::start(program, CHILD_COMMAND) {
                Ok(waiting) => (Place::Taken(waiting), ()),
                Err(error) => {
                    tracing::debug!(%error, "no reader could be started ahead");
                    (Place::Empty, ())
                }
            },
            place => (place, ()),
        });
    }

    fn change<T>(&self, step: impl FnOnce(Place) -> (Place, T)) -> T {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, result) = step(std::mem::take(&mut *place));
        *place = next;
        result
    }
}
