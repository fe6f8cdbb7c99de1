//! A stream whose urgent bytes stand where they were sent, and are never left lying.
//!
//! Some clients send the telnet bytes before ABOR as TCP urgent data (RFC 959 section 4.1.3). Taken out of the stream such a byte would break TLS. Left in
//! it, a read ends before it, and tokio takes a short read for the last one until more comes: the abort would wait for the next command.

use std::io::{self, IoSlice, Read as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// See the module.
#[derive(Debug)]
pub(super) struct Inline(TcpStream);

impl Inline {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        SockRef::from(&stream).set_out_of_band_inline(true)?;
        Ok(Self(stream))
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl AsyncRead for Inline {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(context, buffer))?;
        if buffer.filled().len() > before && buffer.remaining() > 0 {
            let socket = SockRef::from(&self.0);
            match (&*socket).read(buffer.initialize_unfilled()) {
                Ok(count) => buffer.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The next read meets it again.
                Err(error) => tracing::debug!(%error, "a connection broke after its last bytes"),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Inline {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;
    use tokio::time::{Duration, timeout};

    use super::*;

    #[tokio::test]
    async fn what_is_sent_urgently_is_read_at_its_place_and_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = Inline::new(stream).unwrap();
        let client = SockRef::from(&client);
        for (urgent, rest) in [
            (b"\xff\xf4\xff\xf2", b"ABOR\r\n".as_slice()),
            (b"NOOP", b""),
        ] {
            client.send_out_of_band(urgent).unwrap();
            client.send(rest).unwrap();
            let expected = [urgent.as_slice(), rest].concat();
            let mut read = vec![0; expected.len()];
            timeout(Duration::from_secs(30), stream.read_exact(&mut read))
                .await
                .unwrap()
                .unwrap();
            assert_eq!(read, expected);
        }
    }
}
