//! What the SSH layer agrees to: algorithms, methods, windows. Nothing compressed, and nothing with SHA-1 or CBC but on a listener that an admin has
//! opened for it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey};
use russh::server::Config;
use russh::{MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};

use super::host_key::{self, HostKeyError};
use crate::config;

/// What a listener takes from clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithms {
    /// What is good today.
    Current,
    /// Beside them what clients of the years before 2015 need: `sftp.legacy`.
    Outdated,
}

impl Algorithms {
    /// The listener's name in the log.
    pub const fn listener(self) -> &'static str {
        match self {
            Self::Current => "sftp",
            Self::Outdated => "sftp-legacy",
        }
    }

    /// The key of the configuration that lists its addresses.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Current => "sftp.listen",
            Self::Outdated => "sftp.legacy",
        }
    }

    /// Whether a client may sign with this.
    pub(super) fn trust(self, signature: &Algorithm) -> bool {
        match signature {
            Algorithm::Rsa { hash: None } => self == Self::Outdated,
            Algorithm::Dsa => false,
            _ => true,
        }
    }
}

/// Who we are to SSH clients.
#[derive(Clone)]
pub struct SshIdentity {
    fingerprints: Vec<String>,
    current: Arc<Config>,
    outdated: Arc<Config>,
}

impl SshIdentity {
    /// Reads the host keys, and makes the first one when it is missing and `generate` is set. Blocks on the file system.
    pub fn load(config: &config::Sftp) -> Result<Self, HostKeyError> {
        let keys = host_key::load(config)?;
        Ok(Self {
            fingerprints: keys.iter().map(host_key::fingerprint).collect(),
            current: Arc::new(ssh(keys.clone(), current())),
            outdated: Arc::new(ssh(keys, outdated())),
        })
    }

    /// Says what is wrong with the host keys, without making one.
    pub fn check(config: &config::Sftp) -> Vec<HostKeyError> {
        host_key::check(config)
    }

    /// What an admin may not have thought of: most clients that need `sftp.legacy` know no host keys but RSA. Blocks on the file system.
    pub fn note(config: &config::Sftp) -> Option<&'static str> {
        (!config.legacy.is_empty() && !host_key::has_rsa(config)).then_some(
            "sftp.host_keys names no RSA key, and most clients that need sftp.legacy know no other kind: make one with `ssh-keygen -t rsa -b 3072 -N \"\"` and name it there too",
        )
    }

    /// `SHA256:…` of each host key, in the order of the configuration.
    pub fn fingerprints(&self) -> &[String] {
        &self.fingerprints
    }

    /// For one connection.
    pub(super) fn settings(&self, algorithms: Algorithms) -> Arc<Config> {
        Arc::clone(match algorithms {
            Algorithms::Current => &self.current,
            Algorithms::Outdated => &self.outdated,
        })
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
fn ssh(keys: Vec<PrivateKey>, preferred: Preferred) -> Config {
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
        preferred,
        // Deadlines are the connection's business: this one would also count keepalives as life.
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    }
}

fn current() -> Preferred {
    Preferred {
        kex: Cow::Borrowed(&[
            kex::MLKEM768X25519_SHA256,
            kex::CURVE25519,
            kex::CURVE25519_PRE_RFC_8731,
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

/// The same, and what is outdated behind it. Not 3DES.
fn outdated() -> Preferred {
    let mut preferred = current();
    preferred
        .kex
        .to_mut()
        .extend([kex::ECDH_SHA2_NISTP256, kex::DH_G14_SHA1, kex::DH_GEX_SHA1]);
    preferred.key.to_mut().push(Algorithm::Rsa { hash: None });
    preferred.cipher.to_mut().extend([
        cipher::AES_256_CBC,
        cipher::AES_192_CBC,
        cipher::AES_128_CBC,
    ]);
    preferred.mac.to_mut().push(mac::HMAC_SHA1);
    preferred
}
