//! SIGHUP and `rosterd reload`: the whole new configuration or none of it, and nobody who still belongs here notices.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{ChildStdout, Command};
use std::time::Instant;

use serde_json::Value;

use crate::harness::sender::Key;
use crate::harness::staff::Staff;
use crate::harness::tenant::{Login, PASSWORD, Source, Tenant};
use crate::harness::{Client, Daemon, Port, Reply, test_file, wait_for, wait_until};
use crate::soak::asked;
use crate::wire::ftps::{Data, Ftps};

/// Half of it must be more than the buffers between a client and us.
const LARGE: usize = 40_000;

impl Daemon {
    /// Puts a tenant's file in place.
    pub(crate) fn configure(&self, tenant: &Tenant) {
        std::fs::write(self.tenant_file(tenant.name()), tenant.toml()).unwrap();
    }

    /// Takes a tenant's file away.
    fn unconfigure(&self, tenant: &str) {
        std::fs::remove_file(self.tenant_file(tenant)).unwrap();
    }

    fn tenant_file(&self, tenant: &str) -> std::path::PathBuf {
        self.folder().join(format!("tenants/{tenant}.toml"))
    }

    /// Puts something else into the daemon's own file.
    fn replace_in_config(&self, from: &str, to: &str) {
        let file = self.folder().join("rosterd.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "no {from:?} in {text}");
        std::fs::write(file, text.replace(from, to)).unwrap();
    }

    /// `rosterd reload --json`, which must succeed.
    #[track_caller]
    pub(crate) fn reload(&self) -> Value {
        let reply = self.run(&["reload", "--json"]).succeeded();
        serde_json::from_slice(&reply.stdout).unwrap()
    }

    /// An upload over FTPS of which half has come.
    fn half_way(&self, path: &str, file: &[u8]) -> (Ftps, Data) {
        let mut session = Ftps::log_in(self, Port::Explicit, "key@acme.example", PASSWORD);
        let mut data = session.transfer(&format!("STOR {path}"));
        data.send(&file[..file.len() / 2]);
        (session, data)
    }

    fn stay(&self, user: &str) -> Staying {
        let address = self.address(Port::Explicit);
        let mut client = Client::spawn(
            Command::new("python3")
                .arg(test_file("it/clients/stay.py"))
                .args([&address.ip().to_string(), &address.port().to_string()])
                .args([user, PASSWORD]),
        );
        let said = BufReader::new(client.process().stdout.take().unwrap());
        let mut staying = Staying { client, said };
        assert_eq!(staying.hear(), "in");
        staying
    }

    /// Has the job of a delivery look as it did before it was run.
    fn queue_again(&self, delivery: &str) {
        let script = format!(
            "import sqlite3, sys\n\
             db = sqlite3.connect(sys.argv[1], timeout=30)\n\
             seq = db.execute(\"SELECT seq FROM delivery WHERE id = '{delivery}'\").fetchone()\n\
             db.execute(\"UPDATE job SET state = 'queued' WHERE delivery_seq = ?\", seq)\n\
             db.execute(\"UPDATE import_run SET outcome = 'queued', finished_at = NULL WHERE delivery_seq = ?\", seq)\n\
             db.commit()\n"
        );
        let mut python = Command::new("python3");
        python
            .args(["-c", &script])
            .arg(self.folder().join("rosterd.db"));
        Reply::to(&mut python).succeeded();
    }

    fn messages(&self) -> Vec<String> {
        let events = self.events();
        let messages = events.iter().filter_map(|event| event["message"].as_str());
        messages.map(str::to_owned).collect()
    }
}

/// A sender that is logged in and does what it is told.
struct Staying {
    client: Client,
    said: BufReader<ChildStdout>,
}

impl Staying {
    #[track_caller]
    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut error = String::new();
            let stderr = self.client.process().stderr.as_mut().unwrap();
            stderr.read_to_string(&mut error).unwrap();
            panic!("the client said {line:?}: {error}")
        })
    }

    #[track_caller]
    fn does(&mut self, what: &str) -> Value {
        writeln!(self.client.process().stdin.as_mut().unwrap(), "{what}").unwrap();
        self.hear()
    }

    #[track_caller]
    fn was_ended(mut self, why: &str) {
        let told = self.does("listen");
        let reply = told["reply"].as_str().unwrap();
        assert!(
            reply.starts_with("421 Your login was changed"),
            "{why}: {told}"
        );
        assert_eq!(told["after"], "", "{why}: the connection stays open");
        self.client.wait().succeeded();
    }

    #[track_caller]
    fn is_there(&mut self, daemon: &Daemon, why: &str) {
        let file = daemon.local_file("alive.csv", Staff::of(3).csv());
        let done = self.does(&format!("stor /data/employees.csv {}", file.display()));
        let reply = done["reply"].as_str().unwrap_or_default();
        assert!(reply.starts_with("226 "), "{why}: {done}");
    }
}

fn globex() -> Tenant {
    Tenant::named("globex")
}

#[test]
fn an_added_tenant_logs_in_and_delivers_and_the_difference_is_told() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    daemon
        .stranger("hr@globex.example", PASSWORD)
        .upload("/data/employees.csv", Staff::of(3).csv())
        .refused("530");
    daemon.configure(&globex());
    daemon.configure(&Tenant::named("acme").quota("40MB"));

    let told = daemon.run(&["reload"]).succeeded().text();
    for line in [
        "added tenant globex\n",
        "added login hr@globex.example of globex\n",
        "added data source employees of globex\n",
        "changed tenant acme: quota: 50000000 bytes -> 40000000 bytes\n",
        "rosterd.toml was reloaded\n",
    ] {
        assert!(told.contains(line), "no {line:?} in: {told}");
    }
    assert!(
        daemon
            .messages()
            .contains(&"reload: added tenant globex".to_owned())
    );

    let reply = daemon
        .stranger("localhost|hr@globex.example", PASSWORD)
        .upload("/data/employees.csv", Staff::of(5).csv())
        .succeeded();
    daemon.outcome_of(&reply.delivery()).came_to("applied");
    assert_eq!(daemon.roster("globex"), Staff::of(5));
    let quota = |tenant| daemon.metric("rosterd_mailbox_quota_bytes", &[("tenant", tenant)]);
    assert_eq!(quota("globex"), Some(50e6));
    assert_eq!(quota("acme"), Some(40e6));
    // And a file that someone copies into its mailbox is seen by the watcher at once.
    let file = daemon.local_file("employees.csv", Staff::of(6).csv());
    std::fs::rename(file, daemon.mailbox("globex").join("data/employees.csv")).unwrap();
    wait_until("the local file's run", || daemon.runs().len() == 2);
    daemon.wait_for_rest();
    assert_eq!(
        daemon.run(&["reload"]).succeeded().text().lines().next(),
        Some("nothing has changed")
    );
}

#[test]
fn a_configuration_with_problems_changes_nothing_and_every_problem_is_told() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut staying = daemon.stay("hr@acme.example");
    daemon.configure(&globex());
    let broken = Tenant::named("acme").quota("much").toml();
    std::fs::write(daemon.tenant_file("acme"), broken).unwrap();
    daemon.replace_in_config("ban_failures = 0", "idle = \"1s\"\nban_failures = -1");

    let reply = daemon.run(&["reload"]);
    assert_eq!(reply.code, 1, "{reply:?}");
    for line in [
        "acme.toml:3: quota: expected a size",
        "limits.ban_failures",
        "2 problems: nothing was changed",
    ] {
        assert!(reply.text().contains(line), "no {line:?} in: {reply:?}");
    }
    let reply = daemon.run(&["reload", "--json"]);
    assert_eq!(reply.code, 1, "{reply:?}");
    let document: Value = serde_json::from_slice(&reply.stdout).unwrap();
    assert_eq!(document["reloaded"], false);
    assert_eq!(document["problems"][0]["key"], "limits.ban_failures");
    assert_eq!(document["problems"][1]["line"], 3);
    daemon.hang_up();
    let stays = "the configuration was not reloaded: the old one stays in force";
    wait_until("three refusals in the log", || {
        daemon.messages().iter().filter(|it| *it == stays).count() == 3
    });
    let problems = daemon.events();
    assert!(
        problems
            .iter()
            .any(|event| event["key"] == "quota" && event["line"] == 3),
        "{problems:?}"
    );

    // Nothing of it is in force: not the tenant that was fine, not the limit, and the session is where it was.
    daemon
        .stranger("hr@globex.example", PASSWORD)
        .upload("/data/employees.csv", Staff::of(3).csv())
        .refused("530");
    staying.is_there(&daemon, "after a refused reload");
    assert!(!daemon.mailbox("globex").try_exists().unwrap());
    daemon.forgive_errors();
    daemon.configure(&Tenant::named("acme"));
    daemon.replace_in_config("ban_failures = -1", "ban_failures = 0");
    assert_eq!(daemon.reload()["reloaded"], true);
}

#[test]
fn a_certificate_or_host_key_that_is_no_good_is_a_problem_too() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    std::fs::write(daemon.folder().join("server.pem"), "no certificate").unwrap();
    std::fs::write(daemon.folder().join("ssh_host_ed25519"), "no key").unwrap();
    daemon.configure(&globex());
    for command in ["reload", "check"] {
        let reply = daemon.run(&[command]);
        assert_eq!(reply.code, 1, "{reply:?}");
        assert!(
            reply.text().contains("server.pem holds no certificate"),
            "{reply:?}"
        );
        assert!(
            reply
                .text()
                .contains("ssh_host_ed25519 is not a private key"),
            "{reply:?}"
        );
        assert!(reply.text().contains("2 problems"), "{reply:?}");
    }
    assert!(!daemon.mailbox("globex").try_exists().unwrap());
    daemon
        .sender("acme")
        .upload("/data/employees.csv", Staff::of(3).csv())
        .succeeded();
    daemon.forgive_errors();
}

#[test]
fn sessions_go_on_exactly_if_they_would_be_let_in_again() {
    let key = Key::generate();
    let login = || Login::named("x@acme.example").authorized_key(&key.public);
    let acme = |login: Option<Login>| {
        let acme = Tenant::named("acme").source(Source::named("others", "others.csv"));
        login.map_or(acme.clone(), |login| acme.login(login))
    };
    let daemon = Daemon::start([acme(Some(login()))]);

    let kept = [
        ("the same", login()),
        ("another network", login().also_from("198.51.100.0/24")),
        (
            "another password beside it",
            login().also_password("tr0ub4dor"),
        ),
        ("the key gone", Login::named("x@acme.example")),
        ("all as it was", login()),
    ];
    let mut staying = daemon.stay("x@acme.example");
    for (change, login) in kept {
        daemon.configure(&acme(Some(login)).quota("30MB"));
        let report = daemon.reload();
        assert_eq!(report["sessions_ended"], 0, "{change}: {report}");
        staying.is_there(&daemon, change);
    }
    drop(staying);
    wait_until("the end of the session", || {
        daemon.metric("rosterd_sessions_active", &[("protocol", "ftpes")]) == Some(0.0)
    });

    let ended = [
        ("rights", Some(login().download_only())),
        ("allow_from", Some(login().only_from_elsewhere())),
        ("environment", Some(login().sandbox())),
        ("password", Some(login().password("tr0ub4dor"))),
        ("removed", None),
    ];
    for (change, other) in ended {
        daemon.configure(&acme(Some(login())));
        daemon.reload();
        let staying = daemon.stay("x@acme.example");
        let mut bystander = daemon.stay("hr@acme.example");
        daemon.configure(&acme(other));
        let report = daemon.reload();
        assert_eq!(report["sessions_ended"], 1, "{change}: {report}");
        staying.was_ended(change);
        bystander.is_there(&daemon, change);
    }
}

#[test]
fn a_removed_login_is_ended_during_its_upload_and_leaves_nothing() {
    let key = Key::generate();
    let with_key = Login::named("key@acme.example").authorized_key(&key.public);
    let acme = Tenant::named("acme");
    let daemon = Daemon::start([acme.clone().login(with_key)]);
    let yesterday = Staff::of(30).csv();
    daemon.deliver("acme", "/data/employees.csv", &yesterday);
    let bytes = Staff::of(LARGE).csv();
    let today = daemon.local_file("today.csv", &bytes);

    // Given an upload over FTPS and one over SFTP, both half way, by a login that goes.
    let sender = daemon.sender("acme").named("key@acme.example");
    let (mut ftps, data) = daemon.half_way("/data/employees.csv", bytes.as_ref());
    let batch = format!("put {} /employees.csv\n", today.display());
    let sftp = Client::spawn(&mut sender.limited_sftp(&key, 4000, &batch));
    wait_until("two uploads in staging", || {
        let staged = daemon.staged();
        staged.len() == 2
            && staged
                .iter()
                .all(|it| it.metadata().is_ok_and(|it| it.len() > 0))
    });
    daemon.configure(&acme);
    let report = daemon.reload();
    assert_eq!(report["sessions_ended"], 2, "{report}");
    assert_eq!(report["removed"][0]["name"], "key@acme.example");

    let reply = ftps.hear();
    assert_eq!(reply.code, 421, "{reply:?}");
    assert!(
        reply.text.contains("Your login was changed or removed"),
        "{reply:?}"
    );
    drop(data);
    sftp.wait().refused("your login was changed or removed");
    daemon.wait_for_empty_staging();
    let data = daemon.mailbox("acme").join("data");
    assert_eq!(
        std::fs::read(data.join("employees.csv")).unwrap(),
        yesterday
    );
    assert!(
        !daemon
            .mailbox("acme")
            .join("employees.csv")
            .try_exists()
            .unwrap()
    );
    wait_until("no session", || {
        daemon.metric("rosterd_sessions_active", &[("protocol", "sftp")]) == Some(0.0)
    });
    assert_eq!(daemon.runs().len(), 1);
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    let used = yesterday.len() as f64;
    let labels = [("tenant", "acme"), ("environment", "production")];
    assert_eq!(
        daemon.metric("rosterd_mailbox_used_bytes", &labels),
        Some(used)
    );
}

#[test]
fn running_uploads_of_unchanged_logins_survive_and_quota_counts_at_once() {
    let key = Key::generate();
    let login = Login::named("key@acme.example").authorized_key(&key.public);
    let acme = || Tenant::named("acme").login(login.clone());
    let daemon = Daemon::start([acme(), globex()]);
    let bytes = Staff::of(LARGE).csv();
    let bytes: &[u8] = bytes.as_ref();
    let today = daemon.local_file("today.csv", bytes);
    let sender = daemon.sender("acme").named("key@acme.example");
    let (mut ftps, mut data) = daemon.half_way("/data/employees.csv", bytes);
    let batch = format!("put {} /employees.csv\n", today.display());
    let sftp = Client::spawn(&mut sender.limited_sftp(&key, 20_000, &batch));
    wait_until("two uploads in staging", || daemon.staged().len() == 2);

    // Everything around them changes: limits, another tenant, certificate, host key, their own tenant's other settings.
    for file in ["server.pem", "server.key", "ssh_host_ed25519"] {
        std::fs::remove_file(daemon.folder().join(file)).unwrap();
    }
    daemon.replace_in_config("ban_failures = 0", "ban_failures = 0\nidle = \"200s\"");
    daemon.unconfigure("globex");
    daemon.configure(
        &acme()
            .quota("40MB")
            .source(Source::named("others", "others.csv")),
    );
    let report = daemon.reload();
    assert_eq!(report["sessions_ended"], 0, "{report}");

    data.send(&bytes[bytes.len() / 2..]);
    data.finish();
    let reply = ftps.hear();
    assert_eq!(reply.code, 226, "{reply:?}");
    sftp.wait().succeeded();
    daemon.wait_for_rest();
    assert_eq!(daemon.roster("acme").0.len(), LARGE);

    // An upload that is coming meets the new quota at its next byte.
    let others = || acme().source(Source::named("others", "others.csv"));
    let (mut ftps, mut data) = daemon.half_way("/data/others.csv", bytes);
    daemon.configure(&others().quota("100kB"));
    daemon.reload();
    // The server stops listening when it has said why.
    drop(data.try_send(&bytes[bytes.len() / 2..]));
    assert_eq!(ftps.hear().code, 552);
}

#[test]
fn a_new_certificate_and_host_key_are_shown_and_old_tickets_stay_good() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let before = daemon.listener(Port::Explicit).fingerprint.clone().unwrap();
    let host_key = daemon.listener(Port::Sftp).fingerprint.clone().unwrap();
    let mut staying = daemon.stay("hr@acme.example");
    staying.is_there(&daemon, "before");
    assert_eq!(staying.does("fresh")["certificate"], before);
    for file in ["server.pem", "server.key", "ssh_host_ed25519"] {
        std::fs::remove_file(daemon.folder().join(file)).unwrap();
    }
    let report = daemon.reload();

    // New handshakes show it.
    let change = &report["changed"][0];
    assert_eq!(
        (&change["what"], &change["from"]),
        (&"certificate".into(), &before.clone().into())
    );
    let after = change["to"].as_str().unwrap();
    assert_eq!(staying.does("fresh")["certificate"], after);
    assert_ne!(after, before);
    // A session that was there goes on with the one it has seen, on its data connections too, and its ticket is taken by new ones.
    let file = daemon.local_file("employees.csv", Staff::of(4).csv());
    let done = staying.does(&format!("stor /data/employees.csv {}", file.display()));
    assert_eq!(done["same_certificate"], true, "{done}");
    assert_eq!(staying.does("again")["resumed"], true);

    assert_eq!(report["removed"][0]["name"], host_key);
    let new_key = report["added"][0]["name"].as_str().unwrap();
    let port = daemon.address(Port::Sftp).port().to_string();
    let scan = Reply::to(Command::new("ssh-keyscan").args(["-p", &port, "127.0.0.1"])).succeeded();
    let known_hosts = daemon.local_file("known_hosts", &scan.stdout);
    let shown = Reply::to(Command::new("ssh-keygen").arg("-lf").arg(known_hosts)).succeeded();
    assert!(shown.text().contains(new_key), "{shown:?}");
}

#[test]
fn a_removed_tenants_mailbox_stays_and_its_jobs_wait_until_it_is_back() {
    let daemon = Daemon::start([Tenant::named("acme"), globex()]);
    let sender = daemon.stranger("hr@globex.example", PASSWORD);
    let first = Staff::of(30).csv();
    let reply = sender.upload("/data/employees.csv", &first).succeeded();
    daemon.outcome_of(&reply.delivery()).came_to("applied");
    let globex_file = std::fs::read(daemon.tenant_file("globex")).unwrap();
    daemon.unconfigure("globex");
    let report = daemon.reload();
    assert_eq!(report["removed"][0]["what"], "data source", "{report}");
    // Given a job that was queued when the tenant went.
    daemon.queue_again(&reply.delivery());
    let report = daemon.reload();
    assert_eq!(report["waiting"][0]["jobs"], 1, "{report}");
    assert!(daemon.run(&["reload"]).succeeded().text().contains(
        "1 job waits until the data source employees of globex is in the configuration again"
    ));

    sender.upload("/data/employees.csv", &first).refused("530");
    assert_eq!(
        std::fs::read(daemon.mailbox("globex").join("data/employees.csv")).unwrap(),
        first
    );
    assert_eq!(
        daemon.metric("rosterd_mailbox_used_bytes", &[("tenant", "globex")]),
        None
    );
    assert_eq!(
        daemon.metric("rosterd_queue_jobs", &[("state", "queued")]),
        Some(1.0)
    );

    std::fs::write(daemon.tenant_file("globex"), globex_file).unwrap();
    let report = daemon.reload();
    assert_eq!(report["waiting"], serde_json::json!([]), "{report}");
    daemon.outcome_of(&reply.delivery()).came_to("no_change");
    sender
        .upload("/data/employees.csv", Staff::of(32).csv())
        .succeeded();
    daemon.wait_for_rest();
    assert_eq!(daemon.roster("globex"), Staff::of(32));
}

#[test]
fn what_needs_a_restart_is_named_and_not_applied() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let web = daemon.address(Port::Web);
    daemon.replace_in_config(
        "listen = \"127.0.0.1:0\"\n[tls]",
        "listen = \"127.0.0.1:1\"\n[tls]",
    );
    daemon.replace_in_config("format = \"json\"", "format = \"text\"");
    daemon.replace_in_config("sqlite://rosterd.db", "sqlite://other.db");
    for _ in 0..2 {
        // It is named again and again, because the daemon goes on as it was.
        let told = daemon.run(&["reload"]).succeeded().text();
        for line in [
            "not applied, needs a restart: web.listen: 127.0.0.1:0 -> 127.0.0.1:1\n",
            "not applied, needs a restart: log.format: json -> text\n",
            "not applied, needs a restart: database.url: ",
        ] {
            assert!(told.contains(line), "no {line:?} in: {told}");
        }
    }
    assert_eq!(daemon.address(Port::Web), web);
    assert_eq!(daemon.get("/livez").0, 200);
    assert!(!daemon.folder().join("other.db").try_exists().unwrap());
    daemon.replace_in_config("sqlite://other.db", "sqlite://rosterd.db");
}

#[test]
fn without_a_daemon_reload_says_so() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    daemon.stop();
    let reply = daemon.run(&["reload"]);
    assert_eq!(reply.code, 1, "{reply:?}");
    assert!(reply.stderr.contains("no rosterd is running"), "{reply:?}");
    std::fs::write(daemon.folder().join("rosterd.toml"), "[server").unwrap();
    let reply = daemon.run(&["reload"]);
    assert_eq!(reply.code, 1, "{reply:?}");
    assert!(reply.stderr.contains("rosterd.toml:1"), "{reply:?}");
    std::fs::remove_file(daemon.folder().join("rosterd.toml")).unwrap();
    assert_eq!(daemon.run(&["reload"]).code, 2);
    std::mem::forget(daemon);
}

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    threads: usize,
    watches: usize,
}

fn held(daemon: &Daemon) -> Held {
    let proc = std::path::PathBuf::from(format!("/proc/{}", daemon.pid()));
    let count = |folder: &str| std::fs::read_dir(proc.join(folder)).unwrap().count();
    let infos = std::fs::read_dir(proc.join("fdinfo")).unwrap();
    let watches = infos.map_while(Result::ok).map(|info| {
        let text = std::fs::read_to_string(info.path()).unwrap_or_default();
        text.lines()
            .filter(|line| line.starts_with("inotify"))
            .count()
    });
    Held {
        descriptors: count("fd"),
        threads: count("task"),
        watches: watches.sum(),
    }
}

/// What it holds, once that has stayed the same for a moment.
fn settled(daemon: &Daemon) -> Held {
    let mut seen = None;
    wait_for("two looks that show the same", || {
        let now = held(daemon);
        (seen.replace(now) == Some(now) && now.watches > 0).then_some(now)
    })
}

fn resident_kilobytes(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn many_reloads_leak_nothing() {
    let reloads = asked("RELOADS", 40);
    let started = Instant::now();
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut staying = daemon.stay("hr@acme.example");
    let alternate = |number: u64| {
        if number.is_multiple_of(2) {
            daemon.configure(&globex());
            daemon.configure(&Tenant::named("acme").quota("40MB"));
            daemon.replace_in_config("\"server.", "\"other.");
            daemon.replace_in_config("ssh_host_ed25519", "ssh_host_other");
        } else {
            daemon.unconfigure("globex");
            daemon.configure(&Tenant::named("acme"));
            daemon.replace_in_config("\"other.", "\"server.");
            daemon.replace_in_config("ssh_host_other", "ssh_host_ed25519");
        }
        daemon.reload();
    };
    let at_start = settled(&daemon);
    // The first ones fill pools and caches.
    for number in 0..10 {
        alternate(number);
    }
    let before = settled(&daemon);
    let resident = resident_kilobytes(&daemon);
    assert_eq!(
        before.watches, at_start.watches,
        "the removed tenant is watched still"
    );
    for number in 0..reloads {
        alternate(number);
    }
    wait_until("what was held before", || {
        let now = held(&daemon);
        // Threads of the blocking pool come and go.
        now.descriptors == before.descriptors
            && now.watches == before.watches
            && now.threads <= before.threads + 4
    });
    let grown = resident_kilobytes(&daemon).saturating_sub(resident);
    let (after, minutes) = (held(&daemon), started.elapsed().as_secs_f64() / 60.0);
    eprintln!(
        "soak: {reloads} reloads, {minutes:.1} minutes, {} descriptors before and {} after, {} watches before and {} after, {grown} kB more",
        before.descriptors, after.descriptors, before.watches, after.watches
    );
    assert!(grown < 8_000, "{grown} kB more after {reloads} reloads");
    staying.is_there(&daemon, "after many reloads");
}
