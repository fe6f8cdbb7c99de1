//! Pure. Columns to fields: which column of a file holds which field.
//!
//! What the configuration names goes first, then what held the field in the last accepted file, then what is known to mean it. So neither a new
//! column nor a new synonym moves a field by itself. A header that is merely alike is shown to a person and never taken.

mod mapped;
mod resolve;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::parse::check::date::DateFormat;
use crate::parse::check::demand::{Demand, Treatment};
use crate::parse::check::names::NameOrder;
use crate::parse::check::value::Point;
use crate::parse::field::{Field, FieldKind};

pub use mapped::{MappedColumn, MappedColumns, Suggestion};
pub use resolve::{Resolved, resolve};

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
    /// Which part of a full name comes first; none: as the column writes it.
    pub name_order: Option<NameOrder>,
    /// Words for employed, beside the known ones.
    pub active_values: Vec<String>,
    /// Words for not employed, beside the known ones.
    pub inactive_values: Vec<String>,
    /// Fields of the tenant's own (R1.04), in the order of the configuration.
    pub extra: Vec<ExtraField>,
    /// What is demanded of the cells of some fields.
    pub demands: BTreeMap<Field, Demand>,
    /// What becomes of a field that is not required where its cell is empty, and where it is wrong.
    pub empty_cell: Treatment,
    pub bad_value: Treatment,
    /// The column that says who is terminated, beside the status.
    pub classification: Option<Classification>,
    /// Canonical fields that are secrets for this tenant, beside those that are always.
    pub secret: BTreeSet<Field>,
}

/// A field that a tenant has added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraField {
    /// Invariant: an extra one.
    pub field: Field,
    pub kind: FieldKind,
    /// Whether it is masked like pay.
    pub is_secret: bool,
}

/// A column that tells whose status is that of a termination (R3.27).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classification {
    /// Its header.
    pub column: String,
    /// The words that mean terminated.
    pub terminated: Vec<String>,
}

impl Default for Mapping {
    fn default() -> Self {
        Self {
            columns: BTreeMap::new(),
            required: vec![Field::EmployeeId, Field::WorkEmail],
            date_format: None,
            decimal: None,
            name_order: None,
            active_values: Vec::new(),
            inactive_values: Vec::new(),
            extra: Vec::new(),
            demands: BTreeMap::new(),
            empty_cell: Treatment::Clear,
            bad_value: Treatment::Keep,
            classification: None,
            secret: BTreeSet::new(),
        }
    }
}

/// Raised whenever the same file under the same mapping gives other records than before: new synonyms, other canonical forms.
const RULES: u64 = 4;

impl Mapping {
    /// Every field that there is: the canonical ones, and behind them those of the tenant in the order of the configuration.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        Field::all().chain(self.extra.iter().map(|extra| extra.field))
    }

    /// What the cells of a field are; none of a field that does not belong to this data source.
    pub fn kind(&self, field: Field) -> Option<FieldKind> {
        let extra = self.extra.iter().find(|extra| extra.field == field);
        field.kind().or_else(|| extra.map(|extra| extra.kind))
    }

    /// Headers of the configuration, by which a header line is found.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        let columns = self.columns.values().map(String::as_str);
        let extra = self.extra.iter().map(|extra| extra.field.name());
        let class = self.classification.iter().map(|it| it.column.as_str());
        columns.chain(extra).chain(class)
    }

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
        digest.set(self.name_order.iter().map(|order| order.as_str()));
        digest.set(self.active_values.iter().map(String::as_str));
        digest.set(self.inactive_values.iter().map(String::as_str));
        // Secrecy and the order of the output make no difference to what is stored.
        let kinds = self.extra.iter();
        let kinds: Vec<_> = kinds
            .map(|extra| format!("{} {:?}", extra.field.name(), extra.kind))
            .collect();
        digest.set(kinds.iter().map(String::as_str));
        digest.length(self.demands.len());
        for (field, demand) in &self.demands {
            digest.text(field.name());
            digest.text(&demand.words());
        }
        digest.text(self.empty_cell.as_str());
        digest.text(self.bad_value.as_str());
        digest.length(usize::from(self.classification.is_some()));
        if let Some(classification) = &self.classification {
            digest.text(&classification.column);
            digest.set(classification.terminated.iter().map(String::as_str));
        }
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

/// How a field came to its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The configuration names it.
    Configured,
    /// It held the field in the last accepted file.
    Saved,
    /// Its header is known to mean the field.
    Synonym,
    /// The field was taken out of a column of full names.
    Derived,
}

/// A column that holds a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub field: Field,
    pub kind: FieldKind,
    /// Place in the row, from 0.
    pub at: usize,
    /// The file's own header, trimmed.
    pub label: String,
    /// Whether every row must have it.
    pub required: bool,
    pub found: Found,
    /// What becomes of the field where the cell is empty, and where it is wrong.
    pub empty_cell: Treatment,
    pub bad_value: Treatment,
    pub demand: Option<Box<Demand>>,
    /// Nothing but the kind of the field decides what a cell comes to.
    pub is_plain: bool,
}

impl Column {
    /// One of which nothing is demanded, and which keeps what is stored where a cell is wrong.
    pub fn new(field: Field, kind: FieldKind, at: usize, label: String, found: Found) -> Self {
        Self {
            field,
            kind,
            at,
            label,
            required: false,
            found,
            empty_cell: Treatment::Clear,
            bad_value: if field == Field::EmploymentStatus {
                Treatment::Refuse
            } else {
                Treatment::Keep
            },
            demand: None,
            is_plain: true,
        }
    }
}

/// What is remembered of the last accepted file of a data source. The default remembers nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved {
    /// Which header held which field. Without those that only the configuration named: whoever takes a line out of it wants the column forgotten.
    pub columns: Vec<(Field, String)>,
    /// Headers of the columns in which the last name came first.
    pub last_first: Vec<String>,
}

/// At most sixty characters: a header that is longer is not repeated in full.
fn short(label: &str) -> &str {
    label
        .char_indices()
        .nth(60)
        .and_then(|(end, _)| label.get(..end))
        .unwrap_or(label)
}

#[cfg(test)]
mod tests;
