//! The laws of the history, over histories that somebody could have.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::parse::field::Field;

const FIELDS: [Field; 4] = [
    Field::FirstName,
    Field::City,
    Field::EmploymentStatus,
    Field::AnnualPay,
];

/// What a night brings for one person: whether they are employed, and the values of some fields, an empty one for none.
type Night = (bool, Vec<(usize, String)>);

fn nights() -> impl Strategy<Value = Vec<Night>> {
    vec(
        (any::<bool>(), vec((0..FIELDS.len(), "[a-c]?"), 0..4)),
        0..12,
    )
}

/// Lives through the nights as a run would: what there was after each, and the event of each that had one.
fn live(nights: &[Night]) -> (Vec<Option<State>>, Vec<(usize, Event)>) {
    let (mut states, mut events): (Vec<Option<State>>, _) = (Vec::new(), Vec::new());
    let mut now: Option<State> = None;
    for (at, (employed, values)) in nights.iter().enumerate() {
        let mut fields = now.as_ref().map(|it| it.fields.clone()).unwrap_or_default();
        for (field, value) in values {
            fields.set(FIELDS[*field], value);
        }
        let employment = if *employed {
            Employment::Employed
        } else {
            Employment::Left
        };
        let after = State { employment, fields };
        // Nobody joins by having left.
        if now.is_some() || *employed {
            if let Some((kind, fields)) = between(now.as_ref(), Some(&after)) {
                let emptied = false;
                events.push((
                    at,
                    Event {
                        kind,
                        fields,
                        emptied,
                    },
                ));
            }
            now = Some(after);
        }
        states.push(now.clone());
    }
    (states, events)
}

proptest! {
    #[test]
    fn replaying_a_history_gives_the_roster_of_every_night(nights in nights()) {
        let (states, events) = live(&nights);
        let mut now = None;
        let mut events = events.iter().peekable();
        for (at, state) in states.iter().enumerate() {
            if let Some((_, event)) = events.next_if(|(night, _)| *night == at) {
                now = Some(State::replay(now, event).unwrap());
            }
            prop_assert_eq!(&now, state);
        }
    }

    #[test]
    fn read_backwards_it_gives_the_same(nights in nights()) {
        let (states, events) = live(&nights);
        let Some(Some(last)) = states.last() else { return Ok(()) };
        for (at, state) in states.iter().enumerate() {
            let later = events.iter().rev().filter(|(night, _)| *night > at);
            let then = last.clone().before(later.map(|(_, event)| event)).unwrap();
            prop_assert_eq!(&then, state);
        }
    }

    #[test]
    fn an_undo_is_the_identity_but_for_who_had_joined_who_has_left_without_a_trace(nights in nights()) {
        let (_, events) = live(&nights);
        let mut before: Option<State> = None;
        for (_, event) in &events {
            let after = State::replay(before.clone(), event).unwrap();
            let (kind, fields, undone) = undo(&after, event).unwrap();
            let expected = before.clone().unwrap_or(State {
                employment: Employment::Left,
                fields: Fields::default(),
            });
            prop_assert_eq!(&undone, &expected);
            // The change that it writes leads there, and can be taken back itself.
            let back = Event { kind, fields, emptied: false };
            prop_assert_eq!(&State::replay(Some(after.clone()), &back).unwrap(), &undone);
            let (_, _, again) = undo(&undone, &back).unwrap();
            prop_assert_eq!(&again, &after);
            before = Some(after);
        }
    }

    #[test]
    fn what_lies_between_two_nights_leads_from_the_one_to_the_other(nights in nights()) {
        let (states, _) = live(&nights);
        for (at, from) in states.iter().enumerate() {
            let to = states.last().and_then(Option::as_ref);
            prop_assert!(between(from.as_ref(), from.as_ref()).is_none(), "night {}", at);
            match between(from.as_ref(), to) {
                Some((kind, fields)) => {
                    let event = Event { kind, fields, emptied: false };
                    let reached = State::replay(from.clone(), &event).unwrap();
                    prop_assert_eq!(Some(&reached), to);
                }
                None => prop_assert!(from.as_ref() == to || from.is_none()),
            }
        }
    }
}

#[test]
fn what_has_lost_its_values_is_not_made_up() {
    let now = State {
        employment: Employment::Left,
        fields: Fields::default(),
    };
    let mut event = Event {
        kind: ChangeKind::Leaver,
        fields: FieldChanges::default(),
        emptied: true,
    };
    assert_eq!(now.clone().rewind(&event), Err(Gap::Emptied));
    assert_eq!(undo(&now, &event), Err(Gap::Emptied));
    event.emptied = false;
    assert!(undo(&now, &event).is_ok());
    // A history that does not lead to what is stored is not followed either.
    event.kind = ChangeKind::Rehire;
    assert_eq!(undo(&now, &event), Err(Gap::Broken));
    event.kind = ChangeKind::Leaver;
    let mut elsewhere = Fields::default();
    elsewhere.set(Field::City, "Ulm");
    event.fields = FieldChanges::between(&Fields::default(), &elsewhere);
    assert_eq!(undo(&now, &event), Err(Gap::Broken));
}
