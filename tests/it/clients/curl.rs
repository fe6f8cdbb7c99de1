//! The system's curl: one process for each thing it does.

use std::path::Path;
use std::process::Command;

use super::seat::{Seat, by_exit_code};
use super::{Act, Answer, Client, Family, Kind};
use crate::harness::{Port, Reply};

pub(crate) const FAMILY: Family = Family {
    title: "curl",
    advice: "Always `--ssl-reqd`: without it curl would go on in the clear, and rosterd would refuse the login. `--disable-epsv` saves the second that \
             curl 7.88 waits for each file. `-T \"{a,b,c}\"` sends many files in one session. Any exit code but 0 is a refusal or a failure; `-v` shows \
             our sentence. Active mode (`-P -`) over TLS fails in curl 7.88 with every server; newer ones do it.\n\n\
             ```sh\n\
             curl -v --ssl-reqd --disable-epsv -u 'secureftp.example.com|hr@acme.example' -T employees.csv ftp://secureftp.example.com/data/\n\
             curl -v -u 'secureftp.example.com|hr@acme.example' -T employees.csv sftp://secureftp.example.com/data/\n\
             ```",
    kinds: &[
        Kind::of("curl", Port::Explicit, |seat| Box::new(Curl(seat))),
        Kind::of("curl, implicit", Port::Implicit, |seat| {
            Box::new(Curl(seat))
        }),
        Kind::of("curl, SFTP", Port::Sftp, |seat| Box::new(Curl(seat))),
    ],
};

struct Curl<'a>(Seat<'a>);

impl Curl<'_> {
    fn is_sftp(&self) -> bool {
        self.0.kind.port == Port::Sftp
    }

    fn at(&self, path: &str) -> Command {
        let path = path.replace(' ', "%20");
        if self.is_sftp() {
            let mut curl = Command::new("curl");
            curl.args(["-v", "-sS", "-k", "--max-time", "120"])
                .args(["-u", &format!("{}:{}", self.0.user(), self.0.password)])
                .arg(format!("sftp://127.0.0.1:{}{path}", self.0.port()));
            return curl;
        }
        let mut curl = self.0.sender().curl(self.0.kind.port, &path);
        curl.arg("--disable-epsv");
        curl
    }

    fn put(&self, local: &str, remote: &str, more: &[&str]) -> Answer {
        by_exit_code(&Reply::to(self.at(remote).args(["-T", local]).args(more)))
    }

    /// A command of the protocol, after the folder was listed.
    fn quote(&self, commands: &[&str]) -> Answer {
        let mut curl = self.at("/");
        curl.arg("-l");
        for command in commands {
            curl.args(["-Q", &format!("-{command}")]);
        }
        by_exit_code(&Reply::to(&mut curl))
    }

    /// `-R` gives the file the time that it has on the server.
    fn get(&self, remote: &str, local: &Path) -> Answer {
        by_exit_code(&Reply::to(self.at(remote).arg("-R").arg("-o").arg(local)))
    }
}

impl Client for Curl<'_> {
    fn perform(&mut self, act: Act<'_>) -> Answer {
        match act {
            Act::Put(local, remote) => self.put(local.to_str().unwrap(), remote, &[]),
            Act::PutAll(local, remote) => self.put(&braced(local), &format!("{remote}/"), &[]),
            Act::Mirror(local, remote) => {
                let create = ["--ftp-create-dirs"];
                self.put(&braced(local), &format!("{remote}/"), &create)
            }
            Act::Keep(local, remote) => {
                let when = modified(local);
                let (date, ftp) = (
                    when.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
                    when.strftime("%Y%m%d%H%M%S").to_string(),
                );
                let command = if self.is_sftp() {
                    format!("-mtime \"{date}\" {remote}")
                } else {
                    // curl is in the folder of the file then.
                    format!("-MFMT {ftp} {remote}")
                };
                self.put(local.to_str().unwrap(), remote, &["-Q", &command])
            }
            Act::Resume(local, remote) => self.put(local.to_str().unwrap(), remote, &["-C", "-"]),
            Act::Get(remote, local) => self.get(remote, local),
            Act::List(folder) => {
                let folder = format!("{}/", folder.trim_end_matches('/'));
                by_exit_code(&Reply::to(&mut self.at(&folder)))
            }
            Act::Stat(path) => {
                let copy = self.0.folder().join("stat");
                self.get(path, &copy)?;
                Ok(size_and_time(&copy))
            }
            Act::Rename(from, to) if self.is_sftp() => {
                self.quote(&[&format!("rename {from} {to}")])
            }
            Act::Rename(from, to) => self.quote(&[&format!("RNFR {from}"), &format!("RNTO {to}")]),
            Act::Delete(path) if self.is_sftp() => self.quote(&[&format!("rm {path}")]),
            Act::Delete(path) => self.quote(&[&format!("DELE {path}")]),
            Act::MakeFolder(path) if self.is_sftp() => self.quote(&[&format!("mkdir \"{path}\"")]),
            Act::MakeFolder(path) => self.quote(&[&format!("MKD {path}")]),
        }
    }
}

/// `{a,b,c}`, which curl sends in one session.
fn braced(folder: &Path) -> String {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path().display().to_string())
        .collect();
    files.sort();
    format!("{{{}}}", files.join(","))
}

/// When a file was changed.
pub(super) fn modified(file: &Path) -> jiff::Timestamp {
    let time = std::fs::metadata(file).unwrap().modified().unwrap();
    time.try_into().unwrap()
}

/// Size and time of a copy that was made with its time.
pub(super) fn size_and_time(copy: &Path) -> String {
    let size = std::fs::metadata(copy).unwrap().len();
    format!("{size} {}", modified(copy).as_second())
}
