//! What is different between the configuration in force and a new one: said to the admin who reloads, in words and as JSON. Secrets are compared, never
//! shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::{Aspect, Config};

/// Settings that are read once, when the daemon starts.
const NEED_A_RESTART: [&str; 9] = [
    "server.state_dir",
    "database.url",
    "log.format",
    "ftps.explicit",
    "ftps.implicit",
    "ftps.passive_ports",
    "sftp.listen",
    "sftp.legacy",
    "web.listen",
];

/// What a reload has changed, and what it could not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub added: Vec<Change>,
    pub changed: Vec<Change>,
    pub removed: Vec<Change>,
    /// Not applied: the daemon goes on with what it was started with.
    pub needs_restart: Vec<Change>,
}

/// One thing, or one key of it. Values are there where a key is meant and they are no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub what: String,
    pub tenant: Option<String>,
    pub name: String,
    pub key: Option<String>,
    pub from: Option<String>,
    pub to: Option<String>,
}

/// What tells one thing from another.
type Thing<'a> = (&'static str, Option<&'a str>, &'a str);

impl Config {
    /// Takes over from the running configuration what cannot change while the daemon runs, so that what is in force is always what is really done.
    ///
    /// A protocol that has no listener, or whose listeners are no longer configured, stays with all of its settings as it is.
    pub(crate) fn keep_what_needs_a_restart(&mut self, running: &Self) {
        self.server.state_dir.clone_from(&running.server.state_dir);
        self.database.path.clone_from(&running.database.path);
        self.log = running.log;
        self.web.clone_from(&running.web);
        match (&mut self.ftps, &running.ftps) {
            (Some(ftps), Some(running)) => {
                ftps.explicit.clone_from(&running.explicit);
                ftps.implicit.clone_from(&running.implicit);
                ftps.passive_ports = running.passive_ports;
            }
            (ftps, running) => ftps.clone_from(running),
        }
        if self.ftps.is_some() && self.tls.is_none() {
            self.tls.clone_from(&running.tls);
        }
        match (&mut self.sftp, &running.sftp) {
            (Some(sftp), Some(running)) => {
                sftp.listen.clone_from(&running.listen);
                sftp.legacy.clone_from(&running.legacy);
            }
            (sftp, running) => sftp.clone_from(running),
        }
        // The same tenant stays the same value, so that nobody takes a reload for news about it.
        for (id, tenant) in &mut self.tenants {
            if let Some(same) = running.tenants.get(id).filter(|same| *same == tenant) {
                tenant.clone_from(same);
            }
        }
    }
}

impl Difference {
    /// From what is in force to `applied`. `configured` is what the files say, with what needs a restart.
    pub fn between(running: &[Aspect], applied: &[Aspect], configured: &[Aspect]) -> Self {
        let [before, after] = [running, applied].map(things);
        let mut difference = Self {
            added: after
                .difference(&before)
                .filter(|thing| thing.0 != "setting")
                .map(|thing| Change::of(*thing))
                .collect(),
            removed: before
                .difference(&after)
                .filter(|thing| thing.0 != "setting")
                .map(|thing| Change::of(*thing))
                .collect(),
            changed: Vec::new(),
            needs_restart: Vec::new(),
        };
        let is_whole = |aspect: &Aspect| {
            let thing = thing(aspect);
            aspect.what == "setting" || (before.contains(&thing) && after.contains(&thing))
        };
        difference.changed = changes(running, applied)
            .filter(|(aspect, _)| is_whole(aspect))
            .map(|(_, change)| change)
            .collect();
        difference.needs_restart = changes(running, configured)
            .filter(|(aspect, _)| needs_restart(aspect))
            .map(|(_, change)| change)
            .collect();
        difference
    }

    /// Whether nothing at all is different.
    pub fn is_empty(&self) -> bool {
        self.lines().next().is_none()
    }

    /// Every change as a line.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let say = |verb: &'static str, changes: &[Change]| {
            let lines = changes.iter().map(move |change| format!("{verb} {change}"));
            lines.collect::<Vec<_>>()
        };
        [
            say("added", &self.added),
            say("changed", &self.changed),
            say("removed", &self.removed),
            say("not applied, needs a restart:", &self.needs_restart),
        ]
        .into_iter()
        .flatten()
    }
}

fn things(aspects: &[Aspect]) -> BTreeSet<Thing<'_>> {
    aspects.iter().map(thing).collect()
}

fn thing(aspect: &Aspect) -> Thing<'_> {
    (aspect.what, aspect.tenant.as_deref(), &aspect.name)
}

/// Aspects that only one side has, or both with another value.
fn changes<'a>(
    before: &'a [Aspect],
    after: &'a [Aspect],
) -> impl Iterator<Item = (&'a Aspect, Change)> {
    let [old, new] = [before, after].map(|aspects| {
        let keyed = aspects
            .iter()
            .map(|it| ((thing(it), it.key.as_deref()), it));
        keyed.collect::<BTreeMap<_, _>>()
    });
    let others = after.iter().filter_map({
        move |new| {
            let old = old.get(&(thing(new), new.key.as_deref())).copied();
            let is_same = old.is_some_and(|old| old.value == new.value);
            (!is_same).then(|| (new, Change::from_to(new, old, Some(new))))
        }
    });
    let gone = before.iter().filter_map(move |old| {
        let is_gone = !new.contains_key(&(thing(old), old.key.as_deref()));
        is_gone.then(|| (old, Change::from_to(old, Some(old), None)))
    });
    others.chain(gone)
}

fn needs_restart(aspect: &Aspect) -> bool {
    aspect.what == "setting" && NEED_A_RESTART.contains(&aspect.name.as_str())
}

impl Change {
    fn of((what, tenant, name): Thing<'_>) -> Self {
        Self {
            what: what.to_owned(),
            tenant: tenant.map(str::to_owned),
            name: name.to_owned(),
            key: None,
            from: None,
            to: None,
        }
    }

    fn from_to(aspect: &Aspect, from: Option<&Aspect>, to: Option<&Aspect>) -> Self {
        let shown = |aspect: Option<&Aspect>| {
            aspect
                .filter(|aspect| !aspect.is_secret)
                .map(|aspect| aspect.value.clone())
        };
        Self {
            key: aspect.key.clone(),
            from: shown(from),
            to: shown(to),
            ..Self::of(thing(aspect))
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what.as_str() {
            "setting" => f.write_str(&self.name)?,
            what => write!(f, "{what} {}", self.name)?,
        }
        if let Some(tenant) = &self.tenant {
            write!(f, " of {tenant}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        match (&self.from, &self.to) {
            (None, None) => Ok(()),
            (from, to) => {
                let or_nothing =
                    |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
                write!(f, ": {} -> {}", or_nothing(from), or_nothing(to))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Login, Password, Tenant, outline};
    use crate::secret::Secret;

    fn login(hash: &str) -> Login {
        Login {
            passwords: vec![Password::of(Secret::new(hash.to_owned()))],
            ..Login::of("hr@acme.example")
        }
    }

    fn acme(logins: Vec<Login>) -> Tenant {
        Tenant {
            logins,
            ..Tenant::of("acme")
        }
    }

    fn between(running: &Config, new: &Config) -> Vec<String> {
        let mut applied = new.clone();
        applied.keep_what_needs_a_restart(running);
        let [running, applied, configured] = [running, &applied, new].map(outline);
        let difference = Difference::between(&running, &applied, &configured);
        difference.lines().collect()
    }

    #[test]
    fn another_password_is_told_and_not_shown() {
        let old = Config::of(Path::new("var"), [acme(vec![login("$old")])]);
        let new = Config::of(Path::new("var"), [acme(vec![login("$new")])]);
        assert_eq!(
            between(&old, &new),
            ["changed login hr@acme.example of acme: password"]
        );
        assert_eq!(between(&old, &old), [] as [String; 0]);
    }

    #[test]
    fn a_thing_that_comes_or_goes_is_one_line_and_a_setting_has_both_values() {
        let old = Config::of(Path::new("var"), [acme(vec![login("$old")])]);
        let mut new = Config::of(Path::new("elsewhere"), []);
        new.limits.rows = 7;
        assert_eq!(
            between(&old, &new),
            [
                "changed limits.rows: 2000000 -> 7",
                "removed login hr@acme.example of acme",
                "removed tenant acme",
                "not applied, needs a restart: server.state_dir: var -> elsewhere",
                "not applied, needs a restart: database.url: var/rosterd.db -> elsewhere/rosterd.db",
            ]
        );
        assert_eq!(
            between(&new, &old)[..2],
            ["added login hr@acme.example of acme", "added tenant acme"]
        );
    }

    #[test]
    fn a_tenant_that_is_the_same_stays_the_same_value() {
        let old = Config::of(Path::new("var"), [acme(vec![login("$old")])]);
        let mut new = Config::of(Path::new("var"), [acme(vec![login("$old")])]);
        new.keep_what_needs_a_restart(&old);
        let [one, other] = [&old, &new].map(|config| config.tenant("acme").unwrap());
        assert!(std::sync::Arc::ptr_eq(one, other));
    }
}
