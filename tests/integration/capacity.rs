//! The limits: connections, descriptors and threads run out, and connections beyond the limit are handled.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{self, Client, Folder, Program, Running, film};

const GET: &str = "GET /video/film.mp4 HTTP/1.1\r\nHost: nas\r\n\r\n";

fn ask(address: SocketAddr) -> u16 {
    let mut client = Client::connect(address);
    client.send(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    client.read_head().map_or(0, |answer| answer.status)
}

/// A client that has read the head of a film's response and then stops reading.
fn streaming(address: SocketAddr) -> Client {
    let mut client = Client::connect(address);
    client.send(GET);
    assert_eq!(client.read_head().unwrap().status, 200);
    client
}

fn long_film() -> Folder {
    Folder::new().with("film.mp4", film(30_000_000))
}

/// The program with `limit` set by the shell: `ulimit -n 64`.
fn limited(folder: &Folder, limit: &str, options: &[&str]) -> Program {
    let mut command = Command::new("sh");
    let script = format!("{limit}; exec \"$0\" \"$@\"");
    command
        .args(["-c", &script, env!("CARGO_BIN_EXE_filmstrip")])
        .arg(folder.path())
        .args(["--port", "0"])
        .args(options);
    Program::start_command(command)
}

#[test]
fn more_clients_than_descriptors_stop_nothing() {
    let folder = Folder::new().with("film.mp4", "film");
    let program = limited(&folder, "ulimit -n 64", &[]);
    let clients: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(program.address).unwrap();
            let _ = stream.write_all(GET.as_bytes());
            stream
        })
        .collect();
    drop(clients);
    support::eventually("the next request is served", || ask(program.address) == 200);
}

#[test]
fn waiting_connections_take_no_thread() {
    let folder = Folder::new().with("film.mp4", "film");
    let program = Program::start(folder.path(), &["--max-connections", "16", "--max-connections-per-ip", "0"]);
    let clients: Vec<TcpStream> = (0..500)
        .map(|_| {
            let mut stream = TcpStream::connect(program.address).unwrap();
            let _ = stream.write_all(GET.as_bytes());
            stream
        })
        .collect();
    assert!(program.status("Threads") <= 16 + 8, "waiting connections take no thread");
    drop(clients);
    support::eventually("the next request is served", || ask(program.address) == 200);
}

#[test]
fn an_idle_connection_is_evicted_and_no_client_gets_a_503() {
    let folder = Folder::new().with("film.mp4", "film");
    let server = Running::with(&folder, |config| config.max_connections = 4);
    let mut idle: Vec<Client> = (0..4)
        .map(|_| {
            let mut client = Client::connect(server.address);
            client.send(GET);
            assert_eq!(client.read("GET").status, 200);
            client
        })
        .collect();
    let started = Instant::now();
    for number in 0..4 {
        let mut client = Client::connect(server.address);
        client.send(GET);
        assert_eq!(client.read("GET").status, 200, "new connection {number}");
        idle.push(client);
    }
    assert!(started.elapsed() < Duration::from_secs(3), "no connection waited in the backlog");
    // Which ones depends on when each worker parked its connection. `poller::tests` check that the one idle longest is
    // evicted.
    support::eventually("four of them are evicted", || idle.iter_mut().filter_map(Client::has_ended).count() == 4);
}

#[test]
fn a_new_connection_waits_in_the_backlog_and_is_admitted() {
    let folder = long_film();
    let server = Running::with(&folder, |config| config.max_connections = 2);
    let (_one, two) = (streaming(server.address), streaming(server.address));
    let mut client = Client::connect(server.address);
    client.send(GET);
    drop(two);
    assert_eq!(client.read_head().unwrap().status, 200);
}

#[test]
fn a_new_connection_gets_a_503_after_three_seconds_in_the_backlog() {
    let folder = long_film();
    let server = Running::with(&folder, |config| config.max_connections = 2);
    let _streams = [streaming(server.address), streaming(server.address)];
    let started = Instant::now();
    let mut client = Client::connect(server.address);
    client.send(GET);
    let answer = client.read("GET");
    assert!(started.elapsed() > Duration::from_secs(2), "it waited");
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("3")));
    assert!(client.is_closed());
}

#[test]
fn beyond_the_limit_each_client_gets_a_503_after_three_seconds_and_the_accept_loop_goes_on() {
    let folder = long_film();
    let options = ["--max-connections", "16", "--max-connections-per-ip", "0"];
    let program = Program::start(folder.path(), &options);
    let started = Instant::now();
    // The kernel completes each handshake at once.
    let mut clients: Vec<Client> = (0..100)
        .map(|_| {
            let mut client = Client::connect(program.address);
            client.send(GET);
            client
        })
        .collect();
    let mut statuses = Vec::new();
    for client in &mut clients {
        let status = client.read_head().map_or(0, |head| head.status);
        assert!(status != 503 || started.elapsed() > Duration::from_secs(2), "it waited");
        statuses.push(status);
    }
    let count = |status| statuses.iter().filter(|&&known| known == status).count();
    assert_eq!((count(200), count(503)), (16, 84), "{statuses:?}");
    drop(clients);
    support::eventually("the next request is served", || ask(program.address) == 200);
}

/// A client with another address of this machine.
fn connect_from(source: [u8; 4], server: SocketAddr) -> Client {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&server.into()).unwrap();
    Client::over(socket.into())
}

#[test]
fn an_address_at_its_limit_is_refused_at_once_and_delays_no_other_address() {
    let folder = long_film();
    let server = Running::with(&folder, |config| config.max_connections_per_ip = 2);
    let _streams = [streaming(server.address), streaming(server.address)];
    let started = Instant::now();
    for _ in 0..20 {
        let mut client = Client::connect(server.address);
        client.send(GET);
        let answer = client.read("GET");
        assert_eq!((answer.status, answer.field("retry-after")), (503, Some("3")));
    }
    let mut other = connect_from([127, 0, 0, 2], server.address);
    other.send(GET);
    assert_eq!(other.read_head().unwrap().status, 200);
    assert!(started.elapsed() < Duration::from_secs(2), "nobody waited");
}

#[test]
fn an_address_at_its_limit_evicts_its_own_idle_connection() {
    let folder = Folder::new().with("film.mp4", "film");
    let server = Running::with(&folder, |config| config.max_connections_per_ip = 1);
    let idle = |mut client: Client| {
        client.send(GET);
        assert_eq!(client.read("GET").status, 200);
        client
    };
    let mut other = idle(connect_from([127, 0, 0, 2], server.address));
    let mut own = idle(Client::connect(server.address));
    support::eventually("its idle connection is evicted", || {
        let mut client = Client::connect(server.address);
        client.send(GET);
        // Until its worker has parked the other one, it is not idle.
        client.read("GET").status == 200
    });
    assert!(own.is_closed());
    assert_eq!(other.has_ended(), None);
}

#[test]
fn an_address_at_its_limit_takes_no_place_that_becomes_free() {
    let folder = long_film();
    let server = Running::with(&folder, |config| {
        config.max_connections = 2;
        config.max_connections_per_ip = 1;
    });
    let _streams = [streaming(server.address)];
    let mut second = connect_from([127, 0, 0, 2], server.address);
    second.send(GET);
    assert_eq!(second.read_head().unwrap().status, 200);
    let mut refused: Vec<Client> = (0..20).map(|_| Client::connect(server.address)).collect();
    let mut waiting = connect_from([127, 0, 0, 3], server.address);
    refused.iter_mut().chain([&mut waiting]).for_each(|client| client.send(GET));
    drop(second);
    assert_eq!(waiting.read_head().unwrap().status, 200);
    assert!(refused.iter_mut().all(|client| client.read("GET").status == 503));
}

#[test]
fn without_descriptors_an_existing_file_is_503_and_never_404() {
    let folder = long_film();
    let program = Program::start(folder.path(), &["--max-connections-per-ip", "0"]);
    let mut kept = Client::connect(program.address);
    kept.send("HEAD /health HTTP/1.1\r\nHost: nas\r\n\r\n");
    assert_eq!(kept.read("HEAD").status, 200);
    support::eventually("the look for videos at the start has ended", || !program.has_thread("startup check"));
    // Set from outside while it runs, so that its own limits do not account for it.
    let pid = rustix::process::Pid::from_child(&program.child);
    let allow = |descriptors: u64| {
        let maximum = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
        let limit = rustix::process::Rlimit { current: Some(descriptors), maximum };
        rustix::process::prlimit(Some(pid), rustix::process::Resource::Nofile, limit).unwrap();
    };
    allow(program.next_descriptor());
    for _ in 0..10 {
        kept.send(GET.replace("GET", "HEAD"));
        assert_eq!(kept.read("HEAD").status, 503);
    }
    // No connection can be accepted; that must not cost processor time.
    let _refused: Vec<TcpStream> = (0..10).map(|_| TcpStream::connect(program.address).unwrap()).collect();
    let before = program.processor_time();
    std::thread::sleep(Duration::from_secs(1));
    let spent = program.processor_time() - before;
    assert!(spent < Duration::from_millis(300), "{spent:?} of a second");
    allow(1000);
    support::eventually("the next request is served", || ask(program.address) == 200);
}

#[test]
fn a_stop_while_everything_is_full_ends() {
    let folder = long_film();
    let server = Running::with(&folder, |config| {
        config.max_connections = 4;
        config.drain_timeout = Duration::from_millis(200);
    });
    let _streams: Vec<Client> = (0..4).map(|_| streaming(server.address)).collect();
    let mut waiting = Client::connect(server.address);
    waiting.send(GET);
    let stopped = server.stop();
    assert_eq!(stopped.aborted, 4);
    assert!(waiting.read_head().is_none(), "nothing answers a connection that was not accepted");
}

#[test]
fn a_stop_during_a_flood_ends() {
    let folder = Folder::new().with("film.mp4", "film");
    let server = Running::over(&folder);
    let address = server.address;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || {
                while let Ok(mut stream) = TcpStream::connect(address) {
                    let _ = stream.write_all(GET.as_bytes());
                }
            });
        }
        std::thread::sleep(Duration::from_millis(200));
        let begun = Instant::now();
        assert_eq!(server.stop().aborted, 0);
        assert!(begun.elapsed() < Duration::from_secs(10), "no drain timeout was waited for");
    });
    assert!(TcpStream::connect(address).is_err(), "nothing listens any more");
}
