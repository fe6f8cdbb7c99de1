//! A kill at each fail point of `rosterd::failpoint`, in a first and in a second night, and what is left of both afterwards.
//!
//! Promise 1: what was acknowledged is imported exactly once. Promise 2: what was not is there as a whole or not at all, and the sender, who tries
//! again as schedulers do, brings everything to the same end.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use rosterd::failpoint::Point;

use crate::harness::end_state::EndState;
use crate::harness::sender::Key;
use crate::harness::staff::Staff;
use crate::harness::tenant::{Login, Tenant};
use crate::harness::{Daemon, Reply, wait_until};

const PATH: &str = "/data/employees.csv";
/// Daemons side by side.
const WALKERS: usize = 4;
/// Of a point that a night passes more often than this, only the first passings are walked.
const PASSINGS: usize = 2;

static KEY: LazyLock<Key> = LazyLock::new(Key::generate);

/// How a file is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Ftps,
    Sftp,
    /// Under a temporary name, then renamed.
    SftpRenamed,
}

impl Way {
    const ALL: [Self; 3] = [Self::Ftps, Self::Sftp, Self::SftpRenamed];

    fn send(self, daemon: &Daemon, bytes: &[u8]) -> Reply {
        if self == Self::Ftps {
            return daemon.sender("acme").upload(PATH, bytes);
        }
        let file = daemon.local_file("employees.csv", bytes);
        let file = file.display();
        let batch = match self {
            Self::SftpRenamed => format!("put {file} {PATH}.part\nrename {PATH}.part {PATH}\n"),
            _ => format!("put {file} {PATH}\n"),
        };
        let sender = daemon.sender("acme").named("localhost+key@acme.example");
        sender.sftp_with_key(&KEY, &batch)
    }
}

fn tenant() -> Tenant {
    let login = Login::named("key@acme.example").authorized_key(&KEY.public);
    Tenant::named("acme").login(login)
}

/// The files of two nights. In the first everybody joins; in the second someone joins, someone moves and someone leaves; in each a row is refused.
fn nights() -> [Vec<u8>; 2] {
    let mut staff = Staff::of(7);
    let first = staff.csv();
    staff.join(8);
    staff.move_to(2, "Sales");
    staff.leave(3);
    [first, staff.csv()].map(|mut file| {
        file.extend(b"E00009,No,Address,,Sales\n");
        file
    })
}

/// One kill.
#[derive(Debug, Clone, Copy)]
struct Case {
    point: Point,
    passing: usize,
    way: Way,
}

/// Two nights in which nothing happens: what they leave, and how often the second one passes each point.
fn undisturbed(way: Way) -> (Vec<EndState>, BTreeMap<String, usize>) {
    let mut daemon = Daemon::start([tenant()]);
    let note = daemon.folder().join("passed");
    let mut states = Vec::new();
    for file in nights() {
        assert!(daemon.stop().success());
        drop(std::fs::remove_file(&note));
        daemon.arm(&format!("*=note:{}", note.display()));
        daemon.start_again();
        way.send(&daemon, &file).succeeded();
        states.push(daemon.end_state("acme"));
    }
    wait_until("the goodbye of the sender", || {
        let names = passed(&note);
        names.contains_key("FtpsReplied") || names.contains_key("SftpReplied")
    });
    assert!(daemon.stop().success());
    (states, passed(&note))
}

fn passed(note: &Path) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(note).unwrap_or_default();
    let mut passed = BTreeMap::new();
    for name in text.lines() {
        *passed.entry(name.to_owned()).or_default() += 1;
    }
    passed
}

/// Kills the daemon at one point in each of the two nights.
fn walk(case: Case, undisturbed: &[EndState]) {
    let Case {
        point,
        passing,
        way,
    } = case;
    let rule = format!("{}@{passing}=kill", point.name());
    let mut daemon = Daemon::start_armed([tenant()], &rule);
    let mailbox_file = daemon.mailbox("acme").join(PATH.trim_start_matches('/'));
    let mut runs_before = 0;
    for (file, undisturbed) in nights().iter().zip(undisturbed) {
        let before = std::fs::read(&mailbox_file).ok();
        let reply = way.send(&daemon, file);
        // Who says goodbye over SFTP has had every answer; its tools tell of the broken goodbye instead.
        let acknowledged =
            reply.code == 0 || reply.stderr.contains("226 Received") || point == Point::SftpReplied;
        let status = daemon.wait_for_end();
        assert_eq!(status.signal(), Some(9), "ended by itself: {status}");

        daemon.arm("");
        daemon.start_again();
        let runs = daemon.runs_at_rest("acme").len() - runs_before;
        let lying = std::fs::read(&mailbox_file).ok();
        runs_before += 1;
        if acknowledged {
            assert_eq!(runs, 1, "acknowledged, and imported exactly once");
        } else {
            if lying.as_ref() == Some(file) {
                assert_eq!(runs, 1, "whole, and imported");
            } else {
                assert_eq!((&lying, runs), (&before, 0), "neither old nor new");
            }
            way.send(&daemon, file).succeeded();
            runs_before += runs;
        }
        assert_eq!(&daemon.end_state("acme"), undisturbed);

        assert!(daemon.stop().success());
        daemon.arm(&rule);
        daemon.start_again();
    }
}

#[test]
fn killed_at_any_fail_point_it_ends_as_if_nothing_had_happened() {
    let nights = Way::ALL.map(undisturbed);
    let reference = &nights[0].0;
    let mut cases = Vec::new();
    let mut dead: BTreeSet<&str> = Point::ALL.iter().map(|point| point.name()).collect();
    for (way, (states, passed)) in Way::ALL.into_iter().zip(&nights) {
        assert_eq!(states, reference, "{way:?}");
        for &point in Point::ALL {
            let passings = passed.get(point.name()).copied().unwrap_or(0);
            dead.retain(|name| passings == 0 || *name != point.name());
            // From the spool on all ways are one.
            let is_shared = Point::ALL
                .iter()
                .skip_while(|it| **it != Point::Claim)
                .any(|it| *it == point);
            if way != Way::Ftps && is_shared {
                continue;
            }
            cases.extend((1..=passings.min(PASSINGS)).map(|passing| Case {
                point,
                passing,
                way,
            }));
        }
    }
    assert_eq!(dead, BTreeSet::new(), "points that no night passes");

    let count = cases.len();
    let (cases, failed) = (Mutex::new(cases), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WALKERS {
            scope.spawn(|| {
                loop {
                    let case = cases.lock().unwrap().pop();
                    let Some(case) = case else { break };
                    if catch_unwind(AssertUnwindSafe(|| walk(case, reference))).is_err() {
                        failed.lock().unwrap().push(case);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} of {count}: {failed:?}", failed.len());
}
