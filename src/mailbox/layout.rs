//! Pure. Directory and file names below the state folder.
//!
//! ```text
//! mailboxes/<tenant>/<environment>/{data,images,reports,errors}
//! staging/<tenant>/<environment>/<uuid>                          uploads in progress
//! spool/<tenant>/<environment>/<delivery>.<path, / as \>         hard link to a finished upload
//! archive/<tenant>/<environment>/<delivery>                      copy of a data delivery
//! photos/<tenant>/<environment>/<delivery>.jpg                   what a photo was brought to
//! ```
//! All but the last lie on one file system: finished uploads are linked and renamed from one to the other.

use std::path::{Path, PathBuf};

use crate::mailbox::{DeliveryId, MailboxPath};
use crate::tenant::{Environment, TenantId};

/// Where senders put data files.
pub const DATA: &str = "data";
/// Where senders put photos.
pub const IMAGES: &str = "images";
/// Where scheduled reports lie.
pub const REPORTS: &str = "reports";
/// Where error files and receipts lie.
pub const ERRORS: &str = "errors";
/// How the names of the files in [`ERRORS`] about a delivery end, which begin with its id: findings as CSV and as JSON, summary, receipt.
pub const REPORTS_OF_A_DELIVERY: [&str; 4] = [
    ".errors.csv",
    ".errors.json",
    ".summary.html",
    ".receipt.json",
];
/// The folders of every mailbox.
pub const FOLDERS: [&str; 4] = [DATA, IMAGES, REPORTS, ERRORS];

/// Bytes in the path of a file that can be delivered: its spool name must fit into the 255 bytes of a file name.
pub(super) const DELIVERABLE_PATH_LIMIT_BYTES: usize = 200;

/// The top-level folders of one mailbox's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What clients see.
    pub mailbox: PathBuf,
    /// Uploads in progress.
    pub staging: PathBuf,
    /// Arrivals that wait for intake.
    pub spool: PathBuf,
    /// Copies of deliveries.
    pub archive: PathBuf,
    /// What photos were brought to.
    pub photos: PathBuf,
}

impl Layout {
    /// The folders of a tenant in an environment.
    pub fn new(state_dir: &Path, tenant: &TenantId, environment: Environment) -> Self {
        let place = |stage: &str| {
            state_dir
                .join(stage)
                .join(tenant.as_str())
                .join(environment.as_str())
        };
        Self {
            mailbox: place("mailboxes"),
            staging: place("staging"),
            spool: place("spool"),
            archive: place("archive"),
            photos: place("photos"),
        }
    }
}

/// The name in the spool of a delivery that came in under `path`.
pub(super) fn spool_name(delivery: &DeliveryId, path: &MailboxPath) -> String {
    format!("{delivery}.{}", path.to_string().replace('/', "\\"))
}

/// The delivery and the path that a name in the spool stands for; none if it is no name of ours.
pub(super) fn parse_spool_name(name: &str) -> Option<(DeliveryId, MailboxPath)> {
    let (delivery, rest) = name.split_once('.')?;
    let delivery = DeliveryId::parse(delivery).ok()?;
    let sent = rest.replace('\\', "/");
    let path = MailboxPath::resolve(&MailboxPath::root(), sent.as_bytes()).ok()?;
    (path.to_string() == sent).then_some((delivery, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_name_gives_its_delivery_and_path_back() {
        let delivery = DeliveryId::mint();
        let path = MailboxPath::resolve(&MailboxPath::root(), b"/images/a.b/c d.jpg").unwrap();
        let name = spool_name(&delivery, &path);
        assert_eq!(parse_spool_name(&name), Some((delivery, path)));
    }

    #[test]
    fn the_longest_deliverable_path_has_a_spool_name_that_fits() {
        let path = MailboxPath::root()
            .join(&"a".repeat(DELIVERABLE_PATH_LIMIT_BYTES - 1))
            .unwrap();
        assert!(spool_name(&DeliveryId::mint(), &path).len() <= 255);
    }

    #[test]
    fn what_is_no_spool_name_of_ours_is_none() {
        let delivery = DeliveryId::mint();
        for bad in [
            "x".to_owned(),
            "x.\\a".to_owned(),
            format!("{delivery}"),
            format!("{delivery}.\\..\\a"),
            format!("{delivery}.a"),
        ] {
            assert_eq!(parse_spool_name(&bad), None, "{bad}");
        }
    }
}
