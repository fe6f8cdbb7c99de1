//! Pure. The outcome of a run, for the eyes of the tenant and the admin: the RUN document, the receipt, the error file, the roster as a file.

pub mod error_file;
pub mod findings;
pub mod receipt;
pub mod roster;
pub mod run;
pub mod template;
pub mod text;
