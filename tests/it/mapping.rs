//! Which column holds which field, from night to night, as an admin sees it.

use serde_json::Value;

use crate::harness::Daemon;
use crate::harness::cli::{Run, column_of};
use crate::harness::tenant::{Source, Tenant};

const FILE: &str = "/data/employees.csv";

fn employees() -> Source {
    Source::named("employees", "employees.csv").requires_the_key_only()
}

fn acme(source: Source) -> Daemon {
    Daemon::start([Tenant::without_sources("acme").source(source)])
}

/// The names of a roster: first, last and full.
fn names(daemon: &Daemon) -> [Vec<String>; 3] {
    ["first_name", "last_name", "full_name"].map(|field| daemon.roster_column("acme", field))
}

#[test]
fn a_dry_run_tells_a_person_what_each_column_came_to() {
    let daemon = acme(employees().column("hire_date", "In the company since"));
    let file = daemon.local_file(
        "staff.csv",
        "Employee #;Name;E-Mail Adr.;In the company since;Shoe size\n\
         1;Smith, John;john@acme.example;2020-01-31;43\n\
         2;van der Berg, Anna;anna@acme.example;2021-02-28;38\n",
    );
    let file = file.to_str().unwrap();
    let dry_run = ["import", "--tenant", "acme", "--dry-run", file];
    let shown = daemon.run(&dry_run).succeeded();
    let shown = shown.text();
    let columns = shown.find("Columns").unwrap();
    insta::assert_snapshot!(&shown[columns..]);

    let told = daemon.run(&[&dry_run[..], &["--json"]].concat());
    let told = Run::parse(&told).came_to("dry_run");
    let mapping = &told.0["mapping"];
    let columns: Vec<_> = mapping["columns"].as_array().unwrap().iter().collect();
    let column = |field: &str| {
        let found = columns.iter().find(|it| it["field"] == field).unwrap();
        (found["header"].as_str(), found["found"].as_str())
    };
    assert_eq!(column("employee_id"), (Some("Employee #"), Some("synonym")));
    assert_eq!(column("hire_date").1, Some("configured"));
    assert_eq!(column("last_name"), (Some("Name"), Some("derived")));
    assert_eq!(mapping["unused"].as_array().unwrap().len(), 2);
    assert_eq!(
        mapping["suggestions"][0]["line"],
        "work_email = \"E-Mail Adr.\""
    );

    // Of a run that is recorded it is not told again.
    let run = daemon.run(&["import", "--tenant", "acme", "--json", file]);
    let run = Run::parse(&run).came_to("applied");
    assert_eq!(run.0.get("mapping"), None::<&Value>);
    assert_eq!(
        names(&daemon),
        [
            ["John", "Anna"],
            ["Smith", "van der Berg"],
            ["John Smith", "Anna van der Berg"]
        ]
    );
}

#[test]
fn from_night_to_night_a_field_stays_in_its_column_until_a_person_says_otherwise() {
    let daemon = acme(employees());
    let first = "Employee ID,Dept\n1,Sales\n2,Works\n";
    daemon.deliver("acme", FILE, first).came_to("applied");
    let departments = || daemon.roster_column("acme", "department");

    // A new column that the field's synonyms like better.
    let both = "Employee ID,Dept,Department\n1,Sales,4711\n2,Works,4712\n";
    let run = daemon.deliver("acme", FILE, both).came_to("no_change");
    assert!(
        run.findings()
            .iter()
            .any(|it| it.to_string().contains("as in the last accepted file")),
        "{run:?}"
    );
    assert_eq!(departments(), ["Sales", "Works"]);

    // The key in a column of another name: a synonym knows it, and yet nobody has said that the ids are the same.
    let renamed = "Payroll ID,Dept\n2,Sales\n1,Works\n";
    let held = daemon.deliver("acme", FILE, renamed).came_to("held");
    let reason = held.0["reason"].as_str().unwrap();
    assert!(reason.contains("\"Payroll ID\""), "{reason}");
    assert_eq!(departments(), ["Sales", "Works"]);
    daemon.run(&["approve", held.id()]).succeeded();
    daemon.outcome_of(held.delivery()).came_to("applied");
    assert_eq!(departments(), ["Works", "Sales"]);
    daemon.deliver("acme", FILE, renamed).came_to("no_change");
}

#[test]
fn a_configured_order_of_names_goes_before_what_the_column_shows() {
    let daemon = acme(employees().section("name_order = \"first_last\""));
    let file = "Employee ID,Name\n1,\"Smith, John\"\n2,\"Li, Na\"\n";
    daemon.deliver("acme", FILE, file).came_to("applied");
    let [first, last, full] = names(&daemon);
    assert_eq!(
        (first, last),
        (vec![String::new(); 2], vec![String::new(); 2])
    );
    assert_eq!(full, ["Smith, John", "Li, Na"]);
}

#[test]
fn a_template_with_the_tenants_own_fields_comes_to_a_roster_that_hides_secrets_r1_04_r1_06() {
    let own = "[[data_source.field]]\nname = \"annual_pay\"\nmaximum = 250000\n\
               [[data_source.field]]\nname = \"badge\"\ncolumn = \"Badge No.\"\npattern = \"[A-Z]-[0-9]{2}\"\nexample = \"B-17\"\n\
               [[data_source.group]]\nname = \"team\"\ncolumn = \"Teams\"\nseparator = \";\"\nvalues = [\"Fire\", \"First Aid\"]\n";
    let daemon = acme(employees().section(own));
    let template = daemon.run(&["template", "--tenant", "acme"]).succeeded();
    let template = template.text();
    let header = template.lines().next().unwrap();
    assert!(header.ends_with("annual_pay,Badge No.,Teams"), "{header}");
    daemon.deliver("acme", FILE, &template).came_to("applied");

    let shown = |arguments: &[&str], column: &str| {
        let roster = [&["roster", "--tenant", "acme"][..], arguments].concat();
        column_of(&daemon.run(&roster).succeeded().stdout, column)
    };
    for (column, masked, plain) in [
        ("annual_pay", "***", "54000"),
        ("badge", "***", "B-17"),
        ("group_team", "Fire", "Fire"),
    ] {
        assert_eq!(shown(&[], column), [masked]);
        assert_eq!(shown(&["--secrets"], column), [plain]);
    }

    // A wrong badge is told and leaves the person a better-paid one; the error file repeats neither.
    let next = template
        .replace("B-17", "17")
        .replace("54000.00", "55000.00");
    let run = daemon.deliver("acme", FILE, &next).came_to("applied");
    assert_eq!(shown(&["--secrets"], "badge"), ["B-17"]);
    assert_eq!(shown(&["--secrets"], "annual_pay"), ["55000"]);
    let errors = daemon.run(&["errors", run.id()]).succeeded().text();
    assert!(errors.contains("keeps the value it had"), "{errors}");
    let told = daemon.run(&["run", run.id()]).succeeded().text();
    for secret in ["55000", "54000"] {
        assert!(!errors.contains(secret) && !told.contains(secret), "{told}");
    }
}
