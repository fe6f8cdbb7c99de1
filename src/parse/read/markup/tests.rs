//! Pages and spreadsheets of 2003 to rows.

use std::io::Cursor;

use crate::parse::agreement::Agreement;
use crate::parse::finding::code;
use crate::parse::layout::{Layout, TableKind};
use crate::parse::limits::ReadLimits;
use crate::parse::read::read;
use crate::parse::row::CellKind;
use crate::parse::wire::{Decoder, Frame};

fn limits() -> ReadLimits {
    ReadLimits {
        rows: 50,
        columns: 20,
        cell_length_bytes: 1000,
        ..ReadLimits::default()
    }
}

fn frames(file: &[u8], agreement: &Agreement) -> Vec<Frame> {
    let mut pipe = Vec::new();
    read(Cursor::new(file), &limits(), agreement, &mut pipe).unwrap();
    let mut decoder = Decoder::new(pipe.as_slice(), &limits());
    let mut frames = Vec::new();
    while let Some(frame) = decoder.decode().unwrap() {
        frames.push(frame);
    }
    frames
}

/// The cells of each row, header first, joined by bars.
fn lines(file: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for frame in frames(file.as_bytes(), &Agreement::default()) {
        match frame {
            Frame::Header(header) => lines.push(header.labels.join("|")),
            Frame::Row(row) => {
                let texts: Vec<&str> = row.cells().map(|cell| cell.text).collect();
                lines.push(texts.join("|"));
            }
            Frame::Refused(finding) => panic!("{finding:?}"),
            Frame::Layout(_) | Frame::Note(_) | Frame::End { .. } => {}
        }
    }
    lines
}

fn kinds(file: &str) -> Vec<(CellKind, String)> {
    let frames = frames(file.as_bytes(), &Agreement::default());
    let rows = frames.into_iter().filter_map(|frame| match frame {
        Frame::Row(row) => Some(row),
        _ => None,
    });
    rows.flat_map(|row| {
        let cells: Vec<_> = row
            .cells()
            .map(|cell| (cell.kind, cell.text.to_owned()))
            .collect();
        cells
    })
    .collect()
}

fn refusal(file: &str) -> (String, String) {
    match frames(file.as_bytes(), &Agreement::default()).pop() {
        Some(Frame::Refused(finding)) => (finding.code, finding.message),
        other => panic!("{other:?}"),
    }
}

fn layout(file: &[u8]) -> Layout {
    match frames(file, &Agreement::default()).into_iter().next() {
        Some(Frame::Layout(layout)) => layout,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_page_that_is_called_xls_is_a_table() {
    let page = "<html xmlns:x=\"urn:schemas-microsoft-com:office:excel\"><head><style>td{mso-number-format:\"\\@\"}</style></head>
        <body><table border=1><thead><tr><th>Employee ID</th><th>First&nbsp;name</th><th>E-mail</th></tr></thead>
        <tbody><tr><td>00123</td><td> Ada <b>M.</b>\n  Lovelace </td><td>ada&#64;acme.example</td></tr>
        <tr><td>2</td><td>Gr&auml;ce<br>Hopper</td><td></td></tr></tbody></table></body></html>";
    assert_eq!(
        lines(page),
        [
            "Employee ID|First name|E-mail",
            "00123|Ada M. Lovelace|ada@acme.example",
            "2|Gräce\nHopper|"
        ]
    );
    let layout = layout(page.as_bytes());
    assert_eq!(layout.kind, TableKind::Html);
    assert_eq!(layout.encoding.as_deref(), Some("UTF-8"));
}

#[test]
fn tags_that_nobody_closed_are_closed_by_the_next_ones() {
    assert_eq!(
        lines("<table><tr><th>id<th>name<tr><td>1<td>Ada<tr><td>2<td>Grace"),
        ["id|name", "1|Ada", "2|Grace"]
    );
    assert_eq!(
        lines("<table><td>employee_id<td>name<tr><td>1"),
        ["employee_id|name", "1|"]
    );
}

#[test]
fn of_several_tables_the_one_with_a_known_header_is_read() {
    let page = "<table><tr><td><table><tr><td>Staff report</td></tr></table></td></tr>
        <tr><td>by Payroll</td></tr><tr><td><table><tr><td>Employee ID</td><td>Name</td></tr><tr><td>1</td><td>Ada</td></tr></table></td></tr></table>";
    assert_eq!(lines(page), ["Employee ID|Name", "1|Ada"]);
    let one = "<table><tr><td>Employee ID</td></tr><tr><td>1</td></tr></table>";
    let (code, message) = refusal(&format!("<html>{one}{one}"));
    assert_eq!(code, code::SEVERAL_SHEETS);
    assert!(message.contains("2 tables"), "{message}");
}

#[test]
fn merged_cells_of_a_page_keep_the_others_in_their_columns() {
    let page = "<table><tr><th>id</th><th>name</th><th>email</th></tr>
        <tr><td rowspan=2>1</td><td colspan=2>Ada</td></tr><tr><td>Grace</td><td>g@acme.example</td></tr></table>";
    assert_eq!(
        lines(page),
        ["id|name|email", "1|Ada|", "|Grace|g@acme.example"]
    );
}

#[test]
fn scripts_and_comments_of_a_page_are_no_cells() {
    let page = "<!-- <table><tr><td>x --><table><tr><th>employee_id<script>document.write('<td>')</script></th></tr><tr><td>1<!-- 2 --></td></tr></table>";
    assert_eq!(lines(page), ["employee_id", "1"]);
}

#[test]
fn an_encoding_that_a_page_does_not_declare_is_guessed_and_told() {
    let page = b"<table><tr><th>employee_id<th>name<tr><td>1<td>J\xfcrgen M\xfcller</table>";
    let notes = |agreement| {
        let frames = frames(page, &agreement);
        let notes = frames.into_iter().filter_map(|frame| match frame {
            Frame::Note(note) => Some(note.code),
            _ => None,
        });
        notes.collect::<Vec<_>>()
    };
    assert_eq!(notes(Agreement::default()), [code::ENCODING_CHOSEN]);
    let agreed = Agreement {
        encoding: Some("windows-1252".to_owned()),
        ..Agreement::default()
    };
    assert!(notes(agreed).is_empty());
}

#[test]
fn a_page_without_a_table_holds_nothing() {
    let (code, _) = refusal("<html><body>Your session has expired.</body></html>");
    assert_eq!(code, code::BLANK_HEADER);
}

#[test]
fn a_page_with_too_wide_or_too_many_rows_is_refused() {
    let wide = format!("<table><tr><th>id<tr>{}</table>", "<td>x".repeat(30));
    assert_eq!(refusal(&wide).0, code::TABLE_DIMENSIONS);
    let long = format!("<table><tr><th>id{}</table>", "<tr><td>1".repeat(60));
    assert_eq!(refusal(&long).0, code::TABLE_DIMENSIONS);
    let spread = "<table><tr><th>id<th colspan=99999 rowspan=99999>name<tr><td>1</table>";
    assert_eq!(refusal(spread).0, code::TABLE_DIMENSIONS);
    let deep = format!(
        "{}<tr><td>id{}",
        "<table><tr><td>".repeat(500),
        "</table>".repeat(500)
    );
    assert_eq!(refusal(&deep).0, code::BLANK_HEADER);
}

const BOOK: &str = "<?xml version=\"1.0\"?>\n<?mso-application progid=\"Excel.Sheet\"?>
<Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\" xmlns:ss=\"urn:schemas-microsoft-com:office:spreadsheet\" xmlns:x=\"urn:schemas-microsoft-com:office:excel\">";

fn book(styles: &str, rows: &str) -> String {
    format!(
        "{BOOK}<Styles>{styles}</Styles><Worksheet ss:Name=\"Staff\"><Table>{rows}</Table></Worksheet></Workbook>"
    )
}

fn text(value: &str) -> String {
    format!("<Cell><Data ss:Type=\"String\">{value}</Data></Cell>")
}

#[test]
fn a_spreadsheet_of_2003_is_read_with_its_types() {
    let file = book(
        "<Style ss:ID=\"s1\"><NumberFormat ss:Format=\"00000\"/></Style>",
        &format!(
            "<Row>{}</Row><Row ss:Index=\"3\"><Cell ss:StyleID=\"s1\"><Data ss:Type=\"Number\">123</Data></Cell>
            <Cell><Data ss:Type=\"DateTime\">1998-05-03T00:00:00.000</Data></Cell><Cell><Data ss:Type=\"DateTime\">1899-12-31T08:30:00.000</Data></Cell>
            <Cell ss:Index=\"5\"><Data ss:Type=\"Boolean\">1</Data></Cell><Cell><Data ss:Type=\"Error\">#N/A</Data></Cell>
            <Cell ss:Formula=\"=A1\"/><Cell><ss:Data ss:Type=\"String\" xmlns=\"x\">O&amp;M <B>b&#228;r</B> &lt;</ss:Data><Comment><ss:Data>a note</ss:Data></Comment></Cell>
            <Cell><Data ss:Type=\"Number\">1.2345678901234567E+19</Data></Cell></Row>",
            ["employee_id", "hire_date", "c", "d", "e", "f", "g", "h", "i"].map(text).concat()
        ),
    );
    let cells = kinds(&file);
    assert_eq!(
        cells
            .iter()
            .map(|(kind, text)| (*kind, text.as_str()))
            .collect::<Vec<_>>(),
        [
            (CellKind::Number, "00123"),
            (CellKind::Date, "1998-05-03"),
            (CellKind::Time, ""),
            (CellKind::Text, ""),
            (CellKind::Flag, "true"),
            (CellKind::Error, ""),
            (CellKind::Uncomputed, ""),
            (CellKind::Text, "O&M bär <"),
            (CellKind::LongNumber, "12345678901234567000"),
        ]
    );
    let layout = layout(file.as_bytes());
    assert_eq!(
        (layout.kind, layout.sheet.as_deref()),
        (TableKind::SpreadsheetMl, Some("Staff"))
    );
}

/// Excel calls a date a date here, other programs only give it the format of one.
#[test]
fn a_number_of_2003_that_is_shown_as_a_date_or_among_letters_is_one() {
    let style = |id: &str, format: &str| {
        format!("<Style ss:ID=\"{id}\"><NumberFormat ss:Format=\"{format}\"/></Style>")
    };
    let number = |style: &str, value: &str| {
        format!("<Cell ss:StyleID=\"{style}\"><Data ss:Type=\"Number\">{value}</Data></Cell>")
    };
    let rows = [
        number("short", "45678"),
        number("custom", "45678.5"),
        number("mask", "7"),
        number("fixed", "7.50"),
        number("standard", "1234"),
        number("nothing", "NaN"),
    ];
    let labels = ["a", "b", "c", "d", "e", "f"].map(text).concat();
    let file = book(
        &[
            style("short", "Short Date"),
            style("custom", "dd/mm/yyyy"),
            style("mask", "&quot;E&quot;000"),
            style("fixed", "Fixed"),
            style("standard", "Standard"),
        ]
        .concat(),
        &format!("<Row>{labels}</Row><Row>{}</Row>", rows.concat()),
    );
    let expected = |date: &str| {
        [
            (CellKind::Date, date),
            (CellKind::Date, &format!("{date}T12:00:00")),
            (CellKind::Text, "E007"),
            (CellKind::Number, "7.5"),
            (CellKind::Number, "1234"),
            (CellKind::Error, ""),
        ]
        .map(|(kind, text)| (kind, text.to_owned()))
    };
    assert_eq!(kinds(&file), expected("2025-01-21"));
    let from_1904 = file.replace(
        "<Styles>",
        "<x:ExcelWorkbook><x:Date1904/></x:ExcelWorkbook><Styles>",
    );
    assert_eq!(kinds(&from_1904), expected("2029-01-22"));
}

#[test]
fn a_hidden_sheet_of_2003_is_skipped_unless_it_was_agreed_on() {
    let hidden = format!(
        "<Worksheet ss:Name=\"Old\"><Table><Row>{}</Row></Table><WorksheetOptions xmlns=\"urn:schemas-microsoft-com:office:excel\"><Visible>SheetHidden</Visible></WorksheetOptions></Worksheet>",
        text("former_id")
    );
    let file = book("", &format!("<Row>{}</Row>", text("employee_id")))
        .replace("<Worksheet ", &format!("{hidden}<Worksheet "));
    assert_eq!(lines(&file), ["employee_id"]);
    let agreement = Agreement {
        sheet: Some("old".to_owned()),
        ..Agreement::default()
    };
    let frames = frames(file.as_bytes(), &agreement);
    assert!(
        frames
            .iter()
            .any(|frame| matches!(frame, Frame::Header(header) if header.labels == ["former_id"])),
        "{frames:?}"
    );
}

#[test]
fn a_spreadsheet_of_2003_that_is_cut_or_lies_is_refused() {
    let file = book("", &format!("<Row>{}</Row>", text("employee_id")));
    assert_eq!(refusal(&file[..file.len() - 30]).0, code::FORMAT_ERROR);
    let row = |index| format!("<Row ss:Index=\"{index}\">{}</Row>", text("x"));
    let back = book("", &(row("5") + &row("2")));
    assert_eq!(refusal(&back).0, code::FORMAT_ERROR);
    let far = book("", &row("4000000000"));
    assert_eq!(refusal(&far).0, code::TABLE_DIMENSIONS);
    let wide = book("", &format!("<Row>{}</Row>", text("x")))
        .replace("<Cell>", "<Cell ss:Index=\"90000\">");
    assert_eq!(refusal(&wide).0, code::TABLE_DIMENSIONS);
    let entities = file.replace(
        "?>\n<?mso",
        "?><!DOCTYPE b [<!ENTITY a \"x\"><!ENTITY b \"&a;&a;\">]><?mso",
    );
    let entities = entities.replace("employee_id", "&b;");
    assert_eq!(refusal(&entities).0, code::FORMAT_ERROR);
}

proptest::proptest! {
    #[test]
    fn no_page_and_no_spreadsheet_makes_it_panic(which in 0..2_usize, pieces in proptest::collection::vec(0..16_usize, 0..40)) {
        const PIECES: [&str; 16] = [
            "<table>", "</table>", "<tr>", "<td rowspan=3>", "<td colspan=9>", "</td>", "x", "&", "<br>", "<script>",
            "<Row ss:Index=\"3\">", "<Cell>", "<Data ss:Type=\"Number\">", "7", "</Data>", "<",
        ];
        let begin = ["<html>", BOOK][which];
        let text: String = pieces.into_iter().map(|at| PIECES[at]).collect();
        drop(frames(format!("{begin}{text}").as_bytes(), &Agreement::default()));
    }
}
