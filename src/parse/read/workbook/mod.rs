//! Pure. Workbooks: the only visible sheet that holds something, row by row.
//!
//! Some hostile workbooks make a library abort or panic; that is why this runs in a child process of its own.

mod choice;
mod fault;
pub(super) mod xls;
pub(super) mod xlsx;

use std::borrow::Cow;
use std::io::Write;

pub(super) use choice::{Candidate, choose};

use calamine::{Data, DataRef, ExcelDateTime, Sheet, SheetType, SheetVisible};

use crate::parse::finding::{Finding, code};
use crate::parse::layout::{Layout, TableKind};
use crate::parse::read::table::{Stop, Table};
use crate::parse::read::workbook::fault::damaged;
use crate::parse::row::{CellKind, RawRow};

/// Visible sheets that are looked at for whether they are empty.
const SHEETS: usize = 64;
/// Decimal digits that a number of a sheet holds exactly.
const EXACT: f64 = 1e15;

/// The sheets to look at: the one that was agreed on, hidden or not, or else all that can be seen.
pub(super) fn candidates(sheets: &[Sheet], agreed: Option<&str>) -> Result<Vec<String>, Finding> {
    let names = |wanted: &dyn Fn(&Sheet) -> bool| -> Vec<String> {
        let mut names = Vec::new();
        for sheet in sheets {
            if sheet.typ == SheetType::WorkSheet && wanted(sheet) {
                names.push(sheet.name.clone());
            }
        }
        names
    };
    let visible = names(&|sheet| sheet.visible == SheetVisible::Visible);
    if let Some(agreed) = agreed {
        let found = names(&|sheet| sheet.name.trim().eq_ignore_ascii_case(agreed.trim()));
        if found.is_empty() {
            return Err(missing(agreed, &visible));
        }
        return Ok(found);
    }
    if visible.len() > SHEETS {
        return Err(several(&visible));
    }
    Ok(visible)
}

pub(super) fn only_one(mut filled: Vec<String>) -> Result<Option<String>, Finding> {
    if filled.len() > 1 {
        return Err(several(&filled));
    }
    Ok(filled.pop())
}

/// The first of these names, each cut to a length that can be read.
fn shown(names: &[String]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(8)
        .map(|name| format!("\"{}\"", name.chars().take(40).collect::<String>()))
        .collect();
    let more = if names.len() > shown.len() {
        " and more"
    } else {
        ""
    };
    format!("{}{more}", shown.join(", "))
}

fn missing(agreed: &str, visible: &[String]) -> Finding {
    Finding::file(
        code::MISSING_SHEET,
        format!(
            "The workbook has no sheet \"{agreed}\", which the configuration names; its sheets are {}.",
            shown(visible)
        ),
        "Give the sheet that name, or correct `sheet` of this data source.",
    )
}

fn several(names: &[String]) -> Finding {
    Finding::file(
        code::SEVERAL_SHEETS,
        format!(
            "The workbook has more than one visible sheet that holds something: {}.",
            shown(names)
        ),
        "Leave only the sheet with the employees, hide the others, or name it as `sheet` of this data source.",
    )
}

pub(super) fn layout(kind: TableKind, sheet: &str) -> Layout {
    Layout {
        kind,
        encoding: None,
        delimiter: None,
        sheet: Some(sheet.to_owned()),
    }
}

/// Gathers cells into rows.
pub(super) struct Rows<'a, 'b, W> {
    table: &'a mut Table<'b, W>,
    row: RawRow,
    /// Cells of the row that came behind others which stand to the right of them.
    late: Vec<(usize, CellKind, String)>,
}

impl<'a, 'b, W: Write> Rows<'a, 'b, W> {
    pub(super) fn new(table: &'a mut Table<'b, W>) -> Self {
        Self {
            table,
            row: RawRow::default(),
            late: Vec::new(),
        }
    }

    pub(super) fn cell(
        &mut self,
        at: (u32, u32),
        value: &DataRef<'_>,
        pad: Option<usize>,
    ) -> Result<(), Stop> {
        let (kind, text) = canonical(value, pad);
        self.put(at, kind, &text)
    }

    /// Takes a cell; `at` is row and column from 0. Rows come in their order, and cells mostly.
    pub(super) fn put(&mut self, at: (u32, u32), kind: CellKind, text: &str) -> Result<(), Stop> {
        let column = usize::try_from(at.1).unwrap_or(usize::MAX);
        let is_late = u64::from(at.0) + 1 == self.row.row && column < self.row.len();
        if says_nothing(kind, text) && !is_late {
            return Ok(());
        }
        let (kind, text) = if text.len() > self.table.limits.cell_length_bytes {
            (CellKind::TooLong, "")
        } else {
            (kind, text)
        };
        if is_late {
            self.late.push((column, kind, text.to_owned()));
            return Ok(());
        }
        self.advance(at.0, column)?;
        self.row.push(kind, text);
        Ok(())
    }

    /// Goes on to this place, over empty cells and the ends of rows.
    fn advance(&mut self, row: u32, column: usize) -> Result<(), Stop> {
        let row = u64::from(row) + 1;
        if column >= self.table.limits.columns {
            return Err(self.table.too_wide(row).into());
        }
        if row > self.table.limits.rows.saturating_add(1) {
            return Err(self.table.too_long().into());
        }
        if row > self.row.row {
            self.flush()?;
            self.row.restart(row);
        }
        if row < self.row.row {
            // A well-meaning program writes rows in order; to sort them would need the whole sheet in memory.
            return Err(damaged().into());
        }
        self.row.fill(column);
        Ok(())
    }

    /// Sends the row. A sheet has no trailing empty cells, so a short row is filled up.
    pub(super) fn flush(&mut self) -> Result<(), Stop> {
        if self.row.is_empty() {
            return Ok(());
        }
        if !self.late.is_empty() {
            self.row = sorted(&self.row, &mut self.late);
        }
        self.row.fill(self.table.width.unwrap_or(0));
        let sent = self.table.row(&self.row);
        self.row.restart(self.row.row);
        sent
    }
}

/// The row with its late cells in their places. Where a cell came twice, the last one counts, as it does in Excel.
fn sorted(row: &RawRow, late: &mut Vec<(usize, CellKind, String)>) -> RawRow {
    late.sort_by_key(|(column, ..)| *column);
    let mut whole = RawRow::new(row.row);
    let mut late = late.drain(..).peekable();
    for (column, cell) in row.cells().enumerate() {
        let mut last = None;
        while let Some((_, kind, text)) = late.next_if(|(at, ..)| *at == column) {
            last = Some((kind, text));
        }
        match last {
            Some((kind, text)) => whole.push(kind, &text),
            None => whole.push(cell.kind, cell.text),
        }
    }
    whole
}

/// Whether a cell is as good as none.
pub(super) fn says_nothing(kind: CellKind, text: &str) -> bool {
    kind == CellKind::Text && text.trim().is_empty()
}

pub(super) fn is_empty(value: &DataRef<'_>) -> bool {
    match value {
        DataRef::Empty => true,
        DataRef::String(text) => text.trim().is_empty(),
        DataRef::SharedString(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// One form for what both kinds of workbook hold.
pub(super) fn borrowed(value: &Data) -> DataRef<'_> {
    match value {
        Data::Int(number) => DataRef::Int(*number),
        Data::Float(number) => DataRef::Float(*number),
        Data::String(text) => DataRef::SharedString(text),
        Data::Bool(flag) => DataRef::Bool(*flag),
        Data::DateTime(moment) => DataRef::DateTime(*moment),
        Data::DateTimeIso(text) => DataRef::DateTimeIso(text.clone()),
        Data::DurationIso(text) => DataRef::DurationIso(text.clone()),
        Data::Error(error) => DataRef::Error(error.clone()),
        Data::Empty => DataRef::Empty,
    }
}

/// What a value is, and its canonical text. Numbers have at least `pad` digits; without it, how they are shown is not known.
fn canonical<'a>(value: &'a DataRef<'_>, pad: Option<usize>) -> (CellKind, Cow<'a, str>) {
    match value {
        DataRef::Empty => (CellKind::Text, Cow::Borrowed("")),
        DataRef::String(text) | DataRef::DateTimeIso(text) => {
            (CellKind::Text, Cow::Borrowed(text.as_str()))
        }
        DataRef::SharedString(text) => (CellKind::Text, Cow::Borrowed(*text)),
        DataRef::DurationIso(_) => (CellKind::Time, Cow::Borrowed("")),
        DataRef::Bool(true) => (CellKind::Flag, Cow::Borrowed("true")),
        DataRef::Bool(false) => (CellKind::Flag, Cow::Borrowed("false")),
        DataRef::Error(_) => (CellKind::Error, Cow::Borrowed("")),
        DataRef::DateTime(moment) => canonical_moment(moment),
        #[expect(
            clippy::cast_precision_loss,
            reason = "xls has integers of 30 bits only"
        )]
        DataRef::Int(number) => canonical_number(*number as f64, pad),
        DataRef::Float(number) => canonical_number(*number, pad),
    }
}

fn canonical_moment(moment: &ExcelDateTime) -> (CellKind, Cow<'static, str>) {
    // A serial below 1 is a time of day without a date.
    if moment.is_duration() || moment.as_f64().abs() < 1.0 {
        return (CellKind::Time, Cow::Borrowed(""));
    }
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    let time = match (hour, minute, second) {
        (0, 0, 0) => String::new(),
        _ => format!("T{hour:02}:{minute:02}:{second:02}"),
    };
    let text = format!("{year:04}-{month:02}-{day:02}{time}");
    (CellKind::Date, Cow::Owned(text))
}

/// A number that is shown with at least `pad` digits, and what it is.
pub(super) fn number(number: f64, pad: usize) -> (CellKind, String) {
    let (kind, text) = canonical_number(number, Some(pad));
    (kind, text.into_owned())
}

/// A number as one would write it: without exponent, whole ones without a point, others rounded to the fifteen digits that Excel shows.
fn canonical_number(number: f64, pad: Option<usize>) -> (CellKind, Cow<'static, str>) {
    if !number.is_finite() {
        return (CellKind::Error, Cow::Borrowed(""));
    }
    if number.abs() >= EXACT {
        return (CellKind::LongNumber, Cow::Owned(number.to_string()));
    }
    // Adding zero makes a plain zero of a negative one.
    let rounded = format!("{number:.14e}").parse().unwrap_or(number) + 0.0;
    // The format 00000 shows 123 as 00123, and means it.
    let kind = pad.map_or(CellKind::BareNumber, |_| CellKind::Number);
    let pad = pad.unwrap_or(0);
    let text = if rounded >= 0.0 && rounded.fract() == 0.0 {
        format!("{rounded:0pad$}")
    } else {
        rounded.to_string()
    };
    (kind, Cow::Owned(text))
}
