//! `[[data_source]]` of a tenant's file: which files are agreed, and how they are read.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::agreement;
use crate::config::document::{Place, Section, Value};
use crate::config::fields::{self, Fields};
use crate::parse::check::columns::Mapping;
use crate::parse::check::date::DateFormat;
use crate::parse::check::names::NameOrder;
use crate::parse::check::value::Point;
use crate::parse::field::{Field, normalised};
use crate::roster::safeguard::Safeguard;
use crate::tenant::{
    DataSource, Environment, GoLive, Mode, NamePattern, UnknownManagers, is_photo_name,
};

/// Reads them all, and holds their names against each other and against the names that are no deliveries.
pub(super) fn read(
    tenant: &Section<'_>,
    temporary_names: &[NamePattern],
    ignore_names: &[NamePattern],
) -> Vec<DataSource> {
    let mut names = BTreeSet::new();
    let mut file_names: Vec<(NamePattern, Vec<Environment>, Place)> = Vec::new();
    let mut sources = Vec::new();
    for section in tenant.sections("data_source") {
        let environments = environments(&section);
        if let Some(name) = section.text("name") {
            let claims = environments.iter().map(|it| (name.content.clone(), *it));
            let taken = claims.filter(|it| !names.insert(it.clone())).count();
            if taken > 0 {
                section.wrong(
                    &name,
                    "another data source of this tenant has that name: choose another one, or give each an environment of its own",
                );
            }
        }
        if let Some(text) = section.text("file_name")
            && let Ok(pattern) = NamePattern::parse(&text.content)
        {
            for (other, theirs, place) in &file_names {
                let meets = environments.iter().any(|it| theirs.contains(it));
                if meets && pattern.overlaps(other) {
                    section.wrong(&text, overlap(&pattern, other, place));
                }
            }
            for (others, key, harm) in [
                (
                    temporary_names,
                    "temporary_names",
                    "a file that is still coming would be delivered",
                ),
                (
                    ignore_names,
                    "ignore_names",
                    "what is to be thrown away would be delivered",
                ),
            ] {
                if let Some(other) = others.iter().find(|other| pattern.overlaps(other)) {
                    section.wrong(
                        &text,
                        format!(
                            "takes names that \"{}\" in {key} means too, so {harm}: end it as its files end, as in \"employees_*.csv\", or change {key}",
                            other.as_str()
                        ),
                    );
                }
            }
            if is_photo_name(pattern.as_str()) {
                section.wrong(
                    &text,
                    "is the name of a photo: name the table with the employees, as \"employees.csv\"; photos are sent to /images and need no data source",
                );
            }
            file_names.push((pattern, environments, section.place(&text)));
        }
        sources.extend(read_one(&section));
        section.finish();
    }
    sources
}

/// Where a data source is one: a production feed may be tried in the sandbox with a mapping of its own. What is wrong with it is told when it is read.
fn environments(section: &Section<'_>) -> Vec<Environment> {
    let named = section.text("environment");
    match named.map(|text| Environment::parse(&text.content)) {
        Some(Ok(environment)) => vec![environment],
        _ => Environment::ALL.to_vec(),
    }
}

fn overlap(pattern: &NamePattern, other: &NamePattern, place: &Place) -> String {
    let Place { key, line, .. } = place;
    if pattern == other {
        return format!(
            "{key} in line {line} is the same: each data source needs a name of its own, or nobody can tell its files"
        );
    }
    format!(
        "{key} in line {line}, \"{}\", takes some of the same names, so nobody can tell whose file that is: choose names that no file can have at once, as \"staff_*.csv\" and \"leavers_*.csv\"",
        other.as_str()
    )
}

fn read_one(section: &Section<'_>) -> Option<DataSource> {
    let name = section
        .required_text("name", "\"employees\"")
        .and_then(|name| {
            section.take(&name, |text| {
                let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
                if (1..=63).contains(&text.len()) && text.chars().all(allowed) {
                    Ok(text.to_owned())
                } else {
                    Err("a data source's name is 1 to 63 of a-z, A-Z, 0-9, -, _ and .")
                }
            })
        });
    let file_name = section
        .required_text("file_name", "\"employees.csv\"")
        .and_then(|name| section.take(&name, NamePattern::parse));
    let environment = section.parsed("environment", Environment::parse);
    let go_live = section.parsed("go_live", |text| {
        GoLive::parse(text).ok_or("expected \"published\" or \"at_once\"")
    });
    let mode = section.parsed("mode", |text| {
        Mode::parse(text).ok_or("expected \"full\", \"delta\" or \"status\"")
    });
    let unknown_managers = section.parsed("unknown_managers", |text| {
        UnknownManagers::parse(text).ok_or("expected \"report\" or \"stub\"")
    });
    let mapping = read_mapping(section);
    let safeguard = read_safeguard(section);
    Some(DataSource {
        name: name?,
        environment,
        go_live: go_live.unwrap_or(GoLive::Published),
        file_name: file_name?,
        mode: mode.unwrap_or(Mode::Full),
        mapping,
        agreement: agreement::read(section),
        safeguard,
        unknown_managers: unknown_managers.unwrap_or_default(),
    })
}

fn read_mapping(section: &Section<'_>) -> Mapping {
    let own = fields::read(section);
    let field = |name: &str| {
        own.named(name).ok_or_else(|| {
            let near = own
                .names()
                .map(|known| (strsim::damerau_levenshtein(name, known), known))
                .min()
                .filter(|(distance, _)| *distance <= 3);
            match near {
                Some((_, near)) => format!("no field has that name; did you mean \"{near}\"?"),
                None => "no field has that name; the README lists them, and [[data_source.field]] adds others".to_owned(),
            }
        })
    };
    let columns = read_columns(section, &own, &field);
    let otherwise = Mapping::default();
    let mut required = section
        .parsed_list("required", field)
        .unwrap_or(otherwise.required);
    for field in own.required().chain([Field::EmployeeId]) {
        if !required.contains(&field) {
            required.insert(0, field);
        }
    }
    let words = |key| -> Vec<String> {
        section
            .texts(key)
            .unwrap_or_default()
            .into_iter()
            .map(|word| word.content)
            .collect()
    };
    let (active_values, inactive_values) = (words("active_values"), words("inactive_values"));
    let same = |a: &String, b: &String| a.trim().eq_ignore_ascii_case(b.trim());
    if active_values
        .iter()
        .any(|word| inactive_values.iter().any(|other| same(word, other)))
    {
        section.wrong_key("inactive_values", "a word stands in active_values too");
    }
    let classification = fields::classification(section);
    if let Some(class) = &classification
        && let Some((field, _)) = columns
            .iter()
            .find(|(_, header)| normalised(header) == normalised(&class.column))
    {
        section.wrong_key(
            "classification",
            format!(
                "its column is that of {} too: a column holds one of them",
                field.name()
            ),
        );
    }
    let mapping = Mapping {
        columns,
        required,
        date_format: section.parsed("date_format", DateFormat::parse),
        decimal: section.parsed("decimal", |text| {
            Point::parse(text).ok_or("expected \".\" or \",\"")
        }),
        name_order: section.parsed("name_order", |text| {
            NameOrder::parse(text).ok_or("expected \"last_first\" or \"first_last\"")
        }),
        active_values,
        inactive_values,
        extra: own.extra(),
        demands: own.demands(),
        empty_cell: fields::treatment(section, "empty_cell").unwrap_or(otherwise.empty_cell),
        bad_value: fields::treatment(section, "bad_value").unwrap_or(otherwise.bad_value),
        classification,
        secret: own.secret(),
    };
    own.finish(&mapping);
    mapping
}

/// Which header the configuration names for which field: under `columns`, or in the section of the field.
fn read_columns(
    section: &Section<'_>,
    own: &Fields<'_>,
    field: &impl Fn(&str) -> Result<Field, String>,
) -> BTreeMap<Field, String> {
    let mut columns = BTreeMap::new();
    let mut headers: BTreeMap<String, Place> = BTreeMap::new();
    let mut take = |section: &Section<'_>, field: Field, header: &Value<String>| {
        if header.content.trim().is_empty() {
            section.wrong(header, "expected the header of a column");
            return;
        }
        let place = section.place(header);
        if let Some(first) = headers.get(&normalised(&header.content)) {
            section.wrong(
                header,
                format!(
                    "the column \"{}\" is mapped in line {} too: a column holds one field, so remove one of them",
                    header.content.trim(),
                    first.line
                ),
            );
        } else {
            headers.insert(normalised(&header.content), place);
        }
        if columns.insert(field, header.content.clone()).is_some() {
            section.wrong(
                header,
                format!(
                    "the column of {} is named twice: remove one of them",
                    field.name()
                ),
            );
        }
    };
    let mut listed = BTreeSet::new();
    if let Some(section) = section.section("columns") {
        for (name, header) in section.entries() {
            match field(&name) {
                Ok(field) => {
                    listed.insert(field);
                    take(&section, field, &header);
                }
                Err(message) => section.wrong(&header, message),
            }
        }
    }
    for (field, section, header) in own.columns() {
        if !(listed.contains(&field) && own.is_own_name(field)) {
            take(section, field, header);
        }
    }
    columns
}

fn read_safeguard(section: &Section<'_>) -> Safeguard {
    let mut safeguard = Safeguard::default();
    let Some(section) = section.section("safeguard") else {
        return safeguard;
    };
    for (key, limit) in [
        ("max_leavers", &mut safeguard.max_leavers),
        ("max_leavers_percent", &mut safeguard.max_leavers_percent),
        ("min_leavers", &mut safeguard.min_leavers),
    ] {
        if let Some(number) = section.number(key, 0) {
            *limit = number;
        }
    }
    // Whoever lets half of the people leave in a night expects a file of half the length.
    safeguard.max_shrink_percent = section
        .number("max_shrink_percent", 0)
        .unwrap_or(safeguard.max_leavers_percent);
    for (key, percent) in [
        ("max_leavers_percent", safeguard.max_leavers_percent),
        ("max_shrink_percent", safeguard.max_shrink_percent),
    ] {
        if percent > 100 && section.has(key) {
            section.wrong_key(key, "a percentage is 0 to 100");
        }
    }
    section.finish();
    safeguard
}
