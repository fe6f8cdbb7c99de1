//! One cell of a damage table: what was there before, and what must be so after.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::staff::Staff;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Daemon, Port, files_below, wait_for, wait_until};
use crate::wire::ftps::{Data, Ftps};
use crate::wire::sftp::{HandleId, Sftp};

/// What every overwrite goes to.
pub(super) const FILE: &str = "/data/employees.csv";

/// Bytes that one overwrite has: more than all buffers of ours.
pub(super) const SIZE: usize = 1_000_000;

/// The file that must not count: a good one, so that it would make a run.
pub(super) fn today() -> Vec<u8> {
    let mut staff = Staff::of(31).csv();
    while staff.len() < SIZE {
        let line = format!("E{:05},Ada,Li,a{0}@acme.example,Sales\n", staff.len());
        let room = SIZE - staff.len();
        if room < line.len() * 2 {
            // The last line takes what is left.
            let name = "x".repeat(room - "E99999,,Li,z@acme.example,Sales\n".len());
            staff.extend(format!("E99999,{name},Li,z@acme.example,Sales\n").bytes());
        } else {
            staff.extend(line.bytes());
        }
    }
    assert_eq!(staff.len(), SIZE);
    staff
}

/// So many percent of the file.
pub(super) fn bytes_at(percent: usize) -> usize {
    SIZE * percent / 100
}

/// A tenant on which one kind of damage is done again and again.
pub(super) struct Lane {
    pub(super) tenant: String,
    /// Yesterday's file, which stands.
    pub(super) yesterday: Vec<u8>,
    /// What lies in the mailbox beside it.
    pub(super) beside_bytes: u64,
    /// Where the log of the present cell begins.
    mark: usize,
    cells: usize,
    /// Counted since the start.
    deliveries: u64,
    session: Option<Ftps>,
}

impl Lane {
    /// Yesterday's file is there and applied.
    pub(super) fn given(daemon: &Daemon, tenant: &str) -> Self {
        let mut lane = Self {
            tenant: tenant.to_owned(),
            yesterday: Staff::of(30).csv(),
            beside_bytes: 0,
            mark: 0,
            cells: 0,
            deliveries: 1,
            session: None,
        };
        let yesterday = lane.yesterday.clone();
        let reply = lane.session(daemon).store(FILE, &yesterday);
        assert_eq!(reply.code, 226, "{tenant}: {reply:?}");
        wait_until("yesterday's file to be applied", || {
            lane.gauge(
                daemon,
                "rosterd_import_runs_total",
                &[("outcome", "applied")],
            ) == Some(1)
        });
        let errors = daemon.mailbox(tenant).join("errors");
        wait_until("its receipt", || !files_below(&errors).is_empty());
        lane.is_at_rest(daemon);
        lane
    }

    /// Its login.
    pub(super) fn user(&self) -> String {
        Tenant::without_sources(&self.tenant).user().to_owned()
    }

    /// A session over FTPS.
    pub(super) fn log_in(&self, daemon: &Daemon, port: Port) -> Ftps {
        Ftps::log_in(daemon, port, &self.user(), PASSWORD)
    }

    /// A session that only looks.
    pub(super) fn session(&mut self, daemon: &Daemon) -> &mut Ftps {
        let session = self.session.take();
        let session = session.unwrap_or_else(|| self.log_in(daemon, Port::Explicit));
        self.session.insert(session)
    }

    /// After a restart.
    #[cfg(feature = "failpoints")]
    pub(super) fn restarted(&mut self) {
        self.session = None;
        self.mark = 0;
        self.cells = 0;
        self.deliveries = 0;
    }

    /// From here on the log is about the next cell.
    pub(super) fn mark(&mut self, daemon: &Daemon) {
        self.mark = daemon.logged();
    }

    fn state(&self, daemon: &Daemon, stage: &str) -> PathBuf {
        daemon.folder().join("state").join(stage).join(&self.tenant)
    }

    /// Waits until an upload has begun, and has so many bytes if it is one that is not buffered.
    pub(super) fn wait_for_staged(&self, daemon: &Daemon, bytes: u64) {
        wait_until("an upload in staging", || {
            let staged = files_below(&self.state(daemon, "staging"));
            let mut sizes = staged.iter().filter_map(|file| file.metadata().ok());
            sizes.any(|file| file.len() >= bytes)
        });
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "gauges are floats, these are whole"
    )]
    fn gauge(&self, daemon: &Daemon, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        let own = [
            ("tenant", self.tenant.as_str()),
            ("environment", "production"),
        ];
        let labels = [&own[..], labels].concat();
        daemon.metric(name, &labels).map(|value| value as u64)
    }

    pub(super) fn used_bytes(&self, daemon: &Daemon) -> Option<u64> {
        self.gauge(daemon, "rosterd_mailbox_used_bytes", &[])
    }

    /// Waits until no upload is under way, and no arrival waits.
    pub(super) fn is_at_rest(&self, daemon: &Daemon) {
        for stage in ["staging", "spool"] {
            let folder = self.state(daemon, stage);
            wait_until("empty staging and spool folders", || {
                files_below(&folder).is_empty()
            });
        }
    }

    /// What this tenant's sessions have told the log in the present cell, and what of it went wrong elsewhere.
    fn lines(&self, daemon: &Daemon) -> Vec<Value> {
        let mut lines = daemon.events_since(self.mark);
        lines.retain(|event| {
            let is_bad = event["level"] == "WARN" || event["level"] == "ERROR";
            event["span"]["tenant.id"] == self.tenant.as_str()
                || (event["tenant.id"] == self.tenant.as_str() && is_bad)
        });
        lines
    }

    /// Then the old file stands, nothing is left over, and one line of the log tells it.
    #[track_caller]
    pub(super) fn nothing_happened(&mut self, daemon: &Daemon, cell: &str, level: &str) -> Cut {
        let line = wait_for("the line in the log about the cut", || {
            self.lines(daemon).into_iter().next()
        });
        self.cells += 1;
        let cut = Cut::read(&line, &self.tenant, level);
        self.is_at_rest(daemon);

        let data = daemon.mailbox(&self.tenant).join("data");
        assert_eq!(names_in(&data), ["employees.csv"], "{cell}");
        let lying = std::fs::read(data.join("employees.csv")).unwrap();
        assert!(lying == self.yesterday, "{cell}: the old file has changed");
        let session = self.session(daemon);
        assert_eq!(session.names("/data"), ["employees.csv"], "{cell}");
        let fetched = session.fetch(&format!("RETR {FILE}"));
        assert!(fetched == self.yesterday, "{cell}: what is read is new");

        let exact = self.yesterday.len() as u64 + self.beside_bytes;
        assert_eq!(self.used_bytes(daemon), Some(exact), "{cell}: the quota");
        let deliveries = self.gauge(daemon, "rosterd_deliveries_total", &[("kind", "data")]);
        let deliveries = deliveries.unwrap_or(0);
        assert_eq!(deliveries, self.deliveries, "{cell}: deliveries");
        let lines = self.lines(daemon);
        assert_eq!(lines.len(), 1, "{cell}: {lines:#?}");
        cut
    }

    /// At the end: one run, and one line for each cell.
    #[track_caller]
    pub(super) fn one_run_and_one_line_each(&self, daemon: &Daemon) {
        let cuts = daemon
            .events()
            .iter()
            .filter(|event| {
                event["message"] == "upload cut"
                    && event["span"]["tenant.id"] == self.tenant.as_str()
            })
            .count();
        assert_eq!(cuts, self.cells, "{}: lines in the log", self.tenant);
        let runs = daemon
            .run(&["runs", "--tenant", &self.tenant, "--json"])
            .succeeded();
        let runs: Value = serde_json::from_slice(&runs.stdout).unwrap();
        let outcomes: Vec<_> = runs["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["outcome"].as_str().unwrap())
            .collect();
        assert_eq!(outcomes, ["applied"], "{}", self.tenant);
    }
}

/// One overwrite: of whom, and how far it gets.
pub(super) struct Cell<'a> {
    pub(super) daemon: &'a Daemon,
    pub(super) lane: &'a mut Lane,
    pub(super) percent: usize,
    pub(super) today: &'a [u8],
}

impl Cell<'_> {
    /// What comes before the damage.
    pub(super) fn sent(&self) -> &[u8] {
        &self.today[..bytes_at(self.percent)]
    }

    /// What would come after it.
    pub(super) fn rest(&self) -> &[u8] {
        &self.today[bytes_at(self.percent)..]
    }

    /// Explicit and implicit take turns.
    pub(super) fn port(&self) -> Port {
        if matches!(self.percent, 1 | 99) {
            Port::Implicit
        } else {
            Port::Explicit
        }
    }

    /// An upload over FTPS that has come to its place, and of which the daemon has read all.
    pub(super) fn over_ftps(&mut self) -> (Ftps, Data) {
        let mut session = self.lane.log_in(self.daemon, self.port());
        self.lane.mark(self.daemon);
        let mut data = session.transfer(&format!("STOR {FILE}"));
        data.send(self.sent());
        (session, data)
    }

    /// The same over SFTP.
    pub(super) fn over_sftp(&mut self) -> (Sftp, HandleId) {
        let mut session = Sftp::log_in(self.daemon, &self.lane.user(), PASSWORD);
        self.lane.mark(self.daemon);
        let handle = session.open(FILE);
        let written = session.write(&handle, 0, self.sent());
        assert!(written.is_ok(), "{written:?}");
        (session, handle)
    }

    /// Waits until the daemon has noticed.
    pub(super) fn is_over(&self) {
        self.lane.is_at_rest(self.daemon);
    }
}

/// What the log tells of a cut upload.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) reason: String,
    pub(super) size_bytes: u64,
}

impl Cut {
    /// Reads the line, which must have the one form that it has for both protocols.
    #[track_caller]
    fn read(line: &Value, tenant: &str, level: &str) -> Self {
        let mut keys: Vec<_> = line
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        let form = [
            "duration_ms",
            "level",
            "message",
            "reason",
            "size_bytes",
            "span",
            "timestamp",
        ];
        assert_eq!(keys, form, "{line}");
        assert_eq!(line["message"], "upload cut");
        assert_eq!(line["level"], level, "{line}");
        let mut keys: Vec<_> = line["span"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        let form = [
            "environment",
            "login",
            "name",
            "protocol",
            "session.id",
            "tenant.id",
        ];
        assert_eq!(keys, form, "{line}");
        assert_eq!(line["span"]["environment"], "production");
        assert_eq!(line["span"]["login"], format!("hr@{tenant}.example"));
        let session = line["span"]["session.id"].as_str().unwrap();
        let dashes: Vec<_> = session.match_indices('-').map(|(at, _)| at).collect();
        assert_eq!(
            (session.len(), &dashes[..]),
            (36, &[8, 13, 18, 23][..]),
            "{line}"
        );
        assert!(line["duration_ms"].as_u64().unwrap() < 120_000, "{line}");
        Self {
            reason: line["reason"].as_str().unwrap().to_owned(),
            size_bytes: line["size_bytes"].as_u64().unwrap(),
        }
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
