//! Pure. What a notice says: which run waits for a person, why, and what to type. Nobody's data stands in it.

use jiff::Timestamp;
use serde::Serialize;

use crate::report::run::{Outcome, Run};
use crate::roster::diff::Counts;

/// The body of a notice, as JSON.
#[derive(Serialize)]
struct Message<'a> {
    /// Of the notice: whoever gets one twice knows it again.
    id: &'a str,
    event: &'static str,
    at: String,
    run: Option<&'a str>,
    delivery: Option<&'a str>,
    tenant: &'a str,
    environment: &'a str,
    source: &'a str,
    outcome: Outcome,
    counts: Counts,
    reason: Option<String>,
    commands: Vec<String>,
    /// All of it for a chat that shows texts.
    text: String,
}

/// The notice `id` of `run`, which came to what it is at `made_at`.
pub(super) fn message(id: &str, made_at: Timestamp, run: &Run) -> Vec<u8> {
    let (event, state, verbs) = match run.outcome {
        Outcome::Held => (
            "run_held",
            "a run waits for a person",
            &["run", "approve", "reject"][..],
        ),
        _ => ("run_failed", "a run has failed", &["run", "retry"][..]),
    };
    let run_id = run.id.as_deref().unwrap_or_default();
    let commands: Vec<String> = verbs
        .iter()
        .map(|verb| format!("rosterd {verb} {run_id}"))
        .collect();
    let reason = run.reason.as_deref().map(without_quotes);
    let said = reason.as_deref().unwrap_or_default();
    let typed: Vec<String> = commands.iter().map(|it| format!("`{it}`")).collect();
    let text = format!(
        "{}/{}, {}: {state}. {said} {}",
        run.tenant,
        run.environment,
        run.source,
        typed.join(", ")
    );
    let message = Message {
        id,
        event,
        at: format!("{made_at:.3}"),
        run: run.id.as_deref(),
        delivery: run.delivery.as_deref(),
        tenant: run.tenant.as_str(),
        environment: run.environment.as_str(),
        source: &run.source,
        outcome: run.outcome,
        counts: run.counts,
        reason,
        commands,
        text,
    };
    serde_json::to_vec(&message).unwrap_or_default()
}

/// A reason names people, columns and values in quotes: these stay here.
fn without_quotes(reason: &str) -> String {
    let parts: Vec<&str> = reason.split('"').collect();
    // An odd one out opens a quotation that never ends.
    let parts = parts.iter().enumerate();
    parts
        .map(|(at, part)| if at % 2 == 0 { part } else { "\"…\"" })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run::RunKind;
    use crate::tenant::{Environment, TenantId};

    #[test]
    fn a_notice_says_what_to_type_and_names_nobody() {
        let run = Run {
            id: Some("0193-run".to_owned()),
            kind: RunKind::Delivery,
            tenant: TenantId::parse("acme").unwrap(),
            environment: Environment::Production,
            source: "employees".to_owned(),
            delivery: Some("0193-delivery".to_owned()),
            file_name: Some("Okafor Ltd.csv".to_owned()),
            sha256: Some("ab".repeat(32)),
            outcome: Outcome::Held,
            would: None,
            started_at: None,
            finished_at: None,
            counts: Counts {
                rows: 2,
                leavers: 3,
                ..Counts::default()
            },
            reason: Some(
                "3 of 5 people would leave, \"E5\" and \"Ada \u{201c}X\u{201d} Li\" among them."
                    .to_owned(),
            ),
            about: None,
            asked_by: Some("ada".to_owned()),
        };
        let made_at = "2026-11-22T02:00:00Z".parse().unwrap();
        let held = String::from_utf8(message("0193-notice", made_at, &run)).unwrap();
        for private in ["E5", "Ada", "ada", "Okafor"] {
            assert!(!held.contains(private), "{held}");
        }
        let held: serde_json::Value = serde_json::from_str(&held).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&held).unwrap());
        let failed = Run {
            outcome: Outcome::Failed,
            reason: None,
            ..run
        };
        let failed = message("0193-notice", made_at, &failed);
        let failed: serde_json::Value = serde_json::from_slice(&failed).unwrap();
        assert_eq!(failed["event"], "run_failed");
        assert_eq!(failed["commands"][1], "rosterd retry 0193-run");
    }

    #[test]
    fn an_open_quotation_is_left_out_to_its_end() {
        assert_eq!(without_quotes("a \"b\" c"), "a \"…\" c");
        assert_eq!(without_quotes("a \"b c"), "a \"…\"");
        assert_eq!(without_quotes("a"), "a");
    }
}
