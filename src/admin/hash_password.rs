//! `rosterd hash-password`: so that no password stands anywhere in clear.

use std::io;

use anyhow::{Context as _, bail};

use super::{Ending, answer};
use crate::listen::login;

pub(super) fn run() -> anyhow::Result<Ending> {
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .context("cannot read a password from stdin")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("no password came on stdin: type one and press Enter, or pipe one in");
    }
    let hash = login::hash_password(password)
        .map_err(|error| anyhow::anyhow!("cannot hash that password: {error}"))?;
    answer(&format!("{hash}\n"))?;
    Ok(Ending::Done)
}
