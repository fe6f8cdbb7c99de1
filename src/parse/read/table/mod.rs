//! Pure. What every kind of reader writes into, and how it says that it cannot go on.

use std::io::{self, Write};

use crate::parse::agreement::Agreement;
use crate::parse::finding::{Finding, code};
use crate::parse::layout::Layout;
use crate::parse::limits::ReadLimits;
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

/// What both kinds of reader write into: drops blank rows, takes the first other one for the header, counts.
#[derive(Debug)]
pub(super) struct Table<'a, W> {
    pub(super) encoder: Encoder<W>,
    pub(super) limits: ReadLimits,
    pub(super) agreement: &'a Agreement,
    /// Columns of the header, once it has come.
    pub(super) width: Option<usize>,
}

impl<'a, W: Write> Table<'a, W> {
    pub(super) fn new(out: W, limits: &ReadLimits, agreement: &'a Agreement) -> Self {
        Self {
            encoder: Encoder::new(out),
            limits: *limits,
            agreement,
            width: None,
        }
    }

    /// Says what the file is. To be called once, before the first row.
    pub(super) fn begin(&mut self, layout: &Layout) -> Result<(), Stop> {
        Ok(self.encoder.layout(layout)?)
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
            if self.encoder.rows() >= self.limits.rows {
                return Err(self.too_long().into());
            }
            return Ok(self.encoder.row(row)?);
        }
        if row.cells().any(|cell| cell.kind == CellKind::Undecodable) {
            return Err(Finding {
                row: Some(row.row),
                ..Finding::file(
                    code::ENCODING_ERROR,
                    "The header is not text in UTF-8.",
                    "Export the file as UTF-8: in Excel that is \"CSV UTF-8 (comma delimited)\".",
                )
            }
            .into());
        }
        self.width = Some(row.len());
        Ok(self.encoder.header(row)?)
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
            return Err(Finding::file(
                code::BLANK_HEADER,
                "The file holds no header and no rows.",
                "Look at the export in your HR system: it wrote nothing.",
            )
            .into());
        }
        Ok(self.encoder.end()?)
    }
}
