//! Pure. Pages: of their tables the one whose header is known, row by row.
//!
//! A page is gone through twice: once to choose among its tables, because pages use them for their layout too, and once to read.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{Read, Seek, Write};

use encoding_rs::Encoding;
use html5gum::emitters::callback::CallbackEmitter;
use html5gum::{IoReader, Tokenizer};

use crate::parse::finding::{Finding, code};
use crate::parse::layout::{Layout, TableKind};
use crate::parse::limits::ReadLimits;
use crate::parse::read::markup::decoded::{Decoded, encoding_of};
use crate::parse::read::markup::tables::{PageRow, Tables};
use crate::parse::read::table::names::{HEADER_WITHIN, Names};
use crate::parse::read::table::{Stop, Table};

/// Tables of a page. A layout of nested tables has some hundred.
const TABLES: usize = 10_000;

/// Reads the one table of a page that is meant.
pub(in crate::parse::read) fn read<R: Read + Seek, W: Write>(
    mut input: R,
    table: &mut Table<'_, W>,
) -> Result<(), Stop> {
    let limits = table.limits;
    let (encoding, note) = encoding_of(&mut input, table.agreement.encoding.as_deref())?;
    let mut survey = Survey::default();
    each_row(&mut input, encoding, &limits, |row| {
        survey.take(&row, &table.names)
    })?;
    let Some(chosen) = survey.choose()? else {
        return Err(without_table().into());
    };
    table.begin(&Layout {
        kind: TableKind::Html,
        encoding: Some(encoding.name().to_owned()),
        delimiter: None,
        sheet: None,
    })?;
    note.map_or(Ok(()), |note| table.note(&note))?;
    each_row(&mut input, encoding, &limits, |found| {
        if found.table != chosen {
            return Ok(());
        }
        if found.is_too_wide {
            return Err(table.too_wide(found.row.row).into());
        }
        table.row(&found.row)
    })
}

fn each_row<R: Read + Seek>(
    input: &mut R,
    encoding: &'static Encoding,
    limits: &ReadLimits,
    mut take: impl FnMut(PageRow) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut tables = Tables::new(limits);
    let mut emitter: CallbackEmitter<_, PageRow> = CallbackEmitter::new(&mut tables);
    emitter.naively_switch_states(true);
    let decoded = Decoded::new(input, encoding)?;
    let rows: Tokenizer<IoReader<_>, _> =
        Tokenizer::new_with_emitter(IoReader::new(decoded), emitter);
    for row in rows {
        take(row?)?;
    }
    while tables.is_open() {
        tables.finish().map_or(Ok(()), &mut take)?;
    }
    Ok(())
}

/// What the tables of a page are like.
#[derive(Debug, Default)]
struct Survey {
    tables: Vec<Seen>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    /// Header names that are known, in the row that has most of them.
    known: usize,
    /// Rows that say something.
    rows: usize,
}

impl Survey {
    fn take(&mut self, found: &PageRow, names: &Names) -> Result<(), Stop> {
        if found.table >= TABLES {
            return Err(several(found.table + 1).into());
        }
        if self.tables.len() <= found.table {
            self.tables.resize(found.table + 1, Seen::default());
        }
        let first = self.tables.get(found.table).map_or(0, |seen| seen.rows) < HEADER_WITHIN;
        let known = if first {
            names.look(found.row.cells().map(|cell| cell.text)).known
        } else {
            0
        };
        if let Some(seen) = self.tables.get_mut(found.table)
            && !found.row.is_blank()
        {
            seen.rows += 1;
            seen.known = seen.known.max(known);
        }
        Ok(())
    }

    /// The table with the most known headers; of several without any, the only one.
    fn choose(&self) -> Result<Option<usize>, Finding> {
        let most = self.tables.iter().map(|seen| seen.known).max();
        let mut best: Vec<usize> = Vec::new();
        for (at, seen) in self.tables.iter().enumerate() {
            if seen.rows > 0 && Some(seen.known) == most {
                best.push(at);
            }
        }
        match best.as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            more => Err(several(more.len())),
        }
    }
}

/// What an HR system sends instead of a report, and Excel where it has put the sheets into files beside the page.
fn without_table() -> Finding {
    Finding::file(
        code::BLANK_HEADER,
        "The file is a web page, and there is no table in it that holds anything.",
        "Open it in a browser: it may say that the login has expired or that the report has failed. Export the table again, best as CSV (UTF-8) or as an Excel workbook (.xlsx).",
    )
}

fn several(count: usize) -> Finding {
    Finding::file(
        code::SEVERAL_SHEETS,
        format!(
            "The page has {count} tables, and none of them is more likely to be the one with the employees."
        ),
        "Send one table with everybody in it, best as CSV (UTF-8).",
    )
}
