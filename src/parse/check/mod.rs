//! Pure. Rows to records: every row is checked against the mapping and brought to its canonical form, or refused with all its faults.
//!
//! Messages describe the fault and never repeat the cell: they travel to places where a name or a salary has no business.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

mod cells;
mod classes;
pub mod columns;
pub mod date;
pub mod demand;
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
use crate::parse::check::demand::Treatment;
use crate::parse::check::names::{Name, NameOrder};
use crate::parse::check::status::StatusWords;
use crate::parse::check::value::Point;
use crate::parse::field::{Field, FieldKind};
use crate::parse::finding::{Finding, code};
use crate::parse::limits::ReadLimits;
use crate::parse::record::{KeyOf, Making, Record, Standing};
use crate::parse::row::{CellKind, Header, RawRow};

use cells::{Fault, Taken, Value, fault, unwrapped};
use classes::Classes;
use habits::{Evidence, Habits};
use verbatim::Letters;
pub use verbatim::Verbatim;

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked<'a> {
    /// It is fine. The findings beside it are warnings, mostly none.
    Record(Record<'a>, Vec<Finding>),
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

/// The fields of a row, and which of them each column holds.
#[derive(Debug)]
struct Layout {
    fields: Arc<[Field]>,
    slots: Vec<usize>,
    /// What is to be known of each column for one look, those of a kind together. Columns of which more is demanded are not among them.
    looks: Vec<Look>,
}

/// A column, as far as the usual cell is concerned.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// Which of the fields it holds.
    slot: usize,
    /// Its place in the row.
    at: usize,
    kind: FieldKind,
    is_key: bool,
    required: bool,
}

/// Checks the rows of one file.
#[derive(Debug)]
pub struct Checker {
    /// In ascending order of their field; the key is among them.
    columns: Vec<Column>,
    layout: Layout,
    /// The same with the fields that come out of a full name.
    layout_with_names: Layout,
    /// Cells of the header.
    width: usize,
    date_format: Option<DateFormat>,
    decimal: Option<Point>,
    habits: Habits,
    names: Names,
    status: StatusWords,
    classes: Option<Classes>,
    cell_length_bytes: usize,
    letters: Letters,
    making: Making,
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
            mut columns,
            findings,
            width,
            class,
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
        let letters = Letters::new(mapping, &columns, class, width);
        let habits = Habits::new(mapping, &columns, &saved.last_first);
        let classes = mapping.classification.as_ref().zip(class);
        let classes = classes.map(|(classification, at)| Classes::new(classification, at));
        if let Some(classes) = &classes {
            classes.join(&mut columns);
        }
        let checker = Self {
            letters,
            habits,
            classes,
            names,
            layout_with_names: Layout::new(&columns, if give_both { &both } else { &[] }),
            layout: Layout::new(&columns, &[]),
            columns,
            width,
            date_format: mapping.date_format.clone(),
            decimal: mapping.decimal,
            status: StatusWords::new(mapping),
            cell_length_bytes: limits.cell_length_bytes,
            making: Making::default(),
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

    /// Takes the next row. `take` gets it, unless it has to wait until a later one has shown how its dates or numbers are meant; and those that need not
    /// wait any longer, in their order. The error refuses the file.
    pub fn admit(
        &mut self,
        row: &RawRow,
        mut take: impl FnMut(&mut Self, &RawRow),
    ) -> Result<(), Finding> {
        let before = self.habits.version;
        let admitted = self.habits.admit(row, self.width)?;
        self.learn(before);
        if admitted {
            take(self, row);
        } else {
            self.release(take);
        }
        Ok(())
    }

    /// No more rows come: `take` gets all that wait.
    pub fn finish(&mut self, take: impl FnMut(&mut Self, &RawRow)) {
        let before = self.habits.version;
        self.habits.give_up();
        self.learn(before);
        self.release(take);
    }

    fn release(&mut self, mut take: impl FnMut(&mut Self, &RawRow)) {
        while let Some(row) = self.habits.released() {
            take(self, &row);
        }
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
    pub fn check<'a>(&'a mut self, row: &'a RawRow) -> Checked<'a> {
        if row.is_blank() {
            return Checked::Blank;
        }
        if row.len() != self.width {
            return self.ragged(row);
        }
        let name = self.apart(row);
        let parts = name.as_ref().filter(|_| self.names.give_both);
        let layout = match parts {
            Some(_) => &self.layout_with_names,
            None => &self.layout,
        };
        let mut fields = std::mem::take(&mut self.making);
        fields.begin(layout.fields.len(), row.text().len());
        if let Some(name) = parts {
            fields.put(layout.slot_of(Field::FirstName), &name.first);
            fields.put(layout.slot_of(Field::LastName), &name.last);
        }
        let mut standing = Standing::Active;
        let mut faults: Vec<(&Column, Fault, Treatment)> = Vec::new();
        let (mut is_key_read, mut is_refused) = (false, false);
        let mut others = self.columns.len();
        if usual::is_clean(row.text()) {
            for look in &layout.looks {
                if let Some(place) = self.usual(row, look) {
                    is_key_read |= look.is_key;
                    fields.take(look.slot, place);
                    others -= 1;
                }
            }
        }
        if others > 0 {
            for (index, column) in self.columns.iter().enumerate() {
                let slot = layout.slot(index);
                if !fields.is_open(slot) {
                    continue;
                }
                let taken = match &name {
                    Some(name) if column.at == self.names.at => {
                        Taken::from(Value::from(name.full.clone()))
                    }
                    None if column.at == self.names.at && self.names.must_be_apart() => {
                        Taken::wrong(not_apart(), column)
                    }
                    _ => self.take(row, column),
                };
                is_refused |= taken.is_refused();
                if column.field == Field::EmploymentStatus {
                    standing = taken.standing;
                }
                if let Some(text) = taken.text {
                    is_key_read |= column.field == Field::EmployeeId;
                    fields.put(slot, &text);
                }
                faults.extend(taken.fault.map(|(fault, fate)| (column, fault, fate)));
            }
        }
        self.making = fields;
        let record = Record {
            row: row.row,
            standing,
            fields: self.making.seen(&layout.fields, row.text()),
        };
        let faults = faults.into_iter();
        if is_key_read && !is_refused {
            let warnings = faults.map(|(column, fault, fate)| fault.warning(fate, row.row, column));
            return Checked::Record(record, warnings.collect());
        }
        // All of them at once, so that whoever mends the row need not send it twice.
        let findings = faults.map(|(column, fault, _)| fault.finding(row.row, column));
        Checked::Refused {
            row: row.row,
            key: if is_key_read {
                KeyOf::Sure(record.key().to_owned())
            } else {
                KeyOf::Unreadable
            },
            findings: findings.collect(),
        }
    }

    /// Where the canonical form of a cell of a clean row stands, if it is the cell or its beginning; none of all others, be they good or not.
    #[inline]
    fn usual(&self, row: &RawRow, look: &Look) -> Option<Range<usize>> {
        let (kind, place) = row.place(look.at)?;
        if kind != CellKind::Text || look.at == self.names.at && self.names.are_apart {
            return None;
        }
        if place.is_empty() {
            return (!look.required).then_some(place);
        }
        let cell = row.text().as_bytes().get(place.clone())?;
        if !usual::is_bare(cell) {
            return None;
        }
        match look.kind {
            FieldKind::Text => !look.is_key || usual::is_key(cell),
            FieldKind::Email => usual::is_email(cell),
            FieldKind::Date => self.date_format.is_none() && usual::is_date(cell),
            FieldKind::Decimal => {
                let (length, evidence) = usual::number(cell)?;
                let point = self.decimal.or_else(|| self.habits.point(look.at));
                let is_number = point != Some(Point::Comma) || evidence == Evidence::Silent;
                return is_number.then_some(place.start..place.start + length);
            }
            FieldKind::Status => self.status.is_usual(cell),
            FieldKind::Flag => false,
        }
        .then_some(place)
    }

    /// A row with too few or too many cells: which of them is missing cannot be told, so none is believed but, for what it is worth, a key in the
    /// first column. Even that may be the first half of one that holds the delimiter; and where nothing follows it, of one that was cut off.
    fn ragged(&self, row: &RawRow) -> Checked<'static> {
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

impl Names {
    /// Whether a row whose name does not come apart is refused.
    fn must_be_apart(&self) -> bool {
        self.are_apart && self.must_give_both
    }
}

impl Layout {
    /// Of the columns, and of those that come out of a full name.
    fn new(columns: &[Column], more: &[Field]) -> Self {
        let own = columns.iter().map(|column| column.field);
        let mut fields: Vec<Field> = own.clone().chain(more.iter().copied()).collect();
        fields.sort();
        let slots: Vec<usize> = own
            .map(|field| fields.partition_point(|other| *other < field))
            .collect();
        let look = |(column, slot): (&Column, &usize)| Look {
            slot: *slot,
            at: column.at,
            kind: column.kind,
            is_key: column.field == Field::EmployeeId,
            required: column.required,
        };
        let plain = columns.iter().zip(&slots).filter(|(it, _)| it.is_plain);
        let mut looks: Vec<Look> = plain.map(look).collect();
        // Then a processor foresees what comes.
        looks.sort_by_key(|look| look.kind);
        Self {
            fields: fields.into(),
            slots,
            looks,
        }
    }

    /// Where the value of a column goes.
    fn slot(&self, column: usize) -> usize {
        self.slots.get(column).copied().unwrap_or(usize::MAX)
    }

    fn slot_of(&self, field: Field) -> usize {
        self.fields.partition_point(|other| *other < field)
    }
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
