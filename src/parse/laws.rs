//! Pure. What holds for any file that a sender delivers. Run over the corpus by tests, over everything else by `fuzz/`.

#![expect(
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "a broken law panics"
)]

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::parse::agreement::{Agreement, Delimiter, FixedColumn};
use crate::parse::check::columns::Mapping;
use crate::parse::check::{Checked, Checker};
use crate::parse::field::Field;
use crate::parse::finding::{Finding, Severity};
use crate::parse::limits::ReadLimits;
use crate::parse::photo::{self, Wish, identify};
use crate::parse::read::read;
use crate::parse::row::{Cell, RawRow};
use crate::parse::wire::photo::{HEAD_BYTES, answer, answer_lengths};
use crate::parse::wire::{Decoder, Frame};

fn limits() -> ReadLimits {
    ReadLimits {
        rows: 1_000,
        columns: 64,
        cell_length_bytes: 4_096,
        ..ReadLimits::default()
    }
}

/// Every file ends as read or as refused, within the limits, in frames that the parent takes; and every row of it as a record or with a reason.
pub fn files(bytes: &[u8]) {
    come_to_an_end(bytes, &Agreement::default());
}

/// The same of text under all that can be agreed about it; the first byte chooses.
pub fn texts(bytes: &[u8]) {
    let Some((choice, text)) = bytes.split_first() else {
        return;
    };
    let agreement = match choice % 8 {
        0 => Agreement::default(),
        1 => Agreement {
            delimiter: Delimiter::Declared(b';'),
            ..Agreement::default()
        },
        2 => Agreement {
            delimiter: Delimiter::Seen(b'\t'),
            ..Agreement::default()
        },
        3 => Agreement {
            encoding: Some("windows-1252".to_owned()),
            ..Agreement::default()
        },
        4 => Agreement {
            encoding: Some("Shift_JIS".to_owned()),
            headers: vec!["Staff code".to_owned()],
            ..Agreement::default()
        },
        5 => Agreement {
            encoding: Some("UTF-16LE".to_owned()),
            ..Agreement::default()
        },
        6 => Agreement {
            fixed_width: fixed(&[("Employee ID", 1, 4), ("Name", 5, 8)]),
            ..Agreement::default()
        },
        _ => Agreement {
            fixed_width: fixed(&[("Employee ID", 3, 1), ("Name", 9, 100)]),
            encoding: Some("windows-1252".to_owned()),
            ..Agreement::default()
        },
    };
    come_to_an_end(text, &agreement);
}

fn fixed(columns: &[(&str, usize, usize)]) -> Vec<FixedColumn> {
    let column = |(name, start, width): &(&str, usize, usize)| FixedColumn {
        name: (*name).to_owned(),
        start: *start,
        width: *width,
    };
    columns.iter().map(column).collect()
}

/// The same of pages and of XML Spreadsheet 2003; the first byte chooses, so that what is tried is nearly always one of them.
pub fn markup(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    let head: &[u8] = match choice % 3 {
        0 => b"<table><tr><th>Employee ID",
        1 => b"<?xml version=\"1.0\"?><Workbook xmlns:ss=\"urn:schemas-microsoft-com:office:spreadsheet\"><Worksheet ss:Name=\"Staff\"><Table>",
        _ => b"",
    };
    come_to_an_end(&[head, rest].concat(), &Agreement::default());
}

/// The same of workbooks whose parts are anything: the sheet, the shared texts and the styles, with a zero byte between them.
pub fn workbooks(bytes: &[u8]) {
    const BOOK: &[u8] = br#"<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Staff" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
    const ROOT: &[u8] = br#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
    const RELATIONS: &[u8] = br#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/><Relationship Id="rId3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#;
    let mut own = bytes.splitn(3, |byte| *byte == 0);
    let mut next = || own.next().unwrap_or_default();
    let (sheet, texts, styles) = (next(), next(), next());
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, part) in [
        ("_rels/.rels", ROOT),
        ("xl/workbook.xml", BOOK),
        ("xl/_rels/workbook.xml.rels", RELATIONS),
        ("xl/worksheets/sheet1.xml", sheet),
        ("xl/sharedStrings.xml", texts),
        ("xl/styles.xml", styles),
    ] {
        archive.start_file(name, stored).expect("a part begins");
        archive.write_all(part).expect("a part is written");
    }
    let file = archive.finish().expect("an archive ends").into_inner();
    come_to_an_end(&file, &Agreement::default());
}

/// Every picture is examined without a panic, and one that was conformed is a photo as it should be.
pub fn photos(bytes: &[u8]) {
    let _head = photo::identify(bytes);
    let examined = photo::examine("1.jpg", bytes, Wish::Conform);
    if let Some(conformed) = examined.conformed {
        let again = photo::examine("1.jpg", &conformed, Wish::Tell);
        assert!(again.photo.is_some());
        assert!(
            again.findings.is_empty(),
            "a conformed photo has findings: {:?}",
            again.findings
        );
    }
}

/// What a reader says that a file has taken over: rows within the limits, in order and with cells that stand in their text, until it makes no sense. The first
/// byte chooses between a table's and a photo's.
pub fn answers(bytes: &[u8]) {
    let Some((choice, said)) = bytes.split_first() else {
        return;
    };
    if choice % 2 == 1 {
        if let Some((head, rest)) = said.split_first_chunk::<HEAD_BYTES>()
            && let Ok((found, conformed)) = answer_lengths(*head)
            && let Some((found, rest)) = rest.split_at_checked(found)
            && let Some(conformed) = rest.get(..conformed)
        {
            let answered = answer(found, conformed.to_vec(), Wish::Conform);
            assert!(answered.is_err() || conformed.is_empty() || identify(conformed).is_some());
        }
        return;
    }
    let limits = limits();
    let mut decoder = Decoder::new(said, &limits);
    let (mut rows, mut last) = (0, 0);
    while let Ok(Some(frame)) = decoder.decode() {
        if let Frame::Row(row) = frame {
            rows += 1;
            assert!(rows <= limits.rows && row.row > last);
            last = row.row;
            assert!(row.len() <= limits.columns && row.cells().count() == row.len());
            let is_short = |cell: Cell<'_>| cell.text.len() <= limits.cell_length_bytes;
            assert!(row.cells().all(is_short));
        }
    }
}

fn come_to_an_end(file: &[u8], agreement: &Agreement) {
    let limits = limits();
    let mut pipe = Vec::new();
    let read = read(Cursor::new(file), &limits, agreement, &mut pipe);
    assert!(read.is_ok(), "bytes in memory do not fail: {read:?}");
    let mapping = Mapping {
        required: vec![Field::EmployeeId],
        ..Mapping::default()
    };
    let mut decoder = Decoder::new(pipe.as_slice(), &limits);
    let mut checker: Option<Checker> = None;
    let mut ended = false;
    while let Some(frame) = decoder.decode().expect("frames that the parent takes") {
        assert!(!ended, "something stands behind the end");
        match frame {
            Frame::Header(header) => {
                checker = Checker::new(&mapping, &header, &limits)
                    .ok()
                    .map(|(made, _)| made);
            }
            Frame::Row(row) => {
                if let Some(checker) = &mut checker
                    && checker.admit(&row, judge).is_err()
                {
                    return;
                }
            }
            Frame::Refused(finding) => {
                assert!(!finding.message.is_empty() && !finding.remedy.is_empty());
                ended = true;
            }
            Frame::End { .. } => ended = true,
            Frame::Layout(_) | Frame::Note(_) => {}
        }
    }
    assert!(ended, "nothing says that the file has ended");
    if let Some(checker) = &mut checker {
        checker.finish(judge);
    }
}

fn judge(checker: &mut Checker, row: &RawRow) {
    match checker.check(row) {
        Checked::Record(record, _) => assert!(!record.key().is_empty()),
        Checked::Refused { findings, .. } => {
            let is_error = |finding: &Finding| {
                finding.severity == Severity::Error && !finding.message.is_empty()
            };
            assert!(!findings.is_empty() && findings.iter().all(is_error));
        }
        Checked::Blank => {}
    }
}
