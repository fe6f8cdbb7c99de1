//! Pure. A record: one checked row, its cells named by canonical fields and brought to their canonical form.

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
#[derive(Clone, PartialEq, Eq)]
pub struct Values {
    /// The fields that there are or will be; all rows of a file share them.
    layout: Arc<[Field]>,
    text: String,
    /// Where each value ends in `text`. Invariant: they ascend and lie on character boundaries.
    ends: Vec<u32>,
}

impl Values {
    /// No value yet. `bytes` is how long all of them will be together, more or less.
    pub(in crate::parse) fn begin(layout: &Arc<[Field]>, bytes: usize) -> Self {
        Self {
            layout: Arc::clone(layout),
            text: String::with_capacity(bytes),
            ends: Vec::with_capacity(layout.len()),
        }
    }

    /// Adds the value of the next field. A row beyond 4 GiB, which no limit allows, would lose its tail.
    pub(in crate::parse) fn push(&mut self, value: &str) {
        self.text.push_str(value);
        self.ends
            .push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }

    /// Each field that has a value, with it.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &str)> {
        let mut start = 0;
        self.layout.iter().zip(&self.ends).map(move |(field, end)| {
            let end = usize::try_from(*end).unwrap_or(usize::MAX);
            let value = self.text.get(start..end).unwrap_or_default();
            start = end;
            (*field, value)
        })
    }

    /// The value of a field; none if the file does not have it.
    pub fn value(&self, wanted: Field) -> Option<&str> {
        self.iter()
            .find_map(|(field, value)| (field == wanted).then_some(value))
    }
}

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
        let mut values = Self::begin(&layout, 0);
        for (_, value) in fields {
            values.push(value);
        }
        values
    }
}
