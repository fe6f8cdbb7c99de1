//! How a child gets to know its file: one message over the socket that is its stdin and stdout, with the descriptors beside it.
//!
//! Nothing of it stands on a command line, where everybody on the machine could read it.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::parse::agreement::Agreement;
use crate::parse::limits::ReadLimits;
use crate::parse::photo::Wish;

/// The file and, if there may be a plain text of it, a place for that.
const DESCRIPTORS: usize = 2;
/// Configured headers and keys are a few kilobytes.
const MOST_BYTES: u32 = 16 << 20;

/// What a child is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) limits: ReadLimits,
    pub(super) agreement: Agreement,
}

/// What a child is told that looks at photos.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PhotoRequest {
    pub(super) limits: ReadLimits,
    pub(super) wish: Wish,
}

/// The form of a request that goes without descriptors.
pub(super) fn message(request: &impl Serialize) -> io::Result<Vec<u8>> {
    let request = serde_json::to_vec(request)?;
    let length = u32::try_from(request.len()).map_err(io::Error::other)?;
    Ok([&length.to_le_bytes(), request.as_slice()].concat())
}

/// Waits for such a request, in the child.
pub(super) fn receive<T: DeserializeOwned>(mut socket: &UnixStream) -> io::Result<T> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    rest(socket, length)
}

fn rest<T: DeserializeOwned>(socket: &UnixStream, length: [u8; 4]) -> io::Result<T> {
    let length = u32::from_le_bytes(length).min(MOST_BYTES);
    let mut request = Vec::new();
    socket.take(length.into()).read_to_end(&mut request)?;
    Ok(serde_json::from_slice(&request)?)
}

/// What a child is to read.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) request: Request,
    pub(super) file: File,
    /// An empty file without a name.
    pub(super) scratch: Option<File>,
}

impl Order {
    /// Sends it to the child at the other end of `socket`.
    pub(super) fn send(&self, mut socket: &UnixStream) -> io::Result<()> {
        let request = serde_json::to_vec(&self.request)?;
        let length = u32::try_from(request.len()).map_err(io::Error::other)?;
        let files = [Some(&self.file), self.scratch.as_ref()];
        let files: Vec<_> = files.into_iter().flatten().map(File::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !beside.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let length = length.to_le_bytes();
        let sent = sendmsg(
            socket,
            &[IoSlice::new(&length)],
            &mut beside,
            SendFlags::NOSIGNAL,
        )?;
        socket.write_all(length.get(sent..).unwrap_or_default())?;
        socket.write_all(&request)
    }

    /// Waits for it, in the child.
    pub(super) fn receive(mut socket: &UnixStream) -> io::Result<Self> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut length = [0; 4];
        let got = recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut length)],
            &mut beside,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        let mut files = beside
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(files) => Some(files),
                _ => None,
            })
            .flatten()
            .collect::<Vec<OwnedFd>>()
            .into_iter()
            .map(File::from);
        let Some(file) = files.next() else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        socket.read_exact(length.get_mut(got.bytes..).unwrap_or_default())?;
        Ok(Self {
            request: rest(socket, length)?,
            file,
            scratch: files.next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_comes_over_with_its_descriptors() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"employee_id").unwrap();
        let order = Order {
            request: Request {
                limits: ReadLimits::default(),
                agreement: Agreement {
                    headers: vec!["Kürzel".to_owned(); 100],
                    ..Agreement::default()
                },
            },
            file,
            scratch: Some(tempfile::tempfile().unwrap()),
        };
        order.send(&ours).unwrap();
        let got = Order::receive(&theirs).unwrap();
        assert_eq!(got.request.agreement, order.request.agreement);
        assert_eq!(got.file.metadata().unwrap().len(), 11);
        assert_eq!(got.scratch.unwrap().metadata().unwrap().len(), 0);
    }

    #[test]
    fn an_order_that_never_comes_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(ours);
        Order::receive(&theirs).unwrap_err();
    }
}
