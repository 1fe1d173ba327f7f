//! The program's interface: arguments, standard streams, signals, exit statuses.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Output, Stdio};

use rustix::process::Signal;

use crate::support::{self, Client, Folder, Program, film};

fn output(arguments: &[&str]) -> Output {
    Program::command().args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_failed_start_prints_one_line_and_exits_with_status_1() {
    let folder = Folder::new().with("file", "");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (dir, file, none) = (folder.path().to_str().unwrap(), folder.file("file"), folder.file("none"));
    let rows: [(&[&str], &str); 4] = [
        (&[none.to_str().unwrap()], "there is no folder"),
        (&[file.to_str().unwrap()], "is not a folder"),
        (&[dir, "--port", &port], "is in use"),
        (&[dir, "--bind", "192.0.2.1"], "is not an address of this machine"),
    ];
    for (arguments, want) in rows {
        let output = output(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.starts_with("filmstrip: ") && error.contains(want) && error.lines().count() == 1, "{error}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn usage_errors_exit_with_status_2_help_and_version_with_0() {
    assert_eq!(output(&["--nonsense"]).status.code(), Some(2));
    assert_eq!(output(&["--chunk-size", "0"]).status.code(), Some(2));
    let version = output(&["--version"]);
    assert_eq!(
        (version.status.code(), text(&version.stdout)),
        (Some(0), format!("filmstrip {}\n", env!("CARGO_PKG_VERSION")))
    );
    let help = text(&output(&["--help"]).stdout);
    assert!(help.contains("[OPTIONS] [DIR]"), "{help}");
    let readme = include_str!("../../README.md");
    let words = help.split_whitespace().map(|word| word.trim_end_matches([',', '.']));
    for option in words.filter(|word| word.starts_with("--")) {
        assert!(readme.contains(option), "the README doesn't know {option}");
    }
}

#[test]
fn every_address_is_printed_on_a_line_of_its_own() {
    let folder = Folder::new();
    let mut command = Program::command();
    command.arg(folder.path()).args(["-p", "0", "-b", "127.0.0.1", "-b", "::1"]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for start in ["http://127.0.0.1:", "http://[::1]:"] {
        let line = lines.next().unwrap().unwrap();
        assert!(line.starts_with(start) && line.ends_with('/'), "{line}");
        let address = line.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
        assert_eq!(Client::get(address, "/health").status, 200);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_signal_drains_and_ends_with_status_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let film = film(20_000_000);
        let folder = Folder::new().with("film.mp4", &film);
        let mut program = Program::start(folder.path(), &[]);
        let mut client = Client::requesting(program.address, "/video/film.mp4");
        client.stream.read_exact(&mut [0; 1]).unwrap();
        program.signal(signal);
        support::eventually("the listener is closed", || std::net::TcpStream::connect(program.address).is_err());
        assert!(client.read_rest().ends_with(&film[film.len() - 100..]));
        assert_eq!(program.wait().code(), Some(0));
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    let folder = Folder::new().with("film.mp4", film(20_000_000));
    let mut program = Program::start(folder.path(), &["--drain-timeout", "10m"]);
    let mut client = Client::requesting(program.address, "/video/film.mp4");
    client.stream.read_exact(&mut [0; 1]).unwrap();
    program.signal(Signal::TERM);
    support::eventually("the listener is closed", || std::net::TcpStream::connect(program.address).is_err());
    program.signal(Signal::TERM);
    assert_eq!(program.wait().code(), Some(0));
}

#[test]
fn standard_streams_that_are_closed_or_full_end_nothing() {
    let folder = Folder::new().with("film.mp4", "film");
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for broken in ["full", "closed"] {
        let mut command = Program::command();
        command.arg(folder.path()).args(["--port", &port.port().to_string()]);
        let (out, err) = match broken {
            "full" => (full(), full()),
            _ => (Stdio::piped(), Stdio::piped()),
        };
        let mut child = command.stdout(out).stderr(err).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        support::eventually("it listens", || std::net::TcpStream::connect(port).is_ok());
        for _ in 0..20 {
            assert_eq!(Client::get(port, "/video/film.mp4").body, b"film", "{broken}");
        }
        assert!(child.try_wait().unwrap().is_none(), "{broken}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn the_log_has_one_line_per_response_and_follows_rust_log() {
    let folder = Folder::new().with("film.mp4", "film");
    for (filter, lines) in [("info", 2), ("filmstrip::access=off", 0)] {
        let mut command = Program::command();
        command.arg(folder.path()).args(["--port", "0"]).env("RUST_LOG", filter).stderr(Stdio::piped());
        let mut program = Program::start_command(command);
        let mut client = Client::connect(program.address);
        client.send("GET /video/film.mp4 HTTP/1.1\r\nHost: nas\r\n\r\nGET /\x1b[2J\"x HTTP/1.1\r\nHost: nas\r\n\r\n");
        assert_eq!(client.read("GET").status, 200);
        assert_eq!(client.read("GET").status, 400);
        assert!(client.is_closed());
        program.signal(Signal::TERM);
        assert!(program.wait().success());
        let log = std::io::read_to_string(program.child.stderr.take().unwrap()).unwrap();
        let access: Vec<&str> = log.lines().filter(|line| line.contains("filmstrip::access")).collect();
        assert_eq!(access.len(), lines, "{log}");
        if lines > 0 {
            assert!(access[0].contains("\"GET /video/film.mp4 HTTP/1.1\" 200 4/4 "), "{log}");
            assert!(
                access[1].contains(r#""GET /\x1b[2J\"x HTTP/1.1" 400 "#) && access[1].ends_with("(malformed request)")
            );
        }
    }
}

#[test]
fn a_start_logs_who_can_connect_and_whether_there_are_videos() {
    let (empty, full) = (Folder::new().with("notes.txt", ""), Folder::new().with("show/film.mp4", "film"));
    let rows = [(&empty, "127.0.0.1", true, true), (&full, "::1", true, false), (&full, "0.0.0.0", false, false)];
    for (folder, bind, is_alone, is_empty) in rows {
        let mut command = Program::command();
        command.arg(folder.path()).args(["--port", "0", "--bind", bind]);
        let log = folder.file("log");
        let mut child = command.stdout(Stdio::piped()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().starts_with("http://"));
        let said = |what: &str| std::fs::read_to_string(&log).unwrap().contains(what);
        let missing = "No videos in ";
        if is_empty {
            support::eventually("it says so", || said(missing));
        }
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
        assert!(child.wait().unwrap().success());
        assert!(lines.next().is_none(), "one line for each address, and no other");
        assert_eq!((said("only this machine can connect"), said(missing)), (is_alone, is_empty), "{bind}");
    }
}

#[test]
fn a_film_streams_with_flat_memory() {
    let folder = Folder::new().with("big.mkv", "");
    File::options().write(true).open(folder.file("big.mkv")).unwrap().set_len(1 << 30).unwrap();
    let program = Program::start(folder.path(), &["--chunk-size", "65536"]);
    let mut client = Client::connect(program.address);
    client.send_request("GET", "/video/big.mkv", &[("Connection", "close")]);
    assert_eq!(client.read_head().unwrap().field("content-length"), Some("1073741824"));
    assert_eq!(client.skip_rest(), 1 << 30);
    let peak = program.status("VmHWM");
    assert!(peak < 16 * 1024, "peak memory {peak} KiB");
}
