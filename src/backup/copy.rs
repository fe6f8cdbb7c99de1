//! One file to another place, hashed on the way.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

const BUFFER_BYTES: usize = 256 * 1024;

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    /// Lower-case hex.
    pub(super) sha256: String,
    pub(super) size_bytes: u64,
}

/// Copies all of `from` into the new file `to`, which only we can read. Shares blocks where the file system can do that: a clone changes no more
/// when the original does. Nothing is flushed here.
pub(super) fn copy(from: &File, to: &Path) -> io::Result<(File, Content)> {
    let mut copy = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let content = if rustix::fs::ioctl_ficlone(&copy, from).is_ok() {
        hash(&copy)?
    } else {
        pour(from, &mut copy)?
    };
    Ok((copy, content))
}

/// The checksum and size of a file, from where it stands.
pub(super) fn hash(file: &File) -> io::Result<Content> {
    pour(file, &mut io::sink())
}

fn pour(mut from: &File, to: &mut impl io::Write) -> io::Result<Content> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut hasher = Sha256::new();
    let mut size_bytes = 0;
    loop {
        let bytes = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => buffer.get(..length).unwrap_or_default(),
            Err(again) if again.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(bytes);
        to.write_all(bytes)?;
        size_bytes += bytes.len() as u64;
    }
    Ok(Content {
        sha256: hex(&hasher.finalize()),
        size_bytes,
    })
}

/// The SHA-256 of `bytes` in lower-case hex.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

/// Makes a folder that only we can look into, and those above it.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Writes a new file that only we can read, durably.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
