//! A tenant's file: its mailbox, its logins and its data sources.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::document::{Document, Problem, Section};
use crate::config::login::Login;
use crate::parse::columns::Mapping;
use crate::parse::date::DateFormat;
use crate::parse::field::Field;
use crate::roster::safeguard::Safeguard;
use crate::tenant::{DataSource, Mode, NamePattern, TenantId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub time_zone: jiff::tz::TimeZone,
    /// Per environment.
    pub quota_bytes: u64,
    pub temporary_names: Vec<NamePattern>,
    pub ignore_names: Vec<NamePattern>,
    pub logins: Vec<Login>,
    pub data_sources: Vec<DataSource>,
}

const TEMPORARY_NAMES: [&str; 5] = ["*.filepart", "*.part", "*.partial", "*.tmp", ".in.*"];
const IGNORE_NAMES: [&str; 2] = ["Thumbs.db", ".DS_Store"];
/// R0.11.
const QUOTA_BYTES: u64 = 500_000_000;

impl Tenant {
    /// Reads one file. Its problems are returned beside what could be read.
    pub(super) fn read(file: &std::path::Path, text: &str) -> (Option<Self>, Vec<Problem>) {
        let document = Document::new(file, text);
        let table = document.parse();
        let section = document.root(&table);
        let tenant = Self::read_section(&section);
        section.finish();
        drop(table);
        (tenant, document.into_problems())
    }

    fn read_section(section: &Section<'_>) -> Option<Self> {
        let id = section
            .required_text("name", "\"acme\"")
            .and_then(|name| section.take(&name, TenantId::parse));
        let time_zone = section.parsed("time_zone", |name| {
            jiff::tz::TimeZone::get(name).map_err(
                |_| "expected a name of the IANA time zone database, as \"Australia/Melbourne\"",
            )
        });
        let patterns = |key, default: &[&str]| {
            section
                .parsed_list(key, NamePattern::parse)
                .unwrap_or_else(|| {
                    default
                        .iter()
                        .filter_map(|name| NamePattern::parse(name).ok())
                        .collect()
                })
        };
        let temporary_names = patterns("temporary_names", &TEMPORARY_NAMES);
        let ignore_names = patterns("ignore_names", &IGNORE_NAMES);
        let logins = section
            .sections("login")
            .into_iter()
            .filter_map(|section| {
                let login = Login::read(&section);
                section.finish();
                login
            })
            .collect();
        let quota_bytes = section.size("quota");
        let data_sources = read_data_sources(section);
        Some(Self {
            id: id?,
            time_zone: time_zone.unwrap_or(jiff::tz::TimeZone::UTC),
            quota_bytes: quota_bytes.unwrap_or(QUOTA_BYTES),
            temporary_names,
            ignore_names,
            logins,
            data_sources,
        })
    }

    /// The data source whose file name is `name`.
    pub fn source_for(&self, name: &str) -> Option<&DataSource> {
        self.data_sources
            .iter()
            .find(|source| source.file_name.matches(name))
    }

    /// The data source called `name`.
    pub fn source(&self, name: &str) -> Option<&DataSource> {
        self.data_sources.iter().find(|source| source.name == name)
    }
}

fn read_data_sources(tenant: &Section<'_>) -> Vec<DataSource> {
    let mut names = BTreeSet::new();
    let mut file_names = BTreeSet::new();
    let mut sources = Vec::new();
    for section in tenant.sections("data_source") {
        let source = read_data_source(&section);
        if let Some(source) = source {
            if !names.insert(source.name.clone()) {
                section.wrong_key("name", "another data source of this tenant has that name");
            }
            if !file_names.insert(source.file_name.as_str().to_owned()) {
                section.wrong_key(
                    "file_name",
                    "another data source of this tenant takes that file",
                );
            }
            sources.push(source);
        }
        section.finish();
    }
    sources
}

fn read_data_source(section: &Section<'_>) -> Option<DataSource> {
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
    let mode = section.parsed("mode", |text| {
        Mode::parse(text).ok_or("expected \"full\", \"delta\" or \"status\"")
    });
    let mapping = read_mapping(section);
    let safeguard = read_safeguard(section);
    Some(DataSource {
        name: name?,
        file_name: file_name?,
        mode: mode.unwrap_or(Mode::Full),
        mapping,
        safeguard,
    })
}

fn read_mapping(section: &Section<'_>) -> Mapping {
    let field = |name: &str| {
        Field::parse(name).ok_or_else(|| {
            let near = Field::all()
                .map(|field| {
                    (
                        strsim::damerau_levenshtein(name, field.name()),
                        field.name(),
                    )
                })
                .min()
                .filter(|(distance, _)| *distance <= 3);
            match near {
                Some((_, near)) => format!("no field has that name; did you mean \"{near}\"?"),
                None => "no field has that name; the README lists them".to_owned(),
            }
        })
    };
    let mut columns = BTreeMap::new();
    if let Some(section) = section.section("columns") {
        for (name, header) in section.entries() {
            match field(&name) {
                Ok(field) if !header.content.trim().is_empty() => {
                    columns.insert(field, header.content.clone());
                }
                Ok(_) => section.wrong(&header, "expected the header of a column"),
                Err(message) => section.wrong(&header, message),
            }
        }
    }
    let otherwise = Mapping::default();
    let mut required = section
        .parsed_list("required", field)
        .unwrap_or(otherwise.required);
    if !required.contains(&Field::EmployeeId) {
        required.insert(0, Field::EmployeeId);
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
    Mapping {
        columns,
        required,
        date_format: section.parsed("date_format", DateFormat::parse),
        active_values,
        inactive_values,
    }
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
    if safeguard.max_leavers_percent > 100 {
        section.wrong_key("max_leavers_percent", "a percentage is 0 to 100");
    }
    section.finish();
    safeguard
}
