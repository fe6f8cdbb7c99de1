//! Pure. Dates as files write them to `YYYY-MM-DD`: by the declared format, else only where no other reading is possible.
//!
//! 03/04/2026 is the third of April in London and the fourth of March in Boston: without a declared format it is refused, never guessed.
//! A date-time gives its date as written; nothing is moved between time zones.

use std::fmt;

use crate::parse::check::habits::Evidence;

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

    /// Reads `text`, which may have a time of day behind the date.
    fn read(&self, text: &str) -> Option<Parts> {
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
                Part::MonthName => date.month = scan.month_name()?,
                Part::Year => date.year = scan.number(4, 4)?,
                Part::ShortYear => {
                    let year = scan.number(2, 2)?;
                    // As POSIX reads it.
                    date.year = if year < 69 { 2000 + year } else { 1900 + year };
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
}

impl fmt::Display for DateFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotADate => "is not a date",
            Self::Ambiguous => "is a date whose day and month could be either way round",
            Self::ShortYear => "is a date with a year of two digits",
            Self::NotAsDeclared => "is not a date in the format of this data source",
            Self::NoSuchDay => "is a day that does not exist, or outside of the years 1900 to 2200",
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

/// Brings a date to the form `YYYY-MM-DD`. `format` is the declared one; ISO 8601 is understood beside it. Without it, `order` is what the column
/// was found to have.
pub fn canonical(
    text: &str,
    format: Option<&DateFormat>,
    order: Option<Order>,
) -> Result<String, DateFault> {
    let text = text.trim();
    if let Some(format) = format {
        return match format.read(text) {
            Some(parts) => parts.canonical(),
            // A declared format that begins with the year may mean year, day, month: then ISO is no fallback.
            None if format.parts.first() == Some(&Part::Year) => Err(DateFault::NotAsDeclared),
            None => iso(text).map_or(Err(DateFault::NotAsDeclared), Parts::canonical),
        };
    }
    if let Some(parts) = iso(text) {
        return parts.canonical();
    }
    if let Some(parts) = with_month_name(text) {
        return parts?.canonical();
    }
    with_numbers(text, order)
        .ok_or(DateFault::NotADate)??
        .canonical()
}

#[derive(Debug, Default, Clone, Copy)]
struct Parts {
    year: u16,
    month: u16,
    day: u16,
}

impl Parts {
    fn canonical(self) -> Result<String, DateFault> {
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

/// `2026-04-03`, `20260403`, and the year-first forms with `/` and `.`.
fn iso(text: &str) -> Option<Parts> {
    let mut scan = Scan(text);
    let year = scan.number(4, 4)?;
    let separator = scan.separator();
    let width = if separator.is_none() { 2 } else { 1 };
    let month = scan.number(width, 2)?;
    if let Some(separator) = separator {
        scan.literal(separator)?;
    }
    let day = scan.number(width, 2)?;
    scan.ends_or_time().then_some(Parts { year, month, day })
}

/// `3 April 2026`, `03-Apr-2026`, `April 3, 2026`.
fn with_month_name(text: &str) -> Option<Result<Parts, DateFault>> {
    let mut scan = Scan(text);
    let (month, day) = if let Some(month) = scan.month_name() {
        scan.gap();
        (month, scan.number(1, 2)?)
    } else {
        let day = scan.number(1, 2)?;
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

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// What is left to read. Every method takes something from the front, or nothing.
struct Scan<'a>(&'a str);

impl Scan<'_> {
    /// Digits, at least `least` and at most `most` of them, and no further digit behind unless `most` were taken.
    fn number(&mut self, least: usize, most: usize) -> Option<u16> {
        let digits = self
            .0
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        if digits < least {
            return None;
        }
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.parse().ok()
    }

    fn literal(&mut self, c: char) -> Option<()> {
        self.0 = self.0.strip_prefix(c)?;
        Some(())
    }

    fn separator(&mut self) -> Option<char> {
        let c = self
            .0
            .chars()
            .next()
            .filter(|c| matches!(c, '-' | '/' | '.'))?;
        self.literal(c).map(|()| c)
    }

    /// What stands between a month's name and a number.
    fn gap(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '-', '.', ',', '/']);
    }

    /// An English month's name, whole or its first three letters.
    fn month_name(&mut self) -> Option<u16> {
        let letters = self
            .0
            .bytes()
            .take_while(u8::is_ascii_alphabetic)
            .take(10)
            .count();
        let (name, rest) = self.0.split_at_checked(letters)?;
        let at = MONTHS.iter().position(|month| {
            month.eq_ignore_ascii_case(name)
                || month
                    .get(..3)
                    .is_some_and(|short| short.eq_ignore_ascii_case(name))
                || (name.eq_ignore_ascii_case("sept") && *month == "september")
        })?;
        self.0 = rest;
        u16::try_from(at + 1).ok()
    }

    /// The end, or a time of day, which is not looked at closely.
    fn ends_or_time(&self) -> bool {
        let Some(first) = self.0.chars().next() else {
            return true;
        };
        let time = self.0.get(1..).unwrap_or_default();
        matches!(first, 'T' | 't' | ' ')
            && time.len() <= 40
            && time.starts_with(|c: char| c.is_ascii_digit())
            && time.contains(':')
            && time.chars().all(|c| {
                c.is_ascii_digit()
                    || matches!(c, ':' | '.' | '+' | '-' | ' ' | 'Z' | 'z')
                    || matches!(c, 'A' | 'P' | 'M' | 'a' | 'p' | 'm')
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_day_beyond_the_twelfth_tells_the_order() {
        for (text, says) in [
            ("25/12/2026", Evidence::Says(Order::DayFirst)),
            ("12-25-2026 08:00", Evidence::Says(Order::MonthFirst)),
            ("3.4.2026", Evidence::Open),
            ("4/4/2026", Evidence::Silent),
            ("2026-04-03", Evidence::Silent),
            ("3 Apr 2026", Evidence::Silent),
            ("25/13/2026", Evidence::Silent),
            ("13/2026", Evidence::Silent),
            ("", Evidence::Silent),
        ] {
            assert_eq!(evidence(text), says, "{text}");
        }
        let read = |order| canonical("03/04/2026", None, order);
        assert_eq!(read(Some(Order::DayFirst)).as_deref(), Ok("2026-04-03"));
        assert_eq!(read(Some(Order::MonthFirst)).as_deref(), Ok("2026-03-04"));
        assert_eq!(read(None), Err(DateFault::Ambiguous));
    }

    fn undeclared(text: &str) -> Result<String, DateFault> {
        canonical(text, None, None)
    }

    fn declared(format: &str, text: &str) -> Result<String, DateFault> {
        canonical(text, Some(&DateFormat::parse(format).unwrap()), None)
    }

    #[test]
    fn iso_dates_and_date_times_give_their_date() {
        for text in [
            "2003-07-16",
            "2003-07-16T19:00:00.000Z",
            "2003-07-16 19:00:00",
            "2003-07-16T23:30:00+10:00",
            "20030716",
            "2003/07/16",
            "2003.7.16",
            " 2003-07-16 ",
        ] {
            assert_eq!(undeclared(text).unwrap(), "2003-07-16", "{text}");
        }
    }

    #[test]
    fn dates_with_one_reading_are_taken_and_those_with_two_refused() {
        assert_eq!(undeclared("25/12/2020").unwrap(), "2020-12-25");
        assert_eq!(undeclared("12/25/2020").unwrap(), "2020-12-25");
        assert_eq!(undeclared("5.5.2020").unwrap(), "2020-05-05");
        assert_eq!(undeclared("03/04/2026"), Err(DateFault::Ambiguous));
        assert_eq!(undeclared("3-4-2026"), Err(DateFault::Ambiguous));
        assert_eq!(undeclared("13/13/2026"), Err(DateFault::NoSuchDay));
    }

    #[test]
    fn months_by_name_leave_nothing_to_guess() {
        for text in [
            "3 April 2026",
            "03-Apr-2026",
            "April 3, 2026",
            "apr 03 2026",
        ] {
            assert_eq!(undeclared(text).unwrap(), "2026-04-03", "{text}");
        }
        assert_eq!(undeclared("1 sept 2026").unwrap(), "2026-09-01");
        assert_eq!(undeclared("1-Jan-70"), Err(DateFault::ShortYear));
    }

    #[test]
    fn short_years_count_only_when_declared() {
        assert_eq!(undeclared("25/12/20"), Err(DateFault::ShortYear));
        assert_eq!(declared("%d/%m/%y", "25/12/20").unwrap(), "2020-12-25");
        assert_eq!(declared("%d/%m/%y", "25/12/71").unwrap(), "1971-12-25");
    }

    #[test]
    fn a_declared_format_decides_and_iso_is_understood_beside_it() {
        assert_eq!(declared("%d/%m/%Y", "03/04/2026").unwrap(), "2026-04-03");
        assert_eq!(declared("%m/%d/%Y", "03/04/2026").unwrap(), "2026-03-04");
        assert_eq!(
            declared("%d/%m/%Y", "3/4/2026 00:00:00").unwrap(),
            "2026-04-03"
        );
        assert_eq!(declared("%d%m%Y", "03042026").unwrap(), "2026-04-03");
        assert_eq!(declared("%d %b %Y", "3 Apr 2026").unwrap(), "2026-04-03");
        assert_eq!(declared("%d/%m/%Y", "2026-04-03").unwrap(), "2026-04-03");
        assert_eq!(
            declared("%d/%m/%Y", "12/25/2026"),
            Err(DateFault::NoSuchDay)
        );
        assert_eq!(
            declared("%d/%m/%Y", "25.12.2026"),
            Err(DateFault::NotAsDeclared)
        );
        assert_eq!(
            declared("%Y/%d/%m", "2026-04-03"),
            Err(DateFault::NotAsDeclared)
        );
    }

    #[test]
    fn nonsense_is_no_date() {
        for text in [
            "",
            "soon",
            "45000",
            "1/2",
            "2026-04-03x",
            "2026-04-03 x",
            "€",
        ] {
            assert_eq!(undeclared(text), Err(DateFault::NotADate), "{text}");
        }
        for text in [
            "2026-02-29",
            "1899-12-31",
            "9999-12-31",
            "2026-00-10",
            "20011301",
        ] {
            assert_eq!(undeclared(text), Err(DateFault::NoSuchDay), "{text}");
        }
        assert_eq!(undeclared("2028-02-29").unwrap(), "2028-02-29");
    }

    #[test]
    fn a_format_names_day_month_and_year_once_each() {
        for good in ["%d/%m/%Y", "%Y%m%d", "%d. %B %Y", "%b %d, %y"] {
            assert_eq!(DateFormat::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "%d/%m",
            "%d/%d/%Y",
            "%d/%m/%Y %y",
            "dd/mm/yyyy",
            "%d/%m/%Y %H",
            "%",
        ] {
            assert_eq!(DateFormat::parse(bad), Err(DateFormatError), "{bad}");
        }
    }
}
