//! What a file would do to the roster, and whether it may. Writes nothing: a dry run ends here.

use std::fs::File;

use crate::db::Page;
use crate::import::links::Claims;
use crate::import::reader::Ending;
use crate::import::reading::{Reading, consume};
use crate::import::{ImportError, Importer};
use crate::parse::agreement::Delimiter;
use crate::parse::check::columns::{MappedColumn, MappedColumns};
use crate::parse::check::drift::{Shape, drift, objection, rows};
use crate::parse::field::Field;
use crate::parse::finding::{Finding, code};
use crate::queue::job::Approval;
use crate::report::findings::Findings;
use crate::report::run::Outcome;
use crate::roster::diff::{Absence, Counts, Diff, Draft};
use crate::roster::due;
use crate::roster::new_id::Leavers;
use crate::roster::person::ChangeKind;
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
        let (mut moved, mut shrunk) = (None, None);
        if let (Some(before), Some(now)) = (&before, &shape) {
            findings.extend(drift(before, now));
            moved = objection(before, now);
            // How many people have changed since yesterday says nothing about how many there are.
            if task.mode != Mode::Delta {
                findings.extend(rows(before.rows, now.rows));
                shrunk = task.source.safeguard.shrinkage(before.rows, now.rows);
            }
        }
        let unfit = draft
            .as_ref()
            .and_then(|draft| unfit(task.mode, draft, columns.as_ref()));
        let draft = draft.filter(|_| unfit.is_none());
        findings.extend(unfit);
        let Some(draft) = draft else {
            return Ok(Examined {
                columns,
                ..refused(reason(&findings), false, findings)
            });
        };
        let removal = draft.removal;
        let (plan, renumbered) =
            Box::pin(self.plan(task, draft, columns.as_ref(), &mut findings)).await?;
        let pause = self
            .db
            .pause(task.tenant, task.environment, &task.source.name)
            .await?;
        // Who sends what is there already changes nothing, and need not wait.
        let paused = pause
            .filter(|_| plan.any_change())
            .map(|pause| pause.reason());
        let objections = [
            paused,
            task.source.safeguard.objection(removal),
            shrunk,
            moved,
            renumbered,
        ];
        let objections: Vec<String> = objections.into_iter().flatten().collect();
        let objection = (!objections.is_empty()).then(|| objections.join(". "));
        let (outcome, reason) = judge(task, &plan, objection, &mapping, roster_version);
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
        let absence = match task.mode {
            Mode::Full => Absence::Leaves,
            Mode::Delta | Mode::Status => Absence::Stays,
        };
        let mut diff = Diff::new(digest).where_absence(absence);
        let stubs = self
            .db
            .stubs(task.tenant, task.environment, &task.source.name)
            .await?;
        diff.know_stubs(stubs.into_iter().map(Box::from));
        if let Some(tenant) = self.tenants.get(task.tenant) {
            diff = diff.on(tenant.day(self.clock.now()));
        }
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

    /// What the file would do, and why a person has to look whether an id was changed. The findings tell of that, and of managers.
    async fn plan(
        &self,
        task: Task<'_>,
        draft: Draft,
        columns: Option<&MappedColumns>,
        findings: &mut Findings,
    ) -> Result<(Plan, Option<String>), ImportError> {
        let (mut plan, claims) = self.resolve(draft).await?;
        let renumbered = self.renumbered(&plan, findings).await?;
        self.link(task, columns, claims, &mut plan, findings)
            .await?;
        Ok((plan, renumbered))
    }

    /// Compares the rows that may change somebody with what is stored.
    async fn resolve(&self, draft: Draft) -> Result<(Plan, Claims), ImportError> {
        let mut plan = draft.plan;
        let mut claims = Claims::default();
        for joiner in &plan.joiners {
            claims.take(joiner);
        }
        let mut undecided = draft.undecided.into_iter();
        loop {
            let batch: Vec<_> = undecided.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return Ok((plan, claims));
            }
            let ids: Vec<i64> = batch.iter().map(|(known, _)| known.id).collect();
            let mut stored = self.db.stored_fields(&ids).await?;
            let endings = self.db.endings(&ids).await?;
            for (known, candidate) in batch {
                let fields = stored.remove(&known.id).unwrap_or_default();
                let ending = endings.get(&known.id);
                if candidate.says_employed() && ending != Some(&due::Ending::Past) {
                    claims.take(&candidate);
                }
                plan.decide(known.id, candidate, fields, ending);
            }
        }
    }
}

impl Importer {
    /// Why a person has to look whether somebody leaves and joins again under another employee id.
    async fn renumbered(
        &self,
        plan: &Plan,
        findings: &mut Findings,
    ) -> Result<Option<String>, ImportError> {
        if !Leavers::are_to_be_compared(plan) {
            return Ok(None);
        }
        let mut leavers = Leavers::default();
        for revised in &plan.revised {
            if revised.kind == ChangeKind::Leaver {
                leavers.add(&revised.key, &revised.fields);
            }
        }
        for batch in plan.absent.chunks(BATCH) {
            let ids: Vec<i64> = batch.iter().map(|(_, known)| known.id).collect();
            let stored = self.db.stored_fields(&ids).await?;
            for (key, known) in batch {
                if let Some(fields) = stored.get(&known.id) {
                    leavers.add(key, fields);
                }
            }
        }
        Ok(leavers.compare(plan, |finding| findings.push(finding)))
    }
}

/// Whether the run may do what it would do. `objection` is why a person should look first.
fn judge(
    task: Task<'_>,
    plan: &Plan,
    objection: Option<String>,
    mapping: &str,
    roster_version: u64,
) -> (Outcome, Option<String>) {
    let counts = &plan.counts;
    if counts.rows > 0 && counts.refused_rows == counts.rows {
        let reason = "Every row of the file was refused, so nothing was changed.";
        return (Outcome::Refused, Some(reason.to_owned()));
    }
    let outdated = task.approval.is_some_and(|approval| {
        approval.mapping != mapping || approval.roster_version != roster_version
    });
    let objection = match (task.approval, objection) {
        (None, objection) => objection,
        // Also where nothing else speaks against it any more: somebody has seen what it would have done then, and may think otherwise of this.
        (Some(_), objection) if outdated && (objection.is_some() || plan.any_change()) => {
            let outdated = "The approval does not count any more, because roster or mapping have changed since: this is what it would do now";
            Some(objection.map_or_else(
                || outdated.to_owned(),
                |objection| format!("{objection}. {outdated}"),
            ))
        }
        (Some(_), _) => None,
    };
    if let Some(objection) = objection {
        return (Outcome::Held, Some(format!("{objection}.")));
    }
    if plan.any_change() {
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

/// Why a file that could be read is refused all the same.
fn unfit(mode: Mode, draft: &Draft, columns: Option<&MappedColumns>) -> Option<Finding> {
    if mode == Mode::Status && !columns.is_some_and(tells_status) {
        return Some(no_status());
    }
    // On some days nobody changes.
    (draft.plan.counts.rows == 0 && mode != Mode::Delta).then(no_rows)
}

fn tells_status(columns: &MappedColumns) -> bool {
    let mut fields = columns.columns.iter().filter_map(MappedColumn::field);
    fields.any(|field| field == Field::EmploymentStatus)
}

fn no_status() -> Finding {
    Finding::file(
        code::MISSING_LABEL,
        "There is no column with the employment status, and in the mode \"status\" nothing else says who has left.",
        "Send the file with that column, name its header for employment_status under [data_source.columns], or choose another mode.",
    )
}

fn no_rows() -> Finding {
    Finding::file(
        code::NO_ROWS,
        "The file has a header and no rows. An empty file never makes leavers.",
        "Check the export, and send a file with everybody in it.",
    )
}
