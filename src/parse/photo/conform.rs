//! Pure. Brings a picture to 100 x 128 pixels at 72 ppi: upright, its middle in full, on white, without EXIF. Whoever calls it keeps the original.

use fast_image_resize::images::Image;
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::codecs::jpeg::{JpegEncoder, PixelDensity};
use image::{DynamicImage, Rgb, RgbImage, RgbaImage, imageops};

use super::density::Orientation;
use super::{PPI, WANTED_HEIGHT, WANTED_WIDTH};

const QUALITY: u8 = 90;
const CENTRE: (f64, f64) = (0.5, 0.5);

/// The JPEG of the picture as it should be; none if a picture cannot be scaled, which none of those that were decoded is known to do.
pub(super) fn conform(picture: DynamicImage, orientation: Orientation) -> Option<Vec<u8>> {
    // What is cropped from the middle stays the same when it is turned, and a small picture is turned at once.
    let (width, height) = if orientation.is_sideways() {
        (WANTED_HEIGHT, WANTED_WIDTH)
    } else {
        (WANTED_WIDTH, WANTED_HEIGHT)
    };
    let small = if picture.color().has_alpha() {
        on_white(&scaled_with_alpha(picture.into_rgba8(), width, height)?)
    } else {
        let (from_width, from_height) = (picture.width(), picture.height());
        let samples = scaled(
            picture.into_rgb8().into_raw(),
            (from_width, from_height),
            (width, height),
            PixelType::U8x3,
        )?;
        RgbImage::from_raw(width, height, samples)?
    };
    let upright = turned(small, orientation);
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
    encoder.set_pixel_density(PixelDensity::dpi(PPI));
    encoder.encode_image(&upright).ok()?;
    Some(jpeg)
}

fn scaled(
    samples: Vec<u8>,
    (from_width, from_height): (u32, u32),
    (width, height): (u32, u32),
    kind: PixelType,
) -> Option<Vec<u8>> {
    let from = Image::from_vec_u8(from_width, from_height, samples, kind).ok()?;
    let mut to = Image::new(width, height, kind);
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
        .fit_into_destination(Some(CENTRE));
    Resizer::new().resize(&from, &mut to, &options).ok()?;
    Some(to.into_vec())
}

/// Some programs write a fourth channel and leave it empty: then nothing would be seen at all, so it is not meant.
fn scaled_with_alpha(mut picture: RgbaImage, width: u32, height: u32) -> Option<RgbaImage> {
    if picture.pixels().all(|pixel| pixel.0[3] == 0) {
        picture.pixels_mut().for_each(|pixel| pixel.0[3] = u8::MAX);
    }
    let from = picture.dimensions();
    let samples = scaled(picture.into_raw(), from, (width, height), PixelType::U8x4)?;
    RgbaImage::from_raw(width, height, samples)
}

fn on_white(picture: &RgbaImage) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [red, green, blue, alpha] = picture.get_pixel(x, y).0;
        let alpha = u16::from(alpha);
        let over = |sample: u8| {
            let mixed = (u16::from(sample) * alpha + 255 * (255 - alpha) + 127) / 255;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        Rgb([over(red), over(green), over(blue)])
    })
}

fn turned(picture: RgbImage, orientation: Orientation) -> RgbImage {
    let picture = if orientation.is_mirrored {
        imageops::flip_horizontal(&picture)
    } else {
        picture
    };
    match orientation.turns {
        1 => imageops::rotate90(&picture),
        2 => imageops::rotate180(&picture),
        3 => imageops::rotate270(&picture),
        _ => picture,
    }
}
