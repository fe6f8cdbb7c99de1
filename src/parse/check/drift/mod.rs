//! Pure. How a file differs in form from the last one that was accepted: what a sender changed without telling anybody.
//!
//! Another delimiter is told by the reader, which expects the one before. Nothing here refuses a file. It tells, in the report of the night on which
//! it happened, why rows fail or people change all at once; and of the few fields that decide who is employed it says when a person has to look first.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use serde::{Deserialize, Serialize};

use crate::parse::check::columns::{Found, MappedColumn, Saved};
use crate::parse::check::names::NameOrder;
use crate::parse::field::{Field, normalised};
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

/// The form of a file that was accepted. What has come later may be missing in one that was stored before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    pub layout: Layout,
    /// Headers from left to right.
    pub labels: Vec<String>,
    /// Which of them held which field.
    #[serde(default)]
    pub mapped: Vec<MappedColumn>,
    /// Columns whose dates, numbers or names were read by what the file itself showed, each with what that was.
    pub habits: Vec<(String, String)>,
    /// Columns of dates, each with the ways in which they are written.
    #[serde(default)]
    pub forms: Vec<(String, Vec<String>)>,
    pub rows: u64,
}

impl Shape {
    /// Of a file whose rows have not come yet.
    pub fn new(layout: Layout, labels: &[String]) -> Self {
        let remembered = |label: &String| label.chars().take(LABEL).collect();
        Self {
            layout,
            labels: labels.iter().map(remembered).collect(),
            mapped: Vec::new(),
            habits: Vec::new(),
            forms: Vec::new(),
            rows: 0,
        }
    }

    /// Takes note of which column held which field.
    pub fn remember(&mut self, mapped: Vec<MappedColumn>) {
        self.mapped = mapped;
        // What is longer is known by no synonym, so only a configuration can have named it.
        self.mapped
            .retain(|column| column.header.chars().count() <= LABEL);
    }

    /// What the next file of the data source is read by.
    pub fn saved(&self) -> Saved {
        let by_itself =
            |column: &&MappedColumn| matches!(column.found, Found::Saved | Found::Synonym);
        let columns = self.mapped.iter().filter(by_itself);
        let last_first = NameOrder::LastFirst.as_str();
        let names = self.habits.iter().filter(|(_, habit)| habit == last_first);
        Saved {
            columns: columns
                .filter_map(|column| Some((column.field()?, column.header.clone())))
                // Columns of extra fields are the configuration's to name.
                .filter(|(field, _)| field.kind().is_some())
                .collect(),
            last_first: names.map(|(label, _)| label.clone()).collect(),
        }
    }

    /// The column of a field; what was taken out of another one has none.
    fn column(&self, field: Field) -> Option<&MappedColumn> {
        self.mapped
            .iter()
            .find(|column| column.field() == Some(field) && column.found != Found::Derived)
    }

    /// Whether the field has a value in the file, be it out of another field's column.
    fn has(&self, field: Field) -> bool {
        let mut mapped = self.mapped.iter();
        mapped.any(|column| column.field() == Some(field))
    }

    /// The field of a column.
    fn field(&self, header: &str) -> Option<&str> {
        let header = normalised(header);
        self.mapped
            .iter()
            .find(|column| column.found != Found::Derived && normalised(&column.header) == header)
            .map(MappedColumn::field_name)
    }
}

/// Why a person has to look at the file before it is applied, or nothing: a field that decides who is employed would be read from another column
/// than before, and nobody but a list of synonyms has said so.
pub fn objection(before: &Shape, now: &Shape) -> Option<String> {
    let mut objections = Vec::new();
    for (field, what) in [
        (Field::EmployeeId, "the employee ids"),
        (Field::EmploymentStatus, "the employment status"),
        (Field::TerminationDate, "the termination date"),
    ] {
        let Some(was) = before.column(field) else {
            continue;
        };
        match now.column(field) {
            Some(is) if is.found == Found::Configured || same(&was.header, &is.header) => {}
            Some(is) => {
                objections.push(format!(
                    "The last accepted file had {what} in the column \"{}\", and this one would be read with \"{}\": somebody has to say that they hold the same",
                    short(&was.header),
                    short(&is.header)
                ));
            }
            // Another column may class it.
            None if field == Field::EmploymentStatus && !now.has(field) => {
                objections.push(format!(
                    "The column \"{}\" with {what} is gone, so everybody in the file would count as employed",
                    short(&was.header)
                ));
            }
            // Without a key the file is refused. Without end dates nobody leaves who is in the file.
            None => {}
        }
    }
    (!objections.is_empty()).then(|| objections.join(". "))
}

fn same(one: &str, other: &str) -> bool {
    one == other || normalised(one) == normalised(other)
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
        let now = now.habits.iter().find(|(other, _)| same(other, label));
        if let Some((_, now)) = now.filter(|(_, now)| now != habit) {
            findings.push(finding(
                Severity::Warning,
                format!(
                    "The column \"{}\" is read with {now}; in the last accepted file it was read with {habit}.",
                    short(label)
                ),
                "If the export was changed, nothing; else look at whether these cells came out right.",
            ));
        }
    }
    findings.extend(forms(before, now));
    findings
}

/// Columns whose dates are all written otherwise.
fn forms(before: &Shape, now: &Shape) -> Vec<Finding> {
    let changed = before.forms.iter().filter_map(|(label, were)| {
        let (_, are) = now.forms.iter().find(|(other, _)| same(other, label))?;
        let is_new = !were.is_empty() && !are.is_empty() && !are.iter().any(|it| were.contains(it));
        is_new.then(|| {
            finding(
                Severity::Warning,
                format!(
                    "The dates of the column \"{}\" are written {} now; in the last accepted file they were written {}.",
                    short(label),
                    are.join(" and "),
                    were.join(" and ")
                ),
                "If the export was changed, nothing; else look at whether the dates came out right.",
            )
        })
    });
    changed.collect()
}

/// A header, and where it stands.
type Placed = (usize, String);

fn columns(before: &Shape, now: &Shape) -> Vec<Finding> {
    let names = |shape: &Shape| -> Vec<String> {
        shape.labels.iter().map(|label| normalised(label)).collect()
    };
    let (old, new) = (names(before), names(now));
    let missing = |from: &[String], labels: &[String], among: &[String]| -> Vec<Placed> {
        let lost = from.iter().zip(labels).enumerate();
        lost.filter(|(_, (name, _))| !name.is_empty() && !among.contains(name))
            .map(|(at, (_, label))| (at, label.trim().to_owned()))
            .collect()
    };
    let mut lost = missing(&old, &before.labels, &new);
    let mut come = missing(&new, &now.labels, &old);
    let mut findings = moved(before, now, &mut lost, &mut come);
    let renamed = renamed(before, now, &mut lost, &mut come);
    let mut tell = |severity, what: &str, labels: Vec<String>, remedy: &str| {
        if !labels.is_empty() {
            let message = format!("{what}: {}.", shown(&labels));
            findings.push(finding(severity, message, remedy));
        }
    };
    let quoted = |shape: &Shape, labels: &[Placed]| -> Vec<String> {
        let labels = labels.iter();
        labels
            .map(|(_, label)| match shape.field(label) {
                Some(field) => format!("\"{}\" ({field})", short(label)),
                None => format!("\"{}\"", short(label)),
            })
            .collect()
    };
    tell(
        Severity::Warning,
        "Columns seem to have been renamed since the last accepted file",
        renamed,
        "A field that has lost its column keeps what is stored. To read the new column, name its header under [data_source.columns].",
    );
    tell(
        Severity::Warning,
        "Columns are gone since the last accepted file",
        quoted(before, &lost),
        "Their fields keep what is stored. If that was not meant, look at the export.",
    );
    tell(
        Severity::Info,
        "There are new columns since the last accepted file",
        quoted(now, &come),
        "Nothing; a field in brackets is read from now on.",
    );
    tell(
        Severity::Info,
        "Columns that were not used in the last accepted file are used now",
        quoted(now, &newly_used(before, now, &come)),
        "Nothing. If one of them holds something else, give its field another header under [data_source.columns].",
    );
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

/// Fields that are read from another column than before. Those columns are neither lost nor new any more.
fn moved(
    before: &Shape,
    now: &Shape,
    lost: &mut Vec<Placed>,
    come: &mut Vec<Placed>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for field in before.mapped.iter().filter_map(MappedColumn::field) {
        let (Some(was), Some(is)) = (before.column(field), now.column(field)) else {
            continue;
        };
        if same(&was.header, &is.header) {
            continue;
        }
        let count = lost.len();
        lost.retain(|(_, label)| !same(label, &was.header));
        let gone = if lost.len() < count {
            ", which is gone"
        } else {
            ""
        };
        come.retain(|(_, label)| !same(label, &is.header));
        // What an admin has changed is no news to the sender.
        if is.found == Found::Configured {
            continue;
        }
        let message = format!(
            "{} is read from the column \"{}\"; in the last accepted file it was \"{}\"{gone}.",
            field.name(),
            short(&is.header),
            short(&was.header)
        );
        let remedy = format!(
            "If it holds the same, nothing: it is remembered once this file is accepted. Else name the right header for {} under [data_source.columns].",
            field.name()
        );
        findings.push(finding(Severity::Warning, message, &remedy));
    }
    findings
}

/// Lost and new columns that seem to be the same one, by name or by place; but not where they are of two fields.
fn renamed(
    before: &Shape,
    now: &Shape,
    lost: &mut Vec<Placed>,
    come: &mut Vec<Placed>,
) -> Vec<String> {
    // Only where every other column stands where it stood.
    let kept = |at: usize, label: &String| {
        let is_it = |(place, _): &Placed| *place == at;
        let was = before.labels.get(at).filter(|was| same(was, label));
        was.is_some() || label.is_empty() || lost.iter().any(is_it) && come.iter().any(is_it)
    };
    let mut labels = now.labels.iter().enumerate();
    let same_places =
        before.labels.len() == now.labels.len() && labels.all(|(at, label)| kept(at, label));
    let mut renamed = Vec::new();
    lost.retain(|(at, label)| {
        let field = before.field(label);
        let is_it = |(place, other): &Placed| {
            let fits = now.field(other).is_none_or(|it| Some(it) == field);
            fits && (place == at && same_places
                || strsim::jaro_winkler(&normalised(label), &normalised(other)) >= ALIKE)
        };
        let Some(found) = come.iter().position(is_it) else {
            return true;
        };
        let (_, other) = come.remove(found);
        let lost = match field {
            Some(field) => format!(" ({field} has no column now)"),
            None => String::new(),
        };
        renamed.push(format!(
            "\"{}\" to \"{}\"{lost}",
            short(label),
            short(&other)
        ));
        false
    });
    renamed
}

/// Columns that are older than their use: a later version knows what they mean.
fn newly_used(before: &Shape, now: &Shape, come: &[Placed]) -> Vec<Placed> {
    // Of a file that was accepted by an earlier version nobody remembers it.
    if before.mapped.is_empty() {
        return Vec::new();
    }
    let is_newly_used = |column: &&MappedColumn| {
        let field = column.field();
        matches!(column.found, Found::Saved | Found::Synonym)
            && field.is_some_and(|field| before.column(field).is_none())
            && !come.iter().any(|(_, label)| same(label, &column.header))
    };
    let used = now.mapped.iter().filter(is_newly_used);
    used.map(|column| (0, column.header.clone())).collect()
}

/// Far more or fewer rows than before, where a file lists everybody.
pub fn rows(before: u64, now: u64) -> Option<Finding> {
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
mod tests;
