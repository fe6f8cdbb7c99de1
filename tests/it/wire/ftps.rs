//! FTPS by hand.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use super::PATIENCE;
use crate::harness::{Daemon, Port};

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A session that is logged in.
#[derive(Debug)]
pub(crate) struct Ftps {
    control: Control,
    server: SocketAddr,
    config: Arc<ClientConfig>,
}

#[derive(Debug)]
enum Control {
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
    /// Logs in; the reply tells why not.
    pub(crate) fn try_log_in(
        daemon: &Daemon,
        port: Port,
        user: &str,
        password: &str,
    ) -> io::Result<(Self, Reply)> {
        let server = daemon.address(port);
        // Tickets are kept by the session: with another session's, a data connection would stray.
        let config = config();
        let mut socket = connect(server)?;
        if port == Port::Explicit {
            let mut clear = BufReader::new(socket);
            read_reply(&mut clear)?;
            clear.get_mut().write_all(b"AUTH TLS\r\n")?;
            read_reply(&mut clear)?;
            socket = clear.into_inner();
        }
        let mut session = Self {
            control: Control::Secure(Box::new(BufReader::new(secure(&config, socket)?))),
            server,
            config,
        };
        if port == Port::Implicit {
            session.try_hear()?;
        }
        session.try_say(&format!("USER {user}"))?;
        session.try_hear()?;
        session.try_say(&format!("PASS {password}"))?;
        let reply = session.try_hear()?;
        for command in ["PBSZ 0", "PROT P", "TYPE I"] {
            session.try_say(command)?;
            session.try_hear()?;
        }
        Ok((session, reply))
    }

    /// Logs in.
    #[track_caller]
    pub(crate) fn log_in(daemon: &Daemon, port: Port, user: &str, password: &str) -> Self {
        let (session, reply) = Self::try_log_in(daemon, port, user, password).unwrap();
        assert_eq!(reply.code, 230, "{reply:?}");
        session
    }

    fn control(&mut self) -> io::Result<&mut BufReader<Tls>> {
        match &mut self.control {
            Control::Secure(control) => Ok(control),
            Control::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Sends a command.
    pub(crate) fn try_say(&mut self, command: &str) -> io::Result<()> {
        let control = self.control()?.get_mut();
        control.write_all(format!("{command}\r\n").as_bytes())?;
        control.flush()
    }

    /// Reads the next reply.
    pub(crate) fn try_hear(&mut self) -> io::Result<Reply> {
        read_reply(self.control()?)
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

    /// A connection to a passive port, not yet in TLS.
    pub(crate) fn try_passive(&mut self) -> io::Result<TcpStream> {
        let reply = self.try_ask("EPSV")?;
        let port = reply.text.split('|').nth(3).and_then(|it| it.parse().ok());
        let port: u16 = port.ok_or_else(|| io::Error::other(format!("{reply:?}")))?;
        connect(SocketAddr::new(self.server.ip(), port))
    }

    /// Opens a data connection for a command, or says what it was refused with.
    pub(crate) fn try_transfer(&mut self, command: &str) -> io::Result<Result<Data, Reply>> {
        let socket = self.try_passive()?;
        let reply = self.try_ask(command)?;
        if reply.code != 150 {
            return Ok(Err(reply));
        }
        Ok(Ok(Data(secure(&self.config, socket)?)))
    }

    #[track_caller]
    pub(crate) fn transfer(&mut self, command: &str) -> Data {
        self.try_transfer(command).unwrap().unwrap()
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
        let mut data = self.transfer(command);
        let mut bytes = Vec::new();
        data.0.read_to_end(&mut bytes).unwrap();
        data.finish();
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

    /// Ends it as it should be ended: `close_notify`, then FIN.
    pub(crate) fn finish(mut self) {
        self.0.conn.send_close_notify();
        // A server that has refused the upload may be gone.
        drop(self.0.flush());
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

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    Ok(socket)
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
