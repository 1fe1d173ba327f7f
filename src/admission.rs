//! Who gets in: a bound on connections, on those of one address, and on those that wait for a place.
//!
//! At the bound an idle connection makes room, the one that has been idle longest first. Where none is, the newcomer
//! waits a short while for a place; then it is turned away. Among those who wait, the address with the fewest places
//! is next, so that nobody who takes many delays somebody who takes one.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a newcomer waits for a place. Browsers give up on a seek much later; a 503 ends their playback.
const WAIT: Duration = Duration::from_secs(3);

/// How long a client that was turned away has to read why, before its connection is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that has sent nothing yet is younger than this when its request is likely on its way.
const GRACE: Duration = Duration::from_secs(1);

/// The bounds of [`Admission`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections of one address at once; 0 for no limit of its own.
    pub per_address: usize,
    /// Newcomers that wait for a place, and as many that were turned away and are still reading why.
    pub waiting: usize,
}

impl Limits {
    /// Newcomers of one address that wait: a quarter of the queue, so that no address fills it.
    fn waiting_per_address(self) -> usize {
        self.waiting.div_ceil(4)
    }

    fn address_is_full(self, places: usize) -> bool {
        self.per_address > 0 && places >= self.per_address
    }
}

/// A connected client.
#[derive(Debug)]
pub struct Client {
    /// Its socket.
    pub stream: TcpStream,
    /// Its address and port.
    pub peer: SocketAddr,
    number: u64,
    /// The address that it counts for.
    address: IpAddr,
    /// Since when it is idle, in microseconds after the house's start; or [`BUSY`], or [`LEAVING`].
    phase: AtomicU64,
}

/// A client's phase when it isn't idle: a request is being read or answered.
const BUSY: u64 = u64::MAX - 1;

/// A client's phase when it was told to make room.
const LEAVING: u64 = u64::MAX;

impl Client {
    fn new(number: u64, stream: TcpStream, peer: SocketAddr) -> Arc<Self> {
        // An IPv4 client on an IPv6 listener is the same client.
        Arc::new(Self { stream, peer, number, address: peer.ip().to_canonical(), phase: AtomicU64::new(BUSY) })
    }

    /// The next request began to arrive. Whether the client was told to make room before: then this is its last.
    pub fn begin_request(&self) -> bool {
        self.phase.swap(BUSY, Ordering::SeqCst) == LEAVING
    }

    /// Ends an idle client's wait for a request: its worker sees the end of the client's bytes. A request that came
    /// at the same moment is still read, and answered.
    fn dismiss(&self, idle: u64) -> bool {
        let dismissed = self.phase.compare_exchange(idle, LEAVING, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if dismissed {
            let _ = self.stream.shutdown(Shutdown::Read);
        }
        dismissed
    }
}

/// How many connections there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// A request is being read or answered.
    pub busy: usize,
    /// Between requests.
    pub idle: usize,
    /// Without a place.
    pub waiting: usize,
}

/// What becomes of a newcomer.
#[derive(Debug)]
pub enum Arrival {
    /// It has a place now.
    Admitted(Arc<Client>),
    /// It waits; [`Admission::leave`] or [`Admission::watch_the_queue`] will say more of it.
    Waiting,
    /// There is neither a place nor room to wait.
    TurnedAway(TcpStream),
}

/// The bounds, who is in, and who waits.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    started: Instant,
    state: Mutex<State>,
    /// For the one who watches the queue: somebody came, or the house closed.
    queued: Condvar,
    /// For the one who waits until everybody has left.
    left: Condvar,
    /// `state.queue.len()`, for those who only want to know whether anybody waits.
    waiting: AtomicUsize,
    closed: AtomicBool,
    cut: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    inside: HashMap<u64, Arc<Client>>,
    /// The number of the next client.
    next: u64,
    places: HashMap<IpAddr, usize>,
    queue: VecDeque<(Arc<Client>, Instant)>,
    /// Those who were turned away, until when.
    farewells: VecDeque<(TcpStream, Instant)>,
}

impl Admission {
    /// An empty house.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            started: Instant::now(),
            state: Mutex::default(),
            queued: Condvar::new(),
            left: Condvar::new(),
            waiting: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            cut: AtomicBool::new(false),
        }
    }

    /// The bounds.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// A newcomer is at the door.
    pub fn arrive(&self, stream: TcpStream, peer: SocketAddr) -> Arrival {
        let mut state = self.lock();
        state.next += 1;
        let client = Client::new(state.next, stream, peer);
        let address = client.address;
        let full_address = self.limits.address_is_full(state.places_of(address));
        if state.inside.len() < self.limits.connections && !full_address {
            state.admit(&client);
            return Arrival::Admitted(client);
        }
        let of_address = state.queue.iter().filter(|(waiting, _)| waiting.address == address).count();
        if state.queue.len() >= self.limits.waiting || of_address >= self.limits.waiting_per_address() {
            drop(state);
            return Arc::try_unwrap(client).map_or(Arrival::Waiting, |client| Arrival::TurnedAway(client.stream));
        }
        state.queue.push_back((client, Instant::now() + WAIT));
        self.waiting.store(state.queue.len(), Ordering::SeqCst);
        self.ask_for_places(&state);
        drop(state);
        self.queued.notify_one();
        Arrival::Waiting
    }

    /// Tells the client that has been idle longest to go. Whether there was one.
    pub fn make_room(&self) -> bool {
        self.idle(&self.lock()).into_iter().any(|(since, client)| client.dismiss(since))
    }

    /// The clients that may be told to go, the one that has been idle longest first.
    fn idle<'s>(&self, state: &'s State) -> Vec<(u64, &'s Client)> {
        let now = self.microseconds();
        let phases = state.inside.values().map(|client| (client.phase.load(Ordering::SeqCst), &**client));
        let mut idle: Vec<_> = phases.filter(|(since, _)| *since <= now).collect();
        idle.sort_unstable_by_key(|(since, client)| (*since, client.number));
        idle
    }

    /// Tells an idle client to go for each who waits, as far as there are any whose place would help, and as far as
    /// nobody was told for them before.
    fn ask_for_places(&self, state: &State) {
        let told = state.inside.values().filter(|client| client.phase.load(Ordering::SeqCst) == LEAVING).count();
        let mut idle = self.idle(state);
        for (waiting, _) in state.queue.iter().skip(told) {
            let own_place_only = self.limits.address_is_full(state.places_of(waiting.address));
            let helps = |client: &Client| !own_place_only || client.address == waiting.address;
            if let Some(at) = idle.iter().position(|(_, client)| helps(client)) {
                let (since, client) = idle.remove(at);
                client.dismiss(since);
            }
        }
    }

    fn microseconds(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    /// The client has nothing to do until its next request. `false`: somebody needs the place, or the house closes,
    /// and the connection is to end now.
    ///
    /// One that is `new` and has asked nothing yet is asked to make room only after a second.
    pub fn begin_idle(&self, client: &Client, new: bool) -> bool {
        let since = self.microseconds() + if new { GRACE.as_micros() as u64 } else { 0 };
        client.phase.store(since, Ordering::SeqCst);
        // After the store: whoever arrives from here on sees the client idle.
        let may_stay = !self.is_closed() && (new || !self.needs_place_of(client));
        if !may_stay {
            client.phase.store(BUSY, Ordering::SeqCst);
        }
        may_stay
    }

    /// Whether the connection should end with the response that is being made: the house closes, or somebody waits
    /// who could have the place.
    pub fn needs_place_of(&self, client: &Client) -> bool {
        if self.is_closed() {
            return true;
        }
        if self.waiting.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let state = self.lock();
        state.queue.iter().any(|(waiting, _)| {
            waiting.address == client.address || !self.limits.address_is_full(state.places_of(waiting.address))
        })
    }

    /// The client is gone. Gives its place to one who waits, if any may have it: the caller serves that one then.
    #[must_use]
    pub fn leave(&self, client: &Client) -> Option<Arc<Client>> {
        let mut state = self.lock();
        state.remove(client);
        let next = state.next_waiting(self.limits);
        if let Some(next) = &next {
            state.admit(next);
        }
        self.waiting.store(state.queue.len(), Ordering::SeqCst);
        drop(state);
        if self.is_closed() {
            self.left.notify_all();
        }
        next
    }

    /// Keeps the connection of a client that was told why it can't come in, until it has had time to read that.
    pub fn see_off(&self, stream: TcpStream) {
        let mut state = self.lock();
        if state.farewells.len() >= self.limits.waiting {
            state.farewells.pop_front();
        }
        state.farewells.push_back((stream, Instant::now() + FAREWELL));
        drop(state);
        self.queued.notify_one();
    }

    /// Sends those away who have waited long enough, by `turn_away`; returns when the house is closed and nobody waits.
    pub fn watch_the_queue(&self, turn_away: impl Fn(&TcpStream)) {
        let mut state = self.lock();
        // Whoever comes asks an idle client for its place. One who was too new for that, or busy, is asked later.
        let mut ask_again: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let closed = self.is_closed();
            while let Some((client, until)) = state.queue.front()
                && (closed || *until <= now)
            {
                turn_away(&client.stream);
                if let Some((client, _)) = state.queue.pop_front()
                    && let Some(client) = Arc::into_inner(client)
                {
                    state.farewells.push_back((client.stream, now + FAREWELL));
                }
            }
            self.waiting.store(state.queue.len(), Ordering::SeqCst);
            while state.farewells.front().is_some_and(|(_, until)| *until <= now) {
                state.farewells.pop_front();
            }
            if closed && state.farewells.is_empty() {
                return;
            }
            ask_again = match ask_again {
                _ if state.queue.is_empty() => None,
                Some(at) if now < at => Some(at),
                due => {
                    if due.is_some() {
                        self.ask_for_places(&state);
                    }
                    Some(now + GRACE)
                }
            };
            let until = |(_, until): &(_, Instant)| *until;
            let next = [ask_again, state.queue.front().map(|(_, until)| *until), state.farewells.front().map(until)];
            state = match next.into_iter().flatten().min() {
                None => self.queued.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    self.queued.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// How many are here now.
    pub fn census(&self) -> Census {
        let state = self.lock();
        let busy = state.inside.values().filter(|client| client.phase.load(Ordering::SeqCst) == BUSY).count();
        Census { busy, idle: state.inside.len() - busy, waiting: state.queue.len() }
    }

    /// Whether nobody is let in any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Lets nobody in any more, and tells everybody idle to go.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let state = self.lock();
        for client in state.inside.values() {
            let phase = client.phase.load(Ordering::SeqCst);
            if phase < BUSY {
                client.dismiss(phase);
            }
        }
        drop(state);
        self.queued.notify_one();
        self.left.notify_all();
    }

    /// Waits until [`Self::close`] was called.
    pub fn wait_until_closed(&self) {
        let is_open = |_: &mut State| !self.is_closed();
        drop(self.left.wait_while(self.lock(), is_open).unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until everybody has left or `until` has come, or `enough` says so; how many are still inside.
    pub fn wait_until_empty(&self, until: Instant, enough: impl Fn() -> bool) -> usize {
        let mut state = self.lock();
        while !state.inside.is_empty() && !enough() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.left.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.inside.len()
    }

    /// Whether [`Self::cut`] was called.
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst)
    }

    /// Breaks every connection off.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        for client in self.lock().inside.values() {
            let _ = client.stream.shutdown(Shutdown::Both);
        }
    }

    /// Makes [`Self::wait_until_empty`] ask `enough` again.
    pub fn wake(&self) {
        drop(self.lock());
        self.left.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn places_of(&self, address: IpAddr) -> usize {
        self.places.get(&address).copied().unwrap_or(0)
    }

    fn admit(&mut self, client: &Arc<Client>) {
        *self.places.entry(client.address).or_default() += 1;
        self.inside.insert(client.number, Arc::clone(client));
    }

    fn remove(&mut self, client: &Client) {
        self.inside.remove(&client.number);
        if let Some(places) = self.places.get_mut(&client.address) {
            *places -= 1;
            if *places == 0 {
                self.places.remove(&client.address);
            }
        }
    }

    /// Takes out of the queue who is next: of those whose address may have one more place, the first one of the
    /// address that has the fewest.
    fn next_waiting(&mut self, limits: Limits) -> Option<Arc<Client>> {
        if self.inside.len() >= limits.connections {
            return None;
        }
        let candidates = self.queue.iter().enumerate().map(|(at, (client, _))| (self.places_of(client.address), at));
        let (_, at) = candidates.filter(|(places, _)| !limits.address_is_full(*places)).min()?;
        self.queue.remove(at).map(|(client, _)| client)
    }
}

#[cfg(test)]
mod tests;
