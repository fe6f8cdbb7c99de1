//! Pure. Names as files write them: "Last, First" taken apart, and put into the order in which people say them.
//!
//! Only a comma tells which of two words is the family's name, so "John Smith" is never taken apart. And one such cell says little, "Smith, Jr."
//! and "Acme, Inc." have a comma too: the whole column has to write its names so.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

use unicode_normalization::char::is_combining_mark;

/// Which part of a name comes first in its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameOrder {
    /// "Smith, John"
    LastFirst,
    /// "John Smith"
    FirstLast,
}

impl NameOrder {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastFirst => "names as \"Last, First\"",
            Self::FirstLast => "names as \"First Last\"",
        }
    }

    /// The line of a configuration that declares it.
    pub(super) const fn example(self) -> &'static str {
        match self {
            Self::LastFirst => "name_order = \"last_first\"",
            Self::FirstLast => "name_order = \"first_last\"",
        }
    }

    /// Takes the word of a configuration.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "last_first" => Some(Self::LastFirst),
            "first_last" => Some(Self::FirstLast),
            _ => None,
        }
    }
}

/// A name that was taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// All given names: where a middle name begins, nobody can tell.
    pub(super) first: String,
    pub(super) last: String,
    /// All of it in the order in which it is said, with what belongs to neither: "Dr. John (Bob) Smith, Jr."
    pub(super) full: String,
}

/// What a cell says of its column; nothing if it could stand in any.
pub(super) fn evidence(text: &str) -> Option<NameOrder> {
    let several_words = |text: &str| text.split_whitespace().nth(1).is_some();
    let Some((before, _)) = text.split_once(is_comma) else {
        return several_words(text).then_some(NameOrder::FirstLast);
    };
    if Parted::of(text).is_some() {
        Some(NameOrder::LastFirst)
    } else {
        // "John Smith, PhD"
        several_words(before).then_some(NameOrder::FirstLast)
    }
}

/// Takes "Last, First" apart; nothing where the cell is no such name, whatever its column holds.
pub(super) fn apart(text: &str) -> Option<Name> {
    let Parted {
        titles,
        given,
        particles,
        last,
        suffixes,
    } = Parted::of(text)?;
    let [title, other_title] = titles;
    let joined = |parts: &[&str]| {
        let said = parts.iter().filter(|part| !part.is_empty());
        said.copied().collect::<Vec<_>>().join(" ")
    };
    let mut full = if is_eastern(last) && is_eastern(given) {
        joined(&[last, given])
    } else {
        joined(&[title, other_title, given, particles, last])
    };
    for suffix in suffixes.into_iter().filter(|suffix| !suffix.is_empty()) {
        full.push_str(", ");
        full.push_str(suffix);
    }
    Some(Name {
        first: without_brackets(given),
        last: joined(&[particles, &without_brackets(last)]),
        full,
    })
}

/// Bytes of a name; what is longer is a sentence.
const LONGEST: usize = 200;
/// Behind a name; there are seldom two.
const SUFFIXES: usize = 4;

const TITLES: [&str; 11] = [
    "mr", "mrs", "ms", "miss", "mx", "dr", "prof", "herr", "frau", "mme", "mlle",
];

/// What a last name may begin with, in small letters.
const PARTICLES: [&str; 22] = [
    "von", "vom", "zu", "zum", "zur", "van", "der", "den", "de", "del", "della", "di", "da", "do",
    "dos", "das", "du", "la", "le", "af", "av", "ter",
];

/// The parts of a name, each as it stands in the cell, trimmed; all but the last and the given name may be empty.
struct Parted<'a> {
    /// Before the last and before the given name.
    titles: [&'a str; 2],
    given: &'a str,
    /// "van der", where it stands behind the given name.
    particles: &'a str,
    last: &'a str,
    suffixes: [&'a str; SUFFIXES],
}

impl<'a> Parted<'a> {
    fn of(text: &'a str) -> Option<Self> {
        if text.len() > LONGEST || !text.chars().all(is_of_a_name) {
            return None;
        }
        let mut suffixes = Suffixes::default();
        let mut pieces = pieces(text)?;
        let mut last = pieces.next().filter(|piece| !are_suffixes(piece))?;
        let mut given = None;
        let mut is_over = false;
        for piece in pieces {
            match piece {
                // A comma at the end says nothing, one between two others everything is wrong.
                _ if is_over => return None,
                "" => is_over = true,
                _ if is_firm(piece) => return None,
                _ if are_suffixes(piece) => suffixes.add(piece)?,
                _ if given.is_none() => given = Some(piece),
                _ => return None,
            }
        }
        let mut given = given?;
        suffixes.cut_from(&mut last)?;
        suffixes.cut_from(&mut given)?;
        let titles = [cut_title(&mut last), cut_title(&mut given)];
        let particles = cut_particles(&mut given);
        // What is left must be names, and not points and dashes alone.
        let is_name = |text: &str| match text.split_once('(') {
            None => text.chars().any(char::is_alphabetic),
            Some(_) => without_brackets(text).chars().any(char::is_alphabetic),
        };
        let is_none = is_among(&TITLES, given) || PARTICLES.contains(&given);
        let fits = is_name(last) && is_name(given) && !is_none;
        fits.then_some(Self {
            titles,
            given,
            particles,
            last,
            suffixes: suffixes.found,
        })
    }
}

#[derive(Default)]
struct Suffixes<'a> {
    found: [&'a str; SUFFIXES],
    count: usize,
}

impl<'a> Suffixes<'a> {
    fn add(&mut self, suffix: &'a str) -> Option<()> {
        *self.found.get_mut(self.count)? = suffix;
        self.count += 1;
        Some(())
    }

    /// "Smith Jr." of a last, "John III" of a given name.
    fn cut_from(&mut self, name: &mut &'a str) -> Option<()> {
        while let Some((rest, word)) = name.rsplit_once(char::is_whitespace)
            && is_suffix(word)
        {
            self.add(word)?;
            *name = rest.trim_end();
        }
        Some(())
    }
}

/// What stands between the commas, those in brackets not counted; nothing if the brackets do not close.
fn pieces(text: &str) -> Option<impl Iterator<Item = &str>> {
    let mut open = 0_usize;
    for c in text.chars() {
        match c {
            '(' => open += 1,
            ')' => open = open.checked_sub(1)?,
            _ => {}
        }
    }
    let mut depth = 0_usize;
    let pieces = text.split(move |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && is_comma(c)
    });
    (open == 0).then(|| pieces.map(str::trim))
}

/// Cuts "Mr." or "Prof. Dr." off the front.
fn cut_title<'a>(given: &mut &'a str) -> &'a str {
    let whole = *given;
    while let Some((word, rest)) = given.split_once(char::is_whitespace)
        && is_among(&TITLES, word)
    {
        *given = rest.trim_start();
    }
    let title = whole.len().checked_sub(given.len());
    title
        .and_then(|length| whole.get(..length))
        .unwrap_or_default()
        .trim_end()
}

/// Cuts the words off the end that belong to the last name, as lists of German and Dutch names have them: "Goethe, Johann von".
fn cut_particles<'a>(given: &mut &'a str) -> &'a str {
    let whole = *given;
    while let Some((rest, word)) = given.rsplit_once(char::is_whitespace)
        && PARTICLES.contains(&word)
    {
        *given = rest.trim_end();
    }
    whole.get(given.len()..).unwrap_or_default().trim_start()
}

/// Words behind a name that are part of neither name. Left out is what may be a name or initials: V, MA, DO.
fn is_suffix(word: &str) -> bool {
    const SUFFIXES: [&str; 24] = [
        "jr", "sr", "jnr", "snr", "ii", "iii", "iv", "phd", "md", "esq", "mba", "cpa", "dds",
        "dvm", "rn", "jd", "edd", "pmp", "cfa", "msc", "bsc", "shrm-cp", "shrm-scp", "phr",
    ];
    is_among(&SUFFIXES, word)
}

fn are_suffixes(text: &str) -> bool {
    let mut words = text.split_whitespace().peekable();
    words.peek().is_some() && words.all(is_suffix)
}

/// "Inc." and its like: a company, and no person.
fn is_firm(text: &str) -> bool {
    const FIRMS: [&str; 10] = [
        "inc",
        "llc",
        "llp",
        "ltd",
        "limited",
        "gmbh",
        "corp",
        "plc",
        "pty",
        "incorporated",
    ];
    let mut words = text.split_whitespace();
    words.any(|word| is_among(&FIRMS, word))
}

/// Whether `word` is one of `words`, its points and its case aside.
fn is_among(words: &[&str], word: &str) -> bool {
    let letters = || word.chars().filter(|c| *c != '.');
    let same = |known: &&str| letters().map(|c| c.to_ascii_lowercase()).eq(known.chars());
    word.len() <= 16 && words.iter().any(same)
}

fn is_comma(c: char) -> bool {
    matches!(c, ',' | '\u{ff0c}' | '\u{60c}')
}

/// Digits, `@` and `/` are of no name: such a cell is a place, a group, an address.
fn is_of_a_name(c: char) -> bool {
    c.is_alphabetic()
        || is_combining_mark(c)
        || is_comma(c)
        || c.is_whitespace() && !c.is_control()
        || matches!(
            c,
            '.' | '-'
                | '\''
                | '"'
                | '('
                | ')'
                | '`'
                | '\u{b4}'
                | '\u{b7}'
                | '\u{2bc}'
                | '\u{2010}'
                | '\u{2011}'
                | '\u{2018}'
                | '\u{2019}'
                | '\u{201c}'
                | '\u{201d}'
        )
}

/// Chinese, Japanese or Korean, where the family comes first in speech too.
fn is_eastern(text: &str) -> bool {
    let eastern = |c: char| {
        matches!(c,
            '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}')
    };
    text.chars().next().is_some_and(eastern)
}

/// Without what stands in brackets: "John (Bob)" is called John in writing.
fn without_brackets(text: &str) -> String {
    if !text.contains('(') {
        return text.to_owned();
    }
    let mut depth = 0_usize;
    let mut kept = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '(' => {
                depth += 1;
                kept.push(' ');
            }
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_and_first_names_are_taken_apart_and_nothing_is_lost() {
        for (text, first, last, full) in [
            ("Smith, John", "John", "Smith", "John Smith"),
            ("SMITH, JOHN", "JOHN", "SMITH", "JOHN SMITH"),
            ("Smith,John", "John", "Smith", "John Smith"),
            ("Smith, John,", "John", "Smith", "John Smith"),
            ("Smith, John A.", "John A.", "Smith", "John A. Smith"),
            (
                "van der Berg, Anna Maria",
                "Anna Maria",
                "van der Berg",
                "Anna Maria van der Berg",
            ),
            (
                "Berg, Anna van der",
                "Anna",
                "van der Berg",
                "Anna van der Berg",
            ),
            (
                "García Márquez, Gabriel",
                "Gabriel",
                "García Márquez",
                "Gabriel García Márquez",
            ),
            (
                "O’Hara-Núñez, Zoë",
                "Zoë",
                "O’Hara-Núñez",
                "Zoë O’Hara-Núñez",
            ),
            // What stands behind a name is of neither part.
            ("Smith, Jr., John", "John", "Smith", "John Smith, Jr."),
            ("Smith Jr., John", "John", "Smith", "John Smith, Jr."),
            ("Smith, John, Jr.", "John", "Smith", "John Smith, Jr."),
            ("Smith, John III", "John", "Smith", "John Smith, III"),
            (
                "Smith, John, PhD, MBA",
                "John",
                "Smith",
                "John Smith, PhD, MBA",
            ),
            ("Dr. Smith, John", "John", "Smith", "Dr. John Smith"),
            ("Smith, Dr. John", "John", "Smith", "Dr. John Smith"),
            (
                "Braund, Mr. Owen Harris",
                "Owen Harris",
                "Braund",
                "Mr. Owen Harris Braund",
            ),
            ("Smith, John (Bob)", "John", "Smith", "John (Bob) Smith"),
            (
                "Smith (née Jones), Anna",
                "Anna",
                "Smith",
                "Anna Smith (née Jones)",
            ),
            (
                "Smith, John (Sales, north)",
                "John",
                "Smith",
                "John (Sales, north) Smith",
            ),
            // Initials are names.
            ("Kumar, R", "R", "Kumar", "R Kumar"),
            // Said as they are written where the family comes first.
            ("Li, Na", "Na", "Li", "Na Li"),
            ("山田, 太郎", "太郎", "山田", "山田 太郎"),
            ("김，민준", "민준", "김", "김 민준"),
        ] {
            let name = apart(text).unwrap_or_else(|| panic!("{text} is not taken apart"));
            assert_eq!(
                (name.first.as_str(), name.last.as_str()),
                (first, last),
                "{text}"
            );
            assert_eq!(name.full, full, "{text}");
            assert_eq!(evidence(text), Some(NameOrder::LastFirst), "{text}");
        }
    }

    #[test]
    fn what_has_another_reading_is_left_as_it_is() {
        for (text, why, says) in [
            ("", "nothing", None),
            ("Madonna", "one name", None),
            ("Smith,", "half a name", None),
            (", John", "the other half", None),
            ("Smith,, John", "a cell too many", None),
            ("Smith, Jr.", "no given name", None),
            ("Smith, MD", "a doctor, or initials", None),
            ("Smith, -", "no given name", None),
            ("Smith, Mr.", "a title is no name", None),
            ("Berg, van der", "no given name", None),
            ("Smith, (Bob)", "a nickname only", None),
            ("Smith, John, Robert", "which one is the last name?", None),
            ("Smith, (John", "a bracket that does not close", None),
            ("Acme, Inc.", "a company", None),
            ("Room 4, Floor 2", "a place", Some(NameOrder::FirstLast)),
            ("Smith, a@acme.example", "an address", None),
            ("John Smith", "no comma", Some(NameOrder::FirstLast)),
            (
                "John Smith, PhD",
                "no given name",
                Some(NameOrder::FirstLast),
            ),
            ("山田 太郎", "no comma", Some(NameOrder::FirstLast)),
            ("Smith,\nJohn", "two lines", None),
        ] {
            assert_eq!(apart(text), None, "{text}: {why}");
            assert_eq!(evidence(text), says, "{text}: {why}");
        }
        assert_eq!(apart(&format!("{}, John", "x".repeat(LONGEST))), None);
    }

    proptest::proptest! {
        #[test]
        fn parts_of_a_name_are_never_empty_and_the_whole_holds_them(text in "[A-Za-zäé(). ,'-]{0,30}") {
            if let Some(Name { first, last, full }) = apart(&text) {
                proptest::prop_assert!(!first.is_empty() && !last.is_empty());
                proptest::prop_assert!(first.split(' ').chain(last.split(' ')).all(|word| full.contains(word)));
            }
        }
    }
}
