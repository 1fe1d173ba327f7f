//! Shared by the integration tests: a folder, a server, and a strict client.
#![allow(clippy::print_stderr, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use filmstrip::{Config, Handle, Server, Stopped};
use tempfile::{NamedTempFile, TempDir};

/// The longest that a test waits; long, because only a failing test waits that long.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A temporary folder.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        // So that a test may run a program as another user.
        let readable = fs::Permissions::from_mode(0o755);
        Self(tempfile::Builder::new().prefix("filmstrip-").permissions(readable).tempdir().unwrap())
    }

    /// The same with one file.
    pub fn with(self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }
}

/// Random-looking bytes, so that a wrong offset is noticed.
pub fn film(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A server in the test's process, on a free port.
pub struct Running {
    pub address: SocketAddr,
    pub handle: Handle,
    thread: Option<JoinHandle<Stopped>>,
}

impl Running {
    pub fn over(folder: &Folder) -> Self {
        Self::with(folder, |_| {})
    }

    pub fn with(folder: &Folder, adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { dir: folder.path().into(), port: 0, ..Config::default() };
        adjust(&mut config);
        let server = Server::bind(config).unwrap();
        let (address, handle) = (server.local_addr(), server.handle());
        let thread = std::thread::spawn(move || server.run());
        Self { address, handle, thread: Some(thread) }
    }

    /// Drains it as a signal does, and waits until it has stopped.
    pub fn stop(mut self) -> Stopped {
        self.handle.stop();
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.stop_now();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The program in a separate process.
pub struct Program {
    pub child: Child,
    pub address: SocketAddr,
    log: Option<NamedTempFile>,
}

impl Program {
    pub fn command() -> Command {
        Command::new(env!("CARGO_BIN_EXE_filmstrip"))
    }

    /// The command that serves `folder` on a free port.
    pub fn serving(folder: &Path, options: &[&str]) -> Command {
        let mut command = Self::command();
        command.arg(folder).args(["--port", "0"]).args(options);
        command
    }

    pub fn start(folder: &Path, options: &[&str]) -> Self {
        Self::start_command(Self::serving(folder, options))
    }

    /// Starts `command` and keeps its log in a file, for [`Program::log`].
    pub fn with_log(mut command: Command) -> Self {
        let log = NamedTempFile::new().unwrap();
        command.stderr(log.reopen().unwrap());
        let mut program = Self::start_command(command);
        program.log = Some(log);
        program
    }

    /// The log so far of a program that was started by [`Program::with_log`].
    pub fn log(&self) -> String {
        fs::read_to_string(self.log.as_ref().expect("a log in a file")).unwrap()
    }

    /// Starts `command` and reads the first address that it prints.
    pub fn start_command(command: Command) -> Self {
        Self::start_command_at(command).0
    }

    /// The same, with the URL.
    pub fn start_command_at(mut command: Command) -> (Self, String) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().to_owned();
        let address = url.trim_start_matches("http://").split('/').next().unwrap();
        let address = address.parse().unwrap_or_else(|_| panic!("no address: {line:?}"));
        (Self { child, address, log: None }, url)
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// A number from `/proc/<pid>/status`: `VmHWM` and `VmRSS` in KiB, `Threads`.
    pub fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Whether it has a thread of this name.
    pub fn has_thread(&self, name: &str) -> bool {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        // A thread may end meanwhile.
        let names = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
        names.into_iter().any(|known| known.trim_end() == name)
    }

    /// The number of its open descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// The lowest free descriptor; it may have inherited higher ones.
    pub fn next_descriptor(&self) -> u64 {
        let is_free = |number: &u64| fs::read_link(format!("/proc/{}/fd/{number}", self.child.id())).is_err();
        (0..).find(is_free).unwrap()
    }

    /// The processor time that it has used, in user and system mode.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }

    /// Waits until it ends; returns its exit status.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the program didn't end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `holds` returns true.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A response as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a field, which must not be repeated.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A client's connection. It reads exactly the announced bytes.
pub struct Client {
    pub stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(stream.try_clone().unwrap()), stream }
    }

    /// The answer to a GET on a connection of its own.
    pub fn get(address: SocketAddr, target: &str) -> Answer {
        Self::connect(address).ask(target)
    }

    /// A client that has sent a GET and reads nothing yet.
    pub fn requesting(address: SocketAddr, target: &str) -> Self {
        let mut client = Self::connect(address);
        client.send_request("GET", target, &[]);
        client
    }

    /// The answer to a GET on this connection.
    pub fn ask(&mut self, target: &str) -> Answer {
        self.request("GET", target, &[])
    }

    /// Sends a request and reads the response.
    pub fn request(&mut self, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.send_request(method, target, fields);
        self.read(method)
    }

    pub fn send_request(&mut self, method: &str, target: &str, fields: &[(&str, &str)]) {
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.stream.peer_addr().unwrap());
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        self.send(head + "\r\n");
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Reads a head; `None` if the connection ends before it.
    pub fn read_head(&mut self) -> Option<Answer> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let status = line.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("no status line: {line:?}"));
        let mut answer = Answer { status: status[..3].parse().unwrap(), fields: Vec::new(), body: Vec::new() };
        loop {
            line.clear();
            self.reader.read_line(&mut line).unwrap();
            let field = line.strip_suffix("\r\n").unwrap_or_else(|| panic!("no line end: {line:?}"));
            let Some((name, value)) = field.split_once(": ") else {
                assert!(field.is_empty(), "no field: {field:?}");
                return Some(answer);
            };
            answer.fields.push((name.into(), value.into()));
        }
    }

    /// Reads the response to a request of `method`.
    pub fn read(&mut self, method: &str) -> Answer {
        let mut answer = self.read_head().expect("a response");
        let bodiless = method == "HEAD" || matches!(answer.status, 204 | 304);
        let length = answer.field("content-length").map_or(0, |length| length.parse().unwrap());
        answer.body = vec![0; if bodiless { 0 } else { length }];
        self.reader.read_exact(&mut answer.body).unwrap();
        answer
    }

    /// Whether the server closes the connection without another byte. A reset does not count.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.reader.read(&mut [0; 1]), Ok(0))
    }

    /// Fills `buffer` with the next bytes.
    pub fn read_exact(&mut self, buffer: &mut [u8]) {
        assert!(self.try_read_exact(buffer));
    }

    /// The same; returns whether all bytes arrived.
    pub fn try_read_exact(&mut self, buffer: &mut [u8]) -> bool {
        self.reader.read_exact(buffer).is_ok()
    }

    /// Reads until the connection ends; returns how many bytes arrived.
    pub fn skip_rest(&mut self) -> u64 {
        let mut buffer = vec![0; 1 << 20];
        let mut skipped = 0;
        while let Ok(read @ 1..) = self.reader.read(&mut buffer) {
            skipped += read as u64;
        }
        skipped
    }

    /// `Some` if the server has closed the connection by now without another byte.
    pub fn has_ended(&mut self) -> Option<()> {
        self.stream.set_nonblocking(true).unwrap();
        let read = self.reader.read(&mut [0; 1]);
        self.stream.set_nonblocking(false).unwrap();
        matches!(read, Ok(0)).then_some(())
    }

    /// All bytes until the connection ends, by FIN or RST; panics if it doesn't end.
    pub fn read_rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        if let Err(error) = self.reader.read_to_end(&mut rest) {
            assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the connection has not ended");
        }
        rest
    }
}

/// How requests use connections. Tables of cases run in both modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    ConnectionPerRequest,
    OneConnection,
}

/// Requests to one server, in a [`Mode`].
pub struct Session {
    address: SocketAddr,
    mode: Mode,
    persistent: Option<Client>,
}

impl Session {
    /// Runs `test` in both modes.
    pub fn both(address: SocketAddr, test: impl Fn(&mut Session)) {
        for mode in [Mode::ConnectionPerRequest, Mode::OneConnection] {
            test(&mut Session { address, mode, persistent: None });
        }
    }

    /// A session for a few requests on one connection.
    pub fn first(address: SocketAddr) -> Self {
        Self { address, mode: Mode::OneConnection, persistent: None }
    }

    pub fn get(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.request("GET", target, fields)
    }

    pub fn request(&mut self, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        match self.mode {
            Mode::ConnectionPerRequest => {
                let mut client = Client::connect(self.address);
                let answer = client.request(method, target, &[fields, &[("Connection", "close")]].concat());
                assert_eq!(answer.field("connection"), Some("close"), "{method} {target}");
                assert!(client.is_closed(), "{method} {target}");
                Answer {
                    fields: answer.fields.into_iter().filter(|(name, _)| name != "Connection").collect(),
                    ..answer
                }
            }
            Mode::OneConnection => {
                let client = self.persistent.get_or_insert_with(|| Client::connect(self.address));
                let answer = client.request(method, target, fields);
                assert_eq!(answer.field("connection"), None, "{method} {target}");
                answer
            }
        }
    }
}

/// The path of a program. If it is missing, prints how to install it; panics if `FILMSTRIP_TEST_ALL` is set.
pub fn find_program(name: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    if found.is_none() {
        let how = if package.contains(':') { package.into() } else { format!("Debian: apt-get install {package}") };
        skip(&format!("{name} is not installed ({how})"));
    }
    found
}

/// Prints in one line why a test is skipped; panics if `FILMSTRIP_TEST_ALL` is set.
pub fn skip(reason: &str) {
    let line = format!("skipped: {reason}");
    assert!(std::env::var_os("FILMSTRIP_TEST_ALL").is_none(), "{line}");
    // Not by eprintln!, because the harness hides the output of passing tests.
    let _ = writeln!(std::io::stderr(), "{line}");
}
