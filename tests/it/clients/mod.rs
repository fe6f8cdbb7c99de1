//! Every client that HR schedulers use, driven for real: which of them can do what is a table made of runs, and `docs/clients.md` is that table.
//!
//! A client is one program or library in one mode. It gets a tenant of its own, so that clients run side by side on one daemon. What a client
//! cannot do by itself is a dash with the reason in a footnote; what it can do and rosterd spoils fails the test.

mod curl;
mod driver;
mod feature;
mod ftp_ssl;
mod lftp;
mod openssh;
mod page;
mod putty;
mod rclone;
mod seat;
mod sshfs;
mod suppaftp;
mod wget;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;

use self::feature::Feature;
pub(crate) use self::seat::installed;
use self::seat::{Bench, Seat};
use crate::harness::Port;

/// What a client is asked to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act<'a> {
    /// Upload a file under this path.
    Put(&'a Path, &'a str),
    /// Upload every file of a folder into a folder that is there, in one session.
    PutAll(&'a Path, &'a str),
    /// Upload a file so that it keeps its time.
    Keep(&'a Path, &'a str),
    /// Go on with an upload that was cut.
    Resume(&'a Path, &'a str),
    /// Upload a folder as one that is not there yet.
    Mirror(&'a Path, &'a str),
    Get(&'a str, &'a Path),
    /// Names and sizes, a line each.
    List(&'a str),
    /// Size and seconds since 1970.
    Stat(&'a str),
    Rename(&'a str, &'a str),
    Delete(&'a str),
    MakeFolder(&'a str),
}

/// Why a client did not do it.
#[derive(Debug, Clone)]
pub(crate) enum No {
    /// It says so: what it shows its user.
    Refused(String),
    /// It has no means to: why.
    Cannot(String),
}

/// What it shows its user.
pub(crate) type Answer = Result<String, No>;

/// It has no means to.
pub(crate) fn cannot<T>(why: &str) -> Result<T, No> {
    Err(No::Cannot(why.to_owned()))
}

/// A program or library at work.
pub(crate) trait Client {
    fn perform(&mut self, act: Act<'_>) -> Answer;

    /// How its program ended last, where there is one for each act and its adapter does not go by it.
    fn exit_code(&self) -> Option<i32> {
        None
    }
}

/// A way to send: a line of the table.
pub(crate) struct Kind {
    /// As the table names it; it names the tenant too.
    pub(crate) name: &'static str,
    pub(crate) port: Port,
    pub(crate) name_form: NameForm,
    /// How exactly it tells times.
    pub(crate) time_grain_secs: i64,
    /// It ends TLS without `close_notify`: its tenant takes that.
    pub(crate) ends_uncleanly: bool,
    pub(crate) make: for<'a> fn(Seat<'a>) -> Box<dyn Client + 'a>,
}

/// How a login name is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameForm {
    /// `host|user`
    Pipe,
    /// `host+user`, because the client refuses the pipe.
    Plus,
}

impl Kind {
    const fn of(
        name: &'static str,
        port: Port,
        make: for<'a> fn(Seat<'a>) -> Box<dyn Client + 'a>,
    ) -> Self {
        Self {
            name,
            port,
            name_form: NameForm::Pipe,
            time_grain_secs: 1,
            ends_uncleanly: false,
            make,
        }
    }

    const fn refusing_the_pipe(mut self) -> Self {
        self.name_form = NameForm::Plus;
        self
    }

    /// Its tenant has `accept_unclean_close`.
    const fn ending_uncleanly(mut self) -> Self {
        self.ends_uncleanly = true;
        self
    }

    /// It shows times to the minute only.
    const fn showing_minutes(mut self) -> Self {
        self.time_grain_secs = 60;
        self
    }
}

/// A program or library, and what its users should know.
pub(crate) struct Family {
    pub(crate) title: &'static str,
    /// In Markdown.
    pub(crate) advice: &'static str,
    pub(crate) kinds: &'static [Kind],
}

const FAMILIES: &[&Family] = &[
    &curl::FAMILY,
    &driver::PYCURL,
    &lftp::FAMILY,
    &driver::FTPLIB,
    &driver::BASIC_FTP,
    &driver::COMMONS_NET,
    &rclone::FAMILY,
    &driver::NET_FTP,
    &driver::PHP,
    &wget::FAMILY,
    &ftp_ssl::FAMILY,
    &suppaftp::FAMILY,
    &openssh::FAMILY,
    &putty::FAMILY,
    &driver::WINSCP,
    &driver::PARAMIKO,
    &driver::ASYNCSSH,
    &driver::SSH2_SFTP_CLIENT,
    &sshfs::FAMILY,
];

/// What came of one feature with one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Works,
    /// It works, and the user should know this.
    WorksBut(String),
    /// The client's own limit.
    Cannot(String),
    /// rosterd fails its sender.
    Fails(String),
}

/// A line of the table.
pub(crate) struct Row {
    pub(crate) kind: &'static Kind,
    pub(crate) cells: Vec<Cell>,
}

/// So many clients at once: they mostly wait.
const AT_ONCE: usize = 5;

#[test]
fn every_client_can_do_what_docs_clients_md_says() {
    let kinds: Vec<&'static Kind> = FAMILIES.iter().flat_map(|family| family.kinds).collect();
    let bench = Bench::for_kinds(&kinds);
    let waiting = Mutex::new(kinds.iter());
    let rows = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(kind) = waiting.lock().unwrap().next() else {
                        return;
                    };
                    let row = run(&bench, kind);
                    rows.lock().unwrap().push(row);
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    let place = |row: &Row| kinds.iter().position(|kind| std::ptr::eq(*kind, row.kind));
    rows.sort_by_key(place);

    let failed: Vec<String> = rows.iter().flat_map(failures).collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
    page::compare(&page::render(FAMILIES, &rows));
}

fn run(bench: &Bench, kind: &'static Kind) -> Row {
    let seat = bench.seat(kind);
    let mut client = (kind.make)(seat.clone());
    let cells = Feature::ALL.map(|feature| {
        let checked = AssertUnwindSafe(|| feature.check(&mut *client, &seat));
        catch_unwind(checked).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Cell::Fails(text.unwrap_or_default())
        })
    });
    Row {
        kind,
        cells: cells.to_vec(),
    }
}

fn failures(row: &Row) -> Vec<String> {
    let cells = row.cells.iter().zip(Feature::ALL);
    cells
        .filter_map(|(cell, feature)| match cell {
            Cell::Fails(why) => Some(format!("{}: {}: {why}", row.kind.name, feature.title())),
            _ => None,
        })
        .collect()
}
