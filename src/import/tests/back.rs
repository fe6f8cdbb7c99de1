//! Back in time: what the roster was, what lies between two runs, and runs that are taken back.

use jiff::{Timestamp, ToSpan as _};

use super::*;
use crate::db::{Obstacle, PastPage, Reach, Undoing};
use crate::report::roster::Line;
use crate::report::run::RunKind;
use crate::roster::history::Gap;
use crate::roster::person::Change;

/// A file of these people, each with a name and a city.
fn file(people: &[(&str, &str, &str)]) -> String {
    let header = "employee_id,first_name,last_name,city,status\n".to_owned();
    let rows = people.iter().map(|(id, name, city)| {
        // A city in capitals is that of somebody who has left.
        let left = *city == city.to_uppercase();
        let status = if left { "terminated" } else { "active" };
        format!("{id},{name},Li,{city},{status}\n")
    });
    header + &rows.collect::<String>()
}

/// The same with twenty more who stay as they are, so that a few leavers are no reason to ask a person.
fn with_others(people: &[(&str, &str, &str)]) -> String {
    let others = (50..70).map(|id| format!("{id},Kim,Li,Ulm,active\n"));
    file(people) + &others.collect::<String>()
}

impl Bench {
    fn next_day(&self) {
        self.clock.set(self.clock.now() + 24.hours());
    }

    async fn everyone_now(&self) -> Vec<Line> {
        let db = self.db();
        let acme = acme();
        let page = db.roster_page(&acme, Environment::Production, true, None, 1000);
        page.await.unwrap()
    }

    async fn everyone_before(&self, cut: Timestamp) -> Vec<Line> {
        let (mut lines, mut page) = (Vec::new(), PastPage::default());
        let place = (&acme(), Environment::Production);
        while let Some(next) = self
            .db()
            .past_roster_page(place, true, cut, &page)
            .await
            .unwrap()
        {
            lines.extend(next.lines.clone());
            page = next;
        }
        lines
    }

    async fn undo(&self, run: &Run, reach: Reach) -> Undoing {
        let id = run.id.as_deref().unwrap();
        self.db().undo_run(id, reach, "root").await.unwrap()
    }

    async fn resume(&self) -> bool {
        let db = self.db();
        let acme = acme();
        let resumed = db.resume_source(&acme, Environment::Production, "employees");
        resumed.await.unwrap()
    }
}

#[tokio::test]
async fn the_roster_of_every_evening_can_be_told_and_what_lies_between_two_runs() {
    let bench = Bench::new().await;
    let nights = [
        file(&[
            ("1", "Ada", "Ulm"),
            ("2", "Bea", "Ulm"),
            ("3", "Cem", "Ulm"),
        ]),
        file(&[
            ("1", "Ada", "Bonn"),
            ("2", "Bea", "Ulm"),
            ("3", "Cem", "ULM"),
        ]),
        file(&[
            ("1", "Ada", "Bonn"),
            ("4", "Dan", "Kiel"),
            ("3", "Cem", "ULM"),
        ]),
        file(&[
            ("1", "Ada", "Ulm"),
            ("2", "Bea", "Jena"),
            ("3", "Cem", "Ulm"),
            ("4", "Dan", "Kiel"),
        ]),
        file(&[
            ("1", "Ada", "Ulm"),
            ("2", "Bea", "Jena"),
            ("3", "Cem", "Ulm"),
        ]),
    ];
    let (mut evenings, mut runs) = (Vec::new(), Vec::new());
    for night in &nights {
        let run = bench.import(night).await;
        assert_eq!(run.outcome, Outcome::Applied, "{run:?}");
        bench.next_day();
        evenings.push((bench.clock.now(), bench.everyone_now().await));
        runs.push(run);
    }
    for (evening, lines) in &evenings {
        assert_eq!(&bench.everyone_before(*evening).await, lines, "{evening}");
    }
    assert_eq!(
        bench
            .everyone_before("2026-11-22T01:00:00Z".parse().unwrap())
            .await,
        []
    );

    let owner = (&acme(), Environment::Production, "employees");
    let between = async |from: usize, to: usize| {
        let after = |run: usize| runs[run].finished_at.unwrap() + 1.millisecond();
        let changes = bench
            .db()
            .changes_between(owner, after(from), after(to))
            .await;
        let told = |change: &Change| {
            let fields: Vec<_> = change
                .fields
                .iter()
                .map(|(field, _)| field.name())
                .collect();
            let kind = change.kind.as_str();
            format!(
                "{kind} {} {} {}",
                change.employee_id,
                change.name.clone().unwrap(),
                fields.join(",")
            )
        };
        changes.unwrap().iter().map(told).collect::<Vec<_>>()
    };
    // One has moved and come back, one has gone and come back, another has come and gone: of these there is nothing to be told, or only what stayed.
    assert_eq!(between(0, 4).await, ["mover 2 Bea Li city"]);
    assert_eq!(
        between(0, 2).await,
        [
            "mover 1 Ada Li city",
            "leaver 2 Bea Li ",
            "leaver 3 Cem Li employment_status,city",
            "joiner 4 Dan Li employee_id,first_name,last_name,employment_status,city"
        ]
    );
    assert_eq!(between(3, 3).await, [""; 0]);
}

#[tokio::test]
async fn an_undone_run_leaves_the_roster_as_it_was_and_tonights_same_file_waits() {
    let bench = Bench::new().await;
    bench
        .import(&with_others(&[
            ("1", "Ada", "Ulm"),
            ("2", "Bea", "Ulm"),
            ("3", "Cem", "ULM"),
            ("4", "Dan", "Ulm"),
        ]))
        .await;
    bench.next_day();
    let before = bench.everyone_now().await;
    // One moves, one leaves by absence, one by a status, one joins.
    let wrong = with_others(&[
        ("1", "Ada", "Bonn"),
        ("4", "Dan", "ULM"),
        ("5", "Eva", "Ulm"),
    ]);
    let run = bench.import(&wrong).await;
    assert_eq!(
        (run.outcome, run.counts.leavers),
        (Outcome::Applied, 2),
        "{run:?}"
    );

    let Undoing::Done {
        run: undo,
        obstacles,
    } = bench.undo(&run, Reach::Whole).await
    else {
        panic!("not undone");
    };
    assert_eq!((obstacles.people, obstacles.of), (0, 4));
    assert_eq!(bench.everyone_now().await, before);
    let told = bench.db().run(&undo).await.unwrap().unwrap();
    assert_eq!(
        (told.kind, told.outcome, &told.about),
        (RunKind::Undo, Outcome::Applied, &run.id)
    );
    assert_eq!(
        (told.counts.joiners, told.counts.movers, told.counts.leavers),
        (2, 1, 1)
    );
    let document = bench.db().run_document(&undo, 10).await.unwrap().unwrap();
    assert_eq!(document.changes.len(), 4);
    // Once is enough, and nobody is touched a second time.
    let again = bench.undo(&run, Reach::Rest).await;
    assert!(
        matches!(again, Undoing::Obstructed(ref them) if them.people == 4),
        "{again:?}"
    );

    bench.next_day();
    let tonight = bench.deliver(&wrong).await;
    let held = bench.run(&tonight).await;
    assert_eq!(held.outcome, Outcome::Held);
    let reason = held.reason.clone().unwrap();
    assert!(
        reason.starts_with("The data source is paused since ")
            && reason.contains(run.id.as_deref().unwrap()),
        "{reason}"
    );
    assert_eq!(bench.everyone_now().await, before);
    assert!(bench.resume().await && !bench.resume().await);
    // It was held for a reason that is gone, but only a person says so.
    assert_eq!(bench.outcome(&tonight).await, Outcome::Held);
    let applied = bench.import(&wrong).await;
    assert_eq!(
        (applied.outcome, applied.counts.leavers),
        (Outcome::Applied, 2)
    );
    assert_eq!(bench.everyone_now().await.len(), 24);
    // Whoever had joined, was taken back and has come again has one history.
    let eva = bench
        .db()
        .people_called(&acme(), Environment::Production, "5")
        .await
        .unwrap();
    let kinds: Vec<_> = eva[0].history.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(kinds, ["joiner", "leaver", "rehire"]);
}

#[tokio::test]
async fn an_undo_can_be_undone() {
    let bench = Bench::new().await;
    bench
        .import(&file(&[("1", "Ada", "Ulm"), ("2", "Bea", "Ulm")]))
        .await;
    let run = bench
        .import(&file(&[("1", "Ada", "Bonn"), ("3", "Cem", "Ulm")]))
        .await;
    let after = bench.everyone_now().await;
    let Undoing::Done { run: undo, .. } = bench.undo(&run, Reach::Whole).await else {
        panic!("not undone");
    };
    let undo = bench.db().run(&undo).await.unwrap().unwrap();
    assert!(matches!(
        bench.undo(&undo, Reach::Whole).await,
        Undoing::Done { .. }
    ));
    assert_eq!(bench.everyone_now().await, after);
    // And the next file finds everybody as they are stored, not as its own last row was.
    bench.resume().await;
    let same = bench
        .import(&file(&[("1", "Ada", "Bonn"), ("3", "Cem", "Ulm")]))
        .await;
    assert_eq!(same.outcome, Outcome::NoChange, "{same:?}");
}

#[tokio::test]
async fn an_undo_is_refused_where_later_runs_touched_the_same_people_and_restores_the_rest_when_forced()
 {
    let bench = Bench::new().await;
    bench
        .import(&file(&[("1", "Ada", "Ulm"), ("2", "Bea", "Ulm")]))
        .await;
    let run = bench
        .import(&file(&[("1", "Ada", "Bonn"), ("2", "Bea", "Bonn")]))
        .await;
    let later = bench
        .import(&file(&[("1", "Ada", "Kiel"), ("2", "Bea", "Bonn")]))
        .await;
    let before = bench.everyone_now().await;
    let since = Obstacle::Since {
        run: later.id.clone().unwrap(),
        kind: RunKind::Delivery,
    };
    let Undoing::Obstructed(obstacles) = bench.undo(&run, Reach::Whole).await else {
        panic!("not refused");
    };
    assert_eq!((obstacles.people, obstacles.of), (1, 2));
    assert_eq!(obstacles.named, [("1".to_owned(), since)]);
    assert_eq!(bench.everyone_now().await, before);
    let owner = (&acme(), Environment::Production, "employees");
    assert_eq!(
        bench.db().pause(owner.0, owner.1, owner.2).await.unwrap(),
        None
    );
    assert_eq!(bench.db().runs(None, 10).await.unwrap().len(), 3);

    assert!(matches!(
        bench.undo(&run, Reach::Rest).await,
        Undoing::Done { .. }
    ));
    let cities: Vec<_> = bench.everyone_now().await;
    let cities: Vec<_> = cities
        .iter()
        .map(|it| it.fields.value(Field::City).unwrap())
        .collect();
    assert_eq!(cities, ["Kiel", "Ulm"]);
    let unchanged = bench.undo(&later, Reach::Whole).await;
    assert!(
        matches!(unchanged, Undoing::Done { .. }),
        "nobody of this one was touched since"
    );
}

#[tokio::test]
async fn only_what_was_applied_can_be_undone_and_only_while_its_values_are_kept() {
    let bench = Bench::new().await;
    let run = bench.import(&file(&[("1", "Ada", "Ulm")])).await;
    let same = bench.import(&file(&[("1", "Ada", "Ulm")])).await;
    assert_eq!(
        bench.undo(&same, Reach::Whole).await,
        Undoing::NotApplied(Outcome::NoChange)
    );
    let unknown = bench
        .db()
        .undo_run("nonsense", Reach::Whole, "root")
        .await
        .unwrap();
    assert_eq!(unknown, Undoing::Unknown);
    let tenant = acme();
    let later = bench.clock.now() + 1.minute();
    let emptied = bench
        .db()
        .empty_changes(&tenant, Environment::Production, later);
    assert!(emptied.await.unwrap() > 0);
    let Undoing::Obstructed(obstacles) = bench.undo(&run, Reach::Rest).await else {
        panic!("values made up");
    };
    assert_eq!(obstacles.named[0].1, Obstacle::Gap(Gap::Emptied));
    let emptied = bench
        .db()
        .emptied_through(&acme(), Environment::Production)
        .await;
    assert_eq!(emptied.unwrap(), run.finished_at);
}

#[tokio::test]
async fn an_approval_of_what_has_moved_since_is_worked_out_again_and_held_again() {
    let bench = Bench::new().await;
    bench.import(&people(1..=20, "Ulm")).await;
    let bonn = bench.import(&people(1..=20, "Bonn")).await;
    let held = bench.import(&people(1..=10, "Kiel")).await;
    assert_eq!((held.outcome, held.counts.leavers), (Outcome::Held, 10));
    let undone = bench.undo(&bonn, Reach::Whole).await;
    assert!(matches!(undone, Undoing::Done { .. }));
    bench.resume().await;
    let (id, delivery) = (
        held.id.unwrap(),
        DeliveryId::parse(&held.delivery.unwrap()).unwrap(),
    );
    bench.db().approve_run(&id).await.unwrap();
    let again = bench.run(&delivery).await;
    assert_eq!(again.outcome, Outcome::Held);
    let reason = again.reason.unwrap();
    assert!(
        reason.ends_with(
            "because roster or mapping have changed since: this is what it would do now."
        ),
        "{reason}"
    );
    assert_eq!(bench.roster(false).await.len(), 20);
    bench.db().approve_run(&id).await.unwrap();
    assert_eq!(bench.run(&delivery).await.outcome, Outcome::Applied);
    assert_eq!(bench.roster(false).await.len(), 10);
}

#[tokio::test]
async fn a_paused_source_takes_what_changes_nothing_and_whatever_a_person_approves() {
    let bench = Bench::new().await;
    bench.import(&people(1..=3, "Ulm")).await;
    let owner = (&acme(), Environment::Production, "employees");
    assert!(bench.db().pause_source(owner, "ada").await.unwrap());
    assert!(!bench.db().pause_source(owner, "bea").await.unwrap());
    let pause = bench
        .db()
        .pause(owner.0, owner.1, owner.2)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (pause.asked_by.as_deref(), pause.undone),
        (Some("ada"), None)
    );
    assert_eq!(
        bench.import(&people(1..=3, "Ulm")).await.outcome,
        Outcome::NoChange
    );
    let other = bench.deliver_to("contractors", &people(1..=3, "Ulm")).await;
    assert_eq!(bench.run(&other).await.outcome, Outcome::Applied);
    let delivery = bench.deliver(&people(1..=4, "Ulm")).await;
    let held = bench.run(&delivery).await;
    assert_eq!(
        held.reason.as_deref(),
        Some("The data source is paused since 2026-11-22T02:00:00Z.")
    );
    bench.db().approve_run(&held.id.unwrap()).await.unwrap();
    assert_eq!(bench.run(&delivery).await.outcome, Outcome::Applied);
}

#[tokio::test]
async fn a_delivery_is_run_once_more_as_a_new_one_from_the_archive() {
    let bench = Bench::new().await;
    let first = bench.import(&people(1..=3, "Ulm")).await;
    let second = bench.import(&people(1..=3, "Bonn")).await;
    let of = |run: &Run| DeliveryId::parse(run.delivery.as_deref().unwrap()).unwrap();
    let newer = bench.db().judged_since(&of(&first)).await.unwrap();
    assert_eq!(newer, second.delivery);
    assert_eq!(bench.db().judged_since(&of(&second)).await.unwrap(), None);
    let again = bench
        .importer
        .deliver_again(&first, "ada")
        .await
        .unwrap()
        .unwrap();
    let rerun = bench.run(&again).await;
    assert_eq!(
        (rerun.kind, rerun.outcome, rerun.counts.movers),
        (RunKind::Rerun, Outcome::Applied, 3)
    );
    assert_eq!(
        (rerun.about, rerun.asked_by.as_deref()),
        (first.delivery.clone(), Some("ada"))
    );
    assert_eq!(
        (&rerun.sha256, &rerun.file_name),
        (&first.sha256, &first.file_name)
    );
    assert_eq!(bench.receipt(&again)["asked_by"], serde_json::Value::Null);

    let archived = bench.folder.path().join("archive");
    let archived = walk(&archived, of(&second).as_str());
    std::fs::remove_file(archived).unwrap();
    let gone = bench.importer.deliver_again(&second, "ada").await.unwrap();
    assert_eq!(gone, None);
    assert_eq!(bench.db().runs(None, 10).await.unwrap().len(), 3);
}

/// The file of this name somewhere below `folder`.
fn walk(folder: &Path, name: &str) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with(name) {
                return path;
            }
        }
    }
    panic!("there is no {name}");
}

#[tokio::test]
async fn a_person_has_one_history_and_is_found_with_whom_they_belong_to() {
    let bench = Bench::new().await;
    let file = |dan: &str| {
        format!(
            "employee_id,first_name,last_name,manager_id,annual_pay\n1,Ada,Li,,10\n2,Bea,Li,1,20\n3,Cem,Li,1,30\n{dan}"
        )
    };
    bench.import(&file("4,Dan,Li,9,40\n")).await;
    bench.import(&file("")).await;
    bench.import(&file("4,Dan,Li,2,50\n")).await;
    let found = async |id: &str| {
        let people = bench
            .db()
            .people_called(&acme(), Environment::Production, id)
            .await;
        people.unwrap().into_iter().next()
    };
    let ada = found("1").await.unwrap();
    assert_eq!((ada.manager, ada.reports_total), (None, 2));
    let names: Vec<_> = ada
        .reports
        .iter()
        .map(|it| it.name.as_deref().unwrap())
        .collect();
    assert_eq!(names, ["Bea Li", "Cem Li"]);
    let dan = found("4").await.unwrap().masked(&Masking::default());
    assert_eq!(dan.manager.unwrap().name.as_deref(), Some("Bea Li"));
    let kinds: Vec<_> = dan.history.iter().map(|it| it.kind.as_str()).collect();
    assert_eq!(kinds, ["joiner", "leaver", "rehire"]);
    let shown = serde_json::to_string(&dan.history).unwrap();
    assert!(
        !shown.contains("\"40\"") && !shown.contains("\"50\""),
        "{shown}"
    );
    assert!(found("04").await.is_none());
}

#[tokio::test]
async fn an_end_that_only_an_undone_file_has_told_does_not_come() {
    let bench = Bench::new().await;
    let file = |end: &str| format!("employee_id,city,termination_date\n1,Ulm,{end}\n2,Ulm,\n");
    bench.import(&file("")).await;
    let run = bench.import(&file("2026-11-24")).await;
    assert_eq!(run.outcome, Outcome::Applied);
    let everyone = (1..=2).collect::<Vec<i64>>();
    assert_eq!(bench.db().endings(&everyone).await.unwrap().len(), 1);
    let undone = bench.undo(&run, Reach::Whole).await;
    assert!(matches!(undone, Undoing::Done { .. }));
    assert!(bench.db().endings(&everyone).await.unwrap().is_empty());
    // Should it be right after all, the next file tells it again.
    bench.resume().await;
    bench.import(&file("2026-11-24")).await;
    assert_eq!(bench.db().endings(&everyone).await.unwrap().len(), 1);
}
