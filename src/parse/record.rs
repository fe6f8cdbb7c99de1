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

/// A row that passed every check. It stands where the row does, because most rows are compared and forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Line or sheet row, the header being 1.
    pub row: u64,
    /// Whether the row says that the person is employed.
    pub standing: Standing,
    /// Every mapped field that the row says something about, an empty cell as an empty value. A field that is not here keeps what is stored: it is not
    /// in the file, or its cell is not to be taken.
    pub fields: Seen<'a>,
}

impl Record<'_> {
    /// The person's key in this data source: the canonical `employee_id`.
    pub fn key(&self) -> &str {
        self.fields.value(Field::EmployeeId).unwrap_or_default()
    }
}

/// The values of one row, in ascending order of their [`Field`], where they are read.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The fields that there are; all rows of a file share them.
    layout: &'a Arc<[Field]>,
    /// The row as it stands in the file.
    row: &'a str,
    /// Values that read otherwise than there.
    others: &'a str,
    /// Where each value stands in the two, as if the second were behind the first, or [`OPEN`]. Invariant: on character
    /// boundaries.
    places: &'a [(u32, u32)],
}

impl<'a> Seen<'a> {
    /// Each field that has a value, with it.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &'a str)> + use<'a> {
        let Self { row, others, .. } = *self;
        let text = move |(start, end): (u32, u32)| {
            let (start, end) = (from_place(start), from_place(end));
            match start.checked_sub(row.len()) {
                Some(start) if start > 0 || !others.is_empty() => {
                    others.get(start..end.saturating_sub(row.len()))
                }
                _ => row.get(start..end),
            }
        };
        let places = self.layout.iter().zip(self.places);
        places.filter_map(move |(field, place)| Some((*field, text(*place)?)))
    }

    /// The value of a field; none if the file does not have it.
    pub fn value(&self, wanted: Field) -> Option<&'a str> {
        self.iter()
            .find_map(|(field, value)| (field == wanted).then_some(value))
    }

    /// The same to be kept, in no more memory than it takes.
    pub fn kept(&self) -> Values {
        let length = self.iter().map(|(_, value)| value.len()).sum();
        let mut text = String::with_capacity(length);
        let mut places = vec![OPEN; self.places.len()];
        let mut slots = self.layout.iter().zip(&mut places);
        for (field, value) in self.iter() {
            let start = place(text.len());
            text.push_str(value);
            if let Some((_, slot)) = slots.find(|(other, _)| **other == field) {
                *slot = (start, place(text.len()));
            }
        }
        Values {
            layout: Arc::clone(self.layout),
            text,
            places,
        }
    }
}

impl PartialEq for Seen<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Seen<'_> {}

/// Values are people's data: only the names are printed.
impl std::fmt::Debug for Seen<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.iter().map(|(field, _)| field.name()))
            .finish()
    }
}

/// The values of a row that are kept: in two allocations instead of one a cell, because a first import keeps every row of the file at once.
#[derive(Clone)]
pub struct Values {
    layout: Arc<[Field]>,
    text: String,
    places: Vec<(u32, u32)>,
}

impl Values {
    /// To be read.
    pub fn seen(&self) -> Seen<'_> {
        Seen {
            layout: &self.layout,
            row: &self.text,
            others: "",
            places: &self.places,
        }
    }

    /// Each field that has a value, with it.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &str)> {
        self.seen().iter()
    }

    /// The value of a field; none if the file does not have it.
    pub fn value(&self, wanted: Field) -> Option<&str> {
        self.seen().value(wanted)
    }
}

impl PartialEq for Values {
    fn eq(&self, other: &Self) -> bool {
        self.seen() == other.seen()
    }
}

impl Eq for Values {}

/// Values are people's data: only the names are printed.
impl std::fmt::Debug for Values {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.seen().fmt(f)
    }
}

/// The values of a row that is being checked, in any order. One is used for all rows.
#[derive(Debug, Default)]
pub(in crate::parse) struct Making {
    places: Vec<(u32, u32)>,
    others: String,
    /// Where the others will stand: behind the text of the row.
    begin: usize,
}

/// Of a value that is not there, or not yet: no text has such a place.
const OPEN: (u32, u32) = (u32::MAX, 0);

impl Making {
    /// No value yet, of so many in a row with a text of `length`.
    pub(in crate::parse) fn begin(&mut self, slots: usize, length: usize) {
        self.places.clear();
        self.places.resize(slots, OPEN);
        self.others.clear();
        self.begin = length;
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

    /// The values. One that was not set is left out.
    pub(in crate::parse) fn seen<'a>(&'a self, layout: &'a Arc<[Field]>, row: &'a str) -> Seen<'a> {
        Seen {
            layout,
            row,
            others: &self.others,
            places: &self.places,
        }
    }
}

#[cfg(test)]
impl<'a, const N: usize> From<[(Field, &'a str); N]> for Values {
    fn from(fields: [(Field, &'a str); N]) -> Self {
        let layout: Arc<[Field]> = fields.iter().map(|(field, _)| *field).collect();
        let mut making = Making::default();
        making.begin(N, 0);
        for (slot, (_, value)) in fields.into_iter().enumerate() {
            making.put(slot, value);
        }
        making.seen(&layout, "").kept()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_was_left_out_is_in_no_list_and_not_in_what_is_kept_either() {
        let layout = [Field::EmployeeId, Field::City, Field::Country].into();
        for other in ["", "Ulm"] {
            let mut making = Making::default();
            making.begin(3, 5);
            making.take(0, 0..1);
            making.put(2, other);
            let seen = making.seen(&layout, "7;Ulm");
            let kept = seen.kept();
            for values in [kept.seen(), seen] {
                let told: Vec<_> = values.iter().collect();
                assert_eq!(told, [(Field::EmployeeId, "7"), (Field::Country, other)]);
                assert_eq!(values.value(Field::City), None);
                assert_eq!(values.value(Field::Country), Some(other));
            }
        }
    }
}
