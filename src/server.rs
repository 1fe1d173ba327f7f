//! The house: its doors, its guests, the crew that serves them, and a stop that drains.
//!
//! Whoever waits, a listener for newcomers or a client between two turns, does so in the [`Crowd`]; a worker of the
//! crew takes whoever is next, accepts a newcomer or gives a client its turn, and lets it wait again. [`Admission`] says
//! what becomes of a newcomer. A door outlives whatever the system does to it: descriptors, memory or threads running
//! out, and connections that are gone before they are accepted.

mod listener;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use crate::admission::{Admission, Arrival, Client, Limits};
use crate::config::{Config, StartError};
use crate::connection::{self, Bounds, Connection, Desk, Ending, House, Turn};
use crate::crew::{Crew, Work};
use crate::crowd::{Crowd, Wish};
use crate::headroom;
use crate::http::request::Head;
use crate::http::response::Response;
use crate::library::{LastFile, Library, Links};
use crate::metrics::{Metrics, TurnedAway};
use crate::routes::Site;
use crate::stream::Pace;
use crate::throttle::Throttle;
use listener::{accept, is_the_clients_doing, listen};

/// The stack of a worker. It was seen to use 16 KiB of it, 24 KiB in a debug build; a page that is never touched costs no memory.
const STACK_SIZE: usize = 128 * 1024;

/// How long a door stays shut when the system has nothing left to accept with: at first, and at most.
const REST: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// How long a door waits for a newcomer.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Newcomers that wait for a place at the bound, at most.
const WAITING: usize = 256;

/// Newcomers between two looks whether there is memory for more: a client was seen to take 20 KiB at the most.
const MEMORY_LOOKS: usize = 32;

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
    crowd: Crowd<Guest>,
    impatient: AtomicBool,
    crowded: Throttle,
    /// Newcomers since memory was last asked for; as many as [`MEMORY_LOOKS`] when it was short.
    unchecked: AtomicUsize,
}

/// Who waits in the crowd.
enum Guest {
    Door(Door),
    Visit(Box<Visit>),
}

/// Where newcomers come in.
struct Door {
    listener: TcpListener,
    seat: usize,
    /// How long it stays shut the next time.
    rest: Duration,
    complaints: Throttle,
}

/// A client's time in the house.
struct Visit {
    client: Arc<Client>,
    connection: Connection,
    seat: usize,
    /// Its socket is watched: it has waited before.
    is_watched: bool,
}

impl Visit {
    /// It is about to wait.
    fn waits(mut self: Box<Self>) -> Guest {
        self.is_watched = true;
        Guest::Visit(self)
    }
}

impl AsFd for Guest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Door(door) => door.listener.as_fd(),
            Self::Visit(visit) => visit.client.stream.as_fd(),
        }
    }
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
            listen(address).map_err(|error| StartError::Listen(address, error))
        };
        let listeners = config.bind.iter().map(listen_on).collect::<Result<Vec<_>, _>>()?;
        let crowd = Crowd::new(limits.connections + listeners.len()).map_err(|_| StartError::Descriptors)?;
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
            crowd,
            impatient: AtomicBool::new(false),
            crowded: Throttle::new(Duration::from_secs(1)),
            unchecked: AtomicUsize::new(MEMORY_LOOKS),
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
        let usher = start(&floor, listeners).inspect_err(|_| {
            // Whoever was started ends again.
            floor.admission.close();
            floor.crowd.close();
        })?;
        floor.admission.wait_until_closed();
        let until = Instant::now() + drain_timeout;
        let cut = floor.admission.wait_until_empty(until, || floor.impatient.load(Ordering::SeqCst));
        if cut > 0 {
            floor.admission.cut();
            // They notice at once; a worker that waits for a dead disk doesn't, and isn't waited for.
            floor.admission.wait_until_empty(Instant::now() + Duration::from_secs(1), || false);
        }
        floor.crowd.close();
        if usher.join().is_err() {
            log::error!("a thread of the server panicked");
        }
        Ok(Stopped { cut })
    }
}

impl Handle {
    /// Lets nobody in any more, ends idle connections, and lets the responses in flight go on until the drain timeout.
    /// Returns at once.
    pub fn stop(&self) {
        self.floor.admission.close();
        for listener in self.listeners.iter() {
            listener::close(listener);
        }
    }

    /// Stops without waiting for anything.
    pub fn stop_now(&self) {
        self.floor.impatient.store(true, Ordering::SeqCst);
        self.stop();
        self.floor.admission.wake();
    }
}

/// Opens the doors, and starts the threads; the one that watches the queue is given back.
fn start(floor: &Arc<Floor>, listeners: Vec<(TcpListener, SocketAddr)>) -> io::Result<JoinHandle<()>> {
    let of_usher = Arc::clone(floor);
    let usher = thread::Builder::new().name("usher".into()).stack_size(STACK_SIZE);
    let usher = usher.spawn(move || of_usher.watch_the_queue())?;
    // Everybody inside may be held up, and every door wants somebody all the same.
    let most = floor.admission.limits().connections + listeners.len() + 1;
    for (listener, _) in listeners {
        let seat = floor.crowd.take_seat().ok_or(io::ErrorKind::OutOfMemory)?;
        floor.crowd.watch(seat, &listener)?;
        let complaints = Throttle::new(Duration::from_secs(1));
        floor.open(Door { listener, seat, rest: REST.0, complaints }, None);
    }
    Crew::start(Arc::clone(floor), STACK_SIZE, most)?;
    Ok(usher)
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

impl Work for Floor {
    type Job = Guest;
    type Outcome = Outcome;
    type Desk = Desk;

    fn next(&self, patience: Option<Duration>, begin: impl FnOnce()) -> Option<Guest> {
        self.crowd.next(patience, begin)
    }

    fn perform(&self, guest: &mut Guest, desk: &mut Desk) -> Outcome {
        match guest {
            Guest::Door(door) => Outcome::Came(accept(&door.listener)),
            Guest::Visit(visit) => {
                let Visit { client, connection, .. } = &mut **visit;
                let host = Host { floor: self, client };
                Outcome::Served(connection.turn(&client.stream, &self.bounds, &host, desk))
            }
        }
    }

    fn settle(&self, guest: Guest, outcome: Option<Outcome>) -> Option<Guest> {
        match (guest, outcome) {
            (Guest::Door(door), Some(Outcome::Came(came))) => self.receive(door, came),
            (Guest::Visit(visit), Some(Outcome::Served(turn))) => self.let_wait(visit, turn),
            // It panicked.
            (Guest::Visit(visit), _) => self.see_out(*visit),
            (Guest::Door(door), _) => self.open(door, None),
        }
    }

    fn hand_over(&self) {
        self.crowd.share();
    }

    fn is_over(&self) -> bool {
        self.crowd.is_closed()
    }
}

/// What came of a worker's job.
enum Outcome {
    /// Somebody came through a door, or nobody.
    Came(io::Result<(TcpStream, SocketAddr)>),
    /// A client had its turn.
    Served(Turn),
}

impl Floor {
    /// Lets a door wait for newcomers, once it has stayed shut for `rest`.
    fn open(&self, door: Door, rest: Option<Duration>) -> Option<Guest> {
        let wish = if rest.is_some() { Wish::Time } else { Wish::Read };
        let until = Instant::now() + rest.unwrap_or(FOR_EVER);
        self.crowd.wait(door.seat, Guest::Door(door), wish, until)
    }

    /// Somebody came through `door`, or nobody; whom to serve next.
    fn receive(&self, mut door: Door, came: io::Result<(TcpStream, SocketAddr)>) -> Option<Guest> {
        if self.admission.is_closed() {
            return None;
        }
        let (stream, peer) = match came {
            Ok(came) => came,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.open(door, None),
            // Others may be behind that one.
            Err(error) if is_the_clients_doing(&error) => return self.keep_open(door),
            Err(error) => {
                door.complaints.pass(|missed| {
                    log::warn!("no connection can be accepted: {error} ({missed} more such errors)");
                });
                // An idle client's descriptor may be the one that is missing.
                self.admission.make_room();
                let rest = door.rest;
                door.rest = (rest * 2).min(REST.1);
                return self.open(door, Some(rest));
            }
        };
        door.rest = REST.0;
        let arrival = match self.has_memory() {
            true => self.admission.arrive(stream, peer),
            false => Arrival::TurnedAway(stream),
        };
        let newcomer = match arrival {
            Arrival::Admitted(client) => self.seat(client),
            Arrival::Waiting => None,
            Arrival::TurnedAway(stream) => {
                self.turn_away(stream);
                None
            }
        };
        match (newcomer, self.keep_open(door)) {
            (Some(newcomer), Some(door)) => {
                self.crowd.stand_in_line(door);
                Some(newcomer)
            }
            (newcomer, door) => newcomer.or(door),
        }
    }

    /// Lets a door wait at which somebody may stand.
    fn keep_open(&self, door: Door) -> Option<Guest> {
        self.crowd.wait_unsure(door.seat, Guest::Door(door), Wish::Read, Instant::now() + FOR_EVER)
    }

    /// Whether there is memory for a newcomer, as far as is known.
    fn has_memory(&self) -> bool {
        if self.unchecked.fetch_add(1, Ordering::Relaxed) < MEMORY_LOOKS {
            return true;
        }
        let is_left = headroom::is_left();
        self.unchecked.store(if is_left { 0 } else { MEMORY_LOOKS }, Ordering::Relaxed);
        is_left
    }

    /// A client has a place now.
    fn seat(&self, mut client: Arc<Client>) -> Option<Guest> {
        loop {
            // There are as many seats as places; where one is still on its way back, the client's place is another's.
            if let Some(seat) = self.crowd.take_seat() {
                let connection = Connection::new(client.peer, Instant::now(), &self.bounds);
                return Some(Guest::Visit(Box::new(Visit { client, connection, seat, is_watched: false })));
            }
            client = self.admission.leave(&client)?;
        }
    }

    /// A client had its turn; whom to serve next.
    fn let_wait(&self, visit: Box<Visit>, turn: Turn) -> Option<Guest> {
        let ending = match turn {
            Turn::Over(ending) => ending,
            Turn::Again => {
                self.crowd.stand_in_line(Guest::Visit(visit));
                return None;
            }
            _ if !visit.is_watched && self.crowd.watch(visit.seat, &visit.client.stream).is_err() => Ending::MadeRoom,
            Turn::Read(until) => return self.crowd.wait(visit.seat, visit.waits(), Wish::Read, until),
            Turn::Write(until) => return self.crowd.wait(visit.seat, visit.waits(), Wish::Write, until),
        };
        self.site.metrics().closed(ending);
        log::debug!("{} is gone: {ending:?}", visit.client.peer);
        self.see_out(*visit)
    }

    /// A client leaves; whoever waits for its place is served next.
    fn see_out(&self, visit: Visit) -> Option<Guest> {
        let Visit { client, connection, seat, .. } = visit;
        drop(connection);
        self.crowd.give_back(seat);
        let next = self.admission.leave(&client);
        drop(client);
        self.seat(next?)
    }

    fn turn_away(&self, stream: TcpStream) {
        self.crowded.pass(|missed| log::warn!("too many connections; a client was turned away ({missed} more before)"));
        self.site.metrics().turned_away(TurnedAway::QueueFull);
        connection::turn_away(&stream);
        self.admission.see_off(stream);
    }

    fn watch_the_queue(&self) {
        self.admission.watch_the_queue(|stream| {
            self.site.metrics().turned_away(TurnedAway::Waited);
            self.crowded.pass(|missed| {
                log::warn!("a client waited in vain for a place and was turned away ({missed} more before)");
            });
            connection::turn_away(stream);
        });
    }
}

/// The house as one client's connection knows it.
struct Host<'f> {
    floor: &'f Floor,
    client: &'f Client,
}

impl House for Host<'_> {
    fn answer(&self, head: &Head<'_>, now: SystemTime, last: &mut LastFile) -> Response {
        self.floor.site.answer_next(head, now, last)
    }

    fn metrics(&self) -> Option<&Metrics> {
        Some(self.floor.site.metrics())
    }

    fn begin_idle(&self, new: bool) -> bool {
        self.floor.admission.begin_idle(self.client, new)
    }

    fn begin_request(&self) -> bool {
        self.client.begin_request()
    }

    fn needs_the_place(&self) -> bool {
        self.floor.admission.needs_place_of(self.client)
    }

    fn is_cut(&self) -> bool {
        self.floor.admission.is_cut()
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
