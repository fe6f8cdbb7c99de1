//! Damage to files, as transfers, disks and broken programs do it: each from a number, so that it can be done again.
//!
//! Used here in process, and by the tests of the daemon through the real child.

use std::io::{Cursor, Read as _, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Numbers from a seed: `SplitMix64`.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let number = (z ^ (z >> 31)) % u64::try_from(limit.max(1)).unwrap();
        usize::try_from(number).unwrap()
    }

    fn one_of<'a>(&mut self, all: &[&'a [u8]]) -> &'a [u8] {
        all[self.below(all.len())]
    }
}

/// What breaks a reader rather than any other bytes.
const PIECES: [&[u8]; 24] = [
    b"\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80",
    b"\"",
    b"\"\"",
    b",",
    b"\r\n",
    b"\n",
    b"<",
    b">",
    b"/>",
    b"&",
    b"&#x110000;",
    b"]]>",
    b"<!--",
    b"<row r=\"1048577\">",
    b"<c r=\"XFD1\">",
    b"</row>",
    b"<td colspan=99999 rowspan=99999>",
    b"<table>",
    b"99999999999999999999",
    b"-1",
    b"=",
];

/// The file with one to four faults in it.
pub(crate) fn mangled(file: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=dice.below(4) {
        change(&mut bytes, dice);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let length = [1, 4, 16, 64, 512][dice.below(5)];
    let end = (at + 1 + dice.below(length)).min(bytes.len());
    match dice.below(9) {
        // A bit flips.
        0 | 1 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        // A byte is another.
        2 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = u8::try_from(dice.below(256)).unwrap();
            }
        }
        // The end is missing.
        3 => bytes.truncate(at),
        // A piece is missing.
        4 => drop(bytes.drain(at..end)),
        // A piece comes again, here or elsewhere, once or many times.
        5 => {
            let times = [1, 1, 2, 40][dice.below(4)];
            let again = bytes[at..end].repeat(times);
            let to = dice.below(bytes.len() + 1);
            bytes.splice(to..to, again);
        }
        // A piece is nothing but zeros, as where a block was never written.
        6 => bytes[at..end].fill(0),
        // Something is written over it, or between.
        7 => {
            let piece = dice.one_of(&PIECES);
            let end = (at + piece.len()).min(bytes.len());
            bytes.splice(at..end, piece.iter().copied());
        }
        _ => {
            let piece = dice.one_of(&PIECES);
            bytes.splice(at..at, piece.iter().copied());
        }
    }
}

/// The archive with faults within one or two of its parts, whose checksums are right again: what is damaged outside hardly ever gets past them. None if
/// it is no archive.
pub(crate) fn mangled_within(file: &[u8], dice: &mut Dice) -> Option<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(file)).ok()?;
    let mut parts = Vec::new();
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).ok()?;
        let name = part.name().ok()?.into_owned();
        let mut bytes = Vec::new();
        part.by_ref().take(1 << 20).read_to_end(&mut bytes).ok()?;
        parts.push((name, bytes));
    }
    for _ in 0..=dice.below(2) {
        let at = dice.below(parts.len());
        let (_, bytes) = parts.get_mut(at)?;
        *bytes = mangled(bytes, dice);
    }
    if dice.below(20) == 0 {
        parts.remove(dice.below(parts.len()));
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let packed = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in parts {
        writer.start_file(name, packed).ok()?;
        writer.write_all(&bytes).ok()?;
    }
    Some(writer.finish().ok()?.into_inner())
}

/// One or the other.
pub(crate) fn damaged(file: &[u8], dice: &mut Dice) -> Vec<u8> {
    // Of four changes to an archive three are within.
    let within = if file.starts_with(b"PK") && dice.below(4) > 0 {
        mangled_within(file, dice)
    } else {
        None
    };
    within.unwrap_or_else(|| mangled(file, dice))
}
