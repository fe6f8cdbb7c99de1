//! Signs of life of one connection, and the means to end it: what the session sees, and what the deadlines in [`super::connection`] look at.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use russh::server::Handle;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::listen::login::Account;

/// Shared by the session, its queues of reads and its deadlines.
#[derive(Debug)]
pub(super) struct Pulse {
    opened: Instant,
    /// Milliseconds from `opened` to the last request or reply with data.
    last_ms: AtomicU64,
    working: AtomicUsize,
    refusals: AtomicUsize,
    logged_in: watch::Sender<Option<Arc<Account>>>,
    files: watch::Sender<Files>,
    handle: Mutex<Option<Handle>>,
    severed: CancellationToken,
    /// Why we ended the connection.
    ended: OnceLock<String>,
}

/// Files that a session has open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) uploads: usize,
    pub(super) downloads: usize,
}

impl Pulse {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            last_ms: AtomicU64::new(0),
            working: AtomicUsize::new(0),
            refusals: AtomicUsize::new(0),
            logged_in: watch::Sender::new(None),
            files: watch::Sender::default(),
            handle: Mutex::default(),
            severed: CancellationToken::new(),
            ended: OnceLock::new(),
        })
    }

    /// Notes a sign of life.
    pub(super) fn beat(&self) {
        let elapsed = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(elapsed, Ordering::Relaxed);
    }

    /// How long ago the last sign of life was; none while a request is being answered.
    pub(super) fn silence(&self) -> Duration {
        if self.working.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        let last = Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
        self.opened.elapsed().saturating_sub(last)
    }

    /// Until dropped, the server is at work, and silence is not the client's.
    pub(super) fn work(self: &Arc<Self>) -> Working {
        self.working.fetch_add(1, Ordering::Relaxed);
        Working(Arc::clone(self))
    }

    /// Notes that a key or password was not taken.
    pub(super) fn refuse(&self) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// How many keys and passwords were not taken.
    pub(super) fn refusals(&self) -> usize {
        self.refusals.load(Ordering::Relaxed)
    }

    pub(super) fn log_in(&self, account: Arc<Account>) {
        self.beat();
        self.logged_in.send_replace(Some(account));
    }

    pub(super) fn logged_in(&self) -> watch::Receiver<Option<Arc<Account>>> {
        self.logged_in.subscribe()
    }

    /// Whether nobody has logged in, and we have not ended the connection.
    pub(super) fn is_strange(&self) -> bool {
        self.logged_in.borrow().is_none() && self.ended().is_none()
    }

    /// What is open now, and what will be.
    pub(super) fn files(&self) -> watch::Receiver<Files> {
        self.files.subscribe()
    }

    /// How many files the connection has open, on all its channels.
    pub(super) fn open_files(&self) -> usize {
        let files = self.files.borrow();
        files.uploads + files.downloads
    }

    /// Counts an upload until dropped.
    pub(super) fn upload(self: &Arc<Self>) -> OpenFile {
        self.files.send_modify(|files| files.uploads += 1);
        OpenFile {
            pulse: Arc::clone(self),
            upload: true,
        }
    }

    /// Counts a download until dropped.
    pub(super) fn download(self: &Arc<Self>) -> OpenFile {
        self.files.send_modify(|files| files.downloads += 1);
        OpenFile {
            pulse: Arc::clone(self),
            upload: false,
        }
    }

    /// Keeps what can say goodbye.
    pub(super) fn keep(&self, handle: Handle) {
        *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
    }

    /// What can say goodbye, once the connection is far enough.
    pub(super) fn handle(&self) -> Option<Handle> {
        self.handle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes why we end the connection; the first reason stays.
    pub(super) fn end(&self, reason: String) {
        self.ended.get_or_init(|| reason);
    }

    /// Why we ended the connection, if it was us.
    pub(super) fn ended(&self) -> Option<&str> {
        self.ended.get().map(String::as_str)
    }

    /// The token that cuts the connection.
    pub(super) fn severed(&self) -> &CancellationToken {
        &self.severed
    }
}

/// See [`Pulse::work`].
#[derive(Debug)]
pub(super) struct Working(Arc<Pulse>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.beat();
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

/// See [`Pulse::upload`] and [`Pulse::download`].
#[derive(Debug)]
pub(super) struct OpenFile {
    pulse: Arc<Pulse>,
    upload: bool,
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.pulse.files.send_modify(|files| {
            let open = if self.upload {
                &mut files.uploads
            } else {
                &mut files.downloads
            };
            *open = open.saturating_sub(1);
        });
    }
}

/// A connection that fails as soon as it is severed. russh runs a session in a task of its own that cannot be stopped in another way.
pub(super) struct Severable {
    stream: BufReader<TcpStream>,
    severed: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Severable {
    /// russh reads each packet in two small steps, which this buffer makes cheap; it is not touched before it is filled.
    const READ_BUFFER_BYTES: usize = 256 * 1024;

    pub(super) fn new(stream: TcpStream, pulse: &Pulse) -> Self {
        Self {
            stream: BufReader::with_capacity(Self::READ_BUFFER_BYTES, stream),
            severed: Box::pin(pulse.severed.clone().cancelled_owned()),
        }
    }

    /// Both directions are polled by one task, so one waker is enough.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.severed.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Severable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Severable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files_are_counted_until_dropped() {
        let pulse = Pulse::new();
        let files = pulse.files();
        let upload = pulse.upload();
        let download = pulse.download();
        let both = Files {
            uploads: 1,
            downloads: 1,
        };
        assert_eq!(*files.borrow(), both);
        drop(upload);
        drop(download);
        assert_eq!(*files.borrow(), Files::default());
    }

    #[test]
    fn work_is_never_silence() {
        let pulse = Pulse::new();
        let working = pulse.work();
        assert_eq!(pulse.silence(), Duration::ZERO);
        drop(working);
    }
}
