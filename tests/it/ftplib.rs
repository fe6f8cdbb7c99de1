//! Python's ftplib: strict about `close_notify`, and the library of many small HR systems.

use serde_json::{Value, json};

use crate::harness::staff::Staff;
use crate::harness::tenant::Tenant;
use crate::harness::{Daemon, Port};

/// The reply of each step, or its error.
fn replies(results: &[Value]) -> Vec<&str> {
    results
        .iter()
        .map(|result| {
            let reply = result["reply"].as_str();
            reply.or(result["error"].as_str()).unwrap_or("")
        })
        .collect()
}

#[test]
fn ftplib_uploads_lists_renames_overwrites_and_downloads() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    let mut staff = Staff::of(8);
    for port in [Port::Explicit, Port::Implicit] {
        staff.move_to(
            1,
            if port == Port::Explicit {
                "Board"
            } else {
                "Works"
            },
        );
        let file = daemon.local_file("employees.csv", staff.csv());

        let results = sender.ftplib(
            port,
            &json!([
                ["stor", "/data/employees.csv.tmp", file],
                ["rename", "/data/employees.csv.tmp", "/data/employees.csv"],
                ["nlst", "/data"],
                ["mlsd", "/data"],
                ["size", "/data/employees.csv"],
                ["retr", "/data/employees.csv"],
                ["stor", "/data/employees.csv", file],
                ["raw", "PWD"],
            ]),
        );

        let said = replies(&results);
        assert!(said[1].starts_with("226 "), "{said:?}");
        assert!(said[2].starts_with("250 "), "{said:?}");
        let name = results[3]["lines"][0].as_str().unwrap();
        assert!(name.ends_with("employees.csv"), "{name}");
        let facts = &results[4]["lines"][0];
        assert_eq!(facts[0], "employees.csv");
        assert_eq!(facts[1]["type"], "file");
        assert_eq!(facts[1]["size"], staff.csv().len().to_string());
        assert_eq!(results[5]["reply"], staff.csv().len());
        assert_eq!(results[6]["size"], staff.csv().len());
        assert!(said[7].starts_with("226 Received"), "{said:?}");
        assert!(said[8].starts_with("257 \"/\""), "{said:?}");

        let delivery = said[7].split("delivery ").nth(1).unwrap();
        let id: String = delivery
            .chars()
            .take_while(|c| c.is_ascii_hexdigit() || *c == '-')
            .collect();
        let run = daemon.outcome_of(&id);
        // The same bytes twice: the second run changes nothing, or came before the first was started and stands for both.
        assert!(matches!(run.outcome(), "no_change" | "applied"), "{run:?}");
        assert_eq!(daemon.roster("acme"), staff);
    }
}

#[test]
fn ten_data_connections_in_a_row_work_on_both_tls_versions() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    let file = daemon.local_file("employees.csv", Staff::of(3).csv());
    for version in ["1.2", "1.3"] {
        for port in [Port::Explicit, Port::Implicit] {
            let mut steps = Vec::new();
            for _ in 0..5 {
                steps.push(json!(["stor", "/data/employees.csv.tmp", file]));
                steps.push(json!(["retr", "/data/employees.csv.tmp"]));
            }
            steps.push(json!(["dele", "/data/employees.csv.tmp"]));
            let results =
                sender.ftplib_with(port, &json!({ "tls": version }), &Value::Array(steps));
            for said in replies(&results) {
                assert!(said.starts_with('2'), "TLS {version}: {said}");
            }
        }
    }
    assert_eq!(
        daemon.runs().len(),
        0,
        "temporary names are never delivered"
    );
}

#[test]
fn refusals_have_their_own_code_and_a_sentence() {
    let daemon = Daemon::start([Tenant::named("acme").quota("20kB")]);
    let sender = daemon.sender("acme");
    let small = daemon.local_file("small", Staff::of(2).csv());
    let big = daemon.local_file("big", vec![b'x'; 30_000]);

    let results = sender.ftplib(
        Port::Explicit,
        &json!([
            ["stor", "/data/staff.csv", small],
            ["stor", "/data/EMPLOYEES.csv", small],
            ["stor", "/images/face.gif", small],
            ["stor", "/data/employees.csv", big],
            ["raw", "PROT C"],
            ["raw", "MKD /data/new"],
            ["raw", "SITE EXEC ls"],
            ["raw", "NONSENSE"],
            ["raw", "OPTS NONSENSE"],
            ["retr", "/data/none.csv"],
            ["stor", "/data/employees.csv", small],
        ]),
    );
    let said = replies(&results);
    assert!(
        said[1].starts_with("553 ") && said[1].contains("employees.csv"),
        "{said:?}"
    );
    assert!(
        said[2].starts_with("553 ") && said[2].contains("employees.csv"),
        "{said:?}"
    );
    assert!(said[3].starts_with("553 "), "{said:?}");
    assert!(
        said[4].starts_with("552 ") && said[4].contains("20000"),
        "{said:?}"
    );
    assert!(said[5].starts_with("536 "), "{said:?}");
    assert!(said[6].starts_with("55"), "{said:?}");
    assert!(said[7].starts_with("50"), "{said:?}");
    assert!(said[8].starts_with("50"), "{said:?}");
    assert!(said[9].starts_with("50"), "{said:?}");
    assert!(said[10].starts_with("550 "), "{said:?}");
    assert!(
        said[11].starts_with("226 "),
        "a refusal never ends a session: {said:?}"
    );
}

#[test]
fn nothing_moves_in_the_clear() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    let file = daemon.local_file("employees.csv", Staff::of(2).csv());
    let steps = json!([["stor", "/data/employees.csv", file], ["nlst", "/"]]);

    let plain = sender.ftplib_with(Port::Explicit, &json!({ "secure": false }), &json!([]));
    assert!(replies(&plain)[0].starts_with("530 "), "{plain:?}");

    let clear = sender.ftplib_with(Port::Explicit, &json!({ "protect": false }), &steps);
    let said = replies(&clear);
    assert!(said[0].starts_with("230 "), "{said:?}");
    assert!(said[1].starts_with("522 "), "{said:?}");
    assert!(said[2].starts_with("522 "), "{said:?}");

    // Implicit starts as P.
    let implicit = sender.ftplib(Port::Implicit, &steps);
    assert!(replies(&implicit)[1].starts_with("226 "), "{implicit:?}");
}

#[test]
fn feat_tells_the_truth() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let results = daemon
        .sender("acme")
        .ftplib(Port::Explicit, &json!([["raw", "FEAT"], ["raw", "SYST"]]));
    let said = replies(&results);
    for feature in [
        "AUTH TLS", "AVBL", "EPSV", "MDTM", "MFMT", "MLST", "PBSZ", "PROT", "SIZE", "UTF8",
    ] {
        assert!(said[1].contains(feature), "no {feature} in {}", said[1]);
    }
    assert!(!said[1].contains("REST STREAM"), "{}", said[1]);
    assert!(said[2].starts_with("215 UNIX"), "{}", said[2]);
}

#[test]
fn a_file_keeps_the_time_that_its_sender_gives_it_and_is_not_delivered_again() {
    let daemon = Daemon::start([Tenant::named("acme").quota("1MB")]);
    let staff = Staff::of(5);
    let (file, size) = (
        daemon.local_file("employees.csv", staff.csv()),
        staff.csv().len(),
    );
    let results = daemon.sender("acme").ftplib(
        Port::Explicit,
        &json!([
            ["raw", "AVBL"],
            ["stor", "/data/employees.csv", file],
            ["raw", "MFMT 20200131010203 /data/employees.csv"],
            ["raw", "MDTM /data/employees.csv"],
            ["raw", "AVBL"],
            ["raw", "SITE QUOTA"],
            ["raw", "MFMT 20200131010203 /data/nobody.csv"],
            ["raw", "MFMT yesterday /data/employees.csv"],
            ["raw", "CLNT a name with words"],
            ["raw", "LANG EN"],
            ["raw", "LANG tlh"],
            ["size", "/data/employees.csv"],
        ]),
    );
    let said = replies(&results);
    let free = 1_000_000 - size;
    let expected = [
        "213 1000000".to_owned(),
        "226 Received".to_owned(),
        "213 Modify=20200131010203; /data/employees.csv".to_owned(),
        "213 20200131010203".to_owned(),
        format!("213 {free}"),
        format!("200 {size} of 1000000 bytes are used, {free} are free"),
        "550 ".to_owned(),
        "501 ".to_owned(),
        "200 ".to_owned(),
        "200 ".to_owned(),
        "504 ".to_owned(),
    ];
    for (said, expected) in said[1..].iter().zip(expected) {
        assert!(said.starts_with(&expected), "{said} is not {expected}");
    }
    daemon.wait_for_rest();
    assert_eq!(daemon.runs().len(), 1);
    assert_eq!(daemon.roster("acme"), staff);
}
