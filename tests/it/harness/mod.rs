//! Starts the real daemon with a folder, a database and ports of its own, and looks after it.
//!
//! When a [`Daemon`] goes out of scope it asserts what must hold after every test: no upload left in staging, nothing left in the spool, no
//! run unfinished, an orderly end, nothing logged as an error.

pub(crate) mod cli;
mod client;
pub(crate) mod disk;
#[cfg(feature = "failpoints")]
pub(crate) mod end_state;
pub(crate) mod openssl;
pub(crate) mod photo;
pub(crate) mod rest;
pub(crate) mod scrape;
pub(crate) mod sender;
pub(crate) mod settings;
pub(crate) mod staff;
pub(crate) mod tenant;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use self::client::{Client, Reply};
use self::settings::Settings;
use self::tenant::Tenant;

/// How long a test waits for anything. Generous, because two cores are shared by many daemons.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(25);
/// Between two looks whether a process has ended or begun, which costs nothing.
const LOOK: Duration = Duration::from_millis(4);

/// Waits until `probe` finds what it looks for.
pub(crate) fn wait_for<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    wait_looking(what, POLL, probe)
}

fn wait_looking<T>(what: &str, pause: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} in vain for {what}"
        );
        std::thread::sleep(pause);
    }
}

/// Waits until `holds`.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}

/// A file below `tests/`.
pub(crate) fn test_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

/// The Python that has the clients that Python's registry has; `tests/run.sh` installs them.
pub(crate) fn python() -> PathBuf {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/venv/bin/python");
    assert!(
        python.is_file(),
        "no {}: run tests/run.sh once",
        python.display()
    );
    python
}

/// The digest of a file, as `runs` tells it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    hex(&sha2::Sha256::digest(bytes))
}

/// Bytes as digests are written.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// Which port a client talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Port {
    Explicit,
    Implicit,
    Sftp,
    SftpLegacy,
    Web,
}

impl Port {
    /// The listener's name in its ready line.
    fn listener(self) -> &'static str {
        match self {
            Self::Explicit => "ftpes",
            Self::Implicit => "ftps",
            Self::Sftp => "sftp",
            Self::SftpLegacy => "sftp-legacy",
            Self::Web => "web",
        }
    }
}

/// What a ready line tells.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    /// Of its certificate or host key.
    pub(crate) fingerprint: Option<String>,
}

/// A daemon and everything it owns.
#[derive(Debug)]
pub(crate) struct Daemon {
    folder: TempDir,
    tenants: Vec<Tenant>,
    process: Option<Child>,
    log: Arc<Mutex<Vec<String>>>,
    listeners: BTreeMap<String, Listener>,
    /// Rules for its fail points, from the next start on.
    failpoints: String,
    /// Set for it, from the next start on.
    environment: Vec<(&'static str, String)>,
    /// Words of the lines that it may log as errors.
    expected_errors: Vec<&'static str>,
}

impl Daemon {
    /// Starts one for these tenants and waits until it is ready.
    pub(crate) fn start(tenants: impl IntoIterator<Item = Tenant>) -> Self {
        Self::start_with(tenants, "")
    }

    /// Starts one with these settings, or with these lines below `[limits]`.
    pub(crate) fn start_with(
        tenants: impl IntoIterator<Item = Tenant>,
        settings: impl Into<Settings>,
    ) -> Self {
        let mut daemon = Self::lay_out(tenants, settings);
        daemon.start_again();
        daemon
    }

    /// Starts one with rules for its fail points.
    #[cfg(feature = "failpoints")]
    pub(crate) fn start_armed(tenants: impl IntoIterator<Item = Tenant>, rules: &str) -> Self {
        let mut daemon = Self::lay_out(tenants, "");
        daemon.arm(rules);
        daemon.start_again();
        daemon
    }

    /// Lays out its folder, and starts nothing yet.
    pub(crate) fn lay_out(
        tenants: impl IntoIterator<Item = Tenant>,
        settings: impl Into<Settings>,
    ) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("rosterd-it-")
            .tempdir()
            .unwrap();
        let tenants: Vec<_> = tenants.into_iter().collect();
        std::fs::create_dir(folder.path().join("tenants")).unwrap();
        for tenant in &tenants {
            let file = folder
                .path()
                .join(format!("tenants/{}.toml", tenant.name()));
            std::fs::write(file, tenant.toml()).unwrap();
        }
        std::fs::write(folder.path().join("rosterd.toml"), settings.into().toml()).unwrap();
        Self {
            folder,
            tenants,
            process: None,
            log: Arc::default(),
            listeners: BTreeMap::new(),
            failpoints: String::new(),
            environment: Vec::new(),
            expected_errors: Vec::new(),
        }
    }

    /// Sets a variable for it, from the next start on.
    pub(crate) fn set_variable(&mut self, name: &'static str, value: impl Into<String>) {
        self.environment.push((name, value.into()));
    }

    /// It may log errors that hold these words: they are what the test is about.
    pub(crate) fn expect_errors(&mut self, words: &'static str) {
        self.expected_errors.push(words);
    }

    /// How many open files it may have from now on; none: as many as at the start.
    pub(crate) fn limit_open_files(&self, files: Option<u64>) {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit {
            current: files.or(maximum),
            maximum,
        };
        let process = Pid::from_child(self.process.as_ref().expect("it is not running"));
        prlimit(Some(process), Resource::Nofile, limit).unwrap();
    }

    /// What its fail points do from the next start on, as `rosterd::failpoint` reads it.
    #[cfg(feature = "failpoints")]
    pub(crate) fn arm(&mut self, rules: &str) {
        rules.clone_into(&mut self.failpoints);
    }

    /// Starts it on the state it left behind, on new ports.
    pub(crate) fn start_again(&mut self) {
        self.begin_to_start();
        self.wait_until_ready();
    }

    /// The same without waiting.
    pub(crate) fn begin_to_start(&mut self) {
        assert!(self.process.is_none(), "it is still running");
        self.log.lock().unwrap().clear();
        let mut process = self
            .rosterd()
            .arg("serve")
            .env("ROSTERD_FAILPOINTS", &self.failpoints)
            .envs(self.environment.clone())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).split(b'\n');
        let log = Arc::clone(&self.log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                log.lock().unwrap().push(line);
            }
        });
        self.process = Some(process);
    }

    /// Waits for the ready lines.
    pub(crate) fn wait_until_ready(&mut self) {
        wait_looking("the line that says that rosterd is ready", LOOK, || {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert_eq!(ended, None, "rosterd ended before it was ready");
            self.events()
                .iter()
                .any(|event| event["message"] == "rosterd is ready")
                .then_some(())
        });
        self.listeners = BTreeMap::new();
        for ready in self.events() {
            if ready["message"] != "ready" {
                continue;
            }
            let listener = Listener {
                address: ready["address"].as_str().unwrap().parse().unwrap(),
                fingerprint: ready["fingerprint"].as_str().map(str::to_owned),
            };
            let name = ready["listener"].as_str().unwrap().to_owned();
            // The first of several is the one that clients are sent to.
            self.listeners.entry(name).or_insert(listener);
        }
    }

    /// Where and as whom a listener presents itself.
    pub(crate) fn listener(&self, port: Port) -> &Listener {
        self.listeners
            .get(port.listener())
            .unwrap_or_else(|| panic!("no ready line of the listener {}", port.listener()))
    }

    pub(crate) fn address(&self, port: Port) -> SocketAddr {
        self.listener(port).address
    }

    /// The folder with its configuration, keys, state and database.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file for a client to send.
    pub(crate) fn local_file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let folder = self.folder().join("local");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Where a mailbox's files lie on disk.
    pub(crate) fn mailbox(&self, tenant: &str) -> PathBuf {
        self.folder()
            .join("state/mailboxes")
            .join(tenant)
            .join("production")
    }

    /// Uploads that are still coming.
    pub(crate) fn staged(&self) -> Vec<PathBuf> {
        files_below(&self.folder().join("state/staging"))
    }

    /// Waits until bytes of an upload have arrived.
    pub(crate) fn wait_for_bytes_in_staging(&self) {
        wait_until("bytes of an upload in staging", || {
            self.staged()
                .iter()
                .any(|file| file.metadata().is_ok_and(|file| file.len() > 0))
        });
    }

    /// Waits until no upload is left in staging.
    pub(crate) fn wait_for_empty_staging(&self) {
        wait_until("an empty staging folder", || self.staged().is_empty());
    }

    /// Waits until every arrival is taken up.
    pub(crate) fn wait_for_empty_spool(&self) {
        let spool = self.folder().join("state/spool");
        wait_until("an empty spool", || files_below(&spool).is_empty());
    }

    /// What it has logged, line by line; what is not JSON is left out.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.events_since(0)
    }

    /// How many lines it has logged.
    pub(crate) fn logged(&self) -> usize {
        self.log.lock().unwrap().len()
    }

    /// What it has logged since it had logged so many lines.
    pub(crate) fn events_since(&self, lines: usize) -> Vec<Value> {
        let log = self.log.lock().unwrap();
        log.iter()
            .skip(lines)
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// How many lines it has logged that hold these words.
    pub(crate) fn lines_with(&self, words: &str) -> usize {
        let log = self.log.lock().unwrap();
        log.iter().filter(|line| line.contains(words)).count()
    }

    /// The whole log as text.
    pub(crate) fn log_text(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// `rosterd --config …`, to be completed.
    pub(crate) fn rosterd(&self) -> Command {
        let mut command = rosterd();
        command
            .arg("--config")
            .arg(self.folder().join("rosterd.toml"));
        command
    }

    fn tenant(&self, name: &str) -> &Tenant {
        self.tenants
            .iter()
            .find(|tenant| tenant.name() == name)
            .unwrap_or_else(|| panic!("no tenant {name}"))
    }

    /// Its process.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.as_ref().expect("it is not running").id()
    }

    /// The most memory it has held at once.
    pub(crate) fn most_memory_bytes(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process_id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    /// SIGTERM, without waiting.
    pub(crate) fn ask_to_end(&self) {
        let process = self.process.as_ref().expect("it is not running");
        kill_process(Pid::from_child(process), Signal::TERM).unwrap();
    }

    /// SIGHUP.
    pub(crate) fn hang_up(&self) {
        let process = self.process.as_ref().expect("it is not running");
        kill_process(Pid::from_child(process), Signal::HUP).unwrap();
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("it is not running").id()
    }

    /// Forgets what was logged so far: a test has looked at the errors that it has provoked.
    pub(crate) fn forgive_errors(&self) {
        self.log.lock().unwrap().clear();
    }

    /// Waits for its end.
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let process = self.process.as_mut().expect("it is not running");
        let status = wait_looking("the end of rosterd", LOOK, || process.try_wait().unwrap());
        self.process = None;
        status
    }

    /// SIGTERM, and its exit status.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.ask_to_end();
        self.wait_for_end()
    }

    /// SIGKILL: what a power cut does to a process.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().expect("it is not running");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Waits until nothing is under way any more: no upload, no arrival, no job.
    pub(crate) fn wait_for_rest(&self) {
        self.wait_for_empty_staging();
        self.wait_for_empty_spool();
        wait_until("the end of every run", || {
            self.runs().iter().all(cli::Run::is_over)
        });
    }

    fn assert_all_is_well(&mut self) {
        if self.process.is_some() {
            self.wait_for_rest();
            let status = self.stop();
            assert!(status.success(), "rosterd ended with {status}");
        }
        assert_eq!(self.staged(), [] as [PathBuf; 0], "left in staging");
        for run in self.runs() {
            assert_ne!(run.outcome(), "failed", "a run failed: {run:?}");
        }
        assert_eq!(self.logged_errors(), [] as [String; 0], "logged as errors");
    }

    /// What it has logged since its start that a person must look at, and that the test does not expect.
    pub(crate) fn logged_errors(&self) -> Vec<String> {
        let log = self.log.lock().unwrap();
        let is_bad = |line: &&String| {
            let event = serde_json::from_str::<Value>(line).unwrap_or_default();
            let is_expected = self.expected_errors.iter().any(|it| line.contains(it));
            (event["level"] == "ERROR" && !is_expected) || line.contains("panicked at")
        };
        log.iter().filter(is_bad).cloned().collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if let Some(process) = &mut self.process {
                drop(process.kill());
                drop(process.wait());
            }
            eprintln!("---- what rosterd logged ----\n{}\n----", self.log_text());
        } else {
            self.assert_all_is_well();
        }
    }
}

/// The binary under test, with nothing of our own environment that could change what it does.
pub(crate) fn rosterd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rosterd"));
    command
        .env_remove("ROSTERD_CONFIG")
        .env_remove("RUST_LOG")
        .env_remove("ROSTERD_FAILPOINTS")
        .env("RUST_BACKTRACE", "1");
    command
}

/// Every file below a folder, which need not be there.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .map_while(Result::ok)
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_below(&entry.path()),
            Ok(kind) if kind.is_socket() => Vec::new(),
            _ => vec![entry.path()],
        })
        .collect();
    files.sort();
    files
}
