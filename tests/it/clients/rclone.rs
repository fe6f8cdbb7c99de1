//! rclone, over FTPS and SFTP.

use std::process::Command;

use super::seat::{Seat, by_exit_code, program};
use super::{Act, Answer, Client, Family, Kind, cannot};
use crate::harness::{Port, Reply};

pub(crate) const FAMILY: Family = Family {
    title: "rclone",
    advice: "A remote of type `ftp` with `explicit_tls = true` (or `tls = true` and the implicit port), or of type `sftp`. `copyto` and `copy` send only \
             what has changed, by size and time, and try three times unless `--retries 1` says otherwise.\n\n\
             ```sh\n\
             rclone config create hr ftp host=secureftp.example.com user='secureftp.example.com|hr@acme.example' pass=… explicit_tls=true\n\
             rclone copyto employees.csv hr:/data/employees.csv\n\
             ```",
    kinds: &[
        Kind::of("rclone", Port::Explicit, |seat| {
            Rclone::of(seat, &[("TYPE", "ftp"), ("EXPLICIT_TLS", "true")])
        }),
        Kind::of("rclone, implicit", Port::Implicit, |seat| {
            Rclone::of(seat, &[("TYPE", "ftp"), ("TLS", "true")])
        }),
        Kind::of("rclone, SFTP", Port::Sftp, |seat| {
            Rclone::of(seat, &[("TYPE", "sftp"), ("SHELL_TYPE", "none")])
        }),
    ],
};

struct Rclone<'a> {
    seat: Seat<'a>,
    options: &'static [(&'static str, &'static str)],
    obscured: String,
}

impl<'a> Rclone<'a> {
    fn of(
        seat: Seat<'a>,
        options: &'static [(&'static str, &'static str)],
    ) -> Box<dyn Client + 'a> {
        let reply = Reply::to(program("rclone").args(["obscure", seat.password])).succeeded();
        let obscured = reply.text().trim().to_owned();
        Box::new(Self {
            seat,
            options,
            obscured,
        })
    }

    fn rclone(&self) -> Command {
        let mut rclone = program("rclone");
        rclone
            .env("RCLONE_CONFIG", self.seat.folder().join("rclone.conf"))
            .env("RCLONE_CONFIG_HR_HOST", "127.0.0.1")
            .env("RCLONE_CONFIG_HR_PORT", self.seat.port().to_string())
            .env("RCLONE_CONFIG_HR_USER", self.seat.user())
            .env("RCLONE_CONFIG_HR_PASS", &self.obscured)
            .env("RCLONE_CONFIG_HR_NO_CHECK_CERTIFICATE", "true")
            .args(["--retries", "1", "--low-level-retries", "1"]);
        for (name, value) in self.options {
            rclone.env(format!("RCLONE_CONFIG_HR_{name}"), value);
        }
        rclone
    }

    fn run(&self, verb: &str, from: &str, to: &[&str]) -> Answer {
        by_exit_code(&Reply::to(self.rclone().arg(verb).arg(from).args(to)))
    }
}

impl Client for Rclone<'_> {
    fn perform(&mut self, act: Act<'_>) -> Answer {
        let there = |path: &str| format!("hr:{path}");
        match act {
            Act::Put(local, remote) | Act::Keep(local, remote) => {
                self.run("copyto", local.to_str().unwrap(), &[&there(remote)])
            }
            Act::PutAll(local, remote) | Act::Mirror(local, remote) => {
                self.run("copy", local.to_str().unwrap(), &[&there(remote)])
            }
            Act::Resume(..) => cannot("it begins again"),
            Act::Get(remote, local) => {
                self.run("copyto", &there(remote), &[local.to_str().unwrap()])
            }
            Act::List("/") => self.run("lsf", &there("/"), &[]),
            Act::List(folder) => self.run("lsl", &there(folder), &[]),
            Act::Stat(path) => {
                let reply = Reply::to(self.rclone().args(["lsjson", "--stat", &there(path)]));
                by_exit_code(&reply)?;
                let entry: serde_json::Value = serde_json::from_slice(&reply.stdout).unwrap();
                let time: jiff::Timestamp = entry["ModTime"].as_str().unwrap().parse().unwrap();
                Ok(format!("{} {}", entry["Size"], time.as_second()))
            }
            Act::Rename(from, to) => self.run("moveto", &there(from), &[&there(to)]),
            Act::Delete(path) => self.run("deletefile", &there(path), &[]),
            Act::MakeFolder(path) => self.run("mkdir", &there(path), &[]),
        }
    }
}
