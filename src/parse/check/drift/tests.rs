//! Two files of one data source, and what is told of their difference.

use super::*;
use crate::parse::layout::TableKind;

fn shape(labels: &[&str]) -> Shape {
    Shape {
        layout: Layout {
            kind: TableKind::Delimited,
            encoding: Some("UTF-8".to_owned()),
            delimiter: Some(b','),
            sheet: None,
        },
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        mapped: Vec::new(),
        habits: Vec::new(),
        forms: Vec::new(),
        rows: 100,
    }
}

/// The same, with the fields that its columns held.
fn mapped(columns: &[(&str, Option<Field>)], found: Found) -> Shape {
    let labels: Vec<&str> = columns.iter().map(|(label, _)| *label).collect();
    let fields = columns
        .iter()
        .filter_map(|(label, field)| Some(MappedColumn::new((*field)?, label, found)));
    Shape {
        mapped: fields.collect(),
        ..shape(&labels)
    }
}

fn told(before: &Shape, now: &Shape) -> Vec<String> {
    let mut findings = drift(before, now);
    findings.extend(rows(before.rows, now.rows));
    assert!(findings.iter().all(|it| it.severity != Severity::Error));
    findings.into_iter().map(|it| it.message).collect()
}

#[test]
fn of_a_header_that_is_a_book_only_the_beginning_is_remembered() {
    let layout = shape(&[]).layout;
    let long = Shape::new(layout, &["ä".repeat(30_000), "id".to_owned()]);
    assert_eq!(long.labels, ["ä".repeat(200), "id".to_owned()]);
}

#[test]
fn a_file_that_looks_as_it_did_says_nothing() {
    let before = shape(&["Employee ID", "Name"]);
    let mut now = shape(&["employee id", "NAME"]);
    now.rows = 115;
    assert_eq!(told(&before, &now), [""; 0]);
}

#[test]
fn columns_that_were_renamed_lost_added_or_moved_are_named() {
    let before = shape(&["Employee ID", "Department", "Work phone", "Hired"]);
    let now = shape(&[
        "Hired",
        "Employee ID",
        "Departments",
        "Cost centre",
        "Shoe size",
    ]);
    let told = told(&before, &now);
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[0].contains("renamed") && told[0].contains("\"Department\" to \"Departments\""));
    assert!(told[1].contains("gone") && told[1].contains("\"Work phone\""));
    assert!(told[2].contains("\"Cost centre\", \"Shoe size\""));
    assert!(told[3].contains("another order"));
}

#[test]
fn in_a_header_of_the_same_width_the_new_name_in_the_old_place_is_a_renaming() {
    let told = told(&shape(&["id", "Unit"]), &shape(&["id", "Abteilung"]));
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("\"Unit\" to \"Abteilung\""), "{told:?}");
}

#[test]
fn where_other_columns_have_moved_a_place_says_nothing_about_a_name() {
    let told = told(
        &shape(&["id", "Unit", "Phone", "City"]),
        &shape(&["Unit", "id", "Shoe size", "City"]),
    );
    assert!(told.iter().all(|it| !it.contains("renamed")), "{told:?}");
    assert!(
        told[0].contains("gone") && told[1].contains("new"),
        "{told:?}"
    );
}

#[test]
fn a_field_that_is_read_from_another_column_is_named_with_both_of_them() {
    let before = [
        ("ID", Some(Field::EmployeeId)),
        ("E-mail", Some(Field::WorkEmail)),
        ("Phone", Some(Field::WorkPhone)),
    ];
    let now = [
        ("ID", Some(Field::EmployeeId)),
        ("Work e-mail", Some(Field::WorkEmail)),
        ("Kostenstelle", Some(Field::CostCenter)),
    ];
    let (before, now) = (
        mapped(&before, Found::Synonym),
        mapped(&now, Found::Synonym),
    );
    let findings = told(&before, &now);
    assert_eq!(
        findings,
        [
            "work_email is read from the column \"Work e-mail\"; in the last accepted file it was \"E-mail\", which is gone.",
            // In the same place, but of two fields: no renaming.
            "Columns are gone since the last accepted file: \"Phone\" (work_phone).",
            "There are new columns since the last accepted file: \"Kostenstelle\" (cost_center).",
        ]
    );
    assert_eq!(objection(&before, &now), None);
    // That an admin has said so is no change of the file.
    let configured = mapped(
        &[
            ("ID", Some(Field::EmployeeId)),
            ("Mail", Some(Field::WorkEmail)),
        ],
        Found::Configured,
    );
    let told = told(
        &mapped(
            &[
                ("ID", Some(Field::EmployeeId)),
                ("E-mail", Some(Field::WorkEmail)),
            ],
            Found::Synonym,
        ),
        &configured,
    );
    assert_eq!(told, [""; 0]);
}

#[test]
fn a_renamed_column_that_nobody_knows_any_more_is_named_with_the_field_that_lost_it() {
    let before = [
        ("ID", Some(Field::EmployeeId)),
        ("Department", Some(Field::Department)),
    ];
    let now = [("ID", Some(Field::EmployeeId)), ("Dept. (new)", None)];
    let told = told(&mapped(&before, Found::Saved), &mapped(&now, Found::Saved));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("\"Department\" to \"Dept. (new)\" (department has no column now)"),
        "{told:?}"
    );
}

#[test]
fn a_column_that_a_later_version_understands_is_told_when_it_is_first_used() {
    let before = [("ID", Some(Field::EmployeeId)), ("Kostenstelle", None)];
    let now = [
        ("ID", Some(Field::EmployeeId)),
        ("Kostenstelle", Some(Field::CostCenter)),
    ];
    let told = told(
        &mapped(&before, Found::Synonym),
        &mapped(&now, Found::Synonym),
    );
    assert_eq!(
        told,
        [
            "Columns that were not used in the last accepted file are used now: \"Kostenstelle\" (cost_center)."
        ]
    );
}

#[test]
fn a_key_status_or_end_date_in_another_column_waits_for_a_person_and_nothing_else_does() {
    for (field, waits) in [
        (Field::EmployeeId, true),
        (Field::EmploymentStatus, true),
        (Field::TerminationDate, true),
        (Field::WorkEmail, false),
    ] {
        let before = mapped(&[("Was", Some(field))], Found::Synonym);
        let again = mapped(&[("WAS", Some(field))], Found::Saved);
        assert_eq!(objection(&before, &again), None);
        let other = mapped(&[("Is", Some(field))], Found::Synonym);
        let objection_to = objection(&before, &other);
        assert_eq!(objection_to.is_some(), waits, "{objection_to:?}");
        // Somebody has said so.
        let said = mapped(&[("Is", Some(field))], Found::Configured);
        assert_eq!(objection(&before, &said), None);
        // Of a file that an earlier version accepted nothing is remembered.
        assert_eq!(objection(&shape(&["Was"]), &other), None);
    }
}

#[test]
fn without_the_status_of_the_last_file_everybody_would_be_employed_so_a_person_must_look() {
    let column = |field| mapped(&[("Status", Some(field))], Found::Synonym);
    let gone = shape(&["Name"]);
    let objection_to = objection(&column(Field::EmploymentStatus), &gone).unwrap();
    assert!(
        objection_to.contains("would count as employed"),
        "{objection_to}"
    );
    assert_eq!(objection(&column(Field::TerminationDate), &gone), None);
    // Whoever decides is told everything at once.
    let columns = [
        ("ID", Some(Field::EmployeeId)),
        ("Status", Some(Field::EmploymentStatus)),
    ];
    let key = mapped(&[("Payroll ID", Some(Field::EmployeeId))], Found::Synonym);
    let objection_to = objection(&mapped(&columns, Found::Saved), &key).unwrap();
    assert!(
        objection_to.contains("\"Payroll ID\"") && objection_to.contains("\"Status\""),
        "{objection_to}"
    );
}

#[test]
fn only_what_a_file_was_mapped_to_by_itself_is_read_so_again() {
    let mut shape = mapped(&[("ID", Some(Field::EmployeeId))], Found::Synonym);
    shape
        .mapped
        .push(MappedColumn::new(Field::City, "Ort 2", Found::Configured));
    shape
        .mapped
        .push(MappedColumn::new(Field::LastName, "Name", Found::Derived));
    shape.habits = vec![("Name".to_owned(), NameOrder::LastFirst.as_str().to_owned())];
    let saved = shape.saved();
    assert_eq!(saved.columns, [(Field::EmployeeId, "ID".to_owned())]);
    assert_eq!(saved.last_first, ["Name"]);
    let long = MappedColumn::new(Field::City, &"ä".repeat(201), Found::Configured);
    shape.remember(vec![long]);
    assert_eq!(shape.mapped, []);
}

#[test]
fn a_shape_that_an_earlier_version_has_stored_is_read_with_nothing_remembered() {
    let stored = r#"{"layout":{"kind":"delimited","encoding":"UTF-8","delimiter":44,"sheet":null},"labels":["id"],"habits":[],"rows":3}"#;
    let shape: Shape = serde_json::from_str(stored).unwrap();
    assert_eq!(shape.saved(), Saved::default());
    // And a field that only a later one knows is left alone.
    let later = r#"{"layout":{"kind":"xls","encoding":null,"delimiter":null,"sheet":"S"},"labels":["id"],"mapped":[{"field":"shoe_size","header":"Shoe","found":"saved"}],"habits":[],"forms":[],"rows":3}"#;
    let shape: Shape = serde_json::from_str(later).unwrap();
    assert_eq!(shape.saved(), Saved::default());
}

#[test]
fn another_encoding_habit_or_format_is_told() {
    let mut before = shape(&["id"]);
    before.habits = vec![("Hired".to_owned(), "the day before the month".to_owned())];
    let mut now = before.clone();
    now.layout.encoding = Some("windows-1252".to_owned());
    now.habits = vec![("Hired".to_owned(), "the month before the day".to_owned())];
    let changes = told(&before, &now);
    assert_eq!(changes.len(), 2, "{changes:?}");
    assert!(changes[0].contains("it was UTF-8 and is windows-1252"));
    let mut workbook = before.clone();
    workbook.layout.kind = TableKind::Xlsx;
    workbook.layout.sheet = Some("Staff".to_owned());
    let changes = told(&before, &workbook);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].contains("xlsx"));
}

#[test]
fn dates_that_are_all_written_otherwise_are_told_and_one_odd_cell_is_not() {
    let with = |forms: &[&str]| Shape {
        forms: vec![(
            "Hired".to_owned(),
            forms.iter().map(|form| (*form).to_owned()).collect(),
        )],
        ..shape(&["Hired"])
    };
    let told = told(&with(&["with the year first"]), &with(&["with slashes"]));
    assert_eq!(
        told,
        [
            "The dates of the column \"Hired\" are written with slashes now; in the last accepted file they were written with the year first."
        ]
    );
    for (before, now) in [
        (
            &["with slashes"][..],
            &["with slashes", "in eight digits"][..],
        ),
        (&[], &["with slashes"]),
        (&["with slashes"], &[]),
    ] {
        assert_eq!(drift(&with(before), &with(now)), []);
    }
}

#[test]
fn many_rows_more_or_less_are_told_and_a_few_are_not() {
    let before = shape(&["id"]);
    let with = |rows| Shape {
        rows,
        ..before.clone()
    };
    assert_eq!(told(&before, &with(80)).len(), 0);
    let severity = |now| rows(before.rows, now).map(|it| it.severity);
    assert_eq!(severity(79), Some(Severity::Warning));
    assert_eq!(severity(121), Some(Severity::Info));
    assert_eq!(told(&with(2), &with(9)).len(), 0);
}
