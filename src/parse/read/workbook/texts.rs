//! Pure. The texts that cells share, all of them in one piece of memory.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use crate::parse::finding::Finding;
use crate::parse::read::workbook::caps::{TEXT_BYTES, TEXTS};
use crate::parse::read::workbook::fault::too_much;

/// The texts that cells call by their number.
#[derive(Debug, Default)]
pub(super) struct Texts {
    texts: String,
    /// Where each ends in `texts`. Invariant: they ascend and lie on character boundaries.
    ends: Vec<u32>,
}

impl Texts {
    /// Adds a text.
    pub(super) fn push(&mut self, text: &str, most: usize) -> Result<(), Finding> {
        let text = match text.char_indices().find(|(at, _)| *at > most) {
            Some((end, _)) if text.len() > most => text.get(..end).unwrap_or_default(),
            _ => text,
        };
        if self.ends.len() == TEXTS {
            return Err(too_much("more than 8 million different texts"));
        }
        if self.texts.len() + text.len() > TEXT_BYTES {
            return Err(too_much("more than 128 MB of different texts"));
        }
        self.texts.push_str(text);
        let end = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.ends.push(end);
        Ok(())
    }

    /// The text of this number, if there is one.
    pub(super) fn text(&self, number: usize) -> Option<&str> {
        let at = |index: usize| {
            let end = self.ends.get(index)?;
            usize::try_from(*end).ok()
        };
        let end = at(number)?;
        let start = match number.checked_sub(1) {
            Some(before) => at(before)?,
            None => 0,
        };
        self.texts.get(start..end)
    }
}
