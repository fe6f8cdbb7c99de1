//! psftp of `PuTTY`, which Windows schedulers run.

use std::process::Command;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::curl::modified;
use super::seat::{Seat, by_exit_code, program};
use super::{Act, Answer, Client, Family, Kind, cannot};
use crate::harness::{Port, Reply};

pub(crate) const FAMILY: Family = Family {
    title: "PuTTY psftp",
    advice: "`-batch`, or it waits for somebody to type; `-hostkey` with the fingerprint that stands in rosterd's ready line. The commands are in a file \
             (`-b`), and the first refusal ends it with exit code 1.\n\n\
             ```bat\n\
             psftp -batch -P 22 -l \"secureftp.example.com|hr@acme.example\" -pwfile password.txt -hostkey SHA256:… -b commands.txt secureftp.example.com\n\
             ```",
    kinds: &[Kind::of("PuTTY psftp", Port::Sftp, |seat| Box::new(Psftp(seat))).showing_minutes()],
};

struct Psftp<'a>(Seat<'a>);

impl Psftp<'_> {
    fn psftp(&self) -> Command {
        let key = self.0.daemon().listener(Port::Sftp).fingerprint.clone();
        let mut psftp = program("psftp");
        psftp
            // It keeps what it remembers there.
            .env("HOME", self.0.folder())
            .args(["-batch", "-P", &self.0.port().to_string()])
            .args(["-l", &self.0.user(), "-pw", self.0.password])
            .args(["-hostkey", &key.unwrap()]);
        psftp
    }

    fn run(&self, commands: &str) -> Answer {
        let script = self.0.file("psftp.txt", commands);
        let mut psftp = self.psftp();
        by_exit_code(&Reply::to(psftp.arg("-b").arg(script).arg("127.0.0.1")))
    }
}

impl Client for Psftp<'_> {
    fn perform(&mut self, act: Act<'_>) -> Answer {
        match act {
            Act::Put(local, remote) => {
                self.run(&format!("put \"{}\" \"{remote}\"\n", local.display()))
            }
            Act::PutAll(local, remote) => {
                self.run(&format!("cd {remote}\nlcd {}\nmput *\n", local.display()))
            }
            Act::Keep(..) => cannot("it sets no times"),
            Act::Resume(local, remote) => {
                self.run(&format!("reput {} {remote}\n", local.display()))
            }
            Act::Mirror(local, remote) => {
                self.run(&format!("put -r {} {remote}\n", local.display()))
            }
            Act::Get(remote, local) => {
                self.run(&format!("get \"{remote}\" \"{}\"\n", local.display()))
            }
            Act::List(folder) => self.run(&format!("ls \"{folder}\"\n")),
            Act::Stat(path) => {
                let (folder, name) = path.rsplit_once('/').unwrap();
                let said = self.run(&format!("ls {folder}\n"))?;
                let line = said.lines().find(|line| line.ends_with(name));
                let line = line.unwrap_or_else(|| panic!("no {name} in {said}"));
                Ok(size_and_minute(
                    line,
                    modified(&self.0.folder().join("psftp.txt")),
                ))
            }
            Act::Rename(from, to) => self.run(&format!("mv {from} {to}\n")),
            Act::Delete(path) => self.run(&format!("rm {path}\n")),
            Act::MakeFolder(path) => self.run(&format!("mkdir \"{path}\"\n")),
        }
    }
}

/// Of `-rw-rw---- 1 hr hr 1234 Nov 15 22:13 name`, which is of the last months and in UTC.
fn size_and_minute(line: &str, now: Timestamp) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [.., size, month, day, time, _] = words[..] else {
        panic!("not a long name: {line}")
    };
    let of_year = |year: i16| {
        let text = format!("{year} {month} {day} {time} +0000");
        Timestamp::strptime("%Y %b %d %H:%M %z", text).unwrap()
    };
    let year = now.to_zoned(TimeZone::UTC).year();
    let this_year = of_year(year);
    let when = if this_year > now {
        of_year(year - 1)
    } else {
        this_year
    };
    format!("{size} {}", when.as_second())
}
