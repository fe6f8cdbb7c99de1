//! Notices: whoever decides about runs is told, by webhook, of each that waits for a person or has failed.
//!
//! The outcome and its notice are committed together; a notice goes when it was taken. So each arrives at least once, and carries an id by which a
//! second copy is known. What nobody takes is tried again, less and less often, for a week. Nothing personal leaves by this way.

mod message;
mod webhook;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::config::{Config, Notice};
use crate::db::{Db, DbError, DueNotice};
use crate::live::Live;
use crate::telemetry;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// Sent at one look.
const MOST: u32 = 20;
/// After so long somebody has found out otherwise.
const OUTDATED: Duration = Duration::from_hours(7 * 24);

/// Sends what is due.
pub struct Notifier {
    pub db: Db,
    pub clock: SharedClock,
    pub settings: Live<Config>,
}

impl Notifier {
    /// Looks again and again until `draining`.
    pub async fn serve(self, draining: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK);
        while draining.run_until_cancelled(ticks.tick()).await.is_some() {
            let Some(looked) = draining.run_until_cancelled(self.send_due()).await else {
                return;
            };
            if let Err(error) = looked {
                tracing::error!(
                    error = telemetry::chain(&error),
                    "cannot look for notices that are to be sent"
                );
            }
        }
    }

    /// Sends what is due now.
    pub async fn send_due(&self) -> Result<(), DbError> {
        let settings = self.settings.now();
        let Some(notice) = &settings.notice else {
            return self.db.forget_notices().await;
        };
        for due in self.db.due_notices(MOST).await? {
            if !self.send(notice, &due).await? {
                // Whoever does not take one does not take the next.
                break;
            }
        }
        Ok(())
    }

    /// Sends one; whether it was taken.
    async fn send(&self, notice: &Notice, due: &DueNotice) -> Result<bool, DbError> {
        let now = self.clock.now();
        let body = message::message(&due.id, due.made_at, &due.run);
        let run = due.run.id.as_deref().unwrap_or_default();
        let error = match webhook::post(notice, &due.id, now, &body).await {
            Ok(()) => {
                self.db.forget_notice(&due.id).await?;
                tracing::info!(import_run.id = run, notice.id = due.id, "a notice was sent");
                return Ok(true);
            }
            Err(error) => telemetry::chain(&error),
        };
        let waited = Duration::try_from(now.duration_since(due.made_at)).unwrap_or_default();
        let webhook = notice.webhook.to_string();
        if waited >= OUTDATED {
            self.db.forget_notice(&due.id).await?;
            tracing::error!(
                import_run.id = run,
                notice.id = due.id,
                webhook,
                error,
                "a notice was not taken for a week and is given up"
            );
            return Ok(false);
        }
        let wait = back_off(due.attempts);
        self.db.postpone_notice(&due.id, now + wait).await?;
        tracing::warn!(
            import_run.id = run,
            notice.id = due.id,
            webhook,
            error,
            retry_secs = wait.as_secs(),
            "a notice was not taken and will be sent again"
        );
        Ok(false)
    }
}

/// How long a notice waits after so many tries before the one that has just failed.
fn back_off(attempts: u32) -> Duration {
    const FIRST: Duration = Duration::from_secs(10);
    const LONGEST: Duration = Duration::from_hours(1);
    FIRST
        .saturating_mul(2_u32.saturating_pow(attempts))
        .min(LONGEST)
}

#[cfg(test)]
mod tests;
