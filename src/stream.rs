//! A response's bytes, from buffer and file to the socket, in chunks: the head with the first of them in one write.
//!
//! One buffer of one chunk per response, whatever the file's size. Every wait is bounded by the stall clock. A response
//! is whole or visibly broken: where the file ends early or the client takes nothing, sending stops and the
//! connection is closed by whoever called.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::http::response::Body;
use crate::transport::Transport;

/// A client that takes fewer bytes than this within the stall timeout has stalled.
pub const STALL_BYTES: u64 = 4096;

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

/// How the sending of a response ended.
#[derive(Debug)]
pub struct Sent {
    /// Bytes of the body that the socket took.
    pub body_bytes: u64,
    /// Whether any byte at all went out, of the head or the body.
    pub begun: bool,
    /// When the first of them went out.
    pub first_byte: Option<Instant>,
    /// Why it isn't whole, when it isn't.
    pub outcome: Result<(), Break>,
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

/// Bytes that the kernel copies at a time: what one call moves in one piece, on its way through a pipe.
const SENDFILE_BYTES: u64 = 64 * 1024;

/// Sends the head in `buffer` and then `body`. The buffer's content is gone afterwards, its memory is kept for the
/// next response.
pub fn send<T: Transport>(transport: &mut T, buffer: &mut Vec<u8>, body: &Body, pace: Pace) -> Sent {
    let head = buffer.len();
    let mut sender = Sender { filled: head, buffer, pace, transport, taken: 0, first_byte: None, mark: None };
    let outcome = sender.send_body(body);
    let (taken, first_byte) = (sender.taken, sender.first_byte);
    Sent { body_bytes: taken.saturating_sub(head as u64), begun: taken > 0, first_byte, outcome }
}

struct Sender<'a, T> {
    transport: &'a mut T,
    /// Holds what is due in `..filled`; what lies behind is room for a chunk, set to zero once.
    buffer: &'a mut Vec<u8>,
    filled: usize,
    pace: Pace,
    /// Bytes that the socket took, the head's too.
    taken: u64,
    first_byte: Option<Instant>,
    /// When the stall clock started, and how much had been taken then.
    mark: Option<(Instant, u64)>,
}

impl<T: Transport> Sender<'_, T> {
    fn send_body(&mut self, body: &Body) -> Result<(), Break> {
        match body {
            Body::Empty => {}
            Body::Bytes(bytes) => self.append(bytes),
            Body::Slice(file, range) => self.send_slice(file, range.start, range.end, true)?,
            Body::Slices(file, parts, end) => {
                for (introduction, range) in parts {
                    self.append(introduction.as_bytes());
                    self.send_slice(file, range.start, range.end, false)?;
                }
                self.append(end.as_bytes());
            }
        }
        self.flush(false)
    }

    fn append(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.buffer[self.filled..][..bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    fn make_room(&mut self, length: usize) {
        if self.buffer.len() - self.filled < length {
            self.buffer.resize(self.filled + length, 0);
        }
    }

    /// Sends bytes `start..end` of `file` after what the buffer holds; leaves nothing in it.
    fn send_slice(&mut self, file: &File, start: u64, end: u64, last: bool) -> Result<(), Break> {
        let chunk_size = self.pace.chunk_size as u64;
        if self.pace.sendfile && end - start > chunk_size {
            return self.send_by_kernel(file, start, end);
        }
        let held_back = end - start > chunk_size && self.pace.chunk_size < self.transport.segment_size();
        let mut at = start;
        while at < end {
            let length = chunk_size.min(end - at) as usize;
            self.make_room(length);
            file.read_exact_at(&mut self.buffer[self.filled..][..length], at).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => Break::Truncated,
                _ => Break::Unreadable(error),
            })?;
            self.filled += length;
            at += length as u64;
            self.flush(held_back && !(last && at == end))?;
        }
        Ok(())
    }

    /// The same without reading the file here.
    fn send_by_kernel(&mut self, file: &File, start: u64, end: u64) -> Result<(), Break> {
        self.flush(true)?;
        let mut at = start;
        while at < end {
            match self.transport.send_file(file, at, SENDFILE_BYTES.min(end - at) as usize) {
                Ok(0) => return Err(Break::Truncated),
                Ok(taken) => {
                    at += taken as u64;
                    self.taken += taken as u64;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.wait()?,
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => return Err(Break::Lost),
                    _ => return Err(Break::Unreadable(error)),
                },
            }
        }
        Ok(())
    }

    /// Gives the socket everything that is due.
    fn flush(&mut self, more: bool) -> Result<(), Break> {
        let mut at = 0;
        while at < self.filled {
            match self.transport.send(&self.buffer[at..self.filled], more) {
                Ok(taken) => {
                    if self.taken == 0 {
                        self.first_byte = Some(self.transport.now());
                    }
                    at += taken;
                    self.taken += taken as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                Err(_) => return Err(Break::Lost),
            }
        }
        self.filled = 0;
        Ok(())
    }

    /// Waits for the client to take something. The clock starts when it is first waited for, and again whenever
    /// it has taken [`STALL_BYTES`] since.
    fn wait(&mut self) -> Result<(), Break> {
        let (since, _) = match self.mark {
            Some(mark) if self.taken - mark.1 < STALL_BYTES => mark,
            _ => *self.mark.insert((self.transport.now(), self.taken)),
        };
        let until = since + self.pace.stall_timeout;
        self.transport.wait_writable(until).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => Break::Stalled,
            _ => Break::Lost,
        })
    }
}

#[cfg(test)]
mod tests;
