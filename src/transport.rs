//! One client's socket as the rooms to its right see it: bytes in, bytes out, each wait with an end.
//!
//! The trait is what lets every deadline be tested without sleeping: its clock belongs to it, and a scripted transport
//! tells the time that its script says.

use std::fs::File;
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

    /// The same where a wait is to be expected, and `until` is the idle timeout from now.
    ///
    /// # Errors
    /// As [`Self::receive`].
    fn receive_when_idle(&mut self, buffer: &mut Vec<u8>, until: Instant) -> io::Result<usize> {
        self.receive(buffer, until)
    }

    /// Sends what the socket takes at once of `bytes`; says how much that was. `more` lets the system hold back less
    /// than a segment, for what follows.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when it takes nothing now; what the system says otherwise.
    fn send(&mut self, bytes: &[u8], more: bool) -> io::Result<usize>;

    /// Sends what the socket takes at once of the `length` bytes of `file` at `offset`, without reading them; says how
    /// much that was. 0 is the file's end.
    ///
    /// # Errors
    /// As [`Self::send`].
    fn send_file(&mut self, file: &File, offset: u64, length: usize) -> io::Result<usize>;

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

/// The real one: a TCP socket, asked never to block but where it is idle. Deadlines are kept by `poll(2)`, and the idle
/// timeout by the socket itself (`SO_RCVTIMEO`), which saves two calls a request.
#[derive(Debug)]
pub struct Tcp<'s> {
    stream: &'s TcpStream,
    nonblocking: bool,
    segment_size: Option<usize>,
}

impl<'s> Tcp<'s> {
    /// A transport over `stream`.
    pub fn new(stream: &'s TcpStream) -> Self {
        Self { stream, nonblocking: false, segment_size: None }
    }

    /// Whatever the flags say of waiting first, it ends at `until`.
    fn receive_with(&self, flags: RecvFlags, buffer: &mut Vec<u8>, until: Instant) -> io::Result<usize> {
        loop {
            match recv(self.stream, spare_capacity(buffer), flags) {
                Ok((received, _)) => return Ok(received),
                Err(Errno::AGAIN) => self.wait(PollFlags::IN, until)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
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
        self.receive_with(RecvFlags::DONTWAIT, buffer, until)
    }

    fn receive_when_idle(&mut self, buffer: &mut Vec<u8>, until: Instant) -> io::Result<usize> {
        self.receive_with(RecvFlags::empty(), buffer, until)
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

    #[cfg(target_os = "linux")]
    fn send_file(&mut self, file: &File, offset: u64, length: usize) -> io::Result<usize> {
        if !self.nonblocking {
            // sendfile(2) has no flag for it.
            self.stream.set_nonblocking(true)?;
            self.nonblocking = true;
        }
        let mut at = offset;
        loop {
            match rustix::fs::sendfile(self.stream, file, Some(&mut at), length) {
                Err(Errno::INTR) => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn send_file(&mut self, _: &File, _: u64, _: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
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

#[cfg(test)]
pub mod script {
    //! A client that does what its script says, on a clock that only the script moves.

    use std::collections::VecDeque;

    use super::*;

    /// See the module.
    pub struct Script {
        start: Instant,
        now: Instant,
        arrivals: VecDeque<(Duration, Vec<u8>)>,
        window: usize,
        openings: VecDeque<(Duration, usize)>,
        hangs_up: bool,
        /// What was sent, one element for each call.
        pub sent: Vec<Vec<u8>>,
        /// Whether each of those let the system hold bytes back.
        pub more: Vec<bool>,
        /// Whether the write side was shut.
        pub finished: bool,
    }

    impl Script {
        /// A client that reads everything, says nothing, and hangs up after the last of what it says.
        pub fn new() -> Self {
            let now = Instant::now();
            Self {
                start: now,
                now,
                arrivals: VecDeque::new(),
                window: usize::MAX,
                openings: VecDeque::new(),
                hangs_up: true,
                sent: Vec::new(),
                more: Vec::new(),
                finished: false,
            }
        }

        /// It sends `bytes` so many seconds after the start.
        pub fn says(mut self, seconds: f64, bytes: impl AsRef<[u8]>) -> Self {
            self.arrivals.push_back((Duration::from_secs_f64(seconds), bytes.as_ref().to_vec()));
            self
        }

        /// It never hangs up.
        pub fn stays(mut self) -> Self {
            self.hangs_up = false;
            self
        }

        /// It takes `window` bytes at first, and nothing more until [`Self::takes`] says so.
        pub fn takes_at_first(mut self, window: usize) -> Self {
            self.window = window;
            self
        }

        /// It takes so many bytes more so many seconds after the start.
        pub fn takes(mut self, seconds: f64, bytes: usize) -> Self {
            self.openings.push_back((Duration::from_secs_f64(seconds), bytes));
            self
        }

        /// Seconds since the start.
        pub fn elapsed(&self) -> f64 {
            (self.now - self.start).as_secs_f64()
        }

        /// All that was sent.
        pub fn output(&self) -> String {
            String::from_utf8_lossy(&self.sent.concat()).into_owned()
        }

        fn wait(&mut self, at: Option<Duration>, until: Instant) -> io::Result<()> {
            match at.map(|at| self.start + at).filter(|at| *at <= until) {
                Some(at) => {
                    self.now = self.now.max(at);
                    Ok(())
                }
                None => {
                    self.now = self.now.max(until);
                    Err(io::ErrorKind::TimedOut.into())
                }
            }
        }
    }

    impl Transport for &mut Script {
        fn now(&self) -> Instant {
            self.now
        }

        fn receive(&mut self, buffer: &mut Vec<u8>, until: Instant) -> io::Result<usize> {
            if self.arrivals.is_empty() && self.hangs_up {
                return Ok(0);
            }
            let next = self.arrivals.front().map(|(at, _)| *at);
            self.wait(next, until)?;
            let Some((at, mut bytes)) = self.arrivals.pop_front() else { return Ok(0) };
            let room = (buffer.capacity() - buffer.len()).min(bytes.len());
            let rest = bytes.split_off(room);
            if !rest.is_empty() {
                self.arrivals.push_front((at, rest));
            }
            buffer.extend_from_slice(&bytes);
            Ok(room)
        }

        fn send(&mut self, bytes: &[u8], more: bool) -> io::Result<usize> {
            let taken = bytes.len().min(self.window);
            if taken == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.window -= taken;
            self.sent.push(bytes[..taken].to_vec());
            self.more.push(more);
            Ok(taken)
        }

        fn send_file(&mut self, file: &File, offset: u64, length: usize) -> io::Result<usize> {
            let mut bytes = vec![0; length];
            let read = std::os::unix::fs::FileExt::read_at(file, &mut bytes, offset)?;
            if read == 0 { Ok(0) } else { self.send(&bytes[..read], false) }
        }

        fn wait_writable(&mut self, until: Instant) -> io::Result<()> {
            let next = self.openings.front().map(|(at, _)| *at);
            self.wait(next, until)?;
            self.window += self.openings.pop_front().map_or(0, |(_, bytes)| bytes);
            Ok(())
        }

        fn finish(&mut self) {
            self.finished = true;
        }

        fn segment_size(&mut self) -> usize {
            1448
        }
    }
}
