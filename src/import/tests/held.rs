//! Runs that wait for a person: why they do, what they show, and what becomes of them.

use super::*;

#[tokio::test]
async fn a_run_that_would_remove_many_waits_and_an_approval_applies_it() {
    let bench = Bench::new().await;
    bench.import(&people(1..=20, "Ulm")).await;
    let delivery = bench.deliver(&people(1..=10, "Ulm")).await;
    let held = bench.run(&delivery).await;
    assert_eq!(held.outcome, Outcome::Held);
    assert_eq!(held.counts.leavers, 10);
    assert!(held.reason.unwrap().contains("max_leavers_percent = 20"));
    assert_eq!(bench.roster(false).await.len(), 20);
    assert_eq!(bench.receipt(&delivery)["outcome"], "held");
    assert_eq!(bench.db().runs_held().await.unwrap(), [(acme(), 1)]);
    assert_eq!(bench.db().held_runs(&acme()).await.unwrap().len(), 1);

    let id = held.id.unwrap();
    let decision = bench.db().approve_run(&id).await.unwrap();
    assert_eq!(
        decision,
        Decision::Taken {
            run: id.clone(),
            delivery: delivery.clone()
        }
    );
    let applied = bench.run(&delivery).await;
    assert_eq!(applied.outcome, Outcome::Applied);
    assert_eq!(applied.reason, None);
    assert_eq!(bench.roster(false).await.len(), 10);
    assert_eq!(bench.receipt(&delivery)["outcome"], "applied");
    assert_eq!(
        bench.db().approve_run(&id).await.unwrap(),
        Decision::NotHeld(Outcome::Applied)
    );
    assert_eq!(
        bench.db().reject_run("nonsense").await.unwrap(),
        Decision::Unknown
    );
}

#[tokio::test]
async fn rejected_bytes_stay_rejected_until_something_else_was_judged() {
    let bench = Bench::new().await;
    bench.import(&people(1..=20, "Ulm")).await;
    let held = bench.import(&people(1..=10, "Ulm")).await;
    let decision = bench
        .db()
        .reject_run(held.id.as_deref().unwrap())
        .await
        .unwrap();
    let Decision::Taken { delivery, .. } = decision else {
        panic!("{decision:?}");
    };
    bench.importer.report_pending().await;
    assert_eq!(bench.receipt(&delivery)["reason"], "Rejected by an admin.");
    let again = bench.import(&people(1..=10, "Ulm")).await;
    assert_eq!(again.outcome, Outcome::Refused);
    assert!(again.reason.unwrap().contains("rejected by an admin"));
    let third = bench.import(&people(1..=10, "Ulm")).await;
    assert_eq!(third.outcome, Outcome::Refused);
    bench.import(&people(1..=19, "Ulm")).await;
    assert_eq!(
        bench.import(&people(1..=10, "Ulm")).await.outcome,
        Outcome::Held
    );
}

#[tokio::test]
async fn an_approval_counts_for_what_was_shown_only() {
    let bench = Bench::new().await;
    bench.import(&people(1..=20, "Ulm")).await;
    let held = bench.import(&people(1..=10, "Ulm")).await;
    let id = held.id.unwrap();
    bench.db().approve_run(&id).await.unwrap();
    let mut importer = Importer::clone(&bench.importer);
    let tenant = importer.tenants.get_mut(&acme()).unwrap();
    Arc::make_mut(tenant).data_sources[0].mapping.active_values = vec!["ja".to_owned()];
    let delivery = DeliveryId::parse(&held.delivery.unwrap()).unwrap();
    let again = importer.run_to_end(&bench.me, &delivery).await.unwrap();
    assert_eq!(again.outcome, Outcome::Held);
    assert!(again.reason.unwrap().contains("does not count any more"));
    bench.db().approve_run(&id).await.unwrap();
    let applied = importer.run_to_end(&bench.me, &delivery).await.unwrap();
    assert_eq!(applied.outcome, Outcome::Applied);
}

#[tokio::test]
async fn a_row_without_a_readable_key_holds_a_file_with_leavers() {
    let bench = Bench::new().await;
    bench.import(&people(1..=20, "Ulm")).await;
    let held = bench.import(&(people(2..=20, "Ulm") + ",Ulm,1\n")).await;
    assert_eq!(held.outcome, Outcome::Held);
    assert!(held.reason.unwrap().contains("no readable employee id"));
    let whole = bench.import(&(people(1..=20, "Bonn") + ",Ulm,1\n")).await;
    assert_eq!((whole.outcome, whole.counts.movers), (Outcome::Applied, 20));
}

#[tokio::test]
async fn a_file_cut_inside_its_last_key_does_not_remove_that_person() {
    let bench = Bench::new().await;
    bench.import(&people(1100..=1120, "Ulm")).await;
    let cut = people(1100..=1119, "Ulm") + "11";
    let held = bench.import(&cut).await;
    assert_eq!(
        (held.outcome, held.counts.leavers),
        (Outcome::Held, 1),
        "{held:?}"
    );
    assert_eq!(bench.roster(false).await.len(), 21);
}

#[tokio::test]
async fn a_delimiter_inside_a_key_does_not_remove_its_person() {
    let bench = Bench::new().await;
    let rest = people(101..=120, "Ulm");
    bench.import(&(rest.clone() + "\"1,5\",Ulm,1000\n")).await;
    let held = bench.import(&(rest.clone() + "1,5,Ulm,1000\n")).await;
    assert_eq!(held.outcome, Outcome::Held, "{held:?}");
    // Nor does it when the first half is somebody else's key: that person has a row already.
    let held = bench.import(&(rest + "101,5,Ulm,1000\n")).await;
    assert_eq!(held.outcome, Outcome::Held, "{held:?}");
    assert_eq!(bench.roster(false).await.len(), 21);
    // Where nobody would leave, a broken row stops nothing.
    let whole = people(101..=120, "Bonn") + "\"1,5\",Ulm,1000\n1,6,Ulm,1000\n";
    assert_eq!(bench.import(&whole).await.outcome, Outcome::Applied);
}

#[tokio::test]
async fn a_held_run_shows_who_would_go_until_it_is_decided() {
    let bench = Bench::new().await;
    bench.import(&people(1..=20, "Ulm")).await;
    let file = people(1..=10, "Ulm").replace("005,Ulm,1000", "005,Ulm,2000");
    let held = bench.deliver(&file).await;
    let run = bench.run(&held).await;
    let changes = async || {
        let document = bench
            .db()
            .run_document(held.as_str(), u32::MAX)
            .await
            .unwrap();
        document.unwrap().changes
    };
    let would = changes().await;
    let leavers = would.iter().filter(|c| c.kind == ChangeKind::Leaver);
    assert_eq!(leavers.count() as u64, run.counts.leavers);
    // Whoever decides wants to know first who would go.
    assert_eq!((would.len(), would[0].employee_id.as_str()), (11, "011"));
    let mover = serde_json::to_value(&would[10]).unwrap();
    assert_eq!(mover["fields"]["annual_pay"]["to"], "***");
    // Nothing of it is history.
    let id = run.id.unwrap();
    assert!(
        bench
            .db()
            .changes(&id, u32::MAX, &Masking::default())
            .await
            .unwrap()
            .0
            .is_empty()
    );
    bench.db().approve_run(&id).await.unwrap();
    assert!(changes().await.is_empty());
    assert_eq!(bench.run(&held).await.outcome, Outcome::Applied);
    assert_eq!(changes().await.len(), 11);
    assert!(
        bench
            .db()
            .held_changes(&id, u32::MAX, &Masking::default())
            .await
            .unwrap()
            .0
            .is_empty()
    );

    let rejected = bench.import(&people(1..=5, "Ulm")).await;
    let id = rejected.id.unwrap();
    assert_eq!(
        bench
            .db()
            .held_changes(&id, u32::MAX, &Masking::default())
            .await
            .unwrap()
            .0
            .len(),
        6
    );
    bench.db().reject_run(&id).await.unwrap();
    let document = bench
        .db()
        .run_document(&id, u32::MAX)
        .await
        .unwrap()
        .unwrap();
    assert!(document.changes.is_empty());
    let superseded = bench.import(&people(1..=4, "Ulm")).await;
    bench.import(&people(1..=10, "Ulm")).await;
    assert!(
        bench
            .db()
            .held_changes(&superseded.id.unwrap(), u32::MAX, &Masking::default())
            .await
            .unwrap()
            .0
            .is_empty()
    );
}

#[tokio::test]
async fn an_error_file_does_not_outlive_the_outcome_that_it_is_about() {
    let bench = Bench::new().await;
    bench.import(&people(1..=20, "Ulm")).await;
    let mut importer = Importer::clone(&bench.importer);
    let source = &mut Arc::make_mut(importer.tenants.get_mut(&acme()).unwrap()).data_sources[0];
    source.safeguard.max_leavers = 0;
    let delivery = bench
        .deliver(&(people(3..=20, "Ulm") + "021,Ulm,much\n"))
        .await;
    let held = importer.run_to_end(&bench.me, &delivery).await.unwrap();
    assert_eq!(held.outcome, Outcome::Held);
    let errors = format!("/errors/{delivery}.errors.csv");
    let lines = || {
        let deposited = bench.deposited.lock().unwrap();
        String::from_utf8(deposited[&errors].clone())
            .unwrap()
            .lines()
            .count()
    };
    assert_eq!(lines(), 2);
    // The configuration changes: now nothing is read as an amount, and nothing is wrong any more.
    let source = &mut Arc::make_mut(importer.tenants.get_mut(&acme()).unwrap()).data_sources[0];
    source.safeguard.max_leavers = 50;
    let columns = [(Field::City, "salary"), (Field::Region, "city")];
    source.mapping.columns = columns
        .map(|(field, label)| (field, label.to_owned()))
        .into();
    let id = held.id.unwrap();
    bench.db().approve_run(&id).await.unwrap();
    let again = importer.run_to_end(&bench.me, &delivery).await.unwrap();
    assert_eq!(again.outcome, Outcome::Held, "that was shown otherwise");
    bench.db().approve_run(&id).await.unwrap();
    let applied = importer.run_to_end(&bench.me, &delivery).await.unwrap();
    assert_eq!(applied.outcome, Outcome::Applied, "{applied:?}");
    assert_eq!(
        bench.receipt(&delivery)["error_file"],
        serde_json::Value::Null
    );
    assert_eq!(lines(), 1);
}

#[tokio::test]
async fn a_receipt_of_an_older_outcome_is_not_the_last_word() {
    let bench = Bench::new().await;
    bench.import(&people(1..=20, "Ulm")).await;
    let delivery = bench.deliver(&people(1..=10, "Ulm")).await;
    let held = bench.run(&delivery).await;
    let id = held.id.clone().unwrap();
    bench.clock.set(bench.clock.now() + Duration::from_secs(1));
    bench.db().reject_run(&id).await.unwrap();
    bench.importer.report_pending().await;
    // A slower process has put the receipt of the held run over it.
    assert!(!bench.db().mark_reported(&held).await.unwrap());
    assert_eq!(bench.db().unreported_runs().await.unwrap(), [id]);
    bench.importer.report_pending().await;
    assert_eq!(bench.receipt(&delivery)["outcome"], "refused");
    assert!(bench.db().unreported_runs().await.unwrap().is_empty());
}

#[tokio::test]
async fn superseded_and_rejected_runs_are_counted_whoever_ended_them() {
    let bench = Bench::new().await;
    bench.import(&people(1..=20, "Ulm")).await;
    bench.import(&people(1..=10, "Ulm")).await;
    let held = bench.import(&people(1..=9, "Ulm")).await;
    bench.db().reject_run(&held.id.unwrap()).await.unwrap();
    bench.deliver(&people(1..=20, "Bonn")).await;
    let place = |outcome| (acme(), Environment::Production, outcome, 1);
    assert_eq!(
        bench.db().run_counts().await.unwrap(),
        [Outcome::Applied, Outcome::Refused, Outcome::Superseded].map(place)
    );
    let last = bench.db().last_deliveries().await.unwrap();
    assert_eq!(last, [(acme(), Environment::Production, bench.clock.now())]);
}
