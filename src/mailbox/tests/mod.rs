//! Tests of the mailbox on real directories.

mod changes;
mod hostile;
mod uploads;

use std::path::PathBuf;

use super::*;
use crate::clock::SystemClock;
use crate::mailbox::arrival::Placement;
use crate::tenant::{DataSource, NamePattern, Rights};

pub(crate) fn patterns(names: &[&str]) -> Vec<NamePattern> {
    names
        .iter()
        .map(|name| NamePattern::parse(name).unwrap())
        .collect()
}

pub(crate) fn tenant(name: &str, quota_bytes: u64) -> Tenant {
    let source = |name: &str, file_name: &str| DataSource {
        file_name: NamePattern::parse(file_name).unwrap(),
        ..DataSource::of(name)
    };
    Tenant {
        quota_bytes,
        temporary_names: patterns(&["*.filepart", "*.part", "*.partial", "*.tmp", ".in.*"]),
        ignore_names: patterns(&["Thumbs.db", ".DS_Store"]),
        data_sources: vec![
            source("employees", "employees.csv"),
            source("staff", "staff_*.tmp"),
        ],
        ..Tenant::of(name)
    }
}

/// A configuration with one tenant.
pub(crate) fn settings(state_dir: &Path, quota_bytes: u64) -> Live<Config> {
    let mut config = Config::of(state_dir, [tenant("acme", quota_bytes)]);
    config.limits.file_size_bytes = FILE_SIZE_LIMIT;
    Live::fixed(Arc::new(config))
}

/// A state folder with one tenant's mailbox, and what stands for a restart.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) mailbox: Arc<Mailbox>,
    quota_bytes: u64,
}

const FILE_SIZE_LIMIT: u64 = 100_000;

impl Place {
    pub(crate) fn with_quota(quota_bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mailbox = Self::open(dir.path(), quota_bytes);
        Self {
            dir,
            mailbox,
            quota_bytes,
        }
    }

    pub(crate) fn new() -> Self {
        Self::with_quota(1_000_000)
    }

    fn open(state_dir: &Path, quota_bytes: u64) -> Arc<Mailbox> {
        Self::mailboxes(state_dir, quota_bytes)
            .mailbox(&TenantId::parse("acme").unwrap(), Environment::Production)
            .unwrap()
    }

    pub(crate) fn mailboxes(state_dir: &Path, quota_bytes: u64) -> Mailboxes {
        let settings = settings(state_dir, quota_bytes);
        Mailboxes::open(settings, Arc::new(SystemClock)).unwrap()
    }

    pub(crate) fn restart(&mut self) {
        self.mailbox = Self::open(self.dir.path(), self.quota_bytes);
    }

    pub(crate) fn on_disk(&self, name: &str) -> PathBuf {
        self.mailbox.layout.mailbox.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.on_disk(name)).ok()
    }

    pub(crate) fn upload(&self, to: &str, bytes: &[u8]) -> Result<Arrival, MailboxError> {
        let mut upload = self.mailbox.begin(&path(to), Start::Truncate)?;
        upload.write(bytes)?;
        upload.finish()
    }

    /// Paths and contents in the spool.
    pub(crate) fn spool(&self) -> Vec<(String, String)> {
        let spooled = self.mailbox.spooled().unwrap();
        let content = |it: &Spooled| {
            std::io::read_to_string(self.mailbox.read_spooled(it).unwrap().0).unwrap()
        };
        spooled
            .iter()
            .map(|it| (it.path.to_string(), content(it)))
            .collect()
    }

    fn staged(&self) -> usize {
        self.mailbox.staging.names().unwrap().len()
    }

    /// Use by the ledger; it must be what the disk says when nothing is being received.
    fn used(&self) -> u64 {
        let used = self.mailbox.used_bytes();
        self.mailbox.rescan().unwrap();
        assert_eq!(
            self.mailbox.used_bytes(),
            used,
            "the ledger is not the disk"
        );
        used
    }
}

pub(crate) fn path(text: &str) -> MailboxPath {
    MailboxPath::resolve(&MailboxPath::root(), text.as_bytes()).unwrap()
}
