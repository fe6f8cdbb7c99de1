//! FTPS transfers byte for byte: what may be said while they run, what ends them, and that a broken one leaves nothing behind.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::harness::staff::Staff;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Daemon, Port, photo, wait_until};
use crate::wire::ftps::Ftps;

const USER: &str = "hr@acme.example";

fn log_in(daemon: &Daemon) -> Ftps {
    Ftps::log_in(daemon, Port::Explicit, USER, PASSWORD)
}

/// What STAT says has moved.
#[track_caller]
fn moved(session: &mut Ftps) -> u64 {
    let reply = session.ask("STAT");
    assert_eq!(reply.code, 211, "{reply:?}");
    let words = reply.text.strip_suffix(" bytes so far\r\n").unwrap();
    words.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn stat_and_noop_are_answered_at_once_while_bytes_move() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    let bytes = photo::bmp_of(8_000_000);
    let mut upload = session.transfer("STOR /images/face.bmp");
    assert_eq!(moved(&mut session), 0);
    upload.send(&bytes[..300_000]);
    wait_until("STAT to tell of them", || moved(&mut session) == 300_000);
    assert_eq!(session.ask("NOOP").code, 200);
    upload.try_send(&bytes[300_000..]).unwrap();
    upload.finish();
    assert_eq!(session.hear().code, 226);

    let download = session.transfer("RETR /images/face.bmp");
    wait_until("STAT to tell of them", || moved(&mut session) > 0);
    let sent = moved(&mut session);
    assert!(sent < 8_000_000, "{sent}");
    assert_eq!(session.ask("NOOP").code, 200);
    assert!(download.receive() == bytes);
    assert_eq!(session.hear().code, 226);
    // And afterwards it is about the session again.
    assert!(session.ask("STAT").text.contains("Logged in"));
    daemon.wait_for_rest();
}

#[test]
fn abor_ends_the_transfer_and_not_the_session_however_it_is_sent() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    let yesterday = photo::bmp_of(4_000_000);
    assert_eq!(session.store("/images/face.bmp", &yesterday).code, 226);
    let aborts: [fn(&mut Ftps); 4] = [
        |session| session.say("ABOR"),
        |session| session.send(b"\xff\xf4\xff\xf2ABOR\r\n"),
        |session| {
            session.send(b"\xff\xf4");
            session.send_urgently(b"\xff\xf2");
            session.send(b"ABOR\r\n");
        },
        |session| session.send_urgently(b"\xf2ABOR\r\n"),
    ];
    for (way, abort) in aborts.into_iter().enumerate() {
        let mut upload = session.transfer("STOR /images/face.bmp");
        upload.send(&photo::bmp_of(300_000)[..200_000]);
        abort(&mut session);
        assert_eq!(session.hear().code, 426, "{way}");
        assert_eq!(session.hear().code, 226, "{way}");
        daemon.wait_for_empty_staging();

        let download = session.transfer("RETR /images/face.bmp");
        abort(&mut session);
        assert_eq!(session.hear().code, 426, "{way}");
        assert_eq!(session.hear().code, 226, "{way}");
        drop(download);

        assert_eq!(session.ask("PWD").code, 257, "{way}");
        assert!(session.fetch("RETR /images/face.bmp") == yesterday, "{way}");
    }
    assert_eq!(session.ask("ABOR").code, 226);
    daemon.wait_for_rest();
}

#[test]
fn quit_and_other_commands_wait_for_the_transfer_that_runs() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    for port in [Port::Explicit, Port::Implicit] {
        let mut session = Ftps::log_in(&daemon, port, USER, PASSWORD);
        let face = photo::bmp(1);
        let mut upload = session.transfer("STOR /images/face.bmp");
        upload.send(&face[..100]);
        session.say("PWD");
        session.say("QUIT");
        upload.try_send(&face[100..]).unwrap();
        upload.finish();
        assert_eq!(session.hear().code, 226);
        assert_eq!(session.hear().code, 257);
        assert_eq!(session.hear().code, 221);
        session.was_closed();
        let mut session = log_in(&daemon);
        assert_eq!(session.fetch("RETR /images/face.bmp"), face);
    }
    daemon.wait_for_rest();
}

#[test]
fn a_transfer_is_not_idle_and_a_session_without_one_is() {
    let daemon = Daemon::start_with([Tenant::named("acme")], "idle = \"1s\"\nstall = \"30s\"");
    let mut session = log_in(&daemon);
    let face = photo::bmp_of(100_000);
    let mut upload = session.transfer("STOR /images/face.bmp");
    let began = Instant::now();
    let mut bytes = face.chunks(100);
    wait_until("more than twice the idle time", || {
        upload.try_send(bytes.next().unwrap()).unwrap();
        began.elapsed() > Duration::from_millis(2500)
    });
    for chunk in bytes {
        upload.try_send(chunk).unwrap();
    }
    upload.finish();
    assert_eq!(session.hear().code, 226);
    assert_eq!(session.ask("PWD").code, 257);
    let reply = session.hear();
    assert_eq!(reply.code, 421, "{reply:?}");
    assert!(reply.text.contains("No command for too long"), "{reply:?}");
    session.was_closed();
    daemon.wait_for_rest();
}

#[test]
fn a_transfer_in_which_nothing_moves_is_stopped() {
    let daemon = Daemon::start_with([Tenant::named("acme")], "stall = \"1s\"");
    let mut session = log_in(&daemon);
    let face = photo::bmp_of(30_000_000);
    assert_eq!(session.store("/images/face.bmp", &face).code, 226);

    let mut upload = session.transfer("STOR /images/other.bmp");
    upload.send(b"BM");
    let reply = session.hear();
    assert_eq!(reply.code, 426, "{reply:?}");
    assert!(reply.text.contains("Nothing moved"), "{reply:?}");
    drop(upload);

    // Nobody reads it: more than the system keeps for a connection.
    let download = session.transfer("RETR /images/face.bmp");
    let reply = session.hear();
    assert_eq!(reply.code, 426, "{reply:?}");
    assert!(reply.text.contains("Nothing moved"), "{reply:?}");
    drop(download);
    assert_eq!(session.names("/images"), ["face.bmp"]);
    daemon.wait_for_rest();
}

#[test]
fn a_command_whose_data_connection_never_comes_gets_425_within_data_connect() {
    let daemon = Daemon::start_with([Tenant::named("acme")], "data_connect = \"1s\"");
    let mut session = log_in(&daemon);
    for command in ["STOR /data/employees.csv", "NLST", "LIST", "MLSD"] {
        assert_eq!(session.ask(command).code, 425, "{command} before EPSV");
        assert_eq!(session.ask("EPSV").code, 229);
        let before = Instant::now();
        assert_eq!(session.ask(command).code, 150);
        let reply = session.hear();
        assert_eq!(reply.code, 425, "{reply:?}");
        let took = before.elapsed();
        assert!(took < Duration::from_secs(20), "{command}: {took:?}");
    }
    // What comes and is not TLS leaves nothing behind either.
    let mut junk = session.try_passive().unwrap();
    assert_eq!(session.ask("STOR /data/employees.csv").code, 150);
    junk.write_all(b"Employee ID,Work Email\r\nE1,a@acme.example\r\n")
        .unwrap();
    assert_eq!(session.hear().code, 425);
    assert_eq!(session.names("/data"), [] as [String; 0]);
    daemon.wait_for_rest();
}

#[test]
fn an_offset_counts_for_one_transfer_even_if_that_one_fails() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    let csv = Staff::of(4).csv();
    let rest = |session: &mut Ftps| assert_eq!(session.ask("REST 7").code, 350);

    rest(&mut session);
    assert_eq!(session.store("/data/wrong.csv", &csv).code, 553);
    assert_eq!(session.store("/data/employees.csv", &csv).code, 226);
    assert_eq!(session.fetch("RETR /data/employees.csv"), csv);

    rest(&mut session);
    let refused = session.try_transfer("RETR /data/none.csv").unwrap();
    assert_eq!(refused.unwrap_err().code, 550);
    assert_eq!(session.fetch("RETR /data/employees.csv"), csv);

    rest(&mut session);
    let cut = session.transfer("RETR /data/employees.csv");
    cut.reset();
    drop(session.hear());
    assert_eq!(session.fetch("RETR /data/employees.csv"), csv);

    rest(&mut session);
    session.fetch("NLST /data");
    assert_eq!(session.fetch("RETR /data/employees.csv"), csv);

    // Where it succeeds it counts, and over a final name it does not.
    rest(&mut session);
    assert_eq!(session.fetch("RETR /data/employees.csv"), csv[7..]);
    assert_eq!(session.fetch("RETR /data/employees.csv"), csv);
    rest(&mut session);
    assert_eq!(session.ask("STOR /data/employees.csv").code, 425);
    rest(&mut session);
    assert_eq!(session.store("/data/employees.csv", &csv).code, 551);
    assert_eq!(session.store("/data/employees.csv", &csv).code, 226);
    daemon.wait_for_rest();
}

#[test]
fn a_part_goes_on_after_an_allo_of_the_whole_as_perl_says_it() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    let whole = Staff::of(40).csv();
    let (half, rest) = whole.split_at(500);
    let path = "/data/employees.csv.part";
    assert_eq!(session.store(path, half).code, 226);
    assert_eq!(session.ask(&format!("ALLO {}", whole.len())).code, 200);
    let mut data = session.transfer(&format!("APPE {path}"));
    data.send(rest);
    data.finish();
    assert_eq!(session.hear().code, 226);
    assert_eq!(session.fetch(&format!("RETR {path}")), whole);
}

#[test]
fn a_cut_replacement_leaves_yesterdays_file_byte_for_byte() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    let yesterday = Staff::of(40).csv();
    let today = Staff::of(44).csv();
    assert_eq!(session.store("/data/employees.csv", &yesterday).code, 226);
    for (way, code) in [
        ("FIN", 426),
        ("FIN within a record", 426),
        ("half-close", 426),
        ("RST", 426),
        ("ALLO of another size", 451),
    ] {
        if code == 451 {
            let announced = format!("ALLO {} R 512", today.len() + 1);
            assert_eq!(session.ask(&announced).code, 200);
        }
        let mut data = session.transfer("STOR /data/employees.csv");
        data.send(&today[..today.len() / 2]);
        match way {
            "FIN" => data.fin(),
            "FIN within a record" => data.fin_within_a_record(&today[today.len() / 2..]),
            "half-close" => {
                data.half_close();
                assert_eq!(session.hear().code, code, "{way}");
                session.say("NOOP");
            }
            "RST" => data.reset(),
            _ => {
                data.try_send(&today[today.len() / 2..]).unwrap();
                data.finish();
            }
        }
        let expected = if way == "half-close" { 200 } else { code };
        assert_eq!(session.hear().code, expected, "{way}");
        assert_eq!(session.fetch("RETR /data/employees.csv"), yesterday);
    }
    // What came before close_notify counts, whatever becomes of the connection then.
    let mut data = session.transfer("STOR /data/employees.csv");
    data.try_send(&today).unwrap();
    data.finish_and_reset();
    assert_eq!(session.hear().code, 226);
    assert_eq!(session.fetch("RETR /data/employees.csv"), today);
    daemon.wait_for_rest();
}

#[test]
fn what_is_still_coming_is_in_no_listing() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut sending = log_in(&daemon);
    let mut looking = log_in(&daemon);
    let csv = Staff::of(40).csv();
    let mut data = sending.transfer("STOR /data/employees.csv");
    data.send(&csv[..100]);
    wait_until("its file in staging", || !daemon.staged().is_empty());
    for command in ["NLST /data", "LIST /data", "MLSD /data", "NLST /data/*"] {
        assert_eq!(looking.fetch(command), b"", "{command}");
    }
    for command in ["SIZE", "MDTM", "MLST", "STAT", "HASH"] {
        let reply = looking.ask(&format!("{command} /data/employees.csv"));
        assert_eq!(reply.code, 550, "{command}: {reply:?}");
    }
    let roots = looking.names("/");
    assert_eq!(roots, ["data", "errors", "images", "reports"]);
    data.try_send(&csv[100..]).unwrap();
    data.finish();
    assert_eq!(sending.hear().code, 226);
    assert_eq!(looking.names("/data"), ["employees.csv"]);
    daemon.wait_for_rest();
}

#[test]
fn a_transfer_of_each_listener_is_finished_when_the_daemon_is_asked_to_end() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    let face = photo::bmp(1);
    let mut sessions: Vec<_> = [Port::Explicit, Port::Implicit]
        .into_iter()
        .map(|port| {
            let mut session = Ftps::log_in(&daemon, port, USER, PASSWORD);
            let mut data = session.transfer(&format!("STOR /images/{port:?}.bmp"));
            data.send(&face[..100]);
            (session, data)
        })
        .collect();
    daemon.ask_to_end();
    wait_until("closed listeners", || {
        Ftps::try_connect(Port::Explicit, daemon.address(Port::Explicit), None).is_err()
    });
    for (session, mut data) in sessions.drain(..) {
        let mut session = session;
        data.try_send(&face[100..]).unwrap();
        data.finish();
        assert_eq!(session.hear().code, 226);
        let goodbye = session.hear();
        assert_eq!(goodbye.code, 421, "{goodbye:?}");
        session.was_closed();
    }
    assert!(daemon.wait_for_end().success());
    let images = daemon.mailbox("acme").join("images");
    for name in ["Explicit.bmp", "Implicit.bmp"] {
        assert_eq!(std::fs::read(images.join(name)).unwrap(), face);
    }
    daemon.start_again();
}
