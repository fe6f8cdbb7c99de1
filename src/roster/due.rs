//! Pure. The end of an employment that a file tells in advance: its fields are stored at once, and the person leaves on the day (R3.19, R3.20).
//!
//! The day begins in the tenant's zone. What is told of a day that is past or has come says nothing by itself: there the status counts, as it
//! always did.

use jiff::civil::Date;

use crate::parse::field::Field;
use crate::parse::record::Seen;

/// An end that is still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The first day on which the person is employed no more.
    pub on: Date,
    /// The employment status from that day on, where the file has told it already.
    pub status: Option<String>,
}

/// What is known of somebody's end beside the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    Ahead(Due),
    /// The person has left by it, while the rows went on saying employed.
    Past,
}

/// What a row makes of what is known of its person's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    Stays,
    /// Nothing else is known any more.
    Becomes(Option<Due>),
}

/// What a row says of its person's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing: the file does not have the field.
    Untold,
    /// There is none.
    Never,
    /// It was before today, or is today.
    Past(Date),
    Ahead(Date),
}

impl End {
    /// Of a row that is read on this day.
    pub fn of(fields: Seen<'_>, today: Date) -> Self {
        match fields.value(Field::TerminationDate) {
            None => Self::Untold,
            Some("") => Self::Never,
            Some(text) => match text.parse::<Date>() {
                Ok(date) if date > today => Self::Ahead(date),
                Ok(date) => Self::Past(date),
                // No canonical date: nothing that anything may hang on.
                Err(_) => Self::Untold,
            },
        }
    }

    /// Whether it is still to come.
    pub const fn is_ahead(self) -> bool {
        matches!(self, Self::Ahead(_))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::parse::record::{Record, Standing, Values};
    use crate::roster::diff::Diff;
    use crate::roster::person::{ChangeKind, Employment, Fields, Known, RowHashes};
    use crate::roster::plan::Plan;

    #[test]
    fn a_day_that_has_come_is_not_ahead_any_more() {
        let today = "2026-11-22".parse().unwrap();
        let end =
            |date: &str| End::of(Values::from([(Field::TerminationDate, date)]).seen(), today);
        assert_eq!(end("2026-11-23"), End::Ahead("2026-11-23".parse().unwrap()));
        assert_eq!(end("2026-11-22"), End::Past(today));
        assert_eq!(end(""), End::Never);
        let untold = Values::from([(Field::EmployeeId, "1")]);
        assert_eq!(End::of(untold.seen(), today), End::Untold);
    }

    /// One person of a roster in memory.
    #[derive(Debug, Clone, Default, PartialEq)]
    struct Person {
        known: Option<(Employment, RowHashes)>,
        fields: Fields,
        ending: Option<Ending>,
    }

    /// What a row says of the person, the end as a day of this November.
    #[derive(Debug, Clone, Copy)]
    struct Said {
        standing: Standing,
        end: Option<i8>,
    }

    fn day(day: i8) -> Date {
        Date::constant(2026, 11, day)
    }

    impl Person {
        fn is_employed(&self) -> bool {
            self.known.is_some_and(|it| it.0 == Employment::Employed)
        }

        /// Takes a file that is read on this day.
        fn read(&mut self, today: i8, said: Said) -> Vec<ChangeKind> {
            let mut diff = Diff::new("m").on(day(today));
            if let Some((employment, hashes)) = self.known {
                let known = Known {
                    id: 1,
                    employment,
                    hashes,
                };
                diff.know("1".into(), known);
            }
            let status = match said.standing {
                Standing::Active => "Active",
                Standing::Inactive => "Left",
            };
            let end = said.end.map(|it| day(it).to_string()).unwrap_or_default();
            let fields = Values::from([
                (Field::EmployeeId, "1"),
                (Field::EmploymentStatus, status),
                (Field::TerminationDate, &end),
            ]);
            let record = Record {
                row: 2,
                standing: said.standing,
                fields: fields.seen(),
            };
            diff.record(&record, Some([7; 16]));
            let draft = diff.finish(|_| ());
            let mut plan = draft.plan;
            for (_, candidate) in draft.undecided {
                plan.decide(1, candidate, self.fields.clone(), self.ending.as_ref());
            }
            self.apply(&plan)
        }

        /// What the day brings by itself.
        fn tick(&mut self, today: i8) -> Vec<ChangeKind> {
            let Some(Ending::Ahead(due)) = self.ending.clone() else {
                return Vec::new();
            };
            if !self.is_employed() || due.on > day(today) {
                return Vec::new();
            }
            let mut plan = Plan::default();
            plan.end(1, "1".into(), due, self.fields.clone());
            let changes = self.apply(&plan);
            if !plan.absent.is_empty() {
                self.ending = Some(Ending::Past);
            }
            changes
        }

        fn apply(&mut self, plan: &Plan) -> Vec<ChangeKind> {
            for joiner in &plan.joiners {
                self.known = Some((Employment::Employed, joiner.hashes));
                joiner.all_new().apply(&mut self.fields);
                self.ending = joiner.due().map(Ending::Ahead);
            }
            for (_, hashes) in &plan.rehashed {
                self.known = self.known.map(|(employment, _)| (employment, *hashes));
            }
            for revised in &plan.revised {
                let was = self.known.unwrap().0;
                let is = revised.kind.employment().unwrap_or(was);
                self.known = Some((is, revised.hashes));
                self.fields = revised.fields.clone();
            }
            if !plan.absent.is_empty() {
                self.known = self.known.map(|(_, hashes)| (Employment::Left, hashes));
            }
            for (_, due) in &plan.due {
                self.ending = due.clone().map(Ending::Ahead);
            }
            plan.changes().map(|change| change.kind).collect()
        }
    }

    fn said() -> impl Strategy<Value = Said> {
        let standing = prop_oneof![3 => Just(Standing::Active), 1 => Just(Standing::Inactive)];
        let end = prop::option::of(1..=20_i8);
        (standing, end).prop_map(|(standing, end)| Said { standing, end })
    }

    proptest! {
        #[test]
        fn the_same_file_again_changes_nothing_on_any_later_day_but_what_was_due(before in prop::collection::vec(said(), 0..6), last in said()) {
            let mut person = Person::default();
            let mut today = 1;
            for file in before {
                person.tick(today);
                person.read(today, file);
                today += 1;
            }
            person.tick(today);
            person.read(today, last);
            let again = person.read(today, last);
            prop_assert!(again.is_empty(), "{:?}", again);
            let mut changes = Vec::new();
            for today in today..=28 {
                changes.extend(person.tick(today));
                changes.extend(person.read(today, last));
            }
            prop_assert!(changes.len() <= 1, "{:?}", changes);
            prop_assert!(changes.iter().all(|kind| *kind == ChangeKind::Leaver));
            // Nothing is left to come, and whoever has an end that is over is not there only because of a file of that time.
            prop_assert!(!matches!(person.ending, Some(Ending::Ahead(_))));
        }

        #[test]
        fn nobody_leaves_before_the_day_whatever_the_status_and_everybody_on_it(end in 3..=20_i8, standing in prop_oneof![Just(Standing::Active), Just(Standing::Inactive)], file_first: bool) {
            let mut person = Person::default();
            person.read(1, Said { standing: Standing::Active, end: None });
            let told = Said { standing, end: Some(end) };
            for today in 2..end {
                person.tick(today);
                person.read(today, told);
                prop_assert!(person.is_employed(), "left on {}", today);
                prop_assert_eq!(person.fields.value(Field::EmploymentStatus), Some("Active"));
            }
            if file_first {
                person.read(end, told);
            }
            person.tick(end);
            prop_assert!(!person.is_employed());
            person.read(end, told);
            prop_assert!(!person.is_employed());
        }
    }
}
