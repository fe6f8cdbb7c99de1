//! Pure. Records and the current roster to changes: who joined, who changed, who left, and whether that many may leave at once.

pub mod diff;
pub mod due;
pub mod history;
pub mod links;
pub mod new_id;
pub mod person;
pub mod plan;
pub mod safeguard;
