//! What attackers, scanners and broken clients send. In each case nothing of theirs reaches the log, nobody else notices, and memory stays bounded.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use bytes::{Buf as _, BufMut as _, Bytes};

use crate::harness::sender::Key;
use crate::harness::settings::Settings;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Daemon, Port, Reply, wait_until};
use crate::wire::sftp::{Sftp, string, take_string};
use crate::wire::ssh::{
    Ssh, channel_request, dial, kexinit, login_request, msg, password_request, request_service,
};

const USER: &str = "hr@acme.example";
/// In whatever a peer sends, so that it can be looked for in the log.
const MARK: &str = "zqx7Mark";

fn start(limits: &str) -> Daemon {
    Daemon::start_with([Tenant::named("acme")], limits)
}

/// An upload and a listing by somebody else.
#[track_caller]
fn others_go_on(daemon: &Daemon) {
    let mut session = Sftp::log_in(daemon, USER, PASSWORD);
    let stored = session.try_store("/images/a.jpg", b"photo").unwrap();
    assert!(stored.is_ok(), "{stored:?}");
}

/// Waits for one more line with these words than there were.
#[track_caller]
fn one_line(daemon: &Daemon, before: usize, words: &str) {
    let lines = || {
        let events = daemon.events_since(before);
        let told = |event: &&serde_json::Value| event["message"].to_string().contains(words);
        events.iter().filter(told).count()
    };
    wait_until(words, || lines() > 0);
    assert_eq!(lines(), 1, "{words}");
}

#[track_caller]
fn read_to_end(stream: &mut TcpStream) {
    // RST is an end too.
    drop(stream.read_to_end(&mut Vec::new()));
}

#[test]
fn what_is_no_ssh_client_is_sent_away_with_one_line_and_none_of_its_bytes() {
    let daemon = start("login_deadline = \"2s\"");
    let long = format!("SSH-2.0-{MARK}{}\r\n", "x".repeat(64 * 1024));
    let lines = format!("{MARK}\r\n").repeat(1000);
    for (what, bytes) in [
        (
            "HTTP",
            format!("GET /{MARK} HTTP/1.1\r\nHost: {MARK}\r\n\r\n").as_bytes(),
        ),
        ("a version line of 64 KB", long.as_bytes()),
        ("a line of 64 KB without an end", &long.as_bytes()[..60_000]),
        ("many lines before the version", lines.as_bytes()),
        ("SSH 1", format!("SSH-1.5-{MARK}\r\n").as_bytes()),
        (
            "TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03zqx7Mark\r\n\n\n",
        ),
        ("NULs", &[b'\n'; 4096]),
        ("no text", b"SSH-2.0-\xff\xfezqx7Mark\r\n"),
    ] {
        let before = daemon.logged();
        let mut stream = dial(&daemon);
        // It may be gone before it has read it all.
        drop(stream.write_all(bytes));
        read_to_end(&mut stream);
        one_line(&daemon, before, "not the version line of an SSH 2 client");
        assert_eq!(daemon.logged(), before + 1, "{what}");
    }
    // A scanner that looks whether the port is open is not worth a line, and who says nothing is sent away by the deadline.
    let before = daemon.logged();
    for _ in 0..20 {
        drop(dial(&daemon));
    }
    let mut half_closed = dial(&daemon);
    half_closed.shutdown(Shutdown::Write).unwrap();
    read_to_end(&mut half_closed);
    assert_eq!(daemon.logged(), before);
    let mut silent = dial(&daemon);
    read_to_end(&mut silent);
    one_line(&daemon, before, "no login in time");
    others_go_on(&daemon);
    assert_eq!(daemon.lines_with(MARK), 0);
}

#[test]
fn slow_strangers_shut_nobody_out() {
    let daemon = start("login_deadline = \"3s\"\nconnections_per_address = 100");
    let before = daemon.logged();
    let mut slow: Vec<TcpStream> = (0..60).map(|_| dial(&daemon)).collect();
    for (at, stream) in slow.iter_mut().enumerate() {
        // Each has come as far as it likes: a part of its version, of its KEXINIT, of nothing.
        let whole = [b"SSH-2.0-slow\r\n", &kexinit("none")[..]].concat();
        stream.write_all(&whole[..at.min(whole.len())]).unwrap();
    }
    others_go_on(&daemon);
    for stream in &mut slow {
        read_to_end(stream);
    }
    let told = |words| {
        let events = daemon.events_since(before);
        let lines = events.iter().map(|event| event["message"].to_string());
        lines.filter(|line| line.contains(words)).count()
    };
    let lines = told("no login in time") + told("is ended");
    assert!((1..60).contains(&lines), "{lines} lines about a flood");
}

#[test]
fn one_byte_now_and_then_is_no_sign_of_life() {
    let daemon = start("login_deadline = \"2s\"\nidle = \"2s\"");
    let before = daemon.logged();
    let mut stranger = dial(&daemon);
    wait_until("the end of a stranger who writes on", || {
        stranger.write_all(b"S").is_err()
    });
    one_line(&daemon, before, "no login in time");

    // Nor within a packet that never ends.
    let mut ssh = Ssh::log_in(&daemon, USER, PASSWORD);
    ssh.open_sftp(0, 1 << 20);
    ssh.try_say_raw(&200_000u32.to_be_bytes()).unwrap();
    wait_until("the end of the session", || ssh.try_say_raw(b"x").is_err());
    others_go_on(&daemon);
}

#[test]
fn terrapin_a_packet_put_into_the_key_exchange_ends_it() {
    let daemon = start("");
    let mut ssh = Ssh::greet(&daemon);
    let names = ssh.server_kex_names();
    assert!(names.contains("kex-strict-s-v00@openssh.com"), "{names}");
    let before = daemon.logged();
    let ignore = [&[msg::IGNORE][..], &string(MARK.as_bytes())].concat();
    assert!(ssh.try_exchange_keys(&[&ignore]).is_err());
    one_line(&daemon, before, "a packet out of order in the key exchange");

    // Afterwards sequence numbers begin anew, and a stray IGNORE is nothing special.
    let mut ssh = Ssh::begin(&daemon);
    ssh.say(&ignore);
    assert_eq!(
        ssh.ask(&password_request(USER, PASSWORD)),
        [msg::USERAUTH_SUCCESS]
    );
    assert_eq!(daemon.lines_with(MARK), 0);
}

#[test]
fn compression_is_never_agreed_on() {
    let daemon = start("");
    for compression in ["zlib", "zlib@openssh.com", "zlib,zlib@openssh.com"] {
        let before = daemon.logged();
        let mut ssh = Ssh::greet(&daemon);
        ssh.say(&kexinit(compression));
        ssh.wait_for_end();
        one_line(&daemon, before, "offers no algorithm that is accepted here");
    }
    let sender = daemon.sender("acme");
    let mut sftp = sender.ssh_tool("sftp");
    Reply::to(sftp.args(["-C", "127.0.0.1"])).succeeded();
}

/// Lengths that lie, in a key.
fn malformed_keys() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let ed25519 = |bytes: &[u8]| [string(b"ssh-ed25519"), string(bytes)].concat();
    let rsa = |e: &[u8], n: &[u8]| [string(b"ssh-rsa"), string(e), string(n)].concat();
    let curve = |point: &[u8]| {
        let name = string(b"ecdsa-sha2-nistp256");
        [name, string(b"nistp256"), string(point)].concat()
    };
    let mut nested = string(b"ssh-ed25519-cert-v01@openssh.com");
    for _ in 0..2000 {
        nested = [string(b"ssh-ed25519-cert-v01@openssh.com"), string(&nested)].concat();
    }
    vec![
        ("nothing", "ssh-ed25519", Vec::new()),
        ("a length beyond the end", "ssh-ed25519", vec![0xff; 8]),
        ("31 bytes", "ssh-ed25519", ed25519(&[7; 31])),
        ("a point of low order", "ssh-ed25519", ed25519(&[0; 32])),
        ("another kind inside", "rsa-sha2-256", ed25519(&[7; 32])),
        ("RSA of nothing", "rsa-sha2-256", rsa(b"", b"")),
        ("RSA modulo 0", "rsa-sha2-512", rsa(&[3], &[0])),
        ("RSA modulo 1", "rsa-sha2-512", rsa(&[3], &[1])),
        (
            "RSA of 200,000 bits",
            "rsa-sha2-512",
            rsa(&[3], &[0x7f; 25_000]),
        ),
        (
            "RSA with a huge exponent",
            "rsa-sha2-512",
            rsa(&[0x7f; 25_000], &[0x7f; 256]),
        ),
        ("a point at infinity", "ecdsa-sha2-nistp256", curve(&[0])),
        (
            "a point off the curve",
            "ecdsa-sha2-nistp256",
            curve(&[4; 65]),
        ),
        (
            "certificates in certificates",
            "ssh-ed25519-cert-v01@openssh.com",
            nested,
        ),
        ("DSA", "ssh-dss", string(b"ssh-dss")),
        ("no such kind", MARK, string(MARK.as_bytes())),
        ("a kind without a name", "", string(b"")),
    ]
}

#[test]
fn malformed_keys_and_signatures_end_at_most_their_own_connection() {
    let daemon = start("");
    for (what, kind, blob) in malformed_keys() {
        for signature in [None, Some(&b""[..]), Some(&[0xff; 70])] {
            let mut ssh = Ssh::begin(&daemon);
            let mut fields = vec![u8::from(signature.is_some())];
            fields.extend(string(kind.as_bytes()));
            fields.extend(string(&blob));
            fields.extend(signature.map(string).unwrap_or_default());
            ssh.say(&login_request(USER, "publickey", &fields));
            if let Ok(answer) = ssh.try_hear() {
                assert_eq!(answer[0], msg::USERAUTH_FAILURE, "{what}");
            }
        }
    }
    others_go_on(&daemon);
    assert_eq!(daemon.lines_with(MARK), 0);
    let most = daemon.most_memory_bytes();
    assert!(most < 200_000_000, "{most}");
}

#[test]
fn malformed_packets_of_every_kind_end_at_most_their_own_connection() {
    let daemon = start("");
    let junk = [MARK.as_bytes(), &[0xff; 12], &[0; 40]].concat();
    // Asked in between: it is answered, or the connection is over.
    let question = [&[msg::GLOBAL_REQUEST][..], &string(b"anyone?"), &[1]].concat();
    let mut over = 0;
    for number in (0..=110).chain([127, 128, 191, 192, 255]) {
        for body in [&b""[..], &[0xff; 4], &[0xff; 64], &[0; 64], &junk] {
            let packet = [&[number], body].concat();
            let mut ssh = Ssh::begin(&daemon);
            ssh.say(&packet);
            drop(ssh.try_say(&request_service()));
        }
        let mut ssh = Ssh::log_in(&daemon, USER, PASSWORD);
        for body in [&b""[..], &[0xff; 4], &[0xff; 64], &[0; 64], &junk] {
            // Ended by the last one, as it may be.
            if ssh.try_say(&[&[number], body].concat()).is_err() || ssh.try_say(&question).is_err()
            {
                over += 1;
                break;
            }
            let answered = loop {
                match ssh.try_hear() {
                    Ok(answer) if answer == [msg::REQUEST_FAILURE] => break true,
                    Ok(_) => {}
                    Err(_) => break false,
                }
            };
            if !answered {
                over += 1;
                break;
            }
        }
    }
    assert!(over > 10, "{over} connections were ended");
    others_go_on(&daemon);
    assert_eq!(daemon.lines_with(MARK), 0);
    let most = daemon.most_memory_bytes();
    assert!(most < 200_000_000, "{most}");
}

#[test]
fn packets_that_say_they_are_huge_end_the_connection_with_one_line() {
    let daemon = start("");
    for length in [u32::MAX, 1 << 30, 300 * 1024 + 4, 0, 1, 7] {
        let before = daemon.logged();
        let mut ssh = Ssh::begin(&daemon);
        let head = [&length.to_be_bytes()[..], &[0x55; 64]].concat();
        ssh.try_say_raw(&head).unwrap();
        ssh.wait_for_end();
        one_line(&daemon, before, "an SSH connection is ended: ");
    }
    // In clear too, where nothing protects them.
    for length in [u32::MAX, 300 * 1024 + 4] {
        let before = daemon.logged();
        let mut ssh = Ssh::greet(&daemon);
        ssh.try_say_raw(&length.to_be_bytes()).unwrap();
        ssh.wait_for_end();
        one_line(
            &daemon,
            before,
            "an SSH connection is ended: a packet of a size",
        );
    }
    // Changed on its way.
    let before = daemon.logged();
    let mut ssh = Ssh::begin(&daemon);
    ssh.try_say_raw(&[&32u32.to_be_bytes()[..], &[0x55; 48]].concat())
        .unwrap();
    ssh.wait_for_end();
    one_line(&daemon, before, "an SSH connection is ended: ");
    others_go_on(&daemon);
}

/// A request of SFTP.
fn request(kind: u8, id: u32, fields: &[u8]) -> Vec<u8> {
    string(&[&[kind][..], &id.to_be_bytes(), fields].concat())
}

#[test]
fn sftp_requests_that_are_unknown_malformed_or_oversized_are_answered_or_end_the_channel() {
    const WINDOW: u32 = 1 << 20;
    let daemon = start("");
    let mut ssh = Ssh::log_in(&daemon, USER, PASSWORD);
    let channel = ssh.open_sftp(1, WINDOW);
    let mut ask = |kind, id, fields: &[u8]| {
        ssh.say_on_channel(channel, &request(kind, id, fields));
        let (_, mut answer) = ssh.hear_on_channel();
        answer.advance(4);
        assert_eq!(answer.get_u8(), 101);
        assert_eq!(answer.get_u32(), id, "its own id");
        answer.get_u32()
    };
    for (id, kind) in [0, 2, 19, 20, 21, 101, 102, 199, 201, 255]
        .into_iter()
        .zip(7..)
    {
        assert_eq!(ask(id, kind, b""), 8, "kind {id}");
    }
    assert_eq!(ask(200, u32::MAX, &string(MARK.as_bytes())), 8);
    for kind in 3..=18 {
        for fields in [&b""[..], &[0xff; 4], &[0, 0, 0, 9, 1]] {
            assert_eq!(ask(kind, 4711, fields), 5, "kind {kind}");
        }
    }
    for (what, bytes) in [
        (
            "a packet longer than the limit",
            (256 * 1024 + 1u32).to_be_bytes().to_vec(),
        ),
        ("a packet longer than the limit", [0xff; 4].to_vec()),
        ("a packet too short", 0u32.to_be_bytes().to_vec()),
        ("a packet too short", string(&[17, 0, 0])),
    ] {
        let before = daemon.logged();
        let channel = ssh.open_sftp(2, WINDOW);
        ssh.say_on_channel(channel, &bytes);
        while ssh.hear()[0] != msg::CHANNEL_CLOSE {}
        one_line(
            &daemon,
            before,
            &format!("an SFTP channel is ended: {what}"),
        );
        let mut close = vec![msg::CHANNEL_CLOSE];
        close.put_u32(channel);
        ssh.say(&close);
    }
    let before = daemon.logged();
    let channel = ssh.open_channel(3, WINDOW);
    assert_eq!(
        ssh.ask_on_channel(channel, "subsystem", &string(b"sftp")),
        msg::CHANNEL_SUCCESS
    );
    ssh.say_on_channel(channel, &request(17, 1, &string(b"/")));
    while ssh.hear()[0] != msg::CHANNEL_CLOSE {}
    one_line(
        &daemon,
        before,
        "an SFTP channel is ended: a request before SSH_FXP_INIT",
    );
    others_go_on(&daemon);
    assert_eq!(daemon.lines_with(MARK), 0);
}

#[test]
fn a_connection_has_four_channels_at_most_and_one_that_is_closed_makes_room() {
    let daemon = start("");
    let before = daemon.logged();
    let mut ssh = Ssh::log_in(&daemon, USER, PASSWORD);
    let channels: Vec<u32> = (0..4).map(|at| ssh.open_sftp(at, 1 << 20)).collect();
    for number in 4..50 {
        let refused = ssh.ask_for_channel("session", number, 1 << 20);
        assert_eq!(refused[0], msg::CHANNEL_OPEN_FAILURE);
    }
    one_line(&daemon, before, "more than 4 channels");
    let mut close = vec![msg::CHANNEL_CLOSE];
    close.put_u32(channels[1]);
    assert_eq!(ssh.ask(&close)[0], msg::CHANNEL_CLOSE);
    let again = ssh.open_sftp(9, 1 << 20);
    // Each has its own handles.
    let mut answers = [channels[0], again].map(|channel| {
        ssh.say_on_channel(channel, &request(11, 5, &string(b"/")));
        ssh.hear_on_channel().1
    });
    let handles = answers.each_mut().map(|answer| {
        answer.advance(4 + 1 + 4);
        take_string(answer)
    });
    for (channel, handle) in [channels[0], again].into_iter().zip(&handles) {
        for code in [0, 4] {
            ssh.say_on_channel(channel, &request(4, 6, &string(handle)));
            let (_, mut answer) = ssh.hear_on_channel();
            answer.advance(4 + 1 + 4);
            assert_eq!(answer.get_u32(), code);
        }
    }
}

#[test]
fn there_is_no_program_terminal_or_forwarding_to_be_had() {
    let daemon = start("");
    let before = daemon.logged();
    let mut ssh = Ssh::log_in(&daemon, USER, PASSWORD);
    let channel = ssh.open_channel(0, 1 << 20);
    let word = string(MARK.as_bytes());
    let terminal = [&word[..], &[0; 16], &string(&[0])].concat();
    let x11 = [&[0][..], &word, &word, &[0; 4]].concat();
    for (request, fields) in [
        ("pty-req", &terminal[..]),
        ("x11-req", &x11),
        ("env", &[&word[..], &word].concat()),
        ("auth-agent-req@openssh.com", b""),
        ("subsystem", &word),
        (MARK, b""),
    ] {
        let refused = ssh.ask_on_channel(channel, request, fields);
        assert_eq!(refused, msg::CHANNEL_FAILURE, "{request}");
    }
    for request in ["tcpip-forward", "streamlocal-forward@openssh.com", MARK] {
        let mut packet = vec![msg::GLOBAL_REQUEST];
        packet.extend(string(request.as_bytes()));
        packet.push(1);
        packet.extend(string(b"127.0.0.1"));
        if request == "tcpip-forward" {
            packet.put_u32(0);
        }
        assert_eq!(ssh.ask(&packet)[0], msg::REQUEST_FAILURE, "{request}");
    }
    let place = [string(b"127.0.0.1"), vec![0, 0, 0, 22]].concat();
    for ((kind, fields), number) in [
        ("direct-tcpip", [&place[..], &place].concat()),
        ("forwarded-tcpip", [&place[..], &place].concat()),
        (
            "direct-streamlocal@openssh.com",
            [&word[..], &place].concat(),
        ),
        ("x11", place.clone()),
        ("auth-agent@openssh.com", Vec::new()),
        ("tun@openssh.com", vec![0; 8]),
        (MARK, Vec::new()),
        ("direct-tcpip", [&place[..], &place].concat()),
    ]
    .into_iter()
    .zip(70..)
    {
        let mut open = vec![msg::CHANNEL_OPEN];
        open.extend(string(kind.as_bytes()));
        for value in [number, 1 << 20, 1 << 15] {
            open.put_u32(value);
        }
        open.extend(fields);
        ssh.say(&open);
        // The SSH library refuses some kinds twice.
        loop {
            let mut refused = Bytes::from(ssh.hear());
            assert_eq!(refused.get_u8(), msg::CHANNEL_OPEN_FAILURE, "{kind}");
            if refused.get_u32() == number {
                break;
            }
        }
    }
    for request in ["shell", "exec", "exec"] {
        let channel = ssh.open_channel(1, 1 << 20);
        let fields = if request == "exec" { &word[..] } else { b"" };
        ssh.say(&channel_request(channel, request, fields));
        while ssh.hear()[0] != msg::CHANNEL_CLOSE {}
        let mut close = vec![msg::CHANNEL_CLOSE];
        close.put_u32(channel);
        ssh.say(&close);
    }
    one_line(&daemon, before, "the client wants a shell or a program");
    one_line(&daemon, before, "the client wants to forward");
    assert_eq!(daemon.lines_with(MARK), 0);
    // SFTP is still to be had on the channel that was refused everything.
    assert_eq!(
        ssh.ask_on_channel(channel, "subsystem", &string(b"sftp")),
        msg::CHANNEL_SUCCESS
    );

    let file = daemon.local_file("employees.csv", b"x");
    let mut scp = daemon.sender("acme").ssh_tool("scp");
    Reply::to(scp.arg("-O").arg(file).arg("127.0.0.1:/data/"))
        .refused("This server takes files over SFTP only: use sftp, or scp without -O.");
}

#[test]
fn a_client_that_asks_and_never_reads_is_ended_and_takes_no_memory() {
    let daemon = start("stall = \"4s\"\nidle = \"4s\"");
    let mut session = Sftp::log_in(&daemon, USER, PASSWORD);
    let big = vec![b'x'; 1 << 20];
    assert!(session.try_store("/data/big.part", &big).unwrap().is_ok());
    let before = daemon.most_memory_bytes();

    // With a window, and without one: the answers wait in the socket, or with us.
    for window in [u32::MAX, 0] {
        let lines = daemon.logged();
        let mut ssh = Ssh::log_in(&daemon, USER, PASSWORD);
        let channel = if window == 0 {
            let channel = ssh.open_channel(0, 0);
            ssh.ask_on_channel(channel, "subsystem", &string(b"sftp"));
            ssh.say_on_channel(channel, &string(&[1, 0, 0, 0, 3]));
            channel
        } else {
            ssh.open_sftp(0, window)
        };
        let open = [&string(b"/data/big.part")[..], &[0, 0, 0, 1], &[0; 4]].concat();
        ssh.say_on_channel(channel, &request(3, 1, &open));
        let handle = string(&[0, 0, 0, 1]);
        let read = [&handle[..], &[0; 8], &(255u32 << 10).to_be_bytes()].concat();
        let list = request(16, 3, &string(b"/images"));
        let asked = (0..60_000u32).try_for_each(|at| {
            let packet = if at % 2 == 0 {
                request(5, at, &read)
            } else {
                list.clone()
            };
            ssh.try_say_on_channel(channel, &packet)
        });
        if asked.is_ok() {
            ssh.wait_for_end();
        }
        wait_until("a line about it", || {
            daemon.events_since(lines).iter().any(|event| {
                let message = event["message"].to_string();
                message.contains("an SSH connection is ended: the client")
            })
        });
    }
    others_go_on(&daemon);
    let most = daemon.most_memory_bytes() - before;
    assert!(most < 60_000_000, "{most}");
}

#[test]
fn many_sessions_with_all_they_may_have_open_take_little_memory() {
    let settings = Settings::default()
        .limit("connections_per_address = 200")
        .limit("sessions_per_login = 200");
    let key = Key::of_all();
    let daemon = Daemon::start_with(
        [Tenant::named("acme").authorized_key(&key.public)],
        settings,
    );
    others_go_on(&daemon);
    let before = daemon.most_memory_bytes();
    let mut sessions: Vec<Ssh> = (0..30)
        .map(|_| Ssh::log_in(&daemon, USER, PASSWORD))
        .collect();
    for ssh in &mut sessions {
        for number in 0..4 {
            let channel = ssh.open_sftp(number, 1 << 20);
            for id in 0..16 {
                let open = [&string(b"/images/a.jpg")[..], &[0, 0, 0, 1], &[0; 4]].concat();
                ssh.say_on_channel(channel, &request(3, id, &open));
                let (_, answer) = ssh.hear_on_channel();
                assert_eq!(answer[4], 102);
            }
            // One more than a connection may have.
            if number == 3 {
                let open = [&string(b"/images/a.jpg")[..], &[0, 0, 0, 1], &[0; 4]].concat();
                ssh.say_on_channel(channel, &request(3, 99, &open));
                let mut answer = Bytes::from(ssh.hear_on_channel().1.to_vec());
                answer.advance(4 + 1 + 4);
                assert_eq!(answer.get_u32(), 4);
            }
        }
    }
    let most = daemon.most_memory_bytes() - before;
    assert!(most < 100_000_000, "{most}");
    assert_eq!(
        daemon.metric("rosterd_sessions_active", &[("protocol", "sftp")]),
        Some(30.0)
    );
    drop(sessions);
    wait_until("their end", || {
        daemon.metric("rosterd_sessions_active", &[("protocol", "sftp")]) == Some(0.0)
    });
    assert!(daemon.address(Port::Sftp).port() > 0);
}
