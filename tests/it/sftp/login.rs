//! Ways to log in, and what a stranger learns from being refused: nothing.

use std::process::Command;
use std::time::Instant;

use bytes::{Buf as _, BufMut as _, Bytes};

use crate::harness::sender::{Key, public_blob};
use crate::harness::tenant::{Login, PASSWORD, Tenant};
use crate::harness::{Daemon, Port, Reply, wait_until};
use crate::wire::sftp::{string, take_string};
use crate::wire::ssh::{Ssh, login_request, msg, password_request, request_service};

const USER: &str = "hr@acme.example";

/// A login that may come from elsewhere only, beside the ordinary one.
fn acme() -> Tenant {
    let away = Login::named("away@acme.example").only_from_elsewhere();
    Tenant::named("acme").login(away)
}

/// `USERAUTH_INFO_RESPONSE`.
fn answers(count: u32, answers: &[&[u8]]) -> Vec<u8> {
    let mut packet = vec![msg::INFO_RESPONSE];
    packet.put_u32(count);
    packet.extend(answers.iter().flat_map(|answer| string(answer)));
    packet
}

/// Asks for keyboard-interactive, and checks that there is one prompt, whose answer is not shown.
#[track_caller]
fn ask_interactively(ssh: &mut Ssh, user: &str) {
    let fields = [string(b""), string(b"")].concat();
    let mut prompt = Bytes::from(ssh.ask(&login_request(user, "keyboard-interactive", &fields)));
    assert_eq!(prompt.get_u8(), msg::INFO_REQUEST);
    for text in ["", "", ""] {
        assert_eq!(take_string(&mut prompt), text);
    }
    assert_eq!(prompt.get_u32(), 1);
    assert_eq!(take_string(&mut prompt), "Password: ");
    assert_eq!(&prompt[..], [0], "no echo, and nothing behind it");
}

#[test]
fn keyboard_interactive_lets_openssh_and_putty_in_with_the_password_r0_05() {
    let daemon = Daemon::start([acme()]);
    let sender = daemon.sender("acme");
    let sftp = |sender: &crate::harness::sender::Sender<'_>| {
        let mut sftp = sender.ssh_tool("sftp");
        sftp.args(["-oPreferredAuthentications=keyboard-interactive"]);
        Reply::to(sftp.arg("127.0.0.1"))
    };
    sftp(&sender).succeeded();
    let methods = "(publickey,password,keyboard-interactive)";
    sftp(&daemon.stranger(USER, "wrong")).refused(methods);
    assert_eq!(daemon.lines_with("login refused: the password is wrong"), 1);

    let listener = daemon.listener(Port::Sftp);
    let mut psftp = Command::new("psftp");
    psftp
        .args(["-batch", "-P", &listener.address.port().to_string()])
        .args(["-hostkey", listener.fingerprint.as_deref().unwrap()])
        .args(["-pw", PASSWORD, "-l", "localhost|hr@acme.example"])
        .args(["127.0.0.1", "-b"])
        .arg(daemon.local_file("batch", "ls\n"));
    let reply = Reply::to(&mut psftp).succeeded();
    let said = reply.text() + &reply.stderr;
    assert!(said.contains("eyboard-interactive"), "{said}");
}

#[test]
fn answers_to_the_password_prompt_are_taken_only_one_and_right() {
    let daemon = Daemon::start([acme()]);
    let right = PASSWORD.as_bytes();
    let huge = vec![b'x'; 200 * 1024];
    for (what, packet) in [
        ("none", answers(0, &[])),
        ("an empty one", answers(1, &[b""])),
        ("a wrong one", answers(1, &[b"wrong"])),
        ("two right ones", answers(2, &[right, right])),
        ("the right one and an empty one", answers(2, &[right, b""])),
        ("one that is no text", answers(1, &[b"\xff\xfe"])),
        ("a huge one", answers(1, &[&huge])),
    ] {
        let mut ssh = Ssh::begin(&daemon);
        ask_interactively(&mut ssh, USER);
        assert_eq!(ssh.ask(&packet)[0], msg::USERAUTH_FAILURE, "{what}");
        // The methods are offered again, and the same connection may still log in.
        ask_interactively(&mut ssh, USER);
        let taken = ssh.ask(&answers(1, &[right]));
        assert_eq!(taken, [msg::USERAUTH_SUCCESS], "after {what}");
    }
    // An answer that nobody asked for.
    let mut ssh = Ssh::begin(&daemon);
    assert_eq!(ssh.ask(&answers(1, &[right]))[0], msg::USERAUTH_FAILURE);
    ask_interactively(&mut ssh, "nobody@acme.example");
    ask_interactively(&mut ssh, USER);
    assert_eq!(ssh.ask(&password_request(USER, "wrong"))[0], 51);
    let late = ssh.ask(&answers(1, &[right]));
    assert_eq!(late[0], msg::USERAUTH_FAILURE, "its request was over");

    // More answers claimed than there are, and fewer.
    for malformed in [answers(u32::MAX, &[b"wrong"]), answers(0, &[right])] {
        let mut ssh = Ssh::begin(&daemon);
        ask_interactively(&mut ssh, USER);
        ssh.say(&malformed);
        if let Ok(answer) = ssh.try_hear() {
            assert_ne!(answer[0], msg::USERAUTH_SUCCESS);
        }
    }
    let mut others = Ssh::begin(&daemon);
    ask_interactively(&mut others, USER);
    assert_eq!(others.ask(&answers(1, &[right])), [msg::USERAUTH_SUCCESS]);
}

/// All that the server says to a client that tries every way to log in as `user`, and how long it takes.
fn conversation(daemon: &Daemon, user: &str, key: &Key) -> (Vec<Vec<u8>>, f64) {
    let mut ssh = Ssh::begin(daemon);
    let mut said = Vec::new();
    let began = Instant::now();
    let blob = public_blob(&key.public);
    let offer = |signed: u8| {
        let mut fields = vec![signed];
        fields.extend(string(b"ssh-ed25519"));
        fields.extend(string(&blob));
        if signed == 1 {
            let signature = [string(b"ssh-ed25519"), string(&[9; 64])].concat();
            fields.extend(string(&signature));
        }
        login_request(user, "publickey", &fields)
    };
    for packet in [
        login_request(user, "none", &[]),
        offer(0),
        offer(1),
        login_request(user, "hostbased", &[]),
        password_request(user, "wrong"),
    ] {
        said.push(ssh.ask(&packet));
    }
    ask_interactively(&mut ssh, user);
    said.push(ssh.ask(&answers(1, &[b"wrong"])));
    (said, began.elapsed().as_secs_f64())
}

#[test]
fn refusals_are_the_same_bytes_in_the_same_time_whoever_is_tried() {
    let stranger = Key::generate();
    let daemon = Daemon::start([acme()]);
    let (known, known_secs) = conversation(&daemon, USER, &stranger);
    let mut methods = vec![msg::USERAUTH_FAILURE];
    methods.extend(string(b"publickey,password,keyboard-interactive"));
    methods.push(0);
    for answer in &known {
        assert_eq!(*answer, methods);
    }
    for user in [
        "nobody@acme.example",
        "away@acme.example",
        "elsewhere.example.com|hr@acme.example",
        "a|b|c",
        "",
    ] {
        let (said, secs) = conversation(&daemon, user, &stranger);
        assert_eq!(said, known, "{user}");
        // Two cores are shared by many tests. A hash more or less would be seen all the same.
        assert!(
            (secs - known_secs).abs() < 0.5,
            "{user}: {secs} {known_secs}"
        );
    }
}

#[test]
fn six_refusals_end_the_connection() {
    let daemon = Daemon::start([acme()]);
    let mut ssh = Ssh::begin(&daemon);
    let none = login_request(USER, "none", &[]);
    assert_eq!(ssh.ask(&none)[0], msg::USERAUTH_FAILURE);
    let unknown = login_request(USER, "hostbased", &[]);
    for _ in 0..6 {
        assert_eq!(ssh.ask(&unknown)[0], msg::USERAUTH_FAILURE);
    }
    // Not even the right password is looked at.
    let late = ssh.ask(&password_request(USER, PASSWORD));
    assert_eq!(late[0], msg::DISCONNECT);
    assert_eq!(daemon.lines_with("logged in"), 0);
}

#[test]
fn a_client_that_asks_for_the_service_again_is_ended_by_the_deadline_and_the_log_says_why() {
    let daemon = Daemon::start_with([acme()], "login_deadline = \"2s\"");
    let mut ssh = Ssh::begin(&daemon);
    assert_eq!(
        ssh.ask(&password_request(USER, "wrong"))[0],
        msg::USERAUTH_FAILURE
    );
    ssh.say(&request_service());
    ssh.wait_for_end();
    wait_until("the line that names it", || {
        daemon.lines_with("after a refused key or password the client waited") == 1
    });
    // The same, silent from the start.
    let mut silent = Ssh::connect(&daemon);
    silent.wait_for_end();
    wait_until("another line", || {
        daemon.lines_with("no login in time") == 2
    });
    Ssh::log_in(&daemon, USER, PASSWORD);
}
