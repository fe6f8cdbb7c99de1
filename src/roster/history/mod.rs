//! Pure. A person's history, read backwards and forwards: what somebody was at a time, what lies between two times, and how a run is taken back.
//!
//! Read backwards, from what is stored now, so that the past needs no values but those of the changes since: older ones may have lost theirs.

use crate::roster::person::{ChangeKind, Employment, FieldChanges, Fields};

/// What somebody is, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub employment: Employment,
    pub fields: Fields,
}

/// One line of somebody's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub kind: ChangeKind,
    pub fields: FieldChanges,
    /// Its values were erased: that there was a change is all that is known.
    pub emptied: bool,
}

/// Why what somebody was cannot be told, or not be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// The values were erased.
    Emptied,
    /// The history and what is stored do not fit together.
    Broken,
}

impl State {
    /// Goes back over the last change. `None`: before it nobody was there.
    pub fn rewind(mut self, last: &Event) -> Result<Option<Self>, Gap> {
        if last.emptied {
            return Err(Gap::Emptied);
        }
        if last
            .kind
            .employment()
            .is_some_and(|after| after != self.employment)
        {
            return Err(Gap::Broken);
        }
        last.fields.revert(&mut self.fields).ok_or(Gap::Broken)?;
        self.employment = match last.kind {
            ChangeKind::Joiner => return Ok(None),
            ChangeKind::Rehire => Employment::Left,
            ChangeKind::Leaver => Employment::Employed,
            ChangeKind::Mover => self.employment,
        };
        Ok(Some(self))
    }

    /// Goes on over the next change. A joiner begins with nothing.
    pub fn replay(before: Option<Self>, next: &Event) -> Result<Self, Gap> {
        if next.emptied {
            return Err(Gap::Emptied);
        }
        let before = match (before, next.kind) {
            (None, ChangeKind::Joiner) => Self {
                employment: Employment::Employed,
                fields: Fields::default(),
            },
            (Some(before), kind) if kind != ChangeKind::Joiner => before,
            _ => return Err(Gap::Broken),
        };
        let mut after = before;
        next.fields.apply(&mut after.fields);
        after.employment = next.kind.employment().unwrap_or(after.employment);
        Ok(after)
    }

    /// What it was before `later`, the newest of which comes first.
    pub fn before<'a>(
        self,
        later: impl IntoIterator<Item = &'a Event>,
    ) -> Result<Option<Self>, Gap> {
        let mut state = Some(self);
        for event in later {
            // Nothing comes before a joiner.
            state = state.ok_or(Gap::Broken)?.rewind(event)?;
        }
        Ok(state)
    }

    fn is_employed(&self) -> bool {
        self.employment == Employment::Employed
    }
}

/// What lies between two times, as one change; nothing where nobody would see a difference.
pub fn between(
    before: Option<&State>,
    after: Option<&State>,
) -> Option<(ChangeKind, FieldChanges)> {
    let nothing = Fields::default();
    let fields =
        |state: Option<&State>| state.map_or_else(|| nothing.clone(), |it| it.fields.clone());
    let changes = FieldChanges::between(&fields(before), &fields(after));
    let kind = match (before, after.filter(|it| it.is_employed())) {
        (None, Some(_)) => ChangeKind::Joiner,
        (Some(before), Some(_)) if !before.is_employed() => ChangeKind::Rehire,
        (Some(before), None) if before.is_employed() => ChangeKind::Leaver,
        (Some(_), _) if !changes.is_empty() => ChangeKind::Mover,
        _ => return None,
    };
    Some((kind, changes))
}

/// Takes the last change of somebody back: the change that does it, and what the person is afterwards.
///
/// Whoever had joined has left then, with nothing stored of them: the person stays, because the history names them.
pub fn undo(now: &State, last: &Event) -> Result<(ChangeKind, FieldChanges, State), Gap> {
    let before = now.clone().rewind(last)?.unwrap_or(State {
        employment: Employment::Left,
        fields: Fields::default(),
    });
    let kind = match last.kind {
        ChangeKind::Joiner | ChangeKind::Rehire => ChangeKind::Leaver,
        ChangeKind::Leaver => ChangeKind::Rehire,
        ChangeKind::Mover => ChangeKind::Mover,
    };
    Ok((kind, last.fields.clone().reversed(), before))
}

#[cfg(test)]
mod tests;
