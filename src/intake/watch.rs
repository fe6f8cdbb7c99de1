//! What the kernel says about changes in mailboxes and spools. Only hints: events may be late, lost or many, and the rescan is the truth.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use crate::mailbox::MailboxPath;
use crate::mailbox::layout::{ERRORS, Layout, REPORTS};

/// Names that were renamed in and not looked at yet. Beyond these, files settle by time.
const RENAMED_LIMIT: usize = 10_000;

/// The hints about one mailbox.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// Something came into the spool.
    pub(super) arrived: Notify,
    /// Something in the mailbox is not as it was.
    pub(super) changed: Notify,
    renamed: Mutex<HashSet<MailboxPath>>,
}

impl Hints {
    /// Names that were renamed in since the last call.
    pub(super) fn take_renamed(&self) -> HashSet<MailboxPath> {
        let mut renamed = self.renamed.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *renamed)
    }

    fn note_renamed(&self, path: MailboxPath) {
        let mut renamed = self.renamed.lock().unwrap_or_else(PoisonError::into_inner);
        if renamed.len() < RENAMED_LIMIT {
            renamed.insert(path);
        }
    }
}

/// Which part of a mailbox a watched folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Mailbox,
    Spool,
}

/// What is watched, by its path, and who is told.
type Folders = Arc<RwLock<HashMap<PathBuf, (Part, Arc<Hints>)>>>;

/// One watcher for all mailboxes: the kernel gives a user only a few.
#[derive(Debug)]
pub(super) struct Watch {
    folders: Folders,
    watcher: Mutex<Option<RecommendedWatcher>>,
    /// Whether the log was told that something cannot be watched.
    told: AtomicBool,
}

/// A mailbox that is watched for as long as this lives.
#[derive(Debug)]
pub(super) struct Watched {
    watch: Arc<Watch>,
    paths: Vec<PathBuf>,
    /// Whether all of it is watched; else someone has to look more often.
    pub(super) is_complete: bool,
}

impl Watch {
    /// Watches nothing yet.
    pub(super) fn new() -> Arc<Self> {
        let folders = Folders::default();
        let known = Arc::clone(&folders);
        let tell = move |event: notify::Result<Event>| {
            let folders = known.read().unwrap_or_else(PoisonError::into_inner);
            match event {
                Ok(event) if !event.need_rescan() => pass_on(&event, &folders),
                _ => {
                    for (_, hints) in folders.values() {
                        hints.arrived.notify_one();
                        hints.changed.notify_one();
                    }
                }
            }
        };
        let config = Config::default().with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(tell, config);
        let watch = Self {
            folders,
            watcher: Mutex::default(),
            told: AtomicBool::new(false),
        };
        match watcher {
            Ok(watcher) => *watch.watcher() = Some(watcher),
            Err(error) => watch.tell(&error),
        }
        Arc::new(watch)
    }

    /// Watches a mailbox. What cannot be watched is left to the rescan. Blocks on the file system.
    pub(super) fn add(self: &Arc<Self>, layout: &Layout, hints: &Arc<Hints>) -> Watched {
        let mut watched = Watched {
            watch: Arc::clone(self),
            paths: Vec::new(),
            is_complete: true,
        };
        for (path, part, mode) in [
            (&layout.mailbox, Part::Mailbox, RecursiveMode::Recursive),
            (&layout.spool, Part::Spool, RecursiveMode::NonRecursive),
        ] {
            // Events name absolute paths.
            let Ok(path) = std::fs::canonicalize(path) else {
                watched.is_complete = false;
                continue;
            };
            // Never held while the watcher is asked: it answers from the thread that tells of events.
            self.folders()
                .insert(path.clone(), (part, Arc::clone(hints)));
            let refused = match self.watcher().as_mut() {
                Some(kernel) => kernel.watch(&path, mode).err(),
                None => Some(notify::Error::generic("there is no watcher")),
            };
            watched.paths.push(path);
            if let Some(error) = refused {
                watched.is_complete = false;
                self.tell(&error);
            }
        }
        watched
    }

    fn tell(&self, error: &notify::Error) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "cannot watch all mailboxes, so they are polled; raising fs.inotify.max_user_watches may help: {:?}",
                error.kind
            );
        }
    }

    fn watcher(&self) -> MutexGuard<'_, Option<RecommendedWatcher>> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folders(&self) -> RwLockWriteGuard<'_, HashMap<PathBuf, (Part, Arc<Hints>)>> {
        self.folders.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        for path in &self.paths {
            self.watch.folders().remove(path);
            if let Some(watcher) = self.watch.watcher().as_mut()
                && let Err(error) = watcher.unwatch(path)
            {
                tracing::debug!(?error, "cannot stop watching a folder");
            }
        }
    }
}

fn pass_on(event: &Event, folders: &HashMap<PathBuf, (Part, Arc<Hints>)>) {
    let is_news = match event.kind {
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
            true
        }
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => false,
    };
    if !is_news {
        return;
    }
    let is_renamed_in = event.kind == EventKind::Modify(ModifyKind::Name(RenameMode::To));
    for path in &event.paths {
        let watched = path
            .ancestors()
            .find_map(|folder| Some((folder, folders.get(folder)?)));
        match watched {
            Some((_, (Part::Spool, hints))) => hints.arrived.notify_one(),
            Some((folder, (Part::Mailbox, hints))) => {
                let Some(within) = within(folder, path) else {
                    continue;
                };
                if is_renamed_in {
                    hints.note_renamed(within);
                }
                hints.changed.notify_one();
            }
            None => {}
        }
    }
}

/// Where in its mailbox a path is; none for our own files and for names that no client can send.
fn within(folder: &Path, path: &Path) -> Option<MailboxPath> {
    let mut within = MailboxPath::root();
    for name in path.strip_prefix(folder).ok()? {
        within = within.join(name.to_str()?).ok()?;
    }
    let top = within.names().first().map_or("", String::as_str);
    (top != REPORTS && top != ERRORS).then_some(within)
}
