//! Photos as cameras, scanners and broken programs write them.

use std::io::Cursor;
use std::time::{Duration, Instant};

use image::codecs::jpeg::{JpegEncoder, PixelDensity};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::*;

use super::*;

macro_rules! fixtures {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/photos/", $name)).as_slice())),+]
    };
}

const FIXTURES: &[(&str, &[u8])] = fixtures![
    "alpha.png",
    "animated.png",
    "baseline-420.jpg",
    "baseline-422.jpg",
    "baseline-444-optimised.jpg",
    "camera.jpg",
    "cmyk.jpg",
    "grey-alpha.png",
    "grey.jpg",
    "interlaced.png",
    "one-bit.png",
    "palette.bmp",
    "palette.png",
    "plain.bmp",
    "progressive-grey.jpg",
    "progressive.jpg",
    "restarts.jpg",
    "sixteen-bit.png",
];

fn fixture(name: &str) -> Vec<u8> {
    FIXTURES
        .iter()
        .find(|(it, _)| *it == name)
        .unwrap()
        .1
        .to_vec()
}

/// Nobody's face: stripes and a gradient that tell every corner from the others.
fn pattern(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let shade = |part: u32, whole: u32| u8::try_from(part * 255 / whole.max(1)).unwrap();
        Rgb([
            shade(x, width),
            shade(y, height),
            if (x / 5 + y / 3) % 2 == 0 { 40 } else { 200 },
        ])
    })
}

fn jpeg(width: u32, height: u32, dpi: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 85);
    encoder.set_pixel_density(PixelDensity::dpi(dpi));
    encoder.encode_image(&pattern(width, height)).unwrap();
    bytes
}

fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// EXIF of one entry, in a segment behind the first two bytes.
fn with_exif_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let exif = [
        &b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"[..],
        &[orientation],
        b"\0\0\0\0\0\0",
    ]
    .concat();
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}

fn codes(examined: &Examined) -> Vec<&str> {
    examined
        .findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect()
}

fn told(name: &str, bytes: &[u8]) -> Vec<String> {
    let examined = examine(name, bytes, Wish::Tell);
    codes(&examined).into_iter().map(str::to_owned).collect()
}

fn is_refused(bytes: &[u8]) -> bool {
    let examined = examine("x", bytes, Wish::Tell);
    examined
        .findings
        .iter()
        .any(|finding| finding.severity == Severity::Error)
}

#[test]
fn photos_are_known_by_their_first_bytes() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x64\0\0\0\x80\x08\x02\0\0\0";
    let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\
        \xff\xc0\0\x11\x08\0\x80\0\x64\x03\x01\x22\0\x02\x11\x01\x03\x11\x01";
    let mut bmp = b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x64\0\0\0\x80\0\0\0".to_vec();
    bmp.resize(64, 0);
    for (head, format) in [
        (&png[..], PhotoFormat::Png),
        (&jpeg[..], PhotoFormat::Jpeg),
        (&bmp[..], PhotoFormat::Bmp),
    ] {
        let photo = Photo {
            format,
            width: 100,
            height: 128,
        };
        assert_eq!(identify(head), Some(photo), "{format:?}");
    }
}

#[test]
fn what_is_cut_or_no_photo_is_none() {
    for head in [
        &b""[..],
        b"id,name\n",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"GIF89a\x01\0\x01\0\0\0\0",
        b"BM,1\n2,3\n",
        b"BM,1\n2,3\nBMW,4\nBMX,5\nand so on and so forth, a table of things",
    ] {
        assert_eq!(identify(head), None, "{head:?}");
    }
}

#[test]
fn a_photo_as_it_should_be_has_no_findings() {
    assert_eq!(told("7.jpg", &jpeg(100, 128, 72)), [""; 0]);
    let bmp = encoded(pattern(100, 128), ImageFormat::Bmp);
    assert_eq!(told("7.BMP", &bmp), ["photo-density"], "says nothing");
    assert_eq!(told("alpha.png", &fixture("alpha.png")), ["photo-size"]);
    assert_eq!(told("plain.bmp", &fixture("plain.bmp")), ["photo-size"]);
    assert_eq!(
        told("interlaced.png", &fixture("interlaced.png")),
        ["photo-size"]
    );
}

#[test]
fn size_shape_and_density_are_told_of_and_refuse_nothing_r0_08_r0_09_r0_10() {
    let examined = examine("7.jpg", &jpeg(300, 200, 96), Wish::Tell);
    assert_eq!(
        codes(&examined),
        ["photo-size", "photo-orientation", "photo-density"]
    );
    assert!(
        examined
            .findings
            .iter()
            .all(|it| it.severity == Severity::Warning)
    );
    assert_eq!(
        examined.findings[2].message,
        "The picture says 96 ppi; photos should have 72."
    );
    assert_eq!(
        told("7.jpg", &jpeg(100, 100, 72)),
        ["photo-size", "photo-orientation"]
    );
}

#[test]
fn every_kind_of_the_three_formats_is_read() {
    for (name, bytes) in FIXTURES {
        let examined = examine(name, bytes, Wish::Conform);
        assert!(
            examined
                .findings
                .iter()
                .all(|finding| finding.severity != Severity::Error),
            "{name}: {:?}",
            examined.findings
        );
        assert_as_it_should_be(&examined.conformed.unwrap(), name);
    }
    assert_eq!(
        told("a.png", &fixture("animated.png")),
        ["photo-size", "photo-density", "photo-animated"]
    );
}

#[test]
fn what_stands_between_the_segments_of_a_jpeg_does_not_damage_it() {
    let whole = jpeg(100, 128, 72);
    let behind_jfif = 20;
    for strange in [
        &b"hello"[..],
        b"\xff\0",
        // Adobe's segment, too short to tell of colours, and one that goes on where it should not.
        b"\xff\xee\0\x0dAdobe\0d@\0\0\0",
        b"\xff\xee\0\x0eAdobe\0d\0\0\0\0\x01\x01",
        b"\xff\xed\0\x12Photoshop 3.0\0??\0\0\0",
    ] {
        let (before, after) = whole.split_at(behind_jfif);
        for picture in [
            [before, strange, after].concat(),
            // Without an end, too.
            [before, strange, &after[..after.len() - 2]].concat(),
        ] {
            assert!(!is_refused(&picture), "{strange:?}");
        }
        let cut = [before, strange, &after[..after.len() / 2]].concat();
        assert!(is_refused(&cut), "{strange:?}");
    }
}

#[test]
fn a_name_that_says_otherwise_is_told_of() {
    let photo = jpeg(100, 128, 72);
    for (name, is_told) in [
        ("7.jpg", false),
        ("7.JPEG", false),
        ("7.png", true),
        ("7.bmp", true),
        ("7", false),
    ] {
        assert_eq!(told(name, &photo) == ["photo-extension"], is_told, "{name}");
    }
}

#[test]
fn what_people_send_by_mistake_is_called_by_its_name() {
    for (bytes, called) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0"[..], "a HEIC picture"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "a film"),
        (b"GIF89a\x01\0\x01\0\0\0\0", "a GIF picture"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP picture"),
        (b"II*\0\x08\0\0\0", "a TIFF picture"),
        (b"%PDF-1.7", "a PDF document"),
        (b"PK\x03\x04\x14\0", "a ZIP archive"),
        (b"\r\n<!DOCTYPE html><html>", "a web page"),
        (b"<svg xmlns=''/>", "an SVG drawing"),
        (b"MZ\x90\0", "no picture"),
        (b"", "empty"),
    ] {
        let examined = examine("7.jpg", bytes, Wish::Conform);
        assert_eq!(codes(&examined), ["photo-format"]);
        assert!(
            examined.findings[0].message.contains(called),
            "{called}: {}",
            examined.findings[0].message
        );
        assert_eq!((examined.photo, examined.conformed), (None, None));
    }
}

#[test]
fn a_photo_that_is_cut_anywhere_is_refused() {
    let generated = [
        ("jpg", jpeg(100, 128, 72)),
        ("png", encoded(pattern(100, 128), ImageFormat::Png)),
        ("bmp", encoded(pattern(100, 128), ImageFormat::Bmp)),
    ];
    let fixtures = FIXTURES.iter().map(|(name, bytes)| (*name, bytes.to_vec()));
    for (name, bytes) in generated.into_iter().chain(fixtures) {
        for percent in [5, 20, 50, 90, 99] {
            // Behind the pixels of a PNG stand checksums and the end, and of an animation its other pictures.
            let whole = if name == "animated.png" {
                bytes.len() / 3
            } else {
                bytes.len() - 16
            };
            let cut = &bytes[..whole * percent / 100];
            assert!(is_refused(cut), "{name} cut at {percent} %");
        }
    }
}

#[test]
fn a_cut_jpeg_is_refused_to_its_last_byte_even_if_it_was_given_an_end() {
    for (name, bytes) in FIXTURES.iter().filter(|(name, _)| name.contains(".jpg")) {
        let end = bytes.len() - 2;
        assert!(
            !is_refused(&bytes[..end]),
            "{name} without its end marker has all its pixels"
        );
        for length in (3..end - 1).rev().step_by(7).chain([end - 1]) {
            let cut = &bytes[..length];
            assert!(is_refused(cut), "{name} cut at {length} of {end}");
            // The last byte may be nothing but filling.
            if length + 2 < end && !name.starts_with("progressive") {
                let ended = [cut, b"\xff\xd9"].concat();
                assert!(
                    is_refused(&ended),
                    "{name} cut at {length} of {end} and ended"
                );
            }
        }
    }
}

#[test]
fn a_progressive_jpeg_that_lacks_a_pass_is_cut_unless_it_says_where_it_ends() {
    let bytes = fixture("progressive.jpg");
    let scans: Vec<usize> = jpeg::segments(&bytes)
        .filter(|segment| jpeg::is_scan(segment.marker))
        .map(|segment| segment.end - segment.data.len() - 4)
        .collect();
    assert!(scans.len() > 5);
    let without_last = &bytes[..*scans.last().unwrap()];
    assert!(is_refused(without_last));
    // Some programs make a quick look that way, and it can be shown.
    assert!(!is_refused(&[without_last, b"\xff\xd9"].concat()));
}

#[test]
fn huge_headers_are_refused_at_once_and_without_memory() {
    let ihdr = |side: u32| {
        let mut png = encoded(pattern(4, 4), ImageFormat::Png);
        png[16..20].copy_from_slice(&side.to_be_bytes());
        png[20..24].copy_from_slice(&side.to_be_bytes());
        png
    };
    let mut bmp = encoded(pattern(4, 4), ImageFormat::Bmp);
    bmp[18..22].copy_from_slice(&60_000_u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&60_000_u32.to_le_bytes());
    let sof = |name: &str, side: u16| {
        let mut bytes = fixture(name);
        let frame = bytes
            .windows(2)
            .position(|it| matches!(it, [0xff, 0xc0 | 0xc2]))
            .unwrap();
        bytes[frame + 5..frame + 7].copy_from_slice(&side.to_be_bytes());
        bytes[frame + 7..frame + 9].copy_from_slice(&side.to_be_bytes());
        bytes
    };
    let start = Instant::now();
    for bytes in [
        ihdr(20_000),
        ihdr(u32::MAX),
        bmp,
        sof("baseline-420.jpg", u16::MAX),
        sof("progressive.jpg", u16::MAX),
        sof("baseline-420.jpg", 8000),
        sof("progressive.jpg", 6000),
    ] {
        assert_eq!(told("7", &bytes), ["photo-too-large"]);
    }
    // Within the limits, and there is nothing behind it.
    assert!(is_refused(&ihdr(5000)));
    assert!(is_refused(&sof("baseline-420.jpg", 5000)));
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn what_stands_behind_a_picture_is_told_of_and_gone_when_it_is_conformed() {
    let php = b"<?php system($_GET['c']); ?>";
    for (name, photo) in [
        ("7.jpg", jpeg(100, 128, 72)),
        ("7.png", encoded(pattern(100, 128), ImageFormat::Png)),
        ("7.bmp", encoded(pattern(100, 128), ImageFormat::Bmp)),
    ] {
        let padded = [photo.as_slice(), &[0; 40]].concat();
        assert_eq!(told(name, &padded), told(name, &photo), "zeros are filling");
        let bytes = [photo.as_slice(), php].concat();
        let examined = examine(name, &bytes, Wish::Tell);
        let last = examined.findings.last().unwrap();
        assert_eq!(
            (last.code.as_str(), last.severity),
            ("photo-trailing-bytes", Severity::Info)
        );
        let conformed = examine(name, &bytes, Wish::Conform).conformed.unwrap();
        assert!(!conformed.windows(5).any(|it| it == b"<?php"));
        assert_as_it_should_be(&conformed, name);
    }
}

#[test]
fn a_sideways_photo_is_judged_and_conformed_as_it_is_seen() {
    // Each is stored so that its orientation brings it back to the same upright picture.
    let upright = pattern(200, 256);
    let flip = |it: &RgbImage| image::imageops::flip_horizontal(it);
    for orientation in 0..=9_u8 {
        let stored = match orientation {
            2 => flip(&upright),
            3 => image::imageops::rotate180(&upright),
            4 => image::imageops::flip_vertical(&upright),
            5 => flip(&image::imageops::rotate90(&upright)),
            6 => image::imageops::rotate270(&upright),
            7 => flip(&image::imageops::rotate270(&upright)),
            8 => image::imageops::rotate90(&upright),
            _ => upright.clone(),
        };
        let bytes = with_exif_orientation(&encoded(stored, ImageFormat::Jpeg), orientation);
        let examined = examine("7.jpg", &bytes, Wish::Tell);
        assert_eq!(
            codes(&examined),
            ["photo-size", "photo-density"],
            "{orientation}"
        );
        assert!(examined.findings[0].message.contains("200 x 256"));
        let conformed = examine("7.jpg", &bytes, Wish::Conform).conformed.unwrap();
        assert_as_it_should_be(&conformed, "oriented");
        let seen = image::load_from_memory(&conformed).unwrap().into_rgb8();
        // Left is without red, the top without green.
        for (x, y) in [(3, 3), (96, 3), (3, 124), (96, 124)] {
            let Rgb([red, green, _]) = *seen.get_pixel(x, y);
            assert_eq!(
                (red > 128, green > 128),
                (x > 50, y > 64),
                "{orientation} at {x},{y}"
            );
        }
    }
}

#[test]
fn the_camera_says_its_density_in_exif_and_that_is_stripped() {
    let bytes = fixture("camera.jpg");
    let examined = examine("7.jpg", &bytes, Wish::Tell);
    assert_eq!(codes(&examined), ["photo-size", "photo-density"]);
    assert!(examined.findings[0].message.contains("45 x 58"));
    assert!(examined.findings[1].message.contains("300 ppi"));
    // As it should be but for its EXIF, which may tell where it was taken.
    let private = with_exif_orientation(&jpeg(100, 128, 72), 1);
    assert_eq!(told("7.jpg", &private), [""; 0]);
    assert_as_it_should_be(
        &examine("7.jpg", &private, Wish::Conform).conformed.unwrap(),
        "private",
    );
}

#[test]
fn a_photo_is_conformed_only_if_it_has_to_be() {
    let fine = examine("7.jpg", &jpeg(100, 128, 72), Wish::Conform);
    assert_eq!((fine.conformed, fine.findings), (None, vec![]));
    let wide = examine("7.png", &jpeg(640, 128, 72), Wish::Conform);
    assert_eq!(codes(&wide), ["photo-extension", "photo-conformed"]);
    assert!(
        examine("7.png", b"GIF89a", Wish::Conform)
            .conformed
            .is_none()
    );
}

#[test]
fn the_middle_is_kept_and_what_shines_through_is_white() {
    // Red, green, blue side by side: the middle is green.
    let striped = RgbImage::from_fn(600, 256, |x, _| match x / 200 {
        0 => Rgb([255, 0, 0]),
        1 => Rgb([0, 255, 0]),
        _ => Rgb([0, 0, 255]),
    });
    let conformed = examine("7.png", &encoded(striped, ImageFormat::Png), Wish::Conform)
        .conformed
        .unwrap();
    let seen = image::load_from_memory(&conformed).unwrap().into_rgb8();
    for (x, y) in [(2, 2), (97, 125), (50, 64)] {
        let Rgb([red, green, blue]) = *seen.get_pixel(x, y);
        assert!(red < 20 && green > 235 && blue < 20, "{red} {green} {blue}");
    }
    let clear = RgbaImage::from_fn(200, 256, |x, _| {
        Rgba([0, 0, 0, if x < 100 { 0 } else { 255 }])
    });
    let conformed = examine("7.png", &encoded(clear, ImageFormat::Png), Wish::Conform)
        .conformed
        .unwrap();
    let seen = image::load_from_memory(&conformed).unwrap().into_rgb8();
    assert!(seen.get_pixel(10, 64).0.iter().all(|it| *it > 245));
    assert!(seen.get_pixel(90, 64).0.iter().all(|it| *it < 10));
}

/// What comes out of conforming, read by others than those who wrote it.
fn assert_as_it_should_be(bytes: &[u8], name: &str) {
    let seen = image::load_from_memory(bytes).unwrap();
    assert_eq!((seen.width(), seen.height()), (100, 128), "{name}");
    let outline = outline::outline(bytes).unwrap();
    assert!(outline.density.unwrap().is(72.0), "{name}");
    assert!(
        outline.exif.is_none() && !bytes.windows(4).any(|it| it == b"Exif"),
        "{name}"
    );
    assert_eq!(outline.end, Some(bytes.len()), "{name}");
    assert_eq!(told("7.jpg", bytes), [""; 0], "{name}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_make_it_panic(which in 0..4_usize, tail: Vec<u8>) {
        let magic = [&b""[..], b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"][which];
        let bytes = [magic, &tail].concat();
        prop_assert_eq!(identify(&bytes), outline::outline(&bytes).map(|it| it.photo()));
        examine("7.jpg", &bytes, Wish::Conform);
    }

    #[test]
    fn no_damage_makes_it_panic_or_take_long(
        which in 0..FIXTURES.len(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        repeated in prop::option::of((any::<prop::sample::Index>(), 1..200_usize)),
    ) {
        let mut bytes = FIXTURES[which].1.to_vec();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some((at, length)) = repeated {
            let at = at.index(bytes.len());
            let again = bytes[at..(at + length).min(bytes.len())].to_vec();
            bytes.splice(at..at, again);
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let start = Instant::now();
        // What decodes is caught when it panics; what is ours must not.
        if let Some(outline) = outline::outline(&bytes) {
            let _checked = entropy::check(&bytes);
            prop_assert!(outline.end.is_none_or(|end| end <= bytes.len()));
        }
        let examined = examine("7.jpg", &bytes, Wish::Conform);
        if let Some(conformed) = &examined.conformed {
            prop_assert!(!is_refused(conformed));
        }
        prop_assert!(start.elapsed() < Duration::from_secs(5));
    }
}
