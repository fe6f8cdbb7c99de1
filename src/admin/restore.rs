//! `rosterd restore`: a backup back into an empty place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::backup::{bar, summary};
use super::{Ending, answer, complain};
use crate::backup::restore::{self, Configured};
use crate::config::Config;
use crate::daemon::{self, StartError, StateLock};
use crate::telemetry;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A backup that `rosterd backup` has made.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn run(config_file: &Path, arguments: &Arguments) -> anyhow::Result<Ending> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(bring_back(config_file, &arguments.folder))
}

async fn bring_back(config_file: &Path, folder: &Path) -> anyhow::Result<Ending> {
    telemetry::log_problems_to_stderr();
    let bar = bar();
    bar.set_message("checking the backup");
    let manifest = Arc::new(restore::verify(folder).await?);
    let mut configured = Configured::put(config_file, folder, &manifest)?;
    let config = Config::load(config_file).map_err(StartError::Config)?;
    let state_dir = &config.server.state_dir;
    daemon::own_state_dir(state_dir)?;
    if let Some(folder) = config.database.path.parent() {
        std::fs::create_dir_all(folder).map_err(daemon::at(folder))?;
    }
    let lock = StateLock::take(state_dir)?;
    let progress = |step: &str| bar.set_message(format!("restoring: {step}"));
    restore::restore(folder, Arc::clone(&manifest), &config, &progress).await?;
    configured.keep();
    lock.clear_at_the_end();
    bar.finish_and_clear();
    for path in &configured.put {
        complain(&format!("rosterd: put back {}", path.display()));
    }
    for (theirs, ours) in &configured.differs {
        complain(&format!(
            "rosterd: left {} as it is, which is not as in the backup: compare it with {}",
            theirs.display(),
            ours.display()
        ));
    }
    for ours in &configured.not_wanted {
        complain(&format!(
            "rosterd: did not put back {}: the configuration that is there does without it",
            ours.display()
        ));
    }
    answer(&format!(
        "restored into {}\n{}",
        state_dir.display(),
        summary(&manifest)
    ))?;
    Ok(Ending::Done)
}
