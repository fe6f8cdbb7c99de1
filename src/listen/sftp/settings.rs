//! What the SSH layer agrees to: algorithms, methods, windows. Nothing with SHA-1, nothing compressed.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};
use russh::server::Config;
use russh::{MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};

use super::host_key::{self, HostKeyError};
use crate::config;

/// Who we are to SSH clients.
#[derive(Clone)]
pub struct SshIdentity {
    fingerprints: Vec<String>,
    settings: Arc<Config>,
}

impl SshIdentity {
    /// Reads the host keys, and makes the first one when it is missing and `generate` is set. Blocks on the file system.
    pub fn load(config: &config::Sftp) -> Result<Self, HostKeyError> {
        let keys = host_key::load(config)?;
        Ok(Self {
            fingerprints: keys.iter().map(host_key::fingerprint).collect(),
            settings: Arc::new(ssh(keys)),
        })
    }

    /// Says what is wrong with the host keys, without making one.
    pub fn check(config: &config::Sftp) -> Vec<HostKeyError> {
        host_key::check(config)
    }

    /// `SHA256:…` of each host key, in the order of the configuration.
    pub fn fingerprints(&self) -> &[String] {
        &self.fingerprints
    }

    /// For one connection.
    pub(super) fn settings(&self) -> Arc<Config> {
        Arc::clone(&self.settings)
    }
}

impl fmt::Debug for SshIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshIdentity")
            .field("fingerprints", &self.fingerprints)
            .finish_non_exhaustive()
    }
}

/// Login methods, offered again after every refusal.
pub(super) fn methods() -> MethodSet {
    MethodSet::from(
        &[
            MethodKind::PublicKey,
            MethodKind::Password,
            MethodKind::KeyboardInteractive,
        ][..],
    )
}

/// The configuration of every SSH connection.
fn ssh(keys: Vec<PrivateKey>) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-rosterd")),
        methods: methods(),
        // Logins delays a refused password itself. A refused key has the same short delay whether its user exists or not.
        auth_rejection_time: Duration::from_millis(100),
        auth_rejection_time_initial: Some(Duration::ZERO),
        // Six, and the "none" that every client begins with.
        max_auth_attempts: 7,
        keys,
        // Data on its way to a client that does not read: at most this many replies wait outside the client's window.
        event_buffer_size: 4,
        channel_buffer_size: 1,
        preferred: preferred(),
        // Deadlines are the connection's business: this one would also count keepalives as life.
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    }
}

fn preferred() -> Preferred {
    Preferred {
        kex: Cow::Borrowed(&[
            kex::MLKEM768X25519_SHA256,
            kex::CURVE25519,
            kex::CURVE25519_PRE_RFC_8731,
            kex::ECDH_SHA2_NISTP256,
            kex::DH_GEX_SHA256,
            kex::DH_G18_SHA512,
            kex::DH_G17_SHA512,
            kex::DH_G16_SHA512,
            kex::DH_G15_SHA512,
            kex::DH_G14_SHA256,
            kex::EXTENSION_SUPPORT_AS_CLIENT,
            kex::EXTENSION_SUPPORT_AS_SERVER,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
        ]),
        key: Cow::Borrowed(&[
            Algorithm::Ed25519,
            Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP256,
            },
            Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP384,
            },
            Algorithm::Ecdsa {
                curve: EcdsaCurve::NistP521,
            },
            Algorithm::Rsa {
                hash: Some(HashAlg::Sha512),
            },
            Algorithm::Rsa {
                hash: Some(HashAlg::Sha256),
            },
        ]),
        cipher: Cow::Borrowed(&[
            cipher::AES_128_GCM,
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_GCM,
            cipher::AES_256_CTR,
            cipher::AES_192_CTR,
            cipher::AES_128_CTR,
        ]),
        mac: Cow::Borrowed(&[
            mac::HMAC_SHA512_ETM,
            mac::HMAC_SHA256_ETM,
            mac::HMAC_SHA512,
            mac::HMAC_SHA256,
        ]),
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::DEFAULT
    }
}
