//! The mailboxes of all tenants, kept in step with the configuration in force: who is in it is served, and nobody else.
//!
//! Invariant: a mailbox has one [`Mailbox`] at a time, however often its tenant goes and comes back, because its ledger and its lock on names live there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use crate::clock::SharedClock;
use crate::config::{Config, Tenant};
use crate::live::Live;
use crate::mailbox::layout::Layout;
use crate::mailbox::{Mailbox, OpenError, at};
use crate::tenant::{Environment, TenantId};

type Name = (TenantId, Environment);

/// The mailboxes of all tenants, each with its folders made and its use counted.
#[derive(Debug)]
pub struct Mailboxes {
    settings: Live<Config>,
    clock: SharedClock,
    open: RwLock<BTreeMap<Name, Arc<Mailbox>>>,
    /// Of tenants that were removed: a session of theirs, or an upload, may still be about to end.
    retired: RwLock<BTreeMap<Name, Weak<Mailbox>>>,
}

impl Mailboxes {
    /// Opens them all for the daemon, and clears what uploads left behind that the last one did not finish.
    pub fn open(settings: Live<Config>, clock: SharedClock) -> Result<Self, OpenError> {
        let mailboxes = Self::attach(settings, clock)?;
        for mailbox in mailboxes.iter() {
            clear(&mailbox)?;
        }
        Ok(mailboxes)
    }

    /// Opens them all beside a daemon that may be running: its uploads in progress stay.
    pub fn attach(settings: Live<Config>, clock: SharedClock) -> Result<Self, OpenError> {
        let config = settings.now();
        let mailboxes = Self {
            settings,
            clock,
            open: RwLock::default(),
            retired: RwLock::default(),
        };
        let state_dir = &config.server.state_dir;
        let mut opened = Vec::new();
        for tenant in config.tenants.values() {
            for environment in Environment::ALL {
                opened.push(mailboxes.open_one(state_dir, tenant, environment)?);
            }
        }
        mailboxes.add(opened);
        Ok(mailboxes)
    }

    /// One of them.
    pub fn mailbox(&self, tenant: &TenantId, environment: Environment) -> Option<Arc<Mailbox>> {
        if !self.settings.now().tenants.contains_key(tenant) {
            return None;
        }
        let open = read(&self.open);
        open.get(&(tenant.clone(), environment)).cloned()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Mailbox>> {
        let config = self.settings.now();
        let mut served: Vec<_> = read(&self.open).values().cloned().collect();
        served.retain(|mailbox| config.tenants.contains_key(mailbox.tenant()));
        served.into_iter()
    }

    /// Opens those that `config` has more than what is in force. They are served once it is in force, and after [`Mailboxes::add`].
    pub fn open_new(&self, config: &Config) -> Result<Vec<Arc<Mailbox>>, OpenError> {
        let state_dir = &config.server.state_dir;
        let mut opened = Vec::new();
        for tenant in config.tenants.values() {
            for environment in Environment::ALL {
                let name = (tenant.id.clone(), environment);
                if read(&self.open).contains_key(&name) {
                    continue;
                }
                let retired = read(&self.retired).get(&name).and_then(Weak::upgrade);
                opened.push(if let Some(mailbox) = retired {
                    let layout = mailbox.layout();
                    mailbox.rescan().map_err(at(&layout.mailbox))?;
                    mailbox
                } else {
                    let mailbox = self.open_one(state_dir, tenant, environment)?;
                    clear(&mailbox)?;
                    mailbox
                });
            }
        }
        Ok(opened)
    }

    /// Takes in what [`Mailboxes::open_new`] has opened.
    pub fn add(&self, opened: Vec<Arc<Mailbox>>) {
        let mut open = write(&self.open);
        for mailbox in opened {
            let name = (mailbox.tenant().clone(), mailbox.environment());
            open.insert(name, mailbox);
        }
    }

    /// Lets go of those whose tenants are not in force any more. Their files stay as they are.
    pub fn retire(&self) {
        let config = self.settings.now();
        let mut retired = write(&self.retired);
        retired.retain(|_, mailbox| mailbox.strong_count() > 0);
        write(&self.open).retain(|name, mailbox| {
            let is_served = config.tenants.contains_key(&name.0);
            if !is_served {
                retired.insert(name.clone(), Arc::downgrade(mailbox));
            }
            is_served
        });
    }

    fn open_one(
        &self,
        state_dir: &Path,
        tenant: &Arc<Tenant>,
        environment: Environment,
    ) -> Result<Arc<Mailbox>, OpenError> {
        Mailbox::open(
            Layout::new(state_dir, &tenant.id, environment),
            Arc::clone(tenant),
            environment,
            self.settings.clone(),
            Arc::clone(&self.clock),
        )
        .map(Arc::new)
    }
}

/// Makes good what a crash left, and clears what no one finishes any more.
fn clear(mailbox: &Mailbox) -> Result<(), OpenError> {
    mailbox
        .name_new_arrivals()
        .and_then(|()| mailbox.clear_staging())
        .map_err(at(&mailbox.layout().staging))
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::live::Holder;
    use crate::mailbox::Start;
    use crate::mailbox::tests::{path, tenant};

    fn change(mailboxes: &Mailboxes, holder: &Holder<Config>, config: Config) {
        mailboxes.add(mailboxes.open_new(&config).unwrap());
        holder.replace(Arc::new(config));
        mailboxes.retire();
    }

    #[test]
    fn a_tenant_that_goes_and_comes_back_has_one_ledger_as_long_as_an_upload_lives() {
        let dir = tempfile::tempdir().unwrap();
        let config = |quota| Config::of(dir.path(), [tenant("acme", quota)]);
        let nobody = || Config::of(dir.path(), []);
        let holder = Holder::new(Arc::new(config(100)));
        let mailboxes = Mailboxes::open(holder.live(), Arc::new(SystemClock)).unwrap();
        let acme = TenantId::parse("acme").unwrap();
        let find = || mailboxes.mailbox(&acme, Environment::Production);
        let mailbox = find().unwrap();
        let mut upload = mailbox
            .begin(&path("/employees.csv"), Start::Truncate)
            .unwrap();
        upload.write(&[0; 60]).unwrap();
        drop(mailbox);

        change(&mailboxes, &holder, nobody());
        assert!(find().is_none());
        assert_eq!(mailboxes.iter().count(), 0);
        change(&mailboxes, &holder, config(80));
        let mailbox = find().unwrap();
        assert_eq!((mailbox.used_bytes(), mailbox.quota_bytes()), (60, 80));
        assert!(
            upload.write(&[0; 21]).is_err(),
            "the new quota counts at once"
        );
        drop(upload);
        assert_eq!(mailbox.used_bytes(), 0);
        drop(mailbox);

        // And nothing is kept of those that nobody uses.
        change(&mailboxes, &holder, nobody());
        mailboxes.retire();
        assert_eq!(read(&mailboxes.retired).len(), 0);
    }
}
