//! A session: one control connection from greeting to goodbye. Commands come in one by one and each gets its reply; what a command does
//! is in `access.rs` (TLS and login), `files.rs` (names) and `transfer.rs` (bytes).

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::House;
use super::command::{Command, Endpoint, Fault, Type};
use super::control::Control;
use super::inline::Inline;
use super::lines::Line;
use super::listing::Facts;
use super::passive::PassivePorts;
use super::rendezvous::Rendezvous;
use super::reply::{self, Reply};
use crate::failpoint::{self, Point};
use crate::listen::Protocol;
use crate::listen::accept::{Guest, Pass};
use crate::listen::front::FtpsFront;
use crate::listen::login::Account;
use crate::listen::score::Offence;
use crate::listen::tls::{Newest, SessionTag, complaint};
use crate::mailbox::{MailboxError, MailboxPath};
use crate::tasks::Tasks;
use crate::telemetry::{SessionGauge, chain};

/// To a client whose login a reload has taken away.
pub(super) const LOGIN_CHANGED: &str =
    "Your login was changed or removed on the server: log in again";
/// To a client that has not logged in when there are too many of them.
pub(super) const NO_ROOM: &str = "Too many connections: try again later";
/// Unknown commands in a row before goodbye: a browser or a scanner.
const UNKNOWN_LIMIT: u32 = 10;

/// One client on one control connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) house: Arc<House>,
    /// What was in force when the connection came, and again when its handshake began; that stays, so that data connections show the same certificate.
    pub(super) front: Arc<FtpsFront>,
    pub(super) ports: Arc<PassivePorts>,
    pub(super) tasks: Tasks,
    pub(super) protocol: Protocol,
    pub(super) tag: SessionTag,
    /// Shown by its data connections.
    pub(super) newest_ticket: Arc<Newest>,
    pub(super) peer: IpAddr,
    /// The balancer that the client comes through.
    pub(super) via: Option<IpAddr>,
    /// Where the client has reached us.
    pub(super) local: IpAddr,
    pub(super) control: Control,
    /// Until then a login must have succeeded.
    pub(super) login_deadline: Instant,
    /// PROT P is in force.
    pub(super) data_protected: bool,
    /// From USER, for PASS.
    pub(super) user: Option<String>,
    pub(super) failed_logins: u32,
    pub(super) member: Option<Member>,
    pub(super) folder: MailboxPath,
    pub(super) rename_from: Option<MailboxPath>,
    pub(super) data_type: Type,
    pub(super) next: NextTransfer,
    pub(super) rendezvous: Option<Rendezvous>,
    /// After EPSV ALL.
    pub(super) only_epsv: bool,
    pub(super) facts: Facts,
    unknown: u32,
    /// A command that came during a transfer, to be done after it.
    pub(super) deferred: Option<Line>,
    pub(super) pass: Pass,
}

/// A client that has logged in.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) account: Account,
    _gauge: SessionGauge,
}

impl Member {
    pub(super) fn new(account: Account, protocol: Protocol) -> Self {
        Self {
            account,
            _gauge: SessionGauge::open(protocol),
        }
    }
}

/// Waits until a reload ends the session; forever before it has logged in.
pub(super) async fn ended(member: Option<&Member>) {
    match member {
        Some(member) => member.account.ended().await,
        None => std::future::pending().await,
    }
}

/// What REST and ALLO said about the next transfer; it counts for that one only.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NextTransfer {
    pub(super) offset: u64,
    pub(super) announced: Option<u64>,
}

/// The reply to a command; none when it was sent already.
pub(super) type Answer = Result<Option<Reply>, Stop>;

/// Why a command did not come to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The session goes on.
    Refused(Reply),
    /// This is the last reply.
    Leave(Reply),
    /// Nobody is there to reply to.
    Gone(io::Error),
}

impl From<Reply> for Stop {
    fn from(reply: Reply) -> Self {
        Self::Refused(reply)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

impl From<MailboxError> for Stop {
    fn from(error: MailboxError) -> Self {
        Self::Refused(refusal(&error))
    }
}

/// One line that is a whole answer.
#[expect(clippy::unnecessary_wraps, reason = "every command returns an answer")]
pub(super) fn answer(code: u16, text: impl Into<std::borrow::Cow<'static, str>>) -> Answer {
    Ok(Some(Reply::new(code, text)))
}

/// Refuses a command.
pub(super) fn refuse<T>(code: u16, text: &'static str) -> Result<T, Stop> {
    Err(Stop::Refused(Reply::new(code, text)))
}

/// The mailbox's no as a reply; it is logged here. Not for uploads, which have a line of their own in the log.
fn refusal(error: &MailboxError) -> Reply {
    let reply = reply_to(error);
    if matches!(error, MailboxError::Io(_) | MailboxError::DiskFull) {
        tracing::error!(error = chain(error), "the mailbox failed a client");
    } else if reply.code() != 550 {
        tracing::info!("refused: {error}");
    }
    reply
}

/// The mailbox's no as a reply.
pub(super) fn reply_to(error: &MailboxError) -> Reply {
    let code = match error {
        MailboxError::NotFound
        | MailboxError::Exists
        | MailboxError::IsFolder
        | MailboxError::NotFolder
        | MailboxError::NotEmpty => 550,
        MailboxError::Refused(_) => 553,
        MailboxError::WholeOnly => 551,
        MailboxError::OverQuota { .. } | MailboxError::TooLarge { .. } => 552,
        MailboxError::Busy => 450,
        MailboxError::DiskFull => 452,
        MailboxError::Gaps | MailboxError::Io(_) => 451,
    };
    Reply::new(code, error.to_string())
}

/// What a connection brings to its session.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) house: Arc<House>,
    pub(super) ports: Arc<PassivePorts>,
    pub(super) tasks: Tasks,
    pub(super) protocol: Protocol,
    pub(super) tag: SessionTag,
    pub(super) guest: Guest,
}

impl Opening {
    /// Begins the session, or does not when the client has left already.
    pub(super) fn session(self) -> io::Result<Session> {
        let Guest {
            stream,
            peer,
            via,
            pass,
        } = self.guest;
        stream.set_nodelay(true)?;
        let stream = Inline::new(stream)?;
        let local = stream.local_addr()?.ip().to_canonical();
        let front = self.house.front.now();
        Ok(Session {
            login_deadline: Instant::now() + front.limits.login_deadline,
            front,
            data_protected: self.protocol == Protocol::Ftps,
            house: self.house,
            ports: self.ports,
            tasks: self.tasks,
            protocol: self.protocol,
            tag: self.tag,
            newest_ticket: Arc::default(),
            peer,
            via,
            local,
            control: Control::new(stream),
            user: None,
            failed_logins: 0,
            member: None,
            folder: MailboxPath::root(),
            rename_from: None,
            data_type: Type::Ascii,
            next: NextTransfer::default(),
            rendezvous: None,
            only_epsv: false,
            facts: Facts::default(),
            unknown: 0,
            deferred: None,
            pass,
        })
    }
}

impl Session {
    /// Serves the client until it leaves or has to.
    pub(super) async fn run(mut self) {
        tracing::debug!(peer = %self.peer, "session opened");
        match self.serve().await {
            Ok(()) => tracing::debug!("session closed"),
            Err(error) if self.member.is_none() && !self.control.is_secure() => {
                self.never_agreed(&error);
            }
            Err(error) => tracing::debug!(%error, "session lost"),
        }
        // The slot and the login end with the session, not with the goodbye.
        self.rendezvous = None;
        self.member = None;
        self.control.close().await;
    }

    /// The connection has ended before TLS was agreed on.
    fn never_agreed(&self, error: &io::Error) {
        if let Some(why) = complaint(error) {
            return self.pass.regret(why, error);
        }
        let offence = match error.kind() {
            io::ErrorKind::InvalidData => Offence::OtherProtocol,
            io::ErrorKind::TimedOut => Offence::NoLogin,
            _ => Offence::Gone,
        };
        let detail = format_args!("a connection ended before TLS was agreed on: {error}");
        self.pass.offend(offence, detail);
    }

    async fn serve(&mut self) -> io::Result<()> {
        if self.protocol == Protocol::Ftps {
            self.shake_hands().await?;
        }
        self.control.send(&Reply::new(220, "rosterd ready")).await?;
        loop {
            let Some(line) = self.wait().await? else {
                return Ok(());
            };
            let reply = match self.obey(&line).await {
                Ok(None) => continue,
                Ok(Some(reply)) | Err(Stop::Refused(reply)) => reply,
                Err(Stop::Leave(reply)) => return self.control.send(&reply).await,
                Err(Stop::Gone(error)) => return Err(error),
            };
            self.control.send(&reply).await?;
            if reply.code() == 226 {
                failpoint::pass_async(Point::FtpsReplied).await?;
            }
        }
    }

    /// The next command line; none when the session is over, for whatever reason, and the client has been told.
    async fn wait(&mut self) -> io::Result<Option<Line>> {
        let (deadline, late) = if self.member.is_some() {
            (
                Instant::now() + self.front.limits.idle,
                "No command for too long: goodbye",
            )
        } else {
            (self.login_deadline, "No login for too long: goodbye")
        };
        let draining = self.tasks.draining().clone();
        let goodbye = loop {
            let expires = self.rendezvous.as_ref().and_then(Rendezvous::expires);
            tokio::select! {
                biased;
                () = draining.cancelled() => break "The server is shutting down: try again later",
                () = ended(self.member.as_ref()) => break LOGIN_CHANGED,
                () = self.pass.evicted().cancelled() => break NO_ROOM,
                () = std::future::ready(()), if self.deferred.is_some() => return Ok(self.deferred.take()),
                line = self.control.line() => return line,
                () = sleep_until(expires.unwrap_or(deadline)), if expires.is_some() => self.rendezvous = None,
                () = sleep_until(deadline) => break late,
            }
        };
        if goodbye == late && self.member.is_none() {
            let what = "nobody logged in within limits.login_deadline";
            self.pass.offend(Offence::NoLogin, what);
        }
        self.control.send(&Reply::new(421, goodbye)).await?;
        Ok(None)
    }

    async fn obey(&mut self, line: &Line) -> Answer {
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(fault) => return self.blame(fault),
        };
        self.unknown = 0;
        if !matches!(command, Command::Rnto(_)) {
            self.rename_from = None;
        }
        match command {
            Command::Abor => {
                self.rendezvous = None;
                answer(226, "No transfer to abort")
            }
            Command::Allo(size_bytes) => {
                self.next.announced = Some(size_bytes);
                answer(200, "Noted for the next upload")
            }
            Command::Appe(path) => self.append(&path).await,
            Command::Auth => self.secure().await,
            Command::Avbl(path) => self.available(path.as_deref()).await,
            Command::Cdup => self.change_folder("..").await,
            Command::Chmod => answer(200, "Permissions are the server's: nothing was changed"),
            Command::Clnt => answer(200, "Noted"),
            Command::Cwd(path) => self.change_folder(&path).await,
            Command::Dele(path) => self.remove_file(&path).await,
            Command::Eprt(endpoint) => self.active(endpoint),
            Command::Epsv(family) => self.extended_passive(family).await,
            Command::EpsvAll => {
                self.only_epsv = true;
                answer(200, "EPSV only from now on")
            }
            Command::Feat => Ok(Some(self.features())),
            Command::Hash(path) => Box::pin(self.hash(&path)).await,
            Command::Help => Ok(Some(reply::help())),
            Command::Host(name) => self.name_host(&name),
            Command::Lang => answer(200, "Replies are in English"),
            Command::List(path) => Box::pin(self.list_long(path.as_deref())).await,
            Command::Mdtm(path) => self.modified(&path).await,
            Command::Mfmt(modified, path) => self.set_modified(modified, &path).await,
            Command::Mkd(path) => self.make_folder(&path).await,
            Command::Mlsd(path) => Box::pin(self.list_facts(path.as_deref())).await,
            Command::Mlst(path) => self.facts_of(path.as_deref()).await,
            Command::Mode | Command::Stru => answer(200, "As it is"),
            Command::Nlst(path) => Box::pin(self.list_names(path.as_deref())).await,
            Command::Noop => answer(200, "Here"),
            Command::OptsHash => answer(200, "SHA-256"),
            Command::OptsMlst(names) => {
                self.facts = Facts::choose(&names);
                let chosen = format!("MLST OPTS {}", self.facts.chosen());
                answer(200, chosen.trim_end().to_owned())
            }
            Command::OptsUtf8 => answer(200, "Names are UTF-8"),
            Command::Pass(password) => Box::pin(self.log_in(&password)).await,
            Command::Pasv => self.passive().await,
            Command::Pbsz => self.protection_buffer(),
            Command::Port(address) => self.active(Endpoint::At(address.into())),
            Command::Prot(protection) => self.protect(protection),
            Command::Pwd => self.working_folder(),
            Command::Quota => self.quota(),
            Command::Quit => Err(Stop::Leave(Reply::new(221, "Goodbye"))),
            Command::Rest(offset) => {
                self.next.offset = offset;
                answer(350, "The next transfer starts there")
            }
            Command::Retr(path) => Box::pin(self.retrieve(&path)).await,
            Command::Rmd(path) => self.remove_folder(&path).await,
            Command::Rnfr(path) => self.rename_from(&path).await,
            Command::Rnto(path) => self.rename_to(&path).await,
            Command::Size(path) => self.size(&path).await,
            Command::Stat(None) => Ok(Some(self.status())),
            Command::Stat(Some(path)) => self.list_here(&path).await,
            Command::Stor(path) => self.store(&path).await,
            Command::Syst => answer(215, "UNIX Type: L8"),
            Command::Type(data_type) => {
                self.data_type = data_type;
                answer(200, "Bytes are stored as they come")
            }
            Command::User(name) => self.name_user(name),
            Command::Xsha256(path) => Box::pin(self.hash_alone(&path)).await,
        }
    }

    fn blame(&mut self, fault: Fault) -> Answer {
        match fault {
            Fault::Foreign => {
                self.speaks_another_protocol();
                return Err(Stop::Leave(fault.into()));
            }
            Fault::Unknown => self.unknown += 1,
            _ => {}
        }
        if self.unknown >= UNKNOWN_LIMIT {
            self.speaks_another_protocol();
            return Err(Stop::Leave(Reply::new(
                421,
                "Too many unknown commands: goodbye",
            )));
        }
        Ok(Some(fault.into()))
    }

    fn speaks_another_protocol(&self) {
        if self.member.is_none() {
            let detail = "a connection is ended: its lines are no FTP commands";
            self.pass.offend(Offence::OtherProtocol, detail);
        }
    }
}
