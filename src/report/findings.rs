//! Pure. The findings of one run: the first ten thousand are kept, all are counted, so that a file of nonsense cannot fill the disk.

use crate::parse::finding::{Finding, Severity};

/// Findings of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    kept: Vec<Finding>,
    total: u64,
}

impl Findings {
    /// How many are kept.
    pub const LIMIT: usize = 10_000;

    /// Takes one more.
    pub fn push(&mut self, finding: Finding) {
        self.total += 1;
        if self.kept.len() < Self::LIMIT {
            self.kept.push(finding);
        } else if finding.row.is_none() && finding.severity == Severity::Error {
            // What refuses the whole file must not get lost behind its rows.
            self.kept.pop();
            self.kept.push(finding);
        }
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Why a refused file was refused: the first error of the file as a whole, else the first one, which is about its header.
    pub fn fatal(&self) -> Option<&Finding> {
        let mut errors = self
            .kept
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        let first = errors.clone().next();
        errors.find(|finding| finding.row.is_none()).or(first)
    }

    /// Those that are kept: first those of the whole file, then row by row.
    pub fn into_sorted(mut self) -> Vec<Finding> {
        self.kept.sort_by_key(|finding| finding.row);
        self.kept
    }
}

impl Extend<Finding> for Findings {
    fn extend<I: IntoIterator<Item = Finding>>(&mut self, findings: I) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_limit_findings_are_counted_and_a_fatal_one_is_still_kept() {
        let mut findings = Findings::default();
        findings.extend((0..20_000).map(|row| Finding::row(row + 2, None, "type-error", "m", "r")));
        findings.push(Finding::file("format-error", "Broken.", "Mend it."));
        assert_eq!(findings.total(), 20_001);
        assert_eq!(findings.fatal().unwrap().message, "Broken.");
        let kept = findings.into_sorted();
        assert_eq!(kept.len(), Findings::LIMIT);
        assert_eq!(kept[0].code, "format-error");
    }
}
