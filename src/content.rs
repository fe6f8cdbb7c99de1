//! What is in a file, in brief: its SHA-256 and its size, taken while its bytes are read or copied.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

const BUFFER_BYTES: usize = 256 * 1024;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Lower-case hex.
    pub sha256: String,
    pub size_bytes: u64,
}

impl Content {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::new(&Sha256::digest(bytes), bytes.len() as u64)
    }

    /// Of all that is left to read.
    pub fn read(from: impl Read) -> io::Result<Self> {
        Self::copy(from, io::sink())
    }

    /// Of all that is left to read, which goes to `to`.
    pub fn copy(mut from: impl Read, mut to: impl Write) -> io::Result<Self> {
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
        Ok(Self::new(&hasher.finalize(), size_bytes))
    }

    /// Of a file, copied into the empty file `to`. They share blocks where the file system can do that: a clone changes no more when the original
    /// does, and the original may. Nothing is flushed here.
    pub fn copy_file(from: &File, to: &File) -> io::Result<Self> {
        if rustix::fs::ioctl_ficlone(to, from).is_ok() {
            Self::read(to)
        } else {
            Self::copy(from, to)
        }
    }

    fn new(digest: &[u8], size_bytes: u64) -> Self {
        Self {
            sha256: hex(digest),
            size_bytes,
        }
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_streams_and_files_of_the_same_content_are_told_alike() {
        const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let content = Content::of(b"abc");
        assert_eq!((content.sha256.as_str(), content.size_bytes), (ABC, 3));
        assert_eq!(Content::read(b"abc".as_slice()).unwrap(), content);
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        std::fs::write(&from, "abc").unwrap();
        let copied = File::open(&from).unwrap();
        let copy = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&to)
            .unwrap();
        assert_eq!(Content::copy_file(&copied, &copy).unwrap(), content);
        assert_eq!(std::fs::read(&to).unwrap(), b"abc");
    }
}
