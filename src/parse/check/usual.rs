//! Pure. The usual cell: one that is its own canonical form, or begins with it. Nearly all cells of a large file are such, so they are told from the others in
//! one look, and only the others go the long way.
//!
//! Every function here may say no to anything. What it says yes to must come to the same the long way; a property of the tests holds that.

use crate::parse::check::habits::Evidence;
use crate::parse::check::value::Point;

/// Whether nothing in these cells is, or begins as, a control character other than a tab or a line end: one look at a whole row.
pub(super) fn is_clean(text: &str) -> bool {
    // All bytes are looked at, without a way out, so that many are at once.
    let odd = text.bytes().fold(0, |odd, byte| {
        let is_low = byte < b' ' && byte != b'\t' && byte != b'\n' && byte != b'\r';
        odd | u8::from(is_low) | u8::from(byte == 0x7f) | u8::from(byte == 0xc2)
    });
    odd == 0
}

/// Whether no cell begins or ends with what is taken off, such as blanks and the quotes of `="00012"`.
pub(super) fn is_bare(cell: &[u8]) -> bool {
    // The lead bytes of letters in Latin, Greek, Cyrillic, Hebrew and Arabic; no blank begins with one.
    let leads = |byte: &u8| (0xc3..=0xdf).contains(byte);
    match cell {
        [] | [b'=' | b'\'', ..] => false,
        [only] => only.is_ascii_graphic(),
        [first, .., before, last] => {
            (first.is_ascii_graphic() || leads(first)) && (last.is_ascii_graphic() || leads(before))
        }
        [first, last] => first.is_ascii_graphic() && last.is_ascii_graphic(),
    }
}

/// A key of letters, digits and marks that nobody takes for a number that a spreadsheet has changed.
pub(super) fn is_key(cell: &[u8]) -> bool {
    cell.len() <= 64
        && cell.iter().all(|byte| {
            byte.is_ascii_alphanumeric() && !matches!(byte, b'e' | b'E')
                || matches!(byte, b'-' | b'_')
        })
}

/// A day of an ordinary year in the form `2026-01-31`.
pub(super) fn is_date(cell: &[u8]) -> bool {
    let &[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = cell else {
        return false;
    };
    let two = |tens: u8, ones: u8| {
        let are_digits = tens.is_ascii_digit() && ones.is_ascii_digit();
        are_digits.then(|| (tens - b'0') * 10 + (ones - b'0'))
    };
    let (Some(century), Some(year), Some(month), Some(day)) =
        (two(y0, y1), two(y2, y3), two(m0, m1), two(d0, d1))
    else {
        return false;
    };
    let days = match month {
        // The 29th of February is looked at closely elsewhere.
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (century == 20 || century == 19 && year > 0) && (1..=days).contains(&day)
}

/// How long the canonical form of `24000` and `24000.50` is; none where the number has groups, a sign, a currency, or three digits that may be a group.
pub(super) fn number(cell: &[u8]) -> Option<(usize, Evidence<Point>)> {
    let whole = cell.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_short = (1..=7).contains(&whole) && (whole == 1 || cell.first() != Some(&b'0'));
    if !is_short {
        return None;
    }
    let kept = match cell.get(whole..)? {
        [] => return Some((whole, Evidence::Silent)),
        [b'.', b'0'] | [b'.', b'0', b'0'] => whole,
        [b'.', tenth] if tenth.is_ascii_digit() => whole + 2,
        [b'.', tenth, b'0'] if tenth.is_ascii_digit() => whole + 2,
        [b'.', tenth, hundredth] if tenth.is_ascii_digit() && hundredth.is_ascii_digit() => {
            whole + 3
        }
        _ => return None,
    };
    Some((kept, Evidence::Says(Point::Point)))
}

/// What a byte may be in an address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Between two letters or digits, everywhere.
    Mark,
    /// The same, before the `@` only.
    LocalMark,
    Letter,
    Digit,
    None,
}

static PARTS: [Part; 256] = {
    let mut parts = [Part::None; 256];
    let mut at = 0;
    while at < 128_u8 {
        #[expect(
            clippy::as_conversions,
            clippy::indexing_slicing,
            reason = "no byte is beyond the table, and this runs when it is compiled"
        )]
        {
            parts[at as usize] = match at {
                b'a'..=b'z' | b'A'..=b'Z' => Part::Letter,
                b'0'..=b'9' => Part::Digit,
                b'.' | b'-' => Part::Mark,
                b'_' | b'+' => Part::LocalMark,
                _ => Part::None,
            };
        }
        at += 1;
    }
    parts
};

/// An address of ASCII letters, digits and the usual marks, of which no two stand together: that is stricter than it need be.
pub(super) fn is_email(cell: &[u8]) -> bool {
    let part = |byte: &u8| PARTS.get(usize::from(*byte)).copied().unwrap_or(Part::None);
    let mut bytes = cell.iter();
    let mut is_inside = false;
    for byte in bytes.by_ref() {
        match part(byte) {
            Part::Letter | Part::Digit => is_inside = true,
            Part::Mark | Part::LocalMark if is_inside => is_inside = false,
            Part::None if is_inside && *byte == b'@' => break,
            _ => return false,
        }
    }
    let domain = bytes.as_slice();
    let (mut is_inside, mut has_dot, mut has_letter) = (false, false, false);
    for byte in domain {
        match part(byte) {
            Part::Letter => (is_inside, has_letter) = (true, true),
            Part::Digit => is_inside = true,
            Part::Mark if is_inside => {
                is_inside = false;
                if *byte == b'.' {
                    (has_dot, has_letter) = (true, false);
                }
            }
            _ => return false,
        }
    }
    // The last label has a letter.
    is_inside && has_dot && has_letter && domain.len() <= 63 && cell.len() - domain.len() <= 65
}
