//! The configuration as files: which ones there are, and where a backup keeps them.
//!
//! Certificate, key and host keys belong to it: without them the server that comes back is another one to every sender that has noted its fingerprint.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{EntryPath, FileEntry};
use super::mirror::entry_path;
use super::{BackupError, CONFIG, at};
use crate::config;

/// In the backup, whatever the file is called.
const MAIN: &str = "rosterd.toml";
const TENANTS: &str = "tenants";
const CERTIFICATE: &str = "certificate";
const KEY: &str = "key";
const HOST_KEYS: &str = "host_keys";

/// The files that a `rosterd.toml` names, as it names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    file: PathBuf,
    tenants: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    host_keys: Vec<PathBuf>,
}

/// What becomes of a file of the backup's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is put there, because nothing of its group is.
    Put(PathBuf),
    /// It is there, with the same bytes.
    Same,
    /// What is there is another one, and stays.
    Differs(PathBuf),
    /// Its group is there without it, or the configuration does not name it.
    NotWanted,
}

impl Settings {
    /// Those that `text` names when it stands in `file`. What is wrong in it is found by whoever loads it.
    pub(super) fn read(file: &Path, text: &str) -> Self {
        let document: toml::Table = toml::from_str(text).unwrap_or_default();
        let folder = file.parent().unwrap_or(Path::new("."));
        let path = |section: &str, key: &str| {
            let value = document.get(section)?.get(key)?.as_str()?;
            Some(folder.join(value))
        };
        let host_keys = document.get("sftp").and_then(|it| it.get("host_keys"));
        Self {
            file: file.to_owned(),
            tenants: path("server", "tenants"),
            certificate: path("tls", "certificate"),
            key: path("tls", "key"),
            host_keys: host_keys
                .and_then(|keys| keys.as_array())
                .into_iter()
                .flatten()
                .filter_map(|key| Some(folder.join(key.as_str()?)))
                .collect(),
        }
    }

    /// Each file that is there, with its place in a backup.
    pub(super) fn files(&self) -> Result<Vec<(EntryPath, PathBuf)>, BackupError> {
        let mut files = vec![(MAIN.to_owned(), self.file.clone())];
        if let Some(folder) = &self.tenants {
            for tenant in config::tenant_files(folder).map_err(at(folder))? {
                let name = tenant.file_name().unwrap_or_default().to_string_lossy();
                files.push((format!("{TENANTS}/{name}"), tenant.clone()));
            }
        }
        files.extend(
            self.certificate
                .iter()
                .map(|it| (CERTIFICATE.to_owned(), it.clone())),
        );
        files.extend(self.key.iter().map(|it| (KEY.to_owned(), it.clone())));
        for (number, key) in (1..).zip(&self.host_keys) {
            files.push((format!("{HOST_KEYS}/{number}"), key.clone()));
        }
        files
            .into_iter()
            // A pair that is to be generated may not be there yet.
            .filter(|(_, path)| path.is_file())
            .map(|(name, path)| Ok((entry_path(&Path::new(CONFIG).join(name))?, path)))
            .collect()
    }

    /// What becomes of each file of a backup's configuration. The tenants are one group, certificate and key another: what is there of a group
    /// was put there by somebody who may have taken a login away, and nothing is added to it.
    pub(super) fn fates<'f>(
        &self,
        files: impl Iterator<Item = &'f FileEntry>,
        backup: &Path,
    ) -> Result<Vec<(&'f FileEntry, Fate)>, BackupError> {
        let has_tenants = match self.tenants.as_deref().map(config::tenant_files) {
            Some(Ok(files)) => !files.is_empty(),
            _ => false,
        };
        let has_pair = [&self.certificate, &self.key]
            .into_iter()
            .flatten()
            .any(|it| it.is_file());
        files
            .map(|file| {
                let (target, is_taken) = self.target(file, has_tenants, has_pair);
                let fate = match target {
                    None => Fate::NotWanted,
                    Some(target) => match fs::read(&target) {
                        Ok(there) => {
                            let ours = backup.join(file.path.as_path());
                            if fs::read(&ours).map_err(at(&ours))? == there {
                                Fate::Same
                            } else {
                                Fate::Differs(target)
                            }
                        }
                        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                            if is_taken {
                                Fate::NotWanted
                            } else {
                                Fate::Put(target)
                            }
                        }
                        Err(error) => return Err(at(&target)(error)),
                    },
                };
                Ok((file, fate))
            })
            .collect()
    }

    /// Where a file of a backup belongs, and whether its group is there already.
    fn target(
        &self,
        file: &FileEntry,
        has_tenants: bool,
        has_pair: bool,
    ) -> (Option<PathBuf>, bool) {
        let Ok(place) = file.path.as_path().strip_prefix(CONFIG) else {
            return (None, false);
        };
        if let Ok(tenant) = place.strip_prefix(TENANTS) {
            let target = self.tenants.as_ref().map(|folder| folder.join(tenant));
            return (target, has_tenants);
        }
        if let Ok(number) = place.strip_prefix(HOST_KEYS) {
            let number = number.to_str().and_then(|it| it.parse::<usize>().ok());
            let key = number.and_then(|number| self.host_keys.get(number.checked_sub(1)?));
            return (key.cloned(), false);
        }
        match place.to_str() {
            Some(MAIN) => (Some(self.file.clone()), false),
            Some(CERTIFICATE) => (self.certificate.clone(), has_pair),
            Some(KEY) => (self.key.clone(), has_pair),
            _ => (None, false),
        }
    }
}

/// The `rosterd.toml` of a backup.
pub(super) fn main_file(backup: &Path) -> PathBuf {
    backup.join(CONFIG).join(MAIN)
}
