//! Pure. Whether bytes begin a message of PGP (RFC 9580, and 4880 before it). A text in an old encoding can begin with the same byte as a packet,
//! so the packet must make sense, and the next one too.

/// Bytes of a file that are looked at.
pub(in crate::parse::read) const BEGIN_BYTES: u64 = 1024;

const ARMOUR: &[u8] = b"-----BEGIN PGP ";
const PKESK: u8 = 1;
const SIGNATURE: u8 = 2;
const SKESK: u8 = 3;
const ONE_PASS: u8 = 4;
const COMPRESSED: u8 = 8;
const SED: u8 = 9;
const MARKER: u8 = 10;
const SEIPD: u8 = 18;
const GNUPG_AEAD: u8 = 20;

/// The header of a packet, and what is known of what follows.
struct Packet<'a> {
    tag: u8,
    /// As far as it is there.
    body: &'a [u8],
    /// What comes behind it, if that is there.
    rest: Option<&'a [u8]>,
}

/// Whether a file that begins with `bytes` is a message, armoured or not.
pub(in crate::parse::read) fn is_message(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if text.trim_ascii_start().starts_with(ARMOUR) {
        return true;
    }
    let Some(first) = packet(bytes) else {
        return false;
    };
    let makes_sense = match (first.tag, first.body) {
        // The version, and for the usual one an algorithm.
        (PKESK, [3, _, _, _, _, _, _, _, _, algorithm, ..]) => {
            matches!(algorithm, 1..=3 | 16 | 18..=26)
        }
        (PKESK, [6, ..]) | (SKESK, [4..=6, ..]) => true,
        (MARKER, body) => body == b"PGP",
        _ => false,
    };
    // Cut behind the first one, it is a message that lacks its end.
    let goes_on = first.rest.is_none_or(|rest| {
        rest.is_empty()
            || packet(rest).is_some_and(|next| {
                matches!(
                    next.tag,
                    PKESK | SIGNATURE | SKESK | ONE_PASS | COMPRESSED | SED | SEIPD | GNUPG_AEAD
                )
            })
    });
    makes_sense && goes_on
}

fn packet(bytes: &[u8]) -> Option<Packet<'_>> {
    let (&first, after) = bytes.split_first()?;
    if first & 0x80 == 0 {
        return None;
    }
    let (tag, length, body) = if first & 0x40 == 0 {
        let (length, body) = match (first & 3, after) {
            (0, [one, body @ ..]) => (Some(u32::from(*one)), body),
            (1, [a, b, body @ ..]) => (Some(u32::from_be_bytes([0, 0, *a, *b])), body),
            (2, [a, b, c, d, body @ ..]) => (Some(u32::from_be_bytes([*a, *b, *c, *d])), body),
            (3, body) => (None, body),
            _ => return None,
        };
        ((first >> 2) & 0x0F, length, body)
    } else {
        let (length, body) = match after {
            [one @ 0..=191, body @ ..] => (Some(u32::from(*one)), body),
            [a @ 192..=223, b, body @ ..] => (
                Some(((u32::from(*a) - 192) << 8) + u32::from(*b) + 192),
                body,
            ),
            [255, a, b, c, d, body @ ..] => (Some(u32::from_be_bytes([*a, *b, *c, *d])), body),
            // A part of unknown length: only of data, which is never first here.
            [224..=254, body @ ..] => (None, body),
            _ => return None,
        };
        (first & 0x3F, length, body)
    };
    let split = length
        .and_then(|length| usize::try_from(length).ok())
        .and_then(|length| body.split_at_checked(length));
    Some(match split {
        Some((body, rest)) => Packet {
            tag,
            body,
            rest: Some(rest),
        },
        None => Packet {
            tag,
            body,
            rest: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_no_messages_even_if_they_begin_with_the_byte_of_a_packet() {
        for text in [
            &b""[..],
            b"employee_id,name\n1,Ada\n",
            // Windows-1252: a capital A with an acute accent, and one with a grave.
            b"\xC1gnes;Name;Ort\n1;Ada;Ulm\n",
            b"\xC0 la carte;Name\n",
            b"\x84Name\x93;Ort\r\n1;2\r\n",
            b"\xFF\xFEe\0m\0p\0",
            b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
            b"PK\x03\x04",
            b"----- BEGIN",
        ] {
            assert!(!is_message(text), "{text:?}");
        }
    }

    #[test]
    fn armour_is_seen_behind_a_mark_and_blank_lines() {
        assert!(is_message(b"-----BEGIN PGP MESSAGE-----\n\n"));
        assert!(is_message(b"\xEF\xBB\xBF\r\n-----BEGIN PGP MESSAGE-----\n"));
    }
}
