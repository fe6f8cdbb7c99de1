//! Pure. A column beside the status that classes it (R3.26 to R3.29): where it says that somebody is terminated, the status is terminated and the day of
//! the status is that of the end. Where it says anything else, the word of the status column stands.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::collections::HashSet;

use super::Checker;
use crate::parse::check::cells::{Fault, Taken, Value, unwrapped};
use crate::parse::check::columns::{Classification, Column, Found};
use crate::parse::field::{Field, FieldKind};
use crate::parse::finding::code;
use crate::parse::record::Standing;
use crate::parse::row::RawRow;

/// The place of a column that the file does not have.
pub(super) const NOWHERE: usize = usize::MAX;

/// Status of whoever is classed as terminated.
const TERMINATED: &str = "terminated";
/// And of whoever is not, in a file that has no other status.
const ACTIVE: &str = "active";

/// The column of classes.
#[derive(Debug)]
pub(super) struct Classes {
    pub(super) at: usize,
    /// Its header.
    label: String,
    /// In small letters.
    terminated: HashSet<String>,
}

impl Classes {
    pub(super) fn new(classification: &Classification, at: usize) -> Self {
        let words = classification.terminated.iter();
        Self {
            at,
            label: classification.column.trim().to_owned(),
            terminated: words.map(|word| word.trim().to_lowercase()).collect(),
        }
    }

    /// Has the columns of the fields that the class decides looked at closely, and adds those that the file does not have.
    pub(super) fn join(&self, columns: &mut Vec<Column>) {
        let status_date = columns.iter().find(|it| it.field == Field::StatusDate);
        let status_date = status_date.map(|column| column.label.clone());
        for (field, label) in [
            (Field::EmploymentStatus, Some(self.label.clone())),
            (Field::TerminationDate, status_date),
        ] {
            if let Some(column) = columns.iter_mut().find(|it| it.field == field) {
                column.is_plain = false;
            } else if let Some(label) = label {
                let kind = field.kind().unwrap_or(FieldKind::Text);
                columns.push(Column {
                    is_plain: false,
                    ..Column::new(field, kind, NOWHERE, label, Found::Derived)
                });
            }
        }
        columns.sort_by_key(|column| column.field);
    }
}

impl Checker {
    /// What the class of a row makes of a field; none if it has no say in it.
    pub(super) fn by_class(&self, row: &RawRow, column: &Column) -> Option<Taken> {
        let classes = self.classes.as_ref()?;
        if !matches!(
            column.field,
            Field::EmploymentStatus | Field::TerminationDate
        ) {
            return None;
        }
        let is_status = column.field == Field::EmploymentStatus;
        match (self.is_terminated(row, classes), is_status) {
            (Err(fault), true) => Some(Taken::wrong(fault, column)),
            // That is told of the status, and refuses the row.
            (Err(_), false) => Some(Taken::KEPT),
            (Ok(true), true) => Some(Taken::from(Value {
                text: TERMINATED.to_owned(),
                standing: Standing::Inactive,
            })),
            (Ok(true), false) => self.status_day(row).or_else(|| nothing_of(column)),
            (Ok(false), true) if column.at == NOWHERE => {
                Some(Taken::from(Value::from(ACTIVE.to_owned())))
            }
            // Termination is the class's to say, so a word that nobody knows is no leaver's.
            (Ok(false), true) => match self.value(row, column) {
                Err(fault) if fault.code == code::UNKNOWN_STATUS => {
                    let text = self.status_cell(row).unwrap_or_default().to_owned();
                    Some(Taken::from(Value::from(text)))
                }
                _ => None,
            },
            // Nobody's end, so that whoever comes back has none.
            (Ok(false), false) if column.at == NOWHERE => {
                Some(Taken::from(Value::from(String::new())))
            }
            (Ok(false), false) => None,
        }
    }

    /// The status of a row as the words of `only_when_status` mean it.
    pub(super) fn status_of<'a>(&self, row: &'a RawRow) -> &'a str {
        let classed = self.classes.as_ref();
        if classed.is_some_and(|classes| self.is_terminated(row, classes).unwrap_or(true)) {
            return TERMINATED;
        }
        self.status_cell(row).unwrap_or_default()
    }

    fn is_terminated(&self, row: &RawRow, classes: &Classes) -> Result<bool, Fault> {
        let Some(cell) = row.cell(classes.at) else {
            return Ok(false);
        };
        self.readable(cell.kind)?;
        let class = unwrapped(cell.text).to_lowercase();
        Ok(classes.terminated.contains(&class))
    }

    /// The day of the status, where there is one that can be read.
    fn status_day(&self, row: &RawRow) -> Option<Taken> {
        let column = self.column(Field::StatusDate)?;
        let day = self.value(row, column).ok()?;
        (!day.text.is_empty()).then(|| Taken::from(day))
    }

    fn status_cell<'a>(&self, row: &'a RawRow) -> Option<&'a str> {
        let column = self.column(Field::EmploymentStatus)?;
        if column.at == NOWHERE {
            return Some(ACTIVE);
        }
        Some(unwrapped(row.cell(column.at)?.text))
    }

    fn column(&self, field: Field) -> Option<&Column> {
        self.columns.iter().find(|column| column.field == field)
    }
}

/// Of a column that the file does not have there is nothing to take; any other one is read as always.
fn nothing_of(column: &Column) -> Option<Taken> {
    (column.at == NOWHERE).then_some(Taken::KEPT)
}
