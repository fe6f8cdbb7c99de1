//! Pure. How far a table reaches to the right: where its header ends, and which cells behind that say nothing.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use crate::parse::read::table::names::Names;
use crate::parse::read::table::totals::is_total;
use crate::parse::row::{Cell, CellKind, RawRow};

/// Where rows are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edges {
    /// Columns up to the last label.
    pub(super) labelled: usize,
    /// Cells of the header, with empty ones behind the last label.
    header: usize,
    /// Cells of nearly all rows, if they end in empty ones that the header does not have.
    rows: Option<usize>,
    /// Cells have a place and not only an order: what stands right of the header is not of this table.
    sheet: bool,
}

/// What is to be done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// Take it as it stands.
    Whole,
    /// Take only the labelled columns; nothing is lost.
    Cut,
    /// Take only the labelled columns; there is something right of them.
    CutAway,
    /// Fill it up with empty cells.
    Short,
}

pub(super) fn says(cell: Cell<'_>) -> bool {
    cell.kind != CellKind::Text || !cell.text.trim().is_empty()
}

impl Edges {
    /// `below` are the first rows below the header.
    pub(super) fn of(header: &RawRow, below: &[RawRow], sheet: bool, names: &Names) -> Self {
        let last = (0..header.len()).rfind(|at| header.cell(*at).is_some_and(says));
        let labelled = last.map_or(0, |last| last + 1);
        let gap = if sheet {
            gap(header, below, labelled, names)
        } else {
            None
        };
        Self {
            labelled: gap.unwrap_or(labelled),
            header: header.len(),
            rows: usual_length(below, labelled),
            sheet,
        }
    }

    /// Columns without any doubt.
    pub(super) fn exactly(columns: usize) -> Self {
        Self {
            labelled: columns,
            header: columns,
            rows: None,
            sheet: false,
        }
    }

    /// In a text, an unquoted delimiter moves cells to the right. So empty cells behind the last label are cut only from rows that have as many
    /// of them as the header or as nearly all rows: one more, and a cell has been split.
    pub(super) fn fit(&self, row: &RawRow) -> Fit {
        let length = row.len();
        if length == self.labelled {
            return Fit::Whole;
        }
        if length < self.labelled {
            return if self.sheet { Fit::Short } else { Fit::Whole };
        }
        let empty = !(self.labelled..length).any(|at| row.cell(at).is_some_and(says));
        match (self.sheet, empty) {
            (true, true) => Fit::Cut,
            (true, false) => Fit::CutAway,
            (false, true) if length == self.header || Some(length) == self.rows => Fit::Cut,
            // The column is there and has no name: nobody wants it.
            (false, false) if length == self.header => Fit::Cut,
            (false, _) => Fit::Whole,
        }
    }
}

/// Cells of four rows of five and of two at least, if those end in empty cells behind the labelled columns.
fn usual_length(below: &[RawRow], labelled: usize) -> Option<usize> {
    let rows = || below.iter().filter(|row| !is_total(row, labelled));
    let length = rows()
        .map(RawRow::len)
        .max_by_key(|length| rows().filter(|row| row.len() == *length).count())?;
    let alike = rows().filter(|row| row.len() == length);
    let empty = alike
        .clone()
        .all(|row| !(labelled..length).any(|at| row.cell(at).is_some_and(says)));
    let count = alike.count();
    (length > labelled && empty && count >= 2 && count * 5 >= rows().count() * 4).then_some(length)
}

/// The first empty column between this table and another one at its right: a column without a label and without cells, behind which no known name
/// stands that is not before it too. Whatever its names are, rows that begin behind the gap are of another table: a person begins before it.
fn gap(header: &RawRow, below: &[RawRow], labelled: usize, names: &Names) -> Option<usize> {
    let known = |from: usize, to: usize| {
        (from..to)
            .filter_map(|at| header.cell(at))
            .filter_map(|cell| names.name(cell.text))
            .collect::<Vec<_>>()
    };
    let first = (0..labelled).find(|at| header.cell(*at).is_some_and(says))?;
    (first..labelled).find(|at| {
        let empty = |row: &RawRow| !row.cell(*at).is_some_and(says);
        empty(header) && below.iter().all(empty) && {
            let left = known(0, *at);
            known(*at, labelled).iter().all(|name| left.contains(name))
                || below
                    .iter()
                    .any(|row| begins_behind(row, header, *at, labelled))
        }
    })
}

/// Whether a row says nothing before the column `gap`, and a word below the first label behind it. Sums stand behind a gap too, but are numbers.
fn begins_behind(row: &RawRow, header: &RawRow, gap: usize, labelled: usize) -> bool {
    let first = (gap..labelled).find(|at| header.cell(*at).is_some_and(says));
    let begins = first
        .and_then(|at| row.cell(at))
        .is_some_and(|cell| says(cell) && cell.text.chars().any(char::is_alphabetic));
    begins && !(0..gap).any(|at| row.cell(at).is_some_and(says)) && !is_total(row, labelled)
}
