//! Pure. The keys of an agreement, taken apart, and which of them a message is for.

use std::fmt::Write as _;

use pgp::composed::{Deserializable as _, SignedPublicKey, SignedSecretKey};
use pgp::packet::PublicKeyEncryptedSessionKey;
use pgp::types::{KeyDetails, Password};

use crate::parse::finding::Finding;
use crate::parse::keys::PgpAgreement;
use crate::parse::read::pgp::refusal;

/// The keys, ready for use.
pub(super) struct Keys {
    pub(super) secret: Vec<Secret>,
    pub(super) signers: Vec<SignedPublicKey>,
}

/// A secret key and what unlocks it.
pub(super) struct Secret {
    pub(super) key: SignedSecretKey,
    pub(super) passphrase: Password,
}

impl Keys {
    pub(super) fn parse(agreement: &PgpAgreement) -> Result<Self, Finding> {
        let unusable = |whose: &str| {
            refusal(
                format!(
                    "The file cannot be decrypted: {whose} that was set up here is no PGP key."
                ),
                "Have the keys in the configuration checked.",
            )
        };
        let mut secret = Vec::new();
        for configured in &agreement.secret_keys {
            let (key, _) = SignedSecretKey::from_string(configured.reveal_key())
                .map_err(|_| unusable("a secret key"))?;
            let passphrase = configured.reveal_passphrase();
            secret.push(Secret {
                key,
                passphrase: passphrase.map_or_else(Password::empty, Password::from),
            });
        }
        let mut signers = Vec::new();
        for armoured in &agreement.signers {
            let unusable = |_| unusable("a sender's public key");
            let (keys, _) = SignedPublicKey::from_string_many(armoured).map_err(unusable)?;
            for key in keys {
                let key = key.map_err(unusable)?;
                key.verify_bindings().map_err(unusable)?;
                signers.push(key);
            }
        }
        Ok(Self { secret, signers })
    }

    /// Whether one of the keys is meant and can be unlocked; if not, why.
    pub(super) fn fit(&self, recipients: &[&PublicKeyEncryptedSessionKey]) -> Result<(), Finding> {
        let mut locked = None;
        for Secret { key, passphrase } in &self.secret {
            let meant = |part: &dyn Fn(&PublicKeyEncryptedSessionKey) -> bool| {
                recipients.iter().any(|recipient| part(recipient))
            };
            let primary = key.primary_key.public_key();
            if meant(&|recipient| recipient.match_identity(primary)) {
                match key.primary_key.unlock(passphrase, |_, _| Ok(())) {
                    Ok(Ok(())) => return Ok(()),
                    _ => locked = Some(key_id(primary)),
                }
            }
            for subkey in &key.secret_subkeys {
                let public = subkey.key.public_key();
                if meant(&|recipient| recipient.match_identity(public)) {
                    match subkey.key.unlock(passphrase, |_, _| Ok(())) {
                        Ok(Ok(())) => return Ok(()),
                        _ => locked = Some(key_id(public)),
                    }
                }
            }
        }
        Err(match locked {
            Some(id) => refusal(
                format!(
                    "The file is encrypted for our key {id}, but the passphrase that was set up here does not unlock that key."
                ),
                "Have the passphrase in the configuration corrected, then have the file imported again.",
            ),
            None => self.stranger(recipients),
        })
    }

    fn stranger(&self, recipients: &[&PublicKeyEncryptedSessionKey]) -> Finding {
        let theirs = recipients.iter().map(|recipient| recipient_id(recipient));
        let ours = self.secret.iter().flat_map(|secret| {
            let primary = key_id(secret.key.primary_key.public_key());
            let subkeys = secret.key.secret_subkeys.iter();
            std::iter::once(primary).chain(subkeys.map(|subkey| key_id(subkey.key.public_key())))
        });
        refusal(
            format!(
                "The file is encrypted for the key {}, and the keys here are {}.",
                listed(theirs),
                listed(ours)
            ),
            "Encrypt it with our current public key.",
        )
    }
}

/// Its last 16 digits, as every program shows them.
pub(super) fn key_id(key: &impl KeyDetails) -> String {
    format!("{:X}", Hex(key.legacy_key_id().as_ref()))
}

fn recipient_id(recipient: &PublicKeyEncryptedSessionKey) -> String {
    match (recipient.id(), recipient.fingerprint()) {
        (Ok(id), _) => format!("{:X}", Hex(id.as_ref())),
        (_, Ok(Some(fingerprint))) => format!("{:X}", Hex(fingerprint.as_bytes())),
        _ => "of nobody in particular".to_owned(),
    }
}

/// The first few of them: a message may name thousands.
pub(super) fn listed(ids: impl Iterator<Item = String>) -> String {
    const SHOWN: usize = 5;
    let ids: Vec<String> = ids.take(SHOWN + 1).collect();
    let more = if ids.len() > SHOWN { " and more" } else { "" };
    let shown: Vec<String> = ids.into_iter().take(SHOWN).collect();
    format!("{}{more}", shown.join(", "))
}

pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl std::fmt::UpperHex for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut digits = String::new();
        for byte in self.0 {
            write!(digits, "{byte:02X}")?;
        }
        f.write_str(&digits)
    }
}
