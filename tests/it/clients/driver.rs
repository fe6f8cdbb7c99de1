//! Libraries, each behind a small program of `tests/clients` that speaks the lines of its README.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::seat::{Seat, installed, program};
use super::{Act, Answer, Client, Family, Kind, No};
use crate::harness::{Port, test_file};

/// A program that keeps one session open.
pub(crate) struct Driver {
    process: Child,
    lines: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// The answer to the log-in, when it was a refusal.
    refused: Option<No>,
}

impl Driver {
    fn start(command: &mut Command, seat: &Seat<'_>, mode: &str) -> Self {
        let mut process = command
            .arg("127.0.0.1")
            .arg(seat.port().to_string())
            .args([&seat.user(), seat.password])
            .arg(mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                let program = command.get_program().display();
                panic!("cannot run {program}: {error}: tests/run.sh installs it")
            });
        let mut driver = Self {
            lines: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
            refused: None,
        };
        driver.refused = driver.answer().err();
        driver
    }

    fn answer(&mut self) -> Answer {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let line = line.trim_end();
        match line.split_once(' ').unwrap_or((line, "")) {
            ("ok", said) => Ok(said.to_owned()),
            ("cannot", why) => Err(No::Cannot(why.to_owned())),
            ("fail", said) => Err(No::Refused(said.to_owned())),
            _ => panic!("no answer: {line:?}"),
        }
    }

    fn ask(&mut self, fields: &[&str]) -> Answer {
        if let Some(no) = &self.refused {
            return Err(no.clone());
        }
        writeln!(self.lines, "{}", fields.join("\t")).unwrap();
        self.answer()
    }
}

impl Client for Driver {
    fn perform(&mut self, act: Act<'_>) -> Answer {
        match act {
            Act::Put(local, remote) => self.ask(&["put", local.to_str().unwrap(), remote]),
            Act::PutAll(local, remote) => {
                let mut files: Vec<_> = std::fs::read_dir(local).unwrap().flatten().collect();
                files.sort_by_key(std::fs::DirEntry::file_name);
                for file in files {
                    let name = file.file_name();
                    let remote = format!("{remote}/{}", name.to_str().unwrap());
                    self.perform(Act::Put(&file.path(), &remote))?;
                }
                Ok(String::new())
            }
            Act::Keep(local, remote) => self.ask(&["keep", local.to_str().unwrap(), remote]),
            Act::Resume(local, remote) => self.ask(&["resume", local.to_str().unwrap(), remote]),
            Act::Mirror(local, remote) => self.ask(&["mirror", local.to_str().unwrap(), remote]),
            Act::Get(remote, local) => self.ask(&["get", remote, local.to_str().unwrap()]),
            Act::List(folder) => {
                let said = self.ask(&["list", folder])?;
                let fields: Vec<_> = said.split('\t').collect();
                let lines = fields.chunks(2).map(|entry| entry.join(" ") + "\n");
                Ok(lines.collect())
            }
            Act::Stat(path) => self.ask(&["stat", path]),
            Act::Rename(from, to) => self.ask(&["rename", from, to]),
            Act::Delete(path) => self.ask(&["delete", path]),
            Act::MakeFolder(path) => self.ask(&["mkdir", path]),
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended by itself already.
        drop(writeln!(self.lines, "quit"));
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn python<'a>(file: &str, seat: &Seat<'a>, mode: &str) -> Box<dyn Client + 'a> {
    let mut command = program(installed("venv/bin/python").to_str().unwrap());
    command
        .arg("-B")
        .arg(test_file(&format!("clients/python/{file}")));
    Box::new(Driver::start(&mut command, seat, mode))
}

fn node<'a>(seat: &Seat<'a>, mode: &str) -> Box<dyn Client + 'a> {
    let mut command = program("node");
    command
        .env("ROSTERD_NODE_MODULES", installed("node/node_modules"))
        .arg(test_file("clients/node/driver.mjs"));
    Box::new(Driver::start(&mut command, seat, mode))
}

fn java<'a>(seat: &Seat<'a>, mode: &str) -> Box<dyn Client + 'a> {
    let mut command = program("java");
    command
        .args(["-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8"])
        .args(["-cp", "/usr/share/java/commons-net.jar"])
        .arg(test_file("clients/java/Driver.java"));
    Box::new(Driver::start(&mut command, seat, mode))
}

fn perl<'a>(seat: &Seat<'a>, mode: &str) -> Box<dyn Client + 'a> {
    let mut command = program("perl");
    command.arg(test_file("clients/perl/driver.pl"));
    Box::new(Driver::start(&mut command, seat, mode))
}

fn php<'a>(seat: &Seat<'a>, mode: &str) -> Box<dyn Client + 'a> {
    let mut command = program("php");
    command.arg(test_file("clients/php/driver.php"));
    Box::new(Driver::start(&mut command, seat, mode))
}

pub(crate) const PYCURL: Family = Family {
    title: "libcurl",
    advice: "The newest libcurl, as pycurl's wheels ship it: `USE_SSL = USESSL_ALL` for explicit FTPS, `ftps://` for implicit, one handle for all \
             files of a night. It sets no times by itself: the quoted command `MFMT 20261122021500 /data/employees.csv` does, and `mtime \"DATE\" /data/employees.csv` over SFTP.",
    kinds: &[
        Kind::of("libcurl", Port::Explicit, |seat| {
            python("pycurl_driver.py", &seat, "explicit")
        }),
        Kind::of("libcurl, implicit", Port::Implicit, |seat| {
            python("pycurl_driver.py", &seat, "implicit")
        }),
        Kind::of("libcurl, active", Port::Explicit, |seat| {
            python("pycurl_driver.py", &seat, "explicit,active")
        }),
        Kind::of("libcurl, SFTP", Port::Sftp, |seat| {
            python("pycurl_driver.py", &seat, "sftp")
        }),
    ],
};

pub(crate) const FTPLIB: Family = Family {
    title: "Python ftplib",
    advice: "Python's own library: `ftp = FTP_TLS(host)`, `ftp.login(user, password)`, then always `ftp.prot_p()`: without it the data would go in \
             the clear, and rosterd answers 522. It does not resume the TLS session of the control connection on data connections by itself; where the \
             server demands it, override `ntransfercmd` and pass `session=self.sock.session`. Implicit FTPS needs a `connect` of your own.",
    kinds: &[
        Kind::of("Python ftplib", Port::Explicit, |seat| {
            python("ftplib_driver.py", &seat, "explicit")
        }),
        Kind::of("Python ftplib, session reuse", Port::Explicit, |seat| {
            python("ftplib_driver.py", &seat, "explicit,reuse")
        }),
        Kind::of("Python ftplib, active", Port::Explicit, |seat| {
            python("ftplib_driver.py", &seat, "explicit,active")
        }),
        Kind::of("Python ftplib, implicit", Port::Implicit, |seat| {
            python("ftplib_driver.py", &seat, "implicit,reuse")
        }),
    ],
};

pub(crate) const BASIC_FTP: Family = Family {
    title: "Node basic-ftp",
    advice: "`await client.access({ host, user, password, secure: true })`; `secure: \"implicit\"` for the implicit port. Passive only. Times are set \
             with ``client.send(`MFMT ${when} ${path}`)``.",
    kinds: &[
        Kind::of("Node basic-ftp", Port::Explicit, |seat| {
            node(&seat, "explicit")
        }),
        Kind::of("Node basic-ftp, implicit", Port::Implicit, |seat| {
            node(&seat, "implicit")
        }),
    ],
};

pub(crate) const COMMONS_NET: Family = Family {
    title: "Java commons-net",
    advice: "`FTPSClient(\"TLS\", false)`, then in this order `login`, `execPBSZ(0)`, `execPROT(\"P\")`, `setFileType(BINARY_FILE_TYPE)` and \
             `enterLocalPassiveMode()`. `setControlEncoding(\"UTF-8\")` before `connect`, for names beyond ASCII. `storeFile` tells a refusal by `false` \
             only: a program that does not look at it loses the night, so look, and log `getReplyString()`.",
    kinds: &[
        Kind::of("Java commons-net", Port::Explicit, |seat| {
            java(&seat, "explicit")
        }),
        Kind::of("Java commons-net, active", Port::Explicit, |seat| {
            java(&seat, "explicit,active")
        }),
        Kind::of("Java commons-net, implicit", Port::Implicit, |seat| {
            java(&seat, "implicit")
        }),
    ],
};

pub(crate) const NET_FTP: Family = Family {
    title: "Perl Net::FTP",
    advice: "Needs IO::Socket::SSL (libio-socket-ssl-perl): `Net::FTP->new($host, Passive => 1)`, `starttls`, `login`, `prot(\"P\")`, `binary`; for the \
             implicit port `SSL => 1` in `new`. Every call tells a refusal by `undef` only: look at it, and log `$ftp->message`.",
    kinds: &[
        Kind::of("Perl Net::FTP", Port::Explicit, |seat| {
            perl(&seat, "explicit")
        }),
        Kind::of("Perl Net::FTP, active", Port::Explicit, |seat| {
            perl(&seat, "explicit,active")
        }),
        Kind::of("Perl Net::FTP, implicit", Port::Implicit, |seat| {
            perl(&seat, "implicit")
        }),
    ],
};

pub(crate) const PHP: Family = Family {
    title: "PHP ftp",
    advice: "`ftp_ssl_connect`, `ftp_login`, then always `ftp_pasv($ftp, true)`: PHP begins in active mode. Explicit FTPS only. Calls tell a refusal by \
             `false` and a warning that holds our sentence: turn warnings into exceptions, or look at each `false`.",
    kinds: &[
        Kind::of("PHP ftp", Port::Explicit, |seat| php(&seat, "explicit")),
        Kind::of("PHP ftp, active", Port::Explicit, |seat| {
            php(&seat, "explicit,active")
        }),
    ],
};

pub(crate) const WINSCP: Family = Family {
    title: "WinSCP",
    advice: "It runs on Windows, so a script does here what it does: upload to `employees.csv.filepart`, move that over `employees.csv` with \
             `posix-rename@openssh.com`, set the time. Its defaults fit: leave `-resumesupport` and `-preservetime` as they are.",
    kinds: &[Kind::of("WinSCP's way, SFTP", Port::Sftp, |seat| {
        python("paramiko_driver.py", &seat, "winscp")
    })],
};

pub(crate) const PARAMIKO: Family = Family {
    title: "Python paramiko",
    advice: "`ssh.connect(host, port, user, password, allow_agent=False, look_for_keys=False)`, `ssh.open_sftp()`. Load the host key from a file; \
             `AutoAddPolicy` trusts anybody.",
    kinds: &[Kind::of("Python paramiko", Port::Sftp, |seat| {
        python("paramiko_driver.py", &seat, "sftp")
    })],
};

pub(crate) const ASYNCSSH: Family = Family {
    title: "Python asyncssh",
    advice: "`asyncssh.connect(host, port, username=user, password=password, client_keys=None)`, `start_sftp_client()`; `put(…, preserve=True)` keeps \
             times.",
    kinds: &[Kind::of("Python asyncssh", Port::Sftp, |seat| {
        python("asyncssh_driver.py", &seat, "sftp")
    })],
};

pub(crate) const SSH2_SFTP_CLIENT: Family = Family {
    title: "Node ssh2-sftp-client",
    advice: "`await client.connect({ host, port, username, password })`; `fastPut` for large files. Its errors end with our sentence.",
    kinds: &[Kind::of("Node ssh2-sftp-client", Port::Sftp, |seat| {
        node(&seat, "sftp")
    })],
};
