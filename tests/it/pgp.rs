//! What `gpg` encrypts and signs is read by the real child, locked in as it is, and the clear text lies nowhere afterwards.

use std::io::{Seek as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rosterd::import::reader::{Ending, Reader};
use rosterd::parse::agreement::Agreement;
use rosterd::parse::finding::code;
use rosterd::parse::keys::{PgpAgreement, PgpSecretKey, Signature};
use rosterd::parse::limits::ReadLimits;
use tempfile::TempDir;

use crate::harness::cli::Run;
use crate::harness::tenant::{Source, Tenant};
use crate::harness::{Daemon, test_file};

const STAFF: &[u8] = b"employee_id,name\n1,Ada\n2,Grace\n";
/// Of the one key that has a passphrase.
const PASSPHRASE: &str = "correct horse";

/// A folder of `gpg` with keys.
struct Gpg(TempDir);

impl Gpg {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Rounds of the passphrase: its own number takes a program that is not optimised a quarter of a minute.
        std::fs::write(folder.path().join("gpg-agent.conf"), "s2k-count 65536\n").unwrap();
        Self(folder)
    }

    #[track_caller]
    fn run(&self, arguments: &[&str], input: &[u8]) -> Vec<u8> {
        let mut gpg = Command::new("gpg")
            .args(["--batch", "--quiet", "--yes", "--no-tty"])
            .args(["--trust-model", "always", "--pinentry-mode", "loopback"])
            .arg("--homedir")
            .arg(self.0.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("install gnupg");
        let mut stdin = gpg.stdin.take().unwrap();
        let input = input.to_vec();
        let writing = std::thread::spawn(move || stdin.write_all(&input));
        let output = gpg.wait_with_output().unwrap();
        writing.join().unwrap().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    /// Makes a key for `name`.
    fn person(&self, name: &str, algorithm: &str, passphrase: &str) {
        let user = format!("{name}@example.com");
        let passphrase = ["--passphrase", passphrase, "--quick-generate-key"];
        // One of RSA gets no second key for encryption by itself.
        let usage = if algorithm.starts_with("rsa") {
            "cert,sign,encr"
        } else {
            "default"
        };
        self.run(
            &[&passphrase[..], &[&user, algorithm, usage, "never"]].concat(),
            b"",
        );
    }

    fn armoured_secret(&self, name: &str, passphrase: &str) -> String {
        let export = ["--passphrase", passphrase, "--armor"];
        let user = format!("{name}@example.com");
        let key = self.run(
            &[&export[..], &["--export-secret-keys", &user]].concat(),
            b"",
        );
        String::from_utf8(key).unwrap()
    }

    fn secret(&self, name: &str, passphrase: &str) -> PgpSecretKey {
        let key = self.armoured_secret(name, passphrase);
        let passphrase = (!passphrase.is_empty()).then(|| passphrase.to_owned());
        PgpSecretKey::new(key, passphrase)
    }

    fn public(&self, name: &str) -> String {
        let user = format!("{name}@example.com");
        String::from_utf8(self.run(&["--armor", "--export", &user], b"")).unwrap()
    }

    fn agreement(&self, names: &[&str], signers: &[&str], signature: Signature) -> PgpAgreement {
        PgpAgreement {
            secret_keys: names.iter().map(|name| self.secret(name, "")).collect(),
            signers: signers.iter().map(|name| self.public(name)).collect(),
            signature,
            plain_bytes: 1 << 30,
        }
    }

    /// Encrypts `plain` to the tenant.
    fn encrypt(&self, options: &[&str], plain: &[u8]) -> Vec<u8> {
        let all = [options, &["--encrypt", "--recipient", "tenant@example.com"]];
        self.run(&all.concat(), plain)
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let ended = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.0.path())
            .args(["--kill", "all"])
            .status();
        drop(ended);
    }
}

/// Reads `message` in a child, and looks whether anything was left in the folder for plain texts.
async fn read(message: &[u8], agreement: PgpAgreement) -> Ending {
    let scratch = tempfile::tempdir().unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(message).unwrap();
    file.rewind().unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_rosterd"));
    let reader =
        Reader::new(program, ReadLimits::default()).with_scratch_in(scratch.path().to_owned());
    let agreement = Agreement {
        pgp: Some(agreement),
        ..Agreement::default()
    };
    let read = reader.read(file, agreement, |frames| frames.for_each(drop));
    let ((), ending) = read.await.unwrap();
    assert_eq!(scratch.path().read_dir().unwrap().count(), 0);
    ending
}

#[track_caller]
fn refused(ending: &Ending, code: &str, words: &str) {
    match ending {
        Ending::Refused(finding) => {
            assert_eq!(finding.code, code, "{finding:?}");
            assert!(finding.message.contains(words), "{finding:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_gnupg_encrypts_is_read() {
    let gpg = Gpg::new();
    gpg.person("tenant", "future-default", "");
    gpg.person("sender", "future-default", "");
    let agreement = gpg.agreement(&["tenant"], &["sender"], Signature::Optional);
    for options in [
        &[][..],
        &["--armor"],
        &["--compress-algo", "none"],
        &["--compress-algo", "zip"],
        &["--compress-algo", "zlib"],
        &["--cipher-algo", "AES128"],
        &["--cipher-algo", "CAMELLIA256"],
        &["--cipher-algo", "3DES"],
        &["--throw-keyids"],
        &["--textmode"],
        &["--openpgp"],
        &["--set-filename", "employees.csv"],
        &["--symmetric", "--passphrase", "a second way in"],
        &["--recipient", "sender@example.com"],
        &["--sign", "--local-user", "sender@example.com"],
        &[
            "--sign",
            "--local-user",
            "sender@example.com",
            "--armor",
            "--digest-algo",
            "SHA512",
        ],
    ] {
        let message = gpg.encrypt(options, STAFF);
        let ending = read(&message, agreement.clone()).await;
        assert_eq!(ending, Ending::Complete { rows: 2 }, "{options:?}");
    }
}

#[tokio::test]
async fn a_workbook_in_a_message_is_read() {
    let gpg = Gpg::new();
    gpg.person("tenant", "rsa2048", "");
    let old = std::fs::read(test_file("fixtures/staff.xls")).unwrap();
    let agreement = gpg.agreement(&["tenant"], &[], Signature::Optional);
    let ending = read(&gpg.encrypt(&[], &old), agreement).await;
    assert!(
        matches!(ending, Ending::Complete { rows: 2.. }),
        "{ending:?}"
    );
}

#[tokio::test]
async fn a_key_with_a_passphrase_is_unlocked_or_the_finding_says_that_it_is_not() {
    let gpg = Gpg::new();
    gpg.person("tenant", "future-default", PASSPHRASE);
    let message = gpg.encrypt(&[], STAFF);
    let with = |key: PgpSecretKey| PgpAgreement {
        secret_keys: vec![key],
        signers: Vec::new(),
        signature: Signature::Optional,
        plain_bytes: 1 << 30,
    };
    let key = gpg.secret("tenant", PASSPHRASE);
    let ending = read(&message, with(key)).await;
    assert_eq!(ending, Ending::Complete { rows: 2 });
    let export = [
        "--passphrase",
        PASSPHRASE,
        "--armor",
        "--export-secret-keys",
    ];
    let armoured = String::from_utf8(gpg.run(&export, b"")).unwrap();
    for wrong in [None, Some("battery staple".to_owned())] {
        let key = PgpSecretKey::new(armoured.clone(), wrong);
        let ending = read(&message, with(key)).await;
        refused(&ending, code::PGP_ERROR, "passphrase");
    }
}

#[tokio::test]
async fn what_is_not_for_the_tenant_is_refused() {
    let gpg = Gpg::new();
    gpg.person("tenant", "future-default", "");
    gpg.person("other", "future-default", "");
    let agreement = || gpg.agreement(&["other"], &[], Signature::Optional);
    let ending = read(&gpg.encrypt(&[], STAFF), agreement()).await;
    refused(&ending, code::PGP_ERROR, "encrypted for the key");
    let password = ["--symmetric", "--passphrase", PASSPHRASE];
    let ending = read(&gpg.run(&password, STAFF), agreement()).await;
    refused(&ending, code::PGP_ERROR, "with a password");
}

#[tokio::test]
async fn a_required_signature_is_verified() {
    let gpg = Gpg::new();
    for name in ["tenant", "sender", "stranger"] {
        gpg.person(name, "future-default", "");
    }
    let agreement = || gpg.agreement(&["tenant"], &["sender"], Signature::Required);
    let by = |name: &str| {
        let user = format!("{name}@example.com");
        gpg.encrypt(&["--sign", "--local-user", &user], STAFF)
    };
    let ending = read(&by("sender"), agreement()).await;
    assert_eq!(ending, Ending::Complete { rows: 2 });
    let ending = read(&by("stranger"), agreement()).await;
    refused(&ending, code::SIGNATURE_ERROR, "not a key that was agreed");
    let ending = read(&gpg.encrypt(&[], STAFF), agreement()).await;
    refused(&ending, code::SIGNATURE_ERROR, "not signed");
}

#[tokio::test]
async fn a_large_message_is_read_in_little_memory() {
    let gpg = Gpg::new();
    gpg.person("tenant", "future-default", "");
    let mut text = b"employee_id,name\n".to_vec();
    for row in 0..200_000 {
        writeln!(text, "{row},Somebody {}", row * 7919 % 200_003).unwrap();
    }
    let limits = ReadLimits {
        memory_bytes: 30_000_000,
        time: std::time::Duration::from_mins(2),
        ..ReadLimits::default()
    };
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&gpg.encrypt(&["--compress-algo", "none"], &text))
        .unwrap();
    let reader = Reader::new(env!("CARGO_BIN_EXE_rosterd").into(), limits);
    let agreement = Agreement {
        pgp: Some(gpg.agreement(&["tenant"], &[], Signature::Optional)),
        ..Agreement::default()
    };
    let read = reader.read(file, agreement, |frames| frames.for_each(drop));
    let ((), ending) = read.await.unwrap();
    assert_eq!(ending, Ending::Complete { rows: 200_000 });
}

#[test]
fn a_delivery_that_is_encrypted_and_signed_becomes_a_roster() {
    let gpg = Gpg::new();
    for name in ["tenant", "sender"] {
        gpg.person(name, "future-default", "");
    }
    let keys = tempfile::tempdir().unwrap();
    let write = |name: &str, key: String| {
        let path = keys.path().join(name);
        std::fs::write(&path, key).unwrap();
        path.display().to_string()
    };
    let secret = write("tenant.asc", gpg.armoured_secret("tenant", ""));
    let theirs = write("sender.asc", gpg.public("sender"));
    let pgp = format!("[data_source.pgp]\nkeys = [\"{secret}\"]\nsigners = [\"{theirs}\"]");
    let source = Source::named("employees", "employees.csv.pgp");
    let source = source.requires_the_key_only().section(&pgp);
    let daemon = Daemon::start([Tenant::without_sources("acme").source(source)]);

    let signed = ["--sign", "--local-user", "sender@example.com"];
    let message = gpg.encrypt(&signed, STAFF);
    let sender = daemon.sender("acme");
    sender
        .upload("/data/employees.csv.pgp", message)
        .succeeded();
    let unsigned = gpg.encrypt(&[], STAFF);
    sender
        .upload("/data/employees.csv.pgp", unsigned)
        .succeeded();

    let runs = daemon.runs_at_rest("acme");
    let outcomes: Vec<&str> = runs.iter().map(Run::outcome).collect();
    assert_eq!(outcomes, ["applied", "refused"]);
    assert_eq!(
        daemon
            .run(&["roster", "--tenant", "acme"])
            .succeeded()
            .text()
            .lines()
            .count(),
        3
    );
}
