//! Pure. BIFF workbooks, through calamine.

use std::borrow::Cow;
use std::io::{BufReader, Read, Seek, Write};

use calamine::{Data, ExcelDateTime, Range, Reader as _, SheetType, SheetVisible, Xls, XlsError};

use crate::parse::finding::Finding;
use crate::parse::layout::TableKind;
use crate::parse::read::table::{Stop, Table};
use crate::parse::read::workbook::fault::{damaged, protected};
use crate::parse::read::workbook::{Candidate, Rows, SHEETS, choose, layout, number, says_nothing};
use crate::parse::row::CellKind;

/// The day behind 9999-12-31.
const END_OF_DAYS: f64 = 2_958_466.0;

/// Reads a BIFF workbook, of which calamine does not tell the number formats. It has it whole in memory as soon as it is open.
pub(in crate::parse::read) fn read<R: Read + Seek, W: Write>(
    input: R,
    table: &mut Table<'_, W>,
) -> Result<(), Stop> {
    let mut workbook = Xls::new(BufReader::new(input)).map_err(|error| xls_fault(&error))?;
    let mut sheets = Vec::new();
    for sheet in workbook.sheets_metadata().to_vec() {
        if sheet.typ != SheetType::WorkSheet {
            continue;
        }
        let is_visible = sheet.visible == SheetVisible::Visible;
        // Whether the others hold something plays no part.
        let is_looked_at = is_visible && sheets.len() < SHEETS;
        sheets.push(Candidate {
            is_filled: is_looked_at && is_filled(&range(&mut workbook, &sheet.name)?),
            name: sheet.name,
            is_visible,
        });
    }
    let chosen = choose(&sheets, table.agreement.sheet.as_deref())?;
    let Some(sheet) = chosen.and_then(|at| sheets.get(at)) else {
        return Ok(());
    };
    let range = range(&mut workbook, &sheet.name)?;
    let (top, left) = range.start().unwrap_or_default();
    table.begin(&layout(TableKind::Xls, &sheet.name))?;
    let mut rows = Rows::new(table);
    for (row, column, value) in range.used_cells() {
        let at = |offset: u32, index: usize| {
            u32::try_from(index).map_or(u32::MAX, |index| offset.saturating_add(index))
        };
        let (kind, text) = canonical(value);
        rows.put((at(top, row), at(left, column)), kind, &text)?;
    }
    rows.flush()
}

fn range<R: Read + Seek>(workbook: &mut Xls<R>, name: &str) -> Result<Range<Data>, Finding> {
    let range = workbook.worksheet_range(name);
    range.map_err(|error| xls_fault(&error))
}

fn is_filled(range: &Range<Data>) -> bool {
    range.used_cells().any(|(_, _, value)| {
        let (kind, text) = canonical(value);
        !says_nothing(kind, &text)
    })
}

fn xls_fault(error: &XlsError) -> Finding {
    match error {
        XlsError::Password => protected(),
        _ => damaged(),
    }
}

/// What a value is, and its canonical text.
pub(super) fn canonical(value: &Data) -> (CellKind, Cow<'_, str>) {
    match value {
        Data::Empty => (CellKind::Text, Cow::Borrowed("")),
        Data::String(text) | Data::DateTimeIso(text) => (CellKind::Text, Cow::Borrowed(text)),
        Data::DurationIso(_) => (CellKind::Time, Cow::Borrowed("")),
        Data::Bool(true) => (CellKind::Flag, Cow::Borrowed("true")),
        Data::Bool(false) => (CellKind::Flag, Cow::Borrowed("false")),
        Data::Error(_) => (CellKind::Error, Cow::Borrowed("")),
        Data::DateTime(moment) => canonical_moment(moment),
        #[expect(
            clippy::cast_precision_loss,
            reason = "xls has integers of 30 bits only"
        )]
        Data::Int(number) => bare(*number as f64),
        Data::Float(number) => bare(*number),
    }
}

/// A number of which nobody knows how it is shown.
fn bare(value: f64) -> (CellKind, Cow<'static, str>) {
    let (kind, text) = number(value, 0);
    let kind = match kind {
        CellKind::Number => CellKind::BareNumber,
        other => other,
    };
    (kind, Cow::Owned(text))
}

fn canonical_moment(moment: &ExcelDateTime) -> (CellKind, Cow<'static, str>) {
    // Of what is before the first day or behind the last one calamine makes that day.
    if !moment.is_duration() && !(0.0..END_OF_DAYS).contains(&moment.as_f64()) {
        return (CellKind::Error, Cow::Borrowed(""));
    }
    // A serial below 1 is a time of day without a date.
    if moment.is_duration() || moment.as_f64().abs() < 1.0 {
        return (CellKind::Time, Cow::Borrowed(""));
    }
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    // Excel counts it, and there was none.
    if (year, month, day) == (1900, 2, 29) {
        return (CellKind::Error, Cow::Borrowed(""));
    }
    let time = match (hour, minute, second) {
        (0, 0, 0) => String::new(),
        _ => format!("T{hour:02}:{minute:02}:{second:02}"),
    };
    let text = format!("{year:04}-{month:02}-{day:02}{time}");
    (CellKind::Date, Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    #[test]
    fn a_day_that_there_never_was_is_an_error_and_not_the_next_best_day() {
        let moment = |serial| {
            let moment = ExcelDateTime::new(serial, ExcelDateTimeType::DateTime, false);
            canonical_moment(&moment)
        };
        for serial in [-5.0, 60.0, 60.5, 2_958_466.0, 1e300, f64::NAN] {
            assert_eq!(moment(serial).0, CellKind::Error, "{serial}");
        }
        for (serial, text) in [
            (59.0, "1900-02-28"),
            (61.0, "1900-03-01"),
            (2_958_465.0, "9999-12-31"),
        ] {
            assert_eq!(moment(serial), (CellKind::Date, Cow::Borrowed(text)));
        }
        assert_eq!(moment(0.5).0, CellKind::Time);
    }
}
