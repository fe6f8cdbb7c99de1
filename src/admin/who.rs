//! Who types the commands: for what is recorded with a name.

use std::fmt;

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) uid: u32,
    /// As the machine's list of users has it, with who is behind it if that was changed.
    pub(super) name: Option<String>,
}

/// Whoever runs this process.
pub(super) fn who() -> Who {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    // Set by sudo. It can be set by hand too, but only by somebody who is root already.
    let behind = std::env::var("SUDO_USER").ok().filter(|_| uid == 0);
    Who {
        uid,
        name: named(&users, uid, behind.as_deref()),
    }
}

/// The name that is noted with what a command changes.
pub(super) fn asks() -> String {
    let Who { uid, name } = who();
    name.unwrap_or_else(|| format!("user {uid}"))
}

fn named(users: &str, uid: u32, behind: Option<&str>) -> Option<String> {
    let mut users = users.lines().map(|line| line.split(':'));
    let name = users.find_map(|mut fields| {
        let name = fields.next()?;
        let id = fields.nth(1)?.parse::<u32>().ok()?;
        (id == uid).then(|| name.to_owned())
    });
    let behind = behind.filter(|it| !it.chars().any(crate::tenant::is_unfit));
    match (name, behind) {
        (Some(name), Some(behind)) => Some(format!("{name}, for {behind}")),
        (None, Some(behind)) => Some(format!("for {behind}")),
        (name, None) => name,
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.uid),
            None => write!(f, "user {}", self.uid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_name_that_the_machine_knows_and_whoever_is_behind_it() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:1000::/home/ann:/bin/sh\n";
        let told = |uid, behind| {
            let name = named(users, uid, behind);
            Who { uid, name }.to_string()
        };
        assert_eq!(told(1000, None), "ann (1000)");
        assert_eq!(told(0, Some("ann")), "root, for ann (0)");
        assert_eq!(told(0, Some("a\nnn")), "root (0)");
        assert_eq!(told(7, None), "user 7");
    }
}
