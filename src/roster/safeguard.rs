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
}

impl Default for Safeguard {
    fn default() -> Self {
        Self {
            max_leavers: 50,
            max_leavers_percent: 20,
            min_leavers: 1,
        }
    }
}

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
        };
        let removal = Removal {
            leavers: u64::MAX,
            employed_before: u64::MAX,
            unreadable_keys: 0,
        };
        assert_eq!(safeguard.objection(removal), None);
    }
}
