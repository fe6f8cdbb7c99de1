//! `rosterd reload`: has the running daemon load its configuration anew, and says what that changed.

use std::path::Path;

use anyhow::Context as _;
use clap::Args;

use super::{Ending, answer, complain, complain_about_config, json, listed};
use crate::config::{self, Config, Problem};
use crate::daemon::{self, AskError, Question, Report};
use crate::import::publication::Unpublished;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print the difference as one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(file: &Path, arguments: &Arguments) -> anyhow::Result<Ending> {
    let Some(state_dir) = config::state_dir(file).map_err(daemon::StartError::Config)? else {
        // So broken that it does not say which daemon is meant.
        if let Err(error) = Config::load(file) {
            complain_about_config(&error);
        }
        complain("rosterd: no daemon was asked, because server.state_dir cannot be read");
        return Ok(Ending::Not);
    };
    if state_dir.is_dir() {
        daemon::own_state_dir(&state_dir)?;
    }
    let found = match daemon::ask(&state_dir, &Question::Reload) {
        Ok(found) => found,
        Err(error @ AskError::NotRunning { .. }) => {
            complain(&format!("rosterd: {error}"));
            return Ok(Ending::Not);
        }
        Err(error) => return Err(error.into()),
    };
    let report: Report =
        serde_json::from_value(found).context("the running rosterd is of another version")?;
    answer(&if arguments.json {
        json(&report)?
    } else {
        words(&report)
    })?;
    Ok(if report.reloaded {
        Ending::Done
    } else {
        Ending::Not
    })
}

fn words(report: &Report) -> String {
    if !report.reloaded {
        let count = counted(report.problems.len(), "problem", "problems");
        return format!(
            "{}{count}: nothing was changed, the old configuration stays in force\n",
            listed(&report.problems as &[Problem])
        );
    }
    let mut lines: Vec<String> = report.difference.lines().collect();
    if lines.is_empty() {
        lines.push("nothing has changed".to_owned());
    }
    if report.sessions_ended > 0 {
        let ended = counted(
            report.sessions_ended,
            "session was ended, because its login is",
            "sessions were ended, because their logins are",
        );
        lines.push(format!("{ended} gone or changed"));
    }
    for it in &report.waiting {
        let jobs = usize::try_from(it.jobs).unwrap_or(usize::MAX);
        let jobs = counted(jobs, "job waits", "jobs wait");
        lines.push(format!(
            "{jobs} until the data source {} of {} is in the configuration again",
            it.source, it.tenant
        ));
    }
    lines.extend(report.unpublished.iter().map(Unpublished::line));
    lines.push(format!("{} was reloaded\n", report.file.display()));
    lines.join("\n")
}

fn counted(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}
