//! Compound files ([MS-CFB]): the container of old and of encrypted workbooks, with whatever is wrong in it.

pub(crate) const SECTOR: usize = 512;
pub(crate) const END_OF_CHAIN: u32 = 0xffff_fffe;
const FREE: u32 = 0xffff_ffff;
const FAT: u32 = 0xffff_fffd;

/// A compound file before it is written: sector 0 holds the FAT, sector 1 the directory, then come the streams.
#[derive(Debug)]
pub(crate) struct Compound {
    pub(crate) header: Vec<u8>,
    pub(crate) fat: Vec<u32>,
    pub(crate) directory: Vec<u8>,
    pub(crate) streams: Vec<u8>,
}

impl Compound {
    /// A sound one. At most 120 sectors, so that one sector of FAT is enough.
    pub(crate) fn of(streams: &[(&str, &[u8])]) -> Self {
        let mut fat = vec![FAT, END_OF_CHAIN];
        let mut directory = entry("Root Entry", 5, 1, END_OF_CHAIN, 0);
        let mut all = Vec::new();
        for (at, (name, bytes)) in (2..).zip(streams) {
            let mut bytes = bytes.to_vec();
            // Shorter ones would need the mini stream.
            bytes.resize(bytes.len().max(4096).next_multiple_of(SECTOR), 0);
            let start = u32::try_from(fat.len()).unwrap();
            let next = if at == streams.len() + 1 {
                FREE
            } else {
                u32::try_from(at).unwrap()
            };
            directory.extend(entry(name, 2, next, start, bytes.len()));
            let end = start + u32::try_from(bytes.len() / SECTOR).unwrap();
            fat.extend(start + 1..end);
            fat.push(END_OF_CHAIN);
            all.extend(bytes);
        }
        assert!(fat.len() <= 120 && directory.len() <= SECTOR);
        directory.resize(SECTOR, 0);

        let mut header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
        header.extend([0; 16]);
        for short in [0x3e_u16, 3, 0xfffe, 9, 6, 0, 0, 0] {
            header.extend(short.to_le_bytes());
        }
        // No directory count, one FAT sector, directory at 1, no transaction, mini cut-off, no mini FAT, no DIFAT, FAT at 0.
        for long in [0, 1, 1, 0, 4096, END_OF_CHAIN, 0, END_OF_CHAIN, 0, 0] {
            header.extend(long.to_le_bytes());
        }
        header.resize(SECTOR, 0xff);
        Self {
            header,
            fat,
            directory,
            streams: all,
        }
    }

    /// Writes a number of the header at this offset.
    pub(crate) fn header_at(mut self, offset: usize, number: u32) -> Self {
        self.header[offset..offset + 4].copy_from_slice(&number.to_le_bytes());
        self
    }

    pub(crate) fn fat_at(mut self, sector: usize, next: u32) -> Self {
        self.fat[sector] = next;
        self
    }

    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.fat.resize(SECTOR / 4, FREE);
        let fat: Vec<u8> = self.fat.into_iter().flat_map(u32::to_le_bytes).collect();
        [self.header, fat, self.directory, self.streams].concat()
    }
}

/// An entry of 128 bytes; `next` is its child for the root and its right sibling for a stream.
fn entry(name: &str, kind: u8, next: u32, start: u32, length: usize) -> Vec<u8> {
    let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let name_length = u16::try_from(entry.len() + 2).unwrap();
    entry.resize(64, 0);
    entry.extend(name_length.to_le_bytes());
    entry.extend([kind, 1]);
    let (right, child) = if kind == 5 {
        (FREE, next)
    } else {
        (next, FREE)
    };
    for id in [FREE, right, child] {
        entry.extend(id.to_le_bytes());
    }
    entry.extend([0; 36]);
    entry.extend(start.to_le_bytes());
    entry.extend((length as u64).to_le_bytes());
    entry
}

/// What Excel writes when a workbook is encrypted.
pub(crate) fn password_protected() -> Vec<u8> {
    let noise: Vec<u8> = (0..4096)
        .map(|at| u8::try_from(at * 37 % 251).unwrap())
        .collect();
    Compound::of(&[("EncryptionInfo", &noise), ("EncryptedPackage", &noise)]).bytes()
}
