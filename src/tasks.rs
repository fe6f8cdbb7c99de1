//! Background tasks: each has a name, a group that waits for it, and two tokens. `drain` asks to finish what is open and
//! take nothing new; `abort` asks to stop now. A panic ends only its own task; it is logged, counted, and makes the group say so.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// One stage's tasks.
#[derive(Debug, Clone)]
pub struct Tasks {
    stage: &'static str,
    tracker: TaskTracker,
    drain: CancellationToken,
    abort: CancellationToken,
    panics: Arc<AtomicU64>,
    failed: CancellationToken,
}

impl Tasks {
    /// An empty group for `stage`.
    pub fn new(stage: &'static str) -> Self {
        Self {
            stage,
            tracker: TaskTracker::new(),
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
            panics: Arc::default(),
            failed: CancellationToken::new(),
        }
    }

    /// Starts a task. The handle may be dropped: the group waits for the task all the same.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let stage = self.stage;
        let panics = Arc::clone(&self.panics);
        let abort = self.abort.clone();
        let span = tracing::Span::current();
        tokio::spawn(self.tracker.track_future(
            async move {
                let guarded = CatchUnwind { future: Box::pin(AssertUnwindSafe(future).0) };
                tokio::select! {
                    biased;
                    () = abort.cancelled() => None,
                    outcome = guarded => match outcome {
                        Ok(value) => Some(value),
                        Err(message) => {
                            panics.fetch_add(1, Ordering::Relaxed);
                            crate::telemetry::count_panic(stage);
                            tracing::error!(stage, task = name, "a task panicked, which is a bug in rosterd: {message}");
                            None
                        }
                    },
                }
            }
            .instrument(span),
        ))
    }

    /// Cancelled when the group is to take nothing new.
    pub fn draining(&self) -> &CancellationToken {
        &self.drain
    }

    /// Cancelled when everything is to stop at once.
    pub fn aborting(&self) -> &CancellationToken {
        &self.abort
    }

    /// Asks for nothing new to be taken.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Stops every task at its next wait.
    pub fn abort(&self) {
        self.drain.cancel();
        self.abort.cancel();
    }

    /// How many tasks have panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Starts a task that must not end before the group drains; if it does, [`Tasks::failed`] tells.
    pub fn spawn_vital<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (draining, failed) = (self.drain.clone(), self.failed.clone());
        let task = self.spawn(name, future);
        let stage = self.stage;
        drop(self.spawn("watch", async move {
            // A panic and an end are the same here: nobody does the work any more.
            let ended = task.await;
            if !draining.is_cancelled() {
                tracing::error!(
                    stage,
                    task = name,
                    finished = ended.is_ok_and(|value| value.is_some()),
                    "a task ended by itself"
                );
                failed.cancel();
            }
        }));
    }

    /// Waits until a vital task has ended too early.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Waits until every task of the group has ended.
    pub async fn wait(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// A future whose panic becomes its error.
struct CatchUnwind<F> {
    future: std::pin::Pin<Box<F>>,
}

impl<F: Future> Future for CatchUnwind<F> {
    type Output = Result<F::Output, String>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        let future = self.future.as_mut();
        match std::panic::catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(payload) => std::task::Poll::Ready(Err(panic_message(payload.as_ref()))),
        }
    }
}

/// What a panic said.
pub fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}
