//! Pure. Photos: what picture a file holds, whether it is whole, whether it is as it should be, and whose it is.
//!
//! [`identify`] looks at the first bytes and decodes nothing. [`examine`] decodes all of it and runs in a child process: decoders meet hostile bytes there.
//! A picture that cannot be shown is refused; one of another size, density or shape than asked for is taken and told of (R0.08 to R0.10 say "should").

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

pub mod batch;
mod conform;
mod decode;
mod density;
mod entropy;
mod jpeg;
pub mod matching;
mod outline;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};

use crate::parse::finding::{Finding, Severity, code};
use decode::DecodeError;
pub use density::Density;
use outline::Outline;

/// Width of a photo, in pixels (R0.09).
pub const WANTED_WIDTH: u32 = 100;
/// Height of a photo, in pixels (R0.09).
pub const WANTED_HEIGHT: u32 = 128;
/// Density of a photo, in pixels to the inch (R0.10).
pub const PPI: u16 = 72;

/// A photo of more bytes is not looked at. A camera's largest JPEG is half as large, and photos should have 100 x 128 pixels.
pub const MOST_BYTES: usize = 25_000_000;

/// A format that photos may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhotoFormat {
    Bmp,
    Jpeg,
    Png,
}

impl PhotoFormat {
    /// The name in tables and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bmp => "bmp",
            Self::Jpeg => "jpeg",
            Self::Png => "png",
        }
    }

    /// How people call it.
    const fn title(self) -> &'static str {
        match self {
            Self::Bmp => "BMP",
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
        }
    }

    /// What names of such files may end with, the usual one first.
    const fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Bmp => &["bmp"],
            Self::Jpeg => &["jpg", "jpeg"],
            Self::Png => &["png"],
        }
    }
}

/// What is known of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Photo {
    pub format: PhotoFormat,
    /// In pixels, as stored: an orientation in EXIF is not applied.
    pub width: u32,
    /// In pixels, as stored.
    pub height: u32,
}

/// How many bytes [`identify`] wants to see. A camera puts a preview of up to 64 KiB before the size of a JPEG.
pub const HEAD_BYTES: usize = 128 * 1024;

/// Names the photo that begins with `head`; none if it is no photo or if its size is not among those bytes.
pub fn identify(head: &[u8]) -> Option<Photo> {
    outline::without_exif(head).map(|it| it.photo())
}

impl Outline<'_> {
    fn photo(&self) -> Photo {
        Photo {
            format: self.format,
            width: self.width,
            height: self.height,
        }
    }
}

/// What is to become of a photo that is whole but not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// Told of, and left as it is.
    #[default]
    Tell,
    /// Brought to the size and density that photos should have.
    Conform,
}

impl Wish {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tell => "tell",
            Self::Conform => "conform",
        }
    }

    /// Takes the stored word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Tell, Self::Conform]
            .into_iter()
            .find(|wish| wish.as_str() == text)
    }
}

/// What looking at a whole photo came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// None if it is no photo.
    pub photo: Option<Photo>,
    /// Of the file as a whole. An error among them refuses the photo.
    pub findings: Vec<Finding>,
    /// The JPEG that the photo was brought to, if that was wished and if it was not as it should be.
    pub conformed: Option<Vec<u8>>,
}

impl Examined {
    /// Whether no finding refuses it.
    pub fn is_taken(&self) -> bool {
        let severities = self.findings.iter().map(|finding| finding.severity);
        severities.min() != Some(Severity::Error)
    }

    /// A photo that cannot be shown.
    pub(crate) fn refused(photo: Option<Photo>, finding: Finding) -> Self {
        Self {
            photo,
            findings: vec![finding],
            conformed: None,
        }
    }
}

/// Decodes the whole photo, which was sent under `file_name`, and says what is wrong with it.
pub fn examine(file_name: &str, bytes: &[u8], wish: Wish) -> Examined {
    let Some(outline) = outline::outline(bytes) else {
        return Examined::refused(None, no_photo(bytes));
    };
    let photo = Some(outline.photo());
    // A decoder that panics has met a damaged picture; the next one may be sound.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode::decode(&outline, bytes)));
    let picture = match decoded.unwrap_or(Err(DecodeError::Damaged)) {
        Ok(picture) => picture,
        Err(error) => return Examined::refused(photo, undecodable(error, &outline)),
    };
    let mut findings: Vec<Finding> = wrong_extension(file_name, outline.format)
        .into_iter()
        .collect();
    let advice = advice(&outline, bytes);
    let is_to_conform = wish == Wish::Conform && (!advice.is_empty() || outline.exif.is_some());
    let conformed = if is_to_conform {
        catch_unwind(AssertUnwindSafe(|| {
            conform::conform(picture, outline.orientation)
        }))
        .ok()
        .flatten()
    } else {
        None
    };
    if conformed.is_some() {
        findings.push(as_it_should_be_now(&outline));
    } else {
        findings.extend(advice);
    }
    Examined {
        photo,
        findings,
        conformed,
    }
}

/// What is told about a photo of more than [`MOST_BYTES`], which is not looked at.
pub fn too_many_bytes(bytes: u64) -> Examined {
    let finding = Finding::file(
        code::PHOTO_TOO_LARGE,
        format!(
            "The file has {} MB; photos of more than {} MB are not looked at.",
            bytes.div_ceil(1_000_000),
            MOST_BYTES / 1_000_000
        ),
        "Scale it down to 100 x 128 pixels and save it as JPEG: that has a few KB.",
    );
    Examined::refused(None, finding)
}

const SEND_A_PHOTO: &str = "Save or export it as JPEG and send that.";
const SEND_AGAIN: &str =
    "Send it again; if that does not help, open it, save it under a new name and send that.";

fn no_photo(bytes: &[u8]) -> Finding {
    if bytes.is_empty() {
        return Finding::file(code::PHOTO_FORMAT, "The file is empty.", SEND_AGAIN);
    }
    if let Some(format) = outline::format(bytes) {
        return Finding::file(
            code::PHOTO_DAMAGED,
            format!(
                "This begins as a {} picture and has no size, so it is cut off or damaged.",
                format.title()
            ),
            SEND_AGAIN,
        );
    }
    let message = match other_kind(bytes) {
        Some(kind) => {
            format!("This is {kind}, whatever its name says; photos are JPEG, PNG or BMP.")
        }
        None => "This is no picture that can be read; photos are JPEG, PNG or BMP.".to_owned(),
    };
    Finding::file(code::PHOTO_FORMAT, message, SEND_A_PHOTO)
}

/// What people send by mistake.
fn other_kind(bytes: &[u8]) -> Option<&'static str> {
    let brand = bytes.get(8..12).unwrap_or_default();
    let is_boxed = bytes.get(4..8) == Some(b"ftyp");
    let text = bytes.trim_ascii_start().get(..5).unwrap_or_default();
    match bytes {
        _ if is_boxed && brand == b"avif" => Some("an AVIF picture"),
        _ if is_boxed
            && matches!(
                brand,
                b"heic" | b"heix" | b"hevc" | b"heim" | b"mif1" | b"msf1"
            ) =>
        {
            Some("a HEIC picture, as phones take them")
        }
        _ if is_boxed => Some("a film"),
        [b'G', b'I', b'F', b'8', ..] => Some("a GIF picture"),
        [b'R', b'I', b'F', b'F', ..] if brand == b"WEBP" => Some("a WebP picture"),
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => Some("a TIFF picture"),
        [b'%', b'P', b'D', b'F', ..] => Some("a PDF document"),
        [b'P', b'K', 3, 4, ..] => Some("a ZIP archive or an Office document"),
        _ if text.starts_with(b"<svg") || text == b"<?xml" => Some("an SVG drawing or other XML"),
        _ if text.eq_ignore_ascii_case(b"<html") || text.eq_ignore_ascii_case(b"<!doc") => {
            Some("a web page")
        }
        _ => None,
    }
}

fn undecodable(error: DecodeError, outline: &Outline<'_>) -> Finding {
    match error {
        DecodeError::TooLarge => Finding::file(
            code::PHOTO_TOO_LARGE,
            format!(
                "The picture has {} x {} pixels, more than can be read.",
                outline.width, outline.height
            ),
            format!("Scale it down: {WANTED_WIDTH} x {WANTED_HEIGHT} pixels are enough."),
        ),
        DecodeError::Cut => Finding::file(
            code::PHOTO_DAMAGED,
            "The picture is cut off: the end of it is missing.",
            SEND_AGAIN,
        ),
        DecodeError::Damaged => Finding::file(
            code::PHOTO_DAMAGED,
            "The picture is damaged and cannot be shown in full.",
            SEND_AGAIN,
        ),
        DecodeError::Rare => Finding::file(
            code::PHOTO_FORMAT,
            format!(
                "This is a rare kind of {} that cannot be read.",
                outline.format.title()
            ),
            "Open it, save it as an ordinary JPEG and send that.",
        ),
    }
}

fn wrong_extension(file_name: &str, format: PhotoFormat) -> Option<Finding> {
    let (_, extension) = file_name.rsplit_once('.')?;
    let names = format.extensions();
    if names
        .iter()
        .any(|name| name.eq_ignore_ascii_case(extension))
    {
        return None;
    }
    let usual = names.first()?;
    let finding = Finding::file(
        code::PHOTO_EXTENSION,
        format!(
            "The file is a {}, and its name says otherwise.",
            format.title()
        ),
        format!("Let its name end with \".{usual}\"."),
    );
    Some(finding.with_severity(Severity::Warning))
}

/// What is not as it should be in a picture that is whole.
fn advice(outline: &Outline<'_>, bytes: &[u8]) -> Vec<Finding> {
    let mut advice = Vec::new();
    let mut tell = |severity, code, message: String, remedy: &str| {
        advice.push(Finding::file(code, message, remedy).with_severity(severity));
    };
    let (width, height) = outline.upright();
    if (width, height) != (WANTED_WIDTH, WANTED_HEIGHT) {
        tell(
            Severity::Warning,
            code::PHOTO_SIZE,
            format!(
                "The picture has {width} x {height} pixels; photos should have {WANTED_WIDTH} x {WANTED_HEIGHT}."
            ),
            "Scale and crop it to 100 pixels across and 128 down.",
        );
    }
    if height <= width {
        tell(
            Severity::Warning,
            code::PHOTO_ORIENTATION,
            "The picture is not higher than it is wide; photos should be portraits.".to_owned(),
            "Turn it, or crop it to the face.",
        );
    }
    match outline.density {
        Some(density) if density.is(PPI.into()) => {}
        Some(density) => {
            let (x, y) = (density.x, density.y);
            let said = if (x - y).abs() < 1.0 {
                format!("{x:.0}")
            } else {
                format!("{x:.0} x {y:.0}")
            };
            tell(
                Severity::Warning,
                code::PHOTO_DENSITY,
                format!("The picture says {said} ppi; photos should have {PPI}."),
                "Set its resolution to 72 ppi when you save it.",
            );
        }
        None => tell(
            Severity::Info,
            code::PHOTO_DENSITY,
            format!("The picture does not say how many ppi it has; photos should have {PPI}."),
            "Nothing has to be done; 72 ppi can be set when it is saved.",
        ),
    }
    if outline.is_animated {
        tell(
            Severity::Info,
            code::PHOTO_ANIMATED,
            "The picture moves; only its first picture is looked at.".to_owned(),
            "Send a picture that stands still.",
        );
    }
    let tail = outline
        .end
        .and_then(|end| bytes.get(end..))
        .unwrap_or_default();
    if tail.iter().any(|byte| *byte != 0) {
        tell(
            Severity::Info,
            code::PHOTO_TRAILING_BYTES,
            format!(
                "Behind the picture stand {} more bytes that are no part of it.",
                tail.len()
            ),
            "Open it, save it under a new name and send that, if nobody put them there on purpose.",
        );
    }
    advice
}

fn as_it_should_be_now(outline: &Outline<'_>) -> Finding {
    let (width, height) = outline.upright();
    Finding::file(
        code::PHOTO_CONFORMED,
        format!(
            "The {} of {width} x {height} pixels was brought to a JPEG of {WANTED_WIDTH} x {WANTED_HEIGHT} at {PPI} ppi.",
            outline.format.title()
        ),
        "Nothing has to be done; the original is kept.",
    )
    .with_severity(Severity::Info)
}

#[cfg(test)]
mod tests;
