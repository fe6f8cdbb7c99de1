//! The certificate and the TLS settings made from it: PEM files come in, rustls configurations go out, one for each kind of connection.
//!
//! Data connections are tied to their control connection by tickets: every ticket we issue carries the tag of the session it was issued in,
//! sealed by one stateless ticketer, and a connection that resumes shows the tag again. (rustls's default store is single-use: OpenSSL resumed
//! once on TLS 1.3 and never again.)

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{HandshakeKind, ServerConfig, ServerConnection};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::clock::{Clock as _, SystemClock};
use crate::config;

/// Tickets on a control connection: senders that use each one once have enough for some data connections before downloads bring fresh ones.
const CONTROL_TICKETS: usize = 8;
/// Tickets on a download or listing.
const DOWN_TICKETS: usize = 2;
/// How long a certificate of ours lasts.
const SELF_SIGNED_DAYS: i64 = 3650;

/// Who we are to TLS clients.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    fingerprint: String,
    expires: Timestamp,
    control: Arc<ServerConfig>,
    ticketer: Arc<dyn ProducesTickets>,
}

/// Why there is no identity; says which file, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(
        "cannot read {path}: put a PEM file there, or set tls.generate = true to have a self-signed pair made"
    )]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{missing} is missing although {present} is there: put the missing half there, or remove the other to have a new pair made"
    )]
    HalfMissing { missing: PathBuf, present: PathBuf },
    #[error(
        "{path} holds no certificate in PEM form: it should begin with -----BEGIN CERTIFICATE-----"
    )]
    Certificate {
        path: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("the certificate in {path} cannot be understood: put a valid X.509 certificate there")]
    Malformed { path: PathBuf },
    #[error(
        "{path} holds no usable private key in PEM form: it should be an unencrypted PKCS#8, PKCS#1 or SEC1 key"
    )]
    Key {
        path: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("{path} cannot be used: its kind of key is not supported")]
    KeyKind {
        path: PathBuf,
        #[source]
        source: rustls::Error,
    },
    #[error(
        "the key in {key} does not belong to the first certificate in {certificate}: put the server's own certificate first, or the key that was made for it there"
    )]
    Mismatch { certificate: PathBuf, key: PathBuf },
    #[error("cannot make a self-signed certificate for these server.hosts")]
    Generate(#[source] rcgen::Error),
    #[error("cannot write {path}: make its folder writable for rosterd's user")]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

impl TlsIdentity {
    /// Reads the pair, or makes it when both halves are missing and `generate` is set. Tickets go on to be taken that were issued under the identity
    /// `before`. Blocks on the file system.
    pub fn load(
        config: &config::Tls,
        hosts: &[String],
        before: Option<&Self>,
    ) -> Result<Self, TlsError> {
        let ticketer = match before {
            Some(before) => Arc::clone(&before.ticketer),
            None => Ticketer::new().map_err(TlsError::Setup)?,
        };
        if let Some(identity) = Self::read(config, &ticketer)? {
            return Ok(identity);
        }
        generate(config, hosts)?;
        tracing::info!(path = %config.certificate.display(), "made a self-signed certificate, because tls.generate is set");
        Self::of_files(config, &ticketer)
    }

    /// Says what is wrong with the pair, without making one.
    pub fn check(config: &config::Tls) -> Result<(), TlsError> {
        let ticketer = Ticketer::new().map_err(TlsError::Setup)?;
        Self::read(config, &ticketer).map(drop)
    }

    /// None: it is missing and may be made.
    fn read(
        config: &config::Tls,
        ticketer: &Arc<dyn ProducesTickets>,
    ) -> Result<Option<Self>, TlsError> {
        if config.generate {
            match (present(&config.certificate)?, present(&config.key)?) {
                (false, false) => return Ok(None),
                (true, true) => {}
                (here, _) => return Err(half_missing(config, here)),
            }
        }
        Self::of_files(config, ticketer).map(Some)
    }

    fn of_files(
        config: &config::Tls,
        ticketer: &Arc<dyn ProducesTickets>,
    ) -> Result<Self, TlsError> {
        let chain = read_chain(&config.certificate)?;
        let key = read_key(&config.key)?;
        let leaf = chain.first().ok_or_else(|| TlsError::Certificate {
            path: config.certificate.clone(),
            source: pem::Error::NoItemsFound,
        })?;
        let fingerprint = fingerprint(leaf);
        let expires = expiry(leaf).ok_or_else(|| TlsError::Malformed {
            path: config.certificate.clone(),
        })?;
        let certified = certify(config, chain, key)?;
        let control = control_config(certified, ticketer)?;
        Ok(Self {
            fingerprint,
            expires,
            control: Arc::new(control),
            ticketer: Arc::clone(ticketer),
        })
    }

    /// SHA-256 of the certificate, as `AB:CD:…`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// When the certificate ends.
    pub fn expires(&self) -> Timestamp {
        self.expires
    }

    /// For control connections.
    pub(in crate::listen) fn control(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.control)
    }

    /// For one data connection. A sender that closes with unread tickets in its socket sends RST and loses its last bytes, so uploads get none.
    pub(in crate::listen) fn data(
        &self,
        direction: Direction,
    ) -> (Arc<ServerConfig>, Arc<Witness>) {
        let witness = Arc::new(Witness {
            ticketer: Arc::clone(&self.ticketer),
            seen: Mutex::default(),
        });
        let mut config = ServerConfig::clone(&self.control);
        config.ticketer = Arc::clone(&witness) as Arc<dyn ProducesTickets>;
        config.alpn_protocols.push(b"ftp-data".to_vec());
        config.send_tls13_tickets = match direction {
            Direction::Up => 0,
            Direction::Down => DOWN_TICKETS,
        };
        (Arc::new(config), witness)
    }
}

/// Which way a data connection carries bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listen) enum Direction {
    /// To us.
    Up,
    /// From us.
    Down,
}

/// What tickets carry: the session they were issued in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::listen) struct SessionTag(Uuid);

impl SessionTag {
    /// Not part of any server name or protocol name, the only texts of a peer's choosing in a ticket.
    const MARK: &'static [u8] = b"\0rosterd session\0";

    /// A tag no other session has.
    pub(in crate::listen) fn mint() -> Self {
        Self(Uuid::now_v7())
    }

    /// Makes the tickets of a connection carry this tag. To be called before the handshake.
    pub(in crate::listen) fn mark(self, connection: &mut ServerConnection) {
        connection.set_resumption_data(&[Self::MARK, self.0.as_bytes()].concat());
    }

    /// The tag somewhere in the text of a ticket.
    fn find(text: &[u8]) -> Option<Self> {
        let found = memchr::memmem::rfind(text, Self::MARK)?;
        let bytes = text.get(found + Self::MARK.len()..)?.first_chunk()?;
        Some(Self(Uuid::from_bytes(*bytes)))
    }
}

impl std::fmt::Display for SessionTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Sees the tag in the ticket that a connection resumed with: rustls shows resumption data on TLS 1.3 only.
pub(in crate::listen) struct Witness {
    ticketer: Arc<dyn ProducesTickets>,
    seen: Mutex<Option<SessionTag>>,
}

impl Witness {
    /// The session that `connection` has resumed, once its handshake is over.
    pub(in crate::listen) fn resumed(&self, connection: &ServerConnection) -> Option<SessionTag> {
        if connection.handshake_kind() != Some(HandshakeKind::Resumed) {
            return None;
        }
        match connection.received_resumption_data() {
            Some(data) => SessionTag::find(data),
            None => *self.seen.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").finish_non_exhaustive()
    }
}

impl ProducesTickets for Witness {
    fn enabled(&self) -> bool {
        self.ticketer.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.ticketer.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.ticketer.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let plain = self.ticketer.decrypt(cipher)?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = SessionTag::find(&plain);
        Some(plain)
    }
}

fn control_config(
    certified: CertifiedKey,
    ticketer: &Arc<dyn ProducesTickets>,
) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Setup)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    // A client that offers only another protocol's name is refused; one that offers none is not (ALPACA).
    config.alpn_protocols = vec![b"ftp".to_vec()];
    // Whatever is resumed is resumed by a ticket, and so has a tag.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Arc::clone(ticketer);
    config.send_tls13_tickets = CONTROL_TICKETS;
    Ok(config)
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let refused = |source| TlsError::Certificate {
        path: path.to_owned(),
        source,
    };
    let chain = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(refused)?;
    if chain.is_empty() {
        return Err(refused(pem::Error::NoItemsFound));
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|source| TlsError::Key {
        path: path.to_owned(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn certify(
    config: &config::Tls,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, TlsError> {
    use rustls::{Error, InconsistentKeys};
    let signing = default_provider()
        .key_provider
        .load_private_key(key)
        .map_err(|source| TlsError::KeyKind {
            path: config.key.clone(),
            source,
        })?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => Err(TlsError::Mismatch {
            certificate: config.certificate.clone(),
            key: config.key.clone(),
        }),
        Err(_) => Err(TlsError::Malformed {
            path: config.certificate.clone(),
        }),
    }
}

fn fingerprint(leaf: &CertificateDer<'_>) -> String {
    let bytes: Vec<String> = Sha256::digest(leaf)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    bytes.join(":")
}

fn expiry(leaf: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

fn present(path: &Path) -> Result<bool, TlsError> {
    path.try_exists().map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn half_missing(config: &config::Tls, certificate_is_here: bool) -> TlsError {
    let (missing, present) = if certificate_is_here {
        (&config.key, &config.certificate)
    } else {
        (&config.certificate, &config.key)
    };
    TlsError::HalfMissing {
        missing: missing.clone(),
        present: present.clone(),
    }
}

/// Makes a self-signed pair for `hosts` and this machine.
fn generate(config: &config::Tls, hosts: &[String]) -> Result<(), TlsError> {
    let mut names = hosts.to_vec();
    for ours in ["localhost", "127.0.0.1"] {
        if !names.iter().any(|name| name == ours) {
            names.push(ours.to_owned());
        }
    }
    let common_name = names.first().cloned().unwrap_or_default();
    let mut params = rcgen::CertificateParams::new(names).map_err(TlsError::Generate)?;
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, common_name);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let now = SystemClock.now();
    let (year, month, day) = civil(now - SignedDuration::from_hours(24));
    params.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = civil(now + SignedDuration::from_hours(24 * SELF_SIGNED_DAYS));
    params.not_after = rcgen::date_time_ymd(year, month, day);
    let key = rcgen::KeyPair::generate().map_err(TlsError::Generate)?;
    let certificate = params.self_signed(&key).map_err(TlsError::Generate)?;
    write(&config.key, 0o600, key.serialize_pem().as_bytes())?;
    write(&config.certificate, 0o644, certificate.pem().as_bytes())
}

/// Year, month and day, as rcgen takes them.
fn civil(instant: Timestamp) -> (i32, u8, u8) {
    let date = instant.to_zoned(jiff::tz::TimeZone::UTC).date();
    (
        i32::from(date.year()),
        date.month().unsigned_abs(),
        date.day().unsigned_abs(),
    )
}

/// Writes a file whole or not at all, never readable by more than `mode` says.
fn write(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), TlsError> {
    let write = || -> io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        fs::create_dir_all(folder)?;
        let beside = path.with_extension("new");
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|source| TlsError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn pair(folder: &Path) -> config::Tls {
        config::Tls {
            certificate: folder.join("certs/server.pem"),
            key: folder.join("certs/server.key"),
            generate: true,
        }
    }

    fn hosts() -> Vec<String> {
        vec!["secureftp.example.com".to_owned(), "localhost".to_owned()]
    }

    #[test]
    fn a_missing_pair_is_made_once_and_covers_our_names_r0_15() {
        let folder = tempfile::tempdir().unwrap();
        let config = pair(folder.path());
        let identity = TlsIdentity::load(&config, &hosts(), None).unwrap();
        assert_eq!(identity.fingerprint().len(), 32 * 3 - 1);
        let year = SystemClock.now() + SignedDuration::from_hours(24 * 365 * 9);
        assert!(identity.expires() > year);
        let mode = fs::metadata(&config.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let leaf = read_chain(&config.certificate).unwrap();
        let (_, certificate) = x509_parser::parse_x509_certificate(&leaf[0]).unwrap();
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names.len(), 3);
        let again = TlsIdentity::load(&config, &hosts(), None).unwrap();
        assert_eq!(again.fingerprint(), identity.fingerprint());
    }

    #[test]
    fn each_thing_wrong_with_the_files_has_its_own_message() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = pair(folder.path());
        let error = |config: &config::Tls| TlsIdentity::load(config, &hosts(), None).unwrap_err();
        config.generate = false;
        assert!(
            matches!(error(&config), TlsError::Read { path, .. } if path == config.certificate)
        );
        config.generate = true;
        TlsIdentity::load(&config, &hosts(), None).unwrap();

        let other = tempfile::tempdir().unwrap();
        let stranger = pair(other.path());
        TlsIdentity::load(&stranger, &hosts(), None).unwrap();
        let mixed = config::Tls {
            key: stranger.key.clone(),
            ..config.clone()
        };
        assert!(matches!(error(&mixed), TlsError::Mismatch { .. }));

        fs::write(&stranger.key, "not a key").unwrap();
        assert!(matches!(error(&stranger), TlsError::Key { path, .. } if path == stranger.key));
        fs::write(&stranger.certificate, "").unwrap();
        assert!(matches!(error(&stranger), TlsError::Certificate { .. }));

        fs::remove_file(&config.key).unwrap();
        assert!(
            matches!(error(&config), TlsError::HalfMissing { missing, .. } if missing == config.key)
        );
    }

    #[test]
    fn uploads_get_no_tickets_and_the_rest_get_some() {
        let folder = tempfile::tempdir().unwrap();
        let identity = TlsIdentity::load(&pair(folder.path()), &hosts(), None).unwrap();
        assert!(identity.control().send_tls13_tickets > 4);
        assert_eq!(identity.data(Direction::Up).0.send_tls13_tickets, 0);
        assert!(identity.data(Direction::Down).0.send_tls13_tickets > 0);
    }

    #[test]
    fn a_tag_is_found_in_a_ticket_and_nowhere_else() {
        let tag = SessionTag::mint();
        let ticket = [b"secret", SessionTag::MARK, tag.0.as_bytes(), b"\x01\x02"].concat();
        assert_eq!(SessionTag::find(&ticket), Some(tag));
        assert_eq!(SessionTag::find(&ticket[..30]), None);
        assert_eq!(SessionTag::find(b""), None);
    }
}
