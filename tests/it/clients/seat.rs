//! Where a client sits: a daemon for all, a tenant for each, and the files it sends.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;

use super::{Kind, NameForm};
use crate::harness::sender::Sender;
use crate::harness::settings::Settings;
use crate::harness::staff::Staff;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Daemon, Port, Reply, files_below, wait_until};

/// The daemon that all of them send to.
pub(crate) struct Bench {
    daemon: Daemon,
    /// 50 MB, for all to read.
    pub(crate) big: PathBuf,
}

/// A file too large for the mailbox of this size.
const SMALL_QUOTA: &str = "1MB";
/// 50 MB.
const BIG_WORDS: u64 = 6_250_000;

impl Bench {
    pub(crate) fn for_kinds(kinds: &[&'static Kind]) -> Self {
        let tenants = kinds.iter().flat_map(|kind| {
            let tenant = tenant_of(kind);
            let unclean = format!("accept_unclean_close = {}", kind.ends_uncleanly);
            [
                Tenant::named(&format!("{tenant}-full")).quota(SMALL_QUOTA),
                Tenant::named(&tenant).quota("150MB"),
            ]
            .map(|tenant| tenant.line(&unclean))
        });
        // All of them come from one address.
        let settings = Settings::default().limit("connections_per_address = 400");
        let daemon = Daemon::start_with(tenants, settings);
        // Each block differs from the others, so that none can be lost or change places.
        let big: Vec<u8> = (0..BIG_WORDS)
            .flat_map(|word| word.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes())
            .collect();
        let big = daemon.local_file("big", big);
        Self { daemon, big }
    }

    pub(crate) fn seat(&self, kind: &'static Kind) -> Seat<'_> {
        let tenant = tenant_of(kind);
        let folder = self.daemon.folder().join("seats").join(&tenant);
        std::fs::create_dir_all(&folder).unwrap();
        Seat {
            bench: self,
            kind,
            form: kind.name_form,
            password: PASSWORD,
            folder: Arc::from(folder),
            tenant,
        }
    }
}

fn tenant_of(kind: &Kind) -> String {
    let word = |c: char| !c.is_ascii_alphanumeric();
    let name = kind.name.to_lowercase();
    let words: Vec<_> = name.split(word).filter(|word| !word.is_empty()).collect();
    words.join("-")
}

/// A client's place: who it is and where it sends to.
#[derive(Clone)]
pub(crate) struct Seat<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) kind: &'static Kind,
    pub(crate) password: &'static str,
    pub(crate) tenant: String,
    form: NameForm,
    folder: Arc<Path>,
}

impl<'a> Seat<'a> {
    pub(crate) fn daemon(&self) -> &'a Daemon {
        &self.bench.daemon
    }

    /// The login name as this client writes it.
    pub(crate) fn user(&self) -> String {
        let sign = match self.form {
            NameForm::Pipe => '|',
            NameForm::Plus => '+',
        };
        format!("localhost{sign}hr@{}.example", self.tenant)
    }

    pub(crate) fn port(&self) -> u16 {
        self.daemon().address(self.kind.port).port()
    }

    pub(crate) fn is_implicit(&self) -> bool {
        self.kind.port == Port::Implicit
    }

    /// The same place for someone else.
    pub(crate) fn with_password(&self, password: &'static str) -> Self {
        let mut other = self.clone();
        other.password = password;
        other
    }

    /// The same place for someone whose mailbox is small.
    pub(crate) fn with_small_quota(&self) -> Self {
        let mut other = self.clone();
        other.tenant.push_str("-full");
        other
    }

    pub(crate) fn with_form(&self, form: NameForm) -> Self {
        let mut other = self.clone();
        other.form = form;
        other
    }

    /// As one of the harness's senders, for the clients that it knows.
    pub(crate) fn sender(&self) -> Sender<'a> {
        self.daemon().stranger(&self.user(), self.password)
    }

    /// A folder of this client's own.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Where a path of the mailbox lies on disk.
    pub(crate) fn on_disk(&self, path: &str) -> PathBuf {
        self.daemon()
            .mailbox(&self.tenant)
            .join(path.trim_start_matches('/'))
    }

    /// Waits until a file lies there: sshfs does not wait for the answer to its last request.
    pub(crate) fn wait_for_file(&self, path: &str, bytes: &[u8]) {
        let file = self.on_disk(path);
        wait_until(&format!("the bytes sent as {path}"), || {
            std::fs::read(&file).is_ok_and(|there| there == bytes)
        });
    }

    /// Waits until so many deliveries of this tenant are applied, as their receipts tell, and the roster is this.
    pub(crate) fn wait_for_roster(&self, applied: usize, staff: &Staff) {
        let what = format!("{applied} applied deliveries of {}", self.tenant);
        wait_until(&what, || self.applied() >= applied);
        assert_eq!(self.daemon().roster(&self.tenant), *staff);
    }

    /// Deliveries whose receipts say that they were applied.
    pub(crate) fn applied(&self) -> usize {
        files_below(&self.on_disk("/errors"))
            .iter()
            .filter(|path| path.to_string_lossy().ends_with(".receipt.json"))
            .filter_map(|path| std::fs::read(path).ok())
            .filter_map(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
            .filter(|receipt| receipt["outcome"] == "applied")
            .count()
    }
}

/// A program of the system, with a locale in which names are UTF-8.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("LC_ALL", "C.UTF-8");
    command
}

/// What a program says that ends for each act: its exit code decides.
pub(crate) fn by_exit_code(reply: &Reply) -> super::Answer {
    let said = format!("{}\n{}", reply.text(), reply.stderr);
    if reply.code == 0 {
        Ok(said)
    } else {
        Err(super::No::Refused(said))
    }
}

/// Where `tests/run.sh` has put what is not the system's: a Python environment and Node's modules.
pub(crate) fn installed(what: &str) -> PathBuf {
    let folder = std::env::var_os("ROSTERD_CLIENTS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients"),
        PathBuf::from,
    );
    let path = folder.join(what);
    assert!(
        path.try_exists().unwrap(),
        "{} is missing: tests/run.sh installs it, with all other clients (or say in ROSTERD_CLIENTS where it has)",
        path.display()
    );
    path
}
