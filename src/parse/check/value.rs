//! Pure. Single values: e-mail addresses, decimal numbers, yes and no.

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

/// Brings a decimal number to its shortest form with a point: `1,234.50`, `1 234.5`, `1.234,50` and `1234,5` are 1234.5.
///
/// A single comma before exactly three digits separates thousands, as pay is mostly written; a single point is always the decimal one.
pub(super) fn decimal(text: &str) -> Option<String> {
    let (negative, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let count = |separator: char| digits.matches(separator).count();
    let separator = match (count(','), count('.')) {
        (0, 1) => Some('.'),
        (1, 0)
            if digits
                .rsplit(',')
                .next()
                .is_some_and(|behind| behind.len() != 3) =>
        {
            Some(',')
        }
        (_, 0) | (0, _) => None,
        _ => digits.chars().rev().find(|c| matches!(c, ',' | '.')),
    };
    let (whole, fraction) = match separator {
        Some(separator) => digits.rsplit_once(separator)?,
        None => (digits, ""),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = without_groups(whole, separator)?;
    if whole.len() > 15 || fraction.len() > 10 || !is_number(&whole) || !is_number(fraction) {
        return None;
    }
    if fraction.is_empty() && (whole.is_empty() || separator.is_some()) {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
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
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(&["yes", "y", "true", "t", "1", "x", "ja", "j"]) {
        Some("true")
    } else if is(&["no", "n", "false", "f", "0", "nein"]) {
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
            ("25.125", "25.125"),
            ("-5", "-5"),
            ("-0.00", "0"),
            (".5", "0.5"),
        ] {
            assert_eq!(decimal(text).as_deref(), Some(number), "{text}");
        }
        for bad in [
            "",
            "-",
            ".",
            "12.",
            "1,23,456",
            "12,34.5.6",
            "1.2.3",
            "$5",
            "1e5",
            "1,2345.6",
            "٣",
            "1 23",
            "1234567890123456",
        ] {
            assert_eq!(decimal(bad), None, "{bad}");
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
        assert_eq!(flag("maybe"), None);
    }

    proptest::proptest! {
        #[test]
        fn a_canonical_number_stays_as_it_is(text in "[-+0-9., ']{0,20}") {
            if let Some(number) = decimal(&text) {
                proptest::prop_assert_eq!(decimal(&number), Some(number.clone()));
            }
        }
    }
}
