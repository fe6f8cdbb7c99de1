//! Old workbooks from their records, for tests: no program that writes them is at hand.

/// What stands before the sheet.
pub(super) struct Book {
    pub(super) texts: Vec<String>,
    /// Of each cell format, its number format.
    pub(super) formats: Vec<u16>,
    pub(super) custom: Vec<(u16, &'static str)>,
    pub(super) from_1904: bool,
    /// Records that nobody should write.
    pub(super) strange: Vec<u8>,
}

pub(super) fn record(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    [&kind.to_le_bytes(), &length.to_le_bytes(), body].concat()
}

fn placed(kind: u16, row: u16, column: u16, format: u16, body: &[u8]) -> Vec<u8> {
    let place: Vec<u8> = [row, column, format]
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    record(kind, &[&place, body].concat())
}

pub(super) fn number(row: u16, column: u16, format: u16, number: f64) -> Vec<u8> {
    placed(0x0203, row, column, format, &number.to_le_bytes())
}

pub(super) fn short_number(row: u16, column: u16, format: u16, bits: u32) -> Vec<u8> {
    placed(0x027e, row, column, format, &bits.to_le_bytes())
}

pub(super) fn short_numbers(row: u16, first: u16, cells: &[(u16, u32)]) -> Vec<u8> {
    let mut body = [row.to_le_bytes(), first.to_le_bytes()].concat();
    for (format, bits) in cells {
        body.extend_from_slice(&format.to_le_bytes());
        body.extend_from_slice(&bits.to_le_bytes());
    }
    body.extend_from_slice(&first.to_le_bytes());
    record(0x00bd, &body)
}

pub(super) fn shared_text(row: u16, column: u16, text: u32) -> Vec<u8> {
    placed(0x00fd, row, column, 0, &text.to_le_bytes())
}

pub(super) fn text(row: u16, column: u16, text: &str) -> Vec<u8> {
    placed(0x0204, row, column, 0, &wide(text))
}

pub(super) fn rich_text(row: u16, column: u16, text: &str) -> Vec<u8> {
    let runs = [&wide(text)[..], &[1, 0, 0, 0, 1, 0]].concat();
    placed(0x00d6, row, column, 0, &runs)
}

pub(super) fn flag(row: u16, column: u16, flag: bool) -> Vec<u8> {
    placed(0x0205, row, column, 0, &[flag.into(), 0])
}

pub(super) fn error(row: u16, column: u16) -> Vec<u8> {
    placed(0x0205, row, column, 0, &[0x2a, 1])
}

pub(super) fn formula(row: u16, column: u16, value: [u8; 8]) -> Vec<u8> {
    let code = [0_u8; 8];
    placed(0x0006, row, column, 0, &[&value[..], &code].concat())
}

pub(super) fn result(text: &str) -> Vec<u8> {
    record(0x0207, &wide(text))
}

/// A text with its length, in UTF-16.
fn wide(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut bytes = u16::try_from(units.len()).unwrap().to_le_bytes().to_vec();
    bytes.push(1);
    bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    bytes
}

impl Book {
    pub(super) fn new(texts: &[&str]) -> Self {
        Self {
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            formats: vec![0],
            custom: Vec::new(),
            from_1904: false,
            strange: Vec::new(),
        }
    }

    /// A workbook in its container, with one sheet of these records.
    pub(super) fn file(&self, cells: &[Vec<u8>]) -> Vec<u8> {
        compound(&[("Workbook", &self.stream(cells))], 4096)
    }

    pub(super) fn stream(&self, cells: &[Vec<u8>]) -> Vec<u8> {
        let begin = |kind| record(0x0809, &[0, 6, kind, 0, 0, 0, 0, 0]);
        let mut globals = begin(5);
        globals.extend(record(0x0022, &[self.from_1904.into(), 0]));
        globals.extend(&self.strange);
        for (number, code) in &self.custom {
            let body = [&number.to_le_bytes()[..], &wide(code)].concat();
            globals.extend(record(0x041e, &body));
        }
        for format in &self.formats {
            let body = [&[0, 0], &format.to_le_bytes()[..], &[0; 16]].concat();
            globals.extend(record(0x00e0, &body));
        }
        let name = b"Staff";
        let sheet_record = 4 + 6 + 2 + name.len();
        let texts = self.texts_record();
        let at = globals.len() + sheet_record + texts.len() + 4;
        let at = u32::try_from(at).unwrap().to_le_bytes();
        let body = [&at[..], &[0, 0, 5, 0], name].concat();
        globals.extend(record(0x0085, &body));
        globals.extend(texts);
        globals.extend(record(0x000a, &[]));
        [globals, begin(0x10), cells.concat(), record(0x000a, &[])].concat()
    }

    /// Shared texts in records of 8000 bytes, so that they break in the midst of texts; the letters behind a break are wide.
    fn texts_record(&self) -> Vec<u8> {
        let mut pieces = vec![vec![0; 8]];
        for text in &self.texts {
            let units: Vec<u16> = text.encode_utf16().collect();
            let narrow = units.iter().all(|unit| *unit < 0x100);
            let length = u16::try_from(units.len()).unwrap().to_le_bytes();
            if pieces.last().unwrap().len() + 3 > 8000 {
                pieces.push(Vec::new());
            }
            let piece = pieces.last_mut().unwrap();
            piece.extend_from_slice(&length);
            piece.push((!narrow).into());
            let mut narrow = narrow;
            for unit in units {
                if pieces.last().unwrap().len() + 2 > 8000 {
                    pieces.push(vec![1]);
                    narrow = false;
                }
                let bytes = unit.to_le_bytes();
                let bytes = if narrow { &bytes[..1] } else { &bytes[..] };
                pieces.last_mut().unwrap().extend_from_slice(bytes);
            }
        }
        let mut bytes = record(0x00fc, &pieces[0]);
        for piece in &pieces[1..] {
            bytes.extend(record(0x003c, piece));
        }
        bytes
    }
}

/// A workbook of Excel 5 with one text in its first cell.
pub(super) fn old_book(page: u16, text: &[u8]) -> Vec<u8> {
    let begin = |kind| record(0x0809, &[0, 5, kind, 0, 0, 0, 0, 0]);
    let mut globals = begin(5);
    globals.extend(record(0x0042, &page.to_le_bytes()));
    let at = u32::try_from(globals.len() + 4 + 8 + 4)
        .unwrap()
        .to_le_bytes();
    globals.extend(record(0x0085, &[&at[..], &[0, 0, 1, b'S']].concat()));
    globals.extend(record(0x000a, &[]));
    let length = u16::try_from(text.len()).unwrap().to_le_bytes();
    let cell = placed(0x0204, 0, 0, 0, &[&length[..], text].concat());
    [globals, begin(0x10), cell, record(0x000a, &[])].concat()
}

/// A compound file of these streams; those shorter than `small_below` get filled up to it. With 0, they all lie in small sectors.
pub(super) fn compound(streams: &[(&str, &[u8])], small_below: usize) -> Vec<u8> {
    const END: u32 = 0xffff_fffe;
    let are_small = small_below == 0;
    let mut contents: Vec<Vec<u8>> = Vec::new();
    let mut small = Vec::new();
    let mut small_next: Vec<u32> = Vec::new();
    let mut entries = Vec::new();
    for (name, bytes) in streams {
        let mut bytes = bytes.to_vec();
        bytes.resize(bytes.len().max(small_below), 0);
        let length = u32::try_from(bytes.len()).unwrap();
        if are_small {
            let start = u32::try_from(small_next.len()).unwrap();
            bytes.resize(bytes.len().next_multiple_of(64), 0);
            chain(&mut small_next, bytes.len() / 64);
            small.extend(bytes);
            entries.push((*name, 2, start, length));
        } else {
            entries.push((*name, 2, 0, length));
            contents.push(bytes);
        }
    }
    // Sector 0 and on: the table; then the directory; then the list of small sectors; then the contents.
    let list: Vec<u8> = small_next
        .iter()
        .flat_map(|next| next.to_le_bytes())
        .collect();
    if are_small {
        contents.push(list);
        contents.push(small);
    }
    let sectors = |bytes: usize| bytes.div_ceil(512);
    let directory = sectors((entries.len() + 1) * 128);
    let of_contents: usize = contents.iter().map(|bytes| sectors(bytes.len())).sum();
    let mut tables = 1;
    while tables * 128 < tables + lists(tables) + directory + of_contents {
        tables += 1;
    }
    let mut next = Vec::new();
    let mut starts = Vec::new();
    next.resize(tables + lists(tables), 0xffff_fffd);
    let directory_at = u32::try_from(next.len()).unwrap();
    chain(&mut next, directory);
    for bytes in &contents {
        starts.push(u32::try_from(next.len()).unwrap());
        chain(&mut next, sectors(bytes.len()));
    }
    next.resize(tables * 128, 0xffff_ffff);
    let (root, list_at) = if are_small {
        (("Root Entry", 5, starts[1], u32::MAX), starts[0])
    } else {
        for (entry, start) in entries.iter_mut().zip(&starts) {
            entry.2 = *start;
        }
        (("Root Entry", 5, END, 0), END)
    };
    let mut file = header(
        tables,
        directory_at,
        list_at,
        if are_small { 4096 } else { small_below },
    );
    file.extend(next.iter().flat_map(|next| next.to_le_bytes()));
    let mut rest: Vec<u32> = (109..tables).map(|at| u32::try_from(at).unwrap()).collect();
    for at in 0..lists(tables) {
        let mut part: Vec<u32> = rest.drain(..rest.len().min(127)).collect();
        part.resize(127, 0xffff_ffff);
        let is_last = at + 1 == lists(tables);
        part.push(if is_last {
            END
        } else {
            u32::try_from(tables + at + 1).unwrap()
        });
        file.extend(part.iter().flat_map(|next| next.to_le_bytes()));
    }
    let mut tree = entry(root, 1, u32::MAX);
    for (at, one) in (2..).zip(&entries) {
        let right = if at > entries.len() {
            u32::MAX
        } else {
            u32::try_from(at).unwrap()
        };
        tree.extend(entry(*one, u32::MAX, right));
    }
    tree.resize(directory * 512, 0);
    file.extend(tree);
    for bytes in contents {
        file.extend_from_slice(&bytes);
        file.resize(file.len().next_multiple_of(512), 0);
    }
    file
}

/// Sectors that list those tables for which the header has no room.
fn lists(tables: usize) -> usize {
    tables.saturating_sub(109).div_ceil(127)
}

fn chain(next: &mut Vec<u32>, sectors: usize) {
    for at in 1..=sectors {
        let following = u32::try_from(next.len() + 1).unwrap();
        next.push(if at == sectors {
            0xffff_fffe
        } else {
            following
        });
    }
}

fn header(tables: usize, directory: u32, list: u32, small_below: usize) -> Vec<u8> {
    let mut header = vec![0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
    header.resize(512, 0);
    let mut put = |at: usize, number: u32| {
        header[at..at + 4].copy_from_slice(&number.to_le_bytes());
    };
    put(30, 9);
    put(32, 6);
    put(44, u32::try_from(tables).unwrap());
    put(48, directory);
    put(56, u32::try_from(small_below).unwrap());
    put(60, list);
    put(
        68,
        if tables > 109 {
            u32::try_from(tables).unwrap()
        } else {
            0xffff_fffe
        },
    );
    for at in 0..109 {
        let sector = if at < tables {
            u32::try_from(at).unwrap()
        } else {
            u32::MAX
        };
        put(76 + at * 4, sector);
    }
    header
}

/// An entry of the directory: name, kind, start and length; and where the tree goes on.
fn entry((name, kind, start, length): (&str, u8, u32, u32), child: u32, right: u32) -> Vec<u8> {
    let mut entry: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let name_bytes = u16::try_from(entry.len() + 2).unwrap().to_le_bytes();
    entry.resize(64, 0);
    entry.extend_from_slice(&name_bytes);
    entry.extend_from_slice(&[kind, 1]);
    for number in [u32::MAX, right, child] {
        entry.extend_from_slice(&number.to_le_bytes());
    }
    entry.resize(116, 0);
    entry.extend_from_slice(&start.to_le_bytes());
    entry.extend_from_slice(&length.to_le_bytes());
    entry.resize(128, 0);
    entry
}
