//! Pure. The usual cell: one that is its own canonical form, or begins with it. Nearly all cells of a large file are such, so they are told from the others in
//! one look, and only the others go the long way.
//!
//! Every function here may say no to anything. What it says yes to must come to the same the long way; a property of the tests holds that.

use crate::parse::check::habits::Evidence;
use crate::parse::check::value::Point;

/// Whether nothing in these cells is, or begins as, a control character other than a tab or a line end: one look at a whole row.
pub(super) fn is_clean(text: &str) -> bool {
    let is_odd = |byte: u8| byte < b' ' || byte == 0x7f || byte == 0xc2;
    // Tabs and line ends are rare, and telling them from the others takes as long again.
    !any(text, is_odd)
        || !any(text, |byte| {
            is_odd(byte) && !matches!(byte, b'\t' | b'\n' | b'\r')
        })
}

/// Looks at all bytes, without a way out, so that many are looked at at once.
fn any(text: &str, is_such: impl Fn(u8) -> bool) -> bool {
    text.bytes()
        .fold(0, |any, byte| any | u8::from(is_such(byte)))
        != 0
}

/// What a byte may be at the edges of a cell and in an address, as bits: a cell is judged by a few of them at once, without a jump a byte.
static BYTES: [u8; 256] = bytes();
/// The cell may begin with it: a visible character of ASCII but for `=` and `'`, or a letter beyond.
const BEGINS: u8 = 1;
/// The cell may end with it, because it is a visible character of ASCII.
const ENDS: u8 = 2;
/// The first half of a letter in Latin, Greek, Cyrillic, Hebrew or Arabic. No blank begins with one.
const LEADS: u8 = 4;
const LETTER: u8 = 8;
/// Between two letters or digits of an address.
const MARK: u8 = 16;
/// What the domain of an address has not, or no address.
const NOT_OF_DOMAIN: u8 = 32;
const NOT_OF_ADDRESS: u8 = 64;

const fn bytes() -> [u8; 256] {
    let mut bytes = [0; 256];
    let mut byte = 0_u8;
    loop {
        let edges = match byte {
            b'=' | b'\'' => ENDS,
            b'!'..=b'~' => BEGINS | ENDS,
            0xc3..=0xdf => BEGINS | LEADS,
            _ => 0,
        };
        let part = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => 0,
            b'.' | b'-' => MARK,
            b'_' | b'+' => MARK | NOT_OF_DOMAIN,
            _ => NOT_OF_DOMAIN | NOT_OF_ADDRESS,
        };
        #[expect(
            clippy::as_conversions,
            clippy::indexing_slicing,
            reason = "no byte is beyond the table, and this runs when it is compiled"
        )]
        {
            bytes[byte as usize] = edges | part;
        }
        if byte == u8::MAX {
            return bytes;
        }
        byte += 1;
    }
}

fn of(byte: u8) -> u8 {
    BYTES.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Whether no cell begins or ends with what is taken off, such as blanks and the quotes of `="00012"`.
#[inline]
pub(super) fn is_bare(cell: &[u8]) -> bool {
    let (Some(first), Some(last)) = (cell.first(), cell.last()) else {
        return false;
    };
    let before = match cell {
        [_, .., before, _] => of(*before),
        _ => 0,
    };
    (of(*first) & BEGINS != 0) & ((of(*last) & ENDS) | (before & LEADS) != 0)
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

/// An address of ASCII letters, digits and the usual marks, of which no two stand together: that is stricter than it need be.
pub(super) fn is_email(cell: &[u8]) -> bool {
    let Some(at) = memchr::memchr(b'@', cell) else {
        return false;
    };
    let (Some(local), Some(domain)) = (cell.get(..at), cell.get(at + 1..)) else {
        return false;
    };
    let Some(dot) = memchr::memrchr(b'.', domain) else {
        return false;
    };
    let last_label = domain.get(dot..).unwrap_or_default();
    let has_letter = last_label.iter().any(|byte| of(*byte) & LETTER != 0);
    has_letter
        && domain.len() <= 63
        && local.len() <= 64
        && alternate(local, NOT_OF_ADDRESS)
        && alternate(domain, NOT_OF_DOMAIN)
}

/// Whether marks stand only between letters and digits, and none of the bytes is `not` to be there.
fn alternate(part: &[u8], not: u8) -> bool {
    let (mut before, mut wrong) = (MARK, 0);
    for byte in part {
        let now = of(*byte);
        wrong |= now & (not | before & MARK);
        before = now;
    }
    (wrong | before & MARK) == 0
}
