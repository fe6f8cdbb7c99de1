//! Pure. Who has signed a message, and whether that is enough.

use pgp::composed::Message;
use pgp::packet::{Signature as Packet, SignatureType};
use pgp::types::KeyDetails;

use crate::parse::finding::{Finding, Severity, code};
use crate::parse::keys::{PgpAgreement, Signature};
use crate::parse::read::pgp::keys::{Hex, Keys, listed};
use crate::parse::read::table::Stop;

/// What is to be said of one signature.
enum Verdict {
    Good,
    Bad,
    /// Nobody here has the key.
    Unknown(String),
}

/// Whether the signatures of a message that was read to its end are what was agreed; with what is worth knowing.
pub(super) fn judge(
    message: &Message<'_>,
    agreement: &PgpAgreement,
    keys: &Keys,
) -> Result<Vec<Finding>, Stop> {
    let count = match message {
        Message::Signed { reader, .. } => reader.num_signatures(),
        _ => 0,
    };
    let verdicts: Vec<Verdict> = (0..count)
        .map(|index| verify(message, index, keys))
        .collect();
    if verdicts
        .iter()
        .any(|verdict| matches!(verdict, Verdict::Bad))
    {
        return Err(refusal(
            "The signature of the file is not valid: the file was changed after it was signed, or somebody else has signed it.",
            "Find out where the file comes from before it is sent again.",
        ));
    }
    if verdicts
        .iter()
        .any(|verdict| matches!(verdict, Verdict::Good))
    {
        return Ok(Vec::new());
    }
    let strangers = listed(verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::Unknown(id) => Some(id.clone()),
        _ => None,
    }));
    match (agreement.signature, count) {
        (Signature::Required, 0) => Err(refusal(
            "The file is not signed, and a signature is required.",
            "Sign the file with the key that was agreed when it is encrypted.",
        )),
        (Signature::Required, _) => Err(refusal(
            format!(
                "The file was signed with the key {strangers}, which is not a key that was agreed."
            ),
            "Sign it with the key that was agreed, or have the public key of the new one set up.",
        )),
        (Signature::Optional, 0) => Ok(Vec::new()),
        (Signature::Optional, _) => Ok(vec![
            Finding::file(
                code::SIGNATURE_ERROR,
                format!(
                    "The file was signed with the key {strangers}, which is not known here, so the signature was not verified."
                ),
                "Nothing needs to be done; to have it verified, have the public key of the sender set up.",
            )
            .with_severity(Severity::Info),
        ]),
    }
}

fn verify(message: &Message<'_>, index: usize, keys: &Keys) -> Verdict {
    let signature = match message {
        Message::Signed { reader, .. } => reader.signature(index),
        _ => None,
    };
    let Some(signature) = signature else {
        return Verdict::Bad;
    };
    // Other kinds sign keys and names, not files.
    if !matches!(
        signature.typ(),
        Some(SignatureType::Binary | SignatureType::Text)
    ) {
        return Verdict::Bad;
    }
    let mut known = false;
    for signer in &keys.signers {
        if is_by(signature, &signer.primary_key) {
            known = true;
            if message
                .verify_nested_explicit(index, &signer.primary_key)
                .is_ok()
            {
                return Verdict::Good;
            }
        }
        for subkey in &signer.public_subkeys {
            let signs = subkey.signatures.iter().any(|it| it.key_flags().sign());
            if signs && is_by(signature, &subkey.key) {
                known = true;
                if message.verify_nested_explicit(index, &subkey.key).is_ok() {
                    return Verdict::Good;
                }
            }
        }
    }
    if known {
        return Verdict::Bad;
    }
    let id = signature
        .issuer_key_id()
        .first()
        .map(|id| format!("{:X}", Hex(id.as_ref())));
    let fingerprint = || {
        let fingerprints = signature.issuer_fingerprint();
        fingerprints
            .first()
            .map(|it| format!("{:X}", Hex(it.as_bytes())))
    };
    Verdict::Unknown(
        id.or_else(fingerprint)
            .unwrap_or_else(|| "of nobody".to_owned()),
    )
}

/// Whether the signature says that it is by this key. What says nothing is by everybody: then it must be valid for one of them.
fn is_by(signature: &Packet, key: &impl KeyDetails) -> bool {
    let ids = signature.issuer_key_id();
    let fingerprints = signature.issuer_fingerprint();
    ids.iter().any(|id| **id == key.legacy_key_id())
        || fingerprints.iter().any(|it| **it == key.fingerprint())
        || ids.is_empty() && fingerprints.is_empty()
}

fn refusal(message: impl Into<String>, remedy: impl Into<String>) -> Stop {
    Finding::file(code::SIGNATURE_ERROR, message, remedy).into()
}
