//! Pure. Rows to records: every row is checked against the mapping and brought to its canonical form, or refused with all its faults.
//!
//! Messages describe the fault and never repeat the cell: they travel to places where a name or a salary has no business.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

mod cells;
pub mod columns;
pub mod date;
pub mod drift;
mod habits;
pub mod names;
mod status;
mod usual;
pub mod value;
mod verbatim;

use std::ops::Range;
use std::sync::Arc;

use crate::parse::check::columns::{Column, Found, MappedColumn, Mapping, Resolved, Saved};
use crate::parse::check::date::DateFormat;
use crate::parse::check::names::{Name, NameOrder};
use crate::parse::check::status::StatusWords;
use crate::parse::check::value::Point;
use crate::parse::field::{Field, FieldKind};
use crate::parse::finding::{Finding, Severity, code};
use crate::parse::limits::ReadLimits;
use crate::parse::record::{KeyOf, Record, Standing, Values};
use crate::parse::row::{CellKind, Header, RawRow};

use cells::{Fault, fault, unwrapped};
use habits::Habits;
use verbatim::Letters;
pub use verbatim::Verbatim;

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// It is fine. The findings beside it are warnings, mostly none.
    Record(Record, Vec<Finding>),
    /// It is not, and these are its faults.
    Refused {
        row: u64,
        /// Whose it is, as far as that can be read: a refused row never removes its person.
        key: KeyOf,
        findings: Vec<Finding>,
    },
    /// It says nothing.
    Blank,
}

/// What is made of a column of full names.
#[derive(Debug, Clone, Copy)]
struct Names {
    /// The column.
    at: usize,
    declared: Option<NameOrder>,
    /// They are taken apart: "Smith, John" is John Smith.
    are_apart: bool,
    /// And their parts are the first and the last name, because the file has no columns for those.
    give_both: bool,
    /// Every row must have both.
    must_give_both: bool,
}

/// Checks the rows of one file.
#[derive(Debug)]
pub struct Checker {
    /// In ascending order of their field; the key is among them.
    columns: Vec<Column>,
    /// Their fields.
    layout: Arc<[Field]>,
    /// The same with those that come out of a full name.
    layout_with_names: Arc<[Field]>,
    /// Cells of the header.
    width: usize,
    date_format: Option<DateFormat>,
    decimal: Option<Point>,
    habits: Habits,
    names: Names,
    status: StatusWords,
    cell_length_bytes: usize,
    letters: Letters,
}

impl Checker {
    /// Maps the columns of a file of which nothing is known. The error holds why it is refused; the findings beside the checker are warnings and
    /// notes.
    pub fn new(
        mapping: &Mapping,
        header: &Header,
        limits: &ReadLimits,
    ) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let saved = Saved::default();
        Self::with(
            mapping,
            &saved,
            columns::resolve(mapping, &saved, header),
            limits,
        )
    }

    /// The same for columns that were found already.
    pub fn with(
        mapping: &Mapping,
        saved: &Saved,
        resolved: Resolved,
        limits: &ReadLimits,
    ) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let Resolved {
            columns,
            findings,
            width,
            is_refused,
            ..
        } = resolved;
        if is_refused {
            return Err(findings);
        }
        let both = [Field::FirstName, Field::LastName];
        let has_own = |field: &Field| {
            mapping.columns.contains_key(field) || columns.iter().any(|it| it.field == *field)
        };
        let full = columns.iter().find(|it| it.field == Field::FullName);
        let give_both = full.is_some() && !both.iter().any(has_own);
        let names = Names {
            at: full.map_or(usize::MAX, |column| column.at),
            declared: mapping.name_order,
            are_apart: mapping.name_order == Some(NameOrder::LastFirst),
            give_both,
            must_give_both: give_both && both.iter().any(|it| mapping.required.contains(it)),
        };
        let checker = Self {
            letters: Letters::new(mapping, &columns, width),
            habits: Habits::new(mapping, &columns, &saved.last_first),
            names,
            layout_with_names: with_names(&columns, give_both),
            layout: columns.iter().map(|column| column.field).collect(),
            columns,
            width,
            date_format: mapping.date_format.clone(),
            decimal: mapping.decimal,
            status: StatusWords::new(mapping),
            cell_length_bytes: limits.cell_length_bytes,
        };
        Ok((checker, findings))
    }

    /// Which column holds which field, in ascending order of the fields; complete once every row was told.
    pub fn mapped(&self) -> Vec<MappedColumn> {
        let mut mapped: Vec<_> = self.columns.iter().map(MappedColumn::from).collect();
        let full = self.columns.iter().find(|it| it.field == Field::FullName);
        if let Some(full) = full.filter(|_| self.names.are_apart && self.names.give_both) {
            for field in [Field::LastName, Field::FirstName] {
                let at = mapped.partition_point(|it| it.field().is_some_and(|it| it < field));
                let derived = MappedColumn::new(field, &full.label, Found::Derived);
                mapped.insert(at, derived);
            }
        }
        mapped
    }

    /// Takes the next row. It comes back unless it has to wait until a later one has shown how its dates or numbers are meant; those that waited
    /// come from [`Checker::released`]. The error refuses the file.
    pub fn admit(&mut self, row: RawRow) -> Result<Option<RawRow>, Finding> {
        let before = self.habits.version;
        let admitted = self.habits.admit(row, self.width)?;
        self.learn(before);
        Ok(admitted)
    }

    /// The next row that waited and need not wait any longer.
    pub fn released(&mut self) -> Option<RawRow> {
        self.habits.released()
    }

    /// No more rows come: whatever waits is released.
    pub fn finish(&mut self) {
        let before = self.habits.version;
        self.habits.give_up();
        self.learn(before);
    }

    /// What the rows have shown, for the report.
    pub fn notes(&self) -> Vec<Finding> {
        self.habits.notes()
    }

    /// The columns that were read as their own cells show, by their header, and how.
    pub fn habits(&self) -> Vec<(String, String)> {
        self.habits.known()
    }

    /// The columns of dates, by their header, and how the dates are written.
    pub fn forms(&self) -> Vec<(String, Vec<String>)> {
        self.habits.forms()
    }

    fn learn(&mut self, before: u64) {
        if self.habits.version != before {
            self.letters.learn(&self.habits.digest());
            let order = self.names.declared.or_else(|| self.habits.name_order());
            self.names.are_apart = order == Some(NameOrder::LastFirst);
        }
    }

    /// What stands in the row, to be known again without a check; none where the same row may come to something else in another file.
    pub fn verbatim<'a>(&mut self, row: &'a RawRow) -> Option<Verbatim<'a>> {
        self.letters.take(row)
    }

    /// Checks a row.
    pub fn check(&mut self, row: &RawRow) -> Checked {
        if row.is_blank() {
            return Checked::Blank;
        }
        if row.len() != self.width {
            return self.ragged(row);
        }
        let is_clean = usual::is_clean(row.text());
        let name = self.apart(row);
        let parts = name.as_ref().filter(|_| self.names.give_both).map(|name| {
            [
                (Field::FirstName, name.first.as_str()),
                (Field::LastName, name.last.as_str()),
            ]
        });
        let layout = match parts {
            Some(_) => &self.layout_with_names,
            None => &self.layout,
        };
        let mut parts = parts.into_iter().flatten().peekable();
        let mut fields = Values::begin(layout, row.text());
        let mut standing = Standing::Active;
        let mut findings = Vec::new();
        let (mut is_key_read, mut is_refused) = (false, false);
        for column in &self.columns {
            let is_key = column.field == Field::EmployeeId;
            if self.names.are_apart {
                while let Some((_, part)) = parts.next_if(|(field, _)| *field < column.field) {
                    fields.push(part);
                }
                if column.field == Field::FullName
                    && let Some(name) = &name
                {
                    fields.push(&name.full);
                    continue;
                }
                if column.field == Field::FullName && self.names.must_give_both {
                    is_refused = true;
                    fields.push("");
                    findings.push(not_apart().finding(row.row, column));
                    continue;
                }
            }
            if is_clean && let Some(place) = self.usual(row, column) {
                is_key_read |= is_key;
                fields.take(place);
                continue;
            }
            match self.value(row, column) {
                Ok(value) => {
                    is_key_read |= is_key;
                    if column.field == Field::EmploymentStatus {
                        standing = value.standing;
                    }
                    fields.push(&value.text);
                    if let Some(fault) = value.warning {
                        let finding = fault.finding(row.row, column);
                        findings.push(finding.with_severity(Severity::Warning));
                    }
                }
                Err(fault) => {
                    is_refused = true;
                    fields.push("");
                    findings.push(fault.finding(row.row, column));
                }
            }
        }
        let record = Record {
            row: row.row,
            standing,
            fields,
        };
        if is_key_read && !is_refused {
            Checked::Record(record, findings)
        } else {
            findings.retain(|finding| finding.severity == Severity::Error);
            Checked::Refused {
                row: row.row,
                key: if is_key_read {
                    KeyOf::Sure(record.key().to_owned())
                } else {
                    KeyOf::Unreadable
                },
                findings,
            }
        }
    }

    /// Where the canonical form of a cell of a clean row stands, if it is the cell or its beginning; none of all others, be they good or not.
    #[inline]
    fn usual(&self, row: &RawRow, column: &Column) -> Option<Range<usize>> {
        let (kind, place) = row.place(column.at)?;
        if kind != CellKind::Text {
            return None;
        }
        if place.is_empty() {
            return (!column.required).then_some(place);
        }
        let cell = row.text().as_bytes().get(place.clone())?;
        if !usual::is_bare(cell) {
            return None;
        }
        match column.field.kind() {
            FieldKind::Text if column.field == Field::EmployeeId => usual::is_key(cell),
            FieldKind::Text => true,
            FieldKind::Email => usual::is_email(cell),
            FieldKind::Date => self.date_format.is_none() && usual::is_date(cell),
            FieldKind::Decimal => {
                let (length, _) = usual::number(cell)?;
                let point = self.decimal.or_else(|| self.habits.point(column.at));
                let is_number = point != Some(Point::Comma) || length == cell.len();
                return is_number.then_some(place.start..place.start + length);
            }
            FieldKind::Status => self.status.is_usual(cell),
            FieldKind::Flag => false,
        }
        .then_some(place)
    }

    /// A row with too few or too many cells: which of them is missing cannot be told, so none is believed but, for what it is worth, a key in the
    /// first column. Even that may be the first half of one that holds the delimiter; and where nothing follows it, of one that was cut off.
    fn ragged(&self, row: &RawRow) -> Checked {
        let (code, remedy) = if row.len() < self.width {
            (
                code::MISSING_CELL,
                "Correct the row: an empty cell needs its delimiter too, and a line break within a cell needs quotes.",
            )
        } else {
            (
                code::EXTRA_CELL,
                "Correct the row: a cell that holds the delimiter needs quotes.",
            )
        };
        let key = self
            .columns
            .iter()
            .find(|column| column.field == Field::EmployeeId && column.at == 0)
            .filter(|_| row.len() > 1)
            .and_then(|column| self.value(row, column).ok())
            .map_or(KeyOf::Unreadable, |value| KeyOf::Doubtful(value.text));
        Checked::Refused {
            row: row.row,
            key,
            findings: vec![Finding::row(
                row.row,
                None,
                code,
                format!(
                    "The row has {} cells, and the header has {}.",
                    row.len(),
                    self.width
                ),
                remedy,
            )],
        }
    }

    /// The full name of a row, if its column is one of names to be taken apart, and this is one.
    fn apart(&self, row: &RawRow) -> Option<Name> {
        if !self.names.are_apart {
            return None;
        }
        let cell = row.cell(self.names.at)?;
        if cell.kind != CellKind::Text {
            return None;
        }
        names::apart(unwrapped(cell.text))
    }
}

/// The fields of the columns, and those that come out of a full name.
fn with_names(columns: &[Column], give_both: bool) -> Arc<[Field]> {
    let mut fields: Vec<Field> = columns.iter().map(|column| column.field).collect();
    if give_both {
        fields.extend([Field::FirstName, Field::LastName]);
        fields.sort();
    }
    fields.into()
}

fn not_apart() -> Fault {
    fault(
        code::REQUIRED_VALUE,
        "The cell is not of the form \"Last, First\", and every row needs both names.",
        "Correct it in your HR system, or export the names in two columns.",
    )
}

#[cfg(test)]
mod tests;
