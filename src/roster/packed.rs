//! Pure. A row's fields in two allocations instead of one a cell: a first import keeps every row of the file at once.

use std::sync::Arc;

use crate::parse::field::Field;

/// Which fields a file has; all of its rows share one.
pub type Layout = Arc<[Field]>;

/// The fields of one row, in ascending order, empty ones included.
#[derive(Clone, PartialEq, Eq)]
pub struct Packed {
    layout: Layout,
    text: Box<str>,
    /// Where each value ends in `text`.
    ends: Box<[u32]>,
}

impl Packed {
    /// Packs `fields`, sharing `layout` where it fits and replacing it where it does not.
    ///
    /// A row beyond 4 GiB, which no limit allows, would lose its tail.
    pub fn new(fields: &[(Field, String)], layout: &mut Option<Layout>) -> Self {
        let names = || fields.iter().map(|(field, _)| *field);
        let shared = match layout {
            Some(shared) if shared.iter().copied().eq(names()) => Arc::clone(shared),
            _ => Arc::clone(layout.insert(names().collect())),
        };
        let mut text = String::with_capacity(fields.iter().map(|(_, value)| value.len()).sum());
        let ends = fields
            .iter()
            .map(|(_, value)| {
                text.push_str(value);
                u32::try_from(text.len()).unwrap_or(u32::MAX)
            })
            .collect();
        Self {
            layout: shared,
            text: text.into_boxed_str(),
            ends,
        }
    }

    /// The fields as they were.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &str)> {
        let mut start = 0;
        self.layout.iter().zip(&self.ends).map(move |(field, end)| {
            let end = usize::try_from(*end).unwrap_or(usize::MAX);
            let value = self.text.get(start..end).unwrap_or_default();
            start = end;
            (*field, value)
        })
    }
}

/// Values are people's data: only the names are printed.
impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.layout.iter().map(|field| field.name()))
            .finish()
    }
}
