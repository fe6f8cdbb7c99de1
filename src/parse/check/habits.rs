//! Pure. How the columns of a file write what could be read in two ways: day or month first, comma or point before the fraction.
//!
//! A single 03/04/2026 says nothing. One 25/04/2026 in the same column says that the day comes first, and so what the others mean. Rows whose
//! meaning is open wait until a cell settles it; where none does, such cells are refused, never guessed. A column that writes both ways refuses
//! the file, because rows may have been read by a habit that was none.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::collections::VecDeque;

use crate::parse::check::columns::{Column, Mapping};
use crate::parse::check::date::{self, Order};
use crate::parse::check::usual;
use crate::parse::check::value::{self, Point};
use crate::parse::field::FieldKind;
use crate::parse::finding::{Finding, Severity, code};
use crate::parse::row::{CellKind, RawRow};

/// Rows that wait at most. A column of real dates has a day beyond the twelfth long before.
const WAITING: usize = 10_000;

/// What one cell says of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence<T> {
    /// Nothing: it is empty, or can be read in one way by anybody.
    Silent,
    /// It can be read in two ways.
    Open,
    /// It can be read in this way only.
    Says(T),
}

/// What is known of one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit<T> {
    /// `is_wanted`: a row waits for it.
    Unknown { is_wanted: bool },
    /// `is_used`: a cell was read by it.
    Known { value: T, is_used: bool },
    /// Nothing settled it in time, or it has none.
    None,
}

#[derive(Debug)]
enum Kind {
    Date(Habit<Order>),
    Decimal(Habit<Point>),
}

#[derive(Debug)]
struct Learner {
    at: usize,
    label: String,
    kind: Kind,
}

/// The habits of a file's columns, and the rows that wait for them.
#[derive(Debug)]
pub(super) struct Habits {
    learners: Vec<Learner>,
    waiting: VecDeque<RawRow>,
    notes: Vec<Finding>,
    /// Rises whenever the same cells may come to something else than before.
    pub(super) version: u64,
}

impl Habits {
    /// Of the columns whose form nobody has declared.
    pub(super) fn new(mapping: &Mapping, columns: &[Column]) -> Self {
        let learner = |column: &Column| {
            let kind = match column.field.kind() {
                FieldKind::Date if mapping.date_format.is_none() => {
                    Kind::Date(Habit::Unknown { is_wanted: false })
                }
                FieldKind::Decimal if mapping.decimal.is_none() => {
                    Kind::Decimal(Habit::Unknown { is_wanted: false })
                }
                _ => return None,
            };
            Some(Learner {
                at: column.at,
                label: column.label.clone(),
                kind,
            })
        };
        Self {
            learners: columns.iter().filter_map(learner).collect(),
            waiting: VecDeque::new(),
            notes: Vec::new(),
            version: 0,
        }
    }

    /// Looks at a row. It comes back unless it has to wait, or others wait before it. The error refuses the file.
    pub(super) fn admit(&mut self, row: RawRow, width: usize) -> Result<Option<RawRow>, Finding> {
        // Of a ragged row nobody knows which cell is which.
        if row.len() == width {
            for learner in &mut self.learners {
                let Some(cell) = row.cell(learner.at) else {
                    continue;
                };
                if cell.kind != CellKind::Text || cell.text.is_empty() {
                    continue;
                }
                let text = super::unwrapped(cell.text);
                let learnt = match &mut learner.kind {
                    Kind::Date(_) if usual::is_date(text.as_bytes()) => Ok(false),
                    Kind::Date(habit) => habit.hear(date::evidence(text)),
                    Kind::Decimal(habit) => habit.hear(match usual::number(text.as_bytes()) {
                        Some((_, evidence)) => evidence,
                        None => value::evidence(text),
                    }),
                };
                match learnt {
                    Ok(false) => {}
                    Ok(true) => {
                        self.version += 1;
                        self.notes.extend(learner.note());
                    }
                    Err(()) => return Err(learner.both_ways(row.row)),
                }
            }
        }
        if self.waiting.is_empty() && !self.is_waited_for() {
            return Ok(Some(row));
        }
        self.waiting.push_back(row);
        if self.waiting.len() >= WAITING {
            self.give_up();
        }
        Ok(None)
    }

    /// The next row that need not wait any longer.
    pub(super) fn released(&mut self) -> Option<RawRow> {
        if self.is_waited_for() {
            return None;
        }
        self.waiting.pop_front()
    }

    /// What was learnt, for the report.
    pub(super) fn notes(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.notes)
    }

    /// No more rows come, or too many wait: what is open stays so, and refuses its rows.
    pub(super) fn give_up(&mut self) {
        for learner in &mut self.learners {
            let gave_up = match &mut learner.kind {
                Kind::Date(habit) => habit.give_up(),
                Kind::Decimal(habit) => habit.give_up(),
            };
            self.version += u64::from(gave_up);
        }
    }

    /// Which of day and month comes first in this column.
    pub(super) fn order(&self, at: usize) -> Option<Order> {
        self.learners.iter().find_map(|learner| match learner.kind {
            Kind::Date(Habit::Known { value, .. }) if learner.at == at => Some(value),
            _ => None,
        })
    }

    /// What stands before the fraction in this column.
    pub(super) fn point(&self, at: usize) -> Option<Point> {
        self.learners.iter().find_map(|learner| match learner.kind {
            Kind::Decimal(Habit::Known { value, .. }) if learner.at == at => Some(value),
            _ => None,
        })
    }

    /// What was learnt: the header of each column, and how it is read.
    pub(super) fn known(&self) -> Vec<(String, String)> {
        let known = self.learners.iter().filter_map(|learner| {
            let habit = match learner.kind {
                Kind::Date(Habit::Known { value, .. }) => value.as_str(),
                Kind::Decimal(Habit::Known { value, .. }) => value.as_str(),
                _ => return None,
            };
            Some((learner.label.clone(), habit.to_owned()))
        });
        known.collect()
    }

    /// Everything that was learnt, in a form to be hashed.
    pub(super) fn digest(&self) -> String {
        let known = self.learners.iter().map(|learner| match learner.kind {
            Kind::Date(Habit::Known { value, .. }) => value.as_str(),
            Kind::Decimal(Habit::Known { value, .. }) => value.as_str(),
            _ => "-",
        });
        known.collect::<Vec<_>>().join(" ")
    }

    fn is_waited_for(&self) -> bool {
        self.learners.iter().any(|learner| {
            matches!(
                learner.kind,
                Kind::Date(Habit::Unknown { is_wanted: true })
                    | Kind::Decimal(Habit::Unknown { is_wanted: true })
            )
        })
    }
}

impl<T: Copy + PartialEq> Habit<T> {
    /// Whether something was learnt; the error says that the column writes both ways and was relied on.
    fn hear(&mut self, evidence: Evidence<T>) -> Result<bool, ()> {
        match (&mut *self, evidence) {
            (_, Evidence::Silent) | (Self::None, _) => Ok(false),
            (Self::Unknown { is_wanted }, Evidence::Open) => {
                *is_wanted = true;
                Ok(false)
            }
            (Self::Unknown { is_wanted }, Evidence::Says(value)) => {
                let is_used = *is_wanted;
                *self = Self::Known { value, is_used };
                Ok(true)
            }
            (Self::Known { is_used, .. }, Evidence::Open) => {
                *is_used = true;
                Ok(false)
            }
            (Self::Known { value, .. }, Evidence::Says(said)) if *value == said => Ok(false),
            (Self::Known { is_used: true, .. }, Evidence::Says(_)) => Err(()),
            (Self::Known { .. }, Evidence::Says(_)) => {
                *self = Self::None;
                Ok(true)
            }
        }
    }

    fn give_up(&mut self) -> bool {
        let is_open = matches!(self, Self::Unknown { is_wanted: true });
        if is_open {
            *self = Self::None;
        }
        is_open
    }
}

impl Learner {
    /// What the report says of a habit.
    fn note(&self) -> Option<Finding> {
        let (what, key) = match self.kind {
            Kind::Date(Habit::Known { value, .. }) => (value.as_str(), value.example()),
            Kind::Decimal(Habit::Known { value, .. }) => (value.as_str(), value.example()),
            _ => return None,
        };
        let finding = Finding::file(
            code::INFERRED_FORMAT,
            format!(
                "The column is read with {what}: some of its cells cannot be read in any other way."
            ),
            format!("To say it once and for all, set {key} for this data source."),
        );
        Some(
            Finding {
                column: Some(self.label.clone()),
                ..finding
            }
            .with_severity(Severity::Info),
        )
    }

    fn both_ways(&self, row: u64) -> Finding {
        let (what, key) = match self.kind {
            Kind::Date(_) => (
                "dates with the day first and dates with the month first",
                "date_format",
            ),
            Kind::Decimal(_) => (
                "numbers with a decimal comma and numbers with a decimal point",
                "decimal",
            ),
        };
        Finding {
            row: Some(row),
            column: Some(self.label.clone()),
            ..Finding::file(
                code::INFERRED_FORMAT,
                format!("The column holds {what}, so nobody can tell what its other cells mean."),
                format!("Export the column in one form only, and set {key} for this data source."),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_habit_is_learnt_once_and_broken_only_where_it_was_not_relied_on() {
        let mut habit = Habit::Unknown { is_wanted: false };
        assert_eq!(habit.hear(Evidence::Silent), Ok(false));
        assert_eq!(habit.hear(Evidence::Says(Order::DayFirst)), Ok(true));
        assert_eq!(habit.hear(Evidence::Says(Order::DayFirst)), Ok(false));
        let mut unused = habit;
        assert_eq!(unused.hear(Evidence::Says(Order::MonthFirst)), Ok(true));
        assert_eq!(unused, Habit::None);
        assert_eq!(habit.hear(Evidence::Open), Ok(false));
        assert_eq!(habit.hear(Evidence::Says(Order::MonthFirst)), Err(()));
    }
}
