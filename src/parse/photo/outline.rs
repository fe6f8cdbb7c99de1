//! Pure. The outline of a picture: what its segments and chunks say, without decoding a pixel.
//!
//! Works on the head of a file too: then it tells what stands in the head, and no end.

use super::PhotoFormat;
use super::density::{self, Density, Exif, Orientation};
use super::jpeg;

const PNG_MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// What is known before anything is decoded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outline<'a> {
    pub(super) format: PhotoFormat,
    /// As stored, in pixels.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) density: Option<Density>,
    pub(super) orientation: Orientation,
    /// From the byte order on.
    pub(super) exif: Option<&'a [u8]>,
    pub(super) is_animated: bool,
    /// Of a JPEG: its channels, and whether it comes in several passes.
    pub(super) channels: u8,
    pub(super) is_progressive: bool,
    /// Where the picture ends; none if it does not, as far as the bytes go.
    pub(super) end: Option<usize>,
}

impl Outline<'_> {
    pub(super) fn new(format: PhotoFormat) -> Self {
        Self {
            format,
            width: 0,
            height: 0,
            density: None,
            orientation: Orientation::default(),
            exif: None,
            is_animated: false,
            channels: 3,
            is_progressive: false,
            end: None,
        }
    }

    /// Takes what EXIF says where the format itself has not said it.
    fn read_exif(&mut self) {
        if let Some(tiff) = self.exif {
            let Exif {
                density,
                orientation,
            } = density::exif(tiff);
            self.orientation = orientation;
            self.density = self.density.or(density);
        }
    }

    /// Width and height as they are seen.
    pub(super) fn upright(&self) -> (u32, u32) {
        if self.orientation.is_sideways() {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        }
    }
}

/// The format, by the first bytes and nothing else.
pub(super) fn format(bytes: &[u8]) -> Option<PhotoFormat> {
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        Some(PhotoFormat::Jpeg)
    } else if bytes.starts_with(PNG_MAGIC) {
        Some(PhotoFormat::Png)
    } else if bytes.starts_with(b"BM") && bmp_header(bytes).is_some() {
        Some(PhotoFormat::Bmp)
    } else {
        None
    }
}

/// The outline of the photo in `bytes`; none if it is no photo, or if its size does not stand in them.
pub(super) fn outline(bytes: &[u8]) -> Option<Outline<'_>> {
    let mut outline = without_exif(bytes)?;
    outline.read_exif();
    Some(outline)
}

/// The outline without what EXIF says of it, which a crate of others reads: for the process that is not to meet hostile bytes.
pub(super) fn without_exif(bytes: &[u8]) -> Option<Outline<'_>> {
    let outline = match format(bytes)? {
        PhotoFormat::Jpeg => jpeg::outline(bytes),
        PhotoFormat::Png => png(bytes),
        PhotoFormat::Bmp => bmp(bytes)?,
    };
    (outline.width > 0 && outline.height > 0).then_some(outline)
}

fn png(bytes: &[u8]) -> Outline<'_> {
    let mut outline = Outline::new(PhotoFormat::Png);
    let mut at = PNG_MAGIC.len();
    while let Some((kind, data)) = png_chunk(bytes, at) {
        match kind {
            b"IHDR" if outline.width == 0 => {
                outline.width = u32_be(data, 0).unwrap_or_default();
                outline.height = u32_be(data, 4).unwrap_or_default();
            }
            b"pHYs" if data.get(8) == Some(&1) => {
                let said = u32_be(data, 0).zip(u32_be(data, 4));
                outline.density = said.and_then(|(x, y)| Density::per_metre(x, y));
            }
            b"eXIf" => outline.exif = Some(data),
            b"acTL" => outline.is_animated = true,
            _ => {}
        }
        at += 12 + data.len();
        if kind == b"IEND" {
            outline.end = (at <= bytes.len()).then_some(at);
            break;
        }
    }
    outline
}

/// Kind and data of the chunk at `at`, if it is whole but for its checksum.
fn png_chunk(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let length = usize::try_from(u32_be(bytes, at)?).ok()?;
    let kind = bytes.get(at + 4..at + 8)?;
    Some((kind, bytes.get(at + 8..)?.get(..length)?))
}

/// The length of the header behind the file header, if it is one of those that were ever in use.
fn bmp_header(bytes: &[u8]) -> Option<u32> {
    u32_le(bytes, 14).filter(|length| [12, 16, 40, 52, 56, 64, 108, 124].contains(length))
}

fn bmp(bytes: &[u8]) -> Option<Outline<'_>> {
    let header = bmp_header(bytes)?;
    let mut outline = Outline::new(PhotoFormat::Bmp);
    if header == 12 {
        outline.width = u16_le(bytes, 18)?.into();
        outline.height = u16_le(bytes, 20)?.into();
        outline.end = bmp_end(bytes, &outline, u16_le(bytes, 24)?.into(), 0, 0);
        return Some(outline);
    }
    // A negative height is a picture from top to bottom.
    outline.width = u32_le(bytes, 18).filter(|width| i32::try_from(*width).is_ok())?;
    outline.height = u32_le(bytes, 22)?.cast_signed().unsigned_abs();
    let bits = u16_le(bytes, 28).unwrap_or_default();
    if header >= 40 {
        let said = u32_le(bytes, 38).zip(u32_le(bytes, 42));
        outline.density = said.and_then(|(x, y)| Density::per_metre(x, y));
        let compression = u32_le(bytes, 30).unwrap_or_default();
        let data = u32_le(bytes, 34).unwrap_or_default();
        outline.end = bmp_end(bytes, &outline, bits.into(), compression, data);
    }
    if header == 124 {
        // A colour profile stands behind the pixels.
        let profile = u32_le(bytes, 126).zip(u32_le(bytes, 130));
        let profile_end = profile
            .and_then(|(at, length)| usize::try_from(u64::from(at) + 14 + u64::from(length)).ok());
        if let Some(end) = profile_end.filter(|end| *end <= bytes.len()) {
            outline.end = outline.end.map(|it| it.max(end));
        }
    }
    Some(outline)
}

/// Where the pixels end.
fn bmp_end(
    bytes: &[u8],
    outline: &Outline<'_>,
    bits: u64,
    compression: u32,
    data: u32,
) -> Option<usize> {
    let start = u64::from(u32_le(bytes, 10)?);
    let is_run_length = matches!(compression, 1 | 2);
    let length = if is_run_length {
        u64::from(data)
    } else {
        let row_bytes = (u64::from(outline.width) * bits).div_ceil(32) * 4;
        row_bytes.checked_mul(u64::from(outline.height))?
    };
    let end = usize::try_from(start.checked_add(length)?).ok()?;
    (length > 0 && end <= bytes.len()).then_some(end)
}

pub(super) fn u16_be(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*two))
}

fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*four))
}

fn u16_le(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*two))
}

fn u32_le(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*four))
}
