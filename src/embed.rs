//! filmstrip's routes behind a `tiny_http::Server` that a program already runs. Deadlines and limits of connections are
//! tiny_http's there, since it gives no access to its sockets.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::time::SystemTime;

use tiny_http::{HTTPVersion, Method, Request};

use crate::http::request::{Fields, Head, is_authority, split_target};
use crate::routes::Site;
use crate::server::send::{CopyMode, Envelope, Output, SendError, deliver};

const COPY_MODE: CopyMode = CopyMode { chunk_size: 4096, sendfile: false };

impl Site {
    /// Answers `request` from this site.
    ///
    /// # Errors
    /// When the client is gone, or the file can't be read to its end. tiny_http can't close a connection early. So in
    /// the second case the writer is leaked, and the client sees a response that stops: never the next response's bytes
    /// in this one's body. That costs the descriptor of the connection.
    ///
    /// ```no_run
    /// let site = filmstrip::Site::new(filmstrip::Library::open("videos").unwrap());
    /// let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
    /// for request in server.incoming_requests() {
    ///     let _ = site.respond(request);
    /// }
    /// ```
    pub fn respond(&self, request: Request) -> io::Result<()> {
        let mut response = self.answer(&head_of(&request), SystemTime::now());
        let envelope = Envelope {
            connection: (*request.http_version() < HTTPVersion(1, 1)).then_some("close"),
            is_for_head: *request.method() == Method::Head,
            closes: false,
        };
        let mut out = ToWriter { writer: request.into_writer(), has_begun: false };
        let running = self.metrics().begin(&response.body);
        let delivery = deliver(&mut out, &mut response, envelope, COPY_MODE);
        drop(running);
        // What went out before it failed isn't known here.
        let sent = if delivery.is_whole { response.body.len() } else { 0 };
        self.metrics().end(response.status.0, sent, None);
        match delivery.error {
            Some(error) if !delivery.is_whole => {
                let is_lost = matches!(error, SendError::Lost(_));
                if !is_lost {
                    std::mem::forget(out.writer);
                }
                Err(error.into())
            }
            _ => out.writer.flush(),
        }
    }
}

/// A request's writer. It has no deadline.
struct ToWriter<W> {
    writer: W,
    has_begun: bool,
}

impl<W: Write> Output for ToWriter<W> {
    fn write(&mut self, text: &[u8], chunk: &[u8], _: bool) -> Result<(), SendError> {
        self.has_begun = true;
        self.writer.write_all(text).and_then(|()| self.writer.write_all(chunk)).map_err(SendError::Lost)
    }

    /// Never called: see [`COPY_MODE`].
    fn send_file(&mut self, _: &File, _: Range<u64>) -> Result<(), SendError> {
        Err(SendError::Unreadable(io::ErrorKind::Unsupported.into()))
    }

    fn has_begun(&self) -> bool {
        self.has_begun
    }
}

/// The parts of a request that a response depends on, as tiny_http parsed them.
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
        is_https: false,
        has_body: false,
        fields,
    }
}
