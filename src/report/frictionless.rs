//! Pure. What the Frictionless table schema calls a fault: a second name beside our code, for programs that know those names.

use crate::parse::finding::code;

/// All of its names that a fault of a delivered table can have.
const NAMES: [&str; 27] = [
    "source-error",
    "format-error",
    "encoding-error",
    "byte-count",
    "field-count",
    "row-count",
    "blank-header",
    "blank-label",
    "duplicate-label",
    "missing-label",
    "extra-label",
    "incorrect-label",
    "blank-row",
    "primary-key",
    "foreign-key",
    "duplicate-row",
    "row-constraint",
    "extra-cell",
    "missing-cell",
    "type-error",
    "constraint-error",
    "unique-error",
    "deviated-value",
    "truncated-value",
    "forbidden-value",
    "required-value",
    "table-dimensions",
];

/// The name of a code; none for what is no fault of the table, such as a note on how it was read.
pub fn frictionless(code: &str) -> Option<&'static str> {
    if let Some(same) = NAMES.into_iter().find(|name| *name == code) {
        return Some(same);
    }
    match code {
        code::PASSWORD_PROTECTED
        | code::PGP_ERROR
        | code::UNBALANCED_QUOTE
        | code::SEVERAL_SHEETS
        | code::MISSING_SHEET => Some("format-error"),
        code::SIGNATURE_ERROR
        | code::READER_TIMEOUT
        | code::READER_DIED
        | code::READER_CONTAINED
        | code::READER_GARBAGE => Some("source-error"),
        code::NO_ROWS => Some("row-count"),
        code::ERROR_VALUE | code::INFERRED_FORMAT => Some("type-error"),
        code::UNKNOWN_STATUS | code::INVALID_ANNUAL_PAY => Some("constraint-error"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_is_a_frictionless_name_keeps_it_and_a_note_has_none() {
        assert_eq!(frictionless(code::MISSING_CELL), Some("missing-cell"));
        assert_eq!(frictionless(code::UNKNOWN_STATUS), Some("constraint-error"));
        assert_eq!(frictionless(code::SKIPPED_ROWS), None);
        assert_eq!(frictionless("nonsense"), None);
        let named = code::ALL.iter().filter(|code| frictionless(code).is_some());
        assert!(named.count() > 20);
    }
}
