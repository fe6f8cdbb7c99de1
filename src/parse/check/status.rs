//! Pure. Words for employed and not employed.

use std::collections::HashMap;

use crate::parse::check::columns::Mapping;
use crate::parse::record::Standing;

/// Words that mean employed in the HR systems we know; people on leave are.
static ACTIVE: &[&str] = &[
    "active",
    "a",
    "aktiv",
    "employed",
    "current",
    "current employee",
    "working",
    "hired",
    "regular",
    "permanent",
    "probation",
    "on probation",
    "future start",
    "leave",
    "l",
    "loa",
    "on leave",
    "leave of absence",
    "paid leave",
    "unpaid leave",
    "parental leave",
    "maternity leave",
    "garden leave",
    "furlough",
    "furloughed",
    "suspended",
    "yes",
    "y",
    "true",
    "1",
];

/// Words that mean not employed any more.
static INACTIVE: &[&str] = &[
    "inactive",
    "i",
    "inaktiv",
    "not active",
    "terminated",
    "t",
    "term",
    "voluntarily terminated",
    "terminated for cause",
    "deleted",
    "left",
    "leaver",
    "former",
    "former employee",
    "ex-employee",
    "separated",
    "resigned",
    "dismissed",
    "redundant",
    "retired",
    "deceased",
    "ausgeschieden",
    "no",
    "n",
    "false",
    "0",
];

/// The words of one data source: the known ones, and those it adds or gives another meaning.
#[derive(Debug)]
pub(super) struct StatusWords {
    words: HashMap<String, Standing>,
    /// How nearly every row of a large file says that somebody is employed.
    usual: Vec<&'static str>,
}

impl StatusWords {
    pub(super) fn new(mapping: &Mapping) -> Self {
        let known = [(ACTIVE, Standing::Active), (INACTIVE, Standing::Inactive)];
        let configured = [
            (&mapping.active_values, Standing::Active),
            (&mapping.inactive_values, Standing::Inactive),
        ];
        let mut words = HashMap::new();
        for (list, standing) in known {
            words.extend(list.iter().map(|word| ((*word).to_owned(), standing)));
        }
        for (list, standing) in configured {
            words.extend(
                list.iter()
                    .map(|word| (word.trim().to_lowercase(), standing)),
            );
        }
        let is_active = |word: &&str| words.get(&word.to_lowercase()) == Some(&Standing::Active);
        let usual = ["Active", "A", "ACTIVE", "active"];
        Self {
            usual: usual.into_iter().filter(is_active).collect(),
            words,
        }
    }

    /// Whether the status says at one look that somebody is employed.
    pub(super) fn is_usual(&self, status: &[u8]) -> bool {
        self.usual.iter().any(|word| word.as_bytes() == status)
    }

    /// What a trimmed status says; blank is employed, and a word that nobody knows is none.
    pub(super) fn standing(&self, status: &str) -> Option<Standing> {
        if status.is_empty() {
            return Some(Standing::Active);
        }
        self.words.get(&status.to_lowercase()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_whatever_their_case_and_blank_is_employed() {
        let words = StatusWords::new(&Mapping::default());
        for active in ["", "Active", "ON LEAVE", "A", "1", "True"] {
            assert_eq!(words.standing(active), Some(Standing::Active), "{active}");
        }
        for inactive in ["Inactive", "Terminated", "T", "0", "False"] {
            assert_eq!(
                words.standing(inactive),
                Some(Standing::Inactive),
                "{inactive}"
            );
        }
        assert_eq!(words.standing("Production"), None);
    }

    #[test]
    fn a_data_source_may_add_words_and_turn_known_ones_round() {
        let words = StatusWords::new(&Mapping {
            active_values: vec!["Aan het werk".to_owned()],
            inactive_values: vec!["Suspended ".to_owned()],
            ..Mapping::default()
        });
        assert_eq!(words.standing("AAN HET WERK"), Some(Standing::Active));
        assert_eq!(words.standing("suspended"), Some(Standing::Inactive));
    }

    #[test]
    fn no_known_word_means_both() {
        assert!(ACTIVE.iter().all(|word| !INACTIVE.contains(word)));
        assert!(
            ACTIVE
                .iter()
                .chain(INACTIVE)
                .all(|word| *word == word.to_lowercase())
        );
    }
}
