//! Pure. A record: one checked row, its cells named by canonical fields and brought to their canonical form.

use std::ops::Range;
use std::sync::Arc;

use crate::parse::field::Field;
use crate::parse::row::{from_place, place};

/// What a row says about its person's employment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Employed, on leave too; also where the file has no status column.
    Active,
    /// Inactive, terminated or deleted: a leaver.
    Inactive,
}

/// Whose row a refused one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOf {
    /// The person with this key.
    Sure(String),
    /// Perhaps this person: the row is broken, and the key may be broken with it.
    Doubtful(String),
    Unreadable,
}

/// A row that passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Line or sheet row, the header being 1.
    pub row: u64,
    /// Whether the row says that the person is employed.
    pub standing: Standing,
    /// Every mapped field, an empty cell as an empty value. A field that is not here is not in the file.
    pub fields: Values,
}

impl Record {
    /// The person's key in this data source: the canonical `employee_id`.
    pub fn key(&self) -> &str {
        self.fields.value(Field::EmployeeId).unwrap_or_default()
    }
}

/// The values of one row, in ascending order of their [`Field`]: in two allocations instead of one a cell, because a first import keeps every row of
/// the file at once.
#[derive(Clone)]
pub struct Values {
    /// The fields that there are or will be; all rows of a file share them.
    layout: Arc<[Field]>,
    /// The row as it stands in the file, and behind it what reads otherwise than there.
    text: String,
    /// Where each value stands in `text`. Invariant: on character boundaries.
    places: Vec<(u32, u32)>,
}

impl Values {
    /// Each field that has a value, with it.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &str)> {
        self.layout
            .iter()
            .zip(&self.places)
            .map(move |(field, (start, end))| {
                let value = self.text.get(from_place(*start)..from_place(*end));
                (*field, value.unwrap_or_default())
            })
    }

    /// The value of a field; none if the file does not have it.
    pub fn value(&self, wanted: Field) -> Option<&str> {
        self.iter()
            .find_map(|(field, value)| (field == wanted).then_some(value))
    }

    /// The same in no more memory than it takes, to be kept.
    #[must_use]
    pub fn packed(&self) -> Self {
        let length = self.iter().map(|(_, value)| value.len()).sum();
        let mut packed = Making::begin(self.places.len(), 0);
        packed.others.reserve_exact(length);
        for (slot, (_, value)) in self.iter().enumerate() {
            packed.put(slot, value);
        }
        packed.done(&self.layout, String::new())
    }
}

/// The values of a row that is being checked, in any order.
pub(in crate::parse) struct Making {
    places: Vec<(u32, u32)>,
    /// Values that read otherwise than in the file.
    others: String,
    /// Where those will stand: behind the text of the row.
    begin: usize,
}

/// Of a value that is not there yet.
const OPEN: (u32, u32) = (u32::MAX, 0);

impl Making {
    /// No value yet, of so many in a row with a text of `length`.
    pub(in crate::parse) fn begin(slots: usize, length: usize) -> Self {
        Self {
            places: vec![OPEN; slots],
            others: String::new(),
            begin: length,
        }
    }

    /// Sets the value that stands at this place in the text of the row.
    #[inline]
    pub(in crate::parse) fn take(&mut self, slot: usize, range: Range<usize>) {
        if let Some(value) = self.places.get_mut(slot) {
            *value = (place(range.start), place(range.end));
        }
    }

    /// Sets a value.
    pub(in crate::parse) fn put(&mut self, slot: usize, value: &str) {
        let start = self.begin + self.others.len();
        self.others.push_str(value);
        self.take(slot, start..start + value.len());
    }

    /// Whether a value is still to be set.
    pub(in crate::parse) fn is_open(&self, slot: usize) -> bool {
        self.places.get(slot) == Some(&OPEN)
    }

    /// The values, in the text of their row. One that was not set is empty.
    pub(in crate::parse) fn done(self, layout: &Arc<[Field]>, mut row: String) -> Values {
        if row.is_empty() {
            row = self.others;
        } else {
            row.push_str(&self.others);
        }
        Values {
            layout: Arc::clone(layout),
            text: row,
            places: self.places,
        }
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Values {}

/// Values are people's data: only the names are printed.
impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.iter().map(|(field, _)| field.name()))
            .finish()
    }
}

#[cfg(test)]
impl<'a, const N: usize> From<[(Field, &'a str); N]> for Values {
    fn from(fields: [(Field, &'a str); N]) -> Self {
        let layout: Arc<[Field]> = fields.iter().map(|(field, _)| *field).collect();
        let mut making = Making::begin(N, 0);
        for (slot, (_, value)) in fields.into_iter().enumerate() {
            making.put(slot, value);
        }
        making.done(&layout, String::new())
    }
}
