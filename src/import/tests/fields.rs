//! What the values of a file come to in the roster: fields of the tenant's own, cells that are wrong, status by class.

use super::*;
use crate::parse::check::columns::{Classification, ExtraField};
use crate::parse::check::demand::{Demand, Treatment};
use crate::parse::field::FieldKind;
use crate::roster::person::Fields;

/// The key only is required, and the rest is as given.
async fn with(mapping: Mapping) -> Bench {
    let mut bench = Bench::new().await;
    bench.map(mapping);
    bench
}

impl Bench {
    /// Gives the employees another mapping.
    fn map(&mut self, mapping: Mapping) {
        let mut importer = Importer::clone(&self.importer);
        let mut tenant = Tenant::clone(&importer.tenants[&acme()]);
        tenant.data_sources[0].mapping = Mapping {
            required: vec![Field::EmployeeId],
            ..mapping
        };
        importer.tenants.insert(acme(), Arc::new(tenant));
        self.importer = Arc::new(importer);
    }

    /// What is stored of somebody.
    async fn stored(&self, key: &str) -> Fields {
        let page = self
            .db()
            .roster_page(&acme(), Environment::Production, true, None, 100)
            .await;
        let mut lines = page.unwrap().into_iter();
        lines.find(|line| line.key == key).unwrap().fields
    }

    async fn value(&self, key: &str, field: &str) -> Option<String> {
        let field = Field::stored(field).unwrap();
        self.stored(key).await.value(field).map(str::to_owned)
    }
}

fn extra(name: &str, is_secret: bool) -> ExtraField {
    ExtraField {
        field: Field::extra(name).unwrap(),
        kind: FieldKind::Text,
        is_secret,
    }
}

#[tokio::test]
async fn a_wrong_phone_number_does_not_freeze_a_person() {
    let bench = with(Mapping::default()).await;
    let night =
        |city: &str, email: &str| format!("employee_id,city,personal_email\n1,{city},{email}\n");
    bench.import(&night("Ulm", "ada@home.example")).await;
    let bad = night("Bonn", "ada at home");
    let delivery = bench.deliver(&bad).await;
    let run = bench.run(&delivery).await;
    assert_eq!(
        (run.outcome, run.counts.movers, run.counts.refused_rows),
        (Outcome::Applied, 1, 0)
    );
    assert_eq!(bench.value("1", "city").await.as_deref(), Some("Bonn"));
    assert_eq!(
        bench.value("1", "personal_email").await.as_deref(),
        Some("ada@home.example")
    );
    let document = bench.db().run_document(delivery.as_str(), 10).await;
    let document = document.unwrap().unwrap();
    assert_eq!(document.changes[0].fields.iter().count(), 1);
    assert!(
        document.findings[0]
            .message
            .contains("keeps the value it had")
    );
    // The next night it is told again and changes nothing; mended it counts.
    let again = bench
        .deliver(&bad.replace("home\n", "home\n2,Ulm,\n"))
        .await;
    assert_eq!(bench.run(&again).await.counts.unchanged, 1);
    let told = bench.db().run_document(again.as_str(), 10).await;
    assert_eq!(told.unwrap().unwrap().findings.len(), 1);
    bench.import(&night("Bonn", "ada@new.example")).await;
    assert_eq!(
        bench.value("1", "personal_email").await.as_deref(),
        Some("ada@new.example")
    );
}

#[tokio::test]
async fn an_empty_cell_that_keeps_changes_nobody_and_is_no_news_the_next_night() {
    let bench = with(Mapping {
        empty_cell: Treatment::Keep,
        ..Mapping::default()
    })
    .await;
    bench.import("employee_id,city\n1,Ulm\n2,Bonn\n").await;
    let run = bench.import("employee_id,city\n1,\n2,Bonn\n").await;
    assert_eq!(run.outcome, Outcome::NoChange, "{run:?}");
    assert_eq!(bench.value("1", "city").await.as_deref(), Some("Ulm"));
    let run = bench.import("employee_id,city\n1,\n2,Aalen\n").await;
    assert_eq!((run.counts.movers, run.counts.unchanged), (1, 1));
    assert_eq!(bench.value("1", "city").await.as_deref(), Some("Ulm"));
}

#[tokio::test]
async fn the_tenants_own_fields_are_kept_told_and_masked_until_they_are_called_open_r1_04() {
    let own = |is_secret| Mapping {
        extra: vec![extra("shoe_size", is_secret), extra("badge", true)],
        columns: [
            (Field::extra("shoe_size").unwrap(), "Shoe size".to_owned()),
            (Field::extra("badge").unwrap(), "Badge".to_owned()),
        ]
        .into(),
        ..Mapping::default()
    };
    let mut bench = with(own(true)).await;
    let file = "employee_id,Shoe size,Badge\n1,43,B-17\n";
    let delivery = bench.deliver(file).await;
    assert_eq!(bench.run(&delivery).await.outcome, Outcome::Applied);
    assert_eq!(bench.value("1", "shoe_size").await.as_deref(), Some("43"));
    let shown = async |bench: &Bench| {
        let masking = |tenant: &TenantId| bench.importer.masking(tenant);
        let document = bench
            .db()
            .run_document_for(delivery.as_str(), 10, masking)
            .await;
        let changes = document.unwrap().unwrap().changes;
        serde_json::to_value(&changes[0].fields).unwrap()
    };
    let told = shown(&bench).await;
    assert_eq!(
        (&told["shoe_size"]["to"], &told["badge"]["to"]),
        (&"***".into(), &"***".into())
    );
    // What is open may be seen, in the past too, and nothing is news for it.
    bench.map(own(false));
    let told = shown(&bench).await;
    assert_eq!(
        (&told["shoe_size"]["to"], &told["badge"]["to"]),
        (&"43".into(), &"***".into())
    );
    assert_eq!(bench.import(file).await.outcome, Outcome::NoChange);
    // Without the configuration they stay as they are, hidden.
    bench.map(Mapping::default());
    assert_eq!(bench.import(file).await.outcome, Outcome::NoChange);
    assert_eq!(bench.value("1", "badge").await.as_deref(), Some("B-17"));
    assert_eq!(shown(&bench).await["shoe_size"]["to"], "***");
}

#[tokio::test]
async fn a_class_makes_leavers_with_a_day_and_whoever_comes_back_has_none_r3_28() {
    let bench = with(Mapping {
        classification: Some(Classification {
            column: "Status Class".to_owned(),
            terminated: vec!["T".to_owned()],
        }),
        ..Mapping::default()
    })
    .await;
    let night = |class: &str, day: &str| {
        format!(
            "employee_id,Status,Status Class,Status Date\n1,A,{class},{day}\n2,A,A,2020-01-31\n"
        )
    };
    bench.import(&night("A", "2020-01-31")).await;
    let run = bench.import(&night("T", "2026-03-31")).await;
    assert_eq!(
        (run.outcome, run.counts.leavers),
        (Outcome::Applied, 1),
        "{run:?}"
    );
    assert_eq!(
        bench.value("1", "termination_date").await.as_deref(),
        Some("2026-03-31")
    );
    assert_eq!(
        bench.value("1", "employment_status").await.as_deref(),
        Some("terminated")
    );
    let run = bench.import(&night("A", "2026-05-01")).await;
    assert_eq!(run.counts.joiners, 1);
    assert_eq!(bench.value("1", "termination_date").await, None);
    assert_eq!(
        bench.value("1", "employment_status").await.as_deref(),
        Some("A")
    );
}

#[tokio::test]
async fn a_date_that_may_not_be_taken_goes_back_to_what_it_was_r3_15() {
    let demand = Demand {
        only_when_status: vec!["Client".to_owned()],
        ..Demand::default()
    };
    let bench = with(Mapping {
        active_values: vec!["Client".to_owned(), "Dormant".to_owned()],
        demands: [(Field::OriginalHireDate, demand)].into(),
        ..Mapping::default()
    })
    .await;
    let night = |status: &str, day: &str| {
        format!("employee_id,Status,original_hire_date\n1,{status},{day}\n")
    };
    for (status, day, stored) in [
        ("Client", "2020-01-31", "2020-01-31"),
        ("Dormant", "2021-01-31", "2020-01-31"),
        ("Client", "", "2020-01-31"),
        ("Client", "2021-01-31", "2021-01-31"),
    ] {
        bench.import(&night(status, day)).await;
        assert_eq!(
            bench.value("1", "original_hire_date").await.as_deref(),
            Some(stored),
            "{status} {day}"
        );
    }
}
