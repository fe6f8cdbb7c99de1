//! `rosterd pause` and `rosterd resume`: whether the files of a data source are applied, or each of them waits for a person.

use clap::Args;

use super::{Ending, Place, answer, complain, open_core, who};
use crate::config::Config;
use crate::daemon::Core;
use crate::report::text;
use crate::tenant::{Environment, TenantId};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The data source; not needed where the tenant has one only.
    #[arg(long, short, value_name = "NAME")]
    source: Option<String>,
}

pub(super) async fn pause(config: Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    let core = open_core(config).await?;
    let Some((tenant, source)) = source(&core, arguments) else {
        return Ok(Ending::Not);
    };
    let environment = arguments.place.environment;
    let owner = (&tenant, environment, source.as_str());
    let word = if core.db.pause_source(owner, &who::asks()).await? {
        "is paused now"
    } else {
        "was paused already"
    };
    let resume = resume_command(&tenant, environment, &source);
    answer(&format!(
        "{source} of {tenant}/{environment} {word}: each of its files waits for a person until `{resume}`.\n"
    ))?;
    Ok(Ending::Done)
}

pub(super) async fn resume(config: Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    let core = open_core(config).await?;
    let Some((tenant, source)) = source(&core, arguments) else {
        return Ok(Ending::Not);
    };
    let environment = arguments.place.environment;
    if !core.db.resume_source(&tenant, environment, &source).await? {
        complain(&format!(
            "rosterd: {source} of {tenant}/{environment} is not paused"
        ));
        return Ok(Ending::Not);
    }
    answer(&format!(
        "{source} of {tenant}/{environment} is not paused any more: its next file is applied as ever.\n"
    ))?;
    let mut waiting = core.db.held_runs(&tenant).await?;
    waiting.retain(|run| run.source == source && run.environment == environment);
    if !waiting.is_empty() {
        answer(&format!(
            "What came meanwhile still waits for a person:\n{}",
            text::runs(&waiting)
        ))?;
    }
    Ok(Ending::Done)
}

/// The data source that is meant, whether it is still configured or not; says so where that cannot be told.
fn source(core: &Core, arguments: &Arguments) -> Option<(TenantId, String)> {
    let name = &arguments.place.tenant;
    let Some(tenant) = core.config.tenant(name) else {
        complain(&format!("rosterd: there is no tenant \"{name}\""));
        return None;
    };
    let names: Vec<&str> = tenant
        .data_sources
        .iter()
        .map(|source| source.name.as_str())
        .collect();
    let source = match (&arguments.source, names.as_slice()) {
        (Some(source), names) if names.contains(&source.as_str()) => source.clone(),
        (None, [only]) => (*only).to_owned(),
        (_, names) => {
            complain(&format!(
                "rosterd: name a data source of {name} with --source: {}",
                names.join(", ")
            ));
            return None;
        }
    };
    Some((tenant.id.clone(), source))
}

/// What to type to end a pause.
pub(super) fn resume_command(tenant: &TenantId, environment: Environment, source: &str) -> String {
    let environment = match environment {
        Environment::Production => String::new(),
        Environment::Sandbox => format!(" --environment {environment}"),
    };
    format!("rosterd resume --tenant {tenant}{environment} --source {source}")
}
