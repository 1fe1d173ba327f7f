//! Which sockets can be read, by `epoll(7)`: each is told of once for each time that it is armed (`EPOLLONESHOT`), so that
//! an event belongs to whoever has armed the socket last.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use super::timespec;

/// What stands for the waker in place of a socket.
const WAKER: u64 = u64::MAX;

/// See the module.
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

    /// Watches a socket until there is something to read. A closed one is forgotten by the system.
    pub fn arm<S: AsFd>(&self, token: u64, socket: &Arc<S>) -> io::Result<()> {
        let (data, flags) = (EventData::new_u64(token), EventFlags::IN | EventFlags::ONESHOT);
        match epoll::modify(&self.epoll, socket, data, flags) {
            Err(Errno::NOENT) => Ok(epoll::add(&self.epoll, socket, data, flags)?),
            outcome => Ok(outcome?),
        }
    }

    /// An event of a socket that nothing waits for means nothing; there is nothing to be done.
    pub fn disarm(&self, _: u64) {}

    /// Waits until a socket can be read, for `timeout` or for ever, and appends the tokens of those that can.
    pub fn wait(&self, timeout: Option<Duration>, tokens: &mut Vec<u64>) {
        let mut events = [MaybeUninit::<Event>::uninit(); 64];
        let timeout = timeout.map(timespec);
        // A signal is as good as nothing that happened.
        if let Ok((events, _)) = epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            tokens.extend(events.iter().map(|event| event.data.u64()).filter(|token| *token != WAKER));
        }
    }

    /// Ends the wait that is going on, or the next one.
    pub fn wake(&self) {
        // It fails only where that was done 2^64 times.
        let _ = rustix::io::write(&self.waker, &1_u64.to_ne_bytes());
    }
}
