//! How the next data connection comes about: the client is told a port of ours (PASV, EPSV).

use std::net::{IpAddr, Ipv4Addr};

use super::command::Family;
use super::reply;
use super::session::{Answer, Session, Stop, refuse};

impl Session {
    /// PASV, for IPv4. A second one closes the first.
    pub(super) async fn passive(&mut self) -> Answer {
        self.account()?;
        if self.only_epsv {
            return refuse(503, "EPSV ALL was sent: use EPSV");
        }
        let Some(address) = self.announced() else {
            return refuse(425, "PASV is for IPv4: use EPSV");
        };
        let port = self.take_port().await?;
        Ok(Some(reply::entering_passive(address.octets(), port)))
    }

    /// EPSV (RFC 2428).
    pub(super) async fn extended_passive(&mut self, family: Family) -> Answer {
        self.account()?;
        match (family, self.local) {
            (Family::V4, IpAddr::V6(_)) => {
                return refuse(522, "Not that network protocol, use (2)");
            }
            (Family::V6, IpAddr::V4(_)) => {
                return refuse(522, "Not that network protocol, use (1)");
            }
            _ => {}
        }
        let port = self.take_port().await?;
        Ok(Some(reply::entering_extended_passive(port)))
    }

    async fn take_port(&mut self) -> Result<u16, Stop> {
        self.lease = None;
        let Some(lease) = self.ports.lease(self.peer).await else {
            return refuse(425, "No passive port is free: try again later");
        };
        let port = lease.port();
        self.lease = Some(lease);
        Ok(port)
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
