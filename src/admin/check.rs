//! `rosterd check`: the configuration's problems, all at once.

use std::path::Path;

use super::{Ending, answer, listed};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{self, Config, ConfigError};
use crate::db::{Db, Published};
use crate::import::publication::{self, Unpublished};
use crate::listen::front::Front;
use crate::listen::sftp::SshIdentity;
use crate::tenant::Mode;

pub(super) fn run(file: &Path) -> anyhow::Result<Ending> {
    let checked = Config::load(file).and_then(|config| {
        let problems = Front::check(&config, file);
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError::Problems(problems))
        }
    });
    match checked {
        Ok(config) => {
            let warnings = Front::warnings(&config, file, SystemClock.now());
            let warnings = warnings.iter().map(|it| format!("warning: {it}"));
            let published = published(&config);
            let summary = summary(&config, published.as_deref());
            let lines: Vec<_> = warnings.chain([summary]).collect();
            answer(&lines.join("\n"))?;
            Ok(Ending::Done)
        }
        Err(ConfigError::Problems(problems)) => {
            let count = match problems.len() {
                1 => "1 problem".to_owned(),
                many => format!("{many} problems"),
            };
            answer(&format!("{}{count}\n", listed(&problems)))?;
            Ok(Ending::Not)
        }
        Err(error @ ConfigError::Unreadable { .. }) => {
            Err(crate::daemon::StartError::Config(error).into())
        }
    }
}

/// What the database says; none if that cannot be told, as when it is of another version: a check makes none, and brings none up to date.
fn published(config: &Config) -> Option<Vec<Published>> {
    let path = &config.database.path;
    if !path.is_file() {
        return Some(Vec::new());
    }
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().ok()?;
    runtime.block_on(Db::peek_published(path))
}

/// A line a tenant, and one for each thing that works differently than one might hope.
fn summary(config: &Config, published: Option<&[Published]>) -> String {
    let mut lines = Vec::new();
    for tenant in config.tenants.values() {
        let mut parts = vec![match tenant.logins.len() {
            1 => "1 login".to_owned(),
            many => format!("{many} logins"),
        }];
        let sources = tenant.data_sources.iter();
        parts.extend(
            sources
                .map(|source| format!("{} ({})", source.file_name.as_str(), source.mode.as_str())),
        );
        lines.push(format!("{}: {}", tenant.id, parts.join(", ")));
        for source in tenant
            .data_sources
            .iter()
            .filter(|source| source.mode != Mode::Full)
        {
            lines.push(format!(
                "{}: mode \"{}\" of {} is understood, but not yet imported: its deliveries are refused",
                tenant.id,
                source.mode.as_str(),
                source.name
            ));
        }
    }
    let dry = published.map(|published| publication::unpublished(config, published));
    lines.extend(dry.iter().flatten().map(Unpublished::line));
    if let Some(sftp) = &config.sftp {
        lines.extend(SshIdentity::note(sftp).map(str::to_owned));
    }
    let warnings = config::warnings(config, SystemClock.now());
    lines.extend(warnings.iter().map(|it| format!("warning: {it}")));
    lines.push("The configuration is fine.\n".to_owned());
    lines.join("\n")
}
