//! Pure. What a file changes in the roster of its data source.
//!
//! Told first who is known ([`Diff::know`]), then every row ([`Diff::recognise`], [`Diff::record`], [`Diff::refused`]), it answers in [`Diff::finish`]. It
//! works hash first, twice: a row that reads to the letter as it did the last time is not even checked, and of one that says the same in other
//! letters only that is kept. So time and memory go with the changes and not with the file. A row that may change its person becomes a
//! [`Candidate`], to be compared with the stored fields by whoever can load them.
//!
//! Order of rows makes no difference: a key counts once, however its rows lie.

mod repeats;

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;
use serde::Serialize;

use crate::parse::check::Verbatim;
use crate::parse::field::Field;
use crate::parse::finding::Finding;
use crate::parse::record::{KeyOf, Record, Standing, Values};
use crate::roster::due::{Due, End, Ending, Turn};
use crate::roster::person::{
    ChangeKind, Employment, FieldChanges, Fields, Known, RowHash, RowHashes,
};
use crate::roster::plan::Plan;
use crate::roster::safeguard::Removal;

use repeats::Repeats;

/// How many rows and people a run was about.
///
/// Invariant: `rows` = joiners + movers + unchanged + refused rows + skipped + collapsed + leavers by a status in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    pub rows: u64,
    pub joiners: u64,
    pub movers: u64,
    pub leavers: u64,
    pub unchanged: u64,
    pub refused_rows: u64,
    pub skipped: u64,
    pub collapsed: u64,
}

impl Counts {
    /// Whether somebody joined, changed or left.
    pub fn any_change(&self) -> bool {
        self.joiners > 0 || self.movers > 0 || self.leavers > 0
    }

    /// Takes a change.
    pub fn count(&mut self, kind: ChangeKind) {
        match kind {
            ChangeKind::Joiner | ChangeKind::Rehire => self.joiners += 1,
            ChangeKind::Mover => self.movers += 1,
            ChangeKind::Leaver => self.leavers += 1,
        }
    }
}

/// What it means that somebody is not in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// The person has left: the file lists everybody.
    Leaves,
    /// Nothing: the file lists changes, or says of everybody in it whether they are employed.
    Stays,
}

/// Compares one file with the roster.
#[derive(Debug)]
pub struct Diff {
    absence: Absence,
    /// Where the tenant is.
    today: Date,
    /// Key of the row hashes.
    rules: [u8; 32],
    /// A row as it is hashed; one buffer for all.
    said: Vec<u8>,
    people: HashMap<Box<str>, Slot>,
    /// Of whom nothing is known but the key.
    stubs: HashSet<Box<str>>,
    repeats: Repeats,
    candidates: Vec<Candidate>,
    /// Unchanged people whose row reads otherwise than before.
    reworded: Vec<(Box<str>, i64, RowHashes)>,
    rows: u64,
    refused_rows: u64,
    unreadable_keys: u64,
    /// Keys of broken rows, one a row.
    doubtful: Vec<Box<str>>,
}

/// What is known of a key. Invariant: one of the two is there.
#[derive(Debug)]
struct Slot {
    known: Option<Known>,
    first: Option<First>,
}

/// The first row of a key.
#[derive(Debug, Clone, Copy)]
struct First {
    row: u64,
    said: Said,
    fate: Fate,
}

/// What entering a row into the slots showed.
enum Entered {
    /// It is the first of its key, and this is who that is.
    First(Option<Known>),
    Repeat,
}

/// What a row said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// Something that passed its checks.
    Fields(RowHash),
    /// Something that did not.
    Nonsense,
}

/// What a key's row comes to if it stays the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Unchanged,
    Skipped,
    Candidate,
    Refused,
}

/// A row that may change its person, or bring a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub key: Box<str>,
    known: Option<Known>,
    pub hashes: RowHashes,
    pub fields: Values,
    row: u64,
    /// Employed still, whatever the status, when the end is to come.
    standing: Standing,
    end: End,
    /// The status counts from the end on, which is to come.
    status_waits: bool,
}

/// What comparing a candidate with the stored fields gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// The row reads otherwise than the last one, but nothing of it is news.
    Unchanged,
    Changed(ChangeKind, FieldChanges),
}

/// What the file alone says; some rows are still to be compared with what is stored.
#[derive(Debug)]
pub struct Draft {
    /// Without those rows.
    pub plan: Plan,
    /// Rows of known people, in their order.
    pub undecided: Vec<(Known, Candidate)>,
    pub removal: Removal,
}

impl Diff {
    /// Nobody known, nothing read. `mapping` is the digest of the rules that make records of rows: under other rules a row has another hash.
    pub fn new(mapping: &str) -> Self {
        Self {
            absence: Absence::Leaves,
            // Nothing is in the future.
            today: Date::MAX,
            rules: *blake3::hash(mapping.as_bytes()).as_bytes(),
            said: Vec::new(),
            people: HashMap::new(),
            stubs: HashSet::new(),
            repeats: Repeats::default(),
            candidates: Vec::new(),
            reworded: Vec::new(),
            rows: 0,
            refused_rows: 0,
            unreadable_keys: 0,
            doubtful: Vec::new(),
        }
    }

    /// The same with another meaning of absence.
    #[must_use]
    pub fn where_absence(self, absence: Absence) -> Self {
        Self { absence, ..self }
    }

    /// The same for a file that is read on this day: an end of employment after it is still to come.
    #[must_use]
    pub fn on(self, today: Date) -> Self {
        Self { today, ..self }
    }

    /// Takes note of a person of this data source. To be called before the first row.
    pub fn know(&mut self, key: Box<str>, known: Known) {
        let slot = Slot {
            known: Some(known),
            first: None,
        };
        self.people.insert(key, slot);
    }

    /// Takes note of people of whom nothing is known but that a row named them: their own row is still to come, so nothing follows from its absence.
    pub fn know_stubs(&mut self, keys: impl IntoIterator<Item = Box<str>>) {
        self.stubs.extend(keys);
    }

    /// Takes a row that reads to the letter as the last one of its person did, and says whether it is such a row; all others want checking first.
    pub fn recognise(&mut self, row: u64, verbatim: Verbatim<'_>) -> bool {
        let known = self.people.get(verbatim.key).and_then(|slot| slot.known);
        // Of somebody who has left the row may be a leaver's or a rehire's: that is read in it.
        let Some(known) = known.filter(|known| {
            known.employment == Employment::Employed && known.hashes.verbatim == Some(verbatim.hash)
        }) else {
            return false;
        };
        self.rows += 1;
        let said = Said::Fields(known.hashes.said);
        self.enter(verbatim.key, row, said, |_| Fate::Unchanged);
        true
    }

    /// Takes a row that passed its checks. `verbatim` is how it reads, if they found nothing to say about it.
    pub fn record(&mut self, record: &Record<'_>, verbatim: Option<RowHash>) {
        self.rows += 1;
        let hash = self.hash(record);
        let said = Said::Fields(hash);
        let end = End::of(record.fields, self.today);
        let status_waits = end.is_ahead() && record.standing == Standing::Inactive;
        let standing = if status_waits {
            Standing::Active
        } else {
            record.standing
        };
        let Entered::First(known) = self.enter(record.key(), record.row, said, |known| {
            fate(known, standing, hash)
        }) else {
            return;
        };
        // With its status to come, the row says another thing than is stored, and another one tomorrow.
        let verbatim = verbatim.filter(|_| !status_waits);
        let hashes = RowHashes {
            said: hash,
            verbatim,
        };
        match (fate(known, standing, hash), known) {
            (Fate::Candidate, _) => self.candidates.push(Candidate {
                key: record.key().into(),
                known,
                hashes,
                fields: record.fields.kept(),
                row: record.row,
                standing,
                end,
                status_waits,
            }),
            (Fate::Unchanged, Some(known))
                if verbatim.is_some() && verbatim != known.hashes.verbatim =>
            {
                self.reworded.push((record.key().into(), known.id, hashes));
            }
            _ => {}
        }
    }

    /// Takes a row that is not looked into, whatever it says: nobody joins, changes or leaves by it.
    pub fn leave_out(&mut self, row: u64, key: &str) {
        self.rows += 1;
        self.enter(key, row, Said::Fields(RowHash::default()), |_| {
            Fate::Skipped
        });
    }

    /// Takes a row that did not pass its checks. Its person, as far as known, counts as present.
    pub fn refused(&mut self, row: u64, key: &KeyOf) {
        self.rows += 1;
        self.refused_rows += 1;
        match key {
            KeyOf::Sure(key) => {
                self.enter(key, row, Said::Nonsense, |_| Fate::Refused);
            }
            KeyOf::Doubtful(key) => {
                self.doubtful.push(key.as_str().into());
                self.enter(key, row, Said::Nonsense, |_| Fate::Refused);
            }
            KeyOf::Unreadable => self.unreadable_keys += 1,
        }
    }

    /// Broken rows whose key is not to be believed: it is nobody's who is employed, or of somebody who has another row.
    fn disbelieved(&self) -> u64 {
        let disbelieved = self.doubtful.iter().filter(|key| {
            let known = self.people.get(*key).and_then(|slot| slot.known);
            known.is_none_or(|known| known.employment == Employment::Left) || self.repeats.has(key)
        });
        disbelieved.count() as u64
    }

    /// Notes a row of `key`, and says who that is if it is the first one.
    fn enter(
        &mut self,
        key: &str,
        row: u64,
        said: Said,
        fate: impl FnOnce(Option<Known>) -> Fate,
    ) -> Entered {
        // Looked up twice for a new key, to spare every known one an allocation.
        let Some(slot) = self.people.get_mut(key) else {
            let first = Some(First {
                row,
                said,
                fate: fate(None),
            });
            self.people.insert(key.into(), Slot { known: None, first });
            return Entered::First(None);
        };
        match slot.first {
            None => {
                slot.first = Some(First {
                    row,
                    said,
                    fate: fate(slot.known),
                });
                Entered::First(slot.known)
            }
            Some(first) => {
                self.repeats.note(key, (first.row, first.said), (row, said));
                Entered::Repeat
            }
        }
    }

    /// The changes, once every row was told. What is wrong with repeated keys goes to `tell`.
    pub fn finish(self, mut tell: impl FnMut(Finding)) -> Draft {
        let unreadable_keys = match self.absence {
            Absence::Leaves => self.unreadable_keys + self.disbelieved(),
            // Whoever leaves has a row that says so, and it is nobody else's.
            Absence::Stays => 0,
        };
        let verdict = self.repeats.judge(&mut tell);
        let mut counts = Counts {
            rows: self.rows,
            refused_rows: self.refused_rows + verdict.refused_rows,
            collapsed: verdict.collapsed,
            ..Counts::default()
        };
        let mut absent = Vec::new();
        let mut employed_before = 0;
        for (key, slot) in self.people {
            let employed = slot
                .known
                .filter(|known| known.employment == Employment::Employed);
            employed_before += u64::from(employed.is_some());
            match slot.first.map(|first| first.fate) {
                None if self.absence == Absence::Stays || self.stubs.contains(&key) => {}
                None => absent.extend(employed.map(|known| (key, known))),
                Some(Fate::Candidate | Fate::Refused) => {}
                Some(_) if verdict.conflicting.contains(&key) => {}
                Some(Fate::Unchanged) => counts.unchanged += 1,
                Some(Fate::Skipped) => counts.skipped += 1,
            }
        }
        absent.sort_unstable_by_key(|(_, known)| known.id);
        counts.leavers = absent.len() as u64;
        let mut plan = Plan {
            counts,
            absent,
            rehashed: self
                .reworded
                .into_iter()
                .filter(|(key, ..)| !verdict.conflicting.contains(key))
                .map(|(_, id, hashes)| (id, hashes))
                .collect(),
            ..Plan::default()
        };
        let mut leavers = counts.leavers;
        let mut undecided = Vec::new();
        let mut candidates = self.candidates;
        candidates.retain(|candidate| !verdict.conflicting.contains(&candidate.key));
        candidates.sort_by_key(|candidate| candidate.row);
        for candidate in candidates {
            leavers += u64::from(candidate.kind() == Some(ChangeKind::Leaver));
            match candidate.known {
                None => plan.join(candidate),
                Some(known) => undecided.push((known, candidate)),
            }
        }
        Draft {
            plan,
            undecided,
            removal: Removal {
                leavers,
                employed_before,
                unreadable_keys,
            },
        }
    }

    fn hash(&mut self, record: &Record<'_>) -> RowHash {
        self.said.clear();
        self.said
            .push(u8::from(record.standing == Standing::Active));
        self.say(record.key());
        for (field, value) in record.fields.iter() {
            self.say(field.name());
            self.say(value);
        }
        let hash = blake3::keyed_hash(&self.rules, &self.said);
        let mut short = RowHash::default();
        let length = short.len();
        short.copy_from_slice(&hash.as_bytes()[..length]);
        short
    }

    /// Each text with its length before it, so that no two lists of texts look alike.
    fn say(&mut self, text: &str) {
        self.said
            .extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.said.extend_from_slice(text.as_bytes());
    }
}

fn fate(known: Option<Known>, standing: Standing, hash: RowHash) -> Fate {
    match (known, standing) {
        (None, Standing::Inactive) => Fate::Skipped,
        (None, Standing::Active) => Fate::Candidate,
        (Some(known), standing) => {
            let same = (known.employment == Employment::Employed) == (standing == Standing::Active);
            if same && known.hashes.said == hash {
                Fate::Unchanged
            } else {
                Fate::Candidate
            }
        }
    }
}

impl Candidate {
    /// What it is whatever its fields say; nothing when that depends on them.
    pub fn kind(&self) -> Option<ChangeKind> {
        let known = self.known.map(|known| known.employment);
        match (known, self.standing) {
            (None, _) => Some(ChangeKind::Joiner),
            (Some(Employment::Left), Standing::Active) => Some(ChangeKind::Rehire),
            (Some(Employment::Employed), Standing::Inactive) => Some(ChangeKind::Leaver),
            (Some(_), _) => None,
        }
    }

    /// What the row calls its person.
    pub fn name(&self) -> Option<String> {
        let mut fields = Fields::default();
        for (field, value) in self.fields.iter().filter(|(field, _)| field.is_name()) {
            fields.set(field, value);
        }
        fields.name()
    }

    /// Where it stands in the file.
    pub const fn row(&self) -> u64 {
        self.row
    }

    /// Whether it says that the person is employed for now.
    pub fn says_employed(&self) -> bool {
        self.standing == Standing::Active
    }

    /// The change of somebody of whom nothing is stored.
    pub fn all_new(&self) -> FieldChanges {
        self.changes(&Fields::default())
    }

    /// Compares the row with what is stored; fields that the file does not have are left alone.
    pub fn compare(&self, stored: &Fields, ending: Option<&Ending>) -> Compared {
        let changes = self.changes(stored);
        match self.kind() {
            Some(ChangeKind::Rehire) if self.is_still_gone(stored, ending) => {
                if changes.is_empty() {
                    Compared::Unchanged
                } else {
                    Compared::Changed(ChangeKind::Mover, changes)
                }
            }
            Some(kind) => Compared::Changed(kind, changes),
            None if changes.is_empty() => Compared::Unchanged,
            None => Compared::Changed(ChangeKind::Mover, changes),
        }
    }

    /// Whether somebody who has left on a day that was told in advance is not back, although the row says employed, as it did before: it still tells
    /// of that day, and of no hire after it.
    fn is_still_gone(&self, stored: &Fields, ending: Option<&Ending>) -> bool {
        let says_employed = self.standing == Standing::Active;
        let tells_no_other_end = matches!(self.end, End::Past(_) | End::Untold);
        if ending != Some(&Ending::Past) || !says_employed || !tells_no_other_end {
            return false;
        }
        let now = |field| match self.fields.value(field) {
            Some(value) => value,
            None => stored.value(field).unwrap_or_default(),
        };
        // Canonical dates sort as text.
        now(Field::HireDate) <= now(Field::TerminationDate)
    }

    /// What is to come of the end that a joiner's row tells.
    pub fn due(&self) -> Option<Due> {
        self.due_instead_of(None)
    }

    /// What is to come once the row is taken, for somebody who is employed then, of whom `before` was known.
    fn due_instead_of(&self, before: Option<&Due>) -> Option<Due> {
        let status = self.fields.value(Field::EmploymentStatus);
        let status = status.filter(|_| self.status_waits).map(str::to_owned);
        let on = match (self.end, before) {
            // Told in advance once, it may move to a day that has come.
            (End::Ahead(on), _) | (End::Past(on), Some(_)) => on,
            (End::Untold, Some(before)) => before.on,
            (End::Past(_) | End::Untold, None) | (End::Never, _) => return None,
        };
        Some(Due { on, status })
    }

    /// What becomes of what is known of the person's end once `compared` is written.
    pub(super) fn ending_after(
        &self,
        stored: &Fields,
        compared: &Compared,
        before: Option<&Ending>,
    ) -> Turn {
        let kind = match compared {
            Compared::Changed(kind, _) => Some(*kind),
            Compared::Unchanged => None,
        };
        let was = self.known.map(|known| known.employment);
        let is = kind.and_then(ChangeKind::employment).or(was);
        let (due, after) = match before {
            Some(Ending::Ahead(due)) => (Some(due), self.due_instead_of(Some(due))),
            Some(Ending::Past) | None => (None, self.due_instead_of(None)),
        };
        let after = after.filter(|_| is == Some(Employment::Employed));
        if is == Some(Employment::Left) && self.is_still_gone(stored, before)
            || before.is_none() && after.is_none()
            || due.is_some() && due == after.as_ref()
        {
            return Turn::Stays;
        }
        Turn::Becomes(after)
    }

    fn changes(&self, stored: &Fields) -> FieldChanges {
        let mut changes = FieldChanges::default();
        for (field, value) in self.fields.iter() {
            if field == Field::EmploymentStatus && self.status_waits {
                continue;
            }
            changes.note(stored, field, value);
        }
        changes
    }
}

#[cfg(test)]
mod tests;
