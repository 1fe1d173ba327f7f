//! Listening sockets: their options, which every accepted connection inherits, and what an error of accept(2) means.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
#[cfg(not(target_vendor = "apple"))]
use std::os::fd::AsRawFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

/// The backlog of listen(2); the system lowers it to `net.core.somaxconn`.
const LISTEN_BACKLOG: i32 = 4096;

/// `TCP_NOTSENT_LOWAT` (tcp(7)): the most unsent bytes that the system keeps; a writer is woken when half of them are
/// left. Without it, or with 512 KiB, a client that takes 32 KiB a second seems to take nothing for 5 s; up to 128 KiB
/// it doesn't. No value down to 16 KiB costs speed.
#[cfg(target_os = "linux")]
const NOTSENT_LOWAT: u32 = 64 * 1024;

/// A new listener, and its address with the port that it got.
pub fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // So that 0.0.0.0 and [::] can both be bound.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    start(socket)
}

/// Listens on a socket that another process bound, for example systemd.
/// Returns it with its address.
pub fn adopt(listener: TcpListener) -> io::Result<(TcpListener, SocketAddr)> {
    // macOS can't tell, and only a connected socket is an error there.
    #[cfg(not(target_vendor = "apple"))]
    if !rustix::net::sockopt::socket_acceptconn(&listener)? {
        return Err(io::Error::other(format!("fd {} is not a listening socket", listener.as_raw_fd())));
    }
    start(listener.into())
}

/// Lets a socket listen without blocking. On Linux, connections that arrive from now on inherit all its options.
fn start(socket: Socket) -> io::Result<(TcpListener, SocketAddr)> {
    // A small response goes out at once, and doesn't wait 40 ms for the client's delayed acknowledgement.
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(NOTSENT_LOWAT)?;
    // A phone that left the network without a FIN is found between requests too.
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_secs(60)))?;
    socket.set_nonblocking(true)?;
    socket.listen(LISTEN_BACKLOG)?;
    let listener = TcpListener::from(socket);
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Whether there is a connection to accept.
pub fn is_connection_waiting(listener: &TcpListener) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&at_once)) == Ok(1)
}

/// The next connection. Its socket doesn't block, because sendfile(2) has no flag for that.
#[cfg(target_os = "linux")]
pub fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok()).ok_or(Errno::CONNABORTED)?;
    Ok((socket.into(), canonical(peer)))
}

/// The next connection, with the options that it doesn't inherit.
#[cfg(not(target_os = "linux"))]
pub fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept()?;
    // Both fail for a connection that the client has reset already.
    stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).map_err(|_| Errno::CONNABORTED)?;
    Ok((stream, canonical(peer)))
}

/// An IPv4 client as such, also on a socket of systemd's, which by default is one for IPv4 and IPv6.
fn canonical(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        IpAddr::V4(four) => SocketAddr::new(four.into(), peer.port()),
        // With its zone.
        IpAddr::V6(_) => peer,
    }
}

/// Whether only this connection failed: the client was gone, or a firewall or a network error ended it (accept(2)).
pub fn is_per_connection_error(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNABORTED
                | Errno::INTR
                | Errno::PROTO
                | Errno::PERM
                | Errno::NETDOWN
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::OPNOTSUPP
                | Errno::NETUNREACH
                | Errno::TIMEDOUT
        )
    )
}
