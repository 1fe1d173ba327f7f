//! One client's socket, with a clock, so that tests of deadlines run on a scripted client and don't sleep.

use std::fs::File;
use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};

/// Receiving and sending don't block: they fail with [`io::ErrorKind::WouldBlock`] instead.
pub trait Socket {
    fn now(&self) -> Instant;

    /// Appends what has arrived to `buffer`, up to its capacity. `Ok(0)`: the client has shut down its write side.
    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize>;

    /// Sends what the socket takes of `text` and then `chunk`, and returns how many bytes that was. With `more`, the
    /// system may hold back less than a segment until more follows.
    fn send(&mut self, text: &[u8], chunk: &[u8], more: bool) -> io::Result<usize>;

    /// Sends from `length` bytes of `file` at `offset`, by sendfile(2). `Ok(0)`: the file ends there.
    fn send_file(&mut self, file: &File, offset: u64, length: usize) -> io::Result<usize>;

    /// Waits until the socket takes something, until `until` at the latest.
    fn wait_for_room(&mut self, until: Instant);

    /// Shuts down the write side (a FIN); receiving goes on.
    fn finish(&mut self);

    /// The most bytes of one segment to this client.
    fn segment_size(&mut self) -> usize;
}

/// Rust's programs ignore SIGPIPE; one that embeds this may not.
#[cfg(target_os = "linux")]
const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(not(target_os = "linux"))]
const FLAGS: SendFlags = SendFlags::DONTWAIT;

#[cfg(target_os = "linux")]
const MORE: SendFlags = SendFlags::MORE;
#[cfg(not(target_os = "linux"))]
const MORE: SendFlags = SendFlags::empty();

impl Socket for &TcpStream {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        unless_interrupted(|| recv(&**self, spare_capacity(buffer), RecvFlags::DONTWAIT).map(|(received, _)| received))
    }

    fn send(&mut self, text: &[u8], chunk: &[u8], more: bool) -> io::Result<usize> {
        let flags = if more { FLAGS.union(MORE) } else { FLAGS };
        unless_interrupted(|| match (text, chunk) {
            ([], bytes) | (bytes, []) => send(&**self, bytes, flags),
            _ => {
                let both = [IoSlice::new(text), IoSlice::new(chunk)];
                sendmsg(&**self, &both, &mut SendAncillaryBuffer::default(), flags)
            }
        })
    }

    #[cfg(target_os = "linux")]
    fn send_file(&mut self, file: &File, mut offset: u64, length: usize) -> io::Result<usize> {
        unless_interrupted(|| rustix::fs::sendfile(&**self, file, Some(&mut offset), length))
    }

    /// `Server::bind` refuses `--sendfile` here.
    #[cfg(not(target_os = "linux"))]
    fn send_file(&mut self, _: &File, _: u64, _: usize) -> io::Result<usize> {
        Err(Errno::NOSYS.into())
    }

    fn wait_for_room(&mut self, until: Instant) {
        let left = timespec(until.saturating_duration_since(Instant::now()));
        // If it fails, the next attempt to send tells why.
        let _ = poll(&mut [PollFd::new(&**self, PollFlags::OUT)], Some(&left));
    }

    fn finish(&mut self) {
        // It fails only if the connection is lost, and then the next receive fails too.
        let _ = self.shutdown(Shutdown::Write);
    }

    fn segment_size(&mut self) -> usize {
        socket2::SockRef::from(&**self).tcp_mss().map_or(usize::MAX, |size| size as usize)
    }
}

/// A time to wait in a system call, at most a day, since some systems count milliseconds in 32 bits.
pub fn timespec(wait: Duration) -> Timespec {
    let wait = wait.min(Duration::from_secs(24 * 3600));
    Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: wait.subsec_nanos().into() }
}

/// Repeats a system call that a signal interrupted.
fn unless_interrupted(mut call: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            outcome => return Ok(outcome?),
        }
    }
}

#[cfg(test)]
pub mod script {
    //! A client that does what its script says, on a clock that only the script moves.

    use std::collections::VecDeque;
    use std::time::Duration;

    use super::*;

    /// The scripted client.
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

        /// Waits until something has arrived, or the client is about to hang up; `until` at most.
        pub fn wait_readable(&mut self, until: Instant) {
            match self.arrivals.front() {
                None if self.hangs_up => {}
                next => self.pass(next.map(|(at, _)| *at), until),
            }
        }

        /// Waits until the client takes something; `until` at most.
        pub fn wait_writable(&mut self, until: Instant) {
            if self.window == 0 {
                let next = self.openings.front().map(|(at, _)| *at);
                self.pass(next, until);
                if next.is_some_and(|at| self.start + at <= self.now) {
                    self.window += self.openings.pop_front().map_or(0, |(_, bytes)| bytes);
                }
            }
        }

        fn pass(&mut self, next: Option<Duration>, until: Instant) {
            let then = next.map_or(until, |at| self.start + at).min(until);
            self.now = self.now.max(then);
        }
    }

    impl Socket for &mut Script {
        fn now(&self) -> Instant {
            self.now
        }

        fn receive(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
            match self.arrivals.front_mut() {
                None if self.hangs_up => Ok(0),
                Some((at, bytes)) if self.start + *at <= self.now => {
                    let room = (buffer.capacity() - buffer.len()).min(bytes.len());
                    buffer.extend(bytes.drain(..room));
                    if bytes.is_empty() {
                        self.arrivals.pop_front();
                    }
                    Ok(room)
                }
                _ => Err(io::ErrorKind::WouldBlock.into()),
            }
        }

        fn send(&mut self, text: &[u8], chunk: &[u8], more: bool) -> io::Result<usize> {
            let bytes = [text, chunk].concat();
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
            if read == 0 { Ok(0) } else { self.send(&bytes[..read], &[], false) }
        }

        fn wait_for_room(&mut self, until: Instant) {
            self.wait_writable(until);
        }

        fn finish(&mut self) {
            self.finished = true;
        }

        fn segment_size(&mut self) -> usize {
            1448
        }
    }
}
