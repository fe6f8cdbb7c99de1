//! Pure. The error file: a CSV that a spreadsheet opens, one line a finding; and the same as JSON, for programs.
//!
//! A finding names row, column and what is wrong, and never what stands in the cell: nobody's pay, and nobody else's data, gets into a second file. What was
//! wrong with equal files makes equal files, to the byte, whenever and under whatever name they came.

use serde::Serialize;

use crate::parse::finding::{Finding, code};
use crate::report::frictionless::frictionless;

/// Spreadsheets take a file for UTF-8 only with this before it.
pub(super) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The error file for `findings`, of which there were `total`.
pub fn error_file(findings: &[Finding], total: u64) -> Vec<u8> {
    let mut csv = csv::Writer::from_writer(BYTE_ORDER_MARK.as_bytes().to_vec());
    let written = write(&mut csv, findings, total);
    debug_assert!(written.is_ok(), "memory takes every write");
    csv.into_inner().unwrap_or_default()
}

fn write(
    csv: &mut csv::Writer<Vec<u8>>,
    findings: &[Finding],
    total: u64,
) -> Result<(), csv::Error> {
    csv.write_record([
        "row",
        "column",
        "code",
        "severity",
        "message",
        "what_to_do",
        "type",
    ])?;
    for finding in findings {
        let row = finding.row.map(|row| row.to_string()).unwrap_or_default();
        csv.write_record([
            &row,
            &neutral(finding.column.as_deref().unwrap_or_default()),
            &neutral(&finding.code),
            finding.severity.as_str(),
            &neutral(&finding.message),
            &neutral(&finding.remedy),
            frictionless(&finding.code).unwrap_or_default(),
        ])?;
    }
    let kept = findings.len() as u64;
    if let Some(more) = more(total.saturating_sub(kept)) {
        csv.write_record(more.iter().map(String::as_str).chain([""]))?;
    }
    csv.flush()?;
    Ok(())
}

/// Tells of findings that are not listed: the last line of a file whose columns three to six are code, severity, message and what to do.
pub(super) fn more(findings: u64) -> Option<[String; 6]> {
    (findings > 0).then(|| {
        let message = format!("{findings} more findings are not listed.");
        [
            "",
            "",
            code::MORE_FINDINGS,
            "info",
            &message,
            "Mend these first.",
        ]
        .map(str::to_owned)
    })
}

/// The text with a `'` before it if a spreadsheet would take it for a formula.
pub(super) fn neutral(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[derive(Serialize)]
struct Listed<'a> {
    /// All of them, also those that are not listed.
    findings_total: u64,
    findings: Vec<Named<'a>>,
}

#[derive(Serialize)]
struct Named<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    #[serde(rename = "type")]
    frictionless: Option<&'static str>,
}

/// The same for programs.
pub fn error_json(findings: &[Finding], total: u64) -> Vec<u8> {
    let named = findings.iter().map(|finding| Named {
        finding,
        frictionless: frictionless(&finding.code),
    });
    let listed = Listed {
        findings_total: total.max(findings.len() as u64),
        findings: named.collect(),
    };
    let mut json = serde_json::to_vec_pretty(&listed).unwrap_or_default();
    json.push(b'\n');
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run::tests::example;

    #[test]
    fn a_finding_is_a_line_and_no_cell_is_a_formula() {
        let mut findings = example().findings;
        findings.push(Finding::file("format-error", "Two\nlines.", "@SUM(A1)"));
        findings[0].column = Some("+cmd|' /C calc'!A0".to_owned());
        let file = String::from_utf8(error_file(&findings, 7)).unwrap();
        assert!(file.starts_with('\u{feff}'));
        insta::assert_snapshot!(file.trim_start_matches('\u{feff}'));
    }

    #[test]
    fn the_json_beside_it_says_the_same_and_has_frictionless_names() {
        let findings = example().findings;
        insta::assert_snapshot!(String::from_utf8(error_json(&findings, 7)).unwrap());
    }

    #[test]
    fn equal_findings_make_equal_files() {
        let findings = example().findings;
        assert_eq!(error_file(&findings, 7), error_file(&findings.clone(), 7));
        assert_eq!(error_json(&findings, 7), error_json(&findings.clone(), 7));
    }
}
