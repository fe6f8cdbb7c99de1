//! Pure. The records of an old workbook ([MS-XLS] section 2.1.4): a number, a length, a body; a long one goes on in others.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{Read, Seek};

use crate::parse::read::table::Stop;
use crate::parse::read::workbook::fault::damaged;
use crate::parse::read::workbook::xls::container::Stream;

const CONTINUE: u16 = 0x003c;

/// Gives records one after the other, from a place of the stream on.
pub(super) struct Records<'a, R> {
    stream: &'a mut Stream<R>,
    /// Number and length of the next one, if it was looked at.
    ahead: Option<(u16, u16)>,
    head: Vec<u8>,
}

impl<'a, R: Read + Seek> Records<'a, R> {
    pub(super) fn from(stream: &'a mut Stream<R>, at: u64) -> Self {
        stream.seek(at);
        Self {
            stream,
            ahead: None,
            head: Vec::with_capacity(4),
        }
    }

    /// Takes the next record into `body` and gives its number; none at the end of the stream. Where a long one goes on is left out.
    pub(super) fn next(&mut self, body: &mut Vec<u8>) -> Result<Option<u16>, Stop> {
        loop {
            body.clear();
            let Some((kind, length)) = self.peek()? else {
                return Ok(None);
            };
            self.ahead = None;
            if self.stream.take(length.into(), body)? < usize::from(length) {
                return Err(damaged().into());
            }
            if kind != CONTINUE {
                return Ok(Some(kind));
            }
        }
    }

    /// Takes the record in which the last one goes on into `body`, if it does.
    pub(super) fn more(&mut self, body: &mut Vec<u8>) -> Result<bool, Stop> {
        match self.peek()? {
            Some((CONTINUE, length)) => {
                self.ahead = None;
                body.clear();
                let whole = self.stream.take(length.into(), body)? == usize::from(length);
                if whole {
                    Ok(true)
                } else {
                    Err(damaged().into())
                }
            }
            _ => Ok(false),
        }
    }

    fn peek(&mut self) -> Result<Option<(u16, u16)>, Stop> {
        if self.ahead.is_none() {
            self.head.clear();
            self.stream.take(4, &mut self.head)?;
            self.ahead = match self.head.as_slice() {
                // The last sector may be filled up.
                [kind_low, kind_high, low, high] => Some((
                    u16::from_le_bytes([*kind_low, *kind_high]),
                    u16::from_le_bytes([*low, *high]),
                )),
                _ => None,
            };
        }
        Ok(self.ahead)
    }
}
