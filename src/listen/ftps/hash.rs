//! HASH (draft-bryan-ftpext-hash) and XSHA256: the digest of a file, which senders compare with what they have sent.
//!
//! Who may upload or download may ask: who only uploads learns nothing but whether its own bytes arrived. Files are read a slice at a time off the async
//! threads, and slices of all sessions take turns, so that a huge file holds up nobody.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::attend::Interruption;
use super::pump::{Cut, Patience, broken_off};
use super::session::{Answer, Session, answer, refuse};
use crate::content::hex;
use crate::mailbox::{MailboxError, MailboxPath};

/// Read and hashed in one turn.
const SLICE_BYTES: u64 = 16 * 1024 * 1024;
const BUFFER_BYTES: usize = 256 * 1024;

/// How many slices are hashed at once: half of the cores stay for everything else.
pub(super) fn turns() -> Arc<Semaphore> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new((cores / 2).max(1)))
}

/// A file's SHA-256 in hex, and how many bytes it is of.
#[derive(Debug)]
struct Digest {
    path: MailboxPath,
    hex: String,
    size_bytes: u64,
}

impl Session {
    /// HASH: the whole file, whatever REST and RANG have said.
    pub(super) async fn hash(&mut self, path: &str) -> Answer {
        self.digest(path, |it| {
            let Digest {
                path,
                hex,
                size_bytes,
            } = it;
            answer(213, format!("SHA-256 0-{size_bytes} {hex} {path}"))
        })
        .await
    }

    /// XSHA256, as servers had it before there was HASH.
    pub(super) async fn hash_alone(&mut self, path: &str) -> Answer {
        self.digest(path, |it| answer(250, it.hex.to_ascii_uppercase()))
            .await
    }

    async fn digest(&mut self, path: &str, tell: impl FnOnce(Digest) -> Answer) -> Answer {
        let rights = self.account()?.rights;
        if !rights.upload && !rights.download {
            return refuse(550, "This login may neither upload nor download");
        }
        let path = self.resolve(550, path)?;
        let opened = path.clone();
        let (file, _) = self.ask(move |mailbox| mailbox.read(&opened)).await?;
        let patience = self.patience();
        let turns = Arc::clone(&self.house.hashing);
        let hashing = read_in_turns(file, turns, &patience);
        let attended = self.attend(Box::pin(hashing), &patience).await;
        match (attended.outcome, attended.interruption) {
            (Ok((hex, size_bytes)), Interruption::None) => tell(Digest {
                path,
                hex,
                size_bytes,
            }),
            (Err(Cut::Mailbox(error)), Interruption::None) => Err(error.into()),
            (outcome, interruption) => {
                let cut = outcome.err().unwrap_or(Cut::Stopped);
                self.stopped(&cut, interruption).await
            }
        }
    }
}

async fn read_in_turns(
    mut file: File,
    turns: Arc<Semaphore>,
    patience: &Patience,
) -> Result<(String, u64), Cut> {
    let mut digest = Sha256::new();
    let mut size_bytes = 0;
    loop {
        let turn = patience
            .unless_stopped(async { Ok::<_, Cut>(Arc::clone(&turns).acquire_owned().await) })
            .await?;
        let slice = spawn_blocking(move || {
            let read = read_slice(&file, &mut digest);
            drop(turn);
            (file, digest, read)
        });
        let read;
        (file, digest, read) = slice.await.map_err(broken_off)?;
        match read.map_err(MailboxError::Io)? {
            0 => return Ok((hex(&digest.finalize()), size_bytes)),
            count => {
                patience.moved(count);
                size_bytes += count;
            }
        }
    }
}

fn read_slice(file: &File, digest: &mut Sha256) -> io::Result<u64> {
    let mut slice = file.take(SLICE_BYTES);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match slice.read(&mut buffer) {
            Ok(0) => return Ok(SLICE_BYTES - slice.limit()),
            Ok(count) => digest.update(buffer.get(..count).unwrap_or_default()),
            Err(again) if again.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::content::Content;

    #[tokio::test]
    async fn a_file_of_several_slices_is_hashed_whole_and_small_ones_go_between() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).unwrap();
            File::open(folder.path().join(name)).unwrap()
        };
        let slice = usize::try_from(SLICE_BYTES).unwrap();
        let large: Vec<u8> = (0..=3 * slice).map(|n| n.to_le_bytes()[1]).collect();
        let (large_file, small_file) = (open("large", &large), open("small", b"abc"));
        let patience = Patience::new(Duration::from_secs(1));
        let turns = Arc::new(Semaphore::new(1));
        let of_large = read_in_turns(large_file, Arc::clone(&turns), &patience);
        let of_small = async {
            let before = patience.moved_bytes();
            let small = read_in_turns(small_file, Arc::clone(&turns), &patience).await;
            (small, before, patience.moved_bytes())
        };
        let (of_large, (of_small, before, after)) = tokio::join!(of_large, of_small);
        let expected = Content::of(&large);
        assert_eq!(of_large.unwrap(), (expected.sha256, expected.size_bytes));
        assert_eq!(of_small.unwrap(), (Content::of(b"abc").sha256, 3));
        // It took its turns while the large one still had some to take.
        assert!(before < SLICE_BYTES && after < 3 * SLICE_BYTES, "{after}");
    }

    #[tokio::test]
    async fn hashing_stops_when_the_session_has_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"abc").unwrap();
        let patience = Patience::new(Duration::from_secs(1));
        patience.stop.cancel();
        let stopped = read_in_turns(File::open(path).unwrap(), turns(), &patience).await;
        assert!(matches!(stopped, Err(Cut::Stopped)), "{stopped:?}");
    }
}
