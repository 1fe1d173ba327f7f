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

use super::socket::Socket;
use crate::close_reason::CloseReason;
use crate::http::date;
use crate::http::response::{Body, Response};
use crate::http::shared_body::SharedBody;

/// A client that takes fewer bytes than this within the stall timeout has stalled.
const STALL_BYTES: u64 = 4096;

/// Buffers of up to this size are on the stack.
const STACK_BUFFER_SIZE: usize = 4096;

/// Bytes of a shared body that are copied at a time. A client that does not read holds so many.
const SHARED_CHUNK_SIZE: usize = 64 * 1024;

/// The most bytes that one read(2) or sendfile(2) is asked for: a socket seldom takes more.
const MAX_CHUNK_SIZE: usize = 256 * 1024;

/// A response that has sent more bytes than this is a long one: its worker is detached, and yields after each further
/// as many.
pub const LONG_RESPONSE: u64 = 128 * 1024;

/// The least bytes for which the system is told that they are read in sequence.
const MIN_READ_AHEAD: u64 = 1024 * 1024;

/// Why a response could not be sent whole.
#[derive(Debug)]
pub enum SendError {
    /// The client took less than [`STALL_BYTES`] within the stall timeout.
    Stalled,
    /// The connection failed.
    Lost(io::Error),
    /// The file is shorter than when it was opened.
    Truncated,
    Unreadable(io::Error),
    /// The shared body was dropped to make room for others.
    Dropped,
}

impl Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled => f.write_str("the client stopped reading"),
            Self::Truncated => f.write_str("it is shorter than when it was opened"),
            Self::Dropped => f.write_str("it was dropped to make room for others"),
            Self::Lost(error) | Self::Unreadable(error) => error.fmt(f),
        }
    }
}

impl From<SendError> for io::Error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Lost(error) | SendError::Unreadable(error) => error,
            SendError::Truncated | SendError::Stalled | SendError::Dropped => io::ErrorKind::UnexpectedEof.into(),
        }
    }
}

/// How a file gets to the client.
#[derive(Debug, Clone, Copy)]
pub struct CopyMode {
    pub chunk_size: usize,
    /// The kernel copies what is more than a chunk (`sendfile(2)`).
    pub sendfile: bool,
}

/// Where a response's bytes go.
pub trait Output {
    /// Sends `text` and then `chunk`, all of them. With `more_follows`, the system may wait for what comes next.
    fn write(&mut self, text: &[u8], chunk: &[u8], more_follows: bool) -> Result<(), SendError>;

    /// Sends a part of `file` with `sendfile(2)`.
    fn send_file(&mut self, file: &File, range: Range<u64>) -> Result<(), SendError>;

    /// Whether any byte of this response was sent.
    fn has_begun(&self) -> bool;
}

/// What the connection and the request mean for a response.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'e> {
    /// The value of the `Connection` field.
    pub connection: Option<&'e str>,
    /// The request is a HEAD, and its response has no body, even if it is an error (RFC 9110 §9.3.2).
    pub is_for_head: bool,
    /// The connection closes after the response: its last bytes wait for the FIN, to go out in one segment.
    pub closes: bool,
}

/// How the sending of a response ended.
#[derive(Debug)]
pub struct Delivery {
    /// Bytes of the head.
    pub head_length: u64,
    /// What failed, if anything did.
    pub error: Option<SendError>,
    /// Whether the client has a whole response: the planned one, or a 503 in its place.
    pub is_whole: bool,
}

impl Delivery {
    /// Why the connection has to be closed, if it has.
    pub fn close_reason(&self) -> Option<CloseReason> {
        match &self.error {
            Some(error) if !self.is_whole => Some(error.close_reason()),
            _ => None,
        }
    }
}

impl SendError {
    fn close_reason(&self) -> CloseReason {
        match self {
            Self::Stalled => CloseReason::Stalled,
            Self::Lost(_) => CloseReason::ConnectionLost,
            Self::Truncated => CloseReason::FileTruncated,
            Self::Unreadable(_) => CloseReason::FileUnreadable,
            Self::Dropped => CloseReason::NoResources,
        }
    }
}

/// Sends `response`. If its file can't be read and nothing has been sent yet, `response` becomes a 503, which is sent in
/// its place.
pub fn deliver(out: &mut impl Output, response: &mut Response, envelope: Envelope<'_>, mode: CopyMode) -> Delivery {
    if envelope.is_for_head {
        response.body = Body::Empty;
    }
    let mut head_length = 0;
    let mut send_once = |out: &mut _, response: &mut Response| {
        let mut head = Vec::with_capacity(512);
        response.write_head(&mut head, &date::now(), envelope.connection);
        response.forget_fields();
        head_length = head.len() as u64;
        send(out, head, &response.body, mode, envelope.closes)
    };
    let first = send_once(out, response);
    let is_unreadable = matches!(first, Err(SendError::Truncated | SendError::Unreadable(_) | SendError::Dropped));
    if is_unreadable && !out.has_begun() {
        *response = Response::unreadable();
        let is_whole = send_once(out, response).is_ok();
        return Delivery { head_length, error: first.err(), is_whole };
    }
    let is_whole = first.is_ok();
    Delivery { head_length, error: first.err(), is_whole }
}

/// Sends a head and a body. After an error the connection must be closed.
fn send(out: &mut impl Output, head: Vec<u8>, body: &Body, mode: CopyMode, closes: bool) -> Result<(), SendError> {
    // It goes out with the next chunk.
    let mut text = head;
    match body {
        Body::Empty => {}
        Body::Bytes(bytes) => return out.write(&text, bytes, closes),
        Body::Shared(body, origin) => return send_shared(out, text, body, origin, closes),
        Body::Slice(file, range) => copy(out, &mut text, file, range.clone(), mode, closes)?,
        Body::Slices(file, parts, end) => {
            for (introduction, range) in parts {
                text.extend_from_slice(introduction.as_bytes());
                copy(out, &mut text, file, range.clone(), mode, true)?;
            }
            text.extend_from_slice(end.as_bytes());
        }
    }
    if text.is_empty() { Ok(()) } else { out.write(&text, &[], closes) }
}

/// Sends `text` and a part of `file`.
fn copy(
    out: &mut impl Output,
    text: &mut Vec<u8>,
    file: &File,
    range: Range<u64>,
    mode: CopyMode,
    more_follows: bool,
) -> Result<(), SendError> {
    let length = range.end - range.start;
    read_ahead(file, &range);
    if mode.sendfile && length > mode.chunk_size as u64 {
        // If the file can't be read, the response is a 503; so that has to be known before the head is sent.
        read(file, &mut [0], range.start)?;
        out.write(text, &[], false)?;
        *text = Vec::new();
        return out.send_file(file, range);
    }
    let size = mode.chunk_size.min(MAX_CHUNK_SIZE).min(usize::try_from(length).unwrap_or(MAX_CHUNK_SIZE));
    // A small one is on the stack, where planning the response has touched the pages already.
    let (mut small, mut large) = ([0; STACK_BUFFER_SIZE], vec![0; if size > STACK_BUFFER_SIZE { size } else { 0 }]);
    let buffer = if size > STACK_BUFFER_SIZE { &mut large[..] } else { &mut small[..size] };
    let mut at = range.start;
    while at < range.end {
        let size = (range.end - at).min(buffer.len() as u64);
        let chunk = &mut buffer[..size as usize];
        read(file, chunk, at)?;
        at += size;
        out.write(text, chunk, more_follows || at < range.end)?;
        // A long response needs the memory no more.
        *text = Vec::new();
    }
    Ok(())
}

/// Sends `text` and a shared body, which may be dropped meanwhile.
fn send_shared(
    out: &mut impl Output,
    mut text: Vec<u8>,
    body: &SharedBody,
    origin: &str,
    closes: bool,
) -> Result<(), SendError> {
    let mut next = Some(0);
    while let Some(at) = next {
        let (chunk, after) = body.chunk(at, SHARED_CHUNK_SIZE, origin).ok_or(SendError::Dropped)?;
        out.write(&text, &chunk, closes || after.is_some())?;
        text = Vec::new();
        next = after;
    }
    Ok(())
}

fn read(file: &File, chunk: &mut [u8], at: u64) -> Result<(), SendError> {
    file.read_exact_at(chunk, at).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => SendError::Truncated,
        _ => SendError::Unreadable(error),
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
    sent: u64,
    /// When the present wait began, and [`Self::sent`] then.
    mark: Option<(Instant, u64)>,
}

impl StallClock {
    /// The deadline of a client whose socket is full. The time starts with the first wait, and again whenever the
    /// client has taken [`STALL_BYTES`] since.
    fn deadline(&mut self, now: Instant, stall_timeout: Duration) -> Instant {
        let (since, _) = match self.mark {
            Some(mark) if self.sent - mark.1 < STALL_BYTES => mark,
            _ => *self.mark.insert((now, self.sent)),
        };
        since + stall_timeout
    }

    /// The connection is idle: the client has nothing to take.
    pub fn stop(&mut self) {
        self.mark = None;
    }
}

/// A client's socket as an [`Output`]: it waits for room until the deadline of the stall clock.
pub struct Writer<'c, S> {
    socket: &'c mut S,
    clock: &'c mut StallClock,
    stall_timeout: Duration,
    /// Called once, when the response has sent [`LONG_RESPONSE`] bytes or the socket is full.
    on_long: &'c mut dyn FnMut(),
    is_long: bool,
    /// [`StallClock::sent`] before this response.
    sent_before: u64,
    segment_size: Option<usize>,
    /// When the first byte of this response went out.
    pub first_byte: Option<Instant>,
}

impl<'c, S: Socket> Writer<'c, S> {
    pub fn new(
        socket: &'c mut S,
        clock: &'c mut StallClock,
        stall_timeout: Duration,
        on_long: &'c mut dyn FnMut(),
    ) -> Self {
        let sent_before = clock.sent;
        Self {
            socket,
            clock,
            stall_timeout,
            on_long,
            is_long: false,
            sent_before,
            segment_size: None,
            first_byte: None,
        }
    }

    /// Bytes that the socket took of this response.
    pub fn sent(&self) -> u64 {
        self.clock.sent - self.sent_before
    }

    fn record(&mut self, bytes: usize) {
        if self.first_byte.is_none() && bytes > 0 {
            self.first_byte = Some(self.socket.now());
        }
        let before = self.sent();
        self.clock.sent += bytes as u64;
        if self.sent() / LONG_RESPONSE > before / LONG_RESPONSE {
            self.become_long();
            // A request that arrived meanwhile shouldn't wait until this thread's time slice ends.
            thread::yield_now();
        }
    }

    fn become_long(&mut self) {
        if !self.is_long {
            self.is_long = true;
            (self.on_long)();
        }
    }

    fn wait(&mut self) -> Result<(), SendError> {
        let now = self.socket.now();
        let until = self.clock.deadline(now, self.stall_timeout);
        if now >= until {
            return Err(SendError::Stalled);
        }
        self.become_long();
        // poll(2) reports a socket as writable long after it takes something again (see `NOTSENT_LOWAT` in
        // listener.rs). Without attempts in between, what it takes at the deadline would restart the clock.
        self.socket.wait_for_room(until.min(now + self.stall_timeout / 8));
        Ok(())
    }
}

impl<S: Socket> Output for Writer<'_, S> {
    fn write(&mut self, mut text: &[u8], mut chunk: &[u8], more_follows: bool) -> Result<(), SendError> {
        // `MSG_MORE` makes whole segments slower.
        let holds_back = more_follows && {
            let segment_size = self.segment_size.get_or_insert_with(|| self.socket.segment_size());
            text.len() + chunk.len() < *segment_size
        };
        while !(text.is_empty() && chunk.is_empty()) {
            match self.socket.send(text, chunk, holds_back) {
                Ok(sent) => {
                    self.record(sent);
                    let of_text = sent.min(text.len());
                    text = &text[of_text..];
                    chunk = &chunk[sent - of_text..];
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                Err(error) => return Err(SendError::Lost(error)),
            }
        }
        Ok(())
    }

    fn send_file(&mut self, file: &File, mut range: Range<u64>) -> Result<(), SendError> {
        while !range.is_empty() {
            let length = (range.end - range.start).min(MAX_CHUNK_SIZE as u64);
            match self.socket.send_file(file, range.start, length as usize) {
                Ok(0) => return Err(SendError::Truncated),
                Ok(sent) => {
                    self.record(sent);
                    range.start += sent as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait()?,
                // A file system that can't do it, or a disk that fails. The other errors are the socket's.
                Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
                    Some(Errno::IO | Errno::INVAL | Errno::NOSYS | Errno::STALE) => {
                        return Err(SendError::Unreadable(error));
                    }
                    _ => return Err(SendError::Lost(error)),
                },
            }
        }
        Ok(())
    }

    fn has_begun(&self) -> bool {
        self.sent() > 0
    }
}

#[cfg(test)]
mod tests;
