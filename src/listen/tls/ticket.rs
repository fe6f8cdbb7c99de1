//! Tickets and what they tell: the session in which one was issued.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::server::ProducesTickets;
use rustls::{HandshakeKind, ServerConnection};
use uuid::Uuid;

/// What tickets carry: the session they were issued in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::listen) struct SessionTag(Uuid);

impl SessionTag {
    /// A peer's server name, protocol name and certificate stand in a ticket too, all of them before this: the last one found is ours.
    const MARK: &'static [u8] = b"\0rosterd session\0";
    /// Behind the tag.
    const ASKED: &'static [u8] = b"asked for a certificate";

    /// A tag no other session has.
    pub(in crate::listen) fn mint() -> Self {
        Self(Uuid::now_v7())
    }

    /// Makes the tickets of a connection carry this tag. To be called before the handshake.
    pub(in crate::listen) fn mark(self, connection: &mut ServerConnection) {
        connection.set_resumption_data(&[Self::MARK, self.0.as_bytes()].concat());
    }

    /// The same where the client was asked for its certificate, so that the ticket holds it if there was one.
    pub(super) fn mark_asked(self, connection: &mut ServerConnection) {
        connection.set_resumption_data(&[Self::MARK, self.0.as_bytes(), Self::ASKED].concat());
    }

    /// Whether this is the text of a ticket from a connection that was asked.
    fn was_asked(text: &[u8]) -> bool {
        let found = memchr::memmem::rfind(text, Self::MARK);
        let behind = found.and_then(|at| text.get(at + Self::MARK.len() + 16..));
        behind.is_some_and(|behind| behind.starts_with(Self::ASKED))
    }

    /// The tag somewhere in the text of a ticket.
    fn find(text: &[u8]) -> Option<Self> {
        let found = memchr::memmem::rfind(text, Self::MARK)?;
        let bytes = text.get(found + Self::MARK.len()..)?.first_chunk()?;
        Some(Self(Uuid::from_bytes(*bytes)))
    }
}

impl std::fmt::Display for SessionTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Sees the tag in the ticket that a connection resumed with: rustls shows resumption data on TLS 1.3 only.
pub(in crate::listen) struct Witness {
    ticketer: Arc<dyn ProducesTickets>,
    seen: Mutex<Option<SessionTag>>,
}

impl Witness {
    pub(super) fn new(ticketer: Arc<dyn ProducesTickets>) -> Self {
        Self {
            ticketer,
            seen: Mutex::default(),
        }
    }

    /// The session that `connection` has resumed, once its handshake is over.
    pub(in crate::listen) fn resumed(&self, connection: &ServerConnection) -> Option<SessionTag> {
        if connection.handshake_kind() != Some(HandshakeKind::Resumed) {
            return None;
        }
        match connection.received_resumption_data() {
            Some(data) => SessionTag::find(data),
            None => *self.seen.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").finish_non_exhaustive()
    }
}

impl ProducesTickets for Witness {
    fn enabled(&self) -> bool {
        self.ticketer.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.ticketer.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.ticketer.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let plain = self.ticketer.decrypt(cipher)?;
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = SessionTag::find(&plain);
        Some(plain)
    }
}

/// Takes no ticket from a connection that was not asked for a certificate: whoever resumes is not asked, and could never show one.
#[derive(Debug)]
pub(super) struct AskedOnly(pub(super) Arc<dyn ProducesTickets>);

impl ProducesTickets for AskedOnly {
    fn enabled(&self) -> bool {
        self.0.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let plain = self.0.decrypt(cipher)?;
        SessionTag::was_asked(&plain).then_some(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_ticket_and_nowhere_else() {
        let tag = SessionTag::mint();
        let ticket = [b"secret", SessionTag::MARK, tag.0.as_bytes(), b"\x01\x02"].concat();
        assert_eq!(SessionTag::find(&ticket), Some(tag));
        assert_eq!(SessionTag::find(&ticket[..30]), None);
        assert_eq!(SessionTag::find(b""), None);
    }
    #[test]
    fn what_a_peer_can_put_into_a_ticket_is_not_taken_for_its_tag() {
        let [forged, tag] = [SessionTag::mint(), SessionTag::mint()];
        let forged = [SessionTag::MARK, forged.0.as_bytes(), SessionTag::ASKED].concat();
        let ours = [SessionTag::MARK, tag.0.as_bytes()].concat();
        let plain = [b"certificate: ", &forged[..], &ours, b"\0\x01\x02"].concat();
        assert_eq!(SessionTag::find(&plain), Some(tag));
        assert!(!SessionTag::was_asked(&plain));
        let asked = [&plain[..plain.len() - 3], SessionTag::ASKED, b"\0\x01"].concat();
        assert_eq!(SessionTag::find(&asked), Some(tag));
        assert!(SessionTag::was_asked(&asked));
        assert!(!SessionTag::was_asked(b""));
    }
}
