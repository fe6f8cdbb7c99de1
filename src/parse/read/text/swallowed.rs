//! Pure. Whether a quoted cell over several lines has swallowed rows: a quote that was left open, and by chance another one that closes it.
//!
//! A row that was swallowed is a person who seems to have left. An address or a comment must not be taken for one, though: its lines would need
//! exactly as many delimiters as rows have, and each would have to begin with something that looks like a key.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use memchr::{memchr, memchr_iter};

use crate::parse::read::text::records::Record;

/// Columns from which on words may stand for keys.
const WIDE: usize = 4;

/// The line where such a cell begins. `width` is how many cells a record should have.
pub(super) fn swallowed(record: &Record, width: usize, delimiter: u8) -> Option<u64> {
    let suspicious = |(at, _): &&(usize, u64)| holds_rows(record, *at, width, delimiter);
    let (_, line) = record.spans().iter().find(suspicious)?;
    Some(*line)
}

fn holds_rows(record: &Record, at: usize, width: usize, delimiter: u8) -> bool {
    let cell = record.cells().nth(at).unwrap_or_default();
    // A blank behind it is how people write, and hardly how programs do.
    let count = |line: &[u8]| {
        memchr_iter(delimiter, line)
            .filter(|at| line.get(at + 1) != Some(&b' '))
            .count()
    };
    let key_of = |line: &[u8]| {
        let end = memchr(delimiter, line).unwrap_or(line.len());
        shape(line.get(..end).unwrap_or_default())
    };
    let line_end = if memchr(b'\n', cell).is_some() {
        b'\n'
    } else {
        b'\r'
    };
    let mut lines = cell
        .split(|byte| *byte == line_end)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = lines.next().unwrap_or_default();
    let key = if at == 0 {
        key_of(first)
    } else {
        record.cells().next().map(shape).unwrap_or_default()
    };
    let telling = key.contains(&b'9') || width >= WIDE && key.contains(&b'a');
    if !telling || width < 2 {
        return false;
    }
    let mut lines = lines.peekable();
    let mut all = lines.peek().is_some() && at + 1 + count(first) == width;
    let mut whole = false;
    while let Some(line) = lines.next() {
        let alike = key_of(line) == key;
        if lines.peek().is_some() {
            let is_row = alike && count(line) + 1 == width;
            whole |= is_row;
            all &= is_row;
        } else {
            // What follows the cell belongs to its last line.
            all &= alike && count(line) + record.len() == width + at;
        }
    }
    all || whole && width > 2
}

/// What a key looks like: `E-1001` and `A-7` are alike, and neither is like `see below`.
fn shape(key: &[u8]) -> Vec<u8> {
    let mut shape: Vec<u8> = key
        .trim_ascii()
        .iter()
        .map(|byte| match byte {
            b'0'..=b'9' => b'9',
            b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => b'a',
            other => *other,
        })
        .collect();
    shape.dedup();
    shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::limits::ReadLimits;
    use crate::parse::read::text::records::{Dialect, Records};

    /// The line that is named, if any.
    fn found(text: &str) -> Option<u64> {
        let limits = ReadLimits::default();
        let mut records = Records::new(text.as_bytes(), Dialect::of(Some(b',')), &limits);
        let mut record = Record::default();
        assert!(records.read(&mut record).unwrap());
        let width = record.len();
        while records.read(&mut record).unwrap() {
            if let Some(line) = swallowed(&record, width, b',') {
                return Some(line);
            }
        }
        None
    }

    #[test]
    fn rows_between_two_stray_quotes_are_found() {
        for (text, line) in [
            // Three rows in one, and it has the right width.
            (
                "id,name,city,date\n1,\"Ada,x,y\n2,Bob,x,y\n3,Carl\",x,y\n4,Dora,x,y\n",
                2,
            ),
            // Two rows in one.
            (
                "id,name,city,date\n0,Eve,x,y\n1,\"Ada,x,y\n2,Bob\",x,y\n",
                3,
            ),
            // In the first column.
            ("id,name,city\n\"E-1,Ada,x\nE-2\",Bob,x\n", 2),
            // Closed in another column, so that the row is ragged too.
            ("id,name,city,date\n1,\"Ada,x,y\n2,Bob,x\",y\n", 2),
            // Keys of letters, in a wide table.
            ("id,name,city,date\nada,\"Ada,x,y\nbob,Bob\",x,y\n", 2),
            // Whole rows between lines that are no rows.
            ("id,name,note\n1,Ada,\"hello\n2,Bob,x\n3,Carl,\"\n", 2),
            ("id,name\r\n1,\"Ada\r\n2,Bob\"\r\n", 2),
        ] {
            assert_eq!(found(text), Some(line), "{text}");
        }
    }

    #[test]
    fn addresses_and_comments_over_several_lines_are_left_alone() {
        for text in [
            "id,name,address\n1,Ada,\"Main Street 1\nSpringfield, IL\nUSA\"\n",
            "id,address,city\n1,\"12 Main Street, Flat 3\n3rd floor, left\",x\n",
            "id,note\n1,\"Dear all\nhello, bye\"\n",
            "id,name,note\n1,Ada,\"speaks\nEnglish, French, German\nand 2, 3 more\"\n",
            "name,note\nAda,\"see\nbelow, please\"\n",
            "id,name,note\n1,Ada,\"\n\n\n\"\n",
            "id,a,b,c,d\n1,\"x\ny\",\"z\n\",,\n",
            "id\n\"1\n2\"\n",
            "id,name,note\n1,Ada,\"Note:\n1, 2, 3\"\n",
            "id,list,x\n1,\"1, one\n2, two\n3, three\",x\n",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
