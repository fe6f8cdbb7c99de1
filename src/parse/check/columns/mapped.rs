//! Pure. What the columns of a file came to, for a person to look at, and to be remembered when the file is accepted.

use serde::{Deserialize, Serialize};

use super::{Column, Found};
use crate::parse::field::{Field, normalised};

/// From here on two names are alike, of 1 for the same: "emplyee no" is, "department" and "apartment" are not.
const ALIKE: f64 = 0.9;
/// Bytes of a header in its normal form that can be like a known one; what is longer is a sentence.
const LONGEST: usize = 64;
/// Headers that suggestions are looked for.
const LOOKED_AT: usize = 200;

/// A field and the column that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedColumn {
    /// Its canonical name: a version that does not know it leaves it alone.
    field: String,
    pub header: String,
    pub found: Found,
}

impl MappedColumn {
    pub fn new(field: Field, header: &str, found: Found) -> Self {
        Self {
            field: field.name().to_owned(),
            header: header.to_owned(),
            found,
        }
    }

    /// The field; one that nobody knows any more is an extra one.
    pub fn field(&self) -> Option<Field> {
        Field::stored(&self.field)
    }

    /// The field's name.
    pub fn field_name(&self) -> &str {
        &self.field
    }
}

impl From<&Column> for MappedColumn {
    fn from(column: &Column) -> Self {
        Self::new(column.field, &column.label, column.found)
    }
}

/// All columns of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MappedColumns {
    /// In the order of the fields.
    pub columns: Vec<MappedColumn>,
    /// Headers of no field, from left to right.
    pub unused: Vec<String>,
    /// What some of them may mean: for a person, and never taken by itself.
    pub suggestions: Vec<Suggestion>,
}

/// A field without a column, and a header that is like its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    pub field: &'static str,
    pub header: String,
    /// What takes it, to be written under `[data_source.columns]`.
    pub line: String,
}

impl MappedColumns {
    /// Looks for what the unused headers may mean: each at most one field, each field at most one header, those that are most alike first.
    pub fn suggest(&mut self) {
        let free = |field: &Field| {
            let is_it = |column: &MappedColumn| column.field == field.name();
            !self.columns.iter().any(is_it)
        };
        let free: Vec<Field> = Field::all().filter(free).collect();
        let mut pairs: Vec<(f64, usize, Field)> = Vec::new();
        for (at, header) in self.unused.iter().enumerate().take(LOOKED_AT) {
            let header = normalised(header);
            let alike = free.iter().filter_map(|field| {
                let score = likeness(&header, *field)?;
                Some((score, at, *field))
            });
            pairs.extend(alike);
        }
        pairs.sort_by(|one, other| other.0.total_cmp(&one.0));
        let mut taken: Vec<usize> = Vec::new();
        let mut found: Vec<(usize, Field)> = Vec::new();
        for (_, at, field) in pairs {
            if !taken.contains(&at) && !found.iter().any(|(_, other)| *other == field) {
                taken.push(at);
                found.push((at, field));
            }
        }
        found.sort_by_key(|(_, field)| *field);
        let suggestion = |(at, field): (usize, Field)| {
            let header = self.unused.get(at)?.clone();
            Some(Suggestion {
                field: field.name(),
                line: line(field, &header),
                header,
            })
        };
        self.suggestions = found.into_iter().filter_map(suggestion).collect();
    }
}

/// How alike a header in its normal form and those of a field are; none if they are not.
pub(super) fn likeness(header: &str, field: Field) -> Option<f64> {
    if header.len() <= 2 || header.len() > LONGEST {
        return None;
    }
    let alike = |name: &str| strsim::jaro_winkler(header, name);
    let canonical = alike(&normalised(field.name()));
    let score = field.synonyms().map(alike).fold(canonical, f64::max);
    (score >= ALIKE).then_some(score)
}

/// The line of a configuration that maps a column: `work_email = "E-Mail Adr."`.
pub(super) fn line(field: Field, header: &str) -> String {
    let mut line = format!("{} = \"", field.name());
    for c in header.chars() {
        match c {
            '"' | '\\' => {
                line.push('\\');
                line.push(c);
            }
            c if c.is_control() => {
                line.push_str("\\u");
                let digits = [12_u32, 8, 4, 0].map(|shift| u32::from(c) >> shift & 15);
                line.extend(digits.map(|digit| char::from_digit(digit, 16).unwrap_or('0')));
            }
            c => line.push(c),
        }
    }
    line.push('"');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggested(columns: &[Field], unused: &[&str]) -> Vec<String> {
        let columns = columns
            .iter()
            .map(|it| MappedColumn::new(*it, "x", Found::Synonym));
        let mut mapped = MappedColumns {
            columns: columns.collect(),
            unused: unused.iter().map(|header| (*header).to_owned()).collect(),
            suggestions: Vec::new(),
        };
        mapped.suggest();
        mapped.suggestions.into_iter().map(|it| it.line).collect()
    }

    #[test]
    fn a_header_that_is_like_a_known_one_is_suggested_with_the_line_that_takes_it() {
        assert_eq!(
            suggested(&[], &["Shoe size", "E-Mail Adr.", "Emplyee ID"]),
            [
                "employee_id = \"Emplyee ID\"",
                "work_email = \"E-Mail Adr.\""
            ]
        );
        // What has a column already wants no other.
        assert_eq!(suggested(&[Field::WorkEmail], &["E-Mail Adr."]), [""; 0]);
        // One field has one header, the one that is more like it.
        assert_eq!(
            suggested(&[], &["Departmet", "Departmnt no"]),
            ["department = \"Departmet\""]
        );
        let long = "e".repeat(30_000);
        assert_eq!(suggested(&[], &[long.as_str()]), [""; 0]);
    }

    #[test]
    fn a_suggested_line_is_toml_whatever_the_header_holds() {
        for header in ["plain", "a \"quoted\" one", "back\\slash", "tab\there", "ü"] {
            let table: toml::Table = line(Field::City, header).parse().unwrap();
            assert_eq!(table["city"].as_str(), Some(header));
        }
    }
}
