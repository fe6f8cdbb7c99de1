//! Pure. The segments of a JPEG (ITU-T T.81 annex B, JFIF 1.02): its size, what it says of itself, where it ends.

use memchr::memchr;

use super::PhotoFormat;
use super::density::Density;
use super::outline::{Outline, u16_be};

const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;

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

fn jfif(version_on: &[u8]) -> Option<Density> {
    let unit = *version_on.get(2)?;
    Density::jfif(unit, u16_be(version_on, 3)?, u16_be(version_on, 5)?)
}
