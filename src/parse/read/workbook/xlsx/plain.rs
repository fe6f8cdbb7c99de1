//! Pure. The plain cell, as programs write nearly all of theirs: `<c r="B7" s="3" t="s"><v>12</v></c>`, taken in one stride from what is unpacked already.
//!
//! It may say no to anything, and then the cell is read tag by tag, which comes to the same; a property of the tests holds that.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use memchr::memchr;

use crate::parse::read::workbook::xlsx::sheet::{Kind, digits};

/// A cell with a place of its own and a value that is meant as it stands, or without one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain<'a> {
    pub(super) reference: &'a [u8],
    pub(super) style: usize,
    pub(super) kind: Kind,
    /// Neither empty nor with a reference such as `&amp;` in it; none if the cell has no value.
    pub(super) raw: Option<&'a [u8]>,
    /// How many bytes the cell has.
    pub(super) bytes: usize,
}

impl<'a> Plain<'a> {
    /// The cell that `xml` begins with.
    pub(super) fn first(xml: &'a [u8]) -> Option<Self> {
        let (reference, rest) = quoted(xml.strip_prefix(b"<c r=\"")?)?;
        let (style, rest) = match rest.strip_prefix(b" s=\"") {
            Some(rest) => {
                let (style, rest) = quoted(rest)?;
                (digits(style)?, rest)
            }
            None => (0, rest),
        };
        let (kind, rest) = match rest.strip_prefix(b" t=\"") {
            Some(rest) => {
                let (kind, rest) = quoted(rest)?;
                (Kind::named(kind)?, rest)
            }
            None => (Kind::Number, rest),
        };
        let (raw, rest) = match rest {
            [b'/', b'>', rest @ ..] => (None, rest),
            [b'>', rest @ ..] if kind == Kind::Inline => {
                let rest = rest.strip_prefix(b"<is><t>")?;
                let (text, rest) = rest.split_at_checked(memchr(b'<', rest)?)?;
                let is_meant = memchr(b'&', text).is_none();
                let text = Some(text.trim_ascii()).filter(|text| is_meant && !text.is_empty());
                (Some(text?), rest.strip_prefix(b"</t></is></c>")?)
            }
            [b'>', b'<', b'v', b'>', rest @ ..] => {
                let end = rest
                    .iter()
                    .take(VALUE_BYTES)
                    .position(|byte| matches!(byte, b'<' | b'&'))?;
                let (text, rest) = rest.split_at_checked(end)?;
                let text = Some(text).filter(|text| !text.is_empty());
                (Some(text?), rest.strip_prefix(b"</v></c>")?)
            }
            _ => return None,
        };
        Some(Self {
            reference,
            style,
            kind,
            raw,
            bytes: xml.len() - rest.len(),
        })
    }
}

/// No number is longer, and texts that formulas have come to may be read the other way.
const VALUE_BYTES: usize = 64;
/// The longest attribute of a cell is a reference of ten bytes.
const ATTRIBUTE_BYTES: usize = 12;

/// What stands before the next quotation mark, and what behind it.
fn quoted(xml: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = xml
        .iter()
        .take(ATTRIBUTE_BYTES)
        .position(|byte| *byte == b'"')?;
    let (value, rest) = xml.split_at_checked(end)?;
    Some((value, rest.get(1..)?))
}
