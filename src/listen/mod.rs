//! Connections to sessions: protocols, logins and limits. Never sees the meaning of a file.

pub mod accept;
pub mod bans;
pub mod front;
pub mod ftps;
mod hashing;
pub mod judge;
pub mod login;
pub mod proxy;
pub mod score;
mod sessions;
pub mod sftp;
pub mod tls;
mod upload_log;
pub mod uses;

/// How a client speaks to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// FTPS from the first byte (R0.14).
    Ftps,
    /// FTP with AUTH TLS (R0.13).
    Ftpes,
    /// SFTP over SSH (R0.05).
    Sftp,
}

impl Protocol {
    /// The label in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ftps => "ftps",
            Self::Ftpes => "ftpes",
            Self::Sftp => "sftp",
        }
    }
}
