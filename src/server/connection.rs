//! One client's connection: requests in, responses out, one after the other.
//!
//! A worker runs [`Connection::serve`]: read a head, plan the response, send it, and again. While a head is incomplete,
//! the connection is parked. Every wait has a deadline, and each way a connection can end is a [`CloseReason`].

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::Worker;
use super::failures::Failures;
use super::limits::{Forwarded, Limits};
use super::poller::Deadline;
use super::send::{Broken, Copying, LONG_RESPONSE, StallClock, Writer, send};
use super::socket::Socket;
use crate::access_log::{Entry, without_key};
use crate::close_reason::CloseReason;
use crate::http::HTTPVersion;
use crate::http::date;
use crate::http::request::{Head, HeadScan, MAX_HEAD, Refusal};
use crate::http::response::{Body, Response};
use crate::library::LastFile;
use crate::metrics::Refused;
use crate::routes::Site;
use crate::throttle::Throttle;

/// The bounds of a lingering close. If the connection were closed while the client still sends, the system would reset
/// it, and the last response could be lost (RFC 9112 §9.6).
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_LINGER_BYTES: usize = 256 * 1024;

/// Bytes received at a time, and held for each connection. Most heads are below 1 KiB.
const RECEIVE_SIZE: usize = 1024;

/// A new connection isn't evicted this long: its request is likely on its way.
const NEW_CONNECTION_GRACE: Duration = Duration::from_secs(1);

/// An idle connection keeps its last file open this long. While it does, the file's disk can't be unmounted.
const KEEP_FILE: Duration = Duration::from_secs(1);

/// A worker answers so many requests of one connection before it takes the next connection.
const MAX_REQUESTS_IN_A_ROW: usize = 32;

/// What the connections of a server share.
pub struct Context {
    pub site: Site,
    pub limits: Arc<Limits>,
    pub failures: Failures,
    pub head_timeout: Duration,
    pub idle_timeout: Duration,
    pub stall_timeout: Duration,
    pub read_error_log: Throttle,
    pub copying: Copying,
}

/// What happens to a connection after a worker has served it.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// It waits for its client. If more requests have arrived, its deadline is now: others get their turn first.
    Park(Deadline),
    Close(CloseReason),
}

/// One client's connection, without its socket.
pub struct Connection {
    pub peer: SocketAddr,
    /// What was received, from the start of the request that is being read or answered. Empty while the connection is
    /// idle.
    input: Vec<u8>,
    scan: HeadScan,
    /// When it became idle, or when the first byte of its request arrived.
    since: Instant,
    /// The deadline of the head, of the idle time, or of the lingering close.
    until: Instant,
    /// No request has arrived yet.
    is_new: bool,
    /// The close reason, during a lingering close: what the client still sends is dropped.
    lingering: Option<CloseReason>,
    dropped_bytes: usize,
    last_file: LastFile,
    clock: StallClock,
}

/// A request and its planned response.
struct Exchange {
    response: Response,
    /// Where in the input the request line is, and where the request ends.
    line: Range<usize>,
    end: usize,
    /// Why the connection closes after this response, if it does.
    close: Option<CloseReason>,
    /// The value of the `Connection` field.
    connection: Option<&'static str>,
    /// The client, which may be behind a proxy, and then counts as long as the response takes.
    client: IpAddr,
    _forwarded: Option<Forwarded>,
    /// How long the response waits, after wrong passwords.
    delay: Duration,
}

impl Connection {
    pub fn new(peer: SocketAddr, now: Instant, context: &Context) -> Self {
        Self {
            peer,
            input: Vec::new(),
            scan: HeadScan::default(),
            since: now,
            until: now + context.head_timeout,
            is_new: true,
            lingering: None,
            dropped_bytes: 0,
            last_file: LastFile::default(),
            clock: StallClock::default(),
        }
    }

    /// Answers the requests that have arrived, up to [`MAX_REQUESTS_IN_A_ROW`].
    pub fn serve(&mut self, socket: &mut impl Socket, context: &Context, worker: &mut Worker) -> Next {
        let mut next = match self.lingering {
            Some(reason) => self.linger(reason, socket),
            None => self.answer_requests(socket, context, worker),
        };
        if let Next::Close(reason) = next
            && self.more_may_come(reason, socket)
        {
            socket.finish();
            self.until = socket.now() + LINGER_TIMEOUT;
            self.lingering = Some(reason);
            next = self.linger(reason, socket);
        }
        // It may be parked for long.
        self.input.shrink_to_fit();
        next
    }

    fn answer_requests(&mut self, socket: &mut impl Socket, context: &Context, worker: &mut Worker) -> Next {
        for _ in 0..MAX_REQUESTS_IN_A_ROW {
            let exchange = match self.read_request(socket, context) {
                Ok(exchange) => exchange,
                Err(next) => return next,
            };
            if let Some(reason) = self.respond(exchange, socket, context, worker) {
                return Next::Close(reason);
            }
            // This thread has a low priority now. Another one answers the next request.
            if worker.is_detached {
                break;
            }
        }
        Next::Park(Deadline { until: socket.now(), idle_since: None })
    }

    /// Receives until a head is complete, and plans the response; otherwise returns what happens to the connection.
    fn read_request(&mut self, socket: &mut impl Socket, context: &Context) -> Result<Exchange, Next> {
        loop {
            match self.scan.advance(&self.input) {
                Ok(Some(head)) => return Ok(self.plan(head, context)),
                Ok(None) => debug_assert!(self.input.len() <= MAX_HEAD),
                Err(refusal) => return Ok(self.refuse(refusal)),
            }
            let was_idle = self.input.is_empty();
            match self.receive(socket) {
                Ok(false) => return self.wait(socket.now(), context),
                Ok(true) if was_idle => {
                    self.since = socket.now();
                    if !self.is_new {
                        self.until = self.since + context.head_timeout;
                    }
                }
                Ok(true) => {}
                Err(reason) => return Err(Next::Close(reason)),
            }
        }
    }

    /// Receives what has arrived. Returns whether there was anything.
    fn receive(&mut self, socket: &mut impl Socket) -> Result<bool, CloseReason> {
        self.input.reserve_exact(RECEIVE_SIZE);
        match socket.receive(&mut self.input) {
            Ok(0) if self.input.is_empty() => Err(CloseReason::ClientClosed),
            Ok(0) => Err(CloseReason::IncompleteHead),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(_) => Err(CloseReason::ConnectionLost),
        }
    }

    /// Nothing has arrived: parks the connection, or closes it if its deadline has come.
    fn wait(&mut self, now: Instant, context: &Context) -> Result<Exchange, Next> {
        if !self.input.is_empty() {
            if now < self.until {
                return Err(Next::Park(Deadline { until: self.until, idle_since: None }));
            }
            let response = Response::text(408, "The request took too long to arrive.");
            return Ok(self.final_answer(response, CloseReason::HeadTimeout));
        }
        if now >= self.until {
            return Err(Next::Close(CloseReason::IdleTimeout));
        }
        self.clock.stop();
        Err(match context.limits.must_close() {
            // A new connection gets time to send its request.
            Some(reason) if !(self.is_new && reason == CloseReason::Evicted) => Next::Close(reason),
            _ => {
                let since = if self.is_new { self.since + NEW_CONNECTION_GRACE } else { self.since };
                let keep_until = self.since + KEEP_FILE;
                if now >= keep_until {
                    self.last_file = LastFile::default();
                }
                let until = if self.last_file.is_open() { keep_until.min(self.until) } else { self.until };
                Next::Park(Deadline { until, idle_since: Some(since) })
            }
        })
    }

    /// Plans the response to the request whose head is `at`, and opens its file.
    fn plan(&mut self, at: Range<usize>, context: &Context) -> Exchange {
        let Self { input, last_file, peer, .. } = self;
        let mut head = match Head::parse(&input[at.clone()]) {
            Ok(head) => head,
            Err(refusal) => return self.refuse(refusal),
        };
        let limits = &context.limits;
        let origin = limits.proxies.origin(peer.ip(), &head.fields);
        head.is_https = origin.is_https;
        head.authority = origin.authority.unwrap_or(head.authority);
        // A proxy has no limit, nor has one behind it.
        let is_forwarded = origin.client != peer.ip().to_canonical() && !limits.proxies.trusts(origin.client);
        let forwarded = is_forwarded.then(|| limits.forward(origin.client)).flatten();
        let response = if is_forwarded && forwarded.is_none() {
            context.site.metrics().refused(Refused::Address);
            Response::text(503, "Too many requests from this address are in progress. Try again later.").retry_soon()
        } else {
            context.site.answer_next(&head, SystemTime::now(), last_file)
        };
        let mut delay = Duration::ZERO;
        if response.status.0 == 401 && head.fields.has("authorization") {
            log::warn!("wrong user or password from {}", origin.client);
            delay = context.failures.delay(origin.client, Instant::now());
        }
        let close = if head.has_body {
            Some(CloseReason::RequestBody)
        } else if !head.keeps_alive() {
            Some(CloseReason::ClientRequested)
        } else {
            limits.must_close()
        };
        let connection = match close {
            Some(_) => Some("close"),
            None => (head.version < HTTPVersion(1, 1)).then_some("keep-alive"),
        };
        Exchange {
            response,
            line: first_line(input, at.start),
            end: at.end,
            close,
            connection,
            client: origin.client,
            _forwarded: forwarded,
            delay,
        }
    }

    fn refuse(&self, refusal: Refusal) -> Exchange {
        let (status, sentence) = refusal.response();
        self.final_answer(Response::text(status, sentence), CloseReason::BadRequest)
    }

    fn final_answer(&self, response: Response, reason: CloseReason) -> Exchange {
        let start = self.input.iter().position(|b| !b"\r\n".contains(b)).unwrap_or(0);
        let line = first_line(&self.input, start);
        let (end, client) = (self.input.len(), self.peer.ip().to_canonical());
        let (close, connection, delay) = (Some(reason), Some("close"), Duration::ZERO);
        Exchange { response, line, end, close, connection, client, _forwarded: None, delay }
    }

    /// Sends a response, logs and counts it. Returns why the connection closes, if it does.
    fn respond(
        &mut self,
        exchange: Exchange,
        socket: &mut impl Socket,
        context: &Context,
        worker: &mut Worker,
    ) -> Option<CloseReason> {
        let Exchange { mut response, line, end, mut close, connection, client, _forwarded, delay } = exchange;
        thread::sleep(delay);
        // The response to HEAD has no body, even if it is an error.
        if self.input[line.clone()].starts_with(b"HEAD ") {
            response = response.without_body();
        }
        if response.body.len() > LONG_RESPONSE {
            self.input.shrink_to_fit();
        }
        let running = context.site.metrics().begin(&response.body);
        let mut out = Writer::new(socket, &mut self.clock, context.stall_timeout, worker);
        let send_response = |out: &mut _, response: &mut Response| {
            let mut head = Vec::with_capacity(512);
            response.write_head(&mut head, &date::now(), connection);
            response.forget_fields();
            let head_length = head.len() as u64;
            (send(out, head, &response.body, context.copying, close.is_some()), head_length)
        };
        let (mut sent, mut head_length) = send_response(&mut out, &mut response);
        if let Err(broken @ (Broken::Truncated | Broken::Unreadable(_))) = &sent {
            let request = without_key(&self.input[line.clone()]);
            let request = request.escape_ascii();
            context.read_error_log.pass(|missed| {
                log::warn!("can't read the file for \"{request}\": {broken} ({missed} more such errors)");
            });
            if out.taken() == 0 {
                response = Response::unreadable();
                (sent, head_length) = send_response(&mut out, &mut response);
            }
        }
        let (taken, first_byte) = (out.taken().saturating_sub(head_length), out.first_byte);
        drop(running);
        if let Err(broken) = sent {
            close = Some(match broken {
                Broken::Stalled => CloseReason::Stalled,
                Broken::Lost(_) if context.limits.must_close() == Some(CloseReason::Aborted) => CloseReason::Aborted,
                Broken::Lost(_) => CloseReason::ConnectionLost,
                Broken::Truncated => CloseReason::FileTruncated,
                Broken::Unreadable(_) => CloseReason::FileUnreadable,
            });
        }
        let (status, due, now) = (response.status.0, response.body.len(), socket.now());
        let first_byte = first_byte.map(|at| at.saturating_duration_since(self.since));
        context.site.metrics().end(status, taken, first_byte);
        let (peer, request_line, took) = (self.peer, &self.input[line], now.saturating_duration_since(self.since));
        Entry { peer, client, request_line, status, sent: taken, due, took, close }.record();
        self.input.drain(..end);
        (self.scan, self.is_new, self.since) = (HeadScan::default(), false, now);
        self.until = now + if self.input.is_empty() { context.idle_timeout } else { context.head_timeout };
        close
    }

    /// Whether the client may still be sending, so that the connection needs a lingering close.
    fn more_may_come(&mut self, reason: CloseReason, socket: &mut impl Socket) -> bool {
        match reason {
            _ if self.lingering.is_some() => false,
            CloseReason::BadRequest | CloseReason::RequestBody | CloseReason::HeadTimeout => true,
            CloseReason::ClientRequested | CloseReason::Evicted | CloseReason::Drained => {
                !self.input.is_empty() || self.receive(socket) == Ok(true)
            }
            _ => false,
        }
    }

    /// Drops what the client still sends, up to the bounds of a lingering close.
    fn linger(&mut self, reason: CloseReason, socket: &mut impl Socket) -> Next {
        while self.dropped_bytes < MAX_LINGER_BYTES && socket.now() < self.until {
            self.dropped_bytes += self.input.len();
            self.input.clear();
            match self.receive(socket) {
                Ok(true) => {}
                Ok(false) => return Next::Park(Deadline { until: self.until, idle_since: None }),
                Err(_) => break,
            }
        }
        Next::Close(reason)
    }
}

/// The line that starts at `start`, without its end.
fn first_line(bytes: &[u8], start: usize) -> Range<usize> {
    let length = bytes[start..].iter().position(|b| b"\r\n".contains(b)).unwrap_or(bytes.len() - start);
    start..start + length
}

/// Answers 503 to a connection that isn't admitted. It waits for nothing: a new socket takes these few bytes at once.
pub fn refuse(mut socket: impl Socket) {
    let sentence = "All of the server's connections are in use. Try again in a few seconds.";
    let response = Response::text(503, sentence).retry_soon();
    let mut bytes = Vec::new();
    response.write_head(&mut bytes, &date::now(), Some("close"));
    if let Body::Bytes(body) = &response.body {
        bytes.extend_from_slice(body);
    }
    // It fails if the client is gone.
    let _ = socket.send(&bytes, &[], false);
    socket.finish();
}

#[cfg(test)]
mod tests;
