//! What is agreed on with which listener: nothing outdated on the ordinary one, and on the legacy one what old clients need.

use std::process::Command;

use serde_json::Value;

use crate::harness::sender::{Key, public_blob};
use crate::harness::settings::Settings;
use crate::harness::tenant::Tenant;
use crate::harness::{Daemon, Port, Reply, python, wait_until};
use crate::wire::sftp::string;
use crate::wire::ssh::{Ssh, login_request, msg};

/// Makes a key of this kind, without a passphrase.
fn make_key(kind: &[&str], path: &std::path::Path) {
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-N", "", "-C", "hr"]).args(kind);
    Reply::to(keygen.arg("-f").arg(path)).succeeded();
}

/// A daemon with both listeners, and an RSA host key beside the other.
fn with_legacy(tenant: Tenant) -> Daemon {
    let settings = Settings::default()
        .set("sftp", r#"legacy = ["127.0.0.1:0"]"#)
        .set(
            "sftp",
            r#"host_keys = ["ssh_host_ed25519", "ssh_host_rsa"]"#,
        );
    let mut daemon = Daemon::lay_out([tenant], settings);
    let rsa = daemon.folder().join("ssh_host_rsa");
    make_key(&["-t", "rsa", "-b", "3072"], &rsa);
    daemon.start_again();
    daemon
}

#[test]
fn old_clients_get_in_at_the_legacy_listener_and_nowhere_else() {
    let daemon = with_legacy(Tenant::named("acme"));
    assert_eq!(daemon.lines_with("sftp.legacy takes outdated"), 1);
    assert_eq!(daemon.lines_with("names no RSA key"), 0);
    let sender = daemon.sender("acme");
    let list = |port, options: &[&str]| {
        let mut sftp = sender.ssh_tool_to(port, "sftp");
        Reply::to(sftp.args(options).arg("127.0.0.1"))
    };
    for (options, kind) in [
        (&["-oKexAlgorithms=diffie-hellman-group14-sha1"][..], "Kex"),
        (
            &["-oKexAlgorithms=diffie-hellman-group-exchange-sha1"],
            "Kex",
        ),
        (&["-oHostKeyAlgorithms=ssh-rsa"], "Key"),
        (&["-oCiphers=aes128-cbc"], "Cipher"),
        (&["-oCiphers=aes192-cbc"], "Cipher"),
        (&["-oCiphers=aes256-cbc"], "Cipher"),
        (&["-oCiphers=aes128-ctr", "-oMACs=hmac-sha1"], "Mac"),
        (
            &[
                "-oKexAlgorithms=diffie-hellman-group14-sha1",
                "-oHostKeyAlgorithms=ssh-rsa",
                "-oCiphers=aes128-cbc",
                "-oMACs=hmac-sha1",
            ],
            "Kex",
        ),
    ] {
        list(Port::SftpLegacy, options).succeeded();
        let before = daemon.logged();
        list(Port::Sftp, options).refused("Connection closed");
        let refusals = || -> Vec<Value> {
            let events = daemon.events_since(before);
            let told = |event: &Value| event["message"].to_string().contains("offers no algorithm");
            events.into_iter().filter(told).collect()
        };
        wait_until("the line for the admin", || !refusals().is_empty());
        assert_eq!(refusals().len(), 1, "{options:?}");
        assert_eq!(refusals()[0]["kind"], kind, "{options:?}");
    }
    for port in [Port::Sftp, Port::SftpLegacy] {
        list(port, &["-oCiphers=3des-cbc"]).refused("Connection closed");
        list(port, &[]).succeeded();
    }
    assert_eq!(
        daemon.metric("rosterd_sessions_active", &[("protocol", "sftp-legacy")]),
        None,
        "a session is SFTP, wherever it comes in"
    );
}

#[test]
fn a_signature_with_sha_1_is_taken_at_the_legacy_listener_only() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("id_rsa");
    make_key(&["-t", "rsa", "-b", "2048"], &key);
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let daemon = with_legacy(Tenant::named("acme").authorized_key(&public));
    let list = |port, algorithm: &str| {
        let mut sftp = Command::new("sftp");
        sftp.args(["-F/dev/null", "-oBatchMode=yes", "-oIdentitiesOnly=yes"])
            .args([
                "-oStrictHostKeyChecking=no",
                "-oUserKnownHostsFile=/dev/null",
            ])
            .arg(format!("-oPubkeyAcceptedAlgorithms={algorithm}"))
            .arg("-i")
            .arg(&key)
            .args(["-P", &daemon.address(port).port().to_string()]);
        Reply::to(sftp.arg("localhost+hr@acme.example@127.0.0.1"))
    };
    list(Port::Sftp, "rsa-sha2-256").succeeded();
    list(Port::SftpLegacy, "rsa-sha2-512").succeeded();
    list(Port::SftpLegacy, "ssh-rsa").succeeded();
    list(Port::Sftp, "ssh-rsa").refused("Permission denied");
    // OpenSSH does not even offer it there. An older client does.
    let mut ssh = Ssh::begin(&daemon);
    let blob = public_blob(&public);
    let fields = [&[0][..], &string(b"ssh-rsa"), &string(&blob)].concat();
    let offer = login_request("hr@acme.example", "publickey", &fields);
    assert_eq!(ssh.ask(&offer)[0], msg::USERAUTH_FAILURE);
    drop(ssh);
    wait_until("the line for the admin", || {
        daemon.lines_with("its key is RSA signed with SHA-1") == 1
    });
}

#[test]
fn check_and_the_start_say_that_old_clients_want_an_rsa_host_key() {
    let note = "sftp.host_keys names no RSA key";
    let settings = Settings::default().set("sftp", r#"legacy = ["127.0.0.1:0"]"#);
    let daemon = Daemon::start_with([Tenant::named("acme")], settings);
    assert_eq!(daemon.lines_with(note), 1);
    let said = daemon.run(&["check"]).succeeded().text();
    assert!(said.contains(note), "{said}");
    assert!(said.contains("The configuration is fine."), "{said}");
}

#[test]
fn there_may_be_a_legacy_listener_alone_and_a_reload_leaves_it_where_it_is() {
    let settings = Settings::default()
        .set("sftp", "listen = []")
        .set("sftp", r#"legacy = ["127.0.0.1:0"]"#);
    let key = Key::of_all();
    let daemon = Daemon::start_with(
        [Tenant::named("acme").authorized_key(&key.public)],
        settings,
    );
    let mut sftp = daemon.sender("acme").ssh_tool_to(Port::SftpLegacy, "sftp");
    Reply::to(sftp.arg("127.0.0.1")).succeeded();
    let file = daemon.folder().join("rosterd.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let moved = text.replace(r#"legacy = ["127.0.0.1:0"]"#, r#"legacy = ["127.0.0.1:9"]"#);
    assert_ne!(text, moved);
    std::fs::write(file, moved).unwrap();
    let said = daemon.run(&["reload"]).succeeded().text();
    let line = "not applied, needs a restart: sftp.legacy: 127.0.0.1:0 -> 127.0.0.1:9";
    assert!(said.contains(line), "{said}");
}

/// What `ssh-audit` finds at the ordinary listener, and what it warns of: the algorithm, and why.
fn audit(daemon: &Daemon) -> (Value, Vec<(String, String)>) {
    let mut audit = Command::new(python());
    audit.args([
        "-m",
        "ssh_audit.ssh_audit",
        "-j",
        "--skip-rate-test",
        "-t",
        "30",
        "-p",
    ]);
    audit.arg(daemon.address(Port::Sftp).port().to_string());
    let reply = Reply::to(audit.arg("127.0.0.1"));
    let found: Value = serde_json::from_slice(&reply.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", reply.text(), reply.stderr));
    let mut notes = Vec::new();
    for list in ["kex", "key", "enc", "mac"] {
        for algorithm in found[list].as_array().unwrap() {
            for level in ["fail", "warn"] {
                for note in algorithm["notes"][level].as_array().into_iter().flatten() {
                    let name = algorithm["algorithm"].as_str().unwrap().to_owned();
                    notes.push((name, format!("{level}: {}", note.as_str().unwrap())));
                }
            }
        }
    }
    (found, notes)
}

#[test]
fn ssh_audit_finds_nothing_wrong_with_the_ordinary_listener() {
    let daemon = with_legacy(Tenant::named("acme"));
    let (found, notes) = audit(&daemon);
    // Clients choose what is first in their own list; those that know no other are let in with these, on purpose.
    let accepted = |(name, why): &(String, String)| match why.as_str() {
        // Nothing in use can do that but ML-KEM, which is offered first.
        "warn: does not provide protection against post-quantum attacks" => true,
        // RFC 9142 has every implementation offer it.
        "warn: 2048-bit modulus only provides 112-bits of symmetric strength" => {
            name == "diffie-hellman-group14-sha256"
        }
        // What Java's JSch and others of its age have beside AES in counter mode.
        "warn: using encrypt-and-MAC mode" => {
            ["hmac-sha2-256", "hmac-sha2-512"].contains(&name.as_str())
        }
        _ => false,
    };
    let wrong: Vec<_> = notes.iter().filter(|note| !accepted(note)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(found["cves"].as_array().map_or(0, Vec::len), 0, "{found}");
    assert_eq!(found["compression"], serde_json::json!(["none"]));
    let kex = found["kex"].as_array().unwrap();
    let kex: Vec<_> = kex
        .iter()
        .map(|it| it["algorithm"].as_str().unwrap())
        .collect();
    assert_eq!(kex[0], "mlkem768x25519-sha256");
    assert!(kex.contains(&"kex-strict-s-v00@openssh.com"), "{kex:?}");

    // The tool sees what it is to see.
    for name in ["diffie-hellman-group14-sha256", "hmac-sha2-256"] {
        assert!(notes.iter().any(|(it, _)| it == name), "{name}");
    }
}
