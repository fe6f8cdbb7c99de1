//! FTPS commands byte for byte: what is announced is served, what is malformed costs one line, and strangers hear nothing of what they have said.

use crate::harness::staff::Staff;
use crate::harness::tenant::{Login, PASSWORD, Tenant};
use crate::harness::{Daemon, Port, photo, sha256};
use crate::wire::ftps::Ftps;

const USER: &str = "hr@acme.example";

fn log_in(daemon: &Daemon) -> Ftps {
    Ftps::log_in(daemon, Port::Explicit, USER, PASSWORD)
}

/// The command that a line of FEAT promises.
fn promised(feature: &str) -> &'static str {
    match feature.split(' ').next().unwrap_or_default() {
        "AUTH" => "AUTH TLS",
        "PBSZ" => "PBSZ 0",
        "PROT" => "PROT P",
        "UTF8" => "OPTS UTF8 ON",
        "MLST" => "MLST /data",
        "SIZE" => "SIZE /data/employees.csv",
        "MDTM" => "MDTM /data/employees.csv",
        "MFMT" => "MFMT 20261122010203 /data/employees.csv",
        "MFF" => "MFF modify=20261122010203; /data/employees.csv",
        "HASH" => "HASH /data/employees.csv",
        "XSHA256" => "XSHA256 /data/employees.csv",
        "AVBL" => "AVBL /data",
        "EPSV" => "EPSV",
        "EPRT" => "EPRT |1|127.0.0.1|2121|",
        "TVFS" => "CWD /images/../data",
        "CLNT" => "CLNT sender 1.0",
        "HOST" => "HOST localhost",
        "LANG" => "LANG EN",
        _ => panic!("a feature without a command: {feature}"),
    }
}

#[test]
fn every_line_of_feat_and_help_is_served() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    assert_eq!(
        session
            .store("/data/employees.csv", &Staff::of(2).csv())
            .code,
        226
    );
    let features = session.ask("FEAT").text;
    assert!(!features.contains("REST"), "{features}");
    let lines: Vec<_> = features
        .lines()
        .filter_map(|it| it.strip_prefix(' '))
        .collect();
    assert!(lines.len() > 15, "{features}");
    for line in lines {
        let reply = session.ask(promised(line));
        // It is in TLS and logged in, so AUTH and HOST come too late; everything else does what it says.
        let too_late = line.starts_with("AUTH") || line == "HOST";
        let fit = if too_late {
            reply.code == 503
        } else {
            reply.code < 300
        };
        assert!(fit, "{line}: {reply:?}");
    }
    let help = session.ask("HELP").text;
    let verbs: Vec<_> = help
        .lines()
        .filter(|line| line.starts_with(' '))
        .flat_map(str::split_whitespace)
        .collect();
    assert!(verbs.len() > 40, "{help}");
    for verb in verbs {
        let command = if verb == "SITE" { "SITE QUOTA" } else { verb };
        if matches!(verb, "QUIT" | "STOR" | "APPE") {
            continue;
        }
        let reply = session.ask(command);
        assert!(!matches!(reply.code, 500 | 502), "{verb}: {reply:?}");
    }
    daemon.wait_for_rest();
}

#[test]
fn a_sender_compares_digests_whether_it_may_download_or_only_upload() {
    let uploads = "sender@acme.example";
    let tenant = Tenant::named("acme").login(Login::named(uploads).upload_only());
    let daemon = Daemon::start([tenant]);
    let csv = Staff::of(5).csv();
    let digest = sha256(&csv);
    for user in [USER, uploads] {
        let mut session = Ftps::log_in(&daemon, Port::Implicit, user, PASSWORD);
        assert_eq!(session.store("/data/employees.csv", &csv).code, 226);
        assert_eq!(session.ask("CWD /data").code, 250);
        let expected = format!(
            "213 SHA-256 0-{} {digest} /data/employees.csv\r\n",
            csv.len()
        );
        assert_eq!(session.ask("HASH employees.csv").text, expected);
        // Neither REST nor RANG makes it a digest of a part.
        assert_eq!(session.ask("REST 10").code, 350);
        assert_eq!(session.ask("HASH /data/employees.csv").text, expected);
        assert_eq!(session.ask("REST 0").code, 350);
        let alone = format!("250 {}\r\n", digest.to_uppercase());
        assert_eq!(session.ask("XSHA256 employees.csv").text, alone);
        assert_eq!(session.ask("OPTS HASH").text, "200 SHA-256\r\n");
        assert_eq!(session.ask("OPTS HASH SHA-256").text, "200 SHA-256\r\n");
        assert_eq!(session.ask("OPTS HASH SHA-1").code, 501);
        for (path, code) in [("none.csv", 550), ("/data", 550), ("/", 550), ("a\\b", 550)] {
            assert_eq!(session.ask(&format!("HASH {path}")).code, code, "{path}");
        }
    }
    let mut stranger = Ftps::connect(&daemon, Port::Implicit);
    assert_eq!(stranger.ask("HASH /data/employees.csv").code, 530);
    daemon.wait_for_rest();
}

#[test]
fn a_huge_file_is_hashed_while_its_session_and_all_others_are_answered() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut other = log_in(&daemon);
    assert_eq!(other.store("/images/face.bmp", &photo::bmp(1)).code, 226);
    let huge = daemon.mailbox("acme").join("images/huge.part");
    let file = std::fs::File::create(&huge).unwrap();
    file.set_len(20_000_000_000).unwrap();
    let mut session = log_in(&daemon);
    // Two of them, so that every turn is taken.
    let mut third = log_in(&daemon);
    for busy in [&mut session, &mut third] {
        busy.say("HASH /images/huge.part");
    }
    assert_eq!(other.ask("HASH /images/face.bmp").code, 213);
    for busy in [&mut session, &mut third] {
        assert_eq!(busy.ask("NOOP").code, 200);
        let status = busy.ask("STAT");
        assert_eq!(status.code, 211);
        assert!(status.text.contains("bytes so far"), "{status:?}");
        busy.say("ABOR");
        assert_eq!(busy.hear().code, 426);
        assert_eq!(busy.hear().code, 226);
        assert_eq!(busy.ask("PWD").code, 257);
    }
    std::fs::remove_file(huge).unwrap();
    daemon.wait_for_rest();
}

#[test]
fn times_set_by_mfmt_or_mff_are_told_to_the_second_everywhere() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    assert_eq!(session.store("/images/face.bmp", &photo::bmp(1)).code, 226);
    for (command, time) in [
        ("MFMT 20240229235958 /images/face.bmp", "20240229235958"),
        (
            "MFF modify=20231231235959; /images/face.bmp",
            "20231231235959",
        ),
    ] {
        let expected = format!("213 Modify={time}; /images/face.bmp\r\n");
        assert_eq!(session.ask(command).text, expected);
        let modified = session.ask("MDTM /images/face.bmp").text;
        assert_eq!(modified, format!("213 {time}\r\n"));
        let size = photo::bmp(1).len();
        let sized = session.ask("SIZE /images/face.bmp").text;
        assert_eq!(sized, format!("213 {size}\r\n"));
        let facts = String::from_utf8(session.fetch("MLSD /images")).unwrap();
        let expected = format!("type=file;size={size};modify={time};");
        assert!(facts.starts_with(&expected), "{facts}");
        let fact = session.ask("MLST /images/face.bmp").text;
        assert!(fact.contains(&expected), "{fact}");
    }
    assert_eq!(
        session
            .ask("MFF create=20231231235959; /images/face.bmp")
            .code,
        504
    );
    assert_eq!(
        session
            .ask("MFF modify=20231231235959; /images/none.bmp")
            .code,
        550
    );
    assert_eq!(
        session.ask("OPTS MLST size;").text,
        "200 MLST OPTS size;\r\n"
    );
    assert_eq!(session.ask("OPTS MLST").text, "200 MLST OPTS\r\n");
    daemon.wait_for_rest();
}

#[test]
fn host_is_one_of_ours_and_comes_before_user() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = Ftps::connect(&daemon, Port::Explicit);
    assert_eq!(session.ask("HOST SecureFTP.example.COM").code, 220);
    assert_eq!(session.ask("HOST other.example.com").code, 504);
    assert_eq!(session.ask("HOST").code, 501);
    session.try_secure().unwrap();
    assert_eq!(session.ask("HOST localhost").code, 220);
    assert_eq!(session.ask(&format!("USER {USER}")).code, 331);
    assert_eq!(session.ask("HOST localhost").code, 503);
    assert_eq!(session.ask(&format!("PASS {PASSWORD}")).code, 230);
    assert_eq!(session.ask("HOST localhost").code, 503);
}

#[test]
fn stat_with_a_path_lists_on_the_control_connection() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    for name in ["a.bmp", "b.bmp"] {
        let path = format!("/images/{name}");
        assert_eq!(session.store(&path, &photo::bmp(1)).code, 226);
    }
    let names = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains("ftp      ftp"));
        lines
            .map(|line| line.rsplit(' ').next().unwrap().to_owned())
            .collect()
    };
    let folder = session.ask("STAT /images");
    assert_eq!(folder.code, 212, "{folder:?}");
    assert_eq!(names(&folder.text), ["a.bmp", "b.bmp"]);
    let file = session.ask("STAT -la /images/b.bmp");
    assert_eq!(file.code, 213, "{file:?}");
    assert_eq!(names(&file.text), ["b.bmp"]);
    assert_eq!(names(&session.ask("STAT /images/a*").text), ["a.bmp"]);
    assert_eq!(session.ask("STAT /none").code, 550);
    let status = session.ask("STAT");
    assert_eq!(status.code, 211);
    assert!(status.text.contains("Logged in"), "{status:?}");
    let mut stranger = Ftps::connect(&daemon, Port::Implicit);
    assert_eq!(stranger.ask("STAT /images").code, 530);

    // As lftp uses it, which never opens a data connection for it.
    let listed = daemon.sender("acme").lftp(
        Port::Explicit,
        "set ftp:use-stat-for-list yes\nset ftp:use-mlsd no\ncls -1 /images",
    );
    let mut lines: Vec<_> = listed
        .succeeded()
        .text()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.retain(|line| line.contains(".bmp"));
    assert_eq!(lines, ["/images/a.bmp", "/images/b.bmp"]);
    daemon.wait_for_rest();
}

#[test]
fn a_star_picks_from_one_folder() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    for path in ["/images/a1.bmp", "/images/a2.png.part", "/images/b.bmp"] {
        assert_eq!(session.store(path, &photo::bmp(1)).code, 226);
    }
    assert_eq!(session.ask("CWD /images").code, 250);
    let fetched =
        |session: &mut Ftps, command: &str| String::from_utf8(session.fetch(command)).unwrap();
    for (command, listing) in [
        ("NLST *.bmp", "a1.bmp\r\nb.bmp\r\n"),
        ("NLST -a a*", "a1.bmp\r\na2.png.part\r\n"),
        ("NLST -a", "a1.bmp\r\na2.png.part\r\nb.bmp\r\n"),
        ("NLST /images/b*", "/images/b.bmp\r\n"),
        ("NLST ../images/*1*", "../images/a1.bmp\r\n"),
        ("NLST *.csv", ""),
        ("NLST /data/*", ""),
    ] {
        assert_eq!(fetched(&mut session, command), listing, "{command}");
    }
    let long = fetched(&mut session, "LIST a*");
    assert_eq!(long.lines().count(), 2, "{long}");
    // Folders are not searched by pattern, and no pattern leads out.
    for command in ["NLST /im*/a1.bmp", "NLST /none/*"] {
        let refused = session.try_transfer(command).unwrap().unwrap_err();
        assert_eq!(refused.code, 550, "{command}");
    }
    assert_eq!(
        fetched(&mut session, "NLST ../../../*"),
        "../../../data\r\n../../../errors\r\n../../../images\r\n../../../reports\r\n"
    );
    daemon.wait_for_rest();
}

#[test]
fn what_follows_auth_in_clear_is_never_obeyed() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = Ftps::connect(&daemon, Port::Explicit);
    session.send(b"AUTH TLS\r\nFEAT\r\nUSER hr@acme.example\r\nNOO");
    assert_eq!(session.hear().code, 234);
    session.try_shake_hands().unwrap();
    // The first answer inside TLS is to the first command inside TLS.
    assert_eq!(session.ask("SYST").code, 215);
    assert_eq!(session.ask("PASS x").code, 503);
}

#[test]
fn every_spelling_of_auth_works_and_protection_may_come_before_the_login_r0_13() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    for auth in ["AUTH TLS", "AUTH SSL", "AUTH TLS-C", "auth tls-p"] {
        let mut session = Ftps::connect(&daemon, Port::Explicit);
        assert_eq!(session.ask(&format!("USER {USER}")).code, 530);
        assert_eq!(session.ask(&format!("PASS {PASSWORD}")).code, 530);
        assert_eq!(session.ask("PBSZ 0").code, 503);
        assert_eq!(session.ask("PROT P").code, 503);
        assert_eq!(session.ask(auth).code, 234, "{auth}");
        session.try_shake_hands().unwrap();
        assert_eq!(session.ask("AUTH TLS").code, 503);
        assert_eq!(session.ask("PBSZ 0").code, 200);
        assert_eq!(session.ask("PROT P").code, 200);
        assert_eq!(session.ask("PROT C").code, 536);
        assert_eq!(session.ask("STOR /data/employees.csv").code, 530);
        assert_eq!(session.ask(&format!("USER {USER}")).code, 331);
        assert_eq!(session.ask(&format!("PASS {PASSWORD}")).code, 230);
        assert_eq!(session.names("/data"), [] as [String; 0]);
    }
}

#[test]
fn a_malformed_line_is_one_501_and_the_session_goes_on() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    let long = [b"STOR ".as_slice(), &vec![b'x'; 70_000], b"\r\n"].concat();
    let lines: [&[u8]; 8] = [
        &long,
        b"STOR /data/employees.csv\0.part\r\n",
        b"STOR /data/a\rb.part\r\n",
        b"STOR /data/\xc0\xae\xc0\xae.part\r\n",
        b"MKD /images/\xff\xfe\r\n",
        b"SIZE \x80\r\n",
        b"STOR\r\n",
        b"TYPE\r\n",
    ];
    for line in lines {
        session.send(line);
        let shown = line.get(..20).unwrap_or(line);
        let reply = session.hear();
        assert_eq!(reply.code, 501, "{shown:?}: {reply:?}");
        assert_eq!(session.ask("NOOP").code, 200, "{shown:?}");
    }
    // A line feed ends a line, so what follows it is a line of its own and not part of a name.
    session.send(b"DELE /data/a\nQUUX\r\n");
    assert_eq!(session.hear().code, 550);
    assert_eq!(session.hear().code, 500);
    for name in ["a\u{2028}b", "a\tb", "a\u{85}b", "a\\b", "a.", "a "] {
        let reply = session.ask(&format!("MKD /images/{name}"));
        assert_eq!(reply.code, 553, "{name:?}: {reply:?}");
    }
    assert_eq!(session.names("/images"), [] as [String; 0]);
    // Dots in any spelling stop at the root.
    assert_eq!(session.ask("CWD /../../..").code, 250);
    assert!(session.ask("PWD").text.starts_with("257 \"/\" "));
    assert_eq!(session.ask("CWD %2e%2e").code, 550);
}

#[test]
fn a_line_may_come_in_pieces() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    for port in [Port::Explicit, Port::Implicit] {
        let mut session = Ftps::connect(&daemon, port);
        for byte in b"SYST\r" {
            session.send(&[*byte]);
        }
        session.send(b"\nNOOP\r\nNO");
        assert_eq!(session.hear().code, 215);
        assert_eq!(session.hear().code, 200);
        session.send(b"OP\n");
        assert_eq!(session.hear().code, 200);
    }
}

#[test]
fn ten_unknown_commands_in_a_row_or_another_protocol_end_the_session() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut scanner = Ftps::connect(&daemon, Port::Explicit);
    for _ in 0..9 {
        assert_eq!(scanner.ask("FROBNICATE").code, 500);
    }
    // A known one in between starts the count anew.
    assert_eq!(scanner.ask("NOOP").code, 200);
    for _ in 0..9 {
        assert_eq!(scanner.ask("FROBNICATE").code, 500);
    }
    assert_eq!(scanner.ask("FROBNICATE").code, 421);
    scanner.was_closed();

    for request in [
        "GET / HTTP/1.1",
        "POST /upload HTTP/1.1",
        "PUT /data/employees.csv HTTP/1.1",
        "HEAD / HTTP/1.0",
        "OPTIONS * HTTP/1.1",
        "CONNECT example.com:443 HTTP/1.1",
        "EHLO example.com",
    ] {
        let mut browser = Ftps::connect(&daemon, Port::Implicit);
        // What a page could smuggle in behind the head is not obeyed.
        browser.send(format!("{request}\r\nHost: x\r\n\r\nUSER {USER}\r\nPASS x\r\n").as_bytes());
        assert_eq!(browser.hear().code, 421, "{request}");
        browser.was_closed();
    }
}

#[test]
fn a_stranger_hears_nothing_of_what_it_has_said() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mark = "<script>alert(1)</script>";
    for port in [Port::Explicit, Port::Implicit] {
        let mut stranger = Ftps::connect(&daemon, port);
        for verb in [
            "",
            "USER ",
            "PASS ",
            "ACCT ",
            "AUTH ",
            "PROT ",
            "HOST ",
            "CLNT ",
            "LANG ",
            "OPTS ",
            "OPTS MLST ",
            "OPTS HASH ",
            "TYPE ",
            "REST ",
            "ALLO ",
            "CWD ",
            "MKD ",
            "STAT ",
            "HELP ",
            "HASH ",
            "EPRT |1|",
            "PORT ",
            "SITE ",
            "MLST ",
            "MFF ",
            "FEAT ",
            "NOOP ",
            "RNTO ",
        ] {
            let reply = stranger.ask(&format!("{verb}{mark}"));
            assert!(!reply.text.contains("script"), "{verb}: {reply:?}");
        }
    }
}
