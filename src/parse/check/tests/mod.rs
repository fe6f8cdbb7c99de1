//! Rows as files have them, and what the checks say of each.

mod columns;
mod demands;
mod traps;
mod usual;

use super::*;
use crate::parse::finding::Severity;
use crate::parse::record::Values;

const LIMITS: fn() -> ReadLimits = ReadLimits::default;

fn checker(labels: &[&str], mapping: &Mapping) -> Checker {
    let header = Header {
        row: 1,
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    };
    Checker::new(mapping, &header, &LIMITS()).unwrap().0
}

/// A mapping that requires the key only.
fn lenient() -> Mapping {
    Mapping {
        required: vec![Field::EmployeeId],
        ..Mapping::default()
    }
}

fn row_of(cells: &[(CellKind, &str)]) -> RawRow {
    let mut row = RawRow::new(7);
    for (kind, text) in cells {
        row.push(*kind, text);
    }
    row
}

fn texts(cells: &[&str]) -> RawRow {
    let cells: Vec<(CellKind, &str)> = cells.iter().map(|text| (CellKind::Text, *text)).collect();
    row_of(&cells)
}

/// The canonical form of a cell beside a good key, or the code of its fault.
fn value_of(label: &str, kind: CellKind, text: &str) -> Result<String, String> {
    let row = row_of(&[(CellKind::Text, "1"), (kind, text)]);
    match checker(&["employee_id", label], &lenient()).check(&row) {
        Checked::Record(record, warnings) if warnings.is_empty() => Ok(second(&record)),
        Checked::Record(record, findings) => {
            // The field keeps what is stored, and the row counts.
            assert_eq!(record.fields.iter().count(), 1);
            assert_eq!(findings.len(), 1);
            assert_eq!(findings[0].row, Some(7));
            assert_eq!(findings[0].column.as_deref(), Some(label));
            assert_eq!(findings[0].severity, Severity::Warning);
            assert!(text.len() < 3 || !format!("{findings:?}").contains(text));
            Err(findings[0].code.clone())
        }
        refused => panic!("{refused:?}"),
    }
}

/// The value of the field behind the key.
fn second(record: &Record<'_>) -> String {
    let (_, value) = record.fields.iter().nth(1).unwrap();
    value.to_owned()
}

fn key_of(kind: CellKind, text: &str) -> Result<String, String> {
    match checker(&["employee_id"], &lenient()).check(&row_of(&[(kind, text)])) {
        Checked::Record(record, _) => Ok(record.key().to_owned()),
        Checked::Refused { key, findings, .. } => {
            assert_eq!(key, KeyOf::Unreadable);
            Err(findings[0].code.clone())
        }
        Checked::Blank => Err("blank".to_owned()),
    }
}

fn standing_of(mapping: &Mapping, status: &str) -> Option<Standing> {
    match checker(&["employee_id", "status"], mapping).check(&texts(&["1", status])) {
        Checked::Record(record, _) => Some(record.standing),
        Checked::Refused { findings, .. } => {
            assert_eq!(findings[0].code, code::UNKNOWN_STATUS);
            None
        }
        Checked::Blank => panic!("blank"),
    }
}

#[test]
fn what_keeps_excel_from_making_a_number_of_an_id_is_no_part_of_it() {
    for text in ["=\"00012\"", "'00012", "\u{feff}00012 ", "\t00012"] {
        assert_eq!(
            key_of(CellKind::Text, text).as_deref(),
            Ok("00012"),
            "{text}"
        );
    }
    assert_eq!(key_of(CellKind::Text, "'s-1").as_deref(), Ok("'s-1"));
}

#[test]
fn a_good_row_becomes_a_record_in_the_order_of_the_fields() {
    let labels = [
        "Email",
        "Employee ID",
        "Pet",
        "Start date",
        "Salary",
        "Status",
    ];
    let row = texts(&[
        " ada@acme.example ",
        "=\"00012\"",
        "cat",
        "2020-01-31T00:00:00Z",
        "45,000.00",
        "Terminated",
    ]);
    let mut checker = checker(&labels, &Mapping::default());
    let outcome = checker.check(&row);
    let values = Values::from([
        (Field::EmployeeId, "00012"),
        (Field::WorkEmail, "ada@acme.example"),
        (Field::EmploymentStatus, "Terminated"),
        (Field::HireDate, "2020-01-31"),
        (Field::AnnualPay, "45000"),
    ]);
    let expected = Record {
        row: 7,
        standing: Standing::Inactive,
        fields: values.seen(),
    };
    assert_eq!(outcome, Checked::Record(expected, Vec::new()));
}

#[test]
fn a_refused_row_tells_all_its_faults_and_its_key() {
    let labels = ["employee_id", "email", "hire_date", "salary"];
    let row = texts(&["7", "ada", "03/04/2026", "much"]);
    let Checked::Refused { row, key, findings } = checker(&labels, &Mapping::default()).check(&row)
    else {
        panic!("not refused");
    };
    assert!(findings.iter().all(|it| it.severity == Severity::Error));
    assert_eq!((row, key), (7, KeyOf::Sure("7".to_owned())));
    let columns: Vec<_> = findings
        .iter()
        .filter_map(|f| f.column.as_deref())
        .collect();
    assert_eq!(columns, ["email", "hire_date", "salary"]);
    assert!(findings[1].remedy.contains("date_format"));
}

#[test]
fn an_empty_required_cell_refuses_the_row_and_an_empty_optional_one_does_not() {
    let mut checker = checker(&["employee_id", "email", "city"], &Mapping::default());
    let Checked::Refused { findings, .. } = checker.check(&texts(&["1", " ", "Paris"])) else {
        panic!("not refused");
    };
    assert_eq!(findings[0].code, code::REQUIRED_VALUE);
    let row = texts(&["1", "a@acme.example", ""]);
    let Checked::Record(record, _) = checker.check(&row) else {
        panic!("refused");
    };
    assert_eq!(record.fields.value(Field::City), Some(""));
    assert_eq!(checker.check(&texts(&["", "\u{a0}", " "])), Checked::Blank);
}

#[test]
fn a_ragged_row_is_refused_whole() {
    // A row that is short by one cell shifts "Production" into the status: HRDataset, line 10.
    let labels = ["employee_id", "department", "status"];
    let mut checker = checker(&labels, &lenient());
    for (cells, code) in [
        (&["1", "Production"][..], code::MISSING_CELL),
        (&["1", "Sales", "EMEA", "Active"], code::EXTRA_CELL),
    ] {
        let Checked::Refused { key, findings, .. } = checker.check(&texts(cells)) else {
            panic!("not refused");
        };
        assert_eq!(key, KeyOf::Doubtful("1".to_owned()));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].code, code);
    }
}

#[test]
fn the_key_of_a_ragged_row_counts_in_the_first_column_only_and_not_where_the_file_was_cut() {
    for (labels, cells) in [
        (["department", "employee_id", "city"], &["Sales", "1"][..]),
        (["employee_id", "department", "city"], &["11"]),
    ] {
        let (mut checker, row) = (checker(&labels, &lenient()), texts(cells));
        let outcome = checker.check(&row);
        assert!(
            matches!(
                outcome,
                Checked::Refused {
                    key: KeyOf::Unreadable,
                    ..
                }
            ),
            "{outcome:?}"
        );
    }
}

#[test]
fn keys_are_text_and_what_a_spreadsheet_made_of_them_is_refused() {
    for (kind, text, key) in [
        (CellKind::Text, " 00123 ", "00123"),
        (CellKind::Number, "1234", "1234"),
        (CellKind::Text, "12E4", "12E4"),
        (CellKind::Text, "A/7.1", "A/7.1"),
    ] {
        assert_eq!(key_of(kind, text).as_deref(), Ok(key), "{text}");
    }
    for (kind, text, code) in [
        (CellKind::Text, "1.23E+05", code::TYPE_ERROR),
        (
            CellKind::LongNumber,
            "12345678901234567000",
            code::TYPE_ERROR,
        ),
        (CellKind::Number, "12.5", code::TYPE_ERROR),
        (CellKind::Date, "2026-01-05", code::TYPE_ERROR),
        (CellKind::Flag, "true", code::TYPE_ERROR),
        (CellKind::Time, "", code::TYPE_ERROR),
        (CellKind::Error, "", code::ERROR_VALUE),
        (CellKind::Undecodable, "M\u{fffd}ller", code::ENCODING_ERROR),
        (CellKind::TooLong, "", code::CONSTRAINT_ERROR),
        (CellKind::Text, "1\n2", code::CONSTRAINT_ERROR),
        (CellKind::Text, "1\u{1}", code::CONSTRAINT_ERROR),
    ] {
        assert_eq!(
            key_of(kind, text),
            Err(code.to_owned()),
            "{kind:?} {text:?}"
        );
    }
    assert_eq!(
        key_of(CellKind::Text, &"x".repeat(201)),
        Err("constraint-error".to_owned())
    );
}

#[test]
fn cells_come_to_their_canonical_form() {
    for (label, kind, text, canonical) in [
        (
            "hire_date",
            CellKind::Date,
            "2026-01-05T08:00:00",
            "2026-01-05",
        ),
        ("hire_date", CellKind::Text, "25/12/2020", "2020-12-25"),
        ("salary", CellKind::Number, "45000.5", "45000.5"),
        ("salary", CellKind::Text, "-1,000.50", "-1000.5"),
        ("is_assistant", CellKind::Text, "Y", "true"),
        ("is_assistant", CellKind::Flag, "false", "false"),
        ("city", CellKind::Text, "two\nlines", "two\nlines"),
        ("zip", CellKind::Number, "2148", "2148"),
        (
            "email",
            CellKind::Text,
            "O'Neill@acme.example",
            "O'Neill@acme.example",
        ),
    ] {
        assert_eq!(
            value_of(label, kind, text).as_deref(),
            Ok(canonical),
            "{label} {text}"
        );
    }
}

#[test]
fn malformed_cells_are_not_taken_and_not_repeated() {
    for (label, kind, text, code) in [
        ("email", CellKind::Text, "SKING", code::TYPE_ERROR),
        ("hire_date", CellKind::Text, "soonish", code::TYPE_ERROR),
        ("hire_date", CellKind::Text, "25/12/20", code::TYPE_ERROR),
        (
            "hire_date",
            CellKind::Text,
            "2026-02-30",
            code::CONSTRAINT_ERROR,
        ),
        (
            "hire_date",
            CellKind::Date,
            "1900-02-29",
            code::CONSTRAINT_ERROR,
        ),
        ("hire_date", CellKind::Time, "", code::TYPE_ERROR),
        ("hire_date", CellKind::Number, "45000", code::TYPE_ERROR),
        (
            "hourly_pay",
            CellKind::Text,
            "12.50 apples",
            code::TYPE_ERROR,
        ),
        ("salary", CellKind::Date, "2026-01-05", code::TYPE_ERROR),
        ("is_assistant", CellKind::Text, "perhaps", code::TYPE_ERROR),
        (
            "phone",
            CellKind::LongNumber,
            "12345678901234567000",
            code::TYPE_ERROR,
        ),
        ("city", CellKind::Error, "", code::ERROR_VALUE),
        ("city", CellKind::Uncomputed, "", code::ERROR_VALUE),
        (
            "city",
            CellKind::Text,
            "Par\u{85}is",
            code::CONSTRAINT_ERROR,
        ),
        (
            "ssn",
            CellKind::Undecodable,
            "\u{fffd}123-45",
            code::ENCODING_ERROR,
        ),
    ] {
        assert_eq!(
            value_of(label, kind, text),
            Err(code.to_owned()),
            "{label} {text}"
        );
    }
}

#[test]
fn a_declared_format_holds_for_text_and_not_for_dates_of_a_sheet() {
    let mapping = Mapping {
        date_format: Some(DateFormat::parse("%Y/%d/%m").unwrap()),
        ..lenient()
    };
    let mut checker = checker(&["employee_id", "hire_date"], &mapping);
    for (kind, text) in [
        (CellKind::Text, "2026/04/03"),
        (CellKind::Date, "2026-03-04"),
    ] {
        let row = row_of(&[(CellKind::Text, "1"), (kind, text)]);
        let Checked::Record(record, _) = checker.check(&row) else {
            panic!("refused");
        };
        assert_eq!(second(&record), "2026-03-04");
    }
}

#[test]
fn the_status_decides_who_is_employed_and_a_past_end_date_does_not() {
    assert_eq!(standing_of(&lenient(), "Active"), Some(Standing::Active));
    assert_eq!(standing_of(&lenient(), ""), Some(Standing::Active));
    assert_eq!(
        standing_of(&lenient(), "terminated "),
        Some(Standing::Inactive)
    );
    assert_eq!(standing_of(&lenient(), "Sabbatical"), None);
    let mapping = Mapping {
        active_values: vec!["sabbatical".to_owned()],
        ..lenient()
    };
    assert_eq!(standing_of(&mapping, "Sabbatical"), Some(Standing::Active));

    let mut checker = checker(&["employee_id", "termination_date"], &lenient());
    let row = texts(&["1", "2001-01-01"]);
    let Checked::Record(record, _) = checker.check(&row) else {
        panic!("refused");
    };
    assert_eq!(record.standing, Standing::Active);
}

#[test]
fn annual_pay_beyond_ten_million_is_left_out_with_a_warning_r3_24() {
    let mut checker = checker(&["employee_id", "annual_pay"], &lenient());
    let row = texts(&["1", "99999999999"]);
    let Checked::Record(record, warnings) = checker.check(&row) else {
        panic!("refused");
    };
    assert_eq!(record.fields.value(Field::AnnualPay), Some(""));
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].code, code::INVALID_ANNUAL_PAY);
    assert_eq!(warnings[0].severity, Severity::Warning);
    let row = texts(&["1", "-10,000,000.00"]);
    let outcome = checker.check(&row);
    assert!(
        matches!(&outcome, Checked::Record(_, warnings) if warnings.is_empty()),
        "{outcome:?}"
    );
}

#[test]
fn a_row_to_the_letter_is_its_mapped_cells_under_these_rules_and_nothing_else() {
    let labels = ["employee_id", "city", "note"];
    let hash = |checker: &mut Checker, cells: &[&str]| {
        let row = texts(cells);
        let verbatim = checker.verbatim(&row).unwrap();
        assert_eq!(verbatim.key, cells[0]);
        verbatim.hash
    };
    let mut checked = checker(&labels, &lenient());
    let first = hash(&mut checked, &["1", "Ulm", "new"]);
    assert_eq!(first, hash(&mut checked, &["1", "Ulm", "old"]));
    for other in [["1", "Ulm ", ""], ["1U", "lm", ""], ["2", "Ulm", ""]] {
        assert_ne!(first, hash(&mut checked, &other));
    }
    // In another order of columns it is the same row, under another mapping or with fewer fields it is not.
    let mut turned = checker(&["note", "employee_id", "city"], &lenient());
    let turned = turned.verbatim(&texts(&["", "1", "Ulm"])).unwrap().hash;
    assert_eq!(first, turned);
    let mut strict = checker(
        &labels,
        &Mapping {
            required: vec![Field::City],
            ..lenient()
        },
    );
    assert_ne!(first, hash(&mut strict, &["1", "Ulm", "new"]));
    let mut shorter = checker(&["employee_id", "note"], &lenient());
    assert_ne!(
        shorter.verbatim(&texts(&["1", ""])).unwrap().hash,
        hash(&mut checked, &["1", "", ""])
    );
}

#[test]
fn a_row_whose_fate_hangs_on_other_rows_is_never_taken_unchecked() {
    let mut checked = checker(&["employee_id", "city"], &lenient());
    for row in [texts(&["1"]), texts(&["1", "Ulm", "x"])] {
        assert_eq!(checked.verbatim(&row), None);
    }
    let number = row_of(&[(CellKind::Number, "1"), (CellKind::Text, "Ulm")]);
    let number = checked.verbatim(&number).unwrap().hash;
    assert_ne!(
        number,
        checked.verbatim(&texts(&["1", "Ulm"])).unwrap().hash
    );
}

proptest::proptest! {
    #[test]
    fn no_row_makes_it_panic(cells in proptest::collection::vec((0..4_usize, ".{0,20}"), 0..8)) {
        let kinds = [CellKind::Text, CellKind::Number, CellKind::Date, CellKind::LongNumber];
        let cells: Vec<(CellKind, &str)> =
            cells.iter().map(|(kind, text)| (kinds[*kind], text.as_str())).collect();
        let labels = ["employee_id", "email", "hire_date", "salary", "status", "is_assistant"];
        let _checked = checker(&labels, &lenient()).check(&row_of(&cells));
    }
}
