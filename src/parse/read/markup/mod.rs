//! Pure. Tables in markup, which many programs write and call `.xls`: pages (HTML) and XML Spreadsheet 2003.

mod decoded;
mod page;
mod spreadsheet_ml;
mod tables;

pub(super) use page::read as read_page;
pub(super) use spreadsheet_ml::read as read_spreadsheet_ml;

use crate::parse::finding::{Finding, code};

fn damaged(what: &str) -> Finding {
    Finding::file(
        code::FORMAT_ERROR,
        format!("The file is {what} that is damaged or not complete."),
        "Export it again, best as CSV (UTF-8) or as an Excel workbook (.xlsx).",
    )
}

#[cfg(test)]
mod tests;
