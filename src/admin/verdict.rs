//! `rosterd approve` and `rosterd reject`: an admin's word on a held run.

use clap::Args;

use super::runs::unknown;
use super::{Ending, answer, complain, open_core};
use crate::config::Config;
use crate::daemon::Core;
use crate::db::Decision;
use crate::import::Word;
use crate::queue::worker::this_process;
use crate::report::run::{Outcome, Run};
use crate::report::text;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The run, or its delivery.
    #[arg(required_unless_present = "tenant", conflicts_with = "tenant")]
    id: Option<String>,
    /// The one held run of this tenant.
    #[arg(long, short, value_name = "NAME")]
    tenant: Option<String>,
}

/// Runs it again with the safeguard lifted, here or in the daemon, and waits for what comes of it.
pub(super) async fn approve(config: Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    let core = open_core(config).await?;
    let Some(id) = held_run(&core, arguments).await? else {
        return Ok(Ending::Not);
    };
    if let Some(run) = core.importer.decide_due(&id, Word::Approve).await? {
        answer(&text::summary(&run))?;
        return Ok(Ending::Done);
    }
    let delivery = match core.db.approve_run(&id).await? {
        Decision::Taken { delivery, .. } => delivery,
        other => return Ok(refusal(&id, &other)),
    };
    let run = core.importer.run_to_end(&this_process(), &delivery).await?;
    answer(&text::summary(&run))?;
    if run.outcome.is_good() {
        return Ok(Ending::Done);
    }
    if run.outcome == Outcome::Held {
        complain(&format!(
            "rosterd: {id} was not applied: it would do something else now than what was shown, so look at it again"
        ));
    }
    Ok(Ending::Not)
}

pub(super) async fn reject(config: Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    let core = open_core(config).await?;
    let Some(id) = held_run(&core, arguments).await? else {
        return Ok(Ending::Not);
    };
    if let Some(run) = core.importer.decide_due(&id, Word::Reject).await? {
        answer(&text::summary(&run))?;
        return Ok(Ending::Done);
    }
    let decision = core.db.reject_run(&id).await?;
    if !matches!(decision, Decision::Taken { .. }) {
        return Ok(refusal(&id, &decision));
    }
    core.importer.report_pending().await;
    if let Some(run) = core.db.run(&id).await? {
        answer(&text::summary(&run))?;
    }
    Ok(Ending::Done)
}

/// The run that is meant; says so where there is none or more than one.
async fn held_run(core: &Core, arguments: &Arguments) -> anyhow::Result<Option<String>> {
    let Some(name) = &arguments.tenant else {
        return Ok(arguments.id.clone());
    };
    let Some(tenant) = core.config.tenant(name) else {
        complain(&format!("rosterd: there is no tenant \"{name}\""));
        return Ok(None);
    };
    let held: Vec<Run> = core.db.held_runs(&tenant.id).await?;
    match held.as_slice() {
        [] => complain(&format!("rosterd: {name} has no held run")),
        [only] => return Ok(only.id.clone()),
        several => {
            complain(&format!(
                "rosterd: {name} has {} held runs; name one of them:",
                several.len()
            ));
            complain(&text::runs(several));
        }
    }
    Ok(None)
}

/// Says why the word does not count.
fn refusal(id: &str, decision: &Decision) -> Ending {
    match decision {
        Decision::Unknown => unknown(id),
        Decision::NotHeld(outcome) => {
            complain(&format!(
                "rosterd: the run {id} is not held; it is {}",
                outcome.as_str()
            ));
            Ending::Not
        }
        Decision::Taken { .. } => Ending::Done,
    }
}
