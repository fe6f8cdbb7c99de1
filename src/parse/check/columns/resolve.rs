//! Pure. Finds each field's column in a header.

use super::mapped::{likeness, line};
use super::{Column, Found, MappedColumn, MappedColumns, Mapping, Saved, short};
use crate::parse::check::demand::Treatment;
use crate::parse::check::names::NameOrder;
use crate::parse::field::{Field, FieldKind, normalised};
use crate::parse::finding::{Finding, Severity, code};
use crate::parse::row::Header;

/// What a header came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// In ascending order of their field.
    pub columns: Vec<Column>,
    /// Faults, warnings and notes.
    pub findings: Vec<Finding>,
    /// Headers of no field.
    pub unused: Vec<String>,
    /// Cells of the header.
    pub width: usize,
    /// The column that classes the status, where one is configured.
    pub class: Option<usize>,
    /// The file is refused for one of the findings.
    pub is_refused: bool,
}

impl Resolved {
    /// Which column holds which field, for a person, also where the file is refused.
    pub fn mapped(&self) -> MappedColumns {
        MappedColumns {
            columns: self.columns.iter().map(MappedColumn::from).collect(),
            unused: self.unused.clone(),
            suggestions: Vec::new(),
        }
    }
}

/// Finds each field's column.
pub fn resolve(mapping: &Mapping, saved: &Saved, header: &Header) -> Resolved {
    let mut resolving = Resolving {
        mapping,
        row: header.row,
        labels: header.labels.iter().map(|label| trimmed(label)).collect(),
        normalised: header
            .labels
            .iter()
            .map(|label| normalised(label))
            .collect(),
        taken: vec![false; header.labels.len()],
        columns: Vec::new(),
        class: None,
        findings: Vec::new(),
    };
    resolving.configured();
    resolving.class();
    resolving.saved(saved);
    resolving.synonyms();
    resolving.finish()
}

struct Resolving<'a> {
    mapping: &'a Mapping,
    row: u64,
    labels: Vec<&'a str>,
    normalised: Vec<String>,
    /// Whether a column holds a field already.
    taken: Vec<bool>,
    columns: Vec<Column>,
    class: Option<usize>,
    findings: Vec<Finding>,
}

impl Resolving<'_> {
    /// Headers named by the configuration: to the letter, else but for case, accents and punctuation.
    fn configured(&mut self) {
        let mapping = self.mapping;
        for (field, wanted) in &mapping.columns {
            let wanted = trimmed(wanted);
            let found = self.headed(wanted);
            if found.is_empty() {
                // Without the status everybody in the file would be employed, leavers too.
                let severity = if self.is_required(*field) || *field == Field::EmploymentStatus {
                    Severity::Error
                } else {
                    Severity::Warning
                };
                self.note(
                    severity,
                    code::MISSING_LABEL,
                    format!(
                        "There is no column \"{}\", which the configuration names for {}.",
                        short(wanted),
                        field.name()
                    ),
                    "Send the file with that column, or correct [data_source.columns].",
                );
            }
            self.take(*field, &found, Found::Configured);
        }
    }

    /// The column that classes the status; without it whoever is classed as terminated would be employed.
    fn class(&mut self) {
        let Some(classification) = &self.mapping.classification else {
            return;
        };
        let wanted = trimmed(&classification.column);
        let found = self.headed(wanted);
        let (code, message) = match found.len() {
            0 => (
                code::MISSING_LABEL,
                format!(
                    "There is no column \"{}\", which the configuration names for the class of the status.",
                    short(wanted)
                ),
            ),
            1 => {
                self.class = found.first().copied();
                for at in found {
                    self.mark(at);
                }
                return;
            }
            many => (
                code::DUPLICATE_LABEL,
                format!(
                    "There are {many} columns \"{}\", and the class of the status can be in one only.",
                    short(wanted)
                ),
            ),
        };
        self.note(
            Severity::Error,
            code,
            message,
            "Send the file with that column once, or correct [data_source.classification].",
        );
    }

    /// Headers of the last accepted file, where the configuration leaves field and column alone.
    fn saved(&mut self, saved: &Saved) {
        for (field, header) in &saved.columns {
            let is_unknown = self.mapping.kind(*field).is_none();
            let is_named = self.mapping.columns.contains_key(field);
            if is_unknown || is_named || self.column(*field).is_some() {
                continue;
            }
            let mut found = self.headed(header);
            found.retain(|at| self.taken.get(*at) == Some(&false));
            self.take(*field, &found, Found::Saved);
        }
    }

    /// The columns of this header: to the letter, else but for case, accents and punctuation.
    fn headed(&self, wanted: &str) -> Vec<usize> {
        let found = self.columns_where(|at| self.labels.get(at) == Some(&wanted));
        if !found.is_empty() {
            return found;
        }
        let wanted = normalised(wanted);
        self.columns_where(|at| !wanted.is_empty() && self.normalised.get(at) == Some(&wanted))
    }

    fn column(&self, field: Field) -> Option<&Column> {
        self.columns.iter().find(|column| column.field == field)
    }

    /// Known headers of the other fields, among the columns that are left.
    fn synonyms(&mut self) {
        let before: Vec<bool> = self.taken.clone();
        let mapping = self.mapping;
        let unnamed = mapping
            .fields()
            .filter(|field| !mapping.columns.contains_key(field));
        for field in unnamed {
            let canonical = normalised(field.name());
            let synonyms = field.synonyms().map(str::to_owned);
            let names: Vec<String> = std::iter::once(canonical.clone())
                .chain(synonyms.filter(|name| *name != canonical))
                .collect();
            let mut taken = self.column(field).map(|column| column.label.clone());
            let as_before = match taken {
                Some(_) => ", as in the last accepted file",
                None => "",
            };
            for name in names {
                let found = self.columns_where(|at| {
                    before.get(at) == Some(&false)
                        && self.normalised.get(at).is_some_and(|label| *label == name)
                });
                if let (Some(winner), Some(at)) = (&taken, found.first()) {
                    let loser = self.labels.get(*at).copied().unwrap_or_default();
                    self.note(
                        Severity::Info,
                        code::EXTRA_LABEL,
                        format!(
                            "The columns \"{}\" and \"{}\" both mean {}; the first is used{as_before}.",
                            short(winner),
                            short(loser),
                            field.name()
                        ),
                        "To use the other one, name it under [data_source.columns].",
                    );
                    for at in found {
                        self.mark(at);
                    }
                } else if let Some(at) = found.first() {
                    taken = self.labels.get(*at).map(|label| (*label).to_owned());
                    self.take(field, &found, Found::Synonym);
                }
            }
        }
    }

    fn take(&mut self, field: Field, found: &[usize], how: Found) {
        let Some(at) = found.first().copied() else {
            return;
        };
        let label = self.labels.get(at).copied().unwrap_or_default().to_owned();
        if found.len() > 1 {
            self.note(
                Severity::Error,
                code::DUPLICATE_LABEL,
                format!(
                    "There are {} columns \"{}\", and {} can be in one only.",
                    found.len(),
                    short(&label),
                    field.name()
                ),
                "Remove or rename the columns that are not meant.",
            );
        }
        for at in found {
            self.mark(*at);
        }
        let column = self.demanding(field, at, label, how);
        self.columns.push(column);
    }

    /// The column with all that the mapping says about its cells.
    fn demanding(&self, field: Field, at: usize, label: String, found: Found) -> Column {
        let mapping = self.mapping;
        let kind = mapping.kind(field).unwrap_or(FieldKind::Text);
        let demand = mapping.demands.get(&field);
        let required = self.is_required(field);
        // Who it is and whether they are employed is never left open.
        let decides = matches!(field, Field::EmployeeId | Field::EmploymentStatus);
        let own_empty = demand.and_then(|it| it.empty_cell);
        let empty_cell = if decides {
            own_empty
                .filter(|it| *it == Treatment::Refuse)
                .unwrap_or(Treatment::Clear)
        } else {
            own_empty.unwrap_or(mapping.empty_cell)
        };
        let bad_value = if required || decides {
            Treatment::Refuse
        } else {
            demand
                .and_then(|it| it.bad_value)
                .unwrap_or(mapping.bad_value)
        };
        Column {
            required,
            empty_cell,
            bad_value,
            is_plain: demand.is_none() && empty_cell == Treatment::Clear,
            demand: demand.cloned().map(Box::new),
            ..Column::new(field, kind, at, label, found)
        }
    }

    fn mark(&mut self, at: usize) {
        if let Some(taken) = self.taken.get_mut(at) {
            *taken = true;
        }
    }

    fn finish(mut self) -> Resolved {
        if self.columns.is_empty() {
            // Perhaps there is no header and these are cells of a person: they are not repeated here.
            let headless = Finding {
                row: Some(self.row),
                ..Finding::file(
                    code::BLANK_HEADER,
                    "The first line is not a header: it has no column name that is known.",
                    format!(
                        "Send the file with a header line that has at least {}, or name the columns under [data_source.columns].",
                        headers_for(Field::EmployeeId)
                    ),
                )
            };
            return Resolved {
                columns: Vec::new(),
                findings: vec![headless],
                unused: Vec::new(),
                width: self.labels.len(),
                class: None,
                is_refused: true,
            };
        }
        let fields = self.mapping.fields();
        let missing: Vec<Field> = fields.filter(|it| self.is_missing(*it)).collect();
        for field in missing {
            let remedy = self.remedy(field);
            self.note(
                Severity::Error,
                code::MISSING_LABEL,
                format!(
                    "There is no column for {}, which is required.",
                    field.name()
                ),
                remedy,
            );
        }
        let unused = self.extra();
        let is_error = |finding: &Finding| finding.severity == Severity::Error;
        self.columns.sort_by_key(|column| column.field);
        Resolved {
            is_refused: self.findings.iter().any(is_error),
            columns: self.columns,
            findings: self.findings,
            unused,
            width: self.labels.len(),
            class: self.class,
        }
    }

    /// Whether a required field has no column, and the configuration names none: that was told.
    fn is_missing(&self, field: Field) -> bool {
        let is_anywhere = |field: Field| {
            self.mapping.columns.contains_key(&field) || self.column(field).is_some()
        };
        // Names that are declared to be "Last, First" hold both.
        let is_derived = self.mapping.name_order == Some(NameOrder::LastFirst)
            && self.column(Field::FullName).is_some()
            && matches!(field, Field::FirstName | Field::LastName)
            && !is_anywhere(Field::FirstName)
            && !is_anywhere(Field::LastName);
        self.is_required(field) && !is_anywhere(field) && !is_derived
    }

    /// What to do about a missing field.
    fn remedy(&self, field: Field) -> String {
        if let Some(label) = self.like(field) {
            return format!(
                "If it is the column \"{}\", write {} under [data_source.columns].",
                short(label),
                line(field, label)
            );
        }
        match self.column(Field::FullName) {
            Some(full) if matches!(field, Field::FirstName | Field::LastName) => format!(
                "Export the names in two columns; or, if the column \"{}\" holds them as \"Last, First\", set {} for this data source.",
                short(&full.label),
                NameOrder::LastFirst.example()
            ),
            _ => format!(
                "Call it {}, or name its header under [data_source.columns].",
                headers_for(field)
            ),
        }
    }

    /// A header that may mean this field, for a person to decide: what is merely alike is never mapped by itself.
    fn like(&self, field: Field) -> Option<&str> {
        let labels = self.labels.iter().zip(&self.normalised).zip(&self.taken);
        let scores = labels
            .filter(|(_, taken)| !**taken)
            .filter_map(|((label, normal), _)| Some((likeness(normal, field)?, *label)));
        scores
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, label)| label)
    }

    /// The columns that mean nothing to us, with one note for all of them.
    fn extra(&mut self) -> Vec<String> {
        let extra: Vec<String> = self
            .labels
            .iter()
            .zip(&self.taken)
            .filter(|(label, taken)| !**taken && !label.is_empty())
            .map(|(label, _)| (*label).to_owned())
            .collect();
        if extra.is_empty() {
            return extra;
        }
        let shown = extra
            .iter()
            .take(LABELS_SHOWN)
            .map(|label| format!("\"{}\"", short(label)))
            .collect::<Vec<_>>()
            .join(", ");
        let more = match extra.len().saturating_sub(LABELS_SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        self.note(
            Severity::Info,
            code::EXTRA_LABEL,
            format!("These columns are not used: {shown}{more}."),
            "Nothing, unless one of them should be: then name it under [data_source.columns].",
        );
        extra
    }

    fn is_required(&self, field: Field) -> bool {
        field == Field::EmployeeId || self.mapping.required.contains(&field)
    }

    fn columns_where(&self, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.labels.len()).filter(|at| wanted(*at)).collect()
    }

    fn note(
        &mut self,
        severity: Severity,
        code: &'static str,
        message: String,
        remedy: impl Into<String>,
    ) {
        let finding = Finding {
            row: Some(self.row),
            ..Finding::file(code, message, remedy)
        };
        self.findings.push(finding.with_severity(severity));
    }
}

const LABELS_SHOWN: usize = 30;
/// Without the blanks and byte order marks around it.
fn trimmed(label: &str) -> &str {
    label.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// What a field's header may be called.
fn headers_for(field: Field) -> String {
    let synonyms = field.synonyms().take(4);
    std::iter::once(field.name())
        .chain(synonyms)
        .map(|name| format!("\"{name}\""))
        .collect::<Vec<_>>()
        .join(" or ")
}
