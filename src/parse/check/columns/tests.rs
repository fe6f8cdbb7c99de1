//! Headers as files have them, and which fields they come to.

use super::*;
use crate::parse::finding::{Finding, Severity, code};
use crate::parse::row::Header;

fn header(labels: &[&str]) -> Header {
    Header {
        row: 1,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    }
}

fn mapping(columns: &[(Field, &str)], required: &[Field]) -> Mapping {
    Mapping {
        columns: columns
            .iter()
            .map(|(field, label)| (*field, (*label).to_owned()))
            .collect(),
        required: required.to_vec(),
        ..Mapping::default()
    }
}

/// Of a file of which nothing is remembered.
fn first(mapping: &Mapping, labels: &[&str]) -> Result<Resolved, Vec<Finding>> {
    after(&[], mapping, labels)
}

/// Of a file after one whose columns held these fields.
fn after(
    saved: &[(Field, &str)],
    mapping: &Mapping,
    labels: &[&str],
) -> Result<Resolved, Vec<Finding>> {
    let columns = saved
        .iter()
        .map(|(field, label)| (*field, (*label).to_owned()));
    let saved = Saved {
        columns: columns.collect(),
        last_first: Vec::new(),
    };
    let resolved = resolve(mapping, &saved, &header(labels));
    if resolved.is_refused {
        Err(resolved.findings)
    } else {
        Ok(resolved)
    }
}

fn places(mapping: &Mapping, labels: &[&str]) -> Vec<(Field, usize)> {
    let columns = first(mapping, labels).unwrap().columns;
    columns
        .iter()
        .map(|column| (column.field, column.at))
        .collect()
}

fn refusals(mapping: &Mapping, labels: &[&str]) -> Vec<String> {
    first(mapping, labels)
        .unwrap_err()
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.code)
        .collect()
}

#[test]
fn known_headers_map_by_themselves_in_the_order_of_the_fields() {
    assert_eq!(
        places(
            &Mapping::default(),
            &["E-mail", " Employee # ", "Vorname", "Shoe size"]
        ),
        [
            (Field::EmployeeId, 1),
            (Field::WorkEmail, 0),
            (Field::FirstName, 2)
        ]
    );
}

#[test]
fn the_configuration_goes_before_synonyms_both_ways() {
    let only_key = [Field::EmployeeId];
    // The configured column is not the synonym's any more, and the configured field takes no synonym.
    let configured = mapping(&[(Field::EmployeeId, "email")], &only_key);
    assert_eq!(
        places(&configured, &["email", "employee_id"]),
        [(Field::EmployeeId, 0)]
    );
    // To the letter before but for case.
    let exact = mapping(&[(Field::EmployeeId, "ID")], &only_key);
    assert_eq!(places(&exact, &["id", "ID"]), [(Field::EmployeeId, 1)]);
    assert_eq!(places(&exact, &["i.d.", "x"]), [(Field::EmployeeId, 0)]);
}

#[test]
fn a_header_that_is_merely_alike_is_named_to_a_person_and_not_mapped() {
    let remedy = |labels: &[&str]| {
        let findings = first(&Mapping::default(), labels).unwrap_err();
        let missing = findings
            .into_iter()
            .find(|finding| finding.code == code::MISSING_LABEL);
        missing.unwrap().remedy
    };
    let typo = remedy(&["Emplyee ID", "Work Email"]);
    assert!(typo.contains("employee_id = \"Emplyee ID\""), "{typo}");
    let typo = remedy(&["Employee ID", "E-Mial Address", "Shoe size"]);
    assert!(typo.contains("work_email = \"E-Mial Address\""), "{typo}");
    let strange = remedy(&["Employee ID", "Shoe size"]);
    assert!(strange.starts_with("Call it"), "{strange}");
}

#[test]
fn of_two_synonyms_the_more_telling_one_wins_and_it_is_said() {
    let required = mapping(&[], &[Field::EmployeeId]);
    let labels = ["Name", "Employee ID", "Full Name", "Title"];
    let Resolved {
        columns, findings, ..
    } = first(&required, &labels).unwrap();
    assert!(
        columns
            .iter()
            .any(|column| column.field == Field::FullName && column.at == 2)
    );
    assert_eq!(findings.len(), 1);
    assert_eq!(
        findings[0].message,
        "The columns \"Full Name\" and \"Name\" both mean full_name; the first is used."
    );
    assert_eq!(findings[0].severity, Severity::Info);
}

#[test]
fn a_missing_column_refuses_the_file_only_when_it_is_required() {
    assert_eq!(
        refusals(&Mapping::default(), &["employee_id", "name"]),
        ["missing-label"]
    );
    assert_eq!(refusals(&Mapping::default(), &["email"]), ["missing-label"]);
    let optional = mapping(&[(Field::City, "Stadt")], &[Field::EmployeeId]);
    let findings = first(&optional, &["employee_id"]).unwrap().findings;
    assert_eq!(findings[0].severity, Severity::Warning);
    assert_eq!(findings[0].code, code::MISSING_LABEL);
    let key = mapping(&[(Field::EmployeeId, "Nr")], &[]);
    assert_eq!(refusals(&key, &["employee_id", "name"]), ["missing-label"]);
}

#[test]
fn leavers_do_not_come_back_when_the_configured_status_column_is_missing() {
    let status = mapping(&[(Field::EmploymentStatus, "Lage")], &[Field::EmployeeId]);
    assert_eq!(
        refusals(&status, &["employee_id", "name"]),
        ["missing-label"]
    );
    // Not by another status column either: which of the two is meant, a person must say.
    assert_eq!(
        refusals(&status, &["employee_id", "status"]),
        ["missing-label"]
    );
    assert_eq!(places(&status, &["employee_id", "lage"]).len(), 2);
}

#[test]
fn a_mapped_header_that_is_there_twice_refuses_the_file() {
    assert_eq!(
        refusals(&Mapping::default(), &["employee_id", "email", "E-Mail"]),
        ["duplicate-label"]
    );
    let required = mapping(&[], &[Field::EmployeeId]);
    assert!(first(&required, &["employee_id", "note", "note", "", ""]).is_ok());
}

#[test]
fn a_first_line_without_a_known_header_is_refused_without_repeating_it() {
    let findings = first(&Mapping::default(), &["1222", "Ada", "ada@acme.example"]).unwrap_err();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].code, code::BLANK_HEADER);
    assert!(!format!("{findings:?}").contains("Ada"));
}

#[test]
fn unused_columns_are_listed_in_one_note() {
    let required = mapping(&[], &[Field::EmployeeId]);
    let labels = ["employee_id", "Shoe size", "", "Pet"];
    let Resolved {
        findings, unused, ..
    } = first(&required, &labels).unwrap();
    assert_eq!(unused, ["Shoe size", "Pet"]);
    assert_eq!(findings.len(), 1);
    assert_eq!(
        findings[0].message,
        "These columns are not used: \"Shoe size\", \"Pet\"."
    );
}

#[test]
fn the_digest_changes_with_anything_in_the_mapping() {
    let base = Mapping::default();
    let changed = [
        mapping(&[(Field::City, "a")], &base.required),
        mapping(&[(Field::City, "b")], &base.required),
        mapping(&[(Field::Region, "a")], &base.required),
        mapping(&[], &[Field::EmployeeId]),
        Mapping {
            date_format: Some(DateFormat::parse("%d/%m/%Y").unwrap()),
            ..base.clone()
        },
        Mapping {
            name_order: Some(NameOrder::LastFirst),
            ..base.clone()
        },
        Mapping {
            name_order: Some(NameOrder::FirstLast),
            ..base.clone()
        },
        Mapping {
            active_values: vec!["x".to_owned()],
            ..base.clone()
        },
        Mapping {
            inactive_values: vec!["x".to_owned()],
            ..base.clone()
        },
    ];
    let mut digests: Vec<String> = changed.iter().map(Mapping::digest).collect();
    digests.push(base.digest());
    let distinct: std::collections::BTreeSet<&String> = digests.iter().collect();
    assert_eq!(distinct.len(), digests.len());

    let [forth, back] = [["a", "b"], ["b", "a"]].map(|words| Mapping {
        active_values: words.map(str::to_owned).to_vec(),
        ..base.clone()
    });
    assert_eq!(forth.digest(), back.digest());
}

#[test]
fn what_held_a_field_the_last_time_holds_it_again_though_another_column_is_known_better() {
    let key = mapping(&[], &[Field::EmployeeId]);
    let labels = ["Employee ID", "Work Email", "E-Mail"];
    // Of a first file the more telling one is taken.
    let email = |resolved: &Resolved| {
        let column = resolved
            .columns
            .iter()
            .find(|it| it.field == Field::WorkEmail);
        column.map(|it| (it.label.clone(), it.found))
    };
    let resolved = first(&key, &labels).unwrap();
    assert_eq!(
        email(&resolved),
        Some(("Work Email".to_owned(), Found::Synonym))
    );

    let saved = [
        (Field::EmployeeId, "Employee ID"),
        (Field::WorkEmail, "E-mail"),
    ];
    let resolved = after(&saved, &key, &labels).unwrap();
    assert_eq!(email(&resolved), Some(("E-Mail".to_owned(), Found::Saved)));
    assert_eq!(resolved.findings.len(), 1);
    assert_eq!(
        resolved.findings[0].message,
        "The columns \"E-Mail\" and \"Work Email\" both mean work_email; the first is used, as in the last accepted file."
    );
}

#[test]
fn a_saved_column_outlives_the_synonyms_that_found_it() {
    let key = mapping(&[], &[Field::EmployeeId]);
    // As if an earlier version had known "Unit" and meant another field by "Abteilung".
    let saved = [
        (Field::EmployeeId, "Employee ID"),
        (Field::Department, "Unit"),
        (Field::Division, "Abteilung"),
    ];
    let resolved = after(&saved, &key, &["Employee ID", "Abteilung", "Unit"]).unwrap();
    let columns = resolved.columns.iter();
    let places: Vec<_> = columns.map(|it| (it.field, it.at, it.found)).collect();
    assert_eq!(
        places,
        [
            (Field::EmployeeId, 0, Found::Saved),
            (Field::Department, 2, Found::Saved),
            (Field::Division, 1, Found::Saved),
        ]
    );
}

#[test]
fn the_configuration_overrides_what_was_saved_both_ways() {
    let saved = [
        (Field::EmployeeId, "Employee ID"),
        (Field::WorkEmail, "E-mail"),
    ];
    let named = mapping(&[(Field::WorkEmail, "Mail 2")], &[Field::EmployeeId]);
    let resolved = after(&saved, &named, &["Employee ID", "E-mail", "Mail 2"]).unwrap();
    let email = resolved
        .columns
        .iter()
        .find(|it| it.field == Field::WorkEmail);
    assert_eq!(
        email.map(|it| (it.at, it.found)),
        Some((2, Found::Configured))
    );
    // A column that the configuration gives to another field is not the saved one's any more.
    let given = mapping(&[(Field::PersonalEmail, "E-mail")], &[Field::EmployeeId]);
    let resolved = after(&saved, &given, &["Employee ID", "E-mail"]).unwrap();
    assert!(
        resolved
            .columns
            .iter()
            .all(|it| it.field != Field::WorkEmail)
    );
}

#[test]
fn where_the_saved_column_is_gone_a_known_header_is_taken_instead() {
    let key = mapping(&[], &[Field::EmployeeId]);
    let saved = [
        (Field::EmployeeId, "Employee ID"),
        (Field::WorkEmail, "E-mail"),
    ];
    let resolved = after(&saved, &key, &["Employee ID", "Company e-mail"]).unwrap();
    let email = resolved
        .columns
        .iter()
        .find(|it| it.field == Field::WorkEmail);
    assert_eq!(email.map(|it| (it.at, it.found)), Some((1, Found::Synonym)));
}

#[test]
fn names_that_are_declared_to_be_last_first_hold_both_required_ones() {
    let required = [Field::EmployeeId, Field::FirstName, Field::LastName];
    let labels = ["Employee ID", "Name"];
    let findings = first(&mapping(&[], &required), &labels).unwrap_err();
    assert!(
        findings[0].remedy.contains("name_order = \"last_first\""),
        "{findings:?}"
    );
    let declared = Mapping {
        name_order: Some(NameOrder::LastFirst),
        ..mapping(&[], &required)
    };
    assert!(first(&declared, &labels).is_ok());
    // One of its own, and nothing is derived.
    assert!(first(&declared, &["Employee ID", "Name", "Surname"]).is_err());
}
