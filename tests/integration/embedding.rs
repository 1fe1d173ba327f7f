//! filmstrip as a library: `Site::respond` behind a tiny_http server, and filmstrip's own server in another program.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use filmstrip::{Library, Site};

use crate::support::{self, Client, Folder, Program, film};

/// A tiny_http server that passes each request to filmstrip on a new thread.
fn tiny_http_over(folder: &Folder) -> (Arc<tiny_http::Server>, std::net::SocketAddr) {
    let site = Arc::new(Site::new(Library::open(folder.path()).unwrap()));
    let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
    let address = server.server_addr().to_ip().unwrap();
    let requests = Arc::clone(&server);
    std::thread::spawn(move || {
        for request in requests.incoming_requests() {
            let site = Arc::clone(&site);
            std::thread::spawn(move || site.respond(request));
        }
    });
    (server, address)
}

#[test]
fn respond_sends_the_same_responses_as_the_server() {
    let film = film(1_000_000);
    let folder = Folder::new().with("a b.mp4", &film);
    let (server, address) = tiny_http_over(&folder);
    let own = support::Running::over(&folder);
    let rows = [
        ("GET", "/video/a%20b.mp4", None),
        ("HEAD", "/video/a%20b.mp4", None),
        ("GET", "/video/a%20b.mp4", Some("bytes=5-9")),
        ("GET", "/video/a%20b.mp4", Some("bytes=1000000-")),
        ("GET", "/video/../x", None),
        ("GET", "/video/%zz", None),
        ("GET", "/health", None),
    ];
    for (method, target, range) in rows {
        let field = range.map(|range| ("Range", range));
        let ask = |address| {
            let mut answer = Client::connect(address).request(method, target, field.as_slice());
            answer.fields.retain(|(name, _)| name != "Date");
            answer
        };
        assert!(ask(address) == ask(own.address), "{method} {target}");
    }
    server.unblock();
}

#[test]
fn respond_keeps_the_connection_for_the_next_request() {
    let folder = Folder::new().with("a.mp4", film(100_000));
    let (server, address) = tiny_http_over(&folder);
    let mut client = Client::connect(address);
    for _ in 0..3 {
        assert!(client.ask("/video/a.mp4").body == film(100_000));
    }
    server.unblock();
}

/// The path of an example; cargo builds the examples with the tests.
fn example(name: &str) -> PathBuf {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_filmstrip"));
    program.parent().unwrap().join("examples").join(name)
}

#[test]
fn the_example_behind_tiny_http_serves_a_film() {
    let film = film(300_000);
    let folder = Folder::new().with("a.mp4", &film);
    let mut command = Command::new(example("embed"));
    command.arg(folder.path());
    let program = Program::start_command(command);
    let mut client = Client::connect(program.address);
    for _ in 0..2 {
        assert!(client.ask("/video/a.mp4").body == film);
    }
    assert_eq!(client.ask("/").text(), "This is the program's own page.\n");
}

#[test]
fn the_example_with_its_own_server_stops_after_one_request() {
    let folder = Folder::new();
    let output = Command::new(example("own_server")).arg(folder.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.starts_with("HTTP/1.1 200 OK"), "{text}");
    assert!(text.ends_with("stopped; connections aborted: 0\n"), "{text}");
}
