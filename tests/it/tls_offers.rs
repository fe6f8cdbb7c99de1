//! What is offered in a TLS handshake, by us and by others: scanned, and refused with a line that says why.

use serde_json::Value;

use crate::harness::openssl::{Kind, Pair};
use crate::harness::settings::Settings;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Daemon, Port, Reply, wait_for};
use crate::wire::ftps::Ftps;

/// Every element of this name, as its attributes.
fn elements<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!("<{name} ");
    let parts = xml.split(begin.as_str()).skip(1);
    parts.map(|it| it.split('>').next().unwrap()).collect()
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let begin = format!("{name}=\"");
    let value = element.split(begin.as_str()).nth(1);
    value.map_or("", |it| it.split('"').next().unwrap())
}

#[test]
fn sslscan_finds_nothing_old_or_weak_on_either_port() {
    let settings = Settings::default()
        .with("[[tls.alternative]]\ncertificate = \"rsa.pem\"\nkey = \"rsa.key\"\n");
    let mut daemon = Daemon::lay_out([Tenant::named("acme")], settings);
    Pair::make(daemon.folder(), "rsa", Kind::Rsa);
    daemon.start_again();
    for port in [Port::Explicit, Port::Implicit] {
        let mut sslscan = std::process::Command::new("sslscan");
        sslscan.args(["--xml=-", "--no-colour", "--show-certificate"]);
        if port == Port::Explicit {
            sslscan.arg("--starttls-ftp");
        }
        sslscan.arg(daemon.address(port).to_string());
        let xml = Reply::to(&mut sslscan).succeeded().text();

        let protocols: Vec<_> = elements(&xml, "protocol")
            .into_iter()
            .map(|it| {
                let name = format!("{}{}", attribute(it, "type"), attribute(it, "version"));
                (name, attribute(it, "enabled"))
            })
            .collect();
        for (name, enabled) in [
            ("ssl2", "0"),
            ("ssl3", "0"),
            ("tls1.0", "0"),
            ("tls1.1", "0"),
            ("tls1.2", "1"),
            ("tls1.3", "1"),
        ] {
            assert!(
                protocols.contains(&(name.to_owned(), enabled)),
                "{name}: {xml}"
            );
        }
        // What was not even offered has no element.
        for (name, key, good) in [
            ("compression", "supported", "0"),
            ("heartbleed", "vulnerable", "0"),
            ("fallback", "supported", "1"),
            ("renegotiation", "supported", "0"),
        ] {
            for it in elements(&xml, name) {
                assert_eq!(attribute(it, key), good, "{it}");
            }
        }
        assert!(!elements(&xml, "heartbleed").is_empty(), "{xml}");

        let suites = elements(&xml, "cipher");
        assert!(suites.len() >= 9, "{xml}");
        for suite in suites {
            let name = attribute(suite, "cipher");
            let is_tls13 = name.starts_with("TLS_");
            assert!(
                is_tls13 || name.starts_with("ECDHE-"),
                "no forward secrecy: {name}"
            );
            let is_sealed = name.contains("GCM") || name.contains("POLY1305");
            assert!(is_sealed, "no authenticated encryption: {name}");
            assert!(
                attribute(suite, "bits").parse::<u32>().unwrap() >= 128,
                "{name}"
            );
        }
        assert!(
            !xml.contains("sha1With") && !xml.contains("md5With"),
            "{xml}"
        );
        let keys = elements(&xml, "pk").into_iter();
        let keys: Vec<_> = keys.filter(|it| it.contains("bits=")).collect();
        assert!(!keys.is_empty(), "{xml}");
        for key in keys {
            let bits: u32 = attribute(key, "bits").parse().unwrap();
            let enough = if attribute(key, "type") == "RSA" {
                2048
            } else {
                128
            };
            assert!(
                bits >= enough && attribute(key, "error") == "false",
                "{key}"
            );
        }
    }
}

fn says(event: &Value, words: &str) -> bool {
    let message = event["message"].as_str();
    message.is_some_and(|it| it.contains(words))
}

#[test]
fn an_offer_that_is_too_old_is_refused_and_the_log_says_why() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let lowest = "-cipher ALL:@SECLEVEL=0";
    for (arguments, reason) in [
        (format!("-tls1 {lowest}"), "it must have TLS 1.2 or 1.3"),
        (format!("-tls1_1 {lowest}"), "it must have TLS 1.2 or 1.3"),
        (
            "-tls1_2 -cipher AES128-SHA256".to_owned(),
            "it offers no key exchange with forward secrecy",
        ),
        (
            "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256".to_owned(),
            "it offers no cipher suite",
        ),
        (
            "-tls1_3 -groups secp521r1".to_owned(),
            "it offers no key exchange",
        ),
        (
            "-tls1_3 -sigalgs rsa_pss_rsae_sha256".to_owned(),
            "the sender needs another kind of certificate",
        ),
        (
            "-verify_return_error -verify 1".to_owned(),
            "the sender does not trust our certificate",
        ),
    ] {
        for port in [Port::Explicit, Port::Implicit] {
            let reply = daemon.s_client(port, arguments.split(' '));
            assert_ne!(reply.code, 0, "{arguments}: {reply:?}");
            // At first each time; what comes often is told less often.
            let told = || daemon.events().into_iter().find(|it| says(it, reason));
            let told = wait_for(reason, told);
            assert_eq!(told["level"], "INFO", "{arguments}");
            assert_eq!(told["peer"], "127.0.0.1", "{arguments}");
        }
    }
    daemon.sender("acme").names("/");
}

#[test]
fn another_protocols_name_is_refused_on_control_and_data_connections() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    for port in [Port::Explicit, Port::Implicit] {
        for version in ["-tls1_2", "-tls1_3"] {
            for (offered, agreed) in [("ftp", "ftp"), ("h2,ftp", "ftp")] {
                let reply = daemon
                    .s_client(port, [version, "-alpn", offered])
                    .succeeded();
                let agreed = format!("ALPN protocol: {agreed}");
                assert!(reply.text().contains(&agreed), "{reply:?}");
            }
            let none = daemon.s_client(port, [version]).succeeded();
            assert!(none.text().contains("No ALPN negotiated"), "{none:?}");
            for offered in ["h2", "http/1.1", "ftp-data", "imap,smtp"] {
                daemon
                    .s_client(port, [version, "-alpn", offered])
                    .refused("no application protocol");
            }
        }
    }
    assert!(daemon.lines_with("before TLS was agreed on") >= 1);

    let mut session = Ftps::log_in(&daemon, Port::Explicit, "hr@acme.example", PASSWORD);
    for (offered, code) in [
        ("ftp", 226),
        ("ftp-data", 226),
        ("h2", 425),
        ("http/1.1", 425),
    ] {
        let announced = session.ask("EPSV").text;
        let port = announced.split('|').nth(3).unwrap().to_owned();
        session.say("NLST /");
        assert_eq!(session.hear().code, 150);
        let mut openssl = std::process::Command::new("openssl");
        openssl.args([
            "s_client",
            "-connect",
            &format!("127.0.0.1:{port}"),
            "-alpn",
            offered,
        ]);
        let reply = Reply::to(&mut openssl);
        assert_eq!(session.hear().code, code, "{offered}: {reply:?}");
        if code == 425 {
            reply.refused("no application protocol");
        }
    }
    assert_eq!(session.ask("NOOP").code, 200);
}
