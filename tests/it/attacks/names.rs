//! Names as weapons: what would end a line, leave a folder or follow a link gets nowhere, and stands in no log as it came.

use std::os::unix::fs::symlink;

use crate::harness::staff::Staff;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Daemon, Port, wait_until};
use crate::wire::ftps::Ftps;
use crate::wire::sftp::Sftp;

const USER: &str = "hr@acme.example";

/// What a terminal, a log or a file system could take for something else.
const UNFIT: [&str; 7] = [
    "\0",
    "\r",
    "\t",
    "\u{1b}[2J",
    "\u{2028}",
    "\u{85}",
    "\u{feff}",
];

/// Log lines as they were written; each is one JSON document and holds none of `UNFIT`.
#[track_caller]
fn log_is_clean(daemon: &Daemon) {
    let text = daemon.log_text();
    assert_eq!(
        text.lines().count(),
        daemon.events().len(),
        "a line is broken: {text}"
    );
    for unfit in UNFIT.iter().filter(|unfit| **unfit != "\r") {
        assert!(!text.contains(unfit), "{unfit:?} in {text}");
    }
}

#[test]
fn a_name_with_control_characters_logs_nobody_in_and_is_logged_escaped() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    for unfit in UNFIT {
        let user = format!("hr{unfit}@acme.example");
        let (mut session, reply) =
            Ftps::try_log_in(&daemon, Port::Implicit, &user, PASSWORD).unwrap();
        assert!(
            matches!(reply.code, 501 | 503 | 530),
            "{unfit:?}: {reply:?}"
        );
        // Nothing of it has changed the state.
        assert_eq!(session.ask("PWD").code, 530, "{unfit:?}");
        assert_eq!(session.ask(&format!("USER {USER}")).code, 331, "{unfit:?}");
        assert_eq!(
            session.ask(&format!("PASS {PASSWORD}")).code,
            230,
            "{unfit:?}"
        );
        assert!(
            Sftp::try_log_in(&daemon, &user, PASSWORD).is_err(),
            "{unfit:?}"
        );
    }
    let wrong = format!("{PASSWORD}\u{2028}");
    assert!(Sftp::try_log_in(&daemon, USER, &wrong).is_err());
    let (_, reply) = Ftps::try_log_in(&daemon, Port::Implicit, USER, &wrong).unwrap();
    assert_eq!(reply.code, 530);
    log_is_clean(&daemon);
    assert_eq!(daemon.lines_with(PASSWORD), 0);
}

#[test]
fn a_path_with_control_characters_is_refused_over_both_protocols() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut ftps = Ftps::log_in(&daemon, Port::Explicit, USER, PASSWORD);
    let mut sftp = Sftp::log_in(&daemon, USER, PASSWORD);
    for unfit in UNFIT {
        let path = format!("/images/face{unfit}.bmp");
        for command in ["STOR", "RETR", "MKD", "DELE", "RNFR", "SIZE", "CWD"] {
            let reply = ftps.ask(&format!("{command} {path}"));
            assert!(
                matches!(reply.code, 501 | 550 | 553 | 425),
                "{command} {unfit:?}: {reply:?}"
            );
        }
        let refused = sftp.try_open(&path).unwrap().unwrap_err();
        assert!(!refused.is_ok(), "{unfit:?}");
        assert!(!sftp.try_rename(&path, "/images/b.bmp").unwrap().is_ok());
        assert!(!sftp.try_rename("/images/b.bmp", &path).unwrap().is_ok());
        assert!(!sftp.try_remove(&path).unwrap().is_ok());
    }
    assert_eq!(ftps.names("/images"), [] as [&str; 0]);
    log_is_clean(&daemon);
}

#[test]
fn no_path_leaves_the_mailbox() {
    let daemon = Daemon::start([Tenant::named("acme"), Tenant::named("globex")]);
    let others = daemon.mailbox("globex").join("data/employees.csv");
    let staff = Staff::of(3).csv();
    let mut theirs = Ftps::log_in(&daemon, Port::Explicit, "hr@globex.example", PASSWORD);
    assert_eq!(theirs.store("/data/employees.csv", &staff).code, 226);
    let mut ftps = Ftps::log_in(&daemon, Port::Explicit, USER, PASSWORD);
    let mut sftp = Sftp::log_in(&daemon, USER, PASSWORD);
    let state = daemon.folder().join("state");
    let absolute = others.to_str().unwrap();
    for path in [
        "../../globex/production/data/employees.csv",
        "/../../globex/production/data/employees.csv",
        "/data/../../../globex/production/data/employees.csv",
        "/images/..//../../globex/production/data/employees.csv",
        r"..\..\globex\production\data\employees.csv",
        "/images/%2e%2e/%2e%2e/globex/production/data/employees.csv",
        "/images/.. /employees.csv",
        "/images/..\u{2024}/employees.csv",
        "localhost|../../globex/production/data/employees.csv",
        "/proc/self/environ",
        "~/employees.csv",
        absolute,
    ] {
        for command in ["RETR", "DELE", "SIZE", "MLST", "RNFR"] {
            let reply = ftps.ask(&format!("{command} {path}"));
            assert!(
                matches!(reply.code, 425 | 501 | 550 | 553),
                "{command} {path}: {reply:?}"
            );
        }
        assert!(!sftp.try_remove(path).unwrap().is_ok(), "{path}");
        assert!(
            !sftp.try_rename(path, "/images/mine.bmp").unwrap().is_ok(),
            "{path}"
        );
    }
    assert_eq!(std::fs::read(&others).unwrap(), staff);
    assert!(!state.join("mailboxes/employees.csv").try_exists().unwrap());
    daemon.wait_for_rest();
}

#[test]
fn a_link_that_somebody_has_planted_in_a_mailbox_is_followed_by_nobody() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let outside = daemon.folder().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let secret = outside.join("employees.csv");
    std::fs::write(&secret, Staff::of(5).csv()).unwrap();
    let mailbox = daemon.mailbox("acme");
    symlink(&secret, mailbox.join("data/employees.csv")).unwrap();
    symlink(&outside, mailbox.join("images/album")).unwrap();
    symlink("album", mailbox.join("images/loop")).unwrap();

    let mut ftps = Ftps::log_in(&daemon, Port::Explicit, USER, PASSWORD);
    let mut sftp = Sftp::log_in(&daemon, USER, PASSWORD);
    for command in [
        "RETR /data/employees.csv",
        "SIZE /data/employees.csv",
        "RETR /images/album/employees.csv",
        "STOR /images/album/face.bmp",
        "CWD /images/album",
        "MKD /images/loop/new",
        "DELE /images/album/employees.csv",
    ] {
        let reply = ftps.ask(command);
        assert!(
            matches!(reply.code, 425 | 550 | 553 | 451),
            "{command}: {reply:?}"
        );
    }
    for path in ["/images/album/face.bmp", "/images/loop/face.bmp"] {
        assert!(sftp.try_open(path).unwrap().is_err(), "{path}");
    }
    assert!(
        !sftp
            .try_remove("/images/album/employees.csv")
            .unwrap()
            .is_ok()
    );
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
    assert_eq!(std::fs::read(&secret).unwrap(), Staff::of(5).csv());

    // The watcher looks at the mailbox when a file comes, and takes that one only.
    let came = daemon.local_file("came.csv", Staff::of(2).csv());
    std::fs::rename(came, mailbox.join("employees.csv")).unwrap();
    wait_until("the file that is no link", || daemon.runs().len() == 1);
    daemon.wait_for_rest();
    assert_eq!(daemon.roster("acme"), Staff::of(2));
    std::fs::remove_file(mailbox.join("data/employees.csv")).unwrap();
}
