//! Pure. Text in which every column has its place in the line, as it was agreed: nobody could find that out.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{BufRead, Write};

use memchr::memchr2;

use crate::parse::agreement::FixedColumn;
use crate::parse::field::normalised;
use crate::parse::finding::{Finding, Severity, code};
use crate::parse::read::table::{Stop, Table};
use crate::parse::row::{CellKind, RawRow};

/// Bytes of a line: what is longer has no line ends, and so no columns.
const LINE_BYTES: usize = 1 << 20;

/// Reads the lines of `text`, which begins with `sample`.
pub(super) fn read<R: BufRead, W: Write>(
    text: R,
    sample: &[u8],
    columns: &[FixedColumn],
    table: &mut Table<'_, W>,
) -> Result<(), Stop> {
    let most = table.limits.cell_length_bytes;
    let trimmed = is_trimmed(sample);
    let mut header = RawRow::new(0);
    for column in columns {
        header.push(CellKind::Text, &column.name);
    }
    let mut lines = Lines {
        text,
        number: 0,
        after_cr: false,
        line: Vec::new(),
    };
    let mut row = RawRow::default();
    let mut begun = false;
    let mut said = false;
    while lines.next()? {
        if lines
            .line
            .iter()
            .all(|byte| matches!(byte, 0 | 0x1a) || byte.is_ascii_whitespace())
        {
            continue;
        }
        let cut = cut(&lines.line, columns, lines.number, most, &mut row);
        if !begun {
            begun = true;
            if repeats(&row, columns) {
                header.row = lines.number;
                table.header(&header)?;
                continue;
            }
            table.header(&header)?;
        }
        if trimmed && cut == Cut::Letter && row.len() < columns.len() {
            while row.len() < columns.len() {
                row.push(CellKind::Text, "");
            }
            if !said {
                said = true;
                table.note(&short(lines.number))?;
            }
        }
        table.row(&row)?;
    }
    Ok(())
}

fn short(line: u64) -> Finding {
    Finding::row(
        line,
        None,
        code::TEXT_DIALECT,
        "Lines end at their last letter, so columns beyond it were taken for empty.",
        "Nothing, if the sender cuts blanks off the ends of lines.",
    )
    .with_severity(Severity::Info)
}

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Blank,
    Letter,
}

/// Cuts a line into columns. Where it is too short for all, the missing ones are empty if it ends in blanks; otherwise it may have been torn, and
/// they stay missing.
fn cut(line: &[u8], columns: &[FixedColumn], number: u64, most: usize, row: &mut RawRow) -> Cut {
    row.restart(number);
    let text = String::from_utf8_lossy(line);
    let wrong = std::str::from_utf8(line).is_err();
    let places = Places::of(&text);
    let end = if text.ends_with([' ', '\t']) {
        Cut::Blank
    } else {
        Cut::Letter
    };
    for column in columns {
        let from = column.start.saturating_sub(1);
        if from >= places.count() && end == Cut::Letter {
            break;
        }
        let cell = places
            .between(from, from.saturating_add(column.width))
            .trim_matches([' ', '\t', '\0', '\u{1a}']);
        if cell.len() > most {
            row.push(CellKind::TooLong, "");
        } else if wrong && cell.contains('\u{fffd}') {
            row.push(CellKind::Undecodable, cell);
        } else {
            row.push(CellKind::Text, cell);
        }
    }
    end
}

/// The characters of a line, by their number.
struct Places<'a> {
    text: &'a str,
    /// Where each begins; none where every byte is one.
    starts: Option<Vec<usize>>,
}

impl<'a> Places<'a> {
    fn of(text: &'a str) -> Self {
        let starts = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        Self { text, starts }
    }

    fn count(&self) -> usize {
        self.starts.as_ref().map_or(self.text.len(), Vec::len)
    }

    fn between(&self, from: usize, to: usize) -> &'a str {
        let byte = |at: usize| match &self.starts {
            Some(starts) => starts.get(at).copied().unwrap_or(self.text.len()),
            None => at.min(self.text.len()),
        };
        self.text.get(byte(from)..byte(to)).unwrap_or_default()
    }
}

/// Whether a line is the names of the columns, as some programs write them above the rows. A narrow column cuts its name off.
fn repeats(row: &RawRow, columns: &[FixedColumn]) -> bool {
    row.len() == columns.len()
        && row.cells().zip(columns).all(|(cell, column)| {
            let (label, name) = (normalised(cell.text), normalised(&column.name));
            label == name
                || !label.is_empty()
                    && cell.text.chars().count() + 1 >= column.width
                    && name.starts_with(&label)
        })
}

/// Whether no line of several ends in a blank: then the program that wrote them cuts them there.
fn is_trimmed(sample: &[u8]) -> bool {
    let mut lengths = sample
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .filter(|line| !line.is_empty())
        .map(|line| (!line.ends_with(b" ")).then_some(line.len()));
    let Some(Some(first)) = lengths.next() else {
        return false;
    };
    let mut vary = false;
    let letters = lengths.all(|length| {
        vary |= length.is_some_and(|length| length != first);
        length.is_some()
    });
    letters && vary
}

/// The lines of a text, counted.
struct Lines<R> {
    text: R,
    number: u64,
    after_cr: bool,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Takes the next line into `line`; false at the end.
    fn next(&mut self) -> Result<bool, Stop> {
        self.line.clear();
        self.number += 1;
        loop {
            let buffer = self.text.fill_buf()?;
            if buffer.is_empty() {
                return Ok(!self.line.is_empty());
            }
            if std::mem::take(&mut self.after_cr) && buffer.first() == Some(&b'\n') {
                self.text.consume(1);
                continue;
            }
            let end = memchr2(b'\n', b'\r', buffer);
            let length = end.unwrap_or(buffer.len());
            self.line
                .extend_from_slice(buffer.get(..length).unwrap_or_default());
            if self.line.len() > LINE_BYTES {
                return Err(Finding {
                    row: Some(self.number),
                    ..Finding::file(
                        code::TABLE_DIMENSIONS,
                        "A line is longer than a megabyte, so the file has no lines as agreed.",
                        "Look at how the file is exported, or correct `fixed_width` of this data source.",
                    )
                }
                .into());
            }
            self.after_cr = end.and_then(|end| buffer.get(end)) == Some(&b'\r');
            let taken = length + usize::from(end.is_some());
            self.text.consume(taken);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}
