//! One file to another place, hashed on the way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::content::Content;

/// Copies all of `from` into the new file `to`, which only we can read. Nothing is flushed here.
pub(super) fn copy(from: &File, to: &Path) -> io::Result<(File, Content)> {
    let copy = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let content = Content::copy_file(from, &copy)?;
    Ok((copy, content))
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
