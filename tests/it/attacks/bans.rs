//! Guessing: failures slow down and then ban the address for a while, and never a tenant for what others did.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{connect_from, greeting, hear_out, log_in_from};
use crate::harness::staff::Staff;
use crate::harness::tenant::{Login, PASSWORD, Tenant};
use crate::harness::{Daemon, Port, Reply, wait_until};
use crate::wire::ftps::Ftps;
use crate::wire::sftp::Sftp;

/// Where nobody's files come from.
const STRANGER: &str = "127.0.0.66";
/// From here a payroll bureau sends for many tenants.
const BUREAU: &str = "127.0.0.10";

fn tenant(name: &str) -> Tenant {
    let anywhere = Login::named(&format!("anywhere@{name}.example"));
    Tenant::named(name)
        .first_login(|login| login.only_from(&["127.0.0.10/32", "127.0.0.11/32"]))
        .login(anywhere.only_from(&["any"]))
}

fn start(limits: &str) -> Daemon {
    Daemon::start_with([tenant("acme"), tenant("globex")], limits)
}

impl Daemon {
    /// Fails at a login over FTPS; says how long the answer took.
    #[track_caller]
    fn fail(&self, from: &str, user: &str) -> Duration {
        let started = Instant::now();
        let tried = log_in_from(from, self, Port::Explicit, user, "wrong");
        let (_, reply) = tried.unwrap();
        assert_eq!((reply.code, &*reply.text), (530, "530 Not logged in\r\n"));
        started.elapsed()
    }

    fn lets_in(&self, from: &str, user: &str) -> bool {
        let tried = log_in_from(from, self, Port::Explicit, user, PASSWORD);
        tried.is_ok_and(|(_, reply)| reply.code == 230)
    }

    #[track_caller]
    fn bans(&self) -> Vec<Value> {
        let reply = self.run(&["bans", "--json"]).succeeded();
        let document: Value = serde_json::from_slice(&reply.stdout).unwrap();
        document["bans"].as_array().unwrap().clone()
    }
}

#[test]
fn whoever_guesses_is_slowed_down_and_then_closed_at_every_door() {
    let daemon = start("ban_failures = 4");
    let before = Ftps::log_in(&daemon, Port::Implicit, "anywhere@acme.example", PASSWORD);
    let mut during = {
        let user = "anywhere@acme.example";
        let tried = log_in_from(STRANGER, &daemon, Port::Implicit, user, PASSWORD);
        tried.unwrap().0
    };
    // Every reason counts, and looks, the same.
    let took: Vec<_> = [
        "hr@acme.example",
        "nobody@acme.example",
        "elsewhere.example|hr@acme.example",
        "anywhere@globex.example",
    ]
    .map(|user| daemon.fail(STRANGER, user))
    .to_vec();
    assert!(took[0] >= Duration::from_secs(1), "{took:?}");
    assert!(took[3] >= Duration::from_secs(5), "{took:?}");
    assert!(took.is_sorted(), "{took:?}");

    let told = "421 Too many failed logins from your address: try again later\r\n";
    assert_eq!(greeting(&daemon, STRANGER), told);
    for port in [Port::Implicit, Port::Sftp] {
        let socket = connect_from(STRANGER, daemon.address(port)).unwrap();
        assert_eq!(hear_out(socket), "", "{port:?}");
    }
    // Who was in stays in, and others do not notice.
    assert_eq!(during.ask("NOOP").code, 200);
    assert!(daemon.lets_in("127.0.0.67", "anywhere@acme.example"));
    drop(before);

    let who = ["--user", "anywhere@acme.example", "--from"];
    let explain = |from| daemon.run(&[&["explain-login"], &who[..], &[from]].concat());
    explain(STRANGER).refused("rosterd bans --lift 127.0.0.66");
    explain("127.0.0.67").succeeded();

    let bans = daemon.bans();
    assert_eq!(bans.len(), 1, "{bans:?}");
    assert_eq!(
        (&bans[0]["address"], &bans[0]["score"]),
        (&STRANGER.into(), &4.into())
    );
    assert_eq!(bans[0]["tenant"], Value::Null);
    assert_eq!(bans[0]["last_reason"], "the password is wrong");
    let begun = daemon.events();
    let begun: Vec<_> = begun
        .iter()
        .filter(|it| it["ban_secs"].is_number())
        .collect();
    assert_eq!(begun.len(), 1, "{begun:?}");
    assert_eq!(
        (&begun[0]["level"], &begun[0]["ban_secs"]),
        (&"WARN".into(), &900.into())
    );
    assert_eq!(daemon.metric("rosterd_bans_active", &[]), Some(1.0));
    assert_eq!(daemon.metric("rosterd_bans_total", &[]), Some(1.0));

    assert_eq!(
        daemon
            .run(&["bans", "--lift", "127.0.0.67"])
            .refused("is not banned")
            .code,
        1
    );
    let lifted = daemon.run(&["bans", "--lift", STRANGER]).succeeded();
    assert_eq!(lifted.text(), "1 ban was lifted\n");
    assert!(daemon.lets_in(STRANGER, "anywhere@acme.example"));
    assert_eq!(daemon.metric("rosterd_bans_active", &[]), Some(0.0));
    assert_eq!(daemon.lines_with("a ban has ended: an admin lifted it"), 1);
}

#[test]
fn a_bureau_delivers_for_the_others_when_one_tenants_password_is_wrong() {
    let daemon = start("ban_failures = 3");
    for _ in 0..3 {
        daemon.fail(BUREAU, "hr@acme.example");
    }
    let bans = daemon.bans();
    assert_eq!(bans.len(), 1, "{bans:?}");
    assert_eq!(
        (&bans[0]["address"], &bans[0]["tenant"]),
        (&BUREAU.into(), &"acme".into())
    );
    // The right password does not help now, and looks the same; over SFTP too.
    assert!(!daemon.lets_in(BUREAU, "hr@acme.example"));
    Sftp::try_log_in_from(BUREAU, &daemon, "hr@acme.example", PASSWORD)
        .err()
        .unwrap();
    assert_eq!(daemon.lines_with("refused until the ban ends"), 2);
    // From its other address the tenant delivers, and from the bureau the other tenant does.
    assert!(daemon.lets_in("127.0.0.11", "hr@acme.example"));
    let mut curl = daemon
        .sender("globex")
        .upload_command("/data/employees.csv", Staff::of(3).csv());
    let sent = Reply::to(curl.args(["--interface", BUREAU])).succeeded();
    daemon.outcome_of(&sent.delivery()).came_to("applied");
    assert!(Sftp::try_log_in_from(BUREAU, &daemon, "hr@globex.example", PASSWORD).is_ok());
    assert_eq!(
        daemon.run(&["bans", "--lift-all"]).succeeded().text(),
        "1 ban was lifted\n"
    );
    assert!(daemon.lets_in(BUREAU, "hr@acme.example"));
}

#[test]
fn an_address_that_a_tenant_names_is_let_in_at_the_door_whatever_others_did_there() {
    let daemon = start("ban_failures = 3");
    for user in ["nobody@acme.example", "anywhere@acme.example", "root"] {
        daemon.fail(BUREAU, user);
    }
    assert_eq!(daemon.bans().len(), 1);
    assert_eq!(greeting(&daemon, BUREAU), "220 rosterd ready\r\n");
    for user in ["hr@acme.example", "hr@globex.example"] {
        assert!(daemon.lets_in(BUREAU, user), "{user}");
    }
    // A login for everybody does not name the address.
    assert!(!daemon.lets_in(BUREAU, "anywhere@acme.example"));
    assert!(daemon.lets_in("127.0.0.12", "anywhere@acme.example"));
}

#[test]
fn a_success_takes_back_its_own_failures_and_a_key_that_was_only_offered_is_none() {
    let daemon = start("ban_failures = 4");
    let mine = "anywhere@acme.example";
    for _ in 0..3 {
        daemon.fail(STRANGER, mine);
    }
    assert!(daemon.lets_in(STRANGER, mine));
    for _ in 0..3 {
        daemon.fail(STRANGER, mine);
    }
    assert!(daemon.lets_in(STRANGER, mine));
    // Somebody who has a login of his own cannot make up for what he tries at others'.
    for _ in 0..3 {
        daemon.fail(STRANGER, "anywhere@globex.example");
    }
    assert!(daemon.lets_in(STRANGER, mine));
    daemon.fail(STRANGER, "anywhere@globex.example");
    assert!(!daemon.lets_in(STRANGER, mine));
}

#[test]
fn an_agent_may_offer_many_keys() {
    let daemon = start("ban_failures = 2");
    let keys: Vec<_> = (0..5)
        .map(|_| crate::harness::sender::Key::generate())
        .collect();
    for key in &keys {
        let sender = daemon.stranger("anywhere@acme.example", PASSWORD);
        sender.sftp_with_key(key, "ls").refused("Permission denied");
    }
    // Five connections that came to nothing are a failure and a quarter.
    assert!(daemon.lets_in("127.0.0.1", "anywhere@acme.example"));
    assert_eq!(daemon.bans(), [] as [Value; 0]);
}

#[test]
fn a_ban_ends_by_itself_and_a_reload_keeps_it_or_lifts_it() {
    let daemon = start("ban_failures = 2\nban_time = \"2s\"");
    daemon.fail(STRANGER, "root");
    daemon.fail(STRANGER, "root");
    wait_until("the end of the ban", || {
        daemon.lines_with("a ban has ended: its time is over") == 1
    });
    assert!(greeting(&daemon, STRANGER).starts_with("220"));
    assert_eq!(daemon.metric("rosterd_bans_active", &[]), Some(0.0));

    let file = daemon.folder().join("rosterd.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("ban_time = \"2s\"", "ban_time = \"1h\"");
    std::fs::write(&file, &text).unwrap();
    daemon.run(&["reload"]).succeeded();
    daemon.fail(STRANGER, "root");
    daemon.fail(STRANGER, "root");
    daemon.run(&["reload"]).succeeded();
    assert_eq!(daemon.bans().len(), 1);
    std::fs::write(&file, text.replace("ban_failures = 2", "ban_failures = 0")).unwrap();
    daemon.run(&["reload"]).succeeded();
    assert_eq!(daemon.bans(), [] as [Value; 0]);
    assert!(greeting(&daemon, STRANGER).starts_with("220"));
}

#[test]
fn without_a_daemon_there_are_no_bans() {
    let mut daemon = start("ban_failures = 2");
    let nobody = daemon.run(&["bans"]).succeeded();
    assert_eq!(nobody.text(), "Nobody is banned.\n");
    daemon.stop();
    let reply = daemon
        .run(&["bans"])
        .refused("bans live in the running daemon");
    assert_eq!(reply.code, 1);
    let wrong = daemon
        .run(&["bans", "--lift", "acme"])
        .refused("as `rosterd bans` shows it");
    assert_eq!(wrong.code, 2);
}
