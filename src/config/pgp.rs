//! `[data_source.pgp]`: the keys that open a data source's encrypted deliveries, and those that sign them.
//!
//! The key files are read with the configuration, so that `rosterd check` finds what is wrong with them before a delivery does.

use std::path::Path;

use crate::config::document::{Section, Value};
use crate::parse::keys::{PgpAgreement, PgpSecretKey, Signature};

/// Of a file with a key: one with thousands of signatures is smaller.
const KEY_BYTES: u64 = 1 << 20;

/// Reads it, where there is one.
pub(super) fn read(source: &Section<'_>) -> Option<PgpAgreement> {
    let section = source.section("pgp")?;
    if !section.has("keys") {
        section.missing("keys", "[\"../keys/acme.asc\"]");
    }
    let armoured = |key, kind: &str| -> Vec<String> {
        let paths = section.texts(key).unwrap_or_default();
        paths
            .iter()
            .filter_map(|path| armoured(&section, path, kind))
            .collect()
    };
    let keys = armoured("keys", "PRIVATE");
    let signers = armoured("signers", "PUBLIC");
    let passphrase = section
        .text("passphrase_file")
        .and_then(|path| content(&section, &path))
        .map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
    let otherwise = if section.has("signers") {
        Signature::Required
    } else {
        Signature::Optional
    };
    let signature = section.parsed("signature", |word| match word {
        "required" => Ok(Signature::Required),
        "optional" => Ok(Signature::Optional),
        _ => Err("expected \"required\" or \"optional\""),
    });
    let signature = signature.unwrap_or(otherwise);
    if signature == Signature::Required && !section.has("signers") {
        section.wrong_key(
            "signature",
            "nobody could fulfil it: name the public keys of those who sign as signers = [\"../keys/sender.asc\"]",
        );
    }
    section.finish();
    let secret = |armoured| PgpSecretKey::new(armoured, passphrase.clone());
    Some(PgpAgreement {
        secret_keys: keys.into_iter().map(secret).collect(),
        signers,
        signature,
        // The importer knows the limits.
        plain_bytes: 0,
    })
}

fn armoured(section: &Section<'_>, path: &Value<String>, kind: &str) -> Option<String> {
    let text = content(section, path)?;
    if text.contains(&format!("-----BEGIN PGP {kind} KEY BLOCK-----")) {
        return Some(text);
    }
    let export = if kind == "PRIVATE" {
        "gpg --armor --export-secret-keys"
    } else {
        "gpg --armor --export"
    };
    section.wrong(
        path,
        format!("the file holds no armoured PGP {kind} KEY BLOCK: write it with `{export}`"),
    );
    None
}

fn content(section: &Section<'_>, path: &Value<String>) -> Option<String> {
    let file = section.folder().join(&path.content);
    match bounded(&file) {
        Ok(text) => Some(text),
        Err(error) => {
            section.wrong(path, format!("{} cannot be read: {error}", file.display()));
            None
        }
    }
}

fn bounded(file: &Path) -> std::io::Result<String> {
    use std::io::Read as _;

    let mut text = String::new();
    std::fs::File::open(file)?
        .take(KEY_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}
