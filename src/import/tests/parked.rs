//! Faults of ours: tried for a night, parked, and taken up again.

use super::*;
use crate::db::Retrying;

impl Bench {
    /// Has one try of a delivery, which must be to be had now.
    async fn try_once(&self, delivery: &DeliveryId) -> (u32, Ended) {
        let claim = self.db().lease_delivery(&self.me, delivery).await.unwrap();
        let Claim::Leased(job) = claim else {
            panic!("not to be had: {claim:?}");
        };
        let clock: SharedClock = self.clock.clone();
        let run = async { Ok(self.importer.run(&job).await.map(|_| ())?) };
        let ended = run_leased(self.db(), &clock, &job, run).await;
        (job.attempts, ended)
    }

    /// Tries a delivery until it is parked.
    async fn park(&self, delivery: &DeliveryId) {
        for attempt in 1..=MAX_ATTEMPTS {
            let (attempts, ended) = self.try_once(delivery).await;
            assert_eq!(attempts, attempt);
            assert_eq!(matches!(ended, Ended::Parked(_)), attempt == MAX_ATTEMPTS);
            let next = self.db().lease_delivery(&self.me, delivery).await.unwrap();
            let then = if attempt == MAX_ATTEMPTS {
                Claim::Over
            } else {
                Claim::Postponed
            };
            assert_eq!(next, then);
            self.clock.set(self.clock.now() + Duration::from_hours(9));
        }
        self.importer.report_pending().await;
    }

    async fn parked(&self) -> u64 {
        let jobs = self.db().jobs_by_state().await.unwrap();
        let parked = jobs.iter().find(|(state, _)| *state == JobState::Parked);
        parked.unwrap().1
    }

    /// Where the copy of a delivery lies.
    fn archived(&self, delivery: &DeliveryId) -> std::path::PathBuf {
        let layout = Layout::new(self.folder.path(), &acme(), Environment::Production);
        layout.archive.join(delivery.as_str())
    }
}

#[tokio::test]
async fn a_fault_of_ours_is_tried_for_a_night_parked_told_and_retried() {
    let bench = Bench::new().await;
    let delivery = bench.deliver(&people(1..=3, "Ulm")).await;
    let (copy, away) = (bench.archived(&delivery), bench.folder.path().join("away"));
    std::fs::rename(&copy, &away).unwrap();
    bench.park(&delivery).await;
    assert_eq!(bench.receipt(&delivery)["outcome"], "failed");
    assert_eq!(bench.parked().await, 1);

    std::fs::rename(&away, &copy).unwrap();
    let retrying = bench.db().retry_run(delivery.as_str()).await.unwrap();
    let queued = delivery.clone();
    assert_eq!(retrying, Retrying::Queued { delivery: queued });
    assert_eq!(bench.run(&delivery).await.outcome, Outcome::Applied);
    assert_eq!(bench.receipt(&delivery)["outcome"], "applied");
    assert_eq!(
        (bench.parked().await, bench.roster(false).await.len()),
        (0, 3)
    );
    let again = bench.db().retry_run(delivery.as_str()).await.unwrap();
    assert_eq!(again, Retrying::NotParked(Outcome::Applied));
}

#[tokio::test]
async fn a_retry_has_all_its_tries_when_the_reader_still_cannot_start() {
    let bench = Bench::new().await;
    let delivery = bench.deliver(&people(1..=3, "Ulm")).await;
    std::fs::remove_file(bench.folder.path().join("echo")).unwrap();
    bench.park(&delivery).await;
    bench.db().retry_run(delivery.as_str()).await.unwrap();
    let (attempts, ended) = bench.try_once(&delivery).await;
    assert!(
        (attempts, matches!(ended, Ended::Retry(_))) == (1, true),
        "{ended:?}"
    );

    echo(bench.folder.path());
    bench.clock.set(bench.clock.now() + Duration::from_hours(9));
    assert_eq!(bench.run(&delivery).await.outcome, Outcome::Applied);
}

#[tokio::test]
async fn a_parked_delivery_is_superseded_when_a_newer_one_is_applied() {
    let bench = Bench::new().await;
    let yesterday = bench.deliver(&people(1..=3, "Ulm")).await;
    std::fs::remove_file(bench.archived(&yesterday)).unwrap();
    bench.park(&yesterday).await;
    bench.import(&people(1..=4, "Ulm")).await;
    assert_eq!(bench.outcome(&yesterday).await, Outcome::Superseded);
    assert_eq!(bench.receipt(&yesterday)["outcome"], "superseded");
    assert_eq!(bench.parked().await, 0);
    let retrying = bench.db().retry_run(yesterday.as_str()).await.unwrap();
    assert_eq!(retrying, Retrying::NotParked(Outcome::Superseded));
}

#[tokio::test]
async fn a_parked_delivery_outlives_a_newer_one_that_is_refused() {
    let bench = Bench::new().await;
    let yesterday = bench.deliver(&people(1..=3, "Ulm")).await;
    let copy = bench.archived(&yesterday);
    let away = bench.folder.path().join("away");
    std::fs::rename(&copy, &away).unwrap();
    bench.park(&yesterday).await;
    let refused = bench.import("employee_id,city\n").await;
    assert_eq!(refused.outcome, Outcome::Refused);
    std::fs::rename(&away, &copy).unwrap();
    bench.db().retry_run(yesterday.as_str()).await.unwrap();
    assert_eq!(bench.run(&yesterday).await.outcome, Outcome::Applied);
}
