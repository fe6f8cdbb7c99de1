//! Rows to tables: what is found, what is cut, what is skipped and what is said about it.

use crate::parse::agreement::Agreement;
use crate::parse::layout::{Layout, TableKind};
use crate::parse::limits::ReadLimits;
use crate::parse::read::table::Table;
use crate::parse::row::{CellKind, RawRow};
use crate::parse::wire::{Decoder, Frame};

/// What comes out of rows, a line each: `#` before a note, the number of the row before its cells.
fn table(kind: TableKind, rows: &[&str]) -> Vec<String> {
    let limits = ReadLimits::default();
    let agreement = Agreement::default();
    let mut pipe = Vec::new();
    let mut table = Table::new(&mut pipe, &limits, &agreement);
    let layout = Layout {
        kind,
        encoding: None,
        delimiter: None,
        sheet: None,
    };
    table.begin(&layout).unwrap();
    for (number, cells) in (1..).zip(rows) {
        let mut row = RawRow::new(number);
        for cell in cells.split(',') {
            row.push(CellKind::Text, cell);
        }
        table.row(&row).unwrap();
    }
    table.finish().unwrap();
    let mut decoder = Decoder::new(pipe.as_slice(), &limits);
    let mut lines = Vec::new();
    while let Some(frame) = decoder.decode().unwrap() {
        match frame {
            Frame::Header(header) => {
                lines.push(format!("{}: {}", header.row, header.labels.join(",")));
            }
            Frame::Row(row) => {
                let cells: Vec<&str> = row.cells().map(|cell| cell.text).collect();
                lines.push(format!("{}: {}", row.row, cells.join(",")));
            }
            Frame::Note(note) => lines.push(format!("# {} {}", note.code, note.message)),
            Frame::Layout(_) | Frame::End { .. } => {}
            Frame::Refused(finding) => panic!("{finding:?}"),
        }
    }
    lines
}

fn text(rows: &[&str]) -> Vec<String> {
    table(TableKind::Delimited, rows)
}

fn sheet(rows: &[&str]) -> Vec<String> {
    table(TableKind::Xlsx, rows)
}

#[test]
fn titles_above_the_header_are_skipped_and_it_is_said() {
    assert_eq!(
        text(&["Staff", ",", "As of today", "employee_id,email", "1,a"]),
        [
            "# skipped-rows 2 rows above the header were skipped.",
            "4: employee_id,email",
            "5: 1,a"
        ]
    );
}

#[test]
fn without_a_known_name_the_first_row_is_the_header_even_among_many() {
    let mut rows = vec!["foo,bar"];
    rows.extend(["1,2"; 30]);
    let lines = text(&rows);
    assert_eq!(lines[0], "1: foo,bar");
    assert_eq!(lines.len(), 31);
}

#[test]
fn a_header_below_the_first_twenty_rows_is_not_looked_for() {
    let mut rows = vec!["title,x"; 20];
    rows.push("employee_id,email");
    assert_eq!(text(&rows)[0], "1: title,x");
}

#[test]
fn totals_at_the_end_are_skipped_but_not_before_a_person() {
    assert_eq!(
        text(&[
            "employee_id,email,pay",
            "1,a,5",
            "Total,,5",
            ",,",
            "Count: 1"
        ]),
        [
            "1: employee_id,email,pay",
            "2: 1,a,5",
            "# skipped-rows 2 rows at the end were skipped."
        ]
    );
    assert_eq!(
        text(&[
            "employee_id,email,pay",
            "1,a,5",
            "Total,,5",
            "2,b,6",
            "Total,,11"
        ]),
        [
            "1: employee_id,email,pay",
            "2: 1,a,5",
            "3: Total,,5",
            "4: 2,b,6",
            "# skipped-rows 1 row at the end was skipped."
        ]
    );
}

#[test]
fn empty_columns_at_the_right_are_cut() {
    let cut = ["1: employee_id,email", "2: 1,a", "3: 2,b"];
    assert_eq!(text(&["employee_id,email,,,", "1,a,,,", "2,b"]), cut);
    assert_eq!(
        text(&["employee_id,email", "1,a,,,", "2,b,,,"])[..2],
        cut[..2]
    );
    // A column without a name.
    assert_eq!(text(&["employee_id,email,", "1,a,x", "2,b,"]), cut);
}

#[test]
fn a_cell_that_an_unquoted_delimiter_moved_stays_where_it_is() {
    // The last column is empty, and "Smith, John" is not quoted.
    assert_eq!(
        text(&[
            "employee_id,name,left",
            "1,Smith, John,",
            "2,Bob,",
            "3,Eve,"
        ])[1],
        "2: 1,Smith, John,"
    );
    assert_eq!(
        text(&[
            "employee_id,name,left,,",
            "1,Smith, John,,,",
            "2,Bob,,,",
            "3,Eve,,,"
        ])[1],
        "2: 1,Smith, John,,,"
    );
    assert_eq!(
        text(&["employee_id,name", "1,Smith, John"])[1],
        "2: 1,Smith, John"
    );
    assert_eq!(
        text(&["employee_id,name,left", "1,Smith, John,"])[1],
        "2: 1,Smith, John,"
    );
}

#[test]
fn a_table_beside_the_table_of_a_sheet_does_not_leak_into_it() {
    assert_eq!(
        sheet(&[
            "employee_id,department,,Department,Count",
            "1,Sales,,Sales,2",
            "2,Law",
            ",,,Law,5",
            "3"
        ]),
        [
            "# side-table Cells right of column 2 were left out: the header ends there.",
            "1: employee_id,department",
            "2: 1,Sales",
            "3: 2,Law",
            "5: 3,"
        ]
    );
}

#[test]
fn a_field_behind_an_empty_column_that_is_not_before_it_is_of_the_table() {
    assert_eq!(
        sheet(&["employee_id,email,,Status", "1,a,,active", "2,b"]),
        ["1: employee_id,email,,Status", "2: 1,a,,active", "3: 2,b,,"]
    );
}

#[test]
fn a_side_table_with_a_known_name_does_not_leak_into_people_where_it_is_longer_than_theirs() {
    assert_eq!(
        sheet(&[
            "employee_id,email,,Country,People",
            "1,a,,Norway,12",
            "2,b,,Malta,7",
            ",,,Chile,3"
        ]),
        [
            "# side-table Cells right of column 2 were left out: the header ends there.",
            "1: employee_id,email",
            "2: 1,a",
            "3: 2,b"
        ]
    );
    // Sums behind an empty column are of the table.
    for sums in [",,,,500", ",,,Total,500"] {
        let rows = sheet(&["employee_id,email,,Department,Salary", "1,a,,Law,500", sums]);
        assert!(rows[1].ends_with("1,a,,Law,500"), "{rows:?}");
    }
}

#[test]
fn right_of_the_header_of_a_sheet_nothing_is_read() {
    assert_eq!(
        sheet(&["employee_id,email", "1,a,,x", "2,b,y", ",,,z", "3"]),
        [
            "1: employee_id,email",
            "# side-table Cells right of column 2 were left out: the header ends there.",
            "2: 1,a",
            "3: 2,b",
            "5: 3,"
        ]
    );
}
