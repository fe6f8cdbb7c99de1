//! Pure. Texts of a workbook: references, the escapes of OOXML, and rich text down to what can be read.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::borrow::Cow;
use std::io::Read;

use memchr::{memchr, memmem};

use crate::parse::finding::Finding;
use crate::parse::read::table::Stop;
use crate::parse::read::workbook::fault::damaged;
use crate::parse::read::workbook::xlsx::scan::{Scan, Token};

/// Adds `raw` with its references resolved. There are five names in XML, and no other can be defined here.
pub(super) fn resolve(raw: &[u8], into: &mut Vec<u8>) -> Result<(), Finding> {
    let mut rest = raw;
    while let Some(at) = memchr(b'&', rest) {
        let (before, reference) = rest.split_at_checked(at).ok_or_else(damaged)?;
        into.extend_from_slice(before);
        let end = memchr(b';', reference).ok_or_else(damaged)?;
        let name = reference.get(1..end).ok_or_else(damaged)?;
        let c = match name {
            b"amp" => '&',
            b"lt" => '<',
            b"gt" => '>',
            b"quot" => '"',
            b"apos" => '\'',
            _ => numbered(name).ok_or_else(damaged)?,
        };
        into.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        rest = reference.get(end + 1..).unwrap_or_default();
    }
    into.extend_from_slice(rest);
    Ok(())
}

fn numbered(name: &[u8]) -> Option<char> {
    let name = std::str::from_utf8(name).ok()?.strip_prefix('#')?;
    let number = match name.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => name.parse(),
    };
    char::from_u32(number.ok()?)
}

/// The value of an attribute as text.
pub(super) fn attribute(raw: &[u8]) -> Result<String, Finding> {
    let mut bytes = Vec::with_capacity(raw.len());
    resolve(raw, &mut bytes)?;
    let text = String::from_utf8(bytes).map_err(|_| damaged())?;
    Ok(match escaped(&text) {
        Some(meant) => meant,
        None => text,
    })
}

/// What is meant where a text has escapes such as `_x000D_`, which stand for what XML cannot hold; none if it has none.
pub(super) fn escaped(text: &str) -> Option<String> {
    let at = memchr(b'_', text.as_bytes())?;
    memmem::find(text.as_bytes().get(at..)?, b"_x")?;
    let mut meant = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.find("_x").and_then(|at| rest.split_at_checked(at)) {
        meant.push_str(before);
        let (c, behind) = match unit(from) {
            Some((high @ 0xd800..=0xdbff, behind)) => match unit(behind) {
                Some((low @ 0xdc00..=0xdfff, behind)) => {
                    let pair = char::decode_utf16([high, low]).next();
                    (pair.and_then(Result::ok), behind)
                }
                _ => (None, from),
            },
            Some((unit, behind)) => (char::from_u32(u32::from(unit)), behind),
            None => (None, from),
        };
        if let Some(c) = c {
            meant.push(c);
            rest = behind;
        } else {
            meant.push('_');
            rest = from.strip_prefix('_').unwrap_or_default();
        }
    }
    meant.push_str(rest);
    Some(meant)
}

/// The code unit of the escape that `text` begins with, and what follows.
fn unit(text: &str) -> Option<(u16, &str)> {
    let digits = text.strip_prefix("_x")?;
    let (digits, behind) = digits.split_at_checked(4)?;
    let behind = behind.strip_prefix('_')?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((u16::from_str_radix(digits, 16).ok()?, behind))
}

/// Reads the text of the element that was just opened, with whatever is in it; `most` bytes of it are kept.
pub(super) fn content<S: Read>(
    scan: &mut Scan<S>,
    into: &mut Vec<u8>,
    most: usize,
) -> Result<(), Stop> {
    let mut depth = 1_u64;
    while depth > 0 {
        match scan.next()? {
            Token::Text(raw) if into.len() <= most => resolve(raw, into)?,
            Token::Verbatim(text) if into.len() <= most => into.extend_from_slice(text),
            Token::Text(_) | Token::Verbatim(_) => {}
            Token::Open(tag) if tag.empty => {}
            Token::Open(_) => depth = depth.saturating_add(1),
            Token::Close(_) => depth = depth.saturating_sub(1),
            Token::End => return Err(damaged().into()),
        }
    }
    Ok(())
}

/// Reads rich text, whose element was just opened: all of its runs, and nothing of how the characters are pronounced.
pub(super) fn rich<S: Read>(
    scan: &mut Scan<S>,
    into: &mut Vec<u8>,
    most: usize,
) -> Result<(), Stop> {
    let mut depth = 1_u64;
    while depth > 0 {
        match scan.next()? {
            Token::Open(tag) if tag.empty => {}
            Token::Open(tag) => match tag.name {
                b"t" => {
                    // Blanks around a text are meant only where it says so; runs are joined as they stand.
                    let trimmed = depth == 1 && tag.attribute(b"space")? != Some(b"preserve");
                    let start = into.len();
                    content(scan, into, most)?;
                    if trimmed {
                        trim(into, start);
                    }
                }
                b"rPh" => scan.skip()?,
                _ => depth = depth.saturating_add(1),
            },
            Token::Close(_) => depth = depth.saturating_sub(1),
            Token::End => return Err(damaged().into()),
            Token::Text(_) | Token::Verbatim(_) => {}
        }
    }
    Ok(())
}

/// Takes blanks from both ends of what stands behind `start`.
fn trim(text: &mut Vec<u8>, start: usize) {
    let added = text.get(start..).unwrap_or_default();
    let end = start + added.trim_ascii_end().len();
    let blanks = added.len() - added.trim_ascii_start().len();
    text.truncate(end);
    text.drain(start..(start + blanks).min(end));
}

/// Bytes to keep of a text of which `most` are wanted: an escape takes seven for one.
pub(super) const fn room(most: usize) -> usize {
    most.saturating_mul(8).saturating_add(8)
}

/// The text in `bytes`, of which no more than `room` were to be kept, as it is meant.
pub(super) fn finished(bytes: &[u8], room: usize) -> Result<Cow<'_, str>, Finding> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // What is beyond the room may end within a character.
        Err(error) if bytes.len() > room && error.error_len().is_none() => bytes
            .get(..error.valid_up_to())
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default(),
        Err(_) => return Err(damaged()),
    };
    Ok(escaped(text).map_or(Cow::Borrowed(text), Cow::Owned))
}
