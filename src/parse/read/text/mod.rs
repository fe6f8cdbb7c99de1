//! Pure. Text files: from bytes to records of cells.

mod delimiter;
mod records;

use std::io::{BufReader, Read, Seek, SeekFrom, Write};

use crate::parse::finding::{Finding, code};
use crate::parse::layout::{Layout, TableKind};
use crate::parse::read::table::{Stop, Table};
use crate::parse::read::text::delimiter::detect;
use crate::parse::read::text::records::{Fault, Record, Records};
use crate::parse::row::RawRow;

const SAMPLE_BYTES: u64 = 64 * 1024;

/// Reads the text that begins at `start`.
pub(super) fn read<R: Read + Seek, W: Write>(
    input: &mut R,
    start: u64,
    table: &mut Table<'_, W>,
) -> Result<(), Stop> {
    let limits = table.limits;
    input.seek(SeekFrom::Start(start))?;
    let mut sample = Vec::new();
    input.by_ref().take(SAMPLE_BYTES).read_to_end(&mut sample)?;
    let delimiter = detect(&sample, &limits);
    input.seek(SeekFrom::Start(start))?;
    table.begin(&Layout {
        kind: TableKind::Delimited,
        encoding: Some("UTF-8".to_owned()),
        delimiter: Some(delimiter),
        sheet: None,
    })?;

    let mut records = Records::new(
        BufReader::with_capacity(64 * 1024, input),
        delimiter,
        &limits,
    );
    let mut record = Record::default();
    let mut row = RawRow::default();
    loop {
        match records.read(&mut record) {
            Ok(true) if record.is_end_of_file_mark() => {}
            Ok(true) => {
                record.fill(&mut row, limits.cell_length_bytes);
                table.row(&row)?;
            }
            Ok(false) => return Ok(()),
            Err(Fault::OpenQuote { line }) => return Err(open_quote(line).into()),
            Err(Fault::Columns { line }) => return Err(table.too_wide(line).into()),
            Err(Fault::Io(error)) => return Err(error.into()),
        }
    }
}

fn open_quote(line: u64) -> Finding {
    Finding {
        row: Some(line),
        ..Finding::file(
            code::UNBALANCED_QUOTE,
            format!(
                "The quoted cell that begins in line {line} does not end where it should, so rows behind it may be lost."
            ),
            "Correct the quotes in that line: inside a quoted cell a quote is written twice.",
        )
    }
}
