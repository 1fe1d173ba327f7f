//! Which sockets have something to read, by `poll(2)`, for systems without epoll. Its cost grows with the number of
//! sockets.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::server::socket::timespec;
use crate::sync::lock;

type Socket = Arc<dyn AsFd + Send + Sync>;

pub struct Selector {
    armed: Mutex<HashMap<u64, Socket>>,
    /// A byte written to the first ends the wait, which includes the second.
    waker: (UnixStream, UnixStream),
}

impl Selector {
    pub fn new() -> io::Result<Self> {
        let waker = UnixStream::pair()?;
        waker.0.set_nonblocking(true)?;
        waker.1.set_nonblocking(true)?;
        Ok(Self { armed: Mutex::default(), waker })
    }

    pub fn arm<S: AsFd + Send + Sync + 'static>(&self, token: u64, socket: &Arc<S>) -> io::Result<()> {
        lock(&self.armed).insert(token, Arc::clone(socket) as Socket);
        self.wake();
        Ok(())
    }

    pub fn disarm(&self, token: u64) {
        lock(&self.armed).remove(&token);
    }

    pub fn wait(&self, timeout: Option<Duration>, tokens: &mut Vec<u64>) {
        let armed: Vec<(u64, Socket)> =
            lock(&self.armed).iter().map(|(token, socket)| (*token, Arc::clone(socket))).collect();
        let sockets = armed.iter().map(|(_, socket)| PollFd::new(socket, PollFlags::IN));
        let mut sockets: Vec<PollFd<'_>> = sockets.chain([PollFd::new(&self.waker.1, PollFlags::IN)]).collect();
        let timeout = timeout.map(timespec);
        // A signal may end the wait early; the caller waits again.
        if poll(&mut sockets, timeout.as_ref()).is_err() {
            return;
        }
        let is_ready = |(_, socket): &(&(u64, Socket), &PollFd<'_>)| !socket.revents().is_empty();
        let ready: Vec<u64> = armed.iter().zip(&sockets).filter(is_ready).map(|((token, _), _)| *token).collect();
        let mut armed = lock(&self.armed);
        ready.iter().for_each(|token| drop(armed.remove(token)));
        tokens.extend(ready);
        while matches!((&self.waker.1).read(&mut [0; 64]), Ok(1..)) {}
    }

    pub fn wake(&self) {
        // It fails only if unread bytes fill the buffer; then the wait ends anyway.
        let _ = (&self.waker.0).write(&[0]);
    }
}
