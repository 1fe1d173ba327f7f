//! The crowd where `epoll(7)` is: one system call finds several who are next, and none begins or ends a wait.
//!
//! A socket is registered once, edge-triggered, for all that can happen to it. What happens while its guest is with a
//! worker is kept in the guest's seat, so that nothing is missed. Who is ready stands in line until a worker takes it:
//! those with a request before those whose response goes on, so that a seek is not behind fifty films.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};

use super::{Wish, timespec};

/// A guest that isn't here has no time that could come.
const NEVER: u64 = u64::MAX;

/// What the bell says in place of a seat's number.
const BELL: u64 = u64::MAX;

/// Guests that one worker finds at a time; the rest is left for the others.
const FINDS: usize = 8;

/// Requests that are taken in a row while a response could go on.
const IN_A_ROW: usize = 32;

/// All that can happen to a socket, each told once.
const EVERYTHING: EventFlags = EventFlags::ET.union(EventFlags::IN).union(EventFlags::OUT).union(EventFlags::RDHUP);

/// See [`super`].
#[derive(Debug)]
pub struct Crowd<G> {
    epoll: OwnedFd,
    /// Rung to wake one worker; and, when the crowd is closed, another one to wake them all.
    bell: OwnedFd,
    last_bell: OwnedFd,
    seats: Box<[Seat<G>]>,
    line: Mutex<Line<G>>,
    free: Mutex<Vec<usize>>,
    /// In microseconds after the start: no guest's time comes before.
    next_due: AtomicU64,
    started: Instant,
    closed: AtomicBool,
}

#[derive(Debug)]
struct Seat<G> {
    /// When the time of the guest that waits here comes, in microseconds after the start; [`NEVER`] where none waits.
    due: AtomicU64,
    state: Mutex<State<G>>,
}

#[derive(Debug)]
struct State<G> {
    /// How many guests have had the seat: what is told late of an earlier one's socket is not this one's.
    guests: u32,
    guest: Option<G>,
    wish: EventFlags,
    /// What happened since the guest was last given what it wished.
    happened: EventFlags,
}

impl<G> State<G> {
    /// Takes note that what was wished for came true.
    fn use_up(&mut self, wish: EventFlags) {
        // A client's goodbye is told once, and may have come with its last request. That there is room is told again: who
        // waits for it has found that there is none.
        self.happened.remove(wish.difference(EventFlags::RDHUP) | EventFlags::OUT);
    }
}

/// Guests who wait for a worker, and for nothing else.
#[derive(Debug)]
struct Line<G> {
    /// Those who waited for something to read.
    requests: VecDeque<G>,
    /// Those whose response goes on.
    responses: VecDeque<G>,
    /// Requests that were taken since the last response was.
    in_a_row: usize,
    /// Workers that wait, since nobody stands here.
    asleep: usize,
}

impl<G> Line<G> {
    fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.responses.is_empty()
    }

    /// A guest with a request, as long as the others aren't forgotten over those.
    fn next_request(&mut self) -> Option<G> {
        if self.in_a_row >= IN_A_ROW && !self.responses.is_empty() {
            return None;
        }
        let next = self.requests.pop_front();
        self.in_a_row += usize::from(next.is_some());
        next
    }

    fn next(&mut self) -> Option<G> {
        self.next_request().or_else(|| {
            self.in_a_row = 0;
            self.responses.pop_front()
        })
    }
}

impl<G> Seat<G> {
    fn new() -> Self {
        let state = State { guests: 0, guest: None, wish: EventFlags::empty(), happened: EventFlags::empty() };
        Self { due: AtomicU64::new(NEVER), state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State<G>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What fulfils a wish. An end or a failure of the connection does so too: it is found when the guest tries.
fn fulfils(wish: Wish) -> EventFlags {
    let end = EventFlags::ERR | EventFlags::HUP;
    match wish {
        Wish::Read => EventFlags::IN | EventFlags::RDHUP | end,
        Wish::Write => EventFlags::OUT | end,
        Wish::Time => EventFlags::empty(),
    }
}

impl<G: AsFd> Crowd<G> {
    /// Room for `seats` guests, 2^31 at most.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn new(seats: usize) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bell = || eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let (bell, last_bell) = (bell()?, bell()?);
        // Each ring of the one is told to one worker; that of the other to everybody, for ever.
        epoll::add(&epoll, &bell, EventData::new_u64(BELL), EventFlags::IN | EventFlags::ET)?;
        epoll::add(&epoll, &last_bell, EventData::new_u64(BELL), EventFlags::IN)?;
        let line = Line { requests: VecDeque::new(), responses: VecDeque::new(), in_a_row: 0, asleep: 0 };
        Ok(Self {
            epoll,
            bell,
            last_bell,
            seats: (0..seats).map(|_| Seat::new()).collect(),
            line: Mutex::new(line),
            free: Mutex::new((0..seats).rev().collect()),
            next_due: AtomicU64::new(NEVER),
            started: Instant::now(),
            closed: AtomicBool::new(false),
        })
    }

    /// A seat for one more guest, if there is one left. It is the guest's until [`Self::give_back`].
    pub fn take_seat(&self) -> Option<usize> {
        let seat = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        let mut state = self.seats[seat].lock();
        state.guests = state.guests.wrapping_add(1);
        state.happened = EventFlags::empty();
        Some(seat)
    }

    /// The guest is gone, or about to be; its seat is another's.
    pub fn give_back(&self, seat: usize) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(seat);
    }

    /// Watches the socket of the guest who has this seat, from now until it is closed. Once for each guest, before it
    /// waits.
    ///
    /// # Errors
    /// When the system has no room for one more.
    pub fn watch(&self, seat: usize, socket: impl AsFd) -> io::Result<()> {
        let state = self.seats[seat].lock();
        Ok(epoll::add(&self.epoll, socket, mark(seat, state.guests), EVERYTHING)?)
    }

    /// Lets a guest wait, until `until` at most; gives it back where its wish came true already.
    #[must_use]
    pub fn wait(&self, seat: usize, guest: G, wish: Wish, until: Instant) -> Option<G> {
        let mut state = self.seats[seat].lock();
        let wish = fulfils(wish);
        if state.happened.intersects(wish) {
            state.use_up(wish);
            return Some(guest);
        }
        self.sit_down(seat, &mut state, guest, wish, until);
        None
    }

    /// The same for a guest that has not made sure that what it waits for isn't there. Gives it back where there is no
    /// more waiting.
    #[must_use]
    pub fn wait_unsure(&self, seat: usize, guest: G, wish: Wish, until: Instant) -> Option<G> {
        let mut state = self.seats[seat].lock();
        // Asks for what has been told before, so that it is told again.
        if epoll::modify(&self.epoll, &guest, mark(seat, state.guests), EVERYTHING).is_err() {
            return Some(guest);
        }
        state.happened = EventFlags::empty();
        self.sit_down(seat, &mut state, guest, fulfils(wish), until);
        None
    }

    /// Lets a guest stand in line that waits for nothing but another turn.
    pub fn stand_in_line(&self, guest: G) {
        self.line().responses.push_back(guest);
    }

    fn line(&self) -> MutexGuard<'_, Line<G>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sit_down(&self, seat: usize, state: &mut State<G>, guest: G, wish: EventFlags, until: Instant) {
        state.guest = Some(guest);
        state.wish = wish;
        let due = self.microseconds(until);
        self.seats[seat].due.store(due, Ordering::SeqCst);
        if due < self.next_due.load(Ordering::SeqCst) {
            self.next_due.fetch_min(due, Ordering::SeqCst);
        }
    }

    /// Waits for a guest whose wish came true or whose time has come, and calls `begin` as soon as there is one. `None`
    /// after `patience`, and when the crowd is closed.
    pub fn next(&self, patience: Option<Duration>, begin: impl FnOnce()) -> Option<G> {
        let guest = self.find(patience);
        if guest.is_some() {
            begin();
        }
        guest
    }

    fn find(&self, patience: Option<Duration>) -> Option<G> {
        let give_up = patience.map(|patience| Instant::now() + patience);
        while !self.closed.load(Ordering::SeqCst) {
            let mut timeout = None;
            let due = self.next_due.load(Ordering::SeqCst);
            if due != NEVER || give_up.is_some() {
                let now = Instant::now();
                if due <= self.microseconds(now)
                    && let Some(guest) = self.overdue(now)
                {
                    self.share();
                    return Some(guest);
                }
                let due = self.next_due.load(Ordering::SeqCst);
                let due = (due != NEVER).then(|| self.started + Duration::from_micros(due));
                let until = due.into_iter().chain(give_up).min();
                timeout = until.map(|until| timespec(until.saturating_duration_since(now)));
            }
            let mut line = self.line();
            if let Some(guest) = line.next_request() {
                self.wake_for(&line);
                return Some(guest);
            }
            line = self.look(line, timeout);
            if let Some(guest) = line.next() {
                self.wake_for(&line);
                return Some(guest);
            }
            if give_up.is_some_and(|give_up| give_up <= Instant::now()) {
                return None;
            }
        }
        None
    }

    /// Lets those stand in line to whom something has happened; where nobody does, waits for that.
    fn look<'l>(&'l self, mut line: MutexGuard<'l, Line<G>>, timeout: Option<Timespec>) -> MutexGuard<'l, Line<G>> {
        let must_wait = line.is_empty();
        let timeout = if must_wait { timeout } else { Some(timespec(Duration::ZERO)) };
        // While the line is held: whoever takes somebody out of it from here on, and leaves somebody there, rings the bell.
        line.asleep += usize::from(must_wait);
        drop(line);
        let mut events = [MaybeUninit::<Event>::uninit(); FINDS];
        // A signal, or a failure that no caller could mend, is as good as nothing that happened.
        let found = epoll::wait(&self.epoll, &mut events, timeout.as_ref()).map_or(&mut [][..], |(found, _)| found);
        let mut line = self.line();
        line.asleep -= usize::from(must_wait);
        for event in found.iter().filter(|event| event.data.u64() != BELL) {
            match self.fulfil(event.data.u64(), event.flags) {
                Some((guest, wish)) if wish.contains(EventFlags::IN) => line.requests.push_back(guest),
                Some((guest, _)) => line.responses.push_back(guest),
                None => {}
            }
        }
        line
    }

    /// Wakes a worker, if one sleeps, where somebody stands in line whom nobody sees to.
    pub fn share(&self) {
        self.wake_for(&self.line());
    }

    #[cfg(test)]
    pub fn asleep(&self) -> usize {
        self.line().asleep
    }

    fn wake_for(&self, line: &Line<G>) {
        if !line.is_empty() && line.asleep > 0 {
            ring(&self.bell);
        }
    }

    /// Something happened to the guest that has this mark. If that is what it waits for, here it is.
    fn fulfil(&self, mark: u64, happened: EventFlags) -> Option<(G, EventFlags)> {
        let (seat, guests) = (mark as u32 as usize, (mark >> 32) as u32);
        let mut state = self.seats.get(seat)?.lock();
        if state.guests != guests {
            return None;
        }
        state.happened |= happened;
        if !state.happened.intersects(state.wish) {
            return None;
        }
        Some((self.stand_up(seat, &mut state)?, state.wish))
    }

    fn stand_up(&self, seat: usize, state: &mut State<G>) -> Option<G> {
        let guest = state.guest.take()?;
        state.use_up(state.wish);
        self.seats[seat].due.store(NEVER, Ordering::SeqCst);
        Some(guest)
    }

    /// A guest whose time has come by `now`.
    fn overdue(&self, now: Instant) -> Option<G> {
        let now = self.microseconds(now);
        // Before looking: whoever sits down from here on is counted.
        self.next_due.store(NEVER, Ordering::SeqCst);
        let mut found = None;
        let mut next_due = NEVER;
        for (number, seat) in self.seats.iter().enumerate() {
            let due = seat.due.load(Ordering::SeqCst);
            if due <= now && found.is_none() {
                let mut state = seat.lock();
                if seat.due.load(Ordering::SeqCst) <= now {
                    found = self.stand_up(number, &mut state);
                }
            } else {
                next_due = next_due.min(due);
            }
        }
        self.next_due.fetch_min(next_due, Ordering::SeqCst);
        found
    }

    fn microseconds(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.started).as_micros().try_into().unwrap_or(NEVER - 1)
    }

    /// Sends every worker away that waits here, now and later.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        ring(&self.last_bell);
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}

/// It fails only where the bell has been rung 2^64 times.
fn ring(bell: &OwnedFd) {
    let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
}

/// What the system is to say of a guest's socket: its seat, and how many had that seat before.
fn mark(seat: usize, guests: u32) -> EventData {
    EventData::new_u64(u64::from(guests) << 32 | seat as u64)
}
