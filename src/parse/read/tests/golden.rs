//! Every trap of `tests/fixtures/{text,workbooks,markup}` as snapshots: what the file is, notes, header, rows, refusals, and what is found in its rows.

use std::fmt::Write as _;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use crate::parse::agreement::{Agreement, Delimiter, FixedColumn};
use crate::parse::check::columns::Mapping;
use crate::parse::check::{Checked, Checker};
use crate::parse::field::Field;
use crate::parse::finding::Finding;
use crate::parse::limits::ReadLimits;
use crate::parse::read::read;
use crate::parse::row::{CellKind, RawRow};
use crate::parse::wire::{Decoder, Frame};

pub(in crate::parse::read) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// The files of a folder of fixtures, without what is told about them.
pub(in crate::parse::read) fn fixtures(of: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder(of))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, _)| !name.contains(".snap"))
        .map(|(name, path)| (name, std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

pub(in crate::parse::read) fn frames(file: &[u8], agreement: &Agreement) -> Vec<Frame> {
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
fn story(frames: &[Frame]) -> String {
    let mut story = String::new();
    for frame in frames {
        match frame {
            Frame::Layout(layout) => {
                write!(story, "{}", layout.kind.as_str()).unwrap();
                if let Some(encoding) = &layout.encoding {
                    write!(story, ", {encoding}").unwrap();
                }
                if let Some(delimiter) = layout.delimiter {
                    write!(story, ", {:?}", char::from(delimiter)).unwrap();
                }
                if let Some(sheet) = &layout.sheet {
                    write!(story, ", sheet {sheet:?}").unwrap();
                }
                writeln!(story)
            }
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
            Frame::Row(row) => writeln!(story, "{}", shown(row)),
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

/// What whoever checks the rows finds in them: codes and places, a line each. The sentences are held where they are made.
fn findings(frames: Vec<Frame>) -> String {
    let limits = ReadLimits::default();
    let mapping = Mapping {
        required: vec![Field::EmployeeId],
        ..Mapping::default()
    };
    let mut found: Vec<Finding> = Vec::new();
    let mut checker: Option<Checker> = None;
    for frame in frames {
        match frame {
            Frame::Header(header) => match Checker::new(&mapping, &header, &limits) {
                Ok((made, notes)) => {
                    found.extend(notes);
                    checker = Some(made);
                }
                Err(refused) => found.extend(refused),
            },
            Frame::Row(row) => {
                let Some(checker) = &mut checker else {
                    continue;
                };
                let taken = checker.admit(&row, |it, row| found.extend(judged(it, row)));
                if let Err(finding) = taken {
                    found.push(finding);
                    break;
                }
            }
            _ => {}
        }
    }
    if let Some(mut checker) = checker {
        checker.finish(|it, row| found.extend(judged(it, row)));
        found.extend(checker.notes());
    }
    let mut text = String::new();
    for finding in found {
        let row = finding
            .row
            .map_or_else(String::new, |row| format!(" row {row}"));
        let column = finding
            .column
            .map_or_else(String::new, |column| format!(" {column:?}"));
        let severity = finding.severity.as_str();
        writeln!(text, "  {severity} {}{row}{column}", finding.code).unwrap();
    }
    text
}

fn judged(checker: &mut Checker, row: &RawRow) -> Vec<Finding> {
    match checker.check(row) {
        Checked::Record(_, findings) | Checked::Refused { findings, .. } => findings,
        Checked::Blank => Vec::new(),
    }
}

/// What was agreed about some of the files.
pub(in crate::parse::read) fn agreement_for(name: &str) -> Agreement {
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
        _ if name.contains("sheet-agreed") => agreement.sheet = Some("Staff".to_owned()),
        _ => {}
    }
    agreement
}

#[track_caller]
fn come_to_what_their_snapshots_say(of: &str, at_least: usize) {
    let files = fixtures(of);
    assert!(files.len() > at_least, "{} files in {of}", files.len());
    let snapshots = std::fs::read_dir(folder(of)).unwrap();
    let snapshots = snapshots
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".snap").map(str::to_owned))
        .filter(|name| !files.iter().any(|(file, _)| file == name));
    assert_eq!(snapshots.collect::<Vec<_>>(), Vec::<String>::new());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder(of));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, file) in files {
            let frames = frames(&file, &agreement_for(&name));
            let mut story = story(&frames);
            let found = findings(frames);
            if !found.is_empty() {
                story.push_str("found in it:\n");
                story.push_str(&found);
            }
            insta::assert_snapshot!(name.as_str(), story);
        }
    });
}

#[test]
fn every_trap_of_text_comes_to_what_its_snapshot_says() {
    come_to_what_their_snapshots_say("text", 30);
}

#[test]
fn every_trap_of_workbooks_comes_to_what_its_snapshot_says() {
    come_to_what_their_snapshots_say("workbooks", 80);
}

#[test]
fn every_trap_of_markup_comes_to_what_its_snapshot_says() {
    come_to_what_their_snapshots_say("markup", 30);
}
