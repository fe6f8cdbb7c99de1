//! Pure. A sheet of an old workbook, cell by cell ([MS-XLS] section 2.1.7.20.5). Only the cells are looked at; charts within a sheet are passed over.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{Read, Seek};
use std::ops::ControlFlow;

use crate::parse::finding::Finding;
use crate::parse::read::table::Stop;
use crate::parse::read::workbook::fault::damaged;
use crate::parse::read::workbook::value;
use crate::parse::read::workbook::xls::container::{Stream, u16_at, u32_at};
use crate::parse::read::workbook::xls::globals::{BEGIN, END, Globals};
use crate::parse::read::workbook::xls::records::Records;
use crate::parse::read::workbook::xls::text::{Body, Length, Letters};
use crate::parse::row::CellKind;

const NUMBER: u16 = 0x0203;
const SHORT_NUMBER: u16 = 0x027e;
const SHORT_NUMBERS: u16 = 0x00bd;
const SHARED_TEXT: u16 = 0x00fd;
const TEXT: u16 = 0x0204;
const RICH_TEXT: u16 = 0x00d6;
const FLAG_OR_ERROR: u16 = 0x0205;
const FORMULA: [u16; 3] = [0x0006, 0x0206, 0x0406];
/// The text that the formula before came to.
const RESULT: u16 = 0x0207;

/// Whether a record holds one cell.
fn is_cell(kind: u16) -> bool {
    let is_value = matches!(
        kind,
        NUMBER | SHORT_NUMBER | SHARED_TEXT | TEXT | RICH_TEXT | FLAG_OR_ERROR
    );
    is_value || FORMULA.contains(&kind)
}

/// Whether the cells of a sheet come row by row, as nearly all programs write them.
pub(super) fn is_in_order<R: Read + Seek>(stream: &mut Stream<R>, at: u64) -> Result<bool, Stop> {
    let mut records = Substream::begin(stream, at)?;
    let mut body = Vec::new();
    let mut before = 0;
    while let Some(kind) = records.next(&mut body)? {
        if is_cell(kind) || kind == SHORT_NUMBERS {
            let row = u16_at(&body, 0).ok_or_else(damaged)?;
            if row < before {
                return Ok(false);
            }
            before = row;
        }
    }
    Ok(true)
}

/// Calls `take` with every cell of the sheet that begins at `at` and holds something: row and column from 0, kind, canonical text.
pub(super) fn cells<R: Read + Seek>(
    stream: &mut Stream<R>,
    at: u64,
    globals: &Globals,
    mut take: impl FnMut((u32, u32), CellKind, &str) -> Result<ControlFlow<()>, Stop>,
) -> Result<(), Stop> {
    let mut records = Substream::begin(stream, at)?;
    let mut body = Vec::new();
    let mut text = String::new();
    // A formula whose text has not come yet.
    let mut waiting: Option<(u32, u32)> = None;
    while let Some(kind) = records.next(&mut body)? {
        if kind == RESULT {
            let Some(place) = waiting.take() else {
                continue;
            };
            Body::of(&mut records.records, std::mem::take(&mut body)).text(
                globals.letters,
                Length::Word,
                &mut text,
            )?;
            if take(place, CellKind::Text, &text)?.is_break() {
                return Ok(());
            }
            continue;
        }
        let is_next = is_cell(kind) || kind == SHORT_NUMBERS;
        if let Some(place) = waiting.take_if(|_| is_next)
            && take(place, CellKind::Uncomputed, "")?.is_break()
        {
            return Ok(());
        }
        if kind == SHORT_NUMBERS {
            let cells = body
                .get(4..body.len().saturating_sub(2))
                .unwrap_or_default();
            let (row, first) = place(&body)?;
            for (column, cell) in (first..).zip(cells.as_chunks::<6>().0) {
                let [format_low, format_high, number @ ..] = *cell;
                let shown = globals.shown(u16::from_le_bytes([format_low, format_high]));
                let number = short(u32::from_le_bytes(number));
                let kind = value::of(number, shown, globals.from_1904, &mut text);
                if take((row, column), kind, &text)?.is_break() {
                    return Ok(());
                }
            }
            continue;
        }
        let Some(cell) = cell(kind, &mut body, globals, &mut records, &mut text)? else {
            continue;
        };
        let taken = match cell {
            Cell::Value(place, kind) => take(place, kind, &text)?,
            Cell::Waits(place) => {
                waiting = Some(place);
                ControlFlow::Continue(())
            }
        };
        if taken.is_break() {
            return Ok(());
        }
    }
    match waiting {
        Some(place) => take(place, CellKind::Uncomputed, "").map(drop),
        None => Ok(()),
    }
}

enum Cell {
    /// Its text was written.
    Value((u32, u32), CellKind),
    /// Its text follows.
    Waits((u32, u32)),
}

/// What a record of one cell holds; none if it is no such record.
fn cell<R: Read + Seek>(
    kind: u16,
    body: &mut Vec<u8>,
    globals: &Globals,
    records: &mut Substream<'_, R>,
    text: &mut String,
) -> Result<Option<Cell>, Stop> {
    if !is_cell(kind) {
        return Ok(None);
    }
    let place = place(body)?;
    let shown = globals.shown(u16_at(body, 4).ok_or_else(damaged)?);
    let from_1904 = globals.from_1904;
    text.clear();
    let kind = match kind {
        NUMBER => value::of(double(body, 6)?, shown, from_1904, text),
        SHORT_NUMBER => {
            let number = short(u32_at(body, 6).ok_or_else(damaged)?);
            value::of(number, shown, from_1904, text)
        }
        SHARED_TEXT => {
            let number = u32_at(body, 6).and_then(|number| usize::try_from(number).ok());
            let shared = number.and_then(|number| globals.strings.text(number));
            text.push_str(shared.ok_or_else(damaged)?);
            CellKind::Text
        }
        TEXT | RICH_TEXT => {
            let mut body = Body::of(&mut records.records, std::mem::take(body));
            body.skip(6)?;
            body.text(globals.letters, Length::Word, text)?;
            text_kind(globals.letters, text)
        }
        FLAG_OR_ERROR => flag_or_error(body.get(7), body.get(6), text),
        _ => match body.get(6..14) {
            Some([0, .., 0xff, 0xff]) => return Ok(Some(Cell::Waits(place))),
            Some([what @ (1 | 2), _, value, .., 0xff, 0xff]) => {
                flag_or_error(Some(&(what - 1)), Some(value), text)
            }
            Some([3, .., 0xff, 0xff]) => CellKind::Text,
            _ => value::of(double(body, 6)?, shown, from_1904, text),
        },
    };
    Ok(Some(Cell::Value(place, kind)))
}

/// A letter that is none in the code page is told as such.
fn text_kind(letters: Letters, text: &str) -> CellKind {
    match letters {
        Letters::Page(_) if text.contains(char::REPLACEMENT_CHARACTER) => CellKind::Undecodable,
        _ => CellKind::Text,
    }
}

fn flag_or_error(is_error: Option<&u8>, value: Option<&u8>, text: &mut String) -> CellKind {
    if is_error != Some(&0) {
        return CellKind::Error;
    }
    text.push_str(if value == Some(&0) { "false" } else { "true" });
    CellKind::Flag
}

fn place(body: &[u8]) -> Result<(u32, u32), Finding> {
    let (row, column) = u16_at(body, 0).zip(u16_at(body, 2)).ok_or_else(damaged)?;
    Ok((row.into(), column.into()))
}

fn double(body: &[u8], at: usize) -> Result<f64, Finding> {
    let eight = body.get(at..).and_then(<[u8]>::first_chunk);
    Ok(f64::from_le_bytes(*eight.ok_or_else(damaged)?))
}

/// A number in 30 bits: the upper ones of a double, or a whole one; and perhaps a hundredth of that ([MS-XLS] section 2.5.217).
fn short(bits: u32) -> f64 {
    let number = if bits & 2 == 0 {
        f64::from_bits(u64::from(bits & !3) << 32)
    } else {
        f64::from(bits.cast_signed() >> 2)
    };
    if bits & 1 == 0 {
        number
    } else {
        number / 100.0
    }
}

/// The records of one sheet, without those of charts in it.
struct Substream<'a, R> {
    records: Records<'a, R>,
    depth: u32,
}

impl<'a, R: Read + Seek> Substream<'a, R> {
    fn begin(stream: &'a mut Stream<R>, at: u64) -> Result<Self, Stop> {
        let mut records = Records::from(stream, at);
        match records.next(&mut Vec::new())? {
            Some(BEGIN) => Ok(Self { records, depth: 0 }),
            _ => Err(damaged().into()),
        }
    }

    /// The next record of the sheet itself; none at its end.
    fn next(&mut self, body: &mut Vec<u8>) -> Result<Option<u16>, Stop> {
        loop {
            match self.records.next(body)? {
                Some(BEGIN) => self.depth = self.depth.saturating_add(1),
                Some(END) if self.depth == 0 => return Ok(None),
                Some(END) => self.depth -= 1,
                Some(kind) if self.depth == 0 => return Ok(Some(kind)),
                Some(_) => {}
                // What breaks off may have lost rows.
                None => return Err(damaged().into()),
            }
        }
    }
}
