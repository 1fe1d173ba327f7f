//! Starting and stopping each server, on loopback or behind a veth pair, with the same folder.
//!
//! Each runs in the foreground with its own files in a separate folder, without an access log (filmstrip with
//! `RUST_LOG=warn`), and with connection limits that no measurement reaches. A server is stopped when its [`Running`]
//! is dropped.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::data::{Data, SMALL};
use crate::ethernet::{self, Veth};
use crate::measure::Processes;
use crate::rounds::Outcome;
use crate::{bare, first_frame, load};

/// The connection limit of each server; no measurement reaches it.
const CONNECTIONS: usize = 9000;

/// A server that has not responded by then is omitted.
const PATIENCE: Duration = Duration::from_secs(5);

/// The server that the ratios refer to.
pub const PEER: &str = "nginx";

/// The servers of others.
pub const PEERS: [&str; 3] = [PEER, LIGHTTPD, CADDY];

const LIGHTTPD: &str = "lighttpd";

const CADDY: &str = "caddy";

/// The row of the upper bound.
pub const BARE: &str = "bare loop, 4 KiB";

/// The suffix of an earlier build's row: `filmstrip, before`.
pub const BEFORE: &str = "before";

/// filmstrip with default options.
pub const DEFAULT: &str = "filmstrip";

/// The paths of what only some servers have.
#[derive(Clone, Copy)]
pub struct Paths {
    /// The listing of the many videos as a page.
    pub page: Option<&'static str>,
    /// The same as JSON.
    pub json: Option<&'static str>,
    /// A page that plays a film.
    pub player: Option<&'static str>,
}

/// Those of a server of files.
const FILES: Paths = Paths { page: Some("/video/"), json: None, player: Some(first_frame::PAGE) };

/// filmstrip with `--sendfile`.
pub const SENDFILE: &str = "filmstrip, sendfile";

/// A server that may be installed.
pub struct Candidate {
    /// Its name in the tables.
    pub name: &'static str,
    kind: Kind,
}

enum Kind {
    /// The program and its options.
    Filmstrip(PathBuf, &'static [&'static str]),
    Bare,
    Nginx,
    Lighttpd,
    Caddy,
}

/// All servers, in the order of the tables' rows. `earlier`: the program of an earlier revision of filmstrip.
pub fn candidates(earlier: Option<&Path>) -> Vec<Candidate> {
    let candidate = |name, kind| Candidate { name, kind };
    let mut all = vec![
        candidate(DEFAULT, Kind::Filmstrip(filmstrip(), &[])),
        candidate("filmstrip, 256 KiB", Kind::Filmstrip(filmstrip(), &["--chunk-size", "262144"])),
        candidate(SENDFILE, Kind::Filmstrip(filmstrip(), &["--sendfile"])),
    ];
    if let Some(earlier) = earlier {
        all.push(candidate("filmstrip, before", Kind::Filmstrip(earlier.into(), &[])));
        all.push(candidate("filmstrip, sendfile, before", Kind::Filmstrip(earlier.into(), &["--sendfile"])));
    }
    all.extend([
        candidate(BARE, Kind::Bare),
        candidate(PEER, Kind::Nginx),
        candidate(LIGHTTPD, Kind::Lighttpd),
        candidate(CADDY, Kind::Caddy),
    ]);
    all
}

impl Candidate {
    /// Whether this is the bare loop.
    pub fn is_bare(&self) -> bool {
        matches!(self.kind, Kind::Bare)
    }

    /// The size of the program in bytes; `None` for the bare loop.
    pub fn program_size(&self) -> Option<u64> {
        let program = match &self.kind {
            Kind::Filmstrip(program, _) => program.clone(),
            Kind::Bare => return None,
            Kind::Nginx => find("nginx").ok()?,
            Kind::Lighttpd => find("lighttpd").ok()?,
            Kind::Caddy => find("caddy").ok()?,
        };
        fs::metadata(program).ok().map(|metadata| metadata.len())
    }

    /// What it has beside files.
    pub fn paths(&self) -> Paths {
        match self.kind {
            Kind::Filmstrip(..) => {
                Paths { page: Some("/"), json: Some("/api/videos"), player: Some(first_frame::WATCH) }
            }
            Kind::Bare => Paths { page: None, json: None, player: None },
            Kind::Nginx => Paths { json: Some("/json/"), ..FILES },
            Kind::Lighttpd => FILES,
            Kind::Caddy => Paths { json: Some("/video/"), ..FILES },
        }
    }

    /// Starts it, behind `veth` if there is one, and waits for its first response.
    ///
    /// # Errors
    /// Why it can't be started, to follow a colon.
    pub fn start(&self, data: &Data, veth: Option<&Veth>) -> Outcome<Running> {
        let network = if veth.is_some() { "veth" } else { "loopback" };
        let folder = data.server_folder(&format!("{} {network}", self.name))?;
        let address = SocketAddr::new(veth.map_or(Ipv4Addr::LOCALHOST.into(), |_| ethernet::ADDRESS), free_port()?);
        let log = folder.join("stderr");
        let mut command = self.command(data, &folder, address)?;
        if let Some(veth) = veth {
            command = veth.in_namespace(&command);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let begun = Instant::now();
        let child = command.spawn().map_err(|error| format!("{} can't be run: {error}", self.name))?;
        let (film, program_size, paths) = (data.film(), self.program_size(), self.paths());
        let mut running = Running { child, address, start_up: Duration::ZERO, program_size, film, paths };
        loop {
            if load::answers(address, SMALL) {
                running.start_up = begun.elapsed();
                return Ok(running);
            }
            if running.child.try_wait()?.is_some() {
                let messages = fs::read_to_string(&log)?;
                return Err(messages.lines().next().unwrap_or("it ended without a message").into());
            }
            if begun.elapsed() > PATIENCE {
                return Err("it did not respond".into());
            }
            thread::sleep(Duration::from_micros(100));
        }
    }

    fn command(&self, data: &Data, folder: &Path, address: SocketAddr) -> Outcome<Command> {
        let (ip, port) = (address.ip(), address.port());
        Ok(match &self.kind {
            Kind::Filmstrip(program, options) => {
                let mut command = Command::new(program);
                command.env("RUST_LOG", "warn").args(["--bind", &ip.to_string(), "--port", &port.to_string()]);
                command.args(["--drain-timeout", "1s"]);
                command.args(["--max-connections", &CONNECTIONS.to_string(), "--max-connections-per-ip", "0"]);
                command.args(*options).arg(data.videos());
                command
            }
            Kind::Bare => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg(bare::ARGUMENT).arg(data.root()).arg(address.to_string());
                command
            }
            Kind::Nginx => {
                let configuration = folder.join("nginx.conf");
                fs::write(&configuration, nginx_configuration(&data.root(), folder, address))?;
                let mut command = Command::new(find("nginx")?);
                command.args(["-e", "stderr", "-p"]).arg(folder).arg("-c").arg(configuration);
                command
            }
            Kind::Lighttpd => {
                let configuration = folder.join("lighttpd.conf");
                fs::write(&configuration, lighttpd_configuration(&data.root(), ip, port))?;
                let mut command = Command::new(find("lighttpd")?);
                command.arg("-D").arg("-f").arg(configuration);
                command
            }
            Kind::Caddy => {
                let mut command = Command::new(find("caddy")?);
                command.env("HOME", folder).env("XDG_CONFIG_HOME", folder).env("XDG_DATA_HOME", folder);
                command.args(["file-server", "--browse", "--listen", &address.to_string(), "--root"]).arg(data.root());
                command
            }
        })
    }
}

/// `tcp_nopush` is off: with it nginx stalls for 43 ms on ranges of 64 KiB.
fn nginx_configuration(root: &Path, folder: &Path, address: SocketAddr) -> String {
    // Without this, the workers of an nginx started by root run as a user who may not read the folder.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let temporary = |of: &str| format!("{of}_temp_path {}/{of};", folder.display());
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(temporary).join("\n    ");
    format!(
        "{user}
daemon off;
worker_processes 2;
worker_rlimit_nofile 20000;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections {CONNECTIONS}; }}
http {{
    {temporary}
    access_log off;
    sendfile on;
    tcp_nopush off;
    keepalive_requests 1000000000;
    default_type video/mp4;
    server {{
        listen {address} backlog=4096;
        root {root};
        autoindex on;
        location /json/ {{ alias {root}/video/; autoindex_format json; }}
    }}
}}
",
        folder = folder.display(),
        root = root.display()
    )
}

fn lighttpd_configuration(root: &Path, ip: IpAddr, port: u16) -> String {
    format!(
        "server.document-root = \"{}\"
server.bind = \"{ip}\"
server.port = {port}
server.listen-backlog = 4096
server.max-fds = 20000
server.max-connections = {CONNECTIONS}
server.max-keep-alive-requests = 65535
dir-listing.activate = \"enable\"
mimetype.assign = ( \".mp4\" => \"video/mp4\", \".html\" => \"text/html\" )
",
        root.display()
    )
}

/// The measured program, built with this benchmark.
fn filmstrip() -> PathBuf {
    env!("CARGO_BIN_EXE_filmstrip").into()
}

/// The path of a program in `PATH`, or in the folders where Debian installs servers, which `PATH` may lack.
fn find(program: &str) -> Outcome<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|program| program.is_file())
        .ok_or_else(|| "it is not installed".into())
}

/// A port that was free just now.
fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A running server.
pub struct Running {
    child: Child,
    /// The address that it listens on.
    pub address: SocketAddr,
    /// The time from starting the process to the first response.
    pub start_up: Duration,
    /// See [`Candidate::program_size`].
    pub program_size: Option<u64>,
    /// The path of the film that it serves.
    pub film: PathBuf,
    /// See [`Candidate::paths`].
    pub paths: Paths,
}

impl Running {
    /// Its current processes.
    pub fn processes(&self) -> Processes {
        Processes::below(self.child.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let processes = self.processes();
        // The bare loop ends when its stdin ends.
        drop(self.child.stdin.take());
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(2)),
                _ => return,
            }
        }
        // The workers first: while their parent lives, their process IDs are not reused.
        processes.kill_children();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
