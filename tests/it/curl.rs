//! curl, explicit and implicit: what a shell script on an HR server does.

use std::process::Command;

use crate::harness::staff::Staff;
use crate::harness::tenant::{Login, Tenant};
use crate::harness::{Daemon, Port, Reply, photo, wait_until};

#[test]
fn a_file_pushed_with_curl_becomes_the_roster_r0_04() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    let staff = Staff::of(40);

    for (port, number) in [(Port::Explicit, 1), (Port::Implicit, 2)] {
        let mut staff = staff.clone();
        staff.move_to(number, "Board");
        let file = daemon.local_file("employees.csv", staff.csv());
        let mut curl = sender.curl(port, "/data/employees.csv");
        let reply = Reply::to(curl.arg("-T").arg(file)).succeeded();

        assert!(
            reply.stderr.contains("226 Received"),
            "no size in the reply: {}",
            reply.stderr
        );
        daemon.outcome_of(&reply.delivery()).came_to("applied");
        assert_eq!(daemon.roster("acme"), staff);
        let back = Reply::to(&mut sender.curl(port, "/data/employees.csv")).succeeded();
        assert_eq!(back.stdout, staff.csv());
    }
}

#[test]
fn curl_lists_and_asks_for_size_and_time() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    assert_eq!(sender.names("/"), ["data", "errors", "images", "reports"]);

    let bytes = Staff::of(3).csv();
    daemon.deliver("acme", "/data/employees.csv", &bytes);

    assert_eq!(sender.names("/data/"), ["employees.csv"]);
    let list = Reply::to(&mut sender.curl(Port::Explicit, "/data/")).succeeded();
    let line = list.text();
    assert!(line.starts_with('-'), "{line}");
    assert!(line.contains(&format!(" {} ", bytes.len())), "{line}");
    let head = Reply::to(sender.curl(Port::Explicit, "/data/employees.csv").arg("-I")).succeeded();
    let head = head.text();
    assert!(
        head.contains(&format!("Content-Length: {}", bytes.len())),
        "{head}"
    );
    assert!(head.contains("Last-Modified: "), "{head}");
}

#[test]
fn a_temporary_name_counts_when_it_gets_its_real_name() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    let staff = Staff::of(5);

    // When curl uploads under a temporary name and renames in the same session.
    let mut curl = sender.upload_command("/data/employees.csv.part", staff.csv());
    Reply::to(curl.args([
        "-Q",
        "-RNFR employees.csv.part",
        "-Q",
        "-RNTO employees.csv",
    ]))
    .succeeded();

    // Then there is one delivery, of the renamed file.
    wait_until("the run", || {
        daemon.runs().iter().any(|run| run.outcome() == "applied")
    });
    assert_eq!(daemon.roster("acme"), staff);
    assert_eq!(sender.names("/data/"), ["employees.csv"]);
    assert_eq!(daemon.runs().len(), 1);
}

#[test]
fn a_photo_goes_to_images_and_starts_no_run_r0_06() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    sender
        .upload("/images/E00001.bmp", photo::bmp(1))
        .succeeded();
    assert_eq!(sender.download("/images/E00001.bmp"), photo::bmp(1));
    daemon.wait_for_rest();
    assert_eq!(daemon.runs().len(), 0);
}

#[test]
fn a_wrong_name_is_refused_before_a_byte_is_sent_and_says_what_is_expected_r0_25() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    for wrong in ["/data/staff.csv", "/data/Employees.CSV"] {
        let reply = sender.upload(wrong, b"x").refused("553 ");
        assert!(reply.stderr.contains("employees.csv"), "{}", reply.stderr);
        assert!(!reply.stderr.contains("< 150"), "{}", reply.stderr);
    }
    sender.upload("/reports/employees.csv", b"x").refused("55");
    assert_eq!(sender.names("/data/"), [] as [String; 0]);
    assert_eq!(daemon.runs().len(), 0);
}

#[test]
fn nothing_is_appended_to_yesterdays_file() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let sender = daemon.sender("acme");
    let yesterday = Staff::of(5).csv();
    daemon.deliver("acme", "/data/employees.csv", &yesterday);

    let longer = Staff::of(9).csv();
    let mut append = sender.upload_command("/data/employees.csv", &longer);
    Reply::to(append.arg("--append")).refused("551 ");
    let mut resume = sender.upload_command("/data/employees.csv", &longer);
    Reply::to(resume.args(["-C", "100"])).refused("551 ");

    assert_eq!(sender.download("/data/employees.csv"), yesterday);
    assert_eq!(daemon.runs().len(), 1);
    let mut tail = sender.curl(Port::Explicit, "/data/employees.csv");
    let tail = Reply::to(tail.args(["-C", "20"])).succeeded();
    assert_eq!(tail.stdout, yesterday[20..], "RETR honours REST");
}

#[test]
fn whoever_does_not_belong_gets_530_whatever_the_reason_r1_09() {
    let daemon = Daemon::start([
        Tenant::named("acme").login(Login::named("away@acme.example").only_from_elsewhere())
    ]);
    let password = crate::harness::tenant::PASSWORD;
    let strangers = [
        ("hr@acme.example", "wrong"),
        ("nobody@acme.example", password),
        ("away@acme.example", password),
        ("other.example|hr@acme.example", password),
        ("|hr@acme.example", password),
    ];
    let mut said = Vec::new();
    for (name, password) in strangers {
        for port in [Port::Explicit, Port::Implicit] {
            let reply = Reply::to(&mut daemon.stranger(name, password).curl(port, "/"));
            let reply = reply.refused("530 ");
            said.extend(
                reply
                    .stderr
                    .lines()
                    .filter(|line| line.starts_with("< 530"))
                    .map(|line| line.trim().to_owned()),
            );
        }
    }
    said.dedup();
    assert_eq!(said.len(), 1, "refusals must not differ: {said:?}");
    assert!(!daemon.log_text().contains(password));
}

#[test]
fn a_login_name_may_stand_alone_or_behind_a_host_r0_17() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    for name in [
        "hr@acme.example",
        "localhost|hr@acme.example",
        "Secureftp.Example.com|hr@acme.example",
        "secureftp.example.com+hr@acme.example",
    ] {
        let sender = daemon.sender("acme").named(name);
        assert_eq!(sender.names("/").len(), 4, "{name}");
    }
}

#[test]
fn plain_ftp_gets_no_further_than_user_r0_28() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut curl = Command::new("curl");
    curl.args(["-v", "-sS", "--max-time", "60", "-u", "hr@acme.example:x"])
        .arg(format!("ftp://{}/", daemon.address(Port::Explicit)));
    let reply = Reply::to(&mut curl).refused("530 ");
    assert!(!reply.stderr.contains("> PASS"), "{}", reply.stderr);
}

#[test]
fn environments_have_their_own_mailbox_roster_and_login_r1_13() {
    let tenant = Tenant::named("acme").login(Login::named("try@acme.example").sandbox());
    let daemon = Daemon::start([tenant]);
    let sandbox = daemon.sender("acme").named("try@acme.example");

    let reply = sandbox
        .upload("/data/employees.csv", Staff::of(2).csv())
        .succeeded();
    let run = daemon.outcome_of(&reply.delivery()).came_to("applied");

    assert_eq!(run.0["environment"], "sandbox");
    assert_eq!(daemon.roster("acme"), Staff::default());
    assert_eq!(daemon.sender("acme").names("/data/"), [] as [String; 0]);
    let roster = daemon.run(&["roster", "--tenant", "acme", "--environment", "sandbox"]);
    assert_eq!(Staff::read(&roster.succeeded().stdout), Staff::of(2));
}

#[test]
fn an_export_only_account_reads_and_never_writes_r1_25() {
    let tenant = Tenant::named("acme").login(Login::named("reader@acme.example").download_only());
    let daemon = Daemon::start([tenant]);
    let bytes = Staff::of(2).csv();
    daemon.deliver("acme", "/data/employees.csv", &bytes);

    let reader = daemon.sender("acme").named("reader@acme.example");
    assert_eq!(reader.download("/data/employees.csv"), bytes);
    reader.upload("/data/employees.csv", b"x").refused("55");
    let mut delete = reader.curl(Port::Explicit, "/data/");
    Reply::to(delete.args(["-Q", "DELE /data/employees.csv"])).refused("55");
    assert_eq!(reader.download("/data/employees.csv"), bytes);
}

#[test]
fn tenants_never_see_each_other_r1_26() {
    let daemon = Daemon::start([Tenant::named("acme"), Tenant::named("globex")]);
    daemon.deliver("acme", "/data/employees.csv", Staff::of(2).csv());
    let other = daemon.sender("globex");
    assert_eq!(other.names("/data/"), [] as [String; 0]);
    for path in [
        "/data/employees.csv",
        "/../../acme/production/data/employees.csv",
        "/%2e%2e/%2e%2e/acme/production/data/employees.csv",
    ] {
        let mut curl = other.curl(Port::Explicit, path);
        Reply::to(curl.args(["--path-as-is", "--disable-epsv"])).refused("55");
    }
    assert_eq!(daemon.roster("globex"), Staff::default());
}

#[test]
fn the_certificate_covers_the_hosts_and_its_fingerprint_is_in_the_ready_line_r0_15_r0_23() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let certificate = daemon.folder().join("server.pem");

    // A sender who pins the certificate needs no -k, under each name of the server.
    for host in ["localhost", "secureftp.example.com"] {
        for (port, scheme) in [(Port::Explicit, "ftp"), (Port::Implicit, "ftps")] {
            let number = daemon.address(port).port();
            let mut curl = Command::new("curl");
            curl.args(["-v", "-sS", "--ssl-reqd", "-4", "--max-time", "60"])
                .args(["--resolve", &format!("{host}:{number}:127.0.0.1")])
                .arg("--cacert")
                .arg(&certificate)
                .arg("-u")
                .arg(format!(
                    "hr@acme.example:{}",
                    crate::harness::tenant::PASSWORD
                ))
                .arg(format!("{scheme}://{host}:{number}/"));
            Reply::to(&mut curl).succeeded();
        }
    }

    let mut openssl = Command::new("openssl");
    openssl
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(&certificate);
    let shown = Reply::to(&mut openssl).succeeded().text();
    let shown = hex_digits(shown.split_once('=').unwrap().1);
    for port in [Port::Explicit, Port::Implicit] {
        let ready = daemon.listener(port).fingerprint.clone().unwrap();
        let ready = hex_digits(ready.rsplit("SHA256").next().unwrap());
        assert_eq!(ready, shown);
    }
}

fn hex_digits(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_hexdigit)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
