//! Every trap of `tests/fixtures/text` to its frames, as snapshots: header, rows, notes, refusals.

use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;

use crate::parse::agreement::{Agreement, Delimiter, FixedColumn};
use crate::parse::limits::ReadLimits;
use crate::parse::read::read;
use crate::parse::row::{CellKind, RawRow};
use crate::parse::wire::{Decoder, Frame};

fn frames(file: &[u8], agreement: &Agreement) -> Vec<Frame> {
    let limits = ReadLimits::default();
    let mut pipe = Vec::new();
    read(Cursor::new(file), &limits, agreement, &mut pipe).unwrap();
    let mut decoder = Decoder::new(pipe.as_slice(), &limits);
    let mut frames = Vec::new();
    while let Some(frame) = decoder.decode().unwrap() {
        frames.push(frame);
    }
    frames
}

fn shown(row: &RawRow) -> String {
    let cell = |kind, text: &str| {
        let text = text.escape_debug();
        if kind == CellKind::Text {
            text.to_string()
        } else {
            format!("{kind:?}({text})")
        }
    };
    let cells: Vec<String> = row.cells().map(|it| cell(it.kind, it.text)).collect();
    format!("{:>3}: {}", row.row, cells.join(" | "))
}

/// A line a frame.
fn story(file: &[u8], agreement: &Agreement) -> String {
    let mut story = String::new();
    for frame in frames(file, agreement) {
        match frame {
            Frame::Layout(layout) => writeln!(
                story,
                "{}, {}, {:?}",
                layout.kind.as_str(),
                layout.encoding.unwrap_or_default(),
                layout.delimiter.map(char::from)
            ),
            Frame::Note(note) => writeln!(
                story,
                "{} {} {:?}: {} {}",
                note.severity.as_str(),
                note.code,
                note.row,
                note.message,
                note.remedy
            ),
            Frame::Header(header) => {
                writeln!(story, "{:>3}> {}", header.row, header.labels.join(" | "))
            }
            Frame::Row(row) => writeln!(story, "{}", shown(&row)),
            Frame::Refused(finding) => writeln!(
                story,
                "refused {} {:?}: {} {}",
                finding.code, finding.row, finding.message, finding.remedy
            ),
            Frame::End { rows } => writeln!(story, "{rows} rows"),
        }
        .unwrap();
    }
    story
}

fn agreement_for(name: &str) -> Agreement {
    let mut agreement = Agreement::default();
    match name {
        "latin1-agreed.csv" | "utf8-although-agreed.csv" => {
            agreement.encoding = Some("windows-1252".to_owned());
        }
        "delimiter-changed.csv" => agreement.delimiter = Delimiter::Seen(b';'),
        "fixed.txt" | "fixed-with-header.txt" => {
            agreement.fixed_width = [("Emp ID", 1, 6), ("Name", 7, 12), ("Hired", 19, 10)]
                .map(|(name, start, width)| FixedColumn {
                    name: name.to_owned(),
                    start,
                    width,
                })
                .to_vec();
        }
        _ => {}
    }
    agreement
}

#[test]
fn every_trap_comes_to_what_its_snapshot_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/text");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.contains(".snap"))
        .collect();
    names.sort();
    assert!(names.len() > 30);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../../tests/fixtures/text");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for name in names {
            let file = std::fs::read(folder.join(&name)).unwrap();
            insta::assert_snapshot!(name.as_str(), story(&file, &agreement_for(&name)));
        }
    });
}

proptest::proptest! {
    /// Fixed width, any encoding, any dialect: whatever the bytes, there is an end.
    #[test]
    fn any_text_under_any_agreement_comes_to_an_end(
        bytes in proptest::collection::vec(proptest::sample::select(b"a1 ,;'\"\\\t\r\n\0\x1a\xe9\xc3\xa9\xff\xfe=".to_vec()), 0..300),
        fixed: bool,
        seen in proptest::option::of(0..=255_u8),
        encoding in proptest::option::of("utf-8|windows-1252|shift_jis|iso-2022-jp"),
    ) {
        let mut agreement = if fixed { agreement_for("fixed.txt") } else { Agreement::default() };
        agreement.delimiter = seen.map_or(Delimiter::Unknown, Delimiter::Seen);
        agreement.encoding = encoding;
        let frames = frames(&bytes, &agreement);
        let ends = matches!(frames.last(), Some(Frame::End { .. } | Frame::Refused(_)));
        proptest::prop_assert!(ends);
    }
}
