//! Pure. Rows to records: every row is checked against the mapping and brought to its canonical form, or refused with all its faults.
//!
//! Messages describe the fault and never repeat the cell: they travel to places where a name or a salary has no business.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

pub mod columns;
pub mod date;
pub mod drift;
mod habits;
mod status;
mod usual;
pub mod value;
mod verbatim;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::parse::check::columns::{Column, Mapping};
use crate::parse::check::date::{DateFault, DateFormat};
use crate::parse::check::status::StatusWords;
use crate::parse::check::value::{DecimalFault, Point};
use crate::parse::field::{Field, FieldKind};
use crate::parse::finding::{Finding, Severity, code};
use crate::parse::limits::ReadLimits;
use crate::parse::record::{KeyOf, Record, Standing, Values};
use crate::parse::row::{Cell, CellKind, Header, RawRow};

use habits::Habits;
use verbatim::Letters;
pub use verbatim::Verbatim;

/// Bytes of a key: more than any HR system has, less than any index takes.
const KEY_BYTES: usize = 200;

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

/// Checks the rows of one file.
#[derive(Debug)]
pub struct Checker {
    /// In ascending order of their field; the key is among them.
    columns: Vec<Column>,
    /// Their fields.
    layout: Arc<[Field]>,
    /// Cells of the header.
    width: usize,
    date_format: Option<DateFormat>,
    decimal: Option<Point>,
    habits: Habits,
    status: StatusWords,
    cell_length_bytes: usize,
    /// Whether it was said that keys are bare numbers.
    warned_of_numbers: bool,
    letters: Letters,
}

impl Checker {
    /// Maps the columns. The error holds why the file is refused; the findings beside the checker are warnings and notes.
    pub fn new(
        mapping: &Mapping,
        header: &Header,
        limits: &ReadLimits,
    ) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let (columns, findings) = columns::resolve(mapping, header)?;
        let width = header.labels.len();
        let checker = Self {
            letters: Letters::new(mapping, &columns, width),
            habits: Habits::new(mapping, &columns),
            layout: columns.iter().map(|column| column.field).collect(),
            columns,
            width,
            date_format: mapping.date_format.clone(),
            decimal: mapping.decimal,
            status: StatusWords::new(mapping),
            cell_length_bytes: limits.cell_length_bytes,
            warned_of_numbers: false,
        };
        Ok((checker, findings))
    }

    /// The fields that the file has, in ascending order.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        self.columns.iter().map(|column| column.field)
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

    /// What the rows so far have shown, for the report.
    pub fn notes(&mut self) -> Vec<Finding> {
        self.habits.notes()
    }

    /// The columns that were read as their own cells show, by their header, and how.
    pub fn habits(&self) -> Vec<(String, String)> {
        self.habits.known()
    }

    fn learn(&mut self, before: u64) {
        if self.habits.version != before {
            self.letters.learn(&self.habits.digest());
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
        let mut fields = Values::begin(&self.layout, row.text());
        let mut standing = Standing::Active;
        let mut findings = Vec::new();
        let (mut is_key_read, mut is_refused) = (false, false);
        let mut key_kind = CellKind::Text;
        for column in &self.columns {
            let is_key = column.field == Field::EmployeeId;
            if is_clean && let Some(place) = self.usual(row, column) {
                is_key_read |= is_key;
                fields.take(place);
                continue;
            }
            match self.value(row, column) {
                Ok(value) => {
                    if is_key {
                        is_key_read = true;
                        key_kind = row.cell(column.at).map_or(key_kind, |cell| cell.kind);
                    } else if column.field == Field::EmploymentStatus {
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
            if key_kind == CellKind::BareNumber && !self.warned_of_numbers {
                self.warned_of_numbers = true;
                findings.push(bare_numbers());
            }
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
            FieldKind::Flag | FieldKind::Status => false,
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

    fn value(&self, row: &RawRow, column: &Column) -> Result<Value, Fault> {
        let cell = row.cell(column.at).unwrap_or(Cell {
            kind: CellKind::Text,
            text: "",
        });
        self.readable(cell.kind)?;
        let text = unwrapped(cell.text);
        if text.is_empty() && cell.kind != CellKind::Time {
            return if column.required {
                Err(fault(
                    code::REQUIRED_VALUE,
                    "The cell is empty, and every row needs it.",
                    "Fill it in, in your HR system.",
                ))
            } else {
                Ok(Value::from(String::new()))
            };
        }
        if has_controls(text) {
            return Err(fault(
                code::CONSTRAINT_ERROR,
                "The cell holds control characters.",
                "Remove them in your HR system, or look at how the file is exported.",
            ));
        }
        match column.field.kind() {
            FieldKind::Text if column.field == Field::EmployeeId => key(text, cell.kind),
            FieldKind::Text => plain(text, cell.kind),
            FieldKind::Email => email(text),
            FieldKind::Date => self.date(text, cell.kind, column),
            FieldKind::Decimal => self.decimal(text, cell.kind, column),
            FieldKind::Flag => flag(text),
            FieldKind::Status => self.standing(text),
        }
    }

    /// Whether the cell has a text at all.
    fn readable(&self, kind: CellKind) -> Result<(), Fault> {
        match kind {
            CellKind::Error => Err(fault(
                code::ERROR_VALUE,
                "The cell holds an error such as #N/A.",
                "Correct the formula behind it.",
            )),
            CellKind::Uncomputed => Err(fault(
                code::ERROR_VALUE,
                "The cell holds a formula whose result is not in the file.",
                "Open the workbook in Excel, save it and send it again.",
            )),
            CellKind::Undecodable => Err(fault(
                code::ENCODING_ERROR,
                "The cell holds bytes that are no letters in the encoding of the file.",
                "Export the file as UTF-8: in Excel that is \"CSV UTF-8 (comma delimited)\".",
            )),
            CellKind::TooLong => Err(Fault {
                message: Cow::Owned(format!(
                    "The cell is longer than {} bytes.",
                    self.cell_length_bytes
                )),
                ..fault(code::CONSTRAINT_ERROR, "", "Shorten it in your HR system.")
            }),
            CellKind::Text
            | CellKind::Number
            | CellKind::BareNumber
            | CellKind::LongNumber
            | CellKind::Date
            | CellKind::Time
            | CellKind::Flag => Ok(()),
        }
    }

    fn date(&self, text: &str, kind: CellKind, column: &Column) -> Result<Value, Fault> {
        // A date of a sheet is a date whatever it looks like there.
        let format = self.date_format.as_ref().filter(|_| kind != CellKind::Date);
        let remedy = |why: DateFault| match why {
            DateFault::Ambiguous | DateFault::ShortYear => {
                "Set date_format for this data source, for example \"%d/%m/%Y\", or export dates as 2026-01-31."
            }
            DateFault::NotAsDeclared => {
                "Correct the cell, or date_format of this data source if all dates look like this."
            }
            DateFault::NotADate | DateFault::NoSuchDay => "Write it as 2026-01-31.",
        };
        date::canonical(text, format, self.habits.order(column.at))
            .map(Value::from)
            .map_err(|why| Fault {
                code: if why == DateFault::NoSuchDay {
                    code::CONSTRAINT_ERROR
                } else {
                    code::TYPE_ERROR
                },
                message: Cow::Owned(format!("The cell {why}.")),
                remedy: remedy(why),
            })
    }

    fn decimal(&self, text: &str, kind: CellKind, column: &Column) -> Result<Value, Fault> {
        let number = match kind {
            CellKind::Date | CellKind::Time | CellKind::Flag => Err(DecimalFault::NotANumber),
            // Too long to be exact, and far too much for any pay: as whole as a sheet has it.
            CellKind::LongNumber if column.field == Field::AnnualPay => Ok(text.to_owned()),
            CellKind::Number | CellKind::BareNumber => {
                value::decimal(text, Some(Point::Point)).ok_or(DecimalFault::NotANumber)
            }
            _ => match self.decimal.or_else(|| self.habits.point(column.at)) {
                Some(point) => value::decimal(text, Some(point)).ok_or(DecimalFault::NotANumber),
                None => value::undeclared(text),
            },
        };
        match number {
            Ok(number) => Ok(pay(number, column.field)),
            Err(DecimalFault::NotANumber) => Err(fault(
                code::TYPE_ERROR,
                "The cell is not a number.",
                "Write it in digits, as 1234.50 or 1,234.50.",
            )),
            Err(DecimalFault::Ambiguous) => Err(fault(
                code::TYPE_ERROR,
                "The cell is a number whose point could separate thousands or begin a fraction, and no other cell of the column tells which.",
                "Set decimal = \",\" or decimal = \".\" for this data source.",
            )),
        }
    }

    fn standing(&self, text: &str) -> Result<Value, Fault> {
        let standing = self.status.standing(text).ok_or_else(|| {
            fault(
                code::UNKNOWN_STATUS,
                "The status is not one that is known, so whether the person is employed cannot be told.",
                "Add the word to active_values or inactive_values of this data source.",
            )
        })?;
        Ok(Value {
            standing,
            ..Value::from(text.to_owned())
        })
    }
}

/// A cell in its canonical form.
struct Value {
    text: String,
    /// Of a status, what it says.
    standing: Standing,
    warning: Option<Fault>,
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self {
            text,
            standing: Standing::Active,
            warning: None,
        }
    }
}

/// What is wrong with a cell.
struct Fault {
    code: &'static str,
    message: Cow<'static, str>,
    remedy: &'static str,
}

const fn fault(code: &'static str, message: &'static str, remedy: &'static str) -> Fault {
    Fault {
        code,
        message: Cow::Borrowed(message),
        remedy,
    }
}

impl Fault {
    fn finding(self, row: u64, column: &Column) -> Finding {
        Finding::row(
            row,
            Some(&column.label),
            self.code,
            self.message,
            self.remedy,
        )
    }
}

fn bare_numbers() -> Finding {
    Finding::file(
        code::NUMERIC_KEY,
        "Employee ids are stored as numbers in this .xls file: leading zeros that Excel shows, as in 00123, are not in it, and the id is read as 123.",
        "Save the workbook as .xlsx, or format the column as text before the ids are written into it.",
    )
    .with_severity(Severity::Warning)
}

/// Without the blanks around it, and without what keeps Excel from making a number of an id: `="00012"`, `'00012`.
fn unwrapped(text: &str) -> &str {
    let blank = |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}');
    let text = text.trim_matches(blank);
    let formula = text
        .strip_prefix("=\"")
        .and_then(|rest| rest.strip_suffix('"'));
    let digits = || {
        let rest = text.strip_prefix('\'')?;
        let are_digits = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        are_digits.then_some(rest)
    };
    formula
        .or_else(digits)
        .map_or(text, |inner| inner.trim_matches(blank))
}

fn has_controls(text: &str) -> bool {
    let controls = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    if text.is_ascii() {
        text.bytes()
            .any(|byte| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r') || byte == 0x7f)
    } else {
        text.chars().any(controls)
    }
}

fn key(text: &str, kind: CellKind) -> Result<Value, Fault> {
    if matches!(kind, CellKind::Date | CellKind::Flag) {
        return Err(fault(
            code::TYPE_ERROR,
            "The key is a date or a truth value, which a spreadsheet has made of it.",
            "Format the column as text before the keys are written into it.",
        ));
    }
    let is_number = matches!(kind, CellKind::Number | CellKind::BareNumber);
    if value::is_scientific(text) || (is_number && text.contains(['.', '-'])) {
        return Err(fault(
            code::TYPE_ERROR,
            "The key is a number that a spreadsheet has changed, such as 1.23E+05.",
            "Format the column as text before the keys are written into it.",
        ));
    }
    if text.len() > KEY_BYTES {
        return Err(fault(
            code::CONSTRAINT_ERROR,
            "The key is longer than 200 bytes.",
            "Look at whether the right column is mapped to employee_id.",
        ));
    }
    if text.contains(['\t', '\n', '\r']) {
        return Err(fault(
            code::CONSTRAINT_ERROR,
            "The key holds a tab or a line break.",
            "Correct it in your HR system.",
        ));
    }
    plain(text, kind)
}

fn plain(text: &str, kind: CellKind) -> Result<Value, Fault> {
    match kind {
        CellKind::LongNumber => Err(fault(
            code::TYPE_ERROR,
            "The cell is a number of more than fifteen digits, and a spreadsheet does not keep the last ones.",
            "Format the column as text before the values are written into it.",
        )),
        CellKind::Time => Err(fault(
            code::TYPE_ERROR,
            "The cell is a time of day or a duration.",
            "Format the column as text before the values are written into it.",
        )),
        _ => Ok(Value::from(text.to_owned())),
    }
}

fn email(text: &str) -> Result<Value, Fault> {
    if value::is_email(text) {
        Ok(Value::from(text.to_owned()))
    } else {
        Err(fault(
            code::TYPE_ERROR,
            "The cell is not an e-mail address.",
            "Correct it in your HR system, or map the column to another field.",
        ))
    }
}

/// What a number of pay comes to.
fn pay(number: String, field: Field) -> Value {
    if field == Field::AnnualPay && !value::is_annual_pay(&number) {
        return Value {
            warning: Some(fault(
                code::INVALID_ANNUAL_PAY,
                "The annual pay is not between -10,000,000.00 and 10,000,000.00, and was left empty.",
                "Correct it in your HR system.",
            )),
            ..Value::from(String::new())
        };
    }
    Value::from(number)
}

fn flag(text: &str) -> Result<Value, Fault> {
    value::flag(text)
        .map(|word| Value::from(word.to_owned()))
        .ok_or_else(|| {
            fault(
                code::TYPE_ERROR,
                "The cell is neither yes nor no.",
                "Write it as Y or N.",
            )
        })
}

#[cfg(test)]
mod tests;
