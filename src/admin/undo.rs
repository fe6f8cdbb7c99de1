//! `rosterd undo`: takes an applied run back by a new one, and pauses its data source until `rosterd resume`.

use clap::Args;

use super::runs::unknown;
use super::{Ending, answer, complain, open_core, pause, who};
use crate::config::Config;
use crate::db::{Obstacle, Obstacles, Reach, Undoing};
use crate::report::run::RunKind;
use crate::report::text;
use crate::roster::history::Gap;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The run, or its delivery.
    id: String,
    /// Restore whoever can be restored, and leave the others as they are.
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(config: Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    let core = open_core(config).await?;
    let id = &arguments.id;
    let reach = if arguments.force {
        Reach::Rest
    } else {
        Reach::Whole
    };
    let (run, obstacles) = match core.db.undo_run(id, reach, &who::asks()).await? {
        Undoing::Done { run, obstacles } => (run, obstacles),
        Undoing::Unknown => return Ok(unknown(id)),
        Undoing::NotApplied(outcome) => {
            complain(&format!(
                "rosterd: only an applied run can be taken back, and {id} is {}",
                outcome.as_str()
            ));
            return Ok(Ending::Not);
        }
        Undoing::Obstructed(obstacles) => {
            tell(&obstacles);
            complain(&if arguments.force || obstacles.people == obstacles.of {
                format!("rosterd: nobody of {id} can be restored, so nothing was changed")
            } else {
                format!(
                    "rosterd: {id} was not taken back, and nothing was changed; `rosterd undo {id} --force` restores the other {}",
                    obstacles.of - obstacles.people
                )
            });
            return Ok(Ending::Not);
        }
    };
    tell(&obstacles);
    let Some(run) = core.db.run(&run).await? else {
        return Ok(unknown(id));
    };
    let resume = pause::resume_command(&run.tenant, run.environment, &run.source);
    answer(&format!(
        "{}\nThe data source {} is paused: each of its files waits for a person until `{resume}`.\n",
        text::summary(&run),
        run.source
    ))?;
    Ok(Ending::Done)
}

/// Says who cannot be restored, and why.
fn tell(obstacles: &Obstacles) {
    if obstacles.people == 0 {
        return;
    }
    complain(&format!(
        "rosterd: {} of {} people cannot be restored:",
        obstacles.people, obstacles.of
    ));
    for (employee_id, why) in &obstacles.named {
        complain(&text::line(&format!("  {employee_id}: {}", reason(why))));
    }
    let more = obstacles.people - obstacles.named.len() as u64;
    if more > 0 {
        complain(&format!("  … and {more} more"));
    }
}

fn reason(why: &Obstacle) -> String {
    match why {
        Obstacle::Since {
            run,
            kind: RunKind::Undo,
        } => format!("the undo {run} has restored them already"),
        Obstacle::Since { run, .. } => format!("the later run {run} has changed them again"),
        Obstacle::Gap(Gap::Emptied) => {
            "what they were before is not kept any more (retention)".to_owned()
        }
        Obstacle::Gap(Gap::Broken) => {
            "what is stored of them is not what this run has made of them".to_owned()
        }
    }
}
