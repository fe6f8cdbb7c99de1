//! Logins that need a client certificate beside their password, and the others, to which nothing changes.

use std::process::Command;

use crate::harness::openssl::{Kind, Pair};
use crate::harness::tenant::{Login, PASSWORD, Tenant};
use crate::harness::{Client, Daemon, Port, Reply, test_file};

/// hr@ needs a certificate with one of these fingerprints; plain@ needs none.
fn tenant(fingerprints: &[String]) -> Tenant {
    let line = format!("client_certificates = {fingerprints:?}");
    Tenant::named("acme")
        .first_login(|login| login.line(&line))
        .login(Login::named("plain@acme.example"))
}

fn put(daemon: &Daemon, tenant: &Tenant) {
    std::fs::write(daemon.folder().join("tenants/acme.toml"), tenant.toml()).unwrap();
}

/// Lists the root with curl.
fn list(daemon: &Daemon, port: Port, user: &str, shown: Option<&Pair>, options: &str) -> Reply {
    let sender = daemon.stranger(user, PASSWORD);
    let mut curl = sender.curl(port, "/");
    curl.arg("--disable-epsv").args(options.split_whitespace());
    if let Some(Pair { certificate, key }) = shown {
        curl.arg("--cert").arg(certificate).arg("--key").arg(key);
    }
    Reply::to(&mut curl)
}

#[test]
fn a_login_with_client_certificates_needs_one_of_them_and_its_password_too() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, other] = ["ours", "other"].map(|name| Pair::make(folder.path(), name, Kind::Ecdsa));
    let old = Pair::make_for(folder.path(), "old", Kind::Ecdsa, "2020-01-01", 30);
    // Of version 1, with an RSA key, by an authority that nobody here knows.
    let signed = Pair::make_signed_plainly(folder.path(), "signed", Kind::Rsa, &other);
    signed.append(&[&other]);
    let fingerprints = [
        ours.fingerprint().to_lowercase(),
        signed.fingerprint().replace(':', ""),
        old.fingerprint(),
    ];
    let daemon = Daemon::start([tenant(&fingerprints)]);
    let (hr, plain) = ("hr@acme.example", "plain@acme.example");

    for options in ["--tls-max 1.2", "--tlsv1.3"] {
        for port in [Port::Explicit, Port::Implicit] {
            for shown in [&ours, &signed] {
                list(&daemon, port, hr, Some(shown), options).succeeded();
            }
            for shown in [None, Some(&ours), Some(&other), Some(&old), Some(&signed)] {
                list(&daemon, port, plain, shown, options).succeeded();
            }
        }
    }
    for (shown, reason) in [
        (None, "it needs one of its client_certificates"),
        (Some(&other), "is not one of its client_certificates"),
        (Some(&old), "is not valid today"),
    ] {
        let before = std::time::Instant::now();
        list(&daemon, Port::Explicit, hr, shown, "").refused("530 Not logged in");
        assert!(before.elapsed().as_millis() >= 1000, "{reason}");
        assert_eq!(daemon.lines_with(reason), 1, "{reason}");
    }
    let mut wrong = daemon.stranger(hr, "wrong").curl(Port::Explicit, "/");
    wrong.arg("--cert").arg(&ours.certificate);
    Reply::to(wrong.arg("--key").arg(&ours.key)).refused("530 Not logged in");
    assert_eq!(daemon.lines_with("the password is wrong"), 1);

    // Not a matter of SFTP.
    daemon.stranger(hr, PASSWORD).sftp("ls /").succeeded();
}

#[test]
fn without_a_login_that_lists_some_no_certificate_is_asked_for() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let asked = |daemon: &Daemon| {
        let reply = daemon.s_client(Port::Implicit, ["-tls1_2"]).succeeded();
        !reply.text().contains("No client certificate CA names sent")
            || reply.text().contains("Client Certificate Types")
    };
    assert!(!asked(&daemon));
    let pair = Pair::make(daemon.folder(), "client", Kind::Ecdsa);
    put(&daemon, &tenant(&[pair.fingerprint()]));
    daemon.run(&["reload"]).succeeded();
    assert!(asked(&daemon));
}

#[test]
fn a_client_that_resumes_is_known_by_the_certificate_of_the_first_handshake() {
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make(folder.path(), "client", Kind::Ecdsa);
    let daemon = Daemon::start([Tenant::named("acme").login(Login::named("plain@acme.example"))]);
    let address = daemon.address(Port::Explicit);
    for version in ["1.2", "1.3"] {
        put(&daemon, &Tenant::named("acme"));
        daemon.run(&["reload"]).succeeded();
        let mut client = Client::spawn(
            Command::new("python3")
                .arg("-B")
                .arg(test_file("reuse/certificate.py"))
                .args([
                    &address.port().to_string(),
                    version,
                    "hr@acme.example",
                    PASSWORD,
                ])
                .args([&pair.certificate, &pair.key]),
        );
        let mut say = conversation(&mut client);
        // Nobody asked for the certificate here, so this ticket is no good for a login that needs one: a whole handshake asks.
        assert_eq!(say("login"), "230 fresh");
        put(&daemon, &tenant(&[pair.fingerprint()]));
        daemon.run(&["reload"]).succeeded();
        assert_eq!(say("login"), "230 fresh", "TLS {version}");
        for _ in 0..3 {
            assert_eq!(say("login"), "230 resumed", "TLS {version}");
        }
        // What was shown then is judged by what is listed now.
        put(&daemon, &tenant(&["AB".repeat(32)]));
        daemon.run(&["reload"]).succeeded();
        assert_eq!(say("login"), "530 resumed", "TLS {version}");
        drop(say);
        client.wait().succeeded();
    }
}

/// Says a line to a client and hears one.
fn conversation(client: &mut Client) -> impl FnMut(&str) -> String {
    use std::io::{BufRead as _, Write as _};
    let process = client.process();
    let mut stdin = process.stdin.take().unwrap();
    let mut stdout = std::io::BufReader::new(process.stdout.take().unwrap());
    move |line| {
        writeln!(stdin, "{line}").unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }
}

#[test]
fn a_reload_ends_the_sessions_whose_certificate_is_not_listed_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| Pair::make(folder.path(), name, Kind::Ecdsa));
    let daemon = Daemon::start([tenant(&[one.fingerprint(), two.fingerprint()])]);
    let port = daemon.address(Port::Explicit).port().to_string();
    let mut clients = [("hr", &one), ("hr", &two), ("plain", &one)].map(|(user, pair)| {
        let user = format!("{user}@acme.example");
        let mut python = Command::new("python3");
        python.arg("-B").arg(test_file("reuse/certificate.py"));
        python.args([&port, "1.3", &user, PASSWORD]);
        Client::spawn(python.args([&pair.certificate, &pair.key]))
    });
    let mut say: Vec<_> = clients.iter_mut().map(conversation).collect();
    for say in &mut say {
        assert_eq!(say("stay"), "230 fresh");
    }
    put(&daemon, &tenant(&[two.fingerprint()]));
    let report = daemon.run(&["reload", "--json"]).succeeded().text();
    assert!(report.contains("\"sessions_ended\": 1"), "{report}");
    let said: Vec<_> = say.iter_mut().map(|say| say("noop")).collect();
    assert!(said[0].starts_with("421 "), "{said:?}");
    assert_eq!(&said[1..], ["200", "200"]);
    assert_eq!(
        daemon.lines_with("is not one of its client_certificates"),
        1
    );
    drop(say);
    for client in clients {
        client.wait().succeeded();
    }
}

#[test]
fn a_fingerprint_that_is_none_is_a_problem_with_its_line() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    put(&daemon, &tenant(&["AB:CD".to_owned()]));
    daemon
        .run(&["check"])
        .refused("client_certificates[1]: expected the SHA-256 fingerprint");
    put(&daemon, &tenant(&[]));
    daemon
        .run(&["check"])
        .refused("an empty list asks for no certificate");
    put(&daemon, &Tenant::named("acme"));
}
