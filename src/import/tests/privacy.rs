//! People who are erased on request, and histories that lose their values.

use super::*;
use crate::db::{Erased, Erasing};

async fn forget(bench: &Bench, person: &str) -> Erased {
    let acme = acme();
    let erasing = erasing(&acme, person);
    bench.db().forget_person(&erasing).await.unwrap()
}

fn erasing<'a>(tenant: &'a TenantId, person: &'a str) -> Erasing<'a> {
    Erasing {
        tenant,
        environment: Environment::Production,
        source: "employees",
        person,
        who: "ann (1000)",
    }
}

/// Every byte of the database and its log.
fn bytes(bench: &Bench) -> Vec<u8> {
    ["rosterd.db", "rosterd.db-wal"]
        .iter()
        .filter_map(|name| std::fs::read(bench.folder.path().join(name)).ok())
        .flatten()
        .collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

#[tokio::test]
async fn an_erased_person_is_in_no_byte_of_the_database_and_tonights_file_does_not_bring_them_back()
{
    let bench = Bench::new().await;
    let file = |city: &str| people(1..=20, "Ulm") + &format!("zq7-secret,{city},1000\n");
    bench.import(&file("Xanten-at-home")).await;
    let moved = bench.import(&file("Yverdon-at-home")).await;
    assert_eq!(moved.counts.movers, 1);
    let held = bench.deliver(&people(1..=10, "Ulm")).await;
    assert_eq!(bench.run(&held).await.outcome, Outcome::Held);
    let words = ["zq7-secret", "Xanten-at-home", "Yverdon-at-home"];
    let before = bytes(&bench);
    assert!(words.iter().all(|word| holds(&before, word)));

    let erased = forget(&bench, "zq7-secret").await;
    assert_eq!(
        (erased.people, erased.changes, erased.held_changes),
        (1, 2, 1)
    );
    let after = bytes(&bench);
    for word in words {
        assert!(!holds(&after, word), "{word}");
    }
    let again = bench.deliver(&file("Xanten-at-home")).await;
    let run = bench.run(&again).await;
    assert_eq!(
        (run.outcome, run.counts.joiners, run.counts.skipped),
        (Outcome::NoChange, 0, 1),
        "{run:?}"
    );
    let (findings, _) = bench.db().findings(&run.id.unwrap()).await.unwrap();
    let told: Vec<_> = findings
        .iter()
        .map(|it| (it.row, it.code.as_str()))
        .collect();
    assert_eq!(told, [(Some(22), "forgotten-person")]);
    assert_eq!(bench.roster(true).await.len(), 20);
    assert!(!holds(&bytes(&bench), "zq7-secret"));
    // The others are known as before.
    let acme = acme();
    let other = bench
        .db()
        .forgotten(&acme, Environment::Sandbox, "employees");
    assert!(other.await.unwrap().is_none());

    let erasing = erasing(&acme, "zq7-secret");
    assert!(bench.db().allow_return(&erasing).await.unwrap());
    let again = bench.db().allow_return(&erasing).await.unwrap();
    assert!(!again, "once is enough");
    let back = bench.import(&file("Xanten-at-home")).await;
    assert_eq!((back.outcome, back.counts.joiners), (Outcome::Applied, 1));
    let acts: Vec<_> = bench.db().erasures(&acme).await.unwrap();
    let acts: Vec<_> = acts
        .iter()
        .map(|it| (it.act.as_str(), it.who.as_str()))
        .collect();
    assert_eq!(
        acts,
        [("forget", "ann (1000)"), ("allow_return", "ann (1000)")]
    );
}

#[tokio::test]
async fn a_run_that_read_the_roster_before_an_erasure_does_not_write_the_person_again() {
    let bench = Bench::new().await;
    bench.import(&people(1..=3, "Ulm")).await;
    let delivery = bench.deliver(&people(1..=3, "Bonn")).await;
    let job = bench.db().lease_job(&bench.me).await.unwrap().unwrap();
    let source = bench.importer.tenants[&acme()].data_sources[0].clone();
    let acme = acme();
    let task = Task {
        tenant: &acme,
        environment: Environment::Production,
        source: &source,
        mode: Mode::Full,
        sha256: &job.sha256,
        approval: None,
    };
    let archived = bench.folder.path().join("archive/acme/production");
    let file = std::fs::File::open(archived.join(delivery.as_str())).unwrap();
    let examined = bench.importer.examine(task, file).await.unwrap();
    forget(&bench, "002").await;
    let verdict = Verdict {
        masking: &crate::roster::masking::Masking::default(),
        outcome: examined.outcome,
        would: None,
        reason: None,
        counts: examined.counts,
        mapping: &examined.mapping,
        roster_version: examined.roster_version,
        rejected: false,
        findings: &[],
        findings_total: 0,
        shape: None,
        plan: examined.plan.as_ref(),
    };
    let error = bench.db().settle(&job, &verdict).await.unwrap_err();
    assert!(matches!(error, DbError::RosterMoved), "{error:?}");
    let applied = bench.importer.run(&job).await.unwrap();
    assert_eq!(applied, Outcome::Applied);
    assert_eq!(bench.roster(true).await, ["001", "003"]);
}

#[tokio::test]
async fn copies_that_may_hold_an_erased_person_are_doomed_and_one_that_is_needed_waits() {
    let bench = Bench::new().await;
    let done = bench.deliver(&people(1..=20, "Ulm")).await;
    bench.run(&done).await;
    let held = bench.deliver(&people(1..=10, "Ulm")).await;
    bench.run(&held).await;
    let other = bench.deliver_to("contractors", &people(1..=3, "Ulm")).await;
    bench.run(&other).await;
    forget(&bench, "001").await;
    let acme = acme();
    let doomed = async || {
        let doomed = bench.db().doomed_copies(&acme, Environment::Production);
        let doomed = doomed.await.unwrap();
        let told = doomed
            .iter()
            .map(|it| (it.delivery.clone(), it.with_reports));
        (told.collect::<Vec<_>>(), doomed)
    };
    let (told, gone) = doomed().await;
    assert_eq!(told, [(done, true)]);
    bench.db().copies_gone(&gone).await.unwrap();
    let waiting = bench
        .db()
        .doomed_copies_waiting(&acme, Environment::Production);
    assert_eq!(waiting.await.unwrap(), 1);
    bench.db().reject_run(held.as_str()).await.unwrap();
    assert_eq!(doomed().await.0, [(held, false)]);
}

#[tokio::test]
async fn an_old_history_keeps_its_facts_and_loses_its_values() {
    let bench = Bench::new().await;
    let old = bench.import(&people(1..=3, "Ulm")).await;
    bench
        .clock
        .set(bench.clock.now() + Duration::from_hours(24 * 10));
    let young = bench.import(&people(2..=3, "Bonn")).await;
    let young = match young.outcome {
        Outcome::Held => {
            bench
                .db()
                .approve_run(young.id.as_deref().unwrap())
                .await
                .unwrap();
            let delivery = DeliveryId::parse(&young.delivery.unwrap()).unwrap();
            bench.run(&delivery).await
        }
        _ => young,
    };
    let before = bench.clock.now() - Duration::from_hours(24 * 5);
    let acme = acme();
    let empty = async || {
        let emptied = bench
            .db()
            .empty_changes(&acme, Environment::Production, before);
        emptied.await.unwrap()
    };
    assert_eq!(empty().await, 3);
    assert_eq!(empty().await, 0);
    let changes = async |run: &Run| {
        let (changes, _) = bench
            .db()
            .changes(
                run.id.as_deref().unwrap(),
                9,
                &crate::roster::masking::Masking::default(),
            )
            .await
            .unwrap();
        serde_json::to_value(changes).unwrap()
    };
    let nothing = serde_json::json!({"from": null, "to": null});
    let first = &changes(&old).await[0];
    assert_eq!(
        (&first["kind"], &first["employee_id"]),
        (&"joiner".into(), &"001".into())
    );
    assert_eq!(first["fields"]["city"], nothing);
    assert_eq!(changes(&young).await[0]["fields"]["city"]["to"], "Bonn");
    let page = bench
        .db()
        .roster_page(&acme, Environment::Production, true, None, 9);
    let page = page.await.unwrap();
    assert!(
        page[0].left_by_absence,
        "an emptied history tells the same of who has left"
    );
    assert_eq!(page[1].fields.value(Field::City), Some("Bonn"));
}
