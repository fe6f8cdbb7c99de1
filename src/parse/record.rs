//! Pure. A record: one checked row, its cells named by canonical fields and brought to their canonical form.

use std::ops::Range;
use std::sync::Arc;

use crate::parse::field::Field;

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
    /// No value yet, of a row with this text.
    pub(in crate::parse) fn begin(layout: &Arc<[Field]>, row: &str) -> Self {
        let mut text = String::with_capacity(row.len() + ROOM);
        text.push_str(row);
        Self {
            layout: Arc::clone(layout),
            text,
            places: Vec::with_capacity(layout.len()),
        }
    }

    /// Adds the value of the next field, which stands at this place in the text of the row.
    #[inline]
    pub(in crate::parse) fn take(&mut self, place: Range<usize>) {
        self.places.push((short(place.start), short(place.end)));
    }

    /// Adds the value of the next field.
    pub(in crate::parse) fn push(&mut self, value: &str) {
        let start = self.text.len();
        self.text.push_str(value);
        self.take(start..self.text.len());
    }

    /// Each field that has a value, with it.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &str)> {
        self.layout
            .iter()
            .zip(&self.places)
            .map(move |(field, (start, end))| {
                let long = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
                let value = self.text.get(long(*start)..long(*end));
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
        let mut packed = Self {
            layout: Arc::clone(&self.layout),
            text: String::with_capacity(self.iter().map(|(_, value)| value.len()).sum()),
            places: Vec::with_capacity(self.places.len()),
        };
        for (_, value) in self.iter() {
            packed.push(value);
        }
        packed
    }
}

/// For values that read otherwise than in the file.
const ROOM: usize = 64;

/// A row beyond 4 GiB, which no limit allows, would lose its tail.
fn short(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
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
        let layout = fields.iter().map(|(field, _)| *field).collect();
        let mut values = Self::begin(&layout, "");
        for (_, value) in fields {
            values.push(value);
        }
        values
    }
}
