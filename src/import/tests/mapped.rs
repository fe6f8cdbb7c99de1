//! What the last accepted file was mapped to decides how the next one is read.

use super::*;
use crate::parse::check::columns::{Found, MappedColumns};
use crate::parse::finding::Severity;

impl Bench {
    /// Fields, headers, and how they were found, as a dry run tells it.
    async fn columns_of(&self, environment: Environment, csv: &str) -> MappedColumns {
        let file = self.file(csv);
        let document = self
            .importer
            .dry_run(&acme(), environment, "employees", &file)
            .await
            .unwrap();
        document.mapping.unwrap()
    }

    async fn found(&self, environment: Environment, field: Field, csv: &str) -> (String, Found) {
        let columns = self.columns_of(environment, csv).await.columns;
        let column = columns.into_iter().find(|it| it.field() == Some(field));
        let column = column.unwrap();
        (column.header, column.found)
    }

    /// What is told of the form of a delivery.
    async fn drift(&self, delivery: &DeliveryId) -> Vec<String> {
        let document = self.db().run_document(delivery.as_str(), 0).await;
        let findings = document.unwrap().unwrap().findings.into_iter();
        let drift = findings.filter(|finding| finding.code == LAYOUT_DRIFT);
        drift.map(|finding| finding.message).collect()
    }
}

const PRODUCTION: Environment = Environment::Production;

/// A file of three people with one more column.
fn with(header: &str, cells: [&str; 3]) -> String {
    let rows = cells.iter().enumerate();
    let rows = rows.map(|(at, cell)| format!("00{at},{cell},Ulm\n"));
    format!("Employee ID,{header},City\n{}", rows.collect::<String>())
}

const DESKS: [&str; 3] = ["A", "B", "C"];

#[tokio::test]
async fn a_new_column_that_a_synonym_likes_better_moves_no_field() {
    let bench = Bench::new().await;
    let first = with("Dept", DESKS);
    let department = async |csv: &str| bench.found(PRODUCTION, Field::Department, csv).await;
    assert_eq!(
        department(&first).await,
        ("Dept".to_owned(), Found::Synonym)
    );
    assert_eq!(bench.import(&first).await.outcome, Outcome::Applied);
    assert_eq!(department(&first).await, ("Dept".to_owned(), Found::Saved));

    // "Department" is the more telling header, and would be taken of a file that comes first.
    let both = first
        .replace("Dept,", "Dept,Department,")
        .replace(",Ulm", ",X,Ulm");
    assert_eq!(department(&both).await, ("Dept".to_owned(), Found::Saved));
    let delivery = bench.deliver(&both).await;
    assert_eq!(bench.run(&delivery).await.outcome, Outcome::NoChange);
    let document = bench.db().run_document(delivery.as_str(), 0).await;
    let findings = document.unwrap().unwrap().findings;
    assert!(
        findings
            .iter()
            .any(|it| it.message.contains("as in the last accepted file")
                && it.severity == Severity::Info),
        "{findings:?}"
    );
    // And it stays so.
    assert_eq!(department(&both).await, ("Dept".to_owned(), Found::Saved));
}

#[tokio::test]
async fn sandbox_and_production_remember_each_their_own_file() {
    let bench = Bench::new().await;
    let [dept, both] = [
        with("Dept", DESKS),
        with("Dept,Department", ["A,X", "B,X", "C,X"]),
    ];
    let delivery = bench
        .deliver_in(Environment::Sandbox, "employees", &dept)
        .await;
    assert_eq!(bench.run(&delivery).await.outcome, Outcome::Applied);
    let field = Field::Department;
    assert_eq!(
        bench.found(Environment::Sandbox, field, &both).await,
        ("Dept".to_owned(), Found::Saved)
    );
    assert_eq!(
        bench.found(PRODUCTION, field, &both).await,
        ("Department".to_owned(), Found::Synonym)
    );
}

#[tokio::test]
async fn files_that_were_held_rejected_or_refused_are_not_remembered() {
    let bench = Bench::new().await;
    let many: Vec<String> = (0..20).map(|at| format!("{at},A,Ulm")).collect();
    let all = format!("Employee ID,Dept,City\n{}\n", many.join("\n"));
    assert_eq!(bench.import(&all).await.outcome, Outcome::Applied);
    let few = format!("Employee ID,Department,City\n{}\n", many[..5].join("\n"));
    let both = "Employee ID,Dept,Department,City\n1,A,X,Ulm\n";

    let held = bench.import(&few).await;
    assert_eq!(held.outcome, Outcome::Held);
    let department = async || bench.found(PRODUCTION, Field::Department, both).await;
    let as_before = ("Dept".to_owned(), Found::Saved);
    assert_eq!(department().await, as_before);
    let decided = bench.db().reject_run(&held.id.unwrap()).await.unwrap();
    assert!(matches!(decided, Decision::Taken { .. }), "{decided:?}");
    assert_eq!(department().await, as_before);
    let refused = bench.import("Employee ID,Department,City\n").await;
    assert_eq!(refused.outcome, Outcome::Refused);
    assert_eq!(department().await, as_before);
    // Accepted, and only then another column holds the field.
    let renamed = all.replace("Dept", "Department");
    let delivery = bench.deliver(&renamed).await;
    assert_eq!(bench.run(&delivery).await.outcome, Outcome::NoChange);
    assert_eq!(
        bench.drift(&delivery).await,
        [
            "department is read from the column \"Department\"; in the last accepted file it was \"Dept\", which is gone."
        ]
    );
    assert_eq!(department().await, ("Department".to_owned(), Found::Saved));
}

#[tokio::test]
async fn a_key_in_another_column_waits_for_a_person_though_nobody_would_leave() {
    let bench = Bench::new().await;
    let first = people(1..=20, "Ulm").replace("employee_id", "Employee ID");
    assert_eq!(bench.import(&first).await.outcome, Outcome::Applied);
    let renamed = first
        .replace("Employee ID", "Payroll ID")
        .replace("001,Ulm", "001,Bonn");
    let held = bench.deliver(&renamed).await;
    let run = bench.run(&held).await;
    assert_eq!(run.outcome, Outcome::Held);
    let reason = run.reason.unwrap();
    assert!(
        reason.contains("\"Employee ID\"") && reason.contains("\"Payroll ID\""),
        "{reason}"
    );
    // A person has seen it.
    let decided = bench.db().approve_run(&run.id.unwrap()).await.unwrap();
    assert!(matches!(decided, Decision::Taken { .. }), "{decided:?}");
    let run = bench.run(&held).await;
    assert_eq!((run.outcome, run.counts.movers), (Outcome::Applied, 1));
    assert_eq!(bench.import(&renamed).await.outcome, Outcome::NoChange);
}

#[tokio::test]
async fn a_configuration_that_names_the_new_key_needs_nobody_to_look() {
    let bench = Bench::new().await;
    let first = people(1..=20, "Ulm").replace("employee_id", "Employee ID");
    assert_eq!(bench.import(&first).await.outcome, Outcome::Applied);
    let mut importer = Importer::clone(&bench.importer);
    let mut tenant = Tenant::clone(&importer.tenants[&acme()]);
    tenant.data_sources[0]
        .mapping
        .columns
        .insert(Field::EmployeeId, "Payroll ID".to_owned());
    importer.tenants.insert(acme(), Arc::new(tenant));
    let delivery = bench
        .deliver(&first.replace("Employee ID", "Payroll ID"))
        .await;
    let run = importer.run_to_end(&bench.me, &delivery).await.unwrap();
    assert_eq!(run.outcome, Outcome::NoChange, "{:?}", run.reason);
}

#[tokio::test]
async fn a_file_without_the_status_of_the_last_one_waits_for_a_person() {
    let bench = Bench::new().await;
    let first = with("Status", ["Active", "Active", "Terminated"]);
    assert_eq!(bench.import(&first).await.outcome, Outcome::Applied);
    let run = bench
        .import("Employee ID,City\n000,Ulm\n001,Ulm\n002,Ulm\n")
        .await;
    assert_eq!(run.outcome, Outcome::Held);
    assert!(run.reason.unwrap().contains("would count as employed"));
}

#[tokio::test]
async fn a_dry_run_of_a_file_that_lacks_a_column_shows_what_it_has_and_what_it_may_mean() {
    let bench = Bench::new().await;
    let columns = bench
        .columns_of(PRODUCTION, "Emplyee ID,City,Shoe size\n1,Ulm,43\n")
        .await;
    assert_eq!(columns.columns.len(), 1);
    assert_eq!(columns.unused, ["Emplyee ID", "Shoe size"]);
    assert_eq!(columns.suggestions[0].line, "employee_id = \"Emplyee ID\"");
}

#[tokio::test]
async fn names_that_are_taken_apart_come_into_the_roster_in_both_forms() {
    let bench = Bench::new().await;
    let file = "Employee ID,Name\n1,\"Smith, John\"\n2,\"Li, Na\"\n";
    let delivery = bench.deliver(file).await;
    assert_eq!(bench.run(&delivery).await.outcome, Outcome::Applied);
    let document = bench.db().run_document(delivery.as_str(), 10).await;
    let changes = document.unwrap().unwrap().changes;
    assert_eq!(
        serde_json::to_value(&changes[0].fields).unwrap(),
        serde_json::json!({
            "employee_id": {"from": null, "to": "1"},
            "first_name": {"from": null, "to": "John"},
            "last_name": {"from": null, "to": "Smith"},
            "full_name": {"from": null, "to": "John Smith"},
        })
    );
    // A name that is no such pair clears nobody's.
    let one = file.replace("Li, Na", "Na");
    let mut many = one.clone();
    many.extend((3..20).map(|key| format!("{key},\"Doe, Jane\"\n")));
    let delivery = bench.deliver(&many).await;
    let run = bench.run(&delivery).await;
    assert_eq!((run.counts.movers, run.counts.unchanged), (1, 1));
    let document = bench.db().run_document(delivery.as_str(), 100).await;
    let changes = document.unwrap().unwrap().changes;
    let mover = changes
        .iter()
        .find(|it| it.kind == ChangeKind::Mover)
        .unwrap();
    assert_eq!(
        serde_json::to_value(&mover.fields).unwrap(),
        serde_json::json!({"full_name": {"from": "Na Li", "to": "Na"}})
    );
    // The same night again is nothing new.
    assert_eq!(bench.import(&many).await.outcome, Outcome::NoChange);
    let found = bench.found(PRODUCTION, Field::LastName, &many).await;
    assert_eq!(found, ("Name".to_owned(), Found::Derived));
}
