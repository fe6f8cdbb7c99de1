//! Pure. Number formats: whether a number is shown as a date, as a duration, with zeros before it, or as a number.

#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::string_slice)]

/// Zeros that a format may ask for: a number has no more digits that are exact.
const ZEROS: usize = 15;
/// Characters of a format that stand between its zeros.
const LITERALS: usize = 40;

/// How a number is shown, as far as it changes what it means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::parse::read) enum Shown {
    /// As a number: its decimals, groups and units are nobody's business here.
    #[default]
    Number,
    Date,
    /// As hours, minutes or seconds that have gone by.
    Duration,
    /// With at least so many digits: the format `00000` shows 123 as 00123, and means it.
    Padded(usize),
    /// With digits among other characters: `"E"000` shows 7 as E007.
    Mask(Vec<Slot>),
}

/// A place of a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::parse::read) enum Slot {
    Digit,
    Letter(char),
}

/// What the format of this number means where the workbook does not say.
pub(super) fn builtin(id: u32) -> Shown {
    match id {
        // 27 to 36 and 50 to 58 are dates of East Asia.
        14..=22 | 27..=36 | 45 | 47 | 50..=58 => Shown::Date,
        46 => Shown::Duration,
        _ => Shown::Number,
    }
}

/// What a format code means.
pub(in crate::parse::read) fn custom(code: &str) -> Shown {
    let mut first = None;
    let mut rest = code;
    loop {
        let (section, behind) = Section::parse(rest);
        let conditional = section.conditional;
        let shown = section.shown();
        if !conditional || matches!(shown, Shown::Date | Shown::Duration) {
            // Without a condition, the first section is that of positive numbers.
            return match first {
                Some(first) if !matches!(shown, Shown::Date | Shown::Duration) => first,
                _ => shown,
            };
        }
        first = first.or(Some(shown));
        match behind {
            Some(behind) => rest = behind,
            None => return first.unwrap_or_default(),
        }
    }
}

/// What a section shows of a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Time {
    #[default]
    None,
    /// Years, months, days, hours, minutes or seconds.
    Moment,
    Elapsed,
}

/// A format code up to a semicolon.
#[derive(Debug, Default)]
struct Section {
    slots: Vec<Slot>,
    time: Time,
    /// Whether it has places for digits other than fractions of a second.
    digits: bool,
    /// Whether it is more than zeros and letters: groups, decimals, a percent sign.
    numeric: bool,
    conditional: bool,
}

impl Section {
    fn parse(code: &str) -> (Self, Option<&str>) {
        let mut section = Self::default();
        let mut rest = code;
        let mut before = ' ';
        while let Some((c, behind)) = first(rest) {
            rest = behind;
            match c {
                ';' => return (section, Some(rest)),
                '"' => {
                    let (literal, behind) = rest.split_once('"').unwrap_or((rest, ""));
                    section.slots.extend(literal.chars().map(Slot::Letter));
                    rest = behind;
                }
                '\\' => {
                    if let Some((literal, behind)) = first(rest) {
                        section.slots.push(Slot::Letter(literal));
                        rest = behind;
                    }
                }
                // A blank as wide as the next character, and a filling with it: neither is text.
                '_' | '*' => rest = first(rest).map_or("", |(_, behind)| behind),
                '[' => {
                    let (inner, behind) = rest.split_once(']').unwrap_or((rest, ""));
                    section.bracket(inner);
                    rest = behind;
                }
                _ => rest = section.symbol(c, before, rest),
            }
            before = c;
        }
        (section, None)
    }

    /// `[h]` is a duration, `[<100]` a condition; colours and languages change nothing.
    fn bracket(&mut self, inner: &str) {
        let is_of = |unit: char| {
            let mut letters = inner.chars();
            !inner.is_empty() && letters.all(|c| c.eq_ignore_ascii_case(&unit))
        };
        if is_of('h') || is_of('m') || is_of('s') {
            self.time = Time::Elapsed;
        }
        self.conditional |= inner.starts_with(['<', '>', '=']);
    }

    /// Takes a character that stands for something, and gives what is left.
    fn symbol<'a>(&mut self, c: char, before: char, rest: &'a str) -> &'a str {
        let takes = |word: &str| {
            let head = rest.get(..word.len())?;
            head.eq_ignore_ascii_case(word)
                .then(|| rest.get(word.len()..).unwrap_or_default())
        };
        match c.to_ascii_lowercase() {
            'g' if takes("eneral").is_some() => {
                self.numeric = true;
                return takes("eneral").unwrap_or_default();
            }
            'a' if takes("m/pm").is_some() => return takes("m/pm").unwrap_or_default(),
            'a' if takes("/p").is_some() => return takes("/p").unwrap_or_default(),
            'e' if rest.starts_with(['+', '-']) => self.numeric = true,
            'y' | 'm' | 'd' | 'h' | 's' => self.time = self.time.max(Time::Moment),
            // Years of an era and of the Buddha stand alone or with a month.
            'e' | 'g' | 'b' => {}
            // Fractions of a second: `ss.00`.
            '0' if self.time != Time::None && matches!(before, '.' | '0') => {}
            '0' => {
                self.digits = true;
                self.slots.push(Slot::Digit);
            }
            '#' | '?' => {
                self.digits = true;
                self.numeric = true;
            }
            '.' | ',' | '%' | '@' => self.numeric = true,
            _ => self.slots.push(Slot::Letter(c)),
        }
        rest
    }

    fn shown(self) -> Shown {
        let zeros = self
            .slots
            .iter()
            .filter(|slot| **slot == Slot::Digit)
            .count();
        if self.time == Time::Elapsed {
            Shown::Duration
        } else if self.time == Time::Moment && !self.digits {
            Shown::Date
        } else if self.time == Time::Moment || self.numeric || !(2..=ZEROS).contains(&zeros) {
            Shown::Number
        } else if zeros == self.slots.len() {
            Shown::Padded(zeros)
        } else if self.slots.len() <= LITERALS {
            Shown::Mask(self.slots)
        } else {
            Shown::Number
        }
    }
}

fn first(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    Some((chars.next()?, chars.as_str()))
}

/// A whole number's digits in the places of a mask; those that are left over stand in the first place.
pub(super) fn masked(digits: &str, mask: &[Slot]) -> String {
    let places = mask.iter().filter(|slot| **slot == Slot::Digit).count();
    let padded = format!("{digits:0>places$}");
    let surplus = padded.len().saturating_sub(places);
    let mut digits = padded.chars();
    let mut text = String::new();
    let mut begun = false;
    for slot in mask {
        match slot {
            Slot::Letter(c) => text.push(*c),
            Slot::Digit => {
                let take = if begun { 1 } else { surplus + 1 };
                begun = true;
                text.extend(digits.by_ref().take(take));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_dates_in_every_language_and_colour() {
        for code in [
            "yyyy-mm-dd",
            "dd/mm/yyyy",
            "m/d/yy h:mm",
            "[$-409]mmmm d, yyyy",
            "[$-F800]dddd, mmmm dd, yyyy",
            "[Red]dd.mm.yyyy",
            "[$-411]yyyy\"年\"m\"月\"d\"日\"",
            "[$-407]TT.MM.JJJJ dd",
            "dd\\.mm\\.yyyy",
            "yyyy\\-mm\\-dd;@",
            "mm:ss.0",
            "h:mm AM/PM",
            "[<1]h:mm;dd.mm.yyyy",
            "[$-C07]d. mmm yyyy;@",
            "_-dd/mm/yyyy_-",
        ] {
            assert_eq!(custom(code), Shown::Date, "{code}");
        }
        for code in ["[h]:mm", "[hh]:mm:ss", "[mm]:ss", "[ss]", "[H]:MM"] {
            assert_eq!(custom(code), Shown::Duration, "{code}");
        }
    }

    #[test]
    fn numbers_with_units_and_colours_are_numbers() {
        for code in [
            "General",
            "general\" days\"",
            "0",
            "0.00",
            "#,##0",
            "#,##0.00 \"USD\"",
            "#,##0 USD",
            "0 \"days\"",
            "#,##0 \"hrs\"",
            "0\\d",
            "[Red]0",
            "0.00E+00",
            "00.00",
            "00%",
            "@",
            "",
            "# ?/?",
            "[>=1000]#,##0;0",
            "_(* #,##0.00_);_(* (#,##0.00);_(* \"-\"??_);_(@_)",
            "\"yyyy\"0",
        ] {
            assert_eq!(custom(code), Shown::Number, "{code}");
        }
    }

    #[test]
    fn zeros_and_what_stands_among_them_are_shown() {
        assert_eq!(custom("00000"), Shown::Padded(5));
        assert_eq!(custom("00000;-00000"), Shown::Padded(5));
        assert_eq!(custom("[Blue]00000;[Red]-00000"), Shown::Padded(5));
        assert_eq!(custom("0000000000000000"), Shown::Number);
        for (code, digits, text) in [
            ("\"E\"000", "7", "E007"),
            ("000\\-00\\-0000", "123456789", "123-45-6789"),
            ("000-00-0000", "1234", "000-00-1234"),
            ("\"EMP\"\\-0000", "123456", "EMP-123456"),
        ] {
            let Shown::Mask(mask) = custom(code) else {
                panic!("{code}: {:?}", custom(code));
            };
            assert_eq!(masked(digits, &mask), text, "{code}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_format_means_something(code in "[ymdhs0#?.,;%@\\[\\]\"\\\\_*A-Eg/é -]{0,40}") {
            if let Shown::Mask(mask) = custom(&code) {
                masked("1234567", &mask);
            }
        }
    }
}
