//! How a server is set up: the options, validated once, and why a start may fail.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::http::cors::Cors;

/// How a server is set up. [`Config::default`] is what the command line defaults to.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder to serve.
    pub dir: PathBuf,
    /// Addresses to listen on; none is 127.0.0.1.
    pub bind: Vec<IpAddr>,
    /// The port, on each of them; 0 picks a free one for each.
    pub port: u16,
    /// Bytes copied to the socket at a time, 1 to 16 MiB.
    pub chunk_size: usize,
    /// Connections at once.
    pub max_connections: usize,
    /// Connections of one address at once; 0 for no limit of its own.
    pub max_connections_per_ip: usize,
    /// A request's head must be complete within this.
    pub head_timeout: Duration,
    /// How long a keep-alive connection may be idle.
    pub idle_timeout: Duration,
    /// A client that takes less than 4096 bytes within this is cut off.
    pub stall_timeout: Duration,
    /// How long running responses may go on once the server stops.
    pub drain_timeout: Duration,
    /// Serve what symbolic links lead to outside the folder.
    pub follow_symlinks: bool,
    /// Let the kernel copy from file to socket (`sendfile(2)`; Linux).
    pub sendfile: bool,
    /// Who else's scripts may read: for players on other origins.
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

/// No wait is shorter: it would end before anybody could be asked.
const SHORTEST: Duration = Duration::from_millis(1);

/// No wait is longer, as no clock overflows by it: a year is as good as for ever.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// The largest chunk, in bytes.
pub const MAX_CHUNK_SIZE: usize = 16 * 1024 * 1024;

impl Config {
    /// The same with every value brought within its bounds.
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

/// Why a server didn't start.
#[derive(Debug)]
pub enum StartError {
    /// The folder can't be served.
    Folder(PathBuf, io::Error),
    /// The address can't be listened on.
    Listen(SocketAddr, io::Error),
    /// There are too few descriptors for even one connection.
    Descriptors,
    /// This system has no `sendfile(2)` as filmstrip uses it.
    Sendfile,
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path, error) => match error.kind() {
                io::ErrorKind::NotFound => {
                    write!(f, "there is no folder {path:?}; name the folder with your videos: filmstrip DIR")
                }
                io::ErrorKind::NotADirectory => {
                    write!(f, "{path:?} is no folder; name the folder that the videos are in")
                }
                io::ErrorKind::PermissionDenied => {
                    write!(f, "{path:?} may not be read; change its permissions or run as its owner")
                }
                _ => write!(f, "{path:?} can't be served: {error}; name another folder"),
            },
            Self::Listen(address, error) => match error.kind() {
                io::ErrorKind::AddrInUse => {
                    write!(f, "{address} is in use; stop what listens there or choose another port with --port")
                }
                io::ErrorKind::PermissionDenied => {
                    write!(f, "{address} may not be listened on; choose a port above 1023 with --port")
                }
                io::ErrorKind::AddrNotAvailable => {
                    write!(f, "{} is no address of this machine; choose another with --bind", address.ip())
                }
                _ => write!(f, "{address} can't be listened on: {error}; choose another address with --bind"),
            },
            Self::Descriptors => write!(f, "too few open files are allowed; raise the limit with ulimit -n"),
            Self::Sendfile => write!(f, "--sendfile works on Linux alone; leave it out"),
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
