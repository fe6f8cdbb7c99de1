//! Pure. A path inside a mailbox: the one normaliser for both protocols and the watcher.
//!
//! What a peer sends is resolved against its working folder into names that are safe to hand to the kernel one by one; nothing is
//! decoded (`%2e` is three ordinary characters) and `..` stops at the root.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use crate::tenant::is_unfit;

/// An absolute, normalised path: `/`, or names joined by `/`.
///
/// Invariant: every name is 1 to 200 bytes of NFC UTF-8 without control characters, `/` and `\`, is neither `.` nor `..`, and does not end
/// in a dot or a space.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MailboxPath {
    names: Vec<String>,
}

/// Why a path was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("Names must be UTF-8")]
    NotUtf8,
    #[error("Names must not hold control characters or backslashes")]
    Unfit,
    #[error("Names must not end in a dot or a space")]
    Tail,
    #[error("Names may have up to 200 bytes, in up to 16 folders")]
    TooLong,
}

impl MailboxPath {
    /// Bytes in one name.
    pub const NAME_LIMIT_BYTES: usize = 200;
    /// Names in a path.
    pub const DEPTH_LIMIT: usize = 16;

    /// `/`.
    pub fn root() -> Self {
        Self::default()
    }

    /// What `sent` means to a peer whose working folder is `folder`.
    pub fn resolve(folder: &Self, sent: &[u8]) -> Result<Self, PathError> {
        let sent = std::str::from_utf8(sent).map_err(|_| PathError::NotUtf8)?;
        let mut path = if sent.starts_with('/') {
            Self::root()
        } else {
            folder.clone()
        };
        for name in sent.split('/') {
            match name {
                "" | "." => {}
                ".." => {
                    path.names.pop();
                }
                name => path = path.join(name)?,
            }
        }
        Ok(path)
    }

    /// The path of `name` within this folder.
    pub fn join(&self, name: &str) -> Result<Self, PathError> {
        let name: String = name.nfc().collect();
        if name.chars().any(|c| is_unfit(c) || c == '\\' || c == '/') {
            return Err(PathError::Unfit);
        }
        if name.is_empty() || name.ends_with(['.', ' ']) {
            return Err(PathError::Tail);
        }
        if name.len() > Self::NAME_LIMIT_BYTES || self.names.len() >= Self::DEPTH_LIMIT {
            return Err(PathError::TooLong);
        }
        let mut names = self.names.clone();
        names.push(name);
        Ok(Self { names })
    }

    /// Its names from the root down.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The last name; none for the root.
    pub fn name(&self) -> Option<&str> {
        self.names.last().map(String::as_str)
    }

    /// The folder it is in; none for the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, folder) = self.names.split_last()?;
        Some(Self {
            names: folder.to_vec(),
        })
    }

    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        self.names.is_empty()
    }
}

impl fmt::Display for MailboxPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.names.is_empty() {
            return f.write_str("/");
        }
        self.names.iter().try_for_each(|name| write!(f, "/{name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(folder: &str, sent: &[u8]) -> Result<String, PathError> {
        let folder = MailboxPath::resolve(&MailboxPath::root(), folder.as_bytes()).unwrap();
        MailboxPath::resolve(&folder, sent).map(|path| path.to_string())
    }

    #[test]
    fn dots_and_slashes_resolve_and_never_climb_above_the_root() {
        assert_eq!(
            resolved("/images", b"../data//./employees.csv").unwrap(),
            "/data/employees.csv"
        );
        assert_eq!(
            resolved("/data", b"../../../../etc/passwd").unwrap(),
            "/etc/passwd"
        );
        assert_eq!(resolved("/data", b"/").unwrap(), "/");
        assert_eq!(resolved("/data", b"%2e%2e/x").unwrap(), "/data/%2e%2e/x");
    }

    #[test]
    fn names_that_a_kernel_a_log_or_a_windows_client_could_misread_are_refused() {
        assert_eq!(resolved("/", b"a\\..\\b"), Err(PathError::Unfit));
        assert_eq!(resolved("/", b"a\0b"), Err(PathError::Unfit));
        assert_eq!(resolved("/", b"a\nb"), Err(PathError::Unfit));
        assert_eq!(
            resolved("/", "a\u{2028}b".as_bytes()),
            Err(PathError::Unfit)
        );
        assert_eq!(resolved("/", b"employees.csv."), Err(PathError::Tail));
        assert_eq!(resolved("/", b"employees.csv "), Err(PathError::Tail));
        assert_eq!(
            resolved("/", b"\xc0\xae\xc0\xae/x"),
            Err(PathError::NotUtf8)
        );
        assert_eq!(resolved("/", &[b'a'; 201]), Err(PathError::TooLong));
        assert_eq!(resolved("/", &b"a/".repeat(17)), Err(PathError::TooLong));
    }

    #[test]
    fn composed_and_decomposed_names_are_one() {
        assert_eq!(
            resolved("/", "e\u{301}.csv".as_bytes()),
            resolved("/", "é.csv".as_bytes())
        );
    }
}
