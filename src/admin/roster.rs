//! `rosterd roster`: who is employed, page by page, so that a big roster needs no big memory.

use clap::{Args, ValueEnum};

use super::audit::Noted;
use super::{Ending, Place, answer, complain, open_db};
use crate::config::Config;
use crate::report::roster;

const PAGE: u32 = 1_000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Those who have left, too.
    #[arg(long)]
    all: bool,
    /// CSV has a line a person; JSON is one document.
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
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
    let environment = arguments.place.environment;
    let what = if arguments.all {
        "everybody, with who has left"
    } else {
        "who is employed"
    };
    let noted = Noted::begin(config, &db, "roster", (&tenant.id, environment), what).await?;
    let mut people = 0;
    let mut after = None;
    let mut is_first = true;
    match arguments.format {
        Format::Csv => answer(&String::from_utf8(roster::csv_header())?)?,
        Format::Json => answer("{\"people\":[")?,
    }
    loop {
        let page = db
            .roster_page(
                &tenant.id,
                arguments.place.environment,
                arguments.all,
                after.as_ref(),
                PAGE,
            )
            .await?;
        people += page.len() as u64;
        match arguments.format {
            Format::Csv => answer(&String::from_utf8(roster::csv_lines(&page))?)?,
            Format::Json => {
                for line in &page {
                    let comma = if is_first { "\n" } else { ",\n" };
                    answer(&format!("{comma}{}", serde_json::to_string(line)?))?;
                    is_first = false;
                }
            }
        }
        match page.into_iter().last() {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    if arguments.format == Format::Json {
        answer("\n]}\n")?;
    }
    noted.end(people).await?;
    Ok(Ending::Done)
}
