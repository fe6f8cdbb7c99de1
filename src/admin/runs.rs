//! `rosterd runs`, `rosterd run` and `rosterd errors`: the import history.

use std::collections::BTreeSet;

use clap::Args;

use super::audit::Noted;
use super::{Ending, answer, complain, json, open_db};
use crate::config::Config;
use crate::report::run::RunList;
use crate::report::{error_file, text};
use crate::tenant::TenantId;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only this tenant's.
    #[arg(long, short, value_name = "NAME", value_parser = TenantId::parse)]
    tenant: Option<TenantId>,
    /// At most this many.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct OneArguments {
    /// The run, or its delivery.
    id: String,
    /// Show every change, not the first ones only.
    #[arg(long)]
    all: bool,
    /// Print one JSON document, with every change.
    #[arg(long)]
    json: bool,
}

pub(super) async fn list(config: &Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    if let Some(tenant) = &arguments.tenant
        && !config.tenants.contains_key(tenant)
    {
        complain(&format!("rosterd: there is no tenant \"{tenant}\""));
        return Ok(Ending::Not);
    }
    let db = open_db(config).await?;
    let runs = db.runs(arguments.tenant.as_ref(), arguments.limit).await?;
    answer(&if arguments.json {
        json(&RunList { runs })?
    } else {
        text::runs(&runs)
    })?;
    Ok(Ending::Done)
}

pub(super) async fn show(config: &Config, arguments: &OneArguments) -> anyhow::Result<Ending> {
    let db = open_db(config).await?;
    let shown = changes_shown(arguments.json || arguments.all);
    let masking = |tenant: &TenantId| config.masking(tenant);
    let Some(document) = db.run_document_for(&arguments.id, shown, masking).await? else {
        return Ok(unknown(&arguments.id));
    };
    let place = (&document.run.tenant, document.run.environment);
    let what = format!("changes of the run {}", arguments.id);
    let noted = match document.changes.len() as u64 {
        0 => None,
        people => Some((
            Noted::begin(config, &db, "run", place, &what).await?,
            people,
        )),
    };
    answer(&if arguments.json {
        json(&document)?
    } else if arguments.all {
        text::run_in_full(&document)
    } else {
        text::run(&document)
    })?;
    if let Some((noted, people)) = noted {
        noted.end(people).await?;
    }
    Ok(Ending::Done)
}

/// How many changes an answer needs: a text for a person shows the first few of them.
pub(super) fn changes_shown(all: bool) -> u32 {
    if all { u32::MAX } else { text::SHOWN_HELD }
}

pub(super) async fn errors(config: &Config, id: &str) -> anyhow::Result<Ending> {
    let db = open_db(config).await?;
    let Some(document) = db.run_document(id, 0).await? else {
        return Ok(unknown(id));
    };
    let rows: BTreeSet<u64> = document.findings.iter().filter_map(|it| it.row).collect();
    if !rows.is_empty() {
        let place = (&document.run.tenant, document.run.environment);
        let what = format!("findings of the run {id}");
        let noted = Noted::begin(config, &db, "errors", place, &what).await?;
        noted.end(rows.len() as u64).await?;
    }
    let csv = error_file::error_file(&document.findings, document.findings_total);
    answer(&String::from_utf8(csv)?)?;
    Ok(Ending::Done)
}

pub(super) fn unknown(id: &str) -> Ending {
    complain(&format!(
        "rosterd: there is no run or delivery {id}; `rosterd runs` lists them"
    ));
    Ending::Not
}
