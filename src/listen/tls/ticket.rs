//! Tickets and what they tell: the session in which one was issued.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{
    ClientHello, ProducesTickets, ResolvesServerCert, ServerSessionMemoryCache,
    StoresServerSessions,
};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{
    CipherSuite, HandshakeKind, ServerConfig, ServerConnection, SignatureAlgorithm, SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Sessions of TLS 1.2 that are kept for clients without tickets; older ones are forgotten.
const SESSIONS_BY_ID: usize = 4096;

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

    /// The text of a ticket without the tag.
    fn blot_out(text: &[u8]) -> Vec<u8> {
        let mut text = text.to_owned();
        while let Some(found) = memchr::memmem::rfind(&text, Self::MARK) {
            let marked = text.iter_mut().skip(found);
            marked.take(Self::MARK.len() + 16).for_each(|it| *it = 0);
        }
        text
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

/// The newest ticket that the data connections of a session have shown, and whether the last one was given another.
#[derive(Debug, Default)]
pub(in crate::listen) struct Newest(Mutex<(Option<[u8; 32]>, bool)>);

impl Newest {
    /// Whether it is another than the last one.
    fn is_news(&self, ticket: &[u8]) -> bool {
        let digest = Sha256::digest(ticket).into();
        let mut newest = self.lock();
        newest.1 = false;
        newest.0.replace(digest) != Some(digest)
    }

    /// A new one is given.
    fn give(&self) {
        self.lock().1 = true;
    }

    /// Whether the upload that has just ended was given one.
    pub(in crate::listen) fn was_given(&self) -> bool {
        self.lock().1
    }

    fn lock(&self) -> MutexGuard<'_, (Option<[u8; 32]>, bool)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at one data connection: which session it has resumed (rustls shows resumption data on TLS 1.3 only), and which tickets it may have for that.
///
/// Invariant: only who has resumed this very session gets tickets that carry its tag. Whoever connects without one, or with another session's, is
/// given none, or on TLS 1.2 one that tells nothing: else it could come back with it and be taken for the client.
pub(in crate::listen) struct Witness {
    sessions: Resumption,
    shown: Arc<dyn ResolvesServerCert>,
    ours: SessionTag,
    tickets: Tickets,
    state: Mutex<Seen>,
}

/// Which tickets of TLS 1.3 a data connection gives. (On TLS 1.2 there is one, it comes within the handshake, and every client has read it.)
#[derive(Debug, Clone)]
pub(in crate::listen) enum Tickets {
    /// As many as the settings say.
    Always,
    /// To clients that use each one once, which is seen from their showing a new one each time; the others do without.
    ForNews(Arc<Newest>),
}

#[derive(Debug, Default)]
struct Seen {
    tag: Option<SessionTag>,
    ticket: Good,
    /// We have signed: the handshake is a whole one, whatever ticket came with it.
    signed: bool,
    /// The client offers TLS 1.3, and gets it.
    is_tls13: bool,
}

/// Whether a good ticket was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Good {
    #[default]
    None,
    /// As by the data connection before it, or it does not matter.
    Known,
    New,
}

impl Witness {
    pub(super) fn new(
        sessions: Resumption,
        shown: Arc<dyn ResolvesServerCert>,
        ours: SessionTag,
        tickets: Tickets,
    ) -> Arc<Self> {
        Arc::new(Self {
            sessions,
            shown,
            ours,
            tickets,
            state: Mutex::default(),
        })
    }

    /// What the connection has to be served with. `self` is the same twice.
    pub(super) fn watch(self: &Arc<Self>, config: &mut ServerConfig) {
        config.ticketer = Arc::clone(self) as Arc<dyn ProducesTickets>;
        config.session_storage = Arc::clone(self) as Arc<dyn StoresServerSessions>;
        config.cert_resolver = Arc::new(Watched(Arc::clone(self)));
    }

    /// The session that `connection` has resumed, once its handshake is over.
    pub(in crate::listen) fn resumed(&self, connection: &ServerConnection) -> Option<SessionTag> {
        if connection.handshake_kind() != Some(HandshakeKind::Resumed) {
            return None;
        }
        match connection.received_resumption_data() {
            Some(data) => SessionTag::find(data),
            None => self.lock().tag,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").finish_non_exhaustive()
    }
}

impl ProducesTickets for Witness {
    /// No new ticket where TLS 1.2 resumes: OpenSSL clients that keep sessions by themselves (PHP) forget the old one for it and never see the new one.
    fn enabled(&self) -> bool {
        let seen = self.lock();
        self.sessions.tickets.enabled() && (seen.is_tls13 || seen.ticket == Good::None)
    }

    fn lifetime(&self) -> u32 {
        self.sessions.tickets.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let seen = self.lock();
        let is_proven = seen.tag == Some(self.ours) && !seen.signed;
        if !seen.is_tls13 {
            // Without a ticket now, the client could take it that there are none.
            let blotted = (!is_proven).then(|| SessionTag::blot_out(plain));
            return self
                .sessions
                .tickets
                .encrypt(blotted.as_deref().unwrap_or(plain));
        }
        match &self.tickets {
            _ if !is_proven => return None,
            Tickets::Always => {}
            Tickets::ForNews(_) if seen.ticket != Good::New => return None,
            Tickets::ForNews(newest) => newest.give(),
        }
        self.sessions.tickets.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let plain = self.sessions.tickets.decrypt(cipher)?;
        let mut seen = self.lock();
        seen.tag = SessionTag::find(&plain);
        seen.ticket = match &self.tickets {
            Tickets::ForNews(newest) if newest.is_news(cipher) => Good::New,
            _ => Good::Known,
        };
        Some(plain)
    }
}

/// Sessions of TLS 1.2 by their id, for clients that do without tickets (curl).
impl StoresServerSessions for Witness {
    /// A data connection is resumed by nobody who has not seen the control connection.
    fn put(&self, _: Vec<u8>, _: Vec<u8>) -> bool {
        false
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        let plain = self.sessions.by_id.get(id)?;
        self.lock().tag = SessionTag::find(&plain);
        Some(plain)
    }

    fn take(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn can_cache(&self) -> bool {
        false
    }
}

/// Gives rustls a key that tells the witness when it signs, which it does not when a session is resumed.
#[derive(Debug)]
struct Watched(Arc<Witness>);

impl ResolvesServerCert for Watched {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut suites = client_hello.cipher_suites().iter();
        self.0.lock().is_tls13 = suites.any(|suite| ALL_TLS13.contains(suite));
        let certified = self.0.shown.resolve(client_hello)?;
        let key = WatchedKey(Arc::clone(&certified.key), Arc::clone(&self.0));
        Some(Arc::new(CertifiedKey {
            key: Arc::new(key),
            ..CertifiedKey::clone(&certified)
        }))
    }
}

const ALL_TLS13: [CipherSuite; 3] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
];

#[derive(Debug)]
struct WatchedKey(Arc<dyn SigningKey>, Arc<Witness>);

impl SigningKey for WatchedKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        // Asked for no other reason than to sign.
        self.1.lock().signed = true;
        self.0.choose_scheme(offered)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

/// What sessions are resumed from, for as long as the daemon runs.
#[derive(Debug, Clone)]
pub(super) struct Resumption {
    pub(super) tickets: Arc<dyn ProducesTickets>,
    pub(super) by_id: Arc<dyn StoresServerSessions>,
}

impl Resumption {
    pub(super) fn new() -> Result<Self, rustls::Error> {
        Ok(Self {
            tickets: Ticketer::new()?,
            by_id: ServerSessionMemoryCache::new(SESSIONS_BY_ID),
        })
    }

    /// The same for connections that are asked for a certificate.
    pub(super) fn of_asked(&self) -> Self {
        Self {
            tickets: Arc::new(OfAsked(self.clone())),
            by_id: Arc::new(OfAsked(self.clone())),
        }
    }
}

/// Resumes nothing from a connection that was not asked for a certificate: whoever resumes is not asked, and could never show one.
#[derive(Debug)]
struct OfAsked(Resumption);

impl ProducesTickets for OfAsked {
    fn enabled(&self) -> bool {
        self.0.tickets.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.0.tickets.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.tickets.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let plain = self.0.tickets.decrypt(cipher)?;
        SessionTag::was_asked(&plain).then_some(plain)
    }
}

impl StoresServerSessions for OfAsked {
    fn put(&self, id: Vec<u8>, plain: Vec<u8>) -> bool {
        self.0.by_id.put(id, plain)
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        let plain = self.0.by_id.get(id)?;
        SessionTag::was_asked(&plain).then_some(plain)
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.0.by_id.take(id)
    }

    fn can_cache(&self) -> bool {
        self.0.by_id.can_cache()
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
        let blotted = SessionTag::blot_out(&asked);
        assert_eq!(
            (SessionTag::find(&blotted), blotted.len()),
            (None, asked.len())
        );
    }
}
