//! Pure. Single values: e-mail addresses, decimal numbers, yes and no, and words for nothing.

use std::borrow::Cow;

use crate::parse::check::habits::Evidence;

/// Whether `text` is an address that mail can be sent to: RFC 5321 without quoted local parts and address literals, and with a dot in the domain.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let local_fits = (1..=64).contains(&local.len())
        && local.split('.').all(|atom| {
            !atom.is_empty()
                && atom
                    .chars()
                    .all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
        });
    let labels_fit = domain.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    });
    let last = domain.rsplit('.').next().unwrap_or_default();
    text.len() <= 254
        && local_fits
        && labels_fit
        && domain.contains('.')
        && last.chars().any(char::is_alphabetic)
}

/// What stands before the fraction of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    Comma,
    Point,
}

impl Point {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Comma => "a decimal comma",
            Self::Point => "a decimal point",
        }
    }

    /// The line of a configuration that declares it.
    pub(super) const fn example(self) -> &'static str {
        match self {
            Self::Comma => "decimal = \",\"",
            Self::Point => "decimal = \".\"",
        }
    }

    /// Takes the word of a configuration.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "," => Some(Self::Comma),
            "." => Some(Self::Point),
            _ => None,
        }
    }

    const fn char(self) -> char {
        match self {
            Self::Comma => ',',
            Self::Point => '.',
        }
    }
}

/// What a cell says of the point in its column. Every row is asked, so the usual number takes no detour over a reading of it.
pub(super) fn evidence(text: &str) -> Evidence<Point> {
    let count = |separator| memchr::memchr_iter(separator, text.as_bytes()).count();
    let (commas, points) = (count(b','), count(b'.'));
    let of = |point: Point| match decimal(text, Some(point)) {
        Some(_) => Evidence::Says(point),
        None => Evidence::Silent,
    };
    let alone = |point: Point, other: Point| {
        let (before, behind) = text.rsplit_once(point.char()).unwrap_or_default();
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if matches!(digits, 1 | 2)
            && digits == behind.len()
            && is_plain(before)
            && before.len() < 15
        {
            return Evidence::Says(point);
        }
        // Three digits may be a group of thousands.
        if digits == 3 && decimal(text, Some(other)).is_some() {
            Evidence::Open
        } else {
            of(point)
        }
    };
    match (commas, points) {
        (0, 0) => Evidence::Silent,
        (0, 1) => alone(Point::Point, Point::Comma),
        (1, 0) => alone(Point::Comma, Point::Point),
        (0, _) => of(Point::Comma),
        (_, 0) => of(Point::Point),
        _ if text.rfind(',') > text.rfind('.') => of(Point::Comma),
        _ => of(Point::Point),
    }
}

/// Whether it can be read in two ways.
pub(super) fn is_open(text: &str) -> bool {
    evidence(text) == Evidence::Open
}

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecimalFault {
    NotANumber,
    /// 1.234 is a little more than one, or a thousand.
    Ambiguous,
}

/// Brings a decimal number to its shortest form with a point, where it can be read in one way only: `1,234.50`, `1 234.5`, `1.234,50` and `1234,5`
/// are 1234.5.
///
/// Without a point that was declared or learnt, a single comma before exactly three digits separates thousands, as pay is mostly written; a single
/// point before exactly three digits is refused, because in half of the world it does the same.
pub(super) fn undeclared(text: &str) -> Result<String, DecimalFault> {
    match evidence(text) {
        Evidence::Silent => decimal(text, Some(Point::Point)),
        Evidence::Says(point) => decimal(text, Some(point)),
        Evidence::Open if text.contains(',') => decimal(text, Some(Point::Point)),
        Evidence::Open => return Err(DecimalFault::Ambiguous),
    }
    .ok_or(DecimalFault::NotANumber)
}

/// Sign and digits, without a currency around them; an accountant's brackets are a minus, and so is one behind the number, as SAP writes it.
fn unsigned(text: &str) -> (bool, &str) {
    const MINUS: [char; 2] = ['-', '\u{2212}'];
    let text = text.trim();
    let (bracketed, text) = match text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
    {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let trimmed = text.trim();
    let text = without_currency(trimmed);
    let behind = || {
        text.strip_suffix(MINUS)
            .filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit()))
    };
    let (negative, digits) = match text.strip_prefix(MINUS).or_else(behind) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    // One currency: before the sign or behind it.
    let digits = if text.len() == trimmed.len() {
        without_currency(digits)
    } else {
        digits
    };
    (negative || bracketed, digits.trim())
}

/// Codes of ISO 4217 that pay is written with.
const CURRENCIES: [&str; 42] = [
    "AED", "ARS", "AUD", "BGN", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CZK", "DKK", "EGP",
    "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "INR", "JPY", "KES", "KRW", "MXN", "MYR", "NGN",
    "NOK", "NZD", "PHP", "PLN", "RON", "RSD", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD",
    "UAH", "USD", "ZAR",
];

/// Signs of currencies; one that ends or begins as another comes before it.
const SIGNS: [&str; 36] = [
    "US$", "AU$", "NZ$", "CA$", "HK$", "NT$", "MX$", "A$", "C$", "R$", "S$", "$", "€", "£", "¥",
    "₹", "₽", "₩", "₪", "₺", "₫", "₱", "₦", "₴", "฿", "zł", "kr.", "kr", "Kč", "Fr.", "Ft", "Rs.",
    "Rs", "RM", "Rp", "R",
];

/// Without a sign such as `€` or a code of three letters such as `EUR`, before or behind.
fn without_currency(text: &str) -> &str {
    let text = text.trim();
    // Most numbers have none.
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    if begins && text.ends_with(|c: char| c.is_ascii_digit() || c == '-') {
        return text;
    }
    let is_code = |code: &str| CURRENCIES.iter().any(|it| it.eq_ignore_ascii_case(code));
    match (text.split_at_checked(3), text.len().checked_sub(3)) {
        (Some((code, rest)), _) if is_code(code) => return rest.trim(),
        (_, Some(at)) => match text.split_at_checked(at) {
            Some((rest, code)) if is_code(code) => return rest.trim(),
            _ => {}
        },
        _ => {}
    }
    for sign in SIGNS {
        if let Some(rest) = text.strip_prefix(sign).or_else(|| text.strip_suffix(sign)) {
            return rest.trim();
        }
    }
    text
}

/// Brings a decimal number to its shortest form with a point. `point` is what stands before its fraction, the other one separates thousands.
pub(super) fn decimal(text: &str, point: Option<Point>) -> Option<String> {
    let Some(point) = point else {
        return undeclared(text).ok();
    };
    let (negative, digits) = unsigned(text);
    let separator = point.char();
    let (whole, fraction) = match digits.rsplit_once(separator) {
        // "45,-": not a penny more.
        Some((whole, "-" | "--" | "\u{2013}" | "\u{2014}")) => (whole, None),
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mut whole = without_groups(whole, Some(separator))?;
    let mut digits = Cow::Borrowed(fraction.unwrap_or_default());
    if whole.len() > 15 || digits.len() > 20 || !is_number(&whole) || !is_number(&digits) {
        return None;
    }
    if digits.len() > FRACTION {
        let (rounded, kept) = rounded(&whole, &digits)?;
        (whole, digits) = (rounded, Cow::Owned(kept));
    }
    if digits.is_empty() && (whole.is_empty() || fraction.is_some()) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let fraction = digits.trim_end_matches('0');
    let sign = if negative && !(whole.is_empty() && fraction.is_empty()) {
        "-"
    } else {
        ""
    };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

/// Digits of a fraction that are kept: what a spreadsheet calculates has more, and they mean nothing.
const FRACTION: usize = 10;

fn rounded(whole: &str, fraction: &str) -> Option<(String, String)> {
    let (kept, rest) = fraction.split_at_checked(FRACTION)?;
    let up = rest.starts_with(|c: char| c >= '5');
    // Fifteen digits and ten.
    let number = format!("{whole}{kept}").parse::<u128>().ok()? + u128::from(up);
    let number = format!("{number:0width$}", width = FRACTION + 1);
    let (whole, fraction) = number.split_at_checked(number.len().checked_sub(FRACTION)?)?;
    Some((whole.to_owned(), fraction.to_owned()))
}

/// Takes out what separates groups of three digits, if every group but the first has three; or groups of two before the last, as in India.
fn without_groups(whole: &str, decimal_separator: Option<char>) -> Option<String> {
    let Some(group) = whole.chars().find(|c| !c.is_ascii_digit()) else {
        return Some(whole.to_owned());
    };
    let known = matches!(
        group,
        ',' | '.' | ' ' | '\u{a0}' | '\u{202f}' | '\'' | '\u{2019}'
    );
    let mut groups = whole.split(group);
    let first = groups.next()?;
    let fits = known
        && Some(group) != decimal_separator
        && (1..=3).contains(&first.len())
        && first != "0"
        && (groups.all(|group| group.len() == 3) || group == ',' && is_indian(whole));
    fits.then(|| whole.split(group).collect())
}

/// Whether the groups are those of 12,34,567.
fn is_indian(whole: &str) -> bool {
    let mut groups = whole.rsplit(',').map(str::len);
    let last = groups.next();
    let mut before = groups.peekable();
    let mut count = 0;
    while let Some(length) = before.next() {
        let is_first = before.peek().is_none();
        if length != 2 && !(is_first && length == 1) {
            return false;
        }
        count += 1;
    }
    last == Some(3) && count >= 2
}

/// Annual pay that is taken (R3.24). `canonical` is what [`decimal`] gives.
pub(super) fn is_annual_pay(canonical: &str) -> bool {
    let unsigned = canonical.strip_prefix('-').unwrap_or(canonical);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    match whole.parse::<u64>() {
        Ok(whole) => whole < 10_000_000 || (whole == 10_000_000 && fraction.is_empty()),
        Err(_) => false,
    }
}

static YES: &[&str] = &[
    "yes",
    "y",
    "true",
    "t",
    "1",
    "1.0",
    "-1",
    "x",
    "on",
    "\u{2713}",
    "\u{2714}",
    "ja",
    "j",
    "wahr",
    "oui",
    "vrai",
    "si",
    "sí",
    "sì",
    "s",
    "sim",
    "verdadero",
    "verdadeiro",
    "vero",
    "tak",
    "да",
    "igen",
    "evet",
    "是",
    "はい",
];

static NO: &[&str] = &[
    "no",
    "n",
    "false",
    "f",
    "0",
    "0.0",
    "off",
    "nein",
    "falsch",
    "non",
    "faux",
    "não",
    "nao",
    "falso",
    "nie",
    "нет",
    "nee",
    "nej",
    "nei",
    "nem",
    "hayır",
    "否",
    "いいえ",
];

/// Whether `text` says yes or no; none if it says neither. "O" is none of them: it is yes in French, and in Tokyo the opposite of "X".
pub(super) fn flag(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    if YES.contains(&text.as_str()) {
        Some("true")
    } else if NO.contains(&text.as_str()) {
        Some("false")
    } else {
        None
    }
}

/// What databases and programs write for nothing. A dash is not among them: in a column of money it may be nothing or zero.
pub(super) fn is_nothing(text: &str) -> bool {
    const WORDS: [&str; 9] = [
        "null", "(null)", "\\N", "n/a", "na", "none", "nil", "nan", "nat",
    ];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// A dash where something else is usual than money.
pub(super) fn is_dash(text: &str) -> bool {
    matches!(text, "-" | "--" | "\u{2013}" | "\u{2014}")
}

/// A number that a spreadsheet has shortened, such as 1.23E+05: the digits that made it an id are gone.
pub(super) fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once(['.', ',']).unwrap_or((unsigned, "0"));
    // 12E4 may be an id; a fraction or a plus makes it a number.
    let telling = unsigned.len() > whole.len() || exponent.starts_with('+');
    telling
        && is_number(whole)
        && is_number(fraction)
        && is_number(exponent.trim_start_matches(['+', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_mail_can_reach_are_taken() {
        for good in [
            "ada@acme.example",
            "a.b+night@mail.acme.example",
            "o'neill@acme.example",
            "zoë@münchen.example",
        ] {
            assert!(is_email(good), "{good}");
        }
        let long = format!("{}@acme.example", "a".repeat(65));
        for bad in [
            "",
            "ada",
            "@acme.example",
            "ada@",
            "ada@acme",
            "a@b@c.example",
            "a b@acme.example",
            ".a@acme.example",
            "a..b@acme.example",
            "<a@acme.example>",
            "a@-acme.example",
            "a@acme..example",
            "a@1.2.3.4",
            "a@acme.example,b@acme.example",
            "a@acme.example\n",
            long.as_str(),
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }

    #[test]
    fn numbers_come_to_their_shortest_form() {
        for (text, number) in [
            ("24000", "24000"),
            ("24000.00", "24000"),
            ("024,000.50", "24000.5"),
            ("45,000", "45000"),
            ("1,234,567", "1234567"),
            ("1.234.567", "1234567"),
            ("1.234,5", "1234.5"),
            ("1234,50", "1234.5"),
            ("1 234.5", "1234.5"),
            ("1'234.5", "1234.5"),
            ("25.5", "25.5"),
            ("0.125", "0.125"),
            ("$45,000.00", "45000"),
            ("1.234,50 €", "1234.5"),
            ("EUR 1234", "1234"),
            ("-£5.50", "-5.5"),
            ("(1,234.00)", "-1234"),
            ("1234 USD", "1234"),
            ("-5", "-5"),
            ("-0.00", "0"),
            (".5", "0.5"),
            ("12,34,567.50", "1234567.5"),
            ("1,23,456", "123456"),
            ("1.234,50-", "-1234.5"),
            ("45'000.-", "45000"),
            ("kr 45.000,-", "45000"),
            ("US$ 45,000", "45000"),
            ("45 000 kr.", "45000"),
            ("usd 45000", "45000"),
            ("21.634615384615383", "21.6346153846"),
            ("0.30000000000000004", "0.3"),
            ("9.99999999999999", "10"),
        ] {
            assert_eq!(decimal(text, None).as_deref(), Some(number), "{text}");
        }
        for bad in [
            "",
            "-",
            ".",
            "12.",
            "1,234,56",
            "1,2,345",
            "123,45,678",
            "1.23.456",
            "12,34.5.6",
            "-5-",
            "5--",
            ",-",
            "1.2.3",
            "$",
            "EUR",
            "ABC 5",
            "25.125",
            "1e5",
            "1,2345.6",
            "٣",
            "1 23",
            "1234567890123456",
        ] {
            assert_eq!(decimal(bad, None), None, "{bad}");
        }
    }

    #[test]
    fn a_point_before_three_digits_is_read_as_its_column_writes_it() {
        assert_eq!(undeclared("45.000"), Err(DecimalFault::Ambiguous));
        assert_eq!(
            decimal("45.000", Some(Point::Comma)).as_deref(),
            Some("45000")
        );
        assert_eq!(decimal("45.000", Some(Point::Point)).as_deref(), Some("45"));
        for (text, says) in [
            ("45.000", Evidence::Open),
            ("45,000", Evidence::Open),
            ("45.000,50", Evidence::Says(Point::Comma)),
            ("1234,5", Evidence::Says(Point::Comma)),
            ("1.234.567", Evidence::Says(Point::Comma)),
            ("1,234,567", Evidence::Says(Point::Point)),
            ("0.125", Evidence::Says(Point::Point)),
            ("24.50 EUR", Evidence::Says(Point::Point)),
            ("45000", Evidence::Silent),
            ("n/a", Evidence::Silent),
            ("", Evidence::Silent),
        ] {
            assert_eq!(evidence(text), says, "{text}");
        }
    }

    #[test]
    fn annual_pay_ends_at_ten_million_r3_24() {
        for good in ["0", "10000000", "-10000000", "9999999.99"] {
            assert!(is_annual_pay(good), "{good}");
        }
        for bad in ["10000000.01", "-10000001", "999999999999999"] {
            assert!(!is_annual_pay(bad), "{bad}");
        }
    }

    #[test]
    fn a_shortened_number_is_told_from_an_id() {
        for number in ["1.23E+05", "1E+05", "1,2E5", "1.5e-3"] {
            assert!(is_scientific(number), "{number}");
        }
        for id in ["12E4", "E5", "1E", "EMP+1", "1.2EX", "00123"] {
            assert!(!is_scientific(id), "{id}");
        }
    }

    #[test]
    fn what_stands_for_nothing_is_no_dash() {
        for nothing in ["NULL", "\\N", "n/a", "NaN", "NaT"] {
            assert!(is_nothing(nothing), "{nothing}");
        }
        for something in ["", "-", "0", "x", "Nan Li"] {
            assert!(!is_nothing(something), "{something}");
        }
    }

    #[test]
    fn yes_and_no_have_many_words() {
        assert!(YES.iter().all(|word| !NO.contains(word)));
        assert!(
            YES.iter()
                .chain(NO)
                .all(|word| *word == word.to_lowercase())
        );
        for yes in ["J", "Oui", "X", "1.0", "Wahr", "verdadero"] {
            assert_eq!(flag(yes), Some("true"), "{yes}");
        }
        for no in ["N", "Non", "0.0", "Falsch", "NEJ"] {
            assert_eq!(flag(no), Some("false"), "{no}");
        }
        assert_eq!(flag("O"), None);
        assert_eq!(flag("Y"), Some("true"));
        assert_eq!(flag("FALSE"), Some("false"));
        assert_eq!(flag("SÍ"), Some("true"));
        assert_eq!(flag("Нет"), Some("false"));
        assert_eq!(flag("maybe"), None);
    }

    proptest::proptest! {
        /// Evidence is what both readings of a number say, however it was come by.
        #[test]
        fn evidence_is_what_the_two_readings_say(text in "[-$(]?[0-9]{0,4}([.,][0-9]{0,4}){0,3}(-|,-|[) €])?") {
            let [comma, point] = [Point::Comma, Point::Point].map(|point| decimal(&text, Some(point)));
            let said = match (&comma, &point) {
                _ if comma == point => Evidence::Silent,
                (Some(_), Some(_)) => Evidence::Open,
                (Some(_), None) => Evidence::Says(Point::Comma),
                _ => Evidence::Says(Point::Point),
            };
            proptest::prop_assert_eq!(evidence(&text), said, "{}", text);
        }

        #[test]
        fn a_canonical_number_stays_as_it_is(text in "[-+0-9., ']{0,20}") {
            if let Some(number) = decimal(&text, None) {
                proptest::prop_assert_eq!(decimal(&number, Some(Point::Point)), Some(number.clone()));
            }
        }
    }
}
