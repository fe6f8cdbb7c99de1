//! A disk of its own, small enough to be filled up, that can be made read-only. Mounting one takes root.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::statvfs;
use tempfile::TempDir;

use super::Reply;

/// A mounted tmpfs.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts one of so many megabytes.
    pub(crate) fn of(megabytes: u32) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("rosterd-disk-")
            .tempdir()
            .unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(folder.path());
        let reply = Reply::to(&mut mount);
        assert_eq!(
            reply.code, 0,
            "this test mounts a disk of its own: run it as root, or in `unshare -rm`: {reply:?}"
        );
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Fills it up but for so many bytes.
    pub(crate) fn fill_up_to(&self, free_bytes: u64) {
        self.make_room();
        let disk = statvfs(self.path()).unwrap();
        let ballast = (disk.f_bavail * disk.f_frsize).saturating_sub(free_bytes);
        std::fs::write(self.ballast(), vec![0; usize::try_from(ballast).unwrap()]).unwrap();
    }

    /// Empties it again.
    pub(crate) fn make_room(&self) {
        drop(std::fs::remove_file(self.ballast()));
    }

    /// Lets nobody write any more, or again.
    pub(crate) fn set_writable(&self, writable: bool) {
        let how = if writable { "remount,rw" } else { "remount,ro" };
        let mut mount = Command::new("mount");
        Reply::to(mount.args(["-o", how]).arg(self.path())).succeeded();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.path()).status());
    }
}
