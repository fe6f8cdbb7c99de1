//! A data source goes live, and a person is erased: told as an admin and a sender see it.

use crate::harness::staff::Staff;
use crate::harness::tenant::{Source, Tenant};
use crate::harness::{Daemon, files_below, wait_until};

const FILE: &str = "/data/employees.csv";

fn employees() -> Source {
    Source::named("employees", "employees.csv").goes_live_when_published()
}

fn acme(source: Source) -> Tenant {
    Tenant::without_sources("acme").source(source)
}

#[test]
fn a_feed_runs_dry_until_it_is_published_and_again_when_its_mapping_changes_r1_06() {
    let daemon = Daemon::start([acme(employees())]);
    let publish = ["publish", "--tenant", "acme"];
    let nothing = daemon.run(&publish);
    assert_eq!(nothing.code, 1);
    assert!(nothing.stderr.contains("--sample"), "{nothing:?}");

    let first = daemon
        .deliver("acme", FILE, Staff::of(5).csv())
        .came_to("dry_run");
    assert_eq!(first.counts().joiners, 5);
    assert_eq!(daemon.roster("acme"), Staff::default());
    let summary = format!("/errors/{}.summary.html", first.delivery());
    let page = String::from_utf8(daemon.sender("acme").download(&summary)).unwrap();
    assert!(page.contains("this data source is not live yet"), "{page}");
    let labels = [("tenant", "acme"), ("environment", "production")];
    let unpublished = || daemon.metric("rosterd_sources_unpublished", &labels);
    assert_eq!(unpublished(), Some(1.0));

    let said = daemon.run(&publish).succeeded().text();
    assert!(said.contains("5 joined"), "{said}");
    assert!(said.contains("a known header"), "{said}");
    assert_eq!(unpublished(), Some(0.0));
    daemon
        .deliver("acme", FILE, Staff::of(5).csv())
        .came_to("applied");

    daemon.configure(&acme(employees().column("city", "Department")));
    let report = daemon.reload();
    assert_eq!(
        report["unpublished"][0]["publication"], "changed",
        "{report}"
    );
    let check = daemon.run(&["check"]).succeeded().text();
    assert!(
        check.contains("`rosterd publish --tenant acme --source employees`"),
        "{check}"
    );
    daemon
        .deliver("acme", FILE, Staff::of(6).csv())
        .came_to("dry_run");
    assert_eq!(daemon.roster("acme"), Staff::of(5));
    let sample = daemon.local_file("sample.csv", "Employee ID,Name\n");
    let sample = sample.display().to_string();
    let refused = daemon.run(&["publish", "--tenant", "acme", "--sample", &sample]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("not published"), "{refused:?}");
}

#[test]
fn an_erased_person_is_gone_from_every_file_of_ours_and_does_not_come_back() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let staff = Staff::of(9);
    let csv = String::from_utf8(staff.csv()).unwrap();
    let erased = csv.lines().nth(3).unwrap().split(',').next().unwrap();
    daemon.deliver("acme", FILE, &csv).came_to("applied");
    daemon
        .sender("acme")
        .upload(&format!("/images/{erased}.jpg"), "no photo at all")
        .succeeded();
    let reports = daemon.mailbox("acme").join("errors");
    let forget = ["forget", "--tenant", "acme", "--person", erased];
    let said = daemon.run(&forget).succeeded().text();
    assert!(said.contains("Not reached:"), "{said}");
    assert!(!said.contains(erased), "{said}");
    let archive = daemon.folder().join("state/archive/acme");
    assert_eq!(files_below(&archive), [] as [std::path::PathBuf; 0]);
    wait_until("no file in /errors about the delivery", || {
        !files_below(&reports).iter().any(|path| {
            let name = path.display().to_string();
            name.ends_with(".summary.html") || name.ends_with(".receipt.json")
        })
    });

    let again = daemon.deliver("acme", FILE, &csv).came_to("no_change");
    assert_eq!(again.counts().skipped, 1);
    assert_eq!(again.findings()[0]["code"], "forgotten-person");
    let left = daemon.roster_column("acme", "employee_id");
    assert!(!left.contains(&erased.to_owned()));
    assert!(!daemon.log_text().contains(erased), "a log is for ever");
    let audit = daemon
        .run(&["audit", "--tenant", "acme"])
        .succeeded()
        .text();
    assert!(audit.contains("who is employed"), "{audit}");
    assert_eq!(daemon.run(&forget).code, 1, "there is nobody any more");
}
