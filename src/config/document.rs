//! One TOML file as it was written: values with their lines, so that every problem can be named with file, line and key.
//!
//! A [`Section`] is read key by key; what was not read when it is finished is an unknown key. Problems are gathered, never returned
//! early, so that an admin sees all of them at once.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::units;

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    pub file: PathBuf,
    /// From 1; none where the file as a whole is meant.
    pub line: Option<usize>,
    /// As `ftps.passive_ports` or `login[2].user`.
    pub key: Option<String>,
    pub message: String,
}

impl Problem {
    /// A problem with a file as a whole.
    pub fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            key: None,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Where a value stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    file: PathBuf,
    pub(super) line: usize,
    pub(super) key: String,
}

impl Place {
    /// A problem with what stands here.
    pub(super) fn problem(self, message: impl Into<String>) -> Problem {
        Problem {
            file: self.file,
            line: Some(self.line),
            key: Some(self.key),
            message: message.into(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// A file being read, and what was found wrong with it so far.
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) file: &'a Path,
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Document<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self {
            file,
            text,
            problems: RefCell::default(),
        }
    }

    /// Parses the text; what is not TOML becomes problems, and the rest is read all the same.
    pub(super) fn parse(&self) -> Spanned<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let message = error.message().replace('\n', ", ");
            self.report(None, error.span(), message);
        }
        table
    }

    /// The whole file as a section without a name.
    pub(super) fn root<'d>(&'d self, table: &'d Spanned<DeTable<'a>>) -> Section<'d> {
        Section {
            document: self,
            name: String::new(),
            span: 0..0,
            table: table.get_ref(),
            read: RefCell::default(),
        }
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        memchr::memchr_iter(b'\n', before).count() + 1
    }

    fn report(&self, key: Option<String>, span: Option<Range<usize>>, message: impl Into<String>) {
        let line = span.map(|span| self.line(&span));
        self.problems.borrow_mut().push(Problem {
            file: self.file.to_owned(),
            line,
            key,
            message: message.into(),
        });
    }
}

/// A table of the file.
#[derive(Debug)]
pub(super) struct Section<'d> {
    document: &'d Document<'d>,
    name: String,
    span: Range<usize>,
    table: &'d DeTable<'d>,
    read: RefCell<BTreeSet<&'static str>>,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Value<T> {
    pub(super) content: T,
    key: String,
    span: Range<usize>,
}

impl<'d> Section<'d> {
    /// The folder that relative paths in this file start from.
    pub(super) fn folder(&self) -> &'d Path {
        self.document.file.parent().unwrap_or(Path::new("."))
    }

    /// Whether the key stands here at all.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.table.get(key).is_some()
    }

    /// Whether the key has a plain text, where a list or a section may be meant.
    pub(super) fn is_text(&self, key: &'static str) -> bool {
        self.look(key).is_some_and(|value| value.get_ref().is_str())
    }

    /// Every key of this section with its text: for tables whose keys are names.
    pub(super) fn entries(&self) -> Vec<(String, Value<String>)> {
        let mut entries = Vec::new();
        for (name, value) in self.table {
            let key = self.key_of(name.get_ref());
            match value.get_ref().as_str() {
                Some(text) => entries.push((
                    name.get_ref().clone().into_owned(),
                    Value {
                        content: text.to_owned(),
                        key,
                        span: name.span(),
                    },
                )),
                None => self.mistyped(&key, value, "text in quotes"),
            }
        }
        entries
    }

    pub(super) fn text(&self, key: &'static str) -> Option<Value<String>> {
        let value = self.look(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.mistyped(&self.key_of(key), value, "text in quotes");
        }
        Some(self.value(key, value, text?.to_owned()))
    }

    /// Like [`Section::text`], and a problem where it is missing.
    pub(super) fn required_text(&self, key: &'static str, example: &str) -> Option<Value<String>> {
        if !self.has(key) {
            self.missing(key, example);
        }
        self.text(key)
    }

    /// Text that `parse` turns into something; its error is a problem.
    pub(super) fn parsed<T, E: fmt::Display>(
        &self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(key)?;
        self.take(&text, parse)
    }

    /// What `parse` makes of a value's text; its error is a problem there.
    pub(super) fn take<T, E: fmt::Display>(
        &self,
        text: &Value<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        parse(&text.content)
            .map_err(|error| self.wrong(text, error.to_string()))
            .ok()
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let value = self.look(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.mistyped(&self.key_of(key), value, "true or false");
        }
        flag
    }

    /// A whole number from `least` on.
    pub(super) fn number(&self, key: &'static str, least: u64) -> Option<u64> {
        let value = self.look(key)?;
        let number = integer(value.get_ref());
        match number {
            Some(number) if number >= least => Some(number),
            Some(_) => {
                self.document.report(
                    Some(self.key_of(key)),
                    Some(value.span()),
                    format!("must be {least} or more"),
                );
                None
            }
            None => {
                self.document.report(
                    Some(self.key_of(key)),
                    Some(value.span()),
                    format!("expected a whole number, {least} or more"),
                );
                None
            }
        }
    }

    /// A number with or without a fraction, as it was written; in quotes too.
    pub(super) fn decimal(&self, key: &'static str) -> Option<Value<String>> {
        let value = self.look(key)?;
        let written = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            DeValue::String(text) => text,
            _ => {
                self.mistyped(&self.key_of(key), value, "a number");
                return None;
            }
        };
        Some(self.value(key, value, written.to_owned()))
    }

    /// A number of bytes: `"500MB"`, `"1 GiB"`, or a plain number.
    pub(super) fn size(&self, key: &'static str) -> Option<u64> {
        self.number_or_text(key, Some, units::size_bytes, "a size like \"500MB\"")
    }

    /// A length of time: `"30s"`, `"5m"`, or a plain number of `unit`.
    pub(super) fn duration(&self, key: &'static str, unit: Duration) -> Option<Duration> {
        let number = |count: u64| unit.checked_mul(u32::try_from(count).ok()?);
        let expected = if unit >= units::DAY {
            "a number of days, as 30"
        } else {
            "a time like \"30s\" or \"5m\""
        };
        self.number_or_text(key, number, units::duration, expected)
    }

    fn number_or_text<T>(
        &self,
        key: &'static str,
        number: impl FnOnce(u64) -> Option<T>,
        text: impl FnOnce(&str) -> Option<T>,
        expected: &str,
    ) -> Option<T> {
        let value = self.look(key)?;
        let taken = match value.get_ref() {
            DeValue::String(written) => text(written),
            other => integer(other).and_then(number),
        };
        if taken.is_none() {
            let message = format!("expected {expected}");
            self.document
                .report(Some(self.key_of(key)), Some(value.span()), message);
        }
        taken
    }

    /// A list of texts; none where the key is missing.
    pub(super) fn texts(&self, key: &'static str) -> Option<Vec<Value<String>>> {
        let value = self.look(key)?;
        let Some(array) = value.get_ref().as_array() else {
            self.mistyped(&self.key_of(key), value, "a list of texts, [\"…\"]");
            return None;
        };
        let mut texts = Vec::new();
        for (at, element) in array.iter().enumerate() {
            match element.get_ref().as_str() {
                Some(text) => {
                    texts.push(self.value(&format!("{key}[{}]", at + 1), element, text.to_owned()));
                }
                None => self.mistyped(&self.key_of(key), element, "text in quotes"),
            }
        }
        Some(texts)
    }

    /// A list of texts that `parse` turns into something.
    pub(super) fn parsed_list<T, E: fmt::Display>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let texts = self.texts(key)?;
        Some(
            texts
                .iter()
                .filter_map(|text| self.take(text, &parse))
                .collect(),
        )
    }

    /// A path, relative to the folder of this file.
    pub(super) fn path(&self, key: &'static str) -> Option<PathBuf> {
        Some(self.folder().join(self.text(key)?.content))
    }

    /// A day, as a TOML date or in quotes.
    pub(super) fn date(&self, key: &'static str) -> Option<jiff::civil::Date> {
        let value = self.look(key)?;
        let written = match value.get_ref() {
            DeValue::Datetime(date) => date.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        };
        let date = written.parse().ok();
        if date.is_none() {
            self.mistyped(&self.key_of(key), value, "a day like 2027-01-31");
        }
        date
    }

    pub(super) fn section(&self, key: &'static str) -> Option<Section<'d>> {
        let value = self.look(key)?;
        let Some(table) = value.get_ref().as_table() else {
            self.mistyped(
                &self.key_of(key),
                value,
                &format!("a section, [{}]", self.key_of(key)),
            );
            return None;
        };
        Some(self.below(self.key_of(key), value.span(), table))
    }

    /// The sections of a list, `[[key]]`.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'d>> {
        let Some(value) = self.look(key) else {
            return Vec::new();
        };
        let Some(array) = value.get_ref().as_array() else {
            self.mistyped(
                &self.key_of(key),
                value,
                &format!("a list of sections, [[{}]]", self.key_of(key)),
            );
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (at, element) in array.iter().enumerate() {
            let name = format!("{}[{}]", self.key_of(key), at + 1);
            match element.get_ref().as_table() {
                Some(table) => sections.push(self.below(name, element.span(), table)),
                None => self.mistyped(&name, element, "a section"),
            }
        }
        sections
    }

    /// A problem with the value of a key.
    pub(super) fn wrong<T>(&self, value: &Value<T>, message: impl Into<String>) {
        self.document
            .report(Some(value.key.clone()), Some(value.span.clone()), message);
    }

    /// Where a value stands.
    pub(super) fn place<T>(&self, value: &Value<T>) -> Place {
        Place {
            file: self.document.file.to_owned(),
            line: self.document.line(&value.span),
            key: value.key.clone(),
        }
    }

    /// A problem with a key that was read.
    pub(super) fn wrong_key(&self, key: &'static str, message: impl Into<String>) {
        let span = self
            .table
            .get(key)
            .map_or_else(|| self.span.clone(), Spanned::span);
        self.document
            .report(Some(self.key_of(key)), Some(span), message);
    }

    /// A problem with the section as a whole.
    pub(super) fn wrong_section(&self, message: impl Into<String>) {
        let name = Some(self.name.clone()).filter(|name| !name.is_empty());
        self.document.report(name, Some(self.span.clone()), message);
    }

    pub(super) fn missing(&self, key: &'static str, example: &str) {
        self.document.report(
            Some(self.key_of(key)),
            Some(self.span.clone()),
            format!("is missing; for example {key} = {example}"),
        );
    }

    /// Says of every key that nobody read that it is unknown.
    pub(super) fn finish(self) {
        let read = self.read.borrow();
        for (key, _) in self.table {
            let name: &str = key.get_ref();
            if read.contains(name) {
                continue;
            }
            let near = read
                .iter()
                .map(|known| (strsim::damerau_levenshtein(name, known), *known))
                .min()
                .filter(|(distance, _)| *distance <= 2);
            let message = match near {
                Some((_, known)) => format!("unknown key; did you mean \"{known}\"?"),
                None => "unknown key".to_owned(),
            };
            self.document
                .report(Some(self.key_of(name)), Some(key.span()), message);
        }
    }

    fn below(&self, name: String, span: Range<usize>, table: &'d DeTable<'d>) -> Section<'d> {
        Section {
            document: self.document,
            name,
            span,
            table,
            read: RefCell::default(),
        }
    }

    fn look(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.read.borrow_mut().insert(key);
        self.table.get(key)
    }

    fn key_of(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    fn value<T>(&self, key: &str, at: &Spanned<DeValue<'_>>, value: T) -> Value<T> {
        Value {
            content: value,
            key: self.key_of(key),
            span: at.span(),
        }
    }

    fn mistyped(&self, key: &str, found: &Spanned<DeValue<'_>>, expected: &str) {
        let found_type = found.get_ref().type_str();
        let message = if matches!(found.get_ref(), DeValue::String(_)) {
            format!("expected {expected}")
        } else {
            format!("expected {expected}, found {found_type}")
        };
        self.document
            .report(Some(key.to_owned()), Some(found.span()), message);
    }
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}
