//! Pure. Tenants and their logins and data sources: who may deliver what, under which name.
//!
//! Text from a configuration file or from a stranger becomes one of these types at the door; after it nobody checks again.

use std::fmt;

use serde::Serialize;

use crate::parse::agreement::Agreement;
use crate::parse::check::columns::Mapping;
use crate::roster::safeguard::Safeguard;

/// A customer: `[a-z0-9-]{1,63}`, used in folder names, tables, metrics and logs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct TenantId(String);

impl TenantId {
    /// Takes a name that keeps the rule.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if (1..=63).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Tenant)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a login delivers to (R1.13): each has its own mailbox, roster and credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// The roster that counts.
    Production,
    /// A place to try things.
    Sandbox,
}

impl Environment {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Production, Self::Sandbox];

    /// Takes `production` or `sandbox`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::ALL
            .into_iter()
            .find(|environment| environment.as_str() == text)
            .ok_or(NameError::Environment)
    }

    /// The word used in folders, tables and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Sandbox => "sandbox",
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a name was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a tenant name.
    #[error("a tenant name is 1 to 63 of a-z, 0-9 and -")]
    Tenant,
    /// Neither of the two environments.
    #[error("an environment is \"production\" or \"sandbox\"")]
    Environment,
    /// A pipe behind something that is not one of our hosts.
    #[error("the part before the pipe is not one of the configured hosts")]
    UnknownHost,
    /// Empty, too long, or with control characters.
    #[error("a user name is 1 to 255 bytes without control characters")]
    User,
    /// Not usable as a file name or pattern.
    #[error("a file name is 1 to 200 bytes without control characters, / or \\")]
    File,
}

/// The user behind a login name.
///
/// Senders log in as `host|user`, `host+user` or plain `user` (R0.17; `+` because current OpenSSH command lines refuse `|`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginName {
    user: String,
}

impl LoginName {
    /// Splits `name` at the first separator that follows one of `hosts` (ASCII case ignored). Any other name that holds a `|` is refused.
    pub fn parse(name: &str, hosts: &[String]) -> Result<Self, NameError> {
        let user = match hosts.iter().find_map(|host| after_host(name, host)) {
            Some(user) => user,
            None if name.contains('|') => return Err(NameError::UnknownHost),
            None => name,
        };
        if user.is_empty() || user.len() > 255 || user.chars().any(is_unfit) {
            return Err(NameError::User);
        }
        Ok(Self {
            user: user.to_owned(),
        })
    }

    /// The user as the tenant file writes it.
    pub fn user(&self) -> &str {
        &self.user
    }
}

/// What follows `host` and a separator in `name`.
fn after_host<'a>(name: &'a str, host: &str) -> Option<&'a str> {
    let (head, rest) = name.split_at_checked(host.len())?;
    if !head.eq_ignore_ascii_case(host) {
        return None;
    }
    rest.strip_prefix('|').or_else(|| rest.strip_prefix('+'))
}

/// Control characters and line separators have no place in any name of ours.
pub fn is_unfit(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// What a login may do. Listing is always allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Store files, make folders, rename.
    pub upload: bool,
    /// Fetch files.
    pub download: bool,
    /// Delete files and folders.
    pub delete: bool,
}

impl Rights {
    /// The default of a login.
    pub const ALL: Self = Self {
        upload: true,
        download: true,
        delete: true,
    };

    /// The words that a configuration has for them.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let words = [
            (self.upload, "upload"),
            (self.download, "download"),
            (self.delete, "delete"),
        ];
        words
            .into_iter()
            .filter_map(|(held, word)| held.then_some(word))
    }
}

/// A file name with `*` for any run of characters, or an exact one without.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamePattern(String);

impl NamePattern {
    /// Takes a name or pattern that could be a file in a mailbox.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fit = !text.is_empty()
            && text.len() <= 200
            && text != "."
            && text != ".."
            && !text.chars().any(|c| is_unfit(c) || c == '/' || c == '\\');
        if fit {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::File)
        }
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `name` is meant, to the letter.
    pub fn matches(&self, name: &str) -> bool {
        matches_from(self.0.as_bytes(), name.as_bytes())
    }

    /// Whether `name` is meant but for upper and lower case.
    pub fn matches_but_for_case(&self, name: &str) -> bool {
        matches_from(
            self.0.to_lowercase().as_bytes(),
            name.to_lowercase().as_bytes(),
        )
    }
}

impl NamePattern {
    /// Whether there is a name that both mean.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (one, other) = (self.0.as_bytes(), other.0.as_bytes());
        // Whether the rests of both, from here on, can be the same: filled from their ends.
        let mut below = vec![false; other.len() + 1];
        for i in (0..=one.len()).rev() {
            let mut row = vec![false; other.len() + 1];
            for j in (0..=other.len()).rev() {
                let at = |row: &[bool], j: usize| row.get(j).copied().unwrap_or(false);
                let met = match (one.get(i), other.get(j)) {
                    (None, None) => true,
                    // A star is nothing, or takes the next of the other.
                    (Some(b'*'), _) | (_, Some(b'*')) => at(&below, j) || at(&row, j + 1),
                    (Some(a), Some(b)) => a == b && at(&below, j + 1),
                    _ => false,
                };
                if let Some(cell) = row.get_mut(j) {
                    *cell = met;
                }
            }
            below = row;
        }
        below.first().copied().unwrap_or(false)
    }
}

/// What counts as a photo (R0.07), in any case.
const PHOTO_EXTENSIONS: [&str; 4] = ["bmp", "jpg", "jpeg", "png"];

/// Whether a file of this name is a photo.
pub fn is_photo_name(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty()
            && PHOTO_EXTENSIONS
                .iter()
                .any(|it| extension.eq_ignore_ascii_case(it))
    })
}

/// Greedy matching that goes back to the last `*` only: linear in practice, `len * len` at worst, never more.
fn matches_from(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p + 1, n));
                p += 1;
            }
            Some(byte) if name.get(n) == Some(byte) => {
                p += 1;
                n += 1;
            }
            _ => match back {
                Some((after_star, from)) => {
                    p = after_star;
                    n = from + 1;
                    back = Some((after_star, n));
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|b| *b == b'*'))
}

/// Who counts as a leaver in a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Whoever is absent from the file.
    Full,
    /// Only what is in the file changes.
    Delta,
    /// A column decides; whoever is absent stays untouched.
    Status,
}

impl Mode {
    /// Takes `full`, `delta` or `status`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Full, Self::Delta, Self::Status]
            .into_iter()
            .find(|mode| mode.as_str() == text)
    }

    /// The word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Delta => "delta",
            Self::Status => "status",
        }
    }
}

/// What becomes of managers whom nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownManagers {
    /// They are told of.
    #[default]
    Reported,
    /// They are added with their id, to be filled by their own row (R3.21).
    Stubs,
}

impl UnknownManagers {
    /// Takes the word of the configuration.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "report" => Some(Self::Reported),
            "stub" => Some(Self::Stubs),
            _ => None,
        }
    }
}

/// When the deliveries of a data source begin to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GoLive {
    /// Once an admin has seen what they come to, and has published it.
    Published,
    /// With the first one.
    AtOnce,
}

impl GoLive {
    /// Takes `published` or `at_once`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Published, Self::AtOnce]
            .into_iter()
            .find(|go_live| go_live.as_str() == text)
    }

    /// The word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::AtOnce => "at_once",
        }
    }
}

/// One agreed file feed of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSource {
    /// Its name in the tenant's file.
    pub name: String,
    /// Where it is the feed of that name; none: in both environments.
    pub environment: Option<Environment>,
    /// When its deliveries begin to be applied.
    pub go_live: GoLive,
    /// The file name that senders must use (R0.25).
    pub file_name: NamePattern,
    /// Who counts as a leaver.
    pub mode: Mode,
    /// How columns become fields.
    pub mapping: Mapping,
    /// What its files are like, beside their headers.
    pub agreement: Agreement,
    /// When a run waits for a person.
    pub safeguard: Safeguard,
    /// What becomes of managers whom nobody knows.
    pub unknown_managers: UnknownManagers,
}

impl DataSource {
    /// Whether it is a feed of this environment.
    pub fn serves(&self, environment: Environment) -> bool {
        self.environment.is_none_or(|own| own == environment)
    }

    /// A digest of what an admin confirms by publishing it: how its files are read, and who counts as a leaver. When a version of rosterd makes it
    /// otherwise, its migration must take the stored ones away, or every data source would have to be published again.
    pub fn terms(&self) -> String {
        let terms = format!("{} {}", self.digest(), self.mode.as_str());
        blake3::hash(terms.as_bytes()).to_hex().to_string()
    }

    /// What the reader of its files is to know.
    pub fn reading(&self) -> Agreement {
        Agreement {
            headers: self.mapping.headers().map(str::to_owned).collect(),
            ..self.agreement.clone()
        }
    }

    /// A digest that changes whenever the same bytes may come to something else.
    pub fn digest(&self) -> String {
        let mapping = self.mapping.digest();
        if self.agreement == Agreement::default() {
            return mapping;
        }
        let agreement = format!("{mapping} {:?}", self.agreement);
        blake3::hash(agreement.as_bytes()).to_hex().to_string()
    }
}

#[cfg(test)]
impl DataSource {
    /// One that is as the defaults say, for tests.
    pub(crate) fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            environment: None,
            go_live: GoLive::Published,
            file_name: NamePattern::parse(&format!("{name}.csv")).unwrap(),
            mode: Mode::Full,
            mapping: Mapping::default(),
            agreement: Agreement::default(),
            safeguard: Safeguard::default(),
            unknown_managers: UnknownManagers::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Result<String, NameError> {
        let hosts = ["secureftp.example.com".to_owned(), "localhost".to_owned()];
        LoginName::parse(name, &hosts).map(|login| login.user().to_owned())
    }

    #[test]
    fn a_name_behind_a_host_and_a_pipe_or_plus_is_the_user_r0_17() {
        assert_eq!(
            user("Secureftp.example.com|hr@acme.example").unwrap(),
            "hr@acme.example"
        );
        assert_eq!(
            user("SECUREFTP.EXAMPLE.COM+hr@acme.example").unwrap(),
            "hr@acme.example"
        );
        assert_eq!(user("localhost|a|b").unwrap(), "a|b");
        assert_eq!(
            user("hr+night@acme.example").unwrap(),
            "hr+night@acme.example"
        );
        assert_eq!(user("localhost").unwrap(), "localhost");
    }

    #[test]
    fn a_pipe_behind_a_stranger_host_is_refused() {
        assert_eq!(user("other.example|hr"), Err(NameError::UnknownHost));
        assert_eq!(user("|hr"), Err(NameError::UnknownHost));
        assert_eq!(user("localhost|"), Err(NameError::User));
        assert_eq!(user("hr\u{2028}x"), Err(NameError::User));
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        let dated = NamePattern::parse("staff_*.csv").unwrap();
        assert!(dated.matches("staff_20261122.csv"));
        assert!(dated.matches("staff_.csv"));
        assert!(!dated.matches("Staff_20261122.csv"));
        assert!(dated.matches_but_for_case("Staff_20261122.CSV"));
        assert!(!dated.matches("staff_1.csv.part"));
        assert!(NamePattern::parse("*.in.*").unwrap().matches("a.in.b"));
        assert!(!NamePattern::parse(".in.*").unwrap().matches("a.in.b"));
    }

    #[test]
    fn patterns_overlap_when_one_name_is_meant_by_both() {
        for (one, other, overlap) in [
            ("employees.csv", "employees.csv", true),
            ("employees.csv", "Employees.csv", false),
            ("employees.csv", "employees*.csv", true),
            ("employees.csv", "leavers*.csv", false),
            ("staff_*.csv", "staff_leavers_*.csv", true),
            ("staff_*.csv", "leavers_*.csv", false),
            ("staff_*.csv", "*.part", false),
            ("staff_*", "*.part", true),
            ("a*b", "ab", true),
            ("a*b", "*ba*", true),
            ("a*b*c", "a*d", false),
            ("*", "**", true),
            ("*", "x", true),
        ] {
            let [a, b] = [one, other].map(|text| NamePattern::parse(text).unwrap());
            assert_eq!(a.overlaps(&b), overlap, "{one} {other}");
            assert_eq!(b.overlaps(&a), overlap, "{other} {one}");
        }
    }

    proptest::proptest! {
        #[test]
        fn patterns_that_both_mean_a_name_overlap(one in "[ab*]{1,6}", other in "[ab*]{1,6}", name in "[ab]{1,6}") {
            let [a, b] = [&one, &other].map(|text| NamePattern::parse(text).unwrap());
            proptest::prop_assert!(a.overlaps(&b) || !(a.matches(&name) && b.matches(&name)));
        }
    }

    #[test]
    fn names_that_could_leave_a_folder_are_no_patterns() {
        for bad in ["", ".", "..", "a/b", "a\\b", "a\0b", "a\nb"] {
            assert_eq!(NamePattern::parse(bad), Err(NameError::File), "{bad:?}");
        }
    }
}
