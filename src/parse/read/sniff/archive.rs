//! Pure. What is in a ZIP archive: a workbook, another document, or files that somebody packed.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{self, Read, Seek, SeekFrom};

use memchr::memmem;
use zip::ZipArchive;

use crate::parse::finding::{Finding, code};
use crate::parse::read::sniff::{Format, refused};

pub(super) const MAGIC: &[u8] = b"PK\x03\x04";
/// The list of parts stands at the end, and an empty one has this signature all the same.
const END_OF_LIST: &[u8] = b"PK\x05\x06";
const TAIL_BYTES: u64 = 66 * 1024;
/// The main part of a workbook, in its list of types.
const TYPES_BYTES: u64 = 1 << 20;

/// Looks at the names of its parts.
pub(super) fn archive<R: Read + Seek>(input: &mut R) -> io::Result<Result<Format, Finding>> {
    if !has_end(input)? {
        return Ok(Err(refused("a workbook or ZIP archive that is cut off")));
    }
    input.seek(SeekFrom::Start(0))?;
    let Ok(mut archive) = ZipArchive::new(&mut *input) else {
        return Ok(Err(refused("a damaged workbook or ZIP archive")));
    };
    let holds = |wanted: &dyn Fn(&str) -> bool| {
        archive.file_names().flatten().any(|name| {
            let name = name.replace('\\', "/").to_ascii_lowercase();
            let name = name.trim_start_matches('/').to_owned();
            wanted(&name)
        })
    };
    let what = if holds(&|name| name == "xl/workbook.bin") {
        "a binary workbook (.xlsb)"
    } else if holds(&|name| name.starts_with("xl/")) {
        return Ok(Ok(Format::Xlsx));
    } else if holds(&|name| name == "word/document.xml") {
        "a Word document"
    } else if holds(&|name| name == "ppt/presentation.xml") {
        "a presentation"
    } else if holds(&|name| name == "content.xml") && holds(&|name| name == "meta-inf/manifest.xml")
    {
        "an OpenDocument file"
    } else if holds(&|name| name == "index/document.iwa" || name == "index.zip") {
        "a document of Apple Numbers, Pages or Keynote"
    } else if is_workbook_by_its_types(&mut archive) {
        return Ok(Ok(Format::Xlsx));
    } else {
        return Ok(Err(packed(&archive)));
    };
    Ok(Err(refused(what)))
}

fn has_end<R: Read + Seek>(input: &mut R) -> io::Result<bool> {
    let length = input.seek(SeekFrom::End(0))?;
    input.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    input.take(TAIL_BYTES).read_to_end(&mut tail)?;
    Ok(memmem::find(&tail, END_OF_LIST).is_some())
}

/// Parts may have any names, as long as the list of types says which one is the workbook.
fn is_workbook_by_its_types<R: Read + Seek>(archive: &mut ZipArchive<R>) -> bool {
    let Ok(part) = archive.by_name("[Content_Types].xml") else {
        return false;
    };
    let mut types = Vec::new();
    let read = part.take(TYPES_BYTES).read_to_end(&mut types);
    read.is_ok() && memmem::find(&types, b"sheet.main+xml").is_some()
}

fn packed<R: Read + Seek>(archive: &ZipArchive<R>) -> Finding {
    let within = match archive.len() {
        0 => "empty".to_owned(),
        1 => "with one file in it".to_owned(),
        more => format!("with {more} files in it"),
    };
    Finding::file(
        code::FORMAT_ERROR,
        format!("The file is a ZIP archive {within}, not a table that can be read."),
        "Send the table itself, not packed: CSV (UTF-8) or an Excel workbook (.xlsx).",
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn packed_with(parts: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in parts {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .unwrap();
            writer.write_all(text.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn sniffed(bytes: &[u8]) -> Result<Format, Finding> {
        archive(&mut Cursor::new(bytes)).unwrap()
    }

    #[test]
    fn a_workbook_is_known_by_its_parts_or_by_its_types() {
        for part in [
            "xl/workbook.xml",
            "XL/Workbook.xml",
            "/xl/book.xml",
            "xl\\workbook.xml",
        ] {
            assert_eq!(sniffed(&packed_with(&[(part, "")])), Ok(Format::Xlsx));
        }
        let types = r#"<Types><Override PartName="/book.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>"#;
        let elsewhere = packed_with(&[("[Content_Types].xml", types), ("book.xml", "")]);
        assert_eq!(sniffed(&elsewhere), Ok(Format::Xlsx));
    }

    #[test]
    fn other_archives_are_refused_by_name() {
        for (parts, words) in [
            (&["xl/workbook.bin", "xl/styles.bin"][..], "xlsb"),
            (&["word/document.xml"], "Word"),
            (&["ppt/presentation.xml"], "presentation"),
            (&["content.xml", "META-INF/manifest.xml"], "OpenDocument"),
            (&["Index/Document.iwa"], "Numbers"),
            (&["employees.csv"], "one file"),
            (&["a.jpg", "b.jpg"], "2 files"),
            (&[], "empty"),
        ] {
            let parts: Vec<(&str, &str)> = parts.iter().map(|name| (*name, "")).collect();
            let finding = sniffed(&packed_with(&parts)).unwrap_err();
            assert!(finding.message.contains(words), "{}", finding.message);
            assert_eq!(finding.code, code::FORMAT_ERROR);
        }
    }

    #[test]
    fn an_archive_that_is_cut_or_broken_says_so() {
        let whole = packed_with(&[("xl/workbook.xml", "<workbook/>")]);
        let cut = sniffed(&whole[..whole.len() / 2]).unwrap_err();
        assert!(cut.message.contains("cut off"), "{}", cut.message);
        let broken = sniffed(b"PK\x03\x04 nothing PK\x05\x06").unwrap_err();
        assert!(broken.message.contains("damaged"), "{}", broken.message);
    }
}
