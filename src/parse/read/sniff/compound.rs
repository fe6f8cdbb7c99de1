//! Pure. What is in a compound file, the container of old Office documents and of encrypted new ones.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{self, Read, Seek, SeekFrom};

use crate::parse::finding::Finding;
use crate::parse::read::sniff::{Format, refused};
use crate::parse::read::workbook::protected;

pub(in crate::parse::read) const MAGIC: [u8; 8] = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
/// Directory entries and the sectors where streams begin are aligned within this.
const CHUNK_BYTES: u64 = 64 * 1024;

/// A compound file names its streams in UTF-16, each in a directory entry of its own.
pub(super) fn compound<R: Read + Seek>(input: &mut R) -> io::Result<Result<Format, Finding>> {
    let [mut book, mut encrypted, mut word, mut password] = [false; 4];
    input.seek(SeekFrom::Start(0))?;
    let mut chunk = Vec::new();
    loop {
        chunk.clear();
        input.by_ref().take(CHUNK_BYTES).read_to_end(&mut chunk)?;
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
        Err(refused(
            "an old Office document, cut off or without a workbook",
        ))
    })
}

/// An entry is 128 bytes: the name in UTF-16, padded to 64, then its length in bytes with the closing zero ([MS-CFB] section 2.6.1).
fn entry_is_named(entry: &[u8], name: &str) -> bool {
    let length = u16::try_from((name.len() + 1) * 2)
        .unwrap_or_default()
        .to_le_bytes();
    entry.get(64..66) == Some(&length[..])
        && entry.chunks(2).zip(name.bytes()).all(|(unit, byte)| {
            // Crystal Reports writes WORKBOOK; names are compared without regard to case.
            matches!(unit, [letter, 0] if letter.eq_ignore_ascii_case(&byte))
        })
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::parse::finding::code;

    fn sniffed(bytes: &[u8]) -> Result<Format, Finding> {
        compound(&mut Cursor::new(bytes)).unwrap()
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
