//! What whole columns show: names to be taken apart, rows that wait, habits that are told.

use super::*;

/// What the rows of a file come to, one after the other, as a run takes them: the value of the second column, or the code of its fault.
fn come_to(label: &str, cells: &[&str]) -> Result<(Vec<String>, Vec<String>), Finding> {
    let mut checker = checker(&["employee_id", label], &lenient());
    let mut values = Vec::new();
    let mut take = |checker: &mut Checker, row: &RawRow| match checker.check(row) {
        Checked::Record(record, warnings) if warnings.is_empty() => values.push(second(&record)),
        Checked::Record(_, findings) => values.push(findings[0].code.clone()),
        refused => panic!("{refused:?}"),
    };
    for cell in cells {
        checker.admit(&texts(&["1", cell]), &mut take)?;
    }
    checker.finish(&mut take);
    let notes = checker.notes().into_iter().map(|note| note.message);
    Ok((values, notes.collect()))
}

#[test]
fn dates_are_read_as_the_one_that_can_be_read_in_one_way_only() {
    let (values, notes) =
        come_to("hire_date", &["03/04/2026", "", "25/04/2026", "05/06/2026"]).unwrap();
    assert_eq!(values, ["2026-04-03", "", "2026-04-25", "2026-06-05"]);
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("day before the month"), "{notes:?}");
    let (values, _) = come_to("hire_date", &["04/25/2026", "03/04/2026"]).unwrap();
    assert_eq!(values, ["2026-04-25", "2026-03-04"]);
}

#[test]
fn dates_that_nothing_settles_are_not_taken_and_the_others_are() {
    let (values, notes) =
        come_to("hire_date", &["03/04/2026", "2026-04-03", "04/04/2026"]).unwrap();
    assert_eq!(values, ["type-error", "2026-04-03", "2026-04-04"]);
    assert!(notes.is_empty());
    let mut many = vec!["03/04/2026"; 10_000];
    many.push("25/04/2026");
    let (values, _) = come_to("hire_date", &many).unwrap();
    assert_eq!(
        values.iter().filter(|it| *it == "type-error").count(),
        10_000
    );
    assert_eq!(values[10_000], "2026-04-25");
}

#[test]
fn a_column_that_writes_dates_both_ways_refuses_the_file() {
    let fault = come_to("hire_date", &["25/04/2026", "03/04/2026", "04/25/2026"]).unwrap_err();
    assert_eq!(fault.code, code::INFERRED_FORMAT);
    assert_eq!(fault.column.as_deref(), Some("hire_date"));
    // Nothing was read by the habit, so nothing was read wrongly; what is open behind it stays refused.
    let (values, _) = come_to("hire_date", &["25/04/2026", "04/25/2026", "03/04/2026"]).unwrap();
    assert_eq!(values, ["2026-04-25", "2026-04-25", "type-error"]);
}

#[test]
fn pay_is_read_with_the_point_that_its_column_shows() {
    let (values, _) = come_to("salary", &["45.000", "45.000,50", "1.250"]).unwrap();
    assert_eq!(values, ["45000", "45000.5", "1250"]);
    let (values, _) = come_to("salary", &["45.000", "45000.50"]).unwrap();
    assert_eq!(values, ["45", "45000.5"]);
    let (values, _) = come_to("salary", &["45.000", "€ 45,000"]).unwrap();
    assert_eq!(values, ["type-error", "45000"]);
    let fault = come_to("salary", &["45.000,50", "45.000", "45000.50"]).unwrap_err();
    assert_eq!(fault.code, code::INFERRED_FORMAT);
}

#[test]
fn a_declared_point_is_taken_at_its_word() {
    let mapping = Mapping {
        decimal: Some(super::value::Point::Comma),
        ..lenient()
    };
    let mut checker = checker(&["employee_id", "salary"], &mapping);
    let mut said = None;
    let row = texts(&["1", "45.000"]);
    let taken = checker.admit(&row, |checker, row| match checker.check(row) {
        Checked::Record(record, _) => said = Some(second(&record)),
        other => panic!("{other:?}"),
    });
    taken.unwrap();
    assert_eq!(said.as_deref(), Some("45000"));
}

#[test]
fn the_same_letters_under_another_habit_are_not_the_same_row() {
    let hash = |first: &str| {
        let mut checker = checker(&["employee_id", "hire_date"], &lenient());
        checker.admit(&texts(&["1", first]), |_, _| {}).unwrap();
        let mut hash = None;
        let row = texts(&["2", "03/04/2026"]);
        let taken = checker.admit(&row, |checker, row| {
            hash = checker.verbatim(row).map(|it| it.hash);
        });
        taken.unwrap();
        hash.unwrap()
    };
    assert_eq!(hash("25/12/2026"), hash("26/11/2026"));
    assert_ne!(hash("25/12/2026"), hash("12/25/2026"));
}

/// What the rows of a file with a column of names come to: each its fields but the key, as `field=value`.
fn names_come_to(labels: &[&str], mapping: &Mapping, names: &[&str]) -> Vec<String> {
    let mut checker = checker(labels, mapping);
    let mut said = Vec::new();
    let mut take = |checker: &mut Checker, row: &RawRow| match checker.check(row) {
        Checked::Record(record, _) => {
            assert!(record.fields.iter().is_sorted_by_key(|(field, _)| field));
            let fields = record.fields.iter().skip(1);
            let fields = fields.map(|(field, text)| format!("{}={text}", field.name()));
            said.push(fields.collect::<Vec<_>>().join(" "));
        }
        Checked::Refused { findings, .. } => said.push(findings[0].code.clone()),
        Checked::Blank => panic!("blank"),
    };
    for name in names {
        let cells: Vec<&str> = std::iter::once("1").chain(name.split('|')).collect();
        checker.admit(&texts(&cells), &mut take).unwrap();
    }
    checker.finish(&mut take);
    said
}

fn ordered(order: NameOrder) -> Mapping {
    Mapping {
        name_order: Some(order),
        ..lenient()
    }
}

const NAME: [&str; 2] = ["employee_id", "Employee Name"];

#[test]
fn a_column_of_last_and_first_names_gives_both_and_the_whole_name() {
    let said = names_come_to(
        &NAME,
        &lenient(),
        &[
            "Smith, John",
            "van der Berg, Anna Maria",
            "Smith, Jr., John",
            "",
        ],
    );
    assert_eq!(
        said,
        [
            "first_name=John last_name=Smith full_name=John Smith",
            "first_name=Anna Maria last_name=van der Berg full_name=Anna Maria van der Berg",
            "first_name=John last_name=Smith full_name=John Smith, Jr.",
            "full_name=",
        ]
    );
}

#[test]
fn what_is_no_such_name_in_such_a_column_stays_and_clears_nothing() {
    let mut names = vec!["Li, Na"; 18];
    names.extend(["Madonna", "Contractor Pool"]);
    let said = names_come_to(&NAME, &lenient(), &names);
    assert_eq!(said[0], "first_name=Na last_name=Li full_name=Na Li");
    assert_eq!(
        said[18..],
        ["full_name=Madonna", "full_name=Contractor Pool"]
    );
}

#[test]
fn names_without_a_comma_and_columns_that_write_both_ways_are_not_taken_apart() {
    let said = names_come_to(&NAME, &lenient(), &["John Smith", "Jane Doe"]);
    assert_eq!(said, ["full_name=John Smith", "full_name=Jane Doe"]);
    let said = names_come_to(&NAME, &lenient(), &["Smith, John", "Jane Doe"]);
    assert_eq!(said, ["full_name=Smith, John", "full_name=Jane Doe"]);
    let said = names_come_to(&NAME, &lenient(), &["John Smith, PhD", "Acme, Inc."]);
    assert_eq!(said, ["full_name=John Smith, PhD", "full_name=Acme, Inc."]);
}

#[test]
fn a_file_with_first_and_last_names_of_its_own_keeps_them() {
    let labels = ["employee_id", "Name", "Vorname", "Nachname"];
    let said = names_come_to(&labels, &lenient(), &["Smith, John|Jack|Smythe"]);
    assert_eq!(
        said,
        ["first_name=Jack last_name=Smythe full_name=John Smith"]
    );
    // Half of them: nobody knows what the other half would be called.
    let said = names_come_to(&labels[..3], &lenient(), &["Smith, John|Jack"]);
    assert_eq!(said, ["first_name=Jack full_name=John Smith"]);
    // The configuration names a column that is missing tonight: it is not made up.
    let named = Mapping {
        columns: [(Field::FirstName, "Rufname".to_owned())].into(),
        ..lenient()
    };
    let said = names_come_to(&NAME, &named, &["Smith, John"]);
    assert_eq!(said, ["full_name=John Smith"]);
}

#[test]
fn a_declared_order_of_names_is_taken_at_its_word() {
    let said = names_come_to(&NAME, &ordered(NameOrder::FirstLast), &["Smith, John"]);
    assert_eq!(said, ["full_name=Smith, John"]);
    let said = names_come_to(
        &NAME,
        &ordered(NameOrder::LastFirst),
        &["Smith, John", "Jane Doe", "Kim Lee"],
    );
    assert_eq!(
        said,
        [
            "first_name=John last_name=Smith full_name=John Smith",
            "full_name=Jane Doe",
            "full_name=Kim Lee",
        ]
    );
    let strict = Mapping {
        required: vec![Field::EmployeeId, Field::LastName],
        ..ordered(NameOrder::LastFirst)
    };
    let said = names_come_to(&NAME, &strict, &["Smith, John", "Jane Doe"]);
    assert_eq!(said[1], code::REQUIRED_VALUE);
}

#[test]
fn rows_go_on_as_soon_as_it_is_settled_how_they_are_meant_and_not_at_the_end_of_the_file() {
    let mut checker = checker(&["employee_id", "hire_date", "Name"], &lenient());
    let mut taken = 0;
    for row in 0..5_000 {
        // The day of row 1500 settles the dates, the thousandth name the names.
        let date = if row == 1_500 {
            "25/04/2026"
        } else {
            "03/04/2026"
        };
        let cells = texts(&["1", date, "Smith, John"]);
        checker.admit(&cells, |_, _| taken += 1).unwrap();
        assert_eq!(taken, if row < 1_500 { 0 } else { row + 1 }, "{row}");
    }
}

#[test]
fn rows_that_wait_take_no_more_memory_than_they_may() {
    let mut checker = checker(&["employee_id", "hire_date", "note"], &lenient());
    let long = "x".repeat(1 << 20);
    let waited = (0..100).take_while(|_| {
        let row = texts(&["1", "03/04/2026", &long]);
        let mut waits = true;
        checker.admit(&row, |_, _| waits = false).unwrap();
        waits
    });
    assert_eq!(waited.count(), 31);
}

#[test]
fn a_habit_by_which_nothing_was_read_is_not_told() {
    let (_, notes) = come_to("hire_date", &["25/04/2026", "26/04/2026"]).unwrap();
    assert_eq!(notes, [""; 0]);
    // Nor one that the column has broken since.
    let (values, notes) =
        come_to("hire_date", &["25/04/2026", "04/25/2026", "03/04/2026"]).unwrap();
    assert_eq!((values[2].as_str(), notes.len()), ("type-error", 0));
}

#[test]
fn a_required_date_that_stands_for_none_refuses_its_row() {
    let strict = Mapping {
        required: vec![Field::EmployeeId, Field::HireDate],
        ..Mapping::default()
    };
    let mut checker = checker(&["employee_id", "hire_date"], &strict);
    let Checked::Refused { findings, .. } = checker.check(&texts(&["1", "00.00.0000"])) else {
        panic!("taken");
    };
    assert_eq!(findings[0].code, code::REQUIRED_VALUE);
}
