//! Pure. What holds for any bytes on an SFTP channel. Run over the corpus by tests, over everything else by `fuzz/`.

#![expect(clippy::missing_panics_doc, reason = "a broken law panics")]

use bytes::BytesMut;

use super::packet::{Broken, Message, PACKET_LIMIT_BYTES, Request, decode, take_packet};
use super::reply::{Refusal, Replies, Status};

/// Packets are the same wherever the channel's data is cut, none is longer than the limit, and no field is longer than its packet.
pub fn packets(bytes: &[u8]) {
    let whole = messages([bytes].into_iter());
    assert_eq!(whole, messages(bytes.chunks(1)));
    assert_eq!(whole, messages(bytes.chunks(7)));
    for message in whole.into_iter().flatten() {
        let Message::Request { id, request } = message else {
            continue;
        };
        if let Some(Request::Write { data, .. }) = &request {
            assert!(data.len() <= bytes.len());
        }
        // Whatever it was, it has an answer with its own id.
        let mut replies = Replies::default();
        let refusal = Refusal::new(Status::OpUnsupported, "Not served here");
        replies.answer(id, Err(refusal), jiff::Timestamp::UNIX_EPOCH);
        let answer = replies.into_bytes();
        assert_eq!(answer.get(5..9), Some(&id.to_be_bytes()[..]));
    }
}

/// What comes of data in these pieces, up to the first fault.
fn messages<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Result<Message, Broken>> {
    let limit = usize::try_from(PACKET_LIMIT_BYTES).unwrap_or(usize::MAX);
    let mut inbox = BytesMut::new();
    let mut messages = Vec::new();
    for piece in pieces {
        inbox.extend_from_slice(piece);
        loop {
            let message = match take_packet(&mut inbox) {
                Ok(None) => break,
                Ok(Some(packet)) => {
                    assert!(packet.len() <= limit);
                    decode(packet)
                }
                Err(broken) => Err(broken),
            };
            let broken = message.is_err();
            messages.push(message);
            if broken {
                return messages;
            }
        }
    }
    messages
}
