//! Pure. Which values an answer shows only to somebody who asks for secrets: pay, bank, tax and national ids, and what a tenant has called a secret.
//!
//! Whatever is not known to be open is masked: a field that a tenant had once and that no configuration names any more is a secret.

use std::collections::BTreeSet;

use crate::parse::check::columns::Mapping;
use crate::parse::field::Field;

/// What stands for a value that is there and not shown.
pub const MASK: &str = "***";

/// What is masked. The default masks every field that is not canonical.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Masking {
    /// Extra fields that may be seen.
    open: BTreeSet<Field>,
    /// Canonical ones that may not.
    secret: BTreeSet<Field>,
}

impl Masking {
    /// Of a tenant with these data sources: what is a secret in one of them is a secret.
    pub fn of<'a>(mappings: impl IntoIterator<Item = &'a Mapping>) -> Self {
        let mut masking = Self::default();
        let mut hidden = BTreeSet::new();
        for mapping in mappings {
            masking.secret.extend(&mapping.secret);
            for extra in &mapping.extra {
                if extra.is_secret {
                    hidden.insert(extra.field);
                } else {
                    masking.open.insert(extra.field);
                }
            }
        }
        masking.open.retain(|field| !hidden.contains(field));
        masking
    }

    /// Whether the field's values are masked.
    pub fn hides(&self, field: Field) -> bool {
        match field {
            Field::Extra(_) => !self.open.contains(&field),
            canonical => canonical.is_secret() || self.secret.contains(&canonical),
        }
    }

    /// A field's value as it is shown; one that is empty is shown so.
    pub fn shown<'a>(&self, field: Field, value: &'a str) -> &'a str {
        if !value.is_empty() && self.hides(field) {
            MASK
        } else {
            value
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::check::columns::ExtraField;
    use crate::parse::field::FieldKind;

    fn extra(name: &str, is_secret: bool) -> ExtraField {
        ExtraField {
            field: Field::extra(name).unwrap(),
            kind: FieldKind::Text,
            is_secret,
        }
    }

    #[test]
    fn what_nobody_has_called_open_is_masked() {
        let hides = |masking: &Masking, name: &str| masking.hides(Field::stored(name).unwrap());
        let nobody = Masking::default();
        for secret in ["annual_pay", "iban", "national_id", "shoe_size"] {
            assert!(hides(&nobody, secret), "{secret}");
        }
        assert!(!hides(&nobody, "city"));

        let one = Mapping {
            extra: vec![extra("shoe_size", false), extra("locker", false)],
            secret: [Field::BirthDate].into(),
            ..Mapping::default()
        };
        let other = Mapping {
            extra: vec![extra("locker", true)],
            ..Mapping::default()
        };
        let both = Masking::of([&one, &other]);
        assert!(!hides(&both, "shoe_size"));
        // Two data sources do not agree about it.
        assert!(hides(&both, "locker"));
        assert!(hides(&both, "birth_date"));
        assert!(hides(&both, "long_gone"));
        assert_eq!(both.shown(Field::BirthDate, "1990-01-31"), MASK);
        assert_eq!(both.shown(Field::BirthDate, ""), "");
        assert_eq!(both.shown(Field::City, "Ulm"), "Ulm");
    }
}
