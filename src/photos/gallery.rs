//! Where the JPEGs lie that photos were brought to: beside the mailboxes, so that no quota counts them and no client sees them.
//!
//! Each is named after the delivery of its original: an employee id may be any text, and two people may show one photo. Whose it is says
//! `rosterd photos`. A backup leaves them out, because what is missing is made again from the original.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::mailbox::{Folder, Mailbox};

const UNFINISHED: &str = ".unfinished";

/// The pictures of one mailbox.
#[derive(Debug, Clone)]
pub(super) struct Gallery(PathBuf);

impl Gallery {
    pub(super) fn of(mailbox: &Mailbox) -> Self {
        Self(mailbox.layout().photos.clone())
    }

    /// What a picture is called.
    pub(super) fn name(delivery: &str) -> String {
        format!("{delivery}.jpg")
    }

    /// Puts a picture there, durably.
    pub(super) fn put(&self, name: &str, picture: &[u8]) -> io::Result<()> {
        let folder = open_or_make(&self.0)?;
        let unfinished = format!("{name}{UNFINISHED}");
        remove(&folder, &unfinished)?;
        let mut file = folder.create(&unfinished)?;
        file.write_all(picture)?;
        file.sync_all()?;
        folder.rename(&unfinished, &folder, name)?;
        folder.sync()
    }

    /// Removes pictures; some may be gone already.
    pub(super) fn discard(&self, names: &[String]) -> io::Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        match Folder::open(&self.0) {
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
            folder => {
                let folder = folder?;
                names.iter().try_for_each(|name| remove(&folder, name))
            }
        }
    }

    /// Removes what is not among `wanted`, and returns which of those are not there.
    pub(super) fn tidy(&self, mut wanted: BTreeSet<String>) -> io::Result<Vec<String>> {
        let folder = match Folder::open(&self.0) {
            Err(gone) if gone.kind() == io::ErrorKind::NotFound => {
                return Ok(wanted.into_iter().collect());
            }
            folder => folder?,
        };
        for name in folder.names()? {
            if let Some(name) = name.to_str()
                && !wanted.remove(name)
            {
                remove(&folder, name)?;
            }
        }
        Ok(wanted.into_iter().collect())
    }
}

fn open_or_make(path: &Path) -> io::Result<Folder> {
    match Folder::open(path) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o750)
                .create(path)?;
            Folder::open(path)
        }
        opened => opened,
    }
}

fn remove(folder: &Folder, name: &str) -> io::Result<()> {
    match folder.remove_file(name) {
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_wants_goes_and_what_is_missing_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let gallery = Gallery(dir.path().join("acme/production"));
        let wanted = |names: &[&str]| -> BTreeSet<String> {
            names.iter().map(|it| (*it).to_owned()).collect()
        };
        assert_eq!(gallery.tidy(wanted(&["a.jpg"])).unwrap(), ["a.jpg"]);
        for name in ["a.jpg", "b.jpg"] {
            gallery.put(name, b"old").unwrap();
            gallery.put(name, b"new").unwrap();
        }
        std::fs::write(gallery.0.join("c.jpg.unfinished"), "half").unwrap();
        let missing = gallery.tidy(wanted(&["b.jpg", "d.jpg"])).unwrap();
        assert_eq!(missing, ["d.jpg"]);
        let left: Vec<_> = std::fs::read_dir(&gallery.0).unwrap().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(std::fs::read(gallery.0.join("b.jpg")).unwrap(), b"new");
        let twice = ["b.jpg", "b.jpg"].map(str::to_owned);
        gallery.discard(&twice).unwrap();
        assert_eq!(gallery.tidy(BTreeSet::new()).unwrap(), [] as [&str; 0]);
    }
}
