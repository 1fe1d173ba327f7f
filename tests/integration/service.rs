//! filmstrip as a service: sockets and messages of systemd, the units, and `make install`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{self, Client, Folder, Program, film};

const REQUEST: &str = "GET /video/film.mp4 HTTP/1.1\r\nHost: nas\r\nConnection: close\r\n\r\n";

/// The program with `socket` as the descriptor that systemd hands over.
fn activated(socket: impl Into<OwnedFd>, folder: &Folder, options: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let hand_over = r#"exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$0" "$@""#;
    command.args(["-c", hand_over, env!("CARGO_BIN_EXE_filmstrip")]).arg(folder.path()).args(options);
    command.stdin(socket.into());
    command
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn a_socket_that_is_handed_over_replaces_the_options_and_outlives_the_program() {
    let film = film(20_000_000);
    let folder = Folder::new().with("film.mp4", &film);
    let (socket, address) = listener();
    let start = |options: &[&str]| {
        let mut command = activated(socket.try_clone().unwrap(), &folder, options);
        // Its port is in use, if it tried to listen there.
        command.args(["--port", &address.port().to_string()]);
        Program::start_command(command)
    };

    // A client that connects while nothing runs waits in the backlog.
    let mut early = Client::connect(address);
    early.send(REQUEST);
    let mut program = start(&["--bind", "127.0.0.1"]);
    assert_eq!(program.address, address, "the address is printed");
    assert!(early.read("GET").body == film);

    // A signal drains a running stream. The client that comes meanwhile is the next program's.
    let mut running = Client::connect(address);
    running.send(REQUEST);
    let mut head = [0; 1];
    running.stream.peek(&mut head).unwrap();
    program.signal(Signal::TERM);
    let handed_over = format!("/proc/{}/fd/3", program.child.id());
    support::eventually("it accepts no more", || fs::read_link(&handed_over).is_err());
    let mut next = Client::connect(address);
    next.send(REQUEST);
    assert!(running.read("GET").body == film);
    drop(running);
    assert_eq!(program.wait().code(), Some(0));

    let _program = start(&["--lan"]);
    assert!(next.read("GET").body == film);
}

#[test]
fn accepted_connections_have_the_options_of_the_servers_own() {
    let folder = Folder::new().with("film.mp4", "film");
    let (socket, address) = listener();
    let before = rustix::net::sockopt::tcp_nodelay(&socket).unwrap();
    let _program = Program::start_command(activated(socket.try_clone().unwrap(), &folder, &[]));
    let options = (
        before,
        rustix::net::sockopt::tcp_nodelay(&socket).unwrap(),
        rustix::net::sockopt::socket_keepalive(&socket).unwrap(),
        rustix::fs::fcntl_getfl(&socket).unwrap().contains(rustix::fs::OFlags::NONBLOCK),
    );
    assert_eq!(options, (false, true, true, true), "accepted sockets inherit them");
    assert_eq!(Client::get(address, "/video/film.mp4").body, b"film");
}

#[test]
fn an_ipv4_client_of_a_dual_stack_socket_is_logged_with_its_ipv4_address() {
    let folder = Folder::new().with("film.mp4", "film");
    let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None).unwrap();
    socket.set_only_v6(false).unwrap();
    socket.bind(&"[::]:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(1).unwrap();
    let program = Program::with_log(activated(socket, &folder, &[]));
    assert_eq!(
        Client::get(SocketAddr::from(([127, 0, 0, 1], program.address.port())), "/video/film.mp4").body,
        b"film"
    );
    support::eventually("the response is logged", || program.log().contains("] 127.0.0.1:"));
}

#[test]
fn anything_but_a_listening_tcp_socket_fails_the_start_with_one_line() {
    let folder = Folder::new();
    let (listening, address) = listener();
    let rows: [(&str, OwnedFd); 4] = [
        ("file", File::open("/dev/null").unwrap().into()),
        ("connected", TcpStream::connect(address).unwrap().into()),
        ("datagrams", UdpSocket::bind("127.0.0.1:0").unwrap().into()),
        ("unix", UnixListener::bind(folder.file("socket")).unwrap().into()),
    ];
    for (what, socket) in rows {
        let output = activated(socket, &folder, &[]).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{what}: {error}");
        assert!(
            error.starts_with("filmstrip: can't use what LISTEN_FDS hands over: fd 3 ") && error.lines().count() == 1,
            "{error}"
        );
        assert!(output.stdout.is_empty(), "{what}");
    }
    // Of two, the second is missing; another process is meant; it is no number; none is handed over.
    let rows = [("2", "$$", Some(1)), ("1", "1", None), ("1", "x", None), ("x", "$$", None), ("0", "$$", None)];
    for (count, pid, status) in rows {
        let mut command = Command::new("sh");
        let set = format!(r#"exec 3<&0 </dev/null; export LISTEN_FDS={count} LISTEN_PID={pid}; exec "$0" "$@""#);
        command.args(["-c", &set, env!("CARGO_BIN_EXE_filmstrip")]).arg(folder.path()).args(["--port", "0"]);
        command.stdin(OwnedFd::from(listening.try_clone().unwrap()));
        match status {
            Some(status) => {
                let output = command.output().unwrap();
                assert_eq!(output.status.code(), Some(status), "{count} {pid}: {output:?}");
                assert_eq!(output.stderr.iter().filter(|byte| **byte == b'\n').count(), 1, "{count} {pid}");
            }
            None => assert_ne!(Program::start_command(command).address, address, "{count} {pid}"),
        }
    }
}

#[test]
fn systemd_starts_it_at_the_first_connection() {
    let Some(activate) = support::find_program("systemd-socket-activate", "systemd") else { return };
    let folder = Folder::new().with("film.mp4", "film");
    // A free port: nothing else takes it within this moment.
    let (free, address) = listener();
    drop(free);
    let mut command = Command::new(activate);
    command.args(["--listen", &address.to_string(), env!("CARGO_BIN_EXE_filmstrip")]).arg(folder.path());
    let mut child = Stopping(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(child.0.stderr.take().unwrap()).lines();
    assert!(log.next().unwrap().unwrap().contains("Listening on"));
    assert_eq!(Client::get(address, "/video/film.mp4").body, b"film");
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, format!("http://{address}/\n"));
    assert!(child.stop(), "it ends with status 0");
}

/// A process that gets SIGTERM, also after a panic.
struct Stopping(Child);

impl Stopping {
    fn stop(&mut self) -> bool {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        self.0.wait().unwrap().success()
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            self.stop();
        }
    }
}

#[test]
fn a_service_manager_is_told_when_it_is_ready_and_when_it_stops() {
    let folder = Folder::new();
    let path = folder.file(".notify");
    let name = format!("filmstrip-test-{}", std::process::id());
    let rows = [
        (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
        (UnixDatagram::bind_addr(&UnixAddr::from_abstract_name(&name).unwrap()).unwrap(), format!("@{name}")),
    ];
    for (manager, address) in rows {
        manager.set_read_timeout(Some(support::PATIENCE)).unwrap();
        let message = || {
            let mut bytes = [0; 64];
            let length = manager.recv(&mut bytes).unwrap();
            String::from_utf8(bytes[..length].to_vec()).unwrap()
        };
        let mut command = Program::command();
        command.arg(folder.path()).args(["--port", "0"]).env("NOTIFY_SOCKET", &address);
        let mut program = Program::start_command(command);
        assert_eq!(message(), "READY=1", "{address}");
        assert_eq!(Client::connect(program.address).stream.peer_addr().unwrap(), program.address);
        program.signal(Signal::TERM);
        assert_eq!(message(), "STOPPING=1", "{address}");
        assert!(program.wait().success());
    }
}

#[test]
fn a_service_manager_that_is_gone_or_busy_holds_up_nothing() {
    let folder = Folder::new().with("film.mp4", "film");
    let path = folder.file(".notify");
    let busy = UnixDatagram::bind(&path).unwrap();
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    while sender.send_to(b"x", &path).is_ok() {}
    for address in [path.to_str().unwrap(), "/nonexistent/socket", "@", "", "relative"] {
        let mut command = Program::command();
        command.arg(folder.path()).args(["--port", "0"]).env("NOTIFY_SOCKET", address);
        let mut program = Program::start_command(command);
        assert_eq!(Client::get(program.address, "/video/film.mp4").body, b"film", "{address:?}");
        program.signal(Signal::TERM);
        assert!(program.wait().success(), "{address:?}");
    }
    drop(busy);
}

/// `make` with a profile whose program the tests have built already.
fn make(targets: &[&str], root: &Path) {
    let mut command = Command::new("make");
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(targets).args(["PROFILE=dev", "PREFIX=/usr"]);
    let output = command.arg(format!("DESTDIR={}", root.display())).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn text(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn make_installs_the_program_its_manual_completions_and_units_and_removes_them() {
    let tools = [("make", "make"), ("man", "man-db"), ("systemd-analyze", "systemd")];
    if tools.iter().any(|(name, package)| support::find_program(name, package).is_none()) {
        return;
    }
    let root = Folder::new();
    make(&["build", "install"], root.path());
    let installed = |name: &str| root.file("usr").join(name);
    let files = [
        "bin/filmstrip",
        "lib/systemd/system/filmstrip.service",
        "lib/systemd/system/filmstrip.socket",
        "share/bash-completion/completions/filmstrip",
        "share/fish/vendor_completions.d/filmstrip.fish",
        "share/man/man1/filmstrip.1",
        "share/zsh/site-functions/_filmstrip",
    ];
    for file in files {
        assert!(installed(file).is_file(), "{file}");
    }

    let help = text(Command::new(installed("bin/filmstrip")).arg("--help"));
    let manual = installed("share/man/man1/filmstrip.1");
    let page = text(Command::new("man").args(["--warnings", "-l"]).arg(&manual).env("MANWIDTH", "100"));
    let is_completion = |file: &str| ["bash", "fish", "zsh"].iter().any(|shell| file.contains(shell));
    let completions = files.map(installed).map(|file| fs::read(file).unwrap());
    let options = help.split_whitespace().filter_map(|word| word.strip_prefix("--"));
    for option in options.map(|option| option.trim_end_matches([',', '.'])) {
        assert!(page.contains(&format!("--{option}")), "the manual page doesn't know --{option}\n{page}");
        for (file, completion) in files.iter().zip(&completions).filter(|(file, _)| is_completion(file)) {
            assert!(String::from_utf8_lossy(completion).contains(option), "{file} doesn't know --{option}");
        }
    }
    units_are_right_and_safe(&installed("lib/systemd/system"), &installed("bin/filmstrip"), &installed("share/man"));

    make(&["uninstall"], root.path());
    for file in files {
        assert!(!installed(file).exists(), "{file}");
    }
}

/// What systemd finds in the units, with the program and its manual page where they are here.
fn units_are_right_and_safe(units: &Path, program: &Path, manual: &Path) {
    let (service, socket) = (units.join("filmstrip.service"), units.join("filmstrip.socket"));
    let unit = fs::read_to_string(&service).unwrap();
    let start = format!("ExecStart={} ", program.display());
    fs::write(&service, unit.replace("ExecStart=filmstrip ", &start)).unwrap();
    let mut verify = Command::new("systemd-analyze");
    let output = verify.arg("verify").args([&service, &socket]).env("MANPATH", manual).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
    text(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=20"]).arg(&service));
}
