//! `rosterd rerun`: imports an archived delivery once more, as a new one, under the configuration of today.

use anyhow::Context as _;
use clap::Args;

use super::runs::{changes_shown, unknown};
use super::{Ending, answer, complain, json, open_core, who};
use crate::config::Config;
use crate::mailbox::DeliveryId;
use crate::queue::worker::this_process;
use crate::report::run::Outcome;
use crate::report::text;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The delivery, or its run.
    id: String,
    /// Also when a newer delivery of the same data source was judged since: the roster goes back to what this one says.
    #[arg(long)]
    force: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    let core = open_core(config).await?;
    let id = &arguments.id;
    let Some(run) = core.db.run(id).await? else {
        return Ok(unknown(id));
    };
    let Some(of) = run
        .delivery
        .as_deref()
        .and_then(|of| DeliveryId::parse(of).ok())
    else {
        complain(&format!("rosterd: {id} is of no delivery"));
        return Ok(Ending::Not);
    };
    let instead = match run.outcome {
        Outcome::Queued | Outcome::Running => Some("it has not come to its end yet".to_owned()),
        Outcome::Held => Some("it waits for a person: approve or reject it".to_owned()),
        Outcome::Failed => Some(format!("it has failed: `rosterd retry {id}`")),
        _ => None,
    };
    if let Some(instead) = instead {
        complain(&format!(
            "rosterd: {id} is not run once more, because {instead}"
        ));
        return Ok(Ending::Not);
    }
    if let Some(newer) = core.db.judged_since(&of).await?
        && !arguments.force
    {
        complain(&format!(
            "rosterd: {id} is not run once more, because the newer delivery {newer} of the same data source was judged since; `rosterd rerun {id} --force` takes the roster back to what this one says"
        ));
        return Ok(Ending::Not);
    }
    let Some(delivery) = core.importer.deliver_again(&run, &who::asks()).await? else {
        complain(&format!(
            "rosterd: the archive does not have {of} any more (retention.archive); send the file again"
        ));
        return Ok(Ending::Not);
    };
    core.importer.run_to_end(&this_process(), &delivery).await?;
    let shown = changes_shown(arguments.json);
    let document = core.db.run_document(delivery.as_str(), shown).await?;
    let document = document.context("the run is not in the database any more")?;
    answer(&if arguments.json {
        json(&document)?
    } else {
        text::run(&document)
    })?;
    Ok(if document.run.outcome.is_good() {
        Ending::Done
    } else {
        Ending::Not
    })
}
