//! Pure. Deliveries that are encrypted with PGP: decrypted into a place without a name, then read like any other file.
//!
//! Nothing of the plain text is looked at before all of it was decrypted, was found whole by its own integrity protection, and its signatures were
//! judged. So it does no harm that it is decrypted as it comes, which takes little memory whatever its size.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

mod begin;
mod keys;
mod signatures;

use std::fmt::Debug;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use pgp::composed::{DecryptionOptions, Edata, Esk, Message, TheRing};
use pgp::types::{Password, Seipdv1ReadMode};

use crate::parse::finding::{Finding, code};
use crate::parse::keys::PgpAgreement;
use crate::parse::read::table::Stop;

pub(super) use begin::{BEGIN_BYTES, is_message};
use keys::Keys;

/// Compressed data within compressed data: one layer is usual, a second one is somebody who compresses what is compressed.
const LAYERS: usize = 2;
/// A plain text may be this many times as large as its message; a table compresses to a tenth.
const RATIO: u64 = 250;
/// Of UTF-8.
const MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
/// However small the message is.
const ALWAYS_BYTES: u64 = 16 << 20;

/// A file that was decrypted.
pub(super) struct Opened<P> {
    pub(super) plain: P,
    /// What is worth knowing about it.
    pub(super) notes: Vec<Finding>,
}

/// Decrypts `input` into `plain`. There are no keys where there is no such place.
pub(super) fn decrypt<R, P>(
    input: &mut R,
    agreement: Option<&PgpAgreement>,
    plain: Option<P>,
) -> Result<Opened<P>, Stop>
where
    R: Read + Seek + Debug + Send,
    P: Write,
{
    let (Some(agreement), Some(mut plain)) = (agreement, plain) else {
        return Err(no_keys().into());
    };
    let keys = Keys::parse(agreement)?;
    let size = input.seek(SeekFrom::End(0))?;
    input.rewind()?;
    // Mail programs and editors put one before the armour.
    let mut mark = Vec::new();
    input.by_ref().take(3).read_to_end(&mut mark)?;
    if mark != MARK {
        input.rewind()?;
    }
    let most = agreement
        .plain_bytes
        .min(size.saturating_mul(RATIO).max(ALWAYS_BYTES));
    let mut source = Source {
        input,
        failed: None,
    };
    let done = open(BufReader::new(&mut source), &keys)
        .and_then(|message| unpack(message, most, &mut plain))
        .and_then(|message| signatures::judge(&message, agreement, &keys));
    match source.failed {
        Some(error) => Err(Stop::Io(error)),
        None => done.map(|notes| Opened { plain, notes }),
    }
}

/// Keeps the errors of the input apart from those of the message.
#[derive(Debug)]
struct Source<'a, R> {
    input: &'a mut R,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Source<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.failed = Some(error.kind().into());
            }
        })
    }
}

/// Takes the encryption off.
fn open<'a, R>(source: R, keys: &Keys) -> Result<Message<'a>, Stop>
where
    R: io::BufRead + Debug + Send + 'a,
{
    let (message, _) = Message::from_reader(source).map_err(|_| damaged())?;
    let Message::Encrypted { esk, edata, .. } = &message else {
        return Err(not_encrypted().into());
    };
    if matches!(edata, Edata::SymEncryptedData { .. }) {
        return Err(unprotected().into());
    }
    let recipients: Vec<_> = esk
        .iter()
        .filter_map(|esk| match esk {
            Esk::PublicKeyEncryptedSessionKey(recipient) => Some(recipient),
            Esk::SymKeyEncryptedSessionKey(_) => None,
        })
        .collect();
    if recipients.is_empty() {
        return Err(only_a_password().into());
    }
    keys.fit(&recipients)?;
    let empty = Password::empty();
    let ring = TheRing {
        secret_keys: keys.secret.iter().map(|key| &key.key).collect(),
        key_passwords: keys
            .secret
            .iter()
            .map(|key| &key.passphrase)
            .chain([&empty])
            .collect(),
        decrypt_options: DecryptionOptions::new()
            .enable_gnupg_aead()
            .set_seipdv1_read_mode(Seipdv1ReadMode::Streaming),
        ..TheRing::default()
    };
    match message.decrypt_the_ring(ring, true) {
        Ok((message, _)) => Ok(message),
        Err(_) => Err(damaged().into()),
    }
}

/// Takes the compression off, and writes what is in it to `plain`.
fn unpack<'a, W: Write>(
    mut message: Message<'a>,
    most: u64,
    plain: &mut W,
) -> Result<Message<'a>, Stop> {
    for _ in 0..LAYERS {
        if compressed(&message) {
            message = message.decompress().map_err(|_| compression())?;
        }
    }
    let content = match &message {
        Message::Signed { reader, .. } => reader.get_ref(),
        other => other,
    };
    if !content.is_literal() {
        return Err(nested().into());
    }
    let mut buffer = vec![0; 64 * 1024];
    let mut left = most;
    loop {
        let read = match message.read(&mut buffer) {
            Ok(0) => return Ok(message),
            Ok(read) => read,
            Err(_) => return Err(damaged().into()),
        };
        left = u64::try_from(read)
            .ok()
            .and_then(|read| left.checked_sub(read))
            .ok_or_else(|| too_large(most))?;
        plain.write_all(buffer.get(..read).unwrap_or_default())?;
    }
}

fn compressed(message: &Message<'_>) -> bool {
    match message {
        Message::Signed { reader, .. } => reader.get_ref().is_compressed(),
        other => other.is_compressed(),
    }
}

fn refusal(message: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding::file(code::PGP_ERROR, message, remedy)
}

fn no_keys() -> Finding {
    refusal(
        "The file is encrypted with PGP, and no key was set up here to decrypt it.",
        "Have a key set up for PGP, or send the file without PGP: the connection is encrypted.",
    )
}

fn not_encrypted() -> Finding {
    refusal(
        "The file was made with PGP, but it is not encrypted.",
        "Encrypt it with our public key, or send the file without PGP.",
    )
}

fn unprotected() -> Finding {
    refusal(
        "The file was encrypted with PGP in an old way that does not show whether somebody has changed it.",
        "Encrypt it with integrity protection (MDC or AEAD), which every PGP program of the last twenty years does if it is not told otherwise.",
    )
}

fn only_a_password() -> Finding {
    refusal(
        "The file was encrypted with a password and not with our public key.",
        "Encrypt it with our public key.",
    )
}

fn damaged() -> Finding {
    refusal(
        "The encrypted file is damaged: bytes of it are missing, or were changed on the way.",
        "Encrypt the file anew and send it in binary mode.",
    )
}

fn compression() -> Finding {
    refusal(
        "The encrypted file is compressed in a way that cannot be read here.",
        "Encrypt it with the compression ZIP or ZLIB, or with none.",
    )
}

fn nested() -> Finding {
    refusal(
        "In the encrypted file there is no plain file, but another message of PGP.",
        "Encrypt and sign the file once.",
    )
}

fn too_large(most: u64) -> Finding {
    refusal(
        format!(
            "Decrypted, the file has more than the {} MB that are allowed for one of its size.",
            most / 1_000_000
        ),
        "Send fewer rows in a file; or, if the file is as large as it should be, have `file_size` under [limits] raised.",
    )
}

#[cfg(test)]
mod tests;
