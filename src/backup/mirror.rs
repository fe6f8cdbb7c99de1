//! A folder of the state, copied while others change it: look, copy what is new or other than before, look again, until nothing moves.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::copy;
use super::manifest::{EntryPath, FileEntry, FolderEntry};
use super::{BackupError, at};
use crate::content::Content;
use crate::mailbox::{Fingerprint, Folder, Kind, Stat};

/// Folders within folders that are walked; more than mailboxes can have.
const DEPTH_LIMIT: usize = 64;

/// The copy of a folder, as far as it has come.
#[derive(Debug)]
pub(super) struct Mirror {
    /// The state folder, or a backup.
    from: PathBuf,
    to: PathBuf,
    part: &'static str,
    pub(super) files: BTreeMap<PathBuf, Mirrored>,
    folders: BTreeSet<PathBuf>,
    /// What somebody keeps us out of.
    pub(super) unreadable: BTreeSet<PathBuf>,
}

/// A copied file; its path begins with the part.
#[derive(Debug)]
pub(super) struct Mirrored {
    pub(super) looks: Fingerprint,
    pub(super) content: Content,
    /// It was written while it was copied.
    pub(super) is_torn: bool,
    mode: u32,
}

/// What one look came to.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) found: BTreeMap<PathBuf, Fingerprint>,
    folders: BTreeSet<PathBuf>,
    /// Something was there and then was not: it may have moved to where we had looked before.
    has_vanished: bool,
}

impl Mirror {
    /// A copy of `<from>/<part>` in `<to>/<part>`, with nothing in it yet.
    pub(super) fn new(from: &Path, to: &Path, part: &'static str) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            part,
            files: BTreeMap::new(),
            folders: BTreeSet::new(),
            unreadable: BTreeSet::new(),
        }
    }

    /// Copies what is new or has changed, takes away what is gone, and says whether there was anything to do.
    pub(super) fn pass(&mut self) -> Result<bool, BackupError> {
        let walk = self.list()?;
        let gone: Vec<PathBuf> = self
            .files
            .keys()
            .filter(|path| !walk.found.contains_key(*path))
            .cloned()
            .collect();
        let mut has_moved = walk.has_vanished || !gone.is_empty();
        self.leave_out(&gone)?;
        for folder in &walk.folders {
            let copy = self.to.join(folder);
            copy::make_folder(&copy).map_err(at(&copy))?;
        }
        self.folders = walk.folders;
        for (path, looks) in walk.found {
            let known = self.files.get(&path);
            if known.is_some_and(|known| known.looks == looks && !known.is_torn) {
                continue;
            }
            has_moved = true;
            self.leave_out([&path])?;
            self.copy(path)?;
        }
        Ok(has_moved)
    }

    /// What is there now.
    pub(super) fn list(&mut self) -> Result<Walk, BackupError> {
        let mut walk = Walk::default();
        let top = self.from.join(self.part);
        match Folder::open(&top) {
            Ok(folder) => self.walk(&mut walk, &folder, Path::new(self.part), 0)?,
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(at(&top)(error)),
        }
        Ok(walk)
    }

    fn walk(
        &mut self,
        walk: &mut Walk,
        folder: &Folder,
        path: &Path,
        depth: usize,
    ) -> Result<(), BackupError> {
        walk.folders.insert(path.to_owned());
        let names = folder.names().map_err(at(&self.from.join(path)))?;
        for name in names {
            let path = path.join(&name);
            let looked = look(walk, folder, &name, &path, depth);
            match looked {
                Err(error) if error.kind() == io::ErrorKind::NotFound => walk.has_vanished = true,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    self.unreadable.insert(path);
                }
                Err(error) => return Err(at(&self.from.join(path))(error)),
                Ok(None) => {}
                Ok(Some(inner)) => self.walk(walk, &inner, &path, depth + 1)?,
            }
        }
        Ok(())
    }

    /// The copy is made of an open file: one that is replaced meanwhile stays what it was.
    fn copy(&mut self, path: PathBuf) -> Result<(), BackupError> {
        let original = self.from.join(&path);
        let opened = original
            .parent()
            .zip(original.file_name())
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
            .and_then(|(folder, name)| Folder::open(folder)?.read(name));
        let (file, before) = match opened {
            Ok(opened) => opened,
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.unreadable.insert(path);
                return Ok(());
            }
            Err(error) => return Err(at(&original)(error)),
        };
        let to = self.to.join(&path);
        let copied = copy::copy(&file, &to)
            .and_then(|(_, content)| Ok((content, Stat::of(&file)?, file.metadata()?)));
        let (content, after, metadata) = copied.map_err(at(&to))?;
        let mirrored = Mirrored {
            // Its ctime moves when intake takes it out of the spool; its bytes move with size or mtime.
            is_torn: (before.size_bytes, before.modified_ns)
                != (after.size_bytes, after.modified_ns)
                || content.size_bytes != after.size_bytes,
            looks: looks(&after),
            content,
            mode: metadata.permissions().mode() & 0o777,
        };
        self.files.insert(path, mirrored);
        Ok(())
    }

    /// Takes copies away again.
    pub(super) fn leave_out<'p>(
        &mut self,
        paths: impl IntoIterator<Item = &'p PathBuf>,
    ) -> Result<(), BackupError> {
        for path in paths {
            if self.files.remove(path).is_some() {
                let copy = self.to.join(path);
                std::fs::remove_file(&copy).map_err(at(&copy))?;
            }
        }
        Ok(())
    }

    /// What the manifest says of it.
    pub(super) fn entries(&self) -> Result<(Vec<FolderEntry>, Vec<FileEntry>), BackupError> {
        let mut folders = Vec::new();
        for path in &self.folders {
            let original = self.from.join(path);
            let (mode, modified_ns) = match std::fs::symlink_metadata(&original) {
                Ok(it) => (
                    it.permissions().mode() & 0o777,
                    i128::from(it.mtime()) * 1_000_000_000 + i128::from(it.mtime_nsec()),
                ),
                Err(gone) if gone.kind() == io::ErrorKind::NotFound => (0o750, 0),
                Err(error) => return Err(at(&original)(error)),
            };
            folders.push(FolderEntry {
                path: entry_path(path)?,
                mode,
                modified: instant(modified_ns),
            });
        }
        let mut files = Vec::new();
        for (path, file) in &self.files {
            files.push(FileEntry {
                path: entry_path(path)?,
                size_bytes: file.content.size_bytes,
                sha256: file.content.sha256.clone(),
                mode: file.mode,
                modified: instant(file.looks.modified_ns.into()),
            });
        }
        Ok((folders, files))
    }
}

fn look(
    walk: &mut Walk,
    folder: &Folder,
    name: &OsStr,
    path: &Path,
    depth: usize,
) -> io::Result<Option<Folder>> {
    let stat = folder.stat(name)?;
    match stat.kind {
        Kind::File => {
            walk.found.insert(path.to_owned(), looks(&stat));
            Ok(None)
        }
        Kind::Folder if depth < DEPTH_LIMIT => folder.folder(&[name]).map(Some),
        Kind::Folder | Kind::Other => Ok(None),
    }
}

pub(super) fn entry_path(path: &Path) -> Result<EntryPath, BackupError> {
    EntryPath::new(path.to_owned()).map_err(|error| at(path)(io::Error::other(error)))
}

fn looks(stat: &Stat) -> Fingerprint {
    Fingerprint {
        inode: stat.inode,
        size_bytes: stat.size_bytes,
        modified_ns: stat.modified_ns,
        changed_ns: stat.changed_ns,
    }
}

fn instant(nanoseconds: i128) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
