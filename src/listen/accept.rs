//! The door: who comes in. Every listener asks it before a byte is sent.
//!
//! It closes the connections of banned addresses ([`super::bans`]), and those beyond `limits.connections` and `limits.connections_per_address`. Strangers, who
//! have not logged in, cannot use up the places: when all are taken, the oldest stranger of the address that has the most of them goes in favour
//! of one from an address that has fewer. On a listener behind a balancer, a connection counts as its client's, and not before the balancer has said
//! whose it is ([`super::proxy`]).

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, io};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::listen::Protocol;
use crate::listen::bans::Bans;
use crate::listen::proxy::{self, NoHeader, Progress};
use crate::listen::score::{Offence, Origin};
use crate::live::Live;
use crate::tasks::Tasks;
use crate::telemetry;

/// Between two lines about connections that were turned away, or could not be accepted.
const QUIET: Duration = Duration::from_secs(10);
/// Lines about strangers whose connections come to nothing in that time, of each kind.
const LINES: u32 = 10;
/// For a balancer to say whose connection it is: it does so at once.
const HEADER_LIMIT: Duration = Duration::from_secs(5);
/// Connections of which that is not known yet.
const HEADERS: usize = 256;

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
    bans: Arc<Bans>,
    open: Mutex<Open>,
    headers: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    /// In the order they came.
    places: BTreeMap<u64, Place>,
    by_origin: HashMap<Origin, Count>,
    /// What the log was told of last: a flood must not flood the log.
    told: HashMap<&'static str, Told>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    all: usize,
    strangers: usize,
}

#[derive(Debug)]
struct Place {
    origin: Origin,
    is_stranger: bool,
    evicted: CancellationToken,
}

#[derive(Debug)]
struct Told {
    since: Instant,
    lines: u32,
    untold: u64,
}

/// An open connection; dropped, its place is free again.
#[derive(Debug)]
pub struct Pass {
    door: Arc<Door>,
    number: u64,
    address: IpAddr,
    evicted: CancellationToken,
}

/// Why a connection was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Away {
    /// `limits.connections` are open.
    #[error("limits.connections reached")]
    Full,
    /// `limits.connections_per_address` are open from there.
    #[error("limits.connections_per_address reached")]
    FullFromThere,
    #[error("its address is banned")]
    Banned,
}

impl Away {
    /// For a client that can be told before TLS.
    const fn reply(self) -> &'static [u8] {
        match self {
            Self::Full => b"421 Too many connections: try again later\r\n",
            Self::FullFromThere => {
                b"421 Too many connections from your address: try again later\r\n"
            }
            Self::Banned => b"421 Too many failed logins from your address: try again later\r\n",
        }
    }
}

/// Why a connection to a listener behind a balancer is closed.
#[derive(Debug, thiserror::Error)]
enum Headless {
    #[error("it does not come from one of proxy_protocol.from")]
    NotListed,
    #[error(transparent)]
    NoHeader(#[from] NoHeader),
    #[error("its PROXY header did not come in time")]
    Late,
    #[error("it ended before its PROXY header")]
    Gone,
    #[error("too many connections have not sent their PROXY header yet")]
    TooMany,
}

/// A connection that was let in.
#[derive(Debug)]
pub(in crate::listen) struct Guest {
    pub(in crate::listen) stream: TcpStream,
    /// The client, wherever the connection itself comes from.
    pub(in crate::listen) peer: IpAddr,
    /// The balancer that it came through.
    pub(in crate::listen) via: Option<IpAddr>,
    pub(in crate::listen) pass: Pass,
}

/// The door of one listener.
#[derive(Debug, Clone)]
pub(in crate::listen) struct Entrance {
    pub(in crate::listen) door: Arc<Door>,
    pub(in crate::listen) protocol: Protocol,
    /// As the configuration writes it.
    pub(in crate::listen) listener: SocketAddr,
}

impl Entrance {
    /// Lets a connection in, or closes it. `begin` is called with the guest, at once or when a balancer has said who it is.
    pub(in crate::listen) fn receive(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        tasks: &Tasks,
        begin: impl FnOnce(Guest) + Send + 'static,
    ) {
        let peer = peer.ip().to_canonical();
        let config = self.door.settings.now();
        let proxied = &config.proxy_protocol;
        if !proxied.listeners.contains(&self.listener) {
            if let Some(guest) = self.admit(stream, peer, None) {
                begin(guest);
            }
            return;
        }
        if !proxied.from.iter().any(|network| network.contains(&peer)) {
            self.refuse(peer, &Headless::NotListed);
            return;
        }
        let Ok(place) = Arc::clone(&self.door.headers).try_acquire_owned() else {
            self.refuse(peer, &Headless::TooMany);
            return;
        };
        let limit = HEADER_LIMIT.min(config.limits.login_deadline);
        let (entrance, draining) = (self.clone(), tasks.draining().clone());
        drop(tasks.spawn("proxy header", async move {
            let mut stream = stream;
            let header = read_header(&mut stream, limit);
            let Some(header) = draining.run_until_cancelled(header).await else {
                return;
            };
            drop(place);
            let client = match header {
                Ok(proxy::Origin::Client(client)) => client,
                Ok(proxy::Origin::Balancer) => peer,
                Err(headless) => return entrance.refuse(peer, &headless),
            };
            if let Some(guest) = entrance.admit(stream, client, Some(peer)) {
                begin(guest);
            }
        }));
    }

    fn admit(&self, stream: TcpStream, peer: IpAddr, via: Option<IpAddr>) -> Option<Guest> {
        match self.door.admit(peer) {
            Ok(pass) => Some(Guest {
                stream,
                peer,
                via,
                pass,
            }),
            Err(away) => {
                telemetry::count_refused_connection(self.protocol);
                tracing::debug!(%peer, %away, "turned a connection away");
                if self.protocol == Protocol::Ftpes {
                    // A new connection has room for a line; if not, it is not waited for.
                    let told = socket2::SockRef::from(&stream).send(away.reply());
                    tracing::trace!(?told, "told a connection why");
                }
                None
            }
        }
    }

    fn refuse(&self, peer: IpAddr, headless: &Headless) {
        telemetry::count_refused_connection(self.protocol);
        self.door.tell("headless", 1, |untold| {
            tracing::warn!(%peer, listener = %self.listener, untold, "a connection to a listener of [proxy_protocol] was closed: {headless}");
        });
    }
}

/// Reads the header of a connection, and nothing that follows it.
async fn read_header(stream: &mut TcpStream, limit: Duration) -> Result<proxy::Origin, Headless> {
    let reading = async {
        let mut header = Vec::new();
        loop {
            let more = match proxy::decode(&header)? {
                Progress::Whole(origin) => return Ok(origin),
                Progress::More(more) => more as u64,
            };
            let read = (&mut *stream).take(more).read_buf(&mut header).await;
            if read.is_ok_and(|bytes| bytes > 0) {
                continue;
            }
            return Err(Headless::Gone);
        }
    };
    timeout(limit, reading).await.unwrap_or(Err(Headless::Late))
}

/// Whose data connection it is that a balancer has opened.
pub(in crate::listen) async fn read_client(
    stream: &mut TcpStream,
    balancer: IpAddr,
) -> io::Result<IpAddr> {
    match read_header(stream, HEADER_LIMIT).await {
        Ok(proxy::Origin::Client(client)) => Ok(client),
        Ok(proxy::Origin::Balancer) => Ok(balancer),
        Err(headless) => Err(io::Error::new(io::ErrorKind::InvalidData, headless)),
    }
}

impl Door {
    /// A door with the limits of `settings`, as they are when someone comes.
    pub fn new(settings: Live<Config>, bans: Arc<Bans>) -> Arc<Self> {
        Arc::new(Self {
            settings,
            bans,
            open: Mutex::default(),
            headers: Arc::new(Semaphore::new(HEADERS)),
        })
    }

    /// Lets a connection from `address` in, or says what stands against it.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Pass, Away> {
        let address = address.to_canonical();
        if self.bans.shut_out(address) {
            return Err(Away::Banned);
        }
        let origin = Origin::from(address);
        let limits = &self.settings.now().limits;
        let mut open = self.lock();
        let there = open.by_origin.get(&origin).copied().unwrap_or_default();
        let full = if there.all >= limits.connections_per_address {
            Some(Away::FullFromThere)
        } else if open.places.len() >= limits.connections && !open.evict_for(there) {
            Some(Away::Full)
        } else {
            None
        };
        if let Some(full) = full {
            let count = open.places.len();
            open.tell("full", 1, |untold| {
                tracing::warn!(peer = %address, open = count, untold, "connections are turned away: {full}");
            });
            return Err(full);
        }
        let number = open.next;
        open.next += 1;
        let evicted = CancellationToken::new();
        let place = Place {
            origin,
            is_stranger: true,
            evicted: evicted.clone(),
        };
        open.places.insert(number, place);
        let there = open.by_origin.entry(origin).or_default();
        there.all += 1;
        there.strangers += 1;
        drop(open);
        Ok(Pass {
            door: Arc::clone(self),
            number,
            address,
            evicted,
        })
    }

    /// Says something to the log, unless it was told `most` times the like of it a moment ago. What it is given is how many times that was so.
    fn tell(&self, kind: &'static str, most: u32, say: impl FnOnce(u64)) {
        self.lock().tell(kind, most, say);
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Makes room for a stranger from where there are so many, if an address has more strangers than that.
    fn evict_for(&mut self, there: Count) -> bool {
        let most = self.by_origin.values().map(|count| count.strangers).max();
        let Some(most) = most.filter(|most| *most > there.strangers) else {
            return false;
        };
        let crowded = |place: &Place| {
            let count = self.by_origin.get(&place.origin);
            place.is_stranger && count.is_some_and(|count| count.strangers == most)
        };
        let oldest = self.places.iter().find(|(_, place)| crowded(place));
        let Some(number) = oldest.map(|(number, _)| *number) else {
            return false;
        };
        if let Some(place) = self.free(number) {
            place.evicted.cancel();
            self.tell("evicted", 1, |untold| {
                tracing::warn!(
                    peer = %place.origin,
                    open = most,
                    untold,
                    "limits.connections reached: connections that have not logged in are closed in favour of new ones"
                );
            });
        }
        true
    }

    fn free(&mut self, number: u64) -> Option<Place> {
        let place = self.places.remove(&number)?;
        if let Some(there) = self.by_origin.get_mut(&place.origin) {
            there.all = there.all.saturating_sub(1);
            if place.is_stranger {
                there.strangers = there.strangers.saturating_sub(1);
            }
            if there.all == 0 {
                self.by_origin.remove(&place.origin);
            }
        }
        Some(place)
    }

    fn tell(&mut self, kind: &'static str, most: u32, say: impl FnOnce(u64)) {
        let told = self.told.entry(kind).or_insert_with(|| Told {
            since: Instant::now(),
            lines: 0,
            untold: 0,
        });
        let mut untold = 0;
        if told.since.elapsed() >= QUIET {
            untold = std::mem::take(&mut told.untold);
            told.since = Instant::now();
            told.lines = 0;
        }
        if told.lines >= most {
            told.untold += 1;
            return;
        }
        told.lines += 1;
        say(untold);
    }
}

impl Pass {
    /// Its client has logged in: the place is its own now. False if it was given away a moment before.
    #[must_use]
    pub(in crate::listen) fn log_in(&self) -> bool {
        let mut open = self.door.lock();
        let Some(place) = open.places.get_mut(&self.number) else {
            return false;
        };
        let origin = place.origin;
        if std::mem::take(&mut place.is_stranger)
            && let Some(there) = open.by_origin.get_mut(&origin)
        {
            there.strangers = there.strangers.saturating_sub(1);
        }
        true
    }

    /// Cancelled when the place was given to somebody else.
    pub(in crate::listen) fn evicted(&self) -> &CancellationToken {
        &self.evicted
    }

    /// Counts against the address that the connection comes to nothing, and tells the log, if not too many do.
    pub(in crate::listen) fn offend(&self, offence: Offence, what: impl fmt::Display) {
        self.door.bans.note(self.address, None, offence.into());
        self.door.tell(offence.as_str(), LINES, |untold| {
            tracing::info!(peer = %self.address, untold, "{what}");
        });
    }
}

impl Pass {
    /// Tells the log now and then of a sender that could not agree with us on TLS. It counts for nothing: the address is a tenant's as like as not, and the
    /// line is what its admin needs.
    pub(in crate::listen) fn regret(&self, why: &'static str, error: &std::io::Error) {
        self.door.tell(why, LINES, |untold| {
            tracing::info!(peer = %self.address, untold, %error, "a connection ended before TLS was agreed on: {why}");
        });
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.door.lock().free(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn door(connections: usize, per_address: usize) -> Arc<Door> {
        let mut config = Config::of(std::path::Path::new("."), []);
        config.limits.connections = connections;
        config.limits.connections_per_address = per_address;
        config.limits.ban_failures = 2;
        let settings = Live::fixed(Arc::new(config));
        let bans = Bans::new(settings.clone(), Arc::new(SystemClock));
        Door::new(settings, bans)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_ends() {
        let door = door(2, 1);
        let here = address("127.0.0.1");
        let pass = door.admit(here).unwrap();
        let mapped = address("::ffff:127.0.0.1");
        assert_eq!(door.admit(mapped).unwrap_err(), Away::FullFromThere);
        let other = door.admit(address("127.0.0.2")).unwrap();
        assert!(pass.log_in() && other.log_in());
        assert_eq!(door.admit(address("127.0.0.3")).unwrap_err(), Away::Full);
        drop(pass);
        drop(other);
        assert!(door.admit(here).is_ok());
        assert!(door.lock().by_origin.is_empty());
    }

    #[test]
    fn strangers_make_room_for_whoever_has_fewer_and_members_never_do() {
        let door = door(4, 4);
        let [member, flood, other] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(address);
        let logged_in = door.admit(member).unwrap();
        assert!(logged_in.log_in());
        let strangers: Vec<_> = (0..3).map(|_| door.admit(flood).unwrap()).collect();
        // The flood does not make room for itself.
        assert_eq!(door.admit(flood).unwrap_err(), Away::Full);
        let first = door.admit(other).unwrap();
        assert!(strangers[0].evicted().is_cancelled());
        assert!(!strangers[0].log_in(), "its place was given away");
        assert!(!strangers[1].evicted().is_cancelled());
        let second = door.admit(other).unwrap();
        assert!(strangers[1].evicted().is_cancelled());
        // Now it has the most itself.
        assert_eq!(door.admit(other).unwrap_err(), Away::Full);
        assert!(first.log_in() && second.log_in());
        let third = door.admit(member).unwrap();
        assert!(strangers[2].evicted().is_cancelled());
        assert!(third.log_in());
        // Four members: nobody is left to go.
        assert_eq!(door.admit(other).unwrap_err(), Away::Full);
        drop(strangers);
        assert_eq!(door.lock().places.len(), 4);
        drop((logged_in, first, second, third));
        assert!(door.lock().by_origin.is_empty());
    }

    #[test]
    fn a_banned_address_is_closed_at_the_door() {
        let door = door(9, 9);
        let (bad, good) = (address("192.0.2.1"), address("192.0.2.2"));
        let before = door.admit(bad).unwrap();
        for _ in 0..8 {
            before.offend(Offence::OtherProtocol, "a test");
        }
        assert_eq!(door.admit(bad).unwrap_err(), Away::Banned);
        assert!(door.admit(good).is_ok());
        assert_eq!(door.bans.lift(bad), 1);
        assert!(door.admit(bad).is_ok());
    }
}
