//! Workbooks from their bytes to their cells: by hand, as other programs write them, and against calamine.

mod differential;
mod hostile;
mod plain;

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::parse::agreement::Agreement;
use crate::parse::finding::{Finding, code};
use crate::parse::limits::ReadLimits;
use crate::parse::row::CellKind;
use crate::parse::wire::{Decoder, Frame};

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

type Parts = Vec<(String, Vec<u8>)>;

fn zipped(parts: &Parts) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        zip.start_file(name.as_str(), SimpleFileOptions::default())
            .unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A workbook with one sheet, "Staff", whose part is `sheet`.
fn parts(sheet: &str) -> Parts {
    let relationship = |id: &str, kind: &str, target: &str| {
        format!(r#"<Relationship Id="{id}" Type="{OFFICE}/{kind}" Target="{target}"/>"#)
    };
    let relationships = |inner: &[String]| {
        let inner = inner.concat();
        format!(r#"<Relationships xmlns="p">{inner}</Relationships>"#)
    };
    [
        (
            "_rels/.rels",
            relationships(&[relationship("rId1", "officeDocument", "xl/workbook.xml")]),
        ),
        (
            "xl/workbook.xml",
            format!(
                r#"<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="Staff" sheetId="1" r:id="rId1"/></sheets></workbook>"#
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            relationships(&[
                relationship("rId1", "worksheet", "worksheets/sheet1.xml"),
                relationship("rId2", "styles", "styles.xml"),
                relationship("rId3", "sharedStrings", "sharedStrings.xml"),
            ]),
        ),
        ("xl/worksheets/sheet1.xml", sheet.to_owned()),
    ]
    .map(|(name, text)| (name.to_owned(), text.into_bytes()))
    .to_vec()
}

/// The same with another part, or with this one instead.
fn with(mut parts: Parts, name: &str, bytes: impl Into<Vec<u8>>) -> Parts {
    parts.retain(|(present, _)| present != name);
    parts.push((name.to_owned(), bytes.into()));
    parts
}

fn sheet(rows: &str) -> String {
    format!(r#"<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>"#)
}

fn limits() -> ReadLimits {
    ReadLimits {
        rows: 2000,
        columns: 100,
        cell_length_bytes: 1000,
        ..ReadLimits::default()
    }
}

fn frames(file: &[u8]) -> Vec<Frame> {
    frames_of(file, &Agreement::default())
}

fn frames_of(file: &[u8], agreement: &Agreement) -> Vec<Frame> {
    let mut pipe = Vec::new();
    let mut table = Table::new(&mut pipe, &limits(), agreement);
    let ended = read(Cursor::new(file), &mut table).and_then(|()| table.finish());
    match ended {
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

/// Every cell of the only sheet: its place, as `B2`, its kind and its text.
fn cells_of(parts: &Parts) -> Vec<(String, CellKind, String)> {
    let mut archive = Archive::open(Cursor::new(zipped(parts))).unwrap();
    let outline = book::outline(&mut archive).unwrap();
    let context = context(&mut archive, &outline, 1000).unwrap();
    let part = archive.part(&outline.sheets[0].part).unwrap().unwrap();
    let mut cells = Vec::new();
    sheet::cells(Scan::new(part), &context, |(row, column), kind, text| {
        let letter = char::from(b'A' + u8::try_from(column).unwrap());
        cells.push((format!("{letter}{}", row + 1), kind, text.to_owned()));
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    cells
}

fn cells(rows: &str) -> Vec<(String, CellKind, String)> {
    cells_of(&parts(&sheet(rows)))
}

fn cell(at: &str, kind: CellKind, text: &str) -> (String, CellKind, String) {
    (at.to_owned(), kind, text.to_owned())
}

fn text(at: &str, text: &str) -> (String, CellKind, String) {
    cell(at, CellKind::Text, text)
}

#[test]
fn every_type_of_cell_has_its_kind() {
    let rows = r#"<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="n"><v>2.50</v></c><c r="C2" t="str"><f>A1</f><v>a &amp; b</v></c>
        <c r="D2" t="b"><v>1</v></c><c r="E2" t="b"><v>0</v></c><c r="F2" t="e"><v>#N/A</v></c><c r="G2" t="d"><v>2025-01-21T00:00:00</v></c>
        <c r="H2" t="inlineStr"><is><t>Ada</t></is></c><c r="I2" t="inlineStr"><is><r><t>Grace</t></r><r><rPr/><t xml:space="preserve"> H</t></r><rPh sb="0" eb="1"><t>x</t></rPh></is></c>
        <c r="J2" s="1"/><c r="K2"></c><c r="L2" t="str"><v>forgotten_x000D_</v></c><c r="M2"><v>text</v></c><c r="N2" t="d"><v>soon</v></c></row>"#;
    assert_eq!(
        cells(rows),
        [
            cell("A2", CellKind::Number, "1"),
            cell("B2", CellKind::Number, "2.5"),
            text("C2", "a & b"),
            cell("D2", CellKind::Flag, "true"),
            cell("E2", CellKind::Flag, "false"),
            cell("F2", CellKind::Error, ""),
            cell("G2", CellKind::Date, "2025-01-21"),
            text("H2", "Ada"),
            text("I2", "Grace H"),
            text("L2", "forgotten\r"),
            text("M2", "text"),
            text("N2", "soon"),
        ]
    );
}

#[test]
fn an_error_of_any_name_is_an_error_in_its_cell() {
    for name in [
        "#NULL!",
        "#DIV/0!",
        "#VALUE!",
        "#REF!",
        "#NAME?",
        "#NUM!",
        "#N/A",
        "#GETTING_DATA",
        "#SPILL!",
        "#CALC!",
        "#FIELD!",
        "#BLOCKED!",
        "#CONNECT!",
        "#BUSY!",
        "#PYTHON!",
        "#NEW?",
        "",
    ] {
        let rows = format!(r#"<row><c t="e"><f>X()</f><v>{name}</v></c></row>"#);
        let kind = if name.is_empty() {
            CellKind::Uncomputed
        } else {
            CellKind::Error
        };
        assert_eq!(cells(&rows), [cell("A1", kind, "")], "{name}");
    }
    assert_eq!(
        cells(r#"<row><c t="e"/><c t="e"><v/></c></row>"#),
        [cell("B1", CellKind::Error, "")]
    );
}

#[test]
fn a_formula_has_the_value_that_was_stored_or_none() {
    let rows = r#"<row><c><f>A2</f></c><c><f>A2</f><v></v></c><c><f/><v/></c><c t="str"><f>A2</f><v></v></c><c t="str"><f>A2</f></c>
        <c><f t="shared" ref="A1:A9" si="0">A2</f><v>7</v></c><c><f t="shared" si="0"/><v>8</v></c></row>"#;
    assert_eq!(
        cells(rows),
        [
            cell("A1", CellKind::Uncomputed, ""),
            cell("B1", CellKind::Uncomputed, ""),
            cell("C1", CellKind::Uncomputed, ""),
            cell("E1", CellKind::Uncomputed, ""),
            cell("F1", CellKind::Number, "7"),
            cell("G1", CellKind::Number, "8"),
        ]
    );
}

#[test]
fn rows_and_cells_without_places_are_counted_on() {
    let rows = r#"<row><c><v>1</v></c><c r="D1"><v>4</v></c><c><v>5</v></c></row><row/><row><c/><c><v>2</v></c></row>
        <row r="7"><c><v>7</v></c></row><row><c r="B9"><v>9</v></c></row><row><c><v>10</v></c></row>"#;
    let places: Vec<String> = cells(rows).into_iter().map(|(at, ..)| at).collect();
    assert_eq!(places, ["A1", "D1", "E1", "B3", "A7", "B9", "A10"]);
}

#[test]
fn prefixes_comments_instructions_and_strange_orders_of_attributes_change_nothing() {
    let sheet = "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\r\n<!-- <sheetData> -->\n\
        <x:worksheet xmlns:x=\"m\"><x:dimension ref=\"A1:XFD1048576\"/><x:sheetViews><x:sheetView/></x:sheetViews><x:sheetData >\n\
        <?pi <row> ?><x:row spans='1:2' r='1' ><x:c t = \"inlineStr\" r=\"A1\" ><x:is><x:t><![CDATA[<a> & ]]]]><![CDATA[>b]]></x:t></x:is></x:c >\
        <x:c other=\"a>b'\" r='B1'\n s='0'><!-- 1 --><x:v>1<!-- 2 -->2</x:v><x:extLst><x:ext><x:v>9</x:v></x:ext></x:extLst></x:c>\
        <x:c r=\"c1\" t=\"str\"><x:v>&#65;&#x42;&quot;&apos;&gt;</x:v></x:c></x:row></x:sheetData><x:mergeCells/></x:worksheet>\n";
    assert_eq!(
        cells_of(&parts(sheet)),
        [
            text("A1", "<a> & ]]>b"),
            cell("B1", CellKind::Number, "12"),
            text("C1", "AB\"'>"),
        ]
    );
}

#[test]
fn parts_in_utf_16_are_read_with_and_without_a_mark() {
    let xml = sheet(r#"<row><c t="inlineStr"><is><t>Zoë 😀</t></is></c></row>"#);
    for mark in ["", "\u{feff}"] {
        let wide = |of: fn(u16) -> [u8; 2]| -> Vec<u8> {
            format!("{mark}{xml}").encode_utf16().flat_map(of).collect()
        };
        for bytes in [wide(u16::to_le_bytes), wide(u16::to_be_bytes)] {
            let book = with(parts(""), "xl/worksheets/sheet1.xml", bytes);
            assert_eq!(cells_of(&book), [text("A1", "Zoë 😀")]);
        }
    }
}

#[test]
fn the_strict_edition_odd_letters_slashes_and_names_of_parts_are_found() {
    let strict = "http://purl.oclc.org/ooxml/officeDocument/relationships";
    let book: Parts = [
        (
            "_RELS/.rels",
            format!(r#"<Relationships><Relationship Id="x" Type="{strict}/officeDocument" Target="/Book/Main.XML"/></Relationships>"#),
        ),
        (
            "book/main.xml",
            r#"<workbook xmlns:q="r" conformance="strict"><workbookPr date1904="true"/><sheets><sheet name="A &amp; B" q:id="s"/></sheets></workbook>"#.to_owned(),
        ),
        (
            "book\\_rels\\main.xml.rels",
            format!(r#"<Relationships><Relationship Id="s" Type="{strict}/worksheet" Target="Data/Eins.xml"/></Relationships>"#),
        ),
        (
            "/book/data/eins.xml",
            sheet(r#"<row><c t="inlineStr"><is><t>id</t></is></c></row>"#),
        ),
    ]
    .map(|(name, text)| (name.to_owned(), text.into_bytes()))
    .to_vec();
    let frames = frames(&zipped(&book));
    let Some(Frame::Layout(layout)) = frames.first() else {
        panic!("{frames:?}");
    };
    assert_eq!(layout.sheet.as_deref(), Some("A & B"));
    assert!(matches!(frames.last(), Some(Frame::End { rows: 0 })));
}

#[test]
fn formats_make_dates_and_leading_zeros_in_both_date_systems() {
    let styles = r#"<styleSheet><numFmts><numFmt numFmtId="170" formatCode="00000;-00000"/><numFmt numFmtId="171" formatCode="[$-407]dd.mm.yyyy;@"/></numFmts>
        <cellXfs><xf/><xf numFmtId="14"/><xf numFmtId="170"/><xf numFmtId="171"/><xf numFmtId="46"/><xf numFmtId="10"/></cellXfs></styleSheet>"#;
    let rows = r#"<row><c s="1"><v>45678</v></c><c s="2"><v>123</v></c><c s="3"><v>45678.25</v></c><c s="4"><v>1.5</v></c><c s="5"><v>0.5</v></c>
        <c s="1"><v>60</v></c><c s="1"><v>-5</v></c><c s="1"><v>2958466</v></c><c s="0"><v>12345678901234567890</v></c><c s="99"><v>5</v></c></row>"#;
    let book = with(parts(&sheet(rows)), "xl/styles.xml", styles);
    let number = |at, text| cell(at, CellKind::Number, text);
    let mut expected = vec![
        cell("A1", CellKind::Date, "2025-01-21"),
        number("B1", "00123"),
        cell("C1", CellKind::Date, "2025-01-21T06:00:00"),
        cell("D1", CellKind::Time, ""),
        number("E1", "0.5"),
        cell("F1", CellKind::Error, ""),
        cell("G1", CellKind::Error, ""),
        cell("H1", CellKind::Error, ""),
        cell("I1", CellKind::LongNumber, "12345678901234567000"),
        number("J1", "5"),
    ];
    assert_eq!(cells_of(&book), expected);

    let main = String::from_utf8(book[1].1.clone()).unwrap();
    let main = main.replace("<sheets>", "<workbookPr date1904=\"1\"/><sheets>");
    expected[0].2 = "2029-01-22".to_owned();
    expected[2].2 = "2029-01-22T06:00:00".to_owned();
    expected[5] = cell("F1", CellKind::Date, "1904-03-01");
    assert_eq!(cells_of(&with(book, "xl/workbook.xml", main)), expected);
}

#[test]
fn cells_out_of_order_find_their_places_and_of_two_the_last_one_counts() {
    let rows = r#"<row r="1"><c r="C1"><v>3</v></c><c r="A1"><v>1</v></c><c r="D1"><v>4</v></c><c r="B1"><v>0</v></c><c r="B1"><v>2</v></c><c r="A1"><v>9</v></c></row>"#;
    let frames = frames(&zipped(&parts(&sheet(rows))));
    let Some(Frame::Header(header)) = frames.get(1) else {
        panic!("{frames:?}");
    };
    assert_eq!(header.labels, ["9", "2", "3", "4"]);
}

#[test]
fn rows_out_of_order_are_refused_with_the_reason() {
    for rows in [
        r#"<row r="2"/><row r="1"/>"#,
        r#"<row r="2"><c r="A3"><v>1</v></c></row>"#,
        r#"<row r="2"/><row><c r="A2"><v>1</v></c></row>"#,
    ] {
        let finding = refusal(&zipped(&parts(&sheet(rows))));
        assert_eq!(finding.code, code::FORMAT_ERROR);
        assert!(finding.message.contains("order"), "{rows}: {finding:?}");
    }
}

#[test]
fn merged_and_hidden_rows_come_as_they_are() {
    let xml = format!(
        r#"<worksheet xmlns="{MAIN}"><sheetData><row><c><v>1</v></c><c/></row><row hidden="1"><c><v>2</v></c></row></sheetData><mergeCells><mergeCell ref="A1:B1"/></mergeCells></worksheet>"#
    );
    let number = |at, text| cell(at, CellKind::Number, text);
    assert_eq!(
        cells_of(&parts(&xml)),
        [number("A1", "1"), number("A2", "2")]
    );
}

/// A workbook with these sheets: name, state, kind of relationship, rows.
fn sheets(sheets: &[(&str, &str, &str, &str)]) -> Vec<u8> {
    let mut book = parts("");
    let (mut named, mut related) = (String::new(), String::new());
    for (at, (name, state, kind, rows)) in sheets.iter().enumerate() {
        write!(
            named,
            r#"<sheet name="{name}" state="{state}" r:id="r{at}"/>"#
        )
        .unwrap();
        write!(
            related,
            r#"<Relationship Id="r{at}" Type="x/{kind}" Target="parts/{at}.xml"/>"#
        )
        .unwrap();
        book.push((format!("xl/parts/{at}.xml"), sheet(rows).into_bytes()));
    }
    let book = with(
        book,
        "xl/workbook.xml",
        format!("<workbook><sheets>{named}</sheets></workbook>"),
    );
    zipped(&with(
        book,
        "xl/_rels/workbook.xml.rels",
        format!("<Relationships>{related}</Relationships>"),
    ))
}

#[test]
fn the_date_system_stays_what_it_is_when_an_extension_has_an_element_of_that_name() {
    let day = r#"<row><c t="d"><v>2020-01-01</v></c></row>"#;
    let sheets = r#"<sheets><sheet name="Staff" r:id="rId1"/></sheets>"#;
    let extension = r#"<extLst><ext><x15:workbookPr chartTrackingRefBase="1"/></ext></extLst>"#;
    let book = format!("<workbook><workbookPr date1904=\"1\"/>{sheets}{extension}</workbook>");
    let book = with(parts(&sheet(day)), "xl/workbook.xml", book);
    let mut archive = Archive::open(Cursor::new(zipped(&book))).unwrap();
    assert!(book::outline(&mut archive).unwrap().from_1904);
}

#[test]
fn a_row_that_is_written_once_for_each_of_its_cells_is_one_row() {
    let rows = r#"<row r="1"><c r="A1" t="str"><v>id</v></c></row><row r="1"><c r="B1" t="str"><v>name</v></c></row>
        <row r="2"><c r="B2"><v>2</v></c></row><row r="2"/><row r="2"><c r="A2"><v>1</v></c></row>"#;
    let frames = frames(&zipped(&parts(&sheet(rows))));
    let rows: Vec<_> = frames
        .iter()
        .filter_map(|frame| match frame {
            Frame::Row(row) => Some(row.cells().map(|cell| cell.text).collect::<Vec<_>>()),
            _ => None,
        })
        .collect();
    assert_eq!(rows, [["1", "2"]]);
}

#[test]
fn a_cell_with_both_a_value_and_a_text_says_one_of_them() {
    let rows = r#"<row><c t="inlineStr"><v>1.0</v><is><t>1.</t></is></c><c t="inlineStr"><is><t>2.</t></is><v>2.0</v></c>
        <c t="str"><v>3</v><is><t>x</t></is></c><c><is><t>x</t></is><v>4</v></c><c t="inlineStr"><v>5</v></c></row>"#;
    let cells = cells_of(&parts(&sheet(rows)));
    let texts: Vec<&str> = cells.iter().map(|cell| cell.2.as_str()).collect();
    assert_eq!(texts, ["1.", "2.", "3", "4", "5"]);
}

#[test]
fn a_module_of_macros_among_the_sheets_is_no_damage() {
    let id = "<row><c t=\"str\" s=\"\"><v>id</v></c></row>";
    let sheets =
        r#"<sheets><sheet name="Staff" r:id="rId1"/><sheet name="Module" r:id=""/></sheets>"#;
    let book = with(
        parts(&sheet(id)),
        "xl/workbook.xml",
        format!("<workbook>{sheets}</workbook>"),
    );
    assert_eq!(sheet_read(&zipped(&book), None).as_deref(), Some("Staff"));
    // Some programs write an empty number of the format.
    assert_eq!(cells_of(&book), [text("A1", "id")]);
}

fn sheet_read(file: &[u8], agreed: Option<&str>) -> Option<String> {
    let agreement = Agreement {
        sheet: agreed.map(str::to_owned),
        ..Agreement::default()
    };
    match frames_of(file, &agreement).into_iter().next() {
        Some(Frame::Layout(layout)) => layout.sheet,
        _ => None,
    }
}

#[test]
fn the_only_visible_sheet_with_something_or_the_one_that_was_agreed_on_is_read() {
    let id = "<row><c><v>1</v></c></row>";
    let file = sheets(&[
        ("Chart", "visible", "chartsheet", id),
        ("Macros", "visible", "xlMacrosheet", id),
        (
            "Blank",
            "visible",
            "worksheet",
            "<row><c t=\"str\"><v> </v></c></row>",
        ),
        ("Old", "hidden", "worksheet", id),
        ("Older", "veryHidden", "worksheet", id),
        ("Staff", "visible", "worksheet", id),
    ]);
    assert_eq!(sheet_read(&file, None).as_deref(), Some("Staff"));
    assert_eq!(sheet_read(&file, Some("older")).as_deref(), Some("Older"));
    assert_eq!(sheet_read(&file, Some("Chart")), None);

    let two = sheets(&[
        ("A", "visible", "worksheet", id),
        ("B", "visible", "worksheet", "<row><c><f>A!A1</f></c></row>"),
    ]);
    assert_eq!(refusal(&two).code, code::SEVERAL_SHEETS);
    let none = sheets(&[("A", "hidden", "worksheet", id)]);
    assert_eq!(refusal(&none).code, code::BLANK_HEADER);
}
