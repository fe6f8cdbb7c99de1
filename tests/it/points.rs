//! The fail points of `rosterd::failpoint`: a kill at each of them, in a night that passes them all.

use std::collections::BTreeSet;

use rosterd::failpoint::Point;

use crate::harness::staff::Staff;
use crate::harness::tenant::Tenant;
use crate::harness::{Daemon, wait_until};

/// The file of a second night: someone joins, moves and leaves, and a row is refused.
fn second_night() -> Vec<u8> {
    let mut staff = Staff::of(8);
    staff.move_to(2, "Sales");
    staff.leave(3);
    let mut file = staff.csv();
    file.extend(b"E00009,No,Address,,Sales\n");
    file
}

/// The names of the points that were passed, in their order.
fn passed(note: &std::path::Path) -> Vec<String> {
    let text = std::fs::read_to_string(note).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn an_ordinary_night_passes_every_fail_point() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    daemon
        .deliver("acme", "/data/employees.csv", Staff::of(7).csv())
        .came_to("applied");
    assert!(daemon.stop().success());

    let note = daemon.folder().join("passed");
    daemon.arm(&format!("*=note:{}", note.display()));
    daemon.start_again();
    let reply = daemon
        .sender("acme")
        .upload("/data/employees.csv", second_night());
    daemon
        .outcome_of(&reply.succeeded().delivery())
        .came_to("applied");
    let file = daemon.local_file("employees.csv", Staff::of(8).csv());
    daemon
        .sender("acme")
        .sftp(&format!(
            "put {} /data/employees.csv.part\nrename /data/employees.csv.part /data/employees.csv\n",
            file.display()
        ))
        .succeeded();
    daemon.wait_for_rest();
    wait_until("the goodbye of the last sender", || {
        passed(&note).iter().any(|name| name == "SftpReplied")
    });
    let passed: BTreeSet<String> = passed(&note).into_iter().collect();
    let dead: Vec<_> = Point::ALL
        .iter()
        .map(|point| point.name())
        .filter(|name| !passed.contains(*name))
        .collect();
    assert_eq!(dead, [] as [&str; 0], "points that nothing passes");
}
