//! Pure. What holds for any bytes on a control connection and any names in a listing. Run over the corpus by tests, over everything else by `fuzz/`.

#![expect(clippy::missing_panics_doc, reason = "a broken law panics")]

use jiff::Timestamp;

use super::command::Command;
use super::lines::{LINE_LIMIT_BYTES, Line, Lines};
use super::listing::{self, Facts};
use super::reply::{Reply, quoted};
use crate::mailbox::{Entry, EntryKind, MailboxPath};
use crate::tenant::Rights;

/// Lines are the same wherever the packets are cut, none is longer than the limit, and every one is a command or has one reply of one line in which
/// nothing stands that was sent.
pub fn command_lines(bytes: &[u8]) {
    let mut whole = Lines::default();
    whole.push(bytes);
    let all: Vec<Line> = std::iter::from_fn(|| whole.take()).collect();

    let mut cut = Lines::default();
    let mut again = Vec::new();
    for byte in bytes {
        cut.push(&[*byte]);
        again.extend(std::iter::from_fn(|| cut.take()));
    }
    assert_eq!(all, again, "lines depend on where packets are cut");

    for line in all {
        if let Line::Whole(text) = &line {
            assert!(text.len() <= LINE_LIMIT_BYTES);
            assert!(!text.contains(&b'\n'));
        }
        let Err(fault) = Command::parse(&line) else {
            continue;
        };
        let reply = Reply::from(fault).encode();
        let (code, text) = reply.split_at(4);
        assert!(
            matches!(code, "500 " | "501 " | "502 " | "504 " | "421 "),
            "{reply}"
        );
        assert!(is_one_line(text), "{reply}");
    }
}

/// Whatever names lie in a folder, a listing has one line for each, and a reply that shows a path is one line.
pub fn listings(bytes: &[u8]) {
    const LAST_SECOND_OF_9999: i64 = 253_402_207_199;
    let (seconds, bytes) = bytes.split_first_chunk::<8>().unwrap_or((&[0; 8], bytes));
    let seconds = i64::from_be_bytes(*seconds).rem_euclid(LAST_SECOND_OF_9999);
    let modified = Timestamp::from_second(seconds).unwrap_or_default();
    let now = Timestamp::from_second(1_795_305_600).unwrap_or_default();
    let names = bytes.split(|byte| *byte == b'\n');
    let names = names.filter_map(|name| MailboxPath::resolve(&MailboxPath::root(), name).ok());
    let entries: Vec<Entry> = names
        .filter_map(|path| {
            Some(Entry {
                name: path.name()?.to_owned(),
                kind: if seconds % 2 == 0 {
                    EntryKind::File
                } else {
                    EntryKind::Folder
                },
                size_bytes: seconds.unsigned_abs(),
                modified,
            })
        })
        .collect();
    let facts = Facts::choose(&String::from_utf8_lossy(bytes));
    let bodies = [
        listing::long(&entries, now),
        listing::names(&entries, ""),
        listing::facts(&entries, &facts, Rights::ALL),
    ];
    for body in bodies {
        let lines: Vec<&str> = body.split_inclusive('\n').collect();
        assert_eq!(lines.len(), entries.len());
        for (line, entry) in lines.into_iter().zip(&entries) {
            assert!(is_one_line(line), "{line:?}");
            assert!(line.ends_with(&format!("{}\r\n", entry.name)), "{line:?}");
        }
    }
    let shown = quoted(&String::from_utf8_lossy(bytes));
    assert!(is_one_line(&Reply::new(257, shown).encode()));
    let time = listing::time_value(modified);
    assert_eq!(listing::instant_of(&time), Some(modified), "{time}");
}

/// Ends in CR LF and has no other control character.
fn is_one_line(text: &str) -> bool {
    text.strip_suffix("\r\n")
        .is_some_and(|line| !line.chars().any(char::is_control))
}
