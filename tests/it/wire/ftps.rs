//! FTPS by hand.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use socket2::{Domain, SockRef, Socket, Type};

use super::PATIENCE;
use crate::harness::tenant::PASSWORD;
use crate::harness::{Daemon, Port};

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A session.
#[derive(Debug)]
pub(crate) struct Ftps {
    control: Control,
    server: SocketAddr,
    /// Where its connections come from; none: wherever the system likes.
    from: Option<IpAddr>,
    /// What a data connection begins with.
    header: Vec<u8>,
    config: Arc<ClientConfig>,
    /// Tickets of data connections that began without one.
    afresh: Option<Arc<ClientConfig>>,
}

#[derive(Debug)]
enum Control {
    Clear(BufReader<TcpStream>),
    Secure(Box<BufReader<Tls>>),
    Gone,
}

/// A data connection.
#[derive(Debug)]
pub(crate) struct Data(Tls);

/// A reply to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) text: String,
}

impl Ftps {
    /// Connects and hears the greeting, which comes in clear on the explicit port.
    pub(crate) fn try_connect(
        port: Port,
        server: SocketAddr,
        from: Option<IpAddr>,
    ) -> io::Result<Self> {
        Self::try_connect_on(connect(from, server)?, port, server, from)
    }

    /// The same on a connection that is there already, to `server` in the end.
    pub(crate) fn try_connect_on(
        socket: TcpStream,
        port: Port,
        server: SocketAddr,
        from: Option<IpAddr>,
    ) -> io::Result<Self> {
        // Tickets are kept by the session: with another session's, a data connection would stray.
        let config = config();
        let control = match port {
            Port::Implicit => Control::Secure(Box::new(BufReader::new(secure(&config, socket)?))),
            _ => Control::Clear(BufReader::new(socket)),
        };
        let mut session = Self {
            control,
            server,
            from,
            header: Vec::new(),
            config,
            afresh: None,
        };
        session.try_hear()?;
        Ok(session)
    }

    /// Connects.
    #[track_caller]
    pub(crate) fn connect(daemon: &Daemon, port: Port) -> Self {
        Self::try_connect(port, daemon.address(port), None).unwrap()
    }

    /// AUTH TLS and its handshake.
    pub(crate) fn try_secure(&mut self) -> io::Result<()> {
        self.try_say("AUTH TLS")?;
        self.try_hear()?;
        self.try_shake_hands()
    }

    /// Goes over to TLS.
    pub(crate) fn try_shake_hands(&mut self) -> io::Result<()> {
        let Control::Clear(control) = std::mem::replace(&mut self.control, Control::Gone) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let stream = secure(&self.config, control.into_inner())?;
        self.control = Control::Secure(Box::new(BufReader::new(stream)));
        Ok(())
    }

    /// USER and PASS, and all that a transfer needs.
    pub(crate) fn try_enter(&mut self, user: &str, password: &str) -> io::Result<Reply> {
        self.try_ask(&format!("USER {user}"))?;
        let reply = self.try_ask(&format!("PASS {password}"))?;
        for command in ["PBSZ 0", "PROT P", "TYPE I"] {
            self.try_ask(command)?;
        }
        Ok(reply)
    }

    /// Logs in; the reply tells why not.
    pub(crate) fn try_log_in(
        daemon: &Daemon,
        port: Port,
        user: &str,
        password: &str,
    ) -> io::Result<(Self, Reply)> {
        Self::try_log_in_from(None, daemon.address(port), port, (user, password))
    }

    /// The same from an address of this machine, to another address of the server.
    pub(crate) fn try_log_in_from(
        from: Option<IpAddr>,
        server: SocketAddr,
        port: Port,
        (user, password): (&str, &str),
    ) -> io::Result<(Self, Reply)> {
        let mut session = Self::try_connect(port, server, from)?;
        if port == Port::Explicit {
            session.try_secure()?;
        }
        let reply = session.try_enter(user, password)?;
        Ok((session, reply))
    }

    /// Logs a tenant's first login in, from an address of this machine.
    #[track_caller]
    pub(crate) fn come_from(daemon: &Daemon, from: &str, port: Port, user: &str) -> Self {
        let from = Some(from.parse().unwrap());
        let who = (user, PASSWORD);
        let (session, reply) =
            Self::try_log_in_from(from, daemon.address(port), port, who).unwrap();
        assert_eq!(reply.code, 230, "{reply:?}");
        session
    }

    /// Logs in.
    #[track_caller]
    pub(crate) fn log_in(daemon: &Daemon, port: Port, user: &str, password: &str) -> Self {
        let (session, reply) = Self::try_log_in(daemon, port, user, password).unwrap();
        assert_eq!(reply.code, 230, "{reply:?}");
        session
    }

    /// Sends bytes, in a segment of their own.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.control {
            Control::Clear(control) => control.get_mut().write_all(bytes),
            Control::Secure(control) => {
                control.get_mut().write_all(bytes)?;
                control.get_mut().flush()
            }
            Control::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap();
    }

    /// Sends bytes inside TLS, the last byte of the record as TCP urgent data.
    #[track_caller]
    pub(crate) fn send_urgently(&mut self, bytes: &[u8]) {
        let Control::Secure(control) = &mut self.control else {
            panic!("not in TLS");
        };
        let StreamOwned { conn, sock } = control.get_mut();
        conn.writer().write_all(bytes).unwrap();
        let mut sealed = Vec::new();
        conn.write_tls(&mut sealed).unwrap();
        let (last, rest) = sealed.split_last().unwrap();
        sock.write_all(rest).unwrap();
        SockRef::from(&*sock)
            .send_out_of_band(std::slice::from_ref(last))
            .unwrap();
    }

    /// Sends a command.
    pub(crate) fn try_say(&mut self, command: &str) -> io::Result<()> {
        self.try_send(format!("{command}\r\n").as_bytes())
    }

    /// Reads the next reply.
    pub(crate) fn try_hear(&mut self) -> io::Result<Reply> {
        match &mut self.control {
            Control::Clear(control) => read_reply(control),
            Control::Secure(control) => read_reply(control),
            Control::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Asserts that the server has closed the session, without another word.
    #[track_caller]
    pub(crate) fn was_closed(&mut self) {
        let heard = self.try_hear();
        assert!(heard.is_err(), "{heard:?}");
    }

    /// Sends a command and reads its reply.
    pub(crate) fn try_ask(&mut self, command: &str) -> io::Result<Reply> {
        self.try_say(command)?;
        self.try_hear()
    }

    #[track_caller]
    pub(crate) fn say(&mut self, command: &str) {
        self.try_say(command).unwrap();
    }

    #[track_caller]
    pub(crate) fn hear(&mut self) -> Reply {
        self.try_hear().unwrap()
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> Reply {
        self.try_ask(command).unwrap()
    }

    /// Asks for a passive port.
    pub(crate) fn try_passive_address(&mut self) -> io::Result<SocketAddr> {
        let reply = self.try_ask("EPSV")?;
        let port = reply.text.split('|').nth(3).and_then(|it| it.parse().ok());
        let port: u16 = port.ok_or_else(|| io::Error::other(format!("{reply:?}")))?;
        Ok(SocketAddr::new(self.server.ip(), port))
    }

    /// A connection to a passive port, not yet in TLS.
    pub(crate) fn try_passive(&mut self) -> io::Result<TcpStream> {
        let address = self.try_passive_address()?;
        let mut socket = connect(self.from, address)?;
        socket.write_all(&self.header)?;
        Ok(socket)
    }

    /// From now on data connections come from there, and begin with these bytes.
    pub(crate) fn route_data(&mut self, from: &str, header: &[u8]) {
        self.from = Some(from.parse().unwrap());
        self.header = header.to_vec();
    }

    /// Makes a data connection of what was connected.
    pub(crate) fn try_data(&self, socket: TcpStream) -> io::Result<Data> {
        Ok(Data(secure(&self.config, socket)?))
    }

    /// A data connection to any port, with the tickets that this session has.
    pub(crate) fn open(&self, address: SocketAddr) -> io::Result<Data> {
        self.try_data(connect(self.from, address)?)
    }

    /// The same with the tickets that were got on this and earlier such connections only.
    pub(crate) fn open_afresh(&mut self, address: SocketAddr) -> io::Result<Data> {
        let socket = connect(self.from, address)?;
        let afresh = self.afresh.get_or_insert_with(config);
        Ok(Data(secure(afresh, socket)?))
    }

    /// The same by a stranger to this session's tickets.
    pub(crate) fn try_foreign_data(socket: TcpStream) -> io::Result<Data> {
        Ok(Data(secure(&config(), socket)?))
    }

    /// Opens a data connection for a command, or says what it was refused with.
    pub(crate) fn try_transfer(&mut self, command: &str) -> io::Result<Result<Data, Reply>> {
        let socket = self.try_passive()?;
        let reply = self.try_ask(command)?;
        if reply.code != 150 {
            return Ok(Err(reply));
        }
        Ok(Ok(self.try_data(socket)?))
    }

    #[track_caller]
    pub(crate) fn transfer(&mut self, command: &str) -> Data {
        self.try_transfer(command).unwrap().unwrap()
    }

    /// Lets the server connect for a command, after `announce` has told it where to.
    #[track_caller]
    pub(crate) fn active(
        &mut self,
        announce: impl FnOnce(SocketAddr) -> String,
        command: &str,
    ) -> Data {
        let listener = TcpListener::bind((self.server.ip(), 0)).unwrap();
        let reply = self.ask(&announce(listener.local_addr().unwrap()));
        assert_eq!(reply.code, 200, "{reply:?}");
        assert_eq!(self.ask(command).code, 150);
        let (socket, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip(), self.server.ip());
        prepare(&socket).unwrap();
        self.try_data(socket).unwrap()
    }

    /// Uploads a whole file.
    pub(crate) fn try_store(&mut self, path: &str, bytes: &[u8]) -> io::Result<Reply> {
        let mut data = match self.try_transfer(&format!("STOR {path}"))? {
            Ok(data) => data,
            Err(refused) => return Ok(refused),
        };
        // The server says why it does not want the rest.
        drop(data.try_send(bytes));
        data.finish();
        self.try_hear()
    }

    #[track_caller]
    pub(crate) fn store(&mut self, path: &str, bytes: &[u8]) -> Reply {
        self.try_store(path, bytes).unwrap()
    }

    /// Everything that comes on a data connection.
    #[track_caller]
    pub(crate) fn fetch(&mut self, command: &str) -> Vec<u8> {
        let bytes = self.transfer(command).receive();
        let reply = self.hear();
        assert_eq!(reply.code, 226, "{reply:?}");
        bytes
    }

    /// Names in a folder.
    #[track_caller]
    pub(crate) fn names(&mut self, folder: &str) -> Vec<String> {
        let listing = self.fetch(&format!("NLST {folder}"));
        let mut names: Vec<_> = String::from_utf8(listing)
            .unwrap()
            .lines()
            .map(|name| name.rsplit('/').next().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }

    /// The control connection ends with FIN, without a word.
    pub(crate) fn vanish(&mut self) {
        self.control = Control::Gone;
    }
}

impl Data {
    /// Sends bytes.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// Sends bytes and waits until the daemon has read them.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap();
        super::wait_until_read(&self.0.sock);
    }

    /// Everything that comes, up to `close_notify`.
    #[track_caller]
    pub(crate) fn receive(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).unwrap();
        self.finish();
        bytes
    }

    /// Ends it as it should be ended: `close_notify`, then FIN.
    pub(crate) fn finish(mut self) {
        self.0.conn.send_close_notify();
        // A server that has refused the upload may be gone.
        drop(self.0.flush());
    }

    /// `close_notify`, and RST once the daemon has read it: a sender that left with unread tickets in its socket.
    #[track_caller]
    pub(crate) fn finish_and_reset(mut self) {
        self.0.conn.send_close_notify();
        self.0.flush().unwrap();
        super::wait_until_read(&self.0.sock);
        self.reset();
    }

    /// FIN in the middle of a TLS record that would hold these bytes.
    #[track_caller]
    pub(crate) fn fin_within_a_record(mut self, bytes: &[u8]) {
        self.0.conn.writer().write_all(bytes).unwrap();
        let mut sealed = Vec::new();
        self.0.conn.write_tls(&mut sealed).unwrap();
        self.0.sock.write_all(&sealed[..sealed.len() / 2]).unwrap();
    }

    /// Whether something has come that was not read yet: `close_notify`, since a server has nothing else to say to an upload.
    pub(crate) fn has_heard(&self) -> bool {
        self.0.sock.set_nonblocking(true).unwrap();
        let heard = self.0.sock.peek(&mut [0]);
        self.0.sock.set_nonblocking(false).unwrap();
        heard.is_ok()
    }

    /// Says `close_notify` and waits for the server's, as Python does.
    pub(crate) fn try_unwrap(mut self) -> io::Result<()> {
        self.0.conn.send_close_notify();
        self.0.flush()?;
        // Without the server's this is UnexpectedEof.
        self.0.read_to_end(&mut Vec::new()).map(drop)
    }

    /// Everything that comes until its end, however it ends.
    pub(crate) fn hear_out(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        drop(self.0.read_to_end(&mut bytes));
        bytes
    }

    /// RST.
    pub(crate) fn reset(self) {
        super::reset(&self.0.sock);
    }

    /// FIN without `close_notify`.
    pub(crate) fn fin(self) {
        drop(self);
    }

    /// FIN for our direction without `close_notify`; the connection stays to listen on.
    pub(crate) fn half_close(&self) {
        self.0.sock.shutdown(Shutdown::Write).unwrap();
    }
}

/// Connects, from an address of this machine if it matters.
pub(crate) fn connect(from: Option<IpAddr>, address: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    socket.connect(&address.into())?;
    let socket = TcpStream::from(socket);
    prepare(&socket)?;
    Ok(socket)
}

fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)
}

fn secure(config: &Arc<ClientConfig>, mut socket: TcpStream) -> io::Result<Tls> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let mut connection =
        ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(connection, socket))
}

fn read_reply(control: &mut impl io::BufRead) -> io::Result<Reply> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if control.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        text.push_str(&line);
        let code = line.get(..3).and_then(|code| code.parse().ok());
        if let (Some(code), Some(b' ')) = (code, line.as_bytes().get(3)) {
            return Ok(Reply { code, text });
        }
    }
}

fn config() -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(provider)))
        .with_no_client_auth();
    Arc::new(config)
}

/// Takes any certificate: it is new in every test.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
