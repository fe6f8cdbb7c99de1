//! The laws of the diff, and each kind of change by example.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::parse::field::Field;
use crate::parse::finding::code;

/// A roster in memory: employment, hashes of the last row, fields; by key.
type Roster = BTreeMap<String, (Employment, RowHashes, Fields)>;

/// A row of a test file: a record, or a refused one.
#[derive(Debug, Clone)]
enum Row {
    /// In these letters: the same can be written in several ways.
    Good(Told, Letters),
    Bad(Option<String>),
}

/// How a row is written.
#[derive(Debug, Clone, Copy)]
enum Letters {
    Plain,
    /// Say, with a blank behind a cell.
    Padded,
    /// In a way that the checks had something to say about.
    Odd,
}

impl Letters {
    /// The row to the letter, if it may be taken unchecked another time.
    fn hash(self, record: &Told, mapping: &str) -> Option<RowHash> {
        let padded = match self {
            Self::Plain => false,
            Self::Padded => true,
            Self::Odd => return None,
        };
        let text = format!(
            "{mapping} {padded} {:?} {:?}",
            record.standing,
            record.fields.iter().collect::<Vec<_>>()
        );
        let hash = blake3::hash(text.as_bytes());
        hash.as_bytes().first_chunk().copied()
    }
}

#[derive(Debug)]
struct Outcome {
    counts: Counts,
    /// By key, as the roster does not care for the order of rows.
    changes: BTreeMap<String, (ChangeKind, FieldChanges)>,
    leavers_by_status: u64,
    codes: Vec<(Option<u64>, String)>,
    after: Roster,
}

fn record(row: u64, key: &str, standing: Standing, city: &str) -> Told {
    Told {
        row,
        standing,
        fields: Values::from([(Field::EmployeeId, key), (Field::City, city)]),
    }
}

/// A record that is kept.
#[derive(Debug, Clone)]
struct Told {
    row: u64,
    standing: Standing,
    fields: Values,
}

impl Told {
    fn record(&self) -> Record<'_> {
        Record {
            row: self.row,
            standing: self.standing,
            fields: self.fields.seen(),
        }
    }
}

fn good(row: u64, key: &str, city: &str) -> Row {
    Row::Good(record(row, key, Standing::Active, city), Letters::Plain)
}

fn inactive(row: u64, key: &str, city: &str) -> Row {
    Row::Good(record(row, key, Standing::Inactive, city), Letters::Plain)
}

/// Diffs `rows` against `before`, and applies what that gives.
fn run(before: &Roster, rows: &[Row], mapping: &str) -> Outcome {
    compare(before, rows, mapping, |diff, record, hash| {
        let verbatim = Verbatim {
            key: record.key(),
            hash,
        };
        diff.recognise(record.row, verbatim)
    })
}

/// The same with every row checked, whatever it reads like.
fn run_checking_all(before: &Roster, rows: &[Row], mapping: &str) -> Outcome {
    compare(before, rows, mapping, |_, _, _| false)
}

fn compare(
    before: &Roster,
    rows: &[Row],
    mapping: &str,
    recognise: impl Fn(&mut Diff, &Record<'_>, RowHash) -> bool,
) -> Outcome {
    let mut diff = Diff::new(mapping);
    let ids: Vec<&String> = before.keys().collect();
    for (id, (key, (employment, hashes, _))) in before.iter().enumerate() {
        let known = Known {
            id: i64::try_from(id).unwrap(),
            employment: *employment,
            hashes: *hashes,
        };
        diff.know(key.as_str().into(), known);
    }
    for (at, row) in rows.iter().enumerate() {
        match row {
            Row::Good(record, letters) => {
                let verbatim = letters.hash(record, mapping);
                let record = record.record();
                if !verbatim.is_some_and(|hash| recognise(&mut diff, &record, hash)) {
                    diff.record(&record, verbatim);
                }
            }
            Row::Bad(key) => {
                let key = key.clone().map_or(KeyOf::Unreadable, KeyOf::Sure);
                diff.refused(at as u64 + 2, &key);
            }
        }
    }
    let mut codes = Vec::new();
    let draft = diff.finish(|finding| codes.push((finding.row, finding.code)));
    codes.sort();
    let mut plan = draft.plan;
    let absent_leavers = plan.counts.leavers;
    for (known, candidate) in draft.undecided {
        let fields = before[ids[usize::try_from(known.id).unwrap()]].2.clone();
        plan.decide(known.id, candidate, fields, None);
    }
    assert_eq!(plan.counts.leavers, draft.removal.leavers);
    let mut after = before.clone();
    for joiner in &plan.joiners {
        let mut fields = Fields::default();
        joiner.all_new().apply(&mut fields);
        let person = (Employment::Employed, joiner.hashes, fields);
        assert_eq!(after.insert(joiner.key.to_string(), person), None);
    }
    for (id, hashes) in &plan.rehashed {
        after.get_mut(ids[usize::try_from(*id).unwrap()]).unwrap().1 = *hashes;
    }
    for revised in &plan.revised {
        let person = after.get_mut(&*revised.key).unwrap();
        let employment = revised.kind.employment().unwrap_or(person.0);
        *person = (employment, revised.hashes, revised.fields.clone());
    }
    for (key, _) in &plan.absent {
        after.get_mut(&**key).unwrap().0 = Employment::Left;
    }
    Outcome {
        leavers_by_status: plan.counts.leavers - absent_leavers,
        counts: plan.counts,
        changes: plan
            .changes()
            .map(|change| (change.employee_id, (change.kind, change.fields)))
            .collect(),
        codes,
        after,
    }
}

fn kinds(outcome: &Outcome) -> Vec<(&str, ChangeKind)> {
    outcome
        .changes
        .iter()
        .map(|(key, (kind, _))| (key.as_str(), *kind))
        .collect()
}

fn start(rows: &[Row]) -> Roster {
    run(&Roster::new(), rows, "m").after
}

#[test]
fn joiners_changes_leavers_and_rehires_are_told_apart() {
    let first = start(&[
        good(2, "1", "Ulm"),
        good(3, "2", "Bonn"),
        good(4, "3", "Köln"),
    ]);
    let second = run(
        &first,
        &[
            good(2, "1", "Ulm"),
            good(3, "2", "Trier"),
            good(4, "4", "Jena"),
        ],
        "m",
    );
    assert_eq!(
        kinds(&second),
        [
            ("2", ChangeKind::Mover),
            ("3", ChangeKind::Leaver),
            ("4", ChangeKind::Joiner)
        ]
    );
    let third = run(
        &second.after,
        &[
            good(2, "1", "Ulm"),
            good(3, "3", "Köln"),
            inactive(4, "2", "Trier"),
        ],
        "m",
    );
    assert_eq!(
        kinds(&third),
        [
            ("2", ChangeKind::Leaver),
            ("3", ChangeKind::Rehire),
            ("4", ChangeKind::Leaver)
        ]
    );
    assert_eq!(third.counts.joiners, 1);
    assert_eq!(third.leavers_by_status, 1);
}

#[test]
fn whoever_is_unknown_and_inactive_is_skipped_and_who_has_left_can_still_change() {
    let first = start(&[good(2, "1", "Ulm")]);
    let gone = run(
        &first,
        &[inactive(2, "1", "Ulm"), inactive(3, "2", "Bonn")],
        "m",
    );
    assert_eq!(kinds(&gone), [("1", ChangeKind::Leaver)]);
    assert_eq!(gone.counts.skipped, 1);
    let again = run(&gone.after, &[inactive(2, "1", "Ulm")], "m");
    assert_eq!(again.counts.unchanged, 1);
    let moved = run(&gone.after, &[inactive(2, "1", "Bonn")], "m");
    assert_eq!(kinds(&moved), [("1", ChangeKind::Mover)]);
    assert_eq!(moved.after["1"].0, Employment::Left);
}

#[test]
fn differing_rows_of_one_key_are_all_refused_and_nobody_leaves_for_it() {
    let first = start(&[good(2, "1", "Ulm"), good(3, "2", "Bonn")]);
    let rows = [
        good(2, "1", "Ulm"),
        good(3, "2", "Bonn"),
        good(4, "2", "Trier"),
        good(5, "2", "Bonn"),
    ];
    let outcome = run(&first, &rows, "m");
    assert!(outcome.changes.is_empty());
    assert_eq!(outcome.counts.refused_rows, 3);
    assert_eq!(outcome.counts.collapsed, 0);
    let codes: Vec<_> = [3, 4, 5]
        .map(|row| (Some(row), code::UNIQUE_ERROR.to_owned()))
        .into();
    assert_eq!(outcome.codes, codes);
}

#[test]
fn identical_copies_count_once_with_a_warning() {
    let rows = [
        good(2, "1", "Ulm"),
        good(3, "1", "Ulm"),
        good(4, "1", "Ulm"),
    ];
    let outcome = run(&Roster::new(), &rows, "m");
    assert_eq!(kinds(&outcome), [("1", ChangeKind::Joiner)]);
    assert_eq!(outcome.counts.collapsed, 2);
    assert_eq!(outcome.codes[0], (Some(3), code::DUPLICATE_ROW.to_owned()));
}

#[test]
fn a_finding_about_a_repeated_key_names_few_rows() {
    let mut diff = Diff::new("m");
    for row in 2..10 {
        diff.record(
            &record(row, "1", Standing::Active, &format!("{row}")).record(),
            None,
        );
    }
    let mut messages = Vec::new();
    diff.finish(|finding| messages.push(finding.message));
    assert_eq!(
        messages[0],
        "The same employee id stands in rows 3, 4, 5, 6, 7 and 2 more with other values, so none of these rows was taken."
    );
}

#[test]
fn a_refused_row_keeps_its_person_and_a_good_row_of_the_same_key_is_not_trusted() {
    let first = start(&[good(2, "1", "Ulm"), good(3, "2", "Bonn")]);
    let rows = [
        good(2, "1", "Trier"),
        Row::Bad(Some("1".to_owned())),
        Row::Bad(Some("2".to_owned())),
        Row::Bad(None),
    ];
    let outcome = run(&first, &rows, "m");
    assert!(outcome.changes.is_empty());
    assert_eq!(outcome.counts.refused_rows, 4);
}

#[test]
fn fields_that_the_file_lacks_are_left_alone_and_empty_ones_are_cleared() {
    let mut first = start(&[good(2, "1", "Ulm")]);
    first.get_mut("1").unwrap().2.set(Field::JobTitle, "Smith");
    let outcome = run(&first, &[good(2, "1", "")], "m");
    let fields = &outcome.after["1"].2;
    assert_eq!(fields.value(Field::JobTitle), Some("Smith"));
    assert_eq!(fields.value(Field::City), None);
}

#[test]
fn a_row_that_says_the_same_in_other_letters_is_no_change_and_is_recognised_the_next_time() {
    let padded = [Row::Good(
        record(2, "1", Standing::Active, "Ulm"),
        Letters::Padded,
    )];
    let first = start(&[good(2, "1", "Ulm")]);
    let second = run(&first, &padded, "m");
    assert!(second.changes.is_empty());
    assert_eq!(second.counts.unchanged, 1);
    assert_eq!(first["1"].1.said, second.after["1"].1.said);
    compare(&second.after, &padded, "m", |diff, record, hash| {
        let key = record.key();
        let recognised = diff.recognise(2, Verbatim { key, hash });
        assert!(recognised);
        recognised
    });
}

#[test]
fn another_mapping_alone_changes_nobody() {
    let rows = [good(2, "1", "Ulm"), inactive(3, "2", "Bonn")];
    let first = start(&rows);
    let outcome = run(&first, &rows, "other");
    assert!(outcome.changes.is_empty());
    assert_eq!((outcome.counts.unchanged, outcome.counts.skipped), (1, 1));
    assert_ne!(outcome.after["1"].1, first["1"].1);
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let letters = [
        Letters::Plain,
        Letters::Plain,
        Letters::Padded,
        Letters::Odd,
    ];
    let letters = prop::sample::select(letters.as_slice().to_vec());
    let row = (0..8u8, 0..3u8, 0..10u8, letters).prop_map(|(key, city, kind, letters)| {
        let key = format!("{key}");
        let city = ["", "Ulm", "Bonn"][usize::from(city)];
        match kind {
            0 => Row::Bad(None),
            1 => Row::Bad(Some(key)),
            2 | 3 => Row::Good(record(0, &key, Standing::Inactive, city), letters),
            _ => Row::Good(record(0, &key, Standing::Active, city), letters),
        }
    });
    prop::collection::vec(row, 0..12)
}

/// Employment and fields of everybody, which is all that the tenant sees.
fn seen(roster: &Roster) -> Vec<(&String, Employment, &Fields)> {
    roster
        .iter()
        .map(|(key, (employment, _, fields))| (key, *employment, fields))
        .collect()
}

proptest! {
    #[test]
    fn the_counts_add_up(a in rows(), b in rows()) {
        let before = start(&a);
        let Outcome { counts, leavers_by_status, changes, .. } = run(&before, &b, "m");
        prop_assert_eq!(counts.rows, b.len() as u64);
        prop_assert_eq!(
            counts.rows,
            counts.joiners + counts.movers + counts.unchanged + counts.refused_rows + counts.skipped + counts.collapsed + leavers_by_status
        );
        prop_assert_eq!(changes.len() as u64, counts.joiners + counts.movers + counts.leavers);
    }

    #[test]
    fn a_file_that_was_applied_changes_nothing_when_it_comes_again(a in rows(), b in rows()) {
        let before = start(&a);
        let once = run(&before, &b, "m");
        let twice = run(&once.after, &b, "m");
        prop_assert!(twice.changes.is_empty());
        prop_assert_eq!(seen(&once.after), seen(&twice.after));
    }

    #[test]
    fn rows_taken_unchecked_come_to_what_checking_them_gives(a in rows(), b in rows(), c in rows()) {
        let before = run(&start(&a), &b, "m").after;
        let quick = run(&before, &c, "m");
        let slow = run_checking_all(&before, &c, "m");
        prop_assert_eq!(quick.counts, slow.counts);
        prop_assert_eq!(quick.codes, slow.codes);
        prop_assert_eq!(quick.changes, slow.changes);
        prop_assert_eq!(quick.after, slow.after);
    }

    #[test]
    fn any_order_of_rows_gives_the_same_changes((a, b, mixed) in (rows(), rows()).prop_flat_map(|(a, b)| (Just(a), Just(b.clone()), Just(b).prop_shuffle()))) {
        let before = start(&a);
        let straight = run(&before, &b, "m");
        let mixed = run(&before, &mixed, "m");
        prop_assert_eq!(straight.counts, mixed.counts);
        prop_assert_eq!(straight.changes, mixed.changes);
        prop_assert_eq!(seen(&straight.after), seen(&mixed.after));
    }

    #[test]
    fn applying_the_diff_of_a_and_b_to_a_gives_b(a in rows(), b in rows()) {
        let good_only = |rows: Vec<Row>| -> Vec<Row> {
            let mut seen = std::collections::HashSet::new();
            rows.into_iter()
                .filter(|row| matches!(row, Row::Good(record, _) if seen.insert(record.record().key().to_owned())))
                .collect()
        };
        let (a, b) = (good_only(a), good_only(b));
        let onto_a = run(&start(&a), &b, "m").after;
        let alone = start(&b);
        let employed = |roster: &Roster| -> Vec<(String, Fields)> {
            roster
                .iter()
                .filter(|(_, (employment, _, _))| *employment == Employment::Employed)
                .map(|(key, (_, _, fields))| (key.clone(), fields.clone()))
                .collect()
        };
        prop_assert_eq!(employed(&onto_a), employed(&alone));
    }
}
