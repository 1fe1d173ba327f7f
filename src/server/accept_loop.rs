//! The accept loop: one thread that waits for new connections and for those without a request in progress.
//!
//! It accepts connections within the limits, hands each one that has something to read to the thread pool, and ends
//! those whose deadline has come. It goes on when descriptors or threads run out.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::{Connection, send_refusal};
use super::limits::{Limits, Stage};
use super::listener::{accept, is_connection_waiting, is_per_connection_error};
use super::pool::Pool;
use super::worker::{Client, Shared};
use crate::close_reason::CloseReason;
use crate::log_limit::log_limited;
use crate::metrics::Refused;

/// Connections that are accepted in a row, before those that wait for a worker.
const MAX_ACCEPTS_IN_A_ROW: usize = 32;

/// How long nothing is accepted after an error of accept(2): at first, and at most.
const MIN_BACK_OFF: Duration = Duration::from_millis(5);
const MAX_BACK_OFF: Duration = Duration::from_secs(1);

/// How long new connections wait for a place, in the system's backlog. Browsers give up on a seek much later; a 503 ends
/// their playback.
const WAIT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often the loop looks for a place for them: a connection may have become idle.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// How long the server waits for connections that were aborted. One whose worker waits for a dead disk does not end.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);

/// How a server's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that had not ended by the drain timeout or by `Handle::stop_now`, and were aborted.
    pub aborted: usize,
}

pub struct AcceptLoop {
    shared: Arc<Shared>,
    limits: Arc<Limits>,
    pool: Arc<Pool<Box<Client>>>,
    listeners: Vec<Arc<TcpListener>>,
    /// Connections in the poller after the last wait, for the metrics.
    parked: usize,
    /// Since when new connections have been waiting for a place.
    full_since: Option<Instant>,
    /// How long the next back-off is.
    back_off: Duration,
    /// When the loop tries to accept again, although no listener is armed.
    accept_again_at: Option<Instant>,
}

impl AcceptLoop {
    pub fn new(shared: Arc<Shared>, listeners: Vec<TcpListener>) -> Self {
        let limits = Arc::clone(&shared.context.limits);
        let served = Arc::clone(&shared);
        let pool = Pool::new(limits.bounds.connections, move |client, worker| {
            served.serve(client, &mut || worker.detach());
        });
        Self {
            shared,
            limits,
            pool,
            listeners: listeners.into_iter().map(Arc::new).collect(),
            parked: 0,
            full_since: None,
            back_off: MIN_BACK_OFF,
            accept_again_at: None,
        }
    }

    pub fn run(mut self, drain_timeout: Duration) -> Stopped {
        self.listen();
        while !self.limits.stage().is_stopping() {
            let is_acceptable = self.wait(None);
            if is_acceptable || self.full_since.is_some() || self.accept_again_at.is_some_and(|at| at <= Instant::now())
            {
                self.accept();
            }
        }
        self.drain(drain_timeout)
    }

    /// Waits until there is something to do, until `until` at the latest, and does what is due. Returns whether there
    /// is a connection to accept.
    fn wait(&mut self, until: Option<Instant>) -> bool {
        self.shared.metrics().set_connections(self.limits.open(), self.parked);
        // For what was queued since the last time.
        self.pool.wake();
        let deadlines = [until, self.accept_again_at, self.pool.next_tick()];
        let turn = self.shared.poller.wait(deadlines.into_iter().flatten().min());
        self.parked = turn.parked;
        self.shared.metrics().set_connections(self.limits.open(), self.parked);
        for client in turn.ready {
            self.pool.submit(client);
        }
        self.pool.wake();
        let now = Instant::now();
        self.pool.tick(now);
        while let Some(client) = self.pool.take_overdue(now, WAIT_TIMEOUT) {
            self.refuse(*client, Refused::NoResources);
        }
        turn.is_acceptable
    }

    /// Reports the next connection once.
    fn listen(&mut self) {
        self.accept_again_at = None;
        let armed = self.listeners.iter().try_for_each(|listener| self.shared.poller.arm_listener(listener));
        if let Err(error) = armed {
            self.back_off(&error);
        }
    }

    /// Accepts the connections that wait, and then listens again. While there is no place for one, they stay in the
    /// system's backlog; after [`WAIT_TIMEOUT`] they are refused until there is a place.
    fn accept(&mut self) {
        let mut has_more = false;
        for listener in self.listeners.clone() {
            for accepted in 1.. {
                if !self.limits.has_place() {
                    if !is_connection_waiting(&listener) {
                        break;
                    }
                    if !self.evict(None) && !self.is_wait_over() {
                        self.limits.set_full(true);
                        self.accept_again_at = Some(Instant::now() + RETRY_INTERVAL);
                        return;
                    }
                }
                match accept(&listener) {
                    Ok((stream, peer)) => {
                        self.back_off = MIN_BACK_OFF;
                        self.admit(Arc::new(stream), peer);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if is_per_connection_error(&error) => {}
                    Err(error) => return self.back_off(&error),
                }
                if accepted == MAX_ACCEPTS_IN_A_ROW {
                    has_more = true;
                    break;
                }
            }
        }
        if !has_more {
            self.full_since = None;
            self.limits.set_full(false);
        }
        self.listen();
    }

    /// Whether the connections that wait have waited for long enough. The time begins with the first call.
    fn is_wait_over(&mut self) -> bool {
        let now = Instant::now();
        now >= *self.full_since.get_or_insert(now) + WAIT_TIMEOUT
    }

    /// Accepts nothing for a while: the system has no descriptors or no memory left.
    fn back_off(&mut self, error: &io::Error) {
        log_limited!(Duration::from_secs(1), |suppressed| {
            log::warn!("can't accept connections: {error} ({suppressed} more such errors)");
        });
        // An idle connection's descriptor may be the one that is missing.
        self.evict(None);
        self.accept_again_at = Some(Instant::now() + self.back_off);
        self.back_off = (self.back_off * 2).min(MAX_BACK_OFF);
    }

    /// Hands a new connection to a worker, or refuses it if there is no place or its address has too many.
    fn admit(&self, socket: Arc<TcpStream>, peer: SocketAddr) {
        if !self.limits.has_place() {
            return self.refuse_new(socket, peer, Refused::TimedOut);
        }
        let address = self.limits.address_of(peer);
        let permit = loop {
            match self.limits.admit(&socket, address) {
                Some(permit) => break permit,
                None if self.evict(address) => {}
                None => return self.refuse_new(socket, peer, Refused::Address),
            }
        };
        let connection = Connection::new(peer, Instant::now(), &self.shared.context);
        // Usually, its request has arrived already.
        self.pool.submit(Box::new(Client { socket, connection, permit }));
    }

    /// Closes the connection that has been idle longest, of `address` or of all. Returns whether there was one.
    fn evict(&self, address: Option<IpAddr>) -> bool {
        let wanted = |client: &Client| address.is_none() || client.permit.address == address;
        while let Some(client) = self.shared.poller.evict(Instant::now(), |client| wanted(client)) {
            if self.close_idle(client, CloseReason::Evicted) {
                return true;
            }
        }
        false
    }

    /// Closes an idle connection, unless its next request has just arrived. Returns whether it did.
    fn close_idle(&self, client: Box<Client>, reason: CloseReason) -> bool {
        if matches!(client.socket.peek(&mut [0]), Ok(1..)) {
            self.pool.submit(client);
            return false;
        }
        self.shared.close(client, reason);
        true
    }

    /// Refuses a connection that was not admitted. When too many such connections linger, it is closed at once.
    fn refuse_new(&self, socket: Arc<TcpStream>, peer: SocketAddr, why: Refused) {
        let connection = Connection::new(peer, Instant::now(), &self.shared.context);
        match self.limits.admit_refused() {
            Some(permit) => self.refuse(Client { socket, connection, permit }, why),
            None => send_refusal(&*socket),
        }
    }

    /// Answers 503, and keeps the connection until the client has had time to read that.
    fn refuse(&self, mut client: Client, why: Refused) {
        log_limited!(Duration::from_secs(1), |suppressed| {
            log::warn!("refused a connection with 503: {} ({suppressed} more refused before)", why.sentence());
        });
        self.shared.metrics().refused(why);
        send_refusal(&*client.socket);
        let deadline = client.connection.start_linger(CloseReason::Refused, Instant::now());
        if let Err(client) = self.shared.poller.park(Box::new(client), |client| &client.socket, deadline) {
            self.shared.close(client, CloseReason::Refused);
        }
    }

    /// Accepts nothing more, closes the idle connections, and waits until the others have ended; then aborts them.
    fn drain(mut self, drain_timeout: Duration) -> Stopped {
        self.accept_again_at = None;
        for listener in self.listeners.drain(..) {
            self.shared.poller.disarm_listener(&listener);
        }
        for client in self.shared.poller.take_idle() {
            self.close_idle(client, CloseReason::Drained);
        }
        let until = Instant::now() + drain_timeout;
        while self.limits.open() > 0 && Instant::now() < until && self.limits.stage() != Stage::Aborted {
            self.wait(Some(until));
        }
        let aborted = if self.limits.open() > 0 { self.limits.abort() } else { 0 };
        let until = Instant::now() + ABORT_TIMEOUT;
        while self.limits.open() > 0 && Instant::now() < until {
            self.wait(Some(until));
        }
        self.pool.close();
        Stopped { aborted }
    }
}
