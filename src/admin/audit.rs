//! `rosterd audit`: who has looked at people's data through these commands, and the note that each of them makes before it shows any.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use tokio::time::timeout;

use super::audit_aside::{Pending, PendingLine};
use super::who::{Who, who};
use super::{Ending, answer, complain, json, open_db};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::db::{Db, DbError, Looking, View};
use crate::report::text::{table, text};
use crate::tenant::{Environment, TenantId};

/// How long a note waits for whoever writes the database.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only looks at this tenant's people.
    #[arg(long, short, value_name = "NAME", value_parser = TenantId::parse)]
    tenant: Option<TenantId>,
    /// At most this many.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// A look that is noted; nothing may be shown without one.
pub(super) struct Noted<'a> {
    db: &'a Db,
    place: Book,
}

/// Where a look is noted.
enum Book {
    /// By its number.
    Table(i64),
    /// Under a name of its own.
    Aside(Pending, String),
}

impl<'a> Noted<'a> {
    /// Notes that `command` is about to show `what` of somebody's people.
    pub(super) async fn begin(
        config: &Config,
        db: &'a Db,
        command: &str,
        place: (&TenantId, Environment),
        what: &str,
    ) -> anyhow::Result<Self> {
        let pending = Pending::in_folder(&config.server.state_dir);
        let who: Who = who();
        let looking = Looking {
            at: SystemClock.now(),
            uid: who.uid,
            who: &who.to_string(),
            command,
            place: Some(place),
            what,
        };
        // Another process may write for long, and reading waits for nobody.
        let place = match timeout(PATIENCE, db.begin_view(&looking)).await {
            Ok(Ok(id)) => {
                pending.enter(db).await?;
                Book::Table(id)
            }
            Ok(Err(error)) if !matches!(error, DbError::Busy(_) | DbError::Full(_)) => {
                return Err(error.into());
            }
            _ => {
                let id = uuid::Uuid::now_v7().to_string();
                pending.note(&PendingLine::of(&id, &looking))?;
                Book::Aside(pending, id)
            }
        };
        Ok(Self { db, place })
    }

    /// Notes how many people were shown.
    pub(super) async fn end(self, people: u64) -> anyhow::Result<()> {
        match self.place {
            Book::Table(id) => match timeout(PATIENCE, self.db.end_view(id, people)).await {
                Ok(ended) => Ok(ended?),
                // That there was a look is noted.
                Err(_) => Ok(()),
            },
            Book::Aside(pending, id) => Ok(pending.note(&PendingLine::ended(&id, people))?),
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    uid: u32,
    who: &'a str,
    command: &'a str,
    tenant: Option<&'a str>,
    environment: Option<&'a str>,
    what: &'a str,
    people: Option<u64>,
}

impl<'a> Line<'a> {
    fn of(view: &'a View) -> Self {
        Self {
            at: format!("{:.3}", view.at),
            uid: view.uid,
            who: &view.who,
            command: &view.command,
            tenant: view.tenant.as_deref(),
            environment: view.environment.as_deref(),
            what: &view.what,
            people: view.people,
        }
    }
}

pub(super) async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    if let Some(tenant) = &arguments.tenant
        && !config.tenants.contains_key(tenant)
    {
        complain(&format!("rosterd: there is no tenant \"{tenant}\""));
        return Ok(Ending::Not);
    }
    let db = open_db(config).await?;
    Pending::in_folder(&config.server.state_dir)
        .enter(&db)
        .await?;
    let views = db.views(arguments.tenant.as_ref(), arguments.limit).await?;
    answer(&if arguments.json {
        let lines: Vec<_> = views.iter().map(Line::of).collect();
        json(&serde_json::json!({ "views": lines }))?
    } else {
        listed(&views)
    })?;
    Ok(Ending::Done)
}

fn listed(views: &[View]) -> String {
    if views.is_empty() {
        return text(&["Nobody has looked at people's data yet.".to_owned()]);
    }
    let head = ["WHEN", "WHO", "COMMAND", "TENANT", "WHAT", "PEOPLE"];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(views.iter().map(|view| {
        let place = match (&view.tenant, &view.environment) {
            (Some(tenant), Some(environment)) => format!("{tenant}/{environment}"),
            (tenant, _) => tenant.clone().unwrap_or_else(|| "-".to_owned()),
        };
        [
            format!("{:.0}", view.at),
            view.who.clone(),
            view.command.clone(),
            place,
            view.what.clone(),
            view.people
                .map_or_else(|| "cut off".to_owned(), |people| people.to_string()),
        ]
    }));
    table(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_a_table_and_one_that_was_cut_off_says_so() {
        let view = |what: &str, people| View {
            at: "2026-11-22T01:02:03.5Z".parse().unwrap(),
            uid: 1000,
            who: "ann (1000)".to_owned(),
            command: "roster".to_owned(),
            tenant: Some("acme".to_owned()),
            environment: Some("production".to_owned()),
            what: what.to_owned(),
            people,
        };
        let views = [view("who is employed", Some(12)), view("everybody", None)];
        insta::assert_snapshot!(listed(&views));
        assert!(listed(&[]).starts_with("Nobody"));
    }
}
