//! Pure. The roster as a file: CSV with a header of every canonical field in its fixed order and the tenant's own behind them, or JSON.
//!
//! Whoever has left is listed on request, with an `employment_status` that says so: the stored one where the file told it, else `terminated`. Secrets
//! are masked unless somebody has asked for them.

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::parse::field::Field;
use crate::roster::masking::Masking;
use crate::roster::person::{Employment, Fields};

/// What stands in `employment_status` for somebody who left without the file saying how.
const LEFT: &str = "terminated";

/// One person of the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub source: String,
    pub key: String,
    pub employment: Employment,
    /// Whether the person left by being absent from the file, so that the stored status is from before.
    pub left_by_absence: bool,
    pub fields: Fields,
}

impl Line {
    fn value(&self, field: Field) -> Option<&str> {
        let stored = self.fields.value(field);
        match (field, self.employment) {
            (Field::EmploymentStatus, Employment::Left) if self.left_by_absence => Some(LEFT),
            (Field::EmploymentStatus, Employment::Left) => stored.or(Some(LEFT)),
            _ => stored,
        }
    }
}

/// What of a roster is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    fields: Vec<Field>,
    /// None: secrets too.
    masking: Option<Masking>,
}

impl View {
    /// Every canonical field and these behind them, secrets masked.
    pub fn new(extra: impl IntoIterator<Item = Field>, masking: Masking) -> Self {
        Self {
            fields: Field::all().chain(extra).collect(),
            masking: Some(masking),
        }
    }

    /// The same for somebody who has asked for secrets.
    #[must_use]
    pub fn with_secrets(self) -> Self {
        Self {
            masking: None,
            ..self
        }
    }

    /// The first line of the CSV.
    pub fn csv_header(&self) -> Vec<u8> {
        csv_line(self.fields.iter().map(|field| field.name()))
    }

    /// The lines of some people.
    pub fn csv_lines(&self, lines: &[Line]) -> Vec<u8> {
        let line = |line| {
            csv_line(
                self.values(line)
                    .map(|(_, value)| value.unwrap_or_default()),
            )
        };
        lines.iter().flat_map(line).collect()
    }

    /// A person as a JSON object.
    pub fn json<'a>(&'a self, line: &'a Line) -> impl Serialize + 'a {
        Seen { view: self, line }
    }

    fn values<'a>(&'a self, line: &'a Line) -> impl Iterator<Item = (Field, Option<&'a str>)> {
        let shown = |field: Field, value| match &self.masking {
            Some(masking) => masking.shown(field, value),
            None => value,
        };
        let fields = self.fields.iter();
        fields.map(move |field| {
            let value = line.value(*field);
            (*field, value.map(|value| shown(*field, value)))
        })
    }
}

struct Seen<'a> {
    view: &'a View,
    line: &'a Line,
}

impl Serialize for Seen<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.view.fields.len()))?;
        for (field, value) in self.view.values(self.line) {
            map.serialize_entry(field.name(), &value)?;
        }
        map.end()
    }
}

fn csv_line<'a>(cells: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let written = csv.write_record(cells);
    debug_assert!(written.is_ok(), "memory takes every write");
    csv.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clerk() -> Line {
        let mut fields = Fields::default();
        fields.set(Field::EmployeeId, "007");
        fields.set(Field::JobTitle, "Clerk, junior");
        fields.set(Field::EmploymentStatus, "active");
        fields.set(Field::AnnualPay, "45000");
        fields.set(Field::extra("shoe_size").unwrap(), "43");
        Line {
            source: "employees".to_owned(),
            key: "007".to_owned(),
            employment: Employment::Employed,
            left_by_absence: false,
            fields,
        }
    }

    fn text(view: &View, line: &Line) -> String {
        String::from_utf8(view.csv_lines(std::slice::from_ref(line))).unwrap()
    }

    #[test]
    fn a_line_has_every_field_and_says_who_has_left() {
        let view = View::new([], Masking::default());
        let mut line = clerk();
        let header = view.csv_header();
        assert!(header.starts_with(b"employee_id,username,work_email,"));
        assert_eq!(header.split(|b| *b == b',').count(), Field::all().count());
        assert!(text(&view, &line).starts_with("007,,,"));
        assert!(text(&view, &line).contains("\"Clerk, junior\""));
        assert!(text(&view, &line).contains(",active,"));
        line.employment = Employment::Left;
        assert!(text(&view, &line).contains(",active,"));
        line.left_by_absence = true;
        assert!(text(&view, &line).contains(",terminated,"));
        let json = serde_json::to_value(view.json(&line)).unwrap();
        assert_eq!(json["employment_status"], "terminated");
        assert!(json["city"].is_null());
    }

    #[test]
    fn secrets_are_shown_to_whoever_asks_and_the_tenants_fields_come_last_in_their_order_r1_04() {
        let [shoe, badge] = ["shoe_size", "badge"].map(|name| Field::extra(name).unwrap());
        let view = View::new([shoe, badge], Masking::default());
        let header = String::from_utf8(view.csv_header()).unwrap();
        assert!(header.ends_with(",tax_id,shoe_size,badge\n"), "{header}");
        let masked = text(&view, &clerk());
        assert!(
            masked.contains(",***,") && masked.ends_with(",***,\n"),
            "{masked}"
        );
        assert!(!masked.contains("45000"));
        let json = serde_json::to_value(view.json(&clerk())).unwrap();
        assert_eq!(
            (&json["annual_pay"], &json["shoe_size"]),
            (&"***".into(), &"***".into())
        );
        assert!(json["iban"].is_null());

        let shown = text(&view.with_secrets(), &clerk());
        assert!(
            shown.contains(",45000,") && shown.ends_with(",43,\n"),
            "{shown}"
        );
    }
}
