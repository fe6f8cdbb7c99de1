//! Pure. Workbooks: the only visible sheet that holds something, row by row.
//!
//! `xlsx` and `xls` read the two kinds there are. What cells mean is the same in both: `format` and `value` bring them to it, `texts` holds what they refer
//! to, `choice` says which sheet is meant, and `caps` how much of anything is taken.
//!
//! Some hostile workbooks make a reader abort or panic; that is why this runs in a child process of its own.

mod caps;
mod choice;
mod fault;
pub(super) mod format;
mod texts;
#[cfg(test)]
mod theirs;
pub(super) mod value;
pub(super) mod xls;
pub(super) mod xlsx;

use std::io::Write;

pub(super) use choice::{Candidate, choose};
pub(super) use fault::protected;

use crate::parse::layout::{Layout, TableKind};
use crate::parse::read::table::{Stop, Table};
use crate::parse::read::workbook::fault::damaged;
use crate::parse::row::{CellKind, RawRow};

/// Visible sheets that are looked at for whether they are empty.
const SHEETS: usize = 64;
/// Decimal digits that a number of a sheet holds exactly.
const EXACT: f64 = 1e15;
const EXACT_DIGITS: usize = 15;

pub(super) fn layout(kind: TableKind, sheet: &str) -> Layout {
    Layout {
        kind,
        encoding: None,
        delimiter: None,
        sheet: Some(sheet.to_owned()),
    }
}

/// Gathers cells into rows.
pub(super) struct Rows<'a, 'b, W> {
    table: &'a mut Table<'b, W>,
    row: RawRow,
    /// Cells of the row that came behind others which stand to the right of them.
    late: Vec<(usize, CellKind, String)>,
}

impl<'a, 'b, W: Write> Rows<'a, 'b, W> {
    pub(super) fn new(table: &'a mut Table<'b, W>) -> Self {
        Self {
            table,
            row: RawRow::default(),
            late: Vec::new(),
        }
    }

    /// Takes a cell; `at` is row and column from 0. Rows come in their order, and cells mostly.
    pub(super) fn put(&mut self, at: (u32, u32), kind: CellKind, text: &str) -> Result<(), Stop> {
        let column = usize::try_from(at.1).unwrap_or(usize::MAX);
        let is_late = u64::from(at.0) + 1 == self.row.row && column < self.row.len();
        if says_nothing(kind, text) && !is_late {
            return Ok(());
        }
        let (kind, text) = if text.len() > self.table.limits.cell_length_bytes {
            (CellKind::TooLong, "")
        } else {
            (kind, text)
        };
        if is_late {
            self.late.push((column, kind, text.to_owned()));
            return Ok(());
        }
        self.advance(at.0, column)?;
        self.row.push(kind, text);
        Ok(())
    }

    /// Goes on to this place, over empty cells and the ends of rows.
    fn advance(&mut self, row: u32, column: usize) -> Result<(), Stop> {
        let row = u64::from(row) + 1;
        if column >= self.table.limits.columns {
            return Err(self.table.too_wide(row).into());
        }
        if row > self.table.limits.rows.saturating_add(1) {
            return Err(self.table.too_long().into());
        }
        if row > self.row.row {
            self.flush()?;
            self.row.restart(row);
        }
        if row < self.row.row {
            // A well-meaning program writes rows in order; to sort them would need the whole sheet in memory.
            return Err(damaged().into());
        }
        self.row.fill(column);
        Ok(())
    }

    /// Sends the row.
    pub(super) fn flush(&mut self) -> Result<(), Stop> {
        if self.row.is_empty() {
            return Ok(());
        }
        if !self.late.is_empty() {
            self.row = sorted(&self.row, &mut self.late);
        }
        let sent = self.table.row(&self.row);
        self.row.restart(self.row.row);
        sent
    }
}

/// The row with its late cells in their places. Where a cell came twice, the last one counts, as it does in Excel.
fn sorted(row: &RawRow, late: &mut Vec<(usize, CellKind, String)>) -> RawRow {
    late.sort_by_key(|(column, ..)| *column);
    let mut whole = RawRow::new(row.row);
    let mut late = late.drain(..).peekable();
    for (column, cell) in row.cells().enumerate() {
        let mut last = None;
        while let Some((_, kind, text)) = late.next_if(|(at, ..)| *at == column) {
            last = Some((kind, text));
        }
        match last {
            Some((kind, text)) => whole.push(kind, &text),
            None => whole.push(cell.kind, cell.text),
        }
    }
    whole
}

/// Whether a cell is as good as none.
pub(super) fn says_nothing(kind: CellKind, text: &str) -> bool {
    // The first letter of nearly any text tells.
    kind == CellKind::Text
        && !text.as_bytes().first().is_some_and(u8::is_ascii_graphic)
        && text.trim().is_empty()
}

/// A number that is shown with at least `pad` digits, as one would write it: without exponent, whole ones without a point, others rounded to the
/// fifteen digits that Excel shows.
pub(super) fn number(number: f64, pad: usize) -> (CellKind, String) {
    if !number.is_finite() {
        return (CellKind::Error, String::new());
    }
    if number.abs() >= EXACT {
        return (CellKind::LongNumber, number.to_string());
    }
    // Adding zero makes a plain zero of a negative one.
    let number = number + 0.0;
    let shortest = number.to_string();
    // With so few digits there is nothing to round.
    let rounded = if shortest.len() <= EXACT_DIGITS {
        number
    } else {
        format!("{number:.14e}").parse().unwrap_or(number)
    };
    // The format 00000 shows 123 as 00123, and means it.
    let text = if rounded >= 0.0 && rounded.fract() == 0.0 {
        format!("{rounded:0pad$}")
    } else if shortest.len() <= EXACT_DIGITS {
        shortest
    } else {
        rounded.to_string()
    };
    (CellKind::Number, text)
}
