//! What a data source demands of its cells, and what becomes of those that are not so.

use super::*;
use crate::parse::check::columns::{Classification, ExtraField};
use crate::parse::check::demand::{Amount, Demand, Pattern};

fn extra(name: &str) -> Field {
    Field::extra(name).unwrap()
}

/// The key only is required, and this is demanded of one field.
fn demanding(field: Field, demand: Demand) -> Mapping {
    let is_extra = matches!(field, Field::Extra(_)).then_some(ExtraField {
        field,
        kind: FieldKind::Text,
        is_secret: true,
    });
    Mapping {
        demands: [(field, demand)].into(),
        extra: is_extra.into_iter().collect(),
        ..lenient()
    }
}

/// What a row says: each field but the key as `field=value`; then what was found in it, `!` before what refuses it.
fn said(labels: &[&str], mapping: &Mapping, cells: &[&str]) -> String {
    let (fields, findings, mark) = match checker(labels, mapping).check(&texts(cells)) {
        Checked::Record(record, findings) => {
            assert!(findings.iter().all(|it| it.severity == Severity::Warning));
            let fields = record.fields.iter().skip(1);
            let fields: Vec<_> = fields
                .map(|(field, text)| format!("{}={text}", field.name()))
                .collect();
            let standing = match record.standing {
                Standing::Active => "",
                Standing::Inactive => "left ",
            };
            (format!("{standing}{}", fields.join(" ")), findings, " ")
        }
        Checked::Refused { findings, .. } => {
            assert!(findings.iter().all(|it| it.severity == Severity::Error));
            (String::new(), findings, "!")
        }
        Checked::Blank => panic!("blank"),
    };
    let codes = findings.iter().map(|it| format!("{mark}{}", it.code));
    codes.fold(fields, |said, code| said + &code)
}

#[test]
fn a_bad_optional_cell_keeps_what_is_stored_and_a_bad_required_one_refuses_the_row() {
    let labels = ["employee_id", "city", "personal_email"];
    let cells = ["1", "Ulm", "nonsense"];
    assert_eq!(said(&labels, &lenient(), &cells), "city=Ulm type-error");
    let Checked::Record(_, findings) = checker(&labels, &lenient()).check(&texts(&cells)) else {
        panic!("refused");
    };
    assert!(
        findings[0].message.contains("keeps the value it had"),
        "{findings:?}"
    );
    let strict = Mapping {
        required: vec![Field::EmployeeId, Field::PersonalEmail],
        ..Mapping::default()
    };
    assert_eq!(said(&labels, &strict, &cells), "!type-error");
    // And then all faults of the row are told, the others too.
    let both = ["1", "Par\u{1}is", "nonsense"];
    assert_eq!(
        said(&labels, &strict, &both),
        "!type-error!constraint-error"
    );
}

#[test]
fn a_data_source_may_be_stricter_or_say_otherwise_of_one_field() {
    let labels = ["employee_id", "personal_email", "hire_date"];
    let cells = ["1", "nonsense", "soon"];
    let strict = Mapping {
        bad_value: Treatment::Refuse,
        demands: [(
            Field::HireDate,
            Demand {
                bad_value: Some(Treatment::Clear),
                ..Demand::default()
            },
        )]
        .into(),
        ..lenient()
    };
    assert_eq!(
        said(&labels, &strict, &cells),
        "!type-error!type-error",
        "a row that is refused tells everything"
    );
    assert_eq!(
        said(&labels, &strict, &["1", "a@acme.example", "soon"]),
        "personal_email=a@acme.example hire_date= type-error"
    );
}

#[test]
fn who_somebody_is_and_whether_they_are_employed_is_never_left_open() {
    let mapping = Mapping {
        bad_value: Treatment::Keep,
        empty_cell: Treatment::Keep,
        ..lenient()
    };
    let labels = ["employee_id", "status"];
    assert_eq!(
        said(&labels, &mapping, &["1", "Gone fishing"]),
        "!unknown-status"
    );
    assert_eq!(
        said(&labels, &mapping, &["1.23E+05", "Active"]),
        "!type-error"
    );
    // An empty status is employed, and takes away the word that was there.
    assert_eq!(said(&labels, &mapping, &["1", ""]), "employment_status=");
}

#[test]
fn an_empty_cell_clears_keeps_or_refuses_as_configured() {
    let labels = ["employee_id", "city", "hire_date"];
    let of = |treatment| {
        let demand = |treatment| Demand {
            empty_cell: Some(treatment),
            ..Demand::default()
        };
        Mapping {
            demands: [Field::City, Field::HireDate]
                .map(|field| (field, demand(treatment)))
                .into(),
            ..lenient()
        }
    };
    // A date that stands for none is empty too.
    for cells in [["1", " ", ""], ["1", "", "00.00.0000"]] {
        assert_eq!(
            said(&labels, &of(Treatment::Clear), &cells),
            "hire_date= city="
        );
        assert_eq!(said(&labels, &of(Treatment::Keep), &cells), "");
        assert_eq!(
            said(&labels, &of(Treatment::Refuse), &cells),
            "!required-value!required-value"
        );
    }
    let all = Mapping {
        empty_cell: Treatment::Keep,
        ..lenient()
    };
    assert_eq!(
        said(&labels, &all, &["1", "", "2026-01-31"]),
        "hire_date=2026-01-31"
    );
}

#[test]
fn an_extra_field_is_read_under_its_own_rules_r1_04() {
    let badge = extra("badge");
    let mapping = demanding(
        badge,
        Demand {
            pattern: Some(Pattern::parse("[A-Z]-[0-9]{2}").unwrap()),
            ..Demand::default()
        },
    );
    let labels = ["badge", "employee_id", "city"];
    // Behind the canonical fields, wherever it stands in the file.
    assert_eq!(
        said(&labels, &mapping, &["B-17", "1", "Ulm"]),
        "city=Ulm badge=B-17"
    );
    assert_eq!(
        said(&labels, &mapping, &["17", "1", "Ulm"]),
        "city=Ulm constraint-error"
    );
    let mut mapping = mapping;
    mapping.required.push(badge);
    assert_eq!(
        said(&labels, &mapping, &["17", "1", "Ulm"]),
        "!constraint-error"
    );
    assert_eq!(
        said(&labels, &mapping, &["", "1", "Ulm"]),
        "!required-value"
    );
    mapping.extra[0].kind = FieldKind::Date;
    mapping.demands.clear();
    assert_eq!(
        said(&labels, &mapping, &["31.01.2026", "1", "Ulm"]),
        "city=Ulm badge=2026-01-31"
    );
}

#[test]
fn groups_are_the_same_in_any_order_r1_04() {
    let team = extra("group_team");
    let mapping = demanding(
        team,
        Demand {
            separator: Some(';'),
            ..Demand::default()
        },
    );
    for cell in ["Fire;First Aid", "First Aid; Fire", "Fire;;First Aid;Fire"] {
        assert_eq!(
            said(&["employee_id", "group_team"], &mapping, &["1", cell]),
            "group_team=Fire;First Aid"
        );
    }
}

#[test]
fn pay_beyond_its_limits_is_not_set_and_the_rest_of_the_row_goes_on_r3_24() {
    let labels = ["employee_id", "city", "salary", "hourly_pay"];
    assert_eq!(
        said(&labels, &lenient(), &["1", "Ulm", "10000000.01", "20"]),
        "city=Ulm annual_pay= hourly_pay=20 invalid-annual-pay"
    );
    let demand = Demand {
        minimum: Amount::parse("0"),
        maximum: Amount::parse("250000"),
        ..Demand::default()
    };
    // R3.25: a data source has limits of its own.
    let own = demanding(Field::AnnualPay, demand.clone());
    assert_eq!(
        said(&labels, &own, &["1", "Ulm", "250,000.01", "20"]),
        "city=Ulm annual_pay= hourly_pay=20 invalid-annual-pay"
    );
    let keep = Demand {
        bad_value: Some(Treatment::Keep),
        ..demand.clone()
    };
    assert_eq!(
        said(
            &labels,
            &demanding(Field::AnnualPay, keep),
            &["1", "Ulm", "-1", "20"]
        ),
        "city=Ulm hourly_pay=20 invalid-annual-pay"
    );
    assert_eq!(
        said(
            &labels,
            &demanding(Field::HourlyPay, demand),
            &["1", "Ulm", "5", "-0.01"]
        ),
        "city=Ulm annual_pay=5 constraint-error"
    );
}

#[test]
fn a_field_is_taken_only_where_the_status_is_as_agreed_and_else_stays_r3_14_r3_15() {
    let mapping = Mapping {
        active_values: vec!["Client".to_owned()],
        ..demanding(
            Field::HireDate,
            Demand {
                only_when_status: vec!["client".to_owned()],
                ..Demand::default()
            },
        )
    };
    let labels = ["employee_id", "status", "hire_date"];
    let said = |cells: &[&str]| said(&labels, &mapping, cells);
    assert_eq!(
        said(&["1", "Client", "2026-01-31"]),
        "employment_status=Client hire_date=2026-01-31"
    );
    assert_eq!(
        said(&["1", "Terminated", "2026-01-31"]),
        "left employment_status=Terminated"
    );
    // Not populated, so not taken; and what is not taken is not judged.
    assert_eq!(said(&["1", "Client", " "]), "employment_status=Client");
    assert_eq!(said(&["1", "Active", "soon"]), "employment_status=Active");
    assert_eq!(
        said(&["1", "Client", "soon"]),
        "employment_status=Client type-error"
    );
}

fn classified() -> Mapping {
    Mapping {
        classification: Some(Classification {
            column: "Status Class".to_owned(),
            terminated: vec!["Terminated".to_owned(), "T".to_owned()],
        }),
        ..lenient()
    }
}

#[test]
fn a_class_that_is_terminated_ends_employment_on_the_day_of_the_status_r3_28() {
    let labels = ["employee_id", "Status", "Status Class", "Status Date"];
    let said = |cells: &[&str]| said(&labels, &classified(), cells);
    assert_eq!(
        said(&["1", "A", "terminated ", "2026-01-31"]),
        "left employment_status=terminated termination_date=2026-01-31 status_date=2026-01-31"
    );
    // R3.29: else the word of the status column stands, also one that nobody knows.
    assert_eq!(
        said(&["1", "Gone fishing", "Leave", "2026-01-31"]),
        "employment_status=Gone fishing termination_date= status_date=2026-01-31"
    );
    assert_eq!(
        said(&["1", "Inactive", "", "2026-01-31"]),
        "left employment_status=Inactive termination_date= status_date=2026-01-31"
    );
    // Without a day that can be read the end stays as it was.
    assert_eq!(
        said(&["1", "A", "T", ""]),
        "left employment_status=terminated status_date="
    );
    assert_eq!(
        said(&["1", "A", "T", "soon"]),
        "left employment_status=terminated type-error"
    );
}

#[test]
fn a_class_is_enough_without_a_status_and_goes_before_an_end_of_the_files_own() {
    assert_eq!(
        said(&["employee_id", "Status Class"], &classified(), &["1", "T"]),
        "left employment_status=terminated"
    );
    assert_eq!(
        said(&["employee_id", "Status Class"], &classified(), &["1", "A"]),
        "employment_status=active"
    );
    let labels = ["employee_id", "Status Class", "Status Date", "Leaving Date"];
    let own = |class: &str| {
        said(
            &labels,
            &classified(),
            &["1", class, "2026-01-31", "2026-02-28"],
        )
    };
    assert_eq!(
        own("T"),
        "left employment_status=terminated termination_date=2026-01-31 status_date=2026-01-31"
    );
    assert_eq!(
        own("A"),
        "employment_status=active termination_date=2026-02-28 status_date=2026-01-31"
    );
}

#[test]
fn a_class_that_cannot_be_read_refuses_its_row_and_a_missing_one_the_file() {
    let labels = ["employee_id", "Status Class"];
    let row = row_of(&[(CellKind::Text, "1"), (CellKind::Error, "")]);
    let mut checker = checker(&labels, &classified());
    let outcome = checker.check(&row);
    assert!(
        matches!(&outcome, Checked::Refused { findings, .. } if findings[0].code == code::ERROR_VALUE),
        "{outcome:?}"
    );
    let header = Header {
        row: 1,
        labels: vec!["employee_id".to_owned()],
    };
    let refused = Checker::new(&classified(), &header, &LIMITS())
        .err()
        .unwrap();
    assert_eq!(refused[0].code, code::MISSING_LABEL);
    assert!(refused[0].message.contains("\"Status Class\""));
}

#[test]
fn the_same_letters_under_another_class_are_not_the_same_row() {
    let labels = ["employee_id", "city", "Status Class"];
    let mut checker = checker(&labels, &classified());
    let mut hash = |class: &str| {
        let row = texts(&["1", "Ulm", class]);
        checker.verbatim(&row).unwrap().hash
    };
    assert_ne!(hash("A"), hash("T"));
    assert_eq!(hash("A"), hash("A"));
}

proptest::proptest! {
    /// A cell of an optional field never refuses its row, and a field that keeps its value is in no record as an empty one.
    #[test]
    fn no_cell_of_an_optional_field_freezes_its_person(text in "[ -~äÑ\u{1}]{0,12}", at in 0_usize..6) {
        let labels = ["email", "hire_date", "salary", "city", "is_assistant", "hourly_pay"];
        let mut cells = ["x"; 7];
        cells[0] = "1";
        cells[at + 1] = &text;
        let labels: Vec<&str> = std::iter::once("employee_id").chain(labels).collect();
        let mut checker = checker(&labels, &lenient());
        let row = texts(&cells);
        let (fields, findings) = match checker.check(&row) {
            Checked::Record(record, findings) => (record.fields.iter().count(), findings),
            refused => panic!("{refused:?}"),
        };
        let kept = labels.len() - fields;
        let pay = findings.iter().filter(|it| it.code == code::INVALID_ANNUAL_PAY).count();
        proptest::prop_assert_eq!(kept + pay, findings.len());
    }
}
