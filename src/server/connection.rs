//! One client's connection: requests in, responses out, one after the other.
//!
//! A worker runs [`Connection::serve`]: read a head, plan the response, send it, and again. While a head is incomplete,
//! the connection is parked. Every wait has a deadline, and each way a connection can end is a [`CloseReason`].

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::limits::{ForwardedPermit, Limits, Stage};
use super::poller::Deadline;
use super::send::{CopyMode, Delivery, Envelope, LONG_RESPONSE, SendError, StallClock, Writer, deliver};
use super::socket::Socket;
use crate::access_log::{Entry, without_key};
use crate::close_reason::CloseReason;
use crate::http::HTTPVersion;
use crate::http::date;
use crate::http::request::{Head, HeadError, HeadScan, MAX_HEAD};
use crate::http::response::{Body, Response};
use crate::log_limit::log_limited;
use crate::metrics::Refused;
use crate::routes::Site;

/// The bounds of a lingering close. If the connection were closed while the client still sends, the system would reset
/// it, and the last response could be lost (RFC 9112 §9.6).
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_LINGER_BYTES: usize = 256 * 1024;

/// Bytes received at a time, and held for each connection. Most heads are below 1 KiB.
const RECEIVE_SIZE: usize = 1024;

/// A new connection is not evicted for this long: its request is likely on its way.
const NEW_CONNECTION_GRACE: Duration = Duration::from_secs(1);

/// A worker answers so many requests of one connection before it takes the next connection.
const MAX_REQUESTS_IN_A_ROW: usize = 32;

/// How long the response to a wrong password waits.
const WRONG_PASSWORD_DELAY: Duration = Duration::from_secs(1);

/// What the connections of a server share.
pub struct Context {
    pub site: Site,
    pub limits: Arc<Limits>,
    pub head_timeout: Duration,
    pub idle_timeout: Duration,
    pub stall_timeout: Duration,
    pub copy_mode: CopyMode,
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
    state: State,
    /// What was received, from the start of the request that is being read or answered.
    input: Vec<u8>,
    scan: HeadScan,
    /// When it was accepted or became idle, or when the first byte of its request arrived.
    since: Instant,
    /// The deadline of the head, of the idle time, or of the lingering close.
    until: Instant,
    clock: StallClock,
}

/// What a connection's client is to send next.
#[derive(Debug, Clone, Copy)]
enum State {
    /// The first byte of the first request.
    New,
    /// The first byte of another request.
    Idle,
    /// The rest of a head.
    ReadingHead,
    /// Nothing more: the connection closes, and what still arrives is dropped.
    Lingering { reason: CloseReason, dropped_bytes: usize },
}

/// What reading a request came to.
enum Read {
    Request(Exchange),
    Park(Deadline),
    Close(CloseReason),
}

/// A request and its planned response.
struct Exchange {
    response: Response,
    /// Where the request line is in the input.
    line: Range<usize>,
    /// Where the request ends in the input.
    end: usize,
    /// Why the connection closes after this response, if it does.
    close: Option<CloseReason>,
    /// The value of the `Connection` field.
    connection: Option<&'static str>,
    /// The client, which may be behind a proxy, and then counts as long as the response takes.
    client: IpAddr,
    _forwarded: Option<ForwardedPermit>,
    has_wrong_password: bool,
}

impl Connection {
    pub fn new(peer: SocketAddr, now: Instant, context: &Context) -> Self {
        Self {
            peer,
            state: State::New,
            input: Vec::new(),
            scan: HeadScan::default(),
            since: now,
            until: now + context.head_timeout,
            clock: StallClock::default(),
        }
    }

    /// Answers the requests that have arrived, up to [`MAX_REQUESTS_IN_A_ROW`]. `on_long` is called when a response
    /// turns out to be a long one.
    pub fn serve(&mut self, socket: &mut impl Socket, context: &Context, on_long: &mut dyn FnMut()) -> Next {
        if matches!(self.state, State::Lingering { .. }) {
            return self.linger(socket);
        }
        let was_long = Cell::new(false);
        let mut on_long = || {
            was_long.set(true);
            on_long();
        };
        let mut answered = 0;
        // After a long response this thread has a low priority. Another one answers the next request.
        while answered < MAX_REQUESTS_IN_A_ROW && !was_long.get() {
            let close = match self.read_request(socket, context) {
                Read::Request(exchange) => self.respond(exchange, socket, context, &mut on_long),
                Read::Park(deadline) => return self.park(deadline),
                Read::Close(reason) => Some(reason),
            };
            if let Some(reason) = close {
                return self.close(reason, socket);
            }
            answered += 1;
        }
        self.park(Deadline { until: socket.now(), idle_since: None })
    }

    fn park(&mut self, deadline: Deadline) -> Next {
        // It may be parked for long.
        self.input.shrink_to_fit();
        Next::Park(deadline)
    }

    /// Ends the connection, after a lingering close if the client may still be sending.
    fn close(&mut self, reason: CloseReason, socket: &mut impl Socket) -> Next {
        if !self.more_may_come(reason, socket) {
            return Next::Close(reason);
        }
        socket.finish();
        self.start_linger(reason, socket.now());
        self.linger(socket)
    }

    /// Receives until a head is complete, and plans the response.
    fn read_request(&mut self, socket: &mut impl Socket, context: &Context) -> Read {
        loop {
            match self.scan.advance(&self.input) {
                Ok(Some(head)) => return Read::Request(self.plan(head, context)),
                Ok(None) => debug_assert!(self.input.len() <= MAX_HEAD),
                Err(error) => return Read::Request(self.reject(error)),
            }
            match self.receive(socket) {
                Ok(true) => self.begin_head(socket.now(), context),
                Ok(false) => return self.wait(socket.now(), context),
                Err(reason) => return Read::Close(reason),
            }
        }
    }

    /// Something of a head has arrived. The deadline of the first head began with the connection.
    fn begin_head(&mut self, now: Instant, context: &Context) {
        if matches!(self.state, State::ReadingHead) {
            return;
        }
        if matches!(self.state, State::Idle) {
            self.until = now + context.head_timeout;
        }
        self.since = now;
        self.state = State::ReadingHead;
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
    fn wait(&mut self, now: Instant, context: &Context) -> Read {
        let is_over = now >= self.until;
        if matches!(self.state, State::ReadingHead) {
            if !is_over {
                return Read::Park(Deadline { until: self.until, idle_since: None });
            }
            let response = Response::text(408, "The request took too long to arrive.");
            return Read::Request(self.final_answer(response, CloseReason::HeadTimeout));
        }
        if is_over {
            return Read::Close(CloseReason::IdleTimeout);
        }
        self.clock.stop();
        let is_new = matches!(self.state, State::New);
        let stage = context.limits.stage();
        // A new connection gets time to send its request.
        if let Some(reason) = stage.close_reason()
            && !(is_new && stage == Stage::Full)
        {
            return Read::Close(reason);
        }
        let grace = if is_new { NEW_CONNECTION_GRACE } else { Duration::ZERO };
        Read::Park(Deadline { until: self.until, idle_since: Some(self.since + grace) })
    }

    /// Plans the response to the request whose head is `at`, and opens its file.
    fn plan(&self, at: Range<usize>, context: &Context) -> Exchange {
        let mut head = match Head::parse(&self.input[at.clone()]) {
            Ok(head) => head,
            Err(error) => return self.reject(error),
        };
        let limits = &context.limits;
        let origin = limits.proxies.origin(self.peer.ip(), &head.fields);
        head.is_https = origin.is_https;
        head.authority = origin.authority.unwrap_or(head.authority);
        // A proxy has no limit, nor has one behind it.
        let is_forwarded = origin.client != self.peer.ip().to_canonical() && !limits.proxies.trusts(origin.client);
        let forwarded = if is_forwarded { limits.admit_forwarded(origin.client) } else { None };
        let response = if is_forwarded && forwarded.is_none() {
            context.site.metrics().refused(Refused::Address);
            Response::text(503, "Too many requests from this address are in progress. Try again later.").retry_soon()
        } else {
            context.site.answer(&head, SystemTime::now())
        };
        let has_wrong_password = response.status.0 == 401 && head.fields.has("authorization");
        if has_wrong_password {
            log::warn!("wrong user or password from {}", origin.client);
        }
        let close = if head.has_body {
            Some(CloseReason::RequestBody)
        } else if !head.keeps_alive() {
            Some(CloseReason::ClientRequested)
        } else {
            limits.stage().close_reason()
        };
        let connection = match close {
            Some(_) => Some("close"),
            None => (head.version < HTTPVersion(1, 1)).then_some("keep-alive"),
        };
        Exchange {
            response,
            line: first_line(&self.input, at.start),
            end: at.end,
            close,
            connection,
            client: origin.client,
            _forwarded: forwarded,
            has_wrong_password,
        }
    }

    /// The response to a head that can't be read as one request.
    fn reject(&self, error: HeadError) -> Exchange {
        let (status, sentence) = error.response();
        self.final_answer(Response::text(status, sentence), CloseReason::BadRequest)
    }

    fn final_answer(&self, response: Response, reason: CloseReason) -> Exchange {
        let start = self.input.iter().position(|b| !b"\r\n".contains(b)).unwrap_or(0);
        Exchange {
            response,
            line: first_line(&self.input, start),
            end: self.input.len(),
            close: Some(reason),
            connection: Some("close"),
            client: self.peer.ip().to_canonical(),
            _forwarded: None,
            has_wrong_password: false,
        }
    }

    /// Sends a response, logs and counts it. Returns why the connection closes, if it does.
    fn respond(
        &mut self,
        exchange: Exchange,
        socket: &mut impl Socket,
        context: &Context,
        on_long: &mut dyn FnMut(),
    ) -> Option<CloseReason> {
        let Exchange { mut response, line, end, .. } = exchange;
        if exchange.has_wrong_password {
            thread::sleep(WRONG_PASSWORD_DELAY);
        }
        if response.body.len() > LONG_RESPONSE {
            self.input.shrink_to_fit();
        }
        let metrics = context.site.metrics();
        let running = metrics.begin(&response.body);
        let mut out = Writer::new(socket, &mut self.clock, context.stall_timeout, on_long);
        let envelope = Envelope {
            connection: exchange.connection,
            is_for_head: self.input[line.clone()].starts_with(b"HEAD "),
            closes: exchange.close.is_some(),
        };
        let delivery = deliver(&mut out, &mut response, envelope, context.copy_mode);
        let sent = out.sent().saturating_sub(delivery.head_length);
        let first_byte = out.first_byte.map(|at| at.saturating_duration_since(self.since));
        drop(running);
        let request_line = &self.input[line];
        log_read_error(&delivery, request_line);
        let broken = delivery.close_reason().map(|reason| match (reason, context.limits.stage()) {
            (CloseReason::ConnectionLost, Stage::Aborted) => CloseReason::Aborted,
            _ => reason,
        });
        let close = broken.or(exchange.close);
        let status = response.status.0;
        metrics.end(status, sent, first_byte);
        let now = socket.now();
        let entry = Entry {
            peer: self.peer,
            client: exchange.client,
            request_line,
            status,
            sent,
            due: response.body.len(),
            took: now.saturating_duration_since(self.since),
            close,
        };
        entry.record();
        self.input.drain(..end);
        self.finish_request(now, context);
        close
    }

    /// Waits for the next request, some of which may have arrived.
    fn finish_request(&mut self, now: Instant, context: &Context) {
        self.scan = HeadScan::default();
        self.since = now;
        if self.input.is_empty() {
            self.state = State::Idle;
            self.until = now + context.idle_timeout;
        } else {
            self.state = State::ReadingHead;
            self.until = now + context.head_timeout;
        }
    }

    /// Whether the client may still be sending.
    fn more_may_come(&mut self, reason: CloseReason, socket: &mut impl Socket) -> bool {
        match reason {
            CloseReason::BadRequest | CloseReason::RequestBody | CloseReason::HeadTimeout => true,
            CloseReason::ClientRequested | CloseReason::Evicted | CloseReason::Drained => {
                !self.input.is_empty() || self.receive(socket) == Ok(true)
            }
            _ => false,
        }
    }

    /// Begins a lingering close, after the last response and a FIN. Returns its deadline.
    pub fn start_linger(&mut self, reason: CloseReason, now: Instant) -> Deadline {
        self.state = State::Lingering { reason, dropped_bytes: 0 };
        self.until = now + LINGER_TIMEOUT;
        Deadline { until: self.until, idle_since: None }
    }

    /// Drops what the client still sends, up to the bounds of a lingering close.
    fn linger(&mut self, socket: &mut impl Socket) -> Next {
        let State::Lingering { reason, mut dropped_bytes } = self.state else {
            return Next::Park(Deadline { until: self.until, idle_since: None });
        };
        while dropped_bytes < MAX_LINGER_BYTES && socket.now() < self.until {
            dropped_bytes += self.input.len();
            self.input.clear();
            match self.receive(socket) {
                Ok(true) => {}
                Ok(false) => {
                    self.state = State::Lingering { reason, dropped_bytes };
                    return self.park(Deadline { until: self.until, idle_since: None });
                }
                Err(_) => break,
            }
        }
        Next::Close(reason)
    }
}

/// Logs that a file could not be read, at most once a second.
fn log_read_error(delivery: &Delivery, request_line: &[u8]) {
    let Some(error @ (SendError::Truncated | SendError::Unreadable(_))) = &delivery.error else { return };
    log_limited!(Duration::from_secs(1), |suppressed| {
        let request = without_key(request_line);
        let request = request.escape_ascii();
        log::warn!("can't read the file for \"{request}\": {error} ({suppressed} more such errors)");
    });
}

/// The line that starts at `start`, without its end.
fn first_line(bytes: &[u8], start: usize) -> Range<usize> {
    let length = bytes[start..].iter().position(|b| b"\r\n".contains(b)).unwrap_or(bytes.len() - start);
    start..start + length
}

/// Sends a 503 to a connection that is not admitted, and a FIN. It waits for nothing: a new socket takes these few bytes
/// at once.
pub fn send_refusal(mut socket: impl Socket) {
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
