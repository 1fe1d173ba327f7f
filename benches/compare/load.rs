//! The clients. Each measures one thing that viewers notice.
//!
//! The clients use little processor time: the kernel discards received bytes (`MSG_TRUNC`, tcp(7)), many connections
//! share one thread by epoll, and the length of the first response delimits the following ones.

use std::fs::{self, File};
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

use crate::data::{FILM, FILM_SIZE, SMALL, SMALL_SIZE, VIDEOS};
use crate::measure::Processes;
use crate::rounds::Outcome;

/// A server that sends nothing for this long has failed.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long a load runs before the measurement.
const WARM_UP: Duration = Duration::from_millis(150);

/// Concurrent connections where requests are counted.
const CONNECTIONS: usize = 32;

/// The most bytes that one call discards.
const DISCARD: usize = 1024 * 1024;

/// What happened in a period of time.
#[derive(Debug, Default, Clone, Copy)]
pub struct Window {
    /// Bytes received, or requests completed.
    pub count: u64,
    /// Its length.
    pub seconds: f64,
    /// Processor time of the server's processes.
    pub cpu_seconds: f64,
}

impl Window {
    fn open(processes: &Processes) -> (Instant, f64) {
        (Instant::now(), processes.cpu_seconds())
    }

    fn close((since, cpu): (Instant, f64), processes: &Processes, count: u64) -> Self {
        Self { count, seconds: since.elapsed().as_secs_f64(), cpu_seconds: processes.cpu_seconds() - cpu }
    }

    /// The count per second.
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    /// Processor time in seconds per byte or request.
    pub fn cost(&self) -> f64 {
        self.cpu_seconds / self.count.max(1) as f64
    }
}

/// Raises the soft limit to the hard limit: each client connection needs a descriptor.
pub fn raise_open_files_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // If this fails, connecting fails later with an error.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Whether a server responds with 200.
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

/// The socket options of a client.
#[derive(Debug, Default, Clone, Copy)]
struct Options {
    /// The maximum segment size (`TCP_MAXSEG`).
    segment: Option<u32>,
    /// The size of the receive buffer.
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
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.connect(&address.into())?;
    Ok(socket.into())
}

/// A request's head, to be sent in one write.
fn request(path: &str, address: SocketAddr, fields: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\n").into_bytes()
}

/// A request for the film from `first` to `last` or to its end.
fn range_request(address: SocketAddr, first: u64, last: Option<u64>) -> Vec<u8> {
    let last = last.map_or(String::new(), |last| last.to_string());
    request(FILM, address, &format!("Range: bytes={first}-{last}\r\n"))
}

/// Reads a response's head. Returns its length, the length of the body, and how much of the body was read too.
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

/// Discards received bytes, at most `most`; returns how many. `None` if there are none.
fn discard(stream: &TcpStream, sink: &mut [u8], most: usize, flags: RecvFlags) -> io::Result<Option<usize>> {
    let most = most.min(sink.len());
    match recv(stream, &mut sink[..most], flags | RecvFlags::TRUNC) {
        Ok((_, length)) => Ok(Some(length)),
        Err(Errno::AGAIN) if flags.contains(RecvFlags::DONTWAIT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Pseudo-random positions, the same in each run. All have nine digits, so that all responses have the same length.
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

/// Whole films, one after the other, on `streams` connections with a thread each. `segment`: see [`Options`].
pub fn bulk(
    address: SocketAddr,
    processes: &Processes,
    streams: usize,
    segment: Option<u32>,
    length: Duration,
) -> Outcome<Window> {
    let (received, over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let viewers: Vec<_> = (0..streams)
            .map(|_| scope.spawn(|| watch_films(address, Options { segment, buffer: None }, &received, &over)))
            .collect();
        thread::sleep(WARM_UP);
        let before = received.load(Ordering::Relaxed);
        let window = Window::open(processes);
        thread::sleep(length);
        let window = Window::close(window, processes, received.load(Ordering::Relaxed) - before);
        over.store(true, Ordering::Relaxed);
        for viewer in viewers {
            viewer.join().map_err(|_| "a client panicked")??;
        }
        Ok(window)
    })
}

/// Reads films without a pause, until `over`.
fn watch_films(address: SocketAddr, options: Options, received: &AtomicU64, over: &AtomicBool) -> Outcome<()> {
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
                    received.fetch_add(read as u64, Ordering::Relaxed);
                }
            }
            if over.load(Ordering::Relaxed) {
                return Ok(());
            }
        }
    }
}

/// Waits for many connections on one thread.
struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poller {
    fn new() -> io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, events: Vec::with_capacity(256) })
    }

    fn add(&self, stream: &TcpStream, number: usize) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, stream, epoll::EventData::new_u64(number as u64), epoll::EventFlags::IN)?)
    }

    /// The connections that have received bytes; an error if none has for [`TIMEOUT`].
    fn ready(&mut self) -> Outcome<impl Iterator<Item = usize> + use<'_>> {
        self.events.clear();
        let timeout = Timespec { tv_sec: TIMEOUT.as_secs() as i64, tv_nsec: 0 };
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(0) => return Err("no response".into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.events.iter().map(|event| event.data.u64() as usize))
    }
}

/// Range requests over persistent connections, one after the other on each.
#[derive(Debug)]
pub struct Ranges {
    /// The number of requests, and their cost.
    pub window: Window,
    /// The median time of a request, in seconds.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
}

/// A persistent connection and its current request.
struct RangeClient {
    stream: TcpStream,
    requested: Instant,
    left: usize,
}

/// Requests ranges of `size` bytes.
pub fn ranges(address: SocketAddr, processes: &Processes, size: u64, length: Duration) -> Outcome<Ranges> {
    let mut positions = Positions::new();
    let mut next_request = || {
        let first = positions.next();
        range_request(address, first, Some(first + size - 1))
    };
    let mut sink = vec![0; DISCARD];
    let mut poller = Poller::new()?;
    let mut clients = Vec::new();
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
        poller.add(&stream, number)?;
        clients.push(RangeClient { stream, requested: Instant::now(), left: whole });
    }
    for client in &mut clients {
        client.requested = Instant::now();
        client.stream.write_all(&next_request())?;
    }
    let warm = Instant::now() + WARM_UP;
    let mut window = None;
    let mut latencies = Vec::new();
    'requests: loop {
        for number in poller.ready()? {
            let client = &mut clients[number];
            match discard(&client.stream, &mut sink, client.left, RecvFlags::DONTWAIT)? {
                None => continue,
                Some(0) => return Err("a connection was closed".into()),
                Some(read) => client.left -= read,
            }
            if client.left > 0 {
                continue;
            }
            let now = Instant::now();
            latencies.push((now - client.requested).as_secs_f64());
            match &window {
                None if now >= warm => {
                    latencies.clear();
                    window = Some(Window::open(processes));
                }
                Some((since, _)) if now - *since >= length => break 'requests,
                _ => {}
            }
            (client.requested, client.left) = (now, whole);
            client.stream.write_all(&next_request())?;
        }
    }
    let window = Window::close(window.ok_or("no window")?, processes, latencies.len() as u64);
    // Check that all responses had the same length.
    for client in &clients {
        let mut left = client.left;
        while left > 0 {
            left -= discard(&client.stream, &mut sink, left, RecvFlags::empty())?
                .filter(|&n| n > 0)
                .ok_or("an early end")?;
        }
        if discard(&client.stream, &mut sink, 1, RecvFlags::DONTWAIT)?.is_some() {
            return Err("responses differ in length".into());
        }
    }
    latencies.sort_unstable_by(f64::total_cmp);
    Ok(Ranges { window, p50: quantile(&latencies, 0.5), p99: quantile(&latencies, 0.99) })
}

/// A quantile of sorted values.
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted.get(((sorted.len() as f64 * part) as usize).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Requests for a small file, each on a new connection.
pub fn new_connections(address: SocketAddr, processes: &Processes, length: Duration) -> Outcome<Window> {
    let request = request(SMALL, address, "Connection: close\r\n");
    let open = || -> io::Result<TcpStream> {
        let mut stream = connect(address, &Options::default())?;
        stream.write_all(&request)?;
        Ok(stream)
    };
    let mut sink = vec![0; DISCARD];
    let mut poller = Poller::new()?;
    let mut clients = Vec::new();
    for number in 0..CONNECTIONS {
        clients.push((open()?, 0));
        poller.add(&clients[number].0, number)?;
    }
    let warm = Instant::now() + WARM_UP;
    let mut window = None;
    let mut served = 0;
    loop {
        // Collected, because connections are added below.
        let ready: Vec<usize> = poller.ready()?.collect();
        for number in ready {
            let (stream, taken) = &mut clients[number];
            match discard(stream, &mut sink, DISCARD, RecvFlags::DONTWAIT)? {
                None => {}
                Some(0) if *taken > SMALL_SIZE => {
                    served += 1;
                    // epoll forgets the old connection when its descriptor is closed.
                    clients[number] = (open()?, 0);
                    poller.add(&clients[number].0, number)?;
                }
                Some(0) => return Err("a response was incomplete".into()),
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

/// Seeks beside continuous streams.
#[derive(Debug)]
pub struct Seeks {
    /// The bytes of those streams.
    pub window: Window,
    /// The median time from connecting to the first byte, in seconds.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
}

/// Seeks, one after the other, each on a new connection, while `streams` clients read as fast as they can.
pub fn seeks(address: SocketAddr, processes: &Processes, streams: usize, count: usize) -> Outcome<Seeks> {
    let (received, over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let streaming = scope.spawn(|| read_streams(address, streams, &received, &over));
        thread::sleep(WARM_UP);
        let before = received.load(Ordering::Relaxed);
        let window = Window::open(processes);
        let mut positions = Positions::new();
        let mut seek = || -> Outcome<f64> {
            let started = Instant::now();
            let mut stream = connect(address, &Options::default())?;
            stream.write_all(&range_request(address, positions.next(), None))?;
            let mut first = [0; 12];
            stream.read_exact(&mut first)?;
            match &first {
                b"HTTP/1.1 206" => Ok(started.elapsed().as_secs_f64()),
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
        let window = Window::close(window, processes, received.load(Ordering::Relaxed) - before);
        over.store(true, Ordering::Relaxed);
        streaming.join().map_err(|_| "a client panicked")??;
        failure?;
        took.sort_unstable_by(f64::total_cmp);
        Ok(Seeks { window, p50: quantile(&took, 0.5), p99: quantile(&took, 0.99) })
    })
}

/// Reads `streams` streams without a pause on one thread, until `over`.
fn read_streams(address: SocketAddr, streams: usize, received: &AtomicU64, over: &AtomicBool) -> Outcome<()> {
    let start = || -> io::Result<(TcpStream, u64)> {
        let mut stream = connect(address, &Options::default())?;
        stream.write_all(&range_request(address, 0, None))?;
        Ok((stream, 0))
    };
    let mut poller = Poller::new()?;
    let mut viewers = Vec::new();
    for number in 0..streams {
        viewers.push(start()?);
        poller.add(&viewers[number].0, number)?;
    }
    let mut sink = vec![0; DISCARD];
    while !over.load(Ordering::Relaxed) {
        let ready: Vec<usize> = poller.ready()?.collect();
        for number in ready {
            let (stream, seen) = &mut viewers[number];
            match discard(stream, &mut sink, DISCARD, RecvFlags::DONTWAIT)? {
                None => {}
                Some(0) => return Err("a stream was incomplete".into()),
                Some(read) => {
                    *seen += read as u64;
                    received.fetch_add(read as u64, Ordering::Relaxed);
                    // A whole response, which includes the head, is longer than the film.
                    if *seen > FILM_SIZE {
                        viewers[number] = start()?;
                        poller.add(&viewers[number].0, number)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Streams of a film that is read from the disk.
#[derive(Debug)]
pub struct Cold {
    /// Bytes per second, of all streams together.
    pub rate: f64,
    /// The median time from connecting to the first byte, in seconds.
    pub p50: f64,
    /// The longest time.
    pub worst: f64,
}

/// `streams` clients, each reading its own part of `film`, which is not in the page cache.
pub fn cold(address: SocketAddr, film: &Path, streams: u64) -> Outcome<Cold> {
    let file = File::open(film)?;
    // On tmpfs this does nothing, and the film stays in memory.
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?;
    let begun = Instant::now();
    let part = FILM_SIZE / streams;
    let watch = |number: u64| -> Outcome<f64> {
        let started = Instant::now();
        let mut stream = connect(address, &Options::default())?;
        stream.write_all(&range_request(address, number * part, Some((number + 1) * part - 1)))?;
        let (_, length, mut taken) = read_head(&stream, 206)?;
        let first_byte = started.elapsed().as_secs_f64();
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
    read_into_cache(&file)?;
    first_bytes.sort_unstable_by(f64::total_cmp);
    Ok(Cold { rate, p50: quantile(&first_bytes, 0.5), worst: quantile(&first_bytes, 1.0) })
}

/// Requests for a listing by many clients at once.
#[derive(Debug)]
pub struct Storm {
    /// The number of answers, and their cost.
    pub window: Window,
    /// The longest time from connecting to the end of an answer, in seconds.
    pub worst: f64,
    /// The length of an answer in bytes.
    pub size: usize,
}

/// How long a client waits for a listing.
const LISTING_TIMEOUT: Duration = Duration::from_secs(60);

/// `clients` that ask for a listing (see [`listing`]), each on a new connection, again and again for `length`.
/// filmstrip makes a listing anew after a second: in a storm of several seconds, as at its start, clients wait for it.
pub fn listing_storm(
    address: SocketAddr,
    processes: &Processes,
    wanted: (&str, &str),
    clients: usize,
    length: Duration,
) -> Outcome<Storm> {
    let window = Window::open(processes);
    let ask_until_over = || -> Outcome<Vec<(f64, usize)>> {
        let mut answers = Vec::new();
        while window.0.elapsed() < length {
            answers.push(listing(address, wanted)?);
        }
        Ok(answers)
    };
    let answers = thread::scope(|scope| {
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(ask_until_over)).collect();
        clients.into_iter().map(|client| client.join().map_err(|_| "a client panicked")?).collect::<Outcome<Vec<_>>>()
    })?
    .concat();
    Ok(Storm {
        window: Window::close(window, processes, answers.len() as u64),
        worst: answers.iter().map(|(seconds, _)| *seconds).fold(0.0, f64::max),
        size: answers.last().map_or(0, |(_, size)| *size),
    })
}

/// Requests a listing at a path, of a content type. Returns the time from connecting to the end of the answer in
/// seconds, and its length.
fn listing(address: SocketAddr, (path, accept): (&str, &str)) -> Outcome<(f64, usize)> {
    let started = Instant::now();
    let mut stream = connect(address, &Options::default())?;
    stream.set_read_timeout(Some(LISTING_TIMEOUT))?;
    stream.write_all(&request(path, address, &format!("Accept: {accept}\r\nConnection: close\r\n")))?;
    let mut first = [0; 12];
    stream.read_exact(&mut first)?;
    let mut size = first.len();
    let mut sink = vec![0; 64 * 1024];
    while let Some(read @ 1..) = discard(&stream, &mut sink, DISCARD, RecvFlags::empty())? {
        size += read;
    }
    match &first {
        b"HTTP/1.1 200" if size > VIDEOS * "Video 1.mp4".len() => Ok((started.elapsed().as_secs_f64(), size)),
        _ => Err(format!("a listing has {size} bytes after {:?}", String::from_utf8_lossy(&first)).into()),
    }
}

/// The time of one answer (see [`listing`]) in seconds, after the page cache, names and inodes were dropped. Only root
/// may do that.
pub fn cold_listing(address: SocketAddr, wanted: (&str, &str), film: &Path) -> Outcome<f64> {
    // What is not written yet can't be dropped.
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "3")?;
    let (seconds, _) = listing(address, wanted)?;
    read_into_cache(&File::open(film)?)?;
    Ok(seconds)
}

/// For the next measurement.
fn read_into_cache(mut film: &File) -> io::Result<u64> {
    io::copy(&mut film, &mut io::sink())
}

/// Viewers who read at the rate of their film.
#[derive(Debug)]
pub struct Viewers {
    /// How many received at least 95 % of that rate.
    pub at_full_rate: usize,
    /// The bytes, and their cost.
    pub window: Window,
    /// The server's memory while all of them are connected, in bytes.
    pub memory: u64,
    /// The number of its threads then.
    pub threads: u64,
}

/// Bytes that a viewer reads at a time.
const READ_SIZE: f64 = 25_000.0;

/// A viewer's receive buffer: the default size, fixed.
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
    let mut clients = Vec::with_capacity(count);
    for number in 0..count {
        let mut stream = connect(address, &options)?;
        let first = number as u64 * 4096 % (FILM_SIZE / 2);
        stream.write_all(&range_request(address, first, None))?;
        clients.push((stream, 0));
    }
    let window = Window::open(processes);
    let tick = Duration::from_secs_f64(READ_SIZE / rate);
    let ticks = (length.as_secs_f64() / tick.as_secs_f64()).ceil() as u32;
    let mut sink = vec![0; DISCARD];
    // They read in turns, spread over the tick. One that found too few bytes reads more the next time.
    for round in 1..=ticks {
        for (number, (stream, taken)) in clients.iter_mut().enumerate() {
            let at = tick * round + tick.mul_f64(number as f64 / count as f64);
            if let Some(early) = at.checked_sub(window.0.elapsed())
                && early > Duration::from_millis(1)
            {
                thread::sleep(early);
            }
            let due = (READ_SIZE * f64::from(round)) as usize - *taken;
            match discard(stream, &mut sink, due, RecvFlags::DONTWAIT)? {
                Some(0) if due > 0 => return Err("a viewer was disconnected".into()),
                read => *taken += read.unwrap_or(0),
            }
        }
    }
    let late = window.0.elapsed().as_secs_f64() / (tick * (ticks + 1)).as_secs_f64();
    let total: usize = clients.iter().map(|(_, taken)| taken).sum();
    let full = READ_SIZE * f64::from(ticks) * 0.95 * late;
    Ok(Viewers {
        at_full_rate: clients.iter().filter(|(_, taken)| *taken as f64 >= full).count(),
        window: Window::close(window, processes, total as u64),
        memory: processes.memory(),
        threads: processes.threads(),
    })
}
