//! SFTP by hand, over russh's client.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use russh::client::{self, Msg};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelMsg};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::PATIENCE;
use crate::harness::{Daemon, Port};

/// Where all the sessions run.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
});

/// Bytes in one WRITE.
const PIECE: usize = 32 * 1024;

/// INIT, version 3.
const INIT: [u8; 5] = [1, 0, 0, 0, 3];
/// WRITE, CREAT and TRUNC.
const REPLACE: u32 = 0x1a;

/// A session that is logged in, with one channel.
pub(crate) struct Sftp {
    socket: Socket,
    handle: client::Handle<Trusting>,
    channel: Channel<Msg>,
    inbox: BytesMut,
    last: u32,
}

/// What an open file is known by.
#[derive(Debug, Clone)]
pub(crate) struct HandleId(Bytes);

impl HandleId {
    /// As a field of a request.
    pub(crate) fn wire(&self) -> Vec<u8> {
        string(&self.0)
    }
}

/// A STATUS answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: u32,
    pub(crate) message: String,
}

impl Status {
    pub(crate) fn is_ok(&self) -> bool {
        self.code == 0
    }
}

/// An answer: what follows its id is in `body`.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) kind: u8,
    id: u32,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn status(mut self) -> io::Result<Status> {
        if self.kind != 101 {
            return Err(io::Error::other(format!("answer of kind {}", self.kind)));
        }
        let code = self.body.get_u32();
        let message = String::from_utf8_lossy(&take_string(&mut self.body)).into_owned();
        Ok(Status { code, message })
    }
}

impl Sftp {
    /// Logs in and starts SFTP.
    pub(crate) fn try_log_in(daemon: &Daemon, user: &str, password: &str) -> io::Result<Self> {
        Self::try_log_in_from("127.0.0.1", daemon, user, password)
    }

    /// The same from another address of this machine.
    pub(crate) fn try_log_in_from(
        from: &str,
        daemon: &Daemon,
        user: &str,
        password: &str,
    ) -> io::Result<Self> {
        let socket = super::ftps::connect(Some(from.parse().unwrap()), daemon.address(Port::Sftp))?;
        Self::try_log_in_on(socket, user, password)
    }

    /// The same on a connection that is there already.
    pub(crate) fn try_log_in_on(
        socket: std::net::TcpStream,
        user: &str,
        password: &str,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        RUNTIME.block_on(async {
            let stream = TcpStream::from_std(socket)?;
            stream.set_nodelay(true)?;
            let socket = Socket(Arc::new(Mutex::new(Some(stream))));
            let config = Arc::new(client::Config::default());
            let opened = async {
                let mut handle = client::connect_stream(config, socket.clone(), Trusting).await?;
                let login = handle.authenticate_password(user, password).await?;
                if !login.success() {
                    return Err(russh::Error::NotAuthenticated);
                }
                let channel = handle.channel_open_session().await?;
                channel.request_subsystem(true, "sftp").await?;
                Ok((handle, channel))
            };
            let (handle, channel) = timeout(PATIENCE, opened).await?.map_err(io::Error::other)?;
            let mut session = Self {
                socket,
                handle,
                channel,
                inbox: BytesMut::new(),
                last: 0,
            };
            session.send_packet(&INIT).await?;
            session.hear().await?;
            Ok(session)
        })
    }

    #[track_caller]
    pub(crate) fn log_in(daemon: &Daemon, user: &str, password: &str) -> Self {
        Self::try_log_in(daemon, user, password).unwrap()
    }

    /// Opens a file to replace it.
    pub(crate) fn try_open(&mut self, path: &str) -> io::Result<Result<HandleId, Status>> {
        self.try_open_for(path, REPLACE)
    }

    /// Opens a file with these flags.
    pub(crate) fn try_open_for(
        &mut self,
        path: &str,
        flags: u32,
    ) -> io::Result<Result<HandleId, Status>> {
        let fields = [
            string(path.as_bytes()),
            flags.to_be_bytes().to_vec(),
            vec![0; 4],
        ];
        let mut answer = self.ask(3, &fields.concat())?;
        Ok(if answer.kind == 102 {
            Ok(HandleId(take_string(&mut answer.body)))
        } else {
            Err(answer.status()?)
        })
    }

    #[track_caller]
    pub(crate) fn open(&mut self, path: &str) -> HandleId {
        self.try_open(path).unwrap().unwrap()
    }

    /// Writes `bytes` from `offset` on, in pieces that are on their way together; the status is the first that is bad.
    pub(crate) fn try_write(
        &mut self,
        handle: &HandleId,
        offset: usize,
        bytes: &[u8],
    ) -> io::Result<Status> {
        RUNTIME.block_on(async {
            let pieces = bytes.chunks(PIECE);
            let count = pieces.len();
            for (number, piece) in pieces.enumerate() {
                let at = u64::try_from(offset + number * PIECE).unwrap();
                let fields = [handle.wire(), at.to_be_bytes().to_vec(), string(piece)];
                self.request(6, &fields.concat()).await?;
            }
            let mut worst = Status {
                code: 0,
                message: String::new(),
            };
            for _ in 0..count {
                let status = self.hear().await?.status()?;
                if worst.is_ok() {
                    worst = status;
                }
            }
            Ok(worst)
        })
    }

    #[track_caller]
    pub(crate) fn write(&mut self, handle: &HandleId, offset: usize, bytes: &[u8]) -> Status {
        self.try_write(handle, offset, bytes).unwrap()
    }

    /// CLOSE.
    pub(crate) fn try_close(&mut self, handle: &HandleId) -> io::Result<Status> {
        self.ask(4, &handle.wire())?.status()
    }

    #[track_caller]
    pub(crate) fn close(&mut self, handle: &HandleId) -> Status {
        self.try_close(handle).unwrap()
    }

    /// Uploads a whole file.
    pub(crate) fn try_store(&mut self, path: &str, bytes: &[u8]) -> io::Result<Status> {
        let handle = match self.try_open(path)? {
            Ok(handle) => handle,
            Err(refused) => return Ok(refused),
        };
        self.try_write(&handle, 0, bytes)?;
        self.try_close(&handle)
    }

    /// REMOVE.
    pub(crate) fn try_remove(&mut self, path: &str) -> io::Result<Status> {
        self.ask(13, &string(path.as_bytes()))?.status()
    }

    /// posix-rename.
    pub(crate) fn try_rename(&mut self, from: &str, to: &str) -> io::Result<Status> {
        let fields = [
            string(b"posix-rename@openssh.com"),
            string(from.as_bytes()),
            string(to.as_bytes()),
        ];
        self.ask(200, &fields.concat())?.status()
    }

    /// Goes on on another channel, and leaves what is open on this one.
    pub(crate) fn try_change_channel(&mut self) -> io::Result<()> {
        RUNTIME.block_on(async {
            let opened = async {
                self.channel.close().await?;
                let channel = self.handle.channel_open_session().await?;
                channel.request_subsystem(true, "sftp").await?;
                Ok::<_, russh::Error>(channel)
            };
            self.channel = timeout(PATIENCE, opened).await?.map_err(io::Error::other)?;
            self.inbox.clear();
            self.send_packet(&INIT).await?;
            self.hear().await.map(drop)
        })
    }

    /// Ends the channel, and leaves the connection.
    pub(crate) fn close_channel(&self) {
        RUNTIME.block_on(self.channel.close()).unwrap();
    }

    /// Says on the channel that no more will come.
    pub(crate) fn end_channel(&self) {
        RUNTIME.block_on(self.channel.eof()).unwrap();
    }

    /// RST.
    pub(crate) fn reset(self) {
        let _within = RUNTIME.enter();
        let stream = self.socket.0.lock().unwrap().take().unwrap();
        stream.set_zero_linger().unwrap();
    }

    /// FIN, without a word.
    pub(crate) fn vanish(self) {
        let _within = RUNTIME.enter();
        drop(self.socket.0.lock().unwrap().take());
    }

    /// FIN for our direction; the connection stays to listen on.
    pub(crate) fn half_close(&self) {
        let socket = self.socket.0.lock().unwrap();
        let socket = socket2::SockRef::from(socket.as_ref().unwrap());
        socket.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Makes a request, and reads its answer.
    pub(crate) fn ask(&mut self, kind: u8, fields: &[u8]) -> io::Result<Answer> {
        RUNTIME.block_on(async {
            let id = self.request(kind, fields).await?;
            let answer = self.hear().await?;
            assert_eq!(answer.id, id, "an answer to another request");
            Ok(answer)
        })
    }

    async fn request(&mut self, kind: u8, fields: &[u8]) -> io::Result<u32> {
        self.last += 1;
        let mut packet = vec![kind];
        packet.put_u32(self.last);
        packet.extend(fields);
        self.send_packet(&packet).await?;
        Ok(self.last)
    }

    async fn send_packet(&self, packet: &[u8]) -> io::Result<()> {
        let sent = self.channel.data_bytes(string(packet));
        timeout(PATIENCE, sent).await?.map_err(io::Error::other)
    }

    async fn hear(&mut self) -> io::Result<Answer> {
        loop {
            if let Some(length) = self.inbox.first_chunk::<4>() {
                let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
                if self.inbox.len() >= length + 4 {
                    self.inbox.advance(4);
                    let mut body = self.inbox.split_to(length).freeze();
                    let (kind, id) = (body.get_u8(), body.get_u32());
                    return Ok(Answer { kind, id, body });
                }
            }
            match timeout(PATIENCE, self.channel.wait()).await? {
                Some(ChannelMsg::Data { data }) => self.inbox.extend_from_slice(&data),
                Some(ChannelMsg::Close | ChannelMsg::Eof) | None => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Some(_) => {}
            }
        }
    }
}

/// A length and that many bytes.
pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}

/// What [`string`] made.
pub(crate) fn take_string(body: &mut Bytes) -> Bytes {
    let length = usize::try_from(body.get_u32()).unwrap();
    body.split_to(length)
}

/// A connection that can be taken away from russh.
#[derive(Clone)]
struct Socket(Arc<Mutex<Option<TcpStream>>>);

impl Socket {
    fn with<T>(
        &self,
        act: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        match self.0.lock().unwrap().as_mut() {
            Some(stream) => act(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|stream| stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|stream| stream.poll_shutdown(cx))
    }
}

/// Takes any host key: it is new in every test.
struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}
