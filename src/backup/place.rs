//! Where a backup is made: beside its place, under a name that says that it is unfinished.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::{BackupError, at};

/// A backup in the making. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) path: PathBuf,
    target: PathBuf,
    /// Open and locked from the beginning: it learns of every failed write.
    folder: File,
    is_finished: bool,
}

impl Unfinished {
    /// Begins one that is to become `target`. What an earlier one left that did not come to its end is removed.
    pub(super) fn begin(target: &Path, state_dir: &Path) -> Result<Self, BackupError> {
        let target = std::path::absolute(target).map_err(at(target))?;
        let taken = || BackupError::Taken {
            path: target.clone(),
        };
        let (parent, name) = target.parent().zip(target.file_name()).ok_or_else(taken)?;
        let parent = parent.canonicalize().map_err(at(parent))?;
        if state_dir
            .canonicalize()
            .is_ok_and(|state| parent.starts_with(state))
        {
            return Err(BackupError::Inside {
                path: target.clone(),
            });
        }
        match fs::metadata(&target) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(at(&target)(error)),
            Ok(there) if !there.is_dir() => return Err(taken()),
            Ok(there) => {
                if fs::read_dir(&target).map_err(at(&target))?.next().is_some() {
                    return Err(taken());
                }
                let above = fs::metadata(&parent).map_err(at(&parent))?;
                if above.dev() != there.dev() {
                    return Err(BackupError::MountPoint {
                        path: target.clone(),
                    });
                }
            }
        }
        let mut unfinished = OsString::from(".");
        unfinished.push(name);
        unfinished.push(".rosterd-unfinished");
        let path = parent.join(unfinished);
        let folder = match make(&path) {
            Err(there) if there.kind() == io::ErrorKind::AlreadyExists => {
                let left = File::open(&path).map_err(at(&path))?;
                lock(&left, &path)?;
                fs::remove_dir_all(&path).map_err(at(&path))?;
                make(&path)
            }
            made => made,
        }
        .map_err(at(&path))?;
        let unfinished = Self {
            path,
            target: parent.join(name),
            folder,
            is_finished: false,
        };
        lock(&unfinished.folder, &unfinished.path)?;
        Ok(unfinished)
    }

    /// Makes all that was written survive a power loss.
    pub(super) fn sync(&self) -> Result<(), BackupError> {
        rustix::fs::syncfs(&self.folder).map_err(|error| at(&self.path)(error.into()))
    }

    /// Gives it its name, and returns that.
    pub(super) fn finish(mut self) -> Result<PathBuf, BackupError> {
        self.sync()?;
        match fs::rename(&self.path, &self.target) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty
                        | io::ErrorKind::AlreadyExists
                        | io::ErrorKind::NotADirectory
                ) =>
            {
                return Err(BackupError::Taken {
                    path: self.target.clone(),
                });
            }
            renamed => renamed.map_err(at(&self.target))?,
        }
        self.is_finished = true;
        if let Some(parent) = self.target.parent() {
            File::open(parent)
                .and_then(|parent| parent.sync_all())
                .map_err(at(parent))?;
        }
        Ok(self.target.clone())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_finished
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(path = %self.path.display(), "an unfinished backup stays until the next one: {error}");
        }
    }
}

fn make(path: &Path) -> io::Result<File> {
    DirBuilder::new().mode(0o700).create(path)?;
    File::open(path)
}

fn lock(folder: &File, path: &Path) -> Result<(), BackupError> {
    match rustix::fs::flock(folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(BackupError::UnderWay {
            path: path.to_owned(),
        }),
        Err(error) => Err(at(path)(error.into())),
    }
}
