//! The door: how many connections there may be, in all and from one address. A listener asks it before a byte is sent.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, io};

use crate::config::Config;
use crate::live::Live;

/// Between two lines about connections that were turned away, or could not be accepted.
const QUIET: Duration = Duration::from_secs(10);

/// A listener that cannot accept, mostly for want of descriptors. It tries on several times a second, and says so now and then.
#[derive(Debug, Default)]
pub(in crate::listen) struct Strain {
    told: Option<Instant>,
}

impl Strain {
    pub(in crate::listen) fn tell(&mut self, address: impl fmt::Display, error: &io::Error) {
        if self.told.is_none_or(|told| told.elapsed() >= QUIET) {
            self.told = Some(Instant::now());
            tracing::warn!(%address, %error, "cannot accept connections now: trying on");
        }
    }
}

/// Counts open connections against their limits.
#[derive(Debug)]
pub struct Door {
    settings: Live<Config>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    /// When the log was last told that it is full: a flood must not flood the log.
    told: Option<Instant>,
    by_address: HashMap<IpAddr, usize>,
}

/// An open connection; dropped, its place is free again.
#[derive(Debug)]
pub struct Pass {
    door: Arc<Door>,
    address: IpAddr,
}

/// Why a connection was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// `limits.connections` are open.
    #[error("limits.connections reached")]
    InAll,
    /// `limits.connections_per_address` are open from there.
    #[error("limits.connections_per_address reached")]
    FromThere,
}

impl Door {
    /// A door with the limits of `settings`, as they are when someone comes.
    pub fn new(settings: Live<Config>) -> Arc<Self> {
        Arc::new(Self {
            settings,
            open: Mutex::default(),
        })
    }

    /// Lets a connection from `address` in, or says which limit stands against it.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Pass, Full> {
        let address = address.to_canonical();
        let config = self.settings.now();
        let mut open = self.lock();
        let there = open.by_address.get(&address).copied().unwrap_or(0);
        let full = if open.total >= config.limits.connections {
            Some(Full::InAll)
        } else if there >= config.limits.connections_per_address {
            Some(Full::FromThere)
        } else {
            None
        };
        if let Some(full) = full {
            if open.told.is_none_or(|told| told.elapsed() >= QUIET) {
                open.told = Some(Instant::now());
                tracing::warn!(peer = %address, open = open.total, "connections are turned away: {full}");
            }
            return Err(full);
        }
        open.by_address.insert(address, there + 1);
        open.total += 1;
        drop(open);
        Ok(Pass {
            door: Arc::clone(self),
            address,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut open = self.door.lock();
        open.total = open.total.saturating_sub(1);
        if let Some(there) = open.by_address.get_mut(&self.address) {
            *there -= 1;
            if *there == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let mut config = Config::of(std::path::Path::new("."), []);
        config.limits.connections = 2;
        config.limits.connections_per_address = 1;
        let door = Door::new(Live::fixed(Arc::new(config)));
        let here: IpAddr = "127.0.0.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        let pass = door.admit(here).unwrap();
        assert_eq!(door.admit(mapped).unwrap_err(), Full::FromThere);
        let other = door.admit("127.0.0.2".parse().unwrap()).unwrap();
        assert_eq!(
            door.admit("127.0.0.3".parse().unwrap()).unwrap_err(),
            Full::InAll
        );
        drop(pass);
        drop(other);
        assert!(door.admit(here).is_ok());
    }
}
