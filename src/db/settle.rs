//! The one transaction that ends a run: roster, history, outcome, findings, job, and the older runs that it makes pointless.

use std::borrow::Cow;

use super::change::NewChange;
use super::person::Place;
use super::run::Judged;
use super::{
    Db, DbError, accepted_shape, change, due_change, finding, held_change, job, link, pass, person,
    roster_version, run, stub,
};
use crate::failpoint::Point;
use crate::parse::check::drift::Shape;
use crate::parse::finding::Finding;
use crate::queue::job::{JobState, LeasedJob};
use crate::report::run::Outcome;
use crate::roster::diff::Counts;
use crate::roster::masking::Masking;
use crate::roster::person::{ChangeKind, FieldChanges};
use crate::roster::plan::Plan;
use crate::tenant::Mode;

/// What a run came to.
#[derive(Debug)]
pub struct Verdict<'a> {
    pub outcome: Outcome,
    /// What a dry run would have come to.
    pub would: Option<Outcome>,
    pub reason: Option<&'a str>,
    pub counts: Counts,
    /// Digest of the mapping.
    pub mapping: &'a str,
    /// Of the roster that the file was compared with.
    pub roster_version: u64,
    /// The verdict repeats an admin's rejection of the same bytes.
    pub rejected: bool,
    pub findings: &'a [Finding],
    pub findings_total: u64,
    /// The form of the file, if it was read to its end.
    pub shape: Option<&'a Shape>,
    /// What is to be written, or shown when the run is held; nothing when it is refused.
    pub plan: Option<&'a Plan>,
    /// What is masked of a plan that is shown.
    pub masking: &'a Masking,
}

impl Db {
    /// Writes a verdict, all of it or nothing, and returns the runs that it superseded. The lease must still stand, and the roster be the one that
    /// was compared.
    pub async fn settle(
        &self,
        leased: &LeasedJob,
        verdict: &Verdict<'_>,
    ) -> Result<Vec<String>, DbError> {
        let now = self.now();
        let (tenant, environment, source) = (&leased.tenant, leased.environment, &leased.source);
        let mut transaction = self.begin().await?;
        let state = match verdict.outcome {
            Outcome::Held => JobState::Held,
            _ => JobState::Done,
        };
        pass(Point::SettleJob).await?;
        job::give_back(&mut transaction, leased, state, None).await?;
        pass(Point::SettleHeld).await?;
        held_change::forget(&mut transaction, std::slice::from_ref(&leased.run)).await?;
        held_change::forget_dry_runs(&mut transaction, leased).await?;
        let is_shown_only = matches!(verdict.outcome, Outcome::Held | Outcome::DryRun);
        if let Some(plan) = verdict.plan.filter(|_| is_shown_only) {
            let seen = verdict.roster_version;
            roster_version::expect(&mut transaction, tenant, environment, source, seen).await?;
            held_change::write(
                &mut transaction,
                &leased.run,
                verdict.masking,
                plan.changes(),
            )
            .await?;
        } else if let Some(plan) = verdict.plan {
            let seen = verdict.roster_version;
            pass(Point::SettleVersion).await?;
            roster_version::expect(&mut transaction, tenant, environment, source, seen).await?;
            if plan.any_change() {
                roster_version::advance(&mut transaction, tenant, environment, source, seen)
                    .await?;
            }
            let place = Place {
                tenant,
                environment,
                source,
                run: &leased.run,
            };
            write_plan(&mut transaction, place, now, plan).await?;
            let absent: Vec<i64> = plan.absent.iter().map(|(_, known)| known.id).collect();
            due_change::forget(&mut transaction, &absent).await?;
        }
        let judged = Judged {
            outcome: verdict.outcome,
            would: verdict.would,
            reason: verdict.reason,
            mapping: verdict.mapping,
            roster_version: verdict.roster_version,
            rejected: verdict.rejected,
            counts: verdict.counts,
            findings: verdict.findings_total,
        };
        pass(Point::SettleRun).await?;
        run::judge(&mut transaction, &leased.run, now, &judged).await?;
        pass(Point::SettleFindings).await?;
        finding::replace(&mut transaction, &leased.run, verdict.findings).await?;
        if let Some(shape) = verdict.shape.filter(|_| verdict.outcome.is_good()) {
            let owner = (tenant, environment, source.as_str());
            accepted_shape::keep(&mut transaction, owner, &leased.run, shape).await?;
        }
        let decided = matches!(
            verdict.outcome,
            Outcome::Applied | Outcome::NoChange | Outcome::Held | Outcome::DryRun
        );
        let superseded = if decided && leased.mode != Mode::Delta {
            pass(Point::SettleOlder).await?;
            run::supersede_older(&mut transaction, leased, now).await?
        } else {
            Vec::new()
        };
        pass(Point::SettleCommit).await?;
        transaction.commit().await?;
        Ok(superseded)
    }
}

/// Writes what a run does to the roster, and its history.
pub(super) async fn write_plan(
    connection: &mut sqlx::SqliteConnection,
    place: Place<'_>,
    now: jiff::Timestamp,
    plan: &Plan,
) -> Result<(), DbError> {
    let first_id = person::next_id(connection).await?;
    pass(Point::SettleJoiners).await?;
    person::add(connection, place, first_id, &plan.joiners).await?;
    pass(Point::SettleStubs).await?;
    let first_stub = first_id + i64::try_from(plan.joiners.len()).unwrap_or(i64::MAX);
    stub::add(connection, place, first_stub, &plan.stubs).await?;
    pass(Point::SettleRevised).await?;
    person::revise(connection, place.run, &plan.revised).await?;
    pass(Point::SettleRehashed).await?;
    person::rehash(connection, &plan.rehashed).await?;
    pass(Point::SettleAbsent).await?;
    person::leave(connection, place.run, &plan.absent).await?;
    stub::fill(connection).await?;
    pass(Point::SettleLinks).await?;
    link::compare_again(connection, place.tenant, place.environment, &plan.loose).await?;
    pass(Point::SettleDue).await?;
    let joiners_due = plan.joiners.iter().zip(first_id..);
    let joiners_due = joiners_due.filter_map(|(it, person)| Some((person, Some(it.due()?))));
    let due = plan.due.iter().cloned();
    due_change::note(connection, place, joiners_due.chain(due)).await?;
    let joiners = plan
        .joiners
        .iter()
        .zip(first_id..)
        .map(|(joiner, person)| NewChange {
            person,
            kind: ChangeKind::Joiner,
            fields: Cow::Owned(joiner.all_new()),
        });
    let revised = plan.revised.iter().map(|revised| NewChange {
        person: revised.person,
        kind: revised.kind,
        fields: Cow::Borrowed(&revised.changes),
    });
    let absent = plan.absent.iter().map(|(_, known)| NewChange {
        person: known.id,
        kind: ChangeKind::Leaver,
        fields: Cow::Owned(FieldChanges::default()),
    });
    let stubs = plan
        .stubs
        .iter()
        .zip(first_stub..)
        .map(|((_, changes), person)| NewChange {
            person,
            kind: ChangeKind::Joiner,
            fields: Cow::Borrowed(changes),
        });
    pass(Point::SettleChanges).await?;
    change::write(
        connection,
        place.run,
        now,
        joiners.chain(revised).chain(absent).chain(stubs),
    )
    .await
}
