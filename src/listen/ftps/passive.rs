//! Passive ports: bound once and shared by all listeners of an address. A connection to one belongs to the session that leased the pair
//! (peer address, port); everyone else's is closed, and the slot stays. One port serves different peers at the same time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::listen::accept::Strain;
use crate::telemetry;

/// How long a session waits for a slot.
const SLOT_WAIT: Duration = Duration::from_secs(5);
/// How long a slot that expired unused is kept from others, so that a connection that comes late does not land in another session.
const REST: Duration = Duration::from_secs(5);
/// How long a port is held for a session that does not use it.
const LEASE_LIMIT: Duration = Duration::from_mins(1);
/// How often a waiting session looks for slots that have rested enough.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Connections kept for a session that has not yet looked at them; more are closed.
const UNSEEN: usize = 4;

type Key = (IpAddr, u16);

/// The passive ports of one address of ours.
#[derive(Debug)]
pub(super) struct PassivePorts {
    ports: Vec<u16>,
    slots: Mutex<Slots>,
    freed: Notify,
    /// Leases of all addresses together, for the metric.
    in_use: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Slots {
    /// Where to look for a free port first: ports take turns.
    next: usize,
    taken: HashMap<Key, Slot>,
}

#[derive(Debug)]
enum Slot {
    Leased(mpsc::Sender<TcpStream>),
    Resting { until: Instant },
}

/// A port held for one session's next data connection. Dropped before [`Lease::settle`], the port rests a while.
#[derive(Debug)]
pub(super) struct Lease {
    ports: Arc<PassivePorts>,
    key: Key,
    arrived: mpsc::Receiver<TcpStream>,
    expires: Instant,
    settled: bool,
}

impl PassivePorts {
    pub(super) fn new(ports: Vec<u16>, in_use: Arc<AtomicUsize>) -> Arc<Self> {
        Arc::new(Self {
            ports,
            slots: Mutex::default(),
            freed: Notify::new(),
            in_use,
        })
    }

    /// A port for a session of `peer`; none when all of them stayed taken for that peer.
    pub(super) async fn lease(self: &Arc<Self>, peer: IpAddr) -> Option<Lease> {
        let deadline = Instant::now() + SLOT_WAIT;
        loop {
            let freed = self.freed.notified();
            if let Some(lease) = self.lease_now(peer, Instant::now()) {
                return Some(lease);
            }
            if Instant::now() >= deadline {
                telemetry::count_passive_ports_exhausted();
                return None;
            }
            // Whether woken or not: look again.
            timeout(LOOK_AGAIN, freed).await.ok();
        }
    }

    fn lease_now(self: &Arc<Self>, peer: IpAddr, now: Instant) -> Option<Lease> {
        let mut slots = self.lock();
        slots
            .taken
            .retain(|_, slot| !matches!(slot, Slot::Resting { until } if *until <= now));
        let (before, after) = self.ports.split_at_checked(slots.next)?;
        let port = after
            .iter()
            .chain(before)
            .copied()
            .find(|port| !slots.taken.contains_key(&(peer, *port)))?;
        let place = self.ports.iter().position(|p| *p == port)?;
        slots.next = (place + 1) % self.ports.len();
        let (sender, arrived) = mpsc::channel(UNSEEN);
        let key = (peer, port);
        slots.taken.insert(key, Slot::Leased(sender));
        drop(slots);
        telemetry::set_passive_ports_in_use(self.in_use.fetch_add(1, Ordering::Relaxed) + 1);
        Some(Lease {
            ports: Arc::clone(self),
            key,
            arrived,
            expires: now + LEASE_LIMIT,
            settled: false,
        })
    }

    /// Accepts connections to one of the ports until `closed`.
    pub(super) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        port: u16,
        closed: CancellationToken,
    ) {
        let mut strain = Strain::default();
        loop {
            let accepted = tokio::select! {
                () = closed.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.deliver((peer.ip().to_canonical(), port), stream),
                Err(error) => {
                    strain.tell(format_args!("passive port {port}"), &error);
                    sleep(super::ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Hands a connection to the session that leased its slot, or closes it.
    fn deliver(&self, key: Key, stream: TcpStream) {
        let taken = match self.lock().taken.get(&key) {
            Some(Slot::Leased(session)) => session.try_send(stream).is_ok(),
            _ => false,
        };
        if !taken {
            tracing::debug!(
                port = key.1,
                "closed a data connection that no session waits for"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// The port to announce.
    pub(super) fn port(&self) -> u16 {
        self.key.1
    }

    /// When a session that has sent no transfer command must give it back.
    pub(super) fn expires(&self) -> Instant {
        self.expires
    }

    /// The next connection from the peer to the port.
    pub(super) async fn connection(&mut self) -> Option<TcpStream> {
        self.arrived.recv().await
    }

    /// Gives the port back at once: its connection has come. Counted as in use until the returned value is dropped.
    pub(super) fn settle(&mut self) {
        self.settled = true;
        self.ports.lock().taken.remove(&self.key);
        self.ports.freed.notify_waiters();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.settled {
            let until = Instant::now() + REST;
            self.ports
                .lock()
                .taken
                .insert(self.key, Slot::Resting { until });
        }
        let leases = self.ports.in_use.fetch_sub(1, Ordering::Relaxed) - 1;
        telemetry::set_passive_ports_in_use(leases);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn ports(count: u16) -> Arc<PassivePorts> {
        PassivePorts::new((6980..6980 + count).collect(), Arc::default())
    }

    async fn connection() -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn one_port_serves_different_peers_and_each_peer_once() {
        let ports = ports(1);
        let now = Instant::now();
        let one = ports.lease_now(address("192.0.2.1"), now).unwrap();
        let other = ports.lease_now(address("192.0.2.2"), now).unwrap();
        assert_eq!(one.port(), other.port());
        assert!(ports.lease_now(address("192.0.2.1"), now).is_none());
        assert_eq!(ports.in_use.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_stranger_is_closed_and_the_slot_stays() {
        let ports = ports(1);
        let mut lease = ports
            .lease_now(address("192.0.2.1"), Instant::now())
            .unwrap();
        ports.deliver((address("192.0.2.66"), 6980), connection().await);
        ports.deliver((address("192.0.2.1"), 6981), connection().await);
        assert!(lease.arrived.try_recv().is_err());
        ports.deliver((address("192.0.2.1"), 6980), connection().await);
        assert!(lease.connection().await.is_some());
    }

    #[tokio::test]
    async fn a_slot_that_expired_unused_rests_and_a_used_one_does_not() {
        let ports = ports(1);
        let peer = address("192.0.2.1");
        let mut used = ports.lease_now(peer, Instant::now()).unwrap();
        used.settle();
        let next = ports.lease_now(peer, Instant::now()).unwrap();
        drop(used);
        ports.deliver((peer, 6980), connection().await);
        drop(next);
        assert!(ports.lease_now(peer, Instant::now()).is_none());
        assert!(ports.lease_now(peer, Instant::now() + REST * 2).is_some());
    }

    #[tokio::test]
    async fn ports_take_turns() {
        let ports = ports(3);
        let peer = address("192.0.2.1");
        let order: Vec<u16> = (0..6)
            .map(|_| {
                let mut lease = ports.lease_now(peer, Instant::now()).unwrap();
                lease.settle();
                lease.port()
            })
            .collect();
        assert_eq!(order, [6980, 6981, 6982, 6980, 6981, 6982]);
    }

    #[tokio::test]
    async fn a_session_that_waits_gets_the_slot_that_becomes_free() {
        let ports = ports(1);
        let peer = address("192.0.2.1");
        let mut held = ports.lease(peer).await.unwrap();
        let (waited, ()) = tokio::join!(ports.lease(peer), async { held.settle() });
        assert!(waited.is_some());
    }
}
