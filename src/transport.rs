//! One client's socket as the rooms to its right see it: bytes in, bytes out, each wait with an end.
//!
//! The trait is what lets every deadline be tested without sleeping: its clock belongs to it, and a scripted transport
//! tells the time that its script says.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// A connection to one client, with a clock.
pub trait Transport {
    /// The time now, of the clock that every deadline is measured by.
    fn now(&self) -> Instant;

    /// Appends what has arrived to `buffer`, as much as its capacity has room for; waits for it until `until`.
    ///
    /// `Ok(0)` is the client's goodbye (it may still read).
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] at `until`; what the system says otherwise.
    fn receive(&mut self, buffer: &mut Vec<u8>, until: Instant) -> io::Result<usize>;

    /// Sends what the socket takes at once of `bytes`; says how much that was. `more` lets the system hold back less
    /// than a segment, for what follows.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when it takes nothing now; what the system says otherwise.
    fn send(&mut self, bytes: &[u8], more: bool) -> io::Result<usize>;

    /// Waits until [`Self::send`] would take something, or would fail.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] at `until`.
    fn wait_writable(&mut self, until: Instant) -> io::Result<()>;

    /// Tells the client that nothing more will come (a FIN); receiving goes on.
    fn finish(&mut self);

    /// The most bytes that one segment to this client holds, as far as is known.
    fn segment_size(&mut self) -> usize;
}

/// The real one: a blocking TCP socket, asked never to block. Deadlines are kept by `poll(2)`.
#[derive(Debug)]
pub struct Tcp<'s> {
    stream: &'s TcpStream,
    segment_size: Option<usize>,
}

impl<'s> Tcp<'s> {
    /// A transport over `stream`.
    pub fn new(stream: &'s TcpStream) -> Self {
        Self { stream, segment_size: None }
    }

    /// `poll(2)` for `events` until `until`.
    fn wait(&self, events: PollFlags, until: Instant) -> io::Result<()> {
        loop {
            let left = until.saturating_duration_since(self.now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            match poll(&mut [PollFd::new(self.stream, events)], Some(&timespec(left))) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Longer waits than the system can count end early, and are begun again by whoever wanted them longer.
fn timespec(duration: Duration) -> Timespec {
    Timespec::try_from(duration).unwrap_or(Timespec { tv_sec: i64::from(i32::MAX), tv_nsec: 0 })
}

impl Transport for Tcp<'_> {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn receive(&mut self, buffer: &mut Vec<u8>, until: Instant) -> io::Result<usize> {
        loop {
            match recv(self.stream, spare_capacity(buffer), RecvFlags::DONTWAIT) {
                Ok((received, _)) => return Ok(received),
                Err(Errno::AGAIN) => self.wait(PollFlags::IN, until)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn send(&mut self, bytes: &[u8], more: bool) -> io::Result<usize> {
        let more = if more { SendFlags::MORE } else { SendFlags::empty() };
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL | more;
        loop {
            match send(self.stream, bytes, flags) {
                Err(Errno::INTR) => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    fn wait_writable(&mut self, until: Instant) -> io::Result<()> {
        self.wait(PollFlags::OUT, until)
    }

    fn finish(&mut self) {
        // It fails only where the connection is gone, which the next receive says.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    #[cfg(target_os = "linux")]
    fn segment_size(&mut self) -> usize {
        *self.segment_size.get_or_insert_with(|| {
            socket2::SockRef::from(self.stream).tcp_mss().map_or(usize::MAX, |size| size as usize)
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn segment_size(&mut self) -> usize {
        *self.segment_size.get_or_insert(1460)
    }
}
