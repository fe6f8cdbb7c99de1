//! Damage on our side: the disk is full or fails, descriptors run out, the clock jumps, the daemon has to end. The sender has done nothing wrong, and
//! hears that we could not; otherwise the cells are those of the table.

use std::path::{Path, PathBuf};

use super::ALL;
use super::cell::{Cell, FILE, Lane, SIZE, bytes_at, today};
use super::ways::Way;
use crate::harness::disk::SmallDisk;
use crate::harness::staff::Staff;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Daemon, Port, wait_until};
use crate::wire::ftps::Ftps;
use crate::wire::sftp::Sftp;

/// Sends the whole file over FTPS, which fails on its way.
fn whole_ftps(cell: &mut Cell<'_>) -> Vec<u32> {
    let mut session = cell.lane.log_in(cell.daemon, cell.port());
    cell.lane.mark(cell.daemon);
    let reply = session.store(FILE, cell.today);
    assert_eq!(session.ask("NOOP").code, 200, "after {reply:?}");
    vec![reply.code.into()]
}

/// The same over SFTP.
fn whole_sftp(cell: &mut Cell<'_>) -> Vec<u32> {
    let mut session = Sftp::log_in(cell.daemon, &cell.lane.user(), PASSWORD);
    cell.lane.mark(cell.daemon);
    let handle = session.open(FILE);
    let written = session.write(&handle, 0, cell.today);
    let closed = session.close(&handle);
    assert!(!closed.message.is_empty());
    vec![written.code, closed.code]
}

/// One cell: what the sender hears, and what the log says at this level.
#[track_caller]
fn damage(cell: &mut Cell<'_>, (way, hears, told): (Way, &[u32], &str), level: &str, what: &str) {
    let name = format!("{what} at {} % of {}", cell.percent, cell.lane.tenant);
    assert_eq!(way(cell), hears, "{name}");
    let cut = cell.lane.nothing_happened(cell.daemon, &name, level);
    assert!(cut.reason.contains(told), "{name}: {cut:?}");
}

#[test]
fn an_overwrite_that_fills_the_disk_leaves_the_old_file_and_the_next_one_counts() {
    let disk = SmallDisk::of(4);
    let mut daemon = Daemon::lay_out([Tenant::named("ftps"), Tenant::named("sftp")], "");
    std::os::unix::fs::symlink(disk.path(), daemon.folder().join("state")).unwrap();
    daemon.expect_errors("upload cut");
    daemon.start_again();
    let today = today();
    let words = "The server's disk is full";
    let lanes: [(&str, Way, &[u32]); 2] =
        [("ftps", whole_ftps, &[452]), ("sftp", whole_sftp, &[4, 4])];
    for (tenant, way, hears) in lanes {
        let mut lane = Lane::given(&daemon, tenant);
        for percent in ALL {
            disk.fill_up_to(bytes_at(*percent).min(SIZE - 1) as u64);
            let mut cell = Cell {
                daemon: &daemon,
                lane: &mut lane,
                percent: *percent,
                today: &today,
            };
            damage(&mut cell, (way, hears, words), "ERROR", "disk full");
        }
        lane.one_run_and_one_line_each(&daemon);
        disk.fill_up_to(2 << 20);
        let again = lane.yesterday.clone();
        let reply = lane.session(&daemon).store(FILE, &again);
        assert_eq!(reply.code, 226, "{reply:?}");
        daemon.wait_for_rest();
    }
}

#[test]
fn an_overwrite_that_ends_without_descriptors_leaves_the_old_file_and_all_recovers() {
    /// Descriptors go when the upload is at its place, and come back when the sender has heard.
    fn ftps(cell: &mut Cell<'_>) -> Vec<u32> {
        let (mut session, mut data) = cell.over_ftps();
        cell.daemon.limit_open_files(Some(3));
        data.try_send(cell.rest()).unwrap();
        data.finish();
        let reply = session.hear();
        cell.daemon.limit_open_files(None);
        assert_eq!(session.ask("NOOP").code, 200, "after {reply:?}");
        vec![reply.code.into()]
    }
    fn sftp(cell: &mut Cell<'_>) -> Vec<u32> {
        let (mut session, handle) = cell.over_sftp();
        cell.daemon.limit_open_files(Some(3));
        let written = session.write(&handle, cell.sent().len(), cell.rest());
        let closed = session.close(&handle);
        cell.daemon.limit_open_files(None);
        vec![written.code, closed.code]
    }
    let mut daemon = Daemon::start([Tenant::named("ftps"), Tenant::named("sftp")]);
    daemon.expect_errors("Too many open files");
    let today = today();
    let lanes: [(&str, Way, &[u32]); 2] = [("ftps", ftps, &[451]), ("sftp", sftp, &[0, 4])];
    let mut given = lanes.map(|(tenant, ..)| Lane::given(&daemon, tenant));
    for ((_, way, hears), lane) in lanes.into_iter().zip(&mut given) {
        for percent in ALL {
            let mut cell = Cell {
                daemon: &daemon,
                lane,
                percent: *percent,
                today: &today,
            };
            let row = (way, hears, "Too many open files");
            damage(&mut cell, row, "ERROR", "no descriptors");
        }
        lane.one_run_and_one_line_each(&daemon);
    }

    // Connections that come meanwhile wait, and are served when descriptors are there again.
    daemon.limit_open_files(Some(3));
    let waiting: Vec<_> = [Port::Explicit, Port::Implicit, Port::Sftp]
        .into_iter()
        .map(|port| {
            (
                port,
                std::net::TcpStream::connect(daemon.address(port)).unwrap(),
            )
        })
        .collect();
    let complaints = || {
        let log = daemon.events();
        let told = |event: &&serde_json::Value| {
            event["message"] == "cannot accept connections now: trying on"
        };
        log.iter().filter(told).count()
    };
    wait_until("the listeners to complain", || {
        complaints() >= waiting.len()
    });
    daemon.limit_open_files(None);
    let [lane, _] = &mut given;
    let mut session = Ftps::log_in(&daemon, Port::Implicit, &lane.user(), PASSWORD);
    assert_eq!(session.store(FILE, &today).code, 226);
    assert_eq!(lane.session(&daemon).fetch(&format!("RETR {FILE}")), today);
    assert_eq!(
        complaints(),
        waiting.len(),
        "once each, however often they try"
    );
    daemon.wait_for_rest();
}

/// A wall clock that only the daemon sees, moved by libfaketime; its monotonic clock goes on as it is.
struct Clock(PathBuf);

impl Clock {
    fn of(daemon: &mut Daemon) -> Self {
        let library = std::fs::read_dir("/usr/lib")
            .unwrap()
            .map(|entry| entry.unwrap().path().join("faketime/libfaketimeMT.so.1"))
            .find(|library| library.try_exists().unwrap_or(false))
            .expect("libfaketime is missing: install faketime, or let tests/run.sh do it");
        let clock = Self(daemon.folder().join("clock"));
        clock.show("+0");
        for (name, value) in [
            ("LD_PRELOAD", library.as_path()),
            ("FAKETIME_TIMESTAMP_FILE", &clock.0),
            ("FAKETIME_NO_CACHE", Path::new("1")),
            ("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
            ("NO_FAKE_STAT", Path::new("1")),
        ] {
            daemon.set_variable(name, value.to_str().unwrap());
        }
        clock
    }

    /// Jumps to so far from the true time.
    fn show(&self, offset: &str) {
        let beside = self.0.with_extension("new");
        std::fs::write(&beside, offset).unwrap();
        std::fs::rename(&beside, &self.0).unwrap();
    }
}

#[test]
fn a_clock_that_jumps_during_an_overwrite_neither_saves_a_cut_one_nor_cuts_a_whole_one() {
    let mut daemon = Daemon::lay_out([Tenant::named("ftps"), Tenant::named("sftp")], "");
    let clock = Clock::of(&mut daemon);
    daemon.start_again();
    let today = today();
    // Each place begins where the last one has left the clock.
    let jumps = ["+2d", "-2d", "+1y", "-30m", "+0"];
    for tenant in ["ftps", "sftp"] {
        let mut lane = Lane::given(&daemon, tenant);
        for (percent, jump) in ALL.iter().zip(jumps) {
            let name = format!("{jump} at {percent} % of {tenant}");
            let mut cell = Cell {
                daemon: &daemon,
                lane: &mut lane,
                percent: *percent,
                today: &today,
            };
            if tenant == "ftps" {
                let (mut session, data) = cell.over_ftps();
                clock.show(jump);
                data.reset();
                assert_eq!(session.hear().code, 426, "{name}");
            } else {
                let (session, _) = cell.over_sftp();
                clock.show(jump);
                session.vanish();
            }
            let cut = lane.nothing_happened(&daemon, &name, "WARN");
            assert_eq!(cut.size_bytes, bytes_at(*percent) as u64, "{name}");
        }
        lane.one_run_and_one_line_each(&daemon);

        // Whole files count in the order in which they came, whatever the clock says.
        let [one_more, two_more] = [31, 32].map(Staff::of);
        let (first, last) = (one_more.csv(), two_more.csv());
        let mut ftps = lane.log_in(&daemon, Port::Implicit);
        let mut data = ftps.transfer(&format!("STOR {FILE}"));
        data.send(&first[..100]);
        clock.show("+2d");
        data.send(&first[100..]);
        data.finish();
        let reply = ftps.hear();
        assert_eq!(reply.code, 226, "{reply:?}");
        let mut sftp = Sftp::log_in(&daemon, &lane.user(), PASSWORD);
        let handle = sftp.open(FILE);
        sftp.write(&handle, 0, &last[..100]);
        clock.show("-2d");
        sftp.write(&handle, 100, &last[100..]);
        let closed = sftp.close(&handle);
        let id = |text: &str| {
            text.split("delivery ")
                .nth(1)
                .unwrap()
                .trim_end()
                .to_owned()
        };
        assert!(
            id(&closed.message) > id(&reply.text),
            "{closed:?} is not later than {reply:?}"
        );
        daemon.wait_for_rest();
        assert!(
            daemon.roster(tenant) == two_more,
            "the last file is applied last"
        );
        clock.show("+0");
    }
}

#[test]
fn an_upload_that_outlasts_the_drain_is_cut_and_told_of_over_both_protocols() {
    let tenants = [Tenant::named("ftps"), Tenant::named("sftp")];
    let mut daemon = Daemon::start_with(tenants, "drain = \"1s\"");
    let today = today();
    let [mut over_ftps, mut over_sftp] =
        ["ftps", "sftp"].map(|tenant| Lane::given(&daemon, tenant));
    let cell = |lane| Cell {
        daemon: &daemon,
        lane,
        percent: 50,
        today: &today,
    };
    let open = (
        cell(&mut over_ftps).over_ftps(),
        cell(&mut over_sftp).over_sftp(),
    );
    let status = daemon.stop();
    assert!(status.success(), "{status}");
    let cuts: Vec<_> = daemon
        .events()
        .into_iter()
        .filter(|event| event["message"] == "upload cut")
        .map(|event| event["reason"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(cuts, ["the server ended the session"; 2]);
    drop(open);

    daemon.start_again();
    for lane in [over_ftps, over_sftp] {
        let data = daemon.mailbox(&lane.tenant).join("data/employees.csv");
        assert_eq!(std::fs::read(data).unwrap(), lane.yesterday);
    }
    assert_eq!(daemon.runs().len(), 2);
}

#[cfg(feature = "failpoints")]
mod failing {
    use super::{Cell, Daemon, Lane, Tenant, damage, today, whole_ftps, whole_sftp};

    #[test]
    fn an_overwrite_during_which_the_disk_fails_leaves_the_old_file() {
        /// The step that fails, and the code that SFTP hears of its WRITEs; FTPS writes 4 times, SFTP 31 times.
        const STEPS: [(&str, &str, u32); 7] = [
            ("StagedWrite@1", "StagedWrite@1", 4),
            ("StagedWrite@3", "StagedWrite@16", 4),
            ("StagedWrite@4", "StagedWrite@31", 4),
            ("StagedSync", "StagedSync", 0),
            ("SpoolLink", "SpoolLink", 0),
            ("FinalRename", "FinalRename", 0),
            ("FolderSync", "FolderSync", 0),
        ];
        let mut daemon = Daemon::start([Tenant::named("ftps"), Tenant::named("sftp")]);
        let mut lanes = ["ftps", "sftp"].map(|tenant| Lane::given(&daemon, tenant));
        daemon.expect_errors("upload cut");
        let today = today();
        for (ftps, sftp, written) in STEPS {
            for (step, lane) in [ftps, sftp].into_iter().zip(&mut lanes) {
                // No session is left open: a goodbye to it takes its time.
                lane.restarted();
                assert!(daemon.stop().success());
                daemon.arm(&format!("{step}=eio"));
                daemon.start_again();
                let mut cell = Cell {
                    daemon: &daemon,
                    lane,
                    percent: 100,
                    today: &today,
                };
                let words = "Input/output error";
                if cell.lane.tenant == "ftps" {
                    damage(&mut cell, (whole_ftps, &[451], words), "ERROR", step);
                } else {
                    damage(&mut cell, (whole_sftp, &[written, 4], words), "ERROR", step);
                }
                lane.one_run_and_one_line_each(&daemon);
            }
        }
        // The harness looks at a daemon that fails no more.
        assert!(daemon.stop().success());
        daemon.arm("");
        daemon.start_again();
    }
}
