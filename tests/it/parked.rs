//! Work that keeps failing on our side: parked, shown, and taken up again by `rosterd retry`.

use std::process::Command;

use serde_json::Value;

use crate::harness::staff::Staff;
use crate::harness::tenant::Tenant;
use crate::harness::{Daemon, Reply, wait_until};

const TRIES: usize = 9;
const CRASHES: usize = 5;

fn jobs(daemon: &Daemon, state: &str) -> Option<f64> {
    daemon.metric("rosterd_queue_jobs", &[("state", state)])
}

/// The errors that it has logged since its start.
fn errors(daemon: &Daemon) -> Vec<Value> {
    let mut events = daemon.events();
    events.retain(|event| event["level"] == "ERROR");
    events
}

/// Lets time pass for the job, behind the daemon's back.
fn update_job(daemon: &Daemon, columns: &str) {
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=20); db.execute(sys.argv[2]); db.commit()";
    let mut python = Command::new("python3");
    python.args(["-c", script]);
    python.arg(daemon.folder().join("rosterd.db"));
    Reply::to(python.arg(format!("UPDATE job SET {columns}"))).succeeded();
}

/// Everything that tells of a parked job tells of it.
fn assert_parked(daemon: &Daemon, delivery: &str) {
    wait_until("the job to be parked", || {
        jobs(daemon, "parked") == Some(1.0)
    });
    assert_eq!(jobs(daemon, "queued"), Some(0.0));
    let run = daemon.outcome_of(delivery).came_to("failed");
    let labels = [("tenant", "acme"), ("outcome", "failed")];
    assert_eq!(
        daemon.metric("rosterd_import_runs_total", &labels),
        Some(1.0)
    );
    let todo = format!("run `rosterd retry {}`", run.id());
    for arguments in [&["runs"][..], &["run", delivery]] {
        let text = daemon.run(arguments).succeeded().text();
        assert!(text.contains(run.0["reason"].as_str().unwrap()), "{text}");
        assert!(text.contains(&todo), "{text}");
    }
    let receipt = daemon
        .mailbox("acme")
        .join("errors")
        .join(format!("{delivery}.receipt.json"));
    wait_until("the receipt", || {
        std::fs::read_to_string(&receipt).is_ok_and(|text| text.contains("failed"))
    });
    let told: Vec<_> = errors(daemon)
        .into_iter()
        .filter(|event| event["message"].as_str().unwrap().contains(&todo))
        .collect();
    assert_eq!(told.len(), 1, "a person is called once: {told:?}");
}

#[test]
fn a_job_that_kills_the_daemon_is_parked_and_retried_beside_a_running_one() {
    let staff = Staff::of(12);
    let mut daemon = Daemon::start_armed([Tenant::named("acme")], "Diffed=kill");
    let reply = daemon
        .sender("acme")
        .upload("/data/employees.csv", staff.csv());
    let delivery = reply.succeeded().delivery();
    daemon.wait_for_end();
    for _ in 1..CRASHES {
        daemon.begin_to_start();
        daemon.wait_for_end();
    }
    daemon.start_again();
    assert_parked(&daemon, &delivery);

    assert!(daemon.stop().success());
    daemon.arm("");
    daemon.start_again();
    daemon
        .run(&["retry", "nobody"])
        .refused("there is no run or delivery nobody");
    let retried = daemon.run(&["retry", &delivery]).succeeded();
    assert!(retried.text().contains("applied"), "{retried:?}");
    assert_eq!(
        (daemon.roster("acme"), jobs(&daemon, "parked")),
        (staff, Some(0.0))
    );
    let again = daemon.run(&["retry", &delivery]);
    assert_eq!(again.code, 1);
    again.refused("only a failed run is tried again, and");
}

#[test]
fn a_job_whose_statement_keeps_failing_is_parked_and_retried_without_a_daemon() {
    let staff = Staff::of(12);
    let mut daemon = Daemon::start_armed([Tenant::named("acme")], "SettleJoiners=eio");
    let reply = daemon
        .sender("acme")
        .upload("/data/employees.csv", staff.csv());
    let delivery = reply.succeeded().delivery();
    // The log says why, down to the first cause.
    wait_until("the first try to fail", || {
        daemon.events().iter().any(|event| {
            event["message"] == "a job failed and will be tried again"
                && event["error"]
                    .as_str()
                    .unwrap()
                    .contains("Input/output error")
        })
    });
    // The night passes: only the last try is left, and it is due.
    let last_try = format!("attempts = {}, not_before = NULL", TRIES - 1);
    update_job(&daemon, &last_try);
    assert_parked(&daemon, &delivery);

    assert!(daemon.stop().success());
    let mut failing = daemon.rosterd();
    failing
        .args(["retry", &delivery])
        .env("ROSTERD_FAILPOINTS", "SettleJoiners=eio");
    Reply::to(&mut failing).refused("this try failed, and the job waits for the next one");
    daemon
        .run(&["retry", &delivery])
        .refused("only a failed run is tried again, and");
    let runs = daemon.runs();
    assert_eq!(runs[0].outcome(), "queued", "it has tries left");
    update_job(&daemon, "not_before = NULL");
    daemon.arm("");
    daemon.start_again();
    daemon.outcome_of(&delivery).came_to("applied");
    assert_eq!(daemon.roster("acme"), staff);
}
