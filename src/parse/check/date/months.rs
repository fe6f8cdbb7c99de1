//! Pure. The names of the months, where no two languages disagree.
//!
//! Left out is what means one month here and another there: `listopad` is October in Zagreb and November in Prague, `srp` August or July.

/// Characters of the longest name.
pub(super) const LONGEST: usize = 10;

const ENGLISH: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// In other languages (German, French, Spanish, Italian, Portuguese, Dutch, Danish, Norwegian, Swedish), whole and short, a blank between them;
/// without their accents too, as they are often typed.
const OTHERS: [&str; 12] = [
    "januar jänner jaenner janvier janv enero ene gennaio gen janeiro januari",
    "februar feber février fevrier fév fev févr fevr febrero febbraio fevereiro februari",
    "märz maerz mär mrz mars marzo março marco maart mrt marts",
    "avril avr abril abr aprile",
    "mai mayo maggio mag maio mei maj",
    "juni juin junio giugno giu junho",
    "juli juillet juil julio luglio lug julho",
    "août aout agosto ago augustus augusti",
    "septembre septiembre settembre set setembro",
    "oktober okt octobre octubre ottobre ott outubro out",
    "novembre noviembre novembro",
    "dezember dez décembre decembre déc diciembre dic dicembre dezembro desember des",
];

/// Which month has this name, whole or its first three letters in English; case does not matter.
pub(super) fn number(name: &str) -> Option<u16> {
    let same = |known: &str| name.chars().flat_map(char::to_lowercase).eq(known.chars());
    let english = |known: &&str| same(known) || known.get(..3).is_some_and(same);
    let at = ENGLISH
        .iter()
        .position(english)
        .or_else(|| same("sept").then_some(8))
        .or_else(|| OTHERS.iter().position(|names| names.split(' ').any(same)))?;
    u16::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_two_months() {
        let mut seen = std::collections::HashMap::new();
        for (at, names) in ENGLISH.iter().zip(OTHERS).enumerate() {
            let (english, others) = names;
            let all = others.split(' ').chain([*english, english.split_at(3).0]);
            for name in all {
                assert_eq!(name, name.to_lowercase());
                assert!(name.chars().count() <= LONGEST, "{name}");
                let before = seen.insert(name, at);
                assert!(before.is_none_or(|it| it == at), "{name}");
                assert_eq!(number(name).map(usize::from), Some(at + 1), "{name}");
            }
        }
    }

    #[test]
    fn what_two_languages_disagree_about_is_no_month() {
        for name in ["listopad", "srp", "lis", "jui", "ma", "ju", ""] {
            assert_eq!(number(name), None, "{name}");
        }
    }
}
