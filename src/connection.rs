//! One client: requests in, responses out, one after the other on one connection, until a side has had enough.
//!
//! Every wait has an end: a request's head is complete by the head timeout, the time between requests is bounded by
//! the idle timeout, sending by the stall clock, and the last words by a lingering close. Each way a connection can end
//! has a name ([`Ending`]), and the log says which it was.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant, SystemTime};

use rustix::net::{SendFlags, send};

use crate::access_log::Entry;
use crate::http::HTTPVersion;
use crate::http::date::DateCache;
use crate::http::request::{Head, HeadScan, MAX_HEAD, Refusal};
use crate::http::response::Response;
use crate::metrics::Metrics;
use crate::stream::{self, Break, Pace};
use crate::transport::Transport;

/// How long, and how many bytes, a client that is told something final may go on sending: closing at once would make
/// the system reset the connection, and the answer could be lost on its way (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 256 * 1024;

/// Bytes asked of the socket at a time, and held for each connection: a usual head is below 1 KiB.
const RECEIVE: usize = 1024;

/// The times and sizes of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// A request's head must be complete within this, else 408.
    pub head_timeout: Duration,
    /// How long a connection may be idle between requests.
    pub idle_timeout: Duration,
    /// Chunks and the stall clock.
    pub pace: Pace,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The client closed it between requests.
    ClientLeft,
    /// The client asked for it, or its version of HTTP has it so.
    ClientAsked,
    /// Nothing was asked within the idle timeout.
    Idle,
    /// The head wasn't complete within the head timeout.
    SlowHead,
    /// The client closed it in the middle of a head.
    HalfAHead,
    /// What came was no request.
    Refused,
    /// The request had a body, which isn't read here.
    Body,
    /// The client stopped reading.
    Stalled,
    /// The connection failed while something was sent or read.
    Lost,
    /// The file became shorter while it was sent.
    Truncated,
    /// The file couldn't be read.
    Unreadable,
    /// The place was needed, or the server stops.
    MadeRoom,
    /// The server stopped, and the response didn't end in time.
    Cut,
}

impl Ending {
    /// What the log says, where it isn't the client's own wish.
    pub fn sentence(self) -> Option<&'static str> {
        Some(match self {
            Self::ClientLeft | Self::ClientAsked => return None,
            Self::Idle => "idle for too long",
            Self::SlowHead => "the request's head took too long",
            Self::HalfAHead => "the client left in the middle of a request",
            Self::Refused => "not a request",
            Self::Body => "the request had a body",
            Self::Stalled => "the client stopped reading",
            Self::Lost => "the client is gone",
            Self::Truncated => "the file became shorter",
            Self::Unreadable => "the file could not be read",
            Self::MadeRoom => "the place was needed, or the server stops",
            Self::Cut => "the server stopped",
        })
    }
}

impl Ending {
    /// Every one of them, in order.
    pub const ALL: [Self; 13] = [
        Self::ClientLeft,
        Self::ClientAsked,
        Self::Idle,
        Self::SlowHead,
        Self::HalfAHead,
        Self::Refused,
        Self::Body,
        Self::Stalled,
        Self::Lost,
        Self::Truncated,
        Self::Unreadable,
        Self::MadeRoom,
        Self::Cut,
    ];

    /// What the metrics call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::ClientLeft => "client_left",
            Self::ClientAsked => "client_asked",
            Self::Idle => "idle",
            Self::SlowHead => "slow_head",
            Self::HalfAHead => "half_a_head",
            Self::Refused => "refused",
            Self::Body => "body",
            Self::Stalled => "stalled",
            Self::Lost => "lost",
            Self::Truncated => "truncated",
            Self::Unreadable => "unreadable",
            Self::MadeRoom => "made_room",
            Self::Cut => "cut",
        }
    }
}

/// What a connection asks of the house it is in.
pub trait House {
    /// The response to a request.
    fn answer(&self, head: &Head<'_>, now: SystemTime) -> Response;
    /// The client has nothing to do until its next request; whether it may stay. `new`: it has asked nothing yet.
    fn begin_idle(&self, new: bool) -> bool;
    /// A request began to arrive; whether it must be the client's last.
    fn begin_request(&self) -> bool;
    /// Whether the connection should end with the response that is being made.
    fn needs_the_place(&self) -> bool;
    /// Whether the house breaks its connections off.
    fn is_cut(&self) -> bool;
    /// Where responses are counted, if anywhere.
    fn metrics(&self) -> Option<&Metrics> {
        None
    }
}

/// Serves the client behind `transport` until its connection ends, and says why it did. Closing is the caller's.
pub fn serve<T: Transport>(mut transport: T, peer: SocketAddr, bounds: Bounds, house: &impl House) -> Ending {
    let arrived = transport.now();
    let mut connection = Connection {
        transport: &mut transport,
        peer,
        bounds,
        house,
        inbox: Vec::new(),
        outbox: Vec::new(),
        date: DateCache::default(),
    };
    let ending = connection.serve(arrived);
    let more_may_come = match ending {
        Ending::Refused | Ending::Body | Ending::SlowHead => true,
        Ending::ClientAsked => !connection.inbox.is_empty(),
        Ending::MadeRoom => !connection.inbox.is_empty() || connection.receive(arrived) == Ok(true),
        _ => false,
    };
    if more_may_come {
        connection.linger();
    }
    ending
}

struct Connection<'a, T, H> {
    transport: &'a mut T,
    peer: SocketAddr,
    bounds: Bounds,
    house: &'a H,
    /// Bytes that were received and not yet used.
    inbox: Vec<u8>,
    /// The response being sent: its head, then chunk by chunk.
    outbox: Vec<u8>,
    date: DateCache,
}

/// One of a transport's two ways to receive.
type Receive<T> = fn(&mut T, &mut Vec<u8>, Instant) -> io::Result<usize>;

/// What waiting for a request ended with.
enum Arrival {
    /// A complete head lies in the inbox, there.
    Head(std::ops::Range<usize>),
    Refused(Refusal),
    Ended(Ending),
}

/// A response on its way, and what the log is to say of it.
struct Exchange {
    response: Response,
    begun: Instant,
    /// Where in the inbox the request line is.
    line: std::ops::Range<usize>,
    /// The connection ends with this response, and why.
    ending: Option<Ending>,
    /// An HTTP/1.0 client is told that its connection is kept.
    announce_keep_alive: bool,
}

impl<T: Transport, H: House> Connection<'_, T, H> {
    fn serve(&mut self, arrived: Instant) -> Ending {
        let mut head_until = arrived + self.bounds.head_timeout;
        let mut new = true;
        loop {
            let last = match self.await_request(new, head_until) {
                Ok(last) => last,
                Err(ending) => return ending,
            };
            let begun = self.transport.now();
            if !new {
                head_until = begun + self.bounds.head_timeout;
            }
            new = false;
            let (exchange, used) = match self.receive_head(head_until) {
                Arrival::Ended(Ending::SlowHead) => (self.too_slow(begun), self.inbox.len()),
                Arrival::Ended(ending) => return ending,
                Arrival::Refused(refusal) => (self.refused(refusal, begun), self.inbox.len()),
                Arrival::Head(head) => (self.answered(head.clone(), begun, last), head.end),
            };
            let ending = self.send(exchange);
            self.inbox.drain(..used);
            if let Some(ending) = ending {
                return ending;
            }
        }
    }

    /// Waits until there is at least one byte of a request; whether it must be the last one.
    fn await_request(&mut self, new: bool, head_until: Instant) -> Result<bool, Ending> {
        let now = self.transport.now();
        // What is already there needs no wait, and no word to anybody that this client is idle. A newcomer's request is,
        // as a rule; the next one isn't.
        if !self.inbox.is_empty() || (new && self.receive(now)?) {
            return Ok(false);
        }
        if !self.house.begin_idle(new) {
            return Err(Ending::MadeRoom);
        }
        let arrived = match new {
            true => self.receive(head_until),
            false => self.receive_by(T::receive_when_idle, now + self.bounds.idle_timeout),
        };
        let last = self.house.begin_request();
        let arrived = match arrived {
            // Being told to make room looks to the receiver as if the client had gone.
            Err(Ending::ClientLeft) if last => return Err(Ending::MadeRoom),
            arrived => arrived?,
        };
        match arrived {
            true => Ok(last),
            false => Err(Ending::Idle),
        }
    }

    /// Receives what there is, until `until` at most; whether anything came.
    fn receive(&mut self, until: Instant) -> Result<bool, Ending> {
        self.receive_by(T::receive, until)
    }

    fn receive_by(&mut self, receive: Receive<T>, until: Instant) -> Result<bool, Ending> {
        self.inbox.reserve_exact(RECEIVE);
        match receive(self.transport, &mut self.inbox, until) {
            Ok(0) if self.inbox.is_empty() => Err(Ending::ClientLeft),
            Ok(0) => Err(Ending::HalfAHead),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(false),
            Err(_) => Err(Ending::Lost),
        }
    }

    fn receive_head(&mut self, until: Instant) -> Arrival {
        let mut scan = HeadScan::default();
        loop {
            match scan.advance(&self.inbox) {
                Ok(Some(head)) => return Arrival::Head(head),
                Ok(None) => debug_assert!(self.inbox.len() <= MAX_HEAD),
                Err(refusal) => return Arrival::Refused(refusal),
            }
            match self.receive(until) {
                Ok(true) => {}
                Ok(false) => return Arrival::Ended(Ending::SlowHead),
                Err(ending) => return Arrival::Ended(ending),
            }
        }
    }

    fn answered(&self, at: std::ops::Range<usize>, begun: Instant, last: bool) -> Exchange {
        let head = match Head::parse(&self.inbox[at.clone()]) {
            Ok(head) => head,
            Err(refusal) => return self.refused(refusal, begun),
        };
        let response = self.house.answer(&head, SystemTime::now());
        let ending = if head.has_body {
            Some(Ending::Body)
        } else if !head.keeps_alive() {
            Some(Ending::ClientAsked)
        } else if last || self.house.needs_the_place() {
            Some(Ending::MadeRoom)
        } else {
            None
        };
        let announce_keep_alive = ending.is_none() && head.version < HTTPVersion(1, 1);
        Exchange { response, begun, line: first_line(&self.inbox, at.start), ending, announce_keep_alive }
    }

    fn refused(&self, refusal: Refusal, begun: Instant) -> Exchange {
        let response = Response::text(refusal.status().0, refusal.sentence());
        self.last_words(response, begun, Ending::Refused)
    }

    fn too_slow(&self, begun: Instant) -> Exchange {
        let response = Response::text(408, "The request took too long to arrive.");
        self.last_words(response, begun, Ending::SlowHead)
    }

    fn last_words(&self, response: Response, begun: Instant, ending: Ending) -> Exchange {
        let start = self.inbox.iter().position(|b| !b"\r\n".contains(b)).unwrap_or(0);
        let line = first_line(&self.inbox, start);
        // What follows a head is no body to a client that asked for a head alone.
        let response = match self.inbox[line.clone()].starts_with(b"HEAD ") {
            true => response.without_body(),
            false => response,
        };
        Exchange { response, begun, line, ending: Some(ending), announce_keep_alive: false }
    }

    /// Sends a response and logs it; why the connection ends with it, if it does.
    fn send(&mut self, exchange: Exchange) -> Option<Ending> {
        let Exchange { mut response, begun, line, mut ending, announce_keep_alive } = exchange;
        let metrics = self.house.metrics();
        let running = metrics.and_then(|metrics| metrics.begin(&response.body));
        let mut sent = self.transmit(&response, ending, announce_keep_alive);
        if !sent.begun && matches!(sent.outcome, Err(Break::Truncated | Break::Unreadable(_))) {
            log::error!("a file can't be read: {:?}", sent.outcome);
            response = Response::text(503, "The file can't be read at the moment. Try again in a little while.")
                .with("Retry-After", "3");
            sent = self.transmit(&response, ending, announce_keep_alive);
        }
        match &sent.outcome {
            Ok(()) => {}
            Err(Break::Stalled) => ending = Some(Ending::Stalled),
            Err(Break::Lost) if self.house.is_cut() => ending = Some(Ending::Cut),
            Err(Break::Lost) => ending = Some(Ending::Lost),
            Err(Break::Truncated) => ending = Some(Ending::Truncated),
            Err(Break::Unreadable(error)) => {
                log::error!("a file can't be read any further: {error}");
                ending = Some(Ending::Unreadable);
            }
        }
        drop(running);
        if let Some(metrics) = metrics {
            let first_byte = sent.first_byte.map(|at| at.saturating_duration_since(begun));
            metrics.end(response.status.0, sent.body_bytes, first_byte);
        }
        let entry = Entry {
            client: self.peer,
            request_line: &self.inbox[line],
            status: response.status.0,
            sent: sent.body_bytes,
            due: response.body.len(),
            took: self.transport.now().saturating_duration_since(begun),
            ending: ending.and_then(Ending::sentence),
        };
        entry.record();
        ending
    }

    fn transmit(&mut self, response: &Response, ending: Option<Ending>, announce_keep_alive: bool) -> stream::Sent {
        let connection = match ending {
            Some(_) => Some("close"),
            None => announce_keep_alive.then_some("keep-alive"),
        };
        self.outbox.clear();
        response.write_head(&mut self.outbox, self.date.at(SystemTime::now()), connection);
        stream::send(self.transport, &mut self.outbox, &response.body, self.bounds.pace)
    }

    /// The lingering close: says goodbye, and swallows for a while what the client still sends.
    fn linger(&mut self) {
        self.transport.finish();
        let until = self.transport.now() + LINGER;
        let mut swallowed = 0;
        while swallowed < LINGER_BYTES {
            self.inbox.clear();
            match self.receive(until) {
                Ok(true) => swallowed += self.inbox.len(),
                Ok(false) | Err(_) => return,
            }
        }
    }
}

/// Where the line that starts at `start` lies, without its end.
fn first_line(bytes: &[u8], start: usize) -> std::ops::Range<usize> {
    let length = bytes[start..].iter().position(|b| b"\r\n".contains(b)).unwrap_or(bytes.len() - start);
    start..start + length
}

/// Tells a client that there is no place for it, without waiting for anything: it has sent a request at most, and a
/// new socket takes these few bytes at once.
pub fn turn_away(stream: &TcpStream) {
    let response = Response::text(503, "The server has all the connections it can take. Try again in a few seconds.")
        .with("Retry-After", "3");
    let mut bytes = Vec::new();
    response.write_head(&mut bytes, DateCache::default().at(SystemTime::now()), Some("close"));
    if let crate::http::response::Body::Bytes(body) = &response.body {
        bytes.extend_from_slice(body);
    }
    let _ = send(stream, &bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
    let _ = stream.shutdown(std::net::Shutdown::Write);
}

#[cfg(test)]
mod tests;
