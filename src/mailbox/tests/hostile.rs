//! What goes wrong: faults, symbolic links, parallel uploads, local changes.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn a_fault_at_any_step_of_an_upload_leaves_the_old_state_or_a_complete_arrival() {
    let mut faults = 0;
    for at in 0.. {
        let mut came = false;
        for fault in [Fault::Error(at), Fault::Crash(at)] {
            for old in [None, Some("old")] {
                let mut place = Place::new();
                if let Some(old) = old {
                    place.upload("/employees.csv", old.as_bytes()).unwrap();
                }
                let before = place.spool().len();
                let (outcome, hit) = with_fault(fault, || place.upload("/employees.csv", b"new"));
                came |= hit;
                let what = format!("{fault:?} with {old:?}");
                if matches!(fault, Fault::Error(_)) && outcome.is_err() {
                    assert_eq!(place.text("employees.csv").as_deref(), old, "{what}");
                    assert_eq!(place.spool().len(), before, "{what}");
                    assert_eq!(place.used(), old.map_or(0, |_| 3), "{what}");
                }
                place.restart();
                let after = place.spool();
                let text = place.text("employees.csv");
                assert!(
                    text.as_deref() == old || text.as_deref() == Some("new"),
                    "{what}"
                );
                if outcome.is_ok() || text.as_deref() == Some("new") {
                    assert_eq!(after.last().unwrap().1, "new", "{what}");
                }
                if let Some((_, text)) = after.get(before) {
                    assert_eq!(text, "new", "{what}");
                }
                assert_eq!(place.staged(), 0, "{what}");
                place.used();
            }
        }
        if !came {
            break;
        }
        faults += 1;
    }
    assert!(faults >= 7, "only {faults} steps can fail");
}

#[test]
fn a_fault_at_any_step_of_a_rename_leaves_the_old_state_or_a_complete_arrival() {
    for at in 0.. {
        let mut came = false;
        for fault in [Fault::Error(at), Fault::Crash(at)] {
            let mut place = Place::new();
            place.upload("/data/employees.csv", b"old").unwrap();
            place.upload("/data/employees.csv.part", b"new").unwrap();
            let (outcome, hit) = with_fault(fault, || {
                place.mailbox.rename(
                    &path("/data/employees.csv.part"),
                    &path("/data/employees.csv"),
                    Rights::ALL,
                )
            });
            came |= hit;
            if matches!(fault, Fault::Error(_)) && outcome.is_err() {
                assert_eq!(place.text("data/employees.csv").unwrap(), "old");
                assert_eq!(place.text("data/employees.csv.part").unwrap(), "new");
                assert_eq!((place.spool().len(), place.used()), (1, 6));
            }
            place.restart();
            let text = place.text("data/employees.csv").unwrap();
            assert!(outcome.is_err() || text == "new", "{fault:?}");
            if text == "new" {
                assert_eq!(place.spool().last().unwrap().1, "new", "{fault:?}");
            } else {
                assert_eq!(place.text("data/employees.csv.part").unwrap(), "new");
            }
        }
        if !came {
            break;
        }
    }
}

#[test]
fn a_first_file_that_a_crash_left_without_its_name_has_it_after_the_next_start() {
    for temporary in [None, Some("/data/employees.csv.part")] {
        let mut named = 0;
        for at in 0.. {
            let mut place = Place::new();
            let last = path("/data/employees.csv");
            let (outcome, came) = if let Some(temporary) = temporary {
                place.upload(temporary, b"new").unwrap();
                with_fault(Fault::Crash(at), || {
                    place.mailbox.rename(&path(temporary), &last, Rights::ALL)
                })
            } else {
                with_fault(Fault::Crash(at), || {
                    place.upload("/data/employees.csv", b"new")
                })
            };
            place.restart();
            let has_arrived = !place.spool().is_empty();
            let text = place.text("data/employees.csv");
            assert_eq!(text.is_some(), has_arrived, "at step {at} of {temporary:?}");
            named += u32::from(has_arrived && outcome.is_err());
            let lying = temporary.is_some() && !has_arrived;
            assert_eq!(place.used() > 0, has_arrived || lying);
            if !came {
                break;
            }
        }
        assert!(named > 0, "no crash came between spool and name");
    }
}

#[test]
fn a_file_that_its_sender_has_removed_does_not_come_back_with_the_next_start() {
    let mut place = Place::new();
    place.upload("/data/employees.csv", b"new").unwrap();
    place
        .mailbox
        .remove_file(&path("/data/employees.csv"))
        .unwrap();
    place.restart();
    assert_eq!(place.text("data/employees.csv"), None);
    assert_eq!(place.spool().len(), 1, "it was delivered all the same");
}

#[test]
fn an_arrival_is_not_seen_in_the_spool_before_it_has_its_name() {
    let place = Place::new();
    let number = |text: &str| text.parse::<u32>().unwrap();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            for round in 0..200 {
                let text = round.to_string();
                place.upload("/employees.csv", text.as_bytes()).unwrap();
            }
        });
        while !sender.is_finished() {
            if let Some(last) = place.mailbox.spooled().unwrap().last() {
                let (file, _) = place.mailbox.read_spooled(last).unwrap();
                let spooled = number(&std::io::read_to_string(file).unwrap());
                let lying = number(&place.text("employees.csv").unwrap());
                assert!(lying >= spooled, "{spooled} is spooled, {lying} lies there");
                place.mailbox.unspool(last).unwrap();
            }
        }
    });
}

#[test]
fn the_quota_holds_under_parallel_uploads_renames_and_removals() {
    let quota = 20_000;
    let place = Place::with_quota(quota);
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let mailbox = &place.mailbox;
            scope.spawn(move || {
                for round in 0..40 {
                    let photo = path(&format!("/images/{}.jpg", (thread + round) % 5));
                    let part = path(&format!("/images/{}.part", (thread * round) % 3));
                    let to = if round % 3 == 0 { &part } else { &photo };
                    if let Ok(mut upload) = mailbox.begin(to, Start::Truncate) {
                        let size =
                            usize::try_from(1 + (thread * 997 + round * 131) % 3000).unwrap();
                        let sent = (0..4).all(|_| upload.write(&vec![7; size]).is_ok());
                        assert!(mailbox.used_bytes() <= quota);
                        if sent && round % 4 != 0 {
                            drop(upload.finish());
                        }
                    }
                    match round % 7 {
                        0 => drop(mailbox.rename(&part, &photo, Rights::ALL)),
                        1 => drop(mailbox.remove_file(&photo)),
                        2 => drop(mailbox.rescan()),
                        _ => {}
                    }
                    assert!(mailbox.used_bytes() <= quota);
                }
            });
        }
    });
    assert_eq!(place.staged(), 0);
    place.used();
}

#[test]
fn local_changes_are_counted_by_a_rescan_while_uploads_run() {
    let place = Place::with_quota(100);
    let mut staged = place
        .mailbox
        .begin(&path("/employees.csv"), Start::Truncate)
        .unwrap();
    staged.write(&[1; 10]).unwrap();
    let mut part = place
        .mailbox
        .begin(&path("/a.part"), Start::Truncate)
        .unwrap();
    part.write(&[1; 10]).unwrap();
    std::fs::write(place.on_disk("local.txt"), [0; 30]).unwrap();
    std::fs::write(place.on_disk("reports/r.csv"), [0; 30]).unwrap();
    std::fs::create_dir(place.on_disk("Folder with a dot.")).unwrap();
    std::fs::write(place.on_disk("Folder with a dot./x"), [0; 5]).unwrap();
    place.mailbox.rescan().unwrap();
    assert_eq!(place.mailbox.used_bytes(), 55);
    part.finish().unwrap();
    staged.finish().unwrap();
    assert_eq!(place.used(), 55);
}

#[test]
fn nothing_is_reached_or_written_through_a_symbolic_link() {
    let place = Place::new();
    let mailbox = &place.mailbox;
    let outside = place.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("7.jpg"), "secret").unwrap();
    symlink(&outside, place.on_disk("images/out")).unwrap();
    symlink(outside.join("7.jpg"), place.on_disk("images/7.jpg")).unwrap();
    symlink(outside.join("7.jpg"), place.on_disk("images/7.part")).unwrap();
    symlink("../../../..", place.on_disk("images/up")).unwrap();
    let not_found = |outcome: Result<(), MailboxError>| {
        assert!(
            matches!(outcome, Err(MailboxError::NotFound)),
            "{outcome:?}"
        );
    };
    not_found(mailbox.list(&path("/images/out")).map(drop));
    not_found(mailbox.read(&path("/images/out/7.jpg")).map(drop));
    not_found(mailbox.read(&path("/images/7.jpg")).map(drop));
    not_found(mailbox.stat(&path("/images/7.jpg")).map(drop));
    not_found(mailbox.stat(&path("/images/up/state")).map(drop));
    not_found(mailbox.remove_file(&path("/images/out/7.jpg")));
    not_found(mailbox.remove_file(&path("/images/7.jpg")));
    not_found(mailbox.make_folder(&path("/images/out/x")));
    not_found(place.upload("/images/out/8.jpg", b"x").map(drop));
    not_found(place.upload("/images/7.part", b"x").map(drop));
    not_found(mailbox.set_modified(&path("/images/7.jpg"), Timestamp::UNIX_EPOCH));
    not_found(
        mailbox
            .rename(&path("/images/7.jpg"), &path("/images/8.jpg"), Rights::ALL)
            .map(drop),
    );
    place.upload("/images/7.jpg", b"photo").unwrap();
    assert_eq!(place.text("images/7.jpg").unwrap(), "photo");
    assert_eq!(
        std::fs::read_to_string(outside.join("7.jpg")).unwrap(),
        "secret"
    );
    assert_eq!(place.mailbox.spooled().unwrap().len(), 1);
}

#[test]
fn what_an_earlier_run_left_in_staging_is_cleared_at_the_start_only() {
    let mut place = Place::new();
    let upload = place
        .mailbox
        .begin(&path("/employees.csv"), Start::Truncate)
        .unwrap();
    Mailboxes::attach(settings(place.dir.path(), 1), Arc::new(SystemClock)).unwrap();
    assert_eq!(place.staged(), 1);
    std::mem::forget(upload);
    place.restart();
    assert_eq!(place.staged(), 0);
}

#[test]
fn a_mailbox_that_cannot_be_opened_names_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Mailboxes::open(settings(dir.path(), 1), Arc::new(SystemClock));
    drop(open().unwrap());
    let images = dir.path().join("mailboxes/acme/sandbox/images");
    std::fs::remove_dir(&images).unwrap();
    symlink(dir.path(), &images).unwrap();
    assert_eq!(open().unwrap_err().path, images);
    std::fs::remove_file(&images).unwrap();
    let staging = dir.path().join("staging/acme");
    std::fs::remove_dir_all(&staging).unwrap();
    std::fs::write(&staging, "").unwrap();
    let error = open().unwrap_err();
    assert!(error.path.starts_with(&staging), "{error}");
}
