//! The accept loop: one thread that waits for new connections and for those without a request in progress.
//!
//! It accepts connections within the limits, hands each one that has something to read to the thread pool, and sees to it
//! that every wait ends. It waits for nothing else, and outlives whatever the system does to it: descriptors, memory or
//! threads running out, and connections that are gone before they are accepted.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::{Connection, refuse};
use super::limits::{Backlog, Full, WAIT, address_of, memory_is_left};
use super::listener::{accept, is_of_one_connection};
use super::pool::Pool;
use super::{Client, Shared, Stopped};
use crate::close_reason::CloseReason;
use crate::metrics::Refused;
use crate::throttle::Throttle;

/// Connections that are accepted before others are seen to.
const ACCEPTS: usize = 32;

/// How long nothing is accepted when the system has nothing left to accept with: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// How long a client that was refused has to read why, before its connection is closed.
const REFUSED: Duration = Duration::from_secs(1);

/// How often the loop looks for a place for connections that wait, besides when one becomes free.
const RETRY: Duration = Duration::from_millis(250);

/// How long connections have to end once they are aborted. One whose worker waits for a dead disk doesn't.
const ABORT: Duration = Duration::from_secs(1);

/// See the module.
pub struct AcceptLoop {
    shared: Arc<Shared>,
    pool: Arc<Pool<Box<Client>>>,
    listeners: Vec<Arc<TcpListener>>,
    backlog: Backlog,
    /// Connections that were refused, until when they are kept.
    refused: VecDeque<(Arc<TcpStream>, Instant)>,
    /// How long nothing is accepted after the next failure, and until when after the last one.
    back_off: Duration,
    resumes: Option<Instant>,
    failures: Throttle,
    refusals: Throttle,
}

impl AcceptLoop {
    pub fn new(shared: Arc<Shared>, listeners: Vec<TcpListener>) -> Self {
        let bounds = shared.context.limits.bounds();
        let of_workers = Arc::clone(&shared);
        let pool = Pool::new(bounds.connections, move |client, worker| of_workers.serve(client, worker));
        Self {
            shared,
            pool,
            listeners: listeners.into_iter().map(Arc::new).collect(),
            backlog: Backlog::new(bounds),
            refused: VecDeque::new(),
            back_off: BACK_OFF.0,
            resumes: None,
            failures: Throttle::new(Duration::from_secs(1)),
            refusals: Throttle::new(Duration::from_secs(1)),
        }
    }

    /// Accepts and hands out connections until the server is to stop; then lets the responses in flight end.
    pub fn run(mut self, drain_timeout: Duration) -> Stopped {
        self.listen();
        while matches!(self.shared.context.limits.must_close(), None | Some(CloseReason::Evicted)) {
            let accepts = self.wait(None);
            self.admit_waiting();
            if accepts {
                self.accept();
                self.listen();
            }
        }
        self.drain(drain_timeout)
    }

    /// Waits until there is something to do, until `until` at the latest, and does what is due. Whether there is a
    /// connection to accept.
    fn wait(&mut self, until: Option<Instant>) -> bool {
        let retry = (self.backlog.len() > 0).then(|| Instant::now() + RETRY);
        let deadlines =
            [until, retry, self.resumes, self.pool.next_tick(), self.refused.front().map(|(_, until)| *until)];
        let mut ready = Vec::new();
        let mut accepts = self.shared.poller.wait(deadlines.into_iter().flatten().min(), &mut ready);
        for client in ready {
            self.shared.context.site.metrics().resumed();
            self.pool.submit(client);
        }
        let now = Instant::now();
        self.pool.tick(now);
        while let Some(client) = self.pool.take_overdue(now, WAIT) {
            self.refuse(Arc::clone(&client.socket), Refused::NoResources);
            self.shared.close(client, CloseReason::NoResources);
        }
        while self.refused.front().is_some_and(|(_, until)| *until <= now) {
            self.refused.pop_front();
        }
        if self.resumes.is_some_and(|at| at <= now) {
            self.resumes = None;
            accepts = true;
        }
        accepts
    }

    /// Asks to be told of the next connection.
    fn listen(&mut self) {
        if self.resumes.is_some() {
            return;
        }
        let armed = self.listeners.iter().try_for_each(|listener| self.shared.poller.arm_listener(listener));
        if let Err(error) = armed {
            self.back_off(&error);
        }
    }

    /// Accepts the connections that have come; not all at once, where they are many.
    fn accept(&mut self) {
        for listener in self.listeners.clone() {
            for _ in 0..ACCEPTS {
                match accept(&listener) {
                    Ok((stream, peer)) => {
                        self.back_off = BACK_OFF.0;
                        self.receive(Arc::new(stream), peer);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => return self.back_off(&error),
                }
            }
        }
    }

    /// Nothing can be accepted: the system has no descriptors or no memory left.
    fn back_off(&mut self, error: &io::Error) {
        self.failures.pass(|missed| log::warn!("can't accept connections: {error} ({missed} more such errors)"));
        // An idle connection's descriptor may be the one that is missing.
        self.evict(None);
        self.resumes = Some(Instant::now() + self.back_off);
        self.back_off = (self.back_off * 2).min(BACK_OFF.1);
    }

    /// A new connection: admits it, lets it wait, or refuses it.
    fn receive(&mut self, socket: Arc<TcpStream>, peer: SocketAddr) {
        if !memory_is_left() {
            return self.refuse(socket, Refused::NoResources);
        }
        // Others were here before. But one that only its own address keeps out doesn't wait.
        let is_first = self.backlog.len() == 0 || self.shared.context.limits.is_full(address_of(peer));
        if is_first && self.admit(&socket, peer) {
            return;
        }
        match self.backlog.push(socket, peer, Instant::now()) {
            Ok(()) => self.tell_waiting(),
            Err(socket) => self.refuse(socket, Refused::BacklogFull),
        }
    }

    /// Gives a connection a place and a worker, or refuses it where its address has too many. `false`: there is no place.
    fn admit(&mut self, socket: &Arc<TcpStream>, peer: SocketAddr) -> bool {
        let address = address_of(peer);
        let limits = Arc::clone(&self.shared.context.limits);
        loop {
            match limits.admit(socket, address) {
                Ok(place) => {
                    let connection = Connection::new(peer, Instant::now(), &self.shared.context);
                    self.shared.context.site.metrics().opened();
                    // Its request is there already, as a rule.
                    self.pool.submit(Box::new(Client { socket: Arc::clone(socket), connection, place }));
                    return true;
                }
                Err(Full::Address) if self.evict(Some(address)) => {}
                Err(Full::Address) => {
                    self.refuse(Arc::clone(socket), Refused::Address);
                    return true;
                }
                Err(Full::Connections) if self.evict(None) => {}
                Err(Full::Connections) => return false,
            }
        }
    }

    /// Closes the connection that has been idle longest, of `address` or of all; whether there was one.
    fn evict(&self, address: Option<IpAddr>) -> bool {
        let wanted = |client: &Client| address.is_none_or(|address| client.place.address == address);
        while let Some(client) = self.shared.poller.evict(Instant::now(), |client| wanted(client)) {
            if self.dismiss(client, CloseReason::Evicted) {
                return true;
            }
        }
        false
    }

    /// Closes an idle connection, unless its next request has just come; whether it did.
    fn dismiss(&self, client: Box<Client>, reason: CloseReason) -> bool {
        self.shared.context.site.metrics().resumed();
        if matches!(client.socket.peek(&mut [0]), Ok(1..)) {
            self.pool.submit(client);
            return false;
        }
        self.shared.close(client, reason);
        true
    }

    /// Gives places to connections that wait, as far as there are any, and refuses those that have waited long enough.
    fn admit_waiting(&mut self) {
        if self.backlog.len() == 0 {
            return;
        }
        let limits = Arc::clone(&self.shared.context.limits);
        while self.backlog.len() > 0
            && (limits.open() < limits.bounds().connections || self.evict(None))
            && let Some(waiting) = self.backlog.pop_next(&limits)
        {
            self.admit(&waiting.socket, waiting.peer);
        }
        while let Some(waiting) = self.backlog.pop_expired(Instant::now()) {
            self.refuse(waiting.socket, Refused::TimedOut);
        }
        self.tell_waiting();
    }

    fn tell_waiting(&self) {
        let waiting = self.backlog.len();
        self.shared.context.limits.set_contended(waiting > 0);
        self.shared.context.site.metrics().waiting(waiting);
    }

    /// Answers 503 and keeps the connection until the client has had time to read that.
    fn refuse(&mut self, socket: Arc<TcpStream>, why: Refused) {
        self.refusals.pass(|missed| {
            log::warn!("refused a connection with 503: {} ({missed} more refused before)", why.sentence());
        });
        self.shared.context.site.metrics().refused(why);
        refuse(&*socket);
        if self.refused.len() >= self.shared.context.limits.bounds().backlog {
            self.refused.pop_front();
        }
        self.refused.push_back((socket, Instant::now() + REFUSED));
    }

    /// Accepts nothing more, closes the idle connections, and waits until the others have ended; then aborts them.
    fn drain(mut self, drain_timeout: Duration) -> Stopped {
        self.listeners.drain(..).for_each(|listener| self.shared.poller.disarm_listener(&listener));
        let limits = Arc::clone(&self.shared.context.limits);
        while let Some(waiting) = self.backlog.pop_next(&limits) {
            self.refuse(waiting.socket, Refused::Stopping);
        }
        self.tell_waiting();
        for client in self.shared.poller.take_idle() {
            self.dismiss(client, CloseReason::Drained);
        }
        let until = Instant::now() + drain_timeout;
        while limits.open() > 0 && Instant::now() < until && limits.must_close() != Some(CloseReason::Aborted) {
            self.wait(Some(until));
        }
        let aborted = if limits.open() > 0 { limits.abort() } else { 0 };
        let until = Instant::now() + ABORT;
        while limits.open() > 0 && Instant::now() < until {
            self.wait(Some(until));
        }
        self.pool.close();
        Stopped { aborted }
    }
}
