//! Pure. A row letter by letter, in brief. Most rows of a night read exactly as they did the night before, and whoever remembers what such a row
//! came to need not check it again.

use crate::parse::check::columns::{Column, Mapping};
use crate::parse::field::Field;
use crate::parse::row::RawRow;

/// What stands in the mapped cells of a row, before any of it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verbatim<'a> {
    /// The key as it stands there.
    pub key: &'a str,
    /// Two rows with one hash have the same cells, and the rules make the same of them.
    pub hash: [u8; 16],
}

/// Takes rows to the letter.
#[derive(Debug)]
pub(super) struct Letters {
    /// Everything but the row's cells that decides what becomes of it.
    rules: [u8; 32],
    /// The same before anything was learnt from the rows.
    first_rules: [u8; 32],
    columns: Vec<usize>,
    key: usize,
    width: usize,
    /// A row as it is hashed; one buffer for all.
    buffer: Vec<u8>,
}

impl Letters {
    /// `columns` are in the order of their fields, which makes the order of columns in the file meaningless. `class` is a column of no field that
    /// decides about some of them.
    pub(super) fn new(
        mapping: &Mapping,
        columns: &[Column],
        class: Option<usize>,
        width: usize,
    ) -> Self {
        let mut rules = blake3::Hasher::new();
        rules.update(mapping.digest().as_bytes());
        for column in columns {
            rules.update(column.field.name().as_bytes());
            rules.update(b"\n");
        }
        let key = columns
            .iter()
            .find(|column| column.field == Field::EmployeeId);
        let rules = *rules.finalize().as_bytes();
        Self {
            rules,
            first_rules: rules,
            columns: columns.iter().map(|it| it.at).chain(class).collect(),
            // The key is among the columns; if it were not, no row would have such a cell.
            key: key.map_or(usize::MAX, |column| column.at),
            width,
            buffer: Vec::new(),
        }
    }

    /// From now on the same letters may mean something else.
    pub(super) fn learn(&mut self, habits: &str) {
        self.rules = *blake3::keyed_hash(&self.first_rules, habits.as_bytes()).as_bytes();
    }

    /// The row to the letter; none of a row whose fate hangs on more than its cells.
    pub(super) fn take<'a>(&mut self, row: &'a RawRow) -> Option<Verbatim<'a>> {
        let key = row.cell(self.key)?;
        if row.len() != self.width {
            return None;
        }
        self.buffer.clear();
        for at in &self.columns {
            let cell = row.cell(*at)?;
            self.buffer.push(cell.kind.tag());
            self.buffer
                .extend_from_slice(&cell.text.len().to_le_bytes());
            self.buffer.extend_from_slice(cell.text.as_bytes());
        }
        let hash = blake3::keyed_hash(&self.rules, &self.buffer);
        let (short, _) = hash.as_bytes().split_first_chunk()?;
        Some(Verbatim {
            key: key.text,
            hash: *short,
        })
    }
}
