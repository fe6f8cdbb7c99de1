//! Passive ports: who may come to one, where clients are sent, and what happens when all are taken.

use std::net::{IpAddr, SocketAddr};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::harness::settings::Settings;
use crate::harness::staff::Staff;
use crate::harness::tenant::{Login, PASSWORD, Tenant};
use crate::harness::{Daemon, Port, photo, wait_until};
use crate::wire::ftps::{Ftps, connect};

const USER: &str = "hr@acme.example";
/// As many as there are by default, and when any free ones will do.
const PORTS: usize = 21;

fn log_in(daemon: &Daemon) -> Ftps {
    Ftps::log_in(daemon, Port::Explicit, USER, PASSWORD)
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Uploads a file over a connection that is there already.
#[track_caller]
fn store_over(session: &mut Ftps, socket: std::net::TcpStream, bytes: &[u8]) {
    let mut data = session.try_data(socket).unwrap();
    data.try_send(bytes).unwrap();
    data.finish();
    let reply = session.hear();
    assert_eq!(reply.code, 226, "{reply:?}");
}

#[test]
fn a_stranger_who_connects_first_is_closed_and_the_transfer_works() {
    let daemon = Daemon::start([Tenant::named("acme"), Tenant::named("globex")]);
    let mut session = log_in(&daemon);
    let mut other = Ftps::log_in(&daemon, Port::Implicit, "hr@globex.example", PASSWORD);
    let csv = Staff::of(3).csv();
    let port = session.try_passive_address().unwrap();
    // From another address: closed before a byte.
    let thief = connect(Some(address("127.0.0.2")), port).unwrap();
    assert_eq!(session.ask("STOR /data/employees.csv").code, 150);
    assert!(Ftps::try_foreign_data(thief).is_err());
    // From the same address with the TLS session of another login: it has strayed.
    let stray = connect(None, port).unwrap();
    let stray = other.try_data(stray);
    drop(stray.map(|mut data| data.try_send(b"of globex")));
    let own = connect(None, port).unwrap();
    store_over(&mut session, own, &csv);
    assert_eq!(session.fetch("RETR /data/employees.csv"), csv);
    assert_eq!(other.names("/data"), [] as [String; 0]);
    wait_until("the log to tell of it", || {
        daemon.lines_with("belongs to another session") == 1
    });
    daemon.wait_for_rest();
}

#[test]
fn data_may_come_from_a_nat_pool_if_the_login_says_so() {
    let pooled = "pool@acme.example";
    let login = Login::named(pooled).line("data_from = \"allow_from\"");
    let daemon = Daemon::start([Tenant::named("acme").login(login), Tenant::named("globex")]);
    let csv = Staff::of(3).csv();

    let mut session = Ftps::log_in(&daemon, Port::Explicit, pooled, PASSWORD);
    let other = Ftps::come_from(&daemon, "127.0.0.3", Port::Explicit, "hr@globex.example");
    for from in ["127.0.0.2", "127.0.0.9", "127.0.0.1"] {
        let port = session.try_passive_address().unwrap();
        assert_eq!(session.ask("STOR /data/employees.csv").code, 150);
        // What belongs to another session is not taken from a pool either.
        let stray = other.try_data(connect(Some(address("127.0.0.3")), port).unwrap());
        drop(stray);
        let socket = connect(Some(address(from)), port).unwrap();
        store_over(&mut session, socket, &csv);
    }
    wait_until("the log to tell of it", || {
        daemon.lines_with("belongs to another session") == 3
    });

    // Everybody else's data comes from where the commands come from.
    let mut session = log_in(&daemon);
    let port = session.try_passive_address().unwrap();
    let elsewhere = connect(Some(address("127.0.0.2")), port).unwrap();
    assert!(session.try_data(elsewhere).is_err());
    assert_eq!(session.ask("STOR /data/employees.csv").code, 150);
    let here = connect(Some(address("127.0.0.1")), port).unwrap();
    store_over(&mut session, here, &csv);
    daemon.wait_for_rest();
}

#[test]
fn the_second_port_closes_the_first() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let mut session = log_in(&daemon);
    let first = session.try_passive_address().unwrap();
    let waiting = connect(None, first).unwrap();
    assert_eq!(session.ask("PASV").code, 227);
    assert!(session.try_data(waiting).is_err());
    let late = connect(None, first).unwrap();
    assert!(session.try_data(late).is_err());
    assert_eq!(session.names("/data"), [] as [String; 0]);
}

#[test]
fn each_network_is_sent_to_the_address_that_is_configured_for_it() {
    let settings = Settings::default()
        .set("ftps", "passive_address = \"198.51.100.1\"")
        .with("[[ftps.passive_override]]\nfrom = \"127.0.0.2/32\"\naddress = \"192.0.2.99\"")
        .with("[[ftps.passive_override]]\nfrom = \"127.0.0.0/30\"\naddress = \"192.0.2.7\"");
    let daemon = Daemon::start_with([Tenant::named("acme")], settings);
    for port in [Port::Explicit, Port::Implicit] {
        for (from, announced) in [
            ("127.0.0.1", "(192,0,2,7,"),
            ("127.0.0.2", "(192,0,2,99,"),
            ("127.0.0.9", "(198,51,100,1,"),
        ] {
            let mut session = Ftps::come_from(&daemon, from, port, USER);
            let reply = session.ask("PASV");
            assert_eq!(reply.code, 227);
            assert!(reply.text.contains(announced), "{from}: {reply:?}");
            // EPSV names no address, so it works across any NAT.
            assert_eq!(session.names("/data"), [] as [String; 0]);
        }
    }
}

#[test]
fn without_configuration_clients_are_sent_to_where_they_have_come() {
    let daemon = Daemon::start([Tenant::named("acme")]);
    let reply = log_in(&daemon).ask("PASV");
    assert!(reply.text.contains("(127,0,0,1,"), "{reply:?}");
}

fn eprt(to: SocketAddr) -> String {
    let family = if to.is_ipv4() { 1 } else { 2 };
    format!("EPRT |{family}|{}|{}|", to.ip(), to.port())
}

#[test]
fn all_is_served_over_ipv6_but_pasv_and_port() {
    let settings = Settings::default()
        .set("ftps", "explicit = [\"[::1]:0\"]")
        .set("ftps", "implicit = [\"[::1]:0\"]");
    let tenant = Tenant::named("acme").first_login(|login| login.also_from("::1"));
    let daemon = Daemon::start_with([tenant], settings);
    let csv = Staff::of(3).csv();
    for port in [Port::Explicit, Port::Implicit] {
        let mut session = Ftps::log_in(&daemon, port, USER, PASSWORD);
        assert_eq!(session.ask("PASV").code, 425);
        for command in [
            "EPSV 1",
            "EPSV 3",
            "EPRT |1|127.0.0.1|2121|",
            "PORT 127,0,0,1,8,73",
        ] {
            let reply = session.ask(command);
            assert_eq!(reply.code, 522, "{command}");
            assert!(reply.text.contains("(2)"), "{reply:?}");
        }
        assert_eq!(session.ask("EPSV 2").code, 229);
        assert_eq!(session.ask("EPRT |2|::2|2121|").code, 504);
        assert_eq!(session.store("/data/employees.csv", &csv).code, 226);
        let fetched = session.active(eprt, "RETR /data/employees.csv").receive();
        assert_eq!(session.hear().code, 226);
        assert_eq!(fetched, csv);
        assert_eq!(session.ask("EPSV ALL").code, 200);
        assert_eq!(session.names("/data"), ["employees.csv"]);
    }
    daemon.wait_for_rest();
}

#[test]
fn an_ipv4_client_of_an_ipv6_listener_is_an_ipv4_client() {
    let settings = Settings::default()
        .set("ftps", "explicit = [\"[::]:0\"]")
        .set("ftps", "implicit = [\"[::]:0\"]");
    let daemon = Daemon::start_with([Tenant::named("acme")], settings);
    let csv = Staff::of(3).csv();
    for port in [Port::Explicit, Port::Implicit] {
        let at = daemon.address(port).port();
        let who = (USER, PASSWORD);
        let v4 = SocketAddr::new(address("127.0.0.1"), at);
        let (mut session, reply) = Ftps::try_log_in_from(None, v4, port, who).unwrap();
        assert_eq!(reply.code, 230, "allow_from holds 127.0.0.0/8");
        assert!(session.ask("PASV").text.contains("(127,0,0,1,"));
        assert_eq!(session.ask("EPSV 2").code, 522);
        assert_eq!(session.store("/data/employees.csv", &csv).code, 226);
        let fetched = session.active(eprt, "RETR /data/employees.csv").receive();
        assert_eq!(session.hear().code, 226);
        assert_eq!(fetched, csv);
        // And one of IPv6 is not in 127.0.0.0/8.
        let v6 = SocketAddr::new(address("::1"), at);
        let (_, reply) = Ftps::try_log_in_from(None, v6, port, who).unwrap();
        assert_eq!(reply.code, 530);
    }
    daemon.wait_for_rest();
}

#[test]
fn thirty_clients_from_one_address_share_the_ports_and_then_none_is_free() {
    const CLIENTS: usize = 30;
    let settings = Settings::default()
        .limit("sessions_per_login = 40")
        .limit("login_deadline = \"60s\"");
    let daemon = Daemon::start_with([Tenant::named("acme")], settings);
    let in_use = || daemon.metric("rosterd_passive_ports_in_use", &[]);
    let exhausted = || daemon.metric("rosterd_passive_ports_exhausted_total", &[]);
    let together = Barrier::new(CLIENTS);
    let mut sessions: Vec<Ftps> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (daemon, together) = (&daemon, &together);
                scope.spawn(move || {
                    let mut session = log_in(daemon);
                    together.wait();
                    for _ in 0..3 {
                        let path = format!("/images/{number}.bmp");
                        let reply = session.store(&path, &photo::bmp(1));
                        assert_eq!(reply.code, 226, "{number}: {reply:?}");
                    }
                    session
                })
            })
            .collect();
        clients.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(sessions[0].names("/images").len(), CLIENTS);
    assert_eq!(exhausted(), None);
    assert_eq!(in_use(), Some(0.0));

    // When as many wait as there are ports, the next one is told so after a while.
    let ports: Vec<_> = sessions[..PORTS]
        .iter_mut()
        .map(|session| session.try_passive_address().unwrap())
        .collect();
    assert_eq!(in_use(), Some(21.0));
    let before = Instant::now();
    let reply = sessions[PORTS].ask("EPSV");
    assert_eq!(reply.code, 425, "{reply:?}");
    assert!(before.elapsed() >= Duration::from_secs(4));
    assert_eq!(exhausted(), Some(1.0));
    // Clients from elsewhere are not held up by it.
    let mut elsewhere = Ftps::come_from(&daemon, "127.0.0.2", Port::Implicit, USER);
    assert_eq!(elsewhere.names("/data"), [] as [String; 0]);
    // And who waits gets the next port that is used.
    let (one, others) = sessions.split_first_mut().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| others[PORTS].names("/data"));
        let socket = connect(None, ports[0]).unwrap();
        assert_eq!(one.ask("NLST /data").code, 150);
        assert_eq!(one.try_data(socket).unwrap().receive(), b"");
        assert_eq!(one.hear().code, 226);
        assert_eq!(waiting.join().unwrap(), [] as [String; 0]);
    });
    daemon.wait_for_rest();
}
