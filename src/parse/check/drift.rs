//! Pure. How a file differs in form from the last one that was accepted: what a sender changed without telling anybody.
//!
//! Another delimiter is told by the reader, which expects the one before. Nothing here refuses a file. It tells, in the report of the night on which it happened, why rows fail or people change all at once.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use serde::{Deserialize, Serialize};

use crate::parse::field::normalised;
use crate::parse::finding::{Finding, Severity, code};
use crate::parse::layout::Layout;

/// From here on, of 1 for the same, a lost and a new header are taken for one that was renamed.
const ALIKE: f64 = 0.85;
/// Percent of the rows that may go or come without a word.
const USUAL_PERCENT: u64 = 20;
/// Of fewer rows than these, a fifth says nothing.
const FEW_ROWS: u64 = 10;
const SHOWN: usize = 8;

/// Characters of a header that are remembered: longer ones are sentences.
const LABEL: usize = 200;

/// The form of a file that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    pub layout: Layout,
    /// Headers from left to right.
    pub labels: Vec<String>,
    /// Columns whose dates or numbers were read by what the file itself showed, each with what that was.
    pub habits: Vec<(String, String)>,
    pub rows: u64,
}

impl Shape {
    /// Of a file whose rows have not come yet.
    pub fn new(layout: Layout, labels: &[String]) -> Self {
        let remembered = |label: &String| label.chars().take(LABEL).collect();
        Self {
            layout,
            labels: labels.iter().map(remembered).collect(),
            habits: Vec::new(),
            rows: 0,
        }
    }
}

/// What has changed since `before`; nothing if the file looks as it did.
pub fn drift(before: &Shape, now: &Shape) -> Vec<Finding> {
    let mut findings = columns(before, now);
    let mut changed = |what: &str, before: &str, now: &str| {
        if before != now {
            findings.push(finding(
                Severity::Warning,
                format!(
                    "{what} has changed since the last accepted file: it was {before} and is {now}."
                ),
                "If that was meant, nothing; else look at what has changed in the export.",
            ));
        }
    };
    changed(
        "The format of the file",
        before.layout.kind.as_str(),
        now.layout.kind.as_str(),
    );
    if before.layout.kind == now.layout.kind {
        let encoding = |shape: &Shape| shape.layout.encoding.clone().unwrap_or_default();
        changed("The encoding", &encoding(before), &encoding(now));
        let sheet = |shape: &Shape| match &shape.layout.sheet {
            Some(name) => format!("\"{}\"", short(name)),
            None => String::new(),
        };
        changed("The sheet", &sheet(before), &sheet(now));
    }
    for (label, habit) in &before.habits {
        let now = now.habits.iter().find(|(other, _)| other == label);
        if let Some((_, now)) = now {
            changed(&format!("The column \"{}\"", short(label)), habit, now);
        }
    }
    findings.extend(rows(before.rows, now.rows));
    findings
}

fn columns(before: &Shape, now: &Shape) -> Vec<Finding> {
    let names = |shape: &Shape| -> Vec<String> {
        shape.labels.iter().map(|label| normalised(label)).collect()
    };
    let (old, new) = (names(before), names(now));
    let missing = |from: &[String], labels: &[String], among: &[String]| -> Vec<(usize, String)> {
        let lost = from.iter().zip(labels).enumerate();
        lost.filter(|(_, (name, _))| !name.is_empty() && !among.contains(name))
            .map(|(at, (_, label))| (at, label.clone()))
            .collect()
    };
    let mut lost = missing(&old, &before.labels, &new);
    let mut come = missing(&new, &now.labels, &old);
    let mut renamed = Vec::new();
    lost.retain(|(at, label)| {
        let is_it = |(place, other): &(usize, String)| {
            place == at && old.len() == new.len()
                || strsim::jaro_winkler(&normalised(label), &normalised(other)) >= ALIKE
        };
        let Some(found) = come.iter().position(is_it) else {
            return true;
        };
        let (_, other) = come.remove(found);
        renamed.push(format!("\"{}\" to \"{}\"", short(label), short(&other)));
        false
    });
    let mut findings = Vec::new();
    let mut tell = |severity, what: &str, labels: Vec<String>| {
        if !labels.is_empty() {
            findings.push(finding(
                severity,
                format!("{what} since the last accepted file: {}.", shown(&labels)),
                "If that was meant, look at whether [data_source.columns] names the right headers; else look at the export.",
            ));
        }
    };
    let quoted = |labels: Vec<(usize, String)>| -> Vec<String> {
        let labels = labels.iter();
        labels
            .map(|(_, label)| format!("\"{}\"", short(label)))
            .collect()
    };
    tell(Severity::Warning, "Columns were renamed", renamed);
    tell(Severity::Warning, "Columns are gone", quoted(lost));
    tell(Severity::Info, "There are new columns", quoted(come));
    let common = |from: &[String], among: &[String]| -> Vec<String> {
        let kept = from.iter().filter(|name| among.contains(name));
        kept.cloned().collect()
    };
    if common(&old, &new) != common(&new, &old) {
        findings.push(finding(
            Severity::Info,
            "The columns stand in another order than in the last accepted file.".to_owned(),
            "Nothing: columns are found by their headers.",
        ));
    }
    findings
}

fn rows(before: u64, now: u64) -> Option<Finding> {
    let difference = before.abs_diff(now);
    if before.max(now) < FEW_ROWS
        || difference.saturating_mul(100) <= before.saturating_mul(USUAL_PERCENT)
    {
        return None;
    }
    let severity = if now < before {
        Severity::Warning
    } else {
        Severity::Info
    };
    Some(finding(
        severity,
        format!("The file has {now} rows, and the last accepted one had {before}."),
        "Look at whether the export was filtered or cut.",
    ))
}

fn finding(severity: Severity, message: String, remedy: &str) -> Finding {
    Finding::file(code::LAYOUT_DRIFT, message, remedy).with_severity(severity)
}

fn shown(labels: &[String]) -> String {
    let more = match labels.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let first: Vec<&str> = labels.iter().take(SHOWN).map(String::as_str).collect();
    format!("{}{more}", first.join(", "))
}

/// At most sixty characters.
fn short(label: &str) -> &str {
    let end = label.char_indices().nth(60).map(|(end, _)| end);
    end.and_then(|end| label.get(..end)).unwrap_or(label).trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::layout::TableKind;

    fn shape(labels: &[&str]) -> Shape {
        Shape {
            layout: Layout {
                kind: TableKind::Delimited,
                encoding: Some("UTF-8".to_owned()),
                delimiter: Some(b','),
                sheet: None,
            },
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            habits: Vec::new(),
            rows: 100,
        }
    }

    fn told(before: &Shape, now: &Shape) -> Vec<String> {
        let findings = drift(before, now);
        assert!(findings.iter().all(|it| it.severity != Severity::Error));
        findings.into_iter().map(|it| it.message).collect()
    }

    #[test]
    fn of_a_header_that_is_a_book_only_the_beginning_is_remembered() {
        let layout = shape(&[]).layout;
        let long = Shape::new(layout, &["ä".repeat(30_000), "id".to_owned()]);
        assert_eq!(long.labels, ["ä".repeat(200), "id".to_owned()]);
    }

    #[test]
    fn a_file_that_looks_as_it_did_says_nothing() {
        let before = shape(&["Employee ID", "Name"]);
        let mut now = shape(&["employee id", "NAME"]);
        now.rows = 115;
        assert_eq!(told(&before, &now), [""; 0]);
    }

    #[test]
    fn columns_that_were_renamed_lost_added_or_moved_are_named() {
        let before = shape(&["Employee ID", "Department", "Work phone", "Hired"]);
        let now = shape(&[
            "Hired",
            "Employee ID",
            "Departments",
            "Cost centre",
            "Shoe size",
        ]);
        let told = told(&before, &now);
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told[0].contains("\"Department\" to \"Departments\""));
        assert!(told[1].contains("gone") && told[1].contains("\"Work phone\""));
        assert!(told[2].contains("\"Cost centre\", \"Shoe size\""));
        assert!(told[3].contains("another order"));
    }

    #[test]
    fn in_a_header_of_the_same_width_the_new_name_in_the_old_place_is_a_renaming() {
        let told = told(&shape(&["id", "Unit"]), &shape(&["id", "Abteilung"]));
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("\"Unit\" to \"Abteilung\""), "{told:?}");
    }

    #[test]
    fn another_encoding_habit_or_format_is_told() {
        let mut before = shape(&["id"]);
        before.habits = vec![("Hired".to_owned(), "the day before the month".to_owned())];
        let mut now = before.clone();
        now.layout.encoding = Some("windows-1252".to_owned());
        now.habits = vec![("Hired".to_owned(), "the month before the day".to_owned())];
        let changes = told(&before, &now);
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert!(changes[0].contains("it was UTF-8 and is windows-1252"));
        let mut workbook = before.clone();
        workbook.layout.kind = TableKind::Xlsx;
        workbook.layout.sheet = Some("Staff".to_owned());
        let changes = told(&before, &workbook);
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert!(changes[0].contains("xlsx"));
    }

    #[test]
    fn many_rows_more_or_less_are_told_and_a_few_are_not() {
        let before = shape(&["id"]);
        let with = |rows| Shape {
            rows,
            ..before.clone()
        };
        assert_eq!(told(&before, &with(80)).len(), 0);
        assert_eq!(drift(&before, &with(79))[0].severity, Severity::Warning);
        assert_eq!(drift(&before, &with(121))[0].severity, Severity::Info);
        assert_eq!(told(&with(2), &with(9)).len(), 0);
    }
}
