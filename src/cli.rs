//! The command line: raw arguments become a [`Config`] once, and an outcome becomes an exit status.
//!
//! | exit status | meaning |
//! |---|---|
//! | 0 | stopped by SIGTERM or SIGINT |
//! | 1 | it couldn't start, or couldn't go on; one line on stderr says why |
//! | 2 | the arguments are wrong |

use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use clap::builder::RangedU64ValueParser;

use crate::config::{Config, MAX_CHUNK_SIZE};
use crate::http::cors::Cors;
use crate::lan;
use crate::server::{Handle, Server};

/// Streams the videos of a folder to every player on the network.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Arguments {
    /// The folder to serve, with everything below it that isn't hidden
    #[arg(value_name = "DIR", default_value = "videos")]
    dir: PathBuf,

    /// Address to listen on, IPv4 or IPv6; may be given several times
    #[arg(short, long, value_name = "IP", default_value = "127.0.0.1")]
    bind: Vec<IpAddr>,

    /// Listen on every interface, for the other devices on the network, and show them the address, also as a QR code
    #[arg(long, conflicts_with = "bind")]
    lan: bool,

    /// Port to listen on; 0 picks a free one
    #[arg(short, long, value_name = "PORT", default_value_t = 8000)]
    port: u16,

    /// Bytes copied to the socket at a time, 1 to 16777216 (16 MiB)
    #[arg(long, value_name = "BYTES", default_value = "4096",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_CHUNK_SIZE as u64))]
    chunk_size: usize,

    /// Let the kernel copy from file to socket (Linux)
    #[arg(long)]
    sendfile: bool,

    /// Connections at once; at the bound an idle one makes room, else a newcomer waits up to 3 s for a place before it
    /// gets a 503
    #[arg(long, value_name = "N", default_value = "1024",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    max_connections: usize,

    /// Connections of one address at once, within the same rules; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 256)]
    max_connections_per_ip: usize,

    /// Time for a request's head to be complete, else it is answered 408
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    head_timeout: Duration,

    /// How long a keep-alive connection may be idle
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = parse_duration)]
    idle_timeout: Duration,

    /// A client that takes less than 4096 bytes within this time is cut off (a player comes back by itself)
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    stall_timeout: Duration,

    /// How long running streams may go on after SIGTERM or SIGINT; a second signal ends them at once
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    drain_timeout: Duration,

    /// Serve symbolic links that lead out of DIR
    #[arg(long)]
    follow_symlinks: bool,

    /// Let players on other origins read, by Access-Control-Allow-Origin: one origin, or *
    #[arg(long, value_name = "ORIGIN")]
    cors: Option<Cors>,
}

/// A duration as people write it, above zero.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|_| "write it like 500ms, 10s or 2m".to_string())?;
    if duration.is_zero() {
        return Err("must be above zero".into());
    }
    Ok(duration)
}

impl From<Arguments> for Config {
    fn from(arguments: Arguments) -> Self {
        Self {
            dir: arguments.dir,
            bind: if arguments.lan { lan::every_interface() } else { arguments.bind },
            port: arguments.port,
            chunk_size: arguments.chunk_size,
            max_connections: arguments.max_connections,
            max_connections_per_ip: arguments.max_connections_per_ip,
            head_timeout: arguments.head_timeout,
            idle_timeout: arguments.idle_timeout,
            stall_timeout: arguments.stall_timeout,
            drain_timeout: arguments.drain_timeout,
            follow_symlinks: arguments.follow_symlinks,
            sendfile: arguments.sendfile,
            cors: arguments.cors,
        }
    }
}

/// Serves as the arguments say until a signal; the program's exit status.
///
/// # Errors
/// Why it couldn't start or go on, for one line on stderr.
pub fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    raise_open_files_limit();
    let lan = arguments.lan.then(|| std::path::absolute(&arguments.dir).unwrap_or_else(|_| arguments.dir.clone()));
    let server = Server::bind(arguments.into())?;
    let handle = server.handle()?;
    stop_on_signals(handle)?;
    announce(&server.local_addrs(), lan.as_deref());
    let stopped = server.run()?;
    log::info!("stopped; {} connections were cut", stopped.cut);
    Ok(())
}

/// Prints every address to open, and says what is open to the network when `lan`, the folder, is. Nobody may be
/// reading; that doesn't stop a server.
fn announce(listening: &[SocketAddr], lan: Option<&Path>) {
    let addresses = if lan.is_some() { lan::reachable(listening) } else { listening.to_vec() };
    let urls: Vec<_> = addresses.iter().map(|address| format!("http://{address}/")).collect();
    let mut out = io::stdout().lock();
    for url in &urls {
        let _ = writeln!(out, "{url}");
    }
    if let Some(dir) = lan {
        let exposed = format!("Everyone on this network can watch and download everything below\n{}.", dir.display());
        match urls.first().and_then(|url| lan::qr_code(url)) {
            Some(code) if out.is_terminal() => {
                let _ =
                    writeln!(out, "\n{code}\nScan it with a phone, or type {} into any browser.\n{exposed}", urls[0]);
            }
            _ => log::warn!("{}", exposed.replace('\n', " ")),
        }
    }
    let _ = out.flush();
}

/// Connections are descriptors: takes as many as the system lets this process have.
fn raise_open_files_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        log::warn!("the limit of open files stays at {:?}: {error}", limit.current);
    }
}

/// The first SIGTERM or SIGINT drains, the second stops at once.
fn stop_on_signals(handle: Handle) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".into()).stack_size(64 * 1024).spawn(move || {
        let mut arrivals = signals.forever();
        if arrivals.next().is_some() {
            log::info!("stopping; running streams may end, a second signal cuts them");
            handle.stop();
        }
        if arrivals.next().is_some() {
            handle.stop_now();
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_defaults_of_the_command_line_are_those_of_the_library() {
        let parsed: Config = Arguments::try_parse_from(["filmstrip"]).unwrap().into();
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn what_is_out_of_bounds_is_a_usage_error() {
        Arguments::command().debug_assert();
        let rows: &[(&[&str], bool)] = &[
            (&["--stall-timeout", "500ms"], true),
            (&["--stall-timeout", "2m"], true),
            (&["--stall-timeout", "1000000000years"], true),
            (&["--stall-timeout", "0s"], false),
            (&["--stall-timeout", "10"], false),
            (&["--stall-timeout", "-1s"], false),
            (&["--chunk-size", "1"], true),
            (&["--chunk-size", "16777216"], true),
            (&["--chunk-size", "0"], false),
            (&["--chunk-size", "16777217"], false),
            (&["--max-connections", "0"], false),
            (&["--port", "65536"], false),
            (&["--bind", "::1", "--bind", "127.0.0.2"], true),
            (&["--bind", "localhost"], false),
            (&["--lan"], true),
            (&["--lan", "--bind", "127.0.0.1"], false),
            (&["a", "b"], false),
            (&["--nonsense"], false),
            (&["--cors", "http://tv.local:8080", "--follow-symlinks"], true),
            (&["--cors", "tv.local/"], false),
        ];
        for (arguments, good) in rows {
            let parsed = Arguments::try_parse_from(std::iter::once(&"filmstrip").chain(*arguments));
            assert_eq!(parsed.is_ok(), *good, "{arguments:?}");
        }
    }
}
