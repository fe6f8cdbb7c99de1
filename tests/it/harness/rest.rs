//! All at rest: nothing under way, every outcome told, and everything that lies somewhere belongs there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::cli::Run;
use super::{Daemon, files_below, wait_for};

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

    /// What is not as it must be at rest, whatever has happened: receipt and summary a run, error files where there are findings, a copy in the archive a
    /// delivery, nothing else, and a quota that is used by just what lies there.
    #[track_caller]
    pub(crate) fn disorder(&self, tenant: &str, runs: &[Run]) -> Vec<String> {
        let errors = self.mailbox(tenant).join("errors");
        let mut expected = Vec::new();
        for run in runs {
            expected.push(format!("{}.receipt.json", run.delivery()));
            expected.push(format!("{}.summary.html", run.delivery()));
            if receipt(&errors, run).is_some_and(|it| it["findings"] != 0) {
                expected.push(format!("{}.errors.csv", run.delivery()));
                expected.push(format!("{}.errors.json", run.delivery()));
            }
        }
        let deliveries = runs.iter().map(|run| run.delivery().to_owned());
        let archive = self.folder().join("state/archive").join(tenant);
        let mut disorder = Vec::new();
        for (folder, expected) in [(errors, expected), (archive, deliveries.collect())] {
            let (lying, expected) = (BTreeSet::from_iter(names(&folder)), expected.into_iter());
            for name in lying.symmetric_difference(&expected.collect()) {
                disorder.push(format!("{name} in {}", folder.display()));
            }
        }
        let lying: usize = self.sent_files(tenant).values().map(Vec::len).sum();
        let labels = [("tenant", tenant), ("environment", "production")];
        let used = self.metric("rosterd_mailbox_used_bytes", &labels);
        if used.map(|used| format!("{used:.0}")) != Some(lying.to_string()) {
            disorder.push(format!("{used:?} bytes used, {lying} lie there"));
        }
        disorder
    }

    /// Names and bytes of what senders have put into a mailbox.
    pub(super) fn sent_files(&self, tenant: &str) -> BTreeMap<String, Vec<u8>> {
        let mailbox = self.mailbox(tenant);
        files_below(&mailbox)
            .into_iter()
            .filter(|path| !path.starts_with(mailbox.join("errors")))
            .map(|path| {
                let name = path.strip_prefix(&mailbox).unwrap().display().to_string();
                (name, std::fs::read(&path).unwrap())
            })
            .collect()
    }
}

/// The receipt of a run, if it is there.
pub(super) fn receipt(errors: &Path, run: &Run) -> Option<Value> {
    let receipt = std::fs::read(errors.join(format!("{}.receipt.json", run.delivery()))).ok()?;
    serde_json::from_slice(&receipt).ok()
}

fn names(folder: &Path) -> Vec<String> {
    files_below(folder)
        .iter()
        .map(|path| path.file_name().unwrap().display().to_string())
        .collect()
}
