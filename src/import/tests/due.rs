//! Ends of employment that are told in advance, and the day on which they come.

use super::*;

const HEAD: &str = "employee_id,city,status,termination_date,hire_date\n";

/// Twenty people, of whom the first has this status and end.
fn staff(status: &str, end: &str) -> String {
    let rows = (2..=20).map(|key| format!("{key:03},Ulm,Active,,2020-01-31\n"));
    format!(
        "{HEAD}001,Ulm,{status},{end},2020-01-31\n{}",
        rows.collect::<String>()
    )
}

impl Bench {
    /// Sets the clock to noon of a day.
    fn day(&self, day: &str) {
        self.clock.set(format!("{day}T12:00:00Z").parse().unwrap());
    }

    async fn import_on(&self, day: &str, csv: &str) -> Run {
        self.day(day);
        let run = self.import(csv).await;
        assert!(run.outcome.is_good(), "{run:?}");
        run
    }

    /// Whether anything was due, and whether the first is employed then.
    async fn due_on(&self, day: &str) -> (bool, bool) {
        self.day(day);
        let applied = self.importer.apply_due().await;
        (
            applied,
            self.roster(false).await.contains(&"001".to_owned()),
        )
    }

    async fn newest(&self) -> Run {
        self.db().runs(Some(&acme()), 1).await.unwrap().remove(0)
    }

    async fn first(&self) -> crate::report::roster::Line {
        let place = (acme(), Environment::Production);
        let page = self
            .db()
            .roster_page(&place.0, place.1, true, None, 1)
            .await;
        page.unwrap().remove(0)
    }
}

#[tokio::test]
async fn an_end_told_in_advance_is_stored_at_once_and_happens_on_its_day_r3_19_r3_20() {
    let bench = Bench::new().await;
    bench.import_on("2026-11-01", &staff("Active", "")).await;
    let told = bench
        .import_on("2026-11-02", &staff("Active", "2026-11-20"))
        .await;
    assert_eq!((told.counts.movers, told.counts.leavers), (1, 0));
    let line = bench.first().await;
    assert_eq!(
        line.fields.value(Field::TerminationDate),
        Some("2026-11-20")
    );
    assert_eq!(bench.due_on("2026-11-19").await, (false, true));
    assert_eq!(bench.due_on("2026-11-20").await, (true, false));
    let run = bench.newest().await;
    assert_eq!(run.kind, crate::report::run::RunKind::Scheduled);
    assert_eq!(
        (run.outcome, run.counts.leavers, run.counts.rows),
        (Outcome::Applied, 1, 0)
    );
    assert_eq!(run.delivery, None);
    assert_eq!(bench.due_on("2026-11-21").await, (false, false));
    // The files go on saying employed, and change nothing by that.
    let after = bench
        .import_on("2026-11-21", &staff("Active", "2026-11-20"))
        .await;
    assert_eq!(after.outcome, Outcome::NoChange);
    let moved = staff("Active", "2026-11-20").replace("001,Ulm", "001,Bonn");
    let after = bench.import_on("2026-11-21", &moved).await;
    assert_eq!((after.counts.joiners, after.counts.movers), (0, 1));
    assert_eq!(bench.roster(false).await.len(), 19);
}

#[tokio::test]
async fn an_inactive_status_with_an_end_to_come_waits_for_it_r3_20() {
    let bench = Bench::new().await;
    bench.import_on("2026-11-01", &staff("Active", "")).await;
    let file = staff("Terminated", "2026-11-20");
    let told = bench.import_on("2026-11-02", &file).await;
    assert_eq!((told.counts.movers, told.counts.leavers), (1, 0));
    let status = async || {
        let line = bench.first().await;
        line.fields
            .value(Field::EmploymentStatus)
            .map(str::to_owned)
    };
    assert_eq!(status().await.as_deref(), Some("Active"));
    let again = bench.import_on("2026-11-03", &file).await;
    assert_eq!(again.outcome, Outcome::NoChange);
    assert_eq!(bench.due_on("2026-11-20").await, (true, false));
    assert_eq!(status().await.as_deref(), Some("Terminated"));
    let after = bench.import_on("2026-11-21", &file).await;
    assert_eq!(after.outcome, Outcome::NoChange);
    // Active again, with the old end still in its cell: the status has changed, so the person is back.
    let back = bench
        .import_on("2026-11-22", &staff("Active", "2026-11-20"))
        .await;
    assert_eq!(back.counts.joiners, 1);
}

#[tokio::test]
async fn a_file_on_the_day_itself_makes_the_leaver_when_it_comes_before_the_tick() {
    let bench = Bench::new().await;
    let file = staff("Terminated", "2026-11-20");
    let first = bench.import_on("2026-11-01", &file).await;
    assert_eq!(first.counts.joiners, 20, "who is still there joins");
    let day = bench.import_on("2026-11-20", &file).await;
    assert_eq!((day.counts.leavers, day.counts.movers), (1, 0));
    assert_eq!(bench.due_on("2026-11-20").await, (false, false));
}

#[tokio::test]
async fn a_later_file_withdraws_or_moves_the_end() {
    let bench = Bench::new().await;
    bench
        .import_on("2026-11-01", &staff("Active", "2026-11-10"))
        .await;
    bench.import_on("2026-11-02", &staff("Active", "")).await;
    assert_eq!(bench.due_on("2026-11-10").await, (false, true));
    bench
        .import_on("2026-11-11", &staff("Active", "2026-11-20"))
        .await;
    bench
        .import_on("2026-11-12", &staff("Active", "2026-11-30"))
        .await;
    assert_eq!(bench.due_on("2026-11-20").await, (false, true));
    // Told in advance once, it may also be moved into the past.
    bench
        .import_on("2026-11-21", &staff("Active", "2026-11-19"))
        .await;
    assert_eq!(bench.due_on("2026-11-21").await, (true, false));
    // Withdrawn afterwards, it brings the person back.
    let back = bench.import_on("2026-11-22", &staff("Active", "")).await;
    assert_eq!(back.counts.joiners, 1);
    assert_eq!(bench.due_on("2026-11-30").await, (false, true));
}

#[tokio::test]
async fn who_is_hired_after_the_end_is_back_and_an_end_that_was_never_ahead_says_nothing() {
    let bench = Bench::new().await;
    bench
        .import_on("2026-11-01", &staff("Active", "2026-11-10"))
        .await;
    assert_eq!(bench.due_on("2026-11-10").await, (true, false));
    let hired =
        staff("Active", "2026-11-10").replace("2026-11-10,2020-01-31", "2026-11-10,2026-11-15");
    let back = bench.import_on("2026-11-15", &hired).await;
    assert_eq!(back.counts.joiners, 1);
    assert_eq!(bench.due_on("2026-11-16").await, (false, true));
    let told_late = staff("Active", "2026-11-12");
    bench.import_on("2026-11-17", &told_late).await;
    assert_eq!(bench.due_on("2026-11-18").await, (false, true));
}

#[tokio::test]
async fn the_day_begins_where_the_tenant_is() {
    let bench = Bench::new().await;
    let mut importer = Importer::clone(&bench.importer);
    let tenant = Arc::make_mut(importer.tenants.get_mut(&acme()).unwrap());
    tenant.time_zone = jiff::tz::TimeZone::get("Australia/Melbourne").unwrap();
    bench.day("2026-11-01");
    let delivery = bench.deliver(&staff("Active", "2026-11-20")).await;
    importer.run_to_end(&bench.me, &delivery).await.unwrap();
    bench.clock.set("2026-11-19T12:59:59Z".parse().unwrap());
    assert!(!importer.apply_due().await);
    bench.clock.set("2026-11-19T13:00:00Z".parse().unwrap());
    assert!(importer.apply_due().await);
}

#[tokio::test]
async fn too_many_ends_on_one_day_wait_for_a_person_and_only_those_who_were_shown_go() {
    let bench = Bench::new().await;
    let ending = |keys: std::ops::RangeInclusive<u32>, end: &str| {
        let rows = (1..=20).map(|key| {
            let end = if keys.contains(&key) { end } else { "" };
            format!("{key:03},Ulm,Active,{end},2020-01-31\n")
        });
        format!("{HEAD}{}", rows.collect::<String>())
    };
    bench.import_on("2026-11-01", &ending(99..=99, "")).await;
    bench
        .import_on("2026-11-02", &ending(1..=6, "2026-11-20"))
        .await;
    assert_eq!(bench.due_on("2026-11-20").await, (true, true));
    let held = bench.newest().await;
    assert_eq!((held.outcome, held.counts.leavers), (Outcome::Held, 6));
    assert!(
        held.reason
            .as_ref()
            .unwrap()
            .contains("6 of 20 people would leave"),
        "{held:?}"
    );
    assert_eq!(
        bench.due_on("2026-11-20").await,
        (false, true),
        "it is held once"
    );
    // One of them stays after all, and only then somebody says yes.
    bench
        .import_on("2026-11-20", &ending(2..=6, "2026-11-20"))
        .await;
    let id = held.id.unwrap();
    let run = bench
        .importer
        .decide_due(&id, Word::Approve)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (run.outcome, run.reason.as_deref()),
        (Outcome::Applied, None)
    );
    assert_eq!(bench.roster(false).await.len(), 15);
    assert_eq!(
        bench.importer.decide_due(&id, Word::Approve).await.unwrap(),
        None
    );

    bench
        .import_on("2026-11-21", &ending(2..=20, "2026-11-25"))
        .await;
    assert_eq!(bench.due_on("2026-11-25").await, (true, true));
    let held = bench.newest().await.id.unwrap();
    let run = bench
        .importer
        .decide_due(&held, Word::Reject)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(run.outcome, Outcome::Refused);
    assert_eq!(
        bench.due_on("2026-11-26").await,
        (false, true),
        "rejected for good"
    );
}

#[tokio::test]
async fn what_is_due_waits_while_an_import_runs() {
    let bench = Bench::new().await;
    bench
        .import_on("2026-11-01", &staff("Active", "2026-11-20"))
        .await;
    bench.deliver(&staff("Active", "")).await;
    let job = bench.db().lease_job(&bench.me).await.unwrap().unwrap();
    assert_eq!(bench.due_on("2026-11-20").await, (false, true));
    bench.importer.run(&job).await.unwrap();
    assert_eq!(
        bench.due_on("2026-11-20").await,
        (false, true),
        "it was withdrawn meanwhile"
    );
}
