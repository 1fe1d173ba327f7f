//! How many connections there may be: the bounds, how many are open, and the connections that wait to be admitted.
//!
//! An open connection has a [`Place`]. Where the bound of all connections is reached and none of them is idle, a new one
//! waits in the [`Backlog`] for a short while. The bound of one address is never waited for, so that no address delays
//! another.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::close_reason::CloseReason;
use crate::config::Config;

/// How long a new connection waits for a place. Browsers give up on a seek much later; a 503 ends their playback.
pub const WAIT: Duration = Duration::from_secs(3);

/// Connections that wait, at most, where there are descriptors for as many.
const BACKLOG: usize = 256;

/// Descriptors for everything that is no connection: standard streams, listeners, the poller, the folder.
const RESERVED_DESCRIPTORS: usize = 16;

/// Address space that must be left, in bytes: a client was seen to take 20 KiB at the most besides its worker's stack.
const HEADROOM: u64 = 2 * 1024 * 1024;

/// The bounds of [`Limits`] and [`Backlog`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// Connections of one address at once; 0 for no limit of its own.
    pub per_address: usize,
    /// Connections that wait for a place, and as many that were refused and are still reading why.
    pub backlog: usize,
}

impl Bounds {
    /// The bounds of `config`, lowered to what `descriptors` can hold: a connection needs two (its socket and its file),
    /// one that waits or was refused needs one. `None` when not even one connection fits.
    pub fn within_descriptors(config: &Config, descriptors: usize) -> Option<Self> {
        let for_clients = descriptors.checked_sub(RESERVED_DESCRIPTORS + config.bind.len() * 2)?;
        let backlog = (for_clients / 8).clamp(1, BACKLOG);
        let connections = config.max_connections.min(for_clients.saturating_sub(2 * backlog) / 2);
        (connections > 0).then_some(Self { connections, per_address: config.max_connections_per_ip, backlog })
    }
}

/// Which bound a new connection would exceed: that of all connections, or that of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    Connections,
    Address,
}

/// Why a connection is to close rather than become idle, the mildest reason first.
const PRESSURES: [Option<CloseReason>; 4] =
    [None, Some(CloseReason::Evicted), Some(CloseReason::Drained), Some(CloseReason::Aborted)];

/// The connections that are open. It holds their sockets only to shut them down.
#[derive(Debug)]
pub struct Limits {
    bounds: Bounds,
    open: Mutex<Open>,
    /// Which of [`PRESSURES`].
    pressure: AtomicU8,
}

#[derive(Debug, Default)]
struct Open {
    sockets: HashMap<u64, Arc<TcpStream>>,
    of_address: HashMap<IpAddr, usize>,
    next: u64,
}

/// A connection's place among those that are open, until it is dropped.
#[derive(Debug)]
pub struct Place {
    limits: Arc<Limits>,
    number: u64,
    /// The address that the connection counts for.
    pub address: IpAddr,
}

/// The address that a client counts for. An IPv4 client on an IPv6 listener is the same client.
pub fn address_of(peer: SocketAddr) -> IpAddr {
    peer.ip().to_canonical()
}

impl Limits {
    pub fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, open: Mutex::default(), pressure: AtomicU8::new(0) })
    }

    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Gives a new connection from `address` a place, or says which bound it would exceed.
    pub fn admit(self: &Arc<Self>, socket: &Arc<TcpStream>, address: IpAddr) -> Result<Place, Full> {
        let mut open = self.lock();
        if let Some(full) = open.full(address, self.bounds) {
            return Err(full);
        }
        open.next += 1;
        let number = open.next;
        open.sockets.insert(number, Arc::clone(socket));
        *open.of_address.entry(address).or_default() += 1;
        Ok(Place { limits: Arc::clone(self), number, address })
    }

    /// Whether `address` has as many connections open as it may have.
    pub fn is_full(&self, address: IpAddr) -> bool {
        self.lock().full(address, self.bounds) == Some(Full::Address)
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.lock().sockets.len()
    }

    /// Why a connection is to close after its response, if it is to.
    pub fn must_close(&self) -> Option<CloseReason> {
        PRESSURES[usize::from(self.pressure.load(Ordering::SeqCst))]
    }

    /// Connections wait for a place, or wait no longer.
    pub fn set_contended(&self, is_contended: bool) {
        let (from, to) = if is_contended { (0, 1) } else { (1, 0) };
        let _ = self.pressure.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The server stops: every connection closes after its response, or, `at_once`, before that.
    pub fn stop(&self, at_once: bool) {
        self.pressure.fetch_max(if at_once { 3 } else { 2 }, Ordering::SeqCst);
    }

    /// Shuts down the socket of every open connection; how many there are.
    pub fn abort(&self) -> usize {
        self.stop(true);
        let open = self.lock();
        for socket in open.sockets.values() {
            // It fails where the client is gone.
            let _ = socket.shutdown(Shutdown::Both);
        }
        open.sockets.len()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut open = self.limits.lock();
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

/// A connection that waits for a place.
#[derive(Debug)]
pub struct Waiting {
    pub socket: Arc<TcpStream>,
    pub peer: SocketAddr,
    until: Instant,
}

/// The connections that wait for a place, a bounded number of them for a bounded time.
#[derive(Debug)]
pub struct Backlog {
    waiting: VecDeque<Waiting>,
    bounds: Bounds,
}

impl Backlog {
    pub fn new(bounds: Bounds) -> Self {
        Self { waiting: VecDeque::new(), bounds }
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Lets a connection wait for [`WAIT`] at most; gives it back if there is no room. One address has a quarter of it.
    pub fn push(&mut self, socket: Arc<TcpStream>, peer: SocketAddr, now: Instant) -> Result<(), Arc<TcpStream>> {
        let of_address = self.waiting.iter().filter(|waiting| address_of(waiting.peer) == address_of(peer)).count();
        if self.waiting.len() >= self.bounds.backlog || of_address >= self.bounds.backlog.div_ceil(4) {
            return Err(socket);
        }
        self.waiting.push_back(Waiting { socket, peer, until: now + WAIT });
        Ok(())
    }

    /// Takes the connection that is next: the first one of the address that has the fewest connections open.
    pub fn pop_next(&mut self, limits: &Limits) -> Option<Waiting> {
        let open = limits.lock();
        let (at, _) = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| open.of(address_of(waiting.peer)))?;
        self.waiting.remove(at)
    }

    /// Takes a connection that has waited long enough.
    pub fn pop_expired(&mut self, now: Instant) -> Option<Waiting> {
        let is_expired = self.waiting.front().is_some_and(|waiting| waiting.until <= now);
        is_expired.then(|| self.waiting.pop_front())?
    }
}

/// Whether there is address space for something new, where it has a limit (`ulimit -v`): a small allocation that fails ends
/// the whole program, so that whatever would need much more is refused before. Nothing is allocated to find out, since
/// glibc has memory for that which other threads don't get.
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
