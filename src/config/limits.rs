//! `[limits]`: how much a stranger, a sender or a file may ask for.

use std::time::Duration;

use crate::config::document::Section;
use crate::parse::limits::ReadLimits;

/// Limits of everything a stranger or a file can ask for.
#[derive(Debug, Clone)]
pub struct Limits {
    pub connections: usize,
    pub connections_per_address: usize,
    pub sessions_per_login: usize,
    /// From accepting a connection to a successful login.
    pub login_deadline: Duration,
    /// A session without a command or a transfer.
    pub idle: Duration,
    /// A transfer without a byte.
    pub stall: Duration,
    /// From a transfer command to its data connection.
    pub data_connect: Duration,
    /// How long a shutdown waits for transfers and runs.
    pub drain: Duration,
    pub file_size_bytes: u64,
    pub rows: u64,
    pub columns: usize,
    pub cell_length_bytes: usize,
    pub import_memory_bytes: u64,
    pub import_time: Duration,
    /// So many refused logins from an address within `ban_window` ban it for `ban_time`; 0: nobody is banned.
    pub ban_failures: u32,
    pub ban_window: Duration,
    pub ban_time: Duration,
}

const SECOND: Duration = Duration::from_secs(1);

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 500,
            connections_per_address: 50,
            sessions_per_login: 20,
            login_deadline: Duration::from_secs(30),
            idle: Duration::from_mins(5),
            stall: Duration::from_mins(1),
            data_connect: Duration::from_secs(10),
            drain: Duration::from_mins(1),
            file_size_bytes: 2_000_000_000,
            rows: 2_000_000,
            columns: 512,
            cell_length_bytes: 32 * 1024,
            import_memory_bytes: 272 << 20,
            import_time: Duration::from_mins(2),
            ban_failures: 20,
            ban_window: Duration::from_mins(10),
            ban_time: Duration::from_mins(15),
        }
    }
}

impl Limits {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let otherwise = Self::default();
        let count = |key, default: usize| {
            section
                .number(key, 1)
                .and_then(|number| usize::try_from(number).ok())
                .unwrap_or(default)
        };
        let time = |key, default| {
            let time = section.duration(key, SECOND).unwrap_or(default);
            if time.is_zero() {
                section.wrong_key(key, "must be more than nothing");
            }
            time
        };
        Self {
            connections: count("connections", otherwise.connections),
            connections_per_address: count(
                "connections_per_address",
                otherwise.connections_per_address,
            ),
            sessions_per_login: count("sessions_per_login", otherwise.sessions_per_login),
            login_deadline: time("login_deadline", otherwise.login_deadline),
            idle: time("idle", otherwise.idle),
            stall: time("stall", otherwise.stall),
            data_connect: time("data_connect", otherwise.data_connect),
            drain: time("drain", otherwise.drain),
            file_size_bytes: section
                .size("file_size")
                .unwrap_or(otherwise.file_size_bytes),
            rows: section.number("rows", 1).unwrap_or(otherwise.rows),
            columns: count("columns", otherwise.columns),
            cell_length_bytes: section
                .size("cell_length")
                .and_then(|bytes| usize::try_from(bytes).ok())
                .unwrap_or(otherwise.cell_length_bytes),
            import_memory_bytes: section
                .size("import_memory")
                .unwrap_or(otherwise.import_memory_bytes),
            import_time: time("import_time", otherwise.import_time),
            ban_failures: section
                .number("ban_failures", 0)
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(otherwise.ban_failures),
            ban_window: time("ban_window", otherwise.ban_window),
            ban_time: time("ban_time", otherwise.ban_time),
        }
    }

    /// The part that is about reading a file.
    pub fn reading(&self) -> ReadLimits {
        ReadLimits {
            rows: self.rows,
            columns: self.columns,
            cell_length_bytes: self.cell_length_bytes,
            plain_bytes: self.file_size_bytes,
            memory_bytes: self.import_memory_bytes,
            time: self.import_time,
        }
    }
}
