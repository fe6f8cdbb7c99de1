//! Pure. Single values: e-mail addresses, decimal numbers, yes and no.

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
        let behind = text.rsplit(point.char()).next().unwrap_or_default();
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
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

/// Sign and digits, without a currency around them; an accountant's brackets are a minus.
fn unsigned(text: &str) -> (bool, &str) {
    let text = text.trim();
    let (bracketed, text) = match text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
    {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let text = without_currency(text);
    let (negative, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    (negative || bracketed, without_currency(digits))
}

/// Codes of ISO 4217 that pay is written with.
const CURRENCIES: [&str; 42] = [
    "AED", "ARS", "AUD", "BGN", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CZK", "DKK", "EGP",
    "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "INR", "JPY", "KES", "KRW", "MXN", "MYR", "NGN",
    "NOK", "NZD", "PHP", "PLN", "RON", "RSD", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD",
    "UAH", "USD", "ZAR",
];

/// Without a sign such as `€` or a code of three letters such as `EUR`, before or behind.
fn without_currency(text: &str) -> &str {
    const SIGNS: [&str; 14] = [
        "$", "€", "£", "¥", "₹", "₽", "₩", "₪", "₺", "zł", "kr", "Kč", "Fr.", "R$",
    ];
    let text = text.trim();
    for sign in SIGNS {
        if let Some(rest) = text.strip_prefix(sign).or_else(|| text.strip_suffix(sign)) {
            return rest.trim();
        }
    }
    let is_code = |code: &str| CURRENCIES.contains(&code);
    match (text.split_at_checked(3), text.len().checked_sub(3)) {
        (Some((code, rest)), _) if is_code(code) => rest.trim(),
        (_, Some(at)) => match text.split_at_checked(at) {
            Some((rest, code)) if is_code(code) => rest.trim(),
            _ => text,
        },
        _ => text,
    }
}

/// Brings a decimal number to its shortest form with a point. `point` is what stands before its fraction, the other one separates thousands.
pub(super) fn decimal(text: &str, point: Option<Point>) -> Option<String> {
    let Some(point) = point else {
        return undeclared(text).ok();
    };
    let (negative, digits) = unsigned(text);
    let separator = point.char();
    let (whole, fraction) = match digits.rsplit_once(separator) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = without_groups(whole, Some(separator))?;
    let digits = fraction.unwrap_or_default();
    if whole.len() > 15 || digits.len() > 10 || !is_number(&whole) || !is_number(digits) {
        return None;
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

/// Takes out what separates groups of three digits, if every group but the first has three.
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
        && groups.all(|group| group.len() == 3);
    fits.then(|| whole.split(group).collect())
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

/// Whether `text` says yes or no; none if it says neither.
pub(super) fn flag(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let is = |words: &[&str]| words.contains(&text.as_str());
    if is(&[
        "yes",
        "y",
        "true",
        "t",
        "1",
        "x",
        "on",
        "ja",
        "j",
        "wahr",
        "oui",
        "vrai",
        "si",
        "sí",
        "sì",
        "sim",
        "verdadero",
        "vero",
        "tak",
        "да",
    ]) {
        Some("true")
    } else if is(&[
        "no", "n", "false", "f", "0", "off", "nein", "falsch", "non", "faux", "não", "falso",
        "nie", "нет", "nee",
    ]) {
        Some("false")
    } else {
        None
    }
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
        ] {
            assert_eq!(decimal(text, None).as_deref(), Some(number), "{text}");
        }
        for bad in [
            "",
            "-",
            ".",
            "12.",
            "1,23,456",
            "12,34.5.6",
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
    fn yes_and_no_have_many_words() {
        assert_eq!(flag("Y"), Some("true"));
        assert_eq!(flag("FALSE"), Some("false"));
        assert_eq!(flag("SÍ"), Some("true"));
        assert_eq!(flag("Нет"), Some("false"));
        assert_eq!(flag("maybe"), None);
    }

    proptest::proptest! {
        /// Evidence is what both readings of a number say, however it was come by.
        #[test]
        fn evidence_is_what_the_two_readings_say(text in "[-$(]?[0-9]{0,4}([.,][0-9]{0,4}){0,3}[) €]?") {
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
