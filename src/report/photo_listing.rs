//! Pure. Whose photo is which now, for an admin: as JSON, and as text at a terminal; and the report of a batch as text.

use serde::Serialize;

use crate::parse::finding::{Finding, Severity};
use crate::parse::photo::matching::{Ambiguity, Matches, Person};
use crate::report::photos::PhotoReport;
use crate::report::text::{SHOWN, table, text};
use crate::tenant::{Environment, TenantId};

/// A photo that was taken.
#[derive(Debug, Clone)]
pub struct Shown<'a> {
    pub path: &'a str,
    /// Where the JPEG lies that it was brought to.
    pub conformed: Option<String>,
}

/// Photos and people, as they are matched now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    pub tenant: TenantId,
    pub environment: Environment,
    pub counts: ListingCounts,
    /// Who has a photo.
    pub people: Vec<PersonPhoto>,
    /// Photos that are nobody's.
    pub orphans: Vec<String>,
    pub missing: Vec<MissingPhoto>,
    pub ambiguous: Vec<AmbiguousPhoto>,
    pub refused: Vec<RefusedPhoto>,
}

/// How many of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ListingCounts {
    /// Photos in the mailbox that were looked at.
    pub photos: u64,
    /// Of these: somebody's.
    pub matched: u64,
    pub orphans: u64,
    pub refused: u64,
    /// Photos that came and were not looked at yet.
    pub waiting: u64,
    /// Who is employed.
    pub people: u64,
    pub people_with_photo: u64,
    pub missing: u64,
    pub ambiguous: u64,
}

/// Somebody with a photo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonPhoto {
    pub employee_id: String,
    pub photo: String,
    pub conformed: Option<String>,
}

/// Somebody whose column names a photo that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingPhoto {
    pub employee_id: String,
    pub photo_file: String,
}

/// Several photos for a person, or several people for a photo; the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AmbiguousPhoto {
    pub employee_ids: Vec<String>,
    pub photos: Vec<String>,
}

/// A photo that cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedPhoto {
    pub photo: String,
    pub code: String,
    pub message: String,
    pub what_to_do: String,
}

impl Listing {
    /// Everything that `matches` says of these people and photos.
    pub fn new(
        (tenant, environment): (&TenantId, Environment),
        matches: &Matches,
        people: &[Person<'_>],
        photos: &[Shown<'_>],
        refused: &[(&str, &[Finding])],
        waiting: u64,
    ) -> Self {
        let person = |at: &usize| people.get(*at).map_or("", |it| it.employee_id).to_owned();
        let photo = |at: &usize| photos.get(*at).map_or("", |it| it.path).to_owned();
        let with_photo: Vec<_> = matches
            .matched
            .iter()
            .map(|(of, at)| PersonPhoto {
                employee_id: person(of),
                photo: photo(at),
                conformed: photos.get(*at).and_then(|it| it.conformed.clone()),
            })
            .collect();
        let missing: Vec<_> = matches
            .missing
            .iter()
            .map(|at| MissingPhoto {
                employee_id: person(at),
                photo_file: people
                    .get(*at)
                    .and_then(|it| it.photo_file)
                    .unwrap_or_default()
                    .to_owned(),
            })
            .collect();
        let ambiguous: Vec<_> = matches
            .ambiguous
            .iter()
            .map(|it| match it {
                Ambiguity::SeveralPhotos { person: of, photos } => AmbiguousPhoto {
                    employee_ids: vec![person(of)],
                    photos: photos.iter().map(photo).collect(),
                },
                Ambiguity::SeveralPeople { photo: of, people } => AmbiguousPhoto {
                    employee_ids: people.iter().map(person).collect(),
                    photos: vec![photo(of)],
                },
            })
            .collect();
        let refused: Vec<_> = refused
            .iter()
            .filter_map(|(path, findings)| {
                let why = findings.iter().find(|it| it.severity == Severity::Error)?;
                Some(RefusedPhoto {
                    photo: (*path).to_owned(),
                    code: why.code.clone(),
                    message: why.message.clone(),
                    what_to_do: why.remedy.clone(),
                })
            })
            .collect();
        Self {
            tenant: tenant.clone(),
            environment,
            counts: ListingCounts {
                photos: count(photos.len() + refused.len()),
                matched: count(matches.photos_matched),
                orphans: count(matches.orphans.len()),
                refused: count(refused.len()),
                waiting,
                people: count(people.len()),
                people_with_photo: count(with_photo.len()),
                missing: count(missing.len()),
                ambiguous: count(ambiguous.len()),
            },
            people: with_photo,
            orphans: matches.orphans.iter().map(photo).collect(),
            missing,
            ambiguous,
            refused,
        }
    }

    /// The counts, who has which photo, and what is to be looked at.
    pub fn text(&self) -> String {
        let ListingCounts {
            photos,
            matched,
            orphans,
            refused,
            waiting,
            people,
            people_with_photo,
            missing,
            ambiguous,
        } = self.counts;
        let unclear = photos.saturating_sub(matched + orphans + refused);
        let mut lines = vec![
            format!(
                "photos  {photos} in the mailbox of {}/{}: {matched} somebody's, {orphans} nobody's, {unclear} unclear, {refused} refused",
                self.tenant, self.environment
            ),
            format!(
                "people  {people} employed: {people_with_photo} with a photo, {missing} whose photo is not there, {ambiguous} unclear"
            ),
        ];
        if waiting > 0 {
            lines.push(format!(
                "wait    {waiting} more came and were not looked at yet; the daemon does that"
            ));
        }
        let mut shown = text(&lines);
        if !self.people.is_empty() {
            let mut rows = vec![["EMPLOYEE", "PHOTO", "BROUGHT TO"].map(str::to_owned)];
            rows.extend(self.people.iter().map(|it| {
                let conformed = it.conformed.clone().unwrap_or_default();
                [it.employee_id.clone(), it.photo.clone(), conformed]
            }));
            shown.push('\n');
            shown.push_str(&table(&rows));
        }
        shown.push_str(&text(&section(
            "Nobody's: no photo column names them, and no employee id is their name",
            self.orphans.iter().cloned(),
        )));
        shown.push_str(&text(&section(
            "Not there: a photo column names them",
            self.missing
                .iter()
                .map(|it| format!("{} for {}", it.photo_file, it.employee_id)),
        )));
        shown.push_str(&text(&section(
            "Unclear: several photos for one person, or several people for one photo",
            self.ambiguous.iter().map(|it| {
                format!(
                    "{} and {}",
                    it.employee_ids.join(", "),
                    it.photos.join(", ")
                )
            }),
        )));
        shown.push_str(&text(&section(
            "Refused",
            self.refused
                .iter()
                .map(|it| format!("{}: {} {}", it.photo, it.message, it.what_to_do)),
        )));
        shown
    }
}

/// A batch, or files that were tried, with the first of the findings.
pub fn report_text(report: &PhotoReport) -> String {
    let counts = report.counts;
    let mut lines = vec![
        format!(
            "photos   {}: {} fine, {} with warnings, {} refused",
            counts.received, counts.fine, counts.with_warnings, counts.refused
        ),
        format!(
            "matched  {} somebody's, {} nobody's, {} missing, {} unclear",
            counts.matched, counts.orphans, counts.missing, counts.ambiguous
        ),
    ];
    if counts.conformed > 0 {
        lines.push(format!(
            "conform  {} would be brought to {} x {} pixels at {} ppi",
            counts.conformed, report.wanted.width, report.wanted.height, report.wanted.ppi
        ));
    }
    if report.findings_total > 0 {
        lines.push(format!("\nFindings: {}", report.findings_total));
    }
    for it in report.findings.iter().take(SHOWN as usize) {
        let whom = match &it.employee_id {
            Some(id) if it.file_name.is_empty() => format!("{id}: "),
            Some(id) => format!("{} ({id}): ", it.file_name),
            None if it.file_name.is_empty() => String::new(),
            None => format!("{}: ", it.file_name),
        };
        lines.push(format!(
            "  {:<7} {whom}{} {}",
            it.severity.as_str(),
            it.message,
            it.what_to_do
        ));
    }
    lines.extend(rest(report.findings_total));
    text(&lines)
}

/// A title and its lines; nothing where there are none.
fn section(title: &str, all: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let total = count(all.len());
    if total == 0 {
        return Vec::new();
    }
    let mut lines = vec![format!("\n{title}: {total}")];
    lines.extend(all.take(SHOWN as usize).map(|line| format!("  {line}")));
    lines.extend(rest(total));
    lines
}

fn rest(all: u64) -> Option<String> {
    let more = all.checked_sub(u64::from(SHOWN)).filter(|more| *more > 0)?;
    Some(format!("  … and {more} more (--json shows them)"))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::finding::code;
    use crate::parse::photo::matching::match_photos;

    fn example() -> Listing {
        let person = |employee_id, photo_file| Person {
            employee_id,
            photo_file,
        };
        let people = [
            person("E1", None),
            person("E2", Some("east\\Ben.JPG")),
            person("E3", Some("gone.jpg")),
            person("E4", None),
        ];
        let names = [
            "/images/e1.png",
            "/images/ben.jpg",
            "/images/E4.jpg",
            "/images/E4.bmp",
            "/images/\u{1b}[2J.jpg",
        ];
        let photos = names.map(|path| Shown {
            path,
            conformed: (path == "/images/ben.jpg").then(|| "/var/photos/0193.jpg".to_owned()),
        });
        let findings = [Finding::file(
            code::PHOTO_DAMAGED,
            "Cut off.",
            "Send it again.",
        )];
        Listing::new(
            (&TenantId::parse("acme").unwrap(), Environment::Production),
            &match_photos(&people, &names),
            &people,
            &photos,
            &[("/images/E5.jpg", &findings)],
            3,
        )
    }

    #[test]
    fn whose_photo_is_which_reads_well_at_a_terminal() {
        insta::assert_snapshot!(example().text());
    }

    #[test]
    fn whose_photo_is_which_is_one_document() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&example()).unwrap());
    }

    #[test]
    fn a_mailbox_without_photos_has_nothing_to_list() {
        let place = (&TenantId::parse("acme").unwrap(), Environment::Sandbox);
        let listing = Listing::new(place, &Matches::default(), &[], &[], &[], 0);
        assert_eq!(listing.text().lines().count(), 2);
    }
}
