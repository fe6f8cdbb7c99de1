//! The certificate and the TLS settings made from it: PEM files come in, rustls configurations go out, one for each kind of connection.
//!
//! Data connections are tied to their control connection by tickets: every ticket we issue carries the tag of the session it was issued in,
//! sealed by one stateless ticketer, and a connection that resumes shows the tag again. (rustls's default store is single-use: OpenSSL resumed
//! once on TLS 1.3 and never again.)

mod pair;
mod ticket;

use std::sync::Arc;

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::pki_types::pem;
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

pub use self::pair::TlsError;
use self::pair::{
    certify, expiry, fingerprint, generate, half_missing, present, read_chain, read_key,
};
pub(in crate::listen) use self::ticket::{SessionTag, Witness};
use crate::config;

/// Tickets on a control connection: senders that use each one once have enough for some data connections before downloads bring fresh ones.
const CONTROL_TICKETS: usize = 8;
/// Tickets on a download or listing.
const DOWN_TICKETS: usize = 2;

/// Who we are to TLS clients.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    fingerprint: String,
    expires: Timestamp,
    control: Arc<ServerConfig>,
    ticketer: Arc<dyn ProducesTickets>,
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
        let witness = Arc::new(Witness::new(Arc::clone(&self.ticketer)));
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use jiff::SignedDuration;

    use super::*;
    use crate::clock::{Clock as _, SystemClock};

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
}
