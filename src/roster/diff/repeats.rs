//! Pure. Keys that occur more than once in a file: identical copies of a row count once, differing rows of one key are all refused.

use std::collections::{BTreeMap, HashSet};

use super::Said;
use crate::parse::finding::{Finding, Severity, code};

/// Other rows that a finding names before it says how many more there are.
const NAMED_ROWS: usize = 5;

/// Every row of every repeated key.
#[derive(Debug, Default)]
pub(super) struct Repeats(BTreeMap<Box<str>, Vec<(u64, Said)>>);

/// What becomes of them.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Keys of which no row is taken.
    pub(super) conflicting: HashSet<Box<str>>,
    /// Rows refused only because of their neighbours.
    pub(super) refused_rows: u64,
    pub(super) collapsed: u64,
}

impl Repeats {
    /// Notes a further row of `key`, whose first one is known.
    pub(super) fn note(&mut self, key: &str, first: (u64, Said), further: (u64, Said)) {
        if let Some(rows) = self.0.get_mut(key) {
            rows.push(further);
        } else {
            self.0.insert(key.into(), vec![first, further]);
        }
    }

    /// Whether the key has more than one row.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Decides, and tells about every row.
    pub(super) fn judge(self, tell: &mut impl FnMut(Finding)) -> Verdict {
        let mut verdict = Verdict::default();
        for (key, rows) in self.0 {
            let first = rows.first().copied();
            let alike = rows
                .iter()
                .all(|(_, said)| first.is_some_and(|(_, first)| first == *said));
            if alike && rows.iter().any(|(_, said)| *said == Said::Nonsense) {
                // Refused already, each for its own faults.
            } else if alike {
                for (row, _) in rows.iter().skip(1) {
                    verdict.collapsed += 1;
                    tell(copy(*row, first.map_or(0, |(row, _)| row)));
                }
            } else {
                for (at, (row, said)) in rows.iter().enumerate() {
                    if *said != Said::Nonsense {
                        verdict.refused_rows += 1;
                        tell(conflict(*row, at, &rows));
                    }
                }
                verdict.conflicting.insert(key);
            }
        }
        verdict
    }
}

fn copy(row: u64, first: u64) -> Finding {
    Finding::row(
        row,
        None,
        code::DUPLICATE_ROW,
        format!("The row is identical to row {first}."),
        "Nothing: it was counted once. Let the export list each person once.",
    )
    .with_severity(Severity::Warning)
}

fn conflict(row: u64, at: usize, rows: &[(u64, Said)]) -> Finding {
    let neighbours = rows.iter().enumerate().filter(|(other, _)| *other != at);
    let others: Vec<String> = neighbours
        .take(NAMED_ROWS)
        .map(|(_, (row, _))| row.to_string())
        .collect();
    let others = others.join(", ");
    let (rows_word, more) = match rows.len() - 1 {
        1 => ("row", String::new()),
        further if further <= NAMED_ROWS => ("rows", String::new()),
        further => ("rows", format!(" and {} more", further - NAMED_ROWS)),
    };
    Finding::row(
        row,
        None,
        code::UNIQUE_ERROR,
        format!(
            "The same employee id stands in {rows_word} {others}{more} with other values, so none of these rows was taken."
        ),
        "Keep one row for each employee id.",
    )
}
