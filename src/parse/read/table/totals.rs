//! Pure. Rows that a report writes below its table: sums, counts, the end of the report.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use crate::parse::field::normalised;
use crate::parse::row::{CellKind, RawRow};

/// Bytes of a cell that may say so.
const WORDS_BYTES: usize = 200;
/// What such a row begins with, without digits.
const WORDS: [&str; 44] = [
    "total",
    "totals",
    "grandtotal",
    "subtotal",
    "sum",
    "summe",
    "gesamt",
    "gesamtsumme",
    "gesamtergebnis",
    "gesamtanzahl",
    "somme",
    "totale",
    "totaal",
    "totalgeneral",
    "suma",
    "soma",
    "count",
    "anzahl",
    "recordcount",
    "rowcount",
    "headcount",
    "employeecount",
    "totalcount",
    "totalrecords",
    "totalrows",
    "totalemployees",
    "totalheadcount",
    "totalnumberofrecords",
    "totalnumberofemployees",
    "totalnumberofrows",
    "numberofrecords",
    "numberofrows",
    "numberofemployees",
    "recordsprocessed",
    "endofreport",
    "endoffile",
    "endoffeed",
    "endofdata",
    "endofextract",
    "endedesberichts",
    "dateiende",
    "finderapport",
    "eof",
    "trailer",
];
/// What it says beside a number.
const COUNTED: [&str; 16] = [
    "row",
    "rows",
    "record",
    "records",
    "employees",
    "people",
    "entries",
    "lines",
    "rowsselected",
    "rowselected",
    "rowsaffected",
    "rowaffected",
    "recordsselected",
    "rowsreturned",
    "recordsfound",
    "datensatze",
];
/// What a sentence there begins with.
const SENTENCES: [&str; 16] = [
    "reportgenerated",
    "reportdate",
    "rundate",
    "generatedon",
    "generatedby",
    "printedon",
    "printedby",
    "createdon",
    "createdby",
    "exportedon",
    "exportedby",
    "preparedby",
    "pageof",
    "erstelltam",
    "gedrucktam",
    "confidential",
];

/// Whether the first cell that is not empty says that the row is no person, and the others are numbers or mostly empty.
pub(super) fn is_total(row: &RawRow, width: usize) -> bool {
    let mut filled = row
        .cells()
        .filter(|cell| cell.kind != CellKind::Text || !cell.text.trim().is_empty());
    let Some(first) = filled.next() else {
        return false;
    };
    // Keys are mostly digits: then there is nothing more to look at.
    if first.kind != CellKind::Text
        || first.text.len() > WORDS_BYTES
        || !first.text.chars().any(char::is_alphabetic)
    {
        return false;
    }
    let most = width.saturating_sub(1) / 2;
    let (mut others, mut words) = (0_usize, false);
    for cell in filled {
        others += 1;
        words |= cell.text.chars().any(char::is_alphabetic);
        if words && others > most {
            return false;
        }
    }
    says_so(first.text, others)
}

fn says_so(text: &str, others: usize) -> bool {
    let letters: String = normalised(text)
        .chars()
        .filter(|c| !c.is_numeric())
        .collect();
    let counted = text.chars().any(|c| c.is_ascii_digit());
    WORDS.contains(&letters.as_str())
        || counted && COUNTED.contains(&letters.as_str())
        || others == 0 && SENTENCES.iter().any(|words| letters.starts_with(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_totals_is_told_from_a_person() {
        let is = |cells: &str| {
            let mut row = RawRow::new(1);
            for cell in cells.split(',') {
                row.push(CellKind::Text, cell);
            }
            is_total(&row, 6)
        };
        for total in [
            "Total",
            "Total:,,,,,",
            ",,Grand Total,,5000,",
            "Summe,,,,1,2",
            "Count: 214",
            "214 rows selected.",
            "(214 row(s) affected)",
            "*** End of report ***",
            "EOF",
            "Total employees: 12,,",
            "TRAILER,214",
            "Report generated on 2026-01-31",
            "Printed by payroll",
            "Page 1 of 3",
        ] {
            assert!(is(total), "{total}");
        }
        for person in [
            "Total,Ada,Engineer,x,y,z",
            "17,Ada",
            "E17,Ada,,,,",
            "Sum,Mei,Sales,a,,",
            "Summers",
            "Countess",
            "records",
            "5",
            "",
            "Generated,Ada",
            "Created,Ada",
            "Page",
        ] {
            assert!(!is(person), "{person}");
        }
    }
}
