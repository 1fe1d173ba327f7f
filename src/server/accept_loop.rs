//! The accept loop: one thread that waits for new connections and for those without a request in progress.
//!
//! It accepts connections within the limits, hands each one that has something to read to the thread pool, and ends
//! those whose deadline has come. It goes on when descriptors, memory or threads run out.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::{Connection, refuse};
use super::limits::{Backlog, Full, Limits, WAIT_TIMEOUT, memory_is_left};
use super::listener::{accept, is_of_one_connection};
use super::pool::Pool;
use super::{Client, Shared, Stopped};
use crate::close_reason::CloseReason;
use crate::metrics::Refused;
use crate::throttle::Throttle;

/// Connections that are accepted in a row, before those that wait for a worker.
const MAX_ACCEPTS_IN_A_ROW: usize = 32;

/// How long nothing is accepted after an error of accept(2): at first, and at most.
const MIN_BACK_OFF: Duration = Duration::from_millis(5);
const MAX_BACK_OFF: Duration = Duration::from_secs(1);

/// How long a client that was refused has to read the response, before its connection is closed.
const REFUSED_TIMEOUT: Duration = Duration::from_secs(1);

/// How often the loop tries to admit connections that wait, besides when a place becomes free.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// How long the server waits for connections that were aborted. One whose worker waits for a dead disk doesn't end.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);

pub struct AcceptLoop {
    shared: Arc<Shared>,
    limits: Arc<Limits>,
    pool: Arc<Pool<Box<Client>>>,
    listeners: Vec<Arc<TcpListener>>,
    backlog: Backlog,
    /// Connections that were refused, and until when they are kept.
    refused: VecDeque<(Arc<TcpStream>, Instant)>,
    /// How long the next back-off is, and when the present one ends.
    back_off: Duration,
    accept_again_at: Option<Instant>,
    error_log: Throttle,
    refusal_log: Throttle,
}

impl AcceptLoop {
    pub fn new(shared: Arc<Shared>, listeners: Vec<TcpListener>) -> Self {
        let limits = Arc::clone(&shared.context.limits);
        let workers_shared = Arc::clone(&shared);
        let pool = Pool::new(limits.bounds.connections, move |client, worker| workers_shared.serve(client, worker));
        Self {
            shared,
            pool,
            listeners: listeners.into_iter().map(Arc::new).collect(),
            backlog: Backlog::default(),
            limits,
            refused: VecDeque::new(),
            back_off: MIN_BACK_OFF,
            accept_again_at: None,
            error_log: Throttle::new(Duration::from_secs(1)),
            refusal_log: Throttle::new(Duration::from_secs(1)),
        }
    }

    pub fn run(mut self, drain_timeout: Duration) -> Stopped {
        self.listen();
        while matches!(self.limits.must_close(), None | Some(CloseReason::Evicted)) {
            let accepts = self.wait(None);
            self.admit_waiting();
            if accepts {
                self.accept();
                self.listen();
            }
        }
        self.drain(drain_timeout)
    }

    /// Waits until there is something to do, until `until` at the latest, and does what is due. Returns whether there
    /// is a connection to accept.
    fn wait(&mut self, until: Option<Instant>) -> bool {
        // For what was queued since the last time.
        self.pool.wake();
        let retry = (!self.backlog.waiting.is_empty()).then(|| Instant::now() + RETRY_INTERVAL);
        let refused_until = self.refused.front().map(|(_, until)| *until);
        let deadlines = [until, retry, refused_until, self.accept_again_at, self.pool.next_tick()];
        let mut ready = Vec::new();
        let mut accepts = self.shared.poller.wait(deadlines.into_iter().flatten().min(), &mut ready);
        for client in ready {
            self.shared.metrics().resumed();
            self.pool.submit(client);
        }
        self.pool.wake();
        let now = Instant::now();
        self.pool.tick(now);
        while let Some(client) = self.pool.take_overdue(now, WAIT_TIMEOUT) {
            self.refuse(Arc::clone(&client.socket), Refused::NoResources);
            self.shared.close(client, CloseReason::NoResources);
        }
        while self.refused.front().is_some_and(|(_, until)| *until <= now) {
            self.refused.pop_front();
        }
        if self.accept_again_at.is_some_and(|at| at <= now) {
            self.accept_again_at = None;
            accepts = true;
        }
        accepts
    }

    fn listen(&mut self) {
        if self.accept_again_at.is_some() {
            return;
        }
        let armed = self.listeners.iter().try_for_each(|listener| self.shared.poller.arm_listener(listener));
        if let Err(error) = armed {
            self.back_off(&error);
        }
    }

    fn accept(&mut self) {
        for listener in self.listeners.clone() {
            for _ in 0..MAX_ACCEPTS_IN_A_ROW {
                match accept(&listener) {
                    Ok((stream, peer)) => {
                        self.back_off = MIN_BACK_OFF;
                        self.handle_new(Arc::new(stream), peer);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) => return self.back_off(&error),
                }
            }
        }
    }

    /// Accepts nothing for a while: the system has no descriptors or no memory left.
    fn back_off(&mut self, error: &io::Error) {
        self.error_log.pass(|missed| log::warn!("can't accept connections: {error} ({missed} more such errors)"));
        // An idle connection's descriptor may be the one that is missing.
        self.evict(None);
        self.accept_again_at = Some(Instant::now() + self.back_off);
        self.back_off = (self.back_off * 2).min(MAX_BACK_OFF);
    }

    /// Admits a new connection, lets it wait, or refuses it.
    fn handle_new(&mut self, socket: Arc<TcpStream>, peer: SocketAddr) {
        if !memory_is_left() {
            return self.refuse(socket, Refused::NoResources);
        }
        // First come, first served. But a connection whose address is at its own limit is refused, and doesn't wait.
        let is_next = self.backlog.waiting.is_empty() || self.limits.is_full(self.limits.address_of(peer));
        if is_next && self.admit(&socket, peer) {
            return;
        }
        match self.backlog.push(socket, peer, Instant::now(), &self.limits) {
            Ok(()) => self.update_waiting(),
            Err(socket) => self.refuse(socket, Refused::BacklogFull),
        }
    }

    /// Gives a connection a place and a worker, or refuses it if its address has too many. `false`: there is no place.
    fn admit(&mut self, socket: &Arc<TcpStream>, peer: SocketAddr) -> bool {
        let address = self.limits.address_of(peer);
        loop {
            match self.limits.admit(socket, address) {
                Ok(place) => {
                    let connection = Connection::new(peer, Instant::now(), &self.shared.context);
                    self.shared.metrics().opened();
                    // Usually, its request has arrived already.
                    self.pool.submit(Box::new(Client { socket: Arc::clone(socket), connection, place }));
                    return true;
                }
                Err(Full::Address) if self.evict(address) => {}
                Err(Full::Address) => {
                    self.refuse(Arc::clone(socket), Refused::Address);
                    return true;
                }
                Err(Full::Connections) if self.evict(None) => {}
                Err(Full::Connections) => return false,
            }
        }
    }

    /// Closes the connection that has been idle longest, of `address` or of all. Returns whether there was one.
    fn evict(&self, address: Option<IpAddr>) -> bool {
        let wanted = |client: &Client| address.is_none() || client.place.address == address;
        while let Some(client) = self.shared.poller.evict(Instant::now(), |client| wanted(client)) {
            if self.close_idle(client, CloseReason::Evicted) {
                return true;
            }
        }
        false
    }

    /// Closes an idle connection, unless its next request has just arrived. Returns whether it did.
    fn close_idle(&self, client: Box<Client>, reason: CloseReason) -> bool {
        self.shared.metrics().resumed();
        if matches!(client.socket.peek(&mut [0]), Ok(1..)) {
            self.pool.submit(client);
            return false;
        }
        self.shared.close(client, reason);
        true
    }

    /// Admits connections that wait, while there are places, and refuses those that have waited for too long.
    fn admit_waiting(&mut self) {
        if self.backlog.waiting.is_empty() {
            return;
        }
        while !self.backlog.waiting.is_empty()
            && (self.limits.open() < self.limits.bounds.connections || self.evict(None))
            && let Some(waiting) = self.backlog.pop_next(&self.limits)
        {
            self.admit(&waiting.socket, waiting.peer);
        }
        while let Some(waiting) = self.backlog.pop_expired(Instant::now()) {
            self.refuse(waiting.socket, Refused::TimedOut);
        }
        self.update_waiting();
    }

    fn update_waiting(&self) {
        let waiting = self.backlog.waiting.len();
        self.limits.set_waiting(waiting > 0);
        self.shared.metrics().waiting(waiting);
    }

    /// Answers 503 and keeps the connection until the client has had time to read that.
    fn refuse(&mut self, socket: Arc<TcpStream>, why: Refused) {
        self.refusal_log.pass(|missed| {
            log::warn!("refused a connection with 503: {} ({missed} more refused before)", why.sentence());
        });
        self.shared.metrics().refused(why);
        refuse(&*socket);
        if self.refused.len() >= self.limits.bounds.backlog {
            self.refused.pop_front();
        }
        self.refused.push_back((socket, Instant::now() + REFUSED_TIMEOUT));
    }

    /// Accepts nothing more, closes the idle connections, and waits until the others have ended; then aborts them.
    fn drain(mut self, drain_timeout: Duration) -> Stopped {
        self.listeners.drain(..).for_each(|listener| self.shared.poller.disarm_listener(&listener));
        while let Some(waiting) = self.backlog.pop_next(&self.limits) {
            self.refuse(waiting.socket, Refused::Stopping);
        }
        self.update_waiting();
        for client in self.shared.poller.take_idle() {
            self.close_idle(client, CloseReason::Drained);
        }
        let until = Instant::now() + drain_timeout;
        let limits = Arc::clone(&self.limits);
        while limits.open() > 0 && Instant::now() < until && limits.must_close() != Some(CloseReason::Aborted) {
            self.wait(Some(until));
        }
        let aborted = if limits.open() > 0 { limits.abort() } else { 0 };
        let until = Instant::now() + ABORT_TIMEOUT;
        while limits.open() > 0 && Instant::now() < until {
            self.wait(Some(until));
        }
        self.pool.close();
        Stopped { aborted }
    }
}
