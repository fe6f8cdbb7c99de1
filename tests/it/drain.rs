//! SIGTERM: no new sessions, what is open is finished, exit 0.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::sender::Key;
use crate::harness::staff::Staff;
use crate::harness::tenant::{Login, Tenant};
use crate::harness::{Client, Daemon, Port, wait_until};

#[test]
fn a_transfer_that_runs_when_the_daemon_is_asked_to_end_is_finished() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    let staff = Staff::of(6000);
    let mut upload = daemon
        .sender("acme")
        .upload_command("/data/employees.csv", staff.csv());
    let upload = Client::spawn(upload.args(["--limit-rate", "100k"]));
    daemon.wait_for_bytes_in_staging();

    daemon.ask_to_end();
    for port in [Port::Explicit, Port::Implicit, Port::Sftp] {
        let address = daemon.address(port);
        wait_until("a closed listener", || TcpStream::connect(address).is_err());
    }
    let reply = upload.wait().succeeded();
    let status = daemon.wait_for_end();
    assert!(status.success(), "{status}");

    daemon.start_again();
    daemon.outcome_of(&reply.delivery()).came_to("applied");
    assert_eq!(daemon.roster("acme"), staff);
}

#[test]
fn an_sftp_transfer_is_finished_too() {
    let key = Key::generate();
    let login = Login::named("key@acme.example").authorized_key(&key.public);
    let mut daemon = Daemon::start([Tenant::named("acme").login(login)]);
    let staff = Staff::of(6000);
    let file = daemon.local_file("employees.csv", staff.csv());
    let batch = format!("put {} /data/employees.csv\n", file.display());
    let sender = daemon.sender("acme").named("key@acme.example");
    let sftp = Client::spawn(&mut sender.limited_sftp(&key, 1000, &batch));
    daemon.wait_for_bytes_in_staging();

    let status = daemon.stop();
    assert!(status.success(), "{status}");
    // The session may end before sftp has said goodbye, but not before the reply to its CLOSE.
    drop(sftp.wait());

    daemon.start_again();
    daemon.wait_for_rest();
    assert_eq!(daemon.runs().len(), 1);
    assert_eq!(daemon.roster("acme"), staff);
}

#[test]
fn idle_sessions_do_not_hold_up_the_end() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    for port in [Port::Explicit, Port::Implicit, Port::Sftp] {
        let silent = TcpStream::connect(daemon.address(port)).unwrap();
        let mut half_a_request = TcpStream::connect(daemon.address(Port::Web)).unwrap();
        half_a_request.write_all(b"GET /livez HT").unwrap();
        let before = Instant::now();
        let status = daemon.stop();
        assert!(status.success(), "{status}");
        let took = before.elapsed();
        assert!(took < Duration::from_secs(10), "{port:?} took {took:?}");
        drop((silent, half_a_request));
        daemon.start_again();
    }
}
