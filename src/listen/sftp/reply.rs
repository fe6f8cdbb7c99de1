//! Pure. SFTP replies, version 3: values in, bytes for the channel out.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io;

use bytes::{BufMut as _, Bytes};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::packet::{DATA_LIMIT_BYTES, HandleId, PACKET_LIMIT_BYTES};
use crate::mailbox::{Entry, EntryKind};

/// What a STATUS reply says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    Eof,
    NoSuchFile,
    PermissionDenied,
    Failure,
    BadMessage,
    OpUnsupported,
}

/// A good answer to a request; a bad one is a [`Refusal`].
#[derive(Debug)]
pub(super) enum Reply {
    /// Done; the sentence is for the sender's log.
    Done(String),
    Handle(HandleId),
    Attributes(Entry),
    Names(Vec<Entry>),
    Path(String),
    Space {
        quota_bytes: u64,
        used_bytes: u64,
    },
    Limits,
    /// Comes from the queue of reads.
    Later,
}

/// A bad answer: one short sentence of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: Status,
    pub(super) message: String,
}

impl Refusal {
    /// One of `status`.
    pub(super) fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

/// Open files of one connection, and files and folders of one channel; announced by `limits@openssh.com`.
pub(super) const HANDLES_LIMIT: usize = 64;

/// Extensions beyond version 3, with their versions.
const EXTENSIONS: [(&str, &str); 4] = [
    ("posix-rename@openssh.com", "1"),
    ("statvfs@openssh.com", "2"),
    ("fsync@openssh.com", "1"),
    ("limits@openssh.com", "1"),
];

/// Replies on their way to one channel, end to end.
#[derive(Debug, Default)]
pub(super) struct Replies(Vec<u8>);

impl Replies {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.0.into()
    }

    /// `SSH_FXP_VERSION`, which carries no id.
    pub(super) fn version(&mut self) {
        self.packet(2, |out| {
            out.put_u32(3);
            for (name, version) in EXTENSIONS {
                put_string(out, name.as_bytes());
                put_string(out, version.as_bytes());
            }
        });
    }

    /// The answer to request `id`. `now` decides how times in a listing are written.
    pub(super) fn answer(&mut self, id: u32, answer: Result<Reply, Refusal>, now: Timestamp) {
        match answer {
            Ok(Reply::Done(message)) => self.status(id, Status::Ok, &message),
            Ok(Reply::Handle(handle)) => self.packet(102, |out| {
                out.put_u32(id);
                put_string(out, &handle.0.to_be_bytes());
            }),
            Ok(Reply::Attributes(entry)) => self.packet(105, |out| {
                out.put_u32(id);
                put_attributes(out, &entry);
            }),
            Ok(Reply::Names(entries)) => self.packet(104, |out| {
                out.put_u32(id);
                out.put_u32(count(entries.len()));
                for entry in &entries {
                    put_string(out, entry.name.as_bytes());
                    put_string(out, long_name(entry, now).as_bytes());
                    put_attributes(out, entry);
                }
            }),
            Ok(Reply::Path(path)) => self.packet(104, |out| {
                out.put_u32(id);
                out.put_u32(1);
                put_string(out, path.as_bytes());
                put_string(out, path.as_bytes());
                out.put_u32(0);
            }),
            Ok(Reply::Space {
                quota_bytes,
                used_bytes,
            }) => self.packet(201, |out| {
                out.put_u32(id);
                put_space(out, quota_bytes, used_bytes);
            }),
            Ok(Reply::Limits) => self.packet(201, |out| {
                out.put_u32(id);
                out.put_u64(u64::from(PACKET_LIMIT_BYTES));
                out.put_u64(u64::from(DATA_LIMIT_BYTES));
                out.put_u64(u64::from(DATA_LIMIT_BYTES));
                out.put_u64(u64::from(count(HANDLES_LIMIT)));
            }),
            Ok(Reply::Later) => {}
            Err(refusal) => self.status(id, refusal.status, &refusal.message),
        }
    }

    /// STATUS.
    pub(super) fn status(&mut self, id: u32, status: Status, message: &str) {
        let code = status.code();
        self.packet(101, |out| {
            out.put_u32(id);
            out.put_u32(code);
            put_string(out, message.as_bytes());
            put_string(out, b"en");
        });
    }

    /// DATA with up to `length` bytes that `fill` puts in place; EOF when it has none.
    pub(super) fn data(
        &mut self,
        id: u32,
        length: usize,
        fill: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        const HEAD: usize = 4 + 1 + 4 + 4;
        let start = self.0.len();
        self.0.resize(start + HEAD + length, 0);
        let filled = match self.0.get_mut(start + HEAD..) {
            Some(room) => fill(room),
            None => Ok(0),
        };
        let size = match filled {
            Ok(0) | Err(_) => {
                self.0.truncate(start);
                filled?;
                self.status(id, Status::Eof, "End of file");
                return Ok(());
            }
            Ok(size) => size.min(length),
        };
        self.0.truncate(start + HEAD + size);
        if let Some(mut head) = self.0.get_mut(start..start + HEAD) {
            head.put_u32(count(HEAD - 4 + size));
            head.put_u8(103);
            head.put_u32(id);
            head.put_u32(count(size));
        }
        Ok(())
    }

    fn packet(&mut self, kind: u8, fields: impl FnOnce(&mut Vec<u8>)) {
        let start = self.0.len();
        self.0.put_u32(0);
        self.0.put_u8(kind);
        fields(&mut self.0);
        let length = count(self.0.len() - start - 4);
        if let Some(mut head) = self.0.get_mut(start..start + 4) {
            head.put_u32(length);
        }
    }
}

impl Status {
    const fn code(self) -> u32 {
        match self {
            Self::Ok => 0,
            Self::Eof => 1,
            Self::NoSuchFile => 2,
            Self::PermissionDenied => 3,
            Self::Failure => 4,
            Self::BadMessage => 5,
            Self::OpUnsupported => 8,
        }
    }
}

/// A length on the wire; ours are far below the limit.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32(count(bytes.len()));
    out.put_slice(bytes);
}

/// Size, permissions and times; no owner, because none of a client's users is one.
fn put_attributes(out: &mut Vec<u8>, entry: &Entry) {
    let modified = u32::try_from(entry.modified.as_second()).unwrap_or(0);
    out.put_u32(0x1 | 0x4 | 0x8);
    out.put_u64(entry.size_bytes);
    out.put_u32(match entry.kind {
        EntryKind::File => 0o100_644,
        EntryKind::Folder => 0o040_755,
    });
    out.put_u32(modified);
    out.put_u32(modified);
}

/// The quota as a file system: `df` shows what may still be sent.
fn put_space(out: &mut Vec<u8>, quota_bytes: u64, used_bytes: u64) {
    const BLOCK_BYTES: u64 = 1024;
    const NAMES: u64 = 1 << 32;
    let free = quota_bytes.saturating_sub(used_bytes) / BLOCK_BYTES;
    for field in [
        BLOCK_BYTES,
        BLOCK_BYTES,
        quota_bytes / BLOCK_BYTES,
        free,
        free,
        NAMES,
        NAMES,
        NAMES,
        0,
        0x2, // no set-uid
        200,
    ] {
        out.put_u64(field);
    }
}

/// A line of `ls -l`: the time of day within the last half year, else the year, in UTC.
fn long_name(entry: &Entry, now: Timestamp) -> String {
    let mode = match entry.kind {
        EntryKind::File => "-rw-r--r--",
        EntryKind::Folder => "drwxr-xr-x",
    };
    let modified = entry.modified.to_zoned(TimeZone::UTC);
    let recent = now.checked_sub((24 * 182).hours());
    let form = match recent {
        Ok(recent) if entry.modified >= recent && entry.modified <= now => "%b %e %H:%M",
        _ => "%b %e  %Y",
    };
    format!(
        "{mode}    1 rosterd  rosterd  {:>12} {} {}",
        entry.size_bytes,
        modified.strftime(form),
        entry.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(modified: &str) -> Entry {
        Entry {
            name: "employees.csv".to_owned(),
            kind: EntryKind::File,
            size_bytes: 18_234,
            modified: modified.parse().unwrap(),
        }
    }

    fn bytes(write: impl FnOnce(&mut Replies)) -> Vec<u8> {
        let mut replies = Replies::default();
        write(&mut replies);
        let bytes = replies.into_bytes().to_vec();
        let length = u32::from_be_bytes(*bytes.first_chunk().unwrap());
        assert_eq!(bytes.len(), 4 + usize::try_from(length).unwrap());
        bytes
    }

    #[test]
    fn a_status_carries_its_id_code_and_sentence() {
        let status = bytes(|replies| replies.status(9, Status::Failure, "No"));
        assert_eq!(
            status,
            b"\0\0\0\x15\x65\0\0\0\x09\0\0\0\x04\0\0\0\x02No\0\0\0\x02en"
        );
    }

    #[test]
    fn the_version_announces_what_openssh_and_winscp_look_for() {
        let version = bytes(Replies::version);
        assert_eq!(version.get(4..9), Some(&b"\x02\0\0\0\x03"[..]));
        let text = String::from_utf8_lossy(&version).into_owned();
        for name in ["posix-rename@openssh.com", "limits@openssh.com"] {
            assert!(text.contains(name), "{name}");
        }
    }

    #[test]
    fn data_is_as_long_as_what_was_read() {
        let data = bytes(|replies| {
            replies
                .data(3, 8, |room| {
                    room.get_mut(..2).unwrap().copy_from_slice(b"ab");
                    Ok(2)
                })
                .unwrap();
        });
        assert_eq!(data, b"\0\0\0\x0b\x67\0\0\0\x03\0\0\0\x02ab");
    }

    #[test]
    fn reading_at_the_end_is_eof_and_a_failed_read_leaves_nothing() {
        let eof = bytes(|replies| replies.data(3, 8, |_| Ok(0)).unwrap());
        assert_eq!(eof.get(4), Some(&101));
        let mut replies = Replies::default();
        assert!(
            replies
                .data(3, 8, |_| Err(io::Error::other("disk")))
                .is_err()
        );
        assert!(replies.is_empty());
    }

    #[test]
    fn a_long_name_shows_the_time_of_day_only_when_it_is_recent() {
        let now = "2026-11-22T01:00:00Z".parse().unwrap();
        assert_eq!(
            long_name(&entry("2026-11-02T03:04:05Z"), now),
            "-rw-r--r--    1 rosterd  rosterd         18234 Nov  2 03:04 employees.csv"
        );
        for (time, day) in [
            ("2025-11-02T03:04:05Z", "Nov  2  2025"),
            ("2026-12-02T03:04:05Z", "Dec  2  2026"),
        ] {
            let line = long_name(&entry(time), now);
            assert!(line.contains(day), "{line}");
        }
    }

    #[test]
    fn the_space_left_is_what_the_quota_leaves() {
        let reply = Reply::Space {
            quota_bytes: 500 * 1024,
            used_bytes: 600 * 1024,
        };
        let space = bytes(|replies| replies.answer(1, Ok(reply), Timestamp::UNIX_EPOCH));
        assert_eq!(space.len(), 4 + 1 + 4 + 11 * 8);
        assert_eq!(space.get(9 + 24..9 + 32), Some(&[0; 8][..]));
    }
}
