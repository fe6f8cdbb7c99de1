//! What stands in the way of a start: it is told in one clear sentence, with exit code 2, and nothing is touched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::harness::disk::SmallDisk;
use crate::harness::staff::Staff;
use crate::harness::tenant::Tenant;
use crate::harness::{Daemon, files_below};

/// What is changed on purpose by a start that fails: the lock, and what SQLite maps into memory.
const VOLATILE: [&str; 2] = ["daemon.lock", "rosterd.db-shm"];

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files_below(folder)
        .into_iter()
        .filter(|path| !VOLATILE.iter().any(|name| path.ends_with(name)))
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

/// `serve` and a command that changes something, and, if it needs the same, one that only reads.
#[track_caller]
fn refused(daemon: &Daemon, commands: &[&[&str]], words: &[&str]) {
    for arguments in commands {
        let before = contents(daemon.folder());
        let reply = daemon.run(arguments);
        assert_eq!(reply.code, 2, "{arguments:?}: {reply:?}");
        for words in words {
            assert!(reply.stderr.contains(words), "{words:?}: {reply:?}");
        }
        assert!(reply.stderr.lines().count() <= 3, "{reply:?}");
        assert_eq!(contents(daemon.folder()), before, "{arguments:?}");
    }
}

const ALL: [&[&str]; 3] = [&["serve"], &["reject", "x"], &["runs"]];

fn stopped() -> Daemon {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    daemon.deliver("acme", "/data/employees.csv", Staff::of(3).csv());
    assert!(daemon.stop().success());
    daemon
}

#[test]
fn a_second_daemon_names_the_first_and_commands_go_on() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    daemon.deliver("acme", "/data/employees.csv", Staff::of(3).csv());
    let pid = std::fs::read_to_string(daemon.folder().join("state/daemon.lock")).unwrap();
    let name = format!("process {}", pid.trim());
    refused(
        &daemon,
        &[&["serve"]],
        &["another rosterd", &name, "stop that one first"],
    );
    assert_eq!(daemon.roster("acme"), Staff::of(3));
    assert_eq!(daemon.get("/livez").0, 200);
}

#[test]
fn a_state_folder_of_somebody_else_is_left_alone() {
    let daemon = stopped();
    let state = daemon.folder().join("state");
    std::os::unix::fs::chown(&state, Some(54_321), None)
        .expect("this test gives a folder away: run it as root");
    let backup = daemon.folder().join("backup");
    let backup = ["backup", backup.to_str().unwrap()];
    refused(
        &daemon,
        &[&["serve"], &["reject", "x"], &backup],
        &["belongs to user 54321", "run rosterd as its owner"],
    );
    daemon.run(&["runs"]).succeeded();
    // A database is not made for somebody else.
    std::fs::rename(
        daemon.folder().join("rosterd.db"),
        daemon.folder().join("kept.db"),
    )
    .unwrap();
    refused(&daemon, &[&["runs"]], &["belongs to user 54321"]);
    std::fs::rename(
        daemon.folder().join("kept.db"),
        daemon.folder().join("rosterd.db"),
    )
    .unwrap();
    std::os::unix::fs::chown(&state, Some(0), None).unwrap();
}

#[test]
fn a_state_dir_that_is_a_file_is_no_state_dir() {
    let daemon = stopped();
    let state = daemon.folder().join("state");
    std::fs::rename(&state, daemon.folder().join("kept")).unwrap();
    std::fs::write(&state, "a file").unwrap();
    refused(
        &daemon,
        &[&["serve"], &["reject", "x"]],
        &["is no folder", "server.state_dir"],
    );
    std::fs::remove_file(&state).unwrap();
    std::fs::rename(daemon.folder().join("kept"), &state).unwrap();
}

#[test]
fn what_is_no_database_of_ours_is_not_opened() {
    let daemon = stopped();
    let database = daemon.folder().join("rosterd.db");
    let good = std::fs::read(&database).unwrap();
    std::fs::write(
        &database,
        "Dear diary, this is no database at all. ".repeat(200),
    )
    .unwrap();
    refused(
        &daemon,
        &ALL,
        &["is not a database of rosterd", "database.url"],
    );
    std::fs::remove_file(&database).unwrap();
    std::fs::create_dir(&database).unwrap();
    refused(&daemon, &ALL, &["is not a database of rosterd"]);
    std::fs::remove_dir(&database).unwrap();
    sqlite(&database, "CREATE TABLE chess (game TEXT)");
    refused(&daemon, &ALL, &["is not a database of rosterd"]);
    std::fs::write(&database, &good).unwrap();
    sqlite(
        &database,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)",
    );
    refused(&daemon, &ALL, &["was written by a newer rosterd"]);
    std::fs::write(&database, &good).unwrap();
    assert_eq!(daemon.roster("acme"), Staff::of(3));
}

#[test]
fn a_read_only_disk_is_named() {
    let disk = SmallDisk::of(16);
    let mut daemon = stopped();
    let moved = disk.path().join("state");
    copy_tree(&daemon.folder().join("state"), &moved);
    let config = daemon.folder().join("rosterd.toml");
    let old = std::fs::read_to_string(&config).unwrap();
    let new = old.replace(
        "state_dir = \"state\"",
        &format!("state_dir = \"{}\"", moved.display()),
    );
    std::fs::write(&config, &new).unwrap();
    disk.set_writable(false);
    refused(
        &daemon,
        &[&["serve"]],
        &[moved.to_str().unwrap(), "Read-only file system"],
    );
    daemon.run(&["runs"]).succeeded();

    std::fs::write(
        &config,
        old.replace(
            "sqlite://rosterd.db",
            &format!("sqlite://{}/rosterd.db", disk.path().display()),
        ),
    )
    .unwrap();
    refused(
        &daemon,
        &ALL,
        &[disk.path().to_str().unwrap(), "Read-only file system"],
    );
    disk.set_writable(true);
    std::fs::copy(
        daemon.folder().join("rosterd.db"),
        disk.path().join("rosterd.db"),
    )
    .unwrap();
    disk.set_writable(false);
    refused(&daemon, &ALL, &["rosterd.db"]);
    std::fs::write(&config, old).unwrap();
    daemon.start_again();
}

#[test]
fn after_a_crash_the_database_is_checked_and_damage_refuses_the_start() {
    let mut daemon = stopped();
    daemon.start_again();
    assert!(
        !daemon.log_text().contains("checking the database"),
        "it had ended well"
    );
    daemon.kill();
    daemon.start_again();
    assert!(daemon.log_text().contains("checking the database"));
    assert!(daemon.log_text().contains("the database is sound"));
    daemon.kill();

    let database = daemon.folder().join("rosterd.db");
    sqlite(&database, "PRAGMA wal_checkpoint(TRUNCATE)");
    let good = std::fs::read(&database).unwrap();
    let mut bad = good.clone();
    for page in bad.chunks_mut(4096).skip(2) {
        page[..64].fill(0xa5);
    }
    std::fs::write(&database, &bad).unwrap();
    // Twice: the first refusal does not make it look well.
    for _ in 0..2 {
        let reply = daemon.run(&["serve"]);
        assert_eq!(reply.code, 2, "{reply:?}");
        for words in ["is damaged", "rosterd restore DIR"] {
            assert!(reply.stderr.contains(words), "{reply:?}");
        }
        assert_eq!(std::fs::read(&database).unwrap(), bad);
    }
    std::fs::write(&database, &good).unwrap();
    daemon.start_again();
    assert!(daemon.stop().success());
    daemon.start_again();
    assert!(!daemon.log_text().contains("checking the database"));
}

fn sqlite(database: &Path, statement: &str) {
    let script = "import sqlite3, sys\n\
                  db = sqlite3.connect(sys.argv[1])\n\
                  db.execute(sys.argv[2]).fetchall()\n\
                  db.commit()\n";
    let mut python = std::process::Command::new("python3");
    python.args(["-c", script]).arg(database).arg(statement);
    crate::harness::Reply::to(&mut python).succeeded();
}

fn copy_tree(from: &Path, to: &Path) {
    let mut copy = std::process::Command::new("cp");
    crate::harness::Reply::to(copy.arg("-a").arg(from).arg(to)).succeeded();
}
