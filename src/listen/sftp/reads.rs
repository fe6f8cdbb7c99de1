//! The answers to READ of one channel: queued, read on the blocking pool, and sent as the client's window opens.
//!
//! They wait here and not in the data callback: a callback that waits for the window also stops reading the adjustments that would open
//! it, and OpenSSH's large reads then stall for good.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use russh::ChannelId;
use russh::server::Handle;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::packet::DATA_LIMIT_BYTES;
use super::pulse::Pulse;
use super::reply::{Replies, Status};

/// READs of one channel that may wait. paramiko asks for a whole file ahead, 32 KiB at a time: enough for 2 GB of it.
pub(super) const QUEUE_LIMIT: usize = 1 << 16;
/// What one visit to the blocking pool reads.
const BATCH_LIMIT_BYTES: usize = 256 * 1024;

/// One READ.
#[derive(Debug)]
pub(super) struct ReadJob {
    pub(super) id: u32,
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
    pub(super) length: u32,
}

impl ReadJob {
    fn length_bytes(&self) -> usize {
        usize::try_from(self.length.min(DATA_LIMIT_BYTES)).unwrap_or(BATCH_LIMIT_BYTES)
    }
}

/// Answers reads until the channel closes. A client that takes nothing for `stall` loses its connection.
pub(super) async fn answer(
    mut jobs: mpsc::Receiver<ReadJob>,
    handle: Handle,
    channel: ChannelId,
    closed: CancellationToken,
    pulse: Arc<Pulse>,
    stall: Duration,
) {
    let answering = async {
        while let Some(job) = jobs.recv().await {
            let mut size_bytes = job.length_bytes();
            let mut batch = vec![job];
            while size_bytes < BATCH_LIMIT_BYTES {
                let Ok(job) = jobs.try_recv() else { break };
                size_bytes += job.length_bytes();
                batch.push(job);
            }
            let Ok(replies) = tokio::task::spawn_blocking(move || read(batch)).await else {
                return;
            };
            let sent = handle.data(channel, replies.into_bytes());
            match tokio::time::timeout(stall, sent).await {
                Ok(Ok(())) => pulse.beat(),
                Ok(Err(_)) => return,
                Err(_) => {
                    tracing::info!("an SSH connection is ended: the client takes no data");
                    pulse.severed().cancel();
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = closed.cancelled() => {}
        () = answering => {}
    }
}

fn read(batch: Vec<ReadJob>) -> Replies {
    let mut replies = Replies::default();
    for job in batch {
        let filled = replies.data(job.id, job.length_bytes(), |room| {
            let mut filled = 0;
            while let Some(rest) = room.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match job.file.read_at(rest, job.offset + filled as u64) {
                    Ok(0) => break,
                    Ok(size) => filled += size,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(filled)
        });
        if let Err(error) = filled {
            tracing::error!(%error, "cannot read a file of a mailbox: look at the disk");
            let message = "The server could not do this now: try again later";
            replies.status(job.id, Status::Failure, message);
        }
    }
    replies
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn reads_beyond_the_end_and_at_absurd_offsets_are_eof() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        let file = Arc::new(file);
        for (offset, length, kind) in [
            (0, 3, 103),
            (2, u32::MAX, 103),
            (3, 1, 101),
            (1 << 62, 9, 101),
        ] {
            let job = ReadJob {
                id: 1,
                file: Arc::clone(&file),
                offset,
                length,
            };
            let replies = read(vec![job]).into_bytes();
            assert_eq!(replies.get(4), Some(&kind), "at {offset}");
        }
    }
}
