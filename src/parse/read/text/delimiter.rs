//! Pure. Which character separates the cells of a text.

use crate::parse::field::{Field, normalised};
use crate::parse::limits::ReadLimits;
use crate::parse::read::text::records::{Record, Records};

const SAMPLE_RECORDS: usize = 100;
const DELIMITERS: [u8; 4] = *b",;\t|";

/// The delimiter under which most records have as many cells as the header; a comma if there is none.
pub(super) fn detect(sample: &[u8], limits: &ReadLimits) -> u8 {
    let score = |delimiter: u8| {
        let mut records = Records::new(sample, delimiter, limits);
        let mut record = Record::default();
        let (mut width, mut known, mut agreeing, mut seen) = (0, 0, 0_usize, 0_usize);
        // The last record of the sample may be cut: a fault there says nothing.
        while seen < SAMPLE_RECORDS && records.read(&mut record).unwrap_or(false) {
            if seen == 0 {
                width = record.len();
                known = record.cells().filter(|label| is_known(label)).count();
            } else if record.len() == width {
                agreeing += 1;
            }
            seen += 1;
        }
        let agreement = (agreeing * 1000).checked_div(seen.saturating_sub(1));
        (width > 1).then_some((agreement.unwrap_or(1000), known, width))
    };
    DELIMITERS
        .into_iter()
        .rev()
        .filter_map(|delimiter| Some((score(delimiter)?, delimiter)))
        .max_by_key(|(score, _)| *score)
        .map_or(b',', |(_, delimiter)| delimiter)
}

fn is_known(label: &[u8]) -> bool {
    let label = normalised(&String::from_utf8_lossy(label));
    Field::all().any(|field| field.synonyms().any(|name| name == label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delimiter_is_the_one_that_gives_every_row_the_width_of_the_header() {
        for (text, delimiter) in [
            ("id,name\n1,a\n", b','),
            ("id;name\n1;Smith, John\n2;b\n", b';'),
            ("id;name, first;email, work\n1;a;b\n", b';'),
            ("id\tname\n1\tSmith, John; jr\n", b'\t'),
            ("id|name\n1|a\n", b'|'),
            ("Employee ID;First name\n", b';'),
            ("employee_id\n1\n2\n", b','),
            ("id;\"a,b\";c\n1;\"x,y\";z\n", b';'),
            ("", b','),
        ] {
            assert_eq!(
                detect(text.as_bytes(), &ReadLimits::default()),
                delimiter,
                "{text:?}"
            );
        }
    }
}
