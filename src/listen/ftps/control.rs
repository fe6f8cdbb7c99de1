//! The control connection: lines come in and replies go out, in clear until AUTH and inside TLS after it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::inline::Inline;
use super::lines::{Line, Lines};
use super::reply::Reply;
use crate::listen::tls::{ClientCertificate, SessionTag, TlsIdentity};

/// How long a peer may take to read a reply, or to say goodbye.
const SEND_LIMIT: Duration = Duration::from_secs(30);
const GOODBYE_LIMIT: Duration = Duration::from_secs(1);

/// A connection on which commands come.
#[derive(Debug)]
pub(super) struct Control {
    wire: Wire,
    lines: Lines,
}

#[derive(Debug)]
enum Wire {
    Clear(Inline),
    Secure(Box<TlsStream<Inline>>),
    /// A handshake failed or was given up.
    Gone,
}

impl Control {
    pub(super) fn new(stream: Inline) -> Self {
        Self {
            wire: Wire::Clear(stream),
            lines: Lines::default(),
        }
    }

    /// Whether commands come inside TLS.
    pub(super) fn is_secure(&self) -> bool {
        matches!(self.wire, Wire::Secure(_))
    }

    /// The certificate that the client has shown.
    pub(super) fn certificate(&self) -> Option<ClientCertificate> {
        match &self.wire {
            Wire::Secure(stream) => ClientCertificate::shown(stream.get_ref().1),
            Wire::Clear(_) | Wire::Gone => None,
        }
    }

    /// The next line, or none at the end. Nothing is lost when the future is dropped.
    pub(super) async fn line(&mut self) -> io::Result<Option<Line>> {
        loop {
            if let Some(line) = self.lines.take() {
                return Ok(Some(line));
            }
            let mut bytes = [0; 2048];
            let count = match &mut self.wire {
                Wire::Clear(stream) => stream.read(&mut bytes).await?,
                Wire::Secure(stream) => stream.read(&mut bytes).await?,
                Wire::Gone => 0,
            };
            match bytes.get(..count) {
                Some(received) if !received.is_empty() => self.lines.push(received),
                _ => return Ok(None),
            }
        }
    }

    /// Sends a reply and sees it off.
    pub(super) async fn send(&mut self, reply: &Reply) -> io::Result<()> {
        let text = reply.encode();
        let send = async {
            match &mut self.wire {
                Wire::Clear(stream) => stream.write_all(text.as_bytes()).await,
                Wire::Secure(stream) => {
                    stream.write_all(text.as_bytes()).await?;
                    stream.flush().await
                }
                Wire::Gone => Err(io::ErrorKind::NotConnected.into()),
            }
        };
        timeout(SEND_LIMIT, send).await?
    }

    /// Goes over to TLS. Whatever came in clear before is forgotten, so that nothing injected there is answered inside.
    pub(super) async fn secure(&mut self, tls: &TlsIdentity, tag: SessionTag) -> io::Result<()> {
        self.lines.clear();
        let Wire::Clear(stream) = std::mem::replace(&mut self.wire, Wire::Gone) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let stream = TlsAcceptor::from(tls.control())
            .accept_with(stream, |connection| tls.mark(tag, connection))
            .await?;
        self.wire = Wire::Secure(Box::new(stream));
        Ok(())
    }

    /// Closes, with `close_notify`, such that the peer can still read what was sent: it is unread bytes here that would take that away.
    pub(super) async fn close(self) {
        let goodbye = async {
            let mut stream = match self.wire {
                Wire::Clear(mut stream) => {
                    stream.shutdown().await?;
                    stream
                }
                Wire::Secure(mut stream) => {
                    stream.shutdown().await?;
                    stream.into_inner().0
                }
                Wire::Gone => return Ok(()),
            };
            let mut unread = [0; 2048];
            while stream.read(&mut unread).await? > 0 {}
            io::Result::Ok(())
        };
        if !matches!(timeout(GOODBYE_LIMIT, goodbye).await, Ok(Ok(()))) {
            tracing::debug!("the peer did not wait for the end of its session");
        }
    }
}
