//! Pure. Why a workbook is refused as a whole, in words for someone who has never seen the inside of one.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use crate::parse::finding::{Finding, code};

/// Something is missing or makes no sense.
pub(super) fn damaged() -> Finding {
    Finding::file(
        code::FORMAT_ERROR,
        "The workbook is damaged or not complete.",
        "Open it in Excel, save it again as .xlsx and send that, or export CSV (UTF-8).",
    )
}

/// From before 1993.
pub(super) fn too_old() -> Finding {
    Finding::file(
        code::FORMAT_ERROR,
        "The workbook was written by or for Excel 4 or older, which is not read.",
        "Open it in Excel, save it again as .xlsx and send that, or export CSV (UTF-8).",
    )
}

/// What no spreadsheet program would have packed. `why` says what it is.
pub(super) fn strange(why: &str) -> Finding {
    Finding::file(
        code::FORMAT_ERROR,
        format!("The workbook is packed as no spreadsheet program packs one: {why}."),
        "Open it in Excel, save it under a new name and send that, or export CSV (UTF-8).",
    )
}

/// More than is read at all, of whatever it is.
pub(super) fn too_much(what: &str) -> Finding {
    Finding::file(
        code::TABLE_DIMENSIONS,
        format!("The workbook holds {what}, more than is read."),
        "Leave only the sheet with the employees, or export it as CSV (UTF-8).",
    )
}

pub(in crate::parse::read) fn protected() -> Finding {
    Finding::file(
        code::PASSWORD_PROTECTED,
        "The workbook is protected by a password.",
        "Save it without a password and send it again: the way here is encrypted.",
    )
}
