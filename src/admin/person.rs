//! `rosterd person`: one person, how they came to be what they are, and whom they belong to.

use clap::Args;

use super::audit::Noted;
use super::{Ending, Place, answer, complain, json, open_db};
use crate::config::Config;
use crate::report::person::{PersonDocument, PersonList, person};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// The employee id.
    id: String,
    /// Show pay, national ids and the like, too.
    #[arg(long)]
    secrets: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    let Some(tenant) = config.tenant(&arguments.place.tenant) else {
        complain(&format!(
            "rosterd: there is no tenant \"{}\"",
            arguments.place.tenant
        ));
        return Ok(Ending::Not);
    };
    let db = open_db(config).await?;
    let id = arguments.id.trim();
    let found = db
        .people_called(&tenant.id, arguments.place.environment, id)
        .await?;
    if found.is_empty() {
        complain(&format!(
            "rosterd: nobody in {}/{} has, or had, the employee id \"{id}\"; `rosterd roster --tenant {0} --all` lists them",
            tenant.id, arguments.place.environment
        ));
        return Ok(Ending::Not);
    }
    let what = if arguments.secrets {
        "one person, with secrets"
    } else {
        "one person"
    };
    let place = (&tenant.id, arguments.place.environment);
    let noted = Noted::begin(config, &db, "person", place, what).await?;
    let people: Vec<PersonDocument> = if arguments.secrets {
        found
    } else {
        let masking = tenant.masking();
        found.into_iter().map(|it| it.masked(&masking)).collect()
    };
    let shown = people.len() as u64;
    answer(&if arguments.json {
        json(&PersonList { people })?
    } else {
        let texts: Vec<String> = people.iter().map(person).collect();
        texts.join("\n")
    })?;
    noted.end(shown).await?;
    Ok(Ending::Done)
}
