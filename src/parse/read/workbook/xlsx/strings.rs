//! Pure. The part of the shared texts.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::Read;

use crate::parse::read::table::Stop;
use crate::parse::read::workbook::texts::Texts;
use crate::parse::read::workbook::xlsx::scan::{Scan, Token};
use crate::parse::read::workbook::xlsx::text;

/// Reads the part of the shared texts. Of each, one byte more than `most` is kept, to tell that it is too long. How many it claims to have is
/// not looked at.
pub(super) fn parse<S: Read>(mut scan: Scan<S>, most: usize) -> Result<Texts, Stop> {
    let mut strings = Texts::default();
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if scan.take_plain(b"<si><t>", b"</t></si>", &mut bytes) {
            let text = text::finished(bytes.trim_ascii(), usize::MAX)?;
            strings.push(&text, most)?;
            continue;
        }
        match scan.next()? {
            Token::Open(tag) if tag.name == b"si" => {
                if !tag.empty {
                    text::rich(&mut scan, &mut bytes, text::room(most))?;
                }
                let text = text::finished(&bytes, text::room(most))?;
                strings.push(&text, most)?;
            }
            Token::End => return Ok(strings),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(inner: &str) -> Vec<String> {
        let xml = format!("<sst xmlns=\"m\" uniqueCount=\"1000000000000000000\">{inner}</sst>");
        let strings = parse(Scan::new(xml.as_bytes()), 100).unwrap();
        (0..)
            .map_while(|at| strings.text(at))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn every_text_has_its_number_however_it_is_written() {
        let inner = r#"<si><t>Ada</t></si><si/><si><t/></si><si><r><rPr><b/></rPr><t xml:space="preserve">Grace </t></r><r><t>Hopper</t></r></si>
            <si><t>&#x30C6;&amp;&lt;&#233;</t><rPh sb="0" eb="1"><t>te</t></rPh><phoneticPr fontId="1"/></si>
            <x:si xmlns:x="m"><x:t><![CDATA[<&amp;>]]> b</x:t></x:si><si><t> cut </t></si><si><t xml:space='preserve'> kept </t></si>
            <si><t>a_x000D_b_x005F_x0041__x</t></si><si><t>_xD83D__xDE00_ _xD83D_ _x00e9_</t></si><!-- <si><t>no</t></si> --><?no <si/> ?>"#;
        assert_eq!(
            strings(inner),
            [
                "Ada",
                "",
                "",
                "Grace Hopper",
                "テ&<é",
                "<&amp;> b",
                "cut",
                " kept ",
                "a\rb_x0041__x",
                "\u{1f600} _xD83D_ é",
            ]
        );
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_where_that_can_still_be_told() {
        let long = strings(&format!("<si><t>{}</t></si>", "é".repeat(100_000)));
        assert!((101..110).contains(&long[0].len()), "{}", long[0].len());
        let just = "x".repeat(100);
        assert_eq!(strings(&format!("<si><t>{just}</t></si>")), [just]);
    }

    #[test]
    fn what_is_no_text_is_damage() {
        for inner in [
            "<si><t>&nope;</t></si>",
            "<si><t>&#xD800;</t></si>",
            "<si><t>a",
        ] {
            let xml = format!("<sst>{inner}");
            assert!(parse(Scan::new(xml.as_bytes()), 100).is_err());
        }
        assert!(parse(Scan::new(&b"<sst><si><t>\xff</t></si></sst>"[..]), 100).is_err());
    }
}
