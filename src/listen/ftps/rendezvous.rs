//! How the next data connection comes about: the client is told a port of ours (PASV, EPSV), or tells us one of its own (PORT, EPRT).
//!
//! Active mode connects to the address that the commands come from and to no other, never below port 1024, and only for a transfer that has begun:
//! nobody can make this server talk to, or knock at, somebody else (RFC 2577 section 3).

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};

use super::command::{Endpoint, Family};
use super::data::NoData;
use super::passive::{Lease, Origin};
use super::reply;
use super::session::{Answer, Session, Stop, answer, refuse};
use crate::config::{AllowFrom, DataFrom};

/// The first port that is nobody's in particular.
const FREE_PORT: u16 = 1024;

/// What a session holds between the command about a port and the transfer.
#[derive(Debug)]
pub(super) enum Rendezvous {
    /// The client comes to a port of ours.
    Ours(Lease),
    /// We go to a port of the client's.
    Theirs(Call),
}

/// A connection that is to be made, once.
#[derive(Debug)]
pub(super) struct Call {
    from: IpAddr,
    to: Option<SocketAddr>,
}

impl Rendezvous {
    /// When a session that has sent no transfer command must give a port of ours back.
    pub(super) fn expires(&self) -> Option<Instant> {
        match self {
            Self::Ours(lease) => Some(lease.expires()),
            Self::Theirs(_) => None,
        }
    }

    /// The next connection that could be the one.
    pub(super) async fn connection(&mut self, deadline: Instant) -> Result<TcpStream, NoData> {
        match self {
            Self::Ours(lease) => match timeout_at(deadline, lease.connection()).await {
                Ok(Some(stream)) => Ok(stream),
                _ => Err(NoData::NeverCame),
            },
            Self::Theirs(call) => timeout_at(deadline, call.make())
                .await
                .unwrap_or_else(|late| Err(late.into()))
                .map_err(NoData::NotReached),
        }
    }

    /// The right connection has come.
    pub(super) fn settle(&mut self) {
        match self {
            Self::Ours(lease) => lease.settle(),
            Self::Theirs(_) => {}
        }
    }
}

impl Call {
    async fn make(&mut self) -> io::Result<TcpStream> {
        let to = self
            .to
            .take()
            .ok_or_else(|| io::Error::other("who answered there is of another session"))?;
        let socket = match to {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.bind(SocketAddr::new(self.from, 0))?;
        socket.connect(to).await
    }
}

impl Session {
    /// PASV, for IPv4. A second one closes the first.
    pub(super) async fn passive(&mut self) -> Answer {
        self.account()?;
        self.is_not_epsv_only()?;
        let Some(address) = self.announced() else {
            return refuse(425, "PASV is for IPv4: use EPSV");
        };
        let port = self.take_port().await?;
        Ok(Some(reply::entering_passive(address.octets(), port)))
    }

    /// EPSV (RFC 2428).
    pub(super) async fn extended_passive(&mut self, family: Family) -> Answer {
        self.account()?;
        self.speaks(family)?;
        let port = self.take_port().await?;
        Ok(Some(reply::entering_extended_passive(port)))
    }

    /// PORT and EPRT (RFC 2428): notes where to connect to.
    pub(super) fn active(&mut self, wanted: Endpoint) -> Answer {
        self.account()?;
        if !self.front.settings.active_mode {
            return refuse(
                502,
                "Active mode is off on this server: use passive mode (EPSV or PASV)",
            );
        }
        self.is_not_epsv_only()?;
        let to = match wanted {
            Endpoint::At(to) => to,
            Endpoint::OtherFamily => return self.other_family(),
        };
        self.speaks(match to {
            SocketAddr::V4(_) => Family::V4,
            SocketAddr::V6(_) => Family::V6,
        })?;
        if to.ip() != self.peer {
            tracing::info!(
                peer = %self.peer,
                "active mode to another address than the client's own was refused: a client behind NAT must use passive mode"
            );
            return refuse(
                504,
                "Only the address your commands come from is connected to: use passive mode (EPSV or PASV)",
            );
        }
        if to.port() < FREE_PORT {
            tracing::info!(peer = %self.peer, "active mode to a port below 1024 was refused");
            return refuse(504, "Only ports from 1024 on are connected to");
        }
        self.rendezvous = Some(Rendezvous::Theirs(Call {
            from: self.local,
            to: Some(to),
        }));
        answer(200, "The next transfer connects there")
    }

    fn is_not_epsv_only(&self) -> Result<(), Stop> {
        if self.only_epsv {
            return refuse(503, "EPSV ALL was sent: use EPSV");
        }
        Ok(())
    }

    /// Whether this is the family that the control connection uses.
    fn speaks(&self, family: Family) -> Result<(), Stop> {
        match (family, self.local) {
            (Family::V4, IpAddr::V6(_)) | (Family::V6, IpAddr::V4(_)) | (Family::Other, _) => {
                self.other_family()
            }
            _ => Ok(()),
        }
    }

    fn other_family<T>(&self) -> Result<T, Stop> {
        match self.local {
            IpAddr::V4(_) => refuse(522, "Not that network protocol, use (1)"),
            IpAddr::V6(_) => refuse(522, "Not that network protocol, use (2)"),
        }
    }

    async fn take_port(&mut self) -> Result<u16, Stop> {
        self.rendezvous = None;
        let origin = self.data_origin()?;
        let Some(lease) = self.ports.lease(origin, self.via).await else {
            return refuse(425, "No passive port is free: try again later");
        };
        let port = lease.port();
        self.rendezvous = Some(Rendezvous::Ours(lease));
        Ok(port)
    }

    /// Where the data connection to a port of ours may come from.
    fn data_origin(&self) -> Result<Origin, Stop> {
        let account = self.account()?;
        let tenant = account.mailbox.config();
        let login = tenant.logins.iter().find(|it| it.user == account.user);
        Ok(match login.map(|it| (it.data_from, &it.allow_from)) {
            Some((DataFrom::AllowFrom, AllowFrom::Networks(networks))) => {
                Origin::Networks(networks.clone())
            }
            _ => Origin::Peer(self.peer),
        })
    }

    /// The address for PASV: as configured for this peer's network, or as configured for all, or the one the client has reached us at.
    fn announced(&self) -> Option<Ipv4Addr> {
        let settings = &self.front.settings;
        let own = settings
            .passive_overrides
            .iter()
            .find_map(|(network, address)| network.contains(&self.peer).then_some(*address));
        own.or(settings.passive_address).or(match self.local {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_is_made_once() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut call = Call {
            from: "127.0.0.1".parse().unwrap(),
            to: Some(listener.local_addr().unwrap()),
        };
        let made = call.make().await.unwrap();
        let (taken, _) = listener.accept().await.unwrap();
        assert_eq!(made.local_addr().unwrap(), taken.peer_addr().unwrap());
        call.make().await.unwrap_err();
    }
}
