//! The parts that the daemon and the commands share: configuration, database, mailboxes and what imports.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::{StartError, at};
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;
use crate::db::Db;
use crate::import::reader::Reader;
use crate::import::{Deposit, Importer};
use crate::live::Live;
use crate::mailbox::{MailboxError, Mailboxes, OpenError};

/// The parts that the daemon and the commands share.
#[derive(Clone)]
pub struct Core {
    pub config: Arc<Config>,
    pub db: Db,
    pub mailboxes: Arc<Mailboxes>,
    pub importer: Arc<Importer>,
    pub clock: SharedClock,
}

impl Core {
    /// Opens what `config` names, beside a daemon that may be running: for the commands.
    pub async fn attach(config: Config) -> anyhow::Result<Self> {
        Self::open(Live::fixed(Arc::new(config)), Mailboxes::attach).await
    }

    pub(super) async fn open(
        settings: Live<Config>,
        open_mailboxes: fn(Live<Config>, SharedClock) -> Result<Mailboxes, OpenError>,
    ) -> anyhow::Result<Self> {
        let clock: SharedClock = Arc::new(SystemClock);
        let config = settings.now();
        if let Some(folder) = config.database.path.parent() {
            std::fs::create_dir_all(folder).map_err(at(folder))?;
        }
        let db = Db::open(&config.database.path, Arc::clone(&clock)).await?;
        let mailboxes = {
            let clock = Arc::clone(&clock);
            tokio::task::spawn_blocking(move || open_mailboxes(settings, clock)).await??
        };
        let mailboxes = Arc::new(mailboxes);
        let reader = Reader::new(this_program()?, config.limits.reading())
            .with_scratch_in(config.server.state_dir.clone());
        let importer = Importer {
            db: db.clone(),
            clock: Arc::clone(&clock),
            state_dir: config.server.state_dir.clone(),
            tenants: config.tenants.clone(),
            reader,
            limits: config.limits.reading(),
            deposit: deposit_into(Arc::clone(&mailboxes)),
            progress: None,
        };
        Ok(Self {
            config,
            db,
            mailboxes,
            importer: Arc::new(importer),
            clock,
        })
    }
}

/// What the reader runs: this very program, also when an upgrade has put another one in its place, which may speak to its child in other words.
pub fn this_program() -> anyhow::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.is_symlink() {
        return Ok(running.to_owned());
    }
    std::env::current_exe().context("cannot find the path of this program")
}

/// Puts our files into the mailboxes' folders.
fn deposit_into(mailboxes: Arc<Mailboxes>) -> Deposit {
    Arc::new(move |tenant, environment, path, bytes| {
        let mailbox = mailboxes
            .mailbox(tenant, environment)
            .ok_or(MailboxError::NotFound)?;
        mailbox.deposit(path, bytes)
    })
}

/// A folder in the state folder for as long as a restore puts things in place.
pub const RESTORING: &str = "restoring";

/// Makes the state folder if it is missing, and makes sure that it is this user's and whole.
pub fn own_state_dir(path: &Path) -> Result<(), StartError> {
    if std::fs::metadata(path).is_ok_and(|it| !it.is_dir()) {
        return Err(StartError::NotFolder {
            path: path.to_owned(),
        });
    }
    std::fs::create_dir_all(path).map_err(at(path))?;
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(path).map_err(at(path))?);
    let user = rustix::process::geteuid().as_raw();
    if owner != user {
        return Err(StartError::NotOwner {
            path: path.to_owned(),
            owner,
            user,
        });
    }
    if path.join(RESTORING).try_exists().map_err(at(path))? {
        return Err(StartError::HalfRestored {
            path: path.to_owned(),
        });
    }
    Ok(())
}
