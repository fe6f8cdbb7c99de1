//! The command line's ways in: a dry run, a local file as a delivery, and waiting for a delivery's verdict with or without a daemon.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use crate::content::Content;
use crate::db::{Claim, NewDelivery, NewKind};
use crate::import::examine::Task;
use crate::import::{ImportError, Importer, blocking};
use crate::mailbox::layout::Layout;
use crate::mailbox::{DeliveryId, Fingerprint};
use crate::queue::job::Owner;
use crate::queue::worker::{Ended, expire, run_leased};
use crate::report::run::{Outcome, Run, RunDocument, RunKind};
use crate::roster::plan::Plan;
use crate::tenant::{Environment, TenantId};

/// How often a job that another process runs is looked at.
const LOOK: Duration = Duration::from_millis(200);

impl Importer {
    /// What importing `file` would come to. Nothing is recorded.
    pub async fn dry_run(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
        file: &Path,
    ) -> Result<RunDocument, ImportError> {
        let started_at = self.clock.now();
        let configured = self.source(tenant, environment, source)?;
        let opened = file.to_owned();
        let (file_handle, sha256) = blocking(move || {
            let content = Content::read(File::open(&opened)?)?;
            Ok((File::open(opened)?, content.sha256))
        })
        .await
        .map_err(ImportError::Local)?;
        let task = Task {
            tenant,
            environment,
            source: configured,
            mode: configured.mode,
            sha256: &sha256,
            approval: None,
        };
        let examined = Box::pin(self.examine(task, file_handle)).await?;
        let masking = self.masking(tenant);
        let changes = examined.plan.iter().flat_map(Plan::changes);
        let mut changes: Vec<_> = changes
            .map(|mut change| {
                change.fields = change.fields.masked(&masking);
                change
            })
            .collect();
        self.db
            .name_people(tenant, environment, source, &mut changes)
            .await?;
        let mapping = examined.columns.map(|mut columns| {
            columns.suggest();
            columns
        });
        Ok(RunDocument {
            mapping,
            changes_total: changes.len() as u64,
            changes,
            findings: examined.findings,
            findings_total: examined.findings_total,
            run: Run {
                id: None,
                kind: RunKind::Delivery,
                tenant: tenant.clone(),
                environment,
                source: source.to_owned(),
                delivery: None,
                file_name: Some(name_of(file)),
                sha256: Some(sha256),
                outcome: Outcome::DryRun,
                would: Some(examined.outcome),
                started_at: Some(started_at),
                finished_at: Some(self.clock.now()),
                counts: examined.counts,
                reason: examined.reason,
                about: None,
                asked_by: None,
            },
        })
    }

    /// Makes a local file a delivery, as intake does: copied into the archive, recorded, queued.
    pub async fn deliver_local(
        &self,
        tenant: &TenantId,
        environment: Environment,
        source: &str,
        file: &Path,
    ) -> Result<DeliveryId, ImportError> {
        let mode = self.source(tenant, environment, source)?.mode;
        let id = DeliveryId::mint();
        let folder = Layout::new(&self.state_dir, tenant, environment).archive;
        let (from, to) = (file.to_owned(), folder.join(id.as_str()));
        let Content { sha256, size_bytes } = blocking(move || archive(&from, &folder, &to))
            .await
            .map_err(ImportError::Local)?;
        let delivery = NewDelivery {
            id: id.clone(),
            tenant: tenant.clone(),
            environment,
            kind: NewKind::Data {
                source: source.to_owned(),
                mode,
            },
            // Not a path in the mailbox, so it has no `/` and stands in nobody's way there.
            file_name: name_of(file),
            sha256,
            size_bytes,
            received_at: self.clock.now(),
            fingerprint: Fingerprint {
                inode: 0,
                size_bytes,
                modified_ns: 0,
                changed_ns: 0,
            },
        };
        self.db.record_delivery(&delivery).await?;
        Ok(id)
    }

    /// Sees a delivery through to its verdict: runs its job here, or waits while another process does.
    pub async fn run_to_end(&self, me: &Owner, delivery: &DeliveryId) -> Result<Run, ImportError> {
        loop {
            match self.db.lease_delivery(me, delivery).await? {
                Claim::Leased(job) => {
                    let run = async {
                        self.run(&job).await?;
                        Ok(())
                    };
                    match run_leased(&self.db, &self.clock, &job, run).await {
                        Ended::Retry(error) | Ended::Parked(error) if job.delivery == *delivery => {
                            self.report_pending().await;
                            return Err(ImportError::Postponed(error));
                        }
                        _ => {}
                    }
                }
                Claim::Busy => {
                    expire(&self.db, me).await?;
                    tokio::time::sleep(LOOK).await;
                }
                Claim::Over | Claim::Postponed => {
                    let run = self.db.run(delivery.as_str()).await?;
                    return run.ok_or(ImportError::NoVerdict);
                }
            }
        }
    }
}

fn name_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or(file.as_os_str());
    name.to_string_lossy().into_owned()
}

/// Copies `from` to the new file `to`, which survives a power loss when this returns.
pub(super) fn archive(from: &Path, folder: &Path, to: &Path) -> io::Result<Content> {
    let from = File::open(from)?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let archived = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let copied = Content::copy_file(&from, &archived).and_then(|copied| {
        archived.sync_all()?;
        File::open(folder)?.sync_all()?;
        Ok(copied)
    });
    if copied.is_err() {
        // Nothing names it yet, so nobody misses it.
        drop(fs::remove_file(to));
    }
    copied
}
