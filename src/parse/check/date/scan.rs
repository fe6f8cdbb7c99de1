//! Pure. Reads the front of a date: numbers, separators, names of months, and whatever time of day follows.

use super::months;

/// What is left to read. Every method takes something from the front, or nothing.
#[derive(Clone, Copy)]
pub(super) struct Scan<'a>(pub(super) &'a str);

impl Scan<'_> {
    /// Digits, at least `least` and at most `most` of them. There may be further ones behind.
    pub(super) fn number(&mut self, least: usize, most: usize) -> Option<u16> {
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

    /// A day of the month beside a month's name: `3`, `03`, `3rd`, `1er`; never the beginning of a longer number.
    pub(super) fn day(&mut self) -> Option<u16> {
        let day = self.number(1, 2)?;
        if self.0.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        for ordinal in ["st", "nd", "rd", "th", "er", "º"] {
            if let Some(rest) = self.0.strip_prefix(ordinal)
                && !rest.starts_with(char::is_alphabetic)
            {
                self.0 = rest;
                break;
            }
        }
        Some(day)
    }

    pub(super) fn literal(&mut self, c: char) -> Option<()> {
        self.0 = self.0.strip_prefix(c)?;
        Some(())
    }

    pub(super) fn separator(&mut self) -> Option<char> {
        let c = self
            .0
            .chars()
            .next()
            .filter(|c| matches!(c, '-' | '/' | '.'))?;
        self.literal(c).map(|()| c)
    }

    /// Blanks, if there are any.
    pub(super) fn blanks(&mut self) {
        self.0 = self.0.trim_start_matches(is_blank);
    }

    /// What stands between a month's name and a number: `3 de abril`, `3rd of April`, `3-Apr`.
    pub(super) fn gap(&mut self) {
        let between = |c: char| is_blank(c) || matches!(c, '-' | '.' | ',' | '/');
        self.0 = self.0.trim_start_matches(between);
        for word in ["de ", "del ", "of "] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest.trim_start_matches(is_blank);
                break;
            }
        }
    }

    /// The name of a month in one of the languages that are known.
    pub(super) fn month_name(&mut self) -> Option<u16> {
        let letters = self.0.chars().take_while(|c| c.is_alphabetic());
        let length: usize = letters.take(months::LONGEST + 1).map(char::len_utf8).sum();
        // Dates of numbers come here too, and there are several a row.
        if length == 0 {
            return None;
        }
        let (name, rest) = self.0.split_at_checked(length)?;
        let month = months::number(name)?;
        self.0 = rest;
        Some(month)
    }

    /// The end, or a time of day, which is not looked at closely.
    pub(super) fn ends_or_time(&self) -> bool {
        if self.0.is_empty() {
            return true;
        }
        // As JavaScript writes it: "7/16/2003, 7:00:00 PM", the last blank a narrow one.
        let rest = self.0.strip_prefix(',').unwrap_or(self.0);
        let Some(time) = rest.strip_prefix(|c: char| matches!(c, 'T' | 't') || is_blank(c)) else {
            return false;
        };
        time.len() <= 40
            && time.starts_with(|c: char| c.is_ascii_digit())
            && time.contains(':')
            && time.chars().all(|c| {
                c.is_ascii_digit()
                    || is_blank(c)
                    || matches!(c, ':' | '.' | '+' | '-' | 'Z' | 'z')
                    || matches!(c, 'A' | 'P' | 'M' | 'a' | 'p' | 'm')
            })
    }

    /// A time zone and nothing else, as XML Schema allows it behind a date: `2026-01-31Z`, `2026-01-31-07:00`.
    pub(super) fn is_zone(&self) -> bool {
        match self.0.as_bytes() {
            b"Z" => true,
            [b'+' | b'-', zone @ ..] => matches!(
                zone,
                [b'0'..=b'1', b'0'..=b'9', b':', b'0'..=b'5', b'0'..=b'9']
            ),
            _ => false,
        }
    }
}

/// A blank, also one at which no line breaks.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\u{a0}' | '\u{202f}')
}
