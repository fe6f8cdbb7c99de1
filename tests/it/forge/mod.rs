//! Forges hostile files: what a broken program writes, and what somebody writes who wants to break the reader.
//!
//! Section 2 of what was measured of the libraries (aborts, hangs, gigabytes) is here by name, each made from a few lines and never from a stored file.

pub(crate) mod compound;
pub(crate) mod old;
pub(crate) mod picture;
pub(crate) mod text;
pub(crate) mod workbook;

/// A hostile file and what must become of it.
pub(crate) struct Forged {
    pub(crate) name: &'static str,
    /// How its name ends; what it is, is told by its content.
    pub(crate) extension: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) fate: Fate,
}

/// What must become of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Refused as a whole, with one finding of this code.
    Refused(&'static str),
    /// Refused as a whole with one finding: which one depends on how the reader broke.
    RefusedSomehow,
    /// Read like any other, however its rows are judged.
    Read,
    /// One or the other: numbers that overflow do so in another way in each build.
    Either,
}

pub(crate) fn forged(
    name: &'static str,
    extension: &'static str,
    fate: Fate,
    bytes: Vec<u8>,
) -> Forged {
    Forged {
        name,
        extension,
        bytes,
        fate,
    }
}
