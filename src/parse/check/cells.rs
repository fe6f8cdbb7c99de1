//! Pure. Single cells to their canonical form.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::borrow::Cow;

use super::Checker;
use crate::parse::check::columns::Column;
use crate::parse::check::date::{self, DateFault};
use crate::parse::check::demand::{Demand, Treatment};
use crate::parse::check::usual;
use crate::parse::check::value::{self, DecimalFault, Point};
use crate::parse::field::{Field, FieldKind};
use crate::parse::finding::{Finding, Severity, code};
use crate::parse::record::Standing;
use crate::parse::row::{Cell, CellKind, RawRow};

/// Bytes of a key: more than any HR system has, less than any index takes.
const KEY_BYTES: usize = 200;

/// A cell in its canonical form.
pub(super) struct Value {
    pub(super) text: String,
    /// Of a status, what it says.
    pub(super) standing: Standing,
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self {
            text,
            standing: Standing::Active,
        }
    }
}

/// What becomes of a field in a row.
pub(super) struct Taken {
    /// None: the field keeps what is stored.
    pub(super) text: Option<String>,
    pub(super) standing: Standing,
    /// What was wrong, and what became of the field for it.
    pub(super) fault: Option<(Fault, Treatment)>,
}

impl Taken {
    /// Nothing of the cell.
    pub(super) const KEPT: Self = Self {
        text: None,
        standing: Standing::Active,
        fault: None,
    };

    /// A cell that is not as it should be.
    pub(super) fn wrong(fault: Fault, column: &Column) -> Self {
        let treatment = fault.treatment(column);
        Self {
            text: (treatment == Treatment::Clear).then(String::new),
            fault: Some((fault, treatment)),
            ..Self::KEPT
        }
    }

    /// Whether the row is refused for it.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.fault, Some((_, Treatment::Refuse)))
    }
}

impl From<Value> for Taken {
    fn from(value: Value) -> Self {
        Self {
            text: Some(value.text),
            standing: value.standing,
            fault: None,
        }
    }
}

/// Whether a cell that is no value of its field stands for none.
fn says_nothing(text: &str, kind: FieldKind) -> bool {
    value::is_nothing(text) || kind != FieldKind::Decimal && value::is_dash(text)
}

/// What comes of a cell that says nothing.
fn nothing(column: &Column) -> Result<Value, Fault> {
    if column.required || column.empty_cell == Treatment::Refuse {
        Err(fault(
            code::REQUIRED_VALUE,
            "The cell is empty, and every row needs it.",
            "Fill it in, in your HR system.",
        ))
    } else {
        Ok(Value::from(String::new()))
    }
}

/// What is wrong with a cell.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) code: &'static str,
    pub(super) message: Cow<'static, str>,
    pub(super) remedy: Cow<'static, str>,
}

pub(super) const fn fault(
    code: &'static str,
    message: &'static str,
    remedy: &'static str,
) -> Fault {
    Fault {
        code,
        message: Cow::Borrowed(message),
        remedy: Cow::Borrowed(remedy),
    }
}

impl Fault {
    pub(super) fn finding(self, row: u64, column: &Column) -> Finding {
        Finding::row(
            row,
            Some(&column.label),
            self.code,
            self.message,
            self.remedy,
        )
    }

    /// The finding of a row that is taken in spite of it, which says what became of the field.
    pub(super) fn warning(mut self, treatment: Treatment, row: u64, column: &Column) -> Finding {
        let became = match treatment {
            Treatment::Clear => " The field was left empty.",
            Treatment::Keep | Treatment::Refuse => {
                " It was not taken: the field keeps the value it had, and the rest of the row counts."
            }
        };
        self.message.to_mut().push_str(became);
        self.finding(row, column).with_severity(Severity::Warning)
    }

    /// What becomes of the field for it.
    fn treatment(&self, column: &Column) -> Treatment {
        match self.code {
            code::REQUIRED_VALUE => Treatment::Refuse,
            // R3.24: not set, whatever is said of other faults and fields.
            code::INVALID_ANNUAL_PAY => {
                let own = column.demand.as_ref().and_then(|it| it.bad_value);
                own.unwrap_or(Treatment::Clear)
            }
            _ => column.bad_value,
        }
    }
}

impl Checker {
    /// What becomes of a field that stands in this column.
    pub(super) fn take(&self, row: &RawRow, column: &Column) -> Taken {
        if let Some(taken) = self.by_class(row, column) {
            return taken;
        }
        if !self.is_accepted(row, column) {
            return Taken::KEPT;
        }
        let value = self.value(row, column);
        match value.and_then(|value| comply(value, column)) {
            Ok(value) if value.text.is_empty() && column.empty_cell == Treatment::Keep => {
                Taken::KEPT
            }
            Ok(value) => Taken::from(value),
            Err(fault) => Taken::wrong(fault, column),
        }
    }

    /// The activation-date rule (R3.14, R3.15): a field may be taken only where it is filled and the status is as it should be, and else stays as it was.
    fn is_accepted(&self, row: &RawRow, column: &Column) -> bool {
        let Some(demand) = &column.demand else {
            return true;
        };
        if demand.only_when_status.is_empty() {
            return true;
        }
        let is_filled = row
            .cell(column.at)
            .is_some_and(|cell| !unwrapped(cell.text).is_empty());
        let status = self.status_of(row).to_lowercase();
        let mut words = demand.only_when_status.iter();
        is_filled && words.any(|word| word.trim().to_lowercase() == status)
    }

    /// The canonical form of a cell, or what is wrong with it.
    pub(super) fn value(&self, row: &RawRow, column: &Column) -> Result<Value, Fault> {
        let cell = row.cell(column.at).unwrap_or(Cell {
            kind: CellKind::Text,
            text: "",
        });
        self.readable(cell.kind)?;
        let text = unwrapped(cell.text);
        if text.is_empty() && cell.kind != CellKind::Time {
            return nothing(column);
        }
        if has_controls(text) {
            return Err(fault(
                code::CONSTRAINT_ERROR,
                "The cell holds control characters.",
                "Remove them in your HR system, or look at how the file is exported.",
            ));
        }
        match column.kind {
            FieldKind::Text if column.field == Field::EmployeeId => key(text, cell.kind),
            FieldKind::Text => plain(text, cell.kind),
            FieldKind::Status => self.standing(text),
            kind => {
                let read = match kind {
                    FieldKind::Email => email(text),
                    FieldKind::Date => self.date(text, cell.kind, column),
                    FieldKind::Flag => flag(text),
                    _ => self.decimal(text, cell.kind, column),
                };
                if read.is_err() && says_nothing(text, kind) {
                    return nothing(column);
                }
                read
            }
        }
    }

    /// Whether the cell has a text at all.
    pub(super) fn readable(&self, kind: CellKind) -> Result<(), Fault> {
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
            DateFault::Serial => {
                "Format the column as a date in the spreadsheet, as 2026-01-31, and save the file again."
            }
        };
        let read = date::canonical(text, column.field, format, self.habits.order(column.at));
        if read.as_ref().is_ok_and(String::is_empty) {
            return nothing(column);
        }
        read.map(Value::from).map_err(|why| Fault {
            code: if why == DateFault::NoSuchDay {
                code::CONSTRAINT_ERROR
            } else {
                code::TYPE_ERROR
            },
            message: Cow::Owned(format!("The cell {why}.")),
            remedy: Cow::Borrowed(remedy(why)),
        })
    }

    fn decimal(&self, text: &str, kind: CellKind, column: &Column) -> Result<Value, Fault> {
        let number = match kind {
            CellKind::Date | CellKind::Time | CellKind::Flag => Err(DecimalFault::NotANumber),
            // Too long to be exact, and far too much for any pay: as whole as a sheet has it.
            CellKind::LongNumber if column.field == Field::AnnualPay => Ok(text.to_owned()),
            CellKind::Number => {
                value::decimal(text, Some(Point::Point)).ok_or(DecimalFault::NotANumber)
            }
            _ => match self.decimal.or_else(|| self.habits.point(column.at)) {
                Some(point) => value::decimal(text, Some(point)).ok_or(DecimalFault::NotANumber),
                // 45,000 a year is no 45; 1,234 an hour may be a little more than one, or yen.
                None if column.field == Field::HourlyPay && value::is_open(text) => {
                    Err(DecimalFault::Ambiguous)
                }
                None => value::undeclared(text),
            },
        };
        match number {
            Ok(number) => Ok(Value::from(number)),
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

/// Without the blanks around it, and without what keeps Excel from making a number of an id: `="00012"`, `'00012`.
pub(super) fn unwrapped(text: &str) -> &str {
    if usual::is_bare(text.as_bytes()) {
        return text;
    }
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
    let is_number = kind == CellKind::Number;
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

/// The value under the demands of its data source.
fn comply(value: Value, column: &Column) -> Result<Value, Fault> {
    if value.text.is_empty() {
        return Ok(value);
    }
    let Some(demand) = &column.demand else {
        return within(value, column, None);
    };
    let value = within(value, column, Some(demand))?;
    Ok(Value {
        text: demand.comply(value.text)?,
        ..value
    })
}

/// A number within its limits; those of the annual pay are there without being configured (R3.24).
fn within(value: Value, column: &Column, demand: Option<&Demand>) -> Result<Value, Fault> {
    let configured = demand.filter(|demand| demand.has_limits());
    let is_pay = column.field == Field::AnnualPay;
    let fits = match configured {
        Some(demand) => column.kind != FieldKind::Decimal || demand.is_within(&value.text),
        None => !is_pay || value::is_annual_pay(&value.text),
    };
    if fits {
        return Ok(value);
    }
    let limits = configured.map_or_else(
        || "between -10,000,000.00 and 10,000,000.00".to_owned(),
        Demand::limits,
    );
    let (code, what) = if is_pay {
        (code::INVALID_ANNUAL_PAY, "annual pay")
    } else {
        (code::CONSTRAINT_ERROR, "number")
    };
    Err(Fault {
        message: Cow::Owned(format!("The {what} is not {limits}.")),
        ..fault(code, "", "Correct it in your HR system.")
    })
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
