//! Pure. The child's whole work: bytes of a file in, frames out. It never decides what a column means.

mod markup;
mod sniff;
mod table;
mod text;
mod workbook;

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
    let read = match sniff(&mut input)? {
        Ok(Format::Text { start }) => text::read(&mut input, start, &mut table),
        Ok(Format::Xlsx) => workbook::xlsx::read(input, &mut table),
        Ok(Format::Xls) => workbook::xls::read(input, &mut table),
        Ok(Format::Html) => markup::read_page(input, &mut table),
        Ok(Format::SpreadsheetMl) => markup::read_spreadsheet_ml(input, &mut table),
        Err(refusal) => Err(Stop::from(refusal)),
    };
    match read.and_then(|()| table.finish()) {
        Ok(()) => Ok(()),
        Err(Stop::Refused(finding)) => table.encoder.refused(&finding),
        Err(Stop::Io(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests;
