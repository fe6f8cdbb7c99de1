//! Pure. Workbooks of Excel 5 to 2003 (BIFF5 and BIFF8, [MS-XLS]), record by record and never whole in memory.
//!
//! `container` finds the workbook's stream in its compound file, `records` cuts that into records, `text` reads the letters in them, `globals` what
//! holds for all sheets, and `sheet` gives the cells. What they mean is the same as in new workbooks, and so is the code that brings them to it.

mod container;
mod globals;
mod records;
mod sheet;
mod text;

use std::io::{Read, Seek, Write};
use std::ops::ControlFlow;

use crate::parse::layout::TableKind;
use crate::parse::read::table::{Stop, Table};
use crate::parse::read::workbook::fault::too_much;
use crate::parse::read::workbook::xls::container::Stream;
use crate::parse::read::workbook::xls::globals::Globals;
use crate::parse::read::workbook::{Candidate, Rows, SHEETS, choose, layout, says_nothing};
use crate::parse::row::CellKind;

/// Cells of a sheet that has to be sorted, which takes memory.
const SORTED_CELLS: usize = 1_000_000;

/// Reads an old workbook.
pub(in crate::parse::read) fn read<R: Read + Seek, W: Write>(
    input: R,
    table: &mut Table<'_, W>,
) -> Result<(), Stop> {
    let mut stream = container::workbook(input)?;
    let globals = Globals::read(&mut stream, table.limits.cell_length_bytes)?;
    let agreed = table.agreement.sheet.as_deref();
    let candidates = candidates(&mut stream, &globals, agreed.is_some())?;
    let sheet = choose(&candidates, agreed)?.and_then(|at| globals.sheets.get(at));
    let Some(sheet) = sheet else {
        // A file without a header, which the table tells.
        return Ok(());
    };
    table.begin(&layout(TableKind::Xls, &sheet.name))?;
    let is_in_order = sheet::is_in_order(&mut stream, sheet.at)?;
    let mut rows = Rows::new(table);
    if is_in_order {
        sheet::cells(&mut stream, sheet.at, &globals, |at, kind, text| {
            rows.put(at, kind, text)?;
            Ok(ControlFlow::Continue(()))
        })?;
    } else {
        for (at, kind, text) in sorted(&mut stream, sheet.at, &globals)? {
            rows.put(at, kind, &text)?;
        }
    }
    rows.flush()
}

type Placed = ((u32, u32), CellKind, String);

/// The cells of a sheet that does not have them row by row.
fn sorted<R: Read + Seek>(
    stream: &mut Stream<R>,
    at: u64,
    globals: &Globals,
) -> Result<Vec<Placed>, Stop> {
    let mut cells: Vec<Placed> = Vec::new();
    sheet::cells(stream, at, globals, |at, kind, text| {
        if cells.len() == SORTED_CELLS {
            return Err(too_much("more than a million cells in no order").into());
        }
        cells.push((at, kind, text.to_owned()));
        Ok(ControlFlow::Continue(()))
    })?;
    cells.sort_by_key(|(at, ..)| *at);
    Ok(cells)
}

/// The sheets, and whether they hold anything: looked at only where it matters.
fn candidates<R: Read + Seek>(
    stream: &mut Stream<R>,
    globals: &Globals,
    is_agreed: bool,
) -> Result<Vec<Candidate>, Stop> {
    let visible = globals.sheets.iter().filter(|sheet| sheet.is_visible);
    let looks = !is_agreed && (2..=SHEETS).contains(&visible.count());
    let mut candidates = Vec::new();
    for sheet in &globals.sheets {
        candidates.push(Candidate {
            name: sheet.name.clone(),
            is_visible: sheet.is_visible,
            is_filled: !(looks && sheet.is_visible) || is_filled(stream, globals, sheet.at)?,
        });
    }
    Ok(candidates)
}

/// Whether a sheet has a cell that says anything.
fn is_filled<R: Read + Seek>(
    stream: &mut Stream<R>,
    globals: &Globals,
    at: u64,
) -> Result<bool, Stop> {
    let mut is_filled = false;
    sheet::cells(stream, at, globals, |_, kind, text| {
        if says_nothing(kind, text) {
            return Ok(ControlFlow::Continue(()));
        }
        is_filled = true;
        Ok(ControlFlow::Break(()))
    })?;
    Ok(is_filled)
}

#[cfg(test)]
mod tests;
