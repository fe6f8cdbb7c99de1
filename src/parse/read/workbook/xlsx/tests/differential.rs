//! What calamine reads in a well-formed workbook is what is read here, cell by cell.

use calamine::{Data, Reader as _, Xlsx};
use proptest::prelude::*;
use rust_xlsxwriter::{Format, Formula, Workbook};

use super::*;
use crate::parse::read::workbook::format::{Shown, custom};
use crate::parse::read::workbook::number;
use crate::parse::read::workbook::theirs::canonical;

type Cells = Vec<((u32, u32), CellKind, String)>;

fn ours(file: &[u8]) -> Cells {
    let mut archive = Archive::open(Cursor::new(file)).unwrap();
    let outline = book::outline(&mut archive).unwrap();
    let context = context(&mut archive, &outline, 1000).unwrap();
    let part = archive.part(&outline.sheets[0].part).unwrap().unwrap();
    let mut cells = Vec::new();
    sheet::cells(Scan::new(part), &context, |at, kind, text| {
        if !says_nothing(kind, text) {
            cells.push((at, kind, text.to_owned()));
        }
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    cells
}

fn theirs(file: &[u8]) -> Cells {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(file)).unwrap();
    let name = workbook.sheet_names()[0].clone();
    let mut reader = workbook.worksheet_cells_reader(&name).unwrap();
    let pads: Vec<usize> = reader
        .styles()
        .iter()
        .map(|style| {
            let format = style.number_format.as_ref();
            match format.map(|format| custom(&format.format_code)) {
                Some(Shown::Padded(digits)) => digits,
                _ => 0,
            }
        })
        .collect();
    let mut cells = Vec::new();
    while let Some((cell, style)) = reader.next_cell_with_style_id().unwrap() {
        let pad = pads.get(style).copied().unwrap_or(0);
        let (kind, text) = match Data::from(cell.get_value().clone()) {
            Data::Float(shown) => number(shown, pad),
            other => {
                let (kind, text) = canonical(&other);
                (kind, text.into_owned())
            }
        };
        if !says_nothing(kind, &text) {
            cells.push((cell.get_position(), kind, text));
        }
    }
    cells
}

#[derive(Debug, Clone)]
enum Value {
    Number(f64),
    Whole(i32),
    Text(String),
    Flag(bool),
    Styled(f64, &'static str),
    Result(String),
    Blank,
}

fn value() -> impl Strategy<Value = Value> {
    let formats = prop::sample::select(vec![
        "yyyy-mm-dd",
        "dd/mm/yyyy hh:mm",
        "[$-409]d-mmm-yy;@",
        "[Red]dd.mm.yyyy",
        "00000",
        "0.00",
        "#,##0.00 \"hrs\"",
        "0%",
        "[h]:mm",
        "mm:ss.0",
        "0 \"days\"",
    ]);
    prop_oneof![
        any::<f64>()
            .prop_filter("a sheet holds no other", |number| number.is_finite())
            .prop_map(Value::Number),
        (-1e6..1e6_f64).prop_map(Value::Number),
        any::<i32>().prop_map(Value::Whole),
        "[ -~äöüß€\u{3042}\u{1f600}\n\t<>&\"']{0,30}".prop_map(Value::Text),
        "(_x[0-9A-Fa-f]{4}_|_x|ab| ){1,4}".prop_map(Value::Text),
        any::<bool>().prop_map(Value::Flag),
        ((61.0..2_958_465.0_f64), formats)
            .prop_map(|(number, format)| Value::Styled(number.floor(), format)),
        ((1.0..60_000.0_f64), Just("yyyy-mm-dd hh:mm:ss"))
            .prop_filter("there was no such day", |(serial, _)| {
                !(59.0..61.0).contains(serial)
            })
            .prop_map(|(number, format)| Value::Styled(number, format)),
        "[a-z&<]{1,9}".prop_map(Value::Result),
        Just(Value::Blank),
    ]
}

/// The workbook with its shared texts written into the cells that call them.
fn inlined(file: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(file)).unwrap();
    let mut parts = Parts::new();
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).unwrap();
        let name = part.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut part, &mut bytes).unwrap();
        parts.push((name, bytes));
    }
    let part = |name: &str| {
        let part = parts.iter().find(|(present, _)| present == name);
        part.map_or("", |(_, bytes)| std::str::from_utf8(bytes).unwrap())
    };
    let texts: Vec<&str> = part("xl/sharedStrings.xml")
        .split("<si>")
        .skip(1)
        .map(|text| text.split("</si>").next().unwrap())
        .collect();
    let mut pieces = part("xl/worksheets/sheet1.xml").split(" t=\"s\"><v>");
    let mut sheet = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (number, rest) = piece.split_once("</v>").unwrap();
        let text = texts[number.parse::<usize>().unwrap()];
        sheet.extend([" t=\"inlineStr\"><is>", text, "</is>", rest]);
    }
    zipped(&with(parts, "xl/worksheets/sheet1.xml", sheet))
}

fn written(rows: &[Vec<Value>]) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (row, values) in (0..).zip(rows) {
        for (column, value) in (0..).zip(values) {
            match value {
                Value::Number(number) => sheet.write(row, column, *number),
                Value::Whole(number) => sheet.write(row, column, *number),
                Value::Text(text) => sheet.write(row, column, text),
                Value::Flag(flag) => sheet.write(row, column, *flag),
                Value::Styled(number, format) => {
                    let format = Format::new().set_num_format(*format);
                    sheet.write_with_format(row, column, *number, &format)
                }
                Value::Result(text) => {
                    sheet.write(row, column, Formula::new("=A1").set_result(text))
                }
                Value::Blank => sheet.write_blank(row, column, &Format::new().set_bold()),
            }
            .unwrap();
        }
    }
    workbook.save_to_buffer().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn calamine_reads_the_same_cells(
        rows in prop::collection::vec(prop::collection::vec(value(), 0..8), 1..12),
    ) {
        let file = written(&rows);
        let read = ours(&file);
        prop_assert_eq!(&read, &theirs(&file));
        let file = inlined(&file);
        prop_assert_eq!(&ours(&file), &theirs(&file));
        prop_assert_eq!(&ours(&file), &read);
    }
}
