//! A program with its own `tiny_http::Server`: the accept loop hands each request to a thread pool, and filmstrip
//! responds to those below `/video/`.
//!
//! `cargo run --example embed -- videos 127.0.0.1:8000`

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use filmstrip::{Library, Site};
use tiny_http::{Request, Response, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "videos".into());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".into());

    let site = Arc::new(Site::new(Library::open(folder)?));
    let server = Server::http(address).map_err(|error| error.to_string())?;
    println!("http://{}/", server.server_addr());

    let (queue, requests) = mpsc::channel::<Request>();
    let requests = Arc::new(Mutex::new(requests));
    for _ in 0..8 {
        let (site, requests) = (Arc::clone(&site), Arc::clone(&requests));
        thread::spawn(move || {
            // One worker holds the lock and waits for a request; the others wait for the lock.
            while let Ok(request) = { requests.lock().unwrap_or_else(PoisonError::into_inner).recv() } {
                let outcome = match request.url().starts_with("/video/") {
                    true => site.respond(request),
                    false => request.respond(Response::from_string("This is the program's own page.\n")),
                };
                if let Err(error) = outcome {
                    eprintln!("response failed: {error}");
                }
            }
        });
    }
    for request in server.incoming_requests() {
        queue.send(request)?;
    }
    Ok(())
}
