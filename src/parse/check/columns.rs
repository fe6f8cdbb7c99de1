//! Pure. Columns to fields: which column of a file holds which field, by configuration and by known synonyms.

use std::collections::BTreeMap;

use crate::parse::check::date::DateFormat;
use crate::parse::check::value::Point;
use crate::parse::field::{Field, normalised};
use crate::parse::finding::{Finding, Severity, code};
use crate::parse::row::Header;

/// How a data source's columns become fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Header of the file by canonical field; known synonyms map by themselves.
    pub columns: BTreeMap<Field, String>,
    /// Fields that must be in the file and filled in every row. The key is always among them.
    pub required: Vec<Field>,
    /// How dates are written; none: only dates with one possible reading are taken.
    pub date_format: Option<DateFormat>,
    /// What stands before the fraction of a number; none: as the column writes it.
    pub decimal: Option<Point>,
    /// Words for employed, beside the known ones.
    pub active_values: Vec<String>,
    /// Words for not employed, beside the known ones.
    pub inactive_values: Vec<String>,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            columns: BTreeMap::new(),
            required: vec![Field::EmployeeId, Field::WorkEmail],
            date_format: None,
            decimal: None,
            active_values: Vec::new(),
            inactive_values: Vec::new(),
        }
    }
}

/// Raised whenever the same file under the same mapping gives other records than before: new synonyms, other canonical forms.
const RULES: u64 = 2;

impl Mapping {
    /// A digest that changes whenever the mapping, or the rules behind it, change: then yesterday's file is news.
    pub fn digest(&self) -> String {
        let mut digest = Digest(blake3::Hasher::new());
        digest.number(RULES);
        digest.length(self.columns.len());
        for (field, header) in &self.columns {
            digest.text(field.name());
            digest.text(header);
        }
        digest.set(self.required.iter().map(|field| field.name()));
        digest.set(self.date_format.iter().map(DateFormat::as_str));
        digest.set(self.decimal.iter().map(|point| point.as_str()));
        digest.set(self.active_values.iter().map(String::as_str));
        digest.set(self.inactive_values.iter().map(String::as_str));
        digest.0.finalize().to_hex().to_string()
    }
}

/// Everything is written with its length before it, so that no two mappings look alike.
struct Digest(blake3::Hasher);

impl Digest {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn length(&mut self, length: usize) {
        self.number(u64::try_from(length).unwrap_or(u64::MAX));
    }

    fn text(&mut self, text: &str) {
        self.length(text.len());
        self.0.update(text.as_bytes());
    }

    /// Texts whose order means nothing.
    fn set<'a>(&mut self, texts: impl Iterator<Item = &'a str>) {
        let sorted: std::collections::BTreeSet<&str> = texts.collect();
        self.length(sorted.len());
        for text in sorted {
            self.text(text);
        }
    }
}

/// A column that holds a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub field: Field,
    /// Place in the row, from 0.
    pub at: usize,
    /// The file's own header, trimmed.
    pub label: String,
    /// Whether every row must have it.
    pub required: bool,
}

/// Finds each field's column. Columns come in ascending order of their field, warnings and notes beside them; the error holds why the file is
/// refused.
pub fn resolve(
    mapping: &Mapping,
    header: &Header,
) -> Result<(Vec<Column>, Vec<Finding>), Vec<Finding>> {
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
        findings: Vec::new(),
    };
    resolving.configured();
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
    findings: Vec<Finding>,
}

impl Resolving<'_> {
    /// Headers named by the configuration: to the letter, else but for case, accents and punctuation.
    fn configured(&mut self) {
        let mapping = self.mapping;
        for (field, wanted) in &mapping.columns {
            let wanted = trimmed(wanted);
            let mut found = self.columns_where(|at| self.labels.get(at) == Some(&wanted));
            if found.is_empty() {
                let wanted = normalised(wanted);
                found = self.columns_where(|at| {
                    !wanted.is_empty() && self.normalised.get(at) == Some(&wanted)
                });
            }
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
            self.take(*field, &found);
        }
    }

    /// Known headers of the fields that the configuration does not name, among the columns that it leaves.
    fn synonyms(&mut self) {
        let configured: Vec<bool> = self.taken.clone();
        for field in Field::all().filter(|field| !self.mapping.columns.contains_key(field)) {
            let canonical = normalised(field.name());
            let synonyms = field.synonyms().map(str::to_owned);
            let names: Vec<String> = std::iter::once(canonical.clone())
                .chain(synonyms.filter(|name| *name != canonical))
                .collect();
            let mut taken: Option<String> = None;
            for name in names {
                let found = self.columns_where(|at| {
                    configured.get(at) == Some(&false)
                        && self.normalised.get(at).is_some_and(|label| *label == name)
                });
                if let (Some(winner), Some(at)) = (&taken, found.first()) {
                    let loser = self.labels.get(*at).copied().unwrap_or_default();
                    self.note(
                        Severity::Info,
                        code::EXTRA_LABEL,
                        format!(
                            "The columns \"{}\" and \"{}\" both mean {}; the first is used.",
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
                    self.take(field, &found);
                }
            }
        }
    }

    fn take(&mut self, field: Field, found: &[usize]) {
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
        self.columns.push(Column {
            field,
            at,
            label,
            required: self.is_required(field),
        });
    }

    fn mark(&mut self, at: usize) {
        if let Some(taken) = self.taken.get_mut(at) {
            *taken = true;
        }
    }

    fn finish(mut self) -> Result<(Vec<Column>, Vec<Finding>), Vec<Finding>> {
        if self.columns.is_empty() {
            // Perhaps there is no header and these are cells of a person: they are not repeated here.
            return Err(vec![Finding {
                row: Some(self.row),
                ..Finding::file(
                    code::BLANK_HEADER,
                    "The first line is not a header: it has no column name that is known.",
                    format!(
                        "Send the file with a header line that has at least {}, or name the columns under [data_source.columns].",
                        headers_for(Field::EmployeeId)
                    ),
                )
            }]);
        }
        let missing: Vec<Field> = Field::all()
            .filter(|field| {
                self.is_required(*field)
                    && !self.mapping.columns.contains_key(field)
                    && !self.columns.iter().any(|column| column.field == *field)
            })
            .collect();
        for field in missing {
            let remedy = match self.like(field) {
                Some(label) => format!(
                    "If it is the column \"{}\", write {} = \"{}\" under [data_source.columns].",
                    short(label),
                    field.name(),
                    short(label)
                ),
                None => format!(
                    "Call it {}, or name its header under [data_source.columns].",
                    headers_for(field)
                ),
            };
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
        self.extra();
        if self
            .findings
            .iter()
            .any(|finding| finding.severity == Severity::Error)
        {
            return Err(self.findings);
        }
        self.columns.sort_by_key(|column| column.field);
        Ok((self.columns, self.findings))
    }

    /// A header that may mean this field, for a person to decide: what is merely alike is never mapped by itself.
    fn like(&self, field: Field) -> Option<&str> {
        let canonical = normalised(field.name());
        let labels = self.labels.iter().zip(&self.normalised).zip(&self.taken);
        let scores = labels
            .filter(|(_, taken)| !**taken)
            .filter_map(|((label, normal), _)| {
                let alike = |name: &str| strsim::jaro_winkler(normal, name);
                let score = field
                    .synonyms()
                    .map(alike)
                    .fold(alike(&canonical), f64::max);
                (score >= ALIKE && normal.len() > 2).then_some((score, *label))
            });
        scores
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, label)| label)
    }

    /// One note for all columns that mean nothing to us.
    fn extra(&mut self) {
        let extra: Vec<&str> = self
            .labels
            .iter()
            .zip(&self.taken)
            .filter(|(label, taken)| !**taken && !label.is_empty())
            .map(|(label, _)| short(label))
            .collect();
        if extra.is_empty() {
            return;
        }
        let shown = extra
            .iter()
            .take(LABELS_SHOWN)
            .map(|label| format!("\"{label}\""))
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
/// From here on two names are alike, of 1 for the same: "emplyee no" is, "department" and "apartment" are not.
const ALIKE: f64 = 0.9;

/// Without the blanks and byte order marks around it.
fn trimmed(label: &str) -> &str {
    label.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// At most sixty characters: a header that is longer is not repeated in full.
fn short(label: &str) -> &str {
    label
        .char_indices()
        .nth(60)
        .and_then(|(end, _)| label.get(..end))
        .unwrap_or(label)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn header(labels: &[&str]) -> Header {
        Header {
            row: 1,
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        }
    }

    fn mapping(columns: &[(Field, &str)], required: &[Field]) -> Mapping {
        Mapping {
            columns: columns
                .iter()
                .map(|(field, label)| (*field, (*label).to_owned()))
                .collect(),
            required: required.to_vec(),
            ..Mapping::default()
        }
    }

    fn places(mapping: &Mapping, labels: &[&str]) -> Vec<(Field, usize)> {
        let (columns, _) = resolve(mapping, &header(labels)).unwrap();
        columns
            .iter()
            .map(|column| (column.field, column.at))
            .collect()
    }

    fn refusals(mapping: &Mapping, labels: &[&str]) -> Vec<String> {
        resolve(mapping, &header(labels))
            .unwrap_err()
            .into_iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| finding.code)
            .collect()
    }

    #[test]
    fn known_headers_map_by_themselves_in_the_order_of_the_fields() {
        assert_eq!(
            places(
                &Mapping::default(),
                &["E-mail", " Employee # ", "Vorname", "Shoe size"]
            ),
            [
                (Field::EmployeeId, 1),
                (Field::WorkEmail, 0),
                (Field::FirstName, 2)
            ]
        );
    }

    #[test]
    fn the_configuration_goes_before_synonyms_both_ways() {
        let only_key = [Field::EmployeeId];
        // The configured column is not the synonym's any more, and the configured field takes no synonym.
        let configured = mapping(&[(Field::EmployeeId, "email")], &only_key);
        assert_eq!(
            places(&configured, &["email", "employee_id"]),
            [(Field::EmployeeId, 0)]
        );
        // To the letter before but for case.
        let exact = mapping(&[(Field::EmployeeId, "ID")], &only_key);
        assert_eq!(places(&exact, &["id", "ID"]), [(Field::EmployeeId, 1)]);
        assert_eq!(places(&exact, &["i.d.", "x"]), [(Field::EmployeeId, 0)]);
    }

    #[test]
    fn a_header_that_is_merely_alike_is_named_to_a_person_and_not_mapped() {
        let remedy = |labels: &[&str]| {
            let findings = resolve(&Mapping::default(), &header(labels)).unwrap_err();
            let missing = findings
                .into_iter()
                .find(|finding| finding.code == code::MISSING_LABEL);
            missing.unwrap().remedy
        };
        let typo = remedy(&["Emplyee ID", "Work Email"]);
        assert!(typo.contains("employee_id = \"Emplyee ID\""), "{typo}");
        let typo = remedy(&["Employee ID", "E-Mial Address", "Shoe size"]);
        assert!(typo.contains("work_email = \"E-Mial Address\""), "{typo}");
        let strange = remedy(&["Employee ID", "Shoe size"]);
        assert!(strange.starts_with("Call it"), "{strange}");
    }

    #[test]
    fn of_two_synonyms_the_more_telling_one_wins_and_it_is_said() {
        let required = mapping(&[], &[Field::EmployeeId]);
        let (columns, findings) = resolve(
            &required,
            &header(&["Name", "Employee ID", "Full Name", "Title"]),
        )
        .unwrap();
        assert!(
            columns
                .iter()
                .any(|column| column.field == Field::FullName && column.at == 2)
        );
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].message,
            "The columns \"Full Name\" and \"Name\" both mean full_name; the first is used."
        );
        assert_eq!(findings[0].severity, Severity::Info);
    }

    #[test]
    fn a_missing_column_refuses_the_file_only_when_it_is_required() {
        assert_eq!(
            refusals(&Mapping::default(), &["employee_id", "name"]),
            ["missing-label"]
        );
        assert_eq!(refusals(&Mapping::default(), &["email"]), ["missing-label"]);
        let optional = mapping(&[(Field::City, "Stadt")], &[Field::EmployeeId]);
        let (_, findings) = resolve(&optional, &header(&["employee_id"])).unwrap();
        assert_eq!(findings[0].severity, Severity::Warning);
        assert_eq!(findings[0].code, code::MISSING_LABEL);
        let key = mapping(&[(Field::EmployeeId, "Nr")], &[]);
        assert_eq!(refusals(&key, &["employee_id", "name"]), ["missing-label"]);
    }

    #[test]
    fn leavers_do_not_come_back_when_the_configured_status_column_is_missing() {
        let status = mapping(&[(Field::EmploymentStatus, "Lage")], &[Field::EmployeeId]);
        assert_eq!(
            refusals(&status, &["employee_id", "name"]),
            ["missing-label"]
        );
        // Not by another status column either: which of the two is meant, a person must say.
        assert_eq!(
            refusals(&status, &["employee_id", "status"]),
            ["missing-label"]
        );
        assert_eq!(places(&status, &["employee_id", "lage"]).len(), 2);
    }

    #[test]
    fn a_mapped_header_that_is_there_twice_refuses_the_file() {
        assert_eq!(
            refusals(&Mapping::default(), &["employee_id", "email", "E-Mail"]),
            ["duplicate-label"]
        );
        let required = mapping(&[], &[Field::EmployeeId]);
        assert!(resolve(&required, &header(&["employee_id", "note", "note", "", ""])).is_ok());
    }

    #[test]
    fn a_first_line_without_a_known_header_is_refused_without_repeating_it() {
        let findings = resolve(
            &Mapping::default(),
            &header(&["1222", "Ada", "ada@acme.example"]),
        )
        .unwrap_err();
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].code, code::BLANK_HEADER);
        assert!(!format!("{findings:?}").contains("Ada"));
    }

    #[test]
    fn unused_columns_are_listed_in_one_note() {
        let required = mapping(&[], &[Field::EmployeeId]);
        let (_, findings) =
            resolve(&required, &header(&["employee_id", "Shoe size", "", "Pet"])).unwrap();
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].message,
            "These columns are not used: \"Shoe size\", \"Pet\"."
        );
    }

    #[test]
    fn the_digest_changes_with_anything_in_the_mapping() {
        let base = Mapping::default();
        let changed = [
            mapping(&[(Field::City, "a")], &base.required),
            mapping(&[(Field::City, "b")], &base.required),
            mapping(&[(Field::Region, "a")], &base.required),
            mapping(&[], &[Field::EmployeeId]),
            Mapping {
                date_format: Some(DateFormat::parse("%d/%m/%Y").unwrap()),
                ..base.clone()
            },
            Mapping {
                active_values: vec!["x".to_owned()],
                ..base.clone()
            },
            Mapping {
                inactive_values: vec!["x".to_owned()],
                ..base.clone()
            },
        ];
        let mut digests: Vec<String> = changed.iter().map(Mapping::digest).collect();
        digests.push(base.digest());
        let distinct: std::collections::BTreeSet<&String> = digests.iter().collect();
        assert_eq!(distinct.len(), digests.len());

        let [forth, back] = [["a", "b"], ["b", "a"]].map(|words| Mapping {
            active_values: words.map(str::to_owned).to_vec(),
            ..base.clone()
        });
        assert_eq!(forth.digest(), back.digest());
    }
}
