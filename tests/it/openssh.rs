//! OpenSSH: sftp and scp, with a password and with a key.

use std::process::Command;

use crate::harness::sender::Key;
use crate::harness::staff::Staff;
use crate::harness::tenant::{Login, PASSWORD, Tenant};
use crate::harness::{Daemon, Port, Reply, wait_until};

#[test]
fn sftp_uploads_lists_renames_overwrites_and_downloads_r0_05() {
    let key = Key::generate();
    let login = Login::named("key@acme.example").authorized_key(&key.public);
    let daemon = Daemon::start([Tenant::named("acme").login(login)]);
    let back = daemon.folder().join("back.csv");
    let mut staff = Staff::of(12);

    // Given yesterday's file, sent under a temporary name with a key.
    let file = daemon.local_file("employees.csv", staff.csv());
    let batch = format!(
        "cd /data\nput {0} employees.csv.filepart\nrename employees.csv.filepart employees.csv\nls -l\n",
        file.display()
    );
    let sender = daemon.sender("acme").named("localhost+key@acme.example");
    let reply = sender.sftp_with_key(&key, &batch).succeeded();
    assert!(reply.text().contains("employees.csv"), "{}", reply.text());
    wait_until("the first run", || {
        daemon.runs().iter().any(|run| run.outcome() == "applied")
    });
    assert_eq!(daemon.roster("acme"), staff);

    // When today's file is sent over it with a password, keeping its times.
    staff.join(13);
    daemon.local_file("employees.csv", staff.csv());
    let sender = daemon.sender("acme").named("localhost+hr@acme.example");
    let batch = format!(
        "put -p {0} /data/employees.csv\nget /data/employees.csv {1}\nls /\n",
        file.display(),
        back.display()
    );
    let reply = sender.sftp(&batch).succeeded();

    // Then it is imported once, and what comes back is what was sent.
    assert_eq!(std::fs::read(&back).unwrap(), staff.csv());
    for folder in ["data", "errors", "images", "reports"] {
        assert!(reply.text().contains(folder), "{}", reply.text());
    }
    wait_until("the second run", || {
        daemon.runs().len() == 2 && daemon.runs()[0].outcome() == "applied"
    });
    assert_eq!(daemon.roster("acme"), staff);
}

#[test]
fn sftp_puts_a_folder_of_photos_and_removes_it_again() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let photo = daemon.local_file("E00001.bmp", crate::harness::photo::bmp(3));
    let batch = format!(
        "mkdir /images/new\nput {0} /images/new/E00001.bmp\nls -l /images/new\nrename /images/new/E00001.bmp /images/E00001.bmp\nrmdir /images/new\nrm /images/E00001.bmp\ndf /\n",
        photo.display()
    );
    let sender = daemon.sender("acme");
    let reply = sender.sftp(&batch).succeeded();
    assert!(reply.text().contains("E00001.bmp"), "{}", reply.text());
    sender.sftp("mkdir /data/new\n").refused("ermission denied");
}

#[test]
fn sftp_is_told_why_it_is_refused() {
    let daemon = Daemon::start([Tenant::named("acme").quota("20kB")]);
    let sender = daemon.sender("acme");
    let put = |file: &std::path::Path, to: &str| format!("put {} {to}\n", file.display());
    let small = daemon.local_file("small", Staff::of(2).csv());
    let big = daemon.local_file("big", vec![b'x'; 30_000]);

    sender
        .sftp(&put(&small, "/data/staff.csv"))
        .refused("ermission denied");
    sender.sftp(&put(&big, "/data/employees.csv")).refused("");
    assert_eq!(sender.names("/data/"), [] as [String; 0]);
    sender
        .sftp("get /data/none.csv /dev/null\n")
        .refused("not found");
    sender
        .sftp("get /../../../../etc/passwd /dev/null\n")
        .refused("not found");
    sender.sftp("symlink /data/a /data/b\n").refused("");
    assert_eq!(daemon.runs().len(), 0);
}

#[test]
fn sftp_cannot_continue_yesterdays_file() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let yesterday = Staff::of(5).csv();
    daemon.deliver("acme", "/data/employees.csv", &yesterday);
    let longer = daemon.local_file("employees.csv", Staff::of(9).csv());
    let batch = format!("reput {} /data/employees.csv\n", longer.display());
    let sender = daemon.sender("acme");
    sender.sftp(&batch).refused("");
    assert_eq!(sender.download("/data/employees.csv"), yesterday);
    assert_eq!(daemon.runs().len(), 1);
}

#[test]
fn a_strange_key_a_wrong_password_and_a_wrong_address_get_nowhere_over_ssh() {
    let key = Key::generate();
    let stranger = Key::generate();
    let tenant = Tenant::named("acme")
        .login(Login::named("key@acme.example").authorized_key(&key.public))
        .login(
            Login::named("away@acme.example")
                .only_from_elsewhere()
                .authorized_key(&key.public),
        );
    let daemon = Daemon::start([tenant]);
    let denied = "Permission denied";

    let sender = daemon.sender("acme").named("key@acme.example");
    sender.sftp_with_key(&stranger, "ls\n").refused(denied);
    wait_until("the true reason in the log", || {
        let log = daemon.log_text();
        log.contains("the key is not one of its authorized_keys")
    });
    sender.sftp_with_key(&key, "ls\n").succeeded();
    let away = sender.named("away@acme.example");
    away.sftp_with_key(&key, "ls\n").refused(denied);
    away.sftp("ls\n").refused(denied);
    for (name, password) in [
        ("hr@acme.example", "wrong"),
        ("nobody@acme.example", PASSWORD),
    ] {
        daemon.stranger(name, password).sftp("ls\n").refused(denied);
    }
}

#[test]
fn scp_works_as_sftp_and_neither_a_shell_nor_the_old_scp_is_to_be_had() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    let staff = Staff::of(4);
    let file = daemon.local_file("employees.csv", staff.csv());
    let target = "127.0.0.1:/data/employees.csv";

    Reply::to(sender.ssh_tool("scp").arg("-O").arg(&file).arg(target)).refused("");
    Reply::to(sender.ssh_tool("ssh").args(["127.0.0.1", "id"])).refused("");
    Reply::to(sender.ssh_tool("ssh").args(["-tt", "127.0.0.1"])).refused("");
    let forward = ["-W", "127.0.0.1:22", "127.0.0.1"];
    Reply::to(sender.ssh_tool("ssh").args(forward)).refused("");
    assert_eq!(daemon.runs().len(), 0);

    Reply::to(sender.ssh_tool("scp").arg("-s").arg(&file).arg(target)).succeeded();
    wait_until("the run", || {
        daemon.runs().iter().any(|run| run.outcome() == "applied")
    });
    assert_eq!(daemon.roster("acme"), staff);
}

#[test]
fn scp_of_a_shorter_file_onto_a_temporary_name_leaves_nothing_of_the_longer_one() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    let target = "127.0.0.1:/data/employees.csv.part";
    let shorter = Staff::of(3);
    for staff in [Staff::of(900), shorter.clone()] {
        let file = daemon.local_file("employees.csv", staff.csv());
        Reply::to(sender.ssh_tool("scp").arg("-s").arg(&file).arg(target)).succeeded();
    }
    assert_eq!(sender.download("/data/employees.csv.part"), shorter.csv());
}

#[test]
fn scp_replaces_yesterdays_file_whether_today_is_longer_or_shorter() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    let target = "127.0.0.1:/data/employees.csv";
    for (round, staff) in [40, 900, 38].map(Staff::of).into_iter().enumerate() {
        let file = daemon.local_file("employees.csv", staff.csv());
        Reply::to(sender.ssh_tool("scp").arg("-s").arg(&file).arg(target)).succeeded();
        assert_eq!(sender.download("/data/employees.csv"), staff.csv());
        wait_until("one run for each", || daemon.runs().len() == round + 1);
    }
    // Nobody is there who could continue a file by the same means.
    let longer = daemon.local_file("employees.csv", Staff::of(39).csv());
    let batch = format!("put -a {} /data/employees.csv\n", longer.display());
    sender.sftp(&batch).refused("");
    assert_eq!(sender.download("/data/employees.csv"), Staff::of(38).csv());
    daemon.wait_for_rest();
    assert_eq!(daemon.runs().len(), 3);
}

#[test]
fn the_host_key_is_the_one_in_the_ready_line_r0_23() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let port = daemon.address(Port::Sftp).port().to_string();
    let mut scan = Command::new("ssh-keyscan");
    let keys = Reply::to(scan.args(["-t", "ed25519", "-p", &port, "127.0.0.1"])).succeeded();
    let file = daemon.local_file("keys", keys.stdout);
    let shown = Reply::to(Command::new("ssh-keygen").arg("-lf").arg(file)).succeeded();
    let fingerprint = daemon.listener(Port::Sftp).fingerprint.clone().unwrap();
    assert!(
        shown.text().contains(&fingerprint),
        "{} {fingerprint}",
        shown.text()
    );
}
