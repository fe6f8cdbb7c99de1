//! Pure. What the reader's child process tells its parent: what the file is, one header, then rows, then the end; or a refusal. Notes may stand anywhere.
//!
//! A frame is a tag, the length of its payload (`u32`, little endian) and the payload. The child encodes; the parent decodes, and takes
//! every byte for hostile, because a workbook may have taken the child over: [`Decoder`] allocates no more than the limits allow, and
//! whatever breaks the order or the form of the frames is [`WireError::Garbage`]. It never panics.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

mod decoder;
mod encoder;
pub mod photo;

pub use decoder::{Decoded, Decoder, WireError};
pub use encoder::Encoder;

use crate::parse::finding::Finding;
use crate::parse::layout::Layout;
use crate::parse::row::{Header, RawRow};

/// One message of the child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// First, unless the file is refused before.
    Layout(Layout),
    /// Something worth knowing about the file, which refuses nothing. Anywhere before the end.
    Note(Finding),
    /// Behind the layout and before the rows.
    Header(Header),
    /// In ascending order of their number.
    Row(RawRow),
    /// The file cannot be read, or not any further. Nothing follows.
    Refused(Finding),
    /// The file was read to its end and had so many rows. Nothing follows.
    End { rows: u64 },
}

const LAYOUT: u8 = b'L';
const NOTE: u8 = b'N';
const HEADER: u8 = b'H';
const ROW: u8 = b'R';
const REFUSED: u8 = b'X';
const END: u8 = b'E';
/// Of a row: one byte stands between a cell and the next.
const GAPS: u8 = 1;
/// Of a row: the kind of each cell is told, because not all are text.
const KINDS: u8 = 2;
/// Of a row: the places in its text take four bytes each, and not two.
const WIDE: u8 = 4;
const FINDING_BYTES: usize = 16 * 1024;
const LAYOUT_BYTES: usize = 4 * 1024;
/// Notes of one file: there are only so many kinds of them.
const NOTES: usize = 200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::parse::finding::{Severity, code};
    use crate::parse::layout::TableKind;
    use crate::parse::limits::ReadLimits;
    use crate::parse::row::CellKind;

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

    fn layout() -> Layout {
        Layout {
            kind: TableKind::Delimited,
            encoding: Some("UTF-8".to_owned()),
            delimiter: Some(b','),
            sheet: None,
        }
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
        let note = Finding::file(code::EXTRA_LABEL, "", "");
        assert!(garbage(|pipe| pipe.header(&header).unwrap()).contains("order"));
        let garbage = |write: &dyn Fn(&mut Encoder<&mut Vec<u8>>)| {
            garbage(|pipe| {
                pipe.layout(&layout()).unwrap();
                write(pipe);
            })
        };
        assert!(garbage(&|pipe| pipe.layout(&layout()).unwrap()).contains("order"));
        assert!(garbage(&|pipe| pipe.row(&header).unwrap()).contains("order"));
        assert!(garbage(&|pipe| pipe.end().unwrap()).contains("order"));
        assert!(garbage(&|pipe| pipe.note(&note).unwrap()).contains("refuses"));
        assert!(
            garbage(&|pipe| pipe.header(&row(1, &["a", "b", "c", "d", "e"])).unwrap())
                .contains("columns")
        );
        assert!(
            garbage(&|pipe| pipe.header(&row(1, &[&"x".repeat(33)])).unwrap()).contains("cell")
        );
        assert!(
            garbage(&|pipe| pipe.header(&row(1, &[&"x".repeat(500)])).unwrap()).contains("longer")
        );
        assert!(
            garbage(&|pipe| {
                pipe.header(&header).unwrap();
                for number in 2..6 {
                    pipe.row(&row(number, &["x"])).unwrap();
                }
            })
            .contains("more rows")
        );
        assert!(
            garbage(&|pipe| {
                pipe.header(&header).unwrap();
                pipe.row(&header).unwrap();
            })
            .contains("out of order")
        );
        assert!(
            garbage(&|pipe| {
                pipe.header(&header).unwrap();
                pipe.rows = 1;
                pipe.end().unwrap();
            })
            .contains("count")
        );
        assert!(
            garbage(&|pipe| {
                let finding = Finding::file("no-such-code", "", "");
                pipe.refused(&finding).unwrap();
            })
            .contains("code")
        );
    }

    #[test]
    fn what_stands_between_cells_is_one_byte() {
        let header = |text: &str, ends: [u32; 2]| RawRow {
            text: text.to_owned(),
            ends: ends.to_vec(),
            has_gaps: true,
            ..RawRow::new(1)
        };
        let sent = |header: &RawRow| {
            let mut pipe = Vec::new();
            let mut encoder = Encoder::new(&mut pipe);
            encoder.layout(&layout()).unwrap();
            encoder.header(header).unwrap();
            encoder.end().unwrap();
            decoded(&pipe)
        };
        let frames = sent(&header("id;é", [2, 5])).unwrap();
        let Frame::Header(got) = &frames[1] else {
            panic!("{frames:?}");
        };
        assert_eq!(got.labels, ["id", "é"]);
        // The first half of a letter; a letter cut in two; more text than cells.
        for wrong in [
            header("idé", [2, 4]),
            header("é;a", [1, 4]),
            header("id;a", [2, 3]),
        ] {
            let fault = sent(&wrong).unwrap_err();
            assert!(
                matches!(fault, WireError::Garbage(why) if why.contains("fit")),
                "{fault}"
            );
        }
    }

    #[test]
    fn a_pipe_that_ends_early_is_no_end() {
        let mut pipe = Vec::new();
        let mut encoder = Encoder::new(&mut pipe);
        encoder.layout(&layout()).unwrap();
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
        fn frames_come_out_as_they_went_in(rows in prop::collection::vec(prop::collection::vec((0..10_u8, ".{0,8}"), 0..4), 1..4), has_gaps: bool) {
            let rows: Vec<RawRow> = (1..).zip(rows).map(|(number, cells)| {
                let mut row = RawRow { has_gaps, ..RawRow::new(number * 300) };
                for (kind, text) in cells {
                    row.push(CellKind::from_tag(kind).unwrap(), &text);
                }
                row
            }).collect();
            let mut pipe = Vec::new();
            let mut encoder = Encoder::new(&mut pipe);
            let note = Finding::file(code::EXTRA_LABEL, "A note.", "Nothing.");
            let note = note.with_severity(Severity::Info);
            encoder.layout(&layout()).unwrap();
            encoder.note(&note).unwrap();
            encoder.header(&rows[0]).unwrap();
            for row in &rows[1..] {
                encoder.row(row).unwrap();
            }
            encoder.end().unwrap();

            let frames = decoded(&pipe).unwrap();
            prop_assert_eq!(frames.len(), rows.len() + 3);
            prop_assert_eq!(&frames[0], &Frame::Layout(layout()));
            prop_assert_eq!(&frames[1], &Frame::Note(note));
            for (frame, row) in frames[3..].iter().zip(&rows[1..]) {
                prop_assert_eq!(frame, &Frame::Row(row.clone()));
            }
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(mut pipe: Vec<u8>, tag in 0..6_usize, length in 0..200_u32) {
            drop(decoded(&pipe));
            // With a head that is right more of the decoder is reached.
            let mut framed = vec![[HEADER, ROW, REFUSED, END, LAYOUT, NOTE][tag]];
            framed.extend_from_slice(&length.to_le_bytes());
            framed.append(&mut pipe);
            drop(decoded(&framed));
        }
    }
}
