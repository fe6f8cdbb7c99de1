//! Data sources before they are live: deliveries run dry until somebody has published what they come to.

use super::*;
use crate::import::publication::Publication;

/// An importer whose data source `employees` wants to be published.
fn careful(bench: &Bench) -> Importer {
    let mut importer = Importer::clone(&bench.importer);
    employees(&mut importer).go_live = GoLive::Published;
    importer
}

fn employees(importer: &mut Importer) -> &mut DataSource {
    let tenant = importer.tenants.get_mut(&acme()).unwrap();
    &mut Arc::make_mut(tenant).data_sources[0]
}

async fn publish(importer: &mut Importer) {
    let terms = employees(importer).terms();
    let place = (&acme(), Environment::Production, "employees");
    importer.db.publish(place, &terms, "ann").await.unwrap();
}

async fn import(bench: &Bench, importer: &Importer, csv: &str) -> Run {
    let delivery = bench.deliver(csv).await;
    importer.run_to_end(&bench.me, &delivery).await.unwrap()
}

#[tokio::test]
async fn deliveries_run_dry_until_the_data_source_is_published_r2_17() {
    let bench = Bench::new().await;
    let mut importer = careful(&bench);
    let dry = import(&bench, &importer, &people(1..=3, "Ulm")).await;
    assert_eq!(
        (dry.outcome, dry.would, dry.counts.joiners),
        (Outcome::DryRun, Some(Outcome::Applied), 3)
    );
    let reason = dry.reason.as_deref().unwrap();
    assert!(
        reason.contains("`rosterd publish --tenant acme --source employees`"),
        "{reason}"
    );
    assert_eq!(bench.roster(true).await, [] as [String; 0]);
    let id = dry.id.unwrap();
    let document = bench.db().run_document(&id, 9).await.unwrap().unwrap();
    assert_eq!(document.changes_total, 3, "what it would do is shown");
    let delivery = DeliveryId::parse(&dry.delivery.unwrap()).unwrap();
    assert_eq!(bench.receipt(&delivery)["outcome"], "dry_run");
    assert_eq!(bench.receipt(&delivery)["would"], "applied");

    let refused = import(&bench, &importer, "employee_id,city\n").await;
    assert_eq!(
        (refused.outcome, refused.would),
        (Outcome::Refused, None),
        "a broken file is refused all the same"
    );

    publish(&mut importer).await;
    let applied = import(&bench, &importer, &people(1..=3, "Ulm")).await;
    assert_eq!(
        (applied.outcome, applied.would),
        (Outcome::Applied, None),
        "the same bytes"
    );
    assert_eq!(bench.roster(false).await.len(), 3);
    let document = bench.db().run_document(&id, 9).await.unwrap().unwrap();
    assert_eq!(document.changes_total, 0, "it is history now");
}

#[tokio::test]
async fn a_changed_mapping_unpublishes_and_the_roster_stays_as_it_is() {
    let bench = Bench::new().await;
    let mut importer = careful(&bench);
    publish(&mut importer).await;
    import(&bench, &importer, &people(1..=20, "Ulm")).await;
    employees(&mut importer).mapping.active_values = vec!["ja".to_owned()];
    let dry = import(&bench, &importer, &people(1..=5, "Ulm")).await;
    assert_eq!(
        (dry.outcome, dry.would),
        (Outcome::DryRun, Some(Outcome::Held))
    );
    let reason = dry.reason.unwrap();
    assert!(
        reason.contains("has changed in the configuration"),
        "{reason}"
    );
    assert!(reason.contains("would wait for a person: 15 "), "{reason}");
    assert_eq!(bench.roster(false).await.len(), 20);
    publish(&mut importer).await;
    let held = import(&bench, &importer, &people(1..=5, "Ulm")).await;
    assert_eq!(held.outcome, Outcome::Held);
    let acme = acme();
    let gone = bench
        .db()
        .unpublish(&acme, Environment::Production, "employees");
    assert!(gone.await.unwrap());
    bench.db().approve_run(&held.id.unwrap()).await.unwrap();
    let delivery = DeliveryId::parse(&held.delivery.unwrap()).unwrap();
    let dry = importer.run_to_end(&bench.me, &delivery).await.unwrap();
    assert_eq!(
        dry.outcome,
        Outcome::DryRun,
        "an approval publishes nothing"
    );
    assert_eq!(bench.roster(false).await.len(), 20);
}

#[tokio::test]
async fn an_older_file_is_not_applied_after_a_newer_one_has_run_dry() {
    let bench = Bench::new().await;
    let mut importer = careful(&bench);
    let older = bench.deliver(&people(1..=3, "Ulm")).await;
    let dry = import(&bench, &importer, &people(1..=4, "Ulm")).await;
    assert_eq!(dry.outcome, Outcome::DryRun);
    publish(&mut importer).await;
    let older = importer.run_to_end(&bench.me, &older).await.unwrap();
    assert_eq!(older.outcome, Outcome::Superseded);
    assert_eq!(bench.roster(true).await.len(), 0);
}

#[tokio::test]
async fn what_was_live_before_there_was_publishing_stays_live_under_its_mapping_of_then() {
    let bench = Bench::new().await;
    let mut importer = careful(&bench);
    publish(&mut importer).await;
    bench.db().forget_terms().await;
    let acme = acme();
    let stands = async |importer: &Importer| {
        let source = &importer.tenants[&acme].data_sources[0];
        let stands = importer.publication(&acme, Environment::Production, source);
        stands.await.unwrap()
    };
    assert_eq!(stands(&importer).await, Publication::Live);
    employees(&mut importer).mapping.active_values = vec!["ja".to_owned()];
    assert_eq!(stands(&importer).await, Publication::Changed);
}

#[tokio::test]
async fn the_sandbox_has_a_roster_and_may_have_a_mapping_of_its_own_r1_13() {
    let bench = Bench::new().await;
    let mut importer = Importer::clone(&bench.importer);
    employees(&mut importer).environment = Some(Environment::Production);
    let mut trial = DataSource {
        environment: Some(Environment::Sandbox),
        ..employees(&mut importer).clone()
    };
    trial.mapping.columns = [(Field::Region, "city".to_owned())].into();
    let acme = acme();
    let tenant = importer.tenants.get_mut(&acme).unwrap();
    Arc::make_mut(tenant).data_sources.push(trial);
    let file = people(1..=3, "Ulm");
    let mut fields = Vec::new();
    for environment in Environment::ALL {
        let delivery = bench.deliver_in(environment, "employees", &file).await;
        let run = importer.run_to_end(&bench.me, &delivery).await.unwrap();
        assert_eq!((run.outcome, run.counts.joiners), (Outcome::Applied, 3));
        let page = bench.db().roster_page(&acme, environment, false, None, 9);
        let first = page.await.unwrap().swap_remove(0).fields;
        fields.push([Field::City, Field::Region].map(|it| first.value(it).map(str::to_owned)));
    }
    let ulm = Some("Ulm".to_owned());
    assert_eq!(fields, [[ulm.clone(), None], [None, ulm]]);
}
