//! Pure. What stands in a cell, brought to its kind and canonical text.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::fmt::Write as _;

use crate::parse::read::workbook;
use crate::parse::read::workbook::format::{self, Shown};
use crate::parse::row::CellKind;

/// Digits that a number of a sheet holds exactly.
const EXACT_DIGITS: usize = 15;
const DAY_MILLIS: i64 = 86_400_000;
/// The day behind 9999-12-31.
const END_OF_DAYS: f64 = 2_958_466.0;
/// Days from 1900 to 1904, as Excel counts them.
const FROM_1904: f64 = 1462.0;

/// Writes the number that `raw` says, as its format means it, into `text`.
pub(in crate::parse::read) fn number(
    raw: &str,
    shown: &Shown,
    from_1904: bool,
    text: &mut String,
) -> CellKind {
    text.clear();
    let raw = raw.trim();
    match shown {
        Shown::Number if plain(raw, text) => CellKind::Number,
        _ if !is_number(raw) => {
            // Some programs forget to say that a cell is text.
            text.push_str(raw);
            CellKind::Text
        }
        Shown::Padded(digits) if plain(raw, text) => {
            if text.bytes().all(|byte| byte.is_ascii_digit()) {
                let zeros = digits.saturating_sub(text.len());
                text.insert_str(0, &"0".repeat(zeros));
            }
            CellKind::Number
        }
        _ => match raw.parse() {
            Ok(number) => of(number, shown, from_1904, text),
            Err(_) => CellKind::Error,
        },
    }
}

/// Writes a number, as its format means it, into `text`.
pub(super) fn of(number: f64, shown: &Shown, from_1904: bool, text: &mut String) -> CellKind {
    text.clear();
    let mut written = |pad| {
        let (kind, canonical) = workbook::number(number, pad);
        text.push_str(&canonical);
        kind
    };
    match shown {
        Shown::Date => moment(number, from_1904, text),
        Shown::Duration => CellKind::Time,
        Shown::Number => written(0),
        Shown::Padded(digits) => written(*digits),
        Shown::Mask(mask) => {
            let kind = written(0);
            let is_whole = text.bytes().all(|byte| byte.is_ascii_digit());
            if kind != CellKind::Number || !is_whole {
                return kind;
            }
            *text = format::masked(text, mask);
            CellKind::Text
        }
    }
}

/// Takes a number that is written as one would write it, so that nothing has to be worked out: most are.
fn plain(raw: &str, text: &mut String) -> bool {
    let unsigned = raw.strip_prefix('-').unwrap_or(raw);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let fits = whole.len() + fraction.len() <= EXACT_DIGITS
        && are_digits(whole)
        && are_digits(fraction)
        && (whole.len() == 1 || !whole.starts_with('0'));
    if !fits {
        return false;
    }
    let fraction = fraction.trim_end_matches('0');
    if unsigned.len() < raw.len() && !(whole == "0" && fraction.is_empty()) {
        text.push('-');
    }
    text.push_str(whole);
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    true
}

/// What XML Schema calls a double, but for the words of what is none.
fn is_number(raw: &str) -> bool {
    raw.bytes().any(|byte| byte.is_ascii_digit())
        && raw
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'))
}

/// Writes the date, and the time of day if it is not midnight, that a serial number counts to.
fn moment(serial: f64, from_1904: bool, text: &mut String) -> CellKind {
    let last = END_OF_DAYS - if from_1904 { FROM_1904 } else { 0.0 };
    if !(0.0..last).contains(&serial) {
        return CellKind::Error;
    }
    if serial < 1.0 {
        // A time of day without a date.
        return CellKind::Time;
    }
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        reason = "fewer than three million days, as was just compared"
    )]
    let (mut day, mut millis) = (
        serial.trunc() as i64,
        (serial.fract() * 86_400_000.0).round() as i64,
    );
    if millis >= DAY_MILLIS {
        day += 1;
        millis = 0;
    }
    let since_1970 = match (from_1904, day) {
        (true, _) => day - 24_107,
        // The 29th of February 1900, which Excel counts and which was none.
        (false, 60) => return CellKind::Error,
        (false, ..60) => day - 25_568,
        (false, _) => day - 25_569,
    };
    let (year, month, date) = civil(since_1970);
    if year > 9999 {
        return CellKind::Error;
    }
    let mut wrote = write!(text, "{year:04}-{month:02}-{date:02}");
    let seconds = millis / 1000;
    if seconds > 0 {
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        wrote = wrote.and_then(|()| write!(text, "T{hour:02}:{minute:02}:{second:02}"));
    }
    wrote.map_or(CellKind::Error, |()| CellKind::Date)
}

/// Year, month and day of a day since 1970-01-01, in years that begin in March and eras of 400 years.
fn civil(since_1970: i64) -> (i64, i64, i64) {
    let days = since_1970 + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Writes a date that the file has as text, in ISO 8601, into `text`. What is none stays as it is, for whoever wants a date.
pub(super) fn iso(raw: &str, text: &mut String) -> CellKind {
    text.clear();
    let raw = raw.trim();
    let unzoned = raw.strip_suffix('Z').unwrap_or(raw);
    let (date, time) = match unzoned.split_once('T') {
        Some((date, time)) => (date, time),
        None if unzoned.contains(':') => ("", unzoned),
        None => (unzoned, ""),
    };
    let whole = time.split_once('.').map_or(time, |(whole, _)| whole);
    let is_time = like(whole, "00:00:00") || like(whole, "00:00");
    if date.is_empty() && is_time {
        return CellKind::Time;
    }
    if !like(date, "0000-00-00") || !(time.is_empty() || is_time) {
        text.push_str(raw);
        return CellKind::Text;
    }
    text.push_str(date);
    if is_time && whole.bytes().any(|byte| matches!(byte, b'1'..=b'9')) {
        text.push('T');
        text.push_str(whole);
        if whole.len() == 5 {
            text.push_str(":00");
        }
    }
    CellKind::Date
}

/// Whether `text` is `pattern` with other digits.
fn like(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text.bytes().zip(pattern.bytes()).all(|(byte, wanted)| {
            if wanted == b'0' {
                byte.is_ascii_digit()
            } else {
                byte == wanted
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(raw: &str, shown: &Shown) -> (CellKind, String) {
        let mut text = String::from("before");
        let kind = number(raw, shown, false, &mut text);
        (kind, text)
    }

    fn date(raw: &str, from_1904: bool) -> (CellKind, String) {
        let mut text = String::new();
        let kind = number(raw, &Shown::Date, from_1904, &mut text);
        (kind, text)
    }

    #[test]
    fn numbers_come_as_one_would_write_them() {
        for (raw, text) in [
            ("123", "123"),
            (" 1.50 ", "1.5"),
            ("-0", "0"),
            ("-0.00", "0"),
            ("0.30000000000000004", "0.3"),
            ("1.0E2", "100"),
            ("00012", "12"),
            ("1e-7", "0.0000001"),
            ("0.0000001", "0.0000001"),
            ("999999999999999", "999999999999999"),
            ("-12.5", "-12.5"),
            (".5", "0.5"),
            ("5.", "5"),
        ] {
            assert_eq!(
                of(raw, &Shown::Number),
                (CellKind::Number, text.to_owned()),
                "{raw}"
            );
        }
        assert_eq!(
            of("1234567890123456", &Shown::Number).0,
            CellKind::LongNumber
        );
        assert_eq!(of("1e400", &Shown::Number).0, CellKind::Error);
        for word in ["abc", "NaN", "inf", "-", ""] {
            assert_eq!(of(word, &Shown::Number), (CellKind::Text, word.to_owned()));
        }
    }

    #[test]
    fn zeros_are_put_before_whole_numbers_only() {
        let padded = Shown::Padded(5);
        assert_eq!(of("123", &padded), (CellKind::Number, "00123".to_owned()));
        assert_eq!(
            of("1.23E2", &padded),
            (CellKind::Number, "00123".to_owned())
        );
        assert_eq!(of("123456", &padded).1, "123456");
        assert_eq!(of("-5", &padded).1, "-5");
        assert_eq!(of("12.5", &padded).1, "12.5");
        let mask = format::custom("\"E\"000");
        assert_eq!(of("7", &mask), (CellKind::Text, "E007".to_owned()));
        assert_eq!(of("-7", &mask), (CellKind::Number, "-7".to_owned()));
    }

    #[test]
    fn serials_are_days_in_both_date_systems() {
        for (raw, from_1904, text) in [
            ("1", false, "1900-01-01"),
            ("59", false, "1900-02-28"),
            ("61", false, "1900-03-01"),
            ("45678", false, "2025-01-21"),
            ("45678.5", false, "2025-01-21T12:00:00"),
            ("45678.9999999999", false, "2025-01-22"),
            ("2958465", false, "9999-12-31"),
            ("1", true, "1904-01-02"),
            ("44216", true, "2025-01-21"),
            ("2957003", true, "9999-12-31"),
        ] {
            assert_eq!(
                date(raw, from_1904),
                (CellKind::Date, text.to_owned()),
                "{raw}"
            );
        }
        for (raw, from_1904) in [
            ("60", false),
            ("60.5", false),
            ("-1", false),
            ("2958466", false),
            ("2958465.9999999999", false),
            ("2957004", true),
            ("1e300", false),
        ] {
            assert_eq!(date(raw, from_1904).0, CellKind::Error, "{raw}");
        }
        assert_eq!(date("0.5", false).0, CellKind::Time);
        assert_eq!(of("45678", &Shown::Duration).0, CellKind::Time);
    }

    #[test]
    fn dates_as_text_are_dates_if_they_look_like_it() {
        for (raw, kind, text) in [
            ("2025-01-21", CellKind::Date, "2025-01-21"),
            ("2025-01-21T00:00:00.000Z", CellKind::Date, "2025-01-21"),
            ("2025-01-21T12:30", CellKind::Date, "2025-01-21T12:30:00"),
            (
                "2025-01-21T12:30:05.5",
                CellKind::Date,
                "2025-01-21T12:30:05",
            ),
            ("12:30:00", CellKind::Time, ""),
            ("garbage", CellKind::Text, "garbage"),
            ("2025-01-21Tgarbage", CellKind::Text, "2025-01-21Tgarbage"),
        ] {
            let mut out = String::new();
            assert_eq!(iso(raw, &mut out), kind, "{raw}");
            assert_eq!(out, text, "{raw}");
        }
    }
}
