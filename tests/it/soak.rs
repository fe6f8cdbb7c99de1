//! Kills at random moments while senders of both protocols push as fast as they can. What was acknowledged must be imported exactly once.
//!
//! In a normal test run fifty kills with a fixed seed; `tests/soak.sh` asks for more through the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, RwLock, mpsc};
use std::time::{Duration, Instant};

use crate::harness::sender::Key;
use crate::harness::staff::Staff;
use crate::harness::tenant::{Login, Source, Tenant};
use crate::harness::{Client, Daemon, sha256};

const PATH: &str = "/data/employees.csv";
const TENANTS: [&str; 2] = ["acme", "globex"];
/// Milliseconds from the ready line to the kill, at most: a login, an upload and an import take half of it.
const LONGEST_LIFE_MS: u64 = 700;
/// Of so many kills one comes before the daemon is ready.
const KILLS_AT_START: u64 = 8;

/// What the environment asks for, under `ROSTERD_SOAK_SEED` and `ROSTERD_SOAK_KILLS`.
pub(crate) fn asked(name: &str, otherwise: u64) -> u64 {
    match std::env::var(format!("ROSTERD_SOAK_{name}")) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => otherwise,
    }
}

/// Numbers from a seed: `SplitMix64`.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// One upload, whose bytes no other one has.
#[derive(Debug)]
struct Attempt {
    tenant: &'static str,
    sha256: String,
    acknowledged: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Ftps,
    Sftp,
}

/// Pushes file after file until it is over.
fn push(
    daemon: &RwLock<Daemon>,
    key: &Key,
    (tenant, protocol): (&'static str, Protocol),
    over: &AtomicBool,
    attempts: &Mutex<Vec<Attempt>>,
) {
    let mut staff = Staff::of(40);
    for number in 0.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        staff.join(100 + number);
        staff.move_to(1, &format!("{protocol:?} {number}"));
        if number > 5 {
            staff.leave(100 + number - 5);
        }
        let mut file = staff.csv();
        file.extend(b"E00099,No,Address,,Sales\n");
        let mut command = {
            let daemon = daemon.read().unwrap();
            let sender = daemon.sender(tenant);
            match protocol {
                Protocol::Ftps => sender.upload_command(PATH, &file),
                Protocol::Sftp => {
                    let local = daemon.local_file(&format!("{tenant}.csv"), &file);
                    let batch = format!("put {} {PATH}\n", local.display());
                    let name = format!("localhost+key@{tenant}.example");
                    sender.named(&name).limited_sftp(key, 0, &batch)
                }
            }
        };
        let reply = Client::spawn(&mut command).wait();
        attempts.lock().unwrap().push(Attempt {
            tenant,
            sha256: sha256(&file),
            acknowledged: reply.code == 0 || reply.stderr.contains("226 Received"),
        });
    }
}

/// Lets time pass, which is the condition here.
fn after(moment: Duration) {
    let (_silent, never) = mpsc::channel::<()>();
    assert!(never.recv_timeout(moment).is_err());
}

/// Says that it is over, also when a kill went wrong.
struct Whistle<'a>(&'a AtomicBool);

impl Drop for Whistle<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn killed_at_random_moments_under_load_it_loses_nothing_and_doubles_nothing() {
    let (seed, kills) = (asked("SEED", 3), asked("KILLS", 50));
    let (begun, mut dice) = (Instant::now(), Dice(seed));
    let key = Key::generate();
    let tenants = TENANTS.map(|name| {
        let login = Login::named(&format!("key@{name}.example")).authorized_key(&key.public);
        let source = Source::named("employees", "employees.csv")
            .safeguard("max_leavers", 1000)
            .safeguard("max_leavers_percent", 100);
        Tenant::without_sources(name).login(login).source(source)
    });
    let daemon = RwLock::new(Daemon::start(tenants));
    let (over, attempts) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        for tenant in TENANTS {
            for protocol in [Protocol::Ftps, Protocol::Sftp] {
                let (daemon, key, over, attempts) = (&daemon, &key, &over, &attempts);
                scope.spawn(move || push(daemon, key, (tenant, protocol), over, attempts));
            }
        }
        let _whistle = Whistle(&over);
        for _ in 0..kills {
            let is_at_start = dice.below(KILLS_AT_START) == 0;
            if !is_at_start {
                after(Duration::from_millis(dice.below(LONGEST_LIFE_MS)));
            }
            let mut daemon = daemon.write().unwrap();
            tally.listen(&daemon);
            daemon.kill();
            if is_at_start {
                daemon.begin_to_start();
                after(Duration::from_millis(dice.below(200)));
                daemon.kill();
            }
            daemon.start_again();
        }
    });

    let mut daemon = daemon.into_inner().unwrap();
    let attempts = attempts.into_inner().unwrap();
    for tenant in TENANTS {
        tally.retry_parked(&daemon, tenant);
    }
    tally.listen(&daemon);
    assert!(daemon.stop().success());
    daemon.start_again();
    for tenant in TENANTS {
        tally.look_at(&daemon, tenant, &attempts);
    }
    println!(
        "soak: seed {seed}, {kills} kills, {} uploads acknowledged, {} runs, {} parked and retried, {:.1} minutes, {} losses, {} doubles, {} differences",
        tally.acknowledged,
        tally.runs,
        tally.parked,
        begun.elapsed().as_secs_f64() / 60.0,
        tally.losses.len(),
        tally.doubles.len(),
        tally.differences.len()
    );
    assert!(tally.acknowledged > 0, "no upload came through");
    let Tally {
        losses,
        doubles,
        differences,
        ..
    } = tally;
    assert_eq!((losses, doubles, differences), Default::default());
}

/// What the senders know against what the daemon tells.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: usize,
    runs: usize,
    parked: usize,
    /// Acknowledged, and no run.
    losses: Vec<String>,
    /// Sent once, and several runs.
    doubles: Vec<String>,
    /// Anything else that is not as it should be.
    differences: Vec<String>,
}

impl Tally {
    /// Takes what a life has logged as an error. That a job is parked is none: some are killed five times in a row.
    fn listen(&mut self, daemon: &Daemon) {
        let errors = daemon.logged_errors();
        self.differences.extend(
            errors
                .into_iter()
                .filter(|line| !line.contains("is parked")),
        );
    }

    /// Does an admin's part for the newest file; older ones are superseded.
    fn retry_parked(&mut self, daemon: &Daemon, tenant: &str) {
        for run in daemon.runs_at_rest(tenant) {
            if run.outcome() == "failed" {
                self.parked += 1;
                daemon.run(&["retry", run.id()]).succeeded();
            }
        }
    }

    fn look_at(&mut self, daemon: &Daemon, tenant: &str, attempts: &[Attempt]) {
        let runs = daemon.runs_at_rest(tenant);
        self.runs += runs.len();
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for run in &runs {
            *times.entry(run.sha256()).or_default() += 1;
            if !["applied", "no_change", "superseded"].contains(&run.outcome()) {
                self.differences.push(format!("{run:?}"));
            }
        }
        let mut sent = BTreeSet::new();
        for attempt in attempts.iter().filter(|it| it.tenant == tenant) {
            let times = times.get(attempt.sha256.as_str()).copied().unwrap_or(0);
            sent.insert(attempt.sha256.as_str());
            self.acknowledged += usize::from(attempt.acknowledged);
            if attempt.acknowledged && times == 0 {
                self.losses.push(attempt.sha256.clone());
            }
            if times > 1 {
                self.doubles.push(attempt.sha256.clone());
            }
        }
        let strangers = times.keys().filter(|sha256| !sent.contains(*sha256));
        let strangers = strangers.map(|sha256| format!("nobody has sent {sha256} whole"));
        self.differences.extend(strangers);

        // The newest delivery is what lies in the mailbox and what the roster says.
        let file = std::fs::read(daemon.mailbox(tenant).join(&PATH[1..])).unwrap();
        if runs.last().is_some_and(|run| run.sha256() != sha256(&file)) {
            let difference = format!("{tenant}: the newest delivery is not the file");
            self.differences.push(difference);
        }
        let mut staff = Staff::read(&file);
        staff.0.remove("E00099");
        if daemon.roster(tenant) != staff {
            self.differences
                .push(format!("{tenant}: the roster is not the file"));
        }
        self.differences.extend(daemon.disorder(tenant, &runs));
    }
}
