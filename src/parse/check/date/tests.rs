//! Dates that have one reading, and those that have none or two.

use super::*;

#[test]
fn only_a_day_beyond_the_twelfth_tells_the_order() {
    for (text, says) in [
        ("25/12/2026", Evidence::Says(Order::DayFirst)),
        ("12-25-2026 08:00", Evidence::Says(Order::MonthFirst)),
        ("3.4.2026", Evidence::Open),
        ("4/4/2026", Evidence::Silent),
        ("2026-04-03", Evidence::Silent),
        ("3 Apr 2026", Evidence::Silent),
        ("25/13/2026", Evidence::Silent),
        ("13/2026", Evidence::Silent),
        ("", Evidence::Silent),
    ] {
        assert_eq!(evidence(text), says, "{text}");
    }
    let read = |order| canonical("03/04/2026", Field::HireDate, None, order);
    assert_eq!(read(Some(Order::DayFirst)).as_deref(), Ok("2026-04-03"));
    assert_eq!(read(Some(Order::MonthFirst)).as_deref(), Ok("2026-03-04"));
    assert_eq!(read(None), Err(DateFault::Ambiguous));
}

fn undeclared(text: &str) -> Result<String, DateFault> {
    canonical(text, Field::HireDate, None, None)
}

fn declared(format: &str, text: &str) -> Result<String, DateFault> {
    read_as(Field::HireDate, format, text)
}

fn read_as(field: Field, format: &str, text: &str) -> Result<String, DateFault> {
    canonical(text, field, Some(&DateFormat::parse(format).unwrap()), None)
}

#[test]
fn iso_dates_and_date_times_give_their_date() {
    for text in [
        "2003-07-16",
        "2003-07-16T19:00:00.000Z",
        "2003-07-16 19:00:00",
        "2003-07-16T23:30:00+10:00",
        "20030716",
        "2003/07/16",
        "2003.7.16",
        " 2003-07-16 ",
    ] {
        assert_eq!(undeclared(text).unwrap(), "2003-07-16", "{text}");
    }
}

#[test]
fn dates_with_one_reading_are_taken_and_those_with_two_refused() {
    assert_eq!(undeclared("25/12/2020").unwrap(), "2020-12-25");
    assert_eq!(undeclared("12/25/2020").unwrap(), "2020-12-25");
    assert_eq!(undeclared("5.5.2020").unwrap(), "2020-05-05");
    assert_eq!(undeclared("03/04/2026"), Err(DateFault::Ambiguous));
    assert_eq!(undeclared("3-4-2026"), Err(DateFault::Ambiguous));
    assert_eq!(undeclared("13/13/2026"), Err(DateFault::NoSuchDay));
}

#[test]
fn months_by_name_leave_nothing_to_guess() {
    for text in [
        "3 April 2026",
        "03-Apr-2026",
        "April 3, 2026",
        "apr 03 2026",
    ] {
        assert_eq!(undeclared(text).unwrap(), "2026-04-03", "{text}");
    }
    assert_eq!(undeclared("1 sept 2026").unwrap(), "2026-09-01");
    assert_eq!(undeclared("1-Jan-70"), Err(DateFault::ShortYear));
    assert_eq!(declared("%d %b %Y", "3 Apr. 2026").unwrap(), "2026-04-03");
    // A month and a year, and not the 20th of a year that ends in 26.
    assert_eq!(undeclared("April 2026"), Err(DateFault::NotADate));
}

#[test]
fn a_date_of_birth_with_a_short_year_is_never_in_the_future() {
    let read = |field| read_as(field, "%d/%m/%y", "25/12/55").unwrap();
    assert_eq!(read(Field::BirthDate), "1955-12-25");
    assert_eq!(read(Field::TerminationDate), "2055-12-25");
}

#[test]
fn the_way_dates_are_written_is_known_by_their_first_letters() {
    for (text, words) in [
        ("2026-04-03", "with the year first"),
        ("3/4/2026", "with slashes"),
        ("03.04.2026", "with points"),
        ("03-04-2026", "with dashes"),
        ("03-Apr-2026", "with the name of the month"),
        ("3 April 2026", "with the name of the month"),
        ("20260403", "in eight digits"),
    ] {
        let forms: Vec<_> = Forms::of(text).words().collect();
        assert_eq!(forms, [words], "{text}");
    }
    assert_eq!(Forms::of("").words().count(), 0);
}

#[test]
fn short_years_count_only_when_declared() {
    assert_eq!(undeclared("25/12/20"), Err(DateFault::ShortYear));
    assert_eq!(declared("%d/%m/%y", "25/12/20").unwrap(), "2020-12-25");
    assert_eq!(declared("%d/%m/%y", "25/12/71").unwrap(), "1971-12-25");
}

#[test]
fn a_declared_format_decides_and_iso_is_understood_beside_it() {
    assert_eq!(declared("%d/%m/%Y", "03/04/2026").unwrap(), "2026-04-03");
    assert_eq!(declared("%m/%d/%Y", "03/04/2026").unwrap(), "2026-03-04");
    assert_eq!(
        declared("%d/%m/%Y", "3/4/2026 00:00:00").unwrap(),
        "2026-04-03"
    );
    assert_eq!(declared("%d%m%Y", "03042026").unwrap(), "2026-04-03");
    assert_eq!(declared("%d %b %Y", "3 Apr 2026").unwrap(), "2026-04-03");
    assert_eq!(declared("%d/%m/%Y", "2026-04-03").unwrap(), "2026-04-03");
    assert_eq!(
        declared("%d/%m/%Y", "12/25/2026"),
        Err(DateFault::NoSuchDay)
    );
    assert_eq!(
        declared("%d/%m/%Y", "25.12.2026"),
        Err(DateFault::NotAsDeclared)
    );
    assert_eq!(
        declared("%Y/%d/%m", "2026-04-03"),
        Err(DateFault::NotAsDeclared)
    );
}

#[test]
fn nonsense_is_no_date() {
    for text in ["", "soon", "1/2", "2026-04-03x", "2026-04-03 x", "€"] {
        assert_eq!(undeclared(text), Err(DateFault::NotADate), "{text}");
    }
    for text in [
        "2026-02-29",
        "1899-12-29",
        "9999-12-31",
        "2026-00-10",
        "20011301",
    ] {
        assert_eq!(undeclared(text), Err(DateFault::NoSuchDay), "{text}");
    }
    assert_eq!(undeclared("2028-02-29").unwrap(), "2028-02-29");
}

#[test]
fn a_format_names_day_month_and_year_once_each() {
    for good in ["%d/%m/%Y", "%Y%m%d", "%d. %B %Y", "%b %d, %y"] {
        assert_eq!(DateFormat::parse(good).unwrap().as_str(), good);
    }
    for bad in [
        "",
        "%d/%m",
        "%d/%d/%Y",
        "%d/%m/%Y %y",
        "dd/mm/yyyy",
        "%d/%m/%Y %H",
        "%",
    ] {
        assert_eq!(DateFormat::parse(bad), Err(DateFormatError), "{bad}");
    }
}
