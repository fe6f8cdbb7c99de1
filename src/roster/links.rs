//! Pure. Who has whom for a manager, once every row was told: managers that nobody is, that have left, and rings in which everybody is above
//! everybody. Nothing of it refuses a row.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::parse::finding::{Finding, Severity, code};
use crate::roster::person::Employment;

/// Ids of a ring that are named before it is said how many more there are.
const NAMED: usize = 12;
/// Bytes of a stub's key: no row could have a longer one.
const KEY_BYTES: usize = 200;

/// Somebody of the file who is employed once it is applied, and whom the row names as manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub key: Box<str>,
    pub row: u64,
    pub manager: Box<str>,
}

/// What is known of somebody who is named as a manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superior {
    pub employment: Employment,
    /// Their own manager; empty if they have none.
    pub manager: Box<str>,
}

/// The links of a file, and as much of the rest of the roster as they lead to.
#[derive(Debug, Default)]
pub struct Links {
    /// The file's own header of the column with the managers.
    column: Option<String>,
    claims: Vec<Claim>,
    /// Everybody who has a claim, be it an empty one.
    claimants: HashSet<Box<str>>,
    /// Everybody of whom something is known, by key.
    people: HashMap<Box<str>, Superior>,
}

impl Links {
    /// Nobody yet. `column` is the file's own header of the managers' column.
    pub fn in_column(column: Option<String>) -> Self {
        Self {
            column,
            ..Self::default()
        }
    }

    /// Takes a row's link. Somebody without a manager has an empty one.
    pub fn claim(&mut self, claim: Claim) {
        let superior = Superior {
            employment: Employment::Employed,
            manager: claim.manager.clone(),
        };
        self.people.insert(claim.key.clone(), superior);
        self.claimants.insert(claim.key.clone());
        if !claim.manager.is_empty() {
            self.claims.push(claim);
        }
    }

    /// Takes note of somebody who leaves by this file.
    pub fn leaves(&mut self, key: &str) {
        let superior = Superior {
            employment: Employment::Left,
            manager: Box::default(),
        };
        self.people.insert(key.into(), superior);
    }

    /// Those who are named as managers and of whom nothing is known yet.
    pub fn unknown(&self) -> BTreeSet<Box<str>> {
        let named = self.claims.iter().map(|claim| &claim.manager);
        let unknown = named.filter(|key| !self.people.contains_key(*key));
        unknown.cloned().collect()
    }

    /// Takes what the roster says of somebody, unless the file says otherwise; and says who is to be asked for next.
    pub fn learn(&mut self, key: &str, superior: Superior) -> Option<Box<str>> {
        if self.people.contains_key(key) {
            return None;
        }
        let next = superior.manager.clone();
        self.people.insert(key.into(), superior);
        (!next.is_empty() && !self.people.contains_key(&next)).then_some(next)
    }

    /// Whether the file says something of this person.
    pub fn is_told(&self, key: &str) -> bool {
        let told = self.people.get(key);
        told.is_some_and(|it| it.employment == Employment::Left) || self.claimants.contains(key)
    }

    /// That somebody who leaves has these people below, of whom the file says nothing new.
    pub fn left_behind(&self, manager: &str, people: &[String]) -> Option<Finding> {
        let named: Vec<String> = people
            .iter()
            .take(NAMED)
            .map(|key| format!("\"{key}\""))
            .collect();
        let more = match people.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let finding = Finding::file(
            code::MANAGER_LEFT,
            format!(
                "\"{manager}\" has left and is still the manager of {}{more}.",
                named.join(", ")
            ),
            "Give these people another manager in your HR system.",
        );
        (!people.is_empty()).then(|| finding.with_severity(Severity::Warning))
    }

    /// Makes stubs of those whom a row names and nobody knows, each once.
    pub fn stubs(&mut self, mut tell: impl FnMut(Finding)) -> Vec<Box<str>> {
        let mut stubs = Vec::new();
        for at in 0..self.claims.len() {
            let Some(claim) = self.claims.get(at).filter(|it| can_be_key(&it.manager)) else {
                continue;
            };
            if self.people.contains_key(&claim.manager) {
                continue;
            }
            let key = claim.manager.clone();
            let finding = Finding::row(
                claim.row,
                self.column.as_deref(),
                code::STUB_ADDED,
                "The manager of this row is nobody in the roster, and was added with no more than the employee id.",
                "Send the manager's own row: it fills in the rest.",
            );
            tell(finding.with_severity(Severity::Info));
            let superior = Superior {
                employment: Employment::Employed,
                manager: Box::default(),
            };
            self.people.insert(key.clone(), superior);
            stubs.push(key);
        }
        stubs
    }

    /// Everything that is wrong with them; and the keys of those whose link leads nowhere.
    pub fn judge(&self, mut tell: impl FnMut(Finding)) -> Vec<&str> {
        let mut loose = Vec::new();
        for claim in &self.claims {
            let finding = match self.people.get(&claim.manager).map(|it| it.employment) {
                Some(Employment::Employed) => continue,
                Some(Employment::Left) => self.about(
                    claim,
                    code::MANAGER_LEFT,
                    "The manager of this row has left.",
                ),
                None => self.about(
                    claim,
                    code::FOREIGN_KEY,
                    "The manager of this row is nobody in the roster.",
                ),
            };
            loose.push(&*claim.key);
            tell(finding);
        }
        for ring in self.rings() {
            tell(closed(&ring));
        }
        loose
    }

    fn about(&self, claim: &Claim, code: &'static str, message: &str) -> Finding {
        Finding::row(
            claim.row,
            self.column.as_deref(),
            code,
            message,
            "Correct the manager of the row, or send the manager's own row too; everything else of the row was taken.",
        )
        .with_severity(Severity::Warning)
    }

    /// The rings that a row of the file belongs to or leads to, each beginning with its first key in order, by that key.
    fn rings(&self) -> Vec<Vec<&str>> {
        let keys: Vec<&str> = self.people.keys().map(|key| &**key).collect();
        let places: HashMap<&str, usize> = keys.iter().copied().zip(0..).collect();
        let managers: Vec<Option<usize>> = keys
            .iter()
            .map(|key| places.get(&*self.people.get(*key)?.manager).copied())
            .collect();
        let mut rings: Vec<Vec<&str>> = rings(&managers)
            .into_iter()
            .map(|ring| {
                let mut ring: Vec<&str> = ring
                    .into_iter()
                    .filter_map(|at| keys.get(at).copied())
                    .collect();
                let first = (0..ring.len()).min_by_key(|at| ring.get(*at).copied());
                ring.rotate_left(first.unwrap_or_default());
                ring
            })
            .collect();
        rings.sort();
        rings
    }
}

/// The rings of a graph in which everybody has at most one manager: each place is looked at twice at most, however deep the graph is.
fn rings(managers: &[Option<usize>]) -> Vec<Vec<usize>> {
    // The walk on which a place was first come to.
    let mut walks: Vec<Option<usize>> = vec![None; managers.len()];
    let mut found = Vec::new();
    for start in 0..managers.len() {
        let mut at = start;
        let mut ring = loop {
            match walks.get_mut(at) {
                Some(walk @ None) => *walk = Some(start),
                Some(Some(walk)) if *walk == start => break vec![at],
                _ => break Vec::new(),
            }
            match managers.get(at).copied().flatten() {
                Some(next) => at = next,
                None => break Vec::new(),
            }
        };
        while let Some(next) = ring
            .last()
            .and_then(|last| managers.get(*last).copied().flatten())
            && next != at
        {
            ring.push(next);
        }
        if !ring.is_empty() {
            found.push(ring);
        }
    }
    found
}

/// Whether a row may have it for its key; an address is none.
fn can_be_key(text: &str) -> bool {
    (1..=KEY_BYTES).contains(&text.len()) && !text.contains('@')
}

fn closed(ring: &[&str]) -> Finding {
    if let [only] = ring {
        return Finding::file(
            code::MANAGER_CYCLE,
            format!("\"{only}\" is named as their own manager."),
            "Nothing, if that is how your HR system marks the head of the company; else correct it.",
        )
        .with_severity(Severity::Info);
    }
    let mut named: Vec<String> = ring
        .iter()
        .take(NAMED)
        .map(|key| format!("\"{key}\""))
        .collect();
    match ring.len().saturating_sub(NAMED) {
        0 => named.extend(ring.first().map(|first| format!("\"{first}\""))),
        more => named.push(format!("{more} more, and the first again")),
    }
    Finding::file(
        code::MANAGER_CYCLE,
        format!(
            "{} people are each other's managers in a ring: {}.",
            ring.len(),
            named.join(", whose manager is ")
        ),
        "Correct the manager of one of them; everything else of their rows was taken.",
    )
    .with_severity(Severity::Warning)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claim(row: u64, key: &str, manager: &str) -> Claim {
        Claim {
            key: key.into(),
            row,
            manager: manager.into(),
        }
    }

    fn told(links: &Links) -> Vec<(Option<u64>, String, String)> {
        let mut told = Vec::new();
        links.judge(|finding| told.push((finding.row, finding.code, finding.message)));
        told
    }

    #[test]
    fn managers_that_nobody_is_or_that_have_left_are_told_and_the_others_are_not() {
        let mut links = Links::default();
        links.claim(claim(2, "1", ""));
        links.claim(claim(3, "2", "1"));
        links.claim(claim(4, "3", "9"));
        links.claim(claim(5, "4", "8"));
        links.claim(claim(6, "5", "7"));
        links.leaves("8");
        let unknown: Vec<_> = links.unknown().into_iter().collect();
        assert_eq!(unknown, ["7".into(), "9".into()]);
        let seven = Superior {
            employment: Employment::Employed,
            manager: "1".into(),
        };
        assert_eq!(links.learn("7", seven), None);
        let told: Vec<_> = told(&links)
            .into_iter()
            .map(|(row, code, _)| (row.unwrap(), code))
            .collect();
        assert_eq!(
            told,
            [
                (4, code::FOREIGN_KEY.to_owned()),
                (5, code::MANAGER_LEFT.to_owned())
            ]
        );
    }

    #[test]
    fn a_ring_is_named_by_its_ids_whatever_the_order_of_rows() {
        let rows = [("3", "1"), ("1", "2"), ("2", "3"), ("4", "3"), ("5", "5")];
        let mut first = None;
        for turn in 0..rows.len() {
            let mut links = Links::default();
            for at in 0..rows.len() {
                let (key, manager) = rows[(at + turn) % rows.len()];
                links.claim(claim(at as u64 + 2, key, manager));
            }
            let told = told(&links);
            assert_eq!(
                told[0].2,
                "3 people are each other's managers in a ring: \"1\", whose manager is \"2\", whose manager is \"3\", whose manager is \"1\"."
            );
            assert_eq!(told[1].2, "\"5\" is named as their own manager.");
            assert_eq!(told, *first.get_or_insert(told.clone()));
        }
    }

    #[test]
    fn a_ring_through_people_who_are_not_in_the_file_is_found() {
        let mut links = Links::default();
        links.claim(claim(2, "1", "2"));
        let superior = |manager: &str| Superior {
            employment: Employment::Employed,
            manager: manager.into(),
        };
        assert_eq!(links.learn("2", superior("3")), Some("3".into()));
        assert_eq!(links.learn("3", superior("1")), None);
        assert_eq!(told(&links).len(), 1);
    }

    #[test]
    fn a_million_people_below_each_other_and_a_ring_of_a_million_take_no_stack() {
        let n = 1_000_000_usize;
        let line: Vec<_> = (0..n).map(|at| at.checked_sub(1)).collect();
        assert_eq!(rings(&line), Vec::<Vec<usize>>::new());
        let ring: Vec<_> = (0..n).map(|at| Some((at + 1) % n)).collect();
        assert_eq!(rings(&ring)[0].len(), n);
    }

    proptest! {
        #[test]
        fn whoever_comes_back_to_themselves_is_in_one_ring_and_nobody_else_is(managers in prop::collection::vec(prop::option::of(0..12usize), 12)) {
            let found = rings(&managers);
            for start in 0..managers.len() {
                let mut at = Some(start);
                let comes_back = (0..managers.len()).any(|_| {
                    at = at.and_then(|at| managers[at]);
                    at == Some(start)
                });
                let in_rings = found.iter().filter(|ring| ring.contains(&start)).count();
                prop_assert_eq!(in_rings, usize::from(comes_back));
            }
        }
    }
}
