//! Pure. What every kind of reader writes into, and how it says that it cannot go on.
//!
//! Here rows become a table: which row is the header, how far it reaches to the right, what stands above it and below the last person.

pub(super) mod names;

mod edges;
mod totals;

use std::io::{self, Write};

use crate::parse::agreement::Agreement;
use crate::parse::finding::{Finding, Severity, code};
use crate::parse::layout::{Layout, TableKind};
use crate::parse::limits::ReadLimits;
use crate::parse::read::table::edges::{Edges, Fit};
use crate::parse::read::table::names::{HEADER_WITHIN, Look, Names, header_among};
use crate::parse::read::table::totals::is_total;
use crate::parse::row::{CellKind, RawRow};
use crate::parse::wire::Encoder;

/// Why a reading stops before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The file is at fault.
    Refused(Box<Finding>),
    /// The input or the output is.
    Io(io::Error),
}

impl From<Finding> for Stop {
    fn from(finding: Finding) -> Self {
        Self::Refused(Box::new(finding))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Bytes of rows that are kept while the header is looked for.
const FIRST_BYTES: usize = 1 << 20;
/// Rows of totals that are held back.
const TOTALS: usize = 20;

/// What every kind of reader writes into: drops blank rows, finds the header, cuts what is not of the table, counts.
#[derive(Debug)]
pub(super) struct Table<'a, W> {
    pub(super) encoder: Encoder<W>,
    pub(super) limits: ReadLimits,
    pub(super) agreement: &'a Agreement,
    /// Columns of the header, once it has been found.
    pub(super) width: Option<usize>,
    pub(super) names: Names,
    edges: Edges,
    sheet: bool,
    /// The first rows, as long as the header may be among them.
    first: Vec<RawRow>,
    /// Rows of totals, as long as nobody knows whether people follow.
    totals: Vec<RawRow>,
    /// A row that is cut or filled up.
    fitted: RawRow,
    /// Whether it was said that something stands right of the header.
    said_aside: bool,
}

impl<'a, W: Write> Table<'a, W> {
    pub(super) fn new(out: W, limits: &ReadLimits, agreement: &'a Agreement) -> Self {
        Self {
            encoder: Encoder::new(out),
            limits: *limits,
            agreement,
            width: None,
            names: Names::new(agreement),
            edges: Edges::exactly(0),
            sheet: false,
            first: Vec::new(),
            totals: Vec::new(),
            fitted: RawRow::default(),
            said_aside: false,
        }
    }

    /// Says what the file is. To be called once, before the first row.
    pub(super) fn begin(&mut self, layout: &Layout) -> Result<(), Stop> {
        self.sheet = !matches!(layout.kind, TableKind::Delimited | TableKind::FixedWidth);
        Ok(self.encoder.layout(layout)?)
    }

    /// Says something worth knowing, which refuses nothing.
    pub(super) fn note(&mut self, finding: &Finding) -> Result<(), Stop> {
        Ok(self.encoder.note(finding)?)
    }

    /// Takes the header from a reader that knows it. Otherwise it is found among the rows.
    pub(super) fn header(&mut self, header: &RawRow) -> Result<(), Stop> {
        self.edges = Edges::exactly(header.len());
        self.width = Some(header.len());
        Ok(self.encoder.header(header)?)
    }

    /// Takes the next row.
    pub(super) fn row(&mut self, row: &RawRow) -> Result<(), Stop> {
        if row.is_blank() {
            return Ok(());
        }
        if row.len() > self.limits.columns {
            return Err(self.too_wide(row.row).into());
        }
        if self.width.is_some() {
            return self.below(row);
        }
        self.first.push(row.clone());
        let bytes: usize = self.first.iter().map(|row| row.text.len()).sum();
        if self.first.len() >= HEADER_WITHIN || bytes >= FIRST_BYTES {
            self.settle()?;
        }
        Ok(())
    }

    /// Finds the header among the first rows, and sends it and what is below.
    fn settle(&mut self) -> Result<(), Stop> {
        let rows = std::mem::take(&mut self.first);
        let looks: Vec<Look> = rows
            .iter()
            .map(|row| self.names.look(row.cells().map(|cell| cell.text)))
            .collect();
        let at = header_among(&looks).unwrap_or(0);
        let Some((above, [header, below @ ..])) = rows.split_at_checked(at) else {
            return Ok(());
        };
        if let Some(first) = above.first() {
            self.note(&skipped(first.row, above.len(), "above the header"))?;
        }
        if header
            .cells()
            .any(|cell| cell.kind == CellKind::Undecodable)
        {
            return Err(Finding {
                row: Some(header.row),
                ..Finding::file(
                    code::ENCODING_ERROR,
                    "The header holds bytes that are no letters in the encoding of the file.",
                    "Export the file as UTF-8: in Excel that is \"CSV UTF-8 (comma delimited)\".",
                )
            }
            .into());
        }
        self.edges = Edges::of(header, below, self.sheet, &self.names);
        self.width = Some(self.edges.labelled);
        let fit = self.edges.fit(header);
        self.fit(fit, header)?;
        self.encoder.header(&self.fitted)?;
        for row in below {
            self.below(row)?;
        }
        Ok(())
    }

    /// Takes a row below the header.
    fn below(&mut self, row: &RawRow) -> Result<(), Stop> {
        if is_total(row, self.edges.labelled) && self.totals.len() < TOTALS {
            self.totals.push(row.clone());
            return Ok(());
        }
        // They were no totals: whoever checks the rows will say so.
        for row in std::mem::take(&mut self.totals) {
            self.send(&row)?;
        }
        self.send(row)
    }

    fn send(&mut self, row: &RawRow) -> Result<(), Stop> {
        let fit = self.edges.fit(row);
        if fit != Fit::Whole {
            self.fit(fit, row)?;
            if self.fitted.is_blank() {
                return Ok(());
            }
        }
        if self.encoder.rows() >= self.limits.rows {
            return Err(self.too_long().into());
        }
        Ok(self
            .encoder
            .row(if fit == Fit::Whole { row } else { &self.fitted })?)
    }

    /// Makes `fitted` of a row.
    fn fit(&mut self, fit: Fit, row: &RawRow) -> Result<(), Stop> {
        let columns = if fit == Fit::Whole {
            row.len()
        } else {
            self.edges.labelled
        };
        self.fitted.restart(row.row);
        for at in 0..columns {
            match row.cell(at) {
                Some(cell) => self.fitted.push(cell.kind, cell.text),
                None => self.fitted.push(CellKind::Text, ""),
            }
        }
        if fit == Fit::CutAway && !self.said_aside {
            self.said_aside = true;
            let aside = Finding::row(
                row.row,
                None,
                code::SIDE_TABLE,
                format!(
                    "Cells right of column {} were left out: the header ends there.",
                    self.edges.labelled
                ),
                "Nothing, if they are no part of the table; otherwise give their columns a header, without an empty column between.",
            );
            self.note(&aside.with_severity(Severity::Info))?;
        }
        Ok(())
    }

    pub(super) fn too_wide(&self, row: u64) -> Finding {
        Finding {
            row: Some(row),
            ..Finding::file(
                code::TABLE_DIMENSIONS,
                format!(
                    "There is a value beyond column {}, the last one allowed.",
                    self.limits.columns
                ),
                "Delete what stands at the right of the table, and send the file again.",
            )
        }
    }

    pub(super) fn too_long(&self) -> Finding {
        Finding::file(
            code::TABLE_DIMENSIONS,
            format!("The table has more than {} rows.", self.limits.rows),
            "Send fewer rows, or have `rows` under [limits] raised.",
        )
    }

    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        if self.width.is_none() {
            self.settle()?;
        }
        if self.width.is_none() {
            return Err(Finding::file(
                code::BLANK_HEADER,
                "The file holds no header and no rows.",
                "Look at the export in your HR system: it wrote nothing.",
            )
            .into());
        }
        let totals = std::mem::take(&mut self.totals);
        if let Some(first) = totals.first() {
            self.note(&skipped(first.row, totals.len(), "at the end"))?;
        }
        Ok(self.encoder.end()?)
    }
}

fn skipped(first: u64, count: usize, place: &str) -> Finding {
    let rows = if count == 1 { "row" } else { "rows" };
    let were = if count == 1 { "was" } else { "were" };
    Finding::row(
        first,
        None,
        code::SKIPPED_ROWS,
        format!("{count} {rows} {place} {were} skipped."),
        "Nothing, if they are titles or totals; otherwise look at how the file is exported.",
    )
    .with_severity(Severity::Info)
}

#[cfg(test)]
mod tests;
