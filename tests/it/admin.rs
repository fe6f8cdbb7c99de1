//! The commands, their exit codes and their words.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::cli::Run;
use crate::harness::staff::Staff;
use crate::harness::tenant::{Source, Tenant};
use crate::harness::{Daemon, Reply, rosterd, test_file};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn check(config: &Path) -> Reply {
    Reply::to(rosterd().arg("--config").arg(config).arg("check"))
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn both_configurations_in_the_repository_pass_check() {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&repository().join("config"), &copy.path().join("config"));

    // dev.toml makes what it needs.
    check(&copy.path().join("config/dev.toml")).succeeded();

    // rosterd.toml wants a certificate and a host key.
    let production = copy.path().join("config/rosterd.toml");
    let missing = check(&production);
    assert_eq!(missing.code, 1, "{missing:?}");
    let missing = format!("{}{}", missing.text(), missing.stderr);
    assert!(missing.contains("server.pem"), "{missing}");
    let certs = copy.path().join("certs");
    std::fs::create_dir(&certs).unwrap();
    let mut openssl = Command::new("openssl");
    openssl
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=secureftp.example.com"])
        .args(["-addext", "subjectAltName=DNS:secureftp.example.com"])
        .arg("-keyout")
        .arg(certs.join("server.key"))
        .arg("-out")
        .arg(certs.join("server.pem"));
    Reply::to(&mut openssl).succeeded();
    let mut keygen = Command::new("ssh-keygen");
    keygen
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(certs.join("ssh_host_ed25519"));
    Reply::to(&mut keygen).succeeded();
    check(&production).succeeded();
}

#[test]
fn check_shows_every_problem_of_a_broken_configuration_with_file_line_and_key() {
    let reply = Reply::to(rosterd().current_dir(test_file("fixtures/config")).args([
        "check",
        "--config",
        "broken.toml",
    ]));
    assert_eq!(reply.code, 1, "{reply:?}");
    let said = format!("{}{}", reply.text(), reply.stderr);
    for (place, key) in [
        ("broken.toml:2:", "hosts"),
        ("broken.toml:5:", "colour"),
        ("broken.toml:14:", "tls_session_reuse"),
        ("broken-tenants/acme.toml:3:", "quota"),
        ("broken-tenants/acme.toml:7:", "password"),
        ("broken-tenants/globex.toml:", ""),
    ] {
        let shown = said
            .lines()
            .any(|line| line.contains(place) && line.contains(key));
        assert!(shown, "nothing about {key} at {place}\n{said}");
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_daemon_that_nobody_could_reach_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("tenants")).unwrap();
    let file = folder.path().join("rosterd.toml");
    let start = "[server]\nstate_dir = \"state\"\ntenants = \"tenants\"\n[database]\nurl = \"sqlite://rosterd.db\"\n";
    for ways_in in [
        "",
        "[ftps]\nexplicit = []\n",
        "[sftp]\nlisten = []\n[web]\nlisten = \"127.0.0.1:0\"\n",
    ] {
        std::fs::write(&file, format!("{start}{ways_in}")).unwrap();
        let reply = check(&file);
        assert_eq!(reply.code, 1, "{reply:?}");
        let said = format!("{}{}", reply.text(), reply.stderr);
        assert!(said.contains("nothing listens for senders"), "{said}");
    }
}

#[test]
fn what_cannot_be_read_or_is_used_wrongly_ends_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = check(&folder.path().join("none.toml"));
    assert_eq!(nowhere.code, 2, "{nowhere:?}");
    assert!(nowhere.stderr.contains("none.toml"), "{nowhere:?}");
    for arguments in [
        &["fly"][..],
        &[],
        &["runs", "--limit", "many"],
        &["roster"],
        &["approve"],
        &["import", "--tenant", "acme"],
    ] {
        let reply = Reply::to(rosterd().args(arguments));
        assert_eq!(reply.code, 2, "{arguments:?}: {reply:?}");
        assert!(reply.stderr.contains("--help"), "{arguments:?}: {reply:?}");
    }
}

#[test]
fn serve_says_what_stands_in_its_way_and_ends() {
    // Given a running daemon, another one cannot have its port, nor its state.
    let daemon = Daemon::start([Tenant::named("acme")]);
    let config = std::fs::read_to_string(daemon.folder().join("rosterd.toml")).unwrap();
    let web = daemon.address(crate::harness::Port::Web);
    let taken = config
        .replace(
            "[web]\nlisten = \"127.0.0.1:0\"",
            &format!("[web]\nlisten = \"{web}\""),
        )
        .replace("state_dir = \"state\"", "state_dir = \"state2\"")
        .replace("rosterd.db", "second.db");
    assert_ne!(taken, config);
    std::fs::write(daemon.folder().join("second.toml"), taken).unwrap();
    let second = daemon.folder().join("second.toml");
    let reply = Reply::to(rosterd().arg("serve").arg("--config").arg(&second));
    assert_ne!(reply.code, 0);
    assert!(reply.stderr.contains(&web.to_string()), "{reply:?}");

    // And a problem in the configuration is told before anything is opened.
    std::fs::write(&second, config.replace("[limits]", "[limit]")).unwrap();
    let reply = Reply::to(rosterd().arg("serve").arg("--config").arg(&second));
    assert_ne!(reply.code, 0);
    assert!(reply.stderr.contains("limit"), "{reply:?}");
    assert_eq!(daemon.get("/livez").0, 200);
}

#[test]
fn unknown_names_and_ids_end_with_1() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let id = "01920000-0000-7000-8000-000000000000";
    for arguments in [
        &["run", id][..],
        &["run", "nonsense"],
        &["errors", id],
        &["approve", id],
        &["approve", "--tenant", "acme"],
        &["reject", id],
        &["roster", "--tenant", "nobody"],
        &["runs", "--tenant", "nobody"],
        &["template", "--tenant", "nobody"],
    ] {
        let reply = daemon.run(arguments);
        assert_eq!(reply.code, 1, "{arguments:?}: {reply:?}");
        assert!(!reply.stderr.is_empty(), "{arguments:?}: not a word");
        assert!(reply.stdout.is_empty(), "{arguments:?}: {}", reply.text());
    }
}

#[test]
fn a_local_file_goes_through_the_same_pipeline_with_the_daemon_running_or_not() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    let file = daemon.local_file("anything.csv", Staff::of(10).csv());
    let file = file.to_str().unwrap();
    let import = ["import", "--tenant", "acme", "--json"];
    let dry = [&import[..], &["--dry-run", file]].concat();
    let wet = [&import[..], &["--source", "employees", file]].concat();

    let reply = daemon.run(&dry).succeeded();
    let run = Run::parse(&reply).came_to("dry_run");
    assert_eq!(run.0["would"], "applied");
    assert_eq!(run.counts().joiners, 10);
    assert_eq!(daemon.roster("acme"), Staff::default());

    let run = Run::parse(&daemon.run(&wet).succeeded()).came_to("applied");
    assert_eq!(run.changes().len(), 10);
    assert_eq!(daemon.roster("acme"), Staff::of(10));

    assert!(daemon.stop().success());
    Run::parse(&daemon.run(&wet).succeeded()).came_to("no_change");
    let few = daemon.local_file("few.csv", Staff::of(2).csv());
    let reply = daemon.run(&[&import[..], &[few.to_str().unwrap()]].concat());
    assert_eq!(reply.code, 1, "held: {reply:?}");
    let held = Run::parse(&reply).came_to("held");
    daemon.run(&["approve", "--tenant", "acme"]).succeeded();
    assert_eq!(daemon.run_document(held.id()).outcome(), "applied");
    let bad = daemon.local_file("bad.csv", b"no key\n1\n");
    let reply = daemon.run(&[&import[..], &[bad.to_str().unwrap()]].concat());
    assert_eq!(reply.code, 1, "refused: {reply:?}");
    Run::parse(&reply).came_to("refused");
    daemon.start_again();
    assert_eq!(daemon.roster("acme"), Staff::of(2));
}

#[test]
fn the_template_is_a_file_that_the_mapping_accepts_r1_04() {
    let source = Source::named("employees", "employees.csv")
        .column("employee_id", "Personal-Nr.")
        .column("last_name", "Surname, if any");
    let daemon = Daemon::start([Tenant::without_sources("acme").source(source)]);
    let template = daemon.run(&["template", "--tenant", "acme"]).succeeded();
    assert!(template.text().contains("Personal-Nr."), "{template:?}");
    assert_eq!(template.text().lines().count(), 2, "{template:?}");

    let run = daemon
        .deliver("acme", "/data/employees.csv", &template.stdout)
        .came_to("applied");
    assert_eq!(run.counts().joiners, 1);
    assert!(run.findings().is_empty(), "{run:?}");
}

#[test]
fn runs_and_rosters_read_well_for_people_and_for_machines() {
    let daemon = Daemon::start([Tenant::named("acme"), Tenant::named("globex")]);
    daemon.deliver("acme", "/data/employees.csv", Staff::of(3).csv());
    let last = daemon.deliver("acme", "/data/employees.csv", Staff::of(4).csv());
    daemon.deliver("globex", "/data/employees.csv", Staff::of(5).csv());

    let limited = daemon.run(&["runs", "--tenant", "acme", "--limit", "1", "--json"]);
    let document = Run::parse(&limited.succeeded()).0;
    let runs = document["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["id"], last.id(), "newest first");
    for key in [
        "id",
        "tenant",
        "environment",
        "source",
        "delivery",
        "file_name",
        "sha256",
        "outcome",
        "would",
        "started_at",
        "finished_at",
        "counts",
        "reason",
    ] {
        assert!(runs[0].get(key).is_some(), "no {key} in {}", runs[0]);
    }
    for key in ["started_at", "finished_at"] {
        let time = runs[0][key].as_str().unwrap();
        assert!(
            time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'),
            "{time}"
        );
    }

    for arguments in [&["runs"][..], &["run", last.id()]] {
        let said = daemon.run(arguments).succeeded().text();
        assert!(said.contains("applied") && said.contains("acme"), "{said}");
    }
    let json = daemon.run(&["roster", "--tenant", "acme", "--format", "json"]);
    let json: Value = serde_json::from_slice(&json.succeeded().stdout).unwrap();
    assert!(json.to_string().contains("person4@acme.example"), "{json}");
    let csv = String::from_utf8(daemon.roster_csv("acme")).unwrap();
    insta::assert_snapshot!("roster_csv", csv);
}

#[test]
fn the_error_file_and_the_receipt_keep_their_form() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let file = "Employee ID,First Name,Last Name,Work Email,Hire Date,Shoe Size\n\
                1,Ada,Li,ada@acme.example,2024-02-29,38\n\
                2,Bo,Weiß,not-an-address,2024-02-30,39\n\
                ,Cy,Núñez,cy@acme.example,03/04/2024,40\n\
                4,Dana,Li,dana@acme.example\n\
                5,Emeka,Li,emeka@acme.example,2024-05-01,41\n\
                5,Emeka,Weiß,emeka@acme.example,2024-05-01,41\n";
    let run = daemon.deliver("acme", "/data/employees.csv", file);
    let errors = daemon.run(&["errors", run.id()]).succeeded().text();
    insta::assert_snapshot!("error_file", errors);
    let path = format!("/errors/{}.receipt.json", run.delivery());
    let receipt: Value = serde_json::from_slice(&daemon.sender("acme").download(&path)).unwrap();
    insta::assert_snapshot!("receipt", without_chance(receipt, &run));
}

/// Ids and times are new in every run.
fn without_chance(mut document: Value, run: &Run) -> String {
    if let Value::Object(object) = &mut document {
        for (key, value) in object {
            if key.ends_with("_at") && value.is_string() {
                *value = Value::from("[time]");
            }
        }
    }
    serde_json::to_string_pretty(&document)
        .unwrap()
        .replace(run.id(), "[run]")
        .replace(run.delivery(), "[delivery]")
}

#[test]
fn help_keeps_its_words() {
    let mut said = String::new();
    for command in [
        "",
        "serve",
        "check",
        "reload",
        "import",
        "runs",
        "run",
        "errors",
        "approve",
        "reject",
        "publish",
        "unpublish",
        "logins",
        "explain-login",
        "roster",
        "forget",
        "audit",
        "template",
        "bans",
        "backup",
        "restore",
        "hash-password",
    ] {
        let mut rosterd = rosterd();
        rosterd.env("COLUMNS", "100");
        if !command.is_empty() {
            rosterd.arg(command);
        }
        said += &Reply::to(rosterd.arg("--help")).succeeded().text();
        said += "\n----\n";
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_password_is_hashed_with_a_salt_and_never_shown() {
    let hash = || {
        let mut command = rosterd()
            .arg("hash-password")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut command.stdin.take().unwrap(), b"swordfish\n").unwrap();
        let output = command.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let (one, other) = (hash(), hash());
    assert!(one.starts_with("$argon2id$"), "{one}");
    assert_eq!(one.lines().count(), 1);
    assert_ne!(one, other);
    assert!(!one.contains("swordfish"));
}
