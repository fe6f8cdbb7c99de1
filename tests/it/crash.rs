//! Promise 1: nothing acknowledged is lost, and nothing is imported twice, wherever the daemon is killed.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

use crate::harness::staff::Staff;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Client, Daemon, Port, Reply};
use crate::wire::ftps::Ftps;

/// Every file that was taken is imported at most once, and the roster says what the file in the mailbox says.
fn assert_consistent(daemon: &Daemon) {
    let mut seen = BTreeMap::new();
    for run in daemon.runs() {
        *seen.entry(run.sha256().to_owned()).or_insert(0) += 1;
    }
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    let file = std::fs::read(daemon.mailbox("acme").join("data/employees.csv")).unwrap();
    assert_eq!(daemon.roster("acme"), Staff::read(&file));
}

#[test]
fn killed_right_after_the_226_it_imports_the_file_once() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    for round in 1..=3 {
        let staff = Staff::of(20 + round);
        let mut sender = Ftps::log_in(&daemon, Port::Explicit, "hr@acme.example", PASSWORD);
        let reply = sender.store("/data/employees.csv", &staff.csv());
        daemon.kill();
        assert_eq!(reply.code, 226, "{reply:?}");

        daemon.start_again();
        daemon.wait_for_rest();
        assert_eq!(daemon.roster("acme"), staff);
        assert_eq!(daemon.runs().len(), round);
        assert_consistent(&daemon);
    }
}

#[test]
fn killed_right_after_the_reply_to_close_it_imports_the_file_once() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    for round in 1..=3 {
        let staff = Staff::of(20 + round);
        let file = daemon.local_file("employees.csv", staff.csv());
        let batch = format!("put {} /data/employees.csv\n", file.display());
        daemon.sender("acme").sftp(&batch).succeeded();
        daemon.kill();

        daemon.start_again();
        daemon.wait_for_rest();
        assert_eq!(daemon.roster("acme"), staff);
        assert_eq!(daemon.runs().len(), round);
        assert_consistent(&daemon);
    }
}

#[test]
fn started_at_once_after_a_kill_it_does_not_take_the_dying_one_for_another() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    daemon.kill();
    // As a reader does that was being started when the daemon was killed.
    let lock = std::fs::File::open(daemon.folder().join("state/daemon.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    daemon.begin_to_start();
    after(Duration::from_millis(300));
    drop(lock);
    daemon.wait_until_ready();
}

#[test]
fn killed_at_any_moment_it_loses_nothing_acknowledged_and_imports_nothing_twice() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    daemon
        .deliver("acme", "/data/employees.csv", Staff::of(1000).csv())
        .came_to("applied");
    // Milliseconds between the start of an upload and the kill: from the login over the transfer to the import.
    for (round, moment) in [20, 90, 130, 170, 210, 260, 320, 400]
        .into_iter()
        .enumerate()
    {
        let staff = Staff::of(1001 + round);
        let mut upload = daemon
            .sender("acme")
            .upload_command("/data/employees.csv", staff.csv());
        let upload = Client::spawn(&mut upload);
        after(Duration::from_millis(moment));
        daemon.kill();
        let reply: Reply = upload.wait();

        daemon.start_again();
        daemon.wait_for_rest();
        assert_consistent(&daemon);
        if reply.code == 0 {
            assert_eq!(daemon.roster("acme"), staff, "acknowledged, and lost");
        }
    }
}

/// Lets time pass, which is the condition here.
fn after(moment: Duration) {
    let (_silent, never) = mpsc::channel::<()>();
    assert!(never.recv_timeout(moment).is_err());
}
