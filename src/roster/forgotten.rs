//! Pure. Who was erased on request, so that their rows are left out: known by keyed hashes alone.

use std::collections::HashSet;

use crate::tenant::{Environment, TenantId};

/// Keyed hash of somebody's id in a data source.
pub type Trace = [u8; 32];

/// Makes the traces of a data source's ids.
#[derive(Clone)]
pub struct Tracer(blake3::Hasher);

impl Tracer {
    /// `secret` is known to the database alone.
    pub fn new(
        secret: &[u8; 32],
        tenant: &TenantId,
        environment: Environment,
        source: &str,
    ) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(secret);
        for part in [tenant.as_str(), environment.as_str(), source] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        Self(hasher)
    }

    /// The trace that `key` leaves.
    pub fn trace(&self, key: &str) -> Trace {
        let mut hasher = self.0.clone();
        hasher.update(key.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

/// It holds a secret.
impl std::fmt::Debug for Tracer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tracer")
    }
}

/// Whoever was erased from a data source. Invariant: there is somebody; asking costs a hash a row, and most data sources have nobody to ask about.
#[derive(Debug, Clone)]
pub struct Forgotten {
    tracer: Tracer,
    known: HashSet<Trace>,
}

impl Forgotten {
    /// None if nobody was.
    pub fn new(tracer: Tracer, known: HashSet<Trace>) -> Option<Self> {
        (!known.is_empty()).then_some(Self { tracer, known })
    }

    /// Whether whoever has this key was erased.
    pub fn has(&self, key: &str) -> bool {
        self.known.contains(&self.tracer.trace(key))
    }
}

/// `text` without the word `id`, wherever it stands between what is no part of an id; none if it does not stand there.
pub fn without(text: &str, id: &str) -> Option<String> {
    let part_of_one = |c: char| c.is_alphanumeric() || "-_.@".contains(c);
    let mut cleared = String::with_capacity(text.len());
    let (mut rest, mut found) = (text, false);
    while let Some((before, after)) = rest.split_once(id).filter(|_| !id.is_empty()) {
        cleared.push_str(before);
        // A full stop ends a sentence; within an id it has something behind it.
        let mut next = after.chars();
        let ends = match (next.next(), next.next()) {
            (None, _) => true,
            (Some('.'), then) => !then.is_some_and(part_of_one),
            (Some(c), _) => !part_of_one(c),
        };
        let begins = !cleared.chars().next_back().is_some_and(part_of_one);
        if begins && ends {
            cleared.push_str("[erased]");
            found = true;
        } else {
            cleared.push_str(id);
        }
        rest = after;
    }
    cleared.push_str(rest);
    found.then_some(cleared)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracer(secret: u8, source: &str) -> Tracer {
        let acme = TenantId::parse("acme").unwrap();
        Tracer::new(&[secret; 32], &acme, Environment::Production, source)
    }

    #[test]
    fn a_trace_is_of_one_id_in_one_data_source_and_tells_nothing_without_the_secret() {
        let known = HashSet::from([tracer(1, "employees").trace("E1")]);
        let forgotten = |secret, source| Forgotten::new(tracer(secret, source), known.clone());
        assert!(forgotten(1, "employees").unwrap().has("E1"));
        assert!(!forgotten(1, "employees").unwrap().has("E2"));
        assert!(!forgotten(1, "contractors").unwrap().has("E1"));
        assert!(!forgotten(2, "employees").unwrap().has("E1"));
        assert!(Forgotten::new(tracer(1, "employees"), HashSet::new()).is_none());
    }

    #[test]
    fn an_id_goes_from_a_sentence_and_longer_ids_stay() {
        for (text, cleared) in [
            (
                "The manager E1 is unknown.",
                Some("The manager [erased] is unknown."),
            ),
            ("E1, E12 and E1.", Some("[erased], E12 and [erased].")),
            ("run E1-9 of XE1 and E1.5", None),
            ("\"E1\" and ÜE1", Some("\"[erased]\" and ÜE1")),
            ("nobody", None),
        ] {
            assert_eq!(without(text, "E1").as_deref(), cleared, "{text}");
        }
        assert_eq!(without("text", ""), None);
    }
}
