//! Cells that look like something else: each with what it comes to in a column that shows nothing more, and why. A code means that the row is
//! refused; an empty text that the cell says nothing.

use super::value_of;
use crate::parse::row::CellKind;

/// Column, cell, what it comes to or the code of its fault, and why.
type Trap = (
    &'static str,
    &'static str,
    Result<&'static str, &'static str>,
    &'static str,
);

const NONE: Result<&str, &str> = Ok("");
const REFUSED: Result<&str, &str> = Err("type-error");
const NO_SUCH_DAY: Result<&str, &str> = Err("constraint-error");

fn spring_all(traps: &[Trap]) {
    for (label, cell, comes_to, why) in traps {
        let came_to = value_of(label, CellKind::Text, cell);
        let came_to = came_to.as_deref().map_err(String::as_str);
        assert_eq!(came_to, *comes_to, "{label} {cell:?}: {why}");
    }
}

#[test]
fn dates_that_are_read_though_they_look_odd() {
    let third_of_april = Ok("2026-04-03");
    let traps = [
        (
            "2026-04-03T23:30:00Z",
            "nothing is moved between time zones",
        ),
        ("2026-04-03T23:30:00-11:00", "the same"),
        ("2026-04-03-07:00", "Workday: a zone behind the date"),
        ("2026-04-03Z", "the same"),
        ("2026-04-03 00:00:00.0000000", "SQL Server"),
        ("3 Apr 2026 12:00:00 AM", "a time of twelve hours"),
        (
            "April 3, 2026, 7:00:00\u{202f}PM",
            "Java and JavaScript of today: narrow blank",
        ),
        ("3. April 2026", "German"),
        ("3 avril 2026", "French"),
        ("3 de abril de 2026", "Spanish and Portuguese"),
        ("03APR2026", "SAS"),
        ("April 3rd, 2026", "an ordinal number"),
        ("3rd of April 2026", "the same"),
        ("2026年4月3日", "Chinese and Japanese"),
        ("2026년 4월 3일", "Korean"),
        ("2026. 4. 3.", "Korean and Hungarian"),
        (
            "20260403",
            "eight digits begin with the year: no day and month make 1900 to 2200",
        ),
    ];
    for (cell, why) in traps {
        spring_all(&[("hire_date", cell, third_of_april, why)]);
    }
    spring_all(&[
        (
            "hire_date",
            "1 mai 2026",
            Ok("2026-05-01"),
            "French, German",
        ),
        ("hire_date", "01-MRT-2026", Ok("2026-03-01"), "Dutch"),
        ("hire_date", "1. März 2026", Ok("2026-03-01"), "German"),
        ("hire_date", "1er août 2026", Ok("2026-08-01"), "French"),
        (
            "birth_date",
            "1970-01-01",
            Ok("1970-01-01"),
            "people were born on it",
        ),
    ]);
}

#[test]
fn dates_that_stand_for_none() {
    spring_all(&[
        ("hire_date", "00/00/0000", NONE, "an empty date of MySQL"),
        ("hire_date", "0000-00-00 00:00:00", NONE, "the same"),
        ("hire_date", "00.00.0000", NONE, "an empty date of SAP"),
        ("hire_date", "00000000", NONE, "the same in eight digits"),
        ("hire_date", "0", NONE, "an empty number"),
        ("hire_date", "1/0/1900", NONE, "zero as Excel shows it"),
        ("hire_date", "00/01/1900", NONE, "the same in London"),
        (
            "birth_date",
            "1900-01-01",
            NONE,
            "an empty date of SQL Server",
        ),
        ("birth_date", "01/01/1900", NONE, "the same"),
        ("hire_date", "30/12/1899", NONE, "zero of Access"),
        (
            "hire_date",
            "0001-01-01T00:00:00",
            NONE,
            "an empty date of .NET",
        ),
        (
            "hire_date",
            "1753-01-01",
            NONE,
            "the first day of SQL Server",
        ),
        ("termination_date", "9999-12-31", NONE, "SAP: for ever"),
        ("termination_date", "31.12.9999", NONE, "the same"),
        ("termination_date", "31-Dec-4712", NONE, "Oracle: for ever"),
        ("termination_date", "NULL", NONE, "a database's nothing"),
        ("termination_date", "\\N", NONE, "another's"),
        ("termination_date", "NaT", NONE, "that of pandas"),
        ("termination_date", "n/a", NONE, "a person's"),
        ("termination_date", "-", NONE, "another's"),
    ]);
}

#[test]
fn dates_that_could_be_something_else_are_refused() {
    spring_all(&[
        (
            "hire_date",
            "9999-12-31",
            NO_SUCH_DAY,
            "nobody is hired at the end of time",
        ),
        (
            "termination_date",
            "2569-04-03",
            NO_SUCH_DAY,
            "the Thai year of 2026, and no 'for ever'",
        ),
        ("hire_date", "1405-01-14", NO_SUCH_DAY, "the Persian year"),
        ("hire_date", "115/04/03", REFUSED, "the Taiwanese year"),
        ("hire_date", "R8.4.3", REFUSED, "the Japanese era"),
        ("hire_date", "令和8年4月3日", REFUSED, "the same"),
        (
            "hire_date",
            "٢٠٢٦-٠٤-٠٣",
            REFUSED,
            "Arabic digits: of which calendar?",
        ),
        ("hire_date", "45000", REFUSED, "days since 1899 or 1904?"),
        ("hire_date", "45000.25", REFUSED, "the same with a time"),
        (
            "hire_date",
            "1775174400",
            REFUSED,
            "seconds since 1970, perhaps",
        ),
        ("hire_date", "03/04/2026", REFUSED, "March or April?"),
        (
            "hire_date",
            "03-04-26",
            REFUSED,
            "which of them is the year?",
        ),
        ("hire_date", "3 Apr 26", REFUSED, "which century?"),
        ("hire_date", "April 2026", REFUSED, "which day?"),
        ("hire_date", "Apr-26", REFUSED, "a day, or a year?"),
        (
            "hire_date",
            "3 listopad 2026",
            REFUSED,
            "October in Zagreb, November in Prague",
        ),
        ("hire_date", "2026-W14-5", REFUSED, "a week"),
        ("hire_date", "2026-093", REFUSED, "a day of the year"),
        ("hire_date", "2026093", REFUSED, "the same"),
        ("hire_date", "202604", REFUSED, "a month"),
        (
            "hire_date",
            "00.00.2026",
            NO_SUCH_DAY,
            "a year of which day and month are not known",
        ),
        (
            "hire_date",
            "2026-13-04",
            NO_SUCH_DAY,
            "not the year, the day and the month",
        ),
        ("hire_date", "2026-04-03 or so", REFUSED, "not a time"),
        ("hire_date", "2026-04-03-2026-04-05", REFUSED, "two dates"),
        ("hire_date", "07:30", REFUSED, "a time of day"),
    ]);
}

#[test]
fn numbers_that_have_one_reading() {
    spring_all(&[
        ("salary", "1'234.50", Ok("1234.5"), "Switzerland"),
        (
            "salary",
            "1\u{2019}234.50",
            Ok("1234.5"),
            "the same with a curled mark",
        ),
        ("salary", "1 234,50", Ok("1234.5"), "France"),
        (
            "salary",
            "1\u{a0}234,50",
            Ok("1234.5"),
            "with a blank at which no line breaks",
        ),
        (
            "salary",
            "1\u{202f}234,50",
            Ok("1234.5"),
            "with a narrow one",
        ),
        ("salary", "1.234,50", Ok("1234.5"), "Germany"),
        ("salary", "12,34,567.00", Ok("1234567"), "India"),
        (
            "salary",
            "45,000",
            Ok("45000"),
            "nobody earns forty-five a year",
        ),
        ("salary", "(123)", Ok("-123"), "an accountant's minus"),
        ("salary", "1.234,50-", Ok("-1234.5"), "a minus of SAP"),
        ("salary", "\u{2212}5", Ok("-5"), "a minus of typographers"),
        ("salary", "45'000.-", Ok("45000"), "and no centimes"),
        ("salary", "€ 45.000,-", Ok("45000"), "and no cents"),
        ("salary", "45 000 kr.", Ok("45000"), "a currency behind"),
        (
            "salary",
            "A$45,000.00",
            Ok("45000"),
            "a sign of two letters",
        ),
        (
            "salary",
            "eur 45000",
            Ok("45000"),
            "a code in small letters",
        ),
        (
            "hourly_pay",
            "21.634615384615383",
            Ok("21.6346153846"),
            "a formula's result",
        ),
        ("salary", "NULL", NONE, "a database's nothing"),
        ("salary", "NaN", NONE, "that of pandas"),
    ]);
}

#[test]
fn numbers_that_have_two_readings_or_none_are_refused() {
    spring_all(&[
        (
            "salary",
            "1.234",
            REFUSED,
            "a thousand, or a little more than one",
        ),
        ("hourly_pay", "1.234", REFUSED, "the same"),
        (
            "hourly_pay",
            "25,125",
            REFUSED,
            "the same: pay by the hour may have three digits behind the comma",
        ),
        ("salary", "1,234,56", REFUSED, "which comma is wrong?"),
        ("salary", "1.234.56", REFUSED, "which point is wrong?"),
        ("salary", "1 23", REFUSED, "two numbers"),
        (
            "salary",
            "-",
            REFUSED,
            "nothing, or zero as an accountant shows it",
        ),
        ("salary", "45K", REFUSED, "a word"),
        ("salary", "50%", REFUSED, "of what?"),
        (
            "salary",
            "1.2E+05",
            REFUSED,
            "a spreadsheet has thrown digits away",
        ),
        ("salary", "40,000 - 50,000", REFUSED, "two numbers"),
        (
            "salary",
            "45,000 p.a.",
            REFUSED,
            "words: it could have been p.m.",
        ),
        ("salary", "0x1F", REFUSED, "no digits of ours"),
        ("salary", "٤٥٠٠٠", REFUSED, "neither"),
        ("salary", "$€5", REFUSED, "two currencies"),
    ]);
}

#[test]
fn yes_and_no_in_many_words() {
    let (yes, no) = (Ok("true"), Ok("false"));
    spring_all(&[
        ("is_assistant", "J", yes, "German"),
        ("is_assistant", "N", no, "the same"),
        ("is_assistant", "Oui", yes, "French"),
        ("is_assistant", "S", yes, "Spanish, Italian, Portuguese"),
        ("is_assistant", "X", yes, "a cross in a list"),
        ("is_assistant", "\u{2713}", yes, "a tick in a list"),
        (
            "is_assistant",
            "1.0",
            yes,
            "a truth value that was a number once",
        ),
        ("is_assistant", "-1", yes, "Access"),
        ("is_assistant", "Wahr", yes, "a German Excel"),
        ("is_assistant", "verdadero", yes, "a Spanish one"),
        ("is_assistant", "NIE", no, "Polish"),
        ("is_assistant", "-", NONE, "nothing"),
        (
            "is_assistant",
            "O",
            REFUSED,
            "yes in Paris, and in Tokyo the opposite of X",
        ),
        ("is_assistant", "2", REFUSED, "neither"),
    ]);
}

#[test]
fn addresses_that_are_none() {
    spring_all(&[
        ("personal_email", "n/a", NONE, "nothing"),
        ("personal_email", "-", NONE, "nothing"),
        ("personal_email", "none@", REFUSED, "half an address"),
        ("city", "n/a", Ok("n/a"), "a text is a text"),
    ]);
}
