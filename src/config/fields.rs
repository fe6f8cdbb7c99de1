//! `[[data_source.field]]`, `[[data_source.group]]` and `[data_source.classification]`: fields of the tenant's own (R1.04), what is demanded of the
//! cells of a field, and the column that says who is terminated.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::document::{Section, Value};
use crate::parse::check::columns::{Classification, ExtraField, Mapping};
use crate::parse::check::demand::{Amount, Demand, Pattern, Treatment};
use crate::parse::field::{Field, FieldKind, normalised};
use crate::report::template;

/// What the sections say, each with where it stands, so that what is wrong with several of them together can be told.
pub(super) struct Fields<'d> {
    said: Vec<Said<'d>>,
}

/// What one section says.
struct Said<'d> {
    section: Section<'d>,
    field: Field,
    /// Of a canonical one none.
    extra: Option<ExtraField>,
    demand: Demand,
    column: Option<Value<String>>,
    is_required: bool,
    is_secret: bool,
}

/// Characters of a cell that may be demanded.
const LENGTH: u64 = 32_768;
/// Before the names of groups, so that they never meet another field's.
const GROUP: &str = "group_";

/// Reads the sections.
pub(super) fn read<'d>(source: &Section<'d>) -> Fields<'d> {
    let fields = source.sections("field").into_iter();
    let groups = source.sections("group").into_iter();
    let sections = fields
        .map(|section| (section, false))
        .chain(groups.map(|section| (section, true)));
    let mut said: Vec<Said<'d>> = Vec::new();
    for (section, is_group) in sections {
        let Some(name) = section.required_text(
            "name",
            if is_group {
                "\"team\""
            } else {
                "\"shoe_size\""
            },
        ) else {
            continue;
        };
        let field = match field(&name.content, is_group) {
            Ok(field) => field,
            Err(why) => {
                section.wrong(&name, why);
                continue;
            }
        };
        if said.iter().any(|other| other.field == field) {
            section.wrong(
                &name,
                "another section is about that field: put both into one",
            );
        }
        said.push(one(section, field, &name, is_group));
    }
    Fields { said }
}

/// The field that a section is about.
fn field(name: &str, is_group: bool) -> Result<Field, String> {
    if is_group {
        return Field::extra(&format!("{GROUP}{name}")).ok_or_else(|| rule("a group's name"));
    }
    if let Some(field) = Field::parse(name) {
        return Ok(field);
    }
    if name.starts_with(GROUP) {
        return Err(
            "is a group's name: make it a section [[data_source.group]], without \"group_\""
                .to_owned(),
        );
    }
    let normal = normalised(name);
    for known in Field::all() {
        if normalised(known.name()) == normal || known.synonyms().any(|it| it == normal) {
            return Err(format!(
                "is what files call {0}: name {0} here, or choose a name that means something else",
                known.name()
            ));
        }
    }
    // A slip of the keyboard must not make a new field.
    let near = Field::all().find(|known| strsim::damerau_levenshtein(name, known.name()) <= 2);
    if let Some(near) = near.filter(|_| name.len() > 4) {
        return Err(format!(
            "did you mean \"{}\"? A field of your own needs a name that is less like it",
            near.name()
        ));
    }
    Field::extra(name).ok_or_else(|| rule("a field's name"))
}

fn rule(what: &str) -> String {
    format!(
        "{what} is a small letter and up to 56 small letters, digits and underscores behind it, as \"shoe_size\""
    )
}

fn one<'d>(section: Section<'d>, field: Field, name: &Value<String>, is_group: bool) -> Said<'d> {
    let canonical = field.kind();
    let kind = match canonical {
        Some(kind) => {
            if section.text("type").is_some() {
                section.wrong_key(
                    "type",
                    format!("the type of {} is known: remove the line", field.name()),
                );
            }
            kind
        }
        None if is_group => FieldKind::Text,
        None => section
            .parsed("type", |text| kind_of(text).ok_or(TYPES))
            .unwrap_or(FieldKind::Text),
    };
    let is_secret = match (section.flag("secret"), canonical) {
        (Some(false), Some(_)) if field.is_secret() => {
            section.wrong_key(
                "secret",
                format!("{} is always a secret: remove the line", field.name()),
            );
            true
        }
        (said, Some(_)) => said.unwrap_or(false),
        // What nobody has called open is masked; who is in which group is like a department.
        (said, None) => said.unwrap_or(!is_group),
    };
    let column = section.text("column").filter(|column| {
        let is_one = !column.content.trim().is_empty();
        if !is_one {
            section.wrong(column, "expected the header of a column");
        }
        is_one
    });
    // Files call an extra field by its own name, unless they are said to call it otherwise.
    let column = column.or_else(|| canonical.is_none().then(|| name.clone()));
    let is_required = section.flag("required").unwrap_or(false);
    let demand = demand(&section, field, kind);
    Said {
        extra: canonical.is_none().then_some(ExtraField {
            field,
            kind,
            is_secret,
        }),
        section,
        field,
        demand,
        column,
        is_required,
        is_secret,
    }
}

const TYPES: &str = "expected \"text\", \"email\", \"date\", \"number\" or \"yes_no\"";

fn kind_of(text: &str) -> Option<FieldKind> {
    Some(match text {
        "text" => FieldKind::Text,
        "email" => FieldKind::Email,
        "date" => FieldKind::Date,
        "number" => FieldKind::Decimal,
        "yes_no" => FieldKind::Flag,
        _ => return None,
    })
}

fn demand(section: &Section<'_>, field: Field, kind: FieldKind) -> Demand {
    let words = |key| -> Vec<String> {
        let texts = section.texts(key).unwrap_or_default().into_iter();
        texts.map(|text| text.content.trim().to_owned()).collect()
    };
    let length = |key| {
        let number = section.number(key, 1)?;
        if number > LENGTH {
            section.wrong_key(key, format!("expected at most {LENGTH}"));
        }
        usize::try_from(number).ok()
    };
    let demand = Demand {
        empty_cell: treatment(section, "empty_cell"),
        bad_value: treatment(section, "bad_value"),
        pattern: section.parsed("pattern", Pattern::parse),
        min_length: length("min_length"),
        max_length: length("max_length"),
        values: words("values"),
        minimum: limit(section, "minimum"),
        maximum: limit(section, "maximum"),
        separator: section.parsed("separator", separator),
        only_when_status: words("only_when_status"),
        example: section.text("example").map(|text| text.content),
    };
    meaningless(section, field, kind);
    if demand.min_length > demand.max_length && demand.max_length.is_some() {
        section.wrong_key("min_length", "is more than max_length");
    }
    if let (Some(least), Some(most)) = (&demand.minimum, &demand.maximum)
        && !demand.is_possible()
    {
        section.wrong_key(
            "minimum",
            format!("{least} is more than {most}, the maximum"),
        );
    }
    demand
}

/// Keys that say nothing about such a field.
fn meaningless(section: &Section<'_>, field: Field, kind: FieldKind) {
    let is_text = matches!(kind, FieldKind::Text | FieldKind::Email);
    let tell = |keys: &[&'static str], why: &str| {
        for key in keys.iter().filter(|key| section.has(key)) {
            section.wrong_key(key, why);
        }
    };
    if !is_text {
        tell(
            &[
                "pattern",
                "min_length",
                "max_length",
                "values",
                "separator",
                "example",
            ],
            "is for fields of text only: remove the line",
        );
    }
    if kind != FieldKind::Decimal {
        tell(
            &["minimum", "maximum"],
            "is for numbers only: remove the line",
        );
    }
    if field == Field::EmployeeId {
        tell(
            &["empty_cell", "bad_value", "separator", "only_when_status"],
            "the employee id says whose row it is, so a row without a good one is always refused: remove the line",
        );
    }
    if field == Field::EmploymentStatus {
        tell(
            &["empty_cell", "bad_value", "only_when_status"],
            "the status says who is employed: an empty one means employed, and an unknown word always refuses the row; remove the line",
        );
    }
}

fn limit(section: &Section<'_>, key: &'static str) -> Option<Amount> {
    let written = section.decimal(key)?;
    section.take(&written, |text| {
        Amount::parse(text).ok_or("expected a number, as 0 or 1234.5")
    })
}

fn separator(text: &str) -> Result<char, &'static str> {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(one), None) if one.is_ascii_punctuation() => Ok(one),
        _ => Err(
            "expected one character that stands between the values of a cell, as \";\" or \"|\"",
        ),
    }
}

/// What becomes of a field where its cell is empty or wrong.
pub(super) fn treatment(section: &Section<'_>, key: &'static str) -> Option<Treatment> {
    section.parsed(key, |text| {
        Treatment::parse(text).ok_or(
            "expected \"keep\" (the field keeps the value it had), \"clear\" (it is emptied) or \"refuse\" (the row is refused)",
        )
    })
}

impl Fields<'_> {
    /// The field of this name, canonical or of the tenant's own.
    pub(super) fn named(&self, name: &str) -> Option<Field> {
        let own = self.said.iter().map(|said| said.field);
        Field::parse(name).or_else(|| own.into_iter().find(|field| field.name() == name))
    }

    /// Names to choose from.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        let extra = self.said.iter().filter_map(|said| said.extra.as_ref());
        Field::all()
            .chain(extra.map(|extra| extra.field))
            .map(Field::name)
    }

    /// Which header the sections name for a field, and the section where that stands.
    pub(super) fn columns(&self) -> impl Iterator<Item = (Field, &Section<'_>, &Value<String>)> {
        let said = self.said.iter();
        said.filter_map(|said| Some((said.field, &said.section, said.column.as_ref()?)))
    }

    /// Whether a field's header is a name that it has only because nothing else was said.
    pub(super) fn is_own_name(&self, field: Field) -> bool {
        let mut said = self.said.iter();
        said.any(|said| said.field == field && !said.section.has("column"))
    }

    /// Those that must be filled in every row.
    pub(super) fn required(&self) -> impl Iterator<Item = Field> {
        let said = self.said.iter().filter(|said| said.is_required);
        said.map(|said| said.field)
    }

    pub(super) fn extra(&self) -> Vec<ExtraField> {
        self.said
            .iter()
            .filter_map(|said| said.extra.clone())
            .collect()
    }

    pub(super) fn demands(&self) -> BTreeMap<Field, Demand> {
        let said = self.said.iter();
        let said = said.filter(|said| said.demand != Demand::default());
        said.map(|said| (said.field, said.demand.clone())).collect()
    }

    /// Canonical ones that are secrets here.
    pub(super) fn secret(&self) -> BTreeSet<Field> {
        let said = self.said.iter();
        let secret = said.filter(|said| said.is_secret && said.extra.is_none());
        secret.map(|said| said.field).collect()
    }

    /// Holds the sections against the whole that they are part of, and ends them.
    pub(super) fn finish(self, mapping: &Mapping) {
        for said in self.said {
            let Said {
                section,
                field,
                demand,
                ..
            } = said;
            // Of those that are always looked at closely it was told already.
            let is_told = matches!(field, Field::EmployeeId | Field::EmploymentStatus);
            let is_required = mapping.required.contains(&field) && !is_told;
            for (key, treatment) in [
                ("empty_cell", demand.empty_cell),
                ("bad_value", demand.bad_value),
            ] {
                if is_required && treatment.is_some_and(|it| it != Treatment::Refuse) {
                    section.wrong_key(key, "the field is required, so a row without it is refused: remove this line, or do not require it");
                }
            }
            let kind = mapping.kind(field).unwrap_or(FieldKind::Text);
            let is_taken =
                !demand.is_possible() || demand.takes(kind, &template::sample(field, mapping));
            if !is_taken && section.has("example") {
                section.wrong_key(
                    "example",
                    "is no value that this section takes: correct one of them",
                );
            } else if !is_taken {
                section.wrong_section("needs an example = \"…\", an invented value that it takes: the template shows it, and whoever sends another one is told");
            }
            section.finish();
        }
    }
}

/// `[data_source.classification]`.
pub(super) fn classification(source: &Section<'_>) -> Option<Classification> {
    let section = source.section("classification")?;
    let column = section.required_text("column", "\"Status Class\"");
    let terminated: Vec<String> = match section.texts("terminated") {
        Some(words) => words.into_iter().map(|word| word.content).collect(),
        None => vec!["Terminated".to_owned()],
    };
    if terminated.is_empty() || terminated.iter().any(|word| word.trim().is_empty()) {
        section.wrong_key("terminated", "expected the words of that column that mean terminated, [\"Terminated\"]; an empty cell never does");
    }
    section.finish();
    let column = column?.content;
    Some(Classification { column, terminated })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Tenant;
    use crate::tenant::DataSource;

    /// A tenant with one data source, and these lines in it.
    fn read(lines: &str) -> (Option<DataSource>, Vec<String>) {
        let text = format!(
            "name = \"acme\"\n[[data_source]]\nname = \"staff\"\nfile_name = \"staff.csv\"\n{lines}"
        );
        let (tenant, _, problems) = Tenant::read(Path::new("acme.toml"), &text);
        let source = tenant.and_then(|tenant| tenant.data_sources.into_iter().next());
        (source, problems.iter().map(ToString::to_string).collect())
    }

    fn mapping(lines: &str) -> Mapping {
        let (source, problems) = read(lines);
        assert_eq!(problems, [""; 0], "{lines}");
        source.unwrap().mapping
    }

    /// The one problem of these lines, which are from line 5 on.
    fn problem(lines: &str) -> String {
        let (_, problems) = read(lines);
        assert_eq!(problems.len(), 1, "{lines}: {problems:?}");
        problems.into_iter().next().unwrap()
    }

    fn extra(name: &str) -> Field {
        Field::extra(name).unwrap()
    }

    #[test]
    fn fields_and_groups_of_the_tenants_own_come_in_the_order_of_the_configuration_r1_04() {
        let mapping = mapping(
            "required = [\"employee_id\", \"shoe_size\"]
             [[data_source.field]]
             name = \"shoe_size\"
             type = \"number\"
             secret = false
             [[data_source.field]]
             name = \"badge\"
             column = \"Badge No.\"
             pattern = \"[A-Z]-[0-9]{2}\"
             example = \"B-17\"
             required = true
             [[data_source.group]]
             name = \"team\"
             column = \"Teams\"
             separator = \";\"
             [[data_source.field]]
             name = \"locker\"
             [data_source.columns]
             locker = \"Spind\"",
        );
        let names: Vec<_> = mapping
            .extra
            .iter()
            .map(|it| (it.field.name(), it.is_secret))
            .collect();
        assert_eq!(
            names,
            [
                ("shoe_size", false),
                ("badge", true),
                ("locker", true),
                ("group_team", false)
            ]
        );
        assert_eq!(mapping.kind(extra("shoe_size")), Some(FieldKind::Decimal));
        let header = |name: &str| mapping.columns[&extra(name)].as_str();
        assert_eq!(header("shoe_size"), "shoe_size");
        assert_eq!(header("badge"), "Badge No.");
        assert_eq!(header("group_team"), "Teams");
        assert_eq!(header("locker"), "Spind");
        assert!(mapping.required.contains(&extra("badge")));
        assert!(mapping.required.contains(&extra("shoe_size")));
        assert_eq!(mapping.demands[&extra("group_team")].separator, Some(';'));
    }

    #[test]
    fn demands_of_canonical_fields_and_of_the_whole_data_source_are_read() {
        let mapping = mapping(
            "empty_cell = \"keep\"
             bad_value = \"refuse\"
             [[data_source.field]]
             name = \"annual_pay\"
             minimum = -0.5
             maximum = \"250,000.00\"
             [[data_source.field]]
             name = \"birth_date\"
             secret = true
             empty_cell = \"clear\"
             [[data_source.field]]
             name = \"hire_date\"
             only_when_status = [\"Client\"]
             [data_source.classification]
             column = \"Status Class\"
             terminated = [\"Terminated\", \"T\"]",
        );
        assert_eq!(
            (mapping.empty_cell, mapping.bad_value),
            (Treatment::Keep, Treatment::Refuse)
        );
        assert_eq!(
            mapping.demands[&Field::AnnualPay].words(),
            "minimum = -0.5, maximum = 250000"
        );
        assert_eq!(mapping.secret, [Field::BirthDate].into());
        assert_eq!(
            mapping.demands[&Field::HireDate].only_when_status,
            ["Client"]
        );
        assert_eq!(
            mapping.classification.unwrap().terminated,
            ["Terminated", "T"]
        );
    }

    /// Each of these lines of a field has one problem, with these words in it.
    fn have_problems(fields: &[(&str, &str)]) {
        for (lines, told) in fields {
            let said = problem(&format!("[[data_source.field]]\n{lines}"));
            assert!(said.contains(told), "{lines}: {said}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_field_is_told_with_its_line_and_key() {
        have_problems(&[
            (
                "secret = true",
                "5: data_source[1].field[1].name: is missing; for example name = \"shoe_size\"",
            ),
            (
                "name = \"Shoe Size\"",
                "6: data_source[1].field[1].name: a field's name is a small letter",
            ),
            ("name = \"work_emial\"", "did you mean \"work_email\"?"),
            ("name = \"salary\"", "is what files call annual_pay"),
            ("name = \"group_team\"", "[[data_source.group]]"),
            (
                "name = \"badge\"\ntype = \"money\"",
                "7: data_source[1].field[1].type: expected \"text\"",
            ),
            (
                "name = \"city\"\ntype = \"text\"",
                "7: data_source[1].field[1].type: the type of city is known",
            ),
            ("name = \"iban\"\nsecret = false", "iban is always a secret"),
            (
                "name = \"badge\"\npattern = \"(\"",
                "7: data_source[1].field[1].pattern: no regular expression: unclosed group",
            ),
            (
                "name = \"badge\"\npattern = \"[0-9]{4}\"",
                "field[1]: needs an example",
            ),
            (
                "name = \"badge\"\npattern = \"[0-9]{4}\"\nexample = \"17\"",
                "8: data_source[1].field[1].example: is no value",
            ),
        ]);
    }

    #[test]
    fn demands_that_make_no_sense_are_told_with_their_line_and_key() {
        have_problems(&[
            (
                "name = \"badge\"\nmin_length = 5\nmax_length = 4",
                "is more than max_length",
            ),
            (
                "name = \"badge\"\nmaximum = 4",
                "7: data_source[1].field[1].maximum: is for numbers only",
            ),
            (
                "name = \"hire_date\"\nmax_length = 4",
                "is for fields of text only",
            ),
            (
                "name = \"hourly_pay\"\nminimum = 5\nmaximum = 4.5",
                "5 is more than 4.5, the maximum",
            ),
            (
                "name = \"hourly_pay\"\nminimum = \"much\"",
                "expected a number",
            ),
            (
                "name = \"city\"\nempty_cell = \"drop\"",
                "7: data_source[1].field[1].empty_cell: expected \"keep\"",
            ),
            (
                "name = \"work_email\"\nbad_value = \"keep\"",
                "the field is required",
            ),
            (
                "name = \"employee_id\"\nempty_cell = \"keep\"",
                "says whose row it is",
            ),
            (
                "name = \"employment_status\"\nbad_value = \"keep\"",
                "says who is employed",
            ),
            (
                "name = \"city\"\nsepartor = \";\"",
                "did you mean \"separator\"?",
            ),
            (
                "name = \"team\"\nseparator = \"and\"",
                "expected one character",
            ),
            (
                "name = \"city\"\n[[data_source.field]]\nname = \"city\"",
                "8: data_source[1].field[2].name: another section",
            ),
            (
                "name = \"city\"\ncolumn = \"Ort\"\n[data_source.columns]\ncity = \"Stadt\"",
                "7: data_source[1].field[1].column: the column of city is named twice",
            ),
            (
                "name = \"badge\"\n[data_source.columns]\ncity = \"Badge\"",
                "6: data_source[1].field[1].name: the column \"badge\" is mapped in line 8 too",
            ),
            (
                "name = \"badge\"\n[data_source.columns]\nbagde = \"Badge\"",
                "did you mean \"badge\"?",
            ),
        ]);
    }

    #[test]
    fn a_class_needs_a_column_of_its_own_and_words() {
        let said = problem("[data_source.classification]\nterminated = []\ncolumn = \"x\"");
        assert!(
            said.contains("6: data_source[1].classification.terminated: expected"),
            "{said}"
        );
        let said = problem(
            "[data_source.columns]\ncity = \"x\"\n[data_source.classification]\ncolumn = \"X\"",
        );
        assert!(
            said.contains("classification: its column is that of city too"),
            "{said}"
        );
    }
}
