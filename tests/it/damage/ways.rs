//! The ways to damage an upload. Each lets an overwrite come to its place, damages it, and returns the codes that the sender still hears.

use std::io::Write as _;
use std::process::Command;

use super::cell::{Cell, FILE, SIZE};
use crate::harness::photo;
use crate::harness::sender::Key;
use crate::harness::tenant::PASSWORD;
use crate::harness::{Client, wait_until};
use crate::wire::ftps::{Ftps, Reply};
use crate::wire::sftp::Sftp;

pub(super) type Way = fn(&mut Cell<'_>) -> Vec<u32>;

/// Quota of the tenants that run into it.
pub(super) const QUOTA: usize = 3_000_000;

pub(super) mod ftps {
    use super::{Cell, FILE, hear, make_room, quota_is_named};

    pub(crate) fn reset(cell: &mut Cell<'_>) -> Vec<u32> {
        let (mut session, data) = cell.over_ftps();
        data.reset();
        hear(&mut session, 1)
    }

    pub(crate) fn fin(cell: &mut Cell<'_>) -> Vec<u32> {
        let (mut session, data) = cell.over_ftps();
        data.fin();
        hear(&mut session, 1)
    }

    pub(crate) fn half_close(cell: &mut Cell<'_>) -> Vec<u32> {
        let (mut session, data) = cell.over_ftps();
        data.half_close();
        hear(&mut session, 1)
    }

    /// The port is reached, but nobody speaks TLS there.
    pub(crate) fn no_handshake(cell: &mut Cell<'_>) -> Vec<u32> {
        let mut session = cell.lane.log_in(cell.daemon, cell.port());
        cell.lane.mark(cell.daemon);
        let socket = session.try_passive().unwrap();
        assert_eq!(session.ask(&format!("STOR {FILE}")).code, 150);
        drop(socket);
        hear(&mut session, 1)
    }

    pub(crate) fn abor(cell: &mut Cell<'_>) -> Vec<u32> {
        let (mut session, data) = cell.over_ftps();
        session.say("ABOR");
        let heard = hear(&mut session, 2);
        drop(data);
        heard
    }

    /// QUIT waits for the transfer: what cuts it is the end of its connection.
    pub(crate) fn quit(cell: &mut Cell<'_>) -> Vec<u32> {
        let (mut session, data) = cell.over_ftps();
        session.say("QUIT");
        data.fin();
        vec![session.hear().code.into(), session.hear().code.into()]
    }

    pub(crate) fn control_gone(cell: &mut Cell<'_>) -> Vec<u32> {
        let (mut session, data) = cell.over_ftps();
        session.vanish();
        cell.is_over();
        drop(data);
        Vec::new()
    }

    pub(crate) fn stall(cell: &mut Cell<'_>) -> Vec<u32> {
        let (mut session, data) = cell.over_ftps();
        let heard = hear(&mut session, 1);
        drop(data);
        heard
    }

    pub(crate) fn quota(cell: &mut Cell<'_>) -> Vec<u32> {
        let free = make_room(cell);
        let mut session = cell.lane.log_in(cell.daemon, cell.port());
        cell.lane.mark(cell.daemon);
        let reply = session.store(FILE, cell.today);
        quota_is_named(&reply.text, free);
        vec![reply.code.into()]
    }
}

pub(super) mod sftp {
    use super::{Cell, FILE, PASSWORD, Sftp, make_room, quota_is_named};

    pub(crate) fn reset(cell: &mut Cell<'_>) -> Vec<u32> {
        let (session, _) = cell.over_sftp();
        session.reset();
        Vec::new()
    }

    pub(crate) fn vanish(cell: &mut Cell<'_>) -> Vec<u32> {
        let (session, _) = cell.over_sftp();
        session.vanish();
        Vec::new()
    }

    pub(crate) fn half_close(cell: &mut Cell<'_>) -> Vec<u32> {
        let (session, _) = cell.over_sftp();
        session.half_close();
        cell.is_over();
        Vec::new()
    }

    pub(crate) fn channel_close(cell: &mut Cell<'_>) -> Vec<u32> {
        let (session, _) = cell.over_sftp();
        session.close_channel();
        cell.is_over();
        Vec::new()
    }

    pub(crate) fn channel_end(cell: &mut Cell<'_>) -> Vec<u32> {
        let (session, _) = cell.over_sftp();
        session.end_channel();
        cell.is_over();
        Vec::new()
    }

    pub(crate) fn stall(cell: &mut Cell<'_>) -> Vec<u32> {
        let (_session, _) = cell.over_sftp();
        cell.is_over();
        Vec::new()
    }

    pub(crate) fn quota(cell: &mut Cell<'_>) -> Vec<u32> {
        let free = make_room(cell);
        let mut session = Sftp::log_in(cell.daemon, &cell.lane.user(), PASSWORD);
        cell.lane.mark(cell.daemon);
        let handle = session.open(FILE);
        let written = session.write(&handle, 0, cell.today);
        quota_is_named(&written.message, free);
        vec![written.code, session.close(&handle).code]
    }
}

/// SIGKILL to a client of somebody else's making.
pub(super) mod killed {
    use super::{Cell, Client, FILE, Key, feed};

    pub(crate) fn curl_ftps(cell: &mut Cell<'_>) -> Vec<u32> {
        let sender = cell.daemon.sender(&cell.lane.tenant);
        let mut curl = sender.curl(cell.port(), FILE);
        feed(cell, curl.arg("--disable-epsv"))
    }

    pub(crate) fn curl_sftp(cell: &mut Cell<'_>) -> Vec<u32> {
        let sender = cell.daemon.sender(&cell.lane.tenant);
        feed(cell, &mut sender.curl_sftp(FILE))
    }

    /// OpenSSH sends regular files only, so it is slowed down and watched.
    pub(crate) fn openssh(cell: &mut Cell<'_>) -> Vec<u32> {
        const KBITS: u32 = 8_000;
        let file = cell.daemon.local_file(&cell.lane.tenant, cell.today);
        let batch = format!("put {} {FILE}\n", file.display());
        let sender = cell.daemon.sender(&cell.lane.tenant);
        cell.lane.mark(cell.daemon);
        let mut sftp = sender.limited_sftp(Key::of_all(), KBITS, &batch);
        let sftp = Client::spawn(&mut sftp);
        cell.lane
            .wait_for_staged(cell.daemon, cell.sent().len() as u64);
        sftp.kill();
        Vec::new()
    }
}

/// Gives a client the first bytes through a pipe that does not end, and kills it once it has taken them.
fn feed(cell: &mut Cell<'_>, curl: &mut Command) -> Vec<u32> {
    cell.lane.mark(cell.daemon);
    let mut client = Client::spawn(curl.args(["-T", "-"]));
    cell.lane.wait_for_staged(cell.daemon, 0);
    let mut pipe = client.process().stdin.take().unwrap();
    pipe.write_all(cell.sent()).unwrap();
    wait_until("the client to take what it was given", || {
        rustix::io::ioctl_fionread(&pipe).unwrap() == 0
    });
    client.kill();
    Vec::new()
}

/// So many replies; and the session goes on after them.
fn hear(session: &mut Ftps, replies: usize) -> Vec<u32> {
    let heard: Vec<Reply> = (0..replies).map(|_| session.hear()).collect();
    let reply = session.ask("NOOP");
    assert_eq!(reply.code, 200, "{heard:?}, then {reply:?}");
    heard.iter().map(|reply| reply.code.into()).collect()
}

/// Fills the mailbox so that what comes before the damage just fits; says what is free beside the old file.
fn make_room(cell: &mut Cell<'_>) -> usize {
    let old = cell.lane.yesterday.len();
    let room = cell.sent().len().clamp(old, SIZE - 1);
    let ballast = QUOTA - room;
    let photo = photo::bmp_of(ballast);
    let session = cell.lane.session(cell.daemon);
    drop(session.ask("DELE /images/ballast.bmp"));
    let reply = session.store("/images/ballast.bmp", &photo);
    assert_eq!(reply.code, 226, "{reply:?}");
    cell.lane.beside_bytes = ballast as u64;
    cell.is_over();
    room - old
}

fn quota_is_named(text: &str, free: usize) {
    let words = format!("Over quota: {free} bytes free");
    assert!(text.contains(&words), "{text:?} should say {words:?}");
}
