//! Active mode: the server connects to the client that has asked for it, and to nobody else.

use std::io::{ErrorKind, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::settings::Settings;
use crate::harness::staff::Staff;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Daemon, Port, wait_until};
use crate::wire::ftps::Ftps;

const USER: &str = "hr@acme.example";

fn log_in(daemon: &Daemon) -> Ftps {
    Ftps::log_in(daemon, Port::Explicit, USER, PASSWORD)
}

/// PORT for an IPv4 address.
fn port(to: SocketAddr) -> String {
    let IpAddr::V4(address) = to.ip() else {
        panic!("PORT is for IPv4");
    };
    let [a, b, c, d] = address.octets();
    let [high, low] = to.port().to_be_bytes();
    format!("PORT {a},{b},{c},{d},{high},{low}")
}

/// EPRT for any address.
fn eprt(to: SocketAddr) -> String {
    let family = if to.is_ipv4() { 1 } else { 2 };
    format!("EPRT |{family}|{}|{}|", to.ip(), to.port())
}

/// A listener on this machine that must never see anybody.
fn lonely(address: &str) -> TcpListener {
    let listener = TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

#[track_caller]
fn saw_nobody(listener: &TcpListener) {
    let seen = listener.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(seen, Err(ErrorKind::WouldBlock));
}

#[test]
fn port_and_eprt_let_the_server_connect_and_all_moves_inside_tls() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    for listener in [Port::Explicit, Port::Implicit] {
        let mut session = Ftps::log_in(&daemon, listener, USER, PASSWORD);
        for announce in [port, eprt] {
            let csv = Staff::of(3).csv();
            let mut data = session.active(announce, "STOR /data/employees.csv");
            data.try_send(&csv).unwrap();
            data.finish();
            assert_eq!(session.hear().code, 226);
            let fetched = session
                .active(announce, "RETR /data/employees.csv")
                .receive();
            assert_eq!(session.hear().code, 226);
            assert_eq!(fetched, csv);
            let listed = session.active(announce, "NLST /data").receive();
            assert_eq!(session.hear().code, 226);
            assert_eq!(listed, b"/data/employees.csv\r\n");
        }
    }
    daemon.wait_for_rest();
}

#[test]
fn nobody_but_the_client_itself_is_ever_connected_to() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    let elsewhere = lonely("127.0.0.2:0");
    let victim = elsewhere.local_addr().unwrap();
    let here = lonely("127.0.0.1:0");
    let own_port = here.local_addr().unwrap().port();

    for (command, code) in [
        (port(victim), 504),
        (eprt(victim), 504),
        ("PORT 203,0,113,7,31,144".to_owned(), 504),
        ("PORT 0,0,0,0,31,144".to_owned(), 504),
        ("PORT 127,0,0,1,0,22".to_owned(), 504),
        ("EPRT |1|127.0.0.1|1023|".to_owned(), 504),
        ("PORT 127,0,0,1,0,0".to_owned(), 501),
        ("PORT 127,0,0,1,256,1".to_owned(), 501),
        ("EPRT |1|127.0.0.1|0|".to_owned(), 501),
        ("EPRT |1|127.0.0.1|99999|".to_owned(), 501),
        ("EPRT |1|localhost|2121|".to_owned(), 501),
        ("EPRT junk".to_owned(), 501),
        (format!("EPRT |2|::1|{own_port}|"), 522),
        (format!("EPRT |2|::ffff:127.0.0.1|{own_port}|"), 522),
        (format!("EPRT |3|127.0.0.1|{own_port}|"), 522),
        (format!("LPRT 4,4,127,0,0,1,2,{},1", own_port >> 8), 502),
    ] {
        let reply = session.ask(&command);
        assert_eq!(reply.code, code, "{command}: {reply:?}");
        if code == 522 {
            assert!(reply.text.contains("(1)"), "{reply:?}");
        }
        // Nothing was noted that a transfer could use.
        assert_eq!(session.ask("NLST /data").code, 425, "{command}");
    }
    saw_nobody(&elsewhere);
    saw_nobody(&here);
    wait_until("the log to tell of it", || {
        daemon.lines_with("a client behind NAT must use passive mode") == 4
    });
}

#[test]
fn the_client_is_connected_to_only_when_a_transfer_begins() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    let here = lonely("127.0.0.1:0");
    let address = here.local_addr().unwrap();
    assert_eq!(session.ask(&port(address)).code, 200);
    assert_eq!(session.ask("RETR /data/none.csv").code, 550);
    assert_eq!(session.ask("STOR /data/wrong.csv").code, 553);
    saw_nobody(&here);

    // Before the login and without TLS for data there is no active mode at all.
    let mut stranger = Ftps::connect(&daemon, Port::Explicit);
    assert_eq!(stranger.ask(&port(address)).code, 530);
    stranger.try_secure().unwrap();
    assert_eq!(stranger.ask(&eprt(address)).code, 530);
    assert_eq!(stranger.ask(&format!("USER {USER}")).code, 331);
    assert_eq!(stranger.ask(&format!("PASS {PASSWORD}")).code, 230);
    assert_eq!(stranger.ask(&port(address)).code, 200);
    assert_eq!(stranger.ask("NLST").code, 522);
    saw_nobody(&here);
}

#[test]
fn a_client_that_cannot_be_reached_gets_425_within_data_connect() {
    let daemon = Daemon::start_with([Tenant::named("acme")], "data_connect = \"1s\"");
    let mut session = log_in(&daemon);

    let closed = lonely("127.0.0.1:0").local_addr().unwrap();
    assert_eq!(session.ask(&port(closed)).code, 200);
    assert_eq!(session.ask("STOR /data/employees.csv").code, 150);
    let reply = session.hear();
    assert_eq!(reply.code, 425, "{reply:?}");
    assert!(
        reply.text.contains("could not be connected to"),
        "{reply:?}"
    );
    // It was good for one transfer.
    assert_eq!(session.ask("STOR /data/employees.csv").code, 425);

    // Connected, and then nothing: the handshake has the same limit.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    assert_eq!(session.ask(&eprt(address)).code, 200);
    let before = Instant::now();
    assert_eq!(session.ask("NLST").code, 150);
    let (held, _) = silent.accept().unwrap();
    assert_eq!(session.hear().code, 425);
    assert!(before.elapsed() < Duration::from_secs(20));
    drop(held);

    // No TLS but something else.
    assert_eq!(session.ask(&eprt(address)).code, 200);
    assert_eq!(session.ask("STOR /data/employees.csv").code, 150);
    let (mut junk, _) = silent.accept().unwrap();
    junk.write_all(b"Employee ID,Work Email\r\n").unwrap();
    assert_eq!(session.hear().code, 425);
    assert_eq!(session.names("/data"), [] as [String; 0]);
}

#[test]
fn what_was_said_last_about_the_data_connection_counts() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    let here = lonely("127.0.0.1:0");
    let address = here.local_addr().unwrap();

    // PORT closes the passive port.
    let waiting = session.try_passive().unwrap();
    assert_eq!(session.ask(&port(address)).code, 200);
    let data = Ftps::try_foreign_data(waiting);
    assert!(data.is_err(), "the passive port was not given up");

    // And PASV forgets the port of the client.
    assert_eq!(session.names("/data"), [] as [String; 0]);
    saw_nobody(&here);

    // ABOR forgets it too.
    assert_eq!(session.ask(&port(address)).code, 200);
    assert_eq!(session.ask("ABOR").code, 226);
    assert_eq!(session.ask("NLST").code, 425);
    saw_nobody(&here);
}

#[test]
fn after_epsv_all_nothing_else_is_taken() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    let here = lonely("127.0.0.1:0");
    let address = here.local_addr().unwrap();
    assert_eq!(session.ask("EPSV ALL").code, 200);
    for command in ["PASV".to_owned(), port(address), eprt(address)] {
        assert_eq!(session.ask(&command).code, 503, "{command}");
    }
    assert_eq!(session.names("/data"), [] as [String; 0]);
    saw_nobody(&here);
}

#[test]
fn a_server_without_active_mode_says_what_to_use_instead() {
    let settings = Settings::default().set("ftps", "active_mode = false");
    let daemon = Daemon::start_with([Tenant::named("acme")], settings);
    let mut session = log_in(&daemon);
    let here = lonely("127.0.0.1:0");
    let address = here.local_addr().unwrap();
    for command in [port(address), eprt(address)] {
        let reply = session.ask(&command);
        assert_eq!(reply.code, 502, "{reply:?}");
        assert!(reply.text.contains("passive mode"), "{reply:?}");
    }
    assert!(!session.ask("FEAT").text.contains("EPRT"));
    assert_eq!(session.ask("NLST").code, 425);
    saw_nobody(&here);
}

#[test]
fn session_reuse_is_asked_of_active_connections_too() {
    let settings = Settings::default().set("ftps", "tls_session_reuse = \"require\"");
    let daemon = Daemon::start_with([Tenant::named("acme")], settings);
    let mut session = log_in(&daemon);
    let csv = Staff::of(3).csv();
    let mut data = session.active(port, "STOR /data/employees.csv");
    data.try_send(&csv).unwrap();
    data.finish();
    assert_eq!(session.hear().code, 226);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(session.ask(&port(address)).code, 200);
    assert_eq!(session.ask("STOR /data/employees.csv").code, 150);
    let thief = Ftps::try_foreign_data(listener.accept().unwrap().0);
    let mut thief = thief.unwrap();
    drop(thief.try_send(b"something else"));
    thief.finish();
    assert_eq!(session.hear().code, 522);
    assert_eq!(session.fetch("RETR /data/employees.csv"), csv);
    daemon.wait_for_rest();
}

#[test]
fn ftplib_and_lftp_deliver_in_active_mode() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    let staff = Staff::of(7);
    let file = daemon.local_file("employees.csv", staff.csv());
    let active = json!({ "passive": false });
    for port in [Port::Explicit, Port::Implicit] {
        let results = sender.ftplib_with(
            port,
            &active,
            &json!([
                ["stor", "/data/employees.csv.tmp", file],
                ["retr", "/data/employees.csv.tmp"],
                ["nlst", "/data"],
            ]),
        );
        let reply = results[1]["reply"].as_str().unwrap_or("");
        assert!(reply.starts_with("226 "), "{results:?}");
        assert_eq!(results[2]["size"], staff.csv().len());
        let listed = results[3]["lines"].as_array().unwrap();
        assert!(
            listed.contains(&json!("/data/employees.csv.tmp")),
            "{listed:?}"
        );

        let back = daemon.folder().join("back.csv");
        let commands = format!(
            "set ftp:passive-mode off\nput -O /data {} -o employees.csv\ncls /data\nget /data/employees.csv -o {}",
            file.display(),
            back.display()
        );
        let listed = sender.lftp(port, &commands).succeeded();
        assert!(listed.text().contains("employees.csv"), "{listed:?}");
        assert_eq!(std::fs::read(&back).unwrap(), staff.csv());
        std::fs::remove_file(back).unwrap();
    }
    daemon.wait_for_rest();
    assert_eq!(daemon.roster("acme"), staff);
}
