//! Old workbooks (.xls): records of [MS-XLS] in a compound file.

use super::compound::{Compound, END_OF_CHAIN, password_protected};
use super::{Fate, Forged, forged};

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    [&kind.to_le_bytes(), &length.to_le_bytes(), data].concat()
}

/// Numbers of these sizes one after the other.
macro_rules! numbers {
    ($($number:expr),*) => { [$(&$number.to_le_bytes()[..]),*].concat() };
}

fn begin(what: u16) -> Vec<u8> {
    record(0x0809, &numbers![0x0600_u16, what, 0_u64, 0_u32])
}

fn end() -> Vec<u8> {
    record(0x000a, &[])
}

fn label(row: u16, column: u16, text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    let head = numbers![row, column, 0_u16, length, 0_u8];
    record(0x0204, &[head.as_slice(), text.as_bytes()].concat())
}

fn dimensions(rows: (u32, u32), columns: (u16, u16)) -> Vec<u8> {
    record(
        0x0200,
        &numbers![rows.0, rows.1, columns.0, columns.1, 0_u16],
    )
}

/// The workbook stream: `globals` and a sheet of `cells`. `sheet_at` is where it claims that the sheet begins.
fn stream(globals: &[u8], cells: &[u8], sheet_at: Option<u32>) -> Vec<u8> {
    let name = |at: u32| {
        record(
            0x0085,
            &[&numbers![at, 0_u16, 5_u8, 0_u8], &b"Staff"[..]].concat(),
        )
    };
    let begin_book = begin(0x0005);
    let length = begin_book.len() + globals.len() + name(0).len() + end().len();
    let at = sheet_at.unwrap_or(u32::try_from(length).unwrap());
    [
        &begin_book,
        globals,
        &name(at),
        &end(),
        &begin(0x0010),
        cells,
        &end(),
    ]
    .concat()
}

/// A header and one good row.
fn rows() -> Vec<u8> {
    [
        label(0, 0, "Employee ID"),
        label(0, 1, "Work Email"),
        label(1, 0, "E1"),
        label(1, 1, "ada@acme.example"),
    ]
    .concat()
}

fn book(stream: &[u8]) -> Compound {
    Compound::of(&[("Workbook", stream)])
}

fn with_cells(cells: &[u8]) -> Vec<u8> {
    book(&stream(&[], &[cells, &rows()].concat(), None)).bytes()
}

fn with_globals(globals: &[u8]) -> Vec<u8> {
    book(&stream(globals, &rows(), None)).bytes()
}

fn sound() -> Compound {
    book(&stream(&[], &rows(), None))
}

#[expect(clippy::too_many_lines, reason = "a table is read from top to bottom")]
pub(crate) fn all() -> Vec<Forged> {
    let somehow = Fate::RefusedSomehow;
    let refused = Fate::Refused("format-error");
    let password = Fate::Refused("password-protected");
    let file = |name, fate, bytes| forged(name, "xls", fate, bytes);
    vec![
        file("a sound old workbook", Fate::Read, sound().bytes()),
        file(
            "DIMENSIONS of four milliard rows",
            Fate::Read,
            with_cells(&dimensions((0, u32::MAX), (0, 0xffff))),
        ),
        file(
            "DIMENSIONS inverted",
            Fate::Read,
            with_cells(&dimensions((9, 1), (9, 1))),
        ),
        file(
            "a sheet that begins behind the end",
            somehow,
            book(&stream(&[], &rows(), Some(0x7fff_fff0))).bytes(),
        ),
        file(
            "a cell in the last corner",
            somehow,
            with_cells(&label(65_535, 65_535, "x")),
        ),
        file(
            "a milliard texts claimed in an old workbook",
            Fate::Read,
            with_globals(&record(
                0x00fc,
                &numbers![1_000_000_000_u32, 1_000_000_000_u32],
            )),
        ),
        file(
            "a password, XOR",
            password,
            with_globals(&record(0x002f, &numbers![0_u16, 1_u16, 2_u16])),
        ),
        file(
            "a password, RC4",
            password,
            with_globals(&record(
                0x002f,
                &[&numbers![1_u16, 1_u16, 1_u16], &[7; 48][..]].concat(),
            )),
        ),
        file(
            "an encrypted workbook named .xls",
            password,
            password_protected(),
        ),
        file(
            "a record that is longer than the file",
            somehow,
            book(&[begin(5), vec![0xfc, 0, 0xff, 0xff]].concat()).bytes(),
        ),
        file(
            "a stream that is a loop",
            Fate::Read,
            sound().fat_at(9, 2).bytes(),
        ),
        file(
            "a stream whose first sector follows itself",
            Fate::Either,
            sound().fat_at(2, 2).bytes(),
        ),
        file(
            "a directory that is a loop",
            somehow,
            sound().fat_at(1, 1).bytes(),
        ),
        file(
            "a FAT that is its own list",
            Fate::Either,
            sound().header_at(68, 0).header_at(72, u32::MAX).bytes(),
        ),
        file(
            "a small FAT without end",
            Fate::Either,
            sound().header_at(60, 2).header_at(64, u32::MAX).bytes(),
        ),
        file(
            "a FAT sector that is not there",
            Fate::Either,
            sound().header_at(76, 0x00ff_ffff).bytes(),
        ),
        file(
            "a directory that is not there",
            refused,
            sound().header_at(48, 0x00ff_ffff).bytes(),
        ),
        file(
            "no directory",
            refused,
            sound().header_at(48, END_OF_CHAIN).bytes(),
        ),
        file("sectors of two gigabytes", refused, {
            let mut bytes = sound().bytes();
            bytes[30..32].copy_from_slice(&31_u16.to_le_bytes());
            bytes
        }),
        file("a stream that is a loop of a terabyte", somehow, {
            let mut book = sound().fat_at(2, 2);
            book.directory[128 + 120..128 + 128].copy_from_slice(&(1_u64 << 40).to_le_bytes());
            book.bytes()
        }),
        file("a stream of sixteen exabytes", Fate::Either, {
            let mut book = sound();
            book.directory[128 + 120..128 + 128].copy_from_slice(&u64::MAX.to_le_bytes());
            book.bytes()
        }),
        file("an old workbook cut at 50 %", somehow, {
            // Of rows: behind the end of its sheet a stream has nothing to lose.
            let more: Vec<u8> = (2..500).flat_map(|row| label(row, 0, "E")).collect();
            let mut bytes = book(&stream(&[], &[rows(), more].concat(), None)).bytes();
            bytes.truncate(bytes.len() / 2);
            bytes
        }),
        file(
            "an old workbook cut in its header",
            somehow,
            sound().bytes()[..300].to_vec(),
        ),
        file(
            "a raw stream of BIFF4",
            Fate::RefusedSomehow,
            record(0x0409, &numbers![0_u16, 0x10_u16, 0_u16]),
        ),
    ]
}
