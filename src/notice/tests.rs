//! Notices from the outcome of a run to a server that takes them, or does not.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::clock::{Clock as _, ManualClock};
use crate::config::{Tenant, Webhook};
use crate::db::{Decision, NewDelivery, NewKind, Verdict};
use crate::mailbox::{DeliveryId, Fingerprint};
use crate::queue::job::Owner;
use crate::report::run::Outcome;
use crate::roster::diff::Counts;
use crate::secret::Secret;
use crate::tenant::{Environment, Mode, TenantId};

struct Bench {
    clock: Arc<ManualClock>,
    db: Db,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-22T02:00:00Z".parse().unwrap()));
        let path = folder.path().join("rosterd.db");
        let db = Db::open(&path, clock.clone()).await.unwrap();
        Self { clock, db, folder }
    }

    fn notifier(&self, notice: Option<Notice>) -> Notifier {
        let mut config = Config::of(self.folder.path(), [Tenant::of("acme")]);
        config.notice = notice;
        Notifier {
            db: self.db.clone(),
            clock: self.clock.clone(),
            settings: Live::fixed(Arc::new(config)),
        }
    }

    /// A run that has come to `outcome`; its id.
    async fn run(&self, outcome: Outcome) -> String {
        let id = DeliveryId::mint();
        // Each of a data source of its own, or a held one would hold the later ones.
        let source = format!("employees-{}", id.as_str());
        let delivery = NewDelivery {
            id,
            tenant: TenantId::parse("acme").unwrap(),
            environment: Environment::Production,
            kind: NewKind::Data {
                source,
                mode: Mode::Delta,
            },
            file_name: "/data/employees.csv".to_owned(),
            sha256: "ab".repeat(32),
            size_bytes: 12,
            received_at: self.clock.now(),
            fingerprint: Fingerprint {
                inode: 1,
                size_bytes: 12,
                modified_ns: 1,
                changed_ns: 1,
            },
        };
        self.db.record_delivery(&delivery).await.unwrap();
        let job = self
            .db
            .lease_job(&Owner::new(std::process::id(), "notices"))
            .await
            .unwrap()
            .unwrap();
        if outcome == Outcome::Failed {
            self.db.park_job(&job, "Broken.").await.unwrap();
            return job.run;
        }
        let verdict = Verdict {
            masking: &crate::roster::masking::Masking::default(),
            outcome,
            would: None,
            reason: Some("3 of 5 people would leave."),
            counts: Counts::default(),
            mapping: "",
            roster_version: 0,
            rejected: false,
            findings: &[],
            findings_total: 0,
            shape: None,
            plan: None,
        };
        self.db.settle(&job, &verdict).await.unwrap();
        job.run
    }

    /// How many notices would be sent in an hour.
    async fn waiting(&self) -> usize {
        let now = self.clock.now();
        self.clock.set(later(now, 3600));
        let due = self.db.due_notices(100).await.unwrap().len();
        self.clock.set(now);
        due
    }
}

fn later(at: Timestamp, seconds: u64) -> Timestamp {
    at + Duration::from_secs(seconds)
}

fn notice(url: &str) -> Notice {
    Notice {
        webhook: Webhook::parse(url).unwrap(),
        secret: Some(Secret::new("0123456789abcdef".to_owned())),
        ca: None,
    }
}

/// Takes one request on a connection, answers, and returns the request.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, status: &str) -> String {
    let mut request = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk).await.unwrap();
        request.extend_from_slice(&chunk[..length]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            assert_ne!(length, 0, "{text}");
            continue;
        };
        let length = head
            .lines()
            .find_map(|it| it.strip_prefix("Content-Length: "));
        if length.unwrap().parse::<usize>().unwrap() == body.len() {
            let answer = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            return text;
        }
    }
}

fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let mut lines = request.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("{name} is missing in {request}"))
}

#[tokio::test]
async fn a_notice_that_nobody_took_is_sent_again_later_with_the_same_id_and_then_no_more() {
    let bench = Bench::new().await;
    let run = bench.run(Outcome::Held).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?a=b", listener.local_addr().unwrap());
    let notifier = bench.notifier(Some(notice(&url)));
    let exchange = async |status: &str| {
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            answer(stream, status).await
        };
        let (request, sent) = tokio::join!(server, notifier.send_due());
        sent.unwrap();
        request
    };
    let first = exchange("500").await;
    assert!(first.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{first}");
    assert!(first.contains(&format!("rosterd approve {run}")), "{first}");
    // Not at once: nobody would take this connection.
    notifier.send_due().await.unwrap();
    assert_eq!(bench.waiting().await, 1);
    bench.clock.set(later(bench.clock.now(), 10));
    let second = exchange("204").await;
    for same in ["Rosterd-Notice", "Content-Type"] {
        assert_eq!(header(&first, same), header(&second, same));
    }
    for other in ["Rosterd-Timestamp", "Rosterd-Signature"] {
        assert_ne!(header(&first, other), header(&second, other));
    }
    assert_eq!(bench.waiting().await, 0);
}

#[tokio::test]
async fn what_has_moved_on_is_not_told_any_more_and_without_a_webhook_nothing_is() {
    let bench = Bench::new().await;
    let run = bench.run(Outcome::Held).await;
    bench.run(Outcome::Applied).await;
    bench.run(Outcome::NoChange).await;
    assert_eq!(bench.waiting().await, 1);
    let decision = bench.db.reject_run(&run).await.unwrap();
    assert!(matches!(decision, Decision::Taken { .. }));
    assert_eq!(bench.waiting().await, 0);
    bench.run(Outcome::Failed).await;
    assert_eq!(bench.waiting().await, 1);
    bench.notifier(None).send_due().await.unwrap();
    assert_eq!(bench.waiting().await, 0);
}

#[tokio::test]
async fn a_notice_that_nobody_takes_for_a_week_is_given_up() {
    let bench = Bench::new().await;
    bench.run(Outcome::Failed).await;
    // Bound and dropped: nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    let notifier = bench.notifier(Some(notice(&url)));
    let mut tries = 0;
    while bench.waiting().await > 0 {
        notifier.send_due().await.unwrap();
        bench.clock.set(later(bench.clock.now(), 3600));
        tries += 1;
        assert!(tries < 1000);
    }
    assert!((168..175).contains(&tries), "{tries}");
    assert_eq!(back_off(0), Duration::from_secs(10));
    assert_eq!(back_off(50), Duration::from_hours(1));
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[tokio::test]
async fn over_tls_a_notice_goes_to_whom_the_named_authority_vouches_for_and_to_nobody_else() {
    let bench = Bench::new().await;
    bench.run(Outcome::Held).await;
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], PrivateKeyDer::Pkcs8(key))
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let ca = bench.folder.path().join("ca.pem");
    let told = Notice {
        ca: Some(ca.clone()),
        ..notice(&format!("https://localhost:{port}/"))
    };
    let notifier = bench.notifier(Some(told));

    write(&ca, &stranger.cert.pem());
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.is_err()
    };
    let (refused, sent) = tokio::join!(server, notifier.send_due());
    sent.unwrap();
    assert!(refused);
    assert_eq!(bench.waiting().await, 1);

    write(&ca, &pair.cert.pem());
    bench.clock.set(later(bench.clock.now(), 10));
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        answer(acceptor.accept(stream).await.unwrap(), "200").await
    };
    let (request, sent) = tokio::join!(server, notifier.send_due());
    sent.unwrap();
    assert!(header(&request, "Rosterd-Signature").starts_with("sha256="));
    assert_eq!(bench.waiting().await, 0);
}
