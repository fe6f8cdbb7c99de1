//! Photos as HR systems send them (R0.07, R0.09, R0.10).

/// A whole bitmap of 100x128 pixels at 72 ppi, its colour made of `seed`.
pub(crate) fn bmp(seed: u8) -> Vec<u8> {
    const WIDTH: u32 = 100;
    const HEIGHT: u32 = 128;
    const PIXELS_LENGTH: u32 = WIDTH * HEIGHT * 3;
    let mut bmp = Vec::new();
    bmp.extend(b"BM");
    bmp.extend((54 + PIXELS_LENGTH).to_le_bytes());
    bmp.extend([0; 4]);
    bmp.extend(54_u32.to_le_bytes());
    bmp.extend(40_u32.to_le_bytes());
    bmp.extend(WIDTH.to_le_bytes());
    bmp.extend(HEIGHT.to_le_bytes());
    bmp.extend(1_u16.to_le_bytes());
    bmp.extend(24_u16.to_le_bytes());
    bmp.extend(0_u32.to_le_bytes());
    bmp.extend(PIXELS_LENGTH.to_le_bytes());
    bmp.extend(2835_u32.to_le_bytes());
    bmp.extend(2835_u32.to_le_bytes());
    bmp.extend([0; 8]);
    bmp.extend((0..PIXELS_LENGTH).map(|_| seed));
    bmp
}

/// A photo of exactly this many bytes: what follows the picture does not hurt a bitmap.
pub(crate) fn bmp_of(length: usize) -> Vec<u8> {
    let mut bmp = bmp(7);
    assert!(bmp.len() <= length);
    bmp.resize(length, 0);
    bmp
}
