//! How each server is started, on loopback or at the end of a cable, over the same folder, and how it is ended.
//!
//! Each runs in the foreground with its own files in a room of its own, without an access log (filmstrip with
//! `RUST_LOG=warn`), and with bounds on connections that no measure reaches. Whatever happens, a server ends with the
//! value that stands for it.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::data::{Data, SMALL};
use crate::ethernet::{self, Cable};
use crate::measure::Processes;
use crate::rounds::Outcome;
use crate::{bare, load};

/// Nothing that is measured needs as many connections.
const CONNECTIONS: usize = 9000;

/// A server that has not answered by then is left out.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the ratios are to.
pub const PEER: &str = "nginx";

/// The row that is the limit of the shape.
pub const BARE: &str = "bare loop, 4 KiB";

/// What the name of an earlier build's row ends with: `filmstrip, before`.
pub const BEFORE: &str = "before";

/// filmstrip as it comes.
pub const DEFAULT: &str = "filmstrip";

/// A server that may be there.
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

/// Everybody who may be there, in the tables' order.
pub fn candidates() -> Vec<Candidate> {
    let candidate = |name, kind| Candidate { name, kind };
    let mut all = vec![
        candidate(DEFAULT, Kind::Filmstrip(filmstrip(), &[])),
        candidate("filmstrip, 256 KiB", Kind::Filmstrip(filmstrip(), &["--chunk-size", "262144"])),
        candidate("filmstrip, sendfile", Kind::Filmstrip(filmstrip(), &["--sendfile"])),
    ];
    if let Some(earlier) = std::env::var_os("FILMSTRIP_BENCH_AGAINST").map(PathBuf::from) {
        all.push(candidate("filmstrip, before", Kind::Filmstrip(earlier.clone(), &[])));
        all.push(candidate("filmstrip, sendfile, before", Kind::Filmstrip(earlier, &["--sendfile"])));
    }
    all.extend([
        candidate(BARE, Kind::Bare),
        candidate(PEER, Kind::Nginx),
        candidate("lighttpd", Kind::Lighttpd),
        candidate("caddy", Kind::Caddy),
    ]);
    all
}

impl Candidate {
    /// Whether this is the row that only shows a limit.
    pub fn is_bare(&self) -> bool {
        matches!(self.kind, Kind::Bare)
    }

    /// The program's size in bytes, where it is one that people install.
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

    /// Starts it, at the far end of `cable` if there is one, and waits for its first answer.
    ///
    /// # Errors
    /// Why it isn't there, in half a sentence.
    pub fn start(&self, data: &Data, cable: Option<&Cable>) -> Outcome<Running> {
        let place = if cable.is_some() { "there" } else { "here" };
        let room = data.room_for(&format!("{} {place}", self.name))?;
        let address = SocketAddr::new(cable.map_or(Ipv4Addr::LOCALHOST.into(), |_| ethernet::ADDRESS), free_port()?);
        let log = room.join("stderr");
        let mut command = self.command(data, &room, address)?;
        if let Some(cable) = cable {
            command = cable.at_far_end(&command);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(File::create(&log)?);
        let begun = Instant::now();
        let child = command.spawn().map_err(|error| format!("{} can't be run: {error}", self.name))?;
        let (film, program_size) = (data.film(), self.program_size());
        let mut running = Running { child, address, start_up: Duration::ZERO, program_size, film };
        loop {
            if load::answers(address, SMALL) {
                running.start_up = begun.elapsed();
                return Ok(running);
            }
            if running.child.try_wait()?.is_some() {
                let complaint = fs::read_to_string(&log)?;
                return Err(complaint.lines().next().unwrap_or("it ended without a word").into());
            }
            if begun.elapsed() > PATIENCE {
                return Err("it did not answer".into());
            }
            thread::sleep(Duration::from_micros(100));
        }
    }

    fn command(&self, data: &Data, room: &Path, address: SocketAddr) -> Outcome<Command> {
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
                let configuration = room.join("nginx.conf");
                fs::write(&configuration, nginx_configuration(&data.root(), room, address))?;
                let mut command = Command::new(find("nginx")?);
                command.args(["-e", "stderr", "-p"]).arg(room).arg("-c").arg(configuration);
                command
            }
            Kind::Lighttpd => {
                let configuration = room.join("lighttpd.conf");
                fs::write(&configuration, lighttpd_configuration(&data.root(), ip, port))?;
                let mut command = Command::new(find("lighttpd")?);
                command.arg("-D").arg("-f").arg(configuration);
                command
            }
            Kind::Caddy => {
                let mut command = Command::new(find("caddy")?);
                command.env("HOME", room).env("XDG_CONFIG_HOME", room).env("XDG_DATA_HOME", room);
                command.args(["file-server", "--listen", &address.to_string(), "--root"]).arg(data.root());
                command
            }
        })
    }
}

/// `tcp_nopush` stays off: with it nginx was seen to stall for 43 ms on ranges of 64 KiB.
fn nginx_configuration(root: &Path, room: &Path, address: SocketAddr) -> String {
    // Started by root, its workers would be somebody who may not read the folder.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let temporary = |of: &str| format!("{of}_temp_path {}/{of};", room.display());
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(temporary).join("\n    ");
    format!(
        "{user}
daemon off;
worker_processes 2;
worker_rlimit_nofile 20000;
pid {room}/pid;
error_log stderr crit;
events {{ worker_connections {CONNECTIONS}; }}
http {{
    {temporary}
    access_log off;
    sendfile on;
    tcp_nopush off;
    keepalive_requests 1000000000;
    default_type video/mp4;
    server {{ listen {address} backlog=4096; root {root}; }}
}}
",
        room = room.display(),
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
mimetype.assign = ( \".mp4\" => \"video/mp4\" )
",
        root.display()
    )
}

/// The program that is measured, built with this benchmark.
fn filmstrip() -> PathBuf {
    env!("CARGO_BIN_EXE_filmstrip").into()
}

/// A program of that name in `PATH`, or where Debian puts servers, which isn't in everybody's.
fn find(program: &str) -> Outcome<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|program| program.is_file())
        .ok_or_else(|| "it is not installed".into())
}

/// A port that was free a moment ago.
fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A server that answers.
pub struct Running {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From the start of the process to the first answer.
    pub start_up: Duration,
    /// See [`Candidate::program_size`].
    pub program_size: Option<u64>,
    /// The film that it serves.
    pub film: PathBuf,
}

impl Running {
    /// Its processes as they are now.
    pub fn processes(&self) -> Processes {
        Processes::below(self.child.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let processes = self.processes();
        // The bare loop ends with its stdin.
        drop(self.child.stdin.take());
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(Duration::from_millis(2)),
                _ => return,
            }
        }
        // The workers first: whose parent is still there, their numbers are still theirs.
        processes.kill_children();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
