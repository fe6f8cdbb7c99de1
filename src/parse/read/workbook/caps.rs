//! Pure. How much a workbook may hold, whatever it claims. Each of these ends in one refusal that says which it was.
//!
//! No number in the file is believed: not the sizes in the archive, not the count of shared texts, not the dimension of a sheet.

/// Parts of a workbook: sheets, pictures, comments. A thousand are a lot.
pub(super) const PARTS: usize = 20_000;
/// How often its packed size a part may have. Sheets come to 10, and to 30 where a program has filled them down to the last row.
pub(super) const RATIO: u64 = 100;
/// A part that unpacks to less does no harm.
pub(super) const HARMLESS_BYTES: u64 = 32 << 20;
/// What all parts that are read may unpack to: a full sheet of a hundred columns.
pub(super) const UNPACKED_BYTES: u64 = 6 << 30;
/// A tag with its attributes. Those that declare namespaces reach a few thousand.
pub(super) const TAG_BYTES: usize = 64 * 1024;
/// Different texts of a workbook, and their bytes in all: what a reader with 272 MB can hold.
pub(super) const TEXTS: usize = 8 << 20;
pub(super) const TEXT_BYTES: usize = 128 << 20;
/// Cell formats; Excel stops at 65,490.
pub(super) const STYLES: usize = 1 << 17;
/// Sheets that are named in a workbook.
pub(super) const SHEETS: usize = 4096;
/// Cells of a sheet, empty ones too: a full sheet of 64 columns, and no more than a reader goes through in a few seconds.
pub(super) const CELLS: u64 = 1 << 26;
/// The last row and column of Excel.
pub(super) const LAST_ROW: u32 = 1_048_576;
pub(super) const LAST_COLUMN: u32 = 16_384;
