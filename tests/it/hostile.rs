//! Promise 5: no input takes the daemon down. Each bad file gets one clear finding, and the next good one is imported.

use std::time::{Duration, Instant};

use crate::forge::{self, Forged};
use crate::harness::Daemon;
use crate::harness::staff::Staff;
use crate::harness::tenant::{Source, Tenant};

/// From the upload to the outcome, on two busy cores and an unoptimised build.
const SECONDS: u64 = 60;

/// Files of the forge that are sent here; all of them are imported in `containment.rs`.
const PICKED: [&str; 22] = [
    "a value at XFD1048576",
    "a value in row 4294967295",
    "a text that is not there",
    "a bomb of one text",
    "a bomb of cells",
    "a bomb whose headers say it is small",
    "a milliard laughs",
    "a workbook cut at 50 %",
    "an entity that is a file",
    "nothing, named .xlsx",
    "an old workbook cut at 50 %",
    "a cell in the last corner",
    "a sheet that begins behind the end",
    "a stream that is a loop of a terabyte",
    "a password, RC4",
    "an encrypted workbook named .xls",
    "one line of 64 MB",
    "a million columns",
    "NULs from the first byte",
    "quotes without end",
    "a web page named .xls",
    "nothing",
];

#[test]
fn a_hostile_or_broken_file_is_refused_with_one_finding_and_the_daemon_goes_on() {
    let source = Source::named("workbook", "employees.xlsx");
    let tenant = Tenant::named("acme").quota("200MB").source(source);
    let daemon = Daemon::start([tenant]);
    daemon
        .deliver("acme", "/data/employees.csv", Staff::of(10).csv())
        .came_to("applied");

    let swallowing = {
        let mut csv = Staff::of(10).csv();
        csv.extend(b"E00011,\"Ada,Li,a@acme.example,Sales\n");
        csv.extend(Staff::of(2000).csv());
        csv
    };
    let mut files: Vec<Forged> = forge::workbook::bombs(128);
    files.extend(forge::workbook::liars());
    files.extend(forge::old::all());
    files.extend(forge::text::all());
    files.retain(|file| PICKED.contains(&file.name));
    assert_eq!(files.len(), PICKED.len());
    let files = files.into_iter().map(|file| {
        // As a scheduler would send it: under the agreed name, whatever it is.
        let extension = if file.extension == "csv" {
            "csv"
        } else {
            "xlsx"
        };
        (file.name, extension, file.bytes)
    });
    let others = [
        (
            "a zip that is no workbook",
            "xlsx",
            forge::workbook::zip_of(&[("readme.txt", b"hello")]),
        ),
        ("only blank lines", "csv", b"\r\n\r\n\n".to_vec()),
        (
            "a program",
            "csv",
            std::fs::read(env!("CARGO_BIN_EXE_rosterd")).unwrap()[..200_000].to_vec(),
        ),
        (
            "no key column",
            "csv",
            b"First Name,Work Email\nAda,ada@acme.example\n".to_vec(),
        ),
        (
            "not UTF-8",
            "csv",
            b"Employee ID,Work Email\n\xff\xfe\x01,\x80\x81\n".to_vec(),
        ),
        ("a quote never closed", "csv", swallowing),
    ];
    for (what, extension, bytes) in files.chain(others) {
        let before = Instant::now();
        let path = format!("/data/employees.{extension}");
        let run = daemon.deliver("acme", &path, bytes);

        assert!(
            before.elapsed() < Duration::from_secs(SECONDS),
            "{what}: {:?}",
            before.elapsed()
        );
        assert_eq!(run.outcome(), "refused", "{what}: {run:?}");
        let errors = run.errors();
        assert!(!errors.is_empty(), "{what}: no finding");
        if what != "not UTF-8" {
            assert_eq!(errors.len(), 1, "{what}: {errors:?}");
        }
        for part in ["code", "message", "remedy"] {
            assert!(
                !errors[0][part].as_str().unwrap().is_empty(),
                "{what}: no {part}"
            );
        }
        assert_eq!(daemon.get("/livez").0, 200, "{what}");
    }

    let most = daemon.most_memory_bytes();
    assert!(most < 300_000_000, "the daemon took {most} bytes");
    assert_eq!(daemon.roster("acme"), Staff::of(10));
    daemon
        .deliver("acme", "/data/employees.csv", Staff::of(11).csv())
        .came_to("applied");
}

#[test]
fn the_finding_about_a_password_names_it() {
    let source = Source::named("employees", "employees.xlsx");
    let daemon = Daemon::start([Tenant::without_sources("acme").source(source)]);
    let run = daemon.deliver(
        "acme",
        "/data/employees.xlsx",
        forge::compound::password_protected(),
    );
    let finding = run.errors()[0].to_string().to_lowercase();
    assert!(finding.contains("password"), "{finding}");
}
