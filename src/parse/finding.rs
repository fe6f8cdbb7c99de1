//! Pure. A finding: one fault in one row or in the file, told to the tenant with a stable code, a plain sentence and what to do.

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The row, or the file, was refused.
    Error,
    /// Taken, but someone should look.
    Warning,
    /// Worth knowing.
    Info,
}

impl Severity {
    /// The word of the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }

    /// Takes the word of the contract.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Error, Self::Warning, Self::Info]
            .into_iter()
            .find(|severity| severity.as_str() == text)
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Line or sheet row, the header line being 1; none for the file as a whole.
    pub row: Option<u64>,
    /// The file's own header of the column.
    pub column: Option<String>,
    /// Stable code, documented in [`code`].
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Finding {
    /// A fault of the whole file.
    pub fn file(code: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            row: None,
            column: None,
            code: code.to_owned(),
            severity: Severity::Error,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// A fault of one row.
    pub fn row(
        row: u64,
        column: Option<&str>,
        code: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            row: Some(row),
            column: column.map(str::to_owned),
            ..Self::file(code, message, remedy)
        }
    }

    /// The same finding, as one that refuses nothing.
    #[must_use]
    pub fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }
}

/// Every code of a finding, stable. Where the Frictionless table schema has a name for the fault, it is that name.
pub mod code {
    macro_rules! codes {
        ($($(#[doc = $doc:literal])+ $name:ident = $code:literal;)+) => {
            $($(#[doc = $doc])+ pub const $name: &str = $code;)+

            /// All of them.
            pub const ALL: &[&str] = &[$($name),+];
        };
    }

    codes! {
        /// The file is not one of the formats that are read, or it is damaged. Refuses the file.
        FORMAT_ERROR = "format-error";
        /// The workbook cannot be opened without a password. Refuses the file.
        PASSWORD_PROTECTED = "password-protected";
        /// The file is encrypted with PGP and cannot be decrypted: for another key, with a password, without integrity protection, damaged. Refuses the file.
        PGP_ERROR = "pgp-error";
        /// The PGP signature is missing, bad or by nobody who was agreed. Refuses the file, or is information when no signature is required.
        SIGNATURE_ERROR = "signature-error";
        /// Text that is not UTF-8. Refuses the file when all of it is; of a single cell a warning, or the row is refused where its field is required.
        ENCODING_ERROR = "encoding-error";
        /// Which encoding the text was read in, where that can be doubted: it was guessed, or it is not the agreed one.
        ENCODING_CHOSEN = "encoding-chosen";
        /// Habits of the program that wrote the text: another delimiter than before, quotes of another kind. What was made of them is said.
        TEXT_DIALECT = "text-dialect";
        /// Rows above the header, or totals below the last person; they were skipped.
        SKIPPED_ROWS = "skipped-rows";
        /// Something stands right of the table; it was left out.
        SIDE_TABLE = "side-table";
        /// More rows or columns than allowed. Refuses the file.
        TABLE_DIMENSIONS = "table-dimensions";
        /// A quoted cell that does not end where it should, so that rows may have been swallowed. Refuses the file.
        UNBALANCED_QUOTE = "unbalanced-quote";
        /// A workbook with more than one visible sheet that holds something. Refuses the file.
        SEVERAL_SHEETS = "several-sheets";
        /// The workbook has no sheet of the name that the configuration gives. Refuses the file.
        MISSING_SHEET = "missing-sheet";
        /// There is no header, or nothing at all. Refuses the file.
        BLANK_HEADER = "blank-header";
        /// A mapped field's header occurs more than once. Refuses the file.
        DUPLICATE_LABEL = "duplicate-label";
        /// A header that the configuration or a required field asks for is not there. Refuses the file when the field is required or the status.
        MISSING_LABEL = "missing-label";
        /// Columns that no field was found for; they are left out.
        EXTRA_LABEL = "extra-label";
        /// The row has more cells than the header. Refuses the row.
        EXTRA_CELL = "extra-cell";
        /// The row has fewer cells than the header. Refuses the row.
        MISSING_CELL = "missing-cell";
        /// A required cell is empty. Refuses the row.
        REQUIRED_VALUE = "required-value";
        /// The cell is not what its field holds: no date, no number, no e-mail address. A warning, and the field keeps its value; refuses the row where the field is required.
        TYPE_ERROR = "type-error";
        /// The cell is of the right kind but outside of what is allowed: too long, a nonsense date, not of the agreed form. A warning, and the field keeps its value; refuses the row where the field is required.
        CONSTRAINT_ERROR = "constraint-error";
        /// The file has another form than the last one that was accepted: columns, which of them holds a field, encoding, format, how dates are written, or far fewer rows. It refuses nothing; but a run whose employee ids, status or end dates stand in another column is held.
        LAYOUT_DRIFT = "layout-drift";
        /// Dates, numbers or names that could be read in two ways are read as the rest of their column shows. An error, which refuses the file, where a column writes dates or numbers both ways.
        INFERRED_FORMAT = "inferred-format";
        /// The cell of a sheet holds an error such as `#N/A`, or a formula without its result. A warning, and the field keeps its value; refuses the row where the field is required.
        ERROR_VALUE = "error-value";
        /// The status is neither among the known words nor among the configured ones. Refuses the row.
        UNKNOWN_STATUS = "unknown-status";
        /// The annual pay is not between -10,000,000.00 and 10,000,000.00, or the limits of the data source; it was left empty, and the rest of the row counts.
        INVALID_ANNUAL_PAY = "invalid-annual-pay";
        /// The key occurs in more than one row, and the rows differ. Refuses all of them.
        UNIQUE_ERROR = "unique-error";
        /// The row is identical to an earlier one; it was counted once.
        DUPLICATE_ROW = "duplicate-row";
        /// Somebody would join and somebody leave with the same work e-mail, or the same birth date and last name: perhaps one person under another employee id. The run is held.
        CHANGED_ID = "changed-id";
        /// The manager that a row names is nobody in the roster. A warning; the rest of the row is taken.
        FOREIGN_KEY = "foreign-key";
        /// The manager that a row names has left. A warning.
        MANAGER_LEFT = "manager-left";
        /// People who are each other's managers in a ring; it is named by their ids. A warning; information where somebody is their own manager.
        MANAGER_CYCLE = "manager-cycle";
        /// A row names somebody whom nobody knows, who was added with no more than the employee id: their own row is still to come. Information.
        STUB_ADDED = "stub-added";
        /// A header and no people: an empty file never makes leavers. Refuses the file.
        NO_ROWS = "no-rows";
        /// The row is of somebody who was erased on request, so it was left out. Information.
        FORGOTTEN_PERSON = "forgotten-person";
        /// The last line of an error file that lists only the first findings.
        MORE_FINDINGS = "more-findings";
        /// The file is no JPEG, PNG or BMP that is read, whatever its name says. Refuses the photo.
        PHOTO_FORMAT = "photo-format";
        /// The picture is cut off or damaged. Refuses the photo.
        PHOTO_DAMAGED = "photo-damaged";
        /// The file has more bytes, or the picture more pixels, than are looked at; or looking at it takes too much time or memory. Refuses the photo.
        PHOTO_TOO_LARGE = "photo-too-large";
        /// The file name's extension is that of another format. A warning; an error where it is no photo's at all, which is not taken.
        PHOTO_EXTENSION = "photo-extension";
        /// The picture is not 100 x 128 pixels. A warning.
        PHOTO_SIZE = "photo-size";
        /// The picture is not higher than it is wide. A warning.
        PHOTO_ORIENTATION = "photo-orientation";
        /// The picture is not at 72 ppi: a warning; or it does not say.
        PHOTO_DENSITY = "photo-density";
        /// An animation, of which only the first picture is looked at.
        PHOTO_ANIMATED = "photo-animated";
        /// Something stands behind the picture.
        PHOTO_TRAILING_BYTES = "photo-trailing-bytes";
        /// The picture was brought to 100 x 128 pixels at 72 ppi; the original is kept.
        PHOTO_CONFORMED = "photo-conformed";
        /// Nobody's photo column names the file, and nobody's employee id is its name. A warning.
        PHOTO_ORPHAN = "photo-orphan";
        /// A photo column names a file that is not there. A warning.
        PHOTO_MISSING = "photo-missing";
        /// Several photos for a person, or several people for a photo: nobody gets one. A warning.
        PHOTO_AMBIGUOUS = "photo-ambiguous";
        /// The reader was ended because the file took too long. Refuses the file.
        READER_TIMEOUT = "reader-timeout";
        /// The reader ended before the file did: it wanted more memory than allowed, or the file broke it. Refuses the file.
        READER_DIED = "reader-died";
        /// The file made its reader attempt what reading never needs, such as opening another file. Refuses the file.
        READER_CONTAINED = "reader-contained";
        /// The reader's answer made no sense. Refuses the file.
        READER_GARBAGE = "reader-garbage";
    }

    /// Whether `code` is one of them.
    pub fn is_known(code: &str) -> bool {
        ALL.contains(&code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_codes_are_the_same() {
        let distinct: std::collections::BTreeSet<_> = code::ALL.iter().collect();
        assert_eq!(distinct.len(), code::ALL.len());
        assert!(code::is_known("missing-cell"));
        assert!(!code::is_known("missing"));
    }

    #[test]
    fn severities_are_the_words_of_the_contract() {
        for word in ["error", "warning", "info"] {
            assert_eq!(Severity::parse(word).unwrap().as_str(), word);
        }
        assert_eq!(Severity::parse("fatal"), None);
    }
}
