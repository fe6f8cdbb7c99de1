//! Promise 4 under chaos: the quota is exact while 64 senders of both protocols upload, break off, overwrite, resume, rename and delete at random.
//!
//! They work in rounds. When all are quiet, the metric must be the sum of the files. A rescan would hide a wrong count, so the line that
//! tells of a correction must not come but after a change that somebody makes on the machine itself.
//!
//! Some seconds with a fixed seed in a normal test run; `tests/soak.sh` asks for minutes.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::{Duration, Instant};

use crate::harness::staff::Staff;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Daemon, Port, files_below, photo, wait_until};
use crate::quota::bytes_on_disk;
use crate::soak::{Dice, asked};
use crate::wire::ftps::Ftps;
use crate::wire::sftp::Sftp;

const SENDERS: u64 = 64;
/// Far less than they would send, so that they run into it again and again.
const QUOTA: u64 = 8_000_000;
const ROUND: Duration = Duration::from_secs(2);
/// Rounds between two changes on the machine itself.
const LOCAL_EVERY: u64 = 4;
const CORRECTED: &str = "local changes in the mailbox were counted";
/// A bitmap, and what follows it.
const SMALLEST: u64 = 38_454;

/// What was done, for the figure at the end.
#[derive(Debug, Default)]
struct Tally {
    whole: AtomicU64,
    cut: AtomicU64,
    over_quota: AtomicU64,
    renamed: AtomicU64,
    deleted: AtomicU64,
    refused: AtomicU64,
}

fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// Someone who does anything that a sender may do.
struct Sender<'a> {
    line: Line,
    dice: Dice,
    tally: &'a Tally,
}

enum Line {
    Ftps(Box<Ftps>),
    Sftp(Box<Sftp>),
}

impl Line {
    fn open(daemon: &Daemon, number: u64) -> io::Result<Self> {
        const USER: &str = "hr@acme.example";
        let port = match number % 4 {
            0 => Port::Explicit,
            1 => Port::Implicit,
            _ => {
                let session = Sftp::try_log_in(daemon, USER, PASSWORD)?;
                return Ok(Self::Sftp(Box::new(session)));
            }
        };
        let (session, reply) = Ftps::try_log_in(daemon, port, USER, PASSWORD)?;
        assert_eq!(reply.code, 230, "{reply:?}");
        Ok(Self::Ftps(Box::new(session)))
    }
}

/// How an answer is to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Done,
    OverQuota,
    /// Somebody else was there first: gone, in use, being replaced.
    Refused,
}

/// Every code that a sender may hear in this chaos; any other is an error.
fn ftps(reply: &crate::wire::ftps::Reply) -> io::Result<Heard> {
    match reply.code {
        226 | 250 => Ok(Heard::Done),
        552 => Ok(Heard::OverQuota),
        450 | 451 | 550 | 553 => Ok(Heard::Refused),
        _ => Err(io::Error::other(format!("{reply:?}"))),
    }
}

fn sftp(status: &crate::wire::sftp::Status) -> io::Result<Heard> {
    match status.code {
        0 => Ok(Heard::Done),
        4 if status.message.starts_with("Over quota") => Ok(Heard::OverQuota),
        2..=4 => Ok(Heard::Refused),
        _ => Err(io::Error::other(format!("{status:?}"))),
    }
}

impl Sender<'_> {
    fn photo_name(&mut self) -> String {
        format!("/images/{}.bmp", self.dice.below(30))
    }

    /// In every place that counts.
    fn temporary_name(&mut self) -> String {
        let number = self.dice.below(8);
        match self.dice.below(4) {
            0 => format!("/data/{number}.csv.part"),
            1 => format!("/{number}.tmp"),
            _ => format!("/images/{number}.bmp.part"),
        }
    }

    fn name(&mut self) -> String {
        if self.dice.below(3) == 0 {
            self.temporary_name()
        } else {
            self.photo_name()
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let largest = if self.dice.below(8) == 0 {
            900_000
        } else {
            150_000
        };
        let length = SMALLEST + self.dice.below(largest);
        photo::bmp_of(usize::try_from(length).unwrap())
    }

    /// One thing. An error of the wire is a fault: nobody cuts a connection here but we ourselves.
    fn act(&mut self) -> io::Result<()> {
        let (name, other) = (self.name(), self.name());
        match self.dice.below(100) {
            0..=44 => self.store(&name),
            45..=59 => self.cut(&name),
            60..=64 => self.resume(),
            65..=79 => self.rename(&name, &other),
            80 => self.deliver(),
            _ => self.delete(&name),
        }
    }

    fn count(&self, heard: Heard, done: &AtomicU64) {
        one_more(match heard {
            Heard::Done => done,
            Heard::OverQuota => &self.tally.over_quota,
            Heard::Refused => &self.tally.refused,
        });
    }

    fn send(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let heard = match &mut self.line {
            Line::Ftps(line) => ftps(&line.try_store(name, bytes)?)?,
            Line::Sftp(line) => sftp(&line.try_store(name, bytes)?)?,
        };
        self.count(heard, &self.tally.whole);
        Ok(())
    }

    fn store(&mut self, name: &str) -> io::Result<()> {
        let bytes = self.bytes();
        self.send(name, &bytes)
    }

    /// A data file, which makes a run.
    fn deliver(&mut self) -> io::Result<()> {
        let staff = Staff::of(30 + usize::try_from(self.dice.below(10)).unwrap());
        self.send("/data/employees.csv", &staff.csv())
    }

    fn cut(&mut self, name: &str) -> io::Result<()> {
        let mut bytes = self.bytes();
        let sent = self.dice.below(bytes.len() as u64 + 1);
        bytes.truncate(usize::try_from(sent).unwrap());
        let way = self.dice.below(3);
        match &mut self.line {
            Line::Ftps(line) => {
                let mut data = match line.try_transfer(&format!("STOR {name}"))? {
                    Ok(data) => data,
                    Err(refused) => {
                        let heard = ftps(&refused)?;
                        self.count(heard, &self.tally.cut);
                        return Ok(());
                    }
                };
                // Over its quota it may be gone already.
                drop(data.try_send(&bytes));
                match way {
                    0 => data.reset(),
                    1 => data.fin(),
                    _ => {
                        line.try_say("ABOR")?;
                        let reply = line.try_hear()?;
                        if !matches!(reply.code, 426 | 450 | 552) {
                            return Err(io::Error::other(format!("{reply:?}")));
                        }
                        data.fin();
                    }
                }
                let reply = line.try_hear()?;
                if !matches!(reply.code, 226 | 426 | 450 | 552) {
                    return Err(io::Error::other(format!("{reply:?}")));
                }
            }
            Line::Sftp(line) => {
                if let Ok(handle) = line.try_open(name)? {
                    line.try_write(&handle, 0, &bytes)?;
                    line.try_change_channel()?;
                }
            }
        }
        one_more(&self.tally.cut);
        Ok(())
    }

    /// Goes on where somebody has broken off.
    fn resume(&mut self) -> io::Result<()> {
        let (name, bytes) = (self.temporary_name(), self.bytes());
        let Line::Ftps(line) = &mut self.line else {
            return self.send(&name, &bytes);
        };
        let size = line.try_ask(&format!("SIZE {name}"))?;
        let size = size
            .text
            .trim()
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .to_owned();
        line.try_ask(&format!("REST {size}"))?;
        let heard = ftps(&line.try_store(&name, &bytes)?)?;
        self.count(heard, &self.tally.whole);
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let heard = match &mut self.line {
            Line::Ftps(line) => {
                let reply = line.try_ask(&format!("RNFR {from}"))?;
                if reply.code == 350 {
                    ftps(&line.try_ask(&format!("RNTO {to}"))?)?
                } else {
                    ftps(&reply)?
                }
            }
            Line::Sftp(line) => sftp(&line.try_rename(from, to)?)?,
        };
        self.count(heard, &self.tally.renamed);
        Ok(())
    }

    fn delete(&mut self, name: &str) -> io::Result<()> {
        let heard = match &mut self.line {
            Line::Ftps(line) => ftps(&line.try_ask(&format!("DELE {name}"))?)?,
            Line::Sftp(line) => sftp(&line.try_remove(name)?)?,
        };
        self.count(heard, &self.tally.deleted);
        Ok(())
    }
}

/// What the metric says.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "gauges are floats, this one is whole"
)]
fn used(daemon: &Daemon) -> u64 {
    let labels = [("tenant", "acme"), ("environment", "production")];
    let used = daemon.metric("rosterd_mailbox_used_bytes", &labels);
    used.unwrap() as u64
}

/// Changes files without the daemon's knowledge, and waits until a rescan has found it.
fn change_locally(daemon: &Daemon, round: u64) {
    daemon.wait_for_empty_spool();
    let before = daemon.lines_with(CORRECTED);
    let images = daemon.mailbox("acme").join("images");
    let files = files_below(&images);
    let size = |file: &std::path::Path| file.metadata().unwrap().len();
    if let Some((first, rest)) = files.split_first() {
        std::fs::remove_file(first).unwrap();
        if let Some(second) = rest.first() {
            let file = std::fs::OpenOptions::new().write(true).open(second);
            file.unwrap().set_len(size(second) / 2).unwrap();
        }
    }
    let copied = images.join(format!("copied by hand {round}.txt"));
    std::fs::write(copied, vec![b'x'; 10_000]).unwrap();
    wait_until("a rescan to find what was changed", || {
        daemon.lines_with(CORRECTED) > before && used(daemon) == bytes_on_disk(daemon)
    });
}

#[test]
fn under_any_number_of_parallel_senders_what_is_used_is_exactly_what_lies_there() {
    let (seed, seconds) = (asked("SEED", 4), asked("SECONDS", 8));
    let rounds = (seconds / ROUND.as_secs()).max(LOCAL_EVERY);
    let tenant = Tenant::named("acme").quota(&QUOTA.to_string());
    let limits = "connections_per_address = 500\nsessions_per_login = 100";
    let daemon = Daemon::start_with([tenant], limits);
    let tally = Tally::default();
    let turn = Barrier::new(usize::try_from(SENDERS).unwrap() + 1);
    let mut busy = Duration::ZERO;
    let (mut quiet, mut local) = (0, 0);
    // Not a panic: the others would wait for it for ever.
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for number in 0..SENDERS {
            let (daemon, tally, turn, faults) = (&daemon, &tally, &turn, &faults);
            scope.spawn(move || {
                let mut sender = Sender {
                    line: Line::open(daemon, number).unwrap(),
                    dice: Dice(seed.wrapping_mul(1000).wrapping_add(number)),
                    tally,
                };
                for _ in 0..rounds {
                    turn.wait();
                    let end = Instant::now() + ROUND;
                    while Instant::now() < end {
                        if let Err(error) = sender.act() {
                            faults.lock().unwrap().push(format!("{number}: {error}"));
                            break;
                        }
                    }
                    turn.wait();
                }
            });
        }
        for round in 0..rounds {
            turn.wait();
            let round_begun = Instant::now();
            let expected = daemon.lines_with(CORRECTED);
            turn.wait();
            busy += round_begun.elapsed();
            daemon.wait_for_empty_staging();
            wait_until("the metric to be the sum of the files", || {
                used(&daemon) == bytes_on_disk(&daemon)
            });
            quiet += 1;
            let wrong = daemon.lines_with(CORRECTED) - expected;
            if wrong > 0 || used(&daemon) > QUOTA {
                let fault = format!("round {round}: {wrong} corrections");
                faults.lock().unwrap().push(fault);
            }
            if round % LOCAL_EVERY == LOCAL_EVERY - 1 {
                change_locally(&daemon, round);
                local += 1;
            }
        }
    });
    let differences = faults.into_inner().unwrap();
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "soak: seed {seed}, {SENDERS} senders, {} whole uploads, {} cut, {} over quota, {} renames, {} deletions, {} refused, {:.1} minutes, {quiet} quiet moments, {local} local changes, {} differences",
        count(&tally.whole),
        count(&tally.cut),
        count(&tally.over_quota),
        count(&tally.renamed),
        count(&tally.deleted),
        count(&tally.refused),
        busy.as_secs_f64() / 60.0,
        differences.len()
    );
    assert_eq!(differences, [] as [String; 0]);
    assert!(
        count(&tally.over_quota) > 0 && count(&tally.cut) > 0,
        "{tally:?}"
    );
}
