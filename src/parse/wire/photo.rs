//! Pure. What is said about photos: the parent sends one after the other, and the child answers each before it takes the next.
//!
//! A photo is the lengths of its name and of its bytes (`u32` each, little endian), the name and the bytes. An answer is the lengths of what was found
//! and of the conformed picture, what was found as JSON, and the picture. The parent takes an answer for hostile: a photo may have taken the child over.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::parse::finding::{Finding, code};
use crate::parse::photo::{
    Examined, MOST_BYTES, Photo, PhotoFormat, WANTED_HEIGHT, WANTED_WIDTH, Wish, identify,
};
use crate::parse::wire::WireError;

/// Of the name, as file systems have it.
const NAME_BYTES: usize = 255;
/// There are ten things to say about a photo, a sentence or two each.
const FINDINGS: usize = 16;
const TEXT_BYTES: usize = 1000;
const FOUND_BYTES: usize = 64 * 1024;
/// A JPEG of 100 x 128 pixels has never more.
const CONFORMED_BYTES: usize = 256 * 1024;

/// The lengths that come first, of whatever.
pub const HEAD_BYTES: usize = 8;

/// What was found, without the conformed picture.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    photo: Option<Photo>,
    findings: Vec<Finding>,
}

/// What stands before a photo. None if it is too large to be sent.
pub fn photo_head(name: &str, bytes: &[u8]) -> Option<[u8; HEAD_BYTES]> {
    (name.len() <= NAME_BYTES && bytes.len() <= MOST_BYTES).then_some(())?;
    head(name.len(), bytes.len())
}

/// In the child: the next photo, or none when there is no more.
pub fn read_photo(from: &mut impl Read) -> io::Result<Option<(String, Vec<u8>)>> {
    let mut first = [0; HEAD_BYTES];
    let mut got = 0;
    while let Some(rest) = first.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => got += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let (name, bytes) = lengths(first);
    if name > NAME_BYTES || bytes > MOST_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; name];
    from.read_exact(&mut text)?;
    let mut photo = vec![0; bytes];
    from.read_exact(&mut photo)?;
    let name = String::from_utf8(text).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Some((name, photo)))
}

/// In the child: says what a photo came to.
pub fn write_answer(to: &mut impl Write, examined: Examined) -> io::Result<()> {
    let conformed = examined.conformed.unwrap_or_default();
    let found = serde_json::to_vec(&Found {
        photo: examined.photo,
        findings: examined.findings,
    })?;
    let head = head(found.len(), conformed.len()).ok_or(io::ErrorKind::InvalidData)?;
    to.write_all(&head)?;
    to.write_all(&found)?;
    to.write_all(&conformed)?;
    to.flush()
}

/// In the parent: how many bytes of findings and of a picture follow this head.
pub fn answer_lengths(head: [u8; HEAD_BYTES]) -> Result<(usize, usize), WireError> {
    let (found, conformed) = lengths(head);
    if found > FOUND_BYTES {
        return Err(WireError::Garbage("a photo's findings that have no end"));
    }
    if conformed > CONFORMED_BYTES {
        return Err(WireError::Garbage("a conformed photo that is too large"));
    }
    Ok((found, conformed))
}

/// In the parent: an answer that could be an honest child's, or garbage.
pub fn answer(found: &[u8], conformed: Vec<u8>, wish: Wish) -> Result<Examined, WireError> {
    let Found { photo, findings } = serde_json::from_slice(found)
        .map_err(|_| WireError::Garbage("a photo's findings that are none"))?;
    let is_honest = |finding: &Finding| {
        let texts = [&finding.message, &finding.remedy];
        code::is_known(&finding.code)
            && finding.row.is_none()
            && finding.column.is_none()
            && texts.iter().all(|it| it.len() <= TEXT_BYTES)
    };
    if findings.len() > FINDINGS || !findings.iter().all(is_honest) {
        return Err(WireError::Garbage("findings that no photo has"));
    }
    let conformed = Some(conformed).filter(|it| !it.is_empty());
    let wanted = Photo {
        format: PhotoFormat::Jpeg,
        width: WANTED_WIDTH,
        height: WANTED_HEIGHT,
    };
    let is_as_wished = |it: &Vec<u8>| wish == Wish::Conform && identify(it) == Some(wanted);
    if !conformed.as_ref().is_none_or(is_as_wished) {
        return Err(WireError::Garbage("a conformed photo that is none"));
    }
    Ok(Examined {
        photo,
        findings,
        conformed,
    })
}

/// Two numbers of 32 bits, the first one first.
fn head(first: usize, second: usize) -> Option<[u8; HEAD_BYTES]> {
    let (first, second) = (u32::try_from(first).ok()?, u32::try_from(second).ok()?);
    Some((u64::from(first) | u64::from(second) << 32).to_le_bytes())
}

fn lengths(head: [u8; HEAD_BYTES]) -> (usize, usize) {
    let both = u64::from_le_bytes(head);
    let length = |length| usize::try_from(length).unwrap_or(usize::MAX);
    (length(both & u64::from(u32::MAX)), length(both >> 32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::photo::examine;

    fn answered(examined: Examined, wish: Wish) -> Result<Examined, WireError> {
        let mut pipe = Vec::new();
        write_answer(&mut pipe, examined).unwrap();
        let (head, rest) = pipe.split_first_chunk().unwrap();
        let (found, conformed) = answer_lengths(*head)?;
        assert_eq!(rest.len(), found + conformed);
        let (found, conformed) = rest.split_at(found);
        answer(found, conformed.to_vec(), wish)
    }

    fn refusal() -> Examined {
        examine("E1.jpg", b"abc", Wish::Tell)
    }

    #[test]
    fn photos_come_over_one_after_the_other_until_there_is_no_more() {
        let mut pipe = Vec::new();
        for (name, bytes) in [("a.jpg", &b"abc"[..]), ("", b"")] {
            pipe.extend(photo_head(name, bytes).unwrap());
            pipe.extend(name.as_bytes());
            pipe.extend(bytes);
        }
        let mut from = pipe.as_slice();
        let mut next = || read_photo(&mut from).unwrap();
        assert_eq!(next(), Some(("a.jpg".to_owned(), b"abc".to_vec())));
        assert_eq!(next(), Some((String::new(), Vec::new())));
        assert_eq!(next(), None);
        for length in 1..13 {
            let cut = pipe.get(..length).unwrap();
            read_photo(&mut &*cut).unwrap_err();
        }
    }

    #[test]
    fn a_photo_beyond_the_limit_is_not_sent_and_not_taken() {
        assert_eq!(photo_head("a.jpg", &vec![0; MOST_BYTES + 1]), None);
        assert_eq!(photo_head(&"a".repeat(256), b""), None);
        let head = head(1, MOST_BYTES + 1).unwrap();
        read_photo(&mut &head[..]).unwrap_err();
    }

    #[test]
    fn an_answer_comes_over() {
        assert_eq!(answered(refusal(), Wish::Tell).unwrap(), refusal());
    }

    #[test]
    fn an_answer_that_no_honest_child_gives_is_garbage() {
        let finding = refusal().findings.remove(0);
        let with = |finding: Finding| Examined {
            findings: vec![finding],
            ..refusal()
        };
        let lies = [
            Examined {
                findings: vec![finding.clone(); 17],
                ..refusal()
            },
            with(Finding {
                code: "=cmd()".to_owned(),
                ..finding.clone()
            }),
            with(Finding {
                message: "x".repeat(1001),
                ..finding.clone()
            }),
            with(Finding {
                row: Some(3),
                ..finding
            }),
            Examined {
                conformed: Some(b"MZ".to_vec()),
                ..refusal()
            },
            Examined {
                conformed: Some(vec![0; CONFORMED_BYTES + 1]),
                ..refusal()
            },
        ];
        for lie in lies {
            let answered = answered(lie.clone(), Wish::Conform);
            assert!(
                matches!(answered, Err(WireError::Garbage(_))),
                "{lie:?}: {answered:?}"
            );
        }
        answer(b"{}", Vec::new(), Wish::Tell).unwrap_err();
        answer_lengths(head(FOUND_BYTES + 1, 0).unwrap()).unwrap_err();
    }
}
