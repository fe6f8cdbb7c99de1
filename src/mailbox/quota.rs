//! Pure. The quota of one mailbox: what lies in it plus what is being received, never more than allowed.
//!
//! Bytes are reserved before they are written. A replacement is charged for what it has more than the file it replaces; of several uploads
//! that are to replace one file, the oldest has that credit. Only local changes, counted by [`Ledger::recount`], can exceed the quota.

use std::collections::{BTreeMap, BTreeSet};

/// Files in one mailbox, and folders: empty ones cost no bytes, but inodes and memory.
const NAMES_LIMIT: usize = 100_000;

/// What lies in a mailbox and what is on its way.
#[derive(Debug, Clone)]
pub(super) struct Ledger {
    quota_bytes: u64,
    /// Invariant: `lying_bytes` is the sum of `files` and `nameless_bytes`.
    files: BTreeMap<String, u64>,
    nameless_bytes: u64,
    lying_bytes: u64,
    folders: usize,
    receiving: BTreeMap<Receipt, Receiving>,
    next: u64,
}

/// Names an upload that is being received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Receipt(u64);

#[derive(Debug, Clone)]
struct Receiving {
    path: String,
    size_bytes: u64,
}

/// The reservation would exceed the quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exceeded {
    /// Free once the upload that asked has been given up.
    pub(super) free_bytes: u64,
}

/// What a walk through the mailbox found.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) files: BTreeMap<String, u64>,
    /// In files with names that no client can send.
    pub(super) nameless_bytes: u64,
    pub(super) folders: usize,
}

impl Ledger {
    pub(super) fn new(quota_bytes: u64) -> Self {
        Self {
            quota_bytes,
            files: BTreeMap::new(),
            nameless_bytes: 0,
            lying_bytes: 0,
            folders: 0,
            receiving: BTreeMap::new(),
            next: 0,
        }
    }

    /// From now on this much. What lies there already stays, however much it is.
    pub(super) fn allow(&mut self, quota_bytes: u64) {
        self.quota_bytes = quota_bytes;
    }

    pub(super) fn quota_bytes(&self) -> u64 {
        self.quota_bytes
    }

    pub(super) fn used_bytes(&self) -> u64 {
        let mut credited = BTreeSet::new();
        let charges = self.receiving.values().map(|upload| {
            if credited.insert(upload.path.as_str()) {
                upload
                    .size_bytes
                    .saturating_sub(self.lying_at(&upload.path))
            } else {
                upload.size_bytes
            }
        });
        self.lying_bytes + charges.sum::<u64>()
    }

    pub(super) fn free_bytes(&self) -> u64 {
        self.quota_bytes.saturating_sub(self.used_bytes())
    }

    /// Whether there may be one more name.
    pub(super) fn takes_a_name(&self) -> bool {
        self.files.len() + self.folders + self.receiving.len() < NAMES_LIMIT
    }

    /// Whether a file lies, or is being received, under this name.
    pub(super) fn knows(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Whether an upload is to become this file, or one in this folder.
    pub(super) fn receives(&self, path: &str) -> bool {
        self.receiving
            .values()
            .any(|upload| is_at_or_below(&upload.path, path))
    }

    /// An upload that will lie at `path` begins.
    pub(super) fn begin(&mut self, path: &str) -> Receipt {
        let receipt = Receipt(self.next);
        self.next += 1;
        let upload = Receiving {
            path: path.to_owned(),
            size_bytes: 0,
        };
        self.receiving.insert(receipt, upload);
        receipt
    }

    /// The upload is about to have `size_bytes`.
    pub(super) fn grow(&mut self, receipt: Receipt, size_bytes: u64) -> Result<(), Exceeded> {
        let before = self.used_bytes();
        let Some(upload) = self.receiving.get_mut(&receipt) else {
            return Err(Exceeded { free_bytes: 0 });
        };
        let had = std::mem::replace(&mut upload.size_bytes, size_bytes);
        let after = self.used_bytes();
        if after <= self.quota_bytes.max(before) {
            return Ok(());
        }
        self.set_receiving(receipt, 0);
        let free_bytes = self.free_bytes();
        self.set_receiving(receipt, had);
        Err(Exceeded { free_bytes })
    }

    fn set_receiving(&mut self, receipt: Receipt, size_bytes: u64) {
        if let Some(upload) = self.receiving.get_mut(&receipt) {
            upload.size_bytes = size_bytes;
        }
    }

    /// The upload lies at its path now.
    pub(super) fn finish(&mut self, receipt: Receipt) {
        if let Some(upload) = self.receiving.remove(&receipt) {
            self.set(&upload.path, upload.size_bytes);
        }
    }

    /// The upload was given up. Does nothing when it was finished.
    pub(super) fn give_up(&mut self, receipt: Receipt) {
        self.receiving.remove(&receipt);
    }

    /// The file at `path`, written in place, is about to have `size_bytes`.
    pub(super) fn grow_file(&mut self, path: &str, size_bytes: u64) -> Result<(), Exceeded> {
        let added = size_bytes.saturating_sub(self.lying_at(path));
        let free_bytes = self.free_bytes();
        if added > free_bytes {
            return Err(Exceeded { free_bytes });
        }
        if added > 0 {
            self.set(path, size_bytes);
        }
        Ok(())
    }

    /// The file at `path` has this size now.
    pub(super) fn set(&mut self, path: &str, size_bytes: u64) {
        let had = self.files.insert(path.to_owned(), size_bytes).unwrap_or(0);
        self.lying_bytes = self.lying_bytes - had + size_bytes;
    }

    /// The file at `path` is gone.
    pub(super) fn remove(&mut self, path: &str) {
        if let Some(had) = self.files.remove(path) {
            self.lying_bytes -= had;
        }
    }

    /// The file at `from` lies at `to` now, with this size, in place of what was there.
    ///
    /// The caller makes sure that no upload is to replace `from`: it would lose its credit.
    pub(super) fn rename(&mut self, from: &str, to: &str, size_bytes: u64) {
        self.remove(from);
        self.set(to, size_bytes);
    }

    /// The folder at `from`, with all in it, lies at `to` now.
    pub(super) fn rename_folder(&mut self, from: &str, to: &str) {
        let inside: Vec<String> = self
            .files
            .keys()
            .filter(|path| is_at_or_below(path, from))
            .cloned()
            .collect();
        for path in inside {
            if let (Some(size_bytes), Some(rest)) =
                (self.files.remove(&path), path.strip_prefix(from))
            {
                self.lying_bytes -= size_bytes;
                self.set(&format!("{to}{rest}"), size_bytes);
            }
        }
    }

    pub(super) fn add_folder(&mut self) {
        self.folders += 1;
    }

    pub(super) fn remove_folder(&mut self) {
        self.folders = self.folders.saturating_sub(1);
    }

    /// Believes the walk, but for files that are being written in place, whose size has moved on since.
    pub(super) fn recount(&mut self, count: Count, is_written: impl Fn(&str) -> bool) {
        let written: Vec<(String, u64)> = self
            .files
            .iter()
            .filter(|(path, _)| is_written(path))
            .map(|(path, size_bytes)| (path.clone(), *size_bytes))
            .collect();
        self.lying_bytes = count.files.values().sum::<u64>() + count.nameless_bytes;
        self.files = count.files;
        self.nameless_bytes = count.nameless_bytes;
        self.folders = count.folders;
        for (path, size_bytes) in written {
            self.set(&path, size_bytes);
        }
    }

    fn lying_at(&self, path: &str) -> u64 {
        self.files.get(path).copied().unwrap_or(0)
    }
}

/// Whether `path` is `top`, or in the folder `top`.
pub(super) fn is_at_or_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_replacement_needs_room_only_for_what_it_has_more() {
        let mut ledger = Ledger::new(150);
        ledger.set("/a", 100);
        let first = ledger.begin("/a");
        assert_eq!(ledger.grow(first, 150), Ok(()));
        assert_eq!(ledger.used_bytes(), 150);
        assert_eq!(ledger.grow(first, 151), Err(Exceeded { free_bytes: 50 }));
        ledger.finish(first);
        assert_eq!(ledger.used_bytes(), 150);
    }

    #[test]
    fn only_one_of_two_uploads_has_the_credit_of_the_file_they_replace() {
        let mut ledger = Ledger::new(150);
        ledger.set("/a", 100);
        let first = ledger.begin("/a");
        let second = ledger.begin("/a");
        ledger.grow(first, 100).unwrap();
        assert_eq!(ledger.grow(second, 51), Err(Exceeded { free_bytes: 50 }));
        ledger.grow(second, 50).unwrap();
        ledger.finish(second);
        assert_eq!(
            ledger.used_bytes(),
            100,
            "what lies there is 50, and the first has 50 more"
        );
        ledger.give_up(first);
        assert_eq!(ledger.used_bytes(), 50);
    }

    #[test]
    fn local_changes_may_exceed_the_quota_and_leave_nothing_free() {
        let mut ledger = Ledger::new(10);
        let upload = ledger.begin("/a");
        let count = Count {
            files: BTreeMap::from([("/b".to_owned(), 15)]),
            ..Count::default()
        };
        ledger.recount(count, |_| false);
        assert_eq!((ledger.used_bytes(), ledger.free_bytes()), (15, 0));
        assert_eq!(ledger.grow(upload, 1), Err(Exceeded { free_bytes: 0 }));
    }

    #[derive(Debug, Clone)]
    enum Act {
        Begin(u8),
        Grow(usize, u64),
        GrowFile(u8, u64),
        Finish(usize),
        GiveUp(usize),
        Remove(u8),
        Rename(u8, u8),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0..4_u8).prop_map(Act::Begin),
            (any::<usize>(), 0..200_u64).prop_map(|(upload, by)| Act::Grow(upload, by)),
            (4..6_u8, 0..200_u64).prop_map(|(path, by)| Act::GrowFile(path, by)),
            any::<usize>().prop_map(Act::Finish),
            any::<usize>().prop_map(Act::GiveUp),
            (0..6_u8).prop_map(Act::Remove),
            (0..6_u8, 0..6_u8).prop_map(|(from, to)| Act::Rename(from, to)),
        ]
    }

    /// The definition of use, by the letter: of the uploads to one name, the oldest and what lies there count as the larger of the two.
    fn used(lying: &BTreeMap<String, u64>, uploads: &[(Receipt, String, u64)]) -> u64 {
        let mut largest = lying.clone();
        let mut rest = 0;
        let mut seen: Vec<&str> = Vec::new();
        for (_, path, size) in uploads {
            if seen.contains(&path.as_str()) {
                rest += size;
            } else {
                seen.push(path);
                let there = largest.entry(path.clone()).or_default();
                *there = (*there).max(*size);
            }
        }
        largest.values().sum::<u64>() + rest
    }

    proptest! {
        #[test]
        fn use_is_what_lies_plus_what_is_received_and_never_over_the_quota(acts in prop::collection::vec(act(), 0..80)) {
            let quota = 500;
            let mut ledger = Ledger::new(quota);
            let mut lying = BTreeMap::new();
            let mut uploads: Vec<(Receipt, String, u64)> = Vec::new();
            for act in acts {
                let before = ledger.used_bytes();
                match act {
                    Act::Begin(path) => {
                        let path = format!("/{path}");
                        uploads.push((ledger.begin(&path), path, 0));
                    }
                    Act::Grow(at, by) => if !uploads.is_empty() {
                        let at = at % uploads.len();
                        let upload = &mut uploads[at];
                        let to = upload.2 + by;
                        if ledger.grow(upload.0, to).is_ok() {
                            upload.2 = to;
                        } else {
                            upload.2 = to;
                            prop_assert!(used(&lying, &uploads) > quota, "refused though there was room");
                            uploads[at].2 = to - by;
                        }
                    }
                    Act::GrowFile(path, by) => {
                        let path = format!("/{path}");
                        let to = lying.get(&path).copied().unwrap_or(0) + by;
                        if ledger.grow_file(&path, to).is_ok() {
                            if by > 0 { lying.insert(path, to); }
                        } else {
                            prop_assert!(before + by > quota, "refused though there was room");
                        }
                    }
                    Act::Finish(at) => if !uploads.is_empty() {
                        let (receipt, path, size) = uploads.remove(at % uploads.len());
                        ledger.finish(receipt);
                        lying.insert(path, size);
                        prop_assert!(ledger.used_bytes() <= before);
                    }
                    Act::GiveUp(at) => if !uploads.is_empty() {
                        let (receipt, ..) = uploads.remove(at % uploads.len());
                        ledger.give_up(receipt);
                    }
                    Act::Remove(path) => {
                        let path = format!("/{path}");
                        ledger.remove(&path);
                        lying.remove(&path);
                    }
                    Act::Rename(from, to) => {
                        let (from, to) = (format!("/{from}"), format!("/{to}"));
                        if from != to && lying.contains_key(&from) && !ledger.receives(&from) {
                            let size = lying.remove(&from).unwrap_or(0);
                            ledger.rename(&from, &to, size);
                            lying.insert(to, size);
                        }
                    }
                }
                prop_assert_eq!(ledger.used_bytes(), used(&lying, &uploads));
                prop_assert!(ledger.used_bytes() <= quota);
            }
        }
    }
}
