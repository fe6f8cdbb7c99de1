//! Pure. The segments of a JPEG (ITU-T T.81 annex B, JFIF 1.02): its size, what it says of itself, where it ends.

use memchr::memchr;

use super::PhotoFormat;
use super::density::Density;
use super::outline::{Outline, u16_be};

const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;
/// What Adobe's own segment holds at least.
const ADOBE_BYTES: usize = 12;

/// One step through the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    /// Without its length; empty for a marker that stands alone.
    pub(super) data: &'a [u8],
    /// Behind the segment. Behind a start of scan stands what is coded.
    pub(super) end: usize,
}

/// The segments from `at` on. It ends where a segment is cut or makes no sense.
#[derive(Debug, Clone)]
pub(super) struct Segments<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        loop {
            self.at += memchr(0xff, self.bytes.get(self.at..)?)?;
            let fill = self.bytes.get(self.at..)?;
            self.at += fill.iter().take_while(|byte| **byte == 0xff).count();
            let marker = *self.bytes.get(self.at)?;
            self.at += 1;
            match marker {
                // Coded data, and what may stand in it: to be stepped over.
                0x00 | 0x01 | 0xd0..=0xd8 => {}
                END_OF_IMAGE => {
                    let end = self.at;
                    return Some(Segment {
                        marker,
                        data: &[],
                        end,
                    });
                }
                _ => {
                    let length = usize::from(u16_be(self.bytes, self.at)?);
                    let data = self.bytes.get(self.at..)?.get(2..length)?;
                    self.at += length;
                    let end = self.at;
                    return Some(Segment { marker, data, end });
                }
            }
        }
    }
}

/// The segments of a whole file.
pub(super) fn segments(bytes: &[u8]) -> Segments<'_> {
    Segments { bytes, at: 2 }
}

/// Whether the marker begins a frame, which tells the size.
pub(super) fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}

/// Whether the marker begins what is coded.
pub(super) fn is_scan(marker: u8) -> bool {
    marker == START_OF_SCAN
}

pub(super) fn outline(bytes: &[u8]) -> Outline<'_> {
    let mut outline = Outline::new(PhotoFormat::Jpeg);
    for Segment { marker, data, end } in segments(bytes) {
        match marker {
            0xe0 => {
                if let Some(density) = data.strip_prefix(b"JFIF\0") {
                    outline.density = jfif(density).or(outline.density);
                }
            }
            0xe1 => {
                // The first one counts; a camera puts others into previews.
                outline.exif = outline.exif.or(data.strip_prefix(b"Exif\0\0"));
            }
            END_OF_IMAGE => {
                outline.end = Some(end);
                break;
            }
            _ if is_frame(marker) && outline.width == 0 => {
                outline.height = u16_be(data, 1).unwrap_or_default().into();
                outline.width = u16_be(data, 3).unwrap_or_default().into();
                outline.channels = data.get(5).copied().unwrap_or_default();
                outline.is_progressive = matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce);
            }
            _ => {}
        }
    }
    outline
}

/// The same picture without all that says something about it, and without what stands between its segments: decoders stumble over both, and every
/// program that shows pictures passes over them. What is coded stays as it is.
pub(super) fn bare(bytes: &[u8]) -> Vec<u8> {
    let mut bare = Vec::with_capacity(bytes.len());
    bare.extend_from_slice(&[0xff, 0xd8]);
    let mut segments = segments(bytes);
    while let Some(Segment { marker, data, end }) = segments.next() {
        match marker {
            END_OF_IMAGE => break,
            // Of these, only the one that tells of the colours is needed, if it does.
            0xe0..=0xed | 0xef | 0xfe => continue,
            0xee if !data.starts_with(b"Adobe") || data.len() < ADOBE_BYTES => continue,
            _ => {}
        }
        let length = u16::try_from(data.len() + 2).unwrap_or(u16::MAX);
        bare.extend_from_slice(&[0xff, marker]);
        bare.extend_from_slice(&length.to_be_bytes());
        bare.extend_from_slice(data);
        if is_scan(marker) {
            let coded = bytes.get(end..).unwrap_or_default();
            let coded = coded.get(..coded_length(coded)).unwrap_or_default();
            bare.extend_from_slice(coded);
            segments.at = end + coded.len();
        }
    }
    bare.extend_from_slice(&[0xff, END_OF_IMAGE]);
    bare
}

/// How much of what follows a scan's header belongs to the scan: all up to a marker that does not stand in one.
fn coded_length(bytes: &[u8]) -> usize {
    let mut from = 0;
    while let Some(found) = bytes.get(from..).and_then(|rest| memchr(0xff, rest)) {
        let at = from + found;
        match bytes.get(at + 1) {
            Some(0x00 | 0x01 | 0xd0..=0xd7) => from = at + 2,
            Some(0xff) => from = at + 1,
            _ => return at,
        }
    }
    bytes.len()
}

fn jfif(version_on: &[u8]) -> Option<Density> {
    let unit = *version_on.get(2)?;
    Density::jfif(unit, u16_be(version_on, 3)?, u16_be(version_on, 5)?)
}
