//! lftp: FTPS on `GnuTLS`, SFTP through the system's ssh.

use super::seat::{Seat, by_exit_code};
use super::{Act, Answer, Client, Family, Kind};
use crate::harness::Port;

pub(crate) const FAMILY: Family = Family {
    title: "lftp",
    advice: "`set ftp:ssl-force true` and `set ftp:ssl-protect-data true` for explicit FTPS, `ftps://` for implicit, `set ftp:passive-mode off` for \
             active. `set cmd:fail-exit true`, or a script goes on after a refusal; `set net:max-retries 1`, or it tries for ever. `mirror -R` keeps \
             times and sends only what is new. Over SFTP it starts the system's ssh, which refuses a pipe in the user's name.\n\n\
             ```sh\n\
             lftp -e 'set cmd:fail-exit true; set net:max-retries 1; set ftp:ssl-force true; set ftp:ssl-protect-data true; put -O /data employees.csv; bye' \\\n  \
             -u 'secureftp.example.com|hr@acme.example' ftp://secureftp.example.com\n\
             ```",
    kinds: &[
        Kind::of("lftp", Port::Explicit, |seat| Lftp::of(seat, "")),
        Kind::of("lftp, active", Port::Explicit, |seat| {
            Lftp::of(seat, "set ftp:passive-mode off")
        }),
        Kind::of("lftp, implicit", Port::Implicit, |seat| Lftp::of(seat, "")),
        Kind::of("lftp, SFTP", Port::Sftp, |seat| {
            Lftp::of(
                seat,
                "set sftp:connect-program \"ssh -a -x -oStrictHostKeyChecking=no -oUserKnownHostsFile=/dev/null -oNumberOfPasswordPrompts=1\"",
            )
        })
        .refusing_the_pipe(),
    ],
};

struct Lftp<'a> {
    seat: Seat<'a>,
    setting: &'static str,
}

impl<'a> Lftp<'a> {
    fn of(seat: Seat<'a>, setting: &'static str) -> Box<dyn Client + 'a> {
        Box::new(Self { seat, setting })
    }
}

impl Client for Lftp<'_> {
    fn perform(&mut self, act: Act<'_>) -> Answer {
        let command = match act {
            Act::Put(local, remote) | Act::Keep(local, remote) => {
                format!("put \"{}\" -o \"{remote}\"", local.display())
            }
            Act::PutAll(local, remote) => format!("mput -O {remote} {}/*", local.display()),
            Act::Resume(local, remote) => format!("put -c {} -o {remote}", local.display()),
            Act::Mirror(local, remote) => format!("mirror -R {} {remote}", local.display()),
            Act::Get(remote, local) => format!("get \"{remote}\" -o \"{}\"", local.display()),
            Act::List(folder) => format!("ls \"{folder}\""),
            Act::Stat(path) => {
                format!("cls -1 --size --block-size=1 --date --time-style=+%s {path}")
            }
            Act::Rename(from, to) => format!("mv {from} {to}"),
            Act::Delete(path) => format!("rm {path}"),
            Act::MakeFolder(path) => format!("mkdir \"{path}\""),
        };
        let reply = self
            .seat
            .sender()
            .lftp_set(self.seat.kind.port, self.setting, &command);
        let said = by_exit_code(&reply)?;
        match act {
            Act::Stat(_) => Ok(said
                .split_whitespace()
                .filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()))
                .collect::<Vec<_>>()
                .join(" ")),
            _ => Ok(said),
        }
    }
}
