//! A data source goes live, told as an admin and a sender see it.

use crate::harness::staff::Staff;
use crate::harness::tenant::{Source, Tenant};
use crate::harness::Daemon;

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
