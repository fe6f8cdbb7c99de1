//! Several certificates side by side, chains, and certificates whose time is over.

use crate::harness::openssl::{Kind, Pair};
use crate::harness::settings::Settings;
use crate::harness::tenant::Tenant;
use crate::harness::{Daemon, Port, Reply, wait_until};

/// Shows a pair of this kind first and one of the other kind beside it.
fn two_kinds(first: Kind) -> (Daemon, Pair, Pair) {
    let other = match first {
        Kind::Ecdsa => Kind::Rsa,
        Kind::Rsa => Kind::Ecdsa,
    };
    let settings = Settings::default().set("tls", "generate = false");
    let settings = settings.with(ALTERNATIVE);
    let mut daemon = Daemon::lay_out([Tenant::named("acme")], settings);
    let first = Pair::make(daemon.folder(), "server", first);
    let other = Pair::make_for(daemon.folder(), "other", other, "now", 100);
    daemon.start_again();
    (daemon, first, other)
}

const ALTERNATIVE: &str = "[[tls.alternative]]\ncertificate = \"other.pem\"\nkey = \"other.key\"\n";

/// The kind of the key that has signed a handshake.
#[track_caller]
fn kind_shown(reply: Reply) -> Kind {
    let text = reply.succeeded().text();
    let line = text
        .lines()
        .find(|it| it.starts_with("Peer signature type"));
    match line {
        Some(line) if line.contains("ECDSA") => Kind::Ecdsa,
        Some(line) if line.contains("RSA") => Kind::Rsa,
        _ => panic!("no signature in {text}"),
    }
}

#[test]
fn a_client_gets_the_certificate_it_can_use_and_the_first_if_it_can_use_both() {
    for first in [Kind::Ecdsa, Kind::Rsa] {
        let (daemon, ..) = two_kinds(first);
        for port in [Port::Explicit, Port::Implicit] {
            for (arguments, expected) in [
                ("-tls1_2", first),
                ("-tls1_3", first),
                ("-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", Kind::Rsa),
                ("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", Kind::Ecdsa),
                ("-tls1_2 -cipher ECDHE-RSA-CHACHA20-POLY1305", Kind::Rsa),
                ("-tls1_2 -sigalgs RSA+SHA256", Kind::Rsa),
                ("-tls1_2 -sigalgs ECDSA+SHA256", Kind::Ecdsa),
                ("-tls1_3 -sigalgs rsa_pss_rsae_sha256", Kind::Rsa),
                ("-tls1_3 -sigalgs ecdsa_secp256r1_sha256", Kind::Ecdsa),
            ] {
                let shown = kind_shown(daemon.s_client(port, arguments.split(' ')));
                assert_eq!(shown, expected, "{arguments} with {first:?} first");
            }
        }
    }
}

#[test]
fn curl_lists_with_suites_that_fit_one_certificate_only() {
    let (daemon, ..) = two_kinds(Kind::Ecdsa);
    let sender = daemon.sender("acme");
    for options in [
        "--tls-max 1.2 --ciphers ECDHE-RSA-AES128-GCM-SHA256",
        "--tls-max 1.2 --ciphers ECDHE-ECDSA-AES256-GCM-SHA384",
        "--tlsv1.3 --tls13-ciphers TLS_CHACHA20_POLY1305_SHA256",
    ] {
        for port in [Port::Explicit, Port::Implicit] {
            let mut curl = sender.curl(port, "/");
            curl.arg("--disable-epsv").args(options.split(' '));
            let listed = Reply::to(&mut curl).succeeded();
            assert!(listed.text().contains("images"), "{options}: {listed:?}");
        }
    }
}

#[test]
fn the_ready_line_and_the_metric_know_all_certificates_and_a_reload_swaps_them() {
    let (daemon, first, other) = two_kinds(Kind::Ecdsa);
    let events = daemon.events();
    let ready = events.iter().find(|it| it["listener"] == "ftpes").unwrap();
    assert_eq!(ready["fingerprint"], first.fingerprint());
    assert_eq!(ready["other_fingerprints"], other.fingerprint());
    let name = "rosterd_tls_certificate_expiry_timestamp_seconds";
    let before = daemon.metric(name, &[]).unwrap();

    let newer = Pair::make_for(daemon.folder(), "other", Kind::Rsa, "now", 200);
    let report = daemon.run(&["reload", "--json"]).succeeded().text();
    assert!(report.contains(&newer.fingerprint()), "{report}");
    // The alternative was the first to end, and is so still.
    let after = daemon.metric(name, &[]).unwrap();
    assert!((99.0..101.0).contains(&((after - before) / 86_400.0)));
    let shown = daemon.s_client(
        Port::Implicit,
        ["-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"],
    );
    let shown = daemon.local_file("shown.pem", shown.succeeded().text());
    let shown = Pair {
        certificate: shown,
        key: newer.key.clone(),
    };
    assert_eq!(shown.fingerprint(), newer.fingerprint());
}

#[test]
fn check_names_the_pair_that_is_wrong_and_the_file() {
    let (daemon, ..) = two_kinds(Kind::Ecdsa);
    let check = || daemon.run(&["check"]);
    check().succeeded();
    let file = |name: &str| daemon.folder().join(name);
    let good = ["rosterd.toml", "server.pem", "other.pem", "other.key"]
        .map(|name| (file(name), std::fs::read(file(name)).unwrap()));
    std::fs::copy(file("server.key"), file("other.key")).unwrap();
    let said = check().refused("tls.alternative[1]").text();
    assert!(said.contains("other.key does not belong to"), "{said}");

    std::fs::write(file("other.pem"), "no certificate").unwrap();
    std::fs::write(file("server.pem"), "no certificate").unwrap();
    let said = check().refused("2 problems").text();
    assert!(said.contains(": tls: "), "{said}");
    assert!(said.contains("tls.alternative[1]"), "{said}");

    std::fs::remove_file(file("other.pem")).unwrap();
    let said = check().refused("tls.alternative[1].certificate").text();
    assert!(!said.contains("generate"), "{said}");

    let config = file("rosterd.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + &ALTERNATIVE.repeat(4)).unwrap();
    check().refused("at most 4");

    for (file, bytes) in good {
        std::fs::write(file, bytes).unwrap();
    }
    check().succeeded();
}

#[test]
fn generate_makes_the_first_pair_only() {
    let mut daemon = Daemon::lay_out(
        [Tenant::named("acme")],
        Settings::default().with(ALTERNATIVE),
    );
    daemon
        .run(&["check"])
        .refused("tls.alternative[1].certificate: there is no file");
    Pair::make(daemon.folder(), "other", Kind::Rsa);
    daemon.start_again();
    let arguments = "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256".split(' ');
    assert_eq!(
        kind_shown(daemon.s_client(Port::Implicit, arguments)),
        Kind::Rsa
    );
    assert_eq!(
        kind_shown(daemon.s_client(Port::Implicit, ["-tls1_2"])),
        Kind::Ecdsa
    );
}

#[test]
fn a_chain_is_sent_whole_and_one_in_the_wrong_order_is_warned_about() {
    let settings = Settings::default().set("tls", "generate = false");
    let mut daemon = Daemon::lay_out([Tenant::named("acme")], settings);
    let folder = daemon.folder();
    let root = Pair::make(folder, "root", Kind::Ecdsa);
    let middle = Pair::make_signed(folder, "middle", Kind::Rsa, &root);
    let server = Pair::make_signed(folder, "server", Kind::Ecdsa, &middle);
    let alone = std::fs::read(&server.certificate).unwrap();
    server.append(&[&middle, &root]);
    let said = daemon.run(&["check"]).succeeded().text();
    assert!(!said.contains("warning"), "{said}");
    daemon.start_again();
    let shown = daemon.s_client(Port::Implicit, ["-showcerts"]).succeeded();
    assert_eq!(shown.text().matches("-----BEGIN CERTIFICATE").count(), 3);

    std::fs::write(&server.certificate, &alone).unwrap();
    server.append(&[&root, &middle]);
    let said = daemon.run(&["check"]).succeeded().text();
    assert!(said.contains("are not in order"), "{said}");

    // The server's own must be the first in any case.
    std::fs::copy(&middle.certificate, &server.certificate).unwrap();
    daemon
        .run(&["check"])
        .refused("put the server's own certificate first");
    std::fs::write(&server.certificate, &alone).unwrap();
}

#[test]
fn a_certificate_that_ends_soon_or_has_ended_is_warned_about_and_served() {
    let settings = Settings::default().set("tls", "generate = false");
    let mut daemon = Daemon::lay_out([Tenant::named("acme")], settings);
    Pair::make_for(daemon.folder(), "server", Kind::Ecdsa, "now", 20);
    let words = "expires on";
    let said = daemon.run(&["check"]).succeeded().text();
    assert!(said.contains("warning: ") && said.contains(words), "{said}");
    daemon.start_again();
    wait_until("the warning", || daemon.lines_with(words) > 0);
    assert_eq!(daemon.lines_with(words), 1);

    Pair::make_for(daemon.folder(), "server", Kind::Ecdsa, "2020-01-01", 20);
    let words = "has expired on 2020-01-21";
    let said = daemon.run(&["check"]).succeeded().text();
    assert!(said.contains(words), "{said}");
    daemon.run(&["reload"]).succeeded();
    wait_until("the warning", || daemon.lines_with(words) > 0);
    assert_eq!(daemon.lines_with(words), 1);
    let events = daemon.events();
    let warned = events
        .iter()
        .find(|it| it["message"].as_str().is_some_and(|it| it.contains(words)))
        .unwrap();
    assert_eq!(
        (&warned["level"], &warned["key"]),
        (&"WARN".into(), &"tls".into())
    );
    // It is for the sender to refuse it.
    daemon.sender("acme").names("/");
}
