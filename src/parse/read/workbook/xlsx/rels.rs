//! Pure. Relationships: which part of the package is what, and where. Names of files mean nothing by themselves.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{Read, Seek};

use crate::parse::read::table::Stop;
use crate::parse::read::workbook::xlsx::archive::Archive;
use crate::parse::read::workbook::xlsx::scan::{Scan, Token};
use crate::parse::read::workbook::xlsx::text;

/// One part that another one speaks of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Relationship {
    pub(super) id: String,
    /// The last word of its type: `worksheet`, `styles`. The rest of it says which edition of the standard this is.
    pub(super) kind: String,
    /// The full name of the part.
    pub(super) part: String,
}

/// The relationships of the part `of`; none if it has none. The package itself is the part without a name.
pub(super) fn of<R: Read + Seek>(
    archive: &mut Archive<R>,
    of: &str,
) -> Result<Vec<Relationship>, Stop> {
    let (folder, name) = of.rsplit_once('/').unwrap_or(("", of));
    match archive.part(&format!("{folder}/_rels/{name}.rels"))? {
        Some(part) => parse(Scan::new(part), folder),
        None => Ok(Vec::new()),
    }
}

fn parse<S: Read>(mut scan: Scan<S>, folder: &str) -> Result<Vec<Relationship>, Stop> {
    let mut all = Vec::new();
    loop {
        match scan.next()? {
            Token::Open(tag) if tag.name == b"Relationship" => {
                let word = |name: &[u8]| {
                    tag.attribute(name)?
                        .map_or(Ok(String::new()), text::attribute)
                };
                if word(b"TargetMode")?.eq_ignore_ascii_case("external") {
                    continue;
                }
                let kind = word(b"Type")?;
                let (_, kind) = kind.rsplit_once('/').unwrap_or(("", &kind));
                all.push(Relationship {
                    id: word(b"Id")?,
                    kind: kind.to_owned(),
                    part: resolved(folder, &word(b"Target")?),
                });
            }
            Token::End => return Ok(all),
            _ => {}
        }
    }
}

/// The name that `target` means in a part of `folder`.
fn resolved(folder: &str, target: &str) -> String {
    let target = target.replace('\\', "/");
    let path = match target.strip_prefix('/') {
        Some(absolute) => absolute.to_owned(),
        None => format!("{folder}/{target}"),
    };
    let mut steps = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    steps.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_found_from_the_folder_of_its_part() {
        for (folder, target, part) in [
            ("xl", "worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            (
                "xl",
                "/xl/worksheets/sheet1.xml",
                "xl/worksheets/sheet1.xml",
            ),
            ("xl", "../data/./one.xml", "data/one.xml"),
            ("xl", "worksheets\\sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("", "xl/workbook.xml", "xl/workbook.xml"),
            ("xl", "../../../up.xml", "up.xml"),
        ] {
            assert_eq!(resolved(folder, target), part, "{folder} {target}");
        }
    }

    #[test]
    fn the_kind_is_the_same_word_in_both_editions_and_what_is_outside_is_left_out() {
        let xml = br#"<Relationships xmlns="p">
            <Relationship Id="a" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="1.xml"/>
            <Relationship Id="b" Type="http://purl.oclc.org/ooxml/officeDocument/relationships/worksheet" Target="2.xml"/>
            <Relationship Id="c" Type="http://x/hyperlink" Target="http://example.com/" TargetMode="External"/>
            </Relationships>"#;
        let all = parse(Scan::new(&xml[..]), "xl").unwrap();
        let all: Vec<_> = all
            .iter()
            .map(|one| (one.id.as_str(), one.kind.as_str(), one.part.as_str()))
            .collect();
        assert_eq!(
            all,
            [
                ("a", "worksheet", "xl/1.xml"),
                ("b", "worksheet", "xl/2.xml")
            ]
        );
    }
}
