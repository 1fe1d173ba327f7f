//! How many connections there may be: the bounds, how many are open, and the connections that wait to be admitted.
//!
//! An open connection has a [`Place`]. At the limit of all connections, with none of them idle, a new one waits in the
//! [`Backlog`] for a short while. Nothing waits for the limit of one address, so that no address delays another.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::lock;
use crate::close_reason::CloseReason;
use crate::config::Config;

/// How long a new connection waits for a place. Browsers give up on a seek much later; a 503 ends their playback.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(3);

/// Connections that wait, at most, where there are descriptors for as many.
const MAX_WAITING: usize = 256;

/// Descriptors for everything that is no connection: standard streams, listeners, the poller, the folder.
const RESERVED_DESCRIPTORS: usize = 16;

/// Address space that must be left, in bytes: a client was seen to take 20 KiB at the most besides its worker's stack.
const HEADROOM: u64 = 2 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub connections: usize,
    /// 0 for no limit.
    pub per_address: usize,
    /// Connections that wait for a place, and as many that were refused and are reading the response.
    pub backlog: usize,
}

impl Bounds {
    /// The bounds of `config`, lowered to what `descriptors` can hold: a connection needs two (its socket and its
    /// file), one that waits or was refused needs one. `None` when not even one connection fits.
    pub fn within_descriptors(config: &Config, descriptors: usize) -> Option<Self> {
        let for_clients = descriptors.checked_sub(RESERVED_DESCRIPTORS + config.bind.len() * 2)?;
        let backlog = (for_clients / 8).clamp(1, MAX_WAITING);
        let connections = config.max_connections.min(for_clients.saturating_sub(2 * backlog) / 2);
        (connections > 0).then_some(Self { connections, per_address: config.max_connections_per_ip, backlog })
    }
}

/// Which limit a new connection would exceed: that of all connections, or that of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    Connections,
    Address,
}

/// Why every connection has to close after its response; a later one takes precedence.
const MUST_CLOSE: [Option<CloseReason>; 4] =
    [None, Some(CloseReason::Evicted), Some(CloseReason::Drained), Some(CloseReason::Aborted)];

/// The connections that are open. It holds their sockets only to shut them down.
pub struct Limits {
    pub bounds: Bounds,
    open: Mutex<Open>,
    /// The index in [`MUST_CLOSE`].
    must_close: AtomicU8,
}

#[derive(Debug, Default)]
struct Open {
    sockets: HashMap<u64, Arc<TcpStream>>,
    of_address: HashMap<IpAddr, usize>,
    next: u64,
}

/// A connection's place among those that are open, until it is dropped.
pub struct Place {
    limits: Arc<Limits>,
    number: u64,
    pub address: IpAddr,
}

/// The address that a client counts for. An IPv4 client on an IPv6 listener is the same client.
pub fn address_of(peer: SocketAddr) -> IpAddr {
    peer.ip().to_canonical()
}

impl Limits {
    pub fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, open: Mutex::default(), must_close: AtomicU8::new(0) })
    }

    pub fn admit(self: &Arc<Self>, socket: &Arc<TcpStream>, address: IpAddr) -> Result<Place, Full> {
        let mut open = lock(&self.open);
        if let Some(full) = open.full(address, self.bounds) {
            return Err(full);
        }
        open.next += 1;
        let number = open.next;
        open.sockets.insert(number, Arc::clone(socket));
        *open.of_address.entry(address).or_default() += 1;
        Ok(Place { limits: Arc::clone(self), number, address })
    }

    pub fn is_full(&self, address: IpAddr) -> bool {
        lock(&self.open).full(address, self.bounds) == Some(Full::Address)
    }

    pub fn open(&self) -> usize {
        lock(&self.open).sockets.len()
    }

    /// Why a connection has to close after its response, if it has to.
    pub fn must_close(&self) -> Option<CloseReason> {
        MUST_CLOSE[usize::from(self.must_close.load(Ordering::SeqCst))]
    }

    /// While new connections wait for a place, the others close after their response; unless the server stops anyway.
    pub fn set_waiting(&self, waiting: bool) {
        let (from, to) = if waiting { (0, 1) } else { (1, 0) };
        let _ = self.must_close.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The server stops: every connection closes after its response, or, `at_once`, in the middle of it.
    pub fn stop(&self, at_once: bool) {
        self.must_close.fetch_max(if at_once { 3 } else { 2 }, Ordering::SeqCst);
    }

    /// Shuts down the socket of every open connection; how many there are.
    pub fn abort(&self) -> usize {
        self.stop(true);
        let open = lock(&self.open);
        for socket in open.sockets.values() {
            // It fails where the client is gone.
            let _ = socket.shutdown(Shutdown::Both);
        }
        open.sockets.len()
    }
}

impl Open {
    fn full(&self, address: IpAddr, bounds: Bounds) -> Option<Full> {
        if bounds.per_address > 0 && self.of(address) >= bounds.per_address {
            return Some(Full::Address);
        }
        (self.sockets.len() >= bounds.connections).then_some(Full::Connections)
    }

    fn of(&self, address: IpAddr) -> usize {
        self.of_address.get(&address).copied().unwrap_or(0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.limits.open);
        // The descriptor is free before the place is.
        open.sockets.remove(&self.number);
        if let Some(connections) = open.of_address.get_mut(&self.address) {
            *connections -= 1;
            if *connections == 0 {
                open.of_address.remove(&self.address);
            }
        }
    }
}

pub struct Waiting {
    pub socket: Arc<TcpStream>,
    pub peer: SocketAddr,
    until: Instant,
}

/// The connections that wait for a place, a bounded number of them for a bounded time.
pub struct Backlog {
    pub waiting: VecDeque<Waiting>,
    bounds: Bounds,
}

impl Backlog {
    pub fn new(bounds: Bounds) -> Self {
        Self { waiting: VecDeque::new(), bounds }
    }

    /// Gives the connection back if there is no room. One address has a quarter of the room.
    pub fn push(&mut self, socket: Arc<TcpStream>, peer: SocketAddr, now: Instant) -> Result<(), Arc<TcpStream>> {
        let of_address = self.waiting.iter().filter(|waiting| address_of(waiting.peer) == address_of(peer)).count();
        if self.waiting.len() >= self.bounds.backlog || of_address >= self.bounds.backlog.div_ceil(4) {
            return Err(socket);
        }
        self.waiting.push_back(Waiting { socket, peer, until: now + WAIT_TIMEOUT });
        Ok(())
    }

    /// Takes the connection that is next: the first one of the address that has the fewest connections open.
    pub fn pop_next(&mut self, limits: &Limits) -> Option<Waiting> {
        let open = lock(&limits.open);
        let (at, _) = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| open.of(address_of(waiting.peer)))?;
        self.waiting.remove(at)
    }

    /// Takes a connection that has waited for [`WAIT_TIMEOUT`].
    pub fn pop_expired(&mut self, now: Instant) -> Option<Waiting> {
        let is_expired = self.waiting.front().is_some_and(|waiting| waiting.until <= now);
        is_expired.then(|| self.waiting.pop_front())?
    }
}

/// Whether there is address space for another connection or thread, where it is limited (`ulimit -v`): an allocation
/// that fails ends the whole program. A trial allocation would prove nothing, since glibc has memory that other threads
/// don't get.
pub fn memory_is_left() -> bool {
    let Some(limit) = rustix::process::getrlimit(rustix::process::Resource::As).current else { return true };
    // The first number is the address space in pages (proc(5)). Where there is no such file, nothing is known.
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|numbers| numbers.split(' ').next()?.parse::<u64>().ok());
    let used = pages.map(|pages| pages * rustix::param::page_size() as u64);
    used.is_none_or(|used| used + HEADROOM <= limit)
}

#[cfg(test)]
mod tests;
