//! `rosterd template`: what a sender's file should look like.

use anyhow::bail;
use clap::Args;

use super::{Ending, answer, complain};
use crate::config::Config;
use crate::report::template;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The tenant's name.
    #[arg(long, short, value_name = "NAME")]
    tenant: String,
    /// The data source, where the tenant has several.
    #[arg(long, short, value_name = "NAME")]
    source: Option<String>,
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    let Some(tenant) = config.tenant(&arguments.tenant) else {
        complain(&format!(
            "rosterd: there is no tenant \"{}\"",
            arguments.tenant
        ));
        return Ok(Ending::Not);
    };
    let source = match (&arguments.source, tenant.data_sources.as_slice()) {
        (Some(name), _) => tenant.data_sources.iter().find(|it| it.name == *name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let Some(source) = source else {
        let names: Vec<&str> = tenant
            .data_sources
            .iter()
            .map(|source| source.name.as_str())
            .collect();
        bail!(
            "name a data source with --source: {} has {}",
            tenant.id,
            names.join(", ")
        );
    };
    let csv = template::template(&source.mapping)?;
    answer(&String::from_utf8(csv)?)?;
    Ok(Ending::Done)
}
