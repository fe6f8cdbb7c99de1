//! `rosterd diff`: what lies between two runs of a data source, person by person.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use super::audit::Noted;
use super::runs::unknown;
use super::{Ending, answer, complain, json, open_db};
use crate::config::Config;
use crate::report::difference::{DifferenceDocument, difference};
use crate::report::run::Run;

/// What is committed in a moment counts as being before the next one: instants are stored in milliseconds.
const MOMENT: Duration = Duration::from_millis(1);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A run, or its delivery: the roster as it was after it.
    from: String,
    /// Another one of the same data source.
    to: String,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    let db = open_db(config).await?;
    let (from, to) = (&arguments.from, &arguments.to);
    let Some(from) = db.run(from).await? else {
        return Ok(unknown(from));
    };
    let Some(to) = db.run(to).await? else {
        return Ok(unknown(to));
    };
    let place = |run: &Run| (run.tenant.clone(), run.environment, run.source.clone());
    if place(&from) != place(&to) {
        complain(&format!(
            "rosterd: two runs of one data source can be compared; these are of {}/{}, {} and of {}/{}, {}",
            from.tenant, from.environment, from.source, to.tenant, to.environment, to.source
        ));
        return Ok(Ending::Not);
    }
    let (Some(one), Some(other)) = (after(&from), after(&to)) else {
        complain("rosterd: one of the runs has not come to its end yet");
        return Ok(Ending::Not);
    };
    let (from, to, start, end) = if one <= other {
        (from, to, one, other)
    } else {
        (to, from, other, one)
    };
    if let Some(emptied) = db.emptied_through(&to.tenant, to.environment).await?
        && emptied >= start
    {
        complain(&format!(
            "rosterd: what was changed up to {emptied:.0} is not kept any more (retention), so the roster before that cannot be told"
        ));
        return Ok(Ending::Not);
    }
    let place = (&to.tenant, to.environment);
    let noted = Noted::begin(config, &db, "diff", place, &to.source).await?;
    let owner = (place.0, place.1, to.source.as_str());
    let changes = db.changes_between(owner, start, end).await?;
    let shown = changes.len() as u64;
    let document = DifferenceDocument { from, to, changes };
    answer(&if arguments.json {
        json(&document)?
    } else {
        difference(&document)
    })?;
    noted.end(shown).await?;
    Ok(Ending::Done)
}

/// The moment just after a run.
fn after(run: &Run) -> Option<Timestamp> {
    run.finished_at?.checked_add(MOMENT).ok()
}
