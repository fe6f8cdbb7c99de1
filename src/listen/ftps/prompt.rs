//! A stream that acknowledges at once what comes in small pieces.
//!
//! Senders that leave Nagle's algorithm on (lftp 4.9, Python ftplib) hold their next piece until the last one is acknowledged, and the
//! kernel puts that off for 40 ms: twice in an upload of a photo, in the handshake and before `close_notify`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::records::Records;

/// What came in one piece of at least this size does not wait for an acknowledgement.
const SMALL_BYTES: usize = 32 * 1024;

/// A TCP stream with prompt acknowledgements.
#[derive(Debug)]
pub(super) struct Prompt {
    stream: TcpStream,
    /// Received since the last acknowledgement of ours.
    received: usize,
    records: Records,
}

impl Prompt {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            received: 0,
            records: Records::default(),
        }
    }

    /// Whether what was received ends where a TLS record does.
    pub(super) fn is_between_records(&self) -> bool {
        self.records.is_between()
    }

    pub(super) fn into_inner(self) -> TcpStream {
        self.stream
    }
}

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            let received = buffer.filled().get(before..).unwrap_or_default();
            self.received += received.len();
            self.records.pass(received);
        } else if (1..SMALL_BYTES).contains(&std::mem::take(&mut self.received)) {
            // Without it the transfer is slower, not wrong.
            self.stream.set_quickack(true).ok();
        }
        read
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
