//! Workbooks that mean harm, and such as were damaged on the way: each ends in one refusal or is read, and nothing panics.

use proptest::prelude::*;

use super::*;
use crate::parse::read::workbook::caps;

const SHEET: &str = "xl/worksheets/sheet1.xml";
const STRINGS: &str = "xl/sharedStrings.xml";
const ROW: &str = r#"<row><c t="inlineStr"><is><t>id</t></is></c></row>"#;

fn many(head: &str, unit: &str, bytes: usize, tail: &str) -> Vec<u8> {
    let mut all = head.as_bytes().to_vec();
    for _ in 0..bytes / unit.len() {
        all.extend_from_slice(unit.as_bytes());
    }
    all.extend_from_slice(tail.as_bytes());
    all
}

#[test]
fn what_unpacks_to_too_much_is_refused_as_such() {
    let rows = format!("<worksheet><sheetData>{ROW}");
    let texts = "<sst><si><t>x";
    for (part, head, unit) in [
        (SHEET, rows.as_str(), " "),
        (SHEET, rows.as_str(), "<row/>"),
        (STRINGS, texts, "x"),
        (STRINGS, texts, "</t></si><si><t>"),
        ("xl/styles.xml", "<styleSheet><numFmts>", "<numFmt/>"),
        ("xl/workbook.xml", "<workbook>", "<a>"),
        ("xl/media/image1.bmp", "BM", "\0"),
    ] {
        let bomb = many(head, unit, 40 << 20, "");
        let finding = refusal(&zipped(&with(parts(&sheet(ROW)), part, bomb)));
        assert_eq!(finding.code, code::FORMAT_ERROR, "{part} {unit}");
        assert!(
            finding.message.contains("100 times") || finding.message.contains("than Excel"),
            "{part} {unit}: {finding:?}"
        );
    }
}

#[test]
fn more_texts_than_a_reader_can_hold_are_refused() {
    let strings = many("<sst>", "<si/>", 5 * (caps::TEXTS + 1), "</sst>");
    let Err(Stop::Refused(finding)) = strings::parse(Scan::new(strings.as_slice()), 1000) else {
        panic!("they were read");
    };
    assert_eq!(finding.code, code::TABLE_DIMENSIONS);
    assert!(finding.message.contains("8 million"), "{finding:?}");
}

#[test]
fn the_count_of_texts_is_not_believed() {
    let strings = r#"<sst count="1000000000000000000" uniqueCount="1000000000000000000"><si><t>id</t></si></sst>"#;
    let rows = r#"<row><c t="s"><v>0</v></c></row>"#;
    let book = with(parts(&sheet(rows)), STRINGS, strings);
    assert_eq!(cells_of(&book), [text("A1", "id")]);
    for number in ["1", "4000000000", "99999999999999999999999", "-1", "x"] {
        let rows = format!(r#"<row><c t="s"><v>{number}</v></c></row>"#);
        let book = with(parts(&sheet(&rows)), STRINGS, strings);
        assert_eq!(refusal(&zipped(&book)).code, code::FORMAT_ERROR, "{number}");
    }
}

#[test]
fn places_beyond_a_sheet_and_values_beyond_the_limits_are_refused() {
    for (row, code) in [
        (
            r#"<row r="4294967295"><c><v>1</v></c></row>"#,
            code::FORMAT_ERROR,
        ),
        (r#"<row r="1048577"/>"#, code::FORMAT_ERROR),
        (r#"<row r="99999999999999999999999"/>"#, code::FORMAT_ERROR),
        (
            r#"<row><c r="ZZZZZZZZZ9999999999"><v>1</v></c></row>"#,
            code::FORMAT_ERROR,
        ),
        (r#"<row r="2"><c r="XFE2"/></row>"#, code::FORMAT_ERROR),
        (r#"<row r="0"/>"#, code::FORMAT_ERROR),
        (r#"<row r="two"/>"#, code::FORMAT_ERROR),
        (r#"<row r="2"><c r="2"/></row>"#, code::FORMAT_ERROR),
        (r#"<row r="2"><c r="A"/></row>"#, code::FORMAT_ERROR),
        (r#"<row r="2"><c r=A2/></row>"#, code::FORMAT_ERROR),
        (r#"<row r="2"><c t="x"/></row>"#, code::FORMAT_ERROR),
        (
            r#"<row r="2"><c r="XFD2"><v>1</v></c></row>"#,
            code::TABLE_DIMENSIONS,
        ),
        (
            r#"<row r="1048576"><c><v>1</v></c></row>"#,
            code::TABLE_DIMENSIONS,
        ),
    ] {
        let finding = refusal(&zipped(&parts(&sheet(&format!("{ROW}{row}")))));
        assert_eq!(finding.code, code, "{row}: {finding:?}");
    }
    for row in [
        r#"<row r="1048576"><c r="XFD1048576" s="7"/></row>"#,
        r#"<row r="1048576"><c r="XFD1048576" t="str"><v></v></c></row>"#,
    ] {
        let frames = frames(&zipped(&parts(&sheet(&format!("{ROW}{row}")))));
        assert!(matches!(frames.last(), Some(Frame::End { rows: 0 })));
    }
}

#[test]
fn types_entities_long_tags_and_broken_ends_are_refused() {
    let good = sheet(ROW);
    let long = format!(r#"<row a="{}"/>"#, "9".repeat(100_000));
    for xml in [
        format!(r#"<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>{good}"#),
        sheet(r#"<row><c t="str"><v>&nope;</v></c></row>"#),
        sheet(r#"<row><c t="str"><v>&amp</v></c></row>"#),
        sheet(&long),
        sheet("<row a=\"1>"),
        good[..good.len() / 2].to_owned(),
        "<".repeat(200_000),
        "<worksheet><sheetData><row><c><v>".to_owned(),
        "<worksheet><sheetData><![CDATA[".to_owned(),
        "<worksheet><sheetData><!-- ".to_owned(),
        "<worksheet><sheetData><".to_owned(),
        "not XML".to_owned(),
        String::new(),
    ] {
        let finding = refusal(&zipped(&parts(&xml)));
        assert_eq!(finding.code, code::FORMAT_ERROR, "{finding:?}");
    }
    let empty = refusal(&zipped(&parts("<worksheet/>")));
    assert_eq!(empty.code, code::BLANK_HEADER);
}

#[test]
fn a_changed_byte_is_found_by_the_checksum() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts(&sheet(ROW)) {
        let stored =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file(name.as_str(), stored).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    let mut file = zip.finish().unwrap().into_inner();
    let at = memchr::memmem::find(&file, b"<t>id").unwrap();
    file[at + 3] = b'x';
    assert_eq!(refusal(&file).code, code::FORMAT_ERROR);
}

#[test]
fn a_text_of_megabytes_is_a_cell_that_is_too_long() {
    let long = "word ".repeat(1_000_000);
    let rows = format!(
        r#"{ROW}<row><c t="inlineStr"><is><t>{long}</t></is></c></row><row><c t="str"><v>{long}</v></c></row><row><c t="s"><v>0</v></c></row>"#
    );
    let strings = format!("<sst><si><t>{long}</t></si></sst>");
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in with(parts(&sheet(&rows)), STRINGS, strings) {
        let stored =
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file(name.as_str(), stored).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    let frames = frames(&zip.finish().unwrap().into_inner());
    let kinds: Vec<CellKind> = frames
        .iter()
        .filter_map(|frame| match frame {
            Frame::Row(row) => row.cell(0).map(|cell| cell.kind),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [CellKind::TooLong; 3]);
}

/// Parts with everything in them, small enough that a change hits something.
fn sample() -> Parts {
    let rows = r#"<row r="1" spans="1:3"><c r="A1" s="1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><r><t>a&amp;b</t></r></is></c><c r="C1" t="str"><f>X</f><v>_x000D_</v></c></row>
        <row r="2"><c r="A2" s="1"><v>45678.5</v></c><c r="B2" s="2"><v>7</v></c><c r="C2" t="e"><v>#N/A</v></c><c t="b"><v>1</v></c><c t="d"><v>2025-01-21</v></c></row><!-- c --><row/>"#;
    let styles = r#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="&quot;E&quot;000;[Red]0"/></numFmts><cellXfs><xf/><xf numFmtId="14"/><xf numFmtId="164"/></cellXfs></styleSheet>"#;
    let strings = r#"<?xml version="1.0"?><sst uniqueCount="2"><si><t>id</t></si><si><r><t xml:space="preserve"> x </t></r><rPh><t>y</t></rPh></si></sst>"#;
    with(
        with(parts(&sheet(rows)), "xl/styles.xml", styles),
        STRINGS,
        strings,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Bytes of a part are set, cut out and repeated before it is packed.
    #[test]
    fn no_change_to_the_bytes_of_a_part_makes_a_panic(
        part in 0..6_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_usize), 1..6),
    ) {
        let mut book = sample();
        let bytes = &mut book[part].1;
        for (at, byte, how) in changes {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            let end = (at + usize::from(byte)).min(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes[at] = b"<>&\"'/=;![]x0"[usize::from(byte) % 13],
                2 => drop(bytes.drain(at..end)),
                _ => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
            }
        }
        let frames = frames(&zipped(&book));
        let ends_properly = matches!(frames.last(), Some(Frame::End { .. } | Frame::Refused(_)));
        prop_assert!(ends_properly);
    }

    #[test]
    fn no_change_to_the_archive_makes_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut file = zipped(&sample());
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        frames(&file);
    }
}
