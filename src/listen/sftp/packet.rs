//! Pure. SFTP requests, version 3 (draft-ietf-secsh-filexfer-02): bytes of a channel in, requests out.
//!
//! Whatever the bytes are, nothing here panics, and no length that a peer claims is believed before that many bytes are there. Bytes
//! behind the last field of a request are skipped: Debian's rclone sends some after the data of a WRITE.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use bytes::{Buf as _, Bytes, BytesMut};

/// Data in one READ or WRITE; announced by `limits@openssh.com`.
pub(super) const DATA_LIMIT_BYTES: u32 = 255 * 1024;
/// One packet without its length field; announced by `limits@openssh.com`.
pub(super) const PACKET_LIMIT_BYTES: u32 = 256 * 1024;

/// The channel cannot go on: where the next packet begins is not known, or there is no id to answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("a packet longer than the limit")]
    TooLong,
    #[error("a packet too short to hold a request id")]
    TooShort,
    #[error("a request before SSH_FXP_INIT")]
    NoInit,
}

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Init,
    Request {
        id: u32,
        /// None: its fields do not add up.
        request: Option<Request>,
    },
}

/// A request. Paths are bytes as sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Open {
        path: Bytes,
        flags: OpenFlags,
    },
    Close(HandleId),
    Read {
        handle: HandleId,
        offset: u64,
        length: u32,
    },
    Write {
        handle: HandleId,
        offset: u64,
        data: Bytes,
    },
    /// STAT and LSTAT: a mailbox has no links.
    Stat(Bytes),
    HandleStat(HandleId),
    SetStat(Bytes, Attributes),
    HandleSetStat(HandleId, Attributes),
    OpenFolder(Bytes),
    ReadFolder(HandleId),
    Remove(Bytes),
    MakeFolder(Bytes),
    RemoveFolder(Bytes),
    RealPath(Bytes),
    Rename {
        from: Bytes,
        to: Bytes,
    },
    /// posix-rename@openssh.com: replaces what is at `to`.
    Replace {
        from: Bytes,
        to: Bytes,
    },
    /// statvfs@openssh.com
    Space(Bytes),
    /// fsync@openssh.com
    Sync(HandleId),
    /// limits@openssh.com
    Limits,
    /// READLINK, SYMLINK, other extensions, kinds that do not exist.
    Unsupported,
}

/// How a client names an open file or folder: four bytes of ours. 0 is never given out and stands for anything else a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct HandleId(pub(super) u32);

/// `pflags` of OPEN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenFlags(pub(super) u32);

impl OpenFlags {
    pub(super) const READ: Self = Self(0x01);
    pub(super) const WRITE: Self = Self(0x02);
    pub(super) const APPEND: Self = Self(0x04);
    pub(super) const CREATE: Self = Self(0x08);
    pub(super) const TRUNCATE: Self = Self(0x10);
    pub(super) const EXCLUSIVE: Self = Self(0x20);
    /// Flags that change or make a file, and mean nothing without [`Self::WRITE`].
    pub(super) const MAKING: Self = Self(0x38);

    /// Whether all bits of `flag` are set.
    pub(super) const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 == flag.0
    }

    /// Whether at least one bit of `flags` is set.
    pub(super) const fn has_any(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }
}

/// The attributes a client may set here; owner and permissions are read and forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Attributes {
    pub(super) size_bytes: Option<u64>,
    /// Seconds since 1970.
    pub(super) modified: Option<u32>,
}

/// Takes the next whole packet out of what has come, without its length field.
pub(super) fn take_packet(inbox: &mut BytesMut) -> Result<Option<Bytes>, Broken> {
    let Some(length) = inbox.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*length);
    if length > PACKET_LIMIT_BYTES {
        return Err(Broken::TooLong);
    }
    let length = usize::try_from(length).map_err(|_| Broken::TooLong)?;
    if inbox.len() < length + 4 {
        return Ok(None);
    }
    inbox.advance(4);
    Ok(Some(inbox.split_to(length).freeze()))
}

/// Reads one packet.
pub(super) fn decode(packet: Bytes) -> Result<Message, Broken> {
    let mut fields = Fields(packet);
    let kind = fields.u8().ok_or(Broken::TooShort)?;
    let id = fields.u32();
    if kind == 1 {
        return Ok(Message::Init);
    }
    let id = id.ok_or(Broken::TooShort)?;
    let request = request(kind, &mut fields);
    Ok(Message::Request { id, request })
}

fn request(kind: u8, fields: &mut Fields) -> Option<Request> {
    Some(match kind {
        3 => Request::Open {
            path: fields.string()?,
            flags: OpenFlags(fields.u32()?),
        },
        4 => Request::Close(fields.handle()?),
        5 => Request::Read {
            handle: fields.handle()?,
            offset: fields.u64()?,
            length: fields.u32()?,
        },
        6 => Request::Write {
            handle: fields.handle()?,
            offset: fields.u64()?,
            data: fields.string()?,
        },
        7 | 17 => Request::Stat(fields.string()?),
        8 => Request::HandleStat(fields.handle()?),
        9 => Request::SetStat(fields.string()?, fields.attributes()?),
        10 => Request::HandleSetStat(fields.handle()?, fields.attributes()?),
        11 => Request::OpenFolder(fields.string()?),
        12 => Request::ReadFolder(fields.handle()?),
        13 => Request::Remove(fields.string()?),
        14 => Request::MakeFolder(fields.string()?),
        15 => Request::RemoveFolder(fields.string()?),
        16 => Request::RealPath(fields.string()?),
        18 => Request::Rename {
            from: fields.string()?,
            to: fields.string()?,
        },
        200 => match fields.string()?.as_ref() {
            b"posix-rename@openssh.com" => Request::Replace {
                from: fields.string()?,
                to: fields.string()?,
            },
            b"statvfs@openssh.com" => Request::Space(fields.string()?),
            b"fsync@openssh.com" => Request::Sync(fields.handle()?),
            b"limits@openssh.com" => Request::Limits,
            _ => Request::Unsupported,
        },
        _ => Request::Unsupported,
    })
}

/// The fields of a packet from left to right; none when it ends too early.
struct Fields(Bytes);

impl Fields {
    fn u8(&mut self) -> Option<u8> {
        self.0.try_get_u8().ok()
    }

    fn u32(&mut self) -> Option<u32> {
        self.0.try_get_u32().ok()
    }

    fn u64(&mut self) -> Option<u64> {
        self.0.try_get_u64().ok()
    }

    fn string(&mut self) -> Option<Bytes> {
        let length = usize::try_from(self.u32()?).ok()?;
        (length <= self.0.len()).then(|| self.0.split_to(length))
    }

    fn handle(&mut self) -> Option<HandleId> {
        let bytes = self.string()?;
        let ours = <[u8; 4]>::try_from(bytes.as_ref()).map_or(0, u32::from_be_bytes);
        Some(HandleId(ours))
    }

    /// What follows the times (extended pairs) is of no use here and stays unread.
    fn attributes(&mut self) -> Option<Attributes> {
        let flags = self.u32()?;
        let size_bytes = if flags & 0x1 == 0 {
            None
        } else {
            Some(self.u64()?)
        };
        if flags & 0x2 != 0 {
            self.u64()?;
        }
        if flags & 0x4 != 0 {
            self.u32()?;
        }
        let modified = if flags & 0x8 == 0 {
            None
        } else {
            self.u32()?;
            Some(self.u32()?)
        };
        Some(Attributes {
            size_bytes,
            modified,
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut as _;
    use proptest::prelude::*;

    use super::*;

    fn string(bytes: &[u8]) -> Vec<u8> {
        let mut out = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        out.extend_from_slice(bytes);
        out
    }

    fn packet(kind: u8, id: u32, fields: &[&[u8]]) -> Bytes {
        let mut out = vec![kind];
        out.put_u32(id);
        out.extend(fields.concat());
        out.into()
    }

    fn decoded(kind: u8, fields: &[&[u8]]) -> Option<Request> {
        match decode(packet(kind, 7, fields)).unwrap() {
            Message::Request { id: 7, request } => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn requests_are_read_field_by_field() {
        let path = || Bytes::from_static(b"/data/a.csv");
        let name = string(b"/data/a.csv");
        let handle = string(&9u32.to_be_bytes());
        assert_eq!(
            decoded(3, &[&name, &0x1au32.to_be_bytes(), &0u32.to_be_bytes()]),
            Some(Request::Open {
                path: path(),
                flags: OpenFlags(0x1a)
            })
        );
        assert_eq!(decoded(4, &[&handle]), Some(Request::Close(HandleId(9))));
        assert_eq!(
            decoded(5, &[&handle, &5u64.to_be_bytes(), &32768u32.to_be_bytes()]),
            Some(Request::Read {
                handle: HandleId(9),
                offset: 5,
                length: 32768
            })
        );
        for kind in [7, 17] {
            assert_eq!(decoded(kind, &[&name]), Some(Request::Stat(path())));
        }
        assert_eq!(
            decoded(18, &[&name, &string(b"b")]),
            Some(Request::Rename {
                from: path(),
                to: Bytes::from_static(b"b")
            })
        );
        assert_eq!(
            decoded(
                200,
                &[&string(b"posix-rename@openssh.com"), &name, &string(b"b")]
            ),
            Some(Request::Replace {
                from: path(),
                to: Bytes::from_static(b"b")
            })
        );
    }

    #[test]
    fn what_is_not_known_is_unsupported_and_keeps_its_id() {
        for kind in [0, 2, 19, 20, 21, 99, 101, 255] {
            assert_eq!(decoded(kind, &[]), Some(Request::Unsupported), "{kind}");
        }
        assert_eq!(
            decoded(200, &[&string(b"hardlink@openssh.com")]),
            Some(Request::Unsupported)
        );
    }

    #[test]
    fn junk_behind_the_data_of_a_write_is_skipped() {
        let handle = string(&1u32.to_be_bytes());
        assert_eq!(
            decoded(
                6,
                &[&handle, &8u64.to_be_bytes(), &string(b"row"), b"left over"]
            ),
            Some(Request::Write {
                handle: HandleId(1),
                offset: 8,
                data: Bytes::from_static(b"row")
            })
        );
    }

    #[test]
    fn times_and_sizes_are_found_behind_owners_and_permissions() {
        let mut all = Vec::new();
        all.put_u32(0xf);
        all.put_u64(512);
        all.put_u64(0);
        all.put_u32(0o644);
        all.put_u32(1);
        all.put_u32(1_700_000_000);
        assert_eq!(
            decoded(9, &[&string(b"a"), &all]),
            Some(Request::SetStat(
                Bytes::from_static(b"a"),
                Attributes {
                    size_bytes: Some(512),
                    modified: Some(1_700_000_000)
                }
            ))
        );
        all.truncate(all.len() - 1);
        assert_eq!(decoded(9, &[&string(b"a"), &all]), None);
    }

    #[test]
    fn a_handle_that_is_not_ours_is_the_one_never_given_out() {
        for foreign in [&b""[..], b"abc", b"abcde"] {
            assert_eq!(
                decoded(4, &[&string(foreign)]),
                Some(Request::Close(HandleId(0)))
            );
        }
    }

    #[test]
    fn a_length_beyond_the_packet_is_not_believed() {
        assert_eq!(decoded(17, &[&u32::MAX.to_be_bytes(), b"abc"]), None);
        assert_eq!(decoded(17, &[&4u32.to_be_bytes(), b"abc"]), None);
    }

    #[test]
    fn packets_come_out_whole_in_order_however_they_arrive() {
        let first = string(&packet(17, 1, &[&string(b"/")]));
        let second = string(&packet(16, 2, &[&string(b".")]));
        let stream = [first, second].concat();
        for step in 1..stream.len() {
            let mut inbox = BytesMut::new();
            let mut taken = Vec::new();
            for part in stream.chunks(step) {
                inbox.extend_from_slice(part);
                while let Some(packet) = take_packet(&mut inbox).unwrap() {
                    taken.push(decode(packet).unwrap());
                }
            }
            assert!(inbox.is_empty());
            assert!(matches!(
                taken.as_slice(),
                [
                    Message::Request {
                        id: 1,
                        request: Some(Request::Stat(_))
                    },
                    Message::Request {
                        id: 2,
                        request: Some(Request::RealPath(_))
                    }
                ]
            ));
        }
    }

    #[test]
    fn over_long_and_empty_packets_break_the_channel() {
        let mut inbox = BytesMut::from(&(PACKET_LIMIT_BYTES + 1).to_be_bytes()[..]);
        assert_eq!(take_packet(&mut inbox), Err(Broken::TooLong));
        assert_eq!(decode(Bytes::new()), Err(Broken::TooShort));
        assert_eq!(
            decode(Bytes::from_static(&[17, 0, 0, 0])),
            Err(Broken::TooShort)
        );
        assert_eq!(
            decode(Bytes::from_static(&[1, 0, 0, 0, 3])),
            Ok(Message::Init)
        );
    }

    #[test]
    fn the_longest_announced_write_fits_into_the_longest_packet() {
        let overhead = 1 + 4 + (4 + 4) + 8 + 4;
        assert!(DATA_LIMIT_BYTES + overhead <= PACKET_LIMIT_BYTES);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in any::<u8>(), step in 1usize..50) {
            let mut body = vec![kind];
            body.extend_from_slice(&bytes);
            drop(decode(body.into()));
            let mut inbox = BytesMut::new();
            for part in bytes.chunks(step) {
                inbox.extend_from_slice(part);
                while let Ok(Some(packet)) = take_packet(&mut inbox) {
                    prop_assert!(packet.len() <= 256 * 1024);
                    drop(decode(packet));
                }
            }
        }

        #[test]
        fn no_truncation_panics(cut in 0usize..60, kind in 0u8..21, extended in any::<bool>()) {
            let kind = if extended { 200 } else { kind };
            let name = if extended { string(b"posix-rename@openssh.com") } else { string(b"/data/a") };
            let whole = packet(kind, 1, &[&name, &string(b"b"), &[0xff; 40]]);
            drop(decode(whole.slice(..cut.min(whole.len()))));
        }
    }
}
