//! Pure. The template: a CSV header and one sample row that a data source's mapping accepts (R1.04).

use jiff::civil::date;

use crate::parse::check::columns::Mapping;
use crate::parse::check::names::NameOrder;
use crate::parse::field::{Field, FieldKind};

/// What nearly every employee file has, beside what the mapping names.
const USUAL: [Field; 11] = [
    Field::EmployeeId,
    Field::WorkEmail,
    Field::FirstName,
    Field::LastName,
    Field::JobTitle,
    Field::Department,
    Field::Location,
    Field::ManagerId,
    Field::EmploymentStatus,
    Field::HireDate,
    Field::TerminationDate,
];

/// Header and sample row: every field that the mapping names or requires, and the usual ones.
pub fn template(mapping: &Mapping) -> Result<Vec<u8>, csv::Error> {
    let fields: Vec<Field> = Field::all()
        .filter(|field| {
            USUAL.contains(field)
                || mapping.required.contains(field)
                || mapping.columns.contains_key(field)
        })
        .collect();
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(fields.iter().map(|field| {
        mapping
            .columns
            .get(field)
            .map_or(field.name(), String::as_str)
    }))?;
    writer.write_record(fields.iter().map(|field| sample(*field, mapping)))?;
    writer
        .into_inner()
        .map_err(|error| error.into_error().into())
}

/// An invented value that the checks accept.
fn sample(field: Field, mapping: &Mapping) -> String {
    match (field, field.kind()) {
        // Someone who leaves has a date; the sample person stays.
        (Field::TerminationDate, _) if !mapping.required.contains(&field) => String::new(),
        (Field::EmployeeId, _) => "00042".to_owned(),
        (Field::ManagerId, _) => "00017".to_owned(),
        (Field::FirstName | Field::PreferredName, _) => "Jonas".to_owned(),
        (Field::LastName, _) => "Lindqvist".to_owned(),
        (Field::FullName, _) if mapping.name_order == Some(NameOrder::LastFirst) => {
            "Lindqvist, Jonas".to_owned()
        }
        (Field::FullName, _) => "Jonas Lindqvist".to_owned(),
        (Field::JobTitle, _) => "Head of People".to_owned(),
        (Field::Department, _) => "People".to_owned(),
        (Field::PhotoFile, _) => "00042.jpg".to_owned(),
        (Field::PayCurrency, _) => "AUD".to_owned(),
        (Field::PayFrequency, _) => "monthly".to_owned(),
        (_, FieldKind::Email) => "jonas.lindqvist@acme.example".to_owned(),
        (_, FieldKind::Date) => {
            let day = date(2016, 9, 12);
            let format = mapping
                .date_format
                .as_ref()
                .map_or("%Y-%m-%d", |format| format.as_str());
            day.strftime(format).to_string()
        }
        (_, FieldKind::Decimal) => "54000.00".to_owned(),
        (_, FieldKind::Flag) => "no".to_owned(),
        (_, FieldKind::Status) => "Active".to_owned(),
        (_, FieldKind::Text) => "Melbourne".to_owned(),
    }
}
