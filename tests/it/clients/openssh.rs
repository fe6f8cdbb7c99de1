//! OpenSSH's sftp and scp.

use std::path::Path;
use std::process::Command;

use super::curl::size_and_time;
use super::seat::{Seat, by_exit_code, program};
use super::{Act, Answer, Client, Family, Kind, cannot};
use crate::harness::sender::ssh_options;
use crate::harness::{Port, Reply};

pub(crate) const FAMILY: Family = Family {
    title: "OpenSSH sftp and scp",
    advice: "Current versions refuse a pipe in the user's name on the command line, hence `host+user`; in `~/.ssh/config` (`User host|user`) it passes. \
             A key is better than a password, and a batch (`-b`) stops at the first refusal with exit code 1. scp works in its SFTP mode (`-s`; the default \
             since 9.0); the old protocol (`-O`) is refused.\n\n\
             ```sh\n\
             echo 'put employees.csv /data/employees.csv' | sftp -b - -i key -P 22 'secureftp.example.com+hr@acme.example@secureftp.example.com'\n\
             ```",
    kinds: &[
        Kind::of("OpenSSH sftp", Port::Sftp, |seat| Box::new(Sftp(seat))).refusing_the_pipe(),
        Kind::of("OpenSSH scp", Port::Sftp, |seat| Box::new(Scp(seat))).refusing_the_pipe(),
    ],
};

/// One of its programs, with the password.
fn tool(seat: &Seat<'_>, name: &str) -> Command {
    let mut command = program("sshpass");
    command
        .env("SSHPASS", seat.password)
        // `-b` forbids passwords, unless BatchMode was settled before it.
        .args(["-e", name, "-oBatchMode=no"])
        .args(ssh_options())
        .args(["-oPubkeyAuthentication=no", "-oNumberOfPasswordPrompts=1"])
        // sshpass answers once, and says nothing when it is asked again.
        .args(["-oPreferredAuthentications=password"])
        .args(["-P", &seat.port().to_string()]);
    command
}

struct Sftp<'a>(Seat<'a>);

impl Sftp<'_> {
    fn run(&self, batch: &str) -> Answer {
        let batch = self.0.file("sftp.txt", batch);
        let mut sftp = tool(&self.0, "sftp");
        sftp.arg("-b").arg(batch);
        sftp.arg(format!("{}@127.0.0.1", self.0.user()));
        by_exit_code(&Reply::to(&mut sftp))
    }
}

impl Client for Sftp<'_> {
    fn perform(&mut self, act: Act<'_>) -> Answer {
        match act {
            Act::Put(local, remote) => {
                self.run(&format!("put \"{}\" \"{remote}\"\n", local.display()))
            }
            Act::PutAll(local, remote) => {
                self.run(&format!("put {}/* {remote}/\n", local.display()))
            }
            Act::Keep(local, remote) => self.run(&format!("put -p {} {remote}\n", local.display())),
            Act::Resume(local, remote) => {
                self.run(&format!("reput {} {remote}\n", local.display()))
            }
            Act::Mirror(local, remote) => {
                self.run(&format!("put -R {} {remote}\n", local.display()))
            }
            Act::Get(remote, local) => {
                self.run(&format!("get \"{remote}\" \"{}\"\n", local.display()))
            }
            Act::List(folder) => self.run(&format!("ls -l \"{folder}\"\n")),
            Act::Stat(path) => {
                let copy = self.0.folder().join("stat");
                self.run(&format!("get -p {path} {}\n", copy.display()))?;
                Ok(size_and_time(&copy))
            }
            Act::Rename(from, to) => self.run(&format!("rename {from} {to}\n")),
            Act::Delete(path) => self.run(&format!("rm {path}\n")),
            Act::MakeFolder(path) => self.run(&format!("mkdir \"{path}\"\n")),
        }
    }
}

struct Scp<'a>(Seat<'a>);

impl Scp<'_> {
    fn run(&self, from: &[&str], to: &str) -> Answer {
        let mut scp = tool(&self.0, "scp");
        by_exit_code(&Reply::to(scp.args(["-s", "-p", "-r"]).args(from).arg(to)))
    }

    fn put(&self, local: &Path, remote: &str) -> Answer {
        self.run(&[local.to_str().unwrap()], &self.there(remote))
    }

    fn there(&self, path: &str) -> String {
        format!("{}@127.0.0.1:{path}", self.0.user())
    }
}

impl Client for Scp<'_> {
    fn perform(&mut self, act: Act<'_>) -> Answer {
        match act {
            Act::Put(local, remote) | Act::Keep(local, remote) | Act::Mirror(local, remote) => {
                self.put(local, remote)
            }
            Act::PutAll(local, remote) => {
                let files = std::fs::read_dir(local).unwrap();
                let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
                let files: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
                self.run(&files, &self.there(remote))
            }
            Act::Get(remote, local) => self.run(&[&self.there(remote)], local.to_str().unwrap()),
            Act::Stat(path) => {
                let copy = self.0.folder().join("stat");
                self.run(&[&self.there(path)], copy.to_str().unwrap())?;
                Ok(size_and_time(&copy))
            }
            // The log-in is tried by a listing: here by fetching the top, with its folders.
            Act::List("/") => {
                let copy = self.0.folder().join("top");
                self.run(&[&self.there("/")], copy.to_str().unwrap())?;
                let names = std::fs::read_dir(copy).unwrap();
                let names = names.map(|name| name.unwrap().file_name().into_string().unwrap());
                Ok(names.collect::<Vec<_>>().join("\n"))
            }
            Act::Resume(..) => cannot("it begins again"),
            Act::List(_) | Act::Rename(..) | Act::Delete(_) | Act::MakeFolder(_) => {
                cannot("it only copies")
            }
        }
    }
}
