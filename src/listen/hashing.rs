//! Password hashing, the dearest thing a stranger can ask for: as many at a time as there are cores, in turn by address, in memory that is kept.
//!
//! argon2id fills 19 MiB for one password. Allocated anew on whichever thread comes next, such blocks stay behind in the allocator's arena of each of
//! them: 64 senders that log in all the time took 600 MB. Here there is one block a core and no more.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use argon2::password_hash::Error as HashError;
use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher as _, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::secret::Secret;
use crate::telemetry;

/// Verifies passwords.
#[derive(Debug)]
pub(super) struct Hashing {
    cores: Arc<Semaphore>,
    memory: Arc<Memory>,
    /// Addresses with someone at work or waiting. Each has a share of the cores only, so that its queue is not everybody's.
    turns: Arc<Mutex<HashMap<IpAddr, Turn>>>,
    share: usize,
    dummy_hash: Secret<String>,
}

/// Blocks that nobody works in.
type Memory = Mutex<Vec<Vec<Block>>>;

#[derive(Debug)]
struct Turn {
    semaphore: Arc<Semaphore>,
    holders: usize,
}

impl Hashing {
    pub(super) fn new() -> Result<Self, HashError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::on(cores)
    }

    fn on(cores: usize) -> Result<Self, HashError> {
        Ok(Self {
            cores: Arc::new(Semaphore::new(cores)),
            memory: Arc::default(),
            turns: Arc::default(),
            share: cores.div_ceil(2),
            dummy_hash: Secret::new(hash_password("nobody has this password")?),
        })
    }

    /// Which of `hashes` the password belongs to. When it is none of them, as much work is done as for `rounds` hashes, some of it for nothing.
    pub(super) async fn verify(
        &self,
        peer: IpAddr,
        password: &Secret<String>,
        hashes: Vec<Secret<String>>,
        rounds: usize,
    ) -> Option<usize> {
        let _turn = InTurn::take(&self.turns, peer, self.share).await?;
        let core = Arc::clone(&self.cores).acquire_owned().await.ok()?;
        let password = password.clone();
        let dummy_hash = self.dummy_hash.clone();
        let memory = Arc::clone(&self.memory);
        let verified = tokio::task::spawn_blocking(move || {
            let mut blocks = lock(&memory).pop().unwrap_or_default();
            let mut belongs = |hash: &Secret<String>| {
                telemetry::count_password_hash();
                belongs(password.reveal(), hash.reveal(), &mut blocks).unwrap_or(false)
            };
            let found = hashes.iter().position(&mut belongs);
            if found.is_none() {
                for _ in hashes.len()..rounds {
                    belongs(&dummy_hash);
                }
            }
            lock(&memory).push(blocks);
            drop(core);
            found
        });
        verified.await.unwrap_or(None)
    }
}

/// An address's turn; dropped, it is the next one's.
struct InTurn {
    turns: Arc<Mutex<HashMap<IpAddr, Turn>>>,
    peer: IpAddr,
    permit: Option<OwnedSemaphorePermit>,
}

impl InTurn {
    async fn take(
        turns: &Arc<Mutex<HashMap<IpAddr, Turn>>>,
        peer: IpAddr,
        share: usize,
    ) -> Option<Self> {
        let peer = peer.to_canonical();
        let semaphore = {
            let mut turns = lock(turns);
            let turn = turns.entry(peer).or_insert_with(|| Turn {
                semaphore: Arc::new(Semaphore::new(share)),
                holders: 0,
            });
            turn.holders += 1;
            Arc::clone(&turn.semaphore)
        };
        // From here on a waiting client that goes away is forgotten too.
        let mut turn = Self {
            turns: Arc::clone(turns),
            peer,
            permit: None,
        };
        turn.permit = Some(semaphore.acquire_owned().await.ok()?);
        Some(turn)
    }
}

impl Drop for InTurn {
    fn drop(&mut self) {
        self.permit = None;
        let mut turns = lock(&self.turns);
        if let Some(turn) = turns.get_mut(&self.peer) {
            turn.holders -= 1;
            if turn.holders == 0 {
                turns.remove(&self.peer);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether `hash`, in PHC string form, is one of `password`. None: it is no hash that can be computed.
fn belongs(password: &str, hash: &str, blocks: &mut Vec<Block>) -> Option<bool> {
    let hash = PasswordHash::new(hash).ok()?;
    let (salt, expected) = (hash.salt.as_ref()?, hash.hash.as_ref()?);
    let params = Params::try_from(&hash).ok()?;
    let algorithm = Algorithm::try_from(hash.algorithm.as_str()).ok()?;
    let version = hash
        .version
        .map_or(Ok(Version::default()), Version::try_from)
        .ok()?;
    if blocks.len() < params.block_count() {
        blocks.resize(params.block_count(), Block::default());
    }
    let mut computed = [0; Output::MAX_LENGTH];
    let computed = computed.get_mut(..expected.len())?;
    Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(password.as_bytes(), salt, computed, blocks)
        .ok()?;
    // Compares in constant time.
    Some(Output::new(computed).ok()? == *expected)
}

/// Whether `hash` is one of `password`, for who has time and asks once.
pub fn is_password_of(password: &Secret<String>, hash: &Secret<String>) -> bool {
    belongs(password.reveal(), hash.reveal(), &mut Vec::new()).unwrap_or(false)
}

/// An argon2id hash of `password` in PHC string form, with a salt of its own.
pub fn hash_password(password: &str) -> Result<String, HashError> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hash that costs nothing.
    fn cheap(password: &str) -> Secret<String> {
        let params = Params::new(Params::MIN_M_COST, 1, 1, None).unwrap();
        let hash = Argon2::from(params).hash_password(password.as_bytes());
        Secret::new(hash.unwrap().to_string())
    }

    fn address(last: u8) -> IpAddr {
        [127, 0, 0, last].into()
    }

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn a_hash_verifies_its_own_password_only() {
        let hash = hash_password("Correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$"));
        let mut blocks = Vec::new();
        let mut check = |password, hash: &str| belongs(password, hash, &mut blocks);
        assert_eq!(check("Correct horse", &hash), Some(true));
        assert_eq!(check("correct horse", &hash), Some(false));
        assert_eq!(check("", &hash), Some(false));
        assert_eq!(check("x", cheap("x").reveal()), Some(true));
        assert_eq!(check("x", "$argon2id$v=19$m=19456,t=2,p=1"), None);
        assert_eq!(check("x", "x"), None);
    }

    #[tokio::test]
    async fn several_passwords_live_at_once_and_it_is_told_which_it_was() {
        let hashing = Hashing::on(1).unwrap();
        let hashes = vec![cheap("old"), cheap("new")];
        for (password, expected) in [("old", Some(0)), ("new", Some(1)), ("other", None)] {
            let password = secret(password);
            let found = hashing.verify(address(1), &password, hashes.clone(), 2);
            assert_eq!(found.await, expected);
        }
        let nobody = hashing
            .verify(address(1), &secret("old"), Vec::new(), 2)
            .await;
        assert_eq!(nobody, None);
    }

    #[tokio::test]
    async fn memory_is_kept_for_each_core_and_addresses_are_forgotten() {
        let hashing = Hashing::on(2).unwrap();
        let password = secret("x");
        let hashes = vec![hash_password("x").map(Secret::new).unwrap()];
        let all = (0..12).map(|last| hashing.verify(address(last), &password, hashes.clone(), 1));
        let found = futures_join(all).await;
        assert_eq!(found, vec![Some(0); 12]);
        assert!(lock(&hashing.memory).len() <= 2);
        assert!(lock(&hashing.turns).is_empty());
    }

    #[tokio::test]
    async fn who_asks_once_does_not_wait_for_who_asks_all_the_time() {
        let hashing = Hashing::on(1).unwrap();
        let (password, hashes) = (secret("x"), vec![cheap("x")]);
        let order = Mutex::new(Vec::new());
        let ask = |last| {
            let (hashing, password, hashes, order) = (&hashing, &password, hashes.clone(), &order);
            async move {
                hashing.verify(address(last), password, hashes, 1).await;
                lock(order).push(last);
            }
        };
        futures_join(std::iter::repeat_n(1, 40).chain([2]).map(ask)).await;
        // Its hash is the second one; how soon after that it is polled is the machine's business. Without turns it would be the last of 41.
        let place = lock(&order).iter().position(|last| *last == 2).unwrap();
        assert!(place < 10, "it was number {place}");
    }

    /// Polls all of them in turn.
    async fn futures_join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
        let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
        std::future::poll_fn(|cx| {
            for (future, output) in &mut waiting {
                if output.is_none()
                    && let std::task::Poll::Ready(done) = future.as_mut().poll(cx)
                {
                    *output = Some(done);
                }
            }
            if waiting.iter().all(|(_, output)| output.is_some()) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        waiting
            .into_iter()
            .filter_map(|(_, output)| output)
            .collect()
    }
}
