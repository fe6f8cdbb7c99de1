//! What is left of some nights when all is at rest, without ids and times: what a daemon that was killed must have in common with one that was not.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::cli::Run;
use super::{Daemon, files_below, wait_for};

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
    /// Waits until nothing is under way and `/errors` tells of every outcome; the runs of a tenant, oldest first.
    #[track_caller]
    pub(crate) fn runs_at_rest(&self, tenant: &str) -> Vec<Run> {
        self.wait_for_empty_spool();
        let errors = self.mailbox(tenant).join("errors");
        let runs = wait_for("the end of every run, told in a receipt", || {
            let mut runs = self.runs();
            runs.retain(|run| run.tenant() == tenant);
            runs.reverse();
            let is_told = |run: &Run| {
                let receipt = receipt(&errors, run);
                run.is_over() && receipt.is_some_and(|it| it["outcome"] == run.outcome())
            };
            runs.iter().all(is_told).then_some(runs)
        });
        self.wait_for_empty_staging();
        runs
    }

    /// What is left, once all is at rest. Asserts what must hold whatever has happened: one run a delivery, one change a file, a receipt a run,
    /// one copy in the archive, and nothing else.
    #[track_caller]
    pub(crate) fn end_state(&self, tenant: &str) -> EndState {
        let runs = self.runs_at_rest(tenant);
        let mailbox = self.mailbox(tenant);
        let errors = mailbox.join("errors");

        let mut by_file: BTreeMap<String, Vec<&Run>> = BTreeMap::new();
        let mut order: Vec<&str> = Vec::new();
        let mut told = Vec::new();
        for run in &runs {
            let group = by_file.entry(run.sha256().to_owned()).or_default();
            if group.is_empty() {
                order.push(run.sha256());
            }
            group.push(run);
            told.push(format!("{}.receipt.json", run.delivery()));
            if receipt(&errors, run).unwrap()["findings"] != 0 {
                told.push(format!("{}.errors.csv", run.delivery()));
            }
        }
        told.sort();
        assert_eq!(names(&errors), told, "in /errors");
        let mut deliveries: Vec<_> = runs.iter().map(|run| run.delivery().to_owned()).collect();
        deliveries.sort();
        let archive = self.folder().join("state/archive").join(tenant);
        assert_eq!(names(&archive.join("production")), deliveries, "archived");

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
        let files: BTreeMap<_, _> = files_below(&mailbox)
            .into_iter()
            .filter(|path| !path.starts_with(mailbox.join("errors")))
            .map(|path| {
                let name = path.strip_prefix(&mailbox).unwrap().display().to_string();
                (name, std::fs::read(&path).unwrap())
            })
            .collect();
        let labels = [("tenant", tenant), ("environment", "production")];
        let used_bytes = self.metric("rosterd_mailbox_used_bytes", &labels).unwrap();
        let lying: usize = files.values().map(Vec::len).sum();
        #[expect(clippy::cast_precision_loss, reason = "a test's files are small")]
        let lying_bytes = lying as f64;
        assert!(
            (used_bytes - lying_bytes).abs() < 0.5,
            "{used_bytes} used, {lying} lie there"
        );
        EndState {
            roster: String::from_utf8(self.roster_csv(tenant)).unwrap(),
            runs,
            files,
            used_bytes: lying as u64,
        }
    }
}

/// The receipt of a run, if it is there.
fn receipt(errors: &Path, run: &Run) -> Option<Value> {
    let receipt = std::fs::read(errors.join(format!("{}.receipt.json", run.delivery()))).ok()?;
    serde_json::from_slice(&receipt).ok()
}

fn names(folder: &Path) -> Vec<String> {
    files_below(folder)
        .iter()
        .map(|path| path.file_name().unwrap().display().to_string())
        .collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A document without what differs from night to night.
fn anonymous(mut document: Value) -> String {
    for key in ["id", "delivery", "started_at", "finished_at", "error_file"] {
        if let Some(value) = document.get_mut(key).filter(|value| !value.is_null()) {
            *value = "…".into();
        }
    }
    serde_json::to_string_pretty(&document).unwrap()
}
