//! The other door: filmstrip's routes behind a `tiny_http::Server` that somebody already runs.
//!
//! [`Site::respond`] plans with the same code as filmstrip's own server and copies to the request's writer in chunks of
//! 4096 bytes. What tiny_http gives no hold of, deadlines and bounds of its connections, stays tiny_http's.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::time::SystemTime;

use tiny_http::{HTTPVersion, Request};

use crate::http::date;
use crate::http::request::{Fields, Head, is_authority, split_target};
use crate::http::response::{Body, Response};
use crate::routes::Site;

/// Bytes copied at a time.
const CHUNK_SIZE: usize = 4096;

impl Site {
    /// Answers `request` from this site.
    ///
    /// # Errors
    /// When the client is gone, or the file can't be read to its end. tiny_http can't break a connection off, so that
    /// in the second case the writer is kept from it for ever, and the client sees an answer that stops: never the next
    /// answer's bytes in this one's body. That costs the descriptor of the connection.
    ///
    /// ```no_run
    /// let site = filmstrip::Site::new(filmstrip::Library::open("videos").unwrap());
    /// let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
    /// for request in server.incoming_requests() {
    ///     let _ = site.respond(request);
    /// }
    /// ```
    pub fn respond(&self, request: Request) -> io::Result<()> {
        let now = SystemTime::now();
        let response = self.answer(&head_of(&request), now);
        let mut bytes = Vec::with_capacity(CHUNK_SIZE);
        let connection = (*request.http_version() < HTTPVersion(1, 1)).then_some("close");
        response.write_head(&mut bytes, &date::format(now).unwrap_or_default(), connection);
        let mut writer = request.into_writer();
        let running = self.metrics().begin(&response.body);
        let sent = writer.write_all(&bytes).map_err(Failure::Client).and_then(|()| copy_body(&response, &mut writer));
        drop(running);
        // What went out before it broke off isn't known here.
        self.metrics().end(response.status.0, if sent.is_ok() { response.body.len() } else { 0 }, None);
        match sent {
            Ok(()) => writer.flush(),
            Err(Failure::Client(error)) => Err(error),
            Err(Failure::File(error)) => {
                std::mem::forget(writer);
                Err(error)
            }
        }
    }
}

enum Failure {
    Client(io::Error),
    File(io::Error),
}

/// The parts of a tiny_http request that a response depends on. Its target was read by tiny_http, with its rules.
fn head_of(request: &Request) -> Head<'_> {
    let lines = request.headers().iter().map(|field| (field.field.as_str().as_str(), field.value.as_str().as_bytes()));
    let fields = Fields::from_pairs(lines);
    let method = request.method().clone();
    let (authority, target) = split_target(&method, request.url()).unwrap_or((None, request.url()));
    let host = fields.get("host").filter(|host| is_authority(host));
    Head {
        method,
        target,
        version: request.http_version().clone(),
        authority: authority.or(host).unwrap_or_default(),
        has_body: false,
        fields,
    }
}

fn copy_body(response: &Response, writer: &mut impl Write) -> Result<(), Failure> {
    match &response.body {
        Body::Empty => Ok(()),
        Body::Bytes(bytes) => writer.write_all(bytes).map_err(Failure::Client),
        Body::Slice(file, range) => copy_slice(file, range.clone(), writer),
        Body::Slices(file, parts, end) => {
            for (introduction, range) in parts {
                writer.write_all(introduction.as_bytes()).map_err(Failure::Client)?;
                copy_slice(file, range.clone(), writer)?;
            }
            writer.write_all(end.as_bytes()).map_err(Failure::Client)
        }
    }
}

fn copy_slice(file: &File, range: Range<u64>, writer: &mut impl Write) -> Result<(), Failure> {
    let mut chunk = [0; CHUNK_SIZE];
    let mut at = range.start;
    while at < range.end {
        let length = (CHUNK_SIZE as u64).min(range.end - at) as usize;
        file.read_exact_at(&mut chunk[..length], at).map_err(Failure::File)?;
        writer.write_all(&chunk[..length]).map_err(Failure::Client)?;
        at += length as u64;
    }
    Ok(())
}
