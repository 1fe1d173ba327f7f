//! The server's options, and the errors of a failed start.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{RangedU64ValueParser, TypedValueParser};
use clap::error::ErrorKind as ClapError;
use clap::{Arg, Command};
use ipnet::IpNet;
use jiff::{Span, SpanRelativeTo};

use crate::http::auth::Credentials;
use crate::http::cors::Cors;
use crate::library::Links;
use crate::urls::RoutePrefix;

/// The options of a server, and of the command line, with the same defaults. Values are clamped to their bounds; time
/// limits to a millisecond and a year. Without an address, the server listens on 127.0.0.1.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Folder to serve, with its subfolders; hidden files are never served
    #[arg(value_name = "DIR", default_value = "videos")]
    pub dir: PathBuf,

    /// IPv4 or IPv6 address to listen on; repeat for more
    #[arg(short, long, value_name = "IP", default_value = "127.0.0.1")]
    pub bind: Vec<IpAddr>,

    /// Port to listen on; 0 picks a free port
    #[arg(short, long, value_name = "PORT", default_value_t = 8000)]
    pub port: u16,

    /// Bytes to copy to the socket at a time, 1 to 16777216 (16 MiB)
    #[arg(long, value_name = "BYTES", default_value = "4096",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_CHUNK_SIZE as u64))]
    pub chunk_size: usize,

    /// Copy from file to socket in the kernel, with sendfile(2) (Linux only)
    #[arg(long)]
    pub sendfile: bool,

    /// Maximum number of connections; beyond it, a new one replaces the one idle longest, or waits up to 3 s and then
    /// gets a 503
    #[arg(long, value_name = "N", default_value = "1024",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub max_connections: usize,

    /// Maximum number of connections from one client address; 0 means no limit
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub max_connections_per_ip: usize,

    /// Time limit for receiving a request head; the response is then 408
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub head_timeout: Duration,

    /// Time limit for an idle keep-alive connection
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = parse_duration)]
    pub idle_timeout: Duration,

    /// Disconnect a client that reads less than 4096 bytes in this time (players reconnect)
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    pub stall_timeout: Duration,

    /// Time limit for running streams after SIGTERM or SIGINT; a second signal stops them at once
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub drain_timeout: Duration,

    /// Follow symbolic links out of DIR
    #[arg(long)]
    pub follow_symlinks: bool,

    /// User and password that clients must send; FILMSTRIP_AUTH keeps them out of the list of processes
    #[arg(long, value_name = "USER:PASSWORD", env = "FILMSTRIP_AUTH", hide_env_values = true, value_parser = SecretParser)]
    pub auth: Option<Credentials>,

    /// Path that everything is served below, for reverse proxies, like /films
    #[arg(long, value_name = "PATH", default_value = "", hide_default_value = true)]
    pub route_prefix: RoutePrefix,

    /// Reverse proxy whose X-Forwarded-For, -Proto and -Host fields are believed: an address, or a network like
    /// 10.0.0.0/8; repeat for more
    #[arg(long, value_name = "IP/CIDR", value_parser = parse_network)]
    pub trust_proxy: Vec<IpNet>,

    /// Origin allowed to read responses (Access-Control-Allow-Origin), or *
    #[arg(long, value_name = "ORIGIN")]
    pub cors: Option<Cors>,
}

/// A duration like `10s`, greater than zero.
fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    // A span may have days and weeks, a `SignedDuration` not.
    let span = text.parse::<Span>();
    let duration = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    match duration.and_then(Duration::try_from) {
        Ok(Duration::ZERO) => Err("must be greater than zero"),
        Ok(duration) => Ok(duration),
        Err(_) => Err("expected a duration like 500ms, 10s or 2m"),
    }
}

/// Parses credentials. The error for malformed ones doesn't repeat them, because it may be seen or logged.
#[derive(Clone)]
struct SecretParser;

impl TypedValueParser for SecretParser {
    type Value = Credentials;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<Credentials, clap::Error> {
        let parsed = value.to_str().unwrap_or_default().parse();
        let describe = |reason| format!("--auth or FILMSTRIP_AUTH: {reason}");
        parsed.map_err(|reason| command.clone().error(ClapError::InvalidValue, describe(reason)))
    }
}

/// A network like `10.0.0.0/8`, or a single address.
fn parse_network(text: &str) -> Result<IpNet, &'static str> {
    let address = |_| text.parse().map(|address: IpAddr| address.to_canonical().into());
    text.parse().or_else(address).map_err(|_| "expected an address, or a network like 10.0.0.0/8")
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
            auth: None,
            route_prefix: RoutePrefix::default(),
            trust_proxy: Vec::new(),
            cors: None,
        }
    }
}

/// The bounds of all time limits: a year later is still a valid `Instant`.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

const MAX_CHUNK_SIZE: usize = 16 * 1024 * 1024;

impl Config {
    pub(crate) fn links(&self) -> Links {
        if self.follow_symlinks { Links::Followed } else { Links::Confined }
    }

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
    /// A listener that was handed over can't be used.
    Listener(io::Error),
    /// There are too few descriptors for a single connection.
    Descriptors,
    /// `sendfile` is not supported on this system.
    Sendfile,
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(path, error) => match error.kind() {
                ErrorKind::NotFound => {
                    write!(f, "there is no folder {path:?}; pass the folder with your videos: filmstrip DIR")
                }
                ErrorKind::NotADirectory => write!(f, "{path:?} is not a folder; pass the folder with your videos"),
                ErrorKind::PermissionDenied => {
                    write!(f, "no permission to read {path:?}; change its permissions or run as its owner")
                }
                _ => write!(f, "can't serve {path:?}: {error}; choose another folder"),
            },
            Self::Listen(address, error) => match error.kind() {
                ErrorKind::AddrInUse => {
                    write!(f, "{address} is in use; stop the other program or choose another port with --port")
                }
                ErrorKind::PermissionDenied => {
                    write!(f, "no permission to listen on {address}; choose a port above 1023 with --port")
                }
                ErrorKind::AddrNotAvailable => {
                    write!(f, "{} is not an address of this machine; choose another with --bind", address.ip())
                }
                _ => write!(f, "can't listen on {address}: {error}; choose another address with --bind"),
            },
            Self::Listener(error) => write!(
                f,
                "can't use what LISTEN_FDS hands over: {error}; hand over listening TCP sockets, as ListenStream= in a \
                 systemd .socket unit does"
            ),
            Self::Descriptors => write!(f, "the limit on open files is too low; raise it with ulimit -n"),
            Self::Sendfile => write!(f, "--sendfile works only on Linux; omit it"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Folder(_, error) | Self::Listen(_, error) | Self::Listener(error) => Some(error),
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
