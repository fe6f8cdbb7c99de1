//! Files that no one here wrote, with outcomes and counts worked out by other means (`tests/fixtures/README.md` says which).
//!
//! They lie beside the repository in `../shared/data/hr`. Where they do not (a clone of the repository alone), these tests say so and pass; in CI
//! they fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::harness::Daemon;
use crate::harness::cli::{Counts, column_of};
use crate::harness::tenant::{Source, Tenant};

/// The bytes of a file in `shared/data/hr` beside the repository or one of its parents.
fn real(name: &str) -> Option<Vec<u8>> {
    let found: Option<PathBuf> = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/data/hr").join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "no ../shared/data/hr/{name} beside this repository"
        );
        eprintln!("no ../shared/data/hr/{name} beside this repository: not tested");
    }
    found.map(|path| std::fs::read(path).unwrap())
}

/// Ids that occur once in the file and whose status is Active: nothing else can be applied on an empty roster.
fn applicable_ids(csv: &[u8]) -> BTreeSet<String> {
    let ids = column_of(csv, "WorkerID");
    let statuses = column_of(csv, "WorkerStatus");
    let mut times = BTreeMap::new();
    for id in &ids {
        *times.entry(id.clone()).or_insert(0) += 1;
    }
    ids.into_iter()
        .zip(statuses)
        .filter(|(id, status)| times[id] == 1 && status == "Active")
        .map(|(id, _)| id)
        .collect()
}

fn entra(name: &'static str, file_name: &'static str) -> Source {
    Source::named(name, file_name).requires_the_key_only()
}

#[test]
fn of_a_thousand_rows_with_contradictions_only_the_clear_ones_are_applied() {
    let Some(file) = real("entra-csv-with-1000-records.csv") else {
        return;
    };
    let tenant = Tenant::without_sources("acme").source(entra("workers", "workers.csv"));
    let daemon = Daemon::start([tenant]);

    let run = daemon
        .deliver("acme", "/data/workers.csv", &file)
        .came_to("applied");

    // 624 ids: 265 of them repeated with differing rows (641 rows), 359 once, of which 189 inactive and 170 active.
    assert_eq!(
        run.counts(),
        Counts {
            rows: 1000,
            joiners: 170,
            refused_rows: 641,
            skipped: 189,
            ..Counts::default()
        }
    );
    let roster: BTreeSet<_> = daemon
        .roster_column("acme", "employee_id")
        .into_iter()
        .collect();
    assert_eq!(roster, applicable_ids(&file));
    let refused: BTreeSet<_> =
        column_of(&daemon.run(&["errors", run.id()]).succeeded().stdout, "row")
            .into_iter()
            .filter(|row| !row.is_empty())
            .collect();
    assert!(refused.len() >= 641, "{} rows are explained", refused.len());

    daemon
        .deliver("acme", "/data/workers.csv", &file)
        .came_to("no_change");
}

#[test]
fn without_an_e_mail_column_a_source_that_requires_one_refuses_the_file() {
    let Some(file) = real("entra-csv-with-1000-records.csv") else {
        return;
    };
    let daemon = Daemon::start([Tenant::named("acme")]);
    let run = daemon
        .deliver("acme", "/data/employees.csv", file)
        .came_to("refused");
    let errors = run.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0]["message"].to_string().contains("work_email"),
        "{errors:?}"
    );
}

#[test]
fn three_data_sources_of_one_tenant_are_separate_feeds() {
    let files = [
        ("employees", "employeeData.csv", 332, 116, 93, 123),
        ("contractors", "contractorData.csv", 331, 118, 90, 123),
        ("interns", "internData.csv", 337, 108, 112, 117),
    ];
    let mut tenant = Tenant::without_sources("acme");
    for (source, file, ..) in files {
        tenant = tenant.source(entra(source, file));
    }
    let daemon = Daemon::start([tenant]);
    let mut people = 0;
    for (source, file, rows, joiners, refused_rows, skipped) in files {
        let Some(bytes) = real(&format!("entra-{file}")) else {
            return;
        };
        let run = daemon
            .deliver("acme", &format!("/data/{file}"), bytes)
            .came_to("applied");
        assert_eq!(run.0["source"], source);
        assert_eq!(
            run.counts(),
            Counts {
                rows,
                joiners,
                refused_rows,
                skipped,
                ..Counts::default()
            },
            "{source}: someone known to another feed is a joiner here, and nobody leaves"
        );
        people += usize::try_from(joiners).unwrap();
        assert_eq!(daemon.roster_column("acme", "employee_id").len(), people);
    }
}

#[test]
fn a_column_named_email_that_holds_none_refuses_every_row_and_so_the_run() {
    let Some(file) = real("d3-org-chart-data.csv") else {
        return;
    };
    let source = Source::named("chart", "chart.csv").column("employee_id", "id");
    let daemon = Daemon::start([Tenant::without_sources("acme").source(source)]);
    let run = daemon
        .deliver("acme", "/data/chart.csv", file)
        .came_to("refused");
    let counts = run.counts();
    assert_eq!((counts.rows, counts.refused_rows), (107, 107));
    assert_eq!(daemon.roster_column("acme", "employee_id").len(), 0);
}

#[test]
fn the_same_column_mapped_as_a_user_name_makes_107_joiners() {
    let Some(file) = real("d3-org-chart-data.csv") else {
        return;
    };
    let source = Source::named("chart", "chart.csv")
        .requires_the_key_only()
        .column("employee_id", "id")
        .column("username", "email");
    let daemon = Daemon::start([Tenant::without_sources("acme").source(source)]);
    let run = daemon
        .deliver("acme", "/data/chart.csv", &file)
        .came_to("applied");
    assert_eq!(
        run.counts(),
        Counts {
            rows: 107,
            joiners: 107,
            ..Counts::default()
        }
    );
    let sorted = |mut cells: Vec<String>| {
        cells.sort();
        cells
    };
    for (column, header) in [
        ("employee_id", "id"),
        ("manager_id", "parentId"),
        ("username", "email"),
        ("last_name", "lastName"),
        ("job_title", "position"),
        ("department", "department_name"),
    ] {
        assert_eq!(
            sorted(daemon.roster_column("acme", column)),
            sorted(column_of(&file, header)),
            "{column}"
        );
    }
    let hired = daemon.roster_column("acme", "hire_date");
    assert!(hired.contains(&"2003-07-16".to_owned()), "{hired:?}");
}
