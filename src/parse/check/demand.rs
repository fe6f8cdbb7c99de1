//! Pure. What a data source demands of the cells of one field beyond what their kind does, and what becomes of a cell that is not so.
//!
//! Messages tell the rule and never the cell.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::borrow::Cow;
use std::fmt;

use regex::{Regex, RegexBuilder};

use crate::parse::check::cells::{Fault, fault};
use crate::parse::check::value::{self, Point};
use crate::parse::field::FieldKind;
use crate::parse::finding::code;

/// What becomes of a field whose cell is empty, or wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It keeps what is stored.
    Keep,
    /// It is emptied.
    Clear,
    /// The row is refused.
    Refuse,
}

impl Treatment {
    /// The word of a configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Clear => "clear",
            Self::Refuse => "refuse",
        }
    }

    /// Takes the word of a configuration.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Keep, Self::Clear, Self::Refuse]
            .into_iter()
            .find(|treatment| treatment.as_str() == text)
    }
}

/// The demands of one field. The default demands nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// What becomes of the field where its cell is empty; none: what the data source says for all.
    pub empty_cell: Option<Treatment>,
    /// And where it is wrong.
    pub bad_value: Option<Treatment>,
    /// What the whole of the value looks like.
    pub pattern: Option<Pattern>,
    /// Characters.
    pub min_length: Option<usize>,
    pub max_length: Option<usize>,
    /// The only values there are, whatever their case; empty: any.
    pub values: Vec<String>,
    pub minimum: Option<Amount>,
    pub maximum: Option<Amount>,
    /// What stands between the values of a cell that holds several, in no order.
    pub separator: Option<char>,
    /// The value is taken only where the status of the row is one of these words (R3.14); empty: always.
    pub only_when_status: Vec<String>,
    /// A value that is as it should be, for the template and for whoever sent one that is not.
    pub example: Option<String>,
}

/// A regular expression for the whole of a value.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Takes an expression; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let compiled = |text: &str| RegexBuilder::new(text).size_limit(PATTERN_BYTES).build();
        // Alone first: `a)(b` is none, though it would be one in brackets.
        let regex = compiled(text).and_then(|_| compiled(&format!(r"\A(?:{text})\z")));
        match regex {
            Ok(regex) => Ok(Self {
                text: text.to_owned(),
                regex,
            }),
            Err(regex::Error::CompiledTooBig(_)) => {
                Err("the pattern is too large: make its repetitions shorter".to_owned())
            }
            Err(error) => {
                let said = error.to_string();
                let why = said.lines().last().unwrap_or_default();
                Err(format!(
                    "no regular expression: {}",
                    why.trim_start_matches("error: ")
                ))
            }
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Two with one text are the same.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// A number that a value is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount {
    text: String,
    scaled: i128,
}

impl Amount {
    /// Takes a number in any form that a cell with a decimal point may have.
    pub fn parse(text: &str) -> Option<Self> {
        let text = value::decimal(text, Some(Point::Point))?;
        let scaled = scaled(&text)?;
        Some(Self { text, scaled })
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A canonical number in units of its last digit; none if it has more digits than a canonical one.
fn scaled(canonical: &str) -> Option<i128> {
    let unsigned = canonical.strip_prefix('-').unwrap_or(canonical);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.len() > 20 || fraction.len() > FRACTION {
        return None;
    }
    let number: i128 = format!("{whole}{fraction:0<FRACTION$}").parse().ok()?;
    Some(if canonical.starts_with('-') {
        -number
    } else {
        number
    })
}

/// Digits of a fraction that a canonical number has at most.
const FRACTION: usize = 10;
/// Bytes that a compiled pattern may take.
const PATTERN_BYTES: usize = 1 << 18;
/// Values that a finding lists.
const LISTED: usize = 12;

impl Demand {
    /// The value as it is to be stored, or what is wrong with it. Of a value that is not empty, in the form that its kind gives it.
    pub(super) fn comply(&self, text: String) -> Result<String, Fault> {
        let Some(separator) = self.separator else {
            return self.one(text);
        };
        let parts = text.split(separator).map(str::trim);
        let parts = parts.filter(|part| !part.is_empty());
        let mut parts = parts
            .map(|part| self.one(part.to_owned()))
            .collect::<Result<Vec<_>, _>>()?;
        parts.sort_unstable();
        parts.dedup();
        let mut between = [0; 4];
        Ok(parts.join(separator.encode_utf8(&mut between)))
    }

    fn one(&self, text: String) -> Result<String, Fault> {
        let length = text.chars().count();
        if let Some(least) = self.min_length.filter(|least| length < *least) {
            return Err(wrong(
                format!("The cell has fewer than {least} characters."),
                self.correct(),
            ));
        }
        if let Some(most) = self.max_length.filter(|most| length > *most) {
            return Err(wrong(
                format!("The cell has more than {most} characters."),
                self.correct(),
            ));
        }
        if let Some(pattern) = &self.pattern
            && !pattern.regex.is_match(&text)
        {
            return Err(wrong(
                "The cell is not of the form that was agreed for it.".to_owned(),
                self.correct(),
            ));
        }
        if self.values.is_empty() {
            return Ok(text);
        }
        let lower = text.to_lowercase();
        let same = |value: &&String| **value == text || value.to_lowercase() == lower;
        match self.values.iter().find(same) {
            Some(value) => Ok(value.clone()),
            None => Err(wrong(
                "The cell holds none of the values that were agreed for it.".to_owned(),
                self.correct(),
            )),
        }
    }

    /// Whether a canonical number is within the limits, where there are any.
    pub(super) fn is_within(&self, number: &str) -> bool {
        if self.minimum.is_none() && self.maximum.is_none() {
            return true;
        }
        // What has too many digits to be compared is beyond every limit.
        scaled(number).is_some_and(|number| {
            let fits = |limit: &Option<Amount>, outside: fn(i128, i128) -> bool| {
                limit.as_ref().is_none_or(|it| !outside(number, it.scaled))
            };
            fits(&self.minimum, |number, least| number < least)
                && fits(&self.maximum, |number, most| number > most)
        })
    }

    /// The limits in words: "between 0 and 500".
    pub(super) fn limits(&self) -> String {
        match (&self.minimum, &self.maximum) {
            (Some(least), Some(most)) => format!("between {least} and {most}"),
            (Some(least), None) => format!("{least} or more"),
            (None, Some(most)) => format!("{most} or less"),
            (None, None) => "as it should be".to_owned(),
        }
    }

    /// Whether a value, as a cell may have it, is what is demanded; dates and the like are none of a demand's business.
    pub fn takes(&self, kind: FieldKind, text: &str) -> bool {
        match kind {
            FieldKind::Text => self.comply(text.to_owned()).is_ok(),
            FieldKind::Email => value::is_email(text) && self.comply(text.to_owned()).is_ok(),
            FieldKind::Decimal => {
                Amount::parse(text).is_some_and(|number| self.is_within(&number.text))
            }
            FieldKind::Date | FieldKind::Flag | FieldKind::Status => true,
        }
    }

    /// The text in a length that is demanded.
    pub fn fitted(&self, text: &str) -> String {
        let least = self.min_length.unwrap_or(0);
        let long = text.chars().count().max(least);
        let most = self.max_length.unwrap_or(long).min(long);
        text.chars().cycle().take(most).collect()
    }

    /// Whether any value is both long and short, or great and small enough.
    pub fn is_possible(&self) -> bool {
        if self
            .max_length
            .is_some_and(|most| self.min_length > Some(most))
        {
            return false;
        }
        let scaled = |amount: &Option<Amount>| amount.as_ref().map(|it| it.scaled);
        let limits = scaled(&self.minimum).zip(scaled(&self.maximum));
        limits.is_none_or(|(least, most)| least <= most)
    }

    /// Whether numbers have limits.
    pub fn has_limits(&self) -> bool {
        self.minimum.is_some() || self.maximum.is_some()
    }

    /// What whoever sent a wrong value should do.
    fn correct(&self) -> String {
        let hint = if let Some(example) = &self.example {
            format!("; an example is \"{example}\"")
        } else if self.values.is_empty() {
            String::new()
        } else {
            let listed: Vec<_> = self.values.iter().take(LISTED).map(quoted).collect();
            let more = match self.values.len().saturating_sub(LISTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("; there are {}{more}", listed.join(", "))
        };
        format!("Correct it in your HR system{hint}.")
    }

    /// All of it in one line, for an admin and for a digest: two with one line are the same.
    pub fn words(&self) -> String {
        let mut words = Vec::new();
        let mut say = |key: &str, value: Option<String>| {
            words.extend(value.map(|value| format!("{key} = {value}")));
        };
        let word = |treatment: Option<Treatment>| treatment.map(|it| quoted(it.as_str()));
        let list = |texts: &[String]| {
            let texts: Vec<_> = texts.iter().map(quoted).collect();
            (!texts.is_empty()).then(|| format!("[{}]", texts.join(", ")))
        };
        say("empty_cell", word(self.empty_cell));
        say("bad_value", word(self.bad_value));
        say(
            "pattern",
            self.pattern.as_ref().map(|it| quoted(it.as_str())),
        );
        say("min_length", self.min_length.map(|it| it.to_string()));
        say("max_length", self.max_length.map(|it| it.to_string()));
        say("values", list(&self.values));
        say("minimum", self.minimum.as_ref().map(ToString::to_string));
        say("maximum", self.maximum.as_ref().map(ToString::to_string));
        say("separator", self.separator.map(|it| quoted(it.to_string())));
        say("only_when_status", list(&self.only_when_status));
        say("example", self.example.as_ref().map(quoted));
        words.join(", ")
    }
}

fn quoted(text: impl AsRef<str>) -> String {
    format!("{:?}", text.as_ref())
}

fn wrong(message: String, remedy: String) -> Fault {
    Fault {
        message: Cow::Owned(message),
        remedy: Cow::Owned(remedy),
        ..fault(code::CONSTRAINT_ERROR, "", "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_for_the_whole_value_and_a_bad_one_is_told() {
        let pattern = Pattern::parse("[A-Z]{2}|x").unwrap();
        for (value, fits) in [("AB", true), ("x", true), ("ABC", false), ("AB\n", false)] {
            assert_eq!(pattern.regex.is_match(value), fits, "{value:?}");
        }
        for bad in ["(", "a)(b", "[z-a]", "x{5000000}"] {
            let said = Pattern::parse(bad).unwrap_err();
            assert!(!said.contains('\n') && said.len() > 20, "{said}");
        }
    }

    #[test]
    fn limits_of_numbers_are_exact() {
        let pay = Demand {
            minimum: Amount::parse("-10,000,000.00"),
            maximum: Amount::parse("10000000"),
            ..Demand::default()
        };
        for (number, fits) in [
            ("10000000", true),
            ("-10000000", true),
            ("10000000.0000000001", false),
            ("-10000000.01", false),
            ("0", true),
            ("12345678901234567890123", false),
        ] {
            assert_eq!(pay.is_within(number), fits, "{number}");
        }
        assert!(Demand::default().is_within("12345678901234567890123"));
        assert_eq!(pay.limits(), "between -10000000 and 10000000");
    }

    #[test]
    fn several_values_of_a_cell_are_a_set() {
        let groups = Demand {
            separator: Some(';'),
            values: ["First Aid", "Fire"].map(str::to_owned).to_vec(),
            ..Demand::default()
        };
        let comply = |text: &str| groups.comply(text.to_owned()).ok();
        assert_eq!(
            comply("fire; first aid;;FIRE"),
            Some("Fire;First Aid".to_owned())
        );
        assert_eq!(comply("fire;water"), None);
        assert_eq!(comply(" ; "), Some(String::new()));
    }

    #[test]
    fn what_is_wrong_is_told_with_an_example_and_without_the_value() {
        let badge = Demand {
            pattern: Some(Pattern::parse("[A-Z]-[0-9]+").unwrap()),
            max_length: Some(6),
            example: Some("B-17".to_owned()),
            ..Demand::default()
        };
        for (value, why) in [
            ("Wojciech", "more than 6 characters"),
            ("b-17", "not of the form"),
        ] {
            let fault = badge.comply(value.to_owned()).err().unwrap();
            let said = format!("{} {}", fault.message, fault.remedy);
            assert!(said.contains(why), "{said}");
            assert!(said.contains("\"B-17\""), "{said}");
            assert!(!said.contains(value), "{said}");
        }
    }

    #[test]
    fn the_line_of_a_demand_tells_it_from_every_other() {
        let plain = Demand::default();
        assert_eq!(plain.words(), "");
        let some = |change: fn(&mut Demand)| {
            let mut demand = Demand::default();
            change(&mut demand);
            demand.words()
        };
        let lines = [
            some(|it| it.empty_cell = Some(Treatment::Keep)),
            some(|it| it.bad_value = Some(Treatment::Keep)),
            some(|it| it.pattern = Pattern::parse("a").ok()),
            some(|it| it.min_length = Some(1)),
            some(|it| it.max_length = Some(1)),
            some(|it| it.values = vec!["a".to_owned(), "b".to_owned()]),
            some(|it| it.values = vec!["a\", \"b".to_owned()]),
            some(|it| it.only_when_status = vec!["a".to_owned()]),
            some(|it| it.minimum = Amount::parse("1")),
            some(|it| it.maximum = Amount::parse("1")),
            some(|it| it.separator = Some('|')),
            some(|it| it.example = Some("a".to_owned())),
        ];
        let distinct: std::collections::BTreeSet<_> = lines.iter().collect();
        assert_eq!(distinct.len(), lines.len());
    }
}
