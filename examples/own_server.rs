//! filmstrip's own server in another program, on a free port, stopped after one request.
//!
//! `cargo run --example own_server -- videos`

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use filmstrip::{Config, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args_os().nth(1).unwrap_or_else(|| "videos".into());
    let server = Server::bind(Config { dir: dir.into(), port: 0, ..Config::default() })?;
    let (address, handle) = (server.local_addr(), server.handle());
    let running = thread::spawn(move || server.run());

    let mut client = TcpStream::connect(address)?;
    client.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    println!("{answer}");

    handle.stop();
    let stopped = running.join().map_err(|_| "the server panicked")?;
    println!("stopped; connections aborted: {}", stopped.aborted);
    Ok(())
}
