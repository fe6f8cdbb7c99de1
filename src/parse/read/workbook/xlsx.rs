//! Pure. Office Open XML workbooks, through calamine: never through `worksheet_range`, which allocates for the whole rectangle up to the farthest
//! cell.

use std::io::{BufReader, Read, Seek, Write};

use calamine::{DataRef, Reader as _, Xlsx, XlsxError};

use crate::parse::finding::{Finding, code};
use crate::parse::layout::TableKind;
use crate::parse::read::table::{Stop, Table};
use crate::parse::read::workbook::package::{self, damaged};
use crate::parse::read::workbook::{Rows, candidates, is_empty, layout, only_one, protected};

/// Formulas without a result whose places are kept: with more of them the workbook says nothing.
const UNCOMPUTED: usize = 1_000_000;

/// Reads an Office Open XML workbook.
pub(in crate::parse::read) fn read<R: Read + Seek, W: Write>(
    mut input: R,
    table: &mut Table<'_, W>,
) -> Result<(), Stop> {
    package::examine(&mut input)?;
    let mut workbook = Xlsx::new(BufReader::new(input)).map_err(|error| xlsx_fault(&error))?;
    let mut filled = Vec::new();
    for name in candidates(workbook.sheets_metadata(), table.agreement.sheet.as_deref())? {
        let mut cells = workbook
            .worksheet_cells_reader(&name)
            .map_err(|error| xlsx_fault(&error))?;
        while let Some(cell) = cells.next_cell().map_err(|error| xlsx_fault(&error))? {
            if !is_empty(cell.get_value()) {
                filled.push(name);
                break;
            }
        }
    }
    let Some(name) = only_one(filled)? else {
        return Ok(());
    };
    let mut uncomputed = uncomputed(&mut workbook, &name)?.into_iter().peekable();
    let mut cells = workbook
        .worksheet_cells_reader(&name)
        .map_err(|error| xlsx_fault(&error))?;
    let pads: Vec<usize> = cells
        .styles()
        .iter()
        .map(|style| {
            style
                .number_format
                .as_ref()
                .map_or(0, |format| zeros(&format.format_code))
        })
        .collect();
    table.begin(&layout(TableKind::Xlsx, &name))?;
    let mut rows = Rows::new(table);
    while let Some((cell, style)) = cells
        .next_cell_with_style_id()
        .map_err(|error| xlsx_fault(&error))?
    {
        let at = cell.get_position();
        if uncomputed.next_if_eq(&at).is_some() {
            rows.uncomputed(at)?;
        } else {
            let pad = pads.get(style).copied().unwrap_or(0);
            rows.cell(at, cell.get_value(), Some(pad))?;
        }
    }
    rows.flush()
}

/// Places of formulas whose result is not in the file, in the order of the cells. Programs that only write workbooks leave results to Excel; read as
/// empty, such a cell would erase what it stands for. A pass of its own, because calamine tells styles and formulas in different ones.
fn uncomputed<R: Read + Seek>(
    workbook: &mut Xlsx<R>,
    name: &str,
) -> Result<Vec<(u32, u32)>, Finding> {
    let mut cells = workbook
        .worksheet_cells_reader(name)
        .map_err(|error| xlsx_fault(&error))?;
    let mut places = Vec::new();
    while let Some(cell) = cells
        .next_cell_with_formula_metadata()
        .map_err(|error| xlsx_fault(&error))?
    {
        // A formula whose result is an empty text has an empty text.
        if cell.formula.is_some() && matches!(cell.value, DataRef::Empty) {
            if places.len() == UNCOMPUTED {
                return Err(Finding::file(
                    code::ERROR_VALUE,
                    "The sheet is full of formulas whose results are not in the file.",
                    "Open the workbook in Excel, save it and send it again.",
                ));
            }
            places.push(cell.pos);
        }
    }
    Ok(places)
}

/// The reader's own words are not passed on: they may hold what stands in a cell.
fn xlsx_fault(error: &XlsxError) -> Finding {
    match error {
        XlsxError::Password => protected(),
        XlsxError::CellError(_) => Finding::file(
            code::ERROR_VALUE,
            "The sheet holds a kind of error value that cannot be read, such as #SPILL! or #GETTING_DATA.",
            "Replace the cells that show an error, or export CSV (UTF-8).",
        ),
        _ => damaged(),
    }
}

/// How many digits a number format such as `00000` asks for; 0 for every other format.
pub(in crate::parse::read) fn zeros(format: &str) -> usize {
    let only_zeros = (2..=15).contains(&format.len()) && format.bytes().all(|byte| byte == b'0');
    if only_zeros { format.len() } else { 0 }
}
