//! Old workbooks, record by record as programs write them, and against calamine.

mod build;

use std::io::Cursor;

use calamine::{Reader as _, Xls};
use proptest::prelude::*;

use super::*;
use crate::parse::agreement::Agreement;
use crate::parse::finding::{Finding, code};
use crate::parse::limits::ReadLimits;
use crate::parse::read::workbook::theirs::canonical;
use crate::parse::wire::{Decoder, Frame};
use build::*;

const STAFF: &[u8] = include_bytes!("../../../../../../tests/fixtures/staff.xls");

fn limits() -> ReadLimits {
    ReadLimits {
        rows: 70_000,
        columns: 300,
        cell_length_bytes: 1000,
        ..ReadLimits::default()
    }
}

fn frames(file: &[u8]) -> Vec<Frame> {
    let agreement = Agreement::default();
    let mut pipe = Vec::new();
    let mut table = Table::new(&mut pipe, &limits(), &agreement);
    match read(Cursor::new(file), &mut table).and_then(|()| table.finish()) {
        Ok(()) => {}
        Err(Stop::Refused(finding)) => table.encoder.refused(&finding).unwrap(),
        Err(Stop::Io(error)) => panic!("{error}"),
    }
    let mut decoder = Decoder::new(pipe.as_slice(), &limits());
    let mut frames = Vec::new();
    while let Some(frame) = decoder.decode().unwrap() {
        frames.push(frame);
    }
    frames
}

fn refusal(file: &[u8]) -> Finding {
    match frames(file).pop() {
        Some(Frame::Refused(finding)) => finding,
        other => panic!("{other:?}"),
    }
}

/// Number of each row and its texts, the header first.
fn rows(file: &[u8]) -> Vec<(u64, Vec<String>)> {
    let mut rows = Vec::new();
    for frame in frames(file) {
        match frame {
            Frame::Header(header) => rows.push((header.row, header.labels)),
            Frame::Row(row) => rows.push((
                row.row,
                row.cells().map(|cell| cell.text.to_owned()).collect(),
            )),
            Frame::Refused(finding) => panic!("{finding:?}"),
            _ => {}
        }
    }
    rows
}

/// Every cell of the first sheet: row and column, kind, text.
fn cells_of(file: &[u8]) -> Vec<((u32, u32), CellKind, String)> {
    let mut stream = container::workbook(Cursor::new(file)).unwrap();
    let globals = Globals::read(&mut stream, 1000).unwrap();
    let mut cells = Vec::new();
    let at = globals.sheets[0].at;
    sheet::cells(&mut stream, at, &globals, |at, kind, text| {
        cells.push((at, kind, text.to_owned()));
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    cells
}

fn row(number: u64, cells: &[&str]) -> (u64, Vec<String>) {
    (
        number,
        cells.iter().map(|cell| (*cell).to_owned()).collect(),
    )
}

#[test]
fn calamine_reads_the_same_cells() {
    let mut workbook = Xls::new(Cursor::new(STAFF)).unwrap();
    let range = workbook.worksheet_range_at(0).unwrap().unwrap();
    let theirs: Vec<_> = range
        .used_cells()
        .map(|(row, column, value)| {
            let at = (u32::try_from(row).unwrap(), u32::try_from(column).unwrap());
            let (kind, text) = canonical(value);
            (at, kind, text.into_owned())
        })
        .collect();
    assert_eq!(cells_of(STAFF), theirs);
}

#[test]
fn every_record_that_holds_a_cell_is_read() {
    let mut book = Book::new(&["id", "Zoë"]);
    book.formats = vec![0, 0, 14];
    let file = book.file(&[
        number(1, 0, 0, 45000.5),
        short_number(1, 1, 0, 18 << 2 | 2),
        short_number(1, 2, 0, (1234 << 2) | 3),
        short_number(1, 3, 0, (-7_i32 << 2).cast_unsigned() | 2),
        short_number(1, 4, 0, 0x4059_0000),
        short_numbers(2, 0, &[(0, 5 << 2 | 2), (2, 44_197 << 2 | 2)]),
        shared_text(3, 0, 1),
        text(3, 1, "Ada"),
        rich_text(3, 2, "Grace"),
        flag(4, 0, true),
        error(4, 1),
        formula(5, 0, 2.5_f64.to_le_bytes()),
        formula(5, 1, [1, 0, 0, 0, 0, 0, 0xff, 0xff]),
        formula(5, 2, [2, 0, 42, 0, 0, 0, 0xff, 0xff]),
        formula(5, 3, [3, 0, 0, 0, 0, 0, 0xff, 0xff]),
        formula(6, 0, [0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        record(0x04bc, &[0; 10]),
        result("worked out"),
        formula(6, 1, [0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        flag(7, 0, false),
    ]);
    let cell = |row, column, kind, text: &str| ((row, column), kind, text.to_owned());
    assert_eq!(
        cells_of(&file),
        [
            cell(1, 0, CellKind::Number, "45000.5"),
            cell(1, 1, CellKind::Number, "18"),
            cell(1, 2, CellKind::Number, "12.34"),
            cell(1, 3, CellKind::Number, "-7"),
            cell(1, 4, CellKind::Number, "100"),
            cell(2, 0, CellKind::Number, "5"),
            cell(2, 1, CellKind::Date, "2021-01-01"),
            cell(3, 0, CellKind::Text, "Zoë"),
            cell(3, 1, CellKind::Text, "Ada"),
            cell(3, 2, CellKind::Text, "Grace"),
            cell(4, 0, CellKind::Flag, "true"),
            cell(4, 1, CellKind::Error, ""),
            cell(5, 0, CellKind::Number, "2.5"),
            cell(5, 1, CellKind::Flag, "false"),
            cell(5, 2, CellKind::Error, ""),
            cell(5, 3, CellKind::Text, ""),
            cell(6, 0, CellKind::Text, "worked out"),
            cell(6, 1, CellKind::Uncomputed, ""),
            cell(7, 0, CellKind::Flag, "false"),
        ]
    );
}

#[test]
fn a_key_that_is_shown_with_zeros_is_read_with_them() {
    let mut book = Book::new(&["Employee ID", "Hire date"]);
    book.custom = vec![(164, "00000"), (165, "dd/mm/yyyy")];
    book.formats = vec![0, 164, 165];
    let cells = [
        shared_text(0, 0, 0),
        shared_text(0, 1, 1),
        number(1, 0, 1, 123.0),
        number(1, 1, 2, 45_678.0),
    ];
    let file = book.file(&cells);
    assert_eq!(rows(&file)[1], row(2, &["00123", "2025-01-21"]));
    book.from_1904 = true;
    let file = book.file(&cells);
    assert_eq!(rows(&file)[1], row(2, &["00123", "2029-01-22"]));
}

#[test]
fn a_number_format_that_makes_no_sense_refuses_nothing() {
    let mut book = Book::new(&["id"]);
    book.strange = record(0x041e, &[0x2c, 0, 0, 0, 0x3a, b'_', b'(', b'#']);
    let file = book.file(&[shared_text(0, 0, 0), number(1, 0, 0, 7.0)]);
    assert_eq!(rows(&file), [row(1, &["id"]), row(2, &["7"])]);
}

#[test]
fn a_stream_that_is_shorter_than_it_claims_is_read_if_nothing_is_missing() {
    let stream = Book::new(&["id"]).stream(&[shared_text(0, 0, 0)]);
    let mut file = compound(&[("Workbook", &stream)], 4096);
    // The second entry of the directory, in the second sector, claims a megabyte.
    let claim = 512 + 512 + 128 + 120;
    assert_eq!(file[claim..claim + 4], 4096_u32.to_le_bytes());
    file[claim..claim + 4].copy_from_slice(&1_000_000_u32.to_le_bytes());
    assert_eq!(rows(&file), [row(1, &["id"])]);
}

#[test]
fn a_workbook_of_crystal_reports_has_its_stream_in_capital_letters() {
    let stream = Book::new(&["id"]).stream(&[shared_text(0, 0, 0)]);
    for name in ["Workbook", "WORKBOOK", "BOOK", "Book", "workbook"] {
        let file = compound(&[("Other", &[7; 5000]), (name, &stream)], 4096);
        assert_eq!(rows(&file), [row(1, &["id"])], "{name}");
    }
}

#[test]
fn a_workbook_is_found_among_small_sectors_and_large_ones() {
    let stream = Book::new(&["id"]).stream(&[shared_text(0, 0, 0)]);
    assert!(stream.len() < 4096);
    let file = compound(&[("Other", &[7; 100]), ("Workbook", &stream)], 0);
    assert_eq!(rows(&file), [row(1, &["id"])]);
    // More sectors than the header has room for in its list.
    let other = vec![7; 512 * 128 * 109];
    let file = compound(&[("Other", &other), ("Workbook", &stream)], 4096);
    assert_eq!(rows(&file), [row(1, &["id"])]);
}

#[test]
fn a_lonely_cell_in_the_last_row_asks_for_no_memory() {
    let cells = [shared_text(0, 0, 0), shared_text(65_535, 255, 0)];
    let file = Book::new(&["id"]).file(&cells);
    assert_eq!(rows(&file), [row(1, &["id"])]);
    assert_eq!(cells_of(&file).len(), 2);
}

#[test]
fn rows_in_no_order_are_put_in_order() {
    let file = Book::new(&["id", "A"]).file(&[
        text(2, 0, "3"),
        text(2, 0, "three"),
        shared_text(0, 0, 0),
        text(1, 0, "2"),
    ]);
    let expected = [row(1, &["id"]), row(2, &["2"]), row(3, &["three"])];
    assert_eq!(rows(&file), expected);
}

#[test]
fn a_text_goes_on_in_another_record_in_other_letters() {
    let long = "é".repeat(9000);
    let file = Book::new(&["id", &long, "Łódź 😀", "", "last"]).file(&[
        shared_text(0, 0, 0),
        shared_text(0, 1, 2),
        shared_text(0, 2, 4),
        shared_text(0, 3, 1),
    ]);
    let cells = cells_of(&file);
    let texts: Vec<&str> = cells.iter().map(|cell| cell.2.as_str()).collect();
    assert_eq!(texts[..3], ["id", "Łódź 😀", "last"]);
    // What is too long is kept as far as that can be told.
    assert!(texts[3].len() > 1000 && texts[3].len() < 1010);
}

#[test]
fn before_excel_97_texts_are_in_a_code_page() {
    let file = compound(&[("Book", &old_book(1251, b"\xc8\xec\xff"))], 4096);
    assert_eq!(rows(&file), [row(1, &["Имя"])]);
    let file = compound(&[("Book", &old_book(1252, b"Zo\xeb"))], 4096);
    assert_eq!(rows(&file), [row(1, &["Zoë"])]);
}

#[test]
fn records_without_a_container_are_read_as_small_scripts_write_them() {
    let cells = |begin: &[u8]| {
        let label = b"\x04\x02\x0a\0\0\0\0\0\0\0\x02\0id";
        let number = number(1, 0, 0, 7.0);
        [begin, label, &number, &record(0x000a, &[])].concat()
    };
    for begin in [
        &[0, 0, 0x10, 0, 0, 0, 0, 0][..],
        &[0, 5, 0x10, 0, 0, 0, 0, 0],
    ] {
        let file = cells(&record(0x0809, begin));
        assert_eq!(rows(&file), [row(1, &["id"]), row(2, &["7"])]);
    }
    let file = Book::new(&["id"]).stream(&[shared_text(0, 0, 0)]);
    assert_eq!(rows(&file), [row(1, &["id"])]);
}

#[test]
fn a_chart_in_a_sheet_is_passed_over() {
    let file = Book::new(&["id"]).file(&[
        record(0x0809, &[0, 6, 0x20, 0, 0, 0, 0, 0]),
        number(5, 5, 0, 7.0),
        record(0x000a, &[]),
        shared_text(0, 0, 0),
    ]);
    assert_eq!(rows(&file), [row(1, &["id"])]);
}

#[test]
fn a_password_and_an_edition_that_is_too_old_are_named() {
    let begin = record(0x0809, &[0, 6, 5, 0, 0, 0, 0, 0]);
    let locked = [begin, record(0x00e1, &[0, 0]), record(0x002f, &[0; 6])].concat();
    let finding = refusal(&compound(&[("Workbook", &locked)], 4096));
    assert_eq!(finding.code, code::PASSWORD_PROTECTED);
    let finding = refusal(&compound(&[("Book", &record(0x0409, &[0; 6]))], 4096));
    assert!(finding.message.contains("Excel 4"), "{finding:?}");
}

#[test]
fn what_breaks_off_or_goes_in_circles_is_damage() {
    let whole = Book::new(&["id"]).stream(&[shared_text(0, 0, 0), number(1, 0, 0, 1.0)]);
    // Without the end of the sheet, rows may be lost.
    for length in [whole.len() - 4, whole.len() - 9, whole.len() / 2, 3, 1] {
        let file = compound(&[("Workbook", &whole[..length])], 0);
        assert_eq!(refusal(&file).code, code::FORMAT_ERROR, "{length}");
    }
    let file = compound(&[("Workbook", &whole)], 4096);
    for length in [0, 8, 500, 600, file.len() - 4000] {
        assert_eq!(refusal(&file[..length]).code, code::FORMAT_ERROR);
    }
    let mut circle = file;
    // The chain of the directory, whose sector is the second one, leads to itself.
    circle[512 + 4..512 + 8].copy_from_slice(&1_u32.to_le_bytes());
    assert_eq!(refusal(&circle).code, code::FORMAT_ERROR);
}

#[test]
fn sheets_that_are_all_the_same_bytes_are_refused() {
    let blanks = record(0x0201, &[0; 6]).repeat(200_000);
    let book = Book::new(&["id"]);
    let whole = book.stream(&[blanks]);
    // Sixty sheets in the place of one.
    let at = whole.windows(2).position(|two| two == [0x85, 0]).unwrap();
    let sheet = whole[at..at + 17].to_vec();
    let more = sheet.len() * 59;
    let mut sheets = sheet.repeat(60);
    for one in sheets.chunks_mut(17) {
        let start = u32::from_le_bytes(*one[4..].first_chunk().unwrap());
        let start = start + u32::try_from(more).unwrap();
        one[4..8].copy_from_slice(&start.to_le_bytes());
    }
    let stream = [&whole[..at], &sheets, &whole[at + 17..]].concat();
    let finding = refusal(&compound(&[("Workbook", &stream)], 4096));
    assert!(finding.message.contains("same bytes"), "{finding:?}");
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic(flips in prop::collection::vec((0..STAFF.len(), any::<u8>()), 1..20), length in 0..=STAFF.len()) {
        let mut file = STAFF.to_vec();
        for (at, byte) in flips {
            file[at] = byte;
        }
        frames(&file);
        frames(&file[..length]);
    }

    #[test]
    fn no_records_make_it_panic(kinds in prop::collection::vec((0..12_usize, prop::collection::vec(any::<u8>(), 0..40)), 0..30)) {
        let kinds = kinds.into_iter().map(|(kind, body)| {
            let kind = [0x0203, 0x027e, 0xbd, 0xfd, 0x0204, 0xd6, 0x0205, 6, 0x0207, 0x3c, 0x0809, 0xa][kind];
            record(kind, &body)
        });
        frames(&Book::new(&["id"]).file(&kinds.collect::<Vec<_>>()));
    }
}
