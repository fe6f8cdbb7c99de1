//! Pure. BIFF workbooks, through calamine.

use std::io::{BufReader, Read, Seek, Write};

use calamine::{Reader as _, Xls, XlsError};

use crate::parse::finding::Finding;
use crate::parse::layout::TableKind;
use crate::parse::read::table::{Stop, Table};
use crate::parse::read::workbook::fault::{damaged, protected};
use crate::parse::read::workbook::{Rows, borrowed, candidates, is_empty, layout, only_one};

/// Reads a BIFF workbook, of which calamine does not tell the number formats. It has it whole in memory as soon as it is open.
pub(in crate::parse::read) fn read<R: Read + Seek, W: Write>(
    input: R,
    table: &mut Table<'_, W>,
) -> Result<(), Stop> {
    let mut workbook = Xls::new(BufReader::new(input)).map_err(|error| xls_fault(&error))?;
    let mut filled = Vec::new();
    for name in candidates(workbook.sheets_metadata(), table.agreement.sheet.as_deref())? {
        let range = workbook
            .worksheet_range(&name)
            .map_err(|error| xls_fault(&error))?;
        if range
            .used_cells()
            .any(|(_, _, value)| !is_empty(&borrowed(value)))
        {
            filled.push(name);
        }
    }
    let Some(name) = only_one(filled)? else {
        return Ok(());
    };
    let range = workbook
        .worksheet_range(&name)
        .map_err(|error| xls_fault(&error))?;
    let (top, left) = range.start().unwrap_or_default();
    table.begin(&layout(TableKind::Xls, &name))?;
    let mut rows = Rows::new(table);
    for (row, column, value) in range.used_cells() {
        let at = |offset: u32, index: usize| {
            u32::try_from(index).map_or(u32::MAX, |index| offset.saturating_add(index))
        };
        rows.cell((at(top, row), at(left, column)), &borrowed(value), None)?;
    }
    rows.flush()
}

fn xls_fault(error: &XlsError) -> Finding {
    match error {
        XlsError::Password => protected(),
        _ => damaged(),
    }
}
