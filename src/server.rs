//! The house's own front door: listeners, an accept loop for each, and a stop that drains.
//!
//! An accept loop blocks in `accept(2)`, asks [`Admission`] what becomes of the newcomer, and hands it to a worker of
//! the [`Pool`]. It outlives whatever the system does to it: descriptors, memory or threads running out, and
//! connections that are gone before they are accepted.

mod listener;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crate::admission::{Admission, Arrival, Client, Limits};
use crate::config::{Config, StartError};
use crate::connection::{self, Bounds, House};
use crate::http::request::Head;
use crate::http::response::Response;
use crate::library::{Library, Links};
use crate::metrics::{Metrics, TurnedAway};
use crate::pool::Pool;
use crate::routes::Site;
use crate::stream::Pace;
use crate::throttle::Throttle;
use crate::transport::Tcp;
use listener::{is_the_clients_doing, listen, wake_accept};

/// The stack of a worker. It was seen to use 16 KiB of it, 24 KiB in a debug build; a page that is never touched costs no memory.
const STACK_SIZE: usize = 128 * 1024;

/// How long the accept loop rests when the system has nothing left to accept with: at first, and at most.
const REST: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// Newcomers that wait for a place at the bound, at most.
const WAITING: usize = 256;

/// Descriptors for everything that is no connection: standard streams, listeners, the folder.
const RESERVED_DESCRIPTORS: usize = 16;

/// A server that listens; [`Server::run`] makes it serve.
pub struct Server {
    listeners: Vec<(TcpListener, SocketAddr)>,
    floor: Arc<Floor>,
    drain_timeout: Duration,
}

/// Stops a running [`Server`] from elsewhere.
#[derive(Clone)]
pub struct Handle {
    floor: Arc<Floor>,
    listeners: Arc<Vec<TcpListener>>,
}

/// How a server's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that were broken off because they didn't end by themselves.
    pub cut: usize,
}

/// What every worker shares.
struct Floor {
    site: Site,
    bounds: Bounds,
    admission: Arc<Admission>,
    pool: Pool<Visit>,
    impatient: AtomicBool,
    crowded: Throttle,
}

impl Server {
    /// Opens the folder and listens on every address of `config`. Clients that connect from now on wait for
    /// [`Server::run`].
    ///
    /// # Errors
    /// [`StartError`], whose text says what is wrong and what to do.
    pub fn bind(config: Config) -> Result<Self, StartError> {
        let config = config.within_bounds();
        if config.sendfile && !cfg!(target_os = "linux") {
            return Err(StartError::Sendfile);
        }
        let links = if config.follow_symlinks { Links::Followed } else { Links::Confined };
        let library = Library::open_with(&config.dir, links);
        let library = library.map_err(|error| StartError::Folder(config.dir.clone(), error))?;
        let limits = limits_within_descriptors(&config, open_files_limit()).ok_or(StartError::Descriptors)?;
        let listen_on = |ip: &IpAddr| {
            let address = SocketAddr::new(*ip, config.port);
            listen(address, config.idle_timeout).map_err(|error| StartError::Listen(address, error))
        };
        let listeners = config.bind.iter().map(listen_on).collect::<Result<_, _>>()?;
        // Not before: a failed start says that it failed, and nothing else.
        if limits.connections < config.max_connections {
            log::warn!(
                "only {} connections at once fit the limit of open files (ulimit -n), not {}",
                limits.connections,
                config.max_connections
            );
        }
        let pace =
            Pace { chunk_size: config.chunk_size, stall_timeout: config.stall_timeout, sendfile: config.sendfile };
        let bounds = Bounds { head_timeout: config.head_timeout, idle_timeout: config.idle_timeout, pace };
        let (site, admission) = (Site::new(library).with_cors(config.cors), Arc::new(Admission::new(limits)));
        site.metrics().ask(Arc::clone(&admission));
        let floor = Floor {
            site,
            bounds,
            admission,
            pool: Pool::new(STACK_SIZE, Visit::serve),
            impatient: AtomicBool::new(false),
            crowded: Throttle::new(Duration::from_secs(1)),
        };
        Ok(Self { listeners, floor: Arc::new(floor), drain_timeout: config.drain_timeout })
    }

    /// The first address that it listens on, with the port that it got.
    pub fn local_addr(&self) -> SocketAddr {
        // There is one at least: `Config::within_bounds` sees to that.
        self.local_addrs()[0]
    }

    /// Every address that it listens on, in the order of the configuration.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|(_, address)| *address).collect()
    }

    /// Something to stop it with.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn handle(&self) -> io::Result<Handle> {
        let listeners = self.listeners.iter().map(|(listener, _)| listener.try_clone()).collect::<io::Result<_>>()?;
        Ok(Handle { floor: Arc::clone(&self.floor), listeners: Arc::new(listeners) })
    }

    /// Serves until [`Handle::stop`], and then until every response in flight has ended or the drain timeout is over.
    ///
    /// # Errors
    /// When the threads that it needs at the least can't be started.
    pub fn run(self) -> io::Result<Stopped> {
        let Self { listeners, floor, drain_timeout } = self;
        let usher = spawn("usher", &floor, |floor| {
            floor.admission.watch_the_queue(|stream| {
                floor.site.metrics().turned_away(TurnedAway::Waited);
                floor.crowded.pass(|missed| {
                    log::warn!("a client waited in vain for a place and was turned away ({missed} more before)");
                });
                connection::turn_away(stream);
            });
        })?;
        let mut loops = Vec::new();
        for (listener, _) in listeners {
            loops.push(spawn("accept", &floor, move |floor| floor.accept_loop(&listener))?);
        }
        for accept_loop in loops {
            join(accept_loop);
        }
        let until = Instant::now() + drain_timeout;
        let cut = floor.admission.wait_until_empty(until, || floor.impatient.load(Ordering::SeqCst));
        if cut > 0 {
            floor.admission.cut();
            // They notice at once; a worker that waits for a dead disk doesn't, and isn't waited for.
            floor.admission.wait_until_empty(Instant::now() + Duration::from_secs(1), || false);
        }
        join(usher);
        Ok(Stopped { cut })
    }
}

fn spawn(
    name: &str,
    floor: &Arc<Floor>,
    work: impl FnOnce(&Arc<Floor>) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let floor = Arc::clone(floor);
    thread::Builder::new().name(name.into()).stack_size(STACK_SIZE).spawn(move || work(&floor))
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        log::error!("a thread of the server panicked");
    }
}

impl Handle {
    /// Lets nobody in any more, ends idle connections, and lets the responses in flight go on until the drain timeout.
    /// Returns at once.
    pub fn stop(&self) {
        self.floor.admission.close();
        for listener in self.listeners.iter() {
            wake_accept(listener);
        }
    }

    /// Stops without waiting for anything.
    pub fn stop_now(&self) {
        self.floor.impatient.store(true, Ordering::SeqCst);
        self.stop();
        self.floor.admission.wake();
    }
}

/// How many files this process may have open at once.
fn open_files_limit() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// The bounds of `config`, lowered to what `descriptors` can hold: a connection needs two (its socket and its file), a
/// client that waits or was turned away one. `None` when not even one connection fits.
fn limits_within_descriptors(config: &Config, descriptors: usize) -> Option<Limits> {
    let for_clients = descriptors.checked_sub(RESERVED_DESCRIPTORS + config.bind.len() * 2)?;
    let waiting = (for_clients / 8).clamp(1, WAITING);
    let connections = config.max_connections.min((for_clients.saturating_sub(2 * waiting)) / 2);
    (connections > 0).then_some(Limits { connections, per_address: config.max_connections_per_ip, waiting })
}

impl Floor {
    fn accept_loop(self: &Arc<Self>, listener: &TcpListener) {
        let mut rest = REST.0;
        let complaints = Throttle::new(Duration::from_secs(1));
        while !self.admission.is_closed() {
            match listener.accept() {
                Ok((stream, peer)) => {
                    rest = REST.0;
                    self.receive(stream, peer);
                }
                Err(_) if self.admission.is_closed() => return,
                Err(error) if is_the_clients_doing(&error) => {}
                Err(error) => {
                    complaints.pass(|missed| {
                        log::warn!("no connection can be accepted: {error} ({missed} more such errors)");
                    });
                    // An idle client's descriptor may be the one that is missing.
                    self.admission.make_room();
                    thread::sleep(rest);
                    rest = (rest * 2).min(REST.1);
                }
            }
        }
    }

    fn receive(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        #[cfg(not(target_os = "linux"))]
        let _ = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(self.bounds.idle_timeout)));
        match self.admission.arrive(stream, peer) {
            Arrival::Admitted(client) => self.hand_over(client),
            Arrival::Waiting => {}
            Arrival::TurnedAway(stream) => self.turn_away(stream),
        }
    }

    /// Gives a client to a worker. Where there is none to be had, it is turned away, and the next who waits is tried.
    fn hand_over(self: &Arc<Self>, client: Arc<Client>) {
        let mut next = Some(client);
        while let Some(client) = next.take() {
            let visit = Visit { floor: Arc::clone(self), client: Some(client) };
            if let Err((mut visit, error)) = self.pool.submit(visit) {
                self.crowded.pass(|missed| {
                    log::warn!("no thread can be started for a client: {error} ({missed} more such errors)");
                });
                if let Some(client) = visit.client.take() {
                    self.site.metrics().turned_away(TurnedAway::NoThread);
                    next = self.admission.leave(&client);
                    if let Some(client) = Arc::into_inner(client) {
                        connection::turn_away(&client.stream);
                        self.admission.see_off(client.stream);
                    }
                }
            }
        }
    }

    fn turn_away(&self, stream: TcpStream) {
        self.crowded.pass(|missed| log::warn!("too many connections; a client was turned away ({missed} more before)"));
        self.site.metrics().turned_away(TurnedAway::QueueFull);
        connection::turn_away(&stream);
        self.admission.see_off(stream);
    }
}

/// A client's time in the house. Where a panic ends it, its place is given on all the same.
struct Visit {
    floor: Arc<Floor>,
    client: Option<Arc<Client>>,
}

impl Visit {
    /// Serves the client, and then whoever waits for its place, on this same thread.
    fn serve(mut self) {
        while let Some(client) = &self.client {
            let ending = connection::serve(Tcp::new(&client.stream), client.peer, self.floor.bounds, &self);
            self.floor.site.metrics().closed(ending);
            log::debug!("{} is gone: {ending:?}", client.peer);
            let next = self.floor.admission.leave(client);
            self.client = next;
        }
    }

    fn client(&self, ask: impl FnOnce(&Admission, &Client) -> bool) -> bool {
        self.client.as_ref().is_some_and(|client| ask(&self.floor.admission, client))
    }
}

impl House for Visit {
    fn answer(&self, head: &Head<'_>, now: SystemTime) -> Response {
        self.floor.site.answer(head, now)
    }

    fn metrics(&self) -> Option<&Metrics> {
        Some(self.floor.site.metrics())
    }

    fn begin_idle(&self, new: bool) -> bool {
        self.client(|admission, client| admission.begin_idle(client, new))
    }

    fn begin_request(&self) -> bool {
        self.client(|_, client| client.begin_request())
    }

    fn needs_the_place(&self) -> bool {
        self.client(|admission, client| admission.needs_place_of(client))
    }

    fn is_cut(&self) -> bool {
        self.floor.admission.is_cut()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(client) = self.client.take()
            && let Some(next) = self.floor.admission.leave(&client)
        {
            self.floor.hand_over(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_fit_the_descriptors() {
        let config = Config::default();
        let rows = [
            (20_000, Some(1024)),
            (1024, Some(378)),
            (64, Some(18)),
            (40, Some(9)),
            (24, Some(2)),
            (22, Some(1)),
            (20, None),
            (18, None),
            (3, None),
        ];
        for (descriptors, want) in rows {
            let limits = limits_within_descriptors(&config, descriptors);
            assert_eq!(limits.map(|limits| limits.connections), want, "{descriptors}");
            if let Some(limits) = limits {
                assert!(limits.connections * 2 + limits.waiting * 2 + RESERVED_DESCRIPTORS <= descriptors);
            }
        }
    }
}
