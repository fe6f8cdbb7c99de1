//! Data connections: how one is opened, its TLS handshake, and whether it belongs to this session and no other.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::prompt::Prompt;
use super::pump::hear_out;
use super::rendezvous::Rendezvous;
use super::reply::Reply;
use crate::config::SessionReuse;
use crate::listen::tls::{Direction, Need, Newest, SessionTag, TlsIdentity};
use crate::tasks::Tasks;
use crate::telemetry;

/// rustls reads 4 KB at a time; below it the system is asked for this much.
const READ_BUFFER_BYTES: usize = 128 * 1024;
/// What rustls seals before it has to be sent.
const WRITE_BUFFER_BYTES: usize = 256 * 1024;
/// How long a closed data connection is kept for what the peer still sends: closing with unread bytes sends RST, and the peer loses what it has not read.
const LINGER: Duration = Duration::from_secs(5);
/// Sessions whose login is remembered, the ended ones too: as long as a ticket lives there is hardly room for more.
const REMEMBERED: usize = 16_384;

/// A data connection after its handshake.
pub(super) type DataStream = TlsStream<BufReader<Prompt>>;

/// Why there is no data connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoData {
    #[error("no data connection came")]
    NeverCame,
    #[error("the address of PORT could not be connected to")]
    NotReached(#[source] io::Error),
    #[error("the TLS handshake of the data connection failed")]
    Handshake(#[source] io::Error),
    #[error("the data connection did not resume the TLS session")]
    NotResumed,
}

impl From<&NoData> for Reply {
    fn from(reason: &NoData) -> Self {
        match reason {
            NoData::NeverCame => Self::new(425, "No data connection came to the announced port"),
            NoData::NotReached(_) => Self::new(
                425,
                "The address that you have sent could not be connected to",
            ),
            NoData::Handshake(_) => {
                Self::new(425, "The TLS handshake on the data connection failed")
            }
            NoData::NotResumed => Self::new(
                522,
                "The data connection must resume the TLS session of the control connection",
            ),
        }
    }
}

/// Whose sessions the tags in tickets are.
///
/// Senders with one ticket cache for several sessions of one login show another session's tag in good faith; a connection
/// with the tag of a different login has strayed (a payroll bureau sends for many tenants from one address) and must not be taken.
/// A session that never logged in was never told a port, so its tag is the first case: curl -Z shows it while other logins are being checked.
#[derive(Debug, Default)]
pub(super) struct Owners(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    logins: HashMap<SessionTag, String>,
    order: VecDeque<SessionTag>,
    /// Logins whose sender has closed an upload with our ticket unread, so that the end was lost.
    unread: HashSet<String>,
}

impl Owners {
    /// Remembers that a session has logged in.
    pub(super) fn remember(&self, tag: SessionTag, login: String) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.logins.insert(tag, login).is_none() {
            remembered.order.push_back(tag);
        }
        if remembered.order.len() > REMEMBERED
            && let Some(oldest) = remembered.order.pop_front()
        {
            remembered.logins.remove(&oldest);
        }
    }

    /// Remembers that the sender of a session does not read the tickets that its uploads are given: it gets none any more.
    pub(super) fn note_unread(&self, tag: SessionTag) {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(login) = remembered.logins.get(&tag).cloned()
            && remembered.unread.insert(login)
        {
            tracing::info!(
                "the sender has cut an upload that was given a TLS ticket: from now on its uploads are given none"
            );
        }
    }

    fn is_unread(&self, tag: SessionTag) -> bool {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let login = remembered.logins.get(&tag);
        login.is_some_and(|login| remembered.unread.contains(login))
    }

    /// Whether both have logged in, as different ones.
    fn differ(&self, one: SessionTag, other: SessionTag) -> bool {
        let remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (remembered.logins.get(&one), remembered.logins.get(&other)) {
            (Some(one), Some(other)) => one != other,
            _ => false,
        }
    }

    /// What to do with a data connection of session `ours` that has resumed the session `resumed`.
    fn judge(&self, reuse: SessionReuse, ours: SessionTag, resumed: Option<SessionTag>) -> Verdict {
        match (reuse, resumed) {
            (SessionReuse::Off, _) | (SessionReuse::Prefer, None) => Verdict::Take,
            (_, Some(tag)) if tag == ours => Verdict::Take,
            (SessionReuse::Prefer, Some(tag)) if !self.differ(tag, ours) => Verdict::Take,
            (_, Some(_)) => Verdict::Strayed,
            (SessionReuse::Require, None) => Verdict::NotResumed,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Take,
    /// Another session's: close it and wait on.
    Strayed,
    NotResumed,
}

/// What a session knows about the data connections it will take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) tls: &'a TlsIdentity,
    pub(super) owners: &'a Owners,
    pub(super) reuse: SessionReuse,
    pub(super) tag: SessionTag,
    pub(super) newest: &'a Arc<Newest>,
    /// For the connection to come, and again for its handshake.
    pub(super) limit: Duration,
}

impl Expected<'_> {
    /// Waits for the connection, or makes it, and does the handshake: the server in it is us either way (RFC 4217 section 7). A port of ours stays taken until
    /// the right connection has come.
    pub(super) async fn open(
        &self,
        rendezvous: &mut Rendezvous,
        direction: Direction,
    ) -> Result<DataStream, NoData> {
        let deadline = tokio::time::Instant::now() + self.limit;
        loop {
            let stream = rendezvous.connection(deadline).await?;
            let (stream, resumed) = timeout(self.limit, self.shake_hands(stream, direction))
                .await
                .map_err(|late| NoData::Handshake(late.into()))?
                .map_err(NoData::Handshake)?;
            match self.owners.judge(self.reuse, self.tag, resumed) {
                Verdict::Take => {
                    rendezvous.settle();
                    return Ok(stream);
                }
                Verdict::Strayed => {
                    tracing::warn!("closed a data connection that belongs to another session");
                }
                Verdict::NotResumed => {
                    match direction {
                        Direction::Up => hear_out(stream).await,
                        // Its client waits for us.
                        Direction::Down => part_at_once(stream).await,
                    }
                    return Err(NoData::NotResumed);
                }
            }
        }
    }

    async fn shake_hands(
        &self,
        stream: TcpStream,
        direction: Direction,
    ) -> io::Result<(DataStream, Option<SessionTag>)> {
        stream.set_nodelay(true)?;
        let need = match self.reuse {
            SessionReuse::Require if !self.owners.is_unread(self.tag) => {
                Need::ToBeTaken(self.newest)
            }
            _ => Need::Nothing,
        };
        let (config, witness) = self.tls.data(direction, self.tag, need);
        let stream = TlsAcceptor::from(config)
            .accept_with(
                BufReader::with_capacity(READ_BUFFER_BYTES, Prompt::new(stream)),
                |connection| {
                    self.tag.mark(connection);
                    connection.set_buffer_limit(Some(WRITE_BUFFER_BYTES));
                },
            )
            .await?;
        let resumed = witness.resumed(stream.get_ref().1);
        telemetry::count_data_handshake(resumed.is_some());
        Ok((stream, resumed))
    }
}

/// Ends a connection on which nothing is to come from either side.
async fn part_at_once(mut stream: DataStream) {
    if !matches!(timeout(LINGER, stream.shutdown()).await, Ok(Ok(()))) {
        tracing::debug!("a refused peer did not wait for the end of its data connection");
    }
}

/// Takes leave of a connection on which our `close_notify` was sent: it stays until the peer has closed too, or long enough.
pub(super) fn part(stream: DataStream, tasks: &Tasks) {
    let mut stream = stream.into_inner().0.into_inner().into_inner();
    let mut unread = [0; 4096];
    if matches!(stream.try_read(&mut unread), Ok(0)) {
        return;
    }
    drop(tasks.spawn("parting", async move {
        let parting = async { while !matches!(stream.read(&mut unread).await, Ok(0) | Err(_)) {} };
        if timeout(LINGER, parting).await.is_err() {
            tracing::debug!("a peer kept its data connection open");
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_of_another_login_is_never_taken() {
        let owners = Owners::default();
        let [ours, twin, other, early] = std::array::from_fn(|_| SessionTag::mint());
        owners.remember(ours, "acme/production/hr".to_owned());
        owners.remember(twin, "acme/production/hr".to_owned());
        owners.remember(other, "globex/production/hr".to_owned());
        let judge = |reuse, resumed| owners.judge(reuse, ours, resumed);

        for reuse in [SessionReuse::Prefer, SessionReuse::Require] {
            assert_eq!(judge(reuse, Some(ours)), Verdict::Take);
            assert_eq!(judge(reuse, Some(other)), Verdict::Strayed);
        }
        assert_eq!(judge(SessionReuse::Prefer, Some(twin)), Verdict::Take);
        assert_eq!(judge(SessionReuse::Prefer, Some(early)), Verdict::Take);
        assert_eq!(judge(SessionReuse::Require, Some(twin)), Verdict::Strayed);
        assert_eq!(judge(SessionReuse::Require, Some(early)), Verdict::Strayed);
        assert_eq!(judge(SessionReuse::Prefer, None), Verdict::Take);
        assert_eq!(judge(SessionReuse::Require, None), Verdict::NotResumed);
        assert_eq!(judge(SessionReuse::Off, Some(other)), Verdict::Take);
    }

    #[test]
    fn what_is_remembered_of_sessions_is_bounded() {
        let owners = Owners::default();
        for _ in 0..REMEMBERED + 10 {
            owners.remember(SessionTag::mint(), "acme/production/hr".to_owned());
        }
        assert_eq!(owners.0.lock().unwrap().logins.len(), REMEMBERED);
    }
}
