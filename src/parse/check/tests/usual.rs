//! What is taken at one look is what the long way makes of it.

use super::*;
use crate::parse::check::habits::Evidence;
use crate::parse::check::usual;

proptest::proptest! {
    /// What is taken at one look comes to the same the long way, whatever the column and its habits.
    #[test]
    fn a_usual_cell_is_what_the_long_way_makes_of_it(
        text in "Active|a|A|ACTIVE|inactive|[ -~äÑ\u{a0}\u{85}]{0,6}|[1-9 ][0-9]{0,8}([.,][0-9]{0,4}){0,2}|(18|19|20|21)[0-9]{2}-[0-3][0-9]-[0-3][0-9]|[a-zE.+_'-]{1,4}@[a-z-]{1,3}(\\.[a-z0-9-]{1,3}){0,2}",
        at in 0_usize..7,
        decimal in proptest::option::of(proptest::sample::select(vec![Point::Comma, Point::Point])),
    ) {
        let labels = ["employee_id", "email", "hire_date", "salary", "city", "fte", "status"];
        let mapping = Mapping { decimal, ..lenient() };
        let mut cells = ["1", "", "", "", "", "", ""];
        cells[at] = &text;
        let row = texts(&cells);
        let checker = checker(&labels, &mapping);
        if usual::is_clean(row.text()) {
            for look in &checker.layout.looks {
                let column = &checker.columns[look.slot];
                if let Some(value) = checker.usual(&row, look).and_then(|place| row.text().get(place)) {
                    let long = checker.value(&row, column);
                    proptest::prop_assert!(
                        long.is_ok_and(|long| long.text == value && long.standing == Standing::Active),
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
    let mut looks = checker.layout.looks.clone();
    looks.sort_by_key(|look| look.slot);
    let seen: Vec<_> = looks
        .iter()
        .map(|look| checker.usual(&row, look))
        .map(|place| row.text().get(place?))
        .collect();
    let values = ["00042", "a.b@acme.example", "2026-01-31", "Köln", "30000.5"];
    assert_eq!(seen, values.map(Some));
}

#[test]
fn a_point_where_commas_were_agreed_is_no_fraction() {
    let mapping = Mapping {
        decimal: Some(Point::Comma),
        ..lenient()
    };
    let mut checker = checker(&["employee_id", "salary"], &mapping);
    for text in ["1.1", "1.10"] {
        let row = texts(&["1", text]);
        let outcome = checker.check(&row);
        let Checked::Record(record, warnings) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(warnings.len(), 1, "{text}");
        assert_eq!(record.fields.value(Field::AnnualPay), None, "{text}");
    }
}
