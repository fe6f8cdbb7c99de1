//! Session reuse: data connections resume the session of their control connection, with every TLS library that senders have. The drivers are in
//! `tests/reuse`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use crate::harness::settings::Settings;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Daemon, Port, Reply, test_file};

/// Temporary files are never delivered.
const FILE: &str = "employees.csv.tmp";

/// A sender, by its TLS library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    OpenSsl,
    GnuTls,
    Java,
    Node,
    Php,
}

impl Sender {
    const ALL: [Self; 5] = [
        Self::OpenSsl,
        Self::GnuTls,
        Self::Java,
        Self::Node,
        Self::Php,
    ];
}

fn daemon(reuse: &str) -> Daemon {
    let line = format!("tls_session_reuse = \"{reuse}\"");
    let settings = Settings::default().set("ftps", &line);
    Daemon::start_with([Tenant::named("acme")], settings)
}

impl Daemon {
    /// Lets a sender make so many data connections, and returns the replies to them and to NOOP after them.
    fn send(&self, sender: Sender, version: &str, connections: usize, how: &str) -> Vec<String> {
        let mut command = match sender {
            Sender::GnuTls => return self.send_by_lftp(version, connections, how),
            Sender::OpenSsl => {
                let mut python = Command::new("python3");
                python.arg("-B").arg(test_file("reuse/ftp.py"));
                python
            }
            Sender::Java => {
                let mut java = Command::new("java");
                java.args(["-cp", "/usr/share/java/commons-net.jar"]);
                java.arg(test_file("reuse/Ftp.java"));
                java
            }
            Sender::Node => {
                let mut node = Command::new("node");
                node.arg(test_file("reuse/ftp.js"));
                node
            }
            Sender::Php => {
                let settings = format!(
                    "openssl_conf = one\n[one]\nssl_conf = two\n[two]\nsystem_default = three\n[three]\n\
                     MinProtocol = TLSv{version}\nMaxProtocol = TLSv{version}\n"
                );
                let mut php = Command::new("php");
                php.env("OPENSSL_CONF", self.local_file("openssl.cnf", settings));
                php.arg(test_file("reuse/ftp.php"));
                php
            }
        };
        let port = self.address(Port::Explicit).port().to_string();
        command.args([&port, version, &connections.to_string(), how]);
        let reply = Reply::to(command.args(["hr@acme.example", PASSWORD])).succeeded();
        reply.text().lines().map(str::to_owned).collect()
    }

    /// lftp tells no replies; what does not succeed ends it.
    fn send_by_lftp(&self, version: &str, connections: usize, how: &str) -> Vec<String> {
        let file = self.local_file(FILE, vec![b'x'; 20_000]);
        let mut script = format!(
            "set ssl:priority NORMAL:-VERS-ALL:+VERS-TLS{version}\nset ftp:ssl-copy-sid {}\n",
            if how == "reuse" { "yes" } else { "no" }
        );
        for at in 0..connections {
            if at % 2 == 0 {
                writeln!(script, "put -O /data {}", file.display()).unwrap();
            } else {
                script.push_str("renlist /data\n");
            }
        }
        let reply = self.sender("acme").lftp(Port::Explicit, &script);
        if reply.code != 0 {
            return vec![reply.stderr];
        }
        let listed = reply.text().lines().filter(|it| it.contains(FILE)).count();
        assert_eq!(listed, connections / 2, "{reply:?}");
        let mut replies = vec!["226".to_owned(); connections];
        replies.push("200".to_owned());
        replies
    }

    /// Data connections so far: resumed, and not.
    fn handshakes(&self) -> [f64; 2] {
        ["true", "false"].map(|resumed| {
            let name = "rosterd_data_handshakes_total";
            self.metric(name, &[("resumed", resumed)]).unwrap()
        })
    }
}

/// How many replies there are of each code.
fn codes(replies: &[String]) -> BTreeMap<&str, usize> {
    let mut codes = BTreeMap::new();
    for reply in replies {
        *codes.entry(reply.get(..3).unwrap_or(reply)).or_default() += 1;
    }
    codes
}

#[test]
fn every_tls_library_resumes_on_every_data_connection_whatever_is_asked_of_it() {
    for reuse in ["off", "prefer", "require"] {
        let daemon = daemon(reuse);
        for sender in Sender::ALL {
            for version in ["1.2", "1.3"] {
                let connections = if reuse == "require" && version == "1.3" {
                    50
                } else {
                    10
                };
                let what = format!("{sender:?}, TLS {version}, {reuse}");
                let made = f64::from(u32::try_from(connections).unwrap());
                let before = daemon.handshakes();
                let replies = daemon.send(sender, version, connections, "reuse");
                assert_eq!(
                    codes(&replies),
                    [("200", 1), ("226", connections)].into(),
                    "{what}: {replies:?}"
                );
                let after = daemon.handshakes();
                let [resumed, fresh] = [after[0] - before[0], after[1] - before[1]];
                assert!((resumed + fresh - made).abs() < 0.5, "{what}");
                // Java and PHP use a ticket once, and uploads bring new ones where they could not go on without.
                let uses_once = matches!(sender, Sender::Java | Sender::Php) && version == "1.3";
                if reuse == "require" || !uses_once {
                    assert!(fresh < 0.5, "{what}: {fresh} did not resume");
                }
            }
        }
    }
}

#[test]
fn in_require_a_client_without_reuse_gets_522_and_its_session_goes_on() {
    let daemon = daemon("require");
    for sender in [Sender::OpenSsl, Sender::Node, Sender::Java] {
        for version in ["1.2", "1.3"] {
            let replies = daemon.send(sender, version, 10, "fresh");
            assert_eq!(
                codes(&replies),
                [("200", 1), ("522", 10)].into(),
                "{sender:?}, TLS {version}: {replies:?}"
            );
        }
    }
    for version in ["1.2", "1.3"] {
        let said = daemon.send(Sender::GnuTls, version, 1, "fresh");
        assert!(said[0].contains("522"), "{said:?}");
    }
    daemon.wait_for_empty_staging();
    let file = daemon.mailbox("acme").join("data").join(FILE);
    assert!(!file.try_exists().unwrap());
}

#[test]
fn clients_that_do_not_resume_are_served_where_reuse_is_not_required() {
    for reuse in ["off", "prefer"] {
        let daemon = daemon(reuse);
        for sender in [Sender::OpenSsl, Sender::GnuTls, Sender::Node, Sender::Java] {
            for version in ["1.2", "1.3"] {
                let replies = daemon.send(sender, version, 10, "fresh");
                let expected = [("200", 1), ("226", 10)].into();
                assert_eq!(codes(&replies), expected, "{sender:?}: {replies:?}");
            }
        }
    }
}

#[test]
fn curl_that_has_no_tickets_on_tls_1_2_resumes_by_session_id() {
    let daemon = daemon("require");
    let file = daemon.local_file("some", vec![b'x'; 20_000]);
    let sender = daemon.sender("acme");
    for port in [Port::Explicit, Port::Implicit] {
        let mut curl = sender.curl(port, "/data/one.csv.tmp");
        curl.args(["--disable-epsv", "--tls-max", "1.2"]);
        curl.arg("-T").arg(&file);
        for name in ["two", "three", "four", "five"] {
            let scheme = if port == Port::Implicit {
                "ftps"
            } else {
                "ftp"
            };
            let address = daemon.address(port);
            curl.arg("-T").arg(&file);
            curl.arg(format!("{scheme}://{address}/data/{name}.csv.tmp"));
        }
        let said = Reply::to(&mut curl).succeeded().stderr;
        assert_eq!(said.matches("SSL re-using session ID").count(), 5, "{said}");
    }
    assert!(daemon.handshakes()[1] < 0.5);
}

#[test]
fn tickets_from_before_a_restart_are_forgotten_and_a_whole_handshake_works() {
    let mut daemon = daemon("require");
    for version in ["1.2", "1.3"] {
        let replies = daemon.send(Sender::OpenSsl, version, 2, "reuse");
        assert_eq!(codes(&replies), [("200", 1), ("226", 2)].into());
    }
    let ticket = daemon.folder().join("session");
    let session = ticket.to_str().unwrap();
    daemon
        .s_client(Port::Implicit, ["-tls1_2", "-sess_out", session])
        .succeeded();
    let again = |daemon: &Daemon| {
        let reply = daemon.s_client(Port::Implicit, ["-tls1_2", "-sess_in", session]);
        reply.succeeded().text()
    };
    assert!(again(&daemon).contains("Reused, TLSv1.2"));
    daemon.run(&["reload"]).succeeded();
    assert!(again(&daemon).contains("Reused, TLSv1.2"));
    daemon.stop();
    daemon.start_again();
    assert!(again(&daemon).contains("New, TLSv1.2"));
}
