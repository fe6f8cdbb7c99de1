//! A night that went wrong, from the upload to the morning: the run is taken back, tonight's same file waits, somebody is told, and decides.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::Value;

use crate::harness::cli::{Run, column_of};
use crate::harness::settings::Settings;
use crate::harness::staff::Staff;
use crate::harness::tenant::Tenant;
use crate::harness::{Daemon, wait_until};

const PATH: &str = "/data/employees.csv";

/// Takes one notice; its body.
fn take_notice(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = String::new();
    let body = loop {
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk).unwrap();
        request.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
        match request.split_once("\r\n\r\n") {
            Some((_, body)) if body.ends_with('}') => break body.to_owned(),
            _ => assert_ne!(length, 0, "{request}"),
        }
    };
    stream
        .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
        .unwrap();
    body
}

#[test]
fn a_wrong_night_is_taken_back_and_its_file_waits_until_somebody_who_was_told_decides() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let webhook = format!("webhook = \"http://{}/\"", listener.local_addr().unwrap());
    let settings = Settings::default().set("notice", &webhook);
    let daemon = Daemon::start_with([Tenant::named("acme")], settings);
    let right = Staff::of(30);
    let mut wrong = right.clone();
    wrong.move_to(2, "Elsewhere");
    wrong.leave(3);
    wrong.join(31);
    let first = daemon.deliver("acme", PATH, right.csv()).came_to("applied");
    let second = daemon.deliver("acme", PATH, wrong.csv()).came_to("applied");
    assert_eq!(daemon.roster("acme"), wrong);

    let undone = daemon.run(&["undo", second.id()]).succeeded().text();
    assert!(
        undone.contains("rosterd resume --tenant acme --source employees"),
        "{undone}"
    );
    assert_eq!(daemon.roster("acme"), right);
    assert_eq!(daemon.runs()[0].0["delivery"], Value::Null);

    // Tonight it comes again, and the webhook tells of it, without a word about anybody.
    let held = daemon.deliver("acme", PATH, wrong.csv()).came_to("held");
    let notice = take_notice(&listener);
    for private in ["E00003", "Dana", "acme.example"] {
        assert!(!notice.contains(private), "{notice}");
    }
    let notice: Value = serde_json::from_str(&notice).unwrap();
    assert_eq!(notice["run"], held.id());
    let command = notice["commands"][0].as_str().unwrap();
    let shown: Vec<&str> = command.split(' ').skip(1).collect();
    let shown = daemon.run(&shown).succeeded().text();
    assert!(shown.contains("is paused since"), "{shown}");
    assert!(shown.contains("leaver  E00003  Dana Li"), "{shown}");
    assert_eq!(daemon.roster("acme"), right);

    daemon.run(&["resume", "--tenant", "acme"]).succeeded();
    daemon.run(&["approve", held.id()]).succeeded();
    assert_eq!(daemon.roster("acme"), wrong);

    let dana = daemon.run(&["person", "E00003", "--tenant", "acme", "--json"]);
    let dana: Value = serde_json::from_slice(&dana.succeeded().stdout).unwrap();
    let history = dana["people"][0]["history"].as_array().unwrap().iter();
    let kinds: Vec<_> = history.map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["joiner", "leaver", "rehire", "leaver"]);
    let same = daemon.run(&["diff", second.id(), held.id(), "--json"]);
    assert_eq!(Run::parse(&same.succeeded()).changes(), []);
    let net = daemon.run(&["diff", first.id(), held.id(), "--json"]);
    let net = Run::parse(&net.succeeded()).changes();
    let net: Vec<_> = net
        .iter()
        .map(|(kind, id)| (kind.as_str(), id.as_str()))
        .collect();
    assert_eq!(
        net,
        [
            ("mover", "E00002"),
            ("leaver", "E00003"),
            ("joiner", "E00031")
        ]
    );
    let on = |day: &str| {
        let roster = daemon.run(&["roster", "--tenant", "acme", "--as-of", day]);
        column_of(&roster.succeeded().stdout, "employee_id")
    };
    assert!(on("2020-01-01").is_empty());
    assert_eq!(
        on("2100-01-01"),
        daemon.roster_column("acme", "employee_id")
    );

    // Back to the first file: only if somebody insists.
    let refused = daemon.run(&["rerun", first.delivery()]);
    refused.refused("was judged since");
    daemon
        .run(&["rerun", first.delivery(), "--force"])
        .succeeded();
    assert_eq!(daemon.roster("acme"), right);
    wait_until("nothing to be told any more", || {
        daemon.lines_with("a notice was sent") == 1
    });
}
