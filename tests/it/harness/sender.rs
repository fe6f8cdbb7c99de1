//! The clients of HR systems: curl, lftp, Python's ftplib, OpenSSH.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::tenant::PASSWORD;
use super::{Daemon, Port, Reply, test_file};

/// Someone with a name and a password.
#[derive(Debug, Clone)]
pub(crate) struct Sender<'a> {
    daemon: &'a Daemon,
    /// As typed: `host|user`, `host+user` or `user`.
    name: String,
    password: String,
}

impl Daemon {
    /// A tenant's first login, under the name that the integrations prescribe: `host|user` (R0.17).
    pub(crate) fn sender(&self, tenant: &str) -> Sender<'_> {
        let name = format!("localhost|{}", self.tenant(tenant).user());
        Sender {
            daemon: self,
            name,
            password: PASSWORD.to_owned(),
        }
    }

    /// Somebody.
    pub(crate) fn stranger(&self, name: &str, password: &str) -> Sender<'_> {
        Sender {
            daemon: self,
            name: name.to_owned(),
            password: password.to_owned(),
        }
    }
}

impl Sender<'_> {
    /// The same person under another name.
    pub(crate) fn named(self, name: &str) -> Self {
        let name = name.to_owned();
        Self { name, ..self }
    }

    /// The form that current OpenSSH command lines let through.
    fn ssh_name(&self) -> String {
        self.name.replace('|', "+")
    }

    fn address(&self, port: Port) -> String {
        self.daemon.address(port).to_string()
    }

    /// `curl` with this URL path, to be completed.
    pub(crate) fn curl(&self, port: Port, path: &str) -> Command {
        let scheme = if port == Port::Implicit {
            "ftps"
        } else {
            "ftp"
        };
        let mut curl = Command::new("curl");
        curl.args(["-v", "-sS", "--ssl-reqd", "-k", "--max-time", "120"])
            .args(["-u", &format!("{}:{}", self.name, self.password)])
            .arg(format!("{scheme}://{}{path}", self.address(port)));
        curl
    }

    /// `curl` with this URL path over SFTP, to be completed.
    pub(crate) fn curl_sftp(&self, path: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-v", "-sS", "-k", "--max-time", "120"])
            .args(["-u", &format!("{}:{}", self.ssh_name(), self.password)])
            .arg(format!("sftp://{}{path}", self.address(Port::Sftp)));
        curl
    }

    /// Uploads bytes with curl over explicit FTPS. PASV, because curl 7.88 pauses for a second when the answer to EPSV comes fast.
    pub(crate) fn upload(&self, path: &str, bytes: impl AsRef<[u8]>) -> Reply {
        Reply::to(&mut self.upload_command(path, bytes))
    }

    /// The command of [`Self::upload`].
    pub(crate) fn upload_command(&self, path: &str, bytes: impl AsRef<[u8]>) -> Command {
        let folder = tempfile::tempdir_in(self.daemon.folder()).unwrap().keep();
        let file = folder.join("upload");
        std::fs::write(&file, bytes).unwrap();
        let mut curl = self.curl(Port::Explicit, path);
        curl.arg("--disable-epsv").arg("-T").arg(file);
        curl
    }

    /// Downloads with curl.
    #[track_caller]
    pub(crate) fn download(&self, path: &str) -> Vec<u8> {
        Reply::to(self.curl(Port::Explicit, path).arg("--disable-epsv"))
            .succeeded()
            .stdout
    }

    /// Names in a folder, by curl and NLST.
    #[track_caller]
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let mut curl = self.curl(Port::Explicit, folder);
        let reply = Reply::to(curl.args(["--disable-epsv", "-l"])).succeeded();
        let mut names: Vec<_> = reply.text().lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Runs lftp commands after logging in.
    pub(crate) fn lftp(&self, port: Port, commands: &str) -> Reply {
        self.lftp_set(port, "", commands)
    }

    /// The same after a setting of its own.
    pub(crate) fn lftp_set(&self, port: Port, setting: &str, commands: &str) -> Reply {
        let scheme = match port {
            Port::Implicit => "ftps",
            Port::Sftp => "sftp",
            _ => "ftp",
        };
        let script = format!(
            "set cmd:fail-exit true\n\
             set net:max-retries 1\n\
             set net:timeout 20\n\
             set ftp:ssl-force true\n\
             set ftp:ssl-protect-data true\n\
             set ssl:verify-certificate false\n\
             {setting}\n\
             open -u '{},{}' {scheme}://{}\n\
             {commands}\n",
            self.name,
            self.password,
            self.address(port)
        );
        Reply::to(Command::new("lftp").args(["--norc", "-c", &script]))
    }

    /// Takes steps with Python's ftplib; each gives an object with `reply`, `error`, `lines` or `sha256` (see `clients/ftp.py`).
    #[track_caller]
    pub(crate) fn ftplib(&self, port: Port, steps: &Value) -> Vec<Value> {
        self.ftplib_with(port, &json!({}), steps)
    }

    /// The same with options: `secure`, `protect`, `passive` (default true), `tls` ("1.2" or "1.3").
    #[track_caller]
    pub(crate) fn ftplib_with(&self, port: Port, options: &Value, steps: &Value) -> Vec<Value> {
        let address = self.daemon.address(port);
        let plan = json!({
            "host": address.ip().to_string(),
            "port": address.port(),
            "implicit": port == Port::Implicit,
            "user": self.name,
            "password": self.password,
            "options": options,
            "steps": steps,
        });
        let mut python = Command::new("python3");
        python
            .arg("-B")
            .arg(test_file("it/clients/ftp.py"))
            .arg(plan.to_string());
        let reply = Reply::to(&mut python).succeeded();
        serde_json::from_slice(&reply.stdout).unwrap_or_else(|error| panic!("{error}: {reply:?}"))
    }

    /// Runs `sftp` with the password.
    pub(crate) fn sftp(&self, batch: &str) -> Reply {
        let mut sftp = Command::new("sshpass");
        // `-b` forbids passwords, unless BatchMode was settled before it.
        sftp.env("SSHPASS", &self.password)
            .args(["-e", "sftp", "-oBatchMode=no"])
            // A second prompt, of another method, would be taken for a refusal by sshpass, which then kills its client.
            .args(["-oPreferredAuthentications=password"])
            .args(["-oPubkeyAuthentication=no", "-oNumberOfPasswordPrompts=1"]);
        self.complete(&mut sftp, batch);
        Reply::to(&mut sftp)
    }

    /// Runs `sftp` with a key.
    pub(crate) fn sftp_with_key(&self, key: &Key, batch: &str) -> Reply {
        Reply::to(&mut self.limited_sftp(key, 0, batch))
    }

    /// `sftp` with a key and a limit in kbit/s (0: none), to be started. Without `sshpass` it dies with its process group.
    pub(crate) fn limited_sftp(&self, key: &Key, kbits: u32, batch: &str) -> Command {
        let mut sftp = Command::new("sftp");
        sftp.arg("-i").arg(&key.path).arg("-oIdentitiesOnly=yes");
        if kbits > 0 {
            sftp.args(["-l", &kbits.to_string()]);
        }
        self.complete(&mut sftp, batch);
        sftp
    }

    fn complete(&self, sftp: &mut Command, batch: &str) {
        let folder = tempfile::tempdir_in(self.daemon.folder()).unwrap().keep();
        let file = folder.join("batch");
        std::fs::write(&file, batch).unwrap();
        sftp.args(ssh_options())
            .arg("-b")
            .arg(file)
            .arg(format!("-oUser={}", self.ssh_name()))
            .args(["-P", &self.daemon.address(Port::Sftp).port().to_string()])
            .arg("127.0.0.1");
    }

    /// `ssh` or `scp` with the password, port and name set by options; to be completed.
    pub(crate) fn ssh_tool(&self, tool: &str) -> Command {
        self.ssh_tool_to(Port::Sftp, tool)
    }

    /// The same to one of the listeners.
    pub(crate) fn ssh_tool_to(&self, port: Port, tool: &str) -> Command {
        let mut command = Command::new("sshpass");
        command
            .env("SSHPASS", &self.password)
            .args(["-e", tool])
            .args(ssh_options())
            .args(["-oPubkeyAuthentication=no", "-oNumberOfPasswordPrompts=1"])
            .arg(format!("-oUser={}", self.ssh_name()))
            .arg(format!("-oPort={}", self.daemon.address(port).port()));
        command
    }
}

/// The host key is new in every test; its fingerprint has a test of its own.
pub(crate) fn ssh_options() -> [&'static str; 6] {
    [
        "-F/dev/null",
        "-oStrictHostKeyChecking=no",
        "-oUserKnownHostsFile=/dev/null",
        "-oLogLevel=ERROR",
        "-oConnectTimeout=20",
        "-oServerAliveInterval=20",
    ]
}

/// An SSH key pair of a sender.
#[derive(Debug)]
pub(crate) struct Key {
    _folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
    /// The line for `authorized_keys`.
    pub(crate) public: String,
}

impl Key {
    /// One for tests in which it does not matter whose it is.
    pub(crate) fn of_all() -> &'static Self {
        // It outlives everything, so nobody removes it: it lies below the target folder.
        static KEY: LazyLock<Key> =
            LazyLock::new(|| Key::generate_in(Path::new(env!("CARGO_TARGET_TMPDIR"))));
        &KEY
    }

    /// A new one.
    pub(crate) fn generate() -> Self {
        Self::generate_in(&std::env::temp_dir())
    }

    fn generate_in(parent: &Path) -> Self {
        let folder = tempfile::tempdir_in(parent).unwrap();
        let path = folder.path().join("id_ed25519");
        Reply::to(
            Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "hr", "-f"])
                .arg(&path),
        )
        .succeeded();
        let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        Self {
            _folder: folder,
            path,
            public,
        }
    }
}

/// The key of a line for `authorized_keys` in SSH wire format.
pub(crate) fn public_blob(line: &str) -> Vec<u8> {
    use base64::Engine as _;
    let text = line.split(' ').nth(1).unwrap();
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}
