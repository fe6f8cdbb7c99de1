//! A place without a name for the plain text of an encrypted file: whatever happens, nothing of it is left when its reader has ended.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{MemfdFlags, Mode, OFlags, memfd_create, open};

/// In `folder`, or in memory where its file system makes no files without a name.
pub(super) fn make(folder: &Path) -> io::Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let made = open(folder, flags, Mode::RUSR | Mode::WUSR)
        .or_else(|_| memfd_create("plain", MemfdFlags::CLOEXEC))?;
    Ok(made.into())
}
