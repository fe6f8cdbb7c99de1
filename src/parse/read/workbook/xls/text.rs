//! Pure. Texts of an old workbook: in UTF-16 or its lower halves, across records; before Excel 97 in a code page.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::io::{Read, Seek};

use encoding_rs::{
    BIG5, EUC_KR, Encoding, GBK, MACINTOSH, SHIFT_JIS, WINDOWS_874, WINDOWS_1250, WINDOWS_1251,
    WINDOWS_1252, WINDOWS_1253, WINDOWS_1254, WINDOWS_1255, WINDOWS_1256, WINDOWS_1257,
    WINDOWS_1258, X_MAC_CYRILLIC,
};

use crate::parse::read::table::Stop;
use crate::parse::read::workbook::fault::damaged;
use crate::parse::read::workbook::xls::records::Records;

const WIDE: u8 = 0x01;
const EXTENDED: u8 = 0x04;
const RICH: u8 = 0x08;

/// How texts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Letters {
    /// Since Excel 97.
    Unicode,
    Page(&'static Encoding),
}

impl Letters {
    /// Those of a code page of Windows; what is none of them is as likely Western as anything else.
    pub(super) fn of_page(page: u16) -> Self {
        Self::Page(match page {
            874 => WINDOWS_874,
            932 => SHIFT_JIS,
            936 => GBK,
            949 | 1361 => EUC_KR,
            950 => BIG5,
            1250 => WINDOWS_1250,
            1251 => WINDOWS_1251,
            1253 => WINDOWS_1253,
            1254 => WINDOWS_1254,
            1255 => WINDOWS_1255,
            1256 => WINDOWS_1256,
            1257 => WINDOWS_1257,
            1258 => WINDOWS_1258,
            10_000 | 0x8000 => MACINTOSH,
            10_007 => X_MAC_CYRILLIC,
            _ => WINDOWS_1252,
        })
    }
}

/// How the length of a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Byte,
    Word,
}

/// A record and those in which it goes on, byte by byte.
pub(super) struct Body<'r, 'a, R> {
    records: &'r mut Records<'a, R>,
    bytes: Vec<u8>,
    at: usize,
    units: Vec<u16>,
}

impl<'r, 'a, R: Read + Seek> Body<'r, 'a, R> {
    /// The body `bytes` of a record that was just taken from `records`.
    pub(super) fn of(records: &'r mut Records<'a, R>, bytes: Vec<u8>) -> Self {
        Self {
            records,
            bytes,
            at: 0,
            units: Vec::new(),
        }
    }

    /// Whether nothing follows.
    pub(super) fn is_over(&mut self) -> Result<bool, Stop> {
        Ok(self.at >= self.bytes.len() && !self.turn()?)
    }

    /// Goes on to the next record of the body.
    fn turn(&mut self) -> Result<bool, Stop> {
        let is_more = self.records.more(&mut self.bytes)?;
        if is_more {
            self.at = 0;
        }
        Ok(is_more)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Stop> {
        loop {
            if let Some(byte) = self.bytes.get(self.at) {
                self.at += 1;
                return Ok(*byte);
            }
            if !self.turn()? {
                return Err(damaged().into());
            }
        }
    }

    pub(super) fn word(&mut self) -> Result<u16, Stop> {
        Ok(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    fn double_word(&mut self) -> Result<u32, Stop> {
        let (low, high) = (self.word()?, self.word()?);
        Ok(u32::from(low) | u32::from(high) << 16)
    }

    pub(super) fn skip(&mut self, bytes: u64) -> Result<(), Stop> {
        let mut left = bytes;
        while left > 0 {
            let ready = self.bytes.len().saturating_sub(self.at);
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(ready);
            if part == 0 && !self.turn()? {
                return Err(damaged().into());
            }
            self.at += part;
            left -= u64::try_from(part).unwrap_or(0);
        }
        Ok(())
    }

    /// Takes a text with its length, and whatever is said of its letters.
    pub(super) fn text(
        &mut self,
        letters: Letters,
        length: Length,
        into: &mut String,
    ) -> Result<(), Stop> {
        into.clear();
        let count = match length {
            Length::Byte => self.byte()?.into(),
            Length::Word => self.word()?,
        };
        match letters {
            Letters::Page(page) => {
                let mut bytes = Vec::new();
                for _ in 0..count {
                    bytes.push(self.byte()?);
                }
                into.push_str(&page.decode_without_bom_handling(&bytes).0);
                Ok(())
            }
            // A text without letters may lack what is said of them.
            Letters::Unicode if count == 0 && self.at >= self.bytes.len() => Ok(()),
            Letters::Unicode => self.unicode(count, into),
        }
    }

    fn unicode(&mut self, count: u16, into: &mut String) -> Result<(), Stop> {
        let flags = self.byte()?;
        let runs = if flags & RICH != 0 { self.word()? } else { 0 };
        let extension = if flags & EXTENDED != 0 {
            self.double_word()?
        } else {
            0
        };
        self.units.clear();
        let mut is_wide = flags & WIDE != 0;
        let mut left = count;
        while left > 0 {
            if self.at >= self.bytes.len() {
                if !self.turn()? {
                    return Err(damaged().into());
                }
                // Where letters go on in another record, it is said anew how wide they are.
                is_wide = self.byte()? & WIDE != 0;
                continue;
            }
            let unit = if is_wide {
                self.word()?
            } else {
                self.byte()?.into()
            };
            self.units.push(unit);
            left -= 1;
        }
        into.extend(
            char::decode_utf16(self.units.iter().copied())
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)),
        );
        self.skip(u64::from(runs) * 4 + u64::from(extension))
    }
}
