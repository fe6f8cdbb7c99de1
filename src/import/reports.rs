//! Tells the tenants: summary, error file and receipt of each run that has come to an outcome, in the `/errors` of its mailbox.
//!
//! The database is the truth and remembers what was told, so a crash between verdict and receipt is made good at the next start.

use jiff::tz::TimeZone;

use crate::db::DbError;
use crate::failpoint::{self, Point};
use crate::import::{ImportError, Importer};
use crate::mailbox::layout::REPORTS_OF_A_DELIVERY;
use crate::mailbox::{MailboxError, MailboxPath};
use crate::parse::finding::Finding;
use crate::report::error_file::{error_file, error_json};
use crate::report::receipt::receipt;
use crate::report::run::{Outcome, Run};
use crate::report::summary::{Beside, summary};

/// How often a run that moves on while it is told of is told of at once; then it waits for the next time.
const RETELLINGS: usize = 4;

impl Importer {
    /// Tells of every outcome that was not told yet. What fails is logged, and tried again the next time.
    pub async fn report_pending(&self) {
        let pending = match self.db.unreported_runs().await {
            Ok(pending) => pending,
            Err(error) => {
                tracing::error!(
                    error = crate::telemetry::chain(&error),
                    "cannot find the runs that are to be reported"
                );
                return;
            }
        };
        for run in pending {
            for _ in 0..RETELLINGS {
                match self.report(&run).await {
                    Ok(true) => break,
                    Ok(false) => {}
                    Err(ReportError::Mailbox(MailboxError::NotFound)) => {
                        tracing::warn!(
                            import_run.id = run,
                            "a tenant is not told of a run now, because its mailbox or its /errors is not there any more"
                        );
                        break;
                    }
                    Err(error) => {
                        tracing::error!(
                            import_run.id = run,
                            error = crate::telemetry::chain(&error),
                            "cannot put the receipt of a run into its mailbox"
                        );
                        break;
                    }
                }
            }
        }
    }

    /// Puts receipt and error file in place. False: by then the run had moved on, perhaps in another process, and they may be out of date.
    async fn report(&self, id: &str) -> Result<bool, ReportError> {
        let Some(run) = self.db.run(id).await? else {
            return Ok(true);
        };
        let Some(tenant) = self.tenants.get(&run.tenant) else {
            // Its mailbox is not ours any more; should it come back, it is told then.
            return Ok(true);
        };
        let zone = tenant.time_zone.clone();
        if matches!(run.outcome, Outcome::Queued | Outcome::Running) {
            // An admin has approved it meanwhile: it is told again with its verdict.
            return Ok(true);
        }
        let (findings, total) = self.db.findings(id).await?;
        // Before it is there: else a crash would leave one that nobody knows of.
        failpoint::pass_async(Point::ErrorFileExpected)
            .await
            .map_err(MailboxError::Io)?;
        let error_file = self.db.expect_error_file(id, total).await?;
        let told = run.clone();
        let deposit = self.deposit.clone();
        tokio::task::spawn_blocking(move || {
            for (point, name, bytes) in files(&run, (&findings, total), &zone, error_file) {
                let path = path(&name).ok_or(MailboxError::NotFound)?;
                failpoint::pass(point)?;
                deposit(&run.tenant, run.environment, &path, &bytes)?;
            }
            Ok::<_, MailboxError>(())
        })
        .await??;
        failpoint::pass_async(Point::Reported)
            .await
            .map_err(MailboxError::Io)?;
        Ok(self.db.mark_reported(&told).await?)
    }

    /// The error file of the run, or of the delivery, with this id.
    pub async fn error_file(&self, id: &str) -> Result<Option<Vec<u8>>, ImportError> {
        let Some(run) = self.db.run(id).await? else {
            return Ok(None);
        };
        let (findings, total) = self
            .db
            .findings(run.id.as_deref().unwrap_or_default())
            .await?;
        Ok(Some(error_file(&findings, total)))
    }
}

#[derive(Debug, thiserror::Error)]
enum ReportError {
    #[error("the database failed")]
    Db(#[from] DbError),
    #[error("the mailbox did not take the file")]
    Mailbox(#[from] MailboxError),
    #[error("writing has panicked")]
    Panic(#[from] tokio::task::JoinError),
}

/// The files about a run, each with the step that it is; the receipt last, because it names the others. Without findings there is no error file, unless an
/// earlier outcome has left one there: that is emptied.
fn files(
    run: &Run,
    (findings, total): (&[Finding], u64),
    zone: &TimeZone,
    error_file_is_there: bool,
) -> Vec<(Point, String, Vec<u8>)> {
    let delivery = run.delivery.as_deref().unwrap_or_default();
    let [errors, errors_json, page, last] =
        REPORTS_OF_A_DELIVERY.map(|ending| format!("{delivery}{ending}"));
    let mut files = Vec::new();
    if total > 0 || error_file_is_there {
        files.push((
            Point::ErrorFile,
            errors.clone(),
            error_file(findings, total),
        ));
        files.push((Point::ErrorJson, errors_json, error_json(findings, total)));
    }
    let told = (total > 0).then_some(errors.as_str());
    let beside = Beside {
        error_file: told,
        receipt: &last,
    };
    let receipt = receipt(run, total, told, &page);
    files.push((
        Point::Summary,
        page,
        summary(run, findings, total, zone, beside),
    ));
    files.push((Point::Receipt, last, receipt));
    files
}

fn path(name: &str) -> Option<MailboxPath> {
    let folder = MailboxPath::root()
        .join(crate::mailbox::layout::ERRORS)
        .ok()?;
    folder.join(name).ok()
}
