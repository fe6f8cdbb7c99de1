//! `rosterd backup`: everything in one folder, while the daemon runs or not.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Ending, answer, complain};
use crate::backup::{Manifest, take};
use crate::config::Config;
use crate::daemon::{self, StartError};
use crate::telemetry;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The folder to make; it must not be there, or be empty.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) async fn run(
    config_file: &Path,
    config: &Config,
    arguments: &Arguments,
) -> anyhow::Result<Ending> {
    telemetry::log_problems_to_stderr();
    let state_dir = &config.server.state_dir;
    // It must be there already: nothing is made for want of a state.
    let is_there = config.database.path.try_exists();
    if !is_there.map_err(daemon::at(&config.database.path))? {
        complain(&format!(
            "rosterd: there is nothing to back up yet: no database {}",
            config.database.path.display()
        ));
        return Ok(Ending::Not);
    }
    daemon::own_state_dir(state_dir)?;
    let bar = bar();
    let progress = |step: &str| bar.set_message(format!("copying: {step}"));
    let taken = take::take(config_file, config, &arguments.folder, &progress).await;
    bar.finish_and_clear();
    let taken = match taken {
        Ok(taken) => taken,
        Err(crate::backup::BackupError::Db(error)) => return Err(StartError::of(error).into()),
        Err(error) => return Err(error.into()),
    };
    for path in &taken.left_out {
        complain(&format!(
            "rosterd: left out {}: somebody is putting it there right now, and it may be half a file",
            path.display()
        ));
    }
    for path in &taken.unreadable {
        complain(&format!(
            "rosterd: left out {}: rosterd's user may not read it",
            path.display()
        ));
    }
    for delivery in &taken.without_copy {
        complain(&format!(
            "rosterd: the archive has no good copy of the delivery {delivery}, and so has the backup"
        ));
    }
    answer(&format!(
        "{}\n{}",
        taken.path.display(),
        summary(&taken.manifest)
    ))?;
    let is_whole = taken.unreadable.is_empty() && taken.without_copy.is_empty();
    Ok(if is_whole { Ending::Done } else { Ending::Not })
}

/// What is in a backup, in two lines.
pub(super) fn summary(manifest: &Manifest) -> String {
    let parts: Vec<String> = manifest
        .parts
        .iter()
        .map(|(part, sum)| format!("{part} {} ({} bytes)", sum.files, sum.size_bytes))
        .collect();
    format!(
        "taken at {:.0} by rosterd {}: deliveries {}, runs {}\nfiles: {}\n",
        manifest.taken_at,
        manifest.rosterd,
        manifest.deliveries,
        manifest.runs,
        parts.join(", ")
    )
}

/// Shows on a terminal what is under way; in a log it would be noise.
pub(super) fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    bar
}
