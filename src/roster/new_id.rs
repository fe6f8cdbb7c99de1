//! Pure. Somebody leaves and somebody joins in one file who may be one person under another employee id. Nobody but a person can say so.

use std::collections::HashMap;

use crate::parse::field::Field;
use crate::parse::finding::{Finding, Severity, code};
use crate::roster::person::{ChangeKind, Fields};
use crate::roster::plan::Plan;

/// Pairs that are named before it is said how many more there are.
const NAMED: usize = 20;

/// Those who would leave, by what they may be known again by.
#[derive(Debug, Default)]
pub struct Leavers {
    keys: Vec<Box<str>>,
    /// Place in `keys`.
    by_email: HashMap<String, usize>,
    by_birth: HashMap<(String, String), usize>,
}

/// Two keys of perhaps one person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    joiner: Box<str>,
    row: Option<u64>,
    leaver: Box<str>,
    likeness: &'static str,
}

impl Leavers {
    /// Whether the plan has anybody who joins, and somebody who leaves.
    pub fn are_to_be_compared(plan: &Plan) -> bool {
        let has = |wanted| plan.revised.iter().any(|it| it.kind == wanted);
        (!plan.joiners.is_empty() || has(ChangeKind::Rehire))
            && (!plan.absent.is_empty() || has(ChangeKind::Leaver))
    }

    /// Takes one of them.
    pub fn add(&mut self, key: &str, fields: &Fields) {
        let at = self.keys.len();
        self.keys.push(key.into());
        let value = |field| fields.value(field);
        if let Some(email) = email(value(Field::WorkEmail)) {
            self.by_email.entry(email).or_insert(at);
        }
        if let Some(birth) = birth(value(Field::BirthDate), value(Field::LastName)) {
            self.by_birth.entry(birth).or_insert(at);
        }
    }

    /// Holds those who join against them. The findings name both keys of each pair; what is returned is why a person has to look.
    pub fn compare(self, plan: &Plan, mut tell: impl FnMut(Finding)) -> Option<String> {
        let mut pairs = Vec::new();
        for joiner in &plan.joiners {
            let value = |field| joiner.fields.value(field);
            pairs.extend(self.pair(&joiner.key, Some(joiner.row()), value));
        }
        for back in &plan.revised {
            if back.kind == ChangeKind::Rehire {
                pairs.extend(self.pair(&back.key, None, |field| back.fields.value(field)));
            }
        }
        pairs.sort();
        let remedy = "If it is one person, give the old employee id back or tell whoever approves; if they are two, nothing.";
        for pair in pairs.iter().take(NAMED) {
            let message = format!(
                "\"{}\" would join and \"{}\" would leave with {}: this may be one person under another employee id.",
                pair.joiner, pair.leaver, pair.likeness
            );
            let finding = Finding {
                row: pair.row,
                ..Finding::file(code::CHANGED_ID, message, remedy)
            };
            tell(finding.with_severity(Severity::Warning));
        }
        (!pairs.is_empty()).then(|| {
            let people = match pairs.len() {
                1 => "1 person who would join looks like one who would leave".to_owned(),
                several => {
                    format!("{several} people who would join look like people who would leave")
                }
            };
            format!("{people}, under another employee id: the findings name both")
        })
    }

    fn pair<'a>(
        &self,
        key: &str,
        row: Option<u64>,
        value: impl Fn(Field) -> Option<&'a str>,
    ) -> Option<Pair> {
        let by_email = email(value(Field::WorkEmail)).and_then(|it| self.by_email.get(&it));
        let by_birth = birth(value(Field::BirthDate), value(Field::LastName))
            .and_then(|it| self.by_birth.get(&it));
        let (at, likeness) = match (by_email, by_birth) {
            (Some(at), _) => (at, "the same work e-mail"),
            (None, Some(at)) => (at, "the same birth date and last name"),
            (None, None) => return None,
        };
        Some(Pair {
            joiner: key.into(),
            row,
            leaver: self.keys.get(*at)?.clone(),
            likeness,
        })
    }
}

fn email(address: Option<&str>) -> Option<String> {
    address.filter(|it| !it.is_empty()).map(str::to_lowercase)
}

fn birth(date: Option<&str>, last_name: Option<&str>) -> Option<(String, String)> {
    let (date, name) = (date?, last_name?);
    let is_told = !date.is_empty() && !name.is_empty();
    is_told.then(|| (date.to_owned(), name.to_lowercase()))
}
