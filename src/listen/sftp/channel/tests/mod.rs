//! A channel from the bytes of requests to the bytes of replies, over a real mailbox.

mod tables;

use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes};
use proptest::prelude::*;
use tokio::sync::mpsc;

use super::Channel;
use crate::clock::SystemClock;
use crate::config::{Config, Tenant};
use crate::listen::login::Account;
use crate::listen::sftp::packet::{Broken, PACKET_LIMIT_BYTES};
use crate::listen::sftp::pulse::{Files, Pulse};
use crate::listen::sftp::reads::ReadJob;
use crate::live::Live;
use crate::mailbox::{Mailbox, MailboxPath, Mailboxes};
use crate::tenant::{Environment, NamePattern, Rights};

const OK: u32 = 0;
const EOF: u32 = 1;
const NO_SUCH_FILE: u32 = 2;
const PERMISSION_DENIED: u32 = 3;
const FAILURE: u32 = 4;
const BAD_MESSAGE: u32 = 5;
const OP_UNSUPPORTED: u32 = 8;

const READ: u32 = 0x1;
const WRITE: u32 = 0x2;
const APPEND: u32 = 0x4;
const CREATE: u32 = 0x8;
const TRUNCATE: u32 = 0x10;
const EXCLUSIVE: u32 = 0x20;
const REPLACE: u32 = WRITE | CREATE | TRUNCATE;

/// A client that has said INIT.
struct Client {
    channel: Channel,
    pulse: Arc<Pulse>,
    mailbox: Arc<Mailbox>,
    reads: mpsc::Receiver<ReadJob>,
    _folder: tempfile::TempDir,
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    kind: u8,
    id: u32,
    fields: Bytes,
}

impl Answer {
    fn status(&self) -> (u32, String) {
        assert_eq!(self.kind, 101, "{self:?}");
        let mut fields = self.fields.clone();
        let code = fields.get_u32();
        let length = usize::try_from(fields.get_u32()).unwrap();
        (
            code,
            String::from_utf8_lossy(&fields[..length]).into_owned(),
        )
    }

    fn code(&self) -> u32 {
        self.status().0
    }

    fn handle(&self) -> Vec<u8> {
        assert_eq!(self.kind, 102, "{:?}", self.status());
        self.fields[4..].to_vec()
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}

fn request(kind: u8, id: u32, fields: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![kind];
    out.put_u32(id);
    out.extend(fields.concat());
    string(&out)
}

fn write(id: u32, handle: &[u8], offset: u64, data: &[u8]) -> Vec<u8> {
    request(
        6,
        id,
        &[&string(handle), &offset.to_be_bytes(), &string(data)],
    )
}

fn answers(bytes: Bytes) -> Vec<Answer> {
    let mut rest = bytes;
    let mut answers = Vec::new();
    while rest.has_remaining() {
        let length = usize::try_from(rest.get_u32()).unwrap();
        let mut packet = rest.split_to(length);
        let kind = packet.get_u8();
        answers.push(Answer {
            kind,
            id: packet.get_u32(),
            fields: packet,
        });
    }
    answers
}

impl Client {
    async fn new(rights: Rights) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tenant = Tenant {
            quota_bytes: 1_000_000,
            temporary_names: vec![NamePattern::parse("*.part").unwrap()],
            ..Tenant::of("acme")
        };
        let id = tenant.id.clone();
        let settings = Live::fixed(Arc::new(Config::of(folder.path(), [tenant])));
        let mailboxes = Mailboxes::open(settings, Arc::new(SystemClock)).unwrap();
        let mailbox = mailboxes.mailbox(&id, Environment::Production).unwrap();
        let account = Account::alone(rights, Arc::clone(&mailbox));
        let (queue, reads) = mpsc::channel(2);
        let pulse = Pulse::new();
        let mut client = Self {
            channel: Channel::new(Arc::new(account), Arc::clone(&pulse), queue),
            pulse,
            mailbox,
            reads,
            _folder: folder,
        };
        let version = client.send(&string(&[1, 0, 0, 0, 3])).await;
        assert_eq!((version[0].kind, version[0].id), (2, 3));
        client
    }

    async fn send(&mut self, bytes: &[u8]) -> Vec<Answer> {
        answers(self.channel.receive(bytes).await.unwrap().into_bytes())
    }

    async fn ask(&mut self, kind: u8, fields: &[&[u8]]) -> Answer {
        let mut answers = self.send(&request(kind, 7, fields)).await;
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].id, 7);
        answers.remove(0)
    }

    async fn open(&mut self, path: &str, flags: u32) -> Answer {
        let path = string(path.as_bytes());
        self.ask(3, &[&path, &flags.to_be_bytes(), &[0; 4]]).await
    }

    async fn close(&mut self, handle: &[u8]) -> (u32, String) {
        self.ask(4, &[&string(handle)]).await.status()
    }

    async fn put(&mut self, path: &str, data: &[u8]) -> (u32, String) {
        let handle = self.open(path, REPLACE).await.handle();
        let written = self.send(&write(1, &handle, 0, data)).await;
        assert_eq!(written[0].code(), OK);
        self.close(&handle).await
    }

    fn content(&self, path: &str) -> Vec<u8> {
        let path = MailboxPath::resolve(&MailboxPath::root(), path.as_bytes()).unwrap();
        let (mut file, _) = self.mailbox.read(&path).unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        bytes
    }
}

#[tokio::test]
async fn close_answers_once_the_file_is_there_with_its_size_and_delivery() {
    let mut client = Client::new(Rights::ALL).await;
    let (code, message) = client.put("/images/a.jpg", b"photo").await;
    assert_eq!(code, OK);
    assert!(
        message.starts_with("Received 5 bytes, delivery "),
        "{message}"
    );
    assert_eq!(client.content("/images/a.jpg"), b"photo");
}

#[tokio::test]
async fn writes_out_of_order_and_in_one_segment_are_each_answered_by_id() {
    let mut client = Client::new(Rights::ALL).await;
    let handle = client.open("/images/a.jpg", REPLACE).await.handle();
    let segment = [
        write(11, &handle, 4, b"5678"),
        write(12, &handle, 0, b"1234"),
        request(4, 13, &[&string(&handle)]),
    ]
    .concat();
    let answers = client.send(&segment).await;
    let codes: Vec<_> = answers.iter().map(|a| (a.id, a.code())).collect();
    assert_eq!(codes, [(11, OK), (12, OK), (13, OK)]);
    assert_eq!(client.content("/images/a.jpg"), b"12345678");
}

#[tokio::test]
async fn an_upload_that_was_not_closed_leaves_the_old_file() {
    let mut client = Client::new(Rights::ALL).await;
    client.put("/images/a.jpg", b"yesterday").await;
    let handle = client.open("/images/a.jpg", REPLACE).await.handle();
    client.send(&write(1, &handle, 0, b"tod")).await;
    let uploading = Files {
        uploads: 1,
        downloads: 0,
    };
    assert_eq!(*client.pulse.files().borrow(), uploading);
    let mut files = client.pulse.files();
    let Client {
        channel, mailbox, ..
    } = client;
    drop(channel);
    files
        .wait_for(|files| *files == Files::default())
        .await
        .unwrap();
    let path = MailboxPath::resolve(&MailboxPath::root(), b"/images/a.jpg").unwrap();
    assert_eq!(mailbox.stat(&path).unwrap().size_bytes, 9);
}

#[tokio::test]
async fn a_write_over_quota_fails_with_its_id_and_so_does_the_close() {
    let mut client = Client::new(Rights::ALL).await;
    let handle = client.open("/images/a.jpg", REPLACE).await.handle();
    let far = 100_000_000_000;
    let segment = [
        write(1, &handle, 0, b"ok"),
        write(2, &handle, far, b"no"),
        write(3, &handle, 2, b"too late"),
    ]
    .concat();
    let answers = client.send(&segment).await;
    let codes: Vec<_> = answers.iter().map(|a| (a.id, a.code())).collect();
    assert_eq!(codes, [(1, OK), (2, FAILURE), (3, FAILURE)]);
    let again = client.send(&write(4, &handle, 0, b"again")).await;
    assert_eq!(again[0].code(), FAILURE);
    assert_eq!(client.close(&handle).await.0, FAILURE);
    assert_eq!(
        client.ask(17, &[&string(b"/images/a.jpg")]).await.code(),
        NO_SUCH_FILE
    );
}

#[tokio::test]
async fn a_final_name_is_written_whole_and_a_temporary_one_may_be_resumed() {
    let mut client = Client::new(Rights::ALL).await;
    client.put("/images/a.jpg", b"12345").await;
    for flags in [
        WRITE,
        READ | WRITE,
        READ | WRITE | CREATE,
        WRITE | APPEND,
        WRITE | CREATE | EXCLUSIVE,
        REPLACE | EXCLUSIVE,
    ] {
        let refused = client.open("/images/a.jpg", flags).await;
        assert_eq!(refused.code(), FAILURE, "{flags:#x}");
    }
    assert_eq!(client.content("/images/a.jpg"), b"12345");
    assert_eq!(
        client.open("/images/b.jpg", WRITE).await.code(),
        NO_SUCH_FILE
    );
    let new = client.open("/images/b.jpg", WRITE | CREATE).await.handle();
    client.send(&write(1, &new, 0, b"b")).await;
    assert_eq!(client.close(&new).await.0, OK);

    client.put("/images/c.jpg.part", b"123").await;
    let resumed = client.open("/images/c.jpg.part", WRITE).await.handle();
    client.send(&write(1, &resumed, 3, b"45")).await;
    assert_eq!(client.close(&resumed).await.0, OK);
    let appended = client
        .open("/images/c.jpg.part", WRITE | APPEND)
        .await
        .handle();
    client.send(&write(1, &appended, 0, b"67")).await;
    assert_eq!(client.close(&appended).await.0, OK);
    assert_eq!(client.content("/images/c.jpg.part"), b"1234567");
}

#[tokio::test]
async fn open_with_create_and_without_write_is_not_ok() {
    let mut client = Client::new(Rights::ALL).await;
    client.put("/images/a.jpg", b"12345").await;
    for flags in [
        CREATE | EXCLUSIVE,
        READ | CREATE | EXCLUSIVE,
        READ | CREATE,
        READ | TRUNCATE,
    ] {
        for name in ["/images/a.jpg", "/images/new.jpg"] {
            let refused = client.open(name, flags).await;
            assert_eq!(refused.code(), FAILURE, "{flags:#x} {name}");
        }
    }
    assert_eq!(client.content("/images/a.jpg"), b"12345");
}

#[tokio::test]
async fn writing_over_a_final_name_as_scp_does_counts_once_the_size_is_set() {
    let mut client = Client::new(Rights::ALL).await;
    client.put("/images/a.jpg", b"yesterday").await;
    let handle = client.open("/images/a.jpg", WRITE | CREATE).await.handle();
    client.send(&write(1, &handle, 0, b"today")).await;
    assert_eq!(client.content("/images/a.jpg"), b"yesterday");
    let size = [&1u32.to_be_bytes()[..], &5u64.to_be_bytes()].concat();
    let cut = client.ask(10, &[&string(&handle), &size]).await;
    assert_eq!(cut.code(), OK);
    assert_eq!(client.close(&handle).await.0, OK);
    assert_eq!(client.content("/images/a.jpg"), b"today");

    // A part of a file, or the end of one, is not a file.
    for offset in [0, 3] {
        let handle = client.open("/images/a.jpg", WRITE | CREATE).await.handle();
        client.send(&write(1, &handle, offset, b"x")).await;
        assert_eq!(client.close(&handle).await.0, FAILURE);
    }
    assert_eq!(client.content("/images/a.jpg"), b"today");
}

#[tokio::test]
async fn a_name_that_is_not_expected_is_refused_before_any_data() {
    let mut client = Client::new(Rights::ALL).await;
    let refused = client.open("/data/wrong.csv", REPLACE).await;
    let (code, message) = refused.status();
    assert_eq!(code, PERMISSION_DENIED);
    assert!(!message.is_empty() && !message.contains("wrong.csv"));
    let refused = client.open("/images/a\0.jpg", REPLACE).await;
    assert_eq!(refused.code(), PERMISSION_DENIED);
}

#[tokio::test]
async fn rename_keeps_what_is_there_and_posix_rename_replaces_it() {
    let mut client = Client::new(Rights::ALL).await;
    client.put("/images/a.jpg", b"old").await;
    client.put("/images/a.jpg.part", b"new").await;
    let (from, to) = (string(b"/images/a.jpg.part"), string(b"/images/a.jpg"));
    assert_eq!(client.ask(18, &[&from, &to]).await.code(), FAILURE);
    assert_eq!(client.content("/images/a.jpg"), b"old");
    let replace = string(b"posix-rename@openssh.com");
    let (code, message) = client.ask(200, &[&replace, &from, &to]).await.status();
    assert_eq!(code, OK);
    assert!(message.starts_with("Renamed, delivery "), "{message}");
    assert_eq!(client.content("/images/a.jpg"), b"new");
}

#[tokio::test]
async fn a_login_does_only_what_its_rights_allow() {
    let none = Rights {
        upload: false,
        download: false,
        delete: false,
    };
    let mut client = Client::new(none).await;
    let (a, b) = (string(b"/images/a"), string(b"/images/b"));
    assert_eq!(
        client.open("/images/a.jpg", REPLACE).await.code(),
        PERMISSION_DENIED
    );
    assert_eq!(
        client.open("/images/a.jpg", READ).await.code(),
        PERMISSION_DENIED
    );
    for kind in [13, 14, 15] {
        let refused = client.ask(kind, &[&a, &[0; 4]]).await;
        assert_eq!(refused.code(), PERMISSION_DENIED, "{kind}");
    }
    assert_eq!(client.ask(18, &[&a, &b]).await.code(), PERMISSION_DENIED);
    assert_eq!(
        client.ask(9, &[&a, &[0; 4]]).await.code(),
        PERMISSION_DENIED
    );
    assert_eq!(client.ask(11, &[&string(b"/")]).await.kind, 102);
}

#[tokio::test]
async fn a_folder_is_listed_to_its_end() {
    let mut client = Client::new(Rights::ALL).await;
    for photo in 0..120 {
        client.put(&format!("/images/{photo}.jpg"), b"x").await;
    }
    let folder = client.ask(11, &[&string(b"images")]).await.handle();
    let mut listed = 0;
    loop {
        let names = client.ask(12, &[&string(&folder)]).await;
        if names.kind == 101 {
            assert_eq!(names.code(), EOF);
            break;
        }
        listed += names.fields.clone().get_u32();
    }
    assert_eq!(listed, 120);
}

#[tokio::test]
async fn reads_wait_in_a_bounded_queue() {
    let mut client = Client::new(Rights::ALL).await;
    client.put("/images/a.jpg", b"photo").await;
    let handle = client.open("/images/a.jpg", READ).await.handle();
    let read = |id| {
        let length = 100u32.to_be_bytes();
        request(5, id, &[&string(&handle), &[0; 8], &length])
    };
    let answers = client.send(&[read(1), read(2), read(3)].concat()).await;
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].id, answers[0].code()), (3, FAILURE));
    assert_eq!(client.reads.recv().await.unwrap().id, 1);
    assert_eq!(client.reads.recv().await.unwrap().id, 2);
}

#[tokio::test]
async fn handles_are_few_and_a_stranger_handle_is_refused() {
    let mut client = Client::new(Rights::ALL).await;
    client.put("/images/a.jpg", b"photo").await;
    for _ in 0..64 {
        client.open("/images/a.jpg", READ).await.handle();
    }
    assert_eq!(client.open("/images/a.jpg", READ).await.code(), FAILURE);
    assert_eq!(client.close(&[0, 0, 0, 0]).await.0, FAILURE);
    assert_eq!(client.close(b"not ours").await.0, FAILURE);
    let lost = client.send(&write(9, b"none", 0, b"x")).await;
    assert_eq!((lost[0].id, lost[0].code()), (9, FAILURE));
}

#[tokio::test]
async fn unknown_and_malformed_requests_are_answered_with_their_id() {
    let mut client = Client::new(Rights::ALL).await;
    assert_eq!(client.ask(20, &[b"whatever"]).await.code(), OP_UNSUPPORTED);
    assert_eq!(client.ask(99, &[]).await.code(), OP_UNSUPPORTED);
    assert_eq!(client.ask(17, &[&[0xff; 3]]).await.code(), BAD_MESSAGE);
}

#[tokio::test]
async fn paths_are_normalised_and_never_leave_the_mailbox() {
    let mut client = Client::new(Rights::ALL).await;
    for (sent, meant) in [(&b"."[..], "/"), (b"", "/"), (b"a/../../b/.", "/b")] {
        let name = client.ask(16, &[&string(sent)]).await;
        assert_eq!(name.kind, 104);
        let path = string(meant.as_bytes());
        assert_eq!(&name.fields[4..4 + path.len()], path.as_slice());
    }
}

#[tokio::test]
async fn sizes_can_be_set_only_to_what_they_are_or_to_nothing_at_the_start() {
    let mut client = Client::new(Rights::ALL).await;
    let size = |bytes: u64| [&1u32.to_be_bytes()[..], &bytes.to_be_bytes()].concat();
    let handle = client.open("/images/a.jpg", REPLACE).await.handle();
    let wire = string(&handle);
    assert_eq!(client.ask(10, &[&wire, &size(0)]).await.code(), OK);
    client.send(&write(1, &handle, 0, b"abc")).await;
    assert_eq!(client.ask(10, &[&wire, &size(3)]).await.code(), OK);
    assert_eq!(client.ask(10, &[&wire, &size(9)]).await.code(), FAILURE);
    assert_eq!(client.ask(10, &[&wire, &size(0)]).await.code(), OK);
    client.send(&write(1, &handle, 0, b"z")).await;
    assert_eq!(client.close(&handle).await.0, OK);
    assert_eq!(client.content("/images/a.jpg"), b"z");
    let path = string(b"/images/a.jpg");
    assert_eq!(client.ask(9, &[&path, &size(0)]).await.code(), FAILURE);
}

#[tokio::test]
async fn a_time_set_on_the_open_handle_is_the_time_of_the_file() {
    let mut client = Client::new(Rights::ALL).await;
    let handle = client.open("/images/a.jpg", REPLACE).await.handle();
    client.send(&write(1, &handle, 0, b"abc")).await;
    let time = 1_000_000_000u32.to_be_bytes();
    let times = [&8u32.to_be_bytes()[..], &time, &time].concat();
    assert_eq!(client.ask(10, &[&string(&handle), &times]).await.code(), OK);
    assert_eq!(client.close(&handle).await.0, OK);
    let path = MailboxPath::resolve(&MailboxPath::root(), b"/images/a.jpg").unwrap();
    let modified = client.mailbox.stat(&path).unwrap().modified;
    assert_eq!(modified.as_second(), 1_000_000_000);
}

#[tokio::test]
async fn a_sender_finds_the_upload_that_it_has_open_under_its_name_as_sshfs_does() {
    let mut client = Client::new(Rights::ALL).await;
    let path = string(b"/images/a.jpg");
    let handle = client.open("/images/a.jpg", REPLACE).await.handle();
    client.send(&write(1, &handle, 0, b"some")).await;

    // LSTAT and STAT tell its size, and SETSTAT sets its time.
    for kind in [7, 17] {
        let answer = client.ask(kind, &[&path]).await;
        assert_eq!(answer.kind, 105, "{answer:?}");
        assert_eq!(answer.fields[4..12], 4_u64.to_be_bytes());
    }
    let times = [8_u32, 1_000_000_000, 1_000_000_000].map(u32::to_be_bytes);
    let set = client.ask(9, &[&path, &times.concat()]).await;
    assert_eq!(set.code(), OK);
    assert_eq!(client.close(&handle).await.0, OK);
    let path = MailboxPath::resolve(&MailboxPath::root(), b"/images/a.jpg").unwrap();
    let modified = client.mailbox.stat(&path).unwrap().modified;
    assert_eq!(modified.as_second(), 1_000_000_000);
}

#[tokio::test]
async fn over_long_packets_and_requests_before_init_break_the_channel() {
    let mut client = Client::new(Rights::ALL).await;
    let long = (PACKET_LIMIT_BYTES + 1).to_be_bytes();
    let broken = client.channel.receive(&long).await.unwrap_err();
    assert_eq!(broken, Broken::TooLong);
    let (queue, _reads) = mpsc::channel(1);
    let account = Arc::clone(&client.channel.account);
    let mut fresh = Channel::new(account, Pulse::new(), queue);
    let early = fresh.receive(&request(17, 1, &[&string(b"/")])).await;
    assert_eq!(early.unwrap_err(), Broken::NoInit);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_requests_panic_and_every_one_is_answered(
        packets in prop::collection::vec((3u8..21, prop::collection::vec(any::<u8>(), 0..40)), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut client = Client::new(Rights::ALL).await;
            let wire: Vec<u8> = packets
                .iter()
                .zip(0..)
                .flat_map(|((kind, fields), id)| request(*kind, id, &[fields]))
                .collect();
            let ids: Vec<u32> = client.send(&wire).await.iter().map(|answer| answer.id).collect();
            let sent: Vec<u32> = (0..).take(packets.len()).collect();
            assert_eq!(ids, sent);
        });
    }
}
