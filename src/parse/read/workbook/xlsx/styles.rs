//! Pure. Cell formats: for each, what its number format means.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::collections::HashMap;
use std::io::Read;

use crate::parse::read::table::Stop;
use crate::parse::read::workbook::caps::STYLES;
use crate::parse::read::workbook::fault::strange;
use crate::parse::read::workbook::format::{self, Shown};
use crate::parse::read::workbook::xlsx::scan::{Scan, Tag, Token};
use crate::parse::read::workbook::xlsx::text;

/// The cell formats of a workbook, by the number that cells call them.
#[derive(Debug, Default)]
pub(super) struct Styles(Vec<Shown>);

impl Styles {
    /// Reads the part of the styles.
    pub(super) fn parse<S: Read>(mut scan: Scan<S>) -> Result<Self, Stop> {
        let mut formats = HashMap::new();
        let mut ids = Vec::new();
        // `xf` stands in the named styles too, which cells do not call.
        let mut in_cell_formats = false;
        // `numFmt` stands in the formats of tables and conditions too, whose numbers are their own: one of them may call a percentage 14.
        let mut in_number_formats = false;
        loop {
            match scan.next()? {
                Token::Open(tag) => match tag.name {
                    b"numFmts" => in_number_formats = !tag.empty,
                    b"numFmt" if in_number_formats => {
                        let code = tag.attribute(b"formatCode")?.unwrap_or_default();
                        let shown = format::custom(&text::attribute(code)?);
                        formats.insert(id(&tag)?, shown);
                    }
                    b"cellXfs" => in_cell_formats = !tag.empty,
                    b"xf" if in_cell_formats => ids.push(id(&tag)?),
                    _ => {}
                },
                Token::Close(b"cellXfs") => in_cell_formats = false,
                Token::Close(b"numFmts") => in_number_formats = false,
                Token::End => break,
                _ => {}
            }
            if formats.len() > STYLES || ids.len() > STYLES {
                return Err(strange("it has more cell formats than Excel can hold").into());
            }
        }
        let shown = |id| {
            let custom = formats.get(&id).cloned();
            custom.unwrap_or_else(|| format::builtin(id))
        };
        Ok(Self(ids.into_iter().map(shown).collect()))
    }

    /// How cells of this format show a number; as it is, if there is no such format.
    pub(super) fn shown(&self, style: usize) -> &Shown {
        self.0.get(style).unwrap_or(&Shown::Number)
    }
}

/// Which number format this is or calls; `General` if that is no number.
fn id(tag: &Tag<'_>) -> Result<u32, Stop> {
    let id = tag.attribute(b"numFmtId")?.unwrap_or_default();
    let id = std::str::from_utf8(id).ok();
    Ok(id.and_then(|id| id.trim().parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_of_a_table_does_not_change_what_cells_call_by_the_same_number() {
        let xml = br#"<styleSheet><numFmts count="1"><numFmt numFmtId="164" formatCode="00000"/></numFmts>
            <cellXfs><xf numFmtId="14"/><xf numFmtId="164"/></cellXfs>
            <dxfs><dxf><numFmt numFmtId="14" formatCode="0.00%"/></dxf><dxf><numFmt numFmtId="164" formatCode="General"/></dxf></dxfs></styleSheet>"#;
        let styles = Styles::parse(Scan::new(&xml[..])).unwrap();
        assert_eq!(styles.0, [Shown::Date, Shown::Padded(5)]);
    }

    #[test]
    fn cells_call_their_own_formats_and_not_the_named_ones() {
        let xml = br#"<x:styleSheet xmlns:x="m"><x:numFmts><x:numFmt numFmtId="164" formatCode="&quot;E&quot;00"/>
            <x:numFmt numFmtId="165" formatCode='00000;-00000'/></x:numFmts>
            <x:cellStyleXfs><x:xf numFmtId="14"/></x:cellStyleXfs>
            <x:cellXfs count="99"><x:xf/><x:xf numFmtId="14"/><x:xf numFmtId="165"><x:alignment/></x:xf><x:xf numFmtId="46"/></x:cellXfs>
            <x:cellStyles><x:cellStyle/></x:cellStyles></x:styleSheet>"#;
        let styles = Styles::parse(Scan::new(&xml[..])).unwrap();
        assert_eq!(
            styles.0,
            [
                Shown::Number,
                Shown::Date,
                Shown::Padded(5),
                Shown::Duration
            ]
        );
        assert_eq!(styles.shown(99), &Shown::Number);
    }
}
