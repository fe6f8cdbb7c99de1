//! `rosterd publish` and `rosterd unpublish`: an admin looks at what a sample comes to, and then lets deliveries be applied (R1.06, R2.16, R2.17).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::import::source as choose;
use super::who::who;
use super::{Ending, Place, answer, complain, open_core};
use crate::config::{Config, Tenant};
use crate::daemon::Core;
use crate::mailbox::layout::Layout;
use crate::parse::check::columns::MappedColumn;
use crate::parse::field::Field;
use crate::report::run::{Outcome, RunDocument};
use crate::report::text;
use crate::tenant::{DataSource, GoLive};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The data source; may be left out where there is one only.
    #[arg(long, short, value_name = "NAME")]
    source: Option<String>,
    /// A file as it will be sent; else the last delivery is looked at.
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct UnpublishArguments {
    #[command(flatten)]
    place: Place,
    /// The data source; may be left out where there is one only.
    #[arg(long, short, value_name = "NAME")]
    source: Option<String>,
}

/// What is looked at before it goes live.
struct Sample {
    path: PathBuf,
    /// As people know it.
    name: String,
}

pub(super) async fn publish(config: Config, arguments: Arguments) -> anyhow::Result<Ending> {
    let Some(tenant) = tenant(&config, &arguments.place) else {
        return Ok(Ending::Not);
    };
    let Some(source) = choose(&tenant, arguments.source.as_deref(), None) else {
        return Ok(Ending::Not);
    };
    let core = open_core(config).await?;
    let environment = arguments.place.environment;
    let Some(sample) = sample(&core, &arguments, source).await? else {
        return Ok(Ending::Not);
    };
    let mut document = core
        .importer
        .dry_run(&tenant.id, environment, &source.name, &sample.path)
        .await?;
    document.run.file_name = Some(sample.name);
    answer(&text::run(&document))?;
    if let Some(why_not) = objection(&document, source) {
        complain(&format!("rosterd: not published: {why_not}"));
        return Ok(Ending::Not);
    }
    core.db
        .publish(
            (&tenant.id, environment, &source.name),
            &source.terms(),
            &who().to_string(),
        )
        .await?;
    core.db.close().await;
    let note = match source.go_live {
        GoLive::Published => {
            "The next delivery is applied. What has come already stays a dry run: `rosterd rerun DELIVERY` applies it. After a change of the mapping it is to be published anew."
        }
        GoLive::AtOnce => {
            "It says go_live = \"at_once\", so its deliveries were applied before this too."
        }
    };
    answer(&format!(
        "\n{} of {}/{environment} is published. {note}\n",
        source.name, tenant.id
    ))?;
    Ok(Ending::Done)
}

pub(super) async fn unpublish(
    config: Config,
    arguments: &UnpublishArguments,
) -> anyhow::Result<Ending> {
    let Some(tenant) = tenant(&config, &arguments.place) else {
        return Ok(Ending::Not);
    };
    let Some(source) = choose(&tenant, arguments.source.as_deref(), None) else {
        return Ok(Ending::Not);
    };
    let core = open_core(config).await?;
    let environment = arguments.place.environment;
    let was = core
        .db
        .unpublish(&tenant.id, environment, &source.name)
        .await?;
    core.db.close().await;
    let place = format!("{} of {}/{environment}", source.name, tenant.id);
    if source.go_live == GoLive::AtOnce {
        complain(&format!(
            "rosterd: {place} says go_live = \"at_once\", so its deliveries are applied all the same: take that line away first, and reload"
        ));
        return Ok(Ending::Not);
    }
    if !was {
        complain(&format!("rosterd: {place} was not published"));
        return Ok(Ending::Not);
    }
    answer(&format!(
        "{place} is not published any more: its deliveries run dry from now on. The roster stays as it is.\n"
    ))?;
    Ok(Ending::Done)
}

/// As the environment has it; says so where there is no such tenant.
fn tenant(config: &Config, place: &Place) -> Option<Arc<Tenant>> {
    let found = config.tenant(&place.tenant);
    if found.is_none() {
        complain(&format!("rosterd: there is no tenant \"{}\"", place.tenant));
    }
    found.map(|tenant| tenant.within(place.environment))
}

/// The file that was named, or the archived copy of the last delivery; says so where there is neither.
async fn sample(
    core: &Core,
    arguments: &Arguments,
    source: &DataSource,
) -> anyhow::Result<Option<Sample>> {
    if let Some(path) = &arguments.sample {
        if let Err(error) = std::fs::File::open(path) {
            complain(&format!("rosterd: cannot read {}: {error}", path.display()));
            return Ok(None);
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        return Ok(Some(Sample {
            name: name.to_string_lossy().into_owned(),
            path: path.clone(),
        }));
    }
    let Some(tenant) = core.config.tenant(&arguments.place.tenant) else {
        return Ok(None);
    };
    let environment = arguments.place.environment;
    let last = core
        .db
        .last_delivery(&tenant.id, environment, &source.name)
        .await?;
    let Some(last) = last else {
        complain(&format!(
            "rosterd: nothing was delivered for {} yet: have a file sent, or name one with --sample",
            source.name
        ));
        return Ok(None);
    };
    let layout = Layout::new(&core.config.server.state_dir, &tenant.id, environment);
    let path = layout.archive.join(last.id.as_str());
    if !is_there(&path) {
        complain(&format!(
            "rosterd: the copy of the last delivery, of {:.0}, is not kept any more: have a file sent, or name one with --sample",
            last.received_at
        ));
        return Ok(None);
    }
    let name = last.file_name.rsplit('/').next().unwrap_or_default();
    Ok(Some(Sample {
        name: format!("{name}, delivered {:.0}", last.received_at),
        path,
    }))
}

fn is_there(path: &Path) -> bool {
    path.try_exists().unwrap_or(false)
}

/// Why the sample is none that a data source could go live with.
fn objection(document: &RunDocument, source: &DataSource) -> Option<String> {
    if document.run.would == Some(Outcome::Refused) {
        let reason = document.run.reason.as_deref().unwrap_or_default();
        return Some(format!("the file would be refused. {reason}"));
    }
    let columns = document.mapping.iter().flat_map(|it| &it.columns);
    let found: Vec<Field> = columns.filter_map(MappedColumn::field).collect();
    let required = source.mapping.required.iter();
    let missing: Vec<&str> = required
        .filter(|field| !found.contains(field))
        .map(|field| field.name())
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "no column of the file holds {}, which the configuration requires",
            missing.join(", ")
        )
    })
}
