//! Writes tenant files.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::LazyLock;

use super::rosterd;

/// The password of every login.
pub(crate) const PASSWORD: &str = "correct horse, battery staple";

/// Its hash, made once by the command that admins use.
static HASH: LazyLock<String> = LazyLock::new(|| hash(PASSWORD));

fn hash(password: &str) -> String {
    let mut command = rosterd()
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(command.stdin.take().unwrap(), "{password}").unwrap();
    let output = command.wait_with_output().unwrap();
    assert!(output.status.success(), "hash-password: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A tenant file in the making.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    name: String,
    quota: String,
    user: String,
    lines: Vec<String>,
    logins: Vec<Login>,
    sources: Vec<Source>,
}

impl Tenant {
    /// A tenant with the login `hr@<name>.example`, without data sources.
    pub(crate) fn without_sources(name: &str) -> Self {
        let user = format!("hr@{name}.example");
        Self {
            name: name.to_owned(),
            quota: "50MB".to_owned(),
            lines: Vec::new(),
            logins: vec![Login::named(&user)],
            user,
            sources: Vec::new(),
        }
    }

    /// A tenant that also delivers `employees.csv`, in the mapping that needs no configuration.
    pub(crate) fn named(name: &str) -> Self {
        Self::without_sources(name).source(Source::named("employees", "employees.csv"))
    }

    pub(crate) fn quota(mut self, quota: &str) -> Self {
        quota.clone_into(&mut self.quota);
        self
    }

    /// With this line, `key = value`.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Its first login is changed.
    pub(crate) fn first_login(mut self, change: impl FnOnce(Login) -> Login) -> Self {
        let login = change(self.logins.remove(0));
        self.logins.insert(0, login);
        self
    }

    /// Lets its first login come with this key too.
    pub(crate) fn authorized_key(self, line: &str) -> Self {
        self.first_login(|login| login.authorized_key(line))
    }

    pub(crate) fn login(mut self, login: Login) -> Self {
        self.logins.push(login);
        self
    }

    pub(crate) fn source(mut self, source: Source) -> Self {
        self.sources.push(source);
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its first login.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// The file.
    pub(crate) fn toml(&self) -> String {
        let Self { name, quota, .. } = self;
        let mut toml = format!(
            "name = \"{name}\"\ntime_zone = \"Australia/Melbourne\"\nquota = \"{quota}\"\n"
        );
        for line in &self.lines {
            writeln!(toml, "{line}").unwrap();
        }
        for login in &self.logins {
            toml.push_str(&login.toml());
        }
        for source in &self.sources {
            toml.push_str(&source.toml());
        }
        toml
    }
}

/// A login in the making.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    user: String,
    environment: &'static str,
    allow_from: Vec<&'static str>,
    rights: &'static str,
    authorized_key: Option<String>,
    lines: Vec<String>,
    hashes: Vec<String>,
}

impl Login {
    /// A login with all rights that may come from this machine with [`PASSWORD`].
    pub(crate) fn named(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            environment: "production",
            allow_from: vec!["127.0.0.0/8"],
            rights: r#"["upload", "download", "delete"]"#,
            authorized_key: None,
            lines: Vec::new(),
            hashes: vec![HASH.clone()],
        }
    }

    /// With this line, `key = value`.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// With this password in place of [`PASSWORD`].
    pub(crate) fn password(mut self, password: &str) -> Self {
        self.hashes = vec![hash(password)];
        self
    }

    /// With this password beside [`PASSWORD`].
    pub(crate) fn also_password(mut self, password: &str) -> Self {
        self.hashes.push(hash(password));
        self
    }

    /// With a password that has these lines beside its hash.
    pub(crate) fn password_with(self, password: &str, lines: &str) -> Self {
        let hash = hash(password);
        self.line(&format!("[[login.password]]\nhash = \"{hash}\"\n{lines}"))
    }

    /// With a key that has these lines beside it.
    pub(crate) fn key_with(self, public: &str, lines: &str) -> Self {
        let key = public.trim();
        self.line(&format!("[[login.key]]\nkey = \"{key}\"\n{lines}"))
    }

    /// Without [`PASSWORD`].
    pub(crate) fn without_password(mut self) -> Self {
        self.hashes = Vec::new();
        self
    }

    pub(crate) fn also_from(mut self, network: &'static str) -> Self {
        self.allow_from.push(network);
        self
    }

    /// From these networks only.
    pub(crate) fn only_from(mut self, networks: &[&'static str]) -> Self {
        self.allow_from = networks.to_vec();
        self
    }

    pub(crate) fn sandbox(mut self) -> Self {
        self.environment = "sandbox";
        self
    }

    pub(crate) fn only_from_elsewhere(mut self) -> Self {
        self.allow_from = vec!["203.0.113.0/24"];
        self
    }

    pub(crate) fn upload_only(mut self) -> Self {
        self.rights = r#"["upload"]"#;
        self
    }

    pub(crate) fn download_only(mut self) -> Self {
        self.rights = r#"["download"]"#;
        self
    }

    pub(crate) fn authorized_key(mut self, line: &str) -> Self {
        self.authorized_key = Some(line.trim().to_owned());
        self
    }

    fn toml(&self) -> String {
        let mut toml = format!(
            "\n[[login]]\nuser = \"{}\"\nenvironment = \"{}\"\nrights = {}\nallow_from = {:?}\n",
            self.user, self.environment, self.rights, self.allow_from
        );
        if let Some(key) = &self.authorized_key {
            writeln!(toml, "authorized_keys = [\"{key}\"]").unwrap();
        }
        for line in &self.lines {
            writeln!(toml, "{line}").unwrap();
        }
        for hash in &self.hashes {
            writeln!(toml, "[[login.password]]\nhash = \"{hash}\"").unwrap();
        }
        toml
    }
}

/// A data source in the making.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    name: &'static str,
    file_name: &'static str,
    required: Option<&'static str>,
    columns: Vec<(&'static str, &'static str)>,
    safeguard: Vec<(&'static str, u64)>,
    go_live: &'static str,
    /// Sections of its own, as they are written.
    sections: String,
}

impl Source {
    pub(crate) fn named(name: &'static str, file_name: &'static str) -> Self {
        Self {
            name,
            file_name,
            required: None,
            columns: Vec::new(),
            safeguard: Vec::new(),
            go_live: "at_once",
            sections: String::new(),
        }
    }

    /// Its deliveries run dry until it is published.
    pub(crate) fn goes_live_when_published(mut self) -> Self {
        self.go_live = "published";
        self
    }

    /// A section of its own, such as `[data_source.pgp]`, as it is written.
    pub(crate) fn section(mut self, toml: &str) -> Self {
        writeln!(self.sections, "{toml}").unwrap();
        self
    }

    /// Only `employee_id` must be there: for files without e-mail addresses.
    pub(crate) fn requires_the_key_only(mut self) -> Self {
        self.required = Some(r#"["employee_id"]"#);
        self
    }

    pub(crate) fn column(mut self, field: &'static str, header: &'static str) -> Self {
        self.columns.push((field, header));
        self
    }

    pub(crate) fn safeguard(mut self, key: &'static str, value: u64) -> Self {
        self.safeguard.push((key, value));
        self
    }

    fn toml(&self) -> String {
        let mut toml = format!(
            "\n[[data_source]]\nname = \"{}\"\nfile_name = \"{}\"\nmode = \"full\"\ngo_live = \"{}\"\n",
            self.name, self.file_name, self.go_live
        );
        if let Some(required) = self.required {
            writeln!(toml, "required = {required}").unwrap();
        }
        if !self.columns.is_empty() {
            toml.push_str("[data_source.columns]\n");
        }
        for (field, header) in &self.columns {
            writeln!(toml, "{field} = \"{header}\"").unwrap();
        }
        if !self.safeguard.is_empty() {
            toml.push_str("[data_source.safeguard]\n");
        }
        for (key, value) in &self.safeguard {
            writeln!(toml, "{key} = {value}").unwrap();
        }
        toml.push_str(&self.sections);
        toml
    }
}
