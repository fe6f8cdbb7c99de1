//! Keys and certificates made by openssl, and its own TLS client.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Daemon, Port, Reply};

/// A certificate and its key.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// What the key of a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ecdsa,
    Rsa,
}

impl Kind {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Ecdsa => &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
            Self::Rsa => &["rsa:2048"],
        }
    }
}

impl Pair {
    /// A self-signed pair `<name>.pem` and `<name>.key`.
    #[track_caller]
    pub(crate) fn make(folder: &Path, name: &str, kind: Kind) -> Self {
        Self::make_for(folder, name, kind, "now", 400)
    }

    /// One that begins at a time as faketime takes it and lasts so many days.
    #[track_caller]
    pub(crate) fn make_for(folder: &Path, name: &str, kind: Kind, from: &str, days: u32) -> Self {
        let made = Self::of(folder, name);
        Reply::to(
            Command::new("faketime")
                .args([from, "openssl", "req", "-x509", "-nodes", "-newkey"])
                .args(kind.arguments())
                .args(["-subj", &format!("/CN={name}"), "-days", &days.to_string()])
                .arg("-keyout")
                .arg(&made.key)
                .arg("-out")
                .arg(&made.certificate),
        )
        .succeeded();
        made
    }

    /// One that `authority` has signed.
    #[track_caller]
    pub(crate) fn make_signed(folder: &Path, name: &str, kind: Kind, authority: &Self) -> Self {
        Self::sign(folder, name, kind, authority, "subjectKeyIdentifier = hash")
    }

    /// The same of X.509 version 1, as it comes out when nobody asks for extensions.
    #[track_caller]
    pub(crate) fn make_signed_plainly(
        folder: &Path,
        name: &str,
        kind: Kind,
        authority: &Self,
    ) -> Self {
        Self::sign(folder, name, kind, authority, "")
    }

    #[track_caller]
    fn sign(folder: &Path, name: &str, kind: Kind, authority: &Self, extensions: &str) -> Self {
        let made = Self::of(folder, name);
        let request = folder.join(format!("{name}.csr"));
        Reply::to(
            Command::new("openssl")
                .args(["req", "-new", "-nodes", "-newkey"])
                .args(kind.arguments())
                .args(["-subj", &format!("/CN={name}"), "-keyout"])
                .arg(&made.key)
                .arg("-out")
                .arg(&request),
        )
        .succeeded();
        let extension_file = folder.join(format!("{name}.ext"));
        std::fs::write(&extension_file, extensions).unwrap();
        Reply::to(
            Command::new("openssl")
                .args(["x509", "-req", "-extfile"])
                .arg(extension_file)
                .args(["-days", "400", "-CAcreateserial", "-in"])
                .arg(request)
                .arg("-CA")
                .arg(&authority.certificate)
                .arg("-CAkey")
                .arg(&authority.key)
                .arg("-out")
                .arg(&made.certificate),
        )
        .succeeded();
        made
    }

    fn of(folder: &Path, name: &str) -> Self {
        Self {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        }
    }

    /// Its SHA-256 fingerprint as openssl prints it.
    #[track_caller]
    pub(crate) fn fingerprint(&self) -> String {
        let mut openssl = Command::new("openssl");
        openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]);
        let reply = Reply::to(openssl.arg(&self.certificate)).succeeded();
        reply.text().trim().split_once('=').unwrap().1.to_owned()
    }

    /// Appends other certificates to its file.
    pub(crate) fn append(&self, others: &[&Self]) {
        let mut text = std::fs::read_to_string(&self.certificate).unwrap();
        for other in others {
            text.push_str(&std::fs::read_to_string(&other.certificate).unwrap());
        }
        std::fs::write(&self.certificate, text).unwrap();
    }
}

impl Daemon {
    /// `openssl s_client` at a port, to the end of its handshake.
    pub(crate) fn s_client<S: AsRef<OsStr>>(
        &self,
        port: Port,
        arguments: impl IntoIterator<Item = S>,
    ) -> Reply {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-connect", &self.address(port).to_string()]);
        if port == Port::Explicit {
            openssl.args(["-starttls", "ftp"]);
        }
        Reply::to(openssl.args(arguments))
    }
}
