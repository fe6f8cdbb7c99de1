//! Pure. The compound file around an old workbook ([MS-CFB]): where in the file the pieces of the workbook's stream lie.
//!
//! Nothing but its tables is held in memory, and none of them can be longer than the file.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom};

use crate::parse::finding::Finding;
use crate::parse::read::sniff::COMPOUND as MAGIC;
use crate::parse::read::table::Stop;
use crate::parse::read::workbook::fault::{damaged, strange};

const HEADER_BYTES: usize = 512;
const ENTRY_BYTES: usize = 128;
/// Sectors of the table of sectors that the header itself names.
const NAMED_BY_HEADER: usize = 109;
/// From here on a number of a sector means something else: free, or the end of a chain.
const LAST_SECTOR: u32 = 0xffff_fffa;
/// No such entry.
const NONE: u32 = 0xffff_ffff;
const SMALL_BYTES: u64 = 64;
const CHUNK_BYTES: u64 = 64 * 1024;
/// The directory, or the table of small sectors: with that many there is room for a hundred thousand of streams.
const DIRECTORY_BYTES: usize = 16 << 20;
/// How often the whole workbook may be read: each sheet is looked at for whether it holds something and whether it is in order, and read.
const READINGS: u64 = 4;
/// Room for what is read ahead in vain where a sheet is left early.
const SEEKS_BYTES: u64 = 16 << 20;

/// The stream of a workbook, to be read from any place on.
#[derive(Debug)]
pub(super) struct Stream<R> {
    input: R,
    runs: Vec<Run>,
    length: u64,
    /// Of what comes next.
    at: u64,
    /// What was read ahead, and how much of it was taken.
    buffer: Vec<u8>,
    taken: usize,
    /// Bytes that may still be read from the file.
    allowed: u64,
}

/// Bytes that lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// Where it begins in the stream, and where in the file.
    from: u64,
    offset: u64,
    length: u64,
}

/// An entry of the directory.
#[derive(Debug)]
struct Entry {
    /// In capital letters.
    name: String,
    is_stream: bool,
    left: u32,
    right: u32,
    child: u32,
    start: u32,
    length: u64,
}

/// Finds the workbook in its container, if it has one.
pub(super) fn workbook<R: Read + Seek>(mut input: R) -> Result<Stream<R>, Stop> {
    let begin = piece(&mut input, 0, MAGIC.len())?;
    let (runs, length) = if begin == MAGIC {
        let container = Container::open(&mut input)?;
        container.workbook(&mut input)?
    } else {
        // Small scripts write the records and no container, and Excel opens that.
        let length = input.seek(SeekFrom::End(0))?;
        (runs(std::iter::once(0), length), length)
    };
    Ok(Stream {
        input,
        runs,
        length,
        at: 0,
        buffer: Vec::new(),
        taken: 0,
        allowed: length.saturating_mul(READINGS).saturating_add(SEEKS_BYTES),
    })
}

struct Container {
    sector_bytes: u64,
    file_bytes: u64,
    /// What follows each sector in its chain.
    next: Vec<u32>,
    first_of_directory: u32,
    first_of_small: u32,
    /// What is shorter lies in small sectors.
    small_below: u64,
}

impl Container {
    fn open<R: Read + Seek>(input: &mut R) -> Result<Self, Stop> {
        let file_bytes = input.seek(SeekFrom::End(0))?;
        let header = piece(input, 0, HEADER_BYTES)?;
        let sector_bytes = match u16_at(&header, 30) {
            Some(shift @ 7..=16) => 1_u64 << shift,
            _ => return Err(damaged().into()),
        };
        let number = |at| u32_at(&header, at).ok_or_else(damaged);
        let mut container = Self {
            sector_bytes,
            file_bytes,
            next: Vec::new(),
            first_of_directory: number(48)?,
            first_of_small: number(60)?,
            small_below: number(56)?.into(),
        };
        let most = file_bytes / sector_bytes + 1;
        let mut named: Vec<u32> = numbers(header.get(76..).unwrap_or_default())
            .take(NAMED_BY_HEADER)
            .collect();
        // Of a large file, the rest of the list is a chain of its own: its last number names what follows.
        let mut more = number(68)?;
        let mut seen = 0;
        while more < LAST_SECTOR {
            seen += 1;
            if seen > most {
                return Err(damaged().into());
            }
            let sector = container.sector(input, more)?;
            let mut list: Vec<u32> = numbers(&sector).collect();
            more = list.pop().unwrap_or(NONE);
            named.append(&mut list);
        }
        let mut chosen = HashSet::new();
        for sector in named {
            // Free places stand between others where a program has deleted something.
            if sector >= LAST_SECTOR {
                continue;
            }
            if !chosen.insert(sector) {
                return Err(damaged().into());
            }
            let Ok(table) = container.sector(input, sector) else {
                break;
            };
            container.next.extend(numbers(&table));
            // There is a place for every sector of the file; more would only take memory.
            if u64::try_from(container.next.len()).is_ok_and(|places| places > most) {
                break;
            }
        }
        Ok(container)
    }

    fn offset(&self, sector: u32) -> u64 {
        (u64::from(sector) + 1).saturating_mul(self.sector_bytes)
    }

    fn sector<R: Read + Seek>(&self, input: &mut R, sector: u32) -> Result<Vec<u8>, Stop> {
        let bytes = usize::try_from(self.sector_bytes).map_err(|_| damaged())?;
        piece(input, self.offset(sector), bytes)
    }

    /// All bytes of a chain.
    fn bytes<R: Read + Seek>(&self, input: &mut R, first: u32) -> Result<Vec<u8>, Stop> {
        let mut bytes = Vec::new();
        for sector in chain(first, &self.next)? {
            if self.offset(sector) >= self.file_bytes {
                break;
            }
            if bytes.len() > DIRECTORY_BYTES {
                return Err(strange("its directory has more than 16 MB").into());
            }
            bytes.append(&mut self.sector(input, sector)?);
        }
        Ok(bytes)
    }

    /// Where the workbook's bytes lie, and how many they are.
    fn workbook<R: Read + Seek>(&self, input: &mut R) -> Result<(Vec<Run>, u64), Stop> {
        let directory = self.bytes(input, self.first_of_directory)?;
        let entries: Vec<Entry> = directory
            .chunks_exact(ENTRY_BYTES)
            .filter_map(Entry::parse)
            .collect();
        let root = entries.first().ok_or_else(damaged)?;
        let of_root = children(&entries, root.child);
        let named = |name: &str| {
            let is_it = |entry: &&Entry| entry.is_stream && entry.name == name;
            // Where the tree is broken, any entry of the name will do.
            let found = of_root.iter().copied().find(is_it);
            found.or_else(|| entries.iter().find(is_it))
        };
        // A file for both Excel 5 and 97 has both.
        let entry = named("WORKBOOK").or_else(|| named("BOOK"));
        let entry = entry.ok_or_else(damaged)?;
        let large = |first| -> Result<Vec<Run>, Finding> {
            let sectors = chain(first, &self.next)?;
            let offsets = sectors.into_iter().map(|sector| self.offset(sector));
            Ok(runs(offsets, self.sector_bytes))
        };
        let runs = if entry.length >= self.small_below {
            large(entry.start)?
        } else {
            let next: Vec<u32> = numbers(&self.bytes(input, self.first_of_small)?).collect();
            let within = large(root.start)?;
            let small = chain(entry.start, &next)?;
            let offsets = small
                .into_iter()
                .map_while(|sector| place(&within, u64::from(sector) * SMALL_BYTES));
            runs(offsets, SMALL_BYTES)
        };
        // Some programs claim more than there is. Where something is missing indeed, the records have no end.
        let there = runs.last().map_or(0, |run| run.from + run.length);
        Ok((runs, entry.length.min(there)))
    }
}

impl Entry {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let length = usize::from(u16_at(bytes, 64)?);
        let units = bytes.get(..length.saturating_sub(2).min(62))?;
        let units = units.as_chunks::<2>().0.iter().copied();
        let name: String = char::decode_utf16(units.map(u16::from_le_bytes))
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        Some(Self {
            // Crystal Reports writes WORKBOOK or BOOK; names are compared without regard to case.
            name: name.to_uppercase(),
            is_stream: bytes.get(66) == Some(&2),
            left: u32_at(bytes, 68)?,
            right: u32_at(bytes, 72)?,
            child: u32_at(bytes, 76)?,
            start: u32_at(bytes, 116)?,
            // The upper half is rubbish where sectors have 512 bytes; no workbook has 4 GB.
            length: u32_at(bytes, 120)?.into(),
        })
    }
}

/// The sectors of the chain that begins with this one.
fn chain(first: u32, next: &[u32]) -> Result<Vec<u32>, Finding> {
    let mut chain = Vec::new();
    let mut sector = first;
    while sector < LAST_SECTOR {
        if chain.len() > next.len() {
            return Err(damaged());
        }
        chain.push(sector);
        let at = usize::try_from(sector).map_err(|_| damaged())?;
        sector = next.get(at).copied().unwrap_or(NONE);
    }
    Ok(chain)
}

/// The entries of one folder, which are a tree: other workbooks may lie in folders of their own, embedded.
fn children(entries: &[Entry], top: u32) -> Vec<&Entry> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut open = vec![top];
    while let Some(at) = open.pop() {
        if at == NONE || !seen.insert(at) {
            continue;
        }
        let entry = usize::try_from(at).ok().and_then(|at| entries.get(at));
        if let Some(entry) = entry {
            found.push(entry);
            open.extend([entry.left, entry.right]);
        }
    }
    found
}

/// Puts together what lies together.
fn runs(offsets: impl Iterator<Item = u64>, bytes: u64) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for offset in offsets {
        let from = runs.last().map_or(0, |run| run.from + run.length);
        match runs.last_mut() {
            Some(run) if run.offset + run.length == offset => run.length += bytes,
            _ => runs.push(Run {
                from,
                offset,
                length: bytes,
            }),
        }
    }
    runs
}

/// The run in which a place of the stream lies.
fn run(runs: &[Run], at: u64) -> Option<&Run> {
    let behind = runs.partition_point(|run| run.from <= at);
    let run = runs.get(behind.checked_sub(1)?)?;
    (at < run.from + run.length).then_some(run)
}

/// Where in the file a place of the stream is.
fn place(runs: &[Run], at: u64) -> Option<u64> {
    run(runs, at).map(|run| run.offset + (at - run.from))
}

impl<R: Read + Seek> Stream<R> {
    /// Goes to this place.
    pub(super) fn seek(&mut self, at: u64) {
        self.at = at;
        self.buffer.clear();
        self.taken = 0;
    }

    /// Takes the next bytes into `into`, and tells how many there were before the end.
    pub(super) fn take(&mut self, bytes: usize, into: &mut Vec<u8>) -> Result<usize, Stop> {
        let mut missing = bytes;
        while missing > 0 {
            let ready = self.buffer.get(self.taken..).unwrap_or_default();
            let part = ready.get(..missing.min(ready.len())).unwrap_or_default();
            if part.is_empty() {
                if !self.refill()? {
                    break;
                }
                continue;
            }
            into.extend_from_slice(part);
            self.taken += part.len();
            missing -= part.len();
        }
        Ok(bytes - missing)
    }

    /// Reads on, and tells whether there was anything.
    fn refill(&mut self) -> Result<bool, Stop> {
        self.buffer.clear();
        self.taken = 0;
        let Some(run) = run(&self.runs, self.at) else {
            return Ok(false);
        };
        let left = (run.length - (self.at - run.from)).min(self.length.saturating_sub(self.at));
        let offset = run.offset + (self.at - run.from);
        self.input.seek(SeekFrom::Start(offset))?;
        let mut chunk = self.input.by_ref().take(left.min(CHUNK_BYTES));
        let read = chunk.read_to_end(&mut self.buffer)?;
        let read = u64::try_from(read).unwrap_or(0);
        self.at += read;
        self.allowed = self
            .allowed
            .checked_sub(read)
            .ok_or_else(|| strange("several of its sheets are the same bytes"))?;
        Ok(read > 0)
    }
}

/// Bytes of the file: fewer where it ends before.
fn piece<R: Read + Seek>(input: &mut R, offset: u64, bytes: usize) -> Result<Vec<u8>, Stop> {
    let mut piece = Vec::new();
    input.seek(SeekFrom::Start(offset))?;
    let most = u64::try_from(bytes).unwrap_or(u64::MAX);
    input.by_ref().take(most).read_to_end(&mut piece)?;
    if piece.is_empty() {
        return Err(damaged().into());
    }
    Ok(piece)
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let all = bytes.as_chunks::<4>().0.iter();
    all.map(|four| u32::from_le_bytes(*four))
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*two))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*four))
}
