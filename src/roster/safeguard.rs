//! Pure. The safeguard stops a run that would remove suspiciously many people, until a person has looked at it.

/// Limits of one data source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Safeguard {
    /// Held when more than this many would leave.
    pub max_leavers: u64,
    /// Held when more than this part of the people employed before would leave.
    pub max_leavers_percent: u64,
    /// Up to this many leavers the percentage does not count: in a company of four one leaver is a quarter.
    pub min_leavers: u64,
    /// Held when the file has fewer rows than the last accepted one by more than this part of those.
    pub max_shrink_percent: u64,
}

impl Default for Safeguard {
    fn default() -> Self {
        Self {
            max_leavers: 50,
            max_leavers_percent: 20,
            min_leavers: 1,
            max_shrink_percent: 20,
        }
    }
}

/// Of fewer rows than these, a part says nothing.
const FEW_ROWS: u64 = 10;

/// What a run would do, as far as the safeguard cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    pub leavers: u64,
    /// In this data source.
    pub employed_before: u64,
    /// Refused rows of which nobody knows whose they are.
    pub unreadable_keys: u64,
}

impl Safeguard {
    /// Why the run must wait for a person, or nothing if it need not.
    pub fn objection(&self, removal: Removal) -> Option<String> {
        let Removal {
            leavers,
            employed_before,
            unreadable_keys,
        } = removal;
        if leavers == 0 {
            return None;
        }
        if leavers > self.max_leavers {
            return Some(format!(
                "{leavers} of {employed_before} people would leave: more than max_leavers = {}",
                self.max_leavers
            ));
        }
        let part = u128::from(leavers) * 100;
        let limit = u128::from(self.max_leavers_percent) * u128::from(employed_before);
        if leavers > self.min_leavers && part > limit {
            return Some(format!(
                "{leavers} of {employed_before} people would leave: more than max_leavers_percent = {}",
                self.max_leavers_percent
            ));
        }
        (unreadable_keys > 0).then(|| {
            format!("{leavers} people would leave, but {unreadable_keys} refused rows have no readable employee id and may be theirs")
        })
    }

    /// Why a file that has become so much shorter must wait for a person, or nothing if it need not: it may have been cut off.
    pub fn shrinkage(&self, rows_before: u64, rows: u64) -> Option<String> {
        let lost = u128::from(rows_before.saturating_sub(rows)) * 100;
        let limit = u128::from(self.max_shrink_percent) * u128::from(rows_before);
        (rows_before >= FEW_ROWS && lost > limit).then(|| {
            format!(
                "The file has {rows} rows, and the last accepted one had {rows_before}: it has shrunk by more than max_shrink_percent = {}, so it may have been cut off",
                self.max_shrink_percent
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(leavers: u64, employed_before: u64) -> bool {
        let removal = Removal {
            leavers,
            employed_before,
            unreadable_keys: 0,
        };
        Safeguard::default().objection(removal).is_some()
    }

    #[test]
    fn more_than_the_number_or_the_percentage_waits() {
        assert!(!held(50, 1000));
        assert!(held(51, 1000));
        assert!(!held(20, 100));
        assert!(held(21, 100));
        assert!(!held(0, 0));
    }

    #[test]
    fn up_to_min_leavers_the_percentage_does_not_count() {
        assert!(!held(1, 1));
        assert!(held(2, 4));
        let strict = Safeguard {
            max_leavers: 0,
            ..Safeguard::default()
        };
        let one = Removal {
            leavers: 1,
            employed_before: 1000,
            unreadable_keys: 0,
        };
        assert!(strict.objection(one).is_some());
    }

    #[test]
    fn a_row_whose_owner_is_unknown_stops_any_leaver() {
        let removal = |leavers| Removal {
            leavers,
            employed_before: 1000,
            unreadable_keys: 1,
        };
        let objection = Safeguard::default().objection(removal(1)).unwrap();
        assert!(objection.contains("no readable employee id"), "{objection}");
        assert_eq!(Safeguard::default().objection(removal(0)), None);
    }

    #[test]
    fn huge_numbers_do_not_overflow() {
        let safeguard = Safeguard {
            max_leavers: u64::MAX,
            max_leavers_percent: u64::MAX,
            min_leavers: 0,
            max_shrink_percent: u64::MAX,
        };
        let removal = Removal {
            leavers: u64::MAX,
            employed_before: u64::MAX,
            unreadable_keys: 0,
        };
        assert_eq!(safeguard.objection(removal), None);
        assert_eq!(safeguard.shrinkage(u64::MAX, 0), None);
    }

    #[test]
    fn a_file_that_has_shrunk_by_more_than_the_limit_waits_and_the_sentence_says_both_numbers() {
        let safeguard = Safeguard::default();
        assert_eq!(safeguard.shrinkage(100, 80), None);
        let objection = safeguard.shrinkage(100, 79).unwrap();
        assert!(objection.contains("79 rows"), "{objection}");
        assert!(objection.contains("had 100"), "{objection}");
        assert_eq!(
            safeguard.shrinkage(9, 1),
            None,
            "of few rows it says nothing"
        );
        assert_eq!(safeguard.shrinkage(100, 300), None);
        let never = Safeguard {
            max_shrink_percent: 100,
            ..safeguard
        };
        assert_eq!(never.shrinkage(100, 0), None);
    }
}
