//! SFTP: russh speaks SSH below, the SFTP packets above are ours.
//!
//! `connection` keeps a connection's deadlines, `session` answers what russh reports, `channel` carries out SFTP requests in the
//! mailbox, `reads` sends what downloads ask for; `packet` and `reply` are the bytes of requests and answers. An upload is finished
//! by `SSH_FXP_CLOSE` on its handle and by nothing else: a connection, channel or session that ends before it drops the upload.

mod channel;
mod connection;
mod handles;
mod host_key;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;
mod packet;
mod pulse;
mod reads;
mod reply;
mod session;
mod settings;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};

pub use self::host_key::HostKeyError;
pub use self::settings::{Algorithms, SshIdentity};
use crate::listen::Protocol;
use crate::listen::accept::{Door, Entrance, Strain};
use crate::listen::front::{Front, SftpFront};
use crate::listen::login::Logins;
use crate::live::Live;
use crate::tasks::Tasks;

/// Connections that wait to be accepted: a night's senders often come in the same second.
const BACKLOG: u32 = 1024;
/// After an accept that failed, mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// SFTP listeners that are bound and not yet served.
#[derive(Debug)]
pub struct SftpServer {
    listeners: Vec<Listening>,
    front: Live<SftpFront>,
    logins: Arc<Logins>,
    door: Arc<Door>,
}

/// One of the listeners.
#[derive(Debug)]
struct Listening {
    listener: TcpListener,
    /// As it is configured.
    wanted: SocketAddr,
    address: SocketAddr,
    algorithms: Algorithms,
}

/// Why SFTP cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "cannot listen on {address} for SFTP, the port is in use: stop the other program or change {key}"
    )]
    InUse {
        key: &'static str,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error(
        "cannot listen on {address} for SFTP, not permitted: take a port from 1024 on in {key}, or grant CAP_NET_BIND_SERVICE"
    )]
    NotPermitted {
        key: &'static str,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("cannot listen on {address} for SFTP: take an address of this machine in {key}")]
    Address {
        key: &'static str,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

/// What all sessions share.
struct Shared {
    front: Live<SftpFront>,
    logins: Arc<Logins>,
    tasks: Tasks,
}

impl SftpServer {
    /// Binds every address that is in force now; none where there is no SFTP.
    pub fn bind(
        front: &Live<Front>,
        logins: Arc<Logins>,
        door: Arc<Door>,
    ) -> Result<Option<Self>, BindError> {
        let now = front.now();
        let (Some(config), Some(at_start)) = (&now.config.sftp, now.sftp.clone()) else {
            return Ok(None);
        };
        let current = config.listen.iter().map(|it| (*it, Algorithms::Current));
        let outdated = config.legacy.iter().map(|it| (*it, Algorithms::Outdated));
        let listeners = current
            .chain(outdated)
            .map(|(address, algorithms)| listen(address, algorithms))
            .collect::<Result<_, _>>()?;
        Ok(Some(Self {
            listeners,
            front: front.part(move |front| Arc::clone(front.sftp.as_ref().unwrap_or(&at_start))),
            logins,
            door,
        }))
    }

    /// Where it listens; with port 0 in the configuration, the port it got.
    pub fn listeners(&self) -> Vec<(Algorithms, SocketAddr)> {
        let listeners = self.listeners.iter();
        listeners.map(|it| (it.algorithms, it.address)).collect()
    }

    /// Accepts connections in `sessions` until it drains. Then sessions end as soon as they have no file open.
    pub fn serve(self, sessions: &Tasks) {
        let shared = Arc::new(Shared {
            front: self.front,
            logins: self.logins,
            tasks: sessions.clone(),
        });
        for listening in self.listeners {
            let shared = Arc::clone(&shared);
            let door = Arc::clone(&self.door);
            drop(sessions.spawn("sftp listener", accept(listening, shared, door)));
        }
    }
}

fn listen(address: SocketAddr, algorithms: Algorithms) -> Result<Listening, BindError> {
    let bind = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        Ok(Listening {
            wanted: address,
            address: listener.local_addr()?,
            listener,
            algorithms,
        })
    };
    let key = algorithms.key();
    bind().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse {
            key,
            address,
            source,
        },
        io::ErrorKind::PermissionDenied => BindError::NotPermitted {
            key,
            address,
            source,
        },
        _ => BindError::Address {
            key,
            address,
            source,
        },
    })
}

/// Ends when the tasks drain and not before.
async fn accept(listening: Listening, shared: Arc<Shared>, door: Arc<Door>) {
    let Listening {
        listener,
        wanted,
        address,
        algorithms,
    } = listening;
    let entrance = Entrance {
        door,
        protocol: Protocol::Sftp,
        listener: wanted,
    };
    let draining = shared.tasks.draining().clone();
    let mut strain = Strain::default();
    loop {
        let accepted = tokio::select! {
            () = draining.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let serving = Arc::clone(&shared);
                let begin = move |guest| {
                    let tasks = serving.tasks.clone();
                    let served = connection::serve(serving, guest, algorithms);
                    drop(tasks.spawn("sftp session", served));
                };
                entrance.receive(stream, peer, &shared.tasks, begin);
            }
            Err(error) => {
                strain.tell(address, &error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
