//! Telling the tenants: the report of each batch that is over, in the `/errors` of its mailbox; and of the last one anew when the roster has changed and
//! the photos are other people's now.
//!
//! A report is named after the delivery of the first photo of its batch, so that it replaces what was told of that batch before.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::gallery::Gallery;
use super::present::Present;
use super::{Photos, PhotosError, blocking};
use crate::db::{PhotoDelivery, ToldBatch};
use crate::mailbox::layout::ERRORS;
use crate::mailbox::{Mailbox, MailboxError, MailboxPath};
use crate::parse::photo::batch::{batches, is_over};
use crate::report::photos::PhotoReport;

/// Photos of a batch at most. Nobody employs so many.
const MOST_PHOTOS: u32 = 200_000;

impl Photos {
    /// Tells of the batches that are over, and says when the next one will be.
    pub(super) async fn tell(
        &self,
        mailbox: &Arc<Mailbox>,
    ) -> Result<Option<Timestamp>, PhotosError> {
        let (tenant, environment) = (mailbox.tenant(), mailbox.environment());
        let progress = self.db.photo_progress(tenant, environment).await?;
        let examined = progress.examined_seq;
        let Some(last) = self
            .db
            .last_photo_delivery(tenant, environment, examined)
            .await?
        else {
            return Ok(None);
        };
        let told = progress.last_batch;
        if let Some(batch) = told.as_ref().filter(|batch| batch.last_seq >= last.seq) {
            self.tell_anew(mailbox, batch).await?;
            return Ok(None);
        }
        let pause = mailbox.config().photos.pause;
        if !is_over(last.received_at, self.clock.now(), pause) {
            let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
            return Ok(last.received_at.checked_add(pause).ok());
        }
        // What was told of before is told of with what belongs to it and came late, as after a restart.
        let before = told.as_ref().map_or(0, |batch| batch.first_seq - 1);
        let photos = self
            .db
            .photo_deliveries(tenant, environment, (before, examined), MOST_PHOTOS)
            .await?;
        let present = Arc::new(self.present(mailbox).await?);
        for batch in batches(&photos, |photo| photo.received_at, pause) {
            let is_new = batch.last().map(|it| it.seq) > told.as_ref().map(|it| it.last_seq);
            if is_new {
                self.tell_of(mailbox, &present, batch, None).await?;
            }
        }
        Ok(None)
    }

    /// Nothing is done unless the roster has changed since.
    async fn tell_anew(&self, mailbox: &Arc<Mailbox>, told: &ToldBatch) -> Result<(), PhotosError> {
        let (tenant, environment) = (mailbox.tenant(), mailbox.environment());
        let Some(report) = &told.report else {
            return Ok(());
        };
        let roster = self.db.whole_roster_version(tenant, environment).await?;
        if roster == told.roster {
            return Ok(());
        }
        let bounds = (told.first_seq - 1, told.last_seq);
        let batch = self
            .db
            .photo_deliveries(tenant, environment, bounds, MOST_PHOTOS)
            .await?;
        let present = Arc::new(self.present(mailbox).await?);
        self.tell_of(mailbox, &present, &batch, Some(report)).await
    }

    async fn present(&self, mailbox: &Mailbox) -> Result<Present, PhotosError> {
        let (tenant, environment) = (mailbox.tenant(), mailbox.environment());
        let present = Present::load(&self.db, mailbox.layout(), tenant, environment).await?;
        self.forget(mailbox, &Gallery::of(mailbox), &present.gone)
            .await?;
        Ok(present)
    }

    /// Puts the report of a batch in place, unless it is what was `told` before. A batch of which nothing is left is not told of: whatever has replaced its
    /// photos tells.
    async fn tell_of(
        &self,
        mailbox: &Arc<Mailbox>,
        present: &Arc<Present>,
        batch: &[PhotoDelivery],
        told: Option<&String>,
    ) -> Result<(), PhotosError> {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else {
            return Ok(());
        };
        let (tenant, environment) = (mailbox.tenant(), mailbox.environment());
        let deliveries: HashSet<i64> = batch.iter().map(|it| it.seq).collect();
        let mut report = PhotoReport::of_batch(
            &first.id,
            tenant.clone(),
            environment,
            first.received_at,
            last.received_at,
        );
        let counted = Arc::clone(present);
        let (report, json, csv) = blocking(move || {
            counted.tell(&mut report);
            for photo in &counted.photos {
                if deliveries.contains(&photo.delivery_seq) {
                    report.photo(&photo.path, photo.findings.clone());
                }
            }
            report.close();
            let (json, csv) = (report.json(), report.csv());
            Ok((report, json, csv))
        })
        .await?;
        let mut digest = Some(blake3::hash(&json).to_string());
        if report.counts.received == 0 {
            digest = told.cloned();
        } else if told != digest.as_ref() {
            self.put(mailbox, &first.id, json, csv).await?;
            log(mailbox, &report, told.is_some());
        }
        let batch = ToldBatch {
            first_seq: first.seq,
            last_seq: last.seq,
            roster: present.roster,
            report: digest,
        };
        self.db.photos_told(tenant, environment, &batch).await?;
        Ok(())
    }

    async fn put(
        &self,
        mailbox: &Arc<Mailbox>,
        batch: &str,
        json: Vec<u8>,
        csv: Vec<u8>,
    ) -> Result<(), PhotosError> {
        let (tenant, environment) = (mailbox.tenant().clone(), mailbox.environment());
        let (deposit, batch) = (self.deposit.clone(), batch.to_owned());
        let put = tokio::task::spawn_blocking(move || {
            for (kind, bytes) in [("csv", csv), ("json", json)] {
                let path = MailboxPath::root()
                    .join(ERRORS)
                    .and_then(|folder| folder.join(&format!("{batch}.photos.{kind}")))
                    .map_err(|_| MailboxError::NotFound)?;
                deposit(&tenant, environment, &path, &bytes)?;
            }
            Ok::<_, MailboxError>(())
        });
        match put.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(MailboxError::NotFound)) => {
                tracing::warn!(
                    tenant.id = %mailbox.tenant(),
                    environment = %mailbox.environment(),
                    "a tenant is not told of a batch of photos, because its mailbox or its /errors is not there any more"
                );
                Ok(())
            }
            Ok(Err(error)) => Err(PhotosError::Deposit(error)),
            Err(panic) => Err(PhotosError::Files(std::io::Error::other(panic))),
        }
    }
}

/// Names of photos are people's.
fn log(mailbox: &Mailbox, report: &PhotoReport, is_again: bool) {
    let counts = report.counts;
    let message = if is_again {
        "told of a batch of photos anew, because the roster has changed"
    } else {
        "told of a batch of photos"
    };
    tracing::info!(
        tenant.id = %mailbox.tenant(),
        environment = %mailbox.environment(),
        batch.id = report.batch.as_deref(),
        received = counts.received,
        fine = counts.fine,
        with_warnings = counts.with_warnings,
        refused = counts.refused,
        conformed = counts.conformed,
        matched = counts.matched,
        orphans = counts.orphans,
        missing = counts.missing,
        ambiguous = counts.ambiguous,
        "{message}"
    );
}
