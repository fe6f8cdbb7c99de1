//! wget: reads only.

use std::path::Path;
use std::process::Command;

use super::curl::size_and_time;
use super::seat::{Seat, by_exit_code, program};
use super::{Act, Answer, Client, Family, Kind, cannot};
use crate::harness::{Port, Reply};

pub(crate) const FAMILY: Family = Family {
    title: "wget",
    advice: "Reads only, for `/errors` and `/reports`: `ftps://` means explicit FTPS here, `--ftps-implicit` the implicit port. It keeps times.\n\n\
             ```sh\n\
             wget --ftp-user='secureftp.example.com|hr@acme.example' --ftp-password=… -P errors 'ftps://secureftp.example.com/errors/*'\n\
             ```",
    kinds: &[
        Kind::of("wget", Port::Explicit, |seat| Box::new(Wget(seat))).showing_minutes(),
        Kind::of("wget, implicit", Port::Implicit, |seat| {
            Box::new(Wget(seat))
        })
        .showing_minutes(),
    ],
};

struct Wget<'a>(Seat<'a>);

impl Wget<'_> {
    fn wget(&self, path: &str) -> Command {
        let mut wget = program("wget");
        wget.current_dir(self.0.folder())
            .args([
                "--no-config",
                "--tries=1",
                "--timeout=60",
                "--no-check-certificate",
            ])
            .arg(format!("--ftp-user={}", self.0.user()))
            .arg(format!("--ftp-password={}", self.0.password));
        if self.0.is_implicit() {
            wget.arg("--ftps-implicit");
        }
        wget.arg(format!("ftps://127.0.0.1:{}{path}", self.0.port()));
        wget
    }

    fn get(&self, remote: &str, local: &Path) -> Answer {
        by_exit_code(&Reply::to(self.wget(remote).arg("-O").arg(local)))
    }
}

impl Client for Wget<'_> {
    fn perform(&mut self, act: Act<'_>) -> Answer {
        match act {
            Act::Get(remote, local) => self.get(remote, local),
            Act::List(folder) => {
                let folder = format!("{}/", folder.trim_end_matches('/'));
                let index = self.0.folder().join("index.html");
                let mut wget = self.wget(&folder);
                by_exit_code(&Reply::to(
                    wget.args(["--no-remove-listing", "-O"]).arg(&index),
                ))?;
                Ok(std::fs::read_to_string(self.0.folder().join(".listing")).unwrap())
            }
            Act::Stat(path) => {
                let copy = self.0.folder().join(path.rsplit('/').next().unwrap());
                // It would keep a copy that it takes for newer.
                drop(std::fs::remove_file(&copy));
                by_exit_code(&Reply::to(self.wget(path).arg("-N")))?;
                Ok(size_and_time(&copy))
            }
            _ => cannot("it only downloads"),
        }
    }
}
