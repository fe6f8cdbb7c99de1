//! Who asks: the name that is noted with what a command changes.

/// The user that this process runs as, and whoever became that user by sudo.
pub(super) fn asks() -> String {
    let uid = rustix::process::getuid().as_raw();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = name(&accounts, uid).unwrap_or_else(|| format!("user {uid}"));
    // Only root can be believed about who became root.
    match std::env::var("SUDO_USER").ok().filter(|_| uid == 0) {
        Some(behind) if behind != user => format!("{behind} as {user}"),
        _ => user,
    }
}

fn name(accounts: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    let mut accounts = accounts.lines().map(|line| line.split(':'));
    accounts.find_map(|mut cells| {
        let name = cells.next()?;
        (cells.nth(1)? == uid && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_called_by_the_name_of_the_account() {
        let accounts = "root:x:0:0::/root:/bin/sh\nbroken\nada:x:1000:1000::/:/bin/sh\n";
        assert_eq!(name(accounts, 1000).as_deref(), Some("ada"));
        assert_eq!(name(accounts, 0).as_deref(), Some("root"));
        assert_eq!(name(accounts, 7), None);
        assert!(!asks().is_empty());
    }
}
