//! The server: listeners, the accept loop, the thread pool, and a graceful stop. See `docs/ARCHITECTURE.md`.

mod accept_loop;
mod connection;
mod failures;
mod limits;
mod listener;
mod poller;
mod pool;
pub(crate) mod send;
mod socket;

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::close_reason::CloseReason;
use crate::config::{Config, StartError};
use crate::http::forwarded::Proxies;
use crate::library::Library;
use crate::metrics::Metrics;
use crate::routes::Site;
use crate::throttle::Throttle;
use accept_loop::AcceptLoop;
use connection::{Connection, Context, Next};
use failures::Failures;
use limits::{Bounds, Limits, Place};
use poller::Poller;
use send::Copying;

/// A server that listens, and serves once [`Server::run`] is called.
pub struct Server {
    accept_loop: AcceptLoop,
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    drain_timeout: Duration,
}

/// Stops a running [`Server`] from elsewhere.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

/// How a server's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that hadn't ended by the drain timeout or by [`Handle::stop_now`], and were aborted.
    pub aborted: usize,
}

/// What the accept loop and the workers share.
struct Shared {
    context: Context,
    poller: Poller<Box<Client>>,
}

pub(crate) type Worker = pool::Worker<Box<Client>>;

/// A connected client. It has one owner at a time: the accept loop, the poller, the pool's queue, or a worker.
pub(crate) struct Client {
    socket: Arc<TcpStream>,
    connection: Connection,
    place: Place,
}

impl Server {
    /// Opens the folder and listens on every address of `config`. Clients that connect from now on wait for
    /// [`Server::run`].
    ///
    /// # Errors
    /// [`StartError`], whose text says what is wrong and what to do.
    pub fn bind(config: Config) -> Result<Self, StartError> {
        Self::with_listeners(config, Vec::new())
    }

    /// The same on `listeners`, which replace the addresses and the port of `config` unless there are none.
    ///
    /// # Errors
    /// [`StartError`], whose text says what is wrong and what to do.
    pub fn with_listeners(config: Config, listeners: Vec<TcpListener>) -> Result<Self, StartError> {
        let config = config.within_bounds();
        if config.sendfile && !cfg!(target_os = "linux") {
            return Err(StartError::Sendfile);
        }
        let library = Library::open_with(&config.dir, config.links())
            .map_err(|error| StartError::Folder(config.dir.clone(), error))?;
        let sockets = if listeners.is_empty() { config.bind.len() } else { listeners.len() };
        let bounds = Bounds::within_descriptors(&config, sockets, open_files_limit()).ok_or(StartError::Descriptors)?;
        let listen = |ip: &IpAddr| {
            let address = SocketAddr::new(*ip, config.port);
            listener::listen(address).map_err(|error| StartError::Listen(address, error))
        };
        let adopt = |listener| listener::adopt(listener).map_err(StartError::Listener);
        let listeners = match listeners.is_empty() {
            true => config.bind.iter().map(listen).collect::<Result<Vec<_>, _>>()?,
            false => listeners.into_iter().map(adopt).collect::<Result<Vec<_>, _>>()?,
        };
        let (listeners, addresses) = listeners.into_iter().unzip();
        let poller = Poller::new().map_err(|_| StartError::Descriptors)?;
        // Last, so that a failed start logs only its error.
        if bounds.connections < config.max_connections {
            log::warn!(
                "the limit of open files (ulimit -n) leaves room for {} connections, not {}",
                bounds.connections,
                config.max_connections
            );
        }
        let site =
            Site::new(library).with_cors(config.cors).with_auth(config.auth).with_route_prefix(config.route_prefix);
        let context = Context {
            site,
            failures: Failures::default(),
            limits: Limits::new(bounds, Proxies(config.trust_proxy)),
            head_timeout: config.head_timeout,
            idle_timeout: config.idle_timeout,
            stall_timeout: config.stall_timeout,
            read_error_log: Throttle::new(Duration::from_secs(1)),
            copying: Copying { chunk_size: config.chunk_size, sendfile: config.sendfile },
        };
        let shared = Arc::new(Shared { context, poller });
        let accept_loop = AcceptLoop::new(Arc::clone(&shared), listeners);
        Ok(Self { accept_loop, addresses, shared, drain_timeout: config.drain_timeout })
    }

    /// The first address that it listens on, with the port that it got.
    pub fn local_addr(&self) -> SocketAddr {
        // `Config::within_bounds` makes sure that there is one.
        self.addresses[0]
    }

    /// Every address that it listens on, in the order of the configuration.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// A handle that stops the server.
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.shared))
    }

    /// Serves until [`Handle::stop`], and then until every response in flight has ended or the drain timeout is over.
    /// The calling thread becomes the accept loop.
    pub fn run(self) -> Stopped {
        self.accept_loop.run(self.drain_timeout)
    }
}

impl Handle {
    /// Refuses new connections, closes idle ones, and lets the responses in flight go on until the drain timeout.
    /// Returns at once.
    pub fn stop(&self) {
        self.0.context.limits.stop(false);
        self.0.poller.wake();
    }

    /// Stops without waiting for any response.
    pub fn stop_now(&self) {
        self.0.context.limits.stop(true);
        self.0.poller.wake();
    }
}

/// Locks a mutex, even if a thread has panicked while it held the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_files_limit() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

impl Shared {
    fn metrics(&self) -> &Metrics {
        self.context.site.metrics()
    }

    /// A worker's job: serves a connection, and then parks it or closes it. A panic closes it.
    fn serve(&self, mut client: Box<Client>, worker: &mut Worker) {
        let Client { socket, connection, .. } = &mut *client;
        let serve = AssertUnwindSafe(|| connection.serve(&mut &**socket, &self.context, worker));
        let next = catch_unwind(serve).unwrap_or_else(|_| {
            log::error!("a worker panicked; its client's connection is closed, the others go on");
            Next::Close(CloseReason::Panicked)
        });
        match next {
            Next::Close(reason) => self.close(client, reason),
            Next::Park(deadline) => {
                // Counted first, since the accept loop may take it out at once.
                self.metrics().parked();
                if let Err(client) = self.poller.park(client, |client| &client.socket, deadline) {
                    self.metrics().resumed();
                    let stopping = self.context.limits.must_close().filter(|reason| *reason != CloseReason::Evicted);
                    self.close(client, stopping.unwrap_or(CloseReason::NoResources));
                }
            }
        }
    }

    fn close(&self, client: Box<Client>, reason: CloseReason) {
        self.metrics().closed(reason);
        log::debug!("{} closed: {reason:?}", client.connection.peer);
        drop(client);
        // The accept loop may be waiting for a place, or for the last connection.
        if self.context.limits.must_close().is_some() {
            self.poller.wake();
        }
    }
}
