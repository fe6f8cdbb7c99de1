//! Pure. What lies between two runs.

use serde::Serialize;

use crate::report::run::Run;
use crate::report::text::{change, text};
use crate::roster::person::Change;

/// Two runs of one data source, the earlier one first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DifferenceDocument {
    pub from: Run,
    pub to: Run,
    /// Of each person one, whatever lay between; pay and national ids masked.
    pub changes: Vec<Change>,
}

/// The same as text.
pub fn difference(document: &DifferenceDocument) -> String {
    let side = |word: &str, run: &Run| {
        let id = run.id.as_deref().unwrap_or_default();
        let at = run
            .finished_at
            .map_or(String::new(), |at| format!(", {at:.0}"));
        format!("{word:<9} {id}, {}{at}", run.outcome.as_str())
    };
    let mut lines = vec![
        side("from", &document.from),
        side("to", &document.to),
        format!("people    {} differ", document.changes.len()),
    ];
    lines.extend(document.changes.iter().map(change));
    text(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run::tests::example;

    #[test]
    fn what_lies_between_two_runs_reads_well_at_a_terminal() {
        let from = example();
        let mut to = from.run.clone();
        to.id = Some("0194-run".to_owned());
        let document = DifferenceDocument {
            from: from.run,
            to,
            changes: from.changes,
        };
        insta::assert_snapshot!(difference(&document));
    }
}
