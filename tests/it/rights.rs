//! Promise 6, from within: a login does what its rights say and nothing else, over both protocols.

use crate::harness::tenant::{Login, PASSWORD, Tenant};
use crate::harness::{Daemon, Port, photo};
use crate::wire::ftps::Ftps;
use crate::wire::sftp::Sftp;

const SENDER: &str = "sender@acme.example";

#[test]
fn a_login_that_may_only_upload_cannot_get_rid_of_a_file_by_two_renames() {
    let tenant = Tenant::named("acme").login(Login::named(SENDER).upload_only());
    let daemon = Daemon::start([tenant]);
    let mut ftps = Ftps::log_in(&daemon, Port::Explicit, SENDER, PASSWORD);
    let mut sftp = Sftp::log_in(&daemon, SENDER, PASSWORD);
    let (face, other) = (photo::bmp(1), photo::bmp(2));
    assert_eq!(ftps.store("/images/face.bmp", &face).code, 226);
    assert_eq!(ftps.store("/images/other.bmp", &other).code, 226);

    for to in [
        "/images/face.part",
        "/images/Thumbs.db",
        "/images/other.bmp",
    ] {
        assert_eq!(ftps.ask("RNFR /images/face.bmp").code, 350);
        assert_eq!(ftps.ask(&format!("RNTO {to}")).code, 553, "{to}");
        let renamed = sftp.try_rename("/images/face.bmp", to).unwrap();
        assert_eq!(renamed.code, 3, "{to}: {renamed:?}");
    }
    assert_eq!(ftps.names("/images"), ["face.bmp", "other.bmp"]);

    // It may still send under a temporary name, and throw away what Windows leaves in every folder.
    for (from, to) in [
        ("/images/face.part", "/images/face.bmp"),
        ("/images/junk.part", "/images/Thumbs.db"),
    ] {
        assert_eq!(ftps.store(from, &other).code, 226);
        let renamed = sftp.try_rename(from, to).unwrap();
        assert!(renamed.is_ok(), "{renamed:?}");
    }
    let images = daemon.mailbox("acme").join("images");
    assert_eq!(std::fs::read(images.join("face.bmp")).unwrap(), other);
    assert_eq!(ftps.names("/images"), ["face.bmp", "other.bmp"]);
    daemon.wait_for_rest();
}
