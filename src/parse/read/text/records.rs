//! Pure. Where the records and cells of a text begin and end, and whether a quote was left open.
//!
//! The splitting is our own and not the csv crate's, which finds the same cells (a property test holds that) but not what matters more
//! here: it counts lines wrongly behind CR LF and blank lines, has no limits, and joins all rows behind an unbalanced quote into one cell
//! without an error. Rows swallowed like that would look like people who left.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{self, BufRead};

use memchr::memchr3;

use crate::parse::limits::ReadLimits;
use crate::parse::row::{CellKind, RawRow};

/// Lines that a quoted cell may span: an address has five, and what has more is an unbalanced quote.
const LINES_PER_CELL: u64 = 64;

/// One record: its cells' bytes without quotes, one after the other.
#[derive(Debug, Default)]
pub(super) struct Record {
    line: u64,
    bytes: Vec<u8>,
    /// Where each cell ends, and whether it was cut because it is too long.
    ends: Vec<(usize, bool)>,
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |(end, _)| {
            let cell = self.bytes.get(start..*end).unwrap_or_default();
            start = *end;
            cell
        })
    }

    /// DOS programs end a file with Control-Z.
    pub(super) fn is_end_of_file_mark(&self) -> bool {
        self.len() == 1 && self.bytes == [0x1a]
    }

    pub(super) fn fill(&self, row: &mut RawRow, most: usize) {
        row.restart(self.line);
        for (cell, (_, too_long)) in self.cells().zip(&self.ends) {
            if *too_long {
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
    /// In a cell that did not begin with a quote, or behind its closing quote.
    Plain,
    /// Behind the opening quote.
    Quoted,
    /// Behind a quote in a quoted cell, which closes it unless another one follows.
    Quote,
}

/// Splits text into records, as RFC 4180 and all common programs mean it: lines end in LF, CR LF or CR, blank lines are nothing, a quote opens
/// a quoted cell only as its first character.
#[derive(Debug)]
pub(super) struct Records<R> {
    input: R,
    delimiter: u8,
    cell_bytes: usize,
    columns: usize,
    /// Of the next byte.
    line: u64,
    /// The byte before was a CR: a LF now belongs to it.
    after_cr: bool,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(input: R, delimiter: u8, limits: &ReadLimits) -> Self {
        Self {
            input,
            delimiter,
            cell_bytes: limits.cell_length_bytes,
            columns: limits.columns,
            line: 1,
            after_cr: false,
        }
    }

    /// Reads the next record; false at the end of the text.
    #[expect(
        clippy::too_many_lines,
        reason = "a state machine is easier to follow in one piece"
    )]
    pub(super) fn read(&mut self, record: &mut Record) -> Result<bool, Fault> {
        record.bytes.clear();
        record.ends.clear();
        let mut state = State::RecordStart;
        // Line where the quoted cell began.
        let mut quoted_from = 0;
        loop {
            let buffer = self.input.fill_buf().map_err(Fault::Io)?;
            if buffer.is_empty() {
                return match state {
                    State::RecordStart => Ok(false),
                    State::Quoted => Err(Fault::OpenQuote { line: quoted_from }),
                    State::CellStart | State::Plain | State::Quote => {
                        record.end_cell(self.cell_bytes);
                        Ok(true)
                    }
                };
            }
            let mut rest = buffer;
            let mut ended = false;
            while let Some((&byte, behind)) = rest.split_first() {
                let after_cr = std::mem::take(&mut self.after_cr);
                if byte == b'\n' && after_cr {
                    // The line was counted at its CR.
                    if state == State::Quoted {
                        record.push(&[byte]);
                    }
                    rest = behind;
                    continue;
                }
                match state {
                    State::RecordStart if matches!(byte, b'\n' | b'\r') => {
                        self.line += 1;
                        self.after_cr = byte == b'\r';
                        rest = behind;
                    }
                    State::RecordStart => {
                        record.line = self.line;
                        state = State::CellStart;
                    }
                    State::CellStart if byte == b'"' => {
                        quoted_from = self.line;
                        state = State::Quoted;
                        rest = behind;
                    }
                    State::Quote if byte == b'"' => {
                        record.push(&[byte]);
                        if record.cell_length() > self.cell_bytes {
                            return Err(Fault::OpenQuote { line: quoted_from });
                        }
                        state = State::Quoted;
                        rest = behind;
                    }
                    State::CellStart | State::Plain | State::Quote => {
                        if byte == self.delimiter {
                            record.end_cell(self.cell_bytes);
                            if record.len() >= self.columns {
                                return Err(Fault::Columns { line: record.line });
                            }
                            state = State::CellStart;
                            rest = behind;
                        } else if matches!(byte, b'\n' | b'\r') {
                            record.end_cell(self.cell_bytes);
                            self.line += 1;
                            self.after_cr = byte == b'\r';
                            rest = behind;
                            ended = true;
                            break;
                        } else if state == State::Quote && quoted_from < self.line {
                            // A cell over several lines with something behind its closing quote: that quote was meant to open one.
                            return Err(Fault::OpenQuote { line: quoted_from });
                        } else {
                            let length = memchr3(self.delimiter, b'\n', b'\r', rest);
                            let (cell, behind) = rest.split_at(length.unwrap_or(rest.len()));
                            record.push_capped(cell, self.cell_bytes);
                            state = State::Plain;
                            rest = behind;
                        }
                    }
                    State::Quoted => match byte {
                        b'"' => {
                            state = State::Quote;
                            rest = behind;
                        }
                        b'\n' | b'\r' => {
                            record.push(&[byte]);
                            self.line += 1;
                            self.after_cr = byte == b'\r';
                            if self.line - quoted_from >= LINES_PER_CELL {
                                return Err(Fault::OpenQuote { line: quoted_from });
                            }
                            rest = behind;
                        }
                        _ => {
                            let length = memchr3(b'"', b'\n', b'\r', rest);
                            let (cell, behind) = rest.split_at(length.unwrap_or(rest.len()));
                            record.push(cell);
                            if record.cell_length() > self.cell_bytes {
                                return Err(Fault::OpenQuote { line: quoted_from });
                            }
                            rest = behind;
                        }
                    },
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

impl Record {
    /// Bytes of the cell that is being read.
    fn cell_length(&self) -> usize {
        self.bytes.len() - self.ends.last().map_or(0, |(end, _)| *end)
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
        let too_long = self.cell_length() > most;
        self.ends.push((self.bytes.len(), too_long));
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
        memory_bytes: 0,
        time: std::time::Duration::ZERO,
    };

    /// The line of a record, and its cells.
    type Split = (u64, Vec<Vec<u8>>);

    fn split(text: &[u8], delimiter: u8, buffer: usize) -> Result<Vec<Split>, Fault> {
        let input = BufReader::with_capacity(buffer, Cursor::new(text));
        let mut records = Records::new(input, delimiter, &LIMITS);
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
        let mut records = Records::new(Cursor::new("x".repeat(5000)), b',', &LIMITS);
        let mut record = Record::default();
        assert!(records.read(&mut record).unwrap());
        assert_eq!(record.ends, [(1025, true)]);
        assert!(matches!(
            split(",".repeat(16).as_bytes(), b',', 8),
            Err(Fault::Columns { line: 1 })
        ));
        assert!(split(",".repeat(15).as_bytes(), b',', 8).is_ok());
    }

    proptest::proptest! {
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
