//! A child process that may be hostile: what it starts is in its group, and ends with it.
//!
//! A process id is free for another process once its end was waited for. So the group is killed while the ended child is still there as a zombie, and
//! nobody signals it afterwards.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::task::JoinHandle;

/// A child that runs, or whose end nobody has asked for yet. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Running {
    group: Arc<Group>,
    end: JoinHandle<io::Result<ExitStatus>>,
}

/// The child and all that it has started, unless they have left its group.
#[derive(Debug)]
struct Group(Mutex<Option<Pid>>);

impl Group {
    /// Invariant: the leader is not reaped while the lock is held, so its id is its own.
    fn kill(&self) {
        if let Some(leader) = *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // A group that is gone is what was wanted.
            kill_process_group(leader, Signal::KILL).unwrap_or_default();
        }
    }

    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Running {
    /// Starts `command` in a group of its own, and lets `take` have its pipes.
    pub(super) fn start<T>(
        command: &mut Command,
        take: impl FnOnce(&mut Child) -> io::Result<T>,
    ) -> io::Result<(Self, T)> {
        let mut child = command.process_group(0).spawn()?;
        let taken = take(&mut child);
        let leader = Pid::from_child(&child);
        let group = Arc::new(Group(Mutex::new(Some(leader))));
        let reaper = Arc::clone(&group);
        let end = tokio::task::spawn_blocking(move || {
            let waited = wait_without_reaping(leader);
            reaper.kill();
            reaper.forget();
            waited.and_then(|()| child.wait())
        });
        let running = Self { group, end };
        Ok((running, taken?))
    }

    /// How it ended. To be awaited to its end once only.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        (&mut self.end)
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    pub(super) fn kill(&self) {
        self.group.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn wait_without_reaping(child: Pid) -> io::Result<()> {
    loop {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(child), options) {
            Err(rustix::io::Errno::INTR) => {}
            ended => return Ok(ended.map(drop)?),
        }
    }
}
