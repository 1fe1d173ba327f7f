//! The crowd where `epoll(7)` is: a system call for whoever is next, and none to begin or to end a wait.
//!
//! A socket is registered once, edge-triggered, for all that can happen to it. What happens while its guest is with a
//! worker is kept in the guest's seat, so that nothing is missed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};

use super::Wish;

/// A guest that isn't here has no time that could come.
const NEVER: u64 = u64::MAX;

/// What the bell says in place of a seat's number.
const BELL: u64 = u64::MAX;

/// All that can happen to a socket, each told once.
const EVERYTHING: EventFlags = EventFlags::ET.union(EventFlags::IN).union(EventFlags::OUT).union(EventFlags::RDHUP);

/// See [`super`].
#[derive(Debug)]
pub struct Crowd<G> {
    epoll: OwnedFd,
    /// Rung when the crowd is closed, to wake every worker.
    bell: OwnedFd,
    seats: Box<[Seat<G>]>,
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
        // A client's goodbye is told once, and may have come with its last request.
        self.happened.remove(wish.difference(EventFlags::RDHUP));
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
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &bell, EventData::new_u64(BELL), EventFlags::IN)?;
        Ok(Self {
            epoll,
            bell,
            seats: (0..seats).map(|_| Seat::new()).collect(),
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

    /// The same for a guest whose wish may be true already, though it has been told so before: it is its turn again
    /// after those who are ready now. Gives it back where there is no more waiting.
    #[must_use]
    pub fn pause(&self, seat: usize, guest: G, wish: Wish, until: Instant) -> Option<G> {
        let mut state = self.seats[seat].lock();
        // Asks for what has been told before, so that it is told again.
        if epoll::modify(&self.epoll, &guest, mark(seat, state.guests), EVERYTHING).is_err() {
            return Some(guest);
        }
        state.happened = EventFlags::empty();
        self.sit_down(seat, &mut state, guest, fulfils(wish), until);
        None
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
        let mut events = Vec::with_capacity(1);
        let give_up = patience.map(|patience| Instant::now() + patience);
        while !self.closed.load(Ordering::SeqCst) {
            let due = self.next_due.load(Ordering::SeqCst);
            let mut timeout = None;
            if due != NEVER || give_up.is_some() {
                let now = Instant::now();
                if due <= self.microseconds(now)
                    && let Some(guest) = self.overdue(now)
                {
                    return Some(guest);
                }
                if give_up.is_some_and(|give_up| give_up <= now) {
                    return None;
                }
                let due = self.next_due.load(Ordering::SeqCst);
                let due = (due != NEVER).then(|| self.started + Duration::from_micros(due));
                let until = due.into_iter().chain(give_up).min();
                timeout = until.map(|until| timespec(until.saturating_duration_since(now)));
            }
            events.clear();
            // A signal, or a failure that no caller could mend, is as good as nothing that happened.
            let _ = epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref());
            if let Some(event) = events.first()
                && event.data.u64() != BELL
                && let Some(guest) = self.fulfil(event.data.u64(), event.flags)
            {
                return Some(guest);
            }
        }
        None
    }

    /// Something happened to the guest that has this mark. If that is what it waits for, here it is.
    fn fulfil(&self, mark: u64, happened: EventFlags) -> Option<G> {
        let (seat, guests) = (mark as u32 as usize, (mark >> 32) as u32);
        let mut state = self.seats.get(seat)?.lock();
        if state.guests != guests {
            return None;
        }
        state.happened |= happened;
        if !state.happened.intersects(state.wish) {
            return None;
        }
        self.stand_up(seat, &mut state)
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
        // It fails only where the bell has been rung 2^64 times.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}

/// What the system is to say of a guest's socket: its seat, and how many had that seat before.
fn mark(seat: usize, guests: u32) -> EventData {
    EventData::new_u64(u64::from(guests) << 32 | seat as u64)
}

/// Longer waits than the system can count end early, and are begun again.
fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap_or(Timespec { tv_sec: i64::from(i32::MAX), tv_nsec: 0 })
}
