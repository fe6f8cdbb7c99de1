//! What the log tells of an upload: one line at its end, of one form for both protocols. Who sent it, and where to, is in the span of the session.

use tokio::time::Instant;
use tracing::Span;

use crate::listen::Protocol;
use crate::listen::login::Account;
use crate::mailbox::{Arrival, DeliveryId, MailboxError};
use crate::telemetry::{self, chain};
use crate::tenant::TenantId;

/// An upload that the log is still to tell of. The first that is told is told; dropped before, it was cut by our own end.
#[derive(Debug)]
pub(in crate::listen) struct UploadLog {
    tenant: TenantId,
    protocol: Protocol,
    began: Instant,
    received_bytes: u64,
    told: Told,
    span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    NotYet,
    Told,
}

impl UploadLog {
    /// An upload begins in the session whose span this is.
    pub(in crate::listen) fn begin(account: &Account, protocol: Protocol) -> Self {
        Self {
            tenant: account.tenant().clone(),
            protocol,
            began: Instant::now(),
            received_bytes: 0,
            told: Told::NotYet,
            span: Span::current(),
        }
    }

    /// More has come.
    pub(in crate::listen) fn received(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.received_bytes = self.received_bytes.saturating_add(bytes);
    }

    /// It is a whole file now.
    pub(in crate::listen) fn finished(&mut self, arrival: &Arrival) {
        if !self.is_untold() {
            return;
        }
        telemetry::count_upload(&self.tenant, self.protocol, arrival.size_bytes);
        self.span.in_scope(|| {
            tracing::info!(
                delivery.id = arrival.delivery.as_ref().map(DeliveryId::as_str),
                size_bytes = arrival.size_bytes,
                duration_ms = self.duration_ms(),
                "upload finished"
            );
        });
    }

    /// The mailbox could not take it. What is ours to mend is an error.
    pub(in crate::listen) fn failed(&mut self, error: &MailboxError) {
        if !matches!(error, MailboxError::Io(_) | MailboxError::DiskFull) {
            return self.cut(&chain(error));
        }
        if self.is_untold() {
            self.span.in_scope(|| {
                tracing::error!(
                    reason = chain(error),
                    size_bytes = self.received_bytes,
                    duration_ms = self.duration_ms(),
                    "upload cut"
                );
            });
        }
    }

    /// It broke off; `reason` is ours, nothing of the peer's.
    pub(in crate::listen) fn cut(&mut self, reason: &str) {
        if self.is_untold() {
            self.span.in_scope(|| {
                tracing::warn!(
                    reason,
                    size_bytes = self.received_bytes,
                    duration_ms = self.duration_ms(),
                    "upload cut"
                );
            });
        }
    }

    fn is_untold(&mut self) -> bool {
        std::mem::replace(&mut self.told, Told::Told) == Told::NotYet
    }

    fn duration_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Drop for UploadLog {
    fn drop(&mut self) {
        self.cut("the server ended the session");
    }
}

/// Tells of a file that took its final name by a rename.
pub(in crate::listen) fn log_rename(arrival: &Arrival) {
    if let Some(delivery) = &arrival.delivery {
        tracing::info!(
            delivery.id = delivery.as_str(),
            size_bytes = arrival.size_bytes,
            "upload renamed to its final name"
        );
    }
}
