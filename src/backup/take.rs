//! Making a backup; the order of its steps is explained in [`super`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::copy;
use super::manifest::{FileEntry, Manifest};
use super::mirror::{Mirror, Mirrored, entry_path};
use super::place::Unfinished;
use super::settings::Settings;
use super::{
    ARCHIVE, BackupError, DATABASE, MAILBOXES, MANIFEST, MANIFEST_SUM, Progress, SPOOL, at,
    blocking,
};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Tenant};
use crate::content::Content;
use crate::db::{Copied, Live, Seen, Snapshot};
use crate::intake;
use crate::mailbox::arrival::Placement;
use crate::mailbox::{Fingerprint, MailboxPath, placement};
use crate::tenant::TenantId;

/// Looks at the mailboxes at most; each takes what has moved since the one before it.
const PASSES: usize = 5;

/// A finished backup, and what an admin should know of it.
#[derive(Debug)]
pub struct Taken {
    pub path: PathBuf,
    pub manifest: Manifest,
    /// Files that somebody is putting into a mailbox right now, by `cp` or the like: how far they have come nobody knows.
    pub left_out: Vec<PathBuf>,
    /// What somebody keeps us out of.
    pub unreadable: Vec<PathBuf>,
    /// Deliveries whose copy the archive should have and has not, or not as it was received.
    pub without_copy: Vec<String>,
}

/// Makes a backup in `target`. The daemon may run.
pub async fn take(
    config_file: &Path,
    config: &Config,
    target: &Path,
    progress: Progress<'_>,
) -> Result<Taken, BackupError> {
    let state_dir = config.server.state_dir.clone();
    let mut live = Live::open(&config.database.path).await?;
    let taken_at = SystemClock.now();
    let unfinished = {
        let (target, state_dir) = (target.to_owned(), state_dir.clone());
        blocking(move || Unfinished::begin(&target, &state_dir)).await?
    };
    let to = unfinished.path.clone();

    progress("configuration and spool");
    let (mut files, mut spool) = {
        let (config_file, state_dir, to) = (config_file.to_owned(), state_dir.clone(), to.clone());
        blocking(move || {
            let files = copy_settings(&config_file, &to)?;
            let mut spool = Mirror::new(&state_dir, &to, SPOOL);
            spool.pass()?;
            Ok((files, spool))
        })
        .await?
    };

    progress("database");
    let database = to.join(DATABASE);
    copy::write(&database, b"").map_err(at(&database))?;
    live.snapshot(&database).await?;
    let snapshot = Snapshot::read(&database).await?;

    progress("archive");
    let (copies, without_copy) = {
        let (state_dir, to, copies) = (state_dir.clone(), to.clone(), snapshot.copies);
        blocking(move || copy_archive(&state_dir, &to, &copies)).await?
    };
    files.push(database_entry(&database, taken_at)?);
    files.extend(copies);

    progress("mailboxes");
    let (mut mailboxes, looked_at, in_spool) = {
        let (state_dir, to) = (state_dir.clone(), to.clone());
        blocking(move || copy_mailboxes(&state_dir, &to)).await?
    };
    let ids: Vec<String> = spool.files.keys().filter_map(|it| delivery(it)).collect();
    let known = live.known(ids.iter().map(String::as_str)).await?;
    let judge = Judge {
        tenants: &config.tenants,
        arriving: in_spool.values().map(|looks| looks.inode).collect(),
        seen: live.seen().await?,
        still_since: before(looked_at, intake::Settings::default().settle),
    };
    let left_out = judge.half_files(&mut live, &mailboxes).await?;
    let not_arrived: Vec<PathBuf> = spool
        .files
        .keys()
        .filter(|path| {
            delivery(path).is_some_and(|id| {
                // The snapshot has it; or its upload was undone, and its sender was told so.
                snapshot.deliveries.contains(&id)
                    || !in_spool.contains_key(*path) && !known.contains(&id)
            })
        })
        .cloned()
        .collect();

    progress("manifest");
    let here = |path: &PathBuf| state_dir.join(path);
    let unreadable = [&mailboxes, &spool]
        .into_iter()
        .flat_map(|mirror| mirror.unreadable.iter().map(here))
        .collect();
    let told = left_out.iter().map(here).collect();
    let counts = (snapshot.deliveries.len() as u64, snapshot.runs);
    let (path, manifest) = blocking(move || {
        mailboxes.leave_out(&left_out)?;
        spool.leave_out(&not_arrived)?;
        let mut folders = Vec::new();
        for mirror in [spool, mailboxes] {
            let (its_folders, its_files) = mirror.entries()?;
            folders.extend(its_folders);
            files.extend(its_files);
        }
        let manifest = Manifest::new(taken_at, counts, folders, files);
        unfinished.sync()?;
        write_manifest(&unfinished.path, &manifest)?;
        Ok((unfinished.finish()?, manifest))
    })
    .await?;
    Ok(Taken {
        path,
        manifest,
        left_out: told,
        unreadable,
        without_copy,
    })
}

/// Copies what lies in the mailboxes now, and says when it looked last, and what waited in the spool after that.
fn copy_mailboxes(
    state_dir: &Path,
    to: &Path,
) -> Result<(Mirror, Timestamp, BTreeMap<PathBuf, Fingerprint>), BackupError> {
    let mut mailboxes = Mirror::new(state_dir, to, MAILBOXES);
    let mut looked_at = SystemClock.now();
    for _ in 0..PASSES {
        looked_at = SystemClock.now();
        if !mailboxes.pass()? {
            break;
        }
    }
    // Before the database is asked: what leaves the spool is in there.
    let in_spool = Mirror::new(state_dir, to, SPOOL).list()?.found;
    Ok((mailboxes, looked_at, in_spool))
}

fn copy_settings(config_file: &Path, to: &Path) -> Result<Vec<FileEntry>, BackupError> {
    let text = std::fs::read_to_string(config_file).map_err(at(config_file))?;
    let mut entries = Vec::new();
    for (path, original) in Settings::read(config_file, &text).files()? {
        let copy = to.join(path.as_path());
        if let Some(folder) = copy.parent() {
            copy::make_folder(folder).map_err(at(folder))?;
        }
        let copied = File::open(&original).and_then(|file| {
            let (_, content) = copy::copy(&file, &copy)?;
            Ok((content, file.metadata()?))
        });
        let (Content { sha256, size_bytes }, metadata) = copied.map_err(at(&original))?;
        entries.push(FileEntry {
            path,
            size_bytes,
            sha256,
            mode: metadata.permissions().mode() & 0o777,
            modified: modified(&metadata),
        });
    }
    Ok(entries)
}

/// The copies that the snapshot names; those without a row there are made anew from the spool.
fn copy_archive(
    state_dir: &Path,
    to: &Path,
    copies: &[Copied],
) -> Result<(Vec<FileEntry>, Vec<String>), BackupError> {
    let (mut entries, mut without_copy) = (Vec::new(), Vec::new());
    for delivery in copies {
        let place = Path::new(ARCHIVE)
            .join(&delivery.tenant)
            .join(&delivery.environment)
            .join(&delivery.id);
        let path = entry_path(&place)?;
        let (original, copy) = (state_dir.join(&place), to.join(&place));
        let file = match File::open(&original) {
            Ok(file) => file,
            // Nobody needs it, and it was kept long enough.
            Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => {
                if delivery.is_needed {
                    without_copy.push(delivery.id.clone());
                }
                continue;
            }
            Err(error) => return Err(at(&original)(error)),
        };
        if let Some(folder) = copy.parent() {
            copy::make_folder(folder).map_err(at(folder))?;
        }
        let metadata = file.metadata().map_err(at(&original))?;
        let (_, Content { sha256, size_bytes }) = copy::copy(&file, &copy).map_err(at(&copy))?;
        if sha256 != delivery.sha256 {
            without_copy.push(delivery.id.clone());
        }
        entries.push(FileEntry {
            path,
            size_bytes,
            sha256,
            mode: metadata.permissions().mode() & 0o777,
            modified: modified(&metadata),
        });
    }
    Ok((entries, without_copy))
}

fn database_entry(database: &Path, taken_at: Timestamp) -> Result<FileEntry, BackupError> {
    let content = File::open(database).and_then(|file| Content::read(&file));
    let Content { sha256, size_bytes } = content.map_err(at(database))?;
    Ok(FileEntry {
        path: entry_path(Path::new(DATABASE))?,
        size_bytes,
        sha256,
        mode: 0o600,
        modified: taken_at,
    })
}

fn write_manifest(folder: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let path = folder.join(MANIFEST);
    let mut bytes = serde_json::to_vec_pretty(manifest)
        .map_err(|error| at(&path)(std::io::Error::other(error)))?;
    bytes.push(b'\n');
    copy::write(&path, &bytes).map_err(at(&path))?;
    // As `sha256sum --check` reads it.
    let sum = folder.join(MANIFEST_SUM);
    let line = format!("{}  {MANIFEST}\n", Content::of(&bytes).sha256);
    copy::write(&sum, line.as_bytes()).map_err(at(&sum))
}

/// Tells whole files from those that somebody is still writing.
struct Judge<'c> {
    tenants: &'c BTreeMap<TenantId, Arc<Tenant>>,
    /// Inodes of finished uploads.
    arriving: HashSet<u64>,
    seen: HashMap<(String, String, String), Seen>,
    /// What has not changed since then is finished.
    still_since: Timestamp,
}

impl Judge<'_> {
    /// The files that are not whole for certain: a restored rosterd would take them up, and half a file makes leavers.
    async fn half_files(
        &self,
        live: &mut Live,
        mailboxes: &Mirror,
    ) -> Result<Vec<PathBuf>, BackupError> {
        let mut half = Vec::new();
        for (path, file) in &mailboxes.files {
            if let Some(place) = self.doubts(path, file) {
                // Replaced since it was copied, it is not the one that was seen last.
                if !live.was_delivered(&place, &file.content.sha256).await? {
                    half.push(path.clone());
                }
            }
        }
        Ok(half)
    }

    /// The place of a file that may be a half one.
    fn doubts(&self, path: &Path, file: &Mirrored) -> Option<(String, String, String)> {
        let (tenant, environment, within) = in_mailbox(path)?;
        if !self.is_taken_up(tenant, &within) {
            return None;
        }
        let here = &file.looks;
        let place = (
            tenant.to_owned(),
            environment.to_owned(),
            within.to_string(),
        );
        let is_seen = self.seen.get(&place).is_some_and(|seen| {
            let known = &seen.fingerprint;
            (known.inode, known.size_bytes, known.modified_ns)
                == (here.inode, here.size_bytes, here.modified_ns)
        });
        let is_still = i128::from(here.changed_ns) <= self.still_since.as_nanosecond();
        let is_whole = is_seen || is_still || self.arriving.contains(&here.inode);
        (file.is_torn || !is_whole).then_some(place)
    }

    fn is_taken_up(&self, tenant: &str, path: &MailboxPath) -> bool {
        let tenant = TenantId::parse(tenant).ok();
        let Some(tenant) = tenant.and_then(|tenant| self.tenants.get(&tenant)) else {
            return false;
        };
        placement::place(path, tenant)
            .is_ok_and(|it| matches!(it.placement, Placement::Data { .. } | Placement::Photo))
    }
}

/// Tenant, environment and path within the mailbox; none for what clients cannot name.
pub(super) fn in_mailbox(path: &Path) -> Option<(&str, &str, MailboxPath)> {
    let mut names = path.strip_prefix(MAILBOXES).ok()?.iter();
    let (tenant, environment) = (names.next()?.to_str()?, names.next()?.to_str()?);
    let mut within = MailboxPath::root();
    for name in names {
        let name = name.to_str()?;
        within = within.join(name).ok()?;
        if within.name() != Some(name) {
            return None;
        }
    }
    Some((tenant, environment, within))
}

/// The delivery that a file in the spool is named after.
fn delivery(path: &Path) -> Option<String> {
    let (id, _) = path.file_name()?.to_str()?.split_once('.')?;
    Some(id.to_owned())
}

fn before(now: Timestamp, span: Duration) -> Timestamp {
    now.checked_sub(span).unwrap_or(Timestamp::MIN)
}

fn modified(metadata: &std::fs::Metadata) -> Timestamp {
    metadata
        .modified()
        .ok()
        .and_then(|time| Timestamp::try_from(time).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Db, NewDelivery, NewKind};
    use crate::mailbox::DeliveryId;
    use crate::tenant::{Environment, Mode};

    const TENANT: &str = "name = \"acme\"\ntime_zone = \"UTC\"\nquota = \"1MB\"\n\
        [[data_source]]\nname = \"employees\"\nfile_name = \"employees.csv\"\nmode = \"full\"\n";
    const MAIN: &str = "[server]\nhosts = [\"localhost\"]\nstate_dir = \"state\"\ntenants = \"tenants\"\n\
        [database]\nurl = \"sqlite://rosterd.db\"\n\
        [sftp]\nlisten = [\"127.0.0.1:0\"]\nhost_keys = [\"ssh_host_ed25519\"]\ngenerate = true\n";

    /// A state folder in which `bytes` were taken up in this order, all under one name.
    async fn state(bytes: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("state/mailboxes/acme/production/data");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::create_dir(folder.path().join("tenants")).unwrap();
        std::fs::write(folder.path().join("tenants/acme.toml"), TENANT).unwrap();
        std::fs::write(folder.path().join("rosterd.toml"), MAIN).unwrap();
        let path = folder.path().join("rosterd.db");
        let db = Db::open(&path, Arc::new(SystemClock)).await.unwrap();
        for bytes in bytes {
            let delivery = delivery_of(DeliveryId::mint(), bytes);
            db.record_delivery(&delivery).await.unwrap();
        }
        db.close().await;
        folder
    }

    fn delivery_of(id: DeliveryId, bytes: &str) -> NewDelivery {
        NewDelivery {
            id,
            tenant: TenantId::parse("acme").unwrap(),
            environment: Environment::Production,
            kind: NewKind::Data {
                source: "employees".to_owned(),
                mode: Mode::Full,
            },
            file_name: "/data/employees.csv".to_owned(),
            sha256: Content::of(bytes.as_bytes()).sha256,
            size_bytes: bytes.len() as u64,
            received_at: SystemClock.now(),
            fingerprint: Fingerprint {
                inode: 1,
                size_bytes: bytes.len() as u64,
                modified_ns: 1,
                changed_ns: 1,
            },
        }
    }

    /// Puts a file into the mailbox and says whether a backup has it.
    async fn is_kept(folder: &Path, bytes: &str) -> bool {
        let file = "mailboxes/acme/production/data/employees.csv";
        std::fs::write(folder.join("state").join(file), bytes).unwrap();
        let main = folder.join("rosterd.toml");
        let config = Config::load(&main).unwrap();
        let target = folder.join("backup");
        let taken = take(&main, &config, &target, &|_| ()).await.unwrap();
        let kept = target.join(file).is_file();
        assert_eq!(taken.left_out.is_empty(), kept);
        // The deliveries have no copies here.
        assert_eq!(taken.without_copy.len() as u64, taken.manifest.deliveries);
        std::fs::remove_dir_all(target).unwrap();
        kept
    }

    #[tokio::test]
    async fn an_upload_that_was_replaced_since_it_was_copied_is_missing_in_no_backup() {
        let folder = state(&["one", "two"]).await;
        assert!(is_kept(folder.path(), "two").await);
        assert!(is_kept(folder.path(), "one").await);
        assert!(!is_kept(folder.path(), "thr").await, "it may grow yet");
    }

    /// An arrival with these bytes in the spool, and its name there.
    fn arrive(folder: &Path, bytes: &str) -> (DeliveryId, PathBuf) {
        let id = DeliveryId::mint();
        let spool = folder.join("state/spool/acme/production");
        std::fs::create_dir_all(&spool).unwrap();
        let file = spool.join(format!("{id}.\\data\\employees.csv"));
        std::fs::write(&file, bytes).unwrap();
        (id, file)
    }

    /// What intake does, in the middle of a backup: from the spool into archive and database.
    fn claim(folder: &Path, id: &DeliveryId, spooled: &Path, bytes: &str) {
        let archive = folder.join("state/archive/acme/production");
        std::fs::create_dir_all(&archive).unwrap();
        std::fs::write(archive.join(id.as_str()), bytes).unwrap();
        let (path, new) = (folder.join("rosterd.db"), delivery_of(id.clone(), bytes));
        std::thread::scope(|scope| {
            let recorded = scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().unwrap();
                runtime.block_on(async {
                    let db = Db::open(&path, Arc::new(SystemClock)).await.unwrap();
                    db.record_delivery(&new).await.unwrap();
                    db.close().await;
                });
            });
            recorded.join().unwrap();
        });
        std::fs::remove_file(spooled).unwrap();
    }

    /// Makes a backup in which `meanwhile` happens before a step, and says which copies and which arrivals are in it.
    async fn backup_while(
        folder: &Path,
        before: &str,
        meanwhile: impl Fn() + Sync,
    ) -> (usize, usize) {
        let main = folder.join("rosterd.toml");
        let config = Config::load(&main).unwrap();
        let progress = |step: &str| {
            if step == before {
                meanwhile();
            }
        };
        let taken = take(&main, &config, &folder.join("backup"), &progress).await;
        let manifest = taken.unwrap().manifest;
        (
            manifest.files_of(ARCHIVE).count(),
            manifest.files_of(SPOOL).count(),
        )
    }

    #[tokio::test]
    async fn an_arrival_is_in_the_backup_once_whenever_it_is_claimed_meanwhile() {
        for (step, expected) in [
            // The snapshot has it.
            ("database", (1, 0)),
            // The snapshot has it not, and nobody will find it in the spool any more.
            ("archive", (0, 1)),
            ("mailboxes", (0, 1)),
            ("never", (0, 1)),
        ] {
            let folder = state(&[]).await;
            let (id, spooled) = arrive(folder.path(), "one");
            let claim = || claim(folder.path(), &id, &spooled, "one");
            let found = backup_while(folder.path(), step, claim).await;
            assert_eq!(found, expected, "claimed before the step {step}");
        }
    }

    #[tokio::test]
    async fn an_upload_that_was_undone_is_not_in_the_backup() {
        let folder = state(&[]).await;
        let (_, spooled) = arrive(folder.path(), "one");
        let undo = || std::fs::remove_file(&spooled).unwrap();
        assert_eq!(backup_while(folder.path(), "database", undo).await, (0, 0));
    }
}
