//! Pure. What the reader's child process tells its parent: one header, then rows, then the end; or a refusal.
//!
//! A frame is a tag, the length of its payload (`u32`, little endian) and the payload. The child encodes; the parent decodes, and takes
//! every byte for hostile, because a workbook may have taken the child over: [`Decoder`] allocates no more than the limits allow, and
//! whatever breaks the order or the form of the frames is [`WireError::Garbage`]. It never panics.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{self, Read, Write};

use crate::parse::finding::{Finding, code};
use crate::parse::limits::ReadLimits;

/// What a cell was in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// Text, also of every cell of a text file and of an empty one.
    Text,
    /// A number of a sheet in its shortest decimal form.
    Number,
    /// The same of an old workbook (.xls): how it is shown there, with leading zeros or without, cannot be told.
    BareNumber,
    /// A number of a sheet with more digits than a sheet can hold exactly.
    LongNumber,
    /// A date or date-time of a sheet in ISO 8601 form.
    Date,
    /// A time of day or a duration of a sheet.
    Time,
    /// `true` or `false` of a sheet.
    Flag,
    /// An error value of a sheet, such as `#N/A`.
    Error,
    /// A formula of a sheet whose result was not stored.
    Uncomputed,
    /// Bytes that are not UTF-8; the text has replacement characters.
    Undecodable,
    /// Longer than a cell may be; the text is empty.
    TooLong,
}

impl CellKind {
    const ALL: [Self; 11] = [
        Self::Text,
        Self::Number,
        Self::LongNumber,
        Self::Date,
        Self::Time,
        Self::Flag,
        Self::Error,
        Self::Uncomputed,
        Self::Undecodable,
        Self::TooLong,
        Self::BareNumber,
    ];

    /// Its number on the wire.
    pub(in crate::parse) fn tag(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::Number => 1,
            Self::LongNumber => 2,
            Self::Date => 3,
            Self::Time => 4,
            Self::Flag => 5,
            Self::Error => 6,
            Self::Uncomputed => 7,
            Self::Undecodable => 8,
            Self::TooLong => 9,
            Self::BareNumber => 10,
        }
    }

    fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.get(usize::from(tag)).copied()
    }
}

/// One cell of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell<'a> {
    pub kind: CellKind,
    pub text: &'a str,
}

/// One row as it stands in the file: its cells' texts one after the other in a single string, to spare an allocation a cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawRow {
    /// Line of a text file where the row begins, or row of a sheet; from 1.
    pub row: u64,
    text: String,
    /// Kind of each cell, and where in `text` it ends. Invariant: ends ascend and lie on character boundaries.
    cells: Vec<(CellKind, usize)>,
}

impl RawRow {
    /// An empty row.
    pub fn new(row: u64) -> Self {
        Self {
            row,
            ..Self::default()
        }
    }

    /// Empties the row to be filled again, as row `row`.
    pub fn restart(&mut self, row: u64) {
        self.row = row;
        self.text.clear();
        self.cells.clear();
    }

    /// Adds a cell at the right.
    pub fn push(&mut self, kind: CellKind, text: &str) {
        self.text.push_str(text);
        self.cells.push((kind, self.text.len()));
    }

    /// How many cells it has.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether it has no cell at all.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The cell of column `at`, from 0.
    pub fn cell(&self, at: usize) -> Option<Cell<'_>> {
        let (kind, end) = *self.cells.get(at)?;
        let start = match at.checked_sub(1) {
            Some(before) => self.cells.get(before)?.1,
            None => 0,
        };
        let text = self.text.get(start..end)?;
        Some(Cell { kind, text })
    }

    /// The cells from left to right.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'_>> {
        (0..self.len()).filter_map(|at| self.cell(at))
    }

    /// Whether no cell says anything.
    pub fn is_blank(&self) -> bool {
        self.cells()
            .all(|cell| cell.kind == CellKind::Text && cell.text.trim().is_empty())
    }
}

/// The labels above the columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Line or row where it stands.
    pub row: u64,
    /// One a column, as written.
    pub labels: Vec<String>,
}

/// One message of the child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// First, unless the file is refused before.
    Header(Header),
    /// In ascending order of their number.
    Row(RawRow),
    /// The file cannot be read, or not any further. Nothing follows.
    Refused(Finding),
    /// The file was read to its end and had so many rows. Nothing follows.
    End { rows: u64 },
}

const HEADER: u8 = b'H';
const ROW: u8 = b'R';
const REFUSED: u8 = b'X';
const END: u8 = b'E';
const FINDING_BYTES: usize = 16 * 1024;

/// Writes frames.
#[derive(Debug)]
pub struct Encoder<W> {
    out: W,
    payload: Vec<u8>,
    rows: u64,
}

impl<W: Write> Encoder<W> {
    /// An encoder onto `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        Self {
            out,
            payload: Vec::new(),
            rows: 0,
        }
    }

    /// Writes the header.
    pub fn header(&mut self, header: &RawRow) -> io::Result<()> {
        self.cells(HEADER, header)
    }

    /// Writes a row.
    pub fn row(&mut self, row: &RawRow) -> io::Result<()> {
        self.rows = self.rows.saturating_add(1);
        self.cells(ROW, row)
    }

    /// How many rows were written.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Writes a refusal, the last frame.
    pub fn refused(&mut self, finding: &Finding) -> io::Result<()> {
        self.payload.clear();
        serde_json::to_writer(&mut self.payload, finding)?;
        self.send(REFUSED)
    }

    /// Writes the end, the last frame.
    pub fn end(&mut self) -> io::Result<()> {
        self.payload.clear();
        put_number(&mut self.payload, self.rows);
        self.send(END)
    }

    fn cells(&mut self, tag: u8, row: &RawRow) -> io::Result<()> {
        self.payload.clear();
        put_number(&mut self.payload, row.row);
        put_length(&mut self.payload, row.cells.len());
        let mut start = 0;
        for (kind, end) in &row.cells {
            self.payload.push(kind.tag());
            put_length(&mut self.payload, end.saturating_sub(start));
            start = *end;
        }
        self.payload.extend_from_slice(row.text.as_bytes());
        self.send(tag)
    }

    fn send(&mut self, tag: u8) -> io::Result<()> {
        let length = u32::try_from(self.payload.len()).map_err(io::Error::other)?;
        self.out.write_all(&[tag])?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&self.payload)?;
        if tag == REFUSED || tag == END {
            self.out.flush()?;
        }
        Ok(())
    }
}

/// LEB128: seven bits a byte, the low ones first.
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        let [low, ..] = number.to_le_bytes();
        out.push(low | 0x80);
        number >>= 7;
    }
    let [low, ..] = number.to_le_bytes();
    out.push(low);
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    put_number(out, u64::try_from(length).unwrap_or(u64::MAX));
}

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
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
    last_row: u64,
}

impl<R: Read> Decoder<R> {
    /// A decoder of `input`, which should be buffered.
    pub fn new(input: R, limits: &ReadLimits) -> Self {
        Self {
            input,
            payload: Vec::new(),
            limits: *limits,
            expected: Expected::Header,
            rows: 0,
            last_row: 0,
        }
    }

    /// The next frame; none after the last one.
    pub fn decode(&mut self) -> Result<Option<Frame>, WireError> {
        if self.expected == Expected::Nothing {
            return Ok(None);
        }
        let frame = self.take_frame();
        if !matches!(frame, Ok(Frame::Header(_) | Frame::Row(_))) {
            self.expected = Expected::Nothing;
        }
        frame.map(Some)
    }

    fn take_frame(&mut self) -> Result<Frame, WireError> {
        let mut head = [0; 5];
        self.input.read_exact(&mut head).map_err(WireError::Pipe)?;
        let [tag, length @ ..] = head;
        let length = u32::from_le_bytes(length);
        match (tag, self.expected) {
            (HEADER, Expected::Header) => {
                self.take_payload(length, self.row_bytes())?;
                let row = self.take_row()?;
                self.expected = Expected::Rows;
                Ok(Frame::Header(Header {
                    row: row.row,
                    labels: row.cells().map(|cell| cell.text.to_owned()).collect(),
                }))
            }
            (ROW, Expected::Rows) => {
                self.take_payload(length, self.row_bytes())?;
                self.rows = self.rows.saturating_add(1);
                if self.rows > self.limits.rows {
                    return Err(WireError::Garbage("more rows than allowed"));
                }
                Ok(Frame::Row(self.take_row()?))
            }
            (REFUSED, _) => {
                self.take_payload(length, FINDING_BYTES)?;
                let finding = serde_json::from_slice::<Finding>(&self.payload)
                    .map_err(|_| WireError::Garbage("a refusal that is no finding"))?;
                if !code::is_known(&finding.code) {
                    return Err(WireError::Garbage("a refusal with an unknown code"));
                }
                Ok(Frame::Refused(finding))
            }
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

    /// The longest payload of a row: its numbers, and every cell as long as it may be.
    fn row_bytes(&self) -> usize {
        let cell = self.limits.cell_length_bytes.saturating_add(11);
        self.limits.columns.saturating_mul(cell).saturating_add(20)
    }

    fn take_payload(&mut self, length: u32, most: usize) -> Result<(), WireError> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > most {
            return Err(WireError::Garbage("a frame longer than allowed"));
        }
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

    fn take_row(&mut self) -> Result<RawRow, WireError> {
        let mut payload = Payload(&self.payload);
        let row = payload.number()?;
        // One after the other, and small enough for any column of any database.
        if row <= self.last_row || row > u64::from(u32::MAX) {
            return Err(WireError::Garbage("rows out of order"));
        }
        self.last_row = row;
        let count = payload.length()?;
        if count > self.limits.columns {
            return Err(WireError::Garbage("more columns than allowed"));
        }
        let mut cells = Vec::with_capacity(count);
        let mut end = 0_usize;
        for _ in 0..count {
            let kind = CellKind::from_tag(payload.byte()?)
                .ok_or(WireError::Garbage("an unknown kind of cell"))?;
            let length = payload.length()?;
            if length > self.limits.cell_length_bytes {
                return Err(WireError::Garbage("a cell longer than allowed"));
            }
            end = end.saturating_add(length);
            cells.push((kind, end));
        }
        let text = std::str::from_utf8(payload.0)
            .map_err(|_| WireError::Garbage("text that is not UTF-8"))?;
        if text.len() != end || !cells.iter().all(|(_, end)| text.is_char_boundary(*end)) {
            return Err(WireError::Garbage("cells that do not fit their text"));
        }
        Ok(RawRow {
            row,
            text: text.to_owned(),
            cells,
        })
    }
}

/// What is left of a payload.
struct Payload<'a>(&'a [u8]);

impl Payload<'_> {
    fn byte(&mut self) -> Result<u8, WireError> {
        let (byte, rest) = self
            .0
            .split_first()
            .ok_or(WireError::Garbage("a frame that is too short"))?;
        self.0 = rest;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u64, WireError> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits() -> ReadLimits {
        ReadLimits {
            rows: 3,
            columns: 4,
            cell_length_bytes: 32,
            ..ReadLimits::default()
        }
    }

    fn row(number: u64, cells: &[&str]) -> RawRow {
        let mut row = RawRow::new(number);
        for cell in cells {
            row.push(CellKind::Text, cell);
        }
        row
    }

    /// Every frame, or the first fault.
    fn decoded(pipe: &[u8]) -> Result<Vec<Frame>, WireError> {
        let mut decoder = Decoder::new(pipe, &limits());
        let mut frames = Vec::new();
        while let Some(frame) = decoder.decode()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    fn garbage(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> &'static str {
        let mut pipe = Vec::new();
        write(&mut Encoder::new(&mut pipe));
        match decoded(&pipe) {
            Err(WireError::Garbage(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_breaks_a_limit_or_the_order_is_garbage() {
        let header = row(1, &["id"]);
        assert!(garbage(|pipe| pipe.row(&header).unwrap()).contains("order"));
        assert!(garbage(|pipe| pipe.end().unwrap()).contains("order"));
        assert!(
            garbage(|pipe| pipe.header(&row(1, &["a", "b", "c", "d", "e"])).unwrap())
                .contains("columns")
        );
        assert!(garbage(|pipe| pipe.header(&row(1, &[&"x".repeat(33)])).unwrap()).contains("cell"));
        assert!(
            garbage(|pipe| pipe.header(&row(1, &[&"x".repeat(500)])).unwrap()).contains("longer")
        );
        assert!(
            garbage(|pipe| {
                pipe.header(&header).unwrap();
                for number in 2..6 {
                    pipe.row(&row(number, &["x"])).unwrap();
                }
            })
            .contains("more rows")
        );
        assert!(
            garbage(|pipe| {
                pipe.header(&header).unwrap();
                pipe.row(&header).unwrap();
            })
            .contains("out of order")
        );
        assert!(
            garbage(|pipe| {
                pipe.header(&header).unwrap();
                pipe.rows = 1;
                pipe.end().unwrap();
            })
            .contains("count")
        );
        assert!(
            garbage(|pipe| {
                let finding = Finding::file("no-such-code", "", "");
                pipe.refused(&finding).unwrap();
            })
            .contains("code")
        );
    }

    #[test]
    fn a_pipe_that_ends_early_is_no_end() {
        let mut pipe = Vec::new();
        let mut encoder = Encoder::new(&mut pipe);
        encoder.header(&row(1, &["id"])).unwrap();
        encoder.row(&row(2, &["7"])).unwrap();
        for length in 0..pipe.len() {
            assert!(
                matches!(decoded(&pipe[..length]), Err(WireError::Pipe(_))),
                "{length}"
            );
        }
    }

    #[test]
    fn a_refusal_is_the_last_frame() {
        let mut pipe = Vec::new();
        let finding = Finding::file(code::FORMAT_ERROR, "It is a PDF.", "Export CSV.");
        let mut encoder = Encoder::new(&mut pipe);
        encoder.refused(&finding).unwrap();
        encoder.header(&row(1, &["id"])).unwrap();
        assert_eq!(decoded(&pipe).unwrap(), [Frame::Refused(finding)]);
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in(rows in prop::collection::vec(prop::collection::vec((0..10_u8, ".{0,8}"), 0..4), 1..4)) {
            let rows: Vec<RawRow> = (1..).zip(rows).map(|(number, cells)| {
                let mut row = RawRow::new(number * 300);
                for (kind, text) in cells {
                    row.push(CellKind::from_tag(kind).unwrap(), &text);
                }
                row
            }).collect();
            let mut pipe = Vec::new();
            let mut encoder = Encoder::new(&mut pipe);
            encoder.header(&rows[0]).unwrap();
            for row in &rows[1..] {
                encoder.row(row).unwrap();
            }
            encoder.end().unwrap();

            let frames = decoded(&pipe).unwrap();
            prop_assert_eq!(frames.len(), rows.len() + 1);
            for (frame, row) in frames[1..].iter().zip(&rows[1..]) {
                prop_assert_eq!(frame, &Frame::Row(row.clone()));
            }
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(mut pipe: Vec<u8>, tag in 0..4_usize, length in 0..200_u32) {
            drop(decoded(&pipe));
            // With a head that is right more of the decoder is reached.
            let mut framed = vec![[HEADER, ROW, REFUSED, END][tag]];
            framed.extend_from_slice(&length.to_le_bytes());
            framed.append(&mut pipe);
            drop(decoded(&framed));
        }
    }
}
