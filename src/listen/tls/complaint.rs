//! What an admin is told of a handshake that failed because of what a sender offers or expects: one sentence, and what to do.

use std::io;

use rustls::{AlertDescription, Error, PeerIncompatible};

/// None: not what a sender does that means well.
pub(in crate::listen) fn complaint(error: &io::Error) -> Option<&'static str> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    Some(match error {
        Error::PeerIncompatible(incompatible) => match incompatible {
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired => {
                "the sender's TLS is too old: it must have TLS 1.2 or 1.3"
            }
            PeerIncompatible::NoCipherSuitesInCommon => {
                "the sender's TLS is too old, or needs another kind of certificate: it offers no cipher suite with forward secrecy and authenticated encryption that goes with ours (some senders need a pair with an RSA key in [[tls.alternative]])"
            }
            PeerIncompatible::NoKxGroupsInCommon => {
                "the sender's TLS is too old: it offers no key exchange with forward secrecy on X25519, P-256 or P-384"
            }
            PeerIncompatible::NoSignatureSchemesInCommon => {
                "the sender needs another kind of certificate: add a pair with an RSA key in [[tls.alternative]]"
            }
            _ => "the sender's TLS does not go together with ours",
        },
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnsupportedCertificate,
        ) => {
            "the sender does not trust our certificate: it must know the authority, or this fingerprint"
        }
        _ => return None,
    })
}
