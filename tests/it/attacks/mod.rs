//! Promises 5 and 6: what attackers try, a file for each class. Strangers come from addresses of 127.0.0.0/8 of their own.

mod balancer;
mod bans;
mod floods;
mod names;
mod protocols;

use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream};

use crate::harness::{Daemon, Port};
use crate::wire::ftps::{Ftps, Reply, connect};

/// A connection from an address of this machine.
fn connect_from(from: &str, to: SocketAddr) -> io::Result<TcpStream> {
    connect(Some(from.parse().map_err(io::Error::other)?), to)
}

/// Logs in from there; the reply tells why not.
fn log_in_from(
    from: &str,
    daemon: &Daemon,
    port: Port,
    user: &str,
    password: &str,
) -> io::Result<(Ftps, Reply)> {
    let from = Some(from.parse().map_err(io::Error::other)?);
    Ftps::try_log_in_from(from, daemon.address(port), port, (user, password))
}

/// Logs in on a connection that is there already, to `server` in the end.
fn log_in_on(
    socket: TcpStream,
    server: SocketAddr,
    port: Port,
    user: &str,
    password: &str,
) -> io::Result<(Ftps, Reply)> {
    let from = Some(socket.local_addr()?.ip());
    let mut session = Ftps::try_connect_on(socket, port, server, from)?;
    if port == Port::Explicit {
        session.try_secure()?;
    }
    let reply = session.try_enter(user, password)?;
    Ok((session, reply))
}

/// Everything that comes until the daemon ends the connection, however it does.
fn hear_out(mut socket: TcpStream) -> String {
    let mut heard = Vec::new();
    match socket.read_to_end(&mut heard) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            panic!("the daemon keeps the connection: {heard:?}")
        }
        _ => String::from_utf8_lossy(&heard).into_owned(),
    }
}

/// The first line that a stranger hears on the explicit port.
fn greeting(daemon: &Daemon, from: &str) -> String {
    let mut socket = connect_from(from, daemon.address(Port::Explicit)).unwrap();
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\n") && socket.read(&mut byte).is_ok_and(|count| count > 0) {
        line.extend(byte);
    }
    String::from_utf8(line).unwrap()
}
