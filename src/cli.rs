//! The command line: arguments, signals and exit statuses.
//!
//! | exit status | meaning |
//! |---|---|
//! | 0 | stopped by SIGTERM or SIGINT |
//! | 1 | failed to start or to continue; one line on stderr has the reason |
//! | 2 | invalid arguments |

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

/// Stream the videos in a folder over HTTP
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Arguments {
    /// Folder to serve, with its subfolders; hidden files are never served
    #[arg(value_name = "DIR", default_value = "videos")]
    dir: PathBuf,

    /// IPv4 or IPv6 address to listen on; repeat for more
    #[arg(short, long, value_name = "IP", default_value = "127.0.0.1")]
    bind: Vec<IpAddr>,

    /// Listen on all interfaces; print the URLs for other devices, and a QR code
    #[arg(long, conflicts_with = "bind")]
    lan: bool,

    /// Port to listen on; 0 picks a free port
    #[arg(short, long, value_name = "PORT", default_value_t = 8000)]
    port: u16,

    /// Bytes to copy to the socket at a time, 1 to 16777216 (16 MiB)
    #[arg(long, value_name = "BYTES", default_value = "4096",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=MAX_CHUNK_SIZE as u64))]
    chunk_size: usize,

    /// Copy from file to socket in the kernel, with sendfile(2) (Linux only)
    #[arg(long)]
    sendfile: bool,

    /// Maximum number of connections; beyond it, the longest idle one is closed, or a new one waits up to 3 s before
    /// a 503
    #[arg(long, value_name = "N", default_value = "1024",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    max_connections: usize,

    /// Maximum number of connections from one client address; 0 means no limit
    #[arg(long, value_name = "N", default_value_t = 256)]
    max_connections_per_ip: usize,

    /// Time limit for receiving a request head; the response is then 408
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    head_timeout: Duration,

    /// Time limit for an idle keep-alive connection
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = parse_duration)]
    idle_timeout: Duration,

    /// Disconnect a client that reads less than 4096 bytes in this time (players reconnect)
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    stall_timeout: Duration,

    /// Time limit for running streams after SIGTERM or SIGINT; a second signal stops them at once
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    drain_timeout: Duration,

    /// Follow symbolic links out of DIR
    #[arg(long)]
    follow_symlinks: bool,

    /// Origin allowed to read responses (Access-Control-Allow-Origin), or *
    #[arg(long, value_name = "ORIGIN")]
    cors: Option<Cors>,
}

/// A duration like `10s`, greater than zero.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration =
        humantime::parse_duration(text).map_err(|_| "expected a duration like 500ms, 10s or 2m".to_string())?;
    if duration.is_zero() {
        return Err("must be greater than zero".into());
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

/// Serves until a signal.
///
/// # Errors
/// The reason why it failed to start or to continue, as one line.
pub fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    raise_open_files_limit();
    let lan = arguments.lan.then(|| std::path::absolute(&arguments.dir).unwrap_or_else(|_| arguments.dir.clone()));
    let server = Server::bind(arguments.into())?;
    stop_on_signals(server.handle())?;
    announce(&server.local_addrs(), lan.as_deref());
    let stopped = server.run();
    log::info!("stopped; connections aborted: {}", stopped.aborted);
    Ok(())
}

/// Prints the URLs, and with `lan`, the folder open to the network, a notice. Errors are ignored: a closed stdout
/// doesn't stop the server.
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
                    writeln!(out, "\n{code}\nScan the code with a phone, or open {} in a browser.\n{exposed}", urls[0]);
            }
            _ => log::warn!("{}", exposed.replace('\n', " ")),
        }
    }
    let _ = out.flush();
}

/// Raises the limit on open files, and thus on connections, to the maximum.
fn raise_open_files_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        log::warn!("can't raise the limit on open files: {error}");
    }
}

/// Drains on the first SIGTERM or SIGINT, and stops at once on the second.
fn stop_on_signals(handle: Handle) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    std::thread::Builder::new().name("signals".into()).stack_size(64 * 1024).spawn(move || {
        let mut arrivals = signals.forever();
        if arrivals.next().is_some() {
            log::info!("stopping; waiting for running streams, a second signal stops them");
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
