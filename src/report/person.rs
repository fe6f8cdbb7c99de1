//! Pure. One person, for the eyes of an admin: what is stored, how it came to be, and whom they belong to.

use jiff::Timestamp;
use serde::Serialize;
use serde::ser::Serializer;

use crate::report::run::RunKind;
use crate::report::text::text;
use crate::roster::masking::Masking;
use crate::roster::person::{ChangeKind, FieldChanges};
use crate::tenant::{Environment, TenantId};

/// A person of one data source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonDocument {
    pub tenant: TenantId,
    pub environment: Environment,
    pub source: String,
    pub employee_id: String,
    pub name: Option<String>,
    pub employed: bool,
    /// As changes from nothing, so that they are masked as changes are.
    #[serde(serialize_with = "values")]
    pub fields: FieldChanges,
    pub manager: Option<Linked>,
    /// The first of those whose manager this is.
    pub reports: Vec<Linked>,
    pub reports_total: u64,
    /// The oldest first.
    pub history: Vec<Chapter>,
}

/// What `person --json` prints: the same id may stand in several data sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonList {
    pub people: Vec<PersonDocument>,
}

/// Somebody whom a person belongs to, or who belongs to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Linked {
    pub employee_id: String,
    pub name: Option<String>,
    /// None: nobody has that id.
    pub employed: Option<bool>,
}

/// One change of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chapter {
    #[serde(serialize_with = "instant")]
    pub at: Timestamp,
    pub run: String,
    /// Of what the run is.
    pub of: RunKind,
    pub kind: ChangeKind,
    /// Its values are not kept any more.
    pub emptied: bool,
    pub fields: FieldChanges,
}

impl PersonDocument {
    /// The same for eyes that must not see secrets.
    #[must_use]
    pub fn masked(mut self, masking: &Masking) -> Self {
        self.fields = self.fields.masked(masking);
        for chapter in &mut self.history {
            chapter.fields = std::mem::take(&mut chapter.fields).masked(masking);
        }
        self
    }
}

/// One person as text.
pub fn person(document: &PersonDocument) -> String {
    let standing = if document.employed {
        "employed"
    } else {
        "has left"
    };
    let mut lines = vec![
        format!(
            "person    {}",
            called(&document.employee_id, document.name.as_ref())
        ),
        format!(
            "tenant    {}/{}, {}",
            document.tenant, document.environment, document.source
        ),
        format!("standing  {standing}"),
    ];
    if let Some(manager) = &document.manager {
        lines.push(format!("manager   {}", linked(manager)));
    }
    if document.reports_total > 0 {
        let shown: Vec<String> = document.reports.iter().map(linked).collect();
        let more = document.reports_total - shown.len() as u64;
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        lines.push(format!("reports   {}{more}", shown.join(", ")));
    }
    lines.push("\nFields".to_owned());
    let fields = || document.fields.iter();
    let width = fields().map(|(field, _)| field.name().len()).max();
    let width = width.unwrap_or_default();
    lines.extend(fields().map(|(field, step)| {
        let value = step.to.as_deref().unwrap_or_default();
        format!("  {:<width$}  {value}", field.name())
    }));
    lines.push("\nHistory".to_owned());
    for chapter in &document.history {
        let of = match chapter.of {
            RunKind::Delivery => String::new(),
            of => format!(" ({})", of.as_str()),
        };
        lines.push(format!(
            "  {:.0}  {:<7} run {}{of}",
            chapter.at,
            chapter.kind.as_str(),
            chapter.run
        ));
        if chapter.emptied {
            lines.push("      what it changed is not kept any more".to_owned());
        }
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        lines.extend(chapter.fields.iter().map(|(field, step)| {
            let (from, to) = (shown(&step.from), shown(&step.to));
            match (&step.from, &step.to) {
                (None, None) => format!("      {}", field.name()),
                (None, _) => format!("      {}: {to}", field.name()),
                (Some(_), _) => format!("      {}: {from} -> {to}", field.name()),
            }
        }));
    }
    text(&lines)
}

fn called(id: &str, name: Option<&String>) -> String {
    match name {
        Some(name) => format!("{id}  {name}"),
        None => id.to_owned(),
    }
}

fn linked(linked: &Linked) -> String {
    let note = match linked.employed {
        Some(true) => "",
        Some(false) => " (has left)",
        None => " (not in the roster)",
    };
    match &linked.name {
        Some(name) => format!("{} {name}{note}", linked.employee_id),
        None => format!("{}{note}", linked.employee_id),
    }
}

/// Changes from nothing as plain values.
fn values<S: Serializer>(fields: &FieldChanges, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().map(|(field, step)| (field.name(), &step.to)))
}

fn instant<S: Serializer>(instant: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{instant:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::field::Field;
    use crate::roster::person::Fields;

    fn example() -> PersonDocument {
        let mut fields = Fields::default();
        for (field, value) in [
            (Field::EmployeeId, "007"),
            (Field::FirstName, "Ada"),
            (Field::LastName, "Okafor"),
            (Field::AnnualPay, "50000"),
        ] {
            fields.set(field, value);
        }
        let stored = FieldChanges::between(&Fields::default(), &fields);
        let mut before = fields.clone();
        before.set(Field::LastName, "Li");
        before.set(Field::AnnualPay, "40000");
        let moved = FieldChanges::between(&before, &fields);
        let chapter = |at: &str, kind, of, fields, emptied| Chapter {
            at: at.parse().unwrap(),
            run: format!("0193-{}", kind as u8),
            of,
            kind,
            emptied,
            fields,
        };
        PersonDocument {
            tenant: TenantId::parse("acme").unwrap(),
            environment: Environment::Production,
            source: "employees".to_owned(),
            employee_id: "007".to_owned(),
            name: fields.name(),
            employed: true,
            fields: stored,
            manager: Some(Linked {
                employee_id: "001".to_owned(),
                name: Some("Bea Núñez".to_owned()),
                employed: Some(false),
            }),
            reports: vec![Linked {
                employee_id: "008".to_owned(),
                name: None,
                employed: Some(true),
            }],
            reports_total: 3,
            history: vec![
                chapter(
                    "2026-01-31T02:00:00Z",
                    ChangeKind::Joiner,
                    RunKind::Delivery,
                    FieldChanges::default(),
                    true,
                ),
                chapter(
                    "2026-11-22T02:00:00Z",
                    ChangeKind::Mover,
                    RunKind::Undo,
                    moved,
                    false,
                ),
            ],
        }
    }

    #[test]
    fn a_person_reads_well_at_a_terminal_and_no_secret_is_shown() {
        let text = person(&example().masked(&Masking::default()));
        assert!(!text.contains("50000") && !text.contains("40000"), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_person_is_one_document() {
        let document = serde_json::to_value(example().masked(&Masking::default())).unwrap();
        assert_eq!(document["fields"]["last_name"], "Okafor");
        assert_eq!(document["fields"]["annual_pay"], "***");
        assert_eq!(document["history"][1]["fields"]["last_name"]["from"], "Li");
        assert_eq!(document["history"][1]["of"], "undo");
        let asked_for = serde_json::to_value(example()).unwrap();
        assert_eq!(asked_for["fields"]["annual_pay"], "50000");
    }
}
