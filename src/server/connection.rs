//! One client's connection: requests in, responses out, one after the other.
//!
//! [`Connection::serve`] is a worker's work: read a head, plan the response, send it, and again. Where a head isn't
//! complete the connection is parked, and nothing waits for it but the poller. Every wait has an end: a request's head is
//! complete by the head timeout, the time between requests is bounded by the idle timeout, sending by the stall clock, and
//! a final answer by a lingering close. Each way a connection can end is a [`CloseReason`].

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::Worker;
use super::limits::Limits;
use super::poller::Deadline;
use super::send::{Broken, Copying, StallClock, Writer, send};
use super::socket::Socket;
use crate::access_log::Entry;
use crate::close_reason::CloseReason;
use crate::http::HTTPVersion;
use crate::http::date;
use crate::http::request::{Head, HeadScan, MAX_HEAD, Refusal};
use crate::http::response::{Body, Response};
use crate::library::LastFile;
use crate::routes::Site;
use crate::throttle::Throttle;

/// How long, and how many bytes, a client that is told something final may go on sending: closing at once would make
/// the system reset the connection, and the answer could be lost on its way (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 256 * 1024;

/// Bytes asked of the socket at a time, and held for each connection: a usual head is below 1 KiB.
const RECEIVE: usize = 1024;

/// A connection that has sent nothing yet is younger than this when its request is likely on its way.
const GRACE: Duration = Duration::from_secs(1);

/// Requests that a worker answers one after the other before it takes the next connection.
const IN_A_ROW: usize = 32;

/// What the connections of a server share.
pub struct Context {
    /// What is served.
    pub site: Site,
    /// Who is connected.
    pub limits: Arc<Limits>,
    /// A request's head must be complete within this, else 408.
    pub head_timeout: Duration,
    /// How long a connection may be idle between requests.
    pub idle_timeout: Duration,
    /// A client that takes less than [`super::send::STALL_BYTES`] within this has stalled.
    pub stall_timeout: Duration,
    /// Files that can't be read, for the log.
    pub failures: Throttle,
    /// How files are sent.
    pub copying: Copying,
}

/// What is to be done with a connection that was served.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// It waits for its client; or, where it has more requests, for other connections to have their turn.
    Park(Deadline),
    /// It has ended.
    Close(CloseReason),
}

/// One client's connection, without its socket.
#[derive(Debug)]
pub struct Connection {
    peer: SocketAddr,
    /// Bytes that were received and not yet used, and those of the request that is being answered. While there are none, the
    /// connection is idle.
    inbox: Vec<u8>,
    scan: HeadScan,
    /// Since when it is idle, or when the first byte of its request came.
    since: Instant,
    /// When it will have been idle for too long, or its request's head is to be complete.
    until: Instant,
    /// No request has come yet.
    is_new: bool,
    /// Why it ends, once it has ended but for the lingering close: what the client still sends is dropped.
    lingering: Option<CloseReason>,
    /// Bytes that were dropped.
    dropped: usize,
    last_file: LastFile,
    clock: StallClock,
}

/// A planned response, and what the log is to say of it.
struct Exchange {
    response: Response,
    /// Where in the inbox the request line is, and where the request ends.
    line: Range<usize>,
    end: usize,
    /// The connection ends with this response, and why.
    close: Option<CloseReason>,
    /// What the client is told of its connection, if that is news to it.
    connection: Option<&'static str>,
}

impl Connection {
    /// That of a client that has just come.
    pub fn new(peer: SocketAddr, now: Instant, context: &Context) -> Self {
        Self {
            peer,
            inbox: Vec::new(),
            scan: HeadScan::default(),
            since: now,
            until: now + context.head_timeout,
            is_new: true,
            lingering: None,
            dropped: 0,
            last_file: LastFile::default(),
            clock: StallClock::default(),
        }
    }

    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Answers requests as long as there are any, up to a fair number.
    pub fn serve(&mut self, socket: &mut impl Socket, context: &Context, worker: &mut Worker) -> Next {
        let mut next = match self.lingering {
            Some(reason) => self.linger(reason, socket),
            None => self.answer_requests(socket, context, worker),
        };
        if let Next::Close(reason) = next
            && self.more_may_come(reason, socket)
        {
            socket.finish();
            self.until = socket.now() + LINGER;
            self.lingering = Some(reason);
            next = self.linger(reason, socket);
        }
        // What is parked keeps what it needs, and no more.
        self.inbox.shrink_to_fit();
        next
    }

    fn answer_requests(&mut self, socket: &mut impl Socket, context: &Context, worker: &mut Worker) -> Next {
        for _ in 0..IN_A_ROW {
            let exchange = match self.read_request(socket, context) {
                Ok(exchange) => exchange,
                Err(next) => return next,
            };
            if let Some(reason) = self.respond(exchange, socket, context, worker) {
                return Next::Close(reason);
            }
            // What has been lowered doesn't answer the next one.
            if worker.is_detached() {
                break;
            }
        }
        // There may be more: that is seen as soon as other connections have had their turn.
        Next::Park(Deadline { until: socket.now(), idle_since: None })
    }

    /// Receives until there is a head, and plans the response; or says what else is to be done.
    fn read_request(&mut self, socket: &mut impl Socket, context: &Context) -> Result<Exchange, Next> {
        loop {
            match self.scan.advance(&self.inbox) {
                Ok(Some(head)) => return Ok(self.plan(head, context)),
                Ok(None) => debug_assert!(self.inbox.len() <= MAX_HEAD),
                Err(refusal) => return Ok(self.refuse(refusal)),
            }
            let was_idle = self.inbox.is_empty();
            match self.receive(socket) {
                Ok(false) => return self.wait(socket.now(), context),
                Ok(true) if was_idle => self.request_begins(socket.now(), context),
                Ok(true) => {}
                Err(reason) => return Err(Next::Close(reason)),
            }
        }
    }

    /// Receives what there is; whether there was anything.
    fn receive(&mut self, socket: &mut impl Socket) -> Result<bool, CloseReason> {
        self.inbox.reserve_exact(RECEIVE);
        match socket.receive(&mut self.inbox) {
            Ok(0) if self.inbox.is_empty() => Err(CloseReason::ClientClosed),
            Ok(0) => Err(CloseReason::IncompleteHead),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(_) => Err(CloseReason::ConnectionLost),
        }
    }

    fn request_begins(&mut self, now: Instant, context: &Context) {
        self.since = now;
        if !self.is_new {
            self.until = now + context.head_timeout;
        }
    }

    /// There is nothing to receive. Says how long that may last, or what it means that it has lasted for too long.
    fn wait(&mut self, now: Instant, context: &Context) -> Result<Exchange, Next> {
        if !self.inbox.is_empty() {
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
            // A new connection is not evicted before it could have asked for anything.
            Some(reason) if !(self.is_new && reason == CloseReason::Evicted) => Next::Close(reason),
            _ => {
                let since = if self.is_new { self.since + GRACE } else { self.since };
                Next::Park(Deadline { until: self.until, idle_since: Some(since) })
            }
        })
    }

    /// Plans the response to the request whose head is `at`. That opens the file where the response is one.
    fn plan(&mut self, at: Range<usize>, context: &Context) -> Exchange {
        let Self { inbox, last_file, .. } = self;
        let head = match Head::parse(&inbox[at.clone()]) {
            Ok(head) => head,
            Err(refusal) => return self.refuse(refusal),
        };
        let response = context.site.answer_next(&head, SystemTime::now(), last_file);
        let close = if head.has_body {
            Some(CloseReason::RequestBody)
        } else if !head.keeps_alive() {
            Some(CloseReason::ClientRequested)
        } else {
            context.limits.must_close()
        };
        let connection = match close {
            Some(_) => Some("close"),
            None => (head.version < HTTPVersion(1, 1)).then_some("keep-alive"),
        };
        Exchange { response, line: first_line(inbox, at.start), end: at.end, close, connection }
    }

    fn refuse(&self, refusal: Refusal) -> Exchange {
        self.final_answer(Response::text(refusal.status().0, refusal.sentence()), CloseReason::BadRequest)
    }

    fn final_answer(&self, response: Response, reason: CloseReason) -> Exchange {
        let start = self.inbox.iter().position(|b| !b"\r\n".contains(b)).unwrap_or(0);
        let line = first_line(&self.inbox, start);
        // What follows a head is no body to a client that asked for a head alone.
        let is_head = self.inbox[line.clone()].starts_with(b"HEAD ");
        let response = if is_head { response.without_body() } else { response };
        Exchange { response, line, end: self.inbox.len(), close: Some(reason), connection: Some("close") }
    }

    /// Sends a response and accounts for it. Why the connection ends, if it does.
    fn respond(
        &mut self,
        exchange: Exchange,
        socket: &mut impl Socket,
        context: &Context,
        worker: &mut Worker,
    ) -> Option<CloseReason> {
        let Exchange { mut response, line, end, mut close, connection } = exchange;
        let running = context.site.metrics().begin(&response.body);
        let mut out = Writer::new(socket, &mut self.clock, context.stall_timeout, worker);
        let send_response = |out: &mut _, response: &Response| {
            let mut head = Vec::with_capacity(512);
            response.write_head(&mut head, &date::now(), connection);
            let head_length = head.len() as u64;
            (send(out, head, &response.body, context.copying, close.is_some()), head_length)
        };
        let (mut sent, mut head_length) = send_response(&mut out, &response);
        if let Err(broken @ (Broken::Truncated | Broken::Unreadable(_))) = &sent {
            let request = self.inbox[line.clone()].escape_ascii();
            context.failures.pass(|missed| {
                log::warn!("can't read the file for \"{request}\": {broken} ({missed} more such errors)");
            });
            if out.taken() == 0 {
                response = Response::unreadable();
                (sent, head_length) = send_response(&mut out, &response);
            }
        }
        let (taken, first_byte) = (out.taken().saturating_sub(head_length), out.first_byte());
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
        let (client, request_line, took) = (self.peer, &self.inbox[line], now.saturating_duration_since(self.since));
        Entry { client, request_line, status, sent: taken, due, took, close }.record();
        self.inbox.drain(..end);
        (self.scan, self.is_new, self.since) = (HeadScan::default(), false, now);
        self.until = now + if self.inbox.is_empty() { context.idle_timeout } else { context.head_timeout };
        close
    }

    /// Whether the client may still be sending, so that closing at once could lose what it was told.
    fn more_may_come(&mut self, reason: CloseReason, socket: &mut impl Socket) -> bool {
        match reason {
            _ if self.lingering.is_some() => false,
            CloseReason::BadRequest | CloseReason::RequestBody | CloseReason::HeadTimeout => true,
            CloseReason::ClientRequested | CloseReason::Evicted | CloseReason::Drained => {
                !self.inbox.is_empty() || self.receive(socket) == Ok(true)
            }
            _ => false,
        }
    }

    /// Drops what the client still sends, up to a bound.
    fn linger(&mut self, reason: CloseReason, socket: &mut impl Socket) -> Next {
        while self.dropped < LINGER_BYTES && socket.now() < self.until {
            self.dropped += self.inbox.len();
            self.inbox.clear();
            match self.receive(socket) {
                Ok(true) => {}
                Ok(false) => return Next::Park(Deadline { until: self.until, idle_since: None }),
                Err(_) => break,
            }
        }
        Next::Close(reason)
    }
}

/// Where the line that starts at `start` lies, without its end.
fn first_line(bytes: &[u8], start: usize) -> Range<usize> {
    let length = bytes[start..].iter().position(|b| b"\r\n".contains(b)).unwrap_or(bytes.len() - start);
    start..start + length
}

/// Answers 503 to a connection that isn't served, without waiting for anything: it has sent a request at most, and a
/// new socket takes these few bytes at once.
pub fn refuse(mut socket: impl Socket) {
    let sentence = "All of the server's connections are in use. Try again in a few seconds.";
    let response = Response::text(503, sentence).retry_soon();
    let mut bytes = Vec::new();
    response.write_head(&mut bytes, &date::now(), Some("close"));
    if let Body::Bytes(body) = &response.body {
        bytes.extend_from_slice(body);
    }
    // The client may be gone.
    let _ = socket.send(&bytes, &[], false);
    socket.finish();
}

#[cfg(test)]
mod tests;
