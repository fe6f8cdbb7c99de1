//! Receiving and sending, against the servers that are used now: proftpd for FTPS, OpenSSH for SFTP. The same clients do the same to both, in turn, on
//! loopback; wall time and the server's CPU time are taken.
//!
//! `cargo bench --bench transfer`, as root on a machine with curl, lftp, sftp, proftpd (`proftpd-core`, `proftpd-mod-crypto`) and sshd
//! (`openssh-server`); `-- MIB RUNS` for other sizes. Everything lies in memory (/dev/shm), so that no disk is measured.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark stops at the first surprise and prints its figures"
)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PASSWORD: &str = "correct-horse";
/// Small files of one session.
const SMALL_FILES: usize = 100;
const SMALL_BYTES: usize = 20_000;
/// Sessions with one file each.
const LOGINS: usize = 20;

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<usize>().ok());
    let mib = numbers.next().unwrap_or(500);
    let runs = numbers.next().unwrap_or(5);
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let files = Files::write(folder.path(), mib);
    let rosterd = rosterd(folder.path());
    let proftpd = proftpd(folder.path());
    let sshd = sshd(folder.path());
    println!("{mib} MiB, medians of {runs} runs; peer is proftpd for FTPS, OpenSSH for SFTP");
    println!(
        "{:<34} {:>9} {:>9} {:>7}   {:>9} {:>9} {:>7}",
        "", "rosterd s", "peer s", "ratio", "CPU s", "peer CPU", "ratio"
    );
    for case in Case::ALL {
        let peer = if case.is_sftp() { &sshd } else { &proftpd };
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        for _ in 0..runs {
            ours.push(case.measure(&rosterd, &files));
            theirs.push(case.measure(peer, &files));
        }
        let [(wall, cpu), (peer_wall, peer_cpu)] = [ours, theirs].map(|it| medians(&it));
        println!(
            "{:<34} {wall:>9.2} {peer_wall:>9.2} {:>7.2}   {cpu:>9.2} {peer_cpu:>9.2} {:>7.2}",
            case.name(),
            wall / peer_wall,
            cpu / peer_cpu
        );
    }
}

fn medians(figures: &[(f64, f64)]) -> (f64, f64) {
    let median = |pick: fn(&(f64, f64)) -> f64| {
        let mut figures: Vec<f64> = figures.iter().map(pick).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    (median(|it| it.0), median(|it| it.1))
}

#[derive(Clone, Copy)]
enum Case {
    FtpsUp,
    FtpsDown,
    FtpsTwoUp,
    FtpsSmall,
    FtpsLogins,
    SftpUp,
    SftpDown,
    SftpTwoUp,
    SftpSmall,
    SftpLogins,
}

impl Case {
    const ALL: [Self; 10] = [
        Self::FtpsUp,
        Self::FtpsDown,
        Self::FtpsTwoUp,
        Self::FtpsSmall,
        Self::FtpsLogins,
        Self::SftpUp,
        Self::SftpDown,
        Self::SftpTwoUp,
        Self::SftpSmall,
        Self::SftpLogins,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::FtpsUp => "FTPS upload",
            Self::FtpsDown => "FTPS download",
            Self::FtpsTwoUp => "FTPS two uploads at a time",
            Self::FtpsSmall => "FTPS 100 x 20 KB, one session",
            Self::FtpsLogins => "FTPS 20 x login and 20 KB",
            Self::SftpUp => "SFTP upload",
            Self::SftpDown => "SFTP download",
            Self::SftpTwoUp => "SFTP two uploads at a time",
            Self::SftpSmall => "SFTP 100 x 20 KB, one session",
            Self::SftpLogins => "SFTP 20 x login and 20 KB",
        }
    }

    const fn is_sftp(self) -> bool {
        matches!(
            self,
            Self::SftpUp | Self::SftpDown | Self::SftpTwoUp | Self::SftpSmall | Self::SftpLogins
        )
    }

    /// Seconds of wall time, and of the server's CPU time.
    fn measure(self, server: &Server, files: &Files) -> (f64, f64) {
        let small = || files.small.iter();
        let commands: Vec<Command> = match self {
            Self::FtpsUp => vec![server.curl_up(&files.big, "data/big.part")],
            Self::FtpsDown => vec![server.curl_down("data/big.part")],
            Self::FtpsTwoUp => vec![
                server.curl_up(&files.big, "data/big.part"),
                server.curl_up(&files.big, "data/other.part"),
            ],
            Self::FtpsSmall => vec![server.lftp(&format!(
                "mput -O images {}",
                small().map(|it| it.display().to_string() + " ").collect::<String>()
            ))],
            Self::FtpsLogins => small()
                .take(LOGINS)
                .map(|file| server.curl_up(file, "images/one.png"))
                .collect(),
            Self::SftpUp => {
                vec![server.sftp(&format!("put {} data/big.part", files.big.display()))]
            }
            Self::SftpDown => vec![server.sftp("get data/big.part /dev/null")],
            Self::SftpTwoUp => ["data/big.part", "data/other.part"]
                .map(|name| server.sftp(&format!("put {} {name}", files.big.display())))
                .into(),
            Self::SftpSmall => {
                let puts = small().map(|it| format!("put {} images/", it.display()));
                vec![server.sftp(&puts.collect::<Vec<_>>().join("\n"))]
            }
            Self::SftpLogins => small()
                .take(LOGINS)
                .map(|file| server.sftp(&format!("put {} images/one.png", file.display())))
                .collect(),
        };
        let at_once = matches!(self, Self::FtpsTwoUp | Self::SftpTwoUp);
        let cpu = server.cpu();
        let started = Instant::now();
        let mut running = Vec::new();
        for mut command in commands {
            running.push(
                command
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap(),
            );
            if !at_once {
                finish(&mut running);
            }
        }
        finish(&mut running);
        let wall = started.elapsed().as_secs_f64();
        // Servers that fork have the CPU time of a session when its process has been waited for; ours goes on with what it has received.
        std::thread::sleep(Duration::from_millis(300));
        (wall, server.cpu() - cpu)
    }
}

fn finish(running: &mut Vec<Child>) {
    for mut client in running.drain(..) {
        let status = client.wait().unwrap();
        assert!(status.success(), "a client ended with {status}");
    }
}

struct Files {
    big: PathBuf,
    small: Vec<PathBuf>,
}

impl Files {
    fn write(folder: &Path, mib: usize) -> Self {
        let block: Vec<u8> = (0..1_048_576_u32)
            .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
            .collect();
        let big = folder.join("big.bin");
        let mut out = std::fs::File::create(&big).unwrap();
        for _ in 0..mib {
            out.write_all(&block).unwrap();
        }
        let small = (0..SMALL_FILES)
            .map(|n| {
                let path = folder.join(format!("E{n:05}.png"));
                std::fs::write(&path, &block[n..n + SMALL_BYTES]).unwrap();
                path
            })
            .collect();
        Self { big, small }
    }
}

/// A server that runs, and how to log in to it.
struct Server {
    process: Child,
    ftps: u16,
    sftp: u16,
    user: &'static str,
    key: PathBuf,
    /// Where its files are for someone who has logged in.
    root: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap_or_default();
        self.process.wait().ok();
    }
}

impl Server {
    /// CPU seconds of the process and of its children that have ended.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks: Vec<f64> = fields
            .split_whitespace()
            .skip(11)
            .take(4)
            .map(|it| it.parse().unwrap())
            .collect();
        ticks.iter().sum::<f64>() / 100.0
    }

    fn curl(&self, name: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args([
            "-sS",
            "--ssl-reqd",
            "-k",
            "--tls13-ciphers",
            "TLS_AES_128_GCM_SHA256",
            "-u",
        ])
        .arg(format!("{}:{PASSWORD}", self.user))
        .arg(format!("ftp://127.0.0.1:{}/{name}", self.ftps));
        curl
    }

    fn curl_up(&self, file: &Path, name: &str) -> Command {
        let mut curl = self.curl(name);
        curl.arg("-T").arg(file);
        curl
    }

    fn curl_down(&self, name: &str) -> Command {
        let mut curl = self.curl(name);
        curl.args(["-o", "/dev/null"]);
        curl
    }

    fn lftp(&self, commands: &str) -> Command {
        let mut lftp = Command::new("lftp");
        lftp.args(["--norc", "-c"]).arg(format!(
            "set ssl:verify-certificate no; set ftp:ssl-force true; set ftp:ssl-protect-data true; set cmd:fail-exit true; \
             open -u {},{PASSWORD} -p {} 127.0.0.1; {commands}",
            self.user, self.ftps
        ));
        lftp
    }

    fn sftp(&self, batch: &str) -> Command {
        let folder = self.key.parent().unwrap();
        // Several may run at once.
        let script = folder.join(format!("batch-{}", uuid()));
        std::fs::write(&script, format!("cd {}\n{batch}\n", self.root)).unwrap();
        let mut sftp = Command::new("sftp");
        sftp.args(["-q", "-F", "/dev/null", "-c", "aes128-gcm@openssh.com"])
            .args([
                "-o",
                "StrictHostKeyChecking=no",
                "-o",
                "UserKnownHostsFile=/dev/null",
                "-i",
            ])
            .arg(&self.key)
            .arg("-b")
            .arg(script)
            .arg("-P")
            .arg(self.sftp.to_string())
            .arg(format!("{}@127.0.0.1", self.user));
        sftp
    }
}

fn uuid() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/uuid")
        .unwrap()
        .trim()
        .to_owned()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn key(folder: &Path) -> PathBuf {
    let key = folder.join("key");
    if !key.try_exists().unwrap() {
        run(Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&key));
    }
    key
}

fn wait_for(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "nothing listens on {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn rosterd(folder: &Path) -> Server {
    let key = key(folder);
    let home = folder.join("rosterd");
    std::fs::create_dir_all(home.join("tenants")).unwrap();
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let mut hashing = Command::new(env!("CARGO_BIN_EXE_rosterd"))
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(hashing.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    let hash = String::from_utf8(hashing.wait_with_output().unwrap().stdout).unwrap();
    let (ftps, sftp) = (free_port(), free_port());
    std::fs::write(
        home.join("rosterd.toml"),
        format!(
            "[server]\nhosts = [\"localhost\"]\nstate_dir = \"var\"\ntenants = \"tenants\"\n[database]\nurl = \"sqlite://var/rosterd.db\"\n\
             [ftps]\nexplicit = [\"127.0.0.1:{ftps}\"]\npassive_ports = \"0\"\n[sftp]\nlisten = [\"127.0.0.1:{sftp}\"]\nhost_keys = [\"host_key\"]\n\
             generate = true\n[tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\ngenerate = true\n[limits]\nfile_size = \"10GB\"\n"
        ),
    )
    .unwrap();
    std::fs::write(
        home.join("tenants/bench.toml"),
        format!(
            "name = \"bench\"\nquota = \"20GB\"\n[[login]]\nuser = \"bench\"\nallow_from = [\"127.0.0.0/8\"]\nauthorized_keys = [\"{}\"]\n\
             [[login.password]]\nhash = \"{}\"\n[[data_source]]\nname = \"employees\"\nfile_name = \"employees.csv\"\ngo_live = \"at_once\"\n",
            public.trim(),
            hash.trim()
        ),
    )
    .unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_rosterd"))
        .arg("serve")
        .arg("--config")
        .arg(home.join("rosterd.toml"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let ready = log
        .by_ref()
        .map_while(Result::ok)
        .any(|line| line.contains("rosterd is ready"));
    assert!(ready, "rosterd did not start");
    std::thread::spawn(move || log.for_each(drop));
    Server {
        process,
        ftps,
        sftp,
        user: "bench",
        key,
        root: "/".to_owned(),
    }
}

fn proftpd(folder: &Path) -> Server {
    let home = folder.join("proftpd");
    for name in ["data", "images"] {
        std::fs::create_dir_all(home.join("files").join(name)).unwrap();
    }
    let hash = run(Command::new("openssl").args(["passwd", "-6", PASSWORD]));
    let users = home.join("users");
    let files = home.join("files");
    std::fs::write(
        &users,
        format!(
            "bench:{}:0:0::{}:/bin/false\n",
            hash.trim(),
            files.display()
        ),
    )
    .unwrap();
    let users_mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&users, users_mode).unwrap();
    let port = free_port();
    let tls = folder.join("rosterd");
    std::fs::write(
        home.join("proftpd.conf"),
        format!(
            "LoadModule mod_tls.c\nServerType standalone\nDefaultAddress 127.0.0.1\nSocketBindTight on\nPort {port}\nUseIPv6 off\nUseReverseDNS off\n\
             User root\nGroup root\nRootLogin on\nRequireValidShell off\nAuthOrder mod_auth_file.c\nAuthUserFile {users}\nAllowOverwrite on\n\
             PidFile {home}/pid\nScoreboardFile {home}/scoreboard\nSystemLog {home}/log\nTransferLog none\nWtmpLog off\n\
             TLSEngine on\nTLSRequired on\nTLSProtocol TLSv1.2 TLSv1.3\nTLSECCertificateFile {tls}/server.pem\nTLSECCertificateKeyFile {tls}/server.key\n\
             TLSOptions NoSessionReuseRequired\nTLSLog none\n",
            users = users.display(),
            home = home.display(),
            tls = tls.display(),
        ),
    )
    .unwrap();
    let process = Command::new("/usr/sbin/proftpd")
        .args(["-n", "-q", "-c"])
        .arg(home.join("proftpd.conf"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(port);
    Server {
        process,
        ftps: port,
        sftp: 0,
        user: "bench",
        key: folder.join("key"),
        root: "/".to_owned(),
    }
}

fn sshd(folder: &Path) -> Server {
    let key = key(folder);
    let home = folder.join("sshd");
    for name in ["data", "images"] {
        std::fs::create_dir_all(home.join("files").join(name)).unwrap();
    }
    std::fs::create_dir_all("/run/sshd").unwrap();
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(home.join("host_key")));
    let port = free_port();
    std::fs::write(
        home.join("sshd_config"),
        format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {home}/host_key\nAuthorizedKeysFile {key}.pub\nStrictModes no\nPermitRootLogin yes\n\
             PasswordAuthentication no\nUsePAM no\nPidFile {home}/pid\nMaxStartups 200\nSubsystem sftp internal-sftp\n",
            home = home.display(),
            key = key.display(),
        ),
    )
    .unwrap();
    let process = Command::new("/usr/sbin/sshd")
        .args(["-D", "-f"])
        .arg(home.join("sshd_config"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(port);
    Server {
        process,
        ftps: 0,
        sftp: port,
        user: "root",
        key,
        root: home.join("files").display().to_string(),
    }
}
