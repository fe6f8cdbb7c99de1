//! Pure. How a text is written: what separates its cells, which quotes it has, and other habits of the program that wrote it.
//!
//! A sample decides. Every candidate splits it; the one whose header has the most known names wins, and without any, the one that gives nearly all
//! records the same number of cells. If none does, a line is one cell.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use memchr::{memchr_iter, memchr2, memmem};

use crate::parse::agreement::{Agreement, Delimiter};
use crate::parse::finding::{Finding, Severity, code};
use crate::parse::limits::ReadLimits;
use crate::parse::read::table::names::{HEADER_WITHIN, Look, Names, header_among};
use crate::parse::read::text::records::{Dialect, Record, Records};

const SAMPLE_RECORDS: usize = 200;
const DELIMITERS: [u8; 4] = *b",;\t|";
/// They stand in times, paths and ranges too: only a header can make delimiters of them.
const RARE_DELIMITERS: [u8; 3] = *b"^~:";
/// Records of a thousand that must have the same number of cells.
const ALIKE: usize = 800;

/// What was found out.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) dialect: Dialect,
    /// Bytes of a first line that only names the delimiter.
    pub(super) skip: usize,
    /// Cells that a record should have.
    pub(super) width: usize,
    pub(super) notes: Vec<Finding>,
}

/// The beginning of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) text: &'a [u8],
    /// Whether it is all of it.
    pub(super) whole: bool,
}

/// Finds out how `sample` is written.
pub(super) fn find(
    sample: Sample<'_>,
    agreement: &Agreement,
    names: &Names,
    limits: &ReadLimits,
) -> Found {
    let (skip, declared_here) = naming_line(sample.text);
    let sample = Sample {
        text: sample.text.get(skip..).unwrap_or_default(),
        ..sample
    };
    let lf_cr = ends_in_lf_cr(sample.text);
    let survey = |delimiter| {
        let plain = Dialect {
            lf_cr,
            ..Dialect::of(delimiter)
        };
        Survey::with_habits(sample, plain, names, limits)
    };
    let mut notes = Vec::new();
    let survey = match (agreement.delimiter, declared_here) {
        (Delimiter::Declared(delimiter), _) | (_, Some(delimiter)) => survey(Some(delimiter)),
        (Delimiter::Seen(before), None) => {
            let as_before = survey(Some(before));
            // Where what separated cells before separates none, it is not pinned to that.
            let best = best(survey)
                .filter(|best| !as_before.matched && (best.matched || as_before.width < 2));
            if let Some(now) = best.as_ref().and_then(|best| best.dialect.delimiter) {
                notes.push(changed(before, now));
            }
            best.unwrap_or(as_before)
        }
        (Delimiter::Unknown, None) => best(survey).unwrap_or_else(|| {
            let comma = survey(Some(b','));
            // Nothing but delimiters, or more of them than allowed: there is no such thing as a single column of them.
            if comma.width == 0 {
                comma
            } else {
                survey(None)
            }
        }),
    };
    let dialect = survey.dialect;
    if dialect.quote != b'"' {
        notes.push(habit(
            "Cells stand in single quotes; these were taken for quotes and not for letters.",
        ));
    }
    if dialect.blanks {
        notes.push(habit(
            "Blanks stand before opening quotes; they were dropped.",
        ));
    }
    Found {
        dialect,
        skip,
        width: survey.width,
        notes,
    }
}

/// Something about the text that was understood without being agreed.
pub(super) fn habit(message: &str) -> Finding {
    Finding::file(
        code::TEXT_DIALECT,
        message,
        "Nothing, if the cells are right; otherwise export the file with double quotes, as Excel writes it.",
    )
    .with_severity(Severity::Info)
}

fn changed(before: u8, now: u8) -> Finding {
    Finding::file(
        code::TEXT_DIALECT,
        format!(
            "The cells are now separated by {}; in the file before it was {}.",
            name_of(now),
            name_of(before)
        ),
        "Nothing, if the export was changed on purpose.",
    )
    .with_severity(Severity::Warning)
}

fn name_of(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "tabs".to_owned(),
        b' '..=b'~' => format!("\"{}\"", char::from(delimiter)),
        _ => "another character".to_owned(),
    }
}

/// The best candidate of those that are good enough.
fn best(survey: impl Fn(Option<u8>) -> Survey) -> Option<Survey> {
    let common = DELIMITERS
        .into_iter()
        .map(|delimiter| survey(Some(delimiter)))
        .filter(|survey| survey.width > 1 && (survey.matched || survey.alike >= ALIKE));
    let rare = RARE_DELIMITERS
        .into_iter()
        .map(|delimiter| survey(Some(delimiter)))
        .filter(|survey| survey.matched && survey.known > 1);
    // Of equals the first one, which is the commonest.
    common.chain(rare).reduce(|best, next| {
        if next.rank() > best.rank() {
            next
        } else {
            best
        }
    })
}

/// What a sample is like in some dialect.
#[derive(Debug)]
struct Survey {
    dialect: Dialect,
    /// A header with known names was found.
    matched: bool,
    /// How many.
    known: usize,
    /// Cells of the header, or else of most records.
    width: usize,
    /// Records of a thousand that have as many.
    alike: usize,
    strays: u64,
    /// Cells that begin with a blank and a quote.
    padded: usize,
    fault: bool,
}

impl Survey {
    /// Also with quotes of another kind and with blanks before them, where the text looks like that and comes out better for it.
    fn with_habits(sample: Sample<'_>, plain: Dialect, names: &Names, limits: &ReadLimits) -> Self {
        let survey = |dialect| Self::of(sample, dialect, names, limits);
        let mut best = survey(plain);
        if let Some(single) = single_quotes(sample, plain).map(survey)
            && single.clean()
            && single.alike >= ALIKE
        {
            best = single;
        }
        if best.padded > 0 {
            let blanks = survey(Dialect {
                blanks: true,
                ..best.dialect
            });
            if !blanks.fault && blanks.strays <= best.strays && blanks.alike >= best.alike {
                best = blanks;
            }
        }
        best
    }

    fn of(sample: Sample<'_>, dialect: Dialect, names: &Names, limits: &ReadLimits) -> Self {
        let mut records = Records::new(sample.text, dialect, limits);
        let mut record = Record::default();
        let mut lengths = Vec::new();
        let mut looks: Vec<Look> = Vec::new();
        let mut padded = 0;
        let mut ended = false;
        let mut fault = false;
        while lengths.len() < SAMPLE_RECORDS {
            match records.read(&mut record) {
                Ok(true) => {}
                Ok(false) => {
                    ended = true;
                    break;
                }
                Err(_) => {
                    // In a sample that is cut, a quote is open at the end.
                    ended = true;
                    fault = sample.whole;
                    break;
                }
            }
            if record.cells().all(|cell| cell.trim_ascii().is_empty()) {
                continue;
            }
            lengths.push(record.len());
            padded += record
                .cells()
                .filter(|cell| cell.starts_with(b" \""))
                .count();
            if looks.len() < HEADER_WITHIN {
                let cells: Vec<_> = record.cells().map(String::from_utf8_lossy).collect();
                looks.push(names.look(cells.iter().map(AsRef::as_ref)));
            }
        }
        if ended && !sample.whole && lengths.len() > 1 {
            lengths.pop();
        }
        let header =
            header_among(&looks).filter(|at| lengths.get(*at).is_some_and(|width| *width > 1));
        let rows = lengths
            .get(header.map_or(0, |at| at + 1)..)
            .unwrap_or_default();
        let width = match header {
            Some(at) => lengths.get(at).copied().unwrap_or_default(),
            None => commonest(rows),
        };
        let agreeing = rows.iter().filter(|length| **length == width).count();
        Self {
            dialect,
            matched: header.is_some(),
            known: header
                .and_then(|at| looks.get(at))
                .map_or(0, |look| look.known),
            width,
            alike: (agreeing * 1000).checked_div(rows.len()).unwrap_or(1000),
            strays: records.strays(),
            padded,
            fault,
        }
    }

    fn rank(&self) -> (bool, usize, usize, usize) {
        (self.matched, self.known, self.alike, self.width)
    }

    fn clean(&self) -> bool {
        !self.fault && self.strays == 0
    }
}

fn commonest(lengths: &[usize]) -> usize {
    let count = |length: usize| lengths.iter().filter(|other| **other == length).count();
    let mut best = (0, 0);
    for length in lengths {
        if best.1 != *length && count(*length) > best.0 {
            best = (count(*length), *length);
        }
    }
    best.1
}

/// How long a first line is that only names the delimiter, as Excel understands it: `sep=;`. And what it names.
fn naming_line(text: &[u8]) -> (usize, Option<u8>) {
    let end = memchr2(b'\n', b'\r', text).unwrap_or(text.len());
    let (line, behind) = text.split_at_checked(end).unwrap_or((text, b""));
    let unquoted = line
        .strip_prefix(b"\"")
        .and_then(|line| line.strip_suffix(b"\""))
        .unwrap_or(line);
    let Some((b"sep=" | b"SEP=" | b"Sep=", named)) = unquoted.split_at_checked(4) else {
        return (0, None);
    };
    let named = match named {
        [] => None,
        [delimiter] if delimiter.is_ascii() && !delimiter.is_ascii_alphanumeric() => {
            Some(*delimiter)
        }
        b"\\t" => Some(b'\t'),
        _ => return (0, None),
    };
    let ends: &[&[u8]] = &[b"\r\n", b"\n\r", b"\n", b"\r"];
    let end_bytes = ends
        .iter()
        .find(|end| behind.starts_with(end))
        .map_or(0, |end| end.len());
    (end + end_bytes, named)
}

/// Whether every line ends in LF CR, as some old programs have it.
fn ends_in_lf_cr(text: &[u8]) -> bool {
    let mut ends = memchr_iter(b'\n', text)
        .filter_map(|at| text.get(at + 1))
        .peekable();
    ends.peek().is_some()
        && ends.all(|next| *next == b'\r')
        && memmem::find(text, b"\r\n").is_none()
}

/// The dialect with single quotes, if the first line and most others have cells in them and there is no other quote.
fn single_quotes(sample: Sample<'_>, dialect: Dialect) -> Option<Dialect> {
    let delimiter = dialect.delimiter?;
    let mut lines = sample
        .text
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .take(SAMPLE_RECORDS);
    let header = lines.next()?;
    let within = [b'\'', delimiter, b'\''];
    let header_is_quoted = header.starts_with(b"'")
        && header.ends_with(b"'")
        && memmem::find(header, &within).is_some();
    if !header_is_quoted || memchr::memchr(b'"', header).is_some() {
        return None;
    }
    let (mut all, mut quoted) = (0_usize, 0_usize);
    for line in lines {
        all += 1;
        let opens = line.starts_with(b"'") || memmem::find(line, &[delimiter, b'\'']).is_some();
        let closes = line.ends_with(b"'") || memmem::find(line, &[b'\'', delimiter]).is_some();
        quoted += usize::from(opens && closes);
    }
    (quoted * 5 >= all * 4).then_some(Dialect {
        quote: b'\'',
        ..dialect
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, agreement: &Agreement) -> Found {
        let sample = Sample {
            text: text.as_bytes(),
            whole: true,
        };
        find(
            sample,
            agreement,
            &Names::new(agreement),
            &ReadLimits::default(),
        )
    }

    fn delimiter_of(text: &str) -> Option<char> {
        let found = found(text, &Agreement::default());
        found.dialect.delimiter.map(char::from)
    }

    #[test]
    fn the_delimiter_is_found_whatever_else_stands_in_the_cells() {
        let comma = Some(',');
        let semicolon = Some(';');
        let tab = Some('\t');
        let pipe = Some('|');
        for (text, delimiter) in [
            ("id,name\n1,a\n", comma),
            ("id;name\n1;Smith, John\n2;b\n", semicolon),
            ("id;name, first;email, work\n1;a;b\n", semicolon),
            ("id\tname\n1\tSmith, John; jr\n", tab),
            ("id|name\n1|a\n", pipe),
            ("Employee ID;First name\n", semicolon),
            ("Employee ID\tFirst name", tab),
            ("id;\"a,b\";c\n1;\"x,y\";z\n", semicolon),
            ("id,\"a;b\",c\n1,\"x;y\",z\n", comma),
            // One column.
            ("employee_id\n1\n2\n", None),
            // Nothing at all.
            ("", comma),
            ("\n\n", comma),
            (",,\n,,\n", comma),
            ("Employee ID\n\"1\"\n", None),
            ("Notes\nhello, world\nfoo\nbar, baz, qux\n", None),
            ("Notes, remarks\nfoo\nbar\nx, y, z\n", None),
            // Decimal commas, thousands, times.
            ("id;salary\n1;1,5\n2;2,5\n3;3,5\n", semicolon),
            ("a;b;c\n1,5;2,5;x\n2,5;3,5;y\n3,5;4,5;z\n", semicolon),
            ("id\tpay\n1\t1,234.50\n2\t2,345.60\n", tab),
            ("id,start\n1,08:30\n2,09:15\n", comma),
            ("id;start\n1;2026-01-31 08:30:00\n", semicolon),
            // Names as "Last, First".
            (
                "Employee ID;Full name\n1;Smith, John\n2;Doe, Jane\n",
                semicolon,
            ),
            (
                "Employee ID|Full name\n1|Smith, John; MD\n2|Doe, Jane; MD\n",
                pipe,
            ),
            (
                "Full name;City\nSmith, John;Rome, IT\nDoe, Jane;Oslo, NO\n",
                semicolon,
            ),
            // Lists in a cell.
            ("employee_id,groups\n1,a;b;c\n2,d;e;f\n", comma),
            ("employee_id,groups\n1,a|b|c\n2,d|e|f\n", comma),
            ("employee_id\tgroups\n1\ta|b,c\n2\td|e,f\n", tab),
            // Rows of another width.
            (
                "employee_id,email,city\n1,a@b.example\n2,c@d.example,x,y\n3,e\n",
                comma,
            ),
            (
                "a,b,c,d\n1,2,3,4\n1,2,3,4\n1,2,3,4\n1,2,3,4\n1,2,3\n",
                comma,
            ),
            (
                "id;name;city\n1;a;b\n2;c\n3;d;e\n4;f;g\n5;h;i\n6;j;k\n",
                semicolon,
            ),
            // Titles above, totals below.
            (
                "Staff, all, by name\n\nEmployee ID;First name;City\n1;Ada;x\n2;Bob;y\n",
                semicolon,
            ),
            (
                "Report\nfor 2026\nid,name,city\n1,Ada,x\n2,Bob,y\n3,Carl,z\n4,D,z\n5,E,z\n6,F,z\n7,G,z\n8,H,z\n",
                comma,
            ),
            ("employee_id,email\n1,a@b.example\nTotal: 1\n", comma),
            ("Employee ID;Email\n\n\n1;a@b.example\n\n", semicolon),
            // Line ends.
            ("id,name\r1,a\r2,b\r", comma),
            ("id;name\n\r1;a\n\r2;b\n\r", semicolon),
            ("id;name\r\n1;a\n2;b\r", semicolon),
            // Lines in quotes.
            ("id;note\n1;\"a,b\nc,d\ne,f\"\n2;\"g,h\ni\"\n", semicolon),
            ("id,note\n1,\"a;b\nc;d\ne;f\"\n2,\"g;h\ni\"\n", comma),
            ("\"id\",\"name\"\n\"1\",\"5'11\"\"\"\n", comma),
            // Trailing delimiters.
            ("id,name,,,\n1,a,,,\n2,b,,,\n", comma),
            ("id;name;\n1;a;\n2;b;\n", semicolon),
            ("id,name\n1,a,\n2,b,\n3,c,\n4,d,\n5,e,\n", comma),
            // Nothing but a header, in words that nobody knows.
            ("foo;bar;baz\n", semicolon),
            ("Vorname;Nachname;Personalnummer;Straße\n", semicolon),
            // A header decides for rare ones.
            ("Employee ID^First name^City\n1^Ada^x\n", Some('^')),
            ("Employee ID~First name\n1~Ada\n", Some('~')),
            ("employee_id:email\n1:a@b.example\n", Some(':')),
            ("from:to\n1:2\n3:4\n", None),
            ("a~b\n1~2\n", None),
            ("employee_id,e-mail: work\n1,a:b@c.example\n", comma),
            // Its own line.
            ("sep=;\nid;name, all\n1;a,b\n", semicolon),
            ("\"sep=|\"\r\nid,x|name\r\n1,a|b\r\n", pipe),
            ("SEP=\t\nid\tname\n1\ta\n", tab),
            ("sep=\nid;name\n1;a\n", semicolon),
            ("sep=abc,x\n1,2\n", comma),
        ] {
            assert_eq!(delimiter_of(text), delimiter, "{text:?}");
        }
    }

    #[test]
    fn what_was_seen_before_stays_unless_the_header_says_otherwise() {
        let seen = |before: u8, text: &str| {
            let agreement = Agreement {
                delimiter: Delimiter::Seen(before),
                ..Agreement::default()
            };
            let found = found(text, &agreement);
            (found.dialect.delimiter.map(char::from), found.notes.len())
        };
        assert_eq!(seen(b';', "employee_id;email\n1;a\n"), (Some(';'), 0));
        assert_eq!(seen(b';', "foo,bar\n1,2\n3,4\n"), (Some(','), 1));
        assert_eq!(seen(b';', "foo;b,ar\n1;2,0\n3;4,0\n"), (Some(';'), 0));
        assert_eq!(seen(b';', "employee_id,email\n1,a\n"), (Some(','), 1));
        assert_eq!(
            seen(b'\x1e', "employee_id\x1eemail\n1\x1ea\n"),
            (Some('\x1e'), 0)
        );
    }

    #[test]
    fn what_was_declared_is_taken_even_if_nothing_fits() {
        let agreement = Agreement {
            delimiter: Delimiter::Declared(b'|'),
            ..Agreement::default()
        };
        let found = found("sep=;\nemployee_id;email\n1;a\n", &agreement);
        assert_eq!((found.dialect.delimiter, found.skip), (Some(b'|'), 6));
    }

    #[test]
    fn single_quotes_are_quotes_only_if_the_header_has_them() {
        let quote = |text: &str| char::from(found(text, &Agreement::default()).dialect.quote);
        assert_eq!(quote("'id','name'\n'1','Smith, John'\n'2','x'\n"), '\'');
        assert_eq!(quote("'id','name'\n1,'Smith, John'\n2,'O''Neil'\n"), '\'');
        assert_eq!(quote("id,name\n'00012,Ada\n'00013,Bob\n"), '"');
        assert_eq!(quote("'id','name'\n1,Ada\n2,Bob\n"), '"');
        assert_eq!(quote("id,name\n1,'Ada'\n"), '"');
    }

    #[test]
    fn blanks_before_quotes_are_seen() {
        let blanks = |text: &str| found(text, &Agreement::default()).dialect.blanks;
        assert!(blanks("id, name, x\n1, \"b, c\", 2\n2, \"d, e\", 3\n"));
        assert!(blanks("id, \"name\"\n1, \"b\" \n"));
        assert!(!blanks("id,name\n1,b\n"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_detector_panic(text in "[a1,;|'\" \t\r\n]{0,200}", whole: bool) {
            let agreement = Agreement::default();
            let sample = Sample { text: text.as_bytes(), whole };
            find(sample, &agreement, &Names::new(&agreement), &ReadLimits::default());
        }
    }
}
