//! Pure. Where the records and cells of a text begin and end, and whether a quote was left open.
//!
//! The splitting is our own and not the csv crate's, which finds the same cells (a property test holds that) but not what matters more
//! here: it counts lines wrongly behind CR LF and blank lines, has no limits, and joins all rows behind an unbalanced quote into one cell
//! without an error. Rows swallowed like that would look like people who left.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{self, BufRead};

use memchr::{memchr, memchr3};
use simdutf8::basic::from_utf8;

use crate::parse::limits::ReadLimits;
use crate::parse::row::{CellKind, RawRow, from_place, place};

/// Lines that a quoted cell may span: an address has five, and what has more is an unbalanced quote.
const LINES_PER_CELL: u64 = 64;

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    /// None: every line is one cell.
    pub(super) delimiter: Option<u8>,
    pub(super) quote: u8,
    /// Within quotes a backslash takes the meaning from a quote or a backslash behind it.
    pub(super) backslash: bool,
    /// Blanks may stand around a quoted cell.
    pub(super) blanks: bool,
    /// Lines end in LF CR.
    pub(super) lf_cr: bool,
}

impl Dialect {
    /// As RFC 4180 means it, but for the delimiter.
    pub(super) const fn of(delimiter: Option<u8>) -> Self {
        Self {
            delimiter,
            quote: b'"',
            backslash: false,
            blanks: false,
            lf_cr: false,
        }
    }

    /// A byte that no text in UTF-8 has stands for no delimiter.
    fn separator(self) -> u8 {
        self.delimiter.unwrap_or(0xff)
    }
}

/// One record: its cells' bytes without quotes, one after the other.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) line: u64,
    bytes: Vec<u8>,
    /// Where each cell ends.
    ends: Vec<u32>,
    /// Cells that were cut because they are too long.
    cut: Vec<usize>,
    /// Quoted cells over several lines: which, and the line where it began.
    spans: Vec<(usize, u64)>,
    /// Whether it is a line as it stands, with its delimiters.
    is_line: bool,
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let end = from_place(*end);
            let cell = self.bytes.get(start..end).unwrap_or_default();
            start = end + usize::from(self.is_line);
            cell
        })
    }

    /// Quoted cells over several lines: their place, and the line where they began.
    pub(super) fn spans(&self) -> &[(usize, u64)] {
        &self.spans
    }

    /// DOS programs end a file with Control-Z, and some fill the rest of a block with it.
    pub(super) fn is_end_of_file_mark(&self) -> bool {
        self.len() == 1 && !self.bytes.is_empty() && self.bytes.iter().all(|byte| is_tail(*byte))
    }

    /// Moves the record into `row`.
    pub(super) fn fill(&mut self, row: &mut RawRow, most: usize) {
        match from_utf8(&self.bytes) {
            Ok(text) if self.fits(text) => {
                row.restart(self.line);
                row.text.push_str(text);
                row.has_gaps = self.is_line;
                std::mem::swap(&mut self.ends, &mut row.ends);
            }
            _ => self.fill_by_cell(row, most),
        }
    }

    /// Whether every cell by itself is as good as the text of all.
    fn fits(&self, text: &str) -> bool {
        // A delimiter is ASCII, so what stands between two of them is whole.
        let is_whole = |end: &u32| text.is_char_boundary(from_place(*end));
        self.is_line || self.cut.is_empty() && self.ends.iter().all(is_whole)
    }

    fn fill_by_cell(&self, row: &mut RawRow, most: usize) {
        row.restart(self.line);
        for (at, cell) in self.cells().enumerate() {
            if self.cut.contains(&at) {
                row.push(CellKind::TooLong, "");
            } else if let Ok(text) = std::str::from_utf8(cell) {
                row.push(CellKind::Text, text);
            } else {
                // A replacement character has three bytes: a third of what is allowed fits for certain.
                let head = cell.get(..most / 3).unwrap_or(cell);
                row.push(CellKind::Undecodable, &String::from_utf8_lossy(head));
            }
        }
    }
}

#[derive(Debug)]
pub(super) enum Fault {
    /// A quoted cell has no end, or not where it should be.
    OpenQuote {
        line: u64,
    },
    /// More cells than a row may have.
    Columns {
        line: u64,
    },
    Io(io::Error),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a record.
    RecordStart,
    /// Before the first byte of a cell.
    CellStart,
    /// Behind blanks at the beginning of a cell, before which they may be dropped.
    Blanks,
    /// In a cell that did not begin with a quote, or behind its closing quote.
    Plain,
    /// Behind the opening quote.
    Quoted,
    /// Behind a backslash in a quoted cell.
    Backslash,
    /// Behind a quote in a quoted cell, which closes it unless another one follows.
    Quote,
    /// Behind blanks behind the closing quote.
    Closed,
}

/// Splits text into records, as RFC 4180 and all common programs mean it: lines end in LF, CR LF or CR, blank lines are nothing, a quote opens
/// a quoted cell only as its first character. A dialect changes some of that.
#[derive(Debug)]
pub(super) struct Records<R> {
    input: R,
    dialect: Dialect,
    separator: u8,
    cell_bytes: usize,
    columns: usize,
    /// Of the next byte.
    line: u64,
    /// What belongs to the line end before, if it comes next: LF behind CR.
    paired: Option<u8>,
    /// Closing quotes with something behind them that does not belong there.
    strays: u64,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R, dialect: Dialect, limits: &ReadLimits) -> Self {
        Self {
            input,
            dialect,
            separator: dialect.separator(),
            cell_bytes: limits.cell_length_bytes,
            columns: limits.columns,
            line: 1,
            paired: None,
            strays: 0,
        }
    }

    /// Counts on from `line`.
    #[must_use]
    pub(super) fn beginning_at(self, line: u64) -> Self {
        Self { line, ..self }
    }

    /// Closing quotes so far with something behind them that does not belong there.
    pub(super) fn strays(&self) -> u64 {
        self.strays
    }

    /// Reads the next record; false at the end of the text.
    #[expect(
        clippy::too_many_lines,
        reason = "a state machine is easier to follow in one piece"
    )]
    pub(super) fn read(&mut self, record: &mut Record) -> Result<bool, Fault> {
        record.bytes.clear();
        record.ends.clear();
        record.cut.clear();
        record.spans.clear();
        record.is_line = false;
        let quote = self.dialect.quote;
        let mut state = State::RecordStart;
        // Line where the quoted cell began.
        let mut quoted_from = 0;
        loop {
            let buffer = self.input.fill_buf().map_err(Fault::Io)?;
            if buffer.is_empty() {
                return match state {
                    State::RecordStart => Ok(false),
                    State::Quoted | State::Backslash => Err(Fault::OpenQuote { line: quoted_from }),
                    State::CellStart
                    | State::Blanks
                    | State::Plain
                    | State::Quote
                    | State::Closed => Ok(record.end_text(self.cell_bytes)),
                };
            }
            let mut rest = buffer;
            let mut ended = false;
            while let Some((&byte, behind)) = rest.split_first() {
                if self.paired.take() == Some(byte) {
                    // The line was counted at its first byte.
                    if state == State::Quoted {
                        record.push(&[byte]);
                    }
                    rest = behind;
                    continue;
                }
                let line_end = matches!(byte, b'\n' | b'\r');
                match state {
                    State::RecordStart if line_end => {
                        self.line += 1;
                        self.paired = self.dialect.pair_of(byte);
                        rest = behind;
                    }
                    State::RecordStart => {
                        record.line = self.line;
                        // In a gap of a row stands ASCII; no program writes another delimiter.
                        if self.dialect.delimiter.is_none_or(|it| it.is_ascii())
                            && let Some((line, end, behind)) =
                                plain_line(rest, quote, self.cell_bytes)
                        {
                            record.split(line, self.separator);
                            if record.len() > self.columns {
                                return Err(Fault::Columns { line: record.line });
                            }
                            self.line += 1;
                            self.paired = self.dialect.pair_of(end);
                            rest = behind;
                            ended = true;
                            break;
                        }
                        state = State::CellStart;
                    }
                    State::CellStart if byte == quote => {
                        quoted_from = self.line;
                        state = State::Quoted;
                        rest = behind;
                    }
                    State::CellStart | State::Blanks if byte == b' ' && self.dialect.blanks => {
                        record.push_capped(&[byte], self.cell_bytes);
                        state = State::Blanks;
                        rest = behind;
                    }
                    State::Blanks if byte == quote => {
                        record.drop_cell();
                        quoted_from = self.line;
                        state = State::Quoted;
                        rest = behind;
                    }
                    State::Quote if byte == quote => {
                        record.push(&[byte]);
                        if record.cell_length() > self.cell_bytes {
                            return Err(Fault::OpenQuote { line: quoted_from });
                        }
                        state = State::Quoted;
                        rest = behind;
                    }
                    State::Quote | State::Closed if byte == b' ' && self.dialect.blanks => {
                        state = State::Closed;
                        rest = behind;
                    }
                    State::CellStart
                    | State::Blanks
                    | State::Plain
                    | State::Quote
                    | State::Closed => {
                        let closing = matches!(state, State::Quote | State::Closed);
                        if closing
                            && (byte == self.separator || line_end)
                            && quoted_from < self.line
                        {
                            record.spans.push((record.len(), quoted_from));
                        }
                        if byte == self.separator {
                            record.end_cell(self.cell_bytes);
                            if record.len() >= self.columns {
                                return Err(Fault::Columns { line: record.line });
                            }
                            state = State::CellStart;
                            rest = behind;
                        } else if line_end {
                            record.end_cell(self.cell_bytes);
                            self.line += 1;
                            self.paired = self.dialect.pair_of(byte);
                            rest = behind;
                            ended = true;
                            break;
                        } else if closing && !is_tail(byte) && quoted_from < self.line {
                            // A cell over several lines with something behind its closing quote: that quote was meant to open one.
                            return Err(Fault::OpenQuote { line: quoted_from });
                        } else {
                            self.strays += u64::from(closing);
                            let length = memchr3(self.separator, b'\n', b'\r', rest);
                            let (cell, behind) = rest.split_at(length.unwrap_or(rest.len()));
                            record.push_capped(cell, self.cell_bytes);
                            state = State::Plain;
                            rest = behind;
                        }
                    }
                    State::Backslash => {
                        if byte != quote && byte != b'\\' {
                            record.push(b"\\");
                        }
                        state = State::Quoted;
                        if !line_end {
                            record.push(&[byte]);
                            rest = behind;
                        }
                    }
                    State::Quoted if byte == quote => {
                        state = State::Quote;
                        rest = behind;
                    }
                    State::Quoted if line_end => {
                        record.push(&[byte]);
                        self.line += 1;
                        self.paired = self.dialect.pair_of(byte);
                        if self.line - quoted_from >= LINES_PER_CELL {
                            return Err(Fault::OpenQuote { line: quoted_from });
                        }
                        rest = behind;
                    }
                    State::Quoted if byte == b'\\' && self.dialect.backslash => {
                        state = State::Backslash;
                        rest = behind;
                    }
                    State::Quoted => {
                        let length = memchr3(quote, b'\n', b'\r', rest).unwrap_or(rest.len());
                        let length = match rest.get(..length) {
                            Some(cell) if self.dialect.backslash => {
                                memchr(b'\\', cell).unwrap_or(length)
                            }
                            _ => length,
                        };
                        let (cell, behind) = rest.split_at(length);
                        record.push(cell);
                        if record.cell_length() > self.cell_bytes {
                            return Err(Fault::OpenQuote { line: quoted_from });
                        }
                        rest = behind;
                    }
                }
            }
            let taken = buffer.len() - rest.len();
            self.input.consume(taken);
            if ended {
                return Ok(true);
            }
        }
    }
}

impl Dialect {
    /// What belongs to a line end of `byte`, if it follows.
    fn pair_of(self, byte: u8) -> Option<u8> {
        match (byte, self.lf_cr) {
            (b'\r', false) => Some(b'\n'),
            (b'\n', true) => Some(b'\r'),
            _ => None,
        }
    }
}

/// The first line of `text`, what ends it, and what is behind; none if it needs a closer look: it has no end here, a quote, or is very long.
fn plain_line(text: &[u8], quote: u8, most: usize) -> Option<(&[u8], u8, &[u8])> {
    let (line, behind) = text.split_at_checked(memchr3(b'\n', b'\r', quote, text)?)?;
    let (end, behind) = behind.split_first()?;
    (line.len() <= most && *end != quote).then_some((line, *end, behind))
}

/// What fills the end of a file: Control-Z of DOS programs, zeros of programs that write whole blocks.
fn is_tail(byte: u8) -> bool {
    matches!(byte, 0 | 0x1a)
}

impl Record {
    /// Bytes of the cell that is being read.
    fn cell_length(&self) -> usize {
        self.bytes.len() - self.cell_start()
    }

    fn cell_start(&self) -> usize {
        self.ends.last().map_or(0, |end| from_place(*end))
    }

    fn drop_cell(&mut self) {
        self.bytes.truncate(self.cell_start());
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Keeps one byte more than allowed, to tell that there were more.
    fn push_capped(&mut self, bytes: &[u8], most: usize) {
        let room = (most + 1).saturating_sub(self.cell_length());
        self.push(bytes.get(..room).unwrap_or(bytes));
    }

    fn end_cell(&mut self, most: usize) {
        if self.cell_length() > most {
            self.cut.push(self.ends.len());
        }
        self.ends.push(place(self.bytes.len()));
    }

    /// Ends the last cell of the text; false if nothing is there but what fills the end of a file.
    fn end_text(&mut self, most: usize) -> bool {
        let start = self.cell_start();
        let length = self.bytes.len();
        let filling = self
            .bytes
            .get(start..)
            .unwrap_or_default()
            .iter()
            .rev()
            .take_while(|byte| is_tail(**byte))
            .count();
        if filling > 0 && filling == length {
            return false;
        }
        self.bytes.truncate(length - filling);
        self.end_cell(most);
        true
    }

    /// Takes a line without quotes, which is not longer than a cell may be.
    fn split(&mut self, line: &[u8], separator: u8) {
        self.is_line = true;
        self.push(line);
        each_place(separator, line, |at| self.ends.push(place(at)));
        self.ends.push(place(line.len()));
    }
}

/// Every place of `byte` in `text`. Cells are a few bytes long, so a search that is built to skip far would start anew too often: this one looks at eight
/// bytes at once and leaves none out.
fn each_place(byte: u8, text: &[u8], mut found: impl FnMut(usize)) {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let wanted = u64::from_le_bytes([byte; 8]);
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        // The high bit of each byte that is the wanted one, and no other bit.
        let other = u64::from_le_bytes(*word) ^ wanted;
        let mut hits = !(((other & LOW) + LOW) | other | LOW);
        while hits != 0 {
            let byte = usize::try_from(hits.trailing_zeros() / 8).unwrap_or_default();
            found(at * 8 + byte);
            hits &= hits - 1;
        }
    }
    let start = words.len() * 8;
    for (at, other) in rest.iter().enumerate() {
        if *other == byte {
            found(start + at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor};

    use super::*;

    const LIMITS: ReadLimits = ReadLimits {
        rows: 1000,
        columns: 16,
        cell_length_bytes: 1024,
        plain_bytes: 0,
        memory_bytes: 0,
        time: std::time::Duration::ZERO,
    };

    /// The line of a record, and its cells.
    type Split = (u64, Vec<Vec<u8>>);

    fn split(text: &[u8], delimiter: u8, buffer: usize) -> Result<Vec<Split>, Fault> {
        let input = BufReader::with_capacity(buffer, Cursor::new(text));
        let mut records = Records::new(input, Dialect::of(Some(delimiter)), &LIMITS);
        let mut record = Record::default();
        let mut rows = Vec::new();
        while records.read(&mut record)? {
            rows.push((record.line, record.cells().map(<[u8]>::to_vec).collect()));
        }
        Ok(rows)
    }

    fn lines(text: &str) -> Vec<u64> {
        let rows = split(text.as_bytes(), b',', 3).unwrap();
        rows.into_iter().map(|(line, _)| line).collect()
    }

    fn open_quote_line(text: &str) -> u64 {
        match split(text.as_bytes(), b',', 64) {
            Err(Fault::OpenQuote { line }) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_row_is_known_by_the_line_where_it_begins() {
        assert_eq!(lines("a,b\n1,2\n\n\n3,4"), [1, 2, 5]);
        assert_eq!(lines("a,b\r\n1,2\r\n\r\n3,4\r\n"), [1, 2, 4]);
        assert_eq!(lines("a\r1\r\r2"), [1, 2, 4]);
        assert_eq!(lines("a,b\n1,\"x\r\ny\nz\"\n2,w\n"), [1, 2, 5]);
    }

    #[test]
    fn an_unbalanced_quote_is_found_where_it_began() {
        // To the end of the file.
        assert_eq!(open_quote_line("a,b\n1,2\n2,\"x\n3,y\n4,z\n"), 3);
        // Closed by the opening quote of a later row.
        assert_eq!(open_quote_line("a,b\n1,\"x\n2,\"y\"\n3,z\n"), 2);
        // Over more lines than a cell may have.
        let many = format!("a,b\n1,\"{}\",x\n", "line\n".repeat(100));
        assert_eq!(open_quote_line(&many), 2);
        // Over more bytes than a cell may have.
        let long = format!("a,b\n1,\"{}\"\n", "\"\"".repeat(5000));
        assert_eq!(open_quote_line(&long), 2);
    }

    #[test]
    fn a_quote_within_a_cell_is_a_quote() {
        let rows = split(b"5'11\",\"6\" tall\",x\n", b',', 64).unwrap();
        assert_eq!(rows[0].1, [&b"5'11\""[..], b"6 tall\"", b"x"]);
    }

    #[test]
    fn a_long_cell_is_cut_and_a_wide_row_refused() {
        let mut records = Records::new(
            Cursor::new("x".repeat(5000)),
            Dialect::of(Some(b',')),
            &LIMITS,
        );
        let mut record = Record::default();
        assert!(records.read(&mut record).unwrap());
        assert_eq!(
            (record.ends.as_slice(), record.cut.as_slice()),
            (&[1025][..], &[0][..])
        );
        assert!(matches!(
            split(",".repeat(16).as_bytes(), b',', 8),
            Err(Fault::Columns { line: 1 })
        ));
        assert!(split(",".repeat(15).as_bytes(), b',', 8).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn every_place_of_a_byte_is_found(text in proptest::collection::vec(proptest::sample::select(vec![b',', b'-', 0, 0x80, 0xac, 0xff]), 0..40), byte in proptest::sample::select(vec![b',', 0, 0x80, 0xff])) {
            let mut found = Vec::new();
            each_place(byte, &text, |at| found.push(at));
            let wanted: Vec<usize> = (0..text.len()).filter(|at| text[*at] == byte).collect();
            proptest::prop_assert_eq!(found, wanted);
        }

        /// Where no quote is at fault, another reader finds the same cells.
        #[test]
        fn the_cells_are_those_that_the_csv_crate_finds(text in "[a\",;\r\n]{0,60}", buffer in 1..9_usize) {
            if let Ok(rows) = split(text.as_bytes(), b',', buffer) {
                let ours: Vec<Vec<Vec<u8>>> = rows.into_iter().map(|(_, cells)| cells).collect();
                let theirs: Vec<Vec<Vec<u8>>> = ::csv::ReaderBuilder::new()
                    .has_headers(false)
                    .flexible(true)
                    .from_reader(text.as_bytes())
                    .into_byte_records()
                    .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
                    .collect();
                proptest::prop_assert_eq!(ours, theirs);
            }
        }
    }
}
