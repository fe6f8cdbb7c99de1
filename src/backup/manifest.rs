//! Pure. What a backup says about itself: each file with its size, checksum, mode and time, and how much there is of each part.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ARCHIVE, CONFIG, DATABASE, MAILBOXES, SPOOL};

/// Raised when an older rosterd could not restore what this one writes.
pub(super) const FORMAT: u32 = 1;

/// Everything in a backup but the manifest itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub(super) format: u32,
    /// The version that made it.
    pub rosterd: String,
    #[serde(with = "rfc_3339")]
    pub taken_at: Timestamp,
    pub deliveries: u64,
    pub runs: u64,
    /// By part.
    pub parts: BTreeMap<String, Sum>,
    /// Folders before what is in them.
    pub(super) folders: Vec<FolderEntry>,
    pub(super) files: Vec<FileEntry>,
}

/// How much there is of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sum {
    pub files: u64,
    pub size_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FolderEntry {
    pub(super) path: EntryPath,
    pub(super) mode: u32,
    #[serde(with = "rfc_3339")]
    pub(super) modified: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileEntry {
    pub(super) path: EntryPath,
    pub(super) size_bytes: u64,
    /// Lower-case hex.
    pub(super) sha256: String,
    pub(super) mode: u32,
    #[serde(with = "rfc_3339")]
    pub(super) modified: Timestamp,
}

/// A path in a backup, below one of its parts. As text, what is not UTF-8 stands as `%FF`, and so do `%` and control characters.
///
/// Invariant: relative, only plain names, the first of them a part's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct EntryPath(PathBuf);

#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no path in a backup")]
pub(super) struct PathError(String);

impl EntryPath {
    pub(super) fn new(path: PathBuf) -> Result<Self, PathError> {
        let plain = path
            .components()
            .all(|it| matches!(it, Component::Normal(_)));
        let part = path.components().next();
        let known = [ARCHIVE, CONFIG, DATABASE, MAILBOXES, SPOOL]
            .iter()
            .any(|known| part == Some(Component::Normal(known.as_ref())));
        if plain && known {
            Ok(Self(path))
        } else {
            Err(PathError(path.to_string_lossy().into_owned()))
        }
    }

    pub(super) fn as_path(&self) -> &Path {
        &self.0
    }

    /// The part it belongs to.
    pub(super) fn part(&self) -> String {
        let first = self.0.components().next();
        first
            .map(|it| it.as_os_str().to_string_lossy().into_owned())
            .unwrap_or_default()
    }
}

impl From<EntryPath> for String {
    fn from(path: EntryPath) -> Self {
        let mut text = Self::new();
        for chunk in path.0.as_os_str().as_bytes().utf8_chunks() {
            for c in chunk.valid().chars() {
                if c == '%' || c.is_control() {
                    let mut bytes = [0; 4];
                    escape(&mut text, c.encode_utf8(&mut bytes).as_bytes());
                } else {
                    text.push(c);
                }
            }
            escape(&mut text, chunk.invalid());
        }
        text
    }
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string cannot fail.
        write!(text, "%{byte:02X}").unwrap_or_default();
    }
}

impl TryFrom<String> for EntryPath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            if *first != b'%' {
                bytes.push(*first);
                continue;
            }
            let byte = after
                .split_at_checked(2)
                .and_then(|(digits, after)| {
                    rest = after;
                    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
                })
                .ok_or_else(|| PathError(text.clone()))?;
            bytes.push(byte);
        }
        Self::new(PathBuf::from(OsString::from_vec(bytes)))
    }
}

impl Manifest {
    pub(super) fn new(
        taken_at: Timestamp,
        (deliveries, runs): (u64, u64),
        folders: Vec<FolderEntry>,
        files: Vec<FileEntry>,
    ) -> Self {
        let mut parts = BTreeMap::<String, Sum>::new();
        for file in &files {
            let sum = parts.entry(file.path.part()).or_default();
            sum.files += 1;
            sum.size_bytes += file.size_bytes;
        }
        Self {
            format: FORMAT,
            rosterd: env!("CARGO_PKG_VERSION").to_owned(),
            taken_at,
            deliveries,
            runs,
            parts,
            folders,
            files,
        }
    }

    /// All parts together.
    pub fn sum(&self) -> Sum {
        self.parts.values().fold(Sum::default(), |all, part| Sum {
            files: all.files + part.files,
            size_bytes: all.size_bytes + part.size_bytes,
        })
    }

    /// The files of a part.
    pub(super) fn files_of<'m>(&'m self, part: &'m str) -> impl Iterator<Item = &'m FileEntry> {
        self.files
            .iter()
            .filter(move |file| file.path.as_path().starts_with(part))
    }
}

/// Times as text, to the nanosecond.
mod rfc_3339 {
    use jiff::Timestamp;
    use serde::de::{Deserialize as _, Deserializer, Error as _};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<EntryPath, PathError> {
        EntryPath::try_from(text.to_owned())
    }

    #[test]
    fn any_file_name_survives_the_manifest() {
        for name in [
            &b"employees.csv"[..],
            b"100%.csv",
            b"%41",
            b"\xff\xfe.jpg",
            "Bj\u{f6}rn\n.jpg".as_bytes(),
            b"half \xc3",
        ] {
            let below = Path::new(MAILBOXES).join(OsString::from_vec(name.to_vec()));
            let entry = EntryPath::new(below.clone()).unwrap();
            let text = String::from(entry);
            assert!(!text.contains('\n'), "{text}");
            assert_eq!(path(&text).unwrap().as_path(), below);
        }
    }

    #[test]
    fn a_path_that_leads_out_of_the_backup_is_none() {
        for text in [
            "",
            "/etc/passwd",
            "mailboxes/../../x",
            "mailboxes/%2E%2E/%2e%2e/x",
            "%2Fetc",
            "elsewhere/x",
            "mailboxes/%4",
            "mailboxes/%zz",
        ] {
            assert!(path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn parts_are_summed_up() {
        let file = |name: &str, size_bytes| FileEntry {
            path: path(name).unwrap(),
            size_bytes,
            sha256: String::new(),
            mode: 0o640,
            modified: Timestamp::UNIX_EPOCH,
        };
        let files = vec![
            file("spool/a", 3),
            file("spool/b", 4),
            file("rosterd.db", 5),
        ];
        let manifest = Manifest::new(Timestamp::UNIX_EPOCH, (1, 1), Vec::new(), files);
        let sum = manifest.parts["spool"];
        assert_eq!((sum.files, sum.size_bytes), (2, 7));
        assert_eq!(manifest.sum().size_bytes, 12);
        assert_eq!(manifest.files_of(SPOOL).count(), 2);
    }
}
