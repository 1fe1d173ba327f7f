//! How many connections there may be: the bounds, the counts, and the stage of the server's life.
//!
//! An open connection has a [`Permit`] until it ends. Counts and handles to shut sockets down are all that is held here,
//! never a connection.

use std::collections::HashMap;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::close_reason::CloseReason;
use crate::config::Config;
use crate::http::forwarded::Proxies;
use crate::sync::lock;

/// Refused connections that may linger, where there are enough descriptors.
const MAX_REFUSED: usize = 256;

/// Descriptors for everything but connections: standard streams, listeners, the poller, the folder.
const RESERVED_DESCRIPTORS: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub connections: usize,
    /// 0 for no limit. Proxies have none.
    pub per_address: usize,
    /// Connections that were refused, and stay until their clients have read why.
    pub refused: usize,
}

impl Bounds {
    /// The bounds of `config`, lowered to what `descriptors` can hold beside the `listeners`: a connection needs two
    /// (its socket and its file), a refused one needs one. `None` when not even one connection fits.
    pub fn within_descriptors(config: &Config, listeners: usize, descriptors: usize) -> Option<Self> {
        let for_clients = descriptors.checked_sub(RESERVED_DESCRIPTORS + listeners * 2)?;
        let refused = (for_clients / 8).clamp(1, MAX_REFUSED);
        let connections = config.max_connections.min(for_clients.saturating_sub(refused) / 2);
        (connections > 0).then_some(Self { connections, per_address: config.max_connections_per_ip, refused })
    }
}

/// The stage of the server's life. Each has precedence over those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Running,
    /// New connections wait for a place: the others close after their response.
    Full,
    /// The server stops: every connection closes after its response.
    Draining,
    /// The server stops at once, in the middle of responses.
    Aborted,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Running, Self::Full, Self::Draining, Self::Aborted];

    /// Why a connection closes after its response in this stage, if it does.
    pub fn close_reason(self) -> Option<CloseReason> {
        match self {
            Self::Running => None,
            Self::Full => Some(CloseReason::Evicted),
            Self::Draining => Some(CloseReason::Drained),
            Self::Aborted => Some(CloseReason::Aborted),
        }
    }

    pub fn is_stopping(self) -> bool {
        self >= Self::Draining
    }
}

pub struct Limits {
    pub bounds: Bounds,
    pub proxies: Proxies,
    counts: Mutex<Counts>,
    /// The number of open connections, for those who don't need the lock.
    open: AtomicUsize,
    /// An index in [`Stage::ALL`].
    stage: AtomicU8,
}

#[derive(Debug, Default)]
struct Counts {
    /// The sockets of open connections, by the numbers of their permits.
    sockets: HashMap<u64, Arc<TcpStream>>,
    next_number: u64,
    of_address: HashMap<IpAddr, usize>,
    refused: usize,
}

/// A connection's place among those that are open, or among those that were refused, until it is dropped.
pub struct Permit {
    limits: Arc<Limits>,
    /// `None` for a refused connection.
    number: Option<u64>,
    /// The address that the connection counts for, as in [`Limits::address_of`].
    pub address: Option<IpAddr>,
}

/// A request that a proxy passed on, until it is dropped. It counts as a connection of its client's address.
pub struct ForwardedPermit {
    limits: Arc<Limits>,
    client: IpAddr,
}

impl Limits {
    pub fn new(bounds: Bounds, proxies: Proxies) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            proxies,
            counts: Mutex::default(),
            open: AtomicUsize::new(0),
            stage: AtomicU8::new(Stage::Running as u8),
        })
    }

    /// The address that a connection counts for: none for a proxy's, which has many clients. An IPv4 client on an IPv6
    /// listener is the same client.
    pub fn address_of(&self, peer: SocketAddr) -> Option<IpAddr> {
        let address = peer.ip().to_canonical();
        (!self.proxies.trusts(address)).then_some(address)
    }

    /// Whether another connection may be admitted.
    pub fn has_place(&self) -> bool {
        self.open() < self.bounds.connections
    }

    /// Counts a connection as open. `None` when its address is at its limit.
    pub fn admit(self: &Arc<Self>, socket: &Arc<TcpStream>, address: Option<IpAddr>) -> Option<Permit> {
        let mut counts = lock(&self.counts);
        if let Some(address) = address
            && !counts.add(address, self.bounds.per_address)
        {
            return None;
        }
        counts.next_number += 1;
        let number = counts.next_number;
        counts.sockets.insert(number, Arc::clone(socket));
        self.open.fetch_add(1, Ordering::SeqCst);
        Some(Permit { limits: Arc::clone(self), number: Some(number), address })
    }

    /// Counts a connection as refused. `None` when there are too many of them already.
    pub fn admit_refused(self: &Arc<Self>) -> Option<Permit> {
        let mut counts = lock(&self.counts);
        if counts.refused >= self.bounds.refused {
            return None;
        }
        counts.refused += 1;
        Some(Permit { limits: Arc::clone(self), number: None, address: None })
    }

    /// Counts a request of `client` that a proxy passed on. `None` when that address is at its limit.
    pub fn admit_forwarded(self: &Arc<Self>, client: IpAddr) -> Option<ForwardedPermit> {
        let is_admitted = lock(&self.counts).add(client, self.bounds.per_address);
        is_admitted.then(|| ForwardedPermit { limits: Arc::clone(self), client })
    }

    /// The number of open connections.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub fn stage(&self) -> Stage {
        Stage::ALL[usize::from(self.stage.load(Ordering::SeqCst))]
    }

    /// New connections wait for a place, or no longer do. This changes nothing when the server is stopping.
    pub fn set_full(&self, is_full: bool) {
        let (from, to) = if is_full { (Stage::Running, Stage::Full) } else { (Stage::Full, Stage::Running) };
        // It fails in another stage, which then stays.
        let _ = self.stage.compare_exchange(from as u8, to as u8, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// The server stops. There is no way back.
    pub fn stop(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::SeqCst);
    }

    /// Shuts down the socket of every open connection. Returns how many there are.
    pub fn abort(&self) -> usize {
        self.stop(Stage::Aborted);
        let counts = lock(&self.counts);
        for socket in counts.sockets.values() {
            // It fails where the client is gone.
            let _ = socket.shutdown(Shutdown::Both);
        }
        counts.sockets.len()
    }
}

impl Counts {
    /// Counts one more of `address`, unless that is at its limit; 0 for none.
    fn add(&mut self, address: IpAddr, limit: usize) -> bool {
        let count = self.of_address.entry(address).or_default();
        if limit > 0 && *count >= limit {
            return false;
        }
        *count += 1;
        true
    }

    fn remove(&mut self, address: IpAddr) {
        let Some(count) = self.of_address.get_mut(&address) else { return };
        *count -= 1;
        if *count == 0 {
            self.of_address.remove(&address);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = lock(&self.limits.counts);
        match self.number {
            Some(number) => {
                // The descriptor is free before the place is.
                drop(counts.sockets.remove(&number));
                self.limits.open.fetch_sub(1, Ordering::SeqCst);
            }
            None => counts.refused -= 1,
        }
        if let Some(address) = self.address {
            counts.remove(address);
        }
    }
}

impl Drop for ForwardedPermit {
    fn drop(&mut self) {
        lock(&self.limits.counts).remove(self.client);
    }
}

#[cfg(test)]
mod tests;
