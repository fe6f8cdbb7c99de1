//! Uploads of a channel: opened for writing, written, closed. Nothing but CLOSE finishes one.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use super::{Channel, blocking, denied, find, instant, lost, receipt, refusal};
use crate::failpoint::{self, Point};
use crate::listen::Protocol;
use crate::listen::sftp::handles::{Incoming, Open, Receiving};
use crate::listen::sftp::packet::{Attributes, HandleId, OpenFlags};
use crate::listen::sftp::reply::{Refusal, Replies, Reply, Status};
use crate::listen::upload_log::UploadLog;
use crate::mailbox::{Mailbox, MailboxError, MailboxPath, Start, Upload};

/// One WRITE of a run of them.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) id: u32,
    pub(super) offset: u64,
    pub(super) data: Bytes,
}

impl Channel {
    /// Also with READ: what has not arrived cannot be read back.
    pub(super) async fn open_for_writing(
        &mut self,
        path: MailboxPath,
        flags: OpenFlags,
    ) -> Result<Reply, Refusal> {
        self.allow_upload()?;
        let place = path.clone();
        let mailbox = Arc::clone(&self.account.mailbox);
        let upload = blocking(move || {
            let start = start(&mailbox, &place, flags)?;
            mailbox.begin(&place, start)
        })
        .await?;
        let handle = self.handles.insert(Open::Upload(Incoming {
            path,
            append: flags.has(OpenFlags::APPEND),
            receiving: Receiving::Going(Box::new(upload)),
            log: UploadLog::begin(&self.account, Protocol::Sftp),
            open: self.pulse.upload(),
        }))?;
        Ok(Reply::Handle(handle))
    }

    /// Writes `pieces`, leaves none, and answers each. After the first that fails the upload is gone.
    pub(super) async fn write(
        &mut self,
        handle: HandleId,
        pieces: &mut Vec<Piece>,
        replies: &mut Replies,
    ) {
        if pieces.is_empty() {
            return;
        }
        let pieces = mem::take(pieces);
        let ids: Vec<u32> = pieces.iter().map(|piece| piece.id).collect();
        let came = pieces.iter().map(|piece| piece.data.len()).sum();
        let incoming = match self.handles.incoming(handle) {
            Ok(incoming) => incoming,
            Err(refusal) => {
                for id in ids {
                    replies.status(id, refusal.status, &refusal.message);
                }
                return;
            }
        };
        incoming.log.received(came);
        let mut written = 0;
        match mem::replace(&mut incoming.receiving, Receiving::Away) {
            Receiving::Going(upload) => {
                let append = incoming.append;
                let outcome = blocking(move || Ok(write_pieces(upload, append, &pieces))).await;
                incoming.receiving = match outcome {
                    Ok((count, Ok(upload))) => {
                        written = count;
                        Receiving::Going(upload)
                    }
                    Ok((count, Err(error))) => {
                        written = count;
                        incoming.log.failed(&error);
                        Receiving::Failed(refusal(&error))
                    }
                    Err(refusal) => {
                        incoming.log.cut(&refusal.message);
                        Receiving::Failed(refusal)
                    }
                };
            }
            failed => incoming.receiving = failed,
        }
        for (at, id) in ids.into_iter().enumerate() {
            match &incoming.receiving {
                Receiving::Failed(refusal) if at >= written => {
                    replies.status(id, refusal.status, &refusal.message);
                }
                _ => replies.status(id, Status::Ok, "Written"),
            }
        }
    }

    pub(super) async fn close(&mut self, handle: HandleId) -> Result<Reply, Refusal> {
        let Open::Upload(incoming) = self.handles.remove(handle)? else {
            return Ok(Reply::Done("Closed".to_owned()));
        };
        let upload = match incoming.receiving {
            Receiving::Going(upload) => upload,
            Receiving::Failed(refusal) => return Err(refusal),
            Receiving::Away => return Err(lost()),
        };
        let mut log = incoming.log;
        let finished = blocking(move || Ok(upload.finish())).await;
        drop(incoming.open);
        failpoint::pass_async(Point::SftpReply)
            .await
            .map_err(|_| lost())?;
        match finished? {
            Ok(arrival) => {
                log.finished(&arrival);
                let size_bytes = arrival.size_bytes;
                Ok(Reply::Done(receipt(
                    format!("Received {size_bytes} bytes"),
                    &arrival,
                )))
            }
            Err(error) => {
                log.failed(&error);
                Err(refusal(&error))
            }
        }
    }

    pub(super) async fn handle_set_stat(
        &mut self,
        handle: HandleId,
        attributes: Attributes,
    ) -> Result<Reply, Refusal> {
        let incoming = match self.handles.find(handle)? {
            Open::Upload(incoming) => incoming,
            Open::Folder(_) => return Ok(Reply::Done("Set".to_owned())),
            Open::Download(_) => return Err(denied("This handle is not open for writing")),
        };
        let upload = match &mut incoming.receiving {
            Receiving::Going(upload) => upload,
            Receiving::Failed(refusal) => return Err(refusal.clone()),
            Receiving::Away => return Err(lost()),
        };
        if let Some(modified) = attributes.modified.and_then(instant) {
            upload.set_modified(modified);
        }
        match attributes.size_bytes {
            None => Ok(Reply::Done("Set".to_owned())),
            Some(size_bytes) if size_bytes == upload.size_bytes() => {
                upload.confirm_size();
                Ok(Reply::Done("Set".to_owned()))
            }
            Some(0) => self.start_over(handle).await,
            Some(size_bytes) => self.shrink(handle, size_bytes).await,
        }
    }

    /// Cuts a temporary file off: OpenSSH's scp writes over what is there and then sets the size.
    async fn shrink(&mut self, handle: HandleId, size_bytes: u64) -> Result<Reply, Refusal> {
        let incoming = self.handles.incoming(handle)?;
        let Receiving::Going(mut upload) = mem::replace(&mut incoming.receiving, Receiving::Away)
        else {
            return Err(lost());
        };
        let cut = tokio::task::spawn_blocking(move || {
            let cut = upload.shrink(size_bytes);
            (upload, cut)
        });
        let Ok((upload, cut)) = cut.await else {
            return Err(lost());
        };
        self.handles.incoming(handle)?.receiving = Receiving::Going(upload);
        match cut {
            Ok(()) => Ok(Reply::Done("Cut".to_owned())),
            Err(_) => Err(Refusal::new(
                Status::Failure,
                "The size is what was written and cannot be set",
            )),
        }
    }

    /// Throws away what came so far: truncation to nothing on an open handle.
    async fn start_over(&mut self, handle: HandleId) -> Result<Reply, Refusal> {
        let mailbox = Arc::clone(&self.account.mailbox);
        let incoming = self.handles.incoming(handle)?;
        let path = incoming.path.clone();
        let before = mem::replace(&mut incoming.receiving, Receiving::Away);
        let begun = blocking(move || {
            drop(before);
            Ok(mailbox.begin(&path, Start::Truncate))
        })
        .await;
        match begun? {
            Ok(upload) => {
                incoming.receiving = Receiving::Going(Box::new(upload));
                Ok(Reply::Done("Emptied".to_owned()))
            }
            Err(error) => {
                incoming.log.failed(&error);
                incoming.receiving = Receiving::Failed(refusal(&error));
                Err(refusal(&error))
            }
        }
    }
}

/// Where an upload begins that was opened with `flags`. Whether the name takes one that does not begin anew, the mailbox knows.
fn start(mailbox: &Mailbox, path: &MailboxPath, flags: OpenFlags) -> Result<Start, MailboxError> {
    match find(mailbox, path)? {
        None if !flags.has(OpenFlags::CREATE) => Err(MailboxError::NotFound),
        Some(_) if flags.has(OpenFlags::EXCLUSIVE) => Err(MailboxError::Exists),
        None => Ok(Start::Truncate),
        Some(_) if flags.has(OpenFlags::TRUNCATE) => Ok(Start::Truncate),
        Some(_) if flags.has(OpenFlags::APPEND) => Ok(Start::Append),
        // OpenSSH's scp does not truncate: it writes over what is there, and then sets the size.
        Some(_) if flags.has(OpenFlags::CREATE) && !flags.has(OpenFlags::READ) => Ok(Start::Over),
        Some(_) => Ok(Start::At(0)),
    }
}

/// How many pieces were written, and the upload or what stopped it.
fn write_pieces(
    mut upload: Box<Upload>,
    append: bool,
    pieces: &[Piece],
) -> (usize, Result<Box<Upload>, MailboxError>) {
    for (written, piece) in pieces.iter().enumerate() {
        let outcome = if append {
            upload.write(&piece.data)
        } else {
            upload.write_at(piece.offset, &piece.data)
        };
        if let Err(error) = outcome {
            return (written, Err(error));
        }
    }
    (pieces.len(), Ok(upload))
}
