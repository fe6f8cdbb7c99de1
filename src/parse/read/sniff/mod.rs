//! Pure. What a file really is, by its content and never by its name: text, a workbook, or something that is refused by name.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{self, Read, Seek, SeekFrom};

use memchr::memmem;

use crate::parse::finding::{Finding, code};

/// A format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Text with delimiters. `start` is where it begins, behind a byte order mark.
    Text { start: u64 },
    /// Office Open XML.
    Xlsx,
    /// BIFF in a compound file.
    Xls,
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
    if head.starts_with(b"PK\x03\x04") {
        return zip(input);
    }
    if head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]) {
        return compound(input);
    }
    Ok(text(&head))
}

fn refused(what: &str) -> Finding {
    Finding::file(
        code::FORMAT_ERROR,
        format!("The file is {what}, not a table that can be read."),
        REMEDY,
    )
}

fn protected() -> Finding {
    Finding::file(
        code::PASSWORD_PROTECTED,
        "The workbook is protected by a password.",
        "Save it without a password and send it again: the way here is encrypted.",
    )
}

/// The names of a ZIP's members stand at its end.
fn zip<R: Read + Seek>(input: &mut R) -> io::Result<Result<Format, Finding>> {
    let length = input.seek(SeekFrom::End(0))?;
    input.seek(SeekFrom::Start(length.saturating_sub(256 * 1024)))?;
    let mut tail = Vec::new();
    input.take(256 * 1024).read_to_end(&mut tail)?;
    let holds = |name: &[u8]| memmem::find(&tail, name).is_some();
    if !holds(b"PK\x05\x06") {
        return Ok(Err(refused("a workbook or ZIP archive that is cut off")));
    }
    Ok(if holds(b"xl/workbook.bin") {
        Err(refused("a binary workbook (.xlsb)"))
    } else if holds(b"xl/") {
        Ok(Format::Xlsx)
    } else if holds(b"word/document") {
        Err(refused("a Word document"))
    } else if holds(b"ppt/presentation") {
        Err(refused("a presentation"))
    } else if holds(b"META-INF/manifest.xml") && holds(b"content.xml") {
        Err(refused("an OpenDocument file"))
    } else {
        Err(refused("a ZIP archive"))
    })
}

/// A compound file names its streams in UTF-16, each in a directory entry of its own.
fn compound<R: Read + Seek>(input: &mut R) -> io::Result<Result<Format, Finding>> {
    let [mut book, mut encrypted, mut word, mut password] = [false; 4];
    input.seek(SeekFrom::Start(0))?;
    // Directory entries and the sectors where streams begin are aligned within this.
    let mut chunk = Vec::new();
    loop {
        chunk.clear();
        input
            .by_ref()
            .take(4 * HEAD_BYTES)
            .read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            break;
        }
        for entry in chunk.chunks(128) {
            book |= entry_is_named(entry, "Workbook") || entry_is_named(entry, "Book");
            encrypted |= entry_is_named(entry, "EncryptedPackage");
            word |= entry_is_named(entry, "WordDocument");
        }
        password |= (0..chunk.len())
            .step_by(512)
            .any(|at| chunk.get(at..).is_some_and(begins_with_file_pass));
    }
    Ok(if book {
        if password {
            Err(protected())
        } else {
            Ok(Format::Xls)
        }
    } else if encrypted {
        Err(protected())
    } else if word {
        Err(refused("an old Word document"))
    } else {
        Err(refused("a compound document without a workbook"))
    })
}

/// An entry is 128 bytes: the name in UTF-16, padded to 64, then its length in bytes with the closing zero ([MS-CFB] section 2.6.1).
fn entry_is_named(entry: &[u8], name: &str) -> bool {
    let length = u16::try_from((name.len() + 1) * 2)
        .unwrap_or_default()
        .to_le_bytes();
    entry.get(64..66) == Some(&length[..])
        && entry
            .chunks(2)
            .zip(name.bytes())
            .all(|(unit, byte)| unit == [byte, 0])
}

/// Whether a workbook stream begins here and says that it is encrypted: BOF, and FILEPASS among the next records ([MS-XLS] section 2.4.117).
fn begins_with_file_pass(sector: &[u8]) -> bool {
    let mut rest = sector;
    for at in 0..4 {
        let Some((&[kind_low, kind_high, length_low, length_high], body)) =
            rest.split_first_chunk::<4>()
        else {
            return false;
        };
        let kind = u16::from_le_bytes([kind_low, kind_high]);
        match (at, kind) {
            // Of the globals, in BIFF5 or BIFF8. A sector in the midst of rows may begin with the same four bytes: cell D2058 does.
            (0, 0x0809) if matches!(body, [0, 5 | 6, 5, 0, ..]) => {}
            (1.., 0x0086 | 0x00e1 | 0x00c1) => {}
            (1.., 0x002f) => return true,
            _ => return false,
        }
        let length = usize::from(u16::from_le_bytes([length_low, length_high]));
        let Some(next) = body.get(length..) else {
            return false;
        };
        rest = next;
    }
    false
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
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\0", "a program"),
    (b"SQLite format 3\0", "a database"),
    (b"{\\rtf", "a rich text document"),
    (b"-----BEGIN PGP", "encrypted with PGP"),
];

fn text(head: &[u8]) -> Result<Format, Finding> {
    if let Some((_, what)) = STRANGERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(refused(what));
    }
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) || is_utf16(head) {
        return Err(Finding::file(
            code::ENCODING_ERROR,
            "The file is text in UTF-16, which is not read yet.",
            "Export it as UTF-8: in Excel that is \"CSV UTF-8 (comma delimited)\".",
        ));
    }
    let (start, body) = match head.strip_prefix(b"\xef\xbb\xbf") {
        Some(body) => (3, body),
        None => (0, head),
    };
    let controls = body
        .iter()
        .filter(|byte| matches!(byte, 0..=8 | 14..=25 | 27..=31))
        .count();
    if body.contains(&0) || controls > body.len() / 10 {
        return Err(refused("binary data"));
    }
    let beginning: Vec<u8> = body
        .iter()
        .skip_while(|byte| byte.is_ascii_whitespace())
        .take(512)
        .map(u8::to_ascii_lowercase)
        .collect();
    if beginning.is_empty() && u64::try_from(head.len()).is_ok_and(|length| length < HEAD_BYTES) {
        return Err(Finding::file(
            code::BLANK_HEADER,
            "The file holds nothing but blanks.",
            "Look at the export in your HR system: it wrote nothing.",
        ));
    }
    let begins = |text: &[u8]| beginning.starts_with(text);
    if begins(b"<?xml") && memmem::find(body, b"office:spreadsheet").is_some() {
        Err(refused("an XML spreadsheet of Excel 2003"))
    } else if begins(b"<!doctype html") || begins(b"<html") || begins(b"<table") {
        Err(refused("a web page (HTML)"))
    } else if begins(b"<?xml") {
        Err(refused("an XML document"))
    } else if begins(b"mime-version:") {
        Err(refused("a web archive (MHTML)"))
    } else if begins(b"{\"") || begins(b"[{") {
        Err(refused("a JSON document"))
    } else {
        Ok(Format::Text { start })
    }
}

/// Text in UTF-16 without a byte order mark: nearly every other byte is zero, the rest is not.
fn is_utf16(head: &[u8]) -> bool {
    let zeros = |offset: usize| {
        head.iter()
            .skip(offset)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let pairs = head.len() / 2;
    pairs >= 4 && (even == 0 && odd > pairs * 3 / 4 || odd == 0 && even > pairs * 3 / 4)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn sniffed(bytes: &[u8]) -> Result<Format, Finding> {
        sniff(&mut Cursor::new(bytes)).unwrap()
    }

    #[test]
    fn text_is_text_with_and_without_a_mark() {
        assert_eq!(sniffed(b"id,name\n1,a\n"), Ok(Format::Text { start: 0 }));
        assert_eq!(sniffed(b"\xef\xbb\xbfid\n"), Ok(Format::Text { start: 3 }));
        assert_eq!(
            sniffed(b"id;name\n1;M\xfcller\n"),
            Ok(Format::Text { start: 0 })
        );
    }

    #[test]
    fn a_stranger_is_refused_by_name() {
        for (bytes, word) in [
            (&b"%PDF-1.7 ..."[..], "PDF"),
            (b"\x89PNG\r\n\x1a\n", "PNG"),
            (b"\x7fELF\x02\x01", "program"),
            (b"\x01\x02\x03\x04\x05\x06", "binary"),
            (b"id,na\0me\n1,2\n3,4\n", "binary"),
            (b"  <!DOCTYPE html><html>", "HTML"),
            (b"<?xml version='1.0'?><Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet'>", "2003"),
            (b"{\"employees\": []}", "JSON"),
            (b"MIME-Version: 1.0", "MHTML"),
            (b"PK\x03\x04 cut", "cut off"),
            (b"PK\x03\x04 a.txt PK\x05\x06", "ZIP"),
            (b"PK\x03\x04 xl/workbook.bin PK\x05\x06", "xlsb"),
            (b"PK\x03\x04 word/document.xml PK\x05\x06", "Word"),
        ] {
            let finding = sniffed(bytes).unwrap_err();
            assert!(finding.message.contains(word), "{}", finding.message);
            assert_eq!(finding.code, code::FORMAT_ERROR);
        }
    }

    #[test]
    fn an_empty_file_says_so() {
        for bytes in [&b""[..], b"\xef\xbb\xbf", b" \r\n\r\n"] {
            assert_eq!(sniffed(bytes).unwrap_err().code, code::BLANK_HEADER);
        }
    }

    #[test]
    fn utf_16_is_refused_with_what_to_do() {
        let utf16 =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        for bytes in [utf16("\u{feff}id,name\n1,Ada\n"), utf16("id,name\n1,Ada\n")] {
            let finding = sniffed(&bytes).unwrap_err();
            assert_eq!(finding.code, code::ENCODING_ERROR);
            assert!(finding.remedy.contains("UTF-8"));
        }
    }

    /// A compound file with one directory sector: enough for a look at its names.
    fn compound_with(names: &[&str], stream: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
        bytes.resize(512, 0);
        for name in names {
            let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
            entry.resize(64, 0);
            entry.extend_from_slice(&(u16::try_from(name.len() + 1).unwrap() * 2).to_le_bytes());
            entry.resize(128, 0);
            bytes.extend_from_slice(&entry);
        }
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes.extend_from_slice(stream);
        bytes
    }

    #[test]
    fn workbooks_with_a_password_are_refused() {
        let encrypted = compound_with(&["Root Entry", "EncryptionInfo", "EncryptedPackage"], b"");
        assert_eq!(
            sniffed(&encrypted).unwrap_err().code,
            code::PASSWORD_PROTECTED
        );

        let mut stream = vec![0x09, 0x08, 0x10, 0x00, 0x00, 0x06, 0x05, 0x00];
        stream.resize(20, 0);
        assert_eq!(
            sniffed(&compound_with(&["Root Entry", "Workbook"], &stream)),
            Ok(Format::Xls)
        );
        stream.extend_from_slice(&[0x2f, 0, 4, 0, 0, 0, 1, 2]);
        let scrambled = compound_with(&["Root Entry", "Workbook"], &stream);
        assert_eq!(
            sniffed(&scrambled).unwrap_err().code,
            code::PASSWORD_PROTECTED
        );

        let word = compound_with(&["Root Entry", "WordDocument"], b"");
        assert!(sniffed(&word).unwrap_err().message.contains("Word"));
    }

    #[test]
    fn a_cell_in_row_2058_where_a_sector_begins_is_no_password() {
        // The end of a LABELSST record for D2058: row, column, format, string.
        let cells = b"\x09\x08\x03\x00\x11\x00\xdb\x2f\x00\x00\xfd\x00\x0a\x00";
        let workbook = compound_with(&["Root Entry", "Workbook"], cells);
        assert_eq!(sniffed(&workbook), Ok(Format::Xls));
    }
}
