//! Which sockets can be read, by `poll(2)`, where there is no epoll: the same, at a cost that grows with their number.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::timespec;

type Socket = Arc<dyn AsFd + Send + Sync>;

/// See the module.
pub struct Selector {
    armed: Mutex<HashMap<u64, Socket>>,
    /// What is written at one end ends a wait at the other.
    waker: (UnixStream, UnixStream),
}

impl Selector {
    pub fn new() -> io::Result<Self> {
        let waker = UnixStream::pair()?;
        waker.0.set_nonblocking(true)?;
        waker.1.set_nonblocking(true)?;
        Ok(Self { armed: Mutex::default(), waker })
    }

    /// Watches a socket until there is something to read.
    pub fn arm<S: AsFd + Send + Sync + 'static>(&self, token: u64, socket: &Arc<S>) -> io::Result<()> {
        self.lock().insert(token, Arc::clone(socket) as Socket);
        self.wake();
        Ok(())
    }

    /// Watches a socket no longer.
    pub fn disarm(&self, token: u64) {
        self.lock().remove(&token);
    }

    /// Waits until a socket can be read, for `timeout` or for ever, and appends the tokens of those that can.
    pub fn wait(&self, timeout: Option<Duration>, tokens: &mut Vec<u64>) {
        let armed: Vec<(u64, Socket)> =
            self.lock().iter().map(|(token, socket)| (*token, Arc::clone(socket))).collect();
        let sockets = armed.iter().map(|(_, socket)| PollFd::new(socket, PollFlags::IN));
        let mut sockets: Vec<PollFd<'_>> = sockets.chain([PollFd::new(&self.waker.1, PollFlags::IN)]).collect();
        let timeout = timeout.map(timespec);
        // A signal is as good as nothing that happened.
        if poll(&mut sockets, timeout.as_ref()).is_err() {
            return;
        }
        let is_ready = |(_, socket): &(&(u64, Socket), &PollFd<'_>)| !socket.revents().is_empty();
        let ready: Vec<u64> = armed.iter().zip(&sockets).filter(is_ready).map(|((token, _), _)| *token).collect();
        let mut armed = self.lock();
        ready.iter().for_each(|token| drop(armed.remove(token)));
        tokens.extend(ready);
        while matches!((&self.waker.1).read(&mut [0; 64]), Ok(1..)) {}
    }

    /// Ends the wait that is going on, or the next one.
    pub fn wake(&self) {
        // Where it is full, it ends the wait already.
        let _ = (&self.waker.0).write(&[0]);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Socket>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
