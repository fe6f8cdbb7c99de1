//! Pure. Bytes to records: what the file is, its rows, its columns mapped to canonical fields, each row checked.
//!
//! The first half ([`read`]) runs in a child process, because a hostile workbook can abort the process that reads it; it turns bytes into
//! [`wire`] frames. The second half ([`check`]) runs in the parent, which treats the frames as hostile too.

pub mod agreement;
pub mod check;
pub mod field;
pub mod finding;
pub mod keys;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;
pub mod layout;
pub mod limits;
pub mod photo;
pub mod read;
pub mod record;
pub mod row;
pub mod wire;
