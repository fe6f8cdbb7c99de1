//! Promise 4: the quota is exact, under any number of parallel uploads.

use std::time::{Duration, Instant};

use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Client, Daemon, Port, Reply, files_below, photo, wait_until};
use crate::wire::ftps::Ftps;
use crate::wire::sftp::Sftp;

const QUOTA: u64 = 1_000_000;

/// The sum of the files in the mailbox, without those that do not count.
pub(crate) fn bytes_on_disk(daemon: &Daemon) -> u64 {
    let mailbox = daemon.mailbox("acme");
    files_below(&mailbox)
        .iter()
        .filter(|file| {
            let inside = file.strip_prefix(&mailbox).unwrap();
            !inside.starts_with("errors") && !inside.starts_with("reports")
        })
        .map(|file| file.metadata().unwrap().len())
        .sum()
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
fn wait_for_used(daemon: &Daemon, bytes: u64) {
    wait_until("the metric of used bytes to be that of the files", || {
        daemon.metric("rosterd_mailbox_used_bytes", &[("tenant", "acme")]) == Some(bytes as f64)
    });
}

#[test]
fn parallel_uploads_never_go_over_the_quota_r0_11() {
    let daemon = Daemon::start([Tenant::named("acme").quota("1MB")]);
    let sender = daemon.sender("acme");
    let photo = photo::bmp_of(200_000);

    // When eight files of a fifth of the quota come at once.
    let uploads: Vec<_> = (0..8)
        .map(|number| {
            let path = format!("/images/E{number}.bmp");
            Client::spawn(&mut sender.upload_command(&path, &photo))
        })
        .collect();
    let replies: Vec<Reply> = uploads.into_iter().map(Client::wait).collect();

    // Then no more than five are taken, each of them whole, and the others are told.
    let (taken, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.code == 0);
    assert!((1..=5).contains(&taken.len()), "{} were taken", taken.len());
    for reply in refused {
        reply.clone().refused("552 ");
    }
    daemon.wait_for_empty_staging();
    assert_eq!(bytes_on_disk(&daemon), 200_000 * taken.len() as u64);
    wait_for_used(&daemon, bytes_on_disk(&daemon));

    // And what was refused came only from others on their way: one by one, exactly five fit.
    for number in 0..8 {
        drop(sender.upload(&format!("/images/E{number}.bmp"), &photo));
    }
    assert_eq!(bytes_on_disk(&daemon), QUOTA);
    let reply = sender
        .upload("/images/one-more.bmp", photo::bmp_of(38_454))
        .refused("552 ");
    assert!(reply.stderr.contains(" 0 "), "{}", reply.stderr);
    wait_for_used(&daemon, QUOTA);
}

#[test]
fn a_replacement_needs_room_for_the_difference_only() {
    let daemon = Daemon::start([Tenant::named("acme").quota("1MB")]);
    let sender = daemon.sender("acme");
    let upload = |name: &str, length: usize| sender.upload(name, photo::bmp_of(length));

    upload("/images/a.bmp", 700_000).succeeded();
    upload("/images/b.bmp", 200_000).succeeded();
    upload("/images/a.bmp", 800_000).succeeded();
    upload("/images/a.bmp", 800_001).refused("552 ");
    assert_eq!(sender.download("/images/a.bmp").len(), 800_000);
    wait_for_used(&daemon, QUOTA);

    upload("/images/a.bmp", 50_000).succeeded();
    wait_for_used(&daemon, 250_000);
    upload("/images/c.bmp", 750_000).succeeded();
    wait_for_used(&daemon, QUOTA);
}

#[test]
fn what_lies_there_counts_after_a_restart_and_what_is_removed_does_not() {
    let mut daemon = Daemon::start([Tenant::named("acme").quota("1MB")]);
    let photo = photo::bmp_of(600_000);
    daemon
        .sender("acme")
        .upload("/images/a.bmp", &photo)
        .succeeded();
    daemon.wait_for_rest();
    assert!(daemon.stop().success());

    daemon.start_again();
    wait_for_used(&daemon, 600_000);
    let sender = daemon.sender("acme");
    sender.upload("/images/b.bmp", &photo).refused("552 ");
    sender.sftp("rm /images/a.bmp\n").succeeded();
    sender.upload("/images/b.bmp", &photo).succeeded();
    wait_for_used(&daemon, 600_000);
}

#[test]
fn a_part_that_ran_into_the_quota_leaves_room_for_the_next_night() {
    let daemon = Daemon::start([Tenant::named("acme").quota("1MB")]);
    let user = "hr@acme.example";
    let mut ftps = Ftps::log_in(&daemon, Port::Implicit, user, PASSWORD);
    let mut sftp = Sftp::log_in(&daemon, user, PASSWORD);
    let too_much = photo::bmp_of(1_500_000);
    for part in ["/data/employees.csv.part", "/images/face.bmp.part"] {
        assert_eq!(ftps.store(part, &too_much).code, 552);
        wait_for_used(&daemon, 0);
        let handle = sftp.open(part);
        let written = sftp.write(&handle, 0, &too_much);
        assert!(written.message.starts_with("Over quota"), "{written:?}");
        assert!(!sftp.close(&handle).is_ok());
        wait_for_used(&daemon, 0);
    }
    assert_eq!(bytes_on_disk(&daemon), 0);

    // What a broken connection left is still there to be resumed, and stays when the rest does not fit.
    let mut data = ftps.transfer("STOR /images/face.bmp.part");
    data.send(&too_much[..300_000]);
    data.reset();
    assert_eq!(ftps.hear().code, 426);
    let part = daemon.mailbox("acme").join("images/face.bmp.part");
    let kept = std::fs::metadata(&part).unwrap().len();
    assert!((200_000..=300_000).contains(&kept), "{kept}");
    wait_for_used(&daemon, kept);
    assert_eq!(ftps.ask(&format!("REST {kept}")).code, 350);
    let rest = ftps.store("/images/face.bmp.part", &too_much);
    assert_eq!(rest.code, 552, "{rest:?}");
    wait_for_used(&daemon, kept);
    assert_eq!(
        ftps.store("/images/face.bmp", &photo::bmp_of(700_000)).code,
        226
    );
    daemon.wait_for_rest();
}

#[test]
fn a_refused_sender_that_goes_on_sending_does_not_keep_the_room_from_others() {
    let daemon = Daemon::start([Tenant::named("acme").quota("1MB")]);
    let user = "hr@acme.example";
    let mut one = Ftps::log_in(&daemon, Port::Explicit, user, PASSWORD);
    let mut other = Ftps::log_in(&daemon, Port::Explicit, user, PASSWORD);
    let mut data = one.transfer("STOR /images/too-much.bmp");
    data.send(&photo::bmp_of(1_500_000));

    // The daemon would listen to it for ten seconds more.
    let refused = Instant::now();
    wait_for_used(&daemon, 0);
    assert!(refused.elapsed() < Duration::from_secs(8));
    let whole = photo::bmp_of(1_000_000);
    assert_eq!(other.store("/images/whole.bmp", &whole).code, 226);
    data.finish();
    assert_eq!(one.hear().code, 552);
    daemon.wait_for_rest();
}

#[test]
fn a_refused_sender_hears_the_end_of_tls_only_after_its_own() {
    // Node ends its side as soon as the server ends its own, and takes that for the error; Python waits for it.
    let daemon = Daemon::start([Tenant::named("acme").quota("1MB")]);
    let mut sender = Ftps::log_in(&daemon, Port::Explicit, "hr@acme.example", PASSWORD);
    let mut data = sender.transfer("STOR /images/too-much.bmp");
    data.send(&photo::bmp_of(1_500_000));
    daemon.wait_for_empty_staging();
    assert!(!data.has_heard());
    data.send(&vec![0; 200_000]);
    assert!(!data.has_heard());
    data.try_unwrap().unwrap();
    assert_eq!(sender.hear().code, 552);
}
