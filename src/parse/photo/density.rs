//! Pure. How densely a picture is printed, and which way up it is held: from the few bytes in which each format says so.

use exif::{In, Tag, Value};

/// Pixels to the inch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Density {
    pub x: f64,
    pub y: f64,
}

/// 72 ppi is 2835 to the metre in PNG and BMP, which reads back as 72.009, and 28 to the centimetre in JPEG, which reads back as 71.12.
const TOLERANCE_PPI: f64 = 1.0;
const INCH_CM: f64 = 2.54;
const METRE_INCHES: f64 = 100.0 / INCH_CM;

impl Density {
    /// What the JFIF segment of a JPEG says. Unit 0 is the shape of a pixel only.
    pub(super) fn jfif(unit: u8, x: u16, y: u16) -> Option<Self> {
        let per_inch = match unit {
            1 => 1.0,
            2 => INCH_CM,
            _ => return None,
        };
        Self::known(f64::from(x) * per_inch, f64::from(y) * per_inch)
    }

    /// What PNG and BMP say.
    pub(super) fn per_metre(x: u32, y: u32) -> Option<Self> {
        Self::known(f64::from(x) / METRE_INCHES, f64::from(y) / METRE_INCHES)
    }

    /// Zero, or what is no number, is as good as nothing said.
    fn known(x: f64, y: f64) -> Option<Self> {
        let is_said = |ppi: f64| ppi.is_finite() && ppi > 0.0;
        (is_said(x) && is_said(y)).then_some(Self { x, y })
    }

    /// Whether it is `ppi` both ways, as exactly as the formats can say it.
    pub fn is(self, ppi: f64) -> bool {
        (self.x - ppi).abs() <= TOLERANCE_PPI && (self.y - ppi).abs() <= TOLERANCE_PPI
    }
}

/// How a stored picture is turned to be seen upright, as EXIF counts: mirrored first, then turned clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Orientation {
    pub(super) is_mirrored: bool,
    /// Quarter turns clockwise, 0 to 3.
    pub(super) turns: u8,
}

impl Orientation {
    /// Takes the number of EXIF; what is none of the eight is as stored.
    fn parse(number: u32) -> Self {
        let (is_mirrored, turns) = match number {
            2 => (true, 0),
            3 => (false, 2),
            4 => (true, 2),
            5 => (true, 3),
            6 => (false, 1),
            7 => (true, 1),
            8 => (false, 3),
            _ => (false, 0),
        };
        Self { is_mirrored, turns }
    }

    /// Whether width and height change places.
    pub(super) fn is_sideways(self) -> bool {
        self.turns % 2 == 1
    }
}

/// What EXIF tells of both.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Exif {
    pub(super) density: Option<Density>,
    pub(super) orientation: Orientation,
}

/// Reads EXIF without its introduction, from the byte order on. Cameras and phone programs leave broken fields behind; the others count all the same.
pub(super) fn exif(tiff: &[u8]) -> Exif {
    let read = exif::Reader::new()
        .continue_on_error(true)
        .read_raw(tiff.to_vec())
        .or_else(|error| error.distill_partial_result(|_| ()));
    let Ok(read) = read else {
        return Exif::default();
    };
    let number = |tag| read.get_field(tag, In::PRIMARY)?.value.get_uint(0);
    let fraction = |tag| match &read.get_field(tag, In::PRIMARY)?.value {
        Value::Rational(parts) => parts.first().map(exif::Rational::to_f64),
        _ => None,
    };
    let per_inch = match number(Tag::ResolutionUnit) {
        None | Some(2) => Some(1.0),
        Some(3) => Some(INCH_CM),
        Some(_) => None,
    };
    let density = fraction(Tag::XResolution).zip(per_inch);
    Exif {
        density: density.and_then(|(x, per_inch)| {
            let y = fraction(Tag::YResolution).unwrap_or(x);
            Density::known(x * per_inch, y * per_inch)
        }),
        orientation: number(Tag::Orientation).map_or_else(Orientation::default, Orientation::parse),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_says_72_ppi_in_its_own_way() {
        for (said, is_72) in [
            (Density::jfif(1, 72, 72), Some(true)),
            (Density::jfif(1, 73, 72), Some(true)),
            (Density::jfif(1, 72, 96), Some(false)),
            (Density::jfif(1, 300, 300), Some(false)),
            (Density::jfif(2, 28, 28), Some(true)),
            (Density::jfif(2, 29, 29), Some(false)),
            (Density::jfif(0, 72, 72), None),
            (Density::jfif(0, 1, 1), None),
            (Density::jfif(3, 72, 72), None),
            (Density::jfif(1, 0, 0), None),
            (Density::per_metre(2835, 2835), Some(true)),
            (Density::per_metre(2834, 2834), Some(true)),
            (Density::per_metre(3780, 3780), Some(false)),
            (Density::per_metre(0, 0), None),
            (Density::per_metre(u32::MAX, 1), Some(false)),
        ] {
            assert_eq!(said.map(|it| it.is(72.0)), is_72, "{said:?}");
        }
    }

    #[test]
    fn what_is_no_exif_says_nothing() {
        for tiff in [
            &b""[..],
            b"II",
            b"II*\0\xff\xff\xff\xff",
            b"MM\0*\0\0\0\x08\xff\xff",
        ] {
            assert_eq!(exif(tiff), Exif::default(), "{tiff:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_exif_makes_it_panic(order in 0..2_usize, tail: Vec<u8>) {
            let start: [&[u8]; 2] = [b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"];
            exif(&[start[order], &tail].concat());
        }
    }
}
