//! A log that nobody reads costs lines of the log, and nothing else.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, PipeWriter, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Client, Folder, Program, eventually, film};

/// Connections that ask once each. Each is a line of the log, which queues 2048.
const CLIENTS: usize = 2500;

fn start(folder: &Path, log: impl Into<Stdio>, options: &[&str]) -> Program {
    let mut command = Program::command();
    command.arg(folder).args(["--port", "0"]).args(options).env("RUST_LOG", "info").stderr(log);
    Program::start_command(command)
}

/// A pipe that takes nothing more, and its reader.
fn full_pipe() -> (BufReader<io::PipeReader>, PipeWriter) {
    let (reader, mut writer) = io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[b'\n'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (BufReader::new(reader), writer)
}

fn ask_on_new_connections(address: SocketAddr) {
    for _ in 0..CLIENTS {
        assert_eq!(Client::get(address, &format!("/health?{}", "x".repeat(1024))).status, 200);
    }
}

fn lost_by_the_metrics(address: SocketAddr) -> u64 {
    let answer = Client::get(address, "/metrics");
    let line = answer.text().lines().find_map(|line| line.strip_prefix("filmstrip_log_lines_lost_total ")).unwrap();
    line.parse().unwrap()
}

/// The number of lines that the log says it lost.
fn lost_by_the_log(line: &str) -> Option<u64> {
    let number = line.split(" log lines were lost: ").next()?.rsplit("] ").next()?;
    line.contains(" WARN  filmstrip::logging] ").then(|| number.parse().unwrap())
}

#[test]
fn a_full_pipe_delays_no_request_and_the_lost_lines_are_reported() {
    let folder = Folder::new();
    let (reader, writer) = full_pipe();
    let mut program = start(folder.path(), writer, &[]);
    let threads = program.status("Threads");
    ask_on_new_connections(program.address);
    assert!(program.status("Threads") <= threads + 8, "no thread waits for the log");
    let by_the_metrics = lost_by_the_metrics(program.address);
    assert!(by_the_metrics > 0);
    let mut lines = reader.lines().map(Result::unwrap);
    let mut access = 0;
    let mut count = |line: &str| access += usize::from(line.contains("filmstrip::access"));
    let lost = lines.by_ref().inspect(|line| count(line)).find_map(|line| lost_by_the_log(&line)).unwrap();
    program.signal(Signal::TERM);
    let mut last = String::new();
    for line in lines {
        count(&line);
        assert_eq!(lost_by_the_log(&line), None, "lost lines are reported once");
        last = line;
    }
    assert!(last.contains("stopped; "), "{last}");
    // A request is logged after its answer; that of the metrics, too.
    assert!((by_the_metrics..by_the_metrics + 4).contains(&lost), "{lost}, {by_the_metrics}");
    assert_eq!(access as u64 + lost, CLIENTS as u64 + 1);
    assert_eq!(program.wait().code(), Some(0));
}

/// What reads the log, as `| less` or a hung log daemon would.
struct Cat(Child);

impl Cat {
    fn start(into: &Path) -> (Self, PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        let cat = Command::new("cat").stdin(reader).stdout(File::create(into).unwrap()).spawn().unwrap();
        (Self(cat), writer)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Cat {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_stopped_reader_delays_no_request_and_the_lost_lines_are_reported() {
    let folder = Folder::new();
    let log = folder.file("log");
    let (cat, writer) = Cat::start(&log);
    let mut program = start(folder.path(), writer, &[]);
    let read = || fs::read_to_string(&log).unwrap();
    assert_eq!(lost_by_the_metrics(program.address), 0);
    eventually("the log is read", || read().contains("GET /metrics"));
    let threads = program.status("Threads");
    cat.signal(Signal::STOP);
    ask_on_new_connections(program.address);
    assert!(program.status("Threads") <= threads + 8, "no thread waits for the log");
    assert!(lost_by_the_metrics(program.address) > 0);
    cat.signal(Signal::CONT);
    eventually("the log says what it lost", || read().lines().any(|line| lost_by_the_log(line) > Some(0)));
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0));
    eventually("the log has its last line", || read().contains("stopped; "));
}

#[test]
fn a_signal_drains_and_a_second_one_stops_while_the_pipe_is_full() {
    let film = film(20_000_000);
    let folder = Folder::new().with("film.mp4", &film);
    for signals in [1, 2] {
        let (_reader, writer) = full_pipe();
        let mut program = start(folder.path(), writer, &["--drain-timeout", "10m"]);
        ask_on_new_connections(program.address);
        let mut client = Client::requesting(program.address, "/video/film.mp4");
        client.read_exact(&mut [0; 1]);
        program.signal(Signal::TERM);
        eventually("the listener is closed", || std::net::TcpStream::connect(program.address).is_err());
        let started = Instant::now();
        match signals {
            1 => assert!(client.read_rest().ends_with(&film[film.len() - 100..]), "the stream went on to its end"),
            _ => program.signal(Signal::TERM),
        }
        assert_eq!(program.wait().code(), Some(0));
        assert!(started.elapsed() < Duration::from_secs(10), "{signals} signals: {:?}", started.elapsed());
    }
}

#[test]
fn a_failed_start_ends_while_the_pipe_is_full() {
    let (_reader, writer) = full_pipe();
    let mut child = Program::command().arg("/none").stdout(Stdio::null()).stderr(writer).spawn().unwrap();
    eventually("it ended", || child.try_wait().unwrap().is_some());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
