//! Pure. The ZIP archive around a workbook, before anything is read from it: whether it unpacks to what it is, or to what would fill a machine.
//!
//! A kilobyte of a ZIP can hold a megabyte of XML, and a header can claim any number of texts. What a program that writes workbooks would never
//! do is refused here, with words that say so; the memory and the time that a child may use hold for everything else.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{self, Read, Seek};

use memchr::memmem;
use zip::ZipArchive;

use crate::parse::finding::{Finding, code};
use crate::parse::read::table::Stop;

/// Parts of a workbook: sheets, pictures, comments. A thousand are a lot.
const PARTS: usize = 20_000;
/// How often its packed size a part may have. Sheets come to 10, and to 30 where a program has filled them down to the last row.
const RATIO: u64 = 100;
/// A part that unpacks to less does no harm.
const HARMLESS_BYTES: u64 = 32 << 20;
/// Shared texts that may be claimed beyond those that are there. Some programs count every use of a text.
const CLAIM: u64 = 1_000_000;
const CHUNK_BYTES: u64 = 64 * 1024;

/// Looks at every part of the archive.
pub(super) fn examine<R: Read + Seek>(input: R) -> Result<(), Stop> {
    let mut archive = ZipArchive::new(input).map_err(|_| damaged())?;
    if archive.len() > PARTS {
        return Err(strange(&format!("it has {} parts", archive.len())).into());
    }
    if archive.has_overlapping_files().map_err(|_| damaged())? {
        return Err(strange("several of its parts are the same bytes").into());
    }
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).map_err(|_| damaged())?;
        let most = part
            .compressed_size()
            .saturating_mul(RATIO)
            .max(HARMLESS_BYTES);
        let mut count = TextCount::default();
        let mut unpacked = 0_u64;
        let mut chunk = Vec::new();
        loop {
            chunk.clear();
            match part.by_ref().take(CHUNK_BYTES).read_to_end(&mut chunk) {
                Ok(0) => break,
                Ok(read) => {
                    unpacked = unpacked.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
                }
                Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                    return Err(error.into());
                }
                Err(_) => return Err(damaged().into()),
            }
            if unpacked > most {
                return Err(
                    strange(&format!("it unpacks to more than {RATIO} times its size")).into(),
                );
            }
            count.take(&chunk);
        }
        if count.lies() {
            return Err(strange(&format!(
                "it claims to hold {} texts and does not",
                count.claimed
            ))
            .into());
        }
    }
    Ok(())
}

/// What a table of shared texts claims to hold, and the most that it can.
#[derive(Debug, Default)]
struct TextCount {
    claimed: u64,
    tags: u64,
    /// The end of the bytes before, where the claim may have begun.
    tail: Vec<u8>,
}

impl TextCount {
    fn take(&mut self, bytes: &[u8]) {
        const CLAIMED: &[u8] = b"uniqueCount";
        const TAIL: usize = 64;
        let tags = memchr::memchr_iter(b'<', bytes).count();
        self.tags = self
            .tags
            .saturating_add(u64::try_from(tags).unwrap_or(u64::MAX));
        let head = bytes.get(..TAIL).unwrap_or(bytes);
        let seam = [self.tail.as_slice(), head].concat();
        for text in [seam.as_slice(), bytes] {
            for at in memmem::find_iter(text, CLAIMED) {
                let number = text.get(at + CLAIMED.len()..).and_then(number);
                self.claimed = self.claimed.max(number.unwrap_or(0));
            }
        }
        self.tail = bytes
            .get(bytes.len().saturating_sub(TAIL)..)
            .unwrap_or(bytes)
            .to_vec();
    }

    /// A text has a tag, its end another.
    fn lies(&self) -> bool {
        self.claimed > self.tags.saturating_add(CLAIM)
    }
}

/// The number in `="123"`, with blanks where XML allows them. One that is too long is the largest there is.
fn number(text: &[u8]) -> Option<u64> {
    let mut rest = text
        .trim_ascii_start()
        .strip_prefix(b"=")?
        .trim_ascii_start();
    rest = rest
        .strip_prefix(b"\"")
        .or_else(|| rest.strip_prefix(b"'"))?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0_u64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit.saturating_sub(b'0')))
    }))
}

fn strange(why: &str) -> Finding {
    Finding::file(
        code::FORMAT_ERROR,
        format!("The workbook is packed as no spreadsheet program packs one: {why}."),
        "Open it in Excel, save it under a new name and send that, or export CSV (UTF-8).",
    )
}

pub(super) fn damaged() -> Finding {
    Finding::file(
        code::FORMAT_ERROR,
        "The workbook is damaged or not complete.",
        "Open it in Excel, save it again as .xlsx and send that, or export CSV (UTF-8).",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(chunks: &[&[u8]]) -> TextCount {
        let mut count = TextCount::default();
        for chunk in chunks {
            count.take(chunk);
        }
        count
    }

    #[test]
    fn a_claim_is_found_wherever_the_bytes_are_cut() {
        let text =
            br#"<?xml version="1.0"?><x:sst count="7" uniqueCount = '2000000000'><x:si/></x:sst>"#;
        for cut in 0..text.len() {
            let (head, tail) = text.split_at(cut);
            let count = claimed(&[head, tail]);
            assert_eq!((count.claimed, count.tags), (2_000_000_000, 4), "{cut}");
            assert!(count.lies());
        }
    }

    #[test]
    fn a_claim_beyond_all_numbers_is_a_lie_and_a_generous_one_is_not() {
        assert!(claimed(&[br#"<sst uniqueCount="99999999999999999999999">"#]).lies());
        assert!(!claimed(&[br#"<sst uniqueCount="900000"><si/>"#]).lies());
        assert!(!claimed(&[b"<t>the attribute uniqueCount is a number</t>"]).lies());
    }
}
