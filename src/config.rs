//! The server's options, and the errors of a failed start.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::http::cors::Cors;

/// The options of a server. The defaults are those of the command line.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder to serve.
    pub dir: PathBuf,
    /// Addresses to listen on; 127.0.0.1 if empty.
    pub bind: Vec<IpAddr>,
    /// The port on each address; 0 picks a free one for each.
    pub port: u16,
    /// Bytes to copy to the socket at a time, 1 to 16 MiB.
    pub chunk_size: usize,
    /// Maximum number of connections.
    pub max_connections: usize,
    /// Maximum number of connections from one client address; 0 means no limit.
    pub max_connections_per_ip: usize,
    /// Time limit for receiving a request head.
    pub head_timeout: Duration,
    /// Time limit for an idle keep-alive connection.
    pub idle_timeout: Duration,
    /// A client that reads less than 4096 bytes in this time is disconnected.
    pub stall_timeout: Duration,
    /// Time limit for running responses after the server is told to stop.
    pub drain_timeout: Duration,
    /// Follow symbolic links out of the folder.
    pub follow_symlinks: bool,
    /// Copy from file to socket in the kernel, with `sendfile(2)` (Linux only).
    pub sendfile: bool,
    /// Other origins whose scripts may read responses.
    pub cors: Option<Cors>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dir: "videos".into(),
            bind: vec![Ipv4Addr::LOCALHOST.into()],
            port: 8000,
            chunk_size: 4096,
            max_connections: 1024,
            max_connections_per_ip: 256,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15),
            stall_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(30),
            follow_symlinks: false,
            sendfile: false,
            cors: None,
        }
    }
}

/// The lower bound of all time limits.
const SHORTEST: Duration = Duration::from_millis(1);

/// The upper bound of all time limits: a year later is still a valid `Instant`.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The largest chunk, in bytes.
pub const MAX_CHUNK_SIZE: usize = 16 * 1024 * 1024;

impl Config {
    /// The same with all values clamped to their bounds.
    pub(crate) fn within_bounds(mut self) -> Self {
        let durations =
            [&mut self.head_timeout, &mut self.idle_timeout, &mut self.stall_timeout, &mut self.drain_timeout];
        durations.into_iter().for_each(|duration| *duration = (*duration).clamp(SHORTEST, LONGEST));
        self.chunk_size = self.chunk_size.clamp(1, MAX_CHUNK_SIZE);
        self.max_connections = self.max_connections.max(1);
        if self.bind.is_empty() {
            self.bind = Self::default().bind;
        }
        let mut known = HashSet::new();
        self.bind.retain(|address| known.insert(*address));
        self
    }
}

/// Why a server failed to start.
#[derive(Debug)]
pub enum StartError {
    /// The folder can't be served.
    Folder(PathBuf, io::Error),
    /// The address can't be listened on.
    Listen(SocketAddr, io::Error),
    /// There are too few descriptors for a single connection.
    Descriptors,
    /// `sendfile` is not supported on this system.
    Sendfile,
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path, error) => match error.kind() {
                io::ErrorKind::NotFound => {
                    write!(f, "there is no folder {path:?}; pass the folder with your videos: filmstrip DIR")
                }
                io::ErrorKind::NotADirectory => {
                    write!(f, "{path:?} is not a folder; pass the folder with your videos")
                }
                io::ErrorKind::PermissionDenied => {
                    write!(f, "no permission to read {path:?}; change its permissions or run as its owner")
                }
                _ => write!(f, "can't serve {path:?}: {error}; choose another folder"),
            },
            Self::Listen(address, error) => match error.kind() {
                io::ErrorKind::AddrInUse => {
                    write!(f, "{address} is in use; stop the other program or choose another port with --port")
                }
                io::ErrorKind::PermissionDenied => {
                    write!(f, "no permission to listen on {address}; choose a port above 1023 with --port")
                }
                io::ErrorKind::AddrNotAvailable => {
                    write!(f, "{} is not an address of this machine; choose another with --bind", address.ip())
                }
                _ => write!(f, "can't listen on {address}: {error}; choose another address with --bind"),
            },
            Self::Descriptors => write!(f, "the limit on open files is too low; raise it with ulimit -n"),
            Self::Sendfile => write!(f, "--sendfile works only on Linux; omit it"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Folder(_, error) | Self::Listen(_, error) => Some(error),
            Self::Descriptors | Self::Sendfile => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_brought_within_its_bounds() {
        for duration in [Duration::ZERO, Duration::from_nanos(500), Duration::MAX] {
            let config = Config {
                head_timeout: duration,
                idle_timeout: duration,
                stall_timeout: duration,
                drain_timeout: duration,
                chunk_size: 0,
                max_connections: 0,
                bind: vec![Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()],
                ..Config::default()
            };
            let config = config.within_bounds();
            for bounded in [config.head_timeout, config.idle_timeout, config.stall_timeout, config.drain_timeout] {
                assert!((SHORTEST..=LONGEST).contains(&bounded), "{duration:?}");
            }
            assert_eq!((config.chunk_size, config.max_connections, config.bind.len()), (1, 1, 1));
        }
    }

    #[test]
    fn without_an_address_it_is_the_default_one() {
        let config = Config { bind: Vec::new(), ..Config::default() };
        assert_eq!(config.within_bounds().bind, Config::default().bind);
    }

    #[test]
    fn a_failed_start_is_one_line_whatever_the_folder_is_called() {
        let error = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(StartError::Folder("no\nsuch".into(), error).to_string().lines().count(), 1);
    }
}
