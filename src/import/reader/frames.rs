//! What the child of one file sends, as far as it makes sense.

use std::io::BufReader;
use std::os::unix::net::UnixStream;

use crate::import::reader::Ending;
use crate::parse::finding::{Finding, code};
use crate::parse::limits::ReadLimits;
use crate::parse::row::RawRow;
use crate::parse::wire::{Decoded, Decoder, Frame, WireError};

/// The header and the rows of one file, for the blocking pool. It ends where the file ends or is refused; [`Ending`] tells which.
#[derive(Debug)]
pub struct Frames {
    decoder: Decoder<BufReader<UnixStream>>,
    last: Option<Last>,
}

/// What came after the last row.
#[derive(Debug)]
pub(super) enum Last {
    End(Ending),
    /// Nothing: the pipe ended too early.
    Cut,
}

impl Iterator for Frames {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let mut row = RawRow::default();
        Some(match self.next_into(&mut row)? {
            Decoded::Row => Frame::Row(row),
            Decoded::Frame(frame) => frame,
        })
    }
}

impl Frames {
    pub(super) fn new(socket: UnixStream, limits: &ReadLimits) -> Self {
        Self {
            decoder: Decoder::new(BufReader::with_capacity(64 * 1024, socket), limits),
            last: None,
        }
    }

    /// The next frame, the rows one after the other in the same memory.
    pub fn next_into(&mut self, row: &mut RawRow) -> Option<Decoded> {
        if self.last.is_some() {
            return None;
        }
        self.last = Some(match self.decoder.decode_into(row) {
            Ok(Some(Decoded::Frame(Frame::End { rows }))) => Last::End(Ending::Complete { rows }),
            Ok(Some(Decoded::Frame(Frame::Refused(finding)))) => {
                Last::End(Ending::Refused(finding))
            }
            Ok(Some(decoded)) => return Some(decoded),
            Ok(None) | Err(WireError::Pipe(_)) => Last::Cut,
            Err(WireError::Garbage(why)) => {
                tracing::warn!(
                    why,
                    "the reader sent garbage, so a file may have taken it over"
                );
                Last::End(Ending::Refused(Finding::file(
                    code::READER_GARBAGE,
                    "The reader's answer made no sense, so nothing of this file was taken.",
                    "Open it, save it under a new name and send that, or export CSV (UTF-8).",
                )))
            }
        });
        None
    }

    /// What came last; none if there was more. A consumer may have stopped right behind the last row.
    pub(super) fn finish(mut self) -> Option<Last> {
        drop(self.next());
        self.last
    }
}
