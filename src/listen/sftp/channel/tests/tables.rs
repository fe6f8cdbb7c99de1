//! Tables: every combination of flags, every request with every unfit name, every kind of attribute, and handles in the wrong hands.

use std::sync::Arc;

use bytes::Buf as _;
use tokio::sync::mpsc;

use super::{
    APPEND, BAD_MESSAGE, CREATE, Channel, Client, EOF, EXCLUSIVE, FAILURE, NO_SUCH_FILE, OK,
    OP_UNSUPPORTED, PERMISSION_DENIED, READ, REPLACE, TRUNCATE, WRITE, string, write,
};
use crate::tenant::Rights;

#[tokio::test]
async fn every_combination_of_open_flags_has_its_answer() {
    for flags in 0..64 {
        let mut client = Client::new(Rights::ALL).await;
        for name in ["/images/there.jpg", "/images/there.part"] {
            client.put(name, b"12345").await;
        }
        let has = |flag| flags & flag != 0;
        for (name, is_there, is_final) in [
            ("/images/there.jpg", true, true),
            ("/images/there.part", true, false),
            ("/images/new.jpg", false, true),
            ("/images/new.part", false, false),
        ] {
            let refusal = if !has(WRITE) {
                if has(CREATE | TRUNCATE | EXCLUSIVE) {
                    Some(FAILURE)
                } else {
                    (!is_there).then_some(NO_SUCH_FILE)
                }
            } else if !is_there {
                (!has(CREATE)).then_some(NO_SUCH_FILE)
            } else if has(EXCLUSIVE) {
                Some(FAILURE)
            } else {
                let is_whole = has(TRUNCATE) || (has(CREATE) && !has(READ | APPEND));
                (is_final && !is_whole).then_some(FAILURE)
            };
            let opened = client.open(name, flags).await;
            match refusal {
                Some(code) => assert_eq!(opened.code(), code, "{flags:#x} {name}"),
                None => drop(opened.handle()),
            }
        }
        assert_eq!(client.content("/images/there.jpg"), b"12345", "{flags:#x}");
    }
}

#[tokio::test]
async fn names_go_through_the_one_normaliser_in_every_request() {
    let mut client = Client::new(Rights::ALL).await;
    client.put("/images/caf\u{e9}.jpg", b"x").await;
    let there = string("/images/caf\u{e9}.jpg".as_bytes());
    for name in [
        &b"/images/a\0.jpg"[..],
        b"/images/\xff.jpg",
        b"/images/a.jpg.",
        b"/images/a.jpg ",
        b"/images/a\\b.jpg",
        b"/images/a\nb.jpg",
        "/images/a\u{2028}.jpg".as_bytes(),
        &[b"/images/", &[b'a'; 201][..]].concat(),
    ] {
        let path = string(name);
        let shown = String::from_utf8_lossy(name);
        for (kind, fields) in [
            (3, [&path[..], &REPLACE.to_be_bytes(), &[0; 4]].concat()),
            (3, [&path[..], &READ.to_be_bytes(), &[0; 4]].concat()),
            (7, path.clone()),
            (9, [&path[..], &[0; 4]].concat()),
            (11, path.clone()),
            (13, path.clone()),
            (14, [&path[..], &[0; 4]].concat()),
            (15, path.clone()),
            (16, path.clone()),
            (17, path.clone()),
            (18, [&path[..], &there].concat()),
            (18, [&there[..], &path].concat()),
        ] {
            let (code, message) = client.ask(kind, &[&fields]).await.status();
            assert_eq!(code, PERMISSION_DENIED, "{kind} {shown}");
            assert!(message.starts_with("Names "), "{kind} {shown}: {message}");
        }
    }
    for name in [
        "images//caf\u{e9}.jpg",
        "/images/./caf\u{e9}.jpg",
        "/../../images/caf\u{e9}.jpg",
        "/reports/../images/caf\u{e9}.jpg",
        "/images/cafe\u{301}.jpg",
    ] {
        let found = client.ask(17, &[&string(name.as_bytes())]).await;
        assert_eq!(found.kind, 105, "{name}");
    }
}

#[tokio::test]
async fn ten_thousand_photos_are_listed_in_order_and_in_small_packets() {
    let mut client = Client::new(Rights::ALL).await;
    let images = client.mailbox.layout().mailbox.join("images");
    for photo in 0..10_000 {
        std::fs::write(images.join(format!("{photo:05}.jpg")), b"").unwrap();
    }
    let folder = client.ask(11, &[&string(b"/images")]).await.handle();
    let mut names = Vec::new();
    loop {
        let mut listed = client.ask(12, &[&string(&folder)]).await;
        if listed.kind == 101 {
            assert_eq!(listed.code(), EOF);
            break;
        }
        assert!(listed.fields.len() < 34_000, "{}", listed.fields.len());
        for _ in 0..listed.fields.get_u32() {
            let [name, long] = [(); 2].map(|()| {
                let length = usize::try_from(listed.fields.get_u32()).unwrap();
                listed.fields.split_to(length)
            });
            assert!(long.starts_with(b"-rw-r--r--    1 ") && long.ends_with(&name));
            listed.fields.advance(4 + 8 + 4 + 8);
            names.push(name);
        }
    }
    let expected: Vec<String> = (0..10_000).map(|photo| format!("{photo:05}.jpg")).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_handle_means_nothing_on_another_channel_and_is_closed_once() {
    let mut client = Client::new(Rights::ALL).await;
    let handle = client.open("/images/a.jpg", REPLACE).await.handle();
    let (queue, reads) = mpsc::channel(2);
    let other = Channel::new(
        Arc::clone(&client.channel.account),
        Arc::clone(&client.pulse),
        queue,
    );
    let first = std::mem::replace(&mut client.channel, other);
    client.send(&string(&[1, 0, 0, 0, 3])).await;
    let stranger = client.send(&write(1, &handle, 0, b"x")).await;
    assert_eq!(stranger[0].code(), FAILURE);
    for kind in [4, 8, 12] {
        let refused = client.ask(kind, &[&string(&handle)]).await;
        assert_eq!(refused.code(), FAILURE, "{kind}");
    }
    drop(reads);
    client.channel = first;
    assert_eq!(client.close(&handle).await.0, OK);
    assert_eq!(client.close(&handle).await.0, FAILURE);
    let late = client.send(&write(1, &handle, 0, b"x")).await;
    assert_eq!(late[0].code(), FAILURE);
}

#[tokio::test]
async fn two_uploads_to_one_final_name_are_both_whole_and_the_last_one_stays() {
    let mut client = Client::new(Rights::ALL).await;
    let one = client.open("/images/a.jpg", REPLACE).await.handle();
    let other = client.open("/images/a.jpg", REPLACE).await.handle();
    client.send(&write(1, &one, 0, b"first")).await;
    client.send(&write(2, &other, 0, b"second")).await;
    for (handle, content) in [(other, &b"second"[..]), (one, b"first")] {
        let (code, message) = client.close(&handle).await;
        assert_eq!(code, OK, "{message}");
        assert_eq!(client.content("/images/a.jpg"), content);
    }

    // Under a temporary name, whoever comes later has it.
    let one = client.open("/images/a.part", REPLACE).await.handle();
    let other = client.open("/images/a.part", REPLACE).await.handle();
    client.send(&write(3, &other, 0, b"second")).await;
    let late = client.send(&write(4, &one, 0, b"first")).await;
    assert_eq!(late[0].code(), FAILURE);
    assert_eq!(client.close(&one).await.0, FAILURE);
    assert_eq!(client.close(&other).await.0, OK);
    assert_eq!(client.content("/images/a.part"), b"second");
}

#[tokio::test]
async fn a_file_with_holes_never_counts() {
    let mut client = Client::new(Rights::ALL).await;
    let handle = client.open("/images/a.jpg", REPLACE).await.handle();
    client.send(&write(1, &handle, 100_000, b"far")).await;
    let (code, message) = client.close(&handle).await;
    assert_eq!(code, FAILURE);
    assert!(message.contains("gaps"), "{message}");
    for offset in [1 << 40, u64::MAX - 1, u64::MAX] {
        let handle = client.open("/images/a.jpg", REPLACE).await.handle();
        let far = client.send(&write(1, &handle, offset, b"far")).await;
        assert_eq!(far[0].code(), FAILURE, "{offset}");
        assert_eq!(client.close(&handle).await.0, FAILURE);
    }
    let path = string(b"/images/a.jpg");
    assert_eq!(client.ask(17, &[&path]).await.code(), NO_SUCH_FILE);
}

#[tokio::test]
async fn attributes_times_are_set_owners_and_permissions_pass_and_sizes_do_not() {
    let mut client = Client::new(Rights::ALL).await;
    client.put("/images/a.jpg", b"12345").await;
    let path = string(b"/images/a.jpg");
    let number = |flags: u32, fields: &[u8]| [&flags.to_be_bytes()[..], fields].concat();
    let time = 1_000_000_000u32.to_be_bytes();
    for (attributes, code) in [
        (number(0, b""), OK),
        (number(2, &[0; 8]), OK),
        (number(4, &[0; 4]), OK),
        (number(8, &[time, time].concat()), OK),
        (number(1, &5u64.to_be_bytes()), OK),
        (number(1, &0u64.to_be_bytes()), FAILURE),
        (number(1, &4u64.to_be_bytes()), FAILURE),
        (number(1, &u64::MAX.to_be_bytes()), FAILURE),
        (number(8, b"short"), BAD_MESSAGE),
    ] {
        let set = client.ask(9, &[&path, &attributes]).await;
        assert_eq!(set.code(), code, "{attributes:?}");
    }
    assert_eq!(client.content("/images/a.jpg"), b"12345");
    let stat = client.ask(17, &[&path]).await;
    assert_eq!(&stat.fields[..4], 13u32.to_be_bytes(), "size, mode, times");
    assert_eq!(&stat.fields[4..12], 5u64.to_be_bytes());
    assert_eq!(&stat.fields[20..24], time);
    let folder = client.ask(17, &[&string(b"/images")]).await;
    assert_eq!(&folder.fields[12..16], 0o040_755u32.to_be_bytes());
    let missing = client
        .ask(9, &[&string(b"/images/none.jpg"), &[0; 4]])
        .await;
    assert_eq!(missing.code(), NO_SUCH_FILE);
}

#[tokio::test]
async fn links_and_extensions_that_are_not_announced_are_unsupported() {
    let mut client = Client::new(Rights::ALL).await;
    let (a, b) = (string(b"/images/a"), string(b"/images/b"));
    for kind in [19, 20] {
        let (code, message) = client.ask(kind, &[&a, &b]).await.status();
        assert_eq!(code, OP_UNSUPPORTED);
        assert!(!message.is_empty());
    }
    for name in [
        "hardlink@openssh.com",
        "lsetstat@openssh.com",
        "expand-path@openssh.com",
        "home-directory",
        "users-groups-by-id@openssh.com",
        "copy-data",
        "fstatvfs@openssh.com",
        "check-file-handle",
        "",
    ] {
        let refused = client.ask(200, &[&string(name.as_bytes()), &a, &b]).await;
        assert_eq!(refused.code(), OP_UNSUPPORTED, "{name}");
    }
}
