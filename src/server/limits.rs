//! How many connections there may be: the bounds, how many are open, and the connections that wait to be admitted.
//!
//! An open connection has a [`Place`]. At the limit of all connections, with none of them idle, a new one waits in the
//! [`Backlog`] for a short while. Nothing waits for the limit of one address, so that no address delays another.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use super::lock;
use crate::close_reason::CloseReason;
use crate::config::Config;
use crate::http::forwarded::Proxies;

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
    /// 0 for no limit. Proxies have none.
    pub per_address: usize,
    /// Connections that wait for a place, and as many that were refused and are reading the response.
    pub backlog: usize,
}

impl Bounds {
    /// The bounds of `config`, lowered to what `descriptors` can hold beside the `listeners`: a connection needs two
    /// (its socket and its file), one that waits or was refused needs one. `None` when not even one connection fits.
    pub fn within_descriptors(config: &Config, listeners: usize, descriptors: usize) -> Option<Self> {
        let for_clients = descriptors.checked_sub(RESERVED_DESCRIPTORS + listeners * 2)?;
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
    pub proxies: Proxies,
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
    /// See [`Limits::address_of`].
    pub address: Option<IpAddr>,
}

/// A request that a proxy passed on, until it is dropped. It counts as a connection of its client's address.
pub struct Forwarded {
    limits: Arc<Limits>,
    client: IpAddr,
}

impl Limits {
    pub fn new(bounds: Bounds, proxies: Proxies) -> Arc<Self> {
        Arc::new(Self { bounds, proxies, open: Mutex::default(), must_close: AtomicU8::new(0) })
    }

    /// The address that a connection counts for: none for a proxy's, which has many clients. An IPv4 client on an IPv6
    /// listener is the same client.
    pub fn address_of(&self, peer: SocketAddr) -> Option<IpAddr> {
        let address = peer.ip().to_canonical();
        (!self.proxies.trusts(address)).then_some(address)
    }

    pub fn admit(self: &Arc<Self>, socket: &Arc<TcpStream>, address: Option<IpAddr>) -> Result<Place, Full> {
        let mut open = lock(&self.open);
        if let Some(full) = open.full(address, self.bounds) {
            return Err(full);
        }
        open.next += 1;
        let number = open.next;
        open.sockets.insert(number, Arc::clone(socket));
        open.add(address);
        Ok(Place { limits: Arc::clone(self), number, address })
    }

    /// Counts a request of `client` that a proxy passed on; `None` when that address is at its limit.
    pub fn forward(self: &Arc<Self>, client: IpAddr) -> Option<Forwarded> {
        let mut open = lock(&self.open);
        if open.is_full(Some(client), self.bounds) {
            return None;
        }
        open.add(Some(client));
        Some(Forwarded { limits: Arc::clone(self), client })
    }

    pub fn is_full(&self, address: Option<IpAddr>) -> bool {
        lock(&self.open).is_full(address, self.bounds)
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
    fn full(&self, address: Option<IpAddr>, bounds: Bounds) -> Option<Full> {
        if self.is_full(address, bounds) {
            return Some(Full::Address);
        }
        (self.sockets.len() >= bounds.connections).then_some(Full::Connections)
    }

    fn is_full(&self, address: Option<IpAddr>, bounds: Bounds) -> bool {
        bounds.per_address > 0 && self.of(address) >= bounds.per_address
    }

    fn of(&self, address: Option<IpAddr>) -> usize {
        address.and_then(|address| self.of_address.get(&address)).copied().unwrap_or(0)
    }

    fn add(&mut self, address: Option<IpAddr>) {
        if let Some(address) = address {
            *self.of_address.entry(address).or_default() += 1;
        }
    }

    fn remove(&mut self, address: Option<IpAddr>) {
        let Some(address) = address else { return };
        if let Some(count) = self.of_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.of_address.remove(&address);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.limits.open);
        // The descriptor is free before the place is.
        open.sockets.remove(&self.number);
        open.remove(self.address);
    }
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        lock(&self.limits.open).remove(Some(self.client));
    }
}

pub struct Waiting {
    pub socket: Arc<TcpStream>,
    pub peer: SocketAddr,
    /// See [`Limits::address_of`].
    address: Option<IpAddr>,
    until: Instant,
}

/// The connections that wait for a place, a bounded number of them for a bounded time.
#[derive(Default)]
pub struct Backlog {
    pub waiting: VecDeque<Waiting>,
}

impl Backlog {
    /// Gives the connection back if there is no room. One address has a quarter of the room.
    pub fn push(
        &mut self,
        socket: Arc<TcpStream>,
        peer: SocketAddr,
        now: Instant,
        limits: &Limits,
    ) -> Result<(), Arc<TcpStream>> {
        let (room, address) = (limits.bounds.backlog, limits.address_of(peer));
        let of_address = self.waiting.iter().filter(|waiting| address.is_some() && waiting.address == address).count();
        if self.waiting.len() >= room || of_address >= room.div_ceil(4) {
            return Err(socket);
        }
        self.waiting.push_back(Waiting { socket, peer, address, until: now + WAIT_TIMEOUT });
        Ok(())
    }

    /// Takes the connection that is next: the first one of the address that has the fewest connections open.
    pub fn pop_next(&mut self, limits: &Limits) -> Option<Waiting> {
        let open = lock(&limits.open);
        let (at, _) = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| open.of(waiting.address))?;
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
    // Read once, since every new connection asks.
    static LIMIT: OnceLock<Option<u64>> = OnceLock::new();
    let limit = LIMIT.get_or_init(|| rustix::process::getrlimit(rustix::process::Resource::As).current);
    let Some(limit) = *limit else { return true };
    // The first number is the address space in pages (proc(5)). Where there is no such file, nothing is known.
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|numbers| numbers.split(' ').next()?.parse::<u64>().ok());
    let used = pages.map(|pages| pages * rustix::param::page_size() as u64);
    used.is_none_or(|used| used + HEADROOM <= limit)
}

#[cfg(test)]
mod tests;
