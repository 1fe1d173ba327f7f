//! The command line: arguments, signals and exit statuses.
//!
//! | exit status | meaning |
//! |---|---|
//! | 0 | stopped by SIGTERM or SIGINT |
//! | 1 | failed to start or to continue; one line on stderr has the reason |
//! | 2 | invalid arguments |

use std::io::{self, IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use clap::Parser;
use listenfd::ListenFd;

use crate::config::{Config, StartError};
use crate::lan;
use crate::library::{Library, Links};
use crate::notify;
use crate::server::{Handle, Server};
use crate::urls::RoutePrefix;

/// Stream the videos in a folder over HTTP
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
#[command(
    after_help = "Durations are written 500ms, 10s or 2m. Sockets that systemd hands over (LISTEN_FDS) replace --bind, \
                        --port and --lan."
)]
pub struct Arguments {
    #[command(flatten)]
    config: Config,

    /// Listen on all interfaces; print the URLs for other devices, and a QR code
    // With `--bind`'s order it comes right after it.
    #[arg(long, conflicts_with = "bind", display_order = 0)]
    lan: bool,
}

impl From<Arguments> for Config {
    fn from(Arguments { config, lan }: Arguments) -> Self {
        let bind = if lan { lan::every_interface() } else { config.bind };
        Self { bind, ..config }
    }
}

/// Serves until a signal.
///
/// # Errors
/// Why it failed to start or to continue, as one line.
pub fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    // First, before any other descriptor is opened.
    let listeners = handed_over()?;
    let is_activated = !listeners.is_empty();
    raise_open_files_limit();
    let lan = (arguments.lan && !is_activated)
        .then(|| std::path::absolute(&arguments.config.dir).unwrap_or_else(|_| arguments.config.dir.clone()));
    let config = Config::from(arguments);
    let prefix = config.route_prefix.clone();
    let has_password = config.auth.is_some();
    let dir = config.dir.clone();
    let links = config.links();
    let server = Server::with_listeners(config, listeners)?;
    stop_on_signals(server.handle())?;
    let listening = server.local_addrs();
    announce(&listening, &prefix, lan.as_deref(), has_password);
    notify::send("READY=1");
    let is_local = listening.iter().all(|address| address.ip().is_loopback());
    if is_activated {
        log::info!("listening on the sockets in LISTEN_FDS; --bind, --port and --lan are ignored");
    } else if is_local {
        log::info!("only this machine can connect; use --lan for all devices on the network, or --bind");
    }
    if has_password && !is_local {
        log::warn!(
            "passwords go over plain HTTP, where others on the network can read them; put a proxy with HTTPS in front \
             (see \"Behind a proxy\" in the README) and listen on 127.0.0.1 alone"
        );
    }
    warn_if_empty(dir, links);
    let stopped = server.run();
    log::info!("stopped; connections aborted: {}", stopped.aborted);
    Ok(())
}

/// The listeners from systemd or another service manager, see sd_listen_fds(3).
fn handed_over() -> Result<Vec<TcpListener>, StartError> {
    let mut sockets = ListenFd::from_env();
    let listeners = (0..sockets.len()).filter_map(|index| sockets.take_tcp_listener(index).transpose());
    listeners.collect::<Result<_, _>>().map_err(StartError::Listener)
}

/// Prints the URLs, and with `lan`, the folder open to the network, a notice. Errors are ignored: a closed stdout
/// doesn't stop the server.
fn announce(listening: &[SocketAddr], prefix: &RoutePrefix, lan: Option<&Path>, has_password: bool) {
    let addresses = if lan.is_some() { lan::reachable(listening) } else { listening.to_vec() };
    let urls: Vec<_> = addresses.iter().map(|address| format!("http://{address}{prefix}/")).collect();
    let mut out = io::stdout().lock();
    for url in &urls {
        let _ = writeln!(out, "{url}");
    }
    if let Some(dir) = lan {
        let who = if has_password { "Everyone who has the password" } else { "Everyone on this network" };
        let exposed = format!("{who} can watch and download everything below\n{}.", dir.display());
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

/// Warns if there is no video. This runs on a thread of its own, so that a slow disk doesn't delay the start.
fn warn_if_empty(dir: PathBuf, links: Links) {
    let check = move || {
        if Library::open_with(&dir, links).is_ok_and(|library| library.is_empty()) {
            log::warn!(
                "No videos in {} yet: copy some into it (mp4, webm, mkv, mov and others) and reload the page, or start \
                 filmstrip with another folder",
                dir.display()
            );
        }
    };
    // Without the thread only a hint is missing.
    let _ = std::thread::Builder::new().name("startup check".into()).stack_size(128 * 1024).spawn(check);
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
            // Before the stop, or its own line could come first.
            log::info!("stopping; waiting for running streams (a second signal aborts them)");
            handle.stop();
            notify::send("STOPPING=1");
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
    fn a_malformed_password_is_not_repeated() {
        let error = Arguments::try_parse_from(["filmstrip", "--auth", "secret"]).unwrap_err();
        assert!(
            error.to_string().contains("expected USER:PASSWORD") && !error.to_string().contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn what_is_out_of_bounds_is_a_usage_error() {
        Arguments::command().debug_assert();
        let rows: &[(&[&str], bool)] = &[
            (&["--stall-timeout", "500ms"], true),
            (&["--stall-timeout", "2m"], true),
            (&["--stall-timeout", "1h"], true),
            (&["--stall-timeout", "1m30s"], true),
            (&["--stall-timeout", "1m 30s"], true),
            (&["--stall-timeout", "7d"], true),
            (&["--stall-timeout", "1000000h"], true),
            (&["--stall-timeout", "1000000000h"], false),
            (&["--stall-timeout", "0s"], false),
            (&["--stall-timeout", "0ms"], false),
            (&["--stall-timeout", "10s ago"], false),
            (&["--stall-timeout", ""], false),
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
            (&["--trust-proxy", "10.0.0.1", "--trust-proxy", "fd00::/8"], true),
            (&["--trust-proxy", "::ffff:10.0.0.1"], true),
            (&["--trust-proxy", "10.0.0.0/33"], false),
            (&["--trust-proxy", "proxy.local"], false),
            (&["--auth", "me:secret"], true),
            (&["--auth", "secret"], false),
            (&["--route-prefix", "/films"], true),
            (&["--route-prefix", "/films/.."], false),
        ];
        for (arguments, good) in rows {
            let parsed = Arguments::try_parse_from(std::iter::once(&"filmstrip").chain(*arguments));
            assert_eq!(parsed.is_ok(), *good, "{arguments:?}");
        }
    }
}
