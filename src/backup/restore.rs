//! A backup back into an empty place: all of it is checked before anything is changed, and then it is there as a whole or not at all.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use serde::Deserialize;

use super::manifest::{FORMAT, FileEntry, Manifest};
use super::settings::{Fate, Settings, main_file};
use super::take::in_mailbox;
use super::{
    ARCHIVE, BackupError, CONFIG, DATABASE, MAILBOXES, MANIFEST, MANIFEST_SUM, Progress, SPOOL, at,
    blocking, copy,
};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::content::Content;
use crate::daemon::RESTORING;
use crate::db::{Db, Seen};
use crate::mailbox::Fingerprint;

/// What is put below the state folder.
const STATE: [&str; 3] = [ARCHIVE, MAILBOXES, SPOOL];
/// Faults of a backup that are told; one is enough to refuse it.
const TOLD_FAULTS: usize = 5;

/// Reads the manifest and holds every file against it. Changes nothing.
pub async fn verify(backup: &Path) -> Result<Manifest, BackupError> {
    let backup = backup.to_owned();
    blocking(move || verify_now(&backup)).await
}

fn verify_now(backup: &Path) -> Result<Manifest, BackupError> {
    /// What every format has.
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let damaged = |fault: &str| BackupError::Damaged(vec![fault.to_owned()]);
    let path = backup.join(MANIFEST);
    let bytes = match fs::read(&path) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
            return Err(BackupError::NoManifest {
                path: backup.to_owned(),
            });
        }
        read => read.map_err(at(&path))?,
    };
    let sum = backup.join(MANIFEST_SUM);
    let sum = fs::read_to_string(&sum).map_err(at(&sum))?;
    if sum.split_whitespace().next() != Some(Content::of(&bytes).sha256.as_str()) {
        return Err(damaged("manifest.json is not as it was written"));
    }
    let Version { format } = serde_json::from_slice(&bytes)
        .map_err(|_| damaged("manifest.json cannot be understood"))?;
    if format > FORMAT {
        return Err(BackupError::Newer {
            path: backup.to_owned(),
        });
    }
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|_| damaged("manifest.json cannot be understood"))?;
    let mut faults = Vec::new();
    for file in &manifest.files {
        let name = file.path.as_path().display();
        match File::open(backup.join(file.path.as_path())).and_then(|file| Content::read(&file)) {
            Ok(content) if content.sha256 == file.sha256 => {}
            Ok(_) => faults.push(format!("{name} is not as it was written")),
            Err(error) => faults.push(format!("{name}: {error}")),
        }
        if faults.len() == TOLD_FAULTS {
            faults.push("and perhaps more".to_owned());
            break;
        }
    }
    if !manifest
        .files
        .iter()
        .any(|it| it.path.as_path() == Path::new(DATABASE))
    {
        faults.push("it has no database".to_owned());
    }
    if faults.is_empty() {
        Ok(manifest)
    } else {
        Err(BackupError::Damaged(faults))
    }
}

/// The backup's configuration in its place. Dropped before [`Configured::keep`], what was put there is gone again.
#[derive(Debug)]
pub struct Configured {
    /// What was not there.
    pub put: Vec<PathBuf>,
    /// What is there and is another than the backup's, which is named too. It stays.
    pub differs: Vec<(PathBuf, PathBuf)>,
    /// What the configuration that is there does without.
    pub not_wanted: Vec<PathBuf>,
    undo: Undo,
}

impl Configured {
    /// Puts what is missing where `file` names it; the backup's own `rosterd.toml` counts where there is no `file`.
    pub fn put(file: &Path, backup: &Path, manifest: &Manifest) -> Result<Self, BackupError> {
        let text = match fs::read_to_string(file) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                let ours = main_file(backup);
                fs::read_to_string(&ours).map_err(at(&ours))?
            }
            read => read.map_err(at(file))?,
        };
        let settings = Settings::read(file, &text);
        let mut configured = Self {
            put: Vec::new(),
            differs: Vec::new(),
            not_wanted: Vec::new(),
            undo: Undo::default(),
        };
        for (entry, fate) in settings.fates(manifest.files_of(CONFIG), backup)? {
            let ours = backup.join(entry.path.as_path());
            match fate {
                Fate::Same => {}
                Fate::Differs(theirs) => configured.differs.push((theirs, ours)),
                Fate::NotWanted => configured.not_wanted.push(ours),
                Fate::Put(target) => {
                    put_file(entry, &ours, &target)?;
                    configured.undo.0.push(target.clone());
                    configured.put.push(target);
                }
            }
        }
        Ok(configured)
    }

    /// The restore has succeeded.
    pub fn keep(&mut self) {
        self.undo.0.clear();
    }
}

/// Writes beside and renames, so that it is there whole or not at all.
fn put_file(entry: &FileEntry, from: &Path, to: &Path) -> Result<(), BackupError> {
    let folder = to.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(at(folder))?;
    let beside = suffixed(to, ".restoring");
    let mut undo = Undo(vec![beside.clone()]);
    copy_checked(entry, from, &beside)?
        .sync_all()
        .map_err(at(&beside))?;
    rename_to_nothing(&beside, to).map_err(at(to))?;
    undo.0.clear();
    sync_folder(folder)
}

/// Puts database, archive, mailboxes and spool where `config` has them. The caller holds the lock on the state folder.
pub async fn restore(
    backup: &Path,
    manifest: Arc<Manifest>,
    config: &Config,
    progress: Progress<'_>,
) -> Result<(), BackupError> {
    let (state_dir, database) = (
        config.server.state_dir.clone(),
        config.database.path.clone(),
    );
    let staged = suffixed(&database, ".restoring");

    progress("files");
    let (mut undo, seen) = {
        let (backup, manifest) = (backup.to_owned(), Arc::clone(&manifest));
        let (state_dir, database, staged) = (state_dir.clone(), database.clone(), staged.clone());
        blocking(move || {
            refuse_if_not_empty(&state_dir, &database)?;
            stage(&backup, &manifest, &state_dir, &staged)
        })
        .await?
    };

    progress("database");
    let db = Db::open(&staged, Arc::new(SystemClock)).await?;
    let settled = db
        .settle_in(seen.iter().map(|(place, seen)| (place, seen)))
        .await;
    db.close().await;
    settled?;

    progress("putting everything in place");
    blocking(move || {
        let restoring = state_dir.join(RESTORING);
        let file = File::open(&staged).map_err(at(&staged))?;
        file.sync_all().map_err(at(&staged))?;
        let folder = File::open(&restoring).map_err(at(&restoring))?;
        rustix::fs::syncfs(&folder).map_err(|error| at(&restoring)(error.into()))?;
        for part in STATE {
            let (from, to) = (restoring.join(part), state_dir.join(part));
            if from.is_dir() {
                remove_empty(&to).map_err(at(&to))?;
                fs::rename(&from, &to).map_err(at(&to))?;
                undo.0.push(to);
            }
        }
        if fs::metadata(&database).is_ok_and(|it| it.len() == 0) {
            fs::remove_file(&database).map_err(at(&database))?;
        }
        sync_folder(&state_dir)?;
        rename_to_nothing(&staged, &database).map_err(at(&database))?;
        undo.0.push(database.clone());
        sync_folder(database.parent().unwrap_or(Path::new(".")))?;
        // Until now daemons and commands keep away.
        fs::remove_dir_all(&restoring).map_err(at(&restoring))?;
        undo.0.clear();
        sync_folder(&state_dir)
    })
    .await
}

/// A restore is no merge.
fn refuse_if_not_empty(state_dir: &Path, database: &Path) -> Result<(), BackupError> {
    let beside = ["-wal", "-shm", "-journal"].map(|suffix| suffixed(database, suffix));
    let is_there = |path: &PathBuf| fs::symlink_metadata(path).is_ok();
    let has_bytes = fs::symlink_metadata(database).is_ok_and(|it| it.len() > 0);
    let mut found = beside.into_iter().find(is_there);
    if has_bytes {
        found = Some(database.to_owned());
    }
    for part in STATE {
        if found.is_none() {
            let folder = state_dir.join(part);
            found = any_file(&folder).map_err(at(&folder))?;
        }
    }
    found.map_or(Ok(()), |path| Err(BackupError::NotEmpty { path }))
}

fn any_file(folder: &Path) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let found = if entry.file_type()?.is_dir() {
            any_file(&entry.path())?
        } else {
            Some(entry.path())
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Tenant, environment and path of each mailbox file, and how it looks here.
type Looks = Vec<((String, String, String), Seen)>;

/// Copies everything to where it only has to be renamed.
fn stage(
    backup: &Path,
    manifest: &Manifest,
    state_dir: &Path,
    staged: &Path,
) -> Result<(Undo, Looks), BackupError> {
    let restoring = state_dir.join(RESTORING);
    fs::create_dir(&restoring).map_err(at(&restoring))?;
    let mut undo = Undo(vec![restoring.clone()]);
    sync_folder(state_dir)?;
    for folder in &manifest.folders {
        make_folders(&restoring.join(folder.path.as_path()))?;
    }
    let mut looks = Looks::new();
    for entry in manifest
        .files
        .iter()
        .filter(|it| is_state(it.path.as_path()))
    {
        let path = entry.path.as_path();
        let to = restoring.join(path);
        if let Some(folder) = to.parent() {
            make_folders(folder)?;
        }
        let file = copy_checked(entry, &backup.join(path), &to)?;
        if let Some((tenant, environment, within)) = in_mailbox(path) {
            let metadata = file.metadata().map_err(at(&to))?;
            let place = (
                tenant.to_owned(),
                environment.to_owned(),
                within.to_string(),
            );
            let seen = Seen {
                fingerprint: fingerprint(&metadata),
                sha256: entry.sha256.clone(),
            };
            looks.push((place, seen));
        }
    }
    // The deepest first: what is made in a folder moves its time.
    for folder in manifest.folders.iter().rev() {
        let path = restoring.join(folder.path.as_path());
        let set = File::open(&path).and_then(|it| dress(&it, folder.mode, folder.modified));
        set.map_err(at(&path))?;
    }
    for suffix in ["", "-wal", "-shm"] {
        undo.0.push(suffixed(staged, suffix));
    }
    for file in manifest.files_of(DATABASE) {
        copy_checked(file, &backup.join(DATABASE), staged)?;
    }
    Ok((undo, looks))
}

fn is_state(path: &Path) -> bool {
    STATE.iter().any(|part| path.starts_with(part))
}

/// Copies a file of a backup, with its mode and time, and makes sure that it is what the manifest says.
fn copy_checked(entry: &FileEntry, from: &Path, to: &Path) -> Result<File, BackupError> {
    let original = File::open(from).map_err(at(from))?;
    let copied = copy::copy(&original, to).and_then(|(copy, content)| {
        dress(&copy, entry.mode, entry.modified)?;
        Ok((copy, content))
    });
    let (copy, content) = copied.map_err(at(to))?;
    if content.sha256 == entry.sha256 {
        Ok(copy)
    } else {
        let name = entry.path.as_path().display();
        Err(BackupError::Damaged(vec![format!(
            "{name} has changed since it was checked"
        )]))
    }
}

/// The owner can always get at it.
fn dress(file: &File, mode: u32, modified: Timestamp) -> io::Result<()> {
    let least = if file.metadata()?.is_dir() {
        0o700
    } else {
        0o600
    };
    file.set_permissions(fs::Permissions::from_mode(mode & 0o777 | least))?;
    file.set_modified(SystemTime::from(modified))
}

fn fingerprint(metadata: &fs::Metadata) -> Fingerprint {
    use std::os::unix::fs::MetadataExt as _;
    let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000) + rest;
    Fingerprint {
        inode: metadata.ino(),
        size_bytes: metadata.len(),
        modified_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        changed_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    }
}

fn make_folders(path: &Path) -> Result<(), BackupError> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(path)
        .map_err(at(path))
}

/// Removes a tree of folders that hold no file.
fn remove_empty(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        remove_empty(&entry?.path())?;
    }
    fs::remove_dir(folder)
}

/// A rename that replaces nothing, where the file system can do that.
fn rename_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
        renamed => Ok(renamed?),
    }
}

fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(at(folder))
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// What is to be removed again, the last first, unless it is emptied before.
#[derive(Debug, Default)]
struct Undo(Vec<PathBuf>);

impl Drop for Undo {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            let removed = match fs::symlink_metadata(path) {
                Ok(it) if it.is_dir() => fs::remove_dir_all(path),
                Ok(_) => fs::remove_file(path),
                Err(_) => Ok(()),
            };
            if let Err(error) = removed {
                tracing::warn!(path = %path.display(), "remove it by hand, the restore has failed: {error}");
            }
        }
    }
}
