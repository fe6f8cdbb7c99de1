//! Pure. Dates as files write them to `YYYY-MM-DD`: by the declared format, else only where no other reading is possible.
//!
//! 03/04/2026 is the third of April in London and the fourth of March in Boston: without a declared format it is refused, never guessed.
//! A date-time gives its date as written; nothing is moved between time zones. What programs write for no date at all comes to an empty text.

mod months;
mod scan;

use std::fmt;

use crate::parse::check::habits::Evidence;
use crate::parse::field::Field;

use scan::Scan;

/// A declared format, such as `%d/%m/%Y`: `%d`, `%m`, `%b` (name of the month), `%Y` and `%y`, and what stands between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateFormat {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Day,
    Month,
    MonthName,
    Year,
    ShortYear,
    Literal(char),
}

/// A format that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a date format has %d, %m (or %b) and %Y (or %y) once each, as in \"%d/%m/%Y\"")]
pub struct DateFormatError;

impl DateFormat {
    /// Takes a format that names day, month and year once each.
    pub fn parse(text: &str) -> Result<Self, DateFormatError> {
        let mut parts = Vec::new();
        let mut chars = text.trim().chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '%' => match chars.next() {
                    Some('d') => Part::Day,
                    Some('m') => Part::Month,
                    Some('b' | 'B') => Part::MonthName,
                    Some('Y') => Part::Year,
                    Some('y') => Part::ShortYear,
                    _ => return Err(DateFormatError),
                },
                c if c.is_ascii_digit() || c.is_control() => return Err(DateFormatError),
                c => Part::Literal(c),
            });
        }
        let count = |wanted: &[Part]| parts.iter().filter(|part| wanted.contains(part)).count();
        let once = count(&[Part::Day]) == 1
            && count(&[Part::Month, Part::MonthName]) == 1
            && count(&[Part::Year, Part::ShortYear]) == 1;
        if once && parts.len() <= 20 {
            Ok(Self {
                text: text.trim().to_owned(),
                parts,
            })
        } else {
            Err(DateFormatError)
        }
    }

    /// The format as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads `text`, which may have a time of day behind the date. Years of two digits from `pivot` on are of the last century.
    fn read(&self, text: &str, pivot: u16) -> Option<Parts> {
        let mut scan = Scan(text);
        let mut date = Parts::default();
        let mut parts = self.parts.iter().peekable();
        while let Some(part) = parts.next() {
            // 01022026 has no separators to end a number: then every number has its full width.
            let full_width = parts
                .peek()
                .is_some_and(|next| !matches!(next, Part::Literal(_)));
            match part {
                Part::Day => date.day = scan.number(if full_width { 2 } else { 1 }, 2)?,
                Part::Month => date.month = scan.number(if full_width { 2 } else { 1 }, 2)?,
                Part::MonthName => {
                    date.month = scan.month_name()?;
                    // "3 Apr. 2026" is what a format with %b means too.
                    if parts.peek() != Some(&&Part::Literal('.')) {
                        let _point = scan.literal('.');
                    }
                }
                Part::Year => date.year = scan.number(4, 4)?,
                Part::ShortYear => {
                    let year = scan.number(2, 2)?;
                    date.year = if year < pivot { 2000 } else { 1900 } + year;
                }
                Part::Literal(c) => scan.literal(*c)?,
            }
        }
        scan.ends_or_time().then_some(date)
    }
}

/// Why a text is no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateFault {
    /// Not like any date.
    NotADate,
    /// Day and month could be either way round.
    Ambiguous,
    /// The century is missing.
    ShortYear,
    /// A date, but not in the declared format.
    NotAsDeclared,
    /// No such day, or a year outside of 1900 to 2200.
    NoSuchDay,
    /// Days since some day in 1899 or 1904: which of the two, the cell does not say.
    Serial,
}

impl fmt::Display for DateFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotADate => "is not a date",
            Self::Ambiguous => "is a date whose day and month could be either way round",
            Self::ShortYear => "is a date with a year of two digits",
            Self::NotAsDeclared => "is not a date in the format of this data source",
            Self::NoSuchDay => "is a day that does not exist, or outside of the years 1900 to 2200",
            Self::Serial => "is a number, as a spreadsheet counts days, and not a date",
        })
    }
}

/// Which of day and month comes first where a date has numbers only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    DayFirst,
    MonthFirst,
}

impl Order {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DayFirst => "the day before the month",
            Self::MonthFirst => "the month before the day",
        }
    }

    /// The line of a configuration that declares it.
    pub(super) const fn example(self) -> &'static str {
        match self {
            Self::DayFirst => "date_format = \"%d/%m/%Y\"",
            Self::MonthFirst => "date_format = \"%m/%d/%Y\"",
        }
    }
}

/// What a cell says of the order in its column.
pub(super) fn evidence(text: &str) -> Evidence<Order> {
    let mut scan = Scan(text.trim());
    let first = scan.number(1, 2);
    let separator = scan.separator();
    let (Some(first), Some(separator)) = (first, separator) else {
        return Evidence::Silent;
    };
    let second = scan.number(1, 2);
    let (Some(second), Some(())) = (second, scan.literal(separator)) else {
        return Evidence::Silent;
    };
    if scan.number(4, 4).is_none() || !scan.ends_or_time() || first == second {
        return Evidence::Silent;
    }
    match (first, second) {
        (1..=12, 1..=12) => Evidence::Open,
        (13..=31, 1..=12) => Evidence::Says(Order::DayFirst),
        (1..=12, 13..=31) => Evidence::Says(Order::MonthFirst),
        _ => Evidence::Silent,
    }
}

/// How dates are written in a column, as far as a change of it is worth a word: any of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Forms(u8);

impl Forms {
    const WORDS: [&str; 7] = [
        "with the year first",
        "with slashes",
        "with points",
        "with dashes",
        "with the name of the month",
        "in eight digits",
        "as dates of a spreadsheet",
    ];
    pub(super) const YEAR_FIRST: Self = Self(1);
    pub(super) const SHEET: Self = Self(1 << 6);

    /// Of a cell, by its first letters only: every one is asked.
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let digits = bytes.iter().take(8).take_while(|b| b.is_ascii_digit());
        let digits = digits.count();
        Self(match (digits, bytes.get(digits)) {
            (4, Some(b'-' | b'/' | b'.')) => 1,
            (1 | 2, Some(b'/')) => 1 << 1,
            (1 | 2, Some(b'.')) => 1 << 2,
            (1 | 2, Some(b'-')) => match bytes.get(digits + 1) {
                Some(next) if next.is_ascii_digit() => 1 << 3,
                _ => 1 << 4,
            },
            (1 | 2, Some(b' ')) => 1 << 4,
            (8, _) => 1 << 5,
            _ => 0,
        })
    }

    pub(super) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// In words.
    pub(super) fn words(self) -> impl Iterator<Item = &'static str> {
        let words = Self::WORDS.into_iter().enumerate();
        words.filter_map(move |(at, word)| (self.0 >> at & 1 == 1).then_some(word))
    }
}

/// Brings a date of `field` to the form `YYYY-MM-DD`, and what stands for none to an empty text. `format` is the declared one; ISO 8601 is
/// understood beside it. Without it, `order` is what the column was found to have.
pub fn canonical(
    text: &str,
    field: Field,
    format: Option<&DateFormat>,
    order: Option<Order>,
) -> Result<String, DateFault> {
    let text = text.trim();
    let read = match format {
        Some(format) => declared(text, field, format),
        None => undeclared(text, order),
    };
    match read.and_then(|parts| parts.canonical(field)) {
        Err(_) if is_zero(text) => Ok(String::new()),
        Err(DateFault::NotADate | DateFault::NotAsDeclared) if is_serial(text) => {
            Err(DateFault::Serial)
        }
        read => read,
    }
}

fn declared(text: &str, field: Field, format: &DateFormat) -> Result<Parts, DateFault> {
    // As POSIX reads it; but nobody who is employed was born after 2029 or before 1930.
    let pivot = if field == Field::BirthDate { 30 } else { 69 };
    match format.read(text, pivot) {
        Some(parts) => Ok(parts),
        // A declared format that begins with the year may mean year, day, month: then ISO is no fallback.
        None if format.parts.first() == Some(&Part::Year) => Err(DateFault::NotAsDeclared),
        None => iso(text).ok_or(DateFault::NotAsDeclared),
    }
}

fn undeclared(text: &str, order: Option<Order>) -> Result<Parts, DateFault> {
    if let Some(parts) = iso(text) {
        return Ok(parts);
    }
    if let Some(parts) = with_month_name(text) {
        return parts;
    }
    with_numbers(text, order).ok_or(DateFault::NotADate)?
}

/// Nothing but zeros, however they are arranged: what databases and SAP write for no date.
fn is_zero(text: &str) -> bool {
    text.contains('0')
        && text
            .chars()
            .all(|c| matches!(c, '0' | '-' | '/' | '.' | ':' | ' ' | 'T' | 'Z'))
}

/// Five digits and perhaps a fraction: a day of the years 1927 to 2173 as spreadsheets count them.
fn is_serial(text: &str) -> bool {
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    whole.len() == 5 && digits(whole) && digits(fraction)
}

#[derive(Debug, Default, Clone, Copy)]
struct Parts {
    year: u16,
    month: u16,
    day: u16,
}

impl Parts {
    /// What programs write where they have no date: the first day that they can count (of SQL Server, .NET and spreadsheets), and of somebody who
    /// stays the last one (of SAP and Oracle). The first of January 1970 is no such day: people were born on it.
    fn is_none(self, field: Field) -> bool {
        match (self.year, self.month, self.day) {
            (1 | 1753, 1, 1) | (1899, 12, 30 | 31) | (1900, 1, 0 | 1) => true,
            (9999, _, _) | (4712 | 2999, 12, 31) => field == Field::TerminationDate,
            _ => false,
        }
    }

    fn canonical(self, field: Field) -> Result<String, DateFault> {
        if self.is_none(field) {
            return Ok(String::new());
        }
        let Self { year, month, day } = self;
        let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        if (1900..=2200).contains(&year) && (1..=days).contains(&day) {
            // There are several a row: no detour through a format string.
            let digit = |number: u16| char::from(b'0' + u8::try_from(number % 10).unwrap_or(0));
            let mut date = String::with_capacity(10);
            date.extend([year / 1000, year / 100, year / 10, year].map(digit));
            date.push('-');
            date.extend([month / 10, month].map(digit));
            date.push('-');
            date.extend([day / 10, day].map(digit));
            Ok(date)
        } else {
            Err(DateFault::NoSuchDay)
        }
    }
}

/// `2026-04-03`, `20260403`, and the year-first forms with `/` and `.`, also as they are written in Seoul and Budapest; in Chinese, Japanese and
/// Korean with the words for year, month and day.
fn iso(text: &str) -> Option<Parts> {
    let mut scan = Scan(text);
    let year = scan.number(4, 4)?;
    for words in [['年', '月', '日'], ['년', '월', '일']] {
        if scan.0.starts_with(words[0]) {
            return in_words(scan, year, words);
        }
    }
    let separator = scan.separator();
    let width = if separator.is_none() { 2 } else { 1 };
    if separator == Some('.') {
        scan.blanks();
    }
    let month = scan.number(width, 2)?;
    if let Some(separator) = separator {
        scan.literal(separator)?;
        if separator == '.' {
            scan.blanks();
        }
    }
    let day = scan.number(width, 2)?;
    if separator == Some('.') {
        let _point = scan.literal('.');
    }
    let ends = scan.ends_or_time() || separator == Some('-') && scan.is_zone();
    ends.then_some(Parts { year, month, day })
}

fn in_words(mut scan: Scan<'_>, year: u16, words: [char; 3]) -> Option<Parts> {
    let [after_year, after_month, after_day] = words;
    scan.literal(after_year)?;
    scan.blanks();
    let month = scan.number(1, 2)?;
    scan.literal(after_month)?;
    scan.blanks();
    let day = scan.number(1, 2)?;
    scan.literal(after_day)?;
    scan.ends_or_time().then_some(Parts { year, month, day })
}

/// `3 April 2026`, `03-Apr-2026`, `April 3, 2026`, `3. März 2026`.
fn with_month_name(text: &str) -> Option<Result<Parts, DateFault>> {
    let mut scan = Scan(text);
    let (month, day) = if let Some(month) = scan.month_name() {
        scan.gap();
        (month, scan.day()?)
    } else {
        let day = scan.day()?;
        scan.gap();
        (scan.month_name()?, day)
    };
    scan.gap();
    let Some(year) = scan.number(4, 4) else {
        scan.number(2, 2)?;
        return scan.ends_or_time().then_some(Err(DateFault::ShortYear));
    };
    scan.ends_or_time()
        .then_some(Ok(Parts { year, month, day }))
}

/// `25/12/2026` and `12/25/2026`, where only one reading is possible.
fn with_numbers(text: &str, order: Option<Order>) -> Option<Result<Parts, DateFault>> {
    let mut scan = Scan(text);
    let first = scan.number(1, 2)?;
    let separator = scan.separator()?;
    let second = scan.number(1, 2)?;
    scan.literal(separator)?;
    let Some(year) = scan.number(4, 4) else {
        scan.number(2, 2)?;
        return scan.ends_or_time().then_some(Err(DateFault::ShortYear));
    };
    if !scan.ends_or_time() {
        return None;
    }
    let (day, month) = match (first, second) {
        // The day before the first one, as a spreadsheet shows its zero.
        _ if first == 0 || second == 0 => (0, first.max(second)),
        _ if first == second || second <= 12 && first > 12 => (first, second),
        _ if first <= 12 && second > 12 => (second, first),
        _ if first > 12 => return Some(Err(DateFault::NoSuchDay)),
        _ => match order {
            Some(Order::DayFirst) => (first, second),
            Some(Order::MonthFirst) => (second, first),
            None => return Some(Err(DateFault::Ambiguous)),
        },
    };
    Some(Ok(Parts { year, month, day }))
}

#[cfg(test)]
mod tests;
