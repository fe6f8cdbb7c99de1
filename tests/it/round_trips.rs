//! What other programs write reads back equal: `rust_xlsxwriter` and the csv crate with tables of any content, openpyxl, Python's csv module and `LibreOffice`
//! with one table in which everything stands that has ever gone wrong.

use std::io::{Cursor, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use rosterd::parse::agreement::{Agreement, Delimiter};
use rosterd::parse::finding::Finding;
use rosterd::parse::layout::{Layout, TableKind};
use rosterd::parse::limits::ReadLimits;
use rosterd::parse::read::read_sealed;
use rosterd::parse::row::CellKind;
use rosterd::parse::wire::{Decoder, Frame};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use serde_json::json;

use crate::clients::installed;
use crate::harness::{Reply, test_file};

const HEADER: [&str; 6] = [
    "Employee ID",
    "Name",
    "Job Title",
    "Hire Date",
    "Annual Pay",
    "Notes",
];

/// What somebody writes into a cell.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Nothing,
    Text(String),
    Whole(i64),
    /// Ten-thousandths.
    Decimal(i64),
    /// More digits than a sheet holds.
    Long(i64),
    Flag(bool),
    /// Year, month, day.
    Date(u16, u8, u8),
    /// The same with hour, minute, second.
    Moment(u16, u8, u8, u8, u8, u8),
}

type Cells = Vec<(CellKind, String)>;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

impl Value {
    fn number(ten_thousandths: i64) -> f64 {
        // Both are exact, so that the quotient is the nearest number to what is meant.
        f64::from(i32::try_from(ten_thousandths).unwrap()) / 10_000.0
    }

    /// How it reads, worked out without any floating point.
    fn as_read(&self) -> (CellKind, String) {
        match self {
            Self::Nothing => (CellKind::Text, String::new()),
            Self::Text(text) if text.trim().is_empty() => (CellKind::Text, String::new()),
            Self::Text(text) => (CellKind::Text, text.clone()),
            Self::Whole(number) => (CellKind::Number, number.to_string()),
            Self::Decimal(ten_thousandths) => {
                let sign = if *ten_thousandths < 0 { "-" } else { "" };
                let (whole, fraction) = (
                    ten_thousandths.abs() / 10_000,
                    ten_thousandths.abs() % 10_000,
                );
                let text = format!("{sign}{whole}.{fraction:04}");
                let text = text.trim_end_matches('0').trim_end_matches('.');
                (CellKind::Number, text.to_owned())
            }
            Self::Long(_) => (CellKind::LongNumber, String::new()),
            Self::Flag(flag) => (CellKind::Flag, flag.to_string()),
            Self::Date(year, month, day) => {
                (CellKind::Date, format!("{year:04}-{month:02}-{day:02}"))
            }
            Self::Moment(year, month, day, hour, minute, second) => {
                let time = match (hour, minute, second) {
                    (0, 0, 0) => String::new(),
                    _ => format!("T{hour:02}:{minute:02}:{second:02}"),
                };
                let day = format!("{year:04}-{month:02}-{day:02}");
                (CellKind::Date, day + &time)
            }
        }
    }
}

/// The table as it is to be read: a key before each row, so that none is empty.
fn as_read(rows: &[Vec<Value>]) -> Vec<Cells> {
    rows.iter()
        .map(|row| row.iter().map(Value::as_read).collect())
        .collect()
}

/// Each row with a key before it, as wide as the header.
fn keyed(rows: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    let keyed = |(at, mut row): (usize, Vec<Value>)| {
        row.insert(0, Value::Text(format!("E{at}")));
        row.resize(HEADER.len(), Value::Nothing);
        row
    };
    rows.into_iter().enumerate().map(keyed).collect()
}

/// Reads a file as a child does: what it is, what is noted about it, and its rows below a header that must be [`HEADER`].
fn read(
    file: &[u8],
    agreement: &Agreement,
) -> Result<(Layout, Vec<Finding>, Vec<Cells>), Box<Finding>> {
    let limits = ReadLimits::default();
    let mut pipe = Vec::new();
    let plain = None::<Cursor<Vec<u8>>>;
    read_sealed(Cursor::new(file), plain, &limits, agreement, &mut pipe).unwrap();
    let mut decoder = Decoder::new(pipe.as_slice(), &limits);
    let (mut is, mut notes, mut rows) = (None, Vec::new(), Vec::new());
    loop {
        match decoder.decode().unwrap().unwrap() {
            Frame::Layout(layout) => is = Some(layout),
            Frame::Note(note) => notes.push(note),
            Frame::Header(header) => assert_eq!(header.labels, HEADER),
            Frame::Row(row) => rows.push(
                row.cells()
                    .map(|cell| match cell.kind {
                        // Which digits are left of it is nobody's business.
                        CellKind::LongNumber => (cell.kind, String::new()),
                        kind => (kind, cell.text.to_owned()),
                    })
                    .collect(),
            ),
            Frame::Refused(finding) => return Err(Box::new(finding)),
            Frame::End { .. } => return Ok((is.unwrap(), notes, rows)),
        }
    }
}

/// With `rust_xlsxwriter`.
fn workbook(rows: &[Vec<Value>]) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet().set_name("Staff").unwrap();
    let (date, moment) = (
        Format::new().set_num_format("yyyy-mm-dd"),
        Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
    );
    sheet.write_row(0, 0, HEADER).unwrap();
    for (row, values) in (1..).zip(rows) {
        for (column, value) in (0..).zip(values) {
            match value {
                Value::Nothing => Ok(&mut *sheet),
                Value::Text(text) => sheet.write_string(row, column, text),
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "of a long one, that is what is tested"
                )]
                Value::Whole(number) | Value::Long(number) => {
                    sheet.write_number(row, column, *number as f64)
                }
                Value::Decimal(number) => sheet.write_number(row, column, Value::number(*number)),
                Value::Flag(flag) => sheet.write_boolean(row, column, *flag),
                Value::Date(year, month, day) => {
                    let day = ExcelDateTime::from_ymd(*year, *month, *day).unwrap();
                    sheet.write_datetime_with_format(row, column, &day, &date)
                }
                Value::Moment(year, month, day, hour, minute, second) => {
                    let day = ExcelDateTime::from_ymd(*year, *month, *day).unwrap();
                    let time = day.and_hms(u16::from(*hour), *minute, *second).unwrap();
                    sheet.write_datetime_with_format(row, column, &time, &moment)
                }
            }
            .unwrap();
        }
    }
    workbook.save_to_buffer().unwrap()
}

fn any_text() -> impl Strategy<Value = String> {
    let habits = prop::sample::select(vec![
        "000123",
        "1234567890123456789",
        "1E5",
        "-0",
        "TRUE",
        "2021-03-01",
        "=1+1",
        "'quoted'",
        "\"",
        "\"\"",
        "O'Brien",
        "5'11\"",
        "a,b;c\td|e",
        "line\nline",
        "line\r\nline",
        " blanks ",
        "\u{a0}",
        "_x000D_",
        "_x005F_",
        "<b>&amp;</b>",
        "]]>",
        "#N/A",
        "back\\slash\\",
        "\\\"",
        "Zoë 山田 \u{1f600}",
        "e\u{301}",
        "\u{202e}right to left",
        "\u{fffd}",
    ])
    .prop_map(str::to_owned);
    prop_oneof![
        habits,
        "\\PC{0,40}",
        "[ -~\n\"]{0,20}",
        "[\"',;\t\n ]{1,8}",
        "0[0-9]{1,20}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Nothing),
        any_text().prop_map(Value::Text),
        (-999_999_999_999_999..=999_999_999_999_999_i64).prop_map(Value::Whole),
        (-10_000..=10_000_i64).prop_map(Value::Whole),
        any::<i32>().prop_map(|number| Value::Decimal(i64::from(number))),
        (1_000_000_000_000_000..=i64::MAX).prop_map(Value::Long),
        any::<bool>().prop_map(Value::Flag),
        (1900..=9999_u16, 1..=12_u8, 1..=28_u8)
            .prop_map(|(year, month, day)| Value::Date(year, month, day)),
        (
            1900..=2200_u16,
            1..=12_u8,
            1..=28_u8,
            0..24_u8,
            0..60_u8,
            0..60_u8
        )
            .prop_map(|(year, month, day, hour, minute, second)| {
                Value::Moment(year, month, day, hour, minute, second)
            }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_rust_xlsxwriter_writes_reads_back_equal(
        rows in prop::collection::vec(prop::collection::vec(value(), 0..HEADER.len()), 1..8),
    ) {
        let rows = keyed(rows);
        let (layout, notes, read) = read(&workbook(&rows), &Agreement::default()).unwrap();
        prop_assert_eq!(layout.sheet.as_deref(), Some("Staff"));
        prop_assert_eq!(notes, vec![]);
        prop_assert_eq!(read, as_read(&rows));
    }

    /// Every cell of a text is a text, blanks and all.
    #[test]
    fn whatever_the_csv_crate_writes_reads_back_equal(
        rows in prop::collection::vec(prop::collection::vec(any_text(), HEADER.len() - 1), 1..8),
        delimiter in prop::sample::select(b",;\t|".to_vec()),
        quotes in prop::sample::select(vec![csv::QuoteStyle::Necessary, csv::QuoteStyle::Always, csv::QuoteStyle::NonNumeric]),
        crlf: bool,
        is_agreed: bool,
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new()
            .delimiter(delimiter)
            .quote_style(quotes)
            .terminator(terminator)
            .from_writer(Vec::new());
        writer.write_record(HEADER).unwrap();
        let mut meant = Vec::new();
        for (at, mut row) in rows.into_iter().enumerate() {
            row.insert(0, format!("E{at}"));
            writer.write_record(&row).unwrap();
            meant.push(row.into_iter().map(|text| (CellKind::Text, text)).collect::<Cells>());
        }
        let file = writer.into_inner().unwrap();
        let agreement = Agreement {
            delimiter: if is_agreed { Delimiter::Declared(delimiter) } else { Delimiter::Unknown },
            ..Agreement::default()
        };
        let (layout, _, read) = read(&file, &agreement).unwrap();
        prop_assert_eq!(layout.delimiter, Some(delimiter));
        prop_assert_eq!(read, meant, "{}", String::from_utf8_lossy(&file));
    }
}

/// What has ever gone wrong, in one table.
fn nasty() -> Vec<Vec<Value>> {
    keyed(vec![
        vec![
            text("Ada \"the\" Example"),
            text("Clerk, first; class"),
            Value::Date(2021, 3, 1),
            Value::Decimal(525_000_500),
            text("00123"),
        ],
        vec![
            text("Zoë Müller"),
            text("line one\nline two"),
            Value::Date(1900, 3, 1),
            Value::Whole(-5),
            text("12345678901234567890"),
        ],
        vec![
            text("山田 太郎 \u{1f600}"),
            text("a\tb"),
            Value::Date(1999, 12, 31),
            Value::Decimal(1),
            text("'single'"),
        ],
        vec![
            text("O'Brien"),
            text("1E5"),
            Value::Moment(2024, 2, 29, 8, 30, 15),
            Value::Whole(0),
            text("TRUE"),
        ],
        vec![
            Value::Nothing,
            Value::Nothing,
            Value::Nothing,
            Value::Nothing,
            text("-"),
        ],
        vec![
            text("=1+1"),
            text("+49 30 1234"),
            Value::Date(9999, 12, 31),
            Value::Whole(999_999),
            text("@home"),
        ],
        vec![
            text("<b>&amp;</b>"),
            text("_x000D_"),
            Value::Nothing,
            Value::Whole(1_234_567),
            text("2021-03-01"),
        ],
        vec![
            text("back\\slash"),
            text("\"\""),
            Value::Nothing,
            Value::Nothing,
            text("a|b"),
        ],
        vec![
            text("Total"),
            text("#N/A"),
            Value::Nothing,
            Value::Decimal(-12_500),
            text("5'11\""),
        ],
    ])
}

/// For a program that reads JSON.
fn as_json(rows: &[Vec<Value>]) -> serde_json::Value {
    let cell = |value: &Value| match value {
        Value::Nothing => serde_json::Value::Null,
        Value::Text(text) => json!({ "text": text }),
        Value::Whole(number) | Value::Long(number) => json!({ "number": number }),
        Value::Decimal(number) => json!({ "number": Value::number(*number) }),
        Value::Flag(flag) => json!({ "flag": flag }),
        Value::Date(..) => json!({ "date": value.as_read().1 }),
        Value::Moment(..) => json!({ "moment": value.as_read().1 }),
    };
    let labels = HEADER.map(|label| json!({ "text": label })).to_vec();
    let rows = rows.iter().map(|row| row.iter().map(cell).collect());
    std::iter::once(labels).chain(rows).collect()
}

/// The same table as text.
fn as_text(rows: &[Vec<Value>], shown: impl Fn(&Value) -> String) -> Vec<Cells> {
    let cell = |value: &Value| (CellKind::Text, shown(value));
    rows.iter()
        .map(|row| row.iter().map(cell).collect())
        .collect()
}

#[track_caller]
fn reads_as(file: &Path, agreement: &Agreement, meant: &[Cells]) -> Layout {
    let bytes = std::fs::read(file).unwrap();
    let (layout, _, rows) =
        read(&bytes, agreement).unwrap_or_else(|finding| panic!("{}: {finding:?}", file.display()));
    assert_eq!(rows.len(), meant.len(), "{}", file.display());
    for (read, meant) in rows.iter().zip(meant) {
        assert_eq!(read, meant, "{}", file.display());
    }
    layout
}

#[test]
fn what_openpyxl_and_the_csv_module_of_python_write_reads_back_equal() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = nasty();
    rows.extend(keyed(vec![vec![
        Value::Flag(true),
        Value::Flag(false),
        Value::Long(1_234_567_890_123_456),
    ]]));
    let mut python = Command::new(installed("venv/bin/python"))
        .arg(test_file("clients/python/write_tables.py"))
        .arg(folder.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let table = as_json(&rows).to_string();
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(table.as_bytes()).unwrap();
    drop(stdin);
    assert!(python.wait().unwrap().success());

    // openpyxl takes a text that begins with an equals sign for a formula and one that names an error for that, and does not escape what looks like an
    // escape: this one means a line end, which is as good as nothing.
    let mut sheet = as_read(&rows);
    for (kind, text) in sheet.iter_mut().flatten() {
        match text.as_str() {
            "=1+1" => (*kind, *text) = (CellKind::Uncomputed, String::new()),
            "#N/A" => (*kind, *text) = (CellKind::Error, String::new()),
            "_x000D_" => text.clear(),
            _ => {}
        }
    }
    let any = Agreement::default();
    for name in ["openpyxl.xlsx", "openpyxl-write-only.xlsx"] {
        reads_as(&folder.path().join(name), &any, &sheet);
    }

    let written = as_text(&rows, |value| match value {
        Value::Flag(true) => "True".to_owned(),
        Value::Flag(false) => "False".to_owned(),
        Value::Moment(..) => value.as_read().1.replace('T', " "),
        Value::Decimal(1) => "0.0001".to_owned(),
        Value::Long(number) => number.to_string(),
        other => other.as_read().1,
    });
    for (name, encoding, delimiter) in [
        ("excel.csv", "UTF-8", b','),
        ("excel-with-a-mark.csv", "UTF-8", b','),
        ("excel-tab.csv", "UTF-16LE", b'\t'),
        ("unix.csv", "UTF-8", b','),
        ("semicolons.csv", "UTF-16BE", b';'),
        ("bars.csv", "UTF-8", b'|'),
    ] {
        let layout = reads_as(&folder.path().join(name), &any, &written);
        assert_eq!(layout.encoding.as_deref(), Some(encoding), "{name}");
        assert_eq!(layout.delimiter, Some(delimiter), "{name}");
    }
}

/// Writes `source` anew with `LibreOffice`, in the format that `to` names: extension, filter and its options.
fn by_libreoffice(folder: &Path, source: &Path, to: &str) -> Vec<u8> {
    let out = tempfile::tempdir_in(folder).unwrap();
    let reply = Reply::to(
        Command::new("soffice")
            .args(["--headless", "--norestore", "--nolockcheck"])
            .arg(format!(
                "-env:UserInstallation=file://{}/profile",
                folder.display()
            ))
            .args(["--convert-to", to, "--outdir"])
            .arg(out.path())
            .arg(source)
            .env("HOME", folder)
            .env("LC_ALL", "C.UTF-8"),
    );
    let written = std::fs::read_dir(out.path()).unwrap().next();
    let written = written.unwrap_or_else(|| panic!("soffice wrote no {to}: {reply:?}"));
    std::fs::read(written.unwrap().path()).unwrap()
}

#[test]
fn what_libreoffice_writes_reads_back_equal() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = nasty();
    rows.extend(keyed(vec![vec![Value::Flag(true), Value::Flag(false)]]));
    let source = folder.path().join("staff.xlsx");
    std::fs::write(&source, workbook(&rows)).unwrap();
    let any = Agreement::default();
    let written = |to: &str| by_libreoffice(folder.path(), &source, to);

    let sheet = as_read(&rows);
    let (layout, _, read_back) = read(&written("xlsx:Calc MS Excel 2007 XML"), &any).unwrap();
    assert_eq!((layout.kind, read_back), (TableKind::Xlsx, sheet.clone()));

    let (layout, _, read_back) = read(&written("xls:MS Excel 97"), &any).unwrap();
    assert_eq!((layout.kind, read_back), (TableKind::Xls, sheet));

    let shown = |value: &Value| match value {
        Value::Flag(flag) => flag.to_string().to_uppercase(),
        Value::Moment(..) => value.as_read().1.replace('T', " "),
        other => other.as_read().1,
    };
    let table = as_text(&rows, shown);
    for (options, encoding, delimiter) in [
        ("44,34,76", "UTF-8", b','),
        ("9,34,76", "UTF-8", b'\t'),
        ("59,34,65535", "UTF-16LE", b';'),
    ] {
        let to = format!("csv:Text - txt - csv (StarCalc):{options}");
        let (layout, _, read_back) = read(&written(&to), &any).unwrap();
        assert_eq!(read_back, table, "{options}");
        assert_eq!(layout.encoding.as_deref(), Some(encoding), "{options}");
        assert_eq!(layout.delimiter, Some(delimiter), "{options}");
    }

    let refused = *read(&written("ods"), &any).unwrap_err();
    assert!(refused.message.contains("OpenDocument"), "{refused:?}");
    assert!(refused.remedy.contains(".xlsx"), "{refused:?}");
}

#[test]
fn what_libreoffice_writes_in_windows_1252_and_as_a_page_reads_back_equal() {
    let folder = tempfile::tempdir().unwrap();
    let rows = keyed(vec![
        vec![
            text("Zoë Müller"),
            text("Clerk, first; class"),
            Value::Date(2021, 3, 1),
            Value::Whole(52_000),
            text("00123"),
        ],
        vec![
            text("Łukasz €uro"),
            text("O'Brien & <Sons>"),
            Value::Date(1999, 12, 31),
            Value::Decimal(5_000),
            Value::Nothing,
        ],
        vec![
            text("Jürgen “Jo” Größe"),
            text("line one\nline two"),
            Value::Nothing,
            Value::Nothing,
            text("=1+1"),
        ],
    ]);
    let source = folder.path().join("staff.xlsx");
    std::fs::write(&source, workbook(&rows)).unwrap();
    let table = as_text(&rows, |value| value.as_read().1);

    let page = by_libreoffice(folder.path(), &source, "html:HTML (StarCalc)");
    let (layout, _, read_back) = read(&page, &Agreement::default()).unwrap();
    assert_eq!((layout.kind, read_back), (TableKind::Html, table.clone()));

    let text = by_libreoffice(
        folder.path(),
        &source,
        "csv:Text - txt - csv (StarCalc):59,34,1",
    );
    let agreement = Agreement {
        encoding: Some("windows-1252".to_owned()),
        ..Agreement::default()
    };
    let (layout, _, read_back) = read(&text, &agreement).unwrap();
    // The code page has no such letter.
    let mut table = table;
    table[1][1].1 = "?ukasz €uro".to_owned();
    assert_eq!(read_back, table);
    assert_eq!(layout.encoding.as_deref(), Some("windows-1252"));
}
