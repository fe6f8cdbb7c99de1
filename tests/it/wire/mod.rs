//! Clients that do to the wire exactly what they are told, at the byte they are told: real ones cannot be stopped at a place.

pub(crate) mod ftps;
pub(crate) mod sftp;
pub(crate) mod ssh;

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::harness::wait_until;

/// How long the wire may be silent.
const PATIENCE: Duration = Duration::from_mins(1);

/// Ends a connection with RST: what was sent and not read yet is lost.
fn reset(socket: &TcpStream) {
    SockRef::from(socket)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

/// Waits until the other end has read all that was sent on `socket`.
fn wait_until_read(socket: &TcpStream) {
    let (ours, theirs) = (socket.local_addr().unwrap(), socket.peer_addr().unwrap());
    wait_until("the daemon to read what was sent", || {
        unread(ours, theirs) == (0, 0)
    });
}

/// Bytes on their way and bytes that lie at the other end unread, of a connection over loopback.
fn unread(ours: SocketAddr, theirs: SocketAddr) -> (u64, u64) {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let queues = |from: SocketAddr, to: SocketAddr| {
        let ends = format!("{} {} ", hex(from), hex(to));
        let line = table.lines().find(|line| line.contains(&ends))?;
        let (out, unread) = line.split_whitespace().nth(4)?.split_once(':')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        Some((number(out)?, number(unread)?))
    };
    let (out, _) = queues(ours, theirs).unwrap_or_default();
    let (_, unread) = queues(theirs, ours).unwrap_or_default();
    (out, unread)
}

/// An address as the kernel's table has it.
fn hex(address: SocketAddr) -> String {
    let SocketAddr::V4(address) = address else {
        panic!("only IPv4 here");
    };
    let ip = u32::from_ne_bytes(address.ip().octets());
    format!("{ip:08X}:{:04X}", address.port())
}
