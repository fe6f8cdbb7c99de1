//! Deliveries from the archive to their verdict, with a real database and real mailboxes.

mod back;
mod due;
mod fields;
mod full;
mod going_live;
mod held;
mod links;
mod mapped;
mod modes;
mod new_id;
mod parked;
mod privacy;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::clock::{Clock as _, ManualClock};
use crate::db::{Claim, Decision};
use crate::mailbox::DeliveryId;
use crate::parse::agreement::Agreement;
use crate::parse::check::columns::Mapping;
use crate::parse::field::Field;
use crate::parse::finding::code::LAYOUT_DRIFT;
use crate::queue::job::{JobState, MAX_ATTEMPTS, Owner};
use crate::queue::worker::{Ended, run_leased, this_process};
use crate::report::run::Run;
use crate::roster::person::ChangeKind;
use crate::tenant::{GoLive, Mode};

type Deposited = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// An importer with its own state folder and database. The child that reads is a script that passes stdin on, so a test's files are frames.
struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    importer: Arc<Importer>,
    deposited: Deposited,
    me: Owner,
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn source(name: &str, mode: Mode) -> DataSource {
    DataSource {
        go_live: GoLive::AtOnce,
        mode,
        mapping: Mapping {
            required: vec![Field::EmployeeId],
            ..Mapping::default()
        },
        ..DataSource::of(name)
    }
}

/// A child that answers with the bytes of its file.
const ECHO: &str = "#!/usr/bin/env -S python3 -IS
import os, socket
order = socket.socket(fileno=os.dup(0))
length, files, _, _ = socket.recv_fds(order, 4, 2)
left = int.from_bytes(length, 'little')
while left:
    left -= len(order.recv(left)) or left
while piece := os.read(files[0], 65536):
    order.sendall(piece)
";

/// Puts it there. Made by another process: a file that this one has open for writing while a test beside it forks could not be run.
fn echo(folder: &Path) -> std::path::PathBuf {
    let program = folder.join("echo");
    let made = std::process::Command::new("/bin/sh")
        .args(["-c", r#"printf %s "$1" > "$0" && chmod 700 "$0""#])
        .arg(&program)
        .arg(ECHO)
        .status()
        .unwrap();
    assert!(made.success());
    program
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-22T02:00:00Z".parse().unwrap()));
        let db = Db::open(&folder.path().join("rosterd.db"), clock.clone())
            .await
            .unwrap();
        let tenant = Tenant {
            id: acme(),
            quota_bytes: 0,
            data_sources: vec![
                source("employees", Mode::Full),
                source("contractors", Mode::Full),
                source("delta", Mode::Delta),
                source("status", Mode::Status),
            ],
            ..Tenant::of("acme")
        };
        let deposited = Deposited::default();
        let into = Arc::clone(&deposited);
        let limits = ReadLimits::default();
        let importer = Importer {
            db,
            clock: clock.clone(),
            state_dir: folder.path().to_owned(),
            tenants: BTreeMap::from([(acme(), Arc::new(tenant))]),
            reader: Reader::new(echo(folder.path()), limits),
            limits,
            deposit: Arc::new(move |_, _, path, bytes| {
                into.lock()
                    .unwrap()
                    .insert(path.to_string(), bytes.to_vec());
                Ok(())
            }),
            progress: None,
        };
        Self {
            folder,
            clock,
            importer: Arc::new(importer),
            deposited,
            me: this_process(),
        }
    }

    fn db(&self) -> &Db {
        &self.importer.db
    }

    fn file(&self, csv: &str) -> std::path::PathBuf {
        let mut frames = Vec::new();
        crate::parse::read::read(
            Cursor::new(csv.as_bytes()),
            &ReadLimits::default(),
            &Agreement::default(),
            &mut frames,
        )
        .unwrap();
        let file = self.folder.path().join("employees.csv");
        std::fs::write(&file, frames).unwrap();
        file
    }

    async fn deliver(&self, csv: &str) -> DeliveryId {
        self.deliver_to("employees", csv).await
    }

    async fn deliver_to(&self, source: &str, csv: &str) -> DeliveryId {
        self.deliver_in(Environment::Production, source, csv).await
    }

    async fn deliver_in(&self, environment: Environment, source: &str, csv: &str) -> DeliveryId {
        let file = self.file(csv);
        self.importer
            .deliver_local(&acme(), environment, source, &file)
            .await
            .unwrap()
    }

    async fn run(&self, delivery: &DeliveryId) -> Run {
        self.importer.run_to_end(&self.me, delivery).await.unwrap()
    }

    async fn import(&self, csv: &str) -> Run {
        let delivery = self.deliver(csv).await;
        self.run(&delivery).await
    }

    async fn outcome(&self, delivery: &DeliveryId) -> Outcome {
        self.db()
            .run(delivery.as_str())
            .await
            .unwrap()
            .unwrap()
            .outcome
    }

    async fn roster(&self, everyone: bool) -> Vec<String> {
        let mut keys = Vec::new();
        let mut last = None;
        loop {
            let page = self
                .db()
                .roster_page(&acme(), Environment::Production, everyone, last.as_ref(), 2)
                .await
                .unwrap();
            let Some(line) = page.last().cloned() else {
                return keys;
            };
            keys.extend(page.into_iter().map(|line| line.key));
            last = Some(line);
        }
    }

    fn receipt(&self, delivery: &DeliveryId) -> serde_json::Value {
        let deposited = self.deposited.lock().unwrap();
        serde_json::from_slice(&deposited[&format!("/errors/{delivery}.receipt.json")]).unwrap()
    }
}

/// A file with these people, all in one city.
fn people(keys: impl IntoIterator<Item = u32>, city: &str) -> String {
    let rows = keys.into_iter().map(|key| format!("{key:03},{city},1000"));
    let lines = std::iter::once("employee_id,city,salary".to_owned()).chain(rows);
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[tokio::test]
async fn a_file_becomes_a_roster_and_the_next_one_its_changes() {
    let bench = Bench::new().await;
    let first = bench.import(&people(1..=20, "Ulm")).await;
    assert_eq!(
        (first.outcome, first.counts.joiners),
        (Outcome::Applied, 20)
    );
    assert_eq!(bench.roster(false).await.len(), 20);

    let mut second = people(3..=20, "Ulm").replace("005,Ulm,1000", "005,Bonn,2000");
    second.push_str("021,Ulm,1\nno,Ulm,1\nno,Ulm,2\n");
    let delivery = bench.deliver(&second).await;
    let run = bench.run(&delivery).await;
    assert_eq!(run.outcome, Outcome::Applied, "{run:?}");
    let counts = run.counts;
    assert_eq!(
        (
            counts.joiners,
            counts.movers,
            counts.leavers,
            counts.unchanged,
            counts.refused_rows
        ),
        (1, 1, 2, 17, 2)
    );
    let document = bench
        .db()
        .run_document(delivery.as_str(), u32::MAX)
        .await
        .unwrap()
        .unwrap();
    let moved = document
        .changes
        .iter()
        .find(|change| change.kind == ChangeKind::Mover)
        .unwrap();
    assert_eq!(
        serde_json::to_value(moved).unwrap(),
        serde_json::json!({
            "kind": "mover", "employee_id": "005", "name": null,
            "fields": {"city": {"from": "Ulm", "to": "Bonn"}, "annual_pay": {"from": "***", "to": "***"}}
        })
    );
    assert_eq!(document.changes.len(), 4);
    assert_eq!(document.findings.len(), 2);
    assert_eq!(bench.roster(false).await.len(), 19);
    assert_eq!(bench.roster(true).await.len(), 21);
    assert_eq!(
        bench
            .db()
            .employed(&acme(), Environment::Production)
            .await
            .unwrap(),
        19
    );

    let receipt = bench.receipt(&delivery);
    assert_eq!(receipt["outcome"], "applied");
    assert_eq!(receipt["error_file"], format!("{delivery}.errors.csv"));
    let errors = bench.deposited.lock().unwrap()[&format!("/errors/{delivery}.errors.csv")].clone();
    assert_eq!(
        bench
            .importer
            .error_file(delivery.as_str())
            .await
            .unwrap()
            .unwrap(),
        errors
    );
}

#[tokio::test]
async fn the_same_people_again_are_no_change_whatever_the_bytes() {
    let bench = Bench::new().await;
    bench.import(&people(1..=3, "Ulm")).await;
    let same = bench.import(&people(1..=3, "Ulm")).await;
    assert_eq!(
        (same.outcome, same.counts.unchanged),
        (Outcome::NoChange, 3)
    );
    let turned = bench.import(&people([3, 1, 2], "Ulm")).await;
    assert_eq!(turned.outcome, Outcome::NoChange);
    assert_eq!(turned.exit_code(), 0);
}

#[tokio::test]
async fn what_is_odd_about_a_row_is_told_every_night_though_rows_are_known_again() {
    let bench = Bench::new().await;
    let file = |city: &str| {
        format!(
            "employee_id,work_email,city,annual_pay\n1,a@acme.example,Ulm,50000\n2,b@acme.example,Ulm,99000000\n3,c@acme.example,{city},50000\n"
        )
    };
    for (night, city) in ["Ulm", "Bonn", "Bonn", "Trier"].into_iter().enumerate() {
        let delivery = bench.deliver(&file(city)).await;
        let run = bench.run(&delivery).await;
        assert!(run.outcome.is_good(), "{night}: {:?}", run.reason);
        let document = bench.db().run_document(delivery.as_str(), 0).await;
        let findings = document.unwrap().unwrap().findings;
        let rows: Vec<_> = findings.iter().map(|finding| finding.row).collect();
        assert_eq!(rows, [Some(3)], "{night}");
    }
}

#[tokio::test]
async fn a_newer_file_supersedes_the_older_ones_that_wait() {
    let bench = Bench::new().await;
    bench.import(&people(1..=20, "Ulm")).await;
    let held = bench.deliver(&people(1..=10, "Ulm")).await;
    assert_eq!(bench.run(&held).await.outcome, Outcome::Held);
    let queued = bench.deliver(&people(1..=19, "Ulm")).await;
    let newest = bench.deliver(&people(1..=20, "Bonn")).await;
    let other = bench.deliver_to("contractors", &people(1..=1, "Ulm")).await;
    // The newest of the data source goes first, also when somebody waits for an older one.
    assert_eq!(bench.run(&queued).await.outcome, Outcome::Superseded);
    assert_eq!(bench.outcome(&newest).await, Outcome::Applied);
    assert_eq!(bench.outcome(&held).await, Outcome::Superseded);
    assert_eq!(bench.outcome(&other).await, Outcome::Queued);
    assert_eq!(
        bench.receipt(&held)["reason"],
        format!("Superseded by delivery {newest}.")
    );
}

#[tokio::test]
async fn when_the_newer_file_is_refused_the_older_one_gets_its_turn() {
    let bench = Bench::new().await;
    let older = bench.deliver(&people(1..=3, "Ulm")).await;
    let newer = bench.deliver("employee_id,city\n").await;
    assert_eq!(bench.run(&newer).await.outcome, Outcome::Refused);
    assert_eq!(bench.outcome(&older).await, Outcome::Queued);
    assert_eq!(bench.run(&older).await.outcome, Outcome::Applied);
}

#[tokio::test]
async fn an_empty_file_and_one_of_refused_rows_only_change_nobody() {
    let bench = Bench::new().await;
    bench.import(&people(1..=3, "Ulm")).await;
    let empty = bench.import("employee_id,city\n").await;
    assert_eq!(empty.outcome, Outcome::Refused);
    assert!(empty.reason.unwrap().contains("no rows"));
    let nonsense = bench.import("employee_id,city\n001\n002\n").await;
    assert_eq!(
        (nonsense.outcome, nonsense.counts.refused_rows),
        (Outcome::Refused, 2)
    );
    let headless = bench.import("colour,shape\nred,round\n").await;
    assert_eq!(headless.outcome, Outcome::Refused);
    assert_eq!(bench.roster(false).await.len(), 3);
}

#[tokio::test]
async fn sources_do_not_remove_each_others_people() {
    let bench = Bench::new().await;
    bench.import(&people(1..=3, "Ulm")).await;
    let delivery = bench
        .deliver_to("contractors", &people(2..=4, "Bonn"))
        .await;
    let run = bench.run(&delivery).await;
    assert_eq!((run.counts.joiners, run.counts.leavers), (3, 0));
    assert_eq!(
        bench.roster(false).await,
        ["002", "003", "004", "001", "002", "003"]
    );
}

#[tokio::test]
async fn a_dry_run_tells_what_would_be_and_records_nothing() {
    let bench = Bench::new().await;
    bench.import(&people(1..=20, "Ulm")).await;
    let file = bench.file(&people(1..=10, "Ulm"));
    let document = bench
        .importer
        .dry_run(&acme(), Environment::Production, "employees", &file)
        .await
        .unwrap();
    assert_eq!(document.run.outcome, Outcome::DryRun);
    assert_eq!(document.run.would, Some(Outcome::Held));
    assert_eq!(document.changes.len(), 10);
    assert_eq!(bench.db().runs(Some(&acme()), 10).await.unwrap().len(), 1);
    assert_eq!(bench.roster(false).await.len(), 20);
}

#[tokio::test]
async fn a_worker_whose_lease_ran_out_writes_nothing() {
    let bench = Bench::new().await;
    let delivery = bench.deliver(&people(1..=3, "Ulm")).await;
    let late = bench.db().lease_job(&bench.me).await.unwrap().unwrap();
    assert!(bench.db().renew_lease(&late).await.unwrap());
    bench.clock.set(bench.clock.now() + Duration::from_secs(61));
    assert_eq!(bench.db().expire_leases(|_| false).await.unwrap(), []);
    let taken = bench.db().lease_job(&bench.me).await.unwrap().unwrap();
    assert_eq!(taken.attempts, 2);
    assert!(!bench.db().renew_lease(&late).await.unwrap());
    let error = bench.importer.run(&late).await.unwrap_err();
    assert!(
        matches!(error, ImportError::Db(DbError::LeaseLost)),
        "{error:?}"
    );
    assert_eq!(bench.roster(false).await.len(), 0);
    bench.importer.run(&taken).await.unwrap();
    assert_eq!(bench.outcome(&delivery).await, Outcome::Applied);
}

#[tokio::test]
async fn a_worker_serves_until_it_is_drained() {
    let bench = Bench::new().await;
    let first = bench.deliver(&people(1..=3, "Ulm")).await;
    let tasks = crate::tasks::Tasks::new("workers");
    let wake = Arc::new(tokio::sync::Notify::new());
    let worker = crate::queue::Worker {
        db: bench.db().clone(),
        clock: bench.clock.clone(),
        owner: bench.me.clone(),
        work: Importer::work(&crate::live::Live::fixed(Arc::clone(&bench.importer))),
        wake: Arc::clone(&wake),
        slots: 2,
    };
    let serving = tasks.clone();
    tasks.spawn("worker", async move { worker.serve(&serving).await });
    assert_eq!(bench.run(&first).await.outcome, Outcome::Applied);
    let second = bench.deliver(&people(1..=4, "Ulm")).await;
    wake.notify_one();
    assert_eq!(bench.run(&second).await.outcome, Outcome::Applied);
    tasks.drain();
    tasks.wait().await;
    assert_eq!(tasks.panics(), 0);
}

#[tokio::test]
async fn a_file_of_another_form_than_the_last_accepted_one_is_told_in_its_findings() {
    let bench = Bench::new().await;
    let drift = async |csv: &str| {
        let delivery = bench.deliver(csv).await;
        let run = bench.run(&delivery).await;
        let document = bench.db().run_document(delivery.as_str(), u32::MAX).await;
        let findings = document.unwrap().unwrap().findings;
        let drift = findings
            .into_iter()
            .filter(|finding| finding.code == LAYOUT_DRIFT);
        (run.outcome, drift.map(|it| it.message).collect::<Vec<_>>())
    };
    let first = people(1..=20, "Ulm");
    assert_eq!(drift(&first).await, (Outcome::Applied, Vec::new()));
    // A refused file is no measure for the next one.
    let (outcome, _) = drift("employee_id|city|salary\n").await;
    assert_eq!(outcome, Outcome::Refused);

    let renamed = first.replace("city", "Town").replace(',', ";");
    let (outcome, told) = drift(&renamed).await;
    assert_eq!(outcome, Outcome::NoChange);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("\"Town\"; in the last accepted file it was \"city\""),
        "{told:?}"
    );
    assert_eq!(drift(&renamed).await, (Outcome::NoChange, Vec::new()));
}

#[tokio::test]
async fn a_verdict_about_another_roster_writes_nothing() {
    let bench = Bench::new().await;
    bench.deliver(&people(1..=3, "Ulm")).await;
    let job = bench.db().lease_job(&bench.me).await.unwrap().unwrap();
    let plan = crate::roster::plan::Plan::default();
    let verdict = Verdict {
        masking: &crate::roster::masking::Masking::default(),
        outcome: Outcome::NoChange,
        would: None,
        reason: None,
        counts: plan.counts,
        mapping: "m",
        roster_version: 99,
        rejected: false,
        findings: &[],
        findings_total: 0,
        shape: None,
        plan: Some(&plan),
    };
    let error = bench.db().settle(&job, &verdict).await.unwrap_err();
    assert!(matches!(error, DbError::RosterMoved), "{error:?}");
    assert!(bench.db().renew_lease(&job).await.unwrap());
}

#[tokio::test]
async fn a_receipt_that_could_not_be_put_in_place_is_put_there_later() {
    let bench = Bench::new().await;
    let mut importer = Importer::clone(&bench.importer);
    importer.deposit = Arc::new(|_, _, _, _| Err(MailboxError::DiskFull));
    let delivery = bench.deliver(&people(1..=3, "Ulm")).await;
    let run = importer.run_to_end(&bench.me, &delivery).await.unwrap();
    assert_eq!(run.outcome, Outcome::Applied);
    assert!(bench.deposited.lock().unwrap().is_empty());
    bench.importer.report_pending().await;
    assert_eq!(bench.receipt(&delivery)["outcome"], "applied");
    assert_eq!(
        bench.receipt(&delivery)["error_file"],
        serde_json::Value::Null
    );
    assert!(bench.db().unreported_runs().await.unwrap().is_empty());
}
