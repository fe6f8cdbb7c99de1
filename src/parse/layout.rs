//! Pure. What a file turned out to be, before anybody knows what its columns mean: told in the report, and compared with the file before.

use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    pub kind: TableKind,
    /// The WHATWG name of a text's encoding; none where the format decides it.
    pub encoding: Option<String>,
    /// What separates the cells of a text.
    pub delimiter: Option<u8>,
    /// The name of the sheet that was read.
    pub sheet: Option<String>,
}

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// Text with a character between the cells.
    Delimited,
    /// Text with a place for every column.
    FixedWidth,
    /// Office Open XML.
    Xlsx,
    /// BIFF.
    Xls,
    /// A web page with a table.
    Html,
    /// XML Spreadsheet 2003.
    SpreadsheetMl,
}

impl TableKind {
    /// What people call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delimited => "delimited text",
            Self::FixedWidth => "text of fixed width",
            Self::Xlsx => "Excel workbook (.xlsx)",
            Self::Xls => "old Excel workbook (.xls)",
            Self::Html => "web page with a table (HTML)",
            Self::SpreadsheetMl => "XML Spreadsheet 2003",
        }
    }
}
