//! Posts one notice to a webhook: HTTP/1.1, one request a connection, no redirects. What comes back counts by its status line alone.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::{Notice, Webhook};
use crate::secret::Secret;

/// From looking up the name to the answer.
const LIMIT: Duration = Duration::from_secs(15);
/// A status line is shorter.
const STATUS_BYTES: usize = 1024;
/// Where systems keep the certificates of the authorities that they trust.
const SYSTEM: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why a notice was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebhookError {
    #[error("cannot reach it")]
    Network(#[from] io::Error),
    #[error("it did not answer within {} seconds", LIMIT.as_secs())]
    Slow,
    #[error("it answered with the status {0}")]
    Refused(u16),
    #[error("what it answered is not HTTP")]
    NotHttp,
    #[error("the host is no name that a certificate could have")]
    Name(#[from] InvalidDnsNameError),
    #[error(
        "there are no certificates of authorities on this system: name a file of them as notice.ca"
    )]
    NoAuthorities,
    #[error("the certificates of authorities in {path} cannot be read")]
    Authorities {
        path: PathBuf,
        #[source]
        source: pem::Error,
    },
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Posts `body`, the notice `id`, and waits until it is taken.
pub(super) async fn post(
    notice: &Notice,
    id: &str,
    now: Timestamp,
    body: &[u8],
) -> Result<(), WebhookError> {
    let posting = async {
        let Webhook { host, port, .. } = &notice.webhook;
        let head = head(notice, id, now, body);
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        if notice.webhook.is_secure {
            let name = ServerName::try_from(host.clone())?;
            let connector = TlsConnector::from(Arc::new(client(notice)?));
            exchange(connector.connect(name, stream).await?, &head, body).await
        } else {
            exchange(stream, &head, body).await
        }
    };
    let status = tokio::time::timeout(LIMIT, posting)
        .await
        .map_err(|_| WebhookError::Slow)??;
    match status {
        200..=299 => Ok(()),
        status => Err(WebhookError::Refused(status)),
    }
}

/// Everything before the body.
fn head(notice: &Notice, id: &str, now: Timestamp, body: &[u8]) -> String {
    let Webhook {
        authority, path, ..
    } = &notice.webhook;
    let at = now.as_second();
    let signed = notice.secret.as_ref().map(|secret| {
        let signature = signature(secret, at, body);
        format!("Rosterd-Signature: sha256={signature}\r\n")
    });
    format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: rosterd/{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\nRosterd-Notice: {id}\r\nRosterd-Timestamp: {at}\r\n{}\r\n",
        env!("CARGO_PKG_VERSION"),
        body.len(),
        signed.unwrap_or_default()
    )
}

/// Hex of the HMAC-SHA256 of the time stamp, a dot and the body: an old notice cannot be sent again as a new one.
fn signature(secret: &Secret<String>, at: i64, body: &[u8]) -> String {
    // A key of any length fits.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()) else {
        return String::new();
    };
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    let mut hex = String::new();
    for byte in mac.finalize().into_bytes() {
        write!(hex, "{byte:02x}").unwrap_or_default();
    }
    hex
}

/// Sends the request and returns the status of the answer.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    head: &str,
    body: &[u8],
) -> Result<u16, WebhookError> {
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    let mut chunk = [0; 256];
    while !answer.contains(&b'\n') && answer.len() < STATUS_BYTES {
        let length = stream.read(&mut chunk).await?;
        if length == 0 {
            break;
        }
        answer.extend_from_slice(chunk.get(..length).unwrap_or_default());
    }
    status(&answer).ok_or(WebhookError::NotHttp)
}

/// The status of an answer that begins so.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.trim_end().strip_prefix("HTTP/1.")?.split(' ');
    words.next()?;
    let status: u16 = words.next()?.parse().ok()?;
    (100..600).contains(&status).then_some(status)
}

/// Trusts the authorities that the configuration names, else the system's.
fn client(notice: &Notice) -> Result<ClientConfig, WebhookError> {
    let system = || {
        let paths = SYSTEM.iter().map(PathBuf::from);
        paths.into_iter().find(|path| path.is_file())
    };
    let path = notice
        .ca
        .clone()
        .or_else(system)
        .ok_or(WebhookError::NoAuthorities)?;
    let refused = |source| WebhookError::Authorities {
        path: path.clone(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(&path).map_err(refused)? {
        // One that rustls does not take is no reason to trust none.
        roots.add_parsable_certificates([certificate.map_err(refused)?]);
    }
    if roots.is_empty() {
        return Err(refused(pem::Error::NoItemsFound));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_other_programs_compute() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef
        let secret = Secret::new("0123456789abcdef".to_owned());
        assert_eq!(
            signature(&secret, 1_700_000_000, b"{\"a\":1}"),
            "9eb18f493f8ec135d9eb2dad817c369bb4e9cbfa818657897a7437c1cd8c3a23"
        );
    }

    #[test]
    fn an_answer_counts_by_its_status() {
        assert_eq!(status(b"HTTP/1.1 204 No Content\r\n\r\n"), Some(204));
        assert_eq!(status(b"HTTP/1.0 500\n"), Some(500));
        for nonsense in [
            &b""[..],
            b"220 ftp",
            b"HTTP/1.1 ",
            b"HTTP/2 200",
            b"HTTP/1.1 9999 x",
            b"HTTP/1.1 2\xff0 x",
        ] {
            assert_eq!(status(nonsense), None);
        }
    }
}
