//! `rosterd logins`: who may log in, from where and with what, and which of it was last used when.

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::{Ending, answer, complain, json, open_db};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Credential, Login, Tenant};
use crate::daemon::{self, AskError, Question};
use crate::db::CredentialUse;
use crate::listen::uses::Used;
use crate::report::text;
use crate::tenant::{Environment, TenantId};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Only this tenant's.
    #[arg(long, short, value_name = "NAME", value_parser = TenantId::parse)]
    tenant: Option<TenantId>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Listing<'c> {
    logins: Vec<Listed<'c>>,
}

#[derive(Debug, Serialize)]
struct Listed<'c> {
    tenant: &'c TenantId,
    user: &'c str,
    environment: Environment,
    rights: Vec<&'static str>,
    allow_from: Vec<String>,
    credentials: Vec<ListedCredential<'c>>,
}

#[derive(Debug, Serialize)]
struct ListedCredential<'c> {
    kind: &'static str,
    id: &'c str,
    name: Option<&'c str>,
    /// Of a key.
    algorithm: Option<&'c str>,
    /// The last day on which it is accepted, where the tenant is.
    expires: Option<String>,
    /// The instant from which on it is not.
    ends_at: Option<String>,
    expired: bool,
    last_used_at: Option<String>,
    last_protocol: Option<&'c str>,
    last_address: Option<&'c str>,
    uses: u64,
}

type Known = BTreeMap<Used, CredentialUse>;

pub(super) async fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    if let Some(tenant) = &arguments.tenant
        && !config.tenants.contains_key(tenant)
    {
        complain(&format!("rosterd: there is no tenant \"{tenant}\""));
        return Ok(Ending::Not);
    }
    let db = open_db(config).await?;
    have_uses_written(config);
    let known = db.credential_uses().await?;
    let listing = listing(config, arguments.tenant.as_ref(), &known, SystemClock.now());
    answer(&if arguments.json {
        json(&listing)?
    } else {
        words(&listing)
    })?;
    Ok(Ending::Done)
}

/// A running daemon writes what it has at an interval; what is listed is to be of now.
fn have_uses_written(config: &Config) {
    let behind = "the uses of the last half minute may be missing";
    match daemon::ask(&config.server.state_dir, &Question::WriteUses) {
        Ok(answer) if answer["written"] == true => {}
        Ok(_) => complain(&format!(
            "rosterd: {behind}: the running rosterd could not write them in time"
        )),
        Err(AskError::NotRunning { .. }) => {}
        Err(error) => complain(&format!("rosterd: {behind}: {error}")),
    }
}

fn listing<'c>(
    config: &'c Config,
    only: Option<&TenantId>,
    known: &'c Known,
    now: Timestamp,
) -> Listing<'c> {
    let tenants = config.tenants.values();
    let shown = tenants.filter(|tenant| only.is_none_or(|only| *only == tenant.id));
    let logins = shown.flat_map(|tenant| {
        let logins = tenant.logins.iter();
        logins.map(|login| listed(tenant, login, known, now))
    });
    Listing {
        logins: logins.collect(),
    }
}

fn listed<'c>(
    tenant: &'c Tenant,
    login: &'c Login,
    known: &'c Known,
    now: Timestamp,
) -> Listed<'c> {
    let passwords = login.passwords.iter().map(|it| (&it.credential, None));
    let keys = login.authorized_keys.iter();
    let keys = keys.map(|it| (&it.credential, Some(it.algorithm.as_str())));
    let credential = |(it, algorithm): (&'c Credential, Option<&'c str>)| {
        let used = Used {
            tenant: tenant.id.clone(),
            user: login.user.clone(),
            kind: it.kind,
            id: it.id.clone(),
        };
        let last = known.get(&used);
        ListedCredential {
            kind: it.kind.as_str(),
            id: &it.id,
            name: it.name.as_deref(),
            algorithm,
            expires: it.expires.map(|day| day.to_string()),
            ends_at: it.ends(&tenant.time_zone).map(|end| end.to_string()),
            expired: !it.is_live(tenant, now),
            last_used_at: last.map(|last| format!("{:.0}", last.last_used_at)),
            last_protocol: last.map(|last| last.last_protocol.as_str()),
            last_address: last.map(|last| last.last_address.as_str()),
            uses: last.map_or(0, |last| last.uses),
        }
    };
    Listed {
        tenant: &tenant.id,
        user: &login.user,
        environment: login.environment,
        rights: login.rights.words().collect(),
        allow_from: login.allow_from.words(),
        credentials: passwords.chain(keys).map(credential).collect(),
    }
}

fn words(listing: &Listing<'_>) -> String {
    if listing.logins.is_empty() {
        return "No logins yet: a tenant's file has them as [[login]].\n".to_owned();
    }
    let logins: Vec<_> = listing.logins.iter().map(of_login).collect();
    logins.join("\n")
}

/// Whose it is and what it may, then its credentials as a table.
fn of_login(login: &Listed<'_>) -> String {
    let or_none = |words: &[&str]| match words {
        [] => "nothing but to list".to_owned(),
        words => words.join(", "),
    };
    let head = text::text(&[
        format!("{}  ({}, {})", login.user, login.tenant, login.environment),
        format!("  may   {}", or_none(&login.rights)),
        format!("  from  {}", login.allow_from.join(", ")),
    ]);
    let titles = [
        "",
        "CREDENTIAL",
        "EXPIRES",
        "LAST USED",
        "BY",
        "FROM",
        "USES",
    ];
    let mut lines = vec![titles.map(str::to_owned)];
    lines.extend(login.credentials.iter().map(|it| {
        let expires = match &it.expires {
            Some(day) if it.expired => format!("EXPIRED {day}"),
            Some(day) => day.clone(),
            None => "-".to_owned(),
        };
        let or = |word: Option<&str>, otherwise: &str| word.unwrap_or(otherwise).to_owned();
        [
            String::new(),
            format!("{} {}", it.kind, it.name.unwrap_or(it.id)),
            expires,
            or(it.last_used_at.as_deref(), "never"),
            or(it.last_protocol, "-"),
            or(it.last_address, "-"),
            it.uses.to_string(),
        ]
    }));
    head + &text::table(&lines)
}
