//! Reading in a child process: the parent's side, and the child's first steps.
//!
//! A hostile workbook can make its reader abort, hang or ask for any amount of memory. So each file is read by a child of the same program
//! that lives for this one file, with limits that it sets on itself before it looks at the first byte. It has the file as stdin, writes
//! frames to stdout and has no environment. The parent believes nothing of what it writes; however it ends, the daemon goes on.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rlimit::Resource;
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::failpoint::{self, Point};
use crate::import::child::Running;
use crate::parse::agreement::Agreement;
use crate::parse::finding::{Finding, code};
use crate::parse::limits::ReadLimits;
use crate::parse::read::read;
use crate::parse::wire::{Decoder, Frame, WireError};

/// First argument of the child.
pub const CHILD_COMMAND: &str = "read-child";
/// The child could not read its input or limit itself: our fault, not the file's.
const OUR_FAULT: u8 = 74;
const STDERR_BYTES: u64 = 4096;
/// A child may use its time on a third of a core: beyond that the machine is at fault.
const PATIENCE: u32 = 3;
/// For a child that has nothing more to say.
const GRACE: Duration = Duration::from_secs(2);
/// For reading what a child that has ended wrote to stderr.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// What a program maps that is not memory of its own: itself, its libraries, its stack.
const MAPPED_BYTES: u64 = 512 << 20;

/// What a child is told.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    limits: ReadLimits,
    agreement: Agreement,
}

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
    /// A reader that runs `program`, which is to call [`child_main`] when its first argument is [`CHILD_COMMAND`].
    pub fn new(program: PathBuf, limits: ReadLimits) -> Self {
        Self { program, limits }
    }

    /// The same program with other limits.
    #[must_use]
    pub fn with(&self, limits: ReadLimits) -> Self {
        Self::new(self.program.clone(), limits)
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
        let (pipe, theirs) = UnixStream::pair().map_err(ReaderError::Start)?;
        let cut = Cut(pipe.try_clone().map_err(ReaderError::Start)?);
        let (mut child, stderr) = self
            .start(file, agreement, theirs)
            .map_err(ReaderError::Start)?;
        failpoint::pass_async(Point::ChildStarted)
            .await
            .map_err(ReaderError::Start)?;
        let limits = self.limits;
        let heard_enough = CancellationToken::new();
        let done = heard_enough.clone().drop_guard();
        let mut reading = tokio::task::spawn_blocking(move || {
            let _done = done;
            let mut frames = Frames {
                decoder: Decoder::new(BufReader::with_capacity(64 * 1024, pipe), &limits),
                last: None,
            };
            let consumed = consume(&mut frames);
            (consumed, frames.finish())
        });
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
                Ending::Refused(blame(status, &said, &self.limits)?)
            }
        };
        Ok((consumed, ending))
    }

    /// A socket is its stdout and not a pipe, because a socket can be shut down under the one who reads from it.
    fn start(
        &self,
        file: File,
        agreement: Agreement,
        stdout: UnixStream,
    ) -> io::Result<(Running, ChildStderr)> {
        let request = serde_json::to_string(&Request {
            limits: self.limits,
            agreement,
        })?;
        let mut command = Command::new(&self.program);
        command
            .arg0("rosterd")
            .arg(CHILD_COMMAND)
            .arg(request)
            .arg(getpid().as_raw_pid().to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(file))
            .stdout(Stdio::from(OwnedFd::from(stdout)))
            .stderr(Stdio::piped());
        Running::start(&mut command, |child| {
            let stderr = child.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
            ChildStderr::from_std(stderr)
        })
    }
}

/// Our end of the socket to the child. Dropped, whoever reads from it has come to the end.
struct Cut(UnixStream);

impl Cut {
    fn now(&self) {
        // It cannot fail in a way that leaves it open.
        self.0.shutdown(Shutdown::Both).unwrap_or_default();
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        self.now();
    }
}

/// How the child ended.
#[derive(Debug)]
enum End {
    Status(ExitStatus),
    TimedOut,
}

/// Waits for the end of the child, and sees to it that there is one.
async fn watch(
    child: &mut Running,
    deadline: Instant,
    heard_enough: &CancellationToken,
    cut: &Cut,
) -> io::Result<End> {
    tokio::select! {
        status = child.ended() => return status.map(End::Status),
        () = heard_enough.cancelled() => {
            // A child that still writes ends by that.
            cut.now();
            if let Ok(status) = timeout(GRACE, child.ended()).await {
                return status.map(End::Status);
            }
        }
        () = sleep_until(deadline) => {}
    }
    child.kill();
    if let Ok(status) = timeout(GRACE, child.ended()).await {
        status?;
    } else {
        // A disk that hangs keeps even a killed process; this worker has better things to do.
        tracing::warn!("a reader that was killed has not ended yet");
    }
    Ok(End::TimedOut)
}

/// Signals that a process sends to itself, so to say: the file has broken it.
const BROKEN: [Signal; 8] = [
    Signal::ABORT,
    Signal::BUS,
    Signal::FPE,
    Signal::ILL,
    Signal::SEGV,
    Signal::SYS,
    Signal::TRAP,
    Signal::XFSZ,
];

/// Whose fault it is that the child ended before the file: the finding about the file, or the error of ours.
fn blame(status: ExitStatus, said: &str, limits: &ReadLimits) -> Result<Finding, ReaderError> {
    let by = |signal: Signal| status.signal() == Some(signal.as_raw());
    if by(Signal::XCPU) {
        return Ok(Finding::file(
            code::READER_TIMEOUT,
            "Reading this file took longer than allowed, so it was stopped.",
            "Send fewer rows, or export CSV (UTF-8), which is read fastest; or have `import_time` under [limits] raised.",
        ));
    }
    // A child that lies here only chooses the other text.
    if by(Signal::ABORT) && said.contains("memory allocation") {
        return Ok(Finding::file(
            code::READER_DIED,
            format!(
                "Reading this file takes more memory than the {} MB that are allowed, so it was stopped.",
                limits.memory_bytes / 1_000_000
            ),
            "Export CSV (UTF-8), which takes hardly any; or, if the file is as large as it should be, have `import_memory` under [limits] raised.",
        ));
    }
    match status.signal() {
        Some(signal) if !BROKEN.into_iter().any(by) => Err(ReaderError::Killed { signal }),
        _ => Ok(Finding::file(
            code::READER_DIED,
            "The file is damaged in a way that broke the program that was reading it.",
            "Open it, save it under a new name and send that, or export CSV (UTF-8).",
        )),
    }
}

/// Does `work` while the child's words are read, so that they never keep it from ending; and returns the first of them.
async fn beside<T>(stderr: ChildStderr, work: impl Future<Output = T>) -> (T, String) {
    let mut said = Vec::new();
    let done = {
        let mut listening = std::pin::pin!(listen(stderr, &mut said));
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            () = &mut listening => work.await,
            done = &mut work => {
                // The last words of a child that has ended are there already; what else has the other end may talk forever.
                drop(timeout(LAST_WORDS, listening).await);
                done
            }
        }
    };
    (done, String::from_utf8_lossy(&said).into_owned())
}

/// The first words of the child; the rest is read too, so that it is not kept from ending.
async fn listen(mut stderr: ChildStderr, said: &mut Vec<u8>) {
    let heard = (&mut stderr).take(STDERR_BYTES).read_to_end(said).await;
    let drained = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    if let Some(error) = heard.err().or(drained.err()) {
        tracing::debug!(%error, "the reader's words were lost");
    }
}

/// The header and the rows of one file, for the blocking pool. It ends where the file ends or is refused; [`Ending`] tells which.
#[derive(Debug)]
pub struct Frames {
    decoder: Decoder<BufReader<UnixStream>>,
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
            Ok(Some(Frame::End { rows })) => Last::End(Ending::Complete { rows }),
            Ok(Some(Frame::Refused(finding))) => Last::End(Ending::Refused(finding)),
            Ok(Some(frame)) => return Some(frame),
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

/// The whole life of the child: limits itself, reads stdin, writes frames to stdout. `arguments` are what the parent gave behind [`CHILD_COMMAND`].
pub fn child_main(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    // The message of a panic may hold what stands in a cell; its place does not.
    std::panic::set_hook(Box::new(|panic| {
        if let Some(place) = panic.location() {
            say(&format!("panicked at {place}"));
        }
    }));
    let [request, parent] = [arguments.next(), arguments.next()].map(Option::unwrap_or_default);
    match child(&request, &parent) {
        Ok(()) => ExitCode::SUCCESS,
        // The parent has heard enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::from(OUR_FAULT)
        }
    }
}

fn child(request: &str, parent: &str) -> io::Result<()> {
    let Request { limits, agreement } = serde_json::from_str(request)?;
    end_with(parent)?;
    // Files and not the library's own handles: those would look for line ends, and cannot seek.
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    restrict(&limits)?;
    let output = BufWriter::with_capacity(64 * 1024, output);
    read(input, &limits, &agreement, output)
}

/// Ends this process when its parent ends, however that happens. The signal comes at the end of the thread that started this process, which is one
/// that lives as long as the parent.
fn end_with(parent: &str) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // It may have ended before.
    if getppid().is_none_or(|pid| pid.as_raw_pid().to_string() != parent) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    Ok(())
}

/// From here on: no more memory and time than allowed, no file written, hardly one opened, no process started, no core dump.
fn restrict(limits: &ReadLimits) -> io::Result<()> {
    // On a machine without memory the kernel is to take this process, and not the daemon. Where that cannot be said, the limits still hold.
    std::fs::write("/proc/self/oom_score_adj", "1000").unwrap_or_default();
    let seconds = limits.time.as_secs() + u64::from(limits.time.subsec_nanos() > 0);
    let mapped = limits.memory_bytes.saturating_add(MAPPED_BYTES);
    for (resource, soft, hard) in [
        // Memory of its own, whatever the size of the program.
        (Resource::DATA, limits.memory_bytes, limits.memory_bytes),
        (Resource::AS, mapped, mapped),
        // At the soft limit comes SIGXCPU, which tells why; at the hard one SIGKILL.
        (Resource::CPU, seconds, seconds.saturating_add(1)),
        (Resource::FSIZE, 0, 0),
        (Resource::NOFILE, 8, 8),
        (Resource::NPROC, 0, 0),
        (Resource::CORE, 0, 0),
    ] {
        let (_, most) = resource.get()?;
        let hard = hard.min(most);
        resource.set(soft.min(hard), hard)?;
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
