//! Every statement of every table, run against a real database.

mod schema;

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
