//! Transfers: uploads, downloads and listings, from the command to the last reply.
//!
//! An upload is begun in the mailbox before 150, so that a name or the quota says no before any data is sent. It counts only when the client
//! has ended it with `close_notify`; our own `close_notify` goes out before 226.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::attend::Interruption;
use super::command::Type;
use super::data::{DataStream, Expected, part};
use super::pump::{self, Cut, End, Patience, Writer};
use super::rendezvous::Rendezvous;
use super::reply::Reply;
use super::session::{
    Answer, LOGIN_CHANGED, NextTransfer, Session, Stop, answer, refuse, reply_to,
};
use crate::failpoint::{self, Point};
use crate::listen::front::FtpsFront;
use crate::listen::tls::{Direction, Newest, SessionTag};
use crate::listen::upload_log::UploadLog;
use crate::mailbox::{Arrival, Start};
use crate::telemetry::chain;

const NO_PORT: &str = "Say first where the data goes: send EPSV, PASV or PORT";
/// How long the control connection of a sender that ended its upload without `close_notify` must outlive it: a sender that was killed loses both at once.
const OUTLIVES: Duration = Duration::from_millis(250);
const CONTROL_ENDED: &str = "the control connection ended";
const SESSION_ENDED: &str = "a reload has ended the session";

impl Session {
    /// STOR.
    pub(super) async fn store(&mut self, path: &str) -> Answer {
        let next = std::mem::take(&mut self.next);
        let start = match next.offset {
            0 => Start::Truncate,
            offset => Start::At(offset),
        };
        Box::pin(self.receive(path, start, next)).await
    }

    /// APPE.
    pub(super) async fn append(&mut self, path: &str) -> Answer {
        let next = std::mem::take(&mut self.next);
        Box::pin(self.receive(path, Start::Append, next)).await
    }

    async fn receive(&mut self, path: &str, start: Start, next: NextTransfer) -> Answer {
        self.may_move_data()?;
        self.may_upload(553)?;
        let path = self.resolve(553, path)?;
        if self.rendezvous.is_none() {
            return refuse(425, NO_PORT);
        }
        let taken = self.taken_end()?;
        let upload = self.ask(move |mailbox| mailbox.begin(&path, start)).await?;
        let mut writer = Writer::new(upload, UploadLog::begin(self.account()?, self.protocol));
        let mut rendezvous = match self.announce_transfer("Send the file").await {
            Ok(rendezvous) => rendezvous,
            Err(stop) => {
                writer.cut(CONTROL_ENDED).await;
                return Err(stop);
            }
        };
        let patience = self.patience();
        let (house, front) = (Arc::clone(&self.house), Arc::clone(&self.front));
        let newest = Arc::clone(&self.newest_ticket);
        let expected = house.expected(&front, self.tag, &newest);
        let tasks = self.tasks.clone();
        let moving = async {
            let open = expected.open(&mut rendezvous, Direction::Up);
            let mut stream = patience.unless_stopped(open).await?;
            match pump::receive(&mut stream, &mut writer, &patience, taken).await {
                Ok((received, end)) => {
                    if end == End::Unclean {
                        outlived(&patience, received).await?;
                    }
                    // The upload is complete, whether or not the sender waits for our `close_notify`.
                    if let Err(cut) = pump::close(&mut stream, &patience).await {
                        tracing::debug!(
                            error = chain(&cut),
                            "the sender left without our close_notify"
                        );
                    }
                    part(stream, &tasks);
                    Ok(received)
                }
                Err(cut @ Cut::Mailbox(_)) => {
                    // What it had reserved is for others from now on, however long the sender goes on.
                    writer.discard().await;
                    patience
                        .unless_stopped(async {
                            pump::hear_out(stream).await;
                            Err(cut)
                        })
                        .await
                }
                Err(cut) => Err(cut),
            }
        };
        let attended = self.attend(Box::pin(moving), &patience).await;
        drop(rendezvous);
        // Of an upload that goes on, a sender announces the rest or, as Perl's Net::FTP does, the whole.
        let announced = next.announced.filter(|_| start == Start::Truncate);
        let received = attended.outcome.and_then(|received| match announced {
            // In TYPE A a sender announces its own size, not that of the bytes with line ends converted.
            Some(announced) if self.data_type == Type::Image && announced != received => {
                Err(Cut::NotAsAnnounced)
            }
            _ => Ok(()),
        });
        match (received, attended.interruption) {
            (Ok(()), Interruption::Gone(error)) => {
                writer.cut(CONTROL_ENDED).await;
                Err(error.into())
            }
            (Err(cut), interruption) => {
                if matches!(cut, Cut::Truncated | Cut::Broken(_)) && newest.was_given() {
                    house.owners.note_unread(self.tag);
                }
                match (&cut, &interruption) {
                    (Cut::Mailbox(error), _) => writer.fail(error).await,
                    (Cut::Stopped, Interruption::Gone(_)) => writer.cut(CONTROL_ENDED).await,
                    (Cut::Stopped, Interruption::Ended) => writer.cut(SESSION_ENDED).await,
                    _ => writer.cut(&chain(&cut)).await,
                }
                self.stopped(&cut, interruption).await
            }
            (Ok(()), interruption) => self.finish(writer, interruption).await,
        }
    }

    /// Which ends of an upload make it a whole file for this tenant.
    fn taken_end(&self) -> Result<End, Stop> {
        let tenant = self.account()?.mailbox.config();
        Ok(if tenant.accept_unclean_close {
            End::Unclean
        } else {
            End::Clean
        })
    }

    /// From here on nothing stops the upload: it becomes a whole file or an error.
    async fn finish(&mut self, writer: Writer, interruption: Interruption) -> Answer {
        let reply = match writer.finish().await {
            Ok(arrival) => {
                failpoint::pass_async(Point::FtpsReply).await?;
                let received = format!("Received {} bytes", arrival.size_bytes);
                Reply::new(226, with_delivery(&received, &arrival))
            }
            Err(error) => reply_to(&error),
        };
        self.conclude(reply, interruption).await
    }

    /// RETR.
    pub(super) async fn retrieve(&mut self, path: &str) -> Answer {
        let next = std::mem::take(&mut self.next);
        self.may_move_data()?;
        self.may_download()?;
        let path = self.resolve(550, path)?;
        let (file, entry) = self.ask(move |mailbox| mailbox.read(&path)).await?;
        if next.offset > entry.size_bytes {
            return refuse(550, "The file ends before the offset of REST");
        }
        self.give(async |stream, patience| {
            pump::send_file(stream, file, next.offset, patience).await
        })
        .await
    }

    pub(super) async fn give_text(&mut self, text: String) -> Answer {
        self.give(async |stream, patience| {
            pump::send(stream, text.as_bytes(), patience).await?;
            pump::close(stream, patience).await
        })
        .await
    }

    /// Opens a data connection, lets `send` use it, and replies.
    async fn give(
        &mut self,
        send: impl AsyncFnOnce(&mut DataStream, &Patience) -> Result<(), Cut>,
    ) -> Answer {
        let mut rendezvous = self.announce_transfer("Here it comes").await?;
        let patience = self.patience();
        let (house, front) = (Arc::clone(&self.house), Arc::clone(&self.front));
        let newest = Arc::clone(&self.newest_ticket);
        let expected = house.expected(&front, self.tag, &newest);
        let tasks = self.tasks.clone();
        let moving = async {
            let open = expected.open(&mut rendezvous, Direction::Down);
            let mut stream = patience.unless_stopped(open).await?;
            send(&mut stream, &patience).await?;
            part(stream, &tasks);
            Ok(())
        };
        let attended = self.attend(Box::pin(moving), &patience).await;
        drop(rendezvous);
        match attended.outcome {
            Ok(()) => {
                let reply = Reply::new(226, "Sent");
                self.conclude(reply, attended.interruption).await
            }
            Err(cut) => {
                tracing::debug!(reason = chain(&cut), "download cut");
                self.stopped(&cut, attended.interruption).await
            }
        }
    }

    /// Whether this session may open data connections at all.
    pub(super) fn may_move_data(&self) -> Result<(), Stop> {
        self.account()?;
        if self.data_protected {
            return Ok(());
        }
        refuse(522, "Data connections use TLS: send PROT P first")
    }

    /// Says 150, and gives the way to the data connection.
    async fn announce_transfer(&mut self, text: &'static str) -> Result<Rendezvous, Stop> {
        let Some(rendezvous) = self.rendezvous.take() else {
            return refuse(425, NO_PORT);
        };
        self.control.send(&Reply::new(150, text)).await?;
        Ok(rendezvous)
    }

    pub(super) fn patience(&self) -> Patience {
        Patience::new(self.front.limits.stall)
    }

    /// Replies to a transfer that did not come to its end.
    pub(super) async fn stopped(&mut self, cut: &Cut, interruption: Interruption) -> Answer {
        let reply = match cut {
            Cut::Stopped => Reply::new(426, "Transfer stopped"),
            Cut::Stalled => Reply::new(426, "Nothing moved for too long: transfer stopped"),
            Cut::Truncated => Reply::new(
                426,
                "The data connection ended without TLS close_notify: not a whole file",
            ),
            Cut::NotAsAnnounced => Reply::new(451, "The size is not the one that ALLO announced"),
            Cut::Broken(_) => Reply::new(426, "The data connection broke"),
            Cut::NoData(reason) => reason.into(),
            Cut::Mailbox(error) => reply_to(error),
        };
        self.conclude(reply, interruption).await
    }

    /// Replies to a transfer, and to an ABOR during it.
    async fn conclude(&mut self, reply: Reply, interruption: Interruption) -> Answer {
        match interruption {
            Interruption::None => Ok(Some(reply)),
            Interruption::Aborted => {
                self.control.send(&reply).await?;
                answer(226, "ABOR done")
            }
            // What arrived whole has its reply; else this is the reply to the command.
            Interruption::Ended if reply.code() == 226 => Ok(Some(reply)),
            Interruption::Ended => Err(Stop::Leave(Reply::new(421, LOGIN_CHANGED))),
            Interruption::Gone(error) => Err(error.into()),
        }
    }
}

impl super::House {
    /// What a session of this tag expects of its data connections.
    fn expected<'a>(
        &'a self,
        front: &'a FtpsFront,
        tag: SessionTag,
        newest: &'a Arc<Newest>,
    ) -> Expected<'a> {
        Expected {
            tls: &front.tls,
            owners: &self.owners,
            reuse: front.settings.tls_session_reuse,
            tag,
            newest,
            limit: front.limits.data_connect,
        }
    }
}

/// An upload of so many bytes has ended without `close_notify`, for a tenant that accepts it: only the end of the control connection stands against it now.
async fn outlived(patience: &Patience, size_bytes: u64) -> Result<(), Cut> {
    let waiting = async {
        sleep(OUTLIVES).await;
        Ok::<_, Cut>(())
    };
    patience.unless_stopped(waiting).await?;
    tracing::info!(
        size_bytes,
        "an upload ended without close_notify and counts as complete: its tenant has accept_unclean_close"
    );
    Ok(())
}

/// What the sender is told about a file that arrived.
pub(super) fn with_delivery(what: &str, arrival: &Arrival) -> String {
    let mut text = what.to_owned();
    // Writing into a String cannot fail.
    if let Some(delivery) = &arrival.delivery {
        write!(text, ", delivery {delivery}").ok();
    }
    if let Some(warning) = arrival.warning {
        write!(text, ". {warning}").ok();
    }
    text
}
