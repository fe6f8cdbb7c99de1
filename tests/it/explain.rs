//! `rosterd explain-login`: what it says, and that a login does the same.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::Value;

use crate::credentials::expires;
use crate::harness::sender::Key;
use crate::harness::tenant::{Login, PASSWORD, Tenant};
use crate::harness::{Client, Daemon, Port, Reply};
use crate::wire::ftps::Ftps;

/// A login with one of everything.
fn acme(key: &Key) -> Tenant {
    let login = Login::named("robot@acme.example")
        .without_password()
        .also_from("203.0.113.0/24")
        .also_from("203.0.192.0/18")
        .password_with("secret", "name = \"nightly\"")
        .password_with("old secret", "name = \"old\"\nexpires = 2020-02-29")
        .key_with(&key.public, "name = \"laptop\"\nexpires = 2020-03-31");
    let ended = Login::named("late@acme.example")
        .without_password()
        .password_with("once", "name = \"first\"\nexpires = 2020-02-29");
    let keys_only = Login::named("key@acme.example")
        .without_password()
        .key_with(&Key::of_all().public, "name = \"server\"")
        .key_with("ssh-rsa AAAAB3NzaC1yc2E= old", "name = \"rsa\"");
    // Weaker than what is made today.
    let weak =
        "$argon2id$v=19$m=4096,t=3,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG/RdescudvJA";
    let cheap = Login::named("cheap@acme.example")
        .without_password()
        .line(&format!(
            "[[login.password]]\nhash = \"{weak}\"\nname = \"cheap\""
        ));
    Tenant::named("acme")
        .login(login)
        .login(ended)
        .login(keys_only)
        .login(cheap)
}

/// Asks with this password on stdin.
fn explain(daemon: &Daemon, arguments: &[&str], password: Option<&str>) -> Reply {
    let mut command = daemon.rosterd();
    command.arg("explain-login").args(arguments);
    if password.is_some() {
        command.arg("--password-stdin");
    }
    let mut client = Client::spawn(&mut command);
    if let Some(password) = password {
        let mut stdin = client.process().stdin.take().unwrap();
        writeln!(stdin, "{password}").unwrap();
    }
    client.wait()
}

#[test]
fn every_step_says_what_it_came_to_and_what_to_do() {
    let key = Key::generate();
    let daemon = Daemon::lay_out([acme(&key)], "");
    let file = key.path.with_extension("pub");
    let known = Key::of_all().path.with_extension("pub");
    let (file, known) = (file.to_str().unwrap(), known.to_str().unwrap());
    let private = key.path.to_str().unwrap();
    let rsa = daemon.local_file("rsa.pub", "# made long ago\nssh-rsa AAAAB3NzaC1yc2E= old\n");
    let dsa = daemon.local_file("dsa.pub", "ssh-dss AAAAB3NzaC1kc3M=\n");
    let (rsa, dsa) = (rsa.to_str().unwrap(), dsa.to_str().unwrap());
    let here = "203.0.113.9";
    let questions: &[(&[&str], Option<&str>, i32)] = &[
        (&["secureftp.example.com|robot@acme.example", here], None, 0),
        (
            &["robot@acme.example", here, "--protocol", "ftpes"],
            Some("secret"),
            0,
        ),
        (
            &["robot@acme.example", here, "--protocol", "ftps"],
            Some("old secret"),
            1,
        ),
        (&["robot@acme.example", here], Some("sesame"), 1),
        (&["robot@acme.example", "::ffff:203.0.114.9"], None, 1),
        (&["robot@acme.example", "2001:db8::9"], None, 1),
        (&["secureftp.example.org|robot@acme.example", here], None, 1),
        (&["elsewhere+robot@acme.example", here], None, 1),
        (&["Robot@acme.example", here], None, 1),
        (&["robto@acme.example", here], None, 1),
        (&["somebody", here], None, 1),
        (&["late@acme.example", "127.0.0.1"], None, 1),
        (&["key@acme.example", "127.0.0.1"], None, 0),
        (
            &["key@acme.example", "127.0.0.1", "--protocol", "ftpes"],
            None,
            1,
        ),
        (&["key@acme.example", "127.0.0.1", "--key", known], None, 0),
        (&["key@acme.example", "127.0.0.1", "--key", file], None, 1),
        (&["robot@acme.example", here, "--key", file], None, 1),
        (&["robot@acme.example", here, "--key", private], None, 1),
        (
            &[
                "key@acme.example",
                "127.0.0.1",
                "--protocol",
                "ftps",
                "--key",
                known,
            ],
            None,
            1,
        ),
        (&["key@acme.example", "127.0.0.1", "--key", rsa], None, 0),
        (&["key@acme.example", "127.0.0.1", "--key", dsa], None, 1),
        (&["cheap@acme.example", "127.0.0.1"], None, 0),
        (
            &["robto@acme.example", here, "--protocol", "sftp", "--json"],
            None,
            1,
        ),
    ];
    let mut said = String::new();
    for (question, password, code) in questions {
        let (user, from, more) = (question[0], question[1], &question[2..]);
        let arguments = [&["--user", user, "--from", from], more].concat();
        let reply = explain(&daemon, &arguments, *password);
        assert_eq!(reply.code, *code, "{arguments:?}: {reply:?}");
        let options = more
            .join(" ")
            .replace(file, "KEY.pub")
            .replace(known, "SERVER.pub");
        let options = options.replace(private, "KEY");
        let options = options.replace(rsa, "RSA.pub").replace(dsa, "DSA.pub");
        let password = password.unwrap_or_default();
        writeln!(said, "$ {user} from {from} {options} {password}").unwrap();
        said += &reply.text();
        said += "\n";
    }
    for (key, name) in [(&key, "KEY"), (Key::of_all(), "SERVER")] {
        let mut shown = std::process::Command::new("ssh-keygen");
        shown.arg("-lf").arg(key.path.with_extension("pub"));
        let shown = Reply::to(&mut shown).succeeded().text();
        let fingerprint = shown.split(' ').nth(1).unwrap();
        said = said.replace(fingerprint, &format!("SHA256:{name}"));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn a_login_does_what_its_explanation_says() {
    let key = Key::generate();
    let daemon = Daemon::start([acme(&key)]);
    let attempts = [
        ("hr@acme.example", PASSWORD),
        ("localhost+robot@acme.example", "secret"),
        ("robot@acme.example", "old secret"),
        ("robot@acme.example", "sesame"),
        ("elsewhere|robot@acme.example", "secret"),
        ("Robot@acme.example", "secret"),
        ("late@acme.example", "once"),
        ("key@acme.example", "secret"),
    ];
    for (user, password) in attempts {
        let arguments = [
            "--user",
            user,
            "--from",
            "127.0.0.1",
            "--protocol",
            "ftpes",
            "--json",
        ];
        let explained = explain(&daemon, &arguments, Some(password));
        let document: Value = serde_json::from_slice(&explained.stdout).unwrap();
        let logged = daemon.logged();
        let (_, reply) = Ftps::try_log_in(&daemon, Port::Explicit, user, password).unwrap();
        assert_eq!(explained.code == 0, reply.code == 230, "{user}: {document}");
        assert_eq!(document["let_in"], reply.code == 230, "{user}: {document}");
        if reply.code != 230 {
            let events = daemon.events_since(logged);
            let told = events.iter().any(|it| it["message"] == document["log"]);
            assert!(told, "{user}: {document} {events:?}");
        }
    }
}

#[test]
fn a_running_daemon_is_asked_for_sessions_and_for_what_it_has_in_force() {
    let login = || Login::named("one@acme.example");
    let acme = |login: Login| Tenant::named("acme").login(login);
    let daemon = Daemon::start_with([acme(login())], "sessions_per_login = 1");
    let ask = || {
        let arguments = [
            "--user",
            "one@acme.example",
            "--from",
            "127.0.0.1",
            "--json",
        ];
        let reply = explain(&daemon, &arguments, None);
        let document: Value = serde_json::from_slice(&reply.stdout).unwrap();
        let steps = document["steps"].as_array().unwrap().clone();
        move |name: &str| {
            let step = steps.iter().find(|it| it["step"] == name);
            let word = |it: &Value| it["outcome"].as_str().unwrap().to_owned();
            (step.map_or_else(String::new, word), reply.code)
        }
    };
    assert_eq!(ask()("sessions"), ("passed".to_owned(), 0));
    assert_eq!(ask()("ban"), ("passed".to_owned(), 0));
    let session = Ftps::log_in(&daemon, Port::Explicit, "one@acme.example", PASSWORD);
    assert_eq!(ask()("sessions"), ("failed".to_owned(), 1));
    drop(session);
    crate::harness::wait_until("the end of the session", || ask()("sessions").1 == 0);

    assert_eq!(ask()("reload").0, "");
    daemon.configure(&acme(
        login()
            .also_password("another")
            .password_with("soon", &expires(3)),
    ));
    assert_eq!(ask()("reload"), ("warning".to_owned(), 0));
    assert_eq!(ask()("credentials"), ("passed".to_owned(), 0));
    daemon.reload();
    assert_eq!(ask()("reload").0, "");
}
