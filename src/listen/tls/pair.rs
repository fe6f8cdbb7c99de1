//! The files of a certificate and its key: PEM comes in, what rustls signs with goes out. Makes a self-signed pair where it may.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;

use crate::clock::{Clock as _, SystemClock};
use crate::config::{CertificateFiles, Fingerprint};

/// How long a certificate of ours lasts.
const SELF_SIGNED_DAYS: i64 = 3650;
/// How long before its end a certificate is warned about.
const RENEWAL_DAYS: i64 = 30;

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
    #[error(
        "the certificate in {path} cannot be understood: put a valid X.509 certificate of version 3 there"
    )]
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

/// A certificate that was read, with all it needs to be shown.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) fingerprint: Fingerprint,
    pub(super) expires: Timestamp,
    pub(super) certified: Arc<CertifiedKey>,
}

impl Pair {
    pub(super) fn read(files: &CertificateFiles) -> Result<Self, TlsError> {
        let chain = read_chain(&files.certificate)?;
        let key = read_key(&files.key)?;
        let leaf = chain.first().ok_or_else(|| TlsError::Certificate {
            path: files.certificate.clone(),
            source: pem::Error::NoItemsFound,
        })?;
        let fingerprint = fingerprint(leaf);
        let (_, expires) = validity(leaf).ok_or_else(|| TlsError::Malformed {
            path: files.certificate.clone(),
        })?;
        Ok(Self {
            fingerprint,
            expires,
            certified: Arc::new(certify(files, chain, key)?),
        })
    }
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
    files: &CertificateFiles,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<CertifiedKey, TlsError> {
    use rustls::{Error, InconsistentKeys};
    let signing = default_provider()
        .key_provider
        .load_private_key(key)
        .map_err(|source| TlsError::KeyKind {
            path: files.key.clone(),
            source,
        })?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => Err(TlsError::Mismatch {
            certificate: files.certificate.clone(),
            key: files.key.clone(),
        }),
        Err(_) => Err(TlsError::Malformed {
            path: files.certificate.clone(),
        }),
    }
}

pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> Fingerprint {
    Fingerprint::from(<[u8; 32]>::from(Sha256::digest(certificate)))
}

/// What a person should look at in a certificate file that can be used all the same; nothing where it cannot be read.
pub(super) fn warnings(path: &Path, now: Timestamp) -> Vec<String> {
    let chain = read_chain(path).unwrap_or_default();
    let parsed: Vec<_> = chain
        .iter()
        .filter_map(|it| x509_parser::parse_x509_certificate(it).ok())
        .map(|(_, certificate)| certificate)
        .collect();
    let path = path.display();
    let mut warnings = Vec::new();
    for (at, it) in chain.iter().enumerate() {
        let which = match at {
            0 => format!("the certificate in {path}"),
            _ => format!("certificate {} in {path}", at + 1),
        };
        let Some((begins, ends)) = validity(it) else {
            continue;
        };
        let hours = ends.duration_since(now).as_hours();
        if ends <= now {
            warnings.push(format!(
                "{which} has expired on {}: senders that check it do not come in; put a new one there and reload",
                day(ends)
            ));
        } else if hours < 24 * RENEWAL_DAYS {
            warnings.push(format!(
                "{which} expires on {}, {} days from now: put a new one there and reload",
                day(ends),
                hours / 24
            ));
        }
        if begins > now {
            warnings.push(format!("{which} is not valid before {}", day(begins)));
        }
    }
    let in_order = |pair: &[X509Certificate<'_>]| match pair {
        [one, next] => one.issuer() == next.subject(),
        _ => true,
    };
    if !parsed.windows(2).all(in_order) {
        warnings.push(format!(
            "the certificates in {path} are not in order: senders that check them may refuse; behind the server's own stands the one that signed it, and so on"
        ));
    }
    warnings
}

fn day(instant: Timestamp) -> jiff::civil::Date {
    instant.to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// From when to when it is valid.
pub(super) fn validity(certificate: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let validity = certificate.validity();
    let instant = |second: i64| Timestamp::from_second(second).ok();
    Some((
        instant(validity.not_before.timestamp())?,
        instant(validity.not_after.timestamp())?,
    ))
}

fn present(path: &Path) -> Result<bool, TlsError> {
    path.try_exists().map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Whether both files are there; neither may be when they are to be made.
pub(super) fn is_present(files: &CertificateFiles) -> Result<bool, TlsError> {
    let missing = |missing: &Path, present: &Path| TlsError::HalfMissing {
        missing: missing.to_owned(),
        present: present.to_owned(),
    };
    match (present(&files.certificate)?, present(&files.key)?) {
        (true, false) => Err(missing(&files.key, &files.certificate)),
        (false, true) => Err(missing(&files.certificate, &files.key)),
        (both, _) => Ok(both),
    }
}

/// Makes a self-signed pair for `hosts` and this machine.
pub(super) fn generate(files: &CertificateFiles, hosts: &[String]) -> Result<(), TlsError> {
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
    write(&files.key, 0o600, key.serialize_pem().as_bytes())?;
    write(&files.certificate, 0o644, certificate.pem().as_bytes())
}

/// Year, month and day, as rcgen takes them.
fn civil(instant: Timestamp) -> (i32, u8, u8) {
    let date = day(instant);
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
