//! Who has the state folder: one daemon, or one restore. The lock file names the process while it lives, and is left empty by an orderly end, so that
//! the next one knows whether to look for damage.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rustix::fs::FlockOperation;

use super::{StartError, at};

/// In the state folder.
const NAME: &str = "daemon.lock";

/// Held while a daemon serves a state folder, so that no second one does.
#[derive(Debug)]
pub struct StateLock {
    file: File,
    was_left: bool,
    clears: Cell<bool>,
}

impl StateLock {
    /// Takes the lock, or says who has it.
    pub fn take(state_dir: &Path) -> Result<Self, StartError> {
        let path = state_dir.join(NAME);
        // Not emptied: what the last one left there tells how it ended, and must survive a crash of this one.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .open(&path)
            .map_err(at(&path))?;
        let locked = lock(&file);
        let mut left = Vec::new();
        // A few bytes are enough for any process id.
        (&mut file)
            .take(32)
            .read_to_end(&mut left)
            .map_err(at(&path))?;
        match locked {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(StartError::Taken {
                    path: state_dir.to_owned(),
                    pid: String::from_utf8_lossy(&left).trim().parse().ok(),
                });
            }
            Err(error) => return Err(at(&path)(error.into())),
        }
        let name = format!("{}\n", std::process::id());
        file.write_all_at(name.as_bytes(), 0)
            .and_then(|()| file.set_len(name.len() as u64))
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(state_dir)?.sync_all())
            .map_err(at(&path))?;
        Ok(Self {
            file,
            was_left: !left.is_empty(),
            clears: Cell::new(false),
        })
    }

    /// Whether the last one to have the lock came to no orderly end.
    pub fn was_left(&self) -> bool {
        self.was_left
    }

    /// From now on an orderly end leaves the lock file empty: whatever the last one left was looked after.
    pub fn clear_at_the_end(&self) {
        self.clears.set(true);
    }
}

/// Waits a little for a lock that a daemon has left which was killed a moment ago: a reader that it was about to start holds a copy of
/// everything that it had open, until the reader's program runs.
fn lock(file: &File) -> rustix::io::Result<()> {
    const LOOK: Duration = Duration::from_millis(20);
    const LOOKS: usize = 100;
    let take = || rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive);
    for _ in 0..LOOKS {
        match take() {
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(LOOK),
            locked => return locked,
        }
    }
    take()
}

impl Drop for StateLock {
    fn drop(&mut self) {
        if self.clears.get()
            && let Err(error) = self.file.set_len(0)
        {
            tracing::warn!(%error, "the next start will check the database: cannot empty the lock file");
        }
    }
}
