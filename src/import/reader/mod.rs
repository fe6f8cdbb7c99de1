//! Reading in a child process: the parent's side, and the child's first steps.
//!
//! A hostile workbook can make its reader abort, hang or ask for any amount of memory. So each file is read by a child of the same program
//! that lives for this one file, with limits that it sets on itself, and locked in, before it looks at the first byte. It gets the file as a descriptor
//! over a socket, writes frames to that and has no environment. The parent believes nothing of what it writes; however it ends, the daemon goes on.
//!
//! Photos are looked at in such children too ([`PhotoReader`]): many by one, because each is small, and all of one tenant.

mod blame;
mod frames;
mod inside;
mod jail;
mod order;
mod photos;
mod restrict;
mod scratch;
mod spare;
mod watch;

use std::fs::File;
use std::io;
use std::net::Shutdown;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::failpoint::{self, Point};
use crate::parse::agreement::Agreement;
use crate::parse::finding::Finding;
use crate::parse::limits::ReadLimits;
use crate::parse::photo::Wish;

use blame::{cause, of_file};
pub use frames::Frames;
use frames::Last;
pub use inside::{child_main, photo_child_main};
pub use jail::missing;
use order::{Order, Request};
pub use photos::PhotoReader;
use spare::{Spare, Waiting};
use watch::{Cut, End, beside, watch};

/// First argument of the child that reads a file.
pub const CHILD_COMMAND: &str = "read-child";
/// First argument of the child that looks at photos.
pub const PHOTO_CHILD_COMMAND: &str = "photo-child";
/// The child could not read its input or limit itself: our fault, not the file's.
const OUR_FAULT: u8 = 74;
/// A child may use its time on a third of a core: beyond that the machine is at fault.
const PATIENCE: u32 = 3;

/// Starts a child for each file.
#[derive(Debug, Clone)]
pub struct Reader {
    program: PathBuf,
    limits: ReadLimits,
    spare: Spare,
    /// Where the plain text of an encrypted file lies for as long as it is read, without a name.
    scratch_dir: PathBuf,
}

/// How a reading ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The file was read to its end.
    Complete { rows: u64 },
    /// The file is refused: by the child, or because the child died, took too long or made no sense.
    Refused(Finding),
    /// Whoever consumed the frames stopped before the last one.
    Abandoned,
}

/// Our side failed, not the file: try again later.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    #[error("the reader could not be started")]
    Start(#[source] io::Error),
    #[error("the reader could not be waited for")]
    Wait(#[source] io::Error),
    #[error("the reader could not read the file or limit itself")]
    Child,
    /// Its memory is limited, so a kill is not the file's doing: an operator did it, a service manager that stops the daemon, or the kernel on a machine
    /// that has less memory than `import_memory` promises.
    #[error(
        "the reader was ended by signal {signal} from outside: by a person, by whatever stops this service, or because the machine ran out of memory"
    )]
    Killed { signal: i32 },
    /// It used less CPU time than it may, so it waited for something: a busy machine, a disk that hangs, or us.
    #[error(
        "the reader did not come to its end within {0:?}: the machine is too busy, or the disk hangs"
    )]
    Stalled(Duration),
    #[error("what consumes the rows has panicked")]
    Consumer(#[source] tokio::task::JoinError),
}

impl Reader {
    /// A reader that runs `program`, which is to call [`child_main`] when its first argument is [`CHILD_COMMAND`], and [`photo_child_main`] when it is
    /// [`PHOTO_CHILD_COMMAND`].
    pub fn new(program: PathBuf, limits: ReadLimits) -> Self {
        Self {
            program,
            limits,
            spare: Spare::default(),
            scratch_dir: std::env::temp_dir(),
        }
    }

    /// The same reader with another folder for the plain text of encrypted files.
    #[must_use]
    pub fn with_scratch_in(self, scratch_dir: PathBuf) -> Self {
        Self {
            scratch_dir,
            ..self
        }
    }

    /// Keeps one child started ahead from now on, so that a file need not wait for its start. For a daemon, and on a thread that lives as long as it.
    pub fn keep_spare(&self) {
        self.spare.open();
        self.spare.fill(&self.program);
    }

    /// Ends the child that was started ahead, and starts none ahead any more.
    pub fn dismiss_spare(&self) {
        self.spare.close();
    }

    /// The same program with other limits, and the same spare.
    #[must_use]
    pub fn with(&self, limits: ReadLimits) -> Self {
        Self {
            limits,
            ..self.clone()
        }
    }

    /// What looks at the photos of one tenant.
    pub fn of_photos(&self, wish: Wish) -> PhotoReader {
        PhotoReader::new(self.program.clone(), self.limits, wish)
    }

    /// Reads `file` in a child; `consume` gets what is in it on the blocking pool. Dropping the future kills the child.
    pub async fn read<T, F>(
        &self,
        file: File,
        agreement: Agreement,
        consume: F,
    ) -> Result<(T, Ending), ReaderError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Frames) -> T + Send + 'static,
    {
        let most = self.limits.time.saturating_mul(PATIENCE);
        let deadline = Instant::now() + most;
        let Waiting {
            running: mut child,
            stderr,
            socket,
            ..
        } = self.spare.take(&self.program).map_err(ReaderError::Start)?;
        let cut = Cut(socket.try_clone().map_err(ReaderError::Start)?);
        failpoint::pass_async(Point::ChildStarted)
            .await
            .map_err(ReaderError::Start)?;
        let limits = self.limits;
        let scratch_dir = agreement.pgp.is_some().then(|| self.scratch_dir.clone());
        let heard_enough = CancellationToken::new();
        let done = heard_enough.clone().drop_guard();
        let mut reading = tokio::task::spawn_blocking(move || {
            let _done = done;
            let sent = scratch_dir.as_deref().map(scratch::make).transpose();
            let sent = sent.and_then(|scratch| {
                let order = Order {
                    request: Request { limits, agreement },
                    file,
                    scratch,
                };
                order.send(&socket)
            });
            if let Err(error) = sent {
                tracing::debug!(%error, "the reader did not take its order");
                // One that still waits for it ends by this. How it ends is told below.
                socket.shutdown(Shutdown::Both).unwrap_or_default();
            }
            let mut frames = Frames::new(socket, &limits);
            let consumed = consume(&mut frames);
            (consumed, frames.finish())
        });
        self.spare.fill(&self.program);
        let work = async {
            let end = watch(&mut child, deadline, &heard_enough, &cut).await;
            let read = timeout_at(deadline, &mut reading).await;
            // Someone else may hold the other end and say nothing: then this is what ends the reading.
            drop(cut);
            let read = match read {
                Ok(read) => read,
                Err(_) => reading.await,
            };
            (read, end)
        };
        let ((read, end), said) = beside(stderr, work).await;
        let (consumed, last) = read.map_err(ReaderError::Consumer)?;
        failpoint::pass_async(Point::RecordsRead)
            .await
            .map_err(ReaderError::Wait)?;
        if !said.is_empty() {
            tracing::debug!(said = %said.escape_debug(), "the reader said something");
        }
        let ending = match (last, end.map_err(ReaderError::Wait)?) {
            (Some(Last::End(ending)), _) => ending,
            (_, End::Status(status)) if status.code() == Some(i32::from(OUR_FAULT)) => {
                return Err(ReaderError::Child);
            }
            (None, _) => Ending::Abandoned,
            (Some(Last::Cut), End::TimedOut) => return Err(ReaderError::Stalled(most)),
            (Some(Last::Cut), End::Status(status)) => {
                tracing::debug!(?status, "the reader ended before the file");
                Ending::Refused(of_file(cause(status, &said)?, &self.limits))
            }
        };
        Ok((consumed, ending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::finding::code;

    async fn read_with(program: &str) -> Result<(usize, Ending), ReaderError> {
        let reader = Reader::new(PathBuf::from(program), ReadLimits::default());
        let file = File::open("/dev/null").unwrap();
        let read = reader.read(file, Agreement::default(), |frames| frames.count());
        read.await
    }

    #[tokio::test]
    async fn a_child_that_ends_without_a_word_refuses_the_file() {
        let (frames, ending) = read_with("/bin/false").await.unwrap();
        assert_eq!(frames, 0);
        assert!(
            matches!(&ending, Ending::Refused(finding) if finding.code == code::READER_DIED),
            "{ending:?}"
        );
    }

    #[tokio::test]
    async fn a_child_that_talks_nonsense_refuses_the_file() {
        let (frames, ending) = read_with("/bin/echo").await.unwrap();
        assert_eq!(frames, 0);
        assert!(
            matches!(&ending, Ending::Refused(finding) if finding.code == code::READER_GARBAGE),
            "{ending:?}"
        );
    }

    #[tokio::test]
    async fn a_child_that_does_not_start_is_our_fault() {
        let failed = read_with("/nowhere/rosterd").await;
        assert!(matches!(failed, Err(ReaderError::Start(_))), "{failed:?}");
    }
}
