//! Sends a response: the head with the first chunk in one write, and then one chunk after the other.
//!
//! [`Writer`] waits whenever the socket is full. A response is whole or visibly broken: if the file ends early or the
//! client stops reading, sending ends with an error, and the connection is closed.

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
const STALL_BYTES: u64 = 4096;

/// Buffers of up to this size are on the stack.
const STACK_BUFFER_SIZE: usize = 4096;

/// The most bytes that one read(2) or sendfile(2) is asked for: a socket seldom takes more.
const MAX_CHUNK_SIZE: usize = 256 * 1024;

/// A response that has sent more bytes than this is a long one: its worker is detached, and yields after each further
/// as many.
pub const LONG_RESPONSE: u64 = 128 * 1024;

/// The least bytes for which the system is told that they are read in sequence.
const MIN_READ_AHEAD: u64 = 1024 * 1024;

/// Why a response is not whole.
#[derive(Debug)]
pub enum Broken {
    /// The client took less than [`STALL_BYTES`] within the stall timeout.
    Stalled,
    /// The connection failed.
    Lost(io::Error),
    /// The file is shorter than when it was opened.
    Truncated,
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
    pub chunk_size: usize,
    /// The kernel copies what is more than a chunk (`sendfile(2)`).
    pub sendfile: bool,
}

/// Where a response's bytes go.
pub trait Output {
    /// Sends `text` and then `chunk`, all of them. `more`: something follows at once, so the system may wait for it.
    fn write(&mut self, text: &[u8], chunk: &[u8], more: bool) -> Result<(), Broken>;

    /// Sends a part of `file` with `sendfile(2)`.
    fn send_file(&mut self, file: &File, range: Range<u64>) -> Result<(), Broken>;
}

/// Sends a response. If the connection `closes` after it, its last bytes wait for the FIN, to go out in one segment.
/// After an error the connection must be closed.
pub fn send(out: &mut impl Output, head: Vec<u8>, body: &Body, copying: Copying, closes: bool) -> Result<(), Broken> {
    // It goes out with the next chunk.
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
        // If the file can't be read, the response is a 503; so that has to be known before the head is sent.
        read(file, &mut [0], range.start)?;
        out.write(text, &[], false)?;
        *text = Vec::new();
        return out.send_file(file, range);
    }
    let size = copying.chunk_size.min(MAX_CHUNK_SIZE).min(usize::try_from(length).unwrap_or(MAX_CHUNK_SIZE));
    // A small one is on the stack, where planning the response has touched the pages already.
    let (mut small, mut large) = ([0; STACK_BUFFER_SIZE], vec![0; if size > STACK_BUFFER_SIZE { size } else { 0 }]);
    let buffer = if size > STACK_BUFFER_SIZE { &mut large[..] } else { &mut small[..size] };
    let mut at = range.start;
    while at < range.end {
        let size = (range.end - at).min(buffer.len() as u64);
        let chunk = &mut buffer[..size as usize];
        read(file, chunk, at)?;
        at += size;
        out.write(text, chunk, more || at < range.end)?;
        // A long response needs the memory no more.
        *text = Vec::new();
    }
    Ok(())
}

fn read(file: &File, chunk: &mut [u8], at: u64) -> Result<(), Broken> {
    file.read_exact_at(chunk, at).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Broken::Truncated,
        _ => Broken::Unreadable(error),
    })
}

/// Makes the system read ahead more than its usual 128 KiB (`posix_fadvise(2)`, which macOS lacks): twenty viewers of
/// films that aren't in the page cache get half as much again.
fn read_ahead(_file: &File, range: &Range<u64>) {
    if range.end - range.start >= MIN_READ_AHEAD {
        // Without it, the bytes only come more slowly.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(_file, 0, None, rustix::fs::Advice::Sequential);
    }
}

/// Tells a client that takes nothing from one that is slow. There is one for the whole connection: the next response
/// doesn't restart it.
#[derive(Debug, Default)]
pub struct StallClock {
    /// Bytes that the socket took, over all responses.
    taken: u64,
    /// When the present wait began, and [`Self::taken`] then.
    mark: Option<(Instant, u64)>,
}

impl StallClock {
    /// The deadline of a client whose socket is full. The time starts with the first wait, and again whenever the
    /// client has taken [`STALL_BYTES`] since.
    fn deadline(&mut self, now: Instant, stall_timeout: Duration) -> Instant {
        let (since, _) = match self.mark {
            Some(mark) if self.taken - mark.1 < STALL_BYTES => mark,
            _ => *self.mark.insert((now, self.taken)),
        };
        since + stall_timeout
    }

    /// The connection is idle: the client has nothing to take.
    pub fn stop(&mut self) {
        self.mark = None;
    }
}

/// A client's socket as an [`Output`]: it waits for room until the deadline of the stall clock. The worker is detached
/// when the response is a long one, or when the socket is full.
pub struct Writer<'c, S> {
    socket: &'c mut S,
    clock: &'c mut StallClock,
    stall_timeout: Duration,
    worker: &'c mut Worker,
    /// [`StallClock::taken`] before this response.
    before: u64,
    segment_size: Option<usize>,
    /// When the first byte of this response went out.
    pub first_byte: Option<Instant>,
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

    fn took(&mut self, bytes: usize) {
        if self.first_byte.is_none() && bytes > 0 {
            self.first_byte = Some(self.socket.now());
        }
        let before = self.taken();
        self.clock.taken += bytes as u64;
        if self.taken() / LONG_RESPONSE > before / LONG_RESPONSE {
            self.worker.detach();
            // A request that arrived meanwhile shouldn't wait until this thread's time slice ends.
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
        // poll(2) reports a socket as writable long after it takes something again (see `NOTSENT_LOWAT` in
        // listener.rs). Without attempts in between, what it takes at the deadline would restart the clock.
        self.socket.wait_for_room(until.min(now + self.stall_timeout / 8));
        Ok(())
    }
}

impl<S: Socket> Output for Writer<'_, S> {
    fn write(&mut self, mut text: &[u8], mut chunk: &[u8], more: bool) -> Result<(), Broken> {
        // `MSG_MORE` makes whole segments slower.
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
            let length = (range.end - range.start).min(MAX_CHUNK_SIZE as u64);
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
