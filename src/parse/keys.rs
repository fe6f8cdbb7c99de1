//! Pure. The keys that open a delivery encrypted with PGP, and those that say who has sent it.
//!
//! They are told to the child, and only to it: that is what they serialise for. Printed, they show nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What was agreed about deliveries that are encrypted with PGP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PgpAgreement {
    /// The tenant's keys, any of which may open a delivery.
    pub secret_keys: Vec<PgpSecretKey>,
    /// Armoured public keys of those who may sign.
    pub signers: Vec<String>,
    /// Whether somebody must.
    pub signature: Signature,
    /// Most bytes of a plain text.
    pub plain_bytes: u64,
}

/// Whether a delivery must be signed. A bad signature refuses it in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signature {
    /// By one of the signers, or the delivery is refused.
    Required,
    /// It may be without one, or with one that nobody here can verify.
    Optional,
}

/// An armoured secret key, and what unlocks it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PgpSecretKey {
    armoured: String,
    passphrase: Option<String>,
}

impl PgpSecretKey {
    /// Hides both.
    pub fn new(armoured: String, passphrase: Option<String>) -> Self {
        Self {
            armoured,
            passphrase,
        }
    }

    /// Tells this key and passphrase from others, and nothing else.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.armoured.as_bytes());
        hasher.update(b"\n");
        hasher.update(self.passphrase.as_deref().unwrap_or_default().as_bytes());
        hasher.finalize().to_hex().to_string()
    }

    /// The key, for the one place that decrypts with it.
    pub(super) fn reveal_key(&self) -> &str {
        &self.armoured
    }

    /// What unlocks it, for the one place that does.
    pub(super) fn reveal_passphrase(&self) -> Option<&str> {
        self.passphrase.as_deref()
    }
}

impl fmt::Debug for PgpSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_agreed_shows_no_secret() {
        let agreement = PgpAgreement {
            secret_keys: vec![PgpSecretKey::new("BEGIN".into(), Some("hunter2".into()))],
            signers: Vec::new(),
            signature: Signature::Required,
            plain_bytes: 1,
        };
        let shown = format!("{agreement:?}");
        assert!(shown.contains("[secret key]"), "{shown}");
        assert!(!shown.contains("BEGIN") && !shown.contains("hunter2"));
    }
}
