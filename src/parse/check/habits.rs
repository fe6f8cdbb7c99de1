//! Pure. How the columns of a file write what could be read in two ways: day or month first, comma or point before the fraction, last or first name
//! first.
//!
//! A single 03/04/2026 says nothing. One 25/04/2026 in the same column says that the day comes first, and so what the others mean. Rows whose
//! meaning is open wait until a cell settles it; where none does, such cells are refused, never guessed. A column that writes both ways refuses
//! the file, because rows may have been read by a habit that was none.
//!
//! Of names every cell says a little and none everything: the first thousand rows wait until they can be counted.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use std::collections::VecDeque;

use crate::parse::check::cells::unwrapped;
use crate::parse::check::columns::{Column, Mapping};
use crate::parse::check::date::{self, Forms, Order};
use crate::parse::check::names::{self, NameOrder};
use crate::parse::check::usual;
use crate::parse::check::value::{self, Point};
use crate::parse::field::{Field, FieldKind};
use crate::parse::finding::{Finding, Severity, code};
use crate::parse::row::{CellKind, RawRow};

/// Rows that wait at most. A column of real dates has a day beyond the twelfth long before.
const WAITING: usize = 10_000;
/// And bytes: rows of a file that means no good are long.
const WAITING_BYTES: usize = 32 << 20;
/// Rows whose names are counted.
const NAMES: u32 = 1_000;

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
    Date(Habit<Order>, Forms),
    Decimal(Habit<Point>),
    Names(Tally),
}

/// How many cells write a name in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    rows: u32,
    last_first: u32,
    first_last: u32,
    /// In the last accepted file the last name came first.
    is_expected: bool,
    verdict: Verdict,
}

/// What the count has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Verdict {
    #[default]
    Open,
    Order(NameOrder),
    /// The column writes names both ways, or has none.
    None,
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
    waiting_bytes: usize,
    /// Rises whenever the same cells may come to something else than before.
    pub(super) version: u64,
}

impl Habits {
    /// Of the columns whose form nobody has declared. `last_first` are those whose names had the last one first in the last accepted file.
    pub(super) fn new(mapping: &Mapping, columns: &[Column], last_first: &[String]) -> Self {
        let learner = |column: &Column| {
            let kind = match column.kind {
                _ if column.field == Field::FullName && mapping.name_order.is_none() => {
                    Kind::Names(Tally {
                        is_expected: last_first.contains(&column.label),
                        ..Tally::default()
                    })
                }
                FieldKind::Date if mapping.date_format.is_none() => {
                    Kind::Date(Habit::Unknown { is_wanted: false }, Forms::default())
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
            waiting_bytes: 0,
            version: 0,
        }
    }

    /// Looks at a row. False: it has to wait, or others wait before it, and it is kept. The error refuses the file.
    pub(super) fn admit(&mut self, row: &RawRow, width: usize) -> Result<bool, Finding> {
        // Of a ragged row nobody knows which cell is which.
        if row.len() == width {
            for learner in &mut self.learners {
                if let Kind::Names(tally) = learner.kind
                    && tally.verdict != Verdict::Open
                {
                    continue;
                }
                let Some(cell) = row.cell(learner.at) else {
                    continue;
                };
                if cell.kind != CellKind::Text || cell.text.is_empty() {
                    if let (Kind::Date(_, forms), CellKind::Date) = (&mut learner.kind, cell.kind) {
                        forms.add(Forms::SHEET);
                    }
                    continue;
                }
                let learnt = match &mut learner.kind {
                    Kind::Date(_, forms) if usual::is_date(cell.text.as_bytes()) => {
                        forms.add(Forms::YEAR_FIRST);
                        Ok(false)
                    }
                    Kind::Date(habit, forms) => {
                        let text = unwrapped(cell.text);
                        forms.add(Forms::of(text));
                        habit.hear(date::evidence(text))
                    }
                    Kind::Decimal(habit) => {
                        let usual = usual::number(cell.text.as_bytes());
                        let evidence = usual.map(|(_, evidence)| evidence);
                        habit
                            .hear(evidence.unwrap_or_else(|| value::evidence(unwrapped(cell.text))))
                    }
                    Kind::Names(tally) => Ok(tally.count(unwrapped(cell.text))),
                };
                match learnt {
                    Ok(false) => {}
                    Ok(true) => self.version += 1,
                    Err(()) => return Err(learner.both_ways(row.row)),
                }
            }
        }
        if self.waiting.is_empty() && !self.is_waited_for() {
            return Ok(true);
        }
        self.waiting_bytes += row.bytes();
        self.waiting.push_back(row.clone());
        if self.waiting.len() >= WAITING || self.waiting_bytes >= WAITING_BYTES {
            self.give_up();
        }
        Ok(false)
    }

    /// The next row that need not wait any longer.
    pub(super) fn released(&mut self) -> Option<RawRow> {
        if self.is_waited_for() {
            return None;
        }
        let row = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(row.bytes());
        Some(row)
    }

    /// What was learnt and made a difference, for the report.
    pub(super) fn notes(&self) -> Vec<Finding> {
        self.learners.iter().filter_map(Learner::note).collect()
    }

    /// No more rows come, or too many wait: what is open stays so, and refuses its rows.
    pub(super) fn give_up(&mut self) {
        for learner in &mut self.learners {
            let gave_up = match &mut learner.kind {
                Kind::Date(habit, _) => habit.give_up(),
                Kind::Decimal(habit) => habit.give_up(),
                Kind::Names(tally) => tally.decide(),
            };
            self.version += u64::from(gave_up);
        }
    }

    /// Which of day and month comes first in this column.
    pub(super) fn order(&self, at: usize) -> Option<Order> {
        self.learners.iter().find_map(|learner| match learner.kind {
            Kind::Date(Habit::Known { value, .. }, _) if learner.at == at => Some(value),
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

    /// Which part of a name comes first in the column of names.
    pub(super) fn name_order(&self) -> Option<NameOrder> {
        self.learners.iter().find_map(|learner| match learner.kind {
            Kind::Names(tally) => tally.order(),
            _ => None,
        })
    }

    /// What was learnt: the header of each column, and how it is read.
    pub(super) fn known(&self) -> Vec<(String, String)> {
        let known = self
            .learners
            .iter()
            .filter_map(|learner| Some((learner.label.clone(), learner.habit()?.to_owned())));
        known.collect()
    }

    /// The header of each column of dates, and all the ways in which they are written.
    pub(super) fn forms(&self) -> Vec<(String, Vec<String>)> {
        let forms = self.learners.iter().filter_map(|learner| {
            let Kind::Date(_, forms) = learner.kind else {
                return None;
            };
            let words = forms.words().map(str::to_owned).collect();
            Some((learner.label.clone(), words))
        });
        forms.collect()
    }

    /// Everything that was learnt, in a form to be hashed.
    pub(super) fn digest(&self) -> String {
        let known = self.learners.iter().map(|learner| match learner.kind {
            // What is not taken apart reads the same, whatever else was counted.
            Kind::Names(tally) if tally.order() != Some(NameOrder::LastFirst) => "-",
            _ => learner.habit().unwrap_or("-"),
        });
        known.collect::<Vec<_>>().join(" ")
    }

    fn is_waited_for(&self) -> bool {
        self.learners.iter().any(|learner| {
            matches!(
                learner.kind,
                Kind::Date(Habit::Unknown { is_wanted: true }, _)
                    | Kind::Decimal(Habit::Unknown { is_wanted: true })
                    | Kind::Names(Tally {
                        rows: 1..,
                        verdict: Verdict::Open,
                        ..
                    })
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

impl Tally {
    /// Whether the count is over with this one.
    fn count(&mut self, text: &str) -> bool {
        if self.verdict != Verdict::Open {
            return false;
        }
        self.rows += 1;
        match names::evidence(text) {
            Some(NameOrder::LastFirst) => self.last_first += 1,
            Some(NameOrder::FirstLast) => self.first_last += 1,
            None => {}
        }
        self.rows >= NAMES && self.decide()
    }

    /// Nine of ten decide; once it was decided, half of them confirm it, or the same people would be called otherwise every other night.
    fn decide(&mut self) -> bool {
        if self.verdict != Verdict::Open {
            return false;
        }
        let all = self.last_first + self.first_last;
        let wanted = if self.is_expected { 5 } else { 9 };
        self.verdict = if self.last_first > 0 && self.last_first * 10 >= all * wanted {
            Verdict::Order(NameOrder::LastFirst)
        } else if self.first_last * 10 > all * wanted {
            Verdict::Order(NameOrder::FirstLast)
        } else {
            Verdict::None
        };
        true
    }

    fn order(self) -> Option<NameOrder> {
        match self.verdict {
            Verdict::Order(order) => Some(order),
            Verdict::Open | Verdict::None => None,
        }
    }
}

impl Learner {
    /// In words.
    fn habit(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Date(Habit::Known { value, .. }, _) => Some(value.as_str()),
            Kind::Decimal(Habit::Known { value, .. }) => Some(value.as_str()),
            Kind::Names(tally) => tally.order().map(NameOrder::as_str),
            _ => None,
        }
    }

    /// What the report says of a habit by which cells were read.
    fn note(&self) -> Option<Finding> {
        let key = match self.kind {
            Kind::Date(
                Habit::Known {
                    value,
                    is_used: true,
                },
                _,
            ) => value.example(),
            Kind::Decimal(Habit::Known {
                value,
                is_used: true,
            }) => value.example(),
            Kind::Names(tally) => tally
                .order()
                .filter(|order| *order == NameOrder::LastFirst)?
                .example(),
            _ => return None,
        };
        let (what, why) = (
            self.habit()?,
            match self.kind {
                Kind::Names(_) => "nearly all of its cells are written so",
                _ => "some of its cells cannot be read in any other way",
            },
        );
        let finding = Finding::file(
            code::INFERRED_FORMAT,
            format!("The column is read with {what}: {why}."),
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
            Kind::Date(..) => (
                "dates with the day first and dates with the month first",
                "date_format",
            ),
            Kind::Decimal(_) => (
                "numbers with a decimal comma and numbers with a decimal point",
                "decimal",
            ),
            // Never said: names are counted.
            Kind::Names(_) => ("names of both forms", "name_order"),
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

    fn counted(last_first: u32, first_last: u32, is_expected: bool) -> Option<NameOrder> {
        let mut tally = Tally {
            is_expected,
            ..Tally::default()
        };
        for _ in 0..last_first {
            tally.count("Smith, John");
        }
        for _ in 0..first_last {
            tally.count("John Smith");
        }
        tally.decide();
        tally.order()
    }

    #[test]
    fn nine_of_ten_names_decide_and_half_of_them_confirm_what_was_decided() {
        assert_eq!(counted(90, 10, false), Some(NameOrder::LastFirst));
        assert_eq!(counted(89, 11, false), None);
        assert_eq!(counted(89, 11, true), Some(NameOrder::LastFirst));
        assert_eq!(counted(49, 51, true), Some(NameOrder::FirstLast));
        assert_eq!(counted(1, 99, false), Some(NameOrder::FirstLast));
        assert_eq!(counted(0, 0, false), None);
    }

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
