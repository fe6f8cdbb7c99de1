//! Pure. The report of a batch of photos: how many came, how many are as they should be, and each finding with the file it is about. As JSON, and as a CSV that
//! a spreadsheet opens.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::parse::finding::{Finding, Severity, code};
use crate::parse::photo::matching::{Ambiguity, LISTED, Matches, Person};
use crate::parse::photo::{PPI, WANTED_HEIGHT, WANTED_WIDTH};
use crate::report::error_file::{BYTE_ORDER_MARK, more, neutral};
use crate::tenant::{Environment, TenantId};

/// How many photos came and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// All photos of the batch. A name that came twice is one photo, the later one.
    pub received: u64,
    /// Taken, and nothing to be looked at.
    pub fine: u64,
    /// Taken, with a warning about the picture.
    pub with_warnings: u64,
    /// Not a photo, or damaged.
    pub refused: u64,
    /// Of the taken ones: brought to the size and density that photos should have.
    pub conformed: u64,
    /// Of the taken ones: somebody's.
    pub matched: u64,
    /// Of the taken ones: nobody's.
    pub orphans: u64,
    /// People whose photo column names a photo that is not there.
    pub missing: u64,
    /// People or photos that nobody can tell apart.
    pub ambiguous: u64,
}

/// A finding about one photo, or about the photo that somebody should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhotoFinding {
    /// As it was sent, or as the photo column names it.
    pub file_name: String,
    /// Whom it is about, where that is known.
    pub employee_id: Option<String>,
    pub code: String,
    pub severity: Severity,
    pub message: String,
    pub what_to_do: String,
}

impl PhotoFinding {
    fn new(file_name: &str, employee_id: Option<&str>, finding: Finding) -> Self {
        Self {
            file_name: file_name.to_owned(),
            employee_id: employee_id.map(str::to_owned),
            code: finding.code,
            severity: finding.severity,
            message: finding.message,
            what_to_do: finding.remedy,
        }
    }

    fn warning(
        file_name: &str,
        employee_id: Option<&str>,
        code: &'static str,
        message: String,
        remedy: &str,
    ) -> Self {
        let finding = Finding::file(code, message, remedy).with_severity(Severity::Warning);
        Self::new(file_name, employee_id, finding)
    }
}

/// What photos should be, so that a reader of the report has something to go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Wanted {
    pub width: u32,
    pub height: u32,
    pub ppi: u16,
}

/// The report of one batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhotoReport {
    /// The delivery id of the first photo; none of files that were not delivered.
    pub batch: Option<String>,
    pub tenant: TenantId,
    pub environment: Environment,
    #[serde(serialize_with = "instant")]
    pub first_received_at: Option<Timestamp>,
    #[serde(serialize_with = "instant")]
    pub last_received_at: Option<Timestamp>,
    pub wanted: Wanted,
    pub counts: Counts,
    /// All findings, also those that are not kept.
    pub findings_total: u64,
    pub findings: Vec<PhotoFinding>,
    #[serde(skip)]
    kept: BTreeMap<Severity, usize>,
}

impl PhotoReport {
    /// How many findings are kept.
    pub const LIMIT: usize = 10_000;

    /// The report of a batch, that nothing stands in yet.
    pub fn of_batch(
        batch: &str,
        tenant: TenantId,
        environment: Environment,
        first: Timestamp,
        last: Timestamp,
    ) -> Self {
        Self {
            batch: Some(batch.to_owned()),
            first_received_at: Some(first),
            last_received_at: Some(last),
            ..Self::of_files(tenant, environment)
        }
    }

    /// The same of files that were not delivered.
    pub fn of_files(tenant: TenantId, environment: Environment) -> Self {
        Self {
            batch: None,
            tenant,
            environment,
            first_received_at: None,
            last_received_at: None,
            wanted: Wanted {
                width: WANTED_WIDTH,
                height: WANTED_HEIGHT,
                ppi: PPI,
            },
            counts: Counts::default(),
            findings_total: 0,
            findings: Vec::new(),
            kept: BTreeMap::new(),
        }
    }

    /// Counts a photo that was looked at, and takes what was found.
    pub fn photo(&mut self, file_name: &str, findings: Vec<Finding>) {
        self.counts.received += 1;
        match findings.iter().map(|finding| finding.severity).min() {
            Some(Severity::Error) => self.counts.refused += 1,
            Some(Severity::Warning) => self.counts.with_warnings += 1,
            Some(Severity::Info) | None => self.counts.fine += 1,
        }
        let is_conformed = findings
            .iter()
            .any(|finding| finding.code == code::PHOTO_CONFORMED);
        self.counts.conformed += u64::from(is_conformed);
        for finding in findings {
            self.push(PhotoFinding::new(file_name, None, finding));
        }
    }

    /// Counts whose photos they are, and tells of those that are nobody's. `people` and `photos` are what was matched.
    pub fn matches(&mut self, matches: &Matches, people: &[Person<'_>], photos: &[&str]) {
        let person = |at: &usize| people.get(*at).map(|it| it.employee_id).unwrap_or_default();
        let photo = |at: &usize| photos.get(*at).copied().unwrap_or_default();
        self.counts.matched = count(matches.photos_matched);
        self.counts.orphans = count(matches.orphans.len());
        self.counts.missing = count(matches.missing.len());
        self.counts.ambiguous = count(matches.ambiguous.len());
        for orphan in &matches.orphans {
            self.push(PhotoFinding::warning(
                photo(orphan),
                None,
                code::PHOTO_ORPHAN,
                "This is nobody's photo: no photo column names it, and no employee id is its name."
                    .to_owned(),
                "Name it after the employee id, as \"00042.jpg\", or as the photo column does.",
            ));
        }
        for missing in &matches.missing {
            let wanted = people.get(*missing).and_then(|it| it.photo_file);
            self.push(PhotoFinding::warning(
                wanted.unwrap_or_default(),
                Some(person(missing)),
                code::PHOTO_MISSING,
                "The photo column names this file, and it is not there.".to_owned(),
                "Send it, or correct the name in the photo column.",
            ));
        }
        for ambiguity in &matches.ambiguous {
            self.push(match ambiguity {
                Ambiguity::SeveralPhotos { person: of, photos } => PhotoFinding::warning(
                    &listed(photos.iter().map(photo)),
                    Some(person(of)),
                    code::PHOTO_AMBIGUOUS,
                    "More than one photo for one person, so none is taken.".to_owned(),
                    "Remove all but one, or let the photo column name the one that is meant.",
                ),
                Ambiguity::SeveralPeople { photo: of, people } => PhotoFinding::warning(
                    photo(of),
                    Some(&listed(people.iter().map(person))),
                    code::PHOTO_AMBIGUOUS,
                    "The photo is named after the ids of more than one person, so nobody gets it."
                        .to_owned(),
                    "Let the photo column name the photo of each of them.",
                ),
            });
        }
    }

    /// In place of [`PhotoReport::matches`] where there is nobody yet: one sentence, not one about each of so many photos.
    pub fn nobody_is_employed(&mut self, photos: usize) {
        self.counts.orphans = count(photos);
        if photos > 0 {
            self.push(PhotoFinding::warning(
                "",
                None,
                code::PHOTO_ORPHAN,
                "No employee file was applied yet, so nobody is known whose photos these could be."
                    .to_owned(),
                if self.batch.is_some() {
                    "Send the employee file; then this report is written anew."
                } else {
                    "Import the employee file first, and try the photos again."
                },
            ));
        }
    }

    /// Of each severity as many are kept as a report has room for.
    fn push(&mut self, finding: PhotoFinding) {
        self.findings_total += 1;
        let kept = self.kept.entry(finding.severity).or_default();
        if *kept < Self::LIMIT {
            *kept += 1;
            self.findings.push(finding);
        }
    }

    /// Nothing more is to be told: what is worst stands first now, and the rest is counted only.
    pub fn close(&mut self) {
        self.findings.sort_by_key(|finding| finding.severity);
        self.findings.truncate(Self::LIMIT);
    }

    /// The report as JSON.
    pub fn json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// The findings as CSV.
    pub fn csv(&self) -> Vec<u8> {
        let mut csv = csv::Writer::from_writer(BYTE_ORDER_MARK.as_bytes().to_vec());
        let written = self.write(&mut csv);
        debug_assert!(written.is_ok(), "memory takes every write");
        csv.into_inner().unwrap_or_default()
    }

    fn write(&self, csv: &mut csv::Writer<Vec<u8>>) -> Result<(), csv::Error> {
        csv.write_record([
            "file_name",
            "employee_id",
            "code",
            "severity",
            "message",
            "what_to_do",
        ])?;
        for finding in &self.findings {
            csv.write_record([
                &neutral(&finding.file_name),
                &neutral(finding.employee_id.as_deref().unwrap_or_default()),
                &neutral(&finding.code),
                finding.severity.as_str(),
                &neutral(&finding.message),
                &neutral(&finding.what_to_do),
            ])?;
        }
        let listed = count(self.findings.len());
        if let Some(more) = more(self.findings_total.saturating_sub(listed)) {
            csv.write_record(&more)?;
        }
        csv.flush()?;
        Ok(())
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let is_full = names.len() == LISTED;
    let mut listed = names.collect::<Vec<_>>().join("; ");
    if is_full {
        listed.push_str("; ...");
    }
    listed
}

#[expect(clippy::ref_option, reason = "serde gives it so")]
fn instant<S: serde::Serializer>(
    instant: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match instant {
        Some(instant) => serializer.collect_str(&format_args!("{instant:.3}")),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::photo::matching::match_photos;

    fn example() -> PhotoReport {
        let mut report = PhotoReport::of_batch(
            "0193-first",
            TenantId::parse("acme").unwrap(),
            Environment::Production,
            "2026-11-22T01:02:03.5Z".parse().unwrap(),
            "2026-11-22T01:09:00Z".parse().unwrap(),
        );
        let size = Finding::file(code::PHOTO_SIZE, "300 x 400.", "Scale it.")
            .with_severity(Severity::Warning);
        let conformed = Finding::file(code::PHOTO_CONFORMED, "Was 300 x 400.", "Nothing.")
            .with_severity(Severity::Info);
        report.photo("=7.jpg", vec![size]);
        report.photo("8.jpg", vec![conformed]);
        report.photo("8.png", vec![]);
        report.photo(
            "9.jpg",
            vec![Finding::file(
                code::PHOTO_DAMAGED,
                "Cut off.",
                "Send it again.",
            )],
        );
        report.photo("east/face.jpg", vec![]);
        let person = |employee_id, photo_file| Person {
            employee_id,
            photo_file,
        };
        let people = [
            person("8", None),
            person("+10", Some("gone.jpg")),
            person("11", Some("face.jpg")),
        ];
        let photos = ["=7.jpg", "8.jpg", "8.png", "east/face.jpg"];
        report.matches(&match_photos(&people, &photos), &people, &photos);
        report.close();
        report
    }

    #[test]
    fn the_report_counts_photos_and_tells_whose_they_are() {
        let report = example();
        let counts = report.counts;
        assert_eq!(
            counts.fine + counts.with_warnings + counts.refused,
            counts.received
        );
        insta::assert_snapshot!(String::from_utf8(report.json()).unwrap());
    }

    #[test]
    fn a_finding_about_a_photo_is_a_line_and_no_cell_is_a_formula() {
        let file = String::from_utf8(example().csv()).unwrap();
        insta::assert_snapshot!(file.strip_prefix('\u{feff}').unwrap());
    }

    #[test]
    fn photos_without_anybody_are_one_sentence() {
        let mut report =
            PhotoReport::of_files(TenantId::parse("acme").unwrap(), Environment::Production);
        report.nobody_is_employed(0);
        assert_eq!(report.findings_total, 0);
        report.nobody_is_employed(500);
        assert_eq!((report.counts.orphans, report.findings_total), (500, 1));
        let json: serde_json::Value = serde_json::from_slice(&report.json()).unwrap();
        assert!(json["batch"].is_null() && json["first_received_at"].is_null());
    }

    #[test]
    fn a_batch_of_nonsense_does_not_fill_the_disk_and_what_is_worst_is_told() {
        let mut report = example();
        let tell = |report: &mut PhotoReport, severity| {
            for number in 0..12_000 {
                let finding = Finding::file(code::PHOTO_FORMAT, "m", "r").with_severity(severity);
                report.photo(&format!("{number}.jpg"), vec![finding]);
            }
        };
        tell(&mut report, Severity::Info);
        tell(&mut report, Severity::Error);
        report.close();
        assert_eq!(report.findings.len(), PhotoReport::LIMIT);
        let severities = report.findings.iter().map(|it| it.severity);
        assert_eq!(severities.max(), Some(Severity::Error));
        let file = String::from_utf8(report.csv()).unwrap();
        assert!(
            file.trim_end()
                .ends_with("info,14006 more findings are not listed.,Mend these first."),
            "{}",
            &file[file.len() - 200..]
        );
    }
}
