//! What a crash or a restore leaves behind is delivered once, in order.

use super::*;
use crate::mailbox::{Fault, with_fault};
use crate::tenant::Rights;

#[tokio::test]
async fn what_a_crash_left_half_done_is_done_once_after_the_restart() {
    let mut desk = Desk::new().await;
    desk.place.upload("/employees.csv", b"whole").unwrap();
    let spooled = desk.place.mailbox.spooled().unwrap().remove(0);
    let layout = desk.place.mailbox.layout().clone();
    // Died while copying.
    std::fs::write(layout.archive.join(spooled.delivery.as_str()), "who").unwrap();
    desk.restart();
    desk.pass(0).await;
    assert_eq!(desk.archived().await, ["whole"]);
    // Died before emptying the spool; and someone wrote into the file since.
    let name = format!("{}.\\employees.csv", spooled.delivery);
    std::fs::hard_link(desk.place.on_disk("employees.csv"), layout.spool.join(name)).unwrap();
    desk.write("employees.csv", "local");
    desk.restart();
    desk.settle().await;
    assert_eq!(desk.archived().await, ["whole", "local"]);
}

/// Takes up yesterday's file, lets today's come until the step `at`, crashes once more at each step of the recovery, and says what was delivered.
/// None: there are not so many steps.
async fn crash_between_spool_and_rename(part: Option<&str>, at: u32) -> Option<Vec<String>> {
    let mut again = 0;
    loop {
        let mut desk = Desk::new().await;
        desk.place.upload("/employees.csv", b"yesterday").unwrap();
        desk.settle().await;
        if let Some(part) = part {
            desk.place.upload(part, b"today").unwrap();
        }
        let (arrival, hit) = with_fault(Fault::Crash(at), || match part {
            Some(part) => {
                desk.place
                    .mailbox
                    .rename(&path(part), &path("/employees.csv"), Rights::ALL)
            }
            None => desk.place.upload("/employees.csv", b"today"),
        });
        if !hit {
            assert!(arrival.is_ok());
            return None;
        }
        desk.restart();
        let mailbox = &desk.place.mailbox;
        let ((), hit) = with_fault(Fault::Crash(again), || {
            for spooled in mailbox.spooled().unwrap() {
                drop(mailbox.finish_rename(&spooled, |file, _| {
                    Ok(std::io::read_to_string(file)? == "yesterday")
                }));
            }
        });
        desk.restart();
        desk.settle().await;
        desk.restart();
        desk.settle().await;
        let archived = desk.archived().await;
        assert_eq!(desk.place.text("employees.csv"), archived.last().cloned());
        let is_delivered = archived.len() > 1;
        let left = part.and_then(|part| desk.place.text(&part[1..]));
        assert_eq!(left.is_none(), part.is_none() || is_delivered);
        if !hit {
            return Some(archived);
        }
        again += 1;
    }
}

#[tokio::test]
async fn a_crash_between_spool_and_rename_does_not_deliver_the_file_of_yesterday_after_that_of_today()
 {
    for part in [None, Some("/employees.csv.part")] {
        let mut delivered = 0;
        for at in 0.. {
            let Some(archived) = crash_between_spool_and_rename(part, at).await else {
                break;
            };
            if archived.len() > 1 {
                assert_eq!(archived, ["yesterday", "today"], "at step {at}");
                delivered += 1;
            } else {
                assert_eq!(archived, ["yesterday"], "at step {at}");
            }
        }
        assert!(delivered >= 3, "the link was followed by {delivered} steps");
    }
}

#[tokio::test]
async fn a_local_file_that_came_after_a_crash_between_spool_and_rename_is_an_arrival_of_its_own() {
    let mut desk = Desk::new().await;
    desk.place.upload("/employees.csv", b"yesterday").unwrap();
    desk.settle().await;
    // The link into the spool is the third step: create, fsync, link.
    let (_, hit) = with_fault(Fault::Crash(3), || {
        desk.place.upload("/employees.csv", b"today")
    });
    assert!(hit);
    assert_eq!(desk.place.spool().len(), 1);
    desk.write("local", "local");
    std::fs::rename(
        desk.place.on_disk("local"),
        desk.place.on_disk("employees.csv"),
    )
    .unwrap();
    desk.restart();
    desk.settle().await;
    assert_eq!(desk.archived().await, ["yesterday", "today", "local"]);
    assert_eq!(desk.place.text("employees.csv").unwrap(), "local");
}

#[tokio::test]
async fn two_crashes_between_spool_and_rename_deliver_each_file_once() {
    let mut desk = Desk::new().await;
    desk.place.upload("/employees.csv", b"yesterday").unwrap();
    desk.settle().await;
    for text in ["today", "today again"] {
        let (_, hit) = with_fault(Fault::Crash(3), || {
            desk.place.upload("/employees.csv", text.as_bytes())
        });
        assert!(hit);
        desk.place.restart();
    }
    desk.restart();
    desk.settle().await;
    assert_eq!(desk.archived().await, ["yesterday", "today", "today again"]);
    assert_eq!(desk.place.text("employees.csv").unwrap(), "today again");
}

#[tokio::test]
async fn a_state_folder_that_was_restored_from_a_backup_delivers_nothing_again() {
    let mut desk = Desk::new().await;
    desk.place.upload("/employees.csv", b"upload").unwrap();
    desk.place.upload("/images/7.png", PNG).unwrap();
    desk.settle().await;
    desk.write("data/employees.csv", "local");
    desk.settle().await;
    // As after `cp -a`: the same times, other inodes.
    let copy_over = |desk: &Desk, name: &str, text: &[u8]| {
        let (there, copy) = (desk.place.on_disk(name), desk.place.on_disk("copy"));
        let modified = std::fs::metadata(&there).unwrap().modified().unwrap();
        std::fs::write(&copy, text).unwrap();
        let file = std::fs::File::options().append(true).open(&copy).unwrap();
        file.set_modified(modified).unwrap();
        std::fs::rename(copy, there).unwrap();
    };
    copy_over(&desk, "employees.csv", b"upload");
    copy_over(&desk, "data/employees.csv", b"local");
    copy_over(&desk, "images/7.png", PNG);
    let inode = |seen: Option<Seen>| seen.unwrap().fingerprint.inode;
    let before = inode(desk.seen("/images/7.png").await);
    for _ in 0..2 {
        desk.restart();
        desk.settle().await;
        assert_eq!(desk.archived().await, ["upload", "local"]);
    }
    assert_ne!(
        inode(desk.seen("/images/7.png").await),
        before,
        "it is noted"
    );
    // The same size and time say nothing when the bytes are others.
    copy_over(&desk, "data/employees.csv", b"LOCAL");
    desk.settle().await;
    assert_eq!(desk.archived().await, ["upload", "local", "LOCAL"]);
}
