//! One SSH connection as russh tells it: who logs in, which channels open, and what comes on them. Everything but the SFTP subsystem is refused.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::PublicKey;
use russh::server::{
    Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey,
};
use russh::{ChannelId, ChannelOpenFailure, Pty};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{Instrument as _, Span};

use super::channel::Channel;
use super::pulse::Pulse;
use super::{Algorithms, Shared, reads, settings};
use crate::failpoint::{self, Point};
use crate::listen::Protocol;
use crate::listen::login::{Account, Attempt, RefusedKey};
use crate::secret::Secret;
use crate::telemetry::SessionGauge;

/// Channels of one connection at a time.
const CHANNELS_LIMIT: usize = 4;
/// Answers that wait for a client that asks on but does not read.
const UNREAD_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// What `ssh` and `scp -O` show.
const SFTP_ONLY: &str = "This server takes files over SFTP only: use sftp, or scp without -O. There is no shell here.\r\n";

/// Why a session ends that the client did not end.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Ssh(#[from] russh::Error),
    #[error("the client asks on without reading the answers")]
    Unread,
}

/// See the module.
pub(super) struct Client {
    shared: Arc<Shared>,
    /// How long a reader may stand still.
    stall: Duration,
    peer: IpAddr,
    algorithms: Algorithms,
    pulse: Arc<Pulse>,
    span: Span,
    login: Option<Login>,
    /// What the log was told of this client already.
    told: Vec<Oddity>,
    /// The last key that was not taken, with the name it was offered for.
    refused_offer: Option<(String, Offer)>,
    channels: HashMap<ChannelId, Subsystem>,
}

/// Who is logged in.
struct Login {
    account: Arc<Account>,
    _gauge: SessionGauge,
}

/// A key that a client offered.
enum Offer {
    Outdated,
    Unknown(Vec<u8>),
}

/// What a client asks for that is not to be had here. Told once: a client may ask a thousand times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Oddity {
    #[error("the client wants a shell or a program, as scp -O does: it has to use SFTP")]
    Program,
    #[error("the client wants to forward connections, a display or an agent")]
    Forwarding,
    #[error("the client wants more than {CHANNELS_LIMIT} channels at once")]
    ManyChannels,
}

/// What runs on a channel.
enum Subsystem {
    /// Nothing yet.
    None,
    Sftp(Box<Sftp>),
}

struct Sftp {
    channel: Channel,
    unread_bytes: usize,
    /// Ends the queue of reads with the channel.
    _reads: DropGuard,
}

impl Client {
    /// A stranger from `peer`. What happens is logged in `span`.
    pub(super) fn new(
        shared: Arc<Shared>,
        stall: Duration,
        peer: IpAddr,
        algorithms: Algorithms,
        pulse: Arc<Pulse>,
        span: Span,
    ) -> Self {
        Self {
            shared,
            stall,
            peer,
            algorithms,
            pulse,
            span,
            login: None,
            told: Vec::new(),
            refused_offer: None,
            channels: HashMap::new(),
        }
    }

    fn attempt<'a>(&self, name: &'a str) -> Attempt<'a> {
        Attempt::new(Protocol::Sftp, self.peer, name)
    }

    fn admit(&mut self, account: Option<Account>) -> Auth {
        let Some(account) = account else {
            return self.refuse();
        };
        account.record(&self.span);
        self.login = Some(Login {
            account: Arc::new(account),
            _gauge: SessionGauge::open(Protocol::Sftp),
        });
        Auth::Accept
    }

    /// Starts SFTP on a channel with nothing on it. The answers to its reads have a task of their own.
    fn start(&mut self, channel: ChannelId, session: &Session) -> bool {
        let (Some(login), Some(subsystem @ Subsystem::None)) =
            (&self.login, self.channels.get_mut(&channel))
        else {
            return false;
        };
        let (queue, jobs) = mpsc::channel(reads::QUEUE_LIMIT);
        let closed = CancellationToken::new();
        let _entered = self.span.enter();
        drop(self.shared.tasks.spawn(
            "sftp reads",
            reads::answer(
                jobs,
                session.handle(),
                channel,
                closed.clone(),
                Arc::clone(&self.pulse),
                self.stall,
            ),
        ));
        *subsystem = Subsystem::Sftp(Box::new(Sftp {
            channel: Channel::new(Arc::clone(&login.account), Arc::clone(&self.pulse), queue),
            unread_bytes: 0,
            _reads: closed.drop_guard(),
        }));
        true
    }

    /// Ends a channel from our side.
    fn end(
        &mut self,
        channel: ChannelId,
        exit_status: u32,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        self.channels.remove(&channel);
        session.exit_status_request(channel, exit_status)?;
        session.eof(channel)?;
        session.close(channel)?;
        Ok(())
    }

    fn tell_once(&mut self, oddity: Oddity) {
        if !self.told.contains(&oddity) {
            self.told.push(oddity);
            let peer = self.peer;
            let _entered = self.span.enter();
            tracing::info!(%peer, "not to be had here: {oddity}");
        }
    }

    /// A key or password was not taken.
    fn refuse(&self) -> Auth {
        self.pulse.refuse();
        refused()
    }

    fn refuse_key(&mut self, user: &str, offer: Offer) -> Auth {
        self.refused_offer = Some((user.to_owned(), offer));
        self.refuse()
    }

    /// Tells someone who wants a program what this server is.
    fn refuse_program(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        self.tell_once(Oddity::Program);
        match self.channels.get(&channel) {
            Some(Subsystem::None) => {
                session.channel_success(channel)?;
                session.extended_data(channel, 1, SFTP_ONLY)?;
                self.end(channel, 1, session)
            }
            _ => Ok(session.channel_failure(channel)?),
        }
    }
}

impl Drop for Client {
    /// A client whose keys were all refused goes away without another word. The admin must hear of it all the same, once.
    fn drop(&mut self) {
        let Some((name, offer)) = self.refused_offer.take() else {
            return;
        };
        if self.login.is_some() {
            return;
        }
        let key = match &offer {
            Offer::Outdated => RefusedKey::Outdated,
            Offer::Unknown(blob) => RefusedKey::Unknown(blob),
        };
        let _entered = self.span.enter();
        self.shared
            .logins
            .note_refused_key(self.attempt(&name), key);
    }
}

/// russh forgets a refused method unless it is offered again.
fn refused() -> Auth {
    Auth::Reject {
        proceed_with_methods: Some(settings::methods()),
        partial_success: false,
    }
}

/// RFC 4256: one prompt, whose answer is not shown. Programs that type passwords look for the word.
fn ask_for_password() -> Auth {
    Auth::Partial {
        name: Cow::Borrowed(""),
        instructions: Cow::Borrowed(""),
        prompts: Cow::Borrowed(&[(Cow::Borrowed("Password: "), false)]),
    }
}

/// The answer to the one prompt. Any other number of answers is the empty password, which no login has.
fn only_answer(mut responses: Response<'_>) -> String {
    match (responses.next(), responses.next()) {
        (Some(answer), None) => String::from_utf8(answer.into()).unwrap_or_default(),
        _ => String::new(),
    }
}

fn blob(key: &PublicKey) -> Option<Vec<u8>> {
    key.to_bytes().ok()
}

impl Handler for Client {
    type Error = SessionError;

    async fn auth_none(&mut self, _user: &str) -> Result<Auth, SessionError> {
        Ok(refused())
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, SessionError> {
        let password = Secret::new(password.to_owned());
        let checked = self
            .shared
            .logins
            .check_password(self.attempt(user), &password)
            .instrument(self.span.clone())
            .await;
        Ok(self.admit(checked))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, SessionError> {
        let Some(responses) = response else {
            return Ok(ask_for_password());
        };
        let password = only_answer(responses);
        self.auth_password(user, &password).await
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, SessionError> {
        let offer = if self.algorithms.trust(offer.algorithm) {
            Offer::Unknown(blob(offer.public_key).unwrap_or_default())
        } else {
            Offer::Outdated
        };
        if let Offer::Unknown(key) = &offer
            && self.shared.logins.knows_key(self.attempt(user), key)
        {
            return Ok(Auth::Accept);
        }
        Ok(self.refuse_key(user, offer))
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, SessionError> {
        if !self.algorithms.trust(key.algorithm) {
            return Ok(self.refuse_key(user, Offer::Outdated));
        }
        let Some(key) = blob(key.public_key) else {
            return Ok(self.refuse());
        };
        let checked = self
            .shared
            .logins
            .check_key(self.attempt(user), &key)
            .instrument(self.span.clone())
            .await;
        Ok(self.admit(checked))
    }

    async fn auth_succeeded(&mut self, _session: &mut Session) -> Result<(), SessionError> {
        if let Some(login) = &self.login {
            self.pulse.log_in(Arc::clone(&login.account));
        }
        self.span.in_scope(|| tracing::debug!("session begins"));
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: russh::Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), SessionError> {
        if self.login.is_none() || self.channels.len() >= CHANNELS_LIMIT {
            self.tell_once(Oddity::ManyChannels);
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        // The object is dropped: its bytes come to `data`, not through its queue.
        self.channels.insert(channel.id(), Subsystem::None);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        if name == "sftp" && self.start(channel, session) {
            session.channel_success(channel)?;
        } else {
            session.channel_failure(channel)?;
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _command: &[u8],
        session: &mut Session,
    ) -> Result<(), SessionError> {
        self.refuse_program(channel, session)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        self.refuse_program(channel, session)
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        _channel: russh::Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), SessionError> {
        self.tell_once(Oddity::Forwarding);
        reply
            .reject(ChannelOpenFailure::AdministrativelyProhibited)
            .await;
        Ok(())
    }

    async fn tcpip_forward(
        &mut self,
        _address: &str,
        _port: &mut u32,
        _session: &mut Session,
    ) -> Result<bool, SessionError> {
        self.tell_once(Oddity::Forwarding);
        Ok(false)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), SessionError> {
        Ok(session.channel_failure(channel)?)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        Ok(session.channel_failure(channel)?)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single_connection: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        Ok(session.channel_failure(channel)?)
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), SessionError> {
        let ended = |login: &Login| login.account.has_ended();
        if self.login.as_ref().is_some_and(ended) {
            // The client is being told. What it has open is cut, and what it still sends counts for nothing.
            self.channels.clear();
        }
        let Some(Subsystem::Sftp(sftp)) = self.channels.get_mut(&channel) else {
            return Ok(());
        };
        let _working = self.pulse.work();
        let received = sftp.channel.receive(data);
        match received.instrument(self.span.clone()).await {
            Ok(replies) if replies.is_empty() => Ok(()),
            Ok(replies) => {
                let replies = replies.into_bytes();
                if session.has_pending_data(channel) {
                    sftp.unread_bytes += replies.len();
                } else {
                    sftp.unread_bytes = 0;
                }
                if sftp.unread_bytes > UNREAD_LIMIT_BYTES {
                    return Err(SessionError::Unread);
                }
                Ok(session.data(channel, replies)?)
            }
            Err(broken) => {
                self.span
                    .in_scope(|| tracing::info!("an SFTP channel is ended: {broken}"));
                self.end(channel, 1, session)
            }
        }
    }

    /// The client has nothing more to say: what it has open is cut.
    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        if self.channels.contains_key(&channel) {
            // A client that says no more has heard the answer to its CLOSE.
            failpoint::pass_async(Point::SftpReplied)
                .await
                .map_err(russh::Error::IO)?;
            self.end(channel, 0, session)?;
        }
        Ok(())
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _session: &mut Session,
    ) -> Result<(), SessionError> {
        self.channels.remove(&channel);
        Ok(())
    }
}
