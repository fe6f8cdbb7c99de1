//! Uploads: whole, counted, cut, resumed.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn a_finished_upload_is_there_in_the_spool_and_counted() {
    let place = Place::new();
    let arrival = place.upload("/data/employees.csv", b"id\n1\n").unwrap();
    assert_eq!(arrival.size_bytes, 5);
    assert_eq!(
        arrival.placement,
        Placement::Data {
            source: "employees".to_owned()
        }
    );
    assert_eq!(place.text("data/employees.csv").unwrap(), "id\n1\n");
    assert_eq!(
        place.spool(),
        [("/data/employees.csv".to_owned(), "id\n1\n".to_owned())]
    );
    assert_eq!(
        place.mailbox.spooled().unwrap()[0].delivery,
        arrival.delivery.unwrap()
    );
    assert_eq!((place.used(), place.staged()), (5, 0));
    let mode = std::fs::metadata(place.on_disk("data/employees.csv"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[test]
fn an_upload_that_is_given_up_leaves_the_old_file_and_nothing_else() {
    let place = Place::new();
    place.upload("/employees.csv", b"old").unwrap();
    let mut upload = place
        .mailbox
        .begin(&path("/employees.csv"), Start::Truncate)
        .unwrap();
    upload.write(b"half of the n").unwrap();
    assert_eq!(place.mailbox.list(&path("/")).unwrap().len(), 5);
    assert_eq!(place.mailbox.used_bytes(), 13);
    drop(upload);
    assert_eq!(place.text("employees.csv").unwrap(), "old");
    assert_eq!(place.spool().len(), 1);
    assert_eq!((place.used(), place.staged()), (3, 0));
}

#[test]
fn what_is_cut_with_gaps_keeps_only_what_came_without_one() {
    let place = Place::new();
    let part = path("/a.part");
    let mut upload = place.mailbox.begin(&part, Start::Truncate).unwrap();
    upload.write_at(0, b"0123").unwrap();
    upload.write_at(8, b"89").unwrap();
    assert_eq!(upload.size_bytes(), 10);
    drop(upload);
    assert_eq!(place.text("a.part").unwrap(), "0123");
    assert_eq!(place.used(), 4);
    assert!(matches!(
        place.mailbox.begin(&part, Start::At(5)),
        Err(MailboxError::Gaps)
    ));
}

#[test]
fn writes_out_of_order_make_a_whole_file_and_a_gap_does_not() {
    let place = Place::new();
    let mut upload = place
        .mailbox
        .begin(&path("/employees.csv"), Start::Truncate)
        .unwrap();
    upload.write_at(4, b"5678").unwrap();
    upload.write_at(0, b"1234").unwrap();
    upload.finish().unwrap();
    assert_eq!(place.text("employees.csv").unwrap(), "12345678");
    let mut upload = place
        .mailbox
        .begin(&path("/employees.csv"), Start::Truncate)
        .unwrap();
    upload.write_at(4, b"5678").unwrap();
    assert!(matches!(upload.finish(), Err(MailboxError::Gaps)));
    assert_eq!(place.text("employees.csv").unwrap(), "12345678");
}

#[test]
fn a_client_that_comes_back_takes_its_temporary_name_over() {
    let place = Place::new();
    let part = path("/employees.csv.part");
    let mut stale = place.mailbox.begin(&part, Start::Truncate).unwrap();
    stale.write(b"id").unwrap();
    let mut fresh = place.mailbox.begin(&part, Start::Append).unwrap();
    fresh.write(b"\n1").unwrap();
    assert!(matches!(stale.write(b"XX"), Err(MailboxError::Busy)));
    assert!(matches!(
        place
            .mailbox
            .rename(&part, &path("/employees.csv"), Rights::ALL),
        Err(MailboxError::Busy)
    ));
    drop(stale);
    fresh.write(b"\n").unwrap();
    fresh.finish().unwrap();
    place
        .mailbox
        .rename(&part, &path("/employees.csv"), Rights::ALL)
        .unwrap();
    assert_eq!(place.text("employees.csv").unwrap(), "id\n1\n");
    place.used();
}

#[test]
fn a_delivery_that_waits_cannot_be_written_through_another_name() {
    let place = Place::new();
    place.upload("/employees.csv", b"whole").unwrap();
    let part = path("/employees.csv.part");
    place
        .mailbox
        .rename(&path("/employees.csv"), &part, Rights::ALL)
        .unwrap();
    assert!(matches!(
        place.mailbox.begin(&part, Start::Append),
        Err(MailboxError::Busy)
    ));
    place.upload("/employees.csv.part", b"x").unwrap();
    assert_eq!(place.spool()[0].1, "whole");
    assert_eq!(place.used(), 1);
}

#[test]
fn a_final_name_takes_whole_uploads_only() {
    let place = Place::new();
    for start in [Start::At(0), Start::At(3), Start::Append] {
        for name in ["/employees.csv", "/images/7.jpg"] {
            assert!(matches!(
                place.mailbox.begin(&path(name), start),
                Err(MailboxError::WholeOnly)
            ));
        }
    }
}

#[test]
fn an_ignored_name_is_taken_and_thrown_away() {
    let place = Place::new();
    let arrival = place.upload("/images/Thumbs.db", b"junk").unwrap();
    assert_eq!(
        (arrival.placement, arrival.delivery, arrival.size_bytes),
        (Placement::Ignored, None, 4)
    );
    assert!(place.mailbox.list(&path("/images")).unwrap().is_empty());
    place.upload("/images/a.part", b"junk").unwrap();
    place
        .mailbox
        .rename(
            &path("/images/a.part"),
            &path("/images/.DS_Store"),
            Rights::ALL,
        )
        .unwrap();
    assert!(place.mailbox.list(&path("/images")).unwrap().is_empty());
    assert_eq!((place.used(), place.spool().len()), (0, 0));
}

#[test]
fn over_quota_the_upload_ends_with_the_free_bytes_and_leaves_nothing_r0_11() {
    let place = Place::with_quota(10);
    place.upload("/employees.csv", b"12345678").unwrap();
    let refused = place.upload("/images/7.jpg", b"123").unwrap_err();
    assert_eq!(refused.to_string(), "Over quota: 2 bytes free");
    assert!(
        place.upload("/employees.csv", b"1234567890").is_ok(),
        "a replacement needs room only for what it has more"
    );
    let mut upload = place
        .mailbox
        .begin(&path("/employees.csv"), Start::Truncate)
        .unwrap();
    upload.write(b"123").unwrap();
    assert!(upload.write(b"456789012").is_err());
    assert!(
        upload.write(b"4567").is_ok(),
        "there is room for less, but the file is broken"
    );
    assert!(matches!(upload.finish(), Err(MailboxError::Gaps)));
    assert_eq!(place.text("employees.csv").unwrap(), "1234567890");
    place.mailbox.remove_file(&path("/employees.csv")).unwrap();
    assert_eq!((place.used(), place.staged()), (0, 0));
}

#[test]
fn a_part_that_ran_into_the_quota_does_not_eat_the_quota_until_retention() {
    let place = Place::with_quota(10);
    let part = path("/a.part");
    let mut upload = place.mailbox.begin(&part, Start::Truncate).unwrap();
    upload.write(b"12345678").unwrap();
    assert_eq!(place.mailbox.used_bytes(), 8);
    assert!(matches!(
        upload.write(b"901"),
        Err(MailboxError::OverQuota { free_bytes: 2 })
    ));
    drop(upload);
    assert_eq!((place.text("a.part"), place.used()), (None, 0));

    // A part that a broken connection left is still there to be resumed when the rest does not fit.
    place.upload("/a.part", b"1234").unwrap();
    for (start, rest) in [(Start::At(4), &b"5678901"[..]), (Start::Append, b"5678901")] {
        let mut upload = place.mailbox.begin(&part, start).unwrap();
        upload.write(b"5").unwrap();
        assert!(upload.write(rest).is_err());
        drop(upload);
        assert_eq!(place.text("a.part").unwrap(), "1234");
        assert_eq!(place.used(), 4);
    }
}

#[test]
fn a_part_whose_fsync_failed_is_not_there_to_be_resumed() {
    let place = Place::new();
    let part = path("/a.part");
    let mut upload = place.mailbox.begin(&part, Start::Truncate).unwrap();
    upload.write(b"1234").unwrap();
    let (finished, hit) = with_fault(Fault::Error(0), || upload.finish());
    assert!(hit && matches!(finished, Err(MailboxError::Io(_))));
    assert_eq!((place.text("a.part"), place.used()), (None, 0));
}

#[test]
fn an_upload_over_a_final_name_counts_when_nothing_of_the_old_file_would_be_left() {
    let place = Place::new();
    let name = path("/employees.csv");
    let over = || place.mailbox.begin(&name, Start::Over).unwrap();
    place.upload("/employees.csv", b"12345").unwrap();

    let mut shorter = over();
    shorter.write(b"abc").unwrap();
    assert!(matches!(shorter.finish(), Err(MailboxError::WholeOnly)));
    let mut resumed = over();
    assert!(matches!(
        resumed.write_at(3, b"de"),
        Err(MailboxError::WholeOnly)
    ));
    drop(resumed);
    let mut changed_his_mind = over();
    changed_his_mind.write(b"a").unwrap();
    changed_his_mind.confirm_size();
    changed_his_mind.write_at(2, b"c").unwrap();
    assert!(matches!(changed_his_mind.finish(), Err(MailboxError::Gaps)));
    drop(over());
    assert_eq!(place.text("employees.csv").unwrap(), "12345");

    let mut as_long = over();
    as_long.write(b"abcde").unwrap();
    as_long.finish().unwrap();
    assert_eq!(place.text("employees.csv").unwrap(), "abcde");
    let mut cut_off = over();
    cut_off.write(b"xyz").unwrap();
    cut_off.confirm_size();
    cut_off.finish().unwrap();
    assert_eq!(place.text("employees.csv").unwrap(), "xyz");
    assert_eq!((place.used(), place.staged()), (3, 0));
}

#[test]
fn a_file_over_the_size_limit_is_refused_as_it_arrives() {
    let place = Place::new();
    let mut upload = place
        .mailbox
        .begin(&path("/employees.csv"), Start::Truncate)
        .unwrap();
    for (offset, length) in [(FILE_SIZE_LIMIT, 1), (u64::MAX, 1), (1, 100_000)] {
        assert!(matches!(
            upload.write_at(offset, &vec![0; length]),
            Err(MailboxError::TooLarge {
                limit_bytes: FILE_SIZE_LIMIT
            })
        ));
    }
}
