//! `rosterd import`: the same pipeline on a local file (R2.26, R2.27), with a progress bar on a terminal (R2.28).

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::runs::changes_shown;
use super::{Ending, Place, answer, complain, json, open_core};
use crate::config::{Config, Tenant};
use crate::import::Importer;
use crate::queue::worker::this_process;
use crate::report::text;
use crate::tenant::DataSource;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The data source; else the one whose file name this is, or the only one.
    #[arg(long, short, value_name = "NAME")]
    source: Option<String>,
    /// Print the impact and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// The file.
    file: PathBuf,
}

pub(super) async fn run(config: Config, arguments: Arguments) -> anyhow::Result<Ending> {
    let environment = arguments.place.environment;
    let Some(tenant) = config.tenant(&arguments.place.tenant) else {
        complain(&format!(
            "rosterd: there is no tenant \"{}\"",
            arguments.place.tenant
        ));
        return Ok(Ending::Not);
    };
    let tenant = tenant.within(environment);
    let name = arguments.file.file_name().and_then(|name| name.to_str());
    let Some(source) = source(&tenant, arguments.source.as_deref(), name) else {
        return Ok(Ending::Not);
    };
    if let Err(error) = std::fs::File::open(&arguments.file) {
        complain(&format!(
            "rosterd: cannot read {}: {error}",
            arguments.file.display()
        ));
        return Ok(Ending::Not);
    }
    let core = open_core(config).await?;
    let bar = progress_bar();
    let importer = Importer {
        progress: bar
            .clone()
            .map(|bar| -> crate::import::Progress { Arc::new(move |rows| bar.set_position(rows)) }),
        ..Importer::clone(&core.importer)
    };
    let file = &arguments.file;
    let document = if arguments.dry_run {
        importer
            .dry_run(&tenant.id, environment, &source.name, file)
            .await?
    } else {
        let delivery = importer
            .deliver_local(&tenant.id, environment, &source.name, file)
            .await?;
        importer.run_to_end(&this_process(), &delivery).await?;
        core.db
            .run_document_for(delivery.as_str(), changes_shown(arguments.json), |_| {
                tenant.masking()
            })
            .await?
            .context("the run is not in the database any more")?
    };
    // Here and not when the process ends, which would not wait for it: else a first import leaves a log as large as the roster.
    core.db.close().await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    answer(&if arguments.json {
        json(&document)?
    } else {
        text::run(&document)
    })?;
    Ok(if document.run.exit_code() == 0 {
        Ending::Done
    } else {
        Ending::Not
    })
}

/// The data source that is meant, of those that there are in an environment; says so where that cannot be told.
pub(super) fn source<'a>(
    tenant: &'a Tenant,
    wanted: Option<&str>,
    file_name: Option<&str>,
) -> Option<&'a DataSource> {
    let mut sources = tenant.data_sources.iter();
    let found = match (wanted, tenant.data_sources.as_slice(), file_name) {
        (Some(wanted), _, _) => sources.find(|source| source.name == wanted),
        (None, [only], _) => Some(only),
        (None, _, Some(name)) => sources.find(|source| source.file_name.matches(name)),
        (None, _, None) => None,
    };
    if found.is_none() {
        let sources = tenant.data_sources.iter();
        let names: Vec<&str> = sources.map(|source| source.name.as_str()).collect();
        complain(&format!(
            "rosterd: name a data source of {} with --source: {}",
            tenant.id,
            names.join(", ")
        ));
    }
    found
}

/// On a terminal only; in a log it would be noise.
fn progress_bar() -> Option<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} rows read in {elapsed}")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    Some(bar)
}
