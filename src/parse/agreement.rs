//! Pure. What was agreed with a sender about a file, as far as its reader must know: what cannot be seen in the bytes, or would have to be guessed.

use serde::{Deserialize, Serialize};

use crate::parse::keys::PgpAgreement;

/// From a data source's configuration, and from what its accepted files were like. The default knows nothing: everything is found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Headers that the configuration names, beside those that are known to everybody: a header line is found by them.
    pub headers: Vec<String>,
    /// The encoding of text that is not Unicode, by its WHATWG label; none: it is found out.
    pub encoding: Option<String>,
    /// What separates the cells of a text.
    pub delimiter: Delimiter,
    /// The name of the sheet; none: the only visible one that holds something.
    pub sheet: Option<String>,
    /// The columns of a text without delimiters; empty: it has delimiters.
    pub fixed_width: Vec<FixedColumn>,
    /// What decrypts a file, and who may have signed it; none: an encrypted one is refused.
    pub pgp: Option<PgpAgreement>,
}

/// What separates the cells of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delimiter {
    /// Nobody has said it, and no file was accepted yet.
    #[default]
    Unknown,
    /// It was this one in the last accepted file.
    Seen(u8),
    /// The configuration says so.
    Declared(u8),
}

/// A column of a text in which every column has its place in the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedColumn {
    /// Its header.
    pub name: String,
    /// First character of the line that belongs to it, from 1.
    pub start: usize,
    /// Characters.
    pub width: usize,
}
