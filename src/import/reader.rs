//! Reading in a child process: the parent's side, and the child's first steps.
//!
//! A hostile workbook can make its reader abort, hang or ask for any amount of memory. So each file is read by a child of the same program
//! that lives for this one file, with limits that it sets on itself before it looks at the first byte. It has the file as stdin, writes
//! frames to stdout and has no environment. The parent believes nothing of what it writes; however it ends, the daemon goes on.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rlimit::Resource;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, Command};

use crate::failpoint::{self, Point};
use crate::parse::finding::{Finding, code};
use crate::parse::limits::ReadLimits;
use crate::parse::read::read;
use crate::parse::wire::{Decoder, Frame, WireError};

/// First argument of the child.
pub const CHILD_COMMAND: &str = "read-child";
/// The child could not read its input or limit itself: our fault, not the file's.
const OUR_FAULT: u8 = 74;
const STDERR_BYTES: u64 = 4096;
const SIGXCPU: i32 = 24;

/// Starts a child for each file.
#[derive(Debug, Clone)]
pub struct Reader {
    program: PathBuf,
    limits: ReadLimits,
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
    #[error("what consumes the rows has panicked")]
    Consumer(#[source] tokio::task::JoinError),
}

impl Reader {
    /// A reader that runs `program`, which is to call [`child_main`] when its first argument is [`CHILD_COMMAND`].
    pub fn new(program: PathBuf, limits: ReadLimits) -> Self {
        Self { program, limits }
    }

    /// Reads `file` in a child; `consume` gets the header and the rows on the blocking pool. Dropping the future kills the child.
    pub async fn read<T, F>(&self, file: File, consume: F) -> Result<(T, Ending), ReaderError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Frames) -> T + Send + 'static,
    {
        let mut child = self.start(file).map_err(ReaderError::Start)?;
        failpoint::pass_async(Point::ChildStarted)
            .await
            .map_err(ReaderError::Start)?;
        let no_pipe = || ReaderError::Start(io::ErrorKind::BrokenPipe.into());
        let stdout = child.stdout.take().ok_or_else(no_pipe)?;
        let stderr = child.stderr.take().ok_or_else(no_pipe)?;
        let stdout = File::from(stdout.into_owned_fd().map_err(ReaderError::Start)?);
        let limits = self.limits;
        let reading = tokio::task::spawn_blocking(move || {
            let input = BufReader::with_capacity(64 * 1024, stdout);
            let mut frames = Frames {
                decoder: Decoder::new(input, &limits),
                last: None,
            };
            let consumed = consume(&mut frames);
            // Closes the pipe: a child that still writes ends.
            (consumed, frames.finish())
        });
        let (reading, ended, said) =
            tokio::join!(reading, wait(&mut child, limits.time), listen(stderr));
        let (consumed, last) = reading.map_err(ReaderError::Consumer)?;
        failpoint::pass_async(Point::RecordsRead)
            .await
            .map_err(ReaderError::Wait)?;
        let end = ended.map_err(ReaderError::Wait)?;
        if !said.is_empty() {
            tracing::debug!(said = %said.escape_debug(), "the reader said something");
        }
        let ending = match (last, end) {
            (Some(Last::End(ending)), _) => ending,
            (Some(Last::Cut) | None, End::Status(status))
                if status.code() == Some(i32::from(OUR_FAULT)) =>
            {
                return Err(ReaderError::Child);
            }
            (None, _) => Ending::Abandoned,
            (Some(Last::Cut), end) => {
                tracing::debug!(?end, "the reader ended before the file");
                Ending::Refused(end.finding())
            }
        };
        Ok((consumed, ending))
    }

    fn start(&self, file: File) -> io::Result<Child> {
        let limits = serde_json::to_string(&self.limits)?;
        Command::new(&self.program)
            .arg(CHILD_COMMAND)
            .arg(limits)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(file))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

/// How the child ended.
#[derive(Debug)]
enum End {
    Status(ExitStatus),
    TimedOut,
}

impl End {
    fn finding(&self) -> Finding {
        let too_long = match self {
            Self::TimedOut => true,
            Self::Status(status) => status.signal() == Some(SIGXCPU),
        };
        if too_long {
            Finding::file(
                code::READER_TIMEOUT,
                "Reading this file took longer than allowed, so it was stopped.",
                "Send fewer rows, or export CSV (UTF-8), which is read fastest; or have `import_time` under [limits] raised.",
            )
        } else {
            Finding::file(
                code::READER_DIED,
                "The reader stopped while reading this file: it asked for more memory than allowed, or the file is damaged in a way that breaks it.",
                "Open it, save it under a new name and send that, or export CSV (UTF-8).",
            )
        }
    }
}

async fn wait(child: &mut Child, most: Duration) -> io::Result<End> {
    if let Ok(status) = tokio::time::timeout(most, child.wait()).await {
        return status.map(End::Status);
    }
    child.kill().await?;
    Ok(End::TimedOut)
}

/// The first words of the child; the rest is read too, so that it is not kept from ending.
async fn listen(mut stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    let heard = (&mut stderr)
        .take(STDERR_BYTES)
        .read_to_end(&mut said)
        .await;
    let drained = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    if let Some(error) = heard.err().or(drained.err()) {
        tracing::debug!(%error, "the reader's words were lost");
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// The header and the rows of one file, for the blocking pool. It ends where the file ends or is refused; [`Ending`] tells which.
#[derive(Debug)]
pub struct Frames {
    decoder: Decoder<BufReader<File>>,
    last: Option<Last>,
}

/// What came after the last row.
#[derive(Debug)]
enum Last {
    End(Ending),
    /// Nothing: the pipe ended too early.
    Cut,
}

impl Iterator for Frames {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        if self.last.is_some() {
            return None;
        }
        self.last = Some(match self.decoder.decode() {
            Ok(Some(frame @ (Frame::Header(_) | Frame::Row(_)))) => return Some(frame),
            Ok(Some(Frame::End { rows })) => Last::End(Ending::Complete { rows }),
            Ok(Some(Frame::Refused(finding))) => Last::End(Ending::Refused(finding)),
            Ok(None) | Err(WireError::Pipe(_)) => Last::Cut,
            Err(WireError::Garbage(why)) => {
                tracing::warn!(
                    why,
                    "the reader sent garbage, so a file may have taken it over"
                );
                Last::End(Ending::Refused(Finding::file(
                    code::READER_GARBAGE,
                    "The reader's answer made no sense, so nothing of this file was taken.",
                    "Open it, save it under a new name and send that, or export CSV (UTF-8).",
                )))
            }
        });
        None
    }
}

impl Frames {
    /// What came last; none if there was more. A consumer may have stopped right behind the last row.
    fn finish(mut self) -> Option<Last> {
        drop(self.next());
        self.last
    }
}

/// The whole life of the child: limits itself, reads stdin, writes frames to stdout. `limits` is what the parent gave as second argument.
pub fn child_main(limits: &str) -> ExitCode {
    // The message of a panic may hold what stands in a cell; its place does not.
    std::panic::set_hook(Box::new(|panic| {
        if let Some(place) = panic.location() {
            say(&format!("panicked at {place}"));
        }
    }));
    match child(limits) {
        Ok(()) => ExitCode::SUCCESS,
        // The parent has heard enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::from(OUR_FAULT)
        }
    }
}

fn child(limits: &str) -> io::Result<()> {
    let limits: ReadLimits = serde_json::from_str(limits)?;
    // Files and not the library's own handles: those would look for line ends, and cannot seek.
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    restrict(&limits)?;
    read(input, &limits, BufWriter::with_capacity(64 * 1024, output))
}

/// From here on: no more memory and time than allowed, no file written, hardly one opened, no process started, no core dump.
fn restrict(limits: &ReadLimits) -> io::Result<()> {
    let seconds = limits.time.as_secs().saturating_add(1);
    for (resource, most) in [
        (Resource::AS, limits.memory_bytes),
        (Resource::CPU, seconds),
        (Resource::FSIZE, 0),
        (Resource::NOFILE, 8),
        (Resource::CORE, 0),
    ] {
        let (_, hard) = resource.get()?;
        let most = most.min(hard);
        resource.set(most, most)?;
    }
    Ok(())
}

/// To the parent's log.
fn say(words: &str) {
    let written = writeln!(io::stderr(), "{words}");
    // There is no one left to tell.
    drop(written);
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_with(program: &str) -> Result<(usize, Ending), ReaderError> {
        let reader = Reader::new(PathBuf::from(program), ReadLimits::default());
        let file = File::open("/dev/null").unwrap();
        reader.read(file, |frames| frames.count()).await
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
