//! Looking at photos in a child process: the parent's side.
//!
//! One child looks at many photos, one after the other, because most take a few milliseconds and its start takes as long. All are of one tenant, so
//! that a photo that takes its child over can lie about nobody else's. What ends a child is blamed on a photo only if it was the first that
//! the child saw: any other one is looked at again by a new child, alone with its own time and memory.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::ChildStderr;
use tokio::time::{Instant, timeout};

use crate::failpoint::{self, Point};
use crate::import::child::Running;
use crate::import::reader::blame::{Cause, cause, of_photo};
use crate::import::reader::order::{PhotoRequest, message};
use crate::import::reader::spare::Waiting;
use crate::import::reader::watch::{GRACE, beside};
use crate::import::reader::{PATIENCE, PHOTO_CHILD_COMMAND, ReaderError};
use crate::parse::finding::{Finding, code};
use crate::parse::limits::ReadLimits;
use crate::parse::photo::{Examined, Wish, too_many_bytes};
use crate::parse::wire::WireError;
use crate::parse::wire::photo::{HEAD_BYTES, answer, answer_lengths, photo_head};

/// CPU time of a child. The slowest picture within the limits of pixels takes half of it.
const CHILD_TIME: Duration = Duration::from_secs(4);
/// A child that was busy for so long, or has seen so many photos, is not asked again: what is left of its time is enough for any one photo.
const BUSY: Duration = Duration::from_secs(1);
const PHOTOS: usize = 300;

/// Looks at the photos of one tenant. Dropped, its child is ended.
#[derive(Debug)]
pub struct PhotoReader {
    program: PathBuf,
    request: PhotoRequest,
    child: Option<Child>,
}

#[derive(Debug)]
struct Child {
    running: Running,
    stderr: ChildStderr,
    socket: UnixStream,
    looked_at: usize,
    busy: Duration,
}

/// What a child did in place of an answer.
#[derive(Debug)]
enum Failure {
    Late,
    Ended,
    Garbage(&'static str),
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Ended
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Garbage(why) => Self::Garbage(why),
            WireError::Pipe(_) => Self::Ended,
        }
    }
}

impl PhotoReader {
    pub(super) fn new(program: PathBuf, limits: ReadLimits, wish: Wish) -> Self {
        let limits = ReadLimits {
            time: limits.time.min(CHILD_TIME),
            ..limits
        };
        Self {
            program,
            request: PhotoRequest { limits, wish },
            child: None,
        }
    }

    /// What is to become of photos that are whole but not as they should be.
    pub fn wish(&self) -> Wish {
        self.request.wish
    }

    /// Looks at a photo; whatever it does to the child is a finding. An error is a fault of ours, as far as can be told.
    pub async fn examine(
        &mut self,
        file_name: &str,
        bytes: &[u8],
    ) -> Result<Examined, ReaderError> {
        let name = file_name.rsplit('/').next().unwrap_or(file_name);
        let Some(head) = photo_head(name, bytes) else {
            return Ok(too_many_bytes(bytes.len().try_into().unwrap_or(u64::MAX)));
        };
        loop {
            let mut child = match self.child.take() {
                Some(child) => child,
                None => self.start().await?,
            };
            let is_first = child.looked_at == 0;
            match child.ask(&self.request, &head, name, bytes).await {
                Ok(examined) => {
                    self.child = Some(child).filter(Child::is_fit);
                    return Ok(examined);
                }
                Err(failure) => {
                    let finding = child.finding(failure).await;
                    if is_first {
                        return finding.map(|finding| Examined::refused(None, finding));
                    }
                }
            }
        }
    }

    /// What is told about a photo that was tried too often: whatever befalls its children does not befall others.
    pub fn given_up() -> Examined {
        Examined::refused(None, of_photo(Cause::Broken))
    }

    async fn start(&self) -> Result<Child, ReaderError> {
        let Waiting {
            running,
            stderr,
            socket,
            ..
        } = Waiting::start(&self.program, PHOTO_CHILD_COMMAND).map_err(ReaderError::Start)?;
        failpoint::pass_async(Point::ChildStarted)
            .await
            .map_err(ReaderError::Start)?;
        let order = message(&self.request).map_err(ReaderError::Start)?;
        socket.set_nonblocking(true).map_err(ReaderError::Start)?;
        let mut socket = UnixStream::from_std(socket).map_err(ReaderError::Start)?;
        // A child that is gone already is found out with its first photo.
        drop(socket.write_all(&order).await);
        Ok(Child {
            running,
            stderr,
            socket,
            looked_at: 0,
            busy: Duration::ZERO,
        })
    }
}

impl Child {
    fn is_fit(&self) -> bool {
        self.looked_at < PHOTOS && self.busy < BUSY
    }

    async fn ask(
        &mut self,
        request: &PhotoRequest,
        head: &[u8],
        name: &str,
        bytes: &[u8],
    ) -> Result<Examined, Failure> {
        let began = Instant::now();
        self.looked_at += 1;
        let time = request.limits.time.saturating_mul(PATIENCE);
        let answered = timeout(time, async {
            let socket = &mut self.socket;
            for part in [head, name.as_bytes(), bytes] {
                socket.write_all(part).await?;
            }
            let mut head = [0; HEAD_BYTES];
            socket.read_exact(&mut head).await?;
            let (found, conformed) = answer_lengths(head)?;
            let mut found = vec![0; found];
            socket.read_exact(&mut found).await?;
            let mut picture = vec![0; conformed];
            socket.read_exact(&mut picture).await?;
            Ok(answer(&found, picture, request.wish)?)
        });
        let answered = answered.await;
        self.busy += began.elapsed();
        answered.unwrap_or(Err(Failure::Late))
    }

    /// What is told about the photo that was the first to get no answer.
    async fn finding(self, failure: Failure) -> Result<Finding, ReaderError> {
        let Self {
            mut running,
            stderr,
            socket,
            ..
        } = self;
        match failure {
            Failure::Late => return Ok(of_photo(Cause::Slow)),
            Failure::Garbage(why) => {
                tracing::warn!(
                    why,
                    "the reader sent garbage, so a photo may have taken it over"
                );
                return Ok(Finding::file(
                    code::READER_GARBAGE,
                    "The reader's answer about this picture made no sense, so it was not taken.",
                    "Open it, save it as an ordinary JPEG under a new name and send that.",
                ));
            }
            Failure::Ended => {}
        }
        drop(socket);
        let (status, said) = beside(stderr, timeout(GRACE, running.ended())).await;
        if !said.is_empty() {
            tracing::debug!(said = %said.escape_debug(), "the reader said something");
        }
        match status {
            Ok(status) => {
                let status = status.map_err(ReaderError::Wait)?;
                Ok(of_photo(cause(status, &said)?))
            }
            Err(_) => Ok(of_photo(Cause::Broken)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::photo::MOST_BYTES;

    async fn looked_at_by(program: &str) -> Result<Examined, ReaderError> {
        let limits = ReadLimits::default();
        let mut reader = PhotoReader::new(program.into(), limits, Wish::Tell);
        reader.examine("/images/E1.jpg", b"abc").await
    }

    #[track_caller]
    fn is_refused(examined: Result<Examined, ReaderError>, code: &str) {
        let examined = examined.unwrap();
        let codes = examined.findings.iter().map(|it| it.code.as_str());
        let codes: Vec<_> = codes.collect();
        assert_eq!((codes, examined.photo), (vec![code], None));
    }

    #[tokio::test]
    async fn a_child_that_ends_without_a_word_refuses_the_photo() {
        is_refused(looked_at_by("/bin/false").await, code::PHOTO_DAMAGED);
        is_refused(looked_at_by("/bin/true").await, code::PHOTO_DAMAGED);
    }

    #[tokio::test]
    async fn a_child_that_talks_nonsense_refuses_the_photo() {
        is_refused(looked_at_by("/usr/bin/yes").await, code::READER_GARBAGE);
    }

    #[tokio::test]
    async fn a_child_that_does_not_start_is_our_fault() {
        let failed = looked_at_by("/nowhere/rosterd").await;
        assert!(matches!(failed, Err(ReaderError::Start(_))), "{failed:?}");
    }

    #[tokio::test]
    async fn a_photo_of_too_many_bytes_is_refused_without_a_child() {
        let limits = ReadLimits::default();
        let mut reader = PhotoReader::new("/nowhere/rosterd".into(), limits, Wish::Tell);
        let examined = reader.examine("E1.jpg", &vec![0; MOST_BYTES + 1]).await;
        is_refused(examined, code::PHOTO_TOO_LARGE);
    }
}
