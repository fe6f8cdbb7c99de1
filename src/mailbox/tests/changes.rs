//! Names: renames, folders, listings, times.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn an_upload_without_a_byte_leaves_what_there_was_under_its_temporary_name() {
    let place = Place::new();
    let (part, new) = (path("/employees.csv.part"), path("/new.part"));
    let mut upload = place.mailbox.begin(&part, Start::Truncate).unwrap();
    upload.write(b"id\n1").unwrap();
    drop(upload);
    drop(place.mailbox.begin(&part, Start::Truncate).unwrap());
    assert_eq!(place.text("employees.csv.part").unwrap(), "id\n1");
    drop(place.mailbox.begin(&new, Start::Truncate).unwrap());
    assert!(matches!(
        place.mailbox.stat(&new),
        Err(MailboxError::NotFound)
    ));
    assert_eq!(place.mailbox.used_bytes(), 4);

    // An empty file that was sent to its end is one.
    place
        .mailbox
        .begin(&part, Start::Truncate)
        .unwrap()
        .finish()
        .unwrap();
    assert_eq!(place.text("employees.csv.part").unwrap(), "");
    place.used();
}

#[test]
fn a_temporary_file_can_be_cut_to_a_size_and_a_final_one_cannot() {
    let place = Place::new();
    let mut upload = place
        .mailbox
        .begin(&path("/a.part"), Start::Truncate)
        .unwrap();
    upload.write(b"12345").unwrap();
    assert!(matches!(upload.shrink(9), Err(MailboxError::Gaps)));
    upload.shrink(2).unwrap();
    assert_eq!(place.mailbox.used_bytes(), 2);
    upload.write(b"x").unwrap();
    upload.finish().unwrap();
    assert_eq!(place.text("a.part").unwrap(), "12x");
    let mut whole = place
        .mailbox
        .begin(&path("/employees.csv"), Start::Truncate)
        .unwrap();
    whole.write(b"12345").unwrap();
    assert!(matches!(whole.shrink(2), Err(MailboxError::WholeOnly)));
    drop(whole);
    place.used();
}

#[test]
fn a_temporary_name_is_cut_resumed_and_delivered_by_its_rename() {
    let place = Place::new();
    let part = path("/data/employees.csv.part");
    let mut upload = place.mailbox.begin(&part, Start::Truncate).unwrap();
    upload.write(b"id\n").unwrap();
    drop(upload);
    assert_eq!(place.mailbox.stat(&part).unwrap().size_bytes, 3);
    let mut upload = place.mailbox.begin(&part, Start::At(3)).unwrap();
    upload.write(b"1").unwrap();
    drop(upload);
    let mut upload = place.mailbox.begin(&part, Start::Append).unwrap();
    upload.write(b"\n").unwrap();
    assert_eq!(upload.size_bytes(), 5);
    let arrival = upload.finish().unwrap();
    assert_eq!(
        (arrival.placement, arrival.delivery),
        (Placement::Temporary, None)
    );
    assert!(place.spool().is_empty());
    let arrival = place
        .mailbox
        .rename(&part, &path("/data/employees.csv"), Rights::ALL)
        .unwrap();
    assert!(arrival.delivery.is_some());
    assert_eq!(place.spool()[0].1, "id\n1\n");
    assert_eq!(place.used(), 5);
}

#[test]
fn photos_may_lie_in_folders_that_clients_make_below_images() {
    let place = Place::new();
    let mailbox = &place.mailbox;
    mailbox.make_folder(&path("/images/east")).unwrap();
    mailbox.make_folder(&path("/images/east/wing")).unwrap();
    place.upload("/images/east/wing/7.jpg", b"photo").unwrap();
    assert!(matches!(
        place.upload("/images/west/7.jpg", b"photo"),
        Err(MailboxError::NotFound)
    ));
    assert!(matches!(
        place
            .upload("/images/east.part", b"x")
            .and_then(|_| mailbox.rename(
                &path("/images/east.part"),
                &path("/images/east/wing"),
                Rights::ALL
            )),
        Err(MailboxError::Refused(_))
    ));
    mailbox
        .rename(&path("/images/east"), &path("/images/west"), Rights::ALL)
        .unwrap();
    assert_eq!(place.text("images/west/wing/7.jpg").unwrap(), "photo");
    assert_eq!(place.used(), 6);
    assert!(matches!(
        mailbox.rename(&path("/images/west"), &path("/images/west/x"), Rights::ALL),
        Err(MailboxError::Refused(_))
    ));
    assert!(matches!(
        mailbox.remove_folder(&path("/images/west")),
        Err(MailboxError::NotEmpty)
    ));
    mailbox
        .remove_file(&path("/images/west/wing/7.jpg"))
        .unwrap();
    mailbox.remove_folder(&path("/images/west/wing")).unwrap();
    assert_eq!(place.used(), 1);
}

#[test]
fn the_folders_of_a_mailbox_stay() {
    let place = Place::new();
    let mailbox = &place.mailbox;
    for top in ["/", "/data", "/images", "/reports", "/errors"] {
        assert!(mailbox.remove_folder(&path(top)).is_err(), "{top}");
        assert!(
            mailbox
                .rename(&path(top), &path("/images/x"), Rights::ALL)
                .is_err()
        );
        assert!(mailbox.remove_file(&path(top)).is_err());
        assert!(matches!(
            mailbox.make_folder(&path(top)),
            Err(MailboxError::Exists)
        ));
        assert!(place.upload(top, b"x").is_err());
    }
    for other in ["/x", "/data/x", "/errors/x"] {
        assert!(matches!(
            mailbox.make_folder(&path(other)),
            Err(MailboxError::Refused(_))
        ));
    }
}

#[test]
fn files_of_ours_are_deposited_read_and_deleted_and_do_not_count() {
    let place = Place::with_quota(1);
    let mailbox = &place.mailbox;
    let receipt = path("/errors/1.receipt.json");
    mailbox.deposit(&receipt, b"{}").unwrap();
    mailbox.deposit(&receipt, b"{\"a\":1}").unwrap();
    assert_eq!(
        std::io::read_to_string(mailbox.read(&receipt).unwrap().0).unwrap(),
        "{\"a\":1}"
    );
    assert!(mailbox.deposit(&path("/data/x"), b"x").is_err());
    assert!(mailbox.begin(&receipt, Start::Truncate).is_err());
    assert!(
        mailbox
            .rename(&receipt, &path("/employees.csv"), Rights::ALL)
            .is_err()
    );
    assert!(
        mailbox
            .set_modified(&receipt, Timestamp::UNIX_EPOCH)
            .is_err()
    );
    mailbox.remove_file(&receipt).unwrap();
    assert_eq!((place.used(), place.staged()), (0, 0));
}

#[test]
fn a_rename_that_must_not_replace_does_not() {
    let place = Place::new();
    place.upload("/employees.csv", b"old").unwrap();
    place.upload("/employees.csv.part", b"new").unwrap();
    let (part, name) = (path("/employees.csv.part"), path("/employees.csv"));
    assert!(matches!(
        place.mailbox.rename_new(&part, &name, Rights::ALL),
        Err(MailboxError::Exists)
    ));
    place.mailbox.rename(&part, &name, Rights::ALL).unwrap();
    assert_eq!(place.text("employees.csv").unwrap(), "new");
    assert_eq!(place.used(), 3);
}

#[test]
fn a_rename_to_an_ignored_name_does_not_delete_a_data_file() {
    let place = Place::new();
    place.upload("/employees.csv", b"data").unwrap();
    place.upload("/images/7.jpg", b"photo").unwrap();
    std::fs::write(place.on_disk("notes.txt"), "").unwrap();
    for name in ["/employees.csv", "/images/7.jpg", "/notes.txt"] {
        assert!(matches!(
            place
                .mailbox
                .rename(&path(name), &path("/Thumbs.db"), Rights::ALL),
            Err(MailboxError::Refused(_))
        ));
        assert!(place.mailbox.stat(&path(name)).is_ok(), "{name}");
    }
    assert_eq!(place.used(), 9);
}

#[test]
fn a_login_that_may_not_delete_cannot_get_rid_of_a_file_by_two_renames() {
    let place = Place::new();
    let mailbox = &place.mailbox;
    let upload_only = Rights {
        upload: true,
        download: false,
        delete: false,
    };
    let refused = |from: &str, to: &str| {
        let renamed = mailbox.rename(&path(from), &path(to), upload_only);
        assert!(matches!(renamed, Err(MailboxError::Refused(_))), "{from}");
    };
    place.upload("/employees.csv", b"data").unwrap();
    place.upload("/images/7.jpg", b"photo").unwrap();
    place.upload("/images/8.jpg", b"other photo").unwrap();
    std::fs::write(place.on_disk("notes.txt"), "").unwrap();
    for name in ["/employees.csv", "/images/7.jpg", "/notes.txt"] {
        refused(name, "/away.part");
        refused(name, "/Thumbs.db");
    }
    refused("/images/8.jpg", "/images/7.jpg");

    // It sends under a temporary name, replaces, and names a photo anew, as before.
    let may = |from: &str, to: &str| mailbox.rename(&path(from), &path(to), upload_only).unwrap();
    place.upload("/images/new.part", b"new").unwrap();
    may("/images/new.part", "/images/7.jpg");
    may("/images/8.jpg", "/images/9.jpg");
    place.upload("/images/Thumbs.db.part", b"junk").unwrap();
    may("/images/Thumbs.db.part", "/images/Thumbs.db");
    assert_eq!(place.text("images/7.jpg").unwrap(), "new");
    assert_eq!(place.text("images/9.jpg").unwrap(), "other photo");
    assert_eq!(place.used(), 4 + 3 + 11);
}

#[test]
fn a_file_that_is_being_replaced_is_not_renamed_away() {
    let place = Place::with_quota(15);
    place.upload("/images/a.jpg", &[0; 10]).unwrap();
    let mut upload = place
        .mailbox
        .begin(&path("/images/a.jpg"), Start::Truncate)
        .unwrap();
    upload.write(&[0; 15]).unwrap();
    assert!(matches!(
        place
            .mailbox
            .rename(&path("/images/a.jpg"), &path("/images/b.jpg"), Rights::ALL),
        Err(MailboxError::Busy)
    ));
}

#[test]
fn times_can_be_set_and_are_those_that_are_listed_r0_26() {
    let place = Place::new();
    let then = Timestamp::from_nanosecond(1_234_567_890_123_456_789).unwrap();
    let mut upload = place
        .mailbox
        .begin(&path("/employees.csv"), Start::Truncate)
        .unwrap();
    upload.write(b"x").unwrap();
    upload.set_modified(then);
    upload.finish().unwrap();
    let modified = |name: &str| place.mailbox.stat(&path(name)).unwrap().modified;
    assert_eq!(modified("/employees.csv"), then);
    let before_1970 = Timestamp::from_nanosecond(-1_500_000_000).unwrap();
    place
        .mailbox
        .set_modified(&path("/employees.csv"), before_1970)
        .unwrap();
    assert_eq!(modified("/employees.csv"), before_1970);
}

#[test]
fn a_listing_is_by_name_and_shows_files_and_folders_that_can_be_named() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    std::fs::write(place.on_disk("b"), "x").unwrap();
    std::fs::write(place.on_disk("A"), "x").unwrap();
    symlink("b", place.on_disk("link")).unwrap();
    let root = place.on_disk("");
    std::fs::write(root.join(OsStr::from_bytes(b"\xff")), "x").unwrap();
    std::fs::write(root.join("e\u{301}"), "x").unwrap();
    std::fs::write(root.join("back\\slash"), "x").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    let entries = place.mailbox.list(&path("/")).unwrap();
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["A", "b", "data", "errors", "images", "reports"]);
    assert!(matches!(
        place.mailbox.list(&path("/b")),
        Err(MailboxError::NotFolder)
    ));
    assert!(matches!(
        place.mailbox.read(&path("/socket")),
        Err(MailboxError::NotFound)
    ));
}
