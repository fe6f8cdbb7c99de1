//! Host keys: which server this is. Reads OpenSSH private key files and makes the first one when it is missing and may be made.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey, decode_secret_key};

use crate::config;

/// Why there is no host key.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    #[error(
        "sftp.host_keys names no file: name one, such as \"../certs/ssh_host_ed25519\", and set sftp.generate = true to have it made"
    )]
    NotNamed,
    #[error(
        "the SSH host key {path} is missing: make it with `ssh-keygen -t ed25519 -N \"\" -f {path}`, or set sftp.generate = true"
    )]
    Missing { path: PathBuf },
    #[error("cannot read the SSH host key {path}: make it a file that rosterd's user can read")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "the SSH host key {path} has a passphrase, and nobody is there to type it: remove it with `ssh-keygen -p -N \"\" -f {path}`"
    )]
    Encrypted { path: PathBuf },
    #[error(
        "{path} is not a private key that SSH servers use: make one with `ssh-keygen -t ed25519 -N \"\"`"
    )]
    Invalid {
        path: PathBuf,
        #[source]
        source: russh::keys::Error,
    },
    #[error(
        "cannot make the SSH host key {path}: let rosterd's user write its folder, or put a key there"
    )]
    Make {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Loads all host keys, in the order of the configuration; makes the first one when it is missing and may be made.
pub(super) fn load(config: &config::Sftp) -> Result<Vec<PrivateKey>, HostKeyError> {
    if let Some(first) = to_make(config)? {
        make(first)?;
    }
    config.host_keys.iter().map(|path| read(path)).collect()
}

/// Says what is wrong with the host keys, without making one.
pub(super) fn check(config: &config::Sftp) -> Vec<HostKeyError> {
    let to_make = match to_make(config) {
        Ok(to_make) => to_make,
        Err(error) => return vec![error],
    };
    let others = config.host_keys.iter().filter(|path| to_make != Some(path));
    others.filter_map(|path| read(path).err()).collect()
}

fn to_make(config: &config::Sftp) -> Result<Option<&Path>, HostKeyError> {
    let first = config.host_keys.first().ok_or(HostKeyError::NotNamed)?;
    let is_missing = config.generate && matches!(first.try_exists(), Ok(false));
    Ok(is_missing.then_some(first))
}

/// Whether one of the keys that are there is RSA, which the oldest clients ask for.
pub(super) fn has_rsa(config: &config::Sftp) -> bool {
    let keys = config.host_keys.iter();
    keys.filter_map(|path| read(path).ok())
        .any(|key| key.algorithm().is_rsa())
}

/// How clients name a host key: `SHA256:…`.
pub(super) fn fingerprint(key: &PrivateKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn read(path: &Path) -> Result<PrivateKey, HostKeyError> {
    let path = path.to_owned();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(HostKeyError::Missing { path });
        }
        Err(source) => return Err(HostKeyError::Read { path, source }),
    };
    match decode_secret_key(&text, None) {
        Ok(key) if key.is_encrypted() => Err(HostKeyError::Encrypted { path }),
        Err(russh::keys::Error::KeyIsEncrypted) => Err(HostKeyError::Encrypted { path }),
        Ok(key) => Ok(key),
        Err(source) => Err(HostKeyError::Invalid { path, source }),
    }
}

/// Writes a new ed25519 key beside `path`, and renames it into place once it is on disk.
fn make(path: &Path) -> Result<(), HostKeyError> {
    let failed = |source| HostKeyError::Make {
        path: path.to_owned(),
        source,
    };
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519)
        .map_err(|error| failed(io::Error::other(error)))?;
    let text = key
        .to_openssh(LineEnding::LF)
        .map_err(|error| failed(io::Error::other(error)))?;
    write_beside(path, text.as_bytes()).map_err(failed)?;
    tracing::info!(path = %path.display(), "made an SSH host key, because sftp.generate is set");
    Ok(())
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(folder)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn sftp(host_keys: &[&Path], generate: bool) -> config::Sftp {
        config::Sftp {
            listen: Vec::new(),
            legacy: Vec::new(),
            host_keys: host_keys.iter().map(|path| (*path).to_owned()).collect(),
            generate,
        }
    }

    #[test]
    fn a_missing_first_key_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("certs/ssh_host_ed25519");
        let made = load(&sftp(&[&path], true)).unwrap();
        let again = load(&sftp(&[&path], true)).unwrap();
        assert_eq!(fingerprint(&made[0]), fingerprint(&again[0]));
        assert!(fingerprint(&made[0]).starts_with("SHA256:"));
        let permissions = std::fs::metadata(&path).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o600);
        let names = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(names, 1, "nothing is left beside it");
    }

    #[test]
    fn an_rsa_key_is_found_among_others() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["a", "b"].map(|name| folder.path().join(name));
        let made = load(&sftp(&[&first], true)).unwrap();
        assert_eq!(made.len(), 1);
        assert!(!has_rsa(&sftp(&[&first], false)));
        let rsa = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"])
            .arg(&second)
            .status()
            .unwrap();
        assert!(rsa.success());
        assert!(has_rsa(&sftp(&[&first, &second], false)));
    }

    #[test]
    fn a_missing_key_that_may_not_be_made_names_the_file_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let error = load(&sftp(&[&path], false)).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert!(error.contains("ssh-keygen"), "{error}");
        assert!(matches!(
            load(&sftp(&[], true)),
            Err(HostKeyError::NotNamed)
        ));
    }

    #[test]
    fn only_the_first_key_is_ever_made() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        assert!(matches!(
            load(&sftp(&[&first, &second], true)),
            Err(HostKeyError::Missing { path }) if path == second
        ));
    }

    #[test]
    fn a_file_that_is_no_key_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "hello").unwrap();
        assert!(matches!(
            load(&sftp(&[&path], true)),
            Err(HostKeyError::Invalid { .. })
        ));
        assert_eq!(std::fs::read(&path).unwrap(), b"hello");
    }

    #[test]
    fn a_key_with_a_passphrase_is_refused_by_saying_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "secret", "-f"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
        assert!(matches!(
            load(&sftp(&[&path], false)),
            Err(HostKeyError::Encrypted { .. })
        ));
    }
}
