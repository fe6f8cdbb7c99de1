//! The files of a certificate and its key: PEM comes in, what rustls signs with goes out. Makes a self-signed pair where it may.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};

use crate::clock::{Clock as _, SystemClock};
use crate::config;

/// How long a certificate of ours lasts.
const SELF_SIGNED_DAYS: i64 = 3650;

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

pub(super) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
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

pub(super) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
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

pub(super) fn certify(
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

pub(super) fn fingerprint(leaf: &CertificateDer<'_>) -> String {
    let bytes: Vec<String> = Sha256::digest(leaf)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    bytes.join(":")
}

pub(super) fn expiry(leaf: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

pub(super) fn present(path: &Path) -> Result<bool, TlsError> {
    path.try_exists().map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn half_missing(config: &config::Tls, certificate_is_here: bool) -> TlsError {
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
pub(super) fn generate(config: &config::Tls, hosts: &[String]) -> Result<(), TlsError> {
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
