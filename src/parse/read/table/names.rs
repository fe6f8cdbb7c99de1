//! Pure. Which names of columns are known, and so which row of a table is its header.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::collections::HashSet;

use crate::parse::agreement::Agreement;
use crate::parse::field::{Field, normalised};

/// Non-blank rows among which the header is looked for.
pub(in crate::parse::read) const HEADER_WITHIN: usize = 20;
/// Bytes of a cell that may be a name.
const NAME_BYTES: usize = 200;

/// Names of columns, in the form that [`normalised`] gives.
#[derive(Debug)]
pub(in crate::parse::read) struct Names {
    known: HashSet<String>,
    agreed: HashSet<String>,
}

/// How much a row looks like a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::parse::read) struct Look {
    /// Different names in it that are known.
    pub(in crate::parse::read) known: usize,
    /// One of them is agreed.
    agreed: bool,
    /// Cells that say something.
    filled: usize,
    /// One of them is what no name is: a number, a date, an address.
    data: bool,
}

impl Names {
    pub(in crate::parse::read) fn new(agreement: &Agreement) -> Self {
        let agreed: HashSet<String> = agreement
            .headers
            .iter()
            .chain(agreement.fixed_width.iter().map(|column| &column.name))
            .map(|header| normalised(header))
            .filter(|name| !name.is_empty())
            .collect();
        let known = Field::all()
            .flat_map(|field| {
                let synonyms = field.synonyms().map(str::to_owned);
                synonyms.chain([normalised(field.name())])
            })
            .chain(agreed.iter().cloned())
            .collect();
        Self { known, agreed }
    }

    /// The name that a label is, if it is known.
    pub(in crate::parse::read) fn name(&self, label: &str) -> Option<String> {
        (label.len() <= NAME_BYTES)
            .then(|| normalised(label))
            .filter(|name| self.known.contains(name))
    }

    pub(in crate::parse::read) fn look<'a>(&self, cells: impl Iterator<Item = &'a str>) -> Look {
        let mut look = Look::default();
        let mut seen = HashSet::new();
        for cell in cells.map(str::trim).filter(|cell| !cell.is_empty()) {
            look.filled += 1;
            look.data |= is_data(cell);
            if let Some(name) = self.name(cell) {
                look.agreed |= self.agreed.contains(&name);
                seen.insert(name);
            }
        }
        look.known = seen.len();
        look
    }
}

impl Look {
    fn may_be_header(self, first: bool) -> bool {
        let named = self.known >= 2 || self.known == 1 && (self.agreed || self.filled == 1);
        named && (first || !self.data)
    }
}

/// The row that is the header, among the first ones; none if no row has names enough.
///
/// A later row must have twice as many names as an earlier one that could be it: a person may be an "Active" "Manager".
pub(in crate::parse::read) fn header_among(looks: &[Look]) -> Option<usize> {
    let mut best: Option<(usize, Look)> = None;
    for (at, look) in looks.iter().enumerate() {
        let better = best.is_none_or(|(_, best)| look.known >= best.known.saturating_mul(2));
        if better && look.may_be_header(at == 0) {
            best = Some((at, *look));
        }
    }
    best.map(|(at, _)| at)
}

/// Whether a cell is what no name of a column is. A year may be one.
fn is_data(cell: &str) -> bool {
    let digits = cell.chars().filter(char::is_ascii_digit).count();
    let letters = cell.chars().filter(|c| c.is_alphabetic()).count();
    let year = cell.len() == 4 && digits == 4 && (cell.starts_with("19") || cell.starts_with("20"));
    cell.contains('@') || digits > 0 && digits >= letters && !year
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rows: &[&str], headers: &[&str]) -> Option<usize> {
        let names = Names::new(&Agreement {
            headers: headers.iter().map(|header| (*header).to_owned()).collect(),
            ..Agreement::default()
        });
        let looks: Vec<Look> = rows.iter().map(|row| names.look(row.split(','))).collect();
        header_among(&looks)
    }

    #[test]
    fn the_header_is_the_row_with_the_known_names() {
        for (rows, headers, at) in [
            (&["Employee ID,Name", "1,Ada"][..], &[][..], Some(0)),
            (
                &[
                    "Staff report",
                    "As of 2026-01-31",
                    "Employee ID,Name",
                    "1,Ada",
                ],
                &[],
                Some(2),
            ),
            // A line of groups above the header.
            (
                &[
                    "Employee,,,Manager,",
                    "Employee ID,First name,Last name,Manager ID,E-mail",
                ],
                &[],
                Some(1),
            ),
            // Words of a person that are names of columns elsewhere.
            (&["employee_id,foo,bar", "X1,Active,Manager"], &[], None),
            (
                &["Employee ID,Status,Role", "A,Active,Manager"],
                &[],
                Some(0),
            ),
            // Headers that only the configuration knows.
            (
                &["Nightly", "Badge,Colour", "7,red"],
                &["badge", "Colour"],
                Some(1),
            ),
            (&["Nightly", "Badge,Colour", "7,red"], &["Badge"], Some(1)),
            (&["Nightly", "Badge,Colour", "7,red"], &[], None),
            (&["Personalnummer", "17"], &[], Some(0)),
            (&["foo,bar", "1,2"], &[], None),
            (
                &["Title", "Employee ID,Name,2025,2026", "1,Ada,5,6"],
                &[],
                Some(1),
            ),
        ] {
            assert_eq!(found(rows, headers), at, "{rows:?}");
        }
    }
}
