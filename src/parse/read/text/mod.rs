//! Pure. Text files: from bytes to records of cells.
//!
//! `encoding` says what the bytes are, `delimiter` how the text is written, `records` splits it and `swallowed` looks for rows that a quote has
//! swallowed; `fixed` is for text whose columns have places.

mod delimiter;
mod encoding;
mod fixed;
mod records;
mod swallowed;

use std::io::{self, BufRead, Read, Seek, Write};

use crate::parse::finding::{Finding, code};
use crate::parse::layout::{Layout, TableKind};
use crate::parse::limits::ReadLimits;
use crate::parse::read::table::{Stop, Table};
use crate::parse::read::text::delimiter::{Found, Sample, find, habit};
use crate::parse::read::text::encoding::{Choice, Decoded};
pub(super) use crate::parse::read::text::encoding::{judge, utf_16};
use crate::parse::read::text::records::{Dialect, Fault, Record, Records};
use crate::parse::read::text::swallowed::swallowed;
use crate::parse::row::RawRow;

const SAMPLE_BYTES: u64 = 64 * 1024;

/// Reads the text that begins at `start`, which is behind a mark of UTF-8 if it is not 0.
pub(super) fn read<R: Read + Seek, W: Write>(
    input: &mut R,
    start: u64,
    table: &mut Table<'_, W>,
) -> Result<(), Stop> {
    let agreement = table.agreement;
    let choice = judge(input, start, agreement.encoding.as_deref())??;
    let mut sample = Vec::new();
    Decoded::open(&mut *input, &choice)?
        .take(SAMPLE_BYTES)
        .read_to_end(&mut sample)?;
    let mut layout = Layout {
        kind: TableKind::FixedWidth,
        encoding: Some(choice.encoding.name().to_owned()),
        delimiter: None,
        sheet: None,
    };
    if !agreement.fixed_width.is_empty() {
        table.begin(&layout)?;
        if let Some(note) = &choice.note {
            table.note(note)?;
        }
        let text = Decoded::open(input, &choice)?;
        return fixed::read(text, &sample, &agreement.fixed_width, table);
    }
    let whole = u64::try_from(sample.len()).is_ok_and(|length| length < SAMPLE_BYTES);
    let sample = Sample {
        text: &sample,
        whole,
    };
    let mut found = find(sample, agreement, &table.names, &table.limits);
    if choice.escapes {
        backslashes(input, &choice, &mut found, &table.limits)?;
    }
    layout.kind = TableKind::Delimited;
    layout.delimiter = found.dialect.delimiter;
    table.begin(&layout)?;
    for note in choice.note.iter().chain(&found.notes) {
        table.note(note)?;
    }
    records(
        &mut open(input, &choice, &found, &table.limits)?,
        &found,
        table,
    )
}

/// The records of the text, behind a line that only names the delimiter.
fn open<R: Read + Seek>(
    input: R,
    choice: &Choice,
    found: &Found,
    limits: &ReadLimits,
) -> io::Result<Records<Decoded<R>>> {
    let mut text = Decoded::open(input, choice)?;
    let mut skip = found.skip;
    while skip > 0 {
        let taken = text.fill_buf()?.len().min(skip);
        if taken == 0 {
            break;
        }
        text.consume(taken);
        skip -= taken;
    }
    let line = if found.skip > 0 { 2 } else { 1 };
    Ok(Records::new(text, found.dialect, limits).beginning_at(line))
}

fn records<R: BufRead, W: Write>(
    records: &mut Records<R>,
    found: &Found,
    table: &mut Table<'_, W>,
) -> Result<(), Stop> {
    let most = table.limits.cell_length_bytes;
    let mut record = Record::default();
    let mut row = RawRow::default();
    loop {
        match records.read(&mut record) {
            Ok(true) if record.is_end_of_file_mark() => {}
            Ok(true) => {
                if let (false, Some(delimiter)) =
                    (record.spans().is_empty(), found.dialect.delimiter)
                    && let Some(line) = swallowed(&record, found.width, delimiter)
                {
                    return Err(rows_in_a_cell(line).into());
                }
                record.fill(&mut row, most);
                table.row(&row)?;
            }
            Ok(false) => return Ok(()),
            Err(Fault::OpenQuote { line }) => return Err(open_quote(line).into()),
            Err(Fault::Columns { line }) => return Err(table.too_wide(line).into()),
            Err(Fault::Io(error)) => return Err(error.into()),
        }
    }
}

/// Somewhere a backslash stands before a quote. It takes the quote's meaning away if the whole file is right like that and wrong otherwise.
fn backslashes<R: Read + Seek>(
    input: &mut R,
    choice: &Choice,
    found: &mut Found,
    limits: &ReadLimits,
) -> io::Result<()> {
    let mut faults = |backslash| {
        let found = Found {
            dialect: Dialect {
                backslash,
                ..found.dialect
            },
            notes: Vec::new(),
            ..*found
        };
        faults(open(&mut *input, choice, &found, limits)?, found.width)
    };
    if faults(false)? > 0 && faults(true)? == 0 {
        found.dialect.backslash = true;
        found.notes.push(habit(
            "Quotes within cells have a backslash before them; it was dropped.",
        ));
    }
    Ok(())
}

/// How many records of the text are not as they should be.
fn faults<R: BufRead>(mut records: Records<R>, width: usize) -> io::Result<u64> {
    let mut record = Record::default();
    let mut ragged = 0;
    loop {
        match records.read(&mut record) {
            // Titles and totals have one cell.
            Ok(true) => ragged += u64::from(record.len() != width && record.len() > 1),
            Ok(false) => return Ok(ragged + records.strays()),
            Err(Fault::Io(error)) => return Err(error),
            Err(Fault::OpenQuote { .. } | Fault::Columns { .. }) => {
                return Ok(ragged + records.strays() + 1);
            }
        }
    }
}

fn open_quote(line: u64) -> Finding {
    unbalanced(
        line,
        format!(
            "The quoted cell that begins in line {line} does not end where it should, so rows behind it may be lost."
        ),
    )
}

fn rows_in_a_cell(line: u64) -> Finding {
    unbalanced(
        line,
        format!(
            "The quoted cell that begins in line {line} holds what looks like whole rows: a quote was left open there."
        ),
    )
}

fn unbalanced(line: u64, message: String) -> Finding {
    Finding {
        row: Some(line),
        ..Finding::file(
            code::UNBALANCED_QUOTE,
            message,
            "Correct the quotes in that line: inside a quoted cell a quote is written twice.",
        )
    }
}

#[cfg(test)]
mod tests;
