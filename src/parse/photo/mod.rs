//! Pure. Photos: what picture a file holds and how large it is, from its first bytes. Never from its name, and nothing is decoded.

/// A format that photos may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
}

/// What is known of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    let format = match imagesize::image_type(head).ok()? {
        imagesize::ImageType::Bmp => PhotoFormat::Bmp,
        imagesize::ImageType::Jpeg => PhotoFormat::Jpeg,
        imagesize::ImageType::Png => PhotoFormat::Png,
        _ => return None,
    };
    let size = imagesize::blob_size(head).ok()?;
    let width = u32::try_from(size.width).ok()?;
    let height = u32::try_from(size.height).ok()?;
    (width > 0 && height > 0).then_some(Photo {
        format,
        width,
        height,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            assert_eq!(identify(head), None, "{head:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(which in 0..4_usize, tail: Vec<u8>) {
            let magic = [&b""[..], b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"][which];
            let _photo = identify(&[magic, &tail].concat());
        }
    }
}
