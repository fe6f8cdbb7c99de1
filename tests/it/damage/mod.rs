//! Promise 2: nothing half-sent counts. A table of damage and place: every way in which an overwrite of yesterday's file can break off,
//! after none, one, half, 99 and all percent of its bytes. In each cell the old file stands byte for byte, nothing new is to be seen, no run
//! starts, the quota is exact, the sender hears the right reply, and one line of the log tells it.
//!
//! All bytes without `close_notify`, or without CLOSE, are not a file either. What goes wrong on our side is in `server`.

mod cell;
mod server;
mod ways;

use std::collections::VecDeque;
use std::sync::Mutex;

use self::cell::{Cell, Lane, SIZE, bytes_at, today};
use self::ways::{QUOTA, Way, ftps, killed, sftp};
use crate::harness::sender::Key;
use crate::harness::tenant::Tenant;
use crate::harness::{Daemon, Port};
use crate::wire::ftps::Ftps;

/// Places, in percent of the file.
const ALL: &[usize] = &[0, 1, 50, 99, 100];

/// What the log says of an SFTP upload whose connection or channel is gone.
const NO_CLOSE: &str = "the connection or channel ended before SSH_FXP_CLOSE";

#[rustfmt::skip]
const TABLE: &[Row] = &[
    //  damage           places      over FTPS: what the sender hears, what the log says                    over SFTP
    row("reset",         ALL,        [cut(ftps::reset, &[426], "the connection broke"),                     cut(sftp::reset, &[], NO_CLOSE)]),
    row("fin",           ALL,        [cut(ftps::fin, &[426], "without close_notify"),                       cut(sftp::vanish, &[], NO_CLOSE)]),
    row("half-close",    ALL,        [cut(ftps::half_close, &[426], "without close_notify"),                cut(sftp::half_close, &[], NO_CLOSE)]),
    row("no-handshake",  &[0],       [cut(ftps::no_handshake, &[425], "no data connection"),                NOT_THERE]),
    row("abor",          ALL,        [cut(ftps::abor, &[426, 226], "stopped by ABOR"),                      NOT_THERE]),
    row("quit",          ALL,        [cut(ftps::quit, &[426, 221], "without close_notify"),                 NOT_THERE]),
    row("control-gone",  ALL,        [cut(ftps::control_gone, &[], "the control connection ended"),         NOT_THERE]),
    row("channel-close", ALL,        [NOT_THERE,                                                            cut(sftp::channel_close, &[], NO_CLOSE)]),
    row("channel-end",   ALL,        [NOT_THERE,                                                            cut(sftp::channel_end, &[], NO_CLOSE)]),
    row("curl-killed",   ALL,        [about(cut(killed::curl_ftps, &[], "connection"), Came::Some),           about(cut(killed::curl_sftp, &[], NO_CLOSE), Came::Some)]),
    row("sftp-killed",   &[1, 50],   [NOT_THERE,                                                            about(cut(killed::openssh, &[], NO_CLOSE), Came::Some)]),
    row("quota",         ALL,        [about(cut(ftps::quota, &[552], "Over quota"), Came::More),              about(cut(sftp::quota, &[4, 4], "Over quota"), Came::More)]),
    row(STALL,           ALL,        [cut(ftps::stall, &[426], "no byte moved for limits.stall"),           cut(sftp::stall, &[], "no byte of an upload for too long")]),
];

/// The damage for which a daemon of its own loses its patience.
const STALL: &str = "stall";

struct Row {
    damage: &'static str,
    places: &'static [usize],
    columns: [Option<Column>; 2],
}

/// One protocol's side of a row.
#[derive(Clone, Copy)]
struct Column {
    inflict: Way,
    hears: &'static [u32],
    told: &'static str,
    came: Came,
}

/// How many bytes the log tells of.
#[derive(Debug, Clone, Copy)]
enum Came {
    /// Those before the damage.
    AsSent,
    /// At least one that did not fit.
    More,
    /// A killed client had some that it never sent, or was not killed in time.
    Some,
}

/// There is no such thing in this protocol.
const NOT_THERE: Option<Column> = None;

const fn row(damage: &'static str, places: &'static [usize], columns: [Option<Column>; 2]) -> Row {
    Row {
        damage,
        places,
        columns,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a cell of the table, filled")]
const fn cut(inflict: Way, hears: &'static [u32], told: &'static str) -> Option<Column> {
    Some(Column {
        inflict,
        hears,
        told,
        came: Came::AsSent,
    })
}

/// The cut comes elsewhere than at its place.
const fn about(column: Option<Column>, came: Came) -> Option<Column> {
    match column {
        Some(column) => Some(Column { came, ..column }),
        None => None,
    }
}

/// The rows and columns with the tenants on which they are tried.
fn lanes() -> impl Iterator<Item = (String, &'static Row, Column)> {
    TABLE.iter().flat_map(|row| {
        row.columns
            .iter()
            .zip(["ftps", "sftp"])
            .filter_map(move |(column, protocol)| {
                Some((format!("{}-{protocol}", row.damage), row, (*column)?))
            })
    })
}

/// All places of one row over one protocol, one after the other.
fn walk(daemon: &Daemon, tenant: &str, row: &Row, column: Column, today: &[u8]) {
    let mut lane = Lane::given(daemon, tenant);
    for percent in row.places {
        let name = format!("{tenant} at {percent} %");
        let mut cell = Cell {
            daemon,
            lane: &mut lane,
            percent: *percent,
            today,
        };
        let heard = (column.inflict)(&mut cell);
        assert_eq!(heard, column.hears, "{name}");
        let cut = lane.nothing_happened(daemon, &name, "WARN");
        assert!(cut.reason.contains(column.told), "{name}: {cut:?}");
        let sent = bytes_at(*percent) as u64;
        match column.came {
            Came::AsSent => assert_eq!(cut.size_bytes, sent, "{name}"),
            Came::More => assert!(
                cut.size_bytes > sent.min(SIZE as u64 - 1),
                "{name}: {cut:?}"
            ),
            Came::Some => assert!(cut.size_bytes <= SIZE as u64, "{name}: {cut:?}"),
        }
    }
    lane.one_run_and_one_line_each(daemon);
}

#[test]
fn an_overwrite_that_is_cut_anywhere_leaves_the_old_file_and_no_trace() {
    /// Lanes side by side.
    const THREADS: usize = 6;
    let tenant = |name: &str| {
        Tenant::named(name)
            .quota(&QUOTA.to_string())
            .authorized_key(&Key::of_all().public)
    };
    let (stalling, others): (Vec<_>, Vec<_>) = lanes().partition(|(_, row, _)| row.damage == STALL);
    let names = |lanes: &[(String, &Row, Column)]| -> Vec<_> {
        lanes.iter().map(|(name, ..)| tenant(name)).collect()
    };
    let patient = Daemon::start_with(names(&others), "connections_per_address = 500");
    let impatient = Daemon::start_with(names(&stalling), "stall = \"1s\"");
    let today = today();
    let lanes = stalling
        .into_iter()
        .map(|lane| (&impatient, lane))
        .chain(others.into_iter().map(|lane| (&patient, lane)));
    let lanes: Mutex<VecDeque<_>> = Mutex::new(lanes.collect());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let next = lanes.lock().unwrap().pop_front();
                    let Some((daemon, (name, row, column))) = next else {
                        return;
                    };
                    walk(daemon, &name, row, column, &today);
                }
            });
        }
    });
}

#[test]
fn a_first_upload_that_is_cut_leaves_no_file_at_all() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = Ftps::log_in(
        &daemon,
        Port::Explicit,
        "hr@acme.example",
        crate::harness::tenant::PASSWORD,
    );
    let mut data = session.transfer("STOR /data/employees.csv");
    data.send(&today());
    data.fin();
    assert_eq!(session.hear().code, 426);
    assert_eq!(session.names("/data"), [] as [String; 0]);
    daemon.wait_for_rest();
    assert_eq!(daemon.runs().len(), 0);
}

#[test]
fn an_upload_that_was_slow_but_whole_counts_and_so_does_one_with_quit_behind_it() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut lane = Lane::given(&daemon, "acme");
    let today = today();
    let mut session = lane.log_in(&daemon, Port::Explicit);
    for (round, said) in [None, Some("QUIT")].into_iter().enumerate() {
        let mut data = session.transfer("STOR /data/employees.csv");
        for part in today.chunks(today.len() / 3 + round) {
            data.send(part);
        }
        if let Some(command) = said {
            session.say(command);
        }
        data.finish();
        let reply = session.hear();
        assert_eq!(reply.code, 226, "{reply:?}");
    }
    assert_eq!(session.hear().code, 221);
    assert_eq!(
        lane.session(&daemon).fetch("RETR /data/employees.csv"),
        today
    );
}
