//! The crowd where `epoll(7)` isn't: a worker takes a guest and waits with it, by `poll(2)`.
//!
//! So each guest costs a thread while it waits, as many of them as the crew sees fit to have.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::{Wish, timespec};

/// See [`super`].
#[derive(Debug)]
pub struct Crowd<G> {
    queue: Mutex<Queue<G>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct Queue<G> {
    guests: VecDeque<(G, Wish, Instant)>,
    seats: usize,
    closed: bool,
}

impl<G: AsFd> Crowd<G> {
    /// As the other one's.
    pub fn new(seats: usize) -> io::Result<Self> {
        let queue = Queue { guests: VecDeque::new(), seats, closed: false };
        Ok(Self { queue: Mutex::new(queue), arrived: Condvar::new() })
    }

    /// As the other one's; all seats are alike here.
    pub fn take_seat(&self) -> Option<usize> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.seats = queue.seats.checked_sub(1)?;
        Some(0)
    }

    /// As the other one's.
    pub fn give_back(&self, _: usize) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).seats += 1;
    }

    /// Nothing is to be done for it here.
    pub fn watch(&self, _: usize, _: impl AsFd) -> io::Result<()> {
        Ok(())
    }

    /// As the other one's.
    #[must_use]
    pub fn wait(&self, _: usize, guest: G, wish: Wish, until: Instant) -> Option<G> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).guests.push_back((guest, wish, until));
        self.arrived.notify_one();
        None
    }

    /// As the other one's.
    #[must_use]
    pub fn wait_unsure(&self, seat: usize, guest: G, wish: Wish, until: Instant) -> Option<G> {
        self.wait(seat, guest, wish, until)
    }

    /// As the other one's.
    pub fn stand_in_line(&self, guest: G) {
        let _ = self.wait(0, guest, Wish::Time, Instant::now());
    }

    /// As the other one's; but `begin` is called before the wait with a guest.
    pub fn next(&self, patience: Option<Duration>, begin: impl FnOnce()) -> Option<G> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let (guest, wish, until) = loop {
            if queue.closed {
                return None;
            }
            if let Some(next) = queue.guests.pop_front() {
                break next;
            }
            let patience = patience.unwrap_or(Duration::from_secs(3600));
            let (waited, timeout) = self.arrived.wait_timeout(queue, patience).unwrap_or_else(PoisonError::into_inner);
            queue = waited;
            if timeout.timed_out() && queue.guests.is_empty() {
                return None;
            }
        };
        drop(queue);
        begin();
        let events = match wish {
            Wish::Read => PollFlags::IN,
            Wish::Write => PollFlags::OUT,
            Wish::Time => PollFlags::empty(),
        };
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // Whatever came of it, the guest finds out.
            if poll(&mut [PollFd::new(&guest, events)], Some(&timespec(left))) != Err(Errno::INTR) {
                return Some(guest);
            }
        }
    }

    /// Whoever sleeps here was told when somebody came.
    pub fn share(&self) {}

    /// As the other one's; guests that a worker waits with are found when they come back.
    pub fn close(&self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.arrived.notify_all();
    }

    /// As the other one's.
    pub fn is_closed(&self) -> bool {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).closed
    }
}
