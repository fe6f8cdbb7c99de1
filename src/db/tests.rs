//! Every statement of every table, run against a real database.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;

use super::*;
use crate::clock::ManualClock;
use crate::mailbox::{DeliveryId, Fingerprint};
use crate::queue::job::{JobState, LeasedJob, MAX_CRASHES, Owner};
use crate::report::run::{Outcome, RunKind};
use crate::tenant::{Environment, Mode, TenantId};

pub(super) struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    pub(super) db: Db,
}

fn start() -> Timestamp {
    "2026-11-22T02:00:00.123456Z".parse().unwrap()
}

impl Bench {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(start()));
        let db = open(&folder.path().join("rosterd.db"), &clock)
            .await
            .unwrap();
        Self { folder, clock, db }
    }

    pub(super) async fn deliver(&self, tenant: &str, source: &str) -> NewDelivery {
        let delivery = delivery(tenant, source);
        let recorded = self.db.record_delivery(&delivery).await.unwrap();
        assert_eq!(recorded, Recorded::New);
        delivery
    }

    async fn sole<T>(&self, sql: &'static str) -> T
    where
        T: for<'r> sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite> + Send + Unpin,
    {
        sqlx::query_scalar(sql)
            .fetch_one(&self.db.reader)
            .await
            .unwrap()
    }
}

async fn open(path: &Path, clock: &Arc<ManualClock>) -> Result<Db, DbError> {
    Db::open(path, clock.clone()).await
}

pub(super) fn delivery(tenant: &str, source: &str) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::mint(),
        tenant: TenantId::parse(tenant).unwrap(),
        environment: Environment::Production,
        kind: NewKind::Data {
            source: source.to_owned(),
            mode: Mode::Full,
        },
        file_name: format!("/data/{source}.csv"),
        sha256: "ab".repeat(32),
        size_bytes: 12,
        received_at: start(),
        fingerprint: Fingerprint {
            inode: u64::MAX,
            size_bytes: 12,
            modified_ns: -1,
            changed_ns: 2,
        },
    }
}

fn owner(tail: &str) -> Owner {
    Owner::new(1, tail)
}

#[tokio::test]
async fn a_delivery_is_recorded_once_with_run_job_and_look_of_the_file() {
    let bench = Bench::new().await;
    let delivery = bench.deliver("acme", "employees").await;
    let again = bench.db.record_delivery(&delivery).await.unwrap();
    assert_eq!(again, Recorded::Known);
    let run = bench.db.run(delivery.id.as_str()).await.unwrap().unwrap();
    assert_eq!((run.outcome, run.started_at), (Outcome::Queued, None));
    assert_eq!(bench.db.runs(None, 10).await.unwrap(), [run]);
    let seen = bench
        .db
        .seen_file(&delivery.tenant, delivery.environment, &delivery.file_name)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(seen.fingerprint, delivery.fingerprint);
    let last = bench.db.last_deliveries().await.unwrap();
    let received = "2026-11-22T02:00:00.123Z".parse().unwrap();
    assert_eq!(last, [(delivery.tenant, Environment::Production, received)]);
}

#[tokio::test]
async fn a_photo_is_recorded_and_has_no_run() {
    let bench = Bench::new().await;
    let photo = NewDelivery {
        kind: NewKind::Photo {
            format: Some("png".to_owned()),
            width: Some(100),
            height: None,
        },
        ..delivery("acme", "x")
    };
    assert_eq!(
        bench.db.record_delivery(&photo).await.unwrap(),
        Recorded::New
    );
    assert_eq!(bench.db.run(photo.id.as_str()).await.unwrap(), None);
    assert_eq!(bench.db.last_deliveries().await.unwrap(), []);
    let width: i64 = bench.sole("SELECT photo_width FROM delivery").await;
    assert_eq!(width, 100);
}

#[tokio::test]
async fn the_look_of_a_file_can_be_noted_without_a_delivery() {
    let bench = Bench::new().await;
    let delivery = bench.deliver("acme", "employees").await;
    let moved = Seen {
        fingerprint: Fingerprint {
            modified_ns: 99,
            ..delivery.fingerprint
        },
        sha256: delivery.sha256,
    };
    let (tenant, path) = (&delivery.tenant, &delivery.file_name);
    bench
        .db
        .note_seen(tenant, Environment::Production, path, &moved)
        .await
        .unwrap();
    let seen = bench
        .db
        .seen_file(tenant, Environment::Production, path)
        .await
        .unwrap();
    assert_eq!(seen, Some(moved));
    let sandbox = bench
        .db
        .seen_file(tenant, Environment::Sandbox, path)
        .await
        .unwrap();
    assert_eq!(sandbox, None);
}

#[tokio::test]
async fn a_job_of_a_data_source_that_is_not_configured_waits() {
    let bench = Bench::new().await;
    let me = owner("me");
    let gone = bench.deliver("acme", "employees").await;
    let served = bench.deliver("zenith", "employees").await;
    let sources = ["acme/production/contractors", "zenith/production/employees"];
    let sources = sources.map(str::to_owned);
    let lease = async |sources: &[String]| {
        let job = bench.db.lease_job_among(&me, sources).await.unwrap();
        job.map(|job| job.delivery)
    };
    assert_eq!(lease(&sources).await, Some(served.id));
    assert_eq!(lease(&sources).await, None);
    let waiting = ("acme".to_owned(), "employees".to_owned(), 1);
    assert_eq!(bench.db.queued_jobs().await.unwrap(), [waiting]);
    let back = ["acme/production/employees".to_owned()];
    assert_eq!(lease(&back).await, Some(gone.id));
}

#[tokio::test]
async fn one_job_at_a_time_for_a_tenant_and_the_newest_full_file_first() {
    let bench = Bench::new().await;
    let me = owner("me");
    let old = bench.deliver("acme", "employees").await;
    let contractors = bench.deliver("acme", "contractors").await;
    let new = bench.deliver("acme", "employees").await;
    let other = bench.deliver("zenith", "employees").await;
    let first = bench.db.lease_job(&me).await.unwrap().unwrap();
    assert_eq!(first.delivery, contractors.id);
    let second = bench.db.lease_job(&me).await.unwrap().unwrap();
    assert_eq!(second.delivery, other.id);
    assert_eq!(bench.db.lease_job(&me).await.unwrap(), None);
    assert_eq!(
        bench.db.lease_delivery(&me, &old.id).await.unwrap(),
        Claim::Busy
    );
    bench
        .db
        .retry_job(&first, start() + Duration::from_secs(10))
        .await
        .unwrap();
    let third = bench.db.lease_job(&me).await.unwrap().unwrap();
    assert_eq!(third.delivery, new.id);
    assert_eq!(
        bench.db.lease_delivery(&me, &contractors.id).await.unwrap(),
        Claim::Postponed
    );
    let error = bench.db.retry_job(&first, start()).await.unwrap_err();
    assert!(matches!(error, DbError::LeaseLost));
    let states = bench.db.jobs_by_state().await.unwrap();
    assert!(states.contains(&(JobState::Running, 2)) && states.contains(&(JobState::Queued, 2)));
    assert_eq!(
        bench
            .db
            .run(new.id.as_str())
            .await
            .unwrap()
            .unwrap()
            .outcome,
        Outcome::Running
    );
}

#[tokio::test]
async fn the_lease_of_a_dead_process_ends_at_once_and_its_tries_count() {
    let bench = Bench::new().await;
    let delivery = bench.deliver("acme", "employees").await;
    for attempt in 1..=MAX_CRASHES {
        let job = bench.db.lease_job(&owner("dead")).await.unwrap().unwrap();
        assert_eq!(job.attempts, attempt);
        assert_eq!(bench.db.expire_leases(|_| false).await.unwrap(), []);
        let given_up = bench
            .db
            .expire_leases(|owner| owner.as_str() == "1:dead")
            .await
            .unwrap();
        assert_eq!(given_up.len(), usize::from(attempt == MAX_CRASHES));
    }
    let run = bench.db.run(delivery.id.as_str()).await.unwrap().unwrap();
    assert_eq!(run.outcome, Outcome::Failed);
    assert_eq!(
        bench.db.unreported_runs().await.unwrap(),
        [run.id.clone().unwrap()]
    );
    let other = crate::report::run::Run {
        outcome: Outcome::Held,
        ..run.clone()
    };
    assert!(!bench.db.mark_reported(&other).await.unwrap());
    assert_eq!(bench.db.unreported_runs().await.unwrap().len(), 1);
    assert!(bench.db.mark_reported(&run).await.unwrap());
    assert_eq!(
        bench.db.unreported_runs().await.unwrap(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn an_approval_gives_a_parked_or_queued_run_nothing() {
    let bench = Bench::new().await;
    let delivery = bench.deliver("acme", "employees").await;
    let decision = bench.db.approve_run(delivery.id.as_str()).await.unwrap();
    assert_eq!(decision, Decision::NotHeld(Outcome::Queued));
    let job = bench.db.lease_job(&owner("me")).await.unwrap().unwrap();
    bench.db.park_job(&job, "Broken.").await.unwrap();
    let run = bench.db.run(delivery.id.as_str()).await.unwrap().unwrap();
    assert_eq!(
        (run.outcome, run.reason.as_deref()),
        (Outcome::Failed, Some("Broken."))
    );
}

#[tokio::test]
async fn a_retry_never_brings_back_yesterdays_roster() {
    let bench = Bench::new().await;
    let yesterday = bench.deliver("acme", "employees").await;
    let job = bench.db.lease_job(&owner("me")).await.unwrap().unwrap();
    bench.db.park_job(&job, "Broken.").await.unwrap();
    let today = bench.deliver("acme", "employees").await;
    let job = bench.db.lease_job(&owner("me")).await.unwrap().unwrap();
    // A delta supersedes nothing, and what it has changed must stand.
    let job = LeasedJob {
        mode: Mode::Delta,
        ..job
    };
    let verdict = Verdict {
        masking: &crate::roster::masking::Masking::default(),
        outcome: Outcome::NoChange,
        would: None,
        reason: None,
        counts: crate::roster::diff::Counts::default(),
        mapping: "",
        roster_version: 0,
        rejected: false,
        findings: &[],
        findings_total: 0,
        shape: None,
        plan: None,
    };
    assert!(bench.db.settle(&job, &verdict).await.unwrap().is_empty());

    let id = yesterday.id.as_str();
    assert_eq!(bench.db.retry_run(id).await.unwrap(), Retrying::Outdated);
    let run = bench.db.run(id).await.unwrap().unwrap();
    assert_eq!(run.outcome, Outcome::Superseded);
    assert_eq!(
        run.reason,
        Some(format!("Superseded by delivery {}.", today.id))
    );
    assert_eq!(bench.db.lease_job(&owner("me")).await.unwrap(), None);
    let other = bench.db.retry_run(today.id.as_str()).await.unwrap();
    assert_eq!(other, Retrying::NotParked(Outcome::NoChange));
    assert_eq!(bench.db.retry_run("x").await.unwrap(), Retrying::Unknown);
}

#[tokio::test]
async fn a_run_of_no_delivery_stands_in_the_history_in_its_order_and_is_told_to_no_tenant() {
    let bench = Bench::new().await;
    let first = bench.deliver("acme", "employees").await;
    let first = bench.db.run(first.id.as_str()).await.unwrap().unwrap();
    let acme = TenantId::parse("acme").unwrap();
    let undo = super::run::OwnRun {
        kind: RunKind::Undo,
        tenant: &acme,
        environment: Environment::Production,
        source: "employees",
        about: first.id.as_deref(),
        asked_by: Some("root"),
        outcome: Outcome::Applied,
        reason: None,
        roster_version: 7,
        counts: crate::roster::diff::Counts {
            leavers: 2,
            ..Default::default()
        },
    };
    let mut transaction = bench.db.begin().await.unwrap();
    let id = super::run::record(&mut transaction, start(), &undo)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    bench.deliver("acme", "employees").await;

    let runs = bench.db.runs(Some(&acme), 10).await.unwrap();
    let kinds: Vec<_> = runs.iter().map(|run| run.kind).collect();
    let newest_first = [RunKind::Delivery, RunKind::Undo, RunKind::Delivery];
    assert_eq!(kinds, newest_first);
    let told = bench.db.run(&id).await.unwrap().unwrap();
    assert_eq!(told, runs[1]);
    assert_eq!((told.about, told.counts.leavers), (first.id.clone(), 2));
    let json = serde_json::to_value(&runs[1]).unwrap();
    for absent in ["delivery", "file_name", "sha256"] {
        assert!(json[absent].is_null(), "{json}");
    }
    assert_eq!(json["asked_by"], "root");
    assert!(bench.db.unreported_runs().await.unwrap().is_empty());

    // One that is held is told of, and has no job that could be queued again.
    let held = super::run::OwnRun {
        kind: RunKind::Scheduled,
        outcome: Outcome::Held,
        ..undo
    };
    let mut transaction = bench.db.begin().await.unwrap();
    let id = super::run::record(&mut transaction, start(), &held)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    let decision = bench.db.approve_run(&id).await.unwrap();
    assert_eq!(decision, Decision::NotHeld(Outcome::Held));
    assert_eq!(bench.db.due_notices(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_database_full_of_runs_keeps_every_row_and_every_foreign_key_when_their_table_is_made_anew()
 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rosterd.db");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .foreign_keys(false);
    let old = SqlitePool::connect_with(options).await.unwrap();
    let dump = include_str!("../../tests/fixtures/db/0007.sql");
    sqlx::raw_sql(dump).execute(&old).await.unwrap();
    let rows = "SELECT (SELECT count(*) FROM import_run) || ' ' || (SELECT count(*) FROM finding) || ' ' || (SELECT count(*) FROM held_change)
         || ' ' || (SELECT count(*) FROM change) || ' ' || (SELECT count(*) FROM person)";
    let before: String = sqlx::query_scalar(rows).fetch_one(&old).await.unwrap();
    old.close().await;

    let db = open(&path, &Arc::new(ManualClock::at(start())))
        .await
        .unwrap();
    let after: String = sqlx::query_scalar(rows)
        .fetch_one(&db.reader)
        .await
        .unwrap();
    assert_eq!(after, before);
    let broken = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(&db.reader)
        .await
        .unwrap();
    assert!(broken.is_empty(), "{} rows name nothing", broken.len());
    for named in ["finding", "held_change", "change"] {
        let delete = format!("DELETE FROM import_run WHERE id = (SELECT run FROM {named})");
        let deleted = sqlx::query(sqlx::AssertSqlSafe(delete))
            .execute(&db.writer)
            .await;
        assert!(deleted.is_err(), "a run of {named} can be deleted");
    }
}

#[tokio::test]
async fn what_is_committed_is_durable_and_foreign_keys_hold() {
    let bench = Bench::new().await;
    assert_eq!(bench.sole::<String>("PRAGMA journal_mode").await, "wal");
    assert_eq!(bench.sole::<i64>("PRAGMA synchronous").await, 2);
    assert_eq!(bench.sole::<i64>("PRAGMA foreign_keys").await, 1);
    bench.db.ping().await.unwrap();
    let file = std::fs::metadata(bench.folder.path().join("rosterd.db")).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777,
        0o600
    );
}

#[tokio::test]
async fn a_database_is_opened_again_and_a_newer_or_foreign_file_is_refused() {
    let bench = Bench::new().await;
    let path = bench.folder.path().join("rosterd.db");
    bench.deliver("acme", "employees").await;
    sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)")
        .execute(&bench.db.writer)
        .await
        .unwrap();
    bench.db.close().await;
    let newer = open(&path, &bench.clock).await.unwrap_err();
    assert!(matches!(newer, DbError::Newer { .. }), "{newer:?}");

    let foreign = bench.folder.path().join("foreign.db");
    let other = SqlitePool::connect_with(
        SqliteConnectOptions::new()
            .filename(&foreign)
            .create_if_missing(true),
    )
    .await
    .unwrap();
    sqlx::query("CREATE TABLE chess (game TEXT)")
        .execute(&other)
        .await
        .unwrap();
    other.close().await;
    let before = std::fs::read(&foreign).unwrap();
    let error = open(&foreign, &bench.clock).await.unwrap_err();
    assert!(matches!(error, DbError::Foreign { .. }), "{error:?}");
    assert_eq!(std::fs::read(&foreign).unwrap(), before);

    let text = bench.folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "this is a text of some length, and certainly no database\n".repeat(100),
    )
    .unwrap();
    let error = open(&text, &bench.clock).await.unwrap_err();
    assert!(matches!(error, DbError::Foreign { .. }), "{error:?}");

    let nowhere = open(&bench.folder.path().join("no/rosterd.db"), &bench.clock)
        .await
        .unwrap_err();
    assert!(matches!(nowhere, DbError::Open { .. }), "{nowhere:?}");
}

#[tokio::test]
async fn what_every_scrape_asks_for_is_read_from_an_index_alone() {
    let bench = Bench::new().await;
    for (query, index) in [
        (super::run::RUN_COUNTS, "COVERING INDEX import_run_by_place"),
        (
            super::delivery::LAST_DELIVERIES,
            "COVERING INDEX delivery_by_time",
        ),
    ] {
        let steps = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}")))
            .fetch_all(&bench.db.reader)
            .await
            .unwrap();
        let steps: Vec<String> = steps
            .iter()
            .map(|row| sqlx::Row::get(row, "detail"))
            .collect();
        assert!(steps.iter().all(|step| step.contains(index)), "{steps:?}");
    }
}

#[tokio::test]
async fn whom_a_leaver_leaves_behind_is_read_from_an_index_alone_and_follows_the_fields() {
    let bench = Bench::new().await;
    let explain = format!("EXPLAIN QUERY PLAN {}", super::link::PEOPLE_BELOW);
    let steps = sqlx::query(sqlx::AssertSqlSafe(explain))
        .fetch_all(&bench.db.reader)
        .await
        .unwrap();
    let steps: Vec<String> = steps
        .iter()
        .map(|row| sqlx::Row::get(row, "detail"))
        .collect();
    let index = "COVERING INDEX person_to_compare (tenant=? AND environment=?)";
    assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");

    let delivery = bench.deliver("acme", "employees").await;
    let run = bench.db.run(delivery.id.as_str()).await.unwrap().unwrap();
    sqlx::query(
        "INSERT INTO person (id, tenant, environment, source, key, standing, row_hash, last_run, fields)
         VALUES (1, 'acme', 'production', 'employees', '1', 'employed', zeroblob(16), ?1, '{}')",
    )
    .bind(run.id)
    .execute(&bench.db.writer)
    .await
    .unwrap();
    for (fields, expected) in [
        (r#"{"manager_id":"9"}"#, vec!["1".to_owned()]),
        ("{}", vec![]),
    ] {
        sqlx::query("UPDATE person SET fields = ?1")
            .bind(fields)
            .execute(&bench.db.writer)
            .await
            .unwrap();
        let below = bench
            .db
            .people_below(&delivery.tenant, Environment::Production, &["9".into()])
            .await
            .unwrap();
        let below: Vec<String> = below.into_values().flatten().collect();
        assert_eq!(below, expected);
    }
}

#[tokio::test]
async fn what_an_accepted_file_was_mapped_to_is_remembered_for_its_source_and_environment_alone() {
    use crate::parse::check::columns::{Found, MappedColumn};
    use crate::parse::check::drift::Shape;
    use crate::parse::field::Field;
    use crate::parse::layout::{Layout, TableKind};

    let bench = Bench::new().await;
    let layout = Layout {
        kind: TableKind::Delimited,
        encoding: Some("UTF-8".to_owned()),
        delimiter: Some(b';'),
        sheet: None,
    };
    let mut shape = Shape::new(layout, &["Nr.".to_owned(), "Name".to_owned()]);
    shape.remember(vec![
        MappedColumn::new(Field::EmployeeId, "Nr.", Found::Saved),
        MappedColumn::new(Field::FullName, "Name", Found::Synonym),
    ]);
    let acme = TenantId::parse("acme").unwrap();
    let mut transaction = bench.db.begin().await.unwrap();
    let owner = (&acme, Environment::Production, "employees");
    super::accepted_shape::keep(&mut transaction, owner, "run-1", &shape)
        .await
        .unwrap();
    transaction.commit().await.unwrap();

    let known = async |tenant: &TenantId, environment, source| {
        let shape = bench.db.accepted_shape(tenant, environment, source).await;
        shape.unwrap()
    };
    let kept = known(&acme, Environment::Production, "employees").await;
    assert_eq!(kept.as_ref(), Some(&shape));
    assert_eq!(
        kept.unwrap().saved().columns,
        [
            (Field::EmployeeId, "Nr.".to_owned()),
            (Field::FullName, "Name".to_owned())
        ]
    );
    let other = TenantId::parse("globex").unwrap();
    for (tenant, environment, source) in [
        (&acme, Environment::Sandbox, "employees"),
        (&acme, Environment::Production, "contractors"),
        (&other, Environment::Production, "employees"),
    ] {
        assert_eq!(known(tenant, environment, source).await, None);
    }
}

#[tokio::test]
async fn every_table_and_index_is_as_the_migrations_say() {
    let bench = Bench::new().await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '%sql%'",
    )
    .fetch_all(&bench.db.reader)
    .await
    .unwrap();
    let tables: BTreeSet<_> = tables.iter().map(String::as_str).collect();
    let expected = "accepted_shape change credential_use delivery doomed_copy due_change erasure erasure_key finding forgotten held_change \
        import_run job notice paused_source person photo photo_batch published_source roster_version seen_file stub viewing";
    assert_eq!(tables, expected.split(' ').collect());
}

#[tokio::test]
async fn uses_of_credentials_add_up_and_the_last_one_is_shown() {
    use std::collections::BTreeMap;

    use crate::config::CredentialKind;
    use crate::listen::uses::{Protocol, Use, Used};

    let bench = Bench::new().await;
    let used = |kind, id: &str| Used {
        tenant: TenantId::parse("acme").unwrap(),
        user: "hr@acme.example".to_owned(),
        kind,
        id: id.to_owned(),
    };
    let password = used(CredentialKind::Password, "3f2a91bc");
    let key = used(CredentialKind::Key, "SHA256:x");
    let from = |last_at, last_protocol, last_address: &str, count| Use {
        last_at,
        last_protocol,
        last_address: last_address.parse().unwrap(),
        count,
    };
    let morning = start();
    let evening = morning + jiff::SignedDuration::from_hours(12);
    let first = BTreeMap::from([
        (password.clone(), from(morning, Protocol::Ftps, "::1", 2)),
        (key.clone(), from(morning, Protocol::Sftp, "192.0.2.1", 1)),
    ]);
    bench.db.note_credential_uses(&first).await.unwrap();
    let second = from(evening, Protocol::Ftpes, "192.0.2.2", 3);
    let second = BTreeMap::from([(password.clone(), second)]);
    bench.db.note_credential_uses(&second).await.unwrap();

    let known = bench.db.credential_uses().await.unwrap();
    let told = |used: &Used| {
        let it = &known[used];
        let (protocol, address) = (it.last_protocol.as_str(), it.last_address.as_str());
        (it.last_used_at.to_string(), protocol, address, it.uses)
    };
    let evening = "2026-11-22T14:00:00.123Z".to_owned();
    assert_eq!(told(&password), (evening, "ftpes", "192.0.2.2", 5));
    let morning = "2026-11-22T02:00:00.123Z".to_owned();
    assert_eq!(told(&key), (morning, "sftp", "192.0.2.1", 1));
    assert_eq!(known.len(), 2);
}
