//! Pure. The outcome of a run, for the eyes of the tenant and the admin: the RUN document, the receipt, the error file, the summary, the roster as a file;
//! and of photos the report of a batch, and whose each is.

pub mod difference;
pub mod error_file;
pub mod findings;
pub mod frictionless;
pub mod person;
pub mod photo_listing;
pub mod photos;
pub mod receipt;
pub mod roster;
pub mod run;
pub mod summary;
pub mod template;
pub mod text;
