//! Pure. What a file really is, by its content and never by its name: text, a workbook, a page, or something that is refused by name.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

mod archive;
mod compound;
mod text;

use std::io::{self, Read, Seek, SeekFrom};

use crate::parse::finding::{Finding, code};

pub(super) use compound::MAGIC as COMPOUND;

/// A format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Text with delimiters. `start` is where it begins, behind a byte order mark.
    Text { start: u64 },
    /// Office Open XML.
    Xlsx,
    /// BIFF in a compound file, or without one.
    Xls,
    /// A page with a table, in any encoding.
    Html,
    /// XML Spreadsheet 2003, in any encoding.
    SpreadsheetMl,
}

const HEAD_BYTES: u64 = 16 * 1024;
const REMEDY: &str = "Export it as CSV (UTF-8) or as an Excel workbook (.xlsx) and send it again.";

/// Looks at the content of `input`. The inner error is the refusal.
pub(super) fn sniff<R: Read + Seek>(input: &mut R) -> io::Result<Result<Format, Finding>> {
    input.seek(SeekFrom::Start(0))?;
    let mut head = Vec::new();
    input.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    if head.is_empty() {
        return Ok(Err(Finding::file(
            code::BLANK_HEADER,
            "The file is empty.",
            "Look at the export in your HR system: it wrote nothing.",
        )));
    }
    if head.starts_with(archive::MAGIC) {
        return archive::archive(input);
    }
    if head.starts_with(&compound::MAGIC) {
        return compound::compound(input);
    }
    // BOF of BIFF5 and BIFF8 without a container; small scripts leave the edition out.
    if let [9, 8, 8 | 16, 0, 0, 0 | 5 | 6, 5 | 16, 0, ..] = head.as_slice() {
        return Ok(Ok(Format::Xls));
    }
    let stranger = STRANGERS.iter().find(|(magic, _)| head.starts_with(magic));
    Ok(match stranger {
        Some((_, what)) => Err(refused(what)),
        None => text::text(&head),
    })
}

fn refused(what: &str) -> Finding {
    Finding::file(
        code::FORMAT_ERROR,
        format!("The file is {what}, not a table that can be read."),
        REMEDY,
    )
}

/// Files that are often sent by mistake, by their first bytes.
static STRANGERS: &[(&[u8], &str)] = &[
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a", "a RAR archive"),
    (b"BZh9", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\0", "a program"),
    (b"SQLite format 3\0", "a database"),
    (b"\0\x01\0\0Standard ", "an Access database"),
    (b"PAR1", "a Parquet file"),
    // BOF of workbooks from before 1993, which have no container ([MS-XLS] section 2.4.21 has their successor).
    (b"\x09\0\x04\0", "a workbook of Excel 2"),
    (b"\x09\x02\x06\0", "a workbook of Excel 3"),
    (b"\x09\x04\x06\0", "a workbook of Excel 4"),
];

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn sniffed(bytes: &[u8]) -> Result<Format, Finding> {
        sniff(&mut Cursor::new(bytes)).unwrap()
    }

    #[test]
    fn a_stranger_is_refused_by_name() {
        for (bytes, word) in [
            (&b"%PDF-1.7 ..."[..], "PDF"),
            (b"\x89PNG\r\n\x1a\n", "PNG"),
            (b"\x7fELF\x02\x01", "program"),
            (b"\x09\x04\x06\0\0\0\x10\0", "Excel 4"),
            (b"PK\x03\x04 cut", "cut off"),
            (b"{\"employees\": []}", "JSON"),
        ] {
            let finding = sniffed(bytes).unwrap_err();
            assert!(finding.message.contains(word), "{}", finding.message);
            assert_eq!(finding.code, code::FORMAT_ERROR);
        }
        let mut compound = compound::MAGIC.to_vec();
        compound.resize(1024, 0);
        let finding = sniffed(&compound).unwrap_err();
        assert!(
            finding.message.contains("without a workbook"),
            "{}",
            finding.message
        );
    }

    #[test]
    fn an_empty_file_says_so() {
        for bytes in [&b""[..], b"\xef\xbb\xbf", b" \r\n\r\n"] {
            assert_eq!(sniffed(bytes).unwrap_err().code, code::BLANK_HEADER);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(which in 0..5_usize, tail: Vec<u8>) {
            let begin = [
                &b""[..],
                archive::MAGIC,
                &compound::MAGIC,
                b"PK\x03\x04\x14\0\0\0PK\x05\x06",
                b"\x09\x08\x10\0",
            ][which];
            drop(sniffed(&[begin, &tail].concat()));
        }
    }
}
