//! The end of a child: waited for, and seen to.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::ChildStderr;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::import::child::Running;

/// For a child that has nothing more to say.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// For reading what a child that has ended wrote to stderr.
const LAST_WORDS: Duration = Duration::from_millis(200);
const STDERR_BYTES: u64 = 4096;

/// Our end of the socket to the child. Dropped, whoever reads from it has come to the end.
pub(super) struct Cut(pub(super) UnixStream);

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
pub(super) enum End {
    Status(ExitStatus),
    TimedOut,
}

/// Waits for the end of the child, and sees to it that there is one.
pub(super) async fn watch(
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

/// Does `work` while the child's words are read, so that they never keep it from ending; and returns the first of them.
pub(super) async fn beside<T>(stderr: ChildStderr, work: impl Future<Output = T>) -> (T, String) {
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
