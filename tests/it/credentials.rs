//! Passwords and keys: several at once, each with its end, warned of in time, and known by its last use.

use std::time::{Duration, Instant};

use jiff::ToSpan as _;
use rosterd::clock::{Clock as _, SystemClock};
use serde_json::Value;

use crate::database::lock_for_writing;
use crate::harness::sender::Key;
use crate::harness::tenant::{Login, PASSWORD, Tenant};
use crate::harness::{Daemon, Port, wait_until};
use crate::wire::ftps::Ftps;
use crate::wire::sftp::Sftp;

/// `expires = …` so many days from today, where the tenants of the tests are.
pub(crate) fn expires(days: i32) -> String {
    format!("expires = {}", day(days))
}

fn day(days: i32) -> String {
    let now = SystemClock.now().in_tz("Australia/Melbourne").unwrap();
    let day = now.date().checked_add(days.days()).unwrap();
    day.to_string()
}

/// The credentials of a user by their names, as `logins --json` has them.
fn credential(daemon: &Daemon, user: &str, name: &str) -> Value {
    let reply = daemon.run(&["logins", "--json"]).succeeded();
    let document: Value = serde_json::from_slice(&reply.stdout).unwrap();
    let logins = document["logins"].as_array().unwrap();
    let login = logins.iter().find(|it| it["user"] == user).unwrap();
    let credentials = login["credentials"].as_array().unwrap();
    let found = credentials.iter().find(|it| it["name"] == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {login}"))
        .clone()
}

#[test]
fn several_passwords_and_keys_let_in_until_the_last_day_of_each() {
    let (key, old_key) = (Key::generate(), Key::generate());
    let login = Login::named("many@acme.example")
        .password_with("of today", &format!("name = \"today\"\n{}", expires(0)))
        .password_with("of last week", &expires(-7))
        .key_with(&key.public, &format!("name = \"laptop\"\n{}", expires(30)))
        .key_with(
            &old_key.public,
            &format!("name = \"old laptop\"\n{}", expires(-1)),
        );
    let daemon = Daemon::start([Tenant::named("acme").login(login)]);

    for good in [PASSWORD, "of today"] {
        Ftps::log_in(&daemon, Port::Explicit, "many@acme.example", good);
    }
    let sender = daemon.sender("acme").named("many@acme.example");
    sender.sftp_with_key(&key, "ls /\n").succeeded();
    assert_eq!(
        daemon.lines_with("\"credential\":\"password today\",\"span\""),
        1
    );
    assert_eq!(
        daemon.lines_with("\"credential\":\"key laptop\",\"span\""),
        1
    );

    let (_, reply) =
        Ftps::try_log_in(&daemon, Port::Explicit, "many@acme.example", "of last week").unwrap();
    assert_eq!(reply.code, 530);
    let refused = sender.sftp_with_key(&old_key, "ls /\n");
    assert_ne!(refused.code, 0);
    let reason = format!(
        "the key old laptop has expired: its last day was {}",
        day(-1)
    );
    wait_until("the reason in the log", || daemon.lines_with(&reason) == 1);
}

#[test]
fn a_login_whose_credentials_have_all_expired_is_refused_with_that_reason() {
    let key = Key::generate();
    let login = Login::named("late@acme.example")
        .without_password()
        .password_with("once", &format!("name = \"first\"\n{}", expires(-9)))
        .key_with(&key.public, &format!("name = \"second\"\n{}", expires(-1)));
    let daemon = Daemon::start([Tenant::named("acme").login(login)]);
    let (_, reply) =
        Ftps::try_log_in(&daemon, Port::Implicit, "late@acme.example", "once").unwrap();
    assert_eq!(reply.code, 530);
    let reason = format!(
        "login refused: all its passwords and keys have expired, the key second as the last one: its last day was {}",
        day(-1)
    );
    assert_eq!(daemon.lines_with(&reason), 1, "{}", daemon.log_text());
    let warned = format!(
        "late@acme.example: nobody can log in, the key second was the last and ended after {}",
        day(-1)
    );
    assert_eq!(daemon.lines_with(&warned), 1, "{}", daemon.log_text());
}

#[test]
fn what_ends_soon_is_told_at_the_start_after_a_reload_and_by_check_and_metrics() {
    // Weaker than what is made today.
    let weak =
        "$argon2id$v=19$m=4096,t=3,p=1$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG/RdescudvJA";
    let acme = |lines: &str| {
        let login = Login::named("hr2@acme.example")
            .password_with("next", &format!("name = \"nightly\"\n{lines}"))
            .line(&format!(
                "[[login.password]]\nhash = \"{weak}\"\nname = \"cheap\""
            ));
        Tenant::named("acme").login(login)
    };
    let daemon = Daemon::start([acme(&expires(5)), Tenant::named("globex")]);
    let words = format!(
        "hr2@acme.example: the password nightly ends after {}, 5 days are left: add its successor beside it",
        day(5)
    );
    let told = || daemon.lines_with(&words);
    wait_until("the first warning", || told() == 1);
    let event = daemon
        .events()
        .into_iter()
        .find(|it| it["message"] == words.as_str());
    let event = event.unwrap();
    assert_eq!(event["level"], "WARN");
    assert_eq!(event["tenant.id"], "acme");
    assert_eq!(event["credential"], "password nightly");

    let tenant = [("tenant", "acme")];
    let expiring = || daemon.metric("rosterd_credentials_expiring", &tenant);
    let first_end = || daemon.metric("rosterd_credential_expiry_timestamp_seconds", &tenant);
    assert_eq!(expiring(), Some(1.0));
    let ends = credential(&daemon, "hr2@acme.example", "nightly")["ends_at"].clone();
    let ends: jiff::Timestamp = ends.as_str().unwrap().parse().unwrap();
    let midnight = ends.in_tz("Australia/Melbourne").unwrap().to_string();
    assert!(
        midnight.starts_with(&format!("{}T00:00:00", day(6))),
        "{midnight}"
    );
    let shown = first_end().unwrap();
    assert!(
        (shown
            - ends
                .duration_since(jiff::Timestamp::UNIX_EPOCH)
                .as_secs_f64())
        .abs()
            < 1.0
    );
    let others = daemon.metric("rosterd_credentials_expiring", &[("tenant", "globex")]);
    assert_eq!(others, None, "nothing of globex ever ends");

    let check = daemon.run(&["check"]).succeeded().text();
    for line in [
        format!("warning: acme: {words}\n"),
        "warning: acme: hr2@acme.example: the password cheap is easier to break than need be (m=4096, t=3): hash it again with `rosterd hash-password`\n".to_owned(),
    ] {
        assert!(check.contains(&line), "{check}");
    }

    daemon.reload();
    assert_eq!(told(), 2);
    daemon.configure(&acme(""));
    daemon.reload();
    assert_eq!(told(), 2);
    assert_eq!(expiring(), Some(0.0));
    assert_eq!(first_end(), Some(f64::INFINITY));
}

#[test]
fn the_last_use_of_each_credential_is_listed_with_the_daemon_running_or_not() {
    let key = Key::generate();
    let login = Login::named("robot@acme.example")
        .without_password()
        .also_from("2001:db8::/32")
        .password_with("secret", &format!("name = \"nightly\"\n{}", expires(100)))
        .password_with("spare", &format!("name = \"spare\"\n{}", expires(-3)))
        .key_with(&key.public, "name = \"laptop\"");
    let daemon = &mut Daemon::start([Tenant::named("acme").login(login)]);
    let before = SystemClock.now();
    for port in [Port::Explicit, Port::Implicit] {
        Ftps::log_in(daemon, port, "robot@acme.example", "secret");
    }
    let sender = daemon.sender("acme").named("localhost+robot@acme.example");
    sender.sftp_with_key(&key, "ls /\n").succeeded();
    assert!(Sftp::try_log_in(daemon, "robot@acme.example", "wrong").is_err());

    let check = |daemon: &Daemon| {
        let used = |name: &str| credential(daemon, "robot@acme.example", name);
        let password = used("nightly");
        assert_eq!(password["uses"], 2, "{password}");
        assert_eq!(password["last_protocol"], "ftps");
        assert_eq!(password["last_address"], "127.0.0.1");
        assert_eq!(password["algorithm"], Value::Null);
        let at = password["last_used_at"].as_str().unwrap();
        let at: jiff::Timestamp = at.parse().unwrap();
        assert!(at.as_second() >= before.as_second() && at <= SystemClock.now());
        let key = used("laptop");
        assert_eq!(
            (&key["uses"], &key["last_protocol"]),
            (&1.into(), &"sftp".into())
        );
        assert_eq!(key["algorithm"], "ssh-ed25519");
        assert_eq!(
            (&key["expires"], &key["ends_at"]),
            (&Value::Null, &Value::Null)
        );
        let spare = used("spare");
        assert_eq!(
            (&spare["uses"], &spare["last_used_at"]),
            (&0.into(), &Value::Null)
        );
        assert_eq!(
            (&spare["expired"], &password["expired"]),
            (&true.into(), &false.into())
        );
    };
    check(daemon);
    // What was written survives, and the orderly end writes the rest.
    daemon.kill();
    check(daemon);
    daemon.start_again();
    Ftps::log_in(daemon, Port::Implicit, "hr@acme.example", PASSWORD);
    assert!(daemon.stop().success());
    check(daemon);
    let text = daemon
        .run(&["logins", "--tenant", "acme"])
        .succeeded()
        .text();
    insta::assert_snapshot!(without_chance(&text));
    let nobody = daemon.run(&["logins", "--tenant", "nobody"]);
    assert_eq!(nobody.code, 1);
    daemon.start_again();
}

/// Times, days and what is derived from salt and chance, each as wide as it was.
fn without_chance(text: &str) -> String {
    let hidden = |word: &str| {
        let is_time = word.parse::<jiff::Timestamp>().is_ok();
        let is_day = word.parse::<jiff::civil::Date>().is_ok();
        let is_id = word.len() == 8 && word.chars().all(|c| c.is_ascii_hexdigit());
        match (is_time, is_day, is_id) {
            (true, ..) => "0000-00-00T00:00:00Z".to_owned(),
            (_, true, _) => "0000-00-00".to_owned(),
            (_, _, true) => "[sha256]".to_owned(),
            _ => word.to_owned(),
        }
    };
    let lines = text.lines().map(|line| {
        let words: Vec<_> = line.split(' ').map(hidden).collect();
        words.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_database_that_cannot_be_written_holds_up_no_login() {
    let login = Login::named("robot@acme.example").password_with("secret", "name = \"nightly\"");
    let daemon = Daemon::start([Tenant::named("acme").login(login)]);
    let lock = lock_for_writing(&daemon.folder().join("rosterd.db"));
    for _ in 0..3 {
        Ftps::log_in(&daemon, Port::Explicit, "robot@acme.example", "secret");
    }
    let reply = daemon.run(&["logins"]).succeeded();
    assert!(reply.stderr.contains("may be missing"), "{reply:?}");
    drop(lock);
    wait_until("the uses", || {
        credential(&daemon, "robot@acme.example", "nightly")["uses"] == 3
    });
}

#[test]
fn whoever_is_refused_learns_nothing_from_the_reply_its_time_or_the_work_it_costs() {
    let tenant = Tenant::named("acme")
        .login(Login::named("two@acme.example").also_password("another"))
        .login(Login::named("elsewhere@acme.example").only_from_elsewhere())
        .login(
            Login::named("late@acme.example")
                .without_password()
                .password_with("once", &expires(-9)),
        )
        .login(
            Login::named("key@acme.example")
                .without_password()
                .authorized_key(&Key::of_all().public),
        );
    let daemon = Daemon::start([tenant]);
    let hashes = || {
        daemon
            .metric("rosterd_password_hashes_total", &[])
            .unwrap_or(0.0)
    };
    let attempts = [
        ("elsewhere.example.com|hr@acme.example", PASSWORD),
        ("nobody@acme.example", PASSWORD),
        ("hr@acme.example", "wrong"),
        ("two@acme.example", "wrong"),
        ("elsewhere@acme.example", PASSWORD),
        ("late@acme.example", "once"),
        ("key@acme.example", PASSWORD),
    ];
    let mut replies = Vec::new();
    for (user, password) in attempts {
        let (before, started) = (hashes(), Instant::now());
        let (_, reply) = Ftps::try_log_in(&daemon, Port::Implicit, user, password).unwrap();
        assert!(started.elapsed() >= Duration::from_secs(1), "{user}");
        // As many as the login with the most passwords has.
        let work = hashes() - before;
        assert!((work - 2.0).abs() < 0.1, "{user}: {work} hashes");
        replies.push(reply);
    }
    assert_eq!(replies[0].code, 530);
    replies.dedup();
    assert_eq!(replies.len(), 1, "{replies:?}");

    let before = hashes();
    let unread = "x".repeat(1025);
    for user in ["nobody@acme.example", "hr@acme.example"] {
        let (_, reply) = Ftps::try_log_in(&daemon, Port::Implicit, user, &unread).unwrap();
        assert_eq!(reply, replies[0]);
    }
    assert!((hashes() - before).abs() < 0.1, "too long to be hashed");
}
