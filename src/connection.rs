//! One client: requests in, responses out, one after the other on one connection, until a side has had enough.
//!
//! A connection does what it can and then says what it waits for ([`Turn`]); who waits for it is not its business. Every
//! wait has an end: a request's head is complete by the head timeout, the time between requests is bounded by the idle
//! timeout, sending by the stall clock, and the last words by a lingering close. Each way a connection can end has a
//! name ([`Ending`]), and the log says which it was.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime};

use rustix::net::{SendFlags, send};

use crate::access_log::Entry;
use crate::http::HTTPVersion;
use crate::http::date::DateCache;
use crate::http::request::{Head, HeadScan, MAX_HEAD, Refusal};
use crate::http::response::Response;
use crate::library::LastFile;
use crate::metrics::{Metrics, Stream};
use crate::stream::{Break, Pace, Progress, Sending};
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
    /// The response to a request of a client whose last file is `last`.
    fn answer(&self, head: &Head<'_>, now: SystemTime, last: &mut LastFile) -> Response;
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

/// What a connection waits for; by then it wants its turn, whatever came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// Until there is something to receive.
    Read(Instant),
    /// Until the socket takes something.
    Write(Instant),
    /// For others to have theirs: it could go on.
    Again,
    /// For nothing: it is over. Closing is the caller's.
    Over(Ending),
}

/// What a worker has on its desk for whichever client it serves: nothing of it outlives a turn.
#[derive(Debug, Default)]
pub struct Desk {
    /// A response's head, then chunk by chunk its body.
    outbox: Vec<u8>,
    date: DateCache,
}

/// One client's connection between two turns.
#[derive(Debug)]
pub struct Connection {
    peer: SocketAddr,
    /// Bytes that were received and not yet used, and those of the request that is being answered.
    inbox: Vec<u8>,
    /// The last receiving took all there was room for, so that there may be more.
    more_came: bool,
    last_file: LastFile,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Nothing of a request has come. `new`: none was asked before. `told`: the house knows that the client is idle.
    Idle { until: Instant, new: bool, told: bool },
    /// A request has begun to come. `last`: it must be the client's last.
    Arriving { until: Instant, begun: Instant, last: bool, scan: HeadScan },
    /// A response is on its way.
    Answering(Box<Exchange>),
    /// The lingering close: what the client still sends is swallowed.
    Lingering { until: Instant, swallowed: usize, ending: Ending },
}

/// A response on its way, and what the log is to say of it.
#[derive(Debug)]
struct Exchange {
    response: Response,
    sending: Sending,
    begun: Instant,
    /// Where in the inbox the request line is, and where the request ends.
    line: Range<usize>,
    used: usize,
    /// The connection ends with this response, and why.
    ending: Option<Ending>,
    /// An HTTP/1.0 client is told that its connection is kept.
    announce_keep_alive: bool,
    /// It counts as a stream as long as it is here.
    _running: Option<Stream>,
}

impl Connection {
    /// The connection of a client that has just come.
    pub fn new(peer: SocketAddr, now: Instant, bounds: &Bounds) -> Self {
        let phase = Phase::Idle { until: now + bounds.head_timeout, new: true, told: false };
        Self { peer, inbox: Vec::new(), more_came: false, last_file: LastFile::default(), phase }
    }

    /// Does all that can be done without waiting, up to a fair share, and says what is waited for.
    pub fn turn<T: Transport, H: House>(
        &mut self,
        mut transport: T,
        bounds: &Bounds,
        house: &H,
        desk: &mut Desk,
    ) -> Turn {
        let turn = Service { connection: self, transport: &mut transport, bounds, house, desk }.turn();
        // What waits keeps what it needs, and no more.
        self.inbox.shrink_to_fit();
        turn
    }
}

/// A connection's turn: all that is at hand for it.
struct Service<'a, T, H> {
    connection: &'a mut Connection,
    transport: &'a mut T,
    bounds: &'a Bounds,
    house: &'a H,
    desk: &'a mut Desk,
}

impl<T: Transport, H: House> Service<'_, T, H> {
    fn turn(&mut self) -> Turn {
        loop {
            let next = match &mut self.connection.phase {
                Phase::Idle { .. } => self.await_request(),
                Phase::Arriving { .. } => self.receive_head(),
                Phase::Answering(_) => self.send(),
                Phase::Lingering { .. } => Some(self.linger()),
            };
            match next {
                None => {}
                Some(Turn::Over(ending)) if self.more_may_come(ending) => {
                    self.transport.finish();
                    let until = self.transport.now() + LINGER;
                    self.connection.phase = Phase::Lingering { until, swallowed: 0, ending };
                }
                Some(turn) => return turn,
            }
        }
    }

    /// Waits until there is at least one byte of a request.
    fn await_request(&mut self) -> Option<Turn> {
        let Phase::Idle { until, new, told } = self.connection.phase else { return None };
        // What is already there needs no wait, and no word to anybody that this client is idle. A newcomer's request is,
        // as a rule; the next one isn't.
        let arrived = match (self.connection.inbox.is_empty(), new || told || self.connection.more_came) {
            (true, true) => self.receive(),
            (true, false) => Ok(false),
            (false, _) => Ok(true),
        };
        let last = told && arrived != Ok(false) && self.house.begin_request();
        match arrived {
            Ok(true) => {
                let begun = self.transport.now();
                let until = if new { until } else { begun + self.bounds.head_timeout };
                self.connection.phase = Phase::Arriving { until, begun, last, scan: HeadScan::default() };
                None
            }
            Ok(false) if told => {
                let is_over = self.transport.now() >= until;
                // A request that comes at this moment is not answered; the client sees that its connection is closed.
                Some(if is_over { Turn::Over(Ending::Idle) } else { Turn::Read(until) })
            }
            Ok(false) => {
                self.connection.phase = Phase::Idle { until, new, told: true };
                let may_stay = self.house.begin_idle(new);
                Some(if may_stay { Turn::Read(until) } else { Turn::Over(Ending::MadeRoom) })
            }
            // Being told to make room looks to the receiver as if the client had gone.
            Err(Ending::ClientLeft) if last => Some(Turn::Over(Ending::MadeRoom)),
            Err(ending) => Some(Turn::Over(ending)),
        }
    }

    /// Receives what there is; whether there was anything.
    fn receive(&mut self) -> Result<bool, Ending> {
        let Connection { inbox, more_came, .. } = &mut *self.connection;
        inbox.reserve_exact(RECEIVE);
        let outcome = self.transport.receive(inbox);
        *more_came = outcome.is_ok() && inbox.len() == inbox.capacity();
        match outcome {
            Ok(0) if inbox.is_empty() => Err(Ending::ClientLeft),
            Ok(0) => Err(Ending::HalfAHead),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(_) => Err(Ending::Lost),
        }
    }

    fn receive_head(&mut self) -> Option<Turn> {
        let Phase::Arriving { until, begun, last, ref mut scan } = self.connection.phase else { return None };
        let (exchange, used) = match scan.advance(&self.connection.inbox) {
            Ok(Some(head)) => (self.answered(head.clone(), begun, last), head.end),
            Err(refusal) => (self.refused(refusal, begun), self.connection.inbox.len()),
            Ok(None) => {
                debug_assert!(self.connection.inbox.len() <= MAX_HEAD);
                match self.receive() {
                    Ok(true) => return None,
                    Err(ending) => return Some(Turn::Over(ending)),
                    Ok(false) if self.transport.now() < until => return Some(Turn::Read(until)),
                    Ok(false) => (self.too_slow(begun), self.connection.inbox.len()),
                }
            }
        };
        self.connection.phase = Phase::Answering(Box::new(Exchange { used, ..exchange }));
        self.begin_response();
        None
    }

    fn answered(&mut self, at: Range<usize>, begun: Instant, last: bool) -> Exchange {
        let Connection { inbox, last_file, .. } = &mut *self.connection;
        let head = match Head::parse(&inbox[at.clone()]) {
            Ok(head) => head,
            Err(refusal) => return self.refused(refusal, begun),
        };
        let response = self.house.answer(&head, SystemTime::now(), last_file);
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
        let line = first_line(inbox, at.start);
        self.exchange(response, begun, line, ending, announce_keep_alive)
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
        let inbox = &self.connection.inbox;
        let start = inbox.iter().position(|b| !b"\r\n".contains(b)).unwrap_or(0);
        let line = first_line(inbox, start);
        // What follows a head is no body to a client that asked for a head alone.
        let response = match inbox[line.clone()].starts_with(b"HEAD ") {
            true => response.without_body(),
            false => response,
        };
        self.exchange(response, begun, line, Some(ending), false)
    }

    fn exchange(
        &self,
        response: Response,
        begun: Instant,
        line: Range<usize>,
        ending: Option<Ending>,
        announce_keep_alive: bool,
    ) -> Exchange {
        let _running = self.house.metrics().and_then(|metrics| metrics.begin(&response.body));
        let sending = Sending::default();
        Exchange { response, sending, begun, line, used: 0, ending, announce_keep_alive, _running }
    }

    /// Writes the response's head, which goes out with the first chunk.
    fn begin_response(&mut self) {
        let Phase::Answering(exchange) = &mut self.connection.phase else { return };
        let connection = match exchange.ending {
            Some(_) => Some("close"),
            None => exchange.announce_keep_alive.then_some("keep-alive"),
        };
        let outbox = &mut self.desk.outbox;
        outbox.clear();
        exchange.response.write_head(outbox, self.desk.date.at(SystemTime::now()), connection);
        exchange.sending = Sending::new(outbox.len(), exchange.ending.is_some());
    }

    /// Sends what the socket takes of the response; logs it when it has ended.
    fn send(&mut self) -> Option<Turn> {
        let Phase::Answering(exchange) = &mut self.connection.phase else { return None };
        let Exchange { response, sending, ending, .. } = &mut **exchange;
        match sending.advance(self.transport, &response.body, &mut self.desk.outbox, self.bounds.pace) {
            Ok(Progress::Done) => {}
            Ok(Progress::Full(until)) => return Some(Turn::Write(until)),
            Ok(Progress::Paused) => return Some(Turn::Again),
            Err(broken @ (Break::Truncated | Break::Unreadable(_))) if !sending.has_begun() => {
                log::error!("a file can't be read: {broken:?}");
                let sentence = "The file can't be read at the moment. Try again in a little while.";
                *response = Response::text(503, sentence).with("Retry-After", "3");
                self.begin_response();
                return None;
            }
            Err(Break::Stalled) => *ending = Some(Ending::Stalled),
            Err(Break::Lost) if self.house.is_cut() => *ending = Some(Ending::Cut),
            Err(Break::Lost) => *ending = Some(Ending::Lost),
            Err(Break::Truncated) => *ending = Some(Ending::Truncated),
            Err(Break::Unreadable(error)) => {
                log::error!("a file can't be read any further: {error}");
                *ending = Some(Ending::Unreadable);
            }
        }
        self.end_response()
    }

    fn end_response(&mut self) -> Option<Turn> {
        let now = self.transport.now();
        let idle = Phase::Idle { until: now + self.bounds.idle_timeout, new: false, told: false };
        let Phase::Answering(exchange) = std::mem::replace(&mut self.connection.phase, idle) else { return None };
        let Exchange { response, sending, begun, line, used, ending, .. } = *exchange;
        if let Some(metrics) = self.house.metrics() {
            let first_byte = sending.first_byte().map(|at| at.saturating_duration_since(begun));
            metrics.end(response.status.0, sending.body_bytes(), first_byte);
        }
        let entry = Entry {
            client: self.connection.peer,
            request_line: &self.connection.inbox[line],
            status: response.status.0,
            sent: sending.body_bytes(),
            due: response.body.len(),
            took: now.saturating_duration_since(begun),
            ending: ending.and_then(Ending::sentence),
        };
        entry.record();
        self.connection.inbox.drain(..used);
        match ending {
            Some(ending) => Some(Turn::Over(ending)),
            // The next one is there already: it is answered when it is this client's turn again, and it reads.
            None if !self.connection.inbox.is_empty() => Some(Turn::Again),
            None => None,
        }
    }

    /// Whether the client may still be sending, so that closing at once could lose what it was told.
    fn more_may_come(&mut self, ending: Ending) -> bool {
        match (ending, &self.connection.phase) {
            (_, Phase::Lingering { .. }) => false,
            (Ending::Refused | Ending::Body | Ending::SlowHead, _) => true,
            (Ending::ClientAsked, _) => !self.connection.inbox.is_empty(),
            (Ending::MadeRoom, _) => !self.connection.inbox.is_empty() || self.receive() == Ok(true),
            _ => false,
        }
    }

    /// Swallows what the client still sends.
    fn linger(&mut self) -> Turn {
        let Phase::Lingering { until, mut swallowed, ending } = self.connection.phase else {
            return Turn::Over(Ending::ClientLeft);
        };
        while swallowed < LINGER_BYTES && self.transport.now() < until {
            self.connection.inbox.clear();
            match self.receive() {
                Ok(true) => swallowed += self.connection.inbox.len(),
                Ok(false) => {
                    self.connection.phase = Phase::Lingering { until, swallowed, ending };
                    return Turn::Read(until);
                }
                Err(_) => break,
            }
        }
        Turn::Over(ending)
    }
}

/// Where the line that starts at `start` lies, without its end.
fn first_line(bytes: &[u8], start: usize) -> Range<usize> {
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
