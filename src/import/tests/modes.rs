//! The modes delta and status, in which nobody leaves who is not in the file; and files that have become shorter.

use super::*;
use crate::roster::diff::Counts;

/// A file that says of these people whether they are employed.
fn standing(rows: impl IntoIterator<Item = (u32, &'static str)>) -> String {
    let rows = rows
        .into_iter()
        .map(|(key, status)| format!("{key:03},Ulm,{status}"));
    let lines = std::iter::once("employee_id,city,status".to_owned()).chain(rows);
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn counted(run: &Run) -> (Outcome, u64, u64, u64, u64) {
    let counts = run.counts;
    let Counts {
        joiners,
        movers,
        leavers,
        unchanged,
        ..
    } = counts;
    (run.outcome, joiners, movers, leavers, unchanged)
}

impl Bench {
    async fn import_to(&self, source: &str, csv: &str) -> Run {
        let delivery = self.deliver_to(source, csv).await;
        self.run(&delivery).await
    }
}

#[tokio::test]
async fn a_delta_touches_only_the_people_in_it_and_a_status_makes_leavers_r2_24() {
    let bench = Bench::new().await;
    let first = standing((1..=20).map(|key| (key, "Active")));
    bench.import_to("delta", &first).await;
    let delta =
        standing([(1, "Terminated"), (2, "Active"), (21, "Active")]).replace("002,Ulm", "002,Bonn");
    let run = bench.import_to("delta", &delta).await;
    assert_eq!(counted(&run), (Outcome::Applied, 1, 1, 1, 0), "{run:?}");
    assert_eq!(bench.roster(false).await.len(), 20);
    // The same again is no change, and so is one without anybody in it.
    let again = bench.import_to("delta", &delta).await;
    assert_eq!(counted(&again), (Outcome::NoChange, 0, 0, 0, 3));
    let nobody = bench.import_to("delta", "employee_id,city,status\n").await;
    assert_eq!(counted(&nobody), (Outcome::NoChange, 0, 0, 0, 0));
    // A row whose owner nobody can read stops no leaver: it is not about somebody absent.
    let odd = standing([(2, "Terminated")]) + ",Ulm,Active\n";
    let run = bench.import_to("delta", &odd).await;
    assert_eq!((run.outcome, run.counts.leavers), (Outcome::Applied, 1));
    // Somebody comes back, with one history.
    let back = bench.import_to("delta", &standing([(1, "Active")])).await;
    assert_eq!(counted(&back), (Outcome::Applied, 1, 0, 0, 0));
    assert_eq!(bench.roster(true).await.len(), 21);
}

#[tokio::test]
async fn a_delta_that_is_damaged_is_refused_and_changes_nobody() {
    let bench = Bench::new().await;
    let first = standing((1..=20).map(|key| (key, "Active")));
    bench.import_to("delta", &first).await;
    for damaged in ["", "employee_id,city,status\n001\n002\n"] {
        let run = bench.import_to("delta", damaged).await;
        assert_eq!(run.outcome, Outcome::Refused, "{run:?}");
    }
    assert_eq!(bench.roster(false).await.len(), 20);
}

#[tokio::test]
async fn a_status_file_needs_its_column_and_leaves_the_absent_alone_r2_23() {
    let bench = Bench::new().await;
    let first = standing((1..=20).map(|key| (key, "Active")));
    bench.import_to("status", &first).await;
    let without = bench.import_to("status", &people(1..=20, "Bonn")).await;
    assert_eq!(without.outcome, Outcome::Refused);
    let reason = without.reason.unwrap();
    assert!(
        reason.contains("no column with the employment status"),
        "{reason}"
    );
    let second = standing((1..=18).map(|key| (key, if key < 3 { "Inactive" } else { "Active" })));
    let run = bench.import_to("status", &second).await;
    assert_eq!(counted(&run), (Outcome::Applied, 0, 0, 2, 16));
    assert_eq!(bench.roster(false).await.len(), 18);
    let empty = bench.import_to("status", "employee_id,city,status\n").await;
    assert_eq!(empty.outcome, Outcome::Refused);
}

#[tokio::test]
async fn deltas_are_applied_in_order_and_a_held_one_holds_the_later_ones() {
    let bench = Bench::new().await;
    let first = standing((1..=20).map(|key| (key, "Active")));
    bench.import_to("delta", &first).await;
    let leaving = standing((1..=10).map(|key| (key, "Terminated")));
    let held = bench.deliver_to("delta", &leaving).await;
    let joining = bench.deliver_to("delta", &standing([(30, "Active")])).await;
    let moving = standing([(30, "Active")]).replace("Ulm", "Bonn");
    let moving = bench.deliver_to("delta", &moving).await;
    let other = bench.deliver_to("employees", &people(1..=1, "Ulm")).await;
    // Whoever waits for the last one runs those before it.
    assert_eq!(bench.run(&moving).await.outcome, Outcome::Queued);
    assert_eq!(bench.outcome(&held).await, Outcome::Held);
    assert_eq!(bench.outcome(&joining).await, Outcome::Queued);
    assert_eq!(bench.run(&other).await.outcome, Outcome::Applied);
    assert_eq!(bench.db().lease_job(&bench.me).await.unwrap(), None);

    bench.db().approve_run(held.as_str()).await.unwrap();
    let last = bench.run(&moving).await;
    assert_eq!(counted(&last), (Outcome::Applied, 0, 1, 0, 0));
    for earlier in [&held, &joining] {
        assert_eq!(bench.outcome(earlier).await, Outcome::Applied);
    }
}

#[tokio::test]
async fn a_rejected_delta_lets_the_later_ones_go_and_a_parked_one_does_not() {
    let bench = Bench::new().await;
    let first = standing((1..=20).map(|key| (key, "Active")));
    bench.import_to("delta", &first).await;
    let leaving = standing((1..=10).map(|key| (key, "Terminated")));
    let held = bench.deliver_to("delta", &leaving).await;
    let later = bench.deliver_to("delta", &standing([(30, "Active")])).await;
    bench.run(&later).await;
    bench.db().reject_run(held.as_str()).await.unwrap();
    assert_eq!(bench.run(&later).await.outcome, Outcome::Applied);

    let parked = bench.deliver_to("delta", &standing([(31, "Active")])).await;
    let job = bench.db().lease_job(&bench.me).await.unwrap().unwrap();
    bench.db().park_job(&job, "Broken.").await.unwrap();
    let later = bench.deliver_to("delta", &standing([(32, "Active")])).await;
    assert_eq!(bench.run(&later).await.outcome, Outcome::Queued);
    bench.db().retry_run(parked.as_str()).await.unwrap();
    assert_eq!(bench.run(&later).await.outcome, Outcome::Applied);
    assert_eq!(bench.outcome(&parked).await, Outcome::Applied);
}

#[tokio::test]
async fn a_newer_status_file_supersedes_the_older_ones_that_wait() {
    let bench = Bench::new().await;
    let first = standing((1..=20).map(|key| (key, "Active")));
    bench.import_to("status", &first).await;
    let leaving = standing((1..=20).map(|key| (key, if key < 11 { "Left" } else { "Active" })));
    let held = bench.deliver_to("status", &leaving).await;
    assert_eq!(bench.run(&held).await.outcome, Outcome::Held);
    let queued = bench
        .deliver_to("status", &first.replace("020,Ulm", "020,Bonn"))
        .await;
    let newest = bench.deliver_to("status", &first).await;
    assert_eq!(bench.run(&queued).await.outcome, Outcome::Superseded);
    assert_eq!(bench.outcome(&newest).await, Outcome::NoChange);
    assert_eq!(bench.outcome(&held).await, Outcome::Superseded);
}

#[tokio::test]
async fn a_full_or_status_file_that_shrank_waits_and_a_delta_does_not() {
    let bench = Bench::new().await;
    let all = standing((1..=20).map(|key| (key, "Active")));
    for source in ["status", "delta"] {
        bench.import_to(source, &all).await;
        let short = standing((1..=15).map(|key| (key, "Active")));
        let run = bench.import_to(source, &short).await;
        if source == "delta" {
            assert_eq!(run.outcome, Outcome::NoChange);
            let (findings, _) = bench.db().findings(&run.id.unwrap()).await.unwrap();
            assert_eq!(findings, []);
            continue;
        }
        assert_eq!(run.outcome, Outcome::Held);
        let reason = run.reason.unwrap();
        assert!(
            reason.contains("15 rows") && reason.contains("had 20"),
            "{reason}"
        );
        bench.db().approve_run(&run.id.unwrap()).await.unwrap();
        let delivery = DeliveryId::parse(&run.delivery.unwrap()).unwrap();
        assert_eq!(bench.run(&delivery).await.outcome, Outcome::NoChange);
        // What was accepted is the measure from now on.
        let run = bench.import_to(source, &short).await;
        assert_eq!(run.outcome, Outcome::NoChange);
    }
    // People who were skipped are no leavers, and yet their rows are missed.
    let mut rows: Vec<_> = (1..=20).map(|key| (key, "Active")).collect();
    rows.extend((21..=40).map(|key| (key, "Terminated")));
    bench.import(&standing(rows.clone())).await;
    let run = bench.import(&standing(rows.drain(..20))).await;
    assert_eq!((run.outcome, run.counts.leavers), (Outcome::Held, 0));
}
