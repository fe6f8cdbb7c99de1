//! Pure. The error file: a CSV that a spreadsheet opens, one line a finding.

use crate::parse::finding::{Finding, code};

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
    csv.write_record(["row", "column", "code", "severity", "message", "what_to_do"])?;
    for finding in findings {
        let row = finding.row.map(|row| row.to_string()).unwrap_or_default();
        csv.write_record([
            &row,
            &neutral(finding.column.as_deref().unwrap_or_default()),
            &neutral(&finding.code),
            finding.severity.as_str(),
            &neutral(&finding.message),
            &neutral(&finding.remedy),
        ])?;
    }
    let kept = findings.len() as u64;
    more(csv, total.saturating_sub(kept))?;
    csv.flush()?;
    Ok(())
}

/// Tells of findings that are not listed: the last line of a file whose columns three to six are code, severity, message and what to do.
pub(super) fn more(csv: &mut csv::Writer<Vec<u8>>, findings: u64) -> Result<(), csv::Error> {
    if findings == 0 {
        return Ok(());
    }
    let message = format!("{findings} more findings are not listed.");
    let advice = "Mend these first.";
    csv.write_record(["", "", code::MORE_FINDINGS, "info", &message, advice])
}

/// The text with a `'` before it if a spreadsheet would take it for a formula.
pub(super) fn neutral(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
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
}
