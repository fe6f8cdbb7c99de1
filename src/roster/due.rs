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
    use super::*;
    use crate::parse::record::Values;

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
}
