//! The certificate and the TLS settings made from it: PEM files come in, rustls configurations go out, one for each kind of connection.
//!
//! Data connections are tied to their control connection by tickets: every ticket we issue carries the tag of the session it was issued in,
//! sealed by one stateless ticketer, and a connection that resumes shows the tag again. (rustls's default store is single-use on TLS 1.3: OpenSSL
//! resumed once and never again.) Clients that do without tickets on TLS 1.2 are known by the id of their session, which carries the tag too.

mod client;
mod complaint;
mod pair;
mod ticket;

use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoClientAuth, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};

use self::client::AnyCertificate;
pub(in crate::listen) use self::client::ClientCertificate;
pub(in crate::listen) use self::complaint::complaint;
pub use self::pair::TlsError;
use self::pair::{Pair, generate, is_present};
pub(in crate::listen) use self::ticket::{Newest, SessionTag, Witness};
use self::ticket::{Resumption, Tickets};
use crate::config::{self, Fingerprint};

/// Tickets on a control connection: senders that use each one once have enough for some data connections before downloads bring fresh ones.
const CONTROL_TICKETS: usize = 8;
/// Tickets on a download or listing.
const DOWN_TICKETS: usize = 2;

/// Who we are to TLS clients.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    shown: Arc<Shown>,
    control: Arc<ServerConfig>,
    /// What data connections are made from: they never ask for a certificate.
    plain: Arc<ServerConfig>,
    /// Whether control connections ask for a client's certificate.
    asks: bool,
    sessions: Resumption,
}

impl TlsIdentity {
    /// Reads the pairs, or makes the first one when both halves are missing and `generate` is set. Tickets go on to be taken that were issued under
    /// the identity `before`. Blocks on the file system.
    pub fn load(
        config: &config::Tls,
        hosts: &[String],
        before: Option<&Self>,
    ) -> Result<Self, TlsError> {
        let sessions = match before {
            Some(before) => before.sessions.clone(),
            None => Resumption::new().map_err(TlsError::Setup)?,
        };
        if config.generate && !is_present(&config.first)? {
            generate(&config.first, hosts)?;
            tracing::info!(path = %config.first.certificate.display(), "made a self-signed certificate, because tls.generate is set");
        }
        let others = config.alternatives.iter().map(Pair::read);
        let shown = Arc::new(Shown {
            first: Pair::read(&config.first)?,
            others: others.collect::<Result<_, _>>()?,
        });
        let plain = Arc::new(settings(&shown, &sessions, Arc::new(NoClientAuth))?);
        Ok(Self {
            control: Arc::clone(&plain),
            plain,
            asks: false,
            shown,
            sessions,
        })
    }

    /// The same, asking on control connections for the client's certificate.
    pub fn asking(self) -> Result<Self, TlsError> {
        let algorithms = default_provider().signature_verification_algorithms;
        let verifier = Arc::new(AnyCertificate(algorithms));
        let control = settings(&self.shown, &self.sessions.of_asked(), verifier)?;
        Ok(Self {
            control: Arc::new(control),
            asks: true,
            ..self
        })
    }

    /// Says what is wrong with the pairs and with which of them, without making one.
    pub fn check(config: &config::Tls) -> Vec<(String, TlsError)> {
        let pairs = config.pairs().enumerate();
        let wrong = pairs.filter_map(|(at, (key, files))| {
            let may_be_made = at == 0 && config.generate;
            let present = if may_be_made {
                is_present(files)
            } else {
                Ok(true)
            };
            let read = match present {
                Ok(true) => Pair::read(files).map(drop),
                other => other.map(drop),
            };
            Some((key, read.err()?))
        });
        wrong.collect()
    }

    /// What is about to go wrong with the pairs, and with which of them: certificates that have expired or soon will, and chains in the wrong order.
    pub fn warnings(config: &config::Tls, now: Timestamp) -> Vec<(String, String)> {
        let warned = config.pairs().flat_map(|(key, files)| {
            let warnings = pair::warnings(&files.certificate, now);
            warnings.into_iter().map(move |it| (key.clone(), it))
        });
        warned.collect()
    }

    /// SHA-256 of the first certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        self.shown.first.fingerprint
    }

    /// Those of the alternatives.
    pub fn other_fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        self.shown.others.iter().map(|pair| pair.fingerprint)
    }

    /// When the first of the certificates ends.
    pub fn expires(&self) -> Timestamp {
        let others = self.shown.others.iter().map(|pair| pair.expires);
        others.fold(self.shown.first.expires, Timestamp::min)
    }

    /// For control connections.
    pub(in crate::listen) fn control(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.control)
    }

    /// Makes the tickets of a control connection carry the tag of its session. To be called before the handshake.
    pub(in crate::listen) fn mark(&self, tag: SessionTag, connection: &mut ServerConnection) {
        if self.asks {
            tag.mark_asked(connection);
        } else {
            tag.mark(connection);
        }
    }

    /// For one data connection of the session `ours`. A sender that closes with unread tickets in its socket sends RST and loses its last bytes, so
    /// uploads get none, unless the client could not go on without.
    pub(in crate::listen) fn data(
        &self,
        direction: Direction,
        ours: SessionTag,
        need: Need<'_>,
    ) -> (Arc<ServerConfig>, Arc<Witness>) {
        let (count, tickets) = match (direction, need) {
            (Direction::Down, _) => (DOWN_TICKETS, Tickets::Always),
            (Direction::Up, Need::ToBeTaken(newest)) => (1, Tickets::ForNews(Arc::clone(newest))),
            (Direction::Up, Need::Nothing) => (0, Tickets::Always),
        };
        let shown = Arc::clone(&self.plain.cert_resolver);
        let witness = Witness::new(self.sessions.clone(), shown, ours, tickets);
        let mut config = ServerConfig::clone(&self.plain);
        witness.watch(&mut config);
        config.alpn_protocols.push(b"ftp-data".to_vec());
        config.send_tls13_tickets = count;
        (Arc::new(config), witness)
    }
}

/// What a client needs tickets for.
#[derive(Debug, Clone, Copy)]
pub(in crate::listen) enum Need<'a> {
    /// Its data connections are taken without.
    Nothing,
    /// They must resume. Java, PHP and Go use a ticket once, and from an upload on would have none: the session's newest tells them from the others.
    ToBeTaken(&'a Arc<Newest>),
}

/// Which way a data connection carries bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listen) enum Direction {
    /// To us.
    Up,
    /// From us.
    Down,
}

/// The pairs, of which each client gets one.
#[derive(Debug)]
struct Shown {
    first: Pair,
    others: Vec<Pair>,
}

impl ResolvesServerCert for Shown {
    /// The first that the client can verify. On TLS 1.2 rustls has already left out the schemes that none of the client's suites can be used with.
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = client_hello.signature_schemes();
        let fits = |pair: &&Pair| pair.certified.key.choose_scheme(schemes).is_some();
        let mut pairs = std::iter::once(&self.first).chain(&self.others);
        // With none that fits, the first: the handshake fails, and says why.
        let chosen = pairs.find(fits).unwrap_or(&self.first);
        Some(Arc::clone(&chosen.certified))
    }
}

/// As control connections use them.
fn settings(
    shown: &Arc<Shown>,
    sessions: &Resumption,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Setup)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::clone(shown) as Arc<dyn ResolvesServerCert>);
    // A client that offers only another protocol's name is refused; one that offers none is not (ALPACA).
    config.alpn_protocols = vec![b"ftp".to_vec()];
    config.session_storage = Arc::clone(&sessions.by_id);
    config.ticketer = Arc::clone(&sessions.tickets);
    config.send_tls13_tickets = CONTROL_TICKETS;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use jiff::SignedDuration;

    use super::*;
    use crate::clock::{Clock as _, SystemClock};
    use crate::config::CertificateFiles;

    fn pair(folder: &Path) -> config::Tls {
        config::Tls {
            first: CertificateFiles {
                certificate: folder.join("certs/server.pem"),
                key: folder.join("certs/server.key"),
            },
            generate: true,
            alternatives: Vec::new(),
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
        assert_eq!(identity.fingerprint().to_string().len(), 32 * 3 - 1);
        let year = SystemClock.now() + SignedDuration::from_hours(24 * 365 * 9);
        assert!(identity.expires() > year);
        let mode = fs::metadata(&config.first.key)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let leaf = &identity.shown.first.certified.cert;
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
            matches!(error(&config), TlsError::Read { path, .. } if path == config.first.certificate)
        );
        config.generate = true;
        TlsIdentity::load(&config, &hosts(), None).unwrap();

        let other = tempfile::tempdir().unwrap();
        let stranger = pair(other.path());
        TlsIdentity::load(&stranger, &hosts(), None).unwrap();
        let mixed = config::Tls {
            first: CertificateFiles {
                key: stranger.first.key.clone(),
                ..config.first.clone()
            },
            ..config.clone()
        };
        assert!(matches!(error(&mixed), TlsError::Mismatch { .. }));

        fs::write(&stranger.first.key, "not a key").unwrap();
        assert!(
            matches!(error(&stranger), TlsError::Key { path, .. } if path == stranger.first.key)
        );
        fs::write(&stranger.first.certificate, "").unwrap();
        assert!(matches!(error(&stranger), TlsError::Certificate { .. }));

        fs::remove_file(&config.first.key).unwrap();
        assert!(
            matches!(error(&config), TlsError::HalfMissing { missing, .. } if missing == config.first.key)
        );
    }

    #[test]
    fn uploads_get_no_tickets_and_the_rest_get_some() {
        let folder = tempfile::tempdir().unwrap();
        let identity = TlsIdentity::load(&pair(folder.path()), &hosts(), None).unwrap();
        assert!(identity.control().send_tls13_tickets > 4);
        let tickets = |direction, need| {
            let (config, _) = identity.data(direction, SessionTag::mint(), need);
            config.send_tls13_tickets
        };
        assert_eq!(tickets(Direction::Up, Need::Nothing), 0);
        assert!(tickets(Direction::Down, Need::Nothing) > 0);
        assert_eq!(tickets(Direction::Up, Need::ToBeTaken(&Arc::default())), 1);
    }
}
