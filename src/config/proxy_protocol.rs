//! `[proxy_protocol]`: which listeners stand behind a TCP balancer, and which balancers are believed.

use std::net::SocketAddr;

use ipnet::IpNet;

use crate::config::document::Section;
use crate::config::login::parse_network;
use crate::config::server::parse_address;

/// Where connections begin with a PROXY header. Without the section: nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// As `[ftps]` and `[sftp]` write them.
    pub listeners: Vec<SocketAddr>,
    /// The balancers.
    pub from: Vec<IpNet>,
}

impl ProxyProtocol {
    /// `listening` is what `[ftps]` and `[sftp]` listen on.
    pub(super) fn read(section: &Section<'_>, listening: &[SocketAddr]) -> Self {
        let listeners = section.parsed_list("listeners", |text| {
            let address = parse_address(text)?;
            if listening.contains(&address) {
                Ok(address)
            } else {
                Err("no listener of [ftps] or [sftp] is written so: take one of explicit, implicit, listen or legacy")
            }
        });
        if section
            .texts("listeners")
            .is_none_or(|list| list.is_empty())
        {
            section.missing("listeners", "[\"0.0.0.0:21\"], as in [ftps] or [sftp]");
        }
        let from = section.parsed_list("from", |text| {
            let network = parse_network(text)?;
            if network.prefix_len() == 0 {
                return Err("everybody could claim to be anybody: name the balancers");
            }
            Ok(network)
        });
        if section.texts("from").is_none_or(|list| list.is_empty()) {
            section.missing("from", "[\"10.0.0.10/32\"], the addresses of the balancers");
        }
        Self {
            listeners: listeners.unwrap_or_default(),
            from: from.unwrap_or_default(),
        }
    }
}
