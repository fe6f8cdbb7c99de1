//! Pure. What holds for any path that a peer sends. Run over the corpus by tests, over everything else by `fuzz/`.

#![expect(clippy::missing_panics_doc, reason = "a broken law panics")]

use super::MailboxPath;
use crate::tenant::{NamePattern, is_photo_name, is_unfit};

/// A path that is taken stays in the mailbox, means the same when it is sent again, and cannot be misread by a kernel, a log or a listing.
pub fn paths(bytes: &[u8]) {
    let (folder, sent) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => bytes.split_at(end),
        None => (&bytes[..0], bytes),
    };
    let sent = sent.strip_prefix(b"\n").unwrap_or(sent);
    let root = MailboxPath::root();
    let folder = MailboxPath::resolve(&root, folder).unwrap_or_default();
    let Ok(path) = MailboxPath::resolve(&folder, sent) else {
        return;
    };
    assert!(path.names().len() <= MailboxPath::DEPTH_LIMIT);
    for name in path.names() {
        assert!((1..=MailboxPath::NAME_LIMIT_BYTES).contains(&name.len()));
        assert!(!matches!(name.as_str(), "." | ".."));
        assert!(!name.chars().any(|c| is_unfit(c) || c == '/' || c == '\\'));
        let end = name.chars().next_back();
        assert!(!matches!(end, Some('.' | ' ')));
    }
    let again = MailboxPath::resolve(&root, path.to_string().as_bytes());
    assert_eq!(again.as_ref(), Ok(&path));
    if let (Some(folder), Some(name)) = (path.parent(), path.name()) {
        assert_eq!(folder.join(name).as_ref(), Ok(&path));
        is_photo_name(name);
        // A name is a pattern of itself, whatever stands in it.
        let pattern = NamePattern::parse(name);
        assert!(pattern.is_ok_and(|pattern| pattern.matches(name) && pattern.overlaps(&pattern)));
    }
}
