//! The upper bound for this design: a thread per connection, `read` 4096 bytes, `send` 4096 bytes, and nothing else.
//!
//! It parses only what it needs, checks nothing and has no deadlines. Its sockets have filmstrip's options, and it sets
//! `MSG_MORE` as filmstrip does (`src/server/send.rs`). The difference to filmstrip is the cost of filmstrip's checks.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::net::{SendFlags, send};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};

use crate::rounds::Outcome;

/// The first argument that makes the benchmark's program run this server.
pub const ARGUMENT: &str = "bare-loop";

const CHUNK: u64 = 4096;

/// Serves `folder` at `address` until stdin ends, at the latest when the parent process ends.
pub fn serve(folder: &str, address: &str) -> Outcome<()> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(64 * 1024)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_secs(60)))?;
    socket.bind(&address.parse::<std::net::SocketAddr>()?.into())?;
    socket.listen(4096)?;
    let listener = TcpListener::from(socket);
    let folder = folder.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            // If no thread can be started, the connection is closed, and the benchmark fails.
            let _ = thread::Builder::new().stack_size(128 * 1024).spawn(move || {
                let _ = serve_connection(&stream, Path::new(&folder));
            });
        }
    });
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn serve_connection(mut stream: &TcpStream, folder: &Path) -> Outcome<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        // The clients send a head in one write, and the next one after the response.
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        let head = std::str::from_utf8(&buffer[..length])?;
        let path = head.split(' ').nth(1).ok_or("no target")?;
        let closes = head.contains("Connection: close");
        let file = File::open(folder.join(path.trim_start_matches('/')))?;
        let size = file.metadata()?.len();
        let asked = head.split_once("bytes=").and_then(|(_, rest)| rest.split_once("\r\n"));
        let (start, end) = match asked.and_then(|(range, _)| range.split_once('-')) {
            Some((first, "")) => (first.parse()?, size),
            Some((first, last)) => (first.parse()?, last.parse::<u64>()? + 1),
            None => (0, size),
        };
        let status = if asked.is_some() { "206 Partial Content" } else { "200 OK" };
        let mut out = &mut buffer[..];
        write!(
            out,
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Type: video/mp4\r\n\
             Content-Range: bytes {start}-{}/{size}\r\n\r\n",
            end - start,
            end - 1
        )?;
        let head_length = 16 * 1024 - out.len();
        copy(stream, &mut buffer, head_length, &file, start..end)?;
        if closes {
            return Ok(());
        }
    }
}

/// Copies a range of the file to the socket.
fn copy(
    stream: &TcpStream,
    buffer: &mut [u8],
    mut filled: usize,
    file: &File,
    range: std::ops::Range<u64>,
) -> io::Result<()> {
    let segment = SockRef::from(stream).tcp_mss().map_or(usize::MAX, |size| size as usize);
    let uses_more = range.end - range.start > CHUNK && (CHUNK as usize) < segment;
    let mut at = range.start;
    while at < range.end {
        let length = CHUNK.min(range.end - at) as usize;
        file.read_exact_at(&mut buffer[filled..][..length], at)?;
        at += length as u64;
        let more = if uses_more && at < range.end { SendFlags::MORE } else { SendFlags::empty() };
        let mut due = &buffer[..filled + length];
        while !due.is_empty() {
            let taken = send(stream, due, SendFlags::NOSIGNAL | more)?;
            due = &due[taken..];
        }
        filled = 0;
    }
    Ok(())
}
