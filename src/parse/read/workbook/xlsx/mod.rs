//! Pure. Office Open XML workbooks, as they are unpacked and never whole in memory.
//!
//! `archive` unpacks parts, `scan` makes tags and texts of them, `rels` and `book` find the sheets, `styles` and `strings` hold what cells refer
//! to, and `sheet` gives the cells. Both editions of the standard are read, with and without
//! prefixes, and workbooks with macros: of those, only the cells.

mod archive;
mod book;
mod plain;
mod rels;
mod scan;
mod sheet;
mod strings;
mod styles;
mod text;

use std::io::{BufReader, Read, Seek, Write};
use std::ops::ControlFlow;

use crate::parse::layout::TableKind;
use crate::parse::read::table::{Stop, Table};
use crate::parse::read::workbook::fault::damaged;
use crate::parse::read::workbook::xlsx::archive::Archive;
use crate::parse::read::workbook::xlsx::scan::Scan;
use crate::parse::read::workbook::xlsx::sheet::Context;
use crate::parse::read::workbook::xlsx::styles::Styles;
use crate::parse::read::workbook::{Candidate, Rows, SHEETS, choose, layout, says_nothing};

const BUFFER_BYTES: usize = 64 * 1024;

/// Reads an Office Open XML workbook.
pub(in crate::parse::read) fn read<R: Read + Seek, W: Write>(
    input: R,
    table: &mut Table<'_, W>,
) -> Result<(), Stop> {
    let mut archive = Archive::open(BufReader::with_capacity(BUFFER_BYTES, input))?;
    let outline = book::outline(&mut archive)?;
    let context = context(&mut archive, &outline, table.limits.cell_length_bytes)?;
    let agreed = table.agreement.sheet.as_deref();
    let candidates = candidates(&mut archive, &context, &outline, agreed.is_some())?;
    let sheet = choose(&candidates, agreed)?.and_then(|at| outline.sheets.get(at));
    let Some(sheet) = sheet else {
        // A file without a header, which the table tells.
        return Ok(());
    };
    table.begin(&layout(TableKind::Xlsx, &sheet.name))?;
    let part = archive.part(&sheet.part)?.ok_or_else(damaged)?;
    let mut rows = Rows::new(table);
    sheet::cells(Scan::new(part), &context, |at, kind, text| {
        rows.put(at, kind, text)?;
        Ok(ControlFlow::Continue(()))
    })?;
    rows.flush()
}

/// Reads what cells refer to.
fn context<R: Read + Seek>(
    archive: &mut Archive<R>,
    outline: &book::Outline,
    text_bytes: usize,
) -> Result<Context, Stop> {
    let mut context = Context {
        from_1904: outline.from_1904,
        text_bytes,
        ..Context::default()
    };
    // A part that is spoken of and not there holds nothing; a cell that needs it will tell.
    if let Some(name) = &outline.styles
        && let Some(part) = archive.part(name)?
    {
        context.styles = Styles::parse(Scan::new(part))?;
    }
    if let Some(name) = &outline.strings
        && let Some(part) = archive.part(name)?
    {
        context.strings = strings::parse(Scan::new(part), text_bytes)?;
    }
    Ok(context)
}

/// The sheets, and whether they hold anything: looked at only where it matters.
fn candidates<R: Read + Seek>(
    archive: &mut Archive<R>,
    context: &Context,
    outline: &book::Outline,
    is_agreed: bool,
) -> Result<Vec<Candidate>, Stop> {
    let visible = outline.sheets.iter().filter(|sheet| sheet.visible).count();
    // Any two of so many are too many, and a hundred need not be unpacked to tell.
    let looks = !is_agreed && (2..=SHEETS).contains(&visible);
    let mut candidates = Vec::new();
    for sheet in &outline.sheets {
        candidates.push(Candidate {
            name: sheet.name.clone(),
            is_visible: sheet.visible,
            is_filled: !(looks && sheet.visible) || is_filled(archive, context, &sheet.part)?,
        });
    }
    Ok(candidates)
}

/// Whether a sheet has a cell that says anything.
fn is_filled<R: Read + Seek>(
    archive: &mut Archive<R>,
    context: &Context,
    part: &str,
) -> Result<bool, Stop> {
    let part = archive.part(part)?.ok_or_else(damaged)?;
    let mut is_filled = false;
    sheet::cells(Scan::new(part), context, |_, kind, text| {
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
