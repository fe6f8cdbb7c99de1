//! What a file would do to the roster, and whether it may. Writes nothing: a dry run ends here.

use std::fs::File;

use crate::db::Page;
use crate::import::reader::Ending;
use crate::import::reading::{Reading, consume};
use crate::import::{ImportError, Importer};
use crate::parse::agreement::Delimiter;
use crate::parse::check::columns::MappedColumns;
use crate::parse::check::drift::{Shape, drift, objection};
use crate::parse::finding::{Finding, code};
use crate::queue::job::Approval;
use crate::report::findings::Findings;
use crate::report::run::Outcome;
use crate::roster::diff::{Counts, Diff, Draft};
use crate::roster::plan::Plan;
use crate::tenant::{DataSource, Environment, Mode, TenantId};

/// Known people whose stored fields are loaded at once.
const BATCH: usize = 1_000;

/// Whose file is examined.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) environment: Environment,
    pub(super) source: &'a DataSource,
    pub(super) mode: Mode,
    pub(super) sha256: &'a str,
    /// An admin has seen what the run would do.
    pub(super) approval: Option<&'a Approval>,
}

/// What it comes to.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) outcome: Outcome,
    /// What a dry run would have come to.
    pub(super) would: Option<Outcome>,
    pub(super) reason: Option<String>,
    pub(super) counts: Counts,
    pub(super) mapping: String,
    pub(super) roster_version: u64,
    pub(super) rejected: bool,
    pub(super) findings: Vec<Finding>,
    pub(super) findings_total: u64,
    /// The form of the file, if it was read to its end.
    pub(super) shape: Option<Shape>,
    /// What its columns came to; none where it was not looked at, or has no header.
    pub(super) columns: Option<MappedColumns>,
    /// What it would write, also when it may not.
    pub(super) plan: Option<Plan>,
}

impl Importer {
    pub(super) async fn examine(
        &self,
        task: Task<'_>,
        file: File,
    ) -> Result<Examined, ImportError> {
        let mapping = task.source.digest();
        // Read before the roster is: what is applied in between shows as a later version.
        let roster_version = self
            .db
            .roster_version(task.tenant, task.environment, &task.source.name)
            .await?;
        let refused = |reason: String, rejected, findings: Findings| Examined {
            outcome: Outcome::Refused,
            would: None,
            reason: Some(reason),
            counts: Counts::default(),
            mapping: mapping.clone(),
            roster_version,
            rejected,
            findings_total: findings.total(),
            findings: findings.into_sorted(),
            shape: None,
            columns: None,
            plan: None,
        };
        if task.mode != Mode::Full {
            let mut findings = Findings::default();
            findings.push(not_yet(task.mode));
            return Ok(refused(reason(&findings), false, findings));
        }
        let rejected = self
            .db
            .was_rejected(
                task.tenant,
                task.environment,
                &task.source.name,
                task.sha256,
                &mapping,
            )
            .await?;
        if rejected {
            let reason = "These bytes were rejected by an admin; send a corrected file.";
            return Ok(refused(reason.to_owned(), true, Findings::default()));
        }
        let before = self
            .db
            .accepted_shape(task.tenant, task.environment, &task.source.name)
            .await?;
        let Reading {
            draft,
            mut findings,
            shape,
            columns,
        } = self.read(task, &mapping, before.as_ref(), file).await?;
        let mut moved = None;
        if let (Some(before), Some(now)) = (&before, &shape) {
            findings.extend(drift(before, now));
            moved = objection(before, now);
        }
        let Some(draft) = draft else {
            return Ok(Examined {
                columns,
                ..refused(reason(&findings), false, findings)
            });
        };
        if draft.plan.counts.rows == 0 {
            findings.push(no_rows());
            return Ok(Examined {
                columns,
                ..refused(reason(&findings), false, findings)
            });
        }
        let removal = draft.removal;
        let plan = self.resolve(draft).await?;
        let objections = [task.source.safeguard.objection(removal), moved];
        let objections: Vec<String> = objections.into_iter().flatten().collect();
        let objection = (!objections.is_empty()).then(|| objections.join(". "));
        let (outcome, reason) = judge(task, &plan.counts, objection, &mapping, roster_version);
        Ok(Examined {
            outcome,
            would: None,
            reason,
            counts: plan.counts,
            mapping,
            roster_version,
            rejected: false,
            findings_total: findings.total(),
            findings: findings.into_sorted(),
            shape,
            columns,
            plan: Some(plan),
        })
    }

    /// Reads the file against what is known of its data source.
    async fn read(
        &self,
        task: Task<'_>,
        digest: &str,
        before: Option<&Shape>,
        file: File,
    ) -> Result<Reading, ImportError> {
        let mut diff = Diff::new(digest);
        let mut page = Page::default();
        loop {
            page = self
                .db
                .known_people(task.tenant, task.environment, &task.source.name, &page)
                .await?;
            if page.people.is_empty() {
                break;
            }
            for (key, known) in page.people.drain(..) {
                diff.know(key, known);
            }
        }
        let forgotten = self
            .db
            .forgotten(task.tenant, task.environment, &task.source.name)
            .await?;
        let (mapping, limits) = (task.source.mapping.clone(), self.limits);
        let saved = before.map(Shape::saved).unwrap_or_default();
        let progress = self.progress.clone();
        let mut agreement = task.source.reading();
        if let Some(pgp) = &mut agreement.pgp {
            pgp.plain_bytes = self.limits.plain_bytes;
        }
        // A header line is found by its names, these among them.
        let names = saved.columns.iter().map(|(_, header)| header.clone());
        agreement.headers.extend(names);
        let seen = before.and_then(|shape| shape.layout.delimiter);
        if let (Delimiter::Unknown, Some(seen)) = (agreement.delimiter, seen) {
            agreement.delimiter = Delimiter::Seen(seen);
        }
        let (mut reading, ending) = self
            .reader
            .read(file, agreement, move |frames| {
                let forgotten = forgotten.as_ref();
                consume(
                    frames,
                    &mapping,
                    &saved,
                    &limits,
                    forgotten,
                    diff,
                    progress.as_ref(),
                )
            })
            .await?;
        if let Ending::Refused(finding) = ending {
            reading.findings.push(finding);
            reading.draft = None;
            reading.shape = None;
        }
        Ok(reading)
    }

    /// Compares the rows that may change somebody with what is stored.
    async fn resolve(&self, draft: Draft) -> Result<Plan, ImportError> {
        let mut plan = draft.plan;
        let mut undecided = draft.undecided.into_iter();
        loop {
            let batch: Vec<_> = undecided.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return Ok(plan);
            }
            let ids: Vec<i64> = batch.iter().map(|(known, _)| known.id).collect();
            let mut stored = self.db.stored_fields(&ids).await?;
            for (known, candidate) in batch {
                let fields = stored.remove(&known.id).unwrap_or_default();
                plan.decide(known.id, candidate, fields);
            }
        }
    }
}

/// Whether the run may do what it would do. `objection` is why a person should look first.
fn judge(
    task: Task<'_>,
    counts: &Counts,
    objection: Option<String>,
    mapping: &str,
    roster_version: u64,
) -> (Outcome, Option<String>) {
    if counts.refused_rows == counts.rows {
        let reason = "Every row of the file was refused, so nothing was changed.";
        return (Outcome::Refused, Some(reason.to_owned()));
    }
    let approved = task.approval.is_some_and(|approval| {
        approval.mapping == mapping && approval.roster_version == roster_version
    });
    if !approved && let Some(objection) = objection {
        let reason = match task.approval {
            None => format!("{objection}."),
            Some(_) => format!(
                "{objection}. The approval does not count any more, because roster or mapping have changed since."
            ),
        };
        return (Outcome::Held, Some(reason));
    }
    if counts.any_change() {
        (Outcome::Applied, None)
    } else {
        (Outcome::NoChange, None)
    }
}

/// The reason of a refused file.
fn reason(findings: &Findings) -> String {
    findings.fatal().map_or_else(
        || "The file was refused.".to_owned(),
        |finding| finding.message.clone(),
    )
}

fn not_yet(mode: Mode) -> Finding {
    Finding::file(
        code::MODE_NOT_YET,
        format!(
            "Files in the mode \"{}\" are not imported yet.",
            mode.as_str()
        ),
        "Have the data source set to mode = \"full\", and send a file with everybody in it.",
    )
}

fn no_rows() -> Finding {
    Finding::file(
        code::NO_ROWS,
        "The file has a header and no rows. An empty file never makes leavers.",
        "Check the export, and send a file with everybody in it.",
    )
}
