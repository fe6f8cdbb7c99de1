//! A cell that is taken in one stride is the cell that its tags give.

use proptest::prelude::*;

use super::*;
use crate::parse::read::workbook::xlsx::plain::Plain;

/// The cells of a sheet with one row, or nothing where it is refused.
fn cells(row: &str) -> Option<Vec<(u32, u32, CellKind, String)>> {
    let sheet = format!(r#"<worksheet><sheetData><row r="7">{row}</row></sheetData></worksheet>"#);
    let shared = "<sst><si><t>Ada</t></si><si/><si><t>Li</t></si></sst>";
    let context = Context {
        strings: strings::parse(Scan::new(shared.as_bytes()), 100).unwrap(),
        text_bytes: 100,
        ..Context::default()
    };
    let mut cells = Vec::new();
    let read = sheet::cells(Scan::new(sheet.as_bytes()), &context, |at, kind, text| {
        if !says_nothing(kind, text) {
            cells.push((at.0, at.1, kind, text.trim().to_owned()));
        }
        Ok(ControlFlow::Continue(()))
    });
    read.is_ok().then_some(cells)
}

fn cell() -> impl Strategy<Value = String> {
    let place = prop_oneof![8 => "[A-D]7", 1 => "[A-D]8", 1 => "[A-Da1&]{0,3}"];
    let style = prop_oneof![Just(String::new()), " s=\"[0-9a]{0,3}\""];
    let kind = prop_oneof![
        Just(String::new()),
        r#" t="(n|s|b|e|d|str|inlineStr|x|)""#,
        Just(r#" t="s""#.to_owned())
    ];
    let inner = prop_oneof![
        4 => "/>|><v>[0-9]{1,3}</v></c>",
        1 => "><v>[ 0-9a-zT:#/!&;.<-]{0,6}</v></c>",
        1 => "><is><t>[ a-zÄ&;_x]{0,6}</t></is></c>",
        1 => r#"></c>|><f>A1</f><v>1</v></c>|><v/></c>|><v>1</v><v>2</v></c>|><is><t xml:space="preserve"> a </t></is></c>|><v>1</v></c"#,
    ];
    (place, style, kind, inner)
        .prop_map(|(place, style, kind, inner)| format!(r#"<c r="{place}"{style}{kind}{inner}"#))
}

proptest! {
    #[test]
    fn a_cell_in_one_stride_is_what_its_tags_give(row in prop::collection::vec(cell(), 1..4)) {
        let row = row.concat();
        // Two blanks are as good as one, and no cell is plain any more.
        let by_tags = row.replace("<c r", "<c  r");
        prop_assert!(Plain::first(by_tags.as_bytes()).is_none());
        prop_assert_eq!(cells(&row), cells(&by_tags), "{}", row);
    }
}

#[test]
fn what_programs_write_is_plain() {
    for (cell, bytes) in [
        (r#"<c r="B7" s="3" t="s"><v>12</v></c><c"#, 35),
        (r#"<c r="B7"><v>-1.5E3</v></c>"#, 27),
        (r#"<c r="B7" s="3"/><c"#, 17),
        (
            r#"<c r="B7" t="inlineStr"><is><t>Ada Li</t></is></c></row>"#,
            50,
        ),
    ] {
        assert_eq!(
            Plain::first(cell.as_bytes()).map(|it| it.bytes),
            Some(bytes),
            "{cell}"
        );
    }
}
