//! Pure. Workbooks: the only visible sheet that holds something, row by row.
//!
//! calamine reads them, never through `worksheet_range` for xlsx, which allocates for the whole rectangle up to the farthest cell. Some hostile
//! workbooks make it abort or panic all the same; that is why this runs in a child process of its own.

use std::borrow::Cow;
use std::io::{BufReader, Read, Seek, Write};

use calamine::{
    Data, DataRef, ExcelDateTime, Reader as _, Sheet, SheetType, SheetVisible, Xls, XlsError, Xlsx,
    XlsxError,
};

use crate::parse::finding::{Finding, code};
use crate::parse::package::damaged;
use crate::parse::read::{Stop, Table};
use crate::parse::wire::{CellKind, RawRow};

/// Visible sheets that are looked at for whether they are empty.
const SHEETS: usize = 64;
/// Formulas without a result whose places are kept: with more of them the workbook says nothing.
const UNCOMPUTED: usize = 1_000_000;
/// Decimal digits that a number of a sheet holds exactly.
const EXACT: f64 = 1e15;

/// Reads an Office Open XML workbook.
pub(super) fn read_xlsx<R: Read + Seek, W: Write>(
    input: R,
    table: &mut Table<W>,
) -> Result<(), Stop> {
    let mut workbook = Xlsx::new(BufReader::new(input)).map_err(|error| xlsx_fault(&error))?;
    let mut filled = Vec::new();
    for name in visible(workbook.sheets_metadata())? {
        let mut cells = workbook
            .worksheet_cells_reader(&name)
            .map_err(|error| xlsx_fault(&error))?;
        while let Some(cell) = cells.next_cell().map_err(|error| xlsx_fault(&error))? {
            if !is_empty(cell.get_value()) {
                filled.push(name);
                break;
            }
        }
    }
    let Some(name) = only_one(filled)? else {
        return Ok(());
    };
    let mut uncomputed = uncomputed(&mut workbook, &name)?.into_iter().peekable();
    let mut cells = workbook
        .worksheet_cells_reader(&name)
        .map_err(|error| xlsx_fault(&error))?;
    let pads: Vec<usize> = cells
        .styles()
        .iter()
        .map(|style| {
            style
                .number_format
                .as_ref()
                .map_or(0, |format| zeros(&format.format_code))
        })
        .collect();
    let mut rows = Rows::new(table);
    while let Some((cell, style)) = cells
        .next_cell_with_style_id()
        .map_err(|error| xlsx_fault(&error))?
    {
        let at = cell.get_position();
        if uncomputed.next_if_eq(&at).is_some() {
            rows.uncomputed(at)?;
        } else {
            let pad = pads.get(style).copied().unwrap_or(0);
            rows.cell(at, cell.get_value(), Some(pad))?;
        }
    }
    rows.flush()
}

/// Places of formulas whose result is not in the file, in the order of the cells. Programs that only write workbooks leave results to Excel; read as
/// empty, such a cell would erase what it stands for. A pass of its own, because calamine tells styles and formulas in different ones.
fn uncomputed<R: Read + Seek>(
    workbook: &mut Xlsx<R>,
    name: &str,
) -> Result<Vec<(u32, u32)>, Finding> {
    let mut cells = workbook
        .worksheet_cells_reader(name)
        .map_err(|error| xlsx_fault(&error))?;
    let mut places = Vec::new();
    while let Some(cell) = cells
        .next_cell_with_formula_metadata()
        .map_err(|error| xlsx_fault(&error))?
    {
        // A formula whose result is an empty text has an empty text.
        if cell.formula.is_some() && matches!(cell.value, DataRef::Empty) {
            if places.len() == UNCOMPUTED {
                return Err(Finding::file(
                    code::ERROR_VALUE,
                    "The sheet is full of formulas whose results are not in the file.",
                    "Open the workbook in Excel, save it and send it again.",
                ));
            }
            places.push(cell.pos);
        }
    }
    Ok(places)
}

/// Reads a BIFF workbook, of which calamine does not tell the number formats. It has it whole in memory as soon as it is open.
pub(super) fn read_xls<R: Read + Seek, W: Write>(
    input: R,
    table: &mut Table<W>,
) -> Result<(), Stop> {
    let mut workbook = Xls::new(BufReader::new(input)).map_err(|error| xls_fault(&error))?;
    let mut filled = Vec::new();
    for name in visible(workbook.sheets_metadata())? {
        let range = workbook
            .worksheet_range(&name)
            .map_err(|error| xls_fault(&error))?;
        if range
            .used_cells()
            .any(|(_, _, value)| !is_empty(&borrowed(value)))
        {
            filled.push(name);
        }
    }
    let Some(name) = only_one(filled)? else {
        return Ok(());
    };
    let range = workbook
        .worksheet_range(&name)
        .map_err(|error| xls_fault(&error))?;
    let (top, left) = range.start().unwrap_or_default();
    let mut rows = Rows::new(table);
    for (row, column, value) in range.used_cells() {
        let at = |offset: u32, index: usize| {
            u32::try_from(index).map_or(u32::MAX, |index| offset.saturating_add(index))
        };
        rows.cell((at(top, row), at(left, column)), &borrowed(value), None)?;
    }
    rows.flush()
}

fn visible(sheets: &[Sheet]) -> Result<Vec<String>, Finding> {
    let visible: Vec<String> = sheets
        .iter()
        .filter(|sheet| sheet.visible == SheetVisible::Visible && sheet.typ == SheetType::WorkSheet)
        .map(|sheet| sheet.name.clone())
        .collect();
    if visible.len() > SHEETS {
        return Err(several(&visible));
    }
    Ok(visible)
}

fn only_one(mut filled: Vec<String>) -> Result<Option<String>, Finding> {
    if filled.len() > 1 {
        return Err(several(&filled));
    }
    Ok(filled.pop())
}

fn several(names: &[String]) -> Finding {
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
    Finding::file(
        code::SEVERAL_SHEETS,
        format!(
            "The workbook has more than one visible sheet that holds something: {}{more}.",
            shown.join(", ")
        ),
        "Leave only the sheet with the employees, or hide the others.",
    )
}

fn protected() -> Finding {
    Finding::file(
        code::PASSWORD_PROTECTED,
        "The workbook is protected by a password.",
        "Save it without a password and send it again: the way here is encrypted.",
    )
}

/// The reader's own words are not passed on: they may hold what stands in a cell.
fn xlsx_fault(error: &XlsxError) -> Finding {
    match error {
        XlsxError::Password => protected(),
        XlsxError::CellError(_) => Finding::file(
            code::ERROR_VALUE,
            "The sheet holds a kind of error value that cannot be read, such as #SPILL! or #GETTING_DATA.",
            "Replace the cells that show an error, or export CSV (UTF-8).",
        ),
        _ => damaged(),
    }
}

fn xls_fault(error: &XlsError) -> Finding {
    match error {
        XlsError::Password => protected(),
        _ => damaged(),
    }
}

/// Gathers cells into rows.
struct Rows<'a, W> {
    table: &'a mut Table<W>,
    row: RawRow,
}

impl<'a, W: Write> Rows<'a, W> {
    fn new(table: &'a mut Table<W>) -> Self {
        Self {
            table,
            row: RawRow::default(),
        }
    }

    fn cell(
        &mut self,
        at: (u32, u32),
        value: &DataRef<'_>,
        pad: Option<usize>,
    ) -> Result<(), Stop> {
        if is_empty(value) {
            return Ok(());
        }
        self.advance(at)?;
        let (kind, text) = canonical(value, pad);
        if text.len() > self.table.limits.cell_length_bytes {
            self.row.push(CellKind::TooLong, "");
        } else {
            self.row.push(kind, &text);
        }
        Ok(())
    }

    fn uncomputed(&mut self, at: (u32, u32)) -> Result<(), Stop> {
        self.advance(at)?;
        self.row.push(CellKind::Uncomputed, "");
        Ok(())
    }

    /// Goes on to this place, over empty cells and the ends of rows.
    fn advance(&mut self, at: (u32, u32)) -> Result<(), Stop> {
        let row = u64::from(at.0) + 1;
        let column = usize::try_from(at.1).unwrap_or(usize::MAX);
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
        if row < self.row.row || column < self.row.len() {
            // A well-meaning program writes cells in order; to sort them would need the whole sheet in memory.
            return Err(damaged().into());
        }
        while self.row.len() < column {
            self.row.push(CellKind::Text, "");
        }
        Ok(())
    }

    /// Sends the row. A sheet has no trailing empty cells, so a short row is filled up.
    fn flush(&mut self) -> Result<(), Stop> {
        if self.row.is_empty() {
            return Ok(());
        }
        while self.row.len() < self.table.width.unwrap_or(0) {
            self.row.push(CellKind::Text, "");
        }
        let sent = self.table.row(&self.row);
        self.row.restart(self.row.row);
        sent
    }
}

fn is_empty(value: &DataRef<'_>) -> bool {
    match value {
        DataRef::Empty => true,
        DataRef::String(text) => text.trim().is_empty(),
        DataRef::SharedString(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// One form for what both kinds of workbook hold.
fn borrowed(value: &Data) -> DataRef<'_> {
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

/// How many digits a number format such as `00000` asks for; 0 for every other format.
fn zeros(format: &str) -> usize {
    let only_zeros = (2..=15).contains(&format.len()) && format.bytes().all(|byte| byte == b'0');
    if only_zeros { format.len() } else { 0 }
}
