//! Data connections that are not what they should be: another's, stolen, junk, stalled, reset.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::harness::settings::Settings;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Daemon, Port};
use crate::wire::ftps::Ftps;

const FILE: &str = "/data/employees.csv.tmp";

fn daemon(reuse: &str) -> Daemon {
    let line = format!("tls_session_reuse = \"{reuse}\"");
    let settings = Settings::default().set("ftps", &line);
    let settings = settings.limit("data_connect = \"2s\"");
    Daemon::start_with([Tenant::named("acme"), Tenant::named("globex")], settings)
}

fn log_in(daemon: &Daemon, tenant: &str) -> Ftps {
    let user = format!("hr@{tenant}.example");
    Ftps::log_in(daemon, Port::Explicit, &user, PASSWORD)
}

#[test]
fn a_connection_with_another_logins_session_is_closed_and_the_right_one_is_served() {
    for reuse in ["prefer", "require"] {
        let daemon = daemon(reuse);
        let [mut ours, mut theirs] = ["acme", "globex"].map(|tenant| log_in(&daemon, tenant));
        assert_eq!(ours.store(FILE, b"of acme").code, 226);

        for command in [format!("RETR {FILE}"), format!("STOR {FILE}")] {
            let address = ours.try_passive_address().unwrap();
            assert_eq!(ours.ask(&command).code, 150);
            let mut stray = theirs.open(address).unwrap();
            drop(stray.try_send(b"of globex"));
            assert_eq!(stray.hear_out(), b"", "{reuse}: {command}");
            let mut right = ours.open(address).unwrap();
            if command.starts_with("RETR") {
                assert_eq!(right.hear_out(), b"of acme");
            } else {
                right.send(b"of acme again");
            }
            right.finish();
            assert_eq!(ours.hear().code, 226, "{reuse}: {command}");
        }
        assert_eq!(ours.fetch(&format!("RETR {FILE}")), b"of acme again");
        assert_eq!(daemon.lines_with("belongs to another session"), 2);
        assert_eq!(theirs.ask("NOOP").code, 200);
    }
}

#[test]
fn in_require_a_connection_without_the_session_gets_nothing_not_even_a_ticket_to_come_back_with() {
    let daemon = daemon("require");
    let mut session = log_in(&daemon, "acme");
    assert_eq!(session.store(FILE, b"of acme").code, 226);
    for command in [
        format!("RETR {FILE}"),
        "NLST /".to_owned(),
        format!("STOR {FILE}"),
    ] {
        for _ in 0..3 {
            let address = session.try_passive_address().unwrap();
            assert_eq!(session.ask(&command).code, 150);
            // It has the tickets that it was given the times before.
            let mut thief = session.open_afresh(address).unwrap();
            let begun = Instant::now();
            if command.starts_with("STOR") {
                drop(thief.try_send(b"of a thief"));
                thief.finish();
            } else {
                assert_eq!(thief.hear_out(), b"");
                thief.finish();
            }
            assert_eq!(session.hear().code, 522, "{command}");
            // Neither waits for the other to end it.
            assert!(begun.elapsed() < Duration::from_secs(8), "{command}");
        }
    }
    assert_eq!(session.fetch(&format!("RETR {FILE}")), b"of acme");
}

#[test]
fn a_connection_that_strays_gets_no_ticket_of_the_session_it_has_strayed_to() {
    let daemon = daemon("require");
    let [mut ours, theirs] = ["acme", "globex"].map(|tenant| log_in(&daemon, tenant));
    let mut strayed = 0;
    // More often than it has tickets of its own: those it is given here would be the next.
    for _ in 0..12 {
        let address = ours.try_passive_address().unwrap();
        assert_eq!(ours.ask("NLST /").code, 150);
        let mut stray = theirs.open(address).unwrap();
        assert_eq!(stray.hear_out(), b"");
        stray.finish();
        // Closed as strayed, it leaves the port to the right one; come without any ticket, it takes it away.
        if let Ok(mut right) = ours.open(address) {
            right.hear_out();
            right.finish();
        }
        match ours.hear().code {
            226 => strayed += 1,
            code => assert_eq!(code, 522),
        }
    }
    assert!((1..12).contains(&strayed), "{strayed}");
}

#[test]
fn junk_instead_of_tls_is_425_and_leaves_no_file() {
    let daemon = daemon("prefer");
    let mut session = log_in(&daemon, "acme");
    for junk in [
        &b"Employee ID,First Name\r\n1,Ada\r\n"[..],
        &[0; 4096],
        b"\x16\x03\x01\xff\xff",
    ] {
        let mut socket = session.try_passive().unwrap();
        assert_eq!(session.ask("STOR /data/employees.csv").code, 150);
        drop(socket.write_all(junk));
        drop(socket.shutdown(std::net::Shutdown::Write));
        assert_eq!(session.hear().code, 425);
        assert_eq!(session.ask("NOOP").code, 200);
    }
    daemon.wait_for_empty_staging();
    assert_eq!(session.names("/data"), [] as [&str; 0]);
    assert_eq!(session.store(FILE, b"whole").code, 226);
}

#[test]
fn a_handshake_that_stalls_is_425_in_time_and_holds_nobody_up() {
    let daemon = daemon("prefer");
    let [mut stalled, mut other] = ["acme", "globex"].map(|tenant| log_in(&daemon, tenant));
    let mut socket: TcpStream = stalled.try_passive().unwrap();
    // The beginning of a ClientHello.
    socket.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    let begun = Instant::now();
    assert_eq!(stalled.ask(&format!("STOR {FILE}")).code, 150);
    assert_eq!(other.store(FILE, b"whole").code, 226);
    assert!(begun.elapsed() < Duration::from_secs(2), "it was held up");
    assert_eq!(stalled.hear().code, 425);
    assert!(begun.elapsed() < Duration::from_secs(20));
    drop(socket.read_to_end(&mut Vec::new()));
    assert_eq!(stalled.store(FILE, b"whole").code, 226);
}

#[test]
fn a_reset_after_close_notify_does_not_undo_an_upload_8_of_8() {
    for reuse in ["off", "prefer", "require"] {
        let daemon = daemon(reuse);
        let mut session = log_in(&daemon, "acme");
        let bytes = vec![b'x'; 1_000_000];
        for at in 0..8 {
            if at == 4 {
                // Its tickets would come to an end.
                session = log_in(&daemon, "acme");
            }
            let mut data = session.transfer(&format!("STOR {FILE}"));
            data.try_send(&bytes).unwrap();
            data.finish_and_reset();
            assert_eq!(session.hear().code, 226, "{reuse}: file {at}");
        }
        assert_eq!(session.fetch(&format!("RETR {FILE}")).len(), bytes.len());
    }
}

#[test]
fn a_sender_that_closes_without_reading_finds_no_ticket_unread_8_of_8() {
    for reuse in ["off", "prefer"] {
        let daemon = daemon(reuse);
        let mut session = log_in(&daemon, "acme");
        let bytes = vec![b'x'; 1_000_000];
        for at in 0..8 {
            let mut data = session.transfer(&format!("STOR {FILE}"));
            data.try_send(&bytes).unwrap();
            data.finish();
            assert_eq!(session.hear().code, 226, "{reuse}: file {at}");
        }
    }
}

#[test]
fn in_require_a_sender_that_leaves_tickets_unread_loses_one_upload_at_most() {
    let daemon = daemon("require");
    let bytes = vec![b'x'; 1_000_000];
    let mut lost = 0;
    // A session has tickets for eight: each one needs a new one otherwise.
    for _ in 0..2 {
        let mut session = log_in(&daemon, "acme");
        for _ in 0..7 {
            let mut data = session.transfer(&format!("STOR {FILE}"));
            drop(data.try_send(&bytes));
            data.finish();
            lost += usize::from(session.hear().code != 226);
        }
    }
    assert!(lost <= 1, "{lost} uploads were lost");
}
