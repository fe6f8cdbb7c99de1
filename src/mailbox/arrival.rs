//! Pure. An arrival: a complete file in the spool, waiting for intake.

use std::fmt;
use std::sync::Mutex;

use jiff::Timestamp;
use serde::Serialize;
use uuid::ContextV7;

use crate::tenant::NameError;

/// Names a delivery from the moment its upload is complete: a UUID version 7, in lower-case hyphenated form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct DeliveryId(String);

impl DeliveryId {
    /// A new one, later than all before it.
    pub fn mint() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// Takes the text of one.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let id = uuid::Uuid::try_parse(text).map_err(|_| NameError::File)?;
        if id.to_string() == text {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::File)
        }
    }

    /// When the upload was complete, to the millisecond.
    pub fn minted_at(&self) -> Timestamp {
        uuid::Uuid::try_parse(&self.0)
            .ok()
            .and_then(|id| id.get_timestamp())
            .and_then(|minted| {
                let (seconds, nanoseconds) = minted.to_unix();
                Timestamp::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?).ok()
            })
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Mints the delivery ids of one mailbox: in order, by the clock of the daemon.
#[derive(Debug, Default)]
pub struct Mint(Mutex<ContextV7>);

impl Mint {
    /// A new id, later than all before it even when the clock was set back.
    pub fn mint(&self, now: Timestamp) -> DeliveryId {
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
        let minted = uuid::Timestamp::from_unix(&self.0, seconds, nanoseconds);
        DeliveryId(uuid::Uuid::new_v7(minted).to_string())
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    pub inode: u64,
    pub size_bytes: u64,
    pub modified_ns: i64,
    pub changed_ns: i64,
}

/// What became of a finished upload or rename.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub size_bytes: u64,
    pub placement: Placement,
    /// Present when intake will take it up: a data file or a photo.
    pub delivery: Option<DeliveryId>,
    /// What the sender should know although the file was taken (a photo in `/data`).
    pub warning: Option<&'static str>,
}

/// What a name in a mailbox stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// A data file of this data source.
    Data {
        source: String,
    },
    Photo,
    /// Accepted, never delivered until renamed.
    Temporary,
    /// Accepted and thrown away.
    Ignored,
    /// In `/reports` or `/errors`.
    Outgoing,
    Folder,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_minted_in_order_even_when_the_clock_is_set_back() {
        let mint = Mint::default();
        let noon = Timestamp::from_second(1_800_000_000).unwrap();
        let first = mint.mint(noon);
        assert_eq!(first.minted_at(), noon);
        let mut last = first;
        for second in [1_800_000_000, 1_799_999_000, 1_800_000_001] {
            let next = mint.mint(Timestamp::from_second(second).unwrap());
            assert!(next > last, "{next} after {last}");
            last = next;
        }
    }

    #[test]
    fn only_the_form_that_is_minted_is_a_delivery_id() {
        let id = DeliveryId::mint();
        assert_eq!(DeliveryId::parse(id.as_str()).unwrap(), id);
        for bad in [
            "",
            "x",
            &id.as_str().to_uppercase(),
            &id.as_str().replace('-', ""),
            &format!("{{{id}}}"),
        ] {
            assert!(DeliveryId::parse(bad).is_err(), "{bad}");
        }
    }
}
