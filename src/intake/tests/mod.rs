//! Tests of intake on real directories and a real database.

mod crash;

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::*;
use crate::clock::{ManualClock, SystemClock};
use crate::config::Retention;
use crate::db::Seen;
use crate::mailbox::tests::{Place, path, settings as config};
use crate::mailbox::{DeliveryId, MailboxPath, Mailboxes, Start};
use crate::queue::job::Owner;
use crate::tenant::{Environment, TenantId};

const KEPT: Retention = Retention {
    archive: Duration::from_hours(30 * 24),
    errors: Duration::from_hours(30 * 24),
    temporary: Duration::from_hours(7 * 24),
    history: None,
};
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x64\0\0\0\x80\x08\x02\0\0\0";

struct Desk {
    place: Place,
    db: Db,
    clock: Arc<ManualClock>,
    queue: Arc<Notify>,
    collector: Collector,
    second: i64,
}

impl Desk {
    async fn new() -> Self {
        let place = Place::new();
        let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let db = Db::open(&place.dir.path().join("rosterd.db"), clock.clone())
            .await
            .unwrap();
        let queue = Arc::<Notify>::default();
        let collector = Self::collector(&place, &db, clock.clone(), &queue);
        Self {
            place,
            db,
            clock,
            queue,
            collector,
            second: 0,
        }
    }

    fn collector(place: &Place, db: &Db, clock: SharedClock, queue: &Arc<Notify>) -> Collector {
        let shared = Shared {
            db: db.clone(),
            clock,
            reading: Arc::new(Semaphore::new(1)),
            queue: Arc::clone(queue),
            photos: Arc::default(),
        };
        let settle = SignedDuration::from_secs(10);
        Collector::new(Arc::clone(&place.mailbox), shared, settle)
    }

    /// A new process: what was in memory only is gone.
    fn restart(&mut self) {
        self.place.restart();
        self.collector = Self::collector(&self.place, &self.db, self.clock.clone(), &self.queue);
    }

    /// One pass, so many seconds after the last one; with names that were renamed in.
    async fn pass_with(&mut self, seconds: i64, renamed: &[&str]) {
        self.second += seconds;
        self.clock.set(Timestamp::from_second(self.second).unwrap());
        self.collector.empty_spool().await.unwrap();
        let renamed: HashSet<MailboxPath> = renamed.iter().map(|it| path(it)).collect();
        let arrived = Notify::new();
        self.collector
            .look_around(&renamed, &arrived)
            .await
            .unwrap();
    }

    async fn pass(&mut self, seconds: i64) {
        self.pass_with(seconds, &[]).await;
    }

    /// Time enough for everything to settle.
    async fn settle(&mut self) {
        self.pass(100).await;
        self.pass(10).await;
        self.pass(10).await;
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.place.on_disk(name), text).unwrap();
    }

    /// Sets when a file was modified, in days since 1970.
    fn date(&self, name: &str, day: u64) {
        let file = std::fs::File::options()
            .append(true)
            .open(self.place.on_disk(name))
            .unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_hours(24 * day))
            .unwrap();
    }

    /// What was archived, in the order of arrival; each recorded, and nothing waits in the spool.
    async fn archived(&self) -> Vec<String> {
        assert!(self.place.spool().is_empty());
        let archive = &self.place.mailbox.layout().archive;
        let mut ids: Vec<String> = self
            .place
            .mailbox
            .archive()
            .names()
            .unwrap()
            .into_iter()
            .map(|name| name.into_string().unwrap())
            .collect();
        ids.sort();
        let unsettled = self.db.unsettled_deliveries().await.unwrap();
        assert_eq!(ids, unsettled.into_iter().collect::<Vec<_>>());
        ids.iter()
            .map(|id| std::fs::read_to_string(archive.join(id)).unwrap())
            .collect()
    }

    async fn seen(&self, name: &str) -> Option<Seen> {
        let mailbox = &self.place.mailbox;
        self.db
            .seen_file(mailbox.tenant(), mailbox.environment(), name)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn an_upload_becomes_one_delivery_and_changes_of_its_times_none() {
    let mut desk = Desk::new().await;
    let arrival = desk
        .place
        .upload("/data/employees.csv", b"night 1")
        .unwrap();
    desk.pass(0).await;
    assert_eq!(desk.archived().await, ["night 1"]);
    assert!(
        desk.db
            .has_delivery(&arrival.delivery.unwrap())
            .await
            .unwrap()
    );
    desk.queue.notified().await;
    let name = path("/data/employees.csv");
    desk.place
        .mailbox
        .set_modified(&name, Timestamp::UNIX_EPOCH)
        .unwrap();
    desk.settle().await;
    desk.restart();
    desk.settle().await;
    assert_eq!(desk.archived().await, ["night 1"]);
}

#[tokio::test]
async fn every_night_is_a_delivery_of_its_own_in_the_order_of_arrival() {
    let mut desk = Desk::new().await;
    for night in ["night 1", "night 2", "night 2", "night 1"] {
        desk.place
            .upload("/data/employees.csv", night.as_bytes())
            .unwrap();
    }
    desk.place.upload("/employees.csv", b"root").unwrap();
    desk.settle().await;
    assert_eq!(
        desk.archived().await,
        ["night 1", "night 2", "night 2", "night 1", "root"]
    );
}

#[tokio::test]
async fn a_client_may_delete_its_file_before_it_is_taken_up() {
    let mut desk = Desk::new().await;
    desk.place.upload("/employees.csv", b"whole").unwrap();
    desk.place
        .mailbox
        .remove_file(&path("/employees.csv"))
        .unwrap();
    desk.settle().await;
    assert_eq!(desk.archived().await, ["whole"]);
}

#[tokio::test]
async fn a_local_file_is_taken_up_when_it_has_not_moved_for_a_while() {
    let mut desk = Desk::new().await;
    desk.write("employees.csv", "half");
    desk.pass(0).await;
    desk.pass(9).await;
    desk.write("employees.csv", "half and half");
    desk.pass(9).await;
    desk.pass(9).await;
    assert!(desk.archived().await.is_empty());
    desk.pass(1).await;
    assert_eq!(desk.archived().await, ["half and half"]);
    desk.write("employees.csv", "overwritten in place");
    desk.settle().await;
    desk.write("employees.csv", "overwritten in place");
    desk.settle().await;
    desk.restart();
    desk.settle().await;
    assert_eq!(
        desk.archived().await,
        ["half and half", "overwritten in place"]
    );
}

#[tokio::test]
async fn a_local_file_that_is_renamed_in_is_taken_up_at_once() {
    let mut desk = Desk::new().await;
    for (day, text) in [(1, "one"), (2, "two"), (3, "two")] {
        desk.write(".employees.csv.x7Yk2", text);
        desk.date(".employees.csv.x7Yk2", day);
        std::fs::rename(
            desk.place.on_disk(".employees.csv.x7Yk2"),
            desk.place.on_disk("employees.csv"),
        )
        .unwrap();
        desk.pass_with(1, &["/employees.csv"]).await;
    }
    assert_eq!(desk.archived().await, ["one", "two", "two"]);
}

#[tokio::test]
async fn a_late_hint_does_not_make_a_file_complete_that_is_written_in_place() {
    let mut desk = Desk::new().await;
    desk.place.upload("/employees.csv", b"upload").unwrap();
    desk.pass(0).await;
    desk.write("employees.csv", "half");
    desk.pass_with(1, &["/employees.csv"]).await;
    assert_eq!(desk.archived().await, ["upload"]);
}

#[tokio::test]
async fn an_older_dated_file_that_settles_with_a_newer_one_does_not_win() {
    let mut desk = Desk::new().await;
    // Neither the order of the names nor that of their creation.
    for day in [3, 1, 6, 2, 5, 4] {
        let name = format!("data/staff_{}.tmp", 7 * day % 11);
        desk.write(&name, &day.to_string());
        desk.date(&name, day);
    }
    for name in ["staff_b.tmp", "staff_a.tmp"] {
        desk.write(name, name);
        desk.date(name, 7);
    }
    desk.settle().await;
    assert_eq!(
        desk.archived().await,
        ["1", "2", "3", "4", "5", "6", "staff_a.tmp", "staff_b.tmp"]
    );
}

#[tokio::test]
async fn local_files_that_no_one_expects_are_left_alone() {
    let mut desk = Desk::new().await;
    for name in [
        "notes.txt",
        "data/Employees.csv",
        "employees.csv.part",
        "x.jpg",
    ] {
        desk.write(name, "x");
    }
    std::os::unix::fs::symlink("notes.txt", desk.place.on_disk("employees.csv")).unwrap();
    desk.settle().await;
    assert!(desk.archived().await.is_empty());
    assert_eq!(desk.place.mailbox.used_bytes(), 4);
    assert!(desk.place.text("notes.txt").is_some());
}

#[tokio::test]
async fn photos_are_recorded_by_their_content_and_not_archived_r0_07() {
    let mut desk = Desk::new().await;
    let photo = desk.place.upload("/images/7.png", PNG).unwrap();
    let no_photo = desk.place.upload("/images/8.jpg", b"no photo").unwrap();
    std::fs::write(desk.place.on_disk("images/9.png"), PNG).unwrap();
    desk.settle().await;
    for arrival in [photo, no_photo] {
        assert!(
            desk.db
                .has_delivery(&arrival.delivery.unwrap())
                .await
                .unwrap()
        );
    }
    assert!(desk.seen("/images/9.png").await.is_some());
    assert!(desk.archived().await.is_empty());
}

#[tokio::test]
async fn an_arrival_whose_data_source_is_gone_stays_in_the_spool() {
    let mut desk = Desk::new().await;
    let id = DeliveryId::mint();
    let spool = desk.place.mailbox.layout().spool.clone();
    std::fs::write(spool.join(format!("{id}.\\old_source.csv")), "x").unwrap();
    std::fs::write(spool.join("stranger"), "x").unwrap();
    desk.place.upload("/employees.csv", b"new").unwrap();
    desk.pass(0).await;
    desk.pass(100).await;
    assert!(
        spool
            .join(format!("{id}.\\old_source.csv"))
            .try_exists()
            .unwrap()
    );
    assert_eq!(desk.db.unsettled_deliveries().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_newer_arrival_does_not_overtake_one_that_cannot_be_taken_up() {
    let mut desk = Desk::new().await;
    let first = desk.place.upload("/employees.csv", b"first").unwrap();
    desk.place.upload("/employees.csv", b"second").unwrap();
    let photo = desk.place.upload("/images/7.png", PNG).unwrap();
    // A folder where the copy should go makes the first one fail.
    let archive = desk.place.mailbox.layout().archive.clone();
    let obstacle = archive.join(first.delivery.unwrap().as_str());
    std::fs::create_dir(&obstacle).unwrap();
    assert!(desk.collector.empty_spool().await.is_err());
    assert!(desk.db.unsettled_deliveries().await.unwrap().is_empty());
    assert!(
        desk.db
            .has_delivery(&photo.delivery.unwrap())
            .await
            .unwrap()
    );
    std::fs::remove_dir(&obstacle).unwrap();
    desk.pass(0).await;
    assert_eq!(desk.archived().await, ["first", "second"]);
}

#[tokio::test]
async fn a_data_file_does_not_wait_until_all_photos_were_looked_at() {
    let mut desk = Desk::new().await;
    for number in 0..20 {
        desk.write(&format!("images/{number}.jpg"), "photo");
    }
    desk.write("staff_1.tmp", "local");
    desk.pass(0).await;
    desk.clock.set(Timestamp::from_second(10).unwrap());
    desk.place.upload("/employees.csv", b"upload").unwrap();
    let arrived = Notify::new();
    arrived.notify_one();
    desk.collector
        .look_around(&HashSet::new(), &arrived)
        .await
        .unwrap();
    assert!(desk.place.spool().is_empty());
    let runs = desk.db.runs(None, 10).await.unwrap();
    let newest_first: Vec<&str> = runs
        .iter()
        .map(|run| run.file_name.as_deref().unwrap())
        .collect();
    assert_eq!(newest_first, ["employees.csv", "staff_1.tmp"]);
}

#[test]
fn a_mailbox_is_not_walked_every_second_while_photos_stream_in() {
    assert!(breath_before(None) >= Duration::from_secs(3));
    let settles = Instant::now() + Duration::from_secs(10);
    assert!(breath_before(Some(settles)) <= Duration::from_secs(1));
}

#[tokio::test]
async fn what_was_kept_long_enough_is_removed_but_for_what_a_run_may_still_want() {
    let mut desk = Desk::new().await;
    desk.place.upload("/employees.csv", b"waits").unwrap();
    desk.pass(0).await;
    let mailbox = Arc::clone(&desk.place.mailbox);
    let orphan = DeliveryId::mint();
    std::fs::write(mailbox.layout().archive.join(orphan.as_str()), "x").unwrap();
    mailbox
        .deposit(&path("/errors/1.receipt.json"), b"{}")
        .unwrap();
    desk.place
        .upload("/data/employees.csv.part", b"cut")
        .unwrap();
    mailbox
        .set_modified(&path("/data/employees.csv.part"), Timestamp::UNIX_EPOCH)
        .unwrap();
    let mailboxes = Place::mailboxes(desk.place.dir.path(), 1_000_000);
    let now = orphan.minted_at();
    let tick = async |days: i64| {
        let now = now + SignedDuration::from_hours(24 * days);
        retention::tick(&mailboxes, &desk.db, KEPT, now)
            .await
            .unwrap()
    };
    assert_eq!(tick(1).await, 0, "its own time says it is years old");
    assert_eq!(tick(8).await, 1, "the temporary name");
    assert_eq!(tick(31).await, 2, "the orphan and the receipt");
    assert_eq!(tick(99).await, 0);
    assert_eq!(desk.archived().await, ["waits"]);
}

#[tokio::test]
async fn a_copy_that_was_just_made_of_an_old_arrival_is_not_removed() {
    let desk = Desk::new().await;
    let mint = crate::mailbox::arrival::Mint::default();
    let old = mint.mint(Timestamp::UNIX_EPOCH);
    let copy = desk.place.mailbox.layout().archive.join(old.as_str());
    std::fs::write(&copy, "its delivery is recorded in a moment").unwrap();
    let mailboxes = Place::mailboxes(desk.place.dir.path(), 1_000_000);
    let now = Timestamp::try_from(std::fs::metadata(&copy).unwrap().modified().unwrap()).unwrap();
    let tick = async |minutes: i64| {
        let now = now + SignedDuration::from_mins(minutes);
        retention::tick(&mailboxes, &desk.db, KEPT, now)
            .await
            .unwrap()
    };
    assert_eq!(tick(59).await, 0);
    assert_eq!(tick(61).await, 1, "nobody knows it");
}

#[tokio::test]
async fn the_copy_of_a_parked_delivery_is_not_removed() {
    let mut desk = Desk::new().await;
    let arrival = desk.place.upload("/employees.csv", b"parked").unwrap();
    desk.pass(0).await;
    let owner = Owner::new(1, "a");
    let job = desk.db.lease_job(&owner).await.unwrap().unwrap();
    desk.db.park_job(&job, "Broken.").await.unwrap();
    let mailboxes = Place::mailboxes(desk.place.dir.path(), 1_000_000);
    let now = arrival.delivery.unwrap().minted_at() + SignedDuration::from_hours(99 * 24);
    let removed = retention::tick(&mailboxes, &desk.db, KEPT, now).await;
    assert_eq!(removed.unwrap(), 0);
    assert_eq!(desk.archived().await, ["parked"]);
}

/// Waits for a condition, and fails when it does not come.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn serving_takes_up_what_lies_there_what_comes_and_what_is_moved_in() {
    let dir = tempfile::tempdir().unwrap();
    let clock: SharedClock = Arc::new(SystemClock);
    let db = Db::open(&dir.path().join("rosterd.db"), Arc::clone(&clock))
        .await
        .unwrap();
    let mailboxes: Arc<Mailboxes> = Arc::new(Place::mailboxes(dir.path(), 1_000_000));
    let mailbox = mailboxes
        .mailbox(&TenantId::parse("acme").unwrap(), Environment::Sandbox)
        .unwrap();
    let upload = |bytes: &[u8]| {
        let mut upload = mailbox
            .begin(&path("/employees.csv"), Start::Truncate)
            .unwrap();
        upload.write(bytes).unwrap();
        upload.finish().unwrap();
    };
    upload(b"before the start");
    let queue = Arc::<Notify>::default();
    let settings = Settings {
        // So long that only a hint can make it happen.
        settle: Duration::from_secs(1000),
        rescan: Duration::from_secs(1000),
        ..Settings::default()
    };
    let config = config(dir.path(), 1_000_000);
    let intake = Intake::new(
        Arc::clone(&mailboxes),
        config,
        db.clone(),
        clock,
        settings,
        queue,
        Arc::default(),
    );
    let tasks = Tasks::new("intake");
    Arc::new(intake).serve(&tasks);
    let deliveries = async || db.unsettled_deliveries().await.unwrap().len();
    eventually("the first", async || deliveries().await == 1).await;
    upload(b"while serving");
    eventually("the second", async || deliveries().await == 2).await;
    let outside = dir.path().join("employees.csv");
    std::fs::write(&outside, "local").unwrap();
    std::fs::rename(
        &outside,
        mailbox.layout().mailbox.join("data/employees.csv"),
    )
    .unwrap();
    eventually("the third", async || deliveries().await == 3).await;
    tasks.drain();
    tasks.wait().await;
    assert_eq!(tasks.panics(), 0);
}

#[tokio::test]
async fn the_spools_of_all_mailboxes_can_be_emptied_without_serving() {
    let desk = Desk::new().await;
    desk.place.upload("/employees.csv", b"x").unwrap();
    desk.place.upload("/data/employees.csv", b"y").unwrap();
    let mailboxes = Arc::new(Place::mailboxes(desk.place.dir.path(), 1_000_000));
    let settings = Settings::default();
    let intake = Intake::new(
        mailboxes,
        config(desk.place.dir.path(), 1_000_000),
        desk.db.clone(),
        desk.clock.clone(),
        settings,
        Arc::clone(&desk.queue),
        Arc::default(),
    );
    assert_eq!(intake.claim_all_once().await.unwrap(), 2);
    assert_eq!(intake.claim_all_once().await.unwrap(), 0);
    assert_eq!(desk.archived().await, ["x", "y"]);
}
