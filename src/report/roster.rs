//! Pure. The roster as a file: CSV with a header of every canonical field in its fixed order, or JSON.
//!
//! Whoever has left is listed on request, with an `employment_status` that says so: the stored one where the file told it, else `terminated`.

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::parse::field::Field;
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

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Field::COUNT))?;
        for field in Field::all() {
            map.serialize_entry(field.name(), &self.value(field))?;
        }
        map.end()
    }
}

/// The first line of the CSV.
pub fn csv_header() -> Vec<u8> {
    csv_line(Field::all().map(Field::name))
}

/// The lines of some people.
pub fn csv_lines(lines: &[Line]) -> Vec<u8> {
    lines
        .iter()
        .flat_map(|line| csv_line(Field::all().map(|field| line.value(field).unwrap_or_default())))
        .collect()
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

    #[test]
    fn a_line_has_every_field_and_says_who_has_left() {
        let mut fields = Fields::default();
        fields.set(Field::EmployeeId, "007");
        fields.set(Field::JobTitle, "Clerk, junior");
        fields.set(Field::EmploymentStatus, "active");
        let mut line = Line {
            source: "employees".to_owned(),
            key: "007".to_owned(),
            employment: Employment::Employed,
            left_by_absence: false,
            fields,
        };
        let text = |line: &Line| String::from_utf8(csv_lines(std::slice::from_ref(line))).unwrap();
        assert!(csv_header().starts_with(b"employee_id,username,work_email,"));
        assert_eq!(csv_header().split(|b| *b == b',').count(), Field::COUNT);
        assert!(text(&line).starts_with("007,,,"));
        assert!(text(&line).contains("\"Clerk, junior\""));
        assert!(text(&line).contains(",active,"));
        line.employment = Employment::Left;
        assert!(text(&line).contains(",active,"));
        line.left_by_absence = true;
        assert!(text(&line).contains(",terminated,"));
        let json = serde_json::to_value(&line).unwrap();
        assert_eq!(json["employment_status"], "terminated");
        assert!(json["city"].is_null());
    }
}
