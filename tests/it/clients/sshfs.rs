//! sshfs: the mailbox as a folder, which is what `cp` in an old cron job wants.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::curl::size_and_time;
use super::seat::{Seat, by_exit_code, program};
use super::{Act, Answer, Client, Family, Kind, No};
use crate::harness::{Client as Process, Port, Reply};

pub(crate) const FAMILY: Family = Family {
    title: "sshfs",
    advice: "Mounts the mailbox as a folder, with FUSE. It starts the system's ssh, which refuses a pipe in the user's name. A refusal is an error of the \
             file system (`cp` says \"Permission denied\"), so look at `cp`'s exit code. `-o sshfs_sync`, so that a write tells at once what came of it. The end of the file is sent behind `cp`'s back: the receipt in `/errors` tells what became of it.\n\n\
             ```sh\n\
             sshfs -o IdentityFile=key -o sshfs_sync 'secureftp.example.com+hr@acme.example@secureftp.example.com:/' /mnt/hr && cp employees.csv /mnt/hr/data/ && fusermount3 -u /mnt/hr\n\
             ```",
    kinds: &[Kind::of("sshfs", Port::Sftp, |seat| {
        Box::new(Sshfs {
            seat,
            mounted: None,
        })
    })
    .refusing_the_pipe()],
};

struct Sshfs<'a> {
    seat: Seat<'a>,
    mounted: Option<PathBuf>,
}

impl Sshfs<'_> {
    /// Where the mailbox is mounted, from the first act on.
    fn mount(&mut self) -> Result<PathBuf, No> {
        if let Some(folder) = &self.mounted {
            return Ok(folder.clone());
        }
        let folder = tempfile::tempdir_in(self.seat.folder()).unwrap().keep();
        let mut sshfs = program("sshfs");
        sshfs
            .args(["-o", "password_stdin", "-o", "StrictHostKeyChecking=no"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "sshfs_sync"])
            .args(["-o", "NumberOfPasswordPrompts=1", "-o", "dir_cache=no"])
            .args(["-p", &self.seat.port().to_string()])
            .arg(format!("{}@127.0.0.1:/", self.seat.user()))
            .arg(&folder);
        let mut process = Process::spawn(&mut sshfs);
        let stdin = process.process().stdin.as_mut().unwrap();
        writeln!(stdin, "{}", self.seat.password).unwrap();
        by_exit_code(&process.wait())?;
        self.mounted = Some(folder.clone());
        Ok(folder)
    }
}

impl Drop for Sshfs<'_> {
    fn drop(&mut self) {
        if let Some(folder) = &self.mounted {
            drop(Command::new("fusermount3").arg("-uz").arg(folder).status());
        }
    }
}

impl Client for Sshfs<'_> {
    fn perform(&mut self, act: Act<'_>) -> Answer {
        let top = self.mount()?;
        let at = |path: &str| top.join(path.trim_start_matches('/'));
        let run = |name: &str, words: &[&Path]| {
            let mut command = program(name);
            command.args(words);
            by_exit_code(&Reply::to(&mut command))
        };
        match act {
            Act::Put(local, remote) => run("cp", &[local, &at(remote)]),
            Act::PutAll(local, remote) => {
                let files = std::fs::read_dir(local).unwrap();
                let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
                let mut words: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
                let folder = at(remote);
                words.push(&folder);
                run("cp", &words)
            }
            Act::Keep(local, remote) => run(
                "cp",
                &[Path::new("--preserve=timestamps"), local, &at(remote)],
            ),
            Act::Mirror(local, remote) => run("cp", &[Path::new("-r"), local, &at(remote)]),
            Act::Resume(local, remote) => {
                let there = at(remote);
                let length = std::fs::metadata(&there).unwrap().len();
                let script = format!(
                    "tail -c +{} '{}' >> '{}'",
                    length + 1,
                    local.display(),
                    there.display()
                );
                run("sh", &[Path::new("-c"), Path::new(&script)])
            }
            Act::Get(remote, local) => run("cp", &[&at(remote), local]),
            Act::List(folder) => run("ls", &[Path::new("-l"), &at(folder)]),
            Act::Stat(path) => {
                let path = at(path);
                run("stat", &[&path])?;
                Ok(size_and_time(&path))
            }
            Act::Rename(from, to) => run("mv", &[&at(from), &at(to)]),
            Act::Delete(path) => run("rm", &[&at(path)]),
            Act::MakeFolder(path) => run("mkdir", &[&at(path)]),
        }
    }
}
