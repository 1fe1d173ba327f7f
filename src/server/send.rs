//! A response's bytes, from buffer and file to the client: the head with the first chunk in one write, and then one chunk
//! after the other.
//!
//! One loop serves copies of any size, `sendfile(2)` and several ranges. [`Writer`] waits whenever the socket is full. A
//! response is whole or visibly broken: where the file ends early or the client takes nothing, sending ends with an
//! error, and the connection is closed.

use std::fmt::{self, Display};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::Worker;
use super::socket::Socket;
use crate::http::response::Body;

/// A client that takes fewer bytes than this within the stall timeout has stalled.
pub const STALL_BYTES: u64 = 4096;

/// Chunks of up to this size are on the stack.
const SMALL: usize = 4096;

/// Bytes that are read at a time, however large a chunk is: a socket seldom takes more.
const MOST: usize = 256 * 1024;

/// A response that has sent more bytes than this is a long one. It also lets others run each time that it has sent as many.
const LONG: u64 = 128 * 1024;

/// Bytes that the kernel is asked to send in one call.
const BY_KERNEL: u64 = 256 * 1024;

/// Bytes of a file for which it is worth telling the system that they are read one after the other.
const READ_AHEAD: u64 = 1024 * 1024;

/// Why a response is not whole.
#[derive(Debug)]
pub enum Broken {
    /// The client took less than [`STALL_BYTES`] within the stall timeout.
    Stalled,
    /// The connection failed: the client is gone.
    Lost(io::Error),
    /// The file is shorter than when it was opened.
    Truncated,
    /// The file can't be read.
    Unreadable(io::Error),
}

impl Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled => f.write_str("the client stopped reading"),
            Self::Truncated => f.write_str("it is shorter than when it was opened"),
            Self::Lost(error) | Self::Unreadable(error) => error.fmt(f),
        }
    }
}

/// How a file gets to the client.
#[derive(Debug, Clone, Copy)]
pub struct Copying {
    /// The most bytes read from the file and given to the socket at a time.
    pub chunk_size: usize,
    /// Let the kernel copy what is more than a chunk (`sendfile(2)`).
    pub sendfile: bool,
}

/// Where a response's bytes go.
pub trait Output {
    /// Sends `text` and then `chunk`, all of them. `more`: something follows at once, and it may be gathered with that.
    fn write(&mut self, text: &[u8], chunk: &[u8], more: bool) -> Result<(), Broken>;

    /// Lets the kernel send a part of `file`.
    fn send_file(&mut self, file: &File, range: Range<u64>) -> Result<(), Broken>;
}

/// Sends a response: its head, and then its body. Where the connection `closes` with it, its last bytes wait for the FIN, to
/// go out in one segment. An error ends the response, and its connection has to end too.
pub fn send(out: &mut impl Output, head: Vec<u8>, body: &Body, copying: Copying, closes: bool) -> Result<(), Broken> {
    // What goes out with the next chunk.
    let mut text = head;
    match body {
        Body::Empty => {}
        Body::Bytes(bytes) => return out.write(&text, bytes, closes),
        Body::Slice(file, range) => copy(out, &mut text, file, range.clone(), copying, closes)?,
        Body::Slices(file, parts, end) => {
            for (introduction, range) in parts {
                text.extend_from_slice(introduction.as_bytes());
                copy(out, &mut text, file, range.clone(), copying, true)?;
            }
            text.extend_from_slice(end.as_bytes());
        }
    }
    if text.is_empty() { Ok(()) } else { out.write(&text, &[], closes) }
}

/// Sends `text` and a part of `file`. `more`: something follows.
fn copy(
    out: &mut impl Output,
    text: &mut Vec<u8>,
    file: &File,
    range: Range<u64>,
    copying: Copying,
    more: bool,
) -> Result<(), Broken> {
    let length = range.end - range.start;
    read_ahead(file, &range);
    if copying.sendfile && length > copying.chunk_size as u64 {
        // A file that can't be read is found out before anything is said of it.
        read(file, &mut [0], range.start)?;
        out.write(text, &[], false)?;
        text.clear();
        return out.send_file(file, range);
    }
    let size = copying.chunk_size.min(MOST).min(usize::try_from(length).unwrap_or(MOST));
    // A small one is on the stack, where planning the response has touched the pages already.
    let (mut small, mut large) = ([0; SMALL], vec![0; if size > SMALL { size } else { 0 }]);
    let buffer = if size > SMALL { &mut large[..] } else { &mut small[..size] };
    let mut at = range.start;
    while at < range.end {
        let size = (range.end - at).min(buffer.len() as u64);
        let chunk = &mut buffer[..size as usize];
        read(file, chunk, at)?;
        at += size;
        out.write(text, chunk, more || at < range.end)?;
        text.clear();
    }
    Ok(())
}

fn read(file: &File, chunk: &mut [u8], at: u64) -> Result<(), Broken> {
    file.read_exact_at(chunk, at).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Broken::Truncated,
        _ => Broken::Unreadable(error),
    })
}

/// Asks for more to be read ahead than usual (`posix_fadvise(2)`, which macOS lacks): with the 128 KiB that are usual,
/// twenty viewers of a cold film were seen to get half as much again.
fn read_ahead(_file: &File, range: &Range<u64>) {
    if range.end - range.start >= READ_AHEAD {
        // It is advice; the bytes come without it too.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(_file, 0, None, rustix::fs::Advice::Sequential);
    }
}

/// Tells a client that takes nothing from one that is slow: one clock for the whole connection, which the next response
/// doesn't start again.
#[derive(Debug, Default)]
pub struct StallClock {
    /// Bytes that the socket took, over all responses.
    taken: u64,
    /// Since when the client has been waited for, and how much had been taken then.
    mark: Option<(Instant, u64)>,
}

impl StallClock {
    /// The socket is full: by when the client has to have taken something. The time starts when it is first waited for,
    /// and again whenever it has taken [`STALL_BYTES`] since.
    fn deadline(&mut self, now: Instant, stall_timeout: Duration) -> Instant {
        let (since, _) = match self.mark {
            Some(mark) if self.taken - mark.1 < STALL_BYTES => mark,
            _ => *self.mark.insert((now, self.taken)),
        };
        since + stall_timeout
    }

    /// The client has asked for nothing more: nothing is waited for.
    pub fn stop(&mut self) {
        self.mark = None;
    }
}

/// A client's socket as an [`Output`]: it waits for room, as long as the stall clock lets it. Where the response turns out
/// to be a long one, or the socket is full, the worker that sends it is detached.
pub struct Writer<'c, S> {
    socket: &'c mut S,
    clock: &'c mut StallClock,
    stall_timeout: Duration,
    worker: &'c mut Worker,
    /// What the clock had seen before this response.
    before: u64,
    /// The most bytes that one segment holds, once that was asked for.
    segment_size: Option<usize>,
    first_byte: Option<Instant>,
}

impl<'c, S: Socket> Writer<'c, S> {
    pub fn new(socket: &'c mut S, clock: &'c mut StallClock, stall_timeout: Duration, worker: &'c mut Worker) -> Self {
        let before = clock.taken;
        Self { socket, clock, stall_timeout, worker, before, segment_size: None, first_byte: None }
    }

    /// Bytes that the socket took of this response.
    pub fn taken(&self) -> u64 {
        self.clock.taken - self.before
    }

    /// When the first of them went out.
    pub fn first_byte(&self) -> Option<Instant> {
        self.first_byte
    }

    fn took(&mut self, bytes: usize) {
        if self.first_byte.is_none() && bytes > 0 {
            self.first_byte = Some(self.socket.now());
        }
        let before = self.taken();
        self.clock.taken += bytes as u64;
        if self.taken() / LONG > before / LONG {
            self.worker.detach();
            // A request that came meanwhile waits for a processor, and should not until the time slice of this thread ends.
            thread::yield_now();
        }
    }

    fn wait(&mut self) -> Result<(), Broken> {
        let now = self.socket.now();
        let until = self.clock.deadline(now, self.stall_timeout);
        if now >= until {
            return Err(Broken::Stalled);
        }
        self.worker.detach();
        // The system calls a socket writable long after it takes something again (see `UNSENT` in listener.rs): without
        // trying in between, what it takes at the deadline would start the clock again.
        self.socket.wait_for_room(until.min(now + self.stall_timeout / 8));
        Ok(())
    }
}

impl<S: Socket> Output for Writer<'_, S> {
    fn write(&mut self, mut text: &[u8], mut chunk: &[u8], more: bool) -> Result<(), Broken> {
        // Whole segments are not held back for what follows.
        let more = more && {
            let segment_size = self.segment_size.get_or_insert_with(|| self.socket.segment_size());
            text.len() + chunk.len() < *segment_size
        };
        while !(text.is_empty() && chunk.is_empty()) {
            match self.socket.send(text, chunk, more) {
                Ok(taken) => {
                    self.took(taken);
                    let of_text = taken.min(text.len());
                    (text, chunk) = (&text[of_text..], &chunk[taken - of_text..]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                Err(error) => return Err(Broken::Lost(error)),
            }
        }
        Ok(())
    }

    fn send_file(&mut self, file: &File, mut range: Range<u64>) -> Result<(), Broken> {
        while !range.is_empty() {
            let length = (range.end - range.start).min(BY_KERNEL);
            match self.socket.send_file(file, range.start, length as usize) {
                Ok(0) => return Err(Broken::Truncated),
                Ok(taken) => {
                    self.took(taken);
                    range.start += taken as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                // A file system that can't do it, or a disk that fails. The other errors are the socket's.
                Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
                    Some(Errno::IO | Errno::INVAL | Errno::NOSYS | Errno::STALE) => {
                        return Err(Broken::Unreadable(error));
                    }
                    _ => return Err(Broken::Lost(error)),
                },
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
