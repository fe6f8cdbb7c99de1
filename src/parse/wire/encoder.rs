//! Pure. The child's side of the wire.

use std::io::{self, Write};

use crate::parse::finding::Finding;
use crate::parse::layout::Layout;
use crate::parse::row::RawRow;
use crate::parse::wire::{END, GAPS, HEADER, KINDS, LAYOUT, NOTE, NOTES, REFUSED, ROW, WIDE};

/// Writes frames.
#[derive(Debug)]
pub struct Encoder<W> {
    out: W,
    payload: Vec<u8>,
    pub(super) rows: u64,
    notes: usize,
}

impl<W: Write> Encoder<W> {
    /// An encoder onto `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        Self {
            out,
            payload: Vec::new(),
            rows: 0,
            notes: 0,
        }
    }

    /// Writes what the file is, the first frame.
    pub fn layout(&mut self, layout: &Layout) -> io::Result<()> {
        self.payload.clear();
        serde_json::to_writer(&mut self.payload, layout)?;
        self.send(LAYOUT)
    }

    /// Writes something worth knowing. Beyond a number that no well-meant file reaches, it is left out.
    pub fn note(&mut self, finding: &Finding) -> io::Result<()> {
        if self.notes >= NOTES {
            return Ok(());
        }
        self.notes += 1;
        self.payload.clear();
        serde_json::to_writer(&mut self.payload, finding)?;
        self.send(NOTE)
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
        let is_wide = row.text.len() > usize::from(u16::MAX);
        let flags = [
            (row.has_gaps, GAPS),
            (!row.kinds.is_empty(), KINDS),
            (is_wide, WIDE),
        ];
        self.payload.clear();
        put_number(&mut self.payload, row.row);
        put_length(&mut self.payload, row.len());
        self.payload
            .push(flags.iter().filter(|it| it.0).fold(0, |all, it| all | it.1));
        self.payload.extend(row.kinds.iter().map(|kind| kind.tag()));
        if is_wide {
            let places = row.ends.iter().flat_map(|end| end.to_le_bytes());
            self.payload.extend(places);
        } else {
            let start = self.payload.len();
            self.payload.resize(start + row.ends.len() * 2, 0);
            let places = self.payload.get_mut(start..).unwrap_or_default();
            for (place, end) in places.as_chunks_mut().0.iter_mut().zip(&row.ends) {
                let [a, b, ..] = end.to_le_bytes();
                *place = [a, b];
            }
        }
        self.send_with(tag, row.text.as_bytes())
    }

    fn send(&mut self, tag: u8) -> io::Result<()> {
        self.send_with(tag, &[])
    }

    /// Sends the payload and `text` behind it, which is not copied for that.
    fn send_with(&mut self, tag: u8, text: &[u8]) -> io::Result<()> {
        let length = self.payload.len().saturating_add(text.len());
        let length = u32::try_from(length).map_err(io::Error::other)?;
        let [a, b, c, d] = length.to_le_bytes();
        self.out.write_all(&[tag, a, b, c, d])?;
        self.out.write_all(&self.payload)?;
        self.out.write_all(text)?;
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
