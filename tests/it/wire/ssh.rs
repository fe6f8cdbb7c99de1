//! SSH by hand, packet by packet: for what no client sends by itself. It knows one algorithm of each kind and believes any host key.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use aws_lc_rs::rand::SystemRandom;
use bytes::{Buf as _, BufMut as _, Bytes};
use sha2::{Digest as _, Sha256};

use super::PATIENCE;
use super::sftp::{string, take_string};
use crate::harness::{Daemon, Port};

/// What it calls itself.
const VERSION: &str = "SSH-2.0-wire";
/// The name by which a client says that it resets sequence numbers, and keeps to the order of a key exchange.
const STRICT: &str = "kex-strict-c-v00@openssh.com";
const TAG_BYTES: usize = 16;

/// Numbers of messages.
pub(crate) mod msg {
    pub(crate) const DISCONNECT: u8 = 1;
    pub(crate) const IGNORE: u8 = 2;
    pub(crate) const SERVICE_REQUEST: u8 = 5;
    pub(crate) const SERVICE_ACCEPT: u8 = 6;
    pub(crate) const EXT_INFO: u8 = 7;
    pub(crate) const KEXINIT: u8 = 20;
    pub(crate) const NEWKEYS: u8 = 21;
    pub(crate) const ECDH_INIT: u8 = 30;
    pub(crate) const ECDH_REPLY: u8 = 31;
    pub(crate) const USERAUTH_REQUEST: u8 = 50;
    pub(crate) const USERAUTH_FAILURE: u8 = 51;
    pub(crate) const USERAUTH_SUCCESS: u8 = 52;
    pub(crate) const INFO_REQUEST: u8 = 60;
    pub(crate) const INFO_RESPONSE: u8 = 61;
    pub(crate) const GLOBAL_REQUEST: u8 = 80;
    pub(crate) const REQUEST_FAILURE: u8 = 82;
    pub(crate) const CHANNEL_OPEN: u8 = 90;
    pub(crate) const CHANNEL_OPEN_CONFIRMATION: u8 = 91;
    pub(crate) const CHANNEL_OPEN_FAILURE: u8 = 92;
    pub(crate) const CHANNEL_WINDOW_ADJUST: u8 = 93;
    pub(crate) const CHANNEL_DATA: u8 = 94;
    pub(crate) const CHANNEL_CLOSE: u8 = 97;
    pub(crate) const CHANNEL_REQUEST: u8 = 98;
    pub(crate) const CHANNEL_SUCCESS: u8 = 99;
    pub(crate) const CHANNEL_FAILURE: u8 = 100;
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Ssh {
    stream: TcpStream,
    /// The server's version line and KEXINIT.
    pub(crate) server_version: String,
    server_kexinit: Vec<u8>,
    sending: Option<Direction>,
    receiving: Option<Direction>,
}

/// One direction after the key exchange.
#[derive(Debug)]
struct Direction {
    key: LessSafeKey,
    nonce: [u8; 12],
}

impl Direction {
    fn new(key: &[u8], nonce: &[u8]) -> Self {
        Self {
            key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key[..16]).unwrap()),
            nonce: nonce[..12].try_into().unwrap(),
        }
    }

    /// Each packet has the next one.
    fn next_nonce(&mut self) -> Nonce {
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let counter = u64::from_be_bytes(self.nonce[4..].try_into().unwrap());
        self.nonce[4..].copy_from_slice(&counter.wrapping_add(1).to_be_bytes());
        nonce
    }
}

impl Ssh {
    /// Connects, and exchanges versions.
    pub(crate) fn greet(daemon: &Daemon) -> Self {
        let stream = dial(daemon);
        let mut ssh = Self {
            stream,
            server_version: String::new(),
            server_kexinit: Vec::new(),
            sending: None,
            receiving: None,
        };
        ssh.stream
            .write_all(format!("{VERSION}\r\n").as_bytes())
            .unwrap();
        let mut byte = [0];
        while byte != *b"\n" {
            ssh.stream.read_exact(&mut byte).unwrap();
            ssh.server_version.push(char::from(byte[0]));
        }
        ssh.server_version.truncate(ssh.server_version.len() - 2);
        ssh.server_kexinit = ssh.try_hear().unwrap();
        assert_eq!(ssh.server_kexinit[0], msg::KEXINIT);
        ssh
    }

    /// Connects, and exchanges keys.
    pub(crate) fn connect(daemon: &Daemon) -> Self {
        let mut ssh = Self::greet(daemon);
        ssh.try_exchange_keys(&[]).unwrap();
        ssh
    }

    /// Connects, and may log in.
    pub(crate) fn begin(daemon: &Daemon) -> Self {
        let mut ssh = Self::connect(daemon);
        ssh.say(&request_service());
        assert_eq!(ssh.hear()[0], msg::SERVICE_ACCEPT);
        ssh
    }

    /// Logs in with a password.
    pub(crate) fn log_in(daemon: &Daemon, user: &str, password: &str) -> Self {
        let mut ssh = Self::begin(daemon);
        ssh.say(&password_request(user, password));
        assert_eq!(ssh.hear(), [msg::USERAUTH_SUCCESS]);
        ssh
    }

    /// Takes part in a key exchange; `injected` packets go out, in clear, before the client's share.
    pub(crate) fn try_exchange_keys(&mut self, injected: &[&[u8]]) -> io::Result<()> {
        let ours = kexinit("none");
        self.try_say(&ours)?;
        for packet in injected {
            self.try_say(packet)?;
        }
        let secret = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).unwrap();
        let share = secret.compute_public_key().unwrap();
        let mut init = vec![msg::ECDH_INIT];
        init.extend(string(share.as_ref()));
        self.try_say(&init)?;
        let mut reply = Bytes::from(self.try_hear()?);
        if reply.get_u8() != msg::ECDH_REPLY {
            return Err(io::Error::other("no reply to the key exchange"));
        }
        let (host_key, theirs) = (take_string(&mut reply), take_string(&mut reply));
        let mut shared = Vec::new();
        let their_share = UnparsedPublicKey::new(&X25519, &theirs);
        agree_ephemeral(secret, their_share, (), |agreed| {
            shared = mpint(agreed);
            Ok(())
        })
        .unwrap();
        let mut hash = Sha256::new();
        for part in [
            VERSION.as_bytes(),
            self.server_version.as_bytes(),
            &ours,
            &self.server_kexinit,
            &host_key,
            share.as_ref(),
            &theirs,
        ] {
            hash.update(string(part));
        }
        hash.update(&shared);
        let exchange = hash.finalize();
        if self.try_hear()? != [msg::NEWKEYS] {
            return Err(io::Error::other("no new keys"));
        }
        self.try_say(&[msg::NEWKEYS])?;
        let key = |letter: u8| {
            let mut hash = Sha256::new();
            hash.update(&shared);
            hash.update(exchange);
            hash.update([letter]);
            hash.update(exchange);
            hash.finalize()
        };
        self.sending = Some(Direction::new(&key(b'C'), &key(b'A')));
        self.receiving = Some(Direction::new(&key(b'D'), &key(b'B')));
        Ok(())
    }

    /// Names of key exchanges that the server announces.
    pub(crate) fn server_kex_names(&self) -> String {
        let mut lists = Bytes::copy_from_slice(&self.server_kexinit[17..]);
        String::from_utf8(take_string(&mut lists).to_vec()).unwrap()
    }

    /// Sends a packet.
    pub(crate) fn try_say(&mut self, payload: &[u8]) -> io::Result<()> {
        let sealed = self.sealed(payload);
        self.stream.write_all(&sealed)
    }

    #[track_caller]
    pub(crate) fn say(&mut self, payload: &[u8]) {
        self.try_say(payload).unwrap();
    }

    /// A packet as it goes over the wire.
    fn sealed(&mut self, payload: &[u8]) -> Vec<u8> {
        // The length is not part of what must fill whole blocks once it is not encrypted.
        let (head, block) = if self.sending.is_some() {
            (1, 16)
        } else {
            (5, 8)
        };
        let padding = 4 + (block - (payload.len() + head + 4) % block) % block;
        let mut body = vec![u8::try_from(padding).unwrap()];
        body.extend(payload);
        body.resize(body.len() + padding, 0);
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        if let Some(sending) = &mut self.sending {
            let nonce = sending.next_nonce();
            sending
                .key
                .seal_in_place_append_tag(nonce, Aad::from(length), &mut body)
                .unwrap();
        }
        [&length[..], &body].concat()
    }

    /// Sends bytes as they are.
    pub(crate) fn try_say_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next packet that means anything.
    pub(crate) fn try_hear(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let mut length = [0; 4];
            self.stream.read_exact(&mut length)?;
            let size = usize::try_from(u32::from_be_bytes(length)).unwrap();
            let tag = self.receiving.as_ref().map_or(0, |_| TAG_BYTES);
            let mut body = vec![0; size + tag];
            self.stream.read_exact(&mut body)?;
            if let Some(receiving) = &mut self.receiving {
                let nonce = receiving.next_nonce();
                receiving
                    .key
                    .open_in_place(nonce, Aad::from(length), &mut body)
                    .map_err(|_| io::Error::other("a packet that cannot be opened"))?;
            }
            let padding = usize::from(body[0]);
            let payload = body[1..size - padding].to_vec();
            if !matches!(payload[0], msg::IGNORE | msg::EXT_INFO) {
                return Ok(payload);
            }
        }
    }

    #[track_caller]
    pub(crate) fn hear(&mut self) -> Vec<u8> {
        self.try_hear().unwrap()
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, payload: &[u8]) -> Vec<u8> {
        self.say(payload);
        self.hear()
    }

    /// Waits until the server ends the connection; what it says before is read over.
    #[track_caller]
    pub(crate) fn wait_for_end(&mut self) {
        while let Ok(packet) = self.try_hear() {
            if packet[0] == msg::DISCONNECT {
                return;
            }
        }
    }

    /// Asks for a channel with this window; the answer tells whether it is given.
    #[track_caller]
    pub(crate) fn ask_for_channel(&mut self, kind: &str, number: u32, window: u32) -> Vec<u8> {
        let mut open = vec![msg::CHANNEL_OPEN];
        open.extend(string(kind.as_bytes()));
        open.put_u32(number);
        open.put_u32(window);
        open.put_u32(32 * 1024);
        self.ask(&open)
    }

    /// Opens a session channel, and says what the server calls it.
    #[track_caller]
    pub(crate) fn open_channel(&mut self, number: u32, window: u32) -> u32 {
        let mut answer = Bytes::from(self.ask_for_channel("session", number, window));
        assert_eq!(answer.get_u8(), msg::CHANNEL_OPEN_CONFIRMATION);
        assert_eq!(answer.get_u32(), number);
        answer.get_u32()
    }

    /// Makes a request on a channel; the number of the answer tells whether it is granted.
    #[track_caller]
    pub(crate) fn ask_on_channel(&mut self, channel: u32, request: &str, fields: &[u8]) -> u8 {
        self.say(&channel_request(channel, request, fields));
        self.hear()[0]
    }

    /// Opens a channel with SFTP on it, and says INIT.
    #[track_caller]
    pub(crate) fn open_sftp(&mut self, number: u32, window: u32) -> u32 {
        let channel = self.open_channel(number, window);
        let granted = self.ask_on_channel(channel, "subsystem", &string(b"sftp"));
        assert_eq!(granted, msg::CHANNEL_SUCCESS);
        self.say_on_channel(channel, &string(&[1, 0, 0, 0, 3]));
        self.hear_on_channel();
        channel
    }

    /// Sends data on a channel.
    pub(crate) fn try_say_on_channel(&mut self, channel: u32, bytes: &[u8]) -> io::Result<()> {
        let mut data = vec![msg::CHANNEL_DATA];
        data.put_u32(channel);
        data.extend(string(bytes));
        self.try_say(&data)
    }

    #[track_caller]
    pub(crate) fn say_on_channel(&mut self, channel: u32, bytes: &[u8]) {
        self.try_say_on_channel(channel, bytes).unwrap();
    }

    /// The next data of a channel, and of which.
    #[track_caller]
    pub(crate) fn hear_on_channel(&mut self) -> (u32, Bytes) {
        loop {
            let mut packet = Bytes::from(self.hear());
            if packet.get_u8() == msg::CHANNEL_DATA {
                let channel = packet.get_u32();
                return (channel, take_string(&mut packet));
            }
        }
    }
}

/// A connection on which nothing was said yet.
pub(crate) fn dial(daemon: &Daemon) -> TcpStream {
    let stream = TcpStream::connect(daemon.address(Port::Sftp)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// KEXINIT with this compression.
pub(crate) fn kexinit(compression: &str) -> Vec<u8> {
    let mut packet = vec![msg::KEXINIT];
    packet.extend([7; 16]);
    let kex = format!("curve25519-sha256,{STRICT}");
    let cipher = "aes128-gcm@openssh.com";
    for list in [
        &kex,
        "ssh-ed25519",
        cipher,
        cipher,
        "hmac-sha2-256",
        "hmac-sha2-256",
        compression,
        compression,
        "",
        "",
    ] {
        packet.extend(string(list.as_bytes()));
    }
    packet.extend([0; 5]);
    packet
}

/// `SERVICE_REQUEST` for logins.
pub(crate) fn request_service() -> Vec<u8> {
    [&[msg::SERVICE_REQUEST][..], &string(b"ssh-userauth")].concat()
}

/// `USERAUTH_REQUEST` with the fields of its method.
pub(crate) fn login_request(user: &str, method: &str, fields: &[u8]) -> Vec<u8> {
    let mut packet = vec![msg::USERAUTH_REQUEST];
    for part in [user, "ssh-connection", method] {
        packet.extend(string(part.as_bytes()));
    }
    packet.extend(fields);
    packet
}

/// `USERAUTH_REQUEST` with a password.
pub(crate) fn password_request(user: &str, password: &str) -> Vec<u8> {
    let fields = [&[0][..], &string(password.as_bytes())].concat();
    login_request(user, "password", &fields)
}

/// `CHANNEL_REQUEST` that wants an answer.
pub(crate) fn channel_request(channel: u32, request: &str, fields: &[u8]) -> Vec<u8> {
    let mut packet = vec![msg::CHANNEL_REQUEST];
    packet.put_u32(channel);
    packet.extend(string(request.as_bytes()));
    packet.push(1);
    packet.extend(fields);
    packet
}

/// A positive number.
fn mpint(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = &bytes[zeros..];
    if digits.first().is_some_and(|first| *first >= 0x80) {
        string(&[&[0][..], digits].concat())
    } else {
        string(digits)
    }
}
