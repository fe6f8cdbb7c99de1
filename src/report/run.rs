//! Pure. The RUN document: what `runs`, `run`, `import` and the receipt tell of an import run.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::parse::check::columns::MappedColumns;
use crate::parse::finding::Finding;
use crate::roster::diff::Counts;
use crate::roster::person::Change;
use crate::tenant::{Environment, TenantId};

/// What a run has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Queued,
    Running,
    /// The roster is as the file says.
    Applied,
    /// The file says what the roster says.
    NoChange,
    /// Waits for a person.
    Held,
    /// Their file, or an admin's decision.
    Refused,
    /// A newer file of the same data source made it pointless.
    Superseded,
    /// Our fault, and the last try is over.
    Failed,
    /// Nothing was recorded or changed.
    DryRun,
}

impl Outcome {
    const ALL: [Self; 9] = [
        Self::Queued,
        Self::Running,
        Self::Applied,
        Self::NoChange,
        Self::Held,
        Self::Refused,
        Self::Superseded,
        Self::Failed,
        Self::DryRun,
    ];

    /// The word of the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Applied => "applied",
            Self::NoChange => "no_change",
            Self::Held => "held",
            Self::Refused => "refused",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::DryRun => "dry_run",
        }
    }

    /// Takes the word of the contract.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }

    /// Whether nothing more happens by itself.
    pub const fn is_settled(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    /// Whether a command that ends with it exits with 0.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Applied | Self::NoChange)
    }
}

/// What a run is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// A file that came in.
    Delivery,
    /// A file that came in once, again, because somebody wanted it.
    Rerun,
    /// Takes an applied run back.
    Undo,
    /// What was due on a day.
    Scheduled,
    /// Somebody is forgotten.
    Forget,
}

impl RunKind {
    const ALL: [Self; 5] = [
        Self::Delivery,
        Self::Rerun,
        Self::Undo,
        Self::Scheduled,
        Self::Forget,
    ];

    /// The word of the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Rerun => "rerun",
            Self::Undo => "undo",
            Self::Scheduled => "scheduled",
            Self::Forget => "forget",
        }
    }

    /// Takes the word of the contract.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A run as the contract tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// None for a dry run.
    pub id: Option<String>,
    pub kind: RunKind,
    pub tenant: TenantId,
    pub environment: Environment,
    pub source: String,
    /// None for a run that is of no delivery, as are the name and the digest of its file.
    pub delivery: Option<String>,
    /// Without the folder it was sent to.
    pub file_name: Option<String>,
    pub sha256: Option<String>,
    pub outcome: Outcome,
    /// What a dry run would have come to.
    pub would: Option<Outcome>,
    #[serde(serialize_with = "instant")]
    pub started_at: Option<Timestamp>,
    #[serde(serialize_with = "instant")]
    pub finished_at: Option<Timestamp>,
    pub counts: Counts,
    pub reason: Option<String>,
    /// The run that an undo takes back, the delivery that a rerun repeats.
    pub about: Option<String>,
    /// Who asked for it; none where nobody had to.
    pub asked_by: Option<String>,
}

impl Run {
    /// The exit code of a command that ends with this run.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.would.unwrap_or(self.outcome).is_good())
    }
}

/// A run with everything about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunDocument {
    #[serde(flatten)]
    pub run: Run,
    pub findings: Vec<Finding>,
    /// Pay and national ids masked.
    pub changes: Vec<Change>,
    /// What the columns came to; of a dry run only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<MappedColumns>,
    /// All findings, also those that are not kept.
    #[serde(skip)]
    pub findings_total: u64,
    /// All changes, also those that were not asked for.
    #[serde(skip)]
    pub changes_total: u64,
}

/// What `runs --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunList {
    pub runs: Vec<Run>,
}

#[expect(
    clippy::ref_option,
    reason = "serde hands over a reference to the field"
)]
fn instant<S: Serializer>(instant: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match instant {
        Some(instant) => serializer.collect_str(&format_args!("{instant:.3}")),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::parse::check::columns::{Found, MappedColumn};
    use crate::parse::field::Field;
    use crate::roster::person::{ChangeKind, FieldChanges, Fields};

    /// A run of somebody's invention.
    pub(in crate::report) fn example() -> RunDocument {
        let mut fields = FieldChanges::default();
        fields.note(&Fields::default(), Field::LastName, "Okafor");
        fields.note(&Fields::default(), Field::AnnualPay, "50000");
        RunDocument {
            run: Run {
                id: Some("0193-run".to_owned()),
                kind: RunKind::Delivery,
                tenant: TenantId::parse("acme").unwrap(),
                environment: Environment::Production,
                source: "employees".to_owned(),
                delivery: Some("0193-delivery".to_owned()),
                file_name: Some("employees.csv".to_owned()),
                sha256: Some("ab".repeat(32)),
                outcome: Outcome::Applied,
                would: None,
                started_at: Some("2026-11-22T01:02:03.5Z".parse().unwrap()),
                finished_at: Some("2026-11-22T01:02:04Z".parse().unwrap()),
                counts: Counts {
                    rows: 3,
                    joiners: 1,
                    unchanged: 1,
                    refused_rows: 1,
                    ..Counts::default()
                },
                reason: None,
                about: None,
                asked_by: None,
            },
            findings: vec![Finding::row(
                3,
                Some("E-mail"),
                "type-error",
                "=HYPERLINK is no e-mail address.",
                "Correct it, \"please\".",
            )],
            changes: vec![Change {
                kind: ChangeKind::Joiner,
                employee_id: "007".to_owned(),
                fields: fields.masked(),
            }],
            mapping: None,
            findings_total: 1,
            changes_total: 1,
        }
    }

    /// What the columns of a file came to.
    pub(in crate::report) fn mapping() -> MappedColumns {
        let column = MappedColumn::new;
        let mut mapping = MappedColumns {
            columns: vec![
                column(Field::EmployeeId, "Employee #", Found::Saved),
                column(Field::FirstName, "Name", Found::Derived),
                column(Field::LastName, "Name", Found::Derived),
                column(Field::FullName, "Name", Found::Synonym),
                column(Field::HireDate, "In the company since", Found::Configured),
            ],
            unused: ["Shoe size", "E-Mail Adr.", "Pet"]
                .map(str::to_owned)
                .to_vec(),
            suggestions: Vec::new(),
        };
        mapping.suggest();
        mapping
    }

    #[test]
    fn the_run_document_has_the_keys_of_the_contract() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&example()).unwrap());
    }

    #[test]
    fn a_dry_run_tells_what_each_column_came_to() {
        let document = RunDocument {
            mapping: Some(mapping()),
            ..example()
        };
        let told = serde_json::to_value(document).unwrap();
        assert_eq!(
            told["mapping"]["columns"][1],
            serde_json::json!({"field": "first_name", "header": "Name", "found": "derived"})
        );
        assert_eq!(told["mapping"]["unused"][0], "Shoe size");
        assert_eq!(
            told["mapping"]["suggestions"],
            serde_json::json!([{
                "field": "work_email", "header": "E-Mail Adr.", "line": "work_email = \"E-Mail Adr.\""
            }])
        );
    }

    #[test]
    fn outcomes_are_the_words_of_the_contract() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::parse(outcome.as_str()), Some(outcome));
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
        }
    }

    #[test]
    fn what_a_run_is_of_is_a_word_too() {
        for kind in RunKind::ALL {
            assert_eq!(RunKind::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn a_command_ends_well_when_the_run_did_or_would() {
        let mut run = example().run;
        assert_eq!(run.exit_code(), 0);
        run.outcome = Outcome::DryRun;
        run.would = Some(Outcome::Held);
        assert_eq!(run.exit_code(), 1);
        run.would = Some(Outcome::NoChange);
        assert_eq!(run.exit_code(), 0);
    }
}
