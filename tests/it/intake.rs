//! Files that someone puts into a mailbox on the server itself, and files that came while the daemon was down.

use crate::harness::staff::Staff;
use crate::harness::tenant::Tenant;
use crate::harness::{Daemon, wait_until};

fn wait_for_applied(daemon: &Daemon, runs: usize) {
    wait_until("a local file to be imported", || {
        let all = daemon.runs();
        all.len() == runs && all.iter().all(|run| run.outcome() == "applied")
    });
}

#[test]
fn a_file_renamed_or_copied_into_the_mailbox_on_the_server_is_delivered() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let target = daemon.mailbox("acme").join("data/employees.csv");

    let mut staff = Staff::of(5);
    std::fs::rename(daemon.local_file("new", staff.csv()), &target).unwrap();
    wait_for_applied(&daemon, 1);
    assert_eq!(daemon.roster("acme"), staff);

    staff.join(6);
    std::fs::copy(daemon.local_file("new", staff.csv()), &target).unwrap();
    wait_for_applied(&daemon, 2);
    assert_eq!(daemon.roster("acme"), staff);
}

#[test]
fn a_file_that_came_while_the_daemon_was_down_is_delivered_once() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    assert!(daemon.stop().success());
    let target = daemon.mailbox("acme").join("data/employees.csv");
    std::fs::rename(daemon.local_file("new", Staff::of(5).csv()), &target).unwrap();

    daemon.start_again();
    wait_for_applied(&daemon, 1);
    assert!(daemon.stop().success());

    // Nothing new is found when it starts once more.
    daemon.start_again();
    let staff = Staff::of(6);
    daemon.deliver("acme", "/data/employees.csv", staff.csv());
    wait_for_applied(&daemon, 2);
    assert_eq!(daemon.roster("acme"), staff);
}
