//! Pure. What a run does to the roster, ready to be written in one transaction.

use crate::parse::field::Field;
use crate::roster::diff::{Candidate, Compared, Counts};
use crate::roster::due::{Due, Ending, Turn};
use crate::roster::person::{
    Change, ChangeKind, Employment, FieldChanges, Fields, Known, RowHashes,
};

/// Every change of a run. Who is in none of the lists stays as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    pub counts: Counts,
    /// In the order of their rows.
    pub joiners: Vec<Candidate>,
    /// Known people of the file who move, leave or come back.
    pub revised: Vec<Revised>,
    /// Known people whose row reads otherwise without saying anything new.
    pub rehashed: Vec<(i64, RowHashes)>,
    /// Leavers who are not in the file.
    pub absent: Vec<(Box<str>, Known)>,
    /// Known people whose end is told in advance, is told otherwise than before, or is withdrawn.
    pub due: Vec<(i64, Option<Due>)>,
    /// Keys of people whose next rows are to be compared with what is stored, although they say what they say now: until their manager is somebody.
    pub loose: Vec<Box<str>>,
    /// People whom rows name and nobody knows, each with all that there is to say of them.
    pub stubs: Vec<(Box<str>, FieldChanges)>,
}

/// A known person after the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revised {
    pub person: i64,
    pub key: Box<str>,
    pub kind: ChangeKind,
    pub changes: FieldChanges,
    /// As they are to be stored.
    pub fields: Fields,
    pub hashes: RowHashes,
}

impl Plan {
    /// Takes a joiner.
    pub fn join(&mut self, candidate: Candidate) {
        self.counts.count(ChangeKind::Joiner);
        self.joiners.push(candidate);
    }

    /// Takes a known person's row, to be compared with what is stored of the person, and what is known of the person's end.
    pub fn decide(
        &mut self,
        person: i64,
        candidate: Candidate,
        mut stored: Fields,
        ending: Option<&Ending>,
    ) {
        let compared = candidate.compare(&stored, ending);
        if let Turn::Becomes(due) = candidate.ending_after(&stored, &compared, ending) {
            self.due.push((person, due));
        }
        match compared {
            Compared::Unchanged => {
                self.counts.unchanged += 1;
                self.rehashed.push((person, candidate.hashes));
            }
            Compared::Changed(kind, changes) => {
                self.counts.count(kind);
                changes.apply(&mut stored);
                self.revised.push(Revised {
                    person,
                    key: candidate.key,
                    kind,
                    changes,
                    fields: stored,
                    hashes: candidate.hashes,
                });
            }
        }
    }

    /// Whether anybody is another one afterwards.
    pub fn any_change(&self) -> bool {
        self.counts.any_change() || !self.stubs.is_empty()
    }

    /// Takes somebody whom a row names and nobody knows: active, with their id and no more (R3.21, R3.22).
    pub fn stub(&mut self, key: Box<str>) {
        let mut changes = FieldChanges::default();
        changes.note(&Fields::default(), Field::EmployeeId, &key);
        changes.note(&Fields::default(), Field::EmploymentStatus, "active");
        self.stubs.push((key, changes));
    }

    /// Takes somebody employed whose end has come.
    pub fn end(&mut self, person: i64, key: Box<str>, due: Due, mut stored: Fields) {
        self.counts.count(ChangeKind::Leaver);
        let Some(status) = due.status else {
            let known = Known {
                id: person,
                employment: Employment::Employed,
                hashes: RowHashes::NONE,
            };
            self.absent.push((key, known));
            return;
        };
        let mut changes = FieldChanges::default();
        changes.note(&stored, Field::EmploymentStatus, &status);
        changes.apply(&mut stored);
        // The file says already that the person is employed no more; there is nothing left to remember.
        self.due.push((person, None));
        self.revised.push(Revised {
            person,
            key,
            kind: ChangeKind::Leaver,
            changes,
            fields: stored,
            hashes: RowHashes::NONE,
        });
    }

    /// The changes as the history will tell them.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let joiners = self.joiners.iter().map(|candidate| Change {
            kind: ChangeKind::Joiner,
            employee_id: candidate.key.to_string(),
            name: candidate.name(),
            fields: candidate.all_new(),
        });
        let revised = self.revised.iter().map(|revised| Change {
            kind: revised.kind,
            employee_id: revised.key.to_string(),
            name: revised.fields.name(),
            fields: revised.changes.clone(),
        });
        let absent = self.absent.iter().map(|(key, _)| Change {
            kind: ChangeKind::Leaver,
            employee_id: key.to_string(),
            // Nothing else of them was read.
            name: None,
            fields: FieldChanges::default(),
        });
        let stubs = self.stubs.iter().map(|(key, changes)| Change {
            kind: ChangeKind::Joiner,
            employee_id: key.to_string(),
            // Only its key is known.
            name: None,
            fields: changes.clone(),
        });
        joiners.chain(revised).chain(absent).chain(stubs)
    }
}
