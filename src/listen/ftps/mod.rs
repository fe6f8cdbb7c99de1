//! FTPS, explicit and implicit: listeners and passive ports come in, sessions on the mailboxes of tenants come out. Nothing moves in clear but the
//! greeting and AUTH.
//!
//! A connection becomes a [`session::Session`], which reads lines ([`command`]) and writes replies ([`reply`]) on its [`control`] connection,
//! leases a port ([`passive`]), opens [`data`] connections on it and moves bytes ([`pump`]) for its transfers ([`transfer`]).

#![warn(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

mod access;
mod attend;
mod browse;
mod command;
mod control;
mod data;
mod files;
mod hash;
mod inline;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;
mod lines;
mod listing;
mod passive;
mod prompt;
mod pump;
mod records;
mod rendezvous;
mod reply;
mod session;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument as _;

use self::passive::PassivePorts;
use self::session::Opening;
use crate::listen::Protocol;
use crate::listen::accept::{Door, Entrance, Guest, Strain};
use crate::listen::front::{Front, FtpsFront};
use crate::listen::login::Logins;
use crate::listen::tls::SessionTag;
use crate::live::Live;
use crate::tasks::Tasks;

/// Connections the system keeps for us until we accept them.
const BACKLOG: i32 = 1024;
/// Passive ports when any free ones will do.
const FREE_PORTS: usize = 21;
/// After an accept error.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The bound listeners and passive ports.
#[derive(Debug)]
pub struct FtpsServer {
    house: House,
    listeners: Vec<Listener>,
    passive: Vec<Passive>,
    closed: CancellationToken,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    entrance: Entrance,
    ports: Arc<PassivePorts>,
}

#[derive(Debug)]
struct Passive {
    ports: Arc<PassivePorts>,
    sockets: Vec<(u16, TcpListener)>,
}

/// What all sessions share.
#[derive(Debug)]
struct House {
    logins: Arc<Logins>,
    front: Live<FtpsFront>,
    owners: data::Owners,
    /// Turns at hashing files for HASH.
    hashing: Arc<Semaphore>,
    /// Closes the passive ports when the last listener and the last session have gone.
    _open: DropGuard,
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {purpose}: {remedy}")]
pub struct BindError {
    pub address: SocketAddr,
    purpose: &'static str,
    remedy: &'static str,
    #[source]
    pub source: io::Error,
}

impl BindError {
    fn new(address: SocketAddr, purpose: &'static str, source: io::Error) -> Self {
        let remedy = match source.kind() {
            io::ErrorKind::AddrInUse => {
                "the port is in use; stop the other program or choose another port"
            }
            io::ErrorKind::PermissionDenied => {
                "not permitted; choose a port above 1023 or grant CAP_NET_BIND_SERVICE"
            }
            io::ErrorKind::AddrNotAvailable => "not an address of this machine",
            _ => "check the address in [ftps]",
        };
        Self {
            address,
            purpose,
            remedy,
            source,
        }
    }
}

impl FtpsServer {
    /// Binds everything that is in force now; none where there is no FTPS. Must be called within a runtime.
    pub fn bind(
        front: &Live<Front>,
        logins: Arc<Logins>,
        door: &Arc<Door>,
    ) -> Result<Option<Self>, BindError> {
        let Some(at_start) = front.now().ftps.clone() else {
            return Ok(None);
        };
        let config = &at_start.settings;
        let wanted: Vec<(Protocol, SocketAddr)> = [
            (Protocol::Ftpes, &config.explicit),
            (Protocol::Ftps, &config.implicit),
        ]
        .into_iter()
        .flat_map(|(protocol, addresses)| addresses.iter().map(move |a| (protocol, *a)))
        .collect();
        let addresses: Vec<IpAddr> = wanted.iter().map(|(_, address)| address.ip()).collect();

        let in_use = Arc::new(AtomicUsize::new(0));
        let homes: BTreeSet<IpAddr> = addresses
            .iter()
            .map(|address| passive_home(*address, &addresses))
            .collect();
        let mut passive = BTreeMap::new();
        for home in homes {
            let sockets = bind_passive(home, config.passive_ports, &addresses)?;
            let ports = sockets.iter().map(|(port, _)| *port).collect();
            let ports = PassivePorts::new(ports, Arc::clone(&in_use));
            passive.insert(home, Passive { ports, sockets });
        }
        let mut listeners = Vec::new();
        for (protocol, address) in wanted {
            let Some(home) = passive.get(&passive_home(address.ip(), &addresses)) else {
                continue;
            };
            let (socket, bound) = bind(address, "FTPS", &addresses)?;
            listeners.push(Listener {
                socket,
                address: bound,
                entrance: Entrance {
                    door: Arc::clone(door),
                    protocol,
                    listener: address,
                },
                ports: Arc::clone(&home.ports),
            });
        }
        let closed = CancellationToken::new();
        Ok(Some(Self {
            house: House {
                logins,
                front: front
                    .part(move |front| Arc::clone(front.ftps.as_ref().unwrap_or(&at_start))),
                owners: data::Owners::default(),
                hashing: hash::turns(),
                _open: closed.clone().drop_guard(),
            },
            listeners,
            passive: passive.into_values().collect(),
            closed,
        }))
    }

    /// The addresses listened on, with their real ports.
    pub fn listeners(&self) -> Vec<(Protocol, SocketAddr)> {
        self.listeners
            .iter()
            .map(|listener| (listener.entrance.protocol, listener.address))
            .collect()
    }

    /// Accepts connections until `sessions` drains. Sessions are tasks of the same group; the passive ports stay open until the last one has ended.
    pub fn serve(self, sessions: &Tasks) {
        let house = Arc::new(self.house);
        for Passive { ports, sockets } in self.passive {
            for (port, socket) in sockets {
                let serving =
                    Arc::clone(&ports).serve(socket, port, sessions.clone(), self.closed.clone());
                drop(sessions.spawn("passive port", serving));
            }
        }
        for listener in self.listeners {
            let accepting = accept(listener, Arc::clone(&house), sessions.clone());
            drop(sessions.spawn("ftps listener", accepting));
        }
    }
}

async fn accept(listener: Listener, house: Arc<House>, tasks: Tasks) {
    let draining = tasks.draining().clone();
    let mut strain = Strain::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = draining.cancelled() => return,
            accepted = listener.socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (house, ports) = (Arc::clone(&house), Arc::clone(&listener.ports));
                let (protocol, group) = (listener.entrance.protocol, tasks.clone());
                let begin = move |guest| open(protocol, house, ports, group, guest);
                listener.entrance.receive(stream, peer, &tasks, begin);
            }
            Err(error) => {
                strain.tell(listener.address, &error);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Begins the session of a guest.
fn open(
    protocol: Protocol,
    house: Arc<House>,
    ports: Arc<PassivePorts>,
    tasks: Tasks,
    guest: Guest,
) {
    let (peer, group) = (guest.peer, tasks.clone());
    let opening = Opening {
        house,
        ports,
        tasks,
        protocol,
        tag: SessionTag::mint(),
        guest,
    };
    let span = tracing::info_span!(
        "session",
        session.id = %opening.tag,
        protocol = protocol.as_str(),
        tenant.id = tracing::field::Empty,
        environment = tracing::field::Empty,
        login = tracing::field::Empty,
    );
    match opening.session() {
        Ok(session) => drop(group.spawn("ftps session", session.run().instrument(span))),
        Err(error) => tracing::debug!(%peer, %error, "a connection was gone at once"),
    }
}

/// Where the passive ports of a listener are bound: at its own address, or at the wildcard when another listener has that (both cannot be had).
fn passive_home(address: IpAddr, all: &[IpAddr]) -> IpAddr {
    let wildcard = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    if all.contains(&wildcard) {
        wildcard
    } else {
        address
    }
}

fn bind_passive(
    address: IpAddr,
    (first, last): (u16, u16),
    all: &[IpAddr],
) -> Result<Vec<(u16, TcpListener)>, BindError> {
    let wanted: Vec<u16> = if first == 0 {
        vec![0; FREE_PORTS]
    } else {
        (first..=last).collect()
    };
    wanted
        .into_iter()
        .map(|port| {
            let (socket, bound) = bind(SocketAddr::new(address, port), "passive data", all)?;
            Ok((bound.port(), socket))
        })
        .collect()
}

fn bind(
    address: SocketAddr,
    purpose: &'static str,
    all: &[IpAddr],
) -> Result<(TcpListener, SocketAddr), BindError> {
    use socket2::{Domain, Protocol, Socket, Type};
    let bind = || -> io::Result<(TcpListener, SocketAddr)> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        if address.is_ipv6() {
            // `[::]` takes IPv4 too, unless an IPv4 listener is there for it.
            socket.set_only_v6(all.iter().any(IpAddr::is_ipv4))?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    bind().map_err(|source| BindError::new(address, purpose, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passive_ports_are_bound_where_the_listeners_are() {
        let any: IpAddr = "0.0.0.0".parse().unwrap();
        let one: IpAddr = "127.0.0.1".parse().unwrap();
        let six: IpAddr = "::1".parse().unwrap();
        assert_eq!(passive_home(one, &[one, six]), one);
        assert_eq!(passive_home(one, &[any, one]), any);
        assert_eq!(passive_home(six, &[any, six]), six);
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_with_what_to_do() {
        let all = ["127.0.0.1".parse().unwrap()];
        let (_held, address) = bind("127.0.0.1:0".parse().unwrap(), "FTPS", &all).unwrap();
        let error = bind(address, "FTPS", &all).unwrap_err();
        assert!(error.to_string().contains(&address.to_string()));
        assert!(error.to_string().contains("in use"));
    }
}
