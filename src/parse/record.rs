//! Pure. A record: one checked row, its cells named by canonical fields and brought to their canonical form.

use crate::parse::field::Field;

/// What a row says about its person's employment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Employed, on leave too; also where the file has no status column.
    Active,
    /// Inactive, terminated or deleted: a leaver.
    Inactive,
}

/// Whose row a refused one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOf {
    /// The person with this key.
    Sure(String),
    /// Perhaps this person: the row is broken, and the key may be broken with it.
    Doubtful(String),
    Unreadable,
}

/// A row that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Line or sheet row, the header being 1.
    pub row: u64,
    /// The person's key in this data source: the canonical `employee_id`.
    pub key: String,
    /// Whether the row says that the person is employed.
    pub standing: Standing,
    /// Every mapped field in ascending order of [`Field`], an empty cell as an empty string. A field that is not here is not in the file.
    pub fields: Vec<(Field, String)>,
}
