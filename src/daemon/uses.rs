//! Brings the uses of passwords and keys into the database, many at a time: no login waits for it, and none fails with it.
//!
//! They are written at an interval, when a command asks, and when the daemon drains. A crash loses what came in since the last time; a database that
//! fails is told of once, and what could not be written is kept for the next time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::db::Db;
use crate::listen::uses::Uses;
use crate::telemetry;

/// Between two writings: what a crash loses at most.
pub(super) const INTERVAL: Duration = Duration::from_secs(30);

/// Who asks is told whether all is written.
pub(super) type Request = oneshot::Sender<bool>;

#[derive(Debug)]
pub(super) struct UseWriter {
    uses: Arc<Uses>,
    db: Db,
    /// The log knows.
    failing: bool,
}

impl UseWriter {
    pub(super) fn new(uses: Arc<Uses>, db: Db) -> Self {
        Self {
            uses,
            db,
            failing: false,
        }
    }

    /// Writes until `draining`, and a last time then.
    pub(super) async fn serve(
        mut self,
        every: Duration,
        mut asked: mpsc::Receiver<Request>,
        draining: CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let request = tokio::select! {
                biased;
                () = draining.cancelled() => {
                    self.write().await;
                    return;
                }
                Some(request) = asked.recv() => Some(request),
                _ = ticks.tick() => None,
            };
            let written = self.write().await;
            if let Some(request) = request
                && request.send(written).is_err()
            {
                tracing::debug!("whoever asked for the uses of credentials has gone");
            }
        }
    }

    async fn write(&mut self) -> bool {
        let uses = self.uses.take();
        if uses.is_empty() {
            return true;
        }
        match self.db.note_credential_uses(&uses).await {
            Ok(()) => {
                if self.failing {
                    tracing::info!("the last uses of passwords and keys are recorded again");
                }
                self.failing = false;
            }
            Err(error) => {
                self.uses.put_back(uses);
                if !self.failing {
                    tracing::warn!(
                        error = telemetry::chain(&error),
                        "cannot record the last uses of passwords and keys: logins go on, and it is tried again"
                    );
                }
                self.failing = true;
            }
        }
        !self.failing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::config::CredentialKind;
    use crate::listen::Protocol;
    use crate::listen::uses::{Use, Used};
    use crate::tenant::TenantId;

    fn note(uses: &Uses) -> Used {
        let key = Used {
            tenant: TenantId::parse("acme").unwrap(),
            user: "hr@acme.example".to_owned(),
            kind: CredentialKind::Key,
            id: "SHA256:x".to_owned(),
        };
        let how = Use {
            last_at: "2026-11-22T02:00:00Z".parse().unwrap(),
            last_protocol: Protocol::Sftp,
            last_address: [127, 0, 0, 1].into(),
            count: 1,
        };
        uses.note(key.clone(), how);
        key
    }

    async fn open(folder: &tempfile::TempDir) -> Db {
        let path = folder.path().join("rosterd.db");
        Db::open(&path, Arc::new(SystemClock)).await.unwrap()
    }

    #[tokio::test]
    async fn uses_are_written_at_the_interval_on_request_and_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&folder).await;
        let (uses, draining) = (Arc::<Uses>::default(), CancellationToken::new());
        let (ask, asked) = mpsc::channel(1);
        let written = async |expected: u64| {
            let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
            loop {
                let known = db.credential_uses().await.unwrap();
                if known.values().next().is_some_and(|it| it.uses == expected) {
                    return;
                }
                assert!(tokio::time::Instant::now() < deadline, "{known:?}");
                tokio::task::yield_now().await;
            }
        };

        let writer = UseWriter::new(Arc::clone(&uses), db.clone());
        let often = writer.serve(Duration::from_millis(1), asked, draining.clone());
        note(&uses);
        let by_itself = async {
            written(1).await;
            draining.cancel();
        };
        tokio::join!(often, by_itself);

        let (draining, (ask_again, asked)) = (CancellationToken::new(), mpsc::channel(1));
        drop(ask);
        let writer = UseWriter::new(Arc::clone(&uses), db.clone());
        let seldom = writer.serve(Duration::from_hours(1), asked, draining.clone());
        let on_request = async {
            note(&uses);
            let (request, answer) = oneshot::channel();
            ask_again.send(request).await.unwrap();
            assert!(answer.await.unwrap());
            written(2).await;
            note(&uses);
            draining.cancel();
        };
        tokio::join!(seldom, on_request);
        written(3).await;
    }

    #[tokio::test]
    async fn what_a_failing_database_does_not_take_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let db = open(&folder).await;
        let uses = Arc::<Uses>::default();
        db.close().await;
        let mut writer = UseWriter::new(Arc::clone(&uses), db);
        let key = note(&uses);
        assert!(!writer.write().await);
        note(&uses);
        assert!(!writer.write().await);
        assert!(writer.failing);

        writer.db = open(&folder).await;
        assert!(writer.write().await);
        assert!(!writer.failing);
        let known = writer.db.credential_uses().await.unwrap();
        assert_eq!(known[&key].uses, 2);
    }
}
