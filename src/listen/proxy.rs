//! Pure. The PROXY protocol, versions 1 and 2: what a balancer says before a client's first byte. Bytes come in; how many more belong to the header, or
//! whose connection it is, comes out.
//!
//! The bytes behind a header are the client's and must not be read with it: a decoder is given what has come and says how many more bytes are surely the
//! header's, and no more than that are read. A header that cannot become a good one is refused at the first byte that shows it.

#![warn(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A line of version 1 with its end.
const LINE_LIMIT_BYTES: usize = 107;
/// Addresses and extensions of version 2. More than anybody sends, and no more than a stranger may have us keep.
const PAYLOAD_LIMIT_BYTES: usize = 4096;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const WORD: &[u8; 6] = b"PROXY ";
/// The shortest line, `PROXY UNKNOWN` with its end.
const SHORTEST_LINE_BYTES: usize = 15;
/// Version 2 before its payload.
const FIXED_BYTES: usize = 16;

/// What has come so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// At least so many more bytes belong to the header.
    More(usize),
    /// All of it has come.
    Whole(Origin),
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Client(IpAddr),
    /// The balancer's own, to see whether we are well, or one whose client it does not know.
    Balancer,
}

/// Why the bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoHeader {
    #[error("it does not begin with a PROXY header")]
    Other,
    #[error("its PROXY header is broken")]
    Broken,
    #[error("its PROXY header is too long")]
    TooLong,
}

/// Looks at the first bytes of a connection.
pub fn decode(bytes: &[u8]) -> Result<Progress, NoHeader> {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(one, other)| one == other);
    if begins(WORD) {
        line(bytes)
    } else if begins(SIGNATURE) {
        binary(bytes)
    } else {
        Err(NoHeader::Other)
    }
}

fn line(bytes: &[u8]) -> Result<Progress, NoHeader> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        if bytes.len() >= LINE_LIMIT_BYTES {
            return Err(NoHeader::TooLong);
        }
        let shortest = SHORTEST_LINE_BYTES.saturating_sub(bytes.len());
        return Ok(Progress::More(shortest.max(1)));
    };
    if end + 1 != bytes.len() {
        return Err(NoHeader::Broken);
    }
    let text = bytes.strip_suffix(b"\r\n").ok_or(NoHeader::Broken)?;
    let text = str::from_utf8(text).map_err(|_| NoHeader::Broken)?;
    let mut words = text.split(' ');
    let family = words.nth(1).ok_or(NoHeader::Broken)?;
    if family == "UNKNOWN" {
        // Whatever else it says is to be ignored.
        return Ok(Progress::Whole(Origin::Balancer));
    }
    let [client, server] = [words.next(), words.next()].map(Option::unwrap_or_default);
    let ports = [words.next(), words.next()].map(Option::unwrap_or_default);
    let addresses: [IpAddr; 2] = match family {
        "TCP4" => [
            parse::<Ipv4Addr>(client)?.into(),
            parse::<Ipv4Addr>(server)?.into(),
        ],
        "TCP6" => [
            parse::<Ipv6Addr>(client)?.into(),
            parse::<Ipv6Addr>(server)?.into(),
        ],
        _ => return Err(NoHeader::Broken),
    };
    let is_port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits && (text == "0" || !text.starts_with('0')) && text.parse::<u16>().is_ok()
    };
    if words.next().is_some() || !ports.into_iter().all(is_port) {
        return Err(NoHeader::Broken);
    }
    let [client, _] = addresses;
    Ok(Progress::Whole(Origin::Client(client.to_canonical())))
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, NoHeader> {
    text.parse().map_err(|_| NoHeader::Broken)
}

fn binary(bytes: &[u8]) -> Result<Progress, NoHeader> {
    // Told as soon as it shows: the version, then the family.
    let is_client = match bytes.get(12) {
        None | Some(0x21) => true,
        Some(0x20) => false,
        Some(_) => return Err(NoHeader::Broken),
    };
    let family = match bytes.get(13) {
        None | Some(0x00 | 0x12 | 0x22 | 0x31 | 0x32) => Family::Other,
        Some(0x11) => Family::V4,
        Some(0x21) => Family::V6,
        Some(_) => return Err(NoHeader::Broken),
    };
    let Some(length) = bytes.get(14..FIXED_BYTES) else {
        return Ok(Progress::More(FIXED_BYTES - bytes.len()));
    };
    let length = length
        .iter()
        .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let least = match family {
        _ if !is_client => 0,
        Family::V4 => 12,
        Family::V6 => 36,
        Family::Other => 0,
    };
    if length < least {
        return Err(NoHeader::Broken);
    }
    if length > PAYLOAD_LIMIT_BYTES {
        return Err(NoHeader::TooLong);
    }
    let payload = bytes.get(FIXED_BYTES..).unwrap_or_default();
    match length.checked_sub(payload.len()) {
        Some(0) => {}
        Some(more) => return Ok(Progress::More(more)),
        None => return Err(NoHeader::Broken),
    }
    if !is_client {
        return Ok(Progress::Whole(Origin::Balancer));
    }
    let client: Option<IpAddr> = match family {
        Family::V4 => payload.first_chunk::<4>().map(|it| (*it).into()),
        Family::V6 => payload.first_chunk::<16>().map(|it| (*it).into()),
        // Forwarded from a socket that has no address of a network: only the balancer's is known.
        Family::Other => None,
    };
    Ok(Progress::Whole(match client {
        Some(client) => Origin::Client(client.to_canonical()),
        None => Origin::Balancer,
    }))
}

#[derive(Debug, Clone, Copy)]
enum Family {
    V4,
    V6,
    /// Unspecified, datagrams, UNIX sockets.
    Other,
}

/// What holds for any first bytes of a connection: the decoder asks for no byte behind the header and for no more than a header has, and before its end it
/// has not said that it is whole.
#[cfg(any(test, fuzzing))]
#[expect(clippy::missing_panics_doc, reason = "a broken law panics")]
pub fn first_bytes(bytes: &[u8]) {
    let mut taken = 0;
    while let Some(so_far) = bytes.get(..taken) {
        match decode(so_far) {
            Ok(Progress::More(count)) => {
                assert!(count > 0, "it would wait for ever");
                taken += count;
                assert!(taken <= FIXED_BYTES + PAYLOAD_LIMIT_BYTES);
            }
            Ok(Progress::Whole(_)) => {
                for end in 0..taken {
                    let earlier = bytes.get(..end).map(decode);
                    assert!(
                        matches!(earlier, Some(Ok(Progress::More(_)))),
                        "whole at {end} of {taken}"
                    );
                }
                return;
            }
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Origin {
        Origin::Client(text.parse().unwrap())
    }

    fn binary_header(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family][..], &length, payload].concat()
    }

    fn v4(more: &[u8]) -> Vec<u8> {
        let payload = [
            &[192, 0, 2, 1, 198, 51, 100, 1, 0xd4, 0x31, 0, 21][..],
            more,
        ]
        .concat();
        binary_header(0x21, 0x11, &payload)
    }

    fn v6() -> Vec<u8> {
        let [one, other] = ["2001:db8::1", "2001:db8::2"].map(|it| it.parse::<Ipv6Addr>().unwrap());
        binary_header(
            0x21,
            0x21,
            &[&one.octets()[..], &other.octets(), &[1, 2, 3, 4]].concat(),
        )
    }

    /// Headers and what they say.
    fn good() -> Vec<(Vec<u8>, Origin)> {
        let line = |text: &str| text.as_bytes().to_vec();
        let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(LINE_LIMIT_BYTES - 16));
        assert_eq!(longest.len(), LINE_LIMIT_BYTES);
        vec![
            (
                line("PROXY TCP4 192.0.2.1 198.51.100.1 54321 21\r\n"),
                client("192.0.2.1"),
            ),
            (
                line("PROXY TCP6 2001:db8::1 ::1 65535 0\r\n"),
                client("2001:db8::1"),
            ),
            (
                line("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"),
                client("192.0.2.1"),
            ),
            (line("PROXY UNKNOWN\r\n"), Origin::Balancer),
            (
                line("PROXY UNKNOWN ffff::1 what ever\r\n"),
                Origin::Balancer,
            ),
            (line(&longest), Origin::Balancer),
            (v4(&[]), client("192.0.2.1")),
            // An extension, and then as many as there may be.
            (v4(&[0x02, 0, 3, b'a', b'.', b'b']), client("192.0.2.1")),
            (v4(&[0x04; PAYLOAD_LIMIT_BYTES - 12]), client("192.0.2.1")),
            (v6(), client("2001:db8::1")),
            (binary_header(0x20, 0x00, &[]), Origin::Balancer),
            (binary_header(0x20, 0x11, &[1; 12]), Origin::Balancer),
            (binary_header(0x21, 0x00, &[]), Origin::Balancer),
            (binary_header(0x21, 0x31, &[7; 216]), Origin::Balancer),
        ]
    }

    #[test]
    fn a_header_is_read_to_its_last_byte_and_no_further_however_it_comes() {
        for (header, says) in good() {
            // As many at a time as are asked for, and one by one.
            for most in [usize::MAX, 1] {
                let mut read = 0;
                let whole = loop {
                    match decode(&header[..read]) {
                        Ok(Progress::More(more)) => {
                            assert!(more > 0 && read + more <= header.len(), "{header:?}");
                            read += more.min(most);
                        }
                        Ok(Progress::Whole(whole)) => break whole,
                        Err(error) => panic!("{error}: {header:?} at {read}"),
                    }
                };
                assert_eq!((read, whole), (header.len(), says), "{header:?}");
            }
        }
    }

    #[test]
    fn what_is_not_to_the_letter_is_no_header() {
        let long = format!("PROXY UNKNOWN {}", "f".repeat(LINE_LIMIT_BYTES));
        let lines: &[(&str, NoHeader)] = &[
            ("USER hr\r\n", NoHeader::Other),
            ("SSH-2.0-x\r\n", NoHeader::Other),
            ("\u{16}\u{3}\u{1}", NoHeader::Other),
            ("proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n", NoHeader::Other),
            ("PROXY\r\n", NoHeader::Other),
            (
                "PROXY  TCP4 192.0.2.1 198.51.100.1 1 2\r\n",
                NoHeader::Broken,
            ),
            (
                "PROXY TCP4 192.0.2.1  198.51.100.1 1 2\r\n",
                NoHeader::Broken,
            ),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n", NoHeader::Broken),
            (
                "PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n",
                NoHeader::Broken,
            ),
            ("PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n", NoHeader::Broken),
            (
                "PROXY TCP4 192.0.2.1 198.51.100.1 1 65536\r\n",
                NoHeader::Broken,
            ),
            (
                "PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n",
                NoHeader::Broken,
            ),
            (
                "PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n",
                NoHeader::Broken,
            ),
            (
                "PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
                NoHeader::Broken,
            ),
            (
                "PROXY TCP4 192.0.02.1 198.51.100.1 1 2\r\n",
                NoHeader::Broken,
            ),
            ("PROXY TCP4 2001:db8::1 ::1 1 2\r\n", NoHeader::Broken),
            (
                "PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
                NoHeader::Broken,
            ),
            (
                "PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
                NoHeader::Broken,
            ),
            (
                "PROXY TCP4 192.0.2.1\0 198.51.100.1 1 2\r\n",
                NoHeader::Broken,
            ),
            ("PROXY UNKNOWN\r\nUSER", NoHeader::Broken),
            (&long, NoHeader::TooLong),
        ];
        for (line, why) in lines {
            assert_eq!(decode(line.as_bytes()), Err(*why), "{line:?}");
        }
        for (header, why) in [
            (binary_header(0x11, 0x11, &[0; 12]), NoHeader::Broken),
            (binary_header(0x22, 0x11, &[0; 12]), NoHeader::Broken),
            (binary_header(0x21, 0x41, &[0; 36]), NoHeader::Broken),
            (binary_header(0x21, 0x13, &[0; 12]), NoHeader::Broken),
            (binary_header(0x21, 0x11, &[0; 11]), NoHeader::Broken),
            (binary_header(0x21, 0x21, &[0; 12]), NoHeader::Broken),
            (
                binary_header(0x21, 0x11, &[0; PAYLOAD_LIMIT_BYTES + 1]),
                NoHeader::TooLong,
            ),
            ([&v4(&[])[..], b"USER"].concat(), NoHeader::Broken),
        ] {
            assert_eq!(decode(&header), Err(why), "{header:?}");
        }
    }

    proptest::proptest! {
        /// Whatever comes, a decoder that is asked as it wants to be asked comes to an end within the limit.
        #[test]
        fn nothing_makes_it_read_without_end(
            start in proptest::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 ", SIGNATURE, b"\r\n\r\n\0\r\nQUIT\n\x21\x11"]),
            rest in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
        ) {
            let bytes = [start, &rest].concat();
            let mut read = 0;
            while let Ok(Progress::More(more)) = decode(&bytes[..read]) {
                proptest::prop_assert!(more > 0 && read + more <= FIXED_BYTES + PAYLOAD_LIMIT_BYTES);
                if read + more > bytes.len() {
                    break;
                }
                read += more;
            }
        }
    }
}
