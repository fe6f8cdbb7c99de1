//! From a finished file to its bytes in the archive: copied while they are hashed, or, for a photo, hashed only.

use std::fs::File;
use std::io::{self, Read as _};

use crate::content::Content;
use crate::failpoint::{self, Point};
use crate::mailbox::{DeliveryId, Fingerprint, Folder, Stat};
use crate::parse::photo::{self, Photo};

/// Copies the file into the archive under the delivery's id, durably; a copy that an earlier attempt left there is replaced. The copy shares
/// blocks with the file where the file system can do that, and is never a link to it: `cp` onto the mailbox file would rewrite it.
pub(super) fn copy(file: &File, archive: &Folder, delivery: &DeliveryId) -> io::Result<Content> {
    discard(archive, delivery)?;
    let copy = archive.create(delivery.as_str())?;
    failpoint::pass(Point::ArchiveCopy)?;
    let content = Content::copy_file(file, &copy)?;
    failpoint::pass(Point::ArchiveSync)?;
    copy.sync_all()?;
    failpoint::pass(Point::ArchiveFolderSync)?;
    archive.sync()?;
    Ok(content)
}

/// Removes a copy that is not to become a delivery.
pub(super) fn discard(archive: &Folder, delivery: &DeliveryId) -> io::Result<()> {
    match archive.remove_file(delivery.as_str()) {
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Hashes a photo and looks at what picture it is; none if it is no photo by its content.
pub(super) fn look_at_photo(file: &File) -> io::Result<(Content, Option<Photo>)> {
    let mut head = Vec::new();
    file.take(photo::HEAD_BYTES as u64).read_to_end(&mut head)?;
    let found = photo::identify(&head);
    let content = Content::read(head.as_slice().chain(file))?;
    Ok((content, found))
}

/// What tells this state of a file from another.
pub(super) fn fingerprint(stat: &Stat) -> Fingerprint {
    Fingerprint {
        inode: stat.inode,
        size_bytes: stat.size_bytes,
        modified_ns: stat.modified_ns,
        changed_ns: stat.changed_ns,
    }
}

/// The SHA-256 of a file.
pub(super) fn digest(file: &File) -> io::Result<String> {
    Ok(Content::read(file)?.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_copy_is_hashed_durable_and_no_link_and_replaces_what_a_crash_left() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Folder::open(dir.path()).unwrap();
        let delivery = DeliveryId::mint();
        let (left, source) = (dir.path().join(delivery.as_str()), dir.path().join("a.csv"));
        std::fs::write(&left, "half of an earlier attempt").unwrap();
        std::fs::write(&source, "abc").unwrap();
        let content = copy(&File::open(&source).unwrap(), &archive, &delivery).unwrap();
        assert_eq!((content.sha256.as_str(), content.size_bytes), (ABC, 3));
        std::fs::write(&source, "overwritten in place").unwrap();
        assert_eq!(std::fs::read_to_string(&left).unwrap(), "abc");
        discard(&archive, &delivery).unwrap();
        discard(&archive, &delivery).unwrap();
        assert!(!left.try_exists().unwrap());
    }

    #[test]
    fn a_photo_is_hashed_whole_and_known_by_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("7.jpg");
        std::fs::write(&path, "abc").unwrap();
        let (content, photo) = look_at_photo(&File::open(&path).unwrap()).unwrap();
        assert_eq!((content.sha256.as_str(), photo), (ABC, None));
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x64\0\0\0\x80\x08\x02\0\0\0";
        let large = [&png[..], &vec![0; 500_000]].concat();
        std::fs::write(&path, &large).unwrap();
        let (content, photo) = look_at_photo(&File::open(&path).unwrap()).unwrap();
        assert_eq!(content.size_bytes, large.len() as u64);
        assert_eq!(photo.map(|it| (it.width, it.height)), Some((100, 128)));
    }
}
