//! rosterd's own commands, as an admin types them.

use serde_json::Value;

use super::staff::Staff;
use super::{Daemon, Reply, wait_for};

/// What the contract calls RUN.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run(pub(crate) Value);

/// The counts of a run, in the order of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) rows: u64,
    pub(crate) joiners: u64,
    pub(crate) movers: u64,
    pub(crate) leavers: u64,
    pub(crate) unchanged: u64,
    pub(crate) refused_rows: u64,
    pub(crate) skipped: u64,
    pub(crate) collapsed: u64,
}

impl Run {
    /// Reads the document of `--json`.
    #[track_caller]
    pub(crate) fn parse(reply: &Reply) -> Self {
        match serde_json::from_slice(&reply.stdout) {
            Ok(document) => Self(document),
            Err(error) => panic!("not one JSON document: {error}: {reply:?}"),
        }
    }

    #[track_caller]
    fn text(&self, key: &str) -> &str {
        self.0[key]
            .as_str()
            .unwrap_or_else(|| panic!("no text at {key}: {self:?}"))
    }

    pub(crate) fn id(&self) -> &str {
        self.text("id")
    }

    pub(crate) fn outcome(&self) -> &str {
        self.text("outcome")
    }

    pub(crate) fn sha256(&self) -> &str {
        self.text("sha256")
    }

    pub(crate) fn tenant(&self) -> &str {
        self.text("tenant")
    }

    /// Empty where it is of none.
    pub(crate) fn delivery(&self) -> &str {
        self.0["delivery"].as_str().unwrap_or_default()
    }

    /// Whether nothing more happens to it by itself.
    pub(crate) fn is_over(&self) -> bool {
        !matches!(self.outcome(), "queued" | "running")
    }

    #[track_caller]
    pub(crate) fn counts(&self) -> Counts {
        let count = |name: &str| {
            self.0["counts"][name]
                .as_u64()
                .unwrap_or_else(|| panic!("no count of {name}: {self:?}"))
        };
        Counts {
            rows: count("rows"),
            joiners: count("joiners"),
            movers: count("movers"),
            leavers: count("leavers"),
            unchanged: count("unchanged"),
            refused_rows: count("refused_rows"),
            skipped: count("skipped"),
            collapsed: count("collapsed"),
        }
    }

    /// Its findings; only in the document of one run.
    #[track_caller]
    pub(crate) fn findings(&self) -> &[Value] {
        self.0["findings"].as_array().expect("findings").as_slice()
    }

    /// Its findings of severity error.
    #[track_caller]
    pub(crate) fn errors(&self) -> Vec<&Value> {
        self.findings()
            .iter()
            .filter(|finding| finding["severity"] == "error")
            .collect()
    }

    /// Its changes as (kind, employee id), in order of the id.
    #[track_caller]
    pub(crate) fn changes(&self) -> Vec<(String, String)> {
        let text = |change: &Value, key: &str| change[key].as_str().unwrap().to_owned();
        let mut changes: Vec<_> = self.0["changes"]
            .as_array()
            .expect("changes")
            .iter()
            .map(|change| (text(change, "kind"), text(change, "employee_id")))
            .collect();
        changes.sort_by(|one, other| one.1.cmp(&other.1));
        changes
    }

    /// The run, which must have come to this outcome.
    #[track_caller]
    pub(crate) fn came_to(self, outcome: &str) -> Self {
        assert_eq!(self.outcome(), outcome, "{self:?}");
        self
    }
}

impl Daemon {
    /// Runs a command.
    pub(crate) fn run(&self, arguments: &[&str]) -> Reply {
        Reply::to(self.rosterd().args(arguments))
    }

    /// All runs, newest first.
    #[track_caller]
    pub(crate) fn runs(&self) -> Vec<Run> {
        let reply = self
            .run(&["runs", "--limit", "1000000", "--json"])
            .succeeded();
        let document = Run::parse(&reply).0;
        let runs = document["runs"].as_array().expect("runs");
        runs.iter().cloned().map(Run).collect()
    }

    /// One run with its findings and changes.
    #[track_caller]
    pub(crate) fn run_document(&self, id: &str) -> Run {
        Run::parse(&self.run(&["run", id, "--json"]).succeeded())
    }

    /// Waits until the run of a delivery is over.
    #[track_caller]
    pub(crate) fn outcome_of(&self, delivery: &str) -> Run {
        let id = wait_for(&format!("the outcome of delivery {delivery}"), || {
            let runs = self.runs();
            let run = runs.iter().find(|run| run.delivery() == delivery)?;
            run.is_over().then(|| run.id().to_owned())
        });
        self.run_document(&id)
    }

    /// Sends a file with curl and waits for the outcome.
    #[track_caller]
    pub(crate) fn deliver(&self, tenant: &str, path: &str, bytes: impl AsRef<[u8]>) -> Run {
        let reply = self.sender(tenant).upload(path, bytes).succeeded();
        self.outcome_of(&reply.delivery())
    }

    /// The roster as CSV.
    #[track_caller]
    pub(crate) fn roster_csv(&self, tenant: &str) -> Vec<u8> {
        self.run(&["roster", "--tenant", tenant, "--format", "csv"])
            .succeeded()
            .stdout
    }

    /// The people employed now.
    #[track_caller]
    pub(crate) fn roster(&self, tenant: &str) -> Staff {
        Staff::read(&self.roster_csv(tenant))
    }

    /// The roster, column by column, in the order of its lines.
    #[track_caller]
    pub(crate) fn roster_column(&self, tenant: &str, column: &str) -> Vec<String> {
        column_of(&self.roster_csv(tenant), column)
    }
}

/// One column of a CSV file.
#[track_caller]
pub(crate) fn column_of(csv: &[u8], column: &str) -> Vec<String> {
    let csv = csv.strip_prefix("\u{feff}".as_bytes()).unwrap_or(csv);
    let mut reader = csv::Reader::from_reader(csv);
    let headers = reader.headers().unwrap().clone();
    let at = headers
        .iter()
        .position(|header| header == column)
        .unwrap_or_else(|| panic!("no column {column} in {headers:?}"));
    reader
        .records()
        .map(|record| record.unwrap()[at].to_owned())
        .collect()
}
