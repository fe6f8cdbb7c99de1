//! Other protocols and curious questions: HTTP ends the session, no reply says back what a stranger said, and no answer tells who exists.

use std::io::{BufRead as _, BufReader, Write as _};

use super::{connect_from, hear_out};
use crate::harness::tenant::{Login, PASSWORD, Tenant};
use crate::harness::{Daemon, Port, wait_until};
use crate::wire::ftps::Ftps;

/// What a stranger would like to read back.
const MARK: &str = "<script>mark</script>";

#[test]
fn a_browser_is_sent_away_at_its_first_word() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    for verb in ["GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "EHLO"] {
        let mut socket = connect_from("127.0.2.1", daemon.address(Port::Explicit)).unwrap();
        let request =
            format!("{verb} /{MARK} HTTP/1.1\r\nHost: {MARK}\r\n\r\nNOOP\r\nUSER {MARK}\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let heard = hear_out(socket);
        assert_eq!(heard.lines().count(), 2, "{verb}: {heard}");
        assert!(!heard.contains("mark"), "{verb}: {heard}");
    }
    // The same inside TLS, where a confused browser would send it.
    let (mut session, _) = Ftps::try_log_in(&daemon, Port::Implicit, "root", "x").unwrap();
    let reply = session.ask("POST / HTTP/1.1");
    assert!(reply.code >= 400, "{reply:?}");
    assert!(session.try_ask("NOOP").is_err(), "the session goes on");
    // The last line may be on its way when the session has ended.
    wait_until("a line of each", || {
        daemon.lines_with("its lines are no FTP commands") >= 8
    });
    assert_eq!(daemon.lines_with("its lines are no FTP commands"), 8);
}

#[test]
fn no_reply_says_back_what_a_stranger_said() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let socket = connect_from("127.0.2.1", daemon.address(Port::Explicit)).unwrap();
    let mut talk = BufReader::new(socket);
    let mut line = String::new();
    talk.read_line(&mut line).unwrap();
    for verb in [
        "USER", "PASS", "CWD", "SITE", "OPTS", "HELP", "MARK", "AUTH", "TYPE", "LANG", "CLNT",
        "MLST",
    ] {
        write!(talk.get_mut(), "{verb} {MARK}\r\n").unwrap();
        line.clear();
        loop {
            let start = line.len();
            talk.read_line(&mut line).unwrap();
            if line.as_bytes().get(start + 3) == Some(&b' ') {
                break;
            }
        }
        assert!(!line.contains("mark"), "{verb}: {line}");
    }
    assert_eq!(daemon.lines_with("<script>"), 0);
}

#[test]
fn whoever_does_not_belong_hears_the_same_words_whatever_the_reason_r1_09() {
    let elsewhere = Login::named("elsewhere@acme.example").only_from_elsewhere();
    let daemon = Daemon::start([Tenant::named("acme").login(elsewhere)]);
    for user in [
        "hr@acme.example",
        "nobody@acme.example",
        "elsewhere@acme.example",
        "elsewhere.example|hr@acme.example",
        "localhost|nobody",
    ] {
        let password = if user == "hr@acme.example" {
            "wrong"
        } else {
            PASSWORD
        };
        let mut socket = Ftps::try_log_in(&daemon, Port::Implicit, user, password).unwrap();
        assert_eq!(socket.1.text, "530 Not logged in\r\n", "{user}");
        assert_eq!(
            socket.0.ask(&format!("USER {user}")).text,
            "331 Send the password\r\n"
        );
    }
}
