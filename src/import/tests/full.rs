//! A disk that fills up at any statement of a night: when there is room again the work goes on, nothing is lost and nothing is there twice.

use super::*;

/// What is left of a night, without its ids and times.
#[derive(Debug, PartialEq)]
struct Morning {
    outcomes: Vec<(Outcome, crate::roster::diff::Counts, u64, usize)>,
    roster: Vec<String>,
    receipts: usize,
    unreported: usize,
    jobs: Vec<(JobState, u64)>,
}

/// A night on a disk on which each step has room for `pages` more at its first try; says how often that was not enough.
async fn night(pages: Option<i64>) -> (Morning, usize) {
    let bench = Bench::new().await;
    let mut full = 0;
    let first = people(1..=150, "Ulm");
    let second = people(4..=160, "Bonn").replace("Bonn,1000\n", "Bonn,much\n");
    let second = second.replace("004,Bonn,much", "004,Bonn,7");
    let held = people(1..=50, "Ulm");
    for csv in [&first, &second, &held] {
        bench.db().limit_pages(pages).await;
        let file = bench.file(csv);
        let delivery = loop {
            let importer = &bench.importer;
            let place = (acme(), Environment::Production);
            match importer
                .deliver_local(&place.0, place.1, "employees", &file)
                .await
            {
                Ok(delivery) => break delivery,
                Err(ImportError::Db(error)) => bench.make_room(&mut full, &error).await,
                Err(error) => panic!("{error:?}"),
            }
        };
        bench.run_out(&delivery, pages, &mut full).await;
        let run = bench.db().run(delivery.as_str()).await.unwrap().unwrap();
        if run.outcome == Outcome::Held {
            bench.db().limit_pages(pages).await;
            while let Err(error) = bench.db().approve_run(delivery.as_str()).await {
                bench.make_room(&mut full, &error).await;
            }
            bench.run_out(&delivery, pages, &mut full).await;
        }
    }
    bench.importer.report_pending().await;
    let mut outcomes = Vec::new();
    for run in bench.db().runs(None, 100).await.unwrap() {
        let id = run.id.unwrap();
        let document = bench
            .db()
            .run_document(&id, u32::MAX)
            .await
            .unwrap()
            .unwrap();
        let (findings, changes) = (document.findings_total, document.changes.len());
        outcomes.push((run.outcome, run.counts, findings, changes));
    }
    let receipts = bench.deposited.lock().unwrap().len();
    let morning = Morning {
        outcomes,
        roster: bench.roster(true).await,
        receipts,
        unreported: bench.db().unreported_runs().await.unwrap().len(),
        jobs: bench.db().jobs_by_state().await.unwrap(),
    };
    (morning, full)
}

impl Bench {
    async fn make_room(&self, full: &mut usize, error: &DbError) {
        assert!(matches!(error, DbError::Full(_)), "{error:?}");
        *full += 1;
        self.db().limit_pages(None).await;
    }

    /// Runs a delivery as often as it takes.
    async fn run_out(&self, delivery: &DeliveryId, pages: Option<i64>, full: &mut usize) {
        self.db().limit_pages(pages).await;
        loop {
            match self.importer.run_to_end(&self.me, delivery).await {
                Ok(_) => return,
                Err(ImportError::Db(error)) => self.make_room(full, &error).await,
                Err(ImportError::Postponed(error)) => {
                    let error = error.downcast::<ImportError>().unwrap();
                    let ImportError::Db(error) = error else {
                        panic!("{error:?}");
                    };
                    self.make_room(full, &error).await;
                    // The back-off.
                    self.clock.set(self.clock.now() + Duration::from_hours(1));
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_disk_that_is_full_at_any_statement_loses_nothing_and_doubles_nothing() {
    let (undisturbed, none) = night(None).await;
    assert_eq!(none, 0);
    let outcomes: Vec<Outcome> = undisturbed.outcomes.iter().map(|it| it.0).collect();
    assert_eq!(outcomes, [Outcome::Applied; 3], "{undisturbed:?}");
    let mut all = 0;
    for pages in 0.. {
        let (morning, full) = night(Some(pages)).await;
        assert_eq!(morning, undisturbed, "with room for {pages} more pages");
        all += full;
        if full == 0 {
            break;
        }
    }
    assert!(all > 15, "the disk was full {all} times");
}
