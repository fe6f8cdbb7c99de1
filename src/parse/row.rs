//! Pure. A row as it stands in a file, before anybody knows what its columns mean.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::ops::Range;

/// What a cell was in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// Text, also of every cell of a text file and of an empty one.
    Text,
    /// A number of a sheet in its shortest decimal form.
    Number,
    /// A number of a sheet with more digits than a sheet can hold exactly.
    LongNumber,
    /// A date or date-time of a sheet in ISO 8601 form.
    Date,
    /// A time of day or a duration of a sheet.
    Time,
    /// `true` or `false` of a sheet.
    Flag,
    /// An error value of a sheet, such as `#N/A`.
    Error,
    /// A formula of a sheet whose result was not stored.
    Uncomputed,
    /// Bytes that are not UTF-8; the text has replacement characters.
    Undecodable,
    /// Longer than a cell may be; the text is empty.
    TooLong,
}

impl CellKind {
    const ALL: [Self; 10] = [
        Self::Text,
        Self::Number,
        Self::LongNumber,
        Self::Date,
        Self::Time,
        Self::Flag,
        Self::Error,
        Self::Uncomputed,
        Self::Undecodable,
        Self::TooLong,
    ];

    /// Its number on the wire.
    pub(in crate::parse) fn tag(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::Number => 1,
            Self::LongNumber => 2,
            Self::Date => 3,
            Self::Time => 4,
            Self::Flag => 5,
            Self::Error => 6,
            Self::Uncomputed => 7,
            Self::Undecodable => 8,
            Self::TooLong => 9,
        }
    }

    pub(in crate::parse) fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.get(usize::from(tag)).copied()
    }
}

/// One cell of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell<'a> {
    pub kind: CellKind,
    pub text: &'a str,
}

/// One row as it stands in the file: its cells' texts one after the other in a single string, to spare an allocation a cell.
#[derive(Debug, Clone, Default)]
pub struct RawRow {
    /// Line of a text file where the row begins, or row of a sheet; from 1.
    pub row: u64,
    pub(in crate::parse) text: String,
    /// Where in `text` each cell ends. Invariant: ends ascend and lie on character boundaries.
    pub(in crate::parse) ends: Vec<u32>,
    /// Kind of each cell; none at all where every cell is text, as in nearly all text files.
    pub(in crate::parse) kinds: Vec<CellKind>,
    /// Whether one byte stands between a cell and the next: a line that was taken as it stands has its delimiters there.
    pub(in crate::parse) has_gaps: bool,
}

impl RawRow {
    /// An empty row.
    pub fn new(row: u64) -> Self {
        Self {
            row,
            ..Self::default()
        }
    }

    /// Empties the row to be filled again, as row `row`.
    pub fn restart(&mut self, row: u64) {
        self.row = row;
        self.text.clear();
        self.ends.clear();
        self.kinds.clear();
        self.has_gaps = false;
    }

    /// Adds a cell at the right.
    pub fn push(&mut self, kind: CellKind, text: &str) {
        if self.has_gaps && !self.ends.is_empty() {
            self.text.push(',');
        }
        self.text.push_str(text);
        if kind != CellKind::Text || !self.kinds.is_empty() {
            self.kinds.resize(self.ends.len(), CellKind::Text);
            self.kinds.push(kind);
        }
        self.ends.push(place(self.text.len()));
    }

    /// Adds empty cells at the right until it has `width` of them.
    pub fn fill(&mut self, width: usize) {
        while self.len() < width {
            self.push(CellKind::Text, "");
        }
    }

    /// How many cells it has.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// What it takes in memory, roughly.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<u32>() + self.kinds.len()
    }

    /// Whether it has no cell at all.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The cell of column `at`, from 0.
    pub fn cell(&self, at: usize) -> Option<Cell<'_>> {
        let (kind, range) = self.place(at)?;
        let text = self.text.get(range)?;
        Some(Cell { kind, text })
    }

    /// What the cell of column `at` is, and where in [`RawRow::text`] it stands.
    #[inline]
    pub(in crate::parse) fn place(&self, at: usize) -> Option<(CellKind, Range<usize>)> {
        let end = from_place(*self.ends.get(at)?);
        let start = match at.checked_sub(1) {
            Some(before) => from_place(*self.ends.get(before)?) + usize::from(self.has_gaps),
            None => 0,
        };
        let kind = self.kinds.get(at).copied().unwrap_or(CellKind::Text);
        Some((kind, start..end))
    }

    /// The cells from left to right.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        (0..self.len()).filter_map(|at| self.cell(at))
    }

    /// The texts of all cells, one behind the other; where the row has gaps, with one byte between them.
    pub(in crate::parse) fn text(&self) -> &str {
        &self.text
    }

    /// Whether no cell says anything.
    pub fn is_blank(&self) -> bool {
        // The first letter of nearly any row tells.
        let first = self.cell(0).and_then(|cell| cell.text.as_bytes().first());
        !first.is_some_and(u8::is_ascii_graphic)
            && self
                .cells()
                .all(|cell| cell.kind == CellKind::Text && cell.text.trim().is_empty())
    }
}

/// A place in the text of a row, in as little memory as it takes. In a row beyond 4 GiB, which no limit allows, the tail would be lost.
pub(in crate::parse) fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The other way round.
pub(in crate::parse) fn from_place(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

impl PartialEq for RawRow {
    fn eq(&self, other: &Self) -> bool {
        self.row == other.row && self.cells().eq(other.cells())
    }
}

impl Eq for RawRow {}

/// The labels above the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Line or row where it stands.
    pub row: u64,
    /// One a column, as written.
    pub labels: Vec<String>,
}
