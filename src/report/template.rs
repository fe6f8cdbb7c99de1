//! Pure. The template: a CSV header and one sample row that a data source's mapping accepts (R1.04 to R1.06).

use jiff::civil::date;

use crate::parse::check::columns::{Classification, Mapping};
use crate::parse::check::names::NameOrder;
use crate::parse::check::value::Point;
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

/// Header and sample row: every field that the mapping names, requires or demands something of, and the usual ones; those of the tenant's own and its
/// groups behind the canonical ones.
pub fn template(mapping: &Mapping) -> Result<Vec<u8>, csv::Error> {
    let is_named = |field: &Field| {
        USUAL.contains(field)
            || mapping.required.contains(field)
            || mapping.columns.contains_key(field)
            || mapping.demands.contains_key(field)
            || mapping.classification.is_some() && *field == Field::StatusDate
    };
    let fields: Vec<Field> = mapping.fields().filter(is_named).collect();
    let header = |field: &Field| match mapping.columns.get(field) {
        Some(header) => header.clone(),
        None => field.name().to_owned(),
    };
    let mut labels: Vec<String> = fields.iter().map(header).collect();
    let mut cells: Vec<String> = fields.iter().map(|field| cell(*field, mapping)).collect();
    if let Some(classification) = &mapping.classification {
        labels.push(classification.column.clone());
        cells.push(class(classification));
    }
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record(labels)?;
    writer.write_record(cells)?;
    writer
        .into_inner()
        .map_err(|error| error.into_error().into())
}

/// The sample as a file of this data source writes it.
fn cell(field: Field, mapping: &Mapping) -> String {
    let is_number = mapping.kind(field) == Some(FieldKind::Decimal);
    let sample = sample(field, mapping);
    if is_number && mapping.decimal == Some(Point::Comma) {
        sample.replace('.', ",")
    } else {
        sample
    }
}

/// An invented value that the checks accept; a number with a point.
pub fn sample(field: Field, mapping: &Mapping) -> String {
    let usual = usual(field, mapping);
    let Some(demand) = mapping.demands.get(&field) else {
        return usual;
    };
    let kind = mapping.kind(field).unwrap_or(FieldKind::Text);
    if let Some(example) = &demand.example {
        return example.clone();
    }
    let limits = [&demand.minimum, &demand.maximum].into_iter().flatten();
    let others = limits.map(ToString::to_string);
    let others = others.chain(demand.values.first().cloned());
    let others = others.chain((kind == FieldKind::Text).then(|| demand.fitted(&usual)));
    let mut all = std::iter::once(usual.clone()).chain(others);
    all.find(|it| demand.takes(kind, it)).unwrap_or(usual)
}

/// A class that is not terminated.
fn class(classification: &Classification) -> String {
    let is_terminated = |word: &str| {
        let mut words = classification.terminated.iter();
        words.any(|it| it.trim().eq_ignore_ascii_case(word))
    };
    let mut words = ["Active", "Current", "Employed"].into_iter();
    words
        .find(|word| !is_terminated(word))
        .unwrap_or_default()
        .to_owned()
}

/// What the field has in most files.
fn usual(field: Field, mapping: &Mapping) -> String {
    match (field, mapping.kind(field).unwrap_or(FieldKind::Text)) {
        // Someone who leaves has a date; the sample person stays, and has no manager, because nobody else is in the file.
        (Field::TerminationDate | Field::ManagerId | Field::ManagerEmail, _)
            if !mapping.required.contains(&field) =>
        {
            String::new()
        }
        (Field::EmployeeId, _) => "00042".to_owned(),
        (Field::ManagerId, _) => "00017".to_owned(),
        (Field::FirstName | Field::PreferredName, _) => "Jonas".to_owned(),
        (Field::LastName, _) => "Lindqvist".to_owned(),
        (Field::FullName, _) if mapping.name_order == Some(NameOrder::LastFirst) => {
            "Lindqvist, Jonas".to_owned()
        }
        (Field::FullName | Field::BankAccountHolder, _) => "Jonas Lindqvist".to_owned(),
        (Field::JobTitle, _) => "Head of People".to_owned(),
        (Field::Department, _) => "People".to_owned(),
        (Field::PhotoFile, _) => "00042.jpg".to_owned(),
        (Field::PayCurrency, _) => "AUD".to_owned(),
        (Field::PayFrequency, _) => "monthly".to_owned(),
        (Field::BankAccount, _) => "12345678".to_owned(),
        (Field::BankSortCode, _) => "00-00-00".to_owned(),
        (Field::Iban, _) => "GB00BANK00000012345678".to_owned(),
        (Field::Bic, _) => "BANKGB00".to_owned(),
        (Field::NationalId | Field::TaxId, _) => "000000000".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::check::columns::ExtraField;
    use crate::parse::check::demand::{Amount, Demand, Pattern};
    use crate::parse::check::{Checked, Checker};
    use crate::parse::limits::ReadLimits;
    use crate::parse::row::{CellKind, Header, RawRow};

    /// What the mapping makes of its own template: every field of it, as `field=value`.
    fn comes_to(mapping: &Mapping) -> Vec<String> {
        let csv = template(mapping).unwrap();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(csv.as_slice());
        let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let [labels, cells] = lines.as_slice() else {
            panic!("{} lines", lines.len());
        };
        let header = Header {
            row: 1,
            labels: labels.iter().map(str::to_owned).collect(),
        };
        let (mut checker, _) = Checker::new(mapping, &header, &ReadLimits::default()).unwrap();
        let mut row = RawRow::new(2);
        cells.iter().for_each(|cell| row.push(CellKind::Text, cell));
        let mut came_to = Vec::new();
        let mut take = |checker: &mut Checker, row: &RawRow| match checker.check(row) {
            Checked::Record(record, findings) => {
                assert_eq!(findings, []);
                let fields = record.fields.iter();
                came_to.extend(fields.map(|(field, value)| format!("{}={value}", field.name())));
            }
            refused => panic!("{refused:?}"),
        };
        checker.admit(&row, &mut take).unwrap();
        checker.finish(&mut take);
        came_to
    }

    #[test]
    fn a_template_shows_the_tenants_fields_and_groups_and_is_accepted_r1_04_r1_06() {
        let extra = |name: &str, kind| ExtraField {
            field: Field::extra(name).unwrap(),
            kind,
            is_secret: true,
        };
        let demand = |name: &str, demand| (Field::stored(name).unwrap(), demand);
        let mapping = Mapping {
            decimal: Some(Point::Comma),
            extra: vec![
                extra("shoe_size", FieldKind::Decimal),
                extra("badge", FieldKind::Text),
                extra("nights", FieldKind::Flag),
                extra("group_team", FieldKind::Text),
                extra("initials", FieldKind::Text),
            ],
            columns: [
                (Field::City, "Ort".to_owned()),
                (Field::extra("shoe_size").unwrap(), "Shoe size".to_owned()),
                (Field::extra("badge").unwrap(), "badge".to_owned()),
                (Field::extra("nights").unwrap(), "nights".to_owned()),
                (Field::extra("group_team").unwrap(), "Teams".to_owned()),
                (Field::extra("initials").unwrap(), "initials".to_owned()),
            ]
            .into(),
            demands: [
                demand(
                    "shoe_size",
                    Demand {
                        minimum: Amount::parse("15"),
                        maximum: Amount::parse("47.5"),
                        ..Demand::default()
                    },
                ),
                demand(
                    "badge",
                    Demand {
                        pattern: Pattern::parse("B-[0-9]+").ok(),
                        example: Some("B-17".to_owned()),
                        ..Demand::default()
                    },
                ),
                demand(
                    "group_team",
                    Demand {
                        values: vec!["Fire".to_owned(), "First Aid".to_owned()],
                        ..Demand::default()
                    },
                ),
                demand(
                    "initials",
                    Demand {
                        max_length: Some(3),
                        ..Demand::default()
                    },
                ),
                demand("annual_pay", Demand::default()),
            ]
            .into(),
            classification: Some(Classification {
                column: "Status Class".to_owned(),
                terminated: vec!["T".to_owned(), "active".to_owned()],
            }),
            ..Mapping::default()
        };
        let came_to = comes_to(&mapping);
        assert_eq!(
            came_to[came_to.len() - 6..],
            [
                "annual_pay=54000",
                "badge=B-17",
                "group_team=Fire",
                "initials=Mel",
                "nights=false",
                "shoe_size=15"
            ]
        );
        let header = String::from_utf8(template(&mapping).unwrap()).unwrap();
        let header = header.lines().next().unwrap();
        assert!(
            header.ends_with("Ort,annual_pay,Shoe size,badge,nights,Teams,initials,Status Class"),
            "{header}"
        );
    }

    #[test]
    fn the_template_of_nothing_in_particular_is_accepted_too() {
        assert!(comes_to(&Mapping::default()).contains(&"employee_id=00042".to_owned()));
        let every = Mapping {
            required: Field::all().collect(),
            ..Mapping::default()
        };
        assert_eq!(comes_to(&every).len(), Field::all().count());
    }
}
