//! Tells a service manager that the server is ready, or that it stops: sd_notify(3), for `Type=notify` of systemd.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sends a state like `READY=1`, if a manager asked for it with `NOTIFY_SOCKET`. Never waits. Errors are ignored: the
/// manager has a time limit of its own.
pub fn send(state: &str) {
    if let Some(name) = env::var_os("NOTIFY_SOCKET") {
        let _ = try_send(&name, state);
    }
}

fn try_send(name: &OsStr, state: &str) -> io::Result<usize> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(state.as_bytes(), &address(name)?)
}

/// A path, or on Linux a name in the abstract namespace, written with an `@`.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.as_encoded_bytes().strip_prefix(b"@") {
        return <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name);
    }
    SocketAddr::from_pathname(name)
}
