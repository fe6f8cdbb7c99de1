//! What the kernel says about changes in mailboxes and spools. Only hints: events may be late, lost or many, and the rescan is the truth.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

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

/// Watches for as long as it lives.
#[derive(Debug)]
pub(super) struct Watch {
    _watcher: Option<RecommendedWatcher>,
    /// Whether every folder is watched; else someone has to look more often.
    pub(super) is_complete: bool,
}

/// Starts to watch. What cannot be watched is logged once and left to the rescan.
pub(super) fn watch(mailboxes: &[(Layout, Arc<Hints>)]) -> Watch {
    let mut folders = HashMap::new();
    for (layout, hints) in mailboxes {
        for (path, part) in [
            (&layout.mailbox, Part::Mailbox),
            (&layout.spool, Part::Spool),
        ] {
            // Events name absolute paths.
            if let Ok(path) = std::fs::canonicalize(path) {
                folders.insert(path, (part, Arc::clone(hints)));
            }
        }
    }
    let paths: Vec<(PathBuf, Part)> = folders
        .iter()
        .map(|(path, (part, _))| (path.clone(), *part))
        .collect();
    let is_all_known = paths.len() == mailboxes.len() * 2;
    let config = Config::default().with_follow_symlinks(false);
    let tell = move |event: notify::Result<Event>| match event {
        Ok(event) if !event.need_rescan() => pass_on(&event, &folders),
        _ => {
            for (_, hints) in folders.values() {
                hints.arrived.notify_one();
                hints.changed.notify_one();
            }
        }
    };
    let (watcher, error) = match RecommendedWatcher::new(tell, config) {
        Ok(mut watcher) => {
            let refused = paths.iter().find_map(|(path, part)| {
                let mode = match part {
                    Part::Mailbox => RecursiveMode::Recursive,
                    Part::Spool => RecursiveMode::NonRecursive,
                };
                watcher.watch(path, mode).err()
            });
            (Some(watcher), refused)
        }
        Err(error) => (None, Some(error)),
    };
    if let Some(error) = &error {
        tracing::warn!(
            "cannot watch all mailboxes, so they are polled; raising fs.inotify.max_user_watches may help: {:?}",
            error.kind
        );
    }
    Watch {
        _watcher: watcher,
        is_complete: error.is_none() && is_all_known,
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
