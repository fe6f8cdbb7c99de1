//! Pure. A whole picture to its pixels, strictly and within limits.

use std::borrow::Cow;
use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::codecs::png::PngDecoder;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, Limits, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::PhotoFormat;
use super::entropy::{self, Fault};
use super::jpeg;
use super::outline::Outline;

/// More than any camera has on a side.
pub(super) const MAX_SIDE: u32 = 8000;
/// Memory for the pixels of one picture: 42 megapixels in three colours.
const MAX_BYTES: u64 = 128 << 20;

/// Why there are no pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecodeError {
    TooLarge,
    Cut,
    Damaged,
    /// A kind of its format that is not read.
    Rare,
}

/// Decodes the picture of this outline.
pub(super) fn decode(outline: &Outline<'_>, bytes: &[u8]) -> Result<DynamicImage, DecodeError> {
    if outline.width > MAX_SIDE || outline.height > MAX_SIDE {
        return Err(DecodeError::TooLarge);
    }
    match outline.format {
        PhotoFormat::Jpeg => decode_jpeg(outline, bytes),
        PhotoFormat::Png => {
            let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits());
            pixels(decoder.map_err(|error| blame(&error))?)
        }
        PhotoFormat::Bmp => {
            pixels(BmpDecoder::new(Cursor::new(bytes)).map_err(|error| blame(&error))?)
        }
    }
}

fn decode_jpeg(outline: &Outline<'_>, bytes: &[u8]) -> Result<DynamicImage, DecodeError> {
    let pixels = u64::from(outline.width) * u64::from(outline.height);
    let channels = u64::from(outline.channels);
    // A picture in several passes is kept as coefficients of two bytes until the last one.
    let coefficients = if outline.is_progressive {
        2 * channels
    } else {
        0
    };
    let shown = shown(outline);
    if pixels.saturating_mul(shown + coefficients) > MAX_BYTES {
        return Err(DecodeError::TooLarge);
    }
    entropy::check(bytes).map_err(|fault| match fault {
        Fault::Cut => DecodeError::Cut,
        Fault::Damaged => DecodeError::Damaged,
        Fault::Rare => DecodeError::Rare,
    })?;
    // All passes are there, and still the decoder would not do without the end marker.
    let ended = if outline.end.is_none() {
        Cow::Owned([bytes, &[0xff, 0xd9]].concat())
    } else {
        Cow::Borrowed(bytes)
    };
    let samples = match samples(outline, &ended) {
        // Nothing of the picture is missing, so it may be what is said about it that the decoder does not like.
        Err(DecodeError::Damaged | DecodeError::Cut) => samples(outline, &jpeg::bare(bytes))?,
        samples => samples?,
    };
    let (width, height) = (outline.width, outline.height);
    let image = if shown == 1 {
        GrayImage::from_raw(width, height, samples).map(DynamicImage::from)
    } else {
        RgbImage::from_raw(width, height, samples).map(DynamicImage::from)
    };
    image.ok_or(DecodeError::Damaged)
}

/// Channels that are made of those of a JPEG.
fn shown(outline: &Outline<'_>) -> u64 {
    if outline.channels == 1 { 1 } else { 3 }
}

/// The pixels of a JPEG, one channel after the other.
fn samples(outline: &Outline<'_>, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let shown = shown(outline);
    let side = usize::try_from(MAX_SIDE).unwrap_or(usize::MAX);
    let colours = if shown == 1 {
        ColorSpace::Luma
    } else {
        ColorSpace::RGB
    };
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(side)
        .set_max_height(side)
        .jpeg_set_out_colorspace(colours);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder
        .decode_headers()
        .map_err(|error| blame_jpeg(&error))?;
    let pixels = u64::from(outline.width) * u64::from(outline.height);
    let expected = usize::try_from(pixels * shown).ok();
    if expected.is_none() || decoder.output_buffer_size() != expected {
        return Err(DecodeError::Damaged);
    }
    decoder.decode().map_err(|error| blame_jpeg(&error))
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_BYTES);
    limits
}

fn pixels(decoder: impl ImageDecoder) -> Result<DynamicImage, DecodeError> {
    let (width, height) = decoder.dimensions();
    if width > MAX_SIDE || height > MAX_SIDE || decoder.total_bytes() > MAX_BYTES {
        return Err(DecodeError::TooLarge);
    }
    DynamicImage::from_decoder(decoder).map_err(|error| blame(&error))
}

fn blame(error: &ImageError) -> DecodeError {
    match error {
        ImageError::Limits(_) => DecodeError::TooLarge,
        ImageError::Unsupported(_) => DecodeError::Rare,
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::Cut
        }
        _ => DecodeError::Damaged,
    }
}

fn blame_jpeg(error: &DecodeErrors) -> DecodeError {
    match error {
        DecodeErrors::LargeDimensions(_) => DecodeError::TooLarge,
        DecodeErrors::Unsupported(_) => DecodeError::Rare,
        DecodeErrors::ExhaustedData => DecodeError::Cut,
        _ => DecodeError::Damaged,
    }
}
