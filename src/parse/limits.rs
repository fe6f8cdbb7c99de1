//! Pure. How much a file may ask of its reader.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits of one reading, from `[limits]` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadLimits {
    /// Rows in a file, the header not counted.
    pub rows: u64,
    /// Columns in a row.
    pub columns: usize,
    /// Bytes in a cell.
    pub cell_length_bytes: usize,
    /// Address space of the child process.
    pub memory_bytes: u64,
    /// Wall and CPU time of the child process.
    pub time: Duration,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            rows: 2_000_000,
            columns: 512,
            cell_length_bytes: 32 * 1024,
            memory_bytes: 512 * 1024 * 1024,
            time: Duration::from_mins(2),
        }
    }
}
