//! Pure. A person as the roster holds one, and what can happen to a person.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::parse::field::Field;
use crate::roster::masking::{MASK, Masking};

/// Whether a person is employed, as far as the roster knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Employment {
    Employed,
    Left,
}

impl Employment {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Employed => "employed",
            Self::Left => "left",
        }
    }

    /// Takes the stored word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Employed, Self::Left]
            .into_iter()
            .find(|employment| employment.as_str() == text)
    }
}

/// What a row said, in brief: two rows with one fingerprint say the same.
pub type RowHash = [u8; 16];

/// A person of the data source, without the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The surrogate id.
    pub id: i64,
    pub employment: Employment,
    /// Of the row that was last taken.
    pub hashes: RowHashes,
}

/// How the row that was last taken is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowHashes {
    /// Of what it said.
    pub said: RowHash,
    /// Of how it said it, to the letter. Invariant: only of a row that passed its checks without a finding, and only while the stored fields are
    /// what it said, for under this hash it is taken unchecked. Whoever stores other fields than a row's own leaves this empty.
    pub verbatim: Option<RowHash>,
}

impl RowHashes {
    /// Of stored fields that no row has said: the next row is checked and compared, whatever it says.
    pub const NONE: Self = Self {
        said: [0; 16],
        verbatim: None,
    };
}

/// Values by field. Invariant: no value is empty; what is empty is not there.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Fields(BTreeMap<Field, String>);

impl Fields {
    /// Sets a field, or with an empty value removes it.
    pub fn set(&mut self, field: Field, value: &str) {
        if value.is_empty() {
            self.0.remove(&field);
        } else {
            self.0.insert(field, value.to_owned());
        }
    }

    /// A field's value.
    pub fn value(&self, field: Field) -> Option<&str> {
        self.0.get(&field).map(String::as_str)
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What people call the person, as far as these fields tell.
    pub fn name(&self) -> Option<String> {
        if let Some(full) = self.value(Field::FullName) {
            return Some(full.to_owned());
        }
        let first = self
            .value(Field::PreferredName)
            .or(self.value(Field::FirstName));
        let parts: Vec<&str> = [first, self.value(Field::LastName)]
            .into_iter()
            .flatten()
            .collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    /// The same for eyes that must not see secrets: their values are three stars.
    #[must_use]
    pub fn masked(mut self, masking: &Masking) -> Self {
        let hidden = self
            .0
            .iter_mut()
            .filter(|(field, _)| masking.hides(**field));
        hidden.for_each(|(_, value)| MASK.clone_into(value));
        self
    }
}

/// Values are people's data: only the names are printed.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.keys().map(|field| field.name()))
            .finish()
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(field, value)| (field.name(), value)))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Self::default();
        for (name, value) in BTreeMap::<String, String>::deserialize(deserializer)? {
            let field =
                Field::stored(&name).ok_or_else(|| serde::de::Error::custom("unknown field"))?;
            fields.set(field, &value);
        }
        Ok(fields)
    }
}

/// What happened to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// New in this data source.
    Joiner,
    /// Some field changed.
    Mover,
    /// Employed no more.
    Leaver,
    /// Had left, is employed again; counted among the joiners.
    Rehire,
}

impl ChangeKind {
    /// The word of the contract.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joiner => "joiner",
            Self::Mover => "mover",
            Self::Leaver => "leaver",
            Self::Rehire => "rehire",
        }
    }

    /// Takes the word of the contract.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Joiner, Self::Mover, Self::Leaver, Self::Rehire]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }

    /// What the person is afterwards; a mover stays what they were.
    pub const fn employment(self) -> Option<Employment> {
        match self {
            Self::Joiner | Self::Rehire => Some(Employment::Employed),
            Self::Leaver => Some(Employment::Left),
            Self::Mover => None,
        }
    }
}

/// Fields that changed, in the order of [`Field`], each from what to what; `None` is empty or never told.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct FieldChanges(Vec<(Field, Step)>);

/// One field's change.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Step {
    pub from: Option<String>,
    pub to: Option<String>,
}

impl FieldChanges {
    /// What taking `value` for `field` would change in `fields`; nothing when it is there already.
    pub fn note(&mut self, fields: &Fields, field: Field, value: &str) {
        let from = fields.value(field);
        let to = Some(value).filter(|value| !value.is_empty());
        if from != to {
            let step = Step {
                from: from.map(str::to_owned),
                to: to.map(str::to_owned),
            };
            self.0.push((field, step));
        }
    }

    /// What lies between two states of one person.
    pub fn between(before: &Fields, after: &Fields) -> Self {
        let named: BTreeSet<Field> = before.0.keys().chain(after.0.keys()).copied().collect();
        let mut changes = Self::default();
        for field in named {
            changes.note(before, field, after.value(field).unwrap_or_default());
        }
        changes
    }

    /// The way back.
    #[must_use]
    pub fn reversed(mut self) -> Self {
        for (_, step) in &mut self.0 {
            std::mem::swap(&mut step.from, &mut step.to);
        }
        self
    }

    /// Brings `fields` from after to before; nothing, and nothing is done, when they are not what they would be after.
    pub fn revert(&self, fields: &mut Fields) -> Option<()> {
        let fit = |(field, step): &(Field, Step)| fields.value(*field) == step.to.as_deref();
        if !self.0.iter().all(fit) {
            return None;
        }
        for (field, step) in &self.0 {
            fields.set(*field, step.from.as_deref().unwrap_or_default());
        }
        Some(())
    }

    /// Brings `fields` from before to after.
    pub fn apply(&self, fields: &mut Fields) {
        for (field, step) in &self.0 {
            fields.set(*field, step.to.as_deref().unwrap_or_default());
        }
    }

    /// Whether some value is gone: every step leads from something to something, or there would be none.
    pub fn has_lost_values(&self) -> bool {
        let mut steps = self.0.iter().map(|(_, step)| step);
        steps.any(|step| step.from.is_none() && step.to.is_none())
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = (Field, &Step)> {
        self.0.iter().map(|(field, step)| (*field, step))
    }

    /// The same for eyes that must not see secrets: their values are three stars.
    #[must_use]
    pub fn masked(mut self, masking: &Masking) -> Self {
        let star = |value: &mut Option<String>| {
            if let Some(value) = value {
                MASK.clone_into(value);
            }
        };
        for (_, step) in self.0.iter_mut().filter(|(field, _)| masking.hides(*field)) {
            star(&mut step.from);
            star(&mut step.to);
        }
        self
    }
}

/// Values are people's data: only the names are printed.
impl fmt::Debug for FieldChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(field, _)| field.name()))
            .finish()
    }
}

impl Serialize for FieldChanges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (field, step) in &self.0 {
            map.serialize_entry(field.name(), step)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for FieldChanges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut changes = BTreeMap::<String, Step>::deserialize(deserializer)?
            .into_iter()
            .map(|(name, step)| match Field::stored(&name) {
                Some(field) => Ok((field, step)),
                None => Err(serde::de::Error::custom("unknown field")),
            })
            .collect::<Result<Vec<_>, D::Error>>()?;
        changes.sort_by_key(|(field, _)| *field);
        Ok(Self(changes))
    }
}

/// One person's change, as the history tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub kind: ChangeKind,
    /// The person's key in the data source.
    pub employee_id: String,
    /// What people call the person, as far as it is known.
    pub name: Option<String>,
    pub fields: FieldChanges,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_back_leads_back_and_nowhere_else() {
        let (mut before, mut after) = (Fields::default(), Fields::default());
        before.set(Field::City, "Ulm");
        before.set(Field::FirstName, "Ada");
        after.set(Field::City, "Bonn");
        after.set(Field::LastName, "Li");
        let changes = FieldChanges::between(&before, &after);
        let mut fields = before.clone();
        changes.apply(&mut fields);
        assert_eq!(fields, after);
        changes.revert(&mut fields).unwrap();
        assert_eq!(fields, before);
        changes.clone().reversed().revert(&mut fields).unwrap();
        assert_eq!(fields, after);
        let elsewhere = before.clone();
        assert_eq!(changes.revert(&mut before), None);
        assert_eq!(before, elsewhere, "nothing is done");
        assert!(!changes.has_lost_values());
        let lost: FieldChanges =
            serde_json::from_str(r#"{"city":{"from":null,"to":null}}"#).unwrap();
        assert!(lost.has_lost_values());
    }

    #[test]
    fn a_person_is_called_by_the_whole_name_or_what_there_is_of_it() {
        let mut fields = Fields::default();
        assert_eq!(fields.name(), None);
        for (field, value, name) in [
            (Field::LastName, "Okafor", "Okafor"),
            (Field::FirstName, "Adaeze", "Adaeze Okafor"),
            (Field::PreferredName, "Ada", "Ada Okafor"),
            (Field::FullName, "Dr. Ada Okafor", "Dr. Ada Okafor"),
        ] {
            fields.set(field, value);
            assert_eq!(fields.name().as_deref(), Some(name));
        }
    }

    #[test]
    fn stored_forms_read_back_and_secrets_are_masked_for_eyes_only() {
        let mut before = Fields::default();
        before.set(Field::AnnualPay, "50000");
        before.set(Field::City, "Ulm");
        let mut changes = FieldChanges::default();
        changes.note(&before, Field::City, "Ulm");
        changes.note(&before, Field::AnnualPay, "60000");
        changes.note(&before, Field::NationalId, "");
        let stored = serde_json::to_string(&changes).unwrap();
        assert_eq!(stored, r#"{"annual_pay":{"from":"50000","to":"60000"}}"#);
        let read: FieldChanges = serde_json::from_str(&stored).unwrap();
        assert_eq!(read, changes);
        read.apply(&mut before);
        assert_eq!(
            serde_json::to_string(&before).unwrap(),
            r#"{"city":"Ulm","annual_pay":"60000"}"#
        );
        assert_eq!(
            serde_json::to_string(&changes.masked(&Masking::default())).unwrap(),
            r#"{"annual_pay":{"from":"***","to":"***"}}"#
        );
        assert_eq!(
            serde_json::to_string(&before.clone().masked(&Masking::default())).unwrap(),
            r#"{"city":"Ulm","annual_pay":"***"}"#
        );
        assert!(!format!("{before:?}").contains("Ulm"));
    }

    #[test]
    fn a_field_outlives_the_configuration_that_had_it_r1_04() {
        let stored = r#"{"city":"Ulm","shoe_size":"43"}"#;
        let fields: Fields = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&fields).unwrap(), stored);
        let stored = r#"{"city":{"from":null,"to":"Ulm"},"shoe_size":{"from":"42","to":"43"}}"#;
        let changes: FieldChanges = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&changes).unwrap(), stored);
        assert!(serde_json::from_str::<Fields>(r#"{"Shoe size":"43"}"#).is_err());
    }
}
