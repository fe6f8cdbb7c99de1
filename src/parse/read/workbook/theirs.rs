//! Pure. What calamine makes of a cell, in the words that are used here: for tests that compare.

use std::borrow::Cow;

use calamine::{Data, ExcelDateTime};

use crate::parse::read::workbook::number;
use crate::parse::row::CellKind;

/// The day behind 9999-12-31.
const END_OF_DAYS: f64 = 2_958_466.0;

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
        Data::Int(number) => shown(*number as f64),
        Data::Float(number) => shown(*number),
    }
}

fn shown(value: f64) -> (CellKind, Cow<'static, str>) {
    let (kind, text) = number(value, 0);
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
