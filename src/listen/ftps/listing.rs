//! Pure. Listings: what is in a mailbox, in the forms of LIST (`ls -l`), NLST and MLSD (RFC 3659 section 7). Times are UTC, to the second.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use crate::mailbox::{Entry, EntryKind};
use crate::tenant::Rights;

/// `ls -l` shows the year in place of the time of day for what is older than this.
const RECENT: SignedDuration = SignedDuration::from_hours(24 * 180);

/// One thing MLSD and MLST tell about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    Type,
    Size,
    Modify,
    Perm,
}

impl Fact {
    const ALL: [Self; 4] = [Self::Type, Self::Size, Self::Modify, Self::Perm];

    const fn name(self) -> &'static str {
        match self {
            Self::Type => "type",
            Self::Size => "size",
            Self::Modify => "modify",
            Self::Perm => "perm",
        }
    }
}

/// The facts a session wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts(Vec<Fact>);

impl Default for Facts {
    fn default() -> Self {
        Self(Fact::ALL.to_vec())
    }
}

impl Facts {
    /// The known ones among the names of an OPTS MLST.
    pub(super) fn choose(names: &str) -> Self {
        let wanted = |fact: &Fact| {
            names
                .split(';')
                .any(|n| n.eq_ignore_ascii_case(fact.name()))
        };
        Self(Fact::ALL.into_iter().filter(wanted).collect())
    }

    /// For the reply to OPTS MLST: `size;modify;`.
    pub(super) fn chosen(&self) -> String {
        self.0.iter().flat_map(|fact| [fact.name(), ";"]).collect()
    }

    /// For FEAT: all there are, the chosen ones starred.
    pub(super) fn offer(&self) -> String {
        let star = |fact: &Fact| if self.0.contains(fact) { "*" } else { "" };
        let offer = |fact: &Fact| format!("{}{};", fact.name(), star(fact));
        Fact::ALL.iter().map(offer).collect()
    }

    /// `type=file;size=18234;modify=20261122011500;perm=radfw; employees.csv`
    pub(super) fn line(&self, entry: &Entry, name: &str, rights: Rights) -> String {
        let mut line = String::new();
        for fact in &self.0 {
            let value = match (fact, entry.kind) {
                (Fact::Type, EntryKind::File) => "file".to_owned(),
                (Fact::Type, EntryKind::Folder) => "dir".to_owned(),
                (Fact::Size, EntryKind::File) => entry.size_bytes.to_string(),
                (Fact::Size, EntryKind::Folder) => continue,
                (Fact::Modify, _) => time_value(entry.modified),
                (Fact::Perm, kind) => permissions(kind, rights),
            };
            line.push_str(fact.name());
            line.push('=');
            line.push_str(&value);
            line.push(';');
        }
        line.push(' ');
        line.push_str(name);
        line
    }
}

/// `YYYYMMDDHHMMSS`, as in MDTM and the modify fact.
pub(super) fn time_value(instant: Timestamp) -> String {
    instant.strftime("%Y%m%d%H%M%S").to_string()
}

/// The instant of such a value, in UTC (RFC 3659 section 2.3). A fraction of a second is checked and dropped.
pub(super) fn instant_of(value: &str) -> Option<Timestamp> {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if whole.len() != 14 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", whole).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

/// What the login may do; the place may still refuse (RFC 3659 section 7.5.5 calls this fact a hint).
fn permissions(kind: EntryKind, rights: Rights) -> String {
    let letters = match kind {
        EntryKind::File => [
            (rights.download, "r"),
            (rights.upload, "fw"),
            (rights.delete, "d"),
        ],
        EntryKind::Folder => [(true, "el"), (rights.upload, "cm"), (rights.delete, "dp")],
    };
    letters
        .into_iter()
        .filter_map(|(allowed, letters)| allowed.then_some(letters))
        .collect()
}

/// The body of LIST.
pub(super) fn long(entries: &[Entry], now: Timestamp) -> String {
    let mut body = String::new();
    for entry in entries {
        let mode = match entry.kind {
            EntryKind::File => "-rw-r--r--",
            EntryKind::Folder => "drwxr-xr-x",
        };
        let age = now.duration_since(entry.modified);
        let when = if age < RECENT && age > -SignedDuration::from_hours(1) {
            entry.modified.strftime("%b %e %H:%M")
        } else {
            entry.modified.strftime("%b %e  %Y")
        };
        // Writing into a String cannot fail.
        writeln!(
            body,
            "{mode} 1 ftp      ftp      {:>12} {when} {}\r",
            entry.size_bytes, entry.name
        )
        .ok();
    }
    body
}

/// The body of NLST: names as the client would write them, so with the folder it asked for.
pub(super) fn names(entries: &[Entry], prefix: &str) -> String {
    entries
        .iter()
        .flat_map(|entry| [prefix, &entry.name, "\r\n"])
        .collect()
}

/// The body of MLSD.
pub(super) fn facts(entries: &[Entry], facts: &Facts, rights: Rights) -> String {
    entries
        .iter()
        .map(|entry| facts.line(entry, &entry.name, rights) + "\r\n")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, modified: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            kind: EntryKind::File,
            size_bytes: 18234,
            modified: modified.parse().unwrap(),
        }
    }

    fn folder(name: &str) -> Entry {
        Entry {
            kind: EntryKind::Folder,
            size_bytes: 4096,
            ..file(name, "2026-11-20T23:05:09Z")
        }
    }

    #[test]
    fn list_looks_like_ls_with_the_time_or_the_year() {
        let entries = [
            folder("images"),
            file("employees.csv", "2026-11-02T01:15:59.9Z"),
            file("old one.csv", "2025-01-31T00:00:00Z"),
            file("tomorrow.csv", "2026-11-23T00:00:00Z"),
        ];
        assert_eq!(
            long(&entries, "2026-11-22T00:00:00Z".parse().unwrap()),
            "drwxr-xr-x 1 ftp      ftp              4096 Nov 20 23:05 images\r\n\
             -rw-r--r-- 1 ftp      ftp             18234 Nov  2 01:15 employees.csv\r\n\
             -rw-r--r-- 1 ftp      ftp             18234 Jan 31  2025 old one.csv\r\n\
             -rw-r--r-- 1 ftp      ftp             18234 Nov 23  2026 tomorrow.csv\r\n"
        );
    }

    #[test]
    fn facts_are_right_to_the_second_r0_26() {
        let entries = [
            file("a b.csv", "2026-11-02T01:15:59.999Z"),
            folder("images"),
        ];
        assert_eq!(
            facts(&entries, &Facts::default(), Rights::ALL),
            "type=file;size=18234;modify=20261102011559;perm=rfwd; a b.csv\r\n\
             type=dir;modify=20261120230509;perm=elcmdp; images\r\n"
        );
    }

    #[test]
    fn permissions_are_those_of_the_login() {
        let export_only = Rights {
            upload: false,
            download: true,
            delete: false,
        };
        assert_eq!(permissions(EntryKind::File, export_only), "r");
        assert_eq!(permissions(EntryKind::Folder, export_only), "el");
    }

    #[test]
    fn a_session_chooses_its_facts_from_ours() {
        let facts = Facts::choose("Type;SIZE;x.secret;");
        assert_eq!(facts.chosen(), "type;size;");
        assert_eq!(facts.offer(), "type*;size*;modify;perm;");
        let entry = file("a", "2026-11-02T01:15:59Z");
        assert_eq!(
            facts.line(&entry, "/a", Rights::ALL),
            "type=file;size=18234; /a"
        );
        assert_eq!(Facts::choose("").line(&entry, "/a", Rights::ALL), " /a");
    }

    #[test]
    fn nlst_names_can_be_used_as_they_stand() {
        let entries = [file("a.csv", "2026-11-02T01:15:59Z")];
        assert_eq!(names(&entries, ""), "a.csv\r\n");
        assert_eq!(names(&entries, "data/"), "data/a.csv\r\n");
        assert_eq!(names(&[], "data/"), "");
    }
}
