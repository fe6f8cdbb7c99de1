//! `rosterd bans`: who is banned by the running daemon, and the end of bans.

use std::net::IpAddr;

use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Ending, answer, complain, json};
use crate::config::Config;
use crate::daemon::{self, AskError, Question};
use crate::listen::bans::Ban;
use crate::report::text;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// End the bans of this address, with what counts against it so far. An IPv6 address stands for its /64.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "lift_all", value_parser = parse_address)]
    lift: Option<IpAddr>,
    /// End all bans, with what counts against anybody so far.
    #[arg(long)]
    lift_all: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct List {
    bans: Vec<Ban>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Lifted {
    lifted: usize,
}

/// An address, or a network as the list shows it.
fn parse_address(text: &str) -> Result<IpAddr, &'static str> {
    let address = text.strip_suffix("/64").unwrap_or(text);
    let parsed = address.parse::<IpAddr>().ok();
    parsed
        .filter(|it| it.is_ipv6() || address == text)
        .ok_or("expected an address as `rosterd bans` shows it")
}

pub(super) fn run(config: &Config, arguments: &Arguments) -> anyhow::Result<Ending> {
    let state_dir = &config.server.state_dir;
    if state_dir.is_dir() {
        daemon::own_state_dir(state_dir)?;
    }
    let question = match (arguments.lift, arguments.lift_all) {
        (Some(address), _) => Question::Lift { address },
        (None, true) => Question::LiftAll,
        (None, false) => Question::Bans,
    };
    let found = match daemon::ask(state_dir, &question) {
        Ok(found) => found,
        Err(AskError::NotRunning { state_dir }) => {
            complain(&format!(
                "rosterd: bans live in the running daemon, and none is running on the state folder {}: whoever was banned is not any more",
                state_dir.display()
            ));
            return Ok(Ending::Not);
        }
        Err(error) => return Err(error.into()),
    };
    let other_version = "the running rosterd is of another version";
    if question == Question::Bans {
        let list: List = serde_json::from_value(found).context(other_version)?;
        answer(&if arguments.json {
            json(&list)?
        } else {
            table(&list.bans)
        })?;
        return Ok(Ending::Done);
    }
    let lifted: Lifted = serde_json::from_value(found).context(other_version)?;
    let ending = match (lifted.lifted, arguments.lift) {
        (0, Some(_)) => Ending::Not,
        _ => Ending::Done,
    };
    answer(&if arguments.json {
        json(&lifted)?
    } else {
        words(lifted.lifted, arguments.lift)
    })?;
    Ok(ending)
}

fn words(lifted: usize, address: Option<IpAddr>) -> String {
    match (lifted, address) {
        (0, Some(address)) => format!("{address} is not banned\n"),
        (0, None) => "Nobody is banned.\n".to_owned(),
        (1, _) => "1 ban was lifted\n".to_owned(),
        (lifted, _) => format!("{lifted} bans were lifted\n"),
    }
}

fn table(bans: &[Ban]) -> String {
    if bans.is_empty() {
        return "Nobody is banned.\n".to_owned();
    }
    let head = [
        "ADDRESS",
        "TENANT",
        "SINCE",
        "UNTIL",
        "SCORE",
        "LAST REASON",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(bans.iter().map(|ban| {
        [
            ban.address.clone(),
            ban.tenant.clone().unwrap_or_else(|| "all".to_owned()),
            ban.since.clone(),
            ban.until.clone(),
            ban.score.to_string(),
            ban.last_reason.clone(),
        ]
    }));
    text::table(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_are_a_table() {
        let one = Ban {
            address: "203.0.113.7".to_owned(),
            tenant: None,
            since: "2026-11-22T08:00:00Z".to_owned(),
            until: "2026-11-22T08:15:00Z".to_owned(),
            score: 20,
            last_reason: "no tenant has such a login".to_owned(),
        };
        let other = Ban {
            address: "2001:db8:0:1::/64".to_owned(),
            tenant: Some("acme".to_owned()),
            last_reason: "the password is wrong".to_owned(),
            ..one.clone()
        };
        insta::assert_snapshot!(table(&[one, other]));
        assert_eq!(table(&[]), "Nobody is banned.\n");
        let address = "203.0.113.7".parse().ok();
        let said = [(0, address), (0, None), (1, address), (7, None)];
        let said = said.map(|(lifted, address)| words(lifted, address));
        insta::assert_snapshot!(said.concat());
    }

    #[test]
    fn what_the_list_shows_can_be_lifted() {
        for good in ["203.0.113.7", "2001:db8::", "2001:db8::/64"] {
            parse_address(good).unwrap();
        }
        for bad in ["203.0.113.0/24", "203.0.113.7/64", "acme", ""] {
            parse_address(bad).unwrap_err();
        }
    }
}
