//! Promise 2: nothing half-sent counts. Every way an upload can break off leaves yesterday's file byte for byte and starts no run.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};

use crate::harness::sender::Key;
use crate::harness::staff::Staff;
use crate::harness::tenant::{Login, Tenant};
use crate::harness::{Client, Daemon, Port};

/// Half of it must be more than the buffers between a client and us.
const LARGE: usize = 40_000;

/// Yesterday's file is there and applied; another one, larger, is about to come.
struct Given {
    daemon: Daemon,
    yesterday: Vec<u8>,
    today: std::path::PathBuf,
}

fn given() -> Given {
    given_tenant(Tenant::named("acme"))
}

fn given_tenant(tenant: Tenant) -> Given {
    let daemon = Daemon::start([tenant]);
    let yesterday = Staff::of(30).csv();
    daemon
        .deliver("acme", "/data/employees.csv", &yesterday)
        .came_to("applied");
    let today = daemon.local_file("today.csv", Staff::of(LARGE).csv());
    Given {
        daemon,
        yesterday,
        today,
    }
}

impl Given {
    /// Then the old file stands, nothing is left over, and nobody noticed anything.
    #[track_caller]
    fn nothing_happened(&self, how: &str) {
        self.daemon.wait_for_empty_staging();
        let data = self.daemon.mailbox("acme").join("data");
        let names: Vec<_> = std::fs::read_dir(&data)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["employees.csv"], "{how}");
        let file = std::fs::read(data.join("employees.csv")).unwrap();
        assert!(file == self.yesterday, "{how}: the old file has changed");
        self.daemon.wait_for_rest();
        assert_eq!(self.daemon.runs().len(), 1, "{how}");
        assert_eq!(self.daemon.roster("acme"), Staff::of(30), "{how}");
    }
}

/// Waits until the client says that half is sent and the daemon has some of it.
fn half_way(daemon: &Daemon, client: &mut Client) -> BufReader<std::process::ChildStdout> {
    let mut said = BufReader::new(client.process().stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    if line.trim() != "half" {
        let mut error = String::new();
        let stderr = client.process().stderr.as_mut().unwrap();
        stderr.read_to_string(&mut error).unwrap();
        panic!("the client said {line:?}: {error}");
    }
    daemon.wait_for_bytes_in_staging();
    said
}

#[test]
fn a_cut_ftps_overwrite_leaves_the_old_file_and_starts_no_run() {
    let given = given();
    let sender = given.daemon.sender("acme");
    for port in [Port::Explicit, Port::Implicit] {
        for way in ["reset", "fin", "abort", "vanish"] {
            let mut client = sender.cut(port, way, "/data/employees.csv", &given.today);
            let mut said = half_way(&given.daemon, &mut client);
            writeln!(client.process().stdin.as_mut().unwrap()).unwrap();
            let mut reply = String::new();
            said.read_to_string(&mut reply).unwrap();
            client.wait().succeeded();

            assert!(!reply.starts_with("226 Received"), "{way}: {reply}");
            if matches!(way, "reset" | "fin") {
                assert!(reply.starts_with('4'), "{way}: {reply}");
            }
            given.nothing_happened(&format!("{port:?} {way}"));
        }
    }
}

#[test]
fn a_killed_ftps_client_leaves_the_old_file_and_starts_no_run() {
    let given = given();
    let sender = given.daemon.sender("acme");

    let mut python = sender.cut(Port::Explicit, "whole", "/data/employees.csv", &given.today);
    let said = half_way(&given.daemon, &mut python);
    python.kill();
    drop(said);
    given.nothing_happened("python killed");

    let mut curl = sender.upload_command("/data/employees.csv", Staff::of(LARGE).csv());
    let curl = Client::spawn(curl.args(["--limit-rate", "200k"]));
    given.daemon.wait_for_bytes_in_staging();
    curl.kill();
    given.nothing_happened("curl killed");
}

#[test]
fn an_upload_that_was_slow_but_whole_counts() {
    let given = given();
    let sender = given.daemon.sender("acme");
    let mut client = sender.cut(Port::Explicit, "whole", "/data/employees.csv", &given.today);
    let mut said = half_way(&given.daemon, &mut client);
    writeln!(client.process().stdin.as_mut().unwrap()).unwrap();
    let mut reply = String::new();
    said.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("226 Received"), "{reply}");
    client.wait().succeeded();
    given.daemon.wait_for_rest();
    assert_eq!(given.daemon.roster("acme").0.len(), LARGE);
}

#[test]
fn a_killed_sftp_client_leaves_the_old_file_and_starts_no_run() {
    let key = Key::generate();
    let login = Login::named("key@acme.example").authorized_key(&key.public);
    let given = given_tenant(Tenant::named("acme").login(login));
    let sender = given.daemon.sender("acme").named("key@acme.example");
    let batch = format!("put {} /data/employees.csv\n", given.today.display());
    // Seconds of upload.
    let sftp = Client::spawn(&mut sender.limited_sftp(&key, 4000, &batch));
    given.daemon.wait_for_bytes_in_staging();
    sftp.kill();
    given.nothing_happened("sftp killed");
}

#[test]
fn a_first_upload_that_is_cut_leaves_no_file_at_all() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    let today = daemon.local_file("today.csv", Staff::of(LARGE).csv());
    for way in ["reset", "fin"] {
        let mut client = sender.cut(Port::Explicit, way, "/data/employees.csv", &today);
        let said = half_way(&daemon, &mut client);
        writeln!(client.process().stdin.as_mut().unwrap()).unwrap();
        drop(said);
        drop(client.wait());
        daemon.wait_for_empty_staging();
        assert_eq!(sender.names("/data/"), [] as [String; 0], "{way}");
    }
    daemon.wait_for_rest();
    assert_eq!(daemon.runs().len(), 0);
}

#[test]
fn an_upload_that_runs_into_the_quota_leaves_the_old_file() {
    let daemon = Daemon::start([Tenant::named("acme").quota("100kB")]);
    let yesterday = Staff::of(30).csv();
    daemon.deliver("acme", "/data/employees.csv", &yesterday);
    let sender = daemon.sender("acme");
    let today = Staff::of(LARGE).csv();
    sender.upload("/data/employees.csv", &today).refused("552 ");
    daemon.wait_for_empty_staging();
    assert_eq!(sender.download("/data/employees.csv"), yesterday);
    assert_eq!(daemon.runs().len(), 1);
}
