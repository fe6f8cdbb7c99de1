//! What becomes of a delivery: joiners, changes and leavers, the safeguard, and what the tenant gets back.

use serde_json::Value;

use crate::harness::Daemon;
use crate::harness::cli::{Counts, Run, column_of};
use crate::harness::staff::Staff;
use crate::harness::tenant::{Source, Tenant};

const FILE: &str = "/data/employees.csv";

fn deliver(daemon: &Daemon, staff: &Staff) -> Run {
    daemon.deliver("acme", FILE, staff.csv())
}

fn text(kind: &str, number: usize) -> (String, String) {
    (kind.to_owned(), Staff::id(number))
}

#[test]
fn a_second_delivery_makes_a_joiner_a_change_and_a_leaver_r1_03() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut staff = Staff::of(10);
    let run = deliver(&daemon, &staff).came_to("applied");
    let counts = run.counts();
    assert_eq!((counts.rows, counts.joiners), (10, 10));
    assert_eq!(run.changes().len(), 10);

    staff.join(11);
    staff.move_to(3, "Board");
    staff.leave(7);
    let run = deliver(&daemon, &staff).came_to("applied");

    assert_eq!(
        run.counts(),
        Counts {
            rows: 10,
            joiners: 1,
            movers: 1,
            leavers: 1,
            unchanged: 8,
            ..Counts::default()
        }
    );
    assert_eq!(
        run.changes(),
        [text("mover", 3), text("leaver", 7), text("joiner", 11)]
    );
    let changes = run.0["changes"].as_array().unwrap();
    let mover = changes.iter().find(|change| change["kind"] == "mover");
    assert_eq!(
        mover.unwrap()["fields"],
        serde_json::json!({"department": {"from": "Sales", "to": "Board"}})
    );
    assert_eq!(daemon.roster("acme"), staff);
    assert_eq!(run.0["file_name"], "employees.csv");
    assert_eq!(run.0["source"], "employees");
    assert_eq!(run.0["would"], Value::Null);

    // Leavers stay on record, and one who comes back is a rehire.
    let all = daemon
        .run(&["roster", "--tenant", "acme", "--all"])
        .succeeded();
    assert_eq!(column_of(&all.stdout, "employee_id").len(), 11);
    staff.join(7);
    let run = deliver(&daemon, &staff).came_to("applied");
    assert_eq!(run.changes(), [text("rehire", 7)]);
}

#[test]
fn the_same_people_again_are_no_change_whatever_the_bytes() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let staff = Staff::of(10);
    deliver(&daemon, &staff).came_to("applied");

    let same_bytes = deliver(&daemon, &staff).came_to("no_change");
    assert!(same_bytes.changes().is_empty());

    let semicolons = String::from_utf8(staff.csv())
        .unwrap()
        .replace("Smith, Jr.", "Smith# Jr.")
        .replace(',', ";")
        .replace('#', ",")
        .replace('\n', "\r\n");
    let run = daemon.deliver("acme", FILE, format!("\u{feff}{semicolons}"));
    assert_eq!(run.clone().came_to("no_change").counts().unchanged, 10);
    assert_eq!(daemon.roster("acme"), staff);
}

#[test]
fn a_run_that_would_remove_too_many_waits_and_is_applied_when_approved() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    deliver(&daemon, &Staff::of(10)).came_to("applied");

    let run = deliver(&daemon, &Staff::of(5)).came_to("held");
    assert_eq!(run.counts().leavers, 5);
    assert!(run.0["reason"].as_str().unwrap().contains('5'), "{run:?}");
    assert_eq!(
        daemon.roster("acme"),
        Staff::of(10),
        "nothing is applied in part"
    );
    assert_eq!(
        daemon.metric("rosterd_runs_held", &[("tenant", "acme")]),
        Some(1.0)
    );

    daemon.run(&["approve", run.id()]).succeeded();
    let run = daemon.outcome_of(run.delivery()).came_to("applied");
    assert_eq!(run.counts().leavers, 5);
    assert_eq!(daemon.roster("acme"), Staff::of(5));
    let twice = daemon.run(&["approve", run.id()]);
    assert_eq!(twice.code, 1, "{twice:?}");
}

#[test]
fn a_rejected_run_changes_nothing_and_the_verdict_stands_for_the_same_bytes() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    deliver(&daemon, &Staff::of(10)).came_to("applied");
    let held = deliver(&daemon, &Staff::of(5)).came_to("held");

    daemon.run(&["reject", held.id()]).succeeded();
    assert_eq!(daemon.run_document(held.id()).outcome(), "refused");
    deliver(&daemon, &Staff::of(5)).came_to("refused");
    assert_eq!(daemon.roster("acme"), Staff::of(10));

    // Another file is another matter.
    deliver(&daemon, &Staff::of(11)).came_to("applied");
    assert_eq!(daemon.roster("acme"), Staff::of(11));
}

#[test]
fn a_newer_delivery_supersedes_a_held_one() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    deliver(&daemon, &Staff::of(10)).came_to("applied");
    let held = deliver(&daemon, &Staff::of(2)).came_to("held");

    deliver(&daemon, &Staff::of(12)).came_to("applied");

    assert_eq!(daemon.run_document(held.id()).outcome(), "superseded");
    assert_eq!(daemon.run(&["approve", held.id()]).code, 1);
    assert_eq!(daemon.roster("acme"), Staff::of(12));
}

#[test]
fn the_safeguard_of_a_data_source_is_its_own() {
    let strict = Source::named("employees", "employees.csv")
        .safeguard("max_leavers", 1)
        .safeguard("max_leavers_percent", 100);
    let lax = Source::named("interns", "interns.csv")
        .safeguard("max_leavers", 100)
        .safeguard("max_leavers_percent", 100);
    let tenant = Tenant::without_sources("acme").source(strict).source(lax);
    let daemon = Daemon::start([tenant]);
    for file in [FILE, "/data/interns.csv"] {
        daemon
            .deliver("acme", file, Staff::of(10).csv())
            .came_to("applied");
    }
    daemon
        .deliver("acme", FILE, Staff::of(8).csv())
        .came_to("held");
    daemon
        .deliver("acme", "/data/interns.csv", Staff::of(1).csv())
        .came_to("applied");
    let ids = daemon.roster_column("acme", "employee_id");
    assert_eq!(ids.len(), 11, "leavers count within their source only");
}

#[test]
fn a_refused_row_never_removes_its_person() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let staff = Staff::of(10);
    deliver(&daemon, &staff).came_to("applied");

    let mut faulty = staff.clone();
    faulty.0.get_mut(&Staff::id(3)).unwrap().work_email = "not an address".to_owned();
    faulty.move_to(4, "Board");
    let run = deliver(&daemon, &faulty).came_to("applied");

    let counts = run.counts();
    assert_eq!(
        (counts.refused_rows, counts.movers, counts.leavers),
        (1, 1, 0)
    );
    let finding = run.errors()[0];
    assert_eq!(finding["row"], 4, "the header line is 1");
    assert_eq!(finding["column"], "Work Email");
    assert!(!finding["remedy"].as_str().unwrap().is_empty());
    assert_eq!(
        daemon.roster("acme").0[&Staff::id(3)],
        staff.0[&Staff::id(3)]
    );
}

#[test]
fn differing_rows_of_one_key_are_all_refused_and_identical_ones_collapse() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    deliver(&daemon, &Staff::of(10)).came_to("applied");

    let mut file = Staff::of(10).csv();
    let copy = Staff::line(&Staff::id(2), &Staff::of(2).0[&Staff::id(2)]);
    let mut other = Staff::of(5);
    other.move_to(5, "Board");
    let contradiction = Staff::line(&Staff::id(5), &other.0[&Staff::id(5)]);
    file.extend(copy.bytes());
    file.extend(contradiction.bytes());
    let run = daemon.deliver("acme", FILE, file).came_to("no_change");

    assert_eq!(
        run.counts(),
        Counts {
            rows: 12,
            unchanged: 9,
            refused_rows: 2,
            collapsed: 1,
            ..Counts::default()
        }
    );
    assert_eq!(daemon.roster("acme"), Staff::of(10));
}

#[test]
fn an_inactive_status_makes_a_leaver_and_an_unknown_inactive_person_is_skipped_r2_24() {
    let source = Source::named("employees", "employees.csv").requires_the_key_only();
    let daemon = Daemon::start([Tenant::without_sources("acme").source(source)]);
    let first = "Employee ID,Last Name,Status\n1,Abe,Active\n2,Bo,Active\n3,Cy,Inactive\n";
    let run = daemon.deliver("acme", FILE, first).came_to("applied");
    assert_eq!((run.counts().joiners, run.counts().skipped), (2, 1));

    let second = "Employee ID,Last Name,Status\n1,Abe,Active\n2,Bo,Terminated\n3,Cy,Inactive\n";
    let run = daemon.deliver("acme", FILE, second).came_to("applied");
    assert_eq!(run.changes(), [("leaver".to_owned(), "2".to_owned())]);
    assert_eq!(
        run.counts(),
        Counts {
            rows: 3,
            leavers: 1,
            unchanged: 1,
            skipped: 1,
            ..Counts::default()
        }
    );
    assert_eq!(daemon.roster_column("acme", "employee_id"), ["1"]);
}

#[test]
fn a_file_without_rows_removes_nobody() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    deliver(&daemon, &Staff::of(10)).came_to("applied");
    let run = deliver(&daemon, &Staff::default());
    assert!(matches!(run.outcome(), "held" | "refused"), "{run:?}");
    assert_eq!(daemon.roster("acme"), Staff::of(10));
}

#[test]
fn a_receipt_and_an_error_file_come_back_and_formulas_in_them_are_harmless_r2_20() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let file = "Employee ID,First Name,Last Name,=cmd|' /C calc'!A1,Work Email\n\
                1,Ada,Li,x,ada@acme.example\n2,Bo,Weiß,y,=cmd()\n";
    let run = daemon.deliver("acme", FILE, file).came_to("applied");

    // In the mailbox, named after the delivery.
    let sender = daemon.sender("acme");
    let errors = format!("{}.errors.csv", run.delivery());
    let receipt = format!("{}.receipt.json", run.delivery());
    let beside = ["errors.json", "summary.html"].map(|it| format!("{}.{it}", run.delivery()));
    let [json, summary] = beside;
    let files = [errors.clone(), json, receipt.clone(), summary];
    assert_eq!(sender.names("/errors/"), files);
    let receipt: Value =
        serde_json::from_slice(&sender.download(&format!("/errors/{receipt}"))).unwrap();
    assert!(receipt.to_string().contains("applied"), "{receipt}");

    // And by a command, the same bytes.
    let by_command = daemon.run(&["errors", run.id()]).succeeded().stdout;
    assert_eq!(sender.download(&format!("/errors/{errors}")), by_command);
    // Row 1 tells that a column is not used, and names it.
    assert_eq!(column_of(&by_command, "row"), ["1", "3"]);
    let csv = String::from_utf8(by_command).unwrap();
    for cell in csv.split([',', '\n']) {
        let cell = cell.trim_start_matches('"');
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{csv}");
    }
}

#[test]
fn a_workbook_is_read_like_a_csv_file_whatever_its_name_says() {
    let source = Source::named("employees", "employees.xlsx");
    let daemon = Daemon::start([Tenant::without_sources("acme").source(source)]);
    let staff = Staff::of(25);
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    let csv = staff.csv();
    let rows = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(&csv[..])
        .into_records();
    for (row, record) in (0_u32..).zip(rows) {
        for (column, cell) in (0_u16..).zip(&record.unwrap()) {
            sheet.write_string(row, column, cell).unwrap();
        }
    }
    let bytes = book.save_to_buffer().unwrap();
    daemon
        .deliver("acme", "/data/employees.xlsx", bytes)
        .came_to("applied");
    assert_eq!(daemon.roster("acme"), staff);
    // The real format is decided by content.
    daemon
        .deliver("acme", "/data/employees.xlsx", staff.csv())
        .came_to("no_change");
}
