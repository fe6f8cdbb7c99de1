//! Moves the bytes of a transfer: from a data connection into an upload, from a file or a listing to a data connection. While one buffer is
//! on the network the other is on the blocking pool, at the disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::data::{DataStream, NoData};
use crate::listen::upload_log::UploadLog;
use crate::mailbox::{Arrival, MailboxError, Upload};

/// Bytes moved at a time.
const BUFFER_BYTES: usize = 256 * 1024;
/// What a sender may still send after its upload was refused, and for how long it is read: most senders look for the reply only then.
const REFUSED_BYTES: usize = 64 * 1024 * 1024;
const REFUSED_TIME: Duration = Duration::from_secs(10);

/// Why a transfer ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    #[error("stopped by ABOR, or because a reload has ended the session")]
    Stopped,
    #[error("no byte moved for limits.stall")]
    Stalled,
    #[error("the connection ended without close_notify")]
    Truncated,
    #[error("the size is not the one announced with ALLO")]
    NotAsAnnounced,
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    #[error("there was no data connection")]
    NoData(#[from] NoData),
    #[error("the mailbox refused")]
    Mailbox(#[from] MailboxError),
}

impl From<io::Error> for Cut {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Broken(error),
        }
    }
}

/// How long a transfer may stand still, what stops it, and how far it has come.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    stall: Duration,
    pub(super) stop: CancellationToken,
    moved_bytes: Arc<AtomicU64>,
}

impl Patience {
    pub(super) fn new(stall: Duration) -> Self {
        Self {
            stall,
            stop: CancellationToken::new(),
            moved_bytes: Arc::default(),
        }
    }

    /// So many bytes more.
    pub(super) fn moved(&self, bytes: u64) {
        self.moved_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// For STAT.
    pub(super) fn moved_bytes(&self) -> u64 {
        self.moved_bytes.load(Ordering::Relaxed)
    }

    /// Waits for something that has a limit of its own.
    pub(super) async fn unless_stopped<T, E: Into<Cut>>(
        &self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Cut> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Cut::Stopped),
            outcome = step => outcome.map_err(Into::into),
        }
    }

    /// Waits for one step of a transfer.
    pub(super) async fn step<T, E: Into<Cut>>(
        &self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Cut> {
        self.unless_stopped(async {
            match timeout(self.stall, step).await {
                Ok(outcome) => outcome.map_err(Into::into),
                Err(_) => Err(Cut::Stalled),
            }
        })
        .await
    }
}

/// An upload, the buffer that is being written to it, and what the log will tell of it. However it ends, it is told once.
#[derive(Debug)]
pub(super) struct Writer {
    at_rest: Option<(Upload, Vec<u8>)>,
    at_disk: Option<JoinHandle<Written>>,
    log: UploadLog,
}

type Written = (Upload, Vec<u8>, Result<(), MailboxError>);

impl Writer {
    pub(super) fn new(upload: Upload, log: UploadLog) -> Self {
        Self {
            at_rest: Some((upload, Vec::with_capacity(BUFFER_BYTES))),
            at_disk: None,
            log,
        }
    }

    /// Waits for the buffer at the disk.
    async fn settle(&mut self) -> Result<(), MailboxError> {
        let Some(at_disk) = self.at_disk.take() else {
            return Ok(());
        };
        let (upload, mut buffer, written) = at_disk.await.map_err(broken_off)?;
        buffer.clear();
        self.at_rest = Some((upload, buffer));
        written
    }

    /// Begins to write `buffer`, and returns an empty one.
    async fn write(&mut self, buffer: Vec<u8>) -> Result<Vec<u8>, MailboxError> {
        self.settle().await?;
        let (mut upload, spare) = self.at_rest.take().ok_or_else(lost)?;
        self.at_disk = Some(spawn_blocking(move || {
            let written = upload.write(&buffer);
            (upload, buffer, written)
        }));
        Ok(spare)
    }

    /// Makes the upload a whole file.
    pub(super) async fn finish(mut self) -> Result<Arrival, MailboxError> {
        let finished = self.try_finish().await;
        match &finished {
            Ok(arrival) => self.log.finished(arrival),
            Err(error) => self.log.failed(error),
        }
        finished
    }

    async fn try_finish(&mut self) -> Result<Arrival, MailboxError> {
        self.settle().await?;
        let (upload, _) = self.at_rest.take().ok_or_else(lost)?;
        spawn_blocking(move || upload.finish())
            .await
            .unwrap_or_else(|error| Err(broken_off(error)))
    }

    /// Throws the upload away because of `reason`.
    pub(super) async fn cut(mut self, reason: &str) {
        self.discard().await;
        self.log.cut(reason);
    }

    /// Throws the upload away because the mailbox does not take it.
    pub(super) async fn fail(mut self, error: &MailboxError) {
        self.discard().await;
        self.log.failed(error);
    }

    /// Throws the upload away, and returns when nothing is left of it: the sender may begin anew at once.
    pub(super) async fn discard(&mut self) {
        if let Err(error) = self.settle().await {
            tracing::debug!(%error, "the last write of a cut upload failed");
        }
        let left = self.at_rest.take();
        let discarded = spawn_blocking(move || drop(left)).await;
        if let Err(error) = discarded {
            tracing::error!(%error, "cannot discard an upload");
        }
    }
}

impl Drop for Writer {
    /// A session that is ended from outside has no time to wait for the disk.
    fn drop(&mut self) {
        if let Some(left) = self.at_rest.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            drop(runtime.spawn_blocking(move || drop(left)));
        }
    }
}

/// A task of the blocking pool that did not come to its end.
pub(super) fn broken_off(error: tokio::task::JoinError) -> MailboxError {
    MailboxError::Io(io::Error::other(error))
}

fn lost() -> MailboxError {
    MailboxError::Io(io::Error::other("the upload was lost"))
}

/// How an upload came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With `close_notify`.
    Clean,
    /// With a FIN alone, between two TLS records.
    Unclean,
}

/// Receives everything up to the client's `close_notify`. What came before it counts, whatever becomes of the connection afterwards.
///
/// Ends without `close_notify` as `taken` says; RST, silence and half a TLS record are never an end.
pub(super) async fn receive(
    stream: &mut DataStream,
    writer: &mut Writer,
    patience: &Patience,
    taken: End,
) -> Result<(u64, End), Cut> {
    let mut end = End::Clean;
    let mut received: u64 = 0;
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    loop {
        let count = match patience.step(stream.read_buf(&mut buffer)).await {
            Err(Cut::Truncated) if taken == End::Unclean && is_between_records(stream) => {
                end = End::Unclean;
                0
            }
            read => read?,
        };
        writer.log.received(count);
        let more = u64::try_from(count).unwrap_or(u64::MAX);
        received = received.saturating_add(more);
        patience.moved(more);
        if buffer.len() >= BUFFER_BYTES || (count == 0 && !buffer.is_empty()) {
            buffer = writer.write(buffer).await?;
        }
        if count == 0 {
            return Ok((received, end));
        }
    }
}

fn is_between_records(stream: &DataStream) -> bool {
    stream.get_ref().0.get_ref().is_between_records()
}

/// Lets a sender whose upload was refused go on for a while, so that it lives to read the reply.
pub(super) async fn hear_out(mut stream: DataStream) {
    let mut unread = vec![0; BUFFER_BYTES];
    let listening = async {
        let mut left = REFUSED_BYTES;
        loop {
            let count = stream.read(&mut unread).await?;
            left = left.saturating_sub(count);
            if count == 0 || left == 0 {
                return io::Result::Ok(());
            }
        }
    };
    if !matches!(timeout(REFUSED_TIME, listening).await, Ok(Ok(()))) {
        tracing::debug!("a refused sender did not wait for the reply");
    }
    // Not before: Node ends its side as soon as we end ours, and takes that for the error. Python waits for ours when it has ended its own.
    drop(timeout(REFUSED_TIME, stream.shutdown()).await);
}

/// Sends a file from `offset` on, then `close_notify`.
pub(super) async fn send_file(
    stream: &mut DataStream,
    file: File,
    offset: u64,
    patience: &Patience,
) -> Result<(), Cut> {
    let mut position = offset;
    let mut spare = Vec::new();
    let mut ahead = read_ahead(file, Vec::new(), position);
    loop {
        let (file, buffer, read) = ahead.await.map_err(broken_off)?;
        let count = read.map_err(MailboxError::Io)?;
        if count == 0 {
            return close(stream, patience).await;
        }
        position = position.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        ahead = read_ahead(file, spare, position);
        send(stream, buffer.get(..count).unwrap_or_default(), patience).await?;
        spare = buffer;
    }
}

type Read = (File, Vec<u8>, io::Result<usize>);

/// Fills a buffer from `position` on, or as far as the file goes.
fn read_ahead(file: File, mut buffer: Vec<u8>, position: u64) -> JoinHandle<Read> {
    spawn_blocking(move || {
        buffer.resize(BUFFER_BYTES, 0);
        let read = loop {
            match file.read_at(&mut buffer, position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        (file, buffer, read)
    })
}

/// Sends `bytes`.
pub(super) async fn send(
    stream: &mut DataStream,
    mut bytes: &[u8],
    patience: &Patience,
) -> Result<(), Cut> {
    while !bytes.is_empty() {
        let count = patience.step(stream.write(bytes)).await?;
        if count == 0 {
            return Err(Cut::Broken(io::ErrorKind::WriteZero.into()));
        }
        patience.moved(u64::try_from(count).unwrap_or(u64::MAX));
        bytes = bytes.get(count..).unwrap_or_default();
    }
    Ok(())
}

/// Sends what is left and our `close_notify`.
pub(super) async fn close(stream: &mut DataStream, patience: &Patience) -> Result<(), Cut> {
    patience.step(stream.shutdown()).await
}
