//! Certificates of clients: what a client shows comes in, its fingerprint and dates go out once the client has proved that it holds the key.
//!
//! No authority is asked: a login lists the fingerprints it takes, so a certificate is as good as any other until the login looks at it.

use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConnection,
    SignatureScheme,
};

use super::pair;
use crate::config::Fingerprint;

/// What a client may show, with all that its own certificate was signed by. Every ticket carries it.
const CHAIN_LIMIT_BYTES: usize = 8 * 1024;

/// A certificate whose key the client holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listen) struct ClientCertificate {
    pub(in crate::listen) fingerprint: Fingerprint,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl ClientCertificate {
    /// What the client has shown in this handshake, or in the one that it has resumed.
    pub(in crate::listen) fn shown(connection: &ServerConnection) -> Option<Self> {
        let leaf = connection.peer_certificates()?.first()?;
        let (not_before, not_after) = pair::validity(leaf)?;
        Some(Self {
            fingerprint: pair::fingerprint(leaf),
            not_before,
            not_after,
        })
    }

    /// Whether `now` is within its dates.
    pub(in crate::listen) fn is_valid(&self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// Asks for a certificate, takes any, and lets clients in that have none.
#[derive(Debug)]
pub(super) struct AnyCertificate(pub(super) WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: a client must not think that its certificate is not wanted.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let size_bytes: usize = others.iter().map(|it| it.len()).sum();
        if leaf.len().saturating_add(size_bytes) > CHAIN_LIMIT_BYTES {
            return Err(Error::General("the client's chain is too long".to_owned()));
        }
        key_of(leaf).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signature, &self.0)
            .or_else(|_| self.verify_tls13_signature(message, leaf, signature))
    }

    /// With the bare key, because certificates of version 1 are about, which the other way does not take.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature_with_raw_key(message, &key_of(leaf)?, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

fn key_of<'a>(leaf: &'a CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'a>, Error> {
    match x509_parser::parse_x509_certificate(leaf) {
        Ok(([], certificate)) => Ok(SubjectPublicKeyInfoDer::from(
            certificate.tbs_certificate.subject_pki.raw,
        )),
        _ => Err(CertificateError::BadEncoding.into()),
    }
}
