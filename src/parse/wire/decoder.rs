//! Pure. The parent's side of the wire, which takes every byte for hostile.

use std::io::{self, BufRead, Read as _};

use simdutf8::basic::from_utf8;

use crate::parse::finding::{Finding, Severity, code};
use crate::parse::layout::Layout;
use crate::parse::limits::ReadLimits;
use crate::parse::row::{CellKind, Header, RawRow, from_place};
use crate::parse::wire::{
    END, FINDING_BYTES, Frame, GAPS, HEADER, KINDS, LAYOUT, LAYOUT_BYTES, NOTE, NOTES, REFUSED,
    ROW, WIDE,
};

/// Why no further frame can be had.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The pipe failed, or ended within a frame or before the last one.
    #[error("the pipe from the reader failed")]
    Pipe(#[source] io::Error),
    /// The bytes are no frames, or frames that may not come here.
    #[error("the reader sent garbage: {0}")]
    Garbage(&'static str),
}

/// What came next.
#[derive(Debug)]
pub enum Decoded {
    /// A row, where it was wanted.
    Row,
    /// Anything else.
    Frame(Frame),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Layout,
    Header,
    Rows,
    Nothing,
}

/// Reads frames that may be hostile.
#[derive(Debug)]
pub struct Decoder<R> {
    input: R,
    payload: Vec<u8>,
    limits: ReadLimits,
    expected: Expected,
    rows: u64,
    /// None before the header, which has no row of its own where the columns were agreed.
    last_row: Option<u64>,
    notes: usize,
}

impl<R: BufRead> Decoder<R> {
    /// A decoder of `input`.
    pub fn new(input: R, limits: &ReadLimits) -> Self {
        Self {
            input,
            payload: Vec::new(),
            limits: *limits,
            expected: Expected::Layout,
            rows: 0,
            last_row: None,
            notes: 0,
        }
    }

    /// The next frame; none after the last one.
    pub fn decode(&mut self) -> Result<Option<Frame>, WireError> {
        let mut row = RawRow::default();
        let frame = self.decode_into(&mut row)?;
        Ok(frame.map(|frame| match frame {
            Decoded::Row => Frame::Row(row),
            Decoded::Frame(frame) => frame,
        }))
    }

    /// The same, with the rows of a file one after the other in the same memory.
    pub fn decode_into(&mut self, row: &mut RawRow) -> Result<Option<Decoded>, WireError> {
        if self.expected == Expected::Nothing {
            return Ok(None);
        }
        let frame = self.take_frame(row);
        if !matches!(
            frame,
            Ok(Decoded::Row | Decoded::Frame(Frame::Layout(_) | Frame::Note(_) | Frame::Header(_)))
        ) {
            self.expected = Expected::Nothing;
        }
        frame.map(Some)
    }

    fn take_frame(&mut self, row: &mut RawRow) -> Result<Decoded, WireError> {
        let mut head = [0; 5];
        self.input.read_exact(&mut head).map_err(WireError::Pipe)?;
        let [tag, length @ ..] = head;
        let length = u32::from_le_bytes(length);
        if (tag, self.expected) == (ROW, Expected::Rows) {
            self.rows = self.rows.saturating_add(1);
            if self.rows > self.limits.rows {
                return Err(WireError::Garbage("more rows than allowed"));
            }
            self.take_row(length, row)?;
            return Ok(Decoded::Row);
        }
        self.take_other(tag, length, row).map(Decoded::Frame)
    }

    fn take_other(&mut self, tag: u8, length: u32, row: &mut RawRow) -> Result<Frame, WireError> {
        match (tag, self.expected) {
            (LAYOUT, Expected::Layout) => {
                self.take_payload(length, LAYOUT_BYTES)?;
                self.expected = Expected::Header;
                serde_json::from_slice::<Layout>(&self.payload)
                    .map(Frame::Layout)
                    .map_err(|_| WireError::Garbage("a layout that is none"))
            }
            (NOTE, _) => {
                self.notes = self.notes.saturating_add(1);
                if self.notes > NOTES {
                    return Err(WireError::Garbage("more notes than allowed"));
                }
                let note = self.take_finding(length)?;
                if note.severity == Severity::Error {
                    return Err(WireError::Garbage("a note that refuses something"));
                }
                Ok(Frame::Note(note))
            }
            (HEADER, Expected::Header) => {
                self.take_row(length, row)?;
                self.expected = Expected::Rows;
                Ok(Frame::Header(Header {
                    row: row.row,
                    labels: row.cells().map(|cell| cell.text.to_owned()).collect(),
                }))
            }
            (REFUSED, _) => self.take_finding(length).map(Frame::Refused),
            (END, Expected::Rows) => {
                self.take_payload(length, 10)?;
                let mut payload = Payload(&self.payload);
                if payload.number()? != self.rows || !payload.0.is_empty() {
                    return Err(WireError::Garbage("a wrong count of rows"));
                }
                Ok(Frame::End { rows: self.rows })
            }
            _ => Err(WireError::Garbage("a frame out of order")),
        }
    }

    fn take_finding(&mut self, length: u32) -> Result<Finding, WireError> {
        self.take_payload(length, FINDING_BYTES)?;
        let finding = serde_json::from_slice::<Finding>(&self.payload)
            .map_err(|_| WireError::Garbage("a finding that is none"))?;
        if !code::is_known(&finding.code) {
            return Err(WireError::Garbage("a finding with an unknown code"));
        }
        Ok(finding)
    }

    /// The longest payload of a row: its numbers, and every cell as long as it may be.
    fn row_bytes(&self) -> usize {
        let cell = self.limits.cell_length_bytes.saturating_add(12);
        self.limits.columns.saturating_mul(cell).saturating_add(20)
    }

    fn take_payload(&mut self, length: u32, most: usize) -> Result<(), WireError> {
        let length = fitting(length, most)?;
        self.payload.clear();
        // Grows with what comes, not with what was announced.
        let limit = u64::try_from(length).unwrap_or(u64::MAX);
        let taken = (&mut self.input)
            .take(limit)
            .read_to_end(&mut self.payload)
            .map_err(WireError::Pipe)?;
        if taken < length {
            return Err(WireError::Pipe(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }

    fn take_row(&mut self, length: u32, row: &mut RawRow) -> Result<(), WireError> {
        let most = self.row_bytes();
        let fits = fitting(length, most)?;
        // Nearly every row is in the buffer, whole, and need not be copied twice.
        let buffered = self.input.fill_buf().map_err(WireError::Pipe)?;
        if let Some(payload) = buffered.get(..fits) {
            fill(row, payload, &self.limits)?;
            self.input.consume(fits);
        } else {
            self.take_payload(length, most)?;
            fill(row, &self.payload, &self.limits)?;
        }
        // One after the other, and small enough for any column of any database.
        if self.last_row.is_some_and(|last| row.row <= last) || row.row > u64::from(u32::MAX) {
            return Err(WireError::Garbage("rows out of order"));
        }
        self.last_row = Some(row.row);
        Ok(())
    }
}

fn fitting(length: u32, most: usize) -> Result<usize, WireError> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > most {
        return Err(WireError::Garbage("a frame longer than allowed"));
    }
    Ok(length)
}

/// Makes `row` the one in a payload.
fn fill(row: &mut RawRow, payload: &[u8], limits: &ReadLimits) -> Result<(), WireError> {
    let mut payload = Payload(payload);
    row.restart(payload.number()?);
    let count = payload.length()?;
    if count > limits.columns {
        return Err(WireError::Garbage("more columns than allowed"));
    }
    let flags = payload.byte()?;
    if flags & !(GAPS | KINDS | WIDE) != 0 {
        return Err(WireError::Garbage("an unknown kind of row"));
    }
    row.has_gaps = flags & GAPS != 0;
    if flags & KINDS != 0 {
        for tag in payload.bytes(count)? {
            let kind = CellKind::from_tag(*tag);
            let kind = kind.ok_or(WireError::Garbage("an unknown kind of cell"))?;
            row.kinds.push(kind);
        }
    }
    if flags & WIDE == 0 {
        let (places, _) = payload.bytes(count.saturating_mul(2))?.as_chunks();
        let places = places.iter().map(|it| u32::from(u16::from_le_bytes(*it)));
        row.ends.extend(places);
    } else {
        let (places, _) = payload.bytes(count.saturating_mul(4))?.as_chunks();
        row.ends
            .extend(places.iter().map(|it| u32::from_le_bytes(*it)));
    }
    let text = from_utf8(payload.0).map_err(|_| WireError::Garbage("text that is not UTF-8"))?;
    if !fit(&row.ends, text, row.has_gaps, limits.cell_length_bytes)? {
        return Err(WireError::Garbage("cells that do not fit their text"));
    }
    row.text.push_str(text);
    Ok(())
}

/// Whether cells that end there are all of the text.
fn fit(ends: &[u32], text: &str, has_gaps: bool, most: usize) -> Result<bool, WireError> {
    let may_be_long = text.len() > most;
    let mut next = 0_usize;
    let mut last = 0;
    for end in ends {
        let end = from_place(*end);
        if end < next {
            return Ok(false);
        }
        if may_be_long && end - next > most {
            return Err(WireError::Garbage("a cell longer than allowed"));
        }
        let fits = match text.as_bytes().get(end) {
            // What stands in a gap is one byte, and both its sides are boundaries.
            Some(byte) => byte.is_ascii() || !has_gaps && text.is_char_boundary(end),
            None => end == text.len(),
        };
        if !fits {
            return Ok(false);
        }
        last = end;
        next = end.saturating_add(usize::from(has_gaps));
    }
    Ok(last == text.len())
}

/// What is left of a payload.
struct Payload<'a>(&'a [u8]);

impl<'a> Payload<'a> {
    #[inline]
    fn byte(&mut self) -> Result<u8, WireError> {
        let (byte, rest) = self
            .0
            .split_first()
            .ok_or(WireError::Garbage("a frame that is too short"))?;
        self.0 = rest;
        Ok(*byte)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (bytes, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(WireError::Garbage("a frame that is too short"))?;
        self.0 = rest;
        Ok(bytes)
    }

    #[inline]
    fn number(&mut self) -> Result<u64, WireError> {
        if let [byte @ ..0x80, rest @ ..] = self.0 {
            self.0 = rest;
            return Ok(u64::from(*byte));
        }
        let mut number = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(WireError::Garbage("a number that is too long"))
    }

    fn length(&mut self) -> Result<usize, WireError> {
        usize::try_from(self.number()?).map_err(|_| WireError::Garbage("a length that is too long"))
    }
}
