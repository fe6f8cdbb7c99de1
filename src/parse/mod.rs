//! Pure. Bytes to records: what the file is, its rows, its columns mapped to canonical fields, each row checked.
//!
//! The first half ([`read`]) runs in a child process, because a hostile workbook can abort the process that reads it; it turns bytes into
//! [`wire`] frames. The second half ([`columns`], [`check`]) runs in the parent, which treats the frames as hostile too.

pub mod check;
pub mod columns;
pub mod csv;
pub mod date;
pub mod field;
pub mod finding;
pub mod limits;
mod package;
pub mod photo;
pub mod read;
pub mod record;
pub mod sheet;
pub mod sniff;
mod status;
mod value;
pub mod wire;
