//! Pure. The child's whole work: bytes of a file in, frames out. It never decides what a column means.

mod markup;
mod pgp;
mod sniff;
mod table;
mod text;
mod workbook;

use std::fmt::Debug;
use std::io::{self, Read, Seek, Write};

use crate::parse::agreement::Agreement;
use crate::parse::limits::ReadLimits;
use crate::parse::read::sniff::{Format, sniff};
use crate::parse::read::table::{Stop, Table};

/// Reads a file and writes its header, its rows and the end, or why it is refused. The error is that of `input` or `out`.
pub fn read<R: Read + Seek, W: Write>(
    mut input: R,
    limits: &ReadLimits,
    agreement: &Agreement,
    out: W,
) -> io::Result<()> {
    let mut table = Table::new(out, limits, agreement);
    let read = read_into(&mut input, &mut table);
    end(table, read)
}

/// The same for a file that may be encrypted: then it is decrypted into `plain`, an empty place that can be read again, and read from there.
pub fn read_sealed<R, P, W>(
    mut input: R,
    plain: Option<P>,
    limits: &ReadLimits,
    agreement: &Agreement,
    out: W,
) -> io::Result<()>
where
    R: Read + Seek + Debug + Send,
    P: Read + Write + Seek,
    W: Write,
{
    let mut begin = Vec::new();
    input.rewind()?;
    (&mut input)
        .take(pgp::BEGIN_BYTES)
        .read_to_end(&mut begin)?;
    input.rewind()?;
    if !pgp::is_message(&begin) {
        return read(input, limits, agreement, out);
    }
    let mut table = Table::new(out, limits, agreement);
    let read = pgp::decrypt(&mut input, agreement.pgp.as_ref(), plain).and_then(|opened| {
        for note in &opened.notes {
            table.encoder.note(note)?;
        }
        let mut plain = opened.plain;
        plain.rewind()?;
        read_into(&mut plain, &mut table)
    });
    end(table, read)
}

fn read_into<R: Read + Seek, W: Write>(
    input: &mut R,
    table: &mut Table<'_, W>,
) -> Result<(), Stop> {
    match sniff(input)? {
        Ok(Format::Text { start }) => text::read(input, start, table),
        Ok(Format::Xlsx) => workbook::xlsx::read(input, table),
        Ok(Format::Xls) => workbook::xls::read(input, table),
        Ok(Format::Html) => markup::read_page(input, table),
        Ok(Format::SpreadsheetMl) => markup::read_spreadsheet_ml(input, table),
        Err(refusal) => Err(Stop::from(refusal)),
    }
}

fn end<W: Write>(mut table: Table<'_, W>, read: Result<(), Stop>) -> io::Result<()> {
    match read.and_then(|()| table.finish()) {
        Ok(()) => Ok(()),
        Err(Stop::Refused(finding)) => table.encoder.refused(&finding),
        Err(Stop::Io(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests;
