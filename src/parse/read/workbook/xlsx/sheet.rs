//! Pure. A sheet, cell by cell, as it is unpacked.
//!
//! Left to what others do with them: hidden rows and filtered ones come like all others, and of merged cells only the first one says something.
//! The dimension that a sheet claims is not looked at.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::Read;
use std::ops::ControlFlow;

use crate::parse::finding::Finding;
use crate::parse::read::table::Stop;
use crate::parse::read::workbook::caps::{CELLS, LAST_COLUMN, LAST_ROW};
use crate::parse::read::workbook::fault::{damaged, strange, too_much};
use crate::parse::read::workbook::texts::Texts;
use crate::parse::read::workbook::value;
use crate::parse::read::workbook::xlsx::plain::Plain;
use crate::parse::read::workbook::xlsx::scan::{Scan, Tag, Token};
use crate::parse::read::workbook::xlsx::styles::Styles;
use crate::parse::read::workbook::xlsx::text;
use crate::parse::row::CellKind;

/// What the cells of a workbook refer to.
#[derive(Debug, Default)]
pub(super) struct Context {
    pub(super) styles: Styles,
    pub(super) strings: Texts,
    pub(super) from_1904: bool,
    /// Bytes of a text beyond which it only matters that it is too long.
    pub(super) text_bytes: usize,
}

/// What a cell says of itself before its value.
#[derive(Debug, Clone, Copy)]
struct Head {
    /// From 1.
    column: u32,
    style: usize,
    kind: Kind,
}

/// How the value of a cell is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Shared,
    Inline,
    /// Text that a formula came to.
    Result,
    Flag,
    Error,
    IsoDate,
}

impl Kind {
    /// What the type of a cell is called.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            [b'n'] => Self::Number,
            [b's'] => Self::Shared,
            b"inlineStr" => Self::Inline,
            b"str" => Self::Result,
            [b'b'] => Self::Flag,
            [b'e'] => Self::Error,
            [b'd'] => Self::IsoDate,
            _ => return None,
        })
    }
}

/// Which elements a cell had.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    value: bool,
    inline: bool,
    formula: bool,
}

struct Cells<'a, S> {
    scan: Scan<S>,
    context: &'a Context,
    /// Of the row and the cell that were read last, from 1.
    row: u32,
    column: u32,
    /// The row as its cells write it, once it is known.
    row_digits: Vec<u8>,
    count: u64,
    bytes: Vec<u8>,
    text: String,
}

/// Calls `take` with every cell that holds something, in the order of the file: row and column from 0, kind, canonical text. If the part is read to
/// its end, its checksum was right.
pub(super) fn cells<S: Read>(
    scan: Scan<S>,
    context: &Context,
    mut take: impl FnMut((u32, u32), CellKind, &str) -> Result<ControlFlow<()>, Stop>,
) -> Result<(), Stop> {
    let mut cells = Cells {
        scan,
        context,
        row: 0,
        column: 0,
        row_digits: Vec::new(),
        count: 0,
        bytes: Vec::new(),
        text: String::new(),
    };
    if !cells.find_rows()? {
        return Ok(());
    }
    loop {
        match cells.scan.next()? {
            Token::Open(tag) if tag.name == b"row" => {
                let number = tag.attribute(b"r")?.map(row_number).transpose()?;
                let is_empty = tag.empty;
                cells.begin_row(number)?;
                if !is_empty && cells.row_of_cells(&mut take)?.is_break() {
                    return Ok(());
                }
            }
            Token::Open(tag) => {
                let is_empty = tag.empty;
                cells.scan.leave(is_empty)?;
            }
            Token::Close(_) => return cells.scan.finish(),
            Token::End => return Err(damaged().into()),
            _ => {}
        }
    }
}

impl<S: Read> Cells<'_, S> {
    /// Goes to where the rows begin; there may be none.
    fn find_rows(&mut self) -> Result<bool, Stop> {
        let mut is_sheet = false;
        loop {
            match self.scan.next()? {
                Token::Open(tag) => match tag.name {
                    b"worksheet" => is_sheet = true,
                    b"sheetData" if is_sheet => {
                        let is_empty = tag.empty;
                        return Ok(!is_empty);
                    }
                    _ => {}
                },
                Token::End if is_sheet => return Ok(false),
                Token::End => return Err(damaged().into()),
                _ => {}
            }
        }
    }

    /// Goes on to the row of this number, or to the next one.
    fn begin_row(&mut self, number: Option<u32>) -> Result<(), Stop> {
        let row = number.unwrap_or(self.row + 1);
        if number == Some(self.row) {
            // Some programs write a row for each cell; its cells go on.
            return Ok(());
        }
        if row <= self.row {
            return Err(disordered().into());
        }
        if row > LAST_ROW {
            return Err(beyond().into());
        }
        self.row = row;
        self.column = 0;
        self.row_digits.clear();
        if number.is_some() {
            self.row_digits
                .extend_from_slice(row.to_string().as_bytes());
        }
        Ok(())
    }

    fn row_of_cells(
        &mut self,
        take: &mut impl FnMut((u32, u32), CellKind, &str) -> Result<ControlFlow<()>, Stop>,
    ) -> Result<ControlFlow<()>, Stop> {
        loop {
            if let Some(ended) = self.plain_cell(take)? {
                match ended {
                    ControlFlow::Continue(()) => continue,
                    ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
                }
            }
            let (head, is_empty) = match self.scan.next()? {
                Token::Open(tag) if matches!(tag.name, [b'c']) => {
                    let mut place = Place {
                        row: &mut self.row,
                        column: self.column,
                        digits: &mut self.row_digits,
                    };
                    (place.head(&tag)?, tag.empty)
                }
                Token::Open(tag) => {
                    let is_empty = tag.empty;
                    self.scan.leave(is_empty)?;
                    continue;
                }
                Token::Close(_) => return Ok(ControlFlow::Continue(())),
                Token::End => return Err(damaged().into()),
                _ => continue,
            };
            self.advance(head.column)?;
            if is_empty {
                continue;
            }
            let at = (self.row - 1, head.column - 1);
            if let Some((kind, text)) = self.value(head)?
                && take(at, kind, text)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
    }

    fn advance(&mut self, column: u32) -> Result<(), Finding> {
        self.column = column;
        self.count += 1;
        if self.count > CELLS {
            return Err(too_much("more than 67 million cells"));
        }
        Ok(())
    }

    /// Takes the next cell, if it comes next and is a plain one.
    fn plain_cell(
        &mut self,
        take: &mut impl FnMut((u32, u32), CellKind, &str) -> Result<ControlFlow<()>, Stop>,
    ) -> Result<Option<ControlFlow<()>>, Stop> {
        let Some(plain) = Plain::first(self.scan.ahead()) else {
            return Ok(None);
        };
        let mut place = Place {
            row: &mut self.row,
            column: self.column,
            digits: &mut self.row_digits,
        };
        let head = Head {
            column: place.column_of(plain.reference)?,
            style: plain.style,
            kind: plain.kind,
        };
        if head.column > LAST_COLUMN {
            return Err(beyond().into());
        }
        let shared = match (head.kind, plain.raw) {
            (Kind::Shared, Some(raw)) => digits(raw),
            _ => None,
        };
        self.bytes.clear();
        if shared.is_none() {
            self.bytes.extend_from_slice(plain.raw.unwrap_or_default());
        }
        let (bytes, is_empty) = (plain.bytes, plain.raw.is_none());
        self.scan.pass_over(bytes);
        self.advance(head.column)?;
        if is_empty {
            return Ok(Some(ControlFlow::Continue(())));
        }
        let at = (self.row - 1, head.column - 1);
        if let Some(number) = shared {
            let text = self.context.strings.text(number).ok_or_else(damaged)?;
            return take(at, CellKind::Text, text).map(Some);
        }
        let (kind, text) = self.meaning(head, text::room(self.context.text_bytes))?;
        take(at, kind, text).map(Some)
    }

    /// Reads what stands in the cell that was just opened, up to its end; none if that is nothing.
    fn value(&mut self, head: Head) -> Result<Option<(CellKind, &str)>, Stop> {
        let most = text::room(self.context.text_bytes);
        self.bytes.clear();
        let (before, after): (&[u8], &[u8]) = match head.kind {
            Kind::Inline => (b"<is><t>", b"</t></is></c>"),
            _ => (b"<v>", b"</v></c>"),
        };
        let found = if self.scan.take_plain(before, after, &mut self.bytes) {
            Found::default()
        } else {
            self.inner(head.kind == Kind::Inline, most)?
        };
        if self.bytes.is_empty() {
            // A formula whose result is an empty text has an empty text.
            let is_uncomputed = found.formula && !(found.value && head.kind == Kind::Result);
            return Ok(match head.kind {
                _ if is_uncomputed => Some((CellKind::Uncomputed, "")),
                Kind::Error => Some((CellKind::Error, "")),
                _ => None,
            });
        }
        self.meaning(head, most).map(Some)
    }

    /// Reads on to the end of the cell, which may hold anything. Where it has both, its text counts if it is said to be inline, and its value if not.
    fn inner(&mut self, is_inline: bool, most: usize) -> Result<Found, Stop> {
        let mut found = Found::default();
        loop {
            match self.scan.next()? {
                Token::Open(tag) => {
                    let is_empty = tag.empty;
                    match tag.name {
                        b"v" if found.inline && is_inline => self.scan.leave(is_empty)?,
                        b"is" if found.value && !is_inline => self.scan.leave(is_empty)?,
                        b"v" => {
                            found.value = true;
                            if !is_empty {
                                self.bytes.clear();
                                text::content(&mut self.scan, &mut self.bytes, most)?;
                            }
                        }
                        b"is" if !is_empty => {
                            found.inline = true;
                            self.bytes.clear();
                            text::rich(&mut self.scan, &mut self.bytes, most)?;
                        }
                        b"f" => {
                            found.formula = true;
                            self.scan.leave(is_empty)?;
                        }
                        _ => self.scan.leave(is_empty)?,
                    }
                }
                Token::Close(_) => return Ok(found),
                Token::End => return Err(damaged().into()),
                _ => {}
            }
        }
    }

    fn meaning(&mut self, head: Head, room: usize) -> Result<(CellKind, &str), Stop> {
        let context = self.context;
        let raw = match head.kind {
            Kind::Inline | Kind::Result => {
                self.text.clear();
                self.text.push_str(&text::finished(&self.bytes, room)?);
                return Ok((CellKind::Text, &self.text));
            }
            _ => text::finished(&self.bytes, room)?,
        };
        let kind = match head.kind {
            Kind::Shared => {
                let number = raw.trim().parse().map_err(|_| damaged())?;
                let text = context.strings.text(number).ok_or_else(damaged)?;
                return Ok((CellKind::Text, text));
            }
            Kind::Flag => {
                self.text.clear();
                match raw.trim() {
                    "1" | "true" => self.text.push_str("true"),
                    "0" | "false" => self.text.push_str("false"),
                    _ => return Err(damaged().into()),
                }
                CellKind::Flag
            }
            Kind::Error => {
                // Whatever it is called: programs go on inventing new ones.
                self.text.clear();
                CellKind::Error
            }
            Kind::IsoDate => value::iso(&raw, &mut self.text),
            Kind::Number | Kind::Inline | Kind::Result => {
                let shown = context.styles.shown(head.style);
                value::number(&raw, shown, context.from_1904, &mut self.text)
            }
        };
        Ok((kind, &self.text))
    }
}

/// Where a cell is, as far as the cells before it tell.
struct Place<'a> {
    row: &'a mut u32,
    column: u32,
    digits: &'a mut Vec<u8>,
}

impl Place<'_> {
    fn head(&mut self, tag: &Tag<'_>) -> Result<Head, Finding> {
        let mut head = Head {
            column: self.column + 1,
            style: 0,
            kind: Kind::Number,
        };
        let mut attributes = tag.attributes();
        while let Some((name, value)) = attributes.next()? {
            match name {
                [b'r'] => head.column = self.column_of(value)?,
                // An empty one is written where there is none.
                [b's'] if value.is_empty() => {}
                [b's'] => head.style = digits(value).ok_or_else(damaged)?,
                [b't'] => head.kind = Kind::named(value).ok_or_else(damaged)?,
                _ => {}
            }
        }
        if head.column > LAST_COLUMN {
            return Err(beyond());
        }
        Ok(head)
    }

    /// The column of a reference such as `AB12`, whose row must be this one. A row without a number has that of its first cell.
    fn column_of(&mut self, reference: &[u8]) -> Result<u32, Finding> {
        let mut column = 0_u32;
        let mut rest = reference;
        while let Some((letter, behind)) = rest.split_first()
            && letter.is_ascii_alphabetic()
        {
            let letter = u32::from(letter.to_ascii_uppercase() - b'A' + 1);
            column = column.saturating_mul(26).saturating_add(letter);
            rest = behind;
        }
        if column == 0 {
            return Err(damaged());
        }
        if rest == self.digits.as_slice() {
            return Ok(column);
        }
        let row = row_number(rest)?;
        if row > LAST_ROW {
            return Err(beyond());
        }
        if self.digits.is_empty() && self.column == 0 && row >= *self.row {
            *self.row = row;
            self.digits.extend_from_slice(rest);
        }
        if row == *self.row {
            Ok(column)
        } else {
            Err(disordered())
        }
    }
}

/// The number of a row, from 1. Those beyond all numbers are beyond the last row too.
fn row_number(raw: &[u8]) -> Result<u32, Finding> {
    match digits(raw) {
        Some(number) if number > 0 => Ok(u32::try_from(number).unwrap_or(u32::MAX)),
        _ => Err(damaged()),
    }
}

/// A number in digits, the largest there is if it has too many; none if it is no number.
pub(super) fn digits(raw: &[u8]) -> Option<usize> {
    if raw.is_empty() {
        return None;
    }
    raw.iter().try_fold(0_usize, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        Some(number.saturating_mul(10).saturating_add(digit.into()))
    })
}

fn disordered() -> Finding {
    strange("the rows of its sheet are not in order")
}

fn beyond() -> Finding {
    strange("it has cells beyond the last row or column that a sheet has")
}
