//! Pure. What a workbook says of itself: its sheets, its date system, and the parts that its cells refer to.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{Read, Seek};

use crate::parse::read::table::Stop;
use crate::parse::read::workbook::caps::SHEETS;
use crate::parse::read::workbook::fault::{damaged, strange};
use crate::parse::read::workbook::xlsx::archive::Archive;
use crate::parse::read::workbook::xlsx::rels::{self, Relationship};
use crate::parse::read::workbook::xlsx::scan::{Scan, Tag, Token};
use crate::parse::read::workbook::xlsx::text;

/// A workbook before any of its cells is read.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Sheets of cells; those of charts, dialogs and macros are left out.
    pub(super) sheets: Vec<Sheet>,
    pub(super) styles: Option<String>,
    pub(super) strings: Option<String>,
    /// Whether days count from 1904, as on an old Mac.
    pub(super) from_1904: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sheet {
    pub(super) name: String,
    pub(super) visible: bool,
    pub(super) part: String,
}

/// A sheet as the workbook names it, before its part is found.
struct Named {
    name: String,
    visible: bool,
    id: String,
}

/// Reads the workbook's own part.
pub(super) fn outline<R: Read + Seek>(archive: &mut Archive<R>) -> Result<Outline, Stop> {
    let part = rels::of(archive, "")?
        .into_iter()
        .find(|one| one.kind == "officeDocument")
        .map_or_else(|| "xl/workbook.xml".to_owned(), |one| one.part);
    let (named, from_1904) = {
        let part = archive.part(&part)?.ok_or_else(damaged)?;
        parse(Scan::new(part))?
    };
    let parts = rels::of(archive, &part)?;
    let of_kind = |kind: &str| {
        let one = parts.iter().find(|one| one.kind == kind);
        one.map(|one| one.part.clone())
    };
    let mut outline = Outline {
        sheets: Vec::new(),
        styles: of_kind("styles"),
        strings: of_kind("sharedStrings"),
        from_1904,
    };
    for Named { name, visible, id } in named {
        // Modules of macros are named among the sheets, and have no part of their own.
        if id.is_empty() {
            continue;
        }
        let Relationship { kind, part, .. } =
            parts.iter().find(|one| one.id == id).ok_or_else(damaged)?;
        if kind == "worksheet" {
            outline.sheets.push(Sheet {
                name,
                visible,
                part: part.clone(),
            });
        }
    }
    Ok(outline)
}

fn parse<S: Read>(mut scan: Scan<S>) -> Result<(Vec<Named>, bool), Stop> {
    let mut sheets = Vec::new();
    let mut from_1904 = false;
    let mut is_workbook = false;
    loop {
        match scan.next()? {
            Token::Open(tag) => match tag.name {
                b"workbook" => is_workbook = true,
                b"workbookPr" => {
                    // Since Excel 2013 there is another element of this name among the extensions, which says nothing of it.
                    if let Some(flag) = tag.attribute(b"date1904")? {
                        from_1904 = matches!(flag, b"1" | b"true" | b"on");
                    }
                }
                b"sheet" => {
                    if sheets.len() == SHEETS {
                        return Err(strange("it has thousands of sheets").into());
                    }
                    sheets.push(named(&tag)?);
                }
                _ => {}
            },
            Token::End if is_workbook => return Ok((sheets, from_1904)),
            Token::End => return Err(damaged().into()),
            _ => {}
        }
    }
}

fn named(tag: &Tag<'_>) -> Result<Named, Stop> {
    let name = tag.attribute(b"name")?.ok_or_else(damaged)?;
    let state = tag.attribute(b"state")?.unwrap_or(b"visible");
    let id = tag.attribute(b"id")?.ok_or_else(damaged)?;
    Ok(Named {
        name: text::attribute(name)?,
        visible: state == b"visible",
        id: text::attribute(id)?,
    })
}
