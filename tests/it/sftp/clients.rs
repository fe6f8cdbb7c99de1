//! What people see who work with `sftp`, `psftp` and `lftp`: listings, space, resumed transfers, refusals.

use std::process::Command;

use bytes::{Buf as _, BufMut as _, BytesMut};
use sha2::{Digest as _, Sha256};

use crate::harness::sender::Sender;
use crate::harness::staff::Staff;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Client, Daemon, Port, Reply, hex, sha256, wait_until};
use crate::wire::sftp::{Sftp, string, take_string};
use crate::wire::ssh::{Ssh, msg};

const USER: &str = "hr@acme.example";

/// `psftp` with these commands.
fn psftp(daemon: &Daemon, commands: &str) -> Reply {
    let listener = daemon.listener(Port::Sftp);
    let mut psftp = Command::new("psftp");
    psftp
        .args(["-batch", "-P", &listener.address.port().to_string()])
        .args(["-hostkey", listener.fingerprint.as_deref().unwrap()])
        .args(["-pw", PASSWORD, "-l", USER, "127.0.0.1", "-b"])
        .arg(daemon.local_file("psftp", commands));
    Reply::to(&mut psftp)
}

/// `lftp` over SFTP with these commands.
fn lftp(daemon: &Daemon, commands: &str) -> Reply {
    let script = format!(
        "set cmd:fail-exit true\n\
         set sftp:auto-confirm true\n\
         set net:max-retries 1\n\
         set sftp:connect-program 'ssh -a -x -F/dev/null -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null'\n\
         open -u '{USER},{PASSWORD}' sftp://{}\n{commands}\n",
        daemon.address(Port::Sftp)
    );
    Reply::to(Command::new("lftp").args(["--norc", "-c", &script]))
}

fn store(daemon: &Daemon, path: &str, bytes: &[u8]) {
    let stored = Sftp::log_in(daemon, USER, PASSWORD).try_store(path, bytes);
    assert!(stored.unwrap().is_ok());
}

/// Its words, if the line is one of `ls -l`.
fn long_line(line: &str) -> Option<Vec<&str>> {
    let words: Vec<_> = line.split_whitespace().collect();
    let is_long = words.first().is_some_and(|mode| mode.len() == 10) && words.len() >= 9;
    is_long.then_some(words)
}

#[test]
fn listings_have_the_usual_form_in_openssh_psftp_and_lftp() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    store(&daemon, "/images/a.jpg", &vec![b'x'; 18_234]);
    let sender = daemon.sender("acme");
    let batch = |sender: &Sender<'_>, commands: &str| sender.sftp(commands).succeeded().text();
    for said in [
        batch(&sender, "ls -l /images\nls -l /\n"),
        psftp(&daemon, "ls /images\nls /\n").succeeded().text(),
        lftp(&daemon, "ls /images; ls /").succeeded().text(),
    ] {
        let lines: Vec<_> = said.lines().filter_map(long_line).collect();
        let photo = lines.iter().find(|line| line[8].ends_with("a.jpg"));
        let photo = photo.unwrap_or_else(|| panic!("no photo in {said}"));
        assert_eq!((photo[0], photo[4]), ("-rw-r--r--", "18234"), "{said}");
        assert!(photo[7].contains(':'), "the time of day: {said}");
        let data = lines.iter().find(|line| line[8].ends_with("data"));
        let data = data.unwrap_or_else(|| panic!("no folder in {said}"));
        assert_eq!(data[0], "drwxr-xr-x", "{said}");
    }
    // OpenSSH writes these lines itself, from the attributes.
    let numbers = batch(&sender, "ls -ln /images\n");
    assert!(numbers.contains("18234"), "{numbers}");
}

#[test]
fn df_shows_the_quota_and_put_with_fsync_works() {
    let daemon = Daemon::start([Tenant::named("acme").quota("50MB")]);
    let file = daemon.local_file("a.jpg", vec![b'x'; 5_000_000]);
    let batch = format!("put -f {} /images/a.jpg\ndf /\n", file.display());
    let said = daemon.sender("acme").sftp(&batch).succeeded().text();
    // In KiB: 50 MB, 5 MB of which are used.
    let numbers: Vec<u64> = said
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    assert!(numbers.contains(&48_828), "{said}");
    assert!(
        numbers.iter().any(|used| (4_882..=4_884).contains(used)),
        "{said}"
    );
    assert!(said.contains("10%"), "{said}");
}

#[test]
fn a_temporary_name_is_resumed_and_then_renamed_and_a_download_is_resumed_too() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    let staff = Staff::of(800);
    let csv = staff.csv();
    let (half, third) = (csv.len() / 2, csv.len() / 3);
    let file = daemon.local_file("employees.csv", &csv);
    let back = daemon.local_file("back.csv", &csv[..third]);
    for (round, resume) in ["put -a", "reput"].into_iter().enumerate() {
        store(&daemon, "/data/employees.csv.filepart", &csv[..half]);
        let batch = format!(
            "{resume} {} /data/employees.csv.filepart\nrename /data/employees.csv.filepart /data/employees.csv\n",
            file.display(),
        );
        sender.sftp(&batch).succeeded();
        assert_eq!(sender.download("/data/employees.csv"), csv);
        wait_until("the run", || daemon.runs().len() == round + 1);
    }
    let batch = format!("get -a /data/employees.csv {}\n", back.display());
    sender.sftp(&batch).succeeded();
    assert_eq!(std::fs::read(&back).unwrap(), csv);

    // As WinSCP does it: without CREAT and TRUNC, from where the part ends.
    let mut session = Sftp::log_in(&daemon, USER, PASSWORD);
    let part = "/data/employees.csv.filepart";
    assert!(session.try_store(part, &csv[..half]).unwrap().is_ok());
    let handle = session.try_open_for(part, 0x2).unwrap().unwrap();
    assert!(session.write(&handle, half, &csv[half..]).is_ok());
    assert!(session.close(&handle).is_ok());
    let renamed = session.try_rename(part, "/data/employees.csv").unwrap();
    assert!(renamed.message.contains("delivery"), "{renamed:?}");
    daemon.wait_for_rest();
    assert_eq!(daemon.roster("acme"), staff);

    // Under its final name nothing is resumed, whatever the flags are called: WRITE, APPEND, both with READ and CREAT.
    for flags in [0x2, 0x3, 0x6, 0xe, 0xb, 0xf] {
        let refused = session.try_open_for("/data/employees.csv", flags).unwrap();
        assert_eq!(refused.unwrap_err().code, 4, "{flags:#x}");
    }
    assert_eq!(sender.download("/data/employees.csv"), csv);
}

#[test]
fn what_overwrites_without_truncation_counts_only_as_a_whole_new_file() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let path = "/data/employees.csv";
    let [long, short] = [900, 3].map(|count| Staff::of(count).csv());
    store(&daemon, path, &long);
    let mut session = Sftp::log_in(&daemon, USER, PASSWORD);
    // WRITE and CREAT, as scp: a shorter file counts once its size was set, and not before.
    let handle = session.try_open_for(path, 0xa).unwrap().unwrap();
    assert!(session.write(&handle, 0, &short).is_ok());
    let refused = session.close(&handle);
    assert_eq!(refused.code, 4, "{refused:?}");
    let handle = session.try_open_for(path, 0xa).unwrap().unwrap();
    assert!(session.write(&handle, 0, &short).is_ok());
    let size = u64::try_from(short.len()).unwrap();
    let fields = [&handle.wire()[..], &[0, 0, 0, 1], &size.to_be_bytes()].concat();
    assert!(session.ask(10, &fields).unwrap().status().unwrap().is_ok());
    assert!(session.close(&handle).is_ok());
    // Not from the middle, and not with a hole.
    let handle = session.try_open_for(path, 0xa).unwrap().unwrap();
    assert!(!session.write(&handle, 10, &long).is_ok());
    assert!(!session.close(&handle).is_ok());
    // WRITE, CREAT and EXCL, as WinSCP and Node's `wx`: only where nothing is.
    let refused = session.try_open_for(path, 0x2a).unwrap().unwrap_err();
    assert_eq!(refused.code, 4);
    // WRITE, CREAT and TRUNC with READ, as Node's `w+`.
    let handle = session.try_open_for(path, 0x1b).unwrap().unwrap();
    assert!(session.write(&handle, 0, &short).is_ok());
    assert!(session.close(&handle).is_ok());
    assert_eq!(daemon.sender("acme").download(path), short);
    daemon.wait_for_rest();
    assert_eq!(daemon.runs().len(), 3);
}

#[test]
fn links_are_refused_and_a_change_of_mode_passes() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    store(&daemon, "/images/a.jpg", b"photo");
    let sender = daemon.sender("acme");
    for link in ["ln -s", "ln"] {
        let batch = format!("{link} /images/a.jpg /images/b.jpg\n");
        sender.sftp(&batch).refused("upport");
    }
    let batch = "chmod 600 /images/a.jpg\nls -l /images\n";
    let said = sender.sftp(batch).succeeded().text();
    assert!(said.contains("-rw-r--r--"), "{said}");
    assert!(!said.contains("b.jpg"), "{said}");
    let mut session = Sftp::log_in(&daemon, USER, PASSWORD);
    let path = string(b"/images/a.jpg");
    let status = session.ask(20, &[&path[..], &path].concat()).unwrap();
    assert_eq!(status.status().unwrap().code, 8);
}

#[test]
fn keys_are_changed_in_the_middle_of_transfers() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    let file = daemon.local_file("large", large(12));
    let back = daemon.folder().join("back");
    for cipher in ["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"] {
        let batch = format!(
            "put {} /data/large.part\nget /data/large.part {}\n",
            file.display(),
            back.display()
        );
        let mut sftp = sender.ssh_tool("sftp");
        sftp.args(["-oRekeyLimit=1M", &format!("-oCiphers={cipher}")])
            .args(["-B", "261120", "-oBatchMode=no", "-b"])
            .arg(daemon.local_file("batch", batch));
        Reply::to(sftp.arg("127.0.0.1")).succeeded();
        let [sent, came] = [&file, &back].map(|file| sha256(&std::fs::read(file).unwrap()));
        assert_eq!(sent, came, "{cipher}");
    }
}

/// A large file, no megabyte of which is like another.
fn large(megabytes: u32) -> Vec<u8> {
    let mut megabyte: Vec<u8> = (0..250_000u32)
        .flat_map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes())
        .collect();
    let mut bytes = Vec::new();
    for number in 0..megabytes {
        megabyte[..4].copy_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(&megabyte);
    }
    bytes
}

/// Downloads as paramiko's `prefetch` does: every READ of the file is on its way before the first answer is read. Says how much came, and its digest.
fn fetch_at_once(daemon: &Daemon, path: &str, size: usize) -> (usize, String) {
    const PIECE: usize = 32 * 1024;
    const WINDOW: u32 = 1 << 20;
    let mut ssh = Ssh::log_in(daemon, USER, PASSWORD);
    let channel = ssh.open_sftp(0, WINDOW);
    let request = |kind: u8, id: u32, fields: &[u8]| {
        string(&[&[kind][..], &id.to_be_bytes(), fields].concat())
    };
    let open = [&string(path.as_bytes())[..], &[0, 0, 0, 1], &[0; 4]].concat();
    ssh.say_on_channel(channel, &request(3, 0, &open));
    let (_, mut opened) = ssh.hear_on_channel();
    opened.advance(4 + 1 + 4);
    let handle = string(&take_string(&mut opened));
    let pieces = u32::try_from(size.div_ceil(PIECE)).unwrap();
    for id in 0..pieces {
        let offset = u64::from(id) * u64::try_from(PIECE).unwrap();
        let length = u32::try_from(PIECE).unwrap().to_be_bytes();
        let fields = [&handle[..], &offset.to_be_bytes(), &length].concat();
        ssh.say_on_channel(channel, &request(5, id, &fields));
    }
    let (mut inbox, mut came, mut digest) = (BytesMut::new(), 0, Sha256::new());
    for id in 0..pieces {
        let length = |inbox: &BytesMut| {
            let length = inbox.first_chunk::<4>().copied().map(u32::from_be_bytes);
            length.map_or(4, |length| usize::try_from(length).unwrap() + 4)
        };
        while inbox.len() < length(&inbox) || inbox.len() < 4 {
            let (_, data) = ssh.hear_on_channel();
            let mut adjust = vec![msg::CHANNEL_WINDOW_ADJUST];
            adjust.put_u32(channel);
            adjust.put_u32(u32::try_from(data.len()).unwrap());
            ssh.say(&adjust);
            inbox.extend_from_slice(&data);
        }
        let whole = length(&inbox);
        let mut answer = inbox.split_to(whole).freeze();
        answer.advance(4);
        assert_eq!((answer.get_u8(), answer.get_u32()), (103, id));
        let data = take_string(&mut answer);
        came += data.len();
        digest.update(&data);
    }
    (came, hex(&digest.finalize()))
}

#[test]
fn large_files_come_and_go_with_openssh_while_others_work() {
    let daemon = Daemon::start([Tenant::named("acme").quota("2GB"), Tenant::named("other")]);
    let file = daemon.local_file("large", large(200));
    let back = daemon.folder().join("back");
    let sender = daemon.sender("acme");
    let mut others = Sftp::log_in(&daemon, "hr@other.example", PASSWORD);
    let mut rounds = 0;
    let put = format!("put {} /data/large.part\n", file.display());
    let get = format!("get /data/large.part {}\n", back.display());
    for batch in [put, get] {
        let mut sftp = sender.ssh_tool("sftp");
        // As much at once as a client may ask for.
        sftp.args(["-B", "261120", "-R", "64", "-oBatchMode=no", "-b"]);
        sftp.arg(daemon.local_file("batch", batch)).arg("127.0.0.1");
        let mut client = Client::spawn(&mut sftp);
        wait_until("the end of the transfer", || {
            let stored = others.try_store("/images/a.jpg", b"photo").unwrap();
            assert!(stored.is_ok(), "{stored:?}");
            rounds += 1;
            client.process().try_wait().unwrap().is_some()
        });
        client.wait().succeeded();
    }
    assert!(rounds > 4, "{rounds} uploads of another sender meanwhile");
    let [sent, came] = [file, back].map(|file| sha256(&std::fs::read(file).unwrap()));
    assert_eq!(sent, came);
    let most = daemon.most_memory_bytes();
    assert!(most < 200_000_000, "{most}");
}

#[test]
fn a_large_file_goes_to_a_client_that_asks_for_all_of_it_at_once() {
    let daemon = Daemon::start([Tenant::named("acme").quota("2GB")]);
    let bytes = large(200);
    std::fs::write(daemon.mailbox("acme").join("data/large.part"), &bytes).unwrap();
    let fetched = fetch_at_once(&daemon, "/data/large.part", bytes.len());
    assert_eq!(fetched, (bytes.len(), sha256(&bytes)));
    let most = daemon.most_memory_bytes();
    assert!(most < 200_000_000, "{most}");
}
