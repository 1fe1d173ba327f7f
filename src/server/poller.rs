//! Parked connections: each stays here until its socket has something to read, or its deadline has come.
//!
//! Any thread may park a connection. One thread, the accept loop, blocks in [`Poller::wait`] and takes those that are
//! ready.

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(any(test, not(target_os = "linux")))]
mod poll;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::sync::lock;

#[cfg(target_os = "linux")]
use epoll::Selector;
#[cfg(not(target_os = "linux"))]
use poll::Selector;

/// The bit that tells a listener's token from a connection's.
const LISTENER: u64 = 1 << 62;

pub struct Poller<T> {
    selector: Selector,
    parked: Mutex<Parked<T>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// When the poller returns the connection, even if there is nothing to read.
    pub until: Instant,
    /// When it became idle, and may be evicted; `None`: it may not.
    pub idle_since: Option<Instant>,
}

/// What one wait gives.
pub struct Turn<T> {
    /// The connections that have something to read, or have reached their deadline.
    pub ready: Vec<T>,
    /// Whether there is a connection to accept.
    pub is_acceptable: bool,
    /// How many connections are still parked.
    pub parked: usize,
}

struct Parked<T> {
    /// By the socket's descriptor.
    connections: HashMap<u64, (T, Deadline)>,
    deadlines: BTreeSet<(Instant, u64)>,
    /// When the present wait ends. It stays when that connection is taken out, since it is usually parked again soon:
    /// then nothing has to be woken.
    wait_ends: Option<Instant>,
    refuses_idle: bool,
}

impl<T> Parked<T> {
    fn take(&mut self, token: u64) -> Option<T> {
        let (connection, deadline) = self.connections.remove(&token)?;
        self.deadlines.remove(&(deadline.until, token));
        Some(connection)
    }
}

impl<T> Poller<T> {
    pub fn new() -> io::Result<Self> {
        let parked =
            Parked { connections: HashMap::new(), deadlines: BTreeSet::new(), wait_ends: None, refuses_idle: false };
        Ok(Self { selector: Selector::new()?, parked: Mutex::new(parked) })
    }

    /// Parks a connection until its socket has something to read, or until its deadline. Gives it back if the system
    /// can't watch the socket, or if it is idle and [`Self::take_idle`] was called.
    pub fn park(&self, connection: T, socket: impl Fn(&T) -> &Arc<TcpStream>, deadline: Deadline) -> Result<(), T> {
        let token = socket(&connection).as_raw_fd() as u64;
        let mut parked = lock(&self.parked);
        if parked.refuses_idle && deadline.idle_since.is_some() {
            return Err(connection);
        }
        // With the lock held: an event that comes at once finds the connection parked.
        if self.selector.arm(token, socket(&connection)).is_err() {
            return Err(connection);
        }
        parked.connections.insert(token, (connection, deadline));
        parked.deadlines.insert((deadline.until, token));
        if parked.wait_ends.is_none_or(|end| deadline.until < end) {
            parked.wait_ends = Some(deadline.until);
            drop(parked);
            self.wake();
        }
        Ok(())
    }

    /// The next connection to accept ends a wait, once.
    pub fn arm_listener(&self, listener: &Arc<TcpListener>) -> io::Result<()> {
        self.selector.arm(LISTENER | listener.as_raw_fd() as u64, listener)
    }

    pub fn disarm_listener(&self, listener: &Arc<TcpListener>) {
        self.selector.disarm(LISTENER | listener.as_raw_fd() as u64);
    }

    /// Waits until a connection has something to read or has reached its deadline, or there is one to accept; until
    /// `until` at the latest.
    pub fn wait(&self, until: Option<Instant>) -> Turn<T> {
        let mut parked = lock(&self.parked);
        let now = Instant::now();
        let first = parked.deadlines.first().map(|(deadline, _)| *deadline);
        parked.wait_ends = first.into_iter().chain(parked.wait_ends.filter(|end| *end > now)).min();
        let until = until.into_iter().chain(parked.wait_ends).min();
        drop(parked);
        let mut tokens = Vec::new();
        self.selector.wait(until.map(|until| until.saturating_duration_since(now)), &mut tokens);
        let mut parked = lock(&self.parked);
        let mut ready: Vec<T> = tokens.iter().filter_map(|token| parked.take(*token)).collect();
        let now = Instant::now();
        while let Some((_, token)) = parked.deadlines.first().copied().filter(|(deadline, _)| *deadline <= now) {
            self.selector.disarm(token);
            ready.extend(parked.take(token));
        }
        let is_acceptable = tokens.iter().any(|token| token & LISTENER != 0);
        Turn { ready, is_acceptable, parked: parked.connections.len() }
    }

    /// Ends the present wait, or the next one.
    pub fn wake(&self) {
        self.selector.wake();
    }

    /// Takes the connection that has been idle longest, of those that are `wanted`.
    pub fn evict(&self, now: Instant, wanted: impl Fn(&T) -> bool) -> Option<T> {
        let mut parked = lock(&self.parked);
        let idle = parked.connections.iter().filter_map(|(token, (connection, deadline))| {
            let since = deadline.idle_since.filter(|since| *since <= now)?;
            wanted(connection).then_some((since, *token))
        });
        let (_, token) = idle.min()?;
        self.selector.disarm(token);
        parked.take(token)
    }

    /// Takes every idle connection, and lets none be parked from now on.
    pub fn take_idle(&self) -> Vec<T> {
        let mut parked = lock(&self.parked);
        parked.refuses_idle = true;
        let is_idle = |(token, (_, deadline)): (&u64, &(T, Deadline))| deadline.idle_since.map(|_| *token);
        let idle: Vec<u64> = parked.connections.iter().filter_map(is_idle).collect();
        idle.iter().for_each(|token| self.selector.disarm(*token));
        idle.into_iter().filter_map(|token| parked.take(token)).collect()
    }
}

#[cfg(test)]
mod tests;
