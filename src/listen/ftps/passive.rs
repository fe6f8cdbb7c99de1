//! Passive ports: bound once and shared by all listeners of an address. A connection to one belongs to the session that leased the pair
//! (where from, port); everyone else's is closed, and the slot stays. One port serves different peers at the same time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::listen::accept::{Strain, read_client};
use crate::tasks::Tasks;
use crate::telemetry;

/// How long a session waits for a slot.
const SLOT_WAIT: Duration = Duration::from_secs(5);
/// How long a slot that expired unused is kept from others, so that a connection that comes late does not land in another session.
const REST: Duration = Duration::from_secs(5);
/// How long a port is held for a session that does not use it.
const LEASE_LIMIT: Duration = Duration::from_mins(1);
/// How often a waiting session looks for slots that have rested enough.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Connections through balancers whose client is not known yet.
const HEADERS: usize = 64;
/// Connections kept for a session that has not yet looked at them; more are closed.
const UNSEEN: usize = 4;

/// Where a data connection may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The address of the control connection.
    Peer(IpAddr),
    /// What the login's `allow_from` holds, with `data_from = "allow_from"`.
    Networks(Vec<IpNet>),
}

impl Origin {
    fn contains(&self, address: IpAddr) -> bool {
        match self {
            Self::Peer(peer) => *peer == address,
            Self::Networks(networks) => networks.iter().any(|network| network.contains(&address)),
        }
    }

    /// Whether one connection could belong to both.
    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Peer(peer), origin) | (origin, Self::Peer(peer)) => origin.contains(*peer),
            (Self::Networks(ours), Self::Networks(theirs)) => ours.iter().any(|one| {
                let overlap = |other: &IpNet| one.contains(other) || other.contains(one);
                theirs.iter().any(overlap)
            }),
        }
    }
}

/// The passive ports of one address of ours.
#[derive(Debug)]
pub(super) struct PassivePorts {
    ports: Vec<u16>,
    slots: Mutex<Slots>,
    freed: Notify,
    /// Leases of all addresses together, for the metric.
    in_use: Arc<AtomicUsize>,
    headers: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Slots {
    /// Where to look for a free port first: ports take turns.
    next: usize,
    /// By port. Invariant: no two origins on a port overlap, so that a connection belongs to one session at most.
    taken: HashMap<u16, Vec<Held>>,
}

#[derive(Debug)]
struct Held {
    origin: Origin,
    /// The balancer that the session has come through.
    via: Option<IpAddr>,
    slot: Slot,
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
    port: u16,
    origin: Origin,
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
            headers: Arc::new(Semaphore::new(HEADERS)),
        })
    }

    /// A port for a session whose data connection comes from `origin`, itself or through the balancer `via`; none when all of them stayed taken for it.
    pub(super) async fn lease(
        self: &Arc<Self>,
        origin: Origin,
        via: Option<IpAddr>,
    ) -> Option<Lease> {
        let deadline = Instant::now() + SLOT_WAIT;
        loop {
            let freed = self.freed.notified();
            if let Some(lease) = self.lease_now(&origin, via, Instant::now()) {
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

    fn lease_now(
        self: &Arc<Self>,
        origin: &Origin,
        via: Option<IpAddr>,
        now: Instant,
    ) -> Option<Lease> {
        let mut slots = self.lock();
        slots.taken.retain(|_, held| {
            held.retain(|it| !matches!(it.slot, Slot::Resting { until } if until <= now));
            !held.is_empty()
        });
        let is_free = |port: &u16| {
            let held = slots.taken.get(port);
            held.is_none_or(|held| !held.iter().any(|it| it.origin.overlaps(origin)))
        };
        let (before, after) = self.ports.split_at_checked(slots.next)?;
        let port = after.iter().chain(before).copied().find(is_free)?;
        let place = self.ports.iter().position(|p| *p == port)?;
        slots.next = (place + 1) % self.ports.len();
        let (sender, arrived) = mpsc::channel(UNSEEN);
        slots.taken.entry(port).or_default().push(Held {
            origin: origin.clone(),
            via,
            slot: Slot::Leased(sender),
        });
        drop(slots);
        telemetry::set_passive_ports_in_use(self.in_use.fetch_add(1, Ordering::Relaxed) + 1);
        Some(Lease {
            ports: Arc::clone(self),
            port,
            origin: origin.clone(),
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
        tasks: Tasks,
        closed: CancellationToken,
    ) {
        let mut strain = Strain::default();
        loop {
            let accepted = tokio::select! {
                () = closed.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let peer = peer.ip().to_canonical();
                    if self.is_through(peer, port) {
                        self.deliver_for_client(peer, port, stream, &tasks);
                    } else {
                        self.deliver(peer, port, stream);
                    }
                }
                Err(error) => {
                    strain.tell(format_args!("passive port {port}"), &error);
                    sleep(super::ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Whether a session waits at that port for a connection through that balancer.
    fn is_through(&self, balancer: IpAddr, port: u16) -> bool {
        let slots = self.lock();
        let mut held = slots.taken.get(&port).into_iter().flatten();
        held.any(|it| it.via == Some(balancer) && matches!(it.slot, Slot::Leased(_)))
    }

    /// The same as [`Self::deliver`], once the balancer has said whose connection it is.
    fn deliver_for_client(
        self: &Arc<Self>,
        balancer: IpAddr,
        port: u16,
        mut stream: TcpStream,
        tasks: &Tasks,
    ) {
        let Ok(place) = Arc::clone(&self.headers).try_acquire_owned() else {
            tracing::warn!(peer = %balancer, "too many data connections have not sent their PROXY header yet");
            return;
        };
        let ports = Arc::clone(self);
        drop(tasks.spawn("proxy header", async move {
            match read_client(&mut stream, balancer).await {
                Ok(client) => ports.deliver(client, port, stream),
                Err(error) => tracing::info!(peer = %balancer, %error, "closed a data connection"),
            }
            drop(place);
        }));
    }

    /// Hands a connection to the session that leased its slot, or closes it.
    fn deliver(&self, peer: IpAddr, port: u16, stream: TcpStream) {
        let slots = self.lock();
        let held = slots.taken.get(&port).into_iter().flatten();
        let taken = match held.into_iter().find(|it| it.origin.contains(peer)) {
            Some(Held {
                slot: Slot::Leased(session),
                ..
            }) => session.try_send(stream).is_ok(),
            _ => false,
        };
        drop(slots);
        if !taken {
            tracing::debug!(port, "closed a data connection that no session waits for");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// The port to announce.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// When a session that has sent no transfer command must give it back.
    pub(super) fn expires(&self) -> Instant {
        self.expires
    }

    /// The next connection from the peer to the port.
    pub(super) async fn connection(&mut self) -> Option<TcpStream> {
        self.arrived.recv().await
    }

    fn rest_until(&self, until: Option<Instant>) {
        let mut slots = self.ports.lock();
        let held = slots.taken.entry(self.port).or_default();
        held.retain(|it| it.origin != self.origin);
        held.extend(until.map(|until| Held {
            origin: self.origin.clone(),
            via: None,
            slot: Slot::Resting { until },
        }));
    }

    /// Gives the port back at once: its connection has come. Counted as in use until the returned value is dropped.
    pub(super) fn settle(&mut self) {
        self.settled = true;
        self.rest_until(None);
        self.ports.freed.notify_waiters();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.settled {
            self.rest_until(Some(Instant::now() + REST));
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

    fn peer(text: &str) -> Origin {
        Origin::Peer(address(text))
    }

    fn networks(list: &[&str]) -> Origin {
        Origin::Networks(list.iter().map(|it| it.parse().unwrap()).collect())
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
        let one = ports.lease_now(&peer("192.0.2.1"), None, now).unwrap();
        let other = ports.lease_now(&peer("192.0.2.2"), None, now).unwrap();
        assert_eq!(one.port(), other.port());
        assert!(ports.lease_now(&peer("192.0.2.1"), None, now).is_none());
        assert_eq!(ports.in_use.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_stranger_is_closed_and_the_slot_stays() {
        let ports = ports(1);
        let mut lease = ports
            .lease_now(&peer("192.0.2.1"), None, Instant::now())
            .unwrap();
        ports.deliver(address("192.0.2.66"), 6980, connection().await);
        ports.deliver(address("192.0.2.1"), 6981, connection().await);
        assert!(lease.arrived.try_recv().is_err());
        ports.deliver(address("192.0.2.1"), 6980, connection().await);
        assert!(lease.connection().await.is_some());
    }

    #[tokio::test]
    async fn a_slot_that_expired_unused_rests_and_a_used_one_does_not() {
        let ports = ports(1);
        let peer = peer("192.0.2.1");
        let mut used = ports.lease_now(&peer, None, Instant::now()).unwrap();
        used.settle();
        let next = ports.lease_now(&peer, None, Instant::now()).unwrap();
        drop(used);
        ports.deliver(address("192.0.2.1"), 6980, connection().await);
        drop(next);
        assert!(ports.lease_now(&peer, None, Instant::now()).is_none());
        assert!(
            ports
                .lease_now(&peer, None, Instant::now() + REST * 2)
                .is_some()
        );
    }

    #[tokio::test]
    async fn ports_take_turns() {
        let ports = ports(3);
        let peer = peer("192.0.2.1");
        let order: Vec<u16> = (0..6)
            .map(|_| {
                let mut lease = ports.lease_now(&peer, None, Instant::now()).unwrap();
                lease.settle();
                lease.port()
            })
            .collect();
        assert_eq!(order, [6980, 6981, 6982, 6980, 6981, 6982]);
    }

    #[tokio::test]
    async fn a_session_that_waits_gets_the_slot_that_becomes_free() {
        let ports = ports(1);
        let peer = peer("192.0.2.1");
        let mut held = ports.lease(peer.clone(), None).await.unwrap();
        let (waited, ()) = tokio::join!(ports.lease(peer.clone(), None), async { held.settle() });
        assert!(waited.is_some());
    }

    #[tokio::test]
    async fn a_connection_from_a_nat_pool_belongs_to_one_session_at_most() {
        let ports = ports(2);
        let now = Instant::now();
        let pool = networks(&["192.0.2.0/28", "198.51.100.7/32"]);
        let mut wide = ports.lease_now(&pool, None, now).unwrap();
        // Who could be taken for one of the pool gets another port; who could not may share this one.
        let mut inside = ports.lease_now(&peer("192.0.2.3"), None, now).unwrap();
        let _outside = ports.lease_now(&peer("203.0.113.9"), None, now).unwrap();
        assert_ne!(wide.port(), inside.port());
        for other in [
            &pool,
            &networks(&["192.0.2.0/24"]),
            &networks(&["192.0.2.3/32"]),
        ] {
            assert!(ports.lease_now(other, None, now).is_none(), "{other:?}");
        }
        for (from, port) in [
            ("192.0.2.3", wide.port()),
            ("198.51.100.7", wide.port()),
            ("192.0.2.3", inside.port()),
        ] {
            ports.deliver(address(from), port, connection().await);
        }
        ports.deliver(address("192.0.2.99"), wide.port(), connection().await);
        ports.deliver(address("192.0.2.4"), inside.port(), connection().await);
        let seen = |lease: &mut Lease| std::iter::from_fn(|| lease.arrived.try_recv().ok()).count();
        assert_eq!((seen(&mut wide), seen(&mut inside)), (2, 1));

        // A pool rests like anybody.
        drop(wide);
        inside.settle();
        assert!(ports.lease_now(&pool, None, now).is_some());
        assert!(ports.lease_now(&pool, None, Instant::now()).is_none());
        assert!(
            ports
                .lease_now(&pool, None, Instant::now() + REST * 2)
                .is_some()
        );
    }
}
