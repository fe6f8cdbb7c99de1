//! Pure. XML to tags and texts, in pieces as they are unpacked: as much of the language as workbooks use, at the speed at which bytes can be searched.
//!
//! Prefixes of names are left out, because the names within a part are enough to tell what is what. Comments and processing instructions are
//! skipped. A document type is refused: no program writes one, and what it could define has only ever been used for harm.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::Read;
use std::ops::Range;

use encoding_rs::{Decoder, UTF_16BE, UTF_16LE};
use memchr::{memchr, memmem, memrchr};

use crate::parse::finding::Finding;
use crate::parse::read::table::Stop;
use crate::parse::read::workbook::caps::TAG_BYTES;
use crate::parse::read::workbook::fault::{damaged, strange};
use crate::parse::read::workbook::xlsx::archive::read_fault;

const CHUNK_BYTES: usize = 64 * 1024;
/// The longest character reference that is kept in one piece.
const REFERENCE_BYTES: usize = 16;

/// A part of a workbook that is being read.
pub(super) struct Scan<S> {
    source: S,
    buffer: Vec<u8>,
    /// Where in `buffer` the next token begins.
    at: usize,
    state: State,
    /// Whether a CDATA section is open at `at`.
    in_cdata: bool,
    /// Elements that are open at `at`.
    depth: u64,
}

enum State {
    /// Nothing was read.
    New,
    Utf8,
    /// The source is UTF-16; the bytes are those that were read and not yet decoded.
    Utf16(Decoder, Vec<u8>),
    /// The source has ended.
    Ended,
}

/// A piece of XML. Names are without prefixes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open(Tag<'a>),
    Close(&'a [u8]),
    /// Text with its references, or a piece of a long one that does not end within a reference.
    Text(&'a [u8]),
    /// Text that is meant as it stands.
    Verbatim(&'a [u8]),
    End,
}

/// A tag that opens an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    pub(super) name: &'a [u8],
    /// Whether it closes the element too.
    pub(super) empty: bool,
    attributes: &'a [u8],
}

/// A token as places in the buffer.
enum Piece {
    Open {
        name: Range<usize>,
        attributes: Range<usize>,
        empty: bool,
    },
    Close(Range<usize>),
    Text(Range<usize>),
    Verbatim(Range<usize>),
    End,
}

impl<S: Read> Scan<S> {
    pub(super) fn new(source: S) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            at: 0,
            state: State::New,
            in_cdata: false,
            depth: 0,
        }
    }

    /// The next token. What it borrows is gone with the one after.
    pub(super) fn next(&mut self) -> Result<Token<'_>, Stop> {
        let piece = self.step()?;
        let slice = |range: Range<usize>| self.buffer.get(range).unwrap_or_default();
        Ok(match piece {
            Piece::Open {
                name,
                attributes,
                empty,
            } => Token::Open(Tag {
                name: local(slice(name)),
                attributes: slice(attributes),
                empty,
            }),
            Piece::Close(name) => Token::Close(local(slice(name))),
            Piece::Text(text) => Token::Text(slice(text)),
            Piece::Verbatim(text) => Token::Verbatim(slice(text)),
            Piece::End => Token::End,
        })
    }

    /// Leaves an element behind whose tag opened it, or not if it was empty.
    pub(super) fn leave(&mut self, is_empty: bool) -> Result<(), Stop> {
        if is_empty { Ok(()) } else { self.skip() }
    }

    /// Leaves the element that was just opened, whatever it holds.
    pub(super) fn skip(&mut self) -> Result<(), Stop> {
        let mut depth = 1_u64;
        while depth > 0 {
            match self.next()? {
                Token::Open(tag) if !tag.empty => depth = depth.saturating_add(1),
                Token::Close(_) => depth = depth.saturating_sub(1),
                Token::End => return Err(damaged().into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads on to the end, where the archive compares the checksum.
    pub(super) fn finish(mut self) -> Result<(), Stop> {
        loop {
            self.at = self.buffer.len();
            if !self.refill()? {
                return Ok(());
            }
        }
    }

    /// What was unpacked and not taken yet, where elements may begin.
    pub(super) fn ahead(&self) -> &[u8] {
        if self.in_cdata {
            return &[];
        }
        self.buffer.get(self.at..).unwrap_or_default()
    }

    /// Takes this many bytes of it, which are whole elements.
    pub(super) fn pass_over(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Takes a text without references between `before` and `after`, if exactly that comes next: what most cells are, in one stride.
    pub(super) fn take_plain(&mut self, before: &[u8], after: &[u8], into: &mut Vec<u8>) -> bool {
        if self.in_cdata {
            return false;
        }
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        let Some(rest) = rest.strip_prefix(before) else {
            return false;
        };
        let Some(end) = memchr(b'<', rest) else {
            return false;
        };
        let Some((text, behind)) = rest.split_at_checked(end) else {
            return false;
        };
        if !behind.starts_with(after) || text.contains(&b'&') {
            return false;
        }
        let tags = |text: &[u8]| {
            text.iter()
                .map(|byte| u64::from(*byte == b'<'))
                .sum::<u64>()
        };
        let Some(depth) = (self.depth + tags(before)).checked_sub(tags(after)) else {
            return false;
        };
        self.depth = depth;
        into.extend_from_slice(text);
        self.at += before.len() + end + after.len();
        true
    }

    fn step(&mut self) -> Result<Piece, Stop> {
        loop {
            if self.in_cdata {
                return self.verbatim();
            }
            if self.at >= self.buffer.len() && !self.refill()? {
                // XML that breaks off may have lost rows.
                return match self.depth {
                    0 => Ok(Piece::End),
                    _ => Err(damaged().into()),
                };
            }
            if self.buffer.get(self.at) != Some(&b'<') {
                return self.text();
            }
            if self.at + 1 >= self.buffer.len() {
                self.more()?;
            }
            match self.buffer.get(self.at + 1) {
                Some(b'/') => {
                    let end = self.close_end()?;
                    let name = self.at + 2..end;
                    self.at = end + 1;
                    self.depth = self.depth.checked_sub(1).ok_or_else(damaged)?;
                    return Ok(Piece::Close(name));
                }
                Some(b'?') => self.pass(2, b"?>")?,
                Some(b'!') => self.declaration()?,
                _ => return self.open(),
            }
        }
    }

    fn open(&mut self) -> Result<Piece, Stop> {
        let end = self.tag_end()?;
        let start = self.at + 1;
        let tag = self.buffer.get(start..end).unwrap_or_default();
        let (tag, empty) = match tag.strip_suffix(b"/") {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let name = tag
            .iter()
            .position(u8::is_ascii_whitespace)
            .unwrap_or(tag.len());
        self.at = end + 1;
        self.depth += u64::from(!empty);
        Ok(Piece::Open {
            name: start..start + name,
            attributes: start + name..start + tag.len(),
            empty,
        })
    }

    /// Where the `>` stands that ends the tag: the first one that is not within quotes.
    fn tag_end(&mut self) -> Result<usize, Stop> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let found = memchr(b'>', rest).and_then(|end| {
                let tag = rest.get(..end).unwrap_or_default();
                let (mut double, mut single) = (0_usize, 0_usize);
                for byte in tag {
                    double += usize::from(*byte == b'"');
                    single += usize::from(*byte == b'\'');
                }
                if double % 2 == 0 && single == 0 {
                    Some(end)
                } else {
                    unquoted_end(rest)
                }
            });
            if found.unwrap_or(rest.len()) > TAG_BYTES {
                return Err(long_tag().into());
            }
            if let Some(end) = found {
                return Ok(self.at + end);
            }
            self.more()?;
        }
    }

    fn text(&mut self) -> Result<Piece, Stop> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let cut = match memchr(b'<', rest) {
                Some(end) => end,
                None if rest.len() < CHUNK_BYTES && self.refill()? => continue,
                None => {
                    let rest = self.buffer.get(self.at..).unwrap_or_default();
                    match memrchr(b'&', rest) {
                        Some(at) if at > 0 && rest.len() - at < REFERENCE_BYTES => at,
                        _ => rest.len(),
                    }
                }
            };
            let text = self.at..self.at + cut;
            self.at += cut;
            return Ok(Piece::Text(text));
        }
    }

    fn verbatim(&mut self) -> Result<Piece, Stop> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            if let Some(end) = memmem::find(rest, b"]]>") {
                let text = self.at..self.at + end;
                self.at += end + 3;
                self.in_cdata = false;
                return Ok(Piece::Verbatim(text));
            }
            if rest.len() >= CHUNK_BYTES {
                // The last two bytes may be the beginning of the end.
                let end = self.buffer.len() - 2;
                let text = self.at..end;
                self.at = end;
                return Ok(Piece::Verbatim(text));
            }
            self.more()?;
        }
    }

    fn declaration(&mut self) -> Result<(), Stop> {
        const CDATA: &[u8] = b"<![CDATA[";
        while self.buffer.len() - self.at < CDATA.len() && self.refill()? {}
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        if rest.starts_with(b"<!--") {
            return self.pass(4, b"-->");
        }
        if rest.starts_with(CDATA) {
            self.at += CDATA.len();
            self.in_cdata = true;
            return Ok(());
        }
        Err(strange("it has a document type definition").into())
    }

    /// Where the `>` stands that ends the closing tag.
    fn close_end(&mut self) -> Result<usize, Stop> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            if let Some(end) = memchr(b'>', rest) {
                return Ok(self.at + end);
            }
            if rest.len() > TAG_BYTES {
                return Err(long_tag().into());
            }
            self.more()?;
        }
    }

    /// Passes over everything up to `end`, however long it is.
    fn pass(&mut self, from: usize, end: &[u8]) -> Result<(), Stop> {
        self.at += from;
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            if let Some(found) = memmem::find(rest, end) {
                self.at += found + end.len();
                return Ok(());
            }
            self.at += rest.len().saturating_sub(end.len() - 1);
            self.more()?;
        }
    }

    /// Reads on where the part must not have ended.
    fn more(&mut self) -> Result<(), Stop> {
        if self.refill()? {
            Ok(())
        } else {
            Err(damaged().into())
        }
    }

    /// Reads a chunk behind what is left of the buffer, and tells whether there was any.
    fn refill(&mut self) -> Result<bool, Stop> {
        self.buffer.drain(..self.at.min(self.buffer.len()));
        self.at = 0;
        if matches!(self.state, State::New) {
            self.begin()?;
            if !self.buffer.is_empty() {
                return Ok(true);
            }
        }
        let before = self.buffer.len();
        // Bytes may come that are not yet a character.
        while self.buffer.len() == before && !matches!(self.state, State::Ended) {
            self.read()?;
        }
        Ok(self.buffer.len() > before)
    }

    /// Reads once.
    fn read(&mut self) -> Result<(), Stop> {
        let mut source = self
            .source
            .by_ref()
            .take(u64::try_from(CHUNK_BYTES).unwrap_or(u64::MAX));
        match &mut self.state {
            State::Utf16(decoder, bytes) => {
                bytes.clear();
                let read = source.read_to_end(bytes).map_err(read_fault)?;
                decode(decoder, bytes, read == 0, &mut self.buffer)?;
                if read == 0 {
                    self.state = State::Ended;
                }
            }
            State::New | State::Utf8 => {
                if source.read_to_end(&mut self.buffer).map_err(read_fault)? == 0 {
                    self.state = State::Ended;
                }
            }
            State::Ended => {}
        }
        Ok(())
    }

    /// Reads the first chunk, and finds out the encoding: a part may be UTF-16 as well.
    fn begin(&mut self) -> Result<(), Stop> {
        self.state = State::Utf8;
        self.read()?;
        let wide = match self.buffer.as_slice() {
            [0xff, 0xfe, ..] | [b'<', 0, ..] => UTF_16LE,
            [0xfe, 0xff, ..] | [0, b'<', ..] => UTF_16BE,
            [0xef, 0xbb, 0xbf, ..] => {
                self.at = 3;
                return Ok(());
            }
            _ => return Ok(()),
        };
        let mut decoder = wide.new_decoder_with_bom_removal();
        let bytes = std::mem::take(&mut self.buffer);
        decode(&mut decoder, &bytes, false, &mut self.buffer)?;
        self.state = State::Utf16(decoder, bytes);
        Ok(())
    }
}

fn decode(
    decoder: &mut Decoder,
    bytes: &[u8],
    last: bool,
    into: &mut Vec<u8>,
) -> Result<(), Finding> {
    let length = decoder
        .max_utf8_buffer_length(bytes.len())
        .ok_or_else(damaged)?;
    let mut text = String::with_capacity(length);
    let (_, _, had_errors) = decoder.decode_to_string(bytes, &mut text, last);
    if had_errors {
        return Err(damaged());
    }
    into.extend_from_slice(text.as_bytes());
    Ok(())
}

/// The end of a tag some of whose quotes hold a `>`, byte by byte.
fn unquoted_end(tag: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.iter().enumerate() {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'>') => return Some(at),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    None
}

fn long_tag() -> Finding {
    strange("one of its tags has more than 64 KB")
}

/// Without the prefix, and without blanks behind.
fn local(name: &[u8]) -> &[u8] {
    if let [_] = name {
        return name;
    }
    let name = name.trim_ascii_end();
    match name.iter().rposition(|byte| *byte == b':') {
        Some(at) => name.get(at + 1..).unwrap_or_default(),
        None => name,
    }
}

impl<'a> Tag<'a> {
    /// Its attributes, with prefixes and with references in the values.
    pub(super) fn attributes(&self) -> Attributes<'a> {
        Attributes {
            rest: self.attributes,
        }
    }

    /// The value of the attribute of this local name.
    pub(super) fn attribute(&self, wanted: &[u8]) -> Result<Option<&'a [u8]>, Finding> {
        let mut attributes = self.attributes();
        while let Some((name, value)) = attributes.next()? {
            if local(name) == wanted {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

/// The name of an attribute and its value.
type Attribute<'a> = (&'a [u8], &'a [u8]);

/// Attributes of a tag.
pub(super) struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// The next one: name and value. What is none is damage: a position that was overlooked would move what follows.
    pub(super) fn next(&mut self) -> Result<Option<Attribute<'a>>, Finding> {
        let rest = self.rest.trim_ascii_start();
        if rest.is_empty() {
            return Ok(None);
        }
        // Names and values have a few bytes: to look at each is faster than to search.
        let place = |text: &[u8], wanted: u8| text.iter().position(|byte| *byte == wanted);
        let (name, value) = place(rest, b'=')
            .and_then(|at| rest.split_at_checked(at))
            .ok_or_else(damaged)?;
        let value = value.get(1..).unwrap_or_default().trim_ascii_start();
        let (quote, value) = value
            .split_first()
            .filter(|(quote, _)| matches!(quote, b'"' | b'\''))
            .ok_or_else(damaged)?;
        let end = place(value, *quote).ok_or_else(damaged)?;
        let (value, rest) = value.split_at_checked(end).ok_or_else(damaged)?;
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(Some((name.trim_ascii_end(), value)))
    }
}
