//! One SFTP channel: its bytes come in, its requests are carried out in the order they came, its replies go out.
//!
//! Knows nothing of SSH. It waits for the disk and never for the client, so whoever feeds it can always go on reading the connection.

mod upload;

use std::sync::Arc;

use bytes::BytesMut;
use jiff::Timestamp;
use tokio::sync::mpsc;

use self::upload::Piece;
use super::handles::{Download, Handles, Listing, Open, Receiving};
use super::packet::{self, Attributes, Broken, HandleId, Message, OpenFlags, Request};
use super::pulse::Pulse;
use super::reads::ReadJob;
use super::reply::{Refusal, Replies, Reply, Status};
use crate::listen::login::Account;
use crate::listen::upload_log::log_rename;
use crate::mailbox::{Arrival, Entry, EntryKind, Mailbox, MailboxError, MailboxPath};
use crate::telemetry;
use crate::telemetry::chain;
use crate::tenant::Rights;

/// One of the mailbox's two ways to rename.
type Rename = fn(&Mailbox, &MailboxPath, &MailboxPath, Rights) -> Result<Arrival, MailboxError>;

/// Entries in one answer to READDIR: with names of 200 bytes still a small packet.
const ENTRIES_AT_ONCE: usize = 100;

/// See the module.
#[derive(Debug)]
pub(super) struct Channel {
    account: Arc<Account>,
    pulse: Arc<Pulse>,
    reads: mpsc::Sender<ReadJob>,
    inbox: BytesMut,
    initialised: bool,
    handles: Handles,
}

impl Channel {
    /// A channel on which nothing was said yet. READs go to `reads`.
    pub(super) fn new(
        account: Arc<Account>,
        pulse: Arc<Pulse>,
        reads: mpsc::Sender<ReadJob>,
    ) -> Self {
        Self {
            account,
            handles: Handles::new(Arc::clone(&pulse)),
            pulse,
            reads,
            inbox: BytesMut::new(),
            initialised: false,
        }
    }

    /// Takes bytes, carries out every request that is whole now, and returns what to answer. WRITEs that follow each other go to
    /// the disk together.
    pub(super) async fn receive(&mut self, bytes: &[u8]) -> Result<Replies, Broken> {
        let mut replies = Replies::default();
        let mut pieces = Vec::new();
        let mut written = HandleId(0);
        self.inbox.extend_from_slice(bytes);
        while let Some(packet) = packet::take_packet(&mut self.inbox)? {
            match packet::decode(packet)? {
                Message::Init => {
                    self.initialised = true;
                    replies.version();
                }
                Message::Request { .. } if !self.initialised => return Err(Broken::NoInit),
                Message::Request {
                    id,
                    request:
                        Some(Request::Write {
                            handle,
                            offset,
                            data,
                        }),
                } => {
                    if handle != written {
                        self.write(written, &mut pieces, &mut replies).await;
                        written = handle;
                    }
                    pieces.push(Piece { id, offset, data });
                }
                Message::Request { id, request } => {
                    self.write(written, &mut pieces, &mut replies).await;
                    let answer = match request {
                        Some(request) => self.answer(id, request).await,
                        None => Err(Refusal::new(Status::BadMessage, "Malformed request")),
                    };
                    replies.answer(id, answer, self.account.mailbox.now());
                }
            }
        }
        self.write(written, &mut pieces, &mut replies).await;
        Ok(replies)
    }

    async fn answer(&mut self, id: u32, request: Request) -> Result<Reply, Refusal> {
        match request {
            Request::Open { path, flags } => self.open(&path, flags).await,
            Request::Close(handle) => self.close(handle).await,
            Request::Read {
                handle,
                offset,
                length,
            } => self.read(id, handle, offset, length),
            Request::Stat(path) => {
                let path = resolve(&path)?;
                // sshfs looks for the file that it has just begun, and gives up when it is not there.
                if let Some(handle) = self.handles.upload_to(&path) {
                    return self.handle_stat(handle);
                }
                let entry = self.mailbox(move |mailbox| mailbox.stat(&path)).await?;
                Ok(Reply::Attributes(entry))
            }
            Request::HandleStat(handle) => self.handle_stat(handle),
            Request::SetStat(path, attributes) => self.set_stat(&path, attributes).await,
            Request::HandleSetStat(handle, attributes) => {
                self.handle_set_stat(handle, attributes).await
            }
            Request::OpenFolder(path) => self.open_folder(&path).await,
            Request::ReadFolder(handle) => self.read_folder(handle),
            Request::Remove(path) => {
                self.allow_delete()?;
                let path = resolve(&path)?;
                self.mailbox(move |mailbox| mailbox.remove_file(&path))
                    .await?;
                Ok(Reply::Done("Removed".to_owned()))
            }
            Request::MakeFolder(path) => {
                self.allow_upload()?;
                let path = resolve(&path)?;
                self.mailbox(move |mailbox| mailbox.make_folder(&path))
                    .await?;
                Ok(Reply::Done("Made".to_owned()))
            }
            Request::RemoveFolder(path) => {
                self.allow_delete()?;
                let path = resolve(&path)?;
                self.mailbox(move |mailbox| mailbox.remove_folder(&path))
                    .await?;
                Ok(Reply::Done("Removed".to_owned()))
            }
            Request::RealPath(path) => Ok(Reply::Path(resolve(&path)?.to_string())),
            Request::Rename { from, to } => self.rename(&from, &to, Mailbox::rename_new).await,
            Request::Replace { from, to } => self.rename(&from, &to, Mailbox::rename).await,
            Request::Space(path) => {
                let path = resolve(&path)?;
                self.mailbox(move |mailbox| mailbox.stat(&path)).await?;
                Ok(Reply::Space {
                    quota_bytes: self.account.mailbox.quota_bytes(),
                    used_bytes: self.account.mailbox.used_bytes(),
                })
            }
            Request::Sync(handle) => {
                // An upload counts, and is on disk, once CLOSE was answered; before that a crash leaves nothing to be durable.
                self.handles.incoming(handle)?;
                Ok(Reply::Done("On disk with CLOSE".to_owned()))
            }
            Request::Limits => Ok(Reply::Limits),
            // WRITE does not come here.
            Request::Write { .. } | Request::Unsupported => Err(Refusal::new(
                Status::OpUnsupported,
                "This server does not do that",
            )),
        }
    }

    async fn open(&mut self, path: &[u8], flags: OpenFlags) -> Result<Reply, Refusal> {
        self.handles.check_room(self.pulse.open_files())?;
        let path = resolve(path)?;
        if flags.has(OpenFlags::WRITE) {
            return self.open_for_writing(path, flags).await;
        }
        if flags.has_any(OpenFlags::MAKING) {
            return Err(Refusal::new(
                Status::Failure,
                "A file is made by opening it for writing",
            ));
        }
        if !self.account.rights.download {
            return Err(denied("This login may not download"));
        }
        let (file, entry) = self.mailbox(move |mailbox| mailbox.read(&path)).await?;
        let handle = self.handles.insert(Open::Download(Download {
            file: Arc::new(file),
            entry,
            _open: self.pulse.download(),
        }))?;
        Ok(Reply::Handle(handle))
    }

    fn read(
        &mut self,
        id: u32,
        handle: HandleId,
        offset: u64,
        length: u32,
    ) -> Result<Reply, Refusal> {
        let Open::Download(download) = self.handles.find(handle)? else {
            return Err(denied("This handle is not open for reading"));
        };
        if i64::try_from(offset).is_err() {
            return Err(Refusal::new(Status::Eof, "End of file"));
        }
        let job = ReadJob {
            id,
            file: Arc::clone(&download.file),
            offset,
            length,
        };
        match self.reads.try_send(job) {
            Ok(()) => Ok(Reply::Later),
            Err(_) => Err(Refusal::new(
                Status::Failure,
                "Too many reads at once: wait for some answers first",
            )),
        }
    }

    fn handle_stat(&mut self, handle: HandleId) -> Result<Reply, Refusal> {
        let entry = match self.handles.find(handle)? {
            Open::Download(download) => download.entry.clone(),
            Open::Upload(incoming) => Entry {
                name: incoming.path.name().unwrap_or_default().to_owned(),
                kind: EntryKind::File,
                size_bytes: match &incoming.receiving {
                    Receiving::Going(upload) => upload.size_bytes(),
                    Receiving::Failed(_) | Receiving::Away => 0,
                },
                modified: self.account.mailbox.now(),
            },
            Open::Folder(listing) => Entry {
                name: listing.path.name().unwrap_or("/").to_owned(),
                kind: EntryKind::Folder,
                size_bytes: 0,
                modified: self.account.mailbox.now(),
            },
        };
        Ok(Reply::Attributes(entry))
    }

    /// Sets times. Owners and permissions mean nothing here, and a size can only be set to what it is.
    async fn set_stat(&mut self, path: &[u8], attributes: Attributes) -> Result<Reply, Refusal> {
        self.allow_upload()?;
        let path = resolve(path)?;
        // `cp -p` on sshfs sets the time of a file by its name before it closes it.
        if let Some(handle) = self.handles.upload_to(&path) {
            return self.handle_set_stat(handle, attributes).await;
        }
        let place = path.clone();
        let entry = self.mailbox(move |mailbox| mailbox.stat(&place)).await?;
        if attributes
            .size_bytes
            .is_some_and(|size_bytes| size_bytes != entry.size_bytes)
        {
            return Err(explain(&MailboxError::WholeOnly));
        }
        if let Some(modified) = attributes.modified.and_then(instant) {
            self.mailbox(move |mailbox| mailbox.set_modified(&path, modified))
                .await?;
        }
        Ok(Reply::Done("Set".to_owned()))
    }

    async fn open_folder(&mut self, path: &[u8]) -> Result<Reply, Refusal> {
        self.handles.check_room_for_folder()?;
        let path = resolve(path)?;
        let place = path.clone();
        let entries = self.mailbox(move |mailbox| mailbox.list(&place)).await?;
        let handle = self.handles.insert(Open::Folder(Listing {
            path,
            rest: entries.into_iter(),
        }))?;
        Ok(Reply::Handle(handle))
    }

    fn read_folder(&mut self, handle: HandleId) -> Result<Reply, Refusal> {
        let Open::Folder(listing) = self.handles.find(handle)? else {
            return Err(Refusal::new(
                Status::Failure,
                "This handle is not an open folder",
            ));
        };
        let entries: Vec<Entry> = listing.rest.by_ref().take(ENTRIES_AT_ONCE).collect();
        if entries.is_empty() {
            return Err(Refusal::new(Status::Eof, "End of folder"));
        }
        Ok(Reply::Names(entries))
    }

    async fn rename(&mut self, from: &[u8], to: &[u8], rename: Rename) -> Result<Reply, Refusal> {
        self.allow_upload()?;
        let (from, to) = (resolve(from)?, resolve(to)?);
        let rights = self.account.rights;
        let arrival = self
            .mailbox(move |mailbox| rename(mailbox, &from, &to, rights))
            .await?;
        log_rename(&arrival);
        Ok(Reply::Done(receipt("Renamed".to_owned(), &arrival)))
    }

    /// Does something in the mailbox on the blocking pool.
    async fn mailbox<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Mailbox) -> Result<T, MailboxError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let mailbox = Arc::clone(&self.account.mailbox);
        blocking(move || work(&mailbox)).await
    }

    fn allow_upload(&self) -> Result<(), Refusal> {
        if self.account.rights.upload {
            Ok(())
        } else {
            Err(denied("This login may not upload, rename or make folders"))
        }
    }

    fn allow_delete(&self) -> Result<(), Refusal> {
        if self.account.rights.delete {
            Ok(())
        } else {
            Err(denied("This login may not delete"))
        }
    }
}

/// What is at `path`, if anything.
fn find(mailbox: &Mailbox, path: &MailboxPath) -> Result<Option<Entry>, MailboxError> {
    match mailbox.stat(path) {
        Ok(entry) => Ok(Some(entry)),
        Err(MailboxError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Runs what waits for the disk on the blocking pool, in the span of the session.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MailboxError> + Send + 'static,
) -> Result<T, Refusal> {
    let span = tracing::Span::current();
    let done = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    match done {
        Ok(outcome) => outcome.map_err(|error| explain(&error)),
        Err(failed) => {
            if failed.is_panic() {
                telemetry::count_panic("sftp");
                tracing::error!("a file operation panicked, which is a bug in rosterd");
            }
            Err(lost())
        }
    }
}

/// What the sender of a request is told, and the log too: what is ours to mend as an error. Not for uploads, which have a line of their own.
fn explain(error: &MailboxError) -> Refusal {
    match error {
        MailboxError::Refused(_)
        | MailboxError::WholeOnly
        | MailboxError::OverQuota { .. }
        | MailboxError::TooLarge { .. }
        | MailboxError::Gaps => tracing::info!("refused: {error}"),
        MailboxError::Io(_) | MailboxError::DiskFull => {
            tracing::error!(error = chain(error), "the mailbox failed a client");
        }
        _ => {}
    }
    refusal(error)
}

/// What the sender of a request is told.
fn refusal(error: &MailboxError) -> Refusal {
    let status = match error {
        MailboxError::NotFound => Status::NoSuchFile,
        MailboxError::Refused(_) => Status::PermissionDenied,
        _ => Status::Failure,
    };
    Refusal::new(status, error.to_string())
}

/// For an upload that a panic took with it, which was logged.
fn lost() -> Refusal {
    Refusal::new(
        Status::Failure,
        "The server could not do this now: try again later",
    )
}

fn denied(message: &str) -> Refusal {
    Refusal::new(Status::PermissionDenied, message)
}

fn resolve(sent: &[u8]) -> Result<MailboxPath, Refusal> {
    MailboxPath::resolve(&MailboxPath::root(), sent)
        .map_err(|error| Refusal::new(Status::PermissionDenied, error.to_string()))
}

/// Seconds since 1970, which a client may set to anything.
fn instant(seconds: u32) -> Option<Timestamp> {
    Timestamp::from_second(i64::from(seconds)).ok()
}

/// `done`, the delivery and what the sender should know.
fn receipt(done: String, arrival: &Arrival) -> String {
    let mut text = done;
    if let Some(delivery) = &arrival.delivery {
        text.push_str(", delivery ");
        text.push_str(delivery.as_str());
    }
    if let Some(warning) = arrival.warning {
        text.push_str(". ");
        text.push_str(warning);
    }
    text
}

#[cfg(test)]
mod tests;
