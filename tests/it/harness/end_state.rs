//! What is left of some nights when all is at rest, without ids and times: what a daemon that was killed must have in common with one that was not.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::Daemon;
use super::cli::Run;
use super::rest::receipt;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndState {
    /// As `rosterd roster` writes it.
    pub(crate) roster: String,
    /// For each different file, in order of arrival: the document of the run that changed something, its receipt and its error file.
    pub(crate) runs: Vec<[String; 3]>,
    /// Names and bytes of what senders have put there.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) used_bytes: u64,
}

impl Daemon {
    /// What is left, once all is at rest and in order.
    #[track_caller]
    pub(crate) fn end_state(&self, tenant: &str) -> EndState {
        let runs = self.runs_at_rest(tenant);
        assert_eq!(self.disorder(tenant, &runs), [] as [String; 0]);
        let errors = self.mailbox(tenant).join("errors");

        let mut by_file: BTreeMap<String, Vec<&Run>> = BTreeMap::new();
        let mut order: Vec<&str> = Vec::new();
        for run in &runs {
            let group = by_file.entry(run.sha256().to_owned()).or_default();
            if group.is_empty() {
                order.push(run.sha256());
            }
            group.push(run);
        }
        let decisive = order.iter().map(|sha256| {
            let group = &by_file[*sha256];
            let applied: Vec<_> = group
                .iter()
                .filter(|run| run.outcome() == "applied")
                .collect();
            assert_eq!(applied.len(), 1, "one change a file: {group:?}");
            let rest = ["applied", "no_change", "superseded"];
            assert!(
                group.iter().all(|run| rest.contains(&run.outcome())),
                "{group:?}"
            );
            let run = applied[0];
            [
                anonymous(self.run_document(run.id()).0),
                anonymous(receipt(&errors, run).unwrap()),
                read(&errors.join(format!("{}.errors.csv", run.delivery()))),
            ]
        });
        let runs: Vec<_> = decisive.collect();
        let files = self.sent_files(tenant);
        EndState {
            roster: String::from_utf8(self.roster_csv(tenant)).unwrap(),
            runs,
            used_bytes: files.values().map(|bytes| bytes.len() as u64).sum(),
            files,
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A document without what differs from night to night.
fn anonymous(mut document: Value) -> String {
    for key in [
        "id",
        "delivery",
        "started_at",
        "finished_at",
        "error_file",
        "summary",
    ] {
        if let Some(value) = document.get_mut(key).filter(|value| !value.is_null()) {
            *value = "…".into();
        }
    }
    serde_json::to_string_pretty(&document).unwrap()
}
