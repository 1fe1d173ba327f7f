//! The server: listeners, the accept loop, the thread pool, and a graceful stop. See `docs/ARCHITECTURE.md`.

mod accept_loop;
mod connection;
mod limits;
mod listener;
mod poller;
mod pool;
pub(crate) mod send;
mod socket;
mod worker;

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, StartError};
use crate::http::forwarded::Proxies;
use crate::library::Library;
use crate::routes::Site;
use accept_loop::AcceptLoop;
use connection::Context;
use limits::{Bounds, Limits, Stage};
use poller::Poller;
use send::CopyMode;
use worker::Shared;

pub use accept_loop::Stopped;

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

impl Server {
    /// Opens the folder and listens on every address of `config`. Clients that connect from now on wait for
    /// [`Server::run`].
    ///
    /// # Errors
    /// [`StartError`], whose text says what is wrong and what to do.
    pub fn bind(config: Config) -> Result<Self, StartError> {
        Self::with_listeners(config, Vec::new())
    }

    /// Opens the folder, and accepts connections from `listeners`. If there are none, it listens as [`Self::bind`] does.
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
            limits: Limits::new(bounds, Proxies(config.trust_proxy)),
            head_timeout: config.head_timeout,
            idle_timeout: config.idle_timeout,
            stall_timeout: config.stall_timeout,
            copy_mode: CopyMode { chunk_size: config.chunk_size, sendfile: config.sendfile },
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
        self.0.context.limits.stop(Stage::Draining);
        self.0.poller.wake();
    }

    /// Stops without waiting for any response.
    pub fn stop_now(&self) {
        self.0.context.limits.stop(Stage::Aborted);
        self.0.poller.wake();
    }
}

fn open_files_limit() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}
