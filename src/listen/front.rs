//! What clients are judged by and shown: the configuration, and the certificate and host keys that it names. One value, which a reload replaces as a whole.
//!
//! A connection takes it when its handshake begins, and keeps what it took: certificate, limits, addresses. Logins and mailboxes ask for what is in force
//! each time.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::{Aspect, Config, Ftps, Limits, Problem, outline};
use crate::listen::sftp::SshIdentity;
use crate::listen::tls::TlsIdentity;
use crate::telemetry::chain;

/// See the module.
#[derive(Debug)]
pub struct Front {
    pub config: Arc<Config>,
    /// Where FTPS is configured.
    pub ftps: Option<Arc<FtpsFront>>,
    /// Where SFTP is configured.
    pub sftp: Option<Arc<SftpFront>>,
}

/// What FTPS clients are shown and held to.
#[derive(Debug)]
pub struct FtpsFront {
    /// What HOST may name.
    pub hosts: Vec<String>,
    pub tls: TlsIdentity,
    pub settings: Ftps,
    pub limits: Limits,
}

/// What SFTP clients are shown and held to.
#[derive(Debug)]
pub struct SftpFront {
    pub ssh: SshIdentity,
    pub limits: Limits,
}

impl Front {
    /// Loads what `config`, which was read from `file`, names; makes what is missing and may be made. TLS tickets of `before` stay good.
    ///
    /// Blocks on the file system. Nothing is made as long as anything is wrong.
    pub fn load(config: Config, file: &Path, before: Option<&Self>) -> Result<Self, Vec<Problem>> {
        let problems = Self::check(&config, file);
        if !problems.is_empty() {
            return Err(problems);
        }
        let limits = &config.limits;
        let ftps = match (&config.ftps, &config.tls) {
            (Some(settings), Some(tls)) => {
                let before = before.and_then(|before| before.ftps.as_ref());
                let tls = TlsIdentity::load(tls, &config.server.hosts, before.map(|it| &it.tls))
                    .and_then(|tls| {
                        if config.asks_for_certificates() {
                            tls.asking()
                        } else {
                            Ok(tls)
                        }
                    })
                    .map_err(|error| vec![problem(file, "tls", &error)])?;
                Some(Arc::new(FtpsFront {
                    hosts: config.server.hosts.clone(),
                    tls,
                    settings: settings.clone(),
                    limits: limits.clone(),
                }))
            }
            _ => None,
        };
        let sftp = match &config.sftp {
            Some(sftp) => {
                let ssh = SshIdentity::load(sftp)
                    .map_err(|error| vec![problem(file, "sftp.host_keys", &error)])?;
                Some(Arc::new(SftpFront {
                    ssh,
                    limits: limits.clone(),
                }))
            }
            None => None,
        };
        Ok(Self {
            config: Arc::new(config),
            ftps,
            sftp,
        })
    }

    /// Says what is wrong with the certificate and the host keys, without making any.
    pub fn check(config: &Config, file: &Path) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let (Some(_), Some(tls)) = (&config.ftps, &config.tls) {
            let wrong = TlsIdentity::check(tls);
            problems.extend(wrong.iter().map(|(key, it)| problem(file, key, it)));
        }
        if let Some(sftp) = &config.sftp {
            let wrong = SshIdentity::check(sftp);
            problems.extend(wrong.iter().map(|it| problem(file, "sftp.host_keys", it)));
        }
        problems
    }

    /// What is about to go wrong with the certificates: nothing that keeps `config` from being used.
    pub fn warnings(config: &Config, file: &Path, now: Timestamp) -> Vec<Problem> {
        let (Some(_), Some(tls)) = (&config.ftps, &config.tls) else {
            return Vec::new();
        };
        let warnings = TlsIdentity::warnings(tls, now).into_iter();
        let warnings = warnings.map(|(key, message)| Problem {
            key: Some(key),
            ..Problem::of_file(file, message)
        });
        warnings.collect()
    }

    /// The same into the log.
    pub fn warn(config: &Config, file: &Path, now: Timestamp) {
        for warning in Self::warnings(config, file, now) {
            tracing::warn!(file = %file.display(), key = warning.key, "{}", warning.message);
        }
    }

    /// All that is in force, for a comparison.
    pub fn outline(&self) -> Vec<Aspect> {
        let mut aspects = outline(&self.config);
        aspects.extend(self.identities());
        aspects
    }

    /// The certificate and the host keys.
    pub fn identities(&self) -> Vec<Aspect> {
        let mut identities = Vec::new();
        if let Some(ftps) = &self.ftps {
            let certificate = Aspect::named("certificate", "of [tls]");
            identities.push(certificate.with("fingerprint", ftps.tls.fingerprint()));
            let others = ftps.tls.other_fingerprints();
            identities
                .extend(others.map(|it| Aspect::named("alternative certificate", it.to_string())));
        }
        if let Some(sftp) = &self.sftp {
            let keys = sftp.ssh.fingerprints().iter();
            identities.extend(keys.map(|key| Aspect::named("host key", key)));
        }
        identities
    }
}

fn problem(file: &Path, key: &str, error: &dyn Error) -> Problem {
    Problem {
        key: Some(key.to_owned()),
        ..Problem::of_file(file, chain(error))
    }
}
