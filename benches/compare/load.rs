//! The clients: each measures one thing that viewers notice, and none is what is measured.
//!
//! Bytes are discarded in the kernel (`MSG_TRUNC`, tcp(7)), many connections share one thread by epoll, and responses
//! are counted by the length that the first of them had. Nothing leaves loopback.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fs::Advice;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use socket2::{Domain, Socket, Type};

use crate::data::{FILM, FILM_SIZE, SMALL, SMALL_SIZE};
use crate::measure::Processes;
use crate::rounds::Outcome;

/// A server that is silent for so long has failed.
const SILENCE: Duration = Duration::from_secs(5);

/// What runs before the figures begin.
const WARM_UP: Duration = Duration::from_millis(150);

/// Connections at once, where requests are counted.
const CONNECTIONS: usize = 32;

/// Bytes that one call discards at most.
const DISCARD: usize = 1024 * 1024;

/// What happened in a window of time.
#[derive(Debug, Default, Clone, Copy)]
pub struct Window {
    /// Bytes that arrived, or things that were done.
    pub count: u64,
    /// How long it was.
    pub seconds: f64,
    /// What the server's processes used of the processors.
    pub cpu_seconds: f64,
}

impl Window {
    fn open(processes: &Processes) -> (Instant, f64) {
        (Instant::now(), processes.cpu_seconds())
    }

    fn close((since, cpu): (Instant, f64), processes: &Processes, count: u64) -> Self {
        Self { count, seconds: since.elapsed().as_secs_f64(), cpu_seconds: processes.cpu_seconds() - cpu }
    }

    /// How many in a second.
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    /// Seconds of processor for each.
    pub fn cost(&self) -> f64 {
        self.cpu_seconds / self.count.max(1) as f64
    }
}

/// Connections are descriptors, on this side too.
pub fn raise_open_files_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where it stays low, connecting fails and says so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Whether a server is there and answers 200.
pub fn answers(address: SocketAddr, path: &str) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = connect(address, &Options::default())?;
        stream.write_all(&request(path, address, "Connection: close\r\n"))?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(&status == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

/// What a client asks of its socket.
#[derive(Debug, Default, Clone, Copy)]
struct Options {
    /// The largest segment that it takes (`TCP_MAXSEG`).
    segment: Option<u32>,
    /// Its receive buffer.
    buffer: Option<usize>,
}

fn connect(address: SocketAddr, options: &Options) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(segment) = options.segment {
        socket.set_tcp_mss(segment)?;
    }
    if let Some(buffer) = options.buffer {
        socket.set_recv_buffer_size(buffer)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_read_timeout(Some(SILENCE))?;
    socket.connect(&address.into())?;
    Ok(socket.into())
}

/// A request's head. Made before it is sent, so that it is sent in one piece.
fn request(path: &str, address: SocketAddr, fields: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n").into_bytes()
}

/// A request for the film from `first` on, up to `last` or to its end.
fn range_request(address: SocketAddr, first: u64, last: Option<u64>) -> Vec<u8> {
    let last = last.map_or(String::new(), |last| last.to_string());
    request(FILM, address, &format!("Range: bytes={first}-{last}\r\n"))
}

/// Reads a response's head; its length, and that of what follows it. Some of that was read too: the third number.
fn read_head(mut stream: &TcpStream, want: u16) -> Outcome<(usize, u64, usize)> {
    let mut bytes = vec![0; 4096];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut bytes[filled..])?;
        filled += read;
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut fields);
        match response.parse(&bytes[..filled])? {
            httparse::Status::Complete(head) if response.code == Some(want) => {
                let length = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
                let length = std::str::from_utf8(length.ok_or("a response without a length")?.value)?.parse()?;
                return Ok((head, length, filled - head));
            }
            httparse::Status::Complete(_) => return Err(format!("status {:?}", response.code).into()),
            httparse::Status::Partial if read == 0 => return Err("a connection was closed".into()),
            httparse::Status::Partial => {}
        }
    }
}

/// Throws away what has arrived, `most` bytes at most; how much that was. `None` when nothing has.
fn discard(stream: &TcpStream, sink: &mut [u8], most: usize, flags: RecvFlags) -> io::Result<Option<usize>> {
    let most = most.min(sink.len());
    match recv(stream, &mut sink[..most], flags | RecvFlags::TRUNC) {
        Ok((_, length)) => Ok(Some(length)),
        Err(Errno::AGAIN) if flags.contains(RecvFlags::DONTWAIT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Positions that look random, the same in each run. All have nine digits, so that responses have one length.
struct Positions(u64);

impl Positions {
    fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        100_000_000 + self.0 % 150_000_000
    }
}

/// Whole films, one after the other, on `streams` connections of a thread each. `segment`: see [`Options`].
pub fn bulk(
    address: SocketAddr,
    processes: &Processes,
    streams: usize,
    segment: Option<u32>,
    length: Duration,
) -> Outcome<Window> {
    let (taken, over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let viewers: Vec<_> = (0..streams)
            .map(|_| scope.spawn(|| watch_films(address, Options { segment, buffer: None }, &taken, &over)))
            .collect();
        thread::sleep(WARM_UP);
        let before = taken.load(Ordering::Relaxed);
        let window = Window::open(processes);
        thread::sleep(length);
        let window = Window::close(window, processes, taken.load(Ordering::Relaxed) - before);
        over.store(true, Ordering::Relaxed);
        for viewer in viewers {
            viewer.join().map_err(|_| "a client panicked")??;
        }
        Ok(window)
    })
}

/// One viewer without a pause, until it is over.
fn watch_films(address: SocketAddr, options: Options, taken: &AtomicU64, over: &AtomicBool) -> Outcome<()> {
    let mut stream = connect(address, &options)?;
    let mut sink = vec![0; DISCARD];
    loop {
        stream.write_all(&request(FILM, address, ""))?;
        let (_, size, read) = read_head(&stream, 200)?;
        let mut left = size as usize - read;
        while left > 0 {
            match discard(&stream, &mut sink, left, RecvFlags::empty())? {
                None | Some(0) => return Err("a film ended early".into()),
                Some(read) => {
                    left -= read;
                    taken.fetch_add(read as u64, Ordering::Relaxed);
                }
            }
            if over.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
    }
}

/// Many connections in the hands of one thread.
struct Crowd {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Crowd {
    fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, events: Vec::with_capacity(256) })
    }

    fn add(&self, stream: &TcpStream, number: usize) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, stream, epoll::EventData::new_u64(number as u64), epoll::EventFlags::IN)?)
    }

    /// Whose bytes have arrived; fails when nobody's do for too long.
    fn ready(&mut self) -> Outcome<impl Iterator<Item = usize> + use<'_>> {
        self.events.clear();
        let silence = Timespec { tv_sec: SILENCE.as_secs() as i64, tv_nsec: 0 };
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&silence)) {
            Ok(0) => return Err("no answer".into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.events.iter().map(|event| event.data.u64() as usize))
    }
}

/// Ranges over connections that are kept, one request after the other on each.
#[derive(Debug)]
pub struct Ranges {
    /// Requests.
    pub window: Window,
    /// Half of them took no longer, in seconds.
    pub p50: f64,
    /// All but one of a hundred took no longer.
    pub p99: f64,
}

/// One of the connections that ranges are asked on.
struct Asker {
    stream: TcpStream,
    asked: Instant,
    left: usize,
}

/// Asks for ranges of `size` bytes.
pub fn ranges(address: SocketAddr, processes: &Processes, size: u64, length: Duration) -> Outcome<Ranges> {
    let mut positions = Positions::new();
    let mut next_request = || {
        let first = positions.next();
        range_request(address, first, Some(first + size - 1))
    };
    let mut sink = vec![0; DISCARD];
    let mut crowd = Crowd::new()?;
    let mut askers = Vec::new();
    let mut whole = 0;
    for number in 0..CONNECTIONS {
        let mut stream = connect(address, &Options::default())?;
        stream.write_all(&next_request())?;
        let (head, body, read) = read_head(&stream, 206)?;
        let mut left = body as usize - read;
        while left > 0 {
            left -= discard(&stream, &mut sink, left, RecvFlags::empty())?.filter(|&n| n > 0).ok_or("an early end")?;
        }
        whole = head + body as usize;
        crowd.add(&stream, number)?;
        askers.push(Asker { stream, asked: Instant::now(), left: whole });
    }
    for asker in &mut askers {
        asker.asked = Instant::now();
        asker.stream.write_all(&next_request())?;
    }
    let warm = Instant::now() + WARM_UP;
    let mut window = None;
    let mut latencies = Vec::new();
    'asking: loop {
        for number in crowd.ready()? {
            let asker = &mut askers[number];
            match discard(&asker.stream, &mut sink, asker.left, RecvFlags::DONTWAIT)? {
                None => continue,
                Some(0) => return Err("a connection was closed".into()),
                Some(read) => asker.left -= read,
            }
            if asker.left > 0 {
                continue;
            }
            let now = Instant::now();
            latencies.push((now - asker.asked).as_secs_f64());
            match &window {
                None if now >= warm => {
                    latencies.clear();
                    window = Some(Window::open(processes));
                }
                Some((since, _)) if now - *since >= length => break 'asking,
                _ => {}
            }
            (asker.asked, asker.left) = (now, whole);
            asker.stream.write_all(&next_request())?;
        }
    }
    let window = Window::close(window.ok_or("no window")?, processes, latencies.len() as u64);
    // Responses of another length than was counted would show here.
    for asker in &askers {
        let mut left = asker.left;
        while left > 0 {
            left -= discard(&asker.stream, &mut sink, left, RecvFlags::empty())?
                .filter(|&n| n > 0)
                .ok_or("an early end")?;
        }
        if discard(&asker.stream, &mut sink, 1, RecvFlags::DONTWAIT)?.is_some() {
            return Err("responses differ in length".into());
        }
    }
    latencies.sort_unstable_by(f64::total_cmp);
    Ok(Ranges { window, p50: quantile(&latencies, 0.5), p99: quantile(&latencies, 0.99) })
}

/// Of sorted figures.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted.get(((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Small files, each on a connection of its own.
pub fn newcomers(address: SocketAddr, processes: &Processes, length: Duration) -> Outcome<Window> {
    let request = request(SMALL, address, "Connection: close\r\n");
    let come = || -> io::Result<TcpStream> {
        let mut stream = connect(address, &Options::default())?;
        stream.write_all(&request)?;
        Ok(stream)
    };
    let mut sink = vec![0; DISCARD];
    let mut crowd = Crowd::new()?;
    let mut clients = Vec::new();
    for number in 0..CONNECTIONS {
        clients.push((come()?, 0));
        crowd.add(&clients[number].0, number)?;
    }
    let warm = Instant::now() + WARM_UP;
    let mut window = None;
    let mut served = 0;
    loop {
        // Borrowed from the crowd, which newcomers join below.
        let ready: Vec<usize> = crowd.ready()?.collect();
        for number in ready {
            let (stream, taken) = &mut clients[number];
            match discard(stream, &mut sink, DISCARD, RecvFlags::DONTWAIT)? {
                None => {}
                Some(0) if *taken > SMALL_SIZE => {
                    served += 1;
                    // The old connection leaves the crowd with its descriptor.
                    clients[number] = (come()?, 0);
                    crowd.add(&clients[number].0, number)?;
                }
                Some(0) => return Err("an answer was cut".into()),
                Some(read) => *taken += read,
            }
        }
        match &window {
            None if Instant::now() >= warm => {
                served = 0;
                window = Some(Window::open(processes));
            }
            Some(opened) if opened.0.elapsed() >= length => return Ok(Window::close(*opened, processes, served)),
            _ => {}
        }
    }
}

/// Seeks beside viewers without a pause.
#[derive(Debug)]
pub struct Seeks {
    /// What those viewers took meanwhile, in bytes.
    pub window: Window,
    /// From the wish to connect to the first byte: half of the seeks took no longer, in seconds.
    pub p50: f64,
    /// The longest.
    pub worst: f64,
}

/// Seeks, one after the other, each on a connection of its own, while `streams` others take all they can.
pub fn seeks(address: SocketAddr, processes: &Processes, streams: usize, count: usize) -> Outcome<Seeks> {
    let (taken, over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let audience = scope.spawn(|| drain(address, streams, &taken, &over));
        thread::sleep(WARM_UP);
        let before = taken.load(Ordering::Relaxed);
        let window = Window::open(processes);
        let mut positions = Positions::new();
        let mut seek = || -> Outcome<f64> {
            let wish = Instant::now();
            let mut stream = connect(address, &Options::default())?;
            stream.write_all(&range_request(address, positions.next(), None))?;
            let mut first = [0; 12];
            stream.read_exact(&mut first)?;
            match &first {
                b"HTTP/1.1 206" => Ok(wish.elapsed().as_secs_f64()),
                _ => Err("a seek failed".into()),
            }
        };
        let mut took = Vec::new();
        let mut failure = Ok(());
        while took.len() < count && failure.is_ok() {
            match seek() {
                Ok(seconds) => took.push(seconds),
                Err(error) => failure = Err(error),
            }
            thread::sleep(Duration::from_millis(5));
        }
        let window = Window::close(window, processes, taken.load(Ordering::Relaxed) - before);
        over.store(true, Ordering::Relaxed);
        audience.join().map_err(|_| "a client panicked")??;
        failure?;
        took.sort_unstable_by(f64::total_cmp);
        Ok(Seeks { window, p50: quantile(&took, 0.5), worst: quantile(&took, 1.0) })
    })
}

/// `streams` viewers without a pause on one thread, until it is over.
fn drain(address: SocketAddr, streams: usize, taken: &AtomicU64, over: &AtomicBool) -> Outcome<()> {
    let start = || -> io::Result<(TcpStream, u64)> {
        let mut stream = connect(address, &Options::default())?;
        stream.write_all(&range_request(address, 0, None))?;
        Ok((stream, 0))
    };
    let mut crowd = Crowd::new()?;
    let mut viewers = Vec::new();
    for number in 0..streams {
        viewers.push(start()?);
        crowd.add(&viewers[number].0, number)?;
    }
    let mut sink = vec![0; DISCARD];
    while !over.load(Ordering::Relaxed) {
        let ready: Vec<usize> = crowd.ready()?.collect();
        for number in ready {
            let (stream, seen) = &mut viewers[number];
            match discard(stream, &mut sink, DISCARD, RecvFlags::DONTWAIT)? {
                None => {}
                Some(0) => return Err("a stream was cut".into()),
                Some(read) => {
                    *seen += read as u64;
                    taken.fetch_add(read as u64, Ordering::Relaxed);
                    // With its head it is longer than the film.
                    if *seen > FILM_SIZE {
                        viewers[number] = start()?;
                        crowd.add(&viewers[number].0, number)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Streams of a film that has to be read from its disk.
#[derive(Debug)]
pub struct Cold {
    /// Bytes in a second, all streams together.
    pub rate: f64,
    /// From the wish to connect to the first byte: half of the streams took no longer, in seconds.
    pub p50: f64,
    /// The longest.
    pub worst: f64,
}

/// `streams` viewers, each of its own part of `film`, of which nothing is in the page cache at first.
pub fn cold(address: SocketAddr, film: &Path, streams: u64) -> Outcome<Cold> {
    let file = File::open(film)?;
    // Where the folder is a file system in memory this does nothing, and the figures are those of a warm film.
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
    let begun = Instant::now();
    let part = FILM_SIZE / streams;
    let watch = |number: u64| -> Outcome<f64> {
        let wish = Instant::now();
        let mut stream = connect(address, &Options::default())?;
        stream.write_all(&range_request(address, number * part, Some((number + 1) * part - 1)))?;
        let (_, length, mut taken) = read_head(&stream, 206)?;
        let first_byte = wish.elapsed().as_secs_f64();
        let mut sink = vec![0; DISCARD];
        while taken < length as usize {
            taken +=
                discard(&stream, &mut sink, DISCARD, RecvFlags::empty())?.filter(|&n| n > 0).ok_or("an early end")?;
        }
        Ok(first_byte)
    };
    let mut first_bytes = thread::scope(|scope| {
        let viewers: Vec<_> = (0..streams).map(|number| scope.spawn(move || watch(number))).collect();
        viewers.into_iter().map(|viewer| viewer.join().map_err(|_| "a client panicked")?).collect::<Outcome<Vec<f64>>>()
    })?;
    let rate = (part * streams) as f64 / begun.elapsed().as_secs_f64();
    // Whoever is measured next finds it as it was.
    io::copy(&mut &file, &mut io::sink())?;
    first_bytes.sort_unstable_by(f64::total_cmp);
    Ok(Cold { rate, p50: quantile(&first_bytes, 0.5), worst: quantile(&first_bytes, 1.0) })
}

/// Viewers who take what their film's rate asks for.
#[derive(Debug)]
pub struct Viewers {
    /// How many had 95 % of it or more.
    pub at_full_rate: usize,
    /// Bytes, and what they cost.
    pub window: Window,
    /// The server's memory while all of them were there, in bytes.
    pub memory: u64,
    /// And its threads.
    pub threads: u64,
}

/// Bytes that a viewer takes at a time.
const SIP: f64 = 25_000.0;

/// A viewer's receive buffer: what a socket has by default, and it doesn't grow beyond it.
const VIEWERS_BUFFER: usize = 64 * 1024;

/// `count` viewers of `bits` a second each, for `length`.
pub fn viewers(
    address: SocketAddr,
    processes: &Processes,
    count: usize,
    bits: f64,
    length: Duration,
) -> Outcome<Viewers> {
    let rate = bits / 8.0;
    let options = Options { segment: None, buffer: Some(VIEWERS_BUFFER) };
    let mut audience = Vec::with_capacity(count);
    for number in 0..count {
        let mut stream = connect(address, &options)?;
        let first = number as u64 * 4096 % (FILM_SIZE / 2);
        stream.write_all(&range_request(address, first, None))?;
        audience.push((stream, 0));
    }
    let window = Window::open(processes);
    let tick = Duration::from_secs_f64(SIP / rate);
    let ticks = (length.as_secs_f64() / tick.as_secs_f64()).ceil() as u32;
    let mut sink = vec![0; DISCARD];
    // They sip in turns, spread over the tick. Who found too little takes more the next time.
    for round in 1..=ticks {
        for (number, (stream, taken)) in audience.iter_mut().enumerate() {
            let at = tick * round + tick.mul_f64(number as f64 / count as f64);
            if let Some(early) = at.checked_sub(window.0.elapsed())
                && early > Duration::from_millis(1)
            {
                thread::sleep(early);
            }
            let due = (SIP * f64::from(round)) as usize - *taken;
            match discard(stream, &mut sink, due, RecvFlags::DONTWAIT)? {
                Some(0) if due > 0 => return Err("a viewer was cut".into()),
                read => *taken += read.unwrap_or(0),
            }
        }
    }
    let late = window.0.elapsed().as_secs_f64() / (tick * (ticks + 1)).as_secs_f64();
    let total: usize = audience.iter().map(|(_, taken)| taken).sum();
    let full = SIP * f64::from(ticks) * 0.95 * late;
    Ok(Viewers {
        at_full_rate: audience.iter().filter(|(_, taken)| *taken as f64 >= full).count(),
        window: Window::close(window, processes, total as u64),
        memory: processes.memory(),
        threads: processes.threads(),
    })
}
