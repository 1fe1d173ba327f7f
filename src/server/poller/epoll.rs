//! Which sockets have something to read, by `epoll(7)`. With `EPOLLONESHOT`, a socket is reported once after each
//! [`Selector::arm`].

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use crate::server::socket::timespec;

/// The waker's token.
const WAKER: u64 = u64::MAX;

pub struct Selector {
    epoll: OwnedFd,
    waker: OwnedFd,
}

impl Selector {
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let waker = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        // Edge-triggered, so that nothing has to be read from it.
        epoll::add(&epoll, &waker, EventData::new_u64(WAKER), EventFlags::IN | EventFlags::ET)?;
        Ok(Self { epoll, waker })
    }

    /// Watches a socket until it has something to read. The system forgets it when it is closed.
    pub fn arm<S: AsFd>(&self, token: u64, socket: &Arc<S>) -> io::Result<()> {
        let (data, flags) = (EventData::new_u64(token), EventFlags::IN | EventFlags::ONESHOT);
        match epoll::modify(&self.epoll, socket, data, flags) {
            Err(Errno::NOENT) => Ok(epoll::add(&self.epoll, socket, data, flags)?),
            outcome => Ok(outcome?),
        }
    }

    /// Does nothing: an event whose connection isn't parked is ignored.
    pub fn disarm(&self, _: u64) {}

    /// Waits until a socket has something to read, for `timeout` or for ever, and appends the tokens of those that
    /// have.
    pub fn wait(&self, timeout: Option<Duration>, tokens: &mut Vec<u64>) {
        let mut events = [MaybeUninit::<Event>::uninit(); 64];
        let timeout = timeout.map(timespec);
        // A signal may end the wait early; the caller waits again.
        if let Ok((events, _)) = epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            tokens.extend(events.iter().map(|event| event.data.u64()).filter(|token| *token != WAKER));
        }
    }

    pub fn wake(&self) {
        // It fails only if the counter overflows; then the wait ends anyway.
        let _ = rustix::io::write(&self.waker, &1_u64.to_ne_bytes());
    }
}
