//! Promise 1 across machines: a backup holds everything acknowledged before it began, and what is restored is imported exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::database::lock_for_writing;
use crate::harness::staff::Staff;
use crate::harness::tenant::{Source, Tenant};
use crate::harness::{Daemon, Reply, files_below, photo, rosterd, wait_until};

/// Everything that must be the same after a restore.
#[derive(Debug, PartialEq)]
struct Picture {
    history: Value,
    runs: BTreeMap<String, Value>,
    errors: BTreeMap<String, String>,
    rosters: Vec<Vec<u8>>,
    mailboxes: Tree,
    archive: Tree,
}

/// Bytes, mode and time by path.
type Tree = BTreeMap<PathBuf, (Vec<u8>, u32, i64)>;

fn tree(folder: &Path) -> Tree {
    files_below(folder)
        .into_iter()
        .map(|path| {
            let about = path.metadata().unwrap();
            let time = about.mtime() * 1_000_000_000 + about.mtime_nsec();
            let bytes = std::fs::read(&path).unwrap();
            let inside = path.strip_prefix(folder).unwrap().to_owned();
            (inside, (bytes, about.permissions().mode() & 0o777, time))
        })
        .collect()
}

impl Picture {
    fn of(daemon: &Daemon, tenants: &[&str]) -> Self {
        let json = |arguments: &[&str]| -> Value {
            serde_json::from_slice(&daemon.run(arguments).succeeded().stdout).unwrap()
        };
        let runs: Vec<String> = daemon.runs().iter().map(|it| it.id().to_owned()).collect();
        Self {
            history: json(&["runs", "--limit", "1000", "--json"]),
            runs: runs
                .iter()
                .map(|id| (id.clone(), json(&["run", id, "--json"])))
                .collect(),
            errors: runs
                .iter()
                .map(|id| (id.clone(), daemon.run(&["errors", id]).succeeded().text()))
                .collect(),
            rosters: tenants.iter().map(|it| daemon.roster_csv(it)).collect(),
            mailboxes: tree(&daemon.folder().join("state/mailboxes")),
            archive: tree(&daemon.folder().join("state/archive")),
        }
    }
}

/// What a fire leaves of the database and the state.
fn lose_the_state(daemon: &Daemon) {
    std::fs::remove_dir_all(daemon.folder().join("state")).unwrap();
    lose_the_database(daemon);
}

fn lose_the_database(daemon: &Daemon) {
    for suffix in ["", "-wal", "-shm"] {
        let file = daemon.folder().join(format!("rosterd.db{suffix}"));
        drop(std::fs::remove_file(file));
    }
}

fn backup(daemon: &Daemon, name: &str) -> PathBuf {
    let folder = daemon.folder().join(name);
    daemon
        .run(&["backup", folder.to_str().unwrap()])
        .succeeded();
    folder
}

fn restore(daemon: &Daemon, folder: &Path) -> Reply {
    daemon.run(&["restore", folder.to_str().unwrap()])
}

/// One run a file, whatever happened.
#[track_caller]
fn assert_nothing_came_twice(daemon: &Daemon) {
    let mut times = BTreeMap::new();
    for run in daemon.runs() {
        *times.entry(run.sha256().to_owned()).or_insert(0) += 1;
    }
    assert!(times.values().all(|times| *times == 1), "{times:?}");
}

#[test]
fn what_was_backed_up_comes_back_as_it_was_to_the_byte() {
    let two = || {
        Tenant::named("acme")
            .quota("1MB")
            .source(Source::named("contractors", "contractors.csv").requires_the_key_only())
    };
    let mut daemon = Daemon::start([two(), Tenant::named("globex")]);
    daemon
        .deliver("acme", "/data/employees.csv", Staff::of(30).csv())
        .came_to("applied");
    daemon
        .deliver("acme", "/employees.csv", Staff::of(29).csv())
        .came_to("applied");
    let held = daemon
        .deliver("acme", "/data/employees.csv", Staff::of(3).csv())
        .came_to("held");
    daemon
        .deliver("acme", "/data/contractors.csv", "no key\n1\n")
        .came_to("refused");
    daemon
        .deliver("globex", "/data/employees.csv", Staff::of(5).csv())
        .came_to("applied");
    let sender = daemon.sender("acme");
    sender
        .upload("/data/employees.csv.filepart", "half of")
        .succeeded();
    sender
        .upload("/images/E1.bmp", photo::bmp_of(50_000))
        .succeeded();
    sender.sftp("mkdir /images/new\n").succeeded();
    sender
        .upload("/images/new/E2.bmp", photo::bmp_of(60_000))
        .succeeded();
    daemon.wait_for_rest();

    // When it is backed up while it runs, and everything is lost after that.
    let backup = backup(&daemon, "backup");
    let before = Picture::of(&daemon, &["acme", "globex"]);
    assert!(before.mailboxes.len() > 12, "{:?}", before.mailboxes.keys());
    assert!(daemon.stop().success());
    lose_the_state(&daemon);
    restore(&daemon, &backup).succeeded();

    // Then it is all there again, before and after the daemon has looked at it.
    assert_eq!(Picture::of(&daemon, &["acme", "globex"]), before);
    daemon.start_again();
    daemon.wait_for_rest();
    let quota = [("tenant", "acme"), ("environment", "production")];
    let used: usize = before
        .mailboxes
        .iter()
        .filter(|(path, _)| {
            path.starts_with("acme/production")
                && !path.components().any(|it| it.as_os_str() == "errors")
        })
        .map(|(_, (bytes, ..))| bytes.len())
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    wait_until("the quota of before", || {
        daemon.metric("rosterd_mailbox_used_bytes", &quota) == Some(used as f64)
    });
    assert_eq!(daemon.runs().len(), 5);

    // And the work goes on: what was held has its copy, what is sent again is known.
    daemon.run(&["approve", held.id()]).succeeded();
    assert_eq!(daemon.roster("acme"), Staff::of(3));
    daemon
        .deliver("globex", "/data/employees.csv", Staff::of(5).csv())
        .came_to("no_change");
    assert_eq!(
        daemon.sender("acme").download("/images/new/E2.bmp"),
        photo::bmp_of(60_000)
    );
}

#[test]
fn a_server_comes_back_as_itself_on_a_machine_that_has_nothing() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    daemon.deliver("acme", "/data/employees.csv", Staff::of(3).csv());
    let backup = backup(&daemon, "backup");
    let roster = daemon.roster_csv("acme");
    assert!(daemon.stop().success());

    let machine = tempfile::tempdir().unwrap();
    let config = machine.path().join("etc/rosterd.toml");
    let mut command = rosterd();
    command.arg("--config").arg(&config);
    let reply = Reply::to(command.arg("restore").arg(&backup)).succeeded();
    for name in [
        "rosterd.toml",
        "acme.toml",
        "server.pem",
        "server.key",
        "ssh_host_ed25519",
    ] {
        assert!(
            reply.stderr.contains(name),
            "not a word of {name}: {reply:?}"
        );
    }
    let old = |name: &str| std::fs::read(daemon.folder().join(name)).unwrap();
    let new = |name: &str| std::fs::read(machine.path().join("etc").join(name)).unwrap();
    for name in [
        "rosterd.toml",
        "tenants/acme.toml",
        "server.pem",
        "server.key",
        "ssh_host_ed25519",
    ] {
        assert_eq!(new(name), old(name), "{name}");
    }
    let key = machine.path().join("etc/server.key");
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut command = rosterd();
    command.arg("--config").arg(&config);
    let reply = Reply::to(command.args(["roster", "--tenant", "acme"])).succeeded();
    assert_eq!(reply.stdout, roster);
}

#[test]
fn a_configuration_that_is_there_stays_and_what_differs_is_told() {
    let mut daemon = Daemon::start([Tenant::named("acme"), Tenant::named("globex")]);
    let backup = backup(&daemon, "backup");
    assert!(daemon.stop().success());
    lose_the_state(&daemon);
    let tenants = daemon.folder().join("tenants");
    std::fs::remove_file(tenants.join("globex.toml")).unwrap();
    let changed = Tenant::named("acme").quota("7MB").toml();
    std::fs::write(tenants.join("acme.toml"), &changed).unwrap();

    let reply = restore(&daemon, &backup).succeeded();
    let kept = std::fs::read_to_string(tenants.join("acme.toml")).unwrap();
    assert_eq!(kept, changed);
    assert!(
        !tenants.join("globex.toml").try_exists().unwrap(),
        "a login that was taken away is back"
    );
    for words in ["left ", "did not put back"] {
        assert!(reply.stderr.contains(words), "{reply:?}");
    }
}

#[test]
fn senders_that_push_while_the_backup_is_made_lose_nothing_and_double_nothing() {
    let names = ["acme", "globex", "initech"];
    let mut daemon = Daemon::start(names.map(Tenant::named));
    let acknowledged = Mutex::new(BTreeSet::new());
    let is_enough = AtomicBool::new(false);
    let (before, backups) = std::thread::scope(|scope| {
        for (lane, name) in names.into_iter().enumerate() {
            let (daemon, acknowledged, is_enough) = (&daemon, &acknowledged, &is_enough);
            scope.spawn(move || {
                // One person more each time, so that no two files are the same.
                let mut size = 20 + lane * 1_000;
                while !is_enough.load(Ordering::Relaxed) {
                    size += 1;
                    let file = Staff::of(size).csv();
                    let reply = daemon.sender(name).upload("/data/employees.csv", file);
                    let delivery = reply.succeeded().delivery();
                    acknowledged.lock().unwrap().insert(delivery);
                }
            });
        }
        // Given pushes under way, when backups are made in the middle of them.
        let mut backups = Vec::new();
        let mut before = Vec::new();
        for round in 1..=3 {
            wait_until("some more deliveries", || {
                acknowledged.lock().unwrap().len() >= round * 5
            });
            before.push(acknowledged.lock().unwrap().clone());
            backups.push(backup(&daemon, &format!("backup{round}")));
        }
        is_enough.store(true, Ordering::Relaxed);
        (before, backups)
    });
    daemon.wait_for_rest();
    assert!(daemon.stop().success());

    for (before, backup) in before.iter().zip(&backups) {
        lose_the_state(&daemon);
        restore(&daemon, backup).succeeded();
        daemon.start_again();
        daemon.wait_for_rest();
        wait_for_local_files(&daemon);
        let runs: BTreeSet<String> = daemon
            .runs()
            .iter()
            .map(|run| run.delivery().to_owned())
            .collect();
        let lost: Vec<_> = before.difference(&runs).collect();
        assert!(lost.is_empty(), "acknowledged, and lost: {lost:?}");
        assert_nothing_came_twice(&daemon);
        for name in names {
            let lies = std::fs::read(daemon.mailbox(name).join("data/employees.csv")).unwrap();
            wait_until("the roster to be as the file", || {
                daemon.roster(name) == Staff::read(&lies)
            });
        }
        assert!(daemon.stop().success());
    }
}

/// Waits until a file that is put into a mailbox now was taken up: by then everything that lay there before it was, if it was to be.
fn wait_for_local_files(daemon: &Daemon) {
    let photo = daemon.mailbox("acme").join("images/witness.bmp");
    std::fs::write(photo, photo::bmp_of(40_000)).unwrap();
    wait_until("a local file to be taken up", || {
        daemon.log_text().contains(r#""kind":"photo""#)
    });
}

#[test]
fn what_waits_in_the_spool_is_imported_once_after_the_restore_under_its_own_id() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    daemon
        .deliver("acme", "/data/employees.csv", Staff::of(10).csv())
        .came_to("applied");

    // Given an arrival that cannot be recorded, because somebody else writes the database.
    let lock = lock_for_writing(&daemon.folder().join("rosterd.db"));
    let reply = daemon
        .sender("acme")
        .upload("/data/employees.csv", Staff::of(11).csv())
        .succeeded();
    assert_eq!(files_below(&daemon.folder().join("state/spool")).len(), 1);

    // When a backup is made, which waits for no writer.
    let backup = backup(&daemon, "backup");
    drop(lock);
    daemon.wait_for_rest();
    assert_eq!(files_below(&backup.join("spool")).len(), 1);
    assert!(daemon.stop().success());
    lose_the_state(&daemon);
    restore(&daemon, &backup).succeeded();

    // Then the delivery is taken up, once.
    daemon.start_again();
    daemon.outcome_of(&reply.delivery()).came_to("applied");
    wait_for_local_files(&daemon);
    assert_eq!(daemon.runs().len(), 2);
    assert_eq!(daemon.roster("acme"), Staff::of(11));
}

#[test]
fn a_file_whose_time_was_set_after_its_upload_is_not_imported_again() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    daemon
        .deliver("acme", "/data/employees.csv", Staff::of(10).csv())
        .came_to("applied");
    // As clients do with MFMT or SETSTAT, and before intake has noted it.
    let lying = daemon.mailbox("acme").join("data/employees.csv");
    let file = std::fs::File::options().write(true).open(&lying).unwrap();
    let spring = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    file.set_modified(spring).unwrap();
    let backup = backup(&daemon, "backup");
    assert!(daemon.stop().success());
    lose_the_state(&daemon);
    restore(&daemon, &backup).succeeded();
    assert_eq!(lying.metadata().unwrap().modified().unwrap(), spring);
    daemon.start_again();
    wait_for_local_files(&daemon);
    assert_eq!(daemon.runs().len(), 1);
}

#[test]
fn a_file_that_somebody_is_still_copying_into_a_mailbox_is_left_out() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let staff = Staff::of(10);
    let whole = staff.csv();
    let target = daemon.mailbox("acme").join("data/employees.csv");
    std::fs::write(&target, &whole[..whole.len() / 2]).unwrap();

    let folder = daemon.folder().join("backup");
    let reply = daemon
        .run(&["backup", folder.to_str().unwrap()])
        .succeeded();
    assert!(reply.stderr.contains("left out"), "{reply:?}");
    assert!(reply.stderr.contains("employees.csv"), "{reply:?}");
    assert!(
        !folder
            .join("mailboxes/acme/production/data/employees.csv")
            .try_exists()
            .unwrap()
    );

    std::fs::write(&target, &whole).unwrap();
    wait_until("the whole file to be imported", || {
        daemon.roster("acme") == staff
    });
}

#[test]
fn a_backup_can_be_read_by_its_owner_only_and_replaces_nothing() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    daemon.deliver("acme", "/data/employees.csv", Staff::of(3).csv());
    // An empty folder will do, and what an earlier backup left there that was killed is no hindrance.
    let folder = daemon.folder().join("backup");
    std::fs::create_dir(&folder).unwrap();
    let left = daemon.folder().join(".backup.rosterd-unfinished");
    std::fs::create_dir_all(left.join("mailboxes")).unwrap();
    backup(&daemon, "backup");
    assert!(!left.try_exists().unwrap());
    for file in files_below(&folder) {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.display());
        let above = file.parent().unwrap().metadata().unwrap().permissions();
        assert_eq!(above.mode() & 0o777, 0o700, "around {}", file.display());
    }

    let before = tree(&folder);
    let refused = |path: &Path, words: &str| {
        let reply = daemon.run(&["backup", path.to_str().unwrap()]);
        assert_eq!(reply.code, 1, "{reply:?}");
        reply.refused(words);
    };
    refused(&folder, "not empty");
    refused(&folder.join("manifest.json"), "not empty");
    refused(&daemon.folder().join("state/backup"), "in the state folder");
    refused(&daemon.folder().join("no/backup"), "No such file");
    assert_eq!(tree(&folder), before);
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["deliveries"], 1);
    assert_eq!(manifest["parts"]["archive"]["files"], 1);
    let mut sums = std::process::Command::new("sha256sum");
    sums.current_dir(&folder)
        .args(["--check", "manifest.sha256"]);
    Reply::to(&mut sums).succeeded();
}

#[test]
fn a_restore_that_cannot_be_whole_changes_nothing() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    daemon.deliver("acme", "/data/employees.csv", Staff::of(3).csv());
    let backup = backup(&daemon, "backup");
    let refused = |daemon: &Daemon, code: i32, words: &str| {
        let before = tree(daemon.folder());
        let reply = restore(daemon, &backup);
        assert_eq!(reply.code, code, "{reply:?}");
        reply.refused(words);
        let mut after = tree(daemon.folder());
        let mut before = before;
        for tree in [&mut before, &mut after] {
            tree.retain(|path, _| {
                !path.ends_with("daemon.lock") && !path.ends_with("rosterd.db-shm")
            });
        }
        assert_eq!(
            after.keys().collect::<Vec<_>>(),
            before.keys().collect::<Vec<_>>()
        );
        assert_eq!(after, before);
    };
    refused(&daemon, 2, "stop that one first");
    assert!(daemon.stop().success());
    refused(&daemon, 1, "the state is not empty");
    // A mailbox without its database is a state too.
    lose_the_database(&daemon);
    refused(&daemon, 1, "the state is not empty");
    lose_the_state(&daemon);

    // Whatever is wrong with the backup is found before anything is changed.
    let copy = files_below(&backup.join("archive")).remove(0);
    let good = std::fs::read(&copy).unwrap();
    std::fs::write(&copy, [&good[..good.len() - 1], b"?"].concat()).unwrap();
    refused(&daemon, 1, "is damaged");
    std::fs::remove_file(&copy).unwrap();
    refused(&daemon, 1, "No such file");
    std::fs::write(&copy, good).unwrap();
    let manifest = backup.join("manifest.json");
    let good = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, good.replace("acme", "acne")).unwrap();
    refused(&daemon, 1, "is damaged");
    std::fs::remove_file(&manifest).unwrap();
    refused(&daemon, 1, "no backup of rosterd, or an unfinished one");
    std::fs::write(&manifest, good).unwrap();
    assert!(!daemon.folder().join("rosterd.db").try_exists().unwrap());

    restore(&daemon, &backup).succeeded();
    assert_eq!(daemon.roster("acme"), Staff::of(3));
    daemon.start_again();
}

#[test]
fn nothing_starts_on_a_restore_that_died_half_way() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    let backup = backup(&daemon, "backup");
    assert!(daemon.stop().success());
    lose_the_state(&daemon);
    let restoring = daemon.folder().join("state/restoring");
    std::fs::create_dir_all(&restoring).unwrap();
    for arguments in [
        &["serve"][..],
        &["runs"],
        &["restore", backup.to_str().unwrap()],
    ] {
        let reply = daemon.run(arguments);
        assert_eq!(reply.code, 2, "{arguments:?}: {reply:?}");
        reply.refused("was not finished");
    }
    assert!(!daemon.folder().join("rosterd.db").try_exists().unwrap());
    lose_the_state(&daemon);
    restore(&daemon, &backup).succeeded();
    daemon.start_again();
}
