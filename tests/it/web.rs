//! What ops look at: health and metrics.

use std::collections::BTreeMap;

use crate::harness::Daemon;
use crate::harness::scrape::Sample;
use crate::harness::staff::Staff;
use crate::harness::tenant::Tenant;
use crate::harness::wait_until;

type Labels<'a> = &'a [(&'a str, &'a str)];

#[test]
fn it_says_that_it_lives_and_is_ready() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    assert_eq!(daemon.get("/livez").0, 200);
    assert_eq!(daemon.get("/readyz").0, 200);
    assert_eq!(daemon.get("/nothing-here").0, 404);
}

#[test]
fn metrics_count_what_happened() {
    let daemon = Daemon::start([Tenant::named("acme").quota("5MB")]);
    let bytes = Staff::of(10).csv();
    daemon
        .deliver("acme", "/data/employees.csv", &bytes)
        .came_to("applied");
    let wrong = daemon.stranger("hr@acme.example", "wrong");
    wrong.upload("/data/employees.csv", b"").refused("530");

    let length = f64::from(u32::try_from(bytes.len()).unwrap());
    let acme = ("tenant", "acme");
    let production = ("environment", "production");
    let ftpes = ("protocol", "ftpes");
    let expected: [(&str, Labels<'_>, f64); 10] = [
        ("rosterd_upload_bytes_total", &[acme, ftpes], length),
        (
            "rosterd_deliveries_total",
            &[acme, production, ("kind", "data")],
            1.0,
        ),
        (
            "rosterd_import_runs_total",
            &[acme, production, ("outcome", "applied")],
            1.0,
        ),
        ("rosterd_import_run_duration_seconds_count", &[], 1.0),
        ("rosterd_runs_held", &[acme], 0.0),
        ("rosterd_mailbox_used_bytes", &[acme, production], length),
        (
            "rosterd_mailbox_quota_bytes",
            &[acme, production],
            5_000_000.0,
        ),
        (
            "rosterd_logins_total",
            &[ftpes, ("outcome", "accepted")],
            1.0,
        ),
        (
            "rosterd_logins_total",
            &[ftpes, ("outcome", "refused")],
            1.0,
        ),
        ("rosterd_sessions_active", &[ftpes], 0.0),
    ];
    for (name, labels, value) in expected {
        wait_until(&format!("{name}{labels:?} = {value}"), || {
            daemon.metric(name, labels) == Some(value)
        });
    }
    assert!(
        daemon
            .metric("rosterd_last_delivery_timestamp_seconds", &[acme])
            .unwrap()
            > 1.7e9
    );
    let expiry = daemon.metric("rosterd_tls_certificate_expiry_timestamp_seconds", &[]);
    assert!(expiry.unwrap() > 1.7e9);
}

/// What `promtool check metrics` looks at.
#[test]
fn metrics_keep_the_rules_of_prometheus() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    daemon.deliver("acme", "/data/employees.csv", Staff::of(2).csv());
    let text = daemon.metrics();

    let mut types = BTreeMap::new();
    let mut helps = BTreeMap::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# ")) {
        let mut words = line.splitn(3, ' ');
        let (kind, name) = (words.next().unwrap(), words.next().unwrap());
        let rest = words.next().unwrap_or_default().to_owned();
        let table = if kind == "HELP" {
            &mut helps
        } else {
            &mut types
        };
        assert_eq!(table.insert(name.to_owned(), rest), None, "{name} twice");
    }
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    assert!(lines.len() > 10, "{text}");
    let mut series = std::collections::BTreeSet::new();
    for line in lines {
        let sample = Sample::parse(line);
        assert!(
            series.insert(line.rsplit_once(' ').unwrap().0),
            "{line} twice"
        );
        assert!(sample.name.starts_with("rosterd_"), "{line}");
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| {
                let family = sample.name.strip_suffix(suffix)?;
                types.contains_key(family).then_some(family)
            })
            .unwrap_or(&sample.name);
        let kind = types
            .get(family)
            .unwrap_or_else(|| panic!("no TYPE: {line}"));
        let help = helps
            .get(family)
            .unwrap_or_else(|| panic!("no HELP: {line}"));
        assert!(!help.is_empty(), "{line}");
        assert_eq!(
            kind == "counter",
            family.ends_with("_total"),
            "{line} is a {kind}"
        );
        assert!(!family.ends_with("_milliseconds"), "base units: {line}");
        let mut names: Vec<_> = sample.labels.iter().map(|(name, _)| name).collect();
        names.dedup();
        assert_eq!(names.len(), sample.labels.len(), "{line}");
    }
}
