//! What the database goes through: other processes that write it, a full disk, damage, and what is no database at all.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::cli::Run;
use crate::harness::disk::SmallDisk;
use crate::harness::staff::Staff;
use crate::harness::tenant::Tenant;
use crate::harness::{Client, Daemon, Reply, rosterd, test_file, wait_until};

/// Keeps everybody else from writing to a database until it is dropped.
pub(crate) struct WriteLock(Option<Client>);

impl Drop for WriteLock {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            client.kill();
        }
    }
}

/// Takes the write lock from another process.
pub(crate) fn lock_for_writing(database: &Path) -> WriteLock {
    let script = "import sqlite3, sys\n\
                  db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n\
                  db.execute('BEGIN IMMEDIATE')\n\
                  print('locked', flush=True)\n\
                  sys.stdin.readline()\n";
    let mut client = Client::spawn(Command::new("python3").args(["-c", script]).arg(database));
    let mut said = BufReader::new(client.process().stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "locked");
    WriteLock(Some(client))
}

/// Lets the configuration of a stopped daemon name another database.
fn move_database(daemon: &Daemon, to: &Path) {
    let file = daemon.folder().join("rosterd.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let url = format!("sqlite://{}", to.display());
    let moved = config.replace("sqlite://rosterd.db", &url);
    assert_ne!(moved, config);
    std::fs::write(file, moved).unwrap();
    std::fs::copy(daemon.folder().join("rosterd.db"), to).unwrap();
    std::fs::remove_file(daemon.folder().join("rosterd.db")).unwrap();
}

#[test]
fn another_process_that_writes_the_database_holds_up_no_reader_and_fails_no_delivery() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    daemon
        .deliver("acme", "/data/employees.csv", Staff::of(10).csv())
        .came_to("applied");
    let lock = lock_for_writing(&daemon.folder().join("rosterd.db"));
    let reply = daemon
        .sender("acme")
        .upload("/data/employees.csv", Staff::of(11).csv())
        .succeeded();
    let file = daemon.local_file("more.csv", Staff::of(12).csv());
    let mut import = daemon.rosterd();
    import
        .args(["import", "--tenant", "acme", "--json"])
        .arg(file);
    let import = Client::spawn(&mut import);
    assert_eq!(daemon.runs().len(), 1, "reading waits for nobody");
    assert_eq!(daemon.roster("acme"), Staff::of(10));
    assert_eq!(daemon.get("/readyz").0, 200);

    drop(lock);
    let run = daemon.outcome_of(&reply.delivery());
    assert!(matches!(run.outcome(), "applied" | "superseded"), "{run:?}");
    let imported = Run::parse(&import.wait());
    assert!(
        matches!(imported.outcome(), "applied" | "superseded"),
        "{imported:?}"
    );
    assert_eq!(daemon.runs().len(), 3);
}

#[test]
fn a_full_disk_under_the_database_loses_nothing_and_the_work_goes_on_by_itself() {
    let disk = SmallDisk::of(24);
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    assert!(daemon.stop().success());
    move_database(&daemon, &disk.path().join("rosterd.db"));
    daemon.start_again();
    let mut told = 0;
    for (round, free_bytes) in [0, 4_096, 20_000, 60_000, 120_000, 240_000]
        .into_iter()
        .enumerate()
    {
        let staff = Staff::of(400 + round);
        disk.fill_up_to(free_bytes);
        let delivery = daemon
            .sender("acme")
            .upload("/data/employees.csv", staff.csv())
            .succeeded()
            .delivery();
        let complaints = || {
            let log = daemon.log_text();
            let words = ["the disk of the database is full", "a job failed"];
            words
                .iter()
                .map(|it| log.matches(it).count())
                .sum::<usize>()
        };
        wait_until("a word about the full disk, or the import", || {
            complaints() > told || daemon.roster("acme") == staff
        });
        told = complaints();
        disk.make_room();
        daemon.outcome_of(&delivery).came_to("applied");
        assert_eq!(daemon.roster("acme"), staff);
        assert_eq!(daemon.runs().len(), round + 1);
    }
    assert!(told >= 3, "the log told {told} times");
    // What was logged as an error was one.
    daemon.wait_for_rest();
    assert!(daemon.stop().success());
    disk.fill_up_to(0);
    let reply = daemon.run(&["serve"]);
    assert_eq!(reply.code, 2, "{reply:?}");
    reply.refused("the disk of the database is full");
    disk.make_room();
    daemon.start_again();
}

/// Whether everything that was shown then is shown now; there may be more.
fn shows(now: &Value, then: &Value) -> bool {
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => then
            .iter()
            .all(|(key, then)| now.get(key).is_some_and(|now| shows(now, then))),
        (Value::Array(now), Value::Array(then)) => {
            let (now, then) = (by_person(now), by_person(then));
            now.len() == then.len() && now.iter().zip(then).all(|(now, then)| shows(now, then))
        }
        _ => now == then,
    }
}

/// Changes by whom they are about: in which order a held run shows them may change. All else as it stands.
fn by_person(all: &[Value]) -> Vec<&Value> {
    let mut all: Vec<&Value> = all.iter().collect();
    all.sort_by_key(|it| it["employee_id"].as_str());
    all
}

/// The lines of a CSV file, each as value by column.
fn lines(csv: &str) -> Value {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let lines: Vec<BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    serde_json::to_value(lines).unwrap()
}

#[test]
fn a_database_of_every_earlier_version_opens_and_shows_the_same() {
    let mut versions = 0;
    for entry in std::fs::read_dir(test_file("fixtures/db")).unwrap() {
        let sql = entry.unwrap().path();
        if sql.extension().is_none_or(|extension| extension != "sql") {
            continue;
        }
        versions += 1;
        let then: Value =
            serde_json::from_slice(&std::fs::read(sql.with_extension("json")).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let copy = |name: &str, to: &str| {
            let to = folder.path().join(to);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(test_file("fixtures/db").join(name), to).unwrap();
        };
        copy("rosterd.toml", "rosterd.toml");
        copy("acme.toml", "tenants/acme.toml");
        let script = "import sqlite3, sys\n\
                      sqlite3.connect(sys.argv[1]).executescript(open(sys.argv[2]).read())\n";
        let mut python = Command::new("python3");
        python
            .args(["-c", script])
            .arg(folder.path().join("rosterd.db"))
            .arg(&sql);
        Reply::to(&mut python).succeeded();

        let said = |arguments: &[&str]| {
            let mut command = rosterd();
            command
                .arg("--config")
                .arg(folder.path().join("rosterd.toml"));
            Reply::to(command.args(arguments)).succeeded().text()
        };
        let check = |then: &Value, arguments: &[&str]| {
            let now = said(arguments);
            let same = match then {
                Value::String(then) => shows(&lines(&now), &lines(then)),
                then => shows(&serde_json::from_str(&now).unwrap(), then),
            };
            assert!(
                same,
                "{}, {arguments:?}: {now} instead of {then}",
                sql.display()
            );
        };
        check(&then["runs"], &["runs", "--limit", "100", "--json"]);
        for (id, then) in then["run"].as_object().unwrap() {
            check(then, &["run", id, "--json"]);
        }
        for (id, then) in then["errors"].as_object().unwrap() {
            check(then, &["errors", id]);
        }
        check(
            &then["roster"],
            &["roster", "--tenant", "acme", "--all", "--secrets"],
        );
        check(
            &then["sandbox"],
            &[
                "roster",
                "--tenant",
                "acme",
                "--environment",
                "sandbox",
                "--secrets",
            ],
        );

        // And history goes on.
        said(&["reject", "--tenant", "acme"]);
        let staff = folder.path().join("employees.csv");
        std::fs::write(&staff, Staff::of(3).csv()).unwrap();
        let staff = staff.to_str().unwrap();
        let sandbox = [
            "import",
            "--tenant",
            "acme",
            "--environment",
            "sandbox",
            "--dry-run",
            "--json",
        ];
        let run: Value = serde_json::from_str(&said(&[&sandbox[..], &[staff]].concat())).unwrap();
        assert_eq!(run["counts"]["joiners"], 3, "{run}");
        assert_eq!(run["counts"]["leavers"], 1, "{run}");
    }
    assert!(versions > 0);
}
