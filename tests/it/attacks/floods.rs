//! Floods and slow peers: others still log in and deliver, and afterwards nothing is left of it.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::{connect_from, greeting, hear_out};
use crate::harness::staff::Staff;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Daemon, Port, Reply, wait_for, wait_until};
use crate::wire::ftps::Ftps;
use crate::wire::sftp::Sftp;

const USER: &str = "hr@acme.example";
const DOORS: [Port; 3] = [Port::Explicit, Port::Implicit, Port::Sftp];
/// What a flood may cost beside what a delivery needs.
const MEMORY_BYTES: u64 = 64 << 20;

/// A daemon at rest, before it is attacked.
struct Attacked {
    daemon: Daemon,
    descriptors: usize,
    memory_bytes: u64,
}

impl Attacked {
    fn start(limits: &str) -> Self {
        let daemon = Daemon::start_with([Tenant::named("acme")], limits);
        // The first ones fill pools and caches.
        still_serves(&daemon);
        let mut seen = None;
        let descriptors = wait_for("two looks that show the same", || {
            let now = descriptors(&daemon).len();
            (seen.replace(now) == Some(now)).then_some(now)
        });
        Self {
            descriptors,
            memory_bytes: daemon.most_memory_bytes(),
            daemon,
        }
    }

    /// The attackers have gone.
    fn ends(self, what: &str) {
        wait_until("the descriptors of the start", || {
            let now = descriptors(&self.daemon);
            let is_back = now.len() <= self.descriptors;
            if !is_back {
                eprintln!("{} at the start, and now {now:?}", self.descriptors);
            }
            is_back
        });
        let grown = self.daemon.most_memory_bytes() - self.memory_bytes;
        assert!(grown < MEMORY_BYTES, "{what}: {grown} bytes more");
        still_serves(&self.daemon);
    }
}

/// What it has open, but for the database: how many connections its pool keeps depends on what runs at the same time.
fn descriptors(daemon: &Daemon) -> Vec<String> {
    let folder = format!("/proc/{}/fd", daemon.pid());
    let links = std::fs::read_dir(folder).unwrap().map_while(Result::ok);
    let links = links.filter_map(|link| std::fs::read_link(link.path()).ok());
    let names = links.map(|link| link.display().to_string());
    names.filter(|name| !name.contains("rosterd.db")).collect()
}

/// Somebody logs in everywhere, and delivers.
#[track_caller]
fn still_serves(daemon: &Daemon) {
    for port in [Port::Explicit, Port::Implicit] {
        let mut session = Ftps::log_in(daemon, port, USER, PASSWORD);
        let reply = session.store("/data/employees.csv", &Staff::of(3).csv());
        assert_eq!(reply.code, 226, "{port:?}: {reply:?}");
        assert_eq!(session.ask("QUIT").code, 221);
    }
    let mut session = Sftp::log_in(daemon, USER, PASSWORD);
    let status = session
        .try_store("/data/employees.csv", &Staff::of(3).csv())
        .unwrap();
    assert!(status.is_ok(), "{status:?}");
}

fn stranger(number: usize) -> String {
    format!("127.0.2.{}", number % 8 + 1)
}

/// Says a byte now and then until it is not listened to any more; says what it heard.
fn drip(mut socket: TcpStream, bytes: &[u8]) -> String {
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let (started, mut heard, mut buffer) = (Instant::now(), Vec::new(), [0; 512]);
    for byte in bytes.iter().cycle() {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "it is listened to for too long"
        );
        if socket.write_all(&[*byte]).is_err() {
            break;
        }
        match socket.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => heard.extend(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&heard).into_owned()
}

#[test]
fn two_hundred_idle_strangers_keep_nobody_out() {
    let attacked = Attacked::start("connections = 60\nlogin_deadline = \"50s\"");
    let daemon = &attacked.daemon;
    let idle: Vec<_> = (0..200)
        .map(|number| {
            let address = daemon.address(DOORS[number % 3]);
            connect_from(&stranger(number), address).unwrap()
        })
        .collect();
    wait_until("the door to be full", || {
        daemon.lines_with("limits.connections reached") > 0
    });
    still_serves(daemon);
    let sent = daemon
        .sender("acme")
        .upload("/data/employees.csv", Staff::of(4).csv());
    daemon.outcome_of(&sent.succeeded().delivery());
    // The first on the explicit port had to go, and was told why.
    let told = hear_out(idle[0].try_clone().unwrap());
    assert_eq!(
        told,
        "220 rosterd ready\r\n421 Too many connections: try again later\r\n"
    );
    let lines = daemon.lines_with("limits.connections reached");
    assert!(lines <= 6, "{lines} lines");
    drop(idle);
    attacked.ends("idle strangers");
}

#[test]
fn a_burst_from_one_address_is_turned_away_in_one_line() {
    let attacked = Attacked::start("connections_per_address = 10");
    let daemon = &attacked.daemon;
    let held: Vec<_> = (0..10)
        .map(|_| connect_from("127.0.2.1", daemon.address(Port::Explicit)).unwrap())
        .collect();
    let told = "421 Too many connections from your address: try again later\r\n";
    wait_until("the last place to be taken", || {
        greeting(daemon, "127.0.2.1") == told
    });
    let lines = daemon.logged();
    for number in 0..2000 {
        let address = daemon.address(DOORS[number % 3]);
        drop(connect_from("127.0.2.1", address));
    }
    assert_eq!(greeting(daemon, "127.0.2.1"), told);
    for port in [Port::Implicit, Port::Sftp] {
        let socket = connect_from("127.0.2.1", daemon.address(port)).unwrap();
        assert_eq!(hear_out(socket), "", "{port:?}");
    }
    let lines = daemon.events_since(lines).len();
    assert!(lines <= 6, "{lines} lines");
    still_serves(daemon);
    drop(held);
    attacked.ends("a burst");
}

#[test]
fn whoever_is_slow_before_the_login_is_ended_by_the_deadline() {
    let attacked = Attacked::start("login_deadline = \"2s\"");
    let daemon = &attacked.daemon;
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    std::thread::scope(|threads| {
        let at =
            |number: usize, port| connect_from(&stranger(number), daemon.address(port)).unwrap();
        for number in 0..10 {
            // A byte at a time: commands, a handshake, an SSH version that never ends. Or nothing after the first.
            let commands = threads.spawn(move || drip(at(number, Port::Explicit), b"NOOP"));
            threads.spawn(move || drip(at(number, Port::Implicit), hello));
            threads.spawn(move || drip(at(number, Port::Sftp), b"SSH-2.0-"));
            threads.spawn(move || {
                let mut socket = at(number, Port::Explicit);
                socket.write_all(b"AUTH TLS\r\n").unwrap();
                drip(socket, hello)
            });
            threads.spawn(move || {
                let mut socket = at(number, Port::Sftp);
                socket.write_all(b"SSH-2.0-half\r\n").unwrap();
                hear_out(socket)
            });
            if number == 0 {
                let heard = commands.join().unwrap();
                assert!(
                    heard.ends_with("421 No login for too long: goodbye\r\n"),
                    "{heard}"
                );
            }
        }
        still_serves(daemon);
    });
    // Of fifty.
    let lines = daemon.lines_with("\"untold\":");
    assert!((1..=20).contains(&lines), "{lines} lines");
    attacked.ends("slow strangers");
}

#[test]
fn thirty_senders_that_log_in_all_the_time_take_little_memory() {
    let attacked = Attacked::start("sessions_per_login = 100\nconnections_per_address = 100");
    let daemon = &attacked.daemon;
    std::thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| {
                for _ in 0..6 {
                    drop(Ftps::log_in(daemon, Port::Implicit, USER, PASSWORD));
                }
            });
        }
    });
    attacked.ends("logins");
}

#[test]
fn garbage_and_endless_lines_at_every_port_harm_nobody() {
    let attacked = Attacked::start("login_deadline = \"3s\"\ndata_connect = \"1s\"");
    let daemon = &attacked.daemon;
    let mut member = Ftps::log_in(daemon, Port::Explicit, USER, PASSWORD);
    let passive = member.try_passive().unwrap().peer_addr().unwrap();
    let garbage: Vec<u8> = (0..65_536_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let line = vec![b'A'; 65_536];
    let ports: Vec<SocketAddr> = [Port::Explicit, Port::Implicit, Port::Sftp, Port::Web]
        .map(|port| daemon.address(port))
        .into_iter()
        .chain([passive])
        .collect();
    std::thread::scope(|threads| {
        for (number, port) in ports.iter().cycle().take(60).enumerate() {
            let bytes = if number % 2 == 0 { &garbage } else { &line };
            threads.spawn(move || {
                let mut socket = connect_from(&stranger(number), *port).unwrap();
                drop(socket.write_all(bytes));
                drop(socket.shutdown(std::net::Shutdown::Write));
                hear_out(socket)
            });
        }
        still_serves(daemon);
    });
    assert_eq!(
        member
            .store("/data/employees.csv", &Staff::of(3).csv())
            .code,
        226
    );
    drop(member);
    attacked.ends("garbage");
}

#[test]
fn a_line_of_64_kb_is_one_fault_and_the_session_goes_on() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut socket = connect_from("127.0.2.1", daemon.address(Port::Explicit)).unwrap();
    let line = [vec![b'A'; 65_536], b"\r\nNOOP\r\nQUIT\r\n".to_vec()].concat();
    socket.write_all(&line).unwrap();
    let heard = hear_out(socket);
    let codes: Vec<_> = heard.lines().filter_map(|line| line.get(..3)).collect();
    assert_eq!(codes, ["220", "501", "200", "221"], "{heard}");
}

#[test]
fn a_full_house_says_so_where_it_can() {
    let daemon = Daemon::start_with([Tenant::named("acme")], "connections = 2");
    let members = [
        Ftps::log_in(&daemon, Port::Explicit, USER, PASSWORD),
        Ftps::log_in(&daemon, Port::Implicit, USER, PASSWORD),
    ];
    let told = greeting(&daemon, "127.0.2.1");
    assert_eq!(told, "421 Too many connections: try again later\r\n");
    for port in [Port::Implicit, Port::Sftp] {
        let socket = connect_from("127.0.2.1", daemon.address(port)).unwrap();
        assert_eq!(hear_out(socket), "", "{port:?}");
    }
    assert_eq!(daemon.lines_with("limits.connections reached"), 1);
    drop(members);
    wait_until("a place", || {
        greeting(&daemon, "127.0.2.1").starts_with("220")
    });
}

#[test]
fn a_login_has_so_many_sessions_over_all_protocols() {
    let daemon = Daemon::start_with([Tenant::named("acme")], "sessions_per_login = 2");
    let ftps = Ftps::log_in(&daemon, Port::Explicit, USER, PASSWORD);
    let sftp = Sftp::log_in(&daemon, USER, PASSWORD);
    let (_, reply) = Ftps::try_log_in(&daemon, Port::Implicit, USER, PASSWORD).unwrap();
    assert_eq!(reply.code, 530);
    assert!(Sftp::try_log_in(&daemon, USER, PASSWORD).is_err());
    assert_eq!(
        daemon.lines_with("it has limits.sessions_per_login sessions already"),
        2
    );
    drop((ftps, sftp));
    wait_until("a place", || {
        let tried = Ftps::try_log_in(&daemon, Port::Implicit, USER, PASSWORD);
        tried.unwrap().1.code == 230
    });
}

#[test]
fn whoever_is_idle_or_stands_still_is_ended_on_both_protocols() {
    let daemon = Daemon::start_with([Tenant::named("acme")], "idle = \"1s\"\nstall = \"1s\"");
    let mut ftps = Ftps::log_in(&daemon, Port::Explicit, USER, PASSWORD);
    let mut sftp = Sftp::log_in(&daemon, USER, PASSWORD);
    let goodbye = ftps.hear();
    assert_eq!(goodbye.text, "421 No command for too long: goodbye\r\n");
    let sessions = || daemon.metric("rosterd_sessions_active", &[("protocol", "sftp")]);
    wait_until("the end of the idle session", || sessions() == Some(0.0));
    assert!(sftp.try_remove("/data/none").is_err());

    let staff = Staff::of(3000).csv();
    let mut ftps = Ftps::log_in(&daemon, Port::Explicit, USER, PASSWORD);
    let mut data = ftps.transfer("STOR /data/employees.csv");
    data.send(&staff[..1000]);
    assert_eq!(ftps.hear().code, 426);
    let mut sftp = Sftp::log_in(&daemon, USER, PASSWORD);
    let handle = sftp.open("/data/employees.csv");
    sftp.write(&handle, 0, &staff[..1000]);
    wait_until("the end of the upload", || daemon.staged().is_empty());
    assert!(sftp.try_close(&handle).is_err());
    assert_eq!(
        Reply::to(daemon.rosterd().arg("runs")).text(),
        "No import runs yet.\n"
    );
}
