//! Debian's ftp-ssl, the old ftp program with TLS.

use std::io::Write as _;

use super::seat::{Seat, program};
use super::{Act, Answer, Client, Family, Kind, No, cannot};
use crate::harness::{Client as Process, Port};

pub(crate) const FAMILY: Family = Family {
    title: "ftp-ssl",
    advice: "The old ftp program: commands on stdin, `-z secure` so that data go encrypted, `-p` for passive mode. It ends uploads without TLS's \
             close_notify, so its tenant needs `accept_unclean_close = true`; without it each upload is refused with 426. It ends with exit code 0 \
             whatever happens, so a script has to look for `226` in what it says.\n\n\
             ```sh\n\
             printf 'user %s \"%s\"\\nbinary\\nput employees.csv /data/employees.csv\\nbye\\n' \"$name\" \"$password\" |\n  \
             ftp-ssl -n -v -p -z secure secureftp.example.com | tee log; grep -q '^226 Received' log\n\
             ```",
    kinds: &[
        Kind::of("ftp-ssl", Port::Explicit, |seat| FtpSsl::of(seat, "-p")).ending_uncleanly(),
        Kind::of("ftp-ssl, active", Port::Explicit, |seat| {
            FtpSsl::of(seat, "-v")
        })
        .ending_uncleanly(),
    ],
};

struct FtpSsl<'a> {
    seat: Seat<'a>,
    passive: &'static str,
    exit_code: i32,
}

impl<'a> FtpSsl<'a> {
    fn of(seat: Seat<'a>, passive: &'static str) -> Box<dyn Client + 'a> {
        Box::new(Self {
            seat,
            passive,
            exit_code: 0,
        })
    }

    fn run(&mut self, commands: &str) -> Answer {
        let mut command = program("ftp-ssl");
        command
            .args(["-n", "-v", "-i", self.passive, "-z", "secure", "127.0.0.1"])
            .arg(self.seat.port().to_string());
        let mut process = Process::spawn(&mut command);
        let script = format!(
            "user {} \"{}\"\nbinary\n{commands}\nbye\n",
            self.seat.user(),
            self.seat.password
        );
        let stdin = process.process().stdin.as_mut().unwrap();
        stdin.write_all(script.as_bytes()).unwrap();
        let reply = process.wait();
        self.exit_code = reply.code;
        let said = format!("{}\n{}", reply.text(), reply.stderr);
        let is_refusal = |line: &str| {
            let code = line.get(..4).unwrap_or_default();
            // "458 bytes sent in 0.00 secs" is no reply.
            code.starts_with(['4', '5']) && code.ends_with([' ', '-']) && !line.contains(" secs (")
        };
        if reply.code != 0 || said.lines().any(is_refusal) {
            return Err(No::Refused(said));
        }
        Ok(said)
    }
}

impl Client for FtpSsl<'_> {
    fn perform(&mut self, act: Act<'_>) -> Answer {
        match act {
            Act::Put(local, remote) => {
                self.run(&format!("put \"{}\" \"{remote}\"", local.display()))
            }
            Act::PutAll(local, remote) => {
                self.run(&format!("cd {remote}\nlcd {}\nmput *", local.display()))
            }
            Act::Mirror(local, remote) => self.run(&format!(
                "mkdir {remote}\ncd {remote}\nlcd {}\nmput *",
                local.display()
            )),
            Act::Keep(..) => cannot("it sets no times"),
            Act::Resume(local, remote) => {
                let there = self.run(&format!("size {remote}"))?;
                let size = there.lines().find_map(|line| line.strip_prefix("213 "));
                let size = size.unwrap_or_else(|| panic!("no size in {there}"));
                self.run(&format!("restart {size}\nput {} {remote}", local.display()))
            }
            Act::Get(remote, local) => {
                self.run(&format!("get \"{remote}\" \"{}\"", local.display()))
            }
            Act::List(folder) => self.run(&format!("dir \"{folder}\"")),
            Act::Stat(path) => {
                let said = self.run(&format!("size {path}\nmodtime {path}"))?;
                Ok(size_and_time(&said))
            }
            Act::Rename(from, to) => self.run(&format!("rename {from} {to}")),
            Act::Delete(path) => self.run(&format!("delete {path}")),
            Act::MakeFolder(path) => self.run(&format!("mkdir \"{path}\"")),
        }
    }

    fn exit_code(&self) -> Option<i32> {
        Some(self.exit_code)
    }
}

/// Of `213 1234` and `name<TAB>11/21/2026 08:17:51 GMT`.
fn size_and_time(said: &str) -> String {
    let size = said.lines().find_map(|line| line.strip_prefix("213 "));
    let time = said.lines().find_map(|line| line.strip_suffix(" GMT"));
    let (Some(size), Some((_, time))) = (size, time.and_then(|line| line.split_once('\t'))) else {
        panic!("no size and time in {said}")
    };
    let time = jiff::Timestamp::strptime("%m/%d/%Y %H:%M:%S %z", format!("{time} +0000")).unwrap();
    format!("{size} {}", time.as_second())
}
