//! A response's bytes, from buffer and file to the socket, in chunks: the head with the first of them in one write.
//!
//! Sending goes on as long as the socket takes something, and a fair turn at the most; then whoever called does
//! something else, and comes back when the client has taken what was sent. A response on its way is some numbers and
//! an open file: the buffer of one chunk is the caller's. A response is whole or visibly broken: where the file ends
//! early or the client takes nothing, sending ends and the connection is closed by whoever called.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::http::response::Body;
use crate::transport::Transport;

/// A client that takes fewer bytes than this within the stall timeout has stalled.
pub const STALL_BYTES: u64 = 4096;

/// Bytes after which it is another client's turn, where there is one that can go on: a tenth of a millisecond in chunks
/// of 4 KiB, and a third of that where the kernel copies.
const TURN: u64 = 128 * 1024;
const TURN_BY_KERNEL: u64 = 256 * 1024;

/// Bytes that are read at a time, however large a chunk is: a socket seldom takes
/// more, and what it doesn't take is read again.
const MOST: u64 = 256 * 1024;

/// Bytes of a file for which it is worth telling the system that they are read one after the other.
#[cfg(target_os = "linux")]
const LONG: u64 = 1024 * 1024;

/// Bytes of a body in memory that are sent at a time, at the least.
const MEMORY_CHUNK: usize = 64 * 1024;

/// Why a response is not whole.
#[derive(Debug)]
pub enum Break {
    /// The client took less than [`STALL_BYTES`] within the stall timeout.
    Stalled,
    /// The connection failed: the client is gone.
    Lost,
    /// The file is shorter than when it was opened.
    Truncated,
    /// The file can't be read.
    Unreadable(io::Error),
}

/// How a response is sent.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The most bytes read from the file and given to the socket at a time.
    pub chunk_size: usize,
    /// See [`STALL_BYTES`].
    pub stall_timeout: Duration,
    /// Let the kernel copy what is more than a chunk (`sendfile(2)`).
    pub sendfile: bool,
}

/// How far a turn of sending came.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// The response was sent.
    Done,
    /// The socket takes no more for now. By then it must have, or the client has stalled.
    Full(Instant),
    /// The socket takes more; it is others' turn.
    Paused,
}

/// A response on its way: how far it is. Its body is with whoever sends it.
#[derive(Debug, Default)]
pub struct Sending {
    /// Bytes due before the next ones of the body, when a turn ended in the midst of them.
    text: Vec<u8>,
    /// What is left of the slice that is being sent.
    slice: Range<u64>,
    /// More of the slice than fits a chunk was due when it began.
    is_long: bool,
    /// Pieces of the body that were begun.
    pieces: usize,
    /// The socket gathers chunks into segments (where a chunk is the smaller one).
    gathers: bool,
    /// The connection is closed when the response has been sent.
    closes: bool,
    /// Bytes of the head, and bytes that the socket took, the head's too.
    head: u64,
    taken: u64,
    first_byte: Option<Instant>,
    /// When the stall clock started, and how much had been taken then.
    mark: Option<(Instant, u64)>,
}

impl Sending {
    /// A response whose head of `head` bytes is the first that is due. Where the connection `closes` with it, its last
    /// bytes wait for the FIN, to go out in one segment.
    pub fn new(head: usize, closes: bool) -> Self {
        Self { head: head as u64, closes, ..Self::default() }
    }

    /// Bytes of the body that the socket took.
    pub fn body_bytes(&self) -> u64 {
        self.taken.saturating_sub(self.head)
    }

    /// Whether any byte at all went out, of the head or the body.
    pub fn has_begun(&self) -> bool {
        self.taken > 0
    }

    /// When the first byte went out.
    pub fn first_byte(&self) -> Option<Instant> {
        self.first_byte
    }

    /// Sends what the socket takes of `body`, after the head, which is in `buffer` at the first call. What the buffer
    /// holds afterwards is of no use; it has room for a chunk then.
    ///
    /// # Errors
    /// [`Break`]: the response ends here, and its connection has to.
    pub fn advance<T: Transport>(
        &mut self,
        transport: &mut T,
        body: &Body,
        buffer: &mut Vec<u8>,
        pace: Pace,
    ) -> Result<Progress, Break> {
        // Bytes of the buffer that are due; what lies behind is room for a chunk, set to zero once.
        let mut due = buffer.len();
        if self.has_begun() || self.mark.is_some() {
            due = self.text.len();
            make_room(buffer, 0, due);
            buffer[..due].copy_from_slice(&self.text);
            self.text.clear();
        }
        let turn_ends = self.taken + if pace.sendfile { TURN_BY_KERNEL } else { TURN };
        loop {
            while self.slice.is_empty() && self.begin_piece(body, buffer, &mut due, transport, pace) {}
            if due == 0 && self.slice.is_empty() {
                return Ok(Progress::Done);
            }
            let text = due;
            let by_kernel = pace.sendfile && self.is_long && !matches!(body, Body::Bytes(_));
            if !by_kernel {
                due += self.read_chunk(body, buffer, due, pace)?;
            }
            if due > 0 {
                let more = match self.slice.is_empty() && self.was_last(body) {
                    true => self.closes,
                    // Nobody would send what is held back when the turn ends, until a timer of 200 ms does.
                    false => self.gathers && self.taken + (due as u64) < turn_ends,
                };
                let taken = self.send(transport, &buffer[..due], more)?;
                if taken < due {
                    self.take_back(&buffer[taken.min(text)..text], due - taken.max(text));
                    return self.wait(transport, pace);
                }
                due = 0;
            }
            if by_kernel && !self.send_by_kernel(transport, body, turn_ends)? {
                return self.wait(transport, pace);
            }
            if self.taken >= turn_ends && !(self.slice.is_empty() && self.was_last(body)) {
                return Ok(Progress::Paused);
            }
        }
    }

    /// Goes on to the body's next piece: the text before it is due, and then its slice. `false`: there is none.
    fn begin_piece<T: Transport>(
        &mut self,
        body: &Body,
        buffer: &mut Vec<u8>,
        due: &mut usize,
        transport: &mut T,
        pace: Pace,
    ) -> bool {
        let (text, slice) = match (body, self.pieces) {
            (Body::Bytes(bytes), 0) => ("", 0..bytes.len() as u64),
            (Body::Slice(_, slice), 0) => ("", slice.clone()),
            (Body::Slices(_, parts, end), at) => match parts.get(at) {
                Some((introduction, slice)) => (introduction.as_str(), slice.clone()),
                None if at == parts.len() => (end.as_str(), 0..0),
                None => return false,
            },
            _ => return false,
        };
        self.pieces += 1;
        self.is_long = slice.end - slice.start > pace.chunk_size as u64;
        self.gathers |= self.is_long && !pace.sendfile && pace.chunk_size < transport.segment_size();
        if let Body::Slice(file, _) | Body::Slices(file, ..) = body {
            read_ahead(file, &slice);
        }
        self.slice = slice;
        make_room(buffer, *due, text.len());
        buffer[*due..][..text.len()].copy_from_slice(text.as_bytes());
        *due += text.len();
        true
    }

    /// Whether the piece that was begun last is the body's last.
    fn was_last(&self, body: &Body) -> bool {
        match body {
            Body::Slices(_, parts, _) => self.pieces > parts.len(),
            _ => true,
        }
    }

    /// Reads the slice's next chunk into `buffer`, behind what is due there; its length.
    fn read_chunk(&mut self, body: &Body, buffer: &mut Vec<u8>, due: usize, pace: Pace) -> Result<usize, Break> {
        let at = self.slice.start;
        let left = self.slice.end - at;
        let length = match body {
            Body::Bytes(bytes) => {
                let length = left.min(pace.chunk_size.max(MEMORY_CHUNK) as u64).min(MOST) as usize;
                make_room(buffer, due, length);
                buffer[due..][..length].copy_from_slice(&bytes[at as usize..][..length]);
                length
            }
            Body::Slice(file, _) | Body::Slices(file, ..) if left > 0 => {
                let length = left.min(pace.chunk_size as u64).min(MOST) as usize;
                make_room(buffer, due, length);
                file.read_exact_at(&mut buffer[due..][..length], at).map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => Break::Truncated,
                    _ => Break::Unreadable(error),
                })?;
                length
            }
            _ => 0,
        };
        self.slice.start += length as u64;
        Ok(length)
    }

    /// The socket didn't take `text`, nor the last `chunk` bytes of the body that were read.
    fn take_back(&mut self, text: &[u8], chunk: usize) {
        self.text.extend_from_slice(text);
        self.slice.start -= chunk as u64;
    }

    /// Lets the kernel send from the file until it is the next one's turn; whether the socket took all of that.
    fn send_by_kernel<T: Transport>(&mut self, transport: &mut T, body: &Body, turn_ends: u64) -> Result<bool, Break> {
        let (Body::Slice(file, _) | Body::Slices(file, ..)) = body else { return Ok(true) };
        let mut due = (self.slice.end - self.slice.start).min(turn_ends.saturating_sub(self.taken).max(1));
        while due > 0 {
            // Less than was asked for may be the file's end: the next call tells that from a socket that is full.
            match transport.send_file(file, self.slice.start, due as usize) {
                Ok(0) => return Err(Break::Truncated),
                Ok(taken) => {
                    self.slice.start += taken as u64;
                    self.taken += taken as u64;
                    due -= taken as u64;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(false),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => return Err(Break::Lost),
                    _ => return Err(Break::Unreadable(error)),
                },
            }
        }
        Ok(true)
    }

    /// Gives the socket `bytes`; how many of them it took.
    fn send<T: Transport>(&mut self, transport: &mut T, bytes: &[u8], more: bool) -> Result<usize, Break> {
        let taken = match transport.send(bytes, more) {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return Err(Break::Lost),
        };
        if self.taken == 0 && taken > 0 {
            self.first_byte = Some(transport.now());
        }
        self.taken += taken as u64;
        Ok(taken)
    }

    /// The client has to take something first. The clock starts when it is first waited for, and again whenever it has
    /// taken [`STALL_BYTES`] since.
    fn wait<T: Transport>(&mut self, transport: &T, pace: Pace) -> Result<Progress, Break> {
        let now = transport.now();
        let (since, _) = match self.mark {
            Some(mark) if self.taken - mark.1 < STALL_BYTES => mark,
            _ => *self.mark.insert((now, self.taken)),
        };
        let until = since + pace.stall_timeout;
        if now >= until { Err(Break::Stalled) } else { Ok(Progress::Full(until)) }
    }
}

/// Asks for more to be read ahead than usual (`posix_fadvise(2)`): with the 128 KiB that are usual, twenty viewers of a cold
/// film were seen to get half as much again.
#[cfg(target_os = "linux")]
fn read_ahead(file: &File, slice: &Range<u64>) {
    if slice.end - slice.start >= LONG {
        // It is advice; the bytes come without it too.
        let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Sequential);
    }
}

/// There is no such advice everywhere.
#[cfg(not(target_os = "linux"))]
fn read_ahead(_: &File, _: &Range<u64>) {}

/// Lets `buffer` have `length` bytes behind the first `due`.
fn make_room(buffer: &mut Vec<u8>, due: usize, length: usize) {
    if buffer.len() - due < length {
        buffer.resize(due + length, 0);
    }
}

#[cfg(test)]
mod tests;
