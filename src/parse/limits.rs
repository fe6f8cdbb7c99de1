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
    /// Bytes of a file that was decrypted.
    pub plain_bytes: u64,
    /// Memory that the child process may make its own.
    pub memory_bytes: u64,
    /// CPU time of the child process. By the clock it may take some times as long, because the machine has other things to do.
    pub time: Duration,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            rows: 2_000_000,
            columns: 512,
            cell_length_bytes: 32 * 1024,
            plain_bytes: 2_000_000_000,
            memory_bytes: 272 << 20,
            time: Duration::from_mins(2),
        }
    }
}
