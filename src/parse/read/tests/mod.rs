//! Files of every kind to frames, hostile ones too.

pub(in crate::parse::read) mod damage;
pub(in crate::parse::read) mod golden;
pub(in crate::parse::read) mod mangle;

use std::io::Cursor;
use std::time::Duration;

use rust_xlsxwriter::{Format as CellFormat, Formula, Workbook};

use super::*;
use crate::parse::finding::{Finding, code};
use crate::parse::row::CellKind;
use crate::parse::wire::{Decoder, Frame};

fn limits() -> ReadLimits {
    ReadLimits {
        rows: 50,
        columns: 20,
        cell_length_bytes: 1000,
        plain_bytes: 0,
        memory_bytes: 0,
        time: Duration::ZERO,
    }
}

/// What comes out, through the wire and back.
fn frames(file: &[u8]) -> Vec<Frame> {
    frames_of(file, &Agreement::default())
}

fn frames_of(file: &[u8], agreement: &Agreement) -> Vec<Frame> {
    let mut pipe = Vec::new();
    read(Cursor::new(file.to_vec()), &limits(), agreement, &mut pipe).unwrap();
    let mut decoder = Decoder::new(pipe.as_slice(), &limits());
    let mut frames = Vec::new();
    while let Some(frame) = decoder.decode().unwrap() {
        frames.push(frame);
    }
    frames
}

/// Header and rows as texts, each with its number.
fn rows(file: &[u8]) -> Vec<(u64, Vec<String>)> {
    let mut rows = Vec::new();
    for frame in frames(file) {
        match frame {
            Frame::Header(header) => rows.push((header.row, header.labels)),
            Frame::Row(row) => {
                rows.push((
                    row.row,
                    row.cells().map(|cell| cell.text.to_owned()).collect(),
                ));
            }
            Frame::End { rows: count } => assert_eq!(count + 1, rows.len() as u64),
            Frame::Layout(_) | Frame::Note(_) => {}
            Frame::Refused(finding) => panic!("{finding:?}"),
        }
    }
    rows
}

fn refusal(file: &[u8]) -> Finding {
    match frames(file).pop() {
        Some(Frame::Refused(finding)) => finding,
        other => panic!("{other:?}"),
    }
}

fn kinds(file: &[u8]) -> Vec<(CellKind, String)> {
    frames(file)
        .iter()
        .filter_map(|frame| match frame {
            Frame::Row(row) => Some(row),
            _ => None,
        })
        .flat_map(|row| {
            row.cells()
                .map(|cell| (cell.kind, cell.text.to_owned()))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn row(number: u64, cells: &[&str]) -> (u64, Vec<String>) {
    (
        number,
        cells.iter().map(|cell| (*cell).to_owned()).collect(),
    )
}

/// A file that no one here wrote. They lie beside the repository; in a clone without them there is nothing to test, but CI has them.
fn shared(path: &str) -> Option<Vec<u8>> {
    let found = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|above| above.join("shared/data").join(path))
        .find(|path| path.is_file());
    assert!(
        found.is_some() || std::env::var_os("CI").is_none(),
        "shared/data/{path} is beside no parent of the repository"
    );
    found.map(|path| std::fs::read(path).unwrap())
}

fn workbook(fill: impl FnOnce(&mut Workbook)) -> Vec<u8> {
    let mut workbook = Workbook::new();
    fill(&mut workbook);
    workbook.save_to_buffer().unwrap()
}

#[test]
fn text_with_a_mark_blank_rows_and_control_z_gives_its_rows() {
    let file = b"\xef\xbb\xbfid;name\r\n1;\"Lovelace; Ada\"\r\n\r\n;\r\n2;\"5\"\"\"\r\n\x1a";
    assert_eq!(
        rows(file),
        [
            row(1, &["id", "name"]),
            row(2, &["1", "Lovelace; Ada"]),
            row(5, &["2", "5\""])
        ]
    );
}

#[test]
fn ragged_rows_come_as_they_are() {
    assert_eq!(
        rows(b"employee_id,name\n1\n1,2,3\n"),
        [
            row(1, &["employee_id", "name"]),
            row(2, &["1"]),
            row(3, &["1", "2", "3"])
        ]
    );
}

#[test]
fn a_row_that_is_not_utf_8_is_marked_and_a_header_refuses_the_file() {
    assert_eq!(
        kinds(b"\xef\xbb\xbfid,name\n1,M\xfcller\n"),
        [
            (CellKind::Text, "1".to_owned()),
            (CellKind::Undecodable, "M\u{fffd}ller".to_owned())
        ]
    );
    assert_eq!(
        refusal(b"\xef\xbb\xbfid,Stra\xdfe\n1,a\n").code,
        code::ENCODING_ERROR
    );
}

#[test]
fn swallowed_rows_refuse_the_file_and_name_the_line() {
    let finding = refusal(b"id,name\n1,Ada\n2,\"Grace\n3,Edsger\n");
    assert_eq!(finding.code, code::UNBALANCED_QUOTE);
    assert_eq!(finding.row, Some(3));
}

#[test]
fn too_many_rows_or_columns_refuse_the_file() {
    let rows = format!("id\n{}", "1\n".repeat(51));
    assert_eq!(refusal(rows.as_bytes()).code, code::TABLE_DIMENSIONS);
    let columns = format!("id{}\n", ",x".repeat(20));
    assert_eq!(refusal(columns.as_bytes()).code, code::TABLE_DIMENSIONS);
}

#[test]
fn a_file_of_empty_cells_has_no_header() {
    assert_eq!(refusal(b",,\n,,\n").code, code::BLANK_HEADER);
    let empty = workbook(|workbook| {
        workbook.add_worksheet();
    });
    assert_eq!(refusal(&empty).code, code::BLANK_HEADER);
}

/// What csv-spectrum has of this name: the rows that are read, each as an object, and what its JSON says.
fn spectrum(name: &str) -> Option<(serde_json::Value, serde_json::Value)> {
    let file = |ending| shared(&format!("csv-spectrum/csvspectrum__{name}.{ending}"));
    let (csv, json) = (file("csv")?, file("json")?);
    let mut rows = rows(&csv).into_iter();
    let (_, labels) = rows.next().unwrap();
    let read = rows.map(|(_, cells)| {
        let pairs = labels
            .iter()
            .cloned()
            .zip(cells.into_iter().map(Into::into));
        serde_json::Value::Object(pairs.collect())
    });
    Some((read.collect(), serde_json::from_slice(&json).unwrap()))
}

#[test]
fn csv_spectrum_is_read_as_its_authors_mean_it() {
    for name in [
        "comma_in_quotes",
        "empty",
        "empty_crlf",
        "escaped_quotes",
        "json",
        "newlines",
        "newlines_crlf",
        "quotes_and_newlines",
        "simple",
        "simple_crlf",
        "utf8",
    ] {
        let Some((read, meant)) = spectrum(name) else {
            continue;
        };
        // The files with CR LF have lost their CR on the way to their archive, and the JSON of one has not.
        let plain = |value: serde_json::Value| value.to_string().replace("\\r\\n", "\\n");
        assert_eq!(plain(read), plain(meant), "{name}");
    }
}

/// The twelfth file of csv-spectrum says something else than its own JSON, which is no list and has another telephone number; all the rest of it is read
/// as it is meant. (The same bytes stand for a degree sign in both: they were no UTF-8 once.)
#[test]
fn of_csv_spectrum_one_file_differs_from_its_own_json_by_a_telephone_number() {
    let Some((read, mut meant)) = spectrum("location_coordinates") else {
        return;
    };
    let telephone = &mut meant["Contact Phone Number"];
    assert_eq!(*telephone, "1234567890");
    *telephone = "2095257564".into();
    assert_eq!(read, serde_json::Value::Array(vec![meant]));
}

#[test]
fn a_workbook_gives_ids_dates_and_numbers_in_canonical_text() {
    let file = workbook(|workbook| {
        let sheet = workbook.add_worksheet();
        let date = CellFormat::new().set_num_format("dd/mm/yyyy");
        let time = CellFormat::new().set_num_format("[h]:mm");
        let padded = CellFormat::new().set_num_format("00000");
        for (column, label) in (0..).zip([
            "id", "n", "date", "moment", "sum", "flag", "zip", "hours", "long",
        ]) {
            sheet.write(2, column, label).unwrap();
        }
        sheet.write(4, 0, "00123").unwrap();
        sheet.write(4, 1, 42).unwrap();
        sheet.write_with_format(4, 2, 45_678, &date).unwrap();
        sheet.write_with_format(4, 3, 45_678.5, &date).unwrap();
        sheet.write(4, 4, 0.1 + 0.2).unwrap();
        sheet.write(4, 5, true).unwrap();
        sheet.write_with_format(4, 6, 2148, &padded).unwrap();
        sheet.write_with_format(4, 7, 1.5, &time).unwrap();
        sheet.write(4, 8, 12_345_678_901_234_567_890_f64).unwrap();
        sheet.write_blank(4, 12, &date).unwrap();
    });
    let cells: Vec<(CellKind, String)> = [
        (CellKind::Text, "00123"),
        (CellKind::Number, "42"),
        (CellKind::Date, "2025-01-21"),
        (CellKind::Date, "2025-01-21T12:00:00"),
        (CellKind::Number, "0.3"),
        (CellKind::Flag, "true"),
        (CellKind::Number, "02148"),
        (CellKind::Time, ""),
        (CellKind::LongNumber, "12345678901234567000"),
    ]
    .map(|(kind, text)| (kind, text.to_owned()))
    .to_vec();
    assert_eq!(kinds(&file), cells);
    let numbers: Vec<u64> = rows(&file).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [3, 5]);
}

#[test]
fn the_only_visible_sheet_that_holds_something_is_read() {
    let file = workbook(|workbook| {
        workbook.add_worksheet();
        workbook
            .add_worksheet()
            .set_hidden(true)
            .write(0, 0, "old")
            .unwrap();
        workbook.add_worksheet().write(0, 0, "id").unwrap();
    });
    assert_eq!(rows(&file), [row(1, &["id"])]);

    let two = workbook(|workbook| {
        workbook
            .add_worksheet()
            .set_name("Staff")
            .unwrap()
            .write(0, 0, "id")
            .unwrap();
        workbook
            .add_worksheet()
            .set_name("Notes")
            .unwrap()
            .write(0, 0, "x")
            .unwrap();
    });
    let finding = refusal(&two);
    assert_eq!(finding.code, code::SEVERAL_SHEETS);
    assert!(
        finding.message.contains("\"Staff\", \"Notes\""),
        "{}",
        finding.message
    );
}

#[test]
fn errors_in_cells_are_marked() {
    let file = workbook(|workbook| {
        let sheet = workbook.add_worksheet();
        sheet.write(0, 0, "id").unwrap();
        sheet
            .write(1, 0, Formula::new("=NA()").set_result("#N/A"))
            .unwrap();
    });
    assert_eq!(kinds(&file), [(CellKind::Error, String::new())]);
}

/// The workbook with every occurrence of `from` in its first sheet replaced, as no library of ours would write it.
fn rewritten(workbook: &[u8], from: &str, to: &str) -> Vec<u8> {
    use std::io::{Read as _, Write as _};

    let mut before = zip::ZipArchive::new(Cursor::new(workbook)).unwrap();
    let mut after = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for at in 0..before.len() {
        let mut part = before.by_index(at).unwrap();
        let name = part.name().unwrap().into_owned();
        let mut text = String::new();
        part.read_to_string(&mut text).unwrap();
        if name == "xl/worksheets/sheet1.xml" {
            assert!(text.contains(from), "{text}");
            text = text.replace(from, to);
        }
        let options = zip::write::SimpleFileOptions::default();
        after.start_file(name, options).unwrap();
        after.write_all(text.as_bytes()).unwrap();
    }
    after.finish().unwrap().into_inner()
}

#[test]
fn a_formula_without_a_result_is_not_an_empty_cell() {
    let file = workbook(|workbook| {
        let sheet = workbook.add_worksheet();
        for (column, label) in (0..).zip(["id", "status", "name", "note"]) {
            sheet.write(0, column, label).unwrap();
        }
        sheet.write(1, 0, "1").unwrap();
        let leaver = Formula::new("=IF(TRUE,\"left\",\"\")").set_result("77");
        sheet.write(1, 1, leaver).unwrap();
        let name = Formula::new("=A1&B1").set_result("Ada");
        sheet.write(1, 2, name).unwrap();
        let nothing = Formula::new("=\"\"").set_result("nothing");
        sheet.write(1, 3, nothing).unwrap();
    });
    // Excel stores an empty result as such.
    let file = rewritten(&file, "<v>nothing</v>", "<v></v>");
    let cells = |status: (CellKind, &str)| {
        [
            (CellKind::Text, "1"),
            status,
            (CellKind::Text, "Ada"),
            (CellKind::Text, ""),
        ]
        .map(|(kind, text)| (kind, text.to_owned()))
    };
    assert_eq!(kinds(&file), cells((CellKind::Number, "77")));
    for nothing in ["", "<v></v>", "<v/>"] {
        assert_eq!(
            kinds(&rewritten(&file, "<v>77</v>", nothing)),
            cells((CellKind::Uncomputed, "")),
            "{nothing}"
        );
    }
}

#[test]
fn a_value_far_out_refuses_the_workbook() {
    for (row, column) in [(1_048_575, 16_383), (1, 20), (51, 0)] {
        let file = workbook(|workbook| {
            let sheet = workbook.add_worksheet();
            sheet.write(0, 0, "id").unwrap();
            sheet.write(row, column, "x").unwrap();
        });
        assert_eq!(
            refusal(&file).code,
            code::TABLE_DIMENSIONS,
            "{row} {column}"
        );
    }
}

#[test]
fn a_cut_workbook_is_refused() {
    let file = workbook(|workbook| {
        workbook.add_worksheet().write(0, 0, "id").unwrap();
    });
    for length in [4, 100, file.len() / 2, file.len() - 30] {
        assert_eq!(
            refusal(&file[..length]).code,
            code::FORMAT_ERROR,
            "{length}"
        );
    }
}

#[test]
fn an_old_workbook_reads_like_a_new_one() {
    let file = include_bytes!("../../../../tests/fixtures/staff.xls");
    assert_eq!(
        rows(file),
        [
            row(1, &["Employee ID", "Name", "Hire Date", "Salary", "Active"]),
            row(
                2,
                &["00017", "Ada Example", "2020-02-29", "45000.5", "true"]
            ),
            row(4, &["18", "Zoë Muster", "2021-12-31", "50000", "false"])
        ]
    );
    let cells = kinds(file);
    assert_eq!(cells[0].0, CellKind::Text);
    assert_eq!(cells[5], (CellKind::Number, "18".to_owned()));
}

proptest::proptest! {
    /// Whatever the bytes, what is written can be decoded and ends properly.
    #[test]
    fn any_text_gives_frames_within_the_limits(text in "[a\",;\r\n\u{e9}]{1,200}") {
        let frames = frames(text.as_bytes());
        let ends_properly = matches!(frames.last(), Some(Frame::End { .. } | Frame::Refused(_)));
        proptest::prop_assert!(ends_properly);
    }

    #[test]
    fn any_bytes_give_frames_within_the_limits(file: Vec<u8>) {
        frames(&file);
    }
}
