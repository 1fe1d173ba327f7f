//! Malformed, ambiguous and endless requests: each gets its response, and no other client is affected.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{self, Client, Folder, PATIENCE, Program, Running, film};

fn get(lines: &str) -> String {
    format!("GET /video/film.mp4 HTTP/1.1\r\nHost: nas\r\n{lines}\r\n")
}

fn is_served(address: SocketAddr) -> bool {
    Client::get(address, "/video/film.mp4").status == 200
}

#[test]
fn each_bad_request_gets_one_response_and_ends_its_connection() {
    let folder = Folder::new().with("film.mp4", "film");
    let server = Running::over(&folder);
    let smuggled = get("");
    let long = "x".repeat(9000);
    let rows: Vec<(String, u16)> = vec![
        (get("Content-Length: 5\r\nContent-Length: 6\r\n"), 400),
        (get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400),
        (get("Transfer-Encoding: xchunked\r\n"), 501),
        (get("Transfer-Encoding: chunked, identity\r\n"), 501),
        (get("Host: other\r\n"), 400),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        (get("A: b\r\n c\r\n"), 400),
        (get("A: b\rX: y\r\n"), 400),
        ("GET /video/film.mp4 HTTP/1.1\nHost: nas\n\n".into(), 400),
        (get("A : b\r\n"), 400),
        ("GET /video/film.mp4\r\n".into(), 400),
        ("GET nas HTTP/1.1\r\nHost: nas\r\n\r\n".into(), 400),
        ("GET * HTTP/1.1\r\nHost: nas\r\n\r\n".into(), 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 505),
        ("GET / HTTP/2.0\r\nHost: nas\r\n\r\n".into(), 505),
        ("\x16\x03\x01\0\u{5}hello".into(), 400),
        (format!("GET /{long} HTTP/1.1\r\nHost: nas\r\n\r\n"), 414),
        (get(&format!("A: {long}\r\n")), 431),
        (get(&"A: b\r\n".repeat(70)), 431),
        ("\r\n".repeat(9), 400),
        // The bodies of these look like requests.
        (get(&format!("Content-Length: {}\r\n", smuggled.len())), 200),
        (get("Transfer-Encoding: chunked\r\n"), 200),
        (get("Content-Length: 7\r\n").replace("GET", "POST"), 405),
        (get("Content-Length: 7\r\n").replace("GET", "BREW"), 501),
    ];
    for (request, status) in rows {
        let shown: String = request.chars().take(90).collect();
        let mut client = Client::connect(server.address);
        client.send(request + &smuggled);
        let answer = client.read("GET");
        assert_eq!((answer.status, answer.field("connection")), (status, Some("close")), "{shown:?}");
        assert!(client.is_closed(), "a second response: {shown:?}");
    }
    assert!(is_served(server.address));
}

#[test]
fn well_formed_requests_that_fail_keep_the_connection() {
    let folder = Folder::new().with("film.mp4", "film");
    let server = Running::over(&folder);
    let mut client = Client::connect(server.address);
    for (method, target, field, status) in [
        ("GET", "/none", None, 404),
        ("GET", "/video/film.mp4", Some(("Range", "bytes=9-")), 416),
        ("GET", "/video/film.mp4", Some(("If-Match", "\"x\"")), 412),
        ("GET", "/video/%zz", None, 400),
        ("DELETE", "/video/film.mp4", None, 405),
        ("get", "/video/film.mp4", None, 501),
        ("CONNECT", "nas:443", None, 405),
        ("OPTIONS", "*", None, 204),
        ("GET", "http://other/video/film.mp4", None, 200),
    ] {
        let answer = client.request(method, target, field.as_slice());
        assert_eq!((answer.status, answer.field("connection")), (status, None), "{method} {target}");
        assert_eq!(answer.field("allow").is_some(), matches!(status, 405 | 204), "{method} {target}");
    }
}

#[test]
fn a_client_that_keeps_sending_gets_its_response() {
    let folder = Folder::new().with("film.mp4", "film");
    let server = Running::over(&folder);
    let mut client = Client::connect(server.address);
    client.send(get("Content-Length: 200000\r\n").replace("GET", "POST"));
    client.send(vec![b'x'; 200_000]);
    assert_eq!(client.read("POST").status, 405);
    assert!(client.is_closed(), "closed by FIN, not by RST");
}

/// Sends `start` and then `bytes` repeatedly, until the server ends the connection or has taken `enough` bytes.
fn flood(address: SocketAddr, start: &str, bytes: &[u8], enough: usize) -> (usize, TcpStream) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(start.as_bytes()).unwrap();
    let mut sent = 0;
    while sent < enough {
        match stream.write(bytes) {
            Ok(written) => sent += written,
            Err(_) => break,
        }
    }
    (sent, stream)
}

#[test]
fn endless_requests_end_and_memory_stays_flat() {
    let folder = Folder::new().with("film.mp4", film(1_000_000));
    let program = Program::start(folder.path(), &["--stall-timeout", "1s", "--head-timeout", "2s"]);
    for _ in 0..20 {
        assert!(is_served(program.address));
    }
    let before = program.status("VmRSS");
    let enough = 1 << 30;
    let rows: [(&str, String, Vec<u8>); 7] = [
        ("one line", "GET /".into(), vec![b'x'; 65_536]),
        ("a field", "GET / HTTP/1.1\r\nA: ".into(), vec![b'x'; 65_536]),
        ("fields", "GET / HTTP/1.1\r\n".into(), b"A: b\r\n".repeat(10_000)),
        ("blank lines", String::new(), b"\r\n".repeat(30_000)),
        ("a chunked body", get("Transfer-Encoding: chunked\r\n"), b"fff0\r\n".repeat(10_000)),
        ("junk after a request", get(""), vec![0; 65_536]),
        ("requests of a client that reads nothing", get(""), get("").repeat(1000).into_bytes()),
    ];
    for (what, start, bytes) in rows {
        let (sent, stream) = flood(program.address, &start, &bytes, enough);
        assert!(sent < enough, "{what}: the server took {sent} bytes");
        drop(stream);
    }
    support::eventually("surplus workers end", || program.status("Threads") <= 9);
    let grown = program.status("VmRSS").saturating_sub(before);
    assert!(grown < 1024, "memory grew by {grown} KiB");
    assert!(is_served(program.address));
}

/// What the system takes of a response at the last moment doesn't start the clock again, nor does the next response.
#[test]
fn a_client_that_pipelines_and_reads_nothing_is_disconnected_after_one_stall_timeout() {
    let folder = Folder::new().with("film.mp4", "film");
    let program = Program::start(folder.path(), &["--stall-timeout", "2s"]);
    let mut stream = TcpStream::connect(program.address).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let requests = format!("GET /health HTTP/1.1\r\nHost: nas\r\nA: {}\r\n\r\n", "x".repeat(900)).repeat(200);
    // The clock starts when the buffers are full, after the last of these.
    let mut full_since = Instant::now();
    while stream.write_all(requests.as_bytes()).is_ok() {
        full_since = Instant::now();
    }
    support::eventually("it is disconnected", || {
        Client::get(program.address, "/metrics").text().contains("filmstrip_closes_total{reason=\"stalled\"} 1")
    });
    let waited = full_since.elapsed();
    assert!(waited < Duration::from_millis(3500), "{waited:?} with a timeout of 2 s");
}

#[test]
fn two_hundred_slow_heads_and_stalled_clients_delay_no_other_client() {
    let folder = Folder::new().with("film.mp4", "film").with("long.mp4", film(20_000_000));
    let options = ["--max-connections-per-ip", "0", "--head-timeout", "5s", "--stall-timeout", "2s"];
    let program = Program::start(folder.path(), &options);
    assert!(is_served(program.address));
    let descriptors = program.descriptors();
    let connect = |request: &str| {
        let mut stream = TcpStream::connect(program.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let mut slow: Vec<TcpStream> = (0..200).map(|_| connect("GET /video/film.mp4 HTTP/1.1\r\nA: ")).collect();
    support::eventually("their connections are accepted", || program.descriptors() >= descriptors + 200 - 2);
    support::eventually("an incomplete head takes no thread", || program.status("Threads") <= 16);
    assert!(program.descriptors() >= descriptors + 200 - 2, "it doesn't just wait for their deadline");
    let long = get("").replace("film", "long");
    let stalled: Vec<TcpStream> = (0..200).map(|_| connect(&long)).collect();
    // The first count may include a connection that was about to close.
    support::eventually("all of them are accepted", || program.descriptors() >= descriptors + 600 - 2);
    assert!(program.status("Threads") <= 400 + 16, "no more than one for each connection");
    assert!(is_served(program.address));
    // They send a byte at a time as long as they can; the deadlines end them nevertheless.
    support::eventually("all of them are closed", || {
        slow.retain_mut(|stream| stream.write_all(b"x").is_ok());
        std::thread::sleep(Duration::from_millis(50));
        slow.is_empty() && program.descriptors() <= descriptors + 4
    });
    assert!(is_served(program.address));
    drop(stalled);
}

#[test]
fn clients_that_reset_or_disconnect_leak_no_resources() {
    let folder = Folder::new().with("film.mp4", film(5_000_000));
    let program = Program::start(folder.path(), &[]);
    assert!(is_served(program.address));
    let descriptors = program.descriptors();
    for round in 0..500 {
        let mut stream = TcpStream::connect(program.address).unwrap();
        match round % 5 {
            0 => socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
            1 => stream.write_all(b"GET /vi").unwrap(),
            2 => {
                stream.write_all(get("").as_bytes()).unwrap();
                stream.read_exact(&mut [0; 100]).unwrap();
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            }
            3 => stream.write_all(get("").repeat(3).as_bytes()).unwrap(),
            _ => stream.shutdown(Shutdown::Both).unwrap(),
        }
    }
    support::eventually("threads end and descriptors are closed", || {
        program.status("Threads") <= 9 && program.descriptors() <= descriptors + 1
    });
    assert!(is_served(program.address));
}

#[test]
fn no_request_forges_a_line_of_the_log() {
    let folder = Folder::new().with("film.mp4", "film");
    let mut command = Program::serving(folder.path(), &[]);
    command.env_remove("RUST_LOG");
    let mut program = Program::with_log(command);
    for request in ["GET /%0a10.0.0.1:1%20%22GET HTTP/1.1\r\nHost: nas\r\n\r\n", "GET /\x08\x1b[2K\u{202e}\x00\r\n"] {
        let mut client = Client::connect(program.address);
        client.send(request);
        client.stream.shutdown(Shutdown::Write).unwrap();
        client.read_rest();
    }
    program.signal(rustix::process::Signal::TERM);
    program.wait();
    let log = program.log();
    let access = log.lines().filter(|line| line.contains("filmstrip::access")).count();
    assert!(access == 2 && log.lines().all(|line| line.is_ascii() && line.starts_with('[')), "{log}");
}
