//! Pure. The ZIP archive around a workbook: its parts by name, each unpacked no further than a well-meant one would go.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::collections::HashMap;
use std::io::{self, Read, Seek};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use crate::parse::finding::Finding;
use crate::parse::read::table::Stop;
use crate::parse::read::workbook::caps::{HARMLESS_BYTES, PARTS, RATIO, UNPACKED_BYTES};
use crate::parse::read::workbook::fault::{damaged, protected, strange};

const CHUNK_BYTES: u64 = 64 * 1024;

/// An open archive.
pub(super) struct Archive<R> {
    zip: ZipArchive<R>,
    /// By [`normal`] name.
    parts: HashMap<String, usize>,
    /// Bytes that were unpacked from it so far.
    unpacked: u64,
}

/// A part, to be read from its beginning to its end: only there its checksum is compared.
pub(super) struct Part<'a, R: Read> {
    file: ZipFile<'a, R>,
    unpacked: u64,
    most: u64,
    all: &'a mut u64,
}

/// A part unpacks to more than it may.
#[derive(Debug, thiserror::Error)]
#[error("a part of the workbook unpacks to too much")]
struct Bomb;

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory, and looks into what claims to be a bomb, also where it would never be read: it was not packed by mistake.
    pub(super) fn open(input: R) -> Result<Self, Stop> {
        let mut zip = ZipArchive::new(input).map_err(|error| zip_fault(&error))?;
        if zip.len() > PARTS {
            return Err(strange(&format!("it has {} parts", zip.len())).into());
        }
        if zip.has_overlapping_files().map_err(|_| damaged())? {
            return Err(strange("several of its parts are the same bytes").into());
        }
        let mut parts = HashMap::with_capacity(zip.len());
        let mut suspects = Vec::new();
        for at in 0..zip.len() {
            let part = zip.by_index_data(at).map_err(|_| damaged())?;
            if part.size() > most(part.compressed_size()) {
                suspects.push(at);
            }
            let name = part.name().map_err(|_| damaged())?;
            // Whoever checked the workbook before may have seen the other one.
            if parts.insert(normal(&name), at).is_some() {
                return Err(strange("two of its parts have the same name").into());
            }
        }
        let mut archive = Self {
            zip,
            parts,
            unpacked: 0,
        };
        for at in suspects {
            let mut part = archive.at(at)?;
            let mut chunk = Vec::new();
            loop {
                chunk.clear();
                match part.by_ref().take(CHUNK_BYTES).read_to_end(&mut chunk) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => return Err(read_fault(error)),
                }
            }
        }
        Ok(archive)
    }

    /// The part of this name, in whatever letters, with a slash before it or not.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<Part<'_, R>>, Stop> {
        match self.parts.get(&normal(name)) {
            Some(at) => self.at(*at).map(Some),
            None => Ok(None),
        }
    }

    fn at(&mut self, at: usize) -> Result<Part<'_, R>, Stop> {
        let file = self.zip.by_index(at).map_err(|error| zip_fault(&error))?;
        Ok(Part {
            most: most(file.compressed_size()),
            file,
            unpacked: 0,
            all: &mut self.unpacked,
        })
    }
}

impl<R: Read> Read for Part<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        self.unpacked = self.unpacked.saturating_add(bytes);
        *self.all = self.all.saturating_add(bytes);
        if self.unpacked > self.most || *self.all > UNPACKED_BYTES {
            return Err(io::Error::other(Bomb));
        }
        Ok(read)
    }
}

fn most(packed: u64) -> u64 {
    packed.saturating_mul(RATIO).max(HARMLESS_BYTES)
}

/// One name for what archivers write in several ways.
fn normal(name: &str) -> String {
    name.replace('\\', "/")
        .trim_start_matches('/')
        .to_lowercase()
}

fn zip_fault(error: &ZipError) -> Finding {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            protected()
        }
        ZipError::CompressionMethodNotSupported(_) => {
            strange("its parts are compressed in a way that none uses")
        }
        _ => damaged(),
    }
}

/// What it means that a part cannot be read.
pub(super) fn read_fault(error: io::Error) -> Stop {
    if error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Bomb>())
        .is_some()
    {
        return strange(&format!("it unpacks to more than {RATIO} times its size")).into();
    }
    match error.kind() {
        io::ErrorKind::OutOfMemory => error.into(),
        _ => damaged().into(),
    }
}
