//! Rows as files have them, and what the checks say of each.

mod traps;

use super::*;
use crate::parse::check::habits::Evidence;

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
        Checked::Record(record, warnings) => {
            assert!(warnings.is_empty());
            Ok(second(&record))
        }
        Checked::Refused { key, findings, .. } => {
            assert_eq!(key, KeyOf::Sure("1".to_owned()));
            assert_eq!(findings.len(), 1);
            assert_eq!(findings[0].row, Some(7));
            assert_eq!(findings[0].column.as_deref(), Some(label));
            assert!(text.len() < 3 || !format!("{findings:?}").contains(text));
            Err(findings[0].code.clone())
        }
        Checked::Blank => panic!("blank"),
    }
}

/// The value of the field behind the key.
fn second(record: &Record) -> String {
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
    let checked = checker(&labels, &Mapping::default()).check(&row);
    let expected = Record {
        row: 7,
        standing: Standing::Inactive,
        fields: Values::from([
            (Field::EmployeeId, "00012"),
            (Field::WorkEmail, "ada@acme.example"),
            (Field::EmploymentStatus, "Terminated"),
            (Field::HireDate, "2020-01-31"),
            (Field::AnnualPay, "45000"),
        ]),
    };
    assert_eq!(checked, Checked::Record(expected, Vec::new()));
}

#[test]
fn a_refused_row_tells_all_its_faults_and_its_key() {
    let labels = ["employee_id", "email", "hire_date", "salary"];
    let row = texts(&["7", "ada", "03/04/2026", "much"]);
    let Checked::Refused { row, key, findings } = checker(&labels, &Mapping::default()).check(&row)
    else {
        panic!("not refused");
    };
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
    let Checked::Record(record, _) = checker.check(&texts(&["1", "a@acme.example", ""])) else {
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
        let outcome = checker(&labels, &lenient()).check(&texts(cells));
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
fn malformed_cells_refuse_the_row_and_are_not_repeated() {
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
        let Checked::Record(record, _) =
            checker.check(&row_of(&[(CellKind::Text, "1"), (kind, text)]))
        else {
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
    let Checked::Record(record, _) = checker.check(&texts(&["1", "2001-01-01"])) else {
        panic!("refused");
    };
    assert_eq!(record.standing, Standing::Active);
}

#[test]
fn ids_that_lost_their_zeros_in_an_old_workbook_are_warned_of_once() {
    let mut checker = checker(&["employee_id", "zip"], &lenient());
    let mut warned = Vec::new();
    for (kind, key) in [
        (CellKind::Text, "00121"),
        (CellKind::BareNumber, "122"),
        (CellKind::BareNumber, "123"),
    ] {
        let row = row_of(&[(kind, key), (CellKind::BareNumber, "2148")]);
        let Checked::Record(record, warnings) = checker.check(&row) else {
            panic!("refused");
        };
        assert_eq!(record.key(), key);
        warned.push(warnings);
    }
    assert_eq!(warned.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(warned[1][0].code, code::NUMERIC_KEY);
    assert_eq!(warned[1][0].severity, Severity::Warning);
    assert_eq!(
        key_of(CellKind::BareNumber, "12.5"),
        Err(code::TYPE_ERROR.to_owned())
    );
}

#[test]
fn annual_pay_beyond_ten_million_is_left_out_with_a_warning_r3_24() {
    let mut checker = checker(&["employee_id", "annual_pay"], &lenient());
    let Checked::Record(record, warnings) = checker.check(&texts(&["1", "99999999999"])) else {
        panic!("refused");
    };
    assert_eq!(record.fields.value(Field::AnnualPay), Some(""));
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].code, code::INVALID_ANNUAL_PAY);
    assert_eq!(warnings[0].severity, Severity::Warning);
    let outcome = checker.check(&texts(&["1", "-10,000,000.00"]));
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
    for row in [
        texts(&["1"]),
        texts(&["1", "Ulm", "x"]),
        row_of(&[(CellKind::BareNumber, "1"), (CellKind::Text, "Ulm")]),
    ] {
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

/// What the rows of a file come to, one after the other, as a run takes them: the value of the second column, or the code of its fault.
fn come_to(label: &str, cells: &[&str]) -> Result<(Vec<String>, Vec<String>), Finding> {
    let mut checker = checker(&["employee_id", label], &lenient());
    let mut values = Vec::new();
    let mut take = |checker: &mut Checker, row: &RawRow| match checker.check(row) {
        Checked::Record(record, _) => values.push(second(&record)),
        Checked::Refused { findings, .. } => values.push(findings[0].code.clone()),
        Checked::Blank => panic!("blank"),
    };
    for cell in cells {
        let mut next = checker.admit(texts(&["1", cell]))?;
        while let Some(row) = next {
            take(&mut checker, &row);
            next = checker.released();
        }
    }
    checker.finish();
    while let Some(row) = checker.released() {
        take(&mut checker, &row);
    }
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
fn dates_that_nothing_settles_are_refused_and_the_others_are_not() {
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
    let row = checker.admit(texts(&["1", "45.000"])).unwrap().unwrap();
    match checker.check(&row) {
        Checked::Record(record, _) => assert_eq!(second(&record), "45000"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_same_letters_under_another_habit_are_not_the_same_row() {
    let hash = |first: &str| {
        let mut checker = checker(&["employee_id", "hire_date"], &lenient());
        checker.admit(texts(&["1", first])).unwrap();
        let row = checker.admit(texts(&["2", "03/04/2026"])).unwrap().unwrap();
        checker.verbatim(&row).unwrap().hash
    };
    assert_eq!(hash("25/12/2026"), hash("26/11/2026"));
    assert_ne!(hash("25/12/2026"), hash("12/25/2026"));
}

proptest::proptest! {
    /// What is taken at one look comes to the same the long way, whatever the column and its habits.
    #[test]
    fn a_usual_cell_is_what_the_long_way_makes_of_it(
        text in "[ -~äÑ\u{a0}\u{85}]{0,6}|[1-9 ][0-9]{0,8}([.,][0-9]{0,4}){0,2}|(18|19|20|21)[0-9]{2}-[0-3][0-9]-[0-3][0-9]|[a-zE.+_'-]{1,4}@[a-z-]{1,3}(\\.[a-z0-9-]{1,3}){0,2}",
        at in 0_usize..6,
        decimal in proptest::option::of(proptest::sample::select(vec![Point::Comma, Point::Point])),
    ) {
        let labels = ["employee_id", "email", "hire_date", "salary", "city", "fte"];
        let mapping = Mapping { decimal, ..lenient() };
        let mut cells = ["1", "", "", "", "", ""];
        cells[at] = &text;
        let row = texts(&cells);
        let checker = checker(&labels, &mapping);
        if usual::is_clean(row.text()) {
            for column in &checker.columns {
                if let Some(value) = checker.usual(&row, column).and_then(|place| row.text().get(place)) {
                    let long = checker.value(&row, column);
                    proptest::prop_assert!(
                        long.is_ok_and(|long| long.text == value && long.warning.is_none()),
                        "{:?} as {}", text, column.field.name()
                    );
                }
            }
        }
        if let Some((_, evidence)) = usual::number(text.as_bytes()) {
            proptest::prop_assert_eq!(evidence, value::evidence(&text));
        }
        if usual::is_date(text.as_bytes()) {
            proptest::prop_assert_eq!(date::evidence(&text), Evidence::Silent);
        }
    }
}

#[test]
fn the_usual_cell_is_seen_at_one_look() {
    let labels = ["employee_id", "email", "hire_date", "salary", "city"];
    let checker = checker(&labels, &lenient());
    let row = texts(&[
        "00042",
        "a.b@acme.example",
        "2026-01-31",
        "30000.50",
        "Köln",
    ]);
    let seen: Vec<_> = checker
        .columns
        .iter()
        .map(|column| checker.usual(&row, column))
        .map(|place| row.text().get(place?))
        .collect();
    let values = ["00042", "a.b@acme.example", "2026-01-31", "Köln", "30000.5"];
    assert_eq!(seen, values.map(Some));
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
        let mut next = checker.admit(texts(&cells)).unwrap();
        while let Some(row) = next {
            take(&mut checker, &row);
            next = checker.released();
        }
    }
    checker.finish();
    while let Some(row) = checker.released() {
        take(&mut checker, &row);
    }
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
        let mut next = checker.admit(texts(&["1", date, "Smith, John"])).unwrap();
        while next.is_some() {
            taken += 1;
            next = checker.released();
        }
        assert_eq!(taken, if row < 1_500 { 0 } else { row + 1 }, "{row}");
    }
}

#[test]
fn rows_that_wait_take_no_more_memory_than_they_may() {
    let mut checker = checker(&["employee_id", "hire_date", "note"], &lenient());
    let long = "x".repeat(1 << 20);
    let waited = (0..100).take_while(|_| {
        let row = texts(&["1", "03/04/2026", &long]);
        checker.admit(row).unwrap().is_none()
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
    let outcome =
        checker(&["employee_id", "hire_date"], &strict).check(&texts(&["1", "00.00.0000"]));
    let Checked::Refused { findings, .. } = outcome else {
        panic!("taken");
    };
    assert_eq!(findings[0].code, code::REQUIRED_VALUE);
}
