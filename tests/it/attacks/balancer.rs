//! Behind a balancer: the PROXY protocol, where it is believed and where it is junk.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread::spawn;

use super::{connect_from, greeting, hear_out, log_in_on};
use crate::harness::settings::Settings;
use crate::harness::staff::Staff;
use crate::harness::tenant::{PASSWORD, Tenant};
use crate::harness::{Daemon, Port, Reply, wait_until};
use crate::wire::ftps::Ftps;
use crate::wire::sftp::Sftp;

const BALANCER: &str = "127.0.0.99";
const CLIENT: &str = "127.0.0.7";
const USER: &str = "hr@acme.example";
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn tenant() -> Tenant {
    Tenant::named("acme").first_login(|login| login.only_from(&["127.0.0.7/32", "2001:db8::/32"]))
}

fn proxied() -> Settings {
    Settings::default()
        .set("proxy_protocol", r#"listeners = ["127.0.0.1:0"]"#)
        .set("proxy_protocol", r#"from = ["127.0.0.99/32"]"#)
}

fn line(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 127.0.0.1 40000 21\r\n").into_bytes()
}

fn binary(client: &str, more: &[u8]) -> Vec<u8> {
    let client: Ipv4Addr = client.parse().unwrap();
    let payload = [&client.octets()[..], &[127, 0, 0, 1, 156, 64, 0, 21], more].concat();
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x21, 0x11], &length, &payload].concat()
}

/// What a balancer says of a client.
type Header = fn(&str) -> Vec<u8>;

/// A connection from the balancer that begins so.
fn through(daemon: &Daemon, port: Port, header: &[u8]) -> TcpStream {
    let mut socket = connect_from(BALANCER, daemon.address(port)).unwrap();
    socket.write_all(header).unwrap();
    socket
}

/// What the explicit port says first.
fn hear_line(mut socket: TcpStream) -> String {
    let mut heard = [0; 200];
    let count = socket.read(&mut heard).unwrap_or(0);
    String::from_utf8_lossy(&heard[..count]).into_owned()
}

fn log_in(daemon: &Daemon, port: Port, header: &[u8]) -> Ftps {
    let (server, socket) = (daemon.address(port), through(daemon, port, header));
    let (session, reply) = log_in_on(socket, server, port, USER, PASSWORD).unwrap();
    assert_eq!(reply.code, 230, "{reply:?}");
    session
}

/// Forwards what comes to it, from an address of its own, and says before whose it is.
fn balance(server: SocketAddr, header: Header) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let mut from = client.try_clone().unwrap();
            let mut to = connect_from(BALANCER, server).unwrap();
            let ip = client.peer_addr().unwrap().ip().to_string();
            to.write_all(&header(&ip)).unwrap();
            let (mut back_from, mut back_to) = (to.try_clone().unwrap(), client);
            spawn(move || {
                drop(std::io::copy(&mut from, &mut to));
                drop(to.shutdown(std::net::Shutdown::Write));
            });
            spawn(move || {
                drop(std::io::copy(&mut back_from, &mut back_to));
                drop(back_to.shutdown(std::net::Shutdown::Write));
            });
        }
    });
    address
}

#[test]
fn clients_behind_a_balancer_deliver_over_every_protocol_as_themselves() {
    let daemon = Daemon::start_with([tenant()], proxied());
    let file = daemon.local_file("employees.csv", Staff::of(3).csv());
    let binary_with_more = |client: &str| binary(client, &[0x02, 0, 3, b'a', b'.', b'b']);
    let lanes: [(Port, &str, Header); 4] = [
        (Port::Explicit, "ftp", line),
        (Port::Explicit, "ftp", binary_with_more),
        (Port::Implicit, "ftps", binary_with_more),
        (Port::Sftp, "sftp", line),
    ];
    for (port, scheme, header) in lanes {
        let balancer = balance(daemon.address(port), header);
        let send = |from: &str| {
            let mut curl = Command::new("curl");
            curl.args(["-v", "-sS", "-k", "--ssl-reqd", "--max-time", "60"])
                .args(["--disable-epsv", "--interface", from, "-T"])
                .arg(&file)
                .args(["-u", &format!("{USER}:{PASSWORD}")])
                .arg(format!("{scheme}://{balancer}/data/employees.csv"));
            Reply::to(&mut curl)
        };
        send(CLIENT).succeeded();
        assert_ne!(send("127.0.0.8").code, 0, "{port:?}: not in allow_from");
    }
    let seen = daemon.events();
    let seen: Vec<_> = seen
        .iter()
        .filter(|it| it["message"] == "logged in")
        .collect();
    assert_eq!(seen.len(), 4, "{seen:?}");
    assert!(seen.iter().all(|it| it["peer"] == CLIENT), "{seen:?}");
    assert_eq!(daemon.lines_with("\"peer\":\"127.0.0.99\""), 0);
}

#[test]
fn data_connections_come_from_the_client_or_through_the_balancer_and_from_nobody_else() {
    let daemon = Daemon::start_with([tenant()], proxied().limit("data_connect = \"1s\""));
    let staff = Staff::of(3).csv();
    for (port, header) in [
        (Port::Explicit, line(CLIENT)),
        (Port::Implicit, binary(CLIENT, &[])),
    ] {
        let mut session = log_in(&daemon, port, &header);
        for (from, header, code) in [
            (CLIENT, vec![], 226),
            (BALANCER, line(CLIENT), 226),
            (BALANCER, binary(CLIENT, &[]), 226),
        ] {
            session.route_data(from, &header);
            let reply = session.store("/data/employees.csv", &staff);
            assert_eq!(reply.code, code, "{port:?} {from} {header:?}: {reply:?}");
        }
        for (from, header) in [
            (BALANCER, line("127.0.0.8")),
            (BALANCER, b"junk junk junk junk".to_vec()),
            ("127.0.0.98", line(CLIENT)),
        ] {
            session.route_data(from, &header);
            drop(session.try_passive().unwrap());
            session.say("STOR /data/employees.csv");
            let (first, reply) = (session.hear(), session.hear());
            assert_eq!(
                (first.code, reply.code),
                (150, 425),
                "{from} {header:?}: {reply:?}"
            );
        }
    }
    daemon.wait_for_rest();
}

#[test]
fn a_header_is_junk_where_it_is_not_expected_and_from_whom_it_is_not() {
    // No balancer is configured: nobody becomes somebody else.
    let daemon = Daemon::start([tenant()]);
    let mut socket = connect_from("127.0.0.1", daemon.address(Port::Explicit)).unwrap();
    socket
        .write_all(&[&line(CLIENT)[..], b"QUIT\r\n"].concat())
        .unwrap();
    let heard = hear_out(socket);
    let codes: Vec<_> = heard.lines().filter_map(|line| line.get(..3)).collect();
    assert_eq!(codes, ["220", "500", "221"], "{heard}");
    for header in [line(CLIENT), binary(CLIENT, &[])] {
        for port in [Port::Implicit, Port::Sftp] {
            let mut socket = connect_from("127.0.0.1", daemon.address(port)).unwrap();
            drop(socket.write_all(&header));
            drop(socket.write_all(&[b'x'; 600]));
            drop(socket.shutdown(std::net::Shutdown::Write));
            hear_out(socket);
        }
    }
    assert_eq!(daemon.lines_with("logged in"), 0);
    assert_eq!(daemon.lines_with(CLIENT), 0);
    drop(daemon);

    let daemon = Daemon::start_with([tenant()], proxied());
    for port in [Port::Explicit, Port::Implicit, Port::Sftp] {
        // Not from the balancer, whatever is shown; and from the balancer without a header.
        for (from, bytes) in [
            ("127.0.0.66", line(CLIENT)),
            (CLIENT, b"AUTH TLS\r\n".to_vec()),
            (BALANCER, b"AUTH TLS\r\n".to_vec()),
            (
                BALANCER,
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            ),
            (BALANCER, b"SSH-2.0-x\r\n".to_vec()),
        ] {
            let mut socket = connect_from(from, daemon.address(port)).unwrap();
            drop(socket.write_all(&bytes));
            assert_eq!(hear_out(socket), "", "{port:?} {from}");
        }
    }
    assert_eq!(
        daemon.lines_with("a listener of [proxy_protocol] was closed"),
        1
    );
}

#[test]
fn a_header_may_come_in_pieces_and_is_never_waited_for_long() {
    let limits = "login_deadline = \"1s\"";
    let daemon = Daemon::start_with([tenant()], proxied().limit(limits));
    for header in [line(CLIENT), binary(CLIENT, &[1, 2, 3])] {
        // A byte at a time, and together with what the client says.
        let mut socket = through(&daemon, Port::Explicit, b"");
        for byte in &header {
            socket.write_all(&[*byte]).unwrap();
        }
        assert!(hear_line(socket).starts_with("220"));
        let socket = through(
            &daemon,
            Port::Explicit,
            &[&header[..], b"NOOP\r\nQUIT\r\n"].concat(),
        );
        let heard = hear_out(socket);
        let codes: Vec<_> = heard.lines().filter_map(|line| line.get(..3)).collect();
        assert_eq!(codes, ["220", "200", "221"], "{heard}");
        // Cut at each byte.
        for end in 0..header.len() {
            let socket = through(&daemon, Port::Explicit, &header[..end]);
            socket.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(hear_out(socket), "", "cut at {end}");
        }
        // Begun and never ended.
        let socket = through(&daemon, Port::Explicit, &header[..header.len() - 1]);
        assert_eq!(hear_out(socket), "");
    }
    let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'f'; 200]].concat();
    let huge = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
    for header in [long, huge] {
        let mut socket = through(&daemon, Port::Explicit, &header);
        drop(socket.write_all(&[0; 1000]));
        assert_eq!(hear_out(socket), "");
    }
}

#[test]
fn what_the_balancer_says_of_itself_stays_its_own_and_ipv6_clients_are_themselves() {
    let daemon = Daemon::start_with([tenant()], proxied());
    let local = [SIGNATURE, &[0x20, 0, 0, 0]].concat();
    for header in [local, b"PROXY UNKNOWN\r\n".to_vec()] {
        let socket = through(&daemon, Port::Explicit, &header);
        let server = daemon.address(Port::Explicit);
        let (_, reply) = log_in_on(socket, server, Port::Explicit, USER, PASSWORD).unwrap();
        assert_eq!(reply.code, 530, "the balancer is not in allow_from");
    }
    assert_eq!(
        daemon.lines_with("its allow_from does not hold this address"),
        2
    );
    let header = b"PROXY TCP6 2001:db8::7 2001:db8::1 40000 21\r\n";
    log_in(&daemon, Port::Explicit, header);
    Sftp::try_log_in_on(through(&daemon, Port::Sftp, header), USER, PASSWORD).unwrap();
    assert_eq!(daemon.lines_with("\"peer\":\"2001:db8::7\""), 2);
}

#[test]
fn bans_and_limits_are_the_clients_and_not_the_balancers() {
    let settings = proxied()
        .limit("ban_failures = 2")
        .limit("connections_per_address = 3");
    let daemon = Daemon::start_with([tenant()], settings);
    let stranger = line("127.0.0.66");
    for _ in 0..2 {
        let server = daemon.address(Port::Explicit);
        let socket = through(&daemon, Port::Explicit, &stranger);
        let tried = log_in_on(socket, server, Port::Explicit, "root", "x");
        assert_eq!(tried.unwrap().1.code, 530);
    }
    let told = hear_line(through(&daemon, Port::Explicit, &stranger));
    assert!(told.starts_with("421 Too many failed logins"), "{told}");
    // More clients than one address may have connections, and one that has too many.
    let clients: Vec<_> = (1..9)
        .map(|number| through(&daemon, Port::Explicit, &line(&format!("127.0.1.{number}"))))
        .collect();
    for client in &clients {
        assert!(hear_line(client.try_clone().unwrap()).starts_with("220"));
    }
    let own: Vec<_> = (0..3)
        .map(|_| through(&daemon, Port::Explicit, &line(CLIENT)))
        .collect();
    for client in &own {
        assert!(hear_line(client.try_clone().unwrap()).starts_with("220"));
    }
    let told = hear_line(through(&daemon, Port::Explicit, &line(CLIENT)));
    assert!(
        told.starts_with("421 Too many connections from your address"),
        "{told}"
    );
    drop((own, clients));
    wait_until("a place for the client", || {
        hear_line(through(&daemon, Port::Explicit, &line(CLIENT))).starts_with("220")
    });
    log_in(&daemon, Port::Implicit, &line(CLIENT));
}

#[test]
fn check_names_what_is_wrong_with_the_balancers_and_a_reload_changes_them() {
    let daemon = Daemon::start([tenant()]);
    let file = daemon.folder().join("rosterd.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let configure = |lines: &str| {
        std::fs::write(&file, format!("{before}\n[proxy_protocol]\n{lines}\n")).unwrap();
    };
    let here = r#"listeners = ["127.0.0.1:0"]"#;
    for (lines, words) in [
        (
            "listeners = [\"127.0.0.1:1\"]\nfrom = [\"127.0.0.99\"]".to_owned(),
            "no listener of [ftps] or [sftp] is written so",
        ),
        (
            format!("{here}\nfrom = []"),
            "proxy_protocol.from: is missing",
        ),
        (
            "from = [\"127.0.0.99\"]".to_owned(),
            "proxy_protocol.listeners: is missing",
        ),
        (
            format!("{here}\nfrom = [\"0.0.0.0/0\"]"),
            "name the balancers",
        ),
        (
            format!("{here}\nfrom = [\"here\"]"),
            "expected an address or a network",
        ),
        (
            format!("{here}\nfrom = [\"::1\"]\nform = 1"),
            "did you mean \"from\"",
        ),
    ] {
        configure(&lines);
        daemon.run(&["check"]).refused(words);
    }
    assert!(greeting(&daemon, "127.0.0.5").starts_with("220"));
    configure(&format!("{here}\nfrom = [\"127.0.0.99\"]"));
    let told = daemon.run(&["reload"]).succeeded().text();
    let line_of_it = "changed proxy_protocol.from: none -> 127.0.0.99/32";
    assert!(told.contains(line_of_it), "{told}");
    assert_eq!(greeting(&daemon, "127.0.0.5"), "");
    let socket = through(&daemon, Port::Explicit, &line(CLIENT));
    assert!(hear_line(socket).starts_with("220"));
}
