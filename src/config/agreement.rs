//! The keys of a `[[data_source]]` that say what its files are like: what cannot be seen in their bytes, or would have to be guessed.

use encoding_rs::Encoding;

use crate::config::document::Section;
use crate::config::pgp;
use crate::parse::agreement::{Agreement, Delimiter, FixedColumn};
use crate::parse::field::normalised;

/// Characters of a line that a fixed column may reach to.
const LINE: u64 = 32_768;

/// Reads them; all of them are optional.
pub(super) fn read(section: &Section<'_>) -> Agreement {
    let agreement = Agreement {
        headers: Vec::new(),
        encoding: section.parsed("encoding", encoding),
        delimiter: section
            .parsed("delimiter", delimiter)
            .map_or(Delimiter::Unknown, Delimiter::Declared),
        sheet: section.parsed("sheet", |name| {
            let name = name.trim();
            if name.is_empty() {
                Err("expected the name of a sheet")
            } else {
                Ok(name.to_owned())
            }
        }),
        fixed_width: fixed_width(section),
        pgp: pgp::read(section),
    };
    if !agreement.fixed_width.is_empty() {
        for key in ["delimiter", "sheet"] {
            if section.has(key) {
                section.wrong_key(
                    key,
                    "has no meaning beside [[data_source.fixed_width]]: remove one of them",
                );
            }
        }
    }
    agreement
}

fn encoding(label: &str) -> Result<String, String> {
    match Encoding::for_label(label.as_bytes()) {
        Some(encoding) => Ok(encoding.name().to_owned()),
        None => Err("no encoding has that name: expected one of the WHATWG's, as \"windows-1252\", \"iso-8859-2\", \"windows-1251\", \"shift_jis\" or \"utf-8\"".to_owned()),
    }
}

fn delimiter(text: &str) -> Result<u8, &'static str> {
    match text.as_bytes() {
        b"tab" => Ok(b'\t'),
        [one]
            if one.is_ascii_punctuation() && !b"\"'".contains(one)
                || matches!(one, b'\t' | b' ') =>
        {
            Ok(*one)
        }
        _ => Err(
            "expected one character that stands between the cells, as \",\", \";\", \"|\" or \"tab\"",
        ),
    }
}

fn fixed_width(section: &Section<'_>) -> Vec<FixedColumn> {
    let mut columns: Vec<FixedColumn> = Vec::new();
    for column in section.sections("fixed_width") {
        let name = column.required_text("name", "\"Employee ID\"");
        let place = |key: &'static str| {
            if !column.has(key) {
                column.missing(key, "1");
            }
            let number = column.number(key, 1)?;
            if number > LINE {
                column.wrong_key(key, format!("expected at most {LINE}"));
                return None;
            }
            usize::try_from(number).ok()
        };
        let (start, width) = (place("start"), place("width"));
        let (Some(name), Some(start), Some(width)) = (name, start, width) else {
            column.finish();
            continue;
        };
        let overlaps = columns
            .iter()
            .find(|other| start < other.start + other.width && other.start < start + width);
        if let Some(other) = overlaps {
            column.wrong_key(
                "start",
                format!(
                    "the column takes characters that \"{}\" takes too: each belongs to one column",
                    other.name
                ),
            );
        }
        let same = |other: &FixedColumn| normalised(&other.name) == normalised(&name.content);
        if columns.iter().any(same) {
            column.wrong(&name, "another column has that name: choose another one");
        }
        column.finish();
        columns.push(FixedColumn {
            name: name.content.trim().to_owned(),
            start,
            width,
        });
    }
    columns.sort_by_key(|column| column.start);
    columns
}
