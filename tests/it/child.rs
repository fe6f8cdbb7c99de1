//! What a reader's child can do wrong, and what can be done to it: a verdict or a fault of ours, never a worker that waits, nothing left behind.
//!
//! The children here run a script that stands where the file would be, so each test shows on one line what its child does.

use std::io::{BufRead as _, BufReader, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use rosterd::import::reader::{Ending, Frames, Reader, ReaderError};
use rosterd::parse::agreement::Agreement;
use rosterd::parse::finding::code;
use rosterd::parse::layout::{Layout, TableKind};
use rosterd::parse::limits::ReadLimits;
use rosterd::parse::row::{CellKind, RawRow};
use rosterd::parse::wire::{Encoder, Frame};
use tempfile::TempDir;

use crate::harness::staff::Staff;
use crate::harness::tenant::Tenant;
use crate::harness::{Daemon, test_file, wait_for, wait_until};

/// Longer than any of these children may be waited for, shorter than they would live by themselves.
const SOON: Duration = Duration::from_secs(30);

/// A folder with frames that a script can send: `frames` are a header and three rows, `whole` has the last frame
/// too, `many` has more rows than a pipe holds.
struct Stage {
    folder: TempDir,
    limits: ReadLimits,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, rows: u64, end: bool| {
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes);
            let layout = Layout {
                kind: TableKind::Delimited,
                encoding: None,
                delimiter: None,
                sheet: None,
            };
            encoder.layout(&layout).unwrap();
            for number in 1..=rows + 1 {
                let mut row = RawRow::new(number);
                row.push(CellKind::Text, "employee_id");
                if number == 1 {
                    encoder.header(&row).unwrap();
                } else {
                    encoder.row(&row).unwrap();
                }
            }
            if end {
                encoder.end().unwrap();
            }
            std::fs::write(folder.path().join(name), bytes).unwrap();
        };
        write("frames", 3, false);
        write("whole", 3, true);
        write("many", 50_000, true);
        Self {
            folder,
            limits: ReadLimits::default(),
        }
    }

    /// A child may use this much time; by the clock three times as much.
    fn with_time(mut self, time: Duration) -> Self {
        self.limits.time = time;
        self
    }

    fn reader(&self) -> Reader {
        Reader::new(test_file("it/clients/child.py"), self.limits)
    }

    fn script(&self, script: &str) -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        writeln!(file, "cd {}\n{script}", self.folder.path().display()).unwrap();
        file.rewind().unwrap();
        file
    }

    /// Lets the child do what `script` says, and takes all its frames.
    async fn play(&self, script: &str) -> Result<(usize, Ending), ReaderError> {
        let started = Instant::now();
        let file = self.script(script);
        let read = self.reader().read(file, Agreement::default(), count).await;
        assert!(
            started.elapsed() < SOON,
            "{script}: {:?}",
            started.elapsed()
        );
        read
    }

    /// The process whose id a script wrote into `name`.
    fn process(&self, name: &str) -> u32 {
        let path = self.folder.path().join(name);
        wait_for("the id of a process", || {
            let text = std::fs::read_to_string(&path).ok()?;
            text.strip_suffix('\n')?.parse().ok()
        })
    }
}

/// How many frames come, but for the layout.
fn count(frames: &mut Frames) -> usize {
    frames
        .filter(|frame| !matches!(frame, Frame::Layout(_)))
        .count()
}

/// Whether a process is there and not only waited for.
fn runs(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
}

fn gone(process: u32) {
    wait_until(&format!("the end of process {process}"), || !runs(process));
}

#[track_caller]
fn refused(read: Result<(usize, Ending), ReaderError>, code: &str) {
    match read {
        Ok((_, Ending::Refused(finding))) => assert_eq!(finding.code, code, "{finding:?}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_child_that_the_file_broke_refuses_the_file() {
    let stage = Stage::set();
    for signal in ["SEGV", "ABRT", "BUS", "ILL", "FPE"] {
        let read = stage.play(&format!("cat frames; kill -{signal} $$")).await;
        refused(read, code::READER_DIED);
    }
    refused(stage.play("cat frames; exit 101").await, code::READER_DIED);
    refused(stage.play("cat frames; exit 0").await, code::READER_DIED);
    refused(stage.play("kill -XCPU $$").await, code::READER_TIMEOUT);
}

#[tokio::test]
async fn memory_that_ran_out_is_told_from_other_ends() {
    let stage = Stage::set();
    let read = stage
        .play("echo memory allocation of 9 bytes failed >&2; kill -ABRT $$")
        .await;
    match read {
        Ok((0, Ending::Refused(finding))) => {
            assert!(finding.message.contains("more memory"), "{finding:?}");
            assert!(finding.remedy.contains("import_memory"), "{finding:?}");
        }
        other => panic!("{other:?}"),
    }
}

/// The out-of-memory killer, an operator, a service manager: the same file may be read well the next time.
#[tokio::test]
async fn a_child_killed_from_outside_is_no_fault_of_the_file() {
    let stage = Stage::set();
    // Not INT and HUP: where the tests run in the background, a shell is deaf to them.
    for (name, number) in [("KILL", 9), ("TERM", 15)] {
        let read = stage.play(&format!("cat frames; kill -{name} $$")).await;
        assert!(
            matches!(read, Err(ReaderError::Killed { signal }) if signal == number),
            "{name}: {read:?}"
        );
    }
}

#[tokio::test]
async fn a_child_that_is_stuck_is_ended_and_no_fault_of_the_file() {
    let stage = Stage::set().with_time(Duration::from_millis(300));
    for script in [
        "echo $$ >pid; exec sleep 1000",
        "echo $$ >pid; cat frames; exec sleep 1000",
        "echo $$ >pid; head -c 30 frames; exec sleep 1000",
        "echo $$ >pid; kill -STOP $$",
    ] {
        let read = stage.play(script).await;
        assert!(
            matches!(read, Err(ReaderError::Stalled(_))),
            "{script}: {read:?}"
        );
        gone(stage.process("pid"));
    }
}

#[tokio::test]
async fn garbage_refuses_the_file_wherever_it_comes() {
    let stage = Stage::set();
    for script in [
        "echo garbage; exec sleep 1000",
        "cat frames; echo garbage; exec sleep 1000",
        "cat frames frames; exec sleep 1000",
        "cat /dev/zero",
        "cat frames /dev/urandom",
    ] {
        refused(stage.play(script).await, code::READER_GARBAGE);
    }
}

#[tokio::test]
async fn frames_without_end_are_more_rows_than_allowed() {
    let mut stage = Stage::set();
    stage.limits.rows = 1000;
    refused(
        stage.play("cat many; exec sleep 1000").await,
        code::READER_GARBAGE,
    );
}

#[tokio::test]
async fn a_full_pipe_waits_for_a_slow_parent() {
    let stage = Stage::set();
    let (let_go, wait) = std::sync::mpsc::channel::<()>();
    let file = stage.script("cat many && echo $$ >written");
    let written = stage.folder.path().join("written");
    let reader = stage.reader();
    let read = reader.read(file, Agreement::default(), move |frames| {
        let header = frames.nth(1);
        assert!(wait.recv_timeout(Duration::from_millis(500)).is_err());
        assert!(!written.is_file(), "the pipe holds everything");
        (header.is_some(), frames.count())
    });
    let (seen, ending) = read.await.unwrap();
    drop(let_go);
    assert_eq!(seen, (true, 50_000));
    assert_eq!(ending, Ending::Complete { rows: 50_000 });
}

#[tokio::test]
async fn a_child_that_writes_to_nobody_is_ended() {
    let stage = Stage::set();
    let file = stage.script("echo $$ >pid; cat many; exec cat /dev/zero");
    let started = Instant::now();
    let (first, ending) = stage
        .reader()
        .read(file, Agreement::default(), Iterator::next)
        .await
        .unwrap();
    assert!(started.elapsed() < SOON);
    assert!(matches!(first, Some(Frame::Layout(_))));
    assert_eq!(ending, Ending::Abandoned);
    gone(stage.process("pid"));
}

#[tokio::test]
async fn a_child_that_does_not_end_after_its_last_frame_is_ended() {
    let stage = Stage::set();
    let read = stage.play("echo $$ >pid; cat whole; exec sleep 1000").await;
    assert_eq!(read.unwrap(), (4, Ending::Complete { rows: 3 }));
    gone(stage.process("pid"));
}

#[tokio::test]
async fn a_child_that_never_stops_talking_is_still_read() {
    let stage = Stage::set();
    let read = stage
        .play("yes words >&2 & echo $! >pid; cat whole; wait")
        .await;
    assert_eq!(read.unwrap(), (4, Ending::Complete { rows: 3 }));
    gone(stage.process("pid"));
}

#[tokio::test]
async fn what_a_child_has_started_ends_with_it() {
    let stage = Stage::set();
    let read = stage
        .play("sleep 1000 & echo $! >pid; cat frames; exit 3")
        .await;
    refused(read, code::READER_DIED);
    gone(stage.process("pid"));
}

/// It keeps the pipes open, and nobody knows it: the reading ends all the same, when the time is over.
#[tokio::test]
async fn what_has_left_the_group_of_a_child_holds_up_nobody() {
    let stage = Stage::set().with_time(Duration::from_millis(300));
    let script = "setsid sleep 1000 & echo $! >pid; cat frames; exit 3";
    refused(stage.play(script).await, code::READER_DIED);
    let runaway = i32::try_from(stage.process("pid")).unwrap();
    let runaway = rustix::process::Pid::from_raw(runaway).unwrap();
    rustix::process::kill_process(runaway, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_reading_that_is_given_up_leaves_no_child() {
    let stage = Stage::set();
    let file = stage.script("echo $$ >pid; sleep 1000 & echo $! >second; cat frames; wait");
    let reader = stage.reader();
    let reading = reader.read(file, Agreement::default(), count);
    let given_up = tokio::time::timeout(Duration::from_millis(500), reading).await;
    assert!(given_up.is_err());
    gone(stage.process("pid"));
    gone(stage.process("second"));
}

#[tokio::test]
async fn a_file_that_takes_too_much_cpu_is_refused_for_that() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "employee_id").unwrap();
    // Rows that say nothing are not sent, so all the work is the child's.
    for _ in 0..100 {
        file.write_all(",,,,,,,,,,,,,,,\n".repeat(50_000).as_bytes())
            .unwrap();
    }
    let limits = ReadLimits {
        time: Duration::from_secs(1),
        ..ReadLimits::default()
    };
    let reader = Reader::new(env!("CARGO_BIN_EXE_rosterd").into(), limits);
    for _ in 0..20 {
        let read = reader.read(file.reopen().unwrap(), Agreement::default(), |frames| {
            frames.count()
        });
        match read.await {
            // The machine was too busy to give it a second.
            Err(ReaderError::Stalled(_)) => {}
            read => return refused(read, code::READER_TIMEOUT),
        }
    }
    panic!("the machine is too busy");
}

/// Every child that a daemon has.
fn children_of(daemon: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{daemon}/task"));
    let tasks = tasks.into_iter().flatten().map_while(Result::ok);
    let mut children = Vec::new();
    for task in tasks {
        let listed = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        children.extend(
            listed
                .split_whitespace()
                .filter_map(|id| id.parse::<u32>().ok()),
        );
    }
    children
}

/// The reader of a daemon that has got a file: one that waits may still write files.
fn reader_of(daemon: u32) -> Option<u32> {
    children_of(daemon).into_iter().find(|child| {
        std::fs::read_to_string(format!("/proc/{child}/limits"))
            .is_ok_and(|limits| limits.contains("Max file size             0"))
    })
}

/// The reader that a daemon has started ahead: it has given itself those limits that need no file.
fn spare_of(daemon: u32) -> Option<u32> {
    children_of(daemon).into_iter().find(|child| {
        std::fs::read_to_string(format!("/proc/{child}/limits")).is_ok_and(|limits| {
            limits.contains("Max open files            8 ")
                && limits.contains("Max file size             unlimited")
        })
    })
}

/// Delivers a file that takes a while, and returns its delivery and the process that reads it, stopped.
fn stopped_in_the_midst(daemon: &Daemon) -> (String, u32) {
    let reply = daemon
        .sender("acme")
        .upload("/data/employees.csv", Staff::of(30_000).csv())
        .succeeded();
    let reader = wait_for("a reader", || reader_of(daemon.process_id()));
    signal(reader, rustix::process::Signal::STOP);
    (reply.delivery(), reader)
}

fn signal(process: u32, signal: rustix::process::Signal) {
    let process = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    rustix::process::kill_process(process, signal).unwrap();
}

#[test]
fn a_reader_killed_by_somebody_is_tried_again_and_the_file_is_imported() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let (delivery, reader) = stopped_in_the_midst(&daemon);
    signal(reader, rustix::process::Signal::KILL);
    let run = daemon.outcome_of(&delivery).came_to("applied");
    assert_eq!(run.counts().joiners, 30_000);
    assert!(daemon.log_text().contains("signal 9 from outside"));
}

#[test]
fn a_reader_ends_with_a_daemon_that_was_killed_and_the_file_is_imported_later() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    let (delivery, reader) = stopped_in_the_midst(&daemon);
    daemon.kill();
    gone(reader);
    daemon.start_again();
    daemon.outcome_of(&delivery).came_to("applied");
}

/// Starts a reader, gives it its order, says its process id, and takes nothing of what it sends.
const PARENT: &str = "
import os, socket, subprocess, sys
program, request, file = sys.argv[1:]
ours, theirs = socket.socketpair()
child = subprocess.Popen([program, 'read-child', str(os.getpid())], stdin=theirs, stdout=theirs)
length = len(request).to_bytes(4, 'little')
socket.send_fds(ours, [length + request.encode()], [os.open(file, os.O_RDONLY)])
print(child.pid, flush=True)
child.wait()
";

/// One that would notice nothing by itself, because it reads for minutes before it writes a word.
#[test]
fn a_reader_ends_with_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("endless.csv");
    std::fs::write(&file, ",\n".repeat(20_000)).unwrap();
    let endless = std::fs::File::options().write(true).open(&file).unwrap();
    endless.set_len(1 << 40).unwrap();
    let request = serde_json::json!({
        "limits": ReadLimits::default(),
        "agreement": Agreement::default(),
    });
    let mut parent = std::process::Command::new("python3")
        .args(["-c", PARENT, env!("CARGO_BIN_EXE_rosterd")])
        .arg(request.to_string())
        .arg(&file)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let reader: u32 = line.trim().parse().unwrap();
    wait_until("a reader that reads", || {
        std::fs::read_to_string(format!("/proc/{reader}/limits"))
            .is_ok_and(|limits| limits.contains("Max file size             0"))
    });
    assert!(runs(reader));
    parent.kill().unwrap();
    parent.wait().unwrap();
    gone(reader);
}

#[test]
fn readings_leave_no_process_and_no_descriptor_behind() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let descriptors = || {
        let folder = format!("/proc/{}/fd", daemon.process_id());
        Path::new(&folder).read_dir().unwrap().count()
    };
    let deliver = |round: usize| {
        let junk = format!("employee_id,work_email\n{round},\"\n");
        daemon
            .deliver("acme", "/data/employees.csv", junk)
            .came_to("refused");
    };
    deliver(0);
    let before = descriptors();
    (1..=15).for_each(deliver);
    assert_eq!(reader_of(daemon.process_id()), None);
    // The database and the senders may have some more or less.
    wait_until("descriptors that were closed", || {
        descriptors() <= before + 5
    });
}

fn spare(daemon: &Daemon) -> u32 {
    wait_for("a reader that was started ahead", || {
        spare_of(daemon.process_id())
    })
}

#[test]
fn a_reader_is_started_ahead_and_used_once() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let first = spare(&daemon);
    let (delivery, reader) = stopped_in_the_midst(&daemon);
    assert_eq!(reader, first, "the one that was there has got the file");
    let second = spare(&daemon);
    assert_ne!(second, first);
    signal(reader, rustix::process::Signal::CONT);
    daemon.outcome_of(&delivery).came_to("applied");
    gone(first);
    assert_eq!(spare(&daemon), second, "it waits on");
}

#[test]
fn a_reader_that_has_died_while_it_waited_is_replaced() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let first = spare(&daemon);
    signal(first, rustix::process::Signal::KILL);
    gone(first);
    daemon
        .deliver("acme", "/data/employees.csv", Staff::of(10).csv())
        .came_to("applied");
    assert_ne!(spare(&daemon), first);
}

#[test]
fn a_reader_that_waits_ends_with_its_daemon() {
    let mut daemon = Daemon::start([Tenant::named("acme")]);
    let first = spare(&daemon);
    daemon.kill();
    gone(first);
    daemon.start_again();
    let second = spare(&daemon);
    drop(daemon);
    gone(second);
}

/// Each program has its own way to fail, which tells which of them had the file.
#[tokio::test]
async fn a_reader_that_waits_is_not_used_when_its_program_was_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    // By another process: a program that this one has open while it forks could not be run.
    let put = |code: u8| {
        let script = format!("#!/bin/sh\nhead -c 4 >/dev/null\nexit {code}\n");
        let status = std::process::Command::new("/bin/sh")
            .args([
                "-c",
                r#"printf %s "$1" >"$0.new"; chmod 700 "$0.new"; mv "$0.new" "$0""#,
            ])
            .args([program.as_os_str(), script.as_ref()])
            .status()
            .unwrap();
        assert!(status.success());
    };
    let reader = Reader::new(program.clone(), ReadLimits::default());
    let read = async || {
        let file = tempfile::tempfile().unwrap();
        reader.read(file, Agreement::default(), count).await
    };
    put(0);
    reader.keep_spare();
    refused(read().await, code::READER_DIED);
    // Its like is started ahead again.
    put(74);
    let read = read().await;
    assert!(matches!(read, Err(ReaderError::Child)), "{read:?}");
    reader.dismiss_spare();
}

/// Asks the real child to do what only a child that was taken over does.
async fn misdeed(name: &str) -> Result<(usize, Ending), ReaderError> {
    let mut file = tempfile::tempfile().unwrap();
    writeln!(file, "rosterd-misdeed: {name} ").unwrap();
    file.rewind().unwrap();
    let reader = Reader::new(env!("CARGO_BIN_EXE_rosterd").into(), ReadLimits::default());
    reader.read(file, Agreement::default(), count).await
}

#[tokio::test]
async fn a_reader_that_reaches_out_is_ended() {
    for name in [
        "open", "write", "look", "list", "remove", "connect", "send", "exec", "fork", "thread",
        "signal",
    ] {
        match misdeed(name).await {
            Ok((0, Ending::Refused(finding))) => {
                assert_eq!(finding.code, code::READER_CONTAINED, "{name}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// The way out of a program that breaks asks the kernel for more than reading does.
#[tokio::test]
async fn a_reader_that_breaks_by_itself_is_told_from_one_that_reaches_out() {
    for (name, words) in [
        ("panic", "damaged"),
        ("overflow", "damaged"),
        ("memory", "more memory"),
        ("small-memory", "more memory"),
    ] {
        match misdeed(name).await {
            Ok((0, Ending::Refused(finding))) => {
                assert_eq!(finding.code, code::READER_DIED, "{name}");
                assert!(finding.message.contains(words), "{name}: {finding:?}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}
