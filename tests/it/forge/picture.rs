//! Pictures that claim absurd sizes, or break off.

/// Name and bytes of each.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("huge.png", png(u32::MAX, u32::MAX)),
        ("wide.png", png(20_000, 20_000)),
        ("nothing.png", png(0, 0)),
        ("huge.bmp", bmp(i32::MAX, i32::MAX)),
        ("negative.bmp", bmp(-1, i32::MIN)),
        ("huge.jpg", jpeg(0xffff, 0xffff)),
        ("cut.jpg", jpeg(100, 128)[..20].to_vec()),
        ("segments.jpg", endless_jpeg()),
        ("empty.png", Vec::new()),
        ("text.png", b"Employee ID\n".to_vec()),
    ]
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend(b"\x08\x02\0\0\0\0\0\0\0");
    bytes
}

fn bmp(width: i32, height: i32) -> Vec<u8> {
    let mut bytes = b"BM\xff\xff\xff\xff\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes.resize(64, 0xff);
    bytes
}

fn jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut bytes =
        b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc0\0\x11\x08".to_vec();
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend(b"\x03\x01\x22\0\x02\x11\x01\x03\x11\x01");
    bytes
}

/// Its size never comes: only segments of nothing.
fn endless_jpeg() -> Vec<u8> {
    let mut bytes = b"\xff\xd8".to_vec();
    bytes.extend(b"\xff\xe0\0\x02".repeat(500_000));
    bytes
}
