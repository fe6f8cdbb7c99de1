//! Folders that nothing escapes from: the kernel resolves every name below an open folder and follows no symbolic link.
//!
//! A path is handed to `openat2` with `BENEATH`, `NO_SYMLINKS` and `NO_MAGICLINKS`, or, where the kernel or a sandbox lacks it, walked name by
//! name without following links. Everything else takes one name in an open folder. Names come from
//! [`crate::mailbox::MailboxPath`] or are our own, so none holds a `/`.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, Timespec, Timestamps, UTIME_OMIT,
};
use rustix::io::Errno;

use crate::mailbox::fault;

/// How often `openat2` is asked again when a rename elsewhere disturbed it.
const TRIES: usize = 8;

/// An open folder.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    walk: Walk,
}

/// How paths are resolved here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    /// At once, by `openat2`.
    Whole,
    /// Name by name.
    Stepwise,
}

/// What is known about a file without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) kind: Kind,
    pub(crate) size_bytes: u64,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) links: u64,
    pub(crate) modified_ns: i64,
    pub(crate) changed_ns: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// A symbolic link, socket, pipe or device: no business of ours.
    Other,
}

impl Folder {
    /// Opens a folder of ours, by a path that no client had a hand in.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::open(path, folder_flags(), Mode::empty())?;
        let walk = match open_whole(&fd, OsStr::new("."), folder_flags()) {
            Err(Errno::NOSYS | Errno::PERM) => Walk::Stepwise,
            _ => Walk::Whole,
        };
        Ok(Self { fd, walk })
    }

    /// Opens the folder that these names lead to.
    pub(crate) fn folder<S: AsRef<OsStr>>(&self, names: &[S]) -> io::Result<Self> {
        let fd = match (self.walk, names) {
            (_, []) => open_step(&self.fd, OsStr::new("."))?,
            (Walk::Whole, names) => {
                let mut path = OsString::new();
                for name in names {
                    if !path.is_empty() {
                        path.push("/");
                    }
                    path.push(name);
                }
                open_whole(&self.fd, &path, folder_flags())?
            }
            (Walk::Stepwise, [first, rest @ ..]) => {
                let mut fd = open_step(&self.fd, first.as_ref())?;
                for name in rest {
                    fd = open_step(&fd, name.as_ref())?;
                }
                fd
            }
        };
        Ok(Self {
            fd,
            walk: self.walk,
        })
    }

    /// What `name` is, links not followed.
    pub(crate) fn stat(&self, name: impl AsRef<OsStr>) -> io::Result<Stat> {
        let stat = rustix::fs::statat(&self.fd, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(Stat::from(stat))
    }

    /// What this folder itself is.
    pub(crate) fn stat_self(&self) -> io::Result<Stat> {
        Ok(Stat::from(rustix::fs::fstat(&self.fd)?))
    }

    /// Opens a regular file for reading.
    pub(crate) fn read(&self, name: impl AsRef<OsStr>) -> io::Result<(File, Stat)> {
        self.open_file(name.as_ref(), OFlags::RDONLY)
    }

    /// Opens a regular file for reading and writing in place, made if missing.
    pub(crate) fn write_in_place(&self, name: &str) -> io::Result<(File, Stat)> {
        fault::step()?;
        self.open_file(OsStr::new(name), OFlags::RDWR | OFlags::CREATE)
    }

    /// Makes a file that was not there.
    pub(crate) fn create(&self, name: &str) -> io::Result<File> {
        fault::step()?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        Ok(self.open_file(OsStr::new(name), flags)?.0)
    }

    /// NONBLOCK: a pipe that someone put here must not make us wait for its other end.
    fn open_file(&self, name: &OsStr, flags: OFlags) -> io::Result<(File, Stat)> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(0o640));
        let file = match opened {
            // A socket, or a pipe that nobody reads.
            Err(Errno::NXIO) => return Err(Errno::NOENT.into()),
            opened => File::from(opened?),
        };
        let stat = Stat::of(&file)?;
        match stat.kind {
            Kind::File => Ok((file, stat)),
            Kind::Folder => Err(Errno::ISDIR.into()),
            Kind::Other => Err(Errno::NOENT.into()),
        }
    }

    /// Names in this folder but `.` and `..`, unordered.
    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut buffer = Vec::with_capacity(32 * 1024);
        let again = open_step(&self.fd, OsStr::new("."))?;
        let mut entries = RawDir::new(&again, buffer.spare_capacity_mut());
        let mut names = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        Ok(names)
    }

    /// Gives `name` a second name elsewhere; a link is linked itself.
    pub(crate) fn link(&self, name: &str, to: &Self, to_name: &str) -> io::Result<()> {
        fault::step()?;
        let flags = AtFlags::empty();
        Ok(rustix::fs::linkat(&self.fd, name, &to.fd, to_name, flags)?)
    }

    /// Moves `name`, in place of what is there.
    pub(crate) fn rename(&self, name: &str, to: &Self, to_name: &str) -> io::Result<()> {
        fault::step()?;
        Ok(rustix::fs::renameat(&self.fd, name, &to.fd, to_name)?)
    }

    pub(crate) fn remove_file(&self, name: &str) -> io::Result<()> {
        fault::step()?;
        Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::empty())?)
    }

    pub(crate) fn make_folder(&self, name: &str) -> io::Result<()> {
        fault::step()?;
        Ok(rustix::fs::mkdirat(
            &self.fd,
            name,
            Mode::from_raw_mode(0o750),
        )?)
    }

    pub(crate) fn remove_folder(&self, name: &str) -> io::Result<()> {
        fault::step()?;
        Ok(rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)?)
    }

    /// Sets when `name` was modified.
    pub(crate) fn set_modified(&self, name: &str, modified: Timestamp) -> io::Result<()> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::utimensat(
            &self.fd,
            name,
            &modified_at(modified),
            flags,
        )?)
    }

    /// Makes names added and removed here survive a power loss.
    pub(crate) fn sync(&self) -> io::Result<()> {
        fault::step()?;
        Ok(rustix::fs::fsync(&self.fd)?)
    }
}

impl Stat {
    /// Of an open file.
    pub(crate) fn of(file: impl AsFd) -> io::Result<Self> {
        Ok(Self::from(rustix::fs::fstat(file)?))
    }

    /// When it was last modified.
    pub(crate) fn modified(&self) -> Timestamp {
        instant(self.modified_ns)
    }

    /// When its bytes, name or times last changed: no one can set this.
    pub(crate) fn changed(&self) -> Timestamp {
        instant(self.changed_ns)
    }
}

impl From<rustix::fs::Stat> for Stat {
    #[expect(
        clippy::allow_attributes,
        reason = "the types of the fields differ by architecture: some conversions are needed on some only"
    )]
    #[allow(
        clippy::useless_conversion,
        clippy::unnecessary_fallible_conversions,
        reason = "see above"
    )]
    fn from(stat: rustix::fs::Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            _ => Kind::Other,
        };
        let nanoseconds = |seconds: i64, nanoseconds: i64| {
            seconds
                .saturating_mul(1_000_000_000)
                .saturating_add(nanoseconds)
        };
        Self {
            kind,
            size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
            device: u64::try_from(stat.st_dev).unwrap_or(0),
            inode: u64::try_from(stat.st_ino).unwrap_or(0),
            links: u64::try_from(stat.st_nlink).unwrap_or(0),
            modified_ns: nanoseconds(
                i64::try_from(stat.st_mtime).unwrap_or(0),
                i64::try_from(stat.st_mtime_nsec).unwrap_or(0),
            ),
            changed_ns: nanoseconds(
                i64::try_from(stat.st_ctime).unwrap_or(0),
                i64::try_from(stat.st_ctime_nsec).unwrap_or(0),
            ),
        }
    }
}

fn instant(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Sets when an open file was modified.
pub(crate) fn set_modified(file: &File, modified: Timestamp) -> io::Result<()> {
    Ok(rustix::fs::futimens(file, &modified_at(modified))?)
}

/// Makes a file's bytes survive a power loss.
pub(crate) fn sync_file(file: &File) -> io::Result<()> {
    fault::step()?;
    file.sync_all()
}

fn modified_at(modified: Timestamp) -> Timestamps {
    let (seconds, nanoseconds) = (modified.as_second(), modified.subsec_nanosecond());
    let (seconds, nanoseconds) = if nanoseconds < 0 {
        (seconds - 1, nanoseconds + 1_000_000_000)
    } else {
        (seconds, nanoseconds)
    };
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds.into(),
        },
    }
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

fn open_whole(fd: &OwnedFd, path: &OsStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let open = || rustix::fs::openat2(fd, path, flags, Mode::empty(), resolve);
    (1..TRIES)
        .map(|_| open())
        .find(|opened| !matches!(opened, Err(Errno::AGAIN)))
        .unwrap_or_else(open)
}

fn open_step(fd: &OwnedFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(fd, name, folder_flags() | OFlags::NOFOLLOW, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The same folder, resolved both ways.
    fn both(path: &Path) -> [Folder; 2] {
        let whole = Folder::open(path).unwrap();
        let stepwise = Folder {
            walk: Walk::Stepwise,
            ..Folder::open(path).unwrap()
        };
        [whole, stepwise]
    }

    #[test]
    fn a_path_of_folders_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        std::fs::write(dir.path().join("a/b/c"), "x").unwrap();
        for root in both(dir.path()) {
            let (_, stat) = root.folder(&["a", "b"]).unwrap().read("c").unwrap();
            assert_eq!((stat.kind, stat.size_bytes), (Kind::File, 1));
            assert_eq!(root.folder::<&str>(&[]).unwrap().names().unwrap(), ["a"]);
        }
    }

    #[test]
    fn no_symbolic_link_is_followed_wherever_it_stands_and_wherever_it_points() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("real/deep")).unwrap();
        std::fs::create_dir(dir.path().join("outside")).unwrap();
        std::fs::write(dir.path().join("outside/secret"), "x").unwrap();
        symlink("../outside", root.join("out")).unwrap();
        symlink("real", root.join("in")).unwrap();
        symlink("../../outside", root.join("real/out")).unwrap();
        symlink("../outside/secret", root.join("file")).unwrap();
        symlink("missing", root.join("dangling")).unwrap();
        for root in both(&root) {
            for names in [
                &["out"][..],
                &["in"],
                &["in", "deep"],
                &["real", "out"],
                &["out", "x"],
            ] {
                assert!(root.folder(names).is_err(), "{names:?}");
            }
            assert!(root.read("file").is_err());
            assert!(root.write_in_place("file").is_err());
            assert!(root.write_in_place("dangling").is_err());
            assert!(root.create("dangling").is_err());
            assert_eq!(root.stat("file").unwrap().kind, Kind::Other);
        }
        assert!(!dir.path().join("root/missing").try_exists().unwrap());
    }

    #[test]
    fn dots_and_absolute_paths_do_not_climb_out_in_one_resolution() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("root")).unwrap();
        let root = Folder::open(&dir.path().join("root")).unwrap();
        for names in [&[".."][..], &["/etc"], &["..", "root"]] {
            assert!(root.folder(names).is_err(), "{names:?}");
        }
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let root = Folder::open(dir.path()).unwrap();
        rustix::fs::mknodat(
            &root.fd,
            "pipe",
            FileType::Fifo,
            Mode::from_raw_mode(0o640),
            0,
        )
        .unwrap();
        assert!(root.read("pipe").is_err());
    }
}
