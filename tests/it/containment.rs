//! Promise 5, measured: every hostile file ends as one finding or is read like any other, in little memory and time.
//!
//! `cargo test --test it containment -- --nocapture` prints the figures.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::forge::{self, Fate, Forged};
use crate::harness::cli::Run;
use crate::harness::staff::Staff;
use crate::harness::tenant::{Source, Tenant};
use crate::harness::{Daemon, Reply, test_file};

/// Of the parent and of its reader, whichever is larger.
pub(crate) const MEMORY_BYTES: u64 = 300_000_000;
/// Built for speed each takes less than 5 seconds; this is for a build without optimisation on a machine that has other things to do.
pub(crate) const DEADLINE: Duration = Duration::from_secs(55);

/// Runs a command: what it said, how long it took, and the most memory that it or a child of it has held.
pub(crate) fn measured(command: &Command) -> (Reply, Duration, u64) {
    let figures = tempfile::NamedTempFile::new().unwrap();
    let reply = Reply::to(
        Command::new("python3")
            .arg(test_file("it/clients/measured.py"))
            .arg(figures.path())
            .arg(command.get_program())
            .args(command.get_args()),
    );
    let figures: Value = serde_json::from_reader(figures.reopen().unwrap()).unwrap();
    let seconds = Duration::from_secs_f64(figures["seconds"].as_f64().unwrap());
    (reply, seconds, figures["bytes"].as_u64().unwrap())
}

#[test]
fn memory_is_measured_of_a_command_and_of_what_it_starts() {
    let python = |script: &str| {
        let mut command = Command::new("python3");
        command.arg("-c").arg(script);
        measured(&command).2
    };
    let hold = "x = b'x' * 200_000_000";
    let small = python("pass");
    assert!((1_000_000..100_000_000).contains(&small), "{small}");
    let large = python(hold);
    assert!((200_000_000..300_000_000).contains(&large), "{large}");
    let child = python(&format!(
        "import subprocess; subprocess.run(['python3', '-c', {hold:?}])"
    ));
    assert!((200_000_000..300_000_000).contains(&child), "{child}");
}

/// Imports every file, and a good one at the end.
#[track_caller]
fn contained(files: Vec<Forged>, limits: &str) {
    let source = Source::named("employees", "employees.csv")
        .safeguard("max_leavers", 1_000_000)
        .safeguard("max_shrink_percent", 100);
    let tenant = Tenant::without_sources("acme").source(source);
    let daemon = Daemon::start_with([tenant], limits);
    for Forged {
        name,
        extension,
        bytes,
        fate,
    } in files
    {
        let file = daemon.local_file(&format!("hostile.{extension}"), &bytes);
        let mut command = daemon.rosterd();
        command
            .args(["import", "--tenant", "acme", "--json"])
            .arg(&file);
        let (reply, took, memory_bytes) = measured(&command);
        assert!(memory_bytes < MEMORY_BYTES, "{name}: {memory_bytes} bytes");
        assert!(took < DEADLINE, "{name}: {took:?}");
        let run = Run::parse(&reply);
        let errors = run.errors();
        let outcome = run.outcome();
        let code = errors
            .first()
            .map_or("-", |finding| finding["code"].as_str().unwrap());
        eprintln!(
            "| {name} | {} KB | {outcome} | {code} | {:.2} s | {} MB |",
            bytes.len() / 1000,
            took.as_secs_f64(),
            memory_bytes / 1_000_000
        );
        if fate == Fate::Read || fate == Fate::Either && outcome != "refused" {
            let reader = ["reader-died", "reader-timeout", "reader-garbage"];
            assert!(!reader.contains(&code), "{name}: {code}");
            continue;
        }
        assert_eq!((reply.code, outcome), (1, "refused"), "{name}: {code}");
        assert_eq!(errors.len(), 1, "{name}: {:?}", errors.get(1));
        if let Fate::Refused(expected) = fate {
            assert_eq!(code, expected, "{name}: {}", errors[0]);
        }
        for part in ["message", "remedy"] {
            assert!(
                !errors[0][part].as_str().unwrap().is_empty(),
                "{name}: no {part}"
            );
        }
    }
    daemon
        .deliver("acme", "/data/employees.csv", Staff::of(10).csv())
        .came_to("applied");
}

#[test]
fn bombs_are_contained() {
    contained(forge::workbook::bombs(256), "");
}

#[test]
fn workbooks_that_lie_are_contained() {
    contained(forge::workbook::liars(), "");
}

#[test]
fn old_workbooks_that_lie_are_contained() {
    contained(forge::old::all(), "");
}

#[test]
fn hostile_texts_are_contained() {
    contained(forge::text::all(), "rows = 200_000");
}

#[test]
fn absurd_pictures_are_taken_or_refused_and_the_daemon_goes_on() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    for (name, bytes) in forge::picture::all() {
        // Nothing is decoded here: a size that nobody can show is for whoever shows it.
        daemon
            .sender("acme")
            .upload(&format!("/images/{name}"), bytes);
        assert_eq!(daemon.get("/livez").0, 200, "{name}");
    }
    daemon.wait_for_rest();
    daemon
        .deliver("acme", "/data/employees.csv", Staff::of(10).csv())
        .came_to("applied");
}
