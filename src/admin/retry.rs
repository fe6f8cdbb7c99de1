//! `rosterd retry`: takes a job up again that was parked after its last try failed on our side.

use super::runs::unknown;
use super::{Ending, answer, complain, open_core};
use crate::config::Config;
use crate::db::Retrying;
use crate::queue::worker::this_process;
use crate::report::run::Outcome;
use crate::report::text;

/// Queues it with all its tries, runs the first one here or in the daemon, and waits for what comes of it.
pub(super) async fn run(config: Config, id: &str) -> anyhow::Result<Ending> {
    let core = open_core(config).await?;
    let run = match core.db.retry_run(id).await? {
        Retrying::Unknown => return Ok(unknown(id)),
        Retrying::NotParked(outcome) => {
            complain(&format!(
                "rosterd: only a failed run is tried again, and {id} is {}",
                outcome.as_str()
            ));
            return Ok(Ending::Not);
        }
        Retrying::Outdated => {
            complain(&format!(
                "rosterd: {id} is not tried again, because a newer delivery of the same data source was judged since; it is superseded"
            ));
            core.importer.report_pending().await;
            core.db.run(id).await?
        }
        Retrying::Queued { delivery } => {
            let run = core.importer.run_to_end(&this_process(), &delivery).await?;
            if run.outcome == Outcome::Queued {
                complain(&format!(
                    "rosterd: {id} waits again: this try failed in the daemon, whose log says why, or a newer delivery goes before it"
                ));
            }
            Some(run)
        }
    };
    let Some(run) = run else {
        return Ok(unknown(id));
    };
    answer(&text::summary(&run))?;
    Ok(if run.outcome.is_good() {
        Ending::Done
    } else {
        Ending::Not
    })
}
